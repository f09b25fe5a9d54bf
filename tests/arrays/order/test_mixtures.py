"""Which axioms do the bits of a mixture keep, and is each kind what its formula says?"""

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import optimize, special, stats

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.exceedance import exceedance_bits
from inference.arrays.order.mixtures import MIXTURES, mixed_bits, most_expected_bits
from inference.arrays.order.nearest_laws import (
    buffered_exceedance,
    exponential_tilt,
    tilted_log_shares,
)

EIGHT = np.arange(8)
TEN_TRILLION = 1e13
LOW, HIGH = [4, 4], [7, 7]
HALVES = [4, 7]

shares = st.lists(st.integers(0, 5), min_size=8, max_size=8).filter(any)
utilities = st.lists(st.integers(-4, 8), min_size=8, max_size=8).filter(lambda u: len(set(u)) > 1)
every_kind = pytest.mark.parametrize("kind", MIXTURES)


def bits_of_law(kind, law, utility=EIGHT, masses=None):
    """Bits of achieving each of eight states with these weights."""
    log_measure = None if masses is None else np.log(masses)
    return mixed_bits(utility, utility, kind, log_measure, weights=law).item()


def only(kinds):
    return pytest.mark.parametrize("kind", kinds)


@pytest.mark.parametrize(
    ("mean", "bits", "strength"),
    [
        (4.0, 0.034520430038742973486, 0.096188828174266062079),
        (5.5, 0.60198597924823128874, 0.46173751972920086186),
        (6.0, 1.0060473109292521911, 0.67555607984028168783),
    ],
)
def test_tilts_of_eight_equally_likely_states_have_their_reference_values(mean, bits, strength):
    tilt = exponential_tilt(EIGHT, mean)
    assert tilt.bits == pytest.approx(bits, rel=1e-12)
    assert tilt.strength == pytest.approx(strength, rel=1e-12)


def test_buffered_shares_mean_tail_and_expected_bits_are_those_of_the_post():
    buffered = -buffered_exceedance(EIGHT, [5.5, 6, 4]) / np.log(2)
    truth = [1.0, 1.4150374992788438185, 0.19264507794239589256]
    assert buffered == pytest.approx(truth, rel=1e-12)
    assert mixed_bits(EIGHT, HALVES, "mean_tail") == pytest.approx(
        1.6780719051126376521, rel=1e-12
    )
    assert mixed_bits(EIGHT, HALVES, "expected") == pytest.approx(2.0, rel=1e-12)
    assert mixed_bits(EIGHT, HALVES, "worst") == 1.0
    assert mixed_bits(EIGHT, HALVES, "certainty") == 2.0


# The table of axioms: what holds, for any baseline, law and utilities.


@only(["certainty", "expected", "mean_tail", "worst"])
@given(utilities, shares, st.integers(0, 7))
def test_a_sure_outcome_has_its_bits(kind, utility, masses, state):
    assume(masses[state])
    with np.errstate(divide="ignore"):
        log_measure = np.log(masses)
    pure = exceedance_bits(utility, utility[state], log_measure)
    found = mixed_bits(utility, [utility[state]] * 3, kind, log_measure, [0.2, 0.3, 0.5])
    assert found == pytest.approx(pure, abs=1e-12)


@only(["cramer", "buffered"])
@given(utilities, shares)
def test_of_two_kinds_only_the_best_outcome_has_its_bits(kind, utility, masses):
    with np.errstate(divide="ignore"):
        log_measure = np.log(masses)
    possible = [u for u, mass in zip(utility, masses, strict=True) if mass]
    pure = exceedance_bits(utility, max(possible), log_measure)
    assert mixed_bits(utility, [max(possible)], kind, log_measure) == pytest.approx(
        pure, abs=1e-12
    )
    assert mixed_bits(EIGHT, [6], kind) < exceedance_bits(EIGHT, 6) - 0.1


@only(["certainty", "cramer", "buffered"])
@given(utilities, shares, shares)
def test_a_higher_expected_utility_never_has_fewer_bits(kind, utility, one, other):
    means = [np.dot(law, utility) / sum(law) for law in (one, other)]
    less, more = (one, other) if means[0] <= means[1] else (other, one)
    assume(abs(means[0] - means[1]) > 1e-9)
    slack = 1e-9
    assert bits_of_law(kind, less, utility) <= bits_of_law(kind, more, utility) + slack


