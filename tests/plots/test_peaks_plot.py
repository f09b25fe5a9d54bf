"""Are the peaks marked where they are, in the right row and world, with what lies in them?"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from pictures import figure_of, words

from counterfactual_models.errors import CounterfactualError, DiscipleError, MeasurementError
from inference.diagnostics.peaks import peaks as found_peaks
from inference.plots import plot_peaks, plot_worlds

DISCIPLES = ("erased", "modest", "greedy")


def worlds(shifts):
    """Halves of a normal law of spread 100 about 5000, moved apart by so many spreads."""
    rng = np.random.default_rng(0)
    halves = np.where(np.arange(2000) % 2, 0.5, -0.5)
    drawn = {
        name: 5000 + 100 * (rng.normal(size=(3, 1, 2000)) + np.array(by)[:, None, None] * halves)
        for name, by in shifts.items()
    }
    dims = ("disciple", "chain", "draw")
    return xr.Dataset(
        {name: (dims, value, {"role": "measurement"}) for name, value in drawn.items()},
        {"disciple": list(DISCIPLES)},
    )


def given(labels, places, masses, width=235.0):
    """What diagnostics.peaks returns of places, by disciple and measurement."""
    shape = (len(DISCIPLES), len(labels), max(len(p) for row in places for p in row))
    numbers = {name: np.full(shape, np.nan) for name in ("place", "width", "mass")}
    for world, row in enumerate(places):
        for level, own in enumerate(row):
            at = world, level, slice(len(own))
            numbers["place"][at], numbers["width"][at] = own, width
            numbers["mass"][at] = masses if len(own) == len(masses) else 1.0
    dims = ("disciple", "measurement", "peak")
    counts = [[len(own) for own in row] for row in places]
    return xr.Dataset(
        {name: (dims, value) for name, value in numbers.items()}
        | {"count": (dims[:2], np.array(counts, dtype=float))},
        {"disciple": list(DISCIPLES), "measurement": list(labels)},
    )


ONE = [(1.0, 0.0)]


def mixtures(disciples=("modest", "greedy"), draws=600, **rows):
    """Normal mixtures, (mass, place) of each peak by measurement and world; the last goes on."""
    rng = np.random.default_rng(0)
    names = ["erased", *disciples]
    worlds = {
        row: [laws[min(place, len(laws) - 1)] for place in range(len(names))]
        for row, laws in rows.items()
    }
    shape = len(names), len(rows), max(len(law) for laws in worlds.values() for law in laws)
    found = {name: np.full(shape, np.nan) for name in ("place", "width", "mass")}
    count, drawn = np.zeros(shape[:2]), {}
    for column, (row, laws) in enumerate(worlds.items()):
        values = np.empty((len(names), 2, draws))
        for world, law in enumerate(laws):
            masses, places = np.array(law).T
            count[world, column] = masses.size
            for name, numbers in (("place", places), ("width", 1.5), ("mass", masses)):
                found[name][world, column, : masses.size] = numbers
            values[world] = rng.normal(rng.choice(places, (2, draws), p=masses), 0.64)
        drawn[row] = (("disciple", "chain", "draw"), values, {"role": "measurement"})
    dims = ("disciple", "measurement", "peak")
    peaks = xr.Dataset(
        {name: (dims, values) for name, values in found.items()} | {"count": (dims[:2], count)},
        {"disciple": names, "measurement": list(rows)},
    )
    return xr.Dataset(drawn, {"disciple": names}), peaks


@pytest.fixture(scope="module")
def drawn():
    return worlds({"still": [0, 0, 0], "split": [0, 0, 6]})


@pytest.fixture
def peaks():
    one, two = [5000.0], [4700.0, 5300.0]
    return given(["still", "split"], [[one, one], [one, one], [one, two]], [0.62, 0.38])


def panel(picture, disciple):
    return picture.viz["plot"].sel(disciple=disciple).item()


def labels(picture):
    return [text.get_text() for text in picture.viz["plot"].values[0].get_yticklabels()]


def marks(picture, disciple, switch):
    """(measurement, place in its own units) of the triangles."""
    spots = picture.viz["peak"]["peaks"].sel(disciple=disciple, X=switch).item().get_offsets()
    rows = labels(picture)
    found = []
    for x, y in np.asarray(spots):
        row = picture.data.sel(measurement=rows[int(y)])
        found.append((rows[int(y)], round(float(row["centre"] + x * row["spread"]), 6)))
    return found


def said(picture, disciple, row):
    """What is written in a row, beside the name."""
    level = labels(picture).index(row)
    notes = panel(picture, disciple).texts
    return [n.get_text() for n in notes if level - 0.7 < n.xy[1] < level + 0.5 and n.xy[0] != 0]


def written(picture):
    found = [text.get_text() for text in figure_of(picture).findobj(mpl.text.Text)]
    return [text for text in found if text]


def test_every_peak_is_marked_at_its_place_in_its_row_and_world(drawing, drawn, peaks):
    picture = drawing(plot_peaks, drawn, peaks)
    for disciple in ("modest", "greedy"):
        assert sorted(marks(picture, disciple, 0)) == [("split", 5000.0), ("still", 5000.0)]
    assert sorted(marks(picture, "modest", 1)) == [("split", 5000.0), ("still", 5000.0)]
    assert sorted(marks(picture, "greedy", 1)) == [
        ("split", 4700.0),
        ("split", 5300.0),
        ("still", 5000.0),
    ]


def test_a_band_is_as_wide_as_its_peak(drawing, drawn, peaks):
    picture = drawing(plot_peaks, drawn, peaks, measurements="split")
    (band,) = picture.viz["band"]["peaks"].sel(disciple="modest", X=1).item().get_segments()
    width = np.ptp(band[:, 0]) * picture.data["spread"].item()
    assert width == pytest.approx(235.0)


def test_shares_are_written_where_there_is_more_than_one_peak(drawing, drawn, peaks):
    picture = drawing(plot_peaks, drawn, peaks)
    assert said(picture, "greedy", "split") == ["62%", "38%", "1 → 2 peaks"]
    assert said(picture, "greedy", "still") == said(picture, "modest", "still") == []


def test_shares_of_close_peaks_are_written_in_turn(drawing, drawn, peaks):
    peaks["place"].loc["greedy", "split"] = [4990.0, 5010.0]
    assert "62·38%" in said(drawing(plot_peaks, drawn, peaks), "greedy", "split")


def test_shares_of_peaks_close_together_are_written_once_in_turn(drawing):
    three = [(0.2, -0.4), (0.3, 0.0), (0.5, 0.4)]
    said = written(drawing(plot_peaks, *mixtures(votes=[ONE, three])))
    assert said.count("20·30·50%") == 2  # one in each of the two columns
    many = [(0.05, 0.1 * place) for place in range(20)]
    said = written(drawing(plot_peaks, *mixtures(votes=[ONE, many])))
    assert [text for text in said if text.startswith("5·5·") and text.endswith("% …")]


def test_peaks_beyond_both_ends_are_told(drawing):
    worlds, peaks = mixtures(("greedy",), votes=[ONE, [(0.3, -900.0), (0.4, 0.0), (0.3, 900.0)]])
    picture = drawing(plot_peaks, worlds, peaks)
    assert len(marks(picture, "greedy", 1)) == 1
    told = [text for text in written(picture) if text.startswith("30% at ")]
    assert sorted(text[7] for text in told) == ["+", "−"]


@pytest.mark.parametrize("disciples", [("greedy",), tuple("abcde")])
def test_nothing_that_is_written_beside_peaks_overlaps(disciples, drawing):
    close = [(0.35, -0.6), (0.3, 0.0), (0.35, 0.6)]
    far = [(0.5, 0.0), (0.3, 40.0), (0.2, 60.0)]
    claw = [(0.2, 1.2 * place) for place in range(-2, 3)]
    picture = drawing(
        plot_peaks, *mixtures(disciples, close=[ONE, close], far=[ONE, far], claw=[ONE, claw])
    )
    figure = figure_of(picture)
    figure.canvas.draw()
    for axes in picture.viz["plot"].values.ravel():
        boxes = [
            text.get_window_extent()
            for text in axes.texts
            if "%" in text.get_text() and text.get_fontsize() == 7
        ]
        assert len(boxes) > 3
        across = [(a, b) for n, a in enumerate(boxes) for b in boxes[:n] if a.overlaps(b)]
        assert all(min(a.x1, b.x1) - max(a.x0, b.x0) < 2 for a, b in across)


def test_a_change_in_number_is_written_and_so_is_a_number_not_known(drawing, drawn, peaks):
    peaks["count"].loc["modest", "still"] = np.nan
    picture = drawing(plot_peaks, drawn, peaks)
    assert said(picture, "modest", "still") == ["1 → ? peaks"]
    assert "1 → 2 peaks" in said(picture, "greedy", "split")
    assert "1 → 2 peaks" not in said(picture, "modest", "split")


def test_peaks_beyond_the_axis_are_told_at_its_edge(drawing, drawn, peaks):
    peaks["place"].loc["greedy", "split"] = [5000.0, 9000.0]
    picture = drawing(plot_peaks, drawn, peaks)
    assert [row for row, _ in marks(picture, "greedy", 1)].count("split") == 1
    (told,) = [text for text in said(picture, "greedy", "split") if "at" in text]
    spread = picture.data["spread"].sel(measurement="split").item()
    away = (9000 - picture.data["centre"].sel(measurement="split").item()) / spread
    assert told.startswith("38% at +")
    assert float(told.split("+")[1]) == pytest.approx(away, rel=0.05)


def test_the_worlds_are_told_apart_without_colour(drawing, drawn, peaks):
    picture = drawing(plot_peaks, drawn, peaks)
    own = picture.viz["peak"]["peaks"].sel(disciple="greedy")
    hollow, full = (mpl.colors.to_hex(own.sel(X=x).item().get_facecolors()[0]) for x in (0, 1))
    assert hollow == "#ffffff" != full
    heights = [own.sel(X=x).item().get_offsets()[:, 1] % 1 for x in (0, 1)]
    assert heights[0].min() > heights[1].max() + 0.1


def test_marks_stay_within_their_row(drawing, drawn, peaks):
    picture = drawing(plot_peaks, drawn, peaks)
    for axes in picture.viz["plot"].values:
        assert axes.get_ylim()[0] >= len(labels(picture)) - 1 + 0.4
    outline = picture.viz["face"]["outline"].sel(disciple="greedy", X=1).item()
    for level, path in enumerate(outline.get_paths()):
        # The strips of the row above end .4 below its base line.
        assert path.vertices[:, 1].min() >= level - 1 + 0.4


def test_the_ridge_is_that_of_the_worlds(drawing, drawn, peaks):
    one, other = drawing(plot_peaks, drawn, peaks), drawing(plot_worlds, drawn)
    xr.testing.assert_equal(one.data["outline"], other.data["outline"])
    assert "Under each name" in words(one)


def test_what_the_diagnostic_finds_is_drawn(drawing, drawn):
    picture = drawing(plot_peaks, drawn, found_peaks(drawn))
    split = [place for row, place in marks(picture, "greedy", 1) if row == "split"]
    # Two normal laws of spread 100 at 4700 and 5300, of 1000 draws each.
    np.testing.assert_allclose(split, [4700, 5300], atol=60)
    assert said(picture, "greedy", "split")[-1] == "1 → 2 peaks"


def test_rows_and_columns_can_be_chosen(drawing, drawn, peaks):
    picture = drawing(
        plot_peaks, drawn, peaks, disciples="greedy", measurements=["still"], order="given"
    )
    assert labels(picture) == ["still"]
    figure_of(picture).canvas.draw()
    few = drawing(plot_peaks, drawn, peaks, max_rows=1, max_columns=1)
    assert labels(few) == ["split"]
    assert "1 of 2 measurements are shown" in words(few)


def test_the_users_settings_stay(drawing, drawn, peaks):
    before = dict(mpl.rcParams)
    figure_of(drawing(plot_peaks, drawn, peaks)).canvas.draw()
    assert dict(mpl.rcParams) == before


def test_misuse_is_answered(drawn, peaks):
    with pytest.raises(DiscipleError, match="Did you mean 'greedy'"):
        plot_peaks(drawn, peaks, disciples="gredy")
    with pytest.raises(MeasurementError, match="Did you mean 'still'"):
        plot_peaks(drawn, peaks, measurements="stil")
    with pytest.raises(CounterfactualError, match="no measurement 'split'"):
        plot_peaks(drawn, peaks.sel(measurement=["still"]))
    with pytest.raises(CounterfactualError, match="no disciple 'greedy'"):
        plot_peaks(drawn, peaks.sel(disciple=["erased", "modest"]))
    with pytest.raises(CounterfactualError, match=r"diagnostics\.peaks"):
        plot_peaks(drawn, peaks.drop_vars("mass"))
    assert plt.get_fignums() == []
