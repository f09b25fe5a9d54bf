"""Is the error of an estimate the spread that it shows when all is drawn again?"""

import numpy as np
import pytest
from scipy import signal

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.chain_errors import as_chains, blocks_of_draws, error_of_estimate


@pytest.mark.parametrize("rho", [0.0, 0.9])
@pytest.mark.parametrize("shared", [0.0, 0.8])
def test_errors_are_the_spread_over_repetitions_whatever_is_shared(rho, shared):
    """Of 100 repetitions a spread is known to 7 %; a quarter off comes once in 2000 tries."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(100, 3, 4, 1200))
    series = signal.lfilter([np.sqrt(1 - rho**2)], [1, -rho], noise, axis=-1)[..., 200:, None]
    first = np.sqrt(shared) * series[:, 0] + np.sqrt(1 - shared) * series[:, 1]
    second = np.sqrt(shared) * series[:, 0] + np.sqrt(1 - shared) * series[:, 2]
    estimates = (first - second).mean(axis=(1, 2, 3))
    errors = [error_of_estimate([a, -b]) for a, b in zip(first, second, strict=True)]
    assert np.sqrt(np.square(errors).mean()) == pytest.approx(np.std(estimates), rel=0.25)


def test_sets_of_other_sizes_are_independent_and_one_draw_tells_no_error():
    first, second = np.random.default_rng(0).normal(size=(2, 4, 200, 1))
    apart = error_of_estimate([first, second[:, :100]])
    alone = [error_of_estimate([one]) for one in (first, second[:, :100])]
    assert apart == pytest.approx(np.hypot(*alone))
    assert error_of_estimate([first[:1, :1]]) == np.inf
    assert error_of_estimate([np.zeros((1, 100, 1))]) == 0.0
    assert len(blocks_of_draws(1, 7, effective=7.0)[0]) == 8


def test_futures_of_a_draw_are_averaged_first():
    past = np.random.default_rng(0).normal(size=(4, 250, 1))
    many = error_of_estimate([np.repeat(past, 10, axis=2)])
    assert many == pytest.approx(error_of_estimate([past]))


def test_what_is_no_draw_is_refused_by_its_place():
    with pytest.raises(CounterfactualError, match=r"u\[1, 0\] = inf"):
        as_chains(np.array([[0.0, 1.0], [np.inf, 0.0]]), "u")
    with pytest.raises(CounterfactualError, match=r"shape \(0,\)"):
        as_chains(np.array([]), "u")
    with pytest.raises(CounterfactualError, match="type <U1"):
        as_chains(np.array(["a"]), "u")
    assert np.isneginf(as_chains([-np.inf], "logs", impossible=True)).all()
