"""What all pictures share: colours, type, frames, and the notes on what a picture leaves out.

One colour means one thing: grey is the erased world, blue the world with a disciple let in.
The verdicts differ in shape and in lightness, so that they can be told apart in greyscale.
"""

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib.style
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text

__all__ = [
    "ERASED_COLOR",
    "GRID_COLOR",
    "INK",
    "LET_IN_COLOR",
    "MUTED",
    "STRIPE_COLOR",
    "VERDICTS",
    "VerdictStyle",
    "count_note",
    "figure_options",
    "frame",
    "house_style",
    "number",
    "row_stripes",
    "shortened",
    "top",
    "verbatim",
]

INK, MUTED, GRID_COLOR, STRIPE_COLOR = "#1f2430", "#667080", "#d5d9e0", "#f5f6f8"
ERASED_COLOR, LET_IN_COLOR = "#9aa1ac", "#0b6fb3"


class VerdictStyle(NamedTuple):
    """How a verdict is drawn: colour of line and edge, colour inside, shape."""

    color: str
    face: str
    marker: str


VERDICTS = {
    "above": VerdictStyle("#b3370c", "#b3370c", "o"),
    "undecided": VerdictStyle("#8a7a4d", "#d9cfae", "D"),
    "below": VerdictStyle("#14866d", "#ffffff", "o"),
}
"""Styles of the verdicts, in the order of the legend."""

_RC: dict[str, Any] = {
    "axes.edgecolor": GRID_COLOR,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.unicode_minus": True,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.08,
    "font.size": 9.0,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handletextpad": 0.5,
    "text.color": INK,
    "xtick.color": GRID_COLOR,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 8.0,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8.5,
    "ytick.left": False,
}


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the house style, whatever the user's own is, and leave theirs as it was."""
    with matplotlib.style.context(["default", _RC]):
        yield
        interactive = matplotlib.is_interactive()
    # A notebook's backend loads with the first figure and turns this on; if it were undone with
    # the rest of the style, no later figure would show.
    matplotlib.interactive(interactive)


def figure_options(figsize: tuple[float, float]) -> dict[str, Any]:
    """Say how ArviZ should make the figure: columns on one scale, room for what `frame` writes."""
    shared = {"sharex": True, "sharey": True}
    return {"figsize": figsize, "layout": "constrained", "dpi": 120, **shared}


def frame(figure: Figure, *, title: str, handles: Sequence[Artist], notes: Sequence[str]) -> None:
    """Write what a picture shows, and its marks, above it; its axis and its notes below it."""
    width, height = figure.get_size_inches()
    per_row = max(2, int(width / 1.4))
    mark_rows = -(-len(handles) // per_row)
    lines = [line for note in notes for line in textwrap.wrap(note, int((width - 0.2) / 0.064))]
    head, foot = 0.42 + 0.19 * mark_rows, 0.16 + 0.175 * len(lines)
    left = 0.12 / width
    figure.text(left, 1 - 0.1 / height, title, va="top", fontsize=12, fontweight="bold")
    figure.legend(
        handles=list(handles),
        loc="upper left",
        bbox_to_anchor=(left, 1 - 0.34 / height),
        ncols=per_row,
        borderpad=0.2,
        borderaxespad=0,
        columnspacing=1.6,
    )
    figure.text(
        left,
        0.09 / height,
        "\n".join(lines),
        va="bottom",
        fontsize=8.5,
        color=MUTED,
        linespacing=1.4,
    )
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(rect=(0, foot / height, 1, 1 - (head + foot) / height))


def row_stripes(axes: Axes, rows: int) -> None:
    """Shade every other row, to lead the eye from a label through all columns."""
    for row in range(0, rows, 2):
        axes.axhspan(row - 0.5, row + 0.5, color=STRIPE_COLOR, lw=0, zorder=0)


def shortened(label: str, width: int = 34) -> str:
    """Fit a label in a row: the middle of a long one gives way.

    Examples
    --------
    >>> shortened("visits[the museum of applied arts, december]", 22)
    'visits[the mu…ecember]'
    """
    if len(label) <= width:
        return label
    tail = (width - 1) * 2 // 5
    return f"{label[: width - 1 - tail].rstrip()}…{label[-tail:]}"


def number(value: float, digits: int = 3, *, sign: bool = False) -> str:
    """Write a number as one would by hand.

    Examples
    --------
    >>> number(1.198e12), number(0.25), number(-3e-7, 1), number(41230, sign=True)
    ('1.2×10¹²', '0.25', '−3×10⁻⁷', '+41,200')
    """
    mantissa, _, exponent = f"{abs(value):.{digits - 1}e}".partition("e")
    rounded, power = float(f"{mantissa}e{exponent}"), int(exponent)
    head = "−" if value < 0 else "+" if sign else ""
    if rounded and not -4 <= power < 6:
        return f"{head}{float(mantissa):g}×10{str(power).translate(_RAISED)}"
    written = f"{rounded:,.{max(0, digits - 1 - power)}f}"
    return head + (written.rstrip("0").rstrip(".") if "." in written else written)


def verbatim(texts: Sequence[Text]) -> None:
    """Keep a dollar sign in somebody's label from being read as mathematics."""
    for text in texts:
        text.set_parse_math(False)


def count_note(shown: int, total: int, what: str) -> list[str]:
    """Say in words what was left out, or nothing if nothing was.

    Examples
    --------
    >>> count_note(40, 80, "measurements")
    ['40 of 80 measurements are shown: those that differ most.']
    >>> count_note(3, 3, "measurements")
    []
    """
    if shown == total:
        return []
    return [f"{shown} of {total} {what} are shown: those that differ most."]


def top(sizes: np.ndarray, limit: int | None) -> np.ndarray:
    """Places of the greatest, in descending order; ties as they came."""
    return np.argsort(-np.asarray(sizes, dtype=np.float64), kind="stable")[:limit]
