"""Does a tree get the rare worlds it needs, and nothing else; and are wrong questions refused?"""

import warnings

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray as xr
from closed_forms.rare import (
    EXAM,
    LN2,
    WALK,
    dialled,
    lone,
    rarely,
    reach,
    single,
    split_bits,
    steady,
    towns,
    walk,
    worlds_of,
)
from scipy import stats

import counterfactual_models as cm
import inference
from counterfactual_models import utilities
from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    ImpactWarning,
    MeasurementError,
    WorldError,
)
from inference.arrays.order.splitting import split_tail
from inference.diagnostics import optimization_power
from inference.schema import decode_attrs

STILL = dist.Normal(0.0, 1.0)
STRONG = {"strong": steady(2.0)}
SMALL = {"particles": 200, "steps": 8}


@pytest.fixture(scope="module")
def walked():
    return worlds_of(walk, STRONG, EXAM)


@pytest.fixture(scope="module")
def split(walked):
    return rarely(walk, walked, STRONG, reach, method="splitting", target=20.0, seed=2, **SMALL)


def test_the_whole_tail_of_a_walk_is_that_of_its_normal_law(split):
    bits, error, attrs = split_bits(split)
    assert abs(bits + WALK.logsf(20.0) / LN2) < 4 * error
    assert error < 0.5
    assert attrs["reliable"]
    group = split["rare_worlds"].to_dataset()
    weights = np.exp(group["log_weight"])
    assert weights.sum("rare_draw").values == pytest.approx(1.0)
    for target in (4.0, 8.0, 12.0, 16.0):
        runs = -np.log2(weights.where(group["utility"] >= target, 0.0).sum("rare_draw").values)
        spread = max(runs.std(ddof=1), 0.1) / np.sqrt(len(runs))
        assert abs(runs.mean() + WALK.logsf(target) / LN2) < 5 * spread


def test_nothing_else_in_the_tree_is_touched(walked, split):
    for name in walked.children:
        xr.testing.assert_identical(split[name].to_dataset(), walked[name].to_dataset())
    assert set(split.children) - set(walked.children) == {"rare_worlds"}
    assert "rare_worlds" not in walked.children


def test_the_same_seed_gives_the_same_bits_and_another_does_not(walked, split):
    options = {"method": "splitting", "target": 20.0, **SMALL}
    again = rarely(walk, walked, STRONG, reach, seed=2, **options)
    xr.testing.assert_identical(
        again["rare_worlds"].to_dataset(), split["rare_worlds"].to_dataset()
    )
    other = rarely(walk, walked, STRONG, reach, seed=1, **options)
    assert not np.array_equal(other["rare_worlds"]["run_bits"], split["rare_worlds"]["run_bits"])


def test_the_users_random_numbers_are_left_alone(walked):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    rarely(walk, walked, STRONG, reach, method="splitting", target=5.0, particles=50, steps=2)
    assert torch.equal(torch.rand(2), expected)


def test_a_saved_tree_comes_back_with_its_rare_worlds(split, tmp_path):
    for name in ("worlds.nc", "worlds.zarr"):
        path = inference.save(split, tmp_path / name)
        back = inference.load(path)
        xr.testing.assert_equal(
            back["rare_worlds"].to_dataset(), split["rare_worlds"].to_dataset()
        )
        found, expected = (optimization_power(tree, reach) for tree in (back, split))
        xr.testing.assert_allclose(found["bits"], expected["bits"])


def test_a_reloaded_tree_can_be_split_to_the_same_bits(walked, split, tmp_path):
    back = inference.load(inference.save(walked, tmp_path / "worlds.zarr"))
    options = {"method": "splitting", "target": 20.0, "seed": 2, **SMALL}
    again = rarely(walk, back, STRONG, reach, **options)
    assert np.array_equal(again["rare_worlds"]["run_bits"], split["rare_worlds"]["run_bits"])


def test_a_second_call_takes_the_place_of_the_first(walked, split):
    again = rarely(walk, split, STRONG, reach, method="importance")
    assert [n for n in again.children if n.startswith("rare")] == ["rare_ratios"]


def test_labelled_and_summed_measurements_serve_as_utility():
    push = {"push": lambda still: still + 4.0}
    worlds = worlds_of(towns, push, coords={"city": ["paris", "rome"]}, futures=3)
    for utility, spread in (
        (lambda m: m["visits"].sel(city="paris"), 1.0),
        (lambda m: m["visits"].sum("city"), np.sqrt(2)),
    ):
        tree = rarely(
            towns, worlds, push, utility, method="splitting", target=5.0 * spread, **SMALL
        )
        bits, error, _ = split_bits(tree)
        assert abs(bits + stats.norm.logsf(5.0) / LN2) < 4 * error
        weighed = rarely(towns, worlds, push, utility, method="importance")
        assert weighed["rare_ratios"]["log_ratio"].dims[-1] == "future"


