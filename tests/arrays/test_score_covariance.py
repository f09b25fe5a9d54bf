"""Are the slopes those of the closed forms, and are squares of noise zero on average?"""

import numpy as np
import pytest
from closed_forms.linear_gaussian import LinearGaussian
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from inference.arrays.blocks import block_bounds
from inference.arrays.score_covariance import block_slopes, slopes, squared_norms

BOUNDS = np.arange(0, 4001, 200)


def slow(shape, memory, rng):
    """Stationary AR(1) along the second axis, variance one."""
    noise = rng.standard_normal(shape)
    for t in range(1, shape[1]):
        noise[:, t] = memory * noise[:, t - 1] + np.sqrt(1 - memory**2) * noise[:, t]
    return noise


def test_slopes_are_the_closed_form_within_their_errors():
    rng = np.random.default_rng(1)
    world = LinearGaussian(
        np.eye(3), rng.normal(size=(20, 3)), np.eye(20), rng.normal(size=(5, 3)), 0.0, np.eye(5)
    )
    e = rng.normal(size=20)
    drawn = world.draw(e, seed=2)
    slope, mcse = slopes(
        drawn.w.reshape(4000, 5).T, drawn.score.reshape(4000, 20), BOUNDS, effective=4000
    )
    z = (slope - world.jacobian) / mcse
    assert np.abs(z).max() < 4.5  # of a hundred, blocks being 20: t of 19 degrees
    assert 0.8 < np.sqrt(np.mean(z**2)) < 1.25


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_errors_cover_the_truth_in_chains_that_mix_well_and_badly(memory):
    rng = np.random.default_rng(3)
    hits = []
    for _ in range(200):
        z = slow((4, 1000), memory, rng).ravel()
        g = 0.7 * z + rng.standard_normal(4000)
        effective = 4000 * (1 - memory) / (1 + memory)
        slope, mcse = slopes(g[None], z[:, None], BOUNDS, effective=effective)
        hits.append(abs(slope[0, 0] - 0.7) < 2.09 * mcse[0, 0])
    assert np.mean(hits) > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 200)


@given(st.integers(0, 10**6), st.integers(2, 9), st.booleans())
def test_blocks_average_to_the_slopes_whatever_their_lengths(seed, chains, offset):
    rng = np.random.default_rng(seed)
    bounds = block_bounds(chains, 53, effective=200)
    g = rng.normal(size=(3, chains * 53)) + 1e6 * offset
    s = rng.normal(size=(chains * 53, 4))
    whole = np.cov(g - g.mean(1, keepdims=True), s.T)[:3, 3:]
    found, _ = slopes(g, s, bounds)
    assert np.allclose(found, whole, atol=1e-8)
    assert np.allclose(block_slopes(g, s, bounds).mean(0), whole, atol=1e-8)


def test_single_precision_scores_do_as_well():
    rng = np.random.default_rng(0)
    g, s = rng.normal(size=(3, 4000)), rng.normal(size=(4000, 4)) + 100
    double, single = slopes(g, s, BOUNDS), slopes(g, s.astype(np.float32), BOUNDS)
    assert np.allclose(double[0], single[0], atol=1e-5)


def test_a_direct_derivative_is_added_with_its_spread():
    rng = np.random.default_rng(0)
    g, s = rng.normal(size=(1, 4000)), rng.normal(size=(4000, 1))
    plain, error = slopes(g, s, BOUNDS)
    spread = rng.normal(size=(20, 1, 1))
    moved, wider = slopes(g, s, BOUNDS, direct=2 + spread)
    assert np.allclose(moved, plain + 2 + spread.mean(0))
    assert wider > error
    assert np.allclose(block_slopes(g, s, BOUNDS, direct=2 + spread).mean(0), moved)


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_squared_norms_of_noise_are_zero_on_average(memory):
    rng = np.random.default_rng(5)
    found = []
    for _ in range(200):
        g, s = slow((4, 500), memory, rng).reshape(1, -1), rng.standard_normal((2000, 1))
        s = slow((4, 500), memory, rng).reshape(-1, 1)
        bounds = block_bounds(4, 500, effective=200)
        found.append(squared_norms(block_slopes(g, s, bounds))[0][0])
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(200)


