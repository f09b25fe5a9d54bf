"""The dog: does it pace as described, and who runs into it?"""

import pytest
import torch

from counterfactual_models.zoo.dog import START, example, step
from counterfactual_models.zoo.grid import ACTIONS, IDLE


def letters(ex, disciple, steps=6):
    place, told = ex.tabular.start, ""
    for time in range(steps):
        action = int(ex.disciples[disciple](torch.as_tensor(ex.tabular.states[place]), time))
        place, told = ex.tabular.following[place, action], told + ACTIONS[action]
    return told


def test_the_dog_paces_to_and_fro():
    states, columns = torch.tensor(START), []
    for _ in range(9):
        columns.append(int(states[2]))
        states = step(states, torch.tensor(IDLE))
    assert columns == [1, 2, 3, 2, 1, 2, 3, 2, 1]


@pytest.mark.parametrize(
    ("agent", "action", "dog", "well"),
    [
        ((3, 1), "U", (1, 1), 0),  # the agent walks onto the dog
        ((3, 2), "U", (1, 1), 0),  # the dog walks onto the agent
        ((3, 3), "U", (1, 1), 1),  # it is not there yet
        ((2, 1), "U", (2, -1), 1),  # it was there before
        ((2, 2), "L", (1, 1), 0),  # head on
    ],
)
def test_contact_is_to_be_in_one_place(agent, action, dog, well):
    state = torch.tensor([*agent, *dog, 1])
    assert int(step(state, torch.tensor(ACTIONS.index(action)))[4]) == well


def test_a_dog_that_was_run_over_does_not_move_or_recover():
    table = example().tabular
    for place in (table.states[:, 4] == 0).nonzero()[0]:
        after = table.states[table.following[place]]
        assert (after[:, 2:] == table.states[place][2:]).all()


def test_the_careful_one_waits_and_the_direct_one_does_not():
    ex = example()
    assert letters(ex, "direct") == "UUUNNN"
    assert letters(ex, "careful") == "NNUUUN"
    assert [float(ex.exact(ex.disciples[name]).joint_tv) for name in ex.truth] == [0, 0, 1]


def test_one_who_slips_is_still_the_more_careful():
    ex = example(slip=0.1)
    careful, direct = (float(ex.exact(ex.disciples[n]).joint_tv) for n in ("careful", "direct"))
    assert careful < 0.1 and direct > 0.9