def test_a_target_below_all_draws_is_worth_nothing(walked):
    tree = rarely(walk, walked, STRONG, reach, method="splitting", target=-99.0, **SMALL)
    assert split_bits(tree)[0] == pytest.approx(0.0, abs=0.01)


def test_a_utility_at_its_cap_is_worth_what_the_cap_is(walked):
    cap = utilities.bounded("reach", cap=8.0)
    tree = rarely(walk, walked, STRONG, cap, method="splitting", **SMALL)
    bits, error, _ = split_bits(tree)
    assert abs(bits + WALK.logsf(8.0) / LN2) < 4 * error
    always = utilities.bounded("reach", floor=-100.0, cap=-99.0)
    tree = rarely(walk, walked, STRONG, always)
    assert not [n for n in tree.children if n.startswith("rare")], "all can be counted"


def test_what_the_erased_world_never_reaches_ends_with_a_bound():
    world = lone(lambda push: dist.Uniform(push, push + 1.0))
    push = {"push": lambda still: still + 2.0}
    worlds = worlds_of(world, push)
    with pytest.warns(ImpactWarning, match="stuck") as caught:
        tree = rarely(world, worlds, push, reach, particles=50, steps=4)
    assert caught[0].filename.endswith("closed_forms/rare.py"), "whoever called is named"
    attrs = decode_attrs(tree["rare_worlds"].attrs)
    assert not attrs["reliable"]
    assert attrs["stuck"] == 4
    assert attrs["lower"] > 15
    assert attrs["evaluations"] < 200_000
    with pytest.warns(ImpactWarning, match="lower bound"):
        found = optimization_power(tree, reach)
    assert found["method"].item() == "bound"


def test_what_is_too_rare_to_go_to_is_given_up_and_the_rest_is_believed():
    world = lone(lambda push: dist.Normal(push, 1.0))
    push = {"push": lambda still: still + 6.0}
    worlds = worlds_of(world, push)
    with pytest.warns(ImpactWarning, match="gave up at 20 bits"):
        tree = rarely(world, worlds, push, reach, method="splitting", most_bits=20, **SMALL)
    bits, error, attrs = split_bits(tree)
    assert attrs["reliable"]
    assert attrs["wanted"] > attrs["target"]
    assert abs(bits + stats.norm.logsf(attrs["target"]) / LN2) < 4 * error
    assert 17 < bits < 21


def groups_of(tree):
    return {n for n in tree.children if n.startswith("rare")}


def test_auto_leaves_alone_what_can_be_counted_and_else_weighs_and_splits():
    pushes = {"idle": steady(0.0), "mild": steady(0.3), "strong": steady(2.0)}
    worlds = worlds_of(walk, pushes, EXAM)
    assert groups_of(rarely(walk, worlds, pushes, reach, target=0.0)) == set()
    both = rarely(walk, worlds, pushes, reach, target=11.0, **SMALL)
    assert groups_of(both) == {"rare_ratios", "rare_worlds"}


def test_auto_weighs_alone_where_that_is_trusted_and_splitting_is_slow_or_has_no_noise():
    """Without trust, what is slow is split nevertheless, and what has no noise refused."""
    push = {"push": lambda still: 0 * still + 2.0}
    narrow = {"narrow": lambda still: 0 * still + 2.5 + 0.01 * pyro.sample("die", STILL)}
    little = {"target": 2.5, "particles": 20, "steps": 1}
    for world, why in ((single, None), (dialled, "several values become one")):
        tree = rarely(world, known(world, push), push, reach)
        assert groups_of(tree) == {"rare_ratios"}
        said = tree["rare_ratios"].attrs.get("not_split")
        assert said is None if why is None else why in said
    untrusted = known(single, narrow)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImpactWarning)
        tree = rarely(single, untrusted, narrow, reach, **little)
    assert groups_of(tree) == {"rare_worlds"}
    with pytest.raises(WorldError, match="several values become one"):
        rarely(dialled, known(dialled, narrow), narrow, reach, **little)


def known(world, disciples):
    return worlds_of(world, disciples, draws=250)


def test_bits_of_all_draws_of_a_split_walk_are_those_of_its_law(walked):
    tree = rarely(walk, walked, STRONG, reach, method="splitting", **SMALL)
    found = optimization_power(tree, reach).sel(disciple="strong")
    exact = -WALK.logsf(found["utility"].values) / LN2
    apart = float(np.mean(found["op_bits"].values - exact))
    assert abs(apart) < 4 * float(found["mcse"].sel(summary="expected"))


def test_runs_that_gave_up_still_judge_what_all_of_them_reached():
    def evaluate(states):
        return states[:, 0], np.zeros(len(states))

    def start(rng, number):
        return rng.standard_normal((number, 1))

    tail = split_tail(start, evaluate, 9.0, particles=200, most_bits=20, seed=1)
    assert tail.given_up and tail.bits == np.inf and 4.5 < tail.common < 9.0
    for target in (3.0, 4.0, tail.common):
        lower = tail.up_to(target)
        assert lower.target == target and lower.reliable and not len(lower.last)
        assert abs(lower.bits + stats.norm.logsf(target) / LN2) < 4 * lower.mcse
        np.testing.assert_array_equal(lower.log_weight, tail.log_weight)
    with pytest.raises(CounterfactualError, match="which all runs reached"):
        tail.up_to(tail.common + 0.1)


