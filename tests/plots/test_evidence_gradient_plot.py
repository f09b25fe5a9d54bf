"""Does the heat map show the slopes that it was given, and not their noise?"""

from functools import partial

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from closed_forms.trees import scored_tree
from pictures import figure_of, words

from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    EvidenceError,
    MeasurementError,
)
from inference.diagnostics.evidence_gradient import evidence_gradient
from inference.plots import plot_evidence_gradient

DIMS = ("disciple", "measurement", "datum")


def made_up(gradient, mcse, *, worlds=None, scale=None, difference=0):
    """A result with the layout of diagnostics.evidence_gradient."""
    gradient = np.asarray(gradient, dtype=float)
    names = worlds or ["erased", "modest", "greedy"][: len(gradient)]
    found = xr.Dataset(
        {"gradient": (DIMS, gradient), "mcse": (DIMS, np.broadcast_to(mcse, gradient.shape))},
        {
            "disciple": np.array(names, dtype=object),
            "measurement": np.array([f"m[{m}]" for m in range(gradient.shape[1])], dtype=object),
            "datum": np.array([f"e[{n}]" for n in range(gradient.shape[2])], dtype=object),
        },
        {"difference": difference},
    )
    return found if scale is None else found.assign_coords(scale=("datum", scale))


@pytest.fixture
def result():
    gradient = [[[4.0, -1.0, 0.1], [0.02, 0.01, 0.0]], [[-2.0, 2.0, 0.1], [0.0, 0.04, 0.0]]]
    return made_up(gradient, [[[0.1], [0.001]]], scale=[1.0, 2.0, 1.0])


@pytest.fixture
def apart():
    gradient = [[[-6.0, 3.0, 0.0], [-0.02, 0.03, 0.0]], [[0.0, 1.0, 0.1], [0.0, 0.0, 0.0]]]
    worlds = ["modest", "greedy"]
    return made_up(gradient, [[[0.1], [0.001]]], worlds=worlds, difference=1)


@pytest.fixture
def draw(drawing):
    return partial(drawing, plot_evidence_gradient)


def values(picture):
    return picture.data["share"].sel(number="value").transpose(*DIMS)


def test_a_cell_is_the_slope_per_spread_over_the_rows_largest(draw, result):
    picture = draw(result)
    expected = result["gradient"] * result["scale"] / [[4.0], [0.08]]
    np.testing.assert_allclose(values(picture), expected.transpose(*DIMS))
    assert "largest 4" in words(picture)
    assert "largest 0.08" in words(picture)


def test_the_colours_are_those_of_the_numbers(draw, result):
    picture = draw(result)
    for name in ("erased", "modest"):
        cells = picture.viz["cells"]["share"].sel(disciple=name).item().get_array()
        shares = values(picture).sel(disciple=name).values
        sure = np.abs(shares) >= 0.1
        np.testing.assert_allclose(np.reshape(cells, shares.shape)[sure], shares[sure])


def test_what_is_within_its_error_is_pale_and_hatched(draw, result):
    picture = draw(result, measurements="m[0]")
    hatched = picture.viz["unsure"]["share"].sel(disciple="erased").item()
    assert hatched.get_hatch()
    assert len(hatched.get_path().vertices) == 5, "one square: the third datum of the first row"
    assert hatched.get_path().contains_point((2, 0))
    cells = picture.viz["cells"]["share"].sel(disciple="erased").item().get_array()
    assert abs(np.ravel(cells)[2]) < abs(values(picture).sel(disciple="erased").values[0, 2])


def test_a_sign_survives_without_colour(draw, result):
    dashes = draw(result).viz["falls"]["share"]
    assert dashes.sel(disciple="erased").item().get_offsets().tolist() == [[1, 0]]
    assert dashes.sel(disciple="modest").item().get_offsets().tolist() == [[0, 0]]


def test_noise_alone_is_hatched_all_over_and_said_to_be(draw):
    rng = np.random.default_rng(0)
    picture = draw(made_up(rng.normal(size=(2, 6, 2000)), 1.0))
    assert "Nothing here can be told from noise." in words(picture)
    assert np.abs(values(picture)).max() < 1
    rows, columns = values(picture).shape[1:]
    hatched = picture.viz["unsure"]["share"].sel(disciple="erased").item()
    assert len(hatched.get_path().vertices) == 5 * rows * columns


def test_planted_data_come_first_among_thousands(draw):
    rng = np.random.default_rng(1)
    gradient = rng.normal(size=(2, 20, 3000))
    gradient[:, 4, 1234], gradient[1, 7, 77] = 40.0, -20.0
    picture = draw(made_up(gradient, 1.0))
    assert picture.data["datum"].values[:2].tolist() == ["e[1234]", "e[77]"]
    assert {"m[4]", "m[7]"} < set(picture.data["measurement"].values)
    assert "36 of 3,000 data are shown: the most important" in words(picture)
    assert "16 of 20 measurements are shown" in words(picture)


