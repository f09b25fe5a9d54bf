"""Do the norms of a distribution's derivative meet their closed forms, and zero where it is?"""

import numpy as np
import pytest
from scipy import integrate, stats

from inference.arrays.cells import Cells
from inference.arrays.distribution_slopes import bits_of, contrast_of, fisher, total_variation_rate
from inference.arrays.features import indicators, powers, waves
from inference.arrays.score_covariance import block_slopes, squared_norms

# T2: w = a z + noise, with J = .4 and v = .5 at every e.
J, V = 0.4, 0.5
N = 40_000
BOUNDS = np.arange(0, N + 1, N // 20)


def mean(values):
    return values.mean(-1)


@pytest.fixture(scope="module")
def drawn():
    """Draws of w, and the score of a datum for which Cov(w, s) = .4; one without importance."""
    rng = np.random.default_rng(0)
    z, other = rng.standard_normal((2, N))
    w = 0.5 * z + np.sqrt(V - 0.25) * rng.standard_normal(N)
    return w.reshape(1, N, 1), np.stack([0.8 * z, other], axis=1)


@pytest.mark.parametrize(
    ("cells", "exact"), [(2, 0.203718), (4, 0.275379), (8, 0.302411), (64, 0.318750)]
)
def test_cells_keep_their_share_of_the_fisher_information(drawn, cells, exact):
    w, s = drawn
    edges = np.sqrt(V) * stats.norm.ppf(np.arange(1, cells) / cells)[None]
    features = indicators(w, edges, mean)
    blocks = block_slopes(features[0], s, BOUNDS)[:, None]
    found = fisher(blocks, features.mean(-1), rows=N)
    assert abs(found["fisher"][0, 0] - exact) < 4 * found["fisher_mcse"][0, 0]
    assert abs(found["fisher"][0, 1]) < 4 * found["fisher_mcse"][0, 1]


def test_the_rate_of_total_variation_is_the_closed_form(drawn):
    w, s = drawn
    edges = np.sqrt(V) * stats.norm.ppf(np.arange(1, 8) / 8)[None]
    found = total_variation_rate(block_slopes(indicators(w, edges, mean)[0], s, BOUNDS)[:, None])
    rate, mcse = found["tv_rate"][0], found["tv_rate_mcse"][0]
    assert abs(rate[0] - 0.225676) < 4 * mcse[0]
    assert abs(rate[1]) < 4 * mcse[1]
    assert abs(found["tv_rate_plugin"][0, 0] - 0.225676) < 5 * mcse[0]


@pytest.mark.parametrize(("cells", "rare"), [(8, 0.0), (64, 0.1)])
def test_a_datum_without_importance_reads_zero_and_the_plugin_reads_its_floor(cells, rare):
    rng = np.random.default_rng(1)
    found = {}
    for _ in range(200):
        w, s = rng.standard_normal((1, 500, 1)), rng.standard_normal((500, 1))
        edges = Cells.quantile(cells, tails=0.0).edges(w[..., 0])
        features = indicators(w, edges, mean)
        blocks = block_slopes(features[0], s, np.arange(0, 501, 25))[:, None]
        each = total_variation_rate(blocks) | fisher(blocks, features.mean(-1), rows=500)
        for name, value in each.items():
            found.setdefault(name, []).append(float(value[0, 0]))
    floor = np.mean(found["tv_rate_floor"])
    for name in ("tv_rate", "fisher"):
        # Noise is not normal where a block of 25 draws meets a cell every other time.
        slack = rare * floor if name == "tv_rate" else 0.0
        assert abs(np.mean(found[name])) < 3 * np.std(found[name]) / np.sqrt(200) + slack
    assert np.isclose(np.mean(found["tv_rate_plugin"]), floor, rtol=0.05)
    assert np.mean(found["fisher_plugin"]) > (cells - 1) / 700  # all of it noise
    spread = np.std(found["tv_rate"])
    assert 0.8 * spread < np.mean(found["tv_rate_mcse"]) < 1.6 * spread


def test_few_draws_in_many_cells_are_not_biased():
    rng = np.random.default_rng(2)
    found, rates = [], []
    edges = np.sqrt(V) * stats.norm.ppf(np.arange(1, 64) / 64)[None]
    for _ in range(300):
        z = rng.standard_normal(500)
        w = (0.5 * z + np.sqrt(V - 0.25) * rng.standard_normal(500)).reshape(1, 500, 1)
        features = indicators(w, edges, mean)
        blocks = block_slopes(features[0], 0.8 * z[:, None], np.arange(0, 501, 25))[:, None]
        found.append(fisher(blocks, features.mean(-1), rows=500)["fisher"][0, 0])
        rates.append(total_variation_rate(blocks))
    # Without what is put back it would be .277, and .319 is the truth.
    assert abs(np.mean(found) - 0.318750) < 0.01 + 3 * np.std(found) / np.sqrt(300)
    low, high = (np.mean([r[n][0, 0] for r in rates]) for n in ("tv_rate", "tv_rate_plugin"))
    assert low < 0.225676 < high


@pytest.mark.parametrize("smoothing", [0.3, 1.0])
def test_waves_give_the_length_of_the_smoothed_density_by_quadrature(smoothing):
    # In units of the deviation: density N(0, 1) smoothed by h, moved at rate J / sqrt(V).
    rate, wide = J / np.sqrt(V), np.sqrt(1 + smoothing**2)
    slope = lambda x: rate * x / wide**2 * stats.norm.pdf(x, 0, wide)
    exact = integrate.quad(lambda x: slope(x) ** 2, -20, 20)[0]
    rng = np.random.default_rng(3)
    z = rng.standard_normal(N)
    w = (z * rate + np.sqrt(1 - rate**2) * rng.standard_normal(N)).reshape(1, N, 1)
    soft = waves(w, np.zeros(1), np.ones(1), mean, smoothing=smoothing)
    length, mcse, _ = squared_norms(block_slopes(soft[0], z[:, None], BOUNDS)[..., 0])
    assert abs(length - exact) < 4 * mcse
    if smoothing == 0.3:  # T2 has h = .3 in units of w
        h = 0.3 / np.sqrt(V)
        own = waves(w, np.zeros(1), np.ones(1), mean, smoothing=h)
        length, mcse, _ = squared_norms(block_slopes(own[0], z[:, None], BOUNDS)[..., 0])
        assert abs(length / np.sqrt(V) - 0.049797) < 4 * mcse / np.sqrt(V)


def test_waves_are_the_normal_kernel_of_all_pairs():
    rng = np.random.default_rng(4)
    w, h = rng.normal(size=(1, 60, 1)), 0.4
    soft = waves(w, np.zeros(1), np.ones(1), mean, smoothing=h)[0]
    # Parseval: sums of waves are kernels of differences, up to the wave of frequency zero.
    gap = w[0] - w[0].T
    kernel = stats.norm.pdf(gap, 0, h * np.sqrt(2))
    ours, weights = soft.T @ soft, rng.normal(size=60)
    weights -= weights.mean()
    assert np.isclose(weights @ ours @ weights, weights @ kernel @ weights, rtol=1e-6)


def test_bits_and_contrast_are_the_closed_forms_and_odd():
    a = np.array([0.1, 0.4, 0.7, 1.0, 2.0])
    bits, _ = bits_of(a**2, 0 * a, np.array(1.0))
    assert np.allclose(bits, [0.007178, 0.107062, 0.287656, 0.5, 1.160964], atol=1e-6)
    contrast, _ = contrast_of(a / np.sqrt(2 * np.pi), 0 * a, np.array(1.0))
    assert np.allclose(contrast, [0.079656, 0.310843, 0.516073, 0.682689, 0.954500], atol=1e-6)
    assert np.allclose(bits_of(-(a**2), a, np.array(1.0))[0], -bits)
    assert np.allclose(contrast_of(-a, a, np.array(1.0))[0], -contrast_of(a, a, np.array(1.0))[0])


def test_errors_of_bits_and_contrast_are_their_slopes():
    x, step, scale = np.array([0.02, 0.5, 3.0]), 1e-6, np.array(1.3)
    for function in (bits_of, contrast_of):
        slope = (function(x + step, x, scale)[0] - function(x - step, x, scale)[0]) / (2 * step)
        assert np.allclose(function(x, np.ones(3), scale)[1], slope, rtol=1e-5)


def test_powers_are_the_level_and_the_squared_distance():
    values = np.random.default_rng(0).normal(5, 2, size=(2, 30, 4))
    found = powers(values, np.array([5.0, 4.0]), mean)
    assert np.allclose(found[:, 0], values.mean(-1))
    assert np.allclose(found[1, 1], ((values[1] - 4) ** 2).mean(-1))
