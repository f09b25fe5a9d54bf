r"""Which data matter to the distribution of a measurement, and do they matter more than X?

.. math:: \mathrm{rate}_j = \tfrac12 \sum_W \Big|\frac{dP(W)}{de_j}\Big|, \quad
          F_{jj} = \sum_W \frac{1}{P(W)} \Big(\frac{dP(W)}{de_j}\Big)^2, \quad
          \mathrm{bits}_j = \tfrac12 \log_2 (1 + F_{jj} \sigma_j^2)

over the cells W of one measurement, in one world, which are about equally likely there;
:math:`\sigma_j` is the standard deviation of the datum given all others. Bits say how much of the
coarse-grained future would be learnt by learning the datum; in the same units, the switch X tells

.. math:: I(W; X \mid e) = \mathrm{JSD}_2(P(e,S,1), P(e,S,0)) \le 1

of it, were it a fair coin.

* ``tv_rate``: how fast total variation grows, per unit of the datum, corrected for noise: 0 on
  average for a datum without importance, and on average at most the truth; ``tv_rate_plugin`` is
  at least the truth, and ``tv_rate_floor`` is what that shows where the truth is 0;
* ``fisher``: Fisher information, by products of different blocks; ``fisher_plugin`` is too large;
* ``smoothed``: squared length of the derivative of the density, smoothed by a normal of so many
  deviations, in 1/deviations (only with ``smoothing=``); ``smoothed_plugin`` likewise;
* ``bits``, as above, negative where the estimate of F is; exact where past, data and future are
  normal, else to second order in the datum's deviation;
* ``contrast``: total variation between the futures of a datum one deviation higher and one lower,
  to be held against ``switch_tv``: X, too, has its values one deviation to either side;
* ``switch_bits``, ``switch_tv``: of X, in as many cells of the erased world; 0 for ``erased``.

Every ``_mcse`` is a Monte Carlo standard error, from blocks of draws.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from inference.arrays.blocks import block_bounds
from inference.arrays.cell_counts import block_counts
from inference.arrays.cells import Cells, fewer_edges
from inference.arrays.distribution_slopes import (
    bits_of,
    contrast_of,
    fisher,
    total_variation_rate,
)
from inference.arrays.features import deviations, indicators, waves
from inference.arrays.jensen_shannon import jensen_shannon
from inference.arrays.score_covariance import block_slopes, squared_norms
from inference.arrays.sign_flips import random_signs
from inference.arrays.total_variation import variation
from inference.diagnostics.scored import Part, ScoredWorlds
from inference.diagnostics.soundness import SLOWEST, effective_pairs
from inference.schema import DATUM, DISCIPLE, MEASUREMENT

__all__ = ["evidence_importance"]

SLOPES = 2**23
"""Slopes of all blocks that are held at once."""
FLIPS = 1000
LONG_NAMES = {
    "tv_rate": "growth of total variation by the datum",
    "tv_rate_plugin": "length of the estimated slopes of all cells, halved",
    "tv_rate_floor": "that length, were there no slope",
    "fisher": "Fisher information about the datum",
    "fisher_plugin": "Fisher information with noise",
    "smoothed": "squared slope of the smoothed density",
    "smoothed_plugin": "squared slope of the smoothed density, with noise",
    "bits": "bits of the future that the datum tells",
    "contrast": "total variation between the datum one sd higher and one lower",
    "switch_bits": "bits of the future that the switch tells",
    "switch_tv": "total variation between X = 1 and X = 0",
}


def evidence_importance(
    worlds: xr.DataTree,
    *,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    data: Sequence[str] | str | None = None,
    cells: Cells | int = 8,
    smoothing: float | None = None,
) -> xr.Dataset:
    r"""Weigh every datum by what it does to each measurement's distribution, beside the switch.

    Parameters
    ----------
    worlds
        What ``with_scores`` returned, or a reloaded one.
    disciples, measurements
        Names to keep; by default all disciples, and all that the world measures.
    data
        Evidence sites (``"orders"``) or labels (``"orders[3]"``) to keep; all by default.
    cells
        How measurements are cut, in each world by itself; for X by the erased world. Two keep
        64 % of a normal's Fisher information, eight 94 %; more are noisier. A number is the most
        there are, also for a measurement with few values.
    smoothing
        Width of the normal that smooths densities, in robust deviations of the erased world.

    Returns
    -------
    xr.Dataset
        Dims disciple (``erased`` first), measurement, datum; ``switch_bits`` and ``switch_tv``
        without datum. The head of the file explains the variables. Without the group
        `evidence_scales` there are no ``bits`` and no ``contrast``.

    Raises
    ------
    WorldError
        If the tree has no scores, or too few draws.
    MeasurementError, DiscipleError, EvidenceError
        If a name is not there, a value is not finite, or a measurement is computed from the
        evidence without noise.

    References
    ----------
    S. Armstrong, "The mathematics of reduced impact: help needed" (2012), *The importance of
    information*. A. Gelman, "Scaling regression inputs by dividing by two standard deviations",
    Statistics in Medicine 27 (2008).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(0.8, 0.2**0.5, size=(4, 1000))  # given e = 1: prior N(0,1), noise .25
    >>> w = np.stack([z + rng.normal(size=z.shape), rng.normal(size=z.shape)])
    >>> drawn = xr.Dataset(
    ...     {"w": (("disciple", "chain", "draw"), w, {"role": "measurement"})},
    ...     {"disciple": ["erased", "deaf"]})
    >>> scores = xr.Dataset({"e": (("chain", "draw"), (z - 1) / 0.25)})
    >>> tree = xr.DataTree.from_dict({"predictions": drawn, "evidence_scores": scores})
    >>> found = evidence_importance(tree).isel(measurement=0, datum=0)
    >>> abs(float(found["fisher"][0]) - 0.8**2 / 1.2) < 0.1  # .53, and 94 % of it in cells
    True
    >>> abs(float(found["fisher"][1])) < 4 * float(found["fisher_mcse"][1])
    True
    """
    cut = cells if isinstance(cells, Cells) else Cells.quantile(cells, tails=0.0)
    scored = ScoredWorlds(worlds, disciples=disciples, measurements=measurements, data=data)
    labels: list[str] = []
    by_datum: list[dict[str, np.ndarray]] = []
    by_switch: list[dict[str, np.ndarray]] = []
    for part in scored.parts():
        scored.refuse_direct(part.measurements, "its distribution")
        labels += part.measurements
        edges = [_edges(scored, part, w, cut) for w in range(len(scored.disciples))]
        by_switch.append(_of_switch(scored, part, edges[0]))
        each = [_of_world(scored, part, w, own, smoothing) for w, own in enumerate(edges)]
        by_datum.append({name: np.stack([found[name] for found in each]) for name in each[0]})
    return _labelled(scored, labels, by_datum, by_switch)


def _edges(scored: ScoredWorlds, part: Part, world: int, cut: Cells) -> np.ndarray:
    """Cut a world by itself: one that was moved away would lie in a single cell of the other."""
    flat = part.values[:, world].reshape(len(part.values), -1)
    edges = cut.edges(flat, scored.chains * scored.draws)
    return fewer_edges(edges, flat, cut.count) if cut.kind == "quantile" else edges


def _of_world(
    scored: ScoredWorlds, part: Part, world: int, edges: np.ndarray, smoothing: float | None
) -> dict[str, np.ndarray]:
    """Norms of the slopes in one world, each (measurement, datum)."""
    values, name = part.values[:, world], scored.disciples[world]
    features = indicators(values, edges, scored.averaged)
    seen = features.mean(axis=-1, dtype=np.float64)
    soft = None
    if smoothing is not None:
        centre, scale = deviations(values)[0], deviations(part.values[:, 0])[1]
        soft = waves(values, centre, scale, scored.averaged, smoothing=smoothing)
    scores, chunks = scored.scores(name), []
    each = len(scored.bounds) * max(
        features[..., 0].size, 0 if soft is None else soft[..., 0].size
    )
    step = max(1, min(SLOPES // each, 2**22 // len(scores)))
    for start in range(0, len(scored.data), step):
        own = scores[:, start : start + step]
        blocks = _blocks(scored, features, own)
        found = total_variation_rate(blocks, effective=scored.effective)
        rows = scored.effective * scored.futures
        found |= fisher(blocks, seen, rows=rows, effective=scored.effective)
        if soft is not None:
            lengths = np.moveaxis(_blocks(scored, soft, own), 2, 1)
            norms = squared_norms(lengths, effective=scored.effective)
            found |= dict(zip(_SMOOTHED, norms, strict=True))
        chunks.append(found)
    return {key: np.concatenate([chunk[key] for chunk in chunks], axis=1) for key in chunks[0]}


_SMOOTHED = ("smoothed", "smoothed_mcse", "smoothed_plugin")


def _blocks(scored: ScoredWorlds, features: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Slopes of each block, (block, measurement, feature, datum)."""
    flat = features.reshape(-1, features.shape[-1])
    found = block_slopes(flat, scores, scored.bounds)
    return found.reshape(len(found), *features.shape[:2], -1)


