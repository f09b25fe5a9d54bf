"""Are these draws fit to be compared: all finite, enough of them, and how many are they worth?"""

import warnings
from collections.abc import Sequence

import numpy as np
import xarray as xr

from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    ImpactWarning,
    MeasurementError,
    WorldError,
)
from inference.arrays.blocks import FEWEST_DRAWS, effective_draws
from inference.schema import CHAIN, DISCIPLE, DRAW, ERASED, MEASUREMENT

__all__ = [
    "FEW",
    "FEWEST_FLIPS",
    "SLOWEST",
    "effective_pairs",
    "few_draws",
    "paired",
    "refuse_few",
    "refuse_holes",
    "refuse_nobody",
    "refuse_tolerance",
    "rests_on",
    "slowest_latent",
    "warn_of_few",
    "worst",
    "worth_little",
]

SLOWEST = 0.05
"""Quantile of the effective draws that blocks of draws follow."""
FEW = 100
"""Effective draws under which a warning is due."""
FEWEST_FLIPS = 100
"""Random signs behind floors and p-values."""
NAMED = 3
CHECKED_AT_ONCE = 2**21


def effective_pairs(values: np.ndarray, latents: float = np.inf) -> np.ndarray:
    """Effective draws of every comparison of a world with the first one.

    Parameters
    ----------
    values
        Shape (measurement, world, chain, draw[, future]).
    latents
        From :func:`slowest_latent`.

    Returns
    -------
    np.ndarray
        Shape (world - 1, measurement).

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(2, 3, 4, 250))
    >>> effective_pairs(noise).shape
    (2, 2)
    """
    return paired(effective_draws(values).T, latents)


def paired(sizes: np.ndarray, latents: float = np.inf) -> np.ndarray:
    """Effective draws of every comparison: the smaller number of its two worlds.

    None has more than the slowest latent: what quick noise lies on top of mixes perfectly, and
    shows nothing of a latent that only now and then decides between the worlds.

    Parameters
    ----------
    sizes
        Of every world, shape (world, measurement).
    latents
        From :func:`slowest_latent`.

    Returns
    -------
    np.ndarray
        Shape (world - 1, measurement).

    Examples
    --------
    >>> paired(np.array([[90.0, 50.0], [70.0, 80.0]]), 60.0)
    array([[60., 50.]])
    """
    return np.minimum(np.minimum(sizes[1:], sizes[:1]), latents)


def slowest_latent(worlds: xr.DataTree | xr.Dataset) -> float:
    """Find the smallest bulk ESS of a latent that moves; infinite where the tree does not tell.

    Examples
    --------
    >>> slowest_latent(xr.Dataset())
    inf
    """
    if not isinstance(worlds, xr.DataTree) or "convergence" not in worlds.children:
        return np.inf
    judged = worlds["convergence"].to_dataset()
    if "ess_bulk" not in judged.get("statistic", ()):
        return np.inf
    sizes = judged.sel(statistic="ess_bulk").to_dataarray().values
    return max(1.0, float(np.min(sizes, where=np.isfinite(sizes), initial=np.inf)))


def few_draws(draws: int, sizes: xr.DataArray) -> str:
    """Say which measurements' draws are worth little.

    Examples
    --------
    >>> sizes = xr.DataArray([[7.0, 900.0]], {MEASUREMENT: ["a", "b"]}, [DISCIPLE, MEASUREMENT])
    >>> few_draws(1000, sizes)[:43]
    "the 1000 draws are worth only 7 for 'a': er"
    """
    return (
        f"the {draws} draws are worth only {worst(sizes)}: errors of these are widened, and "
        "still rough. Draw more, or run the posterior longer."
    )


def warn_of_few(result: xr.Dataset, draws: int) -> None:
    """Warn whoever asked for a result of measurements whose draws are worth little.

    Parameters
    ----------
    result
        With the variable ``ess``, dims disciple and measurement.
    draws
        Posterior draws.

    Warns
    -----
    ImpactWarning
        If one is worth fewer than 100 independent draws; names the worst.
    """
    if float(result["ess"].min()) < FEW:
        warnings.warn(few_draws(draws, result["ess"]), ImpactWarning, stacklevel=3)


