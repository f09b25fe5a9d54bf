"""Do means, beliefs and cells move by the truth where draws are reweighted?"""

import numpy as np
import pytest
from scipy import special, stats

from inference.arrays.blocks import block_bounds, widening
from inference.arrays.reweighting import (
    LOST,
    belief_bits,
    block_errors,
    cell_bits,
    cell_shares,
    moved_means,
)
from inference.arrays.weights import pareto_smoothed

DRAWS = 4000
BOUNDS = np.arange(0, DRAWS + 1, 100)
BITS = 1 / np.log(2)


def gaussian_bits(mean, variance, other_mean, other_variance):
    """KL(N || N') in bits."""
    ratio = variance / other_variance
    shift = (mean - other_mean) ** 2 / other_variance
    return 0.5 * (ratio + shift - 1 - np.log(ratio)) * BITS


# Research note, section 4: posterior Beta(a, b), a datum 1 becomes 0.
FLIPS = [(1.2, 4.0), (2.0, 4.0), (3.0, 4.0), (20.0, 10.0)]


@pytest.mark.parametrize(("ones", "zeros"), FLIPS)
def test_a_flipped_coin_moves_the_mean_by_one_over_the_number_of_coins(ones, zeros):
    rng = np.random.default_rng(7)
    z = rng.beta(ones, zeros, (20, DRAWS))
    log_ratios = np.log1p(-z) - np.log(z)
    weights, khat = pareto_smoothed(log_ratios)
    assert khat.mean() == pytest.approx(1 / ones, abs=0.08)
    truth = -1 / (ones + zeros)
    if (ones, zeros) == (3.0, 4.0):
        assert truth == pytest.approx(-0.142857, abs=1e-6)
    pairs = [
        moved_means(row[None], w[None], bounds=BOUNDS) for row, w in zip(z, weights, strict=True)
    ]
    change = np.array([c.item() for c, _ in pairs])
    mcse = np.array([block_errors(s, 1.0).item() for _, s in pairs])
    if 1 / ones > LOST:
        assert np.all(khat > 0.5)  # where the mean is known to be too small by a twentieth
        return
    assert abs(change.mean() - truth) < 4 * np.sqrt(np.square(mcse).sum()) / 20 + 0.02 * -truth
    first_order = np.mean([np.cov(row, r)[0, 1] for row, r in zip(z, log_ratios, strict=True)])
    exact = -1 / (ones + zeros)  # of a Beta, Cov(z, logit z) is the flip itself
    assert first_order == pytest.approx(exact, rel=0.02)


def test_errors_of_changes_cover_the_truth_whatever_the_memory_of_the_chain():
    reps, hits = 200, {0.0: 0, 0.9: 0}
    for phi in hits:
        rng = np.random.default_rng(3)
        for _ in range(reps):
            z = rng.normal(size=(4, 1000))
            for t in range(1, 1000):
                z[:, t] = phi * z[:, t - 1] + np.sqrt(1 - phi**2) * z[:, t]
            flat = z.reshape(1, -1)
            size = DRAWS * (1 - phi) / (1 + phi)
            bounds = block_bounds(4, 1000, effective=size)
            change, shares = moved_means(flat, pareto_smoothed(0.5 * flat)[0], bounds=bounds)
            mcse = block_errors(shares, widening(size, len(bounds) - 1))
            hits[phi] += abs(change.item() - 0.5) < 2 * mcse.item()
    assert 0.90 <= hits[0.0] / reps <= 0.985
    assert 0.88 <= hits[0.9] / reps <= 0.985


def test_the_error_of_a_change_is_that_of_the_difference_of_two_means_of_the_same_draws():
    rng = np.random.default_rng(0)
    changes, errors = [], []
    for _ in range(200):
        z = rng.normal(size=(1, 1000))
        weights, _ = pareto_smoothed(0.1 * z)
        change, shares = moved_means(z, weights, bounds=np.arange(0, 1001, 50))
        changes.append(change.item())
        errors.append(block_errors(shares, 1.0).item())
    assert np.mean(errors) == pytest.approx(np.std(changes), rel=0.15)
    assert np.mean(errors) < 0.2 / np.sqrt(1000)  # a fifth of the error of either mean


