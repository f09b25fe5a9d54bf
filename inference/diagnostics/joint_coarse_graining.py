r"""Can all measurements together tell whether the disciple was let in?

.. math:: \mathrm{tv}(S) = \sup_A \big( P(e,S,1)(A) - P(e,S,0)(A) \big)
          \ge P(e,S,1)(\hat A) - P(e,S,0)(\hat A)

over events A of all measurements jointly. An impact may hide from every measurement and show in
how they go together, or be spread so thinly that no single one sees it. Cells do not find it:
beyond three measurements there are too many. A *witness* does: an event Â is learnt on one half of
the draws, and its probabilities are compared on the other; then the other way round.

* ``held_out``: the difference of frequencies, the mean of both directions. Whatever was learnt,
  its mean is at most the total variation; 0 if the worlds are the same;
* ``tv``: the same, but not below 0;
* ``mcse``: Monte Carlo standard error, from blocks of draws;
* ``lower``: lower 95 % bound, held_out - 1.645 · 1.2794 · mcse - 3/ESS;
* ``p``: how likely the same world shows as much, by flipping the signs of blocks;
* ``witness``: what was learnt; two names where the halves chose differently;
* ``verdict``: ``above`` if lower > tolerance, else ``undecided``. Never ``below``;
* ``ess``: how many independent posterior draws the events are judged by.

**A lower bound certifies nothing to be small.** Let the measurements be K fair coins, and those of
the world with the disciple always have an even number of heads: any K - 1 of them are fair coins
in both worlds, the total variation is 1/2, and for large K no witness finds it: tv reads 0. Nor
can there be an upper bound without assumptions on the worlds: what no draw has visited twice may
differ in any way (Hore and Barber, 2026); only coarser worlds can be certified, one measurement
at a time.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import xarray as xr

from counterfactual_models.errors import CounterfactualError, ImpactWarning
from inference.arrays.held_out import HeldOut, event_difference, held_out_events, witness_draws
from inference.arrays.sign_flips import random_signs
from inference.arrays.verdicts import verdicts
from inference.arrays.witnesses import MOST_MEASUREMENTS, MOST_VALUES, WITNESSES, affordable
from inference.diagnostics.rows import Rows
from inference.diagnostics.soundness import FEW, refuse_tolerance, slowest_latent
from inference.schema import DISCIPLE

__all__ = ["joint_coarse_graining"]

LONG_NAMES = {
    "tv": "joint total variation, as far as a witness sees it",
    "held_out": "difference of the witness event's frequencies",
    "mcse": "Monte Carlo standard error",
    "lower": "lower 95 % bound",
    "p": "chance of such a difference were the worlds the same",
    "witness": "kind of witness that was learnt",
    "ess": "effective number of posterior draws",
}
FLIPS = 1000


def joint_coarse_graining(
    worlds: xr.DataTree | xr.Dataset,
    *,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    witness: str = "auto",
    tolerance: float = 0.05,
    seed: int = 0,
) -> xr.Dataset:
    r"""Can all measurements together tell whether the disciple was let in?

    .. math:: \mathrm{tv}(S) = \sup_A \big( P(e,S,1)(A) - P(e,S,0)(A) \big)

    estimated from below, by an event that one half of the draws learns and the other half judges.

    Parameters
    ----------
    worlds
        What ``sample_worlds`` returned, or a reloaded one. Futures of a draw are kept together;
        worlds drawn with shared noise keep their pairing.
    disciples, measurements
        Names to keep; by default all disciples, and all that the world measures.
    witness
        What is learnt: ``lda``, ``qda``, ``mlp`` (a small network, up to 300 measurements),
        ``cells`` (up to 3), ``naive_bayes`` (any number, read in chunks), or ``auto``: the best of
        those that can be afforded, chosen by the half that learns.
    tolerance
        Impact that would be tolerated, a difference of probabilities in (0, 1).
    seed
        Of the networks and of the random signs behind ``p``.

    Returns
    -------
    xr.Dataset
        Dim disciple (without ``erased``): ``tv``, ``mcse``, ``lower``, ``p`` in [0, 1];
        ``held_out`` in [-1, 1]; ``witness`` and ``verdict``, text; ``ess``: as the head of this
        file explains. Attributes: tolerance, seed, blocks, draws (a side), measurements (how many
        were used) and candidates (the witnesses chosen from).

    Raises
    ------
    MeasurementError
        If a value is not finite; names the measurement, the disciple and the draw.
    WorldError
        For fewer than 40 posterior draws.
    CounterfactualError
        If the tolerance is no probability, or the witness is unknown or cannot be afforded.

    Warns
    -----
    ImpactWarning
        If the draws are worth fewer than 100 independent ones to a witness.

    References
    ----------
    L. Michel, J. Naef and N. Meinshausen (2020), "High-probability lower bounds for the total
    variation distance", arXiv:2005.06006. R. Hore and R. F. Barber (2026), arXiv:2602.05862.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(2, 4, 1000))
    >>> same = {"role": "measurement"}
    >>> dims = ["disciple", "chain", "draw"]
    >>> supply = noise * np.array([1.0, -1.0])[:, None, None]
    >>> drawn = xr.Dataset(
    ...     {"price": (dims, noise, same), "supply": (dims, supply, same)},
    ...     coords={"disciple": ["erased", "greedy"]},
    ... )
    >>> joint_coarse_graining(drawn, witness="qda").sel(disciple="greedy")["verdict"].item()
    'above'
    """
    refuse_tolerance(tolerance)
    rows = Rows(worlds, disciples=disciples, measurements=measurements)
    kinds = _kinds(witness, rows)
    result = _judged(rows, kinds, slowest_latent(worlds), seed)
    lower = result["lower"].values
    words = verdicts(lower, np.ones_like(lower), tolerance=tolerance)  # there is no upper bound
    result["verdict"] = DISCIPLE, words, {"long_name": "impact against the tolerance"}
    _warn_of_few(result)
    return result.assign_attrs(tolerance=tolerance, seed=seed)


def _judged(rows: Rows, kinds: tuple[str, ...], latents: float, seed: int) -> xr.Dataset:
    signs = random_signs(FLIPS, len(rows.bounds) - 1, seed=seed)
    found = held_out_events(
        rows.parts(), kinds=kinds, bounds=rows.bounds, futures=rows.futures, seed=seed
    )
    estimates = [_estimated(one, rows, signs, latents) for one in found]
    return _labelled(estimates, rows.disciples).assign_attrs(
        blocks=len(rows.bounds) - 1,
        draws=len(rows),
        measurements=rows.measurements,
        candidates=", ".join(kinds),
    )


def _estimated(
    found: HeldOut, rows: Rows, signs: np.ndarray, latents: float
) -> dict[str, float | str]:
    shape = {"chains": rows.chains, "draws": rows.draws, "futures": rows.futures}
    effective = min(witness_draws(found, **shape), latents)
    numbers = event_difference(found, bounds=rows.bounds, signs=signs, effective=effective)
    return {**numbers, "witness": ", ".join(dict.fromkeys(found.chosen)), "ess": effective}


def _kinds(witness: str, rows: Rows) -> tuple[str, ...]:
    """Say which witnesses to learn, or why the one asked for is none."""
    numbers = rows.measurements * (1 + len(rows.disciples)) * len(rows)
    if witness == "auto":
        return affordable(rows.measurements, numbers, len(rows) // 2)
    if witness not in WITNESSES:
        raise CounterfactualError(f"got witness={witness!r}; expected auto or one of {WITNESSES}.")
    most = MOST_MEASUREMENTS[witness]
    if most is not None and (rows.measurements > most or numbers > MOST_VALUES):
        raise CounterfactualError(
            f"witness={witness!r} is learnt from up to {most} measurements and {MOST_VALUES} "
            f"numbers in all; got {rows.measurements} and {numbers}. Select some by "
            "measurements=, or take witness='naive_bayes', which reads any number."
        )
    return (witness,)


def _labelled(estimates: list[dict[str, float | str]], disciples: list[str]) -> xr.Dataset:
    variables = {}
    for name, long_name in LONG_NAMES.items():
        column = [one[name] for one in estimates]
        dtype = object if name == "witness" else float
        variables[name] = (DISCIPLE, np.array(column, dtype=dtype), {"long_name": long_name})
    return xr.Dataset(variables, coords={DISCIPLE: np.array(disciples, dtype=object)})


def _warn_of_few(result: xr.Dataset) -> None:
    few = result["ess"].to_series()
    few = few[few < FEW].sort_values(kind="stable")
    if len(few):
        worst = ", ".join(f"{size:.0f} for {name!r}" for name, size in few[:3].items())
        more = f" and under {FEW} for {len(few) - 3} more" if len(few) > 3 else ""
        warnings.warn(
            f"to the joint witness the {result.attrs['draws']} draws are worth only {worst}{more}:"
            " its errors are widened, and still rough. Draw more, or run the posterior longer.",
            ImpactWarning,
            stacklevel=3,
        )
