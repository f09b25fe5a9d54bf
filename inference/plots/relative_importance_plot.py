r"""Picture: do the data keep their relative importance when the disciple is let in?

Two profiles facing each other, one panel per disciple: how the importance of the evidence is
shared among the data with the disciple erased, to the left, and let in, to the right. Over each
panel what no profile shows: the distances of the whole Gram matrices.
"""

from collections.abc import Sequence
from typing import Any

import arviz_plots as azp
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator

from counterfactual_models.errors import refuse_counts
from inference.plots import evidence_panels, style
from inference.schema import DATUM, DISCIPLE, ERASED, SWITCH

__all__ = ["plot_relative_importance"]

_DISTANCES = ("trace_distance", "signed_distance", "log_scale")
_LARGEST, _FARTHEST = "those of largest shares", "those of largest trace distance"
_PROFILE = ("profile", "profile_mcse")
_TOLD = (*_DISTANCES, *(f"{name}_mcse" for name in _DISTANCES), "p", "reason")


def plot_relative_importance(
    result: xr.Dataset,
    *,
    disciples: Sequence[str] | str | None = None,
    data: Sequence[str] | str | None = None,
    max_rows: int = 24,
    max_columns: int = 4,
    figsize: tuple[float, float] | None = None,
) -> azp.PlotCollection:
    r"""Draw the two profiles of each disciple, and write their distances above.

    Rows are sorted by the larger share. A share below zero is an estimate's noise and has no bar;
    where a world has no profile, as nothing of the evidence shows in it, the reason is written.

    Parameters
    ----------
    result
        What ``diagnostics.relative_importance`` returned.
    disciples, data
        Names to keep (``"orders"`` keeps all of ``orders[...]``); all by default.
    max_rows, max_columns
        At most so many data, those of largest shares, and disciples, those of largest trace
        distance; the picture says when it leaves some out.
    figsize
        Width and height in inches; by default they follow the number of rows and panels.

    Returns
    -------
    arviz_plots.PlotCollection
        One plot per disciple; visuals ``share`` and ``error``, coloured by ``X``.

    Raises
    ------
    DiscipleError, EvidenceError
        If a name is not there; the nearest one is offered.
    CounterfactualError
        If `result` is no result of ``relative_importance``.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> numbers = {"trace_distance": 0.7, "signed_distance": 0.4, "log_scale": 1.0, "p": 0.001}
    >>> numbers |= {f"{name}_mcse": 0.02 for name in list(numbers)[:3]} | {"reason": ""}
    >>> dims = ("disciple", "datum")
    >>> result = xr.Dataset(
    ...     {name: ("disciple", [number] * 2) for name, number in numbers.items()}
    ...     | {"profile": (dims, [[0.5, 0.5], [1.0, 0.0]]),
    ...        "profile_mcse": (dims, [[0.01] * 2] * 2)},
    ...     {"disciple": ["erased", "turbine"], "datum": ["left", "right"]},
    ... )
    >>> butterfly = plot_relative_importance(result)
    >>> butterfly.data["profile"].sel(X=1, number="value").values.tolist()
    [[1.0, 0.0]]
    >>> plt.close(butterfly.viz["figure"].item())
    """
    refuse_counts(1, max_rows=max_rows, max_columns=max_columns)
    given = evidence_panels.asked(
        result,
        "relative_importance",
        (*_TOLD, *_PROFILE),
        disciples=disciples,
        data=data,
    )
    names = evidence_panels.let_in(given)
    known, notes = _with_profiles(given)
    errors = evidence_panels.error_count(known["profile"].size)
    kept = _greatest(known, errors, max_rows, max_columns)
    drawn = evidence_panels.beside_erased(kept, "profile").to_dataset(name="profile")
    notes = [
        *_how_to_read(errors),
        *notes,
        *evidence_panels.picked(drawn.sizes[DATUM], known.sizes[DATUM], "data", _LARGEST),
        *evidence_panels.picked(drawn.sizes[DISCIPLE], len(names), "disciples", _FARTHEST),
    ]
    size = figsize or evidence_panels.with_notes(_figsize(drawn), notes)
    return _picture(drawn, kept, errors, notes, size)


def _picture(
    drawn: xr.Dataset,
    kept: xr.Dataset,
    errors: float,
    notes: list[str],
    size: tuple[float, float],
) -> azp.PlotCollection:
    with style.house_style():
        butterfly = azp.PlotCollection.grid(
            drawn,
            cols=[DISCIPLE],
            aes={"color": [SWITCH]},
            color=[style.ERASED_COLOR, style.LET_IN_COLOR],
            backend="matplotlib",
            figure_kwargs=style.figure_options(size),
        )
        butterfly.map(_share, "share")
        butterfly.map(_error, "error", errors=errors)
        _dress_all(butterfly, drawn, kept, errors)
        title = "Do the data keep their relative importance?"
        figure = butterfly.viz["figure"].item()
        style.frame(figure, title=title, handles=_marks(), notes=notes)
    return butterfly


def _with_profiles(given: xr.Dataset) -> tuple[xr.Dataset, list[str]]:
    """Leave out data without a share in worlds that have a profile; say which worlds have none."""
    seen = given["profile"].notnull().any(DATUM).values
    reasons: dict[str, list[str]] = {}
    for name, why in zip(given[DISCIPLE].values, given["reason"].values, strict=True):
        if name != ERASED and str(why):
            reasons.setdefault(str(why), []).append(style.shortened(str(name)))
    notes = [f"{', '.join(names)}: {why}" for why, names in reasons.items()]
    if not seen.any():
        return given, notes
    whole, missing = evidence_panels.whole(given.isel({DISCIPLE: seen}), _PROFILE)
    return given.sel({DATUM: whole[DATUM].values}), notes + missing


