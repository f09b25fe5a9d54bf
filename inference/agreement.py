"""Does a batch of draws give what each of its draws gives by itself?

With everything random pinned to what the batch drew, a program is a plain function of one draw.
``torch.vmap`` runs that function for many draws in a single pass, each seeing shapes of its own
and none of the others; a branch on a value is refused. What is computed has to come out as in the
batch, and so have the parts of the distributions that were drawn from: for up to 4096 draws of
the first block, for 64 of each other. Where vmap cannot tell, the program is watched for calls
that mix draws, and a few draws of each block are run for real.
"""

import logging
import warnings
from collections.abc import Mapping
from typing import Any

import pyro
import torch

from counterfactual_models.anatomy import translated
from inference.batches import Batch, Block, NotVectorisable, run_abreast, run_singly, score_sites
from inference.mixing import FEWEST, Watch
from inference.passes import run_once

__all__ = ["agrees_with_vmap", "hold_some"]

logger = logging.getLogger(__name__)

_BY_VMAP_FIRST, _BY_VMAP = 4096, 64  # draws of the first block, and of each other, held by vmap
_RUN_FIRST, _RUN = 4, 2  # draws that are run for real, where vmap cannot tell
_SPREAD_OF = 64  # draws that tell the spread of a value
_SMALL = 4096


def agrees_with_vmap(block: Block, batch: Batch, *, first: bool) -> bool:
    """Hold draws of a batch against what the program makes of each of them alone.

    Parameters
    ----------
    block, batch
        What was run, and what came out.
    first
        Whether it is the first block: then thousands of draws are held so, else some dozens.

    Returns
    -------
    bool
        Whether they agree. False says little: the program may do what ``torch.vmap`` cannot, or
        rounding may make the difference.
    """
    parts = [batch.happened.parts[name] for name in block.density]
    here = [batch.values[name] for name in block.computed]
    for each in parts:
        if each is None:
            return False
        here += each.tensors
    rows = slice(None, None, -(-block.draws // (_BY_VMAP_FIRST if first else _BY_VMAP)))
    pins = {name: batch.values[name][rows] for name in block.drawn}
    pins[""] = torch.zeros(block.draws)[rows]  # vmap wants something to go over
    alone = _Alone(block, [each.form for each in parts if each])
    try:
        with (
            warnings.catch_warnings(action="ignore"),  # about what vmap is slow at
            pyro.validation_enabled(False),  # the same values were valid in the batch
        ):
            there = torch.vmap(alone)(pins)
    except Exception as error:
        logger.debug("%s: vmap cannot tell: %s", block.program.what, error)
        return False
    return all(_same(mine, single, rows) for mine, single in zip(here, there, strict=True))


def hold_some(block: Block, batch: Batch, *, first: bool) -> None:
    """Watch the program, and hold some draws of a batch against runs of those draws.

    Parameters
    ----------
    block, batch
        What was run, and what came out.
    first
        Whether it is the first block that is held so: only then is the program watched.

    Raises
    ------
    NotVectorisable
        If draws see each other, or come out differently.
    WorldError
        If a draw that is run by itself fails.
    """
    if first and block.draws >= FEWEST:
        with Watch(block.draws):
            run_abreast(block)
    checked = _RUN_FIRST if first else _RUN
    few = torch.linspace(0, block.draws - 1, min(checked, block.draws)).long().unique()
    pins = {name: batch.values[name][few] for name in block.drawn}
    density = score_sites(block, batch.happened, block.density)
    with translated(block.program.what), pyro.validation_enabled(False):
        values, log_prob = run_singly(block, pins, len(few), block.computed, block.density)
    for name in block.computed:
        if not _same(batch.values[name], values[name], few):
            raise NotVectorisable(f"{name!r} comes out differently for a batch of draws")
    for name in block.density:
        if not _same(density[name], log_prob[name], few):
            raise NotVectorisable(f"{name!r} has another density for a batch of draws")


class _Alone:
    """The program as a function of one draw: what it computes, and what it would draw from."""

    def __init__(self, block: Block, forms: list[list[Any]]) -> None:
        self.block, self.forms = block, forms

    def __call__(self, pins: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
        block, program = self.block, self.block.program
        names = [*block.computed, *block.density]
        happened = run_once(program, pins, block.key, wanted=names, compared=block.density)
        found = [torch.as_tensor(happened.sites[name]["value"]) for name in block.computed]
        for name, value in zip(block.computed, found, strict=True):
            if value.shape != program.anatomy.sites[name].value.shape:
                raise NotVectorisable(f"{name!r} has another shape")
        for name, form in zip(block.density, self.forms, strict=True):
            parts = happened.parts[name]
            if parts is None or parts.form != form:
                raise NotVectorisable(f"the distribution of {name!r} cannot be compared")
            found += parts.tensors
        return found


def _same(batch: torch.Tensor, single: torch.Tensor, rows: slice | torch.Tensor) -> bool:
    """Hold draws of a batch against single ones, by the spread that the batch itself shows.

    Rounding moves a value by an ulp or by a small part of its spread; a batch whose draws see
    each other moves it by about the spread.
    """
    if batch.dtype != single.dtype:
        return False
    if batch.ndim < single.ndim:  # no axis of draws: the same for all
        part = batch = batch[None]
    else:
        part = batch if len(batch) == 1 else batch[rows]
        plates = (1,) * (batch.ndim - single.ndim)
        single = single.reshape(len(single), *plates, *single.shape[1:]) if plates else single
    if part.numel() > _SMALL:
        part, single = _thin(part), _thin(single)
    if part.shape == single.shape and torch.equal(part, single):
        return True
    try:
        part, single = torch.broadcast_tensors(part, single)
    except RuntimeError:
        return False
    if not part.is_floating_point():
        return torch.equal(part, single)
    some = batch[:: max(1, len(batch) // _SPREAD_OF)].double()
    if not some.numel():  # the log factor of pyro.factor has an empty value
        return True
    spread = some.std(0, correction=0).nan_to_num(0.0, 0.0, 0.0)
    ulps = 4 * torch.finfo(part.dtype).eps * single.double().abs()
    near = (part.double() - single.double()).abs() <= 1e-3 * spread + ulps
    return bool((near | (part == single) | (part.isnan() & single.isnan())).all())


def _thin(value: torch.Tensor) -> torch.Tensor:
    """Drop the copies that ``expand`` made: a scale of 1.0 for every draw is one number."""
    return value[tuple(slice(0, 1) if step == 0 else slice(None) for step in value.stride())]
