r"""Who does the optimizing: how many bits does each level add to the one below it?

.. math:: \mathrm{erased} \to B \to C: \qquad
          \mathrm{bits}(B|\mathrm{erased}) + \mathrm{bits}(C|B)
          \ \text{ against }\ \mathrm{bits}(C|\mathrm{erased})

A system's power may be told by "a series of levels of simpler systems leading up to that system".
If B is like the best of N draws of the erased world, and C like the best of M of B's, then C need
not be like the best of N x M of the first: the gap says by how far. Of the summaries only
``log2_n`` adds up where it is; the others count chance once for each step.

``log2_n`` and ``mean_tail`` of a strong disciple hang on its worst worlds, more of which may be
unseen: where k-hat says so, they have no error, and their interval is open to that.

Bits that draws cannot show are a lower bound (``censored_share``), of a sum or of the direct way.
The gap of two bounds is neither: read its interval.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import DiscipleError, ImpactWarning
from inference.arrays.blocks import effective_draws
from inference.arrays.order.achieved import STEPS, AchievedChain, Spread, achieved_chain
from inference.arrays.order.unseen import least_with_unseen, too_heavy
from inference.diagnostics.rare import Rare, rare_worlds_of
from inference.diagnostics.soundness import FEW, refuse_few, slowest_latent, worth_little
from inference.schema import CHAIN, DISCIPLE, DRAW, ERASED, chosen_disciples, predictions
from inference.utility_values import utility_values

__all__ = ["power_chain"]

_STEP, _SUMMARY = "step", "summary"
_LOG2_N, _MEAN_TAIL = STEPS.index("log2_n"), STEPS.index("mean_tail")
_MOST_CENSORED, _MOSTLY = 0.05, 0.5


def power_chain(
    worlds: xr.DataTree | xr.Dataset,
    utility: Callable[[Mapping[str, Any]], Any],
    levels: Sequence[str],
) -> xr.Dataset:
    """Add up optimization power along levels of systems, each against the one below.

    Parameters
    ----------
    worlds
        What ``sample_worlds`` returned, or a reloaded one. Of ``with_rare_worlds``, splitting is
        used for what is held against the erased world.
    utility
        As in :func:`inference.diagnostics.optimization_power`.
    levels
        Names of two disciples or more, from the bottom up; the erased world is below all.

    Returns
    -------
    xr.Dataset
        ``bits``, ``mcse`` and a 95 % interval ``lower`` to ``upper`` by (step, summary);
        ``chain`` (their sum), ``direct`` (the last level against the erased world) and ``gap``
        (direct less chain), each with its ``_mcse``, ``_lower`` and ``_upper``, by summary:
        ``log2_n``, ``mean_tail`` and ``expected``. ``censored_share`` by step, and
        ``direct_censored_share``: of draws whose bits are only a lower bound; ``reliable``,
        whether this is at most a twentieth of each and splitting can be trusted, and the
        ``reason`` why not.

    Raises
    ------
    DiscipleError
        If there are fewer than two levels, or one is not there.
    MeasurementError, WorldError
        As in ``optimization_power``.

    Warns
    -----
    ImpactWarning
        If the bits of most draws are only a lower bound; if splitting is not to be trusted; if the
        draws are worth fewer than 100 independent ones.

    References
    ----------
    .. [1] Comments on S. Armstrong, "Measuring optimisation power" (2012), on levels.

    Examples
    --------
    >>> ranks = np.random.default_rng(0).random((3, 4, 1000))
    >>> ranks **= 1 / np.array([1.0, 8.0, 64.0])[:, None, None]
    >>> drawn = xr.Dataset(
    ...     {"rank": (["disciple", "chain", "draw"], ranks)},
    ...     coords={"disciple": ["erased", "tuned", "searching"]},
    ... )
    >>> found = power_chain(drawn, lambda measured: measured["rank"], ["tuned", "searching"])
    >>> found["step"].values.tolist()
    ['erased -> tuned', 'tuned -> searching']
    """
    names = [levels] if isinstance(levels, str) else [str(name) for name in levels]
    if len(names) < 2 or len(set(names)) < len(names):
        raise DiscipleError(
            f"got levels={levels!r}; expected the names of two disciples or more, each once, from "
            "the bottom up (the erased world is below all)."
        )
    drawn = predictions(worlds)
    refuse_few(drawn.sizes[CHAIN] * drawn.sizes[DRAW])
    wanted = chosen_disciples(drawn[DISCIPLE].values, names)
    values = utility_values(drawn, wanted, utility)
    latents = slowest_latent(worlds)
    effective = float(min(effective_draws(values.values[None])[0].min(), latents))
    rare = rare_worlds_of(worlds, names[-1], values, effective, splitting=True)
    found = achieved_chain(
        values.values, effective=effective, rare=rare.runs, lower=rare.lower, latents=latents
    )
    result = _labelled(found, rare, names, effective).assign_attrs(
        ess=effective, baseline=ERASED, draws=int(values.values[0].size)
    )
    _warn(result)
    return result


def _labelled(found: AchievedChain, rare: Rare, names: list[str], effective: float) -> xr.Dataset:
    below = [ERASED, *names[:-1]]
    steps = [f"{low} -> {high}" for low, high in zip(below, names, strict=True)]
    shares = found.censored.reshape(len(found.censored), -1).mean(axis=1)
    heavy = ~np.isnan([too_heavy(own) for own in found.bits])
    _doubt_means(found.spread, heavy, effective)
    told = {"": "value", "mcse": "mcse", "lower": "lower", "upper": "upper"}
    variables: dict[str, Any] = {}
    for ending, part in told.items():
        table = getattr(found.spread, part)
        variables[ending or "bits"] = ((_STEP, _SUMMARY), table[: len(steps)])
        for row, name in enumerate(("chain", "direct", "gap"), start=len(steps)):
            variables["_".join(filter(None, [name, ending]))] = (_SUMMARY, table[row])
    variables |= {
        "censored_share": (_STEP, shares[:-1]),
        "direct_censored_share": shares[-1],
        "reliable": bool(rare.reliable and shares.max() <= _MOST_CENSORED and not heavy.any()),
        "reason": _reason(rare.reason, shares, heavy, steps),
    }
    coords = {_STEP: np.array(steps, dtype=object), _SUMMARY: np.array(STEPS, dtype=object)}
    return xr.Dataset(variables, coords)


def _doubt_means(spread: Spread, heavy: np.ndarray, effective: float) -> None:
    """Leave open below what worlds that no draw has shown may take from means; in place."""
    row = len(heavy) - 1  # of the sum; then the direct way, and the gap
    lost = np.array([*heavy[:-1], heavy[:-1].any(), heavy[-1], heavy.any()])
    for at, most in ((_MEAN_TAIL, 1.0), (_LOG2_N, 1 + np.log(effective))):
        spread.mcse[lost, at] = np.inf
        for place in np.flatnonzero(lost[: row + 2]):
            spread.lower[place, at] = least_with_unseen(spread.lower[place, at], effective, most)
        if heavy.any():
            spread.lower[-1, at], spread.upper[-1, at] = -np.inf, np.inf


def _reason(splitting: str, censored: np.ndarray, heavy: np.ndarray, steps: Sequence[str]) -> str:
    shares = zip([*steps, "the direct way"], censored, strict=True)
    bounds = [f"{share:.0%} of draws of {n}" for n, share in shares if share > _MOST_CENSORED]
    said = f"bits are only a lower bound for {', '.join(bounds)}" if bounds else ""
    ways = zip([*steps, "the direct way"], heavy, strict=True)
    hidden = [name for name, lost in ways if lost]
    unseen = f"log2_n and mean_tail of {', '.join(hidden)} hang on worlds worse than any drawn"
    return "; ".join(filter(None, [said, splitting, unseen if hidden else ""]))


def _warn(result: xr.Dataset) -> None:
    shares = [*result["censored_share"].values, result["direct_censored_share"].item()]
    if max(shares) > _MOSTLY or "splitting" in result["reason"].item():
        warnings.warn(
            f"{result['reason'].item()}: the gap of bounds is no bound, read its interval. Levels "
            "that are closer to each other, more draws, or with_rare_worlds(world, worlds, "
            "disciples, utility, method='splitting') tell more.",
            ImpactWarning,
            stacklevel=3,
        )
    if result.attrs["ess"] < FEW:
        warnings.warn(
            worth_little(result.attrs["draws"], result.attrs["ess"]),
            ImpactWarning,
            stacklevel=3,
        )
