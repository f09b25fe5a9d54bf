"""Does a reading of the future tell as many bits of the switch as there are, and of none, none?"""

import numpy as np
import pytest
from scipy import integrate, stats

from inference.arrays.blocks import block_bounds
from inference.arrays.switch_readings import switch_reading


def divergence(shift):
    """Bits between normal laws that many deviations apart, by quadrature."""

    def bits(x):
        each = stats.norm.pdf(x), stats.norm.pdf(x, shift)
        return sum(p * np.log2(2 * p / sum(each)) for p in each) / 2

    return integrate.quad(bits, -9, 9 + shift)[0]


def read(values, *, futures=1, chains=4, **options):
    draws = values.shape[2] // futures // chains
    bounds = block_bounds(chains, draws, futures, effective=float(chains * draws))
    return switch_reading(values, bounds=bounds, chains=chains, futures=futures, **options)


def noise(measurements, rows=4000, seed=0):
    return np.random.default_rng(seed).normal(size=(measurements, 2, rows))


@pytest.mark.parametrize("spread_over", [1, 4])
def test_a_shift_tells_what_normal_laws_so_far_apart_tell(spread_over):
    values = noise(5)
    values[:spread_over, 1] += 0.8 / np.sqrt(spread_over)
    found = read(values)
    truth = divergence(0.8)
    assert truth == pytest.approx(0.107016, abs=1e-6)
    assert abs(found.bits - truth) < 4 * found.mcse


def test_of_the_same_world_nothing_is_read_on_average():
    bits = np.array([read(noise(6, 400, seed), seed=seed).bits for seed in range(40)])
    assert abs(bits.mean()) < 2 * bits.std(ddof=1) / np.sqrt(40)


def test_errors_are_as_large_as_the_spread_of_readings():
    found = []
    for seed in range(40):
        values = noise(3, 800, seed)
        values[0, 1] += 1.0
        found.append(read(values, kinds=["lda"]))
    spread = np.std([each.bits for each in found], ddof=1)
    said = np.sqrt(np.mean([each.mcse**2 for each in found]))
    assert 0.7 < said / spread < 2


def test_worlds_that_share_nothing_tell_a_whole_bit():
    values = noise(2)
    values[1, 1] += 50
    found = read(values)
    assert found.bits == pytest.approx(1, abs=1e-6)


def test_worlds_that_are_the_same_draw_by_draw_tell_nothing():
    values = noise(3)
    values[:, 1] = values[:, 0]
    found = read(values)
    assert found.bits == 0 and found.mcse == 0


def test_a_change_of_spread_is_read_although_no_mean_has_moved():
    values = noise(3)
    values[:, 1] *= 2
    found = read(values)
    lda = read(values, kinds=["lda"])
    assert found.bits > 1.5 * lda.bits
    assert set(found.chosen) <= {"qda", "naive_bayes"}


def test_futures_of_a_draw_are_worlds_and_not_averages_of_worlds():
    rng = np.random.default_rng(0)
    past = np.repeat(rng.normal(0, 0.6, size=(1, 1, 1000)), 8, axis=2)
    values = past + rng.normal(0, 0.8, size=(2, 2, 8000))
    values[0, 1] += 0.8
    found = read(values, futures=8)
    assert abs(found.bits - divergence(0.8)) < 4 * found.mcse  # the mean of eight would tell .23


@pytest.mark.parametrize("kinds", [["single"], ["naive_bayes"], ["qda"]])
def test_every_reading_sees_a_coin_that_is_laid_down(kinds):
    rng = np.random.default_rng(0)
    values = (rng.random((2, 2, 2000)) < 0.5).astype(np.float32)
    values[0, 1] = 1
    truth = 1 - 0.75 * stats.entropy([1 / 3, 2 / 3], base=2)
    found = read(values, kinds=kinds)
    assert abs(found.bits - truth) < 4 * found.mcse


def test_halves_that_are_read_in_different_ways_are_not_taken_for_slow_chains():
    # The level of the reading jumps between the halves; its draws are independent all the same.
    errors = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=(3, 2, 4000))
        values[2] = rng.poisson(0.05, size=(2, 4000))
        found = switch_reading(values, bounds=np.arange(0, 4001, 100), chains=4)
        errors.append((found.chosen, found.mcse))
    assert len({chosen for chosen, _ in errors}) > 1
    assert any(first != second for (first, second), _ in errors)
    assert max(error for _, error in errors) < 0.02
