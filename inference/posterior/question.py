"""What is asked: the past of a world given the evidence, checked before anything is sampled."""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
        The past as a closed program, with its evidence.
    whole
        Anatomy of the erased world, past and future.
    later
        Evidence about sites after the switch: it gives each (S, X) a posterior of its own.
    name, hash
        Of the world.
    """

    program: Program
    whole: Anatomy
    later: Mapping[str, torch.Tensor]
    name: str
    hash: str

    @property
    def latents(self) -> dict[str, Site]:
        """Sites of the past that the evidence leaves open."""
        known = self.program.evidence
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
    for name, site in whole.sites.items():
        taken = {name, *site.dims} & set(schema.RESERVED)
        if taken:
            raise WorldError(
                f"the world calls a site or plate {sorted(map(str, taken))[0]!r}, a name that the "
                "result needs for itself: rename it."
            )
    given = match_evidence(whole, evidence or {})
    known = {**whole.data, **given}
    early = {name: value for name, value in known.items() if name not in whole.future}
    later = {name: value for name, value in known.items() if name in whole.future}
    before = {name: site for name, site in whole.sites.items() if name not in whole.future}
    anatomy = Anatomy(before, None, whole.nesting)
    program = Program(past(world, erased), anatomy, early, "the past of the world")
    return Question(program, whole, later, world_name(world), world_hash(world))


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
    tensor = tensor.detach().to(site.value.dtype).to(site.value.device)
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
    """Sixteen hexadecimal digits of the world's source, to tell a changed world by."""
    inner = _innermost(world)
    try:
        text = inspect.getsource(inner)
    except (OSError, TypeError):
        text = repr(getattr(getattr(inner, "__code__", None), "co_code", inner))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
