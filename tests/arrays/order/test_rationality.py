"""Is an exponential weighting found where there is one, and doubted where there is none?"""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, signal, stats

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.rank_exponential import (
    rank_exponential_divergence,
    rank_exponential_fit,
    rank_exponential_from_best_of_n,
    rank_exponential_log_density,
)
from inference.arrays.order.rationality import boltzmann_fit

LN2 = np.log(2.0)


def test_a_normal_baseline_gives_its_rate_and_its_bits_within_errors():
    """The tilt of N(0, 1) by λ is N(λ, 1), λ²/2 nats away."""
    rates, bits = [], []
    for seed in range(40):
        draws = np.random.default_rng(seed).normal(size=4000)
        found = boltzmann_fit(draws, 0.8)
        rates.append((found.rate - 0.8) / found.rate_mcse)
        bits.append((found.bits - 0.32 / LN2) / found.bits_mcse)
        assert found.reliable, found.why
    for standard in (np.array(rates), np.array(bits)):
        assert abs(standard.mean()) < 4 / np.sqrt(40)
        assert 0.7 < standard.std() < 1.35


@pytest.mark.parametrize("shared", [False, True])
def test_errors_hold_where_the_achieved_mean_is_drawn_too(shared):
    standard = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        past = rng.normal(size=(2, 2000))
        base = past[0] if shared else past[0, :1999]
        own = 0.5 + (0.8 * past[0] + 0.6 * past[1] if shared else past[1])
        found = boltzmann_fit(base, own)
        standard.append((found.rate - 0.5) / found.rate_mcse)
    assert abs(np.mean(standard)) < 4 / np.sqrt(60)
    assert 0.75 < np.std(standard) < 1.3


def chains_of_ar(seed, shape=(4, 1000, 1), memory=0.9):
    """Normal draws that remember .9 of the one before; futures share the past of their draw."""
    rng = np.random.default_rng(seed)
    noise = np.sqrt(1 - memory**2) * rng.normal(size=shape[:2])
    noise[:, 0] /= np.sqrt(1 - memory**2)
    past = signal.lfilter([1.0], [1.0, -memory], noise, axis=1)
    return 0.8 * past[..., None] + 0.6 * rng.normal(size=shape)


def test_errors_hold_for_slow_chains_and_futures_that_share_their_past():
    standard, wider = [], []
    for seed in range(60):
        draws = chains_of_ar(seed, (4, 1000, 2))
        found = boltzmann_fit(draws, 0.5)
        standard.append(
            [(found.rate - 0.5) / found.rate_mcse, (found.bits - 0.125 / LN2) / found.bits_mcse]
        )
        mixed = np.random.default_rng(seed).permutation(draws.ravel())
        wider.append(found.rate_mcse / boltzmann_fit(mixed, 0.5).rate_mcse)
    assert (np.abs(np.mean(standard, axis=0)) < 4 / np.sqrt(60)).all()
    assert (np.std(standard, axis=0) > 0.75).all() and (np.std(standard, axis=0) < 1.35).all()
    assert np.median(wider) > 2.5


def test_slow_pasts_that_both_worlds_share_are_counted_once():
    standard, ratios = [], []
    for seed in range(40):
        base = chains_of_ar(seed)
        own = base + 0.5 + 0.3 * np.random.default_rng(1000 + seed).normal(size=base.shape)
        found = boltzmann_fit(base, own)
        standard.append((found.rate - 0.5) / found.rate_mcse)
        ratios.append(found.rate_mcse / boltzmann_fit(base, own[:, :-1]).rate_mcse)
    assert 0.7 < np.std(standard) < 1.4 and np.median(ratios) < 0.8


HEAVY = {
    "lognormal": lambda rng, size: rng.lognormal(size=size),
    "t with 3 degrees": lambda rng, size: rng.standard_t(3, size=size),
    "pareto": lambda rng, size: rng.pareto(2.5, size=size),
}


@pytest.mark.parametrize("law", HEAVY)
@pytest.mark.parametrize("size", [4000, 40_000])
def test_a_heavy_tail_is_not_believed_however_small_the_rate(law, size):
    believed = []
    for seed in range(10):
        draws = HEAVY[law](np.random.default_rng(seed), size)
        found = boltzmann_fit(draws, np.mean(draws) + 0.5 * draws.std())
        believed.append(found.reliable)
        assert found.reliable or "rank_exponential_fit" in found.why
    assert sum(believed) <= (2 if size == 4000 else 0)  # one in ten passes at 4000 draws


