"""Does optimization power answer its question on trees: laws, rare worlds, refusals, reloading?"""

import warnings

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from counterfactual_models.errors import (
    DiscipleError,
    ImpactWarning,
    MeasurementError,
    WorldError,
)
from inference.arrays.order.achieved import SUMMARIES
from inference.arrays.order.baselines import refined
from inference.diagnostics.optimization_power import optimization_power
from inference.schema import encode_attrs
from inference.utility_values import fingerprint, utility_values

DIMS = ["disciple", "chain", "draw", "future"]
ORDINAL = ["median", "mean_tail", "expected", "log2_n", "worst"]
LN2 = np.log(2)


def clips(measured):
    return measured["clips"]


def drawn(values, names=("greedy",)):
    """Worlds of given draws, shape (1 + disciples, chain, draw[, future])."""
    switch = ("disciple", [0] + [1] * len(names))
    variables = {"clips": (DIMS[: values.ndim], values, {"role": "measurement"})}
    return xr.Dataset(variables, coords={"disciple": ["erased", *names], "X": switch})


def shifted(*shifts, seed=0, shape=(4, 1000)):
    noise = np.random.default_rng(seed).normal(size=(1 + len(shifts), *shape))
    return noise + np.array([0.0, *shifts]).reshape(-1, *[1] * len(shape))


def tree(values, names=("greedy",), **groups):
    return xr.DataTree.from_dict({"predictions": drawn(values, names), **groups})


def prints(values, names=("greedy",), utility=clips):
    told = utility_values(drawn(values, names), ["erased", *names], utility)
    return {n: fingerprint(told.sel(disciple=n)) for n in ("erased", *names)}


def weighed(values, log_ratio, names=("greedy",)):
    """The group of importance, of worlds whose own utility is what they are worth erased."""
    dims = DIMS[: values.ndim]
    return xr.Dataset(
        {"log_ratio": (dims, log_ratio), "erased_utility": (dims, values[1:])},
        coords={"disciple": list(names)},
        attrs=encode_attrs({"utility": prints(values, names), "target": 1.0}),
    )


def split(values, levels, masses, names=("greedy",), **said):
    """The group of splitting, runs of the same levels with these masses."""
    told = {"reliable": True, "reasons": [], "lower": 0.0} | said
    dims = ["rare_run", "rare_draw"]
    return xr.Dataset(
        {"utility": (dims, levels), "log_weight": (dims, masses)},
        attrs=encode_attrs({"utility": prints(values, names), "target": 1.0, **told}),
    )


def normal_runs(highest=12.0, errors=(-0.1, 0.0, 0.1, 0.05)):
    """Four runs that know the tail of a unit normal up to a few hundredths of bits."""
    grid = np.linspace(0, highest, 3000)
    tail = stats.norm.sf(np.append(grid, np.inf))
    mass = np.log(tail[:-1] - tail[1:])
    return np.stack([grid] * 4), np.stack([mass + each * LN2 for each in errors])


def test_the_erased_world_against_itself_scores_chance():
    values = shifted(0.0)
    values[1] = values[0]
    found = optimization_power(drawn(values), clips).isel(disciple=0)
    np.testing.assert_allclose(found["bits"], found["chance"], atol=1e-12)
    truth = {"median": 1, "mean_tail": 1, "expected": 1 / LN2, "log2_n": 0, "cramer": 0}
    for name, bits in truth.items():
        assert abs(found["chance"].sel(summary=name) - bits) < 0.01, name


def test_a_rising_function_of_the_utility_leaves_ordinal_summaries_alone():
    worlds = drawn(shifted(1.0, seed=1))
    plain, bent = (
        optimization_power(worlds, lambda m, f=f: f(m["clips"])) for f in (lambda u: u, np.exp)
    )
    free = ~(plain["censored"] | bent["censored"])
    xr.testing.assert_allclose(plain["op_bits"].where(free), bent["op_bits"].where(free))
    kept = [name for name in ORDINAL if name != "expected"]
    gap = (plain["bits"] - bent["bits"]).sel(summary=kept)
    assert float(np.abs(gap).max()) < 0.01


