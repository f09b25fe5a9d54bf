"""Is shape told from place, in closed form, lawfully, and at the stated error rates?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal, stats

from counterfactual_models.errors import CounterfactualError
from inference.arrays.blocks import block_bounds
from inference.arrays.cell_counts import block_counts
from inference.arrays.cells import Cells
from inference.arrays.shape.surprisal import rearranged_tv, surprisal_descriptors
from inference.arrays.sign_flips import random_signs
from inference.arrays.total_variation import variation

SEEDS = st.integers(0, 2**32 - 1)
SIGNS = random_signs(200, 20)
NAMES = {"plugin", "floor", "tv", "mcse", "p"}


def counted(erased, let_in, *, effective=None, window=1):
    """Counts of both worlds, (measurement, draw) of four chains, in quarter deviations."""
    rows = erased.shape[1]
    bounds = block_bounds(4, rows // 4, effective=float(rows) if effective is None else effective)
    edges = Cells.width(0.25 / window).edges(erased)
    return [block_counts(world, edges, bounds) for world in (let_in, erased)], edges


def compared(erased, let_in, *, effective=None, window=1):
    counts, _ = counted(erased, let_in, effective=effective, window=window)
    size = float(erased.shape[1]) if effective is None else effective
    signs = random_signs(1000, len(counts[0]))
    return rearranged_tv(*counts, signs=signs, effective=size, window=window)


def normal(rng, size):
    return rng.normal(size=size)


SHAPES = {
    "normal": (normal, 1.418939, 0.5, 2.828427),
    "exponential": (lambda rng, size: rng.exponential(size=size), 1.0, 1.0, 2.0),
    "uniform": (lambda rng, size: rng.random(size), 0.0, 0.0, None),
}


@pytest.mark.parametrize("law", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_surprise_of_known_laws_is_that_of_their_densities(law, scale):
    draw, entropy, varentropy, skewness = SHAPES[law]
    values = scale * draw(np.random.default_rng(0), (20, 10_000))
    edges = scale * np.arange(-12, 12, 0.25)
    bounds = block_bounds(4, 2500, effective=10_000.0)
    counts = block_counts(values, np.tile(edges, (20, 1)), bounds)
    found = {
        name: whole
        for name, (whole, _) in surprisal_descriptors(counts, np.log(0.25 * scale)).items()
    }
    # Quarter cells blur a density by .003 nats, and ten thousand draws are short of tails.
    assert found["entropy"].mean() == pytest.approx(entropy + np.log(scale), abs=0.01)
    assert found["varentropy"].mean() == pytest.approx(varentropy, abs=0.03)
    if skewness is not None:
        assert found["surprisal_skewness"].mean() == pytest.approx(skewness, rel=0.07)


def test_a_fair_die_is_as_surprising_whatever_it_shows():
    counts = np.zeros((20, 9, 2), np.uint8)
    counts[:, :6, 0], counts[:, 3, 1] = 50, 200
    found = surprisal_descriptors(counts, np.array([0.0, 1.5]))
    miller_madow = np.array([5 / 12_000, 5 / 11_400])
    for moments, correction in zip(found["entropy"], miller_madow, strict=True):
        assert moments[..., 0] == pytest.approx(np.log(6) + correction)
        assert (moments[..., 1] == 1.5).all()
    for varentropy, skewness in zip(found["varentropy"], found["surprisal_skewness"], strict=True):
        assert (varentropy == 0).all()
        assert np.isnan(skewness).all()


def law_counts(seed, blocks=20, cells=8, measurements=5, per_block=30):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(cells, 0.7), size=2)
    drawn = [rng.multinomial(per_block, share, size=(blocks, measurements)) for share in shares]
    return tuple(np.swapaxes(world, 1, 2) for world in drawn)


@given(seed=SEEDS)
def test_moments_of_surprise_are_those_of_the_draws(seed):
    counts, _ = law_counts(seed, blocks=4)
    found = surprisal_descriptors(counts, 0.0)
    kept = [
        counts.sum(axis=0),
        *(np.delete(counts, block, axis=0).sum(axis=0) for block in range(4)),
    ]
    for at, pooled in enumerate(kept):
        for measurement, cells in enumerate(pooled.T):
            each = np.repeat(-np.log(np.where(cells > 0, cells / cells.sum(), 1)), cells)
            correction = (np.count_nonzero(cells) - 1) / (2 * cells.sum())
            expected = each.mean() + correction, each.var(), stats.skew(each)
            for (whole, without), value in zip(found.values(), expected, strict=True):
                mine = whole if at == 0 else without[at - 1]
                assert mine[measurement] == pytest.approx(value, rel=1e-8, abs=1e-8, nan_ok=True)


@given(seed=SEEDS)
def test_names_of_worlds_do_not_matter_to_surprise(seed):
    counts, _ = law_counts(seed)
    order = np.random.default_rng(seed).permutation(8)
    found, moved = (surprisal_descriptors(each, 0.0) for each in (counts, counts[:, order]))
    for name, (whole, without) in found.items():
        assert moved[name][0] == pytest.approx(whole, rel=1e-9, abs=1e-9, nan_ok=True)
        assert moved[name][1] == pytest.approx(without, rel=1e-9, abs=1e-9, nan_ok=True)


def test_a_world_without_blocks_has_nothing_to_leave_out():
    with pytest.raises(CounterfactualError, match="fewer than two blocks"):
        surprisal_descriptors(np.ones((1, 3, 2), int), 0.0)


REARRANGED = {
    "moved by 5": (lambda rng, size: rng.normal(5.0, size=size), 0.0),
    "twice as wide": (lambda rng, size: rng.normal(0.0, 2.0, size), 0.322675),
    "two peaks": (lambda rng, size: rng.normal(size=size) + rng.choice([-5, 5], size), 0.322675),
    "exponential": (lambda rng, size: rng.exponential(size=size), 0.250104),
}


@pytest.mark.parametrize("law", REARRANGED)
def test_worlds_differ_by_their_rearranged_densities(law):
    draw, truth = REARRANGED[law]
    rng = np.random.default_rng(1)
    found = compared(rng.normal(size=(20, 10_000)), draw(rng, (20, 10_000)))
    # Four errors of the mean, and what a grid of quarter deviations hides or adds.
    assert abs(found["tv"].mean() - truth) < 4 * found["mcse"].mean() / np.sqrt(20) + 0.008
    assert (found["p"] < 1e-3).all() == (truth > 0)


def test_the_densities_that_the_truth_is_taken_from_are_rearranged_so():
    grid = np.linspace(-20, 20, 400_001)
    step = grid[1] - grid[0]
    ranked = np.sort(stats.norm.pdf(grid))
    for other, truth in (
        (stats.norm.pdf(grid, 5), 0.0),
        (stats.norm.pdf(grid, 0, 2), 0.322675),
        ((stats.norm.pdf(grid, -5) + stats.norm.pdf(grid, 5)) / 2, 0.322675),
        (stats.expon.pdf(grid), 0.250104),
    ):
        assert 0.5 * np.abs(np.sort(other) - ranked).sum() * step == pytest.approx(truth, abs=1e-4)


def test_the_same_world_shows_its_floor():
    rng = np.random.default_rng(2)
    found = compared(*rng.normal(size=(2, 100, 10_000)))
    assert found["floor"].mean() == pytest.approx(0.0196, abs=0.001)
    error = found["plugin"].std() / 10
    assert abs(found["plugin"].mean() - found["floor"].mean()) < 4 * error


def test_peace_and_war_may_change_places_without_a_trace():
    erased = np.tile([[[80], [15], [5]]], (20, 1, 1))
    signs = random_signs(1000, 20)
    found = rearranged_tv(erased[:, [2, 0, 1]], erased, signs=signs, effective=2000.0)
    labelled = variation(erased[:, [2, 0, 1]], erased, signs=signs, effective=2000.0)
    assert labelled["tv"].item() == pytest.approx(0.75)
    assert {name: found[name].item() for name in ("plugin", "tv", "mcse", "p")} == {
        "plugin": 0.0,
        "tv": 0.0,
        "mcse": 0.0,
        "p": 1.0,
    }


@given(seed=SEEDS)
def test_names_of_one_worlds_cells_do_not_matter(seed):
    let_in, erased = law_counts(seed)
    order = np.random.default_rng(seed).permutation(8)
    found = rearranged_tv(let_in, erased, signs=SIGNS, effective=600.0)
    moved = rearranged_tv(let_in[:, order], erased, signs=SIGNS, effective=600.0)
    for name in ("plugin", "mcse"):
        assert moved[name] == pytest.approx(found[name], rel=1e-9, abs=1e-12)


@given(seed=SEEDS)
def test_names_of_both_worlds_cells_and_which_world_is_which_change_nothing(seed):
    let_in, erased = law_counts(seed)
    order = np.random.default_rng(seed).permutation(8)
    found = rearranged_tv(let_in, erased, signs=SIGNS, effective=600.0)
    for on, off in ((let_in[:, order], erased[:, order]), (erased, let_in)):
        moved = rearranged_tv(on, off, signs=SIGNS, effective=600.0)
        for name in NAMES:
            assert moved[name] == pytest.approx(found[name], rel=1e-5, abs=1e-6)


@given(seed=SEEDS, effective=st.floats(1, 600), window=st.integers(1, 4))
def test_a_relabelling_never_sees_more_than_the_labels(seed, effective, window):
    let_in, erased = law_counts(seed)
    # No cell is empty, so that none is novel.
    let_in[0] += 1
    erased[0] += 1
    options = {"signs": SIGNS, "effective": effective}
    found = rearranged_tv(let_in, erased, **options, window=window)
    labelled = variation(let_in, erased, **options)["plugin"]
    assert set(found) == NAMES
    assert all(((found[name] >= 0) & (found[name] <= 1)).all() for name in NAMES)
    assert (found["p"] > 0).all()
    assert (found["tv"] <= found["plugin"]).all()
    assert (found["plugin"] <= labelled + 1e-12).all()


def test_company_and_chunks_do_not_change_the_numbers(monkeypatch):
    let_in, erased = law_counts(3, measurements=7)
    signs = random_signs(1000, 20)
    sizes = np.array([600.0, 60.0, 600.0, 30.0, 9.0, 600.0, 200.0])
    whole = rearranged_tv(let_in, erased, signs=signs, effective=sizes)
    described = surprisal_descriptors(let_in, 0.0)
    monkeypatch.setattr("inference.arrays.shape.surprisal.AT_ONCE", 1)
    single = rearranged_tv(let_in, erased, signs=signs, effective=sizes)
    for name in NAMES:
        assert single[name] == pytest.approx(whole[name], rel=1e-9)
    for name, (all_draws, without) in surprisal_descriptors(let_in, 0.0).items():
        assert all_draws == pytest.approx(described[name][0], nan_ok=True)
        assert without == pytest.approx(described[name][1], nan_ok=True)


def test_under_ten_effective_draws_nothing_is_said():
    let_in, erased = law_counts(4)
    found = rearranged_tv(let_in, erased, signs=SIGNS, effective=9.9)
    assert (found["p"] == 1).all()
    assert (found["mcse"] == 1).all()


def test_worlds_that_are_the_same_constant_show_nothing():
    counts = np.full((20, 1, 2), 10)
    found = rearranged_tv(counts, counts, signs=SIGNS, effective=200.0)
    assert found.pop("p").tolist() == [1.0, 1.0]
    assert all((value == 0).all() for value in found.values())


@pytest.mark.parametrize(
    ("let_in", "options", "said"),
    [
        (np.ones((20, 3, 2), int), {}, "same blocks"),
        (np.full((20, 2, 2), 2), {}, "same blocks"),
        (np.ones((20, 2, 2), int), {"window": 0}, "window=0"),
        (np.ones((20, 2, 2), int), {"window": 2, "places": np.array([3])}, "for 2 cells"),
        (np.ones((20, 2, 2), int), {"window": 2, "places": np.array([3, 3])}, "ascending"),
    ],
)
def test_worlds_that_do_not_match_are_refused(let_in, options, said):
    with pytest.raises(CounterfactualError, match=said):
        rearranged_tv(let_in, np.ones((20, 2, 2), int), signs=SIGNS, effective=20.0, **options)


def test_a_law_that_moves_by_half_a_cell_keeps_its_shape_in_sliding_windows():
    rng = np.random.default_rng(5)
    erased, let_in = rng.normal(size=(2, 60, 20_000))
    plain, pooled = (compared(erased, let_in + 0.125, window=window) for window in (1, 4))
    assert plain["tv"].mean() > 0.03
    assert pooled["tv"].mean() < 0.003
    # At a true level of 5 %, more than nine of sixty come once in a thousand times.
    assert np.count_nonzero(pooled["p"] <= 0.05) <= 9


def test_sliding_windows_see_what_is_there():
    rng = np.random.default_rng(6)
    erased = rng.normal(size=(10, 10_000))
    found = compared(erased, 2 * rng.normal(size=erased.shape), window=4)
    assert found["tv"].mean() == pytest.approx(0.322675, abs=4 * found["mcse"].mean() / 3 + 0.002)
    assert (found["p"] < 1e-3).all()


@given(seed=SEEDS, window=st.integers(1, 5))
def test_empty_cells_may_be_left_out_if_it_is_said_where(seed, window):
    rng = np.random.default_rng(seed)
    let_in, erased = law_counts(seed)
    places = np.cumsum(rng.integers(1, 20, size=8))
    wide = np.zeros((2, 20, places[-1] + 1, 5), int)
    wide[:, :, places] = let_in, erased
    options = {"signs": SIGNS, "effective": 600.0, "window": window}
    found = rearranged_tv(let_in, erased, **options, places=places)
    whole = rearranged_tv(*wide, **options)
    for name in NAMES:
        assert found[name] == pytest.approx(whole[name], rel=1e-5, abs=1e-6)


NULLS, LEVEL = 500, 0.05


def autoregression(rng, shape, r=0.9):
    noise = rng.normal(size=(*shape[:-1], shape[-1] + 300))
    return signal.lfilter([np.sqrt(1 - r**2)], [1, -r], noise, axis=-1)[..., 300:]


def independent(rng):
    return rng.normal(size=(2, NULLS, 4, 500)), 2000.0, 2000.0


def shared_noise(rng):
    common = rng.normal(size=(1, NULLS, 4, 500))
    return (
        np.sqrt(0.8) * common + np.sqrt(0.2) * rng.normal(size=(2, NULLS, 4, 500)),
        2000.0,
        2000.0,
    )


def slow_chains(rng):
    return autoregression(rng, (2, NULLS, 4, 1000)), 210.0, 210.0


def slow_chains_in_quick_blocks(rng):
    return autoregression(rng, (2, NULLS, 4, 1000), 0.97), 4000.0, 61.0


@pytest.mark.parametrize(
    "world", [independent, shared_noise, slow_chains, slow_chains_in_quick_blocks]
)
def test_the_same_world_is_called_different_no_more_often_than_stated(world):
    values, effective, size = world(np.random.default_rng(7))
    erased, let_in = values.reshape(2, NULLS, -1)
    counts, _ = counted(erased, let_in, effective=effective)
    signs = random_signs(4000, len(counts[0]))
    found = rearranged_tv(*counts, signs=signs, effective=size)
    # Three and a half errors; nulls share the thousand signs that are used.
    error = np.sqrt(LEVEL * (1 - LEVEL) * (1 / NULLS + 1 / 1000))
    rate = np.mean(found["p"] <= LEVEL)
    assert rate < LEVEL + 3.5 * error
    if world is not slow_chains_in_quick_blocks:
        assert rate > LEVEL - 3.5 * error
    assert np.mean(found["p"] <= 0.001) < 0.001 + 4 * np.sqrt(0.001 / NULLS)


@pytest.mark.parametrize("r", [0.0, 0.9])
def test_the_error_is_how_much_the_number_varies(r):
    values = autoregression(np.random.default_rng(8), (2, 300, 4, 1000), r)
    values[1] *= 2
    erased, let_in = values.reshape(2, 300, -1)
    found = compared(erased, let_in, effective=4000.0 if r == 0 else 210.0)
    # Errors of 300 numbers are known to 4 % each; the ranks' own noise is not in them.
    assert found["mcse"].mean() == pytest.approx(found["plugin"].std(), rel=0.25)
