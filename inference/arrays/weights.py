r"""How are draws reweighted, smoothed and made equal again?

.. math:: w_t \propto r_t

Pareto-smoothed importance weights: the largest weights are replaced by the quantiles of a
generalised Pareto distribution fitted to them, whose shape k-hat says whether the weights have
a mean error that can be trusted (k-hat below 0.7). One series of weights, or many at once without
a loop over them: 75 000 data that are left out one by one take seconds, not minutes.
"""

import numpy as np

from inference.arrays.generalised_pareto import pareto_fit, tail_grid, tail_number

__all__ = [
    "HEAVIEST",
    "doubtful",
    "equal_draws",
    "kish_draws",
    "pareto_smoothed",
    "smoothed",
]

_ENOUGH = 100
HEAVIEST = 0.7
"""k-hat from which weights are not to be trusted."""
_FEWEST_IN_TAIL = 5
_NUMBERS = 1 << 22


def smoothed(log_weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Smooth importance weights and say how heavy their tail is.

    Parameters
    ----------
    log_weights
        One per draw, up to a constant; ``-inf`` for impossible draws.

    Returns
    -------
    tuple of ndarray and float
        Weights and k-hat, as from :func:`pareto_smoothed`.

    Examples
    --------
    >>> weights, khat = smoothed(np.zeros(1000))
    >>> bool(np.allclose(weights, 1e-3)), khat < 0.7
    (True, True)
    """
    weights, khat = pareto_smoothed(np.asarray(log_weights, np.float64)[None])
    return weights[0], float(khat[0])


def pareto_smoothed(
    log_weights: np.ndarray, *, inverse: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    r"""Smooth many series of importance weights, and say how heavy their tails are.

    Parameters
    ----------
    log_weights
        Shape (series, draw), each up to a constant; ``-inf`` for impossible draws.
    inverse
        Weigh by one over these: of log-likelihoods :math:`\log p(e_j \mid z_t)`, where each datum
        is left out. The wrong sign weighs the wrong way, and k-hat does not tell.

    Returns
    -------
    tuple of ndarray
        Weights that add up to 1, shape (series, draw), in single precision if the logarithms are;
        and k-hat, shape (series,): ``-inf`` where there is no tail to speak of, ``inf`` where no
        weight can be trusted.

    References
    ----------
    .. [1] A. Vehtari, D. Simpson, A. Gelman, Y. Yao, J. Gabry, "Pareto smoothed importance
       sampling", JMLR 25 (2024).
    .. [2] J. Zhang, M. A. Stephens, "A new and efficient estimation method for the generalized
       Pareto distribution", Technometrics 51 (2009).

    Examples
    --------
    >>> beta = np.random.default_rng(0).beta(3, 4, size=(1, 4000))
    >>> weights, khat = pareto_smoothed(np.log1p(-beta) - np.log(beta))
    >>> abs((weights @ beta[0]).item() - 2 / 7) < 0.02, 0.1 < khat.item() < 0.5
    (True, True)
    """
    log_weights = np.asarray(log_weights)
    series, draws = log_weights.shape
    weights = np.empty((series, draws), np.result_type(log_weights.dtype, np.float32))
    khat = np.empty(series)
    tail = tail_number(draws)
    # What is fitted to the tails takes more room than the tails do.
    step = max(1, _NUMBERS // max(1, draws + tail * tail_grid(tail)))
    for start in range(0, series, step):
        part = slice(start, start + step)
        own = np.multiply(log_weights[part], -1.0 if inverse else 1.0, dtype=np.float64)
        weights[part], khat[part] = _possible(own)
    return weights, khat


def _possible(log_weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smooth what is possible, and give the rest no weight."""
    possible = np.isfinite(log_weights)
    whole = possible.all(axis=1) & (log_weights.shape[1] > 1)
    if whole.all():
        return _smoothed(log_weights)
    weights, khat = np.zeros(log_weights.shape), np.full(len(log_weights), np.inf)
    weights[whole], khat[whole] = _smoothed(log_weights[whole])
    for row in np.flatnonzero(~whole):
        some = possible[row]
        own = np.ones((1, some.sum()))
        if own.size > 1:
            own, khat[row : row + 1] = _smoothed(log_weights[row : row + 1, some])
        weights[row, some] = own[0]
    return weights, khat


def _smoothed(log_weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smooth the largest weights of each row, where a tail can be fitted."""
    log_weights -= log_weights.max(axis=1, keepdims=True)
    draws = log_weights.shape[1]
    tail = tail_number(draws)
    raw = np.exp(log_weights)
    plain = raw / raw.sum(axis=1, keepdims=True)
    effective = 1 / np.square(plain).sum(axis=1)
    khat = np.where(effective >= _ENOUGH, -np.inf, np.inf)
    khat[np.ptp(log_weights, axis=1) < 1e-12] = -np.inf
    if tail < _FEWEST_IN_TAIL:
        return plain, khat
    # The tail, and the largest weight below it.
    places = np.argpartition(raw, draws - tail - 1, axis=1)[:, draws - tail - 1 :]
    heads = np.take_along_axis(raw, places, 1)
    order = np.argsort(heads, axis=1)
    places, heads = (np.take_along_axis(array, order, 1) for array in (places, heads))
    cutoff = heads[:, :1]
    excess = heads[:, 1:] - cutoff
    quarter = excess[:, int(tail / 4 + 0.5) - 1]
    apart = np.abs(np.log(heads[:, -1]) - np.log(np.maximum(heads[:, 1], 1e-300))) > 1e-12
    rows = np.flatnonzero(apart & (quarter > 0))
    with np.errstate(all="ignore"):
        shape, scale = pareto_fit(excess[rows])
        steps = np.arange(0.5, tail) / tail
        curve = np.expm1(-shape[:, None] * np.log1p(-steps)) / shape[:, None]
        smooth = np.minimum(cutoff[rows] + scale[:, None] * curve, 1.0)
    good = np.isfinite(shape) & (scale > 0) & np.isfinite(smooth).all(1)
    rows = rows[good]
    raw[rows[:, None], places[rows, 1:]] = smooth[good]
    khat[rows] = shape[good]
    return raw / raw.sum(axis=1, keepdims=True), khat


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
    return not khat <= HEAVIEST or effective < _ENOUGH


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
