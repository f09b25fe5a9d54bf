r"""What is known of N, the number of options tried, under any likelihood and any prior?

.. math:: p(N \mid \mathrm{seen}) \propto \pi(N) L(N), \qquad
          \pi_{\mathrm{Jeffreys}}(N) = \sqrt{\textstyle\sum_k P_k'(N)^2 / P_k(N)}

by sums over an even grid of log2 N. For options that are finitely many, the prior 1/N leaves no
posterior after the best choice or the worst one. Jeffreys' prior of the discrete choice itself
does: its integral is finite (5.84 for eight equal states), and at its ends it falls as fast as
choices stop telling one N from another. Where a choice was seen through noise 1/N is improper
once more: any N beyond some point makes it as likely, and the end of the grid is part of the
answer. A warning says so.
"""

import math
import warnings
from collections.abc import Callable

import numpy as np
from scipy import optimize

from counterfactual_models.errors import CounterfactualError, ImpactWarning
from inference.arrays.order.best_of_n_found import BestOfN
from inference.arrays.order.best_of_n_levels import (
    UtilityLevels,
    level_log_probabilities,
    utility_levels,
)
from inference.arrays.order.chain_errors import refuse_share
from inference.arrays.order.exceedance import finite_values, log_complement

__all__ = ["best_of_n_discrete", "best_of_n_posterior", "jeffreys_log_prior"]

_AT_ONCE = 1 << 21
_PER_BIT = 64
"""Points of the grid per bit: an even grid is exact for densities wider than a few of them."""
_AT_THE_EDGE = 0.01
_FARTHEST = 1000.0
_LOWEST, _HIGHEST, _BEYOND_TOP = -60.0, 20.0, 12.0


def jeffreys_log_prior(
    number: np.ndarray | float, utility: np.ndarray, log_measure: np.ndarray | None = None
) -> np.ndarray:
    r"""Jeffreys' prior of N when the best of N is chosen from finitely many options.

    .. math:: \ln \sqrt{I(N)}, \qquad
              I(N) = \sum_k P_k(N) \Bigl(\ln F_k + \frac{d_k}{e^{N d_k} - 1}\Bigr)^2,
              \qquad d_k = \ln(F_k/F_{k-1})

    Parameters
    ----------
    number
        N, positive, any shape.
    utility
        Of each option, (option,); at least two levels.
    log_measure
        Natural logarithms of the options' shares in the baseline, up to a constant; all the same
        if None.

    Returns
    -------
    np.ndarray
        Logarithm of a density in N, not normalised; shape of `number`.

    Raises
    ------
    CounterfactualError
        If all options are equally good: then no choice tells anything of N.

    References
    ----------
    H. Jeffreys, "An invariant form for the prior probability in estimation problems", *Proc. R.
    Soc. A* 186 (1946).

    Examples
    --------
    >>> numbers = np.exp2(np.linspace(-60, 20, 4001))
    >>> density = np.exp(jeffreys_log_prior(numbers, np.arange(8.0)))
    >>> (density * numbers * np.log(2) * 80 / 4000).sum().round(5)  # its integral
    np.float64(5.84128)
    """
    return _jeffreys(number, utility_levels(utility, log_measure))


def best_of_n_posterior(
    log_likelihood: Callable[[np.ndarray], np.ndarray],
    log_prior: Callable[[np.ndarray], np.ndarray] | None = None,
    *,
    lowest: float = 0.0,
    highest: float = 20.0,
    probability: float = 0.95,
) -> BestOfN:
    r"""Judge N by a likelihood and a prior that are given as functions.

    Parameters
    ----------
    log_likelihood
        Takes N, (point,), and returns ln L(N), (point,).
    log_prior
        Likewise, the logarithm of a density in N; 1/N if None.
    lowest, highest
        log2 of the range of N: from one option to a million if not told otherwise.
    probability
        Of the intervals, strictly between 0 and 1.

    Returns
    -------
    BestOfN
        Scalars. `mle` is where the likelihood is largest: infinite or 0 (or the least N, if that
        is 1) where it only approaches that value at the end of the grid; NaN if it is flat.

    Raises
    ------
    CounterfactualError
        If the range is empty, or the functions return NaN, infinity or another shape.

    Warns
    -----
    ImpactWarning
        If more than a hundredth of the posterior lies within one bit of an end of the grid (of
        the lower end only if that lies below one option): then `proper` is False, too.

    Examples
    --------
    The best of N draws of N(0, 1) was chosen, and a scale that errs by .3 showed 3. The draws are
    replaced by their quantiles, weighed so that they reach far beyond what any N could.

    >>> from inference.arrays.order.best_of_n_levels import best_of_n_marginal
    >>> options = np.linspace(-8, 8, 1601)
    >>> weights, seen = -0.5 * options**2, -0.5 * ((3 - options) / 0.3) ** 2
    >>> found = best_of_n_posterior(
    ...     lambda number: best_of_n_marginal(number, options, seen, weights)
    ... )
    >>> found.mean_log2.round(2), found.sd_log2.round(2)
    (np.float64(8.9), np.float64(2.3))
    """
    found, said = _on_a_grid(log_likelihood, log_prior, lowest, highest, probability)
    if said:
        warnings.warn(said, ImpactWarning, stacklevel=2)
    return found


