"""Do blocks say how far off a number is, and how much two of the same world would differ?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from inference.arrays.shape.jackknife import compared, error_of, pseudo_values
from inference.arrays.sign_flips import random_signs

BLOCKS, ROWS = 40, 25
LENGTHS = np.full(BLOCKS, ROWS)
SIGNS = random_signs(1000, BLOCKS)
seeds = st.integers(0, 2**32 - 1)


def estimate(draws, number=np.mean, lengths=LENGTHS):
    """A number of draws (measurement, draw), and without each block."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    without = [number(draws[:, owner != block], axis=1) for block in range(len(lengths))]
    return number(draws, axis=1), np.stack(without)


def both(let_in, erased, number=np.mean, lengths=LENGTHS, effective=1e3):
    numbers = [estimate(draws, number, lengths) for draws in (let_in, erased)]
    return compared(*numbers, lengths=lengths, signs=SIGNS[:, : len(lengths)], effective=effective)


def variance(draws, axis):
    return draws.var(axis=axis, ddof=1)


def deviation(draws, axis):
    return draws.std(axis=axis, ddof=1)


@given(seed=seeds)
def test_of_a_mean_every_block_says_its_own_mean(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 9, size=20)
    draws = rng.normal(size=(3, lengths.sum()))
    owner = np.repeat(np.arange(20), lengths)
    own = np.stack([draws[:, owner == block].mean(axis=1) for block in range(20)])
    said = pseudo_values(estimate(draws, lengths=lengths), lengths)
    np.testing.assert_allclose(said, own, rtol=1e-9, atol=1e-9)


def test_the_error_is_that_of_the_delete_m_jackknife():
    rng = np.random.default_rng(0)
    lengths = rng.integers(20, 24, size=BLOCKS)
    draws = rng.exponential(size=(2, lengths.sum()))
    found = error_of(pseudo_values(estimate(draws, variance, lengths), lengths), lengths, 1e3)
    whole, without = estimate(draws, variance, lengths)
    share = lengths.sum() / lengths
    middle = BLOCKS * whole - ((1 - lengths / lengths.sum())[:, None] * without).sum(axis=0)
    # Busing, Meijer and van der Leeden (1999), equations 2 and 3, one block after another.
    squares = [
        (h * whole - (h - 1) * one - middle) ** 2 / (h - 1)
        for h, one in zip(share, without, strict=True)
    ]
    np.testing.assert_allclose(found, np.sqrt(np.mean(squares, axis=0)), rtol=1e-3)


def test_the_error_of_a_variance_is_the_one_in_the_books():
    draws = np.random.default_rng(1).exponential(size=(200, BLOCKS * ROWS))
    said = error_of(pseudo_values(estimate(draws, variance), LENGTHS), LENGTHS, 1e3)
    truth = np.sqrt((6 + 2) / draws.shape[1])  # sqrt((k4 + 2 k2^2) / n) of Exp(1)
    # The fourth moment that it rests on has an error of a third in 1000 draws: 200 of them.
    assert np.sqrt(np.mean(said**2)) == pytest.approx(truth, rel=0.1)


def test_noise_that_worlds_share_is_no_error_of_their_difference():
    rng = np.random.default_rng(2)
    shared, own = rng.normal(size=(50, BLOCKS * ROWS)), rng.normal(size=(2, 50, BLOCKS * ROWS))
    found = both(shared + 0.1 * own[0] + 0.05, shared + 0.1 * own[1])
    truth = 0.1 * np.sqrt(2 / (BLOCKS * ROWS))
    assert found.mcse.mean() == pytest.approx(truth, rel=0.1)
    assert found.on_mcse.mean() == pytest.approx(np.sqrt(1.01 / (BLOCKS * ROWS)), rel=0.1)
    assert (found.p < 1e-3).all()
    np.testing.assert_allclose(found.floor, np.sqrt(2 / np.pi) * found.mcse, rtol=0.1)


