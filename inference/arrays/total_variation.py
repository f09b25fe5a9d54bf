r"""How differently likely are the cells of a measurement in two worlds?

.. math:: \mathrm{TV} = \tfrac12 \sum_W |P_1(W) - P_0(W)|

Each distribution is estimated first, then subtracted, and the modulus taken last. What that costs
is noise, for a modulus of noise is never zero; so every estimate here comes with the value that
two samples of the same world would give, and with bounds that hold without knowing the truth.

Where blocks hold under ten effective draws, standard errors are wider by
:func:`~inference.arrays.blocks.widening`. Floors and p-values need less, for most cells come and
go faster than the level that they are cells of: these are widened by what neighbouring blocks have
in common, or by the former if that is less.

Blocks that all agree have no spread and yet prove little about what is rare. Three over the number
of effective draws, the rule of three, keeps bounds from claiming what so few draws could not have
seen. Added to the rest, it exceeds the exact Poisson bound for an event met any number of times.
"""

from collections.abc import Sequence

import numpy as np

from inference.arrays.blocks import widening
from inference.arrays.cell_counts import block_counts, merge_novel
from inference.arrays.cells import Cells, alike
from inference.arrays.multiplicity import Family
from inference.arrays.sign_flips import FIRST, as_floor, flipped, tail_probability

__all__ = [
    "FEWEST_EFFECTIVE",
    "ONE_SIDED",
    "UNSEEN",
    "flips_wider",
    "total_variation",
    "variation",
]

ONE_SIDED = 1.645
"""Standard normal quantile of 95 %."""
CROSS_FIT_INFLATION = np.sqrt(1 + 2 / np.pi)
UNSEEN = 3.0
"""Rule of three: what has not happened in n draws may have a probability of 3/n (at 95 %)."""
FEWEST_EFFECTIVE = 10.0
"""Chains worth fewer draws than this, stuck ones as a rule, say nothing."""
CHUNK = 2**21
WITHIN = np.geomspace(0.02, 60, 400)
RESEMBLANCE = np.expm1(-2 * WITHIN) ** 2 / (2 * (2 * WITHIN + np.expm1(-2 * WITHIN)))
"""Correlation of neighbouring blocks that hold so many effective draws."""


