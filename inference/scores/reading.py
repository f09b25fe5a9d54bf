"""Who reads the evidence: which densities, which measurements, whose future; and who may not?

Seen by autograd in a few draws, all sites pinned, and held against finite differences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from counterfactual_models.anatomy import translated
from counterfactual_models.errors import WorldError
from counterfactual_models.handlers import isolated
from inference.passes import Pass, Program
from inference.scores.finite_differences import uneven_signs
from inference.scores.guards import hold_past, hold_world, refuse_moving
from inference.scores.programs import Asked, densities, looked_at, run_open, unchecked
from inference.scores.rows import Mapped, Rows
from inference.scores.supports import is_discrete
from inference.scores.ways import Pins, Way

__all__ = ["PastReading", "WorldReading", "read_past", "read_world"]

_DRAWS = 3
_HELD = 2  # draws that are held against finite differences
_TRIES = 8  # draws of what was not kept
_MANY = 4096  # draws that are looked at where each may go a way of its own


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
        refuse_moving(way, few, list(program.evidence))
        found.unscored |= hold_past(way, few, found.scored)
        found.scored = [name for name in found.scored if name not in found.unscored]
    return found


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
        looking = _Looking(program, found, scored, kept, before)
        for pins in few:
            looking.at(found.fixed, pins)
            for key in range(1, _TRIES + 1) if found.fixed else ():
                looking.at(_unkept(Way(program), pins, key), pins)
        held: list[Pins] = [*few[:_HELD]]
        if not looking.abreast(rows):
            held += looking.everywhere(rows)
        refuse_moving(way, few, [n for n in asked.data], before=before)
        found.unscored = hold_world(way, held, scored, kept, before)
        if counted and (found.densities or found.measurements):
            raise WorldError(
                f"{program.what}: the future reads the evidence, so its scores need the draws, "
                "and these worlds were kept as counts: sample_worlds(..., keep='draws')."
            )
        if found.densities or found.measurements:
            _refuse_unkept(way, few, found, scored)
    return found


@dataclass(frozen=True)
class _Looking:
    """Collects who reads what, draw by draw."""

    program: Program
    found: WorldReading
    scored: Sequence[str]
    kept: Sequence[str]
    before: set[str]

    def at(self, fixed: Pins, pins: Pins) -> bool:
        """Look at one draw; tell whether it shows a reader that was not known."""
        happened, leaves = _open(Way(self.program, fixed), pins, self.scored)
        seen = self._seen(happened)
        new = False
        both = self.found.densities, self.found.measurements
        for values, known in zip(seen, both, strict=True):
            for site, readers in _readers(values, leaves).items():
                new |= not readers <= known.get(site, set())
                known.setdefault(site, set()).update(readers)
        return new

    def abreast(self, rows: Rows) -> bool:
        """Tell whether no draw may go a way of its own."""
        own: list[Pins] = []
        for at in map(int, rows.few()):
            pins = _row(rows, at)
            own.append({**pins, **self._redrawn(pins, at)})
        shapes = [{name: value.shape for name, value in each.items()} for each in own]
        if any(one != shapes[0] for one in shapes):  # a site is there in some draws only
            return False
        some = {n: torch.stack([each[n] for each in own]).numpy() for n in own[0]}

        def extract(happened: Pass) -> dict[str, torch.Tensor]:
            densities, values = self._seen(happened)
            return {**{f"density of {n}": v for n, v in densities.items()}, **values}

        return Mapped(self.program, {}, frozenset(self.before)).abreast(
            lambda way, pins, count: way.look(extract, pins, count), Rows(some, len(own))
        )

    def everywhere(self, rows: Rows) -> list[Pins]:
        """Look at all rows, or very many; give some that showed a new reader."""
        found: list[Pins] = []
        for at in rows.few(_MANY):
            pins = _row(rows, int(at))
            if self.at(self._redrawn(pins, int(at)), pins):
                found.append(pins)
        return found[:_HELD]

    def _redrawn(self, pins: Pins, key: int) -> Pins:
        return _unkept(Way(self.program), pins, key) if self.found.fixed else {}

    def _seen(self, happened: Pass) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        measured = {n: torch.as_tensor(happened.sites[n]["value"]) for n in self.kept}
        return densities(self.program, happened, self.before), measured


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


def _refuse_unkept(
    way: Way, few: Sequence[Pins], found: WorldReading, scored: Sequence[str]
) -> None:
    """Refuse sites that were not kept, where a derivative depends on their value."""
    known = way.program.anatomy.sites
    for name in found.densities:
        if name in way.fixed or name not in known:
            raise WorldError(_not_kept(way.program, [name]))
    if not way.fixed:
        return
    for pins in few:
        before = _all_slopes(way, pins, found, scored)
        others = [_unkept(Way(way.program), pins, key) for key in range(1, _TRIES + 1)]
        for name, value in way.fixed.items():
            other = _another(way, pins, name, value, others)
            if other is None:
                continue
            after = _all_slopes(Way(way.program, {**way.fixed, name: other}), pins, found, scored)
            if not all(map(torch.equal, before, after)):
                raise WorldError(_not_kept(way.program, [name]))
        for each in others:
            after = _all_slopes(Way(way.program, {**way.fixed, **each}), pins, found, scored)
            if not all(map(torch.equal, before, after)):
                raise WorldError(_not_kept(way.program, list(way.fixed)))


def _not_kept(program: Program, names: Sequence[str]) -> str:
    sites = " and ".join(map(repr, names))
    return (
        f"{program.what}: the derivative by the evidence needs the values of {sites}, which were "
        "not kept: what a disciple samples for itself is not, nor what has "
        "infer={'is_auxiliary': True}. Sample it in the world, without that, let the wire show it "
        "to the disciple, and draw the worlds again."
    )


def _another(
    way: Way, pins: Pins, name: str, value: torch.Tensor, drawn: Sequence[Pins]
) -> torch.Tensor | None:
    """Find a value that is not this one: among draws, or what else there may be."""
    for each in drawn:
        if name in each and not torch.equal(each[name], value):
            return each[name]
    with torch.no_grad(), unchecked():
        message = way.run(pins, {}).sites.get(name)
        fn: Any = looked_at(message["fn"]) if message else None
        if not getattr(fn, "has_enumerate_support", False):
            return None
        for other in fn.enumerate_support():
            possible = other.shape == value.shape and bool(fn.log_prob(other).isfinite().all())
            if possible and not torch.equal(other, value):
                found: torch.Tensor = other
                return found
    return None


def _all_slopes(
    way: Way, pins: Pins, found: WorldReading, scored: Sequence[str]
) -> list[torch.Tensor]:
    """Differentiate each density and measurement that reads, its numbers summed unevenly."""
    happened, leaves = _open(way, pins, scored)
    own = densities(way.program, happened)
    values = [own.get(name, torch.zeros(())) for name in found.densities]
    values += [torch.as_tensor(happened.sites[name]["value"]) for name in found.measurements]
    slopes: list[torch.Tensor] = []
    for value in values:
        weights = uneven_signs(value.shape, torch.Generator().manual_seed(0)).to(value)
        if value.requires_grad:
            slopes += torch.autograd.grad(
                (weights * value).sum(),
                list(leaves.values()),
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
        else:
            slopes += [torch.zeros_like(leaf) for leaf in leaves.values()]
    return slopes
