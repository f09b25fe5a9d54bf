"""Do random tables and random searches reach the bits of the model?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from counterfactual_models.errors import CounterfactualError
from inference.arrays.delegation import (
    QuadraticCost,
    allocate,
    best_table_tails,
    expected_table_bits,
    measured_bits,
    searched_bits,
    searched_tails,
)


def test_the_reference_values_are_met():
    assert expected_table_bits(8, 4) == pytest.approx(2.2088905266374483, rel=1e-12)
    found = searched_bits(2.0, 4.0)
    assert found.expected == pytest.approx(6.8773609531210065, rel=1e-12)
    assert found.mean_tail == pytest.approx(6.0874628412503394, rel=1e-12)
    assert found.worst == 2


@pytest.mark.parametrize(
    ("power", "instances", "repeats"), [(8, 4, 3000), (12, 8, 300), (0, 3, 3000)]
)
def test_the_best_of_random_tables_guarantees_the_bits_of_the_formula(power, instances, repeats):
    tails = best_table_tails(power, instances, repeats, seed=1)
    assert tails.shape == (repeats, instances)
    found = measured_bits(tails.max(axis=1))
    exact = expected_table_bits(power, instances)
    assert abs(found.expected - exact) < 4 * found.expected_mcse
    assert abs(exact - power / instances) < 1.4427 / instances + 1e-3


def test_tables_chosen_by_their_average_are_better_on_average():
    worst = best_table_tails(9, 6, 400, seed=2)
    average = best_table_tails(9, 6, 400, seed=2, criterion="average")
    gap = (worst - average).mean(axis=1)
    assert gap.mean() > 4 * gap.std() / 20
    assert (average.max(axis=1) - worst.max(axis=1)).min() >= 0
    steep = best_table_tails(
        9, 6, 400, seed=2, criterion="average", performance=lambda tail: -np.log2(tail)
    )
    assert (np.log2(average) - np.log2(steep)).mean() > 0


@pytest.mark.parametrize("convention", ["restricted", "best_of"])
@pytest.mark.parametrize(("tuned", "searched"), [(0.0, 0.0), (2.0, 4.0), (3.3, 1.7), (6.0, 0.0)])
def test_searches_drawn_reach_the_exact_bits(convention, tuned, searched):
    tails = searched_tails(tuned, searched, 40_000, seed=3, convention=convention)
    found, exact = measured_bits(tails), searched_bits(tuned, searched, convention=convention)
    assert abs(found.expected - exact.expected) < 4 * found.expected_mcse
    assert abs(found.mean_tail - exact.mean_tail) < 4 * found.mean_tail_mcse
    assert -np.log2(tails.max()) >= exact.worst - 1e-12
    count = 2.0 ** (searched + (tuned if convention == "best_of" else 0))
    scaled = tails * (1.0 if convention == "best_of" else 2.0**tuned)
    assert stats.kstest(scaled, stats.beta(1, count).cdf).pvalue > 1e-4


@given(searched=st.floats(0, 12))
def test_expected_bits_of_a_fractional_search_are_an_integral(searched):
    count = 2.0**searched
    nats, _ = integrate.quad(lambda z: -np.expm1(count * np.log1p(-np.exp(-z))), 0, 60)
    assert searched_bits(0.0, searched).expected == pytest.approx(nats / np.log(2), rel=1e-6)


def test_the_two_meanings_of_tuning_differ_by_a_bit():
    one, other = searched_bits(6.0, 0.0), searched_bits(6.0, 0.0, convention="best_of")
    log2_n = [np.log2(np.exp2(each.mean_tail) - 1) for each in (one, other)]
    assert log2_n[1] == pytest.approx(6, rel=1e-12)
    assert log2_n[0] == pytest.approx(7, abs=0.02)
    assert (one.worst, other.worst) == (6, 0)
    for bits in (0.0, 2.5):
        one, other = (searched_bits(6.0, bits, convention=c) for c in ("restricted", "best_of"))
        lost = np.log2(1 + 2.0**-bits) - np.log2(1 + 2.0 ** -(6 + bits))
        assert one.mean_tail - other.mean_tail == pytest.approx(lost)


def test_chance_itself_shows_bits():
    chance = searched_bits(0.0, 0.0)
    assert chance.expected == pytest.approx(np.log2(np.e))
    assert (chance.mean_tail, chance.worst) == (1, 0)


def test_endless_searches_stay_finite():
    found = searched_bits(0.0, np.array([59.9, 60.0, 60.1, 5000.0]))
    assert np.diff(found.expected)[:2] == pytest.approx([0.1, 0.1], rel=1e-6)
    assert found.mean_tail[-1] == 5000
    assert expected_table_bits(5000, 10) == pytest.approx(500.0832746, rel=1e-9)


def test_errors_of_tails_whose_squares_underflow_are_those_of_larger_ones():
    tails = searched_tails([5.0, 500.0, 600.0, 800.0], 2.0, 1000)
    found = measured_bits(tails)
    np.testing.assert_allclose(found.mean_tail_mcse, found.mean_tail_mcse[0], rtol=1e-9)
    np.testing.assert_allclose(np.diff(found.mean_tail), [495, 100, 200], rtol=1e-12)


@pytest.mark.parametrize("instances", [8, 12, 16])
def test_the_best_search_found_by_trying_is_the_one_predicted(instances):
    cost, power = QuadraticCost(1.0, fixed=4.0), 48.0
    best = allocate(power, instances, cost)
    bits = np.arange(0.25, cost.budget(power), 0.25)
    tails = searched_tails((power - cost(bits)) / instances, bits, 40_000, seed=4)
    found = measured_bits(tails)
    assert abs(bits[np.argmax(found.mean_tail)] - best.x) <= 0.5
    offset = np.log2(1 + 2.0**-best.x)
    assert found.mean_tail.max() == pytest.approx(best.value + offset, abs=0.06)


def test_a_power_and_search_of_the_four_numbers_of_the_model():
    found = measured_bits(searched_tails((64 - 16) / 8, 4.0, 40_000, seed=5))
    assert abs(found.mean_tail - (10 + np.log2(1 + 1 / 16))) < 4 * found.mean_tail_mcse


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: best_table_tails(30, 4, 1), "at most 24"),
        (lambda: best_table_tails(3, 0, 1), "instances=0"),
        (lambda: best_table_tails(3, 2, 1, criterion="mean"), "got criterion='mean'"),
        (
            lambda: best_table_tails(3, 2, 1, criterion="average", performance=lambda tail: 1.0),
            "expected a number for each",
        ),
        (lambda: searched_tails(1.0, -1.0, 10), "got searched=-1"),
        (lambda: searched_tails(1.0, 1.0, 10, convention="restrict"), "'restricted'"),
        (lambda: measured_bits([0.5]), "at least two draws"),
        (lambda: measured_bits([0.5, 1.5]), "probabilities up to 1"),
        (lambda: measured_bits([0.5, 0.0]), "more than 0"),
        (lambda: expected_table_bits(-1, 2), "got power=-1"),
    ],
)
def test_what_makes_no_sense_is_refused(call, said):
    with pytest.raises(CounterfactualError, match=said):
        call()
