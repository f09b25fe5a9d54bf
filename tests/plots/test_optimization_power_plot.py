"""Does the picture of optimization power show the bits that it was given, and what bounds them?"""

from itertools import pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from pictures import figure_of, words
from scipy.stats import norm

from counterfactual_models.errors import CounterfactualError, DiscipleError
from inference.plots import style
from inference.plots.direct_labels import give_or_take, odds, odds_ticks, one_line
from inference.plots.optimization_power_plot import plot_optimization_power

SUMMARIES = ["median", "mean_tail", "expected", "log2_n", "cramer", "buffered", "certainty"]
SUMMARIES += ["worst"]


def bits_of(utility):
    """Bits of an erased world whose utility is standard normal."""
    return -norm.logsf(utility) / np.log(2)


def made(shifts, *, counted=12.0, estimated=None, draws=500, spread=0.5, futures=0, seed=0):
    """What diagnostics.optimization_power returns of a Gaussian utility moved by each disciple.

    Worlds rarer than 2^-counted were seen in no erased draw; with `estimated` (importance or
    splitting) they have an estimate all the same.
    """
    names = list(shifts)
    shape = (len(names), 4, draws) + (futures,) * bool(futures)
    dims = ("disciple", "chain", "draw", "future")[: len(shape)]
    centre = np.array(list(shifts.values())).reshape(-1, *(1,) * (len(shape) - 1))
    utility = centre + spread * np.random.default_rng(seed).normal(size=shape)
    bits = bits_of(utility)
    hidden = (bits > counted) & (estimated is None)
    bits = np.where(hidden, counted, bits)
    share = hidden.reshape(len(names), -1).mean(1)
    flat = bits.reshape(len(names), -1)
    middle, mean = np.median(flat, 1), flat.mean(1)
    numbers = np.stack([middle, mean - 0.4, mean, mean - 0.8, *[mean - 0.2] * 4], axis=1)
    chance = [1.0, 1.0, 1.4427, 0.0, 0.0, 0.0, 1.0, 0.0]
    levels = np.linspace(-2.5, max(utility.max(), 0.1), 60)
    tail = bits_of(levels)
    kind = np.where(tail <= counted, "counting", estimated or "bound").astype(object)
    tail = np.where(kind == "bound", counted, tail)
    slack = 0.02 + 0.12 * np.minimum(tail, counted) ** 1.0 / counted * 4 + 0.01 * tail
    upper = np.where(kind == "bound", np.inf, tail + slack)
    own = ("disciple", "summary")
    return xr.Dataset(
        {
            "op_bits": (dims, bits),
            "censored": (dims, hidden),
            "utility": (dims, utility),
            "bits": (own, numbers),
            "mcse": (own, np.full_like(numbers, 0.13)),
            "lower": (own, numbers - 0.3),
            "upper": (own, np.where(share[:, None] > 0.5, np.inf, numbers + 0.3)),
            "chance": (own, np.tile(chance, (len(names), 1))),
            "method": ("disciple", np.array(["counting"] * len(names), dtype=object)),
            "reason": ("disciple", np.array([""] * len(names), dtype=object)),
            "reliable": ("disciple", np.ones(len(names), dtype=bool)),
            "censored_share": ("disciple", share),
            "khat": ("disciple", np.full(len(names), np.nan)),
            "reached": ("disciple", 1 - share),
            "tail_bits": ("level", tail),
            "tail_lower": ("level", np.maximum(0.0, tail - slack)),
            "tail_upper": ("level", upper),
            "tail_method": ("level", kind),
        },
        coords={
            "disciple": np.array(names, dtype=object),
            "summary": SUMMARIES,
            "tail_utility": ("level", levels),
        },
        attrs={"baseline": "erased", "draws": 4 * draws, "ess": 1834.2},
    )


@pytest.fixture(scope="module")
def power():
    return made({"modest": 0.2, "greedy": 2.9, "best of $16$ in the winter of 2031": 1.9})


