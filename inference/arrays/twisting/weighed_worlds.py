r"""What weights does a measure M give to the draws of a world, and how much of M do they support?

.. math:: w_t \propto M(w_t)^\beta, \qquad \log Z = \log \frac1n \sum_t M(w_t)^\beta

The logarithms given here are those of M itself, never minus: a draw with the larger M weighs more.
Weights are Pareto-smoothed and add up to 1; draws with M = 0 weigh nothing and count in n. Where M
has few values its tail is mostly ties, which no Pareto law describes: these weights stay raw.

They are worth

.. math:: \mathrm{ESS} = \frac{1}{\sum_d u_d^2} \cdot \frac{\mathrm{ESS}_{\log M}}{n_d}

draws, u_d being what the futures of posterior draw d weigh together, n_d the number of these, and
ESS of log M what chains lose by resembling themselves. This lies once the heaviest world is yet to
be drawn, so k-hat must be below 0.7 as well. M is then *tempered*: the largest power of it that
the draws of all worlds support is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from inference.arrays.generalised_pareto import tail_number
from inference.arrays.reweighting import block_errors
from inference.arrays.weights import HEAVIEST, kish_draws, smoothed

__all__ = ["FEWEST_KEPT", "WeighedWorld", "largest_power", "log_ratio", "weighed_world"]

FEWEST_KEPT = 100.0
"""Effective draws that weights are to leave at least."""
_RUNGS, _HALVINGS = 10, 12
_ROUNDING = 1e-9
_TIED = 5
"""Draws of a tail to each of its values from which on it counts as few-valued."""


@dataclass(frozen=True)
class WeighedWorld:
    """Draws of a world and what they weigh; made by :func:`weighed_world`.

    Parameters
    ----------
    weights
        Shape (row,); they add up to 1, or are all 0 where no draw is possible.
    khat
        Shape of their tail: ``-inf`` where there is none to speak of, ``inf`` where nothing is to
        be trusted.
    ess
        How many independent posterior draws they are worth.
    log_normaliser
        log Z, in nats; ``-inf`` where no draw is possible.
    """

    weights: np.ndarray
    khat: float
    ess: float
    log_normaliser: float

    @property
    def supported(self) -> bool:
        """Whether k-hat is below 0.7 and the draws are worth a hundred."""
        return self.khat < HEAVIEST and self.ess >= FEWEST_KEPT * (1 - _ROUNDING)

    @property
    def possible(self) -> bool:
        """Whether any draw has M > 0."""
        return bool(np.isfinite(self.log_normaliser))


def weighed_world(
    log_measure: np.ndarray, *, power: float = 1.0, futures: int = 1, share: float = 1.0
) -> WeighedWorld:
    r"""Weigh the draws of a world by :math:`M^\beta`.

    Parameters
    ----------
    log_measure
        log M of every row, shape (row,), up to a constant; ``-inf`` for impossible worlds.
    power
        At least 0; at 0 all draws weigh the same, impossible ones too.
    futures
        Rows of a posterior draw, which are neighbours.
    share
        Effective draws of the chains of log M over the number of draws, in (0, 1].

    Returns
    -------
    WeighedWorld
        Weights, and how far to trust them.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), "Pareto smoothed importance sampling", *JMLR*
    25.

    Examples
    --------
    A unit normal, twisted by exp(w/2), has the mean 1/2, and keeps .7788 of its draws.

    >>> draws = np.random.default_rng(0).normal(size=10_000)
    >>> twisted = weighed_world(0.5 * draws)
    >>> abs(twisted.weights @ draws - 0.5) < 0.03, abs(twisted.ess / 10_000 - 0.7788) < 0.02
    (np.True_, True)
    >>> abs(twisted.log_normaliser - 0.125) < 0.02, twisted.supported
    (True, True)
    """
    logs = np.zeros(len(log_measure)) if power == 0 else power * np.asarray(log_measure, float)
    weights, khat = _smoothed(logs)
    if not weights.any():
        return WeighedWorld(weights, np.inf, 0.0, -np.inf)
    by_draw = weights.reshape(-1, futures).sum(axis=1)
    return WeighedWorld(weights, khat, kish_draws(by_draw) * share, _log_normaliser(logs, weights))


def largest_power(
    worlds: Sequence[np.ndarray],
    *,
    futures: int = 1,
    shares: Sequence[float] | None = None,
    most: float = 1.0,
) -> float:
    r"""Find the largest power of M that the draws of all these worlds support.

    Powers, each four times the last, are tried from below: what comes after the first that is not
    supported is not believed, even if k-hat happens to be small there. Between the two rungs the
    power is found by bisection, to a thousandth of itself. The first is 4^-10, or less where log M
    deviates by more than a nat: the units of log M do not matter.

    Parameters
    ----------
    worlds
        log M of the rows of each, ``-inf`` for impossible ones.
    futures
        Rows of a posterior draw.
    shares
        As in :func:`weighed_world`, one for each world; 1 by default.
    most
        Power at which to stop.

    Returns
    -------
    float
        In [0, most]; 0 where not even the first is supported: `most` / 4^10, over the least
        standard deviation of log M in a world that varies, if that is above 1.

    Examples
    --------
    >>> bits = np.random.default_rng(0).normal(0.0, 10.0, size=10_000)
    >>> largest_power([-bits / 10]), 0.1 < largest_power([-bits * np.log(2)]) < 0.5
    (1.0, True)
    >>> largest_power([np.where(np.arange(10_000) == 7, 0.0, -np.inf)])
    0.0
    """
    own = [1.0] * len(worlds) if shares is None else list(shares)

    def holds(power: float) -> bool:
        return all(
            weighed_world(world, power=power, futures=futures, share=share).supported
            for world, share in zip(worlds, own, strict=True)
        )

    low = 0.0
    rungs = _RUNGS + int(np.ceil(np.log(_least_deviation(worlds)) / np.log(4)))
    for rung in most * 4.0 ** np.arange(-rungs, 1):
        if not holds(rung):
            break
        low = float(rung)
    else:
        return low
    if low == 0.0:
        return 0.0
    high = 4 * low
    for _ in range(_HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def log_ratio(
    let_in: WeighedWorld, erased: WeighedWorld, *, bounds: np.ndarray, wider: np.ndarray | float
) -> tuple[float, float]:
    r"""How much more of M lies in one world than in the other: :math:`\log Z_1 / Z_0`.

    The error is that of Σ_t (w_t of one - w_t of the other) over blocks of draws: what both worlds
    share, their past or their noise, cancels as it does in the ratio.

    Parameters
    ----------
    let_in, erased
        At the same power, their rows paired.
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.
    wider
        From :func:`inference.arrays.blocks.widening`.

    Returns
    -------
    tuple of float
        In nats, and its Monte Carlo standard error. NaN and infinity where a world has no draw
        that is possible.

    Examples
    --------
    >>> draws = np.random.default_rng(0).normal(size=(2, 10_000))
    >>> worlds = [weighed_world(0.5 * (one + shift)) for one, shift in zip(draws, (0.0, 0.4))]
    >>> ratio, error = log_ratio(*worlds[::-1], bounds=np.arange(0, 10_001, 250), wider=1.0)
    >>> abs(ratio - 0.2) < 4 * error < 0.04
    True
    """
    if not (let_in.possible and erased.possible):
        return np.nan, np.inf
    shares = np.add.reduceat(let_in.weights - erased.weights, bounds[:-1])
    error = float(block_errors(shares, wider)) if np.abs(shares).max() > 1e-12 else 0.0
    return let_in.log_normaliser - erased.log_normaliser, error


def _smoothed(logs: np.ndarray) -> tuple[np.ndarray, float]:
    """Smooth weights unless they are ties: smoothing moves identical worlds apart, unseen."""
    weights, khat = smoothed(logs)
    possible = logs[np.isfinite(logs)]
    tail = np.sort(possible)[len(possible) - tail_number(len(possible)) :]
    if not len(tail):
        return weights, khat
    # Single precision in M or another order of a sum makes no values of their own.
    apart = _ROUNDING + 1e-14 * np.abs(tail).max()
    if _TIED * (1 + np.count_nonzero(np.diff(tail) > apart)) > len(tail):
        return weights, khat
    raw = np.exp(logs - tail[-1])
    return raw / raw.sum(), khat if khat > 0 else -np.inf


def _least_deviation(worlds: Sequence[np.ndarray]) -> float:
    """Find the least standard deviation of log M among the worlds that vary; 1 at least."""
    found = []
    for world in worlds:
        possible = world[np.isfinite(world)]
        size = np.abs(possible).max(initial=0.0)
        found.append(float(size * (possible / size).std()) if size > 0 else 0.0)
    return max(1.0, min((one for one in found if one > 0), default=1.0))


def _log_normaliser(logs: np.ndarray, weights: np.ndarray) -> float:
    """Take log Z off a weight that smoothing left alone: all but the upper fifth are."""
    possible = np.flatnonzero(np.isfinite(logs))
    untouched = len(possible) - len(possible) // 5 - 1
    kept = possible[np.argpartition(logs[possible], untouched)[untouched]]
    if weights[kept] > np.finfo(float).tiny:
        return float(logs[kept] - np.log(weights[kept]) - np.log(len(logs)))
    return float(special.logsumexp(logs) - np.log(len(logs)))
