"""The subagent: does the world change, and nothing of what its builder can be and do?"""

import numpy as np
import pytest
import torch
from closed_forms import chains

from counterfactual_models.errors import WorldError
from counterfactual_models.zoo import subagent

STEPS = subagent.STEPS


@pytest.fixture(scope="module")
def example():
    return subagent.example()


@pytest.fixture(scope="module")
def whole():
    return subagent.example(view="whole")


def test_both_who_build_remake_the_world(example):
    found = {name: example.exact(policy).joint_tv for name, policy in example.disciples.items()}
    assert found == {"nothing": 0, "potter": 0, "build": 1, "jailer": 1}
    by_hand = {1: {(0.0,): 1.0}, 0: {(1.0,): 1.0}}
    assert example.exact(example.disciples["build"]).laws == by_hand


@pytest.mark.parametrize("slip", [0.0, 0.1, 0.7])
def test_what_a_sees_of_itself_follows_from_what_it_saw(slip):
    own = subagent.example(slip=slip).tabular
    whole = subagent.example(view="whole", slip=slip).tabular
    seen = own.index(torch.as_tensor(whole.states[:, :2])).numpy()
    lumped = np.zeros((len(whole.states), len(own.actions), len(own.states)))
    for place in range(len(own.states)):
        lumped[..., place] = whole.transitions[..., seen == place].sum(-1)
    np.testing.assert_allclose(lumped, own.transitions[seen], atol=1e-12)


def test_every_utility_of_what_a_is_stays_as_attainable_as_it_was(whole):
    # The values are those of the whole world, SA and forest included; the utilities are of A's
    # own place and freedom. Equal to rounding: after building, whatever is done next.
    table = whole.tabular
    own = subagent.own_table()
    seen = own.index(torch.as_tensor(table.states[:, :2])).numpy()
    values = chains.attainable(table, chains.random_utilities(own, 200)[:, seen])
    for name, same in (("build", True), ("jailer", False)):
        path, instead = chains.path_of(table, whole.disciples[name], STEPS)
        waited = [table.start] * (STEPS + 1)  # the baseline of inaction
        for here, there in (*zip(path, waited, strict=True), *zip(path[1:], instead, strict=True)):
            gap = abs(values[:, here] - values[:, there]).max()
            assert gap < 1e-12 or not same
        gap = abs(values[:, path[-1]] - values[:, table.start]).mean()
        assert (gap < 1e-12) == same


def test_in_its_own_view_building_leaves_no_trace(example):
    table, policies = example.tabular, example.disciples
    wholes = subagent.chain().given

    def seen(policy):
        path, _ = chains.path_of(wholes, policy, STEPS)
        return table.index(torch.as_tensor(wholes.states[path, :2])).tolist()

    assert seen(policies["build"]) == seen(policies["nothing"]) == [0] * (STEPS + 1)
    assert len(set(seen(policies["potter"]))) == 3
    ways = chains.reachable(table)
    locked = seen(policies["jailer"])[-1]
    assert (ways[0] & ~ways[locked]).mean() == 5 / 6


def test_in_the_view_of_the_world_building_is_for_ever(whole):
    table = whole.tabular
    ways = chains.reachable(table)
    path, _ = chains.path_of(table, whole.disciples["build"], STEPS)
    potted, _ = chains.path_of(table, whole.disciples["potter"], STEPS)
    assert not ways[path[-1], table.start]
    assert ways[potted[-1], table.start]


@pytest.mark.parametrize("view", ["own", "whole"])
def test_the_view_changes_nothing_of_what_is_measured(view):
    example = subagent.example(view=view, slip=0.1)
    truth = example.exact(subagent.build)
    other = subagent.example(slip=0.1).exact(subagent.build)
    assert truth.laws == other.laws


def test_one_who_is_locked_in_stays(whole):
    table = whole.tabular
    locked = np.flatnonzero(table.states[:, 1] == 1)
    after = table.states[table.following[locked]]
    assert (after[..., 0] == table.states[locked, None, 0]).all()
    assert (after[..., 1] == 1).all()


def test_without_ore_nothing_is_remade(example):
    truth = example.exact(subagent.build, evidence={"ore": 0.0})
    assert truth.joint_tv == 0
    here = example.exact(subagent.build).importance
    assert (here.off["ore"], here.on["ore"], here.profile_distance) == (0.0, 2.0, 1.0)


def test_a_view_that_there_is_not_is_refused():
    with pytest.raises(WorldError, match=r"'onw'.*Did you mean 'own'"):
        subagent.example(view="onw")
