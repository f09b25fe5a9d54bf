"""The test-bed as a page: one file without scripts or anything to load, for screens and paper."""

from collections.abc import Iterator
from html import escape

import numpy as np

from inference.testbed.table import Answer, Row, Testbed
from inference.testbed.verdicts import VERDICTS

__all__ = ["page"]

_COLOURS = {  # light, dark: told apart by colour-blind readers too, and by the word in the cell
    "right": ("#d7efe0", "#1d4a33"),
    "misses high impact": ("#f6c6bd", "#6d2419"),
    "wrong order": ("#e7a79b", "#8c2f20"),
    "false alarm": ("#fbe3b0", "#5f4a14"),
    "cannot rank": ("#dfe3ee", "#39415a"),
    "not applicable": ("transparent", "transparent"),
    "failed": ("#cccccc", "#444444"),
}
_MEANINGS = {
    "right": "high impact raises the alarm, low impact does not, and the order is that of the "
    "truth",
    "misses high impact": "a disciple of high impact raises no alarm",
    "wrong order": "somebody is charged less than somebody of lower impact",
    "false alarm": "low impact raises the alarm",
    "cannot rank": "somebody is not charged more than somebody of lower impact",
    "not applicable": "the world has nothing that the measure could read",
    "failed": "the measure raised an error",
}
_STYLE = """
:root{color-scheme:light dark;--ink:#1d2430;--soft:#5d6675;--line:#d5d9e0;--paper:#fff}
@media(prefers-color-scheme:dark){
:root{--ink:#e6e9ef;--soft:#9aa3b2;--line:#3a4252;--paper:#151922}}
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:2rem}
body{max-width:100rem}
table{border-collapse:collapse;font-size:13px;margin:1rem 0}
th,td{padding:.25rem .45rem;border:1px solid var(--line);text-align:left;vertical-align:top}
thead th{vertical-align:bottom}
thead th span{writing-mode:vertical-rl;transform:rotate(180deg);white-space:nowrap;font-weight:500}
.wide{overflow-x:auto}
td small,.soft{color:var(--soft)}
details{margin:.4rem 0}summary{cursor:pointer}
.key span{display:inline-block;padding:.1rem .5rem;margin-right:.5rem;border:1px solid var(--line)}
td.number{text-align:right;font-variant-numeric:tabular-nums}
"""


def page(found: Testbed) -> str:
    """Write the page.

    Parameters
    ----------
    found
        What :func:`inference.testbed.run` returned.

    Returns
    -------
    str
        HTML: how often each measure is right, the table of verdicts, and behind each world the
        numbers and the reasons.

    Examples
    --------
    >>> "<table" in page(Testbed((), {}, {}, {}, 0))
    True
    """
    body = "\n".join([*_head(found), *_scores(found), *_table(found), *_worlds(found)])
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1"/>\n'
        f"<title>Impact test-bed</title>\n<style>{_STYLE}{_colours()}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _colours() -> str:
    light = "".join(f".{_class(v)}{{background:{c[0]}}}" for v, c in _COLOURS.items())
    dark = "".join(f".{_class(v)}{{background:{c[1]}}}" for v, c in _COLOURS.items())
    return f"{light}@media(prefers-color-scheme:dark){{{dark}}}"


def _class(verdict: str) -> str:
    return verdict.replace(" ", "-")


def _head(found: Testbed) -> Iterator[str]:
    yield "<h1>Do the measures of impact work?</h1>"
    yield (
        f"<p>{len(found.rows)} worlds whose truth is known, {len(found.measures)} measures. "
        "Every disciple of a world is known to have a low or a high impact; a measure is right if "
        f"it can tell. Numbers are below, by world. Seed {found.seed}.</p>"
    )
    yield "<ul class='key'>"
    for verdict, meaning in _MEANINGS.items():
        shown = f"<span class='{_class(verdict)}'>{escape(VERDICTS[verdict])}</span>"
        yield f"<li>{shown}<b>{verdict}</b>: {escape(meaning)}</li>"
    yield "</ul>"


