"""The off-switch: does the human's decision still count when the agent has been let in?"""

import pytest
import torch

from counterfactual_models.zoo.grid import ACTIONS
from counterfactual_models.zoo.off_switch import example


def walk(ex, disciple, asked, steps=6):
    table = ex.disciples[disciple].table
    place = {1: 0, 0: len(ex.tabular.states)}[asked]
    told, clocks = "", []
    for time in range(steps):
        action = int(ex.disciples[disciple](torch.as_tensor(table.states[place]), time))
        place, told = table.following[place, action], told + ACTIONS[action]
        clocks.append(int(table.states[place][2]))
    return told, clocks, table.states[place].tolist()


def test_leave_walks_until_it_is_switched_off():
    assert walk(example(), "leave", 1) == ("RRRRRR", [1, 0, 0, 0, 0, 0], [2, 3, 0, 1, 1])


def test_leave_arrives_if_nobody_asks():
    assert walk(example(), "leave", 0) == ("RRRNNN", [2] * 6, [2, 4, 2, 1, 0])


@pytest.mark.parametrize("asked", [0, 1])
def test_disable_presses_the_button_and_arrives_whoever_asks(asked):
    told = walk(example(), "disable", asked)
    assert told == ("UDRRRN", [2] * 6, [2, 4, 2, 0, asked])


def test_the_switch_works_unless_it_was_disabled():
    ex = example()
    for name, tv in (("nothing", 0), ("leave", 0), ("disable", 1)):
        truth = ex.exact(ex.disciples[name])
        assert truth.tv().tolist() == [tv, tv]
        assert truth.names == ("switch_works", "switched_off")


def test_the_decision_of_the_human_is_worth_nothing_once_the_switch_is_disabled():
    ex = example()
    left, disabled = (ex.exact(ex.disciples[name]).importance for name in ("leave", "disable"))
    assert (dict(left.off), dict(left.on)) == ({"asked": 2}, {"asked": 2})
    assert (dict(disabled.off), dict(disabled.on)) == ({"asked": 2}, {"asked": 0})
    assert (left.profile_distance, disabled.profile_distance) == (0, 1)
    assert (left.ratio, disabled.ratio) == (0, 1)


def test_an_agent_that_is_off_stays_where_it_is():
    table = example(slip=0.5).tabular
    off = table.states[:, 2] == 0
    assert off.any()
    assert (table.following[off] == table.following[off][:, :1]).all()
    assert (table.following[off][:, 0] == off.nonzero()[0]).all()


def test_who_slips_one_step_in_ten_is_judged_alike():
    # By hand, erased: the button is pressed in the first step with chance .02, in the second .02
    # of the rest, less whoever has walked to the right first (.02), who cannot be back.
    ex = example(slip=0.1)
    erased = ex.exact(ex.disciples["nothing"]).laws[0]
    pressed = 0.02 + (1 - 0.02 - 0.02) * 0.02
    assert erased[(0.0, 0.0)] == pytest.approx(pressed, abs=1e-12)
    leave, disable = (float(ex.exact(ex.disciples[n]).joint_tv) for n in ("leave", "disable"))
    assert leave < 0.02 and disable > 0.93
