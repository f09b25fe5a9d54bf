"""Does the joint comparison find what hides between measurements, and never claim too much?"""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    ImpactWarning,
    MeasurementError,
    WorldError,
)
from inference.diagnostics.coarse_graining import coarse_graining
from inference.diagnostics.joint_coarse_graining import joint_coarse_graining

DIMS = ["disciple", "chain", "draw", "future"]
CHAINS, DRAWS = 4, 1000
ERROR = np.sqrt(0.5 * (1 + 2 / np.pi) / (CHAINS * DRAWS))


def tree(disciples=("greedy",), **measured):
    """Worlds of given draws, each of shape (1 + disciples, chain, draw[, future])."""
    variables = {
        name: (DIMS[: np.ndim(values)], values, {"role": "measurement"})
        for name, values in measured.items()
    }
    names = ["erased", *disciples]
    switch = ("disciple", [0] + [1] * len(disciples))
    drawn = xr.Dataset(variables, coords={"disciple": names, "X": switch})
    return xr.DataTree.from_dict({"predictions": drawn})


def vector(values, disciples=("greedy",)):
    """Worlds of one vector measurement, values of shape (world, thing, chain, draw)."""
    moved = np.moveaxis(values, 1, -1)
    return xr.Dataset(
        {"y": ([*DIMS[:3], "thing"], moved, {"role": "measurement"})},
        coords={"disciple": ["erased", *disciples], "thing": np.arange(values.shape[1])},
    )


def noise(dimensions, seed=0, worlds=2):
    return np.random.default_rng(seed).normal(size=(worlds, dimensions, CHAINS, DRAWS))


def scaled_truth(dimensions, scale):
    radius = dimensions * np.log(scale**2) / (1 - scale**-2)
    law = stats.chi2(dimensions)
    return law.cdf(radius) - law.cdf(radius / scale**2)


@pytest.mark.parametrize("dimensions", [2, 10, 100])
def test_a_shift_spread_over_many_measurements_is_seen_whole(dimensions):
    values = noise(dimensions)
    values[1] += 1 / np.sqrt(dimensions)
    found = joint_coarse_graining(vector(values))
    assert found["tv"].item() == pytest.approx(0.382925, abs=4 * ERROR)
    assert found["lower"].item() < 0.382925
    assert found["verdict"].item() == "above"
    assert found.attrs["measurements"] == dimensions


def test_a_change_of_scale_is_seen_by_what_can_see_it():
    assert scaled_truth(10, 1.2) == pytest.approx(0.311279, abs=1e-6)
    values = noise(10)
    values[1] *= 1.2
    found = joint_coarse_graining(vector(values))
    assert found["tv"].item() == pytest.approx(0.311279, abs=4 * ERROR)
    assert found["witness"].item() == "qda"
    blind = joint_coarse_graining(vector(values), witness="lda")
    assert blind["tv"].item() < 4 * ERROR


def test_what_no_measurement_shows_alone_shows_in_how_they_go_together():
    values = noise(2)
    values[:, 1] = np.sqrt(0.75) * values[:, 1]
    values[0, 1] -= 0.5 * values[0, 0]
    values[1, 1] += 0.5 * values[1, 0]
    found = joint_coarse_graining(vector(values))
    assert found["tv"].item() == pytest.approx(1 / 3, abs=4 * ERROR)
    alone = coarse_graining(vector(values))
    assert (alone["p"] > 0.01).all()
    assert (alone["verdict"] != "above").all()


@pytest.mark.parametrize("witness", ["auto", "naive_bayes", "lda", "qda", "cells", "mlp"])
def test_the_same_world_shows_nothing(witness):
    found = joint_coarse_graining(vector(noise(3, seed=5)), witness=witness)
    assert abs(found["held_out"].item()) < 4 * ERROR
    assert found["p"].item() > 0.001
    assert found["verdict"].item() == "undecided"