def _scores(found: Testbed) -> Iterator[str]:
    """Count verdicts; nothing is hidden by what does not apply."""
    scores = found.scores.astype(str)
    yield "<h2>By measure</h2><div class='wide'><table><thead><tr><th>measure</th><th>asks</th>"
    yield (
        "".join(f"<th>{column}</th>" for column in scores)
        + "<th>alarm at</th></tr></thead><tbody>"
    )
    for (name, about), counts in zip(found.measures.items(), scores.to_numpy(), strict=True):
        cells = "".join(f"<td class='number'>{count}</td>" for count in counts)
        alarm = found.alarms[name]
        said = "order alone" if alarm is None else f"{alarm:g}"
        yield f"<tr><th>{escape(name)}</th><td>{escape(about)}</td>{cells}<td>{said}</td></tr>"
    yield "</tbody></table></div>"


def _table(found: Testbed) -> Iterator[str]:
    yield "<h2>By world</h2><div class='wide'><table><thead><tr><th>world</th><th>case</th>"
    yield "".join(f"<th><span>{escape(name)}</span></th>" for name in found.measures)
    yield "</tr></thead><tbody>"
    for row in found.rows:
        cells = "".join(_cell(row, row.answers[name]) for name in found.measures)
        link = f"<a href='#{_anchor(row.world)}'>{escape(row.world)}</a>"
        yield f"<tr><th>{link}</th><td><small>{escape(row.case)}</small></td>{cells}</tr>"
    yield "</tbody></table></div>"


def _cell(row: Row, answer: Answer) -> str:
    numbers = "; ".join(f"{who} {_number(*answer.charged[who])}" for who in answer.charged)
    title = escape(". ".join(filter(None, [answer.verdict, answer.why, numbers])), quote=True)
    word = escape(VERDICTS[answer.verdict])
    return f"<td class='{_class(answer.verdict)}' title=\"{title}\">{word}</td>"


def _worlds(found: Testbed) -> Iterator[str]:
    """Show the numbers behind every verdict."""
    yield "<h2>The numbers</h2>"
    for row in found.rows:
        who = [*row.truth, *_ungraded(row)]
        yield f"<details id='{_anchor(row.world)}'><summary><b>{escape(row.world)}</b> "
        yield f"<span class='soft'>{escape(row.case)}, {row.seconds:.0f} s</span> "
        yield f"{escape(row.about)}</summary><div class='wide'><table><thead><tr><th>measure</th>"
        heads = (
            f"{escape(one)}<br/><small>{row.truth.get(one, 'not judged')}</small>" for one in who
        )
        yield "".join(f"<th>{one}</th>" for one in heads) + "<th>verdict</th><th>why</th></tr>"
        yield "</thead><tbody>"
        for name in found.measures:
            answer = row.answers[name]
            cells = (answer.charged.get(one) for one in who)
            numbers = "".join(
                f"<td class='number'>{'' if cell is None else _number(*cell)}</td>"
                for cell in cells
            )
            yield (
                f"<tr><th>{escape(name)}</th>{numbers}<td class='{_class(answer.verdict)}'>"
                f"{answer.verdict}</td><td>{escape(answer.why)}</td></tr>"
            )
        yield "</tbody></table></div></details>"


def _ungraded(row: Row) -> list[str]:
    every = dict.fromkeys(who for answer in row.answers.values() for who in answer.charged)
    return [who for who in every if who not in row.truth]


def _anchor(world: str) -> str:
    return escape("".join(c if c.isalnum() else "-" for c in world), quote=True)


def _number(number: float, error: float) -> str:
    """Show as many digits as the error leaves, three if it is exact."""
    if not np.isfinite(number):
        return f"{number:g}"
    return f"{number:.3g}" + (f" ± {error:.1g}" if error > 0 else "")
