"""Do reweighed draws say what exact reweighing says, and own up where they cannot?"""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.signal import lfilter

from counterfactual_models.errors import MeasurementError
from inference.arrays.blocks import block_bounds, effective_draws, widening
from inference.arrays.cells import Cells
from inference.arrays.delegation.code_lengths import adaptive_bits
from inference.arrays.sign_flips import random_signs
from inference.arrays.total_variation import total_variation
from inference.arrays.twisting import (
    FEWEST_WEIGHED,
    largest_power,
    least_bits,
    log_ratio,
    serialised,
    weighed_variations,
    weighed_world,
)
from inference.arrays.twisting.world_bits import _adaptive, _zigzag

BOUNDS = block_bounds(4, 1000, effective=4000.0)
SIGNS = random_signs(1000, len(BOUNDS) - 1)


def compared(values, weights, *, effective=4000.0, worth=None, bounds=BOUNDS, cells=None):
    shape = values.shape[1] - 1, len(values)
    return weighed_variations(
        values,
        weights,
        bounds=bounds,
        signs=random_signs(1000, len(bounds) - 1),
        effective=np.full(shape, effective),
        worth=np.full(shape, effective if worth is None else worth),
        cells=cells,
    )


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


@pytest.mark.parametrize("effective", [4000.0, 100.0, 30.0])
def test_equal_weights_give_the_numbers_of_total_variation(effective):
    rng = np.random.default_rng(6)
    values = rng.normal(size=(6, 3, 4000))
    values[:, 1] += np.linspace(0, 1, 6)[:, None]
    values[3] = np.rint(values[3])
    values[4, 2] += 9.0  # novel
    values[5, :2], values[5, 2] = 0.0, rng.random(4000) < 0.001
    values[0] = lfilter([0.2], [1, -0.98], values[0], axis=-1)
    plain = total_variation(values, bounds=BOUNDS, signs=SIGNS, effective=effective)
    even = compared(values, np.full((3, 4000), 1 / 4000), effective=effective)
    for name, found in even.items():
        np.testing.assert_allclose(found, plain[name], rtol=1e-5, atol=1e-9, err_msg=name)


def test_numbers_do_not_depend_on_the_company_of_other_measurements():
    values = np.random.default_rng(7).normal(size=(5, 2, 4000))
    values[2] = np.rint(values[2])
    weights = np.stack([weighed_world(0.5 * one).weights for one in values[0]])
    together = compared(values, weights)
    for place in range(5):
        alone = compared(values[place : place + 1], weights)
        for name, found in together.items():
            np.testing.assert_allclose(alone[name][:, 0], found[:, place], rtol=1e-5, err_msg=name)


def test_discrete_worlds_agree_with_exact_enumeration_and_not_with_the_wrong_sign():
    rng = np.random.default_rng(8)
    off, on = np.array([0.5, 0.3, 0.15, 0.05]), np.array([0.3, 0.3, 0.15, 0.25])
    worlds = np.stack([rng.choice(4, size=4000, p=law) for law in (off, on)]).astype(float)
    log_measure = np.array([0.0, -1.0, 1.0, 0.7])
    truths = []
    for sign in (1, -1):
        twisted = [law * np.exp(sign * log_measure) for law in (off, on)]
        truths.append(0.5 * np.abs(np.subtract(*(law / law.sum() for law in twisted))).sum())
    weighed = [weighed_world(log_measure[world.astype(int)]) for world in worlds]
    found = compared(worlds[None], np.stack([one.weights for one in weighed]), worth=2500.0)
    found = {name: value.item() for name, value in found.items()}
    assert abs(truths[0] - truths[1]) > 10 * found["mcse"]
    assert abs(found["tv"] - truths[0]) < 4 * found["mcse"]
    assert found["lower"] < truths[0] < found["upper"]
    ratio, error = log_ratio(*weighed[::-1], bounds=BOUNDS, wider=1.0)
    truth = np.log((on * np.exp(log_measure)).sum() / (off * np.exp(log_measure)).sum())
    assert abs(ratio - truth) < 4 * error < 0.15


