r"""Which draws may be treated as independent of which?

Draws of a chain resemble their neighbours, and the futures of a draw share its past. Contiguous
blocks of J = clip(ESS / 10, 20, 40) keep what belongs together in one piece: each is some ten
autocorrelation times long, and what spans two of them is negligible.
"""

import numpy as np
from arviz_stats.base import array_stats

__all__ = ["FEWEST_DRAWS", "block_bounds", "effective_draws"]

FEWEST_BLOCKS, MOST_BLOCKS = 20, 40
FEWEST_DRAWS = 2 * FEWEST_BLOCKS
"""Fewer posterior draws than this make no blocks to speak of."""


def effective_draws(values: np.ndarray, *, most: int = 200) -> np.ndarray:
    """How many independent draws is each of these series worth?

    Parameters
    ----------
    values
        Shape (measurement, world, chain, draw[, future]); the futures of a draw are averaged.
    most
        Number of series looked at: all of them, or this many spread evenly over the measurements
        and worlds, as each costs about a millisecond.

    Returns
    -------
    np.ndarray
        Bulk effective sample sizes, shape (series,), each at most the number of draws. Chains too
        short to judge (under 4 draws) count as one draw each.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), "Rank-normalization, folding, and
    localization: an improved R-hat", *Bayesian Analysis* 16(2).

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(3, 2, 4, 250))
    >>> (effective_draws(noise) > 500).all().item(), effective_draws(noise).shape
    (True, (6,))
    """
    measurements, worlds, chains, draws = values.shape[:4]
    count = measurements * worlds
    picked = np.linspace(0, count - 1, min(most, count)).round().astype(int)
    if draws < 4:
        return np.full(len(picked), float(chains))
    series = values[picked // worlds, picked % worlds]
    if series.ndim > 3:
        series = series.mean(axis=-1)
    effective = array_stats.ess(series, chain_axis=1, draw_axis=2, method="bulk")
    known = np.where(np.isfinite(effective), effective, chains)
    return np.clip(known, 1, chains * draws)


def block_bounds(chains: int, draws: int, futures: int = 1, *, effective: float) -> np.ndarray:
    """Cut the rows (chain, draw, future) into contiguous blocks.

    No block spans a part of one chain and a part of another, and no draw's futures are split;
    with more chains than blocks, a block is a run of whole chains.

    Parameters
    ----------
    chains, draws, futures
        Lengths of the sample dims.
    effective
        Effective number of draws; J = clip(effective / 10, 20, 40) blocks are aimed at.

    Returns
    -------
    np.ndarray
        J + 1 row numbers; block j is ``bounds[j]:bounds[j + 1]``.

    Examples
    --------
    >>> block_bounds(4, 1000, effective=4000.0)[:4]
    array([  0, 100, 200, 300])
    >>> len(block_bounds(3, 50, 7, effective=60.0)) - 1
    21
    """
    aim = int(np.clip(effective / 10, FEWEST_BLOCKS, MOST_BLOCKS))
    if chains > MOST_BLOCKS:
        starts = np.linspace(0, chains, aim + 1).round().astype(int) * draws
    else:
        each = min(max(-(-FEWEST_BLOCKS // chains), aim // chains), draws)
        within = np.linspace(0, draws, each + 1).round().astype(int)[:-1]
        starts = (np.arange(chains)[:, None] * draws + within).ravel()
        starts = np.append(starts, chains * draws)
    return starts * futures
