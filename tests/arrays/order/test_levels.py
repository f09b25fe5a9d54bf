"""Do bits add up along levels whose tails are known exactly?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.best_of_n import best_of_n
from inference.arrays.order.levels import chain_of_levels


def best_of(tries, seed, shape=(4, 1000)):
    """Chances that a random draw is as good as the best of so many."""
    return -np.expm1(np.log(np.random.default_rng(seed).random(shape)) / tries)


def log2_n(tails, **more):
    """Bits of the one step there is."""
    return chain_of_levels({(0, 1): tails}, **more)["log2_n"].direct


@pytest.mark.parametrize("tries", [0.5, 1, 16, 2.0**40])
def test_the_best_of_n_looks_like_the_best_of_n(tries):
    deviates = []
    for seed in range(40):
        found = log2_n(best_of(tries, seed))
        assert found.mcse == pytest.approx(1 / np.sqrt(4000) / np.log(2), rel=0.6)
        deviates.append((found.bits - np.log2(tries)) / found.mcse)
    assert abs(np.mean(deviates)) < 4 / np.sqrt(40) and 0.4 < np.square(deviates).mean() < 2.2


def test_tails_below_all_floats_are_taken_as_logarithms():
    luck = best_of(16, 0)
    assert log2_n(np.log(luck), log=True).bits == log2_n(luck).bits
    deep = log2_n(np.full(100, -2000 * np.log(2)), log=True)
    assert deep.bits == pytest.approx(2000.0)
    one = log2_n([0.25])
    assert one.bits == pytest.approx(np.log2(3.47605949678)), "reference value 62"
    assert one.mcse == np.inf


def test_log2_n_is_that_of_the_likeliest_best_of_n():
    luck = best_of(16, 0)
    likeliest = best_of_n(np.log(luck).ravel()).log2_of_mle
    assert log2_n(luck).bits == pytest.approx(likeliest, rel=1e-12)


def test_points_have_the_gap_of_reference_values_86_to_89():
    logs = {pair: np.full(50, stats.norm.logsf(at)) for pair, at in
            {(0, 1): 2.0, (1, 2): 2.0, (0, 2): 4.0}.items()}  # fmt: skip
    for name in ("mean_tail", "expected"):
        found = chain_of_levels(logs, log=True)[name]
        assert found.direct.bits == pytest.approx(14.94646703771930042, rel=1e-12)
        assert found.chain.bits == pytest.approx(10.915962553943769731, rel=1e-12)
        assert found.gap.mcse < 1e-12


def test_only_log2_n_chains_exactly():
    gaps = {"log2_n": [], "mean_tail": [], "expected": []}
    for seed in range(30):
        upper = best_of(128, seed)
        tails = {(0, 1): best_of(8, 1000 + seed), (0, 2): upper, (1, 2): 1 - (1 - upper) ** 8}
        found = chain_of_levels(tails)
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
    found = chain_of_levels({(0, 1): best_of(4, 0)})["log2_n"]
    assert found.gap.bits == 0 and found.direct == found.chain == found.steps[0]
    with pytest.raises(CounterfactualError, match=r"\(0, 2\)"):
        chain_of_levels({(0, 1): [0.5], (1, 2): [0.5]})


@given(st.integers(0, 2**16))
def test_mean_tail_is_at_most_the_expected_bits(seed):
    found = chain_of_levels({(0, 1): np.random.default_rng(seed).uniform(1e-9, 1, 20)})
    assert found["mean_tail"].direct.bits <= found["expected"].direct.bits + 1e-12


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: chain_of_levels({(0, 1): [0.5, 1.0]}),
            r"\[0, 1, 0\] = 1 .*\(r \+ 1/2\)",
        ),
        (lambda: chain_of_levels({(0, 1): [0.5]}, log=True), "natural logarithm below 0"),
        (lambda: chain_of_levels({(0, 1): [0.0]}), r"tails\[\(0, 1\)\]"),
        (lambda: chain_of_levels({}), r"\[\(0, 1\)\] missing"),
    ],
)
def test_bad_input_is_refused(call, said):
    with pytest.raises(CounterfactualError, match=said):
        call()
