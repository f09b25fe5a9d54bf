"""Picture: which measure is right about which world?

A row for each world, a column for each measure; ours first, then the peers'. A cell has the colour
of its verdict, and a sign for readers who see no colours. Above the columns: how often each is
right, of the worlds it applies to.
"""

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
"""Between our measures, the peers' and one's own."""


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
    worlds, measures = (len(verdicts[dim]) for dim in (WORLD, MEASURE))
    notes = [
        "A disciple of high impact has to raise the alarm, one of low impact must not, and their "
        "order has to be that of the truth; peers without a scale are judged by order alone."
    ]
    size = figsize or (3.4 + 0.34 * measures, 3.3 + 0.245 * worlds)
    with style.house_style():
        picture = azp.PlotCollection.grid(
            verdicts,
            backend="matplotlib",
            figure_kwargs=style.figure_options(size),
        )
        axes = picture.viz["plot"].item()
        places = _places([found.whose[str(name)] for name in verdicts[MEASURE].values])
        _dress(axes, verdicts, places)
        picture.map(_cells, "cells", places=places)
        picture.map(_signs, "signs", places=places)
        style.frame(
            picture.viz["figure"].item(),
            title="Which measure is right about which world?",
            handles=_marks(verdicts),
            notes=notes,
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


def _dress(axes: Axes, verdicts: xr.Dataset, places: np.ndarray) -> None:
    worlds = [style.shortened(str(name), 44) for name in verdicts[WORLD].values]
    axes.set_xlim(places[0] - 0.6, places[-1] + 0.6)
    axes.set_ylim(len(worlds) - 0.4, -0.6)
    axes.set_yticks(range(len(worlds)), worlds)
    axes.set_xticks(places, [str(name) for name in verdicts[MEASURE].values])
    axes.xaxis.tick_top()
    axes.tick_params(axis="both", length=0)
    for label in axes.get_xticklabels():
        label.set(rotation=55, ha="left", rotation_mode="anchor", color=style.INK, fontsize=8.5)
    style.verbatim([*axes.get_xticklabels(), *axes.get_yticklabels()])
    values = verdicts["verdict"].values
    below = transforms.blended_transform_factory(axes.transData, axes.transAxes)
    for x, column in zip(places, values.T, strict=True):
        asked = int((column != "not applicable").sum())
        axes.annotate(
            f"{int((column == 'right').sum())}\n{asked}",
            (x, 0),
            (0, -4),
            xycoords=below,
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=7.5,
            color=style.MUTED,
            annotation_clip=False,
        )
    axes.annotate(
        "right\nof",
        (0, 0),
        (-4, -4),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=7.5,
        color=style.MUTED,
    )


def _marks(verdicts: xr.Dataset) -> list[Artist]:
    there = set(np.unique(verdicts["verdict"].values))
    return [
        Patch(facecolor=color, edgecolor=style.GRID_COLOR, lw=0.5, label=f"{sign} {verdict}")
        for verdict, (color, sign) in _LOOKS.items()
        if verdict in there
    ]
