"""Do the views hold the very draws, under the labels that ArviZ wants?"""

import arviz_plots as azp
import arviz_stats as azs
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from counterfactual_models.errors import DiscipleError, WorldError
from inference.views import as_models, pair


@pytest.fixture
def worlds():
    rng = np.random.default_rng(0)
    shift = np.array([0.0, 1.0, 5.0])[:, None, None]
    dims = ("disciple", "chain", "draw")
    drawn = xr.Dataset(
        {
            "price": (dims, rng.normal(size=(3, 2, 50)) + shift, {"role": "measurement"}),
            "visits": (
                (*dims, "city"),
                rng.normal(size=(3, 2, 50, 2)) + shift[..., None],
                {"role": "measurement", "units": "people"},
            ),
        },
        coords={
            "disciple": ["erased", "modest", "greedy"],
            "X": ("disciple", [0, 1, 1]),
            "chain": range(2),
            "draw": range(50),
            "city": ["paris", "rome"],
        },
        attrs={"seed": 7},
    )
    return xr.DataTree.from_dict({"predictions": drawn})


def test_a_pair_holds_the_erased_world_at_0_and_the_disciples_at_1(worlds):
    view, drawn = pair(worlds, "greedy"), worlds["predictions"]
    assert view["X"].values.tolist() == [0, 1]
    assert "disciple" not in view.dims
    for switch, name in enumerate(["erased", "greedy"]):
        for measured in ("price", "visits"):
            expected = drawn[measured].sel(disciple=name).values
            np.testing.assert_array_equal(view[measured].sel(X=switch).values, expected)


def test_models_are_named_after_disciples_erased_first(worlds):
    shuffled = worlds["predictions"].to_dataset().isel(disciple=[2, 0, 1])
    view = as_models(shuffled)
    assert view["model"].values.tolist() == ["erased", "greedy", "modest"]
    means = view["price"].mean(["chain", "draw"]).values
    np.testing.assert_allclose(means, [0.0, 5.0, 1.0], atol=5 / np.sqrt(100))


def test_models_can_be_chosen(worlds):
    assert as_models(worlds, "greedy")["model"].values.tolist() == ["erased", "greedy"]
    assert as_models(worlds, ["greedy", "modest"]).sizes["model"] == 3


@pytest.mark.parametrize("view", [lambda w: pair(w, "modest"), as_models], ids=["pair", "models"])
def test_views_keep_attributes_and_leave_the_worlds_alone(worlds, view):
    before = worlds.copy(deep=True)
    seen = view(worlds)
    assert seen.attrs["seed"] == 7
    assert seen["visits"].attrs == {"role": "measurement", "units": "people"}
    assert seen["city"].values.tolist() == ["paris", "rome"]
    xr.testing.assert_identical(worlds, before)


@pytest.mark.parametrize("view", [pair, as_models])
def test_a_misspelled_disciple_is_answered_with_the_nearest(worlds, view):
    with pytest.raises(DiscipleError, match="Did you mean 'greedy'"):
        view(worlds, "gredy")
    with pytest.raises(DiscipleError, match="erased"):
        view(worlds, "erased")
    with pytest.raises(WorldError, match="sample_worlds"):
        view(xr.Dataset({"price": ("draw", [1.0])}), "greedy")


def test_arviz_plots_and_sums_up_a_pair(worlds):
    view = pair(worlds, "greedy")
    drawn = [
        azp.plot_ridge(
            view,
            combined=True,
            var_names=["visits"],
            aes={"color": ["X"], "y": ["__variable__", "city"]},
            labels=["__variable__", "city"],
        ),
        azp.plot_forest(
            view,
            combined=True,
            aes={"color": ["X"], "y": ["__variable__", "city", "X"]},
            labels=["__variable__", "city"],
        ),
        azp.plot_dist(
            view,
            cols=["__variable__", "city"],
            aes={"color": ["X"]},
            aes_by_visuals={
                visual: ["color"] for visual in ("dist", "credible_interval", "point_estimate")
            },
            visuals={"point_estimate_text": False},
        ),
    ]
    for picture in drawn:
        plt.close(picture.viz["figure"].item())
    means = azs.summary(view, round_to="none")["mean"].astype(float)
    assert abs(means["price[1]"] - 5) < 0.5
    assert abs(means["price[0]"]) < 0.5


def test_arviz_colours_models_by_itself(worlds):
    view = as_models(worlds)
    for plot in (azp.plot_dist, azp.plot_forest, azp.plot_ridge):
        options = {} if plot is azp.plot_dist else {"combined": True}
        picture = plot(view, **options)
        colours = picture.aes["color"]["mapping"].sel(model=["erased", "modest", "greedy"]).values
        assert len(set(colours.tolist())) == 3
        plt.close(picture.viz["figure"].item())
    assert len(azs.summary(view)) == 3 * (1 + 2)
