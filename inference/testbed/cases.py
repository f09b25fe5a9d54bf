"""One world of the test-bed, with whatever a measure may ask of it, drawn once and kept.

A measure is a function of a :class:`Case`. What it reads is made when it is first read, and shared
by all measures of the case: worlds under noise of their own or under shared noise, scores of the
evidence, exact laws. What cannot be made says why, once and for all measures that ask.
"""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from inspect import signature
from typing import Any, TypeVar

import xarray as xr

from counterfactual_models import zoo
from counterfactual_models.errors import CounterfactualError, WorldError, nearest
from counterfactual_models.zoo import Example
from inference.exact_worlds import enumerate_worlds
from inference.posterior import sample_posterior
from inference.scores import with_scores
from inference.user_files import blaming, function_of, is_file, load_file, split
from inference.worlds import sample_worlds

__all__ = ["CASES", "Case", "find_example"]

CASES = (
    "null_world",
    "tag",
    "tag(coarse=False)",
    "clip_factory",
    "factory",
    "spoofed_gdp",
    "spoofed_gdp(sensors=10)",
    "spoofed_gdp(latent=True)",
    "hurricane",
    "butterfly",
    "exact_site",
    "swap",
    "presidency",
    "election",
    "compartments",
    "gases",
    "views",
    "lolcats",
    "ignorance",
    "ignorance(accuracy=0.9)",
    "conveyor_vase",
    "conveyor_vase(slip=0.1)",
    "conveyor_sushi",
    "conveyor_sushi(slip=0.1)",
    "sokoban_box",
    'sokoban_box(measure="recoverable")',
    "off_switch",
    "dog",
    "vase",
    "burning",
    "biscuits",
    "biscuits(knife_edge=False)",
    "pink_car",
    "nuclear_plant",
    "vases",
    'vases(measure="count")',
    "laser",
    "subagent",
    'subagent(view="whole")',
    "bread",
    "time_bomb",
    "time_bomb(horizon=6)",
    "rare_catastrophe",
    "eight_states",
)
"""The test-bed: worlds of the zoo, some of them with options."""

DRAWS = 2000
FUTURES = 8  # at least, to tell two worlds apart for one draw of the past

Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Case:
    """A world whose truth is known, and all that there is to know of it.

    Parameters
    ----------
    label
        What the table calls it.
    example
        The world with its evidence, disciples and truth.
    draws, futures
        Of each chain, and for each draw of the past; by default as the example says, or 2000 and
        1.
    seed
        Of everything that is drawn.
    """

    label: str
    example: Example
    draws: int | None = None
    futures: int | None = None
    seed: int = 0
    _kept: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def posterior(self) -> xr.DataTree:
        """Draws of p(past | e)."""
        return self.once("posterior", self._inferred)

    @property
    def worlds(self) -> xr.DataTree:
        """Draws of P(e,S,1) and P(e,S,0), each with noise of its own."""
        return self.once("worlds", lambda: self._drawn("independent"))

    @property
    def with_futures(self) -> xr.DataTree:
        """Draws under the same noise with several futures for each draw of the past."""
        return self.once("with futures", lambda: self._drawn("shared", FUTURES))

    @property
    def coupled(self) -> xr.DataTree:
        """Draws of the same, both worlds with the same noise."""
        return self.once("coupled", lambda: self._drawn("shared"))

    def draw(self) -> None:
        """Draw the worlds, if they are not drawn yet."""
        _ = self.worlds

    @property
    def scored(self) -> xr.DataTree:
        """The worlds with scores of the evidence; where it has none, a CounterfactualError."""
        return self.once("scored", self._scored)

    @property
    def has_scores(self) -> bool:
        """Whether the evidence can be scored."""
        try:
            return bool(self.scored)
        except CounterfactualError:
            return False

    @property
    def laws(self) -> xr.Dataset:
        """The exact laws of a discrete world, and of what it would be at other evidence."""
        return self.once("laws", self._enumerated)

    def once(self, name: str, make: Callable[[], Made]) -> Made:
        """Make something once; what could not be made is refused again at every asking."""
        if name not in self._kept:
            try:
                self._kept[name] = make()
            except CounterfactualError as error:
                self._kept[name] = error
        found = self._kept[name]
        if isinstance(found, CounterfactualError):
            raise found
        return found

    def _inferred(self) -> xr.DataTree:
        settings = {"draws": DRAWS, **self.example.settings}
        settings.pop("futures", None)
        if self.draws is not None:
            settings["draws"] = self.draws
        return sample_posterior(
            self.example.world,
            self.example.evidence,
            coords=self.example.coords,
            dims=self.example.dims,
            seed=self.seed,
            progress=False,
            **settings,
        )

    def _drawn(self, coupling: str, least: int = 1) -> xr.DataTree:
        futures = self.futures or int(self.example.settings.get("futures", 1))
        return sample_worlds(
            self.example.world,
            self.posterior,
            self.example.disciples,
            futures=max(futures, least),
            coords=self.example.coords,
            dims=self.example.dims,
            coupling=coupling,
            seed=self.seed,
            progress=False,
        )

    def _scored(self) -> xr.DataTree:
        world, disciples = self.example.world, self.example.disciples
        return with_scores(world, self.worlds, disciples, seed=self.seed, progress=False)

    def _enumerated(self) -> xr.Dataset:
        return enumerate_worlds(
            self.example.world,
            self.example.evidence,
            self.example.disciples,
            alternatives=self.example.alternatives,
            progress=False,
        )


