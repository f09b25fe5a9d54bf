"""Do flipped signs show what the same world would show, in closed form and at the stated level?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal, special

from inference.arrays.blocks import block_bounds
from inference.arrays.sign_flips import flipped, noise_floor, random_signs, tail_probability
from inference.arrays.total_variation import total_variation

NULLS, FLIPS, LEVEL = 1000, 4000, 0.05
# Nulls share their signs, so the error of the level has a part from either number. At 3.5 errors
# a true level of 5 % fails once in two thousand runs.
LEVEL_ERROR = np.sqrt(LEVEL * (1 - LEVEL) * (1 / NULLS + 1 / FLIPS))


def same_world(draws, cells, measurements, blocks, seed=0):
    rng = np.random.default_rng(seed)
    shares = np.full(cells, 1 / cells)
    worlds = rng.multinomial(draws // blocks, shares, size=(2, blocks, measurements))
    return (worlds[1] - worlds[0]).swapaxes(1, 2)


@pytest.mark.parametrize(("cells", "closed"), [(2, 0.005642), (16, 0.021849), (64, 0.044764)])
def test_floor_of_equal_cells_matches_its_closed_form(cells, closed):
    draws = 10_000
    rate = draws / cells
    skellam = special.ive(0, 2 * rate) + special.ive(1, 2 * rate)
    difference = same_world(draws, cells, 300, 40)
    floors = noise_floor(difference, np.full(40, draws // 40), random_signs(500, 40))
    assert closed == pytest.approx(np.sqrt((cells - 1) / np.pi / draws), rel=2e-3)
    if cells > 2:
        assert skellam == pytest.approx(closed, rel=0.04)
    error = floors.std() / np.sqrt(len(floors))
    assert abs(floors.mean() - closed) < 4 * error + 0.02 * closed


def test_a_real_effect_does_not_raise_the_floor():
    difference = same_world(4000, 16, 50, 40)
    effect = np.zeros_like(difference)
    effect[:, 0], effect[:, 1] = 30, -30
    lengths, signs = np.full(40, 100), random_signs(500, 40)
    quiet = noise_floor(difference, lengths, signs)
    assert noise_floor(difference + effect, lengths, signs) == pytest.approx(quiet, rel=1e-4)


@pytest.mark.parametrize("agreeing", [1, 2, 3, 5, 8])
def test_few_agreeing_draws_have_the_exact_probability(agreeing):
    difference = np.zeros((40, 2, 1), int)
    difference[:agreeing, 0], difference[:agreeing, 1] = 1, -1
    found = tail_probability(difference, random_signs(20_000, 40)).item()
    exact = 2.0 ** (1 - agreeing)
    # A probability that two hundred or a thousand flips settle is known as well as these tell.
    flips = 200 if exact > 0.1 else 1000 if exact > 0.02 else 20_000
    assert abs(found - exact) <= 4 * np.sqrt(exact * (1 - exact) / flips) + 1e-4


@given(seed=st.integers(0, 2**32 - 1))
def test_no_bit_depends_on_the_company(seed):
    rng = np.random.default_rng(seed)
    difference = same_world(400, 6, 12, 20, seed=seed)
    difference[:, :, 3] = 0
    difference[:, 0, 5] += 9
    difference[:, 1, 5] -= 9
    signs, lengths = random_signs(2000, 20, seed=seed), np.full(20, 20)
    chance = tail_probability(difference, signs)
    norms, centred = flipped(difference, signs, lengths)
    own = rng.permutation(12)[: rng.integers(1, 12)]
    assert (tail_probability(difference[:, :, own], signs) == chance[own]).all()
    again = flipped(difference[:, :, own], signs, lengths)
    assert (again[0] == norms[own]).all()
    assert (again[1] == centred[own]).all()


def test_worlds_that_never_differ_have_probability_one():
    signs = random_signs(200, 20)
    assert tail_probability(np.zeros((20, 3, 2), int), signs).tolist() == [1.0, 1.0]
    assert noise_floor(np.zeros((20, 3, 2), int), np.full(20, 5), signs).tolist() == [0.0, 0.0]


def test_a_total_effect_has_a_tiny_probability():
    difference = np.tile([[[100], [-100]]], (20, 1, 1))
    assert 2.0**-19 <= tail_probability(difference, random_signs(1000, 20)).item() < 1e-4


def test_slabs_do_not_change_the_numbers(monkeypatch):
    difference, signs = same_world(2000, 16, 30, 20), random_signs(300, 20)
    whole = tail_probability(difference, signs), noise_floor(difference, np.full(20, 100), signs)
    monkeypatch.setattr("inference.arrays.sign_flips.SLAB", 7 * 16 * 30)
    assert tail_probability(difference, signs) == pytest.approx(whole[0])
    assert noise_floor(difference, np.full(20, 100), signs) == pytest.approx(whole[1])


def autoregression(rng, shape):
    noise = rng.normal(size=(*shape[:-1], shape[-1] + 100))
    return signal.lfilter([1], [1, -0.9], noise, axis=-1)[..., 100:]


def independent(rng):
    return rng.normal(size=(NULLS, 2, 4, 250))


def shared_noise(rng):
    common = rng.normal(size=(NULLS, 1, 4, 250))
    return np.sqrt(0.8) * common + np.sqrt(0.2) * rng.normal(size=(NULLS, 2, 4, 250))


def slow_chains(rng):
    return autoregression(rng, (NULLS, 2, 4, 1000))


def short_slow_chains(rng):
    return autoregression(rng, (NULLS, 2, 4, 250))


def slow_shared_past(rng):
    return autoregression(rng, (NULLS, 1, 4, 500)) + rng.normal(size=(NULLS, 2, 4, 500))


def counts_of_events(rng):
    return rng.poisson(4.0, size=(NULLS, 2, 4, 250)).astype(float)


@pytest.mark.parametrize(
    ("world", "effective"),
    [
        (independent, 1000.0),
        (shared_noise, 1000.0),
        (slow_chains, 210.0),
        (short_slow_chains, 53.0),
        (slow_shared_past, 200.0),
        (counts_of_events, 1000.0),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_same_world_is_called_different_at_the_stated_rate(world, effective):
    values = world(np.random.default_rng(11))
    chains, draws = values.shape[2:]
    bounds = block_bounds(chains, draws, effective=effective)
    found = total_variation(
        values.reshape(NULLS, 2, -1),
        bounds=bounds,
        signs=random_signs(FLIPS, len(bounds) - 1),
        effective=effective,
    )
    assert abs(np.mean(found["p"] <= LEVEL) - LEVEL) < 3.5 * LEVEL_ERROR
    assert np.mean(found["p"] <= 0.001) < 0.001 + 4 * np.sqrt(0.001 / NULLS)
