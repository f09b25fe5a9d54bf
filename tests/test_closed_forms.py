"""Are the closed forms that other tests lean on true, by a route of their own?

T1 to T14 are those of section 10 of the research note on the importance of evidence.
"""

from math import log, log2, pi, sqrt

import numpy as np
import pytest
from closed_forms.linear_gaussian import LinearGaussian, random_world
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special
from scipy.stats import beta, norm

SIX = 1e-6


def six(value):
    return pytest.approx(value, abs=SIX)


def by_quadrature(function, low=-12.0, high=12.0, *, points=240_001):
    """Add up a smooth function that is zero at both ends, to rounding."""
    grid = np.linspace(low, high, points)
    return np.trapezoid(function(grid), grid)


def posterior_of(e, variance):
    """The density of z ~ N(0, 1) given e ~ N(z, variance), from Bayes' rule and quadrature."""

    def joint(z):
        return norm.pdf(z) * norm.pdf(e, z, sqrt(variance))

    total = by_quadrature(joint)
    return lambda z: joint(z) / total


def slope(function, at, step=0.01):
    """A central difference of fourth order."""
    near = function(at + step) - function(at - step)
    far = function(at + 2 * step) - function(at - 2 * step)
    return (8 * near - far) / (12 * step)


def log_ratio_bits(p, q):
    return p * np.log2(p / q)


def test_t1_one_datum_that_the_future_also_reads():
    world = LinearGaussian(1, 1, 0.25, 0.8, 0.3, 0.5)

    def mean(e):
        density = posterior_of(e, 0.25)
        return by_quadrature(lambda z: (0.8 * z + 0.3 * e) * density(z))

    density = posterior_of(0.6, 0.25)
    centre = mean(0.6)
    spread = by_quadrature(lambda z: (0.8 * z + 0.18 - centre) ** 2 * density(z)) + 0.5
    jacobian = slope(mean, 0.6)
    bits = 0.5 * log2(1 + jacobian**2 / spread * 1.25)
    for found in ((jacobian, spread, jacobian**2 / spread, 1.25, bits), facts(world)):
        assert found == six((0.94, 0.628, 1.407006, 1.25, 0.732009))


def facts(world):
    parts = (world.jacobian, world.covariance, world.fisher, world.loo_variance, world.datum_bits)
    return tuple(float(np.ravel(part)[0]) for part in parts)


def test_t2_norms_of_the_gradient_of_a_distribution():
    jacobian, variance = 0.4, 0.5

    def gradient(w, more=0.0):
        v = variance + more
        return -jacobian * -w / v * norm.pdf(w, scale=sqrt(v))

    first = by_quadrature(lambda w: np.abs(gradient(w)))
    assert (first, first / 2) == six((0.451352, 0.225676))
    assert by_quadrature(lambda w: gradient(w) ** 2) == six(0.063831)
    density = norm(scale=sqrt(variance)).pdf
    assert by_quadrature(lambda w: gradient(w) ** 2 / density(w), -8, 8) == six(0.32)
    h = 0.3**2
    smooth = norm(scale=sqrt(variance + h)).pdf
    assert by_quadrature(lambda w: gradient(w, h) ** 2) == six(0.049797)
    assert by_quadrature(lambda w: gradient(w, h) ** 2 / smooth(w), -8, 8) == six(0.271186)
    assert by_quadrature(lambda w: np.abs(gradient(w, h))) / 2 == six(0.207751)


@pytest.mark.parametrize(
    ("cells", "fisher"), [(2, 0.203718), (4, 0.275379), (8, 0.302411), (64, 0.318750)]
)
def test_t2_cells_of_equal_probability_keep_part_of_the_fisher_information(cells, fisher):
    sd = sqrt(0.5)
    edges = norm.ppf(np.linspace(0, 1, cells + 1), scale=sd)

    def masses(e):
        return np.diff(norm.cdf(edges, 0.4 * e, sd))

    gradient = slope(masses, 0.0, 0.005)
    assert (gradient**2 / masses(0.0)).sum() == six(fisher)
    assert np.abs(gradient).sum() / 2 == six(0.225676), "an edge lies at the mean"
    if cells == 2:
        assert 0.32 * 2 / pi == six(fisher)


def thousand_lolcats(n, reach=1.0, fashion=0.25):
    return LinearGaussian(1, np.ones((n, 1)), 4 * np.eye(n), reach, np.zeros((1, n)), fashion)


