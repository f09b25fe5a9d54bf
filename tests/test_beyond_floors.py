"""Is noise taken off as the formula says, and does what is not known stay unknown?"""

import numpy as np
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from inference.beyond_floors import TOO_NEAR, beyond_floor, signed_root


def shown(plugin, floor, mcse=0.01, p=0.5):
    numbers = np.broadcast_arrays(*map(np.atleast_1d, (plugin, floor, mcse, p)))
    names = ("plugin", "floor", "mcse", "p")
    return xr.Dataset(
        {n: ("measurement", np.array(x, float)) for n, x in zip(names, numbers, strict=True)}
    )


@given(st.floats(-1e6, 1e6))
def test_a_signed_root_is_odd_and_its_square_is_what_it_was_of(value):
    root = signed_root(xr.DataArray(value)).item()
    assert root == -signed_root(xr.DataArray(-value)).item()
    np.testing.assert_allclose(root * abs(root), value, atol=1e-290)


@given(st.floats(0.001, 1), st.floats(0, 1))
def test_the_floor_is_taken_off_in_squares_and_the_sign_says_on_which_side(plugin, floor):
    found = beyond_floor(shown(plugin, floor))
    square = plugin**2 - floor**2
    np.testing.assert_allclose(
        found["penalty"], np.sign(square) * np.sqrt(abs(square)), rtol=1e-6, atol=1e-12
    )
    assert found["floor"] == floor


def test_far_above_the_floor_an_error_moves_the_number_by_itself_and_near_it_further():
    far, near = beyond_floor(shown([0.9, 0.1], 0.1, 0.01))["mcse"].values
    np.testing.assert_allclose(far, 0.01, rtol=0.02)
    assert near > 0.04


def test_noise_falls_on_either_side_and_cancels():
    # The modulus of a normal number has a mean square of 1, which is that of its floor.
    noise = np.abs(np.random.default_rng(0).normal(size=40_000))
    told = beyond_floor(shown(noise, 1.0))["penalty"].values
    assert (told < 0).mean() > 0.6
    assert abs(told.mean()) < 0.3 < np.maximum(told, 0).mean()


def test_what_is_too_near_counts_nothing_and_what_is_unknown_stays_unknown():
    found = beyond_floor(shown([0.01, 0.01, np.nan], 0.05, p=[TOO_NEAR, 0.98, 1.0]))["penalty"]
    assert found.values[0] == 0 > found.values[1]
    assert np.isnan(found.values[2])
