r"""What does a search of x bits at run time cost the base optimizer?

A learned algorithm that itself searches must be found first. That takes

.. math:: f(x) = c_0\,[x > 0] + h(x)

bits of the base optimizer, h increasing from h(0) = 0: c0 (``fixed``) for anything that searches
at all, h for how much it searches. The diversity N of the environment is the price that a bit at
run time fetches, so that economics applies: the average cost f(x)/x decides whether to search,
the marginal cost h'(x) how much.

Any nondecreasing function with f(0) = 0 may stand in for these four: see
:mod:`inference.arrays.delegation.any_cost`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from inference.arrays.delegation.refusals import numbers_at_least, one_at_least

__all__ = ["ExponentialCost", "LinearCost", "LogarithmicCost", "QuadraticCost", "SearchCost"]

_NEARLY_FREE = 1e-6


@dataclass(frozen=True)
class SearchCost(ABC):
    """Bits of the base optimizer that a search of x bits costs: a fixed part and a running one.

    Parameters
    ----------
    fixed
        Bits paid as soon as anything is searched at all, at least 0.
    """

    fixed: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        one_at_least(0.0, fixed=self.fixed)
        for name, value in vars(self).items():
            if name != "fixed":
                one_at_least(0.0, strict=True, **{name: value})

    def __call__(self, bits: Any) -> Any:
        """Cost f(x) of so many bits at run time; 0 at 0, infinite where it overflows."""
        (searched,) = numbers_at_least(0.0, infinite=True, bits=bits)
        with np.errstate(over="ignore", under="ignore"):
            return np.where(searched > 0, self.fixed + self.running(searched), 0.0)[()]

    def budget(self, power: Any) -> Any:
        """Most bits that this power pays for, sup{x: f(x) <= P}; infinite if it overflows."""
        rest = np.asarray(power, dtype=float) - self.fixed
        with np.errstate(over="ignore", under="ignore"):
            return np.where(rest > 0, self.affordable(np.maximum(rest, 0.0)), 0.0)[()]

    @abstractmethod
    def running(self, bits: np.ndarray) -> np.ndarray:
        """Cost h(x) without the fixed part."""

    @abstractmethod
    def affordable(self, rest: np.ndarray) -> np.ndarray:
        """Bits x with h(x) equal to what is left after the fixed part."""

    @abstractmethod
    def marginal(self, bits: Any) -> Any:
        """Cost h'(x) of the next bit, once the fixed part is paid."""

    @abstractmethod
    def choice(self, price: np.ndarray) -> np.ndarray:
        """Smallest x that maximises price*x - h(x) among all x >= 0; infinite if unbounded."""

    @abstractmethod
    def cheapest(self, most: float) -> float:
        """Bits x in (0, most] with the least average cost f(x)/x; 0 for the limit x -> 0."""


@dataclass(frozen=True)
class LinearCost(SearchCost):
    """Every bit costs the same: h(x) = scale * x. Then it is all or nothing.

    Parameters
    ----------
    scale
        Bits of the base optimizer for a bit at run time, more than 0.
    fixed
        Bits paid as soon as anything is searched at all.

    Raises
    ------
    CounterfactualError
        If a parameter is out of its range.

    Examples
    --------
    >>> cost = LinearCost(3.0, fixed=20.0)
    >>> float(cost(10.0)), float(cost.budget(50.0)), float(cost(0.0))
    (50.0, 10.0, 0.0)
    """

    scale: float

    def running(self, bits: np.ndarray) -> np.ndarray:
        """Cost h(x) without the fixed part."""
        return self.scale * bits

    def affordable(self, rest: np.ndarray) -> np.ndarray:
        """Bits x with h(x) equal to what is left after the fixed part."""
        return rest / self.scale

    def marginal(self, bits: Any) -> Any:
        """Cost h'(x) of the next bit, once the fixed part is paid."""
        return np.full(np.shape(bits), self.scale)[()]

    def choice(self, price: np.ndarray) -> np.ndarray:
        """Smallest x that maximises price*x - h(x) among all x >= 0; infinite if unbounded."""
        return np.where(price > self.scale, np.inf, 0.0)

    def cheapest(self, most: float) -> float:
        """Bits x in (0, most] with the least average cost f(x)/x."""
        return most