def test_a_world_for_one_draw_is_split_one_by_one():
    push = {"push": lambda still: still + 3.0}
    worlds = worlds_of(single, push, draws=30)
    with pytest.warns(ImpactWarning, match="one draw at a time, and splitting runs it 480 times"):
        tree = rarely(
            single, worlds, push, reach, method="splitting", target=3.0, particles=30, steps=4
        )
    bits, error, _ = split_bits(tree)
    assert abs(bits + stats.norm.logsf(3.0) / LN2) < 4 * error


def test_a_disciple_that_draws_for_itself_is_split():
    gambler = {"gambler": lambda skill: 1.0 + 0.1 * pyro.sample("die", dist.Normal(skill * 0, 1))}
    worlds = worlds_of(walk, gambler, EXAM)
    tree = rarely(walk, worlds, gambler, reach, target=12.0, **SMALL)
    bits, error, _ = split_bits(tree)
    assert abs(bits + WALK.logsf(12.0) / LN2) < 4 * error


def test_an_interrupted_world_leaves_nothing_behind(walked):
    calls = []

    def stopping(measured):
        calls.append(len(calls))
        if len(calls) > 12:
            raise KeyboardInterrupt
        return measured["reach"]

    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    with pytest.raises(KeyboardInterrupt):
        rarely(walk, walked, STRONG, stopping, method="splitting", **SMALL)
    assert torch.equal(torch.rand(2), expected)


def test_a_world_interrupted_at_a_site_leaves_pyro_as_it_was():
    budget = [10**6]

    def tiring(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        budget[0] -= 1
        if budget[0] < 0:
            raise KeyboardInterrupt
        act = cm.wire(disciple, idle=torch.zeros(()))
        cm.measure("reach", pyro.sample("y", dist.Normal(x + act(x), 1.0)))

    push = {"push": steady(6.0)}
    worlds = worlds_of(tiring, push)
    expected = torch.random.get_rng_state()
    for calls in (3, 30):  # while draws become noise, and while these move
        budget[0] = calls
        with pytest.raises(KeyboardInterrupt):
            rarely(tiring, worlds, push, reach, method="splitting", **SMALL)
        assert torch.equal(torch.random.get_rng_state(), expected)


def test_wrong_questions_are_refused_with_what_to_do(walked):
    with pytest.raises(CounterfactualError, match="method='magic'"):
        rarely(walk, walked, STRONG, reach, method="magic")
    with pytest.raises(CounterfactualError, match="target=nan"):
        rarely(walk, walked, STRONG, reach, target=float("nan"))
    with pytest.raises(CounterfactualError, match="seed"):
        rarely(walk, walked, STRONG, reach, seed=-1)
    with pytest.raises(CounterfactualError, match="particles"):
        rarely(walk, walked, STRONG, reach, particles=3)
    with pytest.raises(CounterfactualError, match="most_bits=0"):
        rarely(walk, walked, STRONG, reach, most_bits=0)
    with pytest.raises(MeasurementError, match="'reach'"):
        rarely(walk, walked, STRONG, lambda m: m["raech"])
    with pytest.raises(DiscipleError, match="'strong'"):
        rarely(walk, walked, {"storng": steady(2.0)}, reach)
    with pytest.raises(WorldError, match="sample_worlds"):
        rarely(walk, walked["predictions"].to_dataset(), STRONG, reach)
    other = pytest.warns(ImpactWarning, match="another text")
    with other, pytest.raises(CounterfactualError, match="no site of the world"):
        rarely(lone(lambda push: dist.Normal(push, 1.0)), walked, STRONG, reach)


def test_worlds_in_a_store_are_split_like_those_in_memory(walked, split, tmp_path):
    posterior = inference.sample_posterior(walk, EXAM, draws=250, progress=False)
    stored = inference.sample_worlds(
        walk, posterior, STRONG, progress=False, store=tmp_path / "drawn.zarr"
    )
    options = {"method": "splitting", "target": 20.0, "seed": 2, **SMALL}
    again = rarely(walk, stored, STRONG, reach, **options)
    assert np.array_equal(again["rare_worlds"]["run_bits"], split["rare_worlds"]["run_bits"])


def test_worlds_kept_as_counts_are_refused():
    posterior = inference.sample_posterior(walk, EXAM, draws=250, progress=False)
    counts = inference.sample_worlds(walk, posterior, STRONG, keep="summary", progress=False)
    with pytest.raises(WorldError, match="kept as counts"):
        rarely(walk, counts, STRONG, reach)


def test_rare_worlds_of_another_utility_are_not_mistaken_for_these(split):
    with pytest.raises(WorldError, match="another utility"):
        optimization_power(split, lambda m: 2 * m["reach"] ** 2)
