r"""Is the future as uncertain as before, and in the same way, whatever it is uncertain about?

*Independently of whether the disciple was built, we should expect the same shape to future
uncertainty.* Every measurement's law is described by numbers, in both worlds, and these are
compared: 22 ``descriptors``, in units of the erased world, and one comparison of the whole law
that knows no labels.

* ``mean``, ``spread`` (standard deviation), ``skewness`` and excess ``kurtosis``, ``fifth`` and
  ``sixth`` standardised cumulants: unbiased k-statistics, in erased standard deviations from the
  erased mean. Where tails are so heavy that a moment does not exist, it is NaN, and ``reason``
  says so;
* ``l_scale``, ``l_skewness``, ``l_kurtosis``: L-moments, which ask for no more than a mean;
* ``median`` and four more quantiles, in robust deviations (interquartile range / 1.349) from the
  erased median; these and what follows exist for every law;
* ``concentration``: the probability of the likeliest interval one robust deviation wide, sup P(a
  <= W <= a + 1); ``shortest_half``: the length of the shortest interval that holds one half. Both
  are what a maximal density is meant to be, without a bandwidth;
* ``peaks``: how many, of those that are no noise (:func:`~inference.diagnostics.peaks`);
* ``entropy`` (nats), ``varentropy`` and ``surprisal_skewness``: cumulants of the surprisal
  -log P(W), over cells a quarter of a robust deviation wide; over its values, where a measurement
  has few. Too small where tails are heavy;
* ``tail_left``, ``tail_right``: k-hat of the generalised Pareto law of the tails; moments of an
  order of 1/k-hat and more do not exist.

``rearranged_tv`` is the total variation of the cells once they are sorted by probability,

.. math:: \min_\pi \tfrac12 \sum_W |P_1(\pi W) - P_0(W)|
          = \tfrac12 \sum_i |p^1_{(i)} - p^0_{(i)}|,

the least over all relabellings of worlds. **It is blind to swaps**: if peace and war change
places, neither it nor any number of the surprisal moves; that is what it is for, and why it must
not be the only penalty.

It takes some 15 ms a measurement, disciple and 10 000 draws.

Errors are those of leaving out one block of draws after another; of quantiles and halves, which
may jump, those of a share, carried over. ``floor`` is the mean modulus of a change, and p how
likely one as large is, were the worlds the same: by random signs of blocks, and for the number of
peaks by whether the saddles of those that are new are seen in one world alone.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from tqdm import tqdm

from counterfactual_models.errors import CounterfactualError, nearest, refuse_counts
from inference.arrays.cells import Cells
from inference.arrays.multiplicity import false_discoveries
from inference.arrays.shape.comparison import (
    CUMULANTS,
    DESCRIPTORS,
    L_MOMENTS,
    SURPRISAL,
    compared_shapes,
)
from inference.arrays.sign_flips import random_signs
from inference.diagnostics.soundness import (
    FEWEST_FLIPS,
    SLOWEST,
    refuse_nobody,
    rests_on,
    slowest_latent,
    warn_of_few,
)
from inference.diagnostics.sources import DrawnWorlds
from inference.schema import DISCIPLE, MEASUREMENT

__all__ = ["DESCRIPTOR", "shape"]

DESCRIPTOR = "descriptor"
_AT_ONCE = 64
"""Measurements between two steps of the bar."""
LONG_NAMES = {
    "on": "with the disciple let in",
    "off": "with the disciple erased",
    "on_mcse": "Monte Carlo standard error of on",
    "off_mcse": "Monte Carlo standard error of off",
    "change": "let in minus erased",
    "mcse": "Monte Carlo standard error of the change",
    "floor": "mean modulus of the change were the worlds the same",
    "p": "chance of as much were the worlds the same",
    "q": "smallest false discovery rate that calls it",
    "reason": "what is to be said of this number",
    "rearranged_tv": "least total variation over all relabellings, corrected for noise",
    "rearranged_plugin": "least total variation of the frequencies",
    "rearranged_floor": "least total variation that the same world would show against itself",
    "rearranged_mcse": "Monte Carlo standard error of rearranged_tv",
    "rearranged_p": "chance of as much were the worlds the same",
    "ess": "effective number of posterior draws",
}
_WHY_NOT = {
    "tail_left": "no tail to speak of",
    "tail_right": "no tail to speak of",
    "surprisal_skewness": "all cells are equally likely",
}
_BY_DESCRIPTOR = ("on", "on_mcse", "change", "mcse", "floor", "p")


def shape(
    worlds: xr.DataTree | xr.Dataset,
    *,
    descriptors: Sequence[str] | str | None = None,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    flips: int = 1000,
    seed: int = 0,
    progress: bool = True,
) -> xr.Dataset:
    r"""Describe the law of every measurement in both worlds, and compare.

    Parameters
    ----------
    worlds
        What ``sample_worlds`` returned, or a reloaded one. Counts of draws will not do.
    descriptors
        Names to keep, of those above; all by default.
    disciples, measurements
        Names to keep; by default all disciples, and all that the world measures.
    flips, seed
        Number and seed of the random signs behind ``floor`` and ``p``.
    progress
        Show how far it is, where there is a terminal and much to do.

    Returns
    -------
    xr.Dataset
        Dims disciple (without ``erased``), measurement and descriptor. ``on``, ``off`` (the same
        for all disciples) and ``change``, each with its error; ``floor``; ``p`` and ``q`` in (0,
        1], q over all measurements and descriptors of a disciple; ``reason``, text. By disciple
        and measurement ``rearranged_tv`` in [0, 1] with plugin, floor, mcse and p, and ``ess``.
        NaN where a number is not defined, and then there is a reason. Attributes: blocks, draws
        (a side), ess and ess_min, flips, seed.

    Raises
    ------
    CounterfactualError
        If a descriptor is not known; the nearest is offered.
    MeasurementError
        If a value is not finite; names the measurement, the disciple and the draw.
    WorldError
        For fewer than 40 posterior draws, or counts of draws.

    Warns
    -----
    ImpactWarning
        If a measurement's draws are worth fewer than 100 independent ones; names the worst.

    References
    ----------
    S. Armstrong, "The mathematics of reduced impact: help needed" (2012), *Abstract comparison*.
    J. R. M. Hosking (1990), "L-moments", *JRSS B* 52(1). P. Lévy (1937), on concentration.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(2, 4, 1000)) * [[[1.0]], [[2.0]]]
    >>> price = ["disciple", "chain", "draw"], noise, {"role": "measurement"}
    >>> drawn = xr.Dataset({"price": price}, coords={"disciple": ["erased", "rash"]})
    >>> found = shape(drawn).sel(disciple="rash", measurement="price")
    >>> found["on"].sel(descriptor="spread").round(1).item()
    2.0
    >>> abs(found["rearranged_tv"].item() - 0.3227) < 0.03
    True
    """
    wanted = _wanted(descriptors)
    refuse_counts(FEWEST_FLIPS, flips=flips)
    source = DrawnWorlds(
        worlds, disciples=disciples, measurements=measurements, cells=Cells.width()
    )
    effective = source.effective(slowest_latent(worlds))
    refuse_nobody(source.disciples)
    bounds = source.bounds(float(np.quantile(effective, SLOWEST)))
    signs = random_signs(flips, len(bounds) - 1, seed=seed)
    found = _compared(source, wanted, bounds, effective, signs, progress)
    result = _labelled(found | {"ess": effective}, wanted, source)
    warn_of_few(result, source.chains * source.draws)
    rows = source.chains * source.draws * source.futures
    return result.assign_attrs(rests_on(rows, bounds, effective), flips=flips, seed=seed)


def _wanted(descriptors: Sequence[str] | str | None) -> list[str]:
    chosen = [descriptors] if isinstance(descriptors, str) else descriptors
    wanted = list(DESCRIPTORS) if chosen is None else list(dict.fromkeys(map(str, chosen)))
    for name in wanted:
        if name not in DESCRIPTORS:
            raise CounterfactualError(
                f"no descriptor is named {name!r}. {nearest(name, DESCRIPTORS)}"
            )
    if not wanted:
        raise CounterfactualError(f"got no descriptor; expected some of {DESCRIPTORS}.")
    return wanted


def _compared(
    source: DrawnWorlds,
    wanted: list[str],
    bounds: np.ndarray,
    effective: np.ndarray,
    signs: np.ndarray,
    progress: bool,
) -> dict[str, np.ndarray]:
    """Compare all measurements, some at a time; the last axis is theirs."""
    found: list[dict[str, np.ndarray]] = []
    first, every = 0, len(source.measurements)
    hidden = None if progress and every > _AT_ONCE else True
    with tqdm(total=every, desc="shapes", unit="measurement", leave=False, disable=hidden) as bar:
        for part in source.read():
            for start in range(0, len(part), _AT_ONCE):
                some = part.values[start : start + _AT_ONCE]
                values = some.reshape(*some.shape[:2], -1)
                told = compared_shapes(
                    values,
                    bounds=bounds,
                    signs=signs,
                    effective=effective[:, first : first + len(values)],
                    wanted=wanted,
                    draws=source.chains * source.draws,
                )
                told["certain"] = np.ptp(values, axis=-1).T == 0
                found.append(told)
                first += len(values)
                bar.update(len(values))
    return {name: np.concatenate([one[name] for one in found], axis=-1) for name in found[0]}


def _reasons(found: dict[str, np.ndarray], wanted: list[str]) -> np.ndarray:
    """Say what is to be said of every number, and take back what no moment stands for."""
    said = np.full(found["change"].shape, "", dtype=object)
    erased, let_in = found["certain"][0], found["certain"][1:]
    for place, name in enumerate(wanted):
        own = said[place]
        own[np.broadcast_to(erased, own.shape)] = (
            "nothing is uncertain in the erased world: numbers are in the measurement's own unit"
        )
        if name in SURPRISAL:
            own[found["saturated"]] = (
                "the cells do not suit: fewer than ten draws a cell, or fewer than four cells"
            )
        hole = np.isnan(found["change"][place])
        own[hole] = f"not defined: {_WHY_NOT.get(name, 'too few draws, or digits')}"
        own[hole & let_in] = "not defined: certain with the disciple let in"
        own[hole & erased] = "not defined: certain in the erased world"
        if name in CUMULANTS:
            _take_back(found, own, place, CUMULANTS.index(name) + 1)
        elif name in L_MOMENTS:  # ratios and all, they exist where a mean does
            _take_back(found, own, place, 1)
    return said


def _take_back(found: dict[str, np.ndarray], said: np.ndarray, place: int, order: int) -> None:
    """Take back a cumulant of an order that has no moment, and say where errors are rough."""
    index = [f"{tail:.2f}" for tail in found["tail"].ravel()]
    tails = np.array(index, dtype=object).reshape(said.shape)
    rough = (found["moment_errors"] < order) & (said == "")
    said[rough] = [f"its error is rough: a tail of index {k}" for k in tails[rough]]
    none = found["moments"] < order
    said[none] = [f"no moment of order {order}: a tail of index {k}" for k in tails[none]]
    for part in _BY_DESCRIPTOR:
        found[part][place][none] = np.nan
    for part in ("off", "off_mcse"):
        found[part][place][none.all(axis=0)] = np.nan


def _labelled(found: dict[str, np.ndarray], wanted: list[str], source: DrawnWorlds) -> xr.Dataset:
    reasons = _reasons(found, wanted)
    coords = {
        DISCIPLE: np.array(source.disciples, dtype=object),
        MEASUREMENT: np.array(source.measurements, dtype=object),
        DESCRIPTOR: np.array(wanted, dtype=object),
    }
    p = np.moveaxis(found["p"], 0, -1)
    told = np.nan_to_num(p, nan=1.0).reshape(len(p), -1)
    by_descriptor = {name: np.moveaxis(found[name], 0, -1) for name in _BY_DESCRIPTOR}
    by_descriptor["q"] = np.where(np.isnan(p), np.nan, false_discoveries(told).reshape(p.shape))
    by_descriptor["reason"] = np.moveaxis(reasons, 0, -1)
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        name: ((DISCIPLE, MEASUREMENT, DESCRIPTOR), values)
        for name, values in by_descriptor.items()
    }
    variables |= {name: ((MEASUREMENT, DESCRIPTOR), found[name].T) for name in ("off", "off_mcse")}
    variables |= {
        name: ((DISCIPLE, MEASUREMENT), found[name])
        for name in LONG_NAMES
        if name.startswith("rearranged") or name == "ess"
    }
    return xr.Dataset(
        {name: (*variables[name], {"long_name": text}) for name, text in LONG_NAMES.items()},
        coords=coords,
    )
