"""The table of the test-bed for a README: written between two marks, by one command."""

from pathlib import Path

from counterfactual_models.errors import CounterfactualError
from inference.testbed.table import Testbed

__all__ = ["BEGIN", "END", "markdown", "refuse_unmarked", "write_table"]

BEGIN = "<!-- testbed: written by `counterfactual testbed --readme`; do not edit -->"
END = "<!-- end of testbed -->"

_SIGNS = {
    "right": "✓",
    "misses high impact": "✗",
    "wrong order": "⇅",
    "false alarm": "!",
    "cannot rank": "=",
    "not applicable": "·",
    "failed": "?",
}


def markdown(found: Testbed) -> str:
    """Lay the verdicts out as a table of signs, and say what the signs are.

    Examples
    --------
    >>> markdown(Testbed((), {}, {}, {}, 0)).splitlines()[0]
    '| world |'
    """
    columns = {name: f"{k}" for k, name in enumerate(found.measures, start=1)}
    rows = [["world", *columns.values()], ["---", *[":-:"] * len(columns)]]
    for row in found.rows:
        cells = (_SIGNS[row.answers[name].verdict] for name in columns)
        number = row.case.partition(",")[0]
        rows.append([f"{number} {row.world}".strip().replace("|", "\\|"), *cells])
    rows.append(["**right**", *(str(_count(found, name, "right")) for name in columns)])
    applied = (len(found.rows) - _count(found, name, "not applicable") for name in columns)
    rows.append(["of", *map(str, applied)])
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    meanings = ", ".join(
        f"{sign} {verdict}" for verdict, sign in _SIGNS.items() if verdict in _used(found)
    )
    listed = "; ".join(f"{k} {name}" for name, k in columns.items())
    return f"{table}\n\n{meanings}.\n\nMeasures: {listed}.\n"


def _used(found: Testbed) -> set[str]:
    return {answer.verdict for row in found.rows for answer in row.answers.values()}


def _count(found: Testbed, name: str, verdict: str) -> int:
    return sum(row.answers[name].verdict == verdict for row in found.rows)


def refuse_unmarked(file: str | Path) -> None:
    """Refuse a file that has not both marks, in order, before a long run.

    Raises
    ------
    CounterfactualError
        If the file cannot be read or lacks the marks.
    """
    _cut(Path(file))


def write_table(found: Testbed, file: str | Path) -> Path:
    """Put the table between the marks of a file.

    Parameters
    ----------
    found
        What :func:`inference.testbed.run` returned.
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
    path.write_text(f"{before}{BEGIN}\n{markdown(found)}{END}{after}", encoding="utf-8")
    return path


def _cut(path: Path) -> tuple[str, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CounterfactualError(f"{path} cannot be read ({error.strerror}).") from error
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise CounterfactualError(
            f"{path} has no place for the table; expected two lines:\n{BEGIN}\n{END}"
        )
    return before, after
