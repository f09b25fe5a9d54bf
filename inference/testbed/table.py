"""What did each measure say of each world, and was it right?"""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from inference.testbed.verdicts import VERDICTS

__all__ = ["Answer", "Row", "Testbed"]

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
    """

    rows: tuple[Row, ...]
    measures: Mapping[str, str]
    whose: Mapping[str, str]
    alarms: Mapping[str, float | None]
    seed: int

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
        short = self.verdicts.replace(VERDICTS)
        numbered = {name: f"{k:>2}" for k, name in enumerate(self.measures, start=1)}
        legend = [f"{k} {name}: {self.measures[name]}" for name, k in numbered.items()]
        return "\n".join([short.rename(columns=numbered).to_string(), "", *legend])

    def _repr_html_(self) -> str:
        listed = "".join(
            f"<li>{escape(name)}: {escape(about)}</li>" for name, about in self.measures.items()
        )
        return f"{self.verdicts.replace(VERDICTS).to_html(border=0)}<ul>{listed}</ul>"
