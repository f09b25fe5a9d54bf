"""Presidents and hacks: what do laws, paths and the worth of facts say of a takeover?"""

import numpy as np
import pytest
import torch
from closed_forms import enumerated, finite_draws

import counterfactual_models as cm
import inference
from counterfactual_models.errors import DiscipleError, EvidenceError
from counterfactual_models.zoo import presidency
from counterfactual_models.zoo.presidency import Hack, mimic
from inference import diagnostics


@pytest.fixture(scope="module")
def example():
    return presidency.example()


@pytest.fixture(scope="module")
def tree(example):
    return finite_draws.draw(example, coupling="shared")


def test_a_takeover_is_seen_by_its_laws_and_not_by_their_shape(example):
    truth = example.exact(example.disciples["takeover"])
    assert truth.joint_tv == pytest.approx(0.8)
    np.testing.assert_allclose(truth.tv(), [0.8, 0], atol=1e-12)
    assert truth.rearranged_tv == pytest.approx(0, abs=1e-12)
    assert truth.entropy_change == pytest.approx(0, abs=1e-12)
    assert truth.marginal("policy", 0) == pytest.approx({0: 0.9, 1: 0.1})
    assert truth.marginal("policy", 1) == pytest.approx({0: 0.1, 1: 0.9})


def test_what_each_fact_is_worth_before_and_after_a_takeover(example):
    found = example.exact(example.disciples["takeover"]).importance
    assert found.off == pytest.approx({"president": 1.6, "code": 0, "plant": 0.2}, abs=1e-12)
    assert found.on == pytest.approx({"president": 0, "code": 1.6, "plant": 0.2}, abs=1e-12)
    assert found.ratio == pytest.approx(1.6 / 0.9)  # 1.778: the median of 1.6 and 0.2
    assert found.profile_distance == pytest.approx(8 / 9)  # .8889
    assert found.gram_distance == pytest.approx(0.9763, abs=5e-5)


def test_nothing_but_the_worth_of_facts_sees_the_mimic(example):
    truth = example.exact(example.disciples["mimic"])
    assert truth.joint_tv == truth.path == truth.rearranged_tv == 0
    assert truth.entropy_change == 0
    assert truth.tv_given("loyalty", "bloom") == 0
    assert truth.importance.ratio == truth.importance.switch == 0
    assert truth.importance.profile_distance == pytest.approx(8 / 9)
    assert truth.importance.gram_distance == pytest.approx(0.9763, abs=5e-5)


def test_a_mimic_is_seen_at_any_other_code(example):
    hidden = example.disciples["mimic"]
    for code in (0, 4, 7):
        evidence = {**example.evidence, "code": torch.tensor(float(code))}
        assert example.exact(hidden, evidence=evidence).joint_tv == pytest.approx(0.8)


@pytest.mark.parametrize("president", [0, 1])
@pytest.mark.parametrize("code", [3, 5])
def test_a_mimic_hides_from_any_president_and_code(president, code):
    evidence = {"president": president, "code": code, "plant": 0}
    assert presidency.exact(mimic(evidence), evidence).path == 0


def test_the_program_has_the_laws_of_exact_at_every_evidence(example):
    enumerated.assert_lawful(example)


def test_draws_come_out_as_often_as_they_should(example, tree):
    finite_draws.assert_lawful(example, tree)


def test_estimates_are_within_their_errors(example, tree):
    found = diagnostics.coarse_graining(tree)
    ladder = diagnostics.chaos_ladder(tree, given=["loyalty"])
    for name, disciple in example.disciples.items():
        truth = example.exact(disciple)
        for place, measurement in enumerate(truth.names):
            at = {"disciple": name, "measurement": measurement}
            own, rungs = found.sel(at), ladder.sel(at)
            assert abs(own["tv"] - truth.tv()[place]) <= 4 * own["mcse"], at
            known = float(name == "takeover" and measurement == "policy")
            assert abs(rungs["conditional"] - known) <= 4 * rungs["conditional_mcse"] + 1e-3, at
            assert abs(rungs["coupled"] - known) <= 4 * rungs["coupled_mcse"] + 1e-9, at


def test_with_loyalty_known_a_takeover_is_certain(example):
    truth = example.exact(example.disciples["takeover"])
    assert truth.tv_given("loyalty") == pytest.approx(1)
    assert truth.path == pytest.approx(1)
    assert truth.tv_given("bloom") == pytest.approx(0.8)


def test_all_draws_run_in_one_pass(tree):
    assert set(inference.schema.decode_attrs(tree.attrs)["vectorised"].values()) == {"plate"}


@pytest.mark.parametrize("disciple", ["null", "takeover", "mimic"])
def test_the_world_passes_its_check(example, disciple):
    checked = cm.check_world(example.world, example.disciples[disciple])
    assert tuple(checked.named("measurement")) == ("policy", "garden")


@pytest.mark.parametrize("options", [{"grip": 0.5}, {"wants": 2}, {"grip": "yes"}])
def test_half_a_hack_is_refused(options):
    with pytest.raises(DiscipleError, match="expected 0 or 1"):
        Hack(**options)


@pytest.mark.parametrize("code", [8, -1, 2.5, np.nan])
def test_a_code_that_is_none_is_refused(example, code):
    evidence = {**example.evidence, "code": torch.tensor(float(code))}
    with pytest.raises(EvidenceError, match=r"code=.*0 to 7"):
        example.exact(example.disciples["null"], evidence=evidence)
