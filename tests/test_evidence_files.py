"""What a file of evidence says is what was written, and a bad one is answered with its cell."""

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from counterfactual_models.errors import EvidenceError
from inference.evidence import read_evidence

numbers = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(st.characters(categories=["Lu", "Ll"]), min_size=1, max_size=8).filter(
    lambda name: name.lower() not in {"nan", "inf", "infinity"}
)
tables = st.integers(2, 6).flatmap(
    lambda rows: st.dictionaries(
        names, st.lists(numbers, min_size=rows, max_size=rows), min_size=1, max_size=4
    )
)


@given(table=tables)
def test_a_table_comes_back_from_csv_and_json_and_netcdf(tmp_path_factory, table):
    folder = tmp_path_factory.mktemp("evidence")
    rows = [
        ",".join(table),
        *(",".join(map(repr, row)) for row in zip(*table.values(), strict=True)),
    ]
    (folder / "e.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "e.json").write_text(json.dumps(table), encoding="utf-8")
    for file in ("e.csv", "e.json"):
        read = read_evidence(folder / file)
        assert list(read) == list(table)
        for site, values in table.items():
            np.testing.assert_array_equal(read[site], np.array(values), strict=True)


def test_netcdf_variables_are_sites_and_coordinates_are_not(tmp_path):
    observed = xr.Dataset(
        {"orders": (("week",), np.array([19, 24], dtype="int16")), "open": ((), True)},
        coords={"week": [1, 2]},
    )
    observed["orders"].attrs["units"] = "days"
    observed.to_netcdf(tmp_path / "e.nc", engine="netcdf4")
    read = read_evidence(tmp_path / "e.nc")
    assert list(read) == ["orders", "open"]
    np.testing.assert_array_equal(read["orders"], np.array([19.0, 24.0]), strict=True)
    np.testing.assert_array_equal(read["open"], np.array(1.0), strict=True)


def test_a_saved_tree_gives_what_it_observed(tmp_path):
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"demand": (("chain", "draw"), np.ones((2, 3)))}),
            "observed_data": xr.Dataset({"orders": ("week", [19.0, 24.0])}),
        }
    )
    tree.to_netcdf(tmp_path / "worlds.nc", engine="netcdf4")
    assert {site: v.tolist() for site, v in read_evidence(tmp_path / "worlds.nc").items()} == {
        "orders": [19.0, 24.0]
    }


def test_one_row_of_csv_is_scalars(tmp_path):
    (tmp_path / "e.csv").write_text("demand,rain\n21.5,0\n")
    assert {site: v.shape for site, v in read_evidence(tmp_path / "e.csv").items()} == {
        "demand": (),
        "rain": (),
    }


def test_csv_as_excel_writes_it_is_read(tmp_path):
    (tmp_path / "E.CSV").write_bytes(b'\xef\xbb\xbf"demand", rain \r\n 1,2e1\r\n3,4\r\n,\r\n\r\n')
    read = read_evidence(tmp_path / "E.CSV")
    assert {site: v.tolist() for site, v in read.items()} == {"demand": [1, 3], "rain": [20, 4]}


