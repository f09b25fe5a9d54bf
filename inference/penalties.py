r"""What does it cost the master to let each disciple in?

A penalty is any function of the worlds that returns one number per disciple, with its error:

.. math:: \mathrm{penalty}(S) \ge 0, \qquad \mathrm{penalty}(\mathrm{erased}) = 0

Those of this library go by name (:mod:`inference.named_penalties`); :func:`build` weighs them and
puts them together. Errors of penalties that are read off the same draws are correlated, and
nothing is assumed of how: that of a sum is at most the sum of the errors, that of the greatest at
most the root of the sum of their squares. These bounds are what is reported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import xarray as xr

from counterfactual_models.errors import CounterfactualError, DiscipleError, nearest
from inference.named_penalties import Named, names
from inference.power_penalty import PowerPenalty, optimization_power
from inference.schema import DISCIPLE, ERASED
from inference.twist_penalty import TwistPenalty, twist

__all__ = [
    "Combined",
    "Named",
    "Penalty",
    "build",
    "evaluate",
    "names",
    "optimization_power",
    "twist",
]

PART = "part"
NUMBERS = ("penalty", "mcse", "floor")

Names = Sequence[str] | str | None
Worlds = xr.DataTree | xr.Dataset


class Penalty(Protocol):
    """A function of the worlds: one number per disciple, and its error.

    It returns a Dataset with the variables ``penalty`` (dim disciple, at least 0), ``mcse``, and
    ``floor`` where it is a norm; a dict ``{disciple: (number, error)}``; or an array or a dict
    without errors, which is then taken as exact.
    """

    def __call__(self, worlds: Any, /) -> xr.Dataset | xr.DataArray | Mapping[str, Any]:
        """Say what each disciple is charged."""


@dataclass(frozen=True)
class Combined:
    """Penalties with weights, as one; build one with :func:`build`.

    Parameters
    ----------
    parts
        ``(label, penalty, weight)`` each.
    combine
        ``sum`` or ``max``.
    """

    parts: tuple[tuple[str, Penalty, float], ...]
    combine: str = "sum"

    def __call__(self, worlds: Worlds, /, disciples: Names = None) -> xr.Dataset:
        """Ask every part; ``parts`` (part, disciple) is what each of several charges."""
        found: list[xr.Dataset] = []
        for label, penalty, _ in self.parts:
            found.append(evaluate(penalty, worlds, disciples=disciples, label=label))
            disciples = [str(name) for name in found[0][DISCIPLE].values]
        weights = np.array([weight for *_, weight in self.parts])[:, None]
        each = {name: weights * np.stack([one[name] for one in found]) for name in NUMBERS}
        if self.combine == "sum":
            whole = {name: values.sum(axis=0) for name, values in each.items()}
        else:
            whole = {name: values.max(axis=0) for name, values in each.items()}
            whole["mcse"] = np.sqrt(np.square(each["mcse"]).sum(axis=0))
        told = {name: (DISCIPLE, values) for name, values in whole.items()}
        result = xr.Dataset(told, coords={DISCIPLE: found[0][DISCIPLE].values})
        if len(found) > 1:
            labels = [label for label, *_ in self.parts]
            result = result.assign_coords({PART: labels})
            result["parts"] = (PART, DISCIPLE), each["penalty"]
        reasons = [one["reason"].values for one in found if "reason" in one]
        if reasons:
            said = ["; ".join(filter(None, map(str, own))) for own in zip(*reasons, strict=True)]
            result["reason"] = DISCIPLE, np.array(said, dtype=object)
        return result.assign_attrs(exact=all(one.attrs["exact"] for one in found))


def build(
    penalty: str | Penalty | Mapping[Any, float] | Sequence[Any],
    *,
    of: str | None = None,
    measurements: Names = None,
    weight: float = 1.0,
    combine: str | None = None,
    seed: int | None = None,
) -> Combined:
    """Make one penalty of names, weights, and functions of your own.

    Parameters
    ----------
    penalty
        A name; a function of the worlds (see :class:`Penalty`); several of these in a list, or in
        a dict with their weights; or what this function built before, to change it.
    of
        Which number of the diagnostic, for a single name: see :func:`names`.
    measurements
        Names to keep, for all penalties that are given by name.
    weight
        Multiplies the whole.
    combine
        ``sum`` of the parts (by default), or their ``max``.
    seed
        For what the diagnostics draw; 0 by default.

    Returns
    -------
    Combined
        To be called with the worlds.

    Raises
    ------
    CounterfactualError
        If a name is not known (the nearest is offered), or a weight is negative or not finite.

    Examples
    --------
    >>> two = build({"coarse_graining": 1.0, "joint_coarse_graining": 0.5}, combine="max")
    >>> [(label, weight) for label, _, weight in two.parts]
    [('coarse_graining', 1.0), ('joint_coarse_graining', 0.5)]
    >>> build("coarse_graining", of="max", weight=2.0).parts[0][0]
    'coarse_graining, max'
    """
    if combine not in (None, "sum", "max"):
        raise CounterfactualError(f"got combine={combine!r}; expected 'sum' or 'max'.")
    if of is not None and not isinstance(penalty, str):
        raise CounterfactualError(
            f"got of={of!r} beside {penalty!r}; it goes with a single name. For several, build "
            "each: build([build('coarse_graining', of='max'), 'joint_coarse_graining'])."
        )
    options: dict[str, Any] = {} if seed is None else {"seed": seed}
    options |= {} if measurements is None else {"measurements": tuple(_listed(measurements))}
    if isinstance(penalty, Combined):
        scaled = tuple(
            (label, _changed(one, options), _weighed(label, weight) * w)
            for label, one, w in penalty.parts
        )
        return Combined(scaled, combine or penalty.combine)
    parts: list[tuple[str, Penalty, float]] = []
    for one, own in _pairs(penalty):
        label, part = _part(one, of, options)
        again = sum(label == other.partition(" (")[0] for other, *_ in parts)
        label = f"{label} ({again + 1})" if again else label
        parts.append((label, part, _weighed(label, own) * _weighed("the whole", weight)))
    return Combined(tuple(parts), combine or "sum")


def evaluate(
    penalty: Penalty, worlds: Worlds, *, disciples: Names = None, label: str | None = None
) -> xr.Dataset:
    """Ask a penalty about the worlds, and refuse what is none.

    Parameters
    ----------
    penalty
        A function of the worlds, as :func:`build` makes them.
    worlds
        What ``sample_worlds`` returned, with what the penalty needs beside it.
    disciples
        Names to keep, in this order; all by default.
    label
        What messages call it.

    Returns
    -------
    xr.Dataset
        Dim disciple (without ``erased``): ``penalty``, at least 0, its ``mcse`` and ``floor`` (0
        where it has none); ``parts`` (part, disciple) where there are several; ``reason`` where
        the penalty gives one. Attribute ``exact``: whether it came without errors.

    Raises
    ------
    CounterfactualError
        If it is no penalty: not a number per disciple, negative, not finite, or not 0 for nobody;
        or if it fails.
    DiscipleError
        If it says nothing of a disciple.

    Examples
    --------
    >>> bits = xr.DataArray([3.0, 8.0], {"disciple": ["modest", "greedy"]})
    >>> evaluate(lambda worlds: bits, xr.Dataset(), disciples="greedy")["penalty"].values
    array([8.])
    """
    called = repr(_label(penalty) if label is None else label)
    found = _asked(penalty, worlds, disciples, called)
    given = {name: found[name] for name in NUMBERS if name in found}
    if DISCIPLE not in found.coords or any(one.dims != (DISCIPLE,) for one in given.values()):
        dims = {name: list(map(str, one.dims)) for name, one in given.items()}
        raise CounterfactualError(
            f"the penalty {called} has the dims {dims}; expected one number per disciple: the dim "
            "'disciple' alone, with their names."
        )
    let_in = [str(name) for name in found[DISCIPLE].values if name != ERASED]
    again = sorted({name for name in let_in if let_in.count(name) > 1})
    if again:
        raise DiscipleError(
            f"the penalty {called} speaks of {', '.join(map(repr, again))} more than once; "
            "expected one number per disciple."
        )
    wanted = let_in if disciples is None else _listed(disciples)
    for name in wanted:
        if name not in let_in:
            said = nearest(name, let_in)
            raise DiscipleError(f"the penalty {called} says nothing of {name!r}. {said}")
    _refuse_numbers(found, given, called, wanted)
    found = found.sel({DISCIPLE: wanted})
    numbers = {
        n: found[n].astype(float).values if n in given else np.zeros(len(wanted)) for n in NUMBERS
    }
    kept = xr.Dataset({name: (DISCIPLE, values) for name, values in numbers.items()})
    kept = kept.assign_coords({DISCIPLE: np.array(wanted, dtype=object)})
    if "parts" in found and PART in found["parts"].dims:
        kept["parts"] = found["parts"]
    if "reason" in found and found["reason"].dims == (DISCIPLE,):
        kept["reason"] = DISCIPLE, found["reason"].values
    return kept.assign_attrs(exact=bool(found.attrs.get("exact", "mcse" not in given)))


def _asked(penalty: Penalty, worlds: Worlds, disciples: Names, called: str) -> xr.Dataset:
    """Call a penalty; say which it was where that fails, or returns what is none."""
    if isinstance(penalty, Named | Combined):
        return penalty(worlds, disciples)
    try:
        if isinstance(penalty, PowerPenalty | TwistPenalty):
            return penalty(worlds, disciples)
        found: Any = penalty(worlds)
    except CounterfactualError:
        raise
    except Exception as error:
        raise CounterfactualError(
            f"the penalty {called} failed with {type(error).__name__}: {error}"
        ) from error
    if isinstance(found, Mapping) and not isinstance(found, xr.Dataset):
        found = _tabled(found, called)
    if isinstance(found, xr.DataArray):
        found = found.to_dataset(name="penalty")
    if not isinstance(found, xr.Dataset) or "penalty" not in found:
        name = getattr(penalty, "__name__", "")
        named = f" This diagnostic is a penalty by its name: {name!r}, in quotes."
        raise CounterfactualError(
            f"the penalty {called} returned a {type(found).__name__}; expected an array over "
            "disciples, a Dataset with the variables 'penalty' and 'mcse', or a dict "
            f"{{disciple: number}}.{named if name in names() else ''}"
        )
    return found


def _tabled(found: Mapping[Any, Any], called: str) -> xr.Dataset:
    """Read {disciple: number}, or {disciple: (number, error)}."""
    try:
        rows = np.array([np.atleast_1d(value) for value in found.values()], dtype=float)
    except (TypeError, ValueError):
        rows = np.empty((0, 0))
    if rows.ndim != 2 or rows.shape[1] not in (1, 2):
        raise CounterfactualError(
            f"the penalty {called} returned {dict(found)}; expected a number for each disciple, "
            "or for each a pair of a number and its error."
        )
    columns = zip(("penalty", "mcse"), rows.T, strict=False)
    return xr.Dataset(
        {name: (DISCIPLE, column) for name, column in columns},
        {DISCIPLE: np.array([str(name) for name in found], dtype=object)},
    )


def _refuse_numbers(
    found: xr.Dataset, given: Mapping[str, xr.DataArray], called: str, wanted: Sequence[str]
) -> None:
    """Refuse what is no finite, non-negative number, by its place; and a charge for nobody."""
    for name, values in given.items():
        for disciple in wanted:
            value = float(values.sel({DISCIPLE: disciple}))
            if np.isfinite(value) and value >= 0:
                continue
            reason = found["reason"].sel({DISCIPLE: disciple}).item() if "reason" in found else ""
            raise CounterfactualError(
                f"the {name} of {called} is {value:g} for {disciple!r}{reason and f': {reason}'}; "
                "expected finite numbers of at least 0. Leave the disciple out (disciples=), or "
                "take another penalty."
            )
    charge = float(found["penalty"].sel({DISCIPLE: ERASED})) if ERASED in found[DISCIPLE] else 0.0
    if charge != 0:
        raise CounterfactualError(
            f"the penalty {called} charges {charge:g} for letting nobody in; expected 0: subtract "
            "what the erased world has."
        )


def _pairs(penalty: Any) -> list[tuple[Any, float]]:
    """Lay out what was given as pairs of a penalty and its weight."""
    if isinstance(penalty, str) or callable(penalty):
        return [(penalty, 1.0)]
    pairs: list[tuple[Any, float]] = []
    if isinstance(penalty, Mapping):
        pairs = list(penalty.items())
    elif isinstance(penalty, Sequence):
        pairs = [(one, 1.0) for one in penalty]
    if not pairs:
        raise CounterfactualError(
            f"got penalty={penalty!r}; expected a name, a function of the worlds, a list of "
            f"these, or a dict with their weights. {nearest('', names())}"
        )
    return pairs


def _changed(penalty: Penalty, options: dict[str, Any]) -> Penalty:
    """Pass options on to all that goes by name."""
    if isinstance(penalty, Named):
        return replace(penalty, **options)
    if isinstance(penalty, Combined):
        parts = ((label, _changed(one, options), weight) for label, one, weight in penalty.parts)
        return replace(penalty, parts=tuple(parts))
    return penalty


def _part(one: Any, of: str | None, options: dict[str, Any]) -> tuple[str, Penalty]:
    if one in ("optimization_power", optimization_power):
        raise CounterfactualError(
            "a penalty on optimization power needs to be told whose: "
            "penalties.optimization_power(utility, allowed=0.0)."
        )
    if callable(one):
        return _label(one), _changed(one, options)
    if one not in names():
        raise CounterfactualError(f"no penalty is named {one!r}. " + nearest(str(one), names()))
    known = list(names()[one])
    if of is not None and of not in known:
        raise CounterfactualError(f"{one!r} has no {of!r}. " + nearest(of, known))
    named = Named(one, of or known[0], **options)
    return _label(named), named


def _label(penalty: Any) -> str:
    """Say in a few words what a penalty is."""
    if isinstance(penalty, Named):
        usual = penalty.of == next(iter(names()[penalty.name]))
        return penalty.name if usual else f"{penalty.name}, {penalty.of}"
    if isinstance(penalty, Combined):
        return f"{penalty.combine} of {' and '.join(label for label, *_ in penalty.parts)}"
    return str(getattr(penalty, "__name__", type(penalty).__name__))


def _weighed(label: str, weight: Any) -> float:
    try:
        number = float(weight)
    except (TypeError, ValueError):
        number = np.nan
    if not (np.isfinite(number) and number >= 0):
        raise CounterfactualError(
            f"got the weight {weight!r} for {label}; expected a finite number of at least 0."
        )
    return number


def _listed(given: Sequence[str] | str) -> list[str]:
    return [given] if isinstance(given, str) else [str(name) for name in given]