@pytest.mark.parametrize(
    ("n", "jacobian", "relevance", "each", "together", "belief"),
    [
        (1, 0.200000, 0.761905, 0.125769, 0.125769, 0.160964),
        (10, 0.071429, 0.533333, 0.029003, 0.611196, 0.903677),
        (100, 0.009615, 0.133333, 0.000933, 1.057739, 2.350220),
        (1000, 0.000996, 0.015686, 0.000011, 1.149559, 3.985772),
    ],
)
def test_t3_redundant_lolcats(n, jacobian, relevance, each, together, belief):
    world = thousand_lolcats(n)
    left = 1 / (1 + n / 4)
    others = 1 / (1 + (n - 1) / 4)
    by_hand = (
        left / 4,
        left / (left + 0.25),
        0.5 * log2((others + 0.25) / (left + 0.25)),
        0.5 * log2(1.25 / (left + 0.25)),
        0.5 * log2(1 + n / 4),
    )
    found = (world.jacobian[0, 0], world.relevance[0], world.datum_bits[0], world.bits)
    for values in (by_hand, (*found, world.belief_bits)):
        assert values == six((jacobian, relevance, each, together, belief))
    assert len(world.relevance) == 1, "one direction only"


def rank_one(one, other, scale):
    """Distances of section 6, for one output with gradients `one` (X=1) and `other` (X=0)."""
    one, other = np.asarray(one, float), np.asarray(other, float)
    a, b = one / np.linalg.norm(one), other / np.linalg.norm(other)
    cosine = a @ b
    return (
        0.5 * np.abs(a**2 - b**2).sum(),
        sqrt(max(0.0, 1 - cosine**2)),
        sqrt(max(0.0, (1 - cosine) / 2)),
        scale * np.linalg.norm(one - other),
        log2((one @ one) / (other @ other)),
    )


@pytest.mark.parametrize(
    ("reach", "table"),
    [
        ((0.5, 0.5), (0, 0, 0, 0, 0)),
        ((0.45, 0.45), (0, 0, 0, 0.218218, -0.304006)),
        ((0.5, -0.5), (0, 1, 0.707107, 3.086067, 0)),
        ((1.0, 0.0), (0.5, 0.707107, 0.382683, 2.182179, 1)),
        ((-0.5, -0.5), (0, 0, 1, 4.364358, 0)),
    ],
    ids=["null", "benign", "turbine", "one_sided", "sign_flipped"],
)
def test_t4_two_gases(reach, table):
    # By hand: gain 1 / 1.1, V = .5 * .1 / 1.1 + .05, and 1.1 of variance in each reading.
    assert np.multiply((0.5, 0.5), 1 / 1.1) == six(0.454545)
    spread = 0.5 * 0.1 / 1.1 + 0.05
    assert rank_one(reach, (0.5, 0.5), sqrt(1.1 / spread) / 1.1) == six(table)


@pytest.mark.parametrize(
    ("reach", "table"),
    [
        ((1.0, 0.1), (0, 0, 0, 0, 0)),
        ((0.98, 0.1), (0.000404, 0.002020, 0.001010, 0.017853, -0.057704)),
        ((0.05, 1.2), (0.988366, 0.990032, 0.655423, 1.297408, 0.514216)),
        ((0.9, 0.4), (0.155047, 0.313195, 0.158605, 0.282279, -0.058299)),
    ],
    ids=["null", "paperclip", "takeover", "subtle"],
)
def test_t5_the_president_and_the_vulnerability(reach, table):
    spread = 1.01 / 3 + 0.5
    assert rank_one(reach, (1.0, 0.1), sqrt(1.5 / spread) * 2 / 3) == six(table)


