"""The ladder: does every rung cost the bits it should, and the best of N as many as it has?"""

import math

import numpy as np
import pytest
from closed_forms import enumerated, finite_draws
from scipy import integrate

import counterfactual_models as cm
from counterfactual_models.errors import DiscipleError, WorldError
from counterfactual_models.zoo import eight_states
from counterfactual_models.zoo.eight_states import (
    BestOf,
    Steer,
    expected_bits,
    likeliest_tries,
    median_bits,
)
from inference import diagnostics
from inference.arrays import order

TRIES = (1, 2, 10, 100, 1000)


@pytest.fixture(scope="module")
def example():
    return eight_states.example()


@pytest.fixture(scope="module")
def tree(example):
    return finite_draws.draw(example)


@pytest.fixture(scope="module")
def fine():
    example = eight_states.example(fine=True)
    return finite_draws.draw(example, draws=2500)


def bits_of(example, name):
    return example.exact(example.disciples[name]).optimization_power(lambda outcome: outcome[0])


def test_states_four_six_and_seven_are_worth_one_two_and_three_bits(example):
    assert [bits_of(example, name) for name in ("x4", "x6", "x7")] == [1, 2, 3]
    ladder = np.arange(8.0)
    np.testing.assert_allclose(order.exceedance_bits(ladder, [4.0, 6.0, 7.0]), [1, 2, 3])


def test_bits_of_two_ladders_add_up():
    # By counting: 2 of 8 states on one ladder and 1 of 8 on the other are 2 of 64 pairs.
    assert -math.log2(2 / 64) == 2 + 3
    one = eight_states.exact(Steer(6), {}).laws
    other = eight_states.exact(Steer(7), {}).laws
    pairs = {
        x: {(*a, *b): p * q for a, p in one[x].items() for b, q in other[x].items()}
        for x in (0, 1)
    }
    as_good = sum(p for (a, b), p in pairs[0].items() if a >= 6 and b >= 7)
    assert -math.log2(as_good) == pytest.approx(5)


@pytest.mark.parametrize(
    ("tries", "bits"), [(1, 1.4427), (2, 2.1640), (10, 4.2256), (100, 7.4838), (1000, 10.7993)]
)
def test_the_best_of_n_has_harmonic_bits(tries, bits):
    found = expected_bits(tries)
    assert found == pytest.approx(bits, abs=5e-5)
    assert found == pytest.approx(sum(1 / k for k in range(1, tries + 1)) / math.log(2))
    # With t the share of chance that does as well, t has the density N (1 - t)^(N - 1).
    area, _ = integrate.quad(
        lambda s: s * math.log(2) * tries * (1 - 2**-s) ** (tries - 1) * 2**-s, 0, 80, limit=200
    )
    assert found == pytest.approx(area, rel=1e-6)
    excess = (sum(1 / k for k in range(1, tries + 1)) - 1) / math.log(2)
    assert found - expected_bits(1) == pytest.approx(excess)


@pytest.mark.parametrize("tries", TRIES)
def test_half_of_the_best_of_n_have_more_than_the_median(tries):
    below = (1 - 2 ** -median_bits(tries)) ** tries
    assert below == pytest.approx(0.5)
    assert median_bits(tries) == pytest.approx(-math.log2(1 - 2 ** (-1 / tries)))


@pytest.mark.parametrize(("quantile", "tries"), [(0.5, 1.4427), (0.875, 7.4889), (0.99, 99.499)])
def test_the_likeliest_number_of_tries(quantile, tries):
    found = likeliest_tries(quantile)
    assert found == pytest.approx(tries, abs=5e-4)
    grid = np.linspace(1, 300, 300_001)
    density = np.log(grid) + (grid - 1) * math.log(quantile)
    assert found == pytest.approx(grid[density.argmax()], abs=2e-3)


