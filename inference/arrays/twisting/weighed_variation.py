r"""How differently likely are the cells of a measurement in two reweighed worlds?

.. math:: \mathrm{TV} = \tfrac12 \sum_W \Big| \sum_{t \in W} w_t^1 - \sum_{t \in W} w_t^0 \Big|

A cell's probability is a ratio A/m of two sums of weights, that of its draws and that of all.
What block j of draws adds to its error is, to first order, A_j - p m_j (with p = A and m = 1 over
all blocks): a block that is heavy as a whole moves nothing. The spread of these residuals gives
the error; with their signs flipped they give the floor; and taken about what both worlds have in
common, A_j - m_j (p₁ + p₀)/2, they are what the same world would show, which gives p.

With equal weights every number is that of :func:`~inference.arrays.total_variation.variation`.

``lower`` and ``upper`` are bounds as there, with the effective draws that the weights leave. They
hold as far as the tail of the weights is what the drawn worlds show (k-hat < 0.7): where M is
largest in worlds that no draw has visited, no draw can bound anything.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from inference.arrays.blocks import widening
from inference.arrays.cells import Cells, alike
from inference.arrays.reweighting import block_errors
from inference.arrays.sign_flips import FIRST, as_floor, flipped, tail_probability
from inference.arrays.total_variation import (
    CROSS_FIT_INFLATION,
    FEWEST_EFFECTIVE,
    ONE_SIDED,
    UNSEEN,
    flips_wider,
)

__all__ = ["weighed_cells", "weighed_variation", "weighed_variations"]

CHUNK = 2**21
ROUNDED = 1e-7
"""Share of a row's weight that is rounding."""
FINE = 2.0**26
"""Row weights are summed in such fractions, so that all flips are summed in double precision."""


