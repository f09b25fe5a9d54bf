r"""Picture: how many bits describe each future, alone and given the other, and how well?

One panel per measurement and disciple: the total variation that is left, over the bits of the
description, for P(e,S,1) and P(e,S,0) alone and each given the other; above it, the bits after
which nothing is left, and those that the one world saves of the other's draws.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import arviz_plots as azp
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.lines import Line2D
from matplotlib.markers import CARETRIGHT
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation, blended_transform_factory

from counterfactual_models.errors import CounterfactualError, refuse_counts
from inference.plots import style
from inference.plots.direct_labels import give_or_take, one_line
from inference.plots.evidence_panels import asked, picked, say_inside, with_notes
from inference.schema import DISCIPLE, MEASUREMENT

__all__ = ["plot_description_length"]

_DESCRIPTION, _RATE = "description", "rate"
_ERASED_INK = "#5f6773"
_LOOKS: Mapping[str, Mapping[str, Any]] = {
    "on": {"color": style.LET_IN_COLOR, "lw": 2.6, "ls": "-"},
    "off": {"color": _ERASED_INK, "lw": 1.4, "ls": "-"},
    "on_given_off": {"color": style.LET_IN_COLOR, "lw": 1.5, "ls": (0, (3.5, 1.5))},
    "off_given_on": {"color": _ERASED_INK, "lw": 1.5, "ls": (0, (1, 1.2))},
}
_NAMES = {name: name.replace("_", " ") for name in _LOOKS}
_BITS = (*_LOOKS, "information")
_NEEDED = (
    *_BITS,
    *(f"{name}_mcse" for name in _BITS),
    *("distortion", "at_budget", "budget", "floor", "reason"),
)
_SPARE = 1.08
_STRIP = 0.95
"""Inches of the bits over the curves."""
_FROM, _LONG = 0.37, 0.33
"""Where the bars of the bits begin, and the longest, in shares of a panel's width."""
_HOW_TO_READ = (
    "Curves: the total variation that is left if a description may take so many bits; on is the "
    "world with the disciple let in, off with it erased. At 0 bits only the cells are known, or "
    "the other world. Bars: bits of each description in full ± a standard error, and those that "
    "knowing the other world saves of the draws (information)."
)


def plot_description_length(
    found: xr.Dataset,
    *,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    max_rows: int = 6,
    max_columns: int = 4,
    figsize: tuple[float, float] | None = None,
) -> azp.PlotCollection:
    r"""Draw the distortion of four descriptions over their bits, and their lengths in full.

    Parameters
    ----------
    found
        What ``diagnostics.description_length`` returned.
    disciples, measurements
        Names to keep (``"visits"`` keeps all of ``visits[...]``); all by default.
    max_rows, max_columns
        At most so many measurements and disciples, those that are dearest given the other world
        relative to alone (and of those that it does not help at all, the dearest); the picture
        says when it leaves some out.
    figsize
        Width and height in inches; by default they follow the number of panels.

    Returns
    -------
    arviz_plots.PlotCollection
        One plot per measurement and disciple, the measurements of one disciple side by side, those
        of several in rows; visuals ``curve`` and ``spot`` by ``description``.

    Raises
    ------
    DiscipleError, MeasurementError
        If a name is not there; the nearest one is offered.
    CounterfactualError
        If `found` is no result of ``description_length``.

    References
    ----------
    S. Armstrong, "The mathematics of reduced impact: help needed" (2012), *Information*.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from inference.diagnostics.description_length import description_length
    >>> noise = np.random.default_rng(0).normal([[[0.0]], [[3.0]]], size=(2, 4, 500))
    >>> drawn = xr.Dataset(
    ...     {"price": (["disciple", "chain", "draw"], noise, {"role": "measurement"})},
    ...     coords={"disciple": ["erased", "greedy"]},
    ... )
    >>> picture = plot_description_length(description_length(drawn, budget=24.0))
    >>> picture.viz["plot"].sel(disciple="greedy", measurement="price").item().get_xlabel()
    'bits'
    >>> plt.close(picture.viz["figure"].item())
    """
    refuse_counts(1, max_rows=max_rows, max_columns=max_columns)
    whole = asked(
        found,
        "description_length",
        _NEEDED,
        disciples=disciples,
        measurements=measurements,
        compared=True,
    )
    _refuse(whole)
    kept = _dearest(whole, max_rows, max_columns)
    which = "those that knowing the other world makes least cheaper"
    notes = [
        _HOW_TO_READ,
        *_unknown(kept),
        *picked(kept.sizes[MEASUREMENT], whole.sizes[MEASUREMENT], "measurements", which),
        *picked(kept.sizes[DISCIPLE], whole.sizes[DISCIPLE], "disciples", which),
    ]
    return _picture(kept, notes, figsize)


