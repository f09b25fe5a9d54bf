"""Are cumulants unbiased by enumeration, right in closed form, lawful, and free of rounding?"""

import itertools
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from inference.arrays.shape.k_statistics import CUMULANTS, cumulant_descriptors, k_statistics
from inference.arrays.shape.power_sums import power_sums

SEEDS = st.integers(0, 2**32 - 1)
# The package offers a function of that name.
MODULE = import_module("inference.arrays.shape.k_statistics")


def sums_of(values, order=6, *, location=0.0, scale=1.0, blocks=1):
    """Power sums of (measurement, draw) in equal blocks."""
    bounds = np.linspace(0, values.shape[1], blocks + 1).round().astype(int)
    return power_sums(values, bounds, location=location, scale=scale, order=order)


@pytest.mark.parametrize("draws", [6, 7, 8])
def test_the_mean_over_all_samples_is_the_cumulant(draws):
    support, chances = np.array([0.0, 1.0, 3.0]), np.array([0.5, 0.3, 0.2])
    which = np.array(list(itertools.product(range(3), repeat=draws)))
    found = k_statistics(sums_of(support[which], location=1.0))[0]
    expected = found @ chances[which].prod(axis=1) + np.array([1.0, 0, 0, 0, 0, 0])
    cumulants = [0.9, 1.29, 1.488, -0.7746, -11.32224, -21.93432]
    assert expected == pytest.approx(cumulants, abs=1e-12)


def test_cumulants_of_eighth_order_are_unbiased_too():
    # A fair coin between -1 and 1 has the cumulants 1, -2, 16, -272 of even order (log cosh).
    samples = np.array(list(itertools.product([-1.0, 1.0], repeat=9)))
    found = k_statistics(sums_of(samples, order=8))[0].mean(axis=1)
    assert found == pytest.approx([0, 1, 0, -2, 0, 16, 0, -272], abs=1e-10)


@given(seed=SEEDS, draws=st.integers(4, 60))
def test_four_orders_are_those_of_scipy(seed, draws):
    values = np.random.default_rng(seed).gamma(2.0, size=(3, draws))
    found = k_statistics(sums_of(values))[0]
    for order in (1, 2, 3, 4):
        expected = stats.kstat(values, order, axis=1)
        assert found[order - 1] == pytest.approx(expected, rel=1e-8, abs=1e-8 * values.max() ** 4)


P = 0.3
LAWS = {
    "exponential": (lambda rng, size: rng.exponential(size=size), [1, 1, 2, 6, 24, 120]),
    "gamma": (lambda rng, size: rng.gamma(2.0, size=size), [2, 2, 4, 12, 48, 240]),
    "Bernoulli": (lambda rng, size: rng.random(size) < P, [0.3, 0.21, 0.084, -0.0546]),
    "normal": (lambda rng, size: rng.normal(2.0, 3.0, size), [2, 9, 0, 0, 0, 0]),
}


@pytest.mark.parametrize("law", LAWS)
def test_cumulants_of_known_laws_are_met_within_their_errors(law):
    draw, cumulants = LAWS[law]
    values = draw(np.random.default_rng(0), (500, 2000))
    found = k_statistics(sums_of(values, order=len(cumulants)))[0]
    error = found.std(axis=1) / np.sqrt(500)
    assert (np.abs(found.mean(axis=1) - cumulants) < 4 * error).all()
    assert (error < 0.05 * (np.abs(cumulants) + found.std(axis=1))).all()


def test_a_law_far_from_zero_keeps_its_fourth_cumulant():
    # A million draws, as the error of k4 is sqrt(24/n) = .005: the tolerance is ten errors.
    values = np.random.default_rng(1).normal(1e6, 1.0, size=(1, 1_000_000))
    found = k_statistics(sums_of(values, location=1e6, blocks=20).sum(axis=0))
    assert abs(found[3, 0]) < 0.05
    assert abs(stats.kstat(values[0], 4)) > 1e8


@given(
    seed=SEEDS, shift=st.floats(-20, 20), factor=st.floats(-5, 5).filter(lambda x: abs(x) > 0.1)
)
def test_cumulants_follow_shifts_and_scales(seed, shift, factor):
    values = np.random.default_rng(seed).gamma(1.0, size=(2, 40))
    plain = k_statistics(sums_of(values))[0]
    moved = k_statistics(sums_of(factor * values + shift))[0]
    reach = np.abs(factor * values + shift).max() + np.abs(shift)
    for order in range(1, 7):
        expected = factor**order * plain[order - 1] + shift * (order == 1)
        assert moved[order - 1] == pytest.approx(expected, rel=1e-9, abs=1e-12 * reach**order)


