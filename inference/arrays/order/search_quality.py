r"""How good is a search, for its price and for what it could do?

Bits per try mean little: n random tries are expected to score

.. math:: \frac{H_n}{\ln 2} = \frac{1}{\ln 2} \sum_{k=1}^n \frac1k

(1.4427 for one: chance itself), which is ever less per try. What counts is the excess over these.
And what a disciple does here may be little of what it can do elsewhere.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.chain_errors import BitsKnown, as_chains, refuse_share

__all__ = ["Potential", "SearchRate", "potential", "search_rate"]

_LN2 = np.log(2.0)


@dataclass(frozen=True)
class SearchRate:
    """Bits for their price, shaped as the bits.

    Parameters
    ----------
    per_evaluation, per_second
        Bits per try and per second; the latter None where no time was given. Random search slows
        down as log2(n)/n: compare these at equal n only.
    excess
        Bits less the H_n/ln 2 that the best of n random tries is expected to score, in bits.
    efficiency
        Bits over these H_n/ln 2, a ratio without unit: 1 for random search.
    *_mcse
        Of each, in its unit.
    """

    per_evaluation: np.ndarray
    per_evaluation_mcse: np.ndarray
    per_second: np.ndarray | None
    per_second_mcse: np.ndarray | None
    excess: np.ndarray
    excess_mcse: np.ndarray
    efficiency: np.ndarray
    efficiency_mcse: np.ndarray


@dataclass(frozen=True)
class Potential:
    """What a disciple could do in any of a declared set of environments, and does in this one.

    Parameters
    ----------
    maximum, quantile
        Of the bits over the environments.
    maximum_noise
        By how much the largest of as many estimates is too large if the environments are alike.
    achieved
        In this world.
    held_back
        `maximum` less `achieved`.
    share_above
        Share of environments in which it does better than here.
    """

    maximum: BitsKnown
    quantile: BitsKnown
    maximum_noise: float
    achieved: BitsKnown
    held_back: BitsKnown
    share_above: float


def search_rate(
    bits: np.ndarray | float,
    evaluations: np.ndarray | float,
    seconds: np.ndarray | float | None = None,
    *,
    mcse: np.ndarray | float = 0.0,
) -> SearchRate:
    r"""How many bits for each try and second, and how many more than random search?

    Parameters
    ----------
    bits
        Expected bits that were reached.
    evaluations
        Candidates that were tried to reach them, at least 1.
    seconds
        Time that it took.
    mcse
        Of the bits.

    Returns
    -------
    SearchRate
        An excess of 0 for the best of n random tries.

    Raises
    ------
    CounterfactualError
        If a number is not finite, there is less than one try, or no time passed.

    Examples
    --------
    >>> found = search_rate([1.5 / np.log(2), 20.0], 2, seconds=8.0)
    >>> found.excess.round(3), found.per_second.round(3)
    (array([ 0.   , 17.836]), array([0.271, 2.5  ]))
    """
    bits, mcse, evaluations = (np.asarray(one, dtype=float) for one in (bits, mcse, evaluations))
    time = np.asarray(1.0 if seconds is None else seconds, dtype=float)
    good = [np.isfinite(bits), np.isfinite(mcse) & (mcse >= 0)]
    good += [np.isfinite(evaluations) & (evaluations >= 1), np.isfinite(time) & (time > 0)]
    if not all(one.all() for one in good):
        raise CounterfactualError(
            f"got bits={bits}, mcse={mcse}, evaluations={evaluations}, seconds={seconds}; "
            "expected finite bits, at least one evaluation, and a time above 0."
        )
    chance = (special.digamma(evaluations + 1) + np.euler_gamma) / _LN2
    return SearchRate(
        per_evaluation=bits / evaluations,
        per_evaluation_mcse=mcse / evaluations,
        per_second=None if seconds is None else bits / time,
        per_second_mcse=None if seconds is None else mcse / time,
        excess=bits - chance,
        excess_mcse=mcse,
        efficiency=bits / chance,
        efficiency_mcse=mcse / chance,
    )


def potential(
    reference: np.ndarray,
    achieved: float,
    *,
    quantile: float = 0.95,
    mcse: np.ndarray | float = 0.0,
    achieved_mcse: float = 0.0,
) -> Potential:
    """How much more could the disciple do than it does?

    Parameters
    ----------
    reference
        Bits in each environment (or from each start) of a declared set, shape (environment,).
    achieved
        Bits in this world.
    quantile
        Of the environments, beside the maximum.
    mcse, achieved_mcse
        Monte Carlo errors of these bits.

    Returns
    -------
    Potential
        Errors are those of the bits; the set of environments is what it was declared to be.

    Raises
    ------
    CounterfactualError
        If numbers are not finite, an error is negative, or `quantile` is not between 0 and 1.

    Examples
    --------
    >>> found = potential([2.0, 9.0, 5.0, 4.0], 4.5, mcse=0.1, achieved_mcse=0.2)
    >>> found.held_back.bits, round(found.held_back.mcse, 3), found.share_above
    (4.5, 0.224, 0.5)
    """
    refuse_share("quantile", quantile)
    bits = as_chains(reference, "reference").ravel()
    here = float(as_chains(np.atleast_1d(achieved), "achieved").item())
    errors = np.broadcast_to(as_chains(np.atleast_1d(mcse), "mcse").ravel(), bits.shape)
    if (errors < 0).any() or not 0 <= achieved_mcse < np.inf:
        raise CounterfactualError(
            f"got mcse={mcse} and achieved_mcse={achieved_mcse}; expected errors of at least 0."
        )
    order = np.argsort(bits, kind="stable")
    place = quantile * (len(bits) - 1)
    low, beyond = int(place), place - int(place)
    next_up = order[min(low + 1, len(bits) - 1)]
    around = np.array([errors[order[low]] * (1 - beyond), errors[next_up] * beyond])
    best = BitsKnown(float(bits[order[-1]]), float(errors[order[-1]]))
    return Potential(
        maximum=best,
        quantile=BitsKnown(float(np.quantile(bits, quantile)), float(np.hypot(*around))),
        maximum_noise=_largest_of_noise(errors),
        achieved=BitsKnown(here, float(achieved_mcse)),
        held_back=BitsKnown(best.bits - here, float(np.hypot(best.mcse, achieved_mcse))),
        share_above=float((bits > here).mean()),
    )


def _largest_of_noise(errors: np.ndarray) -> float:
    """Mean of the largest of independent normal errors."""
    if len(errors) == 1 or not errors.any():
        return 0.0
    grid = np.linspace(0.0, 9.0, 1001) * errors.max()
    noisy = errors[errors > 0][:, None]
    above = special.ndtr(grid / noisy).prod(axis=0)
    below = special.ndtr(-grid / noisy).prod(axis=0) if len(noisy) == len(errors) else 0.0
    return float(np.trapezoid(1 - above - below, grid))
