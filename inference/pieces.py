"""How is a piece of a world drawn, here or in another process?

A piece is a run of blocks of one world. Its random numbers come from its place alone, so it is the
same to the bit wherever and whenever it is drawn, and may be drawn again when a worker was lost.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from counterfactual_models.errors import WorldError
from inference.posterior.engine import one_thread
from inference.simulation import Draws, NotVectorisable, Plan, Way, keep_memory, run_block

__all__ = ["Outcome", "Piece", "Sheet", "Wanted", "cut", "draw_piece"]


class Sheet(Protocol):
    """What is written down of a piece, block by block."""

    def put(self, first: int, block: Draws) -> None:
        """Write down a block whose first row is `first`."""

    def result(self) -> Any:
        """Give what is to be sent back."""


class Wanted(Protocol):
    """What is to be kept of the draws: the draws, or counts of them. Sent to every worker."""

    def sheet(self) -> Sheet:
        """Begin a piece."""


@dataclass(frozen=True)
class Piece:
    """A run of blocks of one world.

    Parameters
    ----------
    world, number
        Which world, and which of its pieces.
    plan
        What is drawn, and how it is cut into blocks.
    first, last
        The blocks from `first` to before `last`.
    pins
        Latent -> its values in the draws of this piece.
    way
        How to run it: as the first block of the world showed.
    """

    world: int
    number: int
    plan: Plan
    first: int
    last: int
    pins: Mapping[str, np.ndarray]
    way: Way

    @property
    def draws(self) -> slice:
        """Draws of the world that it holds."""
        return self.plan.rows(self.first, self.last)

    @property
    def rows(self) -> slice:
        """Rows of the world that it holds: each draw has as many as it has futures."""
        copies = self.plan.copies
        return slice(self.draws.start * copies, self.draws.stop * copies)


@dataclass(frozen=True)
class Outcome:
    """What came of a piece.

    Parameters
    ----------
    kept
        What was to be kept; None where the piece shows that draws cannot be run at once.
    way
        How the other pieces are to be run.
    """

    kept: Any
    way: Way


def cut(
    world: int, plan: Plan, pins: Mapping[str, np.ndarray], way: Way, *, blocks: int
) -> Iterator[Piece]:
    """Cut a world into pieces of so many blocks."""
    for number, first in enumerate(range(0, plan.blocks, blocks)):
        last = min(first + blocks, plan.blocks)
        rows = plan.rows(first, last)
        own = {name: values[rows] for name, values in pins.items()}
        yield Piece(world, number, plan, first, last, own, way)


def draw_piece(wanted: Wanted, piece: Piece) -> Outcome:
    """Draw a piece on one thread, so that sums keep one order whatever the machine.

    Raises
    ------
    WorldError
        If a draw fails, has other sites or shapes than another, or gives what is not finite.
    """
    plan, way, sheet = piece.plan, piece.way, wanted.sheet()
    sites = plan.program.anatomy.sites
    keep_memory()
    with one_thread():
        for number in range(piece.first, piece.last):
            rows = plan.rows(number, number + 1)
            within = slice(rows.start - piece.draws.start, rows.stop - piece.draws.start)
            pins = {
                name: torch.from_numpy(values[within]).to(sites[name].value.device)
                for name, values in piece.pins.items()
            }
            try:
                block, after = run_block(plan, number, pins, way)
            except NotVectorisable as error:
                return Outcome(None, Way(refused=str(error)))
            if number == 0:  # what it shows serves every later block, in whatever order
                way = after
            _refuse_other_types(plan, block)
            sheet.put(rows.start * plan.copies, block)
    return Outcome(sheet.result(), way)


def _refuse_other_types(plan: Plan, block: Draws) -> None:
    """Refuse values that would be cut off: fractions where one run had whole numbers."""
    for name, values in block.values.items():
        known = plan.program.anatomy.sites[name].value.dtype
        if not torch.can_cast(values.dtype, known):
            raise WorldError(
                f"{plan.program.what}: {name!r} is of type {values.dtype} in some draws and of "
                f"{known} in others; give it one type in all, such as torch.tensor(0.0) for 0."
            )
