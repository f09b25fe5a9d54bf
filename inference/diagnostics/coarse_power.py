r"""How small a target did the disciple hit, seen through the measurements alone?

.. math:: \mathrm{bits}(W) = -\log_2 P(e,S,0)\{U(W') \ge U(W)\}
          \ \le\ -\log_2 P(e,S,0)(W)

A world with the disciple and one without are the same world where they lie in the same cell of the
measurements: that is what identifies :math:`X_6(S)` with :math:`X_6(\neg S)`. The right side needs
no utility: no preference whatever gives the cell more bits. It only means something where cells do
not show whether the disciple is there (``tells_switch``), for else every one of its worlds is new.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from inference.arrays.cells import Cells
from inference.arrays.joint_cells import cell_numbers, joint_keys
from inference.arrays.order.coarse import CoarseBits, coarse_bits
from inference.diagnostics.soundness import refuse_few, refuse_holes, refuse_nobody, slowest_latent
from inference.schema import (
    CHAIN,
    DISCIPLE,
    DRAW,
    MEASUREMENT,
    chosen_disciples,
    flatten,
    predictions,
    sample_dims,
)
from inference.utility_values import utility_values

__all__ = ["coarse_power"]


def coarse_power(
    worlds: xr.DataTree | xr.Dataset,
    utility: Callable[[Mapping[str, Any]], Any],
    *,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    cells: Cells | int = 16,
    cell_utility: str = "mean",
) -> xr.Dataset:
    """Measure optimization power between cells of worlds, and check that the cells may be used.

    Parameters
    ----------
    worlds, utility, disciples
        As in :func:`inference.diagnostics.optimization_power`.
    measurements
        Names that make the cells together; all by default. A few do: with many, every draw is in a
        cell of its own.
    cells
        How each is cut: number of equal-mass cells, or other
        :class:`~inference.arrays.cells.Cells`.
    cell_utility
        ``mean``, ``min`` or ``max`` of the utilities of the worlds in a cell, of both kinds.

    Returns
    -------
    xr.Dataset
        ``cell_bits`` (disciple, chain, draw[, future]), infinite in cells as good as which no
        erased draw is; by disciple ``mean_tail`` with ``mean_tail_mcse``; ``surprisal``, the most
        bits any preference could give the typical cell; ``unseen``, the share of draws in cells of
        no erased draw, beside ``missing``, what it would be had the disciple changed nothing (each
        with its ``_mcse``); ``tells_switch``, whether it is far more, so that ``surprisal`` must
        not be read.

    Raises
    ------
    MeasurementError, DiscipleError, WorldError
        As in ``optimization_power`` and ``coarse_graining``.

    References
    ----------
    .. [1] S. Armstrong, "Measuring optimisation power" (2012), *Measures and coarse-graining*.

    Examples
    --------
    >>> clips = np.random.default_rng(0).normal([[[0.0]], [[2.0]]], size=(2, 4, 1000))
    >>> drawn = xr.Dataset(
    ...     {"clips": (["disciple", "chain", "draw"], clips, {"role": "measurement"})},
    ...     coords={"disciple": ["erased", "greedy"]},
    ... )
    >>> found = coarse_power(drawn, lambda measured: measured["clips"])
    >>> 2.5 < found["mean_tail"].item() < 3.67, found["tells_switch"].item()  # fine: 3.67
    (True, False)
    """
    chosen = chosen_disciples(predictions(worlds)[DISCIPLE].values, disciples)[1:]
    refuse_nobody(chosen)
    flat = flatten(worlds, disciples=list(dict.fromkeys(chosen)), measurements=measurements)
    refuse_few(flat)
    refuse_holes(flat)
    names = [str(name) for name in flat[DISCIPLE].values]
    values = utility_values(predictions(worlds), names, utility)
    places = _places(flat, cells).reshape(len(names), *values.shape[1:])
    found = [
        coarse_bits(
            places[0],
            values.values[0],
            places[world],
            values.values[world],
            cell_utility,
            latents=slowest_latent(worlds),
        )
        for world in range(1, len(names))
    ]
    return _labelled(found, values, names[1:], [str(m) for m in flat[MEASUREMENT].values])


def _places(flat: xr.DataArray, cells: Cells | int) -> np.ndarray:
    """Give every draw the number of its cell, world after world."""
    cut = cells if isinstance(cells, Cells) else Cells.quantile(cells)
    draws = flat.values.reshape(*flat.shape[:2], -1)
    edges = cut.edges(draws[:, 0], flat.sizes[CHAIN] * flat.sizes[DRAW])
    keys = [joint_keys(cell_numbers(world, edges)) for world in draws.swapaxes(0, 1)]
    return np.unique(np.concatenate(keys), return_inverse=True)[1]


def _labelled(
    found: list[CoarseBits], values: xr.DataArray, names: list[str], measurements: list[str]
) -> xr.Dataset:
    lead = [DISCIPLE, *sample_dims(values)]
    own = (
        "mean_tail",
        "mean_tail_mcse",
        "unseen",
        "unseen_mcse",
        "missing",
        "missing_mcse",
        "tells_switch",
    )
    typical = [_typical(one.surprisal, one.share) for one in found]
    variables: dict[str, Any] = {
        "cell_bits": (lead, np.stack([one.draw_bits for one in found])),
        **{name: (DISCIPLE, [getattr(one, name) for one in found]) for name in own},
        "surprisal": (DISCIPLE, typical),
    }
    coords = {d: values.coords[d].values for d in lead[1:] if d in values.coords}
    coords[DISCIPLE] = np.array(names, dtype=object)
    return xr.Dataset(variables, coords, {"measurements": ", ".join(measurements)})


def _typical(surprisal: np.ndarray, share: np.ndarray) -> float:
    """Take the median of cells by the draws in them."""
    order = np.argsort(surprisal, kind="stable")
    return float(surprisal[order][np.searchsorted(np.cumsum(share[order]), 0.5)])