@pytest.fixture(scope="module")
def picture(power):
    """Only read: pictures that are changed are drawn by who changes them."""
    found = plot_optimization_power(power)
    yield found
    plt.close(figure_of(found))


def axes(picture, name):
    return picture.viz["plot"][name].item()


def test_every_disciple_stands_at_its_median_with_bars_over_most_of_its_worlds(picture, power):
    for name in power["disciple"].values:
        one = power.sel(disciple=name)
        place = picture.viz["point"]["plane"].sel(disciple=name).item().get_offsets()[0]
        assert place[0] == pytest.approx(np.median(one["utility"]))
        assert place[1] == one["bits"].sel(summary="median")
        across, up = picture.viz["bars"]["plane"].sel(disciple=name).item().get_segments()
        np.testing.assert_allclose(across[:, 0], np.quantile(one["utility"], [0.05, 0.95]))
        np.testing.assert_allclose(up[:, 1], np.quantile(one["op_bits"], [0.05, 0.95]))


def test_the_strip_has_quartiles_and_the_chance_of_the_median(picture, power):
    for row, name in enumerate(["greedy", "best of $16$ in the winter of 2031", "modest"]):
        strip = picture.viz["strip"]["rows"].sel(disciple=name).item().get_segments()
        bits = np.quantile(power["op_bits"].sel(disciple=name), [0.05, 0.95, 0.25, 0.75])
        np.testing.assert_allclose(np.concatenate([part[:, 0] for part in strip]), bits)
        assert abs(strip[0][0, 1] - row) < 0.5
        (line,) = picture.viz["chance"]["rows"].sel(disciple=name).item().get_segments()
        assert set(line[:, 0]) == {1.0}


def test_rows_are_sorted_by_bits_and_named(picture):
    labels = [text.get_text() for text in axes(picture, "rows").get_yticklabels()]
    assert labels == [
        "greedy",
        style.shortened("best of $16$ in the winter of 2031", 24),
        "modest",
    ]
    assert "$16$" in words(picture)


def test_the_tail_is_drawn_in_pieces_by_method_without_holes(power):
    for estimated, second in ((None, "bound"), ("splitting", "splitting")):
        one = made({"greedy": 2.9}, estimated=estimated)
        picture = plot_optimization_power(one)
        lines = [line for line in axes(picture, "plane").get_lines() if len(line.get_xdata()) > 9]
        assert len(lines) == 2
        drawn = [np.isfinite(np.asarray(line.get_ydata(), float)) for line in lines]
        counted = one["tail_method"].values == "counting"
        np.testing.assert_array_equal(drawn[0], counted)
        assert (drawn[0] & drawn[1]).sum() == 1, "the second begins where the first ends"
        assert lines[0].get_linestyle() == "-" != lines[1].get_linestyle()
        assert ("at least" if second == "bound" else "by splitting") in words(picture)
        plt.close(figure_of(picture))


def test_what_no_erased_world_reaches_is_a_bound():
    picture = plot_optimization_power(made({"maximiser": 9.0, "greedy": 1.0}))
    label = picture.viz["label"]["plane"]
    assert label.sel(disciple="maximiser").item().get_text() == "maximiser\n≥ 12 bits"
    assert "≥" not in label.sel(disciple="greedy").item().get_text()
    assert "count as a 95 % lower bound (maximiser)" in words(picture)
    assert "goes on" in words(picture)
    plt.close(figure_of(picture))


def test_nothing_is_called_a_bound_where_nothing_is_censored():
    picture = plot_optimization_power(made({"greedy": 1.0}))
    assert "≥" not in words(picture)
    assert "goes on" not in words(picture)
    plt.close(figure_of(picture))


def test_the_interval_of_the_median_is_that_of_the_diagnostic(picture, power):
    for name in power["disciple"].values:
        (line,) = picture.viz["interval"]["rows"].sel(disciple=name).item().get_segments()
        own = power.sel(disciple=name, summary="median")
        np.testing.assert_allclose(line[:, 0], [own["lower"], own["upper"]])


