"""Does the shape see what is uncertain in another way, and nothing that only changed its name?"""

import warnings

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import inference
from counterfactual_models import zoo
from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    ImpactWarning,
    MeasurementError,
    WorldError,
)
from inference.arrays.shape.comparison import CUMULANTS, DESCRIPTORS, L_MOMENTS
from inference.diagnostics.shape import shape
from inference.schema import CELL_COUNTS

DIMS = ["disciple", "chain", "draw", "future"]
BY_DESCRIPTOR = ("on", "on_mcse", "change", "mcse", "floor", "p", "q", "reason")
REARRANGED = [f"rearranged_{name}" for name in ("tv", "plugin", "floor", "mcse", "p")]
LABEL_FREE = ["spread", "l_scale", "concentration", "shortest_half", "peaks", "entropy"]
LABEL_FREE += ["varentropy", "surprisal_skewness"]


def tree(disciples=("greedy",), **measured):
    """Worlds of given draws, each of shape (1 + disciples, chain, draw[, future])."""
    variables = {
        name: (DIMS[: np.ndim(values)], values, {"role": "measurement"})
        for name, values in measured.items()
    }
    drawn = xr.Dataset(variables, coords={"disciple": ["erased", *disciples]})
    return xr.DataTree.from_dict({"predictions": drawn})


def many(values):
    """Worlds of many measurements: values of shape (1 + disciples, chain, draw[, future], m)."""
    dims = [*DIMS[: np.ndim(values) - 1], "place"]
    names = ["erased", *(f"s{k}" for k in range(1, len(values)))]
    measured = {"w": (dims, values, {"role": "measurement"})}
    return xr.DataTree.from_dict({"predictions": xr.Dataset(measured, {"disciple": names})})


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def simulated(name, draws=1000):
    example = zoo.load(name)
    posterior = inference.sample_posterior(
        example.world, example.evidence, "importance", draws=draws, progress=False
    )
    options = {"seed": 3, "progress": False}
    worlds = inference.sample_worlds(example.world, posterior, example.disciples, **options)
    return example, worlds, shape(worlds)


@pytest.fixture(scope="module")
def swap():
    return simulated("swap")


@pytest.fixture(scope="module")
def collapse():
    return simulated("collapse")


@pytest.fixture(scope="module")
def mixture():
    return simulated("mixture")


def test_every_number_is_there_with_its_null_and_a_name():
    found = shape(tree(("a", "b"), x=noise(3, 4, 500), y=noise(3, 4, 500, seed=1)))
    assert set(found.data_vars) == {*BY_DESCRIPTOR, "off", "off_mcse", *REARRANGED, "ess"}
    dims = ("disciple", "measurement", "descriptor")
    assert all(found[name].dims == dims for name in BY_DESCRIPTOR)
    assert all(found[name].dims == dims[1:] for name in ("off", "off_mcse"))
    assert all(found[name].dims == dims[:2] for name in (*REARRANGED, "ess"))
    assert all(found[name].attrs["long_name"] for name in found)
    assert found["descriptor"].values.tolist() == list(DESCRIPTORS)
    assert found["disciple"].values.tolist() == ["a", "b"]
    assert found["measurement"].values.tolist() == ["x", "y"]
    assert {"blocks", "draws", "ess", "ess_min", "flips", "seed"} <= set(found.attrs)
    assert found.attrs["draws"] == 2000
    xr.testing.assert_allclose(found["change"], (found["on"] - found["off"]).transpose(*dims))
    assert (found["q"] >= found["p"]).all()


@pytest.mark.parametrize("name", ["swap", "collapse", "mixture"])
def test_numbers_of_the_zoo_are_the_exact_ones(request, name):
    example, _, found = request.getfixturevalue(name)
    for disciple in found["disciple"].values:
        truth = example.exact(example.disciples[disciple])
        rows = found.sel(disciple=disciple)
        for place, measurement in enumerate(truth.measurements):
            row = rows.sel(measurement=measurement)
            if row["on"].sel(descriptor="spread") == 0:
                continue
            mean, sd = truth.mean[0][place], truth.variance[0][place] ** 0.5
            known = {
                "mean": (truth.mean[1][place] - mean) / sd,
                "spread": truth.spread_ratio[place],
                "entropy": truth.entropy_change[place],
            }
            for descriptor, number in known.items():
                one = row.sel(descriptor=descriptor)
                # The erased world's unit has an error of its own.
                slack = 0.02 + 4 * np.sqrt(2 / found.attrs["draws"]) * abs(number)
                apart = abs(one["change" if descriptor == "entropy" else "on"] - number)
                assert apart < 4 * max(one["mcse"], one["on_mcse"]) + slack, descriptor
            apart = abs(row["rearranged_tv"] - truth.rearranged_tv()[place])
            assert apart < 4 * row["rearranged_mcse"] + 0.05


