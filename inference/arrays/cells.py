r"""In which coarse cell does each draw of a measurement lie?

Cells belong to the erased world: its sixteenths and two tails of a thousandth, or its own levels
where it is discrete. Taken from a disciple's draws they would differ from disciple to disciple,
and so would the meaning of an impact.

Cells are half-open, ``[edge, next edge)``. Whatever no erased draw has ever visited is one cell,
the novel one.
"""

from itertools import pairwise

import numpy as np

__all__ = ["MOST_LEVELS", "block_counts", "merge_novel", "reference_edges"]

TAIL = 0.001
MOST_LEVELS = 64
DRAWS_PER_LEVEL = 10


def reference_edges(
    erased: np.ndarray, *, cells: int = 16, draws: int | None = None
) -> np.ndarray:
    """Where are the cells of each measurement, judged by its erased world alone?

    A measurement with at most 64 distinct values, each met ten times on average, is discrete:
    every value is a cell of its own. Any other is cut at its k/cells quantiles and at the 0.1 %
    and 99.9 % ones. A value that holds at least half a cell's mass (the zeros of a zero-inflated
    measurement) where a cut falls gets a cell of its own.

    Parameters
    ----------
    erased
        Draws of the erased world, shape (measurement, draw).
    cells
        Number of equal-mass cells, beside the two tails.
    draws
        Number of posterior draws behind the rows (fewer than rows when each has several futures):
        a continuous measurement of the past alone repeats across futures, and is no less
        continuous for that. All rows by default.

    Returns
    -------
    np.ndarray
        Ascending edges, shape (measurement, edges), padded with infinity. Only the order of the
        draws matters: an increasing map of the measurement maps the edges.

    Examples
    --------
    >>> reference_edges(np.arange(4000.0)[None], cells=4)
    array([[   4., 1000., 2000., 3000., 3996.]])
    >>> reference_edges(np.full((1, 100), 3.0)).round(6)
    array([[3., 3.]])
    """
    ranked = np.sort(erased, axis=-1)
    distinct = 1 + np.count_nonzero(ranked[:, 1:] != ranked[:, :-1], axis=-1)
    rows = ranked.shape[-1] if draws is None else draws
    discrete = distinct <= np.clip(rows // DRAWS_PER_LEVEL, 1, MOST_LEVELS)
    edges = np.full((len(ranked), 2 * max(MOST_LEVELS, cells + 1)), np.inf)
    if discrete.any():
        edges[discrete, : 2 * MOST_LEVELS] = _level_edges(ranked[discrete])
    if not discrete.all():
        edges[~discrete, : 2 * (cells + 1)] = _quantile_edges(ranked[~discrete], cells)
    edges.sort(axis=-1)
    edges[:, 1:][edges[:, 1:] == edges[:, :-1]] = np.inf
    edges.sort(axis=-1)
    return edges[:, : np.isfinite(edges).sum(axis=-1).max()]


def block_counts(values: np.ndarray, edges: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """How many draws of each block lie in each cell?

    Parameters
    ----------
    values
        Shape (measurement, draw).
    edges
        Shape (measurement, edges).
    bounds
        Row numbers at which the blocks of draws begin, and the end of the last.

    Returns
    -------
    np.ndarray
        Integers, shape (block, edges + 1, measurement); a block's cells add up to its length.

    Examples
    --------
    >>> values, edges = np.array([[0.0, 1.0, 2.0, 9.0]]), np.array([[1.0, 5.0]])
    >>> block_counts(values, edges, np.array([0, 2, 4]))[..., 0]
    array([[1, 1, 0],
           [0, 1, 1]])
    """
    rows = np.ascontiguousarray(values.T)
    lengths = np.diff(bounds)
    below = np.empty((len(lengths), edges.shape[1] + 2, len(values)), dtype=np.int64)
    below[:, 0], below[:, -1] = 0, lengths[:, None]
    # Counted in the narrowest type that holds a block: adding bytes as wide integers is 5x slower.
    narrow = np.uint16 if lengths.max() <= np.iinfo(np.uint16).max else np.int64
    for number, edge in enumerate(edges.T, start=1):
        under = (rows < edge).view(np.uint8)
        for block, (start, stop) in enumerate(pairwise(bounds)):
            below[block, number] = under[start:stop].sum(axis=0, dtype=narrow)
    return np.diff(below, axis=1)


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
    array([-7,  7])
    """
    seen = erased.sum(axis=0) > 0
    kept = np.flatnonzero(seen.any(axis=-1))
    difference = np.zeros((len(erased), len(kept) + 1, erased.shape[2]), dtype=np.int64)
    np.sum(let_in, axis=1, where=~seen, out=difference[:, -1])
    where = seen[kept]
    np.subtract(let_in[:, kept], erased[:, kept], out=difference[:, :-1], where=where)
    return difference


def _level_edges(ranked: np.ndarray) -> np.ndarray:
    """Edges just below and just above every distinct value; shape (measurement, 128)."""
    first = np.ones(ranked.shape, dtype=bool)
    first[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    which, where = np.nonzero(first)
    levels = np.full((len(ranked), MOST_LEVELS), np.inf)
    levels[which, first.cumsum(axis=-1)[which, where] - 1] = ranked[which, where]
    return np.concatenate([levels, _just_above(levels)], axis=-1)


def _quantile_edges(ranked: np.ndarray, cells: int) -> np.ndarray:
    """Edges at the order statistics where the quantiles fall; shape (measurement, 2 cells + 2)."""
    rows = ranked.shape[-1]
    levels = np.array([TAIL, *(np.arange(1, cells) / cells), 1 - TAIL])
    edges = np.full((len(ranked), 2 * len(levels)), np.inf)
    for number, cut in enumerate(np.rint(levels * rows).astype(int)):
        if cut == rows:
            edges[:, number] = _just_above(ranked[:, -1])
            continue
        value = ranked[:, cut]
        edges[:, number] = value
        if cut == 0:
            continue
        tied = np.flatnonzero(ranked[:, cut - 1] == value)
        at = value[tied, None]
        start = np.count_nonzero(ranked[tied] < at, axis=-1)
        stop = np.count_nonzero(ranked[tied] <= at, axis=-1)
        heavy = 2 * cells * (stop - start) >= rows
        nearer = cut - start <= stop - cut
        edges[tied, number] = np.where(heavy | nearer, at[:, 0], np.inf)
        above = np.where(heavy | ~nearer, _just_above(at[:, 0]), np.inf)
        edges[tied, len(levels) + number] = above
    return edges


def _just_above(values: np.ndarray) -> np.ndarray:
    """Return the next number; above zero a normal one, as subnormals may be flushed to zero."""
    above = np.nextafter(values, np.inf)
    return np.where((values <= 0) & (above >= 0), np.finfo(values.dtype).tiny, above)
