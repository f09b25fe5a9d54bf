r"""Panels of a ridge: each measurement's law with the disciple let in over its law erased.

One row per measurement, one panel per disciple, the erased world behind each; rows are on one
scale, :math:`(w - \mathrm{median}_0) / \mathrm{spread}_0`. What is written on them is the
picture's that has them drawn.
"""

from collections.abc import Sequence
from typing import Any

import arviz_plots as azp
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.markers import CARETLEFT, CARETRIGHT
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MultipleLocator

from counterfactual_models.errors import DiscipleError, MeasurementError
from inference import schema
from inference.plots import style
from inference.plots.outlines import Row, gap, outlines, own_scale, window
from inference.schema import DISCIPLE, ERASED, MEASUREMENT, SWITCH

__all__ = ["draw_ridge", "ridge_draws", "ridge_marks", "ridge_notes", "ridge_size"]

_HEIGHT, _FOOT = 0.82, 0.25
_BEYOND = 0.01
_FLAT = 0.012


def ridge_draws(
    worlds: xr.DataTree | xr.Dataset,
    *,
    disciples: Sequence[str] | str | None,
    measurements: Sequence[str] | str | None,
    order: str,
    max_rows: int,
    max_columns: int,
) -> tuple[xr.DataArray, xr.DataArray]:
    """Take the draws that are shown, ``erased`` first, and those that were asked for.

    Raises
    ------
    DiscipleError, MeasurementError
        If a name is not there, or a measurement is not finite.
    """
    flat = _asked(worlds, disciples, measurements, order)
    return _most_different(flat, order, max_rows, max_columns), flat


def draw_ridge(
    worlds: xr.DataTree | xr.Dataset,
    kept: xr.DataArray,
    *,
    figsize: tuple[float, float],
    height: float = _HEIGHT,
    foot: float = _FOOT,
) -> azp.PlotCollection:
    """Draw the panels; `height` of a row is its curves', `foot` is free below the last.

    Returns
    -------
    arviz_plots.PlotCollection
        Its ``data`` are the outlines, with each row's ``centre`` and ``spread`` in the units of
        its measurement; row n stands on y = n, and y grows downwards.
    """
    rows = [own_scale(draws) for draws in _draws(kept)]
    bounds = window(rows)
    ridge = azp.PlotCollection.grid(
        _outlined(kept, rows, bounds),
        cols=[DISCIPLE],
        aes={"color": [SWITCH]},
        color=[style.ERASED_COLOR, style.LET_IN_COLOR],
        backend="matplotlib",
        figure_kwargs=style.figure_options(figsize),
    )
    panels = list(np.atleast_1d(ridge.viz["plot"].values))
    for place, axes in enumerate(panels, start=1):
        _dress(axes, str(kept[DISCIPLE].values[place]), kept, bounds)
        axes.set_ylim(len(rows) - 1 + foot, -0.18 - height)
        for level, row in enumerate(rows):
            _beyond(axes, level, row.scaled[[0, place]], bounds, height / _HEIGHT)
    _own_units(panels[0], kept, rows, _units(worlds))
    ridge.map(_face, "face", height=height)
    ridge.map(_edge, "edge", height=height)
    return ridge


def ridge_size(rows: int, columns: int, pitch: float) -> tuple[float, float]:
    """Width and height in inches of a ridge whose rows stand so far apart."""
    return 2.6 + (4.2 if columns == 1 else 2.6) * columns, 2.0 + pitch * rows


def ridge_marks() -> list[Artist]:
    """Name the two worlds."""
    looks = (("erased", style.ERASED_COLOR, 0.5), ("let in", style.LET_IN_COLOR, 0.2))
    return [
        Patch(facecolor=to_rgba(color, face), edgecolor=color, label=name)
        for name, color, face in looks
    ]


def ridge_notes(kept: xr.DataArray, flat: xr.DataArray) -> list[str]:
    """Say what the axis is, and what was left out."""
    return [
        "Axis: distance from the erased world's median, in its spreads (interquartile range "
        "/ 1.35, or the standard deviation where that is 0). Under each name: the erased "
        "world's median ± spread.",
        *style.count_note(kept.sizes[MEASUREMENT], flat.sizes[MEASUREMENT], "measurements"),
        *style.count_note(kept.sizes[DISCIPLE] - 1, flat.sizes[DISCIPLE] - 1, "disciples"),
    ]


