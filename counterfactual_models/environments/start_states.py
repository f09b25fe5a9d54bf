"""How is an environment put into a state? By its attribute `state` or `s`, where it has one."""

from typing import Any

import numpy as np

from counterfactual_models.environments.gymnasium_source import the_library
from counterfactual_models.errors import WorldError

__all__ = ["place"]

_STATES = ("state", "s")  # of classic control, and of toy text
_VIEWS = ("_get_obs", "_get_ob")


def place(environment: Any, state: np.ndarray) -> Any:
    """Put an environment, just reset, into a state, and say what is observed there.

    Parameters
    ----------
    environment
        With an attribute `state` or `s` beneath its wrappers: classic control and most of toy
        text have one.
    state
        Of the shape that the attribute has after a reset.

    Returns
    -------
    The observation: what the environment itself makes of its state, else the state.

    Raises
    ------
    WorldError
        If there is no such attribute, the shape is another, or what is observed is not known.
    """
    bare = environment.unwrapped
    name = next((name for name in _STATES if getattr(bare, name, None) is not None), None)
    if name is None:
        raise WorldError(
            f"{bare} has no attribute 'state' or 's' to put a start into; give a function: "
            "place=lambda environment, state: ..., which sets it and returns the observation."
        )
    before = np.asarray(getattr(bare, name))
    if before.shape != state.shape:
        raise WorldError(
            f"a start has shape {state.shape}; the attribute {name!r} of {bare} has "
            f"{before.shape}."
        )
    value = state.astype(before.dtype)
    setattr(bare, name, value if value.ndim else value.item())
    view = next((getattr(bare, view) for view in _VIEWS if hasattr(bare, view)), None)
    space = environment.observation_space
    seen = np.asarray(view() if view else state).astype(space.dtype)
    if _changes_views(environment) or not space.contains(seen if seen.ndim else seen[()]):
        raise WorldError(
            f"what {environment} observes at the start {state.tolist()} is not known, or is none "
            "of its observations; give a function: place=lambda environment, state: ..., which "
            "sets the state and returns the observation."
        )
    return seen


def _changes_views(environment: Any) -> bool:
    kind = the_library().ObservationWrapper
    while environment is not environment.unwrapped:
        if isinstance(environment, kind):
            return True
        environment = environment.env
    return False
