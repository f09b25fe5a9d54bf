r"""How strongly are better options preferred, if each is weighed by the exponential of its rank?

.. math:: p_\lambda(q) = \frac{\lambda e^{\lambda(q - 1)}}{1 - e^{-\lambda}}, \qquad
          q = F_0(u) \in [0, 1]

The rank can always be weighed, whatever the tail of the utility. At λ = N - 1 and large N it says
the same as the best of N: their divergence falls like 5/(2N²) nats. At λ = 0 it is chance, below 0
the worse is preferred. Tails p = 1 - q come in as logarithms: 1e-300 has λ = 1e300.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.best_of_n_found import positive_numbers
from inference.arrays.order.best_of_n_laws import best_of_n_divergence
from inference.arrays.order.exceedance import finite_values, log_complement

__all__ = [
    "RankExponentialFit",
    "rank_exponential_divergence",
    "rank_exponential_fit",
    "rank_exponential_from_best_of_n",
    "rank_exponential_log_density",
]

_LN2 = math.log(2.0)
_NEAR = 1.0
_HALVINGS = 80
_EVEN = np.arange(2, 26, 2)
# ln(sinh(x/2)/(x/2)) = Σ B_2k/(2k (2k)!) x^2k
_SERIES = special.bernoulli(24)[_EVEN] / (_EVEN * special.factorial(_EVEN))


@dataclass(frozen=True)
class RankExponentialFit:
    """An exponential weighting by rank, and the number of options it amounts to.

    Parameters
    ----------
    rate
        The likeliest λ.
    rate_error
        1/√(Fisher's information): how far so few choices can tell, not a Monte Carlo error.
    number
        λ + 1: of so many options the best is much the same, where that is large.
    bits
        Kullback-Leibler divergence of the weighted law from chance.
    """

    rate: np.ndarray
    rate_error: np.ndarray
    number: np.ndarray
    bits: np.ndarray


def rank_exponential_log_density(
    rate: np.ndarray | float, log_tail: np.ndarray | float
) -> np.ndarray:
    r"""Logarithm of the density of the rank q = 1 - p, stable for λ → 0 and for huge λ.

    Parameters
    ----------
    rate
        λ, any sign.
    log_tail
        Natural logarithm of p = P(e,S,0)(u ≥ u*), at most 0; ``-inf`` for the very best.

    Returns
    -------
    np.ndarray
        Of the broadcast shape; 0 at λ = 0.

    Examples
    --------
    >>> rank_exponential_log_density(np.array([0.0, 1e-12, 3.0]), np.log(0.25)).round(4)
    array([0.    , 0.    , 0.3997])
    >>> rank_exponential_log_density(1e300, np.log(1e-300)).round(2)  # ln λ - 1
    np.float64(689.78)
    """
    rates = np.asarray(finite_values("rate", rate), dtype=np.float64)
    tail = np.exp(np.asarray(log_tail, dtype=np.float64))
    rank = np.exp(log_complement(log_tail))
    size = np.abs(rates)
    large = np.maximum(size, _NEAR)
    away = np.where(rates > 0, tail, rank)  # from the end that is preferred
    plain = np.log(large) - large * away - log_complement(-large)
    return np.where(size < _NEAR, rates * (0.5 - tail) - _half_sinh(rates), plain)


def rank_exponential_divergence(rate: np.ndarray | float) -> np.ndarray:
    r"""Kullback-Leibler divergence of the weighted law from chance, in bits.

    :math:`(\ln\lambda - \ln(1 - e^{-\lambda}) - 1 + \lambda/(e^\lambda - 1))/\ln 2`, the same for
    λ and -λ, near :math:`\lambda^2/(24 \ln 2)` for small ones.

    Examples
    --------
    >>> rank_exponential_divergence(np.array([0.0, -1.0, 1.0, 1023.0])).round(6)
    array([0.      , 0.058648, 0.058648, 8.555895])
    """
    rates = np.abs(np.asarray(finite_values("rate", rate), dtype=np.float64))
    near = np.minimum(rates, _NEAR)[..., None] ** _EVEN @ (_SERIES * (_EVEN - 1))
    large = np.maximum(rates, _NEAR)
    plain = np.log(large) - log_complement(-large) - 1 + large * _bose(large)
    return np.where(rates < _NEAR, near, plain) / _LN2


def rank_exponential_fit(log_tail: np.ndarray | float) -> RankExponentialFit:
    r"""Find the likeliest λ: the one at which the mean tail is that of the choices.

    .. math:: \frac1\lambda - \frac{1}{e^\lambda - 1} = \frac1m \sum_i p_i

    Parameters
    ----------
    log_tail
        Natural logarithms of P(e,S,0)(u ≥ u*), (..., choice): the choices of the last axis share
        their λ. Their mean must lie strictly between 0 and 1.

    Returns
    -------
    RankExponentialFit
        Arrays of shape (...).

    Raises
    ------
    CounterfactualError
        If these are no logarithms of probabilities, or all are 0 or all are 1.

    Examples
    --------
    >>> found = rank_exponential_fit(np.log([[0.6], [0.01], [1e-300]]))
    >>> found.rate[0].round(3), found.rate[1:]
    (np.float64(-1.23), array([1.e+002, 1.e+300]))
    >>> found.rate_error[1].round(2), found.bits[1].round(3)
    (np.float64(100.0), np.float64(5.201))
    """
    logs = np.atleast_1d(np.asarray(log_tail, dtype=np.float64))
    log_complement(logs)  # refuses what is no probability
    choices = logs.shape[-1]
    log_mean = special.logsumexp(logs, axis=-1) - math.log(choices) if choices else np.array(0.0)
    log_rank = special.logsumexp(log_complement(logs), axis=-1) - math.log(max(choices, 1))
    wrong = ~(np.isfinite(log_mean) & np.isfinite(log_rank) & (choices > 0))
    if wrong.any():
        raise CounterfactualError(
            f"got a mean tail of {float(np.exp(log_mean[wrong].flat[0]))} over {choices} choices; "
            "expected one strictly between 0 and 1. At the very best or the very worst, no rate "
            "is strong enough."
        )
    better = log_mean < log_rank
    size = _rate_of(np.minimum(np.where(better, log_mean, log_rank), -_LN2))
    rates = np.where(better, size, -size) + 0.0  # never -0.0
    return RankExponentialFit(
        rate=rates,
        rate_error=_deviation(size) / math.sqrt(choices),
        number=rates + 1,
        bits=rank_exponential_divergence(rates),
    )


def rank_exponential_from_best_of_n(
    number: np.ndarray | float, rate: np.ndarray | float | None = None
) -> np.ndarray:
    r"""How far is the best of N from an exponential weighting of the rank? In bits.

    .. math:: \mathrm{KL}(\mathrm{Beta}(N, 1) \,\|\, p_\lambda), \qquad \text{at } \lambda = N - 1:
              \quad -\ln(1 - \tfrac1N) - \tfrac1N + \frac{2}{N(N + 1)} + \ln(1 - e^{-(N - 1)})

    Parameters
    ----------
    number
        N, positive.
    rate
        λ; N - 1 if None.

    Returns
    -------
    np.ndarray
        Bits, at least 0; about 5/(2N² ln 2) at λ = N - 1.

    Examples
    --------
    >>> (rank_exponential_from_best_of_n([1, 2, 16]) * np.log(2)).round(6)  # in nats
    array([0.      , 0.067805, 0.009391])
    """
    numbers = positive_numbers("number", number)
    rates = numbers - 1 if rate is None else np.asarray(finite_values("rate", rate), float)
    # -∫ ln p_λ over Beta(N, 1), whose mean tail is 1/(N + 1); the density at the mean is exact,
    # since its logarithm is linear in the rank.
    at_mean = rank_exponential_log_density(rates, -np.log1p(numbers))
    plain = best_of_n_divergence(numbers) * _LN2 - at_mean
    if rate is None:
        many = np.maximum(numbers, 2.0)
        small = 1 / many
        # -ln(1 - x) - x = x²/2 ₂F₁(1, 2; 3; x), which loses nothing for large N.
        rest = small**2 / 2 * special.hyp2f1(1, 2, 3, small)
        exact = rest + 2 * small / (many + 1) + log_complement(1 - many)
        plain = np.where(numbers >= 2, exact, plain)
    return np.maximum(plain, 0.0) / _LN2


def _half_sinh(rate: np.ndarray) -> np.ndarray:
    """ln(sinh(λ/2)/(λ/2)) for small λ."""
    found: np.ndarray = np.clip(rate, -_NEAR, _NEAR)[..., None] ** _EVEN @ _SERIES
    return found


def _bose(rate: np.ndarray) -> np.ndarray:
    """1/(exp(λ) - 1), and 0 where that underflows."""
    return np.where(rate < 700, 1 / np.expm1(np.minimum(rate, 700.0)), 0.0)


def _rate_of(log_mean: np.ndarray) -> np.ndarray:
    """Find λ ≥ 0 with this mean tail, at most a half, by halving in λ; beyond 50 it is 1/p."""
    low, high = np.zeros(log_mean.shape), np.full(log_mean.shape, 64.0)
    mean = np.exp(log_mean)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        safe = np.maximum(middle, _NEAR)
        slope = np.minimum(middle, _NEAR)[..., None] ** (_EVEN - 1) @ (_SERIES * _EVEN)
        tail = np.where(middle < _NEAR, 0.5 - slope, 1 / safe - _bose(safe))
        low, high = np.where(tail > mean, middle, low), np.where(tail > mean, high, middle)
    return np.where(log_mean < -math.log(50.0), np.exp(-log_mean), (low + high) / 2)


def _deviation(rate: np.ndarray) -> np.ndarray:
    """One over the deviation of the rank at λ ≥ 0: √12 at 0, λ for large λ."""
    near = np.minimum(rate, _NEAR)[..., None] ** (_EVEN - 2) @ (_SERIES * _EVEN * (_EVEN - 1))
    large = np.maximum(rate, _NEAR)
    some = np.minimum(large, 700.0)
    share = 1 - some**2 * _bose(some) * (1 + _bose(some))
    return np.where(rate < _NEAR, 1 / np.sqrt(near), large / np.sqrt(share))
