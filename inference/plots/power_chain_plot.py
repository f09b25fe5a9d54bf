r"""Picture: do the bits of every level add up to the bits of all of them?

A waterfall: each step begins where the one before it ended, :math:`\sum_k b_k`; below it what the
last level scores against the first at once, and the gap between the two.
"""

from typing import Any

import arviz_plots as azp
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from counterfactual_models.errors import CounterfactualError, nearest
from inference.plots import style
from inference.plots.direct_labels import give_or_take, one_line

__all__ = ["plot_power_chain"]

STEP, SUMMARY = "step", "summary"
_NEEDED = ("bits", "mcse", "chain", "chain_mcse", "direct", "direct_mcse", "gap", "gap_mcse")
_ENDS = tuple(
    f"{name}{end}" for name in ("", "chain_", "direct_", "gap_") for end in ("lower", "upper")
)
_GAP_COLOR = style.VERDICTS["above"].color
_BARS, _TALL = 1.96, 0.62
_WHISKERS = "Whiskers: 95 %. ± is one standard error."
_BOUNDS = " ≥: a lower bound, whose whisker goes on."
_LEAST = 0.5
_NOTES = {
    "log2_n": "log₂ N: of how many erased worlds one would have to take the best to reach as "
    "much. Chance scores 0, and these bits add up where every level, the first too, takes the "
    "best of so many draws of the one below.",
    "mean_tail": "Bits of the mean tail: −log₂ of the mean share of worlds below that are as "
    "good. Chance scores 1 bit on every step, so that a chain counts it once too often per step.",
    "expected": "Expected bits. Chance scores 1.44 bits on every step, so that a chain counts "
    "them once too often per step.",
}


def plot_power_chain(
    chain: xr.Dataset,
    *,
    summary: str = "log2_n",
    figsize: tuple[float, float] | None = None,
) -> azp.PlotCollection:
    r"""Stack the bits of each step and hold them against those of all steps at once.

    .. math:: \mathrm{gap} = \mathrm{direct} - \sum_k b_k

    Parameters
    ----------
    chain
        What ``diagnostics.power_chain`` returned.
    summary
        Which bits: ``log2_n``, which add up exactly along best-of-N steps from the erased world
        on, ``mean_tail`` or ``expected``.
    figsize
        Width and height in inches; by default the height follows the number of steps.

    Returns
    -------
    arviz_plots.PlotCollection
        One plot; visuals ``bar``, ``error`` and ``gap``.

    Raises
    ------
    CounterfactualError
        If `chain` is no result of ``power_chain``, has no such summary, or has bits that are not
        finite.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> sums = {"chain": 7.0, "direct": 8.7, "gap": 1.7}
    >>> sums |= {f"{name}_mcse": 0.1 for name in sums}
    >>> chain = xr.Dataset(
    ...     {name: ("summary", [value]) for name, value in sums.items()}
    ...     | {"bits": (("step", "summary"), [[3.0], [4.0]])}
    ...     | {"mcse": (("step", "summary"), [[0.1], [0.1]])},
    ...     {"step": ["erased -> B", "B -> C"], "summary": ["log2_n"]},
    ... )
    >>> picture = plot_power_chain(chain)
    >>> [text.get_text() for text in picture.viz["plot"]["waterfall"].item().get_yticklabels()]
    ['erased → B', 'B → C', 'all steps', 'erased → C at once']
    >>> plt.close(picture.viz["figure"].item())
    """
    one = _selected(chain, summary)
    drawn = _laid_out(one)
    rows = drawn.sizes["row"]
    with style.house_style():
        picture = azp.PlotCollection.wrap(
            drawn[["waterfall"]],
            cols=["__variable__"],
            backend="matplotlib",
            figure_kwargs=style.figure_options(figsize or (8.2, 1.9 + 0.5 * rows)),
        )
        axes = picture.viz["plot"]["waterfall"].item()
        _dress(axes, drawn, one)
        for visual, name in ((_bar, "bar"), (_error, "error"), (_gap, "gap")):
            picture.map(visual, name)
        style.frame(
            picture.viz["figure"].item(),
            title="Do the bits of the steps add up?",
            handles=_marks(bool((one["bits"] < 0).any())),
            notes=[_NOTES.get(summary, ""), _WHISKERS + _BOUNDS * _is_bounded(drawn)],
        )
    return picture