@pytest.mark.parametrize("tries", [2, 10, 100])
def test_rungs_tie_so_that_the_best_of_n_has_fewer_bits_on_them(example, tries):
    # By brute force over what the laws of order statistics say.
    law = BestOf(tries).law
    assert law == pytest.approx([((u + 1) / 8) ** tries - (u / 8) ** tries for u in range(8)])
    bits = sum(p * (3 - math.log2(8 - u)) for u, p in enumerate(law))
    assert bits_of(example, f"best_of_{tries}") == pytest.approx(bits)
    assert bits < min(3, expected_bits(tries))


def test_the_program_has_the_laws_of_exact(example):
    enumerated.assert_lawful(example)


def test_draws_come_out_as_often_as_they_should(example, tree):
    finite_draws.assert_lawful(example, tree)


def test_the_estimate_of_the_bits_is_within_its_error(example, tree):
    found = diagnostics.optimization_power(tree, example.utility)
    for name in example.disciples:
        own = found.sel(disciple=name, summary="expected")
        gap = abs(own["bits"] - bits_of(example, name))
        assert gap <= 4 * own["mcse"] + 1e-9, name


def test_the_estimate_of_the_penalty_is_within_its_error(example, tree):
    found = diagnostics.coarse_graining(tree)
    for name, disciple in example.disciples.items():
        own = found.sel(disciple=name, measurement="rung")
        assert abs(own["tv"] - example.exact(disciple).joint_tv) <= 4 * own["mcse"] + 2e-3, name


@pytest.mark.parametrize("tries", TRIES)
def test_draws_between_the_rungs_have_harmonic_bits(fine, tries):
    name = "null" if tries == 1 else f"best_of_{tries}"
    bits = -np.log2(fine["predictions"]["as_good"].sel(disciple=name).values.astype(float).ravel())
    error = bits.std() / np.sqrt(bits.size)
    assert abs(bits.mean() - expected_bits(tries)) <= 4 * error
    beyond = (bits > median_bits(tries)).mean()
    assert abs(beyond - 0.5) <= 4 * 0.5 / np.sqrt(bits.size)


def test_a_place_lies_between_its_rungs(fine):
    drawn = fine["predictions"]
    height = 1 - drawn["as_good"].values.astype(float)
    rung = drawn["rung"].values.astype(float)
    assert (height >= rung / 8 - 1e-6).all()
    assert (height <= (rung + 1) / 8 + 1e-6).all()


def test_power_is_not_judged_as_impact(example):
    assert example.truth == {"null": "low"}
    assert example.exact(example.disciples["null"]).joint_tv == 0


@pytest.mark.parametrize("fine", [False, True])
@pytest.mark.parametrize("disciple", ["null", "best_of_10", "x7"])
def test_the_world_passes_its_check(disciple, fine):
    example = eight_states.example(fine=fine)
    measured = cm.check_world(example.world, example.disciples[disciple]).named("measurement")
    assert tuple(measured) == ("rung", "as_good") if fine else ("rung",)


@pytest.mark.parametrize("tries", [0, 0.5, np.inf, np.nan, "many"])
def test_less_than_one_try_is_refused(tries):
    with pytest.raises(DiscipleError, match=r"tries=.*at least 1"):
        BestOf(tries)
    for law in (expected_bits, median_bits):
        with pytest.raises(WorldError, match=r"tries=.*at least 1"):
            law(tries)


@pytest.mark.parametrize("state", [-1, 8, 2.5, "top"])
def test_a_state_off_the_ladder_is_refused(state):
    with pytest.raises(DiscipleError, match=r"state=.*0 to 7"):
        Steer(state)


@pytest.mark.parametrize("quantile", [0, 1, -0.5, np.nan])
def test_a_quantile_that_is_none_is_refused(quantile):
    with pytest.raises(WorldError, match=r"quantile=.*below 1"):
        likeliest_tries(quantile)


def test_an_option_that_is_neither_true_nor_false_is_refused():
    with pytest.raises(WorldError, match="expected True or False"):
        eight_states.example(fine="very")
