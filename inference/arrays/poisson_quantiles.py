r"""Which counts do standard normal numbers make of Poisson rates?

.. math:: \min\{k : P(K \le k) \ge \Phi(z)\} = \min\{k : P(K > k) \le \Phi(-z)\}

From a guess by mean, spread and skewness (Cornish and Fisher) steps are doubled until the count is
between them, then halved. The nearer tail is asked, so that quantiles have digits however far out;
and only incomplete gamma functions are, whose inverse takes SciPy ten times as long.
"""

from collections.abc import Callable

import numpy as np
from scipy import special

__all__ = ["poisson_quantiles"]


def poisson_quantiles(noise: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """Find the Poisson quantiles of normal levels.

    Parameters
    ----------
    noise
        Standard normal numbers.
    rate
        Broadcasts against them; 0 makes 0.

    Returns
    -------
    ndarray
        Whole numbers as float64.

    Examples
    --------
    >>> poisson_quantiles(np.array([0.0, 9.0]), np.array(3.0)).tolist()
    [3.0, 29.0]
    """
    noise, rate = np.broadcast_arrays(noise, rate)
    shape, noise, rate = noise.shape, noise.ravel(), rate.ravel()
    tail, up = special.ndtr(-np.abs(noise)), noise > 0

    def enough(number: np.ndarray, rows: np.ndarray) -> np.ndarray:
        found, high = np.empty(number.shape, bool), up[rows]
        asked, level, own = np.maximum(number, 0.0), tail[rows], rate[rows]
        found[high] = special.pdtrc(asked[high], own[high]) <= level[high]
        found[~high] = special.pdtr(asked[~high], own[~high]) >= level[~high]
        return found & (number >= 0)

    spread = np.sqrt(rate)
    guess = np.floor(rate + spread * noise + (np.square(noise) - 1) / 6)
    return _searched(np.maximum(guess, 0.0), enough).reshape(shape)


def _searched(guess: np.ndarray, enough: Callable[..., np.ndarray]) -> np.ndarray:
    """Find the least number that is enough, from guesses by doubling steps and by halves."""
    every = np.arange(guess.size)
    low, high = guess - 1, guess.copy()  # in the end low is not enough, and high is
    first = enough(high, every)
    short, long, step = every[~first], every[first], 1.0
    while short.size:
        low[short] = high[short]
        high[short] += step
        short, step = short[~enough(high[short], short)], 2 * step
    long, step = long[enough(low[long], long)], 1.0
    while long.size:
        high[long] = low[long]
        low[long] = np.maximum(low[long] - step, -1.0)
        long, step = long[enough(low[long], long)], 2 * step
    wide = every[high - low > 1]
    while wide.size:
        middle = np.floor((low[wide] + high[wide]) / 2)
        good = enough(middle, wide)
        high[wide[good]], low[wide[~good]] = middle[good], middle[~good]
        wide = wide[high[wide] - low[wide] > 1]
    return high
