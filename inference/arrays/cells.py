r"""Where do the cells of a measurement lie?

Cells belong to the erased world: its sixteenths and two tails of a thousandth, or its own levels
where it is discrete. Taken from a disciple's draws they would differ from disciple to disciple,
and so would the meaning of an impact.

Cells are half-open, ``[edge, next edge)``. Whatever no erased draw has ever visited is one cell,
the novel one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError

__all__ = ["MOST_LEVELS", "Cells", "alike", "few_valued", "fewer_edges", "of_levels"]

MOST_LEVELS = 64
DRAWS_PER_LEVEL = 10
ROBUST = 2 * special.ndtri(0.75)
"""Interquartile range of a normal law, in its standard deviations."""
WIDTHS = (24, 48, 72, 100)
_STRETCH = 1.5


@dataclass(frozen=True)
class Cells:
    r"""How is a measurement cut into cells? Always by its erased world, for all disciples alike.

    Made by :meth:`quantile` (the default), :meth:`levels`, :meth:`width` or :meth:`dyadic`.

    * quantile: ``count`` cells that are equally likely in the erased world, and two tails;
    * levels: every value of the erased world is a cell, the 64 commonest if there are more;
    * width: equally wide cells, to see shapes: equally likely ones make every erased world flat;
    * dyadic: 2^depth leaves of a logistic law about the erased median, half as wide again as the
      erased world, which halving the real line again and again gives. Cut at the erased quartiles
      themselves, they would describe them for nothing.

    A measurement with few distinct values (:func:`few_valued`) gets its levels, whatever the kind.

    Examples
    --------
    >>> Cells.quantile(4).edges(np.arange(4000.0)[None])
    array([[   4., 1000., 2000., 3000., 3996.]])
    >>> Cells.levels().edges(np.full((1, 100), 3.0)).round(6)
    array([[3., 3.]])
    >>> Cells.dyadic(2).edges(np.arange(101.0)[None]).round(6)
    array([[12.5, 50. , 87.5]])
    """

    kind: str = "quantile"
    count: int = 16
    tails: float = 0.001
    step: float = 0.25
    reach: float = 12.0
    depth: int = 6

    def __post_init__(self) -> None:
        """Refuse cells that are none."""
        kinds = ("quantile", "levels", "width", "dyadic")
        if self.kind not in kinds:
            raise CounterfactualError(f"got cells of kind {self.kind!r}; expected one of {kinds}.")
        for name, good, expected in (
            ("cells", self.count >= 2 and self.count == int(self.count), "at least 2 cells"),
            ("tails", 0 <= self.tails < 1 / self.count, "tails lighter than a cell"),
            ("step", 0 < self.step <= self.reach < np.inf, "a width between 0 and the reach"),
            ("reach", self.reach <= 512 * self.step, "at most 1024 cells"),
            ("depth", self.depth in range(1, 11), "a whole depth between 1 and 10"),
        ):
            if not good:
                got = self.count if name == "cells" else getattr(self, name)
                raise CounterfactualError(f"got {name}={got}; expected {expected}.")

    @classmethod
    def quantile(cls, count: int = 16, *, tails: float = 0.001) -> Cells:
        """Cut at the k/count quantiles of the erased world, and at `tails` and 1 - `tails`.

        A value that holds at least half a cell's mass (the zeros of a zero-inflated measurement)
        where a cut falls gets a cell of its own. Without tails, ``tails=0``.
        """
        return cls("quantile", count=count, tails=tails)

    @classmethod
    def levels(cls) -> Cells:
        """Give every value of the erased world a cell of its own, up to the 64 commonest."""
        return cls("levels")

    @classmethod
    def width(cls, step: float = 0.25, *, reach: float = 12.0) -> Cells:
        """Cut every `step` robust deviations of the erased world, `reach` of them either way.

        A robust deviation is the interquartile range over 1.349; the plain one where that is 0.
        """
        return cls("width", step=step, reach=reach)

    @classmethod
    def dyadic(cls, depth: int = 6) -> Cells:
        r"""Cut at median + s·logit(k/2^depth), 1/4 and 3/4 being 1.5 times the quartiles away."""
        return cls("dyadic", depth=depth)

    @property
    def most(self) -> int:
        """The most edges that a measurement can get."""
        kinds = {
            "quantile": max(2 * MOST_LEVELS, 2 * (self.count + 1)),
            "levels": 2 * MOST_LEVELS,
            "width": 2 * round(self.reach / self.step) + 1,
            "dyadic": 2**self.depth - 1,
        }
        return max(2 * MOST_LEVELS, kinds[self.kind])

    def edges(self, reference: np.ndarray, draws: int | None = None) -> np.ndarray:
        """Where are the cells of each measurement, judged by its erased world alone?

        Parameters
        ----------
        reference
            Draws of the erased world, or of a pilot of it, shape (measurement, draw).
        draws
            Number of posterior draws behind the rows (fewer than rows when each has several
            futures): a continuous measurement of the past alone repeats across futures, and is no
            less continuous for that. All rows by default.

        Returns
        -------
        np.ndarray
            Ascending edges, shape (measurement, edges), padded with infinity; float32 for
            float32 draws. Quantiles and levels follow any increasing map of the measurement.
        """
        ranked = np.sort(reference.astype(np.result_type(reference, np.float32), copy=False))
        few = few_valued(ranked, draws) | (self.kind == "levels")
        found = np.full((len(ranked), self.most), np.inf, dtype=ranked.dtype)
        for chosen, cut in ((few, _level_edges), (~few, self._cuts)):
            if chosen.any():
                own = cut(ranked[chosen])
                found[chosen, : own.shape[1]] = own
        found.sort(axis=-1)
        found[:, 1:][found[:, 1:] == found[:, :-1]] = np.inf
        found.sort(axis=-1)
        return found[:, : np.isfinite(found).sum(axis=-1).max()].copy()  # most are not needed

    def _cuts(self, ranked: np.ndarray) -> np.ndarray:
        """Edges of measurements that are not discrete."""
        if self.kind == "quantile":
            return _quantile_edges(ranked, self.count, self.tails)
        low, middle, high = np.quantile(ranked, [0.25, 0.5, 0.75], axis=-1)
        scale = np.asarray((high - low) / ROBUST, dtype=float)
        flat = np.flatnonzero(high <= low)  # squares of huge numbers overflow: only where needed
        scale[flat] = ranked[flat].std(axis=-1, dtype=float)
        if self.kind == "width":
            number = round(self.reach / self.step)
            at = self.step * np.arange(-number, number + 1)
        else:
            leaves = np.arange(1, 2**self.depth) / 2**self.depth
            at = _STRETCH * special.logit(leaves) * ROBUST / (2 * special.logit(0.75))
        return (middle[:, None] + scale[:, None] * at).astype(ranked.dtype)


def few_valued(ranked: np.ndarray, draws: int | None = None) -> np.ndarray:
    """Tell which measurements have few distinct values: 64 at most, each met ten times on average.

    Parameters
    ----------
    ranked
        Draws in ascending order, shape (measurement, draw).
    draws
        Number of posterior draws behind the rows; all rows by default.

    Returns
    -------
    np.ndarray
        Of bool, shape (measurement,); true for a constant.

    Examples
    --------
    >>> few_valued(np.stack([np.arange(100) // 50, np.arange(100)])).tolist()
    [True, False]
    """
    rows = ranked.shape[-1] if draws is None else draws
    distinct = 1 + np.count_nonzero(ranked[:, 1:] != ranked[:, :-1], axis=-1)
    return distinct <= np.clip(rows // DRAWS_PER_LEVEL, 1, MOST_LEVELS)


def of_levels(edges: np.ndarray) -> np.ndarray:
    """Tell which measurements were cut into their values: an edge at each, and one just above.

    Parameters
    ----------
    edges
        Shape (measurement, edges), from :meth:`Cells.edges`.

    Returns
    -------
    np.ndarray
        Of bool, shape (measurement,).

    Examples
    --------
    >>> coin, ruler = np.tile([0.0, 1.0], 50), np.arange(100.0)
    >>> of_levels(Cells.dyadic(2).edges(np.stack([coin, ruler]))).tolist()
    [True, False]
    """
    known = np.isfinite(edges)
    paired = edges[:, 1::2] == _just_above(edges[:, : edges.shape[1] // 2 * 2 : 2])
    even = known.sum(axis=1) % 2 == 0
    return even & known.any(axis=1) & (paired | ~known[:, 1::2]).all(axis=1)


def alike(edges: np.ndarray) -> Iterator[np.ndarray]:
    """Group measurements with about as many edges, so that a coin does not pay for 64 levels.

    Yields
    ------
    np.ndarray
        Numbers of the measurements of a group, ascending.

    Examples
    --------
    >>> edges = np.full((3, 40), np.inf)
    >>> edges[1], edges[::2, :17] = np.arange(40), np.arange(17)
    >>> [group.tolist() for group in alike(edges)]
    [[0, 2], [1]]
    """
    width = np.searchsorted(WIDTHS, np.isfinite(edges).sum(axis=-1))
    for size in np.unique(width):
        yield np.flatnonzero(width == size)


def fewer_edges(edges: np.ndarray, reference: np.ndarray, count: int) -> np.ndarray:
    """Keep edges for at most so many cells, about equally likely: sixty levels may be too many.

    Parameters
    ----------
    edges
        Shape (measurement, edges), from :meth:`Cells.edges`.
    reference
        Draws of the erased world, shape (measurement, draw).
    count
        Most cells.

    Returns
    -------
    np.ndarray
        Shape (measurement, count - 1), padded with infinity: of the edges that are there, those
        nearest to the k/count quantiles. The erased world visits every cell.

    Examples
    --------
    >>> dice = np.tile(np.arange(6.0), 100)[None]
    >>> fewer_edges(Cells.levels().edges(dice), dice, 3).round(6)
    array([[1., 3.]])
    """
    below = np.stack([(reference < edge[:, None]).mean(axis=1) for edge in edges.T], axis=1)
    below = np.where((below > 0) & (below < 1), below, np.inf)
    targets = np.arange(1, count) / count
    nearest = np.abs(below[:, None, :] - targets[:, None]).argmin(axis=2)
    found = np.take_along_axis(edges, nearest, axis=1)
    found[~np.isfinite(np.take_along_axis(below, nearest, axis=1))] = np.inf
    found[:, 1:][found[:, 1:] == found[:, :-1]] = np.inf
    found.sort(axis=1)
    return found


def _level_edges(ranked: np.ndarray) -> np.ndarray:
    """Edges just below and just above the commonest values; shape (measurement, 128)."""
    first = np.ones(ranked.shape, dtype=bool)
    first[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    which, where = np.nonzero(first)
    met = np.diff(np.append(np.flatnonzero(first), first.size))
    order = np.lexsort((-met, which))
    place = np.arange(len(which)) - np.searchsorted(which, which)
    kept = order[place < MOST_LEVELS]
    levels = np.full((len(ranked), MOST_LEVELS), np.inf, dtype=ranked.dtype)
    levels[which[kept], place[place < MOST_LEVELS]] = ranked[which[kept], where[kept]]
    return np.concatenate([levels, _just_above(levels)], axis=-1)


def _quantile_edges(ranked: np.ndarray, cells: int, tails: float) -> np.ndarray:
    """Edges at the order statistics where the quantiles fall; shape (measurement, 2 cells + 2)."""
    rows = ranked.shape[-1]
    levels = np.array([tails, *(np.arange(1, cells) / cells), 1 - tails])
    levels = levels if tails else levels[1:-1]
    edges = np.full((len(ranked), 2 * len(levels)), np.inf, dtype=ranked.dtype)
    # A tail without a draw would be empty because it was chosen so, and not in the other world.
    for number, cut in enumerate(np.rint(levels * rows).astype(int).clip(1, rows - 1)):
        value = ranked[:, cut]
        edges[:, number] = value
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
    above = np.nextafter(values, values.dtype.type(np.inf))
    return np.where((values <= 0) & (above >= 0), np.finfo(values.dtype).tiny, above)
