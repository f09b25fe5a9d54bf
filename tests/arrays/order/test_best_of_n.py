"""Is N judged as its posterior says, by quadrature and sums, for tails of every size?"""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from counterfactual_models.errors import CounterfactualError, ImpactWarning
from inference.arrays.order.best_of_n import best_of_n
from inference.arrays.order.best_of_n_grid import (
    best_of_n_discrete,
    best_of_n_posterior,
    jeffreys_log_prior,
)
from inference.arrays.order.best_of_n_levels import (
    best_of_n_level,
    best_of_n_marginal,
    choice_probabilities,
    level_log_probabilities,
    utility_levels,
)

LN2 = np.log(2.0)
EXACT = 1e-9


def moments(log_density, low, high, points=()):
    """Mean and variance of N, mean and deviation of log2 N, by mpmath's quadrature in ln N."""
    pieces = sorted({low, high, *(p for p in points if low < p < high)})

    def integral(weight):
        return mp.quad(lambda x: mp.exp(log_density(mp.exp(x)) + x) * weight(x), pieces)

    total = integral(lambda x: 1)
    mean = integral(mp.exp) / total
    square = integral(lambda x: mp.exp(2 * x)) / total
    log = integral(lambda x: x) / total
    spread = integral(lambda x: (x - log) ** 2) / total
    return [
        float(v) for v in (mean, square - mean**2, log / mp.log(2), mp.sqrt(spread) / mp.log(2))
    ]


def told(found):
    return [float(v) for v in (found.mean, found.variance, found.mean_log2, found.sd_log2)]


def test_one_choice_at_a_quarter_has_its_reference_values():
    found = best_of_n(np.log(0.25))
    assert found.mean_log2 == pytest.approx(0.96470659848247871829, rel=EXACT)
    assert found.sd_log2 == pytest.approx(1.8503282796675035949, rel=EXACT)
    assert found.precision_log2 == pytest.approx(0.29208040832832451094, rel=EXACT)
    assert found.mle == pytest.approx(3.4760594967822069104, rel=EXACT)
    some = best_of_n(np.log(0.25), "at_least_one")
    assert some.mean_log2 == pytest.approx(1.8022723740639806984, rel=EXACT)
    whole = best_of_n(np.log(0.25), "integer")
    assert whole.mean == pytest.approx(4.0, rel=EXACT)
    assert whole.mle == 3  # 3 and 4 are equally likely: the smaller is told
    assert found.proper and found.why == ""


def test_a_level_among_eight_has_its_reference_values():
    found = best_of_n_level(np.log(6 / 8), np.log(7 / 8))
    assert found.mle == pytest.approx(4.9790202365165969139, rel=EXACT)
    assert found.mean == pytest.approx(5.228293162880823335, rel=EXACT)
    assert found.mean_log2 == pytest.approx(1.5183547816235285315, rel=EXACT)
    assert found.sd_log2 == pytest.approx(1.8777353858932746888, rel=EXACT)
    chosen = choice_probabilities(4, np.arange(8.0))
    assert chosen[7] == pytest.approx(0.413818359375, rel=EXACT)


@pytest.mark.parametrize("choices", [1, 2, 7])
@pytest.mark.parametrize("tail", [0.9, 0.3, 1e-3, 1e-12])
def test_moments_on_one_or_more_are_those_of_quadrature(tail, choices):
    total = -choices * mp.log1p(-mp.mpf(tail))
    top = float(mp.log(choices / total))
    points = [top + step for step in (-20, -6, -2, 0, 1, 2, 3)]
    truth = moments(
        lambda n: (choices - 1) * mp.log(n) - (n - 1) * total, 0.0, max(top, 0) + 5, points
    )
    found = best_of_n(np.full(choices, np.log(tail)), "at_least_one")
    assert told(found) == pytest.approx(truth, rel=EXACT)


