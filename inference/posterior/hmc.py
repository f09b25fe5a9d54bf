r"""The past by many short chains: Hamiltonian trajectories [1]_ of all chains in one batch.

.. math:: (x, v) \mapsto (x', v'), \quad
          \alpha = \min\{1, \exp(H(x, v) - H(x', v'))\}, \quad H = -\log p(x \mid e) + v^2 / 2

Sixty-four chains move together, so that one call of the traced graph serves all; they learn step
size, metric and trajectory length from each other while they warm up, and from nothing after.

References
----------
.. [1] R. Neal, "MCMC using Hamiltonian dynamics", Handbook of Markov Chain Monte Carlo (2011).
"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from counterfactual_models.errors import WorldError
from counterfactual_models.handlers import derive_seed
from inference.posterior.adaptation import Metric, Moments, StepSize, Trajectory
from inference.posterior.density import Density, density_of
from inference.posterior.engine import Drawn, Order, bar
from inference.posterior.executors import Function, compiler_there
from inference.posterior.graph import Graph, graph_of, verify
from inference.posterior.latents import refuse_uncountable
from inference.posterior.lost import lost_chains
from inference.posterior.question import Question
from inference.posterior.record import Move, Record
from inference.posterior.starts import ASCENT, GROUPS, ascend, find_starts
from inference.posterior.tracing import Untraceable
from inference.simulation import keep_memory

__all__ = ["CHAINS", "draw"]

CHAINS = 64
"""Chains that move together."""

_WARMUP = 300
_MOST_STEPS = 1000
_DIVERGENT = 1000.0
_FEWEST_DRAWS = 20  # of a chain: fewer would say nothing of its mixing
_WORTH_COMPILING = 8e10  # numbers to be computed that pay for a compiler: about 20 seconds


def draw(question: Question, order: Order, state: Mapping[str, np.ndarray] | None = None) -> Drawn:
    """Run 64 chains on the traced graph; keep as many as the draws asked for are worth.

    Interrupted after the warm-up, it keeps the draws there are; before, it raises. With the
    `state` of an earlier run it goes on from there, with chains and draws as they are asked for.

    Raises
    ------
    Untraceable
        If the density cannot be made a graph.
    WorldError
        If a latent can neither move along gradients nor be summed out.
    """
    refuse_uncountable(question, "hmc")
    begun = time.process_time()
    keep_memory()
    density = density_of(question)
    graph = graph_of(density, CHAINS)
    kept, length = (order.chains, order.draws) if state else _shape(order)
    warmup = 0 if state else _WARMUP if order.warmup is None else order.warmup
    run, executor = _compiled(graph, order.compile, warmup + length * order.thin)
    compiled = time.process_time()
    if state:
        chains = _Chains.restored(run, state, density.origin)
    else:
        chains = _Chains(run, find_starts(density, run, CHAINS, order.seed), order.seed)
    begun_at = chains.iteration
    with bar(warmup + length, "hmc", order.progress) as shown:
        early = Record(warmup if order.save_warmup else 0, chains.position)
        if not state:
            chains.warm_up(warmup, early, shown.update)
        warm = time.process_time()
        record = Record(length, chains.position)
        interrupted = chains.sample(length, order.thin, record, shown.update)
    done = time.process_time()
    _hold(density, run, record)
    attrs = {
        "executor": executor,
        "warmup": warmup,
        "thin": order.thin,
        "parallel_chains": CHAINS,
        "superchains": min(GROUPS, kept),
        "compile_seconds": compiled - begun,
        "warmup_seconds": warm - compiled,
        "sampling_seconds": done - warm,
        "gradients": chains.gradients,
        "replaced": chains.replaced,
        "interrupted": interrupted,
        "summed_out": list(density.discrete),
    }
    rows = torch.arange(kept) * CHAINS // kept
    seed = derive_seed(order.seed, "discrete", begun_at)
    warm_values = density.constrain(early.positions(rows)) if order.save_warmup else {}
    return Drawn(
        density.complete(record.positions(rows), seed),
        record.stats(rows),
        attrs,
        warm_values,
        early.stats(rows) if order.save_warmup else {},
        chains.state(),
    )


def _hold(density: Density, run: Function, record: Record) -> None:
    """Hold the graph against Pyro where the chains went, the furthest points among them.

    What was checked before the run was about the origin: a branch further out shows only here.
    """
    points = record.positions(torch.arange(CHAINS)).reshape(-1, density.dim)
    far = torch.cat([points.argmax(0)[:8], points.argmin(0)[:8]])
    some = torch.linspace(0, len(points) - 1, CHAINS - len(far), device=far.device).long()
    checked = points[torch.cat([far, some])]
    verify(density, run, checked, count=CHAINS)


def _shape(order: Order) -> tuple[int, int]:
    """Chains to keep and draws of each: at least as many as asked for, in not too short chains."""
    kept = CHAINS
    while kept > 4 and order.total < kept * _FEWEST_DRAWS:
        kept //= 2
    return kept, max(4, -(-order.total // kept))


def _compiled(graph: Graph, wanted: str, iterations: int) -> tuple[Function, str]:
    """Choose who runs the graph: compile where the gradients ahead are worth it."""
    if wanted != "auto":
        return graph.compiled(wanted), wanted
    try:
        chosen, run = "torchscript", graph.compiled("torchscript")
    except Untraceable:  # TorchScript is on its way out of torch
        chosen, run = "python", graph.compiled("python")
    # By a count and not by the clock: another executor rounds otherwise.
    if 10 * iterations * graph.numbers > _WORTH_COMPILING and compiler_there():
        try:
            return graph.compiled("inductor"), "inductor"
        except Untraceable:
            return run, chosen
    return run, chosen


class _Chains:
    """Sixty-four chains and what they have learnt.

    Parameters
    ----------
    run
        Points (chain, dim) -> gradients, log densities.
    position
        Where the chains start.
    seed
        For momenta, acceptance, and nothing else.
    """

    def __init__(self, run: Function, position: torch.Tensor, seed: int) -> None:
        self.run = run
        self.position = position
        self.gradient, self.log_density = run(position)
        self.generator = torch.Generator(position.device)
        self.generator.manual_seed(derive_seed(seed, "hmc"))
        dim = position.shape[1]
        self.metric = Metric(torch.ones_like(position[0]))
        self.step_size = 0.1 / dim**0.25
        self.length = 2 * self.step_size
        self.iteration = 0
        self.gradients = 0
        self.replaced = 0
        self.caution: torch.Tensor | None = None  # factors of the step size, shape (chain, 1)

    @classmethod
    def restored(
        cls, run: Function, state: Mapping[str, np.ndarray], like: torch.Tensor
    ) -> "_Chains":
        """Make the chains that a state tells of."""
        found = {name: torch.from_numpy(np.array(state[name])) for name in state}
        chains = cls(run, found["position"].to(like), 0)
        before = found["log_density"].to(like)
        if not torch.allclose(chains.log_density, before, rtol=1e-4, atol=1e-3):
            raise WorldError(
                "where the chains stand, this world has another density than when they were "
                "drawn: the posterior is that of another text, other arguments or other data of "
                "it. Give that world, or draw the posterior again."
            )
        chains.metric = Metric(found["factor"].to(like))
        chains.step_size, chains.length = found["tuned"][:2].tolist()
        chains.iteration = int(found["tuned"][2])
        chains.generator.set_state(found["generator"])
        return chains

    def move(self) -> Move:
        """Move all chains by one trajectory each, all of the same number of steps."""
        self.iteration += 1
        wanted = 2 * self.length * _halton(self.iteration)
        steps = min(max(1, math.ceil(wanted / self.step_size)), _MOST_STEPS)
        shape = self.position.shape
        momentum = self._random(torch.randn, shape)
        kinetic = 0.5 * momentum.square().sum(1)
        x, p, metric = self.position, momentum, self.metric
        step = self.step_size if self.caution is None else self.step_size * self.caution
        p = p + 0.5 * step * metric.pull(self.gradient)
        for k in range(steps):
            x = x + step * metric.push(p)
            gradient, log_density = self.run(x)
            p = p + (step if k < steps - 1 else 0.5 * step) * metric.pull(gradient)
        self.gradients += len(x) * steps
        before = kinetic - self.log_density
        after = (0.5 * p.square().sum(1) - log_density).nan_to_num(nan=torch.inf)
        change = before - after
        chance = change.clamp(max=0).exp()
        accepted = chance > self._random(torch.rand, (len(x),))
        found = Move(
            start=self.position,
            end=x,
            momentum=p,
            chance=chance,
            energy=torch.where(accepted, after, before),
            diverging=~(change > -_DIVERGENT),
            time=wanted,
            steps=steps,
        )
        self.position = torch.where(accepted[:, None], x, self.position)
        self.gradient = torch.where(accepted[:, None], gradient, self.gradient)
        self.log_density = torch.where(accepted, log_density, self.log_density)
        return found

    def warm_up(self, count: int, record: Record, told: Callable[[], Any]) -> None:
        """Climb to the bulk, then learn step size, metric and trajectory length."""
        self.position, self.gradient, self.log_density = ascend(self.run, self.position)
        self.gradients += ASCENT * len(self.position)
        direction = self._random(torch.randn, self.position.shape[1:])
        moments = Moments(self.position)
        size = StepSize(self.step_size)
        path = Trajectory(self.length, direction)
        accepted, since = torch.zeros_like(self.log_density), 0
        turns = {int(count * share) for share in (0.15, 0.4, 0.7)}
        dense = int(0.4 * count)
        for k in range(count):
            if k in turns:
                self._replace_lost(accepted / max(1, k - since))
                accepted, since = torch.zeros_like(accepted), k
                if k >= dense:
                    self.metric = moments.dense_metric()
                if self.metric.factor.ndim == 2:
                    self.step_size = max(self.step_size, 0.5 / len(direction) ** 0.25)
                    path = Trajectory(math.pi / 2, direction)
                    self.length = path.length
                moments.restart()
                size = StepSize(self.step_size)
            found = self.move()
            record.add(found, self.position, self.log_density, self.step_size)
            moments.update(self.position, forget=0.97 if k < count / 2 else 1.0)
            if self.metric.factor.ndim == 1:
                self.metric = moments.metric()
            start, end = (self.metric.white(x - moments.mean) for x in (found.start, found.end))
            path.follow(start - start.mean(0))
            if k >= 0.1 * count:
                bounds = self._bounds(path.largest)
                rate = 0.1 if k < count / 2 else 0.04
                path.climb(
                    start, end, found.momentum, found.chance,
                    time=found.time, rate=rate, bounds=bounds,
                )  # fmt: skip
            self._take_care(found.chance, early=k < dense)
            accepted = accepted + found.chance
            mean = float(found.chance.mean())
            self.step_size = size.update(mean if k > 20 else min(mean, 0.95))
            self.length = path.length if k >= 0.1 * count else 8 * self.step_size
            if k >= 0.85 * count:
                path.settle()
            told()
        if count:
            self.step_size, self.length = size.averaged, path.settled
        self.caution = None

    def sample(self, count: int, thin: int, record: Record, told: Callable[[], Any]) -> str:
        """Draw; if interrupted, keep what is there and say so."""
        try:
            for _ in range(count):
                for _ in range(thin):
                    found = self.move()
                record.add(found, self.position, self.log_density, self.step_size)
                told()
        except KeyboardInterrupt:
            if record.count < 4:
                raise
            return f"interrupted: {record.count} of {count} draws of each chain are kept."
        return ""

    def state(self) -> dict[str, np.ndarray]:
        """Tell what is needed to go on."""
        return {
            "position": self.position.cpu().numpy(),
            "log_density": self.log_density.cpu().numpy(),
            "factor": self.metric.factor.cpu().numpy(),
            "tuned": np.array([self.step_size, self.length, self.iteration]),
            "generator": self.generator.get_state().numpy(),
        }

    def _bounds(self, largest: float) -> tuple[float, float]:
        least = 2 * self.step_size
        if self.metric.factor.ndim == 2:  # a quarter of a turn in round coordinates
            least = max(least, math.pi / 2)
        most = min(self.step_size * _MOST_STEPS, 3 * math.pi * math.sqrt(max(largest, 1.0)))
        return least, max(most, least)

    def _take_care(self, chance: torch.Tensor, *, early: bool) -> None:
        """Let chains that are rejected take smaller steps, each for itself, while all warm up.

        A chain that begins in the neck of a funnel would else stay there, and spoil the rest.
        """
        if not early:
            self.caution = None
            return
        before = torch.ones_like(chance) if self.caution is None else self.caution[:, 0]
        self.caution = (before.log() + 0.2 * (chance - 0.5)).clamp(max=0.0).exp()[:, None]

    def _replace_lost(self, accepted: torch.Tensor) -> None:
        """Put chains that are lost to the places of others."""
        lost = lost_chains(self.run, self.position, self.log_density, accepted)
        if not lost.any():
            return
        safe = (~lost).nonzero()[:, 0]
        picked = self._random(torch.rand, (int(lost.sum()),)) * len(safe)
        source = safe[picked.long()]
        self.replaced += int(lost.sum())
        for name in ("position", "gradient", "log_density"):
            values = getattr(self, name).clone()
            values[lost] = values[source]
            setattr(self, name, values)

    def _random(self, make: Callable[..., torch.Tensor], shape: Any) -> torch.Tensor:
        like = self.position
        return make(shape, generator=self.generator, device=like.device, dtype=like.dtype)


def _halton(index: int) -> float:
    """Give a point of the Halton sequence of base 2, which fills (0, 1) evenly."""
    value, digit = 0.0, 0.5
    while index:
        value += digit * (index % 2)
        index //= 2
        digit /= 2
    return value
