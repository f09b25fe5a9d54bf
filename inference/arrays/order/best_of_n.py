r"""Of how many options drawn by chance would the best be as good as this?

.. math:: L(N) = N q^{N-1}, \qquad q = F_0(u^*), \qquad s = -\ln q = -\ln(1 - p), \qquad
          S = \sum_{i=1}^m s_i

The best of N uniform numbers has the density of Beta(N, 1), so m choices at tails p_i, all of the
same N, are told by S alone. Under the prior 1/N (the reference prior: Fisher's information is
m/N²) N is Gamma(m, S), its log2 has the mean (ψ(m) - ln S)/ln 2 and the deviation √ψ₁(m)/ln 2:
1.85 bits after one choice, however good it was. N need not be whole.

All is kept in logarithms: a tail of 1e-300, or e^-100000, is as good as one of a half.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError, nearest
from inference.arrays.order.best_of_n_found import BestOfN
from inference.arrays.order.chain_errors import refuse_share
from inference.arrays.order.exceedance import log_surprise

__all__ = ["best_of_n"]

_DROP = 45.0
"""A log-density this far below its top holds nothing that double precision could see."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(100)
_SUMMED = 2048
"""Whole numbers that are added one by one; beyond, an integral is as good."""
_ROWS = 512
_HALVINGS = 60


def best_of_n(
    log_tail: np.ndarray | float, support: str = "positive", *, probability: float = 0.95
) -> BestOfN:
    r"""Judge N by how rarely chance does as well, where no two options are equally good.

    .. math:: p(N \mid u^*) \propto N^{m-1} e^{-NS} \quad
              \text{on } N > 0, \quad N \ge 1 \quad \text{or} \quad N = 1, 2, \dots

    On whole numbers one choice gives E N = 1/p = 2^bits exactly; on all positive ones and for
    small p, E log2 N = bits - γ/ln 2 = bits - .833.

    Parameters
    ----------
    log_tail
        Natural logarithm of P(e,S,0)(u ≥ u*), below 0 and finite. Shape (..., choice): the choices
        of the last axis share their N; many choices with an N each are ``log_tail[:, None]``.
    support
        "positive": N > 0; "at_least_one": N ≥ 1; "integer": N = 1, 2, ...
    probability
        Of the intervals, strictly between 0 and 1.

    Returns
    -------
    BestOfN
        Arrays of shape (...). On whole numbers `interval` has whole ends.

    Raises
    ------
    CounterfactualError
        If a tail is no probability strictly between 0 and 1, or the support is none of these.
        Where utilities tie, ask :func:`~inference.arrays.order.best_of_n_levels.best_of_n_level`.

    References
    ----------
    J. M. Bernardo, "Reference posterior distributions for Bayesian inference", *JRSS B* 41 (1979).

    Examples
    --------
    >>> found = best_of_n(np.log(0.25))
    >>> found.mle.round(3), found.mean_log2.round(3), found.sd_log2.round(3)
    (np.float64(3.476), np.float64(0.965), np.float64(1.85))
    >>> best_of_n(np.log(0.25), "integer").mean.round(9)
    np.float64(4.0)
    >>> best_of_n(-1000 * np.log(2.0)).mean_log2.round(2)  # as good as 1000 bits
    np.float64(999.17)
    """
    if support not in _SUPPORTS:
        raise CounterfactualError(
            f"got support={support!r}; expected one of three. {nearest(support, _SUPPORTS)}"
        )
    refuse_share("probability", probability)
    surprises = log_surprise(_tails(log_tail))
    log_total = special.logsumexp(surprises, axis=-1)
    return _SUPPORTS[support](surprises.shape[-1], np.asarray(log_total), probability)


def _tails(log_tail: np.ndarray | float) -> np.ndarray:
    """Refuse tails at which no continuous choice can lie."""
    tails = np.atleast_1d(np.asarray(log_tail, dtype=np.float64))
    if not tails.shape[-1]:
        raise CounterfactualError(
            f"got log_tail of shape {tails.shape}; expected choices along the last axis."
        )
    wrong = ~(np.isfinite(tails) & (tails < 0))
    if wrong.any():
        place = tuple(int(index) for index in np.argwhere(wrong)[0])
        raise CounterfactualError(
            f"got log_tail={float(tails[place])!r} at {place}; expected the logarithm of a "
            "probability between 0 and 1, neither of them included. At the best or the worst "
            "there is, ask best_of_n_level or best_of_n_discrete; where no draw was as good, "
            "bound the tail first (counted_bits, split_tail)."
        )
    return tails


