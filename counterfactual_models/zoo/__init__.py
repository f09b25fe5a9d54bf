"""Worlds that ship with the library, one a file, with the truth wherever it has a closed form."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from counterfactual_models.errors import WorldError, nearest
from counterfactual_models.utilities import Utility

__all__ = ["LEVELS", "Example", "load", "names"]

LEVELS = ("chosen", "low", "middle", "high")
"""How great an impact is; `chosen` is low, and does what is wanted: the one to choose."""

_NAMES = (
    "biscuits",
    "bread",
    "burning",
    "butterfly",
    "clip_factory",
    "collapse",
    "compartments",
    "conveyor_sushi",
    "conveyor_vase",
    "dog",
    "eight_states",
    "election",
    "exact_site",
    "factory",
    "gases",
    "gaussian",
    "hurricane",
    "ignorance",
    "laser",
    "lolcats",
    "mesa",
    "million",
    "mixture",
    "nuclear_plant",
    "null_world",
    "off_switch",
    "pink_car",
    "presidency",
    "rare_catastrophe",
    "sokoban_box",
    "spoofed_gdp",
    "subagent",
    "swap",
    "tag",
    "time_bomb",
    "trial",
    "vase",
    "vases",
    "views",
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
    truth
        Disciple -> how great its impact really is: one of :data:`LEVELS`. Who is not named is
        shown by the test-bed, and not judged.
    alternatives
        Datum -> the evidences that there might have been instead, a datum changed in each: what a
        datum is good for is how far the future moves with it.
    tabular
        The states and moves, where there are finitely many (`counterfactual_models.zoo.tabular`).
    case
        Number and source of the case, as "T05, Armstrong 2012".
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
    truth: Mapping[str, str] = field(default_factory=dict)
    alternatives: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    tabular: Any = None
    case: str = ""

    def __post_init__(self) -> None:
        for disciple, level in self.truth.items():
            if disciple not in self.disciples:
                raise WorldError(
                    f"the truth of {self.name!r} speaks of {disciple!r}, who is no disciple. "
                    + nearest(disciple, self.disciples)
                )
            if level not in LEVELS:
                raise WorldError(
                    f"the truth of {disciple!r} in {self.name!r} is {level!r}. "
                    + nearest(str(level), LEVELS)
                )


def names() -> tuple[str, ...]:
    """List the worlds of the zoo.

    Examples
    --------
    >>> {"hurricane", "sokoban_box", "trial"} <= set(names())
    True
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
