r"""Picture: how would each measurement change if a datum had been a little different?

A heat map per world, measurements by data: the colour of a cell is
:math:`\sigma_j\, dE[g]/de_j` over the row's largest, blue where the measurement rises with the
datum and rust, with a dash, where it falls. What is within its error is faded and hatched. Of
``evidence_gradient(worlds, difference=True)`` it shows what letting a disciple in adds to slopes.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import arviz_plots as azp
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path

from counterfactual_models.errors import CounterfactualError, refuse_counts
from inference.plots import evidence_panels, style
from inference.schema import DATUM, DISCIPLE, ERASED, MEASUREMENT

__all__ = ["plot_evidence_gradient"]

_COLORS = LinearSegmentedColormap.from_list(
    "falls_rises", ["#7f2704", "#d2672f", "#f6cbb0", "#ffffff", "#b9d5ec", "#3b86c4", "#08366b"]
)
_FADED = 0.3
_CELL = (0.25, 0.3)
_WIDEST = 13.0
_TITLES = (
    "How would the future change if the evidence had been different?",
    "How does letting a disciple in change the weight of the evidence?",
)
_FIRST = "the most important, in descending order"


def plot_evidence_gradient(
    result: xr.Dataset,
    *,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    data: Sequence[str] | str | None = None,
    max_rows: int = 16,
    max_columns: int = 36,
    max_panels: int = 4,
    figsize: tuple[float, float] | None = None,
) -> azp.PlotCollection:
    r"""Draw the slopes of all measurements by all data, in every world, or how they differ.

    Measurements have different units, and so have data: a slope is taken per standard deviation
    of the datum given the others (where the result knows it), and drawn as a share of the largest
    of its row that is beyond its error, in any world shown. While all data fit they stand in
    their order; else the most important come first.

    Parameters
    ----------
    result
        What ``diagnostics.evidence_gradient`` returned. Of one with moments or cells, choose one:
        ``result.sel(moment="mean")``. One made with ``difference=True`` (it says so in its
        attributes) is drawn as differences, with the errors it has of them.
    disciples, measurements, data
        Names to keep (``"orders"`` keeps all of ``orders[...]``); all by default.
    max_rows, max_columns, max_panels
        At most so many measurements, data and worlds; the picture says when it leaves some out.
    figsize
        Width and height in inches; by default they follow the number of cells.

    Returns
    -------
    arviz_plots.PlotCollection
        One plot per world; visuals ``cells``, ``unsure``, ``falls``. Its ``data`` are the shares
        that are drawn (``number="value"``), from -1 to 1 where beyond their error, and their
        standard errors.

    Raises
    ------
    DiscipleError, MeasurementError, EvidenceError
        If a name is not there; the nearest one is offered.
    CounterfactualError
        If `result` is no result of ``evidence_gradient``, or has moments or cells.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> dims = ("disciple", "measurement", "datum")
    >>> result = xr.Dataset(
    ...     {"gradient": (dims, [[[2.0, -1.0]]]), "mcse": (dims, [[[0.1, 0.1]]])},
    ...     {"disciple": ["erased"], "measurement": ["price"], "datum": ["orders[0]", "gdp"]},
    ... )
    >>> heat = plot_evidence_gradient(result)
    >>> heat.data["share"].sel(number="value").values.ravel().tolist()
    [1.0, -0.5]
    >>> plt.close(heat.viz["figure"].item())
    """
    refuse_counts(1, max_rows=max_rows, max_columns=max_columns, max_panels=max_panels)
    difference = bool(getattr(result, "attrs", {}).get("difference", 0))
    given = evidence_panels.asked(
        result,
        "evidence_gradient",
        ("gradient", "mcse"),
        disciples=disciples,
        measurements=measurements,
        data=data,
        compared=difference,
    )
    worlds, notes = _comparable(given, difference)
    drawn, largest, errors = _shares(worlds, difference, (max_panels, max_rows, max_columns))
    said = _how_to_read(worlds, difference, errors) + notes + _left_out(drawn, worlds, difference)
    said += ["Nothing here can be told from noise."] * (not largest.any())
    return _picture(drawn, largest, errors, _TITLES[difference], said, figsize)


def _picture(
    drawn: xr.Dataset,
    largest: np.ndarray,
    errors: float,
    title: str,
    notes: list[str],
    figsize: tuple[float, float] | None,
) -> azp.PlotCollection:
    side_by_side, size = _layout(drawn)
    size = figsize or evidence_panels.with_notes(size, notes)
    with style.house_style():
        heat = azp.PlotCollection.grid(
            drawn,
            **{"cols" if side_by_side else "rows": [DISCIPLE]},
            backend="matplotlib",
            figure_kwargs=style.figure_options(size),
        )
        heat.map(_cells, "cells", errors=errors)
        heat.map(_unsure, "unsure", errors=errors)
        heat.map(_falls, "falls", errors=errors)
        _dress_all(heat, drawn, largest)
        figure = heat.viz["figure"].item()
        style.frame(figure, title=title, handles=_marks(errors), notes=notes)
    return heat


def _comparable(given: xr.Dataset, difference: bool) -> tuple[xr.Dataset, list[str]]:
    """Refuse what is no table of worlds, measurements and data; leave out data with holes."""
    more = sorted(map(str, set(given["gradient"].dims) - {DISCIPLE, MEASUREMENT, DATUM}))
    if more:
        raise CounterfactualError(
            f"got slopes with the dims {more} too; expected measurements by data: choose one "
            f"place, as in result.isel({more[0]}=0)."
        )
    if difference:
        evidence_panels.let_in(given)
    known = ["gradient", "mcse", *(["scale"] if "scale" in given.coords else [])]
    kept, notes = evidence_panels.whole(given, known)
    return kept.transpose(DISCIPLE, MEASUREMENT, DATUM), notes


def _shares(
    worlds: xr.Dataset, difference: bool, limits: tuple[int, int, int]
) -> tuple[xr.Dataset, np.ndarray, float]:
    """Pick what is drawn, as shares of the largest of each row; with these and the errors."""
    sizes = [worlds.sizes[dim] for dim in (DISCIPLE, MEASUREMENT, DATUM)]
    errors = evidence_panels.error_count(int(np.prod(sizes)))
    panels, rows = _panels_and_rows(worlds, difference, errors, limits)
    kept = worlds.isel({MEASUREMENT: rows})
    sure, size = np.zeros(sizes[2]), np.zeros(sizes[2])
    largest, units = np.zeros((2, len(rows)))
    for row, (value, mcse) in enumerate(_by_measurement(kept)):
        value, mcse = np.abs(value[panels]), mcse[panels]
        largest[row] = np.max(value, where=value > errors * mcse, initial=0.0)
        # A row of noise has no largest: it is drawn pale, however small its errors.
        unit = units[row] = largest[row] or errors * mcse.max() or 1.0
        sure = np.maximum(sure, (value - errors * mcse).max(axis=0).clip(min=0) / unit)
        size = np.maximum(size, value.max(axis=0) / unit)
    columns = np.arange(sizes[2])
    if sizes[2] > limits[2]:
        columns = evidence_panels.most(sure, size, limits[2])
    numbers = list(_by_measurement(kept.isel({DATUM: columns})))
    shares = np.array([np.stack(pair)[:, panels] for pair in numbers])
    shares /= units[:, None, None, None]
    drawn = xr.DataArray(
        shares,
        dims=(MEASUREMENT, "number", DISCIPLE, DATUM),
        coords={
            "number": ["value", "mcse"],
            DISCIPLE: worlds[DISCIPLE].values[panels],
            MEASUREMENT: kept[MEASUREMENT].values,
            DATUM: kept[DATUM].values[columns],
        },
    )
    return drawn.to_dataset(name="share"), largest, errors


def _by_measurement(worlds: xr.Dataset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Slopes per spread of the datum, and their errors, (world, datum), row by row."""
    scale = worlds["scale"].values if "scale" in worlds.coords else 1.0
    for value, mcse in evidence_panels.numbers_by(MEASUREMENT, worlds["gradient"], worlds["mcse"]):
        yield value * scale, mcse * scale


