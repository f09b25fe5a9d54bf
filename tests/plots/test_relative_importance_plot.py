"""Do the two profiles face each other, with their distances above and reasons for what is not?"""

from functools import partial

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from pictures import figure_of, words

from counterfactual_models.errors import CounterfactualError, DiscipleError, EvidenceError
from inference.plots import plot_relative_importance

UNSEEN = "the erased world is not seen to depend on the evidence"


def made_up(profiles, distances, *, mcse=0.01, reasons=None):
    """A result with the layout of diagnostics.relative_importance, erased first."""
    profiles, distances = np.asarray(profiles, dtype=float), np.array([0.0, *distances])
    worlds, count = profiles.shape
    found = {"trace_distance": distances, "signed_distance": distances / 2}
    found |= {"log_scale": 1 - 4 * distances}
    found |= {f"{name}_mcse": 0 * values + 0.02 for name, values in found.items()}
    found |= {"p": np.full(worlds, 0.004), "reason": np.array(reasons or [""] * worlds, object)}
    names = ["erased", "turbine", "mimic", "third", "fourth", "fifth"][:worlds]
    dims = ("disciple", "datum")
    return xr.Dataset(
        {name: ("disciple", values) for name, values in found.items()}
        | {"profile": (dims, profiles), "profile_mcse": (dims, np.full(profiles.shape, mcse))},
        {
            "disciple": np.array(names, dtype=object),
            "datum": np.array([f"e[{n}]" for n in range(count)], dtype=object),
        },
    )


@pytest.fixture
def result():
    return made_up([[0.5, 0.4, 0.1], [0.0, 0.2, 0.8], [0.5, 0.52, -0.02]], [0.7, 0.01])


@pytest.fixture
def draw(drawing):
    return partial(drawing, plot_relative_importance)


def test_erased_is_to_the_left_and_let_in_to_the_right_at_their_shares(draw, result):
    picture = draw(result)
    rows = picture.data["datum"].values
    for disciple in ("turbine", "mimic"):
        for switch, world, side in ((0, "erased", -1), (1, disciple, 1)):
            where = {"disciple": disciple, "X": switch}
            shares = result["profile"].sel(disciple=world, datum=rows).values
            bars = picture.viz["share"]["profile"].sel(where).item()
            np.testing.assert_allclose(
                [bar.get_width() for bar in bars], side * shares.clip(min=0)
            )
            ends = np.array(picture.viz["error"]["profile"].sel(where).item().get_segments())
            assert (side * ends[:, :, 0] >= 0).all(), "an error stays on its own side"
            assert (np.abs(ends[:, :, 0]).max(axis=1) > shares + 1.96 * 0.01).all()


def test_rows_are_sorted_by_the_larger_share(draw, result):
    assert draw(result).data["datum"].values.tolist() == ["e[2]", "e[1]", "e[0]"]
    assert draw(result, disciples="mimic").data["datum"].values.tolist() == [
        "e[1]",
        "e[0]",
        "e[2]",
    ]


def test_the_three_distances_are_written_above(draw, result):
    said = words(draw(result))
    assert "trace distance 0.7 ± 0.02" in said
    assert "p 0.004 were all slopes the same" in said
    assert "with signs 0.35 ± 0.02" in said
    assert "log₂ of scale −1.8 ± 0.02" in said


def test_a_world_without_a_profile_has_its_reason_written_and_no_bars(draw, result):
    result["profile"].values[2] = np.nan
    for name in ("trace_distance", "signed_distance", "log_scale"):
        result[name].values[2] = np.nan
    result["reason"].values[2] = "with 'mimic' let in, the future is not seen to depend on it"
    picture = draw(result)
    assert "mimic: with 'mimic' let in, the future is not seen" in words(picture)
    assert words(picture).count("no profile") == 1
    assert "nan" not in words(picture)
    where = {"disciple": "mimic", "X": 1}
    assert not len(picture.viz["error"]["profile"].sel(where).item().get_segments())
    assert picture.data["datum"].size == 3, "its data are drawn for the other worlds"


def test_one_reason_for_all_is_written_once(draw):
    profiles = np.full((3, 2), np.nan)
    picture = draw(made_up(profiles, [np.nan] * 2, reasons=["", UNSEEN, UNSEEN]))
    assert words(picture).count(UNSEEN) == 1
    assert f"turbine, mimic: {UNSEEN}" in words(picture)
    assert words(picture).count("no profile") == 4


def test_planted_data_come_first_among_thousands(draw):
    profiles = np.random.default_rng(0).normal(0, 1e-3, size=(2, 4000))
    profiles[0, 17], profiles[1, 3999] = 0.9, 0.5
    picture = draw(made_up(profiles, [0.8], mcse=1e-3))
    assert picture.data["datum"].values[:2].tolist() == ["e[17]", "e[3999]"]
    assert "24 of 4,000 data are shown: those of largest shares." in words(picture)


def test_farthest_disciples_are_kept_and_unknown_ones_are_not_dropped(draw):
    picture = draw(made_up(np.full((6, 2), 0.5), [0.1, 0.4, 0.3, np.nan, 0.2]), max_columns=3)
    assert picture.data["disciple"].values.tolist() == ["mimic", "third", "fourth"]
    assert "3 of 5 disciples are shown: those of largest trace distance." in words(picture)


def test_a_datum_without_a_share_is_left_out_by_name(draw, result):
    result["profile"].values[0, 1] = np.nan
    picture = draw(result)
    assert picture.data["datum"].values.tolist() == ["e[2]", "e[0]"]
    assert "not known: e[1]." in words(picture)


def test_a_distance_below_zero_is_noise(draw, result):
    result["trace_distance"][2] = -0.01
    assert "trace distance 0 (within noise) ± 0.02" in words(draw(result))


def test_the_users_settings_stay(draw, result):
    before = dict(mpl.rcParams)
    picture = draw(result)
    figure_of(picture).canvas.draw()
    assert dict(mpl.rcParams) == before


def test_misuse_is_answered(result):
    with pytest.raises(CounterfactualError, match="relative_importance"):
        plot_relative_importance(result.drop_vars("reason"))
    with pytest.raises(DiscipleError, match="'erased' only"):
        plot_relative_importance(result.isel(disciple=[0]))
    with pytest.raises(DiscipleError, match="Did you mean 'turbine'"):
        plot_relative_importance(result, disciples="turbin")
    with pytest.raises(EvidenceError, match="no datum is named 'gdp'"):
        plot_relative_importance(result, data=["gdp"])
    assert plt.get_fignums() == []