def test_other_disciples_and_their_order_change_nothing():
    values = shifted(1.0, 0.3, 2.0)
    names = np.array(["a", "b", "c"])
    whole = optimization_power(drawn(values, names), clips)
    other = optimization_power(drawn(values[[0, 3, 1, 2]], names[[2, 0, 1]]), clips)
    only = optimization_power(drawn(values, names), clips, disciples="b")
    for name in ("bits", "mcse", "lower", "upper", "op_bits", "censored"):
        xr.testing.assert_equal(whole[name], other[name].sel(disciple=names))
        xr.testing.assert_equal(whole[name].sel(disciple=["b"]), only[name])
    assert only["disciple"].values.tolist() == ["b"]


@pytest.mark.parametrize("kind", ["netcdf", "zarr"])
def test_reloaded_worlds_and_results_are_the_same(kind, tmp_path):
    values = shifted(7.0)
    levels, masses = normal_runs()
    worlds = tree(values, rare_worlds=split(values, levels, masses))
    place = tmp_path / f"worlds.{kind}"
    if kind == "zarr":
        pytest.importorskip("zarr")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            worlds.to_zarr(place)
            again = xr.open_datatree(place, engine="zarr").load()
    else:
        worlds.to_netcdf(place)
        again = xr.open_datatree(place).load()
    first, second = (optimization_power(one, clips) for one in (worlds, again))
    for name in ("bits", "mcse", "op_bits", "tail_bits", "tail_upper"):
        np.testing.assert_array_equal(first[name], second[name])
    assert first["method"].item() == second["method"].item() == "splitting"


def test_futures_count_for_what_they_know():
    """Futures that share nothing resolve more than their pasts; those that are copies do not."""
    rng = np.random.default_rng(0)
    free = rng.normal(size=(2, 4, 250, 20)) + np.array([0.0, 1.0]).reshape(2, 1, 1, 1)
    copies = np.repeat(free[..., :1], 20, axis=-1)
    many, few = (optimization_power(drawn(one), clips) for one in (free, copies))
    errors = [one["mcse"].sel(summary="mean_tail").item() for one in (many, few)]
    assert errors[0] < 0.4 * errors[1]
    bound = [one["op_bits"].where(one["censored"]).max().item() for one in (many, few)]
    assert bound[0] > bound[1] + 2
    single = optimization_power(drawn(copies[..., :1]), clips)
    np.testing.assert_allclose(errors[1], single["mcse"].sel(summary="mean_tail"), rtol=1e-3)


def test_bits_of_draws_and_the_tail_are_those_of_a_normal_law():
    found = optimization_power(drawn(shifted(1.0, seed=2, shape=(4, 5000))), clips, points=50)
    own = found.isel(disciple=0)
    exact = -stats.norm.logsf(own["utility"]) / LN2
    seen = exact < 8
    assert np.abs(own["op_bits"].values - exact)[seen].max() < 0.7
    truth = -stats.norm.logsf(found["tail_utility"]) / LN2
    counted = found["tail_method"].values == "counting"
    holds = (found["tail_lower"].values <= truth) & (truth <= found["tail_upper"].values)
    assert holds[counted].mean() > 0.85 and holds[~counted].all()
    assert own["method"].item() == "counting" and own["reliable"].item()


def test_far_beyond_the_draws_bits_are_bounds_that_say_so():
    with pytest.warns(ImpactWarning, match="only a lower bound"):
        found = optimization_power(drawn(shifted(9.0)), clips)
    own = found.isel(disciple=0)
    assert own["method"].item() == "bound" and not own["reliable"].item()
    exact = -stats.norm.logsf(own["utility"]) / LN2
    assert own["censored"].all() and (own["op_bits"].values <= exact).all()
    assert np.isinf(own["upper"].sel(summary=["median", "mean_tail", "expected"])).all()
    assert (own["lower"].values <= own["bits"].values + 1e-12).all()
    assert not np.isnan(own["lower"].values).any()


