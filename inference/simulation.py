r"""Runs a world forward for many draws: all at once where that is right, else one by one.

At once means under an outer plate over draws. A program written for one draw can broadcast
silently there, (N, 1) + (N,) = (N, N), or let draws see each other, ``y - y.mean()``. So every
block run under the plate is held against single draws with the same values pinned. Random numbers
come in blocks of a size that the world alone decides, a seed for each site and block: the same
whatever else is asked for.
"""

import gc
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from counterfactual_models.anatomy import Anatomy, translated
from counterfactual_models.deferred import Deferred
from counterfactual_models.errors import WorldError
from counterfactual_models.handlers import derive_seed, isolated
from inference.agreement import agrees_with_vmap, hold_some
from inference.batches import Block, NotVectorisable, run_abreast, run_singly
from inference.passes import Program

__all__ = [
    "Draws",
    "NotVectorisable",
    "Plan",
    "Program",
    "Way",
    "block_size",
    "keep_memory",
    "run_block",
    "simulate",
]

logger = logging.getLogger(__name__)

_NUMBERS_PER_SITE = 1 << 21  # some megabytes: beyond that the cost is page faults
_NUMBERS_PER_BLOCK = 1 << 24  # what a block holds in memory, some hundred megabytes at most
_KEPT = 31 << 20  # bytes; of larger pieces glibc learns nothing
_LARGEST_BLOCK = 1 << 14
_SQUARED = 1 << 27
_APART = 64
"""Draws after which vmap looks again."""

_Values = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Draws:
    """What came out, first axis = draws.

    Parameters
    ----------
    values
        Name -> values of what was asked for.
    log_prob
        Name -> log-probability, per datum, of the evidence asked for.
    how
        ``plate``, or ``loop: `` and why.
    """

    values: dict[str, torch.Tensor]
    log_prob: dict[str, torch.Tensor]
    how: str = "plate"


