"""Do counts come out the same whatever the order and the pieces in which draws arrive?"""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfactual_models.errors import CounterfactualError, MeasurementError
from inference.arrays.cell_counts import CellCounts, block_counts
from inference.arrays.cells import Cells

BOUNDS = np.array([0, 30, 61, 90, 120])


def worlds(seed, rows=120, kind=np.float64):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, 7)).astype(kind)
    values[:, 3] = rng.poisson(2, rows)
    return values, Cells().edges(values.T)


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from([np.float32, np.float64]))
def test_any_order_and_any_pieces_give_the_same_bits(seed, kind):
    values, edges = worlds(seed, kind=kind)
    rng = np.random.default_rng(seed)
    cuts = np.unique([0, 120, *rng.integers(0, 120, rng.integers(0, 9))])
    accumulators = [CellCounts(edges, BOUNDS) for _ in range(3)]
    for piece in rng.permutation(len(cuts) - 1):
        first, last = cuts[piece], cuts[piece + 1]
        accumulators[rng.integers(3)].update(values[first:last], first)
    whole, *others = (
        CellCounts.of(edges, BOUNDS, a.parts(), a.spans) if rng.random() < 0.5 else a
        for a in accumulators
    )
    for other in others:
        whole.merge(pickle.loads(pickle.dumps(other)))
    assert whole.rows == 120
    assert whole.missing == []
    expected = block_counts(values.T, edges, BOUNDS)
    assert whole.result().dtype == expected.dtype == np.uint8
    assert (whole.result() == expected).all()


def test_a_tile_wider_and_longer_than_the_cache_is_counted(monkeypatch):
    values, edges = worlds(0)
    expected = block_counts(values.T, edges, BOUNDS)
    monkeypatch.setattr("inference.arrays.cell_counts.ROWS", 7)
    monkeypatch.setattr("inference.arrays.cell_counts.COLUMNS", 2)
    assert (block_counts(values.T, edges, BOUNDS) == expected).all()
    counts = CellCounts(edges, BOUNDS)
    counts.update(values, 0)
    assert (counts.result() == expected).all()


def test_both_layouts_in_memory_give_the_same_counts():
    values, edges = worlds(1)
    rows = block_counts(np.ascontiguousarray(values.T), edges, BOUNDS)
    assert (rows == block_counts(values.T, edges, BOUNDS)).all()


def test_only_touched_blocks_are_held():
    values, edges = worlds(2)
    counts = CellCounts(edges, BOUNDS)
    counts.update(values[65:95], 65)
    assert set(counts.parts()) == {2, 3}
    assert counts.spans == [(65, 95)]
    assert counts.missing == [(0, 65), (95, 120)]
    with pytest.raises(CounterfactualError, match=r"rows \[\(0, 65\), \(95, 120\)\] have not"):
        counts.result()


@pytest.mark.parametrize(
    ("first", "message"),
    [(10, "rows 10 to 20 were counted before"), (-3, "rows -3 to 17"), (110, "rows 110 to 1")],
)
def test_rows_out_of_range_or_twice_are_refused_and_not_counted(first, message):
    values, edges = worlds(3)
    counts = CellCounts(edges, BOUNDS)
    counts.update(values[:20], 0)
    with pytest.raises(CounterfactualError, match=message):
        counts.update(values[:20], first)
    assert counts.rows == 20
    with pytest.raises(CounterfactualError, match="counted before"):
        counts.merge(counts)


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_a_hole_is_refused_with_its_place_and_nothing_is_counted(hole):
    values, edges = worlds(4)
    values[77, 5] = hole
    counts = CellCounts(edges, BOUNDS)
    with pytest.raises(MeasurementError, match=r"measurement number 5 is .* in row 77"):
        counts.update(values, 0)
    assert (counts.rows, counts.parts()) == (0, {})


def test_parts_that_do_not_add_up_are_refused():
    values, edges = worlds(5)
    counts = CellCounts(edges, BOUNDS)
    counts.update(values[:40], 0)
    with pytest.raises(CounterfactualError, match="block 1 has counts of shape"):
        CellCounts.of(edges, BOUNDS, counts.parts())
    with pytest.raises(CounterfactualError, match="other edges"):
        counts.merge(CellCounts(edges + 1, BOUNDS))