def _selected(chain: xr.Dataset, summary: str) -> xr.Dataset:
    """Take one summary; refuse what is no chain."""
    if not isinstance(chain, xr.Dataset) or not {*_NEEDED, STEP} <= set(chain.variables):
        got = list(chain) if isinstance(chain, xr.Dataset) else type(chain).__name__
        raise CounterfactualError(
            f"got {got}; expected the Dataset that diagnostics.power_chain(worlds, utility, "
            f"levels) returns, with the variables {sorted(_NEEDED)}."
        )
    known = [str(name) for name in np.atleast_1d(chain[SUMMARY].values)]
    if summary not in known:
        raise CounterfactualError(f"no summary is named {summary!r}. {nearest(summary, known)}")
    one = chain[[*_NEEDED, *(name for name in _ENDS if name in chain)]]
    one = one.sel({SUMMARY: summary}) if SUMMARY in one.dims else one
    for name in ("bits", "chain", "direct", "gap"):
        if not np.isfinite(one[name].values).all():
            raise CounterfactualError(
                f"got a number in {name!r} that is not finite; expected bits, as "
                "diagnostics.power_chain returns them. Choose another summary, or levels whose "
                "worlds are seen often enough."
            )
    return one


def _laid_out(one: xr.Dataset) -> xr.Dataset:
    """Say where every bar begins and ends: the steps, then their sum, then all at once."""
    bits = one["bits"].values
    ends = np.cumsum(bits)
    levels = [str(name).split(" -> ") for name in one[STEP].values]
    labels = [" → ".join(map(one_line, names)) for names in levels]
    ends_of_all = one_line(levels[0][0]), one_line(levels[-1][-1])
    labels += ["all steps", " → ".join(ends_of_all) + " at once"]
    # What follows a step starts where it ended, even where a step goes back.
    begin = np.concatenate([[0.0], ends[:-1], [0.0, 0.0]])
    end = np.concatenate([ends, [float(one["chain"]), float(one["direct"])]])
    mcse = np.concatenate([one["mcse"].values, [one["chain_mcse"], one["direct_mcse"]]])
    value = np.concatenate([bits, [float(one["chain"]), float(one["direct"])]])
    # Whiskers stand at the ends of bars: a step's are moved to where it ends.
    lower, upper = (side + end - value for side in _interval(one, value, mcse))
    kinds = ["step"] * bits.size + ["chain", "direct"]
    return xr.Dataset(
        {"waterfall": (("number", "row"), np.stack([begin, end, mcse, lower, upper]))},
        coords={
            "number": ["begin", "end", "mcse", "lower", "upper"],
            "row": labels,
            "kind": ("row", kinds),
            "value": ("row", value),
            "gap": float(one["gap"]),
            "gap_mcse": float(one["gap_mcse"]),
            "gap_upper": float(one["gap_upper"]) if "gap_upper" in one else np.nan,
        },
    )


def _interval(one: xr.Dataset, value: np.ndarray, mcse: np.ndarray) -> list[np.ndarray]:
    """Take the intervals that the diagnostic gives, or make them of the errors."""
    if not set(_ENDS) <= set(one.variables):
        return [value - _BARS * mcse, value + _BARS * mcse]
    return [
        np.concatenate([one[end].values, [one[f"chain_{end}"], one[f"direct_{end}"]]])
        for end in ("lower", "upper")
    ]


def _is_bounded(drawn: xr.Dataset) -> bool:
    """Whether anything is known from below only."""
    ends = drawn["waterfall"].sel(number=["mcse", "upper"]).values
    return bool((np.isfinite(ends[0]) & np.isposinf(ends[1])).any())


def _dress(axes: Axes, drawn: xr.Dataset, one: xr.Dataset) -> None:
    """Set the rows, and room for the numbers to the right of all bars."""
    rows = drawn.sizes["row"]
    style.row_stripes(axes, rows)
    numbers = drawn["waterfall"]
    ends = numbers.sel(number=["begin", "end", "lower", "upper"]).values
    ends = ends[np.isfinite(ends)]
    low = min(0.0, float(ends.min()))
    high = max(float(ends.max()), low + _LEAST)
    axes.set_xlim(low - 0.03 * (high - low), high + 0.28 * (high - low))
    axes.set_ylim(rows - 0.5, -0.5)
    labels = [style.shortened(str(label), 40) for label in drawn["row"].values]
    axes.set_yticks(range(rows), labels)
    style.verbatim(axes.get_yticklabels())
    for label, kind in zip(axes.get_yticklabels(), drawn["kind"].values, strict=True):
        label.set_fontweight("normal" if kind == "step" else "bold")
    axes.axvline(0.0, color=style.MUTED, lw=0.8, zorder=1.5)
    axes.axhline(rows - 2.5, color=style.MUTED, lw=0.8, zorder=1.5)
    axes.set_xticks([tick for tick in axes.get_xticks() if low <= tick <= high])
    axes.set_xlabel("bits")
    axes.set_title("")
    _write_values(axes, drawn)


