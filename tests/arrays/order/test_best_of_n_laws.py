"""Do averages of the best of N, of contested choices and of games agree with quadrature, play?"""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.best_of_n_laws import (
    alternating_cdf,
    alternating_fixed_point,
    best_of_n_bits,
    best_of_n_discrete_divergence,
    best_of_n_divergence,
    best_of_n_mean_tail,
    opposed_bits,
    opposed_bits_lost,
)

LN2 = np.log(2.0)
NUMBERS = st.floats(0.05, 1e6)


def average(number, opponents, value):
    """Mean of a function of the tail under Beta(N, M), by quadrature over its quantiles."""
    law = stats.beta(opponents, number)  # of the tail
    return integrate.quad(lambda u: value(law.ppf(u)), 0, 1, limit=400, epsabs=1e-11)[0]


@pytest.mark.parametrize(
    ("number", "divergence", "bits", "mean_tail"),
    [
        (2, 0.27865247955551829632, 2.164042561333445111, 1.5849625007211561815),
        (16, 2.6474733991665968056, 4.8773609531210064808, 4.0874628412503394083),
        (1024, 8.558713840986904721, 10.833450503559711574, 10.001408194392808389),
    ],
)
def test_the_best_of_n_has_its_reference_values(number, divergence, bits, mean_tail):
    assert best_of_n_divergence(number) == pytest.approx(divergence, rel=1e-12)
    assert best_of_n_bits(number) == pytest.approx(bits, rel=1e-12)
    assert best_of_n_mean_tail(number) == pytest.approx(mean_tail, rel=1e-12)


def test_discrete_opposed_and_alternating_choices_have_their_reference_values():
    nats = best_of_n_discrete_divergence(4, np.arange(8.0)) * LN2
    assert nats == pytest.approx(0.62464599155174676581, rel=1e-12)
    assert opposed_bits(1024, 32) == pytest.approx(5.0663704226807219467, rel=1e-12)
    assert opposed_bits_lost(1024, 32) == pytest.approx(5.7670800808789896272, rel=1e-12)
    assert alternating_fixed_point(2, 2) == pytest.approx(0.3819660112501051518, rel=1e-12)
    assert alternating_cdf(0.5, 2, 2, rounds=2) == pytest.approx(0.6538238525390625, rel=1e-12)


@pytest.mark.parametrize("number", [0.4, 1.0, 3.7, 60.0])
def test_moments_of_bits_are_those_of_quadrature(number):
    bits = average(number, 1.0, lambda tail: -np.log2(tail))
    assert best_of_n_bits(number) == pytest.approx(bits, abs=1e-7)
    mean = average(number, 1.0, lambda tail: tail)
    assert best_of_n_mean_tail(number) == pytest.approx(-np.log2(mean), abs=1e-8)


@pytest.mark.parametrize(("number", "opponents"), [(5.0, 2.0), (0.7, 3.0), (40.0, 8.0)])
def test_opposed_choices_are_those_of_quadrature(number, opponents):
    assert opposed_bits(number, opponents) == pytest.approx(
        average(number, opponents, lambda tail: -np.log2(tail)), abs=1e-7
    )


@given(NUMBERS)
def test_the_divergence_is_that_of_mpmath_near_chance_too(number):
    for value in (number, 1 + 1e-9 * number, 0.96, 1.04):
        with mp.workdps(50):
            exact = mp.mpf(value)
            truth = (mp.log(exact) - (exact - 1) / exact) / mp.log(2)
        if truth > 0:
            assert float(best_of_n_divergence(value) / truth) == pytest.approx(1, rel=1e-8)


def test_bits_of_less_than_one_option_keep_their_digits():
    numbers = np.array([1e-12, 1e-3, 0.0499, 0.0501, 1.0])
    for number, bits in zip(numbers, best_of_n_bits(numbers), strict=True):
        exact = mp.mpf(number)
        with mp.workdps(40):
            truth = mp.harmonic(exact) / mp.log(2)
        assert bits == pytest.approx(float(truth), rel=1e-12)


