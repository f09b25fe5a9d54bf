"""Is every peak that is found there, is every plain one found, and are its numbers right?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, signal, stats

from counterfactual_models.errors import CounterfactualError
from inference.arrays.blocks import block_bounds
from inference.arrays.shape.peaks import find_peaks, peak_number_compared


def bounds_of(rows, *, effective=None):
    return block_bounds(4, rows // 4, effective=float(effective or rows))


def found(values, **options):
    return find_peaks(values, bounds_of(len(values)), **options)


def parted(rng, rows, weights, means, deviations=1.0):
    part = rng.choice(len(weights), p=weights, size=rows)
    return rng.normal(
        np.asarray(means, dtype=float)[part], np.broadcast_to(deviations, len(means))[part]
    )


ONE_PEAK = {
    "normal": lambda rng, n: rng.normal(size=n),
    "t3": lambda rng, n: rng.standard_t(3, size=n),
    "cauchy": lambda rng, n: rng.standard_cauchy(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "uniform": lambda rng, n: rng.random(n),
    "lognormal": lambda rng, n: rng.lognormal(size=n),
    "infinite at its border": lambda rng, n: rng.chisquare(1, size=n),
    "forty orders of magnitude": lambda rng, n: 10.0 ** rng.uniform(-20, 20, n),
    "far from zero": lambda rng, n: 1e6 + rng.normal(size=n),
    "single precision, far": lambda rng, n: (1e6 + rng.normal(size=n)).astype(np.float32),
    "integers": lambda rng, n: rng.poisson(400, size=n),
    "integers with a long tail": lambda rng, n: np.floor(rng.lognormal(2, 2, n)),
    "rounded": lambda rng, n: rng.normal(size=n).round(1),
    "huge": lambda rng, n: 1e300 * rng.normal(size=n),
    "tiny": lambda rng, n: 1e-300 * rng.normal(size=n),
    "one in a thousand far out": lambda rng, n: np.where(
        rng.random(n) < 0.001, 1e9, rng.normal(size=n)
    ),
    "zeros at the top of a hill": lambda rng, n: np.where(
        rng.random(n) < 0.3, 0, rng.normal(size=n)
    ),
}
SEVERAL_PEAKS = {
    "4 sd apart": (1000, [0.5, 0.5], [0, 4], 1),
    "3 sd apart": (10_000, [0.5, 0.5], [0, 3], 1),
    "three": (2000, [1 / 3] * 3, [0, 5, 10], 1),
    "claw": (10_000, [0.5] + [0.1] * 5, [0, -1, -0.5, 0, 0.5, 1], [1] + [0.1] * 5),
    "a tenth": (10_000, [0.9, 0.1], [0, 5], 1),
    "a million sd apart": (1000, [0.5, 0.5], [0, 1e6], 1),
    "a hundred times as wide": (1000, [0.5, 0.5], [0, 10], [1, 0.01]),
    "two pairs, a billion apart": (4000, [0.25] * 4, [0, 6, 1e9, 1e9 + 6], 1),
}


@pytest.mark.parametrize("law", ONE_PEAK)
@pytest.mark.parametrize("rows", [40, 1000, 10_000])
def test_noise_makes_no_peak(law, rows):
    rng = np.random.default_rng(0)
    numbers = [len(found(ONE_PEAK[law](rng, rows))) for _ in range(20)]
    assert numbers == [1] * 20


@pytest.mark.parametrize("law", SEVERAL_PEAKS)
def test_plain_peaks_are_found(law):
    rows, weights, means, deviations = SEVERAL_PEAKS[law]
    rng = np.random.default_rng(1)
    there = 5 if law == "claw" else len(means)
    numbers = [len(found(parted(rng, rows, weights, means, deviations))) for _ in range(20)]
    assert numbers.count(there) >= 19


@pytest.mark.parametrize("law", ["normal", "exponential", "uniform", "cauchy"])
def test_slow_chains_make_no_peak(law):
    rng = np.random.default_rng(2)
    quantiles = {"normal": stats.norm, "exponential": stats.expon, "uniform": stats.uniform}
    effective = 1000 * 0.1 / 1.9
    for _ in range(20):
        noise = rng.normal(size=(4, 350)) * np.sqrt(1 - 0.81)
        chains = signal.lfilter([1], [1, -0.9], noise, axis=1)[:, 100:]
        values = quantiles.get(law, stats.cauchy).ppf(stats.norm.cdf(chains)).ravel()
        peaks = find_peaks(values, bounds_of(1000, effective=effective), effective=effective)
        assert len(peaks) == 1


def test_blocks_may_be_of_unequal_lengths():
    rng = np.random.default_rng(20)
    bounds = block_bounds(3, 337, effective=1011.0)
    assert len(set(np.diff(bounds))) > 1
    for means, there in (([0, 0], 1), ([0, 5], 2)):
        assert len(find_peaks(parted(rng, 1011, [0.5, 0.5], means), bounds)) == there


def test_futures_of_few_draws_make_no_peak():
    rng = np.random.default_rng(3)
    bounds = block_bounds(4, 25, 40, effective=100.0)
    for _ in range(20):
        assert len(find_peaks(np.repeat(rng.normal(size=100), 40), bounds, effective=100.0)) == 1


def test_narrow_peaks_far_apart_keep_their_own_place_and_width():
    peaks = found(parted(np.random.default_rng(4), 10_000, [0.5, 0.5], [0, 1e6]))
    assert peaks.place == pytest.approx([0, 1e6], abs=0.3)
    blurred = 2 * np.sqrt(2 * np.log(2)) * np.sqrt(1 + peaks.bandwidth**2)
    assert peaks.width == pytest.approx(blurred, rel=0.1)
    assert peaks.height == pytest.approx(
        0.5 / np.sqrt(2 * np.pi * (1 + peaks.bandwidth**2)), rel=0.1
    )


def test_outliers_do_not_blur_the_rest():
    rng = np.random.default_rng(5)
    bulk = rng.normal(size=10_000)
    wild = np.where(rng.random(10_000) < 0.005, 1e12 * rng.normal(size=10_000), bulk)
    plain, seen = found(bulk), found(wild)
    assert len(seen) == 1
    assert seen.width == pytest.approx(plain.width, rel=0.1)


def test_a_spike_beside_a_hill_is_a_peak_where_it_is():
    rng = np.random.default_rng(6)
    peaks = found(np.where(rng.random(10_000) < 0.3, 0.0, rng.normal(5, 1, size=10_000)))
    assert peaks.place == pytest.approx([0, 5], abs=0.3)
    assert np.all(np.abs(peaks.mass - [0.3, 0.7]) < 4 * peaks.mass_error)


def smoothed_mixture(x, width):
    spread = np.sqrt(1 + width**2)
    return 0.7 * stats.norm.pdf(x, 0, spread) + 0.3 * stats.norm.pdf(x, 5, spread)


def test_mass_and_prominence_are_right_within_errors_that_are_the_spread():
    rng = np.random.default_rng(7)
    drawn = [found(parted(rng, 4000, [0.7, 0.3], [0, 5])) for _ in range(200)]
    assert all(len(peaks) == 2 for peaks in drawn)
    cut = optimize.minimize_scalar(lambda x: smoothed_mixture(x, 0.2), bounds=(1, 4)).x
    mass = 0.7 * stats.norm.sf(cut) + 0.3 * stats.norm.sf(cut - 5)
    masses = np.array([peaks.mass[1] for peaks in drawn])
    assert masses.mean() == pytest.approx(mass, abs=0.003)
    excess = []
    for peaks in drawn:
        width = peaks.bandwidth[1]
        low = optimize.minimize_scalar(lambda x, w=width: smoothed_mixture(x, w), bounds=(1, 4))
        excess.append(peaks.prominence[1] - (smoothed_mixture(5, width) - low.fun))
    error = np.array([peaks.mass_error[1] for peaks in drawn])
    assert np.sqrt(np.mean(error**2)) == pytest.approx(masses.std(), rel=0.2)
    error = np.array([peaks.prominence_error[1] for peaks in drawn])
    prominences = np.array([peaks.prominence[1] for peaks in drawn])
    assert np.sqrt(np.mean(error**2)) == pytest.approx(prominences.std(), rel=0.25)
    # The highest of the places near the top is higher than the top.
    assert np.mean(excess) == pytest.approx(0.0, abs=0.8 * error.mean())
    assert np.sqrt(np.mean(np.square(excess))) == pytest.approx(error.mean(), rel=0.2)


def test_slow_chains_have_wider_errors():
    values = parted(np.random.default_rng(8), 4000, [0.7, 0.3], [0, 6])
    quick = find_peaks(values, bounds_of(4000))
    slow = find_peaks(values, bounds_of(4000), effective=100.0)
    assert slow.mass_error == pytest.approx(1.092 * quick.mass_error, rel=0.01)


def test_too_few_effective_draws_leave_one_peak():
    values = parted(np.random.default_rng(9), 4000, [0.5, 0.5], [0, 9])
    assert len(found(values)) == 2
    assert len(find_peaks(values, bounds_of(4000), effective=30.0)) == 1
    assert len(find_peaks(values, bounds_of(4000), effective=1.5)) == 1


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_peaks_move_with_the_units_and_masses_add_up(seed):
    values = parted(np.random.default_rng(seed), 1000, [0.6, 0.4], [0, 6])
    plain, moved = found(values), found(8 - 2 * values)
    assert moved.place == pytest.approx(8 - 2 * plain.place[::-1], abs=0.05)
    assert moved.width == pytest.approx(2 * plain.width[::-1], rel=0.05)
    assert moved.height == pytest.approx(plain.height[::-1] / 2, rel=0.05)
    assert plain.mass.sum() == pytest.approx(1)
    assert np.all(np.diff(plain.place) > 0)
    assert np.all((plain.p >= 0) & (plain.p <= 0.05))


@pytest.mark.parametrize("levels", [True, False])
def test_a_constant_is_one_peak_of_no_width(levels):
    peaks = found(np.full(100, 0.1), levels=levels)
    assert (len(peaks), peaks.place.item(), peaks.width.item()) == (1, 0.1, 0.0)
    assert (peaks.mass.item(), peaks.mass_error.item()) == (1.0, 0.0)


def test_an_event_has_one_peak():
    peaks = found(np.random.default_rng(10).random(1000) < 0.3, levels=True)
    assert (len(peaks), peaks.place.item()) == (1, 0.0)
    assert peaks.height.item() == pytest.approx(0.7, abs=0.05)


def test_a_tie_of_two_levels_is_no_second_peak():
    values = np.tile([1.0, 2.0, 3.0, 1.0, 3.0], 40)
    unsure = np.random.default_rng(11).permutation(values)[:100]
    both = np.concatenate([unsure, 4 - unsure])
    assert len(found(both, level=1e-6, levels=True)) == 1


def test_counts_have_one_peak_and_two_kinds_of_counts_have_two():
    rng = np.random.default_rng(12)
    few = rng.poisson(4, 4000)
    for levels in (True, False):
        assert len(found(few, levels=levels)) == 1
        assert len(found(np.where(rng.random(4000) < 0.5, few, few + 15), levels=levels)) == 2


def test_levels_far_apart_are_neighbours():
    rng = np.random.default_rng(13)
    prices = rng.choice([1.0, 2.0, 10.0, 1e6], p=[0.3, 0.4, 0.2, 0.1], size=4000)
    assert len(found(prices, levels=True)) == 1
    gap = rng.choice([1.0, 2.0, 10.0, 1e6], p=[0.4, 0.1, 0.2, 0.3], size=4000)
    peaks = found(gap, levels=True)
    assert peaks.place.tolist() == [1.0, 1e6]


def test_a_draw_that_is_no_number_is_named():
    values = np.zeros(100)
    values[7] = np.nan
    with pytest.raises(CounterfactualError, match="nan in row 7"):
        found(values)


def test_the_numbers_without_a_block_are_those_of_the_other_blocks():
    values = parted(np.random.default_rng(14), 2000, [0.5, 0.5], [0, 3])
    bounds = bounds_of(2000)
    again = []
    for block in range(len(bounds) - 1):
        kept = np.ones(2000, dtype=bool)
        kept[bounds[block] : bounds[block + 1]] = False
        lengths = np.delete(np.diff(bounds), block)
        again.append(len(find_peaks(values[kept], np.concatenate([[0], lengths.cumsum()]))))
    whole = find_peaks(values, bounds)
    assert whole.without.shape == (len(bounds) - 1,)
    assert np.mean(whole.without == again) > 0.8


def test_a_basin_with_too_few_draws_is_no_peak_with_or_without_a_block():
    rng = np.random.default_rng(19)
    values = rng.choice([0.0, 1.0, 2.0, 3.0], p=[0.6, 0.3905, 0.0005, 0.009], size=20_000)
    peaks = found(values, levels=True)
    assert (len(peaks), set(peaks.without.tolist())) == (1, {1})


def compared(on, off, **options):
    return peak_number_compared(on, off, bounds_of(len(on)), **options)


def test_worlds_with_as_many_peaks_do_not_differ():
    rng = np.random.default_rng(15)
    same = compared(rng.normal(size=1000), rng.normal(5, 2, size=1000))
    assert (same.on, same.off, same.p, same.floor) == (1, 1, 1.0, 0.0)


# The erased world's peak may be the lower one, the higher one, between both, or far from either.
NEW_PEAK = {
    "beside a higher old one": ([0.7, 0.3], [0, 5], 0, 1),
    "higher than an old one": ([0.3, 0.7], [0, 5], 0, 1),
    "in place of a wide hill": ([0.5, 0.5], [0, 5], 2.5, np.sqrt(1 + 2.5**2)),
    "both elsewhere": ([0.5, 0.5], [0, 5], 1e6, 1),
    "far away": ([0.5, 0.5], [0, 1e6], 0, 1),
}


@pytest.mark.parametrize("case", NEW_PEAK)
@pytest.mark.parametrize("rows", [1000, 4000])
def test_a_peak_that_the_disciple_makes_is_seen(case, rows):
    weights, means, place, deviation = NEW_PEAK[case]
    rng = np.random.default_rng(16)
    for _ in range(10):
        on, off = parted(rng, rows, weights, means), rng.normal(place, deviation, rows)
        seen = compared(on, off)
        assert (seen.on, seen.off) == (2, 1)
        assert seen.p < 0.01
        assert seen.on_without.tolist() == [2] * len(seen.on_without)


def test_rows_may_be_paired_and_worlds_exchanged():
    rng = np.random.default_rng(21)
    off = rng.normal(size=2000)
    on = off + 6 * (rng.random(2000) < 0.4)
    there, back = compared(on, off), compared(off, on)
    assert (there.on, there.off, back.on, back.off) == (2, 1, 1, 2)
    assert there.p == back.p < 1e-6


def test_two_more_peaks_are_as_likely_as_the_weaker():
    rng = np.random.default_rng(22)
    off = rng.normal(size=4000)
    plain = compared(parted(rng, 4000, [0.4, 0.6], [0, 6]), off)
    weak = compared(parted(rng, 4000, [0.4, 0.57, 0.03], [0, 6, 12]), off)
    assert (plain.on, weak.on) == (2, 3)
    assert 100 * plain.p < weak.p < 0.05


def test_a_third_peak_is_new_beside_two_old_ones():
    rng = np.random.default_rng(23)
    on, off = parted(rng, 4000, [1 / 3] * 3, [0, 5, 10]), parted(rng, 4000, [0.5, 0.5], [0, 5])
    seen = compared(on, off)
    assert (seen.on, seen.off) == (3, 2)
    assert seen.p < 1e-4


@pytest.mark.parametrize("unit", [1e-300, 1e300])
def test_the_chance_of_a_new_peak_has_no_unit(unit):
    rng = np.random.default_rng(24)
    on, off = parted(rng, 1000, [0.5, 0.5], [0, 5]), rng.normal(size=1000)
    assert compared(unit * on, unit * off).p == pytest.approx(compared(on, off).p, rel=1e-6)
    assert compared(on, unit * off).p < 0.01


def test_levels_that_become_rare_between_two_make_a_peak():
    rng = np.random.default_rng(25)
    levels = np.array([0.0, 1.0, 2.0])
    on, off = (rng.choice(levels, 4000, p=p) for p in ([0.4, 0.2, 0.4], [0.3, 0.4, 0.3]))
    seen = compared(on, off, levels=True)
    assert (seen.on, seen.off) == (2, 1)
    assert seen.p < 1e-4


def slow_pair(rng, rows):
    noise = rng.normal(size=(2, 4, rows // 4 + 100)) * np.sqrt(1 - 0.81)
    return signal.lfilter([1], [1, -0.9], noise)[..., 100:].reshape(2, rows)


def test_slow_chains_show_weak_peaks_by_chance_and_plain_ones_for_sure():
    rng = np.random.default_rng(26)
    effective = 10_000 * 0.1 / 1.9
    bounds = bounds_of(10_000, effective=effective)
    grid = np.linspace(-7, 13, 10_001)
    seen = {}
    for apart in (3, 5):
        law = stats.norm.cdf(grid) / 2 + stats.norm.cdf(grid - apart) / 2
        for kind in ("same", "one"):
            seen[kind, apart] = []
            for _ in range(40):
                on, off = slow_pair(rng, 10_000)
                worlds = [np.interp(stats.norm.cdf(one), law, grid) for one in (on, off)]
                both = worlds if kind == "same" else [worlds[0], off]
                seen[kind, apart].append(peak_number_compared(*both, bounds, effective=effective))
    assert sum(one.on != one.off for one in seen["same", 3]) > 2
    assert all(one.p > 0.05 for kind, apart in seen if kind == "same" for one in seen[kind, apart])
    assert all((one.on, one.off) == (2, 1) and one.p < 0.01 for one in seen["one", 5])


@pytest.mark.parametrize(("shift", "scale", "most"), [(0, 1, 0), (3, 1, 7), (0, 2.5, 7)])
def test_the_same_weak_peaks_are_no_difference_though_moved_and_stretched(shift, scale, most):
    rng = np.random.default_rng(17)
    seen = []
    for _ in range(100):
        on, off = (parted(rng, 1000, [0.5, 0.5], [0, 3]) for _ in range(2))
        seen.append(compared(on, shift + scale * off))
    assert sum(one.on != one.off for one in seen) > 10, "they differ often enough to try the test"
    assert sum(one.p <= 0.05 for one in seen) <= most
