"""Are the phases those of the allocation model, under the right labels?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfactual_models.errors import CounterfactualError
from inference.arrays.delegation import LinearCost, QuadraticCost, allocate
from inference.diagnostics.delegation import delegation

COST = QuadraticCost(0.5, fixed=18.0)


def quadratic(bits):
    """The same cost, as any function."""
    bits = np.asarray(bits, dtype=float)
    return np.where(bits > 0, 18.0 + 0.5 * bits**2, 0.0)


def test_a_quadratic_cost_has_its_closed_form():
    # x* = N/2a, N1 = 2 sqrt(a c0), N2 = 2 sqrt(a (P - c0)) and x* = x_b beyond it
    found = delegation([100.0], [5.0, 8.0, 40.0], COST).isel(power=0)
    assert found["some_from"] == pytest.approx(6.0)
    assert found["most_from"] == pytest.approx(np.sqrt(0.5 * 82) * 2)
    assert found["regime"].values.tolist() == ["tuned", "mixed", "search"]
    np.testing.assert_allclose(found["x"], [0.0, 8.0, np.sqrt(82 / 0.5)])
    np.testing.assert_allclose(found["value"], [20.0, (100 - 50) / 8 + 8, np.sqrt(82 / 0.5)])


def test_labels_belong_to_their_numbers():
    found = delegation([40.0, 90.0], [3, 9, 30], COST, limit=7.0)
    for power in (40.0, 90.0):
        for instances in (3, 9, 30):
            one, here = allocate(power, instances, COST, 7.0), {"power": power}
            cell = found.sel(here | {"instances": instances})
            for name in ("x", "value", "tuning", "regime", "spent"):
                assert cell[name].item() == getattr(one, name)


@given(
    st.floats(20, 500),
    st.floats(0.2, 5),
    st.floats(0, 15),
    st.floats(0, 0.9),
)
def test_search_begins_and_is_complete_at_the_borders(power, scale, fixed, novel):
    """Novelty makes a bit at run time worth more, so that both borders come sooner."""
    cost = QuadraticCost(scale, fixed=fixed)
    near = np.array([0.99, 1.01])
    borders = delegation(power, 1.0, cost, novel=novel).isel(power=0)
    first, last = float(borders["some_from"]), float(borders["most_from"])
    if first > 0:
        at = delegation(power, near * first, cost, novel=novel).isel(power=0)
        assert (at["x"] > 0).values.tolist() == [False, True]
    if last > 1.05 * first:
        at = delegation(power, near * last, cost, novel=novel).isel(power=0)
        assert (at["regime"] == "search").values.tolist() == [False, True]


def test_more_diversity_never_searches_less_nor_helps_an_instance():
    found = delegation(np.linspace(1, 100, 20), np.geomspace(1, 100, 50), COST)
    assert (found["x"].diff("instances") >= 0).all()
    assert (found["value"].diff("instances") <= 1e-12).all()
    np.testing.assert_allclose(found["value"], found["x"] + found["tuning"])


def test_any_function_gives_the_numbers_of_its_closed_form():
    grid = [30.0, 100.0], [3.0, 8.0, 40.0]
    found, exact = delegation(*grid, quadratic), delegation(*grid, COST)
    assert (found["regime"] == exact["regime"]).all()
    for name in ("x", "value", "some_from", "most_from"):
        np.testing.assert_allclose(found[name], exact[name], rtol=1e-6)
    assert found.attrs["cost"] == "quadratic"


def test_without_power_for_any_search_the_borders_are_infinite():
    found = delegation(10.0, [1, 1e6], COST)
    assert np.isinf(found["some_from"]).all()
    assert (found["regime"] == "tuned").all()


def test_it_says_what_was_assumed():
    found = delegation(100.0, 5.0, LinearCost(3.0), limit=4.0, novel=0.25)
    assert found.attrs == {"cost": str(LinearCost(3.0)), "limit": 4.0, "novel": 0.25}
    assert all(found[name].attrs["long_name"] for name in found)


def test_an_endless_limit_is_none():
    found, without = (delegation(100.0, [5.0, 50.0], COST, limit) for limit in (np.inf, None))
    assert found.identical(without)
    assert found.attrs["limit"] == 0


def test_misuse_is_answered():
    with pytest.raises(CounterfactualError, match="ascending"):
        delegation([2.0, 1.0], 3.0, COST)
    with pytest.raises(CounterfactualError, match="ascending"):
        delegation([], 3.0, COST)
    with pytest.raises(CounterfactualError, match=r"got novel=1\.0"):
        delegation(1.0, 3.0, COST, novel=1.0)
    with pytest.raises(CounterfactualError, match="got novel='half'"):
        delegation(1.0, 3.0, COST, novel="half")
    with pytest.raises(CounterfactualError, match="got the class cost=QuadraticCost"):
        delegation(1.0, 3.0, QuadraticCost)
    with pytest.raises(CounterfactualError, match="power"):
        delegation(-1.0, 3.0, COST)
    with pytest.raises(CounterfactualError, match="instances"):
        delegation(1.0, np.nan, COST)
    with pytest.raises(CounterfactualError, match="power"):
        delegation("many", 3.0, COST)