def test_a_light_tail_is_believed_unless_few_draws_carry_it():
    fits = [
        boltzmann_fit(np.random.default_rng(seed).exponential(size=10_000), 1.33)
        for seed in range(20)
    ]
    assert sum(found.reliable for found in fits) >= 16
    far = boltzmann_fit(np.random.default_rng(0).normal(size=1000), 2.5)
    assert not far.reliable and "few draws" in far.why


def test_a_mean_beyond_all_draws_has_no_rate():
    draws = np.random.default_rng(0).normal(size=500)
    for achieved, rate in ((9.0, np.inf), (-9.0, -np.inf), (draws.max(), np.inf)):
        found = boltzmann_fit(draws, achieved)
        assert found.rate == rate and not found.reliable and "all 500 draws" in found.why


@given(st.floats(-1.0, 1.0), st.sampled_from([1e-6, 1.0, 1e13]), st.floats(-1e3, 1e3))
def test_the_rate_goes_with_the_unit_and_turns_with_the_sign(achieved, unit, shift):
    draws = np.random.default_rng(0).normal(size=1000)
    found = boltzmann_fit(draws, achieved)
    scaled = boltzmann_fit(unit * (draws + shift), unit * (achieved + shift))
    assert scaled.rate * unit == pytest.approx(found.rate, rel=1e-6, abs=1e-9)
    assert scaled.bits == pytest.approx(found.bits, rel=1e-5, abs=1e-9)
    turned = boltzmann_fit(-draws, -achieved)
    assert turned.rate == pytest.approx(-found.rate, rel=1e-9, abs=1e-12)
    assert turned.khat == pytest.approx(found.khat, rel=1e-6, abs=1e-6)


def test_weights_stand_for_repeated_draws():
    rng = np.random.default_rng(0)
    draws, times = rng.normal(size=600), rng.integers(1, 4, 600)
    found = boltzmann_fit(draws, 0.7, np.log(times))
    plain = boltzmann_fit(np.repeat(draws, times), 0.7)
    assert found.rate == pytest.approx(plain.rate, rel=1e-9)
    assert found.bits == pytest.approx(plain.bits, rel=1e-9)


def test_two_outcomes_have_the_log_odds_for_their_rate():
    draws = np.repeat([0.0, 1.0], [700, 300])[np.random.default_rng(0).permutation(1000)]
    found = boltzmann_fit(draws, 0.6)
    assert found.rate == pytest.approx(np.log(0.6 / 0.4) - np.log(0.3 / 0.7), rel=1e-10)
    bits = 0.6 * np.log2(0.6 / 0.3) + 0.4 * np.log2(0.4 / 0.7)
    assert found.bits == pytest.approx(bits, rel=1e-9)
    assert found.reliable


@pytest.mark.parametrize(
    ("number", "nats"),
    [
        (2, 0.067805368506196751729),
        (16, 0.009391156411674469958),
        (1024, 2.3826356314908347486e-6),
    ],
)
def test_best_of_n_against_the_weighted_rank_has_its_reference_values(number, nats):
    assert rank_exponential_from_best_of_n(number) * LN2 == pytest.approx(nats, rel=1e-9)


@given(st.floats(0.3, 300), st.floats(-30, 300))
def test_the_divergence_between_them_is_that_of_quadrature(number, rate):
    with mp.workdps(30):
        n, lam = mp.mpf(number), mp.mpf(rate)
        top = mp.log(lam / -mp.expm1(-lam)) if lam else mp.mpf(0)
        truth = mp.log(n) - (n - 1) / n - top + lam / (n + 1)
    found = rank_exponential_from_best_of_n(number, rate) * LN2
    assert found == pytest.approx(float(truth), rel=1e-8, abs=1e-12)


def test_both_models_agree_as_five_over_two_n_squared():
    numbers = np.array([1e3, 1e5, 1e8])
    nats = rank_exponential_from_best_of_n(numbers) * LN2
    np.testing.assert_allclose(nats * 2 * numbers**2 / 5, 1, rtol=2e-3)
    assert rank_exponential_from_best_of_n(1.0) == 0
    near = rank_exponential_from_best_of_n(1 + 1e-4) * LN2
    assert near == pytest.approx(7 / 24 * 1e-8, rel=1e-3)


