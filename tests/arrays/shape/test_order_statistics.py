"""Do sorted draws say what SciPy and closed forms say, without any one block as well?"""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal, stats

from counterfactual_models.errors import CounterfactualError, MeasurementError
from inference.arrays.blocks import block_bounds
from inference.arrays.shape import order_statistics
from inference.arrays.shape.jackknife import error_of, pseudo_values
from inference.arrays.shape.order_statistics import concentration, order_descriptors

SEEDS = st.integers(0, 2**32 - 1)
KINDS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "far away": lambda rng, shape: 1e4 + rng.normal(size=shape),
    "single precision": lambda rng, shape: rng.standard_cauchy(shape).astype(np.float32),
    "counts": lambda rng, shape: rng.poisson(3, shape),
    "switches": lambda rng, shape: rng.random(shape) < 0.3,
    "often zero": lambda rng, shape: np.where(rng.random(shape) < 0.3, 0, rng.normal(1, 1, shape)),
}
FORTY = np.arange(0, 10_001, 250)


def plainly(draws):
    """L-moments by SciPy."""
    scale, third, fourth = (
        stats.lmoment(draws.astype(float), order=order, standardize=False) for order in (2, 3, 4)
    )
    return {"l_scale": scale, "l_skewness": third / scale, "l_kurtosis": fourth / scale}


def held(draws, width):
    """Draws in the fullest interval, by trying every draw as its lower end, and where that is."""
    draws = draws.astype(float)
    inside = (draws >= draws[:, None]) & (draws <= draws[:, None] + width * (1 + 1e-6))
    return inside.sum(axis=1).max(), inside[np.lexsort((draws, -inside.sum(axis=1)))[0]]


@given(seed=SEEDS, kind=st.sampled_from(list(KINDS)), layout=st.sampled_from("CF"))
def test_all_draws_and_all_but_a_block_are_described_as_scipy_does(seed, kind, layout):
    values = np.asarray(KINDS[kind](np.random.default_rng(seed), (3, 83)), order=layout)
    bounds = np.array([0, 20, 41, 61, 83])
    found = order_descriptors(values, bounds)
    for row, draws in enumerate(values):
        parts = [draws] + [np.delete(draws, np.s_[a:b]) for a, b in pairwise(bounds)]
        for place, part in enumerate(parts):
            if np.ptp(part.astype(float)) == 0:
                continue
            for name, expected in plainly(part).items():
                whole, without = found[name]
                got = whole[row] if place == 0 else without[place - 1, row]
                np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-8, err_msg=name)


@given(seed=SEEDS, kind=st.sampled_from(list(KINDS)), width=st.sampled_from([0.0, 0.5, 1.0, 2.0]))
def test_the_concentration_is_the_largest_share_that_an_interval_holds(seed, kind, width):
    values = np.asarray(KINDS[kind](np.random.default_rng(seed), (3, 83)))
    bounds = np.array([0, 20, 41, 61, 83])
    whole, without = order_descriptors(values, bounds, width=width)["concentration"]
    for row, draws in enumerate(values):
        most, inside = held(draws, width)
        assert whole[row] == pytest.approx(most / 83)
        for block, (start, end) in enumerate(pairwise(bounds)):
            left = np.delete(inside, np.s_[start:end])
            assert without[block, row] == pytest.approx(left.mean())
            best, _ = held(np.delete(draws, np.s_[start:end]), width)
            assert without[block, row] <= best / len(left) + 1e-12


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("unit", [0.7, 1.0, 3.1])
def test_values_one_width_apart_are_within_it_whatever_their_last_digit(kind, unit):
    for step in np.arange(0.1, 3.0, 0.1):
        values = np.tile([0.4, 0.4 + step, 0.4 + 2 * step], 20)[None] / unit
        for steps, share in ((0.99, 1 / 3), (1.0, 2 / 3), (2.0, 1.0)):
            whole, _ = order_descriptors(
                values.astype(kind), np.arange(0, 61, 3), width=steps * step / unit
            )["concentration"]
            assert whole[0] == pytest.approx(share)


def test_counts_and_many_zeros_have_the_intervals_of_their_law():
    rng = np.random.default_rng(0)
    counts = rng.poisson(3, 10_000)
    zeros = np.where(rng.random(10_000) < 0.3, 0.0, rng.normal(1, 1, 10_000))
    found = order_descriptors(np.stack([counts, zeros]), FORTY)
    pmf = stats.poisson(3).pmf(np.arange(30))
    expected = (pmf[1:] + pmf[:-1]).max(), 0.3 + 0.7 * np.diff(stats.norm(1).cdf([0, 1]))[0]
    error = error_of(pseudo_values(found["concentration"], np.diff(FORTY)), np.diff(FORTY), 1e4)
    assert (np.abs(found["concentration"][0] - expected) < 4 * error + 0.003).all()


def test_an_interval_that_is_wide_enough_holds_every_draw():
    draws = np.random.default_rng(1).normal(size=(1, 60))
    for spare, share in ((0.0, 1.0), (5.0, 1.0), (-1e-6, 59 / 60)):
        whole, _ = concentration(draws, np.arange(0, 61, 3), np.ptp(draws) + spare)
        assert whole[0] == pytest.approx(share)


LOG_2 = np.log(2)
CLOSED = {
    "normal": (stats.norm(), 1 / np.sqrt(np.pi), 0.0, 0.12260172),
    "exponential": (stats.expon(), 0.5, 1 / 3, 1 / 6),
    "uniform": (stats.uniform(), 1 / 6, 0.0, 0.0),
    "gumbel": (stats.gumbel_r(), LOG_2, 2 * np.log(3) / LOG_2 - 3, 0.15037499),
}


