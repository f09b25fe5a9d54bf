"""Do blocks keep together what belongs together, and are there as many as the draws justify?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from inference.arrays.blocks import block_bounds, effective_draws


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
    assert effective_draws(np.ones((2, 2, 4, 100))).tolist() == [400.0] * 4
    assert effective_draws(rng.normal(size=(1, 2, 50, 2))).tolist() == [50.0] * 2
    assert len(effective_draws(rng.normal(size=(300, 2, 2, 20)), most=30)) == 30
