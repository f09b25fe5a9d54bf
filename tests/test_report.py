"""Does the page say what was found, load nothing, and survive whatever names it is given?"""

import re
import xml.etree.ElementTree as ET

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from counterfactual_models.errors import DiscipleError
from inference.report import render
from inference.schema import encode_attrs

LABELS = [f"m{i}" for i in range(20)]
SENTENCES = ["It changes little.", "It changes a lot."]


@pytest.fixture
def result():
    tv = np.stack([np.full(20, 0.01), np.linspace(0.0, 0.95, 20)])
    lower, upper = np.clip(tv - 0.03, 0, 1), np.clip(tv + 0.03, 0, 1)
    verdict = np.where(lower > 0.05, "above", np.where(upper <= 0.05, "below", "undecided"))
    found = {"tv": tv, "lower": lower, "upper": upper, "verdict": verdict}
    found |= {"floor": tv * 0 + 0.02, "p": tv, "draws_needed": tv * 0 + 5000.0}
    return xr.Dataset(
        {name: (("disciple", "measurement"), values) for name, values in found.items()},
        coords={"disciple": ["modest", "greedy"], "measurement": LABELS},
        attrs={"tolerance": 0.05, "draws": 4000, "cells": 16},
    )


@pytest.fixture
def worlds():
    rng = np.random.default_rng(0)
    dims = ("disciple", "chain", "draw")
    drawn = xr.Dataset(
        {n: (dims, rng.normal(size=(3, 2, 60)), {"role": "measurement"}) for n in LABELS},
        coords={"disciple": ["erased", "modest", "greedy"], "X": ("disciple", [0, 1, 1])},
    )
    statistic = ["rhat", "ess_bulk", "ess_tail"]
    converged = xr.Dataset(
        {"rate": ("statistic", [1.0123, 812.0, 640.0])}, coords={"statistic": statistic}
    )
    diverging = xr.Dataset({"diverging": (("chain", "draw"), np.eye(2, 60, dtype=bool))})
    tree = xr.DataTree.from_dict(
        {"predictions": drawn, "convergence": converged, "sample_stats": diverging}
    )
    tree.attrs = encode_attrs(
        {
            "world": "factory",
            "method": "nuts",
            "seed": 3,
            "coupling": "independent",
            "vectorised": {"erased": "plate", "modest": "plate", "greedy": "plate"},
            "shared_posterior": True,
            "reused": ["rate"],
            "redrawn": [],
            "forced": ["X", "orders"],
            "versions": {"pyro": "1.9.1"},
            "disciple_sources": {"modest": "def modest(x):\n    return x < 3"},
        }
    )
    return tree


def page(worlds, result, **options):
    options = {"title": "The factory", "pictures": {}, **options}
    return render(worlds, result, options.pop("sentences", SENTENCES), **options)


def parsed(text):
    return ET.fromstring(text.removeprefix("<!DOCTYPE html>"))


def words(text):
    return " ".join("".join(parsed(text).find("body").itertext()).split())


def test_the_page_with_its_own_pictures_is_well_formed_and_loads_nothing(worlds, result):
    text = page(worlds, result, pictures=None)
    pictures = list(parsed(text).iter("img"))
    assert len(pictures) == 2
    assert all(re.match(r"data:image/(png|svg\+xml);base64,", p.get("src")) for p in pictures)
    assert all(picture.get("alt") for picture in pictures)
    rest = re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
    assert not re.search(r"https?:|//|url\(|@import|<script|<link|javascript", rest, re.IGNORECASE)
    assert len(text) < 2_000_000
    assert plt.get_fignums() == []


def test_each_disciple_has_its_sentence_and_its_verdict(worlds, result):
    cards = list(parsed(page(worlds, result)).iter("article"))
    told = [" ".join("".join(card.itertext()).split()) for card in cards]
    assert told[0].startswith("modest ○ below It changes little. 20 below")
    assert told[1].startswith("greedy ● above It changes a lot.")
    assert [card.get("class") for card in cards] == ["below", "above"]


