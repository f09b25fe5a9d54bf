r"""How heavy is a tail, and how wide, by what exceeds a threshold?

Excesses y over a high threshold follow nearly a generalised Pareto law, whatever law the draws
follow (Pickands, Balkema and de Haan):

.. math:: P(Y \ge y) = \left(1 + k \frac{y}{\sigma}\right)^{-1/k}

Its shape k says which moments exist: those of an order below 1/k, and all for k <= 0, where the
law is exponential (k = 0) or ends at :math:`-\sigma/k`. Importance weights, the bits of far
targets and the shape of futures are all judged by this one fit.
"""

import numpy as np

__all__ = ["pareto_fit", "pareto_shapes_without", "tail_grid", "tail_number"]

_PRIOR_OF_SCALE = 3
_PRIOR_DRAWS, _PRIOR_SHAPE = 10, 0.5
_EXPONENTIAL = 1e-8


def tail_number(draws: int) -> int:
    r"""Say how many of the draws are the tail, :math:`\min(n/5, 3\sqrt n)`.

    The number is that for independent draws. Autocorrelated ones would be given a longer tail by
    ArviZ, :math:`3\sqrt{n/r}` at a relative efficiency r: less noise, more bias.

    Examples
    --------
    >>> [tail_number(draws) for draws in (100, 10_000, 160_000)]
    [20, 300, 1200]
    """
    return int(min(0.2 * draws, 3 * np.sqrt(draws)))


def tail_grid(tail: int) -> int:
    """Say at how many places the likelihood of so many excesses is looked up.

    Examples
    --------
    >>> tail_grid(300)
    47
    """
    return 30 + int(np.sqrt(tail))


def pareto_fit(
    excess: np.ndarray, *, number: np.ndarray | None = None, prior: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    r"""Fit a generalised Pareto law to each row of excesses, by a mean over its likelihood.

    Parameters
    ----------
    excess
        Ascending and not negative, shape (row, excess). The largest, and that a quarter up, must
        be above 0: elsewhere the fit is NaN or infinite, with NumPy's warnings.
    number
        Shape (row,): only the last so many are excesses, and zeros come before them. All are by
        default.
    prior
        Count ten excesses more at k = 1/2, as is done for importance weights. Wrong by
        10 (1/2 - k) / (10 + tail) for light tails, and steadier for short ones.

    Returns
    -------
    tuple of np.ndarray
        Shape k and scale, each (row,). The scale knows nothing of the prior.

    References
    ----------
    J. Zhang, M. A. Stephens (2009), "A new and efficient estimation method for the generalized
    Pareto distribution", *Technometrics* 51; A. Vehtari et al. (2024), "Pareto smoothed importance
    sampling", *JMLR* 25, appendix C for the prior.

    Examples
    --------
    >>> levels = (np.arange(2000) + 0.5) / 2000
    >>> shape, scale = pareto_fit(2 * np.expm1(-0.5 * np.log1p(-levels))[None] / 0.5)
    >>> shape.round(1), scale.round(1)
    (array([0.5]), array([2.]))
    """
    number = np.full(len(excess), excess.shape[1]) if number is None else number
    rates = _rates(excess, number)
    logs = np.log1p(-rates[:, :, None] * excess[:, None, :]).sum(axis=2)
    rate = _expected_rate(rates, logs / number[:, None], number)
    shape = np.log1p(-rate[:, None] * excess).sum(axis=1) / number
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(rate == 0, excess.sum(axis=1) / number, -shape / rate)
    return (_towards_prior(shape, number) if prior else shape), scale


def pareto_shapes_without(
    excess: np.ndarray, owner: np.ndarray, blocks: int, *, number: np.ndarray
) -> np.ndarray:
    """Fit the shapes without each block of draws in turn, over the same threshold.

    The places at which the likelihood is looked up stay as they are, the largest excess bounding
    them, so that a block's part of the likelihood is taken away from the whole.

    Parameters
    ----------
    excess, number
        As for :func:`pareto_fit`.
    owner
        The block of each excess, shape (row, excess).
    blocks
        How many there are.

    Returns
    -------
    np.ndarray
        Shape k with the prior, (row, block); ``-inf`` where a block owns all the excesses.

    Examples
    --------
    >>> draws = np.random.default_rng(0).exponential(size=400)
    >>> owner, order = np.repeat(np.arange(4), 100), np.argsort(draws)
    >>> number = np.array([400])
    >>> found = pareto_shapes_without(draws[order][None], owner[order][None], 4, number=number)
    >>> alone, _ = pareto_fit(np.sort(draws[100:])[None])
    >>> bool(abs(found[0, 0] - alone[0]) < 0.001)
    True
    """
    owned = owner[:, :, None] == np.arange(blocks)
    owned &= (excess > 0)[:, :, None]
    kept = number[:, None] - owned.sum(axis=1)
    safe = np.maximum(kept, 1)
    rates = _rates(excess, number)
    logs = np.log1p(-rates[:, :, None] * excess[:, None, :])
    left = logs.sum(axis=2)[:, :, None] - logs @ owned.astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):  # of a block that owns them all
        rate = _expected_rate(rates[:, None, :], left.swapaxes(1, 2) / safe[:, :, None], safe)
    logs = np.log1p(-rate[:, :, None] * excess[:, None, :])
    shape = (logs.sum(axis=2) - np.einsum("rjt,rtj->rj", logs, owned)) / safe
    return np.where(kept > 0, _towards_prior(shape, safe), -np.inf)


def _rates(excess: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Places of -k/scale, none of them 0, at which the likelihood is looked up."""
    tail = excess.shape[1]
    grid = tail_grid(tail)
    quarter = tail - number + np.maximum((number / 4 + 0.5).astype(int) - 1, 0)
    scale = _PRIOR_OF_SCALE * excess[np.arange(len(excess)), quarter, None]
    rates = (1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))) / scale + 1 / excess[:, -1:]
    least = _EXPONENTIAL / excess[:, -1:]
    return np.where(np.abs(rates) < least, least, rates)


def _expected_rate(rates: np.ndarray, shapes: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Average the places by their likelihood, along the last axis."""
    likelihood = number[..., None] * (np.log(-rates / shapes) - shapes - 1)
    weights = np.exp(likelihood - likelihood.max(axis=-1, keepdims=True))
    weights[weights < 10 * np.finfo(float).eps * weights.sum(axis=-1, keepdims=True)] = 0.0
    return np.vecdot(rates, weights) / weights.sum(axis=-1)


def _towards_prior(shape: np.ndarray, number: np.ndarray) -> np.ndarray:
    return (number * shape + _PRIOR_DRAWS * _PRIOR_SHAPE) / (number + _PRIOR_DRAWS)
