r"""Picture: how rare among erased worlds is what each disciple reaches?

Left: the erased world's return periods, :math:`-\log_2 P(e,S,0)(U \ge u)` over u, and each
disciple where its worlds lie on it. Right: the bits of its worlds, one row per disciple.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import arviz_plots as azp
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.markers import CARETRIGHTBASE, CARETUPBASE
from matplotlib.patches import Patch

from counterfactual_models.errors import CounterfactualError
from inference.plots import style
from inference.plots.direct_labels import give_or_take, one_line
from inference.plots.evidence_panels import asked, picked, with_notes
from inference.plots.outlines import outlines
from inference.plots.return_period_panel import (
    LINES,
    TAIL,
    draw_bars,
    draw_label,
    draw_point,
    dress_return_periods,
    is_bound,
)
from inference.schema import DISCIPLE, sample_dims

__all__ = ["plot_optimization_power"]

SUMMARY = "summary"
_OWN = ("op_bits", "utility", "bits", "mcse", "chance", "method", "reliable", "censored_share")
_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
_OPEN = 0.05
"""Where more worlds than this are censored, the upper end of a bar is a bound."""
_TABLE = {"expected": "mean", "log2_n": "log₂ N"}
_BASE, _TALL = 0.22, 0.6
_FEWEST = 3
_HOW_TO_READ = (
    "Left: bits are −log₂ of the share of erased worlds with so much utility or more; the band is "
    "95 % of it. Bars hold 5 to 95 % of a disciple's worlds. Right: density of the bits of its "
    "worlds, their median, quartiles, and 5 to 95 %. Black: 95 % interval of the median; ± is one "
    "standard error."
)


def plot_optimization_power(
    power: xr.Dataset,
    *,
    disciples: Sequence[str] | str | None = None,
    max_rows: int = 12,
    figsize: tuple[float, float] | None = None,
) -> azp.PlotCollection:
    r"""Draw the erased world's return periods, and where each disciple's worlds lie on them.

    .. math:: \mathrm{bits}(u) = -\log_2 P(e,S,0)(U \ge u)

    Parameters
    ----------
    power
        What ``diagnostics.optimization_power`` returned.
    disciples
        Names to keep; by default all.
    max_rows
        At most so many disciples, those with most bits in the median; the picture says when it
        leaves some out.
    figsize
        Width and height in inches; by default the height follows the number of disciples.

    Returns
    -------
    arviz_plots.PlotCollection
        Two plots, ``plane`` and ``rows``; visuals ``bars``, ``point`` and ``label`` in the first,
        ``ridge``, ``strip``, ``interval`` and ``chance`` in the second.

    Raises
    ------
    DiscipleError
        If a name is not there; the nearest one is offered.
    CounterfactualError
        If `power` is no result of ``optimization_power``, or a number in it is not finite.

    References
    ----------
    E. Yudkowsky, "Measuring Optimization Power" (2008).

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from inference.diagnostics.optimization_power import optimization_power
    >>> clips = np.random.default_rng(0).normal([[[0.0]], [[2.0]]], size=(2, 4, 1000))
    >>> drawn = xr.Dataset(
    ...     {"clips": (["disciple", "chain", "draw"], clips)},
    ...     coords={"disciple": ["erased", "greedy"]},
    ... )
    >>> power = optimization_power(drawn, lambda measured: measured["clips"])
    >>> picture = plot_optimization_power(power)
    >>> [text.get_text() for text in picture.viz["plot"]["rows"].item().get_yticklabels()]
    ['greedy']
    >>> plt.close(picture.viz["figure"].item())
    """
    found = _selected(power, disciples)
    kept = found.isel({DISCIPLE: style.top(_middle(found).values, max_rows)})
    notes = _notes(kept, found, power.attrs)
    size = figsize or with_notes((11.8, 2.2 + 0.5 * max(4, kept.sizes[DISCIPLE])), notes)
    drawn = _laid_out(kept)
    options = style.figure_options(size) | {"sharex": False, "sharey": False}
    with style.house_style():
        picture = azp.PlotCollection.wrap(
            drawn[["plane", "rows"]],
            cols=["__variable__"],
            col_wrap=2,
            aes={"look": [DISCIPLE]},
            look=["sure" if sure else "doubted" for sure in kept["reliable"].values],
            backend="matplotlib",
            figure_kwargs=options | {"width_ratios": (1.25, 1.0)},
        )
        _draw(picture, drawn, kept, power.attrs, size)
        style.frame(
            picture.viz["figure"].item(),
            title="How rare among erased worlds is what each disciple reaches?",
            handles=_marks(kept),
            notes=notes,
        )
        style.verbatim(picture.viz["figure"].item().texts)
    return picture


def _draw(
    picture: azp.PlotCollection,
    drawn: xr.Dataset,
    kept: xr.Dataset,
    attrs: Mapping[Any, Any],
    size: tuple[float, float],
) -> None:
    """Dress both panels and put the disciples in."""
    plane, rows = (picture.viz["plot"][name].item() for name in ("plane", "rows"))
    drawn = dress_return_periods(plane, drawn, kept, attrs, size)
    _dress_rows(rows, drawn, kept)
    for visual, name in ((draw_bars, "bars"), (draw_point, "point"), (draw_label, "label")):
        picture.map(visual, name, data=drawn[["plane"]])
    for name, drawer in (("ridge", _ridge), ("interval", _interval), ("chance", _chance)):
        picture.map(drawer, name, data=drawn[["rows"]])
    picture.map(_strip, "strip", data=drawn[["rows"]])


def _selected(power: xr.Dataset, disciples: Sequence[str] | str | None) -> xr.Dataset:
    """Keep what was asked for; refuse what is no result and what has no place in the picture."""
    found = asked(
        power,
        "optimization_power",
        [*_OWN, *TAIL, SUMMARY],
        disciples=disciples,
        also=["reason", "lower", "upper"],
        compared=True,
    )
    # What sel() keeps of one disciple has the tail along it too.
    own = {name: found[name].isel({DISCIPLE: 0}) for name in TAIL if DISCIPLE in found[name].dims}
    found = found.assign(own)
    _refuse(found)
    return found


def _refuse(found: xr.Dataset) -> None:
    if not found.sizes[DISCIPLE]:
        raise CounterfactualError("got no disciple; expected one at least, or None for all.")
    if "median" not in found[SUMMARY].values:
        raise CounterfactualError(
            f"got the summaries {found[SUMMARY].values.tolist()}; expected 'median' among them."
        )
    shown = [name for name in ("median", *_TABLE) if name in found[SUMMARY].values]
    own = {name: found[name] for name in ("op_bits", "utility", "tail_utility", "tail_bits")}
    for name, numbers in {**own, "bits": found["bits"].sel({SUMMARY: shown})}.items():
        if not np.isfinite(numbers.values).all():
            raise CounterfactualError(
                f"got a number in {name!r} that is not finite; expected the Dataset as "
                "diagnostics.optimization_power(worlds, utility) returns it, with bounds where "
                "no erased world is as good."
            )
    strange = set(np.unique(found["tail_method"].values)) - set(LINES)
    if strange:
        raise CounterfactualError(
            f"got the tail methods {sorted(map(str, strange))}; expected {list(LINES)}."
        )


def _middle(found: xr.Dataset) -> xr.DataArray:
    """Take the median that the diagnostic gives, which its error belongs to."""
    return found["bits"].sel({SUMMARY: "median"})


def _laid_out(kept: xr.Dataset) -> xr.Dataset:
    """Lay out, by disciple, where its mark and bars stand, and the outline of its bits."""
    dims = sample_dims(kept["op_bits"])
    numbers = kept[["utility", "op_bits"]].quantile(_SHARES, dims).to_dataarray("number")
    bits = kept["op_bits"].transpose(DISCIPLE, ...).values.reshape(kept.sizes[DISCIPLE], -1)
    ridges = [outlines(row[None], _window(row))[0] for row in bits]
    longest = max(ridge.shape[1] for ridge in ridges)
    padded = [np.pad(r, ((0, 0), (0, longest - r.shape[1])), mode="edge") for r in ridges]
    ends = {
        f"at_{share}": numbers.sel(number="op_bits", quantile=share, drop=True)
        for share in _SHARES
    }
    return xr.Dataset(
        {"plane": numbers, "rows": ((DISCIPLE, "axis", "point"), np.stack(padded))},
        coords=ends
        | {
            "row": (DISCIPLE, np.arange(len(bits))),
            "open": kept["censored_share"] > _OPEN,
            "median": _middle(kept).drop_vars(SUMMARY),
            **{end: kept[end].sel({SUMMARY: "median"}, drop=True) for end in _ends(kept)},
            "chance_median": kept["chance"].sel({SUMMARY: "median"}, drop=True),
        },
    )


def _ends(kept: xr.Dataset) -> list[str]:
    return [end for end in ("lower", "upper") if {"lower", "upper"} <= set(kept)]


def _window(row: np.ndarray) -> tuple[float, float]:
    return float(row.min()) - 0.5, float(np.quantile(row, 0.998)) + 0.5


def _dress_rows(axes: Axes, drawn: xr.Dataset, kept: xr.Dataset) -> None:
    """Set the rows of the disciples, and the table of their other summaries beside them."""
    rows = kept.sizes[DISCIPLE]
    style.row_stripes(axes, rows)
    places = drawn["rows"].isel(axis=0)
    low, high = min(0.0, float(places.min())), max(2.0, float(places.max()))
    axes.set_xlim(low - 0.02 * (high - low), high + 0.02 * (high - low))
    middle, half = (rows - 1) / 2, max(rows, _FEWEST) / 2
    axes.set_ylim(middle + half, middle - half)
    labels = [style.shortened(one_line(name), 24) for name in kept[DISCIPLE].values]
    axes.set_yticks(range(rows), labels)
    style.verbatim(axes.get_yticklabels())
    axes.set_title("bits of each disciple's worlds")
    axes.set_xlabel("bits")
    shown = [name for name in _TABLE if name in kept[SUMMARY].values]
    cell: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "fontsize": 8}
    for column, name in enumerate(shown):
        x = 70 * (column + 1)
        own = kept[["bits", "mcse"]].sel({SUMMARY: name})
        head: dict[str, Any] = {"va": "bottom", "color": style.MUTED}
        axes.annotate(_TABLE[name], (1, 1), (x, 4), xycoords="axes fraction", **cell, **head)
        for row, (bits, mcse) in enumerate(
            zip(own["bits"].values, own["mcse"].values, strict=True)
        ):
            one = kept.isel({DISCIPLE: row})
            mostly = float(one["censored_share"]) >= 0.5
            written = give_or_take(float(bits), np.nan if mostly else float(mcse))
            axes.annotate(
                "≥ " * is_bound(one, name, some=0.0) + written,
                (1, row),
                (x, 0),
                xycoords=axes.get_yaxis_transform(),
                va="center",
                **cell,
            )


def _ridge(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    places, heights = da.transpose("axis", "point").values
    base = int(da["row"]) + _BASE
    return target.fill_between(
        places,
        base - _TALL * heights,
        base,
        facecolor=to_rgba(style.LET_IN_COLOR, 0.25),
        edgecolor=style.LET_IN_COLOR,
        lw=0.7,
        zorder=2,
    )


def _strip(da: xr.DataArray, target: Axes, look: str, **_: Any) -> Artist:
    """Draw the median, the quartiles and where most worlds lie, below the ridge."""
    row = int(da["row"]) + _BASE + 0.1
    low, first, _median, third, high = (float(da[f"at_{share}"]) for share in _SHARES)
    ends = [[(low, row), (high, row)], [(first, row), (third, row)]]
    if bool(da["open"]):
        arrow: dict[str, Any] = {"marker": CARETRIGHTBASE, "ms": 7, "mew": 0}
        target.plot(high, row, color=style.LET_IN_COLOR, zorder=3, **arrow)
    face = style.LET_IN_COLOR if look == "sure" else "white"
    dot: dict[str, Any] = {"marker": "o", "ms": 5, "mfc": face, "mec": style.LET_IN_COLOR}
    target.plot(float(da["median"]), row, zorder=4, **dot)
    bars = LineCollection(ends, colors=[style.LET_IN_COLOR], linewidths=[1.2, 3.6], zorder=3)
    return target.add_collection(bars, autolim=False)


def _interval(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    """Draw the interval of the median; one without an end goes on to the edge of the panel."""
    row = int(da["row"]) + _BASE + 0.1
    ends = [float(da[end]) if end in da.coords else np.nan for end in ("lower", "upper")]
    low, high = np.clip(ends, *target.get_xlim())
    return target.hlines(row, low, high, color=style.INK, lw=0.9, zorder=4.2)


def _chance(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    row = int(da["row"])
    chance = float(da["chance_median"])
    return target.vlines(
        chance, row - 0.45, row + 0.45, color=style.INK, lw=0.9, ls=(0, (4, 3)), zorder=2.6
    )


def _marks(kept: xr.Dataset) -> list[Artist]:
    """Name every mark that is in the picture."""
    grey: dict[str, Any] = {"color": style.MUTED, "lw": 1.6}
    blue: dict[str, Any] = {"color": style.LET_IN_COLOR, "marker": "o", "ms": 5.5, "mew": 1.5}
    here = dict.fromkeys(str(name) for name in kept["tail_method"].values)
    said = {"counting": "erased, counted", "bound": "at least"}
    handles: list[Artist] = [
        Line2D([], [], ls=LINES[name], label=said.get(name, f"erased, by {name}"), **grey)
        for name in here
    ]
    handles.append(Patch(facecolor=to_rgba(style.ERASED_COLOR, 0.28), label="95 % band"))
    sure = kept["reliable"].values.astype(bool)
    if sure.any():
        handles.append(Line2D([], [], lw=1.3, label="let in", **blue))
    if not sure.all():
        handles.append(Line2D([], [], lw=1.3, mfc="white", label="let in, not reliable", **blue))
    if (kept["censored_share"].values > _OPEN).any():
        arrow: dict[str, Any] = {
            "color": style.LET_IN_COLOR,
            "marker": CARETUPBASE,
            "ls": "none",
            "ms": 8,
        }
        handles.append(Line2D([], [], label="goes on: none as good", **arrow))
    dashed: dict[str, Any] = {"color": style.INK, "lw": 0.9, "ls": (0, (4, 3))}
    handles.append(Line2D([], [], label="chance, median", **dashed))
    return handles


def _notes(kept: xr.Dataset, found: xr.Dataset, attrs: Any) -> list[str]:
    """Say how to read it, what chance itself scores, and what is not to be trusted."""
    chance = {
        str(name): float(kept["chance"].sel({SUMMARY: name}).mean())
        for name in kept[SUMMARY].values
        if name in ("median", *_TABLE)
    }
    scores = ", ".join(f"{_TABLE.get(n, n)} {value:.2f}" for n, value in chance.items())
    said = [_HOW_TO_READ, f"By chance the erased world scores, against itself: {scores}."]
    if "ess" in attrs:
        said[-1] += f" It has {style.number(float(attrs['ess']))} effective draws."
    shown = [name for name in ("median", *_TABLE) if name in kept[SUMMARY].values]
    censored = kept["censored_share"].values > 0
    bound = [
        any(is_bound(kept.isel({DISCIPLE: row}), name, some=0.0) for name in shown)
        for row in range(kept.sizes[DISCIPLE])
    ]
    if censored.any() or any(bound):
        names = _listed(kept, censored | np.array(bound))
        said.append(
            f"≥: worlds better than any erased draw count as a 95 % lower bound ({names})."
        )
    doubted = ~kept["reliable"].values.astype(bool)
    if doubted.any():
        said.append(f"Not reliable: {_listed(kept, doubted, reasons=True)}.")
    rows, every = kept.sizes[DISCIPLE], found.sizes[DISCIPLE]
    return said + picked(rows, every, "disciples", "those with most bits")


def _listed(kept: xr.Dataset, which: np.ndarray, *, reasons: bool = False) -> str:
    """Name the disciples concerned, the first five, and why if asked."""
    names = [style.shortened(one_line(name), 24) for name in kept[DISCIPLE].values[which]]
    if reasons and "reason" in kept:
        why = [" ".join(str(text).split()) for text in kept["reason"].values[which]]
        names = [
            f"{name}: {text}" if text else name for name, text in zip(names, why, strict=True)
        ]
    more = f"and {len(names) - 5} more"
    return ("; " if reasons else ", ").join(names[:5] + [more] * (len(names) > 5))
