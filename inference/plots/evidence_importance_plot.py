r"""Picture: which data matter to a measurement, and do they matter more than the disciple does?

A forest: one row per datum, one panel per disciple and measurement; points at the bits of the
coarse-grained future that the datum tells, with the disciple erased and let in, bars over their
errors, and a line at the bits that the switch X tells. Data right of the line matter more.
"""

from collections.abc import Sequence
from typing import Any

import arviz_plots as azp
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from counterfactual_models.errors import CounterfactualError, refuse_counts
from inference.plots import evidence_panels, style
from inference.schema import DATUM, DISCIPLE, MEASUREMENT, SWITCH

__all__ = ["plot_evidence_importance"]

_SWITCHES = {"bits": "switch_bits", "contrast": "switch_tv"}
_AXES = {
    "bits": "bits of the coarse-grained future that a datum tells, or X, were it a fair coin",
    "contrast": "total variation between the futures of a datum one standard deviation higher and "
    "one lower, or of X = 1 and X = 0",
}
_TITLE = "Which data matter more than whether the disciple is let in?"
_LIFT = 0.17


def plot_evidence_importance(
    result: xr.Dataset,
    *,
    quantity: str = "bits",
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    data: Sequence[str] | str | None = None,
    max_rows: int = 20,
    max_columns: int = 3,
    max_disciples: int = 3,
    figsize: tuple[float, float] | None = None,
) -> azp.PlotCollection:
    r"""Draw how much each datum tells of each measurement, beside what the switch tells.

    Rows are sorted by the largest number drawn in them. The axis is a square root on either side
    of zero: the bits of many data are few, and an estimate may fall below zero.

    Parameters
    ----------
    result
        What ``diagnostics.evidence_importance`` returned.
    quantity
        ``"bits"`` (of X: Jensen-Shannon) or ``"contrast"`` (of X: total variation).
    disciples, measurements, data
        Names to keep (``"orders"`` keeps all of ``orders[...]``); all by default.
    max_rows, max_columns, max_disciples
        At most so many data, measurements and disciples, the most important; the picture says
        when it leaves some out.
    figsize
        Width and height in inches; by default they follow the number of rows and panels.

    Returns
    -------
    arviz_plots.PlotCollection
        One plot per disciple and measurement; visuals ``switch``, ``bar``, ``point``, the last
        two coloured by ``X``.

    Raises
    ------
    DiscipleError, MeasurementError, EvidenceError
        If a name is not there; the nearest one is offered.
    CounterfactualError
        If `result` is no result of ``evidence_importance``, or lacks the quantity.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> dims = ("disciple", "measurement", "datum")
    >>> result = xr.Dataset(
    ...     {"bits": (dims, [[[0.1, 0.4]], [[0.1, 0.3]]]),
    ...      "switch_bits": (dims[:2], [[0.0], [0.2]])},
    ...     {"disciple": ["erased", "greedy"], "measurement": ["price"], "datum": ["e", "gdp"]},
    ... )
    >>> result["bits_mcse"], result["switch_bits_mcse"] = xr.full_like(result["bits"], 0.01), 0.01
    >>> forest = plot_evidence_importance(result)
    >>> forest.data["tells"]["datum"].values.tolist()
    ['gdp', 'e']
    >>> plt.close(forest.viz["figure"].item())
    """
    refuse_counts(1, max_rows=max_rows, max_columns=max_columns, max_disciples=max_disciples)
    given = _asked(result, quantity, disciples, measurements, data)
    known, notes = evidence_panels.whole(given, [quantity, f"{quantity}_mcse"])
    errors = evidence_panels.error_count(known[quantity].size)
    kept = _greatest(known, quantity, errors, (max_disciples, max_columns, max_rows))
    drawn = _by_world(kept, quantity)
    notes = [*_how_to_read(quantity, errors), *notes, *_left_out(drawn, known)]
    with style.house_style():
        forest = azp.PlotCollection.grid(
            drawn,
            **_facets(drawn),
            aes={"color": [SWITCH]},
            color=[style.ERASED_COLOR, style.LET_IN_COLOR],
            backend="matplotlib",
            figure_kwargs=style.figure_options(figsize or _figsize(drawn, notes)),
        )
        _draw(forest, drawn, known, quantity, errors)
        figure = forest.viz["figure"].item()
        style.frame(figure, title=_TITLE, handles=_marks(errors), notes=notes)
    return forest


