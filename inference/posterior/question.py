"""What is asked: the past of a world given the evidence, checked before anything is sampled."""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from pyro import poutine

from counterfactual_models.anatomy import Anatomy, Site, dissect
from counterfactual_models.disciples import erased
from counterfactual_models.errors import EvidenceError, WorldError, nearest
from counterfactual_models.handlers import past
from inference import schema
from inference.simulation import Program

__all__ = ["Question", "ask", "match_evidence", "world_hash", "world_name"]


@dataclass(frozen=True)
class Question:
    """The posterior that is wanted: the world cut at its switch, and the evidence about it.

    Parameters
    ----------
    program
        The past as a closed program, with the evidence given about it.
    whole
        Anatomy of the erased world, past and future.
    observed
        All that is known, by the evidence given or by the world itself: site name -> values.
    later
        Names of evidence about sites after the switch: it gives each (S, X) a posterior of its
        own.
    name, hash
        Of the world.
    """

    program: Program
    whole: Anatomy
    observed: Mapping[str, torch.Tensor]
    later: list[str]
    name: str
    hash: str

    @property
    def data(self) -> list[str]:
        """Names of the evidence about the past, given or observed by the world itself."""
        anatomy = self.program.anatomy
        return [n for n in anatomy.sites if n in self.program.evidence or n in anatomy.data]

    @property
    def latents(self) -> dict[str, Site]:
        """Sites of the past that the evidence leaves open."""
        known = {*self.data}
        return {n: s for n, s in self.program.anatomy.named("past").items() if n not in known}

    @property
    def conditioned(self) -> Callable[[], Any]:
        """The past with its evidence, as Pyro's own engines take it."""
        return poutine.condition(self.program.call, data=dict(self.program.evidence))


def ask(world: Callable[..., Any], evidence: Mapping[str, Any] | None) -> Question:
    """Put the question, or say what is wrong with it.

    Raises
    ------
    WorldError
        If the world cannot be run, or has a name that the result needs for itself.
    EvidenceError
        If the evidence names no site, is of another shape, not finite, or outside the support.
    """
    whole = dissect(world, erased)
    _refuse_names(whole)
    given = match_evidence(whole, {} if evidence is None else evidence)
    again = dissect(world, erased, seed=1).data
    # What the world observes may depend on the draw (obs=f(latent)): then it is no fixed datum.
    fixed = {n: v for n, v in whole.data.items() if n in again and torch.equal(v, again[n])}
    before = {name: site for name, site in whole.sites.items() if name not in whole.future}
    early = {name: value for name, value in given.items() if name in before}
    program = Program(
        past(world, erased),
        Anatomy(before, None, whole.nesting),
        early,
        "the past of the world",
    )
    later = [name for name in (*given, *whole.data) if name in whole.future]
    return Question(
        program, whole, {**fixed, **given}, later, world_name(world), world_hash(world)
    )


def _refuse_names(whole: Anatomy) -> None:
    for name, site in whole.sites.items():
        taken = {name, *site.dims} & set(schema.RESERVED)
        if taken:
            raise WorldError(
                f"the world calls a site or plate {sorted(map(str, taken))[0]!r}, a name that the "
                "result needs for itself: rename it."
            )
        if set("[]/\\") & set(name) or name.startswith("."):
            raise WorldError(
                f"the world calls a site {name!r}; expected a name without '[', ']', '/' and "
                "'\\', and no dot at its beginning: labels and files use these. A vector gets its "
                "labels by dims=."
            )


