r"""Picture: at how many places do the worlds gather, with the disciple let in and with it erased?

The ridge of ``plot_worlds``, and under each curve the peaks that are no noise: a triangle at each,
a band as wide as the peak, the share of the worlds that gather there.
"""

from collections.abc import Sequence
from typing import Any

import arviz_plots as azp
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.markers import CARETLEFT, CARETRIGHT
from matplotlib.patheffects import withStroke

from counterfactual_models.errors import CounterfactualError, nearest, refuse_counts
from inference.plots import style
from inference.plots.evidence_panels import asked, beside_erased, with_notes
from inference.plots.ridge_panels import (
    draw_ridge,
    ridge_draws,
    ridge_marks,
    ridge_notes,
    ridge_size,
)
from inference.schema import DISCIPLE, ERASED, MEASUREMENT, SWITCH

__all__ = ["plot_peaks"]

_PEAK = "peak"
_NEEDED = ("count", "place", "width", "mass")
_HEIGHT, _FOOT = 0.54, 0.46
_STRIPS = {0: 0.33, 1: 0.14}
"""How far below the base line the peaks of the erased world and of the other are marked."""
_ALL, _LISTED, _LETTER_INCHES = 0.995, 8, 0.055
_HOW_TO_READ = (
    "Under each curve: its significant peaks, each as wide as its band, and the share of the "
    "worlds around each, from left to right, where it is not the only one. Where the number of "
    "peaks changes, erased → let in is written to the right."
)


def plot_peaks(
    worlds: xr.DataTree | xr.Dataset,
    peaks: xr.Dataset,
    *,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    order: str = "difference",
    max_rows: int = 24,
    max_columns: int = 6,
    figsize: tuple[float, float] | None = None,
) -> azp.PlotCollection:
    r"""Draw every measurement's law and mark its peaks, with each disciple let in and erased.

    A curve may show bumps that are not marked: those are what noise makes. A peak beyond the axis
    is told by an arrow at its edge, with its place on the axis' scale.

    Parameters
    ----------
    worlds
        The tree that ``sample_worlds`` returns.
    peaks
        What ``diagnostics.peaks(worlds)`` returned.
    disciples, measurements
        Names to keep (``"visits"`` keeps all of ``visits[...]``); all by default.
    order
        As in ``plot_worlds``: ``"difference"`` or ``"given"``.
    max_rows, max_columns
        At most so many measurements and disciples, the most different; the picture says when it
        leaves some out.
    figsize
        Width and height in inches; by default they follow the number of rows and columns.

    Returns
    -------
    arviz_plots.PlotCollection
        One plot per disciple; visuals ``face``, ``edge``, ``band`` and ``peak``, coloured by
        ``X``. Its ``data`` are the outlines, as in ``plot_worlds``.

    Raises
    ------
    DiscipleError, MeasurementError
        If a name is not there; the nearest one is offered.
    CounterfactualError
        If `peaks` is no result of ``diagnostics.peaks``, or of other worlds.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> price = xr.DataArray(
    ...     np.random.default_rng(0).normal([[[0.0]], [[1.0]]], 1.0, size=(2, 1, 200)),
    ...     dims=["disciple", "chain", "draw"], attrs={"role": "measurement"},
    ... )
    >>> drawn = xr.Dataset({"price": price}, coords={"disciple": ["erased", "greedy"]})
    >>> numbers = {"place": [[[0.0]], [[1.0]]], "width": [[[2.4]]] * 2, "mass": [[[1.0]]] * 2}
    >>> peaks = xr.Dataset(
    ...     {name: (("disciple", "measurement", "peak"), value) for name, value in numbers.items()}
    ...     | {"count": (("disciple", "measurement"), [[1], [1]])},
    ...     {"disciple": ["erased", "greedy"], "measurement": ["price"]},
    ... )
    >>> picture = plot_peaks(drawn, peaks)
    >>> len(picture.viz["peak"]["peaks"].sel(disciple="greedy", X=1).item().get_offsets())
    1
    >>> plt.close(picture.viz["figure"].item())
    """
    refuse_counts(1, max_rows=max_rows, max_columns=max_columns)
    found = asked(peaks, "peaks", _NEEDED, disciples=disciples)
    kept, flat = ridge_draws(
        worlds,
        disciples=disciples,
        measurements=measurements,
        order=order,
        max_rows=max_rows,
        max_columns=max_columns,
    )
    own = _of_these_worlds(found, kept)
    return _picture(worlds, kept, own, [_HOW_TO_READ, *ridge_notes(kept, flat)], figsize)


