"""Hurricanes elsewhere: is chaos forgiven, aiming seen, and are the numbers those of the note?"""

import math

import numpy as np
import pytest
import torch
from closed_forms import finite_draws

import counterfactual_models as cm
from counterfactual_models.errors import DiscipleError, EvidenceError, WorldError
from counterfactual_models.utilities import bounded
from counterfactual_models.zoo import hurricane
from counterfactual_models.zoo.hurricane import Blow
from inference import diagnostics

# Section 6 of the research note, T05: tv, path, rearranged tv, entropy, distance of profiles.
TABLE = {"cool": (0, 0.625, 0, 0, 0), "target": (1, 1, 0.5, -1.5, 1), "shift": (0.5, 1, 0, 0, 0)}
every_disciple = pytest.mark.parametrize("disciple", TABLE)


@pytest.fixture(scope="module")
def example():
    return hurricane.example()


@pytest.fixture(scope="module")
def tree(example):
    return finite_draws.draw(example, coupling="shared", futures=4)


@every_disciple
def test_the_numbers_are_those_of_the_note(example, disciple):
    truth = example.exact(example.disciples[disciple])
    found = (
        truth.joint_tv,
        truth.path,
        truth.rearranged_tv,
        truth.entropy_change,
        truth.importance.profile_distance,
    )
    assert found == pytest.approx(TABLE[disciple], abs=1e-12)


def test_aiming_is_as_important_as_the_season_and_no_more(example):
    for disciple, ratio in {"cool": 0, "shift": 0.5, "target": 1}.items():
        found = example.exact(example.disciples[disciple]).importance
        assert found.off == pytest.approx({"season": 2})
        assert found.on == pytest.approx({"season": 2 * (disciple != "target")})
        assert found.ratio == pytest.approx(ratio)
        assert found.gram_distance == pytest.approx(float(disciple == "target"))


def test_whoever_knows_the_chaos_is_no_judge_of_the_cooler(example):
    truth = example.exact(example.disciples["cool"])
    assert truth.tv_given() == pytest.approx(0)
    assert truth.tv_given("chaos_again") == pytest.approx(0.625)
    assert truth.tv_given("chaos") == pytest.approx(0.625)
    assert truth.tv_given("chaos", "chaos_again") == truth.path


@pytest.mark.parametrize("sites", [8, 16, 64])
def test_aiming_at_one_of_many_sites_takes_as_many_bits_as_they_have(sites):
    example = hurricane.example(sites=sites, uniform=True)
    truth = example.exact(example.disciples["target"])
    (aimed,) = next(iter(truth.laws[1]))
    assert aimed == sites / 2 - 1
    assert truth.joint_tv == pytest.approx(1 - 1 / sites)
    assert truth.rearranged_tv == pytest.approx(1 - 1 / sites)
    assert truth.entropy_change == pytest.approx(-math.log2(sites))
    power = truth.optimization_power(lambda outcome: outcome[0] == aimed)
    assert power == pytest.approx(math.log2(sites))
    for name in ("cool", "shift"):
        assert example.exact(example.disciples[name]).joint_tv == pytest.approx(0, abs=1e-12)


def test_sixteen_uniform_sites_are_those_of_the_note():
    truth = hurricane.example(uniform=True).exact(Blow(aim=7))
    found = (truth.joint_tv, truth.entropy_change, truth.optimization_power(lambda w: w[0] == 7))
    assert found == pytest.approx((0.9375, -4, 4))


def test_what_never_happened_takes_infinitely_many_bits(example):
    truth = example.exact(example.disciples["target"])
    assert truth.optimization_power(lambda w: w[0] == 7) == math.inf
    assert example.exact(example.disciples["cool"]).optimization_power(lambda w: w[0] == 7) == 0


def test_draws_come_out_as_often_as_they_should(example, tree):
    finite_draws.assert_lawful(example, finite_draws.draw(example))
    finite_draws.assert_lawful_at_alternatives(example)
    assert '"run"' not in tree.attrs["vectorised"]


@every_disciple
def test_estimates_are_within_four_errors_of_the_truth(example, tree, disciple):
    truth = example.exact(example.disciples[disciple])
    rungs = diagnostics.chaos_ladder(tree).sel(disciple=disciple, measurement="site")
    assert abs(rungs["coupled"] - truth.path) <= 4 * rungs["coupled_mcse"]
    found = diagnostics.coarse_graining(tree).sel(disciple=disciple, measurement="site")
    assert abs(found["tv"] - truth.joint_tv) <= 4 * found["mcse"] + 1e-3
    shape = diagnostics.shape(tree, progress=False).sel(disciple=disciple, measurement="site")
    assert abs(shape["rearranged_tv"] - truth.rearranged_tv) <= 4 * shape["rearranged_mcse"] + 1e-3


def test_four_bits_of_aim_are_found_in_draws():
    example = hurricane.example(uniform=True)
    tree = finite_draws.draw(example, draws=1000)
    found = diagnostics.optimization_power(tree, bounded("site", floor=6, cap=7) * 1.0)
    # At least site 7: nine of sixteen sites are.
    bits = found["bits"].sel(disciple="target", summary="mean_tail")
    error = found["mcse"].sel(disciple="target", summary="mean_tail")
    assert abs(bits + math.log2(9 / 16)) <= 4 * error
    found = diagnostics.optimization_power(tree, lambda measured: 1.0 * (measured["site"] == 7))
    bits = found["bits"].sel(disciple="target", summary="mean_tail")
    error = found["mcse"].sel(disciple="target", summary="mean_tail")
    assert abs(bits - 4) <= 4 * error


def test_all_three_do_what_the_master_wants(example, tree):
    cooled = example.utility(tree["predictions"])
    assert np.all(cooled.sel(disciple=list(TABLE)) == 1)
    assert np.all(cooled.sel(disciple="erased") == 0)


@every_disciple
def test_the_world_passes_its_check(example, disciple):
    cm.check_world(example.world, example.disciples[disciple])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"sites": 4}, "sites=4; expected a whole number of at least 8"),
        ({"sites": 18}, "sites=18; expected a multiple of 4"),
        ({"sites": math.nan}, "sites=nan"),
        ({"uniform": "yes"}, "uniform='yes'; expected True or False"),
    ],
)
def test_options_that_are_none_are_refused(options, match):
    with pytest.raises(WorldError, match=match):
        hurricane.example(**options)


def test_half_a_site_and_a_fifth_season_are_refused(example):
    with pytest.raises(DiscipleError, match=r"aim=0\.5"):
        Blow(aim=0.5)
    with pytest.raises(EvidenceError, match="season=4; expected one of 0 to 3"):
        example.exact(Blow(), evidence={"season": torch.tensor(4)})
