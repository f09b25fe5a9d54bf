"""Disciples have names, sources and lengths; utilities are bounded, of measured things."""

import lzma
import zlib

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import counterfactual_models as cm
from counterfactual_models.disciples import erased, gather
from counterfactual_models.utilities import bounded


def thrifty(demand):
    """Make a tenth."""
    return 0.1 * demand


def test_the_source_is_read_from_the_function():
    disciple = cm.Disciple(thrifty)
    assert disciple.name == "thrifty"
    assert "Make a tenth." in disciple.source
    assert disciple(torch.tensor(10.0)) == 1.0


two = lambda x: x + 1, lambda x: x * 2
written = {
    "short": lambda x: x + 1,
    "long": lambda x: (
        x
        + 2
    ),
    "outer": lambda x: lambda y: x + y, "beside": lambda x, pair=(1, 2): x * pair[0],
}  # fmt: skip


def test_the_source_of_a_lambda_is_the_lambda_and_not_the_line_around_it():
    sources = {name: cm.Disciple(policy, name=name).source for name, policy in written.items()}
    assert sources == {
        "short": "lambda x: x + 1",
        "long": "lambda x: (\n        x\n        + 2\n    )",
        "outer": "lambda x: lambda y: x + y",
        "beside": "lambda x, pair=(1, 2): x * pair[0]",
    }
    assert cm.Disciple(written["outer"](3), name="inner").source == "lambda y: x + y"
    assert [cm.Disciple(one, name="a").source for one in two] == [
        "lambda x: x + 1",
        "lambda x: x * 2",
    ]
    bits = {name: cm.Disciple(one, name=name).description_bits() for name, one in written.items()}
    assert bits["short"] < bits["beside"]


def test_where_python_does_not_tell_which_lambda_it_is_the_line_is_its_source(monkeypatch):
    monkeypatch.setattr("counterfactual_models.disciples._told_places", lambda code: [])
    assert cm.Disciple(two[1], name="a").source.startswith("two = lambda x: x + 1, lambda")
    assert cm.Disciple(written["short"], name="a").source == "lambda x: x + 1"
    unread = eval("lambda x: x")
    assert cm.Disciple(unread, name="a").source is None


def test_the_description_is_no_longer_than_what_either_compressor_makes_of_it():
    disciple = cm.Disciple(thrifty, source="x" * 1000)
    assert disciple.description_bits() <= 8 * len(zlib.compress(b"x" * 1000, 9))
    filters = [{"id": lzma.FILTER_LZMA2}]
    raw = lzma.compress(b"x" * 1000, lzma.FORMAT_RAW, filters=filters)
    assert disciple.description_bits() <= 8 * len(raw)


def test_indentation_is_no_information():
    plain = cm.Disciple(thrifty, source="def f(x):\n    return x")
    deep = cm.Disciple(thrifty, source="        def f(x):\n            return x")
    assert plain.description_bits() == deep.description_bits()


def test_the_parameters_of_a_network_count():
    net = torch.nn.Linear(10, 1)
    disciple = cm.Disciple(net, name="net")
    text_only = cm.Disciple(thrifty, source=disciple.source).description_bits()
    assert disciple.description_bits() == text_only + 8 * 11 * 4


def test_a_disciple_without_source_says_so_when_its_length_is_asked():
    disciple = cm.Disciple(np.frompyfunc(abs, 1, 1), name="ufunc")
    if disciple.source is None:
        with pytest.raises(cm.DiscipleError, match="give it: Disciple"):
            disciple.description_bits()


def test_the_erased_disciple_cannot_act_and_nobody_else_is_called_erased():
    with pytest.raises(cm.DiscipleError, match="past the wire"):
        erased(torch.ones(()))
    with pytest.raises(cm.DiscipleError, match="rename it"):
        cm.Disciple(thrifty, name="erased")


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({}, "got no disciple"),
        ([], "got no disciple"),
        ({"a": 3}, "type int"),
        ([thrifty, thrifty], "two disciples are named 'thrifty'"),
        ({"erased": thrifty}, "rename it"),
    ],
)
def test_disciples_that_do_not_fit_are_refused(given_, message):
    with pytest.raises(cm.DiscipleError, match=message):
        gather(given_)


def test_a_dict_a_list_and_a_function_are_all_disciples():
    assert [d.name for d in gather({"a": thrifty, "b": cm.Disciple(thrifty)})] == ["a", "b"]
    assert [d.name for d in gather([cm.Disciple(thrifty, name="c"), thrifty])] == ["c", "thrifty"]
    assert [d.name for d in gather(thrifty)] == ["thrifty"]


@given(st.floats(-1e6, 1e6), st.floats(-100, 100), st.floats(0.1, 100), st.floats(-5, 5))
def test_a_utility_stays_within_its_bounds_and_rises_in_between(value, floor, width, weight):
    utility = weight * bounded("clips", floor=floor, cap=floor + width)
    low, high = utility.bounds
    assert low - 1e-9 <= float(utility({"clips": value})) <= high + 1e-9
    middle = bounded("clips", floor=floor, cap=floor + width)({"clips": floor + width / 2})
    assert float(middle) == pytest.approx(0.5)


def test_utilities_add_and_keep_labels():
    utility = bounded("clips", cap=10) + 2 * bounded("tea", cap=4)
    worlds = xr.Dataset({"clips": ("draw", [5.0, 20.0]), "tea": ("draw", [1.0, 1.0])})
    assert utility(worlds).dims == ("draw",)
    assert utility(worlds).values.tolist() == [1.0, 1.5]
    assert utility.measurements == ("clips", "tea")
    assert utility.bounds == (0.0, 3.0)


def test_a_utility_of_what_is_not_measured_is_refused_with_the_nearest_name():
    with pytest.raises(cm.MeasurementError, match="Did you mean 'clips'"):
        bounded("clps", cap=10)({"clips": 3.0, "tea": 1.0})


@pytest.mark.parametrize(("floor", "cap"), [(1, 1), (2, 1), (0, np.inf), (np.nan, 1)])
def test_an_unbounded_utility_is_refused(floor, cap):
    with pytest.raises(cm.WorldError, match="floor below cap"):
        bounded("clips", floor=floor, cap=cap)
