r"""How far may bits of a mean be off, for bad worlds that no draw has shown?

.. math:: -\log_2 E[p(w)], \qquad p(w) = P(e,S,0)(U \ge U(w))

A strong disciple's mean hangs on its worst worlds, for they have by far the largest p: where that
has a tail heavier than draws can average, their own spread tells nothing of its error. What no
draw has shown has a share of at most :math:`1 - 0.05^{1/n}` with 95 % confidence, and a p of at
most 1: that bounds the mean from above, and its bits from below.
"""

import math

import numpy as np

from inference.arrays.weights import HEAVIEST, smoothed

__all__ = ["least_with_unseen", "too_heavy"]


def too_heavy(bits: np.ndarray) -> float:
    """Find k-hat of the tail probabilities of draws, if it is too large to average them.

    Parameters
    ----------
    bits
        -log2 of these probabilities, in any shape.

    Returns
    -------
    float
        k-hat; NaN where it is below 0.7.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> weak, strong = rng.exponential(1.0, 4000), 40 - rng.exponential(9.0, 4000).clip(max=40)
    >>> math.isnan(too_heavy(weak)), too_heavy(strong) > 0.7
    (True, True)
    """
    khat = smoothed(-math.log(2) * np.ravel(bits))[1]
    return khat if khat >= HEAVIEST else math.nan


def least_with_unseen(lower: float, effective: float, most: float = 1.0) -> float:
    """Lower a lower bound of bits by what unseen worlds may add to the mean.

    Parameters
    ----------
    lower
        The bound without them.
    effective
        How many independent draws there are.
    most
        The most that one world adds: 1 to the mean of p; to that of -ln(1 - p), which is behind
        log2 N, the surprise of the best of as many draws as there are.

    Examples
    --------
    >>> round(least_with_unseen(60.0, 1000.0), 3)  # three in a thousand
    8.385
    """
    share = -math.expm1(math.log(0.05) / max(effective, 1.0))
    return -math.log2(2.0**-lower + share * most) if lower > -np.inf else lower
