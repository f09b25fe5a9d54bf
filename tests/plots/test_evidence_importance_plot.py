"""Does the forest show what data and the switch tell, and count which tell more?"""

from functools import partial

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from pictures import figure_of, words

from counterfactual_models.errors import CounterfactualError, DiscipleError, EvidenceError
from inference.plots import plot_evidence_importance

DIMS = ("disciple", "measurement", "datum")


def made_up(bits, mcse, switch, *, switch_mcse=0.001, data=None):
    """A result with the layout of diagnostics.evidence_importance; contrasts are halved bits."""
    bits, switch = np.asarray(bits, dtype=float), np.asarray(switch, dtype=float)
    errors = np.broadcast_to(mcse, bits.shape)
    found = {"bits": bits, "bits_mcse": errors, "contrast": bits / 2, "contrast_mcse": errors}
    known = np.full(switch.shape, switch_mcse)
    told = {"switch_bits": switch, "switch_bits_mcse": known}
    told |= {"switch_tv": switch / 2, "switch_tv_mcse": known}
    worlds, measured, count = bits.shape
    return xr.Dataset(
        {name: (DIMS, values) for name, values in found.items()}
        | {name: (DIMS[:2], values) for name, values in told.items()},
        {
            "disciple": np.array(["erased", "modest", "greedy"][:worlds], dtype=object),
            "measurement": np.array(["price", "visits"][:measured], dtype=object),
            "datum": np.array(data or [f"e[{n}]" for n in range(count)], dtype=object),
        },
    )


@pytest.fixture
def result():
    bits = [
        [[0.1, 0.5, 0.0], [0.0, 0.2, 0.01]],
        [[0.1, 0.4, 0.0], [0.0, 0.2, 0.01]],
        [[0.3, 0.1, -0.01], [0.02, 0.0, 0.0]],
    ]
    return made_up(bits, 0.01, [[0.0, 0.0], [0.01, 0.02], [0.2, 0.6]], data=["e", "gdp", "$$"])


@pytest.fixture
def draw(drawing):
    return partial(drawing, plot_evidence_importance)


def panels(picture):
    return np.atleast_1d(picture.viz["plot"].values).ravel()


@pytest.mark.parametrize("quantity", ["bits", "contrast"])
def test_every_point_bar_and_line_is_at_its_numbers(draw, result, quantity):
    picture = draw(result, quantity=quantity)
    rows = picture.data["datum"].values
    for disciple in ("modest", "greedy"):
        for measurement in ("price", "visits"):
            where = {"disciple": disciple, "measurement": measurement}
            line = picture.viz["switch"]["tells"].sel(where).item()
            told = {"bits": "switch_bits", "contrast": "switch_tv"}[quantity]
            assert set(line.get_xdata()) == {result[told].sel(where).item()}
            for switch, world in ((0, "erased"), (1, disciple)):
                own = result[quantity].sel(where | {"disciple": world, "datum": rows}).values
                points = (
                    picture.viz["point"]["tells"].sel(where | {"X": switch}).item().get_offsets()
                )
                assert points[:, 0].tolist() == own.tolist()
                assert np.round(points[:, 1]).tolist() == [0, 1, 2]
                bars = picture.viz["bar"]["tells"].sel(where | {"X": switch}).item().get_segments()
                ends = np.array(bars)[:, :, 0]
                np.testing.assert_allclose(ends.mean(axis=1), own, atol=1e-12)
                assert (np.ptp(ends, axis=1) > 2 * 1.96 * 0.01).all()


def test_rows_are_sorted_by_what_is_drawn(draw, result):
    assert draw(result).data["datum"].values.tolist() == ["gdp", "e", "$$"]
    one = draw(result, disciples="greedy", measurements="price")
    assert one.data["datum"].values.tolist() == ["gdp", "e", "$$"], "the erased world counts too"


def test_a_panel_counts_the_data_beyond_x_with_the_disciple_let_in(draw, result):
    said = words(draw(result))
    assert "X 0.2. Data: 1 more, 2 less, 0 unsure" in said
    assert "X 0.6. Data: 0 more, 3 less, 0 unsure" in said


