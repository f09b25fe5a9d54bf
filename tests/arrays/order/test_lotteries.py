"""Shares of lotteries are those of exact fractions, of beta variates and of lotteries drawn."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order import lotteries
from inference.arrays.order.lotteries import (
    lottery_bits,
    lottery_log_bits_from_gaps,
    lottery_log_tail,
    lottery_log_tail_from_gaps,
)

EIGHT = np.arange(8)
TEN_TRILLION = 10**13


def exact_share(values, threshold):
    """Volume of the slice by exact fractions: the cut polytope, vertex by vertex."""
    above = [Fraction(v) - Fraction(threshold) for v in values if v > threshold]
    below = [Fraction(threshold) - Fraction(v) for v in values if v < threshold]
    row = [Fraction(0)] * (len(below) + 1)
    row[0] = Fraction(1)
    for p in above:
        for j, q in enumerate(below, start=1):
            row[j] = (p * row[j - 1] + q * row[j]) / (p + q)
    return row[-1] if above or not below else Fraction(0)


def divided_difference(values, threshold):
    """The textbook's alternating sum, exact in fractions, where no two values are the same."""
    total = Fraction(0)
    for i, value in enumerate(values):
        if value > threshold:
            product = Fraction(1)
            for j, other in enumerate(values):
                product *= Fraction(1) if i == j else Fraction(value) - Fraction(other)
            total += (Fraction(value) - Fraction(threshold)) ** (len(values) - 1) / product
    return total


def bits_of_fraction(share):
    with mpmath.workdps(60):
        return float(-mpmath.log(mpmath.mpf(share.numerator) / share.denominator) / mpmath.log(2))


@pytest.mark.parametrize(
    ("threshold", "share", "bits"),
    [
        (6, Fraction(1, 5040), 12.299208018387278818),
        (4, Fraction(82, 315), 1.9416560137691951251),
        (5.5, Fraction(109, 32256), 8.2090955987229901119),
        (3.5, Fraction(1, 2), 1.0),
        (0.5, Fraction(645119, 645120), 2.2363221711469770862e-6),
    ],
)
def test_lotteries_of_the_posts_eight_states_have_their_bits(threshold, share, bits):
    assert divided_difference(range(8), threshold) == share
    assert np.exp(lottery_log_tail(EIGHT, threshold)) == pytest.approx(float(share), rel=1e-12)
    assert lottery_bits(EIGHT, threshold) == pytest.approx(bits, rel=1e-12)


def test_a_sure_best_outcome_is_endlessly_unlikely_and_the_worst_no_bits():
    assert lottery_bits(EIGHT, [7, 7.5, 0, -1]).tolist() == [np.inf, np.inf, 0.0, 0.0]
    assert not np.signbit(lottery_bits(EIGHT, [0, -1])).any()
    assert lottery_bits([2.0, 2.0], [1, 2, 3]).tolist() == [0.0, 0.0, np.inf]
    assert lottery_bits([2.0], 2.0) == 0.0


@pytest.mark.parametrize(
    ("values", "threshold", "bits"),
    [
        ([*range(7), TEN_TRILLION], 6, 3.029659585867984525e-12),
        ([*range(7), TEN_TRILLION], 0.5 * 4 + 0.5 * TEN_TRILLION, 7.0000000000010098865),
        (
            [*range(6), TEN_TRILLION - 1, TEN_TRILLION],
            TEN_TRILLION - 1,
            259.11039140121209909,
        ),
        (
            [*range(6), TEN_TRILLION - 1, TEN_TRILLION],
            0.5 * 4 + 0.5 * TEN_TRILLION,
            4.0000000000015148298,
        ),
    ],
)
def test_with_ten_trillion_for_the_best_each_lottery_has_its_bits(values, threshold, bits):
    assert lottery_bits(values, threshold) == pytest.approx(bits, rel=1e-12)


def test_a_hundred_outcomes_keep_digits_that_the_textbook_formula_loses():
    values = np.linspace(0, 1, 100)
    assert lottery_log_tail(values, 0.7) == pytest.approx(-27.844387335007662349, rel=1e-12)
    assert lottery_bits(values, 0.3) == pytest.approx(1.1654959464088642573e-12, rel=1e-9)


def test_nearly_every_lottery_is_better_than_the_posts_q():
    tiny = np.log(7) - 1000 * np.log(10)
    gaps = np.log(np.arange(1.0, 8))
    worse = lottery_log_tail_from_gaps([tiny], gaps) / np.log(10)
    assert worse == pytest.approx(-6997.7867442563457275, rel=1e-12)
    bits = lottery_log_bits_from_gaps(gaps, [tiny]) / np.log(10)
    assert bits == pytest.approx(-6997.6275697173908659, rel=1e-12)
    # A distributive law would make it endless, as the best outcome has endless bits.
    assert lottery_bits(EIGHT, 7) == np.inf


