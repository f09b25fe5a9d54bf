"""Bits of independent processes add up under dominance, and under no total order."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.exceedance import exceedance_bits
from inference.arrays.order.joint import joint_bits

GRID = np.indices((8, 8)).reshape(2, -1)


def by(score):
    return lambda draws, achieved: score(draws) >= score(achieved)


def lexicographic(draws, achieved):
    tied = draws[0] == achieved[0]
    return (draws[0] > achieved[0]) | (tied & (draws[1] >= achieved[1]))


def dominance(draws, achieved):
    return (draws >= achieved).all(axis=0)


@pytest.mark.parametrize(
    ("preference", "bits"),
    [
        (dominance, 5.0),
        (by(lambda both: both.sum(axis=0)), 4.4150374992788438185),
        (lexicographic, 2.8300749985576876371),
        (by(lambda both: both.min(axis=0)), 4.0),
        (by(lambda both: both.max(axis=0)), 2.0931094043914814707),
    ],
    ids=["dominance", "sum", "lexicographic", "min", "max"],
)
def test_x6_and_y7_of_eight_by_eight_have_the_bits_of_the_post(preference, bits):
    assert joint_bits([6, 7], preference, draws=GRID) == pytest.approx(bits, rel=1e-12)


def test_a_quarter_and_an_eighth_are_five_bits_if_as_good_in_each():
    assert joint_bits([2.0, 3.0]) == 5.0
    assert joint_bits(np.array([[2.0, 1.0], [3.0, np.inf]])).tolist() == [5.0, np.inf]


@pytest.mark.parametrize(
    ("bits", "joint"),
    [([2.0, 3.0], 2.8411020652272462874), ([3.0] * 10, 8.3207357064629405544)],
)
def test_the_sum_of_bits_is_fishers_combination(bits, joint):
    assert joint_bits(bits, "sum_of_bits") == pytest.approx(joint, rel=1e-12)


@pytest.mark.parametrize("processes", [1, 2, 3, 17, 200])
@pytest.mark.parametrize("each", [1e-9, 1e-3, 0.5, 1.4427, 4.0, 300.0, 1e5])
def test_fishers_combination_keeps_its_digits_near_and_far(processes, each):
    with mpmath.workdps(400):
        total = mpmath.mpf(processes * each) * mpmath.log(2)
        term, kept = mpmath.mpf(1), mpmath.mpf(1)
        for i in range(1, processes):
            term *= total / i
            kept += term
        truth = float(-(mpmath.log(kept) - total) / mpmath.log(2))
    found = joint_bits(np.full(processes, each), "sum_of_bits")
    # 1 - P(fewer) is all there is at a tail so near 1 that its bits underflow.
    assert found == pytest.approx(truth, rel=1e-9, abs=1e-300)


def test_the_sum_of_bits_is_the_share_of_draws_that_are_as_unlikely_together():
    rng = np.random.default_rng(0)
    draws = rng.exponential(size=(3, 200_000)) / np.log(2)  # bits of chance
    achieved = np.array([1.0, 2.0, 3.0])
    counted = joint_bits(achieved, by(lambda bits: bits.sum(axis=0)), draws=draws)
    exact = joint_bits(achieved, "sum_of_bits")
    error = np.sqrt((2**exact - 1) / 200_000) / np.log(2)
    assert abs(counted - exact) < 4 * error


def test_with_ties_the_sum_of_bits_is_a_lower_bound():
    bits = exceedance_bits(range(8), GRID)
    counted = joint_bits(bits, by(lambda both: both.sum(axis=0)), draws=bits)
    assert (counted >= joint_bits(bits, "sum_of_bits") - 1e-9).all()


def test_with_one_process_every_preference_gives_its_bits():
    assert joint_bits([7.25], "sum_of_bits") == pytest.approx(7.25, rel=1e-12)
    assert joint_bits([7.25]) == 7.25
    assert joint_bits([5], lexicographic_alone, draws=np.arange(8)[None]) == pytest.approx(
        exceedance_bits(range(8), 5)
    )


def lexicographic_alone(draws, achieved):
    return draws[0] >= achieved[0]


@given(st.lists(st.floats(0, 60), min_size=1, max_size=5))
def test_no_bits_and_endless_bits_stay_so(bits):
    joint = joint_bits(bits, "sum_of_bits")
    assert 0 <= joint <= sum(bits) * (1 + 1e-9) and not np.signbit(joint)
    assert joint_bits([*bits, np.inf], "sum_of_bits") == np.inf
    assert joint_bits(np.zeros(len(bits)), "sum_of_bits") == 0.0


@given(st.integers(0, 2**32 - 1))
def test_a_total_order_that_respects_dominance_gives_at_most_the_sum(seed):
    rng = np.random.default_rng(seed)
    # Sums of random steps along both axes, and of both, are any monotone score.
    steps = rng.integers(0, 2, size=(8, 8)) * rng.integers(0, 4, size=(8, 8))
    score = steps.cumsum(axis=0).cumsum(axis=1)
    masses = [rng.dirichlet(np.ones(8)) for _ in range(2)]
    joint_masses = np.log(np.outer(*masses)).reshape(-1)
    better = by(lambda both: score[both[0], both[1]])
    found = joint_bits(GRID, better, draws=GRID, log_measure=joint_masses)
    alone = [exceedance_bits(range(8), GRID[i], np.log(masses[i])) for i in range(2)]
    assert (found <= joint_bits(alone) + 1e-9).all()
    assert joint_bits(GRID, dominance, draws=GRID, log_measure=joint_masses) == pytest.approx(
        joint_bits(alone), abs=1e-9
    )


def test_many_achievements_are_asked_in_pieces():
    rng = np.random.default_rng(2)
    draws, achieved = rng.normal(size=(2, 4000)), rng.normal(size=(2, 40, 60))
    found = joint_bits(achieved, by(lambda both: both.sum(axis=0)), draws=draws)
    truth = exceedance_bits(draws.sum(axis=0), achieved.sum(axis=0))
    assert found.shape == (40, 60) and found == pytest.approx(truth)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([1.0, -2.0],), {}, "none below 0"),
        (([1.0, np.nan],), {}, "no NaN"),
        ((1.0,), {}, "first axis"),
        (([1.0], "sum_of_bit"), {}, "Did you mean 'sum_of_bits'"),
        (([1.0], "dominance"), {"draws": GRID}, "needs only bits"),
        (([1.0, 2.0], dominance), {}, "expected draws="),
        (([1.0, 2.0, 3.0], dominance), {"draws": GRID}, "same processes"),
        (([6, 7], by(lambda both: both)), {"draws": GRID}, "Reduce the first axis"),
        (([6, 7], lambda a, b: a.sum(0) - b.sum(0)), {"draws": GRID}, "got from the preference"),
        (([6, 7], lambda a, b: a.sum(0) > b.sum(0)), {"draws": GRID}, "not as good as itself"),
    ],
)
def test_what_is_no_preference_is_refused(arguments, options, message):
    with pytest.raises(CounterfactualError, match=message):
        joint_bits(*arguments, **options)
