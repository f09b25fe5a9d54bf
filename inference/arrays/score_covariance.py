r"""By how much does the mean of an output move with each datum?

.. math:: \frac{d\,E[g]}{d e_j} = \mathrm{Cov}(g, s_j) + E[\partial_{e_j} g], \qquad
          s_j = \partial_{e_j} \log p(\mathrm{past}, e, \mathrm{future})

over the draws of one world: no refit, and all outputs by all data are one matrix product. The
product of centred output and centred score, averaged over a block of draws, is its word on the
slope. Blocks are centred by the means of *all* draws: centred by their own they would lose what
slow chains do between blocks (30 % of a squared slope at an autocorrelation of .9).

Squares of noisy slopes are never zero. Products of two different blocks are: every squared norm
here is taken over pairs of blocks (:mod:`~.slope_products`).

Outputs are (output, draw), the last axis = draws; scores are (draw, datum), as they are stored.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from inference.arrays.blocks import widening
from inference.arrays.slope_products import block_products, pair_error, pair_mean

__all__ = ["BLOCKS_FOR", "block_slopes", "data_chunks", "slopes", "squared_norms"]

BLOCKS_FOR = 200.0
"""Effective draws for which blocks are cut: twenty blocks, long enough for slow chains."""
AT_ONCE, HELD = 2**20, 2**22
"""Slopes or products worked on at once, and scores held in double precision: some megabytes."""


def slopes(
    outputs: np.ndarray,
    scores: np.ndarray,
    bounds: np.ndarray,
    *,
    direct: np.ndarray | None = None,
    effective: float = np.inf,
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate all slopes and their standard errors, in the time of their matrix product.

    Parameters
    ----------
    outputs
        Shape (output, draw).
    scores
        Shape (draw, datum).
    bounds
        Blocks of draws, from :func:`~.blocks.block_bounds`.
    direct
        Means over each block of the output's own derivative, shape (block, output, datum).
    effective
        Effective draws: where a block holds under ten, errors are wider.

    Returns
    -------
    tuple of np.ndarray
        Slopes and Monte Carlo standard errors, each (output, datum), in units of the output per
        unit of the datum.

    References
    ----------
    R. Giordano, T. Broderick, M. I. Jordan, "Covariances, robustness, and variational Bayes",
    JMLR 19 (2018), section 2.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(0.8, 0.2**0.5, size=20_000)  # z given e = 1: prior N(0,1), noise .25
    >>> slope, mcse = slopes(z[None], ((z - 1) / 0.25)[:, None], np.arange(0, 20_001, 1000))
    >>> bool(abs(slope - 0.8) < 4 * mcse)
    True
    """
    centred = _centred(outputs, axis=1)
    draws, lengths = outputs.shape[1], np.diff(bounds)
    blocks, mean_length, uneven = len(lengths), lengths.mean(), np.ptp(lengths) > 0
    estimate = np.empty((len(outputs), scores.shape[1]))
    error = np.empty_like(estimate)
    pairs = list(itertools.pairwise(bounds))
    for columns in data_chunks(len(outputs), outputs.shape[1], scores.shape[1]):
        own = _centred(scores[:, columns], axis=0)
        total, squares = estimate[:, columns], error[:, columns]
        total[...], squares[...] = 0.0, 0.0
        held = np.empty(total.shape)
        for number, (first, last) in enumerate(pairs):
            np.matmul(centred[:, first:last], own[first:last], out=held)
            if direct is not None:
                held += (last - first) * (1 - 1 / draws) * direct[number][:, columns]
            total += held
            held *= held
            if uneven:
                held *= mean_length / (last - first)
            squares += held
        squares -= total**2 / blocks
        total /= draws - 1
    share = blocks / (blocks - 1) / (draws - 1) ** 2
    np.sqrt(np.maximum(error, 0.0) * share, out=error)
    wider = float(widening(effective, blocks))
    return estimate, error * np.where(error > 0, wider, 1.0)  # a constant is known


def block_slopes(
    outputs: np.ndarray,
    scores: np.ndarray,
    bounds: np.ndarray,
    *,
    direct: np.ndarray | None = None,
) -> np.ndarray:
    """Each block's word on every slope; their mean is the estimate.

    Parameters
    ----------
    outputs, scores, bounds, direct
        As in :func:`slopes`.

    Returns
    -------
    np.ndarray
        Shape (block, output, datum).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> g, s = rng.normal(size=(3, 1000)), rng.normal(size=(1000, 2))
    >>> bounds = np.arange(0, 1001, 50)
    >>> np.allclose(block_slopes(g, s, bounds).mean(0), slopes(g, s, bounds)[0])
    True
    """
    centred, own = _centred(outputs, axis=1), _centred(scores, axis=0)
    found = np.empty((len(bounds) - 1, len(outputs), scores.shape[1]))
    for number, (first, last) in enumerate(itertools.pairwise(bounds)):
        np.matmul(centred[:, first:last], own[first:last], out=found[number])
    found *= (len(bounds) - 1) / (outputs.shape[1] - 1)
    return found if direct is None else found + direct


def squared_norms(
    blocks: np.ndarray, *, effective: float = np.inf
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Squared length of slopes over their first axes, from products of different blocks.

    .. math:: \frac{1}{B(B-1)} \sum_{b \ne c} \langle J_b, J_c \rangle

    Parameters
    ----------
    blocks
        Shape (block, component, ...).
    effective
        As in :func:`slopes`.

    Returns
    -------
    tuple of np.ndarray
        Unbiased estimate (which may be negative where the truth is zero), its standard error from
        :func:`~.slope_products.pair_error`, and the plug-in, which is too large by its noise;
        each of shape (...).

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(20, 500, 1))
    >>> estimate, mcse, plugin = squared_norms(noise)
    >>> bool(abs(estimate[0]) < 4 * mcse[0]), bool(plugin[0] > 20)
    (True, True)
    """
    count, shape = len(blocks), blocks.shape[2:]
    flat = blocks.reshape(*blocks.shape[:2], -1)
    wider = float(widening(effective, count))
    found = np.empty((3, flat.shape[2]))
    step = max(1, AT_ONCE // (count * max(count, flat.shape[1])))
    for start in range(0, flat.shape[2], step):
        part = slice(start, start + step)
        products = block_products(flat[..., part])
        found[0, part], without = pair_mean(products)
        found[1, part] = pair_error(products, without, wider=wider)
        found[2, part] = products.sum(axis=(1, 2)) / count**2
    estimate, error, plugin = found.reshape(3, *shape)
    return estimate, error, plugin


def data_chunks(outputs: int, draws: int, data: int) -> Iterator[slice]:
    """Cut the data so that neither their slopes nor their scores fill the memory.

    Examples
    --------
    >>> list(data_chunks(1, 2**21, 5))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    step = max(1, min(AT_ONCE // max(1, outputs), HELD // draws))
    for start in range(0, data, step):
        yield slice(start, start + step)


def _centred(values: np.ndarray, *, axis: int) -> np.ndarray:
    """Take the mean away, in double precision."""
    wide = np.asarray(values, dtype=np.float64)
    return wide - wide.mean(axis=axis, keepdims=True)