def test_json_keeps_nested_shapes_and_reads_yes_and_no(tmp_path):
    (tmp_path / "e.json").write_text('{"grid": [[1, 2, 3], [4, 5, 6]], "rain": [true, false]}')
    read = read_evidence(tmp_path / "e.json")
    np.testing.assert_array_equal(read["grid"], np.arange(1.0, 7.0).reshape(2, 3), strict=True)
    np.testing.assert_array_equal(read["rain"], np.array([1.0, 0.0]), strict=True)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("e.csv", "", ["is empty"]),
        ("e.csv", "\n\n", ["is empty"]),
        ("e.csv", "a,b\n", ["no row", "add the observed values"]),
        ("e.csv", "a,b\n1,2\n3,\n", ["row 3", "column 'b'", "blank"]),
        ("e.csv", "a\n1\n\n3\n", ["row 3", "column 'a'", "blank"]),
        ("e.csv", "a,b\n1,nan\n", ["row 2", "column 'b'", "finite"]),
        ("e.csv", "a\n-inf\n", ["row 2", "column 'a'", "finite"]),
        ("e.csv", "a,city\n1,paris\n", ["row 2", "column 'city'", "'paris'", "a number"]),
        ("e.csv", "a\n1_000\n", ["row 2", "column 'a'", "'1_000'"]),
        ("e.csv", "a,a\n1,2\n", ["'a' comes 2 times"]),
        ("e.csv", "a,\n1,2\n", ["row 1", "column 2", "a site's name"]),
        ("e.csv", "1,2\n3,4\n", ["row 1", "column 1", "a site's name"]),
        ("e.csv", "a,b\n1,2,3\n", ["row 2", "3 cells", "2"]),
        ("e.csv", "a;b\n1;2\n", ["semicolons", "commas"]),
        ("e.csv", "a\tb\n1\t2\n", ["tabs", "commas"]),
        ("e.csv", 'a\n"1\n', ["comma-separated"]),
        ("e.csv", b"\xff\xfea\x00", ["UTF-8"]),
        ("e.json", "", ["is empty"]),
        ("e.json", "{}", ["names no site"]),
        ("e.json", "[1, 2]", ["a list", "an object"]),
        ("e.json", '{"a": 1,\n}', ["line 2", "JSON"]),
        ("e.json", '{"a": [1, [2]]}', ["a[1]", "(1,)", "equally long"]),
        ("e.json", '{"a": [[1, 2], [3]]}', ["a[1]", "(1,)", "(2,)", "equally long"]),
        ("e.json", '{"a": [0, NaN]}', ["a[1]", "nan", "finite"]),
        ("e.json", '{"a": 1' + 400 * "0" + "}", ["a", "finite"]),
        ("e.json", '{"a": null}', ["null", "a number"]),
        ("e.json", '{"a": ["1"]}', ["a[0]", "'1'", "a number"]),
        ("e.json", '{"a": {"b": 1}}', ["an object", "a number"]),
        ("e.json", '{"a": []}', ["an empty list"]),
        ("e.json", '{"a": 1, "a": 2}', ["'a' comes 2 times"]),
        ("e.json", '{"": 1}', ["no name"]),
        ("e.json", '{"a": ' + 10**5 * "[", ["JSON"]),
        ("e.nc", "no netCDF", ["no netCDF"]),
        ("e.txt", "a\n1\n", [".csv, .json or .nc"]),
    ],
)
def test_a_bad_file_is_answered_with_its_place_in_one_line(tmp_path, file, content, said):
    path = tmp_path / file
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(path, said)


@pytest.mark.parametrize(
    ("observed", "said"),
    [
        ({"a": ("week", [1.0, np.nan])}, ["a[1]", "nan"]),
        ({"a": ((), np.inf)}, ["a:", "inf"]),
        ({"a": ("week", ["x", "y"])}, ["dates or text"]),
        ({"a": ("week", np.array(["2020-01-01"], dtype="datetime64[ns]"))}, ["dates or text"]),
        ({"a": ("week", np.zeros(0))}, ["no value"]),
        ({}, ["names no site"]),
    ],
)
def test_a_bad_netcdf_is_answered_with_its_variable(tmp_path, observed, said):
    xr.Dataset(observed).to_netcdf(tmp_path / "e.nc", engine="netcdf4")
    refused(tmp_path / "e.nc", said)


def test_a_tree_without_observations_is_told_apart_from_one_with(tmp_path):
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"demand": 1.0})})
    tree.to_netcdf(tmp_path / "e.nc", engine="netcdf4")
    refused(tmp_path / "e.nc", ["'posterior'", "observed_data"])


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    refused(tmp_path / "e.csv", ["No such file"])
    (tmp_path / "f.csv").mkdir()
    refused(tmp_path / "f.csv", ["directory"])


def refused(path, said):
    with pytest.raises(EvidenceError) as caught:
        read_evidence(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 300 + len(str(path))
    assert message.startswith(str(path))
    for part in said:
        assert part in message
