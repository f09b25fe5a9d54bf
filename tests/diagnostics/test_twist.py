"""Do twisted worlds compare as exact reweighing says, and is what M hides never called absent?"""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    ImpactWarning,
    MeasurementError,
    WorldError,
)
from inference.diagnostics.coarse_graining import coarse_graining
from inference.diagnostics.twist import twist

DIMS = ["disciple", "chain", "draw", "future"]


def tree(disciples=("greedy",), **measured):
    """Worlds of given draws, each of shape (1 + disciples, chain, draw[, future])."""
    variables = {
        name: (DIMS[: np.ndim(values)], values, {"role": "measurement"})
        for name, values in measured.items()
    }
    switch = ("disciple", [0] + [1] * len(disciples))
    drawn = xr.Dataset(variables, coords={"disciple": ["erased", *disciples], "X": switch})
    return xr.DataTree.from_dict({"predictions": drawn})


def shifted(*shifts, chains=4, draws=1000, seed=0):
    noise = np.random.default_rng(seed).normal(size=(1 + len(shifts), chains, draws))
    return noise + np.array([0.0, *shifts])[:, None, None]


def tilted(by, name="price"):
    return lambda measured: by * measured[name]


@pytest.mark.parametrize("tilt", [0.5, 1.0])
def test_normal_worlds_keep_their_distance_and_move_their_mass_by_the_tilt(tilt):
    worlds = tree(("near", "far"), price=shifted(0.5, 1.0))
    found = twist(worlds, tilted(tilt)).sel(measurement="price")
    for disciple, shift in (("near", 0.5), ("far", 1.0)):
        row = found.sel(disciple=disciple)
        error = row["log_ratio_mcse"].item()
        assert abs(row["log_ratio"].item() - tilt * shift) < 4 * error < 0.3
        edges = np.sort(stats.norm.ppf([0, 0.001, *np.arange(1, 16) / 16, 0.999, 1]))
        laws = [np.diff(stats.norm.cdf(edges - tilt - own)) for own in (shift, 0.0)]
        truth = 0.5 * np.abs(np.subtract(*laws)).sum()
        assert abs(row["tv"].item() - truth) < 4 * row["mcse"].item()
        assert row["lower"].item() < truth < row["upper"].item()
        assert row["verdict"].item() == "above"
        assert row["ess_on"].item() / 4000 == pytest.approx(np.exp(-(tilt**2)), rel=0.25)
        assert row["reliable"].item() and row["reason"].item() == ""
    assert found.attrs["power"] == 1.0 and found.attrs["tempered"] == 0


@pytest.mark.parametrize("power", [None, 0])
def test_without_a_measure_the_numbers_are_those_of_coarse_graining(power):
    worlds = tree(("a", "b"), x=shifted(0.0, 0.3), y=np.rint(shifted(0.1, 0.0, seed=1)))
    flat = (lambda measured: 0 * measured["x"]) if power is None else tilted(9.0, "x")
    found, plain = twist(worlds, flat, power=power), coarse_graining(worlds)
    for name in ("tv", "plugin", "floor", "mcse", "lower", "upper", "p", "ess"):
        np.testing.assert_allclose(found[name], plain[name], rtol=1e-5, atol=1e-9, err_msg=name)
    np.testing.assert_array_equal(found["verdict"], plain["verdict"])
    np.testing.assert_array_equal(found["untwisted"], plain["tv"])
    assert (found["log_ratio"] == 0).all() and (found["log_ratio_mcse"] == 0).all()
    assert found["reliable"].all()


def test_everything_is_there_with_a_name():
    found = twist(tree(("a", "b"), x=shifted(0, 1), y=shifted(0, 0)), tilted(0.5, "x"))
    assert all(found[name].attrs["long_name"] for name in found.data_vars)
    alone = {"supported", "log_ratio", "log_ratio_mcse", "ess_on", "ess_off"}
    alone |= {"khat_on", "khat_off", "reliable", "reason"}
    for name in found.data_vars:
        expected = ("disciple",) if name in alone else ("disciple", "measurement")
        assert found[name].dims == expected, name
    assert set(found.attrs) >= {"power", "tempered", "tolerance", "cells", "blocks", "draws"}


