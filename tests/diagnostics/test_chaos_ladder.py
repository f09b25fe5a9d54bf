"""Is chaos told from steering on trees of worlds, and is what cannot be compared refused?"""

import subprocess
import sys

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray as xr

import counterfactual_models as cm
import inference
from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    ImpactWarning,
    MeasurementError,
    WorldError,
)
from inference.diagnostics.chaos_ladder import chaos_ladder
from inference.diagnostics.coarse_graining import coarse_graining

DIMS = ["disciple", "chain", "draw", "future"]
RUNGS = ("tv", "conditional", "coupled")


def tree(disciples=("greedy",), latents=None, attrs=None, **measured):
    """Worlds of given draws, each of shape (1 + disciples, chain, draw[, future])."""
    variables = {
        name: (DIMS[: np.ndim(values)], values, {"role": "measurement"})
        for name, values in measured.items()
    }
    names = ["erased", *disciples]
    switch = ("disciple", [0] + [1] * len(disciples))
    past = {name: (["chain", "draw"], values) for name, values in (latents or {}).items()}
    groups = {
        "posterior": xr.Dataset(past),
        "predictions": xr.Dataset(variables, coords={"disciple": names, "X": switch}),
    }
    worlds = xr.DataTree.from_dict(groups)
    worlds.attrs = {"coupling": "shared", **(attrs or {})}
    return worlds


def strikes(futures=10, draws=1000, places=50, seed=0):
    """A hurricane whose place the draw of the past decides, in each world anew."""
    rng = np.random.default_rng(seed)
    where = rng.integers(0, places, size=(2, 4, draws, 1))
    return np.repeat(where, futures, axis=-1)


PLACES = 50


def coast(disciple, reshuffled):
    """Where a hurricane strikes hangs on a butterfly, and on whether anybody is there at all."""
    butterfly = pyro.sample("butterfly", dist.Uniform(0.0, 1.0).expand([2]).to_event(1))
    temper = pyro.sample("temper", dist.Uniform(0.0, 1.0))
    act = cm.wire(disciple, idle=torch.zeros(2))
    there, steers = act(temper).unbind(-1)
    steered = pyro.sample("steered", dist.Bernoulli(0.1)) * steers
    off, on = (butterfly * PLACES).floor().unbind(-1)
    place = torch.where((there > 0) & (temper < reshuffled), on, off)
    cm.measure("place", torch.where(steered > 0, torch.zeros(()), place))
    cm.measure("warmth", 20 + pyro.sample("season", dist.Normal(temper, 1.0)))


def harmless(temper):
    return torch.stack([torch.ones_like(temper), torch.zeros_like(temper)], dim=-1)


def steering(temper):
    return torch.stack([torch.ones_like(temper), torch.ones_like(temper)], dim=-1)


@pytest.mark.parametrize("reshuffled", [1.0, 0.3])
def test_a_world_in_which_a_butterfly_decides_charges_only_who_steers(reshuffled):
    def world(disciple):
        coast(disciple, reshuffled)

    posterior = inference.sample_posterior(world, {}, "prior", draws=500, chains=4, progress=False)
    disciples = {"harmless": harmless, "steering": steering}
    drawn = inference.sample_worlds(
        world, posterior, disciples, futures=30, coupling="shared", progress=False
    )
    found = chaos_ladder(drawn)
    missed, moved = 1 - 1 / PLACES, reshuffled * (1 - 1 / PLACES)
    truths = {
        "harmless": (0, moved, moved),
        "steering": (0.1 * missed, *[1 - 0.9 * (1 - moved) - 0.1 / PLACES] * 2),
    }
    for name, truth in truths.items():
        place = found.sel(disciple=name, measurement="place")
        for rung, value in zip(RUNGS, truth, strict=True):
            error = 4 * place[f"{rung}_mcse"].item() + 0.01
            error += 0.5 * place["tv_floor"].item() * (rung == "tv")
            assert place[rung].item() == pytest.approx(value, abs=error), (name, rung)
    # What nobody touches is the same in both worlds, draw for draw.
    warmth = found.sel(measurement="warmth")
    assert (warmth["coupled"] == 0).all() and (warmth["tv"] == 0).all()
    # Of a quarter of the butterfly's cells nothing can be told of where it strikes in the end.
    coarse = chaos_ladder(drawn, given="temper").sel(measurement="place", disciple="harmless")
    assert coarse["conditional"].item() < 0.1 < 0.9 * moved < coarse["coupled"].item()
    assert coarse.attrs["groups"] == 4
    # A site after the switch that no disciple touches is as good a z as a latent is.
    assert chaos_ladder(drawn, given=["season", "steered"]).attrs["given"] == "season, steered"
    with pytest.raises(MeasurementError, match="'place' differs between the erased world and"):
        chaos_ladder(drawn, given="place")


