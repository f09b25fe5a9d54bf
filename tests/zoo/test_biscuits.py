"""Biscuits: how does X compare with what else might have tipped the vote?"""

import numpy as np
import pytest
import torch
from closed_forms import enumerated, finite_draws
from scipy.stats import norm

import counterfactual_models as cm
from counterfactual_models.errors import DiscipleError, EvidenceError, WorldError
from counterfactual_models.zoo import biscuits
from counterfactual_models.zoo.biscuits import Campaign, slopes
from inference import diagnostics

edges = pytest.mark.parametrize("edge", [True, False], ids=["knife_edge", "safe"])


def truth_of(name, **options):
    example = biscuits.example(**options)
    return example.exact(example.disciples[name])


def test_the_evidence_is_what_the_story_says():
    sums = [
        int((2 * biscuits.example(knife_edge=edge).evidence["factors"] - 1).sum())
        for edge in (True, False)
    ]
    assert sums == [-1, -7]


def test_on_a_knife_edge():
    truth = truth_of("biscuits")
    assert truth.laws[0][1.0,] == pytest.approx(0.3085, abs=5e-5)
    assert truth.laws[1][1.0,] == pytest.approx(0.6915, abs=5e-5)
    assert truth.joint_tv == pytest.approx(0.3829, abs=5e-5)
    assert truth.importance.ratio == pytest.approx(1.000, abs=5e-4)
    rigged = truth_of("rig")
    assert rigged.joint_tv == pytest.approx(0.6915, abs=5e-5)
    assert rigged.importance.ratio == pytest.approx(1.806, abs=5e-4)


def test_when_the_vote_is_lost_already():
    truth = truth_of("biscuits", knife_edge=False)
    assert truth.joint_tv == pytest.approx(0.0060, abs=5e-5)
    assert truth.importance.ratio == pytest.approx(1, abs=5e-4)
    rigged = truth_of("rig", knife_edge=False)
    assert rigged.joint_tv == pytest.approx(0.9998, abs=5e-5)
    assert rigged.importance.ratio == pytest.approx(167.3, abs=0.05)


def test_the_shape_never_sees_biscuits_on_the_edge():
    assert truth_of("biscuits").rearranged_tv == pytest.approx(0, abs=1e-12)


def test_relative_importance_sees_rigging_and_less_of_biscuits():
    assert truth_of("biscuits").importance.profile_distance == pytest.approx(0.2243, abs=5e-5)
    assert truth_of("rig").importance.profile_distance == 1


@edges
@pytest.mark.parametrize("name", ["biscuits", "rig"])
def test_the_derivative_is_the_same_for_all_eleven(edge, name):
    example = biscuits.example(knife_edge=edge)
    found = slopes(example.disciples[name], example.evidence)
    if name == "rig":
        assert not found[1].any()
        return
    # Profiles do not move at all: relative importance by derivatives is 0.
    shares = [found[x] / found[x].sum() for x in (0, 1)]
    np.testing.assert_allclose(shares[1], shares[0], rtol=1e-12)
    total = float((2 * example.evidence["factors"] - 1).sum())
    for x in (0, 1):
        ends = norm.cdf((total + 2 * x + np.array([-1e-4, 1e-4])) / 2)
        np.testing.assert_allclose(found[x], np.diff(ends)[0] / 2e-4, rtol=1e-6)


def test_a_hard_majority_mistakes_biscuits_for_rigging():
    for name in ("biscuits", "rig"):
        truth = truth_of(name, hard=True)
        assert truth.joint_tv == 1
        assert truth.importance.profile_distance == pytest.approx(1)
    lost = truth_of("biscuits", knife_edge=False, hard=True)
    assert lost.joint_tv == lost.importance.ratio == lost.importance.profile_distance == 0


@edges
@pytest.mark.parametrize("hard", [False, True], ids=["smooth", "hard"])
def test_the_program_has_the_laws_of_exact_at_every_evidence(edge, hard):
    enumerated.assert_lawful(biscuits.example(knife_edge=edge, hard=hard))


@edges
def test_draws_come_out_as_often_as_they_should(edge):
    example = biscuits.example(knife_edge=edge)
    tree = finite_draws.draw(example)
    finite_draws.assert_lawful(example, tree)
    found = diagnostics.coarse_graining(tree)
    for name, disciple in example.disciples.items():
        own = found.sel(disciple=name, measurement="win")
        # A handful of wins in 4000 votes: their number is no normal law.
        slack = 4 * own["mcse"] + 3 / 4000
        assert abs(own["tv"] - example.exact(disciple).joint_tv) <= slack


@pytest.mark.parametrize("disciple", ["null", "biscuits", "rig"])
@pytest.mark.parametrize("hard", [False, True])
def test_the_world_passes_its_check(disciple, hard):
    example = biscuits.example(hard=hard)
    checked = cm.check_world(example.world, example.disciples[disciple])
    assert tuple(checked.named("measurement")) == ("win",)


@pytest.mark.parametrize("options", [{"knife_edge": 1}, {"hard": "yes"}, {"hard": None}])
def test_options_that_are_neither_true_nor_false_are_refused(options):
    with pytest.raises(WorldError, match="expected True or False"):
        biscuits.example(**options)


@pytest.mark.parametrize("options", [{"rig": 0.5}, {"help": np.nan}, {"help": np.inf}])
def test_a_campaign_that_is_none_is_refused(options):
    with pytest.raises(DiscipleError, match="expected a finite number, and 0 or 1"):
        Campaign(**options)


@pytest.mark.parametrize("factors", [[1.0] * 10, [0.5] * 11, [np.nan] * 11])
def test_other_than_eleven_of_0_and_1_is_no_evidence(factors):
    with pytest.raises(EvidenceError, match="0 or 1, 11 times"):
        biscuits.exact(Campaign(), {"factors": torch.tensor(factors)})
