r"""What is the shape of a future whose law has a formula, and how far apart are two of them?

A measurement is an :class:`Event`, or a :class:`NormalMixture` with density

.. math:: f(w) = \sum_k q_k\, N(w; m_k, s_k^2)

The rearranged total variation forgets which world is which and compares how likely the likely
ones are; :math:`|f > t|` is the length of the set where f exceeds t:

.. math:: \tfrac12 \int_0^\infty \big|\, |f_1 > t| - |f_0 > t| \,\big|\, dt
          \le \tfrac12 \int |f_1 - f_0|
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import comb, exp, inf, log
from typing import Any

import numpy as np
from scipy import optimize
from scipy.special import logsumexp, ndtr

from counterfactual_models.errors import WorldError

__all__ = ["Event", "Exact", "NormalMixture"]

REACH = 12.0  # standard deviations beyond which a normal law holds nothing
POINTS = 24_001
FAINT = 1e-100  # of the highest density: between two such numbers there is no slope to follow


@dataclass(frozen=True)
class Event:
    """Something that happens (1) or does not (0).

    Parameters
    ----------
    chance
        That it happens, between 0 and 1.

    Examples
    --------
    >>> war, peace = Event(0.9), Event(0.1)
    >>> round(war.tv(peace), 6), war.rearranged_tv(peace)
    (0.8, 0.0)
    """

    chance: float

    @property
    def mean(self) -> float:
        """The chance."""
        return self.chance

    @property
    def cumulants(self) -> np.ndarray:
        """Cumulants of order 1 to 6."""
        p, v = self.chance, self.variance
        third, fourth = v * (1 - 2 * p), v * (1 - 6 * v)
        fifth, sixth = third * (1 - 12 * v), v * (1 - 30 * v + 120 * v**2)
        return np.array([p, v, third, fourth, fifth, sixth])

    @property
    def variance(self) -> float:
        """Chance of it times chance of the contrary."""
        return self.chance * (1 - self.chance)

    @property
    def entropy(self) -> float:
        """Mean surprisal in nats."""
        return float(sum(-p * log(p) for p in self._masses if p > 0))

    @property
    def varentropy(self) -> float:
        """Variance of the surprisal, in square nats."""
        not_so, so = self._masses
        return self.variance * log(so / not_so) ** 2 if self.variance > 0 else 0.0

    @property
    def peaks(self) -> np.ndarray:
        """The likelier value: values next to each other are one hill."""
        return np.array([float(np.argmax(self._masses))])

    @property
    def _masses(self) -> tuple[float, float]:
        return 1 - self.chance, self.chance

    def tv(self, other: "Event") -> float:
        """Total variation."""
        return abs(self.chance - other.chance)

    def rearranged_tv(self, other: "Event") -> float:
        """Total variation after the labels are forgotten."""
        likely = max(self._masses), max(other._masses)
        return abs(likely[0] - likely[1])

    def jensen_shannon(self, other: "Event") -> float:
        """Bits that a look at the measurement says of a fair switch."""
        middle = Event((self.chance + other.chance) / 2)
        return max(middle.entropy - (self.entropy + other.entropy) / 2, 0.0) / log(2)

    def tilted(self, slope: float) -> tuple["Event", float]:
        """Twist by exp(slope w): the law that comes out, and the log of E[exp(slope w)]."""
        mass = 1 - self.chance + self.chance * exp(slope)
        return Event(self.chance * exp(slope) / mass), log(mass)


@dataclass(frozen=True)
class NormalMixture:
    """A mixture of normal laws, a normal law, or, of one part with sd 0, a certainty.

    Parameters
    ----------
    means, sds, weights
        Of the parts, (part,) each; weights sum to 1. A certainty has an entropy of -inf, a
        varentropy of 0, and a tv and a rearranged tv of 1 to whatever is uncertain.

    Raises
    ------
    WorldError
        If the parts do not match, weights are not above 0 with a sum of 1, or one of several sds
        is 0.

    Examples
    --------
    >>> one, two = NormalMixture(), NormalMixture((-5.0, 5.0), (1.0, 1.0), (0.5, 0.5))
    >>> len(two.peaks), round(two.rearranged_tv(one), 6)
    (2, 0.322675)
    """

    means: tuple[float, ...] = (0.0,)
    sds: tuple[float, ...] = (1.0,)
    weights: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        parts = len(self.means)
        alike = parts == len(self.sds) == len(self.weights) > 0
        wide = alike and (min(self.sds) > 0 or self.sds == (0.0,))
        if not wide or min(self.weights) <= 0 or abs(sum(self.weights) - 1) > 1e-9:
            raise WorldError(
                f"got means {self.means}, sds {self.sds} and weights {self.weights}; expected one "
                "of each for every part, sds above 0 (or a single 0) and weights that sum to 1."
            )

    @property
    def certain(self) -> bool:
        """Whether there is nothing left to be uncertain of."""
        return max(self.sds) == 0.0

    @property
    def mean(self) -> float:
        """Mean."""
        return float(np.dot(self.weights, self.means))

    @property
    def variance(self) -> float:
        """Variance."""
        return float(self.cumulants[1])

    @cached_property
    def cumulants(self) -> np.ndarray:
        """Cumulants of order 1 to 6, from central moments of the parts."""
        away, sd = np.subtract(self.means, self.mean), np.array(self.sds)
        normal = (1, 0, 1, 0, 3, 0, 15)
        moment = [
            np.dot(
                self.weights,
                sum(comb(r, k) * away ** (r - k) * sd**k * normal[k] for k in range(r + 1)),
            )
            for r in range(7)
        ]
        found = [0.0, 0.0]
        for r in range(2, 7):
            lower = sum(comb(r - 1, j - 1) * found[j] * moment[r - j] for j in range(2, r))
            found.append(float(moment[r] - lower))
        return np.array([self.mean, *found[2:]])

    @property
    def entropy(self) -> float:
        """Mean surprisal in nats, of the density by the measurement's own unit."""
        return -inf if self.certain else self._surprisal()[0]

    @property
    def varentropy(self) -> float:
        """Variance of the surprisal, in square nats."""
        return 0.0 if self.certain else self._surprisal()[1]

    @cached_property
    def peaks(self) -> np.ndarray:
        """Places of the maxima of the density, ascending."""
        if self.certain:
            return np.array(self.means[:1])
        grid = _grid(self)
        slope = np.sign(self._slope(grid))
        grid, slope = grid[slope != 0], slope[slope != 0]
        turns = np.flatnonzero((slope[:-1] > 0) & (slope[1:] < 0))
        return np.array([optimize.brentq(self._slope, grid[i], grid[i + 1]) for i in turns])

    def tv(self, other: "NormalMixture") -> float:
        """Total variation, by the masses between the places where the densities cross."""
        if self == other:
            return 0.0
        if self.certain or other.certain:
            return 1.0

        def gap(w: Any) -> Any:
            return self.density(w) - other.density(w)

        grid = _grid(self, other)
        sign = np.sign(gap(grid))
        grid, sign = grid[sign != 0], sign[sign != 0]
        turns = np.flatnonzero(sign[:-1] != sign[1:])
        cuts = np.array([optimize.brentq(gap, grid[i], grid[i + 1], xtol=1e-13) for i in turns])
        mass = [np.diff(law.below(cuts), prepend=0.0, append=1.0) for law in (self, other)]
        return float(0.5 * np.abs(mass[0] - mass[1]).sum())

    def rearranged_tv(self, other: "NormalMixture") -> float:
        """Total variation after the labels are forgotten; good to about 1e-7."""
        if self.certain or other.certain:
            return float(self.certain != other.certain)
        grids = [_grid(law) for law in (self, other)]
        densities = [law.density(grid) for law, grid in zip((self, other), grids, strict=True)]
        densities = [np.where(f > FAINT * f.max(), f, 0.0) for f in densities]
        levels = np.unique(np.concatenate([[0.0], *densities]))
        pairs = zip(densities, grids, strict=True)
        lengths = [_length_above(levels, density, grid) for density, grid in pairs]
        return float(0.5 * np.trapezoid(np.abs(lengths[0] - lengths[1]), levels))

    def jensen_shannon(self, other: "NormalMixture") -> float:
        """Bits that a look at the measurement says of a fair switch."""
        if self.certain or other.certain:
            return float(self != other)
        grid = _grid(self, other)
        logs = [law.log_density(grid) for law in (self, other)]
        middle = np.logaddexp(*logs) - log(2)
        bits = 0.5 * sum(np.exp(part) * (part - middle) for part in logs) / log(2)
        return float(np.clip(np.trapezoid(bits, grid), 0.0, 1.0))

    def concentration(self, width: float) -> float:
        r"""Evaluate the most that any interval of this width holds, Levy's :math:`Q(h)`."""
        if self.certain:
            return 1.0
        start = np.unique([_grid(self), _grid(self) - width])
        held = self.below(start + width) - self.below(start)
        return float(held.max())

    @cached_property
    def shortest_half(self) -> float:
        """Length of the shortest interval that holds half of the mass."""
        if self.certain:
            return 0.0
        grid = _grid(self)
        widest = grid[-1] - grid[0]
        return float(optimize.brentq(lambda h: self.concentration(h) - 0.5, 0.0, widest))

    def tilted(self, slope: float) -> tuple["NormalMixture", float]:
        """Twist by exp(slope w): the law that comes out, and the log of E[exp(slope w)]."""
        mean, sd = np.array(self.means), np.array(self.sds)
        logs = np.log(self.weights) + slope * mean + (slope * sd) ** 2 / 2
        total = float(logsumexp(logs))
        means, weights = mean + slope * sd**2, np.exp(logs - total)
        return NormalMixture(tuple(means.tolist()), self.sds, tuple(weights.tolist())), total

    def log_density(self, w: Any) -> Any:
        """Evaluate log f at any places."""
        sd = np.array(self.sds)
        away = (np.asarray(w)[..., None] - self.means) / sd
        logs = np.log(self.weights) - np.log(sd) - 0.5 * (away**2 + log(2 * np.pi))
        return logsumexp(logs, axis=-1)

    def density(self, w: Any) -> Any:
        """Evaluate f at any places."""
        return np.exp(self.log_density(w))

    def below(self, w: Any) -> Any:
        """Evaluate the mass below any places."""
        return ndtr((np.asarray(w)[..., None] - self.means) / self.sds) @ np.array(self.weights)

    def _slope(self, w: Any) -> Any:
        sd = np.array(self.sds)
        away = (np.asarray(w)[..., None] - self.means) / sd
        return -(np.exp(-0.5 * away**2) * away / sd**2) @ np.array(self.weights)

    def _surprisal(self) -> tuple[float, float]:
        grid = _grid(self)
        logs = self.log_density(grid)
        mean = -np.trapezoid(np.exp(logs) * logs, grid)
        return float(mean), float(np.trapezoid(np.exp(logs) * (logs + mean) ** 2, grid))