def _positive(choices: int, log_total: np.ndarray, probability: float) -> BestOfN:
    log_choices = math.log(choices)
    sides = np.array([1 - probability, 1 + probability]) / 2
    spread = np.sqrt(special.polygamma(1, choices))
    return BestOfN.from_logarithms(
        log_mle=log_choices - log_total,
        log_mean=log_choices - log_total,
        log_variance=log_choices - 2 * log_total,
        mean_log=special.digamma(choices) - log_total,
        sd_log=np.broadcast_to(spread, log_total.shape),
        log_ends=np.log(special.gammaincinv(choices, sides)) - log_total[..., None],
    )


def _at_least_one(choices: int, log_total: np.ndarray, probability: float) -> BestOfN:
    log_mle = np.maximum(math.log(choices) - log_total, 0.0)
    sides = np.array([1 - probability, 1 + probability]) / 2
    if choices == 1:
        log_ends = np.logaddexp(0.0, np.log(-np.log1p(-sides)) - log_total[..., None])
    else:
        found = [_by_rows(_Beyond(choices).quantile, log_total, side) for side in sides]
        log_ends = np.stack([np.asarray(end) for end in found], axis=-1)
    moments = _by_rows(_Beyond(choices).moments, log_total)
    return _from_moments(moments, log_mle, log_ends)


def _integer(choices: int, log_total: np.ndarray, probability: float) -> BestOfN:
    # Where N and N + 1 are equally likely the smaller is told, whatever the rounding.
    ratio = _log_expm1(log_total - math.log(choices))
    with np.errstate(over="ignore"):
        whole = np.ceil(np.exp(-ratio) * (1 - 1e-12))
    log_mle = np.where(ratio < -36.0, -ratio, np.log(np.clip(whole, 1.0, 2.0**53)))
    sides = np.array([1 - probability, 1 + probability]) / 2
    if choices == 1:
        log_ends = np.log(-np.log1p(-sides)) - log_total[..., None]
    else:
        log_ends = np.log(special.gammaincinv(choices, sides)) - log_total[..., None]
    with np.errstate(over="ignore"):
        ends = np.ceil(np.exp(log_ends) * (1 - 1e-12) - (0.5 if choices > 1 else 0.0))
    log_ends = np.where(log_ends > 36.0, log_ends, np.log(np.clip(ends, 1.0, 2.0**53)))
    if choices > 1:
        exact = [
            _by_rows(_Beyond(choices, whole=True).quantile, log_total, side) for side in sides
        ]
        known = np.stack([np.asarray(end) for end in exact], axis=-1)
        log_ends = np.where(np.isfinite(known), known, log_ends)
    moments = _by_rows(_Beyond(choices, whole=True).moments, log_total)
    found = _from_moments(moments, log_mle, log_ends)
    return replace(found, mle=np.rint(found.mle), interval=np.rint(found.interval))


_SUPPORTS: dict[str, Callable[[int, np.ndarray, float], BestOfN]] = {
    "positive": _positive,
    "at_least_one": _at_least_one,
    "integer": _integer,
}


def _from_moments(moments: np.ndarray, log_mle: np.ndarray, log_ends: np.ndarray) -> BestOfN:
    log_mean, log_variance, mean_log, sd_log = moments
    return BestOfN.from_logarithms(
        log_mle=log_mle,
        log_mean=log_mean,
        log_variance=log_variance,
        mean_log=mean_log,
        sd_log=sd_log,
        log_ends=log_ends,
    )


def _by_rows(found: Callable[..., np.ndarray], log_total: np.ndarray, *more: float) -> np.ndarray:
    """Apply to so many rows at once as memory allows; results lie along the axes before these."""
    rows = log_total.ravel()
    parts = [
        found(rows[start : start + _ROWS], *more) for start in range(0, max(rows.size, 1), _ROWS)
    ]
    joined = np.concatenate(parts, axis=-1)
    return joined.reshape(joined.shape[:-1] + log_total.shape)


def _log_expm1(log_number: np.ndarray) -> np.ndarray:
    """Logarithm of exp(x) - 1 from that of x."""
    number = np.exp(np.clip(log_number, -40.0, 6.0))
    near = np.log(np.expm1(np.minimum(number, 30.0)))
    large = np.where(number > 30.0, np.exp(np.minimum(log_number, 700.0)), near)
    return np.where(log_number < -40.0, log_number, large)