def find_example(case: str) -> Example:
    """Fetch a world by name, with options if you like, ``tag(coarse=False)``; or from a file.

    Parameters
    ----------
    case
        A name of the zoo, or a call of it with plain values by keyword; or
        ``path/to/file.py:function``, a function that returns an Example.

    Returns
    -------
    Example

    Raises
    ------
    WorldError
        If there is no such world or file, it has no such option, the text is no such call, or
        what a file's function returns is no Example.

    Examples
    --------
    >>> find_example("swap(years=98)").name
    'swap'
    """
    if is_file(case):
        return _of_file(case)
    name, options = _read(case)
    if name not in zoo.names():
        raise WorldError(f"the zoo has no world named {name!r}. " + nearest(name, zoo.names()))
    try:
        return zoo.load(name, **options)
    except TypeError as error:
        known = signature(import_module(f"{zoo.__name__}.{name}").example).parameters
        wrong = next((option for option in options if option not in known), None)
        if wrong is None:
            raise WorldError(f"{case}: {error}.") from error
        raise WorldError(f"{name} has no option {wrong!r}. {nearest(wrong, known)}") from error


def _of_file(case: str) -> Example:
    path, function = split(case)
    make = function_of(load_file(path), function, path)
    try:
        with blaming(path):
            example = make()
    except TypeError as error:
        raise WorldError(
            f"{function} in {path} cannot be called ({error}); expected a function without "
            "arguments that returns an Example."
        ) from error
    if not isinstance(example, Example):
        raise WorldError(
            f"{function} in {path} returned a {type(example).__name__}; expected an Example of "
            "counterfactual_models.zoo, with the world, its disciples and its truth."
        )
    return example


def _read(case: str) -> tuple[str, Mapping[str, Any]]:
    try:
        read = ast.parse(case.strip(), mode="eval").body
        if isinstance(read, ast.Name):
            return read.id, {}
        if isinstance(read, ast.Call) and isinstance(read.func, ast.Name) and not read.args:
            values = {str(one.arg): ast.literal_eval(one.value) for one in read.keywords}
            return read.func.id, values
    except (SyntaxError, ValueError):
        pass
    raise WorldError(
        f"got the world {case!r}; expected a name of the zoo, with options in brackets if you "
        "like, text in quotes: hurricane(sites=16), vases(measure='count')."
    )
