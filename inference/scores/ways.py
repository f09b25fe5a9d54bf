r"""How is a program looked at for many draws, with the evidence as a variable?

Three ways: ``torch.vmap`` over a run of one draw, a plate over draws in which each owns a copy of
the evidence, and one run per draw. The last is plain autograd.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyro
import torch
from torch.func import grad, jacrev, jvp, vmap

from inference.passes import Pass, Program
from inference.scores.programs import densities, density_of, run_open, summed

__all__ = ["NUMBERS_AT_ONCE", "ByPlate", "ByVmap", "Looking", "OneByOne", "Pins", "Way"]

logger = logging.getLogger(__name__)

Pins = Mapping[str, torch.Tensor]
Extract = Callable[[Pass], dict[str, torch.Tensor]]

NUMBERS_AT_ONCE = 1 << 21
"""Numbers that a pass may hold of the sites of all its draws."""


@dataclass(frozen=True)
class Way:
    """A way to look at a program.

    Parameters
    ----------
    program
        What is run; its evidence is where the derivatives are taken.
    fixed
        Site -> one value for all rows.
    known
        Sites whose densities do not belong to what is asked.
    """

    program: Program
    fixed: Pins = field(default_factory=dict)
    known: frozenset[str] = frozenset()

    def leaves(self, names: Sequence[str]) -> dict[str, torch.Tensor]:
        """Copy the evidence of some sites, to be moved."""
        return {name: self.program.evidence[name].clone().requires_grad_() for name in names}

    def run(self, pins: Pins, evidence: Pins) -> Pass:
        """Run the program for what is pinned."""
        return run_open(
            self.program, {**self.fixed, **pins}, {**self.program.evidence, **evidence}
        )


class Looking(Protocol):
    """What each way can do."""

    def scores(
        self, names: Sequence[str], targets: Sequence[str], pins: Pins, count: int
    ) -> dict[str, torch.Tensor]:
        """Differentiate the targets' log-density by the evidence, (count, shape of the site)."""

    def look(self, extract: Extract, pins: Pins, count: int) -> dict[str, torch.Tensor]:
        """Read something off each run, (count, ...)."""

    def slopes(
        self, names: Sequence[str], outputs: Sequence[str], pins: Pins, count: int
    ) -> dict[str, torch.Tensor]:
        """Sum over rows of the derivatives of computed sites, (output, shape of the site)."""


class OneByOne(Way):
    """One run per draw, by plain autograd: what the other ways are held against."""

    def scores(
        self, names: Sequence[str], targets: Sequence[str], pins: Pins, count: int
    ) -> dict[str, torch.Tensor]:
        """Differentiate all densities, whatever the targets are, by the evidence."""
        found: dict[str, list[torch.Tensor]] = {name: [] for name in names}
        for row in range(count):
            leaves = self.leaves(names)
            happened = self.run({name: value[row] for name, value in pins.items()}, leaves)
            total = [v.sum() for v in densities(self.program, happened, self.known).values()]
            for name, slope in _gradients(sum(total, torch.zeros(())), leaves).items():
                found[name].append(slope)
        return {name: torch.stack(slopes) for name, slopes in found.items()}

    def look(self, extract: Extract, pins: Pins, count: int) -> dict[str, torch.Tensor]:
        """Read something off each run, (count, ...)."""
        found: list[dict[str, torch.Tensor]] = []
        with torch.no_grad():
            for row in range(count):
                one = {name: value[row] for name, value in pins.items()}
                found.append(extract(self.run(one, {})))
        return {name: torch.stack([each[name] for each in found]) for name in found[0]}

    def slopes(
        self, names: Sequence[str], outputs: Sequence[str], pins: Pins, count: int
    ) -> dict[str, torch.Tensor]:
        """Sum over rows of the derivatives of computed sites, (output, shape of the site)."""
        total: dict[str, torch.Tensor] = {}
        for row in range(count):
            leaves = self.leaves(names)
            happened = self.run({name: value[row] for name, value in pins.items()}, leaves)
            slopes = [_gradients(value, leaves) for value in _flat(happened, outputs)]
            for name in names:
                here = torch.stack([slope[name] for slope in slopes])
                total[name] = total[name] + here if name in total else here
        return total


