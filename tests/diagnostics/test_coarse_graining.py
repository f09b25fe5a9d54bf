"""Does coarse graining answer its question on trees: truth, layout, refusals, and no chaos tax?"""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from scipy import signal, stats

from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    ImpactWarning,
    MeasurementError,
    WorldError,
)
from inference.arrays.blocks import block_bounds
from inference.arrays.cell_counts import block_counts
from inference.arrays.cells import Cells
from inference.diagnostics.coarse_graining import coarse_graining
from inference.schema import CELL_COUNTS, encode_attrs

DIMS = ["disciple", "chain", "draw", "future"]


def tree(disciples=("greedy",), **measured):
    """Worlds of given draws, each of shape (1 + disciples, chain, draw[, future])."""
    variables = {
        name: (DIMS[: np.ndim(values)], values, {"role": "measurement"})
        for name, values in measured.items()
    }
    names = ["erased", *disciples]
    switch = ("disciple", [0] + [1] * len(disciples))
    drawn = xr.Dataset(variables, coords={"disciple": names, "X": switch})
    return xr.DataTree.from_dict({"predictions": drawn})


def counted(worlds, cells=None):
    """Counts of the draws of such worlds, two parts of which are of one block."""
    drawn = worlds["predictions"].to_dataset()
    chains, draws, futures = (drawn.sizes.get(dim, 1) for dim in DIMS[1:])
    bounds = block_bounds(chains, draws, futures, effective=float(chains * draws * futures))
    attrs = {"chains": chains, "draws": draws, "futures": futures, "bounds": bounds.tolist()}
    attrs["measurements"] = list(drawn.data_vars)
    groups = {CELL_COUNTS: xr.Dataset(attrs=encode_attrs(attrs))}
    for name, variable in drawn.data_vars.items():
        own = [dim for dim in variable.dims if dim not in DIMS]
        values = variable.values.reshape(variable.shape[0], chains * draws * futures, -1)
        edges = (cells or Cells()).edges(values[0].T, chains * draws)
        whole = np.stack([block_counts(world.T, edges, bounds) for world in values])
        counts = whole.copy()
        counts[:, 3] -= counts[:, 3] // 2
        counts = np.concatenate([counts, whole[:, 3:4] - counts[:, 3:4]], axis=1)
        shape = [variable.sizes[dim] for dim in own]
        groups[f"{CELL_COUNTS}/{name}"] = xr.Dataset(
            {
                "cell_counts": (
                    ["disciple", "count_part", "count_cell", *own],
                    counts.reshape(*counts.shape[:3], *shape),
                ),
                "cell_edges": ([*own, "cell_edge"], edges.reshape(*shape, -1)),
            },
            coords={
                "disciple": drawn["disciple"].values,
                "count_block": ("count_part", [*range(len(bounds) - 1), 3]),
                **{dim: drawn[dim] for dim in own if dim in drawn.coords},
            },
        )
    return xr.DataTree.from_dict(groups)


def shifted(*shifts, chains=4, draws=1000, seed=0):
    noise = np.random.default_rng(seed).normal(size=(1 + len(shifts), chains, draws))
    return noise + np.array([0.0, *shifts])[:, None, None]


def test_no_effect_a_known_effect_and_a_total_effect_are_told_apart():
    worlds = tree(("idle", "modest", "mad"), price=shifted(0.0, 1.0, 100.0, draws=4000))
    found = coarse_graining(worlds).sel(measurement="price")
    assert found["verdict"].values.tolist() == ["below", "above", "above"]
    assert found["tv"].values == pytest.approx([0, 2 * stats.norm.cdf(0.5) - 1, 1], abs=0.02)
    assert found["p"].values[0] > 0.01
    assert (found["p"].values[1:] < 1e-4).all()
    assert found["draws_needed"].values[0] < 16_000


