r"""Which cumulants do the draws have, without bias?

.. math:: k_r = \sum_{\text{set partitions of } r} (-1)^{b-1} (b-1)! \;
    \frac{1}{n (n-1) \cdots (n-b+1)}
    \sum_{t_1 \ne \dots \ne t_b} z_{t_1}^{a_1} \cdots z_{t_b}^{a_b}

where a partition has b parts of sizes a. A cumulant is that sum over products of moments; a mean
over distinct draws estimates such a product without bias, and is made of sums of powers by
inclusion and exclusion. The sums are first moved to their own mean, which changes no cumulant but
the first and leaves the fewest terms.

What is computed from sums whose location lies m deviations away loses m^r units of rounding in
cumulant r. Numbers that would be left with rounding alone are not given.
"""

from collections import Counter
from functools import cache
from math import comb, factorial

import numpy as np

from inference.arrays.shape.jackknife import Estimate

__all__ = ["CUMULANTS", "cumulant_descriptors", "k_statistics"]

CUMULANTS = ("mean", "spread", "skewness", "kurtosis", "fifth", "sixth")
CONSTANT = 1e-13
"""Share of the mean square that a variance may have by rounding alone."""
EPSILON = np.finfo(float).eps
BLURRED = 1e-3
"""Rounding of a standardised cumulant with which it is no longer given."""
AT_ONCE = 2**19

Parts = tuple[int, ...]


def k_statistics(sums: np.ndarray) -> np.ndarray:
    r"""Estimate the cumulants without bias, to the order of the sums.

    Parameters
    ----------
    sums
        Sums of powers, the number of draws first, shape (..., order + 1, measurement); of
        :func:`~inference.arrays.shape.power_sums.power_sums`, or added up from these.

    Returns
    -------
    np.ndarray
        k_1 ... k_order, shape (..., order, measurement); k_r has the unit of z^r, its mean over
        all samples of independent draws is the r-th cumulant, and it may have either sign. NaN
        where there are fewer than r draws, or sums beyond double precision.

    References
    ----------
    R. A. Fisher (1930), "Moments and product moments of sampling distributions", *Proceedings of
    the London Mathematical Society* 30. M. G. Kendall and A. Stuart, *The Advanced Theory of
    Statistics*, vol. 1, chapter 12.

    Examples
    --------
    >>> draws = np.array([1.0, 2.0, 3.0, 6.0])
    >>> sums = np.array([[(draws**power).sum()] for power in range(4)])
    >>> k_statistics(sums).ravel()  # the mean, the variance with n - 1, the third
    array([ 3.        ,  4.66666667, 12.        ])
    """
    sums = np.asarray(sums, dtype=float)
    order, number = sums.shape[-2] - 1, sums[..., 0, :]
    found = np.empty((*sums.shape[:-2], order, sums.shape[-1]))
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        found[..., 0, :] = sums[..., 1, :] / number
        central = _about(sums, found[..., 0, :])
        falling = [np.ones_like(number)]
        for drawn in range(order):
            falling.append(falling[-1] * (number - drawn))
        for rank in range(2, order + 1):
            into = found[..., rank - 1, :]
            into[...] = 0.0
            for parts, weights in _central_formula(rank).items():
                factor = sum(weight / falling[drawn] for drawn, weight in weights)
                for part in parts:
                    factor = factor * central[..., part, :]
                into += factor
            into[(number < rank) | ~np.isfinite(into)] = np.nan
    return found


