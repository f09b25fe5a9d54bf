"""Are the lengths of flat codes those of codes, and right where they can be counted?"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from counterfactual_models.errors import CounterfactualError, WorldError
from inference.arrays.codes.flat_codes import (
    dirichlet_bits,
    flat_code,
    flat_code_given,
    multinomial_bits,
    nml_regret,
)
from inference.arrays.delegation.code_lengths import adaptive_bits

some_counts = st.lists(st.integers(0, 1000), min_size=1, max_size=8).map(np.array)


def all_sequences(cells, draws):
    """Counts of every sequence of draws."""
    sequences = itertools.product(range(cells), repeat=draws)
    return np.array([np.bincount(sequence, minlength=cells) for sequence in sequences])


def summed_regret(cells, draws):
    """Log2 of C(m, n) by the sum over the draws of one cell of two, and Kontkanen's recursion."""
    k = np.arange(draws + 1)
    log_shares = special.xlogy(k, k / draws) + special.xlogy(draws - k, 1 - k / draws)
    choices = special.gammaln(draws + 1) - special.gammaln(k + 1) - special.gammaln(draws - k + 1)
    before, last = 0.0, special.logsumexp(choices + log_shares)
    for number in range(1, cells - 1):
        before, last = last, np.logaddexp(last, np.log(draws / number) + before)
    return last / np.log(2)


def test_seven_and_three_take_as_many_bits_as_is_published():
    counts = np.array([7, 3])
    np.testing.assert_allclose(dirichlet_bits(counts), 10.840129, atol=5e-7)
    np.testing.assert_allclose(flat_code(counts).bits, 11.033306, atol=5e-7)
    np.testing.assert_allclose(multinomial_bits(counts), 8.812909, atol=5e-7)


@pytest.mark.parametrize(
    ("cells", "draws", "bits"),
    [
        (2, 1, math.log2(2)),
        (2, 2, math.log2(2.5)),
        (2, 3, math.log2(26 / 9)),
        (3, 2, math.log2(4.5)),
        (1, 50, 0.0),
        (7, 0, 0.0),
        (7, 1, math.log2(7)),
        (2, 10, 2.220397),
        (2, 100, 3.723554),
        (4, 100, 9.595645),
        (16, 10_000, 80.977318),
        (64, 10_000, 277.657686),
    ],
)
def test_regret_is_as_in_closed_form(cells, draws, bits):
    assert nml_regret(cells, draws).item() == pytest.approx(bits, abs=5e-7)


def test_regret_of_a_million_draws_in_a_thousand_cells_is_the_sum():
    assert nml_regret(1000, 1e6).item() == pytest.approx(summed_regret(1000, 10**6), abs=1e-7)


def test_regret_grows_with_fractions_of_draws_and_with_cells():
    draws = np.array([0.0, 1e-6, 0.5, 1.0, 1.5, 2.0, 99.9, 100.0])
    regrets = np.stack([nml_regret(cells, draws) for cells in (2, 3, 10)])
    assert (np.diff(regrets, axis=1) > 0).all()
    assert (np.diff(regrets[:, 1:], axis=0) > 0).all()


@pytest.mark.parametrize(("cells", "draws"), [(2, 8), (4, 5)])
def test_the_probabilities_of_all_sequences_add_up_to_1(cells, draws):
    counts = all_sequences(cells, draws)
    known = np.broadcast_to(np.arange(cells) ** 2, counts.shape)
    codes = {
        "nml": flat_code(counts).bits,
        "kt": dirichlet_bits(counts),
        "seeded": dirichlet_bits(counts, known + 0.5),
        "given": flat_code_given(counts, known).bits,
    }
    for name, bits in codes.items():
        assert np.exp2(-bits).sum() == pytest.approx(1, abs=1e-12), name


def test_kt_is_the_code_that_learns_from_symbol_to_symbol():
    text = "abracadabra" * 7
    counts = np.array([text.count(letter) for letter in "abcdrxyz"])
    assert dirichlet_bits(counts).item() == pytest.approx(adaptive_bits(text, 8), abs=1e-9)


def test_maximum_likelihood_is_the_entropy_of_the_frequencies():
    counts = np.array([[5, 0, 3], [2, 2, 2]])
    expected = counts.sum(axis=1) * stats.entropy(counts, axis=1, base=2)
    np.testing.assert_allclose(multinomial_bits(counts), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("draws", "given", "fresh"), [(100, 0.500019, 2.926304), (1000, 0.5, 4.587292)]
)
def test_a_known_coin_costs_half_a_bit_and_a_new_one_half_a_logarithm(draws, given, fresh):
    heads = np.arange(draws + 1)
    coins, chances = np.stack([heads, draws - heads], axis=1), stats.binom.pmf(heads, draws, 0.5)
    seeded = dirichlet_bits(coins, coins[:, None] + 0.5)
    assert chances @ seeded @ chances - draws == pytest.approx(given, abs=1e-6)
    assert chances @ dirichlet_bits(coins) - draws == pytest.approx(fresh, abs=1e-6)


@given(some_counts, st.integers(0, 2**32 - 1))
def test_lengths_are_lawful(counts, seed):
    rng = np.random.default_rng(seed)
    known, order = rng.integers(0, 1000, counts.shape), rng.permutation(len(counts))
    fresh, told = flat_code(counts), flat_code_given(counts, known)
    again = flat_code_given(counts[order], known[order])
    assert 0 <= multinomial_bits(counts) <= fresh.bits + 1e-9
    assert 0 <= told.bits <= fresh.bits + 1 + 1e-9
    assert told.bits == pytest.approx(again.bits, abs=1e-6)
    assert told.model_bits in (1.0, pytest.approx(1 + fresh.model_bits))
    for law in (fresh.probabilities, fresh.start, told.probabilities, told.start):
        assert (law > 0).all() and law.sum() == pytest.approx(1)


def test_the_same_law_costs_a_bit_and_starts_where_it_ends():
    draws = np.random.default_rng(1).multinomial(10_000, np.full(16, 1 / 16), size=(2, 100))
    code = flat_code_given(*draws)
    assert (code.model_bits == 1).all()
    np.testing.assert_array_equal(code.probabilities, code.start)


def test_another_law_costs_a_bit_more_than_without_help():
    counts = np.array([[1000, 0, 0], [0, 0, 1000]])
    fresh, told = flat_code(counts), flat_code_given(counts, counts[::-1])
    np.testing.assert_allclose(told.bits, fresh.bits + 1)
    np.testing.assert_allclose(told.model_bits, nml_regret(3, 1000) + 1)
    np.testing.assert_array_equal(told.probabilities, fresh.probabilities)


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (lambda: flat_code(np.array([[1, 2], [3, -4]])), r"-4.0 at \(1, 1\)"),
        (lambda: flat_code(np.array([1.0, np.nan])), r"nan at \(1,\)"),
        (lambda: multinomial_bits(np.empty((2, 0))), "one cell at least"),
        (lambda: dirichlet_bits(np.ones(2), 0.0), "prior of 0"),
        (lambda: flat_code_given(np.ones(2), np.ones(3)), "the same cells"),
        (lambda: nml_regret(2, np.inf), "draws of inf"),
    ],
)
def test_what_is_no_count_is_refused(job, message):
    with pytest.raises(CounterfactualError, match=message):
        job()


def test_no_cell_is_refused():
    with pytest.raises(WorldError, match="cells=0"):
        nml_regret(0, 10)
