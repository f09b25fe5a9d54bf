"""What every engine of the posterior is told, what it gives back, and how a run is watched."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from inference.posterior.question import Question
from inference.simulation import Draws, block_size, simulate

__all__ = ["Drawn", "Order", "bar", "one_thread", "simulate_past"]


@dataclass(frozen=True)
class Order:
    """How much is asked of an engine, the same for all.

    Parameters
    ----------
    draws, chains
        Draws per chain, and chains.
    seed
        What all random numbers are derived from.
    warmup
        Iterations before the draws; None leaves it to the engine.
    thin
        Iterations for each draw that is kept.
    save_warmup
        Whether these are returned too.
    compile
        Who runs the graph of the density: ``auto``, or a name of ``executors.EXECUTORS``.
    progress
        Whether to show a bar.
    """

    draws: int
    chains: int
    seed: int
    warmup: int | None = None
    thin: int = 1
    save_warmup: bool = False
    compile: str = "auto"
    progress: bool = False

    @property
    def total(self) -> int:
        """How many draws are asked for."""
        return self.draws * self.chains


@dataclass(frozen=True)
class Drawn:
    """Draws of the past given the evidence.

    Parameters
    ----------
    values
        Latent -> tensor (chain, draw, ...).
    stats
        Per-draw statistics under ArviZ's names -> array (chain, draw).
    attrs
        What else is to be known of the run.
    warmup_values, warmup_stats
        The same for the warm-up, where it was asked for.
    state
        What the engine needs to go on: name -> array.
    """

    values: dict[str, torch.Tensor]
    stats: Mapping[str, np.ndarray] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    warmup_values: Mapping[str, torch.Tensor] = field(default_factory=dict)
    warmup_stats: Mapping[str, np.ndarray] = field(default_factory=dict)
    state: Mapping[str, np.ndarray] = field(default_factory=dict)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: sums keep one order, whatever the machine.

    And products of small matrices cost a thousand times more on two when other work runs.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def bar(total: int, what: str, progress: bool) -> tqdm:
    """Make a progress bar; silent when asked to be, or when nobody looks at a terminal."""
    return tqdm(
        total=total,
        desc=what,
        disable=not (progress and sys.stderr.isatty()),
        leave=False,
        mininterval=0.2,
    )


def simulate_past(
    question: Question, *, draws: int, seed: int, progress: bool, what: str
) -> Draws:
    """Draw the past from its prior, and score its evidence; first axis = draws."""
    with bar(draws, what, progress) as shown:
        return simulate(
            question.program,
            {},
            draws=draws,
            key=(seed, "past"),
            record=list(question.latents),
            score=question.data,
            size=block_size(question.program.anatomy, scored=True),
            watch=shown.update,
        )
