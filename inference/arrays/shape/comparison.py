r"""How do the shapes of two worlds differ, descriptor by descriptor?

Every descriptor is read in units of the erased world: cumulants of (w - mean)/sd, all else of
(w - median)/robust deviation, with the erased world's own numbers for every disciple. So they are
differences that can be compared from disciple to disciple, and from measurement to measurement.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from inference.arrays.cells import few_valued
from inference.arrays.features import deviations
from inference.arrays.shape.halves import compared_half
from inference.arrays.shape.jackknife import Compared, Estimate, compared
from inference.arrays.shape.k_statistics import CUMULANTS, cumulant_descriptors
from inference.arrays.shape.lattice import lattice_counts
from inference.arrays.shape.order_statistics import order_descriptors
from inference.arrays.shape.peaks import peak_number_compared
from inference.arrays.shape.power_sums import power_sums
from inference.arrays.shape.quantiles import compared_quantile
from inference.arrays.shape.surprisal import rearranged_tv, surprisal_descriptors
from inference.arrays.shape.tail_index import moments_exist, tail_descriptors

__all__ = [
    "CUMULANTS",
    "DESCRIPTORS",
    "L_MOMENTS",
    "QUANTILES",
    "SURPRISAL",
    "compared_shapes",
]

QUANTILES = {
    "quantile_05": 0.05,
    "quantile_25": 0.25,
    "median": 0.5,
    "quantile_75": 0.75,
    "quantile_95": 0.95,
}
"""Shares of the draws below."""
L_MOMENTS = ("l_scale", "l_skewness", "l_kurtosis")
"""Those that exist where the mean does."""
_ORDER = (*L_MOMENTS, "concentration")
SURPRISAL = ("entropy", "varentropy", "surprisal_skewness")
_TAILS = ("tail_left", "tail_right")
DESCRIPTORS = (
    *CUMULANTS,
    *L_MOMENTS,
    *QUANTILES,
    "concentration",
    "shortest_half",
    "peaks",
    *SURPRISAL,
    *_TAILS,
)
_STEP = 0.25
"""Width of a cell, in robust deviations of the erased world."""
_FINER = 4
"""Cells that are rearranged are so much finer, and pooled again wherever they begin."""
_NUMBERS = 2**21
_ROUNDING = 1e-14
_FEWEST_CELLS, _DRAWS_PER_CELL = 4, 10
"""With fewer cells, or fewer draws a cell, the surprisal is that of the cells."""

Told = dict[str, np.ndarray]
Estimates = dict[str, Estimate]


def compared_shapes(
    values: np.ndarray,
    *,
    bounds: np.ndarray,
    signs: np.ndarray,
    effective: np.ndarray,
    wanted: Collection[str] = DESCRIPTORS,
    draws: int | None = None,
) -> Told:
    """Compare the shape of every world with that of the first, the erased one.

    Parameters
    ----------
    values
        Shape (measurement, world, row); the first world is the erased one.
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.
    signs
        From :func:`inference.arrays.sign_flips.random_signs`.
    effective
        Effective number of draws, shape (world - 1, measurement).
    wanted
        Descriptors to compute, of :data:`DESCRIPTORS`.
    draws
        Number of posterior draws behind the rows; all rows by default.

    Returns
    -------
    dict of str to np.ndarray
        Of shape (descriptor, world - 1, measurement), descriptors as they are wanted: ``on``,
        ``on_mcse``, ``change``, ``mcse``, ``floor``, ``p``; of shape (descriptor, measurement)
        ``off``, ``off_mcse``; NaN where a descriptor is not defined. Of shape (world - 1,
        measurement): ``rearranged_`` tv, plugin, floor, mcse, p; ``saturated`` (cells are too
        fine or too wide for the surprisal of a world); and where cumulants are wanted ``tail``
        (the heaviest), ``moments`` and ``moment_errors`` (the highest orders that exist).

    Examples
    --------
    >>> from inference.arrays.blocks import block_bounds
    >>> from inference.arrays.sign_flips import random_signs
    >>> noise = np.random.default_rng(0).normal(size=(1, 2, 4000)) * [[1.0], [2.0]]
    >>> bounds = block_bounds(4, 1000, effective=4000.0)
    >>> options = {"bounds": bounds, "signs": random_signs(1000, len(bounds) - 1)}
    >>> options |= {"effective": np.full((1, 1), 4e3)}
    >>> found = compared_shapes(noise, wanted=["spread"], **options)
    >>> abs(found["change"].item() - 1) < 0.1, found["p"].item() < 1e-4
    (True, True)
    """
    step = max(1, _NUMBERS // values[0].size)
    parts: list[Told] = []
    for start in range(0, len(values), step):
        part = slice(start, start + step)
        parts.append(_compared(values[part], bounds, signs, effective[:, part], wanted, draws))
    return {name: np.concatenate([p[name] for p in parts], axis=-1) for name in parts[0]}


def _compared(
    values: np.ndarray,
    bounds: np.ndarray,
    signs: np.ndarray,
    effective: np.ndarray,
    wanted: Collection[str],
    draws: int | None,
) -> Told:
    """Compare some measurements."""
    median, robust = deviations(values[:, :1].swapaxes(1, 2))
    worlds = _by_draws(values, bounds, wanted, median, robust)
    found = _by_cells(values, worlds, robust, bounds, signs, effective, draws)
    found |= _moments(worlds)
    each: list[dict[str, Compared]] = []
    for world in range(1, len(worlds)):
        size = effective[world - 1]
        own = {
            name: compared(
                worlds[world][name],
                worlds[0][name],
                lengths=np.diff(bounds),
                signs=signs,
                effective=size,
            )
            for name in wanted
            if name in worlds[0]
        }
        pair = values[:, world], values[:, 0]
        for name in QUANTILES.keys() & set(wanted):
            level = QUANTILES[name]
            own[name] = compared_quantile(*pair, level, bounds, signs=signs, effective=size)
        if "shortest_half" in wanted:
            own["shortest_half"] = compared_half(*pair, bounds, signs=signs, effective=size)
        if "peaks" in wanted:
            own["peaks"] = _peaks(*pair, bounds, signs, size, draws)
        each.append(own)
    for part in ("on", "on_mcse", "change", "mcse", "floor", "p"):
        found[part] = np.array([[getattr(own[name], part) for own in each] for name in wanted])
    found["off"] = np.array([each[0][name].off for name in wanted])
    errors = np.array([[own[name].off_mcse for own in each] for name in wanted])
    found["off_mcse"] = errors.min(axis=1)
    return _in_units(found, wanted, median, robust)


def _by_draws(
    values: np.ndarray,
    bounds: np.ndarray,
    wanted: Collection[str],
    median: np.ndarray,
    robust: np.ndarray,
) -> list[Estimates]:
    """Describe every world by its draws, one after another."""
    erased = values[:, 0].astype(np.float64)
    mean, deviation = erased.mean(axis=1), erased.std(axis=1)
    deviation = np.where(deviation > _ROUNDING * np.abs(mean), deviation, 1.0)
    told: list[Estimates] = []
    for world in range(values.shape[1]):
        found: Estimates = {}
        draws = values[:, world]
        if set(CUMULANTS) & set(wanted):
            # About its own mean: a narrow world far away would lose its digits.
            own = draws.mean(axis=1, dtype=np.float64)
            sums = power_sums(draws, bounds, location=own, scale=deviation)
            found |= cumulant_descriptors(sums, offset=(own - mean) / deviation)
        if {*CUMULANTS, *L_MOMENTS, *_TAILS} & set(wanted):
            found |= tail_descriptors(draws, bounds)
        if set(_ORDER) & set(wanted):
            standard = (draws.astype(np.float64) - median[:, None]) / robust[:, None]
            found |= order_descriptors(standard, bounds, width=1.0)
        told.append(found)
    return told


def _by_cells(
    values: np.ndarray,
    told: Sequence[Estimates],
    robust: np.ndarray,
    bounds: np.ndarray,
    signs: np.ndarray,
    effective: np.ndarray,
    draws: int | None,
) -> Told:
    """Describe every world by its cells, and rearrange these; one measurement after another."""
    apart: list[list[Told]] = []
    described: list[list[Estimates]] = []
    visited = np.empty((len(told), len(values)))
    values_alone = np.empty(len(values), dtype=bool)
    for measurement, worlds in enumerate(values):
        step = _STEP * robust[measurement]
        fine, places = lattice_counts(worlds, bounds, step=step / _FINER, draws=draws)
        wide = fine if places is None else lattice_counts(worlds, bounds, step=step)[0]
        log_width = np.log([1.0 if places is None else _STEP])
        described.append([surprisal_descriptors(one[..., None], log_width) for one in wide])
        visited[:, measurement] = np.count_nonzero(wide.any(axis=1), axis=1)
        values_alone[measurement] = places is None
        apart.append(
            [
                rearranged_tv(
                    one[..., None],
                    fine[0][..., None],
                    signs=signs,
                    effective=effective[world, measurement],
                    window=1 if places is None else _FINER,
                    places=places,
                )
                for world, one in enumerate(fine[1:])
            ]
        )
    for world, found in enumerate(told):
        for name in SURPRISAL:
            whole, without = zip(*(one[world][name] for one in described), strict=True)
            found[name] = np.concatenate(whole), np.concatenate(without, axis=1)
    scattered = visited > values.shape[2] / _DRAWS_PER_CELL
    cramped = ~values_alone & (visited < _FEWEST_CELLS)
    return {
        f"rearranged_{name}": np.array([[one[name].item() for one in row] for row in apart]).T
        for name in apart[0][0]
    } | {"saturated": (scattered | cramped)[0] | (scattered | cramped)[1:]}


def _peaks(
    let_in: np.ndarray,
    erased: np.ndarray,
    bounds: np.ndarray,
    signs: np.ndarray,
    effective: np.ndarray,
    draws: int | None,
) -> Compared:
    """Count peaks; errors by the counts without a block, p by the saddles that are new."""
    few = few_valued(np.sort(erased, axis=-1), draws)
    found = [
        peak_number_compared(
            let_in[number],
            erased[number],
            bounds,
            effective=float(effective[number]),
            levels=bool(few[number]),
        )
        for number in range(len(let_in))
    ]
    numbers = [
        (
            np.array([getattr(one, side) for one in found], dtype=float),
            np.stack([getattr(one, f"{side}_without") for one in found], axis=1).astype(float),
        )
        for side in ("on", "off")
    ]
    told = compared(*numbers, lengths=np.diff(bounds), signs=signs, effective=effective)
    by_saddles = {n: np.array([getattr(one, n) for one in found]) for n in ("floor", "p")}
    return replace(told, **by_saddles)


def _moments(worlds: Sequence[Estimates]) -> Told:
    """Find the highest moments that exist in both worlds, and the highest with an error."""
    if "tail_left" not in worlds[0]:
        return {}
    heavy = [np.maximum(one["tail_left"][0], one["tail_right"][0]) for one in worlds]
    heavier = np.maximum(heavy[1:], heavy[0])
    exist, errors = moments_exist(heavier)
    return {"tail": heavier, "moments": exist, "moment_errors": errors}


def _in_units(
    found: Told, wanted: Collection[str], median: np.ndarray, robust: np.ndarray
) -> Told:
    """Put quantiles and halves in the erased world's units; the rest is."""
    for place, name in enumerate(wanted):
        if name in QUANTILES:
            for part in ("on", "off"):
                found[part][place] -= median
        if name in QUANTILES or name == "shortest_half":
            for part in ("on", "off", "on_mcse", "off_mcse", "change", "mcse", "floor"):
                found[part][place] /= robust
    return found