def test_pooled_centring_keeps_what_slow_chains_do_between_blocks():
    rng = np.random.default_rng(7)
    found = []
    for _ in range(40):
        z = slow((4, 1000), 0.97, rng).ravel()
        bounds = block_bounds(4, 1000, effective=200)
        found.append(squared_norms(block_slopes(z[None], z[:, None], bounds))[0][0])
    # Centred within blocks of 200 draws it would be .68 of the truth.
    assert abs(np.mean(found) - 1) < 4 * np.std(found) / np.sqrt(40)


def test_the_jackknife_error_of_a_squared_norm_is_its_spread():
    rng = np.random.default_rng(11)
    truth = np.linspace(0, 2, 6)[:, None]
    found = [squared_norms(truth + rng.normal(size=(20, 6, 1)))[:2] for _ in range(400)]
    estimates, errors = (np.array([f[n][0] for f in found]) for n in (0, 1))
    assert np.isclose(estimates.mean(), (truth**2).sum(), atol=4 * estimates.std() / 20)
    assert np.isclose(np.sqrt(np.mean(errors**2)), estimates.std(), rtol=0.15)


@pytest.mark.parametrize(("components", "truth"), [(1, 0.0), (1, 0.2), (6, 0.0), (300, 0.0)])
def test_a_square_that_comes_out_small_by_chance_has_an_error_nonetheless(components, truth):
    rng = np.random.default_rng(2)
    words = truth + rng.normal(size=(20, components, 2000))
    estimate, error, _ = squared_norms(words)
    z = np.abs(estimate - components * truth**2) / error
    assert np.mean(z > 2) < 0.05 and z.max() < 4
    # A jackknife of noise alone is too large by the root of two, and no more than that.
    assert np.sqrt(np.mean(error**2)) < 1.6 * estimate.std()


@given(
    seed=st.integers(0, 10**6), components=st.integers(1, 30), mean=st.sampled_from([0, 1, 1e4])
)
def test_squared_norms_are_those_of_all_pairs_of_blocks(seed, components, mean):
    words = mean + np.random.default_rng(seed).normal(size=(6, components, 2, 3))
    estimate, error, plugin = squared_norms(words)
    products = np.einsum("bc...,dc...->bd...", words, words)
    apart = ~np.eye(6, dtype=bool)
    assert np.allclose(estimate, products[apart].mean(axis=0))
    assert np.allclose(plugin, products.mean(axis=(0, 1)))
    without = []
    for block in range(6):
        kept = np.arange(6) != block
        without.append(products[np.ix_(kept, kept)][apart[:5, :5]].mean(axis=0))
    jackknife = np.sqrt(5 * np.var(without, axis=0))
    centred = words - words.mean(axis=0)
    chance = np.einsum("bc...,dc...->bd...", centred, centred)[apart].var(axis=0)
    assert np.allclose(error, np.maximum(jackknife, np.sqrt(2 * chance / 30)), rtol=1e-5)


def test_a_constant_is_known_however_few_the_draws():
    slope, mcse = slopes(np.ones((1, 40)), np.zeros((40, 1)), np.arange(0, 41, 2), effective=1.0)
    assert slope == mcse == 0


def test_slopes_of_a_world_that_is_not_normal_are_those_of_quadrature():
    # z ~ N(0, 1), e_j ~ Student-t (4 degrees) about a z + b z²; draws are quantiles: no noise.
    slope, bend = np.array([1.0, -0.5, 0.8]), np.array([0.3, 0.2, -0.4])
    evidence, grid = np.array([0.7, 0.4, -0.2]), np.linspace(-9, 9, 400_001)

    def density(e):
        apart = e - (slope * grid[:, None] + bend * grid[:, None] ** 2)
        log = -(grid**2) / 2 + stats.t.logpdf(apart, 4).sum(axis=1)
        weights = np.exp(log - log.max())
        return weights / weights.sum()

    def outputs(z):
        return np.stack([z, z**2, np.tanh(z), stats.norm.cdf(3 * z)])

    step = 1e-4
    truth = np.stack(
        [
            outputs(grid) @ (density(evidence + move) - density(evidence - move)) / (2 * step)
            for move in step * np.eye(3)
        ],
        axis=1,
    )
    below = np.cumsum(density(evidence))
    middle = below - density(evidence) / 2
    z = np.interp((np.arange(2_000_000) + 0.5) / 2_000_000, middle, grid)
    apart = evidence - (slope * z[:, None] + bend * z[:, None] ** 2)
    scores = -5 * apart / (4 + apart**2)
    found, _ = slopes(outputs(z), scores, np.arange(0, 2_000_001, 100_000))
    assert np.abs(truth).max() > 0.1
    assert np.allclose(found, truth, atol=1e-6)