@dataclass(frozen=True)
class QuadraticCost(SearchCost):
    """Every further bit costs more, in proportion: h(x) = scale * x**2.

    Parameters
    ----------
    scale
        More than 0.
    fixed
        Bits paid as soon as anything is searched at all.

    Raises
    ------
    CounterfactualError
        If a parameter is out of its range.

    Examples
    --------
    >>> cost = QuadraticCost(0.5, fixed=18.0)
    >>> float(cost(4.0)), float(cost.budget(26.0)), float(cost.marginal(4.0))
    (26.0, 4.0, 4.0)
    """

    scale: float

    def running(self, bits: np.ndarray) -> np.ndarray:
        """Cost h(x) without the fixed part."""
        return self.scale * np.square(bits)

    def affordable(self, rest: np.ndarray) -> np.ndarray:
        """Bits x with h(x) equal to what is left after the fixed part."""
        return np.sqrt(rest / self.scale)

    def marginal(self, bits: Any) -> Any:
        """Cost h'(x) of the next bit, once the fixed part is paid."""
        return 2 * self.scale * np.asarray(bits, dtype=float)

    def choice(self, price: np.ndarray) -> np.ndarray:
        """Smallest x that maximises price*x - h(x) among all x >= 0."""
        return price / (2 * self.scale)

    def cheapest(self, most: float) -> float:
        """Bits x in (0, most] with the least average cost f(x)/x; 0 for the limit x -> 0."""
        return min(float(np.sqrt(self.fixed / self.scale)), most)


@dataclass(frozen=True)
class ExponentialCost(SearchCost):
    """Every further bit costs a multiple of the last: h(x) = scale * (exp(rate*x) - 1).

    Parameters
    ----------
    scale, rate
        More than 0.
    fixed
        Bits paid as soon as anything is searched at all.

    Raises
    ------
    CounterfactualError
        If a parameter is out of its range.

    Examples
    --------
    >>> round(float(ExponentialCost(2.0, 0.7).budget(100.0)), 6)
    5.616894
    """

    scale: float
    rate: float = 1.0

    def running(self, bits: np.ndarray) -> np.ndarray:
        """Cost h(x) without the fixed part."""
        return self.scale * np.expm1(self.rate * bits)

    def affordable(self, rest: np.ndarray) -> np.ndarray:
        """Bits x with h(x) equal to what is left after the fixed part."""
        return np.log1p(rest / self.scale) / self.rate

    def marginal(self, bits: Any) -> Any:
        """Cost h'(x) of the next bit, once the fixed part is paid."""
        with np.errstate(over="ignore"):
            return self.scale * self.rate * np.exp(self.rate * np.asarray(bits, dtype=float))

    def choice(self, price: np.ndarray) -> np.ndarray:
        """Smallest x that maximises price*x - h(x) among all x >= 0."""
        first = np.log(self.scale) + np.log(self.rate)
        return np.maximum(np.log(price) - first, 0.0) / self.rate

    def cheapest(self, most: float) -> float:
        """Bits x in (0, most] with the least average cost f(x)/x; 0 for the limit x -> 0.

        With y = rate*x and r = fixed/scale, exp(y)*(y - 1) = r - 1, hence
        y = 1 + W((r - 1)/e); near r = 0 by the series of W at its branch point.
        """
        ratio = self.fixed / self.scale
        if ratio > _NEARLY_FREE:
            bits = 1 + float(special.lambertw((ratio - 1) / np.e).real)
        else:
            near = np.sqrt(2 * ratio)
            bits = near * (1 - near / 3 + 11 * near**2 / 72)
        return min(bits / self.rate, most)


@dataclass(frozen=True)
class LogarithmicCost(SearchCost):
    """Every further bit costs less: h(x) = scale * log(1 + rate*x). Then it is all or nothing.

    To write "try 2**x candidates" takes about log x bits: this is the cost of asking for search
    where the machine is given, and computing time (the limit) decides.

    Parameters
    ----------
    scale, rate
        More than 0.
    fixed
        Bits paid as soon as anything is searched at all.

    Raises
    ------
    CounterfactualError
        If a parameter is out of its range.

    Examples
    --------
    >>> round(float(LogarithmicCost(20.0).budget(100.0)), 6)
    147.413159
    """

    scale: float
    rate: float = 1.0

    def running(self, bits: np.ndarray) -> np.ndarray:
        """Cost h(x) without the fixed part."""
        return self.scale * np.log1p(self.rate * bits)

    def affordable(self, rest: np.ndarray) -> np.ndarray:
        """Bits x with h(x) equal to what is left after the fixed part."""
        return np.expm1(rest / self.scale) / self.rate

    def marginal(self, bits: Any) -> Any:
        """Cost h'(x) of the next bit, once the fixed part is paid."""
        return self.scale * self.rate / (1 + self.rate * np.asarray(bits, dtype=float))

    def choice(self, price: np.ndarray) -> np.ndarray:
        """Smallest x that maximises price*x - h(x) among all x >= 0: never an inner one."""
        return np.full(np.shape(price), np.inf)

    def cheapest(self, most: float) -> float:
        """Bits x in (0, most] with the least average cost f(x)/x."""
        return most
