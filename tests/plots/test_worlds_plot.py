"""Does the ridge show the draws that it was given, under the right names?"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pictures import figure_of

from counterfactual_models.errors import DiscipleError, MeasurementError
from inference.plots import plot_worlds, style
from inference.plots.outlines import gap, outlines, own_scale, window

SHIFTS = {"still": 0.0, "little": 1.0, "much": 3.0, "none": 0.0}


@pytest.fixture
def worlds():
    """`greedy` moves by the planted number of spreads, `modest` by nothing."""
    rng = np.random.default_rng(0)
    moved = np.array([0.0, 0.0, 1.0])[:, None, None]
    drawn = {
        name: 1e6 + 1e3 * (rng.normal(size=(3, 2, 500)) + shift * moved)
        for name, shift in SHIFTS.items()
    }
    drawn["still"] = np.full((3, 2, 500), 7.0)
    return tree(drawn, ["erased", "modest", "greedy"])


def tree(drawn, disciples, **attrs):
    dims = ("disciple", "chain", "draw")
    attrs = {"role": "measurement", **attrs}
    switch = [int(name != "erased") for name in disciples]
    coords = {"disciple": np.array(disciples, dtype=object), "X": ("disciple", switch)}
    variables = {name: (dims, values, attrs) for name, values in drawn.items()}
    return xr.DataTree.from_dict({"predictions": xr.Dataset(variables, coords=coords)})


@pytest.fixture
def ridge(worlds):
    picture = plot_worlds(worlds)
    yield picture
    plt.close(figure_of(picture))


def labels(picture):
    axes = picture.viz["plot"].values[0]
    return [text.get_text() for text in axes.get_yticklabels()]


def texts(picture):
    return [t.get_text() for t in figure_of(picture).findobj(mpl.text.Text) if t.get_text()]


def centre(outline):
    """Mean place of an outline in (2, points), by the trapezoid rule."""
    place, height = outline
    return np.trapezoid(place * height, place) / np.trapezoid(height, place)


def test_there_is_a_row_per_measurement_and_a_column_per_disciple(ridge):
    assert sorted(labels(ridge)) == sorted(SHIFTS)
    titles = [axes.get_title(loc="left") for axes in ridge.viz["plot"].values]
    assert titles == ["modest", "greedy"]


def test_the_planted_effect_is_in_the_top_row_and_of_its_size(ridge):
    assert labels(ridge)[:2] == ["much", "little"]
    drawn = ridge.viz["face"]["outline"].sel(disciple="greedy", X=1).item()
    for level, name in enumerate(labels(ridge)):
        place, y = drawn.get_paths()[level].vertices.T
        assert level - 1 < y.min() < y.max() <= level, "a row stays in its row"
        # The standard error of a median of 1000 is .04 spreads; the density's own ends add little.
        assert abs(centre((place, level - y)) - SHIFTS[name]) < 0.2


def test_the_erased_world_is_the_same_in_every_column(ridge):
    erased = ridge.data["outline"].sel(X=0)
    np.testing.assert_array_equal(erased.sel(disciple="modest"), erased.sel(disciple="greedy"))
    colours = {
        tuple(map(tuple, artist.get_facecolor()))
        for artist in ridge.viz["face"]["outline"].sel(X=0).values.ravel()
    }
    assert len(colours) == 1
    assert ridge.aes["color"]["mapping"].sel(X=0).item() == style.ERASED_COLOR


def test_bars_are_as_high_as_their_shares(worlds):
    erased, let_in = (np.repeat([0.0, 1.0, 2.0], times) for times in ((50, 30, 20), (10, 40, 50)))
    row = own_scale(np.stack([erased, let_in]))
    drawn = outlines(row.scaled, window([row]))
    heights = [outline[1].reshape(3, 4)[:, 1] for outline in drawn]
    np.testing.assert_allclose(heights, [[1.0, 0.6, 0.4], [0.2, 0.8, 1.0]])


def test_a_lumpy_measurement_is_no_smooth_curve(worlds):
    rng = np.random.default_rng(1)
    rain = np.where(rng.random((2, 4000)) < 0.4, 0.0, rng.gamma(2.0, size=(2, 4000)))
    row = own_scale(rain)
    place, height = outlines(row.scaled, window([row]))[0]
    # 40% of all draws are in the bin of the dry days, at most 5% in any other (gamma(2) < .37).
    dry = np.searchsorted(place, -row.centre / row.spread)
    assert height[dry] > 6 * np.delete(height, np.flatnonzero(height == height.max())).max()


def test_a_row_says_what_its_scale_is(worlds):
    worlds["predictions"]["much"].attrs["units"] = "EUR"
    picture = plot_worlds(worlds)
    assert "always 7" in texts(picture)
    (scale,) = [text for text in texts(picture) if text.endswith("EUR")]
    assert scale.startswith("1×10⁶ ±")
    plt.close(figure_of(picture))


def test_it_says_what_it_leaves_out(worlds):
    picture = plot_worlds(worlds, max_rows=2, max_columns=1)
    assert labels(picture) == ["much", "little"]
    shown = " ".join(texts(picture)).replace("\n", " ")
    assert "2 of 4 measurements are shown: those that differ most." in shown
    assert "1 of 2 disciples are shown: those that differ most." in shown
    assert picture.data["disciple"].values.tolist() == ["greedy"]
    plt.close(figure_of(picture))


def test_what_is_beyond_the_axis_is_told(worlds):
    drawn = worlds["predictions"]["much"].values.copy()
    drawn[2] += 5e5
    picture = plot_worlds(tree({"much": drawn}, ["erased", "modest", "greedy"]))
    assert [text for text in texts(picture) if text.startswith("median +")]
    assert np.abs(picture.data["outline"].sel(axis="place")).max() < 9
    plt.close(figure_of(picture))


def test_rows_can_be_chosen_and_ordered(worlds):
    picture = plot_worlds(
        worlds, disciples="greedy", measurements=["none", "much", "still"], order="given"
    )
    assert labels(picture) == ["none", "much", "still"]
    plt.close(figure_of(picture))


def test_awkward_names_are_drawn_as_they_are():
    rng = np.random.default_rng(0)
    names = ["$price_$", r"\frac", "a" * 80, "<b>"]
    picture = plot_worlds(
        tree({n: rng.normal(size=(2, 1, 60)) for n in names}, ["erased", "$5 x$ {"]),
        order="given",
    )
    figure_of(picture).canvas.draw()
    assert labels(picture)[:2] == names[:2]
    assert "…" in labels(picture)[2]
    plt.close(figure_of(picture))


def test_the_users_settings_stay_and_do_not_matter(worlds):
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 30, "axes.grid": True}):
        before = dict(mpl.rcParams)
        picture = plot_worlds(worlds)
        assert dict(mpl.rcParams) == before
    axes = picture.viz["plot"].values[0]
    assert mpl.colors.to_hex(axes.get_facecolor()) == "#ffffff"
    assert plt.get_fignums() == [figure_of(picture).number]
    plt.close(figure_of(picture))


def test_misuse_is_answered(worlds):
    with pytest.raises(DiscipleError, match="Did you mean 'greedy'"):
        plot_worlds(worlds, disciples=["greddy"])
    with pytest.raises(MeasurementError, match="Did you mean 'little'"):
        plot_worlds(worlds, measurements=["litle"])
    with pytest.raises(MeasurementError, match="'difference' or 'given'"):
        plot_worlds(worlds, order="name")
    with pytest.raises(DiscipleError, match="nothing to compare"):
        plot_worlds(tree({"a": np.zeros((1, 1, 9))}, ["erased"]))
    worlds["predictions"]["none"].values[1, 0, 3] = np.nan
    with pytest.raises(MeasurementError, match="1 draws of 'none' are not finite"):
        plot_worlds(worlds)


WORLDS = st.one_of(
    npst.arrays(float, (3, 40), elements=st.floats(-1e9, 1e9, allow_subnormal=False)),
    npst.arrays(int, (3, 40), elements=st.integers(-3, 60)).map(lambda a: a.astype(float)),
    st.floats(-1e9, 1e9).map(lambda value: np.full((3, 40), value)),
)


@given(draws=WORLDS)
def test_any_draws_can_be_outlined(draws):
    row = own_scale(draws)
    bounds = window([row])
    assert bounds[0] < 0 < bounds[1]
    for outline in outlines(row.scaled, bounds):
        assert np.isfinite(outline).all()
        assert outline[1].min() >= 0
        assert outline[1].max() <= 1 + 1e-12


@given(seed=st.integers(0, 1000), power=st.integers(-9, 12), offset=st.integers(-5, 5))
def test_units_do_not_matter(seed, power, offset):
    draws = np.random.default_rng(seed).normal(size=(2, 200))
    one, other = own_scale(draws), own_scale(10.0**power * (draws + offset))
    np.testing.assert_allclose(one.scaled, other.scaled, atol=1e-9)


@given(draws=npst.arrays(int, (2, 30), elements=st.integers(0, 9)))
def test_the_gap_is_that_of_kolmogorov_and_smirnov(draws):
    stats = pytest.importorskip("scipy.stats")
    expected = stats.ks_2samp(*draws, method="asymp").statistic
    assert gap(*draws) == pytest.approx(expected)
