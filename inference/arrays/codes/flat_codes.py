r"""How many bits describe the cells of draws, when no cell is nearer to one than to another?

The normalised maximum likelihood code, of which no code is better at its worst,

.. math:: L(x) = -\log_2 \max_\theta P_\theta(x) + \log_2 C(m, n)

for n draws in m cells, where log₂ C is the price of not knowing the law, whatever it is. The law
itself is worth as many bits: a finer one could not be told from its neighbours by n draws.

All lengths are of sequences, in bits, and what an arithmetic coder rounds up (below 2 bits) is not
counted. Fractional counts, of draws that resemble their neighbours, have lengths by the same
formulas; there is then no sequence, and no code.
"""

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError, refuse_counts
from inference.arrays.codes.code import Code, nonnegative, same_shape

__all__ = [
    "SAME_BITS",
    "dirichlet_bits",
    "flat_code",
    "flat_code_given",
    "multinomial_bits",
    "nml_regret",
]

SAME_BITS = 1.0
"""Bits that say that a law is as in the known world."""


def flat_code(counts: np.ndarray) -> Code:
    """How many bits describe draws, and their law, to a decoder who knows the cells alone?

    Parameters
    ----------
    counts
        Shape (..., cell).

    Returns
    -------
    Code
        ``bits`` are :func:`multinomial_bits` + :func:`nml_regret`, which are ``model_bits``;
        ``probabilities`` have half a draw more in every cell, and ``start`` is uniform.

    Raises
    ------
    CounterfactualError
        If a count is negative or not finite, or there is no cell.

    References
    ----------
    Shtarkov (1987), "Universal sequential coding of single messages", *Problems of Information
    Transmission* 23.

    Examples
    --------
    >>> code = flat_code(np.array([7, 3]))
    >>> code.bits.round(6), code.model_bits.round(6), code.probabilities.round(4)
    (np.float64(11.033306), np.float64(2.220397), array([0.6818, 0.3182]))
    """
    counts = nonnegative(counts, "counts")
    regret = nml_regret(counts.shape[-1], counts.sum(axis=-1))
    start = np.full(counts.shape, 1 / counts.shape[-1])
    return Code(multinomial_bits(counts) + regret, regret, _smoothed(counts), start)


def flat_code_given(counts: np.ndarray, known: np.ndarray) -> Code:
    r"""How many bits describe draws, and their law, to a decoder who knows another world's draws?

    .. math:: 2^{-L(x \mid y)} = \tfrac12 \mathrm{KT}(x \mid y) + \tfrac12 \mathrm{NML}(x)

    half for the law of the known world, learned from its draws and then from these
    (:func:`dirichlet_bits` with known + 1/2 for a prior), and half for a new law. Over all
    sequences the right side adds up to 1, so this is a code, and at most 1 bit worse than
    :func:`flat_code`.

    Parameters
    ----------
    counts, known
        Of the draws to describe and of the known ones, shape (..., cell).

    Returns
    -------
    Code
        ``model_bits`` of the likelier half: 1 where it is the same law, 1 + the regret where it is
        a new one; ``probabilities`` are then ``start``, the known world's own, or the new ones.

    Raises
    ------
    CounterfactualError
        If a count is negative or not finite, or the shapes differ.

    Examples
    --------
    >>> known = np.array([70, 30])
    >>> flat_code_given(np.array([7, 3]), known).model_bits.item()
    1.0
    >>> round(flat_code_given(np.array([3, 70]), known).model_bits.item(), 6)  # 1 + log2 C(2, 73)
    4.509292
    """
    counts, known = nonnegative(counts, "counts"), nonnegative(known, "known counts")
    same_shape(counts, known, "known counts")
    fresh = flat_code(counts)
    same, start = dirichlet_bits(counts, known + 0.5), _smoothed(known)
    new = fresh.bits < same
    return Code(
        1 - np.logaddexp2(-same, -fresh.bits),
        1 + np.where(new, fresh.model_bits, 0.0),
        np.where(new[..., None], fresh.probabilities, start),
        start,
    )


