"""Are many series smoothed at once to what ArviZ gives one by one, and with the right sign?"""

import numpy as np
import pytest
from arviz_stats.base import array_stats
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp

from inference.arrays.weights import kish_draws, pareto_smoothed, smoothed


def with_a_tail(draws, rng):
    """Log ratios of every kind: mild, wild, heavy, light, rounded, with an outlier."""
    normal = rng.normal(size=(5, draws)) * np.array([1e-8, 0.1, 1.0, 3.0, 10.0])[:, None]
    beta = rng.beta(1.2, 4.0, (5, draws))
    others = [rng.exponential(size=draws) ** 2, np.round(rng.normal(size=draws), 2)]
    return np.concatenate([normal, np.log1p(-beta) - np.log(beta), others])


def without_a_tail(draws, rng):
    """Log ratios that never move, or are of two sizes."""
    rare = np.where(rng.random(draws) < 0.5, 0.0, 1.0)
    return np.stack([np.zeros(draws), rare])


@pytest.mark.parametrize("draws", [30, 60, 100, 226, 1000, 1600, 4000])
def test_many_series_at_once_are_smoothed_as_arviz_smooths_one(draws):
    log_ratios = with_a_tail(draws, np.random.default_rng(draws))
    weights, khat = pareto_smoothed(log_ratios)
    for row, own, tail in zip(log_ratios, weights, khat, strict=True):
        theirs, their_khat = array_stats.psislw(-row)
        # Which of several equal draws gets which place in the tail is anyone's guess.
        theirs = np.sort(np.exp(theirs - logsumexp(theirs)))
        np.testing.assert_allclose(np.sort(own), theirs, rtol=1e-8, atol=1e-12)
        assert tail == pytest.approx(their_khat, abs=1e-8)


@pytest.mark.parametrize("draws", [10, 1000])
def test_what_has_no_tail_is_weighed_as_it_is(draws):
    log_ratios = without_a_tail(draws, np.random.default_rng(draws))
    outlier = np.zeros((1, draws))
    outlier[0, 3] = 1000.0
    log_ratios = np.concatenate([log_ratios, outlier])
    weights, khat = pareto_smoothed(log_ratios)
    plain = np.exp(log_ratios - logsumexp(log_ratios, axis=1, keepdims=True))
    np.testing.assert_allclose(weights, plain, atol=1e-300)
    assert khat.tolist() == [-np.inf, -np.inf if draws == 1000 else np.inf, np.inf]


def test_impossible_draws_weigh_nothing_and_the_others_what_they_would_alone():
    rng = np.random.default_rng(0)
    log_ratios = with_a_tail(1000, rng)
    hidden = np.where(rng.random(log_ratios.shape) < 0.3, -np.inf, log_ratios)
    hidden[0] = log_ratios[0]
    weights, khat = pareto_smoothed(hidden)
    for row, own, tail in zip(hidden, weights, khat, strict=True):
        alone, its_khat = smoothed(row[np.isfinite(row)])
        np.testing.assert_allclose(own[np.isfinite(row)], alone)
        assert tail == its_khat and not own[~np.isfinite(row)].any()
    one, none = np.full((2, 50), -np.inf)
    one[7] = 3.0
    weights, khat = pareto_smoothed(np.stack([one, none]))
    assert weights[0, 7] == 1 == weights.sum() and khat.tolist() == [np.inf, np.inf]
    assert smoothed(np.array([2.0])) == (np.ones(1), np.inf)


@given(st.integers(0, 2**16), st.floats(-50, 50))
def test_a_constant_changes_nothing_and_weights_add_up_to_one(seed, constant):
    log_ratios = 2 * np.random.default_rng(seed).normal(size=(3, 300))
    weights, khat = pareto_smoothed(log_ratios)
    moved, again = pareto_smoothed(log_ratios + constant)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    np.testing.assert_allclose(moved, weights, rtol=1e-6)
    np.testing.assert_allclose(again, khat, rtol=1e-5, atol=1e-8)


@given(st.integers(0, 2**16), st.integers(1, 8))
def test_each_series_is_by_itself_and_its_order_of_draws_is_kept(seed, series):
    rng = np.random.default_rng(seed)
    log_ratios, order = rng.normal(size=(series, 200)), rng.permutation(200)
    weights, khat = pareto_smoothed(log_ratios)
    alone = [smoothed(row) for row in log_ratios]
    np.testing.assert_allclose(weights, [own for own, _ in alone], rtol=1e-12)
    np.testing.assert_allclose(khat, [tail for _, tail in alone], rtol=1e-12)
    np.testing.assert_allclose(pareto_smoothed(log_ratios[:, order])[0], weights[:, order])


def test_draws_that_explain_a_datum_weigh_less_without_it():
    """The sign: what the datum made likely is taken back."""
    z = np.random.default_rng(0).normal(size=4000)
    log_likelihood = -0.05 * (z[None] - 2.0) ** 2
    weights, _ = pareto_smoothed(log_likelihood, inverse=True)
    assert np.array_equal(weights, pareto_smoothed(-log_likelihood)[0])
    mean = weights[0] @ z
    spread = np.sqrt(weights[0] @ (z - mean) ** 2)
    # N(0, 1) times exp(+0.05 (z - 2)^2): precision 0.9, mean -0.2 / 0.9.
    assert abs(mean + 0.2 / 0.9) < 4 / np.sqrt(3000)
    assert abs(spread - 0.9**-0.5) < 4 / np.sqrt(2 * 3000)


def test_the_other_sign_goes_the_other_way_with_as_good_a_khat():
    z = np.random.default_rng(0).beta(20.0, 10.0, (1, 4000))
    odds = np.log1p(-z) - np.log(z)
    right, right_khat = pareto_smoothed(odds)
    wrong, wrong_khat = pareto_smoothed(odds, inverse=True)
    assert (right @ z[0]).item() < z.mean() < (wrong @ z[0]).item()
    assert max(right_khat.item(), wrong_khat.item()) < 0.5


def test_single_precision_stays_single_and_weighs_the_same():
    log_ratios = np.random.default_rng(0).normal(size=(4, 500))
    weights, khat = pareto_smoothed(log_ratios.astype(np.float32))
    double, its_khat = pareto_smoothed(log_ratios)
    assert weights.dtype == np.float32 and double.dtype == np.float64
    np.testing.assert_allclose(weights, double, rtol=1e-4)
    np.testing.assert_allclose(khat, its_khat, atol=1e-4)
    assert kish_draws(double[0]) < 500
