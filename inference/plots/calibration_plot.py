"""Picture: do the truths stand evenly among the draws of their posteriors?

One panel per quantity: the cumulative curve of its ranks less that of uniform ranks, over the
band that holds the whole curve of a right posterior in 95% of studies.
"""

from collections.abc import Sequence
from typing import Any

import arviz_plots as azp
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from counterfactual_models.errors import CounterfactualError, nearest
from inference.plots import style
from inference.rank_verdicts import PLACE, QUANTITY
from inference.schema import decode_attrs

__all__ = ["plot_calibration"]

_NEEDED = ("ecdf_difference", "band_lower", "band_upper", "p_holm", "bias", "spread", "verdict")
_COLORS = {
    "off": style.VERDICTS["above"].color,
    "passes": style.VERDICTS["below"].color,
}
_COLUMNS = 4
_HOW_TO_READ = (
    "Across: rank of the truth among its posterior draws, from lowest to highest. Up: the share "
    "of truths that rank so low, less the share expected. A hump: the posterior lies too high; a "
    "trough: too low; up, then down: too narrow; down, then up: too wide.",
    "Bias: posterior standard deviations that truths lie above the draws (right: 0). Spread: by "
    "what factor the posterior is too narrow (right: 1). A verdict weighs both beside the curve; "
    "p is adjusted for all quantities.",
)


def plot_calibration(
    result: xr.Dataset,
    *,
    quantities: Sequence[str] | str | None = None,
    max_panels: int = 12,
    figsize: tuple[float, float] | None = None,
) -> azp.PlotCollection:
    """Draw how far the ranks of each quantity are from uniform, the worst first.

    Parameters
    ----------
    result
        What ``calibrate`` returned.
    quantities
        Names to keep (``"z"`` keeps all of ``z[...]``); all by default.
    max_panels
        At most so many quantities, those of smallest p; the picture says when it leaves some
        out.
    figsize
        Width and height in inches; by default they follow the number of panels.

    Returns
    -------
    arviz_plots.PlotCollection
        One plot per quantity; visuals ``band``, ``zero``, ``curve``.

    Raises
    ------
    CounterfactualError
        If `result` is no result of ``calibrate``, or has no quantity of that name; the nearest is
        offered.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> from inference.rank_verdicts import judge_ranks
    >>> rank = np.random.default_rng(0).random((200, 2))
    >>> result = judge_ranks(rank, np.full((200, 2), 99), rank < 0, ["z[0]", "z[1]"])
    >>> panels = plot_calibration(result)
    >>> panels.viz["plot"].sizes["quantity"]
    2
    >>> plt.close(panels.viz["figure"].item())
    """
    whole = _selected(result, quantities)
    kept = whole.isel({QUANTITY: style.top(-whole["p"].values, max_panels)})
    count = kept.sizes[QUANTITY]
    drawn = kept[["ecdf_difference"]].assign_coords(
        {name: kept[name] for name in ("band_lower", "band_upper", "verdict")}
    )
    notes = [
        *_HOW_TO_READ,
        *_told(whole),
        *style.count_note(count, whole.sizes[QUANTITY], "quantities"),
    ]
    with style.house_style():
        panels = azp.PlotCollection.wrap(
            drawn,
            cols=[QUANTITY],
            col_wrap=min(_COLUMNS, count),
            backend="matplotlib",
            figure_kwargs=style.figure_options(figsize or _figsize(count, notes)),
        )
        panels.map(_band, "band")
        panels.map(_zero, "zero")
        panels.map(_curve, "curve")
        _dress_all(panels, kept)
        style.frame(
            panels.viz["figure"].item(),
            title="Do truths stand evenly among their posterior draws?",
            handles=_marks(whole),
            notes=notes,
        )
    return panels


