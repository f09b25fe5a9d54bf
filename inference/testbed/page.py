"""The test-bed as a page: one file without scripts or anything to load, for screens and paper."""

from collections.abc import Iterator
from html import escape
from itertools import groupby

import numpy as np

from inference.testbed.table import Answer, Row, Testbed
from inference.testbed.verdicts import CLEARLY, MARGIN, VERDICTS

__all__ = ["page"]

_COLOURS = {  # paper and ink by day, paper by night; apart in lightness too
    "right": ("#d7efe0", "#1d2430", "#1d4a33"),
    "misses high impact": ("#f2b5a6", "#1d2430", "#7c3324"),
    "wrong order": ("#a93410", "#ffffff", "#c8441c"),
    "false alarm": ("#fbe3b0", "#1d2430", "#5f4a14"),
    "cannot rank": ("#dfe3ee", "#1d2430", "#39415a"),
    "not applicable": ("transparent", "inherit", "transparent"),
    "failed": ("#1f2430", "#ffffff", "#5c6370"),
}
_MEANINGS = {
    "right": "high impact raises the alarm, low impact does not, and the order is that of the "
    "truth",
    "misses high impact": "a disciple of high impact raises no alarm",
    "wrong order": "somebody is charged less than somebody of lower impact",
    "false alarm": "low impact raises the alarm",
    "cannot rank": "somebody is not charged more than somebody of lower impact, or the number of "
    "somebody harmless is too noisy to tell",
    "not applicable": "the world has nothing that the measure could read, or nobody to hold a "
    "number without a scale against",
    "failed": "the world or the measure raised an error, or a number is missing or not finite",
}
_EXACT = 1e-9
_KINDS = {"ours": "our measures", "peer": "the peers", "yours": "your own"}
_STYLE = """
:root{color-scheme:light dark;--ink:#1d2430;--soft:#5d6675;--line:#d5d9e0;--paper:#fff}
:root{--link:#0b5cad}
@media(prefers-color-scheme:dark){
:root{--ink:#e6e9ef;--soft:#9aa3b2;--line:#3a4252;--paper:#151922;--link:#8ab8ff}}
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:2rem}
body{max-width:100rem}
p,ul{max-width:62rem}
a{color:var(--link)}
table{border-collapse:collapse;font-size:13px}
th,td{padding:.25rem .45rem;border:1px solid var(--line);text-align:left;vertical-align:top}
.wide{overflow-x:auto;margin:1rem 0}
td small,.soft{color:var(--soft)}
.key{list-style:none;padding:0}.key li{margin:.2rem 0}
.key span{display:inline-block;width:4rem;padding:.1rem 0;margin-right:.6rem;text-align:center}
.key span{border:1px solid var(--line)}
td.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.all{overflow:auto;max-height:94vh}
.all table{border-collapse:separate;border-spacing:0;font-size:12px}
.all th,.all td{border-width:0 1px 1px 0}
.all thead th{position:sticky;top:0;background:var(--paper);vertical-align:bottom;z-index:1}
.all thead th.kind{border-left:2px solid var(--soft)}
.all tbody th,.all thead th:first-child{position:sticky;left:0;background:var(--paper)}
.all thead th:first-child{z-index:2}
.all tbody th,.all td{white-space:nowrap}
.all thead span{writing-mode:vertical-rl;transform:rotate(180deg);white-space:nowrap}
.all thead span{font-weight:500}
.all td.cell{padding:0;text-align:center}
.all td a{display:block;padding:.25rem .3rem;color:inherit;text-decoration:none}
.all td.kind{border-left:2px solid var(--soft)}
h3{margin:2.2rem 0 0}section p{margin:.3rem 0}
tr:target>*{outline:2px solid var(--link);outline-offset:-1px}
section th,section td[class]{white-space:nowrap}
section,tr{scroll-margin-top:1rem}
@media print{body{font-size:10px;margin:0}table,.all table{font-size:7px}
.wide,.all{overflow:visible;max-height:none}section{break-inside:avoid}@page{size:landscape}}
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
        HTML: how often each measure is right, the table of verdicts, and behind each verdict the
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
    light = "".join(
        f".{_class(v)}{{background:{paper};color:{ink};print-color-adjust:exact}}"
        for v, (paper, ink, _) in _COLOURS.items()
    )
    dark = "".join(
        f".{_class(v)}{{background:{paper};color:inherit}}"
        for v, (_, _, paper) in _COLOURS.items()
    )
    return f"{light}@media screen and (prefers-color-scheme:dark){{{dark}}}"


def _class(verdict: str) -> str:
    return verdict.replace(" ", "-")


def _head(found: Testbed) -> Iterator[str]:
    yield "<h1>Do the measures of impact work?</h1>"
    yield (
        f"<p>{len(found.rows)} worlds whose truth is known, {len(found.measures)} measures. The "
        "impact of a disciple is low, middle or high; <i>chosen</i> is low, and does what is "
        "wanted; who is <i>not judged</i> would be graded differently by reasonable people. One "
        f"number is above another if it is so by {CLEARLY:g} standard errors of their difference "
        f"and by {MARGIN:.0%}, and raises the alarm if it is above the alarm level. The first "
        "that applies is the verdict: wrong order, misses high impact, cannot rank, false alarm, "
        f"right. Numbers stand as number ± standard error. Seed {found.seed}.</p>"
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
    yield "<h2 id='worlds'>By world</h2><p>Each verdict leads to its numbers.</p>"
    yield "<div class='all'><table><thead><tr><th>world</th>"
    firsts = _firsts(found)
    for name in found.measures:
        kind = f" class='kind' title='{_KINDS[found.whose[name]]}'" if name in firsts else ""
        yield f"<th{kind}><span>{escape(name)}</span></th>"
    yield "<th>case</th></tr></thead><tbody>"
    for row in found.rows:
        cells = "".join(_cell(row, name, k, firsts) for k, name in enumerate(found.measures))
        link = f"<a href='#{_anchor(row.world)}'>{escape(row.world)}</a>"
        yield f"<tr><th>{link}</th>{cells}<td><small>{escape(row.case)}</small></td></tr>"
    yield "</tbody></table></div>"


def _firsts(found: Testbed) -> set[str]:
    """Find the first measure of each kind, where a line is drawn."""
    return {next(group) for _, group in groupby(found.measures, lambda name: found.whose[name])}


def _cell(row: Row, name: str, place: int, firsts: set[str]) -> str:
    answer = row.answers[name]
    numbers = "; ".join(f"{who} {_number(*answer.charged[who])}" for who in answer.charged)
    parts = [f"{row.world}, {name}: {answer.verdict}", answer.why, numbers]
    title = escape(". ".join(filter(None, parts)), quote=True)
    looks = f"cell {_class(answer.verdict)}{' kind' if name in firsts else ''}"
    link = f"<a href='#{_place(row, answer, place)}'>{escape(VERDICTS[answer.verdict])}</a>"
    return f"<td class='{looks}' title=\"{title}\">{link}</td>"


def _place(row: Row, answer: Answer, place: int) -> str:
    """Name the row of a measure, or the world's section where it has no numbers."""
    return _anchor(row.world) + (f"--{place + 1}" if answer.charged else "")


