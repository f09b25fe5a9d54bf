"""Does fine graining show why it fails, and name what sees the disciple and nothing else?"""

import warnings

import numpy as np
import pytest
import xarray as xr

from counterfactual_models.errors import CounterfactualError, ImpactWarning, MeasurementError
from inference.arrays.fine_cells import exact_floor
from inference.diagnostics.fine_graining import fine_graining

DIMS = ["disciple", "chain", "draw"]


def worlds(disciples=("greedy",), **measured):
    variables = {name: (DIMS, draws, {"role": "measurement"}) for name, draws in measured.items()}
    return xr.Dataset(variables, coords={"disciple": ["erased", *disciples]})


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_the_comparison_and_its_floor_go_to_one_together_though_nothing_changed():
    found = fine_graining(worlds(price=normal(2, 4, 1000)), depths=range(0, 25, 2))
    plugin, floor = found["plugin"].values[0], found["floor"].values[0]
    assert plugin[0] == floor[0] == 0
    assert plugin[-1] > 0.999 and floor[-1] > 0.999
    assert np.all(np.diff(plugin) >= 0)
    assert np.abs(plugin - floor).max() < 0.03
    expected = exact_floor(4000, 2.0 ** found["depth"].values)
    assert found["skellam_floor"].values[0] == pytest.approx(expected)
    assert np.abs(floor - expected)[2:].max() < 0.02


def test_more_measurements_fail_sooner():
    alone, many = worlds(price=normal(2, 4, 500)), {f"m{k}": normal(2, 4, 500) for k in range(8)}
    # The same draws eight times are the same fine-grained worlds.
    twins = fine_graining(worlds(**many), depths=[1, 4])
    once = fine_graining(alone, depths=[1, 4])
    assert np.array_equal(twins["plugin"], once["plugin"])
    others = {f"m{k}": normal(2, 4, 500, seed=k) for k in range(8)}
    found = fine_graining(worlds(**others), depths=[1, 4])
    assert found["plugin"].values[0, 1] > 0.99
    assert found["cells"].values[0].tolist()[1] > 3900
    assert np.all(found["floor"] <= found["skellam_floor"] + 0.02)


def test_a_real_impact_stands_out_where_cells_are_coarse_and_drowns_where_they_are_fine():
    draws = normal(2, 4, 1000)
    draws[1] += 1
    found = fine_graining(worlds(price=draws), depths=[4, 20]).sel(disciple="greedy")
    assert found["plugin"].values[0] == pytest.approx(0.3829, abs=0.03)
    assert found["floor"].values[0] < 0.05
    assert found["floor"].values[1] > 0.98


def test_what_sees_the_disciple_is_named_and_nothing_else_is():
    present = np.zeros((3, 4, 200))
    present[1:] = 1
    action = normal(3, 4, 200)
    action[2] += 100
    given = worlds(("modest", "mad"), present=present, price=normal(3, 4, 200), action=action)
    message = r"'present' \('modest', 'mad'\), 'action' \('mad'\): in every draw"
    with pytest.warns(ImpactWarning, match=message) as caught:
        found = fine_graining(given, depths=[0, 2, 3])
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert found["plugin"].values[1, 1:] == pytest.approx(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fine_graining(given, measurements="price")


def test_stuck_chains_are_no_proof_that_a_measurement_sees_the_disciple():
    stuck = 0.01 * normal(2, 4, 200) + np.arange(8).reshape(2, 4, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fine_graining(worlds(stuck=stuck), depths=[1])


def test_the_result_is_labelled_as_promised():
    found = fine_graining(worlds(("a", "b"), x=normal(3, 4, 100)), depths=[3, 1, 3])
    assert set(found.data_vars) == {"plugin", "floor", "skellam_floor", "cells"}
    assert all(variable.dims == ("disciple", "depth") for variable in found.values())
    assert found["depth"].values.tolist() == [1, 3]
    assert found["disciple"].values.tolist() == ["a", "b"]
    assert found["cells"].values.tolist() == [[2, 8], [2, 8]]
    assert found.attrs["measurements"] == 1
    assert fine_graining(worlds(x=normal(2, 4, 100)))["depth"].values.tolist() == [*range(13)]


@pytest.mark.parametrize("depths", [[], [-1], [41], [1.5]])
def test_depths_that_mean_nothing_are_refused(depths):
    with pytest.raises(CounterfactualError, match="whole numbers from 0 to 40"):
        fine_graining(worlds(x=normal(2, 4, 100)), depths=depths)


def test_a_hole_is_refused():
    draws = normal(2, 4, 100)
    draws[1, 2, 3] = np.nan
    with pytest.raises(MeasurementError, match="'x' is nan"):
        fine_graining(worlds(x=draws))


def test_the_result_survives_the_disk(tmp_path):
    found = fine_graining(worlds(x=normal(2, 4, 100)), depths=[0, 2])
    found.to_netcdf(tmp_path / "result.nc")
    with xr.open_dataset(tmp_path / "result.nc") as back:
        xr.testing.assert_equal(found, back.load())
