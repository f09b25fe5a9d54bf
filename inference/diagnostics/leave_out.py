r"""What if a piece of the evidence had not been seen: what would we believe, and what expect?

.. math:: P(e_{-j}, S, X)(w) = \frac{\mathrm{E}[p(w \mid z, S, X) / p(e_j \mid z)]}
                                    {\mathrm{E}[1 / p(e_j \mid z)]}

with z drawn from p(z|e): deleting a datum weighs the draws by one over its likelihood, for any
kind of data. What is left out is each datum in turn, each place of a plate (a woman with all that
was recorded of her), or each site.

By what is left out, disciple and measurement:

* ``change``: mean of the measurement without it, less the mean now, in units of the measurement;
* ``impact_change``: the same of the difference between the disciple and ``erased``: how much the
  predicted impact itself hangs on this piece of evidence. 0 for ``erased``;
* ``mcse``, ``impact_mcse``: their Monte Carlo standard errors. Both sides of a change come from
  the same draws and share most of their noise;
* ``deletion_bits``: KL(P(W|e) || P(W|e_-j)) over the cells W of the measurement, cut by the erased
  world as in ``coarse_graining``: how much it moves what is expected. Its floor is subtracted;
* ``deletion_floor``: what evidence that says nothing of W would show; ``deletion_mcse``, and
  ``deletion_p``, the chance of as much if it says nothing;
* ``eta`` = deletion_bits / belief_bits, in [0, 1]: which part of what it says about the past
  reaches W; ``eta_mcse``.

By what is left out alone:

* ``belief_bits``: KL(p(z|e) || p(z|e_-j)) = mean log-likelihood less log CPO; ``belief_mcse``;
* ``khat``, ``ess``: tail of the weights, and how many independent draws they leave;
* ``verdict``: ``good``; ``rough`` (k-hat above 0.5 or under 100 effective draws: means hold,
  divergences are too small); ``silent`` (it says nothing of the past: no ``eta``); ``refit``
  (k-hat above 0.7: the draws cannot tell, all numbers are NaN; ``revise(..., unseen=[...])``
  draws the posterior without it).

By disciple and what is left out, ``reading`` says why numbers of the world are NaN: ``""``, or
``read after the switch`` (a site of the piece is: its likelihood alone does not say what this
world would be without it. ``revise`` with another value does). What is believed about the past is
told all the same. This is seen in worlds with scores (``with_scores``), and only of evidence that
has one: without them a world that reads the evidence is weighed as if it did not.

Only the piece's own factor is taken out: another site that reads its value goes on reading it.
What no draw of p(z|e) can show is not seen: a datum that bounds the past with certainty (a largest
value under ``Uniform(0, z)``) seems to say nothing, and no k-hat tells;
``revise(..., unseen=...)`` asks the prior.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import ImpactWarning
from inference.arrays.blocks import effective_draws
from inference.arrays.cells import Cells
from inference.arrays.reweighting import (
    LOST,
    ROUGH,
    belief_bits,
    block_errors,
    cell_bits,
    cell_shares,
    kish,
    moved_means,
)
from inference.arrays.total_variation import FEWEST_EFFECTIVE
from inference.arrays.weights import pareto_smoothed
from inference.diagnostics.evidence_pieces import LEFT_OUT, Chunk, Evidence, gather_evidence
from inference.diagnostics.soundness import FEW, refuse_holes
from inference.schema import DISCIPLE, ERASED, MEASUREMENT, parts

__all__ = ["leave_out"]

SHARES_AT_ONCE = 2**22
LEAST_BITS = 1e-9
LONG_NAMES = {
    "change": "change of the mean without it",
    "mcse": "Monte Carlo standard error of the change",
    "impact_change": "change of the difference between the disciple and erased without it",
    "impact_mcse": "Monte Carlo standard error of the change of that difference",
    "deletion_bits": "bits by which it moves the cells of the measurement",
    "deletion_floor": "bits that evidence without a say would show",
    "deletion_mcse": "Monte Carlo standard error of these bits",
    "deletion_p": "chance of these bits if it says nothing of the measurement",
    "eta": "share of its bits that reaches the measurement",
    "eta_mcse": "Monte Carlo standard error of this share",
    "belief_bits": "bits by which it moves the belief about the past",
    "belief_mcse": "Monte Carlo standard error of these bits",
    "khat": "shape of the tail of the weights",
    "ess": "effective number of draws that are left",
    "verdict": "whether the weights can be trusted",
    "reading": "why weights say nothing of this world",
}
MOVED = tuple(LONG_NAMES)[:8]
BY_MEASUREMENT = tuple(LONG_NAMES)[:10]
READ = "read after the switch"


def leave_out(
    worlds: xr.DataTree,
    *,
    by: str | None = None,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    cells: Cells | int | None = None,
) -> xr.Dataset:
    r"""Delete each datum, each place of a plate, or each site, in turn, by weights.

    .. math:: w_t \propto 1 / p(e_j \mid z_t)

    Parameters
    ----------
    worlds
        What ``sample_worlds`` returned, or a reloaded one, with the group `log_likelihood`.
    by
        What is left out: each datum (None); each place of a dim, such as ``"woman"``, of all sites
        that have it; or each site (``"site"``).
    disciples, measurements
        Names to keep; by default all disciples, and all that the world measures.
    cells
        Number of equal-mass cells, 16 by default, or other :class:`~inference.arrays.cells.Cells`.

    Returns
    -------
    xr.Dataset
        Dims disciple (``erased`` first), left_out (labels as ArviZ's: ``orders[0]``;
        ``woman[17]``; ``orders``) and measurement. The head of this file explains the variables;
        bits are at least 0, eta and p in [0, 1]. Attributes: by, cells, blocks, draws.

    Raises
    ------
    EvidenceError
        If no site of the evidence has the dim; the nearest one is offered.
    WorldError
        If the tree has no log-likelihood; or evidence after the switch, which gives every world a
        posterior of its own; or for fewer than 40 draws.
    MeasurementError
        If a value is not finite; names the measurement, the disciple and the draw.

    Warns
    -----
    ImpactWarning
        If a deletion is rough or cannot be had by weights, or a world reads what is left out;
        names the worst.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), "Pareto smoothed importance sampling",
    *JMLR* 25; Millar and Stewart (2007), "Assessment of locally influential observations in
    Bayesian models", *Bayesian Analysis* 2(2).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(0.24, 0.8**0.5, size=(4, 1000))  # given e = z + noise of deviation 2 = 1.2
    >>> level = np.stack([z, z + 1.0]) + rng.normal(size=(2, 4, 1000))
    >>> drawn = xr.Dataset(
    ...     {"level": (["disciple", "chain", "draw"], level, {"role": "measurement"})},
    ...     coords={"disciple": ["erased", "push"]},
    ... )
    >>> likelihood = xr.Dataset({"e": (["chain", "draw"], -((1.2 - z) ** 2) / 8)})
    >>> tree = xr.DataTree.from_dict({"predictions": drawn, "log_likelihood": likelihood})
    >>> found = leave_out(tree).sel(disciple="push", left_out="e", measurement="level")
    >>> abs(found["change"].item() + 0.24) < 4 * found["mcse"].item()
    True
    >>> abs(found["belief_bits"].item() - 0.0582) < 4 * found["belief_mcse"].item()
    True
    """
    cut = cells if isinstance(cells, Cells) else Cells.quantile(16 if cells is None else cells)
    evidence = gather_evidence(worlds, by)
    wanted = {"disciples": disciples, "measurements": measurements}
    found = [_deleted(chunk, evidence, worlds, wanted, cut) for chunk in evidence.chunks()]
    result = _joined(found)
    attrs = {"by": by or "datum", "cells": str(cut)}
    result.attrs = {**attrs, "blocks": len(evidence.bounds) - 1, "draws": evidence.draws}
    _warn(result)
    return result


def _joined(found: list[xr.Dataset]) -> xr.Dataset:
    result = xr.concat(found, LEFT_OUT) if len(found) > 1 else found[0]
    result = result[list(LONG_NAMES)].transpose(DISCIPLE, LEFT_OUT, MEASUREMENT)
    for name, long_name in LONG_NAMES.items():
        result[name].attrs = {"long_name": long_name}
    return result


def _deleted(
    chunk: Chunk, evidence: Evidence, worlds: xr.DataTree, wanted: dict[str, Any], cells: Cells
) -> xr.Dataset:
    """Estimate all that is asked of some pieces."""
    weights, khat = pareto_smoothed(chunk.log_ratios)
    sizes = evidence.effective(chunk.log_ratios)
    wider = evidence.wider(sizes)
    bits, mcse = belief_bits(chunk.log_ratios, weights, bounds=evidence.bounds, wider=wider)
    effective = kish(weights) * sizes / evidence.draws
    verdict = _verdicts(khat, effective, bits, mcse)
    own = {"belief_bits": bits, "belief_mcse": mcse, "khat": khat, "ess": effective}
    moved = [_moved(part, weights, evidence, cells) for part in parts(worlds, **wanted)]
    found = xr.concat(moved, MEASUREMENT) if len(moved) > 1 else moved[0]
    found = found.assign({name: (LEFT_OUT, values) for name, values in own.items()})
    found = found.assign({"verdict": (LEFT_OUT, verdict), **_reaching(found, verdict)})
    told = found["verdict"] != "refit"
    reads = found[DISCIPLE].isin(list(chunk.readers))
    both = reads | reads.sel({DISCIPLE: ERASED})
    for name in BY_MEASUREMENT:
        found[name] = found[name].where(told & ~(both if "impact" in name else reads))
    for name in ("belief_bits", "belief_mcse"):
        found[name] = found[name].where(told)
    reasons = xr.where(reads, READ, "").astype(object)
    found["reading"] = reasons.expand_dims({LEFT_OUT: len(khat)}, axis=1)
    return found.assign_coords({LEFT_OUT: np.array(chunk.labels, dtype=object)})


def _verdicts(
    khat: np.ndarray, effective: np.ndarray, bits: np.ndarray, mcse: np.ndarray
) -> np.ndarray:
    """Say of each piece what its weights are worth."""
    lost = (khat > LOST) | (effective < FEWEST_EFFECTIVE)
    rough = (khat > ROUGH) | (effective < FEW)
    silent = bits <= np.maximum(2 * mcse, LEAST_BITS)
    said = np.select([lost, silent, rough], ["refit", "silent", "rough"], "good")
    return said.astype(object)


def _moved(
    part: xr.DataArray, weights: np.ndarray, evidence: Evidence, cells: Cells
) -> xr.Dataset:
    """Weigh some measurements: dims (disciple, left_out, measurement)."""
    refuse_holes(part)
    values = np.ascontiguousarray(part.values)
    sizes = np.minimum(effective_draws(values).T, evidence.typical)
    wider, told = evidence.wider(sizes), sizes >= FEWEST_EFFECTIVE
    values = values.reshape(*values.shape[:2], evidence.draws, -1)
    found = _moved_means(values, weights, evidence.bounds, wider)
    found |= _moved_cells(values, weights, evidence.bounds, wider, cells)
    for name in ("mcse", "impact_mcse", "deletion_mcse"):
        both = told & told[:1] if name == "impact_mcse" else told
        found[name] = np.where(both[:, None], found[name], np.inf)
    found["deletion_p"] = np.where(told[:, None], found["deletion_p"], 1.0)
    dims = (DISCIPLE, LEFT_OUT, MEASUREMENT)
    coords = {
        DISCIPLE: part[DISCIPLE].values.astype(object),
        MEASUREMENT: part[MEASUREMENT].values.astype(object),
    }
    return xr.Dataset({name: (dims, found[name]) for name in MOVED}, coords=coords)


def _moved_means(
    values: np.ndarray, weights: np.ndarray, bounds: np.ndarray, wider: np.ndarray
) -> dict[str, np.ndarray]:
    """Change of the means, and of the differences to the erased world."""
    measurements, worlds, draws, _ = values.shape
    columns = values.mean(axis=3, dtype=float).transpose(1, 0, 2).reshape(-1, draws)
    shape = worlds, len(weights), measurements
    found = {name: np.empty(shape) for name in ("change", "mcse", "impact_change", "impact_mcse")}
    apart = np.maximum(wider, wider[:1])
    step = max(1, SHARES_AT_ONCE // (len(bounds) * len(columns)))
    for start in range(0, len(weights), step):
        some = slice(start, start + step)
        change, shares = moved_means(columns, weights[some], bounds=bounds)
        change = change.reshape(-1, worlds, measurements)
        shares = shares.reshape(*shares.shape[:2], worlds, measurements)
        estimates = {
            "change": change,
            "mcse": block_errors(shares, wider),
            "impact_change": change - change[:, :1],
            "impact_mcse": block_errors(shares - shares[:, :, :1], apart),
        }
        for name, estimate in estimates.items():
            found[name][:, some] = estimate.transpose(1, 0, 2)
    return found


def _moved_cells(
    values: np.ndarray,
    weights: np.ndarray,
    bounds: np.ndarray,
    wider: np.ndarray,
    cells: Cells,
) -> dict[str, np.ndarray]:
    """Bits by which the cells of each measurement move, in each world."""
    measurements, worlds, draws, _ = values.shape
    edges = cells.edges(values[:, 0].reshape(measurements, -1), draws)
    names = ("bits", "floor", "mcse", "p")
    found = {f"deletion_{name}": np.empty((worlds, len(weights), measurements)) for name in names}
    step = max(1, SHARES_AT_ONCE // (len(bounds) * (edges.shape[1] + 1)))
    for place in np.ndindex(measurements, worlds):
        shares = cell_shares(values[place], edges[place[0]])
        for start in range(0, len(weights), step):
            some = slice(start, start + step)
            bits = cell_bits(shares, weights[some], bounds=bounds, wider=float(wider[place[::-1]]))
            for name, estimate in bits.items():
                found[f"deletion_{name}"][place[1], some, place[0]] = estimate
    return found


def _reaching(found: xr.Dataset, verdict: np.ndarray) -> dict[str, xr.DataArray]:
    """Which share of what each piece says about the past reaches each measurement?"""
    told = xr.DataArray(np.isin(verdict, ["good", "rough"]), dims=LEFT_OUT)
    bits, mcse = found["belief_bits"], found["belief_mcse"]
    share = found["deletion_bits"] / bits.where(bits > 0, 1.0)
    squared = found["deletion_mcse"] ** 2 + (share * mcse) ** 2
    error = squared**0.5 / bits.where(bits > 0, 1.0)
    return {"eta": share.clip(0.0, 1.0).where(told), "eta_mcse": error.where(told)}


def _warn(found: xr.Dataset) -> None:
    """Name the worst of what is rough, and of what is not to be had."""
    text = []
    for verdict, rest in (
        ("rough", "their means hold, their bits are too small"),
        ("refit", "these are NaN: revise(..., unseen=...) draws the posterior without them"),
    ):
        some = found["khat"].where(found["verdict"] == verdict, drop=True)
        if some.size:
            worst = int(np.argmax(some.values))
            text.append(
                f"{some.size} of {found.sizes[LEFT_OUT]} are {verdict} (k-hat "
                f"{some.values[worst]:.2f} for {some[LEFT_OUT].values[worst]!r}): {rest}"
            )
    read = found["reading"] != ""
    if bool(read.any()):
        by = [str(name) for name in found[DISCIPLE].values[read.any(LEFT_OUT).values]]
        some = found[LEFT_OUT].values[read.any(DISCIPLE).values]
        text.append(
            f"{len(some)} of {found.sizes[LEFT_OUT]} are read after the switch by {by} "
            f"({some[0]!r}): what these do is NaN; inference.revise tells it of "
            "another value, and posterior and worlds drawn without the site tell it of none"
        )
    if text:
        said = f"not every deletion can be had by weights: {'; '.join(text)}."
        warnings.warn(said, ImpactWarning, stacklevel=3)
