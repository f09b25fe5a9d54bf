"""Do weights follow the measure, say what they are worth, and own up where that is little?"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.arrays.blocks import block_bounds
from inference.arrays.twisting.weighed_worlds import (
    FEWEST_KEPT,
    largest_power,
    log_ratio,
    weighed_world,
)
from inference.arrays.twisting.world_bits import shortest_code_bits

BOUNDS = block_bounds(4, 1000, effective=4000.0)


@pytest.mark.parametrize("tilt", [0.5, 1.0, 1.5])
def test_a_normal_world_moves_by_the_tilt_and_keeps_its_share_of_draws(tilt):
    draws = np.random.default_rng(1).normal(3.0, 1.0, size=200_000)
    twisted = weighed_world(tilt * draws)
    error = np.sqrt(np.sum(np.square(twisted.weights * (draws - 3.0 - tilt))))
    # The wrong sign would move it the other way: 2 tilt away, dozens of errors.
    assert abs(twisted.weights @ draws - 3.0 - tilt) < 4 * error < tilt / 10
    assert twisted.ess / 200_000 == pytest.approx(np.exp(-(tilt**2)), rel=0.25)
    assert twisted.log_normaliser == pytest.approx(3 * tilt + tilt**2 / 2, abs=0.05)


def test_the_effective_draws_lie_once_khat_says_so():
    draws = np.random.default_rng(2).normal(size=10_000)
    far = weighed_world(3.0 * draws)
    assert far.ess > 2 * np.exp(-9.0) * 10_000  # the closed form: 1.2 draws
    assert not far.supported
    assert weighed_world(0.5 * draws).supported


def test_futures_of_a_draw_are_worth_one_draw_and_slow_chains_less():
    past = np.random.default_rng(3).normal(size=1000)
    once = weighed_world(0.5 * past)
    often = weighed_world(0.5 * np.repeat(past, 20), futures=20, share=0.25)
    assert often.ess == pytest.approx(once.ess / 4, rel=0.05)
    assert often.log_normaliser == pytest.approx(once.log_normaliser, abs=0.02)


def test_impossible_worlds_weigh_nothing_and_count():
    even = np.where(np.arange(4000) % 2, -np.inf, 1.0)
    halved = weighed_world(even)
    assert halved.weights[1::2].sum() == 0.0
    assert halved.log_normaliser == pytest.approx(1 - np.log(2))
    assert halved.ess == pytest.approx(2000)
    nothing = weighed_world(np.full(4000, -np.inf))
    assert not nothing.possible and not nothing.supported and nothing.ess == 0
    ratio, error = log_ratio(nothing, halved, bounds=BOUNDS, wider=1.0)
    assert np.isnan(ratio) and np.isinf(error)


@settings(max_examples=25, deadline=None)
@given(constant=st.floats(-1e4, 1e4), seed=st.integers(0, 50))
def test_a_constant_times_the_measure_changes_nothing(constant, seed):
    logs = np.random.default_rng(seed).normal(size=(2, 4000))
    plain, scaled = ([weighed_world(one + c) for one in logs] for c in (0.0, constant))
    for one, other in zip(plain, scaled, strict=True):
        np.testing.assert_allclose(other.weights, one.weights, rtol=1e-7, atol=1e-15)
        assert other.log_normaliser == pytest.approx(one.log_normaliser + constant, abs=1e-8)
    ratios = [log_ratio(*pair, bounds=BOUNDS, wider=1.0) for pair in (plain, scaled)]
    assert ratios[0] == pytest.approx(ratios[1], abs=1e-7)


def test_the_log_normaliser_is_the_mean_of_the_measure_where_nothing_is_smoothed():
    logs = np.random.default_rng(4).integers(0, 3, size=4000).astype(float)
    found = weighed_world(logs)
    assert found.log_normaliser == pytest.approx(np.log(np.exp(logs).mean()))


@pytest.mark.parametrize(
    ("deviation", "least", "most"), [(1, 1, 1), (5, 0.2, 0.7), (10, 0.1, 0.4)]
)
def test_bits_that_vary_too_much_are_tempered(deviation, least, most):
    bits = np.random.default_rng(5).normal(0.0, deviation, size=10_000)
    logs = -bits * np.log(2)
    whole = weighed_world(logs).ess / 10_000
    if deviation == 1:  # exp(-(ln 2)^2) of the draws
        assert whole == pytest.approx(np.exp(-(np.log(2) ** 2)), rel=0.1)
    elif deviation > 2:
        assert whole < 0.02
    power = largest_power([logs, np.zeros(10_000)])
    assert least <= power <= most
    assert weighed_world(logs, power=power).supported
    # What is left of M is as much as the draws of any measure support.
    assert power * deviation * np.log(2) == pytest.approx(1.8, abs=0.6) or power == 1.0


@settings(max_examples=15, deadline=None)
@given(scale=st.floats(0.01, 1e6), seed=st.integers(0, 20))
def test_the_largest_power_is_supported_and_follows_the_scale(scale, seed):
    logs = np.random.default_rng(seed).normal(size=2000)
    power = largest_power([scale * logs])
    assert 0 < power <= 1
    assert weighed_world(scale * logs, power=power).supported
    if power < 1:
        twice = largest_power([2 * scale * logs])
        assert twice == pytest.approx(power / 2, rel=0.2)


def test_what_comes_after_a_power_that_fails_is_not_believed(monkeypatch):
    tried = []

    def weighed(world, *, power, **_):
        tried.append(power)
        khat = 0.9 if 0.01 < power < 0.9 else 0.1
        return weighed_world(world, power=0.0) if khat < 0.7 else nothing

    nothing = weighed_world(np.full(4000, -np.inf))
    target = "inference.arrays.twisting.weighed_worlds.weighed_world"
    monkeypatch.setattr(target, weighed)
    assert largest_power([np.zeros(4000)]) == pytest.approx(0.01, rel=0.01)
    assert max(tried) < 0.9


def test_a_hundred_draws_are_what_is_asked_for():
    chosen = np.where(np.arange(4000) < FEWEST_KEPT, 0.0, -np.inf)
    assert weighed_world(chosen).supported and largest_power([chosen]) == 1.0
    chosen[0] = -np.inf
    assert not weighed_world(chosen).supported and largest_power([chosen]) == 0.0


def few_valued(kind, rng, rows):
    """log M of the same law, of few values each: six fair bits written down, or a loaded die."""
    if kind == "bits":
        every = np.array(list(itertools.product([0, 1], repeat=6)))
        return -np.log(2) * shortest_code_bits(every)[rng.integers(0, 64, size=(2, rows))]
    return 2.0 * rng.choice(6, p=[0.3, 0.3, 0.2, 0.1, 0.07, 0.03], size=(2, rows))


@pytest.mark.parametrize("kind", ["bits", "die"])
def test_identical_worlds_of_few_values_are_as_far_apart_as_their_error_says(kind):
    bounds, found = block_bounds(4, 1500, effective=6000.0), []
    for seed in range(40):
        worlds = few_valued(kind, np.random.default_rng(seed), 6000)
        power = largest_power(list(worlds))
        on, off = (weighed_world(one, power=power) for one in worlds)
        assert on.supported and off.supported
        found.append(np.divide(*log_ratio(on, off, bounds=bounds, wider=1.0)))
    assert np.std(found) == pytest.approx(1.0, abs=0.35)
    assert np.abs(found).max() < 4.5


def test_weights_of_ties_are_those_of_the_measure_itself():
    logs = few_valued("die", np.random.default_rng(1), 4000)[0]
    # What is computed in another order differs in its last digits, and is a tie all the same.
    shaken = logs + np.random.default_rng(2).normal(size=4000) * 1e-12
    for given_ in (logs, shaken, np.where(np.arange(4000) % 2, logs, -np.inf)):
        raw = np.exp(given_)
        np.testing.assert_allclose(weighed_world(given_).weights, raw / raw.sum(), rtol=1e-9)


def test_a_heavy_tail_of_few_values_is_caught_by_what_its_draws_are_worth():
    """M = 2^-C of a handful of C's: a few draws hold nearly all of M."""
    bits = np.full(10_000, 60.0)
    bits[:300], bits[:40], bits[0] = 40.0, 20.0, 5.0
    heavy = weighed_world(-np.log(2) * bits)
    assert heavy.ess < 2 and not heavy.supported
    power = largest_power([-np.log(2) * bits])
    assert 0 < power < 0.5
    assert weighed_world(-np.log(2) * bits, power=power).ess >= FEWEST_KEPT * (1 - 1e-9)


def test_the_units_of_the_measure_do_not_matter():
    logs = np.random.default_rng(3).normal(size=(2, 4000))
    plain, huge = (largest_power([scale * one for one in logs]) for scale in (10.0, 1e9))
    assert huge == pytest.approx(plain * 1e-8, rel=0.01)
    # One world that is uneven beyond all measure does not set the units.
    bomb = np.where(np.arange(4000) == 7, 1e12, logs[1])
    assert largest_power([logs[0], bomb]) == 0.0
