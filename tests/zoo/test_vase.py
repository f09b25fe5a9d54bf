"""The vase on the way: who walks around it, and who breaks it?"""

import pytest
import torch

from counterfactual_models.zoo.grid import ACTIONS, Plan
from counterfactual_models.zoo.vase import example


def letters(ex, disciple, steps=6):
    place, told = ex.tabular.start, ""
    for time in range(steps):
        action = int(ex.disciples[disciple](torch.as_tensor(ex.tabular.states[place]), time))
        place, told = ex.tabular.following[place, action], told + ACTIONS[action]
    return told


def test_the_careful_one_walks_around():
    ex = example()
    assert letters(ex, "direct") == "UUUNNN"
    assert letters(ex, "careful") == "LUUURN"
    assert [float(ex.exact(ex.disciples[name]).joint_tv) for name in ex.truth] == [0, 0, 1]


def test_a_broken_vase_stays_broken():
    table = example().tabular
    broken = table.states[:, 2] == 0
    assert broken[table.following[broken]].all()
    assert broken.sum() == 12 and (~broken).sum() == 11


def test_one_slip_of_a_plan_is_counted_by_hand():
    # U is taken as it was intended, or by a slip; who waits takes it by a slip alone.
    slip = 0.25
    truth = example(slip=slip, steps=1).exact(Plan("U"))
    assert truth.laws[1][(0.0,)] == pytest.approx(1 - slip * 4 / 5)
    assert truth.laws[0][(0.0,)] == pytest.approx(slip / 5)
    assert truth.path == pytest.approx(1 - slip)


def test_one_who_slips_is_still_the_more_careful():
    ex = example(slip=0.1)
    careful, direct = (float(ex.exact(ex.disciples[n]).joint_tv) for n in ("careful", "direct"))
    assert careful < 0.1 and direct > 0.8