@pytest.mark.parametrize("sides", [2, 5, 8, 21])
def test_equally_spaced_values_are_a_sum_of_uniform_numbers(sides):
    sums = stats.irwinhall(sides - 1)
    thresholds = np.linspace(0.05, sides - 1.05, 9)
    share = np.exp(lottery_log_tail(np.arange(sides), thresholds))
    assert share == pytest.approx(sums.sf(thresholds), rel=1e-6, abs=1e-10)


def test_ties_are_a_beta_variate_and_near_ties_nearly():
    beta = stats.beta(3, 2)
    values = np.array([0.0, 0, 1, 1, 1])
    assert np.exp(lottery_log_tail(values, 0.4)) == pytest.approx(0.8208, rel=1e-12)
    thresholds = np.linspace(0.01, 0.99, 21)
    ties = lottery_log_tail(values, thresholds)
    assert ties == pytest.approx(beta.logsf(thresholds), rel=1e-9)
    for near in (1e-9, 1e-12, 1e-15):
        apart = lottery_log_tail(values + near * np.arange(5), thresholds)
        # A gap of .01 moves by 4 near at the most, and two such gaps are multiplied.
        assert apart == pytest.approx(ties, abs=1000 * near + 1e-14)
        moved = values + near * np.arange(5)
        assert lottery_bits(moved, 0.5) == pytest.approx(
            bits_of_fraction(exact_share(moved, 0.5)), rel=1e-13
        )


@given(
    st.lists(st.integers(-20, 20), min_size=1, max_size=12),
    st.fractions(-20, 20, max_denominator=64),
)
def test_every_digit_is_that_of_exact_fractions(values, threshold):
    share = exact_share(values, threshold)
    found = lottery_bits(np.array(values, float), float(threshold))
    if float(threshold) != threshold:
        share = exact_share(values, Fraction(float(threshold)))
    expected = bits_of_fraction(share) if share else np.inf
    assert found == pytest.approx(expected, rel=1e-12)


@given(st.lists(st.integers(-9, 9), min_size=2, max_size=7, unique=True), st.integers(-9, 9))
def test_the_recursion_is_the_divided_difference(values, threshold):
    if min(values) < threshold < max(values):
        assert exact_share(values, threshold) == divided_difference(values, threshold)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8),
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e3),
    st.permutations(range(8)),
)
def test_neither_order_nor_units_of_values_matter(values, threshold, scale, order):
    values = np.array(values)
    mixed = values[[i for i in order if i < values.size]]
    first = lottery_log_tail(values, threshold)
    assert lottery_log_tail(mixed, threshold) == pytest.approx(first, rel=1e-12)
    # Units that are powers of two leave gaps as they are, digit by digit.
    unit = 2.0 ** np.rint(np.log2(scale))
    assert lottery_log_tail(values * unit, threshold * unit) == pytest.approx(first, rel=1e-12)


def test_thousands_of_thresholds_at_once_are_those_one_by_one():
    rng = np.random.default_rng(0)
    values, thresholds = rng.integers(0, 10, 15), rng.uniform(-1, 11, (50, 4))
    thresholds[0] = [0, 3, 9, 10]
    together = lottery_log_tail(values, thresholds)
    assert together.shape == (50, 4)
    alone = [lottery_log_tail(values, t).item() for t in thresholds.ravel()]
    assert together.ravel() == pytest.approx(alone, rel=1e-13)


def test_whole_concentrations_are_repeated_values():
    values, alpha = np.array([0.0, 1, 3]), np.array([2, 1, 3])
    thresholds = np.array([0.1, 1.0, 2.9])
    assert lottery_log_tail(values, thresholds, alpha) == pytest.approx(
        lottery_log_tail(np.repeat(values, alpha), thresholds), rel=1e-13
    )


@pytest.mark.parametrize(
    ("worse", "better"),
    [(0.05, 0.06), (0.1, 0.3), (0.5, 0.5), (2, 0.5), (0.3, 7.7), (30.5, 2.2), (400.3, 300.7)],
)
def test_two_outcomes_are_a_beta_variate_whatever_the_concentrations(worse, better):
    mean = better / (worse + better)
    thresholds = np.concatenate(
        [
            np.logspace(-9, -0.5, 12),
            1 - np.logspace(-9, -0.5, 12),
            mean * np.array([0.99, 1, 1.01]),
        ]
    )
    with mpmath.workdps(50):
        tails = [
            [
                mpmath.betainc(a, b, 0, x, regularized=True)
                for a, b, x in ((worse, better, 1 - mpmath.mpf(t)), (better, worse, mpmath.mpf(t)))
            ]
            for t in thresholds
        ]
        # Of two tails the smaller one has all its digits.
        truth = [
            float(mpmath.log(above) if above < below else mpmath.log1p(-below))
            for above, below in tails
        ]
    found = lottery_log_tail([0.0, 1.0], thresholds, [worse, better])
    assert found == pytest.approx(truth, rel=1e-9)


