"""Does a Pareto tail go on a little way beyond the draws, and own up where it ends?"""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from counterfactual_models.errors import CounterfactualError, ImpactWarning
from inference.arrays.order.pareto_tail import pareto_bits


def quietly(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImpactWarning)
        return pareto_bits(*args, **options)


@pytest.mark.parametrize("shape", [-0.6, -0.2, 0.0, 0.3, 0.8])
def test_the_shape_is_that_of_scipys_maximum_likelihood(shape):
    draws = stats.genpareto(shape).rvs(20_000, random_state=1)
    found = quietly(draws, 0.0, excesses=2000)
    excess = np.sort(draws)[-2000:] - found.threshold
    khat, _, scale = stats.genpareto.fit(excess, floc=0)
    assert found.khat == pytest.approx(khat, abs=0.02)
    assert found.scale == pytest.approx(scale, rel=0.03)


@pytest.mark.parametrize("shape", [0.0, 0.3])
def test_three_bits_beyond_the_draws_are_within_the_interval_in_most_seeds(shape):
    """Of 95 % intervals four in five hold the truth at worst: 25 of 40 come once in 100 tries."""
    law, bits = stats.genpareto(shape), np.log2(2000) + 3
    target, held = law.isf(2.0**-bits), 0
    for seed in range(40):
        found = quietly(law.rvs(2000, random_state=seed), target, most_extrapolated=30)
        held += found.lower <= bits <= found.upper
    assert held > 25


def test_inside_the_draws_it_counts_and_joins_without_a_step():
    draws = np.random.default_rng(0).normal(size=(4, 1000))
    ordered = np.sort(draws, axis=None)[::-1]
    found = quietly(draws, ordered[[3999, 999, 188]])
    expected = -np.log2(np.array([4000, 1000, 189]) / 4000)
    np.testing.assert_allclose(found.bits, expected, atol=0.01)
    assert found.bits[0] == 0.0 and found.extrapolated.tolist() == [0, 0, 0]
    above = quietly(draws, np.nextafter(found.threshold, np.inf))
    assert above.bits == pytest.approx(np.log2(4000 / found.excesses), abs=0.01)


def test_a_bounded_utility_ends_and_the_answer_says_so():
    draws = np.random.default_rng(0).random((4, 1000))
    with pytest.warns(ImpactWarning, match=r"the fitted tail ends at 0\.99.* 1 of the targets"):
        found = pareto_bits(draws, [0.99, 1.5])
    assert found.beyond_endpoint.tolist() == [False, True]
    assert found.bits[1] == found.upper[1] == found.mcse[1] == np.inf
    assert found.lower[1] > 0 and abs(found.endpoint - 1) < 0.01 and found.khat < -0.7
    pulled = quietly(draws, 0.99, prior=True)
    assert pulled.khat > found.khat


def test_far_extrapolation_is_refused_unless_asked_for():
    draws = np.random.default_rng(0).standard_t(3, size=(4, 1000))
    target = stats.t(3).isf(2.0**-30)
    with pytest.raises(CounterfactualError, match=r"bits beyond the draws; expected 4 at most"):
        pareto_bits(draws, target)
    asked = quietly(draws, target, most_extrapolated=99.0)
    assert asked.extrapolated > 4 and asked.lower < 30 < asked.upper


def test_slow_chains_have_wider_intervals():
    rng = np.random.default_rng(0)
    quick = rng.exponential(size=(4, 1000))
    slow = np.repeat(rng.exponential(size=(4, 50)), 20, axis=1) + 1e-6 * quick
    wide, narrow = (quietly(one, 5.0, most_extrapolated=99.0) for one in (slow, quick))
    assert wide.upper - wide.lower > 2 * (narrow.upper - narrow.lower)
    assert wide.effective < 500 < narrow.effective


@given(st.integers(0, 2**16), st.floats(0.01, 100), st.floats(-100, 100))
def test_units_of_the_utility_change_nothing(seed, scale, shift):
    draws = np.random.default_rng(seed).exponential(size=(2, 200))
    targets = np.array([0.5, 3.0])
    options = {"most_extrapolated": 99.0, "repetitions": 5, "effective": 400.0}
    found = quietly(draws, targets, **options)
    moved = quietly(scale * draws + shift, scale * targets + shift, **options)
    np.testing.assert_allclose(moved.bits, found.bits, rtol=1e-5)
    assert moved.khat == pytest.approx(found.khat, abs=1e-5)


@pytest.mark.parametrize(
    ("draws", "options", "said"),
    [
        (np.arange(50.0), {}, "got 10 excesses of 50"),
        (np.tile(np.arange(5.0), 500), {}, "distinct utilities"),
        (np.arange(5000.0), {"excesses": 5000}, "5000 excesses"),
        (np.array([0.0, np.nan]), {}, r"draws\[1\] = nan"),
        (np.arange(5000.0), {"probability": 1.0}, "probability=1.0"),
        (np.arange(5000.0), {"repetitions": 1}, "repetitions=1"),
    ],
)
def test_what_has_no_tail_is_refused(draws, options, said):
    with pytest.raises(CounterfactualError, match=said):
        pareto_bits(draws, 1.0, **options)
