r"""Picture: what does each disciple gain and cost, and at which weights is it chosen?

Left: utility over penalty; the line through those that are chosen at some weight bends at
them, and its slope is the weight. Right: a row per disciple over the weight; a bar where it is
chosen, and above it the share of bootstrap replicates in which it is.
"""

from typing import Any

import arviz_plots as azp
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.markers import CARETLEFT, CARETRIGHT
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from counterfactual_models.errors import CounterfactualError
from inference.plots import style
from inference.schema import DISCIPLE, ERASED

__all__ = ["plot_tradeoff"]

WEIGHT = "weight"
_NUMBERS = ("utility", "utility_mcse", "penalty", "penalty_mcse")
_COLORS = {"erased": style.ERASED_COLOR, "chosen": style.LET_IN_COLOR, "never": style.MUTED}
_DASHES = (0, (4, 3))
_CHOSEN = {"marker": "D", "ms": 7}
_BARS = 1.96
_TALL, _BAR = 0.7, 0.16
_COLUMN = 0.8
"""Width of the column of names, in widths of what is to the left of it."""


def plot_tradeoff(
    choice: Any,
    *,
    max_rows: int = 12,
    figsize: tuple[float, float] | None = None,
) -> azp.PlotCollection:
    """Draw the trade-off between utility and penalty, and who is chosen at which weight.

    Parameters
    ----------
    choice
        What ``choose`` returned.
    max_rows
        At most so many disciples: those that are chosen at some weight, then the most valuable;
        the picture says when it leaves some out.
    figsize
        Width and height in inches; by default the height follows the number of disciples.

    Returns
    -------
    arviz_plots.PlotCollection
        Two plots, ``plane`` and ``weights``; visuals ``error``, ``point`` and ``label`` in the
        first, ``share`` and ``interval`` in the second.

    Raises
    ------
    CounterfactualError
        If `choice` is no result of ``choose``.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from inference import choose
    >>> clips = np.broadcast_to([[[0.0]], [[0.9]], [[1.0]]], (3, 4, 100))
    >>> drawn = xr.Dataset(
    ...     {"clips": (["disciple", "chain", "draw"], clips)},
    ...     coords={"disciple": ["erased", "modest", "greedy"]},
    ... )
    >>> impact = xr.DataArray([0.01, 0.8], {"disciple": ["modest", "greedy"]})
    >>> choice = choose(drawn, lambda measured: measured["clips"], lambda worlds: impact)
    >>> picture = plot_tradeoff(choice)
    >>> [text.get_text() for text in picture.viz["plot"]["weights"].item().get_yticklabels()]
    ['nobody', 'modest', 'greedy']
    >>> plt.close(picture.viz["figure"].item())
    """
    whole = _laid_out(choice)
    height = (figsize or (0.0, 0.0))[1] or 2.7 + 0.36 * max(4, min(len(whole[DISCIPLE]), max_rows))
    kept = _kept(whole, choice, max_rows, room=height - 1.9)
    options = style.figure_options(figsize or (10.4, height))
    with style.house_style():
        picture = azp.PlotCollection.wrap(
            kept[["plane", "weights"]],
            cols=["__variable__"],
            col_wrap=2,
            aes={"look": [DISCIPLE]},
            look=list(kept["look"].values),
            backend="matplotlib",
            figure_kwargs=options
            | {"sharex": False, "sharey": False, "width_ratios": (1.15, 1.0)},
        )
        plane, weights = (picture.viz["plot"][name].item() for name in ("plane", "weights"))
        _dress_plane(plane, kept, choice)
        _dress_weights(weights, kept, choice)
        for visual, drawn in ((_error, "error"), (_point, "point"), (_label, "label")):
            picture.map(visual, drawn, data=kept[["plane"]])
        for visual, drawn in ((_share, "share"), (_interval, "interval")):
            picture.map(visual, drawn, data=kept[["weights"]])
        style.frame(
            picture.viz["figure"].item(),
            title="What does each disciple gain and cost, and when is it chosen?",
            handles=_marks(kept, choice),
            notes=_notes(kept, whole, choice),
        )
    return picture


def _laid_out(choice: Any) -> xr.Dataset:
    """Lay the numbers of both panels out by disciple; refuse what is no choice."""
    table, curve = getattr(choice, "table", None), getattr(choice, "tradeoff", None)
    if not isinstance(table, xr.Dataset) or not isinstance(curve, xr.Dataset):
        raise CounterfactualError(
            f"got a {type(choice).__name__}; expected what choose(worlds, utility, penalty) "
            "returned."
        )
    ends = {name: curve[name] for name in ("weight_from", "weight_to")}
    numbers = table[list(_NUMBERS)].assign(ends).to_dataarray("number")
    share = curve["share"].isel({WEIGHT: curve[WEIGHT].values > 0})
    return xr.Dataset({"plane": numbers, "weights": share.assign_coords(ends)})