def test_split_outcomes_are_one_outcome_though_their_parts_are_integrated():
    thresholds = np.array([0.02, 0.3, 0.45, 0.7, 0.97])
    values = np.linspace(0, 1, 60)
    split = lottery_log_tail(np.repeat(values, 2), thresholds, np.tile([0.3, 0.7], 60))
    assert split == pytest.approx(lottery_log_tail(values, thresholds), rel=1e-9)
    assert split[-1] < -150


def test_many_whole_concentrations_are_integrated_and_agree(monkeypatch):
    thresholds, alpha = np.array([1e-6, 0.4, 1.1, 2.0, 2.999]), np.array([3, 40, 7])
    exact = lottery_log_tail([0, 1, 3], thresholds, alpha)
    monkeypatch.setattr(lotteries, "_MOST_KNOTS", 0)
    assert lottery_log_tail([0, 1, 3], thresholds, alpha) == pytest.approx(exact, rel=1e-9)


def test_large_concentrations_are_normal():
    alpha = np.array([3e4 + 0.5, 2e4 + 0.5, 1e4])
    values, chances = np.array([0.0, 1.0, 3.0]), alpha / alpha.sum()
    mean = values @ chances
    deviation = np.sqrt(((values - mean) ** 2 @ chances) / (alpha.sum() + 1))
    found = lottery_log_tail(values, mean + deviation * np.array([-2, -1, 0, 1, 2]), alpha)
    assert np.exp(found) == pytest.approx(stats.norm.sf([-2, -1, 0, 1, 2]), abs=2e-3)
    assert lottery_log_tail(values, 1e-9, alpha) == 0.0


def test_three_outcomes_are_those_of_scipys_quadrature():
    alpha, values, threshold = (0.7, 1.6, 0.4), (0.0, 1.0, 4.0), 1.7
    middle = stats.beta(alpha[1], alpha[0])

    def given_best(best):
        rest = (threshold - values[2] * best) / (1 - best)
        return middle.sf(rest) * stats.beta.pdf(best, alpha[2], alpha[0] + alpha[1])

    edges = ((threshold - 1) / 3, threshold / 4)
    truth = integrate.quad(given_best, *edges, epsabs=1e-12)[0]
    truth += stats.beta.sf(edges[1], alpha[2], alpha[0] + alpha[1])
    found = np.exp(lottery_log_tail(values, threshold, alpha))
    assert found == pytest.approx(truth, rel=1e-8)


def test_lotteries_drawn_are_as_often_as_good():
    rng = np.random.default_rng(3)
    for alpha in ((0.1, 0.2, 0.05, 0.3), (1.5, 2.5, 0.5, 4.0), (12.3, 4.0, 3.0, 9.9)):
        drawn = rng.dirichlet(alpha, 200_000) @ [0.0, 1.0, 2.0, 5.0]
        for threshold in (0.5, 1.5, 3.0):
            share = np.exp(lottery_log_tail([0, 1, 2, 5], threshold, alpha))
            error = np.sqrt(share * (1 - share) / drawn.size)
            assert abs((drawn >= threshold).mean() - share) < 4 * error + 1e-9


def test_gaps_may_have_leading_axes_or_be_none_at_all():
    above, below = np.log([[1.0, 2.0], [3.0, 4.0]]), np.log([[2.0], [1.0]])
    together = lottery_log_tail_from_gaps(above, below)
    alone = [lottery_log_tail_from_gaps(above[i], below[i]).item() for i in range(2)]
    assert together == pytest.approx(alone)
    assert lottery_log_tail_from_gaps([0.0], []) == 0.0
    assert lottery_log_tail_from_gaps([], [0.0]) == -np.inf
    assert lottery_log_tail_from_gaps([-np.inf], []) == 0.0
    assert lottery_log_bits_from_gaps([0.0], []) == -np.inf
    assert lottery_log_bits_from_gaps([], [0.0]) == np.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lottery_bits([0, np.nan], 0), r"values\[1\]=nan"),
        (lambda: lottery_bits([0, 1], np.inf), "threshold=inf"),
        (lambda: lottery_bits([], 0), r"shape \(0,\)"),
        (lambda: lottery_bits([0, 1], 0.5, [1, 0]), "expected one positive number for each"),
        (lambda: lottery_bits([0, 1], 0.5, [1]), "for 2 outcomes"),
        (lambda: lottery_bits([0, 1], 0.5, [0.01, 0.02]), "add up to 0.03"),
        (lambda: lottery_log_tail_from_gaps([np.nan], [0.0]), "log_above"),
        (lambda: lottery_log_tail_from_gaps([0.0], np.inf), "log_below"),
    ],
)
def test_what_is_no_lottery_is_refused(call, message):
    with pytest.raises(CounterfactualError, match=message):
        call()


def test_an_integral_that_does_not_settle_is_refused(monkeypatch):
    monkeypatch.setattr(lotteries, "_HALVINGS", 2)
    with pytest.raises(CounterfactualError, match="do not settle"):
        lottery_bits([0, 1], 0.5, [1.5, 2.5])
