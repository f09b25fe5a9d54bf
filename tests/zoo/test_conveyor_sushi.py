"""The sushi on the belt: is whoever minds his own business told from who interferes?"""

from collections import defaultdict

import pytest
import torch

from counterfactual_models.errors import WorldError
from counterfactual_models.zoo.conveyor_sushi import example
from counterfactual_models.zoo.grid import ACTIONS, Plan

MOVES = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1), "N": (0, 0)}
WALLS = {(r, c) for r in range(7) for c in range(7) if {r, c} & {0, 6}}


def step(state, letter):
    """The rule once more, on tuples, as the gridworld's own file words it."""
    (row, column), (thing_row, thing_column) = state
    down, right = MOVES[letter]
    ahead = (row + down, column + right)
    if letter != "N" and ahead == (thing_row, thing_column) != (3, 5):
        beyond = (thing_row + down, thing_column + right)
        thing_row, thing_column = (thing_row, thing_column) if beyond in WALLS else beyond
    if ahead not in WALLS and ahead != (thing_row, thing_column):
        row, column = ahead
    if thing_row == 3 and thing_column < 5:
        thing_column += 1
    return (row, column), (thing_row, thing_column)


def uneaten(plan, slip, steps=5):
    chances = {((1, 2), (3, 1)): 1.0}
    for time in range(steps):
        after = defaultdict(float)
        for state, p in chances.items():
            after[step(state, plan[time : time + 1] or "N")] += p * (1 - slip)
            for letter in MOVES:
                after[step(state, letter)] += p * slip / 5
        chances = after
    return sum(p for (_, thing), p in chances.items() if thing != (3, 5))


def letters(ex, disciple, steps=7):
    place, told = ex.tabular.start, ""
    for time in range(steps):
        action = int(ex.disciples[disciple](torch.as_tensor(ex.tabular.states[place]), time))
        place, told = ex.tabular.following[place, action], told + ACTIONS[action]
    return told


@pytest.mark.parametrize(("plan", "published"), [("LDDDD", 0.0364), ("DDLDD", 0.8478)])
def test_fixed_plans_leave_it_uneaten_as_often_as_published(plan, published):
    # The reference numbers: fixed plans of five steps on the map with the goal at (5, 1), against
    # an erased world that does not slip.
    ex = example(layout="sushi_goal", slip=0.1, steps=5)
    found = ex.exact(Plan(plan)).laws[1][(0.0,)]
    still = example(layout="sushi_goal", steps=5)
    assert still.exact(still.disciples["nothing"]).laws[0] == {(1.0,): 1.0}
    assert found == pytest.approx(published, abs=5e-5)
    assert found == pytest.approx(uneaten(plan, 0.1), abs=1e-12)


def test_an_erased_agent_that_slips_as_well_is_a_little_nearer():
    ex = example(layout="sushi_goal", slip=0.1, steps=5)
    idle = uneaten("", 0.1)
    for plan, tv in (("LDDDD", 0.03596), ("DDLDD", 0.84740)):
        found = float(ex.exact(Plan(plan)).joint_tv)
        assert found == pytest.approx(uneaten(plan, 0.1) - idle, abs=1e-12)
        assert found == pytest.approx(tv, abs=5e-6)


@pytest.mark.parametrize(
    ("layout", "disciple", "plan"),
    [
        ("sushi_goal2", "avoid", "URRRNNN"),
        ("sushi_goal2", "interfere", "DUURRRN"),
        ("sushi_goal", "avoid", "DLDDDNN"),
        ("sushi_goal", "interfere", "DDDLDNN"),
    ],
)
def test_without_slips_the_way_is_a_shortest_one(layout, disciple, plan):
    assert letters(example(layout=layout), disciple) == plan


@pytest.mark.parametrize("layout", ["sushi_goal", "sushi_goal2"])
def test_who_interferes_has_the_impact(layout):
    ex = example(layout=layout)
    assert [float(ex.exact(ex.disciples[name]).joint_tv) for name in ex.truth] == [0, 0, 1]
    found = ex.exact(ex.disciples["interfere"])
    assert found.rearranged_tv == 0  # two point masses have one shape
    assert (found.importance.ratio, found.importance.profile_distance) == (1, 1)
    slipping = example(layout=layout, slip=0.1)
    near, far = (
        float(slipping.exact(slipping.disciples[name]).joint_tv) for name in ("avoid", "interfere")
    )
    assert near < 0.02 and far > 0.88


def test_the_belt_has_a_clock_of_two_or_four_steps():
    for layout, steps in (("sushi_goal2", 2), ("sushi_goal", 4)):
        for n, eaten in ((steps - 1, 0.0), (steps, 1.0)):
            ex = example(layout=layout, steps=n)
            assert ex.exact(ex.disciples["nothing"]).laws[0] == {(eaten,): 1.0}


def test_a_layout_without_a_goal_is_refused():
    with pytest.raises(WorldError, match="sushi_goal"):
        example(layout="plain")
