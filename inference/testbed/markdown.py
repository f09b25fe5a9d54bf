"""The table of the test-bed for a README: written between two marks, by one command."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from counterfactual_models.errors import CounterfactualError
from inference.testbed.combination import Combination
from inference.testbed.table import SIGNS, Testbed

__all__ = ["BEGIN", "END", "markdown", "refuse_unmarked", "write_table"]

BEGIN = "<!-- testbed: written by `counterfactual testbed --readme`; do not edit -->"
END = "<!-- end of testbed -->"

_UNASKED = "not applicable"
_KINDS = {"ours": "Our measures", "peer": "The peers", "yours": "Measures of your own"}


def markdown(found: Testbed, combinations: Sequence[Combination] = ()) -> str:
    """Count the verdicts by measure, and lay them out by world: ours, the peers', yours.

    Parameters
    ----------
    found
        What :func:`inference.testbed.run` returned.
    combinations
        What :func:`inference.testbed.combine` made of it: said in a sentence each.

    Returns
    -------
    str
        Tables of signs, those by world folded.

    Examples
    --------
    >>> markdown(Testbed((), {}, {}, {}, 0)).splitlines()[0]
    '| | measure | of |'
    """
    numbers = {name: k for k, name in enumerate(found.measures, start=1)}
    used = [verdict for verdict in SIGNS if verdict in found.scores]
    meanings = ", ".join(f"{SIGNS[verdict]} {verdict}" for verdict in used)
    parts = [_by_measure(found, numbers), *(_plain(one.sentence) for one in combinations)]
    for kind in dict.fromkeys(found.whose.values()):
        group = {name: k for name, k in numbers.items() if found.whose[name] == kind}
        summary = f"<summary>{_KINDS[kind]}, world by world</summary>"
        listed = "\n".join(
            f"{k}. {_plain(n)}: {_plain(found.measures[n])}" for n, k in group.items()
        )
        told = [listed, f"{meanings}.", _by_world(found, group), "</details>"]
        parts.append("\n\n".join([f"<details>{summary}", *told]))
    return "\n\n".join(parts) + "\n"


def _by_measure(found: Testbed, numbers: Mapping[str, int]) -> str:
    """Count; what does not apply is taken off the worlds there are."""
    scores = found.scores.drop(columns=_UNASKED, errors="ignore")
    heads = ["", "measure", *(f"{SIGNS[one]} {one}" for one in map(str, scores)), "of"]
    rows = [heads, ["--:", "---", *["--:"] * (scores.shape[1] + 1)]]
    for name, k in numbers.items():
        counts = scores.loc[name]
        rows.append([str(k), _plain(name), *map(str, [*counts, counts.sum()])])
    return _table(rows)


def _by_world(found: Testbed, numbers: Mapping[str, int]) -> str:
    rows = [["world", *map(str, numbers.values())], ["---", *[":-:"] * len(numbers)]]
    for row in found.rows:
        cells = (SIGNS[row.answers[name].verdict] for name in numbers)
        number = re.match(r"T\d+", row.case)
        rows.append([_plain(f"{number[0]} {row.world}" if number else row.world), *cells])
    return _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows)


def _plain(text: str) -> str:
    """Keep what somebody wrote from being read as a mark."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def refuse_unmarked(file: str | Path) -> None:
    """Refuse a file that has not both marks, in order, before a long run.

    Raises
    ------
    CounterfactualError
        If the file cannot be read or lacks the marks.
    """
    _cut(Path(file))


def write_table(
    found: Testbed, file: str | Path, combinations: Sequence[Combination] = ()
) -> Path:
    """Put the table between the marks of a file.

    Parameters
    ----------
    found, combinations
        As in :func:`markdown`.
    file
        Holds :data:`BEGIN` and :data:`END`, each on a line of its own.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    CounterfactualError
        If the file cannot be read or lacks the marks.
    """
    path = Path(file)
    before, after = _cut(path)
    path.write_text(
        f"{before}{BEGIN}\n{markdown(found, combinations)}{END}{after}", encoding="utf-8"
    )
    return path


def _cut(path: Path) -> tuple[str, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CounterfactualError(f"{path} cannot be read as text ({error}).") from error
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise CounterfactualError(
            f"{path} has no place for the table; expected two lines:\n{BEGIN}\n{END}"
        )
    return before, after
