r"""Which numbers stand for the coarse-grained future, all measurements together?

Outputs of all measurements, in every world, in units of the erased world: whitened there, so that
what two measurements both say counts once and the same change counts the same in every world.
Whitening by draws shrinks slopes; what they have lost is given back here, once for all.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from counterfactual_models.errors import CounterfactualError, ImpactWarning, MeasurementError
from inference.arrays.cells import Cells, fewer_edges
from inference.arrays.features import indicators, powers
from inference.arrays.whitening import unbiased, whitener
from inference.diagnostics.scored import ScoredWorlds

__all__ = ["OUTPUTS", "Outputs", "whitened_outputs"]

OUTPUTS = ("cells", "moments", "measurements")
CELLS = 8
FEW, TOO_MANY = 20, 5
"""Rows for each output under which a warning is due, and under which nothing is said."""


@dataclass(frozen=True)
class Outputs:
    """Whitened outputs of all worlds, the slopes of which are not shrunk.

    Parameters
    ----------
    measurements
        Labels that they speak of.
    rows
        World -> (output, row); rows meet those of the scores.
    direct
        World -> means over blocks of their own derivatives (block, output, datum), or None.
    cells
        Cells of each measurement, if they are cells; else 0.
    """

    measurements: list[str]
    rows: dict[str, np.ndarray]
    direct: dict[str, np.ndarray | None]
    cells: int = 0


def whitened_outputs(
    scored: ScoredWorlds, *, outputs: str = "cells", cells: int | None = None, own: bool = False
) -> Outputs:
    """Take the outputs of every world, whitened by the erased one, or each by itself.

    Parameters
    ----------
    scored
        The worlds.
    outputs
        ``cells``: indicators; ``moments``: level and squared distance from the erased mean;
        ``measurements``: the level alone.
    cells
        Equally likely cells for each measurement: 8, or fewer where there are too few rows for
        so many outputs.
    own
        Cut and whiten every world by itself: slopes then have the length of the Fisher information
        that the world itself gives, and cannot be compared between worlds.

    Returns
    -------
    Outputs

    Raises
    ------
    CounterfactualError
        If there are fewer than five rows for each output.
    MeasurementError
        If nothing varies in the erased world.

    Warns
    -----
    ImpactWarning
        If there are fewer than twenty rows for each output.
    """
    if outputs not in OUTPUTS:
        raise CounterfactualError(f"got outputs={outputs!r}; expected one of {OUTPUTS}.")
    every = scored.everything()
    labels, values = every.measurements, every.values
    count = _cells(scored, len(labels), outputs, cells)
    if outputs != "measurements":
        scored.refuse_direct(labels, "its distribution")
    draws, copies = scored.chains * scored.draws, scored.futures if scored.by_future else 1
    rows: dict[str, np.ndarray] = {}
    direct: dict[str, np.ndarray | None] = {}
    for number, world in enumerate(scored.disciples):
        if own or not number:
            cut = _features(values[:, number], outputs, count, draws)
            found = whitener(_covariance(values[:, number], cut))
            if not number and not len(found):
                raise MeasurementError(
                    f"none of {labels[:3]} varies in the erased world, so there is no scale to "
                    "judge slopes by: measure something that is not certain."
                )
            if len(found):  # where nothing varies, nothing moves in the units of any world
                features, white, first = cut, found, number
        mine = white @ features(values[:, number], scored.averaged)
        if first == number:
            reference = mine
        given = scored.direct(world, labels)
        given = None if given is None else (white / features.scale) @ given
        rows[world], direct[world] = unbiased(
            mine, reference, scored.bounds, futures=copies, direct=given
        )
    return Outputs(labels, rows, direct, count)


@dataclass(frozen=True)
class _Features:
    """How a world's values (measurement, draw, future) become outputs (output, row)."""

    kind: str
    edges: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    def __call__(
        self, values: np.ndarray, averaged: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        if self.kind == "cells":  # the last share is one minus the others
            found = indicators(values, self.edges, averaged)[:, :-1].astype(np.float64)
        else:
            apart = (values - self.centre[:, None, None]) / self.scale[:, None, None]
            found = powers(apart, 0 * self.centre, averaged)
            found = found[:, : 2 if self.kind == "moments" else 1]
        return found.reshape(-1, found.shape[-1])


def _features(erased: np.ndarray, kind: str, cells: int, draws: int) -> _Features:
    flat = erased.reshape(len(erased), -1)
    cut = Cells.quantile(max(2, cells), tails=0.0)
    scale = flat.std(axis=1, dtype=np.float64)
    return _Features(
        kind,
        fewer_edges(cut.edges(flat, draws), flat, max(2, cells)),
        flat.mean(axis=1, dtype=np.float64),
        np.where(scale > 0, scale, 1.0),
    )


def _covariance(values: np.ndarray, features: _Features) -> np.ndarray:
    """Covariance of the outputs of single draws, (output, output), a future at a time."""
    futures = values.shape[-1]
    total = mean = np.zeros(())
    for future in range(futures):
        own = features(values[..., future : future + 1], _single)
        mean = mean + own.mean(axis=1) / futures
        total = total + own @ own.T / (own.shape[1] * futures)
    found: np.ndarray = total - np.outer(mean, mean)
    return found


def _single(values: np.ndarray) -> np.ndarray:
    return values[..., 0]


def _cells(scored: ScoredWorlds, measurements: int, kind: str, asked: int | None) -> int:
    """Cells for each measurement; refuse more outputs than the rows can bear."""
    rows = scored.effective * scored.futures
    count = 0
    if kind == "cells":
        count = asked or int(np.clip(1 + rows / FEW / measurements, 2, CELLS))
    outputs = measurements * {"cells": count - 1, "moments": 2}.get(kind, 1)
    said = (
        f"{outputs} outputs ({measurements} measurements"
        f"{f' in {count} cells' if count else ''}) and {rows:.0f} effective rows"
    )
    if outputs * TOO_MANY > rows:
        raise CounterfactualError(
            f"got {said}; expected {TOO_MANY} rows for each output at the least: keep fewer "
            "measurements (measurements=[...]), or draw more."
        )
    if outputs * FEW > rows:
        warnings.warn(
            f"there are {said}: so few shrink slopes by some {100 * outputs / rows:.0f} %, which "
            "is given back on average. Draw more, or keep fewer measurements.",
            ImpactWarning,
            stacklevel=4,
        )
    return count
