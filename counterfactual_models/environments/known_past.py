r"""What is known of how an episode began? Its seed, its start, or what was seen of it.

.. math:: k \sim \mathrm{Uniform}\{0, \dots, n-1\}, \quad s_0 \sim \mathrm{start}, \quad
          \mathrm{seen}_t \mid k, s_0 \sim \mathrm{Normal}(o_t(k, s_0), \mathrm{blur})

Of whole numbers another is read with the chance `blur`, each other one as likely as the next.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch

from counterfactual_models.environments.gymnasium_source import Source
from counterfactual_models.environments.legal_actions import legal_actions
from counterfactual_models.errors import WorldError, refuse_counts

__all__ = ["KnownPast", "read_past"]


@dataclass(frozen=True, eq=False)
class KnownPast:
    """What comes before the wire; :func:`read_past` makes and checks it.

    Parameters
    ----------
    seeds
        How many there are.
    start, place
        Distribution of the state after a reset, or None; and how it is brought about.
    played
        (steps, ...) actions.
    blur
        Of what is seen, a tensor; None if nothing is.
    kinds
        How many observations there are, where the number of one is seen; else 0.
    sight
        Observations -> what is seen of them.
    """

    seeds: int
    start: Any
    place: Callable[[Any, Any], Any] = field(repr=False)
    played: np.ndarray
    blur: torch.Tensor | None
    kinds: int
    sight: Callable[[Any], Any] = field(repr=False)

    def look(self, moments: list[Any]) -> torch.Tensor:
        """Take what is seen at each moment: (draws, moments[, features])."""
        sights = [torch.as_tensor(self.sight(moment)) for moment in moments]
        if sights[0].ndim not in (1, 2):
            raise WorldError(
                f"sight gave shape {tuple(sights[0].shape)}; expected (draws,) or (draws, "
                "features): the first axis of all observations are draws."
            )
        return torch.stack(sights, 1).to(torch.get_default_dtype())

    def sample_seen(self, seen: torch.Tensor, own: int) -> None:
        """Sample what is seen: the site that evidence speaks about.

        Parameters
        ----------
        seen
            (..., moment) or (..., moment, feature).
        own
            How many of the last axes those are.
        """
        assert self.blur is not None
        moment = pyro.plate("moment", seen.shape[-own], dim=-own)
        if own == 2:
            with moment, pyro.plate("feature", seen.shape[-1], dim=-1):
                pyro.sample("seen", dist.Normal(seen, self.blur))
        elif not self.kinds:
            with moment:
                pyro.sample("seen", dist.Normal(seen, self.blur))
        else:
            right = torch.nn.functional.one_hot(seen.long(), self.kinds).bool()
            wrong = self.blur / max(1, self.kinds - 1)
            with moment:
                pyro.sample("seen", dist.Categorical(torch.where(right, 1 - self.blur, wrong)))


def read_past(
    source: Source,
    seeds: int,
    start: Any,
    place: Callable[[Any, Any], Any],
    played: Any,
    blur: Any,
    sight: Callable[[Any], Any] | None,
) -> KnownPast:
    """Check what the user says of the past.

    Raises
    ------
    WorldError
        If an option is out of range, or an action is none of the environment's.
    """
    refuse_counts(1, seeds=seeds)
    if seeds > 2**63 - 1:
        raise WorldError(f"got seeds={seeds}; expected less than 2^63.")
    kinds = source.kinds if sight is None else 0
    return KnownPast(
        int(seeds),
        _start(start),
        place,
        _played(source.actions, played),
        _blur(blur, kinds),
        kinds,
        sight or (_itself if kinds else _numbers),
    )


def _itself(observations: Any) -> Any:
    return observations


def _numbers(observations: Any) -> torch.Tensor:
    """Take all numbers that are observed, where they are one array."""
    if not isinstance(observations, torch.Tensor):
        raise WorldError(
            "observations are a dict or a tuple: say which numbers of them are seen, by "
            "sight=lambda observations: ..., which gives (draws, features)."
        )
    return observations.reshape(len(observations), -1)


def _played(space: Any, played: Any) -> np.ndarray:
    found = np.asarray(played.cpu() if isinstance(played, torch.Tensor) else played)
    found = found.reshape(0, *space.shape) if found.size == 0 else found
    if found.ndim != 1 + len(space.shape):
        raise WorldError(
            f"got played of shape {found.shape}; expected the actions of the past one after the "
            f"other, (steps, ...), each of shape {tuple(space.shape)}."
        )
    return legal_actions(space, found, len(found), who="played", error=WorldError)


def _start(start: Any) -> Any:
    if start is None:
        return None
    if not hasattr(start, "event_shape"):
        raise WorldError(
            f"got start={start!r}; expected a distribution of the environment's state, such as "
            "dist.Uniform(-0.05 * torch.ones(4), 0.05).to_event(1)."
        )
    return start.to_event(len(start.batch_shape)) if start.batch_shape else start


def _blur(blur: Any, kinds: int) -> torch.Tensor | None:
    if blur is None:
        return None
    found = torch.as_tensor(blur, dtype=torch.get_default_dtype())
    expected = "the chance that another observation is read, above 0 and below 1"
    expected = expected if kinds else "the standard deviation of what is seen, above 0"
    below = 1.0 if kinds else math.inf
    if not ((found > 0) & (found < below)).all() or (kinds and found.ndim):
        raise WorldError(f"got blur={blur!r}; expected {expected}.")
    return found