def test_a_disciple_with_an_open_question_is_never_called_below(worlds, result):
    result["verdict"].loc["modest", "m4"] = "undecided"
    card = next(parsed(page(worlds, result)).iter("article"))
    assert card.get("class") == "undecided"
    assert "1 undecided" in "".join(card.itertext())


def test_the_greatest_effects_are_open_and_on_top_the_rest_is_folded(worlds, result):
    body = parsed(page(worlds, result)).find("body")
    folded = {row for details in body.iter("details") for row in details.iter("tr")}
    tables = [table for table in body.iter("table") if table.get("class") == "heat"]
    rows = [row for table in tables for row in table.find("tbody")]
    assert [row.find("th").text for row in rows] == LABELS[::-1]
    assert len([row for row in rows if row not in folded]) == 12
    assert [cell.find("b").text for cell in rows[0].iter("td")] == ["0.01", "0.95"]
    assert [cell.get("class") for cell in rows[0].iter("td")] == ["below", "above"]


def test_it_says_how_it_was_made_and_how_far_to_trust_it(worlds, result):
    text = words(page(worlds, result, warnings=["Mind the gap.", "Mind the gap."]))
    assert text.count("Mind the gap.") == 1
    for fact in ("factory", "independent", "plate (all)", "X, orders", "pyro 1.9.1", "1.01"):
        assert fact in text
    assert "2 draws diverge." in text
    assert "Redrawnnone" in text.replace(" ", "")
    assert "A p that is not small never means that there is no impact" in text


def test_names_cannot_break_out(worlds, result):
    evil = '"><script>alert(1)</script>\x00&amp;'
    worlds.attrs = encode_attrs({"world": evil, "versions": {evil: evil}, evil: [evil]})
    result = result.assign_coords(
        disciple=[evil, "greedy"], measurement=[evil, *LABELS[1:]]
    ).assign_attrs({evil: evil})
    summary = pd.DataFrame({evil: [evil]}, index=[evil])
    utility = xr.Dataset({"bits": ("disciple", [1.0])}, coords={"disciple": [evil]})
    figure, _ = plt.subplots()
    text = page(
        worlds,
        result,
        sentences={evil: evil, "greedy": "fine"},
        title=evil,
        summary=summary,
        utility=utility,
        warnings=[evil],
        pictures={evil: figure},
    )
    assert "<script" not in text
    assert "<script>alert(1)</script>&amp;" in words(text)
    assert plt.get_fignums() == [figure.number], "a figure that was given stays open"
    plt.close(figure)


def test_pictures_are_coarsened_to_fit(worlds, result):
    figure, axes = plt.subplots(figsize=(9, 9))
    axes.imshow(np.random.default_rng(0).random((900, 900, 3)), interpolation="nearest")
    assert len(page(worlds, result, pictures={"noise": figure})) < 2_000_000
    plt.close(figure)


def test_tables_show_what_they_are_given(worlds, result):
    summary = pd.DataFrame({"name": ["a", "b"], "size": [1234567.0, np.nan], "count": [1, 20000]})
    utility = xr.Dataset({"expected": ("disciple", [0.25])}, coords={"disciple": ["greedy"]})
    text = words(page(worlds, result, summary=summary, utility=utility))
    assert "1.23×10⁶" in text
    assert "20,000" in text
    assert "0.25" in text
    many = pd.DataFrame({"x": np.arange(1500)})
    assert "500 more rows are not shown here." in words(page(worlds, result, summary=many))


def test_the_same_findings_make_the_same_page(worlds, result):
    def drawn():
        figure, axes = plt.subplots()
        axes.plot([1, 3, 2])
        text = page(worlds, result, pictures={"line": figure})
        plt.close(figure)
        return text

    assert drawn() == drawn()


def test_a_disciple_without_a_sentence_is_refused(worlds, result):
    with pytest.raises(DiscipleError, match="none for \\['greedy'\\]"):
        page(worlds, result, sentences=["It changes little."])
    with pytest.raises(DiscipleError, match="modest"):
        page(worlds, result, sentences={"greedy": "It changes a lot."})
