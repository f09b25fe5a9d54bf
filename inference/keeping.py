"""What is kept of the worlds: every draw, or counts of the draws in the cells of the erased world.

Both are cut into pieces that any process may draw. It sends back what is to be kept, and one
process alone writes that down.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from inference import schema
from inference.arrays.blocks import block_bounds
from inference.arrays.cell_counts import CellCounts, counting_dtype
from inference.arrays.cells import Cells
from inference.labels import Labels
from inference.pieces import Piece, Sheet
from inference.simulation import Draws
from inference.unfinished import InMemory, Shelf
from inference.world_plans import WorldPlans

__all__ = ["LOG_WEIGHT", "STACKED", "Counts", "EveryDraw", "block_numbers", "blocks_of_draws"]

LOG_WEIGHT = ""
"""Where the log-probability of evidence after the switch is kept: no site has this name."""

_NUMBERS = 1 << 23
_PIECES = 40
"""Pieces that a world whose draws are counted is cut into, at most: each leaves counts."""


def block_numbers(plans: WorldPlans) -> int:
    """Count the numbers that a block of draws holds."""
    return plans.plans[0].size * plans.whole.numbers(scored=False)


def blocks_of_draws(plans: WorldPlans) -> int:
    """Say how many blocks make a piece of some ten million numbers, all of them kept."""
    return max(1, _NUMBERS // block_numbers(plans))


@dataclass(frozen=True)
class _Stacked:
    """Sent to workers: keep every draw."""

    def sheet(self) -> Sheet:
        return _Stack()


STACKED = _Stacked()
"""Asks workers for every draw of what is recorded."""


class _Stack:
    def __init__(self) -> None:
        self.blocks: list[dict[str, np.ndarray]] = []

    def put(self, first: int, block: Draws) -> None:
        arrays = {name: values.cpu().numpy() for name, values in block.values.items()}
        if block.log_prob:
            scores = [s.double().reshape(len(s), -1).sum(1) for s in block.log_prob.values()]
            arrays[LOG_WEIGHT] = sum(scores[1:], scores[0]).cpu().numpy()
        self.blocks.append(arrays)

    def result(self) -> dict[str, np.ndarray]:
        if len(self.blocks) == 1:
            return self.blocks[0]
        return {n: np.concatenate([block[n] for block in self.blocks]) for n in self.blocks[0]}


class _Written(ABC):
    """Arrays by name, and the place of each part of a piece in them."""

    arrays: dict[str, Any]

    def put(self, piece: Piece, kept: Mapping[str, Any]) -> None:
        """Write down a piece."""
        for name, place, values in self._placed(piece, kept):
            self.arrays[name][place] = values

    def holds(self, piece: Piece, kept: Mapping[str, Any]) -> bool:
        """Tell whether a piece that was written before is the same to the bit."""
        return all(
            np.array_equal(self.arrays[name][place], values)
            for name, place, values in self._placed(piece, kept)
        )

    @abstractmethod
    def _placed(
        self, piece: Piece, kept: Mapping[str, Any]
    ) -> Iterator[tuple[str, tuple[Any, ...], np.ndarray]]:
        """Yield name, place and values of what a piece leaves."""


class EveryDraw(_Written):
    """Keeps every draw of what is recorded, labelled as the tree wants it.

    Parameters
    ----------
    plans
        What is drawn.
    labels
        Names of the axes.
    shelf
        Where the arrays are.
    """

    wanted = STACKED

    def __init__(self, plans: WorldPlans, labels: Labels, shelf: Shelf) -> None:
        self.plans, self.on_disk = plans, not isinstance(shelf, InMemory)
        self.blocks_per_piece = blocks_of_draws(plans)
        self.bytes_per_piece = 8 * self.blocks_per_piece * block_numbers(plans)
        self.dims = [schema.DISCIPLE, *plans.lead]
        shapes = {name: tuple(plans.site(name).value.shape) for name in plans.recorded}
        self.arrays = {
            name: shelf.array(
                "predictions",
                name,
                [len(plans.names), *plans.shape, *own],
                plans.dtype(name),
                [*self.dims, *labels.of(name)],
                {schema.ROLE: plans.site(name).role},
                rows=self.blocks_per_piece * plans.plans[0].step,
            )
            for name, own in shapes.items()
        }
        if plans.later:
            size = [len(plans.names), *plans.shape]
            self.arrays[LOG_WEIGHT] = np.empty(size)

    def _placed(
        self, piece: Piece, kept: Mapping[str, np.ndarray]
    ) -> Iterator[tuple[str, tuple[Any, ...], np.ndarray]]:
        length = self.plans.shape[1]
        futures = self.plans.shape[2:]
        first, last = piece.draws.start, piece.draws.stop
        for chain in range(first // length, -(-last // length)):
            start, stop = max(first, chain * length), min(last, (chain + 1) * length)
            place = piece.world, chain, slice(start - chain * length, stop - chain * length)
            for name, values in kept.items():
                draws = values.reshape(last - first, *futures, *values.shape[1:])
                yield name, place, draws[start - first : stop - first]


@dataclass(frozen=True)
class _Counted:
    """Sent to workers: count the draws in cells."""

    edges: Mapping[str, np.ndarray]
    bounds: np.ndarray

    def sheet(self) -> Sheet:
        return _Tally(self)


class _Tally:
    """Counts draws; waits for some millions of them, as each count reads all edges."""

    def __init__(self, wanted: _Counted) -> None:
        self.counts = {n: CellCounts(edges, wanted.bounds) for n, edges in wanted.edges.items()}
        self.waiting: dict[str, list[np.ndarray]] = {name: [] for name in self.counts}
        self.first = 0
        self.numbers = 0

    def put(self, first: int, block: Draws) -> None:
        if not self.numbers:
            self.first = first
        for name, values in self.waiting.items():
            rows = block.values[name].cpu().numpy()
            values.append(rows.reshape(len(rows), -1))
            self.numbers += rows.size
        if self.numbers >= _NUMBERS:
            self._count()

    def result(self) -> dict[str, dict[int, np.ndarray]]:
        if self.numbers:
            self._count()
        return {name: counts.parts() for name, counts in self.counts.items()}

    def _count(self) -> None:
        for name, values in self.waiting.items():
            rows = values[0] if len(values) == 1 else np.concatenate(values)
            values.clear()
            self.counts[name].update(rows, self.first)
        self.numbers = 0


class Counts(_Written):
    """Keeps how many draws of each block of draws lie in each cell.

    A piece and a block of draws need not end at the same draw: what a piece leaves of a block is a
    part of it, and the parts of a block add up.

    Parameters
    ----------
    plans
        What is drawn.
    labels
        Names of the axes.
    shelf
        Where the arrays are.
    cells, edges
        How measurements are cut; measurement -> edges of its cells, shape (numbers, edges).
    """

    def __init__(
        self,
        plans: WorldPlans,
        labels: Labels,
        shelf: Shelf,
        cells: Cells,
        edges: Mapping[str, np.ndarray],
    ) -> None:
        self.cells = cells
        self.plans, self.on_disk = plans, not isinstance(shelf, InMemory)
        step = plans.plans[0].step
        self.blocks_per_piece = max(1, -(-plans.plans[0].blocks // _PIECES))
        draws = self.blocks_per_piece * step
        self.bounds = block_bounds(
            plans.chains,
            plans.draws // plans.chains,
            plans.futures,
            effective=float(plans.draws),
        )
        self.wanted = _Counted(edges, self.bounds)
        rows = np.arange(0, plans.draws, draws) * plans.futures
        starts = np.union1d(self.bounds[:-1], rows)
        self.blocks = np.searchsorted(self.bounds, starts, side="right") - 1
        pieces = np.searchsorted(rows, starts, side="right") - 1
        self.parts = {
            (int(piece), int(block)): part
            for part, (piece, block) in enumerate(zip(pieces, self.blocks, strict=True))
        }
        most = counting_dtype(np.diff(self.bounds).max())
        self.bytes_per_piece = 2 * sum(most.itemsize * cuts.size for cuts in edges.values())
        self.arrays, self.edges = {}, {}
        for name, cuts in edges.items():
            group, own = f"{schema.CELL_COUNTS}/{name}", tuple(plans.site(name).value.shape)
            size = [len(plans.names), len(starts), cuts.shape[1] + 1, *own]
            dims = [schema.DISCIPLE, schema.PART, schema.CELL, *labels.of(name)]
            self.arrays[name] = shelf.array(group, schema.CELL_COUNTS, size, most, dims, {})
            dims = [*labels.of(name), schema.EDGE]
            size = [*own, cuts.shape[1]]
            self.edges[name] = shelf.array(group, schema.CELL_EDGES, size, cuts.dtype, dims, {})
            if not shelf.finished:
                self.edges[name][...] = cuts.reshape(size)

    def _placed(
        self, piece: Piece, kept: Mapping[str, Mapping[int, np.ndarray]]
    ) -> Iterator[tuple[str, tuple[Any, ...], np.ndarray]]:
        for name, parts in kept.items():
            own = tuple(self.plans.site(name).value.shape)
            for block, counts in parts.items():
                place = piece.world, self.parts[piece.number, block]
                yield name, place, counts.reshape(len(counts), *own)
