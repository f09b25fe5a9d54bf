r"""What is true of the shape of a law? Closed forms, and quadrature where there is none.

Densities are functions of an array of places; `low` and `high` are where nothing is left of them.
"""

from math import comb, factorial, log, pi, sqrt

import numpy as np
from scipy import special
from scipy.stats import chi2, norm

__all__ = [
    "NORMAL_L_KURTOSIS",
    "bernoulli_cumulants",
    "cumulants_from_moments",
    "l_moments",
    "mixture_cumulants",
    "mixture_density",
    "mixture_tv",
    "normal_entropy",
    "parts_are_two_peaks",
    "rearranged_far_apart",
    "rearranged_tv",
    "scale_tv",
    "shift_tv",
    "surprisal_cumulants",
    "tv",
]

NORMAL_L_KURTOSIS = 30 / pi * np.arctan(sqrt(2)) - 9
"""L-scale of N(0, 1) is 1 / sqrt(pi), its L-skewness 0."""


def shift_tv(distance):
    """Total variation of normals whose means are so many sds apart.

    >>> round(shift_tv(1), 6), round(shift_tv(0.2), 6)
    (0.382925, 0.079656)
    """
    return float(2 * norm.cdf(abs(distance) / 2) - 1)


def scale_tv(ratio, dimensions=1):
    """Total variation of N(0, I) and N(0, ratio^2 I); the rearranged one is the same.

    >>> round(scale_tv(2), 6), round(scale_tv(1.2, 10), 6), scale_tv(0), scale_tv(1)
    (0.322675, 0.311279, 1.0, 0.0)
    """
    if ratio in (0, 1):
        return float(ratio == 0)
    square = dimensions * log(ratio**2) / (1 - ratio**-2)
    inside = chi2.cdf([square, square / ratio**2], dimensions)
    return float(abs(inside[0] - inside[1]))


def rearranged_far_apart(parts):
    """Rearranged tv of N(0, 1) and as many equal copies of it, far apart: a scale in disguise."""
    return scale_tv(parts)


def tv(one, other, low, high, *, points=200_001):
    """Total variation of two densities; good to about 1e-9 where they are smooth.

    >>> round(tv(norm(1, 2).pdf, norm(0, 1).pdf, -20, 20), 6)
    0.390066
    """
    grid = np.linspace(low, high, points)
    return 0.5 * float(np.trapezoid(np.abs(one(grid) - other(grid)), grid))


def rearranged_tv(one, other, low, high, *, points=200_000):
    """Rearranged tv by sorting cells of equal width; errors are of the order of a cell.

    >>> from scipy.stats import expon
    >>> round(rearranged_tv(norm.pdf, expon.pdf, -40, 40, points=4_000_000), 5)
    0.2501
    """
    edges = np.linspace(low, high, points + 1)
    width = (high - low) / points
    middle = edges[:-1] + width / 2
    masses = [np.sort(density(middle)) * width for density in (one, other)]
    return 0.5 * float(np.abs(masses[0] - masses[1]).sum())


def mixture_density(means, sds, weights):
    """Density of a mixture of normals."""
    parts = [(w, norm(m, s).pdf) for m, s, w in zip(means, sds, weights, strict=True)]
    return lambda places: sum(w * pdf(places) for w, pdf in parts)


def mixture_tv(apart):
    """Total variation of N(0, 1) and an even mixture of N(-apart/2, 1) and N(apart/2, 1).

    The densities cross where cosh(h w) = exp(h^2 / 2), h = apart / 2.
    """
    h = apart / 2
    if h == 0:
        return 0.0
    cross = np.arccosh(np.exp(h**2 / 2)) / h
    return float(2 * norm.cdf(cross) - 1 - (norm.cdf(cross - h) - norm.cdf(-cross - h)))


