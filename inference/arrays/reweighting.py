r"""What would these draws say, had some of the evidence been other, or not been seen?

Draws t of p(z|e) stand for p(z|e') when they are weighed by

.. math:: w_t \propto r_t = \frac{p(e' \mid z_t)}{p(e \mid z_t)}, \qquad
          r_t = \frac{1}{p(e_j \mid z_t)} \text{ where datum } j \text{ is deleted,}

many such series of ratios at a time, each Pareto-smoothed (PSIS). Weighing is linear in what is
weighed, so all means and all cells of all worlds are matrix products.

Both sides of a comparison come from the same draws. Its error is therefore that of the difference,
draw by draw: with W_t = N w_t, the mean of g moves by the mean of W_t (g_t - g') - (g_t - g), and
the spread of blocks of these says how well that is known, whatever the chains and the futures are.

k-hat is the shape of the tail of the ratios: above 1/2 their variance is infinite, and divergences
are up to a third too small at 0.7 although means still hold. Hence two gates, :data:`ROUGH` and
:data:`LOST`.
"""

import numpy as np
from scipy import special

__all__ = [
    "LOST",
    "ROUGH",
    "belief_bits",
    "block_errors",
    "cell_bits",
    "cell_shares",
    "kish",
    "moved_means",
]

ROUGH, LOST = 0.5, 0.7
"""k-hat above which weighed means are rough, and above which they are not to be had."""
_BITS = 1 / np.log(2)


def kish(weights: np.ndarray) -> np.ndarray:
    r"""Kish's effective number of draws, :math:`1 / \sum_t w_t^2`, of each series.

    Examples
    --------
    >>> kish(np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]))
    array([2., 1.])
    """
    return 1.0 / np.einsum("st,st->s", weights, weights)


