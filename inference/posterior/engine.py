"""What every engine of the posterior gives back, and how a run is watched."""

import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from inference.posterior.question import Question
from inference.simulation import Draws, block_size, simulate

__all__ = ["Drawn", "bar", "simulate_past"]


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
    """

    values: dict[str, torch.Tensor]
    stats: dict[str, np.ndarray] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)


def bar(total: int, what: str, progress: bool) -> tqdm:
    """Make a progress bar; silent when asked to be, or when nobody looks at a terminal."""
    return tqdm(
        total=total, desc=what, disable=not (progress and sys.stderr.isatty()), leave=False
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
