r"""Does it matter which goal the disciple has, once it is let in?

.. math:: I(W; S \mid e, X{=}1) = \sum_s \pi_s\, \mathrm{KL}\big(P(e,s,1) \,\|\, \bar P\big),
          \qquad \bar P = \sum_s \pi_s P(e,s,1)

"If the impact is low, knowing the disciple's goal should not matter": over a set of disciples with
different goals, how many bits does a coarse-grained future tell about the goal, or the goal about
the future? 0 if their worlds are the same, log₂ K if K fair disciples never share a cell. The
erased world is none of the set, but cuts the cells, so that all is seen as ``coarse_graining``
sees it. A disciple that does much and whatever its goal, a large impact in all, is not seen here.

By measurement:

* ``bits``: the estimate, its mean 0 where there is nothing to see, so that it may lie below 0;
* ``plugin``, ``floor``: the formula with frequencies for probabilities, and what it would show
  were all disciples' worlds the same;
* ``share``: bits over the greatest possible;
* ``mcse``, ``lower``, ``upper``: Monte Carlo standard error and one-sided 95 % bounds;
* ``p``, ``q``: chance of as much were the worlds the same; the smallest rate of false discoveries
  at which it is called (Benjamini and Hochberg);
* ``divergence``, ``divergence_mcse``: how far each disciple stands out, its KL from the mean of
  all; weighted and added up it is ``bits``;
* ``ess``: how many independent posterior draws it rests on.

Of all measurements together a lower bound (data processing):

* ``joint``, ``joint_mcse``, ``joint_lower``, ``joint_p``: the information in a label that says
  whose world a draw is, learnt on one half of the draws and told of the other, with a confidence
  in quarters; ``witness``: what was learnt, or why nothing was. It certifies nothing to be small.
"""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    ImpactWarning,
    nearest,
    refuse_counts,
)
from inference.arrays.cells import Cells
from inference.arrays.held_out import HeldOut, witness_draws
from inference.arrays.held_out_labels import CONFIDENCES, told_information, told_labels
from inference.arrays.jensen_shannon import label_information, weights_entropy
from inference.arrays.multiplicity import false_discoveries
from inference.arrays.sign_flips import random_signs
from inference.arrays.witnesses import WITNESSES, affordable
from inference.diagnostics.soundness import (
    FEW,
    FEWEST_FLIPS,
    SLOWEST,
    few_draws,
    slowest_latent,
)
from inference.diagnostics.sources import CountedWorlds, DrawnWorlds, source_of
from inference.schema import DISCIPLE, MEASUREMENT, parts

__all__ = ["motive_importance"]

LONG_NAMES = {
    "bits": "information about the goal, corrected for noise",
    "plugin": "information in the frequencies",
    "floor": "information that the same world would show",
    "share": "information over the greatest possible",
    "mcse": "Monte Carlo standard error",
    "lower": "lower 95 % bound",
    "upper": "upper 95 % bound",
    "p": "chance of as much were the worlds the same",
    "q": "smallest false discovery rate that calls it",
    "ess": "effective number of posterior draws",
    "divergence": "divergence of the disciple from the mean of all",
    "divergence_mcse": "Monte Carlo standard error of the divergence",
    "weight": "weight of the disciple",
    "joint": "information of all measurements together, from below",
    "joint_mcse": "Monte Carlo standard error of the joint information",
    "joint_lower": "lower 95 % bound of the joint information",
    "joint_p": "chance of such a joint information were the worlds the same",
    "witness": "kind of witness that was learnt",
}
NOT_IN_BITS = {"share", "p", "q", "ess", "weight", "joint_p", "witness"}
NUMBERS = 2**21
JOINT = {"joint": "bits", "joint_mcse": "mcse", "joint_lower": "lower", "joint_p": "p"}
NOT_UNASKED = "mlp"
"""As many networks as disciples, four times: only where it is asked for."""


