"""Does the picture of the trade-off show the choice that it was given?"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from pictures import figure_of, words

from counterfactual_models.errors import CounterfactualError
from inference.master import choose
from inference.plots import plot_tradeoff, style

MEANS = {"modest": 0.4, "twin": 0.401, "best of $64$ on a proxy of the winter of 2031": 0.9}
COSTS = [0.06, 0.06, 0.5]


def made(means=None, costs=None, *, weight=1.0, error=0.01):
    means = MEANS if means is None else means
    costs = COSTS if costs is None else costs
    noise = np.random.default_rng(0).normal(size=(1 + len(means), 4, 250))
    gain = np.array([0.0, *means.values()])[:, None, None] + 0.1 * noise
    drawn = xr.Dataset(
        {"gain": (["disciple", "chain", "draw"], gain)},
        coords={"disciple": ["erased", *means]},
    )
    told = {"penalty": ("disciple", costs), "mcse": ("disciple", [error] * len(costs))}
    penalty = xr.Dataset(told, coords={"disciple": list(means)})
    return choose(drawn, lambda m: m["gain"], lambda _: penalty, weight=weight)


@pytest.fixture
def choice():
    return made()


@pytest.fixture
def picture(choice):
    found = plot_tradeoff(choice)
    yield found
    plt.close(figure_of(found))


def axes(picture, name):
    return picture.viz["plot"][name].item()


def test_every_point_stands_at_its_penalty_and_utility(picture, choice):
    for name in choice.table["disciple"].values:
        point = picture.viz["point"]["plane"].sel(disciple=name).item()
        one = choice.table.sel(disciple=name)
        np.testing.assert_allclose(point.get_offsets()[0], [one["penalty"], one["utility"]])


def test_every_error_reaches_95_percent_and_no_penalty_below_zero(picture, choice):
    cross = picture.viz["error"]["plane"].sel(disciple="modest").item().get_segments()
    one = choice.table.sel(disciple="modest")
    across = float(one["penalty"] + 1.96 * one["penalty_mcse"])
    up = float(one["utility"] + 1.96 * one["utility_mcse"])
    assert cross[0][:, 0].max() == pytest.approx(across)
    assert cross[1][:, 1].max() == pytest.approx(up)
    assert cross[0][:, 0].min() >= 0


def test_bars_lie_between_the_weights(picture, choice):
    low, high = axes(picture, "weights").get_xlim()
    for name in choice.table["disciple"].values:
        (bar,) = picture.viz["interval"]["weights"].sel(disciple=name).item().get_segments()
        ends = [float(choice.tradeoff[end].sel(disciple=name)) for end in ENDS]
        if np.isnan(ends[0]):
            assert len(bar) == 0 or np.isnan(bar).any()
        else:
            np.testing.assert_allclose(bar[:, 0], [max(ends[0], low), min(ends[1], high)])


ENDS = ("weight_from", "weight_to")


def test_shares_rise_as_high_as_they_are(picture, choice):
    outline = picture.viz["share"]["weights"].sel(disciple="modest").item().get_paths()[0]
    tall = np.ptp(outline.vertices[:, 1])
    greatest = float(
        choice.tradeoff["share"].sel(disciple="modest").isel(weight=slice(1, None)).max()
    )
    assert tall == pytest.approx(0.7 * greatest)


def test_rows_are_named_least_penalty_first_and_the_chosen_one_is_bold(picture, choice):
    labels = axes(picture, "weights").get_yticklabels()
    assert labels[0].get_text() == "nobody"
    bold = [text.get_text() for text in labels if text.get_fontweight() == "bold"]
    assert bold == [style.shortened(choice.chosen, 26)]


def test_labels_of_near_ties_do_not_overlap(picture):
    figure = figure_of(picture)
    figure.canvas.draw()
    texts = [one.item() for one in np.ravel(picture.viz["label"]["plane"].values)[:, None]]
    boxes = [mpl.text.Text.get_window_extent(text) for text in texts]
    for place, box in enumerate(boxes):
        for other in boxes[:place]:
            assert box.y0 >= other.y1 - 1.5 or other.y0 >= box.y1 - 1.5


def test_the_mark_of_what_is_chosen_has_its_colour_where_that_is_nobody():
    picture = plot_tradeoff(made(weight=300.0))
    (legend,) = figure_of(picture).legends
    assert legend.get_texts()[0].get_text() == "nobody is chosen with weight 300"
    assert legend.get_lines()[0].get_color() == style.ERASED_COLOR
    dashed = axes(picture, "plane").get_lines()[-1]
    assert dashed.get_xdata()[0] < 0 < dashed.get_xdata()[1], "a steep line is seen on both sides"
    plt.close(figure_of(picture))


def test_a_dollar_in_a_name_is_a_dollar(picture):
    assert "$64$" in words(picture)


def test_what_the_reader_must_know_is_written_below(picture, choice):
    assert "The utility has no bounds." in words(picture)
    assert "weight 1" in words(picture)


def test_at_most_so_many_rows_are_drawn_and_nobody_is_one_of_them():
    many = {f"disciple {n}": 0.1 + n / 50 for n in range(30)}
    choice = made(many, list(np.linspace(0.05, 0.9, 30)))
    picture = plot_tradeoff(choice, max_rows=5)
    labels = [text.get_text() for text in axes(picture, "weights").get_yticklabels()]
    assert len(labels) == 5
    assert "nobody" in labels
    assert "5 of 31 are shown" in words(picture)
    plt.close(figure_of(picture))


@pytest.mark.parametrize("weight", [0.0, np.inf, 1e9])
@pytest.mark.parametrize("costs", [COSTS, [0.0, 0.0, 0.0]])
def test_weights_and_penalties_at_the_edge_are_drawn(weight, costs):
    picture = plot_tradeoff(made(costs=costs, weight=weight, error=0.0))
    figure_of(picture).canvas.draw()
    plt.close(figure_of(picture))


def test_a_single_disciple_that_changes_nothing_is_drawn():
    picture = plot_tradeoff(made({"idle": 0.0}, [0.0], error=0.0))
    figure_of(picture).canvas.draw()
    plt.close(figure_of(picture))


@pytest.mark.parametrize("wrong", [xr.Dataset(), None, "choice"])
def test_what_is_no_choice_is_refused(wrong):
    with pytest.raises(CounterfactualError, match="expected what choose"):
        plot_tradeoff(wrong)


def test_it_never_loads_torch(tmp_path):
    import subprocess
    import sys

    code = (
        "import sys, inference.plots.tradeoff_plot, inference.master, inference.penalties; "
        "assert not {'torch', 'pyro'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