@dataclass(frozen=True)
class Exact:
    """The truth about one disciple, in a world whose measurements have laws with a formula.

    Parameters
    ----------
    measurements
        Their names.
    law
        X -> the law of each measurement given the evidence, for X = 0 and 1.
    """

    measurements: tuple[str, ...]
    law: Mapping[int, tuple[Any, ...]]

    def of(self, what: str) -> dict[int, np.ndarray]:
        """Look up `mean`, `variance`, `entropy`, `varentropy` or `cumulants`: X -> (m, ...)."""
        return {x: np.array([getattr(law, what) for law in self.law[x]]) for x in (0, 1)}

    @property
    def mean(self) -> dict[int, np.ndarray]:
        """X -> (m,)."""
        return self.of("mean")

    @property
    def variance(self) -> dict[int, np.ndarray]:
        """X -> (m,)."""
        return self.of("variance")

    @property
    def entropy(self) -> dict[int, np.ndarray]:
        """X -> (m,), in nats."""
        return self.of("entropy")

    @property
    def varentropy(self) -> dict[int, np.ndarray]:
        """X -> (m,), in square nats."""
        return self.of("varentropy")

    @property
    def cumulants(self) -> dict[int, np.ndarray]:
        """X -> (m, 6), of order 1 to 6."""
        return self.of("cumulants")

    @property
    def peaks(self) -> dict[int, tuple[np.ndarray, ...]]:
        """X -> the places of each measurement's peaks."""
        return {x: tuple(law.peaks for law in self.law[x]) for x in (0, 1)}

    @property
    def spread_ratio(self) -> np.ndarray:
        """Standard deviation let in over that erased, (m,)."""
        variance = self.variance
        ratio: np.ndarray = np.sqrt(variance[1] / variance[0])
        return ratio

    @property
    def entropy_change(self) -> np.ndarray:
        """Nats of entropy that the disciple adds, (m,); -inf where it leaves a certainty."""
        entropy = self.entropy
        change: np.ndarray = entropy[1] - entropy[0]
        return change

    @property
    def jensen_shannon(self) -> np.ndarray:
        """Bits that each measurement says of a fair switch, (m,), between 0 and 1."""
        return self._between("jensen_shannon")

    def tv(self) -> np.ndarray:
        """Total variation between P(e,S,1) and P(e,S,0) for each measurement, (m,)."""
        return self._between("tv")

    def rearranged_tv(self) -> np.ndarray:
        """Total variation once it is forgotten which world is which, (m,), at most tv."""
        return self._between("rearranged_tv")

    def twist(self, measurement: str, slope: float) -> tuple[float, float]:
        """Twist both worlds by M = exp(slope w): tv of this measurement, and log Z1 / Z0."""
        place = self.measurements.index(measurement)
        (one, log_one), (other, log_other) = (self.law[x][place].tilted(slope) for x in (1, 0))
        return one.tv(other), log_one - log_other

    def _between(self, what: str) -> np.ndarray:
        pairs = zip(self.law[1], self.law[0], strict=True)
        return np.array([getattr(one, what)(other) for one, other in pairs])


def _grid(*laws: NormalMixture) -> np.ndarray:
    """Space points evenly over each part, so that a narrow one beside a wide one is met."""
    even = np.linspace(-REACH, REACH, POINTS)
    parts = {part for law in laws for part in zip(law.means, law.sds, strict=True)}
    return np.unique([m + s * even for m, s in sorted(parts)])


def _length_above(levels: np.ndarray, density: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Measure the set where a density exceeds each level, one monotone stretch at a time."""
    rises = np.diff(density) > 0
    turns = np.flatnonzero(rises[:-1] != rises[1:]) + 1
    total = np.zeros_like(levels)
    for start, stop in zip([0, *turns], [*turns, len(grid) - 1], strict=True):
        height, place = density[start : stop + 1], grid[start : stop + 1]
        up = bool(rises[start])
        # np.unique keeps the first of equal heights, from the low end of the stretch.
        high, first = np.unique(height if up else height[::-1], return_index=True)
        crossing = np.interp(levels, high, (place if up else place[::-1])[first])
        length = place[-1] - crossing if up else crossing - place[0]
        total += np.where(levels > high[-1], 0.0, length)
    return total
