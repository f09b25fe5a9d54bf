r"""How far are two known laws on the same cells from each other?

.. math:: \mathrm{TV} = \tfrac12 \sum_W |P_1(W) - P_0(W)|, \quad
    \mathrm{TV}^* = \tfrac12 \sum_i |p^1_{(i)} - p^0_{(i)}|, \quad
    H = -\sum_W P(W) \log_2 P(W)

with the probabilities of each law in order: :math:`\mathrm{TV}^*` is the least total variation
over all ways to relabel the cells. Nothing is estimated here, and nothing has an error.
"""

import numpy as np
from scipy.special import xlogy

__all__ = ["entropy_bits", "pooled", "rearranged_variation", "variation_distance"]


def variation_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Total variation of laws, last axis = cells; 0 to 1.

    Examples
    --------
    >>> float(variation_distance(np.array([0.1, 0.9]), np.array([0.9, 0.1])))
    0.8
    """
    return np.asarray(np.clip(abs(first - second).sum(-1) / 2, 0.0, 1.0))


def rearranged_variation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Least total variation over all ways to relabel cells, last axis = cells; 0 to 1.

    Examples
    --------
    >>> float(rearranged_variation(np.array([0.1, 0.9]), np.array([0.9, 0.1])))
    0.0
    """
    return variation_distance(np.sort(first, -1), np.sort(second, -1))


def entropy_bits(law: np.ndarray) -> np.ndarray:
    """Entropy of laws in bits, last axis = cells; at least 0.

    Examples
    --------
    >>> float(entropy_bits(np.array([0.25, 0.5, 0.25, 0.0])))
    1.5
    """
    return np.asarray(-xlogy(law, law).sum(-1) / np.log(2) + 0.0)


def pooled(values: np.ndarray, laws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Make one cell of all cells with the same values.

    Parameters
    ----------
    values
        (cell, number).
    laws
        Probabilities (..., cell).

    Returns
    -------
    tuple of np.ndarray
        Distinct values in order, and the probabilities of each.

    Examples
    --------
    >>> rows, law = pooled(np.array([[1.0], [0.0], [1.0]]), np.array([0.25, 0.5, 0.25]))
    >>> rows.ravel().tolist(), law.tolist()
    ([0.0, 1.0], [0.5, 0.5])
    """
    rows, place = np.unique(values, axis=0, return_inverse=True)
    if len(rows) == len(values):
        return rows, laws[..., np.argsort(place.ravel())]
    found = np.zeros((*laws.shape[:-1], len(rows)))
    for at in np.ndindex(laws.shape[:-1]):
        found[at] = np.bincount(place.ravel(), laws[at], minlength=len(rows))
    return rows, found
