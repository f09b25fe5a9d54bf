"""Are binned densities those of the sum over draws, and is their bandwidth a sensible one?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from inference.arrays.shape.densities import (
    STEPS,
    bandwidth,
    binned,
    kernel_sums,
    smoothed,
    sums_at,
)


def gridded(values, *, width, blocks=1):
    step = width / STEPS
    start = values.min() - 5 * width
    points = int(np.ceil(np.ptp(values) / step)) + 2 + 10 * STEPS
    block = np.arange(len(values)) * blocks // len(values)
    counts = binned(values, block, blocks, start=start, step=step, points=points)
    return counts, start + step * np.arange(points), step


def test_the_curve_is_scipys_kernel_density():
    values = np.random.default_rng(0).normal(size=2000)
    counts, grid, step = gridded(values, width=0.2)
    theirs = stats.gaussian_kde(values, bw_method=0.2 / values.std(ddof=1))(grid)
    ours = smoothed(counts[0]) / (step * len(values))
    assert ours == pytest.approx(theirs, abs=0.002 * theirs.max())


def test_blocks_add_up_to_the_whole_and_their_sums_are_their_own_curves():
    values = np.random.default_rng(1).standard_t(3, size=999)
    counts, grid, _ = gridded(values, width=0.3, blocks=7)
    places = np.array([0, 40, len(grid) // 2, len(grid) - 1])
    each = sums_at(counts, places)
    assert each == pytest.approx(smoothed(counts)[:, places], abs=1e-5)
    assert each.sum(axis=0) == pytest.approx(smoothed(counts.sum(axis=0))[places], abs=1e-4)


def test_kernels_at_one_place_are_scipys_and_the_blocks_add_up():
    values = np.random.default_rng(6).normal(size=2000)
    block = np.arange(2000) // 100
    each = kernel_sums(values, block, 20, 0.7, 0.2)
    theirs = stats.gaussian_kde(values, bw_method=0.2 / values.std(ddof=1))(0.7)
    assert each.sum() / 2000 == pytest.approx(theirs.item(), rel=1e-5)
    assert each[3] == pytest.approx(stats.norm.pdf(0.7, values[300:400], 0.2).sum(), rel=1e-4)


def test_kernels_of_no_width_count_the_draws_that_are_there():
    values = np.array([1.0, 2.0, 1.0, 1.0, 3.0])
    block = np.array([0, 0, 0, 1, 2])
    assert kernel_sums(values, block, 4, 1.0, 0.0).tolist() == [2, 1, 0, 0]


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e6, -1e9]))
@settings(max_examples=30, deadline=None)
def test_binning_keeps_the_number_and_the_mean(seed, offset):
    values = np.random.default_rng(seed).normal(offset, 1.0, size=50)
    counts, grid, _ = gridded(values, width=0.3)
    assert counts.sum() == pytest.approx(50)
    assert (counts[0] @ (grid - offset)) / 50 == pytest.approx((values - offset).mean(), abs=1e-5)


def test_smoothing_keeps_the_mass_and_adds_the_squared_bandwidth():
    values = np.random.default_rng(2).uniform(size=5000)
    counts, grid, _ = gridded(values, width=0.25)
    curve = smoothed(counts[0])
    assert curve.sum() == pytest.approx(5000, rel=1e-6)
    mean = curve @ grid / 5000
    assert curve @ (grid - mean) ** 2 / 5000 == pytest.approx(values.var() + 0.25**2, rel=1e-3)


def test_the_bandwidth_is_silvermans():
    ranked = stats.norm.ppf((np.arange(10_000) + 0.5) / 10_000)
    assert bandwidth(ranked, 10_000.0) == pytest.approx(0.9 * 10_000**-0.2, rel=1e-3)


def test_the_bandwidth_moves_with_the_draws():
    ranked = np.sort(np.random.default_rng(3).gamma(2.0, size=400))
    assert bandwidth(7 * ranked - 3, 400.0) == pytest.approx(7 * bandwidth(ranked, 400.0))


def test_zeros_do_not_narrow_the_kernel_of_the_rest():
    rest = np.sort(np.random.default_rng(4).normal(10, 1, size=1000))
    inflated = np.concatenate([np.zeros(4000), rest])
    assert bandwidth(inflated, 1000.0) == pytest.approx(bandwidth(rest, 1000.0))


def test_rounding_widens_the_kernel_and_repetition_does_not():
    draws = np.sort(np.random.default_rng(5).normal(size=4000))
    assert bandwidth(np.round(draws * 2) / 2, 4000.0) == pytest.approx(0.375)
    repeated = np.repeat(draws[::10], 40)
    assert bandwidth(repeated, 400.0) == pytest.approx(bandwidth(draws[::10], 400.0), rel=0.02)


def test_a_constant_has_no_bandwidth():
    assert bandwidth(np.full(30, 0.1), 30.0) == 0.0
