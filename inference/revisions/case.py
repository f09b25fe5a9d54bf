"""May drawn worlds be weighed for other evidence, or do they have to be drawn anew?"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyro
import torch
import xarray as xr
from pyro import poutine

from counterfactual_models.disciples import erased
from counterfactual_models.handlers import Pin, isolated
from counterfactual_models.without import without
from inference import schema
from inference.arrays.reweighting import kish
from inference.arrays.weights import doubtful, pareto_smoothed
from inference.evidence_labels import as_asked, as_believed
from inference.posterior.pointwise import log_densities
from inference.posterior.question import Question, ask
from inference.revisions.changes import Changes, read_changes
from inference.revisions.reach import MOST_BEYOND, mass_beyond
from inference.scores.supports import edges
from inference.simulation import block_size, simulate
from inference.world_plans import WorldPlans, matched_disciples, warn_of_other_policies

__all__ = ["RevisedCase"]

_MOST_VARIANCE = 4.0
_WATCHED, _TRACED, _TRIES = 64, 4, 8


class RevisedCase:
    """What was asked before, what is asked now, and how likely the drawn pasts are in both.

    Parameters
    ----------
    world, worlds, disciples, evidence, unseen
        As in :func:`inference.revisions.revise`.

    Attributes
    ----------
    disciples
        In the order of the worlds.
    attrs
        Of the worlds, decoded.
    plans
        What the worlds were drawn by.
    now, then
        The posterior as it was asked for, and as it would be.
    changes
        What becomes of the evidence.
    revised_world
        The world, without the data that are not to be seen.
    left
        Share of the draws that the weights of earlier revisions have left.
    told
        What is known of the weights.
    scores
        Log densities of the sites of the past with the revised evidence, first axis = draws.
    """

    def __init__(
        self,
        world: Callable[..., Any],
        worlds: xr.DataTree,
        disciples: Any,
        evidence: Mapping[str, Any] | None,
        unseen: Sequence[str] | str,
    ) -> None:
        names = [str(name) for name in schema.predictions(worlds)[schema.DISCIPLE].values[1:]]
        self.worlds = worlds
        self.disciples = matched_disciples(disciples, names)
        self.attrs = schema.decode_attrs(worlds.attrs)
        warn_of_other_policies(self.attrs, self.disciples, stacklevel=3)
        self.seed = int(self.attrs.get("seed", 0))
        observed = worlds["observed_data"].to_dataset()
        plain = as_asked(world, observed)
        already = list(self.attrs.get("unseen", ()))
        before = as_believed(world, observed, already)
        self.plans = WorldPlans(
            before,
            worlds,
            [erased, *self.disciples],
            futures=1,
            seed=self.seed,
            coupling="shared",
        )
        self.now = ask(before, self.plans.evidence)
        self.changes: Changes = read_changes(plain, observed, evidence, unseen, already)
        hidden = self.changes.unseen
        self.revised_world = without(world, hidden) if hidden else world
        self.then = ask(self.revised_world, self.changes.evidence)
        self.left = float(self.attrs.get("revision_share", 1.0))
        self.told: dict[str, Any] = {}
        self.scores: dict[str, torch.Tensor] = {}

    @property
    def latents(self) -> dict[str, torch.Tensor]:
        """Draws of the past, first axis = draws of all chains."""
        return {name: torch.as_tensor(values) for name, values in self.plans.pins.items()}

    def after_the_switch(self) -> str:
        """Say which world is another although its past is the same; nothing if none is.

        Runs a few draws with the evidence as it is and as it would be, random numbers alike.
        """
        other = {n: torch.as_tensor(v) for n, v in self._watched_evidence().items()}
        for plan in self.plans.plans:
            program = plan.program
            sites = program.anatomy.sites
            free = [n for n in program.anatomy.future if not sites[n].computed]
            drawn = [n for n in free if n not in self.plans.known and not sites[n].observed]
            for name in self._moved(program, {**program.evidence, **other}, drawn):
                return f"{program.what} reads the evidence after the switch ({name!r} moves)"
        return ""

    def _moved(self, program: Any, evidence: dict[str, Any], drawn: list[str]) -> list[str]:
        """Name the sites after the switch whose values or densities differ."""
        rows = np.linspace(0, self.plans.draws - 1, min(_WATCHED, self.plans.draws)).astype(int)
        pins = {name: values[torch.as_tensor(rows)] for name, values in self.latents.items()}
        first, second = (
            simulate(
                one,
                pins,
                draws=len(rows),
                key=(self.seed, "reads"),
                record=self.plans.recorded,
                score=drawn,
                size=block_size(program.anatomy, scored=True),
            )
            for one in (program, dataclasses.replace(program, evidence=evidence))
        )
        found = [n for n, v in first.values.items() if not torch.equal(v, second.values[n])]
        scored = [n for n, v in first.log_prob.items() if not torch.equal(v, second.log_prob[n])]
        return [*found, *scored]

    def _watched_evidence(self) -> dict[str, Any]:
        """Give the other evidence, with other values where nothing would be seen."""
        found: dict[str, Any] = {n: self.changes.evidence[n] for n in self._given()}
        for name, places in self.changes.unseen.items():
            site = self.now.whole.sites[name]
            value = self.now.observed[name].clone()
            with isolated(self.seed), torch.no_grad():
                for _ in range(_TRIES):  # a coin may show the same side again
                    value[places] = site.fn.sample().to(value)[places]
                    if not torch.equal(value, self.now.observed[name]):
                        break
            found[name] = value
        return found

    def _given(self) -> list[str]:
        return [name for name in self.changes.touched if name in self.changes.evidence]

    def out_of_reach(self) -> str:
        """Say why no weights would serve, before any are made; nothing if they may."""
        if self.now.later:
            return f"there is evidence after the switch, on {self.now.later}"
        if not self.plans.pins:
            return "the past has no latent to be weighed"
        every = np.linspace(0, self.plans.draws - 1, _TRACED).astype(int)
        bounds = [
            [_supports(q, self.latents, row) for row in every] for q in (self.now, self.then)
        ]
        for before, after in zip(*bounds, strict=True):
            moved = [n for n in self.now.latents if not _same(before.get(n), after.get(n))]
            if moved:
                return f"the support of {moved[0]!r} moves with the evidence"
        for name in self.changes.touched:
            if not all(_same(bounds[0][0].get(name), one.get(name)) for one in bounds[0]):
                return f"the support of {name!r} depends on the past"
        return ""

    def weigh(self, *, ahead: bool) -> np.ndarray | None:
        """Weigh the draws by p(z, e') / p(z, e); not if the ratio is hopeless, looking `ahead`."""
        seed = self.seed
        old, new = (
            log_densities(q, self.latents, _scored(q), seed) for q in (self.now, self.then)
        )
        self.scores = new
        total = np.zeros(self.plans.draws)
        for name in {**old, **new}:
            moved = new[name].double() - old[name].double()
            total += moved.reshape(len(total), -1).sum(1).numpy()
        possible = total[np.isfinite(total)]
        self.told["log_ratio_variance"] = float(possible.var()) if len(possible) else np.inf
        if ahead and self.told["log_ratio_variance"] > _MOST_VARIANCE:
            return None
        weights, khat = pareto_smoothed(total[None])
        self.told["revision_khat"] = float(khat[0])
        self.told["revision_draws"] = float(kish(weights)[0])
        return weights[0]

    def doubts(self) -> str:
        """Say why the weights are not to be trusted; nothing if they are."""
        if "log_ratio_variance" in self.told and "revision_khat" not in self.told:
            variance = self.told["log_ratio_variance"]
            return f"the log ratio has a variance of {variance:.1f}, above {_MOST_VARIANCE:g}"
        khat = self.told.get("revision_khat", 0.0)
        left = self.told.get("revision_draws", np.inf)
        if doubtful(khat, left):
            return f"k-hat is {khat:.2f} with {left:.0f} draws left"
        if not self.changes.unseen:
            return ""
        share, name = mass_beyond(self.then, self.latents, self.seed)
        self.told["revision_beyond"] = share
        if not share > MOST_BEYOND:
            return ""
        return f"without it at least {share:.0%} of {name!r} lies where none of its draws is"


def _scored(question: Question) -> list[str]:
    sites = question.whole.sites
    return [n for n in (*question.data, *question.latents) if sites[n].value.numel()]


def _supports(
    question: Question, latents: Mapping[str, torch.Tensor], row: int
) -> dict[str, torch.Tensor]:
    """Bounds of the support of each site of the past in one draw."""
    with isolated(0), pyro.validation_enabled(False), torch.no_grad():
        program = Pin({name: values[row] for name, values in latents.items()})
        trace = poutine.trace(program(question.conditioned)).get_trace()
    return {
        name: _flat(edges(node["fn"], numbers=True))
        for name, node in trace.nodes.items()
        if name in question.whole.sites
    }


def _flat(parts: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([torch.zeros(0), *(part.float().reshape(-1) for part in parts)])


def _same(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    return one is not None and other is not None and torch.equal(one, other)
