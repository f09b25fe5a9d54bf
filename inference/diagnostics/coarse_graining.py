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
* ``verdict``: ``above`` if lower > tolerance, ``below`` if upper <= tolerance, else
  ``undecided``, which asks for more draws and is no evidence of a small impact;
* ``draws_needed``: draws a side (chains x draws x futures) at which a verdict is as likely as
  not, were the impact as estimated; 1e9 if none would do, the impact being at the tolerance.

* ``ess``: how many independent posterior draws it rests on, whatever their futures: the smaller
  ESS of its erased and its let-in series. What moves slowly has wider errors, a larger floor and
  a larger p; where the ESS is under ten, p is 1 and the verdict undecided.

A measurement that (almost) never changes mixes perfectly and yet shows nothing of its posterior:
an event that hangs on a latent is missed as long as the latent stays away from it. The ESS of such
a measurement is at most that of the slowest latent, where the tree tells it. The blocks of draws,
the same for all, follow the 5 % quantile of these ESS.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import (
    CounterfactualError,
    ImpactWarning,
    MeasurementError,
    WorldError,
)
from inference.arrays.blocks import FEWEST_DRAWS, block_bounds, effective_draws, hardly_moves
from inference.arrays.sign_flips import random_signs
from inference.arrays.total_variation import total_variation
from inference.arrays.verdicts import draws_needed, verdicts
from inference.schema import CHAIN, DISCIPLE, DRAW, ERASED, FUTURE, MEASUREMENT, flatten

__all__ = ["coarse_graining"]

LONG_NAMES = {
    "tv": "total variation, corrected for noise",
    "plugin": "total variation of the frequencies",
    "floor": "total variation that the same world would show against itself",
    "lower": "lower 95 % bound",
    "upper": "upper 95 % bound",
    "mcse": "Monte Carlo standard error",
    "p": "chance of the plug-in were the worlds the same",
    "verdict": "impact against the tolerance",
    "draws_needed": "draws a side that would tell the impact from the tolerance",
    "ess": "effective number of posterior draws",
}
CHECKED_AT_ONCE = 2**21
SLOWEST = 0.05
FEW = 100
NAMED = 3
_FEW_DRAWS = (
    "the {draws} draws are worth only {worst}: errors of these are widened, and still rough. "
    "Draw more, or run the posterior longer."
)