def test_bits_without_an_upper_end_are_a_bound_and_their_interval_goes_on():
    power = made({"greedy": 2.0, "modest": 0.2})
    place = SUMMARIES.index("expected")
    power["upper"].values[0, [0, place]] = np.inf
    picture = plot_optimization_power(power)
    assert "≥" in picture.viz["label"]["plane"].sel(disciple="greedy").item().get_text()
    assert words(picture).count("≥") == 3, "in the label, the table, and what explains it"
    (line,) = picture.viz["interval"]["rows"].sel(disciple="greedy").item().get_segments()
    assert line[1, 0] == axes(picture, "rows").get_xlim()[1]
    plt.close(figure_of(picture))


def test_results_without_intervals_are_drawn_as_they_were(power):
    power = made({"maximiser": 9.0, "greedy": 1.0}).drop_vars(["lower", "upper"])
    picture = plot_optimization_power(power)
    assert "≥ 12 bits" in words(picture)
    plt.close(figure_of(picture))


@pytest.mark.parametrize("values", [5, 40])
def test_the_tail_of_a_discrete_utility_goes_in_steps(values):
    power = made({"greedy": 2.0})
    levels = np.linspace(-2.5, 4.0, 200)
    resting = np.ceil((levels + 2.5) / 6.5 * values) / values * 6.5
    tail = {"tail_bits": resting, "tail_lower": resting, "tail_upper": resting}
    power = power.drop_dims("level").assign(
        {name: ("level", value) for name, value in tail.items()}
        | {"tail_utility": ("level", levels)}
        | {"tail_method": ("level", np.array(["counting"] * 200, dtype=object))}
    )
    styles = []
    for each in (power, power.assign({name: ("level", levels + 2.5) for name in tail})):
        picture = plot_optimization_power(each)
        lines = [one for one in axes(picture, "plane").get_lines() if len(one.get_xdata()) > 9]
        styles.append(lines[0].get_drawstyle())
        plt.close(figure_of(picture))
    assert styles == ["steps-pre", "default"]


def test_names_of_several_lines_or_none_are_written_on_one():
    picture = plot_optimization_power(made({"a\nb\nc": 2.0, "": 1.0}))
    labels = [text.get_text() for text in axes(picture, "rows").get_yticklabels()]
    assert labels == ["a b c", "(no name)"]
    said = picture.viz["label"]["plane"].sel(disciple="a\nb\nc").item().get_text()
    assert said.startswith("a b c\n")
    plt.close(figure_of(picture))


def test_numbers_are_written_with_their_errors():
    assert give_or_take(-0.004, 0.02) == "0.00 ± 0.02"
    assert give_or_take(-0.0, float("nan")) == "0"
    assert give_or_take(-0.26, 0.1) == "−0.3 ± 0.1"
    assert give_or_take(3.5, float("inf")) == "3.5 ± ∞"
    assert one_line(" a\n\tb ") == "a b"


def test_the_right_axis_gives_odds(picture):
    (odd,) = axes(picture, "plane").child_axes
    assert [text.get_text() for text in odd.get_yticklabels()][:3] == ["1", "10", "100"]
    np.testing.assert_allclose(odd.get_yticks()[:3], np.log2([1, 10, 100]))


def test_sixty_bits_are_drawn_and_called_odds_of_ten_to_eighteen():
    picture = plot_optimization_power(made({"greedy": 8.6}, estimated="splitting", futures=2))
    ticks = axes(picture, "plane").child_axes[0].get_yticklabels()
    assert "10¹⁸" in [text.get_text() for text in ticks]
    plt.close(figure_of(picture))


def test_what_is_not_reliable_is_hollow_and_the_reason_is_given(power):
    power = power.copy(deep=True)
    power["reliable"].values[1] = False
    power["reason"].values[1] = "k-hat\n 0.91"
    picture = plot_optimization_power(power)
    faces = {
        name: picture.viz["point"]["plane"].sel(disciple=name).item().get_facecolor()[0]
        for name in ("modest", "greedy")
    }
    assert faces["greedy"].tolist() == [1, 1, 1, 1] != faces["modest"].tolist()
    assert "Not reliable: greedy: k-hat 0.91." in words(picture)
    plt.close(figure_of(picture))


