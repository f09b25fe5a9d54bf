r"""How often is each of many equally wide cells visited, wherever they lie?

Labels of worlds are worth nothing to a shape, widths are: cells of equal width on the whole real
line, one of them about the erased median, of which those are listed that any draw visits. So a
world far away is not cut off. One that is moved by half a cell lies in other cells than before,
and its frequencies are not quite the same ones: where a density rises steeply within a cell, that
shows. Where the erased world has few values, values are the cells.
"""

import numpy as np

from inference.arrays.cells import few_valued

__all__ = ["lattice_counts"]

_DENSE = 2**16
"""Cells that are counted without being sorted."""


def lattice_counts(
    worlds: np.ndarray, bounds: np.ndarray, *, step: float, draws: int | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Count the draws of all worlds, one measurement, in cells of equal width or in their values.

    Parameters
    ----------
    worlds
        Shape (world, draw); the first is the erased one, and says whether values are few.
    bounds
        Row numbers at which the blocks of draws begin, and the end of the last.
    step
        Width of a cell, in units of the measurement; above 0.
    draws
        Number of posterior draws behind the rows; all rows by default.

    Returns
    -------
    tuple
        Counts, shape (world, block, cell), ascending, without the cells that nobody visits; and
        the whole numbers of these cells, 0 about the erased median, or None where cells are
        values.

    Examples
    --------
    >>> worlds = np.array([[0.0, 0.1, 0.2, 1.1, 0.2, 0.0], [7.0, 7.1, 7.2, 8.1, 7.2, 7.0]])
    >>> counts, places = lattice_counts(worlds, np.array([0, 3, 6]), step=0.5)
    >>> counts[:, 1].tolist(), places.tolist()
    ([[2, 1, 0, 0], [0, 0, 2, 1]], [0.0, 2.0, 14.0, 16.0])
    """
    whole = worlds.astype(np.float64)
    few = bool(few_valued(np.sort(whole[:1], axis=-1), draws)[0])
    middle = (whole.shape[1] - 1) // 2
    median = np.partition(whole[0], middle)[middle]
    codes = whole if few else np.rint((whole - median) / step)
    cells, places = _places(codes)
    blocks = len(bounds) - 1
    block = np.repeat(np.arange(blocks), np.diff(bounds))
    place = (np.arange(len(worlds))[:, None] * blocks + block) * len(cells) + places
    counts = np.bincount(place.ravel(), minlength=len(worlds) * blocks * len(cells))
    counts = counts.reshape(len(worlds), blocks, len(cells))
    visited = counts.any(axis=(0, 1))
    return counts[:, :, visited], None if few else cells[visited]


def _places(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """List cells that may be visited, in ascending order, and say which one every draw is in."""
    low, high = codes.min(), codes.max()
    if high - low < _DENSE and (codes == np.rint(codes)).all():
        return low + np.arange(int(high - low) + 1), (codes - low).astype(np.intp)
    cells, places = np.unique(codes, return_inverse=True)
    return cells, places.reshape(codes.shape)
