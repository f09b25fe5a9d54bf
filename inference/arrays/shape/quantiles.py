r"""How far apart are the quantiles of two worlds, where values may be shared by many draws?

A quantile of draws jumps where no draw lies, and stands still where many are equal: leaving out a
block then finds an error of nothing, and a coin that fell 5001 times in 10 000 on another side
would be called another coin. So errors are taken of shares, which never jump, and are carried over
to the quantile (Woodruff),

.. math:: \tfrac14 \left( F^{-1}(q + 2\,\mathrm{se}) - F^{-1}(q - 2\,\mathrm{se}) \right),

and worlds are told apart by the shares of their draws below the q-quantile of both together,
halves of those that are equal to it included.
"""

import numpy as np

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
    below = _shares_below(let_in, on, bounds), _shares_below(erased, off, bounds)
    errors = [error_of(one, lengths, effective) for one in below]
    on_mcse, off_mcse = (
        _carried_over(one, level, error) for one, error in zip(ranked, errors, strict=True)
    )
    # Worlds that share their noise move together.
    apart, alone = error_of(below[0] - below[1], lengths, effective), np.hypot(*errors)
    known = (alone > 0) & np.isfinite(alone)
    together = np.where(known, apart, 1.0) / np.where(known, alone, 1.0)
    mcse = together * np.hypot(on_mcse, off_mcse)
    middle = np.quantile(np.concatenate(ranked, axis=1), level, axis=1)
    shares = (_shares_below(draws, middle, bounds) for draws in (let_in, erased))
    told = compared(
        *(_of_blocks(one, lengths) for one in shares),
        lengths=lengths,
        signs=signs,
        effective=effective,
    )
    floor = np.sqrt(2 / np.pi) * mcse
    return Compared(on, off, on_mcse, off_mcse, on - off, mcse, floor, told.p)


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
    draws = ranked.shape[1]
    # Two errors either way, or a jump that lies one and a half away would not be seen.
    reach = 2 * np.minimum(np.where(np.isfinite(error), error, 1.0), 1.0)
    low, high = (np.clip(level + side * reach, 0, 1) * (draws - 1) for side in (-1, 1))
    ends = [
        np.take_along_axis(ranked, rounded.astype(int)[:, None], axis=1)[:, 0].astype(float)
        for rounded in (np.floor(low), np.ceil(high))
    ]
    return np.where(np.isfinite(error), (ends[1] - ends[0]) / 4, np.inf)
