r"""Picture: at which power and diversity does what was learned optimize by itself?

Left: the phases of the allocation model over the number of instances N and the power P, with
contours of :math:`x^*` and the curves N1 and N2 between the phases. Right: :math:`x^*(N)`, and the
bits applied to an instance, at a few powers.
"""

from collections.abc import Sequence
from typing import Any

import arviz_plots as azp
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator
from scipy.ndimage import distance_transform_edt

from counterfactual_models.errors import CounterfactualError
from inference.plots import style
from inference.plots.direct_labels import apart
from inference.plots.evidence_panels import with_notes

__all__ = ["plot_delegation"]

POWER, INSTANCES, SHOWN = "power", "instances", "shown"
_NEEDED = ("x", "value", "regime", "some_from", "most_from")
_REGIMES = {
    "tuned": ("#eceef1", "nothing is searched at run time"),
    "mixed": ("#d3e5f2", "tuned and searched"),
    "search": ("#94c3e3", "all power went into search"),
    "capped": ("#6d9dbf", "searched as far as can be, power is left"),
}
_SHADES = ("#7db4da", "#3f90c6", "#0b6fb3", "#063f68")
_WIDE, _SHORT = 20.0, 500.0
_PLACES = 200
_DASHES = (0, (4, 3))
_PAD = 17
_HALO = withStroke(linewidth=3, foreground="white")
_HOW_TO_READ = (
    "A base optimizer of P bits serves N instances. It tunes its bits into them, or spends f(x) "
    "of them to find a learned algorithm that searches x bits in every instance. Thin lines: "
    "equal x*. Beyond N₁ something is searched, from N₂ on as much as can be; triangles mark the "
    "powers shown on the right."
)


def plot_delegation(
    phases: xr.Dataset,
    *,
    powers: Sequence[float] | float | None = None,
    figsize: tuple[float, float] | None = None,
) -> azp.PlotCollection:
    r"""Draw who does the optimizing, over the power and the diversity of the environment.

    .. math:: x^* = \arg\max_x\; \frac{P - f(x)}{N} + x

    Parameters
    ----------
    phases
        What ``diagnostics.delegation`` returned for grids of powers and of instances; some
        hundred of each make smooth borders.
    powers
        Powers that are shown on the right, at most four, to the nearest on the grid; by default
        four evenly spread.
    figsize
        Width and height in inches.

    Returns
    -------
    arviz_plots.PlotCollection
        Three plots: ``phase`` with the visuals ``region`` and ``border``, ``x`` and ``value``
        with ``lines``.

    Raises
    ------
    CounterfactualError
        If `phases` is no result of ``delegation``, holds fewer than two powers or numbers of
        instances, or a power lies beyond its grid.

    References
    ----------
    Hubinger, van Merwijk, Mikulik, Skalse and Garrabrant (2019), arXiv:1906.01820, section 2.1.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from inference.arrays.delegation import QuadraticCost
    >>> from inference.diagnostics.delegation import delegation
    >>> grid = np.linspace(20.0, 200.0, 40), np.geomspace(1, 100, 40)
    >>> picture = plot_delegation(delegation(*grid, QuadraticCost(0.5, fixed=18.0)))
    >>> [text.get_text() for text in picture.viz["plot"]["phase"].item().texts[-2:]]
    ['N₁', 'N₂']
    >>> plt.close(picture.viz["figure"].item())
    """
    _refuse(phases)
    shown = _shown(phases[POWER].values, powers)
    drawn = _laid_out(phases, shown)
    notes = [_HOW_TO_READ, *_told(phases.attrs)]
    size = figsize or with_notes((12.6, 4.9), notes)
    options = style.figure_options(size) | {"sharex": False, "sharey": False}
    with style.house_style():
        picture = azp.PlotCollection.wrap(
            drawn,
            cols=["__variable__"],
            col_wrap=3,
            backend="matplotlib",
            figure_kwargs=options | {"width_ratios": (1.5, 1.0, 1.0)},
        )
        phase, x, value = (picture.viz["plot"][name].item() for name in drawn.data_vars)
        _dress_phase(phase, phases, shown)
        _dress_lines(x, drawn["x"], "x*, bits searched in an instance")
        _dress_lines(value, drawn["value"], "bits applied to an instance")
        picture.map(_region, "region", data=drawn[["phase"]])
        picture.map(_border, "border", data=drawn[["phase"]])
        picture.map(_lines, "lines", data=drawn[["x", "value"]])
        style.frame(
            picture.viz["figure"].item(),
            title="Who does the optimizing: the base optimizer, or what it learned?",
            handles=_marks(phases),
            notes=notes,
        )
        style.verbatim(picture.viz["figure"].item().texts)
    return picture


