"""Which way serves to look at all rows of draws? The first that gives what single runs give."""

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from counterfactual_models.anatomy import translated
from counterfactual_models.handlers import isolated
from inference.passes import Program
from inference.scores.programs import unchecked
from inference.scores.ways import NUMBERS_AT_ONCE, ByPlate, ByVmap, Looking, OneByOne, Pins

__all__ = ["Mapped", "Rows"]

logger = logging.getLogger(__name__)

Task = Callable[[Looking, Pins, int], dict[str, torch.Tensor]]
"""What is asked of a way, for some rows."""

_LARGEST_CHUNK = 4096
_FEW = 4


@dataclass(frozen=True)
class Rows:
    """Values of sites, row by row.

    Parameters
    ----------
    past
        Latent -> its draws.
    count
        How many rows.
    draw
        Which draw of the past each row has; None where they are the rows.
    own
        Site -> its value in each row.
    """

    past: Mapping[str, np.ndarray]
    count: int
    draw: np.ndarray | None = None
    own: Mapping[str, Any] = field(default_factory=dict)

    def at(self, rows: Any) -> dict[str, torch.Tensor]:
        """Read some rows."""
        draw = rows if self.draw is None else self.draw[rows]
        found = {name: values[draw] for name, values in self.past.items()}
        found |= {name: values[rows] for name, values in self.own.items()}
        return {name: torch.from_numpy(np.array(values)) for name, values in found.items()}

    def few(self, number: int = _FEW) -> np.ndarray:
        """Pick some rows that lie far apart."""
        found: np.ndarray = np.unique(np.linspace(0, self.count - 1, number).astype(int))
        return found


class Mapped:
    """Goes over rows by the first way that gives what single runs give.

    Parameters
    ----------
    program, fixed, known
        As for :class:`Way`.

    Attributes
    ----------
    how
        ``vmap``, ``plate``, or ``loop: `` and why; empty before the first rows.
    """

    def __init__(
        self, program: Program, fixed: Pins | None = None, known: frozenset[str] = frozenset()
    ) -> None:
        self.program, self.how = program, ""
        self._ways: list[tuple[str, Looking]] = [
            (name, kind(program, fixed or {}, known))
            for name, kind in (("vmap", ByVmap), ("plate", ByPlate), ("loop", OneByOne))
        ]
        self._alone = self._ways[-1][1]
        self._held: list[Task] = []

    def over(
        self,
        task: Task,
        rows: Rows,
        take: Callable[[slice, dict[str, torch.Tensor]], None],
        *,
        watch: Callable[[int], Any] | None = None,
        span: slice | None = None,
        held: Task | None = None,
    ) -> None:
        """Do a task for all rows, chunk by chunk.

        Parameters
        ----------
        task
            What is asked of a way, for some rows.
        rows
            What is pinned.
        take
            Given the rows of a chunk and what came out; a chunk that begins with the first row
            begins anew.
        watch
            Told how many rows are done.
        span
            Which rows; all by default.
        held
            What is held against single runs, where the task itself draws random numbers.

        Raises
        ------
        WorldError
            If a single run fails.
        """
        span = span or slice(0, rows.count)
        told = watch or (lambda done: None)
        numbers = self.program.anatomy.numbers(scored=True)
        size = int(np.clip(NUMBERS_AT_ONCE // numbers, 1, _LARGEST_CHUNK))
        why = ""
        with isolated(0), unchecked(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what vmap is slow at
            while self._ways:
                name, way = self._ways[0]
                done = 0
                try:
                    if way is not self._alone and task not in self._held:
                        self._hold(way, held or task, rows)
                    for start in range(span.start, span.stop, size):
                        part = slice(start, min(start + size, span.stop))
                        take(part, _detached(task(way, rows.at(part), part.stop - part.start)))
                        done += part.stop - part.start
                        told(part.stop - part.start)
                except Exception as error:
                    if way is self._alone:
                        with translated(self.program.what):
                            raise
                    logger.info("%s: not by %s, because %s", self.program.what, name, error)
                    why = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
                    told(-done)
                    del self._ways[0]
                    self._held.clear()
                    continue
                self.how = self.how or (f"loop: {why}" if way is self._alone else name)
                return

    def abreast(self, task: Task, rows: Rows) -> bool:
        """Tell whether many draws can be run at once: then none goes a way of its own."""
        for _, way in self._ways[:-1]:
            try:
                with unchecked(), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    self._hold(way, task, rows)
                return True
            except Exception as error:
                logger.debug("%s: not abreast, because %s", self.program.what, error)
        return False

    def _hold(self, way: Looking, task: Task, rows: Rows) -> None:
        few = rows.few()
        here, there = (task(each, rows.at(few), len(few)) for each in (way, self._alone))
        for name, single in there.items():
            if not _same(here[name], single):
                raise RuntimeError(f"{name!r} comes out differently for many draws")
        self._held.append(task)


def _detached(found: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.detach() for name, value in found.items()}


def _same(many: torch.Tensor, single: torch.Tensor) -> bool:
    """Tell whether two results differ by rounding only."""
    if many.shape != single.shape:
        return False
    if not single.is_floating_point() or not single.numel():
        return torch.equal(many, single)
    size = single.double().square().mean().sqrt().nan_to_num(0.0, 0.0, 0.0)
    allowed = 8 * torch.finfo(single.dtype).eps ** 0.5 * (single.double().abs() + size)
    near = (many.double() - single.double()).abs() <= allowed
    return bool((near | (many == single) | (many.isnan() & single.isnan())).all())