def _picture(
    worlds: xr.DataTree | xr.Dataset,
    kept: xr.DataArray,
    own: xr.Dataset,
    notes: list[str],
    figsize: tuple[float, float] | None,
) -> azp.PlotCollection:
    rows, columns = kept.sizes[MEASUREMENT], kept.sizes[DISCIPLE] - 1
    pitch = 0.86 if rows <= 12 else 0.72
    size = figsize or with_notes(ridge_size(rows, columns, pitch), notes[:1])
    with style.house_style():
        picture = draw_ridge(worlds, kept, figsize=size, height=_HEIGHT, foot=_FOOT)
        _mark(picture, own, (size[0] - 2.4) / columns)
        style.frame(
            picture.viz["figure"].item(),
            title="Where the worlds gather with each disciple let in, and erased",
            handles=_marks(),
            notes=notes,
        )
    return picture


def _mark(picture: azp.PlotCollection, own: xr.Dataset, wide: float) -> None:
    """Put the peaks on panels that are so many inches wide."""
    drawn = _laid_out(own, picture.data)
    picture.map(_band, "band", data=drawn)
    picture.map(_triangles, "peak", data=drawn)
    panels = np.atleast_1d(picture.viz["plot"].values)
    for axes, name in zip(panels, drawn[DISCIPLE].values, strict=True):
        inch = float(np.ptp(axes.get_xlim())) / wide
        _label(axes, drawn["peaks"].sel({DISCIPLE: name}), inch)
        _tell_counts(axes, own["count"].sel({DISCIPLE: [ERASED, name]}).values)


def _of_these_worlds(found: xr.Dataset, kept: xr.DataArray) -> xr.Dataset:
    """Take the peaks of the draws that are shown; refuse those of other worlds."""
    for dim in (DISCIPLE, MEASUREMENT):
        known = [str(name) for name in found[dim].values]
        for name in map(str, kept[dim].values):
            if name not in known:
                raise CounterfactualError(
                    f"these peaks are not of these worlds: they hold no {dim} {name!r}. "
                    f"{nearest(name, known)} Pass diagnostics.peaks(worlds) of the same worlds."
                )
    own = found.sel({dim: list(map(str, kept[dim].values)) for dim in (DISCIPLE, MEASUREMENT)})
    return own.transpose(DISCIPLE, MEASUREMENT, ...)


def _laid_out(own: xr.Dataset, ridge: xr.Dataset) -> xr.Dataset:
    """Put places and widths on the ridge's axis, and the erased world beside each disciple."""
    centre, spread = (ridge[name].drop_vars(["centre", "spread"]) for name in ("centre", "spread"))
    place, width = (own["place"] - centre) / spread, own["width"] / spread
    numbers = xr.Dataset({"place": place, "width": width, "mass": own["mass"]})
    stacked = numbers.to_dataarray("quantity")
    both = beside_erased(xr.Dataset({"peaks": stacked, "peaks_mcse": stacked}), "peaks")
    return both.sel(number="value", drop=True).to_dataset(name="peaks")


def _spots(da: xr.DataArray, which: str) -> np.ndarray:
    """(measurement, peak) of one quantity of one world."""
    return np.asarray(da.sel(quantity=which).transpose(MEASUREMENT, _PEAK).values)


def _strip(da: xr.DataArray) -> float:
    return _STRIPS[int(da[SWITCH])]


def _band(da: xr.DataArray, target: Axes, color: str, **_: Any) -> Artist:
    place, half = _spots(da, "place"), _spots(da, "width") / 2
    low, high = target.get_xlim()
    ends = np.clip([place - half, place + half], low, high)
    spans = [
        [(ends[0, level, peak], level + _strip(da)), (ends[1, level, peak], level + _strip(da))]
        for level, peak in np.argwhere(np.isfinite(ends).all(0) & (ends[1] > ends[0]))
    ]
    bands = LineCollection(
        spans, colors=[color], linewidths=5.5, alpha=0.28, capstyle="butt", zorder=2
    )
    return target.add_collection(bands, autolim=False)


def _triangles(da: xr.DataArray, target: Axes, color: str, **_: Any) -> Artist:
    place = _spots(da, "place")
    low, high = target.get_xlim()
    rows, peaks = np.nonzero((place >= low) & (place <= high))
    erased = int(da[SWITCH]) == 0
    return target.scatter(
        place[rows, peaks],
        rows + _strip(da),
        s=22,
        marker="^",
        facecolors="white" if erased else color,
        edgecolors=style.MUTED if erased else color,
        linewidths=1.0,
        zorder=4,
        clip_on=False,
    )