def _asked(
    worlds: xr.DataTree | xr.Dataset,
    disciples: Sequence[str] | str | None,
    measurements: Sequence[str] | str | None,
    order: str,
) -> xr.DataArray:
    """Take the draws that are asked for; refuse what cannot be drawn."""
    if order not in ("difference", "given"):
        raise MeasurementError(f"got order={order!r}; expected 'difference' or 'given'.")
    flat = schema.flatten(worlds, disciples=disciples, measurements=measurements)
    if flat.sizes[DISCIPLE] < 2:
        raise DiscipleError(
            "these worlds hold 'erased' only: there is nothing to compare it with. Let a disciple "
            "in: sample_worlds(world, posterior, {'name': policy})."
        )
    if order == "given" and measurements is not None:
        flat = flat.sel({MEASUREMENT: _as_named(flat, measurements)})
    return _finite(flat)


def _finite(flat: xr.DataArray) -> xr.DataArray:
    bad = (~xr.apply_ufunc(np.isfinite, flat)).sum([DISCIPLE, *schema.sample_dims(flat)])
    if bad.any():
        name, count = str(bad.idxmax().values), int(bad.max())
        raise MeasurementError(
            f"{count} draws of {name!r} are not finite; expected numbers only. Bound it where the "
            "world measures it, or leave it out with measurements=[...]."
        )
    return flat


def _as_named(flat: xr.DataArray, measurements: Sequence[str] | str) -> list[str]:
    asked = [measurements] if isinstance(measurements, str) else list(measurements)
    labels = [str(label) for label in flat[MEASUREMENT].values]
    in_turn = (lab for name in asked for lab in labels if name in (lab, lab.split("[")[0]))
    return list(dict.fromkeys(in_turn))


def _draws(flat: xr.DataArray) -> np.ndarray:
    """(measurement, world, draws), erased first."""
    return flat.values.reshape(flat.sizes[MEASUREMENT], flat.sizes[DISCIPLE], -1)


def _most_different(
    flat: xr.DataArray, order: str, max_rows: int, max_columns: int
) -> xr.DataArray:
    """Choose rows and columns by the largest gap between the cumulative curves."""
    gaps = np.array([[gap(row[0], world) for world in row[1:]] for row in _draws(flat)])
    gaps = gaps.reshape(flat.sizes[MEASUREMENT], -1)
    columns = np.sort(style.top(gaps.max(axis=0), max_columns))
    rows = style.top(gaps[:, columns].max(axis=1), max_rows)
    rows = np.sort(rows) if order == "given" else rows
    return flat.isel({MEASUREMENT: rows, DISCIPLE: np.concatenate([[0], columns + 1])})


def _outlined(kept: xr.DataArray, rows: list[Row], bounds: tuple[float, float]) -> xr.Dataset:
    """Outline each row's worlds in (disciple, X, measurement, axis, point)."""
    drawn = [outlines(row.scaled, bounds) for row in rows]
    longest = max(outline.shape[1] for row in drawn for outline in row)
    # The last point repeated: the polygon is the same with it.
    padded = np.array([[_padded(outline, longest) for outline in row] for row in drawn])
    erased = np.broadcast_to(padded[:, :1], padded[:, 1:].shape)
    return xr.DataArray(
        np.stack([erased, padded[:, 1:]]),
        dims=(SWITCH, MEASUREMENT, DISCIPLE, "axis", "point"),
        coords={
            DISCIPLE: [str(name) for name in kept[DISCIPLE].values if name != ERASED],
            SWITCH: [0, 1],
            MEASUREMENT: [str(label) for label in kept[MEASUREMENT].values],
            "axis": ["place", "height"],
            "centre": (MEASUREMENT, [row.centre for row in rows]),
            "spread": (MEASUREMENT, [row.spread for row in rows]),
        },
    ).to_dataset(name="outline")


def _padded(outline: np.ndarray, length: int) -> np.ndarray:
    return np.pad(outline, ((0, 0), (0, length - outline.shape[1])), mode="edge")


def _face(da: xr.DataArray, target: Axes, color: str, height: float, **_: Any) -> Artist:
    """Fill one world's outlines; the erased one more heavily, and behind."""
    erased = int(da[SWITCH]) == 0
    face = to_rgba(color, 0.5 if erased else 0.2)
    fill = PolyCollection(
        _placed(da, height), facecolors=[face], linewidths=0, zorder=2 + (not erased)
    )
    return target.add_collection(fill, autolim=False)