@pytest.mark.parametrize("choices", [1, 3])
@pytest.mark.parametrize("tail", [0.9, 0.3, 0.004])
def test_moments_on_whole_numbers_are_those_of_a_sum(tail, choices):
    n = np.arange(1.0, 200_001.0)
    mass = special.softmax((choices - 1) * np.log(n) + choices * n * np.log1p(-tail))
    mean, log = mass @ n, mass @ np.log2(n)
    truth = [mean, mass @ (n - mean) ** 2, log, np.sqrt(mass @ (np.log2(n) - log) ** 2)]
    found = best_of_n(np.full(choices, np.log(tail)), "integer")
    assert told(found) == pytest.approx(truth, rel=EXACT)
    below = np.searchsorted(np.cumsum(mass), [0.025, 0.975]) + 1
    assert np.array_equal(found.interval.round(6), below)


def test_whole_numbers_far_beyond_what_is_added_one_by_one_agree_with_the_geometric_law():
    tails = np.array([1e-2, 1e-4, 1e-7, 1e-12])
    found = best_of_n(np.log(tails)[:, None], "integer")
    np.testing.assert_allclose(found.mean, 1 / tails, rtol=EXACT)
    np.testing.assert_allclose(found.variance, (1 - tails) / tails**2, rtol=EXACT)
    np.testing.assert_allclose(found.interval[:3, 1], stats.geom.ppf(0.975, tails[:3]))


@given(st.integers(1, 6), st.integers(0, 2**16))
def test_positive_numbers_have_a_gamma_law(choices, seed):
    tails = np.random.default_rng(seed).uniform(0.01, 0.99, choices)
    total = -np.log1p(-tails).sum()
    law = stats.gamma(choices, scale=1 / total)
    found = best_of_n(np.log(tails))
    assert [found.mean, found.variance] == pytest.approx([law.mean(), law.var()])
    assert found.interval == pytest.approx(law.ppf([0.025, 0.975]))
    log = integrate.quad(lambda u: np.log2(law.ppf(u)), 0, 1, limit=200)[0]
    assert found.mean_log2 == pytest.approx(log, abs=1e-6)


@pytest.mark.parametrize("choices", [1, 4])
def test_intervals_hold_what_they_say(choices):
    logs = np.full(choices, np.log(0.2))
    total = -choices * np.log1p(-0.2)
    found = best_of_n(logs, "at_least_one", probability=0.8)
    beyond = special.gammaincc(choices, found.interval * total)
    assert beyond / special.gammaincc(choices, total) == pytest.approx([0.9, 0.1], abs=1e-9)
    level = best_of_n_level(np.log(0.5), np.log(0.7), probability=0.8)
    law = lambda n: (0.7**n - 0.5**n) / n
    whole = integrate.quad(law, 0, np.inf)[0]
    inside = [integrate.quad(law, 0, end)[0] / whole for end in level.interval]
    assert inside == pytest.approx([0.1, 0.9], abs=1e-7)


@pytest.mark.parametrize("support", ["positive", "at_least_one", "integer"])
def test_tails_far_below_floating_point_keep_their_bits(support):
    bits = np.array([1e3, 1e5, 1e7])
    found = best_of_n(-LN2 * bits[:, None], support)
    np.testing.assert_allclose(found.mean_log2 - bits, -np.euler_gamma / LN2, atol=1e-8 * 1e2)
    np.testing.assert_allclose(found.sd_log2, np.pi / np.sqrt(6) / LN2, rtol=1e-8)
    np.testing.assert_allclose(found.log2_of_mean, bits, rtol=1e-12)
    np.testing.assert_allclose(found.log2_of_variance, 2 * bits, rtol=1e-12)
    assert np.isinf(found.mean[1:]).all() and found.proper.all()
    small = best_of_n(np.log(1e-300), support)
    assert small.mean == pytest.approx(1e300) and small.mle == pytest.approx(1e300)
    assert small.log2_of_variance == pytest.approx(600 * np.log2(10))


