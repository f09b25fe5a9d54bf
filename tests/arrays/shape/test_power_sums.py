"""Are sums of powers those of the draws, whatever their layout, precision, place and tiles?"""

from importlib import import_module
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfactual_models.errors import CounterfactualError
from inference.arrays.shape.power_sums import power_sums

SEEDS = st.integers(0, 2**32 - 1)
# The package offers a function of that name.
MODULE = import_module("inference.arrays.shape.power_sums")


def plainly(values, bounds, location, scale, order):
    z = (values.astype(float) - np.reshape(location, (-1, 1))) / np.reshape(scale, (-1, 1))
    blocks = [z[:, a:b] for a, b in pairwise(bounds)]
    return np.array([[(block**a).sum(axis=1) for a in range(order + 1)] for block in blocks])


@given(
    seed=SEEDS,
    order=st.integers(1, 9),
    kind=st.sampled_from([np.float32, np.float64, np.int16, np.bool_]),
    layout=st.sampled_from("CF"),
)
def test_sums_are_those_of_the_powers_of_the_standardised_draws(seed, order, kind, layout):
    rng = np.random.default_rng(seed)
    values = (3 * rng.normal(size=(5, 61))).astype(kind, order=layout)
    bounds = np.array([0, 7, 30, 31, 61])
    location, scale = rng.normal(size=5), rng.uniform(0.5, 2, size=5)
    found = power_sums(values, bounds, location=location, scale=scale, order=order)
    expected = plainly(values, bounds, location, scale, order)
    magnitude = plainly(np.abs(values), bounds, -np.abs(location), scale, order)
    assert found.shape == (4, order + 1, 5)
    assert (np.abs(found - expected) <= 1e-13 * magnitude).all()


@pytest.mark.parametrize(("tile", "rows"), [(1, 1), (8, 3), (100, 50), (10_000, 7)])
def test_tiles_do_not_change_the_sums(monkeypatch, tile, rows):
    values = np.random.default_rng(0).integers(-3, 4, size=(7, 120)).astype(float)
    bounds = np.array([0, 50, 120])
    whole = power_sums(values, bounds, location=1.0, scale=0.5)
    monkeypatch.setattr(MODULE, "TILE", tile)
    monkeypatch.setattr(MODULE, "ROWS", rows)
    assert (power_sums(values, bounds, location=1.0, scale=0.5) == whole).all()


def test_sums_of_blocks_add_up_to_those_of_all_draws():
    values = np.random.default_rng(1).integers(-3, 4, size=(3, 100)).astype(float)
    blocks = power_sums(values, np.arange(0, 101, 5), location=0.0, scale=1.0)
    whole = power_sums(values, np.array([0, 100]), location=0.0, scale=1.0)
    assert (blocks.sum(axis=0) == whole[0]).all()


def test_the_location_is_taken_away_before_anything_is_squared():
    steps = np.random.default_rng(2).integers(-2, 3, size=(1, 400)).astype(np.float32)
    bounds = np.array([0, 400])
    far = power_sums(steps + np.float32(2**23), bounds, location=2.0**23, scale=1.0)
    assert (far == power_sums(steps, bounds, location=0.0, scale=1.0)).all()


def test_draws_beyond_double_precision_have_infinite_sums():
    values = np.array([[1e60, 1.0, 1e60]])
    found = power_sums(values, np.array([0, 3]), location=0.0, scale=1.0)[0, :, 0]
    assert found[:3].tolist() == pytest.approx([3.0, 2e60, 2e120])
    assert found[6] == np.inf


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"scale": np.array([1.0, 0.0])}, "got scale=0.0 for measurement number 1"),
        ({"scale": -1.0}, "expected a positive finite number"),
        ({"location": np.nan}, "got location=nan for measurement number 0"),
        ({"order": 0}, "order"),
    ],
)
def test_scales_and_locations_that_are_none_are_refused(given, said):
    options = {"location": 0.0, "scale": 1.0} | given
    with pytest.raises(CounterfactualError, match=said):
        power_sums(np.zeros((2, 10)), np.array([0, 10]), **options)
