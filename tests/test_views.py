"""Do the views hold the very draws, under the labels that ArviZ wants?"""

import arviz_plots as azp
import arviz_stats as azs
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import inference
from counterfactual_models import zoo
from counterfactual_models.errors import DiscipleError, WorldError
from inference import schema
from inference.views import as_models, pair, regroup


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


@pytest.fixture
def many():
    """Eight chains of five draws; each number says where it comes from."""
    rng = np.random.default_rng(0)
    chain, draw = np.meshgrid(np.arange(8), np.arange(5), indexing="ij")
    where = 100 * chain + draw
    index = {"chain": range(8), "draw": range(5)}
    posterior = xr.Dataset(
        {
            "z": (("chain", "draw"), where, {"units": "m"}),
            "w": (("chain", "draw", "city"), where[..., None] + [0.1, 0.2]),
        },
        {**index, "city": ["paris", "rome"], "started_at": ("chain", 10 * np.arange(8))},
        {"inference_library": "pyro-ppl"},
    )
    stats = {
        "diverging": (("chain", "draw"), where == 302),
        "step_size": ("chain", np.arange(8.0)),
    }
    ahead = np.stack([where, 1000 + where])[..., None] + [0.1, 0.2, 0.3]
    past = rng.integers(0, 40, size=ahead.shape)
    lead = ("disciple", "chain", "draw", "future")
    predictions = xr.Dataset(
        {"y": (lead, ahead), schema.PAST_DRAW: (lead, past)},
        {**index, "disciple": ["erased", "greedy"], "future": range(3), "X": ("disciple", [0, 1])},
    )
    groups = {
        "posterior": posterior,
        "sample_stats": xr.Dataset(stats, index),
        "log_likelihood": xr.Dataset({"e": (("chain", "draw", "day"), where[..., None] + [0, 1])}),
        "predictions": predictions,
        "prior": xr.Dataset({"z": (("chain", "draw"), rng.normal(size=(2, 7)))}),
        "observed_data": xr.Dataset({"e": ("day", [1.0, 2.0])}),
        "chain_notes": xr.Dataset({"note": ("chain", np.arange(8))}),
    }
    tree = xr.DataTree.from_dict(groups, name="many")
    tree.attrs = schema.encode_attrs({"seed": 7, "shape": [8, 5], "redrawn": ["y"]})
    return tree


def test_chains_are_laid_end_to_end_whole_and_in_order(many):
    tree = regroup(many, chains=2)
    half = [100 * chain + draw for chain in range(4) for draw in range(5)]
    expected = np.array([half, [400 + place for place in half]])
    np.testing.assert_array_equal(tree["posterior"]["z"], expected)
    np.testing.assert_allclose(tree["posterior"]["w"], expected[..., None] + [0.1, 0.2])
    np.testing.assert_array_equal(tree["log_likelihood"]["e"], expected[..., None] + [0, 1])
    ahead = tree["predictions"]["y"]
    assert ahead.dims == ("disciple", "chain", "draw", "future")
    greedy = ahead.sel(disciple="greedy", future=2)
    np.testing.assert_allclose(greedy, 1000 + expected + 0.3)
    assert np.argwhere(tree["sample_stats"]["diverging"].values).tolist() == [[0, 17]]


def test_folding_renews_the_counts_and_keeps_every_other_label(many):
    tree = regroup(many, chains=2)
    for group in ("posterior", "predictions", "sample_stats"):
        assert tree[group]["chain"].values.tolist() == [0, 1]
        assert tree[group]["draw"].values.tolist() == list(range(20))
    assert tree["posterior"]["city"].values.tolist() == ["paris", "rome"]
    assert tree["predictions"]["X"].values.tolist() == [0, 1]
    assert tree["posterior"]["z"].attrs == {"units": "m"}
    assert tree["posterior"].attrs == {"inference_library": "pyro-ppl"}
    steps = tree["sample_stats"]["step_size"]
    assert steps.values.tolist() == np.repeat(np.arange(8.0), 5).reshape(2, 20).tolist()
    assert tree["posterior"]["started_at"].values[1, -1] == 70
    assert tree["chain_notes"]["note"].dims == ("chain_of_run",)
    assert tree["prior"].to_dataset().identical(many["prior"].to_dataset())
    assert tree["observed_data"].to_dataset().identical(many["observed_data"].to_dataset())
    assert tree.name == "many"


def test_the_tree_says_what_was_folded_and_of_how_many_chains(many):
    before = many.copy(deep=True)
    once = regroup(many)
    attrs = schema.decode_attrs(once.attrs)
    assert attrs["shape"] == [4, 10] and attrs["seed"] == 7 and attrs["redrawn"] == ["y"]
    assert set(attrs["folded"]) == {"posterior", "sample_stats", "log_likelihood", "predictions"}
    assert attrs["folded"]["posterior"] == [8, 4]
    twice = schema.decode_attrs(regroup(once, chains=1).attrs)
    assert twice["folded"]["posterior"] == [8, 1] and twice["shape"] == [1, 40]
    xr.testing.assert_identical(many, before)
    xr.testing.assert_identical(regroup(many, chains=8), many)


def test_each_row_still_finds_its_draw_of_the_past(many):
    def past(tree):
        index = tree["predictions"][schema.PAST_DRAW].transpose("chain", "draw", ...).values
        drawn = tree["posterior"]["z"].values.ravel()
        return drawn[index].reshape(40, -1)

    np.testing.assert_array_equal(past(regroup(many, chains=2)), past(many))


def test_worlds_of_a_folded_posterior_are_the_same_worlds():
    example = zoo.load("gaussian")
    posterior = inference.sample_posterior(
        example.world, example.evidence, "importance", draws=10, chains=8, progress=False
    )
    disciple = {"null": example.disciples["null"]}
    once, folded = (
        inference.sample_worlds(example.world, tree, disciple, progress=False)["predictions"]
        for tree in (posterior, regroup(posterior, chains=4))
    )
    assert folded.sizes["chain"] == 4 and folded.sizes["draw"] == 20
    for name, values in once.data_vars.items():
        rows, others = (
            array.transpose("chain", "draw", ...).values.reshape(80, -1)
            for array in (values, folded[name])
        )
        np.testing.assert_array_equal(rows, others)


def test_chains_that_cannot_be_shared_out_are_refused_and_the_fitting_numbers_named(many):
    with pytest.raises(
        WorldError, match=r"'posterior' has 8 chains, which 3 .* chains=1, 2, 4, 8"
    ):
        regroup(many, chains=3)
    with pytest.raises(WorldError, match="chains=0"):
        regroup(many, chains=0)
    with pytest.raises(WorldError, match="got a Dataset"):
        regroup(many["posterior"].to_dataset())


def test_arviz_plots_and_files_take_a_folded_tree(many, tmp_path):
    tree = regroup(many, chains=2)
    plt.close(azp.plot_trace_dist(tree).viz["figure"].item())
    again = inference.load(inference.save(tree, tmp_path / "folded.nc"))
    xr.testing.assert_identical(again["posterior"].to_dataset(), tree["posterior"].to_dataset())
    assert again.attrs == tree.attrs
