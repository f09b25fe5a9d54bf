r"""Which of several lines is the highest, where, and how far does noise decide?

Option i gains g_i and is charged c_i: at weight λ it is worth g_i - λ c_i. The upper envelope of
these lines is found by pairs: i beats a rival j that is charged more from (g_j - g_i)/(c_j - c_i)
on, and one that is charged less up to the same; it is the highest from the last of the former up
to the first of the latter. Of two equal ones the one that is charged less is taken, then the one
that comes first.
"""

import numpy as np

__all__ = ["intervals", "replicate_means", "winners"]


def intervals(gains: np.ndarray, costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""From which weight up to which is each option chosen?

    .. math:: \{\lambda \ge 0 : g_i - \lambda c_i = \max_j\, g_j - \lambda c_j\}

    Parameters
    ----------
    gains, costs
        Finite, shape (..., option).

    Returns
    -------
    tuple of np.ndarray
        First weight (included) and last (not included; infinite for the option that is charged
        least), shape (..., option); NaN for options that are chosen at no weight.

    Examples
    --------
    >>> first, last = intervals(np.array([0.0, 3.0, 4.0]), np.array([0.0, 1.0, 2.0]))
    >>> first, last
    (array([3., 1., 0.]), array([inf,  3.,  1.]))
    """
    first, last = np.zeros(np.shape(gains)), np.full(np.shape(gains), np.inf)
    options = np.arange(gains.shape[-1])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for rival in options:
            more = gains[..., [rival]] - gains
            charged = costs[..., [rival]] - costs
            equal = more / charged
            first = np.where(charged > 0, np.fmax(first, equal), first)
            last = np.where(charged < 0, np.fmin(last, equal), last)
            beaten = (charged == 0) & ((more > 0) | ((more == 0) & (rival < options)))
            last = np.where(beaten, -np.inf, last)
    chosen = first < last
    return np.where(chosen, first, np.nan), np.where(chosen, last, np.nan)


def winners(gains: np.ndarray, costs: np.ndarray, weight: float) -> np.ndarray:
    """Which option is worth most? Those that cannot be told apart share what one would have.

    Parameters
    ----------
    gains, costs
        Finite, shape (..., option).
    weight
        At least 0; infinite to be charged least whatever the gain.

    Returns
    -------
    np.ndarray
        Shape (..., option); adds up to 1 over options.

    Examples
    --------
    >>> winners(np.array([0.0, 3.0, 3.0]), np.array([0.0, 1.0, 1.0]), 2.0)
    array([0. , 0.5, 0.5])
    """
    worth = -costs if np.isinf(weight) else gains - weight * costs
    best = worth == worth.max(axis=-1, keepdims=True)
    then = np.where(best, gains if np.isinf(weight) else -costs, -np.inf)
    best = best & (then == then.max(axis=-1, keepdims=True))
    return best / best.sum(axis=-1, keepdims=True)


def replicate_means(
    values: np.ndarray,
    *,
    bounds: np.ndarray,
    replicates: int,
    wider: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw blocks again with replacement, the same for all series, and average.

    Parameters
    ----------
    values
        Shape (series, row).
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.
    replicates
        How often.
    wider
        From :func:`inference.arrays.blocks.widening`: deviations grow by it, and by J/(J - 1) in
        variance, for blocks that are drawn again are centred on their own mean.
    rng
        Where the choice of blocks comes from.

    Returns
    -------
    tuple of np.ndarray
        Means, shape (series,), and those of the replicates, shape (replicate, series).

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(1, 4000))
    >>> bounds = np.arange(0, 4001, 100)
    >>> rng = np.random.default_rng(1)
    >>> mean, again = replicate_means(noise, bounds=bounds, replicates=500, wider=1.0, rng=rng)
    >>> bool(0.8 < again.std() * np.sqrt(4000) < 1.2)
    True
    """
    lengths = np.diff(bounds)
    sums = np.add.reduceat(values, bounds[:-1], axis=1, dtype=np.float64).T
    mean = sums.sum(axis=0) / lengths.sum()
    blocks = len(lengths)
    drawn = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=replicates)
    # Deviations are averaged, not sums: a large constant would leave its rounding in them.
    apart = drawn @ (sums - mean * lengths[:, None]) / (drawn @ lengths)[:, None]
    return mean, mean + wider * np.sqrt(blocks / (blocks - 1)) * apart
