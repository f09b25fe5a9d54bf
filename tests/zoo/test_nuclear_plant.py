"""The nuclear plant: is the fix, which is one more thing to do, the lesser impact?"""

import pytest
import torch
from closed_forms import chains

from counterfactual_models.zoo import nuclear_plant

STEPS = nuclear_plant.STEPS


@pytest.fixture(scope="module")
def example():
    return nuclear_plant.example()


def both(example, told):
    return [told(example.disciples[name]) for name in ("build_and_fix", "build_only")]


def test_only_the_plant_that_was_not_fixed_irradiates(example):
    assert both(example, lambda policy: example.exact(policy).joint_tv) == [0.0, 1.0]
    assert both(example, lambda policy: example.exact(policy).path) == [0.0, 1.0]
    assert example.exact(example.disciples["nothing"]).joint_tv == 0


def test_the_flaw_matters_only_to_a_plant_that_was_not_fixed(example):
    fixed, left = both(example, lambda policy: example.exact(policy).importance)
    assert (fixed.switch, fixed.off["flawed"], fixed.on["flawed"]) == (0.0, 0.0, 0.0)
    assert (left.switch, left.off["flawed"], left.on["flawed"]) == (2.0, 0.0, 2.0)
    assert (fixed.profile_distance, left.profile_distance) == (0.0, 1.0)


def test_the_states_are_the_four_of_the_note(example):
    # nothing, plant, irradiated, safe
    assert example.tabular.actions == ("noop", "build", "fix")
    moves = [[0, 1, 0], [2, 2, 3], [2, 2, 2], [3, 3, 3]]
    assert example.tabular.following.tolist() == moves
    paths = both(example, lambda policy: chains.path_of(example.tabular, policy, STEPS)[0])
    assert paths == [[0, 1, 3, 3], [0, 1, 2, 2]]


def test_step_by_step_twice_as_much_is_lost_by_the_fix(example):
    ways = chains.reachable(example.tabular)

    def lost(here, there):
        return (ways[there] & ~ways[here]).mean()

    def found(policy):
        return chains.stepwise(example.tabular, policy, STEPS, lost)

    assert both(example, found) == [0.5, 0.25]


def test_step_by_step_the_fix_cannot_be_undone_either(example):
    ways = chains.reachable(example.tabular)

    def cannot(here, there):
        return int(not ways[here, there])

    def found(policy):
        return chains.stepwise(example.tabular, policy, STEPS, cannot)

    assert both(example, found) == [2, 1]


def test_step_by_step_the_fix_changes_more_of_what_is_attainable(example):
    table = example.tabular
    values = chains.attainable(table, chains.random_utilities(table))

    def changed(here, there):
        return abs(values[:, here] - values[:, there]).mean()

    def found(policy):
        return chains.stepwise(table, policy, STEPS, changed)

    assert both(example, found) == pytest.approx([0.4351, 0.0968], abs=5e-5)


def test_a_builder_who_slips_builds_again():
    states = torch.tensor([[0, 0, 1], [1, 0, 1], [1, 2, 1]])
    assert nuclear_plant.build_only(states, 2).tolist() == [1, 0, 0]
    assert nuclear_plant.build_and_fix(states, 2).tolist() == [1, 2, 2]


def test_a_sound_plant_can_still_be_fixed_later():
    sound = torch.tensor([1, 0, 0])
    assert nuclear_plant.step(sound, torch.tensor(0)).tolist() == [1, 0, 0]
    assert nuclear_plant.step(sound, torch.tensor(2)).tolist() == [1, 2, 0]


def test_with_one_slip_in_ten_by_hand():
    # Built at the first or second step, and the next step is no slip into a fix; or not built.
    stumble = 0.1 / 3
    builds = 1 - 0.1 + stumble
    leaks = (builds + (1 - builds) * builds) * (1 - stumble)
    truth = nuclear_plant.example(slip=0.1).exact(nuclear_plant.build_only)
    assert truth.laws[1][(1.0,)] == pytest.approx(leaks, abs=1e-12)