def _asked(
    result: xr.Dataset,
    quantity: str,
    disciples: Sequence[str] | str | None,
    measurements: Sequence[str] | str | None,
    data: Sequence[str] | str | None,
) -> xr.Dataset:
    """Take what is asked for; refuse results without the quantity."""
    if quantity not in _SWITCHES:
        raise CounterfactualError(f"got quantity={quantity!r}; expected one of {list(_SWITCHES)}.")
    switch = _SWITCHES[quantity]
    if isinstance(result, xr.Dataset) and switch in result and quantity not in result:
        raise CounterfactualError(
            f"this result has no {quantity!r}: the spreads of the data given the others are not "
            "in the tree. Add them with inference.with_scores(world, worlds, disciples) and run "
            "diagnostics.evidence_importance again."
        )
    given = evidence_panels.asked(
        result,
        "evidence_importance",
        (quantity, f"{quantity}_mcse", switch, f"{switch}_mcse"),
        disciples=disciples,
        measurements=measurements,
        data=data,
    )
    evidence_panels.let_in(given)
    return given.transpose(DISCIPLE, MEASUREMENT, DATUM, ...)


def _greatest(
    known: xr.Dataset, quantity: str, errors: float, limits: tuple[int, int, int]
) -> xr.Dataset:
    """Pick the disciples and the measurements of most consequence, then data by what is drawn."""
    sizes = known[quantity], known[f"{quantity}_mcse"]
    switch = known[_SWITCHES[quantity]].values[1:]
    told = [
        float((value - errors * mcse).max())
        for value, mcse in evidence_panels.numbers_by(MEASUREMENT, *sizes)
    ]
    names = [str(label).split("[")[0] for label in known[MEASUREMENT].values]
    columns = np.sort(_columns(np.maximum(told, switch.max(axis=0)), names, limits[1]))
    worlds = np.sort(style.top(switch[:, columns].max(axis=1), limits[0])) + 1
    kept = known.isel({DISCIPLE: [0, *worlds], MEASUREMENT: columns})
    value, mcse = kept[quantity].values, kept[f"{quantity}_mcse"].values
    most = value.max(axis=(0, 1))
    sure = (value - errors * mcse).max(axis=(0, 1)).clip(min=0)
    rows = evidence_panels.most(sure, most, limits[2])
    return kept.isel({DATUM: rows[style.top(most[rows], None)]})


def _columns(sizes: np.ndarray, names: list[str], limit: int) -> np.ndarray:
    """Places of the greatest: one of each name first, as ``visits[paris]`` stands for visits."""
    order = [int(place) for place in style.top(sizes, None)]
    first = {names[place]: place for place in reversed(order)}
    return np.array(sorted(order, key=lambda place: first[names[place]] != place)[:limit])


def _by_world(kept: xr.Dataset, quantity: str) -> xr.Dataset:
    """Put the worlds side by side; what X tells is a coordinate."""
    drawn, switch = evidence_panels.beside_erased(kept, quantity), _SWITCHES[quantity]
    told = {"line": kept[switch], "line_mcse": kept[f"{switch}_mcse"]}
    return drawn.assign_coords(told).transpose(..., DATUM).to_dataset(name="tells")


def _facets(drawn: xr.Dataset) -> dict[str, list[str]]:
    """Disciples stand in a row if there is one measurement, else each has a row."""
    if drawn.sizes[MEASUREMENT] == 1:
        return {"cols": [DISCIPLE], "rows": [MEASUREMENT]}
    return {"cols": [MEASUREMENT], "rows": [DISCIPLE]}


def _figsize(drawn: xr.Dataset, notes: Sequence[str]) -> tuple[float, float]:
    worlds, measured, data = (drawn.sizes[dim] for dim in (DISCIPLE, MEASUREMENT, DATUM))
    across, down = (worlds, 1) if measured == 1 else (measured, worlds)
    width = 2.2 + (4.8 if across == 1 else 3.0) * across
    return evidence_panels.with_notes((width, 1.2 + (0.75 + 0.27 * data) * down), notes)


def _switch(da: xr.DataArray, target: Axes, errors: float, **_: Any) -> Artist:
    """Draw the line of X, and its error as a band."""
    place, error = float(da["line"]), errors * float(da["line_mcse"])
    target.axvspan(place - error, place + error, color=style.INK, alpha=0.09, lw=0)
    return target.axvline(place, color=style.INK, lw=1.1, ls=(0, (4, 3)), zorder=2)


def _rows(da: xr.DataArray) -> np.ndarray:
    """Heights of the points: the erased world a little above its row, the other below."""
    return np.arange(da.sizes[DATUM]) + (_LIFT if int(da[SWITCH]) else -_LIFT)


def _bar(da: xr.DataArray, target: Axes, color: str, errors: float, **_: Any) -> Artist:
    value, mcse = da.values
    return target.hlines(
        _rows(da), value - errors * mcse, value + errors * mcse, color=color, lw=1.6, zorder=3
    )