def _greatest(known: xr.Dataset, errors: float, max_rows: int, max_columns: int) -> xr.Dataset:
    """Pick disciples by trace distance (unknown ones first) and data by share."""
    distance = known["trace_distance"].values[1:]
    columns = style.top(np.nan_to_num(distance, nan=np.inf), max_columns)
    kept = known.isel({DISCIPLE: np.concatenate([[0], np.sort(columns) + 1])})
    value, mcse = (
        np.nan_to_num(kept[name].transpose(DISCIPLE, DATUM).values) for name in _PROFILE
    )
    most = value.max(axis=0)
    sure = (value - errors * mcse).max(axis=0).clip(min=0)
    rows = evidence_panels.most(sure, most, max_rows)
    return kept.isel({DATUM: rows[style.top(most[rows], None)]})


def _figsize(drawn: xr.Dataset) -> tuple[float, float]:
    across, rows = drawn.sizes[DISCIPLE], drawn.sizes[DATUM]
    return 2.2 + (4.8 if across == 1 else 3.2) * across, 1.95 + 0.26 * max(3, rows)


def _share(da: xr.DataArray, target: Axes, color: str, **_: Any) -> BarContainer:
    """Draw one world's shares on its own side; none for what is below zero."""
    value = np.nan_to_num(da.sel(number="value").values).clip(min=0)
    rows = np.arange(value.size)
    return target.barh(rows, _side(da) * value, height=0.68, color=color, lw=0, zorder=2)


def _error(da: xr.DataArray, target: Axes, errors: float, **_: Any) -> Artist:
    value, mcse = da.transpose("number", ...).values
    rows = np.flatnonzero(np.isfinite(value + mcse))
    ends = (value + np.outer([-1, 1], errors * mcse)).clip(min=0)[:, rows]
    return target.hlines(rows, *(_side(da) * ends), color=style.INK, lw=0.9, zorder=3)


def _side(da: xr.DataArray) -> int:
    return 1 if int(da[SWITCH]) else -1


def _dress_all(
    butterfly: azp.PlotCollection, drawn: xr.Dataset, kept: xr.Dataset, errors: float
) -> None:
    """Set rows, axis and title of every panel, and write the distances above it."""
    value, mcse = np.nan_to_num(drawn["profile"].transpose("number", ...).values)
    far = min(float((value + errors * mcse).max()), 1.5 * float(value.max())) or 1.0
    labels = [style.shortened(str(label)) for label in drawn[DATUM].values]
    width = 26 if drawn.sizes[DISCIPLE] > 1 else 44
    panels = np.atleast_1d(butterfly.viz["plot"].values)
    for axes, name in zip(panels, drawn[DISCIPLE].values, strict=True):
        style.row_stripes(axes, len(labels))
        axes.set_xlim(-1.05 * far, 1.05 * far)
        axes.xaxis.set_major_locator(MaxNLocator(5, symmetric=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: _percent(share)))
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_yticks(range(len(labels)), labels)
        axes.axvline(0, color=style.INK, lw=0.8, zorder=4)
        title = axes.set_title(style.shortened(str(name), width), pad=54)
        style.verbatim([*axes.get_yticklabels(), title])
        _tell(axes, kept.sel({DISCIPLE: name}))
        for switch, place in ((0, 0.25), (1, 0.75)):
            shares = drawn["profile"].sel({"number": "value", SWITCH: switch, DISCIPLE: name})
            if shares.isnull().all():
                text = "no profile\n(see below)"
                evidence_panels.say_inside(axes, text, (place, 0.5), ha="center", va="center")


def _percent(share: float) -> str:
    return f"{style.number(100 * abs(share), 2)}%"


def _tell(axes: Axes, one: xr.Dataset) -> Text:
    """Write the three distances and p over a panel."""
    distance = evidence_panels.estimate(one, "trace_distance")
    if one["trace_distance"] < 0:
        error = evidence_panels.number(one["trace_distance_mcse"])
        distance = f"0 (within noise) ± {error}"
    lines = [
        f"trace distance {distance}",
        f"with signs {evidence_panels.estimate(one, 'signed_distance')}",
        f"log₂ of scale {evidence_panels.estimate(one, 'log_scale', sign=True)}",
        f"p {evidence_panels.number(one['p'])} were all slopes the same",
    ]
    return evidence_panels.tell_above(axes, lines)


def _marks() -> list[Artist]:
    return [
        Patch(color=style.ERASED_COLOR, label="erased, to the left"),
        Patch(color=style.LET_IN_COLOR, label="let in, to the right"),
    ]


def _how_to_read(errors: float) -> list[str]:
    return [
        "Bars: shares of the data in the importance of the evidence; a share below zero is noise, "
        f"and has no bar. Lines: ±{style.number(errors, 2)} standard errors, wide enough for all "
        "at once.",
        "Trace distance: 0 if combinations of data keep their relative importance, 1 if none "
        "does; with signs: 1 if all turn round; scale: log₂ of how all squared slopes grew. ±: a "
        "standard error; p: how likely the same world shows slopes changed as much, lengths and "
        "signs included.",
    ]
