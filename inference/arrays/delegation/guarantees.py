r"""How many bits of selection make all that remains good enough, or good enough on average?

Each bit halves the space of policies. For every policy that remains to perform at least j, or for
their average to be j (footnote 2 of the post), the least number of bits is

.. math:: k \ge -\log_2 \mu\{J \ge j\}, \qquad
          k \ge -\log_2 \mathrm{bPOE}(j),\quad
          \mathrm{bPOE}(j) = \max\{q : \text{the best share } q \text{ averages } j\}

μ being how an optimizer that knows nothing would choose. The second is never more than the first;
for a performance with an exponential tail it is cheaper by log2(e) = 1.4427 bits.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from counterfactual_models.errors import CounterfactualError
from inference.arrays.delegation.refusals import finite_numbers, numbers_at_least
from inference.arrays.order.exceedance import bits_of, exceedance_bits, log_shares
from inference.arrays.order.nearest_laws import buffered_exceedance

__all__ = [
    "GuaranteedFloor",
    "bits_for_average",
    "bits_to_guarantee",
    "guaranteed_floor",
    "whole_halvings",
]

_ROUNDING = 1e-12


@dataclass(frozen=True)
class GuaranteedFloor:
    """What so many bits of selection can promise.

    Attributes
    ----------
    floor
        The worst performance that may remain: a quantile.
    average
        The average of what remains: the mean of that tail.
    """

    floor: np.ndarray
    average: np.ndarray


def bits_to_guarantee(performance: Any, floor: Any, log_measure: Any = None) -> Any:
    r"""How many bits make sure that every policy that remains performs at least this well?

    .. math:: -\log_2 \mu\{J \ge \mathrm{floor}\}

    Parameters
    ----------
    performance
        J of every policy, or of draws of policies, shape (policy,).
    floor
        Any shape.
    log_measure
        Logarithm of μ up to a constant, shape (policy,); None for equal shares.

    Returns
    -------
    float or np.ndarray
        Bits, at least 0, shaped as `floor`; infinite where no policy is as good: of draws that
        says only that more bits are needed than the draws can count.

    Raises
    ------
    CounterfactualError
        If a performance or a floor is not finite, or the measure does not fit.

    Examples
    --------
    >>> float(bits_to_guarantee([0, 1, 2, 3, 4, 5, 6, 7], 6))
    2.0
    """
    return exceedance_bits(performance, floor, log_measure)[()]


def bits_for_average(performance: Any, mean: Any, log_measure: Any = None) -> Any:
    r"""How many bits make the policies that remain perform this well on average?

    .. math:: -\log_2 \max\{q : \text{the best share } q \text{ of } \mu
              \text{ averages the mean}\}

    The last policy may remain in part. Selection is by performance: bits spent on anything else
    do less.

    Parameters
    ----------
    performance
        J of every policy, or of draws of policies, shape (policy,).
    mean
        Any shape.
    log_measure
        Logarithm of μ up to a constant, shape (policy,); None for equal shares.

    Returns
    -------
    float or np.ndarray
        Bits, at least 0 and at most those of :func:`bits_to_guarantee`, shaped as `mean`;
        infinite above the best performance.

    Raises
    ------
    CounterfactualError
        If a performance or a mean is not finite, or the measure does not fit.

    References
    ----------
    Mafusalov and Uryasev (2018), "Buffered probability of exceedance", *SIAM J. Optim.* 28.

    Examples
    --------
    >>> round(float(bits_for_average([0, 1, 2, 3, 4, 5, 6, 7], 6.5)), 9)
    2.0
    """
    return bits_of(buffered_exceedance(performance, mean, log_measure))[()]


def guaranteed_floor(performance: Any, bits: Any, log_measure: Any = None) -> GuaranteedFloor:
    r"""Promise the worst, and the average, of the best 2^-bits of all policies.

    Parameters
    ----------
    performance
        J of every policy, or of draws of policies, shape (policy,).
    bits
        Of selection, at least 0, any shape.
    log_measure
        Logarithm of μ up to a constant, shape (policy,); None for equal shares.

    Returns
    -------
    GuaranteedFloor
        Both shaped as `bits`, in the units of the performance. Where fewer policies than one
        would remain, both are the best there is.

    Raises
    ------
    CounterfactualError
        If a performance is not finite, bits are negative, or the measure does not fit.

    Examples
    --------
    >>> found = guaranteed_floor([0, 1, 2, 3, 4, 5, 6, 7], 2)
    >>> float(found.floor), float(found.average)
    (6.0, 6.5)
    """
    values, logs = _ranked(performance, log_measure)
    (given,) = numbers_at_least(0.0, bits=bits)
    left = -given * np.log(2)
    whole = np.logaddexp.accumulate(logs)
    last = np.minimum(np.searchsorted(whole, left - _ROUNDING), len(values) - 1)
    before = np.concatenate([[-np.inf], whole])[last]
    # The last policy remains in part: what the share leaves over after all better ones.
    part = -np.expm1(np.minimum(before - left, 0.0))
    floor = values[last]
    average = np.array(
        [
            end + np.sum(np.exp(logs[:k] - share) * (values[:k] - end))
            for end, k, share in zip(floor.ravel(), last.ravel(), left.ravel(), strict=True)
        ]
    )
    average = np.where(part > 0, average.reshape(floor.shape), floor)
    return GuaranteedFloor(floor[()], average[()])


def whole_halvings(bits: Any) -> Any:
    """How many times must a space be divided in half to gain so many bits?

    Parameters
    ----------
    bits
        At least 0, any shape; infinity is allowed.

    Returns
    -------
    float or np.ndarray
        The next whole number; what exceeds one by no more than rounding counts as that one.

    Raises
    ------
    CounterfactualError
        If bits are negative or NaN.

    Examples
    --------
    >>> float(whole_halvings(11.54)), float(whole_halvings(3.0000000000001))
    (12.0, 3.0)
    """
    (given,) = numbers_at_least(0.0, infinite=True, bits=bits)
    return np.ceil(given * (1 - _ROUNDING))[()]


def _ranked(performance: Any, log_measure: Any) -> tuple[np.ndarray, np.ndarray]:
    """Sort from the best down, with the logarithms of their shares."""
    values = finite_numbers("performance", performance)
    if values.ndim != 1 or not values.size:
        raise CounterfactualError(
            f"got performance of shape {values.shape}; expected one number for each policy."
        )
    logs = log_shares(log_measure, len(values))
    order = np.argsort(-values, kind="stable")
    held = order[logs[order] > -np.inf]
    return values[held], logs[held]
