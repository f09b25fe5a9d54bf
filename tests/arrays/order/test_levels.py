"""Do bits add up along levels, and are starts, prices, opponents and potentials told apart?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.circumstances import opposed_loss, starting_states
from inference.arrays.order.levels import effective_log2_n, power_chain
from inference.arrays.order.search_quality import potential, search_rate


def best_of(tries, seed, shape=(4, 1000)):
    """Chances that a random draw is as good as the best of so many."""
    return -np.expm1(np.log(np.random.default_rng(seed).random(shape)) / tries)


@pytest.mark.parametrize("tries", [0.5, 1, 16, 2.0**40])
def test_the_best_of_n_looks_like_the_best_of_n(tries):
    deviates = []
    for seed in range(40):
        found = effective_log2_n(best_of(tries, seed))
        assert found.mcse == pytest.approx(1 / np.sqrt(4000) / np.log(2), rel=0.6)
        deviates.append((found.bits - np.log2(tries)) / found.mcse)
    assert abs(np.mean(deviates)) < 4 / np.sqrt(40) and 0.4 < np.square(deviates).mean() < 2.2


def test_tails_below_all_floats_are_taken_as_logarithms():
    luck = best_of(16, 0)
    assert effective_log2_n(np.log(luck), log=True).bits == effective_log2_n(luck).bits
    deep = effective_log2_n(np.full(100, -2000 * np.log(2)), log=True)
    assert deep.bits == pytest.approx(2000.0)
    one = effective_log2_n([0.25])
    assert one.bits == pytest.approx(np.log2(3.47605949678)), "reference value 62"
    assert one.mcse == pytest.approx(1 / np.log(2))


def test_reference_values_86_to_89_and_the_gap_of_points():
    logs = {pair: np.full(50, stats.norm.logsf(at)) for pair, at in
            {(0, 1): 2.0, (1, 2): 2.0, (0, 2): 4.0}.items()}  # fmt: skip
    for name in ("mean_tail", "expected"):
        found = power_chain(logs, log=True)[name]
        assert found.direct.bits == pytest.approx(14.94646703771930042, rel=1e-12)
        assert found.chain.bits == pytest.approx(10.915962553943769731, rel=1e-12)
        assert found.gap.mcse < 1e-12
    far = [starting_states(stats.norm.logsf, [at]).worst.bits for at in (6.0, 40.0)]
    np.testing.assert_allclose(far, [29.916833728188744757, 1160.8046091506376642], rtol=1e-12)


def test_only_log2_n_chains_exactly():
    gaps = {"log2_n": [], "mean_tail": [], "expected": []}
    for seed in range(30):
        upper = best_of(128, seed)
        tails = {(0, 1): best_of(8, 1000 + seed), (0, 2): upper, (1, 2): 1 - (1 - upper) ** 8}
        found = power_chain(tails)
        for name, values in gaps.items():
            values.append((found[name].gap.bits, found[name].gap.mcse))
    bits, mcse = np.array(gaps["log2_n"]).T
    assert np.square(bits / mcse).mean() < 2.0 and abs(bits.mean()) < 0.03
    # H_128 - H_8 - H_16 and log2 129 - log2 9 - log2 17, in bits.
    harmonic = lambda n: np.sum(1 / np.arange(1, n + 1)) / np.log(2)
    expected = harmonic(128) - harmonic(8) - harmonic(16)
    assert np.mean(gaps["expected"], axis=0)[0] == pytest.approx(expected, abs=0.05)
    mean_tail = np.log2(129 / 9 / 17)
    assert np.mean(gaps["mean_tail"], axis=0)[0] == pytest.approx(mean_tail, abs=0.05)


def test_two_levels_have_no_gap_and_missing_ones_are_named():
    found = power_chain({(0, 1): best_of(4, 0)})["log2_n"]
    assert found.gap.bits == 0 and found.direct == found.chain == found.steps[0]
    with pytest.raises(CounterfactualError, match=r"\(0, 2\)"):
        power_chain({(0, 1): [0.5], (1, 2): [0.5]})


@given(st.integers(0, 2**16))
def test_mean_tail_is_at_most_the_expected_bits(seed):
    found = power_chain({(0, 1): np.random.default_rng(seed).uniform(1e-9, 1, 20)})
    assert found["mean_tail"].direct.bits <= found["expected"].direct.bits + 1e-12


def test_starts_of_a_normal_baseline():
    found = starting_states(stats.norm.logsf, [1.0, 2.0, 3.0, 4.0])
    bits = [found.worst.bits, found.mean_utility.bits, found.expected.bits, found.mean_tail.bits]
    np.testing.assert_allclose(bits, [2.656033, 7.331269, 8.148354, 4.451765], atol=5e-7)
    assert found.worst.mcse == found.expected.mcse == found.unreached == 0.0
    heavy = starting_states(stats.norm.logsf, [1.0, 4.0], weights=[0.0, 2.0])
    assert heavy.worst.bits == heavy.expected.bits == pytest.approx(14.94646703771930042)


def test_starts_by_draws_are_within_their_errors():
    starts = np.array([0.0, 0.5, 1.0, 2.0])
    names = "worst", "mean_utility", "expected", "mean_tail"
    truth = starting_states(stats.norm.logsf, starts)
    deviates = []
    for seed in range(60):
        draws = np.random.default_rng(seed).normal(size=(4, 1000))
        found = starting_states(draws, starts)
        both = [(getattr(found, name), getattr(truth, name)) for name in names]
        deviates.append([(mine.bits - exact.bits) / mine.mcse for mine, exact in both])
    squares = np.square(deviates).mean(axis=0)
    assert (squares > 0.4).all() and (squares < 2.2).all()
    beyond = starting_states(draws, [0.0, 99.0])
    assert beyond.unreached == 0.5 and np.isfinite(beyond.expected.bits)


def test_random_search_has_no_excess():
    tries = np.array([1, 2, 16, 1024])
    expected = [1 / np.log(2), 2.16404256133, 4.87736095312, 10.8334505036]
    found = search_rate(expected, tries, 2.0, mcse=0.3)
    np.testing.assert_allclose(found.excess, 0.0, atol=1e-9)
    np.testing.assert_allclose(found.efficiency, 1.0, rtol=1e-10)
    assert (np.diff(found.per_evaluation) < 0).all()
    np.testing.assert_allclose(found.per_second_mcse, 0.15)
    assert search_rate(3.0, 10).per_second is None


def test_what_opposition_takes_is_within_its_errors_and_pairing_helps():
    """Truth for U0 ~ N(0,2): the expected bits of N(2,2) less those of N(1,2), by quadrature."""
    grid, weight = np.polynomial.hermite_e.hermegauss(80)
    bits = [
        weight @ -stats.norm.logsf(grid + shift / np.sqrt(2)) / np.sqrt(2 * np.pi) / np.log(2)
        for shift in (2, 1)
    ]
    deviates, ratios = [], []
    for seed in range(60):
        past, *noise = np.random.default_rng(seed).normal(size=(3, 4, 1000))
        alone = past + noise[1] + 2
        found = opposed_loss(past + noise[0], alone, alone - 1)
        deviates.append((found.loss.bits - (bits[0] - bits[1])) / found.loss.mcse)
        ratios.append(found.loss.mcse / found.loss_unpaired.mcse)
        assert found.paired and found.unreached < 0.2
    # Half a draw in place of none takes a little from the best.
    assert np.square(deviates).mean() < 3.5 and np.mean(ratios) < 0.7
    apart = opposed_loss(past, alone[:, :500], alone - 1)
    assert not apart.paired and apart.loss == apart.loss_unpaired
    same = opposed_loss(past, alone, alone)
    assert same.loss.bits == same.loss.mcse == 0.0 < same.loss_unpaired.mcse


def test_potential_is_of_a_declared_set_and_its_maximum_is_noisy():
    found = potential([3.0, 1.0, 2.0], 1.5, quantile=0.5, mcse=[0.3, 0.1, 0.2])
    assert found.maximum.bits == 3.0 and found.maximum.mcse == 0.3
    assert found.quantile.bits == 2.0 and found.quantile.mcse == pytest.approx(0.2)
    assert found.held_back.bits == 1.5 and found.share_above == pytest.approx(2 / 3)
    assert potential([3.0, 1.0], 1.0).maximum_noise == 0.0
    alike = potential(np.zeros(2), 0.0, mcse=1.0).maximum_noise
    assert alike == pytest.approx(1 / np.sqrt(np.pi), abs=1e-6)
    five = potential(np.zeros(5), 0.0, mcse=2.0).maximum_noise
    assert five == pytest.approx(2 * 1.1629644736, abs=1e-5)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: effective_log2_n([0.5, 1.0]), r"tails\[0, 1, 0\] = 1 .*\(r \+ 1/2\)"),
        (lambda: effective_log2_n([0.5], log=True), "natural logarithm below 0"),
        (lambda: power_chain({(0, 1): [0.0]}), r"tails\[\(0, 1\)\]"),
        (lambda: power_chain({}), r"\[\(0, 1\)\] missing"),
        (lambda: starting_states([1.0], [1.0, 2.0], [1.0]), "one for each of 2 starts"),
        (lambda: starting_states([1.0], [np.nan]), "utility"),
        (lambda: search_rate(1.0, 0), "at least one evaluation"),
        (lambda: opposed_loss([1.0], [1.0], [1.0, 2.0], paired=True), "paired=True"),
        (lambda: potential([1.0], 1.0, quantile=2), "quantile=2"),
        (lambda: potential([1.0], 1.0, mcse=-1.0), "at least 0"),
    ],
)
def test_bad_input_is_refused(call, said):
    with pytest.raises(CounterfactualError, match=said):
        call()
