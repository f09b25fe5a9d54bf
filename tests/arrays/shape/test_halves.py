"""Are shortest halves the shortest, with errors that hold for densities and for counts?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from counterfactual_models.errors import MeasurementError
from inference.arrays.blocks import block_bounds
from inference.arrays.shape.halves import compared_half
from inference.arrays.sign_flips import random_signs

DRAWS = 1000
BOUNDS = block_bounds(4, DRAWS // 4, effective=float(DRAWS))
SIGNS = random_signs(1000, len(BOUNDS) - 1)
SEEDS = st.integers(0, 2**32 - 1)
LAWS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape),
    "uniform": lambda rng, shape: rng.random(shape),
    "cauchy": lambda rng, shape: rng.standard_cauchy(shape),
    "often zero": lambda rng, shape: np.where(rng.random(shape) < 0.3, 0, rng.normal(size=shape)),
    "half zero": lambda rng, shape: np.where(rng.random(shape) < 0.5, 0, rng.normal(size=shape)),
    "five": lambda rng, shape: rng.poisson(5, shape).astype(float),
    "eight": lambda rng, shape: rng.poisson(8, shape).astype(float),
    "fifteen": lambda rng, shape: rng.poisson(15, shape).astype(float),
    "rounded": lambda rng, shape: np.rint(3 * rng.normal(size=shape)),
    "two": lambda rng, shape: rng.choice([0.0, 1.0, 3.0], p=[0.485, 0.485, 0.03], size=shape),
    "ticks": lambda rng, shape: rng.poisson(5, shape).astype(np.float32) * np.float32(0.1),
}


def compare(let_in, erased, effective=float(DRAWS)):
    size = np.full(len(erased), effective)
    return compared_half(let_in, erased, BOUNDS, signs=SIGNS, effective=size)


def pairs(kind, sets, seed=0):
    return LAWS[kind](np.random.default_rng(seed), (2, sets, DRAWS))


@given(seed=SEEDS, kind=st.sampled_from(list(LAWS)), rows=st.sampled_from([80, 83]))
def test_no_interval_that_holds_half_is_shorter(seed, kind, rows):
    draws = LAWS[kind](np.random.default_rng(seed), (2, 2, rows))
    bounds = np.append(np.arange(0, 80, 4), rows)
    signs, size = random_signs(200, 20), np.full(2, float(rows))
    found = compared_half(*draws, bounds, signs=signs, effective=size)
    for world, said in zip(draws, (found.on, found.off), strict=True):
        for row, width in zip(world.astype(float), said, strict=True):
            distances = np.sort(np.where(row >= row[:, None], row - row[:, None], np.inf), axis=1)
            assert width == pytest.approx(distances[:, (rows + 1) // 2 - 1].min(), rel=1e-9)
    np.testing.assert_allclose(found.change, found.on - found.off)


@pytest.mark.parametrize("kind", LAWS)
def test_worlds_alike_are_seldom_told_apart(kind):
    found = compare(*pairs(kind, 400))
    for level in (0.05, 0.01):
        assert np.mean(found.p <= level) <= stats.binom.isf(1e-4, 400, level) / 400


@pytest.mark.parametrize(
    ("kind", "least"),
    {
        "normal": 0.8,
        "exponential": 0.8,
        "often zero": 0.7,
        "five": 0.8,
        "rounded": 0.8,
        "two": 0.8,
    }.items(),
)
def test_errors_are_the_spread_of_the_numbers(kind, least):
    found = compare(*pairs(kind, 400, seed=1))
    for number, error in (
        (found.on, found.on_mcse),
        (found.off, found.off_mcse),
        (found.change, found.mcse),
    ):
        assert least < number.std() / np.sqrt(np.mean(error**2)) < 1.3
    assert np.abs(found.change).mean() == pytest.approx(found.floor.mean(), rel=0.25)


def test_a_normal_law_has_the_half_of_the_tables():
    """Its bias at 10 000 draws, -.007, is known; the mean of 100 sets has a tenth of the sd of
    one, .016."""
    draws, bounds = (
        np.random.default_rng(5).normal(size=(2, 50, 10_000)),
        np.arange(0, 10_001, 250),
    )
    size = np.full(50, 1e4)
    found = compared_half(*draws, bounds, signs=random_signs(200, 40), effective=size)
    halves = np.append(found.on, found.off)
    assert halves.mean() == pytest.approx(1.348980 - 0.007, abs=4 * 0.0016)
    assert halves.std() == pytest.approx(0.016, rel=0.3)


def test_worlds_of_another_width_are_told_wherever_they_lie():
    draws = np.random.default_rng(2).normal(size=(2, 50, DRAWS))
    for place in (0.0, 3.0, 1e4):
        found = compare(place + 1.5 * draws[0], draws[1])
        assert abs(found.change.mean() - 0.5 * 1.349) < 0.05
        assert (found.p < 1e-2).mean() > 0.9
        same = compare(place + draws[0], draws[1])
        assert np.mean(same.p <= 0.05) <= stats.binom.isf(1e-4, 50, 0.05) / 50


def test_halves_that_are_equally_wide_are_no_evidence():
    """Of both coins more than half are 0: that one is rarer is for other descriptors to say."""
    coins = np.random.default_rng(3).random((2, 20, DRAWS)) < np.array([0.2, 0.4])[:, None, None]
    for draws in (coins, coins * 0.1 + 0.3, coins.astype(np.float32) * np.float32(0.1)):
        found = compare(*draws)
        assert (found.change == 0).all()
        assert (found.p == 1).all()


def test_a_last_digit_makes_no_width_another():
    rng, tick = np.random.default_rng(7), np.float32(0.1)
    let_in = rng.choice([3, 4, 9], p=[0.4, 0.4, 0.2], size=(5, DRAWS)) * tick
    erased = rng.choice([13, 14, 19], p=[0.3, 0.3, 0.4], size=(5, DRAWS)) * tick
    found = compare(let_in.astype(np.float32), erased.astype(np.float32))
    assert (np.abs(found.change) > 1e-9).all() and (np.abs(found.change) < 1e-6).all()
    assert (found.p == 1).all()


def test_a_certain_world_has_no_width_and_no_error():
    certain = np.full((1, DRAWS), 0.1)
    both = compare(certain, certain + 1)
    for name in ("on", "off", "on_mcse", "off_mcse", "change", "mcse", "floor"):
        assert getattr(both, name).tolist() == [0.0], name
    assert both.p.tolist() == [1.0]
    other = np.random.default_rng(4).normal(size=(1, DRAWS))
    one = compare(certain, other)
    assert one.on == 0 and one.on_mcse == 0
    assert one.change == -one.off and one.p < 1e-3
    assert one.mcse == pytest.approx(one.off_mcse)


def test_noise_that_worlds_share_is_no_error_of_their_difference():
    rng = np.random.default_rng(6)
    shared = rng.normal(size=(100, DRAWS))
    found = compare(2 * shared, 2 * shared + 0.02 * rng.normal(size=(100, DRAWS)))
    assert found.mcse.mean() < 0.5 * np.hypot(found.on_mcse, found.off_mcse).mean()
    assert 0.4 < found.change.std() / found.mcse.mean() < 1.3
    assert np.mean(found.p <= 0.05) <= stats.binom.isf(1e-4, 100, 0.05) / 100


@given(seed=SEEDS, kind=st.sampled_from(["normal", "five"]), unit=st.sampled_from([2.0, -0.5]))
def test_units_and_places_change_no_p(seed, kind, unit):
    draws = LAWS[kind](np.random.default_rng(seed), (2, 2, DRAWS))
    draws = np.rint(draws * 2**20) / 2**20
    one, other = compare(*draws), compare(*(unit * draws + 4.0))
    for name in ("on", "off", "change", "mcse", "floor"):
        expected = abs(unit) * getattr(one, name)
        # Mirrored, another interval of as many draws may come first.
        tolerance = 0.3 if name in ("mcse", "floor") and unit < 0 else 1e-9
        np.testing.assert_allclose(getattr(other, name), expected, rtol=tolerance, atol=1e-9)
    if unit > 0:
        np.testing.assert_allclose(other.p, one.p)


@given(seed=SEEDS, kind=st.sampled_from(list(LAWS)))
def test_worlds_that_change_places_change_the_sign_alone(seed, kind):
    draws = LAWS[kind](np.random.default_rng(seed), (2, 2, DRAWS))
    one, other = compare(*draws), compare(*draws[::-1])
    np.testing.assert_allclose(other.change, -one.change)
    for name in ("mcse", "floor", "p"):
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-9)


def test_too_few_effective_draws_say_nothing():
    found = compare(*pairs("normal", 2), effective=5.0)
    for error in (found.on_mcse, found.off_mcse, found.mcse, found.floor):
        assert np.isinf(error).all()
    assert (found.p == 1).all()
    assert np.isfinite(found.change).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("world", [0, 1])
def test_a_draw_that_is_not_finite_is_refused_and_named(bad, world):
    draws = np.zeros((2, 3, DRAWS))
    draws[world, 1, 5] = bad
    with pytest.raises(MeasurementError, match="draw 5 of measurement number 1"):
        compare(*draws)