def test_a_constant_times_the_measure_changes_nothing():
    worlds = tree(price=shifted(0.5))
    one = twist(worlds, tilted(1.0))
    other = twist(worlds, lambda measured: measured["price"] - 300.0)
    for name in ("tv", "floor", "p", "log_ratio", "log_ratio_mcse", "ess_on", "khat_on"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-6, err_msg=name)


def test_an_array_serves_as_well_as_a_function_and_other_draws_do_not():
    worlds = tree(("a", "b"), price=shifted(0.5, 0.0))
    price = worlds["predictions"].to_dataset()["price"]
    xr.testing.assert_identical(twist(worlds, tilted(0.5)), twist(worlds, 0.5 * price))
    one = twist(worlds, 0.5 * price, disciples="a")
    assert one["disciple"].values.tolist() == ["a"]
    for wrong in (
        price.isel(draw=slice(50)),
        price.isel(disciple=[0, 1]),
        price.drop_vars("X")[0],
    ):
        with pytest.raises(MeasurementError, match="got a log measure with the sizes"):
            twist(worlds, wrong)


def test_the_power_is_one_for_all_and_the_least_supported():
    drawn = shifted(0.0, 0.0)
    drawn[2] *= 6.0
    found = twist(tree(("calm", "wild"), price=drawn), tilted(1.0))
    calm, wild = (found["supported"].sel(disciple=name).item() for name in ("calm", "wild"))
    assert calm == 1.0 and 0 < wild < 0.6
    assert found.attrs["power"] == pytest.approx(wild) and found.attrs["tempered"] == 1
    assert found["reliable"].all()
    assert "tempered" in found["reason"].sel(disciple="calm").item()
    assert found["ess_off"].values[0] == found["ess_off"].values[1]
    alone = twist(tree(("calm", "wild"), price=drawn), tilted(1.0), disciples="calm")
    assert alone.attrs["power"] == 1.0


def test_what_no_power_supports_is_not_known_and_not_called_absent():
    drawn = shifted(0.0)
    drawn[1, 0, 7] = drawn[0, 0, 7] = 50.0
    worlds = tree(price=drawn)
    with pytest.warns(ImpactWarning, match="the twisted worlds are not known: no power of M"):
        found = twist(worlds, lambda m: xr.where(m["price"] > 40, 0.0, -np.inf))
    row = found.sel(disciple="greedy", measurement="price")
    assert found.attrs["power"] == 0 and row["supported"].item() == 0
    assert not row["reliable"].item() and "worth 1" in row["reason"].item()
    assert all(np.isnan(row[n].item()) for n in ("tv", "plugin", "mcse", "floor", "log_ratio"))
    assert [row[n].item() for n in ("lower", "upper", "p")] == [0, 1, 1]
    assert row["verdict"].item() == "undecided"
    assert row["untwisted"].item() == coarse_graining(worlds)["tv"].item()


def test_a_world_that_m_rules_out_is_named():
    worlds = tree(("a", "b"), price=shifted(0.0, 100.0))
    with pytest.warns(ImpactWarning, match="with 'b', no world was drawn that M allows"):
        found = twist(worlds, lambda m: xr.where(m["price"] < 40, 0.0, -np.inf))
    assert "leave these out" in found["reason"].sel(disciple="a").item()
    assert found["supported"].values.tolist() == [1.0, 0.0]
    with pytest.warns(ImpactWarning, match="no world was drawn"):
        asked = twist(worlds, lambda m: xr.where(m["price"] < 40, 0.0, -np.inf), power=1.0)
    assert asked["log_ratio"].sel(disciple="a").item() == 0.0
    assert np.isnan(asked["tv"].sel(disciple="b")).all()
    assert asked["reliable"].values.tolist() == [True, False]


def test_a_measure_that_rules_worlds_out_conditions_on_the_rest():
    rng = np.random.default_rng(3)
    struck = (rng.random((2, 4, 1000)) < np.array([0.5, 0.2])[:, None, None]).astype(float)
    price = rng.normal(size=(2, 4, 1000)) + struck * np.array([0.0, 2.0])[:, None, None]
    found = twist(
        tree(struck=struck, price=price), lambda m: xr.where(m["struck"] > 0, 0.0, -np.inf)
    ).sel(disciple="greedy")
    error = found["log_ratio_mcse"].item()
    assert abs(found["log_ratio"].item() - np.log(0.4)) < 4 * error < 0.2
    assert found["tv"].sel(measurement="price").item() == pytest.approx(0.683, abs=0.05)
    assert found["tv"].sel(measurement="struck").item() < 0.01