def test_the_result_is_labelled_as_promised():
    found = coarse_graining(tree(("a", "b"), x=shifted(0, 1), y=shifted(0, 0)), tolerance=0.1)
    names = {"tv", "plugin", "floor", "lower", "upper", "mcse", "p", "verdict", "draws_needed"}
    names |= {"ess", "q", "p_family"}
    means = {"mean_plugin", "mean_floor", "mean_p"}
    assert set(found.data_vars) == names | means
    assert all(found[name].dims == ("disciple", "measurement") for name in names)
    assert all(found[name].dims == ("disciple",) for name in means)
    assert found["disciple"].values.tolist() == ["a", "b"]
    assert found["measurement"].values.tolist() == ["x", "y"]
    assert {"tolerance", "cells", "blocks", "flips", "draws", "ess", "ess_min"} <= set(found.attrs)
    assert found.attrs["tolerance"] == 0.1
    assert found.attrs["draws"] == 4000
    assert found.attrs["ess_min"] <= found.attrs["ess"] <= 4000
    assert found.attrs["ess_min"] == found["ess"].min().item()
    assert all(found[name].attrs["long_name"] for name in names)


def test_chaos_is_not_charged_for():
    # Both worlds suffer a hurricane somewhere; its place is reshuffled by the disciple's existence
    # and nothing else: the same place for each draw in one case in fifty, the same law always.
    places, worlds = 50, 20
    strikes = np.random.default_rng(0).integers(0, places, size=(2, worlds, 4, 2500)).astype(float)
    hurricanes = {f"coast_{k}": strikes[:, k] for k in range(worlds)}
    coupled = np.mean(strikes[1] != strikes[0])
    assert coupled == pytest.approx(1 - 1 / places, abs=0.002)
    found = coarse_graining(tree(**hurricanes))
    assert found["floor"].mean() == pytest.approx(np.sqrt((places - 1) / np.pi / 1e4), rel=0.05)
    assert found["tv"].mean() < 0.02
    assert found["lower"].mean() < 0.005
    assert stats.kstest(found["p"].values.ravel(), "uniform").pvalue > 1e-3


def test_a_steered_hurricane_is_charged_for():
    places, steered = 50, 0.1
    rng = np.random.default_rng(1)
    strikes = rng.integers(0, places, size=(2, 4, 2500)).astype(float)
    strikes[1][rng.random((4, 2500)) < steered] = 0
    found = coarse_graining(tree(coast=strikes))
    assert found["tv"].item() == pytest.approx(steered * (1 - 1 / places), abs=0.02)
    assert found["p"].item() < 0.01


def test_shared_noise_keeps_its_pairing():
    rng = np.random.default_rng(0)
    same, shift = rng.normal(size=(1, 4, 1000)), np.array([0, 0.5])[:, None, None]
    found = coarse_graining(tree(still=np.repeat(same, 2, axis=0), moved=same + shift))
    still, moved = found.sel(measurement="still"), found.sel(measurement="moved")
    assert still["plugin"].item() == still["mcse"].item() == still["tv"].item() == 0
    assert still["p"].item() == 1
    assert still["verdict"].item() == "below"
    assert moved["tv"].item() == pytest.approx(2 * stats.norm.cdf(0.25) - 1, abs=0.02)


def test_futures_count_as_draws_of_the_world_but_not_of_the_past():
    rng = np.random.default_rng(0)
    past = rng.normal(size=(1, 4, 100, 1))
    worlds = tree(price=past + 0.1 * rng.normal(size=(2, 4, 100, 25)))
    spread = coarse_graining(worlds)
    assert spread.attrs["draws"] == 10_000
    assert spread.attrs["ess"] <= 400
    assert spread["upper"].item() - spread["plugin"].item() >= 3 / 400
    folded = worlds["predictions"].to_dataset().stack(row=["draw", "future"])
    flat = tree(price=folded["price"].values.reshape(2, 4, 2500))
    assert coarse_graining(flat)["plugin"].item() == spread["plugin"].item()


def test_an_effect_on_the_past_alone_has_the_error_of_the_past():
    # Every future of a draw repeats it: 10 000 rows are worth 400, paired or not.
    past = np.random.default_rng(0).normal(size=(2, 4, 100, 1))
    repeated = coarse_graining(tree(age=np.repeat(past, 25, axis=-1)))
    once = coarse_graining(tree(age=past[..., 0]))
    for name in ("floor", "mcse"):
        assert repeated[name].item() == pytest.approx(once[name].item(), rel=0.2)
    assert repeated["p"].item() > 0.01


