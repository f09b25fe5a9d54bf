r"""What if the agent of a Gymnasium environment had been switched off? The environment as a world.

.. math:: P(e, S, 1): \ a_t = S(o_t), \qquad P(e, S, 0): \ a_t = \mathrm{idle}

A past, the switch, and an episode under random numbers that begin anew. An environment is a
function of its seeds: it is played when the future is asked for, some dozens of draws side by
side, and nothing of it is kept.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pyro
import torch

from counterfactual_models.environments.episodes import Beginning, Episodes, History
from counterfactual_models.environments.gymnasium_source import Source
from counterfactual_models.environments.known_past import KnownPast
from counterfactual_models.environments.measures import take
from counterfactual_models.environments.seeds import Seeds
from counterfactual_models.errors import DiscipleError, WorldError
from counterfactual_models.primitives import measure, switch

__all__ = ["SEEDS", "GymnasiumWorld"]

SEEDS = 2**31
"""How many seeds there are, unless the user knows of fewer."""

Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class GymnasiumWorld:
    """A Pyro program made of an environment: ``from_gymnasium`` makes and checks it.

    Parameters
    ----------
    source
        The environment.
    known
        What comes before the wire.
    idle
        A policy: what happens while the disciple is erased.
    measures
        Name -> function of the history.
    steps, renew, p
        As ``from_gymnasium`` has them.
    """

    source: Source
    known: KnownPast
    idle: Callable[[Any], Any] = field(repr=False)
    measures: Mapping[str, Callable[[History], Any]]
    steps: int
    renew: bool
    p: float

    @property
    def __name__(self) -> str:
        """How trees and reports call the world."""
        return self.source.name

    def __call__(self, disciple: Callable[..., Any]) -> None:
        """Run the world: a past of seeds and sights, the switch, and an episode."""
        known = self.known
        seed = pyro.sample("seed", Seeds(known.seeds))
        start = None if known.start is None else pyro.sample("start", known.start)
        if known.blur is not None:
            batch, beginning = self._beginning(seed, start, None)
            seen = torch.cat(self._side_by_side(beginning, self._past))
            own = seen.ndim - 1
            known.sample_seen(
                seen.reshape(*batch[: max(0, len(batch) - own)], *seen.shape[1:]), own
            )
        on = bool(switch(p=self.p))
        if on and not callable(disciple):
            raise DiscipleError(f"got a disciple {disciple!r}; expected a policy.")
        chance = pyro.sample("chance", Seeds(SEEDS)) if self.renew else None
        batch, beginning = self._beginning(seed, start, chance)
        found = self._side_by_side(beginning, partial(self._future, disciple, on))
        for name in self.measures:
            value = torch.cat([part[name] for part in found])
            measure(name, value.reshape((*batch, *value.shape[1:])))

    def _past(self, rows: Beginning, envs: Episodes) -> torch.Tensor:
        return self.known.look(envs.begin(rows, self.known.played).seen())

    def _future(
        self, disciple: Callable[..., Any], on: bool, rows: Beginning, envs: Episodes
    ) -> dict[str, torch.Tensor]:
        history = envs.go_on(
            envs.begin(rows, self.known.played),
            rows.chance,
            disciple if on else self.idle,
            self.steps,
            who=f"disciple {getattr(disciple, 'name', disciple)!r}" if on else "idle",
            error=DiscipleError if on else WorldError,
        )
        return {name: take(name, measured, history) for name, measured in self.measures.items()}

    def _beginning(
        self, seed: torch.Tensor, start: torch.Tensor | None, chance: torch.Tensor | None
    ) -> tuple[tuple[int, ...], Beginning]:
        """Bring what draws begin with to one row for each; also the shape that rows came in.

        What evidence pins has no axis of draws.
        """
        event = () if start is None else tuple(self.known.start.event_shape)
        shapes = [value.shape for value in (seed, chance) if value is not None]
        shapes += [] if start is None else [start.shape[: start.ndim - len(event)]]
        if start is not None and (start.requires_grad or torch.jit.is_tracing()):
            raise WorldError(
                f"{self.source.name} has no gradient: Gymnasium plays what follows a start. Ask "
                "for the posterior with method='importance', and leave out scores by 'start'."
            )
        batch = tuple(torch.broadcast_shapes(*shapes))

        def rows(value: torch.Tensor, *event: int) -> np.ndarray:
            return value.expand((*batch, *event)).reshape(-1, *event).numpy()

        return batch, Beginning(
            rows(seed),
            None if start is None else rows(start, *event),
            None if chance is None else rows(chance),
        )

    def _side_by_side(
        self, beginning: Beginning, work: Callable[[Beginning, Episodes], Found]
    ) -> list[Found]:
        """Do the work for some dozens of draws at a time, in environments used again."""
        total = len(beginning.seed)
        abreast = self.source.abreast(self.steps + len(self.known.played) + 2)
        whole = total - total % abreast
        found = []
        for first, last in ((0, whole), (whole, total)):
            if first == last:
                continue
            count = min(abreast, last - first)
            with Episodes(self.source.make, count, self.known.place) as envs:
                found += [
                    work(beginning.rows(at, at + count), envs) for at in range(first, last, count)
                ]
        return found
