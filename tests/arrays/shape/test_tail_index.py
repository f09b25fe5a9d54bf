"""Is the shape of a tail the one that ArviZ finds, and is none found where there is none?"""

import numpy as np
import pytest
from arviz_stats.base import array_stats
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal, stats

from counterfactual_models.errors import CounterfactualError, MeasurementError
from inference.arrays.blocks import block_bounds
from inference.arrays.shape import tail_index
from inference.arrays.shape.jackknife import error_of, pseudo_values
from inference.arrays.shape.tail_index import moments_exist, tail_descriptors

FORTY = np.arange(0, 10_001, 250)
SIDES = "left", "right"
CONTINUOUS = {
    "normal": stats.norm(),
    "t2": stats.t(2),
    "cauchy": stats.cauchy(),
    "exponential": stats.expon(),
    "uniform": stats.uniform(),
    "gumbel": stats.gumbel_r(),
}


def errors(estimate, bounds=FORTY, effective=1e4):
    lengths = np.diff(bounds)
    return error_of(pseudo_values(estimate, lengths), lengths, effective)


@pytest.mark.parametrize("draws", [100, 1000, 10_000])
@pytest.mark.parametrize("law", CONTINUOUS)
def test_the_shape_is_that_of_arviz(law, draws):
    values = CONTINUOUS[law].rvs((3, draws), random_state=draws)
    found = tail_descriptors(values, np.arange(0, draws + 1, draws // 20))
    for side in SIDES:
        theirs = [
            array_stats.pareto_khat(row[None], chain_axis=0, draw_axis=1, r_eff=1.0, tail=side)
            for row in values
        ]
        np.testing.assert_allclose(found[f"tail_{side}"][0], theirs, atol=1e-8)


@pytest.mark.parametrize(
    ("law", "side", "truth", "slow"),
    [
        ("t2", "left", 0.5, 0.05),
        ("t2", "right", 0.5, 0.05),
        ("cauchy", "right", 1.0, 0.03),
        ("exponential", "right", 0.0, 0.01),
        ("exponential", "left", -1.0, 0.03),
        ("uniform", "right", -1.0, 0.03),
        ("gumbel", "right", 0.0, 0.02),
    ],
)
def test_known_tails_are_found_but_for_the_prior(law, side, truth, slow):
    """The prior counts 10 of 310; `slow` is what the tail still lacks to its limit."""
    values = CONTINUOUS[law].rvs((50, 10_000), random_state=2)
    whole = tail_descriptors(values, FORTY)[f"tail_{side}"][0]
    expected = (300 * truth + 5) / 310
    assert whole.mean() == pytest.approx(expected, abs=slow + 4 * whole.std() / np.sqrt(50))


def test_a_normal_tail_seems_to_end():
    whole, _ = tail_descriptors(np.random.default_rng(0).normal(size=(50, 10_000)), FORTY)[
        "tail_right"
    ]
    assert whole.mean() == pytest.approx(-0.09, abs=0.03)


@pytest.mark.parametrize(
    "values",
    [
        np.full(10_000, 3.0),
        np.random.default_rng(0).random(10_000) < 0.3,
        np.random.default_rng(0).random(10_000) < 0.002,
        np.random.default_rng(0).integers(0, 5, 10_000),
        np.append(np.zeros(9_999), 1e9),
        np.random.default_rng(0).choice(
            [0.0, 1.0, 10.0, 100.0], 10_000, p=[0.97, 0.01, 0.01, 0.01]
        ),
    ],
    ids=["constant", "event", "rare event", "few counts", "outlier", "few values far apart"],
)
def test_few_values_have_no_tail_and_so_every_moment(values):
    found = tail_descriptors(values[None], FORTY)
    for whole, without in found.values():
        assert np.isneginf(whole).all() and np.isneginf(without).all()
        assert [exist.item() for exist in moments_exist(whole)] == [6, 6]


def test_too_few_draws_have_no_tail():
    found = tail_descriptors(np.random.default_rng(0).normal(size=(2, 20)), np.arange(21))
    assert all(np.isneginf(whole).all() for whole, _ in found.values())


COUNTS = {
    "geometric": (stats.geom(0.1), 0.0),
    "poisson 30": (stats.poisson(30), -0.1),
    "poisson 300": (stats.poisson(300), -0.1),
    "negative binomial": (stats.nbinom(2, 0.1), 0.0),
    "rounded cauchy": (None, 1.0),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_have_the_tail_of_what_was_rounded_to_them(name):
    law, shape = COUNTS[name]
    rng = np.random.default_rng(0)
    values = np.rint(5 * rng.standard_cauchy((40, 10_000))) if law is None else None
    values = law.rvs((40, 10_000), random_state=rng) if values is None else values
    whole, without = tail_descriptors(values, FORTY)["tail_right"]
    assert np.isfinite(whole).all() and np.isfinite(without).all()
    assert whole.mean() == pytest.approx(shape, abs=0.08)
    if shape < 0.5:
        assert (moments_exist(whole)[0] >= 3).all()


def test_a_tail_that_begins_in_a_crowd_of_zeros_is_that_beyond_it():
    rng = np.random.default_rng(0)
    values = np.where(rng.random((20, 10_000)) < 0.98, 0.0, rng.exponential(size=(20, 10_000)))
    whole, without = tail_descriptors(values, FORTY)["tail_right"]
    assert whole.mean() == pytest.approx(0.0, abs=0.06) and np.isfinite(without).all()


def chains(rng, autocorrelation, shape):
    noise = rng.normal(size=shape) * np.sqrt(1 - autocorrelation**2)
    noise[:, 0] /= np.sqrt(1 - autocorrelation**2)
    return signal.lfilter([1.0], [1.0, -autocorrelation], noise, axis=1)


@pytest.mark.parametrize("law", ["exponential", "t2", "cauchy", "uniform"])
@pytest.mark.parametrize(("autocorrelation", "effective"), [(0.0, 1e4), (0.9, 526.0)])
def test_errors_by_leaving_out_blocks_are_the_spread_of_the_shapes(
    law, autocorrelation, effective
):
    """150 sets know their spread to 6 %; errors are rather too large, for those of few draws."""
    normal = chains(np.random.default_rng(1), autocorrelation, (150, 10_000))
    values = CONTINUOUS[law].ppf(stats.norm.cdf(normal))
    bounds = block_bounds(4, 2500, effective=effective)
    estimate = tail_descriptors(values, bounds)["tail_right"]
    ratio = errors(estimate, bounds, effective).mean() / estimate[0].std(ddof=1)
    assert 0.85 < ratio < 1.35


def test_a_block_that_owns_the_tail_takes_it_away_and_no_other_does():
    values = np.sort(np.random.default_rng(0).normal(size=(1, 2000)))
    bounds = np.append(np.arange(0, 1801, 200), [2000 - 134, 2000])
    whole, without = tail_descriptors(values, bounds)["tail_right"]
    np.testing.assert_allclose(without[:-1, 0], whole[0], atol=1e-12)
    assert np.isneginf(without[-1, 0])


@given(seed=st.integers(0, 2**32 - 1), unit=st.sampled_from([2.0**-20, 1.0, 2.0**30]))
def test_neither_unit_nor_order_nor_precision_nor_mirror_changes_a_tail(seed, unit):
    rng = np.random.default_rng(seed)
    values = rng.standard_t(3, (2, 400)).astype(np.float32)
    bounds = np.arange(0, 401, 20)
    plain = tail_descriptors(values, bounds)
    scaled = tail_descriptors(np.asfortranarray(values.astype(float) * unit), bounds)
    mirrored = tail_descriptors(-values, bounds)
    shuffled = tail_descriptors(rng.permuted(values, axis=1), bounds)
    for side, other in zip(SIDES, SIDES[::-1], strict=True):
        whole, without = plain[f"tail_{side}"]
        np.testing.assert_allclose(scaled[f"tail_{side}"][0], whole, atol=1e-9)
        np.testing.assert_allclose(scaled[f"tail_{side}"][1], without, atol=1e-9)
        np.testing.assert_allclose(mirrored[f"tail_{other}"][1], without, atol=1e-9)
        np.testing.assert_allclose(shuffled[f"tail_{side}"][0], whole, atol=1e-9)


@pytest.mark.parametrize(
    "values",
    [
        1e-310 * np.random.default_rng(0).exponential(size=2000),
        1e300 * np.random.default_rng(0).standard_t(5, 2000),
        np.exp(100 * np.random.default_rng(0).normal(size=2000)),
        1.0 + 2.0**-52 * stats.dlaplace(0.1).rvs(2000, random_state=0),
        np.repeat(np.random.default_rng(0).normal(size=500), 4),
    ],
    ids=["tiny unit", "huge unit", "wild", "last digits", "draws that stand still"],
)
def test_shapes_are_finite_at_the_limits_of_numbers(values):
    for whole, without in tail_descriptors(values[None], np.arange(0, 2001, 100)).values():
        assert np.isfinite(whole).all() and np.isfinite(without).all()


def test_pieces_do_not_change_the_shapes(monkeypatch):
    values = np.random.default_rng(0).standard_t(3, (7, 1000))
    whole = tail_descriptors(values, np.arange(0, 1001, 50))
    monkeypatch.setattr(tail_index, "_NUMBERS", 1)
    for name, pair in tail_descriptors(values, np.arange(0, 1001, 50)).items():
        for one, other in zip(pair, whole[name], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12)


@given(khat=st.floats(-2, 3))
def test_a_moment_exists_below_one_over_its_order(khat):
    moments, errors_exist = (one.item() for one in moments_exist(khat))
    assert moments == max([r for r in range(1, 7) if khat < 1 / r], default=0)
    assert errors_exist == max([r for r in range(1, 7) if khat < 1 / (2 * r)], default=0)
    assert errors_exist <= moments


def test_moments_of_students_laws_are_those_below_their_degrees_of_freedom():
    moments, with_errors = moments_exist(1 / np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 1e9]]))
    assert moments.tolist() == [[0, 1, 2], [3, 4, 6]]
    assert with_errors.tolist() == [[0, 0, 1], [1, 2, 6]]


def test_a_cauchy_law_has_no_mean_and_a_normal_one_every_moment():
    rng = np.random.default_rng(0)
    values = np.stack([rng.standard_cauchy(40_000), rng.normal(size=40_000)])
    found = tail_descriptors(values, np.arange(0, 40_001, 1000))
    heavier = np.maximum(found["tail_left"][0], found["tail_right"][0])
    moments, with_errors = moments_exist(heavier)
    assert moments[0] <= 1 and with_errors[0] == 0
    assert moments[1] == 6 and with_errors[1] == 6


def test_a_khat_that_is_nan_is_refused():
    with pytest.raises(CounterfactualError, match="NaN"):
        moments_exist(np.array([0.1, np.nan]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_draw_that_is_not_finite_is_refused_and_named(bad):
    values = np.zeros((3, 40))
    values[1, 5] = bad
    with pytest.raises(MeasurementError, match="draw 5 of measurement number 1"):
        tail_descriptors(values, np.arange(0, 41, 2))