def test_what_draws_could_not_have_seen_is_never_certified():
    quiet = np.zeros((2, 4, 30))
    few = coarse_graining(tree(towers=quiet), tolerance=0.01)
    assert few["upper"].item() >= 3 / 120
    assert few["verdict"].item() == "undecided"
    assert few["draws_needed"].item() == pytest.approx(300, abs=1)
    enough = coarse_graining(tree(towers=np.zeros((2, 4, 80))), tolerance=0.01)
    assert enough["verdict"].item() == "below"


# Two rare events in a row look like a slow series.
@pytest.mark.filterwarnings("ignore:the 300 draws are worth only")
def test_a_catastrophe_just_above_the_tolerance_is_rarely_certified_below_it():
    repeats, tolerance, draws = 500, 0.01, 300
    falls = np.random.default_rng(0).random((2, 4, draws // 4, repeats)) < 1.05 * tolerance
    falls[0] = False
    towers = xr.DataArray(falls, dims=[*DIMS[:3], "tower"], attrs={"role": "measurement"})
    drawn = xr.Dataset({"falls": towers}, coords={"disciple": ["erased", "clumsy"]})
    found = coarse_graining(drawn, tolerance=tolerance)
    allowed = 0.05 + 3 * np.sqrt(0.05 * 0.95 / repeats)
    assert np.mean(found["verdict"].values == "below") <= allowed


def test_another_disciple_does_not_move_the_estimate():
    draws = shifted(0.3, 2.0)
    both = coarse_graining(tree(("modest", "greedy"), price=draws))
    alone = coarse_graining(tree(("modest", "greedy"), price=draws), disciples="modest")
    assert alone["disciple"].values.tolist() == ["modest"]
    for name in ("plugin", "mcse", "tv"):
        expected = both[name].sel(disciple="modest").item()
        assert alone[name].item() == pytest.approx(expected, rel=0.2)
    assert alone["plugin"].item() == both["plugin"].sel(disciple="modest").item()


def test_measurements_of_very_different_kinds_live_in_one_tree():
    rng = np.random.default_rng(0)
    found = coarse_graining(
        tree(
            flag=(rng.random((2, 4, 500)) < 0.2).astype(bool),
            visits=rng.poisson(3, (2, 4, 500)),
            gdp=1e13 * (1 + 1e-6 * rng.normal(size=(2, 4, 500))),
            heavy=rng.standard_cauchy((2, 4, 500)),
            constant=np.full((2, 4, 500), 3),
        )
    )
    assert (found["p"] > 0.001).all()
    numbers = found.drop_vars("verdict")
    assert all(np.isfinite(numbers[name]).all() for name in numbers)


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("world", [0, 1])
def test_a_hole_is_refused_by_name_disciple_and_draw(hole, world):
    draws = shifted(0.0, draws=50)
    draws[world, 2, 17] = hole
    who = ["erased world", "disciple 'greedy'"][world]
    with pytest.raises(MeasurementError, match=rf"'price' is .*{who} at chain 2, draw 17"):
        coarse_graining(tree(fine=shifted(0.0, draws=50), price=draws))


def test_too_few_draws_are_refused_and_few_are_warned_of():
    with pytest.raises(WorldError, match="have 36 posterior draws; expected at least 40"):
        coarse_graining(tree(price=shifted(0.0, draws=9)))
    with pytest.warns(ImpactWarning, match="are worth only"):
        found = coarse_graining(tree(price=shifted(0.0, draws=15)))
    assert found["verdict"].item() == "undecided"
    assert found["draws_needed"].item() > 1000


@pytest.mark.parametrize(
    "option", [{"tolerance": 0}, {"tolerance": 1}, {"cells": 1}, {"flips": 9}]
)
def test_options_that_mean_nothing_are_refused(option):
    with pytest.raises(CounterfactualError, match=str(next(iter(option.values())))):
        coarse_graining(tree(price=shifted(0.0)), **option)


def test_misspelled_names_are_answered_with_the_nearest():
    worlds = tree(price=shifted(0.0))
    with pytest.raises(DiscipleError, match="greedy"):
        coarse_graining(worlds, disciples="greedi")
    with pytest.raises(MeasurementError, match="price"):
        coarse_graining(worlds, measurements=["prise"])


def test_fewer_cells_see_less_and_need_fewer_draws():
    worlds = tree(price=shifted(0.0))
    fine, coarse = coarse_graining(worlds), coarse_graining(worlds, cells=2)
    assert coarse["plugin"].item() <= fine["plugin"].item()
    assert coarse["draws_needed"].item() < fine["draws_needed"].item()


@pytest.mark.parametrize("kind", ["nc", "zarr"])
def test_the_result_survives_the_disk(tmp_path, kind):
    found = coarse_graining(tree(price=shifted(1.0)))
    path = tmp_path / f"result.{kind}"
    if kind == "nc":
        found.to_netcdf(path)
    else:
        found.to_zarr(path, consolidated=False, zarr_format=2)
    opened = xr.open_dataset(path) if kind == "nc" else xr.open_zarr(path, consolidated=False)
    with opened as back:
        read = back.load()
    xr.testing.assert_equal(found, read)
    assert read["verdict"].item() == "above"
    assert read.attrs == found.attrs


def test_the_seed_is_the_only_chance():
    worlds = tree(price=shifted(0.2))
    xr.testing.assert_identical(coarse_graining(worlds, seed=3), coarse_graining(worlds, seed=3))
    assert coarse_graining(worlds, seed=3)["floor"] != coarse_graining(worlds, seed=4)["floor"]


def test_saved_worlds_are_judged_without_torch():
    line = "import sys; from inference import diagnostics; diagnostics.coarse_graining; "
    line += "sys.exit(bool({'torch', 'pyro'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", line], check=False).returncode == 0


