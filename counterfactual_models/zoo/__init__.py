"""Worlds that ship with the library, one a file, with the truth wherever it has a closed form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from counterfactual_models.errors import WorldError, nearest
from counterfactual_models.utilities import Utility

__all__ = ["Example", "load", "names"]

_NAMES = (
    "collapse",
    "election",
    "factory",
    "gases",
    "gaussian",
    "lolcats",
    "mesa",
    "mixture",
    "swap",
    "trial",
)


@dataclass(frozen=True)
class Example:
    """A world with all that is needed to ask the question of it.

    Parameters
    ----------
    name, about
        What it is called, and in one sentence what happens in it.
    world
        The Pyro program, taking the disciple.
    evidence
        Sample-site name -> observed tensor.
    disciples
        Name -> policy.
    utility
        What the master wants, if the world has something to want.
    exact
        The truth in closed form, where there is one.
    coords, dims
        Labels for axes, passed on to inference.
    settings
        Settings at which an audit of this world is worth reading.
    """

    name: str
    world: Callable[..., Any]
    evidence: Mapping[str, Any]
    disciples: Mapping[str, Callable[..., Any]]
    utility: Utility | None = None
    exact: Callable[..., Any] | None = None
    about: str = ""
    coords: Mapping[str, Any] = field(default_factory=dict)
    dims: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def names() -> tuple[str, ...]:
    """List the worlds of the zoo.

    Examples
    --------
    >>> names()
    ('collapse', 'election', 'factory', 'gases', 'gaussian', 'lolcats', 'mesa', 'mixture', \
'swap', 'trial')
    """
    return _NAMES


def load(name: str, **options: Any) -> Example:
    """Fetch one world of the zoo, with the options of its own `example` function.

    Parameters
    ----------
    name
        One of :func:`names`.
    **options
        As the world's file says, e.g. ``load("gaussian", dimensions=10)``.

    Returns
    -------
    Example

    Raises
    ------
    WorldError
        If there is no such world; the nearest name is offered.

    Examples
    --------
    >>> load("factory").about
    'A bounded paper-clipper is let loose in an open factory.'
    """
    if name not in _NAMES:
        raise WorldError(f"the zoo has no world named {name!r}. " + nearest(name, _NAMES))
    example: Example = import_module(f"{__name__}.{name}").example(**options)
    return example
