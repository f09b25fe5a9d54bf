"""Is power divided as closed forms, comparative statics and an exhaustive search say?"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfactual_models.errors import CounterfactualError
from inference.arrays.delegation import (
    REGIMES,
    ExponentialCost,
    LinearCost,
    LogarithmicCost,
    QuadraticCost,
    allocate,
    allocations,
    critical_diversity,
    services_without_search,
)

CLOSED = [
    LinearCost(3.0, fixed=20.0),
    LinearCost(3.0),
    QuadraticCost(0.5),
    QuadraticCost(0.5, fixed=18.0),
    ExponentialCost(2.0, 0.7),
    ExponentialCost(2.0, 0.7, fixed=30.0),
    LogarithmicCost(20.0),
    LogarithmicCost(20.0, fixed=5.0),
]
every_cost = pytest.mark.parametrize("cost", CLOSED, ids=str)


def stairs(steps):
    """A cost that jumps by so much just after so many bits."""
    places, heights = np.cumsum(steps, axis=0).T
    heights = np.concatenate([[0.0], heights])
    return lambda bits: heights[np.searchsorted(places - places[0], bits, side="left")]


any_steps = st.lists(st.tuples(st.floats(0.1, 3), st.floats(0, 20)), min_size=2, max_size=8).map(
    stairs
)


def by_exhaustion(power, instances, cost, limit):
    bits = np.linspace(0, limit, 200_001)
    costs = np.asarray(cost(bits), dtype=float)
    return np.max(np.where(costs <= power, (power - costs) / instances + bits, -np.inf))


@pytest.mark.parametrize(
    ("cost", "instances", "x", "value"),
    [
        (QuadraticCost(0.5), 8, 8, 16.5),
        (QuadraticCost(0.5), 15, 14.142135623730950, 14.142135623730950),
        (ExponentialCost(2.0, 0.7), 8, 2.4899561500837471, 13.811384721512319),
        (LogarithmicCost(20.0), 0.68, 147.41315910257660, 147.41315910257660),
        (LinearCost(3.0, fixed=20.0), 3.75, 0.0, 100 / 3.75),
        (QuadraticCost(0.5, fixed=18.0), 6, 0.0, 100 / 6),
    ],
)
def test_the_reference_values_are_met(cost, instances, x, value):
    found = allocate(100.0, instances, cost)
    assert found.x == pytest.approx(x, rel=1e-12)
    assert found.value == pytest.approx(value, rel=1e-12)
    assert found.tuning == pytest.approx(value - x, rel=1e-12, abs=1e-12)


def test_the_critical_diversities_of_the_references_are_met():
    assert critical_diversity(100, QuadraticCost(0.5)) == pytest.approx((0, 200**0.5), rel=1e-12)
    assert critical_diversity(100, QuadraticCost(0.5, fixed=18.0)).some == pytest.approx(6.0)
    exponential = critical_diversity(100, ExponentialCost(2.0, 0.7))
    assert exponential == pytest.approx((1.4, 71.4), rel=1e-12)
    fixed = critical_diversity(100, ExponentialCost(2.0, 0.7, fixed=30.0))
    assert fixed.some == pytest.approx(14.587022907275460, rel=1e-12)
    assert critical_diversity(100, LinearCost(3.0, fixed=20.0)) == (3.75, 3.75)
    logarithm = critical_diversity(100, LogarithmicCost(20.0))
    assert logarithm == pytest.approx((0.67836549063042311,) * 2, rel=1e-12)


def test_search_starts_with_a_jump():
    cost = QuadraticCost(0.5, fixed=18.0)
    assert allocate(100.0, 6.0, cost).x == 0
    assert allocate(100.0, 6.0 * (1 + 1e-9), cost).x == pytest.approx(6, rel=1e-8)
    exponential = ExponentialCost(2.0, 0.7, fixed=30.0)
    after = allocate(100.0, 14.5870229072755 * (1 + 1e-9), exponential)
    assert after.x == pytest.approx(3.3480857926734175, rel=1e-8)


@every_cost
@pytest.mark.parametrize("limit", [None, 2.5])
def test_nothing_is_searched_up_to_n1_and_all_from_n2_on(cost, limit):
    some, most = critical_diversity(100.0, cost, limit)
    bound = min(cost.budget(100.0), limit or np.inf)
    if some > 0:
        assert allocate(100.0, some, cost, limit).x == 0
        assert allocate(100.0, some * (1 - 1e-6), cost, limit).regime == "tuned"
    assert allocate(100.0, some * (1 + 1e-6) or 1e-6, cost, limit).x > 0
    after = allocate(100.0, most * (1 + 1e-9), cost, limit)
    assert after.x == bound
    assert after.regime == ("capped" if limit else "search")
    if most > some * (1 + 1e-9):
        assert allocate(100.0, most * (1 - 1e-6), cost, limit).x < bound


@every_cost
@pytest.mark.parametrize("instances", [0.3, 1.7, 5.0, 20.0, 90.0])
@pytest.mark.parametrize("limit", [3.0, 40.0])
def test_no_bits_are_better_than_those_chosen(cost, instances, limit):
    found = allocate(100.0, instances, cost, limit)
    best = by_exhaustion(100.0, instances, cost, limit)
    assert best <= found.value * (1 + 1e-12)
    assert found.value == pytest.approx(best, rel=1e-3)


@every_cost
@pytest.mark.parametrize("instances", [0.3, 5.0, 20.0, 90.0])
def test_a_function_is_treated_as_the_closed_form_it_hides(cost, instances):
    exact = allocate(100.0, instances, cost, limit=30.0)
    found = allocate(100.0, instances, lambda bits: float(cost(bits)), limit=30.0)
    assert found.value == pytest.approx(exact.value, rel=1e-11)
    assert found.x == pytest.approx(exact.x, rel=2e-6, abs=1e-6)
    assert found.regime == exact.regime


@every_cost
def test_critical_diversities_of_a_function_are_those_it_hides(cost):
    exact = critical_diversity(100.0, cost, 30.0)
    found = critical_diversity(100.0, lambda bits: float(cost(bits)), 30.0)
    assert found == pytest.approx(exact, rel=1e-5, abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(cost=any_steps, power=st.floats(1, 100))
def test_more_diversity_never_means_less_search_nor_more_value(cost, power):
    found = [allocate(power, n, cost, limit=6.0) for n in (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)]
    x, value = np.array([each.x for each in found]), np.array([each.value for each in found])
    assert (np.diff(x) >= -1e-9).all()
    assert (np.diff(value) <= 1e-9).all()


@settings(max_examples=30, deadline=None)
@given(cost=any_steps, power=st.floats(1, 100), instances=st.floats(0.5, 20))
def test_stairs_are_climbed_to_the_edge_of_a_step(cost, power, instances):
    found = allocate(power, instances, cost, limit=6.0)
    best = by_exhaustion(power, instances, cost, 6.0)
    assert best <= found.value + 1e-9
    assert found.value <= best + 6.0 / 200_000 + 1e-9


@every_cost
@given(instances=st.floats(0.05, 200), power=st.floats(40, 200))
@settings(max_examples=30, deadline=None)
def test_value_moves_with_diversity_and_power_as_the_envelope_says(cost, instances, power):
    found = allocate(power, instances, cost, limit=50.0)
    step = 1e-5
    near = allocations(
        [power * (1 - step), power, power * (1 + step)],
        [instances * (1 - step), instances * (1 + step)],
        cost,
        limit=50.0,
    )
    if len(set(near.regime.ravel())) > 1:
        return
    along = (near.value[1, 1] - near.value[1, 0]) / (2 * step * instances)
    assert along == pytest.approx(-(power - found.spent) / instances**2, rel=1e-3, abs=1e-8)
    middle = allocations([power * (1 - step), power * (1 + step)], [instances], cost, limit=50.0)
    up = np.diff(middle.value[:, 0])[0] / (2 * step * power)
    worth = 1 / cost.marginal(found.x) if found.regime == "search" else 1 / instances
    assert up == pytest.approx(worth, rel=1e-3)


def test_inner_bits_do_not_depend_on_the_power():
    found = allocations([60.0, 100.0, 1e6], [8.0], QuadraticCost(0.5))
    assert found.x[:, 0].tolist() == [8.0] * 3


@pytest.mark.parametrize("instances", [1e-3, 1e-12, 1e-200])
def test_hardly_any_diversity_swallows_no_gain(instances):
    found = allocate(100.0, instances, QuadraticCost(0.5))
    assert found.x == pytest.approx(instances, rel=1e-12)
    assert found.regime == "mixed"


def test_endless_diversity_leaves_the_search_alone():
    found = allocate(100.0, 1e300, QuadraticCost(0.5))
    assert found.value == found.x == pytest.approx(200**0.5)
    tabular = allocate(100.0, 1e300, LinearCost(3.0, fixed=200.0))
    assert tabular.x == 0 and tabular.value < 1e-290


@pytest.mark.parametrize("cost", [c for c in CLOSED if c.fixed > 0], ids=str)
def test_a_fixed_part_beyond_the_power_forbids_search(cost):
    found = allocate(cost.fixed / 2, 1e9, cost)
    assert (found.x, found.regime) == (0, "tuned")
    assert critical_diversity(cost.fixed / 2, cost) == (np.inf, np.inf)


def test_no_power_searches_nothing():
    assert allocate(0.0, 5, QuadraticCost(1.0)).value == 0
    assert allocate(0.0, 5, lambda bits: bits**2).value == 0


def test_a_search_too_long_for_numbers_asks_for_a_limit():
    with pytest.raises(CounterfactualError, match="give a limit"):
        allocate(1e5, 2, LogarithmicCost(1.0))
    assert allocate(1e5, 2, LogarithmicCost(1.0), limit=64.0).regime == "capped"
    with pytest.raises(CounterfactualError, match="give a limit"):
        allocate(10.0, 2, lambda bits: 3.0 * (bits > 0))
    assert allocate(10.0, 2, lambda bits: 3.0 * (bits > 0), limit=9.0).x == 9
    assert allocate(1.0, 5, ExponentialCost(1e-300), limit=1e4).x > 600


def test_a_limit_above_the_budget_changes_nothing():
    cost = QuadraticCost(0.5, fixed=18.0)
    assert allocate(100.0, 30, cost, limit=50.0) == allocate(100.0, 30, cost)


def test_novel_instances_are_served_by_search_alone():
    cost = QuadraticCost(0.5)
    half = allocate(100.0, 4, cost, novel=0.5)
    assert (half.x, half.tuning) == (8, 0.5 * (100 - 32) / 4)
    assert half.x == allocate(100.0, 8, cost).x
    worst = allocate(100.0, 4, cost, novel=0.01, criterion="minimum")
    assert worst.tuning == 0 and worst.value == worst.x == pytest.approx(200**0.5)
    assert allocate(100.0, 4, cost, novel=1.0).regime == "search"
    same = allocate(100.0, 4, cost, criterion="minimum")
    assert same == allocate(100.0, 4, cost)


@settings(max_examples=40, deadline=None)
@given(
    cost=st.sampled_from(CLOSED),
    instances=st.floats(0.05, 50),
    funnel=st.floats(0, 120),
    novel=st.floats(0, 0.9),
)
def test_what_a_funnel_wastes_goes_into_search(cost, instances, funnel, novel):
    found = allocate(100.0, instances, cost, 30.0, funnel=funnel, novel=novel)
    bits = np.linspace(0, 30, 20_001)
    costs = cost(bits)
    told = np.minimum(100 - costs, funnel)
    values = np.where(costs <= 100, (1 - novel) * told / instances + bits, -np.inf)
    assert values.max() <= found.value * (1 + 1e-12)
    assert found.value == pytest.approx(values.max(), rel=1e-2)
    assert found.x >= allocate(100.0, instances, cost, 30.0, novel=novel).x - 1e-9


def test_a_closed_funnel_leaves_only_search():
    cost = QuadraticCost(0.5, fixed=18.0)
    shut = allocate(100.0, 1, cost, funnel=0.0)
    assert shut.regime == "search" and shut.tuning == 0
    by_search = allocate(100.0, 1, lambda bits: float(cost(bits)), funnel=40.0)
    exact = allocate(100.0, 1, cost, funnel=40.0)
    assert exact.x == pytest.approx(84**0.5)
    assert by_search.value == pytest.approx(exact.value, rel=1e-9)
    assert allocate(100.0, 1, cost, funnel=100.0) == allocate(100.0, 1, cost)


def test_a_grid_holds_what_one_by_one_would():
    power, instances = np.linspace(1, 150, 7), np.geomspace(0.5, 90, 9)
    for cost in CLOSED:
        grid = allocations(power, instances, cost, 20.0)
        for i, p in enumerate(power):
            for j, n in enumerate(instances):
                one = allocate(float(p), float(n), cost, 20.0)
                assert (one.x, one.value) == (grid.x[i, j], grid.value[i, j])
                assert one.regime == grid.labels[i, j] == REGIMES[grid.regime[i, j]]


@pytest.mark.parametrize(
    ("natural", "exact"),
    [
        (lambda bits: 3 * (2**bits - 1), ExponentialCost(3.0, np.log(2))),
        (lambda bits: 3 * (math.exp(bits) - 1), ExponentialCost(3.0)),
        (lambda bits: 0.3 * bits, LinearCost(0.3)),
        (lambda bits: 20 * math.log(1 + 0.2 * bits), LogarithmicCost(20.0, 0.2)),
    ],
)
@pytest.mark.parametrize("instances", [0.1, 0.25, 1.0, 2.0, 4.0, 30.0])
def test_a_cost_written_down_as_one_would_is_searched_no_sooner(natural, exact, instances):
    """Of 1e-16 bits 2**x - 1 is 0, or twice what it should be."""
    found, closed = (allocate(60.0, instances, cost, 20.0) for cost in (natural, exact))
    assert found.regime == closed.regime
    assert found.x == pytest.approx(closed.x, rel=1e-6, abs=0)
    borders = (critical_diversity(60.0, cost, 20.0) for cost in (natural, exact))
    assert next(borders) == pytest.approx(next(borders), rel=1e-5)


def test_power_for_the_fixed_part_alone_searches_nothing():
    cost = QuadraticCost(0.5, fixed=18.0)
    for price in (cost, lambda bits: float(cost(bits))):
        assert allocate(18.0, 1e12, price).regime == "tuned"
        assert critical_diversity(18.0, price) == (np.inf, np.inf)
    assert allocate(3.0, 8.0, lambda bits: 3 * np.ceil(bits)).x == 1, "a step is no rounding"


@pytest.mark.parametrize("limit", [None, 1e3, 1100.0, 2000.0])
def test_a_cost_that_overflows_cannot_be_had(limit):
    for natural, rate in ((lambda bits: 2**bits - 1, np.log(2)), (math.expm1, 1.0)):
        found = allocate(100.0, 8.0, natural, limit)
        assert found.x == pytest.approx(allocate(100.0, 8.0, ExponentialCost(1.0, rate)).x)
    with_numpy = allocate(100.0, 8.0, np.expm1, limit)
    assert with_numpy.x == pytest.approx(np.log(8), rel=1e-6)


def test_search_up_to_a_cap_with_power_left_is_capped():
    found = allocate(100.0, 8.0, lambda bits: 3 * bits if bits <= 7 else np.inf)
    assert (found.x, found.regime, found.spent) == (pytest.approx(7), "capped", pytest.approx(21))
    assert allocate(21.0, 8.0, lambda bits: 3 * bits if bits <= 7 else np.inf).regime == "search"


def test_an_endless_limit_is_none():
    cost = QuadraticCost(0.5, fixed=18.0)
    for each in (cost, lambda bits: float(cost(bits))):
        assert allocate(100.0, 30, each, np.inf) == allocate(100.0, 30, each)
        assert critical_diversity(100.0, each, np.inf) == critical_diversity(100.0, each)
    assert allocate(100.0, 5, cost, funnel=np.inf) == allocate(100.0, 5, cost)


def test_first_bits_that_are_free_at_the_margin_are_always_searched():
    free = critical_diversity(100.0, lambda bits: bits**2)
    assert free == pytest.approx(critical_diversity(100.0, QuadraticCost(1.0)), rel=1e-6)
    assert free.some == 0
    with pytest.raises(CounterfactualError, match="cost nothing"):
        services_without_search(100.0, 50, lambda bits: bits**1.5)
    both = critical_diversity(1e4, lambda bits: 2 * bits + 0.1 * bits**2, 1e3)
    assert both.some == pytest.approx(2, rel=1e-5)


@pytest.mark.parametrize("most", [2.0, 2000.0])
def test_the_last_bit_before_a_jump_is_never_worth_it(most):
    """A jump at the limit itself saves bits for next to none at run time."""
    found = critical_diversity(30 * most, lambda bits: 3 * np.floor(bits), most)
    assert found.most == np.inf
    steep = critical_diversity(1e5, lambda bits: bits**30)
    assert steep.most == pytest.approx(30 * 1e5 ** (29 / 30), rel=1e-6)


def test_narrow_services_do_not_search():
    cost = QuadraticCost(0.5, fixed=18.0)
    count = services_without_search(100.0, 50, cost)
    assert count == 9
    assert allocate(100.0, 50 / count, cost).x == 0 < allocate(100.0, 50 / (count - 1), cost).x
    assert services_without_search(100.0, 6, cost) == 1
    with pytest.raises(CounterfactualError, match="cost nothing"):
        services_without_search(100.0, 50, QuadraticCost(0.5))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"power": -1.0}, "got power=-1"),
        ({"power": np.nan}, "got power=nan"),
        ({"power": [1.0, 2.0]}, "got power=.*expected a single number"),
        ({"power": "much"}, "expected numbers"),
        ({"instances": 0}, "got instances=0; expected more than 0"),
        ({"instances": 1e-308}, "expected more instances"),
        ({"limit": 0.0}, "got limit=0"),
        ({"limit": "none"}, "got limit='none' of type str"),
        ({"limit": [1, 2]}, "got limit=.*expected a single number"),
        ({"novel": 1.5}, "got novel=1.5; expected a share"),
        ({"novel": [0.1, 0.2]}, "got novel=.*expected a single number"),
        ({"criterion": "averge"}, "Did you mean 'average'"),
        ({"funnel": -2}, "got funnel=-2"),
        ({"cost": 3.0}, "got cost=3.0; expected LinearCost"),
        ({"cost": QuadraticCost}, "got the class cost=QuadraticCost; expected one of its kind"),
        ({"cost": lambda bits: np.array([bits])}, r"got array\(\[0.\]\) as the cost of 0 bits"),
        ({"cost": lambda bits: 1.0}, "got 1 as the cost of 0 bits at run time; expected 0"),
        ({"cost": lambda bits: 20 * (bits > 0) - bits * (bits > 3), "limit": 5}, "the cost falls"),
        ({"cost": lambda bits: np.nan * bits}, "got nan"),
        ({"cost": lambda bits: "dear" if bits else 0}, "got 'dear' as the cost"),
        ({"cost": lambda bits: -bits}, "got -"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, said):
    options = {"power": 100.0, "instances": 8, "cost": QuadraticCost(0.5)} | wrong
    with pytest.raises(CounterfactualError, match=said):
        allocate(**options)