@pytest.mark.parametrize("rate", [-40.0, -0.999, -1e-9, 0.0, 1e-300, 1e-8, 0.3, 1.001, 25.0])
def test_the_density_of_the_rank_is_one_and_has_its_divergence(rate):
    density = lambda q: np.exp(rank_exponential_log_density(rate, np.log1p(-q)))
    assert integrate.quad(density, 0, 1)[0] == pytest.approx(1, abs=1e-10)
    gain = lambda q: density(q) * rank_exponential_log_density(rate, np.log1p(-q))
    nats = integrate.quad(gain, 0, 1)[0]
    assert rank_exponential_divergence(rate) * LN2 == pytest.approx(nats, abs=1e-10)


@given(st.floats(-60, 600), st.floats(1e-9, 1 - 1e-9))
def test_the_density_of_the_rank_is_that_of_mpmath(rate, tail):
    rate = rate if abs(rate) > 1e-9 else 0.0
    with mp.workdps(60):
        lam, p = mp.mpf(rate), mp.mpf(tail)
        truth = mp.log(lam / -mp.expm1(-lam)) - lam * p if lam else mp.mpf(0)
        spread = mp.log(lam / -mp.expm1(-lam)) - 1 + lam / mp.expm1(lam) if lam else mp.mpf(0)
    found = rank_exponential_log_density(rate, np.log(tail))
    assert found == pytest.approx(float(truth), rel=1e-11, abs=1e-12)
    assert rank_exponential_divergence(rate) * LN2 == pytest.approx(
        float(spread), rel=1e-11, abs=1e-200
    )


@given(st.floats(-60, 200))
def test_the_fit_finds_the_rate_of_its_own_mean(rate):
    with mp.workdps(30):
        lam = mp.mpf(rate)
        tail = float(1 / lam - 1 / mp.expm1(lam)) if abs(rate) > 1e-6 else 0.5
    found = rank_exponential_fit(np.log(tail))
    assert found.rate == pytest.approx(rate, rel=1e-9, abs=2e-6)
    law = stats.truncexpon(b=abs(rate) + 1e-9, scale=1 / (abs(rate) + 1e-9))
    if 0.01 < abs(rate) < 100:
        assert found.rate_error == pytest.approx(1 / law.std(), rel=1e-6)


def test_the_fit_to_choices_of_the_best_of_n_finds_nearly_n_less_one():
    rng = np.random.default_rng(0)
    tails = rng.beta(1, 256, 4000)
    found = rank_exponential_fit(np.log(tails))
    assert abs(found.number - 257) < 4 * found.rate_error  # mean tail 1/(N + 1)
    assert found.rate_error == pytest.approx(256 / np.sqrt(4000), rel=0.1)
    far = rank_exponential_fit(np.array([[-690.0], [-1e-290]]))
    assert far.rate[0] == pytest.approx(np.exp(690.0)) and far.rate[1] < -600
    assert np.isfinite(far.rate_error).all()


def test_bad_questions_are_refused_in_words():
    refused = [
        (lambda: boltzmann_fit(np.ones(50), 2.0), "vary"),
        (lambda: boltzmann_fit(np.array([0.0, np.nan]), 1.0), r"baseline\[1\] = nan"),
        (lambda: boltzmann_fit(np.arange(9.0), np.inf), "achieved"),
        (lambda: boltzmann_fit(np.ones((3, 3, 3, 3)), 1.0), "shape"),
        (lambda: boltzmann_fit(np.ones((2, 4)), 5.0, np.zeros((4, 2))), "one mass for each"),
        (lambda: rank_exponential_fit([0.1]), "log-probability"),
        (lambda: rank_exponential_fit([-np.inf]), "mean tail of 0.0"),
        (lambda: rank_exponential_fit([0.0, 0.0]), "mean tail of 1.0"),
        (lambda: rank_exponential_log_density(np.nan, -1.0), "nan"),
        (lambda: rank_exponential_from_best_of_n(0), "number=0"),
    ]
    for question, said in refused:
        with pytest.raises(CounterfactualError, match=said):
            question()
