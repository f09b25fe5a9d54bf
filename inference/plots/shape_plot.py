r"""Picture: in which way is the future less, or more, or otherwise uncertain with the disciple in?

A table for each disciple: one row per measurement, one column per descriptor of its law; an arrow
and a number where it changes by more than noise, :math:`q \le 0.05`. What is not known is hatched,
so that it does not look like no change.
"""

from collections.abc import Sequence
from typing import Any

import arviz_plots as azp
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from counterfactual_models.errors import CounterfactualError, nearest, refuse_counts
from inference.plots import style
from inference.plots.direct_labels import one_line
from inference.plots.evidence_panels import asked, most, picked, with_notes
from inference.plots.footnotes import footnotes
from inference.plots.shape_cells import (
    LEVEL,
    LOOKS,
    SHADES,
    WHOLE,
    draw_arrow,
    draw_bar,
    draw_floor,
    draw_hatch,
    draw_shade,
)
from inference.schema import DISCIPLE, MEASUREMENT

__all__ = ["plot_shape"]

_DESCRIPTOR = "descriptor"
_NEEDED = ("change", "mcse", "q", "reason", *(f"rearranged_{n}" for n in ("tv", "floor", "p")))
_DEFAULT = (
    "mean",
    "median",
    "spread",
    "shortest_half",
    "skewness",
    "kurtosis",
    "peaks",
    "entropy",
    "tail_left",
    "tail_right",
)
_GROUPS = {
    "place": ("mean", "median", *(f"quantile_{share}" for share in ("05", "25", "75", "95"))),
    "width": ("spread", "l_scale", "concentration", "shortest_half"),
    "shape": ("skewness", "kurtosis", "fifth", "sixth", "l_skewness", "l_kurtosis", "peaks"),
    "surprise": ("entropy", "varentropy", "surprisal_skewness"),
    "tails": ("tail_left", "tail_right"),
}
_HEADS = {
    "concentration": "concen-\ntration",
    **{f"l_{name}": f"L-{name}" for name in ("scale", "skewness", "kurtosis")},
    **{f"quantile_{share}": f"{int(share)}%" for share in ("05", "25", "75", "95")},
}
_COLUMN, _ROW = 0.68, 0.27
"""Inches."""
_TINY = 1e-12
_STRONG = (5.0, 15.0)
"""Standard errors from which an arrow and its shade grow."""
_GROUP_LOOK = {"color": style.INK, "fontsize": 8.5}
_HOW_TO_READ = (
    "Numbers are let in − erased, where they differ by more than noise (false discovery rate "
    "5%); a dot: no more than noise. Shades and arrows grow with the standard errors. Places "
    "and widths in the erased world's scale, spread as a share of the erased world's, peaks "
    "counted, entropy in nats, tails by their index. Rearranged tv: the least total variation "
    "over all relabellings of worlds, from 0 to 1; filled where p ≤ 0.05, and a tick at what the "
    "same world would show. Neither it nor entropy sees worlds that change places."
)


