r"""Runs a world forward for many draws: all at once where that is right, else one by one.

At once means under an outer plate over draws. A program written for one draw can broadcast
silently there, (N, 1) + (N,) = (N, N), so the plate is trusted only after it has reproduced runs
of single draws: the values of what is computed, the log-probabilities of what is sampled.
Random numbers come in blocks of a size that the world alone decides, a seed for each site and
block: the same whatever else is asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pyro
import torch
from pyro import poutine

from counterfactual_models.anatomy import Anatomy, Site, translated
from counterfactual_models.errors import CounterfactualError, WorldError
from counterfactual_models.handlers import Pin, SeedSites, derive_seed, isolated

__all__ = ["Draws", "Program", "block_size", "run", "trusted"]

_PLATE = "_draws"
_NUMBERS_PER_BLOCK = 2_000_000  # a few megabytes: beyond that the cost is page faults
_LARGEST_BLOCK = 4096
_CHECKED = 4  # draws that the plate has to reproduce


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
    """What came out of a block of draws, first axis = draws.

    Parameters
    ----------
    values
        Name -> values of what was asked for.
    log_prob
        Name -> log-probability of the evidence, per datum.
    """

    values: dict[str, torch.Tensor]
    log_prob: dict[str, torch.Tensor]


class _NotVectorisable(Exception):
    """The plate gave another shape than single draws do."""


def block_size(anatomy: Anatomy, *, scored: bool) -> int:
    """Draws in a block: a power of two that keeps a block to about two million numbers.

    Decided by the erased world alone, so that neither the disciples nor the machine change the
    random numbers. `scored` says whether densities of the evidence are asked for.
    """
    fit = max(1, _NUMBERS_PER_BLOCK // anatomy.numbers(scored=scored))
    return min(_LARGEST_BLOCK, 1 << (fit.bit_length() - 1))


def run(
    program: Program,
    pins: Mapping[str, torch.Tensor],
    *,
    draws: int,
    key: Sequence[Any],
    record: Sequence[str],
    score: Sequence[str] = (),
    plate: bool,
    first: int = 0,
) -> Draws:
    """Run a block of draws.

    Parameters
    ----------
    program
        What to run.
    pins
        Site name -> values, first axis = draws; all other sites are sampled.
    draws
        How many.
    key
        What the random numbers are derived from, beside each site's name.
    record, score
        Sites whose values, and evidence sites whose log-probabilities, are returned.
    plate
        Whether to run them at once (see :func:`trusted`).
    first
        Number of the block's first draw, for messages.

    Returns
    -------
    Draws

    Raises
    ------
    WorldError
        If a draw fails, has other sites or shapes than the first, or gives what is not finite.
    """
    with translated(program.what):
        if plate:
            drawn = _together(program, pins, draws, key, record, score)
        else:
            drawn = _one_by_one(program, pins, draws, key, record, score)
    _refuse_non_finite(program, drawn, first)
    return drawn


def trusted(
    program: Program,
    pins: Mapping[str, torch.Tensor],
    *,
    draws: int,
    key: Sequence[Any],
) -> tuple[bool, str]:
    """Find out whether the plate over draws reproduces runs of single draws.

    Returns
    -------
    tuple of bool and str
        Whether it does, and why not.
    """
    few = torch.linspace(0, draws - 1, min(draws, _CHECKED)).long().unique()
    if len(few) < 2:
        return False, "there is one draw"
    pins = {name: value[few] for name, value in pins.items()}
    sites = program.anatomy.sites
    computed = [n for n, s in sites.items() if s.computed]
    sampled = [n for n, s in sites.items() if not s.observed and n not in program.evidence]
    names, score = [*sampled, *computed], [*sampled, *program.evidence]
    key = [*key, "trust"]
    try:
        at_once = _together(program, pins, len(few), key, names, score)
    except _NotVectorisable as error:
        return False, str(error)
    except CounterfactualError:
        raise
    except Exception as error:  # whatever the program says to a batch, one draw at a time decides
        return False, f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    fixed = {n: v for n, v in at_once.values.items() if n in sampled}
    # What is not valid was refused for the batch: the same values need no second look.
    with translated(program.what), pyro.validation_enabled(False):
        single = _one_by_one(program, fixed, len(few), key, names, score)
    for name in computed:
        if not _same(at_once.values[name], single.values[name]):
            return False, f"{name!r} comes out differently for a batch of draws"
    for name, log_prob in single.log_prob.items():
        if not _same(at_once.log_prob[name], log_prob):
            return False, f"the density of {name!r} comes out differently for a batch of draws"
    return True, ""


def _same(left: torch.Tensor, right: torch.Tensor) -> bool:
    if left.shape != right.shape:
        return False
    left, right = left.double(), right.double()
    finite = right[right.isfinite()]
    scale = finite.abs().max().item() if finite.numel() else 1.0
    return torch.allclose(left, right, rtol=1e-4, atol=1e-5 * scale + 1e-12, equal_nan=True)


def _together(
    program: Program,
    pins: Mapping[str, torch.Tensor],
    draws: int,
    key: Sequence[Any],
    record: Sequence[str],
    score: Sequence[str],
) -> Draws:
    sites, nesting = program.anatomy.sites, program.anatomy.nesting
    wide = {name: _spread(value, sites[name], nesting) for name, value in pins.items()}
    plate = pyro.plate(_PLATE, draws, dim=-1 - nesting)
    trace = _trace(program, wide, key, score, plate=plate)
    values = {
        name: _narrowed(trace.nodes[name]["value"], sites[name], nesting, draws)
        for name in _present(program, trace, record)
    }
    log_prob = {}
    for name in _present(program, trace, score):
        found = trace.nodes[name]["log_prob"]
        batch = tuple(sites[name].value.shape[: sites[name].batch_ndim])
        log_prob[name] = _reshaped(found, (draws, *_ones(nesting - len(batch)), *batch), name)
        log_prob[name] = log_prob[name].reshape(draws, *batch)
    return Draws(values, log_prob)


def _one_by_one(
    program: Program,
    pins: Mapping[str, torch.Tensor],
    draws: int,
    key: Sequence[Any],
    record: Sequence[str],
    score: Sequence[str],
) -> Draws:
    values: dict[str, list[torch.Tensor]] = {name: [] for name in record}
    log_prob: dict[str, list[torch.Tensor]] = {name: [] for name in score}
    for i in range(draws):
        one = {name: value[i] for name, value in pins.items()}
        trace = _trace(program, one, [*key, "draw", i], score)
        for name in _present(program, trace, record):
            value = torch.as_tensor(trace.nodes[name]["value"]).detach()
            expected = program.anatomy.sites[name].value.shape
            if value.shape != expected:
                raise WorldError(
                    f"{program.what}: {name!r} has shape {tuple(value.shape)} in draw {i} and "
                    f"{tuple(expected)} in another; expected the same shape in every draw."
                )
            values[name].append(value)
        for name in _present(program, trace, score):
            log_prob[name].append(trace.nodes[name]["log_prob"].detach())
    return Draws(
        {name: torch.stack(rows) for name, rows in values.items()},
        {name: torch.stack(rows) for name, rows in log_prob.items()},
    )


def _trace(
    program: Program,
    pins: Mapping[str, torch.Tensor],
    key: Sequence[Any],
    score: Sequence[str],
    *,
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
        tracer.trace.compute_log_prob(lambda name, site: name in score)
        return tracer.trace


def _present(program: Program, trace: poutine.Trace, names: Sequence[str]) -> Sequence[str]:
    absent = [name for name in names if name not in trace.nodes]
    if absent:
        raise WorldError(
            f"{program.what}: site {absent[0]!r} is there in one draw and not in another; "
            "expected the same sites in every draw (use torch.where instead of leaving one out)."
        )
    return names


def _ones(count: int) -> tuple[int, ...]:
    return (1,) * max(0, count)


def _spread(value: torch.Tensor, site: Site, nesting: int) -> torch.Tensor:
    """Put draws (first axis) to the left of all plates."""
    return value.reshape(len(value), *_ones(nesting - site.batch_ndim), *value.shape[1:])


def _narrowed(value: Any, site: Site, nesting: int, draws: int) -> torch.Tensor:
    """Bring a value of a batch of draws to (draws, own shape), or refuse it."""
    value = torch.as_tensor(value)
    own = tuple(site.value.shape)
    events = [len(own) - site.batch_ndim]
    if site.computed:
        events = list(range(len(own) + 1))
    shapes = [(draws, *_ones(nesting - len(own) + e), *own) for e in events]
    if tuple(value.shape) in shapes:
        return value.reshape(draws, *own)
    for shape in shapes:
        if value.ndim <= len(shape) and all(
            a in (1, b) for a, b in zip(value.shape[::-1], shape[::-1], strict=False)
        ):
            return value.expand(shape).reshape(draws, *own)
    raise _NotVectorisable(
        f"{site.name!r} has shape {tuple(value.shape)} for a batch of {draws} draws and {own} "
        "for one"
    )


def _reshaped(found: torch.Tensor, shape: tuple[int, ...], name: str) -> torch.Tensor:
    if found.shape != shape:
        try:
            return found.expand(shape)
        except RuntimeError:
            raise _NotVectorisable(
                f"the density of {name!r} has shape {tuple(found.shape)} for a batch of draws, "
                f"not {shape}"
            ) from None
    return found


def _refuse_non_finite(program: Program, drawn: Draws, first: int) -> None:
    for name, value in drawn.values.items():
        if not value.is_floating_point():
            continue
        bad = ~value.isfinite()
        if bad.any():
            where = bad.nonzero()[0].tolist()
            found, draw = value[tuple(where)].item(), first + where[0]
            raise WorldError(
                f"{program.what}: {name!r} is {found} in draw {draw} "
                f"({int(bad.sum())} of {bad.numel()} values are not finite)."
            )
