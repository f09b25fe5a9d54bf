r"""How much of the difference is chaos that nobody steers?

.. math:: \mathrm{tv}(P_1, P_0) \le \mathbb{E}_z\, \mathrm{tv}(P_1(\cdot|z), P_0(\cdot|z))
          \le P(\mathrm{cell}_1 \ne \mathrm{cell}_0)

with P_1 = P(e,S,1), P_0 = P(e,S,0), and the cells on the right those of one draw in both worlds,
under the same noise. **Only the first rung is a penalty**, that of ``coarse_graining``. The others
charge the disciple for every butterfly: a hurricane that strikes elsewhere in each draw, and
nowhere more often, is 0 on the first rung and nearly 1 on the third. What lies between is chaos.

* ``tv``: the distributions are estimated first and compared after; noise is taken out;
* ``conditional``: compared for each z, then averaged. By default z is the draw of the past, and
  its futures tell the two worlds apart: an estimate from below, each future being judged by the
  signs of the others. With ``given`` z is the cell of the variables named; a coarser z never gives
  more than a finer one, but for noise;
* ``coupled``: how often a draw changes its cell. It depends on the coupling, as no other rung
  does, and on how fine the cells are;
* ``chaos``: coupled - tv.

Each rung has ``_mcse``, its Monte Carlo standard error from blocks of draws, and ``_lower`` and
``_upper``, one-sided 95 % bounds; what is a norm has its ``_floor``: what the same world would
show against itself, and what is taken out (0 where the signs come from other futures).
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
    nearest,
)
from inference.arrays.blocks import block_bounds
from inference.arrays.ladder import joint_groups, ladder
from inference.arrays.sign_flips import random_signs
from inference.diagnostics.soundness import (
    SLOWEST,
    effective_pairs,
    refuse_few,
    refuse_holes,
    slowest_latent,
    warn_of_few,
)
from inference.schema import (
    CHAIN,
    DISCIPLE,
    DRAW,
    ERASED,
    FUTURE,
    MEASUREMENT,
    PAST_DRAW,
    decode_attrs,
    flatten,
    predictions,
)

__all__ = ["chaos_ladder"]

RUNGS = {
    "tv": "total variation, corrected for noise: the penalty",
    "conditional": "total variation given z, averaged over z",
    "coupled": "share of draws that change their cell under shared noise",
}
ENDS = {
    "": "",
    "_mcse": ": Monte Carlo standard error",
    "_lower": ": lower 95 % bound",
    "_upper": ": upper 95 % bound",
    "_floor": ": what the same world would show against itself",
}
CHAOS = {
    "chaos": "coupled - tv: what changes and is not steered",
    "chaos_mcse": "coupled - tv: Monte Carlo standard error",
    "ess": "effective number of posterior draws",
}
FLIPS = 1000
ROWS_PER_CELL = 10
_ONE_FUTURE = (
    "each draw has a single future, so the middle rung is known only to lie between its "
    "neighbours: `conditional` repeats `tv`, and its bounds are tv_lower and coupled_upper. Draw "
    "several, sample_worlds(..., coupling='shared', futures=20), or name what to condition on, "
    "given=[...]."
)


def chaos_ladder(
    worlds: xr.DataTree | xr.Dataset,
    *,
    given: Sequence[str] | str | None = None,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    cells: int = 16,
    seed: int = 0,
) -> xr.Dataset:
    r"""How much of the difference is chaos that nobody steers?

    .. math:: \mathrm{tv}(P_1, P_0) \le \mathbb{E}_z\, \mathrm{tv}(P_1(\cdot|z), P_0(\cdot|z))
              \le P(\mathrm{cell}_1 \ne \mathrm{cell}_0)

    Only the first rung is a penalty.

    Parameters
    ----------
    worlds
        What ``sample_worlds(..., coupling="shared")`` returned, or a reloaded one.
    given
        Latents, measurements or future sites that are the same in both worlds: z is the cell they
        lie in, four of each (its own values, if eight at most). By default z is the draw of the
        past; that takes several futures of each.
    disciples, measurements
        Names to keep; by default all disciples, and all that the world measures.
    cells, seed
        Number of equal-mass cells, beside the two tails; seed of the signs behind the floors.

    Returns
    -------
    xr.Dataset
        Dims disciple (without ``erased``) and measurement. 0 <= ``tv`` <= ``conditional`` <=
        ``coupled`` <= 1, each with ``_mcse``, ``_lower``, ``_upper``, the first two with
        ``_floor``; ``chaos``, ``chaos_mcse``, ``ess``: as the head of this file explains.
        Attributes: given (``draw`` by default), groups, middle (``estimated`` or ``bracketed``),
        cells, blocks, flips, seed, draws (a side), ess, ess_min.

    Raises
    ------
    WorldError
        If the worlds do not share their noise, or have fewer than 40 posterior draws.
    MeasurementError
        If a value is not finite, a name is not there, or z differs between the worlds.
    CounterfactualError
        If there are under two cells, or more groups than the draws can fill.

    Warns
    -----
    ImpactWarning
        If the middle rung is only bracketed, or draws are worth fewer than 100 independent ones.

    Examples
    --------
    >>> strikes = np.random.default_rng(0).integers(0, 50, size=(2, 4, 1000, 1)).repeat(5, axis=-1)
    >>> coast = ["disciple", "chain", "draw", "future"], strikes, {"role": "measurement"}
    >>> worlds = xr.Dataset({"coast": coast}, coords={"disciple": ["erased", "butterfly"]})
    >>> worlds.attrs["coupling"] = "shared"
    >>> found = chaos_ladder(worlds).sel(disciple="butterfly", measurement="coast")
    >>> [round(found[rung].item(), 1) for rung in ("tv", "conditional", "coupled")]
    [0.0, 1.0, 1.0]
    """
    if cells < 2:
        raise CounterfactualError(f"got cells={cells}; expected at least 2 (16 by default).")
    flat = flatten(worlds, disciples=disciples, measurements=measurements)
    _refuse_unshared(worlds, flat)
    refuse_holes(flat)
    refuse_few(flat)
    names = [given] if isinstance(given, str) else given
    groups = None if names is None else _groups(worlds, flat, list(names), cells)
    found, attrs = _estimated(flat, slowest_latent(worlds), groups, cells=cells, seed=seed)
    attrs["given"] = "draw" if names is None else ", ".join(names)
    result = _labelled(found, flat, attrs)
    if attrs["middle"] == "bracketed":
        warnings.warn(_ONE_FUTURE, ImpactWarning, stacklevel=2)
    warn_of_few(result, flat.sizes[CHAIN] * flat.sizes[DRAW])
    return result


def _estimated(
    flat: xr.DataArray, slowest: float, groups: np.ndarray | None, *, cells: int, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    chains, draws, futures = flat.sizes[CHAIN], flat.sizes[DRAW], flat.sizes.get(FUTURE, 1)
    values = np.ascontiguousarray(flat.values)
    effective = effective_pairs(values, slowest)
    typical = float(np.quantile(effective, SLOWEST))
    bounds = block_bounds(chains, draws, futures, effective=typical)
    found = ladder(
        values.reshape(*flat.shape[:2], chains, draws, futures),
        bounds=bounds,
        signs=random_signs(FLIPS, len(bounds) - 1, seed=seed),
        effective=effective,
        slowest=slowest,
        groups=groups,
        cells=cells,
    )
    return found, {
        "middle": "bracketed" if groups is None and futures == 1 else "estimated",
        "groups": chains * draws if groups is None else int(groups.max()) + 1,
        "cells": cells,
        "blocks": len(bounds) - 1,
        "flips": FLIPS,
        "seed": seed,
        "draws": chains * draws * futures,
        "ess": typical,
        "ess_min": float(found["ess"].min()),
    }


def _labelled(
    found: dict[str, np.ndarray], flat: xr.DataArray, attrs: dict[str, Any]
) -> xr.Dataset:
    coords = {
        DISCIPLE: flat[DISCIPLE].values[1:].astype(object),
        MEASUREMENT: flat[MEASUREMENT].values.astype(object),
    }
    long_names = {
        f"{n}{end}": f"{text}{more}" for n, text in RUNGS.items() for end, more in ENDS.items()
    }
    if attrs["middle"] == "bracketed":
        long_names["conditional"] += " (not estimated: the rung below)"
    variables = {
        name: ((DISCIPLE, MEASUREMENT), found[name], {"long_name": long_name})
        for name, long_name in (long_names | CHAOS).items()
        if name in found
    }
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def _groups(
    worlds: xr.DataTree | xr.Dataset, flat: xr.DataArray, names: list[str], cells: int
) -> np.ndarray:
    """Tell which rows are alike in what is given: the number of their group, (row,)."""
    if not names:
        raise MeasurementError("given=[] names nothing; expected names, or None for each draw.")
    variables = [rows for name in names for rows in _given(worlds, flat, name)]
    groups = joint_groups(np.stack(variables))
    number, rows = int(groups.max()) + 1, len(groups)
    if rows < ROWS_PER_CELL * cells * number:
        raise CounterfactualError(
            f"given={names} makes {number} groups of {rows} rows; expected at least "
            f"{ROWS_PER_CELL * cells} rows in each (ten for each of {cells} cells). Condition on "
            "less, take fewer cells, or draw more."
        )
    return groups


def _given(worlds: xr.DataTree | xr.Dataset, flat: xr.DataArray, name: str) -> list[np.ndarray]:
    """Rows of every element of a variable that both worlds share."""
    sample = {dim: flat.sizes[dim] for dim in (CHAIN, DRAW, FUTURE) if dim in flat.sizes}
    latents = _latents(worlds)
    variable = name.split("[")[0]
    if variable not in latents:
        drawn = predictions(worlds)
        if variable not in drawn.data_vars:
            known = [*map(str, latents), *map(str, drawn.data_vars)]
            raise MeasurementError(f"given={name!r} is not there. " + nearest(name, known))
        kept = [str(d) for d in flat[DISCIPLE].values if d != ERASED]
        found = flatten(worlds, disciples=kept, measurements=name)
        refuse_holes(found)
        _refuse_consequence(found, name)
        return list(found.isel({DISCIPLE: 0}).values.reshape(found.sizes[MEASUREMENT], -1))
    latent = latents[[variable]].expand_dims({DISCIPLE: [ERASED]})
    past = {dim: size for dim, size in sample.items() if dim != FUTURE}
    if {dim: latent.sizes.get(dim) for dim in past} != past or not _aligned(latent, flat):
        raise WorldError(
            f"the posterior holds draws {dict(latent.sizes)} and the worlds {sample}: they are "
            "not the same draws. Select draws in the whole tree: worlds.sel(draw=...)."
        )
    rows = flatten(latent, measurements=name)
    refuse_holes(rows)
    each = rows.values.reshape(rows.sizes[MEASUREMENT], -1)
    return list(np.repeat(each, sample.get(FUTURE, 1), axis=1))


def _latents(worlds: xr.DataTree | xr.Dataset) -> xr.Dataset:
    if isinstance(worlds, xr.DataTree) and "posterior" in worlds.children:
        return worlds["posterior"].to_dataset()
    return xr.Dataset()


def _aligned(latent: xr.Dataset, flat: xr.DataArray) -> bool:
    return all(
        np.array_equal(latent[dim].values, flat[dim].values)
        for dim in (CHAIN, DRAW)
        if dim in latent.coords and dim in flat.coords
    )


def _refuse_consequence(found: xr.DataArray, name: str) -> None:
    apart = found.values[:, 1:] != found.values[:, :1]
    if not apart.any():
        return
    world = int(np.argmax(apart.any(axis=(0, *range(2, apart.ndim)))))
    share = apart[:, world].mean()
    raise MeasurementError(
        f"given={name!r} differs between the erased world and that of disciple "
        f"{str(found[DISCIPLE].values[1 + world])!r} in {share:.3g} of its values: it is a "
        "consequence of the disciple, and to condition on it is another question. Expected what "
        "both worlds share: a latent of the past, or a site that the disciple does not touch."
    )


def _refuse_unshared(worlds: xr.DataTree | xr.Dataset, flat: xr.DataArray) -> None:
    attrs = decode_attrs(worlds.attrs)
    coupling = attrs.get("coupling")
    if coupling != "shared":
        said = "no attribute 'coupling'" if coupling is None else f"coupling={coupling!r}"
        raise WorldError(
            f"these worlds have {said}; a draw can be followed from one world to the other only "
            'if both have the same noise: sample_worlds(..., coupling="shared"). If they were '
            "drawn elsewhere and share their noise row by row, say so: "
            "worlds.attrs['coupling'] = 'shared'."
        )
    if not attrs.get("shared_posterior", True) or PAST_DRAW in predictions(worlds):
        raise WorldError(
            "there is evidence after the switch, so each world was resampled by it, and row k of "
            "one has not the past and the noise of row k of another. Expected evidence about the "
            "past alone; coarse_graining(worlds) needs no pairing."
        )
    ways = attrs.get("vectorised")
    if not isinstance(ways, dict):
        return
    names = [str(d) for d in flat[DISCIPLE].values]
    way = {name: str(ways.get(name, "plate")).split(":")[0] for name in names}
    alone = [name for name in names[1:] if way[name] != way[ERASED]]
    if alone:
        raise WorldError(
            f"the worlds of {alone} and the erased one do not share their noise: some are run "
            f"one draw at a time and some all at once ({way}). Leave them out by disciples=[...], "
            "or write the policy so that it can be run for many draws at once."
        )