def test_the_result_is_labelled_as_promised():
    rng = np.random.default_rng(0)
    worlds = tree(("a", "b"), x=rng.normal(size=(3, 4, 100, 3)), y=rng.normal(size=(3, 4, 100, 3)))
    visits = ([*DIMS, "city"], rng.poisson(3, (3, 4, 100, 3, 2)), {"role": "measurement"})
    drawn = worlds["predictions"].to_dataset().assign(visits=visits)
    worlds["predictions"] = xr.DataTree(drawn.assign_coords(city=["oslo", "rome"]))
    found = chaos_ladder(worlds)
    ends = ("", "_mcse", "_lower", "_upper")
    names = {f"{rung}{end}" for rung in RUNGS for end in ends}
    names |= {"tv_floor", "conditional_floor", "chaos", "chaos_mcse", "ess"}
    assert set(found.data_vars) == names
    assert all(found[name].dims == ("disciple", "measurement") for name in names)
    assert all(found[name].attrs["long_name"] for name in names)
    assert found["disciple"].values.tolist() == ["a", "b"]
    assert found["measurement"].values.tolist() == ["x", "y", "visits[oslo]", "visits[rome]"]
    expected = {"given", "groups", "middle", "cells", "blocks", "flips", "seed", "draws", "ess"}
    assert expected | {"ess_min"} == set(found.attrs)
    assert (found.attrs["given"], found.attrs["middle"]) == ("draw", "estimated")
    assert (found.attrs["groups"], found.attrs["draws"]) == (400, 1200)
    some = chaos_ladder(worlds, disciples="b", measurements=["visits[rome]", "x"])
    assert set(some["measurement"].values) == {"x", "visits[rome]"}
    assert (
        some["tv"].sel(measurement="x").item()
        == found["tv"].sel(disciple="b", measurement="x").item()
    )


def test_the_first_rung_is_the_penalty():
    worlds = tree(place=strikes(), price=np.random.default_rng(0).normal(size=(2, 4, 1000, 10)))
    penalty, found = coarse_graining(worlds), chaos_ladder(worlds)
    for name in ("tv", "floor", "lower", "upper", "mcse"):
        rung = found["tv" if name == "tv" else f"tv_{name}"]
        assert rung.values == pytest.approx(penalty[name].values, abs=1e-6), name
    assert (found["chaos"] == found["coupled"] - found["tv"]).all()


def test_with_a_single_future_the_middle_rung_is_bracketed_and_says_so():
    worlds = tree(place=strikes(futures=1)[..., 0], latents={"z": np.ones((4, 1000))})
    with pytest.warns(ImpactWarning, match="single future, .* only to lie between"):
        found = chaos_ladder(worlds)
    assert found.attrs["middle"] == "bracketed"
    assert "not estimated" in found["conditional"].attrs["long_name"]
    assert found["conditional"].item() == found["tv"].item()
    assert found["conditional_lower"].item() == found["tv_lower"].item()
    assert found["conditional_upper"].item() == found["coupled_upper"].item()
    given = chaos_ladder(worlds, given="z")
    assert given.attrs["middle"] == "estimated"
    assert given["conditional"].item() == given["tv"].item()


