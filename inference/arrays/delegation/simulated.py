r"""Do tables and searches drawn at random reach the bits that the formulas promise?

The base optimizer is taken at its word: of 2^P random lookup tables over N instances it keeps the
one whose worst (or average) entry is best. In the worst instance that gives exactly

.. math:: E[-\log_2 \text{tail}] = \frac{H_{2^P}}{N \ln 2} \approx \frac{P}{N}

bits, H_n being the n-th harmonic number. A learned algorithm that searches draws 2^x candidates
and keeps the best: a Beta(1, 2^x) law of the tail, which inversion gives for any x.

Bits b of tuning mean one of two things, and which must be said:

* ``restricted``: candidates come from the best 2^-b of all; b bits are certain;
* ``best_of``: the candidates are the best of 2^b each; no bit is certain, and the mean tail is
  worse by up to a bit: by log2(1 + 2^-x) - log2(1 + 2^-(b + x)), 0.98 bits at b = 6 and x = 0.

Any measure that averages counts chance as well: without tuning or search the expected bits are
log2(e) = 1.4427 and the mean tail is worth 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError, nearest, refuse_counts
from inference.arrays.delegation.refusals import finite_numbers, numbers_at_least

__all__ = [
    "MeasuredBits",
    "SearchedBits",
    "best_table_tails",
    "expected_table_bits",
    "measured_bits",
    "searched_bits",
    "searched_tails",
]

_Convention = Literal["restricted", "best_of"]
_CHUNK = 2_000_000
_MOST_POWER = 24


@dataclass(frozen=True)
class SearchedBits:
    """What tuning and search are worth by three summaries, in bits.

    Attributes
    ----------
    expected
        Mean of -log2 of the tail.
    mean_tail
        -log2 of the mean tail.
    worst
        What is certain: no draw has less.
    """

    expected: np.ndarray
    mean_tail: np.ndarray
    worst: np.ndarray


@dataclass(frozen=True)
class MeasuredBits:
    """What draws were worth, in bits, each with its Monte Carlo error.

    Attributes
    ----------
    expected, expected_mcse
        Mean of -log2 of the tail over draws.
    mean_tail, mean_tail_mcse
        -log2 of the mean tail; its error by the delta method.
    """

    expected: np.ndarray
    expected_mcse: np.ndarray
    mean_tail: np.ndarray
    mean_tail_mcse: np.ndarray


def expected_table_bits(power: Any, instances: Any) -> Any:
    r"""How many bits does the best of 2^P random tables apply to its worst instance?

    .. math:: \frac{H_{2^P}}{N \ln 2}

    Parameters
    ----------
    power
        P, at least 0, any shape; whole or not.
    instances
        N, more than 0.

    Returns
    -------
    float or np.ndarray
        Expected bits; about P/N + 0.83/N where P is large, 1.4427/N (chance) at P = 0.

    Raises
    ------
    CounterfactualError
        If a number is out of its range.

    Examples
    --------
    >>> round(float(expected_table_bits(8, 4)), 9)
    2.208890527
    """
    (bits,) = numbers_at_least(0.0, power=power)
    (number,) = numbers_at_least(0.0, strict=True, instances=instances)
    return (_harmonic_bits(bits) / number)[()]


def best_table_tails(
    power: int,
    instances: int,
    repeats: int,
    *,
    seed: int = 0,
    criterion: Literal["average", "minimum"] = "minimum",
    performance: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """Draw 2^P random lookup tables, keep the best, and say how good its entries are.

    Parameters
    ----------
    power
        P, a whole number from 0 to 24.
    instances
        N, entries of a table, at least 1.
    repeats
        How many base optimizers.
    seed
        The same seed gives the same tables.
    criterion
        Whether the ``minimum`` or the ``average`` performance over instances is maximised.
    performance
        Of the tail of an entry, falling, elementwise: called with tails (table, instance), and
        gives as many numbers. None for 1 - tail. The ``minimum`` does not depend on it and does
        not call it.

    Returns
    -------
    np.ndarray
        Tails in (0, 1], shape (repeat, instance): how likely a random action is as good.

    Raises
    ------
    CounterfactualError
        If a count or the criterion is out of its range, or the performance is none.

    Examples
    --------
    >>> tails = best_table_tails(8, 4, 500)
    >>> bits = -np.log2(tails.max(axis=1))
    >>> bool(abs(bits.mean() - 2.2089) < 4 * bits.std() / np.sqrt(500))
    True
    """
    refuse_counts(0, power=power)
    refuse_counts(1, instances=instances, repeats=repeats)
    if power > _MOST_POWER:
        raise CounterfactualError(
            f"got power={power}; expected at most {_MOST_POWER}: 2^power tables are drawn. "
            "Use expected_table_bits for more."
        )
    if criterion not in ("average", "minimum"):
        said = nearest(str(criterion), ["average", "minimum"])
        raise CounterfactualError(f"got criterion={criterion!r}. {said}")
    rng = np.random.default_rng(seed)
    best, kept = np.full(repeats, -np.inf), np.ones((repeats, instances))
    tables = 2 ** int(power)
    at_once = max(1, _CHUNK // instances)
    for repeat in range(repeats):
        for first in range(0, tables, at_once):
            tails = 1.0 - rng.random((min(at_once, tables - first), instances))
            if criterion == "minimum":
                scores = -tails.max(axis=1)
            else:
                level = 1 - tails if performance is None else performance(tails)
                scores = _same_shape(finite_numbers("performance", level), tails).mean(axis=1)
            top = int(np.argmax(scores))
            if scores[top] > best[repeat]:
                best[repeat], kept[repeat] = scores[top], tails[top]
    return kept


def searched_tails(
    tuned: Any,
    searched: Any,
    draws: int,
    *,
    seed: int = 0,
    convention: _Convention = "restricted",
) -> np.ndarray:
    r"""How good are actions found by a search of x bits in an instance tuned by b bits?

    .. math:: 2^{-b}\,\bigl(1 - U^{1/2^x}\bigr) \quad\text{or}\quad 1 - U^{1/2^{b + x}}

    Parameters
    ----------
    tuned
        b, at least 0, any shape.
    searched
        x, at least 0, need not be whole: 2^x candidates, by inversion of Beta(1, 2^x).
    draws
        Independent draws of each.
    seed
        The same seed gives the same draws, and the same U whatever b and x.
    convention
        What tuning means: ``restricted`` or ``best_of``, as this module's first lines say.

    Returns
    -------
    np.ndarray
        Tails in [0, 1], shape (..., draw); 0 where more than some 1070 bits underflow, which
        :func:`measured_bits` refuses. Use :func:`searched_bits` there.

    Raises
    ------
    CounterfactualError
        If a number or the convention is out of its range.

    Examples
    --------
    >>> tails = searched_tails(2.0, 4.0, 10_000)
    >>> bool(tails.max() <= 0.25), round(float(-np.log2(tails.mean())), 1)
    (True, 6.1)
    """
    refuse_counts(1, draws=draws)
    bits, more = _conventional(tuned, searched, convention)
    chance = np.log1p(-np.random.default_rng(seed).random(draws))
    with np.errstate(under="ignore"):
        found = -np.expm1(chance * np.exp2(-more)[..., None])
        return np.exp2(-bits)[..., None] * found


def searched_bits(
    tuned: Any, searched: Any, *, convention: _Convention = "restricted"
) -> SearchedBits:
    r"""Bits that b of tuning and x of search are worth, by each way to count.

    .. math:: b + \frac{H_{2^x}}{\ln 2}, \qquad b + \log_2(2^x + 1), \qquad b

    for ``restricted``; for ``best_of`` the same with 0 for b and b + x for x.

    Parameters
    ----------
    tuned, searched
        b and x, at least 0, any shapes that broadcast.
    convention
        What tuning means: ``restricted`` or ``best_of``.

    Returns
    -------
    SearchedBits
        Exact, shaped as the numbers together.

    Raises
    ------
    CounterfactualError
        If a number or the convention is out of its range.

    Examples
    --------
    >>> found = searched_bits(2.0, 4.0)
    >>> round(float(found.expected), 6), round(float(found.mean_tail), 6), float(found.worst)
    (6.877361, 6.087463, 2.0)
    """
    bits, more = _conventional(tuned, searched, convention)
    with np.errstate(under="ignore"):
        beyond = more + np.log1p(np.exp2(-more)) / np.log(2)
    return SearchedBits((bits + _harmonic_bits(more))[()], (bits + beyond)[()], bits[()])


def measured_bits(tails: Any) -> MeasuredBits:
    """How many bits were applied, by independent draws of the tail, and how surely?

    Parameters
    ----------
    tails
        How likely chance does as well, in (0, 1], shape (..., draw); at least two draws.

    Returns
    -------
    MeasuredBits
        Shape (...). Chance itself shows 1.4427 expected bits and a mean tail of 1 bit.

    Raises
    ------
    CounterfactualError
        If there are fewer than two draws, or a tail is not in (0, 1].

    Examples
    --------
    >>> found = measured_bits([0.25, 0.125])
    >>> float(found.expected), round(float(found.mean_tail), 4)
    (2.5, 2.415)
    """
    (chances,) = numbers_at_least(0.0, strict=True, tails=tails)
    if chances.ndim == 0 or chances.shape[-1] < 2:
        raise CounterfactualError(
            f"got tails of shape {chances.shape}; expected at least two draws on the last axis."
        )
    if chances.size and chances.max() > 1:
        raise CounterfactualError(f"got tails={chances.max():g}; expected probabilities up to 1.")
    bits, root = -np.log2(chances), np.sqrt(chances.shape[-1])
    # Squares of tails below 1e-162 underflow: errors are taken of shares of the largest tail.
    shares = chances / chances.max(axis=-1, keepdims=True)
    mean = chances.mean(axis=-1)
    return MeasuredBits(
        bits.mean(axis=-1),
        bits.std(axis=-1, ddof=1) / root,
        -np.log2(mean),
        shares.std(axis=-1, ddof=1) / root / shares.mean(axis=-1) / np.log(2),
    )


def _same_shape(performance: np.ndarray, tails: np.ndarray) -> np.ndarray:
    if performance.shape != tails.shape:
        raise CounterfactualError(
            f"got performance of shape {performance.shape} for tails of shape {tails.shape}; "
            "expected a number for each."
        )
    return performance


def _conventional(tuned: Any, searched: Any, convention: str) -> tuple[np.ndarray, np.ndarray]:
    """Bits that are certain, and bits by the best of so many; of the same shape."""
    bits, more = np.broadcast_arrays(*numbers_at_least(0.0, tuned=tuned, searched=searched))
    if convention not in ("restricted", "best_of"):
        said = nearest(str(convention), ["restricted", "best_of"])
        raise CounterfactualError(f"got convention={convention!r}. {said}")
    return (bits, more) if convention == "restricted" else (np.zeros(bits.shape), bits + more)


def _harmonic_bits(bits: np.ndarray) -> np.ndarray:
    """Return the harmonic number of 2^bits, in bits: H/ln 2."""
    capped = np.minimum(bits, 60.0)
    nats = special.digamma(np.exp2(capped) + 1) + np.euler_gamma
    # Beyond 2^60 the harmonic number is a logarithm and Euler's constant to the last digit.
    return nats / np.log(2) + (bits - capped)
