r"""How many bits describe the future, and how many are left once the other future is known?

What is described is the *law* of a measurement, as finely as its draws justify, and not the draws:
a description says where a tree of cells goes on and what share of a node lies to its left. With
L(P) for the bits of P(e,S,1) (``on``) and P(e,S,0) (``off``),

* ``on``, ``off``: bits of each world alone. Some 100 for a normal law known from 10 000 draws, up
  to 30 more where it is shifted against the erased one;
* ``on_given_off``, ``off_given_on``: bits once the other world is known. **Three bits if nothing
  changed** (one where a measurement has few values), about as many as alone if everything did;
* ``information``: the bits that knowing P(e,S,1) saves of the *draws* of P(e,S,0), which is the
  logarithm of how much likelier it is that both worlds have one law than that their laws have
  nothing to do with each other: positive for the same world, about -1 where nothing is shared;
* ``distortion``: how near a description of so many bits comes, in total variation, if it may leave
  things out ("possibly allowing destructive compression"); 0 where it says all that the draws
  justify. At 0 bits, the other world being known, it is how far they are apart;
* ``at_budget``: the distortion at the ``budget``: a share of the disciple's own compressed source,
  split evenly over the measurements, which together are the description of a world.
  A decoder has the cells and, where it is given, the other world's law, and nothing else: *the
  master's source code along with X=1* describes the world in a line, and is no description here.

Both worlds are described from as many draws as the less certain one is worth. Cells halve the real
line again and again about the erased median, or are the values, where there are few. From one
sample to another the bits of a law move by some ten; a smaller difference of ``on`` and ``off``
means nothing. Errors come from halves of the blocks, and are up to twice too large for ``on`` and
``off``, up to three times once the other world is known; they do not know how uncertain ``ess``
is. Below some 400 independent draws there is little to describe, and
what is the same may take more than three bits.

General compressors do not do this. Of independent draws nearly all bits are noise: the normalised
compression distance (LZMA) of 100 000 draws is .9988 for the same law and 1.0002 for one three
deviations away. They serve where there is structure: for source texts, and for worlds that are
grids or texts (:func:`~inference.diagnostics.twist`).
"""

from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np
import xarray as xr

from counterfactual_models.errors import CounterfactualError, nearest
from inference.arrays.cells import Cells, of_levels
from inference.arrays.codes import flat_codes, tree_codes
from inference.arrays.codes.distortion import correction_bits, distortion_curve
from inference.arrays.codes.two_worlds import DESCRIPTIONS, LENGTHS, described
from inference.arrays.effective_counts import effective_from_counts
from inference.arrays.sign_flips import noise_floor, random_signs
from inference.diagnostics.soundness import (
    SLOWEST,
    refuse_nobody,
    rests_on,
    slowest_latent,
    warn_of_few,
)
from inference.diagnostics.sources import CountedWorlds, DrawnWorlds, source_of
from inference.schema import (
    DISCIPLE,
    MEASUREMENT,
    chosen_disciples,
    decode_attrs,
    predictions,
)

__all__ = ["DESCRIPTION", "RATE", "SOURCES", "description_length"]

DESCRIPTION, RATE = "description", "rate"
SOURCES = "disciple_bits"
"""Attribute of worlds that notes the bits of every disciple's source."""
_LEAST_RATE, _STEPS = 128.0, 64
_FLIPS, _HALVES = 200, 40
LONG_NAMES = {
    "on": "bits of the world with the disciple let in",
    "off": "bits of the world with the disciple erased",
    "on_given_off": "bits of the former, the latter being known",
    "off_given_on": "bits of the latter, the former being known",
    "information": "bits that the one saves of the other's draws",
    "same": "bits by which it is said that nothing changed",
    "distortion": "total variation that is left",
    "at_budget": "total variation that is left at the budget",
    "floor": "total variation that the same world would show against itself",
    "budget": "bits that a description of one measurement may take",
    "reason": "why there is no budget",
    "ess": "effective number of posterior draws",
}


