r"""What the pictures of the evidence share: what is drawn, how far errors reach, axis and words.

The greatest of N noises is many standard errors from zero, and the eye picks it. So errors are
drawn wide enough for all N at once: :math:`\Phi^{-1}(1 - .025/N)` of them, 2 for one number, 3.6
for 180, 5.8 for the slopes of 92 measurements by 75 000 data.
"""

from collections.abc import Collection, Iterator, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.text import Text

from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    EvidenceError,
    MeasurementError,
    nearest,
)
from inference.plots import style
from inference.schema import DATUM, DISCIPLE, ERASED, MEASUREMENT, SWITCH, chosen_disciples

__all__ = [
    "ROOT",
    "asked",
    "beside_erased",
    "error_count",
    "estimate",
    "let_in",
    "most",
    "number",
    "numbers_by",
    "picked",
    "root_ticks",
    "say_inside",
    "tell_above",
    "whole",
    "with_notes",
]


def asked(
    result: xr.Dataset,
    source: str,
    needed: Collection[str],
    *,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    data: Sequence[str] | str | None = None,
    also: Collection[str] = (),
    compared: bool = False,
) -> xr.Dataset:
    """Keep what was asked for, ``erased`` first (if it is there); refuse what is no result.

    Parameters
    ----------
    result
        What the diagnostic `source` returned.
    source
        Its name.
    needed
        Variables that must be there.
    disciples, measurements, data
        Names to keep (``"e"`` keeps all of ``e[...]``); all by default.
    also
        Variables that are kept where they are there; others are not.
    compared
        Whether the numbers are comparisons with ``erased``, which is then not among the worlds.

    Raises
    ------
    CounterfactualError
        If `result` lacks what is needed.
    DiscipleError, MeasurementError, EvidenceError
        If a name is not there; the nearest one is offered.

    Examples
    --------
    >>> result = xr.Dataset(
    ...     {"bits": (("disciple", "datum"), np.zeros((2, 3)))},
    ...     {"disciple": ["erased", "greedy"], "datum": ["e[0]", "e[1]", "gdp"]},
    ... )
    >>> asked(result, "absolute_importance", ["bits"], data="e")["datum"].values.tolist()
    ['e[0]', 'e[1]']
    """
    if not isinstance(result, xr.Dataset) or not set(needed) <= set(result.variables):
        got = list(result) if isinstance(result, xr.Dataset) else type(result).__name__
        raise CounterfactualError(
            f"got {got}; expected the Dataset that diagnostics.{source}(worlds) returns, with the "
            f"variables {sorted(needed)}."
        )
    for dim in (DISCIPLE, MEASUREMENT):  # what sel() keeps of one label
        if dim in result.coords and result[dim].ndim == 0:
            result = result.expand_dims(dim)
    known = [str(name) for name in result[DISCIPLE].values]
    if ERASED not in known and not compared:
        raise CounterfactualError(
            f"got the worlds {known} without 'erased'; expected it among them, as "
            f"diagnostics.{source}(worlds) returns it: it is what disciples are compared with."
        )
    names = [name for name in chosen_disciples(known, disciples) if name in known]
    # A result may fill a good part of the memory: a copy of it is made only to leave things out.
    kept = {} if names == known else {DISCIPLE: names}
    for dim, wanted, refusal in (
        (MEASUREMENT, measurements, MeasurementError),
        (DATUM, data, EvidenceError),
    ):
        if dim in result.dims and wanted is not None:
            kept[dim] = _named(result[dim].values, wanted, dim, refusal)
    chosen = result[[name for name in (*needed, *also) if name in result]]
    return chosen.sel(kept) if kept else chosen


def let_in(result: xr.Dataset) -> list[str]:
    """Names of the disciples that were let in.

    Raises
    ------
    DiscipleError
        If there is none.
    """
    names = [str(name) for name in result[DISCIPLE].values if name != ERASED]
    if not names:
        raise DiscipleError(
            "this result holds 'erased' only: there is nothing to compare it with. Let a disciple "
            "in: sample_worlds(world, posterior, {'name': policy})."
        )
    return names


def beside_erased(result: xr.Dataset, quantity: str) -> xr.DataArray:
    """Put the erased world's numbers and errors beside each disciple's, along X.

    Returns
    -------
    xr.DataArray
        Dims number (``value``, ``mcse``), X, disciple (without ``erased``), and the others.
    """
    numbers = result[[quantity, f"{quantity}_mcse"]].to_dataarray("number")
    own = numbers.sel({DISCIPLE: let_in(result)})
    erased = numbers.sel({DISCIPLE: ERASED}, drop=True).broadcast_like(own)
    both = xr.concat([erased, own], SWITCH).assign_coords({SWITCH: [0, 1]})
    return both.assign_coords(number=["value", "mcse"]).transpose("number", SWITCH, DISCIPLE, ...)


def whole(result: xr.Dataset, variables: Sequence[str]) -> tuple[xr.Dataset, list[str]]:
    """Leave out data of which a number is missing, and say so; refuse a result without others.

    Examples
    --------
    >>> result = xr.Dataset({"bits": ("datum", [0.1, np.nan])}, {"datum": ["gdp", "e[3]"]})
    >>> whole(result, ["bits"])[1]
    ['Left out, as some number of theirs is not known: e[3].']
    """
    bad = np.zeros(result.sizes[DATUM], dtype=bool)
    for name in variables:
        finite = xr.apply_ufunc(np.isfinite, result[name])
        bad |= ~finite.all([dim for dim in finite.dims if dim != DATUM]).values
    if bad.all():
        raise CounterfactualError(
            f"no datum of this result has all of {list(variables)} finite: there is nothing to "
            "draw. Look at result.to_dataframe(), or choose others with data=[...]."
        )
    if not bad.any():
        return result, []
    names = [style.shortened(str(label)) for label in result[DATUM].values[bad]]
    more = f" and {len(names) - 5:,} more" * (len(names) > 5)
    said = f"Left out, as some number of theirs is not known: {', '.join(names[:5])}{more}."
    return result.isel({DATUM: ~bad}), [said]


