"""How unlikely is each utility in the erased world, by its draws and beyond them?"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from scipy import special

from inference.arrays.order.baselines import KEPT, Baseline, independent_rare, refined
from inference.arrays.order.counting import counted_bits, indicator_effective
from inference.diagnostics.rare import Rare
from inference.schema import DISCIPLE, ERASED

__all__ = ["POINT", "power_curve"]

POINT = "point"


def power_curve(
    values: xr.DataArray, rare: Mapping[str, Rare], *, latents: float, points: int
) -> xr.Dataset:
    """Tell the tail of the erased world from its worst draws to the best of anybody's.

    Parameters
    ----------
    values
        Utility of every draw, ``erased`` first.
    rare
        By disciple; what reaches furthest serves all.
    latents
        Effective draws of the slowest latent, if that is known.
    points
        How many utilities.

    Returns
    -------
    xr.Dataset
        By point: ``tail_utility``, ``tail_bits``, ``tail_lower``, ``tail_upper``,
        ``tail_method``.

    Examples
    --------
    >>> draws = np.stack([np.arange(100.0), 50.0 + np.arange(100.0)])[:, None]
    >>> dims = ["disciple", "chain", "draw"]
    >>> draws = xr.DataArray(draws, {"disciple": ["erased", "high"]}, dims)
    >>> curve = power_curve(draws, {}, latents=np.inf, points=3)
    >>> curve["tail_method"].values.tolist()
    ['counting', 'counting', 'bound']
    """
    chains = values.sel({DISCIPLE: ERASED}).values
    off = chains.ravel()
    grid = np.linspace(off.min(), max(off.max(), values.values.max()), points)
    reached = off.size - np.searchsorted(np.sort(off), grid)
    sizes = indicator_effective(chains, grid, latents=latents)
    independent = independent_rare(chains, latents)
    told = counted_bits(reached, off.size, sizes)
    bits, lower, upper = told.plug_in, told.lower, told.upper
    method = np.where(reached > 0, "counting", "bound").astype(object)
    bits = np.where(reached > 0, bits, lower)
    best = _deepest(rare, off)
    if best is not None:
        far = reached * (independent / off.size) < KEPT
        looks = [look.bits(grid) for look in _looks(best, off, independent)]
        deep, hidden = refined(off, _all(best), independent=independent, lower=best.lower).bits(
            grid
        )
        spread = np.std([look[0] for look in looks], axis=0, ddof=1) if len(looks) > 1 else np.inf
        # Of runs that know nothing of each other, and of looks that share nine draws in ten.
        scale = np.sqrt(len(looks)) if best.runs else np.sqrt(len(looks)) / (len(looks) - 1.0)
        half = special.stdtrit(max(1, len(looks) - 1), 0.975) * spread / scale
        known = far & ~hidden
        bits = np.where(far, deep, bits)
        lower = np.where(far, np.where(hidden, deep, deep - half), lower)
        upper = np.where(far, np.where(hidden, np.inf, deep + half), upper)
        method = np.where(far, np.where(known, best.method, "bound"), method)
    return xr.Dataset(
        {
            "tail_utility": (POINT, grid),
            "tail_bits": (POINT, bits),
            "tail_lower": (POINT, np.maximum(lower, 0.0)),
            "tail_upper": (POINT, upper),
            "tail_method": (POINT, method),
        }
    )


def _deepest(rare: Mapping[str, Rare], off: np.ndarray) -> Rare | None:
    """Pick what reaches the highest utility; of what can be trusted, if anything can."""
    held = [one for one in rare.values() if one.method != "counting"]
    held = [one for one in held if one.reliable] or held
    return max(held, key=lambda one: _all(one)[0].max(initial=off.max()), default=None)


def _all(one: Rare) -> tuple[np.ndarray, np.ndarray]:
    if one.weighed is not None:
        return one.weighed[0].ravel(), one.weighed[1].ravel()
    utility = np.concatenate([run[0] for run in one.runs])
    return utility, np.concatenate([run[1] for run in one.runs]) - np.log(len(one.runs))


def _looks(one: Rare, off: np.ndarray, independent: float) -> list[Baseline]:
    """See the tail by each run of splitting, or by tenths of the weighed draws left out."""
    if one.runs:
        return [refined(off, run, independent=independent, lower=one.lower) for run in one.runs]
    utility, mass = _all(one)
    tenths = np.arange(utility.size) * 10 // utility.size
    more = np.log(10 / 9)
    return [
        refined(off, (utility[tenths != n], mass[tenths != n] + more), independent=independent)
        for n in range(10)
    ]