def autoregression(rho, shape, rng):
    noise = rng.normal(size=(*shape[:-1], shape[-1] + 1500))
    return signal.lfilter([np.sqrt(1 - rho**2)], [1, -rho], noise, axis=-1)[..., 1500:]


def test_a_slow_measurement_among_quick_ones_is_not_called_different():
    # Judged with the draws of the quick ones, p is under 5 % in three cases of ten.
    rng, repeats, alarms = np.random.default_rng(0), 60, 0
    for _ in range(repeats):
        quick = {f"quick_{k}": rng.normal(size=(2, 4, 500)) for k in range(9)}
        slow = autoregression(0.98, (2, 4, 500), rng)
        with pytest.warns(ImpactWarning, match="worth only .* for 'slow'"):
            found = coarse_graining(tree(**quick, slow=slow), flips=400)
        found = found.sel(measurement="slow")
        assert found["verdict"].item() == "undecided"
        assert found["ess"].item() < 100
        alarms += found["p"].item() < 0.05
    assert alarms <= repeats * 0.05 + 3 * np.sqrt(repeats * 0.05 * 0.95)


def test_a_slow_measurement_does_not_cost_the_quick_ones_anything():
    rng = np.random.default_rng(1)
    quick = {f"quick_{k}": rng.normal(size=(2, 4, 1000)) for k in range(30)}
    alone = coarse_graining(tree(**quick))
    slow = autoregression(0.99, (2, 4, 1000), rng)
    with pytest.warns(ImpactWarning, match="'slow'") as caught:
        found = coarse_graining(tree(**quick, slow=slow))
    assert len(caught) == 1
    kept = found.sel(measurement=list(quick))
    assert kept["verdict"].equals(alone["verdict"])
    # What is said of all measurements together may change with the company; no other bit may.
    for name in set(alone) - {"verdict", "q", "p_family", "mean_plugin", "mean_floor", "mean_p"}:
        assert kept[name].values == pytest.approx(alone[name].values, rel=1e-4), name


def test_chains_that_never_met_are_undecided_however_large_the_impact():
    rng = np.random.default_rng(2)
    stuck = rng.normal(size=(2, 4, 1000)) + 3 * rng.normal(size=(2, 4, 1))
    with pytest.warns(ImpactWarning, match="4 for 'stuck'"):
        found = coarse_graining(tree(stuck=stuck))
    assert found["verdict"].item() == "undecided"
    assert (found["lower"].item(), found["upper"].item(), found["p"].item()) == (0, 1, 1)


def test_the_worst_measurements_are_named_and_the_rest_counted():
    rng = np.random.default_rng(3)
    with pytest.warns(ImpactWarning, match="and under 100 for 2 more"):
        coarse_graining(
            tree(**{f"m{k}": autoregression(0.99, (2, 4, 500), rng) for k in range(5)})
        )