class _Beyond:
    """Integrate N^(m-1) exp(-NS) over N ≥ 1, or add it up over whole N, row by row.

    In x = ln N the log-density m x - S exp(x) is concave. It is counted from its top c, and
    integrated by Gauss's rule on either side of it, as far down as doubles see.
    """

    def __init__(self, choices: int, *, whole: bool = False) -> None:
        self.choices, self.whole = choices, whole

    def moments(self, log_total: np.ndarray) -> np.ndarray:
        """Give the logs of mean and variance of N, mean and deviation of ln N: (4, row)."""
        top, mass, x = self._points(log_total)
        mass = mass / mass.sum(axis=1, keepdims=True)
        excess = np.exp(x - top) * -np.expm1(-x)  # (N - 1) exp(-c)
        mean = (mass * excess).sum(axis=1)
        variance = (mass * np.square(excess - mean[:, None])).sum(axis=1)
        middle = (mass * (x - top)).sum(axis=1)
        spread = (mass * np.square(x - top - middle[:, None])).sum(axis=1)
        top = top[:, 0]
        with np.errstate(divide="ignore"):
            log_mean = np.logaddexp(0.0, top + np.log(mean))
            log_variance = 2 * top + np.log(np.maximum(variance, 0.0))
        return np.stack([log_mean, log_variance, top + middle, np.sqrt(np.maximum(spread, 0.0))])

    def quantile(self, log_total: np.ndarray, side: float) -> np.ndarray:
        """Logarithm of the N below which this much lies; NaN beyond whole numbers added up."""
        if self.whole:
            _, mass, _ = self._points(log_total)
            below = np.cumsum(mass[:, :_SUMMED], axis=1) / mass.sum(axis=1, keepdims=True)
            place = (below < side - 1e-12).sum(axis=1)
            number = np.where(place < _SUMMED - 1, place + 1.0, np.nan)
            return np.log(number)
        top, scale, low, high = self._window(log_total)
        start = np.maximum(low, -top)
        left, right = start, high
        whole = self._integral(scale, start, high)[0].sum(axis=1, keepdims=True)
        for _ in range(_HALVINGS):
            middle = (left + right) / 2
            above = self._integral(scale, middle, high)[0].sum(axis=1, keepdims=True) / whole
            left, right = (
                np.where(above > 1 - side, middle, left),
                np.where(above > 1 - side, right, middle),
            )
        return (top + (left + right) / 2)[:, 0]

    def _window(
        self, log_total: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Top c of the density on x ≥ 0, S exp(c), and how far below and above c it reaches."""
        free = math.log(self.choices) - log_total[:, None]
        top = np.maximum(free, 0.0)
        scale = np.where(
            free > 0, float(self.choices), np.exp(np.maximum(log_total[:, None], -700))
        )
        ends = []
        for far in (-_DROP - 2.0, 6.0):
            inside, outside = np.zeros_like(top), np.full_like(top, far)
            for _ in range(_HALVINGS):
                middle = (inside + outside) / 2
                seen = self.choices * middle - scale * np.expm1(middle) > -_DROP
                inside, outside = (
                    np.where(seen, middle, inside),
                    np.where(seen, outside, middle),
                )
            ends.append(outside)
        return top, scale, ends[0], ends[1]

    def _integral(
        self, scale: np.ndarray, start: np.ndarray, end: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mass and place (from the top) of the points of Gauss's rule between two places."""
        end = np.maximum(start, end)
        turn = np.clip(0.0, start, end)
        masses, places = [], []
        for low, high in ((start, turn), (turn, end)):
            half = (high - low) / 2
            place = low + half * (1 + _NODES)
            height = np.exp(self.choices * place - scale * np.expm1(place))
            masses.append(height * half * _WEIGHTS)
            places.append(place)
        return np.concatenate(masses, axis=1), np.concatenate(places, axis=1)

    def _points(self, log_total: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Top c, and mass and x of all points, (row, point)."""
        top, scale, low, high = self._window(log_total)
        first = math.log(_SUMMED + 0.5) if self.whole else 0.0
        mass, place = self._integral(scale, np.maximum(low, first - top), high)
        if not self.whole:
            return top, mass, np.maximum(top + place, 0.0)
        number = np.arange(1.0, _SUMMED + 2)
        x = np.log(number)
        height = self.choices * (x - top) - scale * np.expm1(np.minimum(x - top, 700.0)) - x
        # The midpoint rule falls short by a 24th of the slope where the sum is left off.
        share = np.ones(_SUMMED + 1)
        share[-2:] = 1 - 1 / 24, 1 / 24
        single = np.exp(height) * share
        return (
            top,
            np.concatenate([single, mass], axis=1),
            np.concatenate([np.broadcast_to(x, single.shape), top + place], axis=1),
        )
