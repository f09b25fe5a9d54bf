r"""What does a published impact measure charge, on drawn worlds or exactly?

.. math:: \mathrm{penalty}(S) = E \sum_t w_t\, d(C_t, B_t), \qquad
          \mathrm{penalty}(S) = \sum_t w_t\, d\big(\mathrm{law}(C_t), \mathrm{law}(B_t)\big)

C are the states that the disciple brings about, B those that they are compared with, t = 1, 2, ...
the moves. The first form, ``average="outcomes"``, is what was published: it charges for chance, as
two runs of the same chaotic world differ. The second, ``average="law"``, averages chance first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import xarray as xr

from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    WorldError,
    nearest,
    refuse_counts,
)
from inference.diagnostics.soundness import slowest_latent
from inference.peers.baselines import (
    action_charges,
    expected_ends,
    expected_stepwise,
    laws_of,
    policy_chances,
    step_weights,
)
from inference.peers.block_errors import Blocks
from inference.peers.deviations import Deviation, rolled_out, rolled_out_pairs, waited
from inference.peers.dynamics import Moves, moves_of
from inference.peers.options import (
    AVERAGES,
    BASELINES,
    OVER_TIME,
    refuse_choice,
    refuse_discount,
)
from inference.peers.trajectories import (
    TRAJECTORY,
    Trajectories,
    read_outcomes,
    read_trajectories,
)
from inference.schema import DISCIPLE, predictions

__all__ = ["ImpactPenalty", "Measure"]

_ONE_STEP = "without dynamics worlds make one step, so that 'stepwise' is 'inaction'"

Worlds = xr.DataTree | xr.Dataset
Names = Sequence[str] | str | None


class Measure(Protocol):
    """What states are worth by some impact measure."""

    @property
    def sampled(self) -> bool:
        """Whether ends are random utilities, of which there might have been others."""

    def deviation(self, moves: Moves) -> Deviation:
        """Tabulate single states."""


@dataclass(frozen=True, eq=False)
class ImpactPenalty:
    """A published impact measure, as a penalty; made by the functions of :mod:`inference.peers`.

    Parameters
    ----------
    name
        Which one.
    measure
        How states are compared.
    dynamics
        What actions lead to; without, worlds make one step into what is measured.
    baseline, rollouts, wait, over_time, discount, average, measurements
        As the functions explain.
    """

    name: str
    measure: Measure
    dynamics: Any = None
    baseline: str = "stepwise"
    rollouts: bool = False
    wait: bool = False
    over_time: str = "discounted"
    discount: float = 0.99
    average: str = "outcomes"
    measurements: Names = None

    def __post_init__(self) -> None:
        refuse_choice("baseline", self.baseline, BASELINES)
        refuse_choice("over_time", self.over_time, OVER_TIME)
        refuse_choice("average", self.average, AVERAGES)
        refuse_discount("discount", self.discount, at_most_one=True)
        if self._rolls and self.discount == 1:
            raise CounterfactualError(
                "got discount=1 with inaction rollouts, which weigh what comes k steps later by "
                "(1 - discount) discount^k; expected a discount below 1, or rollouts=False."
            )
        if self.dynamics is not None:
            object.__setattr__(self, "dynamics", moves_of(self.dynamics))

    @property
    def __name__(self) -> str:
        """What a table calls it."""
        return f"{self.name}, {self.baseline}"

    def __call__(self, worlds: Worlds, /, disciples: Names = None) -> xr.Dataset:
        """Charge every disciple for the worlds that were drawn.

        Returns
        -------
        xr.Dataset
            Dim disciple: ``penalty``; ``mcse``, from blocks of draws, and of random utilities
            where there are any; ``floor``, what the same world would show by the noise of draws
            (0 unless laws are compared); ``reason``; and ``utilities_mcse``, the part of the error
            that another set of as many utilities would make.
        """
        found = self._read(worlds)
        let_in = found.disciples[1:]
        wanted = [disciples] if isinstance(disciples, str) else list(disciples or let_in)
        for name in wanted:
            if name not in let_in:
                raise DiscipleError(f"no disciple is named {name!r}. " + nearest(name, let_in))
        told = (
            self._outcomes(found, worlds)
            if self.average == "outcomes"
            else self._laws(found, worlds)
        )
        if self.dynamics is None and self.baseline == "stepwise":
            said = [filter(None, [_ONE_STEP, own]) for own in told["reason"]]
            told["reason"] = np.array(["; ".join(own) for own in said], dtype=object)
        result = xr.Dataset(
            {name: (DISCIPLE, values) for name, values in told.items()},
            {DISCIPLE: np.array(let_in, dtype=object)},
        )
        attrs = {"baseline": self.baseline, "over_time": self.over_time, "average": self.average}
        counts = {"states": found.moves.states, "steps": found.steps}
        return result.sel({DISCIPLE: wanted}).assign_attrs(attrs | counts)

    def exact(self, policy: Any) -> float:
        """Expect the penalty of a policy by dynamic programming, without any draws.

        Parameters
        ----------
        policy
            Places of actions (step, state), or their probabilities (step, state, action).

        Returns
        -------
        float
            What drawn worlds tend to, where those of the disciple and of nobody have noise of
            their own.

        Raises
        ------
        WorldError
            If there are no dynamics, or the policy is none.
        """
        moves = self._known("exact(policy)")
        chances = policy_chances(policy, moves)
        laws = laws_of(moves, chances)
        if self.average == "outcomes":
            charges = np.einsum("tsa,tsa->ts", self.charges(len(chances)), chances)
            return float((laws[:-1] * charges).sum())
        erased = self._erased(moves, len(chances))
        total = 0.0
        for step, weight, deviation in self._steps(moves, len(chances)):
            before = laws[step] @ moves.waiting if self.baseline == "stepwise" else erased[step]
            total += weight * float(deviation.between_laws(laws[step + 1], np.asarray(before)))
        return total

    def charges(self, steps: int) -> np.ndarray:
        """Expect what each action costs in each state at each step.

        An agent that is best off with ``reward - weight * charges`` at every step is found by
        going backwards through them.

        Parameters
        ----------
        steps
            How many there are.

        Returns
        -------
        np.ndarray
            Dims (step, state, action), weighted by ``over_time``.

        Raises
        ------
        WorldError
            If there are no dynamics, or no steps.
        CounterfactualError
            If laws are compared: these have no costs of single actions.
        """
        moves = self._known("charges(steps)")
        refuse_counts(1, steps=steps)
        if self.average != "outcomes":
            raise CounterfactualError(
                "got average='law': it compares laws of states, and no action has a cost of its "
                "own; expected average='outcomes'."
            )
        erased = self._erased(moves, steps)
        found = np.zeros((steps, moves.states, moves.actions))
        last: tuple[Any, ...] = (None, None, None)
        for step, weight, deviation in self._steps(moves, steps):
            known, law, each = last
            if known is not deviation or not np.array_equal(law, erased[step]):
                each = action_charges(deviation, moves, self.baseline, erased[step])
                last = deviation, erased[step], each
            found[step] = weight * each
        return found

    @property
    def _rolls(self) -> bool:
        # An outcome stays as it is: to wait there changes nothing.
        return self.rollouts and self.baseline == "stepwise" and self.dynamics is not None

    @cached_property
    def _deviation(self) -> Deviation:
        return self._prepared(self.dynamics)

    def _prepared(self, moves: Moves) -> Deviation:
        deviation = self.measure.deviation(moves)
        if not self._rolls:
            return deviation
        if deviation.pairs is None:
            return rolled_out(deviation, moves.waiting, discount=self.discount)
        if self.average == "law":
            raise CounterfactualError(
                f"got average='law' for {self.name} with inaction rollouts, which follow pairs of "
                "states; expected rollouts=False, or average='outcomes'."
            )
        pairs = rolled_out_pairs(deviation.pairs, moves.waiting, discount=self.discount)
        return Deviation(deviation.baseline, deviation.current, deviation.weight, pairs=pairs)

    def _known(self, asked: str) -> Moves:
        if self.dynamics is None:
            raise WorldError(
                f"{asked} needs to know what actions lead to, and this penalty has no dynamics: "
                f"{self.name}(dynamics, ...), such as the `tabular` of an example of the zoo."
            )
        moves: Moves = self.dynamics
        return moves

    def _erased(self, moves: Moves, steps: int) -> np.ndarray:
        """Laws that are compared with after every step, (step, state); stepwise has none."""
        if self.baseline == "inaction":
            idle = np.zeros((1, moves.actions))
            idle[0, moves.idle] = 1.0
            return laws_of(moves, np.broadcast_to(idle, (steps, moves.states, moves.actions)))[1:]
        return np.tile(np.eye(1, moves.states, moves.start), (steps, 1))

    def _steps(self, moves: Moves, steps: int) -> Iterator[tuple[int, float, Deviation]]:
        """Go backwards through the steps that count, each with its weight and its deviation."""
        known = moves is self.dynamics
        deviation = self._deviation if known else self._prepared(moves)
        weights = step_weights(self.over_time, steps, self.discount)
        for step in range(steps)[::-1]:
            if self.wait and step < steps - 1:
                deviation = waited(deviation, moves.waiting, both=self.baseline != "start")
            if weights[step]:
                yield step, float(weights[step]), deviation

    def _read(self, worlds: Worlds) -> Trajectories:
        if self.dynamics is not None:
            return read_trajectories(worlds, self.dynamics)
        if self.baseline == "start":
            raise WorldError(
                "the baseline 'start' is not applicable without dynamics: a world that makes one "
                "step into what is measured has nothing measured before it. Take 'inaction', or "
                "give the dynamics."
            )
        if self.measurements is None and TRAJECTORY in predictions(worlds):
            raise WorldError(
                f"these worlds have a {TRAJECTORY!r}, and no dynamics were given to read it by: "
                "give them first, such as the `tabular` of an example; or name measurements= "
                "that one step is to be taken into."
            )
        return read_outcomes(worlds, self.measurements)

    def _compared(self, found: Trajectories, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Pick the states after a step, (disciple, row), and what names those compared with."""
        current = found.states[1:, ..., step + 1]
        if self.baseline == "start":
            other = found.states[1:, ..., 0]
        elif self.baseline == "inaction" or self.dynamics is None:
            other = np.broadcast_to(found.states[:1, ..., step + 1], current.shape)
        else:
            other = found.states[1:, ..., step]
        return current.reshape(len(current), -1), other.reshape(len(current), -1)

    def _outcomes(self, found: Trajectories, worlds: Worlds) -> dict[str, np.ndarray]:
        moves = found.moves
        stepwise = self.baseline == "stepwise" and self.dynamics is not None
        values = np.zeros((len(found.disciples) - 1, found.states[0, ..., 0].size))
        ends: np.ndarray | None = None
        for step, weight, deviation in self._steps(moves, found.steps):
            current, other = self._compared(found, step)
            codes = other * moves.states + current
            met = np.zeros(moves.states**2, dtype=bool)
            met[codes] = True
            known = np.flatnonzero(met)
            places = (np.cumsum(met) - 1)[codes]
            pair = np.divmod(known, moves.states)
            if stepwise:
                each = expected_stepwise(deviation, moves, *pair)
            else:
                each = deviation.between(pair[1], pair[0])
            values += weight * each[places]
            if self.measure.sampled:
                shares = np.stack([np.bincount(row, minlength=len(known)) for row in places])
                shares = weight * shares / places.shape[1]
                own = np.stack([self._by_end(deviation, moves, pair, row) for row in shares])
                ends = own if ends is None else ends + own
        blocks = Blocks(values, found.states.shape[1:4], slowest_latent(worlds))
        told = {"penalty": values.mean(axis=-1), "mcse": blocks.error()}
        told |= {"floor": np.zeros(len(values)), "reason": blocks.reason()}
        if ends is not None and ends.shape[1] > 1:
            told["utilities_mcse"] = ends.std(axis=1, ddof=1) / np.sqrt(ends.shape[1])
            told["mcse"] = np.hypot(told["mcse"], told["utilities_mcse"])
        return told

    def _by_end(
        self,
        deviation: Deviation,
        moves: Moves,
        pair: tuple[np.ndarray, np.ndarray],
        weights: np.ndarray,
    ) -> np.ndarray:
        if self.baseline == "stepwise" and self.dynamics is not None:
            return expected_ends(deviation, moves, *pair, weights)
        return deviation.by_end(pair[1], pair[0], weights)

    def _laws(self, found: Trajectories, worlds: Worlds) -> dict[str, np.ndarray]:
        moves, last = found.moves, found.states[1:, ..., -1]
        stepwise = self.baseline == "stepwise" and self.dynamics is not None
        blocks = Blocks(last.reshape(len(last), -1), last.shape[1:], slowest_latent(worlds))
        plugin = np.zeros((len(last), len(blocks) + 1))
        floor = np.zeros(len(last))
        for step, weight, deviation in self._steps(moves, found.steps):
            for which, states in enumerate(zip(*self._compared(found, step), strict=True)):
                current, other = (blocks.laws(one, moves.states) for one in states)
                other = np.asarray(other @ moves.waiting) if stepwise else other
                plugin[which] += weight * deviation.between_laws(current, other)
                lost = deviation.differences(current[1:], other[1:])
                floor[which] += weight * deviation.noise(*lost)
        error = blocks.left_out_error(plugin[:, 1:])
        shown, more, less = (
            _beyond(plugin[:, 0] + moved, floor) for moved in (0.0, error, -error)
        )
        told = {"penalty": np.maximum(shown, 0.0), "mcse": (more - less) / 2, "floor": floor}
        return told | {"reason": blocks.reason()}


def _beyond(plugin: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Take noise away, as :func:`inference.beyond_floors.beyond_floor` does."""
    squared = plugin * np.abs(plugin) - floor**2
    return np.sign(squared) * np.sqrt(np.abs(squared))