def test_censored_bits_hold_in_95_cases_of_100():
    """The best draw of 200 erased worlds has at least its bits: 370 of 400 but for 1 in 100."""
    held = 0
    for seed in range(400):
        off = np.random.default_rng(seed).normal(size=200)
        beyond = np.nextafter(off.max(), np.inf)
        bits, censored = refined(off, independent=200.0).bits(np.array([beyond]))
        held += -stats.norm.logsf(beyond) / LN2 >= bits[0]
        assert censored[0]
    assert held >= 370
    values = shifted(9.0, shape=(4, 50))
    with pytest.warns(ImpactWarning):
        found = optimization_power(drawn(values), clips)
    assert float(found["op_bits"].max()) <= np.log2(200 / 3) + 0.02


def test_splitting_reaches_forty_bits():
    values = shifted(7.0)
    levels, masses = normal_runs()
    worlds = tree(values, rare_worlds=split(values, levels, masses))
    own = optimization_power(worlds, clips).isel(disciple=0)
    exact = -stats.norm.logsf(own["utility"]) / LN2
    assert np.abs(own["op_bits"].values - exact).max() < 0.25
    assert own["method"].item() == "splitting" and own["reliable"].item()
    truth = -stats.norm.logsf(7.0) / LN2
    median = own.sel(summary="median")
    assert median["lower"] <= truth <= median["upper"] < truth + 3
    curve = own["tail_bits"].values[own["tail_method"].values == "splitting"]
    at = own["tail_utility"].values[own["tail_method"].values == "splitting"]
    assert np.abs(curve + stats.norm.logsf(at) / LN2).max() < 0.25


def test_splitting_that_cannot_be_trusted_is_told():
    values = shifted(7.0)
    levels, masses = normal_runs()
    doubted = split(values, levels, masses, reliable=False, reasons=["runs do not agree"])
    with pytest.warns(ImpactWarning, match="not to be trusted: of 'greedy'.*runs do not agree"):
        own = optimization_power(tree(values, rare_worlds=doubted), clips).isel(disciple=0)
    assert not own["reliable"].item() and "runs do not agree" in own["reason"].item()
    assert np.isinf(own["upper"]).all() and np.isinf(own["mcse"]).all()
    assert own["lower"].sel(summary="median") < 11  # what 4000 draws tell without it
    # Where draws can be counted there is no need of it.
    near = shifted(1.0)
    doubted = split(near, levels, masses, reliable=False, reasons=["runs do not agree"])
    own = optimization_power(tree(near, rare_worlds=doubted), clips).isel(disciple=0)
    plain = optimization_power(tree(near), clips).isel(disciple=0)
    xr.testing.assert_equal(own["op_bits"], plain["op_bits"])
    assert own["method"].item() == "counting" and "runs do not agree" in own["reason"].item()


def test_beyond_the_last_rare_world_bits_are_at_least_what_splitting_knows():
    values = shifted(9.0)
    levels, masses = normal_runs(highest=6.0)
    worlds = tree(values, rare_worlds=split(values, levels, masses, lower=29.0))
    with pytest.warns(ImpactWarning, match="lower bound"):
        own = optimization_power(worlds, clips).isel(disciple=0)
    assert own["censored"].mean() > 0.9
    assert own["op_bits"].where(own["censored"]).min() == 29.0


def test_importance_is_right_where_its_weights_are():
    values = shifted(5.0)
    ratio = 12.5 - 5.0 * values[1:]
    own = optimization_power(tree(values, rare_ratios=weighed(values, ratio)), clips)
    own = own.isel(disciple=0)
    assert own["method"].item() == "importance" and own["reliable"].item()
    median = own.sel(summary="median")
    assert abs(median["bits"] + stats.norm.logsf(5.0) / LN2) < 4 * median["mcse"]


