r"""Runs a world forward for many draws: all at once where that is right, else one by one.

At once means under an outer plate over draws. A program written for one draw can broadcast
silently there, (N, 1) + (N,) = (N, N), or let draws see each other, ``y - y.mean()``. So every
block run under the plate has to reproduce some of its own draws run singly, with the same values
pinned: what is computed, and the log-probability of what is sampled. Random numbers come in
blocks of a size that the world alone decides, a seed for each site and block: the same whatever
else is asked for.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any

import pyro
import torch
from pyro import poutine

from counterfactual_models.anatomy import Anatomy, Site, is_site, role_of, translated
from counterfactual_models.errors import WorldError
from counterfactual_models.handlers import Pin, SeedSites, derive_seed, isolated
from inference.mixing import FEWEST, DrawsMixed, Watch

__all__ = ["Draws", "Program", "block_size", "simulate"]

logger = logging.getLogger(__name__)

_PLATE = "_draws"
_NUMBERS_PER_BLOCK = 2_000_000  # some megabytes: beyond that the cost is page faults
_LARGEST_BLOCK = 4096
_CHECKED_FIRST, _CHECKED = 4, 2  # draws that the first block, and each other, must reproduce


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


class _NotVectorisable(Exception):
    """A batch of draws gives something else than single draws do."""


def block_size(anatomy: Anatomy, *, scored: bool) -> int:
    """Draws in a block: a power of two that keeps a block to about two million numbers.

    Decided by the erased world alone, so that neither the disciples nor the machine change the
    random numbers. `scored` says whether densities of the evidence are asked for.
    """
    fit = max(1, _NUMBERS_PER_BLOCK // anatomy.numbers(scored=scored))
    return min(_LARGEST_BLOCK, 1 << (fit.bit_length() - 1))


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
    program
        What to run.
    pins
        Site name -> values, first axis = draws; all other sites are sampled.
    draws
        How many.
    key
        What the random numbers are derived from, beside each site's name and the block.
    record, score
        Sites whose values, and evidence sites whose log-probabilities, are returned.
    size
        Draws in a block, copies counted.
    copies
        Runs of each draw, neighbours in what is returned.
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
    told = watch or (lambda done: None)
    step = max(1, size // copies)
    done, why = 0, ""
    parts: list[Draws] = []
    while done < draws:
        count = min(step, draws - done)
        block = {n: v[done : done + count].repeat_interleave(copies, 0) for n, v in pins.items()}
        job = _Block(program, block, count * copies, (*key, done // step), record, score)
        try:
            part = job.one_by_one() if why else job.at_once(first=not done)
        except _NotVectorisable as error:
            why = str(error)
            logger.info("%s: one run per draw, because %s", program.what, why)
            told(-done)
            done = 0
            parts.clear()
            continue
        _refuse_non_finite(program, part, done, copies)
        parts.append(part)
        done += count
        told(count)
    return Draws(
        {name: torch.cat([part.values[name] for part in parts]) for name in record},
        {name: torch.cat([part.log_prob[name] for part in parts]) for name in score},
        f"loop: {why}" if why else "plate",
    )


@dataclass(frozen=True)
class _Block:
    """A block of draws, and the two ways to run it."""

    program: Program
    pins: Mapping[str, torch.Tensor]
    draws: int
    key: Sequence[Any]
    record: Sequence[str]
    score: Sequence[str]

    def one_by_one(self) -> Draws:
        """Run each draw by itself."""
        with translated(self.program.what):
            return self._single(self.pins, self.draws, self.record, self.score)

    def at_once(self, *, first: bool) -> Draws:
        """Run all draws under a plate, and hold some of them against single runs."""
        checked = _CHECKED_FIRST if first else _CHECKED
        sites = self.program.anatomy.sites
        drawn = [n for n, s in sites.items() if not s.observed and n not in self.program.evidence]
        computed = [n for n, s in sites.items() if s.computed]
        density = [*(n for n in drawn if n not in self.pins), *self.score]
        watched = first and self.draws >= FEWEST
        try:
            with Watch(self.draws) if watched else nullcontext():
                batch = self._batch([*drawn, *computed], density)
        except _NotVectorisable:
            raise
        except DrawsMixed as error:
            raise _NotVectorisable(str(error)) from error
        except Exception as error:  # whatever the program says to a batch, single draws decide
            text = " ".join(str(error).split())[:160]
            raise _NotVectorisable(f"{type(error).__name__}: {text}") from error
        few = torch.linspace(0, self.draws - 1, min(checked, self.draws)).long().unique()
        pins = {name: batch.values[name][few] for name in drawn}
        # What is not valid was refused for the batch: the same values need no second look.
        with translated(self.program.what), pyro.validation_enabled(False):
            single = self._single(pins, len(few), computed, density)
        for name in computed:
            if not _same(batch.values[name], few, single.values[name]):
                raise _NotVectorisable(f"{name!r} comes out differently for a batch of draws")
        for name in density:
            if not _same(batch.log_prob[name], few, single.log_prob[name]):
                raise _NotVectorisable(f"{name!r} has another density for a batch of draws")
        return Draws(
            {name: batch.values[name] for name in self.record},
            {name: batch.log_prob[name] for name in self.score},
        )

    def _batch(self, record: Sequence[str], score: Sequence[str]) -> Draws:
        sites, nesting = self.program.anatomy.sites, self.program.anatomy.nesting
        wide = {name: _spread(value, sites[name], nesting) for name, value in self.pins.items()}
        plate = pyro.plate(_PLATE, self.draws, dim=-1 - nesting)
        trace = _trace(self.program, wide, self.key, [*record, *score], score, plate)
        values = {
            name: _narrowed(trace.nodes[name]["value"], sites[name], nesting, self.draws)
            for name in record
        }
        log_prob = {}
        for name in score:
            own = tuple(sites[name].value.shape[: sites[name].batch_ndim])
            shape = (self.draws, *_ones(nesting - len(own)), *own)
            log_prob[name] = _expanded(trace.nodes[name]["log_prob"], shape, name)
            log_prob[name] = log_prob[name].reshape(self.draws, *own)
        return Draws(values, log_prob)

    def _single(
        self,
        pins: Mapping[str, torch.Tensor],
        count: int,
        record: Sequence[str],
        score: Sequence[str],
    ) -> Draws:
        values: dict[str, list[torch.Tensor]] = {name: [] for name in record}
        log_prob: dict[str, list[torch.Tensor]] = {name: [] for name in score}
        for i in range(count):
            one = {name: value[i] for name, value in pins.items()}
            key = (*self.key, "draw", i)
            trace = _trace(self.program, one, key, [*record, *score], score)
            for name in record:
                value = torch.as_tensor(trace.nodes[name]["value"]).detach()
                expected = self.program.anatomy.sites[name].value.shape
                if value.shape != expected:
                    raise WorldError(
                        f"{self.program.what}: {name!r} has shape {tuple(value.shape)} in one "
                        f"draw and {tuple(expected)} in another; expected the same in every draw."
                    )
                values[name].append(value)
            for name in score:
                log_prob[name].append(trace.nodes[name]["log_prob"].detach())
        return Draws(
            {name: torch.stack(rows) for name, rows in values.items()},
            {name: torch.stack(rows) for name, rows in log_prob.items()},
        )


def _trace(
    program: Program,
    pins: Mapping[str, torch.Tensor],
    key: Sequence[Any],
    wanted: Sequence[str],
    score: Sequence[str],
    plate: Any = None,
) -> poutine.Trace:
    with ExitStack() as stack:
        stack.enter_context(isolated(derive_seed(*key)))
        stack.enter_context(torch.no_grad())
        tracer = stack.enter_context(poutine.trace())
        if plate is not None:
            stack.enter_context(plate)
        stack.enter_context(SeedSites(*key))
        stack.enter_context(poutine.condition(data=dict(program.evidence)))
        stack.enter_context(Pin(pins))
        program.call()
        _refuse_other_sites(program, tracer.trace, wanted)
        tracer.trace.compute_log_prob(lambda name, site: name in score)
        return tracer.trace


def _refuse_other_sites(program: Program, trace: poutine.Trace, wanted: Sequence[str]) -> None:
    """Refuse a site that one draw has and another has not, where it would be missed."""
    sites = program.anatomy.sites
    changed = [name for name in wanted if name not in trace.nodes]
    for name, node in trace.nodes.items():
        if is_site(node) and name not in sites and role_of(node) != "switch":
            changed += [name] if node["is_observed"] else []
    if changed:
        raise WorldError(
            f"{program.what}: {changed[0]!r} is there in one draw and not in another; "
            "expected the same sites in every draw (torch.where instead of leaving one out)."
        )


def _same(batch: torch.Tensor, few: torch.Tensor, single: torch.Tensor) -> bool:
    """Hold draws of a batch against single runs, by the spread that the batch itself shows.

    Rounding moves a value by an ulp or by a small part of its spread; a batch whose draws see
    each other moves it by about the spread.
    """
    part = batch[few]
    if part.shape != single.shape:
        return False
    if not part.is_floating_point():
        return torch.equal(part, single)
    some = batch[torch.linspace(0, len(batch) - 1, min(len(batch), 64)).long()].double()
    spread = some.std(0, correction=0).nan_to_num(0.0, 0.0, 0.0)
    ulps = 4 * torch.finfo(part.dtype).eps * single.double().abs()
    near = (part.double() - single.double()).abs() <= 1e-3 * spread + ulps
    return bool((near | (part == single) | (part.isnan() & single.isnan())).all())


def _ones(count: int) -> tuple[int, ...]:
    return (1,) * max(0, count)


def _spread(value: torch.Tensor, site: Site, nesting: int) -> torch.Tensor:
    """Put draws (first axis) to the left of all plates."""
    return value.reshape(len(value), *_ones(nesting - site.batch_ndim), *value.shape[1:])


def _narrowed(value: Any, site: Site, nesting: int, draws: int) -> torch.Tensor:
    """Bring a value of a batch of draws to (draws, own shape), or refuse it."""
    value = torch.as_tensor(value)
    own = tuple(site.value.shape)
    if not site.computed:
        return _expanded(
            value, (draws, *_ones(nesting - site.batch_ndim), *own), site.name
        ).reshape(draws, *own)
    rest = tuple(value.shape[1:])
    while len(rest) > len(own) and rest[0] == 1:
        rest = rest[1:]
    if value.ndim and len(value) == draws and rest == own:
        return value.reshape(draws, *own)
    if value.ndim <= len(own) or len(value) == 1:  # the same for every draw, unless checks object
        return _expanded(value.reshape(value.shape[-len(own) :] if own else ()), own, site.name)[
            None
        ].expand(draws, *own)
    raise _NotVectorisable(
        f"{site.name!r} has shape {tuple(value.shape)} for a batch of {draws} draws and {own} "
        "for one"
    )


def _expanded(value: torch.Tensor, shape: tuple[int, ...], name: str) -> torch.Tensor:
    try:
        return value.expand(shape)
    except RuntimeError:
        raise _NotVectorisable(
            f"{name!r} has shape {tuple(value.shape)} for a batch of draws, not {shape}"
        ) from None


def _refuse_non_finite(program: Program, drawn: Draws, first: int, copies: int) -> None:
    for name, value in drawn.values.items():
        bad = ~value.isfinite() if value.is_floating_point() else torch.zeros(())
        if bad.any():
            where = bad.nonzero()[0].tolist()
            found, draw = value[tuple(where)].item(), first + where[0] // copies
            raise WorldError(
                f"{program.what}: {name!r} is {found} in draw {draw} "
                f"({int(bad.sum())} of {bad.numel()} values are not finite)."
            )
    for name, value in drawn.log_prob.items():
        bad = value.isnan() | (value == torch.inf)
        if bad.any():
            draw = first + int(bad.nonzero()[0][0]) // copies
            raise WorldError(
                f"{program.what}: the log-probability of {name!r} is {value[bad][0].item()} in "
                f"draw {draw}; check the parameters of its distribution."
            )
