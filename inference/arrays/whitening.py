r"""In which units are many outputs alike: uncorrelated, of variance one, none said twice?

.. math:: V = U \Lambda U^\top, \qquad W = \Lambda^{-1/2} U^\top, \qquad
          \lVert W J \rVert^2 = J^\top V^+ J

The squared length of a whitened slope is the Fisher information that a linear reading of the
outputs has about the datum: what could be learnt of it from one look at the future.

Draws that estimate V have their noise in it, and divide slopes by it. To first order in that noise
the slopes of world X come out as

.. math:: \hat J_X = \frac{J_X - c_X J_0 - d_X J_0^{past}}{\sqrt{1 - r}}

with X = 0 the world whose V it is, c the noise that an output of X and the same of X = 0 share in
one row, summed over outputs, over the number of rows, and d what they share between rows: futures
of one draw, neighbours in a chain. Of o outputs and n independent rows, c_0 = r = o/n and d = 0:
squared slopes of that world would be 1 - o/n of the truth, those of a world with noise of its own
1/(1 - o/n) of it, and those of a world that shares some lie between.
"""

import numpy as np

__all__ = ["unbiased", "whitener"]

NOTHING = 1e-8
"""Share of the largest eigenvalue (of the correlations) that is put down to rounding."""
MOST = 0.5
"""Largest share that is given back: where it is more, the draws are too few to tell."""


def whitener(covariance: np.ndarray) -> np.ndarray:
    """Find the matrix that whitens outputs of this covariance.

    Outputs that say what others have said already (the last of some cells that add up to one)
    and constants take no room.

    Parameters
    ----------
    covariance
        Shape (output, output).

    Returns
    -------
    np.ndarray
        Shape (rank, output).

    Examples
    --------
    >>> covariance = np.array([[4.0, 4.0, 0.0], [4.0, 4.0, 0.0], [0.0, 0.0, 0.0]])
    >>> white = whitener(covariance)
    >>> white.shape, (white @ covariance @ white.T).round(9).tolist()
    ((1, 3), [[1.0]])
    """
    sd = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    weights = np.where(sd > 0, 1 / np.where(sd > 0, sd, 1.0), 0.0)
    size, axes = np.linalg.eigh(covariance * weights[:, None] * weights)
    kept = size > NOTHING * max(size[-1], 0.0) if len(size) else np.zeros(0, dtype=bool)
    kept &= size > 0
    found: np.ndarray = (axes[:, kept] / np.sqrt(size[kept])).T * weights
    return found


def unbiased(
    outputs: np.ndarray,
    erased: np.ndarray,
    bounds: np.ndarray,
    *,
    futures: int = 1,
    direct: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Give outputs what their slopes have lost for being whitened by the draws they come from.

    Parameters
    ----------
    outputs, erased
        Of a world, and of the one whose covariance has whitened both, (output, row).
    bounds
        Blocks of rows, from :func:`~.blocks.block_bounds`.
    futures
        Rows that are futures of one draw, one after the other.
    direct
        Whitened derivatives of the outputs' own, of any shape. Their noise is not in the
        covariance: it has only made them longer.

    Returns
    -------
    tuple
        Outputs, (output, row), the same as those of the erased world if they were; and `direct`.

    Examples
    --------
    >>> white = np.random.default_rng(0).normal(size=(100, 2000))
    >>> found, _ = unbiased(white, white, np.arange(0, 2001, 100))
    >>> bool(np.allclose(found, white / 0.95**0.5, rtol=0.02))
    True
    """
    first = erased - erased.mean(axis=1, keepdims=True)
    apart = outputs - outputs.mean(axis=1, keepdims=True) - first
    row, whole = _shared(first, first, bounds, futures)
    held = MOST / max(row, whole, MOST)
    row, whole = held * row, held * whole
    more_row, more = (held * found for found in _shared(apart, first, bounds, futures))
    past = _siblings(erased, futures) / (1 - whole)
    whitened = (erased + (whole - row) * past) / (1 - row)
    found: np.ndarray = (1 + more_row) * whitened + (more - more_row) * past
    found += outputs - erased
    root = np.sqrt(1 - (row + whole) / 2)  # what rows share is shared by some directions only
    return root * found, None if direct is None else root * direct


def _shared(
    first: np.ndarray, second: np.ndarray, bounds: np.ndarray, futures: int
) -> tuple[float, float]:
    """Sum the noise that two worlds share in single rows, and in all: c, and c + d."""
    rows, blocks = first.shape[1], len(bounds) - 1
    draws, chunks = (
        [np.add.reduceat(each, starts, axis=1) for each in (first, second)]
        for starts in (np.arange(0, rows, futures), bounds[:-1])
    )
    row, draw, block = (float(np.vdot(*pair)) for pair in ((first, second), draws, chunks))
    # Neighbours in a chain: both the noise and the slopes fade with their distance.
    whole = (draw + block * blocks / (blocks - 1)) / 2
    return row / rows**2, whole / rows**2


def _siblings(rows: np.ndarray, futures: int) -> np.ndarray:
    """Average the other futures of each row's draw."""
    if futures == 1:
        return rows
    by_draw = rows.reshape(len(rows), -1, futures)
    others: np.ndarray = (by_draw.sum(axis=2, keepdims=True) - by_draw) / (futures - 1)
    return others.reshape(rows.shape)