def motive_importance(
    worlds: xr.DataTree | xr.Dataset,
    *,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    weights: Mapping[str, float] | None = None,
    cells: Cells | int | None = None,
    witness: str | None = "auto",
    flips: int = 4000,
    seed: int = 0,
) -> xr.Dataset:
    r"""How many bits does the future tell about the disciple's goal, measurement by measurement?

    .. math:: I(W; S \mid e, X{=}1) \in [0, \log_2 K]

    Parameters
    ----------
    worlds
        What ``sample_worlds`` returned, or a reloaded one. Counts will do, but for ``joint``.
    disciples, measurements
        Names to keep, two disciples at least; by default all, and all that the world measures.
    weights
        How likely each disciple is, a positive number for each name; fair by default.
    cells
        As for :func:`~inference.diagnostics.coarse_graining.coarse_graining`.
    witness
        What is learnt of all measurements together: the best of those that can be afforded
        (``auto``, without ``mlp``), one of :data:`~inference.arrays.witnesses.WITNESSES`, or None.
    flips, seed
        Number and seed of the random signs behind ``p``; the seed is the networks', too.

    Returns
    -------
    xr.Dataset
        Dims measurement, or (disciple, measurement) for the divergences, or none for what all
        measurements tell together: as the head of this file explains. Attributes: greatest (bits:
        the entropy of the weights), cells, blocks, flips, seed, draws (a side), ess (its 5 %
        quantile), ess_min, candidates (witnesses chosen from).

    Raises
    ------
    DiscipleError
        For fewer than two disciples, or if a name is not there.
    MeasurementError, WorldError
        If a value is not finite (says which), or for fewer than 40 posterior draws.
    CounterfactualError
        If weights, cells, flips or the witness are none.

    Warns
    -----
    ImpactWarning
        If a measurement's draws are worth fewer than 100 independent ones; names the worst.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal([[[0.0]], [[0.0]], [[0.8]]], size=(3, 4, 1000))
    >>> price = ["disciple", "chain", "draw"], noise, {"role": "measurement"}
    >>> drawn = xr.Dataset({"price": price}, coords={"disciple": ["erased", "modest", "greedy"]})
    >>> abs(motive_importance(drawn)["bits"].sel(measurement="price").item() - 0.105) < 0.02
    True
    """
    refuse_counts(FEWEST_FLIPS, flips=flips)
    cut = cells if isinstance(cells, Cells) or cells is None else Cells.quantile(cells)
    source = source_of(worlds, disciples=disciples, measurements=measurements, cells=cut)
    latents = slowest_latent(worlds)
    sizes = source.effective(latents)
    share = _shares(weights, source.disciples)
    kinds, why = _kinds(witness, source)
    bounds = source.bounds(float(np.quantile(sizes.min(axis=0), SLOWEST)))
    signs = random_signs(flips, len(bounds) - 1, seed=seed)
    found = _estimated(source, bounds, signs, sizes.min(axis=0), share)
    found |= {"witness": why} | dict.fromkeys(JOINT, np.nan)
    if kinds:
        rows = _rows(worlds, disciples, measurements)
        found |= _joint(source, rows, bounds, signs, share, kinds=kinds, seed=seed, most=latents)
    _warn_of_few(source, sizes)
    made = {"blocks": len(bounds) - 1, "flips": flips, "seed": seed}
    return _labelled(found, source, share).assign_attrs(made, candidates=", ".join(kinds))


def _estimated(
    source: DrawnWorlds | CountedWorlds,
    bounds: np.ndarray,
    signs: np.ndarray,
    effective: np.ndarray,
    share: np.ndarray,
) -> dict[str, Any]:
    """Estimate what single measurements tell."""
    found: dict[str, Any] = {"weight": share, "ess": effective}
    for members, counts, _ in source.counted(bounds):
        estimates = label_information(
            counts[1:], signs=signs, effective=effective[members], weights=share
        )
        for name, estimate in estimates.items():
            shape = (*estimate.shape[:-1], len(effective))
            found.setdefault(name, np.empty(shape))[..., members] = estimate
    found["share"] = found["bits"] / weights_entropy(share)
    found["q"] = false_discoveries(found["p"][None])[0]
    return found


def _joint(
    source: DrawnWorlds | CountedWorlds,
    rows: Iterator[np.ndarray],
    bounds: np.ndarray,
    signs: np.ndarray,
    share: np.ndarray,
    *,
    kinds: tuple[str, ...],
    seed: int,
    most: float,
) -> dict[str, Any]:
    """Estimate what all measurements tell together."""
    told, chosen = told_labels(rows, kinds=kinds, bounds=bounds, futures=source.futures, seed=seed)
    effective = min(_label_draws(told, bounds, source), most)
    estimates = told_information(
        told, bounds=bounds, signs=signs, effective=effective, weights=share
    )
    found = {name: estimates[own] for name, own in JOINT.items()}
    return {**found, "witness": ", ".join(dict.fromkeys(chosen))}