def _point(da: xr.DataArray, target: Axes, color: str, **_: Any) -> Artist:
    return target.scatter(
        da.sel(number="value").values,
        _rows(da),
        s=20,
        facecolors=color if int(da[SWITCH]) else "white",
        edgecolors=color,
        linewidths=1.3,
        zorder=4,
    )


def _draw(
    forest: azp.PlotCollection, drawn: xr.Dataset, known: xr.Dataset, quantity: str, errors: float
) -> None:
    """Draw all marks; set rows, axis and title of every panel, and count what is beyond X."""
    forest.map(_switch, "switch", ignore_aes={"color"}, errors=errors)
    forest.map(_bar, "bar", errors=errors)
    forest.map(_point, "point")
    bounds = _bounds(drawn, errors)
    labels = [style.shortened(str(label)) for label in drawn[DATUM].values]
    plots = forest.viz["plot"]
    alone = drawn.sizes[MEASUREMENT] * drawn.sizes[DISCIPLE] == 1
    for name in drawn[DISCIPLE].values:
        for measurement in drawn[MEASUREMENT].values:
            where = {DISCIPLE: name, MEASUREMENT: measurement}
            axes = plots.sel({dim: where[dim] for dim in where if dim in plots.dims}).item()
            style.row_stripes(axes, len(labels))
            axes.set_xscale("function", functions=evidence_panels.ROOT)
            axes.set_xlim(bounds)
            ticks = evidence_panels.root_ticks(*bounds)
            axes.set_xticks(ticks, [style.number(tick) for tick in ticks])
            axes.set_xticks([], minor=True)
            axes.set_ylim(len(labels) - 0.5, -0.5)
            axes.set_yticks(range(len(labels)), labels)
            axes.axvline(0, color=style.GRID_COLOR, lw=0.8, zorder=1)
            width = 48 if alone else 32
            title = "\n".join(style.shortened(str(text), width) for text in (name, measurement))
            style.verbatim([*axes.get_yticklabels(), axes.set_title(title, pad=18)])
            _count(axes, known.sel(where), quantity, errors)


def _bounds(drawn: xr.Dataset, errors: float) -> tuple[float, float]:
    """Reach over bars and lines, but not so far that a wide bar hides all the points."""
    value, mcse = drawn["tells"].values
    far = max(float(value.max()), float(drawn["line"].max()), 1e-6)
    high = min(float((value + errors * mcse).max()), 1.7 * far)
    low = max(float((value - errors * mcse).min()), min(float(value.min()), -0.5 * far))
    return 1.05 * min(low, 0.0) - 4e-4 * far, 1.05 * max(high, far)


def _count(axes: Axes, panel: xr.Dataset, quantity: str, errors: float) -> None:
    """Write over a panel how many of all data matter more than X with the disciple let in."""
    switch = _SWITCHES[quantity]
    line, width = float(panel[switch]), errors * float(panel[f"{switch}_mcse"])
    value, mcse = panel[quantity].values, errors * panel[f"{quantity}_mcse"].values
    more, less = int((value - mcse > line + width).sum()), int((value + mcse < line - width).sum())
    unsure = value.size - more - less
    said = f"X {style.number(line, 2)}. Data: {more:,} more, {less:,} less, {unsure:,} unsure"
    evidence_panels.tell_above(axes, [said])


def _marks(errors: float) -> list[Artist]:
    look: dict[str, Any] = {"marker": "o", "ms": 5, "mew": 1.3, "lw": 1.6}
    grey, blue = style.ERASED_COLOR, style.LET_IN_COLOR
    return [
        Line2D([], [], color=grey, mfc="white", mec=grey, label="erased", **look),
        Line2D([], [], color=blue, mfc=blue, mec=blue, label="let in", **look),
        Line2D([], [], color=style.INK, lw=1.1, ls=(0, (4, 3)), label="X itself"),
        Patch(facecolor=style.INK, alpha=0.09, label=f"±{style.number(errors, 2)} errors"),
    ]


def _how_to_read(quantity: str, errors: float) -> list[str]:
    return [
        f"Axis: {_AXES[quantity]} (square root).",
        f"Bars and band: ±{style.number(errors, 2)} standard errors, wide enough for all data at "
        "once. Over each panel, how many data matter more than X, with the disciple let in.",
    ]


def _left_out(drawn: xr.Dataset, known: xr.Dataset) -> list[str]:
    return [
        *evidence_panels.picked(drawn.sizes[DATUM], known.sizes[DATUM], "data"),
        *evidence_panels.picked(
            drawn.sizes[MEASUREMENT],
            known.sizes[MEASUREMENT],
            "measurements",
            "those of which X or a datum tells most, one of each name first",
        ),
        *evidence_panels.picked(
            drawn.sizes[DISCIPLE],
            known.sizes[DISCIPLE] - 1,
            "disciples",
            "those whose X tells most",
        ),
    ]
