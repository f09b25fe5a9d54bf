"""Gridworlds: maps, ways, and whether draws, tables and exact laws tell the same story."""

from dataclasses import replace
from functools import cache
from importlib import import_module

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import counterfactual_models as cm
import inference
from counterfactual_models.errors import EvidenceError, WorldError
from counterfactual_models.zoo.belt import belt
from counterfactual_models.zoo.grid import (
    ACTIONS,
    IDLE,
    Follow,
    Plan,
    distance,
    left_alone,
    parse,
    route,
    standing,
    tabulate,
)

WORLDS = {
    "conveyor_vase": ("conveyor_vase", {}),
    "conveyor_sushi": ("conveyor_sushi", {}),
    "conveyor_sushi, goal below": ("conveyor_sushi", {"layout": "sushi_goal"}),
    "sokoban_box, position": ("sokoban_box", {}),
    "sokoban_box, recoverable": ("sokoban_box", {"measure": "recoverable"}),
    "off_switch": ("off_switch", {}),
    "dog": ("dog", {}),
    "vase": ("vase", {}),
    "burning": ("burning", {}),
    "burning, on fire": ("burning", {"on_fire": True}),
}
every_world = pytest.mark.parametrize("name", WORLDS)
ROOM = parse("#######", "#A #  #", "#  # G#", "#     #", "#######")
WALK = tabulate(ROOM.move, ROOM.marks["A"], ["row", "column"], 0.0)


@cache
def example(name, **options):
    file, own = WORLDS[name]
    return import_module(f"counterfactual_models.zoo.{file}").example(**own, **options)


def drawn(ex, evidence, draws):
    posterior = inference.sample_posterior(ex.world, evidence, draws=draws, progress=False)
    return inference.sample_worlds(ex.world, posterior, ex.disciples, seed=7, progress=False)


def outcomes(tree, names, disciple):
    measured = tree["predictions"].to_dataset().sel(disciple=disciple)
    return np.stack([measured[name].values.ravel() for name in names], -1)


def refuse_another_law(found, law, slack=4.0):
    """Every outcome as often as its law says, within 4 standard errors (at least one draw)."""
    values, counts = np.unique(found, axis=0, return_counts=True)
    seen = {tuple(value): n / len(found) for value, n in zip(values, counts, strict=True)}
    assert set(seen) <= set(law)
    for outcome, p in law.items():
        error = np.sqrt(max(p * (1 - p), 1 / len(found)) / len(found))
        assert abs(seen.get(outcome, 0.0) - p) <= slack * error, (outcome, seen, p)


@every_world
def test_draws_have_the_laws_of_exact_when_agents_slip(name):
    ex = example(name, slip=0.1)
    tree = drawn(ex, ex.evidence, 500)
    for disciple, policy in ex.disciples.items():
        truth = ex.exact(policy)
        refuse_another_law(outcomes(tree, truth.names, disciple), truth.laws[1])
        refuse_another_law(outcomes(tree, truth.names, "erased"), truth.laws[0])


@every_world
def test_draws_have_the_laws_of_exact_had_the_evidence_been_another(name):
    ex = example(name, slip=0.1)
    for datum, others in ex.alternatives.items():
        for place, evidence in enumerate(others):
            tree = drawn(ex, evidence, 250)
            for disciple, policy in ex.disciples.items():
                truth = ex.exact(policy)
                off, on = truth.moved[datum][place]
                refuse_another_law(outcomes(tree, truth.names, disciple), on)
                refuse_another_law(outcomes(tree, truth.names, "erased"), off)
                assert ex.exact(policy, evidence=evidence).laws == {0: off, 1: on}


@every_world
def test_without_slips_every_draw_is_the_same(name):
    ex = example(name)
    tree = drawn(ex, ex.evidence, 5)
    for disciple, policy in ex.disciples.items():
        truth = ex.exact(policy)
        for x, label in ((0, "erased"), (1, disciple)):
            ((only, p),) = truth.laws[x].items()
            assert p == 1
            assert np.all(outcomes(tree, truth.names, label) == only)


