r"""Are the worlds alike once both are reweighed by a measure M that ought not to care about S?

.. math:: P_M(e,S,X)(w) = \frac{M(w)\,P(e,S,X)(w)}{Z_X}, \qquad Z_X = \mathrm{E}_{P(e,S,X)}[M]

M says which worlds count, and how much: those that are simple
(:func:`inference.simple_worlds.simplicity`), or those that go well by some yardstick that does not
depend on the disciple. If M is independent of the disciple, the twisted distributions should be
about as similar as the others, and about as much of M should lie in either world.

Weights are uneven, and draws support only so much of M. So M is *tempered*: M to the power β, the
largest in (0, 1] at which both worlds' weights have k-hat below 0.7 and are worth 100 draws. That
is ``supported``, by disciple. The **least** of them, ``attrs["power"]``, is used for all: then the
twisted erased world is the same for every disciple, and impacts compare. A disciple that supports
little lowers the power for all: leave it out by ``disciples=``.

**Nothing supported is not the same as no impact.** Where M is all but concentrated on a few drawn
worlds, no power is supported. The power is then 0, ``reliable`` is False, ``reason`` says why, a
warning is given, and what the twisted worlds would show is NaN (``lower`` 0, ``upper`` 1, ``p``
1). Only ``untwisted`` is known.

By disciple, at the power used:

* ``log_ratio``: log Z₁/Z₀ in nats: by how much more of M lies in the world with the disciple;
  often the most robust number of all; ``log_ratio_mcse``;
* ``ess_on``, ``ess_off``: how many independent draws the weights leave;
* ``khat_on``, ``khat_off``: shape of the tails of the weights; -inf where there is none.

By (disciple, measurement), over the cells of the *untwisted* erased world, as in
:mod:`inference.diagnostics.coarse_graining`: ``tv``, ``plugin``, ``floor``, ``mcse``, ``lower``,
``upper``, ``p``, ``verdict``, ``ess``; and ``untwisted``, the tv at power 0. Bounds hold as far as
the tail of the weights is what the drawn worlds show: what M prizes and no draw has visited, no
draw can bound.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import CounterfactualError, ImpactWarning, refuse_counts
from inference.arrays.blocks import widening
from inference.arrays.cells import Cells
from inference.arrays.sign_flips import random_signs
from inference.arrays.twisting import log_ratio, weighed_variations
from inference.arrays.verdicts import verdicts
from inference.diagnostics.soundness import (
    FEW,
    FEWEST_FLIPS,
    SLOWEST,
    few_draws,
    refuse_few,
    refuse_nobody,
    refuse_tolerance,
    rests_on,
    slowest_latent,
)
from inference.diagnostics.sources import DrawnWorlds
from inference.diagnostics.weighing import (
    LogMeasure,
    Weighing,
    log_measure_values,
    reasons,
    weighing_of,
)
from inference.schema import (
    CHAIN,
    DISCIPLE,
    DRAW,
    MEASUREMENT,
    chosen_disciples,
    predictions,
)

__all__ = ["twist"]

NAMED = 3
LONG_NAMES = {
    "supported": "largest power of M that the draws support",
    "log_ratio": "log of M's mass with the disciple over that without, in nats",
    "log_ratio_mcse": "Monte Carlo standard error, in nats",
    "ess_on": "effective draws with the disciple",
    "ess_off": "effective draws without it",
    "khat_on": "k-hat of the weights with the disciple",
    "khat_off": "k-hat of the weights without it",
    "reliable": "whether the weights can be trusted",
    "reason": "what is to be said of the power and the weights",
    "tv": "total variation of the twisted worlds, corrected for noise",
    "plugin": "total variation of the weighed frequencies",
    "floor": "total variation that the same twisted world would show against itself",
    "mcse": "Monte Carlo standard error",
    "lower": "lower 95 % bound",
    "upper": "upper 95 % bound",
    "p": "chance of the plug-in were the twisted worlds the same",
    "untwisted": "total variation without M, corrected for noise",
    "ess": "effective number of posterior draws",
    "verdict": "impact against the tolerance",
}
_BOUNDS = {"lower": 0.0, "upper": 1.0, "p": 1.0}


def twist(
    worlds: xr.DataTree | xr.Dataset,
    log_measure: LogMeasure,
    *,
    power: float | None = None,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    cells: Cells | int | None = None,
    tolerance: float = 0.05,
    flips: int = 4000,
    seed: int = 0,
) -> xr.Dataset:
    r"""Compare the worlds once both are reweighed by a measure M on worlds.

    Parameters
    ----------
    worlds
        What ``sample_worlds`` returned, or a reloaded one, with its draws.
    log_measure
        Called with {name: values} of all that was measured or drawn; gives log M, a number per
        draw, up to a constant. ``-inf`` for worlds that M rules out. Or an array of it, dims
        disciple, chain, draw[, future]. It must not look whether the disciple is there.
    power
        β in [0, 1]; by default the largest that all worlds support.
    disciples, measurements
        Names to keep; by default all disciples, and all that the world measures.
    cells
        As in :func:`~.coarse_graining.coarse_graining`.
    tolerance
        Impact that would be tolerated, a difference of probabilities in (0, 1).
    flips, seed
        Number and seed of the random signs behind ``floor`` and ``p``.

    Returns
    -------
    xr.Dataset
        Dims disciple (without ``erased``) and measurement; the head of this file explains the
        variables. Attributes: power (used), tempered, tolerance, cells, blocks, flips, seed,
        draws (a side), and of the chains' ESS the 5 % quantile, ess, and the smallest, ess_min.

    Raises
    ------
    MeasurementError
        If the log measure is no function or array, speaks of what is not measured, gives no number
        per draw, or one that is NaN or +inf; if a measured value is not finite.
    DiscipleError
        If there is nobody to compare with the erased world.
    WorldError
        For fewer than 40 posterior draws, or worlds kept as counts.
    CounterfactualError
        If the power, the tolerance, the cells or the flips are none.

    Warns
    -----
    ImpactWarning
        If no power is supported, or not the one asked for; if draws are worth under 100.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal([[[0.0]], [[1.0]]], size=(2, 4, 1000))
    >>> price = ["disciple", "chain", "draw"], noise, {"role": "measurement"}
    >>> drawn = xr.Dataset({"price": price}, coords={"disciple": ["erased", "greedy"]})
    >>> found = twist(drawn, lambda measured: 0.5 * measured["price"]).sel(disciple="greedy")
    >>> found.attrs["power"], abs(found["log_ratio"].item() - 0.5) < 0.06
    (1.0, True)
    >>> abs(found["tv"].item() - 0.3829) < 0.04
    True
    """
    _refuse_options(power, tolerance, flips)
    cut = cells if isinstance(cells, Cells) else Cells.quantile(16 if cells is None else cells)
    drawn, wanted = _wanted(worlds, disciples)
    values = log_measure_values(drawn, wanted, log_measure)
    source = DrawnWorlds(worlds, disciples=wanted[1:], measurements=measurements, cells=cut)
    plain = source.effective(slowest_latent(worlds))
    weighing = weighing_of(values, slowest_latent(worlds), power)
    result = _compared(source, weighing, plain, flips=flips, seed=seed)
    result = _named(result.assign_attrs(cells=source.cells_said), float(tolerance))
    _warn(result, weighing)
    return result


def _wanted(
    worlds: xr.DataTree | xr.Dataset, disciples: Sequence[str] | str | None
) -> tuple[xr.Dataset, list[str]]:
    """Take the draws and name each world once, the erased one first; refuse too few of either."""
    drawn = predictions(worlds)
    refuse_few(drawn.sizes[CHAIN] * drawn.sizes[DRAW])
    wanted = list(dict.fromkeys(chosen_disciples(drawn[DISCIPLE].values, disciples)))
    refuse_nobody(wanted[1:])
    return drawn, wanted


def _compared(
    source: DrawnWorlds,
    weighing: Weighing,
    plain: np.ndarray,
    *,
    flips: int,
    seed: int,
) -> xr.Dataset:
    """All estimates, and the attributes that tell how they came about."""
    # Without weights it does not matter how slowly log M moves.
    moved = weighing.power > 0
    effective = np.minimum(plain, weighing.pairs[:, None]) if moved else plain
    bounds = source.bounds(float(np.quantile(effective, SLOWEST)))
    signs = random_signs(flips, len(bounds) - 1, seed=seed)
    found = source.compared(bounds, signs=signs, effective=plain, families=())
    untwisted = found["tv"]
    worth = effective * weighing.worth[:, None]
    if not weighing.void:
        weights = np.stack([world.weights for world in weighing.worlds])
        columns, first = [], 0
        for part in source.read():
            own = slice(first, first + len(part))
            columns.append(
                weighed_variations(
                    part.values.reshape(*part.shape[:2], -1),
                    weights,
                    effective=effective[:, own],
                    worth=worth[:, own],
                    draws=weighing.draws,
                    bounds=bounds,
                    signs=signs,
                    cells=source.cells,
                )
            )
            first += len(part)
        found = {n: np.concatenate([c[n] for c in columns], axis=1) for n in columns[0]}
    result = _labelled(found, weighing, source, bounds)
    result["untwisted"] = (DISCIPLE, MEASUREMENT), untwisted
    result["ess"] = (DISCIPLE, MEASUREMENT), worth
    return result.assign_attrs(
        power=weighing.power,
        tempered=int(not weighing.asked and weighing.power < 1),
        flips=flips,
        seed=seed,
        **rests_on(weighing.draws * source.futures, bounds, effective),
    )


def _labelled(
    found: dict[str, np.ndarray], weighing: Weighing, source: DrawnWorlds, bounds: np.ndarray
) -> xr.Dataset:
    erased, *others = weighing.worlds
    wider = widening(weighing.pairs, len(bounds) - 1)
    ratios = [
        log_ratio(one, erased, bounds=bounds, wider=wide)
        for one, wide in zip(others, wider, strict=True)
    ]
    known, reliable = weighing.known, weighing.reliable
    by_disciple: dict[str, Any] = {
        "supported": weighing.supported,
        "log_ratio": np.where(known, [ratio for ratio, _ in ratios], np.nan),
        "log_ratio_mcse": np.where(known, [error for _, error in ratios], np.nan),
        "ess_on": np.array([one.ess for one in others]),
        "ess_off": np.full(len(others), erased.ess),
        "khat_on": np.array([one.khat for one in others]),
        "khat_off": np.full(len(others), erased.khat),
        "reliable": reliable,
        "reason": np.array(reasons(weighing, source.disciples), dtype=object),
    }
    variables: dict[str, Any] = {name: (DISCIPLE, one) for name, one in by_disciple.items()}
    for name in ("tv", "plugin", "floor", "mcse", *_BOUNDS):
        trusted = reliable if name in _BOUNDS else known
        other = _BOUNDS.get(name, np.nan)
        values = np.where(trusted[:, None], found[name], other)
        variables[name] = (DISCIPLE, MEASUREMENT), values
    coords = {
        DISCIPLE: np.array(source.disciples, dtype=object),
        MEASUREMENT: np.array(source.measurements, dtype=object),
    }
    return xr.Dataset(variables, coords=coords)


def _named(result: xr.Dataset, tolerance: float) -> xr.Dataset:
    """Add the verdict, and say what every variable is."""
    words = verdicts(result["lower"].values, result["upper"].values, tolerance=tolerance)
    result["verdict"] = (DISCIPLE, MEASUREMENT), words
    for name, long_name in LONG_NAMES.items():
        result[name].attrs["long_name"] = long_name
    return result[list(LONG_NAMES)].assign_attrs(tolerance=tolerance)


def _warn(result: xr.Dataset, weighing: Weighing) -> None:
    said_of = dict(zip(result[DISCIPLE].values, result["reason"].values, strict=True))
    if not weighing.reliable.all():
        bad = [str(said_of[n]) for n in result[DISCIPLE].values[~weighing.reliable]]
        what = "the twisted worlds are not known" if weighing.void else "not to be trusted"
        more = f" And so for {len(bad) - NAMED} more." if len(bad) > NAMED else ""
        said = ". ".join(dict.fromkeys(bad[:NAMED]))
        warnings.warn(f"{what}: {said}.{more}", ImpactWarning, stacklevel=3)
    elif not result.attrs["tempered"] and float(result["ess"].min()) < FEW:
        said = few_draws(weighing.draws, result["ess"])
        warnings.warn(said, ImpactWarning, stacklevel=3)


def _refuse_options(power: float | None, tolerance: float, flips: int) -> None:
    if power is not None and not 0 <= power <= 1:
        raise CounterfactualError(
            f"got power={power!r}; expected a number from 0 to 1, or None for the largest that "
            "the draws support. For a sharper M, multiply its logarithm."
        )
    refuse_tolerance(tolerance)
    refuse_counts(FEWEST_FLIPS, flips=flips)