def match_evidence(whole: Anatomy, evidence: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Hold evidence against the sites it names: name, shape, finiteness, support.

    Returns
    -------
    dict
        Site name -> tensor of the site's own shape and dtype.
    """
    if not isinstance(evidence, Mapping) and not hasattr(evidence, "items"):
        raise EvidenceError(
            f"got evidence of type {type(evidence).__name__}; expected a dict, "
            "site name -> observed values."
        )
    sampled = {n: s for n, s in whole.sites.items() if not s.computed}
    found = {}
    for name, value in evidence.items():
        if name in whole.data:
            raise EvidenceError(
                f"the evidence names {name!r}, which the world itself observes (obs=, or "
                "poutine.condition); give it in one place."
            )
        if name == whole.switch:
            raise EvidenceError(
                f"the evidence names the switch {name!r}; inference sets it itself, to 1 for each "
                "disciple and to 0 for the erased world: leave it out."
            )
        if name in whole.sites and name not in sampled:
            raise EvidenceError(
                f"the evidence names {name!r}, which is computed, not sampled; evidence speaks of "
                f"sample sites. {nearest('', sampled)}"
            )
        if name not in sampled:
            raise EvidenceError(
                f"the evidence names {name!r}, which is no site of the world. "
                + nearest(str(name), sampled)
            )
        found[str(name)] = _matched(str(name), value, sampled[name])
    return found


def _matched(name: str, value: Any, site: Site) -> torch.Tensor:
    if np.ma.is_masked(value):
        raise EvidenceError(
            f"evidence {name!r} is masked in {np.ma.count_masked(value)} places; fill or model "
            "what is missing (poutine.mask, a latent site)."
        )
    try:
        tensor = value if isinstance(value, torch.Tensor) else torch.as_tensor(np.array(value))
    except (TypeError, ValueError) as error:
        raise EvidenceError(
            f"evidence {name!r} is a {type(value).__name__} that holds no numbers ({error})."
        ) from error
    shape = tuple(site.value.shape)
    if tuple(tensor.shape) != shape and tensor.numel() == 1 == site.value.numel():
        tensor = tensor.reshape(shape)
    if tuple(tensor.shape) != shape:
        plates = ", ".join(f"{d or '?'}={n}" for d, n in zip(site.dims, shape, strict=True))
        raise EvidenceError(
            f"evidence {name!r} has shape {tuple(tensor.shape)}; expected {shape}"
            + (f" ({plates})." if plates else ", a single number.")
        )
    if tensor.is_floating_point() and not tensor.isfinite().all():
        bad = int((~tensor.isfinite()).sum())
        raise EvidenceError(
            f"evidence {name!r} is not finite in {bad} of {tensor.numel()} places, first at index "
            f"{_first(~tensor.isfinite())}; fill or model what is missing (poutine.mask, a latent "
            "site)."
        )
    own = tensor.detach().to(site.value).clone()
    if not torch.allclose(own.double(), tensor.detach().double().to(own.device), rtol=1e-5):
        raise EvidenceError(
            f"evidence {name!r} holds numbers that its site, of {site.value.dtype}, cannot: "
            f"{tensor.flatten()[:3].tolist()} would become {own.flatten()[:3].tolist()}."
        )
    tensor = own
    support = getattr(site.fn, "support", None)
    fits = torch.as_tensor(True) if support is None else support.check(tensor)
    if not fits.all():
        index = _first(~fits)
        worst = tensor[tuple(index)] if tensor.ndim else tensor
        raise EvidenceError(
            f"evidence {name!r} is outside the support of its site, {support}, in "
            f"{int((~fits).sum())} of {fits.numel()} places: {worst.tolist()} at index {index}."
        )
    return tensor


def _first(bad: torch.Tensor) -> list[int]:
    return bad.nonzero()[0].tolist() if bad.ndim else []


def _innermost(world: Callable[..., Any]) -> Callable[..., Any]:
    return _innermost(world.func) if isinstance(world, partial) else inspect.unwrap(world)


def world_name(world: Callable[..., Any]) -> str:
    """Name of the function a world was written as."""
    return getattr(_innermost(world), "__name__", type(world).__name__)


def world_hash(world: Callable[..., Any]) -> str:
    """Sixteen hexadecimal digits of a world's source and bound arguments, to tell it by."""
    digest = hashlib.sha256()
    while isinstance(world, partial):
        digest.update(_fingerprint([list(world.args), sorted(world.keywords.items())]))
        world = world.func
    inner = inspect.unwrap(world)
    try:
        text = inspect.getsource(inner)
    except (OSError, TypeError):
        text = repr(getattr(getattr(inner, "__code__", None), "co_code", type(inner)))
    digest.update(text.encode())
    if is_dataclass(inner):  # a policy with numbers in it: its class is not all there is to it
        digest.update(_fingerprint(inner))
    return digest.hexdigest()[:16]


def _fingerprint(value: Any) -> bytes:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return str((value.shape, value.dtype)).encode() + value.tobytes()
    if is_dataclass(value) and not isinstance(value, type):
        value = [(f.name, getattr(value, f.name)) for f in fields(value)]
    if isinstance(value, list | tuple):
        return b"(" + b",".join(map(_fingerprint, value)) + b")"
    if isinstance(value, Mapping):
        return _fingerprint(list(value.items()))
    plain = isinstance(value, str | int | float | bool | None)
    return repr(value if plain else type(value).__qualname__).encode()