@pytest.mark.parametrize(
    ("a", "b", "flip", "tail"),
    [
        (1.2, 4, -0.192308, 0.833),
        (2, 4, -0.166667, 0.500),
        (3, 4, -0.142857, 0.333),
        (20, 10, -0.033333, 0.050),
    ],
)
def test_t6_one_answer_flipped(a, b, flip, tail):
    def mean(weight):
        parts = [
            integrate.quad(lambda p, power=power: p**power * weight(p) * beta.pdf(p, a, b), 0, 1)
            for power in (0, 1)
        ]
        return parts[1][0] / parts[0][0]

    moved = mean(lambda p: (1 - p) / p) - mean(lambda _: 1.0)
    assert (moved, -1 / (a + b)) == six((flip, flip))

    def expected(f):
        return integrate.quad(lambda p: f(p) * beta.pdf(p, a, b), 0, 1, epsabs=1e-10)[0]

    together = expected(lambda p: p * special.logit(p))
    assert together - expected(lambda p: p) * expected(special.logit) == six(-flip)
    # The tail of the weights (1 - p) / p: exceeded with probability ~ t^-a, a k-hat of 1 / a.
    far = np.array([1e6, 1e7])
    decay = np.log(beta.cdf(1 / (1 + far), a, b))
    assert -log(10) / (decay[1] - decay[0]) == pytest.approx(1 / a, abs=1e-5)
    assert 1 / a == pytest.approx(tail, abs=5e-4)


def test_t7_what_a_null_disciple_shows_at_finite_draws():
    world = LinearGaussian(
        np.eye(2), [[1, 0], [0, 1], [1, 1]], np.eye(3),
        [[1, 0.5], [0, 1]], np.zeros((2, 3)), np.diag([0.5, 1.0]),
    )  # fmt: skip
    draws, repetitions = 500, 400
    e, rng = np.array([0.3, -0.5, 0.8]), np.random.default_rng(7)
    drawn = world.draw(e, chains=repetitions, draws=draws, futures=2, seed=3)
    score = drawn.score - drawn.score.mean(1, keepdims=True)
    jacobians = np.einsum("rnfo,rnd->frod", drawn.w, score) / draws
    off = jacobians[1] - jacobians[0]
    metric = np.linalg.inv(world.covariance)
    found = np.einsum("rod,op,rpc,cd->r", off, metric, off, world.evidence_covariance)
    floor = 2 * np.trace(metric @ world.tremble)
    floor *= np.trace(world.evidence_covariance @ world.score_fisher) / draws
    assert abs(found.mean() - floor) < 4 * found.std() / sqrt(repetitions) + 2 * floor / draws
    # A product of two independent differences has the square's expectation without the floor.
    shuffled = off[rng.permutation(repetitions)]
    crossed = np.einsum("rod,op,rpc,cd->r", off, metric, shuffled, world.evidence_covariance)
    assert abs(crossed.mean()) < 4 * crossed.std() / sqrt(repetitions)


def test_t8_a_past_of_two_states():
    def probability(e):
        one, other = 0.3 * norm.pdf(e, 1, 0.5), 0.7 * norm.pdf(e, 0, 0.5)
        return (0.2 * other + 0.9 * one) / (one + other)

    share = (probability(0.6) - 0.2) / 0.7
    by_hand = 0.7 * share * (1 - share) / 0.25  # the slope of the log-odds is 1 / .25
    assert share == six(0.390003), "of the past being in the second state"
    assert (by_hand, slope(probability, 0.6)) == six((0.666122, 0.666122))


def test_t9_the_datum_left_out():
    kept = posterior_of(1.2, 0.5)
    mean, variance = 0.8, 1 / 3
    past = by_quadrature(lambda z: kept(z) * (np.log(kept(z)) - norm.logpdf(z)), -4, 6)
    with_, without = (norm(m, sqrt(v + 0.25)) for m, v in ((mean, variance), (0.0, 1.0)))
    future = by_quadrature(lambda w: with_.pdf(w) * (with_.logpdf(w) - without.logpdf(w)))
    assert (past, future, future / past) == six((0.535973, 0.370403, 0.691086))

    def divergence(v, prior):
        return 0.5 * (v / prior - 1 + mean**2 / prior - log(v / prior))

    assert divergence(variance, 1.0) == six(0.535973)
    assert divergence(variance + 0.25, 1.25) == six(0.370403)


def test_t10_a_future_that_is_a_square():
    def mean(e):
        density = posterior_of(e, 0.25)
        return by_quadrature(lambda z: z**2 * density(z))

    assert slope(mean, 0.7) == six(0.896)
    gain = LinearGaussian(1, 1, 0.25, 1, 0, 1).gain[0, 0]
    assert (gain, 2 * gain**2 * 0.7) == six((0.8, 0.896))