def test_the_shape_sees_nothing_of_peace_and_war_that_change_places(swap):
    _, worlds, found = swap
    row = found.sel(disciple="swap", measurement=["war", "output"])
    free = row.sel(descriptor=LABEL_FREE)
    assert (free["p"] > 0.001).all()
    assert (abs(free["change"]) <= 4 * free["mcse"] + 1e-9).all()
    assert (row["rearranged_p"] > 0.001).all()
    assert (row["rearranged_tv"] < 0.05).all()
    tv = inference.diagnostics.coarse_graining(worlds)["tv"].sel(disciple="swap")
    np.testing.assert_allclose(tv.sel(measurement=["war", "output"]), 0.8, atol=0.05)
    # Half a swap is seen by shape, too.
    coin = found.sel(disciple="coin", measurement="war")
    assert coin["rearranged_tv"].item() == pytest.approx(0.4, abs=0.06)
    assert coin["p"].sel(descriptor="entropy") < 1e-3


def test_a_price_that_is_pegged_loses_its_uncertainty(collapse):
    example, _, found = collapse
    for disciple in found["disciple"].values:
        remains = example.disciples[disciple].remains
        price = found.sel(disciple=disciple, measurement="price")
        spread = price.sel(descriptor="spread")
        assert abs(spread["on"] - remains) < 4 * spread["on_mcse"] + 0.01
        assert (spread["p"] < 1e-3) == (remains != 1)
        river = found.sel(disciple=disciple, measurement="river")
        assert (river["p"] > 1e-4).all()
        if remains == 0:
            hole = price["change"].isnull()
            assert hole.sel(descriptor=["skewness", "tail_left"]).all()
            assert (price["reason"].where(hole, drop=True) != "").all()


def test_two_camps_are_two_peaks(mixture):
    example, _, found = mixture
    for disciple in found["disciple"].values:
        truth = example.exact(example.disciples[disciple])
        peaks = found.sel(disciple=disciple, measurement="opinion", descriptor="peaks")
        assert peaks["off"] == 1
        assert peaks["on"] <= len(truth.peaks[1][0])
        if example.disciples[disciple].apart >= 4 and example.disciples[disciple].balance == 0.5:
            assert peaks["on"] == 2


def test_worlds_in_another_order_have_another_mean_and_the_same_shape():
    """Permuted values: what was likely is another world now, and nothing else changes."""
    values = np.random.default_rng(0).binomial(6, 0.3, size=(2, 4, 1000))
    values[1] = np.array([3, 5, 0, 6, 1, 4, 2])[values[1]]
    found = shape(tree(w=values)).isel(disciple=0, measurement=0)
    assert found["p"].sel(descriptor="mean") < 1e-3
    free = found.sel(descriptor=["entropy", "varentropy", "surprisal_skewness"])
    assert (free["p"] > 0.01).all()
    assert found["rearranged_tv"] < 0.02
    assert found["rearranged_p"] > 0.01


CASES = {
    "both certain": [np.full((4, 250), 3.0)] * 2,
    "two certainties": [np.full((4, 250), 3.0), np.full((4, 250), 5.0)],
    "certain erased": [np.full((4, 250), 3.0), noise(4, 250)],
    "certain let in": [noise(4, 250), np.full((4, 250), 1e9)],
    "cauchy": np.random.default_rng(1).standard_cauchy((2, 4, 250)),
    "tails beyond all moments": np.random.default_rng(2).standard_cauchy((2, 4, 250)) ** 3,
    "an event": noise(2, 4, 250) > 0.5,
    "a rare event": noise(2, 4, 250) > 2.3,
    "one odd draw": np.eye(1, 2000)[0].reshape(2, 4, 250),
    "mostly zero": np.where(noise(2, 4, 250) > 1, noise(2, 4, 250, seed=1), 0.0),
    "whole numbers": np.random.default_rng(3).integers(0, 256, (2, 4, 250)).astype(np.uint8),
    "far away": noise(2, 4, 250) + 1e6,
    "huge": noise(2, 4, 250) * 1e30,
    "huge let in": noise(2, 4, 250) * np.array([1.0, 1e30])[:, None, None],
    "single precision": (noise(2, 4, 250) + 1e6).astype(np.float32),
    "forty draws": noise(2, 1, 40),
    "forty tosses": noise(2, 1, 40) > 0,
    "many chains": noise(2, 50, 10),
    "futures": noise(2, 4, 50, 5),
}


