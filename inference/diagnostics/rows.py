"""How are the draws of all measurements together read, row by row of the worlds?

A row is one draw of everything that is measured. Rows are read twice, by parts of the
measurements: first to see what is there, how independent the draws are, and that all are numbers.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from inference.arrays.blocks import block_bounds, effective_draws
from inference.diagnostics.soundness import SLOWEST, refuse_few, refuse_holes
from inference.schema import CHAIN, DISCIPLE, DRAW, FUTURE, MEASUREMENT, parts

__all__ = ["Rows"]

NUMBERS = 2**21
SAMPLED = 50
"""Measurements of a part whose effective draws are judged: blocks need their quantile alone."""


class Rows:
    """Draws of all measurements, to be read by parts.

    Parameters
    ----------
    worlds, disciples, measurements
        As for :func:`inference.schema.flatten`.

    Attributes
    ----------
    disciples
        Names without ``erased``.
    measurements
        Their number.
    chains, draws, futures
        Lengths of the sample dims.
    bounds
        Blocks of rows, for the 5 % quantile of the effective draws of single measurements.

    Raises
    ------
    MeasurementError
        If a value is not finite.
    WorldError
        For fewer than 40 posterior draws.
    """

    def __init__(
        self,
        worlds: xr.DataTree | xr.Dataset,
        *,
        disciples: Sequence[str] | str | None,
        measurements: Sequence[str] | str | None,
    ) -> None:
        self._worlds = worlds
        self._wanted = {"disciples": disciples, "measurements": measurements}
        self.measurements = 0
        effective = []
        for part in parts(worlds, **self._wanted, numbers=NUMBERS):
            self.chains, self.draws = part.sizes[CHAIN], part.sizes[DRAW]
            self.futures = part.sizes.get(FUTURE, 1)
            self.disciples = [str(name) for name in part[DISCIPLE].values[1:]]
            refuse_few(self.chains * self.draws)
            refuse_holes(part)
            chosen = part.values[:: -(-len(part) // SAMPLED)]
            effective.append(effective_draws(np.ascontiguousarray(chosen)).min(axis=1))
            self.measurements += len(part)
        typical = float(np.quantile(np.concatenate(effective), SLOWEST))
        self.bounds = block_bounds(self.chains, self.draws, self.futures, effective=typical)

    def __len__(self) -> int:
        """Rows of each world."""
        return self.chains * self.draws * self.futures

    def parts(self) -> Iterator[np.ndarray]:
        """Values of some measurements after others, (measurement, world, row); erased first."""
        for _, values in self.labelled_parts():
            yield values

    def labelled_parts(self) -> Iterator[tuple[list[str], np.ndarray]]:
        """As :meth:`parts`, with the labels of the measurements."""
        for part in parts(self._worlds, **self._wanted, numbers=NUMBERS):
            values = np.ascontiguousarray(part.values).reshape(*part.shape[:2], -1)
            yield [str(label) for label in part[MEASUREMENT].values], values