def _edge(da: xr.DataArray, target: Axes, color: str, height: float, **_: Any) -> Artist:
    """Draw one world's outlines where they leave the base line."""
    erased = int(da[SWITCH]) == 0
    strokes = []
    for level, outline in enumerate(_placed(da, height)):
        based = outline[:, 1] > level - _FLAT
        cuts = np.flatnonzero(based[:-1] & based[1:]) + 1
        strokes += [stroke for stroke in np.split(outline, cuts) if len(stroke) > 1]
    lines = LineCollection(
        strokes, colors=[color], linewidths=0.6 if erased else 1.3, zorder=2.5 + (not erased)
    )
    return target.add_collection(lines, autolim=False)


def _placed(da: xr.DataArray, height: float) -> list[np.ndarray]:
    """Stand the outlines on their rows: (point, (x, y)) for each, the first row on top."""
    corners = da.transpose(MEASUREMENT, "point", "axis").values.copy()
    corners[..., 1] = np.arange(len(corners))[:, None] - height * corners[..., 1]
    return list(corners)


def _dress(axes: Axes, name: str, kept: xr.DataArray, bounds: tuple[float, float]) -> None:
    """Set rows, axis and title of one disciple's column."""
    labels = [style.shortened(str(label)) for label in kept[MEASUREMENT].values]
    axes.set_xlim(bounds)
    axes.set_yticks([level - 0.45 for level in range(len(labels))], labels)
    width = 26 if kept.sizes[DISCIPLE] > 2 else 44
    style.verbatim([*axes.get_yticklabels(), axes.set_title(style.shortened(name, width))])
    axes.hlines(range(len(labels)), *bounds, color=style.GRID_COLOR, lw=0.7, zorder=1)
    axes.axvline(0, color=style.GRID_COLOR, lw=0.7, zorder=1)
    axes.xaxis.set_major_locator(MultipleLocator(2))
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="x", length=0)


def _beyond(
    axes: Axes, level: int, worlds: np.ndarray, bounds: tuple[float, float], tall: float
) -> None:
    """Tell at the axis' edge which share of the draws is beyond it, or where their median is."""
    looks = (
        (style.ERASED_COLOR, style.MUTED, 0.5),
        (style.LET_IN_COLOR, style.LET_IN_COLOR, 0.2),
    )
    for scaled, (color, ink, lift) in zip(worlds, looks, strict=True):
        median = float(np.median(scaled))
        for edge, sign in zip(bounds, (-1, 1), strict=True):
            share = float(np.mean(sign * scaled > sign * edge))
            if share < _BEYOND:
                continue
            arrow = CARETRIGHT if sign > 0 else CARETLEFT
            axes.plot(
                edge, level - tall * lift, color=color, marker=arrow, ms=5, clip_on=False, zorder=5
            )
            away = sign * median > sign * edge
            axes.annotate(
                f"median {style.number(median, sign=True)}" if away else f"{share:.0%}",
                (edge, level - tall * lift),
                (-7 * sign, 0),
                textcoords="offset points",
                ha="right" if sign > 0 else "left",
                va="center",
                fontsize=7.5,
                color=ink,
                path_effects=[withStroke(linewidth=2.5, foreground="white")],
                zorder=6,
            )


def _own_units(axes: Axes, kept: xr.DataArray, rows: list[Row], units: dict[str, str]) -> None:
    """Write beneath each label what 0 and 1 on the axis are in the measurement's own units."""
    for level, (label, row) in enumerate(zip(kept[MEASUREMENT].values, rows, strict=True)):
        unit = units.get(str(label).split("[")[0], "")
        still = np.ptp(row.scaled[0]) == 0
        places = int(np.log10(abs(row.centre) / row.spread)) if row.centre else 0
        centre = style.number(row.centre, int(np.clip(places + 2, 2, 6)))
        text = f"always {centre}" if still else f"{centre} ± {style.number(row.spread, 2)}"
        note = axes.annotate(
            f"{text} {unit}".rstrip(),
            (0, level - 0.45),
            (-7, -10.5),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=7,
            color=style.MUTED,
            annotation_clip=False,
        )
        style.verbatim([note])


def _units(worlds: xr.DataTree | xr.Dataset) -> dict[str, str]:
    drawn = schema.predictions(worlds)
    return {str(name): str(value.attrs.get("units", "")) for name, value in drawn.items()}
