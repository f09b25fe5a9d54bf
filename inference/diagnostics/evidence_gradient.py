r"""How would the future change if a datum had been a little different?

.. math:: \frac{d\,E[g]}{d e_j} = \mathrm{Cov}(g, s_j) + E[\partial_{e_j} g], \qquad
          s_j = \partial_{e_j} \log p(\mathrm{past}, e, \mathrm{future})

for every output g and datum e_j of each world, from the draws there are: no refit. Scores and
derivatives are taken at fixed sample sites; the disciple S is held fixed, too: if a master picks S
from e, that is another derivative.

``difference=True`` asks what drives the predicted change: the slopes of a let-in world less those
of the erased one. Their draws share a past, and perhaps their noise, so the error of a difference
is that of what each block of draws says of it; the two errors in quadrature would be too large.

The slope is that of the mean at the evidence as it was. It may vanish by accident where the
evidence sits on a top; a finite change, ``leave_out`` or ``revise``, tells.

* ``gradient``: the slope, or difference of slopes, in units of the output per unit of the datum;
* ``mcse``: its Monte Carlo standard error, from blocks of draws that are centred together;
* the coordinate ``scale``, where known: the standard deviation of the datum given the others.
  gradient x scale is what one such deviation would have changed.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from counterfactual_models.errors import CounterfactualError, DiscipleError
from inference.arrays.blocks import widening
from inference.arrays.cells import Cells
from inference.arrays.features import indicators, powers
from inference.arrays.score_covariance import block_slopes, data_chunks, slopes
from inference.diagnostics.scored import Given, Part, ScoredWorlds, with_outputs
from inference.schema import DATUM, DISCIPLE, MEASUREMENT

__all__ = ["evidence_gradient"]

KINDS = ("measurements", "moments", "cells")
MOMENTS = ("mean", "squared_distance")

Features = Callable[..., np.ndarray]
Found = tuple[list[str], np.ndarray, np.ndarray, np.ndarray]


class _Rows(NamedTuple):
    """Outputs (output, row), scores (row, datum) and own derivatives of one world."""

    outputs: np.ndarray
    scores: np.ndarray
    direct: np.ndarray | None


def evidence_gradient(
    worlds: xr.DataTree,
    *,
    outputs: str | Given = "measurements",
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    data: Sequence[str] | str | None = None,
    cells: Cells | int = 16,
    difference: bool = False,
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
    difference
        Take the slopes with the disciple let in less those with it erased.

    Returns
    -------
    xr.Dataset
        ``gradient`` and ``mcse``, dims disciple (``erased`` first; not among differences),
        measurement, datum; with ``moment`` or ``cell`` after measurement, and then also the
        ``edges`` of the cells (with infinity where there are fewer). Attributes: draws, futures,
        blocks, ess, difference (0 or 1).

    Raises
    ------
    WorldError
        If the tree has no scores, or too few draws.
    MeasurementError, DiscipleError, EvidenceError
        If a name is not there, a value is not finite, cells are asked of a measurement that is
        computed from the evidence, or a difference of worlds without a disciple.

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
    >>> added = evidence_gradient(tree, difference=True).sel(disciple="double").squeeze()
    >>> bool(abs(added["gradient"] - 0.8) < 4 * added["mcse"])
    True
    """
    kind = _kind(outputs)
    if not isinstance(outputs, str):
        worlds, measurements = with_outputs(worlds, outputs)
    cut = cells if isinstance(cells, Cells) else Cells.quantile(cells)
    scored = ScoredWorlds(worlds, disciples=disciples, measurements=measurements, data=data)
    if difference:
        _refuse_erased_alone(scored.disciples)
    found = list(_slopes(scored, kind, cut, difference=difference))
    return _labelled(scored, kind, found, difference)


def _kind(outputs: str | Given) -> str:
    kind = outputs if isinstance(outputs, str) else "measurements"
    if kind not in KINDS:
        raise CounterfactualError(
            f"got outputs={outputs!r}; expected one of {KINDS}, a function of the draws, or "
            "several by name."
        )
    return kind


def _refuse_erased_alone(worlds: list[str]) -> None:
    if len(worlds) == 1:
        raise DiscipleError(
            "these worlds hold 'erased' only: there is nothing to take it from. Let a disciple "
            "in: sample_worlds(world, posterior, {'name': policy})."
        )


def _slopes(scored: ScoredWorlds, kind: str, cells: Cells, *, difference: bool) -> Iterator[Found]:
    """Labels, gradients, errors (measurement, world, output, datum) and edges, part by part."""
    for part in scored.parts():
        names = part.measurements
        if kind != "measurements":
            scored.refuse_direct(names, "its distribution")
        edges, features = _features(scored, part.values[:, 0], kind, cells)
        worlds = (_rows(scored, part, features, n) for n in range(len(scored.disciples)))
        if difference:
            less = _difference if scored.by_world else _slope_of_difference
            erased = next(worlds)
            each = [less(scored, rows, erased) for rows in worlds]
        else:
            each = [_slope(scored, rows) for rows in worlds]
        sizes = len(names), len(each), -1, len(scored.data)
        gradient, mcse = (
            np.stack([found[n].reshape(len(names), -1, len(scored.data)) for found in each], 1)
            for n in (0, 1)
        )
        yield names, gradient.reshape(sizes), mcse.reshape(sizes), edges


