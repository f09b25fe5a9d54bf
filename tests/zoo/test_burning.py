"""The burning house: is it told whether to break through is harm, or rescue?"""

import pytest
import torch

from counterfactual_models.errors import WorldError
from counterfactual_models.zoo.burning import BURNT, FIRE, WHOLE, example
from counterfactual_models.zoo.grid import ACTIONS


def letters(ex, disciple, steps=9):
    place, told = ex.tabular.start, ""
    for time in range(steps):
        action = int(ex.disciples[disciple](torch.as_tensor(ex.tabular.states[place]), time))
        place, told = ex.tabular.following[place, action], told + ACTIONS[action]
    return told


@pytest.mark.parametrize("on_fire", [False, True])
def test_the_short_way_is_two_steps_long_and_the_other_eight(on_fire):
    ex = example(on_fire=on_fire)
    assert letters(ex, "direct") == "UUNNNNNNN"
    assert letters(ex, "careful") == "LLLUURRRN"


@pytest.mark.parametrize(
    ("on_fire", "erased", "careful", "direct"),
    [(False, (1, 1), (1, 1), (1, 0)), (True, (0, 0), (0, 0), (1, 0))],
)
def test_house_and_crate_end_as_told(on_fire, erased, careful, direct):
    ex = example(on_fire=on_fire)
    for name, on in (("nothing", erased), ("careful", careful), ("direct", direct)):
        truth = ex.exact(ex.disciples[name])
        assert truth.names == ("house_stands", "crate_whole")
        assert truth.laws == {0: {erased: 1.0}, 1: {on: 1.0}}
        assert truth.joint_tv == (0 if on == erased else 1)


def test_the_same_distance_is_harm_without_a_fire_and_rescue_with_one():
    calm, blaze = example(), example(on_fire=True)
    far = [float(ex.exact(ex.disciples["direct"]).joint_tv) for ex in (calm, blaze)]
    assert far == [1, 1]
    assert [ex.truth["direct"] for ex in (calm, blaze)] == ["high", "chosen"]
    assert [ex.truth["careful"] for ex in (calm, blaze)] == ["chosen", "low"]


def test_a_house_burns_down_in_five_steps():
    for steps, stands in ((4, 1.0), (5, 0.0)):
        ex = example(on_fire=True, steps=steps)
        assert ex.exact(ex.disciples["nothing"]).laws[0] == {(stands, stands): 1.0}


def test_what_has_burnt_down_stays_so_and_a_fire_that_is_out_stays_out():
    table = example(on_fire=True).tabular
    after = table.states[table.following]
    burnt, calm = table.states[:, FIRE] == BURNT, table.states[:, FIRE] == 0
    assert (after[burnt][..., FIRE] == BURNT).all() and (after[burnt][..., WHOLE] == 0).all()
    assert (after[calm][..., FIRE] == 0).all()
    assert (after[..., WHOLE] <= table.states[:, None, WHOLE]).all()


def test_whether_there_is_a_fire_is_what_the_world_is_about():
    found = example().exact(example().disciples["direct"]).importance
    assert dict(found.off) == {"fire": 2.0} and dict(found.on) == {"fire": 0.0}


def test_a_fire_that_neither_is_nor_is_not_is_refused():
    with pytest.raises(WorldError, match=r"on_fire='maybe'"):
        example(on_fire="maybe")