def _picture(
    kept: xr.Dataset, notes: list[str], figsize: tuple[float, float] | None
) -> azp.PlotCollection:
    rows, columns = kept.sizes[MEASUREMENT], kept.sizes[DISCIPLE]
    across = min(rows, 3) if columns == 1 else columns
    down = -(-rows * columns // across)
    size = figsize or with_notes(
        (max(6.8, 0.5 + 3.6 * across), 1.2 + (3.35 if columns == 1 else 3.5) * down), notes
    )
    with style.house_style():
        picture = _panels(kept, across, size)
        _draw(picture, kept)
        style.frame(
            picture.viz["figure"].item(),
            title="How many bits describe each future, alone and given the other?",
            handles=_marks(kept),
            notes=notes,
        )
        style.verbatim(picture.viz["figure"].item().texts)
    return picture


def _refuse(found: xr.Dataset) -> None:
    strange = set(map(str, found[_DESCRIPTION].values)) ^ set(_LOOKS)
    if strange:
        raise CounterfactualError(
            f"got the descriptions {found[_DESCRIPTION].values.tolist()}; expected {list(_LOOKS)}."
        )
    if not found.sizes[DISCIPLE] or not found.sizes[MEASUREMENT]:
        raise CounterfactualError("got no disciple or no measurement; expected one at least.")
    if not np.isfinite(found["distortion"].values).all():
        raise CounterfactualError(
            "got a distortion that is not finite; expected the Dataset as "
            "diagnostics.description_length(worlds) returns it."
        )


def _dearest(found: xr.Dataset, max_rows: int, max_columns: int) -> xr.Dataset:
    """Keep those of whose bits the other world saves the least share; of such, the dearest."""
    alone = {"on_given_off": "on", "off_given_on": "off"}
    bits = found[list(alone)]
    shares = xr.Dataset({name: bits[name] / found[known] for name, known in alone.items()})
    given, share = (
        both.to_dataarray("which").max("which").fillna(-np.inf) for both in (bits, shares)
    )
    # Where nothing is shared it takes a bit to say so: that is no difference.
    least = share.clip(max=1.0)
    columns = np.sort(_first(least.max(MEASUREMENT), given.max(MEASUREMENT))[:max_columns])
    at = {DISCIPLE: columns}
    rows = _first(least.isel(at).max(DISCIPLE), given.isel(at).max(DISCIPLE))[:max_rows]
    return found.isel({DISCIPLE: columns, MEASUREMENT: rows})


def _first(*keys: xr.DataArray) -> np.ndarray:
    """Places in descending order of the first key, of the next where it is the same."""
    return np.lexsort([-key.values for key in reversed(keys)])


def _panels(kept: xr.Dataset, across: int, size: tuple[float, float]) -> azp.PlotCollection:
    """Lay the panels out: a wrapped row for one disciple, else a grid."""
    laid: dict[str, Any] = {
        "aes": {"look": [_DESCRIPTION]},
        "look": [str(name) for name in kept[_DESCRIPTION].values],
        "backend": "matplotlib",
        "figure_kwargs": style.figure_options(size),
    }
    drawn = kept[["distortion"]]
    if kept.sizes[DISCIPLE] == 1:
        both = [MEASUREMENT, DISCIPLE]
        return azp.PlotCollection.wrap(drawn, cols=both, col_wrap=across, **laid)
    return azp.PlotCollection.grid(drawn, rows=[MEASUREMENT], cols=[DISCIPLE], **laid)


def _draw(picture: azp.PlotCollection, kept: xr.Dataset) -> None:
    top = max(float(kept["distortion"].max()), float(kept["floor"].fillna(0).max()), 0.01)
    right = _reach(kept)
    longest = float(max(np.nanmax(np.append(kept[name].values, 1.0)) for name in _BITS))
    plots = picture.viz["plot"]
    for one in kept[MEASUREMENT].values:
        for name in kept[DISCIPLE].values:
            where = {DISCIPLE: name, MEASUREMENT: one}
            own, axes = kept.sel(where), plots.sel(where).item()
            _dress(axes, own, (right, _SPARE * top), many=kept.sizes[DISCIPLE] > 1)
            _strip(axes, own, longest)
    picture.map(_curve, "curve")
    picture.map(_spot, "spot", data=kept.set_coords("budget")[["at_budget"]])


def _reach(kept: xr.Dataset) -> float:
    """Bits up to which something happens, and the budgets if they are not far beyond."""
    curves, rates = kept["distortion"], kept[_RATE].values
    left = abs(curves - curves.isel({_RATE: -1}))
    others = [dim for dim in left.dims if dim != _RATE]
    moving = rates[left.max(others).values > 0.005]
    right = 1.15 * float(moving.max()) if moving.size else float(rates[-1])
    budget = kept["budget"].values
    near = budget[budget <= 2 * right]
    return max([min(right, float(rates[-1])) or 1.0, *(1.08 * near)])


def _dress(axes: Axes, own: xr.Dataset, corner: tuple[float, float], *, many: bool) -> None:
    """Set the axes, the title, the floor and the budget of one panel."""
    right, top = corner
    axes.set_xlim(0, right)
    axes.set_ylim(-0.025 * top, top)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(axis="both", labelleft=True, labelbottom=True, labelcolor=style.MUTED)
    axes.grid(axis="y", color=style.GRID_COLOR, lw=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("bits", fontsize=8)
    axes.set_ylabel("total variation left", fontsize=8)
    named = [MEASUREMENT, DISCIPLE] if many else [MEASUREMENT]
    names = [style.shortened(one_line(own[dim].item())) for dim in named]
    style.verbatim([axes.set_title("\n".join(names), pad=72 * _STRIP + 8, linespacing=1.15)])
    floor, budget = float(own["floor"]), float(own["budget"])
    if np.isfinite(floor):
        axes.axhspan(0, floor, color=style.GRID_COLOR, alpha=0.55, lw=0, zorder=0.5)
    if budget <= right:
        axes.axvline(budget, color=style.INK, lw=0.9, ls=(0, (4, 3)), zorder=1.5)
    elif np.isfinite(budget):
        axes.plot(right, 0.93 * top, color=style.INK, marker=CARETRIGHT, ms=6, clip_on=False)
        text = f"budget {style.number(budget)}"
        say_inside(axes, text, (0.97, 0.93), ha="right", va="center")
    else:
        say_inside(axes, "no budget known", (0.98, 0.96), ha="right", va="top")


def _strip(axes: Axes, own: xr.Dataset, longest: float) -> None:
    """Write the bits over the curves, each with its bar and its error."""
    figure: Any = axes.figure
    corner: Any = axes.transAxes
    above = figure.dpi_scale_trans + ScaledTranslation(0, 1, corner)
    across = blended_transform_factory(corner, above)
    strip = axes.inset_axes((0, 0.06, 1, _STRIP), transform=across)
    strip.set_axis_off()
    strip.set_xlim(0, 1)
    strip.set_ylim(len(_BITS) - 0.5, -0.5)
    words: dict[str, Any] = {"va": "center", "fontsize": 7.5}
    bars, faces, edges = [], [], []
    for row, name in enumerate(_BITS):
        bits, mcse = float(own[name]), float(own[f"{name}_mcse"])
        color = _LOOKS[name]["color"] if name in _LOOKS else style.INK
        strip.text(_FROM - 0.02, row, _NAMES.get(name, name), ha="right", **words)
        strip.text(1, row, _said(bits, mcse), ha="right", **words)
        if not bits > 0:
            continue
        bars.append(Rectangle((_FROM, row - 0.28), _LONG * bits / longest, 0.56))
        faces.append("white" if "given" in name else color)
        edges.append(color)
    look: dict[str, Any] = {"facecolors": faces, "edgecolors": edges, "linewidths": 1.0}
    strip.add_collection(PatchCollection(bars, **look), autolim=False)


def _said(bits: float, mcse: float) -> str:
    """Write bits with their error, if there is any to speak of; millions as powers of ten."""
    if not abs(bits) >= 1e6:
        return give_or_take(bits, mcse)
    error = f" ± {style.number(mcse, 1)}" if mcse > 1e-3 * abs(bits) else ""
    return style.number(bits, 2) + error


def _curve(da: xr.DataArray, target: Axes, look: str, **_: Any) -> Artist:
    return target.plot(
        da[_RATE].values, da.values, drawstyle="steps-post", zorder=3, **_LOOKS[look]
    )[0]


def _spot(da: xr.DataArray, target: Axes, look: str, **_: Any) -> Artist:
    """Mark what is left at the budget; there is no such mark without one, or beyond the axis."""
    budget, left = float(da["budget"]), float(da)
    shown = budget <= target.get_xlim()[1] and np.isfinite(left)
    spots = np.array([[budget, left]] if shown else np.empty((0, 2)))
    color = _LOOKS[look]["color"]
    face = "white" if "given" in look else color
    dot: dict[str, Any] = {"s": 22, "facecolors": face, "edgecolors": color, "linewidths": 1.3}
    return target.scatter(*spots.T, zorder=4, clip_on=False, **dot)


def _unknown(kept: xr.Dataset) -> list[str]:
    """Say for whom there is no budget, and why."""
    said = []
    for name, budget, why in zip(
        kept[DISCIPLE].values, kept["budget"].values, kept["reason"].values, strict=True
    ):
        if not np.isfinite(budget):
            short = style.shortened(one_line(name), 24)
            said.append(f"No budget for {short}: {one_line(why).rstrip('.')}.")
    return said


def _marks(kept: xr.Dataset) -> list[Artist]:
    handles: list[Artist] = [
        Line2D([], [], label=_NAMES[name], **look) for name, look in _LOOKS.items()
    ]
    if np.isfinite(kept["budget"].values).any():
        dashed: dict[str, Any] = {"color": style.INK, "lw": 0.9, "ls": (0, (4, 3))}
        handles.append(Line2D([], [], label="budget", **dashed))
    band: dict[str, Any] = {"facecolor": style.GRID_COLOR, "alpha": 0.55}
    handles.append(Patch(label="the same world would show", **band))
    return handles