def test_importance_of_heavy_weights_is_told():
    """Exponential draws a twentieth as wide: weights are Pareto with k = 0.95."""
    rng = np.random.default_rng(0)
    values = np.stack([rng.exponential(size=(4, 1000)) - 30, rng.exponential(0.05, (4, 1000))])
    ratio = 19 * values[1:] - np.log(20)
    with pytest.warns(ImpactWarning, match="not to be trusted"):
        own = optimization_power(tree(values, rare_ratios=weighed(values, ratio)), clips)
    own = own.isel(disciple=0)
    assert not own["reliable"].item() and own["khat"] > 0.7 and "k-hat" in own["reason"].item()


@pytest.mark.parametrize(("shift", "known"), [(2.0, True), (8.0, False)])
def test_the_mean_of_a_strong_disciple_hangs_on_worlds_that_no_draw_shows(shift, known):
    """Of the tail's own mean: -log2 Phi(-shift / sqrt 2)."""
    values = shifted(shift)
    levels, masses = normal_runs(highest=12.0)
    worlds = tree(values, rare_worlds=split(values, levels, masses, lower=100.0))
    own = optimization_power(worlds, clips).isel(disciple=0).sel(summary="mean_tail")
    truth = -stats.norm.logsf(shift / np.sqrt(2)) / LN2
    assert np.isfinite(own["mcse"]) == known
    assert ("worse than any drawn" in own["reason"].item()) != known
    assert own["lower"] < truth
    if not known:
        assert own["lower"] == pytest.approx(np.log2(4000 / 3), abs=0.3)


@pytest.mark.parametrize(
    ("bits_lost", "narrow", "method"),
    [
        (6.0, False, "importance"),
        (0.0, False, "splitting"),
        (-6.0, False, "splitting"),
        (6.0, True, "splitting"),
    ],
    ids=["lost", "agree", "more ways", "heavy weights"],
)
def test_splitting_that_lost_a_way_gives_way_to_weights_that_show_it(bits_lost, narrow, method):
    """Only where these weights can be trusted, and only if splitting found less, not more."""
    values = shifted(5.0)
    ratio = 12.5 - 5.0 * values[1:]
    if narrow:
        values[1] = 5.0 + 0.02 * (values[1] - 5.0)
        ratio = stats.norm.logpdf(values[1:]) - stats.norm.logpdf(values[1:], 5.0, 0.02)
    levels, masses = normal_runs()
    found = optimization_power(
        tree(
            values,
            rare_worlds=split(values, levels, masses - bits_lost * LN2),
            rare_ratios=weighed(values, ratio),
        ),
        clips,
    ).isel(disciple=0)
    assert found["method"].item() == method and found["reliable"].item()
    median = found.sel(summary="median")
    truth = -stats.norm.logsf(5.0) / LN2
    lost = bits_lost if method == "splitting" else 0.0
    assert abs(median["bits"] - truth - lost) < 4 * median["mcse"]


@pytest.mark.parametrize("kind", ["rare_worlds", "rare_ratios"])
@pytest.mark.parametrize(
    "other", [lambda m: -m["clips"], lambda m: m["clips"].clip(max=6.0)], ids=["minus", "capped"]
)
def test_rare_worlds_of_another_utility_are_refused(kind, other):
    """One that differs only beyond all erased draws as well."""
    values = shifted(7.0)
    groups = {
        "rare_worlds": split(values, *normal_runs()),
        "rare_ratios": weighed(values, 24.5 - 7.0 * values[1:]),
    }
    with pytest.raises(WorldError, match="another utility"):
        optimization_power(tree(values, **{kind: groups[kind]}), other)


