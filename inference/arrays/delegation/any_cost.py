r"""Where does a cost that only falls never, jumps and all, leave most to gain?

Of a callable f only this is known: it does not decrease, and f(0) = 0. That is enough to bound
what a cell of bits can offer: an objective that falls with x and rises with f(x) is nowhere in
(l, r] below its value at (r, f(l)). Cells that cannot hold the least are dropped, the others are
halved (branch and bound), so that a jump is found wherever it lies; where f is smooth the last
cells are polished by Brent's method.
"""

from collections.abc import Callable

import numpy as np
from scipy import optimize

from counterfactual_models.errors import CounterfactualError

__all__ = ["CheckedCost", "least_objective", "refuse_falling"]

_FAR = 1e15
_CELLS = 2048
_UNDERFLOWS = 1e-100
_HIDDEN = 1e-4
_ROUNDING = 1e-13
_NEXT_TO_NOTHING = 1e-12


class CheckedCost:
    """A user's cost, called number by number, every answer checked.

    Parameters
    ----------
    cost
        Bits at run time -> bits of the base optimizer; nondecreasing, 0 at 0. Infinity stands
        for what cannot be had at all, and so does a cost that overflows.

    Raises
    ------
    CounterfactualError
        If it is not callable, costs something at 0 or falls, or answers with no number.

    Examples
    --------
    >>> stairs = CheckedCost(lambda bits: 3 * np.ceil(bits))
    >>> stairs([0.5, 1.0, 1.5])
    array([3., 3., 6.])
    >>> stairs.budget(7.0)
    2.0
    """

    def __init__(self, cost: Callable[[float], float]) -> None:
        if not callable(cost):
            raise CounterfactualError(
                f"got cost={cost!r}; expected LinearCost, QuadraticCost, ExponentialCost, "
                "LogarithmicCost or a function of the bits at run time."
            )
        if isinstance(cost, type):
            raise CounterfactualError(
                f"got the class cost={cost.__name__}; expected one of its kind, such as "
                f"{cost.__name__}(3.0)."
            )
        self._cost = cost
        nothing = self._one(0.0)
        if nothing != 0:
            raise CounterfactualError(
                f"got {nothing:g} as the cost of 0 bits at run time; expected 0: "
                "subtract it from the power, or charge it for bits > 0 only."
            )

    def __call__(self, bits: np.ndarray | list[float]) -> np.ndarray:
        """Cost of bits that increase, shape (bits,); refused if it falls among them."""
        grid = np.asarray(bits, dtype=float)
        costs = np.array([self._one(float(x)) for x in grid])
        refuse_falling(grid, costs)
        return costs

    def budget(self, power: float, limit: float = np.inf) -> float:
        """Most bits that this power pays for; infinite if it pays for more than the limit."""
        high = limit if np.isfinite(limit) else 1.0
        while self._one(high) <= power:
            if np.isfinite(limit):
                return high if self._one(high) == power else np.inf
            high *= 2
            if high > _FAR:
                raise CounterfactualError(
                    f"the cost stays at or below the power {power:g} up to {_FAR:g} bits; "
                    "expected that search at run time is bounded: give a limit."
                )
        low = 0.0
        while low < (middle := 0.5 * (low + high)) < high:
            low, high = (middle, high) if self._one(middle) <= power else (low, middle)
        # A power that just pays the fixed part seems to pay for what rounding hides beside it.
        hidden = low < _HIDDEN and self._one(_UNDERFLOWS) == power
        return low if low > _UNDERFLOWS and not hidden else 0.0

    def _one(self, bits: float) -> float:
        try:
            with np.errstate(over="ignore"):
                answer = self._cost(bits)
        except OverflowError:
            return np.inf
        try:
            cost = float(answer) if np.ndim(answer) == 0 else np.nan
        except (TypeError, ValueError):
            cost = np.nan
        if not cost >= 0:
            raise CounterfactualError(
                f"got {answer!r} as the cost of {bits:g} bits at run time; "
                "expected a number of at least 0."
            )
        return cost


