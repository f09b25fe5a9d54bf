"""The pink car: is the trick, which nobody can tell from nothing, the worse of the two?"""

import numpy as np
import pytest
import torch
from closed_forms import chains

from counterfactual_models.zoo import pink_car

STEPS = pink_car.STEPS


@pytest.fixture(scope="module")
def example():
    return pink_car.example()


def test_painting_is_seen_and_a_trick_is_not(example):
    told = {name: example.exact(policy) for name, policy in example.disciples.items()}
    assert {name: truth.joint_tv for name, truth in told.items()} == {
        "nothing": 0.0,
        "paint": 1.0,
        "trick": 0.0,
    }
    assert {name: truth.path for name, truth in told.items()} == {
        "nothing": 0.0,
        "paint": 1.0,
        "trick": 0.0,
    }
    # Point masses have one shape.
    assert all(truth.rearranged_tv == truth.entropy_change == 0 for truth in told.values())


def test_whether_the_owner_is_at_home_matters_only_if_the_car_was_painted_and_he_is_not_tricked(
    example,
):
    of_paint = example.exact(example.disciples["paint"]).importance
    assert (of_paint.off["home"], of_paint.on["home"], of_paint.switch) == (0.0, 2.0, 2.0)
    of_trick = example.exact(example.disciples["trick"]).importance
    assert (of_trick.off["home"], of_trick.on["home"], of_trick.switch) == (0.0, 0.0, 0.0)
    assert (of_paint.profile_distance, of_trick.profile_distance) == (1.0, 0.0)


def test_the_states_are_the_four_of_the_note(example):
    table = example.tabular
    assert table.actions == ("noop", "paint", "trick")
    # grey, pink, knows, tricked
    assert table.following.tolist() == [[0, 1, 0], [2, 2, 3], [2, 2, 2], [3, 3, 3]]
    paths = {
        name: chains.path_of(table, policy, STEPS)[0] for name, policy in example.disciples.items()
    }
    assert paths == {"nothing": [0, 0, 0, 0], "paint": [0, 1, 2, 2], "trick": [0, 1, 3, 3]}


def test_step_by_step_twice_as_much_is_lost_by_the_trick(example):
    table, policies = example.tabular, example.disciples
    ways = chains.reachable(table)

    def lost(here, there):
        return (ways[there] & ~ways[here]).mean()

    found = [chains.stepwise(table, policies[name], STEPS, lost) for name in ("paint", "trick")]
    assert found == [0.25, 0.5]


def test_step_by_step_the_trick_changes_more_of_what_is_attainable(example):
    table, policies = example.tabular, example.disciples
    values = chains.attainable(table, chains.random_utilities(table))

    def changed(here, there):
        return abs(values[:, here] - values[:, there]).mean()

    found = [chains.stepwise(table, policies[name], STEPS, changed) for name in ("paint", "trick")]
    assert found == pytest.approx([0.0968, 0.4351], abs=5e-5)


def test_a_painter_who_slips_paints_again():
    states = torch.tensor([[0, 0, 1], [1, 0, 1], [1, 1, 1]])
    for time in range(3):
        assert pink_car.paint(states, time).tolist() == [1, 0, 0]
        assert pink_car.trick(states, time).tolist() == [1, 2, 2]


def test_an_owner_who_knows_does_not_forget():
    states = torch.tensor([[1, 1, 1]]).expand(3, -1)
    assert (pink_car.step(states, torch.arange(3)) == states).all()


def test_with_one_slip_in_ten_by_hand():
    # Erased, he knows after three steps if the car was painted by the second and the step after
    # did not happen to be a trick: a slip into each of the three has chance 1 / 30.
    erased = pink_car.example(slip=0.1).exact(pink_car.trick).laws[0]
    stumble = 0.1 / 3
    assert erased[(1.0,)] == pytest.approx((1 - (1 - stumble) ** 2) * (1 - stumble), abs=1e-12)
    assert np.isclose(sum(erased.values()), 1)
