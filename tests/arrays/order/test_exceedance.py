"""Bits of what was achieved are those of the share of outcomes at least as good."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.exceedance import (
    bits_of,
    exceedance_bits,
    finite_values,
    log_complement,
    log_shares,
    log_surprise,
    surprisal_bits,
)

EIGHT = np.arange(8)
levels = st.lists(st.integers(-3, 3), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("state", "bits"), [(6, 2.0), (4, 1.0), (7, 3.0), (3, 0.67807190511263765213), (0, 0.0)]
)
def test_the_posts_eight_states_have_their_bits(state, bits):
    assert exceedance_bits(EIGHT, state) == pytest.approx(bits, rel=1e-12)


def test_ties_count_unless_strict():
    assert exceedance_bits([0, 1, 1, 2], 1) == pytest.approx(0.41503749927884381855, rel=1e-12)
    assert exceedance_bits([0, 1, 1, 2], 1, strict=True) == 2.0
    assert exceedance_bits([0, 1, 1, 2], 2, strict=True) == np.inf


def test_masses_weigh_and_need_no_total_of_one():
    log_measure = np.log([0.5, 0.3, 0.15, 0.05])
    for scale in (0.0, 700.0, -700.0):
        bits = exceedance_bits(range(4), 2, log_measure + scale)
        assert bits == pytest.approx(2.3219280948873623479, rel=1e-12)


def test_the_printer_of_ten_and_of_twenty_digits_differ_by_padding_alone():
    bits = {}
    for digits, first in ((10, 33.219280948873623479), (20, 66.438561897747246957)):
        masses = np.log([1.0, 999.0, 10.0**digits - 1000])
        bits[digits] = exceedance_bits([0, -999, -1000], [0, -999], masses)
        assert bits[digits][0] == pytest.approx(first, rel=1e-12)
        assert bits[digits][0] - bits[digits][1] == pytest.approx(9.9657842846620870436, rel=1e-12)
    assert np.diff(bits[10]) == pytest.approx(np.diff(bits[20]), rel=1e-12)


@pytest.mark.parametrize(
    ("most", "bits"), [(10**9, 29.895909435672453233), (10**12, 39.863135695951143241)]
)
def test_the_smallest_prime_beyond_a_million_takes_more_bits_in_a_longer_list(most, bits):
    others = most - 10**6 - 2
    assert exceedance_bits([1, 0], 1, np.log([1, others])) == pytest.approx(bits, rel=1e-12)


@given(levels, st.integers(1, 5))
def test_padding_adds_the_same_to_all_that_is_achieved(utility, times):
    padded = utility + [-10] * (len(utility) * (times - 1))
    more = exceedance_bits(padded, utility) - exceedance_bits(utility, utility)
    assert more == pytest.approx(np.full(len(utility), np.log2(times)), abs=1e-12)


@given(levels, st.data(), st.booleans())
def test_it_is_the_share_of_those_at_least_as_good(utility, data, strict):
    size = len(utility)
    masses = np.array(data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size)))
    if not masses.any():
        masses[0] = 1
    achieved = np.arange(-4, 5).reshape(3, 3)
    compare = np.greater if strict else np.greater_equal
    share = compare(np.array(utility), achieved[..., None]) @ masses / masses.sum()
    with np.errstate(divide="ignore"):
        expected, log_measure = -np.log2(share), np.log(masses)
        found = exceedance_bits(utility, achieved, log_measure, strict)
    assert found == pytest.approx(expected, abs=1e-12)
    assert not np.signbit(found).any()


@given(levels)
def test_only_the_order_matters(utility):
    stretched = np.exp(np.array(utility, float))
    assert exceedance_bits(utility, utility).tolist() == pytest.approx(
        exceedance_bits(stretched, stretched).tolist()
    )


def test_far_and_near_no_digit_is_lost():
    far = exceedance_bits([1, 0], 1, [stats.norm.logsf(40), stats.norm.logcdf(40)])
    assert far == pytest.approx(1160.8046091506376642, rel=1e-12)
    near = exceedance_bits([1, 0], 1, [0.0, np.log(1e-12)])
    assert near == pytest.approx(float(mpmath.log1p(mpmath.mpf("1e-12")) / mpmath.log(2)))
    tails = exceedance_bits(np.arange(10_001), [1], None)
    assert tails == pytest.approx(-np.log1p(-1 / 10_001) / np.log(2), rel=1e-12)


def test_a_million_weighted_outcomes_are_judged_at_thousands_of_achievements():
    rng = np.random.default_rng(0)
    utility, log_measure = rng.normal(size=1_000_000), 40 * rng.normal(size=1_000_000)
    achieved = rng.normal(size=4000) * 1.5
    bits = exceedance_bits(utility, achieved, log_measure)
    assert bits.shape == (4000,)
    total = special.logsumexp(log_measure)
    for place in (0, 1, 2, int(achieved.argmin()), int(achieved.argmax())):
        better = utility >= achieved[place]
        above = special.logsumexp(log_measure[better]) - total
        below = special.logsumexp(log_measure[~better]) - total
        expected = -np.log1p(-np.exp(below)) if below < -1 else -above
        assert bits[place] == pytest.approx(expected / np.log(2), rel=1e-9)


def test_chance_scores_a_bit_and_a_half():
    bits = exceedance_bits(np.arange(100_000), np.arange(100_000))
    assert bits.mean() == pytest.approx(1 / np.log(2), abs=1e-3)


def test_missing_an_unachievable_goal_is_no_bits_however_powerful():
    masses = [-60 * np.log(2), np.log1p(-(2.0**-60))]
    assert exceedance_bits([1, 0], [0, 1], masses).tolist() == [0.0, 60.0]


def test_whole_numbers_beyond_double_precision_keep_their_order():
    large = 2**53
    assert exceedance_bits([large, large + 1], large + 1) == 1.0


def test_the_natural_numbers_have_no_optimization_power_but_under_a_proper_prior():
    with pytest.raises(CounterfactualError, match=r"natural numbers.*proper probability"):
        exceedance_bits([0, 1_000_000], 1_000_000, [np.log(1e6), np.inf])
    prior = stats.geom(1e-6)
    proper = exceedance_bits([0, 1], 1, [prior.logcdf(999_999), prior.logsf(999_999)])
    assert proper == pytest.approx(-prior.logsf(999_999) / np.log(2), rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], 1, [-np.inf, -np.inf]), "total mass zero"),
        (([0, 1], 1, [0.0, np.nan]), "NaN for the log_measure of outcome 1"),
        (([0, 1], 1, [0.0]), r"shape \(1,\) for 2 outcomes"),
        (([0, np.nan], 1), r"utility\[1\]=nan"),
        (([0, 1], [[1, np.inf]]), r"achieved\[0, 1\]=inf"),
        (([], 1), r"shape \(0,\)"),
        (([[0, 1]], 1), "along one axis"),
        ((["good"], 1), "double precision"),
        (([2**70], 1), "ranks"),
    ],
)
def test_what_has_no_share_is_refused(arguments, message):
    with pytest.raises(CounterfactualError, match=message):
        exceedance_bits(*arguments)


def test_no_preference_beats_the_surprisal_of_the_cell_and_one_attains_it():
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(6))
    bound = surprisal_bits(np.log(shares))
    for _ in range(200):
        utility = rng.integers(0, 4, size=6)
        assert (exceedance_bits(utility, utility, np.log(shares)) <= bound + 1e-12).all()
    for cell in range(6):
        only = (np.arange(6) == cell).astype(int)
        assert exceedance_bits(only, 1, np.log(shares)) == pytest.approx(bound[cell])


def test_bits_and_complements_refuse_what_is_no_probability():
    assert not np.signbit(bits_of(0.0)) and bits_of(1e-16) == 0.0
    for function in (bits_of, surprisal_bits, log_complement):
        for wrong in (0.5, np.nan):
            with pytest.raises(CounterfactualError, match="got a log-probability"):
                function([0.0, wrong])


def test_complements_keep_their_digits():
    logs = np.array([-1e-300, -1e-20, -1e-3, -0.5, -0.7, -5.0, -700.0])
    with mpmath.workdps(330):
        truth = [float(mpmath.log(1 - mpmath.exp(mpmath.mpf(x)))) for x in logs]
    assert log_complement(logs) == pytest.approx(truth, rel=1e-14)
    assert log_complement([0.0, -np.inf]).tolist() == [-np.inf, 0.0]


@pytest.mark.parametrize("log_tail", [-1e-12, -0.7, -39.9, -40.1, -700.0, -1e5])
def test_surprises_keep_their_digits(log_tail):
    with mpmath.workdps(60):
        beyond = mpmath.exp(mpmath.mpf(log_tail))
        series = beyond + beyond**2 / 2  # all that is seen of a tail below e^-100
        truth = mpmath.log(series if log_tail < -100 else -mpmath.log1p(-beyond))
    assert log_surprise(log_tail) == pytest.approx(float(truth), rel=1e-14, abs=1e-14)


def test_shares_add_up_to_one_and_numbers_are_kept_as_they_are():
    assert special.logsumexp(log_shares([1e3, 2e3, -np.inf], 3)) == pytest.approx(0, abs=1e-12)
    assert log_shares(None, 4).tolist() == [-np.log(4)] * 4
    assert finite_values("x", [True, False]).dtype == np.int64
    assert finite_values("x", np.float32([0.5])).dtype == np.float64