def best_of_n_discrete(
    utility: np.ndarray,
    achieved: np.ndarray | float,
    log_measure: np.ndarray | None = None,
    *,
    probability: float = 0.95,
) -> BestOfN:
    """Judge N by choices among finitely many options, under Jeffreys' prior of such choices.

    Parameters
    ----------
    utility
        Of each option, (option,); at least two levels.
    achieved
        Utility of what was chosen, one or several choices of the same N; each that of an option.
    log_measure
        Natural logarithms of the options' shares in the baseline, up to a constant; all the same
        if None.
    probability
        Of the intervals, strictly between 0 and 1.

    Returns
    -------
    BestOfN
        Scalars. Proper even at the best level (`mle` infinite) and at the worst (`mle` 0).

    Raises
    ------
    CounterfactualError
        If something achieved is the utility of no option, or all options are equally good.

    Examples
    --------
    >>> for chosen in (7, 6, 0):  # of 0, ..., 7
    ...     found = best_of_n_discrete(np.arange(8), chosen)
    ...     print(found.mean_log2.round(3), found.sd_log2.round(2), found.mle.round(2))
    3.177 1.69 inf
    1.659 1.59 4.98
    -4.174 3.21 0.0
    """
    levels = utility_levels(utility, log_measure)
    places, times = np.unique(_places(levels, achieved), return_counts=True)

    def log_likelihood(number: np.ndarray) -> np.ndarray:
        numbers, steps = number[:, None], levels.log_step[places]
        logs = numbers * levels.log_at[places] + log_complement(numbers * steps)
        return logs @ times

    top = -float(levels.log_mass[-1]) / math.log(2)
    found, said = _on_a_grid(
        log_likelihood,
        lambda number: _jeffreys(number, levels),
        _LOWEST,
        min(max(_HIGHEST, top + _BEYOND_TOP), _FARTHEST),
        probability,
    )
    if said:
        warnings.warn(said, ImpactWarning, stacklevel=2)
    return found


def _places(levels: UtilityLevels, achieved: np.ndarray | float) -> np.ndarray:
    """Find the levels that were achieved."""
    values = np.atleast_1d(finite_values("achieved", achieved)).ravel()
    place = np.searchsorted(levels.utility, values).clip(max=len(levels.utility) - 1)
    unknown = levels.utility[place] != values
    if unknown.any() or not values.size:
        near = levels.utility[place[unknown][:1]]
        raise CounterfactualError(
            f"got achieved={values[unknown][:1]}; expected utilities of possible options, such as "
            f"{near}. If utilities are continuous, give the logarithms of tails to best_of_n."
        )
    return place


