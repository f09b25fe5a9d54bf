r"""How many independent draws are counts of draws worth?

Where draws were counted and forgotten, blocks of them still tell how fast they moved. A draw's
score is the rank of its cell (its level), or how far that is from the middle (its spread). Sums of
scores over blocks vary more than those of independent draws would by the factor

.. math:: \frac{J}{J - 1} \tau \left( g(L/\tau) - \frac1J \right), \qquad
          g(b) = 1 - \frac{1 - e^{-2b}}{2b},

for J blocks of L draws and a series of exponential autocorrelation, each tau draws of which are
worth one. From forty blocks tau is known to a quarter of itself; one is found only if independent
draws would hardly ever vary as much. Blocks are joined, two by two up to whole chains, and if the
longer ones vary more than the shorter ones explain, these are believed: such a series has memory
longer than blocks are.
"""

from collections.abc import Iterator

import numpy as np
from scipy import special

__all__ = ["effective_from_counts", "joined_blocks"]

BEYOND_CHANCE = 0.002
"""Chance at which independent draws are taken for slow ones, scale by scale."""
LONGER_MEMORY = 0.01
APART_LEVEL, LEAST_APART = 1e-6, 10.0
FEWEST_MOVES = 10
GRID = 400


def effective_from_counts(counts: np.ndarray, bounds: np.ndarray, chains: int) -> np.ndarray:
    r"""How many independent draws is each of these series worth, judged by its counts alone?

    Parameters
    ----------
    counts
        Counts of one world, shape (block, cell, measurement), cells in ascending order.
    bounds
        Row numbers at which the blocks begin, and the end of the last.
    chains
        Number of chains, all equally long.

    Returns
    -------
    np.ndarray
        Between 1 and the number of rows, shape (measurement,); for independent draws their number
        in 98 cases of 100. Chains that lie further apart than their own course explains (as in
        :func:`inference.arrays.blocks.effective_draws`) count as one draw each. A constant counts
        every draw. With several futures of a draw, no more than the draws are to be believed.

    Examples
    --------
    >>> from inference.arrays.blocks import block_bounds
    >>> from inference.arrays.cell_counts import block_counts
    >>> noise = np.random.default_rng(0).normal(size=(2, 4000))
    >>> noise[1] = np.repeat(noise[1, ::40], 40)
    >>> bounds = block_bounds(4, 1000, effective=4000.0)
    >>> edges = np.quantile(noise, np.arange(1, 16) / 16, axis=1).T
    >>> quick, slow = effective_from_counts(block_counts(noise, edges, bounds), bounds, 4)
    >>> bool(quick == 4000.0), bool(60 < slow < 160)
    (True, True)
    """
    if counts.shape[2] == 1:  # numpy adds a lone column in an order of its own
        return effective_from_counts(np.repeat(counts, 2, axis=2), bounds, chains)[:1]
    rows = int(bounds[-1] - bounds[0])
    share = counts.sum(axis=0, dtype=np.int64) / rows
    rank = np.cumsum(share, axis=0) - 0.5 * share - 0.5
    sizes = [_by_scores(counts, share, score, bounds, chains) for score in (rank, np.abs(rank))]
    return np.clip(np.minimum(*sizes), 1.0, rows)


def joined_blocks(bounds: np.ndarray, chains: int) -> np.ndarray:
    """Join blocks two by two, never across chains; an odd one at the end of a chain stays.

    Parameters
    ----------
    bounds
        Row numbers at which the blocks begin, and the end of the last.
    chains
        Number of chains, all equally long. Blocks of several whole chains are joined too.

    Returns
    -------
    np.ndarray
        Some of the bounds.

    Examples
    --------
    >>> joined_blocks(np.array([0, 10, 20, 30, 40, 50, 60]), 2)
    array([ 0, 20, 30, 50, 60])
    """
    long = bounds[-1] // chains
    chain = bounds[:-1] // long if len(bounds) > chains else np.zeros(len(bounds) - 1, dtype=int)
    within = np.arange(len(chain)) - np.searchsorted(chain, chain)
    return np.append(bounds[:-1][within % 2 == 0], bounds[-1])


def _by_scores(
    counts: np.ndarray, share: np.ndarray, score: np.ndarray, bounds: np.ndarray, chains: int
) -> np.ndarray:
    rows = int(bounds[-1] - bounds[0])
    centred = score - (share * score).sum(axis=0)
    variance = (share * np.square(centred)).sum(axis=0)
    varies = variance > 1e-12
    sums = np.stack([(block * centred).sum(axis=0) for block in counts])
    sums /= np.sqrt(np.where(varies, variance, 1.0))
    memory = np.ones(len(variance))
    for number, (scale, length) in enumerate(_scales(sums, bounds, chains)):
        blocks = len(scale)
        excess = scale.var(axis=0, ddof=1)
        found = _memory(excess, length, blocks, rows)
        # Independent draws vary beyond this once in five hundred times.
        chance = special.chdtri(blocks - 1, BEYOND_CHANCE) / (blocks - 1)
        beyond = excess > chance
        if number:
            expected = _excess(memory, length, blocks, rows)
            beyond &= excess > expected * special.fdtri(blocks - 1, 2 * blocks, 1 - LONGER_MEMORY)
        memory = np.where(beyond, np.maximum(found, memory), memory)
    size = rows / memory
    if chains > 1:
        size = np.where(_never_meet(sums, bounds, chains), np.minimum(size, chains), size)
    return np.where(varies, size, rows)


def _scales(
    sums: np.ndarray, bounds: np.ndarray, chains: int
) -> Iterator[tuple[np.ndarray, float]]:
    """Give sums of longer and longer blocks over the root of their lengths, and mean lengths."""
    while len(sums) > 1:
        lengths = np.diff(bounds)
        yield sums / np.sqrt(lengths)[:, None], float(lengths.mean())
        joined = joined_blocks(bounds, chains)
        if len(joined) == len(bounds):
            break
        sums = np.add.reduceat(sums, np.searchsorted(bounds, joined[:-1]), axis=0)
        bounds = joined


def _excess(memory: np.ndarray, length: float, blocks: int, rows: int) -> np.ndarray:
    """Variance of block sums over that of independent draws, of an exponential memory."""
    within = np.maximum(length / memory, 1e-9)
    shared = 1 + np.expm1(-2 * within) / (2 * within)
    inside = np.maximum(1 - memory / rows, 1e-3)
    return blocks / (blocks - 1) * memory * np.maximum(shared - 1 / blocks, 0.0) / inside


def _memory(excess: np.ndarray, length: float, blocks: int, rows: int) -> np.ndarray:
    """Draws worth one, of a series with such an excess."""
    grid = np.geomspace(1.0, rows / 2, GRID)
    rising = np.maximum.accumulate(_excess(grid, length, blocks, rows))
    return np.interp(excess, rising, grid)


def _never_meet(sums: np.ndarray, bounds: np.ndarray, chains: int) -> np.ndarray:
    """Do chains lie further apart than their own course explains?"""
    each = (len(bounds) - 1) // chains
    if each < 2:
        return np.zeros(sums.shape[1], dtype=bool)
    means = (sums / np.diff(bounds)[:, None]).reshape(chains, each, -1)
    between = each * means.mean(axis=1).var(axis=0, ddof=1)
    within = means.var(axis=1, ddof=1).mean(axis=0)
    test = special.fdtri(chains - 1, chains * (each - 1), 1 - APART_LEVEL)
    return between > max(test, LEAST_APART) * within + 1e-9
