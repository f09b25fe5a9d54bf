"""Are bits of draws, their summaries and intervals what closed forms say, and honest beyond?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, signal, special, stats

from inference.arrays.order.achieved import SUMMARIES, achieved_bits, achieved_chain
from inference.arrays.order.baselines import Baseline, refined
from inference.arrays.order.exceedance import exceedance_bits
from inference.arrays.order.mixtures import mixed_bits
from inference.arrays.order.summaries import summarised

LN2 = np.log(2)
ORDINAL = [SUMMARIES.index(n) for n in ("median", "mean_tail", "expected", "log2_n", "worst")]


def at(name):
    return SUMMARIES.index(name)


def chains(rng, rho=0.0, shape=(4, 1000)):
    """Stationary unit normals."""
    noise = rng.normal(size=(shape[0], shape[1] + 200))
    return signal.lfilter([np.sqrt(1 - rho**2)], [1, -rho], noise, axis=-1)[:, 200:]


def truth_of_shift(shift):
    """Bits of a unit normal that is shifted, by quadrature."""

    def mean(function):
        limits = shift - 9, shift + 9
        return integrate.quad(lambda z: function(z) * stats.norm.pdf(z - shift), *limits)[0]

    return {
        "median": -stats.norm.logsf(shift) / LN2,
        "mean_tail": -stats.norm.logsf(shift / np.sqrt(2)) / LN2,
        "expected": mean(lambda z: -stats.norm.logsf(z)) / LN2,
        "log2_n": -np.log2(mean(lambda z: -stats.norm.logcdf(z))),
        "cramer": max(shift, 0) ** 2 / 2 / LN2,
        "certainty": -stats.norm.logsf(shift) / LN2,
    }


def truth_of_best(n):
    """Bits of the best of n ranks."""
    return {
        "median": -np.log2(1 - 0.5 ** (1 / n)),
        "mean_tail": np.log2(n + 1),
        "expected": (special.digamma(n + 1) + np.euler_gamma) / LN2,
        "log2_n": np.log2(n),
        "certainty": np.log2(n + 1),
        "buffered": np.log2((n + 1) / 2),
    }


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.5, -1.0])
def test_summaries_of_a_shifted_normal_are_those_of_quadrature(shift):
    """Of forty deviates of the four cases none beyond 4.5 errors, but by one chance in 4000."""
    rng = np.random.default_rng(3)
    off, on = chains(rng), chains(rng) + shift
    found = achieved_bits(off, on, effective=4000.0)
    for name, truth in truth_of_shift(shift).items():
        error = max(found.spread.mcse[at(name)], 2e-3)
        assert abs(found.spread.value[at(name)] - truth) < 4.5 * error, name
    assert abs(found.chance[at("expected")] - 1 / LN2) < 0.01
    assert found.chance[[at("mean_tail"), at("log2_n")]] == pytest.approx([1, 0], abs=3e-3)


@pytest.mark.parametrize("n", [1, 4, 64])
def test_summaries_of_the_best_of_n_are_those_of_closed_forms(n):
    rng = np.random.default_rng(n)
    off, on = rng.random((4, 2000)), rng.random((4, 2000)) ** (1 / n)
    found = achieved_bits(off, on, effective=8000.0)
    for name, truth in truth_of_best(n).items():
        error = max(found.spread.mcse[at(name)], 2e-3)
        assert abs(found.spread.value[at(name)] - truth) < 4.5 * error, name


def test_summaries_of_levels_are_those_of_their_masses():
    """A whole law laid out as draws leaves no error but that of one rank."""
    law = np.array([40, 30, 20, 10])
    masses = np.array([10, 20, 30, 40])
    off, on = (np.repeat(np.arange(4.0), 100 * one) for one in (law, masses))
    found = summarised(Baseline(off, None, 10.0), on)[0]
    for kind in ("mean_tail", "expected", "cramer", "buffered", "certainty", "worst"):
        exact = mixed_bits(np.arange(4), np.arange(4), kind, np.log(law), masses)
        assert found[at(kind)] == pytest.approx(float(exact), abs=1e-9), kind
    below = np.cumsum([0, 0.4, 0.3, 0.2, 0.1])
    surprise = [integrate.quad(lambda q: -np.log(q), *below[k : k + 2])[0] for k in range(4)]
    mean = np.sum(masses / 100 * np.array(surprise) / (law / 100))
    assert found[at("log2_n")] == pytest.approx(-np.log2(mean), abs=2e-3)


def test_two_equal_halves_against_themselves_are_no_best_of_any():
    coin = np.repeat([0.0, 1.0], 500)
    assert abs(summarised(Baseline(coin, None, 9.0), coin, ["log2_n"])[0]).item() < 1e-3


@given(st.integers(0, 999), st.integers(2, 7))
def test_only_order_moves_ordinal_summaries(seed, levels):
    rng = np.random.default_rng(seed)
    off, on = np.sort(rng.integers(0, levels, (2, 200)), axis=1).astype(float)
    plain, bent = (
        summarised(Baseline(f(off), None, 6.0), f(on)) for f in (lambda u: u, lambda u: u**3 - 5)
    )
    np.testing.assert_array_equal(plain[:, ORDINAL], bent[:, ORDINAL])


@given(st.integers(0, 999), st.integers(2, 6))
def test_padding_with_worse_outcomes_adds_its_bits(seed, times):
    rng = np.random.default_rng(seed)
    off, on = np.sort(rng.normal(size=(2, 300)), axis=1) + np.array([[0.0], [0.5]])
    padded = np.concatenate([np.full(300 * (times - 1), -99.0), off])
    names = ["median", "mean_tail", "worst"]
    few, many = (summarised(Baseline(b, None, 50.0), on, names)[0] for b in (off, padded))
    censored = (on > off.max()).any()
    np.testing.assert_allclose(many - few, np.log2(times), atol=1e-3 if censored else 1e-9)


@given(st.integers(0, 999), st.booleans())
def test_bits_are_exceedance_bits_with_ties_and_masses(seed, weighted):
    rng = np.random.default_rng(seed)
    utility = np.sort(rng.integers(0, 9, 50)).astype(float)
    masses = np.log(rng.random(50)) * 9 if weighted else None
    points = rng.integers(-1, 11, (3, 4)).astype(float)
    bits, censored = Baseline(utility, masses, 7.0).bits(points)
    exact = exceedance_bits(utility, points, masses)
    np.testing.assert_array_equal(censored, np.isinf(exact))
    np.testing.assert_allclose(bits, np.where(censored, 7.0, exact), atol=1e-9)


def test_bits_beyond_a_thousand_do_not_underflow():
    far = np.arange(0.0, 5000.0)
    baseline = Baseline(far, -far * LN2, 9.0)
    found = summarised(baseline, np.array([3000.0, 3000.5]), ["mean_tail", "log2_n", "expected"])
    assert np.isfinite(found).all() and (np.abs(found - 3000) < 2).all()


def test_all_beyond_the_baseline_is_a_bound_and_nothing_else():
    rng = np.random.default_rng(0)
    off = chains(rng)
    found = achieved_bits(off, off + 40.0, effective=4000.0)
    least = np.log2(4000 / 3)  # of independent draws; these are worth a little less
    assert found.censored.all() and np.isfinite(found.spread.value).all()
    bounded = [at(n) for n in SUMMARIES if n not in ("worst", "cramer")]
    assert np.isinf(found.spread.upper[bounded]).all() and np.isinf(
        found.spread.upper[at("cramer")]
    )
    assert (np.abs(found.spread.value[ORDINAL] - least) < 0.4).all()
    assert found.spread.lower[at("log2_n")] <= least + 0.01


def test_the_upper_end_holds_where_some_draws_are_censored():
    """Some draws are censored, which hardly moves the mean tail."""
    rng = np.random.default_rng(1)
    found = achieved_bits(chains(rng), chains(rng) + 2.0, effective=4000.0)
    assert 0.02 < found.censored.mean() < 0.2
    mean_tail, expected = at("mean_tail"), at("expected")
    assert found.spread.lower[mean_tail] < 3.670 < found.spread.upper[mean_tail] < 4.0
    assert np.isinf(found.spread.upper[expected])


def test_a_heavy_tail_makes_no_power_out_of_its_largest_draw():
    rng = np.random.default_rng(0)
    off, on = np.exp(3 * rng.normal(size=(2, 4, 1000)))
    on[0, 0] = 1e9
    found = achieved_bits(off, on, effective=4000.0)
    assert found.spread.value[at("cramer")] < 1.0 and np.isinf(found.spread.upper[at("cramer")])
    assert abs(found.spread.value[at("mean_tail")] - 1) < 0.05


@pytest.mark.parametrize("utility", [0.0, 1e13])
def test_a_constant_has_no_power_and_no_error(utility):
    same = np.full((4, 100), utility)
    found = achieved_bits(same, same, effective=400.0)
    np.testing.assert_allclose(found.spread.value, 0.0, atol=1e-12)
    np.testing.assert_allclose(found.spread.mcse, 0.0, atol=1e-12)
    higher = achieved_bits(same, same + 1.0, effective=400.0)
    assert higher.censored.all() and np.isfinite(higher.spread.value).all()
    assert np.isinf(higher.spread.upper[at("cramer")]) and np.isinf(
        higher.spread.upper[at("mean_tail")]
    )


def test_a_worse_disciple_has_fewer_bits_than_chance():
    rng = np.random.default_rng(0)
    found = achieved_bits(chains(rng), chains(rng) - 3.0, effective=4000.0)
    assert found.spread.value[at("log2_n")] + 4 * found.spread.mcse[at("log2_n")] < 0
    assert found.spread.upper[at("mean_tail")] < 0.1 and found.spread.value[at("cramer")] == 0


@pytest.mark.parametrize("shift", [-5.0, -9.0])
def test_worse_than_all_erased_draws_is_known_only_as_an_upper_bound(shift):
    """Of the surprise -ln Phi(z - 9) so few draws tell at least ln(2000 / 3)."""
    rng = np.random.default_rng(0)
    off, on = chains(rng, shape=(4, 500)), chains(rng, shape=(4, 500)) + shift
    spread = achieved_bits(off, on, effective=2000.0).spread
    assert spread.lower[at("log2_n")] == -np.inf
    exact = truth_of_shift(shift)["log2_n"]
    assert exact < spread.value[at("log2_n")] <= spread.upper[at("log2_n")]
    assert (np.isfinite(spread.lower) | (np.arange(len(SUMMARIES)) == at("log2_n"))).all()
    if shift == -9.0:
        least = -np.log2(np.log(2000 / 3))
        assert least - 0.01 < spread.value[at("log2_n")] < least + 0.1


def test_chance_and_a_little_worse_leave_the_lower_end_of_log2_n_alone():
    for seed, shift in enumerate([0.0] * 20 + [-0.3]):
        rng = np.random.default_rng(seed)
        found = achieved_bits(chains(rng), chains(rng) + shift, effective=4000.0)
        assert np.isfinite(found.spread.lower[at("log2_n")])
    same = np.zeros((4, 100))
    assert achieved_bits(same, same, effective=400.0).spread.lower[at("log2_n")] == 0


def test_steps_to_worse_levels_are_bounds_and_leave_the_gap_open():
    rng = np.random.default_rng(0)
    levels = np.stack([chains(rng) + shift for shift in (0.0, -9.0, -2.0)])
    found = achieved_chain(levels, effective=4000.0).spread
    assert np.isinf(found.lower[[0, 2], 0]).all() and np.isfinite(found.lower[1, 0])
    assert found.upper[4, 0] == np.inf and not np.isnan(found.value).any()


@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_errors_are_those_of_repetition(rho):
    """Mean squares of 60 are within a factor 1.9 of one, but for one case in ten thousand."""
    values, errors = [], []
    for seed in range(60):
        rng = np.random.default_rng([seed, 1])
        off, on = chains(rng, rho, (4, 500)), chains(rng, rho, (4, 500)) + 1.0
        found = achieved_bits(off, on, effective=2000 * (1 - rho) / (1 + rho))
        values.append(found.spread.value)
        errors.append(found.spread.mcse)
    for name in ("median", "mean_tail", "log2_n", "buffered", "certainty"):
        ratio = np.mean(np.square(errors), 0)[at(name)] / np.var(values, 0, ddof=1)[at(name)]
        assert 1 / 1.9 < ratio < 2.2, name


@pytest.mark.parametrize(("rho", "shift"), [(0.0, 0.0), (0.0, 2.0), (0.9, 1.0)])
def test_intervals_hold_the_truth(rho, shift):
    """Intervals that hold 95 times in 100 hold in fewer than 50 of 60 once in 5000 times."""
    truth, held = truth_of_shift(shift), dict.fromkeys(truth_of_shift(shift), 0)
    for seed in range(60):
        rng = np.random.default_rng([seed, 2])
        off, on = chains(rng, rho, (4, 500)), chains(rng, rho, (4, 500)) + shift
        found = achieved_bits(off, on, effective=2000 * (1 - rho) / (1 + rho))
        for name, value in truth.items():
            held[name] += (
                found.spread.lower[at(name)] - 1e-9 <= value <= found.spread.upper[at(name)] + 1e-9
            )
    assert min(held.values()) >= 50, held


def test_runs_of_splitting_reach_beyond_draws_and_their_spread_is_the_error():
    """Four runs that are off by known bits: the interval is that of three degrees of freedom."""
    rng = np.random.default_rng(0)
    law = stats.norm()
    off, on = chains(rng), np.full((4, 1000), 8.0)
    grid = np.linspace(0, 13, 4000)
    mass = np.log(-np.diff(np.append(law.sf(grid), 0.0)) + 1e-300)
    shifts = np.array([-0.3, -0.1, 0.1, 0.3])
    runs = [(grid, mass + shift * LN2) for shift in shifts]
    found = achieved_bits(off, on, effective=4000.0, rare=runs)
    exact = -law.logsf(on) / LN2
    assert np.abs(found.bits - exact).max() < 0.3 and not found.censored.any()
    error = found.spread.mcse[at("median")]
    assert abs(error - np.std(shifts, ddof=1) / 2) < 0.05
    assert found.spread.upper[at("median")] - found.spread.value[at("median")] > 2.5 * error
    alone = achieved_bits(off, on, effective=4000.0, rare=runs[:1])
    assert np.isinf(alone.spread.mcse[at("median")]) and alone.spread.lower[at("median")] == 0


def test_importance_reaches_beyond_draws():
    rng = np.random.default_rng(1)
    off, on = chains(rng), chains(rng) + 5.0
    weighed = on, 12.5 - 5 * on - np.log(on.size)
    found = achieved_bits(off, on, effective=4000.0, weighed=weighed)
    median = at("median")
    truth = -stats.norm.logsf(5.0) / LN2
    assert abs(found.spread.value[median] - truth) < 4.5 * found.spread.mcse[median] < 1.0


def test_weighted_draws_leave_alone_what_can_be_counted():
    rng = np.random.default_rng(0)
    off = np.sort(rng.normal(size=4000))
    rare = np.linspace(1, 6, 500), np.full(500, np.log(1e-6))
    plain, deep = (refined(off, one, independent=4000.0) for one in (None, rare))
    points = np.array([-1.0, 0.0, 1.0])
    assert np.abs(plain.bits(points)[0] - deep.bits(points)[0]).max() < 1.0
    impossible = np.linspace(1, 6, 500), np.full(500, -np.inf)
    np.testing.assert_array_equal(
        refined(off, impossible, independent=4000.0).bits(points)[0], plain.bits(points)[0]
    )


def test_levels_of_the_best_of_n_add_up_and_their_errors_hold():
    deviates = []
    for seed in range(15):
        ranks = np.random.default_rng(seed).random((3, 4, 500))
        ranks **= 1 / np.array([1.0, 8.0, 64.0])[:, None, None]
        found = achieved_chain(ranks, effective=2000.0).spread
        deviates.append((found.value[:, 0] - [3, 3, 6, 6, 0]) / found.mcse[:, 0])
        assert (found.lower <= found.value).all() and (found.value <= found.upper).all()
    assert np.abs(deviates).max() < 4.5
    assert (np.square(deviates).mean(axis=0) < 2.2).all()


def test_a_gap_of_bounds_says_that_it_is_not_known():
    """Shifts by 4 and 8: the gap is positive, and draws that show neither end must allow it."""
    rng = np.random.default_rng(0)
    levels = np.stack([chains(rng) + shift for shift in (0.0, 4.0, 8.0)])
    found = achieved_chain(levels, effective=4000.0)
    truth = -stats.norm.logsf([4 / np.sqrt(2), 8 / np.sqrt(2)]) / LN2
    gap = truth[1] - 2 * truth[0]
    assert found.censored[-1].mean() > 0.9
    assert found.spread.lower[-1, 1] < gap < found.spread.upper[-1, 1] == np.inf
