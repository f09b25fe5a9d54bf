r"""Picture: is the evidence as important to the future as whether the disciple is let in?

A spectrum per disciple: independent pieces of the evidence, by the bits of the coarse-grained
future that each tells with the disciple erased and let in, and a line at the bits that the switch
X tells; above it in words how many bits of the future a bit of either source tells,
:math:`\eta_e` and :math:`\eta_X`.
"""

from collections.abc import Sequence
from typing import Any

import arviz_plots as azp
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from counterfactual_models.errors import CounterfactualError, refuse_counts
from inference.plots import evidence_panels, style
from inference.schema import DISCIPLE, ERASED, SWITCH

__all__ = ["plot_absolute_importance"]

_COMPONENT = "component"
_QUANTITIES = {"bits": "component_bits", "relevance": "relevance"}
_SWITCHES = {"bits": "switch_bits", "relevance": "eta_switch"}
_UP = {
    "bits": "bits of the coarse-grained future that each tells",
    "relevance": "share of what each says of the past that shows in the future",
}
_LABELS = {"bits": "bits of the future", "relevance": "share that shows"}
_OF_WORLD = ("evidence_bits", "evidence_bits_mcse", "belief_bits", "eta_evidence")
_OF_SWITCH = ("switch_bits", "switch_bits_mcse", "eta_switch", "penalty", "share_below")
_DEAREST = "those of greatest penalty"
_ERRORS = 2.0
_COLUMNS = 3


def plot_absolute_importance(
    result: xr.Dataset,
    *,
    quantity: str = "bits",
    disciples: Sequence[str] | str | None = None,
    max_components: int = 24,
    max_panels: int = 6,
    figsize: tuple[float, float] | None = None,
) -> azp.PlotCollection:
    r"""Draw what independent pieces of the evidence tell of the future, beside what X tells.

    Data that say the same are one piece: a thousand lolcats do not make the switch look
    important. The axis is a square root. Penalty and share refer to the erased world's evidence.

    Parameters
    ----------
    result
        What ``diagnostics.absolute_importance`` returned.
    quantity
        ``"bits"`` of the future per piece; or ``"relevance"``, the share of what a piece says of
        the past that shows in the future, from 0 to 1, beside :math:`\eta_X`.
    disciples
        Names to keep; all by default.
    max_components, max_panels
        At most so many pieces, the first, and disciples, those of greatest penalty; the
        picture says when it leaves some out.
    figsize
        Width and height in inches; by default they follow the number of panels.

    Returns
    -------
    arviz_plots.PlotCollection
        One plot per disciple; visuals ``component``, ``error``, coloured by ``X``,
        and ``switch``.

    Raises
    ------
    DiscipleError
        If a name is not there; the nearest one is offered.
    CounterfactualError
        If `result` is no result of ``absolute_importance``.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> by_world = {"evidence_bits": 0.77, "evidence_bits_mcse": 0.02, "belief_bits": 5.57,
    ...             "eta_evidence": 0.14, "switch_bits": 0.1, "switch_bits_mcse": 0.01,
    ...             "eta_switch": 0.1, "penalty": 0.0, "share_below": 0.0}
    >>> dims = ("disciple", "component")
    >>> result = xr.Dataset(
    ...     {name: ("disciple", [number] * 2) for name, number in by_world.items()}
    ...     | {"component_bits": (dims, [[0.55, 0.22]] * 2)}
    ...     | {"component_bits_mcse": (dims, [[0.02, 0.01]] * 2)},
    ...     {"disciple": ["erased", "greedy"]},
    ... )
    >>> spectrum = plot_absolute_importance(result)
    >>> spectrum.data["tells"].sel(X=0, number="value").values.tolist()
    [[0.55, 0.22]]
    >>> plt.close(spectrum.viz["figure"].item())
    """
    refuse_counts(1, max_components=max_components, max_panels=max_panels)
    given = _asked(result, quantity, disciples)
    names = evidence_panels.let_in(given)
    drawn, kept, notes = _picked(given, quantity, max_components, max_panels)
    notes = [
        *_how_to_read(quantity, kept),
        *notes,
        *evidence_panels.picked(drawn.sizes[DISCIPLE], len(names), "disciples", _DEAREST),
    ]
    size = figsize or evidence_panels.with_notes(_figsize(drawn), notes)
    return _picture(drawn, kept, notes, size)


