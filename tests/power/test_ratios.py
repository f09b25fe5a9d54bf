"""Are a disciple's draws weighed right, and refused where they cannot stand for erased worlds?"""

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from closed_forms.rare import (
    EXAM,
    WALK,
    lone,
    rarely,
    reach,
    single,
    steady,
    told,
    walk,
    weighed_bits,
    worlds_of,
)
from scipy import stats

import counterfactual_models as cm
import inference
from counterfactual_models.errors import ImpactWarning, WorldError
from inference.arrays.order.own_draws import judged_draws
from inference.schema import decode_attrs

FIRM = {"firm": steady(1.0)}


@pytest.fixture(scope="module")
def walked():
    worlds = worlds_of(walk, FIRM, EXAM, draws=500)
    return worlds, rarely(walk, worlds, FIRM, reach, method="importance")


def test_log_ratios_are_those_of_the_steps(walked):
    worlds, tree = walked
    drawn = worlds["predictions"].to_dataset().sel(disciple="firm")
    skill = worlds["posterior"]["skill"].values[..., None] * 0.1
    steps = drawn["steps"].transpose("chain", "draw", ...).values
    expected = stats.norm.logpdf(steps - skill) - stats.norm.logpdf(steps - skill - 1.0)
    assert tree["rare_ratios"]["log_ratio"].values[0] == pytest.approx(expected.sum(-1), abs=1e-3)
    assert np.array_equal(
        tree["rare_ratios"]["erased_utility"].values[0], drawn["reach"].values.astype(float)
    )


def test_weights_find_a_tail_that_no_draw_reaches(walked):
    _, tree = walked
    for target in (9.0, 11.0, 13.0):
        bits, error = weighed_bits(tree, "firm", target)
        assert abs(bits + WALK.logsf(target) / np.log(2)) < 4 * error
        assert error < 0.3


def test_several_futures_of_a_draw_are_weighed_each():
    worlds = worlds_of(walk, FIRM, EXAM, draws=100, futures=3)
    tree = rarely(walk, worlds, FIRM, reach, method="importance")
    ratio = tree["rare_ratios"]["log_ratio"]
    assert ratio.dims == ("disciple", "chain", "draw", "future")
    assert ratio.sizes["future"] == 3
    bits, error = weighed_bits(tree, "firm", 10.0)
    assert abs(bits + WALK.logsf(10.0) / np.log(2)) < 4 * error


def test_what_a_disciple_sets_without_drawing_counts_for_nothing_in_the_erased_world():
    def gifted(disciple):
        act = cm.wire(disciple, idle=torch.zeros(()))
        gift = act(torch.zeros(()))
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        cm.measure("reach", x + gift)

    gift = {"gift": lambda still: still + 10.0}
    worlds = worlds_of(gifted, gift)
    tree = rarely(gifted, worlds, gift, reach, method="importance")
    own = tree["rare_ratios"].to_dataset().sel(disciple="gift")
    assert np.all(own["log_ratio"] == 0.0)
    here = worlds["predictions"]["x"].sel(disciple="gift").values
    assert own["erased_utility"].values == pytest.approx(here, abs=1e-5)
    split = rarely(gifted, worlds, gift, reach, particles=200, steps=5)
    assert "rare_worlds" in split.children, "auto goes on to splitting"


def test_a_disciple_that_rules_out_the_best_of_chance_is_refused():
    # Of x + y / 10 the disciple takes x from [9.9, 10] of [0, 10]: its weights are all alike, and
    # the other ways to be as good are in none of its draws.
    def ranged(disciple):
        act = cm.wire(disciple, idle=torch.zeros(()))
        x = pyro.sample("x", dist.Uniform(act(torch.zeros(())), 10.0))
        y = pyro.sample("y", dist.Uniform(-10.0, 10.0))
        cm.measure("reach", x + 0.1 * y)

    narrow = {"narrow": lambda still: still + 9.9}
    with pytest.raises(WorldError, match=r"rules out values of \['x'\]"):
        rarely(ranged, worlds_of(ranged, narrow), narrow, reach, method="importance")


def test_evidence_after_the_switch_is_no_ground_for_weights():
    push = {"push": lambda still: still + 1.0}
    with pytest.warns(ImpactWarning, match="after the switch"):
        worlds = worlds_of(told, push, {"later": torch.tensor(0.5)})
    with pytest.raises(WorldError, match=r"'push' cannot be weighed: there is evidence after"):
        rarely(told, worlds, push, reach, method="importance")


