r"""Outlines of the laws of one measurement in several worlds: what a ridge draws.

On one scale, the erased world's own: :math:`z = (w - \mathrm{median}_0) / \mathrm{spread}_0`.
Arrays only; worlds along the first axis, the erased one first, draws along the last.
"""

from typing import NamedTuple

import numpy as np
from arviz_stats.base import array_stats

__all__ = ["Row", "gap", "outlines", "own_scale", "window"]

_POINTS = 256
_ATOMS = 24
_WIDEST = 8.4
_MARGIN = 0.3


class Row(NamedTuple):
    """One measurement in the erased world's own units: ``scaled`` is (world, draw)."""

    centre: float
    spread: float
    scaled: np.ndarray


def own_scale(draws: np.ndarray) -> Row:
    r"""Put a measurement on the erased world's scale.

    The spread is the interquartile range / 1.349 (the standard deviation of a normal law), or
    else, where that is zero, the standard deviation: of the erased world, of all worlds, or 1.

    Examples
    --------
    >>> row = own_scale(np.array([[1.0, 2.0, 3.0, 4.0, 5.0], [4.0, 5.0, 6.0, 7.0, 8.0]]))
    >>> row.centre, round(float(row.scaled[1, 2]), 3)
    (3.0, 2.023)
    """
    erased = draws[0]
    centre = float(np.median(erased))
    low, high = np.quantile(erased, [0.25, 0.75])
    candidates = ((high - low) / 1.349, erased.std(), draws.std(), 1.0)
    # A spread lost in rounding error is none: a constant must not be blown up to noise.
    least = 1e-12 * abs(centre)
    spread = float(next(value for value in candidates if value > least or value == 1.0))
    return Row(centre, spread, (draws - centre) / spread)


def window(rows: list[Row]) -> tuple[float, float]:
    """Reach to where the bulk (99%) of every row lies, but not far beyond eight spreads."""
    ends = np.concatenate(
        [np.quantile(row.scaled, [0.005, 0.995], axis=1) for row in rows], axis=1
    )
    low = float(np.clip(ends[0].min() - _MARGIN, -_WIDEST, -3.2))
    high = float(np.clip(ends[1].max() + _MARGIN, 3.2, _WIDEST))
    return low, high


def gap(one: np.ndarray, other: np.ndarray) -> float:
    """Measure the largest gap between two cumulative curves, to sort rows by.

    Examples
    --------
    >>> gap(np.array([1.0, 2.0]), np.array([3.0, 4.0])), gap(np.ones(3), np.ones(5))
    (1.0, 0.0)
    """
    one, other = np.sort(one), np.sort(other)
    both = np.concatenate([one, other])
    shares = [np.searchsorted(draws, both, side="right") / draws.size for draws in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def outlines(scaled: np.ndarray, bounds: tuple[float, float]) -> list[np.ndarray]:
    """Outline the worlds of one measurement, all in the same way, on one scale of heights.

    Few values make bars, lumps a histogram, anything else a smooth density. The tallest outline
    has height 1; a world more than four times as tall as the lowest is cut down to 1.

    Parameters
    ----------
    scaled
        (world, draw), as :func:`own_scale` gives them.
    bounds
        The part of the axis that is drawn.

    Returns
    -------
    list of np.ndarray
        For each world (2, points): places and heights, from the base line back to it.
    """
    seen = scaled[(scaled >= bounds[0]) & (scaled <= bounds[1])]
    atoms = np.unique(np.round(seen, 9))
    if atoms.size <= _ATOMS:
        between = float(np.diff(atoms).min()) if atoms.size > 1 else 1.0
        drawn = [_bars(world, atoms, min(0.8 * between, 0.3)) for world in scaled]
    elif any(_lumpy(world) for world in scaled):
        edges = _edges(atoms, bounds)
        drawn = [_steps(world, edges) for world in scaled]
    else:
        drawn = [_curve(world, bounds) for world in scaled]
    peaks = np.array([outline[1].max() for outline in drawn])
    if not peaks.any():
        return drawn
    common = min(peaks.max(), 4 * peaks[peaks > 0].min())
    return [
        np.stack([outline[0], outline[1] / max(common, peak)])
        for outline, peak in zip(drawn, peaks, strict=True)
    ]


def _lumpy(world: np.ndarray) -> bool:
    """Whether a value comes up so often that a smooth curve would lie about it."""
    counts = np.unique(world, return_counts=True)[1]
    return bool(np.max(counts) > max(0.01 * world.size, 2))


def _bars(world: np.ndarray, atoms: np.ndarray, width: float) -> np.ndarray:
    share = np.array([np.mean(np.abs(world - atom) < 1e-8) for atom in atoms])
    left, right, base = atoms - width / 2, atoms + width / 2, np.zeros_like(share)
    places = np.stack([left, left, right, right], axis=1)
    heights = np.stack([base, share, share, base], axis=1)
    return np.stack([places.ravel(), heights.ravel()])


def _edges(values: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    """Bins of equal width; for values on a lattice, each of a whole number of its steps."""
    steps = np.diff(values)
    step, width, first = float(steps.min()), (bounds[1] - bounds[0]) / 60, bounds[0]
    if np.allclose(steps / step, np.round(steps / step), atol=1e-2):
        width = step * max(1, round(width / step))
        first = values[0] - step / 2
        first += width * np.floor((bounds[0] - first) / width)
    return first + width * np.arange(np.ceil((bounds[1] - first) / width) + 1)


def _steps(world: np.ndarray, edges: np.ndarray) -> np.ndarray:
    share = np.histogram(world, edges)[0] / world.size
    heights = np.concatenate([[0.0], np.repeat(share, 2), [0.0]])
    return np.stack([np.repeat(edges, 2), heights])


def _curve(world: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    """Take ArviZ's density of the draws within the bounds, times their share of all."""
    seen = world[(world >= bounds[0]) & (world <= bounds[1])]
    if seen.size < max(3, 0.005 * world.size) or np.ptp(seen) == 0:
        return np.array([[bounds[0], bounds[1]], [0.0, 0.0]])
    grid, density = (np.ravel(part) for part in array_stats.kde(seen)[:2])
    every = max(1, grid.size // _POINTS)
    grid, density = grid[::every], density[::every] * seen.size / world.size
    places = np.concatenate([grid[:1], grid, grid[-1:]])
    return np.stack([places, np.concatenate([[0.0], density, [0.0]])])