def test_a_power_that_is_not_supported_is_given_with_a_warning():
    with pytest.warns(ImpactWarning, match=r"not to be trusted: M\^1 is not supported"):
        found = twist(tree(price=shifted(0.5)), tilted(4.0), power=1.0)
    row = found.sel(disciple="greedy", measurement="price")
    assert not row["reliable"].item() and 0 < row["supported"].item() < 0.8
    assert np.isfinite([row[n].item() for n in ("tv", "log_ratio", "mcse")]).all()
    assert (row["lower"].item(), row["upper"].item()) == (0, 1)
    assert "k-hat" in row["reason"].item() or "worth" in row["reason"].item()


def test_slow_chains_support_less():
    noise = np.random.default_rng(5).normal(size=(2, 4, 1000))
    slow = noise.copy()
    for place in range(1, 1000):
        slow[..., place] = 0.97 * slow[..., place - 1] + np.sqrt(1 - 0.97**2) * noise[..., place]
    quick = twist(tree(x=0.3 * noise), tilted(1.5, "x"))
    with pytest.warns(ImpactWarning, match="the draws are worth .* expected"):
        late = twist(tree(x=0.3 * slow), tilted(1.5, "x"))
    assert late["ess_off"].item() < quick["ess_off"].item() / 3


def test_futures_of_a_draw_are_no_new_pasts():
    past = np.random.default_rng(0).normal(size=(2, 4, 100, 1))
    worlds = tree(age=np.repeat(past, 10, axis=-1))
    found, once = (
        twist(worlds, tilted(0.5, "age")),
        twist(tree(age=past[..., 0]), tilted(0.5, "age")),
    )
    assert found.attrs["draws"] == 10 * once.attrs["draws"]
    assert found["ess_on"].item() == pytest.approx(once["ess_on"].item(), rel=0.05)
    for name in ("log_ratio_mcse", "mcse", "floor"):
        assert found[name].item() == pytest.approx(once[name].item(), rel=0.15)


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        (3.0, "got a log measure of type float"),
        (tilted(1.0, "prise"), "the log measure speaks of 'prise'.*'price'"),
        (lambda m: m["price"].mean("draw"), "the log measure has the dims"),
        (lambda m: m["price"] * np.nan, "the log measure is nan for 'erased' at chain 0, draw 0"),
        (lambda m: -np.log(m["price"] * 0 + 0.0) * 1.0, "the log measure is inf .* or -inf for"),
    ],
)
def test_what_is_no_measure_is_refused(measure, said):
    with pytest.raises(MeasurementError, match=said), np.errstate(divide="ignore"):
        twist(tree(price=np.abs(shifted(0.0))), measure)


def test_bad_options_and_worlds_are_refused():
    worlds = tree(price=shifted(0.0))
    for options in ({"power": 2.0}, {"power": -1.0}, {"tolerance": 0.0}, {"flips": 10}):
        with pytest.raises(CounterfactualError, match=next(iter(options))):
            twist(worlds, tilted(1.0), **options)
    with pytest.raises(DiscipleError, match="'greedy'"):
        twist(worlds, tilted(1.0), disciples="greed")
    with pytest.raises(MeasurementError, match="'cost'"):
        twist(worlds, tilted(1.0), measurements="cost")
    with pytest.raises(WorldError, match="at least 40"):
        twist(tree(price=shifted(0.0, draws=9)), tilted(1.0))
    counted = xr.DataTree.from_dict({"cell_counts": xr.Dataset()})
    with pytest.raises(WorldError, match="counts"):
        twist(counted, tilted(1.0))


def test_an_erased_world_that_cannot_be_weighed_makes_every_disciple_doubtful():
    drawn = shifted(0.0, 0.0)
    drawn[0] *= 6.0
    with pytest.warns(ImpactWarning, match="without a disciple, k-hat is"):
        found = twist(tree(("a", "b"), price=drawn), tilted(1.0), power=1.0)
    assert not found["reliable"].any()
    assert found["khat_off"].values[0] > 0.7 > found["khat_on"].max().item()
