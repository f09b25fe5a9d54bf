"""Does the picture of the test-bed show every verdict in its place, and nothing cut off?"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from pictures import figure_of, words
from testbed.tables import table

from counterfactual_models.errors import CounterfactualError
from inference.plots import plot_testbed
from inference.plots.testbed_plot import _LOOKS
from inference.testbed import VERDICTS, Testbed

LONG = 'a_world(of_a_very_long_name="yes", and_more_options=17)'
RIGHT, BLIND, ALARM, PERVERSE, TIE = (0.0, 1.0), (0.0, 0.0), (0.5, 1.0), (1.0, 0.5), (0.5, 0.5)
FOUND = table(
    {
        "vase": {"seen": RIGHT, "blind": BLIND, "$shy$": "no evidence", "mine": RIGHT},
        "box": {"seen": ALARM, "blind": PERVERSE, "$shy$": TIE, "mine": RIGHT},
        LONG: {
            "seen": RIGHT,
            "blind": BLIND,
            "$shy$": RIGHT,
            "mine": "none of its moves is known",
        },
    },
    whose={"$shy$": "peer", "mine": "yours"},
)


def many(worlds, measures):
    """A table of long names: so many worlds, so many measures, every third of them a peer's."""
    names = [f"utility_preservation of {k}, stepwise" for k in range(measures)]
    rows = {f"sokoban_box(size={k})": dict.fromkeys(names, RIGHT) for k in range(worlds)}
    return table(rows, whose=dict.fromkeys(names[measures * 2 // 3 :], "peer"))


def axes_of(picture):
    return picture.viz["plot"].item()


def cells(picture):
    """Place -> colour, as rows and columns are labelled."""
    axes, patches = axes_of(picture), picture.viz["cells"]["verdict"].item()
    found = {}
    for path, color in zip(patches.get_paths(), patches.get_facecolors(), strict=True):
        x, y = path.get_extents().get_points().mean(0)
        column = int(np.argmin(abs(axes.get_xticks() - x)))
        found[round(y), column] = tuple(color)
    return found


def test_every_cell_has_the_colour_of_its_verdict(drawing):
    picture = drawing(plot_testbed, FOUND)
    found = cells(picture)
    for (row, column), color in found.items():
        verdict = FOUND.verdicts.iloc[row, column]
        assert color == pytest.approx(to_rgba(_LOOKS[verdict][0])), (row, column)
    assert len(found) == FOUND.verdicts.size


def test_every_cell_has_the_sign_of_its_verdict(drawing):
    axes = axes_of(drawing(plot_testbed, FOUND))
    shown = {
        (
            round(text.get_position()[1]),
            int(np.argmin(abs(axes.get_xticks() - x))),
        ): text.get_text()
        for text in axes.texts
        if not isinstance(text, mpl.text.Annotation)
        for x in [text.get_position()[0]]
    }
    verdicts = FOUND.verdicts
    assert shown == {
        (row, column): _LOOKS[verdicts.iloc[row, column]][1]
        for row in range(verdicts.shape[0])
        for column in range(verdicts.shape[1])
    }


def test_no_two_verdicts_look_alike():
    assert set(_LOOKS) == set(VERDICTS)
    colors, signs = zip(*_LOOKS.values(), strict=True)
    assert len(set(colors)) == len(set(signs)) == len(VERDICTS)


def test_the_legend_names_the_verdicts_that_there_are_and_no_others(drawing):
    (legend,) = figure_of(drawing(plot_testbed, many(2, 2))).legends
    assert [text.get_text() for text in legend.get_texts()] == ["✓ right"]


def test_right_verdicts_are_counted_of_the_worlds_that_were_asked_about(drawing):
    text = words(drawing(plot_testbed, FOUND))
    for counted in ("2 3", "0 3", "1 2", "2 2"):  # in the order of the columns
        assert counted in text


def test_groups_are_set_apart_and_named(drawing):
    picture = drawing(plot_testbed, FOUND)
    steps = np.diff(axes_of(picture).get_xticks())
    assert steps[0] == pytest.approx(1.0)
    assert (steps[1:] > 1.2).all()
    for group in ("ours", "peers", "yours"):
        assert group in words(picture)


def test_one_group_needs_no_name(drawing):
    picture = drawing(plot_testbed, table({"vase": {"seen": RIGHT}}))
    assert "ours" not in words(picture)


def test_names_are_written_as_they_are_but_for_the_middle_of_a_long_one(drawing):
    axes = axes_of(drawing(plot_testbed, FOUND))
    assert [text.get_text() for text in axes.get_xticklabels()] == list(FOUND.measures)
    *short, long = [text.get_text() for text in axes.get_yticklabels()]
    assert short == ["vase", "box"]
    assert len(long) == 40
    assert "…" in long and long.endswith(LONG[-10:])


@pytest.mark.parametrize(
    "found",
    [FOUND, many(1, 1), many(5, 21), many(41, 1), many(41, 21)],
    ids=["few", "1x1", "5x21", "41x1", "41x21"],
)
def test_nothing_is_cut_off_at_the_edges(drawing, found):
    figure = figure_of(drawing(plot_testbed, found))
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    for text in figure.findobj(mpl.text.Text):
        if text.get_text() and text.get_visible():
            box = text.get_window_extent()
            assert box.x0 >= 0 and box.x1 <= width, text.get_text()
            assert box.y0 >= 0 and box.y1 <= height, text.get_text()


@pytest.mark.parametrize("size", [(1, 1), (5, 21), (41, 2)])
def test_cells_are_as_large_in_a_small_table_as_in_a_large_one(drawing, size):
    picture = drawing(plot_testbed, many(*size))
    figure = figure_of(picture)
    figure.canvas.draw()
    axes = axes_of(picture)
    (x0, y0), (x1, y1) = axes.transData.transform([(0, 0), (1, 1)])
    assert 0.25 < (x1 - x0) / figure.dpi < 0.45
    assert 0.18 < (y0 - y1) / figure.dpi < 0.55


def test_a_size_can_be_given(drawing):
    figure = figure_of(drawing(plot_testbed, FOUND, figsize=(9, 5)))
    np.testing.assert_allclose(figure.get_size_inches(), (9, 5))


@pytest.mark.parametrize("wrong", [None, "table", FOUND.verdicts])
def test_what_is_no_table_is_refused(wrong):
    with pytest.raises(CounterfactualError, match=r"expected what inference.testbed.run"):
        plot_testbed(wrong)


def test_an_empty_table_is_refused():
    with pytest.raises(CounterfactualError, match="no world"):
        plot_testbed(Testbed((), {}, {}, {}, 0))
    assert not plt.get_fignums()
