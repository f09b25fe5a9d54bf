"""Do the peers give the numbers that were worked out by hand for small worlds?

Conventions: T13, T18, T19 without rollouts and summed over time; T18 to T20 undiscounted
reachability, and attainable utility with a discount of .95; T20 summed over three steps; T15 the
last step before the goal.
"""

import numpy as np
import pytest
from peers.small_worlds import box, chain, dynamics, pink_car, plan, power_plant, search, vases

from inference import peers

WAIT, TAKE, PUT = 0, 1, 2
summed = {"over_time": "sum", "rollouts": False}


def attainable_of_the_car(utilities, discount=0.95):
    """Worked out by hand, backwards through the chain: pink cannot last."""
    grey, pink, knows, tricked = utilities
    pink = (1 - discount) * pink + discount * np.maximum(knows, tricked)
    grey = np.maximum(grey, (1 - discount) * grey + discount * pink)
    return grey, pink, knows, tricked


def test_stepwise_charges_the_offset_more_than_the_rescue_of_a_vase():
    world = chain()
    charge = peers.relative_reachability(world, value_discount=0.95, **summed)
    rescue = charge.exact(plan(world, [TAKE, WAIT, WAIT]))
    offset = charge.exact(plan(world, [TAKE, PUT, WAIT]))
    assert rescue == pytest.approx((1 - 0.95**2) / 4)
    assert offset == pytest.approx((1 - 0.95**2) / 4 + (1 - 0.95) / 4)
    assert [round(rescue, 4), round(offset, 4)] == [0.0244, 0.0369]


def test_inaction_charges_the_offset_less_than_the_rescue_of_a_vase():
    world = chain()
    charge = peers.relative_reachability(
        world, baseline="inaction", value_discount=0.95, over_time="last"
    )
    assert charge.exact(plan(world, [TAKE, WAIT, WAIT])) == pytest.approx((1 - 0.95**2) / 4)
    assert charge.exact(plan(world, [TAKE, PUT, WAIT])) == 0


def test_a_box_in_the_corner_loses_45_of_54_states_and_one_aside_12():
    states, following = search(box, ((1, 2), (2, 2)))
    world = dynamics(following, idle=4)
    for baseline in ("start", "inaction"):
        charge = peers.relative_reachability(
            world, baseline=baseline, value_discount=1.0, over_time="last"
        )
        for path, lost in (("LDRDRD", 12), ("DRDR", 45)):
            policy = plan(world, ["UDLRN".index(letter) for letter in path])
            assert charge.exact(policy) == pytest.approx(lost / len(states), abs=1e-15)
        unreachable = peers.unreachability(
            world, baseline=baseline, value_discount=1.0, over_time="last"
        )
        for path in ("LDRDRD", "DRDR"):  # neither way leads back: it cannot rank them
            policy = plan(world, ["UDLRN".index(letter) for letter in path])
            assert unreachable.exact(policy) == 1


@pytest.mark.parametrize("world", [pink_car(), power_plant()])
def test_the_second_irreversible_step_costs_as_much_again(world):
    # T18: paint, paint and trick; T19: build, build and fix: right for the one, wrong for the
    # other.
    one, two = plan(world, [1, 0, 0]), plan(world, [1, 2, 0])
    reach = peers.relative_reachability(world, value_discount=1.0, **summed)
    assert [reach.exact(one), reach.exact(two)] == [0.25, 0.5]
    back = peers.unreachability(world, value_discount=1.0, **summed)
    assert [back.exact(one), back.exact(two)] == [1, 2]
    rolled = peers.unreachability(world, value_discount=1.0, over_time="sum")
    assert [rolled.exact(one), rolled.exact(two)] == pytest.approx([1, 2])


def test_what_is_attainable_from_a_pink_car_and_from_a_trick():
    world = pink_car()
    utilities = np.random.default_rng(3).random((4, 20_000))
    charge = peers.attainable_utility(world, utilities=utilities, value_discount=0.95, **summed)
    grey, pink, knows, tricked = attainable_of_the_car(utilities)
    paint = np.abs(grey - pink).mean()
    assert charge.exact(plan(world, [1, 0, 0])) == pytest.approx(paint)
    assert charge.exact(plan(world, [1, 2, 0])) == pytest.approx(
        paint + np.abs(knows - tricked).mean()
    )
    # .0968 and .4351 were found with some 2000 utilities; the second step alone is E|u - u'| =
    # 1/3.
    assert paint == pytest.approx(0.0968, abs=0.003)
    assert charge.exact(plan(world, [1, 2, 0])) == pytest.approx(0.4351, abs=0.008)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_each_vase_halves_what_can_be_reached(count):
    world = vases(3)
    policy = plan(world, [1, 2, 3][:count] + [0] * (3 - count))
    charge = peers.relative_reachability(
        world, baseline="start", value_discount=1.0, over_time="last"
    )
    assert charge.exact(policy) == 1 - 0.5**count
    charge = peers.attainable_utility(
        world, baseline="start", utilities=20_000, value_discount=0.95, over_time="sum", seed=5
    )
    known = {1: 0.2913, 2: 0.5393, 3: 0.6958}[count]  # of some 2000 utilities
    assert charge.exact(policy) == pytest.approx(known, abs=0.008)


def test_rollouts_see_at_once_what_waiting_will_bring():
    world = pink_car()  # once it is pink, the owner will know
    charge = peers.relative_reachability(world, value_discount=1.0, over_time="sum")
    # From grey all can be reached; from pink three for a while, then what the owner knows alone.
    assert charge.exact(plan(world, [1, 0])) == pytest.approx((1 + 0.99 + 0.99) / 4)
    assert charge.exact(plan(world, [0, 0])) == 0


def test_acting_then_waiting_is_charged_by_where_that_ends():
    world = pink_car()
    utilities = np.random.default_rng(3).random((4, 50))
    grey, pink, knows, tricked = attainable_of_the_car(utilities, 0.9)
    options = {"utilities": utilities, "value_discount": 0.9, "over_time": "sum"}
    later = peers.utility_preservation(world, relative=False, **options)
    stayed = np.maximum(grey, pink)  # the best that one can move to from grey
    assert later.exact(plan(world, [1, 0, 0])) == pytest.approx(np.abs(stayed - knows).mean())
    shares = peers.utility_preservation(world, **options)
    expected = (np.abs(stayed - knows) / stayed).mean()
    assert shares.exact(plan(world, [1, 0, 0])) == pytest.approx(expected)
    assert shares.exact(plan(world, [1, 2, 0])) == pytest.approx(
        expected + (np.abs(knows - tricked) / knows).mean()
    )
    at_once = peers.utility_preservation(world, wait=False, **options)
    expected = (np.abs(grey - pink) / grey).mean()
    assert at_once.exact(plan(world, [1, 0, 0])) == pytest.approx(expected)
    decrease = peers.utility_preservation(world, absolute=False, **options)
    expected = (np.maximum(stayed - knows, 0) / stayed).mean()
    assert decrease.exact(plan(world, [1, 0, 0])) == pytest.approx(expected)