@pytest.mark.parametrize("noise", [1.5, 2.0, 4.0])
def test_belief_and_cells_move_by_the_closed_form(noise):
    variance = 1 / (1 + 1 / noise**2)
    mean = variance / noise**2 * 1.2
    rng = np.random.default_rng(11)
    found = []
    for _ in range(40):
        z = rng.normal(mean, np.sqrt(variance), (1, DRAWS))
        w = z + 0.5 * rng.normal(size=z.shape)
        log_ratios = (1.2 - z) ** 2 / (2 * noise**2)
        weights, _ = pareto_smoothed(log_ratios)
        belief, belief_mcse = belief_bits(log_ratios, weights, bounds=BOUNDS, wider=1.0)
        edges = mean + np.sqrt(variance + 0.25) * special.ndtri(np.arange(1, 32) / 32)
        cells = cell_bits(cell_shares(w.T, edges), weights, bounds=BOUNDS, wider=1.0)
        found.append(
            [belief.item(), belief_mcse.item(), cells["bits"].item(), cells["mcse"].item()]
        )
    belief, belief_mcse, bits, mcse = np.array(found).T
    truth = gaussian_bits(mean, variance, 0.0, 1.0)
    assert abs(belief.mean() - truth) < 4 * belief.std() / np.sqrt(40) + 0.03 * truth
    assert np.mean(belief_mcse) == pytest.approx(belief.std(), rel=0.4)
    p, q = (
        np.diff(stats.norm.cdf(edges, m, s), prepend=0.0, append=1.0)
        for m, s in ((mean, np.sqrt(variance + 0.25)), (0.0, np.sqrt(1.25)))
    )
    truth = np.sum(p * np.log2(p / q))
    assert abs(bits.mean() - truth) < 4 * bits.std() / np.sqrt(40) + 0.03 * truth
    assert np.mean(mcse) == pytest.approx(bits.std(), rel=0.4)


@pytest.mark.parametrize("futures", [1, 8])
def test_a_change_that_says_nothing_of_the_cells_reads_zero_within_its_floor(futures):
    rng = np.random.default_rng(1)
    p, bits, floor, mcse = [], [], [], []
    for _ in range(200):
        z = rng.normal(size=DRAWS)
        weights, _ = pareto_smoothed(np.stack([0.5 * z, 0.1 * z, 0.2 * z**2]))
        w = rng.normal(size=(DRAWS, futures))
        edges = np.quantile(w, [0.001, *np.arange(1, 16) / 16, 0.999])
        found = cell_bits(cell_shares(w, edges), weights, bounds=BOUNDS, wider=1.0)
        for into, name in ((p, "p"), (bits, "bits"), (floor, "floor"), (mcse, "mcse")):
            into.append(found[name])
    assert np.all(np.mean(np.array(p) < 0.05, axis=0) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200))
    assert np.all(np.mean(np.array(bits) <= 2 * np.array(mcse), axis=0) >= 0.95)
    # What is left of the plug-in after its floor is half of its spread, and that is small.
    assert np.all(np.mean(bits, axis=0) < np.mean(floor, axis=0))


def test_cells_of_a_draw_are_the_shares_of_its_futures():
    rng = np.random.default_rng(0)
    values, edges = rng.normal(size=(50, 7)), np.array([-1.0, 0.0, 2.5, np.inf])
    shares = cell_shares(values, edges)
    borders = [-np.inf, -1, 0, 2.5, np.inf]
    expected = np.stack([np.histogram(row, borders)[0] / 7 for row in values])
    np.testing.assert_allclose(shares, expected.T[expected.any(axis=0)])


def test_a_measurement_that_never_moves_has_no_bits_and_no_error():
    weights, _ = pareto_smoothed(np.random.default_rng(0).normal(size=(2, DRAWS)))
    found = cell_bits(
        cell_shares(np.zeros((DRAWS, 1)), np.array([1.0])), weights, bounds=BOUNDS, wider=1.0
    )
    for name, expected in (("bits", 0.0), ("floor", 0.0), ("mcse", 0.0), ("p", 1.0)):
        assert found[name].tolist() == [expected, expected]
