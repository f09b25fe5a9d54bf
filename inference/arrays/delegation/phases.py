r"""How diverse must an environment be for search to pay, and for all power to go into it?

With x_b the most bits that power and limit let, and N the diversity:

.. math:: N_1 = \inf_{0 < x \le x_b} \frac{f(x)}{x}, \qquad
          N_2 = \sup_{x < x_b} \frac{f(x_b) - f(x)}{x_b - x}

Nothing is searched up to N1, the least average cost, and x_b from N2 on: the marginal cost
f'(x_b) where f is convex and N1 is below it. In between, x* rises with N whatever the cost.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from counterfactual_models.errors import CounterfactualError
from inference.arrays.delegation.any_cost import CheckedCost, least_objective
from inference.arrays.delegation.costs import SearchCost
from inference.arrays.delegation.refusals import one_at_least

__all__ = ["CriticalDiversity", "critical_diversity", "services_without_search"]

_LOWEST = 1e-7
_FALLS = 1 - 1e-4
_WITHIN = 1e-9
_BESIDE = 1e-7
_STEEPER = 5.0


class CriticalDiversity(NamedTuple):
    """Numbers of instances at which a base optimizer changes its mind.

    Attributes
    ----------
    some
        N1: something is searched at run time if and only if N is more than this.
    most
        N2: from here on as much is searched as power and limit let. Infinite if never.
    """

    some: float
    most: float


def critical_diversity(
    power: float, cost: Callable[..., Any], limit: float | None = None
) -> CriticalDiversity:
    """From which number of instances on is anything searched, and from which as much as can be?

    Parameters
    ----------
    power
        Bits of the base optimizer, at least 0.
    cost
        One of the four costs, or a nondecreasing function of the bits with f(0) = 0.
    limit
        Most bits at run time, more than 0; None or infinity for no limit.

    Returns
    -------
    CriticalDiversity
        The pair (N1, N2), N1 <= N2; both infinite where the power pays for no search. Where a
        share of instances is novel, multiply both by the share that is not. At N1 = N2 search is
        all or nothing, and nothing at N1 itself. Of a function that is none of the four, average
        costs from 1e-7 of the affordable bits on are looked at, and N1 is 0 if they still fall
        there; N2 is good to about 1e-6, and infinite if the cost jumps at the most bits.

    Raises
    ------
    CounterfactualError
        If a number is out of its range or search is bounded neither by the power nor by a limit.

    Examples
    --------
    >>> from inference.arrays.delegation import LinearCost, QuadraticCost
    >>> critical_diversity(100.0, LinearCost(3.0, fixed=20.0))
    CriticalDiversity(some=3.75, most=3.75)
    >>> critical_diversity(100.0, QuadraticCost(0.5, fixed=18.0))  # jumps at 6, to x = 6
    CriticalDiversity(some=6.0, most=12.806248474865697)
    """
    given = one_at_least(0.0, power=power)
    bits = np.inf if limit is None else one_at_least(0, strict=True, infinite=True, limit=limit)
    if not isinstance(cost, SearchCost):
        return _searched(given, CheckedCost(cost), bits)
    budget = float(cost.budget(given))
    most = min(budget, bits)
    if most <= 0:
        return CriticalDiversity(np.inf, np.inf)
    if np.isinf(most):
        raise CounterfactualError(
            f"the power {power:g} pays for more bits at run time than numbers can hold; "
            "expected that search is bounded: give a limit."
        )
    cheapest = cost.cheapest(most)
    paid = given if cheapest >= budget else float(cost(cheapest))
    some = paid / cheapest if cheapest > 0 else float(cost.marginal(0.0))
    return CriticalDiversity(some, max(some, float(cost.marginal(most))))


def services_without_search(
    power: float, instances: float, cost: Callable[..., Any], limit: float | None = None
) -> int:
    """Into how many services must a task be split for none of them to search?

    The post's *task restriction*: of k services each is trained on N/k of the instances by a base
    optimizer of its own with the whole power. None searches if N/k <= N1.

    Parameters
    ----------
    power
        Bits of each base optimizer.
    instances
        N of the whole task, more than 0.
    cost, limit
        As in :func:`critical_diversity`.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    CounterfactualError
        If no number is enough, as search costs nothing to begin with; and as
        :func:`critical_diversity`.

    Examples
    --------
    >>> from inference.arrays.delegation import LinearCost
    >>> services_without_search(100.0, 10, LinearCost(3.0, fixed=20.0))
    3
    """
    number = one_at_least(0.0, strict=True, instances=instances)
    some = critical_diversity(power, cost, limit).some
    if some <= 0:
        raise CounterfactualError(
            "the first bits of search cost nothing, so that every service searches; expected a "
            "cost with a fixed part or a first bit that is not free."
        )
    return max(1, int(np.ceil(number / some * (1 - 1e-12))))


def _searched(power: float, cost: CheckedCost, limit: float) -> CriticalDiversity:
    budget = cost.budget(power, limit)
    most = min(budget, limit)
    if most <= 0:
        return CriticalDiversity(np.inf, np.inf)
    lowest = most * _LOWEST
    cheapest, some = least_objective(lambda x, f: f / x, cost, lowest, most)
    if cheapest <= 2 * lowest and float(cost([lowest / 2])[0]) < _FALLS * some * lowest / 2:
        some = 0.0
    paid = float(cost([most])[0])
    _, minus = least_objective(
        lambda x, f: -(paid - f) / (most - x), cost, 0.0, most * (1 - _WITHIN)
    )
    return CriticalDiversity(some, max(some, np.inf if _jumps(cost, most, paid) else -minus))


def _jumps(cost: CheckedCost, most: float, paid: float) -> bool:
    """Say whether the last slope is steeper the nearer it is looked at."""
    beside, within = paid - cost([most * (1 - _BESIDE), most * (1 - _WITHIN)])
    # Rounding of the costs must not pass for a jump.
    return bool(within > _WITHIN * paid and within / _WITHIN > _STEEPER * beside / _BESIDE)
