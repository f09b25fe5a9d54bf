"""Are the peaks that are there found, with their places and masses, and no others?"""

import warnings

import numpy as np
import pytest
import xarray as xr
from scipy import signal, stats

import inference
from counterfactual_models import zoo
from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    ImpactWarning,
    MeasurementError,
    WorldError,
)
from inference.diagnostics.peaks import peaks
from inference.schema import CELL_COUNTS

DIMS = ["disciple", "chain", "draw", "future"]
BY_PEAK = ("place", "height", "mass", "mass_mcse", "width", "prominence", "prominence_mcse", "p")


def tree(disciples=("greedy",), **measured):
    """Worlds of given draws, each of shape (1 + disciples, chain, draw[, future])."""
    variables = {
        name: (DIMS[: np.ndim(values)], values, {"role": "measurement"})
        for name, values in measured.items()
    }
    drawn = xr.Dataset(variables, coords={"disciple": ["erased", *disciples]})
    return xr.DataTree.from_dict({"predictions": drawn})


def many(values):
    """Worlds of many measurements: values of shape (1 + disciples, chain, draw, m)."""
    names = ["erased", *(f"s{k}" for k in range(1, len(values)))]
    measured = {"w": ([*DIMS[:3], "place"], values, {"role": "measurement"})}
    return xr.DataTree.from_dict({"predictions": xr.Dataset(measured, {"disciple": names})})


def camps(rng, shape, *, apart=6.0, balance=0.5):
    return rng.normal(size=shape) + apart * (rng.random(shape) < balance)


def simulated(name):
    example = zoo.load(name)
    posterior = inference.sample_posterior(
        example.world, example.evidence, "importance", draws=1000, progress=False
    )
    options = {"seed": 3, "progress": False}
    worlds = inference.sample_worlds(example.world, posterior, example.disciples, **options)
    return example, peaks(worlds)


def test_every_number_is_there_and_named():
    rng = np.random.default_rng(0)
    values = np.stack([rng.normal(size=(4, 500)), camps(rng, (4, 500))])
    found = peaks(tree(w=values, coin=values > 0))
    assert set(found.data_vars) == {"count", "ess", *BY_PEAK}
    assert all(found[name].dims == ("disciple", "measurement", "peak") for name in BY_PEAK)
    assert found["count"].dims == ("disciple", "measurement")
    assert all(found[name].attrs["long_name"] for name in found)
    assert found["disciple"].values.tolist() == ["erased", "greedy"]
    assert found["count"].values.tolist() == [[1, 1], [2, 1]]
    assert {"level", "blocks", "draws", "ess", "ess_min"} <= set(found.attrs)
    for name in BY_PEAK:
        known = found[name].notnull().sum("peak")
        np.testing.assert_array_equal(known, found["count"], err_msg=name)
    np.testing.assert_allclose(found["mass"].sum("peak"), 1)
    assert (np.diff(found["place"].sel(disciple="greedy", measurement="w")) > 0).all()


def test_places_masses_and_heights_are_those_of_the_mixture():
    rng, number = np.random.default_rng(1), 60
    values = np.stack([camps(rng, (4, 500, number), balance=0.3) for _ in range(2)])
    found = peaks(many(values)).isel(disciple=1)
    assert (found["count"] == 2).all()
    np.testing.assert_allclose(found["place"].mean("measurement"), [0, 6], atol=0.05)
    np.testing.assert_allclose(found["mass"].mean("measurement"), [0.7, 0.3], atol=0.005)
    height = np.array([0.7, 0.3]) * stats.norm.pdf(0)
    np.testing.assert_allclose(found["height"].mean("measurement"), height, rtol=0.1)
    spread = found["mass"].std("measurement") / found["mass_mcse"].mean("measurement")
    np.testing.assert_allclose(spread, 1, atol=0.35)
    assert (found["p"].isel(peak=1) < 0.05).all()
    assert (found["prominence"] <= found["height"] * (1 + 1e-9)).all()


@pytest.mark.parametrize("name", ["swap", "mixture", "collapse"])
def test_the_zoo_has_the_peaks_of_its_truth(name):
    example, found = simulated(name)
    for disciple, policy in example.disciples.items():
        truth = example.exact(policy)
        for world, label in ((0, "erased"), (1, disciple)):
            for place, measurement in enumerate(truth.measurements):
                row = found.sel(disciple=label, measurement=measurement)
                law = truth.law[world][place]
                # Events have one peak: their two values are neighbours.
                known = law.peaks if hasattr(law, "means") else law.peaks[:1]
                assert row["count"] <= len(known)
                clear = len(known) == 1 or np.diff(known).min() > 4 * min(law.sds)
                if clear and hasattr(law, "means") and not law.certain:
                    assert row["count"] == len(known)
                    at = row["place"].values[: len(known)]
                    np.testing.assert_allclose(at, known, atol=0.5 * max(law.sds))


