r"""Picture: which measurements does a disciple move by more than the tolerance?

A forest: one row per measurement, one column per disciple; a point at
:math:`\mathrm{tv}`, a bar over its interval, a tick at the noise floor, a line at the tolerance.
"""

from collections.abc import Sequence
from typing import Any

import arviz_plots as azp
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    MeasurementError,
    nearest,
)
from inference.plots import style
from inference.schema import DISCIPLE, MEASUREMENT

__all__ = ["plot_coarse_graining"]

_NUMBERS = ("tv", "lower", "upper", "floor")
_TICKS = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)


def plot_coarse_graining(
    result: xr.Dataset,
    *,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    max_rows: int = 40,
    max_columns: int = 6,
    figsize: tuple[float, float] | None = None,
) -> azp.PlotCollection:
    r"""Draw the total variation of every measurement, with its interval, floor and verdict.

    Rows are sorted by the greatest :math:`\mathrm{tv}` among the disciples shown. The axis is a
    square root: the tolerance is small, and that is where a verdict is read.

    Parameters
    ----------
    result
        What ``diagnostics.coarse_graining`` returned. Its ``tolerance`` attribute is drawn.
    disciples, measurements
        Names to keep (``"visits"`` keeps all of ``visits[...]``); all by default.
    max_rows, max_columns
        At most so many measurements and disciples, those of greatest effect; the picture says
        when it leaves some out.
    figsize
        Width and height in inches; by default they follow the number of rows and columns.

    Returns
    -------
    arviz_plots.PlotCollection
        One plot per disciple; visuals ``bar``, ``floor``, ``point``.

    Raises
    ------
    DiscipleError, MeasurementError
        If a name is not there; the nearest one is offered.
    CounterfactualError
        If `result` is no result of ``coarse_graining``.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> numbers = {"tv": 0.3, "lower": 0.25, "upper": 0.35, "floor": 0.02, "verdict": "above"}
    >>> result = xr.Dataset(
    ...     {n: (("disciple", "measurement"), [[value]]) for n, value in numbers.items()},
    ...     coords={"disciple": ["greedy"], "measurement": ["price"]}, attrs={"tolerance": 0.05},
    ... )
    >>> forest = plot_coarse_graining(result)
    >>> forest.viz["plot"].item().get_title(loc="left")
    'greedy'
    >>> plt.close(forest.viz["figure"].item())
    """
    whole = _selected(result, disciples, measurements)
    kept = _greatest(whole, max_rows, max_columns)
    rows, columns = kept.sizes[MEASUREMENT], kept.sizes[DISCIPLE]
    with style.house_style():
        forest = azp.PlotCollection.grid(
            _by_verdict(kept),
            cols=[DISCIPLE],
            aes={"look": ["verdict"]},
            look=list(style.VERDICTS),
            backend="matplotlib",
            figure_kwargs=style.figure_options(figsize or _figsize(rows, columns)),
        )
        _dress_all(forest, kept)
        forest.map(_floor, "floor", ignore_aes={"look"})
        forest.map(_bar, "bar")
        forest.map(_point, "point")
        style.frame(
            forest.viz["figure"].item(),
            title="How far does each disciple move the world?",
            handles=_marks(kept),
            notes=[
                "Total variation between the world with the disciple let in and the world with it "
                "erased: 0 the same, 1 nothing in common (square-root axis).",
                *style.count_note(rows, whole.sizes[MEASUREMENT], "measurements"),
                *style.count_note(columns, whole.sizes[DISCIPLE], "disciples"),
            ],
        )
    return forest


def _selected(
    result: xr.Dataset,
    disciples: Sequence[str] | str | None,
    measurements: Sequence[str] | str | None,
) -> xr.Dataset:
    """Keep what was asked for; refuse what is no result and names that are not there."""
    expected = {*_NUMBERS, "verdict"}
    if not isinstance(result, xr.Dataset) or not expected <= set(result.data_vars):
        got = list(result) if isinstance(result, xr.Dataset) else type(result).__name__
        raise CounterfactualError(
            f"got {got}; expected the Dataset that diagnostics.coarse_graining(worlds) returns, "
            f"with the variables {sorted(expected)}."
        )
    if "tolerance" not in result.attrs:
        raise CounterfactualError(
            "this result does not say for which tolerance its verdicts are: expected "
            "result.attrs['tolerance'], as diagnostics.coarse_graining(worlds) writes it."
        )
    for dim in (DISCIPLE, MEASUREMENT):  # what sel() keeps of one label
        if dim in result.coords and result[dim].ndim == 0:
            result = result.expand_dims(dim)
    here = [str(name) for name in result[DISCIPLE].values]
    wanted = _listed(disciples, here)
    for name in wanted:
        if name not in here:
            raise DiscipleError(f"no disciple is named {name!r}. {nearest(name, here)}")
    labels = [str(label) for label in result[MEASUREMENT].values]
    asked = _listed(measurements, labels)
    variables = {label.split("[")[0] for label in labels}
    for name in asked:
        if name not in labels and name not in variables:
            raise MeasurementError(f"nothing measured is named {name!r}. {nearest(name, labels)}")
    keep = [label for label in labels if label in asked or label.split("[")[0] in asked]
    return result.sel({DISCIPLE: wanted, MEASUREMENT: keep})


def _listed(names: Sequence[str] | str | None, every: list[str]) -> list[str]:
    if names is None:
        return every
    return [names] if isinstance(names, str) else [str(name) for name in names]


