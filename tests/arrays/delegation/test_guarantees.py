"""Are the bits for a floor and for an average those of closed forms, and do they undo promises?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from counterfactual_models.errors import CounterfactualError
from inference.arrays.delegation import (
    bits_for_average,
    bits_to_guarantee,
    guaranteed_floor,
    whole_halvings,
)

performances = npst.arrays(float, st.integers(2, 40), elements=st.integers(-20, 20).map(float))


def exponential(edges):
    """Exp(1) in cells: their means, and the logarithms of their shares."""
    edges = np.asarray(edges, dtype=float)
    left, right = edges, np.append(edges[1:], np.inf)
    share = np.exp(-left) - np.exp(-right)
    end = np.where(np.isinf(right), 0.0, (np.minimum(right, 1e9) + 1) * np.exp(-right))
    return ((left + 1) * np.exp(-left) - end) / share, np.log(share)


def test_a_floor_of_an_exponential_law_costs_its_tail():
    means, logs = exponential([0, 1, 8])
    assert bits_to_guarantee(means, 8.0, logs) == pytest.approx(11.541560327111707, rel=1e-12)


def test_an_average_of_an_exponential_law_is_cheaper_by_log2_e():
    means, logs = exponential([0, 3, 7])
    found = bits_for_average(means, 8.0, logs)
    assert found == pytest.approx(10.098865286222744, rel=1e-12)
    assert 8 / np.log(2) - found == pytest.approx(np.log2(np.e), rel=1e-12)


@given(performance=performances, bits=st.floats(0, 6))
def test_what_is_promised_costs_no_more_than_it_did(performance, bits):
    found = guaranteed_floor(performance, bits)
    assert bits_to_guarantee(performance, found.floor) <= bits + 1e-9
    assert found.average >= found.floor - 1e-9
    if found.average < performance.max() - 1e-9:
        assert bits_for_average(performance, found.average) <= bits + 1e-6
        higher = found.average + 1e-6
        assert bits_for_average(performance, higher) >= bits - 1e-6


@given(performance=performances, level=st.integers(-20, 20))
def test_an_average_never_costs_more_than_a_floor(performance, level):
    floor, average = (f(performance, level) for f in (bits_to_guarantee, bits_for_average))
    assert 0 <= average <= floor + 1e-12
    assert np.isinf(floor) == (level > performance.max())


@given(performance=performances, bits=st.floats(0, 5))
def test_the_average_is_that_of_the_best_share(performance, bits):
    ranked = np.repeat(np.sort(performance)[::-1], 1000)
    kept = 2.0**-bits * len(ranked)
    whole = int(kept)
    total = ranked[:whole].sum() + (kept - whole) * ranked[min(whole, len(ranked) - 1)]
    found = guaranteed_floor(performance, bits)
    assert found.average == pytest.approx(total / kept, rel=1e-9, abs=1e-6)


def test_more_bits_than_policies_promise_the_best():
    found = guaranteed_floor([1.0, 5.0, 3.0], [0.0, 1.0, 50.0])
    assert found.floor.tolist() == [1.0, 3.0, 5.0]
    assert found.average.tolist() == pytest.approx([3.0, (5 + 0.5 * 3) / 1.5, 5.0])


def test_shares_too_small_for_numbers_are_kept():
    logs = np.array([0.0, -2000.0])
    assert bits_to_guarantee([0.0, 1.0], 1.0, logs) == pytest.approx(2000 / np.log(2))
    assert bits_for_average([0.0, 1.0], 0.5, logs) == pytest.approx(2000 / np.log(2) - 1)
    found = guaranteed_floor([0.0, 1.0], 2000 / np.log(2) - 1, logs)
    assert (float(found.floor), float(found.average)) == pytest.approx((0.0, 0.5))


def test_halvings_are_whole():
    assert whole_halvings([0.0, 0.2, 8.0, 8.0000001, np.inf]).tolist() == [0, 1, 8, 9, np.inf]


@pytest.mark.parametrize(
    "call",
    [
        lambda: bits_to_guarantee([1.0, np.nan], 1.0),
        lambda: bits_for_average([1.0, 2.0], np.inf),
        lambda: guaranteed_floor([], 1.0),
        lambda: guaranteed_floor([1.0, 2.0], -1.0),
        lambda: guaranteed_floor([1.0, 2.0], 1.0, [0.0]),
        lambda: guaranteed_floor([1.0, 2.0], 1.0, [-np.inf, -np.inf]),
        lambda: whole_halvings(np.nan),
    ],
)
def test_what_is_no_performance_is_refused(call):
    with pytest.raises(CounterfactualError, match="expected"):
        call()
