"""Do thousands of invisible impacts add up, and does nothing add up to nothing?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.arrays.cells import Cells
from inference.arrays.naive_bayes import (
    expected_difference,
    log_ratios,
    naive_bayes_scores,
    split_scores,
)

ROWS = 4000
FIRST, SECOND = slice(0, ROWS // 2), slice(ROWS // 2, ROWS)


def held_out(measurements, shift, *, seed=0, chunk=50, **cells):
    """Both directions, read chunk by chunk."""
    rng = np.random.default_rng(seed)
    total = np.zeros((2, 1, 2, ROWS // 2))
    for _ in range(0, measurements, chunk):
        values = rng.standard_normal((chunk, 2, ROWS), dtype=np.float32)
        values[:, 1] += np.float32(shift)
        for number, (train, test) in enumerate(((FIRST, SECOND), (SECOND, FIRST))):
            total[number] += split_scores(values, train, test, **cells)
    share = (total[:, 0] > 0).mean(axis=-1)
    return (share[:, 0] - share[:, 1]).mean()


@pytest.mark.parametrize(("measurements", "shift"), [(2000, 0.05), (500, 0.1), (50, 0.2)])
def test_invisible_impacts_add_up_to_what_is_predicted(measurements, shift):
    expected = expected_difference(np.full(measurements, shift), draws=ROWS // 2)
    error = np.sqrt(0.5 * 1.64 / ROWS)  # both directions resemble each other
    assert expected > 10 * error
    assert held_out(measurements, shift) == pytest.approx(expected, abs=4 * error)


def test_nothing_adds_up_to_nothing():
    found = [held_out(1000, 0.0, seed=seed) for seed in range(3)]
    assert np.mean(found) == pytest.approx(0, abs=4 * np.sqrt(0.5 * 1.64 / ROWS / 3))


def test_a_score_is_the_sum_of_the_ratios_of_its_cells():
    rng = np.random.default_rng(0)
    values, edges = rng.normal(size=(90, 300)), np.sort(rng.normal(size=(90, 30)), axis=1)
    edges[::2, 4:] = np.inf
    ratios = rng.normal(size=(90, 31))
    expected = sum(
        r[np.searchsorted(e, v, side="right")]
        for v, e, r in zip(values, edges, ratios, strict=True)
    )
    assert naive_bayes_scores(values, edges, ratios) == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_swapping_the_worlds_turns_the_ratios_round_where_both_have_been(seed):
    let_in, erased = np.random.default_rng(seed).integers(1, 30, size=(2, 6, 3))
    assert log_ratios(let_in, erased) == pytest.approx(-log_ratios(erased, let_in))
    assert np.isfinite(log_ratios(let_in, 0 * erased)).all()


def test_futures_of_a_draw_do_not_make_a_past_measurement_discrete():
    rng = np.random.default_rng(0)
    past = np.repeat(rng.normal(size=(1, 2, 60)), 100, axis=2)
    past[:, 1] += 3
    scores = split_scores(past, slice(0, 3000), slice(3000, 6000), draws=30)
    share = (scores[0] > 0).mean(axis=-1)
    assert share[0] - share[1] > 0.5


def test_fewer_cells_make_less_noise():
    expected = expected_difference(np.full(1000, 0.05), draws=2000, cells=4, information=0.86)
    found = held_out(1000, 0.05, cells=Cells.quantile(4, tails=0))
    assert found == pytest.approx(expected, abs=4 * np.sqrt(0.5 * 1.64 / ROWS))
    assert found > held_out(1000, 0.05)
