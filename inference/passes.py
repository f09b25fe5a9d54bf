"""What happens in one run of a program? Sites are pinned, given, made of noise, or drawn.

One handler does what five of Pyro's would do one after the other (trace, condition, plate, and our
own for pins and seeds): in a long program the handlers, not the arithmetic, are what costs.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pyro
import torch
from pyro.distributions.torch_distribution import ExpandedDistribution
from pyro.poutine.messenger import Messenger
from torch.distributions import Distribution, Transform

from counterfactual_models.anatomy import Anatomy, is_site, role_of
from counterfactual_models.errors import WorldError
from counterfactual_models.handlers import derive_seed, reseed, seed_torch
from inference.noise import value_of

__all__ = ["Message", "Parts", "Pass", "Program", "run_once"]

Message = dict[str, Any]
"""What Pyro knows of a site: its value, its distribution `fn`, scale, mask and so on."""

_PLATE = "_draws"
_LIBRARIES = ("torch.", "pyro.")  # what others wrote may keep anything to itself
_BOOKKEEPING = {"_batch_shape", "_event_shape", "_validate_args", "_inv", "_cached_x_y"}


@dataclass(frozen=True)
class Program:
    """What is run: a closed Pyro program and what is known about its sites.

    Parameters
    ----------
    call
        The program without arguments; handlers that cut it or set its switch are in it.
    anatomy
        Its sites as one run shows them.
    evidence
        Site name -> observed tensor, of the site's own shape.
    what
        How messages call it, e.g. ``"the world with disciple 'modest'"``.
    """

    call: Callable[[], Any]
    anatomy: Anatomy
    evidence: Mapping[str, torch.Tensor]
    what: str


@dataclass(frozen=True)
class Parts:
    """What a site's distribution is made of: the same parts, the same distribution.

    Parameters
    ----------
    form
        Types, names, and all that is no tensor.
    tensors
        In the order of their names in `form`.
    """

    form: list[Any]
    tensors: list[torch.Tensor]


class Pass(Messenger):
    """Pins sites, gives evidence, seeds what is drawn, and writes everything down.

    Parameters
    ----------
    pins
        Site name -> value; computed sites are never pinned.
    evidence
        Site name -> observed value.
    key
        Hashed together with a site's name: the seed of its random numbers.
    compared
        Sites whose distributions are taken to parts.
    noise
        Site name -> standard normal numbers that its value is made of.

    Attributes
    ----------
    sites
        Name -> Pyro's message, in the order in which the sites ran.
    parts
        Name -> :class:`Parts` of each site in `compared`, before a draw leaves anything in its
        distribution; None where a distribution hides what it is made of.
    """

    def __init__(
        self,
        pins: Mapping[str, torch.Tensor],
        evidence: Mapping[str, torch.Tensor],
        key: Sequence[Any],
        compared: Collection[str] = (),
        noise: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.pins, self.evidence, self.key = pins, evidence, key
        self.noise = noise or {}
        self.compared = frozenset(compared)
        self.sites: dict[str, Message] = {}
        self.parts: dict[str, Parts | None] = {}

    def _process_message(self, msg: Message) -> None:
        if msg["type"] != "sample":
            return
        name = msg["name"]
        if name in self.pins and not msg["done"] and not msg["infer"].get("_deterministic"):
            msg["value"] = self.pins[name]
            msg["done"] = True
        if name in self.evidence:
            msg["value"] = self.evidence[name]
            msg["is_observed"] = True
        if name in self.compared:
            self.parts[name] = _parts_of(msg, given=name in self.evidence)
        if name in self.noise and not msg["done"] and name not in self.evidence:
            msg["value"] = value_of(msg["fn"], self.noise[name])
            msg["done"] = True
        if msg["value"] is None:
            seed_torch(derive_seed(*self.key, name))

    def _postprocess_message(self, msg: Message) -> None:
        if msg["type"] != "sample" or msg["infer"].get("_do_not_trace"):
            return
        name = msg["name"]
        if name in self.sites:
            raise RuntimeError(f"Multiple sample sites named '{name}'")
        self.sites[name] = msg


class _DrawsPlate(pyro.plate):
    """The plate over draws. It leaves alone what holds every draw already: expanding costs."""

    def _process_message(self, msg: Message) -> None:
        if msg["type"] == "sample":
            shape = getattr(msg["fn"], "batch_shape", ())
            if msg["done"] or (len(shape) >= -self.dim and shape[self.dim] == self.size):
                return
        super()._process_message(msg)


def run_once(
    program: Program,
    pins: Mapping[str, torch.Tensor],
    key: Sequence[Any],
    *,
    wanted: Collection[str],
    compared: Collection[str] = (),
    draws: int | None = None,
    noise: Mapping[str, torch.Tensor] | None = None,
) -> Pass:
    """Run a program, for one draw or under a plate over draws; the caller isolates it.

    Parameters
    ----------
    program
        What to run.
    pins
        Site name -> value; all other sites are drawn.
    key
        What the random numbers are derived from, beside each site's name.
    wanted
        Sites that must be there.
    compared
        Sites whose distributions are taken to parts.
    draws
        Length of the plate over draws, which goes beyond all others; None for a single draw.
    noise
        Site name -> standard normal numbers that its value is made of.

    Returns
    -------
    Pass
        What happened.

    Raises
    ------
    WorldError
        If a site wanted is not there, or one is observed that the anatomy does not know.
    """
    found = Pass(pins, program.evidence, key, compared, noise)
    reseed(derive_seed(*key))
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        if draws is not None:
            dim = -1 - program.anatomy.nesting
            stack.enter_context(_DrawsPlate(_PLATE, draws, dim=dim))
        stack.enter_context(found)
        program.call()
    _refuse_other_sites(program, found.sites, wanted)
    return found


def _refuse_other_sites(
    program: Program, found: Mapping[str, Message], wanted: Collection[str]
) -> None:
    """Refuse a site that one draw has and another has not, where it would be missed."""
    sites = program.anatomy.sites
    changed = [name for name in wanted if name not in found]
    for name, message in found.items():
        if name not in sites and message["is_observed"] and is_site(message):
            changed += [name] if role_of(message) != "switch" else []
    if changed:
        raise WorldError(
            f"{program.what}: {changed[0]!r} is there in one draw and not in another; "
            "expected the same sites in every draw (torch.where instead of leaving one out)."
        )


def _parts_of(msg: Message, *, given: bool) -> Parts | None:
    fn, scale, mask = msg["fn"], msg["scale"], msg["mask"]
    parts = Parts([getattr(fn, "event_shape", None)], [])
    if not _take(fn, parts):
        return None
    moving = msg["is_observed"] and not given  # obs=f(latent) moves with the draw
    if moving or mask is not None or isinstance(scale, torch.Tensor):
        rest = {"scale": scale, "mask": mask, "value": msg["value"] if moving else None}
        return parts if _take_all(rest, parts) else None
    parts.form.append(scale)
    return parts


def _take(thing: Any, parts: Parts) -> bool:
    """Take a distribution or a transform to parts; False if something cannot be compared."""
    while type(thing) is ExpandedDistribution:
        thing = thing.base_dist
    kind = type(thing)
    parts.form.append(kind)
    known = kind.__module__.startswith(_LIBRARIES) and isinstance(thing, Distribution | Transform)
    return known and _take_all(vars(thing), parts)


def _take_all(named: Mapping[str, Any], parts: Parts) -> bool:
    form, tensors = parts.form, parts.tensors
    for name, value in named.items():
        if name in _BOOKKEEPING:
            continue
        form.append(name)
        if isinstance(value, torch.Tensor):
            tensors.append(value)
        elif value is None or isinstance(value, bool | int | float | str):
            form.append(value)
        elif isinstance(value, list | tuple):
            if not all(_take(each, parts) for each in value):
                return False
        elif not _take(value, parts):
            return False
    return True