def numbers_by(dim: str, *arrays: xr.DataArray) -> Iterator[tuple[np.ndarray, ...]]:
    """Read arrays of the same dims place by place along one, so that no copy of all is made."""
    for place in range(arrays[0].sizes[dim]):
        yield tuple(array.isel({dim: place}).values for array in arrays)


def error_count(numbers: int) -> float:
    """Count the standard errors that hold all of so many noises in 95 pictures of 100.

    Examples
    --------
    >>> [round(error_count(count), 2) for count in (1, 180, 92 * 75_000)]
    [1.96, 3.64, 5.79]
    """
    return NormalDist().inv_cdf(1 - 0.025 / numbers)


def root_ticks(low: float, high: float) -> list[float]:
    """Ticks 1, 2, 5, 10... that do not crowd on a square-root axis.

    Examples
    --------
    >>> root_ticks(0.0, 0.4), root_ticks(-0.2, 3.0)
    ([0.0, 0.01, 0.05, 0.1, 0.2], [-0.1, 0.0, 0.1, 0.5, 1.0, 2.0])
    """
    wide = _signed_root(high) - _signed_root(low)
    powers = 10.0 ** np.arange(np.floor(np.log10(high)) - 3, np.ceil(np.log10(high)) + 1)
    kept = [0.0]
    for tick in np.round(np.outer(powers, [1.0, 2.0, 5.0]).ravel(), 12):
        if tick <= high and np.sqrt(tick) - np.sqrt(kept[-1]) > 0.13 * wide:
            kept.append(float(tick))
    return [-tick for tick in kept[:0:-1] if tick <= -low] + kept


def _signed_root(value: Any) -> Any:
    return np.sign(value) * np.sqrt(np.abs(value))


def _signed_square(value: Any) -> Any:
    return np.sign(value) * np.square(value)


ROOT = (_signed_root, _signed_square)
"""A square root on either side of zero: ``axes.set_xscale("function", functions=ROOT)``."""


def most(sure: np.ndarray, sizes: np.ndarray, limit: int | None) -> np.ndarray:
    """Places of those that are greatest beyond their error; what is all error goes by size.

    Examples
    --------
    >>> most(np.array([0.0, 0.3, 0.0]), np.array([0.5, 0.4, 0.9]), 2).tolist()
    [1, 2]
    """
    return np.lexsort((-sizes, -sure))[:limit]


def with_notes(size: tuple[float, float], notes: Sequence[str]) -> tuple[float, float]:
    """Make a figure taller by the lines that its notes take below the panels."""
    width, height = size
    lines = sum(1 + int(len(note) * 0.064 / (width - 0.3)) for note in notes)
    return width, height + 0.175 * lines


def picked(shown: int, total: int, what: str, which: str = "the most important") -> list[str]:
    """Say in words what was left out, or nothing if nothing was.

    Examples
    --------
    >>> picked(30, 75_000, "data")
    ['30 of 75,000 data are shown: the most important.']
    """
    if shown == total:
        return []
    return [f"{shown:,} of {total:,} {what} are shown: {which}."]


def number(value: xr.DataArray, *, sign: bool = False) -> str:
    """Write a number of a result, or that it is unknown.

    Examples
    --------
    >>> number(xr.DataArray(0.4567)), number(xr.DataArray(np.nan))
    ('0.46', 'unknown')
    """
    return style.number(float(value), 2, sign=sign) if np.isfinite(value) else "unknown"


def estimate(result: xr.Dataset, name: str, *, sign: bool = False) -> str:
    """Write an estimate and its standard error, or that it is unknown.

    Examples
    --------
    >>> estimate(xr.Dataset({"bits": 0.5, "bits_mcse": 0.012}), "bits", sign=True)
    '+0.5 ± 0.012'
    """
    if not np.isfinite(result[name]):
        return "unknown"
    return f"{number(result[name], sign=sign)} ± {number(result[f'{name}_mcse'])}"


def tell_above(axes: Axes, lines: Sequence[str]) -> Text:
    """Write over a panel what its marks come to; its title is to leave room."""
    return axes.annotate(
        "\n".join(lines),
        (0, 1),
        (0, 5),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=7.5,
        color=style.MUTED,
        linespacing=1.35,
    )


def say_inside(axes: Axes, text: str, place: tuple[float, float], *, ha: str, va: str) -> Text:
    """Say in a panel, at a share of its width and height, that something is missing in it."""
    look: dict[str, Any] = {"fontsize": 8, "color": style.MUTED, "zorder": 5}
    return axes.text(*place, text, transform=axes.transAxes, ha=ha, va=va, **look)


def _named(
    values: np.ndarray, names: Sequence[str] | str, dim: str, refusal: type[CounterfactualError]
) -> list[str]:
    """Labels that are named, or whose variable is."""
    labels = [str(label) for label in values]
    asked_for = {names} if isinstance(names, str) else {str(name) for name in names}
    known = {*labels, *(label.split("[")[0] for label in labels)}
    for name in sorted(asked_for - known):
        raise refusal(f"no {dim} is named {name!r}. {nearest(name, labels)}")
    if not asked_for:
        raise refusal(f"got an empty list; expected a {dim} at least, or None for all.")
    return [lab for lab in labels if lab in asked_for or lab.split("[")[0] in asked_for]
