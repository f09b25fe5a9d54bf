"""Does the forest show the numbers that it was given, under the right names?"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from pictures import figure_of, words

from counterfactual_models.errors import CounterfactualError, DiscipleError, MeasurementError
from inference.plots import plot_coarse_graining, style


def made_up(disciples, labels, *, tolerance=0.05, seed=0):
    """A result with the layout of diagnostics.coarse_graining and numbers out of the air."""
    rng = np.random.default_rng(seed)
    shape = (len(disciples), len(labels))
    tv = rng.beta(0.6, 4.0, shape)
    lower, upper = np.clip(tv - 0.02, 0, 1), np.clip(tv + 0.03, 0, 1)
    verdict = np.where(lower > tolerance, "above", np.where(upper <= tolerance, "below", "?"))
    verdict = np.where(verdict == "?", "undecided", verdict)
    found = {"tv": tv, "lower": lower, "upper": upper, "verdict": verdict}
    found |= {"floor": np.full(shape, 0.022), "plugin": tv, "p": tv, "draws_needed": 1e4 * tv}
    return xr.Dataset(
        {name: (("disciple", "measurement"), values) for name, values in found.items()},
        coords={
            "disciple": np.array(disciples, dtype=object),
            "measurement": np.array(labels, dtype=object),
        },
        attrs={"tolerance": tolerance},
    )


@pytest.fixture
def result():
    found = made_up(["modest", "greedy"], ["gdp", "steel", "visits[paris]", "visits[rome]"])
    for name, value in (("tv", 0.8), ("lower", 0.7), ("upper", 0.9), ("verdict", "above")):
        found[name].loc["greedy", "visits[rome]"] = value
    return found


@pytest.fixture
def forest(result):
    picture = plot_coarse_graining(result)
    yield picture
    plt.close(figure_of(picture))


def labels(picture):
    return [text.get_text() for text in picture.viz["plot"].values[0].get_yticklabels()]


def test_rows_are_sorted_by_effect_with_the_planted_one_on_top(forest, result):
    assert labels(forest)[0] == "visits[rome]"
    sizes = result["tv"].max("disciple").sel(measurement=labels(forest)).values
    assert (np.diff(sizes) <= 0).all()


@pytest.mark.parametrize("one", [{"disciple": "greedy"}, {"measurement": "gdp"}])
def test_one_label_that_was_selected_is_drawn(result, one):
    picture = plot_coarse_graining(result.sel(one))
    assert set(labels(picture)) <= set(result["measurement"].values.tolist())
    plt.close(figure_of(picture))


def test_every_point_and_bar_is_at_its_numbers(forest, result):
    names = labels(forest)
    seen = 0
    for disciple in ("modest", "greedy"):
        for verdict in style.VERDICTS:
            where = {"disciple": disciple, "verdict": verdict}
            points = forest.viz["point"]["effect"].sel(where).item()
            if points is None:  # no measurement has this verdict
                continue
            points = points.get_offsets()
            bars = forest.viz["bar"]["effect"].sel(where).item().get_segments()
            bars = {bar[0, 1]: bar[:, 0] for bar in bars if np.shape(bar) == (2, 2)}
            assert len(bars) == len(points)
            for place, row in np.asarray(points):
                cell = result.sel(disciple=disciple, measurement=names[int(row)])
                assert place == cell["tv"].item()
                assert cell["verdict"].item() == verdict
                assert bars[row].tolist() == [cell["lower"].item(), cell["upper"].item()]
                seen += 1
    assert seen == result["tv"].size


def test_the_tolerance_and_the_floor_are_drawn(forest):
    for disciple, axes in zip(("modest", "greedy"), forest.viz["plot"].values, strict=True):
        lines = [line for line in axes.get_lines() if set(line.get_xdata()) == {0.05}]
        assert len(lines) == 1
        floor = forest.viz["floor"]["effect"].sel(disciple=disciple).item()
        assert {segment[0, 0] for segment in floor.get_segments()} == {0.022}
        assert len(floor.get_segments()) == 4


def test_verdicts_can_be_told_apart_without_colour():
    def lightness(colour):
        return float(np.dot(mpl.colors.to_rgb(colour), [0.2126, 0.7152, 0.0722]))

    inside = sorted(lightness(look.face) for look in style.VERDICTS.values())
    assert np.diff(inside).min() > 0.15
    assert len({(look.marker, look.face) for look in style.VERDICTS.values()}) == 3


def test_a_big_forest_is_cut_and_says_so():
    found = made_up(["a", "b", "c"], [f"m{i}" for i in range(90)])
    picture = plot_coarse_graining(found, max_rows=80, max_columns=2)
    assert len(labels(picture)) == 80
    assert "80 of 90 measurements are shown: those that differ most." in words(picture)
    assert "2 of 3 disciples are shown: those that differ most." in words(picture)
    plt.close(figure_of(picture))


def test_names_can_be_chosen(result):
    picture = plot_coarse_graining(result, disciples="greedy", measurements=["visits"])
    assert sorted(labels(picture)) == ["visits[paris]", "visits[rome]"]
    assert picture.viz["plot"].size == 1
    plt.close(figure_of(picture))


def test_the_users_settings_stay(result):
    before = dict(mpl.rcParams)
    picture = plot_coarse_graining(result)
    assert dict(mpl.rcParams) == before
    figure_of(picture).canvas.draw()
    plt.close(figure_of(picture))


def test_misuse_is_answered(result):
    with pytest.raises(DiscipleError, match="Did you mean 'greedy'"):
        plot_coarse_graining(result, disciples="gredy")
    with pytest.raises(MeasurementError, match="Did you mean 'steel'"):
        plot_coarse_graining(result, measurements=["stel"])
    with pytest.raises(CounterfactualError, match="coarse_graining"):
        plot_coarse_graining(result.drop_vars("lower"))
    with pytest.raises(CounterfactualError, match="tolerance"):
        plot_coarse_graining(result.drop_attrs())
    result["verdict"].loc["greedy", "gdp"] = "maybe"
    with pytest.raises(CounterfactualError, match="maybe"):
        plot_coarse_graining(result)
    assert plt.get_fignums() == []