def _refuse(phases: Any) -> None:
    """Refuse what is no phase diagram."""
    if not isinstance(phases, xr.Dataset) or not {*_NEEDED} <= set(phases.variables):
        got = list(phases) if isinstance(phases, xr.Dataset) else type(phases).__name__
        raise CounterfactualError(
            f"got {got}; expected the Dataset that diagnostics.delegation(power, instances, cost) "
            f"returns, with the variables {sorted(_NEEDED)}."
        )
    few = [dim for dim in (POWER, INSTANCES) if phases.sizes.get(dim, 1) < 2]
    if few:
        raise CounterfactualError(
            f"got a single value of {' and '.join(few)}; expected grids of two at least, such as "
            "numpy.geomspace(1, 1000, 100)."
        )
    strange = set(np.unique(phases["regime"].values.astype(str))) - set(_REGIMES)
    if strange:
        raise CounterfactualError(f"got the regimes {sorted(strange)}; expected {list(_REGIMES)}.")


def _shown(grid: np.ndarray, powers: Sequence[float] | float | None) -> np.ndarray:
    """Take the powers of the grid that are asked for, or some evenly spread."""
    if powers is None:
        places = np.linspace(0, grid.size - 1, len(_SHADES) + 1)[1:]
        return grid[np.unique(np.round(places).astype(int))]
    asked = np.ravel(np.asarray(powers, dtype=float))
    if not 0 < asked.size <= len(_SHADES):
        raise CounterfactualError(
            f"got {asked.size} powers to show; expected one to {len(_SHADES)}."
        )
    if not ((asked >= grid[0]) & (asked <= grid[-1])).all():
        raise CounterfactualError(
            f"got powers={asked.tolist()}; expected powers between {grid[0]:g} and {grid[-1]:g}, "
            "the ends of the grid."
        )
    return grid[np.unique(np.abs(grid[:, None] - asked).argmin(axis=0))]


def _laid_out(phases: xr.Dataset, shown: np.ndarray) -> xr.Dataset:
    """Lay out the regimes by number, the two borders, and the lines of the powers shown."""
    regime = phases["regime"].astype(str)
    same = [place * (regime == name) for place, name in enumerate(_REGIMES)]
    codes = xr.concat(same, "each").sum("each")
    lines = phases[["x", "value"]].sel({POWER: shown}).rename({POWER: SHOWN})
    borders = {name: phases[name] for name in ("some_from", "most_from")}
    return xr.Dataset({"phase": codes.assign_coords(borders), **lines}).transpose(
        POWER, SHOWN, INSTANCES
    )


def _dress_phase(axes: Axes, phases: xr.Dataset, shown: np.ndarray) -> None:
    """Set the axes of the phase diagram; draw contours, names of the regions, and triangles."""
    power, instances = phases[POWER].values, phases[INSTANCES].values
    axes.set_xscale("log")
    axes.set_yscale("log" if _is_geometric(power) else "linear")
    axes.set_xlim(instances[0], instances[-1])
    axes.set_ylim(power[0], power[-1])
    axes.set_title("phases", pad=_PAD)
    axes.set_xlabel("number of instances N")
    axes.set_ylabel("power of the base optimizer P, bits")
    _plain_ticks(axes)
    _draw_contours(axes, phases)
    _name_regions(axes, phases)
    for color, place in zip(_SHADES[-len(shown) :], shown, strict=True):
        look: dict[str, Any] = {"marker": "<", "ms": 6, "color": color, "clip_on": False}
        axes.plot(1.015, place, transform=axes.get_yaxis_transform(), **look)