def coarse_graining(
    worlds: xr.DataTree | xr.Dataset,
    *,
    tolerance: float = 0.05,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    cells: int = 16,
    flips: int = 1000,
    seed: int = 0,
) -> xr.Dataset:
    r"""Are similar worlds similarly likely, whether or not the disciple was let in?

    .. math:: \mathrm{tv}_k(S) = \tfrac12 \sum_W |P(e,S,1)(W) - P(e,S,0)(W)|

    Parameters
    ----------
    worlds
        What ``sample_worlds`` returned, or a reloaded one. Futures of a draw are kept together;
        worlds drawn with shared noise keep their pairing.
    tolerance
        Impact that would be tolerated, a difference of probabilities in (0, 1).
    disciples, measurements
        Names to keep; by default all disciples, and all that the world measures.
    cells
        Number of equal-mass cells. Fewer see less and need fewer draws.
    flips, seed
        Number and seed of the random signs behind ``floor`` and ``p``.

    Returns
    -------
    xr.Dataset
        Dims disciple (without ``erased``) and measurement. ``tv``, ``plugin``, ``floor``,
        ``lower``, ``upper``, ``mcse``, ``p`` in [0, 1]; ``verdict``, text; ``draws_needed``, 40
        to 1e9; ``ess``, 1 to the number of posterior draws: as the head of this file explains.
        Attributes: tolerance, cells, blocks, flips, seed, draws (a side), and of the ESS their
        5 % quantile, ess, which sets the blocks, and the smallest, ess_min.

    Raises
    ------
    MeasurementError
        If a value is not finite; names the measurement, the disciple and the draw.
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
    _refuse_options(tolerance, cells, flips)
    flat = flatten(worlds, disciples=disciples, measurements=measurements)
    _refuse_holes(flat)
    _refuse_few(flat)
    latents = _slowest_latent(worlds)
    found, attrs = _estimated(
        flat, latents, tolerance=tolerance, cells=cells, flips=flips, seed=seed
    )
    attrs = {"tolerance": float(tolerance), "cells": cells, "flips": flips, "seed": seed, **attrs}
    result = _labelled(found, flat, attrs)
    if attrs["ess_min"] < FEW:
        posterior_draws = flat.sizes[CHAIN] * flat.sizes[DRAW]
        said = _FEW_DRAWS.format(draws=posterior_draws, worst=_worst(result["ess"]))
        warnings.warn(said, ImpactWarning, stacklevel=2)
    return result


def _estimated(
    flat: xr.DataArray, latents: float, *, tolerance: float, cells: int, flips: int, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    chains, draws, futures = flat.sizes[CHAIN], flat.sizes[DRAW], flat.sizes.get(FUTURE, 1)
    values = np.ascontiguousarray(flat.values)
    effective = _effective(values, latents)
    typical = float(np.quantile(effective, SLOWEST))
    bounds = block_bounds(chains, draws, futures, effective=typical)
    found = total_variation(
        values.reshape(*flat.shape[:2], -1),
        bounds=bounds,
        signs=random_signs(flips, len(bounds) - 1, seed=seed),
        effective=effective,
        draws=chains * draws,
        cells=cells,
    )
    found["ess"] = effective
    found["verdict"] = verdicts(found["lower"], found["upper"], tolerance=tolerance)
    found["draws_needed"] = draws_needed(
        found["tv"],
        floor=found["floor"],
        mcse=found["mcse"],
        tolerance=tolerance,
        draws=chains * draws * futures,
        effective=effective,
    )
    return found, {
        "blocks": len(bounds) - 1,
        "draws": chains * draws * futures,
        "ess": typical,
        "ess_min": float(effective.min()),
    }


def _effective(values: np.ndarray, latents: float) -> np.ndarray:
    """Effective draws of every comparison, (world - 1, measurement)."""
    series = effective_draws(values).T
    pairs = np.minimum(series[1:], series[:1])
    if np.isfinite(latents):
        still = hardly_moves(values)
        pairs[:, still] = np.minimum(pairs[:, still], latents)
    return pairs


def _slowest_latent(worlds: xr.DataTree | xr.Dataset) -> float:
    """Smallest bulk ESS of a latent that moves; infinite where the tree does not tell."""
    if not isinstance(worlds, xr.DataTree) or "convergence" not in worlds.children:
        return np.inf
    judged = worlds["convergence"].to_dataset()
    if "ess_bulk" not in judged.get("statistic", ()):
        return np.inf
    sizes = judged.sel(statistic="ess_bulk").to_dataarray().values
    return max(1.0, float(np.min(sizes, where=np.isfinite(sizes), initial=np.inf)))


def _worst(sizes: xr.DataArray) -> str:
    """Name the measurements with the fewest effective draws, and how many more there are."""
    fewest = sizes.min(DISCIPLE).to_series().sort_values(kind="stable")
    fewest = fewest[fewest < FEW]
    named = ", ".join(f"{size:.0f} for {name!r}" for name, size in fewest[:NAMED].items())
    more = f" and under {FEW} for {len(fewest) - NAMED} more" if len(fewest) > NAMED else ""
    return f"{named}{more}"


def _labelled(
    found: dict[str, np.ndarray], flat: xr.DataArray, attrs: dict[str, Any]
) -> xr.Dataset:
    coords = {
        DISCIPLE: flat[DISCIPLE].values[1:].astype(object),
        MEASUREMENT: flat[MEASUREMENT].values.astype(object),
    }
    variables = {
        name: ((DISCIPLE, MEASUREMENT), found[name], {"long_name": long_name})
        for name, long_name in LONG_NAMES.items()
    }
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def _refuse_options(tolerance: float, cells: int, flips: int) -> None:
    if not 0 < tolerance < 1:
        raise CounterfactualError(
            f"tolerance={tolerance}: an impact is a difference of probabilities; "
            "give a number between 0 and 1, such as 0.05."
        )
    if cells < 2 or flips < 100:
        raise CounterfactualError(
            f"got cells={cells} and flips={flips}; expected at least 2 cells and 100 flips "
            "(16 and 1000 by default)."
        )


def _refuse_holes(flat: xr.DataArray) -> None:
    values = flat.values
    step = max(1, CHECKED_AT_ONCE // (values.size // len(values)))
    for start in range(0, len(values), step):
        finite = np.isfinite(values[start : start + step])
        if finite.all():
            continue
        where = np.unravel_index(np.argmin(finite), finite.shape)
        place = (start + int(where[0]), *map(int, where[1:]))
        name = str(flat[MEASUREMENT].values[place[0]])
        disciple = str(flat[DISCIPLE].values[place[1]])
        which = ", ".join(
            f"{dim} {flat[dim].values[at] if dim in flat.coords else at}"
            for dim, at in zip(flat.dims[2:], place[2:], strict=True)
        )
        worlds = "erased world" if disciple == ERASED else f"world of disciple {disciple!r}"
        holes = np.count_nonzero(~np.isfinite(values[place[0]]))
        raise MeasurementError(
            f"measurement {name!r} is {values[place]} in the {worlds} at {which} (the first of "
            f"{holes} such values of it); expected finite numbers. Mend the world, or measure a "
            "bounded function of it. Dropping such draws would hide an impact: a world in which "
            "something is undefined is an outcome."
        )


def _refuse_few(flat: xr.DataArray) -> None:
    draws = flat.sizes[CHAIN] * flat.sizes[DRAW]
    if draws < FEWEST_DRAWS:
        raise WorldError(
            f"these worlds have {draws} posterior draws; expected at least {FEWEST_DRAWS}, and "
            "some thousands for a verdict: sample_posterior(..., draws=1000)."
        )
