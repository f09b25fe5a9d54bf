r"""How is the error of a share of the draws read on the axis of a measurement?

A quantile, or the width of an interval that holds so much, jumps where no draw lies and stands
still where many are equal; shares never do. So an error se is taken of the share q, and the number
N that belongs to it gets the standard deviation of (Woodruff)

.. math:: N(q + \mathrm{se}\, z), \qquad z \sim N(0, 1).
"""

import numpy as np
from scipy import special

from inference.arrays.shape.jackknife import Compared

__all__ = ["carried_over", "of_shares", "shares_within"]

_NODES = special.ndtri((np.arange(32) + 0.5) / 32)
"""Errors that a share may have, in standard errors, all equally likely."""


def shares_within(share: float, error: np.ndarray) -> np.ndarray:
    """Give the shares that the error of one leaves possible.

    Parameters
    ----------
    share
        In (0, 1).
    error
        Its standard error, shape (measurement,); where it is not finite, the share stays alone.

    Returns
    -------
    np.ndarray
        Shape (measurement, node), within [0, 1].

    Examples
    --------
    >>> shares_within(0.5, np.array([0.0, 0.1]))[:, [0, -1]].round(2)
    array([[0.5 , 0.5 ],
           [0.28, 0.72]])
    """
    reach = np.where(np.isfinite(error), error, 0.0)
    return np.clip(share + reach[:, None] * _NODES, 0.0, 1.0)


def carried_over(numbers: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Take the spread of the numbers that belong to possible shares for an error.

    Parameters
    ----------
    numbers
        Those of :func:`shares_within`, shape (measurement, node).
    error
        The standard error of the share, shape (measurement,).

    Returns
    -------
    np.ndarray
        Shape (measurement,), infinite where the share's is.

    Examples
    --------
    >>> error = np.array([0.1])
    >>> carried_over(7 * shares_within(0.5, error), error).round(6)
    array([0.7])
    """
    spread = np.std(numbers, axis=1, dtype=np.float64) / _NODES.std()
    return np.where(np.isfinite(error), spread, np.inf)


def of_shares(
    on: np.ndarray,
    off: np.ndarray,
    on_mcse: np.ndarray,
    off_mcse: np.ndarray,
    *,
    told: Compared,
    alike: np.ndarray,
) -> Compared:
    """Compare two numbers by the shares that they belong to.

    Parameters
    ----------
    on, off, on_mcse, off_mcse
        The numbers of two worlds and their errors, shape (measurement,).
    told
        The shares, compared.
    alike
        Where the numbers do not differ: p is 1.

    Returns
    -------
    Compared
        With the p of the shares; the error of the change is as much smaller than that of two
        worlds apart as the shares' is, for worlds that share their noise move together.

    Examples
    --------
    >>> from inference.arrays.shape.jackknife import Compared
    >>> one = np.ones(1)
    >>> told = Compared(one, one, 3 * one, 4 * one, 0 * one, 2.5 * one, one, one)
    >>> of_shares(9 * one, 8 * one, 0.3 * one, 0.4 * one, told=told, alike=one > 1).mcse
    array([0.25])
    """
    alone = np.hypot(told.on_mcse, told.off_mcse)
    known = (alone > 0) & np.isfinite(alone)
    together = np.where(known, told.mcse, 1.0) / np.where(known, alone, 1.0)
    mcse = together * np.hypot(on_mcse, off_mcse)
    floor = np.sqrt(2 / np.pi) * mcse
    return Compared(
        on, off, on_mcse, off_mcse, on - off, mcse, floor, np.where(alike, 1.0, told.p)
    )
