"""Picture: which measure is right about which world?

A row for each world, a column for each measure; ours first, then the peers'. A cell has the colour
of its verdict, and a sign for readers who see no colours. Below the columns: how often each is
right, of the worlds it applies to.
"""

import math
from itertools import pairwise
from typing import Any

import arviz_plots as azp
import matplotlib.transforms as transforms
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Patch, Rectangle

from counterfactual_models.errors import CounterfactualError
from inference.plots import style

__all__ = ["plot_testbed"]

WORLD, MEASURE = "world", "measure"
_LOOKS = {  # colour, and the sign in the cell
    "right": ("#cfe8dc", "✓"),
    "cannot rank": ("#dadde6", "="),
    "false alarm": ("#f6dfa4", "!"),
    "misses high impact": ("#eea592", "✗"),
    "wrong order": ("#b3370c", "⇅"),
    "failed": ("#1f2430", "?"),
    "not applicable": ("#ffffff", "·"),
}
_LIGHT = {"wrong order", "failed"}  # signs in white
_GAP = 0.35
"""Between our measures, the peers' and one's own, in cells."""
_CELL = 0.34, 0.245  # inches
_LETTER = 0.066  # inches a letter of a label takes, on average
_SLANT = 55.0  # degrees
_NARROWEST = 5.4  # inches: the title's
_NOTES = [
    "A disciple of high impact has to raise the alarm, one of low impact must not, and their "
    "order has to be that of the truth; peers without a scale are judged by order alone."
]
_GROUPS = {"ours": "ours", "peer": "peers", "yours": "yours"}


def plot_testbed(found: Any, *, figsize: tuple[float, float] | None = None) -> azp.PlotCollection:
    """Draw the verdicts of all measures on all worlds.

    Parameters
    ----------
    found
        What ``testbed.run`` returned.
    figsize
        Width and height in inches; by default they follow the numbers of measures and worlds.

    Returns
    -------
    arviz_plots.PlotCollection
        One plot; visuals ``cells`` and ``signs``.

    Raises
    ------
    CounterfactualError
        If `found` is no table of the test-bed, or an empty one.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from inference.testbed import run
    >>> found = run(["swap"], ["shape", "coarse_graining"], draws=200, progress=False)
    >>> picture = plot_testbed(found)
    >>> [text.get_text() for text in picture.viz["plot"].item().get_yticklabels()]
    ['swap']
    >>> plt.close(picture.viz["figure"].item())
    """
    verdicts = _verdicts(found)
    whose = [found.whose[str(name)] for name in verdicts[MEASURE].values]
    places = _places(whose)
    size = figsize or _size(verdicts, places)
    with style.house_style():
        picture = azp.PlotCollection.grid(
            verdicts,
            backend="matplotlib",
            figure_kwargs=style.figure_options(size),
        )
        axes = picture.viz["plot"].item()
        _dress(axes, verdicts, places, cells=(size[0] - _left(verdicts)) / _CELL[0])
        _count(axes, verdicts, places)
        _group(axes, whose, places)
        picture.map(_cells, "cells", places=places)
        picture.map(_signs, "signs", places=places)
        style.frame(
            picture.viz["figure"].item(),
            title="Which measure is right about which world?",
            handles=_marks(verdicts),
            notes=_NOTES,
        )
    return picture


def _verdicts(found: Any) -> xr.Dataset:
    table = getattr(found, "verdicts", None)
    if table is None or not hasattr(found, "whose"):
        raise CounterfactualError(
            f"got {type(found).__name__}; expected what inference.testbed.run returned."
        )
    if table.empty:
        raise CounterfactualError("the table has no world; there is nothing to draw.")
    values = table.to_numpy().astype(str)
    coords = {WORLD: table.index.to_numpy(str), MEASURE: table.columns.to_numpy(str)}
    return xr.Dataset({"verdict": ((WORLD, MEASURE), values)}, coords)


def _places(whose: list[str]) -> np.ndarray:
    """Leave a gap wherever the measures are somebody else's."""
    others = np.array([False, *(a != b for a, b in pairwise(whose))])
    return np.arange(len(whose)) + _GAP * np.cumsum(others)


def _labels(verdicts: xr.Dataset, dim: str) -> list[str]:
    return [style.shortened(str(name), 40) for name in verdicts[dim].values]


def _left(verdicts: xr.Dataset) -> float:
    """Inches that the names of the worlds take."""
    return 0.45 + _LETTER * max(map(len, _labels(verdicts, WORLD)))