def _jeffreys(number: np.ndarray | float, levels: UtilityLevels) -> np.ndarray:
    if levels.utility.size < 2:
        raise CounterfactualError(
            "got options that are all equally good; expected two levels of utility or more. No "
            "choice among these tells anything of N."
        )
    numbers = np.asarray(number, dtype=np.float64)
    flat, found = numbers.ravel(), np.empty(numbers.size)
    steps = -levels.log_step[1:]  # d_k, infinite for the worst level
    step = max(1, _AT_ONCE // steps.size)
    for start in range(0, flat.size, step):
        part = flat[start : start + step, None]
        far = part * steps
        with np.errstate(divide="ignore"):
            rise = np.log(steps) - far - log_complement(-far)
            middle = np.log(np.abs(levels.log_at[1:-1] + np.exp(rise[:, :-1])))
        worst = np.full((len(part), 1), math.log(-levels.log_at[0]))
        score = np.concatenate([worst, middle, rise[:, -1:]], axis=1)
        information = level_log_probabilities(part[:, 0], levels) + 2 * score
        found[start : start + step] = np.logaddexp.reduce(information, axis=1) / 2
    return found.reshape(numbers.shape)


def _on_a_grid(
    log_likelihood: Callable[[np.ndarray], np.ndarray],
    log_prior: Callable[[np.ndarray], np.ndarray] | None,
    lowest: float,
    highest: float,
    probability: float,
) -> tuple[BestOfN, str]:
    """Find the posterior, and what must be said of the ends of the grid."""
    refuse_share("probability", probability)
    if not -_FARTHEST <= lowest < highest <= _FARTHEST:
        raise CounterfactualError(
            f"got log2 N from {lowest} to {highest}; expected a range within ±{_FARTHEST:.0f}."
        )
    cells = 2 * max(32, math.ceil((highest - lowest) * _PER_BIT / 2))
    x = np.linspace(lowest, highest, cells + 1)
    number = np.exp2(x)
    likelihood = _values("log_likelihood", log_likelihood, number)
    prior = -np.log(number) if log_prior is None else _values("log_prior", log_prior, number)
    if not np.isfinite((likelihood + prior).max()):
        raise CounterfactualError(
            f"got a posterior that is 0 everywhere from N = 2^{lowest} to 2^{highest}; expected "
            "some N under which this can be seen. Widen the range."
        )
    log_density = likelihood + prior + x * math.log(2)
    simpson = np.tile([2.0, 4.0], cells // 2 + 1)[: cells + 1]
    simpson[[0, -1]] = 1.0
    mass = np.exp(log_density - log_density.max()) * simpson
    mass /= mass.sum()
    said = _edges(x, mass)
    mean, mean_log2 = mass @ number, mass @ x
    sides = np.array([1 - probability, 1 + probability]) / 2
    ends = np.interp(sides, _cumulated(log_density), x)
    log_mle = _likeliest(log_likelihood, x, likelihood)
    with np.errstate(divide="ignore"):
        found = BestOfN.from_logarithms(
            log_mle=np.asarray(log_mle),
            log_mean=np.log(mean),
            log_variance=2 * np.log(number[-1])
            + np.log(mass @ np.square((number - mean) / number[-1])),
            mean_log=mean_log2 * math.log(2),
            sd_log=np.sqrt(mass @ np.square(x - mean_log2)) * math.log(2),
            log_ends=ends * math.log(2),
            why=said,
        )
    return found, said


def _values(
    name: str, function: Callable[[np.ndarray], np.ndarray], number: np.ndarray
) -> np.ndarray:
    found = np.asarray(function(number), dtype=np.float64)
    if found.shape != number.shape:
        raise CounterfactualError(
            f"got {name} of shape {found.shape} for {number.size} values of N; expected one "
            "logarithm for each."
        )
    wrong = np.isnan(found) | np.isposinf(found)
    if wrong.any():
        raise CounterfactualError(
            f"got {name}={found[wrong][0]} at N={number[wrong][0]:g}; expected a logarithm below "
            "infinity."
        )
    return found


def _edges(x: np.ndarray, mass: np.ndarray) -> str:
    """Say how much lies where the grid ends, if that matters; N = 1 is no end but the least N."""
    for end, share in (
        (x[-1], mass[x > x[-1] - 1].sum()),
        (x[0], mass[x < x[0] + 1].sum() if x[0] < 0 else 0.0),
    ):
        if share > _AT_THE_EDGE:
            return (
                f"{100 * share:.1f} % of the posterior of N lies within one bit of N = 2^{end:g}, "
                "where the grid ends: mean, deviation and interval depend on that end. What was "
                "seen cannot tell such N apart: give a proper prior, or name the range with the "
                "result."
            )
    return ""


def _cumulated(log_density: np.ndarray) -> np.ndarray:
    density = np.exp(log_density - log_density.max())
    pieces = np.append(0.0, (density[1:] + density[:-1]) / 2)
    return np.cumsum(pieces) / pieces.sum()


def _likeliest(
    log_likelihood: Callable[[np.ndarray], np.ndarray], x: np.ndarray, likelihood: np.ndarray
) -> float:
    """Logarithm of the N at which the likelihood is largest."""
    near = likelihood.max() - 1e-12 * (1 + abs(likelihood.max()))
    low, high = likelihood[0] >= near, likelihood[-1] >= near
    if low and high:
        return math.nan
    if high:
        return math.inf
    if low:
        return -math.inf if x[0] < 0 else float(x[0] * math.log(2))
    best = int(likelihood.argmax())
    between = optimize.minimize_scalar(
        lambda place: -float(log_likelihood(np.exp2(np.array([place])))[0]),
        bounds=(x[best - 1], x[best + 1]),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(between.x * math.log(2))