@only(["expected", "mean_tail", "worst"])
def test_a_higher_expected_utility_may_have_fewer_bits(kind):
    rich = [*range(7), TEN_TRILLION]
    assert np.mean([3, rich[7]]) > 6
    assert mixed_bits(rich, [3, rich[7]], kind) < mixed_bits(rich, [6], kind)


@only(["expected", "mean_tail", "worst"])
@given(utilities, shares)
def test_only_the_order_matters_to_three_kinds(kind, utility, law):
    stretched = np.exp2(np.array(utility, float))
    found = bits_of_law(kind, law, stretched)
    assert found == pytest.approx(bits_of_law(kind, law, utility), abs=1e-12)


@only(["certainty", "cramer", "buffered"])
def test_more_than_the_order_matters_to_the_others(kind):
    stretched = [*range(7), TEN_TRILLION]
    assert (
        abs(
            mixed_bits(stretched, [4, 4, 4, stretched[7]], kind)
            - mixed_bits(EIGHT, [4, 4, 4, 7], kind)
        )
        > 0.1
    )


@given(utilities, shares, shares, st.floats(0, 1))
def test_expected_bits_are_distributive(utility, one, other, part):
    mixed = part * np.array(one) / sum(one) + (1 - part) * np.array(other) / sum(other)
    parts = [bits_of_law("expected", law, utility) for law in (one, other)]
    assert bits_of_law("expected", mixed, utility) == pytest.approx(
        part * parts[0] + (1 - part) * parts[1], abs=1e-9
    )


@only([kind for kind in MIXTURES if kind != "expected"])
def test_no_other_kind_is_distributive(kind):
    parts = [mixed_bits(EIGHT, law, kind).item() for law in (LOW, HIGH)]
    apart = mixed_bits(EIGHT, [*LOW, *LOW, *LOW, *HIGH], kind) - (
        0.75 * parts[0] + 0.25 * parts[1]
    )
    assert abs(apart) > 0.05


@every_kind
@given(utilities, shares, shares, shares, st.floats(0, 1))
def test_uncertainty_never_raises_the_bits(kind, utility, masses, one, other, part):
    masses = np.array(masses) + 1
    mixed = part * np.array(one) / sum(one) + (1 - part) * np.array(other) / sum(other)
    parts = [bits_of_law(kind, law, utility, masses) for law in (one, other)]
    assert bits_of_law(kind, mixed, utility, masses) <= max(parts) + 1e-9


@only(["expected", "mean_tail", "worst", "cramer"])
@given(utilities, shares, shares, shares, st.floats(0.01, 0.99))
def test_a_mixture_has_no_more_than_the_mixture_of_bits(kind, utility, masses, one, other, part):
    masses = np.array(masses) + 1
    mixed = part * np.array(one) / sum(one) + (1 - part) * np.array(other) / sum(other)
    parts = [bits_of_law(kind, law, utility, masses) for law in (one, other)]
    bound = part * parts[0] + (1 - part) * parts[1]
    assert bits_of_law(kind, mixed, utility, masses) <= bound + 1e-9


def test_two_kinds_have_more_than_the_mixture_of_bits():
    # Two thirds of X7 and a third of X4 have a mean of 6: with a little more, only X7 is as good.
    assert mixed_bits(EIGHT, HALVES, "certainty", weights=[0.33, 0.67]) == 3.0
    assert mixed_bits(EIGHT, [4], "certainty") == 1.0
    # Of a fair coin the part with mean m is 1/(2m), whose logarithm bends the wrong way.
    parts = [mixed_bits([0, 1], law, "buffered") for law in ([0, 1], [1, 1])]
    assert parts == [0.0, 1.0]
    assert mixed_bits([0, 1], [0, 1, 1, 1], "buffered") == pytest.approx(np.log2(1.5))


# The post's argument.


