r"""May autograd be believed? Not where data are read behind its back, or where an edge moves.

Held against finite differences in a few draws, all sites pinned.
"""

import warnings
from collections.abc import Sequence

import torch

from counterfactual_models.errors import EvidenceError, ImpactWarning
from inference.passes import Pass, Program
from inference.scores.finite_differences import (
    AGREES,
    FLAT,
    HIDDEN,
    JUMPS,
    STEPS,
    compare,
    uneven_signs,
)
from inference.scores.programs import densities, unchecked
from inference.scores.supports import edges, moves_with
from inference.scores.ways import Pins, Way

__all__ = ["hold_past", "hold_world", "refuse_moving"]

_HELD = 2  # draws that are held against finite differences
_TOGETHER = 64  # evidence sites moved at once; one by one where they disagree


def hold_past(way: Way, few: Sequence[Pins], scored: Sequence[str]) -> dict[str, str]:
    """Hold the density of the past against finite differences.

    Parameters
    ----------
    way, few
        The past, and some draws.
    scored
        Evidence sites.

    Returns
    -------
    dict
        Evidence site without a derivative -> why.

    Raises
    ------
    EvidenceError
        If a datum is read behind autograd's back.
    """
    unscored: dict[str, str] = {}

    def look(happened: Pass) -> dict[str, torch.Tensor]:
        kept = densities(way.program, happened, unscored).values()
        return {"density": torch.cat([value.reshape(-1) for value in kept])}

    for first in range(0, len(scored), _TOGETHER):
        names = scored[first : first + _TOGETHER]
        for number, pins in enumerate(few[:_HELD]):
            together = [n for n in names if n not in unscored]
            said = compare(way, pins, together, look, seed=number)["density"] if together else ""
            for name in together if said in (HIDDEN, JUMPS) else ():
                alone = compare(way, pins, [name], look, seed=number)["density"]
                if alone == HIDDEN:
                    raise EvidenceError(_hidden(way.program, name, "density"))
                if alone == JUMPS:
                    unscored[name] = "the density jumps where its value is"
    return unscored


def hold_world(
    way: Way,
    few: Sequence[Pins],
    scored: Sequence[str],
    kept: Sequence[str],
    before: set[str],
) -> dict[str, str]:
    """Hold the future of a world, and its measurements, against finite differences.

    Parameters
    ----------
    way, few
        The world, and some draws.
    scored, kept
        Evidence sites, and measurements.
    before
        Sites of the past.

    Returns
    -------
    dict
        Evidence site without a derivative -> why.

    Raises
    ------
    EvidenceError
        If a datum is read behind autograd's back.

    Warns
    -----
    ImpactWarning
        Of steps.
    """
    unscored: dict[str, str] = {}
    generator = torch.Generator().manual_seed(0)
    sizes = {name: way.program.anatomy.sites[name].value for name in kept}
    signs = {name: uneven_signs(value.shape, generator) for name, value in sizes.items()}

    def look(happened: Pass) -> dict[str, torch.Tensor]:
        future = [v.reshape(-1) for v in densities(way.program, happened, before).values()]
        values = {name: torch.as_tensor(happened.sites[name]["value"]) for name in kept}
        read = {n: v * signs[n].to(v) for n, v in values.items() if v.is_floating_point()}
        rest = {n: v.double() * signs[n] for n, v in values.items() if n not in read}
        return {"": torch.cat(future) if future else torch.zeros(0), **read, **rest}

    names, stepping = list(scored), set[tuple[str, str]]()
    for number, pins in enumerate(few):
        if not names:
            break
        together = compare(way, pins, names, look, seed=number, steps=True)
        if all(said in (FLAT, AGREES) for said in together.values()):
            continue
        for name in list(names):
            alone = compare(way, pins, [name], look, seed=number, steps=True)
            for output, said in alone.items():
                what = f"measurement {output!r}" if output else "the density of the future"
                if said == HIDDEN:
                    raise EvidenceError(_hidden(way.program, name, what))
                if said == JUMPS and name in names:
                    unscored[name] = f"{what} jumps where its value is"
                    names.remove(name)
                if said == STEPS and (name, what) not in stepping:
                    stepping.add((name, what))
                    _warn_of_steps(way.program, name, what)
    return unscored


def _warn_of_steps(program: Program, name: str, what: str) -> None:
    warnings.warn(
        f"{program.what}: {what} changes with the evidence on {name!r} by a step, a comparison "
        "or a whole number. Its derivative is taken as 0: right where the step is far from every "
        "draw, and too small where draws lie on both sides of it; leave_out sees the whole.",
        ImpactWarning,
        stacklevel=7,
    )


def _hidden(program: Program, name: str, what: str) -> str:
    return (
        f"{program.what}: {what} moves with the evidence on {name!r} in another way than autograd "
        "says. Compute with the tensor that pyro.sample returned, without .item(), .numpy(), "
        ".detach(), torch.tensor(...) or a corner (relu, abs) just at the datum."
    )


def refuse_moving(
    way: Way, few: Sequence[Pins], data: Sequence[str], before: set[str] | None = None
) -> None:
    """Refuse supports that move with the evidence, or that move the evidence's edge.

    Parameters
    ----------
    way, few
        The program, and some draws.
    data
        Evidence sites.
    before
        Sites that were looked at before.

    Raises
    ------
    EvidenceError
        If one does.
    """
    first: dict[str, list[torch.Tensor]] = {}
    program = way.program
    for pins in few:
        leaves = way.leaves([n for n in data if program.evidence[n].is_floating_point()])
        moving = {n: v.clone() for n, v in pins.items()}
        for value in moving.values():
            if value.is_floating_point():
                value.requires_grad_()
        latents = {n: v for n, v in moving.items() if v.requires_grad}
        with unchecked():
            happened = way.run(moving, leaves)
        for name, message in happened.sites.items():
            known = program.anatomy.sites.get(name)
            if known is None or known.computed or (before is not None and name in before):
                continue
            ends = edges(message["fn"])
            if name not in program.evidence:
                if found := moves_with(ends, leaves):
                    raise EvidenceError(
                        f"{program.what}: the support of site {name!r} moves with the evidence "
                        f"on {found[0]!r}, and no derivative at a draw tells of its edge; sample "
                        "on a fixed support and transform: x = width * sample('u', Uniform(0, 1))."
                    )
                continue
            plain = [edge.detach() for edge in ends]
            known_before = first.setdefault(name, plain)
            apart = any(not torch.equal(a, b) for a, b in zip(plain, known_before, strict=True))
            if moves_with(ends, latents) or apart:
                raise EvidenceError(
                    f"{program.what}: the support of the evidence {name!r} depends on latents, as "
                    "in Uniform(0, z): the edge of the posterior moves with the datum, and no "
                    "derivative tells of it. leave_out serves it; or add the noise of a reading."
                )