def rests_on(draws: int, bounds: np.ndarray, effective: np.ndarray) -> dict[str, float]:
    """Say in the attributes of a result what it rests on.

    Parameters
    ----------
    draws
        A side, futures included.
    bounds
        Of the blocks.
    effective
        Effective draws of every comparison.

    Returns
    -------
    dict
        ``blocks``, ``draws``, and of the effective draws their 5 % quantile ``ess``, which sets
        the blocks, and the smallest, ``ess_min``.

    Examples
    --------
    >>> rests_on(100, np.arange(0, 101, 5), np.array([[90.0]]))
    {'blocks': 20, 'draws': 100, 'ess': 90.0, 'ess_min': 90.0}
    """
    return {
        "blocks": len(bounds) - 1,
        "draws": draws,
        "ess": float(np.quantile(effective, SLOWEST)),
        "ess_min": float(effective.min()),
    }


def worth_little(draws: int, effective: float) -> str:
    """Say that draws are worth few independent ones.

    Examples
    --------
    >>> worth_little(1000, 7.4)[:37]
    'the 1000 draws are worth only 7: erro'
    """
    return (
        f"the {draws} draws are worth only {effective:.0f}: errors are widened, and still rough. "
        "Draw more, or run the posterior longer."
    )


def refuse_nobody(disciples: Sequence[str]) -> None:
    """Refuse to have the erased world alone.

    Parameters
    ----------
    disciples
        Names, without the erased world.

    Raises
    ------
    DiscipleError
        If there are none.
    """
    if not len(disciples):
        raise DiscipleError(
            "there is no disciple to compare with the erased world; expected one at least: let it "
            "in with sample_worlds(world, posterior, {'name': policy}), or leave disciples=[] out."
        )


def refuse_tolerance(tolerance: float) -> None:
    """Refuse what is no difference of probabilities.

    Raises
    ------
    CounterfactualError
        If it is not between 0 and 1.

    Examples
    --------
    >>> refuse_tolerance(0.05)
    """
    if not 0 < tolerance < 1:
        raise CounterfactualError(
            f"tolerance={tolerance}: an impact is a difference of probabilities; "
            "give a number between 0 and 1, such as 0.05."
        )


def refuse_few(draws: int | xr.DataArray) -> None:
    """Refuse fewer than forty posterior draws, or an array that has no more.

    Raises
    ------
    WorldError
        Says how many there are.
    """
    if isinstance(draws, xr.DataArray):
        draws = draws.sizes[CHAIN] * draws.sizes[DRAW]
    if draws < FEWEST_DRAWS:
        raise WorldError(
            f"these worlds have {draws} posterior draws; expected at least {FEWEST_DRAWS}, and "
            "some thousands for a verdict: sample_posterior(..., draws=1000)."
        )


def refuse_holes(flat: xr.DataArray) -> None:
    """Refuse numbers that are not finite, dims (measurement, disciple, chain, draw[, future]).

    Raises
    ------
    MeasurementError
        Names the first one's measurement, disciple and draw.
    """
    values = flat.values
    step = max(1, CHECKED_AT_ONCE // max(1, values[:1].size))
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


def worst(sizes: xr.DataArray) -> str:
    """Name the measurements with the fewest effective draws, and how many more there are.

    Examples
    --------
    >>> worst(xr.DataArray([[7.4, 900.0]], {MEASUREMENT: ["a", "b"]}, [DISCIPLE, MEASUREMENT]))
    "7 for 'a'"
    """
    fewest = sizes.min(DISCIPLE).to_series().sort_values(kind="stable")
    fewest = fewest[fewest < FEW]
    named = ", ".join(f"{size:.0f} for {name!r}" for name, size in fewest[:NAMED].items())
    more = f" and under {FEW} for {len(fewest) - NAMED} more" if len(fewest) > NAMED else ""
    return f"{named}{more}"