def test_units_change_no_count_and_mirrors_turn_the_places():
    rng = np.random.default_rng(2)
    values = np.stack([rng.normal(size=(3, 501)), camps(rng, (3, 501))])
    one = peaks(tree(w=values)).isel(measurement=0)
    for unit, move in ((1e30, 0.0), (2.0, 1e6), (-1.0, 5.0)):
        other = peaks(tree(w=unit * values + move)).isel(measurement=0)
        np.testing.assert_array_equal(other["count"], one["count"])
        place = (other["place"].isel(disciple=1) - move) / unit
        np.testing.assert_allclose(np.sort(place), one["place"].isel(disciple=1), atol=0.2)
        mass = other["mass"].isel(disciple=1).values
        turned = mass[::-1] if unit < 0 else mass
        np.testing.assert_allclose(turned, one["mass"].isel(disciple=1), atol=0.01)
        np.testing.assert_allclose(
            np.sort(other["height"].isel(disciple=1)) * abs(unit),
            np.sort(one["height"].isel(disciple=1)),
            rtol=0.05,
        )


@pytest.mark.parametrize(
    "values",
    [
        np.full((2, 4, 250), 3.0),
        np.stack([np.full((4, 250), 3.0), np.random.default_rng(0).normal(size=(4, 250))]),
        np.random.default_rng(1).random((2, 4, 250)) < 0.3,
        np.random.default_rng(2).integers(0, 256, (2, 4, 250)).astype(np.uint8),
        np.random.default_rng(3).standard_cauchy((2, 4, 250)),
        (np.random.default_rng(4).normal(size=(2, 4, 250)) + 1e6).astype(np.float32),
        np.random.default_rng(5).normal(size=(2, 4, 250)) * 1e30,
        np.random.default_rng(6).normal(size=(2, 50, 10)),
    ],
    ids=["certain", "one certain", "event", "whole", "cauchy", "single", "huge", "chains"],
)
def test_one_peak_is_found_in_whatever_has_one(values):
    found = peaks(tree(w=values))
    assert (found["count"] == 1).all()
    np.testing.assert_allclose(found["mass"], 1)
    assert all(np.isfinite(found[name]).all() for name in BY_PEAK)


def test_of_slow_chains_no_second_peak_is_made():
    rng, number = np.random.default_rng(7), 60
    steps = rng.normal(size=(2, 4, 500, number)) * np.sqrt(0.19)
    slow = signal.lfilter([1.0], [1.0, -0.9], steps, axis=2)
    with pytest.warns(ImpactWarning, match="worth only"):
        found = peaks(many(slow))
    assert (found["count"] > 1).sum() <= 1
    # Even with nobody to compare the erased world with.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImpactWarning)
        alone = peaks(many(slow[:1]))
    assert (alone["count"] > 1).sum() <= 1


def test_the_erased_world_may_be_looked_at_alone():
    values = camps(np.random.default_rng(8), (1, 4, 250))
    found = peaks(tree((), w=values))
    assert found["disciple"].values.tolist() == ["erased"]
    assert found["count"].item() == 2
    chosen = peaks(tree(("a", "b"), w=np.repeat(values, 3, axis=0)), disciples=[])
    assert chosen["disciple"].values.tolist() == ["erased"]


def test_the_order_of_disciples_and_a_reload_change_nothing(tmp_path):
    rng = np.random.default_rng(9)
    values = np.stack([rng.normal(size=(4, 250)), camps(rng, (4, 250)), rng.normal(size=(4, 250))])
    worlds = tree(("a", "b"), w=values)
    whole = peaks(worlds)
    worlds.to_netcdf(tmp_path / "worlds.nc")
    again = xr.open_datatree(tmp_path / "worlds.nc")
    xr.testing.assert_identical(peaks(again), whole)
    again.close()
    turned = peaks(tree(("b", "a"), w=values[[0, 2, 1]]))
    for label in ("a", "b"):
        for name in BY_PEAK:
            np.testing.assert_allclose(
                turned[name].sel(disciple=label), whole[name].sel(disciple=label)
            )


def test_a_stricter_level_finds_no_more():
    values = camps(np.random.default_rng(10), (2, 4, 250, 40), apart=3.0)
    counts = [peaks(many(values), level=level)["count"] for level in (1e-6, 0.01, 0.2)]
    assert (counts[0] <= counts[1]).all()
    assert (counts[1] <= counts[2]).all()
    assert counts[0].sum() < counts[2].sum()


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, np.nan])
def test_a_level_that_is_no_probability_is_refused(level):
    with pytest.raises(CounterfactualError, match="level="):
        peaks(tree(w=np.zeros((2, 4, 250))), level=level)


def test_what_cannot_be_looked_at_is_refused():
    values = np.random.default_rng(11).normal(size=(2, 4, 250))
    with pytest.raises(DiscipleError, match="'greedi'"):
        peaks(tree(w=values), disciples="greedi")
    with pytest.raises(MeasurementError, match="'z'"):
        peaks(tree(w=values), measurements="z")
    with pytest.raises(WorldError, match="at least 40"):
        peaks(tree(w=values[:, :, :9]))
    values[1, 2, 7] = np.nan
    with pytest.raises(MeasurementError, match=r"'w' is nan .*'greedy'"):
        peaks(tree(w=values))
    with pytest.raises(WorldError, match="draws"):
        peaks(xr.DataTree.from_dict({CELL_COUNTS: xr.Dataset()}))
