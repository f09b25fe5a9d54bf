"""Are the bits of cells those of their draws, never more than the utility's, and is X kept out?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.coarse import coarse_bits
from inference.arrays.order.exceedance import exceedance_bits


def by_hand(cells0, utility0, cells1, utility1, summary):
    """Bits of every achieved cell, cell by cell."""
    cells, utility = np.append(cells0, cells1), np.append(utility0, utility1)
    worth = {cell: summary(utility[cells == cell]) for cell in np.unique(cells)}
    share = {
        cell: np.mean([worth[one] >= worth[cell] for one in cells0]) for cell in np.unique(cells1)
    }
    with np.errstate(divide="ignore"):
        return -np.log2(list(share.values()))


@given(st.integers(0, 2**16), st.sampled_from(["mean", "min", "max"]))
def test_bits_are_those_of_a_count_by_hand(seed, kind):
    rng = np.random.default_rng(seed)
    cells0, cells1 = rng.integers(-5, 5, 60), rng.integers(-2, 7, 50)
    utility0, utility1 = (rng.integers(0, 4, len(cells)) / 4 for cells in (cells0, cells1))
    found = coarse_bits(cells0, utility0, cells1, utility1, kind)
    expected = by_hand(cells0, utility0, cells1, utility1, getattr(np, kind))
    np.testing.assert_allclose(found.bits, expected, atol=1e-12)
    assert found.cells.tolist() == np.unique(cells1).tolist()
    at = np.searchsorted(found.cells, cells1)
    np.testing.assert_array_equal(found.draw_bits, found.bits[at])
    assert found.share.sum() == pytest.approx(1.0)
    tail = np.mean(np.exp2(-found.draw_bits))
    assert np.exp2(-found.mean_tail) == pytest.approx(tail)
    assert found.unseen == pytest.approx(np.mean(~np.isin(cells1, cells0)))
    alone = np.unique(cells0, return_counts=True)[1] == 1
    assert found.missing == pytest.approx(alone.sum() / 60)


@given(st.integers(0, 2**16), st.floats(0.05, 3.0), st.sampled_from(["mean", "min", "max"]))
def test_bins_of_the_utility_never_have_more_bits_than_the_utility(seed, width, kind):
    rng = np.random.default_rng(seed)
    without, achieved = rng.normal(size=200), rng.normal(1.5, 1.0, size=100)
    bins = [np.floor(one / width).astype(int) for one in (without, achieved)]
    found = coarse_bits(bins[0], without, bins[1], achieved, kind)
    assert (found.draw_bits <= exceedance_bits(without, achieved) + 1e-12).all()
    assert (found.bits >= 0).all() and not np.signbit(found.bits).any()


@given(st.integers(0, 2**16))
def test_no_preference_gives_more_than_the_surprisal_of_the_cell(seed):
    rng = np.random.default_rng(seed)
    cells0, cells1 = rng.integers(0, 8, 100), rng.integers(2, 9, 40)
    best = rng.permutation(9)
    found = coarse_bits(cells0, best[cells0], cells1, best[cells1])
    assert (found.bits <= found.surprisal + 1e-12).all()
    top = found.cell_utility == 8
    np.testing.assert_array_equal(found.bits[top], found.surprisal[top])


def test_cells_of_equal_utility_tie_whatever_the_rounding_of_their_means():
    cells0 = np.array([0] * 3 + [1] * 7)
    found = coarse_bits(cells0, np.full(10, 0.1), cells0, np.full(10, 0.1))
    assert found.bits.tolist() == [0.0, 0.0] and found.mean_tail == 0.0


def test_the_mean_tail_is_within_its_errors_past_shared_or_not():
    """Truth: two alike are each the better one half of the time, which is one bit."""
    deviates = []
    for seed in range(60):
        past, *noise = np.random.default_rng(seed).normal(size=(3, 4, 500))
        without, achieved = (np.sqrt(0.5) * (past + one) for one in noise)
        cells = [np.floor(50 * one).astype(int) for one in (without, achieved)]
        found = coarse_bits(cells[0], without, cells[1], achieved)
        deviates.append((found.mean_tail - 1.0) / found.mean_tail_mcse)
    assert 0.4 < np.square(deviates).mean() < 2.0
    coarse = [np.floor(9 * one).astype(int) for one in (without, achieved + 9)]
    shifted = coarse_bits(coarse[0], without, coarse[1], achieved + 9)
    assert shifted.mean_tail == shifted.mean_tail_mcse == np.inf
    assert (shifted.counted.lower > 3).all() and np.isinf(shifted.counted.upper).all()


def test_a_presence_bit_is_found_out_and_an_honest_cell_is_not():
    rng = np.random.default_rng(0)
    without, achieved = rng.normal(size=(4, 1000)), rng.normal(0.5, 1.0, size=(4, 1000))
    cells = [np.floor(one / 0.1).astype(int) for one in (without, achieved)]
    honest = coarse_bits(cells[0], without, cells[1], achieved)
    assert not honest.tells_switch and honest.unseen < 0.02
    told = coarse_bits(2 * cells[0], without, 2 * cells[1] + 1, achieved)
    assert told.tells_switch and told.unseen == 1.0
    assert np.isinf(told.surprisal).all()
    assert abs(told.mean_tail - honest.mean_tail) < 0.1, "the utility does not look at the bit"


def test_cells_finer_than_the_draws_miss_as_much_as_good_and_turing_say():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 4, 1000))
    fine = [np.floor(one / 0.001).astype(int) for one in (first, second)]
    found = coarse_bits(fine[0], first, fine[1], second)
    assert found.unseen > 0.3 and not found.tells_switch
    noise = np.hypot(found.unseen_mcse, found.missing_mcse)
    assert abs(found.unseen - found.missing) < 4 * noise < 0.1


def test_futures_are_not_taken_for_draws():
    rng = np.random.default_rng(0)
    past = rng.integers(0, 8, (4, 200, 1))
    alike = np.repeat(past, 10, axis=2)
    found = coarse_bits(alike, alike, alike, alike)
    assert (found.counted.effective <= 800 + 1e-6).all()
    assert found.draw_bits.shape == (4, 200, 10)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([0.5], [1.0], [1], [1.0]), "cells0 of type float64; expected whole numbers"),
        (([0], [1.0], [1, 2], [1.0]), "cells1 of shape"),
        (([0], [np.nan], [1], [1.0]), r"utility0\[0\] = nan"),
        (([0], [1.0], [1], [1.0], "men"), "Did you mean 'mean'"),
    ],
)
def test_what_are_no_cells_is_refused(arguments, said):
    with pytest.raises(CounterfactualError, match=said):
        coarse_bits(*arguments)