def test_a_lower_bound_never_certifies_and_a_parity_world_reads_zero():
    coins = np.random.default_rng(0).integers(0, 2, size=(2, 16, CHAINS, DRAWS)).astype(float)
    coins[1, 15] = coins[1, :15].sum(axis=0) % 2
    found = joint_coarse_graining(vector(coins))
    assert found["tv"].item() < 4 * ERROR  # and yet the truth is 1/2
    assert found["verdict"].item() == "undecided"
    said = sys.modules[joint_coarse_graining.__module__].__doc__
    assert "even number of heads" in said and "tv reads 0" in said


def test_small_parity_worlds_are_seen_by_cells():
    coins = np.random.default_rng(0).integers(0, 2, size=(2, 3, CHAINS, DRAWS)).astype(float)
    coins[1, 2] = coins[1, :2].sum(axis=0) % 2
    found = joint_coarse_graining(vector(coins))
    assert found["tv"].item() == pytest.approx(0.5, abs=4 * ERROR)


def test_thousands_of_impacts_too_small_to_be_seen_are_seen_together():
    values = noise(400)
    values[1] += 0.05
    worlds = vector(values)
    found = joint_coarse_graining(worlds)
    assert found.attrs["candidates"] == found["witness"].item() == "naive_bayes"
    assert found["verdict"].item() == "above"
    alone = coarse_graining(worlds.isel(thing=slice(0, 50)))
    assert (alone["verdict"] == "above").sum() == 0


def test_the_joint_impact_is_at_least_that_of_any_measurement():
    values = noise(5)
    values[1, 3] += 0.5
    worlds = vector(values)
    most = coarse_graining(worlds)["lower"].max().item()
    assert most < joint_coarse_graining(worlds)["tv"].item() + 4 * ERROR


def test_the_result_is_labelled_as_promised():
    values = noise(3, worlds=3)
    values[2] += 2.0
    found = joint_coarse_graining(vector(values, ("modest", "greedy")), tolerance=0.1)
    names = {"tv", "held_out", "mcse", "lower", "p", "witness", "verdict", "ess"}
    assert set(found.data_vars) == names
    assert all(found[name].dims == ("disciple",) for name in names)
    assert found["disciple"].values.tolist() == ["modest", "greedy"]
    assert found["verdict"].values.tolist() == ["undecided", "above"]
    assert found["p"].values[1] < 1e-3 < found["p"].values[0]
    assert all(found[name].attrs["long_name"] for name in names)
    assert found.attrs["tolerance"] == 0.1
    assert found.attrs["draws"] == CHAINS * DRAWS
    one = joint_coarse_graining(vector(values, ("modest", "greedy")), disciples="greedy")
    assert one["held_out"].item() == found["held_out"].sel(disciple="greedy").item()
    assert one["disciple"].values.tolist() == ["greedy"]


def test_the_same_seed_gives_the_same_answer():
    worlds = vector(noise(3))
    xr.testing.assert_identical(joint_coarse_graining(worlds), joint_coarse_graining(worlds))


def test_futures_are_kept_with_their_draw():
    rng = np.random.default_rng(0)
    past = rng.normal(size=(2, 4, 100, 1))
    found = joint_coarse_graining(
        tree(age=np.repeat(past, 25, axis=-1), price=rng.normal(size=(2, 4, 100, 25)))
    )
    assert found.attrs["draws"] == 10_000
    assert found["ess"].item() <= 400
    assert found["p"].item() > 0.01


def test_measurements_of_very_different_kinds_live_in_one_tree():
    rng = np.random.default_rng(0)
    shape = (2, 4, 500)
    found = joint_coarse_graining(
        tree(
            flag=(rng.random(shape) < 0.2).astype(bool),
            visits=rng.poisson(3, shape),
            gdp=1e13 * (1 + 1e-6 * rng.normal(size=shape)),
            heavy=rng.standard_cauchy(shape),
            constant=np.full(shape, 3),
            rounded=rng.normal(size=shape).astype(np.float32),
        )
    )
    assert found["p"].item() > 0.001
    assert np.isfinite(found.drop_vars(["witness", "verdict"]).to_array()).all()