def _of_switch(scored: ScoredWorlds, part: Part, edges: np.ndarray) -> dict[str, np.ndarray]:
    """Weigh the switch by each measurement, (world, measurement); 0 for the erased one."""
    worlds, chain = len(scored.disciples), (scored.chains, scored.draws)
    found = {name: np.zeros((worlds, len(edges))) for name in _SWITCH}
    if worlds == 1:
        return found
    series = part.values.reshape(*part.values.shape[:2], *chain, scored.futures)
    sizes = effective_pairs(series, scored.effective)
    bounds = block_bounds(*chain, scored.futures, effective=float(np.quantile(sizes, SLOWEST)))
    signs = random_signs(FLIPS, len(bounds) - 1)
    counts = [
        block_counts(part.values[:, world].reshape(len(edges), -1), edges, bounds)
        for world in range(worlds)
    ]
    for world in range(1, worlds):
        size = sizes[world - 1]
        bits = jensen_shannon(counts[world], counts[0], signs=signs, effective=size)
        tv = variation(counts[world], counts[0], signs=signs, effective=size)
        own = bits["bits"], bits["mcse"], tv["tv"], tv["mcse"]
        for name, values in zip(_SWITCH, own, strict=True):
            found[name][world] = values
    return found


_SWITCH = ("switch_bits", "switch_bits_mcse", "switch_tv", "switch_tv_mcse")


