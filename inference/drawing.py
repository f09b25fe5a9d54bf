"""How are all worlds drawn, piece by piece, each piece once?

The first piece of a world shows how the others are run. Where a later one shows that draws cannot
be run at once after all, the whole world is drawn again one draw at a time. Neither depends on who
draws what when, so one process, many, and a run that was stopped and gone on with give the same
bits.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict
from functools import partial
from typing import Any, Protocol

import numpy as np

from counterfactual_models.errors import WorldError
from inference.executors import stream_jobs
from inference.pieces import Outcome, Piece, Wanted, cut, draw_piece
from inference.simulation import Plan, Way
from inference.unfinished import Shelf

__all__ = ["Drawing", "Keeper"]

logger = logging.getLogger(__name__)

_AHEAD = 1 << 28
"""Bytes of results that may wait to be written down."""


class Keeper(Protocol):
    """What is kept of the worlds, and where."""

    @property
    def wanted(self) -> Wanted:
        """What workers are asked for."""

    @property
    def blocks_per_piece(self) -> int:
        """Into how long pieces worlds are cut."""

    @property
    def bytes_per_piece(self) -> int:
        """How much a worker sends back."""

    def put(self, piece: Piece, kept: Any) -> None:
        """Write down a piece."""

    def holds(self, piece: Piece, kept: Any) -> bool:
        """Tell whether a piece that was written before is the same to the bit."""


class Drawing:
    """Draws the worlds, and knows which pieces are done.

    Parameters
    ----------
    plans
        What is drawn, world by world.
    pins
        Latent -> its draws, shared by all worlds.
    keeper
        What is kept.
    shelf
        Where pieces are marked.

    Attributes
    ----------
    ways
        How each world is run; None as long as its first piece has not shown it.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        pins: Mapping[str, np.ndarray],
        keeper: Keeper,
        shelf: Shelf,
    ) -> None:
        self.plans, self.pins, self.keeper, self.shelf = plans, pins, keeper, shelf
        self.done: dict[str, Way] = {}
        marked: dict[str, list[Way]] = {}
        for piece, note in shelf.marks.items():
            self.done[piece] = Way(**note)
            marked.setdefault(piece.split("-")[0], []).append(self.done[piece])
        self.ways = [self._known(world, marked) for world in range(len(plans))]
        # What was drawn before is held against its first piece, drawn anew: a policy that closes
        # over another number than before has the same text.
        self.doubtful = {world for world, way in enumerate(self.ways) if way is not None}

    def run(self, executor: Executor | None, watch: Callable[[int], Any]) -> None:
        """Draw what is missing; `watch` is told how many draws are done.

        Raises
        ------
        WorldError
            If a draw fails; or if what was drawn before a stop comes out differently now.
        """
        work = partial(draw_piece, self.keeper.wanted)
        ahead = int(np.clip(_AHEAD // self.keeper.bytes_per_piece, 4, 1024))
        worlds = range(len(self.plans))
        watch(sum(map(self._drawn, worlds)))
        while missing := [piece for world in worlds for piece in self._next(world)]:
            refused: dict[int, tuple[int, Way]] = {}
            for place, outcome in stream_jobs(work, missing, executor=executor, ahead=ahead):
                piece = missing[place]
                if outcome.kept is None:
                    found = piece.number, outcome.way
                    refused[piece.world] = min(found, refused.get(piece.world, found), key=_number)
                elif piece.world not in refused:
                    watch(self._take(piece, outcome))
            for world, (_, way) in refused.items():
                what = self.plans[world].program.what
                logger.info("%s: one run per draw, because %s", what, way.refused)
                watch(-self._drawn(world))
                self.ways[world] = way

    def complete(self, world: int) -> bool:
        """Tell whether a world is drawn whole."""
        return world not in self.doubtful and bool(self.ways[world]) and not self._next(world)

    def _known(self, world: int, marked: Mapping[str, Sequence[Way]]) -> Way | None:
        """See from the marks of an earlier run how a world is run."""
        found = marked.get(_key(world, 0).split("-")[0], ())
        return next((way for way in found if way.refused), self.done.get(_key(world, 0)))

    def _pieces(self, world: int) -> Iterator[Piece]:
        way = self.ways[world] or Way()
        return cut(world, self.plans[world], self.pins, way, blocks=self.keeper.blocks_per_piece)

    def _is_done(self, piece: Piece) -> bool:
        way = self.done.get(_key(piece.world, piece.number))
        return way is not None and way.refused == piece.way.refused

    def _next(self, world: int) -> list[Piece]:
        """Pieces that are to be drawn: the first alone, as long as it has not shown the way."""
        pieces = list(self._pieces(world))
        if self.ways[world] is None:
            return pieces[:1]
        if world in self.doubtful:  # nothing is added before what is there has been held
            return [next((p for p in pieces if self._is_done(p)), pieces[0])]
        return [p for p in pieces if not self._is_done(p)]

    def _drawn(self, world: int) -> int:
        done = [p.draws for p in self._pieces(world) if self._is_done(p)]
        return sum(draws.stop - draws.start for draws in done)

    def _take(self, piece: Piece, outcome: Outcome) -> int:
        """Write a piece down; return how many draws further that is."""
        stored = piece.world in self.doubtful and self._is_done(piece)
        held = stored and self.keeper.holds(piece, outcome.kept)
        # A finished store holds every piece: what is run in another way now is another world.
        if (stored or self.shelf.finished) and not held:
            raise WorldError(
                f"{piece.plan.program.what} comes out differently than what is stored: the "
                "world, the policy, what they close over, or the machine has changed. Remove "
                "what is stored, or take another store."
            )
        self.doubtful.discard(piece.world)
        if stored:
            return 0
        self.keeper.put(piece, outcome.kept)
        if self.ways[piece.world] is None:
            self.ways[piece.world] = outcome.way
        key = _key(piece.world, piece.number)
        self.done[key] = outcome.way
        self.shelf.mark(key, asdict(outcome.way))
        return piece.draws.stop - piece.draws.start


def _key(world: int, number: int) -> str:
    return f"{world:05d}-{number:07d}"


def _number(found: tuple[int, Way]) -> int:
    return found[0]
