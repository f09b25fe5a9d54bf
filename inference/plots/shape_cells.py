r"""What is drawn in the cells of the table of shapes: shades, arrows, hatches, bars."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from inference.plots import style
from inference.schema import MEASUREMENT

__all__ = [
    "LEVEL",
    "LOOKS",
    "SHADES",
    "WHOLE",
    "draw_arrow",
    "draw_bar",
    "draw_floor",
    "draw_hatch",
    "draw_shade",
]

LEVEL = 0.05
"""What is significant has this q or p at most."""
LOOKS = {"up": ("#a4400b", "^"), "down": ("#1f5fa8", "v")}
SHADES = (0.10, 0.22, 0.40)
"""How dark a cell is, by the strength of its change."""
WHOLE = 2.2
"""Columns that the comparison of the whole law takes."""
_DESCRIPTOR = "descriptor"
_SIZES = (14, 24, 38)
_BAR = (0.2, 1.25)


def _boxes(places: np.ndarray, **look: Any) -> PatchCollection:
    """Fill cells, given by (row, column)."""
    boxes = [Rectangle((column - 0.48, row - 0.45), 0.96, 0.9) for row, column in places]
    return PatchCollection(boxes, match_original=False, **look)


def _cells(da: xr.DataArray) -> np.ndarray:
    return np.asarray(da.transpose(MEASUREMENT, _DESCRIPTOR).values)


def _tint(color: str, share: float) -> tuple[float, ...]:
    """Mix a colour with white: one that shows what is below would be darker on every other row."""
    return tuple(1 - share * (1 - part) for part in to_rgb(color))


def draw_shade(da: xr.DataArray, target: Axes, look: str, **_: Any) -> Artist:
    """Shade the cells of significant changes in one direction, by their strength."""
    strength = _cells(da)
    places = np.argwhere(np.isfinite(strength))
    faces = [_tint(LOOKS[look][0], SHADES[int(strength[row, column])]) for row, column in places]
    return target.add_collection(_boxes(places, facecolors=faces, lw=0, zorder=1.5), autolim=False)


def draw_arrow(da: xr.DataArray, target: Axes, look: str, **_: Any) -> Artist:
    """Point which way they go; the size is their strength."""
    strength = _cells(da)
    rows, columns = np.nonzero(np.isfinite(strength))
    color, marker = LOOKS[look]
    sizes = [_SIZES[int(strong)] for strong in strength[rows, columns]]
    dots: dict[str, Any] = {"s": sizes, "marker": marker, "color": color, "lw": 0, "zorder": 3}
    return target.scatter(columns - 0.39, rows, **dots)


def draw_hatch(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    """Hatch what is not known, so that it does not look like no change."""
    look: dict[str, Any] = {"facecolors": "white", "edgecolors": style.GRID_COLOR, "lw": 0}
    boxes = _boxes(np.argwhere(_cells(da)), hatch="////", zorder=1.5, **look)
    return target.add_collection(boxes, autolim=False)


def _span(axes: Axes) -> tuple[float, float]:
    """Where the bar of the rearranged tv begins, and its full length."""
    left = axes.get_xlim()[1] - WHOLE
    return left + _BAR[0], _BAR[1]


def _law(da: xr.DataArray, which: str) -> np.ndarray:
    return np.asarray(da.sel(number=f"rearranged_{which}").values)


def draw_bar(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    """Draw the rearranged tv, filled where it is significant; the full length is 1."""
    left, length = _span(target)
    tv, p = np.maximum(_law(da, "tv"), 0.0), _law(da, "p")
    rows = np.flatnonzero(tv > 0)
    boxes = [Rectangle((left, row - 0.2), length * tv[row], 0.4) for row in rows]
    faces = [style.LET_IN_COLOR if p[row] <= LEVEL else "white" for row in rows]
    look: dict[str, Any] = {"edgecolors": style.LET_IN_COLOR, "linewidths": 0.8, "zorder": 2}
    return target.add_collection(PatchCollection(boxes, facecolors=faces, **look), autolim=False)


def draw_floor(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    """Mark what the same world would show."""
    left, length = _span(target)
    floor = left + length * _law(da, "floor")
    rows = np.arange(floor.size)
    return target.vlines(floor, rows - 0.34, rows + 0.34, color=style.INK, lw=1.0, zorder=3)