@given(seed=seeds, unit=st.floats(0.01, 100), place=st.floats(-5, 5))
def test_units_and_what_worlds_share_change_no_p(seed, unit, place):
    draws = np.random.default_rng(seed).normal(size=(2, 2, BLOCKS * ROWS))
    one, other = both(*draws), both(*(unit * draws + place))
    np.testing.assert_allclose(other.p, one.p, rtol=1e-6)
    for name in ("change", "mcse", "floor", "on_mcse", "off_mcse"):
        np.testing.assert_allclose(
            getattr(other, name), unit * getattr(one, name), rtol=1e-6, atol=1e-9 * unit
        )


@given(seed=seeds)
def test_worlds_that_change_places_change_the_sign_alone(seed):
    draws = np.random.default_rng(seed).normal(size=(2, 2, BLOCKS * ROWS))
    one, other = both(*draws, deviation), both(*draws[::-1], deviation)
    np.testing.assert_allclose(other.change, -one.change, rtol=1e-12)
    for name in ("mcse", "floor", "p"):
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-9)
    np.testing.assert_array_equal(other.on_mcse, one.off_mcse)


@pytest.mark.parametrize("number", [np.mean, deviation, np.median])
def test_the_same_world_is_told_apart_as_often_as_said(number):
    draws = np.random.default_rng(3).normal(size=(2, 500, BLOCKS * ROWS))
    found = both(*draws, number)
    for level in (0.05, 0.01):
        allowed = stats.binom.isf(1e-4, 500, level) / 500
        assert np.mean(found.p <= level) <= allowed
    if number is not np.median:
        spread = found.change.std() / found.mcse.mean()
        assert spread == pytest.approx(1, abs=0.1)


def test_what_is_not_defined_stays_so_and_spoils_nothing_else():
    rng = np.random.default_rng(4)
    numbers = [estimate(rng.normal(size=(4, BLOCKS * ROWS))) for _ in range(2)]
    numbers[0][0][1] = np.nan
    numbers[1][1][7, 2] = np.nan
    found = compared(*numbers, lengths=LENGTHS, signs=SIGNS, effective=1e3)
    assert np.isnan(found.on).tolist() == [False, True, False, False]
    assert np.isnan(found.off_mcse).tolist() == [False, False, True, False]
    for name in ("change", "mcse", "floor", "p"):
        assert np.isnan(getattr(found, name)).tolist() == [False, True, True, False]
    assert np.isfinite([found.off[1], found.on[2], found.on_mcse[2]]).all()


def test_under_ten_effective_draws_nothing_is_known():
    draws = np.random.default_rng(5).normal(size=(2, 3, BLOCKS * ROWS))
    draws[1] += 9.0
    found = both(*draws, effective=np.array([9.9, 10.0, 1e3]))
    assert np.isinf(found.mcse).tolist() == [True, False, False]
    assert np.isinf(found.floor).tolist() == [True, False, False]
    assert found.p[0] == 1
    assert found.mcse[1] > found.mcse[2]
    assert found.p[1] > found.p[2]


def test_numbers_that_agree_everywhere_are_the_same():
    found = both(np.full((1, BLOCKS * ROWS), 0.1), np.full((1, BLOCKS * ROWS), 0.1))
    assert (found.change, found.mcse, found.floor, found.p) == (0, 0, 0, 1)


@pytest.mark.parametrize("number", [np.mean, deviation, variance])
@pytest.mark.parametrize("rare", [1, 3])
def test_rare_events_speak_for_the_blocks_that_they_are_in(number, rare):
    """One event in one of two worlds is no evidence, of whatever number; of three, 1 in 4."""
    draws = np.zeros((2, 1, BLOCKS * ROWS))
    draws[0, 0, 5 : 5 + rare * 3 * ROWS : 3 * ROWS] = 1.0
    found = both(*draws, number)
    assert found.p.item() >= 2.0 ** (1 - rare)


def test_two_certainties_differ_for_sure():
    found = both(np.full((1, BLOCKS * ROWS), 5.0), np.full((1, BLOCKS * ROWS), 3.0))
    assert (found.change, found.mcse, found.floor) == (2, 0, 0)
    assert found.p < 1e-4
