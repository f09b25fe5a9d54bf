"""Where are the cells of worlds whose draws are not kept? A pilot of the erased world tells.

It has noise of its own, so that cells and counts are independent, and draws of the past spread
over all chains: sixteen cells and two tails want a thousand draws at least.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

import numpy as np

from inference import schema
from inference.arrays.cells import Cells
from inference.drawing import Drawing
from inference.keeping import STACKED, block_numbers, blocks_of_draws
from inference.pieces import Piece
from inference.simulation import Plan
from inference.unfinished import InMemory, Shelf, Unfinished
from inference.world_plans import WorldPlans

__all__ = ["find_edges", "pilot_draws"]

_MOST, _LEAST = 4096, 1024
_NUMBERS = 1 << 25
"""Numbers that a pilot of the larger size may hold."""
_AT_ONCE = 1 << 22
"""Numbers that are sorted at a time."""


def pilot_draws(plans: WorldPlans) -> int:
    """Say how many draws the pilot has."""
    numbers = sum(plans.site(name).value.numel() for name in plans.recorded)
    return min(plans.draws, _MOST if numbers * _MOST <= _NUMBERS else _LEAST)


def find_edges(
    plans: WorldPlans,
    cells: Cells,
    shelf: Shelf,
    *,
    executor: Executor | None,
    watch: Callable[[int], Any],
) -> dict[str, np.ndarray]:
    """Draw a pilot of the erased world, and cut each measurement into cells.

    Parameters
    ----------
    plans
        What is to be drawn; the first is the erased world.
    cells
        How measurements are cut.
    shelf
        Has room for the pilot, which need not fit in memory; or the edges of a finished run.
    executor, watch
        As in :meth:`inference.drawing.Drawing.run`.

    Returns
    -------
    dict of str to ndarray
        Measurement -> ascending edges, shape (numbers, edges), padded with infinity.
    """
    if isinstance(shelf, Unfinished) and shelf.finished:
        groups = {name: f"{schema.CELL_COUNTS}/{name}" for name in plans.recorded}
        found = {name: shelf.read(group, schema.CELL_EDGES)[...] for name, group in groups.items()}
        return {name: edges.reshape(-1, edges.shape[-1]) for name, edges in found.items()}
    draws = pilot_draws(plans)
    chosen = np.linspace(0, plans.draws - 1, draws).round().astype(int)
    pins = {name: values[chosen] for name, values in plans.pins.items()}
    erased = plans.plans[0]
    plan = replace(erased, draws=draws, key=(plans.seed, "pilot"), score=(), copies=1)
    sheets = _Sheets(plans, plan, shelf)
    Drawing([plan], pins, sheets, InMemory()).run(executor, watch)
    return {name: _cut(values, cells) for name, values in sheets.arrays.items()}


class _Sheets:
    """Keeps the pilot, one row a draw."""

    wanted = STACKED

    def __init__(self, plans: WorldPlans, plan: Plan, shelf: Shelf) -> None:
        self.blocks_per_piece = blocks_of_draws(plans)
        self.bytes_per_piece = 8 * self.blocks_per_piece * block_numbers(plans)
        sizes = {name: plans.site(name).value.numel() for name in plans.recorded}
        self.arrays = {
            name: shelf.scratch(name, (plan.draws, size), plans.dtype(name))
            for name, size in sizes.items()
        }

    def put(self, piece: Piece, kept: Mapping[str, np.ndarray]) -> None:
        """Write down a piece."""
        for name, values in kept.items():
            self.arrays[name][piece.rows] = values.reshape(len(values), -1)

    def holds(self, piece: Piece, kept: Mapping[str, np.ndarray]) -> bool:
        """Nothing was written before."""
        return False


def _cut(values: Any, cells: Cells) -> np.ndarray:
    """Cut measurements, a few at a time; all get as many edges as the one with the most."""
    draws, size = values.shape
    step = max(1, _AT_ONCE // draws)
    found = [
        cells.edges(np.ascontiguousarray(values[:, start : start + step].T))
        for start in range(0, size, step)
    ]
    if not found:
        return np.empty((0, 0))
    edges = np.full((size, max(part.shape[1] for part in found)), np.inf, found[0].dtype)
    for number, part in enumerate(found):
        edges[number * step : number * step + len(part), : part.shape[1]] = part
    return edges
