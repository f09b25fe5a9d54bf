r"""How many futures are there: which peaks has each measurement, where, and how much lies in them?

A density estimate has as many maxima as one likes. These are the peaks that noise does not
explain: each stands out of the saddle towards its higher neighbour by more than blocks of draws
disagree about, corrected for the number of places where a peak might have been. Of 500 data sets
with one peak, at most one shows a second (normal, Student's t with 3 degrees of freedom, Cauchy,
exponential and uniform, 1000 and 10 000 draws). Two normal peaks four deviations apart are found
with 1000 draws, three apart with 10 000.

A measurement that has few values in the erased world has peaks on its ordered values, neighbouring
values being neighbours: a coin has one.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from counterfactual_models.errors import CounterfactualError
from inference.arrays.cells import Cells, few_valued
from inference.arrays.shape.peaks import Peaks, find_peaks
from inference.diagnostics.soundness import SLOWEST, rests_on, slowest_latent, warn_of_few
from inference.diagnostics.sources import DrawnWorlds
from inference.schema import DISCIPLE, ERASED, MEASUREMENT

__all__ = ["PEAK", "peaks"]

PEAK = "peak"
LONG_NAMES = {
    "place": "where the peak is, in units of the measurement",
    "height": "density there, per unit of the measurement",
    "mass": "share of the draws between the saddles on its sides",
    "mass_mcse": "Monte Carlo standard error of the mass",
    "width": "full width at half prominence, in units of the measurement",
    "prominence": "height above the saddle towards the nearest higher peak",
    "prominence_mcse": "Monte Carlo standard error of the prominence",
    "p": "chance that noise shows a peak that stands out as much",
}
_FIELDS = {"mass_mcse": "mass_error", "prominence_mcse": "prominence_error"}


def peaks(
    worlds: xr.DataTree | xr.Dataset,
    *,
    level: float = 0.05,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
) -> xr.Dataset:
    """Find the peaks of every measurement in every world that are no noise.

    Parameters
    ----------
    worlds
        What ``sample_worlds`` returned, or a reloaded one. Counts of draws will not do.
    level
        Chance at which noise passes for a peak, at most, in (0, 1); it keeps well below.
    disciples, measurements
        Names to keep; by default all disciples, and all that the world measures.

    Returns
    -------
    xr.Dataset
        Dims disciple (``erased`` first), measurement and peak. ``count`` (disciple, measurement)
        says how many there are, at least 1, ``ess`` what the draws are worth. By peak, in
        ascending place and NaN beyond the count: ``place``, ``height``, ``width``, ``mass`` and
        ``prominence`` with their errors, and ``p``.
        Attributes: level, blocks, draws (a side), ess and ess_min.

    Raises
    ------
    CounterfactualError
        If the level is no probability.
    MeasurementError
        If a value is not finite; names the measurement, the disciple and the draw.
    WorldError
        For fewer than 40 posterior draws, or counts of draws.

    Warns
    -----
    ImpactWarning
        If a measurement's draws are worth fewer than 100 independent ones; names the worst.

    Notes
    -----
    Peaks whose means are closer than some three deviations are often one to 10 000 draws: that
    there is one is no evidence that there are not two. One to two milliseconds a measurement and
    world of 10 000 draws.

    References
    ----------
    S. Armstrong, "The mathematics of reduced impact: help needed" (2012), *Abstract comparison*.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(2, 4, 1000))
    >>> noise[1, :, ::2] += 5.0
    >>> price = ["disciple", "chain", "draw"], noise, {"role": "measurement"}
    >>> drawn = xr.Dataset({"price": price}, coords={"disciple": ["erased", "fickle"]})
    >>> found = peaks(drawn).sel(measurement="price")
    >>> found["count"].values
    array([1, 2])
    >>> found["mass"].sel(disciple="fickle").round(2).values
    array([0.5, 0.5])
    """
    if not 0 < level < 1:
        raise CounterfactualError(f"got level={level!r}; expected a probability, such as 0.05.")
    source = DrawnWorlds(
        worlds, disciples=disciples, measurements=measurements, cells=Cells.width()
    )
    compared = source.effective(slowest_latent(worlds))
    most = min(source.chains * source.draws, slowest_latent(worlds))
    alone = np.full((1, compared.shape[1]), float(most))
    erased = compared.max(axis=0, keepdims=True) if len(compared) else alone
    effective = np.concatenate([erased, compared])
    bounds = source.bounds(float(np.quantile(effective, SLOWEST)))
    result = _labelled(_found(source, bounds, effective, level), effective, source)
    warn_of_few(result, source.chains * source.draws)
    rows = source.chains * source.draws * source.futures
    return result.assign_attrs(rests_on(rows, bounds, effective), level=float(level))


def _found(
    source: DrawnWorlds, bounds: np.ndarray, effective: np.ndarray, level: float
) -> list[list[Peaks]]:
    """Find the peaks, by world and measurement."""
    found: list[list[Peaks]] = [[] for _ in effective]
    for part in source.read():
        for each in part.values.reshape(*part.shape[:2], -1):
            few = few_valued(np.sort(each[:1], axis=-1), source.chains * source.draws)
            for world, values in enumerate(each):
                size = float(effective[world, len(found[world])])
                one = find_peaks(values, bounds, level=level, effective=size, levels=bool(few[0]))
                found[world].append(one)
    return found


def _labelled(found: list[list[Peaks]], effective: np.ndarray, source: DrawnWorlds) -> xr.Dataset:
    counts = np.array([[len(one) for one in row] for row in found])
    shape = (*counts.shape, counts.max())
    variables: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]] = {
        "count": ((DISCIPLE, MEASUREMENT), counts, {"long_name": "number of peaks"}),
        "ess": ((DISCIPLE, MEASUREMENT), effective, {"long_name": "effective number of draws"}),
    }
    for name, text in LONG_NAMES.items():
        values = np.full(shape, np.nan)
        for world, row in enumerate(found):
            for place, one in enumerate(row):
                values[world, place, : len(one)] = getattr(one, _FIELDS.get(name, name))
        variables[name] = (DISCIPLE, MEASUREMENT, PEAK), values, {"long_name": text}
    return xr.Dataset(
        variables,
        coords={
            DISCIPLE: np.array([ERASED, *source.disciples], dtype=object),
            MEASUREMENT: np.array(source.measurements, dtype=object),
            PEAK: np.arange(shape[-1]),
        },
    )