class ByVmap(Way):
    """A run of one draw, mapped over draws by ``torch.vmap``."""

    def scores(
        self, names: Sequence[str], targets: Sequence[str], pins: Pins, count: int
    ) -> dict[str, torch.Tensor]:
        """Differentiate the targets' log-density by the evidence, (count, shape of the site)."""
        total = summed(self.program, targets)

        def one(evidence: Pins, pins: Pins) -> torch.Tensor:
            return total(evidence, {**self.fixed, **pins})

        evidence = {name: self.program.evidence[name] for name in names}
        found: dict[str, torch.Tensor] = vmap(grad(one), in_dims=(None, 0))(
            evidence, _something(pins, count)
        )
        return found

    def look(self, extract: Extract, pins: Pins, count: int) -> dict[str, torch.Tensor]:
        """Read something off each run, (count, ...)."""
        with torch.no_grad():
            found: dict[str, torch.Tensor] = vmap(lambda one: extract(self.run(one, {})))(
                _something(pins, count)
            )
        return found

    def slopes(
        self, names: Sequence[str], outputs: Sequence[str], pins: Pins, count: int
    ) -> dict[str, torch.Tensor]:
        """Sum over rows of the derivatives, by forward mode where data are fewer than outputs."""
        evidence = {name: self.program.evidence[name] for name in names}
        data = sum(value.numel() for value in evidence.values())
        sites = self.program.anatomy.sites
        results = sum(sites[name].value.numel() for name in outputs)
        pins = _something(pins, count)

        def total(evidence: Pins) -> torch.Tensor:
            each = vmap(lambda one: _flat(self.run(one, evidence), outputs))(pins)
            return each.sum(0)

        room = self.program.anatomy.numbers(scored=False) * count
        at_once = max(1, NUMBERS_AT_ONCE // room)
        if data < results:
            try:
                return _forward(total, evidence, at_once)
            except (NotImplementedError, RuntimeError) as error:  # no rule for forward mode
                logger.debug("%s: reverse mode, because %s", self.program.what, error)
        slopes: dict[str, torch.Tensor] = jacrev(total, chunk_size=at_once)(evidence)
        return slopes


class ByPlate(Way):
    """All draws under a plate, each with a copy of the evidence."""

    def scores(
        self, names: Sequence[str], targets: Sequence[str], pins: Pins, count: int
    ) -> dict[str, torch.Tensor]:
        """Differentiate the targets' log-density by the evidence, (count, shape of the site)."""
        own = {name: self.program.evidence[name] for name in names}
        wide = {
            name: self._wide(name, value.expand(count, *value.shape)).clone().requires_grad_()
            for name, value in own.items()
        }
        happened = self._abreast(pins, wide, count)
        found = [density_of(self.program, happened.sites[name]).sum() for name in targets]
        total = sum(found, torch.zeros(()))
        slopes = _gradients(total, wide)
        return {name: slope.reshape(count, *own[name].shape) for name, slope in slopes.items()}

    def look(self, extract: Extract, pins: Pins, count: int) -> dict[str, torch.Tensor]:
        """Read something off each run, (count, ...); shapes are those of a single run."""
        alone = OneByOne(self.program, self.fixed)
        single = alone.look(extract, {name: value[:1] for name, value in pins.items()}, 1)
        with torch.no_grad():
            found = extract(self._abreast(pins, {}, count))
        return {name: _narrowed(value, single[name], count) for name, value in found.items()}

    def slopes(
        self, names: Sequence[str], outputs: Sequence[str], pins: Pins, count: int
    ) -> dict[str, torch.Tensor]:
        """Sum over rows of the derivatives of computed sites, (output, shape of the site)."""
        leaves = self.leaves(names)
        happened = self._abreast(pins, leaves, count)
        sites = self.program.anatomy.sites
        totals = [
            _narrowed(happened.sites[name]["value"], sites[name].value[None], count).sum(0)
            for name in outputs
        ]
        slopes = [_gradients(one, leaves) for total in totals for one in total.reshape(-1)]
        return {name: torch.stack([slope[name] for slope in slopes]) for name in names}

    def _abreast(self, pins: Pins, evidence: Pins, count: int) -> Pass:
        wide = {name: self._wide(name, value) for name, value in pins.items()}
        with pyro.plate("_draws", count, dim=-1 - self.program.anatomy.nesting):
            return self.run(wide, evidence)

    def _wide(self, name: str, value: torch.Tensor) -> torch.Tensor:
        """Put draws (first axis) to the left of all plates."""
        missing = self.program.anatomy.nesting - self.program.anatomy.sites[name].batch_ndim
        return value.reshape(len(value), *(1,) * max(0, missing), *value.shape[1:])


def _gradients(total: torch.Tensor, leaves: Pins) -> dict[str, torch.Tensor]:
    """Differentiate a number; zero where it does not depend."""
    if not total.requires_grad:
        return {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    slopes = torch.autograd.grad(
        total, list(leaves.values()), retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return dict(zip(leaves, slopes, strict=True))


def _forward(
    function: Callable[[Pins], torch.Tensor], evidence: Pins, at_once: int
) -> dict[str, torch.Tensor]:
    """Differentiate outputs by each datum, some data at once: name -> (output, shape)."""
    found = {}
    for name, value in evidence.items():

        def along(unit: torch.Tensor, name: str = name) -> torch.Tensor:
            still = {n: torch.zeros_like(v) for n, v in evidence.items()}
            slope: torch.Tensor = jvp(function, (evidence,), ({**still, name: unit},))[1]
            return slope

        units = torch.eye(value.numel(), dtype=value.dtype).reshape(-1, *value.shape)
        columns = torch.cat([vmap(along)(part) for part in units.split(at_once)])
        found[name] = columns.T.reshape(-1, *value.shape)
    return found


def _flat(happened: Pass, outputs: Sequence[str]) -> torch.Tensor:
    values = [torch.as_tensor(happened.sites[name]["value"]) for name in outputs]
    return torch.cat([value.reshape(-1) for value in values])


def _something(pins: Pins, count: int) -> Pins:
    """Add an axis of rows where nothing is pinned: vmap wants something to go over."""
    return {**pins, "": torch.zeros(count)}


def _narrowed(value: torch.Tensor, single: torch.Tensor, count: int) -> torch.Tensor:
    """Bring what came out under a plate to (count, own shape)."""
    own = single.shape[1:]
    rest = value.shape[1:]
    while len(rest) > len(own) and rest[0] == 1:
        rest = rest[1:]
    if value.ndim and len(value) == count and rest == own:
        return value.reshape(count, *own)
    return value.reshape(own).expand(count, *own)