def plot_shape(
    found: xr.Dataset,
    *,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    descriptors: Sequence[str] | str | None = None,
    max_rows: int = 20,
    max_panels: int = 4,
    figsize: tuple[float, float] | None = None,
) -> azp.PlotCollection:
    r"""Draw which descriptors of every measurement's law change, which way and by how much.

    Rows are sorted by their strongest significant change, in standard errors, among the
    descriptors and disciples shown. An arrow and its shade grow with 5 and 15 standard errors.

    Parameters
    ----------
    found
        What ``diagnostics.shape`` returned.
    disciples, measurements, descriptors
        Names to keep (``"visits"`` keeps all of ``visits[...]``); by default all disciples and
        measurements, and ten descriptors: of place, width, shape, surprise and tails.
    max_rows, max_panels
        At most so many measurements and disciples, those that change most surely; the picture
        says when it leaves some out.
    figsize
        Width and height in inches; by default they follow the numbers of rows and columns.

    Returns
    -------
    arviz_plots.PlotCollection
        One plot per disciple, one below the other; visuals ``shade`` and ``arrow`` by
        ``direction`` (up, down), ``unknown``, ``bar`` and ``floor``.

    Raises
    ------
    DiscipleError, MeasurementError
        If a name is not there; the nearest one is offered.
    CounterfactualError
        If `found` is no result of ``shape``, or a descriptor is not in it.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> cell = {"change": -0.5, "mcse": 0.02, "q": 0.001, "reason": ""}
    >>> law = {"rearranged_tv": 0.2, "rearranged_floor": 0.02, "rearranged_p": 0.001}
    >>> found = xr.Dataset(
    ...     {name: (("disciple", "measurement", "descriptor"), [[[v]]]) for name, v in cell.items()
    ...     } | {name: (("disciple", "measurement"), [[v]]) for name, v in law.items()},
    ...     {"disciple": ["greedy"], "measurement": ["price"], "descriptor": ["spread"]},
    ... )
    >>> table = plot_shape(found)
    >>> [text.get_text() for text in table.viz["plot"].item().texts if "0.5" in text.get_text()]
    ['−0.5']
    >>> plt.close(table.viz["figure"].item())
    """
    refuse_counts(1, max_rows=max_rows, max_panels=max_panels)
    whole = asked(
        _with_dims(found),
        "shape",
        _NEEDED,
        disciples=disciples,
        measurements=measurements,
        compared=True,
    )
    whole = whole.transpose(DISCIPLE, MEASUREMENT, _DESCRIPTOR, ...)
    every, shown = whole, _columns(whole, descriptors)
    whole = whole.sel({_DESCRIPTOR: shown})
    kept = _surest(whole, max_rows, max_panels)
    letters, said = footnotes(kept["reason"].values)
    kept = kept.assign(letter=(kept["reason"].dims, letters))
    which = "those that change most surely"
    notes = [
        _HOW_TO_READ,
        *said,
        *_left_out(every, shown),
        *picked(kept.sizes[MEASUREMENT], whole.sizes[MEASUREMENT], "measurements", which),
        *picked(kept.sizes[DISCIPLE], whole.sizes[DISCIPLE], "disciples", which),
    ]
    return _picture(kept, notes, figsize or with_notes(_figsize(kept), notes))


def _picture(kept: xr.Dataset, notes: list[str], size: tuple[float, float]) -> azp.PlotCollection:
    drawn = _laid_out(kept)
    with style.house_style():
        table = azp.PlotCollection.grid(
            drawn[["strength"]],
            rows=[DISCIPLE],
            aes={"look": ["direction"]},
            look=list(LOOKS),
            backend="matplotlib",
            figure_kwargs=style.figure_options(size),
        )
        _draw(table, drawn, kept)
        style.frame(
            table.viz["figure"].item(),
            title="Does the future keep the shape of its uncertainty?",
            handles=_marks(kept),
            notes=notes,
        )
        style.verbatim(table.viz["figure"].item().texts)
    return table


def _with_dims(found: xr.Dataset) -> xr.Dataset:
    """Give back the dims of what one disciple, measurement or descriptor was taken out of."""
    if not isinstance(found, xr.Dataset):
        return found
    whole = [str(name) for name in found.data_vars if str(name).startswith("rearranged")]
    for dim in (DISCIPLE, MEASUREMENT, _DESCRIPTOR):
        if dim in found.coords and dim not in found.dims:
            law = {name: found[name].drop_vars(dim) for name in whole}
            found = found.expand_dims(dim)
            found = found.assign(law) if dim == _DESCRIPTOR else found
    return found


def _left_out(found: xr.Dataset, shown: list[str]) -> list[str]:
    """Say how many descriptors are not shown, and what changes in them."""
    others = found.drop_sel({_DESCRIPTOR: shown})
    if not others.sizes[_DESCRIPTOR]:
        return []
    count = int(_significant(others).sum())
    return [
        f"{len(shown)} of {found.sizes[_DESCRIPTOR]} descriptors are shown; in the others, "
        f"{count or 'no'} significant change{'' if count == 1 else 's'} (descriptors=)."
    ]


def _columns(found: xr.Dataset, descriptors: Sequence[str] | str | None) -> list[str]:
    known = [str(name) for name in found[_DESCRIPTOR].values]
    if descriptors is None:
        return [name for name in _DEFAULT if name in known] or known
    asked_for = [descriptors] if isinstance(descriptors, str) else list(map(str, descriptors))
    for name in asked_for:
        if name not in known:
            raise CounterfactualError(f"no descriptor is named {name!r}. {nearest(name, known)}")
    if not asked_for:
        raise CounterfactualError(
            "got an empty list; expected a descriptor at least, or None for the usual ones."
        )
    return list(dict.fromkeys(asked_for))