def _plain_ticks(axes: Axes) -> None:
    """Write numbers as one would by hand, without a power of ten on every tick."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: style.number(value))
        axis.set_minor_formatter(lambda value, _: "")
        low, high = sorted(axis.get_view_interval())
        if axis.get_scale() == "log" and high < _SHORT * low:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.tick_params(axis="y", labelcolor=style.MUTED, labelsize=8)
    axes.tick_params(axis="x", which="minor", color=style.GRID_COLOR)
    axes.tick_params(axis="y", which="minor", left=False)


def _is_geometric(grid: np.ndarray) -> bool:
    """Whether a grid rises by factors rather than by steps."""
    if grid[0] <= 0 or grid[-1] < _WIDE * grid[0]:
        return False
    steps, factors = np.diff(grid), np.diff(np.log(grid))
    return bool(factors.std() / factors.mean() < steps.std() / steps.mean())


def _draw_contours(axes: Axes, phases: xr.Dataset) -> None:
    """Draw lines of equal x* where anything is searched."""
    x = phases["x"].transpose(POWER, INSTANCES).values
    searched = x[x > 0]
    if not searched.size or np.ptp(searched) == 0:
        return
    levels = MaxNLocator(7).tick_values(searched.min(), searched.max())
    levels = levels[(levels > searched.min()) & (levels < searched.max())]
    if not levels.size:
        return
    lines = axes.contour(
        phases[INSTANCES].values,
        phases[POWER].values,
        np.ma.masked_less_equal(x, 0.0),
        levels=levels,
        colors=[style.INK],
        linewidths=0.6,
        alpha=0.55,
        zorder=2,
    )
    texts = axes.clabel(lines, fmt=lambda level: style.number(level), fontsize=7.5, inline=True)
    style.verbatim(texts)


def _name_regions(axes: Axes, phases: xr.Dataset) -> None:
    """Write the name of a region where there is most room around it, as it is seen."""
    # Grids need not be spaced as their axes are: look at places of the panel, not of the grid.
    places = (np.arange(_PLACES) + 0.5) / _PLACES
    panel = axes.transAxes + axes.transData.inverted()
    across, up = panel.transform(np.stack([places, places], axis=1)).T
    seen = phases["regime"].astype(str).sel({POWER: up, INSTANCES: across}, method="nearest")
    regime = seen.transpose(POWER, INSTANCES).values
    for name in _REGIMES:
        # The panel is about as wide as it is high.
        room = distance_transform_edt(np.pad(regime == name, 1))[1:-1, 1:-1] / _PLACES
        row, column = np.unravel_index(room.argmax(), room.shape)
        if room.max() < 0.035:
            continue
        axes.text(
            float(places[column]),
            float(places[row]),
            name,
            transform=axes.transAxes,
            ha="center",
            va="center",
            fontweight="bold",
            path_effects=[_HALO],
            zorder=5,
        )


def _dress_lines(axes: Axes, lines: xr.DataArray, title: str) -> None:
    """Set the axes of a panel of lines; name each line's power to the right of it."""
    values, instances = lines.transpose(SHOWN, INSTANCES).values, lines[INSTANCES].values
    low, high = float(values.min()), float(values.max())
    steep = low > 0 and high > _WIDE * low
    axes.set_xscale("log")
    axes.set_xlim(instances[0], instances[-1])
    axes.set_yscale("log" if steep else "linear")
    high += 1.0 * (high == low)
    margin = 0.04 * (high - low)
    axes.set_ylim(*((low / 1.15, high * 1.15) if steep else (low - margin, high + margin)))
    axes.set_title(title, pad=_PAD)
    axes.set_xlabel("number of instances N")
    axes.grid(color=style.GRID_COLOR, lw=0.5)
    axes.set_axisbelow(True)
    _plain_ticks(axes)
    ends = axes.transData.transform(
        np.stack([instances[-1] * np.ones(len(values)), values[:, -1]], 1)
    )
    heights = axes.transAxes.inverted().transform(ends)[:, 1]
    named = zip(_SHADES[-len(values) :], apart(heights, -0.02, 1.02, 0.055), strict=True)
    for power, (color, height) in zip(lines[SHOWN].values, named, strict=True):
        look: dict[str, Any] = {"va": "center", "fontsize": 8.5, "color": color}
        said = f"P = {style.number(float(power))}"
        axes.text(1.02, height, said, transform=axes.transAxes, **look)