@pytest.mark.filterwarnings("ignore::counterfactual_models.errors.ImpactWarning")
@pytest.mark.parametrize("case", CASES)
def test_where_a_number_is_missing_the_reason_is_said(case):
    found = shape(tree(w=np.stack(CASES[case])), flips=100)
    said = found["reason"] != ""
    for name in BY_DESCRIPTOR[:-1]:
        assert (found[name].notnull() | said).all(), name
    for name in ("off", "off_mcse"):
        assert (found[name].notnull() | said.any("disciple")).all(), name
    for name in (*REARRANGED, "ess"):
        assert np.isfinite(found[name]).all(), name
    for name in ("p", "q"):
        assert ((found[name] > 0) & (found[name] <= 1) | found[name].isnull()).all()
    little = found.attrs["ess_min"] < 10
    for name in ("on", "off", "change", "mcse", "on_mcse", "off_mcse", "floor"):
        assert little or not np.isinf(found[name]).any(), name
    # What tails leave undefined is what there are moments for; all else is always defined.
    if case not in ("forty draws", "forty tosses") and "certain" not in case and "one" not in case:
        kept = [name for name in DESCRIPTORS if name not in CUMULANTS and "tail" not in name]
        kept.remove("surprisal_skewness")
        kept = [name for name in kept if name not in L_MOMENTS]
        assert found["change"].sel(descriptor=kept).notnull().all()


def test_reasons_say_what_is_the_matter():
    certain = shape(tree(w=np.stack(CASES["certain erased"]))).isel(disciple=0, measurement=0)
    assert "erased" in certain["reason"].sel(descriptor="spread").item()
    assert "certain in the erased" in certain["reason"].sel(descriptor="skewness").item()
    pegged = shape(tree(w=np.stack(CASES["certain let in"]))).isel(disciple=0, measurement=0)
    assert "disciple let in" in pegged["reason"].sel(descriptor="kurtosis").item()
    heavy = shape(tree(w=CASES["cauchy"])).isel(disciple=0, measurement=0)
    assert "no moment of order 2" in heavy["reason"].sel(descriptor="spread").item()
    assert "no moment of order 1" in heavy["reason"].sel(descriptor="l_kurtosis").item()
    assert heavy["reason"].sel(descriptor="shortest_half").item() == ""
    event = shape(tree(w=CASES["an event"])).isel(disciple=0, measurement=0)
    assert "no tail" in event["reason"].sel(descriptor="tail_left").item()
    coin = np.tile([0.0, 1.0], (2, 4, 125))
    flat = shape(tree(w=coin)).isel(disciple=0, measurement=0)
    said = flat["reason"].sel(descriptor="surprisal_skewness").item()
    assert said, "the surprisal of a fair coin does not vary"
    assert "tail" not in said


@pytest.mark.parametrize("scale", [0.01, 30.0, 1e6])
def test_who_makes_the_future_too_wide_or_narrow_for_its_cells_is_told_so(scale):
    """With a draw in each of its cells, or all in one, a world shows the entropy of its cells."""
    worlds = tree(w=noise(2, 4, 250) * np.array([1.0, scale])[:, None, None])
    found = shape(worlds).isel(disciple=0, measurement=0)
    for name, truth in (("entropy", stats.norm(scale=scale).entropy()), ("varentropy", 0.5)):
        one = found.sel(descriptor=name)
        right = abs(one["on"] - truth) < 4 * one["on_mcse"] + 0.1
        assert right or one["reason"].item(), name


LAWS = {
    "normal": stats.norm.ppf,
    "exponential": stats.expon.ppf,
    "poisson": stats.poisson(4).ppf,
    "uniform": lambda u: u,
    "mostly": lambda u: np.where(u < 0.3, 0.0, stats.norm.ppf(np.maximum(u - 0.3, 1e-9) / 0.7)),
}


@pytest.mark.filterwarnings("ignore::counterfactual_models.errors.ImpactWarning")
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("kind", ["independent", "shared", "futures"])
def test_the_same_world_is_told_apart_as_often_as_said(kind, law):
    """Of 150 measurements; at full size levels at .05 are .02 to .07."""
    rng, number = np.random.default_rng(4), 150
    if kind == "futures":
        past = rng.normal(size=(1, 4, 50, 1, number))
        z = np.sqrt(0.5) * (past + rng.normal(size=(2, 4, 50, 5, number)))
    else:
        share = 0.8 if kind == "shared" else 0.0
        together = rng.normal(size=(1, 4, 250, number))
        z = share**0.5 * together + (1 - share) ** 0.5 * rng.normal(size=(2, 4, 250, number))
    smooth = [name for name in DESCRIPTORS if name not in ("peaks", *CUMULANTS[2:])]
    found = shape(many(LAWS[law](stats.norm.cdf(z))), descriptors=smooth, flips=500)
    found = found.isel(disciple=0)
    for level in (0.05, 0.01):
        allowed = stats.binom.isf(1e-4 / len(smooth), number, level) / number
        seen = (found["p"] <= level).mean("measurement").to_series()
        assert (seen <= allowed).all(), seen[seen > allowed].to_dict()
        assert (found["rearranged_p"] <= level).mean() <= allowed


