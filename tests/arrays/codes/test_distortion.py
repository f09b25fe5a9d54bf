"""Does a description come nearer with every bit, and nearly as near as the best one?"""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from counterfactual_models.errors import CounterfactualError, WorldError
from inference.arrays.codes.distortion import correction_bits, distortion_curve

WIDE = 0.9 * special.logit(np.arange(1, 64) / 64)
masses = st.lists(st.sampled_from([0.0, 1.0, 2.0, 5.0, 40.0]), min_size=8, max_size=8)


def normal(shift=0.0):
    return np.diff(stats.norm.cdf(WIDE, loc=shift), prepend=0.0, append=1.0)


def steps(leaves, corrections, precision=6):
    """Rates that pay for 0, 1, ... corrections."""
    return correction_bits(leaves, precision) * np.arange(corrections + 1)


def exhaustive(target, start, precision):
    """Least variation by 0, 1, 2 and 3 corrections of four leaves, over all of them."""
    own = [start[:2].sum(), start[0] / start[:2].sum(), start[2] / start[2:].sum()]
    grid = np.arange(2**precision) / (2**precision - 1)
    least = np.full(4, np.inf)
    for fixed in itertools.product([False, True], repeat=3):
        choices = [grid if free else [own[node]] for node, free in enumerate(fixed)]
        root, left, right = np.meshgrid(*choices, indexing="ij")
        q = np.stack(
            [root * left, root * (1 - left), (1 - root) * right, (1 - root) * (1 - right)]
        )
        tv = 0.5 * np.abs(q - target[:, None, None, None]).sum(axis=0).min()
        least[sum(fixed)] = min(least[sum(fixed)], tv)
    return np.minimum.accumulate(least)


def test_a_normal_law_is_described_as_in_the_research():
    rates, uniform = np.array([0, 23.96, 59.9]), np.full(64, 1 / 64)
    for start, expected in (
        (uniform, [0.188, 0.099, 0.050]),
        (normal(0.5), [0.197, 0.091, 0.050]),
        (normal(3.0), [0.866, 0.454, 0.280]),
        (normal(), [0, 0, 0]),
    ):
        np.testing.assert_allclose(
            distortion_curve(normal(), start, rates), expected, rtol=0, atol=2e-3
        )


def test_no_set_of_corrections_does_better_and_few_do_much_better():
    rng = np.random.default_rng(0)
    targets, starts = rng.dirichlet(np.ones(4), size=(2, 100))
    ours = distortion_curve(targets, starts, steps(4, 3, 4), precision=4)
    best = [exhaustive(*pair, 4) for pair in zip(targets, starts, strict=True)]
    assert (ours >= np.array(best) - 1e-12).all()
    assert (ours - best).mean(axis=0).max() < 0.01


@given(masses.filter(any), masses.filter(any), st.integers(1, 8))
def test_more_bits_never_bring_it_further_away(target, start, precision):
    target, start = np.array(target), np.array(start)
    curve = distortion_curve(target, start, steps(8, 9, precision), precision=precision)
    direct = 0.5 * np.abs(target / target.sum() - start / start.sum()).sum()
    assert curve[0] == pytest.approx(direct, abs=1e-12)
    assert (np.diff(curve) <= 0).all() and (curve >= 0).all()
    # Seven nodes corrected, each to within half a step of the grid, by three on each way down.
    assert curve[-1] <= 3 * 0.5 / (2**precision - 1) + 1e-12


def test_mass_can_be_put_where_the_decoder_had_none():
    curve = distortion_curve(np.eye(8)[6], np.eye(8)[0], steps(8, 3))
    # One correction moves all to the right half, where it lies evenly on four leaves.
    np.testing.assert_allclose(curve, [1, 0.75, 0.5, 0], atol=1e-12)


def test_padding_stays_empty():
    rates = steps(16, 7)
    target, start = np.array([5.0, 1, 2, 2, 3, 3, 0, 4]), np.arange(1.0, 9)
    padded = [np.concatenate([law, np.zeros(8)]) for law in (target, start)]
    np.testing.assert_allclose(
        distortion_curve(*padded, rates), distortion_curve(target, start, steps(8, 7))
    )


def test_measurements_do_not_depend_on_each_other_or_on_the_chunk(monkeypatch):
    rng = np.random.default_rng(1)
    targets, starts = rng.dirichlet(np.full(8, 0.3), size=(2, 3, 5))
    rates = steps(8, 7)
    whole = distortion_curve(targets, starts, rates)
    monkeypatch.setattr("inference.arrays.codes.distortion.AT_ONCE", 24)
    assert whole.shape == (3, 5, 8)
    np.testing.assert_allclose(distortion_curve(targets, starts, rates), whole, atol=1e-15)
    alone = distortion_curve(1000 * targets[2, 1], starts[2, 1], rates)
    np.testing.assert_allclose(alone, whole[2, 1], atol=1e-12)


def test_one_start_does_for_all_and_one_leaf_has_nothing_to_correct():
    targets = np.random.default_rng(2).dirichlet(np.ones(4), size=6)
    one = distortion_curve(targets, np.ones(4), steps(4, 3))
    np.testing.assert_array_equal(one, distortion_curve(targets, np.ones((6, 4)), steps(4, 3)))
    assert (
        distortion_curve(np.ones((2, 1)), np.ones(1), np.array([0.0, 99.0])).tolist()
        == [[0, 0]] * 2
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(6), np.ones(6), np.zeros(1)), "6 leaves"),
        ((np.ones(4), np.ones(3), np.zeros(1)), r"start of shape \(3,\)"),
        ((np.array([[1.0, 1], [0, 0]]), np.ones(2), np.zeros(1)), "target number 1 has no mass"),
        ((np.ones(2), np.zeros(2), np.zeros(1)), "start number 0 has no mass"),
        ((np.ones(2), np.array([np.nan, 1]), np.zeros(1)), r"start of nan at \(0,\)"),
        ((np.ones(2), np.ones(2), np.array([2.0, 1.0])), "ascending order"),
        ((np.ones(2), np.ones(2), np.array([-1.0])), "rates of -1.0"),
    ],
)
def test_what_cannot_be_described_is_refused(arguments, message):
    with pytest.raises(CounterfactualError, match=message):
        distortion_curve(*arguments)


@pytest.mark.parametrize("precision", [0, 2.5])
def test_a_precision_of_no_bits_is_refused(precision):
    with pytest.raises(WorldError, match="precision"):
        distortion_curve(np.ones(2), np.ones(2), np.zeros(1), precision=precision)