def _selected(result: xr.Dataset, quantities: Sequence[str] | str | None) -> xr.Dataset:
    """Keep what was asked for; refuse what is no result and names that are not there."""
    if not isinstance(result, xr.Dataset) or not set(_NEEDED) <= set(result.data_vars):
        got = list(result) if isinstance(result, xr.Dataset) else type(result).__name__
        raise CounterfactualError(
            f"got {got}; expected the Dataset that calibrate(world, evidence) returns, with the "
            f"variables {sorted(_NEEDED)}."
        )
    if quantities is None:
        return result
    asked = [quantities] if isinstance(quantities, str) else [str(name) for name in quantities]
    labels = [str(label) for label in result[QUANTITY].values]
    variables = {label.split("[")[0] for label in labels}
    for name in asked:
        if name not in labels and name not in variables:
            raise CounterfactualError(f"nothing ranked is named {name!r}. {nearest(name, labels)}")
    keep = [label for label in labels if label in asked or label.split("[")[0] in asked]
    return result.sel({QUANTITY: keep})


def _figsize(panels: int, notes: Sequence[str]) -> tuple[float, float]:
    columns = min(_COLUMNS, panels)
    width = max(6.2, 0.6 + 2.3 * columns)
    lines = sum(1 + int(len(note) * 0.064 / (width - 0.3)) for note in notes)
    return width, 0.9 + 1.9 * -(-panels // columns) + 0.175 * lines


def _band(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    return target.fill_between(
        da[PLACE].values,
        da["band_lower"].values,
        da["band_upper"].values,
        color=style.ERASED_COLOR,
        alpha=0.28,
        lw=0,
    )


def _zero(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    return target.axhline(0.0, color=style.MUTED, lw=0.7)


def _curve(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    color = _COLORS[str(da["verdict"].item())]
    (line,) = target.plot(da[PLACE].values, da.values, color=color, lw=1.4)
    return line


def _dress_all(panels: azp.PlotCollection, kept: xr.Dataset) -> None:
    """Write over each panel what it shows and what its ranks come to; all on one scale."""
    heights = kept[["ecdf_difference", "band_lower", "band_upper"]].to_dataarray()
    low, high = float(heights.min()), float(heights.max())
    room = 0.06 * (high - low)
    for k, axes in enumerate(panels.viz["plot"].values.ravel()):
        one = kept.isel({QUANTITY: k})
        axes.set_xlim(0, 1)
        axes.set_ylim(low - room, high + room)
        axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
        axes.grid(axis="y", color=style.GRID_COLOR, lw=0.5)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", labelsize=8, labelcolor=style.MUTED)
        name = style.shortened(str(one[QUANTITY].item()), 26)
        style.verbatim([axes.set_title(name, pad=18)])
        said = (
            f"bias {float(one['bias']):+.2f}   spread {float(one['spread']):.2f}   ".replace(
                "-", "−"
            )
            + f"p {style.number(float(one['p_holm']), 2)}"
        )
        axes.annotate(
            said,
            (0, 1),
            (0, 5),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=7.5,
            color=_COLORS[str(one["verdict"].item())],
        )


def _marks(whole: xr.Dataset) -> list[Artist]:
    counts = {word: int((whole["verdict"] == word).sum()) for word in _COLORS}
    lines = [
        Line2D([], [], color=color, lw=1.8, label=f"{word} ({counts[word]})")
        for word, color in _COLORS.items()
    ]
    band = Patch(facecolor=style.ERASED_COLOR, alpha=0.28, label="95% band of a right posterior")
    return [*lines, band]


def _told(whole: xr.Dataset) -> list[str]:
    """Say what was run, and what of it is not in the picture."""
    attrs = decode_attrs(whole.attrs)
    if "status" not in whole:
        return []
    data = f" on data of {attrs['truth']}" if attrs["truth"] else ""
    ranked = int((whole["status"] != "failed").sum())
    said = [f"{attrs['world']} by {attrs['method']}{data}, {ranked} repetitions"]
    said += [f"{attrs['failed']} more failed and are left out"] * bool(attrs["failed"])
    said += [f"in {attrs['warned']} the engine warned"] * bool(attrs["warned"])
    return [f"{'; '.join(said)}."]
