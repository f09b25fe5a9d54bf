"""Do counts of draws tell the bits that they can, and no more, whatever the chains are like?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, signal, stats

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.counting import (
    FEWEST_INDEPENDENT,
    counted_bits,
    indicator_effective,
    least_bits,
)

AR, TRUE_TARGET = 0.9, stats.norm.isf


def autoregression(seed, shape=(4, 1000), rho=AR):
    noise = np.random.default_rng(seed).normal(size=(*shape[:-1], shape[-1] + 300))
    return signal.lfilter([np.sqrt(1 - rho**2)], [1, -rho], noise, axis=-1)[..., 300:]


def indicator_worth(chance, rho):
    """How many draws of an endless chain are worth an independent one, by the bivariate normal."""
    target, tau = -stats.norm.isf(chance), 1.0
    for lag in range(1, 80):
        pair = stats.multivariate_normal(cov=[[1, rho**lag], [rho**lag, 1]])
        tau += 2 * (pair.cdf([target, target]) - chance**2) / (chance * (1 - chance))
    return tau


def test_reference_values_51_to_57_are_met():
    limits = least_bits(0, np.array([100, 1000, 100_000]))
    expected = 5.0825031864688671807, 8.3850360123011745379, 15.026753387087420639
    np.testing.assert_allclose(limits, expected, rtol=1e-9)
    found = counted_bits(np.array([0, 3]), 1000)
    np.testing.assert_allclose(found.mean, [12.799251689234823958, 8.3749868971753361751], 1e-9)
    np.testing.assert_allclose(found.sd, [3.2045380164648539127, 0.82795897092684193496], 1e-9)


@pytest.mark.parametrize(("reached", "draws"), [(1, 7), (3, 1000), (500, 1000), (999, 1000)])
def test_moments_and_quantiles_are_those_of_the_beta_law(reached, draws):
    found = counted_bits(reached, draws, probability=0.9)
    beta = stats.beta(reached + 0.5, draws - reached + 0.5)
    ends = beta.ppf([1e-14, 1 - 1e-14])
    moments = [
        integrate.quad(lambda p, k=k: (-np.log2(p)) ** k * beta.pdf(p), *ends, limit=500)[0]
        for k in (1, 2)
    ]
    assert found.mean == pytest.approx(moments[0], rel=1e-6)
    assert found.sd == pytest.approx(np.sqrt(moments[1] - moments[0] ** 2), rel=1e-4)
    bits = -np.log2(beta.ppf([0.95, 0.5, 0.05]))
    np.testing.assert_allclose([found.lower, found.median, found.upper], bits, rtol=1e-8)


def test_no_draw_gives_a_lower_limit_only_and_says_so():
    found = counted_bits([0, 1000], 1000)
    assert found.one_sided.all()
    assert found.plug_in.tolist() == [np.inf, 0.0] and found.upper[0] == np.inf
    assert found.lower.tolist() == [least_bits(0, 1000), 0.0]
    assert found.upper[1] == pytest.approx(-np.log2(0.05) / 1000)
    np.testing.assert_allclose(found.resolution, [np.log2(1001), 0.0])
    zeros = [found.plug_in[1], found.lower[1], found.resolution[1], least_bits(5, 5)]
    assert not np.signbit(zeros).any()


@pytest.mark.parametrize("draws", [1, 12, 60])
def test_least_bits_are_below_the_truth_in_95_of_100_cases_by_enumeration(draws):
    limits = least_bits(np.arange(draws + 1), draws)
    for chance in np.geomspace(1e-3, 0.999, 40):
        below = limits <= -np.log2(chance) + 1e-12
        assert stats.binom.pmf(np.arange(draws + 1), draws, chance)[below].sum() >= 0.95 - 1e-12


@pytest.mark.parametrize("chance", [0.02, 0.002, 0.0005])
def test_intervals_of_independent_draws_hold_the_truth_in_90_of_100_cases(chance):
    counts = np.arange(1001)
    found = counted_bits(counts, 1000)
    holds = (found.lower <= -np.log2(chance)) & (-np.log2(chance) <= found.upper)
    assert stats.binom.pmf(counts, 1000, chance)[holds].sum() >= 0.94


@pytest.mark.parametrize("chance", [0.1, 0.004])
def test_intervals_of_slow_chains_hold_the_truth_in_90_of_100_cases(chance):
    """Coverage is .93 and .96 in 2000 repetitions: under 85 of 100 come once in 400 seeds."""
    truth, target = -np.log2(chance), TRUE_TARGET(chance)
    held = plain = 0
    for seed in range(100):
        values = autoregression(seed)
        reached = np.count_nonzero(values >= target)
        own = counted_bits(reached, 4000, indicator_effective(values, target))
        naive = counted_bits(reached, 4000)
        held += own.lower <= truth <= own.upper
        plain += naive.lower <= truth <= naive.upper
    assert held >= 85 > 80 > plain


@pytest.mark.parametrize("chance", [0.3, 0.05])
def test_an_indicator_is_worth_what_the_bivariate_normal_says(chance):
    values = autoregression(1, (4, 20_000))
    found = indicator_effective(values, TRUE_TARGET(chance))
    assert found == pytest.approx(80_000 / indicator_worth(chance, AR), rel=0.15)


def test_futures_that_agree_count_once_and_futures_that_do_not_count_each():
    rng = np.random.default_rng(0)
    past, targets = rng.normal(size=(4, 500, 1)), np.array([0.0, 1.0, 1.5])
    alike = indicator_effective(np.repeat(past, 10, axis=2), targets)
    # Levels that are judged lie elsewhere among ten times as many rows.
    np.testing.assert_allclose(alike, indicator_effective(past, targets), rtol=0.1)
    apart = indicator_effective(rng.normal(size=(4, 500, 10)), targets)
    assert (apart > 14_000).all() and (apart <= 20_000 + 1e-6).all()
    half = indicator_effective(past + rng.normal(size=(4, 500, 10)), targets)
    assert (half > 1.5 * alike).all() and (half < apart).all()


def test_many_targets_are_judged_between_few_as_one_by_one():
    values = autoregression(2, (4, 1000, 3))[..., :3] + np.random.default_rng(3).normal(
        size=(4, 1000, 3)
    )
    targets = np.linspace(-2, 2.5, 400).reshape(20, 20)
    together = indicator_effective(values, targets)
    alone = [indicator_effective(values, target) for target in targets.flat]
    assert together.shape == (20, 20)
    assert np.abs(np.log(together.ravel() / alone)).mean() < 0.05


def test_where_hits_are_few_or_none_the_quantile_tells():
    values = autoregression(4)
    ordered = np.sort(values, axis=None)
    told, lowest = (indicator_effective(values, end) for end in (1e9, -1e9))
    assert indicator_effective(values, ordered[-3]) <= told < 1500
    assert indicator_effective(values, ordered[3]) <= lowest < 1500
    # Twenty independent hits are as many rows as the share of independent ones is small.
    often = int(1.5 * FEWEST_INDEPENDENT * len(ordered) / told)
    assert indicator_effective(values, ordered[-often]) == pytest.approx(float(told), rel=0.5)
    assert indicator_effective(np.ones((4, 100)), [0.0, 1.0, 2.0]).tolist() == [400.0] * 3
    rare = np.zeros((4, 100))
    rare[2, 5] = 1.0
    assert np.isfinite(indicator_effective(rare, [0.0, 0.5, 1.0, 2.0])).all()
    assert indicator_effective(np.arange(6.0).reshape(3, 2), 2.5) == pytest.approx(3)


@pytest.mark.parametrize("share", [0.01, 0.001])
def test_forty_futures_that_share_their_slow_past_are_no_forty_draws(share):
    """Of intervals that hold in 95 of 100, fewer than 50 of 60 hold once in a thousand tries."""
    target, truth = stats.norm.isf(share), -np.log2(share)
    held = 0
    for seed in range(60):
        past = autoregression(seed, (4, 500), 0.95)[..., None]
        noise = np.random.default_rng([seed, 1]).normal(size=(4, 500, 40))
        values = np.sqrt(0.9) * past + np.sqrt(0.1) * noise
        worth = indicator_effective(values, target)
        told = counted_bits((values >= target).sum(), values.size, worth)
        held += bool(told.lower <= truth <= told.upper)
    assert held >= 50


def test_no_more_is_believed_than_the_slowest_latent_and_the_draws():
    values = np.random.default_rng(0).normal(size=(4, 1000))
    assert indicator_effective(values, 0.0, latents=123.0) == pytest.approx(123.0)
    assert counted_bits(10, 100, 1e9).effective == 100


@given(st.integers(0, 500), st.integers(1, 500), st.floats(0.01, 1.0))
def test_limits_are_in_order_and_fewer_effective_draws_widen_them(reached, draws, share):
    reached = min(reached, draws)
    whole, part = counted_bits(reached, draws), counted_bits(reached, draws, share * draws)
    for one in (whole, part):
        assert 0 <= one.lower <= one.median or one.one_sided
        assert one.lower <= one.upper and one.sd > 0
    assert part.upper - part.lower >= (whole.upper - whole.lower) * (1 - 1e-9) or part.one_sided
    if share < 1:
        same = counted_bits(reached * share, draws * share)
        assert part.mean == pytest.approx(same.mean)


@given(st.integers(0, 2**16))
def test_a_monotone_change_of_the_utility_changes_nothing(seed):
    values = np.random.default_rng(seed).normal(size=(2, 100))
    targets = np.array([-1.0, 0.0, 0.5, 5.0])
    found = indicator_effective(values, targets)
    np.testing.assert_allclose(indicator_effective(np.exp(values), np.exp(targets)), found)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: counted_bits(5, 4), "5 of 4 draws"),
        (lambda: counted_bits(np.nan, 4), "nan of 4"),
        (lambda: counted_bits(1, 4, 0.0), "effective=0.0"),
        (lambda: counted_bits(1, 4, probability=95), "probability=95"),
        (lambda: least_bits(1, 4, 1.0), "confidence=1.0"),
        (lambda: indicator_effective([0.0, np.nan], 0.0), r"values\[1\] = nan"),
        (lambda: indicator_effective([0.0, 1.0], np.nan), "target that is NaN"),
        (lambda: indicator_effective(np.zeros((2, 2, 2, 2)), 0.0), r"shape \(2, 2, 2, 2\)"),
    ],
)
def test_what_is_no_count_is_refused(call, said):
    with pytest.raises(CounterfactualError, match=said):
        call()