def _panels_and_rows(
    worlds: xr.Dataset, difference: bool, errors: float, limits: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Pick the worlds that differ most from the erased one, and the rows that data move most."""
    differ, moved = np.zeros(worlds.sizes[DISCIPLE]), []
    for value, mcse in _by_measurement(worlds):
        moved.append(np.count_nonzero(np.abs(value) > errors * mcse))
        if difference:
            differ += np.count_nonzero(np.abs(value) > errors * mcse, axis=1)
        else:
            unlike = np.abs(value - value[:1]) > errors * np.hypot(mcse, mcse[:1])
            differ += np.count_nonzero(unlike, axis=1)
    if not difference:
        differ[0] = np.inf
    rows = style.top(np.array(moved), limits[1])
    return np.sort(style.top(differ, limits[0])), np.sort(rows)


def _layout(drawn: xr.Dataset) -> tuple[bool, tuple[float, float]]:
    """Say whether panels stand side by side, and how large the figure is."""
    panels, rows, columns = (drawn.sizes[dim] for dim in (DISCIPLE, MEASUREMENT, DATUM))
    width, height = max(1.7, _CELL[0] * columns), max(0.7, _CELL[1] * rows)
    labels = 0.07 * max(len(_short(label)) for label in drawn[DATUM].values)
    side_by_side = panels * (width + 0.2) <= _WIDEST - 2.4
    across, down = (panels, 1) if side_by_side else (1, panels)
    wide = max(6.4, 2.6 + (width + 0.2) * across)
    return side_by_side, (wide, 1.5 + labels + (height + 0.35) * down)


def _cells(da: xr.DataArray, target: Axes, errors: float, **_: Any) -> Artist:
    value, unsure = _told(da, errors)
    shown = np.where(unsure, _FADED, 1.0) * value
    return target.pcolormesh(
        *_edges(value), shown, cmap=_COLORS, vmin=-1, vmax=1, edgecolors="white", linewidth=0.8
    )


def _unsure(da: xr.DataArray, target: Axes, errors: float, **_: Any) -> Artist:
    """Hatch what is within its error."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) - 0.5
    places = np.argwhere(_told(da, errors)[1])[:, ::-1]
    squares = [Path(corners + place, closed=True) for place in places]
    shape = Path.make_compound_path(*squares) if squares else Path(np.zeros((0, 2)))
    return target.add_patch(
        PathPatch(shape, facecolor="none", edgecolor=style.GRID_COLOR, lw=0, hatch="/////")
    )


def _falls(da: xr.DataArray, target: Axes, errors: float, **_: Any) -> Artist:
    """Put a dash where a measurement falls, so that its sign survives without colour."""
    value, unsure = _told(da, errors)
    rows, columns = np.nonzero((value < 0) & ~unsure)
    ink = np.where(np.abs(value[rows, columns]) > 0.45, "white", "#7f2704")
    return target.scatter(columns, rows, marker="_", s=22, c=ink, linewidths=1.3)


def _told(da: xr.DataArray, errors: float) -> tuple[np.ndarray, np.ndarray]:
    """Shares (measurement, datum), and whether they are within their error."""
    value, mcse = da.transpose("number", MEASUREMENT, DATUM).values
    return value, np.abs(value) < errors * mcse


def _edges(value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = value.shape
    return np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5


def _short(label: object) -> str:
    return style.shortened(str(label), 22)


def _dress_all(heat: azp.PlotCollection, drawn: xr.Dataset, largest: np.ndarray) -> None:
    """Set rows, columns and title of every world's panel; and what the darkest of a row is."""
    panels = list(np.atleast_1d(heat.viz["plot"].values))
    labels = [style.shortened(str(label), 30) for label in drawn[MEASUREMENT].values]
    data = [_short(label) for label in drawn[DATUM].values]
    width = max(20, int(4 * len(data)))
    for axes, name in zip(panels, drawn[DISCIPLE].values, strict=True):
        axes.set_xlim(-0.5, len(data) - 0.5)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_yticks([row - 0.12 for row in range(len(labels))], labels)
        axes.set_xticks(range(len(data)), data, rotation=90)
        axes.tick_params(axis="x", length=0, labelcolor=style.INK)
        title = axes.set_title(style.shortened(str(name), width))
        title.set_color(style.MUTED if name == ERASED else style.LET_IN_COLOR)
        style.verbatim([*axes.get_yticklabels(), *axes.get_xticklabels(), title])
        for side in axes.spines.values():
            side.set(visible=True, color=style.GRID_COLOR)
        if axes.get_subplotspec().is_first_col():
            _own_units(axes, largest)


def _own_units(axes: Axes, largest: np.ndarray) -> None:
    """Write beneath each row's name what full colour means there."""
    for row, size in enumerate(largest):
        axes.annotate(
            f"largest {style.number(float(size), 2)}" if size else "all within error",
            (0, row + 0.27),
            (-7, 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=6.5,
            color=style.MUTED,
            annotation_clip=False,
        )


def _marks(errors: float) -> list[Artist]:
    named = ((-1.0, "−1 (dash)"), (0.0, "0"), (1.0, "+1"))
    handles: list[Artist] = [
        Patch(facecolor=_COLORS((1 + share) / 2), edgecolor=style.GRID_COLOR, label=name)
        for share, name in named
    ]
    look: dict[str, Any] = {"facecolor": "white", "edgecolor": style.ERASED_COLOR, "lw": 0}
    unsure = Patch(hatch="//////", label=f"within {style.number(errors, 2)} errors", **look)
    return [*handles, unsure]


def _how_to_read(worlds: xr.Dataset, difference: bool, errors: float) -> list[str]:
    per = (
        "when the datum is one standard deviation higher (given the other data)"
        if "scale" in worlds.coords
        else "per unit of the datum (its spread given the others is not in this result)"
    )
    what = (
        "slope with the disciple let in, less that with it erased"
        if difference
        else "change of the mean"
    )
    said = (
        f"Colour: {what}, {per}, as a share of the row's largest that is beyond its error; that "
        "one is written under the row's name, in its own units."
    )
    hatched = (
        f"Hatched and faded: within {style.number(errors, 2)} standard errors of zero; noise "
        "alone stays there in 95 pictures of 100."
    )
    return [said, hatched]


def _left_out(drawn: xr.Dataset, worlds: xr.Dataset, difference: bool) -> list[str]:
    return [
        *evidence_panels.picked(drawn.sizes[DATUM], worlds.sizes[DATUM], "data", _FIRST),
        *evidence_panels.picked(
            drawn.sizes[MEASUREMENT],
            worlds.sizes[MEASUREMENT],
            "measurements",
            "those that most data move",
        ),
        *evidence_panels.picked(
            drawn.sizes[DISCIPLE] - (not difference),
            worlds.sizes[DISCIPLE] - (not difference),
            "disciples",
            "those whose slopes differ most",
        ),
    ]