def test_cells_of_the_untwisted_erased_world_stay_where_they_are():
    # M rules the erased world's upper half out: it was visited all the same, and is not novel.
    values = np.random.default_rng(9).normal(size=(1, 2, 4000))
    weights = np.stack(
        [weighed_world(np.where(one > 0, limit, 0.0)).weights
         for one, limit in zip(values[0], (-np.inf, 0.0), strict=True)]
    )  # fmt: skip
    found = compared(values, weights, worth=2000.0, cells=Cells.quantile(4, tails=0))
    assert found["plugin"].item() == pytest.approx(0.5, abs=0.03)
    assert (found["lower"] > 0.4).all() and (found["p"] < 1e-4).all()


def test_few_draws_of_weights_prove_nothing():
    values = np.random.default_rng(10).normal([[[0.0], [3.0]]], size=(1, 2, 4000))
    found = compared(values, np.full((2, 4000), 1 / 4000), worth=5.0)
    assert [found[name].item() for name in ("p", "mcse", "lower", "upper")] == [1, 1, 0, 1]


def simulated(kind, shift, tilt, seed):
    """One study: log ratio and its error, and the numbers of a measurement that M looks at."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(2, 4, 1200))
    if "slow" in kind:
        noise = lfilter([np.sqrt(1 - 0.81)], [1, -0.9], noise, axis=-1)
    if "shared" in kind:
        noise[1] = 0.9 * noise[0] + np.sqrt(1 - 0.81) * noise[1]
    worlds = noise[..., 200:] + np.array([0.0, shift])[:, None, None]
    sizes = effective_draws(worlds[None])[0]
    size, flat = float(sizes.min()), worlds.reshape(2, -1)
    bounds = block_bounds(4, 1000, effective=size)
    weighed = [weighed_world(tilt * one, share=size / 4000) for one in flat]
    ratio = log_ratio(*weighed[::-1], bounds=bounds, wider=widening(size, len(bounds) - 1))
    found = compared(
        flat[None],
        np.stack([one.weights for one in weighed]),
        bounds=bounds,
        effective=size,
        worth=min(one.ess for one in weighed),
    )
    return *ratio, *(found[n].item() for n in ("p", "plugin", "floor", "mcse", "lower", "upper"))


@pytest.mark.parametrize("kind", ["independent", "shared", "slow", "slow shared"])
def test_the_same_twisted_world_is_called_different_as_often_as_asked_for(kind):
    studies = np.array([simulated(kind, 0.0, 0.5, seed) for seed in range(120)]).T
    ratio, error, p, plugin, floor, _, lower, _ = studies
    # Of 120 studies 6 are expected below .05; 14 or more once in 500 times.
    assert np.count_nonzero(p <= 0.05) <= 13
    assert (np.abs(ratio) < 1.96 * error).mean() > 0.85
    assert ratio.std() == pytest.approx(np.sqrt(np.mean(error**2)), rel=0.25)
    assert floor.mean() == pytest.approx(plugin.mean(), rel=0.08)
    assert np.count_nonzero(lower > 0) <= 13


@pytest.mark.parametrize("kind", ["independent", "shared", "slow"])
def test_a_moved_world_lies_between_the_bounds_as_often_as_asked_for(kind):
    tilt, shift = 0.5, 0.5
    studies = np.array([simulated(kind, shift, tilt, seed) for seed in range(80)]).T
    ratio, _, _, plugin, _, mcse, lower, upper = studies
    edges = np.sort(stats.norm.ppf([0, 0.001, *np.arange(1, 16) / 16, 0.999, 1]))
    laws = [np.diff(stats.norm.cdf(edges - tilt - own)) for own in (shift, 0.0)]
    truth = 0.5 * np.abs(np.subtract(*laws)).sum()
    assert abs(np.mean(ratio) - tilt * shift) < 4 * ratio.std() / np.sqrt(80)
    assert np.count_nonzero(lower > truth) <= 10
    assert np.count_nonzero(upper < truth) <= 10
    assert plugin.std() == pytest.approx(mcse.mean(), rel=0.3)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(-(2**61), 2**61) | st.integers(-3, 3), min_size=1, max_size=12),
    st.lists(st.integers(-9, 9), min_size=1, max_size=12),
)
def test_what_is_written_down_can_be_read_again(first, second):
    length = min(len(first), len(second))
    rows = np.array([first[:length], second[:length]])
    for row, text in zip(rows, serialised(rows), strict=True):
        read, number, shift = [], 0, 0
        for byte in text:
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                read.append((number >> 1) ^ -(number & 1))
                number = shift = 0
        assert read == row.tolist()


@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_adaptive_code_of_many_worlds_is_that_of_each(order):
    symbols = np.random.default_rng(11).integers(-4, 3, size=(20, 30))
    unsigned = _zigzag(symbols)
    found = _adaptive(unsigned, order)
    for row, bits in zip(unsigned, found, strict=True):
        size = int(row.max()) + 1
        named = 2 * np.floor(np.log2(size)) + 1
        assert bits == pytest.approx(adaptive_bits(bytes(row.tolist()), size, order=order) + named)


def test_a_world_is_as_long_whatever_worlds_it_comes_with():
    symbols = np.random.default_rng(12).integers(0, 3, size=(50, 700)) * 300
    together = least_bits(symbols)
    assert together[:5] == pytest.approx([least_bits(row[None])[0] for row in symbols[:5]])
    assert (together < 8.0 * 2 * 700).all()


def test_order_is_simple_and_noise_is_not():
    rng = np.random.default_rng(13)
    still, striped = np.zeros((1, 400), int), np.tile([0, 1, 2, 3], 100)[None]
    noise = rng.integers(0, 4, size=(1, 400))
    bits = least_bits(np.concatenate([still, striped, noise]))
    assert bits[0] < 30 and bits[1] < 120 and 750 < bits[2] < 900


def test_a_compressor_of_ones_own_is_asked_once_for_every_world():
    asked = []

    def compressor(data):
        asked.append(data)
        return 8 * len(zlib.compress(data))

    symbols = np.repeat(np.arange(3), 5)[:, None]
    bits = least_bits(symbols, compressor)
    assert len(asked) == 3 and (bits == 8 * 9).all()
    for bad in ("many", None, -1.0, np.nan, np.inf):
        with pytest.raises(MeasurementError, match="expected bits"):
            least_bits(symbols, lambda data, bad=bad: bad)


def test_a_hundred_draws_are_what_is_asked_for():
    chosen = np.where(np.arange(4000) < FEWEST_WEIGHED, 0.0, -np.inf)
    assert weighed_world(chosen).supported and largest_power([chosen]) == 1.0
    chosen[0] = -np.inf
    assert not weighed_world(chosen).supported and largest_power([chosen]) == 0.0


def test_what_m_does_not_look_at_is_judged_by_its_own_noise_alone():
    # Blocks that M makes heavy in one world, and light in the other, are no difference.
    found = []
    for seed in range(60):
        looked_at, other = np.random.default_rng(seed).normal(size=(2, 2, 4000))
        looked_at += np.repeat(np.random.default_rng(seed + 99).normal(size=(2, 40)), 100, axis=1)
        weights = np.stack([weighed_world(0.5 * one).weights for one in looked_at])
        found.append(compared(other[None], weights, worth=2000.0)["p"].item())
    # Were the worlds the same, p would be uniform: mean 1/2, deviation .29.
    assert abs(np.mean(found) - 0.5) < 4 * 0.29 / np.sqrt(60)


def test_blocks_that_resemble_each_other_are_believed_less():
    values = np.random.default_rng(14).normal([[[0.0], [0.1]]], size=(1, 2, 4000))
    weights = np.stack([weighed_world(0.5 * one).weights for one in values[0]])
    quick, slow = (compared(values, weights, effective=n, worth=100.0) for n in (4000.0, 100.0))
    wider = float(widening(100.0, len(BOUNDS) - 1))
    assert slow["mcse"].item() == pytest.approx(wider * quick["mcse"].item())
    assert 1.0 <= slow["floor"].item() / quick["floor"].item() <= wider
    assert slow["lower"].item() <= quick["lower"].item()
