"""Do fine cells nest, is their floor the closed one, and is only what tells the worlds told?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from inference.arrays.fine_cells import dyadic_cells, exact_floor, tells_apart


def test_the_closed_floor_has_its_known_values():
    assert exact_floor(1e4, 1e4) == pytest.approx(0.523778, abs=5e-7)
    assert exact_floor(1e4, 1e6) == pytest.approx(0.990099, abs=5e-7)
    assert exact_floor(1e6, 16) == pytest.approx(np.sqrt(16 / (np.pi * 1e6)), rel=1e-4)
    assert exact_floor(1e4, np.inf) == 1


def test_the_closed_floor_is_the_mean_of_skellams_law():
    for draws, cells in ((50, 20), (10, 40)):
        rate = draws / cells
        mean = stats.skellam(rate, rate).expect(np.abs)
        assert exact_floor(draws, cells) == pytest.approx(0.5 * cells * mean / draws, rel=1e-6)


def test_the_floor_rises_with_the_cells_and_falls_with_the_draws():
    floors = exact_floor(np.array([[100.0], [1000.0]]), 2.0 ** np.arange(0, 60))
    assert np.all(np.diff(floors, axis=1) >= 0)
    assert np.all(floors[0] >= floors[1])


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    kind=st.sampled_from(["normal", "cauchy", "coin", "constant", "counts", "huge"]),
    depth=st.integers(1, 30),
)
def test_a_cell_is_two_at_the_next_depth_and_order_is_kept(seed, kind, depth):
    rng = np.random.default_rng(seed)
    values = {
        "normal": rng.normal(size=(2, 200)),
        "cauchy": rng.standard_cauchy((2, 200)),
        "coin": rng.integers(0, 2, (2, 200)).astype(float),
        "constant": np.full((2, 200), 0.1),
        "counts": rng.poisson(2, (2, 200)).astype(float),
        "huge": 1e13 + rng.normal(size=(2, 200)),
    }[kind]
    let_in, erased = values[:1], values[1:]
    fine, coarse = (dyadic_cells(let_in, erased, depth=k) for k in (depth, depth - 1))
    assert np.array_equal(fine >> np.uint64(1), coarse)
    assert fine.max() < 2**depth
    assert np.all(np.diff(fine[0][np.argsort(let_in[0], kind="stable")].astype(float)) >= 0)


@pytest.mark.parametrize("law", [stats.norm, stats.expon, stats.t(3)])
def test_cells_are_about_equally_likely(law):
    draws = law.rvs(size=(2, 1, 50_000), random_state=np.random.default_rng(0))
    cells = dyadic_cells(draws[0], draws[1], depth=5)
    share = np.bincount(cells[0].astype(int), minlength=32) / 50_000
    assert np.abs(share - 1 / 32).max() < 4 * np.sqrt(2 / 32 / 50_000)


def test_a_coin_is_two_cells_at_depth_one():
    coin = np.random.default_rng(0).integers(0, 2, (1, 200)).astype(float)
    assert np.array_equal(dyadic_cells(coin, coin, depth=1), coin.astype(np.uint64))


def test_what_sees_the_disciple_is_told_and_nothing_else():
    rng = np.random.default_rng(0)
    zeros, ones, coin = np.zeros(200), np.ones(200), rng.integers(0, 2, 200).astype(float)
    erased, let_in, expected = zip(
        (zeros, ones, True),  # "there is a disciple"
        (zeros, zeros, False),
        (zeros, coin, False),
        (zeros, np.where(np.arange(200) == 7, 0.0, 1.0), False),  # one draw is no exception
        (2 * coin, ones, True),  # between the values, and never one of them
        (2 * coin, 2 * coin + 1, True),
        (2 * coin, 2 * coin[::-1], False),
        (rng.normal(size=200), rng.normal(size=200), False),  # continuous: no value twice
        (rng.normal(size=200), rng.normal(50, 1, size=200), True),
        (rng.normal(size=200), rng.normal(2, 1, size=200), False),
        strict=True,
    )
    found = tells_apart(np.stack(erased), np.stack(let_in))
    assert found.tolist() == list(expected)
    assert np.array_equal(found, tells_apart(np.stack(let_in), np.stack(erased)))


def test_tiny_samples_and_stuck_chains_tell_nothing():
    few = np.zeros((1, 19))
    assert not tells_apart(few, few + 1)
    many = np.zeros((2, 400))
    assert tells_apart(many, many + 1, effective=np.array([4.0, 400.0])).tolist() == [False, True]


def test_a_million_harmless_measurements_raise_no_alarm():
    rng = np.random.default_rng(0)
    for draw in (rng.standard_normal, lambda shape: rng.integers(0, 2, shape).astype(float)):
        assert not any(tells_apart(draw((50_000, 20)), draw((50_000, 20))).any() for _ in range(4))