def _picture(
    drawn: xr.Dataset, kept: xr.Dataset, notes: list[str], size: tuple[float, float]
) -> azp.PlotCollection:
    with style.house_style():
        spectrum = azp.PlotCollection.wrap(
            drawn,
            cols=[DISCIPLE],
            col_wrap=min(_COLUMNS, drawn.sizes[DISCIPLE]),
            aes={"color": [SWITCH]},
            color=[style.ERASED_COLOR, style.LET_IN_COLOR],
            backend="matplotlib",
            figure_kwargs=style.figure_options(size),
        )
        _dress_all(spectrum, drawn, kept)
        spectrum.map(_component, "component")
        spectrum.map(_error, "error")
        spectrum.map(_switch, "switch", ignore_aes={"color"})
        title = "Is the evidence as important as whether the disciple is let in?"
        figure = spectrum.viz["figure"].item()
        style.frame(figure, title=title, handles=_marks(), notes=notes)
    return spectrum


def _asked(result: xr.Dataset, quantity: str, disciples: Sequence[str] | str | None) -> xr.Dataset:
    """Take the disciples that are asked for; refuse what is no result."""
    if quantity not in _QUANTITIES:
        raise CounterfactualError(f"got quantity={quantity!r}; expected one of {[*_QUANTITIES]}.")
    variable = _QUANTITIES[quantity]
    given = evidence_panels.asked(
        result,
        "absolute_importance",
        (*_OF_WORLD, *_OF_SWITCH, variable, f"{variable}_mcse"),
        disciples=disciples,
        also=("belief_trusted", "eta_switch_mcse", "penalty_mcse"),
    )
    return given.transpose(DISCIPLE, ...)


def _picked(
    given: xr.Dataset, quantity: str, max_components: int, max_panels: int
) -> tuple[xr.Dataset, xr.Dataset, list[str]]:
    """Pick disciples by penalty, and the first pieces that any world has; the rest are zeros."""
    worlds = np.sort(style.top(np.nan_to_num(given["penalty"].values[1:]), max_panels)) + 1
    kept = given.isel({DISCIPLE: [0, *worlds]})
    variable, switch = _QUANTITIES[quantity], _SWITCHES[quantity]
    there = np.flatnonzero(kept[variable].transpose(DISCIPLE, _COMPONENT).values.any(axis=0))
    total = int(there[-1]) + 1 if there.size else 0
    first = kept.isel({_COMPONENT: slice(max(1, min(total, max_components)))})
    error = kept.get(f"{switch}_mcse", xr.zeros_like(kept[switch]))
    drawn = evidence_panels.beside_erased(first, variable)
    drawn = drawn.assign_coords(line=kept[switch], line_mcse=error).transpose(..., _COMPONENT)
    shown = min(total, max_components)
    notes = evidence_panels.picked(shown, total, "pieces", "the most important")
    return drawn.to_dataset(name="tells").assign_attrs(quantity=quantity), kept, notes


