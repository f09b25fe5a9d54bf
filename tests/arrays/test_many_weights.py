"""Leave-one-out weights of many data at once: the same numbers as ArviZ gives one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.arrays.many_weights import leave_one_out_weights
from inference.arrays.weights import smoothed


def rows(draws, rng):
    """Log-likelihoods of every kind: flat, mild, wild, tied, of two sizes, with an outlier."""
    normal = rng.normal(size=(6, draws)) * np.array([0.0, 1e-8, 0.1, 1.0, 3.0, 10.0])[:, None]
    kinds = [
        np.where(rng.random(draws) < 0.5, 0.0, 1.0),
        np.where(rng.random(draws) < 0.01, -3.0, 1.0),
        -(rng.exponential(size=draws) ** 2),
        np.round(rng.normal(size=draws), 1),
        np.r_[-1000.0, rng.normal(size=draws - 1)],
    ]
    return np.concatenate([normal, kinds])


@pytest.mark.parametrize("draws", [10, 30, 100, 226, 1600, 4000])
def test_each_row_is_what_arviz_gives_for_it(draws):
    log_likelihood = rows(draws, np.random.default_rng(draws))
    weights, khat = leave_one_out_weights(log_likelihood)
    for row, own, shape in zip(log_likelihood, weights, khat, strict=True):
        truth, tail = smoothed(-row)
        # Which of several equal draws gets which place in the tail is anyone's guess.
        np.testing.assert_allclose(np.sort(own), np.sort(truth), rtol=1e-8, atol=1e-12)
        assert shape == tail or abs(shape - tail) < 1e-8


@given(st.integers(0, 1000), st.floats(-50, 50))
def test_a_constant_changes_nothing_and_weights_add_up_to_one(seed, shift):
    log_likelihood = np.random.default_rng(seed).normal(size=(3, 300))
    weights, khat = leave_one_out_weights(log_likelihood)
    moved, again = leave_one_out_weights(log_likelihood + shift)
    np.testing.assert_allclose(weights.sum(1), 1.0)
    np.testing.assert_allclose(moved, weights, rtol=1e-6)
    np.testing.assert_allclose(again, khat, rtol=1e-5, atol=1e-8)


def test_draws_that_explain_a_datum_weigh_less_without_it():
    """The sign: what the datum made likely is taken back."""
    z = np.random.default_rng(0).normal(size=4000)
    weights, _ = leave_one_out_weights(-0.05 * (z[None] - 2.0) ** 2)
    mean = weights[0] @ z
    spread = np.sqrt(weights[0] @ (z - mean) ** 2)
    # N(0, 1) times exp(+0.05 (z - 2)^2): precision 0.9, mean -0.2 / 0.9.
    assert abs(mean + 0.2 / 0.9) < 4 / np.sqrt(3000)
    assert abs(spread - 0.9**-0.5) < 4 / np.sqrt(2 * 3000)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="not finite"):
        leave_one_out_weights(np.array([[0.0, bad, 1.0]]))
