"""What did each measure say of each world, and was it right?"""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from inference.testbed.verdicts import VERDICTS

__all__ = ["SIGNS", "Answer", "Row", "Testbed"]

SIGNS = {
    "right": "✓",
    "misses high impact": "✗",
    "wrong order": "⇅",
    "false alarm": "!",
    "cannot rank": "=",
    "not applicable": "·",
    "failed": "?",
}
"""Verdict -> a sign of one letter, the same in every table and picture."""

_COLOURS = {  # behind a sign, and of the sign: they hold on light and dark paper
    "right": ("#cfe8dc", "#1f2430"),
    "misses high impact": ("#eea592", "#1f2430"),
    "wrong order": ("#b3370c", "#ffffff"),
    "false alarm": ("#f6dfa4", "#1f2430"),
    "cannot rank": ("#dadde6", "#1f2430"),
    "failed": ("#1f2430", "#ffffff"),
}
_UNASKED = "not applicable"
_WIDE = 100  # letters in a line
_NARROW = 34  # of the name of a world, where there are many measures
_COLUMNS = ("world", "measure", "disciple", "truth", "penalty", "mcse", "verdict", "why")


@dataclass(frozen=True)
class Answer:
    """What one measure said of one world.

    Parameters
    ----------
    verdict, why
        As :func:`inference.testbed.verdicts.judge` puts it.
    charged
        Disciple -> number and standard error.
    seconds
        What the asking took.
    """

    verdict: str
    why: str
    charged: Mapping[str, tuple[float, float]]
    seconds: float


@dataclass(frozen=True)
class Row:
    """What all measures said of one world."""

    world: str
    case: str
    about: str
    truth: Mapping[str, str]
    answers: Mapping[str, Answer]
    seconds: float


@dataclass(frozen=True, repr=False, eq=False)
class Testbed:
    """The verdicts of all measures on all worlds, and the numbers behind them.

    Parameters
    ----------
    rows
        One for each world.
    measures
        Name -> what it asks.
    whose
        Name -> ``ours``, ``peer`` or ``yours``.
    alarms
        Name -> alarm level, or None.
    seed
        Of all that was drawn.
    interrupted
        Whether the run was stopped by hand, so that worlds are missing.
    """

    rows: tuple[Row, ...]
    measures: Mapping[str, str]
    whose: Mapping[str, str]
    alarms: Mapping[str, float | None]
    seed: int
    interrupted: bool = False

    __test__ = False  # for pytest: its name begins like a test's

    @property
    def verdicts(self) -> pd.DataFrame:
        """A row for each world, a column for each measure."""
        table = {row.world: {n: a.verdict for n, a in row.answers.items()} for row in self.rows}
        return pd.DataFrame.from_dict(table, orient="index").rename_axis("world")

    @property
    def numbers(self) -> pd.DataFrame:
        """A row for each world, measure and disciple: what is charged, and the verdict."""
        found = [
            (row.world, name, who, row.truth.get(who, ""), *number, answer.verdict, answer.why)
            for row in self.rows
            for name, answer in row.answers.items()
            for who, number in (answer.charged or {"": (float("nan"), float("nan"))}).items()
        ]
        return pd.DataFrame(found, columns=list(_COLUMNS))

    @property
    def failures(self) -> tuple[str, ...]:
        """Which worlds or measures failed, and why; each reason once."""
        found: dict[str, str] = {}
        for row in self.rows:
            for name, answer in row.answers.items():
                if answer.verdict == "failed":
                    found.setdefault(answer.why, f"{name} in {row.world}: {answer.why}")
        return tuple(found.values())

    @property
    def scores(self) -> pd.DataFrame:
        """A row for each measure: how many verdicts of each kind."""
        counts = {
            name: [
                sum(row.answers[name].verdict == verdict for row in self.rows)
                for verdict in VERDICTS
            ]
            for name in self.measures
        }
        table = pd.DataFrame.from_dict(counts, orient="index", columns=list(VERDICTS))
        return table.loc[:, (table > 0).any()].rename_axis("measure")

    def write(self, folder: str | Path) -> tuple[Path, ...]:
        """Write the page and the tables.

        Parameters
        ----------
        folder
            Is made if it is not there.

        Returns
        -------
        tuple of Path
            `testbed.html`, `verdicts.csv` and `numbers.csv`.
        """
        from inference.testbed.page import page

        home = Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        files = {
            "testbed.html": page(self),
            "verdicts.csv": self.verdicts.to_csv(lineterminator="\n"),
            "numbers.csv": self.numbers.to_csv(index=False, lineterminator="\n"),
        }
        for name, text in files.items():
            (home / name).write_text(text, encoding="utf-8")
        return tuple(home / name for name in files)

    def __repr__(self) -> str:
        if not self.rows:
            return "a test-bed without worlds"
        spelled = self.verdicts.rename_axis(None).to_string()
        narrow = max(map(len, spelled.splitlines())) > _WIDE
        legend = [f"{SIGNS[one]} {one}" for one in SIGNS if one in self.scores]
        above = [_signs(self), "   ".join(legend)] if narrow else [spelled]
        return "\n\n".join([*above, "\n".join(_counted(self))])

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>{k}</th>" for k in range(1, len(self.measures) + 1))
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(row.world)}</th>"
            + "".join(_coloured(row.answers[name]) for name in self.measures)
            + "</tr>"
            for row in self.rows
        )
        legend = ", ".join(f"{SIGNS[one]} {one}" for one in SIGNS if one in self.scores)
        listed = "".join(
            f"<li><b>{escape(name)}</b>, right in {right} of {asked}: {escape(about)}</li>"
            for name, about, right, asked in _shares(self)
        )
        return (
            f"<table><thead><tr><th>world</th>{heads}</tr></thead><tbody>{rows}</tbody></table>"
            f"<p>{legend}</p><ol>{listed}</ol>"
        )