def block_size(anatomy: Anatomy, *, scored: bool) -> int:
    """Draws in a block: a power of two that keeps each site to two million numbers.

    Decided by the erased world alone, so that neither the disciples nor the machine change the
    random numbers. `scored` says whether densities of the evidence are asked for.
    """
    held = [s for s in anatomy.sites.values() if scored or not isinstance(s.fn, Deferred)]
    widest = max([1, *(site.value.numel() for site in held)])
    fit = min(_NUMBERS_PER_SITE // widest, _NUMBERS_PER_BLOCK // anatomy.numbers(scored=scored))
    return min(_LARGEST_BLOCK, 1 << (max(1, fit).bit_length() - 1))


@dataclass(frozen=True)
class Plan:
    """What is to be drawn of a program, and how it is cut into blocks.

    Parameters
    ----------
    program
        What to run.
    draws
        How many.
    key
        What the random numbers are derived from, beside each site's name and the block.
    record, score
        Sites whose values, and evidence sites whose log-probabilities, are wanted.
    size
        Draws in a block, copies counted.
    copies
        Runs of each draw, neighbours in what comes out.
    """

    program: Program
    draws: int
    key: Sequence[Any]
    record: Sequence[str]
    score: Sequence[str]
    size: int
    copies: int = 1

    @property
    def step(self) -> int:
        """Draws in a block, copies not counted."""
        return max(1, self.size // self.copies)

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return -(-self.draws // self.step)

    def rows(self, first: int, last: int) -> slice:
        """Draws of the blocks from `first` to before `last`."""
        return slice(first * self.step, min(last * self.step, self.draws))


@dataclass(frozen=True)
class Way:
    """How blocks are run: what the first one shows serves the others.

    Parameters
    ----------
    refused
        Why there is one run per draw; empty where a plate over draws serves.
    by_vmap
        Whether ``torch.vmap`` can tell that the plate lets draws alone.
    seen, watched
        Whether a block was run, and watched for calls that mix draws.
    """

    refused: str = ""
    by_vmap: bool = True
    seen: bool = False
    watched: bool = False

    def __str__(self) -> str:
        return f"loop: {self.refused}" if self.refused else "plate"


def run_block(
    plan: Plan,
    number: int,
    pins: Mapping[str, torch.Tensor],
    way: Way,
    noise: Mapping[str, torch.Tensor] | None = None,
    *,
    held: bool = True,
) -> tuple[Draws, Way]:
    """Draw one block: the same numbers wherever and whenever it is run.

    Parameters
    ----------
    plan, number
        Which block of what.
    pins
        Site name -> values, first axis = the draws of this block; all other sites are sampled.
    way
        How to run it.
    noise
        Site name -> standard normal numbers that its value is made of, one run per draw.
    held
        Hold the block against single draws, if its turn has come; the first is always held.

    Returns
    -------
    tuple of Draws and Way
        What came out, and how later blocks are to be run.

    Raises
    ------
    NotVectorisable
        If draws cannot be run at once: run every block again, by ``Way(refused=...)``.
    WorldError
        If a draw fails, has other sites or shapes than another, or gives what is not finite.
    """
    within = plan.rows(number, number + 1)
    given = {name: _copied(values, plan.copies) for name, values in pins.items()}
    rows = (within.stop - within.start) * plan.copies
    key = (*plan.key, number)
    block = Block(plan.program, given, rows, key, plan.record, plan.score, noise or {})
    with isolated(derive_seed(*plan.key)):
        values, log_prob, way = _run(
            block, way, held=held and number % max(1, _APART // rows) == 0
        )
    values = {name: values[name] for name in plan.record}
    _refuse_non_finite(plan.program, values, log_prob, within.start, plan.copies)
    return Draws(values, log_prob, str(way)), way


def simulate(
    program: Program,
    pins: Mapping[str, torch.Tensor],
    *,
    draws: int,
    key: Sequence[Any],
    record: Sequence[str],
    score: Sequence[str] = (),
    size: int,
    copies: int = 1,
    watch: Callable[[int], Any] | None = None,
) -> Draws:
    """Run a program for many draws, in blocks.

    Parameters
    ----------
    program, draws, key, record, score, size, copies
        As in :class:`Plan`.
    pins
        Site name -> values, first axis = draws; all other sites are sampled.
    watch
        Told how many draws are done.

    Returns
    -------
    Draws
        draws x copies of each.

    Raises
    ------
    WorldError
        If a draw fails, has other sites or shapes than another, or gives what is not finite.
    """
    plan = Plan(program, draws, key, record, score, size, copies)
    told = watch or (lambda done: None)
    values, log_prob = _Rows(draws * copies), _Rows(draws * copies)
    keep_memory()
    number, way = 0, Way()
    while number < plan.blocks:
        rows = plan.rows(number, number + 1)
        try:
            found, way = run_block(plan, number, {n: v[rows] for n, v in pins.items()}, way)
        except NotVectorisable as error:
            way = Way(refused=str(error))
            logger.info("%s: one run per draw, because %s", program.what, error)
            told(-rows.start)
            number = 0
            continue
        values.put(rows.start * copies, found.values)
        log_prob.put(rows.start * copies, found.log_prob)
        number += 1
        told(rows.stop - rows.start)
    return Draws(values.rows, log_prob.rows, str(way))


def _run(block: Block, way: Way, *, held: bool) -> tuple[_Values, _Values, Way]:
    """Run a block. Small ones need not all be held against single draws, if vmap can tell.

    What vmap has run once takes no branch on a value: it has but one way to go.
    """
    if way.refused:
        with translated(block.program.what):
            return *run_singly(block, block.pins, block.draws, block.record, block.score), way
    if not way.seen:
        _try_a_few(block)
    with _no_collection():
        batch = run_abreast(block)
        by_vmap = way.by_vmap
        if by_vmap and (held or not way.seen):
            by_vmap = agrees_with_vmap(block, batch, first=not way.seen)
    if not by_vmap:
        hold_some(block, batch, first=not way.watched)
    return batch.values, batch.log_prob, Way("", by_vmap, True, way.watched or not by_vmap)


def _try_a_few(block: Block) -> None:
    """Run three draws at once, where (draws, draws, ...) would fill the memory."""
    widest = max([1, *(s.value.numel() for s in block.program.anatomy.sites.values())])
    if block.draws**2 * widest > _SQUARED:
        pins, noise = (
            {name: values[:3] for name, values in given.items()}
            for given in (block.pins, block.noise)
        )
        run_abreast(replace(block, pins=pins, noise=noise, draws=3))


class _Rows:
    """Blocks of draws written one below the other."""

    def __init__(self, draws: int) -> None:
        self.draws, self.rows = draws, _Values()

    def put(self, first: int, block: _Values) -> None:
        for name, values in block.items():
            if len(values) == self.draws:
                self.rows[name] = values.contiguous()
                continue
            if first == 0:
                self.rows[name] = _empty((self.draws, *values.shape[1:]), values)
            self.rows[name][first : first + len(values)] = values


def _empty(shape: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    """Allocate by NumPy, which asks for huge pages: small ones would cost a third of the time."""
    if like.device.type != "cpu":
        return like.new_empty(shape)
    raw = np.empty(math.prod(shape) * like.element_size(), np.uint8)
    return torch.from_numpy(raw).view(like.dtype).view(shape)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Put off Python's search for circular garbage: a thousand sites would set one off each time.

    It looks at every object of every library, and takes as long as the sites do.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def keep_memory() -> None:
    """Let glibc keep what is freed: it gives back all beyond twice the largest piece freed so far.

    What one block frees the next would have to get back, page by page.
    """
    torch.empty(_KEPT, dtype=torch.uint8)


def _copied(values: torch.Tensor, copies: int) -> torch.Tensor:
    return values if copies == 1 else values.repeat_interleave(copies, 0)


def _refuse_non_finite(
    program: Program, values: _Values, log_prob: _Values, first: int, copies: int
) -> None:
    every = [
        value for value in (*values.values(), *log_prob.values()) if value.dtype.is_floating_point
    ]
    if math.isfinite(sum(float(value.sum()) for value in every)):
        return
    for name, value in values.items():
        bad = ~value.isfinite()
        if bad.any():
            where = bad.nonzero()[0].tolist()
            found, draw = value[tuple(where)].item(), first + where[0] // copies
            raise WorldError(
                f"{program.what}: {name!r} is {found} in draw {draw} "
                f"({int(bad.sum())} of {bad.numel()} values are not finite)."
            )
    for name, value in log_prob.items():
        bad = value.isnan() | (value == torch.inf)
        if bad.any():
            draw = first + int(bad.nonzero()[0][0]) // copies
            raise WorldError(
                f"{program.what}: the log-probability of {name!r} is {value[bad][0].item()} in "
                f"draw {draw}; check the parameters of its distribution."
            )
