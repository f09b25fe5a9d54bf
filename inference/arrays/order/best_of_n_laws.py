r"""What do the best of N, contested choices and games in turn show on average?

.. math:: \mathrm{KL} = \frac{\ln N - 1 + 1/N}{\ln 2}, \qquad \mathbb E[\mathrm{OP}] =
          \frac{H_N}{\ln 2}, \qquad -\log_2 \mathbb E[\mathrm{tail}] = \log_2(N + 1)

where no two options are equally good: q = F₀(u) is Beta(N, 1), and all are in bits. The best of
one, chance itself, scores log₂ e = 1.4427 bits on average and one bit of mean tail: take that off
before levels are added up. Against an opponent q is, very crudely, Beta(N, M).
"""

import math

import numpy as np
from scipy import optimize, special

from counterfactual_models.errors import CounterfactualError, refuse_counts
from inference.arrays.order.best_of_n_found import positive_numbers
from inference.arrays.order.best_of_n_levels import level_log_probabilities, utility_levels
from inference.arrays.order.exceedance import finite_values, log_complement

__all__ = [
    "alternating_cdf",
    "alternating_fixed_point",
    "best_of_n_bits",
    "best_of_n_discrete_divergence",
    "best_of_n_divergence",
    "best_of_n_mean_tail",
    "opposed_bits",
    "opposed_bits_lost",
]

_LN2 = math.log(2.0)
_NEAR = 0.05
_TERMS = np.arange(2, 16)
# ψ(1 + N) + γ = Σ (-1)^k ζ(k) N^(k-1), k ≥ 2: what is left where both are nearly equal.
_HARMONIC = (-1.0) ** _TERMS * special.zeta(_TERMS)


def best_of_n_divergence(number: np.ndarray | float) -> np.ndarray:
    r"""Kullback-Leibler divergence of the best of N from chance, in bits.

    :math:`(\ln N - (N-1)/N)/\ln 2`; an upper bound where options tie or are few (then see
    :func:`best_of_n_discrete_divergence`). N may lie below 1: the worse ones are preferred.

    Parameters
    ----------
    number
        N, positive, any shape.

    Returns
    -------
    np.ndarray
        Bits, at least 0.

    References
    ----------
    A. Beirami et al., "Theoretical guarantees on the best-of-n alignment policy",
    arXiv:2401.01879.

    Examples
    --------
    >>> best_of_n_divergence([1, 2, 1024]).round(6)
    array([0.      , 0.278652, 8.558714])
    """
    x = np.log(positive_numbers("number", number))
    close = np.clip(x, -_NEAR, _NEAR)
    powers = np.stack([(-close) ** k / math.factorial(k) for k in range(2, 12)])
    return np.where(np.abs(x) < _NEAR, powers.sum(axis=0), x + np.expm1(-x)) / _LN2


def best_of_n_bits(number: np.ndarray | float) -> np.ndarray:
    r"""How many bits has the best of N on average? :math:`H_N/\ln 2`, with 1.4427 at N = 1.

    H_N = ψ(N + 1) + γ, for N that are not whole, too.

    Examples
    --------
    >>> best_of_n_bits([1, 2, 16]).round(6)
    array([1.442695, 2.164043, 4.877361])
    """
    numbers = positive_numbers("number", number)
    small = np.minimum(numbers, _NEAR)[..., None] ** (_TERMS - 1) @ _HARMONIC
    return np.where(numbers < _NEAR, small, special.digamma(numbers + 1) + np.euler_gamma) / _LN2


def best_of_n_mean_tail(number: np.ndarray | float) -> np.ndarray:
    """Bits of the mean tail of the best of N: log2(N + 1), with 1 bit at N = 1.

    Examples
    --------
    >>> best_of_n_mean_tail([1, 2, 1023]).round(6)
    array([ 1.      ,  1.584963, 10.      ])
    """
    return np.log1p(positive_numbers("number", number)) / _LN2


def best_of_n_discrete_divergence(
    number: np.ndarray | float, utility: np.ndarray, log_measure: np.ndarray | None = None
) -> np.ndarray:
    r"""Kullback-Leibler divergence of the best of N from chance among these options, in bits.

    :math:`\sum_k P_k \log_2(P_k/m_k)` over levels of equal utility; never more than
    :func:`best_of_n_divergence`, nor than the surprisal of the best level.

    Parameters
    ----------
    number
        N, positive, any shape.
    utility
        Of each option, (option,).
    log_measure
        Natural logarithms of the options' shares in the baseline, up to a constant; all the same
        if None.

    Returns
    -------
    np.ndarray
        Bits, at least 0, shape of `number`.

    Examples
    --------
    >>> (best_of_n_discrete_divergence(4, np.arange(8.0)) * np.log(2)).round(6)  # in nats
    np.float64(0.624646)
    >>> best_of_n_discrete_divergence(1000, np.array([0.0, 1.0])).round(6)  # a fair coin
    np.float64(1.0)
    """
    levels = utility_levels(utility, log_measure)
    numbers = positive_numbers("number", number)
    found = np.empty(numbers.size)
    for place, own in enumerate(numbers.ravel()):
        logs = level_log_probabilities(own, levels)
        chosen = np.exp(logs)
        gain = np.where(chosen > 0, logs - levels.log_mass, 0.0)
        found[place] = max(float(chosen @ gain), 0.0)
    return found.reshape(numbers.shape) / _LN2


