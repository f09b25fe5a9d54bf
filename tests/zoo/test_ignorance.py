"""Ignorance: does a flip of an unknown fact hide from laws, and not from those who know?"""

import numpy as np
import pytest
import torch
from closed_forms import enumerated, finite_draws

import counterfactual_models as cm
from counterfactual_models.errors import DiscipleError, EvidenceError, WorldError
from counterfactual_models.zoo import ignorance
from inference import diagnostics


@pytest.fixture(scope="module", params=[0.5, 0.8], ids=["ignorant", "informed"])
def accuracy(request):
    return request.param


@pytest.fixture(scope="module")
def example(accuracy):
    return ignorance.example(accuracy=accuracy)


@pytest.fixture(scope="module")
def tree(example):
    return finite_draws.draw(example, coupling="shared", futures=2)


@pytest.mark.parametrize("q", [0.5, 0.6, 0.8, 0.2, 0.99])
def test_a_flip_is_seen_as_far_as_the_fact_was_known(q):
    example = ignorance.example(accuracy=q)
    truth = example.exact(example.disciples["flip"])
    assert truth.joint_tv == pytest.approx(abs(2 * q - 1))
    assert truth.path == pytest.approx(1)
    assert truth.tv_given("fact") == pytest.approx(1)
    assert truth.tv_given() == pytest.approx(truth.joint_tv)
    # The shape never sees it: the two probabilities change places.
    assert truth.rearranged_tv == pytest.approx(0, abs=1e-12)
    assert truth.entropy_change == pytest.approx(0, abs=1e-12)


def test_with_a_report_that_says_nothing_nothing_of_importance_is_seen():
    example = ignorance.example()
    truth = example.exact(example.disciples["flip"])
    assert truth.joint_tv == 0
    found = truth.importance
    assert found.off == found.on == {"report": 0}
    assert (found.ratio, found.profile_distance, found.gram_distance) == (0, 0, 0)


def test_a_report_that_says_something_is_as_important_as_the_flip():
    example = ignorance.example(accuracy=0.8)
    found = example.exact(example.disciples["flip"]).importance
    assert found.off == pytest.approx({"report": 1.2})  # 2 |2q - 1|
    assert found.ratio == pytest.approx(1)


def test_the_posterior_is_the_prior_when_the_report_says_nothing():
    drawn = finite_draws.draw(ignorance.example())["posterior"]["fact"].values.ravel()
    assert abs(drawn.mean() - 0.5) <= 4 * 0.5 / np.sqrt(drawn.size)


def test_the_program_has_the_laws_of_exact_at_every_evidence(example):
    enumerated.assert_lawful(example)


def test_draws_come_out_as_often_as_they_should(example, accuracy, tree):
    # The two futures of a draw are one and the same: half as many are independent.
    for name, chance in (("erased", accuracy), ("null", accuracy), ("flip", 1 - accuracy)):
        outcome = tree["predictions"]["outcome"].sel(disciple=name).values.astype(float)
        error = np.sqrt(accuracy * (1 - accuracy) / (outcome.size / 2))
        assert abs(outcome.mean() - chance) <= 4 * error


def test_the_ladder_sees_on_its_second_rung_what_the_first_does_not(example, accuracy, tree):
    # Its floor is taken out of it where the fact is given, however sure it is: up to 1e-4.
    for given in (None, ["fact"]):
        ladder = diagnostics.chaos_ladder(tree, given=given)
        own = ladder.sel(disciple="flip", measurement="outcome")
        assert abs(own["tv"] - abs(2 * accuracy - 1)) <= 4 * own["tv_mcse"]
        assert abs(own["conditional"] - 1) <= 4 * own["conditional_mcse"] + 2e-4
        assert own["coupled"] == 1
        null = ladder.sel(disciple="null", measurement="outcome")
        assert null["conditional"] == null["coupled"] == 0


def test_the_estimate_of_the_penalty_is_within_its_error(example, tree):
    found = diagnostics.coarse_graining(tree)
    for name, disciple in example.disciples.items():
        own = found.sel(disciple=name, measurement="outcome")
        assert abs(own["tv"] - example.exact(disciple).joint_tv) <= 4 * own["mcse"]


@pytest.mark.parametrize("disciple", ["null", "flip"])
def test_the_world_passes_its_check(example, disciple):
    checked = cm.check_world(example.world, example.disciples[disciple])
    assert tuple(checked.named("measurement")) == ("outcome",)


@pytest.mark.parametrize("accuracy", [0, 1, -0.5, np.nan, "half"])
def test_an_accuracy_that_leaves_no_doubt_is_refused(accuracy):
    with pytest.raises(WorldError, match=r"accuracy=.*above 0 and below 1"):
        ignorance.example(accuracy=accuracy)


def test_half_a_report_is_no_evidence():
    with pytest.raises(EvidenceError, match=r"report=0\.5"):
        ignorance.exact(ignorance.flip, {"report": torch.tensor(0.5)})


def test_half_a_flip_has_no_closed_form_here():
    with pytest.raises(DiscipleError, match=r"0\.5; expected 0 or 1"):
        ignorance.exact(lambda report: 0.5 + 0 * report, {"report": 1})