def test_no_distributive_law_follows_expected_utility():
    rich = [*range(7), TEN_TRILLION]
    half = [4, rich[7]]
    # The law gives both 2 bits, though one is worth five trillion and the other 6.
    assert mixed_bits(rich, half, "expected") == pytest.approx(2.0)
    assert mixed_bits(rich, [6], "expected") == 2.0
    assert mixed_bits(EIGHT, [6], "cramer") == pytest.approx(1.006047, abs=1e-6)
    assert mixed_bits(rich, [6], "cramer") == 0.0
    assert mixed_bits(rich, half, "cramer") == pytest.approx(0.596323, abs=1e-6)
    assert mixed_bits(rich, [rich[7]], "cramer") == pytest.approx(3.0, rel=1e-12)
    # And again, the other way round: now X6 is worth far more than the half.
    both = [*range(6), TEN_TRILLION - 1, TEN_TRILLION]
    assert mixed_bits(both, [4, both[7]], "expected") == pytest.approx(2.0)
    assert mixed_bits(both, [both[6]], "expected") == 2.0
    assert mixed_bits(both, [both[6]], "cramer") == pytest.approx(2.0, abs=1e-9)
    assert mixed_bits(both, [4, both[7]], "cramer") == pytest.approx(0.207519, abs=1e-6)
    assert mixed_bits(both, [both[7]], "cramer") == pytest.approx(3.0, rel=1e-12)


# Formulas, against other ways to the same numbers.


def test_a_baseline_scores_its_own_offsets():
    draws = np.arange(100_000.0)
    assert mixed_bits(draws, draws, "expected") == pytest.approx(1 / np.log(2), abs=1e-3)
    assert mixed_bits(draws, draws, "mean_tail") == pytest.approx(1.0, abs=1e-3)
    assert mixed_bits(draws, draws, "cramer") == pytest.approx(0.0, abs=1e-9)
    assert mixed_bits(draws, draws, "buffered") == pytest.approx(0.0, abs=1e-9)


def test_the_tilt_of_a_normal_baseline_is_half_its_squared_shift():
    points = np.linspace(-12, 12, 4001)
    log_measure = stats.norm.logpdf(points)
    tilt = exponential_tilt(points, [1e-6, 0.1, 1.0, 3.0, 6.0], log_measure)
    shift = np.array([1e-6, 0.1, 1.0, 3.0, 6.0])
    assert tilt.bits == pytest.approx(shift**2 / 2 / np.log(2), rel=1e-6)
    assert tilt.strength == pytest.approx(shift, rel=1e-6)


@given(utilities, shares, st.floats(0.001, 0.999))
def test_the_tilted_law_has_the_mean_and_no_law_is_nearer(utility, masses, part):
    with np.errstate(divide="ignore"):
        log_measure = np.log(masses)
    possible = np.array([u for u, mass in zip(utility, masses, strict=True) if mass], float)
    weights = np.array([mass for mass in masses if mass]) / sum(masses)
    low, high = weights @ possible, possible.max()
    assume(high - low > 1e-6)
    mean = low + part * (high - low)
    tilt = exponential_tilt(utility, mean, log_measure)
    law = np.exp(tilted_log_shares(utility, tilt.strength, log_measure))
    assert law @ np.array(utility) == pytest.approx(mean, abs=1e-9)
    own = law[np.array(masses) > 0]
    divergence = special.rel_entr(own, weights).sum() / np.log(2)
    assert tilt.bits == pytest.approx(divergence, rel=1e-6, abs=1e-12)
    # The dual, maximised by scipy, is the same number.
    dual = optimize.minimize_scalar(
        lambda rate: special.logsumexp(rate * (possible - mean), b=weights),
        bounds=(0, 60 / max(high - mean, 1e-3)),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert tilt.bits >= -dual.fun / np.log(2) - 1e-9
    assert tilt.bits == pytest.approx(-dual.fun / np.log(2), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e13, 1e150])
@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_units_and_zero_of_utility_do_not_matter(scale, offset):
    tilt = exponential_tilt((EIGHT + offset) * scale, (5.5 + offset) * scale)
    assert tilt.bits == pytest.approx(0.60198597924823128874, rel=1e-12)
    assert tilt.strength * scale == pytest.approx(0.46173751972920086186, rel=1e-12)


@pytest.mark.parametrize("above", [1e-12, 1e-9, 1e-6, 1e-3])
def test_a_slight_tilt_costs_the_square_of_its_shift(above):
    # Centred utilities keep the shift exact.
    tilt = exponential_tilt(EIGHT - 3.5, above)
    assert tilt.bits == pytest.approx(above**2 / (2 * 5.25) / np.log(2), rel=1e-3 + above)
    assert tilt.strength == pytest.approx(above / 5.25, rel=1e-3)


