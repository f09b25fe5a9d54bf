"""Two compartments: who sees a demon that changes no law and no size of any datum?"""

import math

import numpy as np
import pytest
import torch
from closed_forms import finite_draws
from scipy.stats import norm

import counterfactual_models as cm
from counterfactual_models.errors import DiscipleError, EvidenceError, WorldError
from counterfactual_models.zoo import compartments
from counterfactual_models.zoo.compartments import Valve, demon
from inference import diagnostics


@pytest.fixture(scope="module")
def example():
    return compartments.example()


@pytest.fixture(scope="module")
def tree(example):
    return finite_draws.draw(example)


@pytest.mark.parametrize("draught", [0.1, 0.5])
@pytest.mark.parametrize("name", ["mix", "demon"])
def test_each_datum_is_worth_the_same_to_both_worlds(draught, name):
    example = compartments.example(draught=draught)
    truth = example.exact(example.disciples[name])
    expected = math.sqrt(2 / math.pi) / (2 * draught)  # 3.9894 for s = .1
    for x in (0, 1):
        np.testing.assert_allclose(truth.slope[x], [expected, expected])
    assert truth.profile_distance == 0
    np.testing.assert_allclose(truth.tv(), 0, atol=1e-12)
    if draught == 0.1:
        assert truth.slope[1][0] == pytest.approx(3.9894, abs=5e-5)


@pytest.mark.parametrize("place", [0, 1])
def test_the_slope_is_that_of_the_law_itself(example, place):
    # By quadrature of |f - g| for a datum that is a little different.
    grid, small = np.linspace(-2, 3, 200_001), 1e-4
    for disciple in example.disciples.values():
        truth = example.exact(disciple)
        moved = truth.mean[1][0] + small * truth.gradient[1][place]
        gap = abs(norm.pdf(grid, moved, 0.1) - norm.pdf(grid, truth.mean[1][0], 0.1))
        assert np.trapezoid(gap, grid) / small == pytest.approx(truth.slope[1][place], rel=1e-5)


def test_only_the_fisher_matrix_sees_the_demon(example):
    hidden, mixed = (example.exact(example.disciples[n]) for n in ("demon", "mix"))
    for truth in (hidden, mixed):
        np.testing.assert_allclose(truth.fisher[0], 25 * np.ones((2, 2)))
    np.testing.assert_allclose(mixed.fisher[1], 25 * np.ones((2, 2)))
    np.testing.assert_allclose(hidden.fisher[1], 25 * np.array([[1, -1], [-1, 1]]))
    assert [np.linalg.matrix_rank(hidden.fisher[x]) for x in (0, 1)] == [1, 1]
    assert hidden.gram_distance == pytest.approx(1)
    assert mixed.gram_distance == pytest.approx(0, abs=1e-12)


def test_the_difference_does_not_matter_until_the_demon_comes(example):
    truth = example.exact(example.disciples["demon"])
    difference = np.array([1.0, -1.0])
    assert truth.gradient[0] @ difference == 0
    assert truth.gradient[1] @ difference == 1
    assert truth.gradient[1].sum() == 0


def test_a_demon_is_seen_at_any_other_evidence(example):
    elsewhere = {"left": example.evidence["left"], "right": torch.tensor(0.45)}
    tv = example.exact(example.disciples["demon"], evidence=elsewhere).tv()
    assert tv == pytest.approx([2 * norm.cdf(1) - 1])  # the mean is .2 off: two sds


def test_a_valve_that_takes_all_away_leaves_no_datum_worth_anything(example):
    truth = example.exact(Valve(-0.5, -0.5))
    assert truth.profile_distance == truth.gram_distance == 1
    assert not truth.slope[1].any()


@pytest.mark.parametrize("disciple", ["mix", "demon"])
def test_draws_have_the_law_of_exact_at_every_evidence(example, tree, disciple):
    drawn = [(example.evidence, tree)]
    for (other,) in example.alternatives.values():
        drawn.append((other, finite_draws.draw(example, other)))
    for evidence, found in drawn:
        truth = example.exact(example.disciples[disciple], evidence=evidence)
        for x, label in ((0, "erased"), (1, disciple)):
            w = found["predictions"]["pressure"].sel(disciple=label).values.ravel()
            root = np.sqrt(w.size)
            assert abs(w.mean() - truth.mean[x][0]) <= 4 * truth.sd / root
            assert abs(w.std() - truth.sd) <= 4 * truth.sd / root / np.sqrt(2)


def test_the_estimate_of_the_penalty_is_within_its_error(tree):
    found = diagnostics.coarse_graining(tree)
    assert np.all(found["tv"] <= 4 * found["mcse"])


def test_an_alternative_is_a_step_of_one_draught(example):
    for datum, (other,) in example.alternatives.items():
        assert float(other[datum] - example.evidence[datum]) == pytest.approx(0.1)


@pytest.mark.parametrize("disciple", ["mix", "demon"])
def test_the_world_passes_its_check(example, disciple):
    checked = cm.check_world(example.world, example.disciples[disciple])
    assert tuple(checked.named("measurement")) == ("pressure",)


@pytest.mark.parametrize("draught", [0, -0.1, np.nan, np.inf, "strong"])
def test_a_draught_that_is_none_is_refused(draught):
    with pytest.raises(WorldError, match=r"draught=.*above 0"):
        compartments.example(draught=draught)


def test_a_valve_without_bounds_is_refused():
    with pytest.raises(DiscipleError, match="expected finite numbers"):
        demon({"left": 0.0, "right": np.inf})


def test_pressure_without_bounds_is_no_evidence():
    with pytest.raises(EvidenceError, match="expected finite numbers"):
        compartments.exact(Valve(), {"left": np.nan, "right": 0.0})