def test_what_never_happened_is_certified_by_the_draws_of_the_slowest_latent():
    def judged(latent):
        worlds = tree(towers=np.zeros((2, 4, 1000)), price=shifted(0.0))
        sizes = xr.Dataset(
            {"theta": ("statistic", [1.0, latent]), "fixed": ("statistic", [1.0, np.nan])},
            coords={"statistic": ["rhat", "ess_bulk"]},
        )
        worlds["convergence"] = xr.DataTree(sizes)
        return coarse_graining(worlds, tolerance=0.01)

    slow, quick = judged(150.0), judged(3900.0)
    assert slow["ess"].sel(measurement="towers").item() == 150
    assert slow["upper"].sel(measurement="towers").item() == pytest.approx(3 / 150)
    assert slow["verdict"].sel(measurement="towers").item() == "undecided"
    assert quick["verdict"].sel(measurement="towers").item() == "below"
    # Quick noise on top of a slow latent hides it no less.
    assert slow["ess"].sel(measurement="price").item() == 150
    assert quick["ess"].sel(measurement="price").item() > 3000


def test_an_event_of_a_slow_latent_under_quick_noise_is_not_certified():
    # Let in, a tower also falls where theta > 1.5: an impact of .95 x .0668. It is certified to be
    # below .05 only if theta, of some twenty effective draws, seldom came by.
    rng, repeats = np.random.default_rng(0), 60
    thetas = np.moveaxis(autoregression(0.99, (repeats, 4, 1000), rng), 0, -1)
    falls = rng.random((2, 4, 1000, repeats)) < 0.05
    falls[1] |= thetas > 1.5
    towers = xr.DataArray(falls, dims=[*DIMS[:3], "tower"], attrs={"role": "measurement"})
    drawn = xr.Dataset({"falls": towers}, coords={"disciple": ["erased", "clumsy"]})
    sizes = xr.Dataset({"theta": ("statistic", [20.0])}, coords={"statistic": ["ess_bulk"]})
    worlds = xr.DataTree.from_dict({"predictions": drawn, "convergence": sizes})
    with pytest.warns(ImpactWarning, match="for 57 more"):
        found = coarse_graining(worlds)
    assert (found["verdict"] != "below").all()
    assert (found["upper"] > 0.95 * stats.norm.sf(1.5)).mean() >= 0.95


def various(seed=0, draws=500):
    rng = np.random.default_rng(seed)
    drawn = xr.Dataset(
        {
            "y": ([*DIMS[:3], "thing"], rng.normal(size=(3, 4, draws, 30)).astype(np.float32)),
            "visits": ([*DIMS[:3], "city", "age"], rng.poisson(3, size=(3, 4, draws, 2, 3))),
            "flag": (DIMS[:3], rng.random((3, 4, draws)) < 0.3),
        },
        coords={"disciple": ["erased", "a", "b"], "city": ["paris", "rome"]},
    )
    drawn["y"][2] += 0.3
    for variable in drawn.data_vars.values():
        variable.attrs["role"] = "measurement"
    return xr.DataTree.from_dict({"predictions": drawn})


COUNTED_ALIKE = (
    "plugin",
    "floor",
    "tv",
    "mcse",
    "p",
    "q",
    "p_family",
    "mean_plugin",
    "mean_floor",
)


def test_no_bit_depends_on_how_much_is_read_at_once(monkeypatch):
    worlds = various()
    whole, summary = coarse_graining(worlds), coarse_graining(counted(worlds))
    for numbers in (1, 3 * 2000 * 4):
        monkeypatch.setattr("inference.diagnostics.sources.NUMBERS", numbers)
        pieces = coarse_graining(worlds)
        # The mean over all measurements is added up piece by piece.
        assert pieces["mean_p"].values == pytest.approx(whole["mean_p"].values, rel=1e-9)
        xr.testing.assert_identical(pieces.drop_vars("mean_p"), whole.drop_vars("mean_p"))
        again = coarse_graining(counted(worlds))
        xr.testing.assert_identical(again.drop_vars("mean_p"), summary.drop_vars("mean_p"))


