"""Are shapes compared in units of the erased world, and by numbers that others compute alike?"""

import numpy as np
import pytest
from closed_forms import shapes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from inference.arrays.blocks import block_bounds
from inference.arrays.cells import ROBUST
from inference.arrays.shape import comparison
from inference.arrays.shape.comparison import (
    CUMULANTS,
    DESCRIPTORS,
    L_MOMENTS,
    QUANTILES,
    compared_shapes,
)
from inference.arrays.sign_flips import random_signs

DRAWS = 2001
BOUNDS = block_bounds(3, DRAWS // 3, effective=float(DRAWS))
SIGNS = random_signs(500, len(BOUNDS) - 1)
BY_WORLD = ("on", "on_mcse", "change", "mcse", "floor", "p")
MIRRORED = {"quantile_05": "quantile_95", "quantile_25": "quantile_75", "tail_left": "tail_right"}
MIRRORED |= {other: one for one, other in MIRRORED.items()}
TURNED = ("mean", "skewness", "fifth", "l_skewness", "median", *QUANTILES)
seeds = st.integers(0, 2**32 - 1)


def compare(values, wanted=DESCRIPTORS, effective=float(DRAWS)):
    size = np.full((values.shape[1] - 1, len(values)), effective)
    return compared_shapes(values, bounds=BOUNDS, signs=SIGNS, effective=size, wanted=wanted)


def of(found, name, part="on"):
    return found[part][DESCRIPTORS.index(name)]


def dyadic(rng, shape):
    """Normal draws that move and grow by powers of two without rounding."""
    return np.rint(rng.normal(size=shape) * 2**16) / 2**16


def test_numbers_are_those_of_scipy_in_erased_units():
    rng = np.random.default_rng(0)
    values = np.stack([rng.gamma(3.0, size=(2, DRAWS)), rng.logistic(size=(2, DRAWS))], axis=1)
    found = compare(values)
    for place, (erased, let_in) in enumerate(values):
        mean, sd = erased.mean(), erased.std()
        low, median, high = np.quantile(erased, (0.25, 0.5, 0.75))
        robust = (high - low) / ROBUST
        moments = stats.moment(let_in, [2, 3, 4], center=let_in.mean())
        k = [stats.kstat(let_in - let_in.mean(), order) for order in (1, 2, 3, 4)]
        ranked = np.sort(let_in)
        half = (DRAWS + 1) // 2
        l_moments = stats.lmoment(let_in)
        known = {
            "mean": (let_in.mean() - mean) / sd,
            "spread": let_in.std(ddof=1) / sd,
            "skewness": k[2] / k[1] ** 1.5,
            "kurtosis": k[3] / k[1] ** 2,
            "l_scale": l_moments[1] / robust,
            "l_skewness": l_moments[2],
            "l_kurtosis": l_moments[3],
            "shortest_half": (ranked[half - 1 :] - ranked[: DRAWS - half + 1]).min() / robust,
            "concentration": max(
                np.mean((let_in >= a) & (let_in <= a + robust * (1 + 1e-12))) for a in let_in
            ),
        }
        assert moments[0] == pytest.approx(let_in.var())
        for name, level in QUANTILES.items():
            known[name] = (np.quantile(let_in, level) - median) / robust
        for name, number in known.items():
            assert of(found, name)[0, place] == pytest.approx(number, rel=1e-9), name
        entropy = stats.differential_entropy((let_in - median) / robust)
        error = of(found, "entropy", "on_mcse")[0, place]
        # Cells of a quarter deviation add 0.003 nats to a normal law.
        assert abs(of(found, "entropy")[0, place] - entropy) < 2 * error + 0.01
    np.testing.assert_allclose(of(found, "mean", "off"), 0, atol=1e-12)
    np.testing.assert_allclose(of(found, "spread", "off"), 1, rtol=1e-3)
    np.testing.assert_array_equal(of(found, "median", "off"), 0)
    for name in ("on", "mcse"):
        assert np.isfinite(found[name]).all()
    np.testing.assert_allclose(found["change"], found["on"] - found["off"][:, None], atol=1e-9)


@pytest.mark.parametrize(
    ("law", "known"),
    [
        (
            stats.norm(1, 2),
            {
                "mean": 1,
                "spread": 2,
                "kurtosis": 0,
                "l_scale": 2 / np.sqrt(np.pi),
                "l_kurtosis": shapes.NORMAL_L_KURTOSIS,
                "shortest_half": 2 * 1.348980,
                "entropy": shapes.normal_entropy(2),
                "varentropy": 0.5,
                "quantile_95": 1 + 2 * 1.644854,
                "concentration": 2 * stats.norm.cdf(0.25) - 1,
            },
        ),
        (
            stats.expon(),
            {"mean": 1, "spread": 1, "skewness": 2, "entropy": 1, "l_skewness": 1 / 3},
        ),
        (
            stats.uniform(0, 4),
            {"kurtosis": -1.2, "l_kurtosis": 0, "shortest_half": 2, "varentropy": 0},
        ),
    ],
)
def test_closed_forms_lie_within_four_errors(law, known):
    rng = np.random.default_rng(1)
    values = np.stack([rng.normal(size=(8, DRAWS)), law.rvs((8, DRAWS), random_state=rng)], axis=1)
    found = compare(values)
    # Widths are in erased deviations, which are off by sqrt(1.36 / n) each; eight measurements.
    unit = np.sqrt(1.4 / DRAWS / 8)
    # Where a density jumps in the midst of a cell, the cell holds more than there is.
    jump = 0.1 if law.pdf(law.support()[0]) > 0 else 0.01
    for name, truth in known.items():
        numbers, errors = of(found, name)[0], of(found, name, "on_mcse")[0]
        slack = jump if name == "entropy" else 0.01
        slack = 0.03 if name in ("varentropy", "concentration", "shortest_half") else slack
        error = np.hypot(errors.mean() / np.sqrt(8), unit * max(abs(truth), 1))
        assert abs(numbers.mean() - truth) < 4 * error + slack, name


def test_rearranged_tv_is_the_exact_one():
    rng = np.random.default_rng(2)
    erased = rng.normal(size=(4, DRAWS))
    camps = rng.normal(size=(4, DRAWS)) + 5 * rng.choice([-1, 1], (4, DRAWS))
    worlds = [erased, rng.normal(size=(4, DRAWS)) + 5, 2 * rng.normal(size=(4, DRAWS)), camps]
    found = compare(np.stack(worlds, axis=1), wanted=["spread"])
    tv, error = found["rearranged_tv"].mean(axis=1), found["rearranged_mcse"].mean(axis=1)
    known = np.array([0, shapes.scale_tv(2), shapes.rearranged_far_apart(2)])
    assert (np.abs(tv - known) < 4 * error / 2 + 0.02).all()
    assert (found["rearranged_p"][0] > 0.001).all()
    assert (found["rearranged_p"][1:] < 0.001).all()


@settings(max_examples=5)
@given(
    seed=seeds, power=st.integers(-20, 20), steps=st.integers(-1000, 1000), mirror=st.booleans()
)
def test_units_do_not_matter_and_mirrors_turn_what_has_a_side(seed, power, steps, mirror):
    values = dyadic(np.random.default_rng(seed), (1, 2, DRAWS)) * [[[1.0], [1.5]]]
    unit = 2.0**power * (-1 if mirror else 1)
    one, other = compare(values), compare(unit * (values + steps))
    for place, name in enumerate(DESCRIPTORS):
        same = DESCRIPTORS.index(MIRRORED.get(name, name)) if mirror else place
        side = -1 if mirror and name in TURNED else 1
        # Mirrored, errors are read off draws one place away, or off the last of equal intervals.
        rough = mirror and name in (*QUANTILES, "concentration", "shortest_half", "peaks")
        for part in BY_WORLD:
            turn = side if part in ("on", "change") else 1
            np.testing.assert_allclose(
                other[part][same],
                turn * one[part][place],
                rtol=0.2 if rough else 1e-4,
                atol=1e-2 if rough else 1e-5,
                err_msg=f"{part} of {name}",
            )
    for part in ("tv", "plugin", "mcse", "p", "floor"):
        np.testing.assert_allclose(other[f"rearranged_{part}"], one[f"rearranged_{part}"])


def test_measurements_worlds_and_chunks_change_no_number(monkeypatch):
    rng = np.random.default_rng(3)
    values = rng.normal(size=(5, 3, DRAWS)) * np.array([1.0, 2.0, 1.0])[:, None]
    whole = compare(values)
    order = np.array([3, 0, 4, 1, 2])
    monkeypatch.setattr(comparison, "_NUMBERS", values[0].size)
    parts, moved = compare(values), compare(values[order])
    turned = compare(values[:, [0, 2, 1]])
    for name, numbers in whole.items():
        np.testing.assert_allclose(parts[name], numbers, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(moved[name], numbers[..., order], atol=1e-12, err_msg=name)
        swapped = numbers if name.startswith("off") else numbers[..., ::-1, :]
        np.testing.assert_allclose(turned[name], swapped, atol=1e-12, err_msg=name)


def test_what_is_not_wanted_changes_nothing_else():
    values = np.random.default_rng(4).normal(size=(2, 2, DRAWS))
    whole = compare(values)
    for name in DESCRIPTORS:
        alone = compare(values, wanted=[name])
        for part in (*BY_WORLD, "off", "off_mcse"):
            np.testing.assert_array_equal(alone[part][0], of(whole, name, part), err_msg=name)
        judged = name in (*CUMULANTS, *L_MOMENTS) or name.startswith("tail")
        assert ("tail" in alone) == judged


def test_counts_whose_shortest_half_jumps_are_the_same_counts():
    """The shortest half of Poisson(8) holds five values or six, whichever way draws fall."""
    values = np.random.default_rng(6).poisson(8.0, size=(200, 2, DRAWS)).astype(float)
    found = compare(values, wanted=["shortest_half"])
    assert np.mean(found["p"] <= 0.01) <= stats.binom.isf(1e-4, 200, 0.01) / 200


def test_tails_of_the_same_world_are_the_same_as_often_as_said():
    values = np.random.default_rng(7).normal(size=(300, 2, DRAWS))
    found = compare(values, wanted=["tail_left", "tail_right"])
    assert np.mean(found["p"] <= 0.05) <= stats.binom.isf(1e-4, 600, 0.05) / 600
    spread = found["change"].std() / found["mcse"].mean()
    assert 0.8 < spread < 1.25


def test_rare_events_of_the_same_chance_are_the_same():
    values = (np.random.default_rng(8).random((200, 2, DRAWS)) < 1e-3).astype(float)
    found = compare(values, wanted=["mean", "spread", "l_scale", "entropy", "varentropy"])
    level = np.mean(found["p"] <= 0.05, axis=(1, 2))
    assert (level <= stats.binom.isf(1e-4, 200, 0.05) / 200).all()


def test_draws_of_any_kind_are_compared():
    rng = np.random.default_rng(9)
    whole = rng.integers(0, 200, size=(1, 2, DRAWS))
    for kind in (np.int16, np.uint8, np.float32):
        found, wide = compare(whole.astype(kind)), compare(whole.astype(float))
        for name in found:
            np.testing.assert_allclose(found[name], wide[name], rtol=1e-5, atol=1e-6)