def weighed_variations(
    values: np.ndarray,
    weights: np.ndarray,
    *,
    bounds: np.ndarray,
    signs: np.ndarray,
    effective: np.ndarray,
    worth: np.ndarray,
    draws: int | None = None,
    cells: Cells | None = None,
) -> dict[str, np.ndarray]:
    """Compare every reweighed world with the first, the erased one, measurement by measurement.

    Parameters
    ----------
    values
        Shape (measurement, world, row); the first world is the erased one, and gives the cells,
        without weights: they are the same whatever M is.
    weights
        Shape (world, row), those of a world adding up to 1.
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.
    signs
        From :func:`inference.arrays.sign_flips.random_signs`.
    effective
        Effective draws of the chains, shape (world - 1, measurement): how far blocks of draws
        resemble each other.
    worth
        Effective draws once they are weighed, of the same shape.
    draws
        Number of posterior draws behind the rows; all rows by default.
    cells
        Sixteen equally likely ones and two tails by default.

    Returns
    -------
    dict of str to np.ndarray
        What :func:`weighed_variation` estimates, each of shape (world - 1, measurement).

    Examples
    --------
    Twisting two normal worlds by exp(w/2) moves both, and leaves their distance alone.

    >>> from inference.arrays.blocks import block_bounds
    >>> from inference.arrays.sign_flips import random_signs
    >>> from inference.arrays.twisting.weighed_worlds import weighed_world
    >>> worlds = np.random.default_rng(0).normal(size=(2, 4000)) + np.array([[0.0], [1.0]])
    >>> weights = np.stack([weighed_world(0.5 * one).weights for one in worlds])
    >>> bounds = block_bounds(4, 1000, effective=4000.0)
    >>> size = np.array([[4000.0]])
    >>> found = weighed_variations(worlds[None], weights, bounds=bounds, effective=size,
    ...     worth=0.77 * size, signs=random_signs(200, len(bounds) - 1))
    >>> bool(abs(found["tv"] - 0.3829) < 4 * found["mcse"])
    True
    """
    cells = Cells() if cells is None else cells
    shape = values.shape[1] - 1, len(values)
    found: dict[str, np.ndarray] = {}
    rows = weights.shape[1]
    step = max(1, CHUNK // max(rows, (cells.most + 2) * (len(bounds) - 1)))
    for members, own in _alike(values[:, 0], cells, draws, step):
        erased, seen = weighed_cells(values[members, 0], own, weights[0], bounds)
        for world in range(1, len(weights)):
            let_in, _ = weighed_cells(values[members, world], own, weights[world], bounds)
            estimates = weighed_variation(
                let_in,
                erased,
                seen=seen,
                rows=rows,
                signs=signs,
                effective=effective[world - 1, members],
                worth=worth[world - 1, members],
            )
            for name, estimate in estimates.items():
                found.setdefault(name, np.empty(shape))[world - 1, members] = estimate
    return found


def weighed_cells(
    values: np.ndarray, edges: np.ndarray, weights: np.ndarray, bounds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How much do the draws of each block weigh in each cell?

    Parameters
    ----------
    values
        Shape (measurement, row).
    edges
        Shape (measurement, edges), from :meth:`~inference.arrays.cells.Cells.edges`.
    weights
        Shape (row,), adding up to 1.
    bounds
        Row numbers at which the blocks begin, and the end of the last.

    Returns
    -------
    tuple of np.ndarray
        Weights, shape (block, edges + 1, measurement), and whether any draw at all lies in a cell,
        shape (edges + 1, measurement): one of no weight will do.

    Examples
    --------
    >>> values, edges = np.array([[0.0, 1.0, 2.0, 9.0]]), np.array([[1.0, 5.0]])
    >>> weights, bounds = np.array([0.5, 0.5, 0.0, 0.0]), np.array([0, 2, 4])
    >>> totals, seen = weighed_cells(values, edges, weights, bounds)
    >>> totals[..., 0].tolist(), seen[:, 0].tolist()
    ([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]], [True, True, True])
    """
    blocks, number = len(bounds) - 1, edges.shape[1] + 1
    totals = np.empty((blocks, number, len(values)))
    seen = np.zeros((number, len(values)), dtype=bool)
    first = np.repeat(np.arange(blocks) * number, np.diff(bounds))
    for place, (own, cuts) in enumerate(zip(values, edges, strict=True)):
        cell = np.searchsorted(cuts, own, side="right")
        seen[:, place] = np.bincount(cell, minlength=number) > 0
        cell += first
        summed = np.bincount(cell, weights=weights, minlength=blocks * number)
        totals[:, :, place] = summed.reshape(blocks, number)
    return totals, seen


def weighed_variation(
    let_in: np.ndarray,
    erased: np.ndarray,
    *,
    seen: np.ndarray,
    rows: int,
    signs: np.ndarray,
    effective: np.ndarray,
    worth: np.ndarray,
) -> dict[str, np.ndarray]:
    r"""Estimate the total variation of two reweighed worlds, with its errors.

    Parameters
    ----------
    let_in, erased
        Weights in cells, from :func:`weighed_cells`, shape (block, cell, measurement).
    seen
        Cells that erased draws visit, shape (cell, measurement); the others are a single one.
    rows
        Rows of a world.
    signs
        From :func:`inference.arrays.sign_flips.random_signs`.
    effective, worth
        Effective draws of the chains, and of their weights; shape (measurement,).

    Returns
    -------
    dict of str to np.ndarray
        ``plugin``, ``floor``, ``tv`` = sqrt(max(0, plugin² - floor²)), ``mcse``, ``lower``,
        ``upper``, ``p``, in [0, 1], shape (measurement,). Under ten effective draws p is 1, the
        error 1, and the bounds are 0 and 1.

    Examples
    --------
    >>> from inference.arrays.sign_flips import random_signs
    >>> on = np.tile([[[0.03], [0.02]]], (20, 1, 1))
    >>> sizes = {"effective": np.array([200.0]), "worth": np.array([200.0])}
    >>> found = weighed_variation(on, on[:, ::-1], seen=np.full((2, 1), True), rows=2000,
    ...     signs=random_signs(200, 20), **sizes)
    >>> {name: round(found[name].item(), 3) for name in ("tv", "floor", "mcse", "lower")}
    {'tv': 0.2, 'floor': 0.0, 'mcse': 0.0, 'lower': 0.185}
    """
    blocks = len(erased)
    told = worth >= FEWEST_EFFECTIVE
    size = np.maximum(worth, FEWEST_EFFECTIVE)
    chains = np.maximum(effective, FEWEST_EFFECTIVE)
    wider = widening(chains, blocks)
    residual = _cleared(_residual(let_in) - _residual(erased), rows)
    merged = _merged(let_in, seen), _merged(erased, seen)
    total = _cleared((merged[0] - merged[1]).sum(axis=0), rows)
    plugin = np.minimum(0.5 * np.abs(total).sum(axis=0), 1.0)
    witness = 0.5 * (_merged(residual, seen) * np.sign(total)).sum(axis=1)
    mcse = np.where(told, np.minimum(block_errors(witness, wider), 1.0), 1.0)
    lengths = np.full(blocks, rows / blocks)
    centred = flipped(rows * residual, signs[:FIRST], lengths)[1]
    wide = flips_wider(rows * _merged(residual, seen), lengths, wider, chains)
    floor = np.minimum(wide * as_floor(centred, lengths), 1.0)
    null = _cleared(_under_null(let_in, erased), rows) * (FINE * rows)
    p = tail_probability(null, signs, wider=wide, most=size)
    lower = _cross_fit(*merged, rows) - ONE_SIDED * CROSS_FIT_INFLATION * mcse - UNSEEN / size
    upper = plugin + ONE_SIDED * mcse + UNSEEN / size
    return {
        "plugin": plugin,
        "floor": floor,
        "tv": np.sqrt(np.maximum(plugin**2 - floor**2, 0.0)),
        "mcse": mcse,
        "lower": np.where(told, np.clip(lower, 0.0, 1.0), 0.0),
        "upper": np.where(told, np.clip(upper, 0.0, 1.0), 1.0),
        "p": np.where(told, p, 1.0),
    }


def _alike(
    erased: np.ndarray, cells: Cells, draws: int | None, step: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give out numbers of measurements with about as many edges, so many at a time, and these."""
    for start in range(0, len(erased), step):
        edges = cells.edges(erased[start : start + step], draws)
        for members in alike(edges):
            own = edges[members]
            yield start + members, own[:, : max(1, np.isfinite(own).sum(axis=-1).max())]


def _residual(totals: np.ndarray) -> np.ndarray:
    """Find what each block adds to the errors of the cells; blocks add up to zero."""
    mass = totals.sum(axis=1, keepdims=True)
    return totals - totals.sum(axis=0) * mass


def _under_null(let_in: np.ndarray, erased: np.ndarray) -> np.ndarray:
    """Find what blocks add to the difference of the worlds, had both the same probabilities."""
    apart = let_in - erased
    common = 0.5 * (let_in.sum(axis=0) + erased.sum(axis=0))
    return apart - common * apart.sum(axis=1, keepdims=True)


def _merged(totals: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Join the cells that no erased draw visits to one, the last."""
    novel = np.where(seen, 0.0, totals).sum(axis=1, keepdims=True)
    return np.concatenate([np.where(seen, totals, 0.0), novel], axis=1)


def _cleared(weights: np.ndarray, rows: int) -> np.ndarray:
    """Make zeros of what is rounding."""
    return np.where(np.abs(weights) < ROUNDED / rows, 0.0, weights)


def _cross_fit(let_in: np.ndarray, erased: np.ndarray, rows: int) -> np.ndarray:
    """Signs from one half of the blocks, difference from the other, both ways; the mean."""
    middle, halves = len(erased) // 2, []
    for start, stop in pairwise((0, middle, len(erased))):
        parts = [world[start:stop].sum(axis=0) for world in (let_in, erased)]
        shares = [part / np.maximum(part.sum(axis=0), ROUNDED / rows) for part in parts]
        halves.append(_cleared(shares[0] - shares[1], rows))
    first, second = halves
    return 0.25 * (np.sign(first) * second + np.sign(second) * first).sum(axis=0)