@given(seed=SEEDS)
def test_the_unit_and_the_place_of_the_sums_do_not_change_the_shape(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(3, 200)) ** 3
    plain = cumulant_descriptors(sums_of(values, blocks=5))
    place, unit = rng.normal(size=3), rng.uniform(0.2, 5, size=3)
    moved = cumulant_descriptors(sums_of(values, location=place, scale=unit, blocks=5))
    back = {"mean": lambda z: z * unit + place, "spread": lambda z: z * unit}
    for name in CUMULANTS:
        for one, other in zip(plain[name], moved[name], strict=True):
            assert back.get(name, lambda z: z)(other) == pytest.approx(one, rel=1e-7, abs=1e-7)


@given(seed=SEEDS, blocks=st.integers(2, 9))
def test_without_a_block_is_what_the_other_blocks_say(seed, blocks):
    values = np.random.default_rng(seed).gamma(1.0, size=(3, 90))
    sums = sums_of(values, blocks=blocks)
    found = cumulant_descriptors(sums)
    for block in range(blocks):
        others = cumulant_descriptors(np.delete(sums, block, axis=0))
        for name in CUMULANTS:
            assert found[name][1][block] == pytest.approx(others[name][0], rel=1e-9, abs=1e-9)


def test_a_block_that_dwarfs_the_others_does_not_blur_what_is_left_without_it():
    values = np.random.default_rng(2).normal(size=(1, 400))
    values[0, 130] = 1e30
    found = cumulant_descriptors(sums_of(values, blocks=4))
    alone = cumulant_descriptors(sums_of(np.delete(values, slice(100, 200), axis=1), blocks=3))
    for name in CUMULANTS:
        assert found[name][1][1, 0] == pytest.approx(alone[name][0].item(), rel=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 123456.789])
@pytest.mark.parametrize("draws", [40, 40_000])
def test_a_constant_has_no_spread_and_no_shape(value, draws):
    values = np.full((1, draws), value)
    found = cumulant_descriptors(sums_of(values, location=1 / 3, scale=0.7, blocks=20))
    for mean in found["mean"]:
        assert mean == pytest.approx((value - 1 / 3) / 0.7, rel=1e-12)
    for spread in found["spread"]:
        assert (spread == 0).all()
    for name in CUMULANTS[2:]:
        assert np.isnan(found[name][0]).all()
        assert np.isnan(found[name][1]).all()


def test_cumulants_that_are_nothing_but_rounding_are_not_given():
    values = np.random.default_rng(3).normal(size=(1, 10_000))
    near = cumulant_descriptors(sums_of(values, blocks=20))
    given_at = {"skewness": 3000, "kurtosis": 300, "fifth": 100, "sixth": 30}
    for name, distance in given_at.items():
        far = cumulant_descriptors(sums_of(values + distance, blocks=20))[name]
        assert far[0] == pytest.approx(near[name][0], abs=2e-3)
        far = cumulant_descriptors(sums_of(values + 10 * distance, blocks=20))[name]
        assert np.isnan(far[0]).all()
        own = sums_of(values + 10 * distance, location=10 * distance, blocks=20)
        moved = cumulant_descriptors(own, offset=10.0 * distance)
        assert moved[name][0] == pytest.approx(near[name][0], abs=1e-3)
        assert moved["mean"][0] == pytest.approx(near["mean"][0] + 10 * distance)
        assert moved["mean"][1] == pytest.approx(near["mean"][1] + 10 * distance)


def test_fewer_draws_than_the_order_have_no_such_cumulant():
    values = np.random.default_rng(4).normal(size=(1, 6))
    for draws in range(1, 7):
        found = k_statistics(sums_of(values[:, :draws]))[0, :, 0]
        assert np.isnan(found).tolist() == [order > draws for order in range(1, 7)]
    without = cumulant_descriptors(sums_of(values, blocks=2))["kurtosis"]
    assert np.isfinite(without[0]).all()
    assert np.isnan(without[1]).all()


def test_draws_beyond_double_precision_have_no_such_cumulant():
    values = np.random.default_rng(5).normal(size=(2, 100))
    values[0] *= 1e60
    found = cumulant_descriptors(sums_of(values, blocks=4))
    assert np.isfinite(found["skewness"][0]).all()
    assert np.isnan(found["sixth"][0]).tolist() == [True, False]


def test_chunks_of_measurements_do_not_change_the_numbers(monkeypatch):
    sums = sums_of(np.random.default_rng(6).normal(size=(7, 100)), blocks=4)
    whole = cumulant_descriptors(sums)
    monkeypatch.setattr(MODULE, "AT_ONCE", 60)
    for name, (all_draws, without) in cumulant_descriptors(sums).items():
        assert (all_draws == whole[name][0]).all()
        assert (without == whole[name][1]).all()