def nml_regret(cells: int, draws: np.ndarray | float) -> np.ndarray:
    r"""How many bits does it cost, at worst and in the best code, not to know the law of cells?

    .. math:: C(k + 2, n) = C(k + 1, n) + \frac nk C(k, n), \quad C(1, n) = 1, \quad
              C(2, n) = 1 + \frac{n!\, e^n}{n^n} Q(n, n)

    with Q the regularised upper incomplete gamma function (Ramanujan's Q is the second summand).
    Ratios of neighbouring C are added up as logarithms: exact to 1e-8 bits for 1e6 draws in 1000
    cells, and defined for fractions of draws.

    Parameters
    ----------
    cells
        m, at least 1.
    draws
        n, at least 0; any shape.

    Returns
    -------
    np.ndarray
        log₂ C(m, n), shape of `draws`: from 0 for no draw, growing in both.

    Raises
    ------
    CounterfactualError
        If there is no cell, or a number of draws is negative or not finite.

    References
    ----------
    Kontkanen and Myllymäki (2007), "A linear-time algorithm for computing the multinomial
    stochastic complexity", *Information Processing Letters* 103.

    Examples
    --------
    >>> nml_regret(4, np.array([0, 1, 100])).round(6)  # nothing, which cell, and nearly a law
    array([0.      , 2.      , 9.595645])
    """
    refuse_counts(1, cells=cells)
    draws = nonnegative(draws, "draws", least=0)
    n = np.where(draws > 0, draws, 1.0)
    ratio = 1 + np.exp(special.gammaln(n + 1) - special.xlogy(n, n) + n) * special.gammaincc(n, n)
    regret = np.zeros(n.shape)
    for k in range(1, int(cells)):
        regret += np.log2(ratio)
        ratio = 1 + n / (k * ratio)
    return np.where(draws > 0, regret, 0.0)


def multinomial_bits(counts: np.ndarray) -> np.ndarray:
    r"""How many bits would draws take, were the likeliest law for them known?

    .. math:: -\sum_c n_c \log_2 \frac{n_c}{n}

    Parameters
    ----------
    counts
        Shape (..., cell).

    Returns
    -------
    np.ndarray
        Bits, from 0 to n log₂(cells): what every code that has to learn the law exceeds.

    Raises
    ------
    CounterfactualError
        If a count is negative or not finite, or there is no cell.

    Examples
    --------
    >>> multinomial_bits(np.array([7, 3])).round(6)
    np.float64(8.812909)
    """
    counts = nonnegative(counts, "counts")
    total = counts.sum(axis=-1)
    nats = special.xlogy(total, total) - special.xlogy(counts, counts).sum(axis=-1)
    return np.maximum(nats, 0.0) / np.log(2)


def dirichlet_bits(counts: np.ndarray, prior: np.ndarray | float = 0.5) -> np.ndarray:
    r"""How many bits do draws take in a code that learns the law from those before?

    .. math:: \log_2 \frac{\Gamma(n + A)}{\Gamma(A)} \prod_c \frac{\Gamma(a_c)}{\Gamma(n_c + a_c)},
              \qquad A = \sum_c a_c

    Parameters
    ----------
    counts
        Shape (..., cell).
    prior
        a, imagined draws of each cell, more than 0: 1/2 is Krichevsky's and Trofimov's, and
        y + 1/2 is what has been learned from counts y. Broadcast against the counts.

    Returns
    -------
    np.ndarray
        Bits, at least 0. :func:`inference.arrays.delegation.code_lengths.adaptive_bits` is the
        same for a text.

    Raises
    ------
    CounterfactualError
        If a count is negative or not finite, or a prior is not more than 0.

    Examples
    --------
    >>> dirichlet_bits(np.array([7, 3])).round(6)
    np.float64(10.840129)
    """
    counts = nonnegative(counts, "counts")
    prior = nonnegative(prior, "prior", least=0)
    if (prior == 0).any():
        raise CounterfactualError("got a prior of 0; expected more than 0 in every cell.")
    counts, prior = np.broadcast_arrays(counts, prior)
    total, base = counts.sum(axis=-1), prior.sum(axis=-1)
    nats = special.gammaln(total + base) - special.gammaln(base)
    nats -= (special.gammaln(counts + prior) - special.gammaln(prior)).sum(axis=-1)
    return np.maximum(nats, 0.0) / np.log(2)


def _smoothed(counts: np.ndarray) -> np.ndarray:
    """Add half a draw to every cell, and divide by the sum."""
    return (counts + 0.5) / (counts.sum(axis=-1, keepdims=True) + counts.shape[-1] / 2)