def cumulant_descriptors(
    sums: np.ndarray, *, offset: np.ndarray | float = 0.0
) -> dict[str, Estimate]:
    r"""Describe a law by its cumulants: where it is, how wide, how skewed, how heavy its tails.

    * ``mean`` = k_1 and ``spread`` = √k_2, in the unit of the sums;
    * ``skewness`` = k_3/k_2^{3/2}, ``kurtosis`` = k_4/k_2² (0 for a normal law), ``fifth`` =
      k_5/k_2^{5/2}, ``sixth`` = k_6/k_2³, without unit; as far as the order of the sums goes.

    Parameters
    ----------
    sums
        Sums of powers of every block, shape (block, order + 1, measurement), from
        :func:`~inference.arrays.shape.power_sums.power_sums`.
    offset
        What to add to the mean, one for all or of shape (measurement,): if the sums were taken
        about this world's own location to keep all digits, (its location - the erased
        location)/scale.

    Returns
    -------
    dict of str to tuple of np.ndarray
        Each of all draws, shape (measurement,), and of all but those of one block, shape (block,
        measurement). A spread that is nothing but rounding is 0, and the cumulants above it are
        NaN. So are those with a rounding error of .001 or more, of sums taken about a place 60
        (sixth), 170 (fifth), 700 (kurtosis) or 8000 (skewness) of this world's deviations away:
        see `offset`. So is all that has fewer draws than its order, or sums that left double
        precision.

    Examples
    --------
    >>> from inference.arrays.shape.power_sums import power_sums
    >>> draws = np.random.default_rng(0).exponential(size=(1, 100_000))
    >>> sums = power_sums(draws, np.arange(0, 100_001, 5000), location=1.0, scale=1.0)
    >>> found = cumulant_descriptors(sums)
    >>> [round(found[name][0].item(), 1) for name in ("spread", "skewness")]
    [1.0, 2.0]
    """
    blocks, powers, measurements = sums.shape
    names = CUMULANTS[: powers - 1]
    found = {name: (np.empty(measurements), np.empty((blocks, measurements))) for name in names}
    step = max(1, AT_ONCE // (blocks * powers))
    moved = np.broadcast_to(np.asarray(offset, dtype=float), (measurements,))
    for start in range(0, measurements, step):
        part = slice(start, start + step)
        described = _standardised(_with_and_without(sums[..., part]))
        for rank, name in enumerate(names):
            whole, without = found[name]
            whole[part], without[:, part] = described[0, rank], described[1:, rank]
    whole, without = found["mean"]
    return found | {"mean": (whole + moved, without + moved)}


def _with_and_without(sums: np.ndarray) -> np.ndarray:
    """Add up all blocks, and all but each; by sums before and after it, as one may dwarf all."""
    before = np.cumsum(sums, axis=0)
    after = np.cumsum(sums[::-1], axis=0)[::-1]
    found = np.empty((len(sums) + 1, *sums.shape[1:]))
    found[0] = before[-1]
    found[1] = after[1] if len(sums) > 1 else 0.0
    np.add(before[:-2], after[2:], out=found[2:-1])
    found[-1] = before[-2] if len(sums) > 1 else 0.0
    return found


def _standardised(sums: np.ndarray) -> np.ndarray:
    """Mean, spread and standardised cumulants, (..., order, measurement)."""
    found = k_statistics(sums)
    if found.shape[-2] == 1:
        return found
    number, mean = sums[..., 0, :], found[..., 0, :]
    variance = found[..., 1, :].copy()
    with np.errstate(all="ignore"):
        still = variance <= CONSTANT * sums[..., 2, :] / number
        variance[still] = 0.0
        spread = found[..., 1, :]
        np.sqrt(variance, out=spread)
        rounding = _about(np.abs(sums), -np.abs(mean)) * (EPSILON / number)[..., None, :]
        for rank in range(3, found.shape[-2] + 1):
            into, unit = found[..., rank - 1, :], spread**rank
            into /= unit
            into[still | ~(rounding[..., rank, :] < BLURRED * unit) | ~np.isfinite(into)] = np.nan
    return found


def _about(sums: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Move sums of powers to another place: about it instead of about zero."""
    found = np.empty_like(sums)
    for rank in range(sums.shape[-2]):
        into = found[..., rank, :]
        into[...] = sums[..., 0, :]
        for lower in range(1, rank + 1):
            into *= -place
            into += comb(rank, lower) * sums[..., lower, :]
    return found


@cache
def _central_formula(order: int) -> dict[Parts, tuple[tuple[int, int], ...]]:
    """Products of central sums that make up k_r, each with its weights {distinct draws: weight}.

    The weight is to be divided by n(n-1)...(n-b+1) for b distinct draws.
    """
    found: dict[Parts, Counter[int]] = {}
    for parts, ways in _partitions(order).items():
        drawn = len(parts)
        sign = (-1) ** (drawn - 1) * factorial(drawn - 1)
        for product, weight in _over_distinct(parts).items():
            if 1 not in product:
                found.setdefault(product, Counter())[drawn] += sign * ways * weight
    return {product: tuple(weights.items()) for product, weights in found.items()}


def _partitions(order: int) -> dict[Parts, int]:
    """Sizes of the parts of the set partitions of so many things, and how many have these."""
    found: Counter[Parts] = Counter({(1,): 1})
    for _ in range(order - 1):
        grown: Counter[Parts] = Counter()
        for parts, ways in found.items():
            grown[tuple(sorted((*parts, 1)))] += ways
            for place, part in enumerate(parts):
                joined = (*parts[:place], part + 1, *parts[place + 1 :])
                grown[tuple(sorted(joined))] += ways
        found = grown
    return dict(found)


@cache
def _over_distinct(parts: Parts) -> dict[Parts, int]:
    """Sum over distinct draws of a product of powers, in products of sums of powers.

    The last draw runs over all, less the cases in which it is one of the others.
    """
    if len(parts) == 1:
        return {parts: 1}
    *rest, last = parts
    found: Counter[Parts] = Counter()
    for product, weight in _over_distinct(tuple(rest)).items():
        found[tuple(sorted((*product, last)))] += weight
    for place, part in enumerate(rest):
        joined = tuple(sorted((*rest[:place], part + last, *rest[place + 1 :])))
        for product, weight in _over_distinct(joined).items():
            found[product] -= weight
    return dict(found)