def test_all_data_are_counted_though_few_are_drawn(draw):
    rng = np.random.default_rng(0)
    bits = rng.normal(0, 0.01, size=(2, 1, 5000))
    bits[:, 0, 99] = 0.9
    picture = draw(made_up(bits, 0.01, [[0.0], [0.5]]), max_rows=7)
    assert picture.data["datum"].values[0] == "e[99]"
    assert picture.data["datum"].size == 7
    assert "Data: 1 more, 4,999 less, 0 unsure" in words(picture)
    assert "7 of 5,000 data are shown: the most important." in words(picture)


def test_the_greatest_of_many_noises_is_never_said_to_matter(draw):
    bits = np.random.default_rng(1).normal(0, 0.01, size=(2, 1, 5000))
    picture = draw(made_up(bits, 0.01, [[0.0], [0.0]], switch_mcse=0.0))
    assert "Data: 0 more, 0 less, 5,000 unsure" in words(picture)


def test_disciples_share_a_row_where_there_is_one_measurement(draw, result):
    bottoms = [axes.get_position().y0 for axes in panels(draw(result, measurements="price"))]
    assert len(bottoms) == 2
    assert len(set(bottoms)) == 1


def test_those_of_most_consequence_are_kept(draw, result):
    picture = draw(result, max_columns=1, max_disciples=1)
    assert picture.data["measurement"].values.tolist() == ["visits"], "X tells .6 of it"
    assert picture.data["disciple"].values.tolist() == ["greedy"]
    assert "1 of 2 measurements are shown" in words(picture)
    assert "1 of 2 disciples are shown" in words(picture)


def test_one_element_of_each_measurement_comes_before_a_second(draw):
    both = [
        made_up(np.zeros((2, 2, 2)), 0.01, [[0.0, 0.0], told]) for told in ([0.5, 0.4], [0.3, 0.1])
    ]
    names = ["visits[paris]", "visits[rome]", "visits[oslo]", "price"]
    found = xr.concat(both, "measurement").assign_coords(measurement=names)
    two = draw(found, max_columns=2).data["measurement"].values.tolist()
    assert two == ["visits[paris]", "price"]
    three = draw(found, max_columns=3).data["measurement"].values.tolist()
    assert three == ["visits[paris]", "visits[rome]", "price"]


def test_a_result_of_one_measurement_is_drawn_and_one_without_erased_is_refused(draw, result):
    picture = draw(result.sel(measurement="price"))
    assert picture.data["measurement"].values.tolist() == ["price"]
    with pytest.raises(CounterfactualError, match="without 'erased'"):
        draw(result.sel(disciple="greedy"))


def test_no_bar_is_cut_at_the_left_edge(draw, result):
    result["bits_mcse"] = result["bits_mcse"].copy()
    result["bits_mcse"][1, 1, 2] = 0.03
    picture = draw(result)
    bars = picture.viz["bar"]["tells"].sel(disciple="modest", measurement="visits", X=1).item()
    least = min(ends[0, 0] for ends in bars.get_segments())
    assert least < -0.05
    assert panels(picture)[0].get_xlim()[0] < least


def test_numbers_below_zero_are_within_the_axis(draw, result):
    result["bits"][:] = -0.02
    low, high = panels(draw(result))[0].get_xlim()
    assert low < -0.02
    assert high > 0.6


def test_a_datum_without_bits_is_left_out_by_name(draw, result):
    result["bits"].loc[{"datum": "e"}] = np.nan
    picture = draw(result)
    assert picture.data["datum"].values.tolist() == ["gdp", "$$"]
    assert "not known: e." in words(picture)


def test_the_users_settings_stay(draw, result):
    before = dict(mpl.rcParams)
    picture = draw(result)
    figure_of(picture).canvas.draw()
    assert dict(mpl.rcParams) == before


def test_misuse_is_answered(result):
    with pytest.raises(CounterfactualError, match="expected one of"):
        plot_evidence_importance(result, quantity="tv")
    with pytest.raises(CounterfactualError, match="with_scores"):
        plot_evidence_importance(result.drop_vars(["bits", "bits_mcse"]))
    with pytest.raises(CounterfactualError, match="evidence_importance"):
        plot_evidence_importance(result.drop_vars("switch_bits"))
    with pytest.raises(DiscipleError, match="'erased' only"):
        plot_evidence_importance(result.isel(disciple=[0]))
    with pytest.raises(EvidenceError, match="Did you mean 'gdp'"):
        plot_evidence_importance(result, data="gpd")
    assert plt.get_fignums() == []
