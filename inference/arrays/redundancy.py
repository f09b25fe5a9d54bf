r"""Which data are important and not explained by the others?

.. math:: r_j = F_{jj} - F_{j,-j} (F_{-j,-j} + \Lambda)^{-1} F_{-j,j}, \qquad F = J^\top J

A thousand lolcats all say the same: of identical ones the first is important, and the rest are
nothing beside it. Two answers:

* the pivoted Cholesky decomposition of F takes the most important datum, then the one that is most
  important given the first, until nothing that is left stands out of the noise;
* the ridge residual is what no other datum explains: of two that say the same, neither is needed.

Noise is the trap: F has the rank of the outputs, so a few columns of noise explain everything,
and residuals of noise are never zero. Hence Λ, sixteen times the noise of each column; only
columns that stand out of the noise explain others; and what noise adds is taken away.

All is done with the columns of J, (output, datum), scaled as the user wants them compared: no
matrix of data by data is made.
"""

import numpy as np
from scipy import special

__all__ = ["MOST_PICKS", "above_floor", "partial_importance", "pivoted_importance"]

MOST_PICKS = 50
RIDGE = 16.0
LEVEL = 0.05
"""Chance that one datum or more is taken although none matters."""
NOTHING, LEAST = 1e-12, 1e-6
AT_ONCE = 2**22


def above_floor(
    importance: np.ndarray, noise: np.ndarray, spread: np.ndarray, *, blocks: int
) -> np.ndarray:
    """Say which squared lengths stand out of their noise.

    Were a datum nothing, its squared length over the noise would be distributed as F, with as many
    degrees of freedom as outputs that vary, and blocks of draws as many times; the level is
    divided by the number of data.

    Parameters
    ----------
    importance
        Squared lengths with noise, (datum,).
    noise
        What noise adds to them, (datum,).
    spread
        Covariance of the outputs, (output, output).
    blocks
        From which the noise was estimated.

    Returns
    -------
    np.ndarray
        Boolean, (datum,).

    Examples
    --------
    >>> above_floor(np.array([1.2, 5.0]), np.ones(2), np.eye(10), blocks=20).tolist()
    [False, True]
    """
    square = np.square(spread).sum()
    freedom = np.trace(spread) ** 2 / square if square > 0 else 1.0
    level = 1 - LEVEL / len(importance)
    limit = special.fdtri(freedom, freedom * (blocks - 1), level)
    found: np.ndarray = (importance > limit * noise) & (importance > 0)
    return found


def pivoted_importance(
    slopes: np.ndarray,
    noise: np.ndarray,
    spread: np.ndarray,
    *,
    blocks: int,
    most: int = MOST_PICKS,
) -> tuple[np.ndarray, np.ndarray]:
    """Take one datum after the other, each the most important given those before.

    Parameters
    ----------
    slopes
        Of whitened outputs, (output, datum).
    noise
        What noise adds to each column's squared length, (datum,).
    spread
        Covariance of the outputs, (output, output): in which directions the noise is.
    blocks
        As in :func:`above_floor`.
    most
        Data taken at most.

    Returns
    -------
    tuple of np.ndarray
        Place of each datum, from 1; 0 where it was not taken. And what it added to the squared
        length, without noise, 0 where it was not taken. Both (datum,). Of equals, the first.

    References
    ----------
    N. J. Higham, "Cholesky factorization", WIREs Computational Statistics 1 (2009).

    Examples
    --------
    >>> slopes = np.array([[3.0, 3.0, 3.0, 0.0], [0.0, 0.0, 0.0, 2.0]])
    >>> order, added = pivoted_importance(slopes, np.full(4, 0.01), np.eye(2), blocks=20)
    >>> order.tolist(), added.round(2).tolist()
    ([1, 0, 0, 2], [8.99, 0.0, 0.0, 4.0])
    """
    order, added = np.zeros(slopes.shape[1], dtype=int), np.zeros(slopes.shape[1])
    left = np.einsum("oj,oj->j", slopes, slopes)
    first = left.copy()
    found = np.zeros((len(slopes), 0))
    total = np.trace(spread)
    for place in range(1, min(most, *slopes.shape) + 1):
        beyond = np.eye(len(slopes)) - found @ found.T
        spread_left = beyond @ spread @ beyond
        noise_left = noise * (np.trace(spread_left) / total if total > 0 else 1.0)
        told = above_floor(left, noise_left, spread_left, blocks=blocks)
        told &= (order == 0) & (left > NOTHING * first)
        if not told.any():
            break
        pick = int(np.argmax(np.where(told, left - noise_left, -np.inf)))
        direction = beyond @ (beyond @ slopes[:, pick])
        direction /= np.linalg.norm(direction)
        order[pick], added[pick] = place, max(left[pick] - noise_left[pick], 0.0)
        left = np.maximum(left - np.square(direction @ slopes), 0.0)
        found = np.concatenate([found, direction[:, None]], axis=1)
    return order, added


def partial_importance(
    slopes: np.ndarray, noise: np.ndarray, spread: np.ndarray, *, blocks: int
) -> np.ndarray:
    r"""Measure what no other datum explains of each.

    With K = 1 + Σ a_i a_i'/λ_i over the columns a_i that stand out of the noise, and
    h = a_j' K⁻¹ a_j, it is h / (1 - h/λ_j) if j is one of them, else h: the identities of Woodbury
    and of Sherman and Morrison.

    Parameters
    ----------
    slopes, noise, spread, blocks
        As in :func:`pivoted_importance`.

    Returns
    -------
    np.ndarray
        Squared lengths without noise, at least 0, (datum,).

    Examples
    --------
    >>> slopes = np.array([[3.0, 3.0, 3.0, 0.0], [0.0, 0.0, 0.0, 2.0]])
    >>> partial_importance(slopes, np.full(4, 0.01), np.eye(2), blocks=20).round(1).tolist()
    [0.1, 0.1, 0.1, 4.0]
    """
    importance = np.einsum("oj,oj->j", slopes, slopes)
    told = above_floor(importance, noise, spread, blocks=blocks)
    ridge = RIDGE * np.where(told, np.maximum(noise, LEAST * importance), 1.0)
    explained = np.eye(len(slopes))
    step = max(1, AT_ONCE // len(slopes))
    parts = [slice(start, start + step) for start in range(0, len(noise), step)]
    for part in parts:
        own = slopes[:, part][:, told[part]]
        explained += (own / ridge[part][told[part]]) @ own.T
    inverse = np.linalg.inv(explained)
    total = np.trace(spread)
    share = spread / total if total > 0 else np.eye(len(slopes)) / len(slopes)
    found = np.empty(len(noise))
    for part in parts:
        own = slopes[:, part]
        solved = inverse @ own
        length = np.einsum("oj,oj->j", own, solved)
        without = np.where(told[part], 1 / (1 - np.minimum(length / ridge[part], 1 - 1e-9)), 1.0)
        chance = np.einsum("oj,oj->j", solved, share @ solved) / ridge[part]
        chance = np.trace(inverse @ share) + np.where(told[part], without * chance, 0.0)
        found[part] = length * without - noise[part] * chance
    return np.maximum(found, 0.0)
