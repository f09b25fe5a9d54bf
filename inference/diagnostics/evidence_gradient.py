r"""How would the future change if a datum had been a little different?

.. math:: \frac{d\,E[g]}{d e_j} = \mathrm{Cov}(g, s_j) + E[\partial_{e_j} g], \qquad
          s_j = \partial_{e_j} \log p(\mathrm{past}, e, \mathrm{future})

for every output g and datum e_j of each world, from the draws there are: no refit. Scores and
derivatives are taken at fixed sample sites; the disciple S is held fixed, too: if a master picks S
from e, that is another derivative.

The slope is that of the mean at the evidence as it was. It may vanish by accident where the
evidence sits on a top; a finite change, ``leave_out`` or ``revise``, tells.

* ``gradient``: the slope, in units of the output per unit of the datum;
* ``mcse``: its Monte Carlo standard error, from blocks of draws that are centred together;
* the coordinate ``scale``, where known: the standard deviation of the datum given the others.
  gradient x scale is what one such deviation would have changed.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import CounterfactualError
from inference.arrays.cells import Cells
from inference.arrays.features import indicators, powers
from inference.arrays.score_covariance import slopes
from inference.diagnostics.scored import Given, ScoredWorlds, with_outputs
from inference.schema import DATUM, DISCIPLE, MEASUREMENT

__all__ = ["evidence_gradient"]

KINDS = ("measurements", "moments", "cells")
MOMENTS = ("mean", "squared_distance")

Found = tuple[list[str], np.ndarray, np.ndarray, np.ndarray]


def evidence_gradient(
    worlds: xr.DataTree,
    *,
    outputs: str | Given = "measurements",
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    data: Sequence[str] | str | None = None,
    cells: Cells | int = 16,
) -> xr.Dataset:
    r"""Differentiate the means of outputs by the evidence, in every world.

    .. math:: \frac{d\,E[g]}{d e_j} = \mathrm{Cov}(g, s_j) + E[\partial_{e_j} g]

    Parameters
    ----------
    worlds
        What ``with_scores`` returned, or a reloaded one.
    outputs
        ``measurements``: their means; ``moments``: also their mean squared distance from the
        erased world's mean; ``cells``: the probabilities of their cells, the gradient of the
        coarse-grained distribution; or a function of all that is drawn (a utility is one), or
        several by name.
    disciples, measurements
        Names to keep; by default all disciples, and all that the world measures.
    data
        Evidence sites (``"orders"``) or labels (``"orders[3]"``) to keep; all by default.
    cells
        How measurements are cut, by their erased world, for ``outputs="cells"``.

    Returns
    -------
    xr.Dataset
        ``gradient`` and ``mcse``, dims disciple (``erased`` first), measurement, datum; with
        ``moment`` or ``cell`` after measurement, and then also the ``edges`` of the cells (with
        infinity where there are fewer). Attributes: draws, futures, blocks, ess.

    Raises
    ------
    WorldError
        If the tree has no scores, or too few draws.
    MeasurementError, DiscipleError, EvidenceError
        If a name is not there, a value is not finite, or cells are asked of a measurement that is
        computed from the evidence.

    References
    ----------
    R. Giordano, T. Broderick, M. I. Jordan, "Covariances, robustness, and variational Bayes",
    JMLR 19 (2018). S. Armstrong, "The mathematics of reduced impact: help needed" (2012),
    *The importance of information*.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(0.8, 0.2**0.5, size=(1, 4, 1000))  # given e = 1: prior N(0,1), noise .25
    >>> drawn = xr.Dataset(
    ...     {"w": (("disciple", "chain", "draw"), np.concatenate([z, 2 * z]),
    ...            {"role": "measurement"})}, {"disciple": ["erased", "double"]})
    >>> scores = xr.Dataset({"e": (("chain", "draw"), (z[0] - 1) / 0.25)})
    >>> tree = xr.DataTree.from_dict({"predictions": drawn, "evidence_scores": scores})
    >>> found = evidence_gradient(tree)
    >>> bool((abs(found["gradient"][:, 0, 0] - [0.8, 1.6]) < 4 * found["mcse"][:, 0, 0]).all())
    True
    """
    kind = outputs if isinstance(outputs, str) else "measurements"
    if kind not in KINDS:
        raise CounterfactualError(
            f"got outputs={outputs!r}; expected one of {KINDS}, a function of the draws, or "
            "several by name."
        )
    if not isinstance(outputs, str):
        worlds, names = with_outputs(worlds, outputs)
        measurements = names
    cut = cells if isinstance(cells, Cells) else Cells.quantile(cells)
    scored = ScoredWorlds(worlds, disciples=disciples, measurements=measurements, data=data)
    found = list(_slopes(scored, kind, cut))
    return _labelled(scored, kind, found)


def _slopes(scored: ScoredWorlds, kind: str, cells: Cells) -> Iterator[Found]:
    """Labels, gradients, errors (measurement, world, output, datum) and edges, part by part."""
    for part in scored.parts():
        names = part.measurements
        if kind != "measurements":
            scored.refuse_direct(names, "its distribution")
        edges, features = _features(scored, part.values[:, 0], kind, cells)
        sizes = len(names), len(scored.disciples), -1, len(scored.data)
        each = []
        for number, world in enumerate(scored.disciples):
            rows = features(part.values[:, number], scored.averaged)
            each.append(
                slopes(
                    rows.reshape(-1, rows.shape[-1]),
                    scored.scores(world),
                    scored.bounds,
                    direct=scored.direct(world, names),
                    effective=scored.effective,
                )
            )
        gradient, mcse = (
            np.stack([found[n].reshape(len(names), -1, len(scored.data)) for found in each], 1)
            for n in (0, 1)
        )
        yield names, gradient.reshape(sizes), mcse.reshape(sizes), edges


def _features(
    scored: ScoredWorlds, erased: np.ndarray, kind: str, cells: Cells
) -> tuple[np.ndarray, Callable[..., np.ndarray]]:
    """Edges of the cells, and what turns values (measurement, draw, future) into outputs."""
    flat = erased.reshape(len(erased), -1)
    if kind == "cells":
        edges = cells.edges(flat, scored.chains * scored.draws).astype(np.float64)
        return edges, lambda values, averaged: indicators(values, edges, averaged)
    centre = flat.mean(axis=1, dtype=np.float64)
    kept = 2 if kind == "moments" else 1
    none = np.empty((len(erased), 0))
    return none, lambda values, averaged: powers(values, centre, averaged)[:, :kept]


def _labelled(scored: ScoredWorlds, kind: str, found: list[Found]) -> xr.Dataset:
    width = max(gradient.shape[2] for _, gradient, _, _ in found)
    dims = [DISCIPLE, MEASUREMENT, "output", DATUM]
    variables: dict[str, xr.DataArray] = {}
    numbers = {"gradient": [part[1] for part in found], "mcse": [part[2] for part in found]}
    for name, each in numbers.items():
        values = np.concatenate([_padded(part, 2, width, 0.0) for part in each])
        variables[name] = xr.DataArray(np.moveaxis(values, 0, 1), dims=dims)
    result = xr.Dataset(variables)
    if kind == "cells":
        edges = np.concatenate([_padded(part[3], 1, width - 1, np.inf) for part in found])
        result = result.rename(output="cell")
        result["edges"] = (MEASUREMENT, "edge"), edges
    elif kind == "moments":
        result = result.rename(output="moment").assign_coords(moment=list(MOMENTS))
    else:
        result = result.isel(output=0)
    coords: dict[str, Any] = {
        DISCIPLE: np.array(scored.disciples, dtype=object),
        MEASUREMENT: np.array([label for part in found for label in part[0]], dtype=object),
        DATUM: np.array(scored.data, dtype=object),
    }
    scale = scored.scale()
    if scale is not None:
        coords["scale"] = (DATUM, scale, {"long_name": "sd of the datum given the others"})
    result["gradient"].attrs["long_name"] = "slope of the mean by the datum"
    result["mcse"].attrs["long_name"] = "Monte Carlo standard error"
    attrs = {
        "draws": scored.chains * scored.draws,
        "futures": scored.futures,
        "blocks": len(scored.bounds) - 1,
        "ess": scored.effective,
    }
    return result.assign_coords(coords).assign_attrs(attrs)


def _padded(values: np.ndarray, axis: int, width: int, filler: float) -> np.ndarray:
    """Fill up an axis: a measurement may have fewer cells than another."""
    missing = [(0, 0)] * values.ndim
    missing[axis] = (0, width - values.shape[axis])
    return np.pad(values, missing, constant_values=filler)