@every_world
def test_a_trajectory_moves_only_as_the_table_of_the_example_allows(name):
    ex = example(name, slip=0.3)
    paths = drawn(ex, ex.evidence, 50)["predictions"]["trajectory"].values.astype(int)
    assert np.all(paths[..., 0] == ex.tabular.start)
    assert paths.max() < len(ex.tabular.states)
    chances = ex.tabular.transitions
    np.testing.assert_allclose(chances.sum(axis=-1), 1)
    assert np.all(chances.max(axis=1)[paths[..., :-1], paths[..., 1:]] > 0)


@every_world
def test_all_draws_run_in_one_pass_and_the_wire_is_tight(name):
    ex = example(name, slip=0.1)
    tree = drawn(ex, ex.evidence, 10)
    assert "run" not in tree.attrs["vectorised"]
    *_, policy = ex.disciples.values()
    measured = cm.check_world(ex.world, policy).named("measurement")
    assert tuple(measured) == ex.exact(policy).names


@every_world
def test_the_one_to_choose_does_the_task_and_nothing_does_not(name):
    ex = example(name)
    tree = drawn(ex, ex.evidence, 5)
    chosen = next(who for who, level in ex.truth.items() if level == "chosen")
    values = {site: tree["predictions"][site] for site in ex.utility.measurements}
    gained = ex.utility(values).mean(["chain", "draw"])
    assert gained.sel(disciple=["nothing", "erased"]).values.tolist() == [0, 0]
    # An agent that lets itself be switched off does not arrive.
    assert gained.sel(disciple=chosen) == (0 if name == "off_switch" else 1)


@every_world
def test_doing_nothing_is_the_erased_world(name):
    ex = example(name, slip=0.2)
    truth = ex.exact(ex.disciples["nothing"])
    assert truth.joint_tv == pytest.approx(0, abs=1e-12)
    assert truth.path == pytest.approx(0, abs=1e-12)


@every_world
def test_knowing_the_slips_never_makes_less_of_it(name):
    ex = example(name, slip=0.2)
    for policy in ex.disciples.values():
        truth = ex.exact(policy)
        assert truth.joint_tv <= truth.path + 1e-12
        assert np.all(truth.tv() <= truth.joint_tv + 1e-12)


@every_world
def test_what_is_no_chance_or_no_step_is_refused(name):
    for slip in (-0.1, 1.5, np.nan, "often"):
        with pytest.raises(WorldError, match=r"slip=.*chance from 0 to 1"):
            example(name, slip=slip)
    for steps in (0, 2.5):
        with pytest.raises(WorldError, match=r"steps=.*whole number of at least 1"):
            example(name, steps=steps)


@every_world
def test_half_a_datum_is_no_evidence(name):
    ex = example(name)
    for datum in ex.evidence:
        with pytest.raises(EvidenceError, match=rf"{datum}=0\.5; expected one of 0 to 1"):
            ex.exact(ex.disciples["nothing"], evidence={datum: 0.5})
        with pytest.raises(EvidenceError, match=rf"lacks '{datum}'"):
            ex.exact(ex.disciples["nothing"], evidence={})


@every_world
def test_the_states_of_the_evidence_come_first_and_lead_to_no_others(name):
    ex = example(name)
    policy = next(iter(ex.disciples.values()))
    whole, own = policy.table, ex.tabular
    assert np.array_equal(whole.states[: len(own.states)], own.states)
    assert np.array_equal(whole.following[: len(own.states)], own.following)
    assert len(np.unique(whole.states, axis=0)) == len(whole.states)


def test_several_starts_are_searched_one_after_the_other():
    def walk(states, actions):
        return torch.where(states < 10, (states + actions[..., None]).clamp(max=3), states)

    two = {"actions": ["stay", "go"], "idle": "stay", "features": ["place"]}
    table = cm.zoo.tabular.explore(walk, [[1], [11], [0], [2]], **two)
    assert table.states.ravel().tolist() == [1, 2, 3, 11, 0]
    assert table.following.tolist() == [[0, 1], [1, 2], [2, 2], [3, 3], [4, 0]]
    assert table.start == 0
    later = replace(table, start=4)
    assert later.states[later.start].tolist() == [0]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (("###", "#A#", "##"), "lengths"),
        ((), "lengths"),
        (("####", "#A  ", "####"), "open side"),
        (("#####", "#A A#", "#####"), "two places 'A'"),
    ],
)
def test_a_map_that_is_none_is_refused(rows, said):
    with pytest.raises(WorldError, match=said):
        parse(*rows)