@pytest.mark.filterwarnings("ignore::counterfactual_models.errors.ImpactWarning")
def test_slow_chains_are_believed_less():
    rng, number = np.random.default_rng(5), 150
    z = rng.normal(size=(2, 4, 500, number))
    for step in range(1, 500):
        z[:, :, step] = 0.9 * z[:, :, step - 1] + np.sqrt(0.19) * z[:, :, step]
    names = ["mean", "spread", "l_scale", "median", "concentration", "entropy", "varentropy"]
    found = shape(many(z), descriptors=names).isel(disciple=0)
    allowed = stats.binom.isf(1e-5, number, 0.05) / number
    assert ((found["p"] <= 0.05).mean("measurement") <= allowed).all()
    error = found["change"].std("measurement") / found["mcse"].mean("measurement")
    assert (error < 1.25).all()


def test_futures_of_a_draw_are_no_new_pasts():
    past = noise(2, 4, 100, 1)
    names = ["mean", "spread", "l_scale", "concentration"]
    repeated = shape(tree(w=np.repeat(past, 10, axis=-1)), descriptors=names)
    once = shape(tree(w=past[..., 0]), descriptors=names)
    np.testing.assert_allclose(repeated["on"], once["on"], rtol=0.02, atol=1e-9)
    np.testing.assert_allclose(repeated["mcse"], once["mcse"], rtol=0.05)


def test_the_order_of_disciples_and_a_reload_change_nothing(tmp_path):
    values = noise(3, 4, 250) * np.array([1.0, 1.0, 2.0])[:, None, None]
    worlds = tree(("a", "b"), x=values, y=noise(3, 4, 250, seed=1))
    whole = shape(worlds, flips=100)
    worlds.to_netcdf(tmp_path / "worlds.nc")
    again = xr.open_datatree(tmp_path / "worlds.nc")
    xr.testing.assert_identical(shape(again, flips=100), whole)
    again.close()
    turned = tree(("b", "a"), y=noise(3, 4, 250, seed=1)[[0, 2, 1]], x=values[[0, 2, 1]])
    found = shape(turned, flips=100).sel(disciple=["a", "b"], measurement=["x", "y"])
    for name in set(BY_DESCRIPTOR) - {"reason"}:
        np.testing.assert_allclose(found[name], whole[name], atol=1e-12, err_msg=name)


def test_names_select_and_do_not_change_the_numbers():
    worlds = tree(("a", "b"), x=noise(3, 4, 250), y=noise(3, 4, 250, seed=1))
    whole = shape(worlds, flips=100)
    one = shape(worlds, descriptors="spread", disciples="b", measurements="y", flips=100)
    assert one.sizes == {"disciple": 1, "measurement": 1, "descriptor": 1}
    picked = whole.sel(disciple=["b"], measurement=["y"], descriptor=["spread"])
    for name in set(whole.data_vars) - {"q", "reason"}:
        np.testing.assert_allclose(one[name], picked[name])
    twice = shape(worlds, descriptors=["spread", "mean", "spread"], flips=100)
    assert twice["descriptor"].values.tolist() == ["spread", "mean"]


def test_what_is_not_known_is_answered():
    worlds = tree(x=noise(2, 4, 250))
    with pytest.raises(CounterfactualError, match=r"'skewnes'.*'skewness'"):
        shape(worlds, descriptors=["mean", "skewnes"])
    with pytest.raises(CounterfactualError, match="no descriptor"):
        shape(worlds, descriptors=[])
    with pytest.raises(DiscipleError, match="'greedi'"):
        shape(worlds, disciples="greedi")
    with pytest.raises(MeasurementError, match="'z'"):
        shape(worlds, measurements="z")
    with pytest.raises(WorldError, match="flips=20"):
        shape(worlds, flips=20)
    with pytest.raises(WorldError, match="at least 40"):
        shape(tree(x=noise(2, 4, 9)))
    with pytest.raises(DiscipleError, match="no disciple"):
        shape(worlds, disciples=[])
    holed = noise(2, 4, 250)
    holed[1, 2, 7] = np.inf
    with pytest.raises(MeasurementError, match=r"'x' is inf .*'greedy'"):
        shape(tree(x=holed))


def test_counts_of_draws_have_no_shape():
    counted = xr.DataTree.from_dict({CELL_COUNTS: xr.Dataset()})
    with pytest.raises(WorldError, match="draws"):
        shape(counted)


def test_few_draws_are_warned_of_and_nothing_else_is():
    with pytest.warns(ImpactWarning, match="'x'") as caught:
        shape(tree(x=noise(2, 1, 40)), flips=100)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shape(tree(x=noise(2, 4, 250)), flips=100)
