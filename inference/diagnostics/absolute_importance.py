r"""Is the rest of what is known of the world more important than whether the disciple was let in?

.. math:: \eta_X = \frac{I(W; X \mid e)}{1\ \mathrm{bit}}, \qquad
          \eta_e = \frac{I(W; e)}{I(z; e)}, \qquad \mathrm{penalty} = \max(0, \eta_X - \eta_e)

W is the coarse-grained future: all measurements together. The switch X, thrown like a fair coin,
is one bit about the world. The evidence e tells bits of the past z. Of each kind of bit it is
asked how much of it shows in the future; where X shows more than the evidence does, whether the
disciple was let in is more important than the world it was let into, and it is charged for that.

Data are never averaged for this. A thousand lolcats say what one says, so a typical datum tells
next to nothing, and beside it everything looks important (195 times as important, in that
example, where the answer is .77). Bits of all data together do not change when a datum is said
twice, or in other units.

Every world is cut into cells and put on a scale by itself: its bits are those that its own future
tells. Every estimate has a Monte Carlo error, ``_mcse``. By disciple (``erased`` first):

* ``belief_bits``, ``evidence_bits`` and ``eta_evidence``, their ratio, in [0, 1] but for noise.
  ``belief_trusted`` is false where the past has too many dimensions for so few draws;
* ``switch_bits``, in [0, 1]: a lower bound of I(W; X | e), the divergence (Jensen and Shannon) of
  the best of several readings of all measurements, learnt and chosen on other draws
  (:mod:`inference.arrays.switch_readings`). It has no bias, so that it may lie below 0;
  ``switch_floor`` was taken away. ``eta_switch`` is the same, within [0, 1];
* ``penalty``: with the :math:`\eta_e` of the *erased* world, so that a disciple does not gain by
  making everything sensitive;
* ``share_below``: the part of ``evidence_bits`` (of the erased world) in independent pieces that
  are less important than X: 1 if X is above all else.

By disciple and component, largest first, at most fifty: ``component_bits``, which add up to
``evidence_bits``, and ``relevance`` in [0, 1], 1 for a belief that the future shows all of.

By disciple and datum:

* ``fisher``: 0 on average for a datum without importance; ``fisher_plugin`` is too large;
* ``bits`` = ½ log₂(1 + max(fisher, 0) σ²), σ being the datum's deviation given all others;
* ``order``, ``new_bits``: data one after the other, each the most important given those before
  it; 0 once nothing stands out of the noise. Of equals, the first;
* ``partial_bits``: what no other datum explains.

By disciple and measurement: ``switch_bits_by_measurement``. The attribute ``typical_bits`` is the
mean of ``bits`` over the data of the erased world: it says how redundant the data are, and is not
to be held against the switch.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import ImpactWarning
from inference.arrays.compressed_evidence import CompressedEvidence, compressed_evidence
from inference.arrays.information import Information, information
from inference.diagnostics.data_scales import Scale, deviations, prior_evidence
from inference.diagnostics.datum_bits import datum_bits
from inference.diagnostics.outputs import Outputs, whitened_outputs
from inference.diagnostics.scored import ScoredWorlds
from inference.diagnostics.switch_bits import SwitchBits, switch_bits
from inference.schema import (
    DATUM,
    DISCIPLE,
    MEASUREMENT,
)

__all__ = ["absolute_importance"]

COMPONENT = "component"
IMAGINED = 400
LONG_NAMES = {
    "fisher": "Fisher information of the future about the datum",
    "fisher_plugin": "Fisher information with noise",
    "bits": "bits of the future that the datum tells, given the others",
    "order": "place among the data that are important and say something new",
    "new_bits": "bits that the datum adds to those before it",
    "partial_bits": "bits that no other datum tells",
    "evidence_bits": "bits of the future that the evidence tells",
    "evidence_plugin": "bits of the future that the evidence tells, with noise",
    "belief_bits": "bits of the past that the evidence tells",
    "belief_trusted": "whether there are draws enough for bits of the past",
    "eta_evidence": "share of the bits of the past that shows in the future",
    "component_bits": "bits of each independent piece of evidence, most important first",
    "relevance": "share of each independent belief that shows in the future, largest first",
    "switch_bits": "bits of the switch that show in the future",
    "switch_floor": "bits that the same world would show",
    "switch_bits_by_measurement": "bits of the switch that show in the measurement",
    "eta_switch": "share of the switch that shows in the future",
    "share_below": "share of the evidence in pieces that are less important than the switch",
    "penalty": "how much more of the switch shows than of the evidence",
}


def absolute_importance(
    worlds: xr.DataTree,
    *,
    outputs: str = "cells",
    cells: int | None = None,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    data: Sequence[str] | str | None = None,
    scale: Scale | None = None,
    seed: int = 0,
) -> xr.Dataset:
    r"""Weigh the switch against all that is known of the world, in bits of the future.

    Parameters
    ----------
    worlds
        What ``with_scores`` returned, or a reloaded one.
    outputs, cells
        What stands for the future where slopes are taken: ``cells`` of each measurement (so many;
        8 or what the draws can bear), ``moments`` (level and spread) or ``measurements`` (level).
    disciples, measurements, data
        Names to keep; all by default.
    scale
        Site or label of a datum -> its deviation given all others; or one for each datum.
    seed
        Of random directions and flips.

    Returns
    -------
    xr.Dataset
        Dims disciple, datum, component and measurement; the head of the file explains it all.

    Raises
    ------
    WorldError, EvidenceError
        If the tree has no scores, no draws of the prior, too few draws, or no scale of a datum.
    MeasurementError, DiscipleError, CounterfactualError
        If a name is not there, or there are too few draws for so many outputs.

    Warns
    -----
    ImpactWarning
        If ``belief_trusted`` is false for some world.

    Notes
    -----
    Bits of the evidence are exact where all is normal; else they hold near the evidence that was
    met, and can be zero there by accident. As evidence grows, its later bits are finer digits of
    what the future does not resolve, and η_e falls like 1/log n: look at the spectrum, too. Errors
    of its bits are up to twice too large where the future shows nearly all of the past.

    References
    ----------
    S. Armstrong, "The mathematics of reduced impact: help needed" (2012), *Absolute importance*.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(0.8, 0.2**0.5, size=(4, 1000))  # given e = 1: prior N(0,1), noise .25
    >>> w = np.stack([z + shift + rng.normal(0, 0.3**0.5, z.shape) for shift in (0, 2)])
    >>> measured = {"w": (("disciple", "chain", "draw"), w, {"role": "measurement"})}
    >>> scales = {"e": ("statistic", [1.25**0.5, 0.5])}
    >>> tree = xr.DataTree.from_dict({
    ...     "predictions": xr.Dataset(measured, {"disciple": ["erased", "bold"]}),
    ...     "evidence_scores": xr.Dataset({"e": (("chain", "draw"), (z - 1) / 0.25)}),
    ...     "evidence_scales": xr.Dataset(scales, {"statistic": ["loo_sd", "prior_noise"]}),
    ...     "prior_evidence": xr.Dataset({"e": ("prior_draw", rng.normal(size=4000))})})
    >>> found = absolute_importance(tree, outputs="measurements").sel(disciple="bold")
    >>> bool(abs(found["eta_evidence"] - 0.689 / 1.161) < 4 * found["eta_evidence_mcse"])
    True
    >>> bool(abs(found["penalty"] - 0.128) < 4 * found["penalty_mcse"])  # .72 of X, less .59
    True
    """
    scored = ScoredWorlds(worlds, disciples=disciples, measurements=measurements, data=data)
    sizes = deviations(scored, scale)
    told = whitened_outputs(scored, outputs=outputs, cells=cells, own=True)
    by_datum = [datum_bits(scored, told, world, sizes) for world in scored.disciples]
    by_world = _informed(worlds, scored, told, seed)
    read = switch_bits(scored, seed=seed)
    return _labelled(scored, told, by_datum, by_world, read, seed)


def _informed(
    worlds: xr.DataTree, scored: ScoredWorlds, told: Outputs, seed: int
) -> list[Information]:
    """Bits of the past and of the future in each world."""
    prior, noise = prior_evidence(worlds, scored)
    own = [each.mean(axis=0) for each in told.direct.values() if each is not None]
    extra = np.concatenate(own) if own else None
    found, evidence = [], None
    for world in scored.disciples:
        if evidence is None or scored.by_world:
            scores = scored.scores(world)
            evidence = compressed_evidence(scores, prior, noise, direct=extra, seed=seed)
        found.append(_information(scored, told, world, evidence))
    if not all(each.trusted for each in found):
        warnings.warn(
            f"the evidence tells of {found[0].directions} or more dimensions of the past, and "
            f"{scored.effective:.0f} effective draws are few for them: bits of belief, and with "
            "them eta_evidence and penalty, cannot be trusted. Draw more posterior draws, or keep "
            "fewer data (data=[...]).",
            ImpactWarning,
            stacklevel=3,
        )
    return found


def _information(
    scored: ScoredWorlds, told: Outputs, world: str, evidence: CompressedEvidence
) -> Information:
    direct = told.direct[world]
    return information(
        evidence,
        told.rows[world],
        scored.bounds,
        direct=None if direct is None else evidence.along(direct),
        effective=scored.effective,
    )


def _labelled(
    scored: ScoredWorlds,
    told: Outputs,
    by_datum: list[dict[str, np.ndarray]],
    by_world: list[Information],
    read: SwitchBits,
    seed: int,
) -> xr.Dataset:
    found: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name in by_datum[0]:
        if name != "typical":
            found[name] = (DISCIPLE, DATUM), np.stack([each[name] for each in by_datum])
    for name in by_world[0].estimates:
        for suffix, each in (
            ("", [i.estimates for i in by_world]),
            ("_mcse", [i.errors for i in by_world]),
        ):
            values = _padded([own[name] for own in each])
            dims = (DISCIPLE, COMPONENT) if values.ndim > 1 else (DISCIPLE,)
            found[name + suffix] = dims, values
    found["belief_trusted"] = (DISCIPLE,), np.array([each.trusted for each in by_world])
    found |= {name: ((DISCIPLE,), values) for name, values in read.whole.items()}
    found |= {name: ((DISCIPLE, MEASUREMENT), values) for name, values in read.each.items()}
    found |= _weighed(by_world[0], read, seed)
    coords = {
        DISCIPLE: np.array(scored.disciples, dtype=object),
        DATUM: np.array(scored.data, dtype=object),
        MEASUREMENT: np.array(read.measurements, dtype=object),
    }
    attrs: dict[str, Any] = {
        "typical_bits": float(by_datum[0]["typical"]),
        "outputs": len(told.rows[scored.disciples[0]]),
        "cells": told.cells,
        "directions": by_world[0].directions,
        "readings": [" | ".join(kinds) for kinds in read.kinds],
        "blocks": len(scored.bounds) - 1,
        "ess": scored.effective,
        "seed": seed,
    }
    variables = {
        name: (dims, values, {"long_name": LONG_NAMES.get(name, "Monte Carlo standard error")})
        for name, (dims, values) in found.items()
    }
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def _weighed(
    erased: Information, read: SwitchBits, seed: int
) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """Weigh each disciple's switch against the evidence of the erased world."""
    switch, error = read.whole["switch_bits"], read.whole["switch_bits_mcse"]
    eta, eta_error = erased.estimates["eta_evidence"], erased.errors["eta_evidence"]
    share = switch.clip(0, 1)
    penalty = (share - eta).clip(0)
    penalty[0] = 0.0
    penalty_error = np.sqrt(np.square(error) + np.square(eta_error))
    penalty_error[0] = 0.0
    # What lies below X is a matter of yes and no: its error is that of imagined estimates.
    rng = np.random.default_rng(seed)
    wide = np.zeros(len(erased.every))
    wide[: len(erased.errors["component_bits"])] = erased.errors["component_bits"]
    pieces = (erased.every + wide * rng.normal(size=(IMAGINED, len(wide)))).clip(0)
    luck = rng.normal(size=(IMAGINED, 1))
    below = np.array([_below(erased.every[None], bits).item() for bits in switch])
    imagined = [
        _below(pieces, bits + own * luck).std() for bits, own in zip(switch, error, strict=True)
    ]
    return {
        "eta_switch": ((DISCIPLE,), share),
        "eta_switch_mcse": ((DISCIPLE,), error),
        "penalty": ((DISCIPLE,), penalty),
        "penalty_mcse": ((DISCIPLE,), penalty_error),
        "share_below": ((DISCIPLE,), below),
        "share_below_mcse": ((DISCIPLE,), np.array(imagined)),
    }


def _below(pieces: np.ndarray, bits: np.ndarray | float) -> np.ndarray:
    """Share of the bits of pieces (..., piece) in those under so many."""
    total = pieces.sum(axis=-1)
    lesser = np.where(pieces < bits, pieces, 0.0).sum(axis=-1)
    found: np.ndarray = np.where(total > 0, lesser / np.where(total > 0, total, 1.0), 0.0)
    return found


def _padded(values: list[np.ndarray]) -> np.ndarray:
    """Stack estimates of worlds; those with fewer components have zeros for the rest."""
    most = max((np.size(own) for own in values), default=0)
    if np.ndim(values[0]) == 0:
        return np.array(values, dtype=float)
    return np.stack([np.pad(own, (0, most - len(own))) for own in values])
