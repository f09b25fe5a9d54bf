"""Does the table show the changes that it was given, and what is not known as not known?"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from pictures import figure_of, words

from counterfactual_models.errors import CounterfactualError, DiscipleError, MeasurementError
from inference.plots import plot_shape
from inference.plots.footnotes import footnotes

DESCRIPTORS = ("mean", "median", "spread", "skewness", "kurtosis", "peaks", "sixth", "tail_left")
LABELS = ("gdp", "steel", "visits[paris]", "visits[rome]")


def made(disciples, labels, descriptors=DESCRIPTORS):
    """What diagnostics.shape returns where nothing changes by more than its error."""
    shape = (len(disciples), len(labels), len(descriptors))
    cells = {"change": np.full(shape, 0.01), "mcse": np.full(shape, 0.02), "q": np.ones(shape)}
    cells["reason"] = np.full(shape, "", dtype=object)
    law = {"tv": 0.01, "floor": 0.02, "p": 0.6}
    return xr.Dataset(
        {name: (("disciple", "measurement", "descriptor"), value) for name, value in cells.items()}
        | {
            f"rearranged_{name}": (("disciple", "measurement"), np.full(shape[:2], value))
            for name, value in law.items()
        },
        {
            "disciple": np.array(disciples, dtype=object),
            "measurement": np.array(labels, dtype=object),
            "descriptor": np.array(descriptors, dtype=object),
        },
    )


def put(found, disciple, measurement, descriptor, change, *, mcse=0.02, q=0.001, reason=""):
    where = {"disciple": disciple, "measurement": measurement, "descriptor": descriptor}
    for name, value in {"change": change, "mcse": mcse, "q": q, "reason": reason}.items():
        found[name].loc[where] = value


@pytest.fixture
def found():
    result = made(["modest", "greedy"], LABELS)
    put(result, "greedy", "steel", "spread", -0.5)
    put(result, "greedy", "visits[rome]", "kurtosis", 3.25, mcse=0.05)
    put(result, "modest", "gdp", "mean", 0.08)
    put(result, "greedy", "gdp", "skewness", np.nan, q=np.nan, reason="no moment of order 3")
    law = {"measurement": "steel", "disciple": "greedy"}
    for name, value in (("tv", 0.4), ("floor", 0.05), ("p", 0.001)):
        result[f"rearranged_{name}"].loc[law] = value
    return result


def axes(picture, disciple):
    return picture.viz["plot"].sel(disciple=disciple).item()


def labels(picture, disciple):
    return [text.get_text() for text in axes(picture, disciple).get_yticklabels()]


def written(picture, disciple):
    """The words of every cell, by (measurement, column)."""
    rows = labels(picture, disciple)
    texts = [text for text in axes(picture, disciple).texts if type(text) is mpl.text.Text]
    return {
        (rows[int(text.get_position()[1])], round(text.get_position()[0] - 0.44)): text.get_text()
        for text in texts
    }


def arrows(picture, disciple, direction):
    """(measurement, column) of the arrows."""
    drawn = picture.viz["arrow"]["strength"].sel(disciple=disciple, direction=direction).item()
    if drawn is None:  # ArviZ passes over what is NaN throughout
        return set()
    rows = labels(picture, disciple)
    return {(rows[int(row)], round(column + 0.39)) for column, row in drawn.get_offsets()}


def test_a_significant_change_has_its_arrow_and_its_number(drawing, found):
    table = drawing(plot_shape, found, descriptors=DESCRIPTORS)
    assert arrows(table, "greedy", "up") == {("visits[rome]", 4)}
    assert arrows(table, "greedy", "down") == {("steel", 2)}
    assert arrows(table, "modest", "up") == {("gdp", 0)}
    assert arrows(table, "modest", "down") == set()
    assert written(table, "greedy")["steel", 2] == "−0.5"
    assert written(table, "greedy")["visits[rome]", 4] == "+3.2"


def test_what_is_no_more_than_noise_is_a_dot(drawing, found):
    cells = written(drawing(plot_shape, found, descriptors=DESCRIPTORS), "modest")
    table = {where: text for where, text in cells.items() if where[1] < len(DESCRIPTORS)}
    assert len(table) == len(LABELS) * len(DESCRIPTORS)
    assert {text for where, text in table.items() if where != ("gdp", 0)} == {"•"}


def test_what_is_not_known_is_hatched_and_the_reason_is_written(drawing, found):
    table = drawing(plot_shape, found, descriptors=DESCRIPTORS)
    assert written(table, "greedy")["gdp", 3] == "?ᵃ"
    assert "ᵃ no moment of order 3." in words(table)
    hatched = table.viz["unknown"]["unknown"].sel(disciple="greedy").item()
    (path,) = hatched.get_paths()
    assert hatched.get_hatch()
    column, row = path.vertices[:4].mean(axis=0)
    assert (labels(table, "greedy")[round(row)], round(column)) == ("gdp", 3)
    assert not table.viz["unknown"]["unknown"].sel(disciple="modest").item().get_paths()


def test_a_number_whose_significance_is_not_known_is_no_significant_change(drawing, found):
    put(found, "modest", "steel", "mean", 0.7, mcse=np.nan, q=np.nan, reason="one block only")
    table = drawing(plot_shape, found, descriptors=["mean"])
    assert written(table, "modest")["steel", 0] == "+0.7ᵃ"
    assert arrows(table, "modest", "up") == {("gdp", 0)}
    assert len(table.viz["unknown"]["unknown"].sel(disciple="modest").item().get_paths()) == 1


def test_arrows_and_shades_grow_with_the_standard_errors(drawing):
    found = made(["greedy"], ["a", "b", "c"])
    for label, change in (("a", 0.06), ("b", 0.16), ("c", 2.0)):
        put(found, "greedy", label, "mean", change)
    table = drawing(plot_shape, found)
    sizes = table.viz["arrow"]["strength"].sel(disciple="greedy", direction="up").item()
    assert labels(table, "greedy") == ["c", "b", "a"]
    by_row = dict(zip(sizes.get_offsets()[:, 1], sizes.get_sizes(), strict=True))
    assert by_row[0] > by_row[1] > by_row[2]
    shade = table.viz["shade"]["strength"].sel(disciple="greedy", direction="up").item()
    assert len(np.unique(shade.get_facecolors(), axis=0)) == 3
    assert (shade.get_facecolors()[:, 3] == 1).all(), "stripes do not show through"


def test_one_of_everything_is_a_table_of_one_cell(drawing):
    found = made(["greedy", "modest"], ["a", "b"])
    put(found, "greedy", "a", "mean", 2.0)
    for chosen in ({"descriptor": "mean"}, {"disciple": "greedy"}, {"measurement": "a"}):
        table = drawing(plot_shape, found.sel(chosen))
        assert "+2" in [text.get_text() for text in np.ravel(table.viz["plot"].values)[0].texts]


def test_numbers_stand_in_their_own_rows_however_the_dims_are_ordered(drawing):
    found = made(["greedy"], ["a", "b", "c"])
    for label, change in (("a", 2.0), ("b", 3.0), ("c", 4.0)):
        put(found, "greedy", label, "spread", change)
    usual = written(drawing(plot_shape, found, descriptors="spread"), "greedy")
    assert (usual["a", 0], usual["b", 0], usual["c", 0]) == ("+2", "+3", "+4")
    for other in (found.sel(descriptor="spread"), found.transpose()):
        table = drawing(plot_shape, other, descriptors="spread")
        assert written(table, "greedy") == usual
        sizes = table.viz["arrow"]["strength"].sel(disciple="greedy", direction="up").item()
        assert sorted(map(tuple, sizes.get_offsets().round(2).tolist())) == [
            (-0.39, row) for row in range(3)
        ]


def test_it_says_what_is_left_out_and_what_shapes_do_not_see(drawing):
    found = made(["greedy"], ["a"])
    put(found, "greedy", "a", "sixth", 2.0)
    said = words(drawing(plot_shape, found, descriptors="mean"))
    assert f"1 of {found.sizes['descriptor']} descriptors" in said
    assert "1 significant change " in said
    assert "change places" in said


def test_a_row_that_only_its_whole_law_tells_is_not_cut(drawing):
    found = made(["greedy"], ["a", "b", "c"])
    at = {"disciple": "greedy", "measurement": "c"}
    found["rearranged_tv"].loc[at] = 0.5
    found["rearranged_p"].loc[at] = 0.001
    assert labels(drawing(plot_shape, found, max_rows=1), "greedy") == ["c"]


def test_up_and_down_can_be_told_apart_without_colour(drawing, found):
    table = drawing(plot_shape, found, descriptors=DESCRIPTORS)
    drawn = table.viz["arrow"]["strength"].sel(disciple="greedy")
    up, down = (
        drawn.sel(direction=name).item().get_paths()[0].vertices for name in ("up", "down")
    )
    # A triangle's tip is the one vertex at its height.
    assert up[:3, 1].argmax() == 0
    assert down[:3, 1].argmin() == 0


def test_rows_are_sorted_by_their_surest_change(drawing, found):
    # In standard errors: 65 of rome, 25 of steel, 4 of gdp, none of paris.
    expected = ["visits[rome]", "steel", "gdp", "visits[paris]"]
    table = drawing(plot_shape, found)
    assert labels(table, "modest") == labels(table, "greedy") == expected


def test_the_rearranged_tv_is_a_bar_with_its_floor(drawing, found):
    table = drawing(plot_shape, found)
    row = labels(table, "greedy").index("steel")
    where = {"disciple": "greedy"}
    bars = table.viz["bar"]["law"].sel(where).item()
    filled = [tuple(face) == (1, 1, 1, 1) for face in bars.get_facecolors()]
    assert filled.count(False) == 1
    ends = {
        round(path.vertices[:4, 1].mean()): (path.vertices[0, 0], np.ptp(path.vertices[:, 0]))
        for path in bars.get_paths()
    }
    left, length = ends[row]
    ticks = {
        tick[0, 1] + 0.34: tick[0, 0]
        for tick in table.viz["floor"]["law"].sel(where).item().get_segments()
    }
    assert (ticks[row] - left) / length == pytest.approx(0.05 / 0.4)
    assert "0.4" in [text.get_text() for text in axes(table, "greedy").texts]


def test_an_unknown_tv_is_a_question_mark(drawing, found):
    found["rearranged_tv"].loc["modest", "gdp"] = np.nan
    found["rearranged_tv"].loc["greedy"] = np.nan
    table = drawing(plot_shape, found)
    row = labels(table, "modest").index("gdp")
    said = [t.get_text() for t in axes(table, "modest").texts if t.get_position()[1] == row]
    assert "?" in said


def test_it_says_what_it_leaves_out(drawing):
    found = made(["a", "b", "c"], [f"m{i}" for i in range(30)])
    put(found, "b", "m7", "peaks", 1.0, mcse=0.0)
    table = drawing(plot_shape, found, max_rows=5, max_panels=1)
    assert labels(table, "b")[0] == "m7"
    assert len(labels(table, "b")) == 5
    assert "5 of 30 measurements are shown: those that change most surely." in words(table)
    assert "1 of 3 disciples are shown" in words(table)


def test_descriptors_can_be_chosen_in_their_order(drawing, found):
    table = drawing(plot_shape, found, descriptors=["sixth", "mean"], disciples="greedy")
    assert "sixth mean rearranged tv" in words(table)
    assert "kurtosis" not in words(table)


def test_one_of_each_is_enough(drawing, found):
    one = found.sel(disciple="greedy", measurement="steel")
    table = drawing(plot_shape, one, descriptors="spread")
    figure_of(table).canvas.draw()
    assert written(table, "greedy")["steel", 0] == "−0.5"


def test_awkward_names_and_numbers_are_drawn_as_they_are(drawing):
    found = made(["$5 x$ {"], ["$a_$", "b" * 90])
    put(found, "$5 x$ {", "$a_$", "mean", -3.2e12)
    table = drawing(plot_shape, found)
    figure_of(table).canvas.draw()
    assert labels(table, "$5 x$ {")[0] == "$a_$"
    assert "−3.2×10¹²" in words(table)


def test_cells_do_not_run_into_each_other(drawing):
    found = made(["greedy"], list("abcd"))
    for label in "abcd":
        for name in DESCRIPTORS:
            put(found, "greedy", label, name, -3.4e9)
    table = drawing(plot_shape, found, descriptors=DESCRIPTORS)
    figure = figure_of(table)
    figure.canvas.draw()
    cells = [text for text in axes(table, "greedy").texts if "×" in text.get_text()]
    assert len(cells) == 4 * len(DESCRIPTORS)
    column = np.diff(axes(table, "greedy").transData.transform([(0, 0), (1, 0)])[:, 0]).item()
    assert max(text.get_window_extent().width for text in cells) < 0.85 * column


def test_many_reasons_share_a_sign():
    reasons = np.array([f"reason {chr(97 + place)}" for place in range(12)] + [""], dtype=object)
    letters, lines = footnotes(reasons)
    assert len(set(letters[:8])) == 8
    assert set(letters[8:12]) == {"⁺"}
    assert letters[12] == ""
    assert "other reasons" in lines[0]


def test_the_users_settings_stay(drawing, found):
    before = dict(mpl.rcParams)
    figure_of(drawing(plot_shape, found)).canvas.draw()
    assert dict(mpl.rcParams) == before


def test_misuse_is_answered(found):
    with pytest.raises(DiscipleError, match="Did you mean 'greedy'"):
        plot_shape(found, disciples="gredy")
    with pytest.raises(MeasurementError, match="Did you mean 'steel'"):
        plot_shape(found, measurements=["stel"])
    with pytest.raises(CounterfactualError, match="Did you mean 'spread'"):
        plot_shape(found, descriptors=["spraed"])
    with pytest.raises(CounterfactualError, match="a descriptor at least"):
        plot_shape(found, descriptors=[])
    with pytest.raises(CounterfactualError, match=r"diagnostics\.shape"):
        plot_shape(found.drop_vars("q"))
    with pytest.raises(CounterfactualError, match="max_rows=0"):
        plot_shape(found, max_rows=0)
    assert plt.get_fignums() == []