def test_counts_give_what_their_draws_give():
    worlds = various()
    drawn, summary = coarse_graining(worlds), coarse_graining(counted(worlds))
    assert summary["measurement"].equals(drawn["measurement"])
    assert drawn.attrs["blocks"] == summary.attrs["blocks"] == 40
    for name in COUNTED_ALIKE:
        assert (drawn[name].values == summary[name].values).all(), name
    assert summary["ess"].values == pytest.approx(drawn["ess"].values, rel=0.6)
    chosen = coarse_graining(
        counted(worlds), disciples="b", measurements=["flag", "visits[rome, 1]"]
    )
    assert sorted(chosen["measurement"].values) == ["flag", "visits[rome, 1]"]
    expected = drawn["p"].sel(disciple="b", measurement=chosen["measurement"])
    assert (chosen["p"].sel(disciple="b") == expected).all()


def test_counts_on_disk_are_read_lazily_and_alike(tmp_path):
    summary = counted(various())
    summary.to_zarr(tmp_path / "counts.zarr", zarr_format=2, consolidated=False)
    path = tmp_path / "counts.zarr"
    with xr.open_datatree(path, engine="zarr", consolidated=False, chunks=None) as opened:
        xr.testing.assert_identical(coarse_graining(opened), coarse_graining(summary))


def test_counts_of_slow_chains_are_put_into_fewer_blocks():
    slow = autoregression(0.95, (2, 4, 1000), np.random.default_rng(0))
    worlds = tree(slow=slow)
    with pytest.warns(ImpactWarning, match="'slow'"):
        drawn = coarse_graining(worlds)
    with pytest.warns(ImpactWarning, match="'slow'"):
        summary = coarse_graining(counted(worlds))
    assert drawn.attrs["blocks"] == summary.attrs["blocks"] == 20
    assert summary["plugin"].item() == drawn["plugin"].item()
    assert summary["mcse"].item() == pytest.approx(drawn["mcse"].item(), rel=0.3)


def test_misspelled_names_of_counts_are_answered_with_the_nearest():
    worlds = counted(various())
    with pytest.raises(MeasurementError, match="visits"):
        coarse_graining(worlds, measurements="visit")
    with pytest.raises(MeasurementError, match=r"visits\[rome, 1\]"):
        coarse_graining(worlds, measurements=["visits[rome, 9]"])
    with pytest.raises(DiscipleError, match="There are"):
        coarse_graining(worlds, disciples="c")


@pytest.mark.parametrize(
    "cells", [Cells.quantile(8), Cells.levels(), Cells.width(), Cells.dyadic()]
)
def test_every_kind_of_cells_sees_no_effect_and_a_known_one(cells):
    truth = 2 * stats.norm.cdf(0.5) - 1
    found = coarse_graining(tree(("idle", "bold"), x=shifted(0.0, 1.0, draws=2000)), cells=cells)
    idle, bold = found["tv"].values[:, 0]
    if (
        cells.kind == "levels"
    ):  # 64 draws of the erased world have levels; nearly all else is alike
        assert bold < 0.1
        return
    assert idle < 0.04
    assert bold == pytest.approx(truth, abs=0.04)
    assert found["p"].values[0, 0] > 0.01


def test_many_small_effects_are_seen_together_before_any_is_seen_alone():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 4, 500, 200))
    values[2] += 0.05
    worlds = xr.Dataset(
        {"y": ([*DIMS[:3], "thing"], values, {"role": "measurement"})},
        coords={"disciple": ["erased", "idle", "creeping"]},
    )
    found = coarse_graining(worlds)
    assert found["mean_p"].sel(disciple="idle") > 0.01
    assert found["mean_p"].sel(disciple="creeping") < 1e-3
    assert (found["q"] >= found["p"]).all()
    assert (found["p_family"] >= found["p"]).all()
    assert found["p_family"].min() > 0.01
    floor, seen = (
        found[name].sel(disciple="idle").item() for name in ("mean_floor", "mean_plugin")
    )
    assert seen == pytest.approx(floor, rel=0.05)


def test_with_nobody_let_in_it_says_so():
    drawn = xr.Dataset(
        {"y": (["disciple", "chain", "draw"], np.zeros((1, 4, 50)), {"role": "measurement"})},
        coords={"disciple": ["erased"]},
    )
    with pytest.raises(DiscipleError, match="no disciple to compare"):
        coarse_graining(drawn)
