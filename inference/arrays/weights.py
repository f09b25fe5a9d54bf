r"""How are draws reweighted, smoothed and made equal again?

Pareto-smoothed importance weights: the largest weights are replaced by the quantiles of a
generalised Pareto distribution fitted to them, whose shape k-hat says whether the weights have
a mean error that can be trusted (k-hat below 0.7).
"""

import numpy as np
from arviz_stats.base import array_stats
from scipy.special import logsumexp

__all__ = ["doubtful", "equal_draws", "kish_draws", "smoothed"]

_ENOUGH = 100
_HEAVIEST = 0.7


def smoothed(log_weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Smooth importance weights and say how heavy their tail is.

    Parameters
    ----------
    log_weights
        One per draw, up to a constant; ``-inf`` for impossible draws.

    Returns
    -------
    tuple of ndarray and float
        Normalised weights, and k-hat (inf when no draw is possible to trust).

    References
    ----------
    .. [1] A. Vehtari, D. Simpson, A. Gelman, Y. Yao, J. Gabry, "Pareto smoothed importance
       sampling", JMLR 25 (2024).

    Examples
    --------
    >>> weights, khat = smoothed(np.zeros(1000))
    >>> bool(np.allclose(weights, 1e-3)), khat < 0.7
    (True, True)
    """
    log_weights = np.asarray(log_weights, np.float64)
    possible = np.isfinite(log_weights)
    if possible.sum() < 2:
        return np.where(possible, 1.0, 0.0) / max(1, possible.sum()), np.inf
    out = np.zeros(len(log_weights))
    kept = log_weights[possible] - log_weights[possible].max()
    if np.ptp(kept) < 1e-12:
        out[possible] = 1.0 / possible.sum()
        return out, -np.inf
    out[possible], khat = _pareto_smoothed(kept)
    return out, khat


def _pareto_smoothed(log_weights: np.ndarray) -> tuple[np.ndarray, float]:
    try:
        # ArviZ takes log-likelihoods: minus log weights. With the other sign it silently weighs
        # by the inverse, and k-hat does not tell.
        with np.errstate(divide="raise", invalid="raise"):
            smooth, khat = array_stats.psislw(-log_weights)
    except (FloatingPointError, ValueError):
        khat = np.nan
    if np.isfinite(khat):
        return np.exp(smooth - logsumexp(smooth)), float(khat)
    # Ties leave no tail to fit: weights of a few sizes only, or one that outweighs them all.
    raw = np.exp(log_weights - logsumexp(log_weights))
    return raw, -np.inf if kish_draws(raw) >= _ENOUGH else np.inf


def kish_draws(weights: np.ndarray) -> float:
    r"""Kish's effective number of draws, :math:`1 / \sum_t w_t^2`, between 1 and their number.

    Examples
    --------
    >>> round(kish_draws(np.full(50, 0.02)), 6)
    50.0
    """
    return float(1.0 / np.sum(np.square(weights)))


def doubtful(khat: float, effective: float) -> bool:
    """Tell whether weights are too uneven for what is weighed with them to be trusted.

    Examples
    --------
    >>> doubtful(0.5, 800.0), doubtful(0.9, 800.0), doubtful(0.5, 20.0)
    (False, True, True)
    """
    return not khat <= _HEAVIEST or effective < _ENOUGH


def equal_draws(weights: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Pick draws in proportion to their weights by systematic resampling, in their own order.

    Each draw comes floor or ceil of `count` x weight times. Copies stay neighbours, so that
    block errors see them.

    Returns
    -------
    ndarray of int
        `count` indices, ascending.

    Examples
    --------
    >>> equal_draws(np.array([0.5, 0.0, 0.5]), 4, np.random.default_rng(0)).tolist()
    [0, 0, 2, 2]
    """
    ticks = (np.arange(count) + rng.random()) / count
    return np.minimum(
        np.searchsorted(np.cumsum(weights), ticks * np.sum(weights)), len(weights) - 1
    )
