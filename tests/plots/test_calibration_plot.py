"""Do the panels show the curves that they were given, the worst first, and say what is missing?"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from pictures import figure_of, words

from counterfactual_models import CounterfactualError
from inference.plots import plot_calibration, style
from inference.rank_verdicts import judge_ranks


def study(labels, powers, repetitions=150):
    """Ranks that are uniform where the power is 1."""
    rank = np.random.default_rng(0).random((repetitions, len(labels))) ** np.array(powers)
    return judge_ranks(rank, np.full(rank.shape, 99), np.zeros(rank.shape, bool), labels)


@pytest.fixture
def result():
    found = study(["demand", "z[$a$]", "z[b]", "log_likelihood"], [1.0, 1.0, 3.0, 1.6])
    about = {"world": "shop", "method": "nuts", "truth": "slow", "failed": 2, "warned": 7}
    status = np.array(["failed"] * 2 + ["ok"] * 148, dtype=object)
    return found.assign(status=("repetition", status)).assign_attrs(about)


@pytest.fixture
def panels(result):
    picture = plot_calibration(result)
    yield picture
    plt.close(figure_of(picture))


def titles(picture):
    return [axes.get_title(loc="left") for axes in picture.viz["plot"].values.ravel()]


def test_the_worst_comes_first(panels):
    assert titles(panels)[:2] == ["z[b]", "log_likelihood"]
    assert set(titles(panels)[2:]) == {"demand", "z[$a$]"}


def test_every_curve_and_its_band_are_as_given(panels, result):
    for name in result["quantity"].values:
        one = result.sel(quantity=name)
        curve = panels.viz["curve"]["ecdf_difference"].sel(quantity=name).item()
        assert np.array_equal(curve.get_xdata(), one["place"])
        assert np.array_equal(curve.get_ydata(), one["ecdf_difference"])
        off = one["verdict"].item() == "off"
        assert curve.get_color() == style.VERDICTS["above" if off else "below"].color
        band = panels.viz["band"]["ecdf_difference"].sel(quantity=name).item()
        edges = band.get_paths()[0].vertices[:, 1]
        assert edges.max() == result["band_upper"].max()
        assert edges.min() == result["band_lower"].min()


def test_each_panel_tells_its_own_numbers(panels, result):
    for axes, name in zip(panels.viz["plot"].values.ravel(), titles(panels), strict=True):
        one = result.sel(quantity=name)
        (said,) = [text.get_text() for text in axes.texts]
        assert f"spread {float(one['spread']):.2f}" in said
        assert f"bias {float(one['bias']):+.2f}".replace("-", "−") in said
        low, high = axes.get_ylim()
        assert low < result["ecdf_difference"].min()
        assert high > result["ecdf_difference"].max()


def test_it_says_what_was_run_and_what_was_left_out(panels):
    assert "off (2)" in words(panels)
    assert "shop by nuts on data of slow, 148 repetitions; 2 more failed" in words(panels)
    assert "in 7 the engine warned" in words(panels)
    assert "quantities are shown" not in words(panels)


def test_many_quantities_are_cut_to_the_worst_and_it_says_so():
    found = study([f"z[{k}]" for k in range(30)], np.linspace(1, 3, 30))
    picture = plot_calibration(found, max_panels=6)
    assert len(titles(picture)) == 6
    assert "z[29]" in titles(picture)
    assert "z[0]" not in titles(picture)
    assert "6 of 30 quantities are shown: those that differ most." in words(picture)
    plt.close(figure_of(picture))


def test_names_can_be_chosen(result):
    picture = plot_calibration(result, quantities="z")
    assert titles(picture) == ["z[b]", "z[$a$]"]
    alone = plot_calibration(result, quantities=["z[b]"])
    assert titles(alone) == ["z[b]"]
    plt.close(figure_of(picture))
    plt.close(figure_of(alone))


def test_the_users_settings_stay(result):
    before = dict(mpl.rcParams)
    picture = plot_calibration(result)
    assert dict(mpl.rcParams) == before
    figure_of(picture).canvas.draw()
    plt.close(figure_of(picture))


def test_misuse_is_answered(result):
    with pytest.raises(CounterfactualError, match="Did you mean 'demand'"):
        plot_calibration(result, quantities="demnd")
    with pytest.raises(CounterfactualError, match="calibrate"):
        plot_calibration(result.drop_vars("band_lower"))
    with pytest.raises(CounterfactualError, match="got str"):
        plot_calibration("result")
    assert plt.get_fignums() == []