def description_length(
    worlds: xr.DataTree | xr.Dataset,
    *,
    budget: float | Mapping[str, float] | None = None,
    share: float = 0.1,
    depth: int = 6,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    seed: int = 0,
) -> xr.Dataset:
    r"""Describe every measurement in each world, alone and given the other.

    Parameters
    ----------
    worlds
        What ``sample_worlds`` returned, or a reloaded one; counts of draws will do if they were
        counted in ``Cells.dyadic``.
    budget, share
        Bits that a description of one measurement may take, for all disciples or by name; by
        default a share of the bits of the disciple's own compressed source, which
        ``sample_worlds`` notes down, split evenly over the measurements.
    depth
        2^depth leaves, 64 by default.
    disciples, measurements
        Names to keep; by default all disciples, and all that the world measures.
    seed
        Of the random halves and signs behind errors and floors.

    Returns
    -------
    xr.Dataset
        Dims disciple (without ``erased``) and measurement: ``on``, ``off`` (0 for a constant),
        ``on_given_off``, ``off_given_on`` (from 1 on), ``information``, bits, each also with
        ``_mcse``; ``floor``, tv that the same world would show, and ``ess``. By measurement
        ``same``, 3 bits or 1. ``distortion``, in [0, 1], has dims (disciple, measurement,
        description, rate), the rate in bits; ``at_budget`` has no rate. By disciple ``budget``,
        NaN where it is not known, and then ``reason`` says why. Attributes: share, cells, seed,
        blocks, draws (a side), and of the ESS the 5 % quantile, ess, and the smallest, ess_min.

    Raises
    ------
    CounterfactualError
        If a budget or a share is no positive number, or a budget is for nobody.
    MeasurementError
        If a value is not finite; names the measurement, the disciple and the draw.
    WorldError
        For fewer than 40 posterior draws.

    Warns
    -----
    ImpactWarning
        If a measurement's draws are worth fewer than 100 independent ones; names the worst.

    References
    ----------
    S. Armstrong, "The mathematics of reduced impact: help needed" (2012), *Information*.
    Willems, Shtarkov and Tjalkens (1995), "The context-tree weighting method", *IEEE IT* 41.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal([[[0.0]], [[0.0]], [[3.0]]], size=(3, 4, 2500))
    >>> price = ["disciple", "chain", "draw"], noise, {"role": "measurement"}
    >>> drawn = xr.Dataset({"price": price}, {"disciple": ["erased", "idle", "greedy"]})
    >>> found = description_length(drawn, budget=24.0).sel(measurement="price")
    >>> found["off_given_on"].values.round()
    array([  3., 109.])
    """
    _refuse_share(share)
    cells, latents = Cells.dyadic(depth), slowest_latent(worlds)
    source = source_of(worlds, disciples=disciples, measurements=measurements, cells=cells)
    effective = source.effective(latents)
    refuse_nobody(source.disciples)
    allowed, reasons = _budgets(worlds, source, budget, share)
    bounds = source.bounds(float(np.quantile(effective, SLOWEST)))
    found, rates = _described(source, bounds, effective, latents, allowed, depth=depth, seed=seed)
    found |= {"ess": effective, "budget": allowed, "reason": reasons}
    result = _labelled(found, rates, source)
    warn_of_few(result, source.chains * source.draws)
    noted = {"share": float(share), "cells": source.cells_said, "seed": seed}
    return result.assign_attrs(rests_on(int(bounds[-1]), bounds, effective) | noted)


