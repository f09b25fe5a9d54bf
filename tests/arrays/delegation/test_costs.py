"""Are budgets, marginal costs and best choices those of the cost?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfactual_models.errors import CounterfactualError
from inference.arrays.delegation import (
    ExponentialCost,
    LinearCost,
    LogarithmicCost,
    QuadraticCost,
)
from inference.arrays.delegation.any_cost import CheckedCost, least_objective

KINDS = [LinearCost, QuadraticCost, ExponentialCost, LogarithmicCost]
any_cost = st.builds(
    lambda kind, scale, fixed: kind(scale, fixed=fixed),
    st.sampled_from(KINDS),
    st.floats(0.1, 20),
    st.one_of(st.just(0.0), st.floats(1e-9, 50)),
)


@given(cost=any_cost, power=st.floats(60, 200))
def test_the_budget_is_spent_to_the_last_bit(cost, power):
    budget = cost.budget(power)
    if np.isfinite(budget):
        assert cost(budget) == pytest.approx(power, rel=1e-9)
        assert cost(budget * 1.001) > power


@given(cost=any_cost, bits=st.floats(0.01, 20))
def test_the_marginal_cost_is_the_slope(cost, bits):
    slope = (cost(bits * (1 + 1e-6)) - cost(bits * (1 - 1e-6))) / (2e-6 * bits)
    assert cost.marginal(bits) == pytest.approx(slope, rel=1e-4, abs=1e-6)


@given(cost=any_cost, price=st.floats(0.1, 100))
def test_no_bits_bring_more_than_the_choice(cost, price):
    chosen = float(cost.choice(np.asarray(price)))
    grid = np.linspace(0, 30, 301)
    if np.isfinite(chosen):
        gains = price * grid - cost.running(grid)
        own = price * chosen - cost.running(np.asarray(chosen))
        assert own >= gains.max() - 1e-9 * max(1, abs(own))


@given(cost=any_cost, most=st.floats(0.5, 20))
def test_no_bits_are_cheaper_on_average(cost, most):
    grid = np.linspace(most / 1000, most, 1000)
    cheapest = cost.cheapest(most)
    assert 0 <= cheapest <= most
    least = cost(cheapest) / cheapest if cheapest > 0 else cost.marginal(0.0)
    assert least <= (cost(grid) / grid).min() * (1 + 1e-9)


@pytest.mark.parametrize("fixed", [1e-14, 1e-9, 1e-7, 3e-6, 1e-3, 1.0, 1e6])
def test_the_cheapest_exponential_search_costs_its_margin(fixed):
    cost = ExponentialCost(2.0, 0.7, fixed=fixed)
    bits = cost.cheapest(1e9)
    assert cost(bits) / bits == pytest.approx(cost.marginal(bits), rel=1e-7)


def test_nothing_costs_nothing_and_the_first_bit_the_fixed_part():
    for kind in KINDS:
        cost = kind(2.0, fixed=5.0)
        assert cost(0.0) == 0
        assert cost(1e-300) == pytest.approx(5)
        assert cost(np.array([0.0, 0.0, 1.0])).shape == (3,)
        assert cost.budget(np.array([0.0, 4.9, 5.0])).tolist() == [0, 0, 0]


def test_what_overflows_cannot_be_had():
    assert ExponentialCost(1.0)(1e4) == np.inf
    assert LogarithmicCost(0.1).budget(100.0) == np.inf


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf, "dear"])
def test_a_scale_that_is_none_is_refused(wrong):
    for kind in KINDS:
        with pytest.raises(CounterfactualError, match="got scale="):
            kind(wrong)
    with pytest.raises(CounterfactualError, match="got bits=-1"):
        LinearCost(1.0)(-1.0)
    with pytest.raises(CounterfactualError, match="got bits='many' of type str"):
        LinearCost(1.0)("many")
    with pytest.raises(CounterfactualError, match="expected a single number"):
        LinearCost([1.0, 2.0])


def test_a_narrow_bargain_is_found():
    def cost(bits):
        return 0.0 if bits == 0 else 10.0 if bits <= np.pi else 100.0

    bits, least = least_objective(lambda x, f: f / 5 - x, CheckedCost(cost), 0.0, 50.0)
    assert bits == pytest.approx(50.0) and least == pytest.approx(-30)
    bits, least = least_objective(lambda x, f: f / 5 - 2 * x, CheckedCost(cost), 0.0, 10.0)
    assert bits == pytest.approx(np.pi, rel=1e-12)


def test_the_budget_of_stairs_ends_at_the_jump():
    assert CheckedCost(lambda bits: 3 * np.ceil(bits)).budget(7.0) == 2
    assert CheckedCost(lambda bits: 3 * np.floor(bits)).budget(7.0) == np.nextafter(3, 0)
    assert CheckedCost(lambda bits: 3 * np.ceil(bits)).budget(7.0, limit=1.5) == np.inf
    assert CheckedCost(lambda bits: np.inf if bits > 2 else 0.0).budget(7.0) == 2