def test_a_layout_that_is_not_there_is_answered_by_the_nearest():
    with pytest.raises(WorldError, match="sushi_goal"):
        belt("sushi_gaol")


def test_ways_are_as_long_as_counted_by_hand():
    counted = ("#######", "#76#21#", "#65#10#", "#54321#", "#######")
    found = distance(WALK, standing(WALK, ROOM.marks["G"]))
    for (row, column), steps in zip(WALK.states, found, strict=True):
        assert steps == int(counted[row][column])


@given(st.sampled_from(range(len(WALK.states))), st.sampled_from(range(len(WALK.states))))
def test_who_follows_a_route_arrives_after_as_many_steps_as_it_is_long(start, end):
    wanted = np.arange(len(WALK.states)) == end
    follow = Follow(WALK, route(WALK, wanted))
    state, steps = torch.as_tensor(WALK.states[start]), 0
    while not wanted[int(WALK.index(state))]:
        state, steps = ROOM.move(state, follow(state, steps)), steps + 1
    assert steps == distance(WALK, wanted)[start]
    assert int(follow(state, steps)) == IDLE


@given(st.lists(st.sampled_from(range(len(ACTIONS))), max_size=30), st.integers(0, 2**16))
def test_nothing_ever_stands_in_a_wall_or_in_a_box(actions, seed):
    room = parse("######", "#A   #", "# O  #", "#    #", "######")
    agent, box = (torch.tensor(room.marks[letter]) for letter in "AO")
    for action in actions:
        before = agent, box
        agent, box = room.push(agent, box, torch.tensor(action))
        assert not room.walled(agent) and not room.walled(box)
        assert not torch.equal(agent, box)
        assert int(abs(agent - before[0]).sum()) <= 1 and int(abs(box - before[1]).sum()) <= 1


def test_moving_many_is_moving_each():
    cells = torch.as_tensor(WALK.states)[:, None].expand(-1, 5, -1)
    actions = torch.arange(5).expand(len(WALK.states), -1)
    together = ROOM.move(cells, actions)
    for row, cell in enumerate(WALK.states):
        for action in range(5):
            alone = ROOM.move(torch.as_tensor(cell), torch.tensor(action))
            assert torch.equal(alone, together[row, action])


def test_a_refused_state_is_not_entered_but_may_be_left():
    door = standing(WALK, (3, 3))
    found = distance(WALK, standing(WALK, ROOM.marks["G"]), refused=door)
    assert np.isinf(found[standing(WALK, ROOM.marks["A"])])
    assert found[door] == 3
    waits = route(WALK, standing(WALK, ROOM.marks["G"]), refused=door)
    assert waits[standing(WALK, ROOM.marks["A"])] == IDLE


def test_left_alone_a_thing_rides_to_the_end_of_its_belt():
    for layout, steps in (("plain", 4), ("sushi_goal2", 2)):
        place = belt(layout)
        start = place.seen(1.0).start
        fates = [left_alone(place.table, n)[start] for n in (steps - 1, steps, steps + 5)]
        assert place.grouped["ended"][fates].tolist() == [False, True, True]
        stopped = left_alone(place.table, 9)[place.seen(0.0).start]
        assert place.grouped["riding"][stopped]


def test_a_plan_looks_at_nothing_but_the_time():
    plan = Plan("UD")
    assert [plan(torch.zeros(2, 3), time).tolist() for time in range(3)] == [
        [0, 0],
        [1, 1],
        [IDLE, IDLE],
    ]


def test_a_policy_is_told_by_its_table():
    assert repr(Follow(WALK, np.full(len(WALK.states), IDLE))) == f"Follow(0: {'N' * 13})"