def test_one_measurement_that_is_the_same_in_all_draws():
    for witness in ("auto", "naive_bayes", "lda", "qda", "cells"):
        found = joint_coarse_graining(tree(towers=np.ones((2, 4, 100))), witness=witness)
        assert (found["tv"].item(), found["p"].item()) == (0, 1)
        assert found["verdict"].item() == "undecided"


def test_shared_noise_keeps_its_pairing():
    same = noise(2, worlds=1).repeat(2, axis=0)
    found = joint_coarse_graining(vector(same))
    assert (found["tv"].item(), found["mcse"].item(), found["p"].item()) == (0, 0, 1)


def test_chains_that_never_met_are_undecided_and_warned_of():
    rng = np.random.default_rng(2)
    stuck = rng.normal(size=(2, 4, 1000)) + 30 * rng.normal(size=(2, 4, 1))
    with pytest.warns(ImpactWarning, match="worth only"):
        found = joint_coarse_graining(tree(stuck=stuck), witness="lda")
    assert found["verdict"].item() == "undecided"


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_a_hole_is_refused_by_name_disciple_and_draw(hole):
    draws = np.zeros((2, 4, 50))
    draws[1, 2, 17] = hole
    with pytest.raises(MeasurementError, match=r"'price' is .*'greedy' at chain 2, draw 17"):
        joint_coarse_graining(tree(price=draws))


def test_what_cannot_be_done_is_refused():
    worlds = vector(noise(4))
    with pytest.raises(CounterfactualError, match="expected auto or one of"):
        joint_coarse_graining(worlds, witness="oracle")
    with pytest.raises(CounterfactualError, match="up to 3 measurements"):
        joint_coarse_graining(worlds, witness="cells")
    with pytest.raises(CounterfactualError, match="tolerance=0"):
        joint_coarse_graining(worlds, tolerance=0)
    with pytest.raises(WorldError, match="at least 40"):
        joint_coarse_graining(worlds.isel(draw=slice(0, 9)))
    with pytest.raises(DiscipleError, match="greedy"):
        joint_coarse_graining(worlds, disciples="greedi")
    with pytest.raises(MeasurementError, match="y"):
        joint_coarse_graining(worlds, measurements="z")


@pytest.mark.parametrize("kind", ["nc", "zarr"])
def test_the_result_survives_the_disk(tmp_path, kind):
    found = joint_coarse_graining(vector(noise(3)), witness="lda")
    path = tmp_path / f"result.{kind}"
    if kind == "nc":
        found.to_netcdf(path)
    else:
        found.to_zarr(path, consolidated=False, zarr_format=2)
    opened = xr.open_dataset(path) if kind == "nc" else xr.open_zarr(path, consolidated=False)
    with opened as back:
        xr.testing.assert_equal(found, back.load())


def test_importing_it_loads_neither_torch_nor_pyro_nor_scikit_learn():
    code = (
        "import sys, inference.diagnostics.joint_coarse_graining;"
        "import inference.diagnostics.fine_graining;"
        "sys.exit(bool({'torch', 'pyro', 'sklearn'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("witness", ["auto", "naive_bayes"])
@pytest.mark.parametrize("chunks", [None, {}])
def test_worlds_opened_from_disk_give_the_same_answer(tmp_path, monkeypatch, witness, chunks):
    values = noise(20)
    values[1] += 0.1
    held = vector(values)
    held.to_zarr(tmp_path / "worlds.zarr", consolidated=False, zarr_format=2)
    expected = joint_coarse_graining(held, witness=witness)
    monkeypatch.setattr("inference.diagnostics.rows.NUMBERS", 3 * 2 * CHAINS * DRAWS)
    with xr.open_zarr(tmp_path / "worlds.zarr", consolidated=False, chunks=chunks) as worlds:
        found = joint_coarse_graining(worlds, witness=witness)
    xr.testing.assert_allclose(found, expected)