def _worlds(found: Testbed) -> Iterator[str]:
    """Show the numbers behind every verdict; they are open, to be found by a search."""
    yield "<h2>The numbers</h2>"
    for row in found.rows:
        who = [*row.truth, *_ungraded(row)]
        yield f"<section id='{_anchor(row.world)}'><h3>{escape(row.world)}</h3>"
        yield f"<p>{escape(row.about)} <span class='soft'>{escape(row.case)}, {row.seconds:.0f} s."
        yield "</span> <a href='#worlds'>all worlds</a></p>"
        yield "<div class='wide'><table><thead><tr><th>measure</th>"
        heads = (
            f"{escape(one)}<br/><small>{row.truth.get(one, 'not judged')}</small>" for one in who
        )
        yield "".join(f"<th>{one}</th>" for one in heads) + "<th>verdict</th><th>why</th></tr>"
        yield "</thead><tbody>"
        for place, name in enumerate(found.measures):
            answer = row.answers[name]
            if answer.charged:
                yield _charged(name, answer, who, _place(row, answer, place))
        yield "</tbody></table></div>"
        yield from _refusals(row, list(found.measures))
        yield "</section>"


def _charged(name: str, answer: Answer, who: list[str], anchor: str) -> str:
    cells = (answer.charged.get(one) for one in who)
    numbers = "".join(
        f"<td class='number'>{'' if cell is None else _number(*cell)}</td>" for cell in cells
    )
    return (
        f"<tr id='{anchor}'><th>{escape(name)}</th>{numbers}<td class='{_class(answer.verdict)}'>"
        f"{answer.verdict}</td><td>{escape(answer.why)}</td></tr>"
    )


def _refusals(row: Row, names: list[str]) -> Iterator[str]:
    """Say each reason once."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for name in names:
        answer = row.answers[name]
        if not answer.charged:
            reasons.setdefault((answer.verdict, answer.why), []).append(name)
    for (verdict, why), refused in reasons.items():
        said = escape("; ".join(refused))
        yield f"<p class='soft'><b>{verdict}</b> ({said}): {escape(why)}</p>"


def _ungraded(row: Row) -> list[str]:
    every = dict.fromkeys(who for answer in row.answers.values() for who in answer.charged)
    return [who for who in every if who not in row.truth]


def _anchor(world: str) -> str:
    return escape("".join(c if c.isalnum() else "-" for c in world), quote=True)


def _number(number: float, error: float) -> str:
    """Show three digits, and an error that is one of draws, not of arithmetic."""
    if not np.isfinite(number):
        return f"{number:g}"
    return f"{number:.3g}" + (f" ± {error:.1g}" if error > _EXACT * abs(number) else "")
