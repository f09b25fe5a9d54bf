"""Do blocks keep together what belongs together, and are there as many as the draws justify?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from inference.arrays.blocks import (
    EffectiveDraws,
    block_bounds,
    effective_draws,
    widening,
)


@given(
    chains=st.integers(1, 200),
    draws=st.integers(1, 300),
    futures=st.integers(1, 9),
    effective=st.floats(1, 1e6),
)
def test_blocks_cover_all_rows_once_and_split_no_draw(chains, draws, futures, effective):
    if chains * draws < 40:
        return
    bounds = block_bounds(chains, draws, futures, effective=effective)
    assert bounds[0] == 0
    assert bounds[-1] == chains * draws * futures
    assert (np.diff(bounds) > 0).all()
    assert (bounds % futures == 0).all()
    assert 20 <= len(bounds) - 1 <= 40


@given(chains=st.integers(1, 40), draws=st.integers(40, 300), effective=st.floats(1, 1e4))
def test_no_block_spans_two_chains(chains, draws, effective):
    bounds = block_bounds(chains, draws, effective=effective)
    assert set(range(0, chains * draws + 1, draws)) <= set(bounds.tolist())
    within = np.diff(bounds)
    assert within.max() - within.min() <= 1


def test_many_chains_are_grouped_whole():
    bounds = block_bounds(1000, 3, effective=3000.0)
    assert (bounds % 3 == 0).all()
    assert len(bounds) - 1 == 40


def test_slow_chains_get_fewer_blocks_than_fast_ones():
    assert len(block_bounds(4, 1000, effective=200.0)) - 1 == 20
    assert len(block_bounds(4, 1000, effective=4000.0)) - 1 == 40


def test_effective_draws_of_an_autoregression_match_the_closed_form():
    rho, draws = 0.9, 5000
    noise = np.random.default_rng(0).normal(size=(50, 1, 4, draws + 200))
    series = signal.lfilter([1], [1, -rho], noise, axis=-1)[..., 200:]
    expected = 4 * draws * (1 - rho) / (1 + rho)
    assert effective_draws(series).mean() == pytest.approx(expected, rel=0.1)


def test_futures_of_a_draw_are_not_counted_as_draws():
    past = np.random.default_rng(0).normal(size=(1, 2, 4, 100, 1))
    assert (effective_draws(np.repeat(past, 50, axis=-1)) <= 400).all()


def test_effective_draws_of_odd_shapes_are_finite():
    rng = np.random.default_rng(0)
    assert effective_draws(np.ones((2, 2, 4, 100))).tolist() == [[400.0] * 2] * 2
    assert effective_draws(rng.normal(size=(1, 2, 50, 2))).tolist() == [[50.0] * 2]
    many = effective_draws(rng.normal(size=(300, 2, 2, 20)), most=30)
    assert many.shape == (300, 2)
    assert ((many >= 1) & (many <= 40)).all()
    huge = effective_draws(np.array([-1e308, 1e308])[rng.integers(0, 2, size=(1, 2, 4, 100))])
    assert np.isfinite(huge).all()


def autoregressions(rho, shape, seed=0):
    noise = np.random.default_rng(seed).normal(size=(*shape[:-1], shape[-1] + 1500))
    return signal.lfilter([np.sqrt(1 - rho**2)], [1, -rho], noise, axis=-1)[..., 1500:]


@pytest.mark.parametrize("odd", [np.asarray, lambda z: np.exp(3 * z), lambda z: z > 1.0])
def test_one_slow_series_among_thousands_of_quick_ones_is_found(odd):
    values = np.random.default_rng(0).normal(size=(1000, 2, 4, 250))
    values[617, 1] = odd(autoregressions(0.97, (4, 250)))
    found = effective_draws(values, most=20)
    assert np.unravel_index(found.argmin(), found.shape) == (617, 1)
    assert found.min() < 100
    assert np.delete(found, 617, axis=0).min() > 500


def test_a_level_that_is_quick_does_not_hide_a_spread_that_is_slow():
    calm = np.exp(autoregressions(0.99, (20, 2, 4, 1000)))
    swelling = calm * np.random.default_rng(1).normal(size=calm.shape)
    assert np.median(effective_draws(swelling)) < 100


def test_chains_that_disagree_count_as_one_draw_each():
    values = np.random.default_rng(0).normal(size=(1, 2, 4, 1000))
    values[0, 1] += np.arange(4)[:, None]
    quick, apart = effective_draws(values)[0]
    assert quick > 3000
    assert apart == 4


def test_the_screen_agrees_with_the_judge_on_autoregressions():
    values = autoregressions(0.8, (50, 2, 4, 1000))
    expected = 4000 * 0.2 / 1.8
    for most in (0, 100):
        assert np.median(effective_draws(values, most=most)) == pytest.approx(expected, rel=0.15)


def test_widening_restores_the_variance_of_slow_chains():
    # The variance of the mean of an autoregression, and of its blocks' means, in closed form.
    def variance_of_mean(rho, length):
        lags = np.arange(1, length)
        return (1 + 2 * np.sum((1 - lags / length) * rho**lags)) / length

    blocks, length, chains = 40, 2500, 4
    for rho in (0.99, 0.995, 0.999):
        whole = variance_of_mean(rho, blocks // chains * length) / chains
        spread = (variance_of_mean(rho, length) - whole) / (blocks - 1)
        wider = widening(1 / whole, blocks).item()
        assert wider == pytest.approx(max(1.0, np.sqrt(whole / spread)), rel=0.04)


@given(effective=st.floats(1, 1e5), blocks=st.integers(20, 40))
def test_widening_falls_with_the_draws_and_ends_at_one(effective, blocks):
    wider = widening(np.array([effective, 1.1 * effective]), blocks)
    assert wider[0] >= wider[1] >= 1
    assert widening(10.0 * blocks, blocks) == 1


def test_series_that_come_in_chunks_are_judged_as_if_they_came_at_once():
    values = np.random.default_rng(0).normal(size=(90, 2, 4, 100))
    values[5] = values[5].cumsum(axis=-1)
    values[40, 1] += np.arange(4)[:, None]
    values[60:70] = autoregressions(0.9, (10, 2, 4, 100))
    for most in (0, 5, 300):
        sizes = EffectiveDraws(most=most)
        for chunk in np.array_split(values, [1, 2, 30, 33, 77]):
            sizes.update(chunk)
        assert (sizes.result() == effective_draws(values, most=most)).all()
