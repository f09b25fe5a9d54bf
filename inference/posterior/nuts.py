"""The past by Pyro's No-U-Turn sampler, one chain after another: slow, sure, and the reference."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyro
import torch
from pyro.infer import MCMC, NUTS

from counterfactual_models.anatomy import translated
from counterfactual_models.handlers import derive_seed, isolated
from inference.posterior.density import Density, density_of
from inference.posterior.engine import Drawn, Order, bar
from inference.posterior.latents import refuse_uncountable
from inference.posterior.question import Question
from inference.posterior.starts import GROUPS, find_starts

__all__ = ["draw", "expected_seconds"]


def draw(question: Question, order: Order) -> Drawn:
    """Run NUTS on the past only; the program itself is run for every gradient.

    Interrupted, it keeps the chains that are finished; before the first one it raises.
    """
    refuse_uncountable(question, "nuts")
    density = density_of(question)
    warmup = max(100, order.draws // 2) if order.warmup is None else order.warmup
    starts = find_starts(density, density.one_by_one, max(order.chains, GROUPS), order.seed)
    order_of_starts = torch.arange(order.chains) * len(starts) // order.chains
    finished: list[_Chain] = []
    interrupted = ""
    with bar((warmup + order.draws) * order.chains, "nuts", order.progress) as shown:
        try:
            for k, row in enumerate(order_of_starts):
                chain = _Chain(density, order.draws, warmup, shown.update)
                chain.run(starts[row], derive_seed(order.seed, "nuts", k))
                finished.append(chain)
        except KeyboardInterrupt:
            if not finished:
                raise
            interrupted = f"interrupted: {len(finished)} of {order.chains} chains are kept."
    names = finished[0].stats
    stats = {name: np.stack([chain.stats[name] for chain in finished]) for name in names}
    positions = torch.stack([chain.positions for chain in finished])
    attrs = {
        "warmup": warmup,
        "interrupted": interrupted,
        "gradients": int(stats["n_steps"].sum()),
        "summed_out": list(density.discrete),
    }
    seed = derive_seed(order.seed, "discrete")
    early, early_stats = {}, {}
    if order.save_warmup:
        early = density.constrain(torch.stack([chain.early_positions for chain in finished]))
        early_stats = {n: np.stack([c.early_stats[n] for c in finished]) for n in names}
    return Drawn(density.complete(positions, seed), stats, attrs, early, early_stats)


def expected_seconds(question: Question, order: Order, known: Drawn | None) -> float:
    """Guess how long NUTS would take, from the trajectories of another sampler; 0 if unknown."""
    if known is None:
        return 0.0
    density = density_of(question)
    begun = time.perf_counter()
    density.one_by_one(density.origin[None].expand(3, -1))
    each = (time.perf_counter() - begun) / 3
    draws = order.chains * order.draws * 1.5
    return float(known.stats["n_steps"].mean()) * 2 * draws * each


class _Chain:
    """One run of Pyro's sampler, and what its kernel knows at each iteration."""

    def __init__(self, density: Density, draws: int, warmup: int, told: Callable[[], Any]) -> None:
        self.density, self.draws, self.warmup, self.told = density, draws, warmup, told
        self._gradients = 0
        self._energy: float | None = None
        self._divergences = 0
        self._accepted = 0.0
        self._rows: list[dict[str, Any]] = []
        self._early: list[torch.Tensor] = []
        self._all_early: list[dict[str, Any]] = []

    @property
    def stats(self) -> dict[str, np.ndarray]:
        """Statistics of each draw, under ArviZ's names."""
        return {name: np.array([row[name] for row in self._rows]) for name in self._rows[0]}

    @property
    def early_stats(self) -> dict[str, np.ndarray]:
        """The same of the warm-up."""
        rows = self._all_early
        return {name: np.array([row[name] for row in rows]) for name in rows[0]} if rows else {}

    @property
    def early_positions(self) -> torch.Tensor:
        """Where the chain was while it warmed up, shape (iteration, dim)."""
        return torch.stack(self._early)

    def run(self, start: torch.Tensor, seed: int) -> None:
        """Warm up, then draw."""
        # Validation would cost a third of the time and end the run where a divergence is meant.
        what = self.density.question.program.what
        with isolated(seed), translated(what), pyro.validation_enabled(False):
            kernel = NUTS(potential_fn=self._potential)
            kinetic = kernel._kinetic_energy

            def first_energy(momentum: Any) -> Any:
                found = kinetic(momentum)
                if self._energy is None:
                    self._energy = float(found)
                return found

            kernel._kinetic_energy = first_energy
            mcmc = MCMC(
                kernel,
                num_samples=self.draws,
                warmup_steps=self.warmup,
                initial_params={"vector": start},
                num_chains=1,
                disable_progbar=True,
                hook_fn=self._watch,
            )
            mcmc.run()
            self.positions = mcmc.get_samples()["vector"].detach()

    def _potential(self, latents: dict[str, torch.Tensor]) -> torch.Tensor:
        self._gradients += 1
        return -self.density.log_density(latents["vector"])

    def _watch(self, kernel: NUTS, samples: Any, stage: str, done: int) -> None:
        potential = float(kernel._potential_energy_last)
        divergences = len(kernel._divergences)
        early = "Warmup" in stage
        total = kernel._mean_accept_prob * (done + 1)  # Pyro keeps the mean of each stage
        accepted = total - (self._accepted if done else 0.0)
        self._accepted = total
        row = {
            "lp": -potential,
            "energy": potential + (self._energy or 0.0),
            "acceptance_rate": min(max(float(accepted), 0.0), 1.0),
            "diverging": divergences > self._divergences,
            "step_size": float(kernel.step_size),
            "n_steps": self._gradients,
        }
        self._gradients, self._energy, self._divergences = 0, None, divergences
        if early:
            self._all_early.append(row)
            self._early.append(samples["vector"].detach())
        else:
            self._rows.append(row)
        self.told()