def test_a_steep_tilt_tells_two_best_apart_that_nearly_tie():
    gap = 1e-12
    baseline, mean = [0.0, -gap, -1.0], -0.25 * gap
    with mpmath.workdps(40):
        # Of the best two, in the proportion of three to one: the third is out of reach.
        truth = float(
            sum(p * mpmath.log(3 * p, 2) for p in (mpmath.mpf(3) / 4, mpmath.mpf(1) / 4))
        )
    assert exponential_tilt(baseline, mean).bits == pytest.approx(truth, rel=1e-9)


def test_a_rare_disaster_weighs_in_the_divergence_to_its_last_digit():
    # To rule out what happens once in 1e10 costs -log2(1 - 1e-10).
    baseline, log_measure = [0.0, -1.0], [np.log1p(-1e-10), np.log(1e-10)]
    half = exponential_tilt(baseline, -0.5e-10, log_measure).bits
    with mpmath.workdps(40):
        p, q = mpmath.mpf("1e-10"), mpmath.mpf("0.5e-10")
        truth = float((1 - q) * mpmath.log((1 - q) / (1 - p), 2) + q * mpmath.log(q / p, 2))
    assert half == pytest.approx(truth, rel=1e-4)


def test_the_maximum_what_lies_beyond_and_what_below_the_mean_have_their_bits():
    tilt = exponential_tilt([0, 1, 1, 2, 2], [2, 2.5, 1.2, 0.5])
    assert tilt.bits == pytest.approx([np.log2(2.5), np.inf, 0, 0])
    assert tilt.strength.tolist() == [np.inf, np.inf, 0, 0]
    law = np.exp(tilted_log_shares([0, 1, 1, 2, 2], [np.inf, 0.0]))
    assert law == pytest.approx(np.array([[0, 0, 0, 0.5, 0.5], [0.2] * 5]))
    buffered = buffered_exceedance([0, 1, 1, 2, 2], [2, 2.5, 1.2, 0.5])
    assert buffered == pytest.approx([np.log(0.4), -np.inf, 0, 0])
    # An impossible best outcome is no outcome.
    masses = [0.0, 0.0, -np.inf]
    assert exponential_tilt([0, 1, 9], [1, 2], masses).bits.tolist() == [1.0, np.inf]
    assert buffered_exceedance([0, 1, 9], [1, 2], masses).tolist() == [-np.log(2), -np.inf]
    assert exponential_tilt([3.0, 3.0], [2, 3, 4]).bits.tolist() == [0, 0, np.inf]
    assert buffered_exceedance([3.0, 3.0], [2, 3, 4]).tolist() == [0, 0, -np.inf]


@given(utilities, shares, st.floats(-4, 8))
def test_buffered_exceedance_is_its_variational_formula(utility, masses, mean):
    weights, utility = np.array(masses) / sum(masses), np.array(utility, float)
    best = utility[weights > 0].max()
    assume(best - mean > 1e-3)
    with np.errstate(divide="ignore"):
        found = np.exp(buffered_exceedance(utility, mean, np.log(masses)))
    # It is least at a kink, where an outcome's term is cut, or at 0.
    gaps = (mean - utility)[(utility < mean) & (weights > 0)]
    slopes = np.append(1 / gaps, 0.0)
    values = np.maximum(slopes[:, None] * (utility - mean) + 1, 0) @ weights
    assert found == pytest.approx(values.min(), abs=1e-9)


@given(utilities, shares)
def test_buffered_bits_are_between_cramers_and_those_of_the_certainty(utility, law):
    cramer, buffered, sure = (
        bits_of_law(kind, law, utility) for kind in ("cramer", "buffered", "certainty")
    )
    assert cramer <= buffered + 1e-9 and buffered <= sure + 1e-9


