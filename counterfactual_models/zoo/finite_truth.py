r"""What is the truth of a world that can come out in finitely many ways?

An outcome W is a tuple of what was measured. From the laws of outcomes, erased and let in, at the
evidence e and at evidences that there might have been instead, everything follows exactly:

.. math:: \mathrm{tv} = \tfrac12 \sum_W |P_1(W) - P_0(W)|, \qquad
          \mathrm{rearranged} = \tfrac12 \sum_k |p_{1,(k)} - p_{0,(k)}|

with the probabilities sorted behind the second sum: it forgets which outcome is which. Where the
world is written as a function of independent noise, the same in both worlds, there is a ladder
between the two laws and the two paths, one rung for every set L of noise that is held fixed:

.. math:: \mathrm{tv} \le E_L\, \mathrm{tv}\big(P_1(\cdot | L), P_0(\cdot | L)\big)
          \le P(W_1 \ne W_0)

What the data are worth stands in `finite_importance`.

S. Armstrong, "The mathematics of reduced impact: help needed" (2012).
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from counterfactual_models.errors import MeasurementError, WorldError, nearest
from counterfactual_models.zoo.finite_importance import (
    FiniteImportance,
    Law,
    distance,
    importance,
)

__all__ = ["FiniteImportance", "FiniteTruth", "Law", "Run"]

SLACK = 1e-9  # in a sum of probabilities


@dataclass(frozen=True)
class Run:
    """One state of the noise, and what it makes of both worlds.

    Parameters
    ----------
    noise
        A value for each noise, in order.
    chance
        Of this state.
    off, on
        The outcome with the disciple erased, and let in.
    """

    noise: tuple[Hashable, ...]
    chance: float
    off: tuple[float, ...]
    on: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class FiniteTruth:
    """Everything there is to know of what was measured, exactly.

    Parameters
    ----------
    names
        Of the measurements, as an outcome lists them.
    laws
        X -> outcome -> probability.
    moved
        Datum -> the laws, erased and let in, at each evidence that there might have been instead.
    pairs
        (outcome erased, outcome let in) -> probability, the noise being the same for both. Left
        out, it is taken from `runs`, if there are any.
    noise, runs
        Names of the independent noises, and what each of their states makes of both worlds.

    Raises
    ------
    WorldError
        If a law is none: an outcome of another length than `names`, a probability that is
        negative or not finite, or a sum other than 1; or if the pairs do not have these laws.

    Examples
    --------
    >>> truth = FiniteTruth(("war",), {0: {(0,): 0.9, (1,): 0.1}, 1: {(0,): 0.1, (1,): 0.9}})
    >>> round(truth.joint_tv, 6), truth.rearranged_tv, truth.entropy_change
    (0.8, 0.0, 0.0)
    """

    names: tuple[str, ...]
    laws: Mapping[int, Law]
    moved: Mapping[str, Sequence[tuple[Law, Law]]] = field(default_factory=dict)
    pairs: Mapping[tuple[tuple[float, ...], tuple[float, ...]], float] | None = None
    noise: tuple[str, ...] = ()
    runs: tuple[Run, ...] = ()

    def __post_init__(self) -> None:
        names = tuple(self.names)
        if set(self.laws) != {0, 1}:
            raise WorldError(f"got laws for X in {sorted(self.laws)}; expected one for 0 and 1.")
        laws = {x: _law(self.laws[x], names, f"X={x}") for x in (0, 1)}
        moved = {
            datum: [
                (
                    _law(off, names, f"X=0, another {datum}"),
                    _law(on, names, f"X=1, another {datum}"),
                )
                for off, on in others
            ]
            for datum, others in self.moved.items()
        }
        if not all(moved.values()):
            raise WorldError("a datum has no alternative; leave it out, or say what else it was.")
        pairs = _pairs(self.runs) if self.pairs is None and self.runs else self.pairs
        for name, value in (("names", names), ("laws", laws), ("moved", moved), ("pairs", pairs)):
            object.__setattr__(self, name, value)
        for x in (0, 1):
            own = laws[x] if pairs is None else _summed((pair[x], p) for pair, p in pairs.items())
            if distance(_law(own, names, f"X={x} in pairs"), laws[x]) > SLACK:
                raise WorldError(f"the pairs do not have the law of the world with X={x}.")

    @classmethod
    def of_laws(
        cls,
        law: Callable[[int, Mapping[str, Any]], Law],
        evidence: Mapping[str, Any],
        *,
        names: Sequence[str],
        alternatives: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    ) -> "FiniteTruth":
        """Ask for the law at the evidence, and at all that there might have been instead.

        Parameters
        ----------
        law
            X, evidence -> outcome -> probability.
        evidence
            Passed on as it is.
        names
            Of the measurements.
        alternatives
            Datum -> evidences, a datum changed in each.

        Examples
        --------
        >>> def law(on, evidence):
        ...     return {(1,): 0.3 + 0.4 * evidence["e"], (0,): 0.7 - 0.4 * evidence["e"]}
        >>> truth = FiniteTruth.of_laws(
        ...     law, {"e": 1}, names=["y"], alternatives={"e": [{"e": 0}]}
        ... )
        >>> truth.joint_tv, round(truth.importance.off["e"], 6), truth.importance.ratio
        (0.0, 0.8, 0.0)
        """
        others = {} if alternatives is None else alternatives
        return cls(
            tuple(names),
            {x: law(x, evidence) for x in (0, 1)},
            {datum: [(law(0, e), law(1, e)) for e in each] for datum, each in others.items()},
        )

    @classmethod
    def of_noise(
        cls,
        outcome: Callable[..., Sequence[float]],
        noise: Mapping[str, Mapping[Any, float]] | Callable[[Mapping[str, Any]], Any],
        evidence: Mapping[str, Any],
        *,
        names: Sequence[str],
        alternatives: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    ) -> "FiniteTruth":
        """Run the world on every state of its noise.

        Parameters
        ----------
        outcome
            X, evidence, and a value of each noise in order -> the outcome.
        noise
            Name -> value -> probability, each independent of the others; or a function of the
            evidence that returns this.
        evidence, names, alternatives
            As in :meth:`of_laws`.

        Examples
        --------
        >>> coin = {"coin": {0: 0.5, 1: 0.5}}
        >>> flip = FiniteTruth.of_noise(lambda on, e, coin: (on ^ coin,), coin, {}, names=["up"])
        >>> flip.joint_tv, flip.path, flip.tv_given("coin")
        (0.0, 1.0, 1.0)
        """

        def runs(seen: Mapping[str, Any]) -> tuple[Run, ...]:
            return _runs(outcome, noise(seen) if callable(noise) else noise, seen)

        def laws(seen: Mapping[str, Any]) -> tuple[Law, Law]:
            paths = _pairs(runs(seen))
            off, on = (_summed((pair[x], p) for pair, p in paths.items()) for x in (0, 1))
            return off, on

        labels = tuple(noise(evidence) if callable(noise) else noise)
        others = {} if alternatives is None else alternatives
        return cls(
            tuple(names),
            dict(enumerate(laws(evidence))),
            {datum: [laws(e) for e in each] for datum, each in others.items()},
            noise=labels,
            runs=runs(evidence),
        )

    @property
    def measurements(self) -> tuple[str, ...]:
        """Names of the measurements, as the other worlds of the zoo call them."""
        return self.names

    def marginal(self, name: str, x: int) -> dict[float, float]:
        """Value -> probability of one measurement, with X = x."""
        if name not in self.names:
            raise MeasurementError(f"{name!r} is not measured. " + nearest(name, self.names))
        place = self.names.index(name)
        own = _summed(((outcome[place],), p) for outcome, p in self.laws[x].items())
        return {value: p for (value,), p in sorted(own.items())}

    def tv(self) -> np.ndarray:
        """Total variation of each measurement by itself, (measurement,), from 0 to 1."""
        own = [[_keyed(self.marginal(name, x)) for x in (0, 1)] for name in self.names]
        return np.array([distance(*pair) / 2 for pair in own])

    @property
    def joint_tv(self) -> float:
        """Total variation of all measurements together, from 0 to 1."""
        return distance(self.laws[0], self.laws[1]) / 2

    @property
    def rearranged_tv(self) -> float:
        """Least total variation, had the outcomes of one world been named otherwise."""
        size = max(map(len, self.laws.values()))
        off, on = (np.sort([*p.values()] + [0.0] * (size - len(p))) for p in self.laws.values())
        return float(abs(on - off).sum() / 2)

    @property
    def entropy_change(self) -> float:
        """Bits that the joint law has more of when the disciple is let in."""
        return _entropy(self.laws[1]) - _entropy(self.laws[0])

    @property
    def path(self) -> float:
        """Chance that the two worlds differ, the noise being the same for both."""
        if self.pairs is None:
            raise WorldError(
                "there are laws and no pairs, so that nothing is known of paths. Make the truth "
                "with FiniteTruth.of_noise, or give pairs."
            )
        return float(sum(p for (off, on), p in self.pairs.items() if off != on))

    def tv_given(self, *noise: str) -> float:
        """Mean total variation of the laws that are left when these noises are known.

        Examples
        --------
        >>> die = {"low": {0: 0.5, 1: 0.5}, "high": {0: 0.5, 1: 0.5}}
        >>> swaps = FiniteTruth.of_noise(
        ...     lambda on, e, low, high: (low ^ on, high), die, {}, names=["a", "b"]
        ... )
        >>> swaps.tv_given(), swaps.tv_given("high"), swaps.tv_given("low")
        (0.0, 0.0, 1.0)
        """
        if not self.runs:
            raise WorldError("nothing is known of the noise. Make the truth with of_noise.")
        for name in noise:
            if name not in self.noise:
                raise WorldError(f"there is no noise {name!r}. " + nearest(name, self.noise))
        places = [self.noise.index(name) for name in noise]
        known: dict[tuple[Hashable, ...], list[Run]] = defaultdict(list)
        for run in self.runs:
            known[tuple(run.noise[place] for place in places)].append(run)
        return sum(
            distance(
                _summed((r.off, r.chance) for r in own), _summed((r.on, r.chance) for r in own)
            )
            / 2
            for own in known.values()
        )

    def optimization_power(self, utility: Callable[[tuple[float, ...]], float]) -> float:
        """Mean bits of what is reached: how rarely the erased world does as well.

        Parameters
        ----------
        utility
            Outcome -> number.

        Returns
        -------
        float
            The mean of -log2 P_0(U >= U(w)), w from P_1; inf if it may reach what the erased
            world never does.
        """
        reached = {w: float(utility(w)) for law in self.laws.values() for w in law}
        bits = 0.0
        for w, p in self.laws[1].items():
            as_good = math.fsum(q for v, q in self.laws[0].items() if reached[v] >= reached[w])
            if as_good <= 0:
                return math.inf
            bits -= p * math.log2(min(as_good, 1.0))
        return bits + 0.0

    @cached_property
    def importance(self) -> FiniteImportance:
        """What each datum of `moved` is worth beside the switch."""
        return importance(self.laws, self.moved)


def _law(law: Law, names: tuple[str, ...], place: str) -> dict[tuple[float, ...], float]:
    """Refuse what is no law; leave out what never happens."""
    kept: dict[tuple[float, ...], float] = {}
    for outcome, p in law.items():
        if not isinstance(outcome, tuple) or len(outcome) != len(names):
            raise WorldError(
                f"got the outcome {outcome!r} for {place}; expected a tuple of "
                f"{len(names)}: {', '.join(names)}."
            )
        if not (math.isfinite(p) and p >= 0):
            raise WorldError(f"got the probability {p!r} of {outcome!r} for {place}.")
        key = tuple(map(float, outcome))
        if not all(map(math.isfinite, key)):
            raise WorldError(f"got the outcome {outcome!r} for {place}; expected finite numbers.")
        if p > 0:
            kept[key] = kept.get(key, 0.0) + float(p)
    total = math.fsum(kept.values())
    if abs(total - 1) > SLACK:
        raise WorldError(f"the probabilities for {place} add up to {total!r}; expected 1.")
    return kept


def _runs(
    outcome: Callable[..., Sequence[float]],
    noise: Mapping[str, Mapping[Any, float]],
    evidence: Mapping[str, Any],
) -> tuple[Run, ...]:
    """Run both worlds on every state of the noise that can be."""
    laws = [
        _law({(place,): p for place, p in enumerate(law.values())}, (name,), f"the noise {name!r}")
        for name, law in noise.items()
    ]
    values = [list(law) for law in noise.values()]
    runs = []
    for state in itertools.product(*laws):
        drawn = tuple(own[int(place)] for own, (place,) in zip(values, state, strict=True))
        chance = math.prod(law[place] for law, place in zip(laws, state, strict=True))
        off, on = (tuple(map(float, outcome(x, evidence, *drawn))) for x in (0, 1))
        runs.append(Run(drawn, chance, off, on))
    return tuple(runs)


def _pairs(runs: Sequence[Run]) -> dict[Any, float]:
    return _summed(((run.off, run.on), run.chance) for run in runs)


def _summed(parts: Any) -> dict[Any, float]:
    """Add up the probabilities of what is the same."""
    total: dict[Any, float] = defaultdict(float)
    for key, p in parts:
        total[key] += p
    return dict(total)


def _keyed(law: Mapping[float, float]) -> Law:
    return {(value,): p for value, p in law.items()}


def _entropy(law: Law) -> float:
    return math.fsum(-p * math.log2(p) for p in law.values())
