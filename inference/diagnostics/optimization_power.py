r"""How small a target did the disciple hit, measured against the world without it?

.. math:: \mathrm{bits}(w) = -\log_2 P(e,S,0)(U \ge U(w)), \qquad w \sim P(e,S,1)

One divided by that probability is how many erased worlds one would have to draw for one that is
as good: the return period. Ties count. Only the order of utilities matters, except to ``cramer``,
``buffered`` and ``certainty``. It takes no matching of worlds, but a utility that makes sense in
both, and never looks whether S is there.

The law of these bits over P(e,S,1) is the answer, ``op_bits``. Its summaries (``bits``) each have
an offset that chance itself scores (``chance``: 1.44 for ``expected``, 1 for ``mean_tail`` and
``median``, 0 for ``log2_n`` and ``cramer``): no summary means anything without it.

What the draws tell ends at about log2(draws / 10) bits. Beyond, ``with_rare_worlds`` weighs or
splits worlds; without it the bits are ``censored``: at least as many as stand there.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import ImpactWarning
from inference.arrays.blocks import effective_draws
from inference.arrays.order.achieved import SUMMARIES, Achieved, achieved_bits
from inference.arrays.order.counting import indicator_effective, least_bits
from inference.arrays.order.own_draws import COUNTED
from inference.arrays.order.unseen import least_with_unseen, too_heavy
from inference.diagnostics.power_curve import power_curve
from inference.diagnostics.rare import Rare, rare_worlds_of
from inference.diagnostics.soundness import (
    FEW,
    refuse_few,
    refuse_nobody,
    slowest_latent,
    worth_little,
)
from inference.schema import (
    CHAIN,
    DISCIPLE,
    DRAW,
    ERASED,
    chosen_disciples,
    predictions,
    sample_dims,
)
from inference.utility_values import utility_values

__all__ = ["optimization_power"]

_MOST_CENSORED = 0.05
_TRUSTED = "erased draws are too few to count; rare worlds by {} can be trusted"
_UNSEEN = "mean_tail and log2_n hang on worlds worse than any drawn"
_BEYOND = ("importance", "splitting")
_SUMMARY = "summary"


def optimization_power(
    worlds: xr.DataTree | xr.Dataset,
    utility: Callable[[Mapping[str, Any]], Any],
    *,
    disciples: Sequence[str] | str | None = None,
    points: int = 200,
) -> xr.Dataset:
    r"""Measure the optimization power of every disciple in bits against the erased world.

    .. math:: -\log_2 P(e,S,0)(U \ge U(w)), \qquad w \sim P(e,S,1)

    Parameters
    ----------
    worlds
        What ``sample_worlds`` returned, or a reloaded one; ``with_rare_worlds`` adds what goes
        beyond its draws.
    utility
        Called with {name: values} of all that was measured or drawn; gives a number per draw. It
        must not look at what only S can make.
    disciples
        Names to keep; all by default.
    points
        Utilities at which the tail of the erased world is told.

    Returns
    -------
    xr.Dataset
        ``op_bits`` (disciple, chain, draw[, future]), in [0, inf); ``censored``, whether no erased
        world is known that is as good, so that the bits are a lower bound with 95 % confidence;
        ``utility`` of the same draws.

        By (disciple, summary): ``bits``, ``mcse``, a 95 % interval ``lower`` to ``upper``, and
        what ``chance`` scores: draws of the erased world against itself. The summaries are in the
        head of :mod:`inference.arrays.order.achieved`. Where censored draws matter to one, its
        bits are a lower bound, ``mcse`` is that of the bound, and ``upper`` may be infinite.

        By disciple: ``method`` (counting, importance, splitting or bound), ``reliable`` and the
        ``reason``, ``khat`` (NaN where nothing is weighed), ``reached`` (how many erased draws
        are as good as what is typically achieved), ``censored_share``, ``ess``.

        By point: ``tail_utility``, ``tail_bits``, ``tail_lower``, ``tail_upper``, ``tail_method``:
        the tail of the erased world.

    Raises
    ------
    MeasurementError
        If the utility speaks of what is not measured, is no number per draw, or is not finite.
    DiscipleError
        If there is nobody to compare with the erased world.
    WorldError
        For fewer than 40 posterior draws; for rare worlds of another utility.

    Warns
    -----
    ImpactWarning
        If the draws are worth fewer than 100 independent ones; if the bits of most draws are only
        a lower bound.

    References
    ----------
    E. Yudkowsky, "Measuring Optimization Power" (2008); S. Armstrong (2012), of the same name.

    Examples
    --------
    >>> clips = np.random.default_rng(0).normal([[[0.0]], [[2.0]]], size=(2, 4, 1000))
    >>> drawn = xr.Dataset(
    ...     {"clips": (["disciple", "chain", "draw"], clips)},
    ...     coords={"disciple": ["erased", "greedy"]},
    ... )
    >>> found = optimization_power(drawn, lambda measured: measured["clips"])
    >>> tail = found.sel(disciple="greedy", summary="mean_tail")  # -log2 Phi(-sqrt 2) = 3.67
    >>> bool(abs(tail["bits"] - 3.67) < 3 * tail["mcse"]), tail["method"].item()
    (True, 'counting')
    """
    drawn = predictions(worlds)
    refuse_few(drawn.sizes[CHAIN] * drawn.sizes[DRAW])
    values = utility_values(drawn, _wanted(drawn, disciples), utility)
    result = _compared(worlds, values, points)
    _warn(result)
    return result


def _wanted(drawn: xr.Dataset, disciples: Sequence[str] | str | None) -> list[str]:
    """Name each world once, the erased one first; refuse to have it alone."""
    wanted = list(dict.fromkeys(chosen_disciples(drawn[DISCIPLE].values, disciples)))
    refuse_nobody(wanted[1:])
    return wanted


def _compared(worlds: xr.DataTree | xr.Dataset, values: xr.DataArray, points: int) -> xr.Dataset:
    latents = slowest_latent(worlds)
    sizes = np.minimum(effective_draws(values.values[None])[0], latents)
    found, rare = {}, {}
    for place, name in enumerate(map(str, values[DISCIPLE].values[1:]), start=1):
        effective = float(min(sizes[0], sizes[place]))
        rare[name] = rare_worlds_of(worlds, name, values, effective)
        found[name] = achieved_bits(
            values.values[0],
            values.values[place],
            effective=effective,
            rare=rare[name].runs,
            weighed=rare[name].weighed,
            lower=rare[name].lower,
            latents=latents,
        )
    result = _labelled(values, found, rare, latents)
    result = result.merge(power_curve(values, rare, latents=latents, points=points))
    result.attrs = {
        "baseline": ERASED,
        "draws": int(values.values[0].size),
        "ess": float(sizes.min()),
        "measurements": ", ".join(values.attrs["measurements"]),
    }
    return result


def _labelled(
    values: xr.DataArray,
    found: Mapping[str, Achieved],
    rare: Mapping[str, Rare],
    latents: float,
) -> xr.Dataset:
    names, lead = list(found), [DISCIPLE, *sample_dims(values)]
    on = values.sel({DISCIPLE: names})
    by_summary = {
        "bits": [one.spread.value for one in found.values()],
        "mcse": [one.spread.mcse for one in found.values()],
        "lower": [one.spread.lower for one in found.values()],
        "upper": [one.spread.upper for one in found.values()],
        "chance": [one.chance for one in found.values()],
    }
    off = values.sel({DISCIPLE: ERASED}).values
    typical = np.array([np.median(one) for one in on.values])
    reached = [int((off >= each).sum()) for each in typical]
    worth = indicator_effective(off, typical, latents=latents) / off.size
    said = [
        _method(found[name], rare[name], reached[place], float(worth[place]))
        for place, name in enumerate(names)
    ]
    known = float(least_bits(0, off.size, effective=float(worth.min() * off.size)))
    for place, each in enumerate(said):
        if each[0] in _BEYOND and not each[1]:  # what is not believed bounds nothing from above
            by_summary["upper"][place] = np.full(len(SUMMARIES), np.inf)
            by_summary["mcse"][place] = np.full(len(SUMMARIES), np.inf)
            by_summary["lower"][place] = np.minimum(by_summary["lower"][place], known)
    for place, one in enumerate(found.values()):
        khat = too_heavy(one.bits)
        if not np.isnan(khat):
            method, reliable, why = said[place]
            said[place] = method, reliable, f"{why}; {_UNSEEN} (k-hat {khat:.2g})"
            for name, most in (("mean_tail", 1.0), ("log2_n", 1 + np.log(off.size))):
                at, lower = SUMMARIES.index(name), by_summary["lower"][place]
                by_summary["mcse"][place][at] = np.inf
                lower[at] = least_with_unseen(lower[at], one.effective, most)
    by_disciple = {
        "method": np.array([each[0] for each in said], dtype=object),
        "reliable": np.array([each[1] for each in said]),
        "reason": np.array([each[2] for each in said], dtype=object),
        "khat": np.array([rare[name].khat for name in names]),
        "reached": np.array(reached),
        "censored_share": np.array([one.censored.mean() for one in found.values()]),
        "ess": np.array([one.effective for one in found.values()]),
    }
    variables: dict[str, Any] = {
        "op_bits": (lead, np.stack([one.bits for one in found.values()]), {"units": "bits"}),
        "censored": (lead, np.stack([one.censored for one in found.values()])),
        "utility": (lead, on.values),
        **{
            n: ((DISCIPLE, _SUMMARY), np.stack(v), {"units": "bits"})
            for n, v in by_summary.items()
        },
        **{n: (DISCIPLE, v) for n, v in by_disciple.items()},
    }
    coords = {d: on.coords[d].values for d in lead if d in on.coords}
    coords |= {DISCIPLE: np.array(names, dtype=object)}
    coords |= {_SUMMARY: np.array(SUMMARIES, dtype=object)}
    return xr.Dataset(variables, coords=coords)


def _method(found: Achieved, rare: Rare, reached: int, worth: float) -> tuple[str, bool, str]:
    """Say where the bits of most draws come from, whether that can be trusted, and why."""
    share = float(found.censored.mean())
    if share > 0.5:
        said = f"no erased world is known that is as good as {share:.0%} of draws"
        return "bound", False, "; ".join(filter(None, [said, rare.reason]))
    if reached >= COUNTED or rare.method == "counting":
        said = f"{reached} erased draws are as good as the typical draw"
        enough = reached * worth >= COUNTED
        if reached >= COUNTED and not enough:
            said += f", worth {reached * worth:.0f} independent ones"
        if share:
            said += f"; for {share:.2g} of draws there is none"
        said = "; ".join(filter(None, [said, rare.reason]))
        return "counting", enough and share <= _MOST_CENSORED, said
    return rare.method, rare.reliable, rare.reason or _TRUSTED.format(rare.method)


def _warn(result: xr.Dataset) -> None:
    if result.attrs["ess"] < FEW:
        warnings.warn(
            worth_little(result.attrs["draws"], result.attrs["ess"]),
            ImpactWarning,
            stacklevel=3,
        )
    bound = [str(n) for n in result[DISCIPLE].values[result["method"].values == "bound"]]
    if bound:
        beyond = "splitting" in "".join(result["reason"].values)
        more = "with_rare_worlds(world, worlds, disciples, utility) finds erased worlds as good"
        if beyond:
            more = "splitting went no further; see reason"
        warnings.warn(
            f"of {bound} the bits are only a lower bound: {more}.",
            ImpactWarning,
            stacklevel=3,
        )
    doubted = np.isin(result["method"].values, _BEYOND) & ~result["reliable"].values
    if doubted.any():
        named = dict(zip(result[DISCIPLE].values, result["reason"].values, strict=True))
        told = "; ".join(f"of {n!r}, {named[n]}" for n in result[DISCIPLE].values[doubted])
        warnings.warn(f"bits are not to be trusted: {told}.", ImpactWarning, stacklevel=3)
