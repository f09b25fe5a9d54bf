"""The past when it is continuous: Pyro's No-U-Turn sampler, one chain after another."""

import warnings
from typing import Any

import numpy as np
import pyro
import torch
from pyro.infer import MCMC, NUTS

from counterfactual_models.anatomy import translated
from counterfactual_models.errors import ImpactWarning, WorldError
from counterfactual_models.handlers import derive_seed, isolated
from inference.posterior.engine import Drawn, bar
from inference.posterior.question import Question

__all__ = ["draw"]


def draw(question: Question, *, draws: int, chains: int, seed: int, progress: bool) -> Drawn:
    """Run NUTS on the past only.

    Interrupted, it keeps the chains that are finished; before the first one it raises.
    """
    for name, site in question.latents.items():
        if site.fn.support.is_discrete:
            raise WorldError(
                f"site {name!r} ({type(site.fn).__name__}) is discrete; NUTS moves along "
                "gradients. Use method='enumerate' (all latents discrete) or 'importance'."
            )
    warmup = max(100, draws // 2)
    finished: list[dict[str, Any]] = []
    with bar((warmup + draws) * chains, "nuts", progress) as shown:
        try:
            for chain in range(chains):
                finished.append(_chain(question, draws, warmup, (seed, "nuts", chain), shown))
        except KeyboardInterrupt:
            if not finished:
                raise
            warnings.warn(
                f"interrupted: {len(finished)} of {chains} chains were finished and are kept.",
                ImpactWarning,
                stacklevel=4,
            )
    values = {n: torch.stack([c["values"][n] for c in finished]) for n in question.latents}
    stats = {
        "diverging": np.stack([c["diverging"] for c in finished]),
        "step_size": np.stack([c["step_size"] for c in finished]),
    }
    attrs = {
        "warmup": warmup,
        "acceptance_rate": [c["acceptance_rate"] for c in finished],
        "interrupted": len(finished) < chains,
    }
    return Drawn(values, stats, attrs)


def _chain(
    question: Question, draws: int, warmup: int, key: tuple[Any, ...], shown: Any
) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def watch(kernel: NUTS, samples: Any, stage: str, done: int) -> None:
        shown.update()
        if done == draws - 1 and "Warmup" not in stage:  # gone once the run is over
            found.update(kernel.diagnostics())

    # Validation would cost a third of the time and end the run where a divergence is meant.
    with (
        isolated(derive_seed(*key)),
        translated(question.program.what),
        pyro.validation_enabled(False),
    ):
        kernel = NUTS(question.conditioned)
        mcmc = MCMC(
            kernel,
            num_samples=draws,
            warmup_steps=warmup,
            num_chains=1,
            disable_progbar=True,
            hook_fn=watch,
        )
        mcmc.run()
    diverging = np.zeros(draws, bool)
    diverging[found["divergences"]] = True
    return {
        "values": mcmc.get_samples(),
        "diverging": diverging,
        "step_size": np.full(draws, float(kernel.step_size)),
        "acceptance_rate": float(found["acceptance rate"]),
    }
