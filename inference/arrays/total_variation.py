r"""How differently likely are the cells of a measurement in two worlds?

.. math:: \mathrm{TV} = \tfrac12 \sum_W |P_1(W) - P_0(W)|

Each distribution is estimated first, then subtracted, and the modulus taken last. What that costs
is noise, for a modulus of noise is never zero; so every estimate here comes with the value that
two samples of the same world would give, and with bounds that hold without knowing the truth.
"""

from collections.abc import Iterator

import numpy as np

from inference.arrays.blocks import widening
from inference.arrays.cells import block_counts, merge_novel, reference_edges
from inference.arrays.sign_flips import noise_floor, tail_probability

__all__ = ["FEWEST_EFFECTIVE", "ONE_SIDED", "UNSEEN", "total_variation", "variation"]

ONE_SIDED = 1.645
"""Standard normal quantile of 95 %."""
CROSS_FIT_INFLATION = np.sqrt(1 + 2 / np.pi)
UNSEEN = 3.0
"""Rule of three: what has not happened in n draws may have a probability of 3/n (at 95 %)."""
FEWEST_EFFECTIVE = 10.0
"""Chains worth fewer draws than this, stuck ones as a rule, say nothing."""
CHUNK = 2**20
WIDTHS = (24, 48)


def total_variation(
    values: np.ndarray,
    *,
    bounds: np.ndarray,
    signs: np.ndarray,
    effective: np.ndarray | float,
    draws: int | None = None,
    cells: int = 16,
) -> dict[str, np.ndarray]:
    """Compare every world with the first, the erased one, measurement by measurement.

    Measurements are taken in chunks: all temporary arrays together take some 50 MB at most, until
    a single measurement takes more. The signs are the same in every chunk.

    Parameters
    ----------
    values
        Shape (measurement, world, row); the first world is the erased one, and gives the cells.
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.
    signs
        From :func:`inference.arrays.sign_flips.random_signs`.
    effective
        Effective number of draws, one for all or of shape (world - 1, measurement).
    draws
        Number of posterior draws behind the rows; all rows by default.
    cells
        Number of equal-mass cells, beside the two tails.

    Returns
    -------
    dict of str to np.ndarray
        What :func:`variation` estimates, each of shape (world - 1, measurement).

    Examples
    --------
    >>> from inference.arrays.blocks import block_bounds
    >>> from inference.arrays.sign_flips import random_signs
    >>> noise = np.random.default_rng(0).normal(size=(1, 2, 4000))
    >>> noise[:, 1] += 1.0
    >>> bounds = block_bounds(4, 1000, effective=4000.0)
    >>> signs = random_signs(1000, len(bounds) - 1)
    >>> shifted = total_variation(noise, bounds=bounds, signs=signs, effective=4000.0)
    >>> abs(shifted["tv"].item() - 0.3829) < 0.03
    True
    """
    measurements, worlds, rows = values.shape
    found: dict[str, np.ndarray] = {}
    sizes = np.broadcast_to(effective, (worlds - 1, measurements))
    widest = 2 * (cells + 1) + 130
    step = max(1, CHUNK // max(rows, widest * (len(bounds) - 1)))
    for start in range(0, measurements, step):
        chunk = values[start : start + step]
        edges = reference_edges(chunk[:, 0], cells=cells, draws=draws)
        for members in _alike(edges):
            own = edges[members]
            own = own[:, : np.isfinite(own).sum(axis=-1).max()]
            erased = block_counts(chunk[members, 0], own, bounds)
            for world in range(1, worlds):
                let_in = block_counts(chunk[members, world], own, bounds)
                size = sizes[world - 1, start + members]
                estimates = variation(let_in, erased, signs=signs, effective=size)
                for name, estimate in estimates.items():
                    kept = found.setdefault(name, np.empty((worlds - 1, measurements)))
                    kept[world - 1, start + members] = estimate
    return found


def variation(
    let_in: np.ndarray, erased: np.ndarray, *, signs: np.ndarray, effective: np.ndarray | float
) -> dict[str, np.ndarray]:
    r"""Estimate the total variation of two worlds from their counts, with its errors.

    With d the difference of the cells' frequencies and s its signs,

    * ``plugin`` = ½ Σ \|d\|, too large by up to the floor;
    * ``floor``: its mean were the worlds the same (:func:`noise_floor`);
    * ``tv`` = sqrt(max(0, plugin² - floor²)): a modulus adds noise as lengths at right angles
      add, so subtracting the floor itself would take away a whole floor too much;
    * ``mcse``: standard error of the witness ½ Σ s d, by the spread of the blocks;
    * ``lower`` = cross-fit - 1.645 · 1.2794 · mcse - 3/ESS, the cross-fit taking the signs from
      one half of the blocks and the difference from the other: its mean is at most the truth, and
      its two directions have correlation 2/π, hence 1.2794 = sqrt(1 + 2/π);
    * ``upper`` = plugin + 1.645 · mcse + 3/ESS, as the plug-in's mean is at least the truth;
    * ``p``: chance of such a plug-in were the worlds the same (:func:`tail_probability`).

    Where blocks hold under ten effective draws, floor, mcse and the distances behind p are wider
    by :func:`~inference.arrays.blocks.widening`; under ten effective draws in all say nothing:
    mcse and p are 1, lower is 0 and upper 1.

    Blocks that all agree have ``mcse`` 0 and yet prove little about what is rare: 3/ESS, the rule
    of three, keeps both bounds from claiming what so few draws could not have seen. Added to the
    rest, it exceeds the exact Poisson bound for an event met any number of times.

    Parameters
    ----------
    let_in, erased
        Counts, shape (block, cell, measurement).
    signs
        Shape (flip, block).
    effective
        Effective number of draws, one for all or of shape (measurement,).

    Returns
    -------
    dict of str to np.ndarray
        Each of shape (measurement,) and within [0, 1].

    Examples
    --------
    >>> from inference.arrays.sign_flips import random_signs
    >>> heads, tails = np.full((20, 1), 7), np.full((20, 1), 3)
    >>> let_in, erased = np.stack([heads, tails], axis=1), np.stack([tails, heads], axis=1)
    >>> signs = random_signs(1000, 20)
    >>> coin = variation(let_in, erased, signs=signs, effective=200.0)
    >>> {name: round(float(value[0]), 3) for name, value in coin.items() if name != "p"}
    {'plugin': 0.4, 'floor': 0.0, 'tv': 0.4, 'mcse': 0.0, 'lower': 0.385, 'upper': 0.415}
    """
    lengths = erased[:, :, 0].sum(axis=1)
    blocks, rows = len(lengths), lengths.sum()
    difference = merge_novel(let_in, erased)
    total = difference.sum(axis=0)
    plugin = 0.5 * np.abs(total).sum(axis=0) / rows
    witness = 0.5 * np.einsum("bk,jbk->jk", np.sign(total), difference)
    residual = witness - plugin * lengths[:, None]
    size = np.broadcast_to(effective, plugin.shape)
    told = size >= FEWEST_EFFECTIVE
    wider = widening(np.where(told, size, FEWEST_EFFECTIVE), blocks)
    spread = np.sqrt(blocks / (blocks - 1) * np.square(residual).sum(axis=0)) / rows
    mcse = np.where(told, np.minimum(wider * spread, 1.0), 1.0)
    floor = np.minimum(wider * noise_floor(difference, lengths, signs), 1.0)
    lower = _cross_fit(difference, lengths) - ONE_SIDED * CROSS_FIT_INFLATION * mcse
    upper = plugin + ONE_SIDED * mcse
    return {
        "plugin": plugin,
        "floor": floor,
        "tv": np.sqrt(np.maximum(plugin**2 - floor**2, 0.0)),
        "mcse": mcse,
        "lower": np.clip(lower - UNSEEN / size, 0.0, 1.0),
        "upper": np.clip(upper + UNSEEN / size, 0.0, 1.0),
        "p": np.where(told, tail_probability(difference, signs, wider=wider, most=size), 1.0),
    }


def _cross_fit(difference: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Signs from one half of the blocks, difference from the other, both ways; the mean."""
    half = len(lengths) // 2
    first, second = difference[:half].sum(axis=0), difference[half:].sum(axis=0)
    forward = (np.sign(first) * second).sum(axis=0) / lengths[half:].sum()
    backward = (np.sign(second) * first).sum(axis=0) / lengths[:half].sum()
    return 0.25 * (forward + backward)


def _alike(edges: np.ndarray) -> Iterator[np.ndarray]:
    """Measurements with about as many edges, so that a coin does not pay for 64 levels."""
    width = np.searchsorted(WIDTHS, np.isfinite(edges).sum(axis=-1))
    for size in np.unique(width):
        yield np.flatnonzero(width == size)