def _size(verdicts: xr.Dataset, places: np.ndarray) -> tuple[float, float]:
    """Give every cell and every label its room; slanted ones also beyond the last column."""
    lengths = np.array([_LETTER * len(label) for label in _labels(verdicts, MEASURE)])
    slant = math.radians(_SLANT)
    reach = places * _CELL[0] + np.maximum(lengths * math.cos(slant), 0.2)
    width = max(_left(verdicts) + float(reach.max()) + 0.5, _NARROWEST)
    marks = -(-len(_marks(verdicts)) // int(width / 1.4))
    notes = math.ceil(sum(map(len, _NOTES)) * 0.064 / (width - 0.5))
    words = 1.2 + 0.19 * marks + 0.175 * notes  # also title and counts
    height = words + float(lengths.max()) * math.sin(slant) + _CELL[1] * len(verdicts[WORLD])
    return width, height


def _cells(da: xr.DataArray, target: Axes, *, places: np.ndarray, **_: Any) -> Artist:
    corners = [
        (Rectangle((x - 0.47, row - 0.45), 0.94, 0.9), _LOOKS[verdict][0])
        for row, verdicts in enumerate(da.values)
        for x, verdict in zip(places, verdicts, strict=True)
    ]
    patches, colors = zip(*corners, strict=True)
    cells = PatchCollection(list(patches), facecolors=list(colors), edgecolors="none")
    target.add_collection(cells)
    return cells


def _signs(da: xr.DataArray, target: Axes, *, places: np.ndarray, **_: Any) -> Artist:
    for row, verdicts in enumerate(da.values):
        for x, verdict in zip(places, verdicts, strict=True):
            color = "white" if verdict in _LIGHT else style.INK
            sign = target.text(
                x,
                row,
                _LOOKS[verdict][1],
                ha="center",
                va="center",
                fontsize=9,
                color=color,
                family="DejaVu Sans",
            )
    return sign


def _dress(axes: Axes, verdicts: xr.Dataset, places: np.ndarray, *, cells: float) -> None:
    """Name rows and columns; room for slanted names is part of the axis, as wide as `cells`."""
    worlds = _labels(verdicts, WORLD)
    last = places[-1] + 0.6
    axes.set_xlim(-0.6, max(last, cells - 0.6))
    axes.set_ylim(len(worlds) - 0.4, -0.6)
    axes.spines["bottom"].set_bounds(-0.6, last)
    axes.set_yticks(range(len(worlds)), worlds)
    axes.set_xticks(places, _labels(verdicts, MEASURE))
    axes.xaxis.tick_top()
    axes.tick_params(axis="both", length=0)
    for label in axes.get_xticklabels():
        label.set(
            rotation=_SLANT, ha="left", rotation_mode="anchor", color=style.INK, fontsize=8.5
        )
    style.verbatim([*axes.get_xticklabels(), *axes.get_yticklabels()])


def _count(axes: Axes, verdicts: xr.Dataset, places: np.ndarray) -> None:
    for x, column in zip(places, verdicts["verdict"].values.T, strict=True):
        asked = int((column != "not applicable").sum())
        _below(axes, x, f"{int((column == 'right').sum())}\n{asked}")
    _below(axes, -0.6, "right\nof", ha="right")


def _group(axes: Axes, whose: list[str], places: np.ndarray) -> None:
    """Say whose the measures of a group are, if there is more than one."""
    starts = [0, *(k + 1 for k, (a, b) in enumerate(pairwise(whose)) if a != b), len(whose)]
    if len(starts) == 2:
        return
    for first, after in pairwise(starts):
        named = _GROUPS[whose[first]]
        middle = (places[first] + places[after - 1]) / 2
        _below(axes, middle, named, points=-27, color=style.INK, fontsize=8.5, fontweight="bold")


def _below(axes: Axes, x: float, text: str, *, points: float = -4, **look: Any) -> None:
    across = transforms.blended_transform_factory(axes.transData, axes.transAxes)
    axes.annotate(
        text,
        (x, 0),
        (0, points),
        xycoords=across,
        textcoords="offset points",
        va="top",
        annotation_clip=False,
        **{"ha": "center", "fontsize": 7.5, "color": style.MUTED, **look},
    )


def _marks(verdicts: xr.Dataset) -> list[Artist]:
    there = set(np.unique(verdicts["verdict"].values))
    return [
        Patch(facecolor=color, edgecolor=style.GRID_COLOR, lw=0.5, label=f"{sign} {verdict}")
        for verdict, (color, sign) in _LOOKS.items()
        if verdict in there
    ]