@pytest.mark.parametrize("law", CLOSED)
def test_l_moments_are_those_of_known_laws_within_their_errors(law):
    known, *moments = CLOSED[law]
    draws = known.rvs((4, 10_000), random_state=3)
    found = order_descriptors(draws, FORTY)
    expected = dict(zip(("l_scale", "l_skewness", "l_kurtosis"), moments, strict=True))
    for name, truth in expected.items():
        error = error_of(pseudo_values(found[name], np.diff(FORTY)), np.diff(FORTY), 1e4)
        assert (np.abs(found[name][0] - truth) < 4.5 * error).all(), name


def test_a_normal_law_has_the_concentration_of_the_tables():
    """Its bias at 10 000 draws, +.0026, is known; the mean of 100 sets has a tenth of the sd of
    one, .0046."""
    draws = np.random.default_rng(5).normal(size=(100, 10_000))
    share, _ = concentration(draws, FORTY, 1.0)
    assert share.mean() == pytest.approx(0.382925 + 0.0026, abs=4 * 0.00046)
    assert share.std() == pytest.approx(0.0046, rel=0.3)


@given(seed=SEEDS, kind=st.sampled_from(list(KINDS)))
def test_every_measurement_has_an_interval_of_its_own_width(seed, kind):
    rng = np.random.default_rng(seed)
    values, widths = np.asarray(KINDS[kind](rng, (3, 60))), rng.integers(4, size=3) / 2
    bounds = np.arange(0, 61, 3)
    found = concentration(values, bounds, widths, ranked=np.sort(values, axis=1))
    for row, width in enumerate(widths):
        alone = concentration(values[row : row + 1], bounds, width)
        np.testing.assert_array_equal(found[0][row : row + 1], alone[0])
        np.testing.assert_array_equal(found[1][:, row : row + 1], alone[1])


def chains(rng, autocorrelation, shape):
    noise = rng.normal(size=shape) * np.sqrt(1 - autocorrelation**2)
    noise[:, 0] /= np.sqrt(1 - autocorrelation**2)
    return signal.lfilter([1.0], [1.0, -autocorrelation], noise, axis=1)


@pytest.mark.parametrize(("autocorrelation", "effective"), [(0.0, 2000.0), (0.9, 105.0)])
def test_errors_by_leaving_out_blocks_are_the_spread_of_the_numbers(autocorrelation, effective):
    """300 sets know their spread to 4 %; that of the errors' mean is smaller."""
    values = chains(np.random.default_rng(1), autocorrelation, (300, 2000))
    bounds = block_bounds(4, 500, effective=effective)
    lengths = np.diff(bounds)
    for name, (whole, without) in order_descriptors(values, bounds).items():
        error = error_of(pseudo_values((whole, without), lengths), lengths, effective)
        assert 0.85 < error.mean() / whole.std(ddof=1) < 1.2, name


@given(seed=SEEDS, unit=st.sampled_from([0.25, 1.0, 8.0]), place=st.integers(-64, 64))
def test_a_change_of_unit_changes_what_has_a_unit(seed, unit, place):
    values, bounds = np.random.default_rng(seed).normal(size=(2, 60)), np.arange(0, 61, 3)
    plain = order_descriptors(values, bounds)
    moved = order_descriptors(unit * values + place, bounds, width=unit)
    for name, pair in plain.items():
        for one, other in zip(pair, moved[name], strict=True):
            expected = unit * one if name == "l_scale" else one
            np.testing.assert_allclose(other, expected, rtol=1e-9, atol=1e-9)


def test_a_constant_has_no_l_moment_ratios_and_everything_else():
    found = order_descriptors(np.full((1, 40), 0.1), np.arange(0, 41, 2))
    for name, (whole, without) in found.items():
        expected = {"l_scale": 0.0, "concentration": 1.0}.get(name, np.nan)
        np.testing.assert_equal(whole, np.full(1, expected))
        np.testing.assert_equal(without, np.full((20, 1), expected))


def test_what_too_few_draws_cannot_say_is_left_open():
    found = order_descriptors(np.array([[1.0, 2.0, 4.0]]), np.arange(4))
    assert found["l_skewness"][0] == pytest.approx(1 / 3)
    assert np.isnan(found["l_kurtosis"][0]).all() and np.isnan(found["l_skewness"][1]).all()
    alone = order_descriptors(np.array([[1.0, 2.0, 4.0]]), np.array([0, 3]))
    assert alone["l_scale"][0] == pytest.approx(1) and np.isnan(alone["l_scale"][1]).all()


def test_pieces_do_not_change_the_numbers(monkeypatch):
    values, bounds = np.random.default_rng(0).normal(size=(5, 301)), np.linspace(0, 301, 21)
    bounds = bounds.astype(int)
    whole = order_descriptors(values, bounds)
    monkeypatch.setattr(order_statistics, "_COPIED_AT_ONCE", 1)
    monkeypatch.setattr(order_statistics, "_LEFT_OUT_AT_ONCE", 1)
    for name, pair in order_descriptors(values, bounds).items():
        for one, other in zip(pair, whole[name], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("width", [-1.0, np.nan, np.inf])
def test_a_width_that_is_none_is_refused(width):
    with pytest.raises(CounterfactualError, match="expected a finite number"):
        order_descriptors(np.zeros((1, 4)), np.arange(5), width=width)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_draw_that_is_not_finite_is_refused_and_named(bad):
    values = np.zeros((3, 8))
    values[1, 5] = bad
    with pytest.raises(MeasurementError, match="draw 5 of measurement number 1"):
        order_descriptors(values, np.arange(0, 9, 2))
