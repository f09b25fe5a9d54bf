"""What every engine of the posterior gives back, and how a run is watched."""

import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from inference.posterior.question import Question
from inference.simulation import Draws, block_size, run, trusted

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
) -> tuple[Draws, str]:
    """Draw the past from its prior, in blocks; score its evidence.

    Returns
    -------
    tuple of Draws and str
        The latents and the log-probability of each piece of evidence, first axis = draws; and how
        it was vectorised.
    """
    program = question.program
    size = block_size(program.anatomy, scored=True)
    plate, why = trusted(program, {}, draws=draws, key=(seed, "past"))
    blocks = []
    with bar(draws, what, progress) as shown:
        for start in range(0, draws, size):
            count = min(size, draws - start)
            key = (seed, "past", start // size)
            names = list(question.latents)
            blocks.append(
                run(
                    program,
                    {},
                    draws=count,
                    key=key,
                    record=names,
                    score=list(program.evidence),
                    plate=plate,
                )
            )
            shown.update(count)
    values = {n: torch.cat([b.values[n] for b in blocks]) for n in question.latents}
    scores = {n: torch.cat([b.log_prob[n] for b in blocks]) for n in program.evidence}
    return Draws(values, scores), "plate" if plate else f"loop: {why}"
