"""Where do environments come from? Gymnasium, imported when the first one is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from counterfactual_models.environments.same_twice import refuse_moods
from counterfactual_models.errors import WorldError, nearest

__all__ = ["Source", "find_source", "the_library"]

_ABREAST = 64
"""Environments held at once; more would not make a policy's call much cheaper a draw."""
_BYTES = 1 << 26
"""What the observations of those may take."""


def the_library() -> ModuleType:
    """Import Gymnasium.

    Raises
    ------
    WorldError
        If it is not installed; the message says which extra has it.
    """
    try:
        import gymnasium
    except ImportError as error:
        raise WorldError(
            "worlds made of environments need Gymnasium, which is not installed: "
            'pip install "counterfactual-models[gymnasium]"'
        ) from error
    return gymnasium


@dataclass(frozen=True)
class Source:
    """An environment that was tried and is a function of its seed.

    Parameters
    ----------
    name
        As Gymnasium, or its class, has it.
    make
        Makes one.
    actions, observations
        Its spaces.
    arguments
        What it is made with, to tell worlds by.
    """

    name: str
    make: Callable[[], Any] = field(repr=False)
    actions: Any
    observations: Any
    arguments: Mapping[str, Any]

    @property
    def kinds(self) -> int:
        """How many whole numbers may be observed, from 0 on; 0 if observations are no such."""
        space = self.observations
        counted = type(space).__name__ == "Discrete" and space.start >= 0
        return int(space.start + space.n) if counted else 0

    def abreast(self, moments: int) -> int:
        """Settle how many are held at once: fewer where their observations are large."""
        create = the_library().vector.utils.create_empty_array
        size = _size(create(self.observations, n=1, fn=np.zeros)) * moments
        return int(np.clip(_BYTES // max(1, size), 1, _ABREAST))


def find_source(
    environment: str | Callable[[], Any], arguments: Mapping[str, Any] | None
) -> Source:
    """Settle how an environment is made, and try it.

    Parameters
    ----------
    environment
        A name that ``gymnasium.make`` knows, or a function without arguments that makes one.
    arguments
        For ``gymnasium.make``.

    Raises
    ------
    WorldError
        If Gymnasium does not know the name, or the environment does not do the same twice.
    """
    make = _maker(environment, arguments)
    one = make()
    try:
        if not hasattr(one, "observation_space") or not hasattr(one, "unwrapped"):
            raise WorldError(
                f"the function made a {type(one).__name__}; expected an environment of Gymnasium."
            )
        if hasattr(one, "num_envs"):
            raise WorldError(
                f"got {one.num_envs} environments in one (gymnasium.make_vec); expected a single "
                "one, as gymnasium.make gives it: draws are put side by side here."
            )
        name = environment if isinstance(environment, str) else type(one.unwrapped).__name__
        spaces = one.action_space, one.observation_space
        found = Source(name, make, *spaces, dict(arguments or {}))
    finally:
        getattr(one, "close", int)()
    refuse_moods(make, name)
    return found


def _maker(
    environment: str | Callable[[], Any], arguments: Mapping[str, Any] | None
) -> Callable[[], Any]:
    library = the_library()
    if isinstance(environment, str):
        known = library.registry
        if ":" not in environment and environment not in known:
            raise WorldError(
                f"Gymnasium knows no environment {environment!r}. "
                + nearest(environment, sorted(known))
            )
        # Its checker looks at every step of every draw; ours looks at a few episodes, once.
        options = {"disable_env_checker": True, **(arguments or {})}
        return partial(library.make, environment, **options)
    if not callable(environment) or arguments:
        raise WorldError(
            f"got the environment {environment!r} with arguments={arguments!r}; expected a name "
            "such as 'CartPole-v1' with arguments of gymnasium.make, or a function without "
            "arguments that makes an environment: lambda: MyEnvironment()."
        )
    return environment


def _size(observation: Any) -> int:
    if isinstance(observation, dict | tuple):
        parts = observation.values() if isinstance(observation, dict) else observation
        return sum(map(_size, parts))
    return int(getattr(observation, "nbytes", 8))