def _kept(whole: xr.Dataset, choice: Any, most: int, *, room: float) -> xr.Dataset:
    """Keep nobody, those that are chosen anywhere, and the most valuable; least penalty first."""
    names = [str(name) for name in whole[DISCIPLE].values]
    never = np.isnan(whole["weight_from"].values)
    erased = np.array([name == ERASED for name in names])
    rank = np.lexsort([-choice.table["value"].values, never, ~erased])[: max(1, most)]
    penalty = choice.table["penalty"].values
    rank = rank[np.lexsort([penalty[rank], ~erased[rank]])]
    kept = whole.isel({DISCIPLE: rank})
    looks = ["never" if never[k] else "erased" if erased[k] else "chosen" for k in rank]
    low, high = _range(kept, "utility")
    heights = _apart(kept["plane"].sel(number="utility").values, low, high, 0.17 / max(room, 0.5))
    return kept.assign_coords(
        row=(DISCIPLE, np.arange(len(rank))),
        look=(DISCIPLE, looks),
        height=(DISCIPLE, heights),
        now=(DISCIPLE, [names[k] == choice.chosen for k in rank]),
    )


def _range(kept: xr.Dataset, name: str) -> tuple[float, float]:
    """Find the limits that all points and their errors fit into."""
    numbers, errors = (kept["plane"].sel(number=n) for n in (name, f"{name}_mcse"))
    low, high = float((numbers - _BARS * errors).min()), float((numbers + _BARS * errors).max())
    margin = 0.07 * (high - low) or 0.07 * abs(high) or 1.0
    return low - margin, high + margin


def _apart(values: np.ndarray, low: float, high: float, share: float) -> np.ndarray:
    """Move labels apart, as little as need be, and keep them between the limits."""
    order = np.argsort(values, kind="stable")
    gap = min(share, 1 / len(values)) * (high - low)
    places = values[order].astype(float)
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + gap)
    places[-1] = min(places[-1], high - gap / 2)
    for k in range(len(places) - 2, -1, -1):
        places[k] = min(places[k], places[k + 1] - gap)
    found = np.empty_like(places)
    found[order] = places
    return found


def _dress_plane(axes: Axes, kept: xr.Dataset, choice: Any) -> None:
    """Set limits and titles, draw the line through the chosen, and that of equal value."""
    (left, right), (low, high) = _range(kept, "penalty"), _range(kept, "utility")
    left = -0.04 * (right - left)
    axes.set_xlim(left, right + _COLUMN * (right - left))
    axes.set_ylim(low, high)
    axes.set_title("utility over penalty")
    axes.set_xlabel("penalty")
    axes.set_ylabel("expected utility where it is let in")
    axes.tick_params(axis="y", labelcolor=style.MUTED, labelsize=8)
    axes.yaxis.set_major_formatter(lambda value, _: style.number(value))
    axes.grid(color=style.GRID_COLOR, lw=0.5)
    axes.set_axisbelow(True)
    ticks = [tick for tick in axes.get_xticks() if 0 <= tick <= right]
    axes.set_xticks(ticks)
    numbers = choice.table[["penalty", "utility"]].isel(
        {DISCIPLE: np.isfinite(choice.tradeoff["weight_from"].values)}
    )
    corners = numbers.sortby("penalty")
    axes.plot(corners["penalty"], corners["utility"], color=style.INK, lw=1.1, zorder=2)
    if np.isfinite(choice.weight):
        best = choice.table.sel({DISCIPLE: choice.chosen})
        at = np.array([left, right])
        level = float(best["utility"]) + choice.weight * (at - float(best["penalty"]))
        axes.plot(at, level, color=style.INK, lw=0.9, ls=_DASHES, zorder=1.5)


def _dress_weights(axes: Axes, kept: xr.Dataset, choice: Any) -> None:
    """Set the rows of the disciples, and the line at the weight."""
    weights = kept[WEIGHT].values
    rows = kept.sizes[DISCIPLE]
    style.row_stripes(axes, rows)
    axes.set_xscale("log")
    axes.set_xlim(weights[0], weights[-1])
    axes.set_ylim(rows - 0.5, -0.5)
    labels = [style.shortened(_who(str(name)), 26) for name in kept[DISCIPLE].values]
    axes.set_yticks(range(rows), labels)
    style.verbatim(axes.get_yticklabels())
    for label, now in zip(axes.get_yticklabels(), kept["now"].values, strict=True):
        label.set_fontweight("bold" if now else "normal")
    axes.set_title("who is chosen at which weight")
    axes.set_xlabel("weight of the penalty")
    if weights[0] <= choice.weight <= weights[-1]:
        axes.axvline(choice.weight, color=style.INK, lw=0.9, ls=_DASHES, zorder=3)