def least_objective(
    objective: Callable[[np.ndarray, np.ndarray], np.ndarray],
    cost: CheckedCost,
    low: float,
    high: float,
) -> tuple[float, float]:
    """Least of an objective that falls with the bits and rises with their cost, over [low, high].

    Parameters
    ----------
    objective
        (bits, cost) -> numbers, elementwise; monotone as said.
    cost
        Finite from `low` to `high`.
    low, high
        Ends of the range, 0 <= low < high.

    Returns
    -------
    tuple of float
        Where the least is taken (of equal ones the smallest, to about 1e-6 of the bits where the
        cost is smooth, to 1e-13 at a jump), and the least itself.

    Raises
    ------
    CounterfactualError
        If the cost falls between two of the bits that were looked at.

    Examples
    --------
    >>> stairs = CheckedCost(lambda bits: 3 * np.ceil(bits) ** 2)
    >>> bits, least = least_objective(lambda x, f: f / 10 - x, stairs, 0.0, 7.3)
    >>> round(bits, 9), round(least, 9)
    (2.0, -0.8)
    """
    geometric = np.geomspace(high * _NEXT_TO_NOTHING, high, 257)
    inner = np.concatenate([geometric, np.linspace(low, high, 1025)])
    edges = np.unique(np.append(inner[(inner > low) & (inner < high)], [low, high]))
    costs = cost(edges)
    values = objective(edges, costs)
    best = int(np.argmin(values))
    where, least = float(edges[best]), float(values[best])
    cells = np.array([edges[:-1], edges[1:], costs[:-1], costs[1:]])
    while True:
        bound = objective(cells[1], cells[2])
        keep = bound < least - _ROUNDING * abs(least)
        keep &= (cells[1] - cells[0] > _ROUNDING * cells[1]) & (cells[1] > _NEXT_TO_NOTHING * high)
        # A smooth optimum keeps more cells at every halving; a jump keeps one.
        if not keep.any() or keep.sum() > _CELLS:
            break
        cells = _halved(cells[:, keep], cost)
        values = objective(cells[1], cells[3])
        best = int(np.argmin(values))
        if values[best] < least - _ROUNDING * abs(least):
            where, least = float(cells[1, best]), float(values[best])
    around = (cells[0] <= where) & (where <= cells[1])
    width = float(np.max((cells[1] - cells[0])[around], initial=0.0))
    return _polished(objective, cost, where, least, (low, high), width)


def refuse_falling(bits: np.ndarray, costs: np.ndarray) -> None:
    """Refuse a cost that falls along the last axis, and say between which bits.

    Parameters
    ----------
    bits, costs
        Same shape; bits increase along the last axis.

    Raises
    ------
    CounterfactualError
        If a cost is lower than the one before it by more than rounding.

    Examples
    --------
    >>> refuse_falling(np.array([0.0, 1.0]), np.array([0.0, 0.0]))
    """
    before, after = costs[..., :-1], costs[..., 1:]
    with np.errstate(invalid="ignore"):
        falls = after < before - 1e-9 * np.abs(before)
    if falls.any():
        place = tuple(np.argwhere(falls)[0])
        raise CounterfactualError(
            f"the cost falls from {before[place]:g} at {bits[..., :-1][place]:g} bits to "
            f"{after[place]:g} at {bits[..., 1:][place]:g}; expected one that does not decrease: "
            "whoever can search more can search less."
        )


def _halved(cells: np.ndarray, cost: CheckedCost) -> np.ndarray:
    left, right, cost_left, cost_right = cells
    middle = 0.5 * (left + right)
    costs = cost(middle)
    refuse_falling(np.array([left, middle, right]).T, np.array([cost_left, costs, cost_right]).T)
    lower, upper = [left, middle, cost_left, costs], [middle, right, costs, cost_right]
    return np.stack([lower, upper], axis=2).reshape(4, -1)


def _polished(
    objective: Callable[[np.ndarray, np.ndarray], np.ndarray],
    cost: CheckedCost,
    where: float,
    least: float,
    ends: tuple[float, float],
    width: float,
) -> tuple[float, float]:
    bracket = max(ends[0], where - 2 * width), min(ends[1], where + 2 * width)
    if not bracket[0] < bracket[1]:
        return where, least
    paid, low, high = float(cost([where])[0]), where, bracket[1]
    # Just below a jump all bits up to it cost the same: go to the last of them.
    while low < (middle := 0.5 * (low + high)) < high:
        low, high = (middle, high) if cost([middle])[0] <= paid else (low, middle)
    low = high if cost([high])[0] <= paid else low
    if low > where:
        where, least = low, float(objective(np.array([low]), np.array([paid]))[0])
    found = optimize.minimize_scalar(
        lambda x: float(objective(np.array([x]), cost([x]))[0]),
        bounds=bracket,
        method="bounded",
        options={"xatol": 1e-12 * bracket[1]},
    )
    if found.fun < least - _ROUNDING * abs(least):
        return float(found.x), float(found.fun)
    return where, least
