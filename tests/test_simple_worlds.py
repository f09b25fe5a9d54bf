"""Are simple worlds written down in few bits, and is what cannot be written down refused?"""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from counterfactual_models.errors import CounterfactualError, MeasurementError
from inference.diagnostics.twist import twist
from inference.simple_worlds import simplicity


def drawn_worlds(*names):
    """Erased worlds and those of a greedy disciple, of normal measurements."""
    rng = np.random.default_rng(0)
    dims = ["disciple", "chain", "draw"]
    drawn = {
        name: (dims, rng.normal(size=(2, 4, 1000)), {"role": "measurement"}) for name in names
    }
    return xr.Dataset(drawn, coords={"disciple": ["erased", "greedy"]})


@pytest.mark.parametrize("first", ["import inference.simple_worlds", "inference.simplicity"])
def test_inference_offers_the_function_whatever_was_imported_first(first):
    code = f"import inference; {first}; import inference.simple_worlds; "
    code += "assert inference.simplicity is inference.simple_worlds.simplicity; "
    code += "assert callable(inference.simplicity)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_simple_worlds_are_preferred_and_a_bit_is_a_bit_for_all():
    rng = np.random.default_rng(6)
    cells = ["disciple", "chain", "draw", "square"]
    order = rng.random((3, 2, 300)) < np.array([0.6, 0.6, 0.3])[:, None, None]
    squares = rng.integers(0, 2, (3, 2, 300, 64)) * ~order[..., None]
    drawn = xr.Dataset(
        {
            "squares": (cells, squares.astype(np.float32), {"role": "measurement"}),
            "tidy": (cells[:3], order, {"role": "measurement"}),
        },
        coords={"disciple": ["erased", "idle", "messy"]},
    )
    measure = simplicity("squares")
    found = twist(drawn, measure, measurements="tidy")
    idle, messy = (found.sel(disciple=name) for name in ("idle", "messy"))
    assert abs(idle["log_ratio"].item()) < 4 * idle["log_ratio_mcse"].item()
    assert messy["log_ratio"].item() < -4 * messy["log_ratio_mcse"].item()
    # Twisted, all that is left in either world is tidy.
    assert found.attrs["power"] == 1.0
    assert messy["untwisted"].item() > 0.2 > 0.02 > messy["tv"].item()
    bits = measure.bits(drawn)
    without = measure.bits(drawn.sel(disciple=["erased", "messy"]))
    np.testing.assert_allclose(without.sel(disciple="messy"), bits.sel(disciple="messy"))


def test_what_simplicity_cannot_write_down_is_refused():
    drawn = drawn_worlds("price", "cost")
    with pytest.raises(MeasurementError, match=r"'prize', which is not measured.*'price'"):
        simplicity("prize")(drawn)
    holed = drawn.copy(deep=True)
    holed["price"][1, 0, 3] = np.nan
    with pytest.raises(MeasurementError, match="'price' is not finite in the world 'greedy'"):
        simplicity()(holed)
    with pytest.raises(MeasurementError, match="no erased world"):
        simplicity()(drawn.sel(disciple=["greedy"]))
    with pytest.raises(MeasurementError, match="expected numbers"):
        simplicity("word")(drawn.assign(word=drawn["price"].astype(str)))
    for options in ({"digits": -1}, {"digits": 0.5}, {"compressor": "zlib"}):
        with pytest.raises(CounterfactualError, match=next(iter(options))):
            simplicity(**options)


def test_a_resolution_is_that_of_the_erased_world():
    drawn = drawn_worlds("price")
    coarse, fine = (simplicity(digits=n)(drawn).mean() for n in (0, 4))
    assert fine < coarse < 0
    scaled = drawn.assign(price=(drawn["price"] * 1024).assign_attrs(role="measurement"))
    np.testing.assert_allclose(simplicity()(scaled), simplicity()(drawn))


def messy(erased, disciple):
    """Mean bits of an erased world and of a disciple's, of 32 entries each."""
    dims = ["disciple", "chain", "draw", "entry"]
    drawn = xr.DataArray(
        np.stack([erased, disciple]), {"disciple": ["erased", "messy"]}, dims, name="g"
    )
    return simplicity("g").bits({"g": drawn}).mean(["chain", "draw"]).values


@pytest.mark.parametrize("still", [0.0, 3.0, 0.3])
def test_noise_does_not_hide_behind_an_erased_world_of_whole_numbers_or_of_one(still):
    noise = np.random.default_rng(7).normal(size=(1, 200, 32))
    quiet, loud = messy(np.full((1, 200, 32), still), still + 0.15 * noise)
    assert quiet < 20 < quiet + 30 < loud
    shaken = np.where(noise > 0, still, np.nextafter(still, 9.0))
    assert messy(shaken, still + 0.15 * noise) == pytest.approx([quiet, loud], abs=1e-6)


def test_whole_numbers_stay_whole_where_all_worlds_have_no_others():
    coins = np.random.default_rng(8).integers(0, 2, size=(2, 1, 200, 32)).astype(float)
    bits = messy(*coins)
    assert bits == pytest.approx(messy(*coins.astype(int)))
    assert abs(bits[0] - bits[1]) < 2
    assert messy(coins[0], coins[1] / 4)[1] > 30, "a quarter is no 0"


def test_a_world_too_far_to_be_written_down_is_refused_and_not_called_simple():
    worlds = drawn_worlds("price")
    worlds["price"][1] *= 1e30
    with pytest.raises(MeasurementError, match=r"'price' lies .* steps .* fewer digits="):
        simplicity().bits(worlds.data_vars)