def test_a_coarser_past_explains_no_more_than_a_finer_one():
    rng = np.random.default_rng(0)
    fine = rng.integers(0, 8, (4, 1000))
    latents = {"fine": fine, "coarse": fine // 2, "none": 0 * fine}
    levels = rng.normal(size=(2, 8))[:, fine][..., None]
    worlds = tree(price=levels + rng.normal(size=(1, 4, 1000, 10)), latents=latents)
    found = [chaos_ladder(worlds, given=z) for z in ("none", "coarse", "fine")]
    rungs = [f["conditional"].item() for f in found]
    assert rungs[0] + 0.05 < rungs[1] < rungs[2]
    assert rungs[2] < chaos_ladder(worlds)["conditional_upper"].item()
    both = chaos_ladder(worlds, given=["fine", "coarse"])
    assert both["conditional"].item() == pytest.approx(rungs[2])


@pytest.mark.parametrize(
    ("attrs", "told"),
    [
        ({"coupling": "independent"}, r'coupling=\'independent\'.*coupling="shared"'),
        ({"shared_posterior": "false"}, "evidence after the switch"),
        (
            {"vectorised": '{"erased": "plate", "greedy": "loop: branches"}'},
            r"\['greedy'\] and the erased one do not share",
        ),
    ],
)
def test_worlds_that_do_not_share_their_noise_are_refused(attrs, told):
    with pytest.raises(WorldError, match=told):
        chaos_ladder(tree(place=strikes(), attrs=attrs))


def test_worlds_that_do_not_say_so_are_refused_and_may_be_told_to():
    worlds = tree(place=strikes())
    del worlds.attrs["coupling"]
    with pytest.raises(WorldError, match=r"worlds.attrs\['coupling'\] = 'shared'"):
        chaos_ladder(worlds)
    drawn = worlds["predictions"].to_dataset()
    drawn.attrs["coupling"] = "shared"
    assert chaos_ladder(drawn)["coupled"].item() == pytest.approx(0.98, abs=0.02)


def test_a_disciple_whose_noise_is_its_own_may_be_left_out():
    values = np.concatenate([strikes(), strikes(seed=1)[:1]])
    ways = '{"erased": "plate", "greedy": "plate", "slow": "loop: branches"}'
    worlds = tree(("greedy", "slow"), place=values, attrs={"vectorised": ways})
    with pytest.raises(WorldError, match="'slow'"):
        chaos_ladder(worlds)
    assert chaos_ladder(worlds, disciples="greedy")["coupled"].item() > 0.9


def test_what_cannot_be_conditioned_on_is_refused():
    rng = np.random.default_rng(0)
    latents = {f"z{k}": rng.normal(size=(4, 1000)) for k in range(4)}
    worlds = tree(place=strikes(futures=1)[..., 0], latents=latents)
    with pytest.raises(MeasurementError, match="'z9' is not there"):
        chaos_ladder(worlds, given="z9")
    with pytest.raises(MeasurementError, match="names nothing"):
        chaos_ladder(worlds, given=[])
    with pytest.raises(
        CounterfactualError, match="256 groups of 4000 rows; expected at least 160"
    ):
        chaos_ladder(worlds, given=list(latents))
    few = worlds.copy()
    few["posterior"] = xr.DataTree(worlds["posterior"].to_dataset().isel(draw=slice(500)))
    with pytest.raises(WorldError, match="not the same draws"):
        chaos_ladder(few, given="z0")


def test_a_hole_or_a_misspelled_name_is_refused():
    values = strikes().astype(float)
    values[1, 2, 17, 3] = np.nan
    with pytest.raises(MeasurementError, match=r"'place' is nan .*'greedy' at chain 2, draw 17"):
        chaos_ladder(tree(place=values))
    with pytest.raises(DiscipleError, match="greedy"):
        chaos_ladder(tree(place=strikes()), disciples="greedi")
    with pytest.raises(CounterfactualError, match="cells=1"):
        chaos_ladder(tree(place=strikes()), cells=1)
    with pytest.raises(WorldError, match="36 posterior draws"):
        chaos_ladder(tree(place=strikes(draws=9)))
    holed = {"z": np.full((4, 1000), np.nan)}
    with pytest.raises(MeasurementError, match="'z' is nan"):
        chaos_ladder(tree(place=strikes(), latents=holed), given="z")


def test_few_draws_are_warned_of():
    with pytest.warns(ImpactWarning, match="worth only"):
        chaos_ladder(tree(place=strikes(draws=15)))


def test_the_seed_is_the_only_chance():
    worlds = tree(place=strikes())
    xr.testing.assert_identical(chaos_ladder(worlds, seed=3), chaos_ladder(worlds, seed=3))
    assert chaos_ladder(worlds, seed=3)["tv_floor"] != chaos_ladder(worlds, seed=4)["tv_floor"]


def test_the_result_survives_the_disk(tmp_path):
    found = chaos_ladder(tree(place=strikes()))
    found.to_netcdf(tmp_path / "result.nc")
    with xr.open_dataset(tmp_path / "result.nc") as back:
        xr.testing.assert_identical(found, back.load())


def test_saved_worlds_are_judged_without_torch():
    line = "import sys; from inference.diagnostics import chaos_ladder; "
    line += "sys.exit(bool({'torch', 'pyro'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", line], check=False).returncode == 0