def belief_bits(
    log_ratios: np.ndarray, weights: np.ndarray, *, bounds: np.ndarray, wider: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    r"""How many bits of belief about the past hang on the change: KL(p(z|e) || p(z|e')).

    .. math:: \log \mathrm{E}[r] - \mathrm{E}[\log r] = \mathrm{E}[\log p(e_j \mid z)] -
              \log p(e_j \mid e_{-j}) \quad \text{for a deletion}

    Parameters
    ----------
    log_ratios
        Shape (series, draw), finite.
    weights
        From :func:`~.weights.pareto_smoothed`.
    bounds
        Blocks of draws, from :func:`inference.arrays.blocks.block_bounds`.
    wider
        From :func:`inference.arrays.blocks.widening`, one for all or of shape (series,).

    Returns
    -------
    tuple of ndarray
        Bits, at least 0, and their Monte Carlo standard error; shape (series,).

    Examples
    --------
    >>> from inference.arrays.weights import pareto_smoothed
    >>> z = np.random.default_rng(0).normal(0.24, np.sqrt(0.8), size=(1, 4000))
    >>> log_ratios = np.square(1.2 - z) / (2 * 4.0)
    >>> weights, _ = pareto_smoothed(log_ratios)
    >>> bounds = np.arange(0, 4001, 100)
    >>> bits, mcse = belief_bits(log_ratios, weights, bounds=bounds, wider=1.0)
    >>> abs(bits.item() - 0.0582) < 4 * mcse.item() < 0.02
    True
    """
    draws = log_ratios.shape[1]
    mean = log_ratios.mean(axis=1, keepdims=True)
    centred = log_ratios - mean
    lowest = centred.min(axis=1, keepdims=True)  # exp(-centred) is at most exp(-lowest)
    inverse = np.einsum("st,st->s", weights, np.exp(lowest - centred))
    nats = -np.log(inverse) + lowest[:, 0]
    shares = np.add.reduceat(draws * weights - 1 - centred, bounds[:-1], axis=1) / draws
    return np.maximum(nats, 0.0) * _BITS, block_errors(shares.T, wider) * _BITS


def block_errors(shares: np.ndarray, wider: np.ndarray | float) -> np.ndarray:
    """Find the standard error of a sum over independent blocks of what each has a share in.

    Parameters
    ----------
    shares
        First axis = blocks; centred, so that they add up to zero over all blocks.
    wider
        What blocks that resemble each other need; broadcasts against the other axes.

    Examples
    --------
    >>> block_errors(np.array([[1.0], [-1.0], [1.0], [-1.0]]), 1.0).round(4)
    array([2.3094])
    """
    blocks = len(shares)
    centred = shares - shares.mean(axis=0)
    return wider * np.sqrt(blocks / (blocks - 1) * np.square(centred).sum(axis=0))


def moved_means(
    values: np.ndarray, weights: np.ndarray, *, bounds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far does each mean move when the draws are weighed, and what share has each block?

    Parameters
    ----------
    values
        Shape (column, draw); the futures of a draw averaged.
    weights
        Shape (series, draw), each adding up to 1.
    bounds
        Blocks of draws.

    Returns
    -------
    tuple of ndarray
        The changes, shape (series, column), and the blocks' shares in their errors, shape (block,
        series, column), for :func:`block_errors`. Shares of two columns may be subtracted first:
        that gives the error of the difference of their changes.

    Examples
    --------
    >>> from inference.arrays.weights import pareto_smoothed
    >>> z = np.random.default_rng(0).normal(size=(1, 4000))
    >>> weights, _ = pareto_smoothed(0.5 * z)
    >>> change, shares = moved_means(z, weights, bounds=np.arange(0, 4001, 100))
    >>> abs(change.item() - 0.5) < 4 * block_errors(shares, 1.0).item() < 0.1
    True
    """
    draws = values.shape[1]
    values = values - values.mean(axis=1, keepdims=True)
    weighed, mass = _by_block(values, weights, bounds)
    change = weighed.sum(axis=0)
    shares = weighed
    shares -= change * mass[:, :, None]
    shares -= (np.add.reduceat(values, bounds[:-1], axis=1).T / draws)[:, None, :]
    return change, shares


def _by_block(
    values: np.ndarray, weights: np.ndarray, bounds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weigh columns, block by block: (block, series, column); and the weight of each block."""
    blocks = len(bounds) - 1
    weighed = np.empty((blocks, len(weights), len(values)))
    for block in range(blocks):
        part = slice(bounds[block], bounds[block + 1])
        np.matmul(weights[:, part], values[:, part].T, out=weighed[block])
    return weighed, np.add.reduceat(weights, bounds[:-1], axis=1).T


def cell_shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Which share of the futures of each draw lies in each cell?

    Parameters
    ----------
    values
        Shape (draw, future).
    edges
        Ascending edges of one measurement; infinite ones are none.

    Returns
    -------
    np.ndarray
        Shape (cell, draw): the cells that any draw visits, in ascending order.

    Examples
    --------
    >>> cell_shares(np.array([[0.0, 1.0], [5.0, 6.0]]), np.array([1.0, 4.0, 9.0, np.inf]))
    array([[0.5, 0. ],
           [0.5, 0. ],
           [0. , 1. ]])
    """
    draws, futures = values.shape
    cells = len(edges) + 1
    which = np.searchsorted(edges, values.ravel(), side="right").reshape(draws, futures)
    flat = which + cells * np.arange(draws)[:, None]
    counts = np.bincount(flat.ravel(), minlength=cells * draws).reshape(draws, cells)
    return counts[:, counts.any(axis=0)].T / futures


def cell_bits(
    shares: np.ndarray, weights: np.ndarray, *, bounds: np.ndarray, wider: float
) -> dict[str, np.ndarray]:
    r"""How far does the distribution over cells move: KL(P(W|e) || P(W|e')), in bits.

    With p and q the frequencies without and with weights, the plug-in Σ p log p/q is too large by
    ½ Σ Var(dp - (p/q) dq)/p, taken from blocks. That is its whole value where the change says
    nothing of W, and follows there an F law whose degrees of freedom are those of the covariance
    of the cells (Satterthwaite) and of the blocks.

    Parameters
    ----------
    shares
        Of one measurement in one world, from :func:`cell_shares`.
    weights
        Shape (series, draw).
    bounds
        Blocks of draws.
    wider
        From :func:`inference.arrays.blocks.widening`.

    Returns
    -------
    dict of str to np.ndarray
        Each of shape (series,): ``bits``, the plug-in less its floor, at least 0; ``floor``, its
        mean where the change says nothing of W; ``mcse``; ``p``, the chance of such a plug-in if
        it does not.

    Examples
    --------
    >>> from inference.arrays.weights import pareto_smoothed
    >>> rng = np.random.default_rng(0)
    >>> z, w = rng.normal(size=(2, 4000))
    >>> weights, _ = pareto_smoothed(0.5 * z[None])
    >>> inner = np.linspace(-1.5, 1.5, 15)
    >>> moved, still = (
    ...     cell_bits(cell_shares(x[:, None], inner), weights, bounds=np.arange(0, 4001, 100),
    ...               wider=1.0)
    ...     for x in (z, w)
    ... )
    >>> abs(moved["bits"].item() - 0.18) < 0.02, moved["p"].item() < 1e-6
    (True, True)
    >>> still["bits"].item() < 0.005, still["p"].item() > 0.01
    (True, True)
    """
    draws, blocks = shares.shape[1], len(bounds) - 1
    now = shares.mean(axis=1)
    weighed, mass = _by_block(shares, weights, bounds)
    then = np.maximum(weighed.sum(axis=0), np.finfo(float).tiny)
    lengths = np.diff(bounds)[:, None] / draws
    unweighed = np.add.reduceat(shares, bounds[:-1], axis=1).T / draws - now * lengths
    odds = now / then
    surprise = np.log(odds)
    weighed -= then * mass[:, :, None]  # from here on a block's share in dq
    weighed *= odds
    first = unweighed @ surprise.T - weighed.sum(axis=2)
    weighed -= unweighed[:, None, :]
    weighed *= wider * np.sqrt(blocks / (blocks - 1) / now)
    floor, freedom = _floor(weighed)
    plugin = (now * surprise).sum(axis=1)
    noise = block_errors(first, wider)
    bulge = floor * np.sqrt(2 / freedom)
    ratio = plugin / np.where(floor > 0, floor, 1.0)
    moved = floor > 1e-15
    return {
        "bits": np.where(moved, np.maximum(plugin - floor, 0.0), 0.0) * _BITS,
        "floor": np.where(moved, floor, 0.0) * _BITS,
        "mcse": np.where(moved, np.hypot(noise, bulge), 0.0) * _BITS,
        "p": np.where(moved, special.fdtrc(freedom, blocks - 1, np.maximum(ratio, 0.0)), 1.0),
    }


def _floor(scaled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half the mean squared length of the noise (block, series, cell), and its degrees of freedom.

    Of a covariance S estimated from n + 1 blocks, tr(S)²/n of tr(S²) is noise.
    """
    free, cells = len(scaled) - 1, scaled.shape[2]
    by_series = scaled.transpose(1, 2, 0)
    covariance = by_series @ by_series.transpose(0, 2, 1)
    trace = np.trace(covariance, axis1=1, axis2=2)
    squared = np.einsum("sab,sab->s", covariance, covariance)
    own = free**2 / ((free - 1) * (free + 2)) * (squared - trace**2 / free)
    least = np.maximum(own, trace**2 / max(1, cells - 1))
    with np.errstate(invalid="ignore"):
        freedom = np.where(trace > 0, trace**2 / np.where(least > 0, least, 1.0), 1.0)
    return 0.5 * trace, np.clip(freedom, 1.0, max(1, cells - 1))
