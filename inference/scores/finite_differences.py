r"""Does autograd see all that a number makes of the evidence? Held against finite differences.

.. math:: f(e + hu) - f(e - hu) \approx 2h\, u^\top \nabla f(e)

for a random direction u, in double precision where the world allows it. A world that reads its
evidence by ``.item()``, NumPy or ``.detach()`` has a derivative that autograd does not see.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch

from inference.passes import Pass
from inference.scores.double_precision import widened
from inference.scores.programs import unchecked
from inference.scores.supports import room
from inference.scores.ways import Pins, Way

__all__ = ["AGREES", "FLAT", "HIDDEN", "JUMPS", "STEPS", "compare", "uneven_signs"]

logger = logging.getLogger(__name__)

AGREES, HIDDEN, JUMPS = "agrees", "hidden", "jumps"
STEPS, FLAT = "steps", "flat"


class _Tolerance(NamedTuple):
    """How far a difference may be from a slope, by the digits there are."""

    steps: tuple[float, ...]
    relative: float
    absolute: float
    halvings: int


_WIDE = _Tolerance((1e-4, 1e-3, 1e-5, 1e-2, 1e-6, 1e-8, 1e-10), 1e-5, 1e-6, 40)
_NARROW = _Tolerance((3e-2, 1e-1, 1e-2, 3e-1, 1e-3), 2e-2, 2e-3, 16)
_A_JUMP = 0.3
_A_STEP, _SMALL_STEP = 0.1, 1e-6

Look = Callable[[Pass], Mapping[str, torch.Tensor]]
Moved = Callable[[float], tuple[dict[str, torch.Tensor], Pins]]


def compare(
    way: Way,
    pins: Pins,
    names: Sequence[str],
    look: Look,
    seed: int,
    *,
    steps: bool = False,
) -> dict[str, str]:
    """Move the evidence of some sites along a random direction, in one draw.

    Parameters
    ----------
    way
        Which program.
    pins
        Site -> its value in this draw.
    names
        Evidence sites that are moved.
    look
        Reads numbers off a run: name -> tensor.
    seed
        Of the direction.
    steps
        Whether to look for steps beside a slope too.

    Returns
    -------
    dict
        What each name does: ``agrees`` with autograd; ``hidden``, a slope that autograd does not
        see; ``jumps`` at the evidence itself; ``steps`` within a standard deviation; ``flat``,
        without a slope.
    """
    try:
        with unchecked(), widened() as mode:
            wide = {name: _doubled(value) for name, value in pins.items()}
            found = _compared(way, wide, names, look, seed, _WIDE, double=True, steps=steps)
        if not mode.lost:
            return found
    except Exception as error:  # a world may insist on its precision
        logger.debug("%s: in single precision, because %s", way.program.what, error)
    with unchecked():
        return _compared(way, pins, names, look, seed, _NARROW, double=False, steps=steps)


def _compared(
    way: Way,
    pins: Pins,
    names: Sequence[str],
    look: Look,
    seed: int,
    how: _Tolerance,
    *,
    double: bool,
    steps: bool,
) -> dict[str, str]:
    leaves = way.leaves(names)
    if double:
        leaves = {name: leaf.detach().double().requires_grad_() for name, leaf in leaves.items()}
    happened = way.run(pins, leaves)
    here = look(happened)
    slopes = {name: _slopes(value, leaves) for name, value in here.items()}
    directions = _directions(happened, leaves, seed)

    def moved(step: float) -> tuple[dict[str, torch.Tensor], Pins]:
        with torch.no_grad():
            at = {name: leaf + step * directions[name] for name, leaf in leaves.items()}
            values = look(way.run(pins, at))
        return {name: value.detach().double().reshape(-1) for name, value in values.items()}, at

    now = {name: value.detach().double().reshape(-1) for name, value in here.items()}
    away = [moved(step)[0] for step in (1.0, -1.0)]
    reach = {name: _reach(now[name], [values[name] for values in away]) for name in here}
    found, near = _agreeing(now, reach, slopes, leaves, moved, how, double=double)
    said = {name: _judged(near[name]) for name in here if found[name] == HIDDEN}
    for name, own in slopes.items():
        if name not in said and not any(bool((slope != 0).any()) for slope in own.values()):
            said[name] = FLAT
    for name in here if steps else ():
        if said.get(name, FLAT) == FLAT:
            # What is flat here may be made of many small steps.
            share = max(_SMALL_STEP, 2.0 ** (4 - how.halvings)) if name in said else _A_STEP
            if _steps(name, now, away, moved, how.halvings, share):
                said[name] = STEPS
    return found | said


def _agreeing(
    now: Mapping[str, torch.Tensor],
    reach: Mapping[str, float],
    slopes: Mapping[str, Pins],
    leaves: Pins,
    moved: Moved,
    how: _Tolerance,
    *,
    double: bool,
) -> tuple[dict[str, str], dict[str, list[tuple[float, float]]]]:
    """Find numbers that agree at some step; and how far each moves at the steps tried."""
    found = dict.fromkeys(now, HIDDEN)
    near: dict[str, list[tuple[float, float]]] = {name: [] for name in now}
    gaps: dict[str, list[float]] = {name: [] for name in now}
    noise = _rounding(now, moved, double=double)
    for step in how.steps:
        open_yet = [name for name, said in found.items() if said != AGREES]
        if not open_yet:
            break
        (above, over), (below, under) = moved(step), moved(-step)
        widths = {site: over[site].double() - under[site].double() for site in leaves}
        for name in open_yet:
            change = float((above[name] - below[name]).sum())
            pieces = [slopes[name][site].double() * widths[site] for site in leaves]
            expected = float(sum(piece.sum() for piece in pieces))
            size = float(sum(piece.square().sum() for piece in pieces)) ** 0.5
            allowed = how.relative * size + how.absolute * step * reach[name] + noise[name]
            # A zero among counts may have a likelihood that no other number has, on both sides.
            most = max(float((side[name] - now[name]).abs().sum()) for side in (above, below))
            near[name].append((step, most - noise[name]))
            gaps[name].append(abs(change - expected) - allowed)
            found[name] = AGREES if gaps[name][-1] <= 0 else HIDDEN
    if double and HIDDEN in found.values():
        for name, more in _inner_rounding(moved).items():
            found[name] = AGREES if min(gaps[name]) <= more else found[name]
    return found, near


def _reach(now: torch.Tensor, away: Sequence[torch.Tensor]) -> float:
    """How much a number changes with its datum at all; its size, where it does not."""
    moves = [float((values - now).norm()) for values in away]
    finite = [move for move in moves if math.isfinite(move) and move > 0]
    if finite:
        return max(finite)
    size = float(now.norm())
    return size if math.isfinite(size) else 1.0


def _steps(
    name: str,
    now: Mapping[str, torch.Tensor],
    away: Sequence[Mapping[str, torch.Tensor]],
    moved: Moved,
    halvings: int,
    share: float,
) -> bool:
    """Halve the way, again and again, where more changes: only a step does not become smaller."""
    for end, values in zip((1.0, -1.0), away, strict=True):
        (low, at_low), (high, at_high) = (0.0, now[name]), (end, values[name])
        whole = last = _most(at_high, at_low)
        for _ in range(halvings):
            if not math.isfinite(last) or last <= share * whole:
                break
            middle = (low + high) / 2
            at_middle = moved(middle)[0][name]
            if _most(at_middle, at_low) >= _most(at_high, at_middle):
                high, at_high = middle, at_middle
            else:
                low, at_low = middle, at_middle
            last = _most(at_high, at_low)
        if math.isfinite(last) and last > share * whole:
            return True
    return False


def _most(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max()) if one.numel() else 0.0


def _judged(near: Sequence[tuple[float, float]]) -> str:
    """Tell a jump at the datum, which no shorter step makes smaller, from a slope."""
    finite = [change for change in near if math.isfinite(change[1])]
    close, far = min(finite, default=(0.0, 0.0)), max(finite, default=(0.0, 0.0))
    return JUMPS if close[1] > _A_JUMP * abs(far[1]) > 0 else HIDDEN


def _slopes(value: torch.Tensor, leaves: Pins) -> Pins:
    if not value.requires_grad:
        return {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    found = torch.autograd.grad(
        value.sum(),
        list(leaves.values()),
        retain_graph=True,
        allow_unused=True,
        materialize_grads=True,
    )
    return dict(zip(leaves, found, strict=True))


def _directions(happened: Pass, leaves: Pins, seed: int) -> dict[str, torch.Tensor]:
    """Signs and lengths at random, times as far as each datum may be moved."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: uneven_signs(leaf.shape, generator).to(leaf)
        * room(happened.sites[name]["fn"], leaf.detach())
        for name, leaf in leaves.items()
    }


