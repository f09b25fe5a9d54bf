"""The page: what was found, at a glance and in full, in one file that opens anywhere.

One HTML text without scripts, links or anything to load; in light and dark, on paper and on a
phone. Everything a user named is escaped.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import arviz_plots as azp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from counterfactual_models.errors import DiscipleError
from inference.plots import plot_coarse_graining, plot_worlds
from inference.plots.style import VERDICTS, number
from inference.report_texts import ATTRIBUTES, GLYPHS, GUIDE, STYLESHEET
from inference.schema import DISCIPLE, MEASUREMENT, decode_attrs

__all__ = ["render"]

_OPEN_ROWS = 12
_PICTURED_ROWS = 120
_MOST_ROWS = 1000
_OPEN_LATENTS = 8
_PICTURES = 1_700_000


def render(
    worlds: xr.DataTree,
    result: xr.Dataset,
    sentences: Mapping[str, str] | Sequence[str],
    *,
    title: str,
    summary: pd.DataFrame | None = None,
    utility: xr.Dataset | None = None,
    pictures: Mapping[str, Figure | azp.PlotCollection] | None = None,
    warnings: Sequence[str] = (),
) -> str:
    """Write the page of an audit.

    Parameters
    ----------
    worlds
        The tree that ``sample_worlds`` returned; its attributes tell how it was made.
    result
        What ``diagnostics.coarse_graining`` found in it, with the tolerance it was asked for.
    sentences
        What was found, one plain sentence per disciple: by name, or in the order of `result`.
    title
        Of the page.
    summary
        A table of all numbers, folded; by default none.
    utility
        What the disciples achieve, any labelled numbers; by default none.
    pictures
        Figures by caption. By default ``plot_coarse_graining`` and ``plot_worlds`` are drawn (and
        closed); an empty mapping draws none. Figures that are given stay open.
    warnings
        What the reader should know before believing any of it.

    Returns
    -------
    str
        HTML of at most about 2 MB: pictures are coarsened, and tables end after 1000 rows.

    Raises
    ------
    DiscipleError
        If a disciple has no sentence.

    Examples
    --------
    >>> numbers = {"tv": 0.3, "lower": 0.2, "upper": 0.4, "floor": 0.02, "p": 0.0,
    ...            "verdict": "above", "draws_needed": 40.0}
    >>> result = xr.Dataset(
    ...     {n: (("disciple", "measurement"), [[value]]) for n, value in numbers.items()},
    ...     coords={"disciple": ["greedy"], "measurement": ["price"]}, attrs={"tolerance": 0.05},
    ... )
    >>> told = {"greedy": "It moves the price."}
    >>> page = render(xr.DataTree(), result, told, title="The factory", pictures={})
    >>> "It moves the price." in page
    True
    """
    order = np.argsort(-result["tv"].max(DISCIPLE).values, kind="stable")
    result = result.isel({MEASUREMENT: order})
    attrs = decode_attrs({str(key): value for key, value in worlds.attrs.items()})
    parts = [
        _header(title, attrs, result),
        _warned(warnings),
        _answers(result, _by_disciple(sentences, result)),
        _heat(result),
        _pictures(pictures, worlds, result),
        _section("What is achieved", _table(_frame(utility)) if utility is not None else ""),
        _section("How to read this", f"<dl>{''.join(map(_term, GUIDE))}</dl>"),
        _section("How it was made", _provenance(attrs, result)),
        _section("Can the draws be trusted?", _convergence(worlds, attrs)),
        _section("All numbers", _folded("Show the table", _table(summary))),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{_text(title)}</title>\n<style>{STYLESHEET}</style>\n</head>\n"
        f"<body>\n<main>\n{''.join(parts)}</main>\n</body>\n</html>\n"
    )


def _text(value: Any) -> str:
    """Escape for HTML; characters that no document may hold are dropped."""
    kept = "".join(sign for sign in str(value) if sign.isprintable() or sign in "\n\t")
    return escape(kept)


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{title}</h2>\n{body}\n</section>\n" if body else ""


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n{body}\n</details>\n" if body else ""


def _header(title: str, attrs: dict[str, Any], result: xr.Dataset) -> str:
    disciples, measurements = result.sizes[DISCIPLE], result.sizes[MEASUREMENT]
    facts = [
        f"world <b>{_text(attrs['world'])}</b>" if attrs.get("world") else "",
        f"{disciples} disciple{'s' * (disciples != 1)}",
        f"{measurements} measurement{'s' * (measurements != 1)}",
        f"{number(result.attrs['draws'], 6)} draws a side" if "draws" in result.attrs else "",
        f"tolerance {result.attrs['tolerance']:g}",
    ]
    shown = " · ".join(fact for fact in facts if fact)
    return f'<header>\n<h1>{_text(title)}</h1>\n<p class="facts">{shown}</p>\n</header>\n'


def _warned(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    items = "".join(f"<li>{_text(warning)}</li>" for warning in dict.fromkeys(warnings))
    return f'<aside role="note"><b>Before you read on</b><ul>{items}</ul></aside>\n'


def _by_disciple(
    sentences: Mapping[str, str] | Sequence[str], result: xr.Dataset
) -> dict[str, str]:
    names = [str(name) for name in result[DISCIPLE].values]
    told = dict(
        sentences if isinstance(sentences, Mapping) else zip(names, sentences, strict=False)
    )
    silent = [name for name in names if name not in told]
    if silent:
        raise DiscipleError(
            f"got {len(sentences)} sentences, and none for {silent}; expected one for each of "
            f"{names}: a mapping by name, or a list in this order."
        )
    return {name: told[name] for name in names}


def _answers(result: xr.Dataset, sentences: dict[str, str]) -> str:
    """Tell of every disciple its verdict, its sentence, and how its measurements divide."""
    cards = []
    for name, sentence in sentences.items():
        found = result.sel({DISCIPLE: name})
        counts = {v: int((found["verdict"] == v).sum()) for v in VERDICTS}
        verdict = next((v for v in VERDICTS if counts[v]), "undecided")
        shares = "".join(
            f'<span class="{v}" style="flex-grow:{count}"></span>'
            for v, count in counts.items()
            if count
        )
        counted = " · ".join(f"{count} {v}" for v, count in counts.items() if count)
        cards.append(
            f'<article class="{verdict}">\n<p class="who"><b>{_text(name)}</b> '
            f'<span class="chip">{GLYPHS[verdict]} {verdict}</span></p>\n'
            f"<p>{_text(sentence)}</p>\n"
            f'<div class="shares" aria-hidden="true">{shares}</div>\n'
            f'<details class="counted"><summary>{counted}</summary>'
            f"{_by_verdict(found)}</details>\n</article>\n"
        )
    return _section("The answer", "".join(cards))


def _by_verdict(found: xr.Dataset) -> str:
    """Name the measurements under each verdict, the largest effects first."""
    lists = []
    for verdict in VERDICTS:
        names = found[MEASUREMENT].values[found["verdict"].values == verdict]
        if names.size:
            shown = ", ".join(_text(name) for name in names[:_MOST_ROWS])
            lists.append(f"<p><b>{verdict}</b>: {shown}</p>")
    return "".join(lists)


def _heat(result: xr.Dataset) -> str:
    """Lay out all impacts, greatest first: size by colour, verdict by sign."""
    shown = result.isel({MEASUREMENT: slice(_MOST_ROWS)})
    names = [str(name) for name in shown[DISCIPLE].values]
    rows = [
        _heat_row(shown.isel({MEASUREMENT: place})) for place in range(shown.sizes[MEASUREMENT])
    ]
    heads = "".join(f'<th scope="col">{_text(name)}</th>' for name in names)
    head = f'<thead><tr><th scope="col">measurement</th>{heads}</tr></thead>'
    legend = " ".join(f'<span class="{v}"><i>{GLYPHS[v]}</i> {v}</span>' for v in VERDICTS)
    table = '<div class="wide"><table class="heat">{}<tbody>{}</tbody></table></div>\n'
    body = (
        f'<p class="key">total variation, with its 95% bounds: {legend}</p>\n'
        + table.format(head, "".join(rows[:_OPEN_ROWS]))
        + _folded(
            f"The other {len(rows) - _OPEN_ROWS} measurements",
            table.format(head, "".join(rows[_OPEN_ROWS:])) if rows[_OPEN_ROWS:] else "",
        )
    )
    left = result.sizes[MEASUREMENT] - len(rows)
    return _section("Where", body + (f"<p>{left} more are not shown here.</p>" if left else ""))


def _heat_row(row: xr.Dataset) -> str:
    label = _text(row[MEASUREMENT].item())
    cells = "".join(_heat_cell(row.isel({DISCIPLE: d})) for d in range(row.sizes[DISCIPLE]))
    return f'<tr><th scope="row">{label}</th>{cells}</tr>\n'


def _heat_cell(cell: xr.Dataset) -> str:
    verdict = str(cell["verdict"].item())
    tv, lower, upper, p = (float(cell[name]) for name in ("tv", "lower", "upper", "p"))
    return (
        f'<td class="{verdict}" style="--t:{0.6 * np.sqrt(tv):.2f}" '
        f'title="{verdict}; floor {float(cell["floor"]):.3f}; p = {p:.3g}">'
        f"<i>{GLYPHS[verdict]}</i> <b>{tv:.2f}</b> <small>{lower:.2f}–{upper:.2f}</small></td>"
    )


def _pictures(
    pictures: Mapping[str, Figure | azp.PlotCollection] | None,
    worlds: xr.DataTree,
    result: xr.Dataset,
) -> str:
    drawn: Mapping[str, Figure | azp.PlotCollection] = (
        pictures
        if pictures is not None
        else {
            "Impact of each disciple on each measurement": plot_coarse_graining(
                result, max_rows=_PICTURED_ROWS
            ),
            "The worlds themselves": plot_worlds(
                worlds,
                disciples=[str(name) for name in result[DISCIPLE].values],
                measurements=[str(label) for label in result[MEASUREMENT].values],
                order="given",
            ),
        }
    )
    figures = []
    for caption, picture in drawn.items():
        figure = picture if isinstance(picture, Figure) else picture.viz["figure"].item()
        source = _encoded(figure, _PICTURES // len(drawn))
        width = round(figure.get_figwidth() * 96)
        figures.append(
            f'<figure><div class="wide"><img alt="{_text(caption)}" width="{width}" '
            f'src="{source}"/></div><figcaption>{_text(caption)}</figcaption></figure>\n'
        )
        if pictures is None:
            plt.close(figure)
    return _section("Pictures", "".join(figures))


def _encoded(figure: Figure, most: int) -> str:
    """Take SVG or PNG, whichever is smaller; a coarser PNG where neither fits."""
    dpi = 150.0
    drawing, photo = _saved(figure, "svg", dpi), _saved(figure, "png", dpi)
    while min(len(drawing), len(photo)) > most and dpi > 10:
        dpi *= 0.95 * np.sqrt(most / len(photo))
        photo = _saved(figure, "png", dpi)
    kind, data = ("svg+xml", drawing) if len(drawing) < len(photo) else ("png", photo)
    return f"data:image/{kind};base64,{data}"


def _saved(figure: Figure, kind: str, dpi: float) -> str:
    stamp = {"Date": None} if kind == "svg" else {"Software": None}
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "counterfactual-models", "svg.fonttype": "path"}):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=stamp)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _frame(dataset: xr.Dataset) -> pd.DataFrame:
    if not dataset.dims:
        return pd.DataFrame([{str(name): value.item() for name, value in dataset.items()}])
    return dataset.to_dataframe().reset_index()


def _table(frame: pd.DataFrame | None) -> str:
    if frame is None or frame.empty:
        return ""
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in frame.columns)
    rows = "".join(
        f"<tr>{''.join(map(_value, row))}</tr>\n"
        for row in frame.head(_MOST_ROWS).itertuples(index=False, name=None)
    )
    left = len(frame) - _MOST_ROWS
    note = f"<p>{left} more rows are not shown here.</p>" if left > 0 else ""
    return (
        f'<div class="wide"><table class="plain"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{note}\n"
    )


def _value(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return f'<td class="n">{number(float(value)) if np.isfinite(value) else "–"}</td>'
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return f'<td class="n">{value:,}</td>'
    return f"<td>{_text(value)}</td>"


def _term(entry: tuple[str, str]) -> str:
    return f"<dt>{_text(entry[0])}</dt><dd>{_text(entry[1])}</dd>\n"


def _provenance(attrs: dict[str, Any], result: xr.Dataset) -> str:
    known = [(label, attrs[key]) for key, label in ATTRIBUTES.items() if key in attrs]
    apart = {*ATTRIBUTES, "disciple_sources"}
    asked = [(f"coarse-graining: {key}", value) for key, value in result.attrs.items()]
    rest = [(key, value) for key, value in attrs.items() if key not in apart]
    sources = attrs.get("disciple_sources") or {}
    texts = "".join(
        f"<h3>{_text(name)}</h3><pre>{_text(source)}</pre>" for name, source in sources.items()
    )
    return (
        f"<dl>{''.join(map(_term, ((k, _plain(v)) for k, v in known)))}</dl>\n"
        + _folded("Everything recorded", _pairs([*rest, *asked]))
        + _folded("The disciples, as they were written", texts)
    )


def _pairs(entries: Sequence[tuple[str, Any]]) -> str:
    terms = [(str(key), _plain(value)) for key, value in entries]
    return f"<dl>{''.join(map(_term, terms))}</dl>" if terms else ""


def _plain(value: Any) -> str:
    """Write an attribute as one would say it."""
    if isinstance(value, dict):
        if len({str(inner) for inner in value.values()}) == 1 and len(value) > 1:
            return f"{_plain(next(iter(value.values())))} (all)"
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value) if np.isfinite(value) else str(value)
    return "not recorded" if value is None else str(value)


def _convergence(worlds: xr.DataTree, attrs: dict[str, Any]) -> str:
    """Show R-hat and effective draws of each latent, worst first, and the divergences."""
    lines = []
    if "sample_stats" in worlds.children and "diverging" in worlds["sample_stats"]:
        count = int(worlds["sample_stats"]["diverging"].sum())
        lines.append(f"{count} draws diverge." if count else "No draw diverges.")
    if "verdict" in attrs:
        lines.insert(0, f"The run is {escape(str(attrs['verdict']))}.")
    if attrs.get("method") not in (None, "hmc", "nuts"):
        lines.append("The draws are independent by construction: R-hat is 1 up to noise.")
    group = (
        worlds["convergence"].to_dataset() if "convergence" in worlds.children else xr.Dataset()
    )
    if "statistic" not in group.dims:
        lines.append("R-hat and effective draws were not recorded.")
        return f"<p>{' '.join(lines)}</p>"
    nested = "rhat_nested" in group["statistic"].values  # what many short chains are judged by
    which = ("rhat_nested" if nested else "rhat", "ess_bulk", "ess_tail")
    rows = []
    for name, found in group.items():
        rhat, bulk, tail = (found.sel(statistic=one).values.ravel() for one in which)
        rows.append((str(name), np.nanmax(rhat), np.nanmin(bulk), np.nanmin(tail)))
    kind = "nested R-hat" if nested else "R-hat"
    columns = ["latent of the past", f"largest {kind}", "fewest bulk draws", "fewest tail draws"]
    frame = pd.DataFrame(rows, columns=columns).sort_values(columns[1], ascending=False)
    frame = frame.reset_index(drop=True)
    rest = frame.iloc[_OPEN_LATENTS:].reset_index(drop=True)
    lines.append(f"The {kind} should be below 1.03, and effective draws in the hundreds.")
    return f"<p>{' '.join(lines)}</p>\n{_table(frame.head(_OPEN_LATENTS))}" + _folded(
        f"The other {len(rest)} latents", _table(rest)
    )
