"""What memory and disk will it take to draw these worlds, and is there room?"""

import logging
import os
import shutil
import sys
import warnings

from counterfactual_models.errors import ImpactWarning, WorldError
from inference.arrays.cells import Cells
from inference.pilot import pilot_draws
from inference.unfinished import Shelf, Unfinished
from inference.world_plans import WorldPlans

__all__ = ["say_costs"]

logger = logging.getLogger(__name__)

_LIBRARIES = 300 << 20
_BYTES_A_NUMBER = 24
"""What a number of a block takes while it is drawn: its value, its copies, its check."""
_PARTS = 80
"""Parts that the counts of a world come in: forty blocks of draws, cut by forty pieces."""
_SAID_FROM = 1 << 30


def say_costs(plans: WorldPlans, cells: Cells | None, shelf: Shelf, *, progress: bool) -> str:
    """Say what it will take, before it is begun.

    Parameters
    ----------
    plans
        What is drawn.
    cells
        How draws are counted; None if every draw is kept.
    shelf
        Where the arrays go.
    progress
        Whether to write it to the terminal, where it takes a disk or a gigabyte.

    Returns
    -------
    str
        What is said.

    Raises
    ------
    WorldError
        If the disk has no room for it.

    Warns
    -----
    ImpactWarning
        If the machine has less memory than it would take.
    """
    numbers = sum(plans.site(name).value.numel() for name in plans.recorded)
    rows = plans.draws * plans.futures
    memory = _LIBRARIES + plans.plans[0].size * plans.whole.numbers(scored=False) * _BYTES_A_NUMBER
    if cells is None:
        sizes = (plans.site(n).value.numel() * plans.dtype(n).itemsize for n in plans.recorded)
        kept = len(plans.names) * rows * sum(sizes)
    else:
        kept = len(plans.names) * numbers * (cells.count + 3) * _PARTS
        kept += 4 * pilot_draws(plans) * numbers
        memory += 8 * numbers * (cells.count + 2)
    on_disk = isinstance(shelf, Unfinished)
    memory += 0 if on_disk else kept
    text = (
        f"{len(plans.names)} worlds of {rows:,} draws, {numbers:,} numbers each: about "
        f"{_size(memory)} of memory{f', up to {_size(kept)} of disk' * on_disk}"
    )
    logger.info(text)
    if progress and (on_disk or memory > _SAID_FROM):
        sys.stderr.write(f"{text}\n")
    _refuse_no_room(text, kept, memory, shelf)
    return text


def _refuse_no_room(text: str, kept: int, memory: int, shelf: Shelf) -> None:
    if isinstance(shelf, Unfinished):
        free = shutil.disk_usage(shelf.path.parent).free
        written = sum(f.stat().st_size for f in shelf.folder.rglob("*") if f.is_file())
        if free + written < kept:
            raise WorldError(
                f"{text}; only {_size(free)} are free in {shelf.path.parent}. Take another disk, "
                "fewer disciples or draws, or keep='summary'."
            )
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if memory > there:
        warnings.warn(
            f"{text}; this machine has {_size(there)}. Give store=, or keep='summary'.",
            ImpactWarning,
            stacklevel=4,
        )


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count > 1e9 else f"{count / 1e6:.0f} MB"