@given(st.floats(0.2, 1e5), st.integers(1, 12), st.integers(0, 2**16))
def test_few_options_diverge_less_than_many_and_than_the_surprisal_of_the_best(
    number, options, seed
):
    rng = np.random.default_rng(seed)
    utility, weights = rng.integers(0, 6, options), rng.normal(0, 3, options)
    found = best_of_n_discrete_divergence(number, utility, weights)
    assert -1e-12 <= found <= best_of_n_divergence(number) + 1e-9
    assert best_of_n_discrete_divergence(1, utility, weights) == pytest.approx(0, abs=1e-12)
    share = np.exp(weights)[utility == utility.max()].sum() / np.exp(weights).sum()
    if number >= 1:
        assert found <= -np.log2(share) + 1e-9


def test_the_divergence_of_a_coin_saturates_and_that_of_many_options_does_not():
    assert best_of_n_discrete_divergence(1000, [0, 1]) == pytest.approx(1.0)
    assert best_of_n_divergence(1000) * LN2 == pytest.approx(5.909, abs=5e-4)
    fine = best_of_n_discrete_divergence(16, np.arange(20_000))
    assert fine == pytest.approx(float(best_of_n_divergence(16)), abs=1e-5)


def test_the_best_of_n_has_these_bits_in_play():
    rng = np.random.default_rng(0)
    bits = -np.log2(rng.random((20_000, 16)).min(axis=1))
    assert abs(bits.mean() - best_of_n_bits(16)) < 4 * bits.std() / np.sqrt(len(bits))


def test_an_opponent_who_moves_second_takes_less_than_the_beta_law_says():
    rng = np.random.default_rng(0)
    # The worst of eight bests of 64, by quantiles: tails of bests are Beta(1, 64).
    tails = rng.beta(1, 64, (20_000, 8)).max(axis=1)
    played = -np.log2(tails).mean()
    assert played == pytest.approx(4.73, abs=0.05)
    assert opposed_bits(64, 8) == pytest.approx(3.25, abs=0.05)


@given(NUMBERS)
def test_one_opponent_takes_nothing(number):
    assert opposed_bits_lost(number, 1) == pytest.approx(0, abs=1e-9)


def test_games_in_turn_are_those_that_are_played():
    rng = np.random.default_rng(0)
    ends = rng.random((20_000, 3, 2, 3, 2))  # S: best of 3, opponent: worst of 2, two rounds
    values = ends.min(axis=4).max(axis=3).min(axis=2).max(axis=1)
    for quantile in (0.3, 0.5, 0.7):
        truth = alternating_cdf(quantile, 3, 2, rounds=2)
        share = (values <= quantile).mean()
        assert abs(share - truth) < 4 * np.sqrt(truth * (1 - truth) / len(values))
    assert alternating_cdf([0.0, 0.4, 1.0], 2, 3, rounds=0).tolist() == [0.0, 0.4, 1.0]
    assert alternating_cdf([0.0, 1.0], 2, 3, rounds=5).tolist() == [0.0, 1.0]


@given(st.floats(1.05, 200), st.floats(1.05, 200))
def test_the_fixed_point_stays_and_drives_its_neighbours_away(best, worst):
    point = alternating_fixed_point(best, worst)
    if 1e-12 < point < 1 - 1e-12:
        exact = mp.mpf(point)
        moved = (1 - (1 - exact) ** worst) ** best
        assert float(moved) == pytest.approx(point, rel=1e-9)
        assert alternating_cdf(point * 0.99, best, worst, rounds=1) < point * 0.99


def test_bad_questions_are_refused_in_words():
    refused = [
        (lambda: best_of_n_divergence(0), "number=0"),
        (lambda: best_of_n_bits([1.0, np.nan]), "nan"),
        (lambda: opposed_bits(3, -1), "opponents=-1"),
        (lambda: alternating_cdf(1.5, 2, 2, rounds=1), "cdf=1.5"),
        (lambda: alternating_cdf(0.5, 2, 2, rounds=1.5), "rounds=1.5"),
        (lambda: alternating_fixed_point(1, 3), "more than 1"),
    ]
    for question, said in refused:
        with pytest.raises(CounterfactualError, match=said):
            question()
