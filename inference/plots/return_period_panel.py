r"""Panel: the return periods of the erased world, and where each disciple's worlds lie on them.

Bits :math:`-\log_2 P(e,S,0)(U \ge u)` over the utility u, odds beside them.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.markers import CARETUPBASE
from matplotlib.patheffects import withStroke

from inference.plots import style
from inference.plots.direct_labels import apart, give_or_take, odds, odds_ticks, one_line
from inference.schema import DISCIPLE

__all__ = [
    "LINES",
    "TAIL",
    "draw_bars",
    "draw_label",
    "draw_point",
    "dress_return_periods",
    "is_bound",
]

TAIL = ("tail_utility", "tail_bits", "tail_lower", "tail_upper", "tail_method")
LINES: dict[str, Any] = {
    "counting": "-",
    "importance": (0, (5, 2)),
    "splitting": (0, (5, 2)),
    "bound": (0, (1, 1.6)),
}
"""How the erased tail is drawn, by the method that found it."""
_DISCRETE = 64


def dress_return_periods(
    axes: Axes,
    drawn: xr.Dataset,
    kept: xr.Dataset,
    attrs: Mapping[Any, Any],
    size: tuple[float, float],
) -> xr.Dataset:
    """Set limits, titles and odds; draw the erased tail; say where labels stand.

    Parameters
    ----------
    axes
        Where to draw.
    drawn
        ``plane`` with dims (number, quantile, disciple): five quantiles of ``utility`` and
        ``op_bits``; the coordinate ``median`` of the bits.
    kept
        What ``diagnostics.optimization_power`` returned, of the disciples to be drawn.
    attrs
        Its attributes: what the utility is of, if it is known.
    size
        Of the figure, in inches.

    Returns
    -------
    xr.Dataset
        `drawn` with the coordinates ``said``, the labels, and ``height``, where they stand.
    """
    texts = [_said(kept.isel({DISCIPLE: place})) for place in range(kept.sizes[DISCIPLE])]
    widest = max(len(line) for text in texts for line in text.split("\n"))
    share = min(0.55, (0.062 * widest + 0.3) / (0.40 * size[0]))
    along = drawn["plane"].sel(number="utility").values
    low = min(along.min(), kept["tail_utility"].values.min())
    high = max(along.max(), kept["tail_utility"].values.max())
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    low, high = low - margin, high + margin
    left = low - share / (1 - share) * (high - low)
    most = drawn["plane"].sel(number="op_bits").max(), kept["tail_bits"].max()
    top = 1.1 * max(2.0, *map(float, most))
    axes.set_xlim(left, high)
    axes.set_ylim(-0.03 * top, top)
    axes.set_title("return periods of the erased world")
    measured = f"utility of {attrs['measurements']}" if attrs.get("measurements") else "utility"
    axes.set_xlabel(style.shortened(str(attrs.get("utility", measured)), 60))
    style.verbatim([axes.xaxis.label])
    axes.set_ylabel("bits")
    axes.tick_params(axis="y", labelcolor=style.MUTED, labelsize=8)
    axes.grid(axis="y", color=style.GRID_COLOR, lw=0.5)
    axes.set_axisbelow(True)
    axes.set_xticks([tick for tick in axes.get_xticks() if low <= tick <= high])
    axes.xaxis.set_major_formatter(lambda value, _: style.number(value))
    _draw_odds(axes, top)
    _draw_tail(axes, kept)
    gap = 0.36 / max(0.6, size[1] - 1.9) * 1.03 * top
    # The most bits come first: turned round, ties are labelled from the top in the same order.
    heights = apart(drawn["median"].values[::-1], 0.0, top, gap)[::-1]
    return drawn.assign_coords(said=(DISCIPLE, texts), height=(DISCIPLE, heights))


def is_bound(one: xr.Dataset, summary: str, *, some: float) -> bool:
    """Whether bits of a disciple are known from below only.

    Parameters
    ----------
    one
        What ``diagnostics.optimization_power`` returned, of one disciple.
    summary
        Of its bits.
    some
        Where the interval is not there, the share of censored worlds that makes it a bound, if
        more than 0.

    Returns
    -------
    bool
        True if the interval has no upper end.
    """
    if "upper" in one:
        return bool(np.isposinf(one["upper"].sel({"summary": summary}).item()))
    share = float(one["censored_share"])
    return share > 0 and share >= some


def _said(one: xr.Dataset) -> str:
    """Name a disciple, and its bits below."""
    name = style.shortened(one_line(one[DISCIPLE].item()), 24)
    bound = is_bound(one, "median", some=0.5)
    found = one[["bits", "mcse"]].sel({"summary": "median"})
    # A bound has its error in it already.
    mcse = np.nan if bound else float(found["mcse"])
    written = give_or_take(float(found["bits"]), mcse)
    return f"{name}\n{'≥ ' * bound}{written} bits"


def _draw_tail(axes: Axes, kept: xr.Dataset) -> None:
    """Draw the erased tail: solid where counted, dashed where estimated, dotted where bounded."""
    tail = kept[list(TAIL)].sortby("tail_utility")
    utility, bits, lower, upper, method = (tail[name].values for name in TAIL)
    top = axes.get_ylim()[1]
    # As many worlds are as good as anything above the last value that there is.
    steps = _is_discrete(utility, bits[method != "bound"])
    for name in dict.fromkeys(method):
        own = np.flatnonzero(method == name)
        # A piece begins where the one before it ends, so that the line has no holes.
        reach = np.unique(np.concatenate([np.maximum(own - 1, 0), own]))
        holds = np.isin(np.arange(method.size), reach)
        bound = name == "bound"
        # A bound says nothing of what lies before it: it is as flat there as it begins.
        line = np.where(holds, np.where(bound & (method != name), bits[own[0]], bits), np.nan)
        drawn: dict[str, Any] = {"drawstyle": "steps-pre" if steps else "default"}
        drawn |= {"color": style.MUTED, "lw": 1.6, "ls": LINES[str(name)]}
        axes.plot(utility, line, zorder=2.5, **drawn)
        look: dict[str, Any] = {"facecolor": to_rgba(style.ERASED_COLOR, 0.28), "lw": 0}
        ends = lower, np.where(np.isfinite(upper), np.minimum(upper, top), top)
        if bound:
            look = {"facecolor": "none", "edgecolor": style.GRID_COLOR, "hatch": "///", "lw": 0}
            ends = line, np.full_like(line, top)
        look |= {"step": "pre" if steps else None}
        axes.fill_between(utility, *ends, where=holds.tolist(), zorder=1.2, **look)


def _is_discrete(utility: np.ndarray, bits: np.ndarray) -> bool:
    """Whether few utilities are there, or the tail has few heights and rests at each of them."""
    heights = np.unique(bits.round(9)).size
    return np.unique(utility).size <= _DISCRETE or heights <= min(_DISCRETE, bits.size / 2)


def _draw_odds(axes: Axes, top: float) -> None:
    other = axes.secondary_yaxis("right")
    ticks = odds_ticks(top)
    other.set_yticks(ticks, [odds(tick).removeprefix("1 in ") for tick in ticks])
    other.tick_params(axis="y", labelcolor=style.MUTED, labelsize=8, color=style.GRID_COLOR)
    other.set_ylabel("one erased world in")


def draw_bars(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    """Cross the point by where most worlds lie; a bar that would go on ends in an arrow."""
    across, up = (da.sel(number=name).values for name in ("utility", "op_bits"))
    median = float(da["median"])
    cross = [
        [(across[0], median), (across[-1], median)],
        [(across[2], up[0]), (across[2], up[-1])],
    ]
    if bool(da["open"]):
        arrow: dict[str, Any] = {"marker": CARETUPBASE, "ms": 8, "mew": 0}
        target.plot(across[2], up[-1], color=style.LET_IN_COLOR, zorder=3, **arrow)
    bars = LineCollection(cross, colors=[style.LET_IN_COLOR], linewidths=1.3, zorder=3)
    return target.add_collection(bars, autolim=False)


def draw_point(da: xr.DataArray, target: Axes, look: str, **_: Any) -> Artist:
    """Mark the median of a disciple, hollow where it is doubted."""
    return target.scatter(
        float(da.sel(number="utility").isel(quantile=2)),
        float(da["median"]),
        s=32,
        facecolors=style.LET_IN_COLOR if look == "sure" else "white",
        edgecolors=style.LET_IN_COLOR,
        linewidths=1.5,
        zorder=4,
        clip_on=False,
    )


def draw_label(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    """Name a point in the free column to the left of all, and lead from one to the other."""
    left, right = target.get_xlim()
    text = target.annotate(
        str(da["said"].item()),
        (float(da.sel(number="utility").isel(quantile=2)), float(da["median"])),
        (left + 0.01 * (right - left), float(da["height"])),
        va="center",
        fontsize=8.5,
        linespacing=1.15,
        arrowprops={
            "arrowstyle": "-",
            "color": style.ERASED_COLOR,
            "lw": 0.6,
            "relpos": (1, 0.5),
            "shrinkB": 5,
        },
        path_effects=[withStroke(linewidth=3, foreground="white")],
        zorder=2.8,
    )
    style.verbatim([text])
    return text
