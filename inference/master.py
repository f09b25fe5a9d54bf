r"""Whom does the master let in?

The master wants much utility and little impact, and gets one action: which disciple to let in, if
any. It goes through the switch, so that nobody acts where X = 0, and impact is charged where X = 1
alone:

.. math:: \mathrm{value}(S) = p\,E[U|S,X{=}1] + (1-p)\,E[U|X{=}0] - \lambda\,p\,\mathrm{penalty}(S)

with p = P(X=1). Letting S in is worth p times E[U\|S,X=1] - E[U\|X=0] - λ penalty(S) more than
letting nobody in: p says how much is at stake, and plays no part in who is chosen.

Values are lines in the weight λ, and the choice follows their upper envelope: who is chosen at any
weight is chosen on one interval, from ``weight_from`` (included) up to ``weight_to``. Of two that
are worth the same the one that is charged less is taken, then the one that comes first, and
nobody before all others.

With an unbounded utility some disciple may gain so much that no weight at which it stays out lets
another in. A bounded one bounds the weights that matter.
"""

import numbers
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    ImpactWarning,
    refuse_counts,
)
from inference.diagnostics.soundness import FEW, few_draws, refuse_few, slowest_latent
from inference.penalties import build, evaluate
from inference.schema import (
    CHAIN,
    DISCIPLE,
    DRAW,
    ERASED,
    MEASUREMENT,
    chosen_disciples,
    decode_attrs,
    predictions,
)
from inference.tradeoff import FEWEST_EFFECTIVE, Lines, lines, tradeoff
from inference.utility_values import utility_values

__all__ = ["Choice", "choose"]

DECIDED = 0.95
SHOWN = 12


@dataclass(frozen=True, repr=False, eq=False)
class Choice:
    """Whom the master lets in, and what that rests on.

    Parameters
    ----------
    chosen
        Name of the disciple; ``erased`` where nobody is let in.
    decided
        Whether it is chosen in at least 95 % of the bootstrap replicates.
    weight
        Of the penalty.
    sentences
        All that matters, in plain words.
    table
        By disciple, ``erased`` first: ``utility`` = E[U] where it is let in, ``expected`` = E[U]
        over both X, ``penalty``, ``value``, each with its ``_mcse``; the penalty's ``floor``; the
        ``share`` of replicates in which it is chosen; of several penalties the ``parts``.
    tradeoff
        By disciple: ``weight_from`` and ``weight_to``, between which it is chosen, and their 95 %
        intervals ``_lower`` to ``_upper`` over the replicates in which it is chosen at any weight,
        whose share is ``share_ever``. NaN where it is chosen at none; ``reason`` says why not. By
        ``weight``: who is ``chosen``, and the ``share`` of replicates of each disciple.
    """

    chosen: str
    decided: bool
    weight: float
    sentences: tuple[str, ...]
    table: xr.Dataset
    tradeoff: xr.Dataset

    def __repr__(self) -> str:
        rows = self._rows()
        more = [f"and {len(rows) - SHOWN} more"] * (len(rows) > SHOWN)
        return "\n".join([*self.sentences, "", rows.head(SHOWN).to_string(index=False), *more])

    def _repr_html_(self) -> str:
        said = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.sentences)
        return f"<ul>{said}</ul>{self._rows().to_html(index=False, border=0)}"

    def _rows(self) -> pd.DataFrame:
        """Lay out a row per disciple, the most valuable first."""
        table = self.table.drop_dims("part", errors="ignore").to_dataframe()
        shown = pd.DataFrame({DISCIPLE: table.index})
        for name in ("utility", "penalty", "value"):
            pairs = zip(table[name], table[f"{name}_mcse"], strict=True)
            shown[name] = [f"{number:.4g} ± {error:.1g}" for number, error in pairs]
        shown["share"] = [f"{share:.0%}" for share in table["share"]]
        curve = self.tradeoff
        ends = zip(curve["weight_from"].values, curve["weight_to"].values, strict=True)
        shown["chosen at weights"] = [
            "none" if np.isnan(first) else f"{first:.3g} to {last:.3g}" for first, last in ends
        ]
        return shown.iloc[np.argsort(-table["value"].to_numpy(), kind="stable")]


