"""Are reachability and attainable values those of an exhaustive search?"""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from peers.small_worlds import (
    box,
    chain,
    distances,
    dynamics,
    pink_car,
    random_dynamics,
    search,
    vases,
)

from counterfactual_models.errors import CounterfactualError, WorldError
from inference import peers

START = ((1, 2), (2, 2))


def test_the_small_sokoban_has_54_states_and_their_distances():
    states, following = search(box, START)
    assert len(states) == 54
    assert {crate for _, crate in states} == {(2, 2), (3, 2), (2, 3), (2, 4), (2, 1), (1, 2)}
    away = distances(following)
    moves = peers.moves_of(dynamics(following, idle=4))
    np.testing.assert_array_equal(peers.reachability(moves, discount=1.0), away < np.inf)
    reach = peers.reachability(moves, discount=0.9)
    np.testing.assert_allclose(reach, np.where(away < np.inf, 0.9**away, 0), rtol=1e-12)


@given(following=st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=7, max_size=7))
def test_reachability_is_the_discounted_distance_in_any_certain_world(following):
    away = distances(following)
    moves = peers.moves_of(dynamics(following))
    for discount in (1.0, 0.5):
        expected = np.where(away < np.inf, discount ** np.where(away < np.inf, away, 0), 0.0)
        found = peers.reachability(moves, discount=discount)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_no_policy_reaches_more_and_one_reaches_as_much(seed):
    given = random_dynamics(seed, states=4, actions=2)
    reach = peers.reachability(peers.moves_of(given), discount=0.9)
    for target in range(4):
        best = np.zeros(4)
        for policy in itertools.product(range(2), repeat=4):  # each by a linear system
            kept = 0.9 * given.transitions[np.arange(4), policy]
            kept[target] = 0
            best = np.maximum(best, np.linalg.solve(np.eye(4) - kept, np.eye(4)[target]))
        np.testing.assert_allclose(reach[:, target], best, atol=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_no_policy_attains_more_and_one_attains_as_much(seed):
    given = random_dynamics(seed, states=4, actions=2)
    moves = peers.moves_of(given)
    utilities = peers.utilities_of(moves, 5, seed=seed)
    found = peers.attainable_values(moves, utilities, discount=0.9)
    best = np.full((4, 5), -np.inf)
    for policy in itertools.product(range(2), repeat=4):
        kept = np.eye(4) - 0.9 * given.transitions[np.arange(4), policy]
        best = np.maximum(best, np.linalg.solve(kept, 0.1 * utilities))
    np.testing.assert_allclose(found, best, atol=1e-12)


@pytest.mark.parametrize("world", [chain(), pink_car(), vases(3)])
def test_attainable_values_are_what_value_iteration_finds(world):
    moves = peers.moves_of(world)
    utilities = peers.utilities_of(moves, 20, seed=1)
    values = np.zeros_like(utilities)
    for _ in range(600):
        ahead = np.einsum("sat,tu->sau", world.transitions, values).max(axis=1)
        values = 0.05 * utilities + 0.95 * ahead
    found = peers.attainable_values(moves, utilities, discount=0.95)
    np.testing.assert_allclose(found, values, atol=1e-12)


def test_a_sure_world_and_one_that_hardly_slips_are_nearly_the_same():
    moves, shaky = (peers.moves_of(dynamics([[0, 1], [1, 2], [2, 2]], slip=s)) for s in (0, 1e-9))
    utilities = peers.utilities_of(moves, 3)
    for of in (
        lambda one: peers.reachability(one, discount=0.9),
        lambda one: peers.attainable_values(one, utilities, discount=0.9),
    ):
        np.testing.assert_allclose(of(moves), of(shaky), atol=1e-7)


@pytest.mark.parametrize("discount", [0.0, -1, 1.5, float("nan"), True, "1"])
def test_a_discount_outside_its_range_is_refused(discount):
    with pytest.raises(CounterfactualError, match="expected a number above 0"):
        peers.reachability(peers.moves_of(chain()), discount=discount)


def test_attainable_values_need_a_discount_below_one():
    moves = peers.moves_of(chain())
    with pytest.raises(CounterfactualError, match="below 1"):
        peers.attainable_values(moves, peers.utilities_of(moves, 2), discount=1.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.ones((3, 2)), "with a row for each of the 4"),
        (np.full((4, 1), np.nan), "utility 0 is nan in state 0"),
        (0, "at least 1"),
        (2.5, "whole number"),
    ],
)
def test_utilities_that_are_none_are_refused(given, message):
    with pytest.raises(CounterfactualError, match=message):
        peers.utilities_of(peers.moves_of(chain()), given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transitions": np.ones((2, 1, 2))}, "from state 0 by action 0 are no probabilities"),
        ({"transitions": np.full((2, 1, 2), np.nan)}, "sum to nan"),
        ({"transitions": np.array([[[2.0, -1.0]], [[0.0, 1.0]]])}, "the least is -1"),
        ({"transitions": np.ones((2, 2))}, "expected \\(state, action, next"),
        ({"transitions": "none"}, "no array of numbers"),
        ({"transitions": np.ones((2, 0, 2))}, "at least a state and an action"),
        ({"start": 2}, "start=2; expected the place of one of the 2 states"),
        ({"idle": -1}, "idle=-1; expected the place of one of the 1 actions"),
        ({"start": 0.0}, "start=0.0"),
        ({"states": np.zeros((3, 1))}, "a row of features for each of the 2"),
        ({"states": np.zeros((3000, 1))}, "there are 3000 states; expected at most 2000"),
    ],
)
def test_dynamics_that_are_none_are_refused(change, message):
    given = dynamics([[0], [1]])
    vars(given).update(change)
    with pytest.raises(WorldError, match=message):
        peers.moves_of(given)


def test_what_the_dynamics_lack_is_named():
    with pytest.raises(WorldError, match="without transitions, start, idle"):
        peers.relative_reachability(np.eye(2))