def test_what_a_disciple_draws_for_itself_is_refused_with_its_name():
    def gambler(skill):
        return 3.0 + pyro.sample("die", dist.Normal(0.0, 1.0)) + torch.zeros_like(skill)

    worlds = worlds_of(walk, {"gambler": gambler}, EXAM)
    with pytest.raises(WorldError, match=r"draws \['die'\] for itself.*method='splitting'"):
        rarely(walk, worlds, {"gambler": gambler}, reach, method="importance")
    both = {"gambler": gambler, **FIRM}
    worlds = worlds_of(walk, both, EXAM)
    tree = rarely(walk, worlds, both, reach, particles=200, steps=5, target=9.0)
    assert list(tree["rare_ratios"]["disciple"].values) == ["firm"]
    assert "die" in decode_attrs(tree["rare_ratios"].attrs)["not_weighed"]["gambler"]


def test_auxiliary_sites_of_the_future_were_not_kept():
    def forgetful(disciple):
        act = cm.wire(disciple, idle=torch.zeros(()))
        push = act(torch.zeros(()))
        hidden = pyro.sample("hidden", dist.Normal(push, 1.0), infer={"is_auxiliary": True})
        cm.measure("reach", hidden)

    push = {"push": lambda still: still + 1.0}
    with pytest.raises(WorldError, match=r"draws of \['hidden'\] were not kept"):
        rarely(forgetful, worlds_of(forgetful, push), push, reach, method="importance")


def test_a_world_for_one_draw_is_weighed_one_by_one():
    push = {"push": lambda still: still + 2.0}
    worlds = worlds_of(single, push, draws=40)
    tree = rarely(single, worlds, push, reach, method="importance")
    drawn = worlds["predictions"]["x"].sel(disciple="push").values
    assert tree["rare_ratios"]["log_ratio"].values[0] == pytest.approx(2 - 2 * drawn, abs=1e-4)


def test_discrete_sites_are_weighed_by_their_chances():
    world = lone(lambda push: dist.Poisson(2.0 + push))
    keen = {"keen": lambda still: still + 6.0}
    tree = rarely(world, worlds_of(world, keen, draws=500), keen, reach, method="importance")
    bits, error = weighed_bits(tree, "keen", 10)
    assert abs(bits + stats.poisson.logsf(9, 2.0) / np.log(2)) < 4 * error


RNG = np.random.default_rng(5)
CHANCE = RNG.normal(size=(4, 1000))


def gaussian_draws(mean, spread):
    drawn = RNG.normal(mean, spread, size=(4, 1000))
    return stats.norm.logpdf(drawn) - stats.norm.logpdf(drawn, mean, spread), drawn


def test_draws_of_a_shift_are_trusted_and_those_of_a_narrow_one_are_not():
    ratio, drawn = gaussian_draws(4.0, 1.0)
    assert judged_draws(ratio, drawn, CHANCE, drawn).reliable
    for mean, spread in ((4.0, 0.02), (4.0, 0.3), (6.0, 0.01)):
        ratio, drawn = gaussian_draws(mean, spread)
        found = judged_draws(ratio, drawn, CHANCE, drawn)
        assert not found.reliable
        assert "k-hat" in found.reason


def test_light_weights_that_miss_what_can_be_counted_are_found_out():
    # U = max(x, y): the disciple pushes x a little, and takes y, as good a way, out of the world.
    x, y = RNG.normal(1.5, 1.0, size=(4, 1000)), np.full((4, 1000), -9.0)
    ratio = stats.norm.logpdf(x) - stats.norm.logpdf(x, 1.5)
    both = np.maximum(CHANCE, RNG.normal(size=(4, 1000)))
    found = judged_draws(ratio, np.maximum(x, y), both, np.maximum(x, y))
    assert not found.reliable
    assert "contradict" in found.reason


def test_weights_are_judged_where_chance_is_as_good_too():
    ratio, drawn = gaussian_draws(0.0, 1.0)
    assert judged_draws(ratio, drawn, CHANCE, drawn).reliable


def test_a_tree_of_ratios_is_what_the_diagnostic_reads(walked):
    _, tree = walked
    found = inference.diagnostics.optimization_power(tree, reach).sel(disciple="firm")
    assert found["method"].item() == "importance"
    exact = -WALK.logsf(found["utility"].values) / np.log(2)
    middle = float(np.median(found["op_bits"].values - exact))
    assert abs(middle) < 0.5
