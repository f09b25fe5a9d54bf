"""The table as frames, text, page, CSV and README; every number in it is one that was given."""

import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from testbed.tables import TRUTH, table

from counterfactual_models.errors import CounterfactualError
from inference.testbed import (
    BEGIN,
    END,
    Answer,
    Row,
    Testbed,
    markdown,
    refuse_unmarked,
    write_table,
)
from inference.testbed.page import page

FOUND = table(
    {
        "vase": {"seen": (0.0, 1.0), "blind": (0.0, 0.0), "<b>shy</b>": "no <evidence>"},
        "box": {"seen": (0.5, 1.0), "blind": (1.0, 0.0), "<b>shy</b>": (0.0, 0.5)},
    }
)


def test_verdicts_numbers_and_scores_agree():
    assert FOUND.verdicts.loc["vase"].tolist() == ["right", "misses high impact", "not applicable"]
    assert FOUND.verdicts.loc["box"].tolist() == ["false alarm", "wrong order", "right"]
    numbers = FOUND.numbers
    of_box = numbers[(numbers["world"] == "box") & (numbers["measure"] == "seen")]
    assert of_box["penalty"].tolist() == [0.5, 1.0]
    assert of_box["truth"].tolist() == ["low", "high"]
    shy = numbers[(numbers["world"] == "vase") & (numbers["measure"] == "<b>shy</b>")]
    assert shy["why"].tolist() == ["no <evidence>"]
    assert shy["penalty"].isna().all()
    assert FOUND.scores.loc["seen"].to_dict()["right"] == 1
    assert (FOUND.scores.sum(axis="columns") == 2).all()


class Checked(HTMLParser):
    """Refuses tags that are not closed, and whatever would have to be loaded."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        assert tag not in ("script", "link", "img")

    def handle_startendtag(self, tag, attrs):
        assert tag in ("meta", "br")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_escaped_and_holds_every_verdict(tmp_path):
    home = tmp_path / "new" / "folder"
    files = FOUND.write(home)
    assert [file.name for file in files] == ["testbed.html", "verdicts.csv", "numbers.csv"]
    text = files[0].read_text()
    checked = Checked()
    checked.feed(text)
    assert checked.open == []
    assert "<b>shy</b>" not in text
    assert "no &lt;evidence&gt;" in text
    for verdict in ("wrong-order", "false-alarm", "not-applicable"):
        assert f"<td class='cell {verdict}" in text
    back = pd.read_csv(files[1], index_col="world")
    pd.testing.assert_frame_equal(back, FOUND.verdicts, check_dtype=False)
    assert len(pd.read_csv(files[2])) == len(FOUND.numbers)


def test_the_text_and_the_readme_table_show_every_world():
    text, marked = repr(FOUND), markdown(FOUND)
    for world in ("vase", "box"):
        assert world in text
        assert world in marked
    rows = [line.split("|")[2:-1] for line in marked.splitlines() if line.startswith("| T99")]
    assert [[cell.strip() for cell in row] for row in rows] == [["✓", "✗", "·"], ["!", "⇅", "✓"]]
    counted = [line.split(" | ") for line in marked.splitlines() if line[:3] in ("| 1", "| 3")]
    assert counted == [
        ["| 1", "seen", "1", "0", "1", "0", "2 |"],
        ["| 3", "&lt;b>shy&lt;/b>", "1", "0", "0", "0", "1 |"],
    ]


def test_many_measures_stand_in_eighty_letters_with_a_sign_for_each_verdict():
    many = {f"measure number {k}, stepwise": (0.0, 0.0 if k == 13 else 1.0) for k in range(1, 23)}
    names = ["short", "a_world(of_a_very_long_name=True, and_options=17)"]
    text = repr(table({name: many for name in names}))
    grid, legend, listed = text.split("\n\n")
    lines = grid.splitlines()
    assert max(map(len, lines)) <= 80
    tens, ones, first, second = lines
    at = first.index("✗")
    assert (tens[at], ones[at], second[at]) == ("1", "3", "✗")
    assert second.startswith("a_world(of_a_very") and "and_options=17)" in second
    assert legend == "✓ right   ✗ misses high impact"
    assert "13 measure number 13, stepwise  right  0 of  2" in listed


def test_a_table_without_worlds_can_be_shown():
    empty = Testbed((), {}, {}, {}, 0)
    assert repr(empty) == "a test-bed without worlds"
    assert "<table" in empty._repr_html_()


def test_the_table_of_a_notebook_is_well_formed_and_escaped():
    text = FOUND._repr_html_()
    checked = Checked()
    checked.feed(text)
    assert checked.open == []
    assert "<b>shy</b>" not in text
    assert text.count("⇅") == 2  # one cell, and the legend
    assert "right in 1 of 2" in text


def test_every_verdict_of_the_page_leads_to_its_numbers():
    text = page(FOUND)
    links = re.findall(r"href='#([^']+)'", text)
    places = re.findall(r"id='([^']+)'", text)
    assert len(places) == len(set(places))
    assert set(links) <= set(places)
    row = text[text.index("<tr id='box--2'>") :].partition("</tr>")[0]
    assert "<td class='number'>1</td><td class='number'>0</td>" in row
    assert "wrong order" in row


def test_an_error_of_arithmetic_is_not_shown_as_one_of_draws():
    exact = Answer("right", "", {"walk": (0.0, 0.0), "smash": (10.4, 2e-14)}, 0.1)
    drawn = Answer("right", "", {"walk": (0.0, 0.02), "smash": (10.4, 0.3)}, 0.1)
    row = Row("vase", "", "", TRUTH, {"exact": exact, "drawn": drawn}, 1.0)
    names = {"exact": "", "drawn": ""}
    bed = Testbed((row,), names, dict.fromkeys(names, "ours"), dict.fromkeys(names, 0.1), 0)
    text = page(bed)
    assert "2e-14" not in text
    assert "0 ± 0.02" in text and "10.4 ± 0.3" in text


def test_the_table_goes_between_its_marks_and_nowhere_else(tmp_path):
    file = tmp_path / "README.md"
    file.write_text(f"# Before\n{BEGIN}\nold\n{END}\nafter\n")
    assert write_table(FOUND, file) == file
    once = file.read_text()
    assert once.startswith("# Before\n") and once.endswith(f"{END}\nafter\n")
    assert "old" not in once and markdown(FOUND) in once
    write_table(FOUND, file)
    assert file.read_text() == once


@pytest.mark.parametrize("text", ["", f"{BEGIN}\n", f"{END}\n{BEGIN}\n"])
def test_a_file_without_marks_is_refused_as_it_is(tmp_path, text):
    file = tmp_path / "README.md"
    file.write_text(text)
    with pytest.raises(CounterfactualError, match="no place for the table"):
        refuse_unmarked(file)
    with pytest.raises(CounterfactualError, match="no place for the table"):
        write_table(FOUND, file)
    assert file.read_text() == text


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CounterfactualError, match="cannot be read"):
        refuse_unmarked(tmp_path / "none.md")
