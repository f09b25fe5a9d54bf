"""Do levels add up as their laws say, and is what draws cannot show told?"""

import warnings

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from counterfactual_models.errors import DiscipleError, ImpactWarning, MeasurementError
from inference.diagnostics.optimization_power import optimization_power
from inference.diagnostics.power_chain import power_chain
from inference.schema import encode_attrs
from inference.utility_values import fingerprint, utility_values

LN2 = np.log(2)


def rank(measured):
    return measured["rank"]


def worlds(values, names=("tuned", "searching"), **groups):
    variables = {"rank": (["disciple", "chain", "draw"], values, {"role": "measurement"})}
    drawn = xr.Dataset(variables, coords={"disciple": ["erased", *names]})
    return xr.DataTree.from_dict({"predictions": drawn, **groups})


def best_of(*numbers, seed=0):
    ranks = np.random.default_rng(seed).random((len(numbers), 4, 1000))
    return ranks ** (1 / np.array(numbers, float)[:, None, None])


def shifted(*shifts, seed=0):
    noise = np.random.default_rng(seed).normal(size=(len(shifts), 4, 1000))
    return noise + np.array(shifts)[:, None, None]


def tail(shift):
    return -stats.norm.logsf(shift / np.sqrt(2)) / LN2


def test_best_of_8_and_then_of_16_is_best_of_128():
    found = power_chain(worlds(best_of(1, 8, 128)), rank, ["tuned", "searching"])
    own = found.sel(summary="log2_n")
    assert (np.abs(own["bits"] - [3, 4]) < 4 * own["mcse"]).all()
    for name, truth in (("chain", 7), ("direct", 7), ("gap", 0)):
        assert abs(own[name] - truth) < 4 * own[f"{name}_mcse"]
        assert own[f"{name}_lower"] < truth < own[f"{name}_upper"]
    np.testing.assert_allclose(found["gap"], found["direct"] - found["chain"])
    np.testing.assert_allclose(found["chain"], found["bits"].sum("step"))


def test_shifts_of_a_normal_add_up_to_less_than_the_whole():
    found = power_chain(worlds(shifted(0.0, 1.0, 2.0)), rank, ["tuned", "searching"])
    own = found.sel(summary="mean_tail")
    assert abs(own["gap"] - (tail(2) - 2 * tail(1))) < 4 * own["gap_mcse"]


def test_a_step_is_the_power_of_that_level():
    tree = worlds(best_of(1, 8, 32))
    found = power_chain(tree, rank, ["tuned", "searching"])
    whole = optimization_power(tree, rank)
    for name in ("log2_n", "mean_tail", "expected"):
        power = whole["bits"].sel(summary=name)
        np.testing.assert_allclose(found["bits"].sel(summary=name)[0], power.sel(disciple="tuned"))
        np.testing.assert_allclose(found["direct"].sel(summary=name), power[1], atol=1e-9)


def test_a_level_that_undoes_the_one_below_has_negative_bits():
    found = power_chain(worlds(best_of(1, 8, 1)), rank, ["tuned", "searching"])
    own = found.sel(summary="log2_n")
    assert own["upper"][1] < 0 and abs(own["direct"]) < 4 * own["direct_mcse"]


def test_bounds_are_told_and_the_gap_allows_the_truth():
    with pytest.warns(ImpactWarning, match="the gap of bounds is no bound"):
        found = power_chain(worlds(shifted(0.0, 4.0, 8.0)), rank, ["tuned", "searching"])
    own = found.sel(summary="mean_tail")
    truth = tail(8) - 2 * tail(4)
    assert not found["reliable"].item() and found["direct_censored_share"] > 0.9
    assert own["gap_lower"] < truth < own["gap_upper"]


def test_splitting_serves_what_is_held_against_the_erased_world():
    values = shifted(0.0, 2.0, 8.0)
    grid = np.linspace(0, 13, 3000)
    sf = stats.norm.sf(np.append(grid, np.inf))
    mass = np.log(np.maximum(sf[:-1] - sf[1:], 1e-300))
    dims = ["rare_run", "rare_draw"]
    drawn = worlds(values, ("tuned", "far"))["predictions"].to_dataset()
    told = utility_values(drawn, ["erased", "tuned", "far"], rank)
    attrs = {
        "utility": {n: fingerprint(told.sel(disciple=n)) for n in ("erased", "tuned", "far")},
        "reliable": True,
        "reasons": [],
        "lower": 0.0,
    }
    split = xr.Dataset(
        {"utility": (dims, np.stack([grid] * 4)), "log_weight": (dims, np.stack([mass] * 4))},
        attrs=encode_attrs(attrs),
    )
    with warnings.catch_warnings():
        # From 2 to 8 the draws of the level below show nothing.
        warnings.simplefilter("ignore", ImpactWarning)
        found = power_chain(
            worlds(values, ("tuned", "far"), rare_worlds=split), rank, ["tuned", "far"]
        )
    own = found.sel(summary="mean_tail")
    assert found["direct_censored_share"] == 0 and found["censored_share"][1] > 0.5
    assert abs(own["direct"] - tail(8)) < 4 * own["direct_mcse"]


@pytest.mark.parametrize("levels", ["tuned", ["tuned"], ["tuned", "tuned"], ["tuned", "serching"]])
def test_what_is_no_chain_is_refused(levels):
    with pytest.raises(DiscipleError):
        power_chain(worlds(best_of(1, 8, 64)), rank, levels)


def test_an_unknown_measurement_is_refused():
    with pytest.raises(MeasurementError, match="rank"):
        power_chain(worlds(best_of(1, 8, 64)), lambda m: m["rnk"], ["tuned", "searching"])