def _errors(found: xr.Dataset) -> xr.DataArray:
    """Count the standard errors of each change: none for no change, whatever its error."""
    with np.errstate(divide="ignore", invalid="ignore"):
        many = abs(found["change"]) / found["mcse"]
    return many.where(found["change"] != 0, 0.0)


def _significant(found: xr.Dataset) -> xr.DataArray:
    return (found["q"] <= LEVEL) & np.isfinite(found["change"]) & (found["change"] != 0)


def _surest(found: xr.Dataset, max_rows: int, max_panels: int) -> xr.Dataset:
    """Sort rows by their surest change; leave disciples in the order they came."""
    errors = _errors(found).fillna(0.0)
    floors = (found["rearranged_tv"] / found["rearranged_floor"].clip(min=_TINY)).fillna(0.0)
    sure = errors.where(_significant(found), 0.0).max(_DESCRIPTOR)
    moved = floors.where(found["rearranged_p"] <= LEVEL, 0.0)
    sure = sure.where(sure > moved, moved)
    largest = errors.max(_DESCRIPTOR)
    every = largest.where(largest > floors, floors)

    def kept(dim: str, limit: int) -> np.ndarray:
        other = MEASUREMENT if dim == DISCIPLE else DISCIPLE
        return most(sure.max(other).values, every.max(other).values, limit)

    panels = np.sort(kept(DISCIPLE, max_panels))
    sure, every = sure.isel({DISCIPLE: panels}), every.isel({DISCIPLE: panels})
    return found.isel({DISCIPLE: panels, MEASUREMENT: kept(MEASUREMENT, max_rows)})


def _laid_out(kept: xr.Dataset) -> xr.Dataset:
    """Lay out by direction how strong each significant change is: 0, 1, 2, or NaN for none."""
    errors = _errors(kept)
    strength = xr.zeros_like(errors)
    for least in _STRONG:
        strength = strength + (errors >= least)
    strength = strength.where(_significant(kept))
    change = kept["change"]
    by_direction = xr.concat([strength.where(change > 0), strength.where(change < 0)], "direction")
    law = kept[[name for name in _NEEDED if name.startswith("rearranged")]].to_dataarray("number")
    return xr.Dataset(
        {
            "strength": by_direction.assign_coords(direction=list(LOOKS)),
            "unknown": ~np.isfinite(change) | ~np.isfinite(kept["q"]),
            "law": law,
        }
    ).transpose(..., MEASUREMENT, _DESCRIPTOR)


def _figsize(kept: xr.Dataset) -> tuple[float, float]:
    columns = kept.sizes[_DESCRIPTOR] + WHOLE
    panel = 0.95 + _ROW * kept.sizes[MEASUREMENT]
    return max(7.0, 2.8 + _COLUMN * columns), 1.0 + panel * kept.sizes[DISCIPLE]


def _draw(table: azp.PlotCollection, drawn: xr.Dataset, kept: xr.Dataset) -> None:
    panels = np.atleast_1d(table.viz["plot"].values)
    for axes, name in zip(panels, kept[DISCIPLE].values, strict=True):
        _dress(axes, kept.sel({DISCIPLE: name}), one_line(name))
    cells, law = drawn[["strength"]], drawn[["law"]]
    table.map(draw_shade, "shade", data=cells)
    table.map(draw_arrow, "arrow", data=cells)
    table.map(draw_hatch, "unknown", data=drawn[["unknown"]], ignore_aes={"look"})
    table.map(draw_bar, "bar", data=law, ignore_aes={"look"})
    table.map(draw_floor, "floor", data=law, ignore_aes={"look"})


