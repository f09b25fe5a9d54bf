r"""Which law nearest to the baseline has a mean utility this high, and how near is it?

.. math:: \min_{A'} \mathrm{KL}(A' \| P) \quad\text{or}\quad
          \min_{A'} \max \log_2 \frac{dA'}{dP} \qquad\text{with}\quad E_{A'} u \ge m

The first is Cramér's rate: the baseline is tilted by exp(λ u). The second is the buffered
probability of exceedance, in bits: only the best part of the baseline is kept, all of it alike.
Utilities are taken relative to the best and to their range, which may be 1 or 1e13.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.exceedance import finite_values, log_shares

__all__ = ["Tilt", "buffered_exceedance", "exponential_tilt", "tilted_log_shares"]

_NUMBERS = 1 << 21
_MOST_LOG_STRENGTH = 700.0


@dataclass(frozen=True)
class Tilt:
    """The law nearest to the baseline by which the mean utility is as high as asked for.

    Parameters
    ----------
    strength
        λ of the weights exp(λ u), per unit of utility: 0 where the baseline does it, ``inf`` where
        only its best outcomes do, or none.
    bits
        Its Kullback-Leibler divergence from the baseline; ``inf`` where no law has such a mean.
    """

    strength: np.ndarray
    bits: np.ndarray


def exponential_tilt(
    baseline: np.ndarray | Sequence[float],
    mean: np.ndarray | Sequence[float] | float,
    log_measure: np.ndarray | Sequence[float] | None = None,
) -> Tilt:
    r"""How far from the baseline is the nearest law with a mean utility at least this high?

    .. math:: \min_{A'} \mathrm{KL}(A' \| P) \;\text{s.t.}\; E_{A'} u \ge m
              \;=\; \sup_{\lambda \ge 0} \lambda m - \log E_P e^{\lambda u}

    Cramér's rate. It is about the baseline's exponential moments: of a sample with a heavy tail
    it depends on the largest draws, see :mod:`inference.arrays.order.rationality`.

    Parameters
    ----------
    baseline, log_measure
        Utilities of outcomes without the disciple, shape (outcome,), and natural logarithms of
        their masses, up to a constant; all the same if None.
    mean
        Mean utilities to be reached, any shape.

    Returns
    -------
    Tilt
        Strength and bits, shaped as `mean`: 0 up to the baseline's mean; at its maximum the bits
        of the best outcomes; beyond, ``inf``.

    Raises
    ------
    CounterfactualError
        If numbers are not finite, or the measure has no finite and positive total.

    Examples
    --------
    >>> tilt = exponential_tilt(range(8), [3, 4, 5.5, 7, 7.5])
    >>> tilt.bits.round(6)
    array([0.      , 0.03452 , 0.601986, 3.      ,      inf])
    >>> tilt.strength.round(6)
    array([0.      , 0.096189, 0.461738,      inf,      inf])
    """
    best, below, shares = _below_best(baseline, log_measure)
    mean = np.asarray(finite_values("mean", mean), np.float64)
    target = (mean - best).reshape(-1)
    middle = (np.exp(shares) * below).sum()
    beyond, top = target > 0, (target == 0) & (middle < 0)
    strength = np.where(beyond | top, np.inf, 0.0)
    nats = np.where(beyond, np.inf, 0.0)
    nats[top] = -special.logsumexp(shares[below == 0])
    inner = np.flatnonzero((target > middle) & (target < 0))
    reach = max(-below.min(), np.finfo(float).tiny)
    step = max(1, _NUMBERS // shares.size)
    for start in range(0, inner.size, step):
        part = inner[start : start + step]
        strength[part], nats[part] = _tilted(below / reach, shares, target[part] / reach)
    strength[inner] /= reach
    return Tilt(strength.reshape(mean.shape), nats.reshape(mean.shape) / math.log(2))


def tilted_log_shares(
    baseline: np.ndarray | Sequence[float],
    strength: np.ndarray | Sequence[float] | float,
    log_measure: np.ndarray | Sequence[float] | None = None,
) -> np.ndarray:
    """How likely is each outcome in a tilted baseline? In natural logarithms.

    Parameters
    ----------
    baseline, log_measure
        Utilities of outcomes without the disciple, shape (outcome,), and natural logarithms of
        their masses, up to a constant; all the same if None.
    strength
        Of a :class:`Tilt`, any shape, from 0 to ``inf``, at which only the best outcomes are left.

    Returns
    -------
    np.ndarray
        Shape (..., outcome); the shares of each row add up to one.

    Raises
    ------
    CounterfactualError
        As :func:`exponential_tilt`, or if a strength is negative or NaN.

    Examples
    --------
    >>> tilt = exponential_tilt(range(8), 5.5)
    >>> (np.exp(tilted_log_shares(range(8), tilt.strength)) @ np.arange(8)).round(9).item()
    5.5
    """
    strength = np.asarray(strength, np.float64)[..., None]
    if not (strength >= 0).all():
        raise CounterfactualError(
            f"got a strength of {strength[~(strength >= 0)][0]}; expected one from 0 to inf."
        )
    utility = np.asarray(finite_values("baseline", baseline), np.float64)
    shares = log_shares(log_measure, utility.size)
    below = utility - utility[shares > -np.inf].max()
    only = np.isinf(strength)
    pull = np.where(only, np.where(below < 0, -np.inf, 0.0), np.where(only, 0.0, strength) * below)
    logs = np.where(shares > -np.inf, shares + np.where(shares > -np.inf, pull, 0.0), -np.inf)
    return logs - special.logsumexp(logs, axis=-1, keepdims=True)


def buffered_exceedance(
    baseline: np.ndarray | Sequence[float],
    mean: np.ndarray | Sequence[float] | float,
    log_measure: np.ndarray | Sequence[float] | None = None,
) -> np.ndarray:
    r"""How large a share of the baseline, its best, has a mean utility this high?

    .. math:: \mathrm{bPOE}(m) = \min_{a \ge 0} E_P \bigl(a (u - m) + 1\bigr)_+

    The natural logarithm of it. By taking outcomes from the best downwards, and of the last one
    the part that fits.

    Parameters
    ----------
    baseline, log_measure, mean
        As of :func:`exponential_tilt`.

    Returns
    -------
    np.ndarray
        Natural logarithms, shaped as `mean`: 0 up to the baseline's mean, ``-inf`` beyond its
        maximum.

    Raises
    ------
    CounterfactualError
        As :func:`exponential_tilt`.

    References
    ----------
    .. [1] A. Mafusalov, S. Uryasev, "Buffered probability of exceedance", SIAM J. Optim. 28
       (2018).

    Examples
    --------
    >>> np.exp(buffered_exceedance(range(8), [3.5, 4, 6, 7, 7.5])).round(6)
    array([1.   , 0.875, 0.375, 0.125, 0.   ])
    """
    best, below, shares = _below_best(baseline, log_measure)
    mean = np.asarray(finite_values("mean", mean), np.float64)
    target = mean - best
    order = np.argsort(-below, kind="stable")
    below, taken = below[order], np.logaddexp.accumulate(shares[order])
    with np.errstate(divide="ignore"):
        lost = np.logaddexp.accumulate(shares[order] + np.log(-below))
    means = np.minimum.accumulate(-np.exp(lost - taken))
    # How many outcomes may be taken whole: their mean is not below the target.
    whole = np.searchsorted(-means, -target, side="right")
    last, following = np.clip(whole - 1, 0, None), np.clip(whole, None, below.size - 1)
    room = np.where((whole > 0) & (whole < below.size), target - below[following], 1.0)
    spare = np.where((whole > 0) & (whole < below.size), means[last] - target, 0.0)
    logs = np.minimum(taken[last] + np.log1p(np.maximum(spare, 0.0) / room), 0.0)
    return np.where(whole == 0, -np.inf, np.where(whole == below.size, 0.0, logs))


def _below_best(
    baseline: np.ndarray | Sequence[float],
    log_measure: np.ndarray | Sequence[float] | None,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Of possible outcomes: the best utility, how far each is below it, and log shares."""
    utility = np.asarray(finite_values("baseline", baseline), np.float64)
    if utility.ndim != 1 or not utility.size:
        raise CounterfactualError(
            f"got a baseline of shape {utility.shape}; expected one utility for each of one or "
            "more outcomes. Lay all draws along one axis."
        )
    shares = log_shares(log_measure, utility.size)
    possible = shares > -np.inf
    best, least = float(utility[possible].max()), float(utility[possible].min())
    if not math.isfinite(best - least):
        raise CounterfactualError(
            f"got a baseline from {least:.3g} to {best:.3g}, which is wider than a number can be; "
            "expected utilities whose differences are numbers. Scale them."
        )
    return best, utility[possible] - best, shares[possible]


def _tilted(
    below: np.ndarray, shares: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Solve for the strengths of tilts, and their divergences; utilities are in [-1, 0].

    Weak tilts are written around the baseline's mean, where the divergence is of second order
    and all terms are positive; strong ones from the best outcome down, where nothing overflows.
    """
    chances = np.exp(shares)
    middle = (chances * below).sum()
    centred = below - middle

    def weak(strength: np.ndarray) -> np.ndarray:
        growth = np.expm1(strength * centred)
        return (growth * centred) @ chances / (1 + growth @ chances)

    def strong(strength: np.ndarray) -> np.ndarray:
        logs = shares + strength * below
        chance = np.exp(logs - logs.max(axis=1, keepdims=True))
        return chance @ below / chance.sum(axis=1)

    turn = -math.log(-middle)
    is_weak = weak(np.full((1, 1), math.exp(turn))) >= target - middle
    strength, nats = np.empty_like(target), np.empty_like(target)
    slight, steep = target[is_weak], target[~is_weak]
    rates = _solved(weak, slight - middle, turn - _MOST_LOG_STRENGTH, turn)
    growth = _beyond_linear(rates[:, None] * centred) @ chances
    strength[is_weak], nats[is_weak] = rates, rates * (slight - middle) - np.log1p(growth)
    rates = _solved(strong, steep, turn, max(turn, 0.0) + _MOST_LOG_STRENGTH)
    logs = shares + rates[:, None] * (below - steep[:, None])
    strength[~is_weak], nats[~is_weak] = rates, -special.logsumexp(logs, axis=1)
    return strength, np.maximum(nats, 0.0)


def _solved(
    rising: Callable[[np.ndarray], np.ndarray], target: np.ndarray, low: float, high: float
) -> np.ndarray:
    """Where does a function of the strength rise to the target? Halves a logarithmic interval."""
    least, most = np.full(target.size, low), np.full(target.size, high)
    for _ in range(64 if target.size else 0):
        middle = 0.5 * (least + most)
        short = rising(np.exp(middle)[:, None]) < target
        least, most = np.where(short, middle, least), np.where(short, most, middle)
    return np.exp(0.5 * (least + most))


def _beyond_linear(x: np.ndarray) -> np.ndarray:
    """Give exp(x) - 1 - x to its own last digit."""
    small = np.abs(x) < 0.5
    near = np.where(small, x, 0.0)
    series = np.ones_like(near)
    for order in range(15, 2, -1):
        series = 1 + series * near / order
    return np.where(small, 0.5 * near**2 * series, np.expm1(x) - x)
