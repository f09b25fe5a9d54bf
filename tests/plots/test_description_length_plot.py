"""Are the four curves, the budget, the floor and the bits those that were given?"""

from itertools import pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from pictures import figure_of, words

from counterfactual_models.errors import CounterfactualError, DiscipleError, MeasurementError
from inference.diagnostics.description_length import description_length
from inference.plots import plot_description_length

DESCRIPTIONS = ("on", "off", "on_given_off", "off_given_on")
LABELS = ("gdp", "steel", "births")
RATES = np.linspace(0.0, 120.0, 61)


def made(disciples, labels, given=(3.0, 40.0, 90.0)):
    """What diagnostics.description_length returns, with curves that fall to nothing at 100."""
    shape = (len(disciples), len(labels))
    bits = {"on": 140.0, "off": 110.0, "information": 12.0}
    both = {name: np.full(shape, value) for name, value in bits.items()}
    both["on_given_off"] = np.broadcast_to(given[: len(labels)], shape).copy()
    both["off_given_on"] = both["on_given_off"] / 2
    both |= {f"{name}_mcse": np.full(shape, 3.0) for name in list(both)}
    both["floor"] = np.full(shape, 0.04)
    heights = np.array([0.6, 0.5, 0.4, 0.3])
    curves = np.clip(heights[:, None] * (1 - RATES / 100), 0, None)
    dims = ("disciple", "measurement", "description", "rate")
    at_24 = heights * 0.76
    return xr.Dataset(
        {name: (dims[:2], value) for name, value in both.items()}
        | {
            "distortion": (dims, np.broadcast_to(curves, (*shape, *curves.shape)).copy()),
            "at_budget": (dims[:3], np.broadcast_to(at_24, (*shape, 4)).copy()),
            "budget": (dims[:1], np.full(shape[0], 24.0)),
            "reason": (dims[:1], np.full(shape[0], "", dtype=object)),
        },
        {
            "disciple": np.array(disciples, dtype=object),
            "measurement": np.array(labels, dtype=object),
            "description": np.array(DESCRIPTIONS, dtype=object),
            "rate": RATES,
        },
    )


@pytest.fixture
def found():
    return made(["modest", "greedy"], LABELS)


def panel(picture, disciple, measurement):
    return picture.viz["plot"].sel(disciple=disciple, measurement=measurement).item()


def titles(picture):
    plots = picture.viz["plot"].values.ravel()
    return [axes.get_title(loc="left") for axes in plots if axes is not None]


def bits(picture, disciple, measurement):
    """What is written over a panel: name to number."""
    (strip,) = panel(picture, disciple, measurement).child_axes
    rows = {}
    for text in strip.texts:
        rows.setdefault(text.get_position()[1], []).append(text.get_text())
    return dict(rows.values())


def upright(axes):
    return [line.get_xdata()[0] for line in axes.get_lines() if np.ptp(line.get_xdata()) == 0]


def test_every_curve_is_that_of_its_description(drawing, found):
    found["distortion"].loc["greedy", "steel", "off"] = 0.77
    picture = drawing(plot_description_length, found)
    for name in DESCRIPTIONS:
        where = {"disciple": "greedy", "measurement": "steel", "description": name}
        line = picture.viz["curve"]["distortion"].sel(where).item()
        np.testing.assert_array_equal(line.get_xdata(), RATES)
        np.testing.assert_array_equal(line.get_ydata(), found["distortion"].sel(where).values)
        assert line.axes is panel(picture, "greedy", "steel")


def test_the_descriptions_can_be_told_apart_without_colour(drawing, found):
    picture = drawing(plot_description_length, found)
    lines = [
        picture.viz["curve"]["distortion"]
        .sel(disciple="greedy", measurement="gdp", description=name)
        .item()
        for name in DESCRIPTIONS
    ]
    # Dashes as they were asked for: the drawn ones are scaled by the width.
    looks = {
        (
            line._unscaled_dash_pattern[1] and tuple(line._unscaled_dash_pattern[1]),
            line.get_linewidth(),
        )
        for line in lines
    }
    assert len(looks) == 4


