"""Are the four numbers SciPy's and the closed forms, and do their nulls keep what they promise?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import signal, stats

from inference.arrays.blocks import block_bounds
from inference.arrays.sign_flips import random_signs
from inference.arrays.two_sample import NUMBERS, two_sample, two_sample_numbers

REPETITIONS, FLIPS, LEVEL = 1000, 400, 0.05
# Repetitions share their signs, so the error of the level has a part from either number.
LEVEL_ERROR = np.sqrt(LEVEL * (1 - LEVEL) * (1 / REPETITIONS + 1 / FLIPS))


def numbers(let_in, erased):
    found = two_sample_numbers(np.atleast_2d(let_in), np.atleast_2d(erased))
    return {name: value[0] for name, value in found.items()}


def scipys(let_in, erased):
    return {
        "ks": stats.ks_2samp(let_in, erased, method="asymp").statistic,
        "wasserstein": stats.wasserstein_distance(let_in, erased),
        "energy": stats.energy_distance(let_in, erased),
        "cramer_von_mises": stats.cramervonmises_2samp(
            let_in, erased, method="asymptotic"
        ).statistic,
    }


def by_definition(let_in, erased):
    """Cramér-von Mises with ties: a tied draw lies half before and half after its tie."""
    pooled = np.concatenate([let_in, erased])
    after, before = (
        (let_in[:, None] <= pooled).mean(axis=0) - (erased[:, None] <= pooled).mean(axis=0),
        (let_in[:, None] < pooled).mean(axis=0) - (erased[:, None] < pooled).mean(axis=0),
    )
    share = len(let_in) * len(erased) / len(pooled) ** 2
    return share * 0.5 * (np.square(after) + np.square(before)).sum()


def compared(values, *, effective, chains=4, flips=FLIPS):
    bounds = block_bounds(chains, values.shape[-1] // chains, effective=float(np.min(effective)))
    signs = random_signs(flips, len(bounds) - 1)
    return two_sample(values, bounds=bounds, signs=signs, effective=effective)


# Kinds of measurement: each gives n draws of a world whose law moves a little with `moved`.
KINDS = {
    "normal": lambda rng, n, moved: rng.normal(moved, 1, n),
    "far from zero": lambda rng, n, moved: 1e6 + rng.normal(moved, 1, n),
    "far beyond single precision": lambda rng, n, moved: 1e13 + rng.normal(moved, 1, n),
    "output of a nation": lambda rng, n, moved: 1e13 * rng.lognormal(moved, 1, n),
    "heavy tails": lambda rng, n, moved: moved + rng.standard_cauchy(n),
    "huge": lambda rng, n, moved: 1e300 * rng.normal(moved, 1, n),
    "tiny": lambda rng, n, moved: 1e-300 * rng.normal(moved, 1, n),
    "forty orders of magnitude": lambda rng, n, moved: 10.0 ** rng.uniform(-20 + moved, 20, n),
    "single precision": lambda rng, n, moved: rng.normal(moved, 1, n).astype(np.float32),
    "counts": lambda rng, n, moved: rng.poisson(3 + moved, n),
    "an event": lambda rng, n, moved: rng.random(n) < 0.3 + moved / 10,
    "never so": lambda rng, n, moved: np.zeros(n),
    "mostly zero": lambda rng, n, moved: rng.poisson(0.5, n) * rng.lognormal(moved, 1, n),
    "rounded": lambda rng, n, moved: rng.normal(moved, 1, n).round(2),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("moved", [0.0, 0.4])
def test_the_numbers_are_scipys(kind, moved):
    rng = np.random.default_rng(0)
    let_in, erased = KINDS[kind](rng, 500, moved), KINDS[kind](rng, 500, 0.0)
    truth = scipys(let_in.astype(float), erased.astype(float))
    assert numbers(let_in, erased) == pytest.approx(truth, rel=1e-9, abs=0)


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "single precision"])
def test_samples_of_unequal_size_are_scipys_too(kind):
    rng = np.random.default_rng(1)
    let_in, erased = KINDS[kind](rng, 301, 0.5), KINDS[kind](rng, 77, 0.0)
    truth = scipys(let_in.astype(float), erased.astype(float))
    assert numbers(let_in, erased) == pytest.approx(truth, rel=1e-9, abs=0)


few_values = st.integers(-3, 3).map(float)
any_values = st.floats(-1e9, 1e9, allow_subnormal=False) | few_values
offsets = st.sampled_from([0.0, 1.0, -1e6, 2.0**40])


@st.composite
def two_samples(draw, values=any_values, most=40, equal=False):
    offset, first = draw(offsets), draw(st.integers(2, most))
    second = first if equal else draw(st.integers(2, most))
    return tuple(
        offset + draw(arrays.arrays(np.float64, size, elements=values)) for size in (first, second)
    )


@settings(deadline=None, max_examples=80)
@given(two_samples())
def test_ties_offsets_and_unequal_sizes_change_nothing_of_that(samples):
    found, truth = numbers(*samples), scipys(*samples)
    truth["cramer_von_mises"] = by_definition(*samples)
    # SciPy takes differences of cumulated shares, whose last bits the spread of the draws scales.
    spread = np.ptp(np.concatenate(samples))
    assert found["ks"] == pytest.approx(truth["ks"], abs=1e-12)
    assert found["cramer_von_mises"] == pytest.approx(truth["cramer_von_mises"], abs=1e-9)
    assert found["wasserstein"] == pytest.approx(
        truth["wasserstein"], rel=1e-9, abs=1e-12 * spread
    )
    assert found["energy"] == pytest.approx(truth["energy"], rel=1e-7, abs=1e-7 * spread**0.5)


@settings(deadline=None, max_examples=50)
@given(two_samples(few_values, equal=True))
def test_midranks_of_equal_sizes_are_scipys(samples):
    truth = stats.cramervonmises_2samp(*samples, method="asymptotic").statistic
    assert numbers(*samples)["cramer_von_mises"] == pytest.approx(truth, abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(two_samples())
def test_the_worlds_may_change_places_and_the_range_is_kept(samples):
    found = numbers(*samples)
    assert numbers(*samples[::-1]) == pytest.approx(found, rel=1e-12, abs=0)
    assert 0 <= found["ks"] <= 1
    assert 0 <= found["wasserstein"] <= np.ptp(np.concatenate(samples)) * (1 + 1e-12)
    assert found["energy"] ** 2 <= 2 * found["ks"] * found["wasserstein"] * (1 + 1e-9)
    sizes = np.array([len(sample) for sample in samples])
    assert 0 <= found["cramer_von_mises"] <= sizes.prod() / sizes.sum() * (1 + 1e-12)
    assert set(numbers(samples[0], np.tile(samples[0], 3)).values()) == {0.0}


@settings(deadline=None, max_examples=50)
@given(two_samples(few_values), st.integers(-30, 30), st.sampled_from([-1.0, 1.0]))
def test_units_scale_the_numbers_that_have_units(samples, power, sign):
    found, factor = numbers(*samples), 2.0**power
    mapped = numbers(*(sign * factor * sample for sample in samples))
    assert mapped["ks"] == pytest.approx(found["ks"])
    assert mapped["cramer_von_mises"] == pytest.approx(found["cramer_von_mises"])
    assert mapped["wasserstein"] == pytest.approx(factor * found["wasserstein"])
    assert mapped["energy"] == pytest.approx(np.sqrt(factor) * found["energy"])


@settings(deadline=None, max_examples=50)
@given(two_samples(few_values))
def test_an_increasing_map_leaves_what_knows_only_order(samples):
    _, ranks = np.unique(np.concatenate(samples), return_inverse=True)
    mapped = numbers(*np.split(np.exp(3.0 * ranks), [len(samples[0])]))
    found = numbers(*samples)
    for name in ("ks", "cramer_von_mises"):
        assert mapped[name] == found[name]


def test_a_negative_zero_ties_with_zero_and_neighbours_do_not_tie():
    assert set(numbers(np.full(5, -0.0), np.zeros(7)).values()) == {0.0}
    for base in (1.0, -1.0, 1e13, 5e-324, 1.7e308):
        step = np.nextafter(base, 0)
        found = numbers(np.full(5, base), np.full(5, step))
        assert found["ks"] == 1
        assert found["wasserstein"] == abs(base - step)


def test_chunks_and_their_company_change_nothing(monkeypatch):
    values = np.random.default_rng(0).normal(size=(12, 2, 400))
    values[3] = values[3].astype(np.float32)
    values[5] = values[5].round()
    whole = compared(values, effective=400.0)
    monkeypatch.setattr("inference.arrays.two_sample.SORTED_AT_ONCE", 900)
    monkeypatch.setattr("inference.arrays.two_sample.FLIPPED_AT_ONCE", 900)
    apart = compared(values, effective=400.0)
    for name, number in whole.items():
        assert apart[name] == pytest.approx(number, rel=1e-5)
        if name in NUMBERS:
            assert np.array_equal(apart[name], number)


CLOSED = [
    ("ks", 1.0, 1.0, 0.382925),
    ("wasserstein", 1.0, 1.0, 1.0),
    ("energy", 1.0, 1.0, 0.736075),
    ("wasserstein", 0.0, 2.0, 0.797885),
]


@pytest.mark.parametrize(("name", "shift", "scale", "closed"), CLOSED)
def test_the_numbers_of_normal_worlds_are_their_closed_forms(name, shift, scale, closed):
    values = np.random.default_rng(3).normal(size=(50, 2, 4000))
    values[:, 1] = shift + scale * values[:, 1]
    found = compared(values, effective=4000.0, flips=100)
    number, error = found[name].ravel(), found[f"{name}_mcse"].ravel()
    assert (np.abs(number - closed) < 4 * error).all()
    # KS is a maximum, hence too large by less than its error.
    bias = error.mean() if name == "ks" else 0.0
    assert abs(number.mean() - closed) < 4 * error.mean() / np.sqrt(50) + bias
    assert error.mean() == pytest.approx(number.std(ddof=1), rel=0.35)


def test_cramer_von_mises_of_normal_worlds_grows_with_the_draws():
    values = np.random.default_rng(4).normal([[[0.0], [1.0]]], size=(50, 2, 4000))
    found = compared(values, effective=4000.0, flips=100)
    x = np.linspace(-9, 10, 20001)
    square = np.square(stats.norm.cdf(x) - stats.norm.cdf(x - 1))
    density = 0.5 * (stats.norm.pdf(x) + stats.norm.pdf(x - 1))
    closed = 4000 / 2 * np.trapezoid(square * density, x)
    number, error = found["cramer_von_mises"], found["cramer_von_mises_mcse"]
    assert (np.abs(number - closed) < 4 * error).all()


def independent(rng):
    return rng.normal(size=(REPETITIONS, 2, 4, 250))


def shared_noise(rng):
    common = rng.normal(size=(REPETITIONS, 1, 4, 250))
    return np.sqrt(0.8) * common + np.sqrt(0.2) * rng.normal(size=(REPETITIONS, 2, 4, 250))


def slow_chains(rng):
    noise = rng.normal(size=(REPETITIONS, 2, 4, 1100))
    return signal.lfilter([1], [1, -0.9], noise, axis=-1)[..., 100:]


def counts_of_events(rng):
    return rng.poisson(4.0, size=(REPETITIONS, 2, 4, 250)).astype(float)


def mostly_zero(rng):
    return np.maximum(0, rng.normal(size=(REPETITIONS, 2, 4, 250)))


@pytest.mark.parametrize(
    ("world", "effective"),
    [
        (independent, 1000.0),
        (shared_noise, 1000.0),
        (slow_chains, 210.0),
        (counts_of_events, 1000.0),
        (mostly_zero, 1000.0),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_same_world_is_rejected_at_the_stated_rate_and_shows_the_floor(world, effective):
    values = world(np.random.default_rng(11)).reshape(REPETITIONS, 2, -1)
    found = compared(values, effective=effective)
    for name in NUMBERS:
        number, floor, chance = (found[name + part] for part in ("", "_floor", "_p"))
        assert abs(np.mean(chance <= LEVEL) - LEVEL) < 3.5 * LEVEL_ERROR, name
        assert np.mean(chance <= 0.001) < 0.001 + 4 * np.sqrt(0.001 / REPETITIONS), name
        error = number.std() / np.sqrt(REPETITIONS) + floor.std() / np.sqrt(REPETITIONS)
        assert abs(floor.mean() - number.mean()) < 4 * error + 0.02 * number.mean(), name


def test_the_floor_of_independent_draws_is_its_closed_form():
    values = np.random.default_rng(5).normal(size=(300, 2, 4000))
    found = compared(values, effective=4000.0, flips=200)
    bridge = np.sqrt(np.pi / 2) * np.log(2) * np.sqrt(2 / 4000)  # the mean of Kolmogorov's law
    assert found["ks_floor"].mean() == pytest.approx(bridge, rel=0.025)
    assert found["cramer_von_mises_floor"].mean() == pytest.approx(1 / 6, rel=0.03)
    x = np.linspace(-9, 9, 20001)
    deviation = np.sqrt(2 / 4000 * stats.norm.cdf(x) * stats.norm.sf(x))
    mean = np.sqrt(2 / np.pi) * np.trapezoid(deviation, x)
    assert found["wasserstein_floor"].mean() == pytest.approx(mean, rel=0.03)


def test_a_real_effect_does_not_raise_the_floor():
    values = np.random.default_rng(6).normal(size=(20, 2, 2000))
    moved = values + np.array([0.0, 3.0])[:, None]
    still, found = compared(values, effective=2000.0), compared(moved, effective=2000.0)
    assert (found["ks_floor"] < 1.3 * still["ks_floor"]).all()
    assert (found["wasserstein_floor"] < 1.5 * still["wasserstein_floor"]).all()
    assert all((found[f"{name}_p"] < 1e-3).all() for name in NUMBERS)


def test_what_never_differs_has_no_distance_no_floor_no_error_and_no_doubt():
    same = np.random.default_rng(7).normal(size=(1, 1, 400))
    values = np.concatenate([np.repeat(same, 2, axis=1), np.full((1, 2, 400), 3.0)])
    for name, number in compared(values, effective=400.0).items():
        assert (number == (1 if name.endswith("_p") else 0)).all(), name


def test_too_few_effective_draws_prove_nothing():
    values = np.random.default_rng(8).normal([[[0.0], [9.0]]], size=(1, 2, 400))
    found = compared(values, effective=np.array([[6.0]]))
    assert all(found[f"{name}_p"] == 1 for name in NUMBERS)
    assert found["ks_mcse"] == 1
    assert found["wasserstein_mcse"] == found["energy_mcse"] == np.inf
    assert np.isfinite(found["wasserstein_floor"]).all()
