"""Does every number keep its label, whatever the order of the dims in other variables?"""

import itertools

import arviz_base as azb
import numpy as np
import pytest
import xarray as xr

from inference.diagnostics import coarse_graining
from inference.schema import flatten, flatten_data
from inference.stacking import labels_of, stacked


@pytest.mark.parametrize("order", list(itertools.permutations(["a", "b", "c"])))
def test_labels_are_those_of_the_numbers_in_any_order_of_variables(order):
    rng = np.random.default_rng(0)
    coords = {"city": ["rome", "oslo"], "day": [3, 4, 5], "draw": np.arange(4)}
    every = {
        "a": (("draw", "city"), rng.normal(size=(4, 2))),
        "b": (("day", "draw", "city"), rng.normal(size=(3, 4, 2))),
        "c": (("city", "day", "draw"), rng.normal(size=(2, 3, 4))),
    }
    numbers = xr.Dataset({name: every[name] for name in order}, coords)
    flat = stacked(numbers, ["draw"], "number")
    for label in flat.number.values:
        name, _, place = label.partition("[")
        own = [dim for dim in numbers[name].dims if dim != "draw"]
        where = dict(zip(own, place.rstrip("]").split(", "), strict=True))
        where = {dim: int(v) if dim == "day" else v for dim, v in where.items()}
        assert np.array_equal(flat.sel(number=label), numbers[name].sel(where))


def test_labels_are_those_of_arviz_where_that_keeps_them():
    rng = np.random.default_rng(0)
    numbers = xr.Dataset(
        {
            "x": (("chain", "draw", "day", "city"), rng.normal(size=(2, 3, 2, 2))),
            "scalar": (("chain", "draw"), rng.normal(size=(2, 3))),
        },
        {"city": ["rome", "oslo"], "day": [0.5, 1.5], "chain": [0, 1], "draw": np.arange(3)},
    )
    ours = stacked(numbers, ["chain", "draw"], "label")
    theirs = azb.dataset_to_dataarray(numbers, new_dim="label")
    assert ours.label.values.tolist() == theirs.label.values.tolist()
    assert np.array_equal(ours, theirs.transpose("label", "chain", "draw"))


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0.1, 0.25], "f4"),
        ["a, b", "c]"],
        [True, False],
        np.array(["2020-01-01", "2020-02-01"], "datetime64[ns]"),
        np.array([1, 36], "timedelta64[h]").astype("timedelta64[ns]"),
    ],
    ids=["float", "text", "bool", "date", "duration"],
)
def test_labels_of_any_kind_are_those_of_arviz(labels):
    numbers = xr.Dataset(
        {"x": (("chain", "draw", "place"), np.zeros((1, 2, 2)))}, {"place": labels}
    )
    theirs = azb.dataset_to_dataarray(numbers, new_dim="label")
    assert labels_of(numbers["x"], ["chain", "draw"]) == theirs.label.values.tolist()


def test_a_variable_without_a_dim_of_the_others_is_the_same_along_it():
    group = xr.Dataset(
        {
            "e": (("chain", "draw"), np.arange(6.0).reshape(2, 3)),
            "f": (("disciple", "chain", "draw"), np.arange(12.0).reshape(2, 2, 3)),
        }
    )
    flat = flatten_data(group)
    assert flat.dims == ("datum", "disciple", "chain", "draw")
    assert np.array_equal(flat.sel(datum="e")[0], flat.sel(datum="e")[1])


def test_a_moved_place_is_found_under_its_own_name():
    rng = np.random.default_rng(0)
    grid = rng.normal(size=(2, 4, 200, 3, 2))
    grid[1, :, :, 2, 0] += 3.0
    lead = ("disciple", "chain", "draw")
    role = {"role": "measurement"}
    drawn = xr.Dataset(
        {
            "survey": ((*lead, "district"), rng.normal(size=(2, 4, 200, 2)), role),
            "cases": ((*lead, "week", "district"), grid, role),
        },
        {"disciple": ["erased", "one"], "district": ["hills", "port"]},
    )
    assert flatten(drawn).sizes["measurement"] == 8
    found = coarse_graining(drawn).sel(disciple="one")
    assert found["tv"].idxmax("measurement").item() == "cases[2, hills]"