def test_the_budget_and_the_floor_are_drawn(drawing, found):
    picture = drawing(plot_description_length, found)
    for axes in picture.viz["plot"].values.ravel():
        assert upright(axes).count(24.0) == 1
        (band,) = axes.patches
        assert band.get_y() + band.get_height() == pytest.approx(0.04)
    spots = picture.viz["spot"]["at_budget"].sel(disciple="greedy", measurement="gdp")
    heights = [spots.sel(description=name).item().get_offsets()[0, 1] for name in DESCRIPTIONS]
    np.testing.assert_allclose(heights, found["at_budget"].sel(disciple="greedy")[0])


def test_the_bits_are_written_with_their_errors_and_drawn_to_scale(drawing, found):
    picture = drawing(plot_description_length, found)
    assert bits(picture, "greedy", "births") == {
        "on": "140 ± 3",
        "off": "110 ± 3",
        "on given off": "90 ± 3",
        "off given on": "45 ± 3",
        "information": "12 ± 3",
    }
    (strip,) = panel(picture, "greedy", "births").child_axes
    lengths = [np.ptp(path.vertices[:, 0]) for path in strip.collections[0].get_paths()]
    np.testing.assert_allclose(
        np.array(lengths) / lengths[0], np.array([140, 110, 90, 45, 12]) / 140
    )


def test_information_below_zero_is_written_and_has_no_bar(drawing, found):
    found["information"][:] = -1.0
    picture = drawing(plot_description_length, found)
    assert bits(picture, "greedy", "gdp")["information"] == "−1 ± 3"
    (strip,) = panel(picture, "greedy", "gdp").child_axes
    assert len(strip.collections[0].get_paths()) == 4


def test_the_dearest_given_the_other_come_first(drawing):
    found = made(["a", "b"], [f"m{i}" for i in range(9)], given=np.arange(9.0))
    picture = drawing(plot_description_length, found, max_rows=2, max_columns=1)
    titles = [axes.get_title(loc="left") for axes in picture.viz["plot"].values.ravel()]
    assert titles == ["m8", "m7"]
    which = "those that knowing the other world makes least cheaper."
    assert f"2 of 9 measurements are shown: {which}" in words(picture)
    assert "1 of 2 disciples are shown" in words(picture)


def test_those_come_first_that_the_other_world_helps_least(drawing):
    found = made(["greedy"], ["a", "b", "c", "d"], given=np.ones(4))
    lengths = {"a": (80, 30), "b": (20, 21), "c": (90, 91), "d": (200, 60)}
    for label, (alone, given) in lengths.items():
        for name in DESCRIPTIONS:
            found[name].loc["greedy", label] = given if "given" in name else alone
    assert titles(drawing(plot_description_length, found)) == ["c", "b", "a", "d"]
    cut = drawing(plot_description_length, found, max_rows=2)
    assert titles(cut) == ["c", "b"]
    assert "2 of 4 measurements are shown" in words(cut)


def test_a_big_result_is_cut_and_long_names_stay_apart(drawing):
    labels = [f"visits[the museum of applied arts, {month}]" for month in range(40)]
    disciples = [f"a disciple with a long name, the {place}th" for place in range(5)]
    picture = drawing(plot_description_length, made(disciples, labels, given=np.ones(40)))
    assert len(set(titles(picture))) == 24
    assert "6 of 40 measurements are shown" in words(picture)
    assert "4 of 5 disciples are shown" in words(picture)
    figure = figure_of(picture)
    figure.canvas.draw()
    plots = picture.viz["plot"].values
    heads = [axes._left_title.get_window_extent() for axes in plots[0]]
    assert all(a.x1 < b.x0 for a, b in pairwise(heads))
    assert heads[-1].x1 <= figure.bbox.x1


def test_a_legend_names_no_budget_that_nobody_has(drawing, found):
    def legend():
        picture = drawing(plot_description_length, found)
        return [text.get_text() for text in figure_of(picture).legends[0].get_texts()]

    assert {"on", "off", "on given off", "off given on", "budget"} < set(legend())
    found["budget"][:] = np.nan
    assert "budget" not in legend()