@pytest.mark.parametrize("support", ["positive", "at_least_one", "integer"])
def test_many_rows_at_once_are_what_they_are_alone(support):
    logs = -np.random.default_rng(0).exponential(3.0, size=(2, 301, 2))
    found = best_of_n(logs, support)
    assert found.mean.shape == (2, 301) and found.interval.shape == (2, 301, 2)
    alone = best_of_n(logs[1, 250], support)
    assert told(alone) == pytest.approx(
        [array[1, 250] for array in (found.mean, found.variance, found.mean_log2, found.sd_log2)]
    )


def test_the_truth_lies_in_the_interval_as_often_as_promised():
    rng = np.random.default_rng(0)
    truth, repeats = 40.0, 4000
    rank = rng.random((repeats, 5)) ** (1 / truth)
    found = best_of_n(np.log1p(-rank))
    covered = ((found.interval[:, 0] < truth) & (truth < found.interval[:, 1])).mean()
    assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / repeats)


def test_levels_have_the_moments_of_quadrature():
    below, at = mp.mpf("0.2"), mp.mpf("0.9")
    truth = moments(lambda n: mp.log(at**n - below**n) - mp.log(n), -60.0, 6.5, (-5, 0, 3))
    found = best_of_n_level(np.log(0.2), np.log(0.9))
    assert told(found)[:2] == pytest.approx(truth[:2], rel=1e-8)
    assert told(found)[2:] == pytest.approx(truth[2:], rel=1e-8)


def test_a_level_too_narrow_to_see_is_a_point_of_a_continuous_utility():
    for width in (0.0, 1e-16, 1e-12):
        narrow = best_of_n_level(np.log(0.75) - width, np.log(0.75))
        point = best_of_n(np.log(0.25))
        assert told(narrow) == pytest.approx(told(point), rel=1e-9)
        assert narrow.mle == pytest.approx(float(point.mle))
        assert narrow.interval == pytest.approx(point.interval)


def test_the_best_and_the_worst_level_have_no_posterior_and_say_so():
    found = best_of_n_level([np.log(0.5), -np.inf, -np.inf], [0.0, np.log(0.5), 0.0])
    assert found.mle[:2].tolist() == [np.inf, 0.0] and np.isnan(found.mle[2])
    assert not found.proper.any() and np.isnan(found.mean).all()
    assert [why.split(":")[0] for why in found.why] == [
        "the best there is",
        "the worst there is",
        "all options are equally good",
    ]
    assert found.interval.tolist() == [[0.0, np.inf]] * 3


def test_a_level_next_to_the_top_at_1e_300_is_judged():
    found = best_of_n_level(-3e-300, -1e-300)
    ratio = np.log(3.0)
    assert found.mle == pytest.approx(ratio / 2e-300)
    assert found.mean_log2 == pytest.approx(
        (-np.euler_gamma - np.log(1e-300) - ratio / 2) / LN2, rel=1e-12
    )


@pytest.mark.parametrize(
    ("chosen", "mean", "sd"), [(7, 3.177, 1.69), (6, 1.659, 1.59), (0, -4.174, 3.213)]
)
def test_the_discrete_jeffreys_prior_has_a_posterior_at_every_level(chosen, mean, sd):
    found = best_of_n_discrete(np.arange(8), chosen)
    assert found.mean_log2 == pytest.approx(mean, abs=6e-4)
    assert found.sd_log2 == pytest.approx(sd, abs=6e-3)
    assert found.proper
    density = lambda x: np.exp(
        level_log_probabilities(2.0**x, utility_levels(np.arange(8)))[chosen]
        + jeffreys_log_prior(2.0**x, np.arange(8))
        + x * LN2
    )
    whole = integrate.quad(density, -50, 12, limit=400, points=[-10, 0, 5])[0]
    first = integrate.quad(lambda x: x * density(x), -50, 12, limit=400, points=[-10, 0, 5])[0]
    assert found.mean_log2 == pytest.approx(first / whole, abs=1e-5)


