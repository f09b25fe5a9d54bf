"""A tree written and read back is the tree that was written, and ArviZ works on it."""

import arviz_base as azb
import arviz_plots as azp
import arviz_stats as azs
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import counterfactual_models as cm
import inference
from counterfactual_models import zoo
from inference import schema


@pytest.fixture(scope="module")
def worlds():
    example = zoo.load("factory")
    posterior = inference.sample_posterior(
        example.world, example.evidence, "importance", draws=150, chains=2, progress=False
    )
    return inference.sample_worlds(
        example.world, posterior, example.disciples, coords=example.coords, progress=False
    )


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_a_tree_comes_back_as_it_was(worlds, tmp_path, ending):
    path = inference.save(worlds, tmp_path / f"worlds{ending}")
    again = inference.load(path)
    assert again.name == worlds.name == "factory"
    assert list(again.children) == list(worlds.children)
    assert schema.decode_attrs(again.attrs) == schema.decode_attrs(worlds.attrs)
    for group in worlds.children:
        ours, theirs = worlds[group].to_dataset(), again[group].to_dataset()
        xr.testing.assert_equal(ours, theirs)
        assert list(ours.data_vars) == list(theirs.data_vars)
        for name in ours.data_vars:
            assert ours[name].dtype == theirs[name].dtype
            assert ours[name].attrs == theirs[name].attrs


def test_a_second_write_replaces_the_first_and_leaves_nothing_behind(worlds, tmp_path):
    for _ in range(2):
        inference.save(worlds, tmp_path / "worlds.zarr")
        inference.save(worlds, tmp_path / "worlds.nc")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["worlds.nc", "worlds.zarr"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(worlds, tmp_path):
    path = inference.save(worlds, tmp_path / "worlds.nc")
    size = path.stat().st_size
    broken = worlds.copy()
    broken.attrs = {"cannot": object()}
    with pytest.raises(Exception):  # noqa: B017, PT011 (whatever the format says)
        inference.save(broken, path)
    assert path.stat().st_size == size
    assert [p.name for p in tmp_path.iterdir()] == ["worlds.nc"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("worlds.txt", "expected it to end in .nc or .zarr"),
        ("nowhere/worlds.nc", "there is no folder"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused(worlds, tmp_path, path, message):
    with pytest.raises(cm.WorldError, match=message):
        inference.save(worlds, tmp_path / path)


def test_a_file_that_is_no_tree_is_refused(tmp_path):
    with pytest.raises(cm.WorldError, match=r"there is no"):
        inference.load(tmp_path / "missing.nc")
    (tmp_path / "text.nc").write_text("not a tree")
    with pytest.raises(cm.WorldError, match="holds no tree"):
        inference.load(tmp_path / "text.nc")


def test_a_reloaded_posterior_gives_the_same_worlds(tmp_path):
    example = zoo.load("gaussian")
    posterior = inference.sample_posterior(
        example.world, example.evidence, "importance", draws=100, chains=2, progress=False
    )
    again = inference.load(inference.save(posterior, tmp_path / "posterior.nc"))
    first, second = (
        inference.sample_worlds(example.world, p, example.disciples, progress=False)
        for p in (posterior, again)
    )
    xr.testing.assert_equal(first["predictions"].to_dataset(), second["predictions"].to_dataset())


def test_arviz_works_on_it_unchanged(worlds):
    assert "demand" in azs.summary(worlds).index
    assert np.isfinite(float(azs.loo(worlds).elpd))
    group = {"group": "predictions", "sample_dims": ["chain", "draw"]}
    ess = azs.ess(worlds, **group)
    assert np.isfinite(float(ess["steel_price"].sel(disciple="erased")))
    models = inference.as_models(worlds, ["modest"])[["steel_price", "wage"]]
    tree = azb.convert_to_datatree(models)
    for plot in (azp.plot_forest, azp.plot_ridge, azp.plot_dist):
        plot(tree, sample_dims=["chain", "draw"])
        plt.close("all")
    both = inference.pair(worlds, "modest")
    assert both["X"].values.tolist() == [0, 1]
    xr.testing.assert_equal(
        both["wage"].sel(X=0, drop=True),
        worlds["predictions"]["wage"].sel(disciple="erased").drop_vars(["disciple", "X"]),
    )


def test_import_arviz_works():
    import arviz as az

    assert az.summary is not None