def test_t11_a_shift_of_four_fifths_of_an_sd():
    def one(w):
        return norm.pdf(w, 0.8)

    def middle(w):
        return (norm.pdf(w) + one(w)) / 2

    parts = [
        by_quadrature(lambda w, p=p: log_ratio_bits(p(w), middle(w))) for p in (norm.pdf, one)
    ]
    assert sum(parts) / 2 == six(0.107016)
    tv = by_quadrature(lambda w: np.abs(norm.pdf(w) - one(w))) / 2
    assert (tv, 2 * norm.cdf(0.4) - 1) == six((0.310843, 0.310843))
    overlap = by_quadrature(lambda w: np.sqrt(norm.pdf(w) * one(w)))
    assert (sqrt(1 - overlap), sqrt(1 - np.exp(-(0.8**2) / 8))) == six((0.277279, 0.277279))


@pytest.mark.parametrize(
    ("a", "divergence", "information", "tv"),
    [
        (0.1, 0.007178, 0.007178, 0.079656),
        (0.4, 0.107016, 0.107062, 0.310843),
        (0.7, 0.285774, 0.287656, 0.516073),
        (1.0, 0.485944, 0.500000, 0.682689),
        (2.0, 0.912822, 1.160964, 0.954500),
    ],
)
def test_a_contrast_of_one_sd_up_and_down_is_nearly_the_information_of_the_datum(
    a, divergence, information, tv
):
    def middle(w):
        return (norm.pdf(w, a) + norm.pdf(w, -a)) / 2

    # Both halves are alike.
    assert by_quadrature(lambda w: log_ratio_bits(norm.pdf(w, a), middle(w))) == six(divergence)
    assert 0.5 * log2(1 + a**2) == six(information)
    assert 2 * norm.cdf(a) - 1 == six(tv)


def test_t12_a_thousand_lolcats_a_report_and_a_plant():
    see = np.eye(3)[[0] * 1000 + [1, 2]]
    noise = np.diag([4.0] * 1000 + [0.5] * 2)
    reach = [[0.6, 0, 0], [0, 1, 0]]
    world = LinearGaussian(np.eye(3), see, noise, reach, np.zeros((2, 1002)), np.diag([1, 0.25]))
    views, gdp = 0.5 * log2(1.36 / (0.36 / 251 + 1)), 0.5 * log2(1.25 / (1 / 3 + 0.25))
    beliefs = 0.5 * log2(251) + log2(3)
    assert (views, gdp) == six((0.220769, 0.549768))
    for bits, belief in ((world.bits, world.belief_bits), (views + gdp, beliefs)):
        assert (bits, belief, bits / belief) == six((0.770537, 5.570734, 0.138319))
        assert 0.107016 / (bits / belief) == pytest.approx(0.773692, abs=5e-6)
    by_hand = [(1 / 3) / (1 / 3 + 0.25), 0.36 / 251 / (0.36 / 251 + 1), 0]
    for relevance in (world.relevance, np.array(by_hand)):
        assert relevance == six([0.571429, 0.001432, 0])
    assert world.datum_bits.mean() == six(0.000550)


matrices = st.integers(0, 2**31).map(np.random.default_rng)


@given(matrices)
def test_t13_a_future_that_is_the_past_knows_all_of_it(rng):
    world = random_world(rng)
    k, d = len(world.prior), len(world.see)
    same = LinearGaussian(
        world.prior, world.see, world.noise, np.eye(k), np.zeros((k, d)), 1e-12 * np.eye(k)
    )
    np.testing.assert_allclose(same.relevance, 1, atol=1e-6)
    np.testing.assert_allclose(same.fisher, same.score_fisher, rtol=1e-6, atol=1e-9)
    assert same.bits == pytest.approx(same.belief_bits, abs=1e-6)


@given(matrices)
def test_t14_information_is_at_most_that_of_the_past_and_grows_with_what_is_measured(rng):
    world = random_world(rng)
    fewer = LinearGaussian(
        world.prior, world.see, world.noise,
        world.reach[:2], world.direct[:2], world.tremble[:2, :2],
    )  # fmt: skip
    slack = 1e-9 * (1 + np.abs(world.score_fisher).max())
    for small, large in (
        (np.zeros_like(world.fisher), fewer.fisher),
        (fewer.fisher, world.fisher),
        (world.fisher, world.score_fisher),
    ):
        assert np.linalg.eigvalsh(large - small).min() > -slack
    assert 0 <= world.bits <= world.belief_bits + 1e-9
    assert np.all(world.relevance > -1e-9) and np.all(world.relevance < 1 + 1e-9)
