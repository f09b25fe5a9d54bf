"""Are the cells those of the erased world, and does every draw land in the right one?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfactual_models.errors import CounterfactualError
from inference.arrays.cell_counts import block_counts, merge_novel
from inference.arrays.cells import MOST_LEVELS, Cells, few_valued, fewer_edges, of_levels


def counts(values, edges):
    bounds = np.array([0, values.shape[-1]])
    return block_counts(values, edges, bounds)[0].T


def test_continuous_measurements_get_sixteenths_and_two_thousandths():
    erased = np.random.default_rng(0).normal(size=(3, 16_000))
    found = counts(erased, Cells().edges(erased))
    assert found.shape == (3, 18)
    assert (found[:, [0, -1]] == 16).all()
    assert (found[:, 2:-2] == 1000).all()
    assert (found[:, [1, -2]] == 984).all()


def test_counts_agree_with_numpy_in_every_block():
    rng = np.random.default_rng(1)
    values, bounds = rng.normal(size=(4, 1000)), np.array([0, 300, 301, 700, 1000])
    edges = np.sort(rng.normal(size=(4, 9)))
    found = block_counts(values, edges, bounds)
    for block in range(4):
        for row in range(4):
            part = values[row, bounds[block] : bounds[block + 1]]
            expected, _ = np.histogram(part, np.array([-np.inf, *edges[row], np.inf]))
            assert found[block, :, row].tolist() == expected.tolist()


def test_blocks_longer_than_a_short_integer_are_counted():
    values = np.zeros((1, 70_000))
    assert block_counts(values, np.array([[1.0]]), np.array([0, 70_000]))[0, 0, 0] == 70_000


def test_discrete_measurements_get_their_own_levels():
    erased = np.random.default_rng(2).poisson(4, size=(1, 5000)).astype(float)
    found = counts(erased, Cells().edges(erased))[0]
    levels, expected = np.unique(erased, return_counts=True)
    assert found[found > 0].tolist() == expected.tolist()
    assert len(levels) == np.count_nonzero(found)


def test_values_between_below_and_above_the_levels_are_one_novel_cell():
    erased = np.repeat([[1.0, 2.0, 4.0]], 40, axis=-1)
    edges = Cells().edges(erased)
    let_in = np.array([[0.0, 1.5, 2.0, 3.0, 9.0] * 24])
    bounds = np.array([0, 120])
    difference = merge_novel(
        block_counts(let_in, edges, bounds), block_counts(erased, edges, bounds)
    )
    assert difference[0, -1, 0] == 96
    assert difference[0, :-1, 0].tolist() == [-40, -16, -40]


def test_a_constant_erased_world_has_one_level_and_all_else_is_novel():
    erased = np.zeros((1, 100))
    edges = Cells().edges(erased)
    let_in = np.where(np.arange(100) < 50, 0.0, 1e-300)[None]
    difference = merge_novel(
        block_counts(let_in, edges, np.array([0, 100])),
        block_counts(erased, edges, np.array([0, 100])),
    )
    assert difference[0, -1, 0] == 50


@pytest.mark.parametrize("atom", [0.0, -1.0, 7.0])
def test_a_heavy_value_has_a_cell_of_its_own(atom):
    rng = np.random.default_rng(3)
    erased = np.where(rng.random((1, 4000)) < 0.6, atom, rng.normal(atom, 1, (1, 4000)))
    found = counts(erased, Cells().edges(erased))[0]
    assert np.count_nonzero(erased == atom) in found.tolist()
    assert found.max() == np.count_nonzero(erased == atom)


def test_light_ties_are_not_split_into_cells():
    erased = np.random.default_rng(4).poisson(1000, size=(1, 4000)).astype(float)
    found = counts(erased, Cells().edges(erased))[0]
    assert np.count_nonzero(found) <= 18
    assert found[1:-1].min() > 100


def test_a_continuous_past_repeated_over_futures_stays_continuous():
    past = np.repeat(np.random.default_rng(5).normal(size=(1, 50)), 100, axis=-1)
    assert Cells().edges(past, draws=50).shape[1] < 40
    assert Cells().edges(past).shape[1] >= 99


@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([np.exp, np.sinh, np.arctan]))
def test_an_increasing_map_of_the_measurement_changes_no_count(seed, scale):
    rng = np.random.default_rng(seed)
    erased, let_in = rng.normal(size=(2, 3, 400))
    erased[0] = erased[0].round()
    erased[1, :150] = 0.0
    edges, mapped = Cells().edges(erased), Cells().edges(scale(erased))
    assert (counts(erased, edges) == counts(scale(erased), mapped)).all()
    assert (counts(let_in, edges) == counts(scale(let_in), mapped)).all()


@given(seed=st.integers(0, 2**32 - 1), cells=st.integers(2, 40), rows=st.integers(1, 300))
def test_every_draw_lands_in_exactly_one_cell(seed, cells, rows):
    rng = np.random.default_rng(seed)
    erased = rng.normal(size=(4, rows)).round(int(rng.integers(0, 4)))
    let_in = 3 * rng.standard_cauchy(size=(4, rows))
    edges = Cells.quantile(cells).edges(erased)
    assert (counts(erased, edges).sum(-1) == rows).all()
    assert (counts(let_in, edges).sum(-1) == rows).all()


KINDS = [Cells(), Cells.quantile(8, tails=0), Cells.levels(), Cells.width(), Cells.dyadic()]


@given(seed=st.integers(0, 2**32 - 1), cells=st.sampled_from(KINDS))
def test_edges_ascend_and_keep_single_precision(seed, cells):
    rng = np.random.default_rng(seed)
    erased = rng.normal(size=(6, 300))
    erased[1], erased[2] = rng.poisson(3, 300), 5.0
    erased[3] = np.where(rng.random(300) < 0.8, 0.0, erased[3])
    erased[4] = rng.standard_cauchy(300)
    erased[5] = 1e6 + erased[5]
    narrow = cells.edges(erased.astype(np.float32))
    assert narrow.dtype == np.float32
    for edges in (cells.edges(erased), narrow):
        both = np.isfinite(edges[:, 1:])
        assert (edges[:, 1:] > edges[:, :-1])[both].all()
        assert np.isfinite(edges).any(axis=1).all()
        assert edges.shape[1] <= cells.most


@given(seed=st.integers(0, 2**32 - 1), cells=st.sampled_from([Cells(), Cells.levels()]))
def test_the_precision_of_the_same_draws_changes_no_count(seed, cells):
    values = np.random.default_rng(seed).normal(size=(2, 3, 300)).astype(np.float32)
    values[:, 1] = values[:, 1].round()
    erased, let_in = values
    narrow, wide = cells.edges(erased), cells.edges(erased.astype(float))
    assert (counts(let_in, narrow) == counts(let_in.astype(float), wide)).all()


def test_equal_widths_are_quarters_of_a_deviation():
    erased = np.random.default_rng(0).normal(7, 2, size=(1, 40_000))
    edges = Cells.width().edges(erased)[0]
    assert len(edges) == 97
    assert np.diff(edges) == pytest.approx(0.5, rel=0.02)
    assert edges[[0, -1]] == pytest.approx([7 - 24, 7 + 24], rel=0.02)


def test_dyadic_leaves_are_equally_likely_under_a_logistic_law_half_as_wide_again():
    erased = np.random.default_rng(0).logistic(3, 2, size=(1, 64_000))
    edges = Cells.dyadic().edges(erased)
    assert edges.shape == (1, 63)
    found = counts(3 + 1.5 * (erased - 3), edges)[0]
    assert found == pytest.approx(np.full(64, 1000), abs=6 * np.sqrt(1000))
    assert Cells.dyadic(1).edges(erased)[0] == pytest.approx([np.median(erased)])


def test_the_commonest_of_many_levels_are_kept():
    erased = np.concatenate([np.repeat(np.arange(100.0), 3), np.repeat([7.5, 90.5], 50)])[None]
    found = counts(erased, Cells.levels().edges(erased))[0]
    assert np.count_nonzero(found == 50) == 2
    assert np.count_nonzero(found == 3) >= 62
    assert found.sum() == erased.size


def test_a_measurement_without_quartiles_is_cut_by_its_deviation():
    erased = np.zeros((1, 1000))
    erased[0, :10] = np.arange(1, 11)
    assert (counts(erased, Cells.width().edges(erased))[0] > 0).sum() > 2


@pytest.mark.parametrize(
    "made",
    [
        lambda: Cells("round"),
        lambda: Cells.quantile(1),
        lambda: Cells.quantile(16, tails=0.2),
        lambda: Cells.width(0.0),
        lambda: Cells.width(2.0, reach=1.0),
        lambda: Cells.width(0.001),
        lambda: Cells.dyadic(0),
        lambda: Cells.dyadic(11),
        lambda: Cells.dyadic(6.5),
    ],
)
def test_cells_that_mean_nothing_are_refused(made):
    with pytest.raises(CounterfactualError, match=r"got .*expected"):
        made()


@given(st.integers(0, 10**6), st.integers(2, 12), st.sampled_from([2, 7, 40, 5000]))
def test_fewer_edges_are_some_of_the_edges_and_cut_about_evenly(seed, count, values):
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, values, size=(3, 2000)).astype(float)
    edges = Cells.quantile(16).edges(draws)
    kept = fewer_edges(edges, draws, count)
    assert kept.shape[1] < count
    for own, every, row in zip(kept, edges, draws, strict=True):
        finite = own[np.isfinite(own)]
        assert set(finite) <= set(every)
        assert np.all(np.diff(finite) > 0)
        shares = np.histogram(row, [-np.inf, *finite, np.inf])[0] / 2000
        assert shares.min() > 0
        assert shares.max() <= 1 / count + 2 * max(1 / 16, 1 / values) + 0.03


EVERY_KIND = [Cells.quantile(), Cells.levels(), Cells.width(), Cells.dyadic()]


def test_few_values_are_sixty_four_at_most_each_met_ten_times_on_average():
    rows = 2000
    ranked = np.stack([np.sort(np.arange(rows) % values) for values in (1, 2, 64, 65, rows)])
    assert few_valued(ranked.astype(float)).tolist() == [True, True, True, False, False]
    assert few_valued(ranked, 639).tolist() == [True, True, False, False, False]
    assert few_valued(ranked, 640).tolist() == [True, True, True, False, False]
    assert few_valued(ranked, 5).tolist() == [True, False, False, False, False]
    assert few_valued(np.sort(ranked % 2 == 0)).tolist() == [True] * 5
    assert MOST_LEVELS == 64


@given(
    seed=st.integers(0, 10**6),
    values=st.integers(1, 80),
    kind=st.sampled_from([np.float64, np.float32, np.int64, bool]),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_few_values_get_their_levels_whatever_the_kind_of_cells(seed, values, kind, scale):
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(0, values, size=(1, 800)) - values // 2) * scale
    drawn = drawn.astype(kind)
    levels = np.unique(drawn)
    few = few_valued(np.sort(drawn))
    assert few.tolist() == [len(levels) <= 64]
    for cells in EVERY_KIND:
        edges = cells.edges(drawn)
        assert of_levels(edges).tolist() == (few | (cells.kind == "levels")).tolist()
        if few:
            met = np.unique(drawn, return_counts=True)[1]
            found = counts(drawn, edges)[0]
            assert found[found > 0].tolist() == met.tolist()


def test_levels_are_known_beside_what_has_none():
    rng = np.random.default_rng(0)
    values = np.stack(
        [
            rng.normal(size=1000),
            rng.random(1000) < 0.5,
            np.full(1000, 3.0),
            rng.integers(0, 50, size=1000),
            np.where(rng.random(1000) < 0.8, 0.0, rng.normal(size=1000)),
        ]
    )
    for cells in (Cells.quantile(), Cells.width(), Cells.dyadic(), Cells.dyadic(10)):
        edges = cells.edges(values)
        assert of_levels(edges).tolist() == [False, True, True, True, False]
        wider = np.pad(edges, ((0, 0), (0, 3)), constant_values=np.inf)
        assert of_levels(wider).tolist() == [False, True, True, True, False]
    assert of_levels(Cells.dyadic(1).edges(values[:1])).tolist() == [False]
    assert not of_levels(np.full((2, 4), np.inf)).any()


@pytest.mark.parametrize("depth", [1, 3, 6, 10])
def test_a_quarter_of_the_leaves_ends_one_and_a_half_times_as_far_as_the_quartile(depth):
    erased = np.random.default_rng(2).gamma(2.0, size=(1, 4000))
    low, middle, high = np.quantile(erased, [0.25, 0.5, 0.75])
    edges = Cells.dyadic(depth).edges(erased)[0]
    assert len(edges) == 2**depth - 1
    assert edges[len(edges) // 2] == pytest.approx(middle)
    assert edges + edges[::-1] == pytest.approx(np.full(len(edges), 2 * middle))
    if depth > 1:
        at = 2 ** (depth - 2) - 1
        assert middle - edges[at] == pytest.approx(1.5 * (high - low) / 2)
    # A logistic law of that width gives every leaf the same share.
    scale = 1.5 * (high - low) / (2 * np.log(3))
    below = 1 / (1 + np.exp(-(edges - middle) / scale))
    assert np.diff([0, *below, 1]) == pytest.approx(np.full(2**depth, 2.0**-depth))


def test_many_values_without_quartiles_are_cut_by_their_deviation():
    rng = np.random.default_rng(3)
    erased = np.where(rng.random((1, 1000)) < 0.8, 0.0, rng.normal(size=(1, 1000)))
    for cells in (Cells.width(), Cells.dyadic()):
        edges = cells.edges(erased)
        assert not of_levels(edges).any()
        assert (counts(erased, edges)[0] > 0).sum() > 10
        assert np.median(edges[0]) == 0