def total_variation(
    values: np.ndarray,
    *,
    bounds: np.ndarray,
    signs: np.ndarray,
    effective: np.ndarray | float,
    draws: int | None = None,
    cells: Cells | None = None,
    families: Sequence[Family] = (),
) -> dict[str, np.ndarray]:
    """Compare every world with the first, the erased one, measurement by measurement.

    Measurements are taken in chunks: all temporary arrays together take some 50 MB at most, until
    a single measurement takes more. The signs are the same in every chunk, and no number depends
    on the chunk.

    Parameters
    ----------
    values
        Shape (measurement, world, row); the first world is the erased one, and gives the cells.
        Laid out in memory either way; float32 takes half the time of float64.
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.
    signs
        From :func:`inference.arrays.sign_flips.random_signs`.
    effective
        Effective number of draws, one for all or of shape (world - 1, measurement).
    draws
        Number of posterior draws behind the rows; all rows by default.
    cells
        Sixteen equally likely ones and two tails by default.
    families
        One for each world but the first, told of every measurement.

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
    cells = Cells() if cells is None else cells
    found: dict[str, np.ndarray] = {}
    sizes = np.broadcast_to(effective, (worlds - 1, measurements))
    step = max(1, CHUNK // max(rows, (cells.most + 2) * (len(bounds) - 1)))
    for start in range(0, measurements, step):
        chunk = values[start : start + step]
        edges = cells.edges(chunk[:, 0], draws)
        for members in alike(edges):
            own = edges[members]
            own = own[:, : max(1, np.isfinite(own).sum(axis=-1).max())]
            chosen = chunk if len(members) == len(chunk) else chunk[members]
            erased = block_counts(chosen[:, 0], own, bounds)
            for world in range(1, worlds):
                estimates = variation(
                    block_counts(chosen[:, world], own, bounds),
                    erased,
                    signs=signs,
                    effective=sizes[world - 1, start + members],
                    family=families[world - 1] if families else None,
                )
                for name, estimate in estimates.items():
                    kept = found.setdefault(name, np.empty((worlds - 1, measurements)))
                    kept[world - 1, start + members] = estimate
    return found


def variation(
    let_in: np.ndarray,
    erased: np.ndarray,
    *,
    signs: np.ndarray,
    effective: np.ndarray | float,
    family: Family | None = None,
) -> dict[str, np.ndarray]:
    r"""Estimate the total variation of two worlds from their counts, with its errors.

    With d the difference of the cells' frequencies and s its signs,

    * ``plugin`` = ½ Σ \|d\|, too large by up to the floor;
    * ``floor``: its mean were the worlds the same (:func:`noise_floor`);
    * ``tv`` = sqrt(max(0, plugin² - floor²)): noise adds as lengths at right angles add, so
      subtracting the floor itself would take away a whole floor too much;
    * ``mcse``: standard error of the witness ½ Σ s d, by the spread of the blocks;
    * ``lower`` = cross-fit - 1.645 · 1.2794 · mcse - 3/ESS, the cross-fit taking the signs from
      one half of the blocks and the difference from the other: its mean is at most the truth, and
      its two directions have correlation 2/π, hence 1.2794 = sqrt(1 + 2/π);
    * ``upper`` = plugin + 1.645 · mcse + 3/ESS, as the plug-in's mean is at least the truth;
    * ``p``: chance of such a plug-in were the worlds the same (:func:`tail_probability`);
    * ``z``: how many deviations of its flips the plug-in lies above their mean.

    Under ten effective draws in all say nothing: mcse and p are 1, lower is 0, upper 1 and z minus
    infinity.

    Parameters
    ----------
    let_in, erased
        Counts, shape (block, cell, measurement).
    signs
        Shape (flip, block).
    effective
        Effective number of draws, one for all or of shape (measurement,).
    family
        Told of these measurements, for what is asked of all of them together.

    Returns
    -------
    dict of str to np.ndarray
        Each of shape (measurement,) and, but for z, within [0, 1].

    Examples
    --------
    >>> from inference.arrays.sign_flips import random_signs
    >>> heads, tails = np.full((20, 1), 7), np.full((20, 1), 3)
    >>> let_in, erased = np.stack([heads, tails], axis=1), np.stack([tails, heads], axis=1)
    >>> signs = random_signs(1000, 20)
    >>> coin = variation(let_in, erased, signs=signs, effective=200.0)
    >>> {name: round(float(value[0]), 3) for name, value in coin.items() if name not in "pz"}
    {'plugin': 0.4, 'floor': 0.0, 'tv': 0.4, 'mcse': 0.0, 'lower': 0.385, 'upper': 0.415}
    """
    lengths = erased[:, :, 0].sum(axis=1, dtype=np.int64)
    blocks, rows = len(lengths), lengths.sum()
    difference = merge_novel(let_in, erased)
    total = difference.sum(axis=0)
    distance = 0.5 * np.abs(total).sum(axis=0)
    plugin = distance / rows
    size = np.broadcast_to(effective, plugin.shape)
    told = size >= FEWEST_EFFECTIVE
    worth = np.maximum(size, FEWEST_EFFECTIVE)
    wider = widening(worth, blocks)
    mcse = np.where(told, np.minimum(wider * _spread(difference, total, lengths), 1.0), 1.0)
    apart = _unmerged(let_in, erased)
    norms, centred = flipped(apart, signs[:FIRST], lengths)
    wide = flips_wider(difference, lengths, wider, worth)
    floor = np.minimum(wide * as_floor(centred, lengths), 1.0)
    lower = _cross_fit(difference, lengths) - ONE_SIDED * CROSS_FIT_INFLATION * mcse
    p = tail_probability(apart, signs, wider=wide, most=size, first=norms)
    return {
        "plugin": plugin,
        "floor": floor,
        "tv": np.sqrt(np.maximum(plugin**2 - floor**2, 0.0)),
        "mcse": mcse,
        "lower": np.clip(lower - UNSEEN / size, 0.0, 1.0),
        "upper": np.clip(plugin + ONE_SIDED * mcse + UNSEEN / size, 0.0, 1.0),
        "p": np.where(told, p, 1.0),
        "z": (family or Family()).update(distance, norms, wider=np.where(told, wide, np.inf)),
    }


def _unmerged(let_in: np.ndarray, erased: np.ndarray) -> np.ndarray:
    """Subtract the worlds in all cells: one world alone chose which are novel.

    Signs are flipped before that choice; after it, the same world would look too much alike.
    """
    apart = np.subtract(let_in, erased, dtype=np.int32)
    differing = apart.any(axis=(0, 2))
    differing[0] = True
    return apart[:, differing]


def _spread(difference: np.ndarray, total: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Estimate the standard error of the witness by the spread of its blocks."""
    blocks, rows = len(lengths), lengths.sum()
    signs = np.sign(total)
    twice = np.stack([(signs * block).sum(axis=0) for block in difference], axis=-1)
    residual = 0.5 * (twice - twice.sum(axis=-1, keepdims=True) * (lengths / rows))
    return np.sqrt(blocks / (blocks - 1) * np.square(residual).sum(axis=-1)) / rows