def test_labels_do_not_overlap():
    picture = plot_optimization_power(made({f"disciple {k}": 1 + k / 500 for k in range(12)}))
    figure_of(picture).canvas.draw()
    labels = [one.item() for one in np.ravel(picture.viz["label"]["plane"].values)[:, None]]
    boxes = sorted(
        (mpl.text.Text.get_window_extent(label) for label in labels), key=lambda box: box.y0
    )
    assert all(upper.y0 >= lower.y1 - 1.5 for lower, upper in pairwise(boxes))
    plt.close(figure_of(picture))


def test_at_most_so_many_disciples_are_drawn_and_the_picture_says_so():
    many = made({f"disciple {k}": k / 10 for k in range(20)})
    picture = plot_optimization_power(many, max_rows=3)
    labels = [text.get_text() for text in axes(picture, "rows").get_yticklabels()]
    assert labels == ["disciple 19", "disciple 18", "disciple 17"]
    assert "3 of 20 disciples are shown: those with most bits." in words(picture)
    plt.close(figure_of(picture))


def test_a_constant_utility_is_drawn():
    flat = made({"idle": 0.0, "nobody's": 0.0})
    for name in ("utility", "op_bits", "bits", "mcse", "chance", "tail_bits", "tail_lower"):
        flat[name] = flat[name] * 0.0
    flat["tail_upper"], flat["tail_utility"] = flat["tail_bits"], flat["tail_bits"]
    flat["tail_method"] = "level", np.array(["counting"] * flat.sizes["level"], dtype=object)
    picture = plot_optimization_power(flat)
    figure_of(picture).canvas.draw()
    assert "0 bits" in words(picture)
    plt.close(figure_of(picture))


def test_disciples_can_be_chosen(power):
    for chosen in ({"disciples": "greedy"}, {"disciples": ["greedy"]}):
        picture = plot_optimization_power(power, **chosen)
        assert picture.viz["point"]["plane"].sizes == {"disciple": 1}
        plt.close(figure_of(picture))
    picture = plot_optimization_power(power.sel(disciple="greedy"))
    plt.close(figure_of(picture))


def test_round_odds_stay_few_and_within_the_axis():
    for top in (0.5, 2, 5, 8.4, 12, 20, 60, 333, 4000):
        ticks = odds_ticks(top)
        assert 1 <= len(ticks) <= 9
        assert all(0 <= tick <= top for tick in ticks)
        assert len({odds(tick) for tick in ticks}) == len(ticks)


def test_misuse_is_answered(power):
    before = plt.get_fignums()
    with pytest.raises(DiscipleError, match="Did you mean 'greedy'"):
        plot_optimization_power(power, disciples="gredy")
    with pytest.raises(CounterfactualError, match=r"optimization_power\(worlds"):
        plot_optimization_power(power.drop_vars("tail_bits"))
    with pytest.raises(CounterfactualError, match="'median' among"):
        plot_optimization_power(power.isel(summary=slice(1, None)))
    wrong = power.copy(deep=True)
    wrong["op_bits"].values[0, 0, 0] = np.inf
    with pytest.raises(CounterfactualError, match="'op_bits' that is not finite"):
        plot_optimization_power(wrong)
    wrong = power.copy(deep=True)
    wrong["bits"].values[1, 2] = np.nan
    with pytest.raises(CounterfactualError, match="'bits' that is not finite"):
        plot_optimization_power(wrong)
    wrong = power.copy(deep=True)
    wrong["tail_method"].values[3] = "guessing"
    with pytest.raises(CounterfactualError, match="guessing"):
        plot_optimization_power(wrong)
    assert plt.get_fignums() == before


def test_the_users_settings_stay(power):
    before = dict(mpl.rcParams)
    plt.close(figure_of(plot_optimization_power(power)))
    assert dict(mpl.rcParams) == before
