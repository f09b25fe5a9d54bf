r"""What is the erased world worth, as a function of standard normal noise?

.. math:: z \mapsto (U(w(z)),\ \log p(e \mid w(z))), \qquad z \sim N(0, I)

Sites are quantiles of noise, so that a small step of the noise is a small step of the world,
whatever its sites are; the prior of the noise needs no density, and the evidence alone weighs.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr

from counterfactual_models.anatomy import Site
from counterfactual_models.errors import MeasurementError, WorldError
from counterfactual_models.handlers import derive_seed, isolated
from inference import schema
from inference.batches import Block, run_abreast
from inference.noise import noise_of
from inference.passes import Message, run_once
from inference.simulation import NotVectorisable, Plan, Way, block_size, run_block
from inference.utility_values import Measured, utility_values, with_ties
from inference.world_plans import WorldPlans

__all__ = ["NoisyWorld", "drawn_singly"]

_KEY = "rare worlds"
_HELD = 50
"""Every so many batches are held against single draws."""


class NoisyWorld:
    """The erased world of a tree, run from noise.

    Parameters
    ----------
    plans
        Of the worlds.
    drawn
        Their draws.
    utility
        Of what is measured.

    Attributes
    ----------
    size
        How many normal numbers a world is made of.
    utilities
        Of the erased draws, flat.
    """

    def __init__(
        self,
        plans: WorldPlans,
        drawn: xr.Dataset,
        utility: Callable[[Mapping[str, Any]], Any],
    ) -> None:
        self.plans, self.utility = plans, utility
        self.program = plans.plans[0].program
        self.drawn = drawn.sel({schema.DISCIPLE: [schema.ERASED]})
        found = utility_values(self.drawn, [schema.ERASED], utility)
        self.asked = [name for name in found.attrs["measurements"] if name in plans.recorded]
        self.utilities = found.values.ravel()
        if not self.asked:
            raise WorldError(
                "the utility asks for nothing that the world measures: every world is worth the "
                "same to it. Write it as a function of measured[name]."
            )
        self.sites = self._sites()
        self.size = sum(site.value.numel() for site in self.sites.values())
        self.data = [n for n in plans.whole.sites if n in plans.known]
        own = {d: self.drawn.coords[d] for d in self.drawn.dims if d in self.drawn.coords}
        self._coords = {
            name: {
                d: own[d]
                for d in self.drawn[name].dims
                if d in own and d not in (schema.DISCIPLE, *plans.lead)
            }
            for name in self.asked
        }
        self._calls, self._way = 0, Way()

    def start(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Write some of the erased draws as noise, (number, size)."""
        rows = rng.choice(len(self.utilities), number, replace=number > len(self.utilities))
        pins = self._pins(rows)
        key = (self.plans.seed, _KEY, int(rng.integers(2**62)))
        with isolated(derive_seed(*key)):
            parts = self._noise(pins, number, rng, key)
        states = torch.cat([part.reshape(number, -1) for part in parts], 1).numpy()
        if not np.isfinite(states).all():
            name = next(
                n for n, p in zip(self.sites, parts, strict=True) if not p.isfinite().all()
            )
            raise WorldError(
                f"a draw of {name!r} is made of no finite noise: it lies on the very edge of what "
                "its distribution can give. Leave rare worlds to method='importance'."
            )
        self._refuse_others(states, rows)
        return self._freed(states, rng)

    def _freed(self, states: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw anew what the evidence has no say in: the luck of the tree's own draws is not kept.

        All noise is free where nothing is observed, and the future's where nothing later is.
        """
        first = 0
        for name, site in self.sites.items():
            last = first + site.value.numel()
            if not self.data or (name in self.plans.whole.future and not self.plans.later):
                states[:, first:last] = rng.standard_normal((len(states), last - first))
            first = last
        return states

    def evaluate(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Run worlds: their utility and log-likelihood of the evidence, each (number,)."""
        values, log_prob = self._run(states, self.asked, self.data)
        return self._utility(values), log_prob

    def worlds(self, states: np.ndarray) -> dict[str, np.ndarray]:
        """Values of all sites that are drawn, first axis = states."""
        values, _ = self._run(states, list(self.sites), [])
        return {name: value.numpy() for name, value in values.items()}

    def _sites(self) -> dict[str, Site]:
        """Find the sites that are drawn; refuse those that are not drawn from what they say."""
        plans = self.plans
        found = {
            name: site
            for name, site in plans.whole.sites.items()
            if not site.computed and name not in plans.known
        }
        for name, site in found.items():
            if site.tempered and name not in plans.whole.future:
                raise WorldError(
                    f"the density of {name!r} is scaled or masked: its draws are not those of its "
                    "distribution, and no noise makes them. Use method='importance'."
                )
            if plans.later and name not in self._kept(found):
                raise WorldError(
                    f"there is evidence after the switch, on {plans.later}, and {name!r} was not "
                    "kept: how it goes with that evidence is not known. Draw it as an ordinary "
                    "site, not an auxiliary one."
                )
        return found

    def _kept(self, sites: Mapping[str, Site]) -> list[str]:
        return [n for n in sites if n in self.plans.pins or n in self.plans.recorded]

    def _pins(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """Values of what was kept of some draws."""
        plans = self.plans
        past = rows // plans.futures
        if schema.PAST_DRAW in self.drawn:
            past = self.drawn[schema.PAST_DRAW].transpose(..., *plans.lead).values.ravel()[rows]
        found = {}
        for name in self._kept(self.sites):
            if name in plans.pins:
                values = plans.pins[name][past]
            else:
                kept = self.drawn[name].transpose(schema.DISCIPLE, *plans.lead, ...).values
                values = kept.reshape(-1, *kept.shape[1 + len(plans.lead) :])[rows]
            like = self.sites[name].value.dtype
            found[name] = torch.from_numpy(np.array(values)).to(like)
        return found

    def _noise(
        self,
        pins: Mapping[str, torch.Tensor],
        number: int,
        rng: np.random.Generator,
        key: tuple[Any, ...],
    ) -> list[torch.Tensor]:
        """Find the noise of pinned draws; what is not pinned is drawn."""
        names = list(self.sites)
        if not self.looped:
            block = Block(self.program, pins, number, key, names, [])
            try:
                return self._found(run_abreast(block).happened.sites, number, rng)
            except NotVectorisable as error:
                self._way = Way(refused=str(error))
        rows = []
        for row in range(number):
            one = {name: value[row] for name, value in pins.items()}
            happened = run_once(self.program, one, (*key, row), wanted=names)
            rows.append(self._found(happened.sites, None, rng))
        return [torch.stack(parts) for parts in zip(*rows, strict=True)]

    def _found(
        self, messages: Mapping[str, Message], number: int | None, rng: np.random.Generator
    ) -> list[torch.Tensor]:
        parts = []
        for name, site in self.sites.items():
            message, own = messages[name], site.value.shape
            noise = noise_of(message["fn"], message["value"], rng)
            parts.append(noise.reshape(own if number is None else (number, *own)))
        return parts

    @property
    def looped(self) -> bool:
        """Whether the world runs one draw at a time."""
        return bool(self._way.refused) or drawn_singly(self.plans)

    def _run(
        self, states: np.ndarray, record: list[str], score: list[str]
    ) -> tuple[dict[str, torch.Tensor], np.ndarray]:
        number, noise = len(states), self._split(states)
        if self.looped and not self._way.refused:
            self._way = Way(refused="as when the worlds were drawn")
        size = block_size(self.plans.whole, scored=bool(score))
        plan = Plan(self.program, number, (self.plans.seed, _KEY), record, score, size)
        blocks: list[tuple[dict[str, torch.Tensor], torch.Tensor]] = []
        while len(blocks) < plan.blocks:
            rows = plan.rows(len(blocks), len(blocks) + 1)
            some = {name: value[rows] for name, value in noise.items()}
            try:
                held = self._calls % _HELD == 0
                found, self._way = run_block(plan, len(blocks), {}, self._way, some, held=held)
            except NotVectorisable as error:
                self._way = Way(refused=str(error))
                continue
            told = [v.reshape(len(v), -1).double().sum(1) for v in found.log_prob.values()]
            blocks.append((found.values, sum(told, torch.zeros(rows.stop - rows.start).double())))
        self._calls += 1
        values = {name: torch.cat([block[0][name] for block in blocks]) for name in record}
        return values, torch.cat([block[1] for block in blocks]).numpy()

    def _split(self, states: np.ndarray) -> dict[str, torch.Tensor]:
        """Deal the noise out to the sites, first axis = states."""
        found, first = {}, 0
        for name, site in self.sites.items():
            own = site.value.shape
            last = first + math.prod(own)
            part = np.ascontiguousarray(states[:, first:last])
            found[name] = torch.from_numpy(part).reshape(len(states), *own)
            first = last
        return found

    def _utility(self, values: Mapping[str, torch.Tensor]) -> np.ndarray:
        """Ask for the utility of measured values, labelled as those of the tree are."""
        lead = (schema.DISCIPLE, schema.CHAIN, schema.DRAW)
        named = {}
        for name, value in values.items():
            own = [dim for dim in self.drawn[name].dims if dim not in (*lead, schema.FUTURE)]
            named[name] = xr.DataArray(
                value.numpy()[None, None], self._coords.get(name), [*lead, *own], name
            )
        found = self.utility(Measured(named))
        if isinstance(found, xr.DataArray):
            found = found.transpose(*lead).values
        worth = with_ties(np.asarray(found, float).ravel())
        if not np.isfinite(worth).all():
            raise MeasurementError(
                f"the utility is {worth[~np.isfinite(worth)][0]} in an erased world that is rarer "
                "than the draws; expected finite numbers. Make it a bounded one."
            )
        return worth

    def _refuse_others(self, states: np.ndarray, rows: np.ndarray) -> None:
        """Hold the worth of worlds made of noise against that of the draws they were made from."""
        few = slice(0, 200)
        here, there = self.evaluate(states[few])[0], self.utilities[rows[few]]
        if set(self._kept(self.sites)) != set(self.sites):
            return  # what was not kept is drawn anew
        spread = float(np.std(self.utilities)) + 1e-300
        apart = np.abs(here - there) > 1e-3 * spread + 1e-4 * np.abs(there)
        if apart.any():
            at = int(np.argmax(apart))
            raise WorldError(
                f"the erased world, run again from its own noise, is worth {here[at]:.6g} where "
                f"the draw was worth {there[at]:.6g}: it was drawn by another program, or does "
                "what its sites do not tell. Draw the worlds again."
            )


def drawn_singly(plans: WorldPlans) -> bool:
    """Tell whether the erased worlds of a tree were drawn one at a time."""
    said = plans.attrs.get("vectorised", {})
    return str(said.get(schema.ERASED, "")).startswith("loop")