def _rows(scored: ScoredWorlds, part: Part, features: Features, number: int) -> _Rows:
    """Find what meets in one world: every output and every score."""
    world = scored.disciples[number]
    outputs = features(part.values[:, number], scored.averaged)
    return _Rows(
        outputs.reshape(-1, outputs.shape[-1]),
        scored.scores(world),
        scored.direct(world, part.measurements),
    )


def _slope(scored: ScoredWorlds, rows: _Rows) -> tuple[np.ndarray, np.ndarray]:
    outputs, scores, direct = rows
    return slopes(outputs, scores, scored.bounds, direct=direct, effective=scored.effective)


def _slope_of_difference(
    scored: ScoredWorlds, rows: _Rows, erased: _Rows
) -> tuple[np.ndarray, np.ndarray]:
    """Differentiate what the disciple adds to each draw, where its score is the erased one's."""
    outputs = rows.outputs - erased.outputs
    return _slope(scored, _Rows(outputs, erased.scores, _direct(rows, erased)))


def _difference(scored: ScoredWorlds, rows: _Rows, erased: _Rows) -> tuple[np.ndarray, np.ndarray]:
    """Take slopes from slopes block by block, where each world has scores of its own."""
    lengths = np.diff(scored.bounds)
    blocks, weight = len(lengths), (lengths / lengths.mean())[:, None, None]
    direct = _direct(rows, erased)
    gradient, mcse = np.empty((2, len(rows.outputs), len(scored.data)))
    outputs, draws = rows.outputs.shape
    for columns in data_chunks(blocks * outputs, draws, len(scored.data)):
        own, other = (
            block_slopes(each.outputs, each.scores[:, columns], scored.bounds)
            for each in (rows, erased)
        )
        words = own - other
        if direct is not None:
            words += weight * direct[:, :, columns]
        gradient[:, columns] = words.mean(axis=0)
        apart = words - weight * gradient[:, columns]
        mcse[:, columns] = (apart**2 / weight).sum(axis=0)
    mcse = np.sqrt(mcse / (blocks * (blocks - 1)))
    wider = float(widening(scored.effective, blocks))
    return gradient, mcse * np.where(mcse > 0, wider, 1.0)


def _direct(rows: _Rows, erased: _Rows) -> np.ndarray | None:
    if rows.direct is None or erased.direct is None:
        return None
    return rows.direct - erased.direct


def _features(
    scored: ScoredWorlds, erased: np.ndarray, kind: str, cells: Cells
) -> tuple[np.ndarray, Features]:
    """Edges of the cells, and what turns values (measurement, draw, future) into outputs."""
    flat = erased.reshape(len(erased), -1)
    if kind == "cells":
        edges = cells.edges(flat, scored.chains * scored.draws).astype(np.float64)
        return edges, lambda values, averaged: indicators(values, edges, averaged)
    centre = flat.mean(axis=1, dtype=np.float64)
    kept = 2 if kind == "moments" else 1
    none = np.empty((len(erased), 0))
    return none, lambda values, averaged: powers(values, centre, averaged)[:, :kept]


def _labelled(scored: ScoredWorlds, kind: str, found: list[Found], difference: bool) -> xr.Dataset:
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
        DISCIPLE: np.array(scored.disciples[difference:], dtype=object),
        MEASUREMENT: np.array([label for part in found for label in part[0]], dtype=object),
        DATUM: np.array(scored.data, dtype=object),
    }
    scale = scored.scale()
    if scale is not None:
        coords["scale"] = (DATUM, scale, {"long_name": "sd of the datum given the others"})
    less = ", less that of the erased world" if difference else ""
    result["gradient"].attrs["long_name"] = f"slope of the mean by the datum{less}"
    result["mcse"].attrs["long_name"] = "Monte Carlo standard error"
    attrs = {
        "draws": scored.chains * scored.draws,
        "futures": scored.futures,
        "blocks": len(scored.bounds) - 1,
        "ess": scored.effective,
        "difference": int(difference),
    }
    return result.assign_coords(coords).assign_attrs(attrs)


def _padded(values: np.ndarray, axis: int, width: int, filler: float) -> np.ndarray:
    """Fill up an axis: a measurement may have fewer cells than another."""
    missing = [(0, 0)] * values.ndim
    missing[axis] = (0, width - values.shape[axis])
    return np.pad(values, missing, constant_values=filler)
