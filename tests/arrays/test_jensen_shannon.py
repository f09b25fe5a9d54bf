"""Are the bits right where the truth is known, lawful everywhere, and nothing where nothing is?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, signal, stats
from sklearn.metrics import mutual_info_score

from counterfactual_models.errors import CounterfactualError
from inference.arrays.blocks import block_bounds, effective_draws
from inference.arrays.cell_counts import block_counts
from inference.arrays.cells import Cells
from inference.arrays.jensen_shannon import (
    divergences,
    jensen_shannon,
    label_information,
    weights_entropy,
)
from inference.arrays.sign_flips import random_signs

BY_MEASUREMENT = {"bits", "plugin", "floor", "mcse", "lower", "upper", "p"}
CHAINS, DRAWS = 4, 1000
SIGNS = random_signs(1000, 20)


def counted(values, *, cells=None, futures=False):
    """Counts of (measurement, world, chain, draw[, future]), their effective draws and edges."""
    chains, draws = values.shape[2:4]
    effective = effective_draws(values).min(axis=1)
    typical = float(np.quantile(effective, 0.05))
    bounds = block_bounds(chains, draws, values.shape[4] if futures else 1, effective=typical)
    rows = values.reshape(*values.shape[:2], -1)
    edges = (cells or Cells()).edges(rows[:, 0], chains * draws)
    counts = np.stack([block_counts(rows[:, s], edges, bounds) for s in range(rows.shape[1])])
    return counts, effective, edges


def informed(values, **options):
    counts, effective, _ = counted(values, **options)
    return label_information(
        counts, signs=random_signs(1000, counts.shape[1]), effective=effective
    )


def in_cells(edges, *laws):
    """Exact Jensen-Shannon divergence of laws over given cells, (measurement,)."""
    padded = np.concatenate(
        [np.full((len(edges), 1), -np.inf), edges, np.full((len(edges), 1), np.inf)], axis=1
    )
    shares = np.stack([np.diff(law.cdf(padded), axis=1) for law in laws])
    return stats.entropy(shares.mean(axis=0), base=2, axis=1) - stats.entropy(
        shares, base=2, axis=2
    ).mean(axis=0)


def of_normals(shift):
    """Jensen-Shannon divergence of two normal laws so far apart, by quadrature."""

    def integrand(x):
        mean = 0.5 * (stats.norm.pdf(x) + stats.norm.pdf(x - shift))
        return stats.norm.pdf(x) * np.log2(stats.norm.pdf(x) / mean)

    return integrate.quad(integrand, -12, 12 + shift)[0]


@pytest.mark.parametrize(
    ("half", "published"),
    [(0.1, 0.007178), (0.4, 0.107016), (0.7, 0.285774), (1.0, 0.485944), (2.0, 0.912822)],
)
def test_a_shift_has_the_bits_of_its_normal_laws(half, published):
    assert of_normals(2 * half) == pytest.approx(published, abs=1e-6)
    values = np.random.default_rng(0).normal(size=(1, 2, CHAINS, 10_000))
    values[:, 1] += 2 * half
    counts, effective, edges = counted(values, cells=Cells.width(0.25, reach=8.0))
    signs = random_signs(1000, counts.shape[1])
    found = jensen_shannon(counts[1], counts[0], signs=signs, effective=effective)
    truth = in_cells(edges, stats.norm(), stats.norm(2 * half)).item()
    # A quarter of a deviation is fine enough: cells lose less than one part in a hundred.
    assert 0.99 * published < truth <= published
    assert abs(found["bits"].item() - truth) < 4 * found["mcse"].item()
    assert abs(found["bits"].item() - published) < 4 * found["mcse"].item()
    assert found["lower"] < truth < found["upper"]
    assert found["p"] < 1e-3


def ar(shape, memory, rng):
    shocks = rng.normal(size=shape)
    shocks[..., 1:] *= np.sqrt(1 - memory**2)
    return signal.lfilter([1], [1, -memory], shocks, axis=-1)


def independent(rng, repetitions):
    return rng.normal(size=(repetitions, 2, CHAINS, DRAWS))


def slow(rng, repetitions):
    return ar((repetitions, 2, CHAINS, DRAWS), 0.9, rng)


def sharing_noise(rng, repetitions):
    shared = rng.normal(size=(repetitions, 1, CHAINS, DRAWS))
    return np.sqrt(0.8) * shared + np.sqrt(0.2) * independent(rng, repetitions)


def sharing_the_past(rng, repetitions):
    past = ar((repetitions, 1, CHAINS, DRAWS // 5), 0.5, rng)[..., None]
    return past + rng.normal(size=(repetitions, 2, CHAINS, DRAWS // 5, 5))


def two_of_three_identical(rng, repetitions):
    values = rng.normal(size=(repetitions, 3, CHAINS, DRAWS))
    values[:, 1] = values[:, 0]
    return values


@pytest.mark.parametrize(
    "draws", [independent, slow, sharing_noise, sharing_the_past, two_of_three_identical]
)
def test_the_same_world_has_no_bits_and_is_rarely_called(draws):
    repetitions = 400
    values = draws(np.random.default_rng(1), repetitions)
    found = informed(values, futures=draws is sharing_the_past)
    error = found["bits"].std(ddof=1) / np.sqrt(repetitions)
    assert abs(found["bits"].mean()) < 2 * error + 0.03 * found["floor"].mean()
    assert found["floor"].mean() == pytest.approx(found["plugin"].mean(), rel=0.1)
    # Of four hundred, 95 times in 100 between 3 % and 7 %.
    assert 0.025 <= np.mean(found["p"] <= 0.05) <= 0.075
    assert np.mean(found["lower"] > 0) < 0.03
    assert (found["upper"] > 0).all()


def test_the_formula_for_independent_draws_is_met_by_independent_draws():
    found = informed(independent(np.random.default_rng(0), 50))
    formula = (18 - 1) / (2 * 2 * CHAINS * DRAWS * np.log(2))
    assert found["floor"].mean() == pytest.approx(formula, rel=0.05)


@pytest.mark.parametrize("memory", [0.0, 0.9])
@pytest.mark.parametrize("shift", [0.8, 2.0])
def test_errors_and_bounds_cover_the_truth_of_their_cells(memory, shift):
    repetitions = 300
    values = ar((repetitions, 2, CHAINS, DRAWS), memory, np.random.default_rng(2))
    values[:, 1] += shift
    counts, effective, edges = counted(values)
    signs = random_signs(200, counts.shape[1])
    found = label_information(counts, signs=signs, effective=effective)
    off = found["bits"] - in_cells(edges, stats.norm(), stats.norm(shift))
    assert abs(off.mean()) < 3 * off.std() / np.sqrt(repetitions)
    assert found["mcse"].mean() == pytest.approx(off.std(), rel=0.15)
    truth = found["bits"] - off
    assert np.mean(found["lower"] > truth) < 0.09
    assert np.mean(found["upper"] < truth) < 0.09


def drawn_counts(seed, *, worlds=3, blocks=20, cells=6, measurements=4, each=25):
    rng = np.random.default_rng(seed)
    laws = rng.dirichlet(np.full(cells, 0.7), size=worlds)
    drawn = [rng.multinomial(each, law, size=(blocks, measurements)) for law in laws]
    return np.swapaxes(np.stack(drawn), 2, 3)


def estimated(counts, **options):
    return label_information(counts, signs=SIGNS, effective=500.0, **options)


SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS)
def test_the_plug_in_is_the_mutual_information_of_label_and_cell(seed):
    counts = drawn_counts(seed)
    found = estimated(counts)
    for measurement, plugin in enumerate(found["plugin"]):
        table = counts.sum(axis=1)[:, :, measurement]
        peer = mutual_info_score(None, None, contingency=table) / np.log(2)
        assert plugin == pytest.approx(peer, abs=1e-12)


@given(SEEDS)
def test_weighted_worlds_have_the_entropy_that_their_mean_gains(seed):
    counts, weights = drawn_counts(seed), np.random.default_rng(seed).dirichlet([2, 2, 2])
    shares = counts.sum(axis=1) / counts.sum(axis=(1, 2))[:, None]
    gained = stats.entropy(np.tensordot(weights, shares, axes=1), base=2)
    gained -= weights @ stats.entropy(shares, base=2, axis=1)
    found = estimated(counts, weights=weights)
    assert found["plugin"] == pytest.approx(gained, abs=1e-12)
    assert weights @ found["divergence"] == pytest.approx(found["bits"], abs=1e-12)
    assert weights @ divergences(counts.sum(axis=1), weights) == pytest.approx(gained, abs=1e-12)
    assert (found["plugin"] <= weights_entropy(weights) + 1e-12).all()


@given(SEEDS)
def test_all_numbers_keep_their_ranges(seed):
    found = estimated(drawn_counts(seed))
    assert set(found) == BY_MEASUREMENT | {"divergence", "divergence_mcse"}
    for name in ("plugin", "floor", "mcse", "lower", "upper"):
        assert (found[name] >= 0).all()
        assert (found[name] <= np.log2(3) + 1e-12).all()
    assert (found["lower"] <= found["bits"].clip(0)).all()
    assert (found["bits"] <= found["plugin"]).all()
    assert (found["plugin"] <= found["upper"] + 1e-12).all()
    assert ((found["p"] > 0) & (found["p"] <= 1)).all()
    assert (found["divergence"] <= np.log2(3) + 1e-12).all()


@given(SEEDS)
def test_the_order_of_the_worlds_does_not_matter(seed):
    counts = drawn_counts(seed)
    order = np.random.default_rng(seed).permutation(3)
    one, other = estimated(counts), estimated(counts[order])
    for name in BY_MEASUREMENT:
        assert other[name] == pytest.approx(one[name], abs=1e-9)
    assert other["divergence"] == pytest.approx(one["divergence"][order], abs=1e-9)


@given(SEEDS)
def test_two_identical_worlds_count_as_one_with_both_weights(seed):
    counts = drawn_counts(seed, worlds=2)
    split = estimated(counts[[0, 0, 1]], weights=[0.2, 0.3, 0.5])
    merged = estimated(counts)
    for name in BY_MEASUREMENT - {"upper"}:  # which allows for the entropy of the weights
        assert split[name] == pytest.approx(merged[name], abs=1e-9)
    assert split["divergence"][[0, 2]] == pytest.approx(merged["divergence"], abs=1e-9)


@given(SEEDS)
def test_coarser_never_sees_more(seed):
    counts = drawn_counts(seed)
    coarser = counts[:, :, ::2] + counts[:, :, 1::2]
    assert (estimated(coarser)["plugin"] <= estimated(counts)["plugin"] + 1e-12).all()


@given(SEEDS)
def test_cells_that_the_erased_world_never_visits_count_as_if_they_were_one(seed):
    let_in, erased = drawn_counts(seed, worlds=2, measurements=1)
    erased[:, 0] += erased[:, 4] + erased[:, 5]
    erased[:, 4:] = 0
    merged = np.concatenate([let_in[:, :4], let_in[:, 4:].sum(axis=1, keepdims=True)], axis=1)
    one = jensen_shannon(let_in, erased, signs=SIGNS, effective=500.0)
    other = jensen_shannon(merged, erased[:, :5], signs=SIGNS, effective=500.0)
    assert set(one) == BY_MEASUREMENT
    for name in ("plugin", "mcse"):
        assert other[name] == pytest.approx(one[name], abs=1e-9)


@given(SEEDS)
def test_a_measurement_is_judged_alike_in_any_company(seed):
    counts = drawn_counts(seed, measurements=3)
    together, alone = estimated(counts), estimated(counts[..., 1:2])
    for name in BY_MEASUREMENT:
        assert alone[name][0] == pytest.approx(together[name][1], abs=1e-9)


@pytest.mark.parametrize("worlds", [2, 3, 5])
def test_worlds_without_a_common_cell_tell_all_there_is_to_tell(worlds):
    counts = np.zeros((worlds, 20, worlds, 1), dtype=np.uint8)
    counts[np.arange(worlds), :, np.arange(worlds)] = 25
    found = estimated(counts)
    assert found["bits"].item() == pytest.approx(np.log2(worlds), abs=1e-12)
    assert found["mcse"].item() == pytest.approx(0, abs=1e-12)
    # A share of 3/500 of each world might have come from the mean one, unseen.
    assert 0.8 * np.log2(worlds) < found["lower"].item() < np.log2(worlds)
    assert 2.0**-19 <= found["p"].item() < 1e-4


def test_identical_worlds_tell_nothing_at_all():
    one = drawn_counts(0, worlds=1)
    found = estimated(np.repeat(one, 3, axis=0))
    for name in ("bits", "plugin", "lower", "mcse"):
        assert found[name] == pytest.approx(0, abs=1e-12)
    assert found["floor"] == pytest.approx(0, abs=1e-12)
    assert (found["p"] == 1).all()
    assert found["upper"] == pytest.approx(3 / 500 * np.log2(3))


def test_too_few_effective_draws_say_nothing():
    found = label_information(drawn_counts(0), signs=SIGNS, effective=9.0)
    assert (found["p"] == 1).all()
    assert (found["lower"] == 0).all()
    assert found["upper"] == pytest.approx(np.log2(3))
    assert all(np.isfinite(values).all() for values in found.values())


def test_a_difference_met_in_a_single_draw_is_none():
    counts = np.tile(np.array([5, 0])[:, None], (2, 20, 1, 1))
    counts[1, 7, :, 0] = 4, 1
    assert estimated(counts)["p"].item() == 1.0


@pytest.mark.parametrize(
    ("counts", "weights", "said"),
    [
        (drawn_counts(0, worlds=1), None, "two worlds at least"),
        (drawn_counts(0)[0], None, "expected (world, block, cell, measurement)"),
        (drawn_counts(0) * np.array([1, 1, 2])[:, None, None, None], None, "other lengths"),
        (drawn_counts(0), [0.5, 0.5], "expected 3 positive ones"),
        (drawn_counts(0), [0.5, 0.5, 0.0], "expected 3 positive ones"),
    ],
)
def test_what_is_no_set_of_worlds_is_refused(counts, weights, said):
    with pytest.raises(CounterfactualError) as refused:
        estimated(counts, weights=weights)
    assert said in str(refused.value)