def _dress(axes: Axes, one: xr.Dataset, name: str) -> None:
    """Set rows, headings and numbers of one disciple's table."""
    rows, columns = one.sizes[MEASUREMENT], one.sizes[_DESCRIPTOR]
    style.row_stripes(axes, rows)
    axes.set_xlim(-0.5, columns - 0.5 + WHOLE)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_xticks([])
    labels = [style.shortened(one_line(label)) for label in one[MEASUREMENT].values]
    axes.set_yticks(range(rows), labels)
    axes.tick_params(labelleft=True)
    axes.spines["bottom"].set_visible(False)
    title = axes.set_title(style.shortened(name, 60), pad=46)
    style.verbatim([*axes.get_yticklabels(), title])
    _head(axes, [str(column) for column in one[_DESCRIPTOR].values])
    for (row, column), text, ink in _texts(one):
        size = 8 if len(text) < 7 else 7
        axes.text(column + 0.44, row, text, ha="right", va="center", fontsize=size, color=ink)
    for row, (tv, p) in enumerate(
        zip(one["rearranged_tv"].values, one["rearranged_p"].values, strict=True)
    ):
        text = style.number(max(0.0, round(float(tv), 3)), 2) if np.isfinite(tv) else "?"
        ink = style.INK if p <= LEVEL else style.MUTED
        axes.text(
            columns - 0.5 + WHOLE - 0.1, row, text, ha="right", va="center", fontsize=8, color=ink
        )


def _texts(one: xr.Dataset) -> list[tuple[tuple[int, int], str, str]]:
    """Place, words and colour of each cell: a number, a dot, or that it is not known."""
    sure, q = _significant(one).values, one["q"].values
    change, letter = one["change"].values, one["letter"].values
    found = []
    for row, column in np.ndindex(change.shape):
        value = float(change[row, column])
        known = np.isfinite(value)
        written = style.number(value, 2, sign=value != 0) if known else "?"
        if known and not sure[row, column] and np.isfinite(q[row, column]):
            written = "•"
        ink = style.ERASED_COLOR if written == "•" else style.INK
        note = str(letter[row, column])
        # A letter next to an exponent would be read as a part of it.
        gap = "\u2009" if note and "×10" in written else ""
        found.append(((row, column), written + gap + note, ink))
    return found


def _head(axes: Axes, columns: list[str]) -> None:
    """Write the columns' names over them, and their groups' over these."""
    at: dict[str, Any] = {"xycoords": axes.get_xaxis_transform(), "textcoords": "offset points"}
    look: dict[str, Any] = {"va": "bottom", "fontsize": 8, "color": style.MUTED}
    heads = [_HEADS.get(name, name.replace("_", "\n")) for name in columns]
    for place, head in enumerate(heads):
        written = "\n".join(style.shortened(line, 11) for line in head.split("\n"))
        text = axes.annotate(written, (place + 0.4, 1), (0, 4), ha="right", **at, **look)
        style.verbatim([text])
    right = len(columns) - 0.5 + WHOLE
    axes.annotate("rearranged\ntv", (right - 0.1, 1), (0, 4), ha="right", **at, **look)
    groups = [_group(name) for name in columns] + ["whole law"]
    ends = [*(place - 0.5 for place in range(len(columns) + 1)), right]
    starts = [p for p in range(len(groups)) if not p or groups[p] != groups[p - 1]]
    for start, stop in zip(starts, [*starts[1:], len(groups)], strict=True):
        if start:
            axes.axvline(ends[start], color=style.GRID_COLOR, lw=0.8, zorder=1)
        middle = (ends[start] + ends[stop]) / 2
        axes.annotate(groups[start], (middle, 1), (0, 29), ha="center", **at, **look | _GROUP_LOOK)


def _group(name: str) -> str:
    return next((group for group, names in _GROUPS.items() if name in names), "")


def _marks(kept: xr.Dataset) -> list[Artist]:
    """Name every mark, with how many changes go each way."""
    sure = _significant(kept)
    handles: list[Artist] = []
    for sign, (color, marker) in zip((1, -1), LOOKS.values(), strict=True):
        count = int((sure & (np.sign(kept["change"]) == sign)).sum())
        said = f"{'more' if sign > 0 else 'less'} ({count})"
        handles.append(Line2D([], [], ls="none", marker=marker, color=color, ms=5, label=said))
    reach = ("significant", *(f"by ≥ {least:g} errors" for least in _STRONG))
    for shade, said in zip(SHADES, reach, strict=True):
        handles.append(Patch(facecolor=to_rgba(style.INK, shade), label=said))
    hatch: dict[str, Any] = {"facecolor": "white", "edgecolor": style.GRID_COLOR, "hatch": "////"}
    handles.append(Patch(label="not known", **hatch))
    tick: dict[str, Any] = {"color": style.INK, "marker": "|", "ms": 9, "ls": "none"}
    handles.append(Line2D([], [], label="noise floor", **tick))
    return handles
