r"""What do measurements make of the evidence by themselves, with all sites held where they are?

.. math:: E\left[\partial_e\, g(\mathrm{sites}, e)\right]

A measurement that is computed from the evidence changes with it in every draw, and no density
tells. Derivatives are averaged over blocks of draws as they come: never is there one for each.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from inference import schema
from inference.scores.rows import Mapped, Rows
from inference.scores.ways import Looking, Pins

__all__ = ["direct_means", "labels_of"]


def direct_means(
    ways: Mapping[str, Mapped],
    rows: Mapping[str, Rows],
    outputs: xr.Dataset,
    data: xr.Dataset,
    bounds: np.ndarray,
    *,
    reading: Sequence[str],
    watch: Callable[[int], Any],
) -> xr.Dataset:
    """Average the derivatives of measurements by the evidence over blocks of rows.

    Parameters
    ----------
    ways, rows
        Name of a world -> how it is run, and its draws.
    outputs, data
        Templates of the measurements and of the evidence sites: their own dims only.
    bounds
        Block j is ``bounds[j]:bounds[j + 1]``.
    reading
        Worlds in which a measurement is computed from the evidence; in the others it is 0.
    watch
        Told how many rows are done.

    Returns
    -------
    xr.Dataset
        `direct`, dims (disciple, score_block, measurement, datum).
    """
    measurements, labels = labels_of(outputs), labels_of(data)
    names, wanted = [str(n) for n in data.data_vars], [str(n) for n in outputs.data_vars]
    blocks = len(bounds) - 1
    means = np.zeros((len(ways), blocks, len(measurements), len(labels)))

    def task(way: Looking, pins: Pins, count: int) -> dict[str, torch.Tensor]:
        slopes = way.slopes(names, wanted, pins, count)
        parts = [slopes[name].reshape(len(measurements), -1) for name in names]
        return {"direct": torch.cat(parts, dim=1)}

    for world, (name, way) in enumerate(ways.items()):
        if name not in reading:
            continue
        for block in range(blocks):
            first, last = int(bounds[block]), int(bounds[block + 1])

            def take(part: slice, found: dict[str, torch.Tensor]) -> None:
                if part.start == first:  # noqa: B023 (called before the loop goes on)
                    means[world, block] = 0.0  # noqa: B023
                means[world, block] += found["direct"].double().numpy()  # noqa: B023

            way.over(task, rows[name], take, watch=watch, span=slice(first, last))
            means[world, block] /= last - first
    return xr.Dataset(
        {
            "direct": (
                (schema.DISCIPLE, schema.SCORE_BLOCK, schema.MEASUREMENT, schema.DATUM),
                means,
            )
        },
        coords={
            schema.DISCIPLE: list(ways),
            schema.SCORE_BLOCK: np.arange(blocks),
            schema.MEASUREMENT: measurements,
            schema.DATUM: labels,
        },
    )


def labels_of(template: xr.Dataset) -> list[str]:
    """Label each element, site by site, as ArviZ labels them.

    Examples
    --------
    >>> labels_of(xr.Dataset({"e": ("reading", [0.0, 0.0]), "s": 0.0}))
    ['e[0]', 'e[1]', 's']
    """
    flat = schema.flatten_data(template.expand_dims({schema.DRAW: 1}))
    return [str(label) for label in flat[schema.DATUM].values]