def test_jeffreys_prior_is_the_square_root_of_the_information_and_integrates():
    utility = np.arange(8.0)
    levels = utility_levels(utility)
    for number in (0.01, 1.0, 7.0, 60.0):
        step = 1e-5 * number
        chosen = np.exp(level_log_probabilities([number - step, number, number + step], levels))
        slope = (chosen[2] - chosen[0]) / (2 * step)
        information = (slope**2 / chosen[1]).sum()
        assert np.exp(2 * jeffreys_log_prior(number, utility)) == pytest.approx(
            information, rel=1e-5
        )
    density = lambda x: np.exp(jeffreys_log_prior(np.exp(x), utility) + x)
    whole = integrate.quad(density, -45, 10, limit=400, points=[-5, 0, 5])[0]
    assert whole == pytest.approx(5.841283, abs=1e-6)


def test_several_choices_narrow_the_posterior():
    one = best_of_n_discrete(np.arange(8), 6)
    many = best_of_n_discrete(np.arange(8), [6] * 20)
    assert many.sd_log2 < one.sd_log2 / 3
    assert many.mle == pytest.approx(float(one.mle), rel=1e-6)


def test_choices_are_probabilities_and_ties_go_by_weight():
    utility, weights = np.array([2.0, 0.0, 2.0, 1.0]), np.log([0.1, 0.5, 0.3, 0.1])
    for number in (0.3, 1.0, 5.0):
        chosen = choice_probabilities(number, utility, weights)
        truth = np.array([0.25 * (1 - 0.6**number), 0.5**number, 0.75 * (1 - 0.6**number), 0])
        truth[3] = 0.6**number - 0.5**number
        assert chosen == pytest.approx(truth)
    np.testing.assert_allclose(choice_probabilities(1.0, utility, weights), np.exp(weights))
    unlike = choice_probabilities(3.0, utility, np.array([0.0, -np.inf, 0.0, -np.inf]))
    np.testing.assert_allclose(unlike, [0.5, 0.0, 0.5, 0.0])


def test_choices_are_those_of_simulated_searches():
    rng = np.random.default_rng(0)
    utility = np.array([0.0, 1.0, 1.0, 3.0, 2.0])
    tried = rng.integers(5, size=(40_000, 3))
    # Of the tried ones that are equally good the first is taken: each is as likely to be first.
    best = tried[np.arange(len(tried)), utility[tried].argmax(axis=1)]
    share = np.bincount(best, minlength=5) / len(tried)
    truth = choice_probabilities(3, utility)
    assert (np.abs(share - truth) < 4.5 * np.sqrt(truth * (1 - truth) / len(tried))).all()


@given(st.floats(0.01, 1e6), st.integers(1, 40), st.integers(0, 2**16))
def test_probabilities_of_levels_add_up_to_one(number, options, seed):
    rng = np.random.default_rng(seed)
    utility, weights = rng.integers(0, 10, options), rng.normal(0, 30, options)
    assert choice_probabilities(number, utility, weights).sum() == pytest.approx(1, abs=1e-9)


def test_a_million_options_are_told_apart_among_levels_a_hair_apart():
    weights = np.log([1.0, 1e-16, 1e-16])
    chosen = choice_probabilities(1e6, np.arange(3.0), weights)
    assert chosen[1:] == pytest.approx([1e-10, 1e-10], rel=1e-6)
    assert choice_probabilities(1e300, np.arange(3.0), weights)[2] == pytest.approx(1.0)


def test_what_was_seen_tells_of_the_choice_that_was_not():
    utility = np.arange(8.0)
    certain = np.where(utility == 6, 0.0, -np.inf)
    numbers = np.array([0.5, 3.0, 40.0])
    direct = np.log(choice_probabilities(numbers, utility)[:, 6])
    np.testing.assert_allclose(best_of_n_marginal(numbers, utility, certain), direct)
    twice = best_of_n_marginal(numbers, utility, np.stack([certain, certain]))
    np.testing.assert_allclose(twice, 2 * direct)
    noisy = -0.5 * (5.0 - utility) ** 2
    brute = np.log(choice_probabilities(numbers, utility) @ np.exp(noisy))
    np.testing.assert_allclose(best_of_n_marginal(numbers, utility, noisy), brute)


