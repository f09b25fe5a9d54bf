r"""Which classical two-sample numbers would a statistician expect?

With F and G the distribution functions of a measurement in P(e,S,1) and in P(e,S,0):

* ``ks``, Kolmogorov-Smirnov: sup \|F - G\|, in [0, 1];
* ``wasserstein``: ∫ \|F - G\| dx, in units of the measurement;
* ``energy``: sqrt(2 ∫ (F - G)² dx), in the square root of them;
* ``cramer_von_mises``: T = (n/2) ∫ (F - G)² d(F + G)/2, which grows with the draws n a side.

They are SciPy's, from one sort of the pooled draws. None is a verdict on impact, as none but the
first has a scale on which "small" means something (:func:`coarse_graining` has the verdict), and
none is zero when nothing happened. So each comes with

* ``_floor``: what the same world would show against itself, on average;
* ``_p``: how likely the same world shows as much, not corrected for many measurements;
* ``_mcse``: Monte Carlo standard error, to first order in the draws.

All three are taken from blocks of draws: chains may be slow, futures share their past, and worlds
their noise. An ordinary two-sample test would take such draws for independent ones.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import refuse_counts
from inference.arrays.blocks import block_bounds
from inference.arrays.sign_flips import random_signs
from inference.arrays.two_sample import two_sample as compared
from inference.diagnostics.soundness import (
    FEWEST_FLIPS,
    SLOWEST,
    effective_pairs,
    refuse_few,
    refuse_holes,
    rests_on,
    slowest_latent,
    warn_of_few,
)
from inference.schema import CHAIN, DISCIPLE, DRAW, FUTURE, MEASUREMENT, flatten

__all__ = ["two_sample"]

LONG_NAMES = {
    "ks": "Kolmogorov-Smirnov distance",
    "wasserstein": "Wasserstein-1 distance, in units of the measurement",
    "energy": "energy distance, in square roots of these units",
    "cramer_von_mises": "Cramér-von Mises statistic",
}
PARTS = {
    "_floor": "{}: mean were the worlds the same",
    "_p": "{}: chance of as much were the worlds the same",
    "_mcse": "{}: Monte Carlo standard error",
}


def two_sample(
    worlds: xr.DataTree | xr.Dataset,
    *,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    flips: int = 200,
    seed: int = 0,
) -> xr.Dataset:
    r"""Which classical two-sample numbers would a statistician expect?

    .. math::
        \sup |F - G|, \quad \int |F - G|\,dx, \quad \sqrt{2 \int (F - G)^2 dx}, \quad
        \tfrac n2 \int (F - G)^2 d\tfrac{F + G}2

    Parameters
    ----------
    worlds
        What ``sample_worlds`` returned, or a reloaded one. Futures of a draw are kept together;
        worlds drawn with shared noise keep their pairing.
    disciples, measurements
        Names to keep; by default all disciples, and all that the world measures.
    flips, seed
        Number and seed of the random signs behind the floors and the p-values.

    Returns
    -------
    xr.Dataset
        Dims disciple (without ``erased``) and measurement. ``ks`` in [0, 1], ``wasserstein``,
        ``energy`` and ``cramer_von_mises`` from zero on, each alone and followed by ``_floor``,
        ``_p`` (in (0, 1]) and ``_mcse``; and ``ess``, the effective number of posterior draws.
        Where that is under ten, p is 1 and the error infinite (1 for ``ks``). Attributes: blocks,
        flips, seed, draws (a side), and of the ESS their 5 % quantile, ess, which sets the
        blocks, and the smallest, ess_min.

    Raises
    ------
    MeasurementError
        If a value is not finite; names the measurement, the disciple and the draw.
    WorldError
        For fewer than 40 posterior draws, or fewer than 100 flips.

    Warns
    -----
    ImpactWarning
        If a measurement's draws are worth fewer than 100 independent ones; names the worst.

    Notes
    -----
    The first-order error of a number that is mere noise is up to twice too large. That of
    ``wasserstein`` means little where the measurement has no variance to speak of (Cauchy tails).

    References
    ----------
    M. D. Ernst (2004), "Permutation methods: a basis for exact inference", *Statistical Science*
    19(4); Székely and Rizzo (2013), "Energy statistics", *J. Stat. Plan. Inference* 143(8).

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal([[[0.0]], [[1.0]]], size=(2, 4, 1000))
    >>> price = ["disciple", "chain", "draw"], noise, {"role": "measurement"}
    >>> drawn = xr.Dataset({"price": price}, coords={"disciple": ["erased", "greedy"]})
    >>> found = two_sample(drawn).sel(disciple="greedy", measurement="price")
    >>> abs(found["ks"].item() - 0.3829) < 0.03, abs(found["wasserstein"].item() - 1) < 0.06
    (True, True)
    """
    refuse_counts(FEWEST_FLIPS, flips=flips)
    flat = flatten(worlds, disciples=disciples, measurements=measurements)
    refuse_holes(flat)
    refuse_few(flat)
    found, attrs = _estimated(flat, slowest_latent(worlds), flips=int(flips), seed=seed)
    result = _labelled(found, flat).assign_attrs(attrs)
    warn_of_few(result, flat.sizes[CHAIN] * flat.sizes[DRAW])
    return result


def _estimated(
    flat: xr.DataArray, latents: float, *, flips: int, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    chains, draws, futures = flat.sizes[CHAIN], flat.sizes[DRAW], flat.sizes.get(FUTURE, 1)
    values = np.ascontiguousarray(flat.values)
    effective = effective_pairs(values, latents)
    typical = float(np.quantile(effective, SLOWEST))
    bounds = block_bounds(chains, draws, futures, effective=typical)
    found = compared(
        values.reshape(*flat.shape[:2], -1),
        bounds=bounds,
        signs=random_signs(flips, len(bounds) - 1, seed=seed),
        effective=effective,
    )
    return found | {"ess": effective}, {
        **rests_on(chains * draws * futures, bounds, effective),
        "flips": flips,
        "seed": seed,
    }


def _labelled(found: dict[str, np.ndarray], flat: xr.DataArray) -> xr.Dataset:
    coords = {
        DISCIPLE: flat[DISCIPLE].values[1:].astype(object),
        MEASUREMENT: flat[MEASUREMENT].values.astype(object),
    }
    long_names = dict(LONG_NAMES)
    for part, text in PARTS.items():
        long_names |= {name + part: text.format(said) for name, said in LONG_NAMES.items()}
    long_names["ess"] = "effective number of posterior draws"
    variables = {
        name: ((DISCIPLE, MEASUREMENT), number, {"long_name": long_names[name]})
        for name, number in found.items()
    }
    return xr.Dataset(variables, coords=coords)