def _bar(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    """Draw the bars, a step that goes back hollow, and lead from each to the next."""
    begin, end = (da.sel(number=name).values for name in ("begin", "end"))
    faces, edges = [], []
    for row, kind in enumerate(da["kind"].values):
        color = style.ERASED_COLOR if kind == "chain" else style.LET_IN_COLOR
        back = kind == "step" and end[row] < begin[row]
        faces.append("white" if back else to_rgba(color, 0.45 if kind == "step" else 1.0))
        edges.append(color)
    rows = np.arange(begin.size)
    joints = [[(end[row], row - _TALL / 2), (end[row], row + 1 + _TALL / 2)] for row in rows[:-2]]
    target.add_collection(
        LineCollection(joints, colors=[style.MUTED], linewidths=0.8, zorder=2), autolim=False
    )
    low, high = rows - _TALL / 2, rows + _TALL / 2
    corners = np.stack(
        [np.stack([begin, begin, end, end]), np.stack([low, high, high, low])], axis=-1
    )
    boxes = PolyCollection(
        list(corners.transpose(1, 0, 2)),
        facecolors=faces,
        edgecolors=edges,
        linewidths=1,
        zorder=3,
    )
    return target.add_collection(boxes, autolim=False)


def _error(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    left, right = target.get_xlim()
    # A bound goes on to the edge of the panel; what is not known has no whisker.
    lower, upper = (
        np.clip(da.sel(number=name).values, left, right) for name in ("lower", "upper")
    )
    whiskers = [[(a, row), (b, row)] for row, (a, b) in enumerate(zip(lower, upper, strict=True))]
    lines = LineCollection(whiskers, colors=[style.INK], linewidths=1.1, zorder=4)
    return target.add_collection(lines, autolim=False)


def _gap(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    """Span the gap, between the row of the sum and that of all at once."""
    rows = da.sizes["row"]
    chain, direct = (float(da.sel(number="end").isel(row=row)) for row in (rows - 2, rows - 1))
    for place, row in ((chain, rows - 2), (direct, rows - 1)):
        target.plot([place] * 2, [rows - 1.5, row], color=_GAP_COLOR, lw=0.9, zorder=3.5)
    (span,) = target.plot([chain, direct], [rows - 1.5] * 2, color=_GAP_COLOR, lw=3, zorder=3.6)
    return span


def _write_values(axes: Axes, drawn: xr.Dataset) -> None:
    """Write the numbers in a column to the right of all bars, the gap between the last two."""
    rows = drawn.sizes["row"]
    mcse = drawn["waterfall"].sel(number="mcse").values
    upper = drawn["waterfall"].sel(number="upper").values
    told = [*zip(drawn["value"].values, mcse, upper, range(rows), strict=True)]
    said = [(_value(value, error, end), row) for value, error, end, row in told]
    gap = _value(drawn["gap"].item(), drawn["gap_mcse"].item(), drawn["gap_upper"].item())
    for text, row in [*said, (f"gap {gap}", rows - 1.5)]:
        axes.text(
            0.99,
            row,
            text,
            transform=axes.get_yaxis_transform(),
            ha="right",
            va="center",
            fontsize=8.5,
            color=_GAP_COLOR if text.startswith("gap") else style.INK,
        )


def _value(value: float, mcse: float, upper: float) -> str:
    """Write bits and their error, and whether they are a bound; infinite errors bound nothing."""
    bound = bool(np.isposinf(upper) and np.isfinite(mcse))
    return "≥ " * bound + give_or_take(float(value), float(mcse))


def _marks(back: bool) -> list[Artist]:
    blue = style.LET_IN_COLOR
    hollow = Patch(facecolor="white", edgecolor=blue, label="one step, worse than chance")
    return [
        Patch(facecolor=to_rgba(blue, 0.45), edgecolor=blue, label="one step"),
        *[hollow] * back,
        Patch(facecolor=style.ERASED_COLOR, label="their sum"),
        Patch(facecolor=blue, label="all at once"),
        Line2D([], [], color=_GAP_COLOR, lw=3, label="gap: at once less the sum"),
    ]
