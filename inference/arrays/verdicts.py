r"""Is the impact above the tolerance or below it, and how many draws would tell?

Above when the lower bound is above the tolerance, below when the upper bound is not; anything
else is undecided. A distance that is not significant is never called absent.
"""

import numpy as np

from inference.arrays.total_variation import CROSS_FIT_INFLATION, ONE_SIDED, UNSEEN

__all__ = ["MOST_DRAWS", "draws_needed", "verdicts"]

FEWEST = 40.0
MOST_DRAWS = 1e9
"""Stands for: no number of draws would tell, the impact is as large as the tolerance."""


def verdicts(lower: np.ndarray, upper: np.ndarray, *, tolerance: float) -> np.ndarray:
    """Say of each impact whether it is ``above``, ``below`` or ``undecided``.

    Returns
    -------
    np.ndarray
        Of Python strings (dtype object, which netCDF and zarr keep), shaped as the bounds.

    Examples
    --------
    >>> verdicts(np.array([0.2, 0.0, 0.04]), np.array([0.3, 0.05, 0.06]), tolerance=0.05)
    array(['above', 'below', 'undecided'], dtype=object)
    """
    words = np.where(upper <= tolerance, "below", "undecided")
    return np.where(lower > tolerance, "above", words).astype(object)


def draws_needed(
    tv: np.ndarray,
    *,
    floor: np.ndarray,
    mcse: np.ndarray,
    tolerance: float,
    draws: int,
    effective: np.ndarray | float,
) -> np.ndarray:
    r"""How many draws a side would tell the impact from the tolerance, were it as estimated?

    With N times the draws the floor f and the error shrink by x = 1/sqrt(N), and the bounds are
    expected at

    .. math::
        \mathrm{upper} &= \sqrt{t^2 + f^2x^2} + 1.645\,\mathrm{mcse}\,x + 3x^2/\mathrm{ESS} \\
        \mathrm{lower} &= t - f^2x^2/t - 1.645 \cdot 1.2794\,\mathrm{mcse}\,x - 3x^2/\mathrm{ESS}

    The answer is the fewest draws at which the bound on the right side of the tolerance clears
    it. For an impact of zero in B equally likely cells that is about
    ineff · ((sqrt((B - 1)/π) + 1.163)/tolerance)², ineff being draws per effective draw.

    Parameters
    ----------
    tv, floor, mcse
        Estimates of this sample.
    tolerance
        Impact to be told from.
    draws
        Rows a side in this sample.
    effective
        Their effective number of posterior draws, one for all or shaped as the estimates.

    Returns
    -------
    np.ndarray
        Between 40 and 1e9; the latter means that no number would do, the estimate being as large
        as the tolerance. At this number a verdict is as likely as not; twice makes it likely.

    Examples
    --------
    >>> n, cells = 4000, 16
    >>> need = draws_needed(
    ...     np.zeros(1), floor=np.sqrt((cells - 1) / np.pi / n), mcse=np.sqrt(0.5 / n),
    ...     tolerance=0.05, draws=n, effective=n,
    ... )
    >>> abs(need.item() / (11.2 / 0.05**2) - 1) < 0.03
    True
    """
    least = np.full(np.shape(tv), np.log(FEWEST))
    most = np.full(np.shape(tv), np.log(MOST_DRAWS))
    positive = np.maximum(tv, np.finfo(float).tiny)
    for _ in range(60):
        middle = 0.5 * (least + most)
        shrink = np.sqrt(draws) * np.exp(-0.5 * middle)
        unseen = UNSEEN / effective * shrink**2
        noise = ONE_SIDED * mcse * shrink
        lower = tv - (floor * shrink) ** 2 / positive - CROSS_FIT_INFLATION * noise - unseen
        upper = np.hypot(tv, floor * shrink) + noise + unseen
        told = np.where(tv > tolerance, lower > tolerance, upper <= tolerance)
        least, most = np.where(told, least, middle), np.where(told, middle, most)
    return np.rint(np.exp(most))