def parts_are_two_peaks(apart, balance):
    """Whether (1-b) N(0, 1) + b N(apart, 1) has two peaks (Behboodian 1970)."""
    h = apart / 2
    if h <= 1:
        return False
    odds = abs(log(balance / (1 - balance)))
    return bool(odds < 2 * h * sqrt(h**2 - 1) - 2 * np.arccosh(h))


def cumulants_from_moments(moments):
    """Turn raw moments E[w^r], r = 1.., into cumulants: coefficients of log E[exp(t w)].

    >>> cumulants_from_moments([1, 2, 6, 24, 120, 720]).tolist()  # of Exp(1)
    [1.0, 1.0, 2.0, 6.0, 24.0, 120.0]
    """
    series = np.array([1.0, *(m / factorial(r) for r, m in enumerate(moments, 1))])
    power, found = np.eye(len(series))[0], np.zeros(len(series))
    small = series.copy()
    small[0] = 0.0
    for k in range(1, len(series)):
        power = np.convolve(power, small)[: len(series)]
        found -= (-1) ** k / k * power
    return np.array([round(factorial(r) * found[r], 12) for r in range(1, len(series))])


def mixture_cumulants(means, sds, weights, order=6):
    """Cumulants of a mixture of normals, of order 1 up; the mean is taken off first.

    >>> mixture_cumulants([-1.0, 1.0], [0.0, 0.0], [0.5, 0.5]).tolist()
    [0.0, 1.0, 0.0, -2.0, 0.0, 16.0]
    """
    centre = float(np.dot(weights, means))
    normal = {k: factorial(k) / 2 ** (k // 2) / factorial(k // 2) for k in range(0, order + 1, 2)}
    moments = [
        sum(
            w * comb(r, k) * (m - centre) ** (r - k) * s**k * normal[k]
            for m, s, w in zip(means, sds, weights, strict=True)
            for k in range(0, r + 1, 2)
        )
        for r in range(1, order + 1)
    ]
    found = cumulants_from_moments(moments)
    found[0] = centre
    return found


def bernoulli_cumulants(chance, order=6):
    """Cumulants of an event: all its raw moments are its chance.

    >>> bernoulli_cumulants(0.3)[:4].tolist()
    [0.3, 0.21, 0.084, -0.0546]
    """
    return cumulants_from_moments([chance] * order)


def normal_entropy(sd=1.0):
    """Entropy of a normal law in nats; its varentropy is 1/2 and its surprisal skewness 2^1.5."""
    return 0.5 * log(2 * pi * np.e) + log(sd)


def surprisal_cumulants(density, low, high, *, points=200_001):
    """Entropy, varentropy and skewness of the surprisal of a density, in nats.

    >>> surprisal_cumulants(norm.pdf, -14, 14).round(6).tolist()
    [1.418939, 0.5, 2.828427]
    """
    grid = np.linspace(low, high, points)
    p = density(grid)
    surprisal = -np.log(np.where(p > 0, p, 1.0))
    entropy = np.trapezoid(p * surprisal, grid)
    second, third = (np.trapezoid(p * (surprisal - entropy) ** r, grid) for r in (2, 3))
    return np.array([entropy, second, third / second**1.5 if second > 1e-12 else np.nan])


def l_moments(quantile, order=4, *, nodes=2_000):
    r"""L-location, L-scale, L-skewness and L-kurtosis of a law given by its quantiles.

    .. math:: \lambda_r = \int_0^1 Q(u)\, P^*_{r-1}(u)\, du

    with shifted Legendre polynomials; `u` is spread as (1 - cos) so that tails are met.

    >>> l_moments(norm.ppf).round(6).tolist()
    [0.0, 0.56419, 0.0, 0.122602]
    """
    at, weight = np.polynomial.legendre.leggauss(nodes)
    angle = pi / 2 * (at + 1)
    u, weight = (1 - np.cos(angle)) / 2, weight * pi / 4 * np.sin(angle)
    values = quantile(u)
    found = np.array(
        [np.sum(weight * values * special.eval_sh_legendre(r, u)) for r in range(order)]
    )
    found[2:] /= found[1]
    return found + 0.0