def _figsize(drawn: xr.Dataset) -> tuple[float, float]:
    panels = drawn.sizes[DISCIPLE]
    across = min(_COLUMNS, panels)
    return max(6.4, 0.9 + 3.5 * across), 1.1 + 3.3 * -(-panels // across)


def _places(da: xr.DataArray) -> np.ndarray:
    """Put a world's bars left or right of their place."""
    return np.arange(1, da.sizes[_COMPONENT] + 1) + (0.19 if int(da[SWITCH]) else -0.19)


def _component(da: xr.DataArray, target: Axes, color: str, **_: Any) -> BarContainer:
    heights = np.nan_to_num(da.sel(number="value").values)
    return target.bar(_places(da), heights, width=0.38, color=color, zorder=2)


def _error(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    value, mcse = np.nan_to_num(da.transpose("number", ...).values)
    ends = value - _ERRORS * mcse, value + _ERRORS * mcse
    return target.vlines(_places(da), *ends, color=style.INK, lw=0.8, zorder=3)


def _switch(da: xr.DataArray, target: Axes, **_: Any) -> Artist:
    """Draw the line of X, and its error as a band."""
    place, error = float(da["line"]), _ERRORS * float(da["line_mcse"])
    target.axhspan(place - error, place + error, color=style.INK, alpha=0.09, lw=0)
    return target.axhline(place, color=style.INK, lw=1.1, ls=(0, (4, 3)), zorder=4)


def _dress_all(spectrum: azp.PlotCollection, drawn: xr.Dataset, kept: xr.Dataset) -> None:
    """Set axes and title of every panel, and say in words what the two sources come to."""
    low, high = _bounds(drawn)
    ticks = _ticks(drawn, low, high)
    high = max(high, 1.02 * ticks[-1])
    count = max(4, drawn.sizes[_COMPONENT])
    erased = kept.sel({DISCIPLE: ERASED})
    panels = np.ravel(spectrum.viz["plot"].values)
    for place, (axes, name) in enumerate(zip(panels, drawn[DISCIPLE].values, strict=False)):
        axes.set_xlabel("piece of the evidence", fontsize=8.5)
        axes.set_ylabel("" if place % _COLUMNS else _LABELS[drawn.attrs["quantity"]], fontsize=8.5)
        axes.set_yscale("function", functions=evidence_panels.ROOT)
        axes.set_ylim(low, high)
        axes.set_yticks(ticks, [style.number(tick) for tick in ticks])
        axes.set_yticks([], minor=True)
        axes.set_xlim(0.4, count + 0.6)
        axes.set_xticks(range(1, count + 1) if count <= 12 else [1, *range(5, count + 1, 5)])
        # A last row that is not full would leave the panels above it without numbers.
        axes.tick_params(labelbottom=True, labelleft=True, length=0)
        axes.grid(axis="y", color=style.GRID_COLOR, lw=0.5)
        axes.set_axisbelow(True)
        title = axes.set_title(style.shortened(str(name), 34), pad=66)
        style.verbatim([title, _tell(axes, kept.sel({DISCIPLE: name}), erased)])
        if not np.isfinite(drawn["tells"].sel({DISCIPLE: name})).all():
            text = "some pieces are not known"
            evidence_panels.say_inside(axes, text, (0.97, 0.93), ha="right", va="top")


def _bounds(drawn: xr.Dataset) -> tuple[float, float]:
    value, mcse = np.nan_to_num(drawn["tells"].transpose("number", ...).values)
    far = max(float(value.max()), float(drawn["line"].fillna(0).max()), 1e-6)
    high = min(max(far, float((value + _ERRORS * mcse).max())), 1.5 * far)
    least = min(0.0, float(value.min()), float(drawn["line"].fillna(0).min()))
    return 1.08 * least, 1.08 * high


def _ticks(drawn: xr.Dataset, low: float, high: float) -> list[float]:
    """Ticks up to a round number that no bar passes."""
    most = float(np.nan_to_num(drawn["tells"].sel(number="value").values).max())
    if most <= 0:
        return evidence_panels.root_ticks(low, high)
    step = 0.5 * 10.0 ** np.floor(np.log10(most))
    last = float(np.ceil(most / step - 1e-9) * step)
    ticks = evidence_panels.root_ticks(low, max(high, last))
    wide = np.sqrt(last) - np.sign(low) * np.sqrt(abs(low))
    near = 0.1 * wide
    return [tick for tick in ticks if tick <= 0 or np.sqrt(last) - np.sqrt(tick) > near] + [last]


def _answer(one: xr.Dataset, erased: xr.Dataset) -> str:
    """Answer the question of the title, as far as noise lets it be answered."""
    more = float(one["eta_switch"] - erased["eta_evidence"])
    error = _ERRORS * float(one.get("penalty_mcse", 0.0))
    if not np.isfinite(more + error) or not bool(erased.get("belief_trusted", True)):
        return "Not known"
    if abs(more) <= error:
        return "Undecided: within noise"
    return "No: a bit of X tells more" if more > 0 else "Yes: a bit of evidence tells more"


def _tell(axes: Axes, one: xr.Dataset, erased: xr.Dataset) -> Text:
    """Write over a panel what both sources tell, and what of it is charged."""
    number, estimate = evidence_panels.number, evidence_panels.estimate
    lines = [
        _answer(one, erased),
        f"X: {estimate(one, 'switch_bits')} of 1 bit, η {number(one['eta_switch'])}",
        *(
            f"evidence, {name}: {estimate(world, 'evidence_bits')} of "
            f"{number(world['belief_bits'])} bits, η {number(world['eta_evidence'])}"
            for name, world in (("erased", erased), ("let in", one))
        ),
        f"penalty {number(one['penalty'])}; {_percent(one['share_below'])} of the bits are in "
        "pieces below X",
    ]
    return evidence_panels.tell_above(axes, lines)


def _percent(value: xr.DataArray) -> str:
    return f"{float(value):.0%}" if np.isfinite(value) else "an unknown share"


def _marks() -> list[Artist]:
    return [
        Patch(color=style.ERASED_COLOR, label="erased"),
        Patch(color=style.LET_IN_COLOR, label="let in"),
        Line2D([], [], color=style.INK, lw=1.1, ls=(0, (4, 3)), label="X itself"),
    ]


def _how_to_read(quantity: str, kept: xr.Dataset) -> list[str]:
    doubts = (
        "There are too few draws for so many dimensions of the past: bits of belief, η of the "
        "evidence and the penalty cannot be trusted."
    )
    trusted = bool(kept["belief_trusted"].all()) if "belief_trusted" in kept else True
    return [
        "Across: independent pieces of the evidence, the most important first. Up: "
        f"{_UP[quantity]} (square root).",
        "η: bits of the future per bit of the source. Penalty: what η of X has over η of the "
        "evidence, erased; pieces: of that, too. ±: a standard error; lines and band: two.",
        *[doubts] * (not trusted),
    ]
