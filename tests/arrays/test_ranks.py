"""Do the tests of ranks hold their level, see what is wrong, and agree with known laws?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, kstwo, norm

from inference.arrays.ranks import (
    ecdf_band,
    ecdf_difference,
    effective_draws,
    evenly_thinned,
    holm,
    normalised_ranks,
    probability_within,
    uniformity,
)


def normal_ranks(rng, *, repetitions, studies, bias=0.0, scale=1.0, draws=200):
    """Ranks of standard normal truths among draws of N(bias, scale²)."""
    below = norm.cdf((rng.normal(size=(repetitions, studies)) - bias) / scale)
    less = rng.binomial(draws, below)
    return (less + rng.random(less.shape)) / (draws + 1)


@pytest.mark.parametrize("count", [1, 2, 7, 60, 300])
@pytest.mark.parametrize("reach", [0.6, 0.9, 1.4, 2.5])
def test_the_crossing_probability_is_that_of_kolmogorov_and_smirnov(count, reach):
    distance = reach / np.sqrt(count)
    place = np.arange(1, count + 1)
    lower = np.clip(place / count - distance, 0, 1)
    upper = np.clip((place - 1) / count + distance, 0, 1)
    outside = 1 - probability_within(lower, upper)
    assert outside == pytest.approx(kstwo.sf(distance, count), rel=1e-5, abs=1e-12)


def test_bounds_that_no_sample_meets_have_probability_zero():
    assert probability_within(np.array([0.0, 0.9]), np.array([0.1, 0.2])) == 0.0


@pytest.mark.parametrize(
    ("repetitions", "studies"), [(2, 1000), (10, 1000), (50, 500), (200, 400)]
)
def test_false_alarms_are_as_rare_as_promised(repetitions, studies):
    found = uniformity(np.random.default_rng(repetitions).random((repetitions, studies)))
    for level in (0.01, 0.05, 0.2):
        room = 4 * np.sqrt(level * (1 - level) / studies)
        for p in (found.p_shape, found.p_bias, found.p_spread):
            assert abs(np.mean(p <= level) - level) < room
        assert np.mean(found.p <= level) < level + room


def test_p_values_far_out_are_neither_negative_nor_lost_in_rounding():
    stuck = uniformity(np.full((200, 1), 0.9999))
    assert 0 <= stuck.p_shape.item() < 1e-100
    nearly = uniformity(np.sort(np.random.default_rng(0).random((200, 1)) ** 1.9, axis=0))
    assert 1e-25 < nearly.p_shape.item() < 1e-6


def test_a_width_wrong_by_a_fifth_is_seen_by_two_hundred_repetitions():
    rng = np.random.default_rng(1)
    seen = {
        scale: np.mean(
            uniformity(normal_ranks(rng, repetitions=200, studies=120, scale=scale)).p <= 0.05
        )
        for scale in (0.8, 1.2)
    }
    # Measured on 1000 studies: 0.97 and 0.87; four standard errors of 120 below.
    assert seen[0.8] > 0.90
    assert seen[1.2] > 0.74


def test_bias_and_spread_say_by_how_much_the_posterior_is_wrong():
    rng = np.random.default_rng(2)
    ranks = normal_ranks(rng, repetitions=20_000, studies=1, bias=0.3, scale=1.25, draws=4000)
    found = uniformity(ranks)
    assert found.bias.item() == pytest.approx(-0.3 / 1.25, abs=4 * 0.8 / np.sqrt(20_000))
    assert found.spread.item() == pytest.approx(0.8, abs=4 * 0.8 / np.sqrt(40_000) + 0.005)


def test_ranks_of_a_right_posterior_are_uniform_in_discrete_laws_too():
    rng = np.random.default_rng(3)
    for draws in (1, 2, 9):
        values = rng.choice(3, p=[0.7, 0.2, 0.1], size=(20_000, draws + 1))
        ranks = normalised_ranks(values[:, 1:], values[:, 0], rng.random(20_000))
        assert kstest(ranks, "uniform").pvalue > 1e-4


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=12),
    st.integers(-4, 4),
    st.floats(0, 1, exclude_max=True),
)
def test_a_rank_counts_what_lies_below_and_shares_the_ties(draws, truth, fraction):
    rank = normalised_ranks(np.array(draws, float), float(truth), fraction)
    less, equal = sum(d < truth for d in draws), draws.count(truth)
    assert 0 < rank < 1
    assert less - 1e-9 <= rank * (len(draws) + 1) <= less + equal + 1 + 1e-9


def test_rounding_does_not_decide_a_tie():
    draws = np.array([1.0, 1.0 + 1e-7, 1.0 - 1e-7, 2.0])
    assert normalised_ranks(draws, 1.0, 0.5, tolerance=1e-6) == pytest.approx(2 / 5)


def test_an_impossible_draw_ranks_below_every_truth():
    assert normalised_ranks(np.array([-np.inf, -np.inf, 5.0]), 1.0, 0.5) == pytest.approx(2.5 / 4)
    draws = np.random.default_rng(0).normal(size=(4, 100, 1))
    draws[0, :3] = -np.inf
    assert 100 < effective_draws(draws).item() <= 400


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_effective_draws_are_those_of_an_autoregression(memory):
    rng = np.random.default_rng(4)
    walk = np.empty((8, 500, 3))
    walk[:, 0] = rng.normal(size=(8, 3))
    for t in range(1, 500):
        step = rng.normal(size=(8, 3))
        walk[:, t] = memory * walk[:, t - 1] + np.sqrt(1 - memory**2) * step
    expected = 4000 * (1 - memory) / (1 + memory)
    assert effective_draws(walk) == pytest.approx(np.full(3, expected), rel=0.3)


def test_what_cannot_be_estimated_counts_every_draw():
    assert effective_draws(np.ones((2, 50, 1))).item() == 100
    assert effective_draws(np.random.default_rng(0).normal(size=(5, 3, 1))).item() == 15


def test_ranks_of_thinned_chains_are_uniform():
    rng = np.random.default_rng(5)
    memory, studies, repetitions = 0.9, 40, 30
    ranks = np.empty((repetitions, studies))
    for row in ranks:
        walk = np.empty((4, 100, studies))
        walk[:, 0] = rng.normal(size=(4, studies))
        for t in range(1, 100):
            step = rng.normal(size=(4, studies))
            walk[:, t] = memory * walk[:, t - 1] + np.sqrt(1 - memory**2) * step
        counts = np.floor(effective_draws(walk)).astype(int)
        truths, fractions = rng.normal(size=studies), rng.random(studies)
        for k in range(studies):
            kept = evenly_thinned(walk[..., k].ravel(), counts[k])
            row[k] = normalised_ranks(kept, truths[k], fractions[k])
    assert kstest(ranks.ravel(), "uniform").pvalue > 1e-3
    assert np.mean(uniformity(ranks).p <= 0.05) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / studies)


def test_thinning_keeps_distinct_draws_in_order():
    for count in (1, 7, 50):
        kept = evenly_thinned(np.arange(50), count)
        assert len(set(kept.tolist())) == count == len(kept)
        assert (np.diff(kept) > 0).all()


@pytest.mark.parametrize("probability", [0.5, 0.95])
def test_the_band_holds_the_whole_curve_as_often_as_it_says(probability):
    ranks = np.random.default_rng(6).random((60, 2000))
    places = np.linspace(0, 1, 1201)
    lower, upper = ecdf_band(60, places, probability=probability)
    curves = ecdf_difference(ranks, places)
    inside = ((curves >= lower - 1e-12) & (curves <= upper + 1e-12)).all(1).mean()
    # A fine grid misses few of the crossings, which lets a little more than the share inside.
    room = 4 * np.sqrt(probability * (1 - probability) / 2000)
    assert -room < inside - probability < room + 0.01


def test_the_curve_leaves_the_band_just_when_the_p_value_says_so():
    rng = np.random.default_rng(7)
    ranks = rng.random((80, 150)) ** np.linspace(0.7, 1.4, 150)
    places = np.linspace(0, 1, 20_001)
    lower, upper = ecdf_band(80, places)
    curves = ecdf_difference(ranks, places)
    outside = ((curves < lower - 1e-12) | (curves > upper + 1e-12)).any(1)
    p = uniformity(ranks).p_shape
    clear = np.abs(p - 0.05) > 0.002
    assert np.array_equal(outside[clear], (p < 0.05)[clear])
    assert 0 < outside.sum() < 150


def test_holm_keeps_order_and_is_never_below_p():
    p = np.array([0.9, 0.001, 0.02, 0.02, 0.5])
    assert holm(p) == pytest.approx([1.0, 0.005, 0.08, 0.08, 1.0])
    assert holm(np.array([0.3])).tolist() == [0.3]
