"""Who reads the evidence: which densities, which measurements, whose future; and who may not?

Seen by autograd in a few draws, all sites pinned, and held against finite differences.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from counterfactual_models.anatomy import translated
from counterfactual_models.errors import EvidenceError, ImpactWarning, WorldError
from counterfactual_models.handlers import isolated
from inference.passes import Pass, Program
from inference.scores.finite_differences import AGREES, FLAT, HIDDEN, JUMPS, STEPS, compare
from inference.scores.programs import Asked, densities, run_open, unchecked
from inference.scores.rows import Rows
from inference.scores.supports import edges, is_discrete, moves_with
from inference.scores.ways import Pins, Way

__all__ = ["PastReading", "WorldReading", "read_past", "read_world"]

_DRAWS = 3
_LOOKED_AT = 64  # numbers of a site
_HELD = 2  # draws that are held against finite differences


@dataclass
class PastReading:
    """What the past makes of its evidence.

    Parameters
    ----------
    scored
        Evidence sites that have a score.
    targets
        Sites of the past whose density moves with them.
    read
        Evidence sites that the density of another site reads: covariates.
    unscored
        Evidence sites without a score, and why.
    """

    scored: list[str]
    targets: list[str] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    unscored: dict[str, str] = field(default_factory=dict)


@dataclass
class WorldReading:
    """What the future of one world makes of the evidence.

    Parameters
    ----------
    fixed
        Future sites that are not kept -> a value they had.
    densities
        Future sites -> the evidence sites their density moves with.
    measurements
        Measurements -> the evidence sites they are computed from.
    later
        Evidence sites after the switch whose own density moves with their value.
    """

    fixed: dict[str, torch.Tensor] = field(default_factory=dict)
    densities: dict[str, set[str]] = field(default_factory=dict)
    measurements: dict[str, set[str]] = field(default_factory=dict)
    unscored: dict[str, str] = field(default_factory=dict)

    @property
    def sites(self) -> set[str]:
        """Evidence sites that the density of the future reads."""
        return set().union(*self.densities.values())


def read_past(asked: Asked, rows: Rows) -> PastReading:
    """Look at a few draws of the past.

    Raises
    ------
    EvidenceError
        If no datum has a score, a support moves, or a datum is read behind autograd's back.
    """
    program = asked.past
    way = Way(program)
    early = list(program.evidence)
    found = PastReading([n for n in early if program.evidence[n].is_floating_point()])
    found.unscored = {n: "it holds whole numbers" for n in early if n not in found.scored}
    own = dict.fromkeys(found.scored, False)
    few = [_row(rows, at) for at in rows.few(_DRAWS)]
    with isolated(0), translated(program.what):
        for pins in few:
            happened, leaves = _open(way, pins, found.scored)
            for site, readers in _readers(densities(program, happened), leaves).items():
                _add(found.targets, [site])
                found.read |= readers - {site}
                own[site] = own.get(site, False) or site in readers
        for name in found.scored:
            if not own[name] and is_discrete(happened.sites[name]["fn"]):
                found.unscored[name] = "its density looks its value up in a table"
        found.scored = [name for name in found.scored if name not in found.unscored]
        _refuse_moving(way, few, list(program.evidence))
        _hold_past(way, few, found)
    return found


def _hold_past(way: Way, few: Sequence[Pins], found: PastReading) -> None:
    """Hold autograd against finite differences, site by site."""

    def look(happened: Pass) -> dict[str, torch.Tensor]:
        kept = densities(way.program, happened, found.unscored).values()
        return {"density": torch.cat([value.reshape(-1) for value in kept])}

    for name in list(found.scored):
        for number, pins in enumerate(few[:_HELD]):
            said = compare(way, pins, [name], look, seed=number)["density"]
            if said == HIDDEN:
                raise EvidenceError(_hidden(way.program, name, "density"))
            if said == JUMPS:
                found.unscored[name] = "the density jumps where its value is"
                found.scored.remove(name)
                break


def read_world(
    asked: Asked,
    name: str,
    rows: Rows,
    scored: Sequence[str],
    kept: Sequence[str],
    *,
    counted: bool = False,
) -> WorldReading:
    """Look at a few draws of the world of a disciple.

    Parameters
    ----------
    asked
        The evidence and the worlds.
    name
        Of the disciple.
    rows
        Draws, with what was kept of their futures.
    scored
        Evidence sites that may be read.
    kept
        Measurements that are wanted.
    counted
        Whether nothing was kept of the draws but counts.

    Raises
    ------
    EvidenceError
        If a support moves, or a datum is read behind autograd's back.
    WorldError
        If a site that is needed was not kept.
    """
    program = asked.worlds[name]
    found = WorldReading()
    few = [_row(rows, at) for at in rows.few(_DRAWS)]
    before = set(asked.past.anatomy.sites)
    with isolated(0), translated(program.what):
        found.fixed = _unkept(Way(program), few[0])
        way = Way(program, found.fixed)
        for pins in few:
            happened, leaves = _open(way, pins, scored)
            future = densities(program, happened, before)
            for site, readers in _readers(future, leaves).items():
                found.densities.setdefault(site, set()).update(readers)
            measured = {n: torch.as_tensor(happened.sites[n]["value"]) for n in kept}
            for site, readers in _readers(measured, leaves).items():
                found.measurements.setdefault(site, set()).update(readers)
        _refuse_moving(way, few, [n for n in asked.data], before=before)
        _hold_world(way, few, found, scored, kept, before)
        if counted and (found.densities or found.measurements):
            raise WorldError(
                f"{program.what}: the future reads the evidence, so its scores need the draws, "
                "and these worlds were kept as counts: sample_worlds(..., keep='draws')."
            )
        if found.fixed and (found.densities or found.measurements):
            _refuse_unkept(way, few[-1], found, scored)
    return found


def _hold_world(
    way: Way,
    few: Sequence[Pins],
    found: WorldReading,
    scored: Sequence[str],
    kept: Sequence[str],
    before: set[str],
) -> None:
    generator = torch.Generator().manual_seed(0)
    sizes = {name: way.program.anatomy.sites[name].value for name in kept}
    signs = {
        name: torch.randint(0, 2, value.shape, generator=generator) * 2 - 1
        for name, value in sizes.items()
    }

    def look(happened: Pass) -> dict[str, torch.Tensor]:
        future = [v.reshape(-1) for v in densities(way.program, happened, before).values()]
        values = {name: torch.as_tensor(happened.sites[name]["value"]) for name in kept}
        read = {n: v * signs[n] for n, v in values.items() if v.is_floating_point()}
        rest = {n: v.double() * signs[n] for n, v in values.items() if n not in read}
        return {"": torch.cat(future) if future else torch.zeros(0), **read, **rest}

    names = list(scored)
    for number, pins in enumerate(few[:_HELD]):
        if not names:
            return
        together = compare(way, pins, names, look, seed=number)
        if all(said in (FLAT, AGREES) for said in together.values()):
            continue
        for name in list(names):
            alone = compare(way, pins, [name], look, seed=number)
            for output, said in alone.items():
                what = f"measurement {output!r}" if output else "the density of the future"
                if said == HIDDEN:
                    raise EvidenceError(_hidden(way.program, name, what))
                if said == JUMPS and name in names:
                    found.unscored[name] = f"{what} jumps where its value is"
                    names.remove(name)
                if said == STEPS:
                    _warn_of_steps(way.program, name, what)


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


def _row(rows: Rows, at: int) -> dict[str, torch.Tensor]:
    return {name: value[0] for name, value in rows.at(np.array([at])).items()}


def _open(way: Way, pins: Pins, names: Sequence[str]) -> tuple[Pass, dict[str, torch.Tensor]]:
    leaves = way.leaves(names)
    with unchecked():
        return way.run(pins, leaves), leaves


def _readers(values: Mapping[str, torch.Tensor], leaves: Pins) -> dict[str, set[str]]:
    """Tell which numbers autograd ties to which evidence."""
    found: dict[str, set[str]] = {}
    for site, value in values.items():
        if not value.requires_grad or not leaves:
            continue
        slopes = torch.autograd.grad(
            value.sum(), list(leaves.values()), retain_graph=True, allow_unused=True
        )
        tied = {name for name, slope in zip(leaves, slopes, strict=True) if slope is not None}
        if tied:
            found[site] = tied
    return found


def _add(known: list[str], names: Sequence[str]) -> None:
    known += [name for name in names if name not in known]


def _unkept(way: Way, pins: Pins, key: int = 0) -> dict[str, torch.Tensor]:
    """Draw what was not kept, once."""
    program = way.program
    with torch.no_grad(), unchecked():
        happened = run_open(program, pins, program.evidence, (key, "unkept"))
    return {
        name: happened.sites[name]["value"].detach()
        for name, site in program.anatomy.sites.items()
        if not (site.computed or site.observed)
        and name not in pins
        and name not in program.evidence
        and name in happened.sites
    }


def _refuse_unkept(way: Way, pins: Pins, found: WorldReading, scored: Sequence[str]) -> None:
    """Refuse sites that were not kept, where a derivative depends on their value."""

    def slopes(fixed: Pins) -> list[torch.Tensor]:
        happened, leaves = _open(Way(way.program, fixed), pins, scored)
        values = [v for n, v in densities(way.program, happened).items() if n in found.densities]
        values += [happened.sites[name]["value"] for name in found.measurements]
        return [
            slope
            for value in values
            for one in value.reshape(-1)[:_LOOKED_AT]
            for slope in torch.autograd.grad(
                one, list(leaves.values()), retain_graph=True, allow_unused=True
            )
            if slope is not None
        ]

    before, others = slopes(way.fixed), _unkept(way, pins, key=1)
    for name in way.fixed:
        after = slopes({**way.fixed, name: others[name]})
        same = len(after) == len(before) and all(map(torch.equal, before, after))
        if name in found.densities or not same:
            raise WorldError(
                f"{way.program.what}: the derivative by the evidence needs the values of site "
                f"{name!r}, which were not kept; sample it in the world, without "
                "infer={'is_auxiliary': True}, and draw the worlds again."
            )


def _refuse_moving(
    way: Way, few: Sequence[Pins], data: Sequence[str], before: set[str] | None = None
) -> None:
    """Refuse supports that move with the evidence, or that move the evidence's edge."""
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