@pytest.mark.parametrize(("noise", "mean", "sd"), [(0.3, 9.31, 2.46), (1.0, 11.1, 4.9)])
def test_the_published_example_of_an_unobserved_choice(noise, mean, sd):
    options = np.random.default_rng(0).normal(size=20_000)
    seen = stats.norm.logpdf(3.0, options, noise)
    likelihood = lambda number: best_of_n_marginal(number, options, seen)
    if noise < 1:
        found = best_of_n_posterior(likelihood)
        assert found.proper
    else:  # 1/N is improper in the tail: five in a hundred lie at the end of the grid
        with pytest.warns(ImpactWarning, match=r"within one bit of N = 2\^20"):
            found = best_of_n_posterior(likelihood)
        assert not found.proper and "grid ends" in str(found.why)
    assert found.mean_log2 == pytest.approx(mean, abs=0.07)
    assert found.sd_log2 == pytest.approx(sd, abs=0.06)


def test_a_grid_agrees_with_the_closed_form_and_warns_at_either_end():
    likelihood = lambda number: np.log(number) + number * np.log(0.99)
    found = best_of_n_posterior(likelihood, lowest=-25.0, highest=14.0)
    exact = best_of_n(np.log(0.01))
    assert told(found) == pytest.approx(told(exact), rel=1e-5)
    assert found.interval == pytest.approx(exact.interval, rel=1e-3)
    assert found.mle == pytest.approx(float(exact.mle), rel=1e-6)
    bounded = best_of_n_posterior(likelihood, highest=14.0)
    assert told(bounded) == pytest.approx(told(best_of_n(np.log(0.01), "at_least_one")), rel=1e-6)
    with pytest.warns(ImpactWarning, match=r"2\^-1,"):
        best_of_n_posterior(lambda number: -number, lowest=-1.0)
    with pytest.warns(ImpactWarning):
        flat = best_of_n_posterior(np.zeros_like)
    assert np.isnan(flat.mle)


@pytest.mark.parametrize(
    ("log_tail", "said"),
    [(0.0, "log_tail=0.0"), (-np.inf, "log_tail=-inf"), (np.nan, "log_tail=nan"), (0.5, "0.5")],
)
def test_tails_that_no_continuous_choice_has_are_refused(log_tail, said):
    with pytest.raises(CounterfactualError, match=said):
        best_of_n([-1.0, log_tail])


def test_bad_questions_are_refused_in_words():
    refused = [
        (lambda: best_of_n(-1.0, "integers"), "Did you mean 'integer'"),
        (lambda: best_of_n(-1.0, probability=95), "probability=95"),
        (lambda: best_of_n(np.empty((3, 0))), "last axis"),
        (lambda: best_of_n_level(-1.0, -2.0), "log_below <= log_at"),
        (lambda: best_of_n_level(np.nan, -2.0), "nan"),
        (lambda: best_of_n_discrete(np.arange(8), 6.5), "6.5"),
        (lambda: best_of_n_discrete(np.ones(3), 1.0), "equally good"),
        (lambda: choice_probabilities(0, np.arange(3.0)), "number=0"),
        (lambda: choice_probabilities(2, np.array([0.0, np.nan])), "nan"),
        (lambda: best_of_n_marginal(2, np.arange(3.0), np.zeros(2)), "3 options"),
        (lambda: best_of_n_marginal(2, np.arange(2.0), np.array([0.0, np.nan])), "option 1"),
        (lambda: best_of_n_marginal(2, np.arange(2.0), np.full(2, -np.inf)), "every option"),
        (lambda: best_of_n_posterior(np.log, lowest=3.0, highest=2.0), "range"),
        (lambda: best_of_n_posterior(lambda number: 0.0), "shape"),
        (lambda: best_of_n_posterior(lambda number: number * np.nan), "nan"),
        (lambda: best_of_n_posterior(lambda number: np.full_like(number, -np.inf)), "everywhere"),
    ]
    for question, said in refused:
        with pytest.raises(CounterfactualError, match=said):
            question()
