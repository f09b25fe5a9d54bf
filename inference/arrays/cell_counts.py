r"""How many draws of each block of draws lie in each cell?

Counts are all that coarse graining needs of a world: integers, so that draws may come in any order
and in pieces of any size, and be forgotten once counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

import numpy as np

from counterfactual_models.errors import CounterfactualError, MeasurementError
from inference.arrays.cells import alike

__all__ = ["CellCounts", "block_counts", "counting_dtype", "merge_novel"]

ROWS, COLUMNS = 255, 2048
"""A tile: as many rows as a byte can count, as many columns as a cache holds."""
WIDE = 8192
"""Columns of a tile of the few rows that come at a time."""


def counting_dtype(most: int) -> np.dtype:
    """Say which unsigned integer is the narrowest that can count so many draws.

    Examples
    --------
    >>> [str(counting_dtype(most)) for most in (255, 256, 70_000)]
    ['uint8', 'uint16', 'uint32']
    """
    return np.min_scalar_type(int(most))


def block_counts(values: np.ndarray, edges: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """How many draws of each block lie in each cell?

    Parameters
    ----------
    values
        Shape (measurement, draw), laid out in memory either way.
    edges
        Shape (measurement, edges), from :meth:`~inference.arrays.cells.Cells.edges`.
    bounds
        Row numbers at which the blocks of draws begin, and the end of the last.

    Returns
    -------
    np.ndarray
        Unsigned integers of :func:`counting_dtype`, shape (block, edges + 1, measurement); a
        block's cells add up to its length.

    Examples
    --------
    >>> values, edges = np.array([[0.0, 1.0, 2.0, 9.0]]), np.array([[1.0, 5.0]])
    >>> block_counts(values, edges, np.array([0, 2, 4]))[..., 0].tolist()
    [[1, 1, 0], [0, 1, 1]]
    """
    shape = len(bounds) - 1, edges.shape[1] + 1, len(values)
    counts = np.zeros(shape, dtype=counting_dtype(np.diff(bounds).max()))
    for start in range(0, len(values), COLUMNS):
        part = slice(start, start + COLUMNS)
        cuts = np.ascontiguousarray(edges[part].T)
        for into, (first, last) in zip(counts, pairwise(bounds), strict=True):
            _count(values[part, first:last].T, cuts, into[:, part])
    return counts


def merge_novel(let_in: np.ndarray, erased: np.ndarray) -> np.ndarray:
    """Subtract the worlds cell by cell; what the erased one never visits is a single cell.

    Parameters
    ----------
    let_in, erased
        Counts of both worlds, shape (block, cell, measurement).

    Returns
    -------
    np.ndarray
        let_in - erased, shape (block, cell, measurement): the cells that some erased world visits,
        then the novel one. The cells of a block add up to zero.

    Examples
    --------
    >>> let_in, erased = np.array([[[2], [3], [5]]]), np.array([[[0], [10], [0]]])
    >>> merge_novel(let_in, erased)[0, :, 0]
    array([-7,  7], dtype=int32)
    """
    seen = np.asarray(erased.any(axis=0))
    kept = np.flatnonzero(seen.any(axis=-1))
    shape = len(erased), len(kept) + 1, erased.shape[2]
    difference = np.zeros(shape, dtype=np.int32)
    where = seen[kept]
    for into, on, off in zip(difference, let_in, erased, strict=True):
        np.subtract(on[kept], off[kept], out=into[:-1], where=where, dtype=np.int32)
        np.negative(into[:-1].sum(axis=0), out=into[-1])
    return difference


class CellCounts:
    """Count the draws of one world as they come, in any order and in pieces of any size.

    Only blocks that have been touched are held. What was counted can be given out in parts, kept,
    and put together again: see :meth:`parts` and :meth:`of`.

    Parameters
    ----------
    edges
        Shape (measurement, edges), from :meth:`~inference.arrays.cells.Cells.edges`.
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.

    Examples
    --------
    >>> counts = CellCounts(edges=np.array([[1.0, 5.0]]), bounds=np.array([0, 2, 4]))
    >>> counts.update(np.array([[2.0], [9.0]]), 2)
    >>> counts.rows, counts.missing
    (2, [(0, 2)])
    >>> counts.update(np.array([[0.0], [1.0]]), 0)
    >>> counts.result()[..., 0].tolist()
    [[1, 1, 0], [0, 1, 1]]
    """

    def __init__(self, edges: np.ndarray, bounds: np.ndarray | Iterable[int]) -> None:
        self.edges = np.asarray(edges)
        self.bounds = np.array([int(bound) for bound in bounds])
        if self.edges.ndim != 2 or len(self.bounds) < 2 or (np.diff(self.bounds) < 1).any():
            raise CounterfactualError(
                f"got edges of shape {self.edges.shape} and bounds {self.bounds.tolist()[:5]}; "
                "expected (measurement, edges), and ascending row numbers from block_bounds(...)."
            )
        self.dtype = counting_dtype(np.diff(self.bounds).max())
        self._tiles = list(_tiles(self.edges))
        self._blocks: dict[int, np.ndarray] = {}
        self._spans: list[tuple[int, int]] = []

    @property
    def rows(self) -> int:
        """How many rows have been counted."""
        return sum(stop - start for start, stop in self._spans)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Rows that have been counted: ascending pairs (first, one after the last)."""
        return list(self._spans)

    @property
    def missing(self) -> list[tuple[int, int]]:
        """Rows that have not been counted, as pairs."""
        ends = [int(self.bounds[0]), *(end for span in self._spans for end in span)]
        ends.append(int(self.bounds[-1]))
        return [(a, b) for a, b in zip(ends[::2], ends[1::2], strict=True) if a < b]

    def update(self, values: np.ndarray, first: int) -> None:
        """Count rows `first` to `first` + len(values).

        Parameters
        ----------
        values
            Shape (row, measurement).
        first
            Number of the first of these rows.

        Raises
        ------
        CounterfactualError
            If the shape is wrong, or a row is outside the bounds or was counted before.
        MeasurementError
            If a value is not finite; nothing is counted then.
        """
        if values.ndim != 2 or values.shape[1] != len(self.edges):
            raise CounterfactualError(
                f"got values of shape {values.shape}; expected (row, {len(self.edges)})."
            )
        last = first + len(values)
        spans = self._with([(first, last)])
        for start in range(0, len(values), ROWS):
            finite = np.isfinite(values[start : start + ROWS])
            if not finite.all():
                row, column = np.unravel_index(np.argmin(finite), finite.shape)
                found = values[start + row, column]
                raise MeasurementError(
                    f"measurement number {column} is {found} in row {first + start + row}; "
                    "expected finite numbers."
                )
        inside = np.searchsorted(self.bounds, [first, last])
        cuts = [first, *self.bounds[slice(*inside)].tolist(), last]
        for start, stop in pairwise(sorted(set(cuts))):
            block = int(np.searchsorted(self.bounds, start, side="right")) - 1
            self._add(values[start - first : stop - first], self._block(block))
        self._spans = spans

    def merge(self, other: CellCounts) -> None:
        """Add what another accumulator has counted of the same world.

        Raises
        ------
        CounterfactualError
            If its edges or bounds differ, or both have counted a row.
        """
        if not np.array_equal(self.bounds, other.bounds) or not np.array_equal(
            self.edges, other.edges
        ):
            raise CounterfactualError(
                "these counts have other edges or other blocks; expected counts of the same world."
            )
        self._spans = self._with(other._spans)
        for block, counts in other._blocks.items():
            self._block(block)[...] += counts

    def parts(self) -> dict[int, np.ndarray]:
        """Give out what is held: block number -> counts, shape (edges + 1, measurement)."""
        return dict(self._blocks)

    @classmethod
    def of(
        cls,
        edges: np.ndarray,
        bounds: np.ndarray | Iterable[int],
        parts: Mapping[int, np.ndarray],
        spans: Iterable[tuple[int, int]] | None = None,
    ) -> CellCounts:
        """Put counts together again.

        Parameters
        ----------
        edges, bounds
            As they were.
        parts
            From :meth:`parts`.
        spans
            From :attr:`spans`; by default the parts are whole blocks.

        Raises
        ------
        CounterfactualError
            If the parts do not hold as many draws as the spans say.
        """
        made = cls(edges, bounds)
        if spans is None:
            spans = [tuple(made.bounds[block : block + 2].tolist()) for block in parts]
        made._spans = made._with(spans)
        for block in sorted(parts):
            held = made._block(int(block))
            low, high = made.bounds[block : block + 2]
            rows = sum(max(0, min(high, b) - max(low, a)) for a, b in made._spans)
            if parts[block].shape != held.shape or (parts[block].sum(axis=0) != rows).any():
                raise CounterfactualError(
                    f"block {block} has counts of shape {parts[block].shape}; expected "
                    f"{held.shape}, adding up to {rows} draws of every measurement."
                )
            held[...] = parts[block]
        return made

    def result(self) -> np.ndarray:
        """Give the counts, shape (block, edges + 1, measurement).

        Raises
        ------
        CounterfactualError
            If rows are missing; says which.
        """
        if self.missing:
            raise CounterfactualError(
                f"rows {self.missing[:3]} have not been counted; expected all of them."
            )
        return np.stack([self._blocks[block] for block in range(len(self.bounds) - 1)])

    def _block(self, number: int) -> np.ndarray:
        if number not in self._blocks:
            shape = self.edges.shape[1] + 1, len(self.edges)
            self._blocks[number] = np.zeros(shape, dtype=self.dtype)
        return self._blocks[number]

    def _with(self, new: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Join these to the spans; refuse rows that are out of range or come twice."""
        joined: list[tuple[int, int]] = []
        for start, stop in sorted([*self._spans, *((int(a), int(b)) for a, b in new)]):
            if start == stop:
                continue
            if start < self.bounds[0] or stop > self.bounds[-1]:
                raise CounterfactualError(
                    f"got rows {start} to {stop}; expected rows from {self.bounds[0]} to "
                    f"{self.bounds[-1]}."
                )
            if joined and start < joined[-1][1]:
                raise CounterfactualError(
                    f"rows {start} to {min(stop, joined[-1][1])} were counted before; expected "
                    "every row once."
                )
            if joined and start == joined[-1][1]:
                joined[-1] = joined[-1][0], stop
            else:
                joined.append((start, stop))
        return joined

    def _add(self, rows: np.ndarray, into: np.ndarray) -> None:
        """Count rows of one block; measurements with few edges do not pay for those with many."""
        for chosen, cuts in self._tiles:
            cells = len(cuts) + 1
            if isinstance(chosen, slice):
                _count(rows[:, chosen], cuts, into[:cells, chosen])
                continue
            counted = np.zeros((cells, len(chosen)), dtype=self.dtype)
            _count(rows[:, chosen], cuts, counted)
            into[:cells, chosen] += counted


def _tiles(edges: np.ndarray) -> Iterator[tuple[slice | np.ndarray, np.ndarray]]:
    """Measurements that are counted together, having about as many edges; and (edge, column)."""
    for group in alike(edges):
        for members in np.split(group, np.arange(WIDE, len(group), WIDE)):
            whole = len(members) == members[-1] - members[0] + 1
            chosen = slice(members[0], members[-1] + 1) if whole else members
            width = max(1, int(np.isfinite(edges[chosen]).sum(axis=-1).max()))
            # Comparing with numbers that lie apart in memory is four times slower.
            yield chosen, np.ascontiguousarray(edges[chosen, :width].T)


def _count(rows: np.ndarray, cuts: np.ndarray, into: np.ndarray) -> None:
    """Add to `into` (cell, column) how many rows lie in each cell; cuts (edge, column)."""
    columns = rows.shape[1]
    flags = np.empty((min(ROWS, len(rows)), columns), dtype=bool)
    below = np.zeros((len(cuts) + 2, columns), dtype=np.uint8)
    for start in range(0, len(rows), ROWS):
        tile = np.ascontiguousarray(rows[start : start + ROWS])
        under = flags[: len(tile)]
        for number, cut in enumerate(cuts, start=1):
            np.less(tile, cut, out=under)
            # A byte holds the sum of a tile: adding bytes as wide integers is five times slower.
            np.add.reduce(under.view(np.uint8), axis=0, dtype=np.uint8, out=below[number])
        below[-1] = len(tile)
        into += below[1:] - below[:-1]