def test_extremes_give_numbers_or_infinite_limits_and_never_nan():
    cases = {
        "constant": np.zeros((2, 4, 100)),
        "always better": np.stack([np.zeros((4, 100)), np.ones((4, 100))]),
        "worse": shifted(-9.0, shape=(4, 100)),
        "single chain": shifted(1.0, shape=(1, 400)),
        "forty draws": shifted(1.0, shape=(2, 20)),
        "capped": np.minimum(shifted(3.0, shape=(4, 100)), 1.0),
        "huge": shifted(1.0, shape=(4, 100)) * 1e300,
        "tiny": shifted(1.0, shape=(4, 100)) * 1e-300,
    }
    for name, values in cases.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImpactWarning)
            found = optimization_power(drawn(values), clips)
        for kind in ("bits", "mcse", "lower", "upper", "chance", "op_bits", "tail_bits"):
            assert not np.isnan(found[kind]).any(), (name, kind)
        assert np.isfinite(found["bits"]).all(), name
        assert (found["lower"] <= found["bits"] + 1e-9).all(), name
        assert (found["bits"] <= found["upper"] + 1e-9).all(), name
    assert abs(found["bits"].sel(summary="mean_tail").item() - 2.06) < 0.5


def test_what_is_worse_than_every_erased_draw_has_no_lower_end_of_log2_n():
    found = optimization_power(drawn(shifted(-9.0, shape=(4, 500))), clips).isel(disciple=0)
    ordinal = found.sel(summary="log2_n")
    assert ordinal["lower"] == -np.inf and ordinal["upper"] >= ordinal["bits"]
    assert np.isfinite(found["lower"].sel(summary=["median", "mean_tail", "expected"])).all()


def test_few_effective_draws_are_warned_of():
    values = np.repeat(shifted(0.0, shape=(4, 20)), 50, axis=-1)
    with pytest.warns(ImpactWarning, match="worth only"):
        optimization_power(drawn(values), clips)


def test_one_flock_of_good_draws_is_not_ten():
    """A single excursion of a slow chain reaches what the disciple does."""
    values = shifted(0.0)
    values[0] = np.repeat(values[0, :, ::100], 100, axis=1)
    values[1] = np.sort(values[0], axis=None)[-30]
    with pytest.warns(ImpactWarning):
        found = optimization_power(drawn(values), clips)
    assert found["reached"] >= 30 and not found["reliable"].item()
    assert "independent" in found["reason"].item()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v[..., :9], "at least 40"),
        (lambda v: v[:1], "no disciple to compare"),
    ],
)
def test_worlds_that_cannot_be_judged_are_refused(change, said):
    values = change(shifted(1.0))
    with pytest.raises((WorldError, DiscipleError), match=said):
        optimization_power(drawn(values, ["greedy"][: len(values) - 1]), clips)


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_a_hole_in_the_utility_is_named(hole):
    values = shifted(1.0)
    values[1, 2, 7] = hole
    with pytest.raises(MeasurementError, match="'greedy' at chain 2, draw 7"):
        optimization_power(drawn(values), clips)


def test_misspelled_names_are_answered():
    with pytest.raises(MeasurementError, match="clips"):
        optimization_power(drawn(shifted(1.0)), lambda m: m["clps"])
    with pytest.raises(DiscipleError, match="greedy"):
        optimization_power(drawn(shifted(1.0)), clips, disciples="gredy")
    with pytest.raises(MeasurementError, match="dims"):
        optimization_power(drawn(shifted(1.0)), lambda m: m["clips"].mean("draw"))


def test_a_repeated_name_counts_once():
    found = optimization_power(drawn(shifted(1.0)), clips, disciples=["greedy", "greedy"])
    assert found["disciple"].values.tolist() == ["greedy"]


def test_a_slow_latent_widens_errors():
    values = shifted(1.0)
    judged = xr.Dataset({"skill": ("statistic", [150.0])}, coords={"statistic": ["ess_bulk"]})
    quick, slow = (
        optimization_power(one, clips).sel(summary="mean_tail")
        for one in (tree(values), tree(values, convergence=judged))
    )
    assert slow.attrs["ess"] == 150 and quick.attrs["ess"] > 3000
    assert slow["ess"] == 150 and set(SUMMARIES) == set(
        optimization_power(tree(values), clips)["summary"].values
    )