def _kinds(
    witness: str | None, source: DrawnWorlds | CountedWorlds
) -> tuple[tuple[str, ...], str]:
    """Say which witnesses to learn, or why none is; refuse one that cannot be."""
    if witness not in (None, "auto", *WITNESSES):
        raise CounterfactualError(f"got witness={witness!r}; expected auto or one of {WITNESSES}.")
    if witness is None:
        return (), "none: not asked for"
    if isinstance(source, CountedWorlds):
        return (), "none: counts of single measurements do not tell how they go together"
    measurements, draws = len(source.measurements), source.chains * source.draws * source.futures
    able = affordable(measurements, measurements * len(source.disciples) * draws, draws // 2)
    if witness == "auto":
        return tuple(kind for kind in able if kind != NOT_UNASKED), ""
    if witness not in able:
        raise CounterfactualError(
            f"witness={witness!r} cannot be learnt from {measurements} measurements and {draws} "
            f"draws a side; expected one of {able}. Select some by measurements=, or take "
            "witness='naive_bayes', which reads any number."
        )
    return (witness,), ""


def _label_draws(
    told: np.ndarray, bounds: np.ndarray, source: DrawnWorlds | CountedWorlds
) -> float:
    """How many independent draws is the label worth that changes least often?"""
    half = int(bounds[len(bounds) // 2])
    shape = {"chains": source.chains, "draws": source.draws, "futures": source.futures}
    labels = told // CONFIDENCES
    sizes = [
        witness_draws(HeldOut(labels[[world, world - 1]] == world, ("", ""), half), **shape)
        for world in range(len(told))
    ]
    return min(sizes)


def _warn_of_few(source: DrawnWorlds | CountedWorlds, sizes: np.ndarray) -> None:
    if sizes.min() < FEW:
        each = xr.DataArray(sizes, {MEASUREMENT: source.measurements}, [DISCIPLE, MEASUREMENT])
        said = few_draws(source.chains * source.draws, each)
        warnings.warn(said, ImpactWarning, stacklevel=3)


def _rows(
    worlds: xr.DataTree | xr.Dataset,
    disciples: Sequence[str] | str | None,
    measurements: Sequence[str] | str | None,
) -> Iterator[np.ndarray]:
    """Values of some measurements after others, (measurement, disciple, row)."""
    for part in parts(worlds, disciples=disciples, measurements=measurements, numbers=NUMBERS):
        values = part.values[:, 1:]
        yield np.ascontiguousarray(values).reshape(*values.shape[:2], -1)


def _shares(weights: Mapping[str, float] | None, disciples: list[str]) -> np.ndarray:
    """Weights that add up to one, in the order of the disciples."""
    if len(set(disciples)) < 2:
        raise DiscipleError(
            f"got {len(set(disciples))} disciple, {', '.join(disciples)}; expected two at least: "
            "the importance of the motive compares disciples with different goals. Draw them "
            "together: sample_worlds(world, posterior, {'modest': ..., 'greedy': ...})."
        )
    if weights is None:
        return np.full(len(disciples), 1 / len(disciples))
    for name in weights:
        if name not in disciples:
            raise DiscipleError(
                f"weights names the disciple {name!r}, which is not compared. "
                + nearest(str(name), disciples)
            )
    missing = [name for name in disciples if name not in weights]
    if missing:
        raise DiscipleError(f"weights lacks {missing}; expected a number for every disciple.")
    found = np.array([float(weights[name]) for name in disciples])
    if not (np.isfinite(found).all() and (found > 0).all()):
        raise CounterfactualError(
            f"got weights {dict(weights)}; expected positive numbers. Leave a disciple out by "
            "disciples=."
        )
    return found / math.fsum(found)


def _labelled(
    found: dict[str, Any], source: DrawnWorlds | CountedWorlds, share: np.ndarray
) -> xr.Dataset:
    variables = {}
    for name, long_name in LONG_NAMES.items():
        values = np.asarray(found[name], dtype=object if name == "witness" else float)
        dims = (DISCIPLE,) if name == "weight" else (DISCIPLE, MEASUREMENT)[2 - values.ndim :]
        attrs = {"long_name": long_name} | ({} if name in NOT_IN_BITS else {"units": "bits"})
        variables[name] = (dims, values, attrs)
    coords = {
        DISCIPLE: np.array(source.disciples, dtype=object),
        MEASUREMENT: np.array(source.measurements, dtype=object),
    }
    return xr.Dataset(
        variables,
        coords=coords,
        attrs={
            "greatest": weights_entropy(share),
            "cells": source.cells_said,
            "draws": source.chains * source.draws * source.futures,
            "ess": float(np.quantile(found["ess"], SLOWEST)),
            "ess_min": float(found["ess"].min()),
        },
    )