def _error(da: xr.DataArray, target: Axes, look: str, **_: Any) -> Artist:
    utility, wide, penalty, long = (float(da.sel(number=name)) for name in _NUMBERS)
    wide, long = _BARS * wide, _BARS * long
    cross = [
        [(max(0.0, penalty - long), utility), (penalty + long, utility)],
        [(penalty, utility - wide), (penalty, utility + wide)],
    ]
    bars = LineCollection(cross, colors=[_COLORS[look]], linewidths=1.2, zorder=3)
    return target.add_collection(bars, autolim=False)


def _point(da: xr.DataArray, target: Axes, look: str, **_: Any) -> Artist:
    now = bool(da["now"])
    return target.scatter(
        float(da.sel(number="penalty")),
        float(da.sel(number="utility")),
        s=62 if now else 30,
        marker="D" if now else "o",
        facecolors="white" if look == "never" else _COLORS[look],
        edgecolors=_COLORS[look],
        linewidths=1.5,
        zorder=4,
        clip_on=False,
    )


def _label(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    """Name a point in the free column to the right of all, and lead from one to the other."""
    left, right = target.get_xlim()
    beyond = left + (right - left) / (1 + _COLUMN) * 1.02
    text = target.annotate(
        style.shortened(_who(str(da[DISCIPLE].item())), 23),
        (float(da.sel(number="penalty")), float(da.sel(number="utility"))),
        (beyond, float(da["height"])),
        va="center",
        fontsize=8.5,
        fontweight="bold" if bool(da["now"]) else "normal",
        arrowprops={"arrowstyle": "-", "color": style.ERASED_COLOR, "lw": 0.6, "shrinkB": 5},
        path_effects=[withStroke(linewidth=3, foreground="white")],
        zorder=1.8,
    )
    style.verbatim([text])
    return text


def _share(da: xr.DataArray, target: Axes, look: str, **_: Any) -> Artist:
    base = int(da["row"]) + 0.5 - _BAR
    return target.fill_between(
        da[WEIGHT].values,
        base - _TALL * da.values,
        base,
        color=to_rgba(_COLORS[look], 0.35),
        lw=0,
        zorder=2,
    )


def _interval(da: xr.DataArray, target: Axes, look: str, **_: Any) -> Artist:
    """Draw the bar between the weights; one that goes on beyond the axis ends in an arrow."""
    low, high = target.get_xlim()
    ends = [float(da["weight_from"]), float(da["weight_to"])]
    row = int(da["row"]) + 0.5 - _BAR / 2
    for end, edge, marker in zip(ends, (low, high), (CARETLEFT, CARETRIGHT), strict=True):
        if (end < edge) if marker == CARETLEFT else (end > edge):
            target.plot(edge, row, color=_COLORS[look], marker=marker, ms=6, clip_on=False)
    return target.hlines(
        row, max(ends[0], low), min(ends[1], high), color=_COLORS[look], lw=4, zorder=3
    )


def _who(name: str) -> str:
    return "nobody" if name == ERASED else name


def _marks(kept: xr.Dataset, choice: Any) -> list[Artist]:
    point: dict[str, Any] = {"ls": "none", "mew": 1.5, "ms": 5.5, "marker": "o"}
    blue, grey = _COLORS["chosen"], _COLORS["erased"]
    nobody = choice.chosen == ERASED
    said = f"{'nobody is ' * nobody}chosen with weight {choice.weight:g}"
    line: dict[str, Any] = {"color": style.INK, "ls": _DASHES, "lw": 0.9}
    handles: list[Artist] = [
        Line2D([], [], color=grey if nobody else blue, label=said, **point | _CHOSEN),
        Line2D([], [], color=blue, label="chosen at some weight", **point),
        Line2D([], [], color=grey, label="nobody", **point),
        Line2D([], [], mfc="white", mec=_COLORS["never"], label="chosen at none", **point),
        Line2D([], [], label=f"weight {choice.weight:g}", **line),
        Patch(facecolor=to_rgba(blue, 0.35), label="share of replicates"),
    ]
    here = {str(look) for look in kept["look"].values}
    if "never" not in here:
        del handles[3]
    return handles


def _notes(kept: xr.Dataset, whole: xr.Dataset, choice: Any) -> list[str]:
    shown, every = kept.sizes[DISCIPLE], whole.sizes[DISCIPLE]
    said = [
        "Left: the line bends at those that are chosen at some weight, which is its slope; along "
        "the dashed line all are worth the same. Bars: 95 %. Right: the bar is where the "
        "estimates choose, the area above it the share of bootstrap replicates that do, 0 to 1.",
    ]
    said += ["The utility has no bounds."] * (not choice.table.attrs.get("bounded", 1))
    said += ["The penalty came without errors."] * bool(choice.table.attrs.get("exact_penalty"))
    left_out = (
        f"{shown} of {every} are shown: those chosen at some weight, then the most valuable."
    )
    return said + [left_out] * (shown < every)
