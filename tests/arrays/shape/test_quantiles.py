"""Are quantiles those of NumPy, with errors that hold for densities and for coins?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from inference.arrays.blocks import block_bounds
from inference.arrays.shape.quantiles import compared_quantile
from inference.arrays.sign_flips import random_signs

DRAWS = 1000
BOUNDS = block_bounds(4, DRAWS // 4, effective=float(DRAWS))
SIGNS = random_signs(1000, len(BOUNDS) - 1)
seeds = st.integers(0, 2**32 - 1)


def compare(let_in, erased, level, effective=float(DRAWS)):
    size = np.full(len(erased), effective)
    return compared_quantile(let_in, erased, level, BOUNDS, signs=SIGNS, effective=size)


@pytest.mark.parametrize("level", [0.05, 0.25, 0.5, 0.95])
@pytest.mark.parametrize("law", [stats.norm(), stats.expon(), stats.cauchy(), stats.uniform()])
def test_errors_are_those_of_the_density_at_the_quantile(law, level):
    draws = law.rvs(size=(2, 300, DRAWS), random_state=np.random.default_rng(0))
    found = compare(*draws, level)
    np.testing.assert_allclose(found.on, np.quantile(draws[0], level, axis=1))
    np.testing.assert_allclose(found.change, found.on - found.off)
    truth = np.sqrt(level * (1 - level) / DRAWS) / law.pdf(law.ppf(level))
    for said in (found.on_mcse, found.off_mcse, found.mcse / np.sqrt(2)):
        assert said.mean() == pytest.approx(truth, rel=0.2)
    assert found.change.std() == pytest.approx(found.mcse.mean(), rel=0.2)
    assert np.abs(found.change).mean() == pytest.approx(found.floor.mean(), rel=0.2)
    assert np.mean(found.p <= 0.05) <= stats.binom.isf(1e-4, 300, 0.05) / 300


@pytest.mark.parametrize("chance", [0.5, 0.47, 0.3])
def test_a_coin_that_fell_on_its_other_side_is_the_same_coin(chance):
    coins = np.random.default_rng(1).random((2, 500, DRAWS)) < chance
    found = compare(*coins.astype(float), 0.5)
    assert np.mean(found.p <= 0.05) <= stats.binom.isf(1e-4, 500, 0.05) / 500
    assert np.isin(found.change, (-1, -0.5, 0, 0.5, 1)).all()
    spread, said = found.change.std(), found.mcse.mean()
    # A jump is there or not: errors are right on average where it is in doubt.
    assert spread <= 1.35 * said + 0.02


def test_a_change_of_nothing_is_no_evidence():
    """Both medians are 0: that one coin is rarer is for other descriptors to say."""
    coins = np.random.default_rng(2).random((2, 20, DRAWS)) < np.array([0.2, 0.4])[:, None, None]
    found = compare(*coins.astype(float), 0.5)
    assert (found.change == 0).all()
    assert (found.p == 1).all()


def test_quantiles_that_move_are_told():
    draws = np.random.default_rng(3).normal(size=(2, 50, DRAWS))
    draws[0] += 0.5
    for level in (0.05, 0.5, 0.95):
        found = compare(*draws, level)
        error = np.sqrt(level * (1 - level)) / stats.norm.pdf(stats.norm.ppf(level))
        assert abs(found.change.mean() - 0.5) < 4 * error * np.sqrt(2 / DRAWS / 50)
    assert (compare(*draws, 0.5).p < 1e-3).all()


def test_noise_that_worlds_share_is_no_error_of_their_difference():
    rng = np.random.default_rng(4)
    shared = rng.normal(size=(100, DRAWS))
    let_in, erased = shared + 0.1 * rng.normal(size=(2, 100, DRAWS))
    found = compare(let_in, erased, 0.5)
    assert found.mcse.mean() < 0.5 * found.on_mcse.mean()
    assert found.change.std() == pytest.approx(found.mcse.mean(), rel=0.3)


@given(seed=seeds, level=st.sampled_from([0.05, 0.25, 0.5]), unit=st.sampled_from([2.0, -0.5]))
def test_units_change_no_p_and_mirrors_swap_the_ends(seed, level, unit):
    draws = np.rint(np.random.default_rng(seed).normal(size=(2, 2, DRAWS)) * 2**20) / 2**20
    one = compare(*draws, level)
    other = compare(*(unit * draws + 4.0), level if unit > 0 else 1 - level)
    np.testing.assert_allclose(other.on, unit * one.on + 4.0, rtol=1e-9)
    np.testing.assert_allclose(other.change, unit * one.change, atol=1e-9)
    np.testing.assert_allclose(other.p, one.p, rtol=1e-6)
    # Mirrored, a quantile is read off draws that are one place away.
    np.testing.assert_allclose(other.mcse, abs(unit) * one.mcse, rtol=1e-9 if unit > 0 else 0.2)


def test_worlds_that_change_places_change_the_sign_alone():
    draws = np.random.default_rng(5).normal(size=(2, 5, DRAWS))
    one, other = compare(*draws, 0.25), compare(*draws[::-1], 0.25)
    np.testing.assert_allclose(other.change, -one.change)
    np.testing.assert_allclose(other.mcse, one.mcse)
    np.testing.assert_allclose(other.p, one.p)


def test_constants_and_few_effective_draws():
    flat = np.zeros((1, DRAWS))
    same, apart = compare(flat, flat, 0.5), compare(flat + 2, flat, 0.5)
    assert (same.change, same.mcse, same.p) == (0, 0, 1)
    assert (apart.change, apart.mcse) == (2, 0)
    assert apart.p < 1e-4
    noise = np.random.default_rng(6).normal(size=(2, 1, DRAWS))
    little = compare(*noise, 0.5, effective=9.0)
    assert np.isinf([little.on_mcse, little.mcse, little.floor]).all()
    assert little.p == 1
    assert np.isfinite(little.change).all()
