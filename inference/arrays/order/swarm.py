r"""Where are the particles of all runs of splitting, and what is left of them at each level?

.. math:: P_l = \{(u, v) : u > u_l\} \cup \{u = u_l, v < v_l\}, \qquad v \sim U(0, 1)

Particles move among what is above their run's level: a state (its utility u, its lot v) is left
for another in P_l if the evidence allows; the lot is kept for the move and drawn anew after it.
The level rises to the middle of all that the particles have been.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.halving_runs import SplitTail, judged_runs
from inference.arrays.order.moves import Move

__all__ = ["Limits", "Swarm", "Trail"]

Start = Callable[[np.random.Generator, int], np.ndarray]
Evaluate = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

_ACCEPTED, _QUICKNESS = 0.35, 0.5
_SMALLEST_SCALE = 1e-6
_DEAD = 1e-3
"""A run with a smaller share of accepted moves is stuck."""
_GENERATIONS = 16
"""Halvings after which families are counted anew: by then states have forgotten their first."""
_EXPLORED = 0.2
"""Share of the steps that all kinds of moves get alike."""


@dataclass(frozen=True)
class Limits:
    """When a run is there, and when it is given up: see :func:`~.splitting.split_tail`."""

    target: float
    most_bits: float
    plateau_bits: float


@dataclass(frozen=True)
class Trail:
    """All that the particles of the active runs were at one level, (run, step x particle)."""

    blocks: list[np.ndarray]
    place: np.ndarray
    utility: np.ndarray
    log_likelihood: np.ndarray
    lot: np.ndarray
    accepted: np.ndarray

    def states(self, places: np.ndarray) -> np.ndarray:
        """Gather the states at these places, shape (*places, size)."""
        flat, first = places.ravel(), 0
        found = np.empty((flat.size, self.blocks[0].shape[1]), self.blocks[0].dtype)
        for block in self.blocks:
            mine = (flat >= first) & (flat < first + len(block))
            found[mine] = block[flat[mine] - first]
            first += len(block)
        return found.reshape(*places.shape, -1)


class Swarm:
    """The particles of all runs, and what is left of them at each level."""

    def __init__(
        self,
        limits: Limits,
        kinds: Callable[[np.ndarray], tuple[Move, ...]],
        particles: int,
        steps: int,
    ) -> None:
        self.limits, self.kinds_for = limits, kinds
        self.particles, self.steps = particles, steps
        self.evaluations = 0
        self.tail: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.last: dict[int, np.ndarray] = {}

    def begin(
        self, start: Start, evaluate: Evaluate, generators: list[np.random.Generator]
    ) -> None:
        """Draw the first particles of all runs."""
        runs, particles = len(generators), self.particles
        drawn = [np.asarray(start(generator, particles)) for generator in generators]
        for states in drawn:
            if states.ndim != 2 or len(states) != particles or states.shape[1] == 0:
                raise CounterfactualError(
                    f"got starting states of shape {states.shape}; expected ({particles}, size). "
                    "start(generator, number) returns one row of noise a draw."
                )
            if not np.isfinite(states).all():
                row, column = np.argwhere(~np.isfinite(states))[0]
                raise CounterfactualError(
                    f"got {states[row, column]} as coordinate {column} of starting state {row}; "
                    "expected finite noise."
                )
        self.generators = generators
        self.kinds = [self.kinds_for(states) for states in drawn]
        self.active = np.arange(runs)
        self.states = np.stack(drawn)
        if not np.issubdtype(self.states.dtype, np.floating):
            self.states = self.states.astype(np.float64)
        self.utility, self.log_likelihood = self._evaluated(evaluate, self.states)
        impossible = np.argwhere(np.isneginf(self.log_likelihood))
        if len(impossible):
            raise CounterfactualError(
                f"got log-likelihood -inf of starting state {impossible[0][1]} of run "
                f"{impossible[0][0]}; expected draws of P(e,S,0), which the evidence allows."
            )
        self.first_hits = int((self.utility >= self.limits.target).sum())
        self.lot = np.stack([generator.random(particles) for generator in generators])
        self.level, self.level_lot = np.full(runs, -np.inf), np.ones(runs)
        self.scales = np.ones((runs, len(self.kinds[0])))
        self.gains = np.ones((runs, len(self.kinds[0])))
        self.family = np.tile(np.arange(particles), (runs, 1))
        self.generation, self.size = 0, self.states.shape[-1]
        self.plateau = np.zeros(runs)
        # Of all runs, active or not.
        self.bits, self.selected, self.ideal = np.zeros(runs), np.zeros(runs), np.zeros(runs)
        self.stuck_at = np.full(runs, np.nan)
        self.acceptance, self.distinct = np.ones(runs), np.ones(runs)
        self.largest = np.zeros(runs)

    def _evaluated(self, evaluate: Evaluate, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Run the worlds of states (run, particle, size), and refuse what is no number."""
        flat = states.reshape(-1, states.shape[-1])
        self.evaluations += len(flat)
        answer, found = evaluate(flat), []
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise CounterfactualError(
                f"got {type(answer).__name__} from evaluate; expected a tuple of utilities and "
                "log-likelihoods (zeros if there is no evidence)."
            )
        for name, values in zip(("utility", "log-likelihood"), answer, strict=True):
            values = np.asarray(values, dtype=np.float64)
            if values.shape != (len(flat),):
                raise CounterfactualError(
                    f"got {name} of shape {values.shape}; expected ({len(flat)},): one of each "
                    "state that evaluate was given."
                )
            wrong = np.isnan(values)
            if name == "log-likelihood":
                wrong |= np.isposinf(values)
            if wrong.any():
                run, particle = divmod(int(np.argmax(wrong)), states.shape[1])
                raise CounterfactualError(
                    f"got {name} {values[np.argmax(wrong)]} of particle {particle} in run "
                    f"{self.active[run]}; expected a number. Let evaluate say what such a world "
                    "is worth, or that it is impossible (log-likelihood -inf)."
                )
            found.append(values.reshape(states.shape[:2]))
        return found[0], found[1]

    def move(self, evaluate: Evaluate) -> Trail:
        """Move all particles among what is at least as good as their run's level."""
        runs, particles = self.utility.shape
        rows, place = np.arange(runs), np.arange(runs * particles).reshape(runs, particles)
        blocks = [self.states.reshape(runs * particles, -1)]
        trail = [(place, self.utility, self.log_likelihood, self.lot)]
        plan = self._plan()
        accepted, total = np.zeros(runs), runs * particles
        gained, tried = np.zeros_like(self.gains), np.zeros_like(self.gains)
        for step in range(self.steps):
            kind = plan[:, step]
            proposed, chance = self._proposed(kind)
            utility, log_likelihood = self._evaluated(evaluate, proposed)
            above = self._above(utility, self.lot)
            above &= np.log1p(-chance[:, 0]) < log_likelihood - self.log_likelihood
            with np.errstate(invalid="ignore"):  # between infinite utilities
                gain = np.where(above, np.abs(utility - self.utility), 0.0)
            gained[rows, kind] += np.where(np.isfinite(gain), gain, 0.0).mean(axis=1)
            tried[rows, kind] += 1
            self.states = np.where(above[:, :, None], proposed, self.states)
            self.utility = np.where(above, utility, self.utility)
            self.log_likelihood = np.where(above, log_likelihood, self.log_likelihood)
            most = np.where(self.utility > self.level[:, None], 1.0, self.level_lot[:, None])
            self.lot = most * (1 - chance[:, 1])
            share = above.mean(axis=1)
            accepted += share / self.steps
            scale = self.scales[rows, kind] * np.exp(_QUICKNESS * (share - _ACCEPTED))
            self.scales[rows, kind] = np.clip(scale, _SMALLEST_SCALE, 1.0)
            blocks.append(proposed[above])
            place = place.copy()
            place[above] = total + np.arange(len(blocks[-1]))
            total += len(blocks[-1])
            trail.append((place, self.utility, self.log_likelihood, self.lot))
        self.gains = np.where(tried > 0, gained / np.maximum(tried, 1), self.gains)
        places, utility, log_likelihood, lot = (
            np.stack(parts, axis=1).reshape(runs, -1) for parts in zip(*trail, strict=True)
        )
        return Trail(blocks, places, utility, log_likelihood, lot, accepted)

    def _plan(self) -> np.ndarray:
        """Choose the kind of each step, (run, step): more of those that moved utility further."""
        kinds = len(self.kinds[0])
        most = self.gains.max(axis=1, keepdims=True)
        relative = np.where(most > 0, self.gains / np.where(most > 0, most, 1.0), 1.0)
        share = np.square(relative) / np.square(relative).sum(axis=1, keepdims=True)
        bounds = np.cumsum((1 - _EXPLORED) * share + _EXPLORED / kinds, axis=1)
        ticks = (np.arange(self.steps) + 0.5) / self.steps
        # Golden steps through the ticks, so that the kinds take turns.
        ticks = ticks[np.argsort((np.arange(self.steps) * 0.618034) % 1.0)]
        found: np.ndarray = (ticks[None, :, None] > bounds[:, None, :-1]).sum(axis=2)
        return found

    def _proposed(self, kind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw what each run needs for a step from its own generator."""
        proposed = np.empty_like(self.states)
        chance = np.empty((len(kind), 2, self.particles))
        for row, (chosen, generator) in enumerate(zip(kind, self.generators, strict=True)):
            scale = float(self.scales[row, chosen])
            moved = np.asarray(self.kinds[row][chosen](generator, self.states[row], scale))
            if moved.shape != self.states[row].shape:
                raise CounterfactualError(
                    f"got proposed states of shape {moved.shape}; expected "
                    f"{self.states[row].shape}: a move gives back one state for each."
                )
            proposed[row] = moved
            chance[row] = generator.random((2, self.particles))
        return proposed, chance

    def _above(self, utility: np.ndarray, lot: np.ndarray) -> np.ndarray:
        level, level_lot = self.level[:, None], self.level_lot[:, None]
        found: np.ndarray = (utility > level) | ((utility == level) & (lot < level_lot))
        return found

    def halve(self, trail: Trail) -> float:
        """Keep the better half of each run's states, and end the runs that are there or stuck."""
        limits, number = self.limits, trail.utility.shape[1]
        half, active = number // 2, self.active
        order = np.lexsort((trail.lot, -trail.utility))
        border = order[:, half, None]
        level, level_lot = (
            np.take_along_axis(values, border, 1)[:, 0] for values in (trail.utility, trail.lot)
        )
        self.plateau = np.where(level == self.level, self.plateau + 1, 0)
        hits = (trail.utility >= limits.target).sum(axis=1)
        trouble = (trail.accepted < _DEAD) | (self.plateau > limits.plateau_bits)
        over = (hits >= half) | trouble | (self.bits[active] + 1 >= limits.most_bits)
        stuck = over & (hits == 0)
        kept = np.where(stuck, number, np.where(over, hits, half))
        self._record(trail, order, kept, over)
        self._claim(order, kept)
        self.acceptance[active] = np.minimum(self.acceptance[active], trail.accepted)
        self.bits[active] -= np.log2(kept / number)
        self.stuck_at[active[stuck]] = level[stuck]
        self.level, self.level_lot = level, level_lot
        self._restart(trail, order, kept)
        for run, states in zip(active[over & ~stuck], self.states[over & ~stuck], strict=True):
            self.last[int(run)] = states
        self._keep(~over)
        return float(self.bits[active].min())

    def _record(self, trail: Trail, order: np.ndarray, kept: np.ndarray, over: np.ndarray) -> None:
        """Note the particles left behind, thinned evenly; and the kept ones of runs that end."""
        number = order.shape[1]
        for first, count, rows in ((kept, number - kept, kept < number), (0 * kept, kept, over)):
            share = (np.arange(self.particles) + 0.5) / self.particles
            ranks = (first[:, None] + share * count[:, None]).astype(int)[rows]
            places = np.take_along_axis(order[rows], ranks, 1)
            utility = np.take_along_axis(trail.utility[rows], places, 1)
            logs = np.log(count[rows] / number / self.particles)
            logs -= self.bits[self.active[rows]] * math.log(2)
            self.tail.append((self.active[rows], utility, logs))

    def _claim(self, order: np.ndarray, kept: np.ndarray) -> None:
        """Add the growth of families to the error, as far as selection made it."""
        runs, number = order.shape
        rows = np.arange(runs)[:, None]
        chosen = np.zeros(order.shape, dtype=bool)
        chosen[rows, order] = np.arange(number) < kept[:, None]
        chains = chosen.reshape(runs, -1, self.particles).sum(axis=1)
        cells = (rows * self.particles + self.family).ravel()
        after, before = (
            np.bincount(cells, weights=weights.ravel(), minlength=self.family.size).reshape(
                runs, -1
            )
            / weights.sum(axis=1, keepdims=True)
            for weights in (chains, np.ones_like(chains))
        )
        share = kept / number
        self.selected[self.active] += np.square(after).sum(axis=1) - np.square(before).sum(axis=1)
        self.ideal[self.active] += (1 - share) / (share * number)
        self.largest[self.active] = np.maximum(self.largest[self.active], after.max(axis=1))

    def _restart(self, trail: Trail, order: np.ndarray, kept: np.ndarray) -> None:
        """Start the next level from particles evenly spaced among the kept ones."""
        offset = np.stack([generator.random(1) for generator in self.generators])
        share = (np.arange(self.particles) + offset) / self.particles
        chosen = np.take_along_axis(order, (share * kept[:, None]).astype(int), 1)
        places = np.take_along_axis(trail.place, chosen, 1)
        self.states = trail.states(places)
        self.utility, self.log_likelihood, self.lot = (
            np.take_along_axis(values, chosen, 1)
            for values in (trail.utility, trail.log_likelihood, trail.lot)
        )
        distinct = 1 + (np.diff(np.sort(places, axis=1), axis=1) > 0).sum(axis=1)
        self.distinct[self.active] = np.minimum(
            self.distinct[self.active], distinct / self.particles
        )
        self.generation += 1
        self.family = np.take_along_axis(self.family, chosen % self.particles, 1)
        if self.generation % _GENERATIONS == 0:
            self.family = np.tile(np.arange(self.particles), (len(self.family), 1))

    def _keep(self, rows: np.ndarray) -> None:
        """Let the other runs rest."""
        for name in ("active", "states", "utility", "log_likelihood", "lot", "level"):
            setattr(self, name, getattr(self, name)[rows])
        for name in ("level_lot", "scales", "gains", "family", "plateau"):
            setattr(self, name, getattr(self, name)[rows])
        self.generators = [
            generator for generator, kept in zip(self.generators, rows, strict=True) if kept
        ]
        self.kinds = [kinds for kinds, kept in zip(self.kinds, rows, strict=True) if kept]

    def result(self) -> SplitTail:
        """Put the runs together."""
        counts = np.zeros(len(self.bits), dtype=int)
        for rows, utility, _ in self.tail:
            counts[rows] += utility.shape[1]
        utility = np.full((len(counts), counts.max()), -np.inf)
        log_weight, ends = utility.copy(), np.zeros_like(counts)
        for rows, values, logs in self.tail:
            columns = ends[rows, None] + np.arange(self.particles)
            utility[rows[:, None], columns] = values
            log_weight[rows[:, None], columns] = logs[:, None]
            ends[rows] += self.particles
        stuck = np.isfinite(self.stuck_at)
        return judged_runs(
            target=float(self.limits.target),
            bits_runs=np.where(stuck, np.inf, self.bits + 0.0),
            variances=np.maximum(self.selected, self.ideal),
            counted=self.bits,
            levels=self.stuck_at,
            first_hits=self.first_hits,
            particles=self.particles,
            most_bits=self.limits.most_bits,
            evaluations=self.evaluations,
            least_acceptance=float(self.acceptance.min()),
            least_distinct=float(self.distinct.min()),
            largest_family=float(self.largest.mean()),
            utility=utility,
            log_weight=log_weight,
            last=np.stack([self.last[run] for run in sorted(self.last)])
            if self.last
            else np.empty((0, self.particles, self.size)),
        )