def test_masses_far_below_what_a_number_can_hold_are_kept():
    baseline, log_measure = [0.0, 1.0], [0.0, -2000.0]
    for kind in MIXTURES:
        assert mixed_bits(baseline, [1.0], kind, log_measure) == pytest.approx(
            2000 / np.log(2), rel=1e-12
        )
    # Half of the achievements: the divergence is dominated by the rare half.
    half = mixed_bits(baseline, [0.0, 1.0], "cramer", log_measure)
    assert half == pytest.approx(1000 / np.log(2) - 1, rel=1e-9)
    tail = mixed_bits(baseline, [0.0, 1.0], "buffered", log_measure)
    assert tail == pytest.approx(2000 / np.log(2) - 1, rel=1e-9)


def test_many_achievements_weights_and_leading_axes_are_what_they_are_alone():
    rng = np.random.default_rng(5)
    baseline, achieved = rng.normal(1, 3, size=3000), rng.normal(1, 1, size=(3, 4, 500))
    weights = rng.uniform(size=500)
    weights[:50] = 0
    achieved[..., :50] = 100.0  # of no weight, so of no effect
    for kind in MIXTURES:
        together = mixed_bits(baseline, achieved, kind, weights=weights)
        assert together.shape == (3, 4) and np.isfinite(together).all()
        alone = mixed_bits(baseline, achieved[1, 2, 50:], kind, weights=weights[50:])
        assert together[1, 2] == pytest.approx(alone, rel=1e-9)


def test_a_tie_of_the_mean_is_not_lost_by_rounding():
    baseline = [0.1, 0.2, 0.3, 0.4]
    for parts in ([0.1, 0.3], [0.1, 0.2, 0.3], [0.1, 0.1, 0.2, 0.4]):
        assert mixed_bits(baseline, parts, "certainty") == pytest.approx(np.log2(4 / 3))


def test_what_one_nat_of_divergence_buys_at_most():
    assert most_expected_bits(1 / np.log(2)) * np.log(2) == pytest.approx(
        3.1461932206205825852, rel=1e-12
    )
    assert most_expected_bits([0.0, np.inf]).tolist() == [1 / np.log(2), np.inf]


@given(st.floats(0, 1e6))
def test_the_most_expected_bits_are_the_least_of_all_bounds(bits):
    nats = bits * np.log(2)
    v = most_expected_bits(bits) * np.log(2)
    assert v - 1 - np.log(v) == pytest.approx(nats, rel=1e-9, abs=1e-12)
    t = 1 - 1 / v
    if t > 1e-6:
        for other in (0.9 * t, t, t + 0.1 * (1 - t)):
            assert (nats - np.log1p(-other)) / other >= v * (1 - 1e-9)


@given(utilities, shares, shares)
def test_no_achievement_has_more_expected_bits_than_its_divergence_buys(utility, masses, law):
    masses = np.array(masses) + 1
    weights = np.array(law) / sum(law)
    divergence = special.rel_entr(weights, masses / masses.sum()).sum() / np.log(2)
    found = bits_of_law("expected", law, utility, masses)
    assert found <= most_expected_bits(max(divergence, 0.0)) + 1e-9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mixed_bits(EIGHT, [6], "kl"), "got kind='kl'"),
        (lambda: mixed_bits(EIGHT, [6], "cramér"), "Did you mean 'cramer'"),
        (lambda: mixed_bits(EIGHT, 6.0), "along the last axis"),
        (lambda: mixed_bits(EIGHT, []), "one at least"),
        (lambda: mixed_bits(EIGHT, [6, np.nan]), r"achieved\[1\]=nan"),
        (lambda: mixed_bits(EIGHT, [6, 7], weights=[1, -1]), "negative or all zero"),
        (lambda: mixed_bits(EIGHT, [6, 7], weights=[0, 0]), "negative or all zero"),
        (lambda: mixed_bits(EIGHT, [6, 7], weights=[1]), "got weights of shape"),
        (lambda: mixed_bits([], [6, 7], "cramer"), "got a baseline of shape"),
        (lambda: exponential_tilt(EIGHT, np.nan), "mean=nan"),
        (lambda: exponential_tilt([0, 1], 1, [0, np.inf]), "infinite mass"),
        (lambda: tilted_log_shares(EIGHT, -1.0), "strength of -1"),
        (lambda: most_expected_bits(-1.0), "divergence of -1"),
        (lambda: exponential_tilt([-1.7e308, 1.7e308], 0.5), "wider than"),
    ],
)
def test_what_is_no_mixture_is_refused(call, message):
    with pytest.raises(CounterfactualError, match=message):
        call()