def _shares(found: Testbed) -> list[tuple[str, str, int, int]]:
    """Measure, what it asks, in how many worlds it is right, and to how many it applies."""
    every = found.verdicts
    return [
        (name, about, int((every[name] == "right").sum()), int((every[name] != _UNASKED).sum()))
        for name, about in (found.measures.items() if found.rows else ())
    ]


def _signs(found: Testbed) -> str:
    """Lay out a sign for each verdict; the numbers above are read downwards."""
    numbers = [f"{k:>2}" for k in range(1, len(found.measures) + 1)]
    worlds = [_shortened(row.world) for row in found.rows]
    wide = max(map(len, worlds))
    lines = [" " * wide + "".join(f" {number[k]}" for number in numbers) for k in range(2)]
    for world, row in zip(worlds, found.rows, strict=True):
        signs = "".join(f" {SIGNS[row.answers[name].verdict]}" for name in found.measures)
        lines.append(f"{world:<{wide}}{signs}")
    return "\n".join(lines)


def _shortened(world: str) -> str:
    """Let the middle of a long name give way: its end may tell it from its like."""
    if len(world) <= _NARROW:
        return world
    half = (_NARROW - 1) // 2
    return f"{world[: _NARROW - 1 - half]}…{world[-half:]}"


def _counted(found: Testbed) -> list[str]:
    wide = max(map(len, found.measures))
    return [
        f"{k:>2} {name:<{wide}}  right {right:>2} of {asked:>2}  {about}".rstrip()
        for k, (name, about, right, asked) in enumerate(_shares(found), start=1)
    ]


def _coloured(answer: Answer) -> str:
    behind, ink = _COLOURS.get(answer.verdict, ("transparent", "inherit"))
    said = escape(". ".join(filter(None, [answer.verdict, answer.why])), quote=True)
    style = f"background:{behind};color:{ink};text-align:center"
    return f"<td style='{style}' title=\"{said}\">{SIGNS[answer.verdict]}</td>"
