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

__all__ = ["AGREES", "FLAT", "HIDDEN", "JUMPS", "STEPS", "compare"]

logger = logging.getLogger(__name__)

AGREES, HIDDEN, JUMPS = "agrees", "hidden", "jumps"
STEPS, FLAT = "steps", "flat"


class _Tolerance(NamedTuple):
    """How far a difference may be from a slope, by the digits there are."""

    steps: tuple[float, ...]
    relative: float
    absolute: float


_WIDE = _Tolerance((1e-4, 1e-3, 1e-5, 1e-2, 1e-6, 1e-8, 1e-10), 1e-5, 1e-6)
_NARROW = _Tolerance((3e-2, 1e-1, 1e-2, 3e-1, 1e-3), 2e-2, 2e-3)
_A_JUMP = 0.3

Look = Callable[[Pass], Mapping[str, torch.Tensor]]


def compare(way: Way, pins: Pins, names: Sequence[str], look: Look, seed: int) -> dict[str, str]:
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

    Returns
    -------
    dict
        What each name does: ``agrees`` with autograd; ``hidden``, a slope that autograd does not
        see; ``jumps`` at the evidence itself; ``steps``, flat here and not a standard deviation
        away; ``flat``, it does not move at all.
    """
    try:
        with unchecked(), widened() as mode:
            wide = {name: _doubled(value) for name, value in pins.items()}
            found = _compared(way, wide, names, look, seed, _WIDE, double=True)
        if not mode.lost:
            return found
    except Exception as error:  # a world may insist on its precision
        logger.debug("%s: in single precision, because %s", way.program.what, error)
    with unchecked():
        return _compared(way, pins, names, look, seed, _NARROW, double=False)


def _compared(
    way: Way,
    pins: Pins,
    names: Sequence[str],
    look: Look,
    seed: int,
    how: _Tolerance,
    *,
    double: bool,
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

    found = dict.fromkeys(here, HIDDEN)
    changes: dict[str, list[tuple[float, float]]] = {name: [] for name in here}
    noise = _rounding(here, moved, double=double)
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
            allowed = how.relative * size + how.absolute * step + noise[name]
            changes[name].append((step, abs(change) - noise[name]))
            found[name] = AGREES if abs(change - expected) <= allowed else HIDDEN
    return found | _without_slope(found, changes, slopes, here, moved)


def _without_slope(
    found: Mapping[str, str],
    changes: Mapping[str, Sequence[tuple[float, float]]],
    slopes: Mapping[str, Pins],
    here: Mapping[str, torch.Tensor],
    moved: Callable[[float], tuple[dict[str, torch.Tensor], Pins]],
) -> dict[str, str]:
    """Look closer at what has no slope, or not the one that autograd says."""
    said = {name: _judged(changes[name]) for name in here if found[name] == HIDDEN}
    still = [
        name
        for name, own in slopes.items()
        if name not in said and not any(bool((slope != 0).any()) for slope in own.values())
    ]
    away = [moved(step)[0] for step in (1.0, -1.0)] if still else []
    for name in still:
        now = here[name].detach().double().reshape(-1)
        said[name] = FLAT if all(torch.equal(values[name], now) for values in away) else STEPS
    return said


def _judged(changes: Sequence[tuple[float, float]]) -> str:
    """Tell a jump at the datum, which no shorter step makes smaller, from a slope."""
    finite = [change for change in changes if math.isfinite(change[1])]
    near, far = min(finite, default=(0.0, 0.0)), max(finite, default=(0.0, 0.0))
    return JUMPS if near[1] > _A_JUMP * abs(far[1]) > 0 else HIDDEN


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
    """Signs at random, times as far as each datum may be moved."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, leaf in leaves.items():
        signs = torch.randint(0, 2, leaf.shape, generator=generator) * 2 - 1
        found[name] = signs.to(leaf) * room(happened.sites[name]["fn"], leaf.detach())
    return found


def _rounding(
    here: Mapping[str, torch.Tensor],
    moved: Callable[[float], tuple[dict[str, torch.Tensor], Pins]],
    *,
    double: bool,
) -> dict[str, float]:
    """How much of a change is rounding: what hardly any move changes in single precision."""
    unit = torch.finfo(torch.float64 if double else torch.float32).eps
    values = {name: value.detach().double().reshape(-1) for name, value in here.items()}
    found = {name: 8 * unit * float(value.norm()) for name, value in values.items()}
    if not double:
        for name, value in moved(1e-6)[0].items():
            found[name] += 4 * float((value - values[name]).norm())
    return {name: size if size < float("inf") else 0.0 for name, size in found.items()}


def _doubled(value: torch.Tensor) -> torch.Tensor:
    return value.double() if value.dtype == torch.float32 else value
