r"""Who does the optimizing: the base optimizer in advance, or what it learned at run time?

A base optimizer has P bits of optimization power for an environment of N instances, each of which
wants a policy of its own. It may spend f(x) of them on a learned algorithm that searches x bits
in whatever instance it meets; the rest is tuned into the N instances, (P - f(x))/N bits for each:

.. math:: x^* = \arg\max_x\; \frac{P - f(x)}{N} + x
          \quad\text{s.t.}\quad f(x) \le P,\; 0 \le x \le x_{\max}

Three sections of the post are parameters of this:

* *novel situations*: of the instances met a share ν is new, and tuning does nothing there:
  (1 - ν)(P - f(x))/N + x on average, and x alone in the worst instance;
* *information funnel*: at most G bits of tuning reach the learned algorithm, as through a genome:
  min(P - f(x), G)/N + x. What the funnel would waste is better spent on finding a search;
* *task restriction*: fewer instances, N smaller: :func:`services_without_search`.

References
----------
Hubinger, van Merwijk, Mikulik, Skalse and Garrabrant (2019), "Risks from learned optimization in
advanced machine learning systems", arXiv:1906.01820, section 2.1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from counterfactual_models.errors import CounterfactualError, nearest
from inference.arrays.delegation.any_cost import CheckedCost, least_objective
from inference.arrays.delegation.costs import SearchCost
from inference.arrays.delegation.refusals import numbers_at_least, one_at_least

__all__ = ["REGIMES", "Allocation", "Allocations", "allocate", "allocations"]

REGIMES = ("tuned", "mixed", "search", "capped")
"""Nothing is searched; some of the power is; all of it; all that can be, with power left."""
_Criterion = Literal["average", "minimum"]
_TIE = 1e-12
_NOTHING = 1e-12
_LEFT = 1e-9


@dataclass(frozen=True)
class Allocation:
    """How a base optimizer divides its power, in bits.

    Attributes
    ----------
    x
        Bits that the learned algorithm searches in every instance it meets, x*.
    value
        Bits applied to an instance in all: tuning + x.
    tuning
        Bits tuned into an instance in advance, (P - f(x))/N.
    regime
        ``tuned`` (x is 0), ``mixed``, ``search`` (all power pays for search) or ``capped`` (no
        more can be searched, for the limit or as the cost jumps, and power is left).
    spent
        Bits f(x) of the base optimizer that went into finding the search.
    """

    x: float
    value: float
    tuning: float
    regime: str
    spent: float


@dataclass(frozen=True)
class Allocations:
    """Allocations over a grid of powers and diversities, arrays of shape (power, instances).

    Attributes
    ----------
    x, value, tuning, spent
        As in :class:`Allocation`.
    regime
        Whole numbers, places in :data:`REGIMES`.
    power, instances
        The grids.
    """

    x: np.ndarray
    value: np.ndarray
    tuning: np.ndarray
    regime: np.ndarray
    spent: np.ndarray
    power: np.ndarray
    instances: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """Regimes as words, dtype object."""
        return np.array(REGIMES, dtype=object)[self.regime]


def allocate(
    power: float,
    instances: float,
    cost: Callable[..., Any],
    limit: float | None = None,
    *,
    novel: float = 0.0,
    criterion: _Criterion = "average",
    funnel: float | None = None,
) -> Allocation:
    r"""How many bits should a learned algorithm search at run time, and how many be tuned into it?

    .. math:: x^* = \arg\max_x\; s\,\frac{\min(P - f(x), G)}{N} + x,
              \quad f(x) \le P,\; 0 \le x \le x_{\max}

    s is 1 - ν on average over instances; in the worst one it is 1 if nothing is novel, else 0.

    Parameters
    ----------
    power
        P, bits of the base optimizer, at least 0.
    instances
        N, how many instances want a policy of their own, more than 0; on one level of the
        environment, the others held fixed (footnote 4 of the post).
    cost
        f, one of the four costs or a nondecreasing function of the bits with f(0) = 0, jumps
        allowed. It must not depend on N (footnote 5).
    limit
        Most bits that can be searched at run time, more than 0; None or infinity for no limit
        (footnote 6).
    novel
        ν, share of the instances met that are new, in [0, 1].
    criterion
        ``average`` over the instances met, or the ``minimum`` of them.
    funnel
        G, most bits of tuning that reach the learned algorithm; None for all.

    Returns
    -------
    Allocation
        Of equally good ones the one that searches least. Closed form for the four costs; of
        other functions the value to about 1e-12 of it, and x to 1e-12 at a jump and to 1e-6 where
        they are smooth; cells of less than 1e-12 of the affordable bits are not looked into.

    Raises
    ------
    CounterfactualError
        If a number is out of its range, the cost falls or charges for nothing, or search is
        bounded neither by the power nor by a limit.

    Examples
    --------
    >>> from inference.arrays.delegation import QuadraticCost, allocate
    >>> allocate(100.0, 8, QuadraticCost(0.5))
    Allocation(x=8.0, value=16.5, tuning=8.5, regime='mixed', spent=32.0)
    >>> allocate(100.0, 8, QuadraticCost(0.5), limit=5).regime
    'capped'
    """
    one = one_at_least(0.0, power=power), one_at_least(0.0, strict=True, instances=instances)
    options: dict[str, Any] = {"novel": novel, "criterion": criterion, "funnel": funnel}
    found = allocations([one[0]], [one[1]], cost, limit, **options)
    x, value, tuning, spent = (
        float(getattr(found, name)[0, 0]) for name in ("x", "value", "tuning", "spent")
    )
    return Allocation(x, value, tuning, REGIMES[found.regime[0, 0]], spent)


def allocations(
    power: Any,
    instances: Any,
    cost: Callable[..., Any],
    limit: float | None = None,
    *,
    novel: float = 0.0,
    criterion: _Criterion = "average",
    funnel: float | None = None,
) -> Allocations:
    """Divide every power of a grid among every number of instances: the phase diagram.

    Parameters
    ----------
    power, instances
        Grids, shape (power,) and (instances,).
    cost, limit, novel, criterion, funnel
        As in :func:`allocate`. A function that is none of the four costs is searched anew for
        every pair, in some milliseconds each.

    Returns
    -------
    Allocations
        Arrays of shape (power, instances).

    Raises
    ------
    CounterfactualError
        As :func:`allocate`.

    Examples
    --------
    >>> from inference.arrays.delegation import LinearCost, allocations
    >>> allocations([50.0, 100.0], [3.5, 3.9, 6.0], LinearCost(3.0, fixed=20.0)).labels
    array([['tuned', 'tuned', 'search'],
           ['tuned', 'search', 'search']], dtype=object)
    """
    (powers,) = numbers_at_least(0.0, power=power)
    (numbers,) = numbers_at_least(0.0, strict=True, instances=instances)
    most = _or_endless(strict=True, limit=limit)
    passing = _or_endless(funnel=funnel)
    share = _tuned_share(novel, criterion)
    wide, many = np.broadcast_arrays(np.ravel(powers)[:, None], np.ravel(numbers)[None, :])
    with np.errstate(divide="ignore", over="ignore"):
        price = many / share if share else np.full(many.shape, np.inf)
    if isinstance(cost, SearchCost):
        x, spent, budget = _closed(wide, price, cost, most, passing)
    else:
        x, spent, budget = _searched(wide, price, CheckedCost(cost), most, passing)
    with np.errstate(over="ignore"):
        tuning = share * (np.minimum(wide - spent, passing) / many)
    value = tuning + x
    _refuse_endless(value, wide, many)
    bounded = np.minimum(budget, most)
    full = np.where((most < budget) | (spent < wide * (1 - _LEFT)), 3, 2)
    regime = np.where(x == 0, 0, np.where(x >= bounded, full, 1))
    return Allocations(x, value, tuning, regime, spent, np.ravel(powers), np.ravel(numbers))


def _or_endless(*, strict: bool = False, **bound: float | None) -> float:
    """Read a bound; None and infinity are none."""
    if None in bound.values():
        return np.inf
    return one_at_least(0.0, strict=strict, infinite=True, **bound)


def _tuned_share(novel: float, criterion: str) -> float:
    share = one_at_least(0.0, novel=novel)
    if share > 1:
        raise CounterfactualError(f"got novel={novel!r}; expected a share between 0 and 1.")
    if criterion not in ("average", "minimum"):
        said = nearest(str(criterion), ["average", "minimum"])
        raise CounterfactualError(f"got criterion={criterion!r}. {said}")
    return float(1 - share) if criterion == "average" else float(share == 0)


def _closed(
    power: np.ndarray, price: np.ndarray, cost: SearchCost, limit: float, funnel: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compare the inner optimum with the fewest bits that waste nothing in the funnel."""
    budget = np.asarray(cost.budget(power))
    most = np.minimum(budget, limit)
    if np.isinf(most).any():
        raise CounterfactualError(
            f"the power {power[np.isinf(most)][0]:g} pays for more bits at run time than numbers "
            "can hold; expected that search is bounded: give a limit."
        )
    wasted = np.maximum(power - funnel, 0.0)
    fewest = np.minimum(cost.budget(wasted), most)
    with np.errstate(under="ignore"):
        inner = np.clip(cost.choice(price), fewest, most)

    def spent(x: np.ndarray) -> np.ndarray:
        return np.where((x >= budget) & (x > 0), power, np.minimum(cost(x), power))

    paid = np.maximum(spent(inner), wasted) - np.maximum(spent(fewest), wasted)
    # Gains are compared, not values: P/N may be so large that it swallows them.
    better = (inner - fewest) - paid / price > _TIE * (inner - fewest)
    x = np.where(better, inner, fewest)
    return x, spent(x), budget