def opposed_bits(number: np.ndarray | float, opponents: np.ndarray | float) -> np.ndarray:
    r"""How many bits are left on average by an opponent? :math:`(\psi(N + M) - \psi(M))/\ln 2`.

    Examples
    --------
    >>> opposed_bits(1024, 32).round(6), opposed_bits(2, 1).round(6)
    (np.float64(5.06637), np.float64(2.164043))
    """
    best, worst = positive_numbers("number", number), positive_numbers("opponents", opponents)
    return (special.digamma(best + worst) - special.digamma(worst)) / _LN2


def opposed_bits_lost(number: np.ndarray | float, opponents: np.ndarray | float) -> np.ndarray:
    """How many expected bits does the opponent take? Nothing where M = 1.

    Examples
    --------
    >>> opposed_bits_lost(1024, np.array([1, 32])).round(6)
    array([0.     , 5.76708])
    """
    return best_of_n_bits(number) - opposed_bits(number, opponents)


def alternating_cdf(
    cdf: np.ndarray | float, best_of: float, worst_of: float, rounds: int
) -> np.ndarray:
    r"""Values of positions of a game in which two take turns, by the quantile of its ends.

    .. math:: q \mapsto (1 - (1 - q)^c)^b

    each round: the opponent moves to the worst of c positions, then S to the best of b.

    Parameters
    ----------
    cdf
        q = P(an end is worth no more than u), in [0, 1], any shape.
    best_of, worst_of
        b and c, positive.
    rounds
        How often both have moved.

    Returns
    -------
    np.ndarray
        P(the first position is worth no more than u), shape of `cdf`.

    References
    ----------
    W. D. Smith, "Fixed point for negamaxing probability distributions on regular trees" (1992);
    J. Pearl, "Asymptotic properties of minimax trees and game-searching procedures",
    *Artificial Intelligence* 14 (1980).

    Examples
    --------
    >>> alternating_cdf(0.5, 2, 2, rounds=2).round(6)
    np.float64(0.653824)
    """
    refuse_counts(0, rounds=rounds)
    best, worst = positive_numbers("best_of", best_of), positive_numbers("worst_of", worst_of)
    found = np.asarray(finite_values("cdf", cdf), dtype=np.float64)
    if ((found < 0) | (found > 1)).any():
        raise CounterfactualError(
            f"got cdf={found[(found < 0) | (found > 1)][0]}; expected probabilities."
        )
    for _ in range(rounds):
        with np.errstate(divide="ignore"):
            found = np.power(-np.expm1(worst * np.log1p(-found)), best)
    return found


def alternating_fixed_point(best_of: float, worst_of: float) -> float:
    """Quantile of the ends to which a game of many rounds comes down: what is below it is lost.

    Parameters
    ----------
    best_of, worst_of
        b and c of :func:`alternating_cdf`, both above 1.

    Returns
    -------
    float
        Strictly between 0 and 1 (unless it underflows).

    Raises
    ------
    CounterfactualError
        If a side has no choice: then the other drives the value to an end of the scale.

    Examples
    --------
    >>> round(alternating_fixed_point(2, 2), 9)  # (3 - √5)/2, Pearl's threshold
    0.381966011
    """
    best = float(positive_numbers("best_of", best_of))
    worst = float(positive_numbers("worst_of", worst_of))
    if min(best, worst) <= 1:
        raise CounterfactualError(
            f"got best_of={best_of!r} and worst_of={worst_of!r}; expected more than 1 of both. "
            "With one option a side has no say, and no value holds its own between the ends."
        )

    def change(odds: float) -> float:
        quantile, tail = special.log_expit(odds), special.log_expit(-odds)
        return float(best * log_complement(worst * tail) - quantile)

    low = max(-best * math.log(worst) / (best - 1) - 5, -700.0)
    high = min(math.log(best) / (worst - 1) + 5, 700.0)
    return float(special.expit(optimize.brentq(change, low, high, xtol=1e-14)))