def _greatest(result: xr.Dataset, max_rows: int, max_columns: int) -> xr.Dataset:
    """Sort rows by effect; keep the columns of greatest effect in the order they came."""
    columns = np.sort(style.top(result["tv"].max(MEASUREMENT).values, max_columns))
    kept = result.isel({DISCIPLE: columns})
    return kept.isel({MEASUREMENT: style.top(kept["tv"].max(DISCIPLE).values, max_rows)})


def _by_verdict(result: xr.Dataset) -> xr.Dataset:
    """Lay the numbers along (number, verdict): a verdict's look is then an ArviZ aesthetic."""
    numbers = result[list(_NUMBERS)].to_dataarray("number")
    verdicts = xr.DataArray(list(style.VERDICTS), dims="verdict")
    verdicts = verdicts.assign_coords(verdict=verdicts.values)
    strange = set(np.unique(result["verdict"].values)) - set(style.VERDICTS)
    if strange:
        raise CounterfactualError(
            f"got the verdicts {sorted(map(str, strange))}; expected {list(style.VERDICTS)}."
        )
    return numbers.where(result["verdict"] == verdicts).to_dataset(name="effect")


def _figsize(rows: int, columns: int) -> tuple[float, float]:
    return 2.4 + (4.8 if columns == 1 else 2.5) * columns, 1.9 + (
        0.3 if rows <= 20 else 0.22
    ) * rows


def _dress_all(forest: azp.PlotCollection, result: xr.Dataset) -> None:
    panels = np.atleast_1d(forest.viz["plot"].values)
    for axes, name in zip(panels, result[DISCIPLE].values, strict=True):
        _dress(axes, str(name), result, float(result.attrs["tolerance"]))


def _dress(axes: Axes, name: str, result: xr.Dataset, tolerance: float) -> None:
    """Set rows, axis, tolerance and title of one disciple's column."""
    labels = [style.shortened(str(label)) for label in result[MEASUREMENT].values]
    style.row_stripes(axes, len(labels))
    axes.set_xscale("function", functions=(_signed_root, _signed_square))
    widest = float(np.nanmax([result["upper"].max(), result["tv"].max(), 4 * tolerance]))
    root = np.sqrt(min(1.0, widest * 1.05))
    axes.set_xlim(_signed_square(-0.025 * root), _signed_square(1.025 * root))
    axes.set_xticks(_ticks(root))
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), labels)
    width = 26 if result.sizes[DISCIPLE] > 1 else 44
    style.verbatim([*axes.get_yticklabels(), axes.set_title(style.shortened(name, width))])
    axes.axvspan(
        axes.get_xlim()[0], tolerance, color=style.VERDICTS["below"].color, alpha=0.07, lw=0
    )
    axes.axvline(tolerance, color=style.INK, lw=0.9, ls=(0, (4, 3)), zorder=1.5)


def _ticks(root: float) -> list[float]:
    """Take the ticks that do not crowd on a square-root axis."""
    kept = [0.0]
    for tick in _TICKS:
        if np.sqrt(tick) - np.sqrt(kept[-1]) > 0.0999 * root and np.sqrt(tick) <= 1.01 * root:
            kept.append(tick)
    return kept


def _signed_root(value: Any) -> Any:
    return np.sign(value) * np.sqrt(np.abs(value))


def _signed_square(value: Any) -> Any:
    return np.sign(value) * np.square(value)


def _floor(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    floor = da.sel(number="floor").max("verdict").values
    rows = np.arange(floor.size)
    return target.vlines(floor, rows - 0.32, rows + 0.32, color=style.MUTED, lw=1.0, zorder=2)


def _bar(da: xr.DataArray, target: Axes, look: str, **_: Any) -> Artist:
    rows = np.arange(da.sizes[MEASUREMENT])
    lower, upper = da.sel(number="lower").values, da.sel(number="upper").values
    return target.hlines(rows, lower, upper, color=style.VERDICTS[look].color, lw=1.8, zorder=3)


def _point(da: xr.DataArray, target: Axes, look: str, **_: Any) -> Artist:
    tv = da.sel(number="tv").values
    rows = np.flatnonzero(~np.isnan(tv))
    color, face, marker = style.VERDICTS[look]
    return target.scatter(
        tv[rows],
        rows,
        s=30,
        marker=marker,
        facecolors=face,
        edgecolors=color,
        linewidths=1.5,
        zorder=4,
        clip_on=False,
    )


def _marks(result: xr.Dataset) -> list[Artist]:
    """Name every mark, with how often each verdict fell."""
    handles: list[Artist] = []
    for verdict, (color, face, marker) in style.VERDICTS.items():
        count = int((result["verdict"] == verdict).sum())
        look: dict[str, Any] = {"marker": marker, "mfc": face, "mec": color, "mew": 1.5, "ms": 5.5}
        handles.append(Line2D([], [], color=color, lw=1.8, label=f"{verdict} ({count})", **look))
    line: dict[str, Any] = {"color": style.INK, "lw": 0.9, "ls": (0, (4, 3))}
    floor: dict[str, Any] = {"color": style.MUTED, "marker": "|", "ms": 10, "ls": "none"}
    handles.append(Line2D([], [], label=f"tolerance {result.attrs['tolerance']:g}", **line))
    handles.append(Line2D([], [], label="noise floor", **floor))
    return handles