def flips_wider(
    difference: np.ndarray, lengths: np.ndarray, wider: np.ndarray, size: np.ndarray
) -> np.ndarray:
    r"""By how much are distances of flipped blocks too short, neighbours being alike?

    Blocks of b effective draws of an exponential memory have the correlation r(b) = (1 -
    exp(-2b))² / 2(2b - 1 + exp(-2b)) with the next. That of the vectors of counts is far better
    known than a single series', and is believed as far as a block holds an effective draw.

    Parameters
    ----------
    difference
        Counts of one world minus counts of the other, shape (block, cell, measurement).
    lengths
        Rows in each block.
    wider, size
        :func:`~inference.arrays.blocks.widening` and the effective draws it is of, (measurement,).

    Returns
    -------
    np.ndarray
        From 1 to `wider`, shape (measurement,).

    Examples
    --------
    >>> apart = np.random.default_rng(0).integers(-9, 9, size=(20, 4, 2))
    >>> flips_wider(apart, np.full(20, 50), np.ones(2), np.full(2, 1000.0))
    array([1., 1.])
    """
    blocks, rows = len(lengths), lengths.sum()
    slow = np.flatnonzero(wider > 1)
    wide = np.array(wider, dtype=float)
    if not len(slow):
        return wide
    chosen = np.resize(slow, max(2, len(slow)))  # numpy adds a lone column in its own order
    squares, products = np.zeros((2, len(chosen)))
    share = difference[:, :, chosen].sum(axis=0) / rows
    before = np.zeros_like(share)
    for block, length in zip(difference, lengths, strict=True):
        now = block[:, chosen] - share * length
        squares += np.square(now).sum(axis=0)
        products += (now * before).sum(axis=0)
        before = now
    # Centring alone makes blocks differ by one in J.
    alike = products / np.where(squares > 0, squares, 1.0) + 1 / blocks
    within = np.interp(-alike, -RESEMBLANCE, WITHIN)[: len(slow)]
    own = np.minimum(widening(blocks * within, blocks), wider[slow])
    belief = np.minimum(size[slow] / blocks, 1.0)
    wide[slow] = own**belief * wider[slow] ** (1 - belief)
    return wide


def _cross_fit(difference: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Signs from one half of the blocks, difference from the other, both ways; the mean."""
    half = len(lengths) // 2
    first, second = difference[:half].sum(axis=0), difference[half:].sum(axis=0)
    forward = (np.sign(first) * second).sum(axis=0) / lengths[half:].sum()
    backward = (np.sign(second) * first).sum(axis=0) / lengths[:half].sum()
    return 0.25 * (forward + backward)
