"""Does the phase diagram show the regimes and borders that it was given?"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from pictures import figure_of, words

from counterfactual_models.errors import CounterfactualError
from inference.arrays.delegation import LinearCost, QuadraticCost
from inference.diagnostics.delegation import delegation
from inference.plots.delegation_plot import plot_delegation

POWER, INSTANCES = np.linspace(5, 200, 60), np.geomspace(1, 200, 70)
REGIMES = ["tuned", "mixed", "search", "capped"]


@pytest.fixture(scope="module")
def phases():
    return delegation(POWER, INSTANCES, QuadraticCost(0.5, fixed=18.0), limit=12.0)


@pytest.fixture(scope="module")
def picture(phases):
    found = plot_delegation(phases)
    yield found
    plt.close(figure_of(found))


def axes(picture, name):
    return picture.viz["plot"][name].item()


def test_every_cell_has_the_colour_of_its_regime(picture, phases):
    codes = np.asarray(picture.viz["region"]["phase"].item().get_array()).reshape(60, 70)
    assert (np.array(REGIMES)[codes.astype(int)] == phases["regime"].values).all()


def named_there(picture, phases):
    """The names of regions, and the regimes that they stand on."""
    panel = axes(picture, "phase")
    named = {text.get_text(): text for text in panel.texts if text.get_text() in REGIMES}
    found = {}
    for name, text in named.items():
        across, up = (panel.transAxes + panel.transData.inverted()).transform(text.get_position())
        there = phases["regime"].sel(power=up, instances=across, method="nearest")
        found[name] = there.item()
    return found


def test_a_region_is_named_inside_itself(picture, phases):
    assert named_there(picture, phases) == dict(zip(REGIMES, REGIMES, strict=True))


@pytest.mark.parametrize(
    "grids",
    [
        (np.linspace(100, 2000, 60), np.linspace(1, 1000, 150)),
        (np.r_[np.linspace(1, 30, 100), np.linspace(31, 2000, 20)], np.geomspace(1, 1000, 60)),
    ],
)
def test_regions_are_named_inside_themselves_on_grids_not_spaced_as_their_axes(grids):
    found = delegation(*grids, QuadraticCost(300.0, fixed=75.0))
    picture = plot_delegation(found)
    named = named_there(picture, found)
    assert len(named) >= 2
    assert all(name == there for name, there in named.items())
    plt.close(figure_of(picture))


def test_the_border_is_where_search_begins(picture, phases):
    line = picture.viz["border"]["phase"].item()
    places = np.asarray(line.get_xdata())
    finite = np.isfinite(phases["some_from"].values)
    np.testing.assert_allclose(places[finite], phases["some_from"].values[finite])
    assert (places[~finite] > INSTANCES[-1]).all()
    assert {"N₁", "N₂"} <= {text.get_text() for text in axes(picture, "phase").texts}


def test_lines_are_those_of_the_powers_shown(phases):
    picture = plot_delegation(phases, powers=[50, 151])
    for name in ("x", "value"):
        strokes = picture.viz["lines"][name].item().get_segments()
        for stroke, power in zip(strokes, (50, 151), strict=True):
            own = phases[name].sel(power=power, method="nearest")
            np.testing.assert_allclose(stroke, np.stack([INSTANCES, own], axis=1))
    said = [text.get_text() for text in axes(picture, "x").texts]
    assert said == ["P = 51.3", "P = 150"]
    plt.close(figure_of(picture))


def test_lines_stay_within_their_panels(picture):
    for name in ("x", "value"):
        low, high = axes(picture, name).get_ylim()
        for stroke in picture.viz["lines"][name].item().get_segments():
            assert low <= stroke[:, 1].min()
            assert stroke[:, 1].max() <= high


def test_the_cost_and_the_limit_are_written_below(picture):
    assert "QuadraticCost(fixed=18" in words(picture)
    assert "At most 12 bits at run time." in words(picture)


def test_borders_that_coincide_are_named_once():
    picture = plot_delegation(delegation(POWER, INSTANCES, LinearCost(3.0, fixed=20.0)))
    assert "N₁ = N₂" in words(picture)
    plt.close(figure_of(picture))


@pytest.mark.parametrize("power", [[0.0, 2.0], [1.0, 2.0], np.geomspace(1, 1000, 9)])
def test_grids_without_search_or_by_factors_are_drawn(power):
    picture = plot_delegation(delegation(power, [1, 2, 3], QuadraticCost(0.5, fixed=18.0)))
    figure_of(picture).canvas.draw()
    scale = axes(picture, "phase").get_yscale()
    assert scale == ("log" if len(power) == 9 else "linear")
    plt.close(figure_of(picture))


def test_misuse_is_answered(phases):
    before = plt.get_fignums()
    with pytest.raises(CounterfactualError, match=r"delegation\(power, instances, cost\)"):
        plot_delegation(phases.drop_vars("some_from"))
    with pytest.raises(CounterfactualError, match="a single value of power"):
        plot_delegation(phases.isel(power=[3]))
    with pytest.raises(CounterfactualError, match="between 5 and 200"):
        plot_delegation(phases, powers=300.0)
    with pytest.raises(CounterfactualError, match="one to 4"):
        plot_delegation(phases, powers=range(10, 60, 10))
    with pytest.raises(CounterfactualError, match="guessed"):
        plot_delegation(phases.assign(regime=phases["regime"].str.replace("mixed", "guessed")))
    assert plt.get_fignums() == before


def test_the_users_settings_stay(phases):
    before = dict(mpl.rcParams)
    plt.close(figure_of(plot_delegation(phases)))
    assert dict(mpl.rcParams) == before