def test_data_keep_their_order_while_all_fit(draw, result):
    assert draw(result).data["datum"].values.tolist() == ["e[0]", "e[1]", "e[2]"]


CHANGES = "How does letting a disciple in change the weight of the evidence?"


def test_differences_are_drawn_as_such_with_the_errors_they_have(draw, apart):
    picture = draw(apart)
    assert picture.data["disciple"].values.tolist() == ["modest", "greedy"]
    np.testing.assert_allclose(values(picture).values[0, 0], [-1.0, 0.5, 0.0])
    np.testing.assert_allclose(picture.data["share"].sel(number="mcse").values[0, 0, 0], 0.1 / 6)
    assert CHANGES in words(picture)
    assert "less that with it erased" in words(picture)
    assert "independent" not in words(picture)


def test_a_result_that_does_not_say_is_of_the_worlds_themselves(draw, result):
    del result.attrs["difference"]
    assert CHANGES not in words(draw(result))
    with pytest.raises(CounterfactualError, match="without 'erased'"):
        plot_evidence_gradient(result.isel(disciple=[1]))


def test_differences_that_stand_out_most_are_kept(draw, apart):
    picture = draw(apart, max_panels=1)
    assert picture.data["disciple"].values.tolist() == ["modest"]
    assert "1 of 2 disciples are shown" in words(picture)
    assert draw(apart, disciples="greedy").data["disciple"].values.tolist() == ["greedy"]


def test_differences_of_a_world_that_was_sampled_are_drawn(draw):
    rng = np.random.default_rng(0)
    z = rng.normal(0.8, 0.2**0.5, size=(4, 1000))
    drawn = np.stack([z, 2 * z])[..., None, None]
    scores = ((z - 1) / 0.25)[..., None]
    worlds = scored_tree({"erased": drawn[0], "double": drawn[1]}, scores, scale=[1.25**0.5])
    picture = draw(evidence_gradient(worlds, difference=True))
    assert picture.data["disciple"].values.tolist() == ["double"]
    assert values(picture).item() == 1.0


def test_without_scales_the_slopes_are_per_unit_and_said_to_be(draw, result):
    picture = draw(result.drop_vars("scale"))
    np.testing.assert_allclose(values(picture).values[0, 0], [1.0, -0.25, 0.025])
    assert "per unit of the datum" in words(picture)


def test_a_datum_without_a_scale_is_left_out_by_name(draw, result):
    result["scale"].values[1] = np.nan
    picture = draw(result)
    assert picture.data["datum"].values.tolist() == ["e[0]", "e[2]"]
    assert "Left out, as some number of theirs is not known: e[1]." in words(picture)


def test_most_different_worlds_are_kept_beside_the_erased_one(draw):
    gradient = np.ones((6, 1, 2))
    gradient[4] = 9.0
    names = ["erased", "a", "b", "c", "d", "e"]
    picture = draw(made_up(gradient, 0.1, worlds=names), max_panels=2)
    assert picture.data["disciple"].values.tolist() == ["erased", "d"]
    assert "1 of 5 disciples are shown" in words(picture)


def test_the_users_settings_stay(draw, result):
    before = dict(mpl.rcParams)
    picture = draw(result)
    figure_of(picture).canvas.draw()
    assert dict(mpl.rcParams) == before


def test_misuse_is_answered(result, apart):
    with pytest.raises(DiscipleError, match="Did you mean 'modest'"):
        plot_evidence_gradient(result, disciples="modst")
    with pytest.raises(MeasurementError, match="no measurement is named 'k'"):
        plot_evidence_gradient(result, measurements=["k"])
    with pytest.raises(EvidenceError, match="no datum is named 'e\\[7\\]'"):
        plot_evidence_gradient(result, data=["e[7]"])
    with pytest.raises(EvidenceError, match="empty list"):
        plot_evidence_gradient(result, data=[])
    with pytest.raises(CounterfactualError, match="evidence_gradient"):
        plot_evidence_gradient(result.drop_vars("mcse"))
    with pytest.raises(CounterfactualError, match="without 'erased'"):
        plot_evidence_gradient(result.isel(disciple=[1]))
    with pytest.raises(DiscipleError, match="'erased' only"):
        plot_evidence_gradient(apart, disciples=[])
    with pytest.raises(DiscipleError, match="Did you mean 'modest'"):
        plot_evidence_gradient(apart, disciples="modst")
    with pytest.raises(CounterfactualError, match=r"isel\(cell=0\)"):
        plot_evidence_gradient(result.expand_dims(cell=3))
    with pytest.raises(CounterfactualError, match="nothing to draw"):
        plot_evidence_gradient(result * np.nan)
    with pytest.raises(CounterfactualError, match="max_rows"):
        plot_evidence_gradient(result, max_rows=0)
    assert plt.get_fignums() == []
