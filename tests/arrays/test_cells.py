"""Are the cells those of the erased world, and does every draw land in the right one?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.arrays.cells import block_counts, merge_novel, reference_edges


def counts(values, edges):
    bounds = np.array([0, values.shape[-1]])
    return block_counts(values, edges, bounds)[0].T


def test_continuous_measurements_get_sixteenths_and_two_thousandths():
    erased = np.random.default_rng(0).normal(size=(3, 16_000))
    found = counts(erased, reference_edges(erased))
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
    found = counts(erased, reference_edges(erased))[0]
    levels, expected = np.unique(erased, return_counts=True)
    assert found[found > 0].tolist() == expected.tolist()
    assert len(levels) == np.count_nonzero(found)


def test_values_between_below_and_above_the_levels_are_one_novel_cell():
    erased = np.repeat([[1.0, 2.0, 4.0]], 40, axis=-1)
    edges = reference_edges(erased)
    let_in = np.array([[0.0, 1.5, 2.0, 3.0, 9.0] * 24])
    bounds = np.array([0, 120])
    difference = merge_novel(
        block_counts(let_in, edges, bounds), block_counts(erased, edges, bounds)
    )
    assert difference[0, -1, 0] == 96
    assert difference[0, :-1, 0].tolist() == [-40, -16, -40]


def test_a_constant_erased_world_has_one_level_and_all_else_is_novel():
    erased = np.zeros((1, 100))
    edges = reference_edges(erased)
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
    found = counts(erased, reference_edges(erased))[0]
    assert np.count_nonzero(erased == atom) in found.tolist()
    assert found.max() == np.count_nonzero(erased == atom)


def test_light_ties_are_not_split_into_cells():
    erased = np.random.default_rng(4).poisson(1000, size=(1, 4000)).astype(float)
    found = counts(erased, reference_edges(erased))[0]
    assert np.count_nonzero(found) <= 18
    assert found[1:-1].min() > 100


def test_a_continuous_past_repeated_over_futures_stays_continuous():
    past = np.repeat(np.random.default_rng(5).normal(size=(1, 50)), 100, axis=-1)
    assert reference_edges(past, draws=50).shape[1] < 40
    assert reference_edges(past).shape[1] >= 99


@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([np.exp, np.sinh, np.arctan]))
def test_an_increasing_map_of_the_measurement_changes_no_count(seed, scale):
    rng = np.random.default_rng(seed)
    erased, let_in = rng.normal(size=(2, 3, 400))
    erased[0] = erased[0].round()
    erased[1, :150] = 0.0
    edges, mapped = reference_edges(erased), reference_edges(scale(erased))
    assert (counts(erased, edges) == counts(scale(erased), mapped)).all()
    assert (counts(let_in, edges) == counts(scale(let_in), mapped)).all()


@given(seed=st.integers(0, 2**32 - 1), cells=st.integers(2, 40), rows=st.integers(1, 300))
def test_every_draw_lands_in_exactly_one_cell(seed, cells, rows):
    rng = np.random.default_rng(seed)
    erased = rng.normal(size=(4, rows)).round(int(rng.integers(0, 4)))
    let_in = 3 * rng.standard_cauchy(size=(4, rows))
    edges = reference_edges(erased, cells=cells)
    assert (counts(erased, edges).sum(-1) == rows).all()
    assert (counts(let_in, edges).sum(-1) == rows).all()