def test_several_disciples_are_columns(drawing, found):
    picture = drawing(plot_description_length, found)
    grid = panel(picture, "modest", "births").get_gridspec()
    assert (grid.nrows, grid.ncols) == (3, 2)
    assert panel(picture, "greedy", "gdp").get_title(loc="left") == "gdp\ngreedy"


def test_a_budget_beyond_the_axis_is_told_at_its_edge(drawing, found):
    found["budget"].loc["greedy"] = 5e4
    picture = drawing(plot_description_length, found)
    axes = panel(picture, "greedy", "gdp")
    assert "budget 50,000" in [text.get_text() for text in axes.texts]
    assert 5e4 not in upright(axes)
    assert axes.get_xlim()[1] <= RATES[-1]


def test_who_has_no_budget_is_named_with_the_reason(drawing, found):
    found["budget"].loc["greedy"] = np.nan
    found["at_budget"].loc["greedy"] = np.nan
    found["reason"].loc["greedy"] = "the source of this disciple is not known: give budget="
    picture = drawing(plot_description_length, found)
    assert "No budget for greedy: the source of this disciple is not known" in words(picture)
    assert "No budget for modest" not in words(picture)
    assert upright(panel(picture, "greedy", "gdp")) == []


def test_what_the_diagnostic_finds_is_drawn(drawing):
    noise = np.random.default_rng(0).normal([[[0.0]], [[3.0]]], size=(2, 4, 500))
    price = (["disciple", "chain", "draw"], noise, {"role": "measurement"})
    drawn = xr.Dataset({"price": price}, {"disciple": ["erased", "greedy"]})
    picture = drawing(plot_description_length, description_length(drawn))
    assert "No budget for greedy" in words(picture)
    figure_of(picture).canvas.draw()


def test_one_of_each_huge_bits_and_awkward_names_are_drawn(drawing):
    found = made(["$5 x$ {"], ["$a_$"])
    found["on"][:], found["on_mcse"][:] = 3.2e9, 1.0
    found["off"][:] = np.nan
    picture = drawing(plot_description_length, found.isel(disciple=0, measurement=0))
    figure_of(picture).canvas.draw()
    assert bits(picture, "$5 x$ {", "$a_$")["on"] == "3.2×10⁹"
    assert bits(picture, "$5 x$ {", "$a_$")["off"] == "not known"


def test_the_bits_stand_between_the_title_and_the_curves(drawing, found):
    for options in ({}, {"disciples": "greedy", "measurements": "gdp"}, {"figsize": (9, 20)}):
        picture = drawing(plot_description_length, found, **options)
        figure_of(picture).canvas.draw()
        for axes in picture.viz["plot"].values.ravel():
            (strip,) = axes.child_axes
            box, title = strip.get_window_extent(), axes._left_title.get_window_extent()
            assert axes.get_window_extent().y1 < box.y0 < box.y1 < title.y0 + 2
            assert title.y1 < figure_of(picture).legends[0].get_window_extent().y0


def test_the_users_settings_stay(drawing, found):
    before = dict(mpl.rcParams)
    figure_of(drawing(plot_description_length, found)).canvas.draw()
    assert dict(mpl.rcParams) == before


def test_misuse_is_answered(found):
    with pytest.raises(DiscipleError, match="Did you mean 'greedy'"):
        plot_description_length(found, disciples="gredy")
    with pytest.raises(MeasurementError, match="Did you mean 'steel'"):
        plot_description_length(found, measurements="stel")
    with pytest.raises(CounterfactualError, match=r"diagnostics\.description_length"):
        plot_description_length(found.drop_vars("floor"))
    with pytest.raises(CounterfactualError, match="expected \\['on', 'off'"):
        plot_description_length(found.sel(description=["on", "off"]))
    found["distortion"][0, 0, 0, 0] = np.nan
    with pytest.raises(CounterfactualError, match="not finite"):
        plot_description_length(found)
    assert plt.get_fignums() == []