def _label(axes: Axes, both: xr.DataArray, inch: float) -> None:
    """Write the peaks' shares beside them, and tell of those beyond the axis."""
    low, high = axes.get_xlim()
    for world in (both.isel({SWITCH: place}) for place in range(both.sizes[SWITCH])):
        ink = style.LET_IN_COLOR if int(world[SWITCH]) else style.MUTED
        for level, (place, mass) in enumerate(
            zip(_spots(world, "place"), _spots(world, "mass"), strict=True)
        ):
            y, inside = level + _strip(world), (place >= low) & (place <= high)
            taken = [
                inch * _wide(_tell_beyond(axes, (edge, y), sign, place, mass, ink))
                for sign, edge in ((-1, low), (1, high))
            ]
            alone = np.isfinite(place).sum() == 1 and np.nanmax(mass) >= _ALL
            if inside.any() and not alone:
                room = (low + taken[0], high - taken[1])
                _shares(axes, y, place[inside], mass[inside], room, inch, ink)


def _wide(text: str) -> float:
    """Inches that a text takes beside its mark."""
    return (0.12 + _LETTER_INCHES * len(text)) if text else 0.0


def _shares(
    axes: Axes,
    y: float,
    place: np.ndarray,
    mass: np.ndarray,
    room: tuple[float, float],
    inch: float,
    ink: str,
) -> None:
    """Write each share beside its peak, or where they are close, all in turn beside the outer."""
    right, left = room[1] - place[-1], place[0] - room[0]
    if np.diff(place, append=room[1]).min() > _wide("100%") * inch:
        for x, share in zip(place, mass, strict=True):
            _write(axes, (x, y), (6, 0), f"{share:.0%}", ink)
        return
    written = [f"{100 * share:.0f}" for share in mass]
    said = ""
    for shown in range(min(mass.size, _LISTED), 0, -1):
        said = "·".join(written[:shown]) + "%" + " …" * (mass.size > shown)
        if _wide(said) * inch <= max(right, left):
            break
    if _wide(said) * inch <= right or right > left:
        _write(axes, (place[-1], y), (6, 0), said, ink)
    else:
        _write(axes, (place[0], y), (-6, 0), said, ink, ha="right")


def _tell_beyond(
    axes: Axes,
    at: tuple[float, float],
    sign: int,
    place: np.ndarray,
    mass: np.ndarray,
    ink: str,
) -> str:
    """Say at the axis' edge which peaks are beyond it: how heavy all, and where the heaviest."""
    beyond = np.isfinite(place) & (sign * place > sign * at[0])
    if not beyond.any():
        return ""
    arrow = CARETRIGHT if sign > 0 else CARETLEFT
    axes.plot(*at, color=ink, marker=arrow, ms=5, clip_on=False, zorder=5)
    heaviest = int(np.argmax(np.where(beyond, mass, -np.inf)))
    where = style.number(float(place[heaviest]), 2, sign=True)
    count = int(beyond.sum())
    said = f"{mass[beyond].sum():.0%} {'at' if count == 1 else f'in {count}, one at'} {where}"
    _write(axes, at, (-7 * sign, 0), said, ink, ha="right" if sign > 0 else "left")
    return said


def _write(
    axes: Axes,
    at: tuple[float, float],
    offset: tuple[float, float],
    text: str,
    ink: str,
    ha: str = "left",
) -> None:
    axes.annotate(
        text,
        at,
        offset,
        textcoords="offset points",
        ha=ha,
        va="center",
        fontsize=7,
        color=ink,
        zorder=5,
    )


def _tell_counts(axes: Axes, counts: np.ndarray) -> None:
    """Write the numbers of peaks where they differ, or are not known."""
    for level, (erased, let_in) in enumerate(counts.T):
        if erased == let_in:
            continue
        written = [f"{count:.0f}" if np.isfinite(count) else "?" for count in (erased, let_in)]
        known = "?" not in written
        said = f"{' → '.join(written)} peaks" if written != ["?", "?"] else "peaks not known"
        axes.annotate(
            said,
            (1, level - 0.86 * _HEIGHT),
            (-2, 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=8,
            fontweight="bold" if known else "normal",
            color=style.INK if known else style.MUTED,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
            zorder=6,
        )


def _marks() -> list[Artist]:
    peak: dict[str, Any] = {"ls": "none", "marker": "^", "ms": 5}
    hollow: dict[str, Any] = {"mfc": "white", "mec": style.MUTED}
    return [
        *ridge_marks(),
        Line2D([], [], label="peak, erased", **hollow, **peak),
        Line2D([], [], label="peak, let in", color=style.LET_IN_COLOR, **peak),
    ]
