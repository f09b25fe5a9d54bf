r"""How heavy is each tail, and which moments does it leave?

A generalised Pareto law is fitted to the largest :math:`3\sqrt n` draws on each side. Its shape,
k-hat, is 1/a for a law whose tail falls as :math:`|w|^{-a}`, 0 for one that falls exponentially
and negative for one that ends. A normal law, which falls faster than exponentially, shows -.09 at
10 000 draws. The moment of order r exists if k < 1/r, the error of its estimate if k < 1/(2r).
"""

import numpy as np

from counterfactual_models.errors import CounterfactualError, MeasurementError
from inference.arrays.generalised_pareto import (
    pareto_fit,
    pareto_shapes_without,
    tail_grid,
    tail_number,
)
from inference.arrays.shape.jackknife import Estimate

__all__ = ["moments_exist", "tail_descriptors"]

_MOST_MOMENTS = 6
"""The highest order asked for: cumulants are estimated up to the sixth."""
_FEWEST_LEVELS = 5
_NUMBERS = 2**18
_WIDENED = 1.1


def tail_descriptors(values: np.ndarray, bounds: np.ndarray) -> dict[str, Estimate]:
    r"""Fit the shape of both tails of every measurement, with the weak prior of PSIS.

    Parameters
    ----------
    values
        Draws of one world, shape (measurement, draw), in any unit.
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.

    Returns
    -------
    dict of Estimate
        ``tail_left`` and ``tail_right``: k-hat of all draws, (measurement,), and of all but one
        block, (block, measurement). With 10 000 draws on average .49 for Student's t with two
        degrees of freedom, .97 for Cauchy, .02 for an exponential law and -.93 for the end of a
        uniform one (in truth .5, 1, 0 and -1: the prior counts ten draws at .5 beside 300).

        ``-inf``, with and without blocks, where there is no tail to speak of: a tail of fewer than
        five draws or five distinct values, as constants, events and small counts have; every
        moment of these exists. Where tail draws are tied, the threshold lies halfway between two
        values, so that the counts of a lattice stand for what was rounded to them.

    Raises
    ------
    MeasurementError
        If a draw is not finite.

    Notes
    -----
    Without a block the threshold stays where it is: a sixth of the time of new fits over new
    thresholds, and errors .82 to 1.08 of the true ones with 2000 to 10 000 independent draws,
    which are made 1.1 times as large; new fits gave 1.08 to 1.32. The tail is as long as for
    independent draws, whatever their autocorrelation. ArviZ lengthens it to
    :math:`3\sqrt{n/r}` for a relative efficiency r: less noise, more bias. Here the bias stays
    that of independent draws, the noise grows, and the blocks see it.

    References
    ----------
    A. Vehtari et al. (2024), "Pareto smoothed importance sampling", *JMLR* 25, section 3.

    Examples
    --------
    >>> draws = np.random.default_rng(0).exponential(size=(1, 10_000))
    >>> found = tail_descriptors(draws, np.arange(0, 10_001, 250))
    >>> {name: whole.round(1).item() for name, (whole, without) in found.items()}
    {'tail_left': -1.0, 'tail_right': 0.0}
    """
    measurements, draws = values.shape
    lengths = np.diff(bounds)
    owner = np.repeat(np.arange(len(lengths), dtype=np.min_scalar_type(len(lengths))), lengths)
    tail = tail_number(draws)
    names = "tail_left", "tail_right"
    found = np.full((len(names), 1 + len(lengths), measurements), -np.inf)
    step = max(1, _NUMBERS // (draws + tail * (tail_grid(tail) + 2 * len(lengths))))
    for start in range(0, measurements, step):
        part = slice(start, start + step)
        some = values[part].astype(float)
        _refuse_infinite(some, start)
        if tail >= _FEWEST_LEVELS:
            found[1, :, part] = _right_tail(some, owner, len(lengths))
            found[0, :, part] = _right_tail(np.negative(some, out=some), owner, len(lengths))
    return {name: (one[0], _widened(one)) for name, one in zip(names, found, strict=True)}


def _widened(found: np.ndarray) -> np.ndarray:
    """Move the numbers without a block away from that of all draws: the threshold did not move."""
    known = np.isfinite(found[0]) & np.isfinite(found[1:])
    whole = np.where(np.isfinite(found[0]), found[0], 0.0)
    return np.where(known, whole + _WIDENED * (np.where(known, found[1:], 0.0) - whole), found[1:])


def moments_exist(khat: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    r"""Which moments exist of a law with this tail, and which have an error that exists?

    Parameters
    ----------
    khat
        Shape of a tail, or the larger of two; ``-inf`` for no tail. Any shape.

    Returns
    -------
    tuple of np.ndarray
        The highest r <= 6 with k-hat < 1/r, and that with k-hat < 1/(2r): integers shaped as
        k-hat, 0 for none. K-hat is an estimate: with 10 000 draws its error is near
        (1 + k)/17.

    Raises
    ------
    CounterfactualError
        If a k-hat is NaN.

    Examples
    --------
    >>> moments, errors = moments_exist(np.array([-np.inf, 0.1, 0.3, 0.5, 1.1]))
    >>> moments.tolist(), errors.tolist()
    ([6, 6, 3, 1, 0], [6, 4, 1, 0, 0])
    """
    khat = np.asarray(khat, dtype=float)
    if np.isnan(khat).any():
        raise CounterfactualError(
            "got a k-hat that is NaN; expected numbers, or -inf for no tail."
        )
    orders = np.arange(1, _MOST_MOMENTS + 1)
    moments = np.count_nonzero(khat[..., None] < 1 / orders, axis=-1)
    return moments, np.count_nonzero(khat[..., None] < 1 / (2 * orders), axis=-1)


def _refuse_infinite(values: np.ndarray, start: int) -> None:
    good = np.isfinite(values)
    if not good.all():
        row, draw = np.argwhere(~good)[0]
        raise MeasurementError(
            f"got {values[row, draw]} in draw {draw} of measurement number {start + row}; "
            "expected finite draws. Leave this measurement out, or mend it in the world."
        )


def _right_tail(values: np.ndarray, owner: np.ndarray, blocks: int) -> np.ndarray:
    """Fit the largest draws of each row, all of them and without each block: (1 + block, row)."""
    draws = values.shape[1]
    first = draws - tail_number(draws) - 1
    places = np.argpartition(values, first, axis=1)[:, first:]
    heads = np.take_along_axis(values, places, 1)
    order = np.argsort(heads, axis=1)
    places, heads = (np.take_along_axis(array, order, 1) for array in (places, heads))
    rises = heads[:, 1:] > heads[:, :-1]
    found = np.full((1 + blocks, len(values)), -np.inf)
    rows = np.flatnonzero(np.count_nonzero(rises, axis=1) >= _FEWEST_LEVELS)
    heads, places, rises = heads[rows], places[rows], rises[rows]
    cutoff = heads[:, :1]
    lowest = np.take_along_axis(heads, 1 + rises.argmax(axis=1)[:, None], 1)
    tied = ~rises.all(axis=1, keepdims=True)
    threshold = np.where(tied, cutoff + (lowest - cutoff) / 2, cutoff)
    excess = np.maximum(heads[:, 1:] - threshold, 0.0)
    excess /= excess[:, -1:]
    number = np.count_nonzero(excess, axis=1)
    found[0, rows], _ = pareto_fit(excess, number=number)
    found[1:, rows] = pareto_shapes_without(excess, owner[places[:, 1:]], blocks, number=number).T
    return found
