r"""Are similar worlds similarly likely, whether or not the disciple was let in?

.. math:: \mathrm{tv}_k(S) = \tfrac12 \sum_W |P(e,S,1)(W) - P(e,S,0)(W)|

over the cells W of measurement k. The modulus comes last: averaging the differences of coupled
worlds would charge the disciple for chaos.

The cells are sixteen that are equally likely in the erased world and two tails of a thousandth,
or the measurement's own values where there are few; values that the erased world never takes are
one more. They are the same for every disciple, so impacts can be compared. A coarser look never
sees more, so this is at most the total variation of the worlds; and small ones of every given
measurement do not bound a joint one.

* ``tv``: sqrt(max(0, plugin² - floor²)), the estimate;
* ``plugin``: the formula with frequencies for probabilities, too large by up to the floor;
* ``floor``: what the same world would show against itself, sqrt((B - 1)/(πn)) for n independent
  draws a side and B equal cells: .0219 for 10 000 and 16;
* ``lower``, ``upper``: one-sided 95 % bounds of the total variation over these cells; each wider
  by 3/ESS, so that nothing is certified which so few draws could not have seen;
* ``mcse``: Monte Carlo standard error, from blocks of draws; 0 where all blocks agree;
* ``p``: how likely the same world shows as much; not corrected for many measurements;
* ``q``: the smallest rate of false discoveries at which this is among those called different
  (Benjamini and Hochberg): calling all with q <= .05, 5 % of the calls are wrong on average;
* ``p_family``: how likely the same world shows as much in any measurement at all, in deviations
  of its own (Westfall and Young); none is called wrongly in 95 cases of 100;
* ``verdict``: ``above`` if lower > tolerance, ``below`` if upper <= tolerance, else
  ``undecided``, which asks for more draws and is no evidence of a small impact;
* ``draws_needed``: draws a side (chains x draws x futures) at which a verdict is as likely as
  not, were the impact as estimated; 1e9 if none would do, the impact being at the tolerance.
* ``mean_plugin``, ``mean_floor``, ``mean_p``: plugin and floor on average over all measurements
  that have ten effective draws, and how likely the same world shows such an average: what is too
  small to be seen anywhere may be seen everywhere. The average of thousands is known so well that
  cells cut by the very draws they compare may show: trust it where a pilot cut them
  (``keep="summary"``), or with thousands of draws.

* ``ess``: how many independent posterior draws it rests on, whatever their futures: the smaller
  ESS of its erased and its let-in series. What moves slowly has wider errors, a larger floor and
  a larger p; where the ESS is under ten, p is 1 and the verdict undecided.

What never changes, or lies under quick noise, mixes perfectly and yet shows nothing of its
posterior: an event that hangs on a latent is missed as long as the latent stays away from it. So
no measurement has more effective draws than the slowest latent, where the tree tells it. The
blocks of draws, the same for all, follow the 5 % quantile of these ESS.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import refuse_counts
from inference.arrays.cells import Cells
from inference.arrays.multiplicity import Family, false_discoveries
from inference.arrays.sign_flips import random_signs
from inference.arrays.verdicts import draws_needed, verdicts
from inference.diagnostics.soundness import (
    FEWEST_FLIPS,
    SLOWEST,
    refuse_nobody,
    refuse_tolerance,
    rests_on,
    slowest_latent,
    warn_of_few,
)
from inference.diagnostics.sources import CountedWorlds, DrawnWorlds, source_of
from inference.schema import DISCIPLE, MEASUREMENT

__all__ = ["coarse_graining"]

LONG_NAMES = {
    "tv": "total variation, corrected for noise",
    "plugin": "total variation of the frequencies",
    "floor": "total variation that the same world would show against itself",
    "lower": "lower 95 % bound",
    "upper": "upper 95 % bound",
    "mcse": "Monte Carlo standard error",
    "p": "chance of the plug-in were the worlds the same",
    "q": "smallest false discovery rate that calls it",
    "p_family": "chance of any plug-in like it were the worlds the same",
    "verdict": "impact against the tolerance",
    "draws_needed": "draws a side that would tell the impact from the tolerance",
    "ess": "effective number of posterior draws",
    "mean_plugin": "mean total variation of the frequencies",
    "mean_floor": "mean that the same world would show against itself",
    "mean_p": "chance of the mean were the worlds the same",
}


def coarse_graining(
    worlds: xr.DataTree | xr.Dataset,
    *,
    tolerance: float = 0.05,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    cells: Cells | int | None = None,
    flips: int = 4000,
    seed: int = 0,
) -> xr.Dataset:
    r"""Compare the distributions of every measurement, disciple by disciple.

    .. math:: \mathrm{tv}_k(S) = \tfrac12 \sum_W |P(e,S,1)(W) - P(e,S,0)(W)|

    Parameters
    ----------
    worlds
        What ``sample_worlds`` returned, or a reloaded one: read piece by piece if opened lazily.
        Counts of draws will do (``keep="summary"``), in the cells they were counted in.
    tolerance
        Impact that would be tolerated, a difference of probabilities in (0, 1).
    disciples, measurements
        Names to keep; by default all disciples, and all that the world measures.
    cells
        Number of equal-mass cells, 16 by default, or other :class:`~inference.arrays.cells.Cells`.
        Fewer see less and need fewer draws. Counts stay in the cells they were counted in.
    flips, seed
        Seed of the random signs behind ``floor`` and ``p``, and the number that small
        probabilities get.

    Returns
    -------
    xr.Dataset
        Dims disciple (without ``erased``) and measurement. ``tv``, ``plugin``, ``floor``,
        ``lower``, ``upper``, ``mcse``, ``p``, ``q``, ``p_family`` in [0, 1]; ``verdict``, text;
        ``draws_needed``, 40 to 1e9; ``ess``, 1 to the number of posterior draws. By disciple alone
        ``mean_plugin``, ``mean_floor``, ``mean_p``. The head of this file explains them.
        Attributes: tolerance, cells, blocks, flips, seed, draws (a side), and of the ESS their
        5 % quantile, ess, which sets the blocks, and the smallest, ess_min.

    Raises
    ------
    MeasurementError
        If a value is not finite; names the measurement, the disciple and the draw.
    DiscipleError
        If there is nobody to compare with the erased world.
    WorldError
        For fewer than 40 posterior draws.
    CounterfactualError
        If the tolerance is no probability, or cells or flips are too few.

    Warns
    -----
    ImpactWarning
        If a measurement's draws are worth fewer than 100 independent ones; names the worst.

    References
    ----------
    S. Armstrong, "The mathematics of reduced impact: help needed" (2012), *Coarse graining*.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal([[[0.0]], [[1.0]]], size=(2, 4, 1000))
    >>> price = ["disciple", "chain", "draw"], noise, {"role": "measurement"}
    >>> drawn = xr.Dataset({"price": price}, coords={"disciple": ["erased", "greedy"]})
    >>> impact = coarse_graining(drawn).sel(disciple="greedy", measurement="price")
    >>> impact["verdict"].item(), abs(impact["tv"].item() - 0.3829) < 0.03
    ('above', True)
    """
    cut = cells if isinstance(cells, Cells) or cells is None else Cells.quantile(cells)
    refuse_tolerance(tolerance)
    refuse_counts(FEWEST_FLIPS, flips=flips)
    source = source_of(worlds, disciples=disciples, measurements=measurements, cells=cut)
    effective = source.effective(slowest_latent(worlds))
    found, means, attrs = _estimated(source, effective, tolerance, flips, seed)
    result = _labelled(found, means, source, attrs)
    warn_of_few(result, source.chains * source.draws)
    return result


def _estimated(
    source: DrawnWorlds | CountedWorlds,
    effective: np.ndarray,
    tolerance: float,
    flips: int,
    seed: int,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, Any]]:
    """Estimates by measurement, estimates of all measurements together, attributes."""
    refuse_nobody(source.disciples)
    draws = source.chains * source.draws * source.futures
    bounds = source.bounds(float(np.quantile(effective, SLOWEST)))
    families = [Family() for _ in source.disciples]
    found = source.compared(
        bounds,
        signs=random_signs(flips, len(bounds) - 1, seed=seed),
        effective=effective,
        families=families,
    )
    scores = found.pop("z")
    told = np.isfinite(scores)
    joint = np.stack([f.p_family(z) for f, z in zip(families, scores, strict=True)])
    found["q"] = false_discoveries(found["p"])
    found["p_family"] = np.maximum(joint, found["p"])
    found["ess"] = effective
    found["verdict"] = verdicts(found["lower"], found["upper"], tolerance=tolerance)
    found["draws_needed"] = draws_needed(
        found["tv"],
        floor=found["floor"],
        mcse=found["mcse"],
        tolerance=tolerance,
        draws=draws,
        effective=effective,
    )
    counted = np.where(told.any(axis=1, keepdims=True), told, True)
    means = {
        "mean_plugin": found["plugin"].mean(axis=1, where=counted),
        "mean_floor": found["floor"].mean(axis=1, where=counted),
        "mean_p": np.array([family.p_mean() for family in families]),
    }
    return (
        found,
        means,
        {
            "tolerance": float(tolerance),
            "cells": source.cells_said,
            "flips": flips,
            "seed": seed,
            **rests_on(draws, bounds, effective),
        },
    )


def _labelled(
    found: dict[str, np.ndarray],
    means: dict[str, np.ndarray],
    source: DrawnWorlds | CountedWorlds,
    attrs: dict[str, Any],
) -> xr.Dataset:
    coords = {
        DISCIPLE: np.array(source.disciples, dtype=object),
        MEASUREMENT: np.array(source.measurements, dtype=object),
    }
    every: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        name: ((DISCIPLE, MEASUREMENT), values) for name, values in found.items()
    }
    every |= {name: ((DISCIPLE,), values) for name, values in means.items()}
    variables = {
        name: (*every[name], {"long_name": long_name}) for name, long_name in LONG_NAMES.items()
    }
    return xr.Dataset(variables, coords=coords, attrs=attrs)
