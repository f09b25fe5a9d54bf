r"""How far apart are the quantiles of two worlds, where values may be shared by many draws?

A quantile of draws jumps where no draw lies, and stands still where many are equal: leaving out a
block then finds an error of nothing, and a coin that fell 5001 times in 10 000 on another side
would be called another coin. So errors are taken of shares and carried over
(:mod:`~inference.arrays.shape.carried`), and worlds are told apart by the shares of their draws
below the q-quantile of both together, halves of those that are equal to it included.
"""

import numpy as np

from inference.arrays.shape.carried import carried_over, of_shares, shares_within
from inference.arrays.shape.jackknife import Compared, compared, error_of

__all__ = ["compared_quantile"]


def compared_quantile(
    let_in: np.ndarray,
    erased: np.ndarray,
    level: float,
    bounds: np.ndarray,
    *,
    signs: np.ndarray,
    effective: np.ndarray,
) -> Compared:
    """Compare a quantile of two worlds.

    Parameters
    ----------
    let_in, erased
        Draws, shape (measurement, draw).
    level
        Share of the draws below, in (0, 1).
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.
    signs
        From :func:`inference.arrays.sign_flips.random_signs`.
    effective
        Effective number of draws, shape (measurement,); under ten, errors are infinite, p is 1.

    Returns
    -------
    Compared

    References
    ----------
    R. S. Woodruff (1952), "Confidence intervals for medians and other position measures", *JASA*
    47.

    Examples
    --------
    >>> from inference.arrays.sign_flips import random_signs
    >>> coins = np.random.default_rng(0).integers(2, size=(2, 1, 2001)).astype(float)
    >>> bounds = np.linspace(0, 2001, 41).astype(int)
    >>> options = {"signs": random_signs(999, 40), "effective": np.array([2001.0])}
    >>> median = compared_quantile(*coins, 0.5, bounds, **options)
    >>> median.change.item(), median.mcse.item() > 0.2, median.p.item() > 0.05
    (1.0, True, True)
    """
    lengths = np.diff(bounds)
    ranked = np.sort(let_in, axis=1), np.sort(erased, axis=1)
    on, off = (np.quantile(one, level, axis=1) for one in ranked)
    errors = [
        _error_of_share(draws, at, bounds, effective)
        for draws, at in ((let_in, on), (erased, off))
    ]
    on_mcse, off_mcse = (
        _carried_over(one, level, error) for one, error in zip(ranked, errors, strict=True)
    )
    middle = np.quantile(np.concatenate(ranked, axis=1), level, axis=1)
    shares = (_shares_below(draws, middle, bounds) for draws in (let_in, erased))
    told = compared(
        *(_of_blocks(one, lengths) for one in shares),
        lengths=lengths,
        signs=signs,
        effective=effective,
    )
    return of_shares(on, off, on_mcse, off_mcse, told=told, alike=on == off)


def _error_of_share(
    draws: np.ndarray, places: np.ndarray, bounds: np.ndarray, effective: np.ndarray
) -> np.ndarray:
    """Find the error of the share below a place, or up to it: the larger, where values repeat."""
    place = places[:, None]
    lengths = np.diff(bounds)
    shares = (
        np.add.reduceat(marks, bounds[:-1], axis=1, dtype=np.float64) / lengths
        for marks in (draws < place, draws <= place)
    )
    return np.maximum(*(error_of(one.T, lengths, effective) for one in shares))


def _shares_below(draws: np.ndarray, places: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Count the share of every block below a place, and half of what is equal; (block, m)."""
    place = places[:, None]
    marks = (draws < place).astype(np.float64) + (draws <= place)
    sums = np.add.reduceat(marks, bounds[:-1], axis=1)
    return (0.5 * sums / np.diff(bounds)).T


def _of_blocks(shares: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put the shares of blocks together, and leave out one after another."""
    counts = shares * lengths[:, None]
    total = counts.sum(axis=0)
    rows = lengths.sum()
    return total / rows, (total - counts) / (rows - lengths)[:, None]


def _carried_over(ranked: np.ndarray, level: float, error: np.ndarray) -> np.ndarray:
    """Read an error of a share on the axis of the measurement."""
    places = np.rint(shares_within(level, error) * (ranked.shape[1] - 1)).astype(int)
    return carried_over(np.take_along_axis(ranked, places, axis=1), error)