def _region(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    """Colour the regions, under everything else."""
    colors = ListedColormap([color for color, _ in _REGIMES.values()])
    return target.pcolormesh(
        da[INSTANCES].values,
        da[POWER].values,
        da.values,
        cmap=colors,
        norm=BoundaryNorm(np.arange(len(_REGIMES) + 1) - 0.5, len(_REGIMES)),
        shading="nearest",
        zorder=1,
        rasterized=True,
    )


def _border(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    """Draw N2 dashed and N1 solid over it, each named where it leaves the panel."""
    power = da[POWER].values
    low, high = target.get_xlim()
    where: dict[tuple[float, float], str] = {}
    drawn: list[Artist] = []
    for name, label, dashes in (("some_from", "N₁", "-"), ("most_from", "N₂", _DASHES)):
        # What never comes lies far to the right, where the line is on its way to.
        places = np.where(np.isfinite(da[name].values), da[name].values, 1e3 * high)
        look: dict[str, Any] = {"ls": dashes, "zorder": 4 + (name == "some_from")}
        drawn += target.plot(places, power, color=style.INK, lw=1.6, **look)
        within = np.flatnonzero((places > low) & (places < high))
        if within.size:
            end = float(places[within[-1]]), float(power[within[-1]])
            where[end] = f"{where[end]} = {label}" if end in where else label
    for end, label in where.items():
        beside: dict[str, Any] = {"textcoords": "offset points", "ha": "center"}
        target.annotate(label, end, (0, 3), fontsize=9, annotation_clip=False, **beside)
    return drawn[0]


def _lines(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    """Draw one line for every power, the darker the greater."""
    values = da.transpose(SHOWN, INSTANCES).values
    strokes = [np.stack([da[INSTANCES].values, line], axis=1) for line in values]
    shades = _SHADES[-len(values) :]
    return target.add_collection(
        LineCollection(strokes, colors=shades, linewidths=1.7, zorder=3), autolim=False
    )


def _marks(phases: xr.Dataset) -> list[Artist]:
    """Say what the colours of the regions mean."""
    here = set(np.unique(phases["regime"].values.astype(str)))
    handles: list[Artist] = [
        Patch(facecolor=color, edgecolor=style.GRID_COLOR, label=f"{name}: {said}")
        for name, (color, said) in _REGIMES.items()
        if name in here
    ]
    ink: dict[str, Any] = {"color": style.INK, "lw": 1.6}
    handles.append(Line2D([], [], label="N₁", **ink))
    handles.append(Line2D([], [], label="N₂", ls=_DASHES, **ink))
    return handles


def _told(attrs: Any) -> list[str]:
    """Say which cost, limit and novelty the phases are of, where it is known."""
    said = [f"Cost f: {style.shortened(str(attrs['cost']), 80)}."] if "cost" in attrs else []
    limit, novel = float(attrs.get("limit", 0.0)), float(attrs.get("novel", 0.0))
    said += [f"At most {style.number(limit)} bits at run time."] * (limit > 0)
    said += [f"{style.number(100 * novel)} % of the instances met are new."] * (novel > 0)
    return [" ".join(said)] if said else []