def uneven_signs(shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """Draw numbers of 0.5 to 1 with a sign: plain signs cancel in the mean of two data.

    Examples
    --------
    >>> found = uneven_signs([1000], torch.Generator().manual_seed(0))
    >>> bool(((found.abs() >= 0.5) & (found.abs() <= 1)).all()), bool((found < 0).any())
    (True, True)
    """
    signs = torch.randint(0, 2, list(shape), generator=generator) * 2 - 1
    lengths = torch.rand(list(shape), generator=generator, dtype=torch.float64)
    return signs * (0.5 + 0.5 * lengths)


def _rounding(
    values: Mapping[str, torch.Tensor],
    moved: Moved,
    *,
    double: bool,
) -> dict[str, float]:
    """How much of a change is rounding: what hardly any move changes in single precision."""
    unit = torch.finfo(torch.float64 if double else torch.float32).eps
    found = {name: 8 * unit * float(value.norm()) for name, value in values.items()}
    if not double:
        for name, value in moved(1e-6)[0].items():
            found[name] += 4 * float((value - values[name]).norm())
    return {name: size if size < float("inf") else 0.0 for name, size in found.items()}


def _inner_rounding(
    moved: Moved,
) -> dict[str, float]:
    """How much is rounding inside a number: what is not even three times over, on one side."""
    one, two, three = (moved(times * 1e-9)[0] for times in (1, 2, 3))
    sizes = {name: float((three[name] - 2 * two[name] + one[name]).norm()) for name in one}
    return {name: 4 * size if math.isfinite(size) else 0.0 for name, size in sizes.items()}


def _doubled(value: torch.Tensor) -> torch.Tensor:
    return value.double() if value.dtype == torch.float32 else value
