"""Do the closed forms of shapes agree with plain quadrature, with SciPy, and with each other?"""

import doctest

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.stats import expon, norm, uniform

from closed_forms import shapes


def test_what_the_docstrings_show_is_so():
    assert doctest.testmod(shapes).failed == 0


@pytest.mark.parametrize("distance", [0, 0.2, 1, 5])
def test_a_shift_moves_tv_and_rearranges_to_nothing(distance):
    one, other = norm(distance).pdf, norm.pdf
    assert shapes.shift_tv(distance) == pytest.approx(shapes.tv(one, other, -15, 20), abs=1e-8)
    assert shapes.rearranged_tv(one, other, -15, 20) < 1e-4


@pytest.mark.parametrize("ratio", [0.1, 0.5, 1, 1.2, 2])
def test_a_scale_is_seen_alike_whether_labels_count_or_not(ratio):
    one, other = norm(0, ratio).pdf, norm.pdf
    for found in (shapes.tv, shapes.rearranged_tv):
        assert found(one, other, -25, 25) == pytest.approx(shapes.scale_tv(ratio), abs=2e-6)


def test_tables_of_the_note():
    table = {1: 0.087989, 2: 0.133406, 10: 0.311279, 100: 0.801514}
    for dimensions, value in table.items():
        assert shapes.scale_tv(1.2, dimensions) == pytest.approx(value, abs=1e-6)
    assert shapes.rearranged_far_apart(2) == pytest.approx(0.322675, abs=1e-6)


@pytest.mark.parametrize("parts", [2, 3])
def test_copies_far_apart_rearrange_to_a_wider_normal(parts):
    places = 14.0 * np.arange(parts)
    many = shapes.mixture_density(places, np.ones(parts), np.full(parts, 1 / parts))
    found = shapes.rearranged_tv(many, norm.pdf, -20, 60)
    assert found == pytest.approx(shapes.rearranged_far_apart(parts), abs=1e-4)


@pytest.mark.parametrize("apart", [0, 0.5, 2, 6, 10])
def test_the_tv_of_an_even_mixture(apart):
    two = shapes.mixture_density([-apart / 2, apart / 2], [1, 1], [0.5, 0.5])
    assert shapes.mixture_tv(apart) == pytest.approx(shapes.tv(two, norm.pdf, -20, 20), abs=1e-8)


@pytest.mark.parametrize("balance", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("apart", [1.5, 1.99, 2.2, 2.9, 3.5, 6])
def test_two_parts_are_two_peaks_when_behboodian_says_so(apart, balance):
    grid = np.linspace(-3, apart + 3, 100_001)
    height = shapes.mixture_density([0, apart], [1, 1], [1 - balance, balance])(grid)
    peaks = ((height[1:-1] > height[:-2]) & (height[1:-1] >= height[2:])).sum()
    assert shapes.parts_are_two_peaks(apart, balance) == (peaks == 2)


@pytest.mark.parametrize(
    ("means", "sds", "weights"),
    [([0], [2], [1]), ([-2, 1, 4], [1, 0.5, 2], [0.2, 0.5, 0.3]), ([0, 6], [1, 1], [0.9, 0.1])],
)
def test_cumulants_of_mixtures_are_derivatives_of_the_log_of_the_generating_function(
    means, sds, weights
):
    # Cauchy's formula: coefficients of an analytic function from its values on a circle.
    circle = 0.3 * np.exp(2j * np.pi * np.arange(256) / 256)
    log = np.log(
        sum(
            w * np.exp(m * circle + (s * circle) ** 2 / 2)
            for m, s, w in zip(means, sds, weights, strict=True)
        )
    )
    coefficients = np.fft.fft(log).real / 256
    factorials = np.cumprod(np.arange(1, 7))
    found = factorials * coefficients[1:7] / 0.3 ** np.arange(1, 7)
    expected = shapes.mixture_cumulants(means, sds, weights)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_cumulants_of_an_event_by_their_recursion():
    step, chance = 1e-5, 0.3
    found = shapes.bernoulli_cumulants(chance)
    slope = shapes.bernoulli_cumulants(chance + step) - shapes.bernoulli_cumulants(chance - step)
    np.testing.assert_allclose(found[1:], chance * (1 - chance) * slope[:-1] / (2 * step), 1e-6)


@pytest.mark.parametrize(
    ("law", "low", "high"), [(norm(3, 0.2), 0, 6), (stats.logistic(), -60, 60)]
)
def test_entropy_is_what_scipy_has(law, low, high):
    entropy, spread, _ = shapes.surprisal_cumulants(law.pdf, low, high)
    assert entropy == pytest.approx(law.entropy(), abs=1e-7)

    def square(w):
        return law.pdf(w) * (law.logpdf(w) + law.entropy()) ** 2

    middle = law.median()
    expected = sum(integrate.quad(square, *ends)[0] for ends in ((low, middle), (middle, high)))
    assert spread == pytest.approx(expected, abs=1e-6)


def test_entropy_of_a_normal_law():
    assert shapes.normal_entropy(0.2) == pytest.approx(norm(3, 0.2).entropy(), abs=1e-12)


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        (norm, (0, np.pi**-0.5, 0, shapes.NORMAL_L_KURTOSIS)),
        (expon, (1, 1 / 2, 1 / 3, 1 / 6)),
        (uniform, (1 / 2, 1 / 6, 0, 0)),
        (stats.gumbel_r, (np.euler_gamma, np.log(2), np.log2(9 / 8), 16 - 10 * np.log2(3))),
    ],
)
def test_l_moments_of_laws_in_hosking(law, expected):
    np.testing.assert_allclose(shapes.l_moments(law.ppf), expected, atol=1e-6)


def test_l_moments_of_draws_are_scipys():
    draws = np.sort(expon.rvs(size=200, random_state=np.random.default_rng(0)))
    found = stats.lmoment(draws, [1, 2], axis=0, standardize=False)
    pairs = np.abs(draws[:, None] - draws).sum() / (200 * 199) / 2
    np.testing.assert_allclose(found, [draws.mean(), pairs])