def choose(
    worlds: xr.DataTree | xr.Dataset,
    utility: Callable[[Mapping[str, Any]], Any],
    penalty: Any,
    *,
    weight: float = 1.0,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    combine: str | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> Choice:
    r"""Choose whom to let in, if anybody: the greatest expected utility less the penalty.

    .. math:: \max_S\; p\,E[U|S,X{=}1] + (1-p)\,E[U|X{=}0] - \lambda\,p\,\mathrm{penalty}(S)

    Parameters
    ----------
    worlds
        What ``sample_worlds`` returned, or a reloaded one, with what the penalty needs beside it.
        Its attributes tell P(X=1); of worlds that were drawn before they did, 1 is assumed.
    utility
        Called with {name: values} of all that was measured or drawn; gives a number per draw.
        Bounded, as ``utilities.bounded`` makes them, unless you want what an unbounded one wants.
    penalty
        A name, several, or a function of the worlds: see :func:`inference.penalties.build`.
    weight
        λ, at least 0, in utility per unit of penalty; infinite to avoid penalties at any price.
    disciples, measurements
        Names to choose from (nobody may always be let in), and names that penalties given by name
        look at; all by default.
    combine
        ``sum`` (by default) or ``max`` of several penalties.
    bootstrap, seed
        Number of replicates, at least 100, and the seed of what they draw.

    Returns
    -------
    Choice
        Who, whether that is decided, and the whole curve over weights.

    Raises
    ------
    MeasurementError
        If the utility speaks of what is not measured, is no number per draw, or is not finite.
    CounterfactualError
        If the weight is negative, the penalty is none, or there is nobody to choose from.
    WorldError
        For fewer than 40 posterior draws.

    Warns
    -----
    ImpactWarning
        If the draws are worth fewer than 100 independent ones to the utility.

    References
    ----------
    S. Armstrong, "The mathematics of reduced impact: help needed" (2012), *Penalty functions*.

    Examples
    --------
    >>> clips = np.broadcast_to([[[0.0]], [[0.9]], [[1.0]]], (3, 4, 100))
    >>> drawn = xr.Dataset(
    ...     {"clips": (["disciple", "chain", "draw"], clips)},
    ...     coords={"disciple": ["erased", "modest", "greedy"]},
    ... )
    >>> impact = xr.DataArray([0.01, 0.8], {"disciple": ["modest", "greedy"]})
    >>> choice = choose(drawn, lambda measured: measured["clips"], lambda worlds: impact)
    >>> choice.chosen, round(choice.tradeoff["weight_to"].sel(disciple="modest").item(), 6)
    ('modest', 90.0)
    """
    _refuse_options(weight, bootstrap)
    drawn = predictions(worlds)
    wanted = _wanted(drawn, disciples)
    values = utility_values(drawn, wanted, utility)
    charges = build(penalty, measurements=measurements, combine=combine)
    charged = evaluate(charges, worlds, disciples=wanted[1:])
    attrs = {"weight": float(weight), "bounded": int(_is_bounded(utility))}
    attrs |= {"exact_penalty": int(charged.attrs["exact"]), "bootstrap": bootstrap, "seed": seed}
    return _chosen(values, charged, attrs | _switched(worlds), slowest_latent(worlds))


def _wanted(drawn: xr.Dataset, disciples: Sequence[str] | str | None) -> list[str]:
    """Names of the worlds; refuse to choose among nobody, or by a handful of draws."""
    wanted = chosen_disciples(drawn[DISCIPLE].values, disciples)
    if len(wanted) == 1:
        raise DiscipleError(
            f"got disciples={disciples!r} of {list(map(str, drawn[DISCIPLE].values))}: there is "
            "nobody to choose from; expected a disciple at least that was let in."
        )
    refuse_few(drawn.sizes[CHAIN] * drawn.sizes[DRAW])
    return wanted


def _switched(worlds: xr.DataTree | xr.Dataset) -> dict[str, Any]:
    """Find P(X=1), or assume it."""
    p = decode_attrs(worlds.attrs).get("switch_probability")
    found = 1.0 if p is None else float(p)
    return {"switch_probability": found, "switch_probability_assumed": int(p is None)}


def _chosen(
    values: xr.DataArray, charged: xr.Dataset, attrs: dict[str, Any], latents: float
) -> Choice:
    found = lines(
        values,
        charged,
        switch_probability=attrs["switch_probability"],
        latents=latents,
        replicates=attrs["bootstrap"],
        seed=attrs["seed"],
    )
    if found.effective < FEW:
        _warn_of_few(found.effective, values)
    attrs["ess"] = found.effective
    weight = attrs["weight"]
    value, value_mcse = found.value(weight)
    columns = {
        "utility": found.utility,
        "utility_mcse": found.utilities.std(axis=0, ddof=1),
        "expected": found.utility[0] + found.gains,
        "expected_mcse": (found.utilities[:, :1] + found.gained).std(axis=0, ddof=1),
        "penalty": np.append(0.0, charged["penalty"]),
        "penalty_mcse": np.append(0.0, charged["mcse"]),
        "floor": np.append(0.0, charged["floor"]),
        "value": value,
        "value_mcse": value_mcse,
        "share": found.shares(weight),
    }
    names = np.array(found.names, dtype=object)
    table = xr.Dataset(
        {name: (DISCIPLE, column) for name, column in columns.items()}, {DISCIPLE: names}, attrs
    )
    if "parts" in charged:
        table["parts"] = charged["parts"].reindex({DISCIPLE: names}, fill_value=0.0)
    best = found.best(weight)
    decided = table["share"][best] >= DECIDED and found.effective >= FEWEST_EFFECTIVE
    said = _sentences(found, best, bool(decided), table)
    curve = tradeoff(found, weight).assign_attrs(attrs)
    return Choice(found.names[best], bool(decided), weight, said, table, curve)


def _refuse_options(weight: float, bootstrap: int) -> None:
    if not (isinstance(weight, numbers.Real) and weight >= 0):
        raise CounterfactualError(
            f"got weight={weight!r}; expected a number of at least 0: utility that one unit of "
            "penalty is worth."
        )
    refuse_counts(100, bootstrap=bootstrap)


def _is_bounded(utility: Any) -> bool:
    try:
        low, high = utility.bounds
        return bool(np.isfinite(low) and np.isfinite(high))
    except (AttributeError, TypeError, ValueError):
        return False


def _warn_of_few(effective: float, values: xr.DataArray) -> None:
    draws = values.sizes[CHAIN] * values.sizes[DRAW]
    size = xr.DataArray([[effective]], {MEASUREMENT: ["the utility"]}, [DISCIPLE, MEASUREMENT])
    warnings.warn(few_draws(draws, size), ImpactWarning, stacklevel=4)


def _sentences(found: Lines, best: int, decided: bool, table: xr.Dataset) -> tuple[str, ...]:
    """Say who is let in, whether noise decides, and what to keep in mind."""
    attrs, share = table.attrs, table["share"].values
    names = ["nobody" if name == ERASED else repr(name) for name in found.names]
    worth = float(table["value"][best] - table["value"][0])
    said = f"With weight {attrs['weight']:g} the master lets {names[best]} in"
    said += f", worth {worth:.3g} more than nobody." if best else "."
    likely = [k for k in np.argsort(-share, kind="stable") if share[k] >= 1 - DECIDED]
    each = ", ".join(f"{names[k]} in {share[k]:.0%}" for k in likely)
    if found.effective < FEWEST_EFFECTIVE:
        noise = f"That is not decided: the draws are worth only {found.effective:.0f}."
    elif decided:
        noise = f"That is decided: {each} of {attrs['bootstrap']} bootstrap replicates."
    else:
        noise = (
            f"That is not decided: {each} of {attrs['bootstrap']} bootstrap replicates. More "
            "draws would tell, unless they are worth the same."
        )
    p = attrs["switch_probability"]
    kept = {
        f"X = 1 with probability p = {p:g}: value = p x (utility - weight x penalty) + (1 - p) x "
        "nobody's utility.": not attrs["switch_probability_assumed"],
        "These worlds do not tell P(X=1): 1 is assumed.": attrs["switch_probability_assumed"],
        "Whoever is let in never acts, so that it does not matter who.": p == 0,
        "The utility has no bounds: no weight is large enough for every disciple.": not attrs[
            "bounded"
        ],
        "The penalty came without errors, and counts as exact.": attrs["exact_penalty"],
    }
    return (said, noise, *(sentence for sentence, due in kept.items() if due))
