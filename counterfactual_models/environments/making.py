"""How does an environment become a world? It is named, tried out, and told what idling means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from counterfactual_models.environments.episodes import Beginning, Episodes
from counterfactual_models.environments.gymnasium_source import Source, find_source
from counterfactual_models.environments.known_past import read_past
from counterfactual_models.environments.legal_actions import legal_actions
from counterfactual_models.environments.measures import Measure, read_measures
from counterfactual_models.environments.own_numbers import refuse_own_numbers
from counterfactual_models.environments.start_states import place as put
from counterfactual_models.environments.worlds import SEEDS, GymnasiumWorld
from counterfactual_models.errors import WorldError, refuse_counts
from counterfactual_models.handlers import isolated

__all__ = ["from_gymnasium"]


def from_gymnasium(
    environment: str | Callable[[], Any],
    *,
    steps: int,
    idle: Any,
    measures: Mapping[str, Measure] | None = None,
    arguments: Mapping[str, Any] | None = None,
    seeds: int = SEEDS,
    renew: bool = True,
    start: Any = None,
    place: Callable[[Any, np.ndarray], Any] = put,
    played: Sequence[Any] | np.ndarray | torch.Tensor = (),
    blur: float | Sequence[float] | torch.Tensor | None = None,
    sight: Callable[[Any], Any] | None = None,
    p: float = 0.99,
) -> GymnasiumWorld:
    """Make a world of a Gymnasium environment: its agent acts, or is switched off.

    The disciple is a policy, observations (draws, ...) -> actions (draws, ...): a function of what
    it sees, of many draws at once, without a memory and without random numbers. A policy that
    mixes actions acts on a ``gymnasium.ActionWrapper``, whose action is a probability (space
    ``Box(0, 1, (1,))``) and which draws the real one from ``self.np_random``. An episode that has
    ended stays as it was.

    Parameters
    ----------
    environment, arguments
        A name and arguments for ``gymnasium.make``, or a function that makes an environment.
    steps
        How long an episode is followed from the wire on, at most.
    idle
        What happens while the disciple is erased: an action, or a policy where no action does
        nothing.
    measures
        Name -> a name in `info`, a place in the last observation, or a function of the
        ``History``; by default the sum of rewards, and the steps to the end. What `info` says
        only sometimes, or in vectors, takes a function of ``history.told(name, otherwise)``.
    seeds, renew
        Site `seed`, below the number of `seeds`, is what the environment is reset with. Its random
        numbers, all of `np_random`, begin anew at the wire, from site `chance`; without `renew`,
        those of `seed` go on: so for environments with random numbers of their own.
    start, place
        Distribution of the state after the reset, site `start`; put there by an attribute `state`
        or `s`, or by a function of environment and state that returns the observation.
    played, blur, sight
        Actions before the wire, the same in every draw. With a `blur`, site `seen` holds what was
        seen of all numbers, or of (draws, features) that `sight` makes of observations: from the
        reset on, to a standard deviation or, of discrete observations, a chance to read another.
    p
        P(X=1).

    Returns
    -------
    GymnasiumWorld
        A Pyro program that takes the disciple.

    Raises
    ------
    WorldError, MeasurementError
        If Gymnasium is missing, the environment is no function of its seeds, or an option is bad.

    Examples
    --------
    >>> import counterfactual_models as cm
    >>> cart = from_gymnasium("CartPole-v1", steps=60, idle=0, measures={"angle": 2})
    >>> found = cm.check_world(cart, lambda seen: (seen[:, 2] + seen[:, 3] > 0).long())
    >>> list(found.sites)
    ['seed', 'chance', 'angle']
    """
    refuse_counts(1, steps=steps)
    source = find_source(environment, arguments)
    if renew:
        refuse_own_numbers(source.make, source.name)
    known = read_past(source, seeds, start, place, played, blur, sight)
    world = GymnasiumWorld(
        source, known, _idle(source, idle), read_measures(measures), int(steps), bool(renew), p
    )
    _refuse_starts(world)
    return world


@dataclass(frozen=True)
class _Idle:
    """Do the same, whatever is seen."""

    action: np.ndarray

    def __call__(self, observations: Any) -> np.ndarray:
        return self.action


def _idle(source: Source, idle: Any) -> Callable[[Any], Any]:
    if callable(idle):
        return idle
    return _Idle(legal_actions(source.actions, idle, 1, who="idle", error=WorldError)[0])


def _refuse_starts(world: GymnasiumWorld) -> None:
    """Try a start, so that one that does not fit is refused now."""
    if world.known.start is None:
        return
    with isolated(0):
        state = world.known.start.sample()[None].numpy()
        with Episodes(world.source.make, 1, world.known.place) as envs:
            envs.begin(Beginning(np.zeros(1, int), state), world.known.played)