def _searched(
    power: np.ndarray, price: np.ndarray, cost: CheckedCost, limit: float, funnel: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, spent, budgets = np.zeros(power.shape), np.zeros(power.shape), np.zeros(power.shape)
    for row, given in enumerate(power[:, 0] if power.size else []):
        budgets[row] = budget = cost.budget(float(given), limit)
        wasted = max(float(given) - funnel, 0.0)
        most = min(budget, limit)
        for column in range(price.shape[1]) if most > 0 else ():
            loss = _loss(float(price[row, column]), wasted)
            found, least = least_objective(loss, cost, 0.0, most)
            # Of fewer bits than that the cost is known to no digit: 2**x - 1 is 0 there.
            if found > _NOTHING * most and -least > _TIE * found:
                x[row, column] = found
                spent[row, column] = cost([found])[0]
    return x, spent, budgets


def _loss(price: float, wasted: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return lambda bits, paid: (np.maximum(paid, wasted) - wasted) / price - bits


def _refuse_endless(value: np.ndarray, power: np.ndarray, instances: np.ndarray) -> None:
    if not np.isfinite(value).all():
        place = tuple(np.argwhere(~np.isfinite(value))[0])
        raise CounterfactualError(
            f"{power[place]:g} bits for {instances[place]:g} instances are more bits for each "
            "than numbers can hold; expected more instances."
        )