def _described(
    source: DrawnWorlds | CountedWorlds,
    bounds: np.ndarray,
    effective: np.ndarray,
    latents: float,
    allowed: np.ndarray,
    *,
    depth: int,
    seed: int,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Describe all measurements, part by part; and the rates of the curves."""
    shape, lengths = effective.shape, np.diff(bounds)
    signs = random_signs(_FLIPS, len(lengths), seed=seed)
    every = (2**depth - 1) * correction_bits(2**depth)
    most = np.clip(1.5 * np.nanmax(allowed, initial=0.0), _LEAST_RATE, max(every, _LEAST_RATE))
    rates = np.linspace(0.0, most, _STEPS + 1)
    found = {name: np.empty(shape) for name in (*LENGTHS, *(f"{n}_mcse" for n in LENGTHS))}
    found["floor"], found["same"] = np.empty(shape), np.empty(shape[1:])
    found["distortion"] = np.empty((*shape, len(DESCRIPTIONS), len(rates)))
    found["at_budget"] = np.empty((*shape, len(DESCRIPTIONS)))
    for members, counts, edges in source.counted(bounds):
        few = of_levels(edges)
        for levels in np.unique(few):
            own, part = counts[..., few == levels], members[few == levels]
            found["same"][part] = flat_codes.SAME_BITS if levels else tree_codes.SAME_BITS
            worth = [effective_from_counts(one, bounds, source.chains) for one in own]
            worth = np.minimum(worth, latents * source.futures) / lengths.sum()
            for world, budget in enumerate(allowed):
                told = _compared(
                    own[world + 1],
                    own[0],
                    np.minimum(worth[world + 1], worth[0]),
                    signs=signs,
                    lengths=lengths,
                    levels=bool(levels),
                    rates=rates,
                    budget=budget,
                )
                for name, numbers in told.items():
                    found[name][world, part] = numbers
    return found, rates


def _compared(
    let_in: np.ndarray,
    erased: np.ndarray,
    worth: np.ndarray,
    *,
    signs: np.ndarray,
    lengths: np.ndarray,
    levels: bool,
    rates: np.ndarray,
    budget: float,
) -> dict[str, np.ndarray]:
    """Describe one disciple's world and the erased one, of some measurements."""
    told = described(let_in, erased, worth=worth, signs=signs[:_HALVES], levels=levels)
    distortion, at_budget = _curves(told.laws, rates, budget)
    return {
        **told.lengths,
        **{f"{name}_mcse": error for name, error in told.errors.items()},
        "floor": noise_floor(let_in.astype(np.int64) - erased, lengths, signs),
        "distortion": distortion,
        "at_budget": at_budget,
    }


def _curves(
    laws: Mapping[str, tuple[np.ndarray, np.ndarray]], rates: np.ndarray, budget: float
) -> tuple[np.ndarray, np.ndarray]:
    """Find what is left of each description at all rates, and at the budget, if there is one."""
    at = np.searchsorted(rates, budget)
    every = rates if np.isnan(budget) else np.insert(rates, at, budget)
    paid = every >= 1
    curves = np.stack([distortion_curve(*laws[name], every) for name in DESCRIPTIONS], axis=1)
    for place, name in enumerate(DESCRIPTIONS):
        alone, _, known = name.partition("_given_")
        if known:  # for one bit, what is known may be left alone
            fresh = distortion_curve(*laws[alone], every[paid] - 1)
            curves[:, place, paid] = np.minimum(curves[:, place, paid], fresh)
    if np.isnan(budget):
        return curves, np.full(curves.shape[:2], np.nan)
    return np.delete(curves, at, axis=2), curves[..., at]


def _budgets(
    worlds: xr.DataTree | xr.Dataset,
    source: DrawnWorlds | CountedWorlds,
    budget: float | Mapping[str, float] | None,
    share: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the bits of every disciple's descriptions, and why there are none."""
    disciples = source.disciples
    if isinstance(budget, Mapping):
        every = _let_in(worlds, source)
        for name in budget:
            if name not in every:
                raise CounterfactualError(
                    f"got a budget for {name!r}. {nearest(str(name), every)}"
                )
        known, why = dict(budget), "no budget was given for this disciple"
    elif budget is not None:
        known, why = dict.fromkeys(disciples, budget), ""
    else:
        noted = decode_attrs(worlds.attrs).get(SOURCES) or {}
        each = share / len(source.measurements)
        known = {name: each * bits for name, bits in noted.items()}
        why = "the source of this disciple is not known: give budget="
    for name, bits in known.items():
        if isinstance(bits, bool) or not (isinstance(bits, Real) and 0 < bits < np.inf):
            raise CounterfactualError(
                f"got a budget of {bits!r} bits for {name!r}; expected a positive number."
            )
    found = np.array([known.get(name, np.nan) for name in disciples], dtype=float)
    return found, np.where(np.isnan(found), why, "").astype(object)


def _let_in(
    worlds: xr.DataTree | xr.Dataset, source: DrawnWorlds | CountedWorlds
) -> Sequence[str]:
    """Name all disciples there are, wanted or not."""
    if isinstance(source, DrawnWorlds):
        return chosen_disciples(predictions(worlds)[DISCIPLE].values)[1:]
    return source_of(worlds, disciples=None, measurements=None, cells=None).disciples


def _refuse_share(share: float) -> None:
    if not 0 < share < np.inf:
        raise CounterfactualError(
            f"got share={share!r}; expected a positive share of the disciple's source: 0.1, say."
        )


def _labelled(
    found: dict[str, np.ndarray], rates: np.ndarray, source: DrawnWorlds | CountedWorlds
) -> xr.Dataset:
    dims: dict[str, tuple[str, ...]] = {
        "distortion": (DISCIPLE, MEASUREMENT, DESCRIPTION, RATE),
        "at_budget": (DISCIPLE, MEASUREMENT, DESCRIPTION),
        "budget": (DISCIPLE,),
        "reason": (DISCIPLE,),
        "same": (MEASUREMENT,),
    }
    names = dict(LONG_NAMES)
    for name in LENGTHS:
        names[f"{name}_mcse"] = f"Monte Carlo standard error of {name}"
    return xr.Dataset(
        {
            name: (dims.get(name, (DISCIPLE, MEASUREMENT)), found[name], {"long_name": text})
            for name, text in names.items()
        },
        coords={
            DISCIPLE: np.array(source.disciples, dtype=object),
            MEASUREMENT: np.array(source.measurements, dtype=object),
            DESCRIPTION: np.array(DESCRIPTIONS, dtype=object),
            RATE: rates,
        },
    )