def _labelled(
    scored: ScoredWorlds,
    labels: list[str],
    by_datum: list[dict[str, np.ndarray]],
    by_switch: list[dict[str, np.ndarray]],
) -> xr.Dataset:
    joined = {key: np.concatenate([p[key] for p in by_datum], axis=1) for key in by_datum[0]}
    scale = scored.scale()
    coords: dict[str, Any] = {
        DISCIPLE: np.array(scored.disciples, dtype=object),
        MEASUREMENT: np.array(labels, dtype=object),
        DATUM: np.array(scored.data, dtype=object),
    }
    if scale is not None:
        coords["scale"] = (DATUM, scale, {"long_name": "sd of the datum given the others"})
        for name, of, source in (
            ("bits", bits_of, "fisher"),
            ("contrast", contrast_of, "tv_rate"),
        ):
            joined[name], joined[f"{name}_mcse"] = of(
                joined[source], joined[f"{source}_mcse"], scale
            )
    switched = {key: np.concatenate([p[key] for p in by_switch], axis=1) for key in by_switch[0]}
    variables: dict[str, Any] = {
        key: ((DISCIPLE, MEASUREMENT, DATUM), values, {"long_name": _long_name(key)})
        for key, values in joined.items()
    }
    variables |= {
        key: ((DISCIPLE, MEASUREMENT), values, {"long_name": _long_name(key)})
        for key, values in switched.items()
    }
    attrs = {
        "draws": scored.chains * scored.draws,
        "futures": scored.futures,
        "blocks": len(scored.bounds) - 1,
        "ess": scored.effective,
    }
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def _long_name(name: str) -> str:
    of = name.removesuffix("_mcse")
    return LONG_NAMES[of] if of == name else f"Monte Carlo standard error: {LONG_NAMES[of]}"
