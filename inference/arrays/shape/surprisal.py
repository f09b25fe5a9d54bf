r"""Is the future as uncertain as before, whatever it is that has become likely?

How surprising a world is, I = -log P(W), does not depend on what the world is called: its mean is
the entropy, its variance the varentropy. And the least total variation over all ways to relabel
worlds is reached by matching the likeliest with the likeliest,

.. math:: \tfrac12 \sum_i |p^1_{(i)} - p^0_{(i)}| = \min_\pi \mathrm{TV}(\pi P_1, P_0) \le
    \mathrm{TV}(P_1, P_0),

with the frequencies of each world in order. All of these are blind to peace and war changing
places, by construction. They need cells of equal base measure (:meth:`Cells.width
<inference.arrays.cells.Cells.width>`, or levels): in equally likely ones the erased world is flat,
and nothing is left to rearrange.

A grid falls differently on a law that has moved by half a cell: a normal one shows up to .05 in
cells of a quarter deviation, and its shape is the same. Cells that are finer by a factor K, pooled
again in sliding windows of K neighbours, show 1/K of that, and no more noise than the wide ones;
but a jump of the density is blurred by a window (normal against exponential: .22 instead of .25).
What half a fine cell can still show, ½ (½ Σ |jumps from a window to the next|)/K, is taken away as
the floor is, at right angles. Four suffice.
"""

import numpy as np

from counterfactual_models.errors import CounterfactualError, refuse_counts
from inference.arrays.blocks import widening
from inference.arrays.shape.jackknife import Estimate
from inference.arrays.sign_flips import FIRST
from inference.arrays.tails import FEWEST_EXCEEDANCES, exceedance
from inference.arrays.total_variation import FEWEST_EFFECTIVE, flips_wider

__all__ = ["rearranged_tv", "surprisal_descriptors"]

AT_ONCE = 2**19
"""Numbers worked on at once; a few arrays of this size are held."""
SECOND = 1000
"""Flips of the measurements that the first two hundred do not settle."""
FLAT = 1e-20
"""A varentropy below this is rounding: all cells that are visited are equally likely."""
ROUNDED, ROUNDING = 1e-9, 1e-9


def surprisal_descriptors(
    counts: np.ndarray, log_width: np.ndarray | float
) -> dict[str, Estimate]:
    r"""Describe how surprising worlds are: on average, how variably, and how lopsidedly.

    With frequencies p of m visited cells and n draws,

    * ``entropy`` = -Σ p log p + (m - 1)/2n (Miller and Madow's correction) + log of the width of
      a cell: in nats, the differential entropy of a density, as far as its cells show;
    * ``varentropy`` = Σ p (I - mean)², in nats²: 1/2 for a normal law, 1 for an exponential one, 0
      for a uniform one, whatever their scale;
    * ``surprisal_skewness`` = Σ p (I - mean)³/varentropy^{3/2}: √8 for a normal law, 2 for an
      exponential one; some 4 % low at ten thousand draws, for want of tails.

    Cells of a quarter deviation add .003 nats to the entropy of a normal law; a density that
    jumps in the midst of a cell loses up to a tenth of its varentropy.

    Parameters
    ----------
    counts
        Draws of one world in cells of equal base measure, shape (block, cell, measurement); see
        :func:`inference.arrays.cell_counts.block_counts`.
    log_width
        Logarithm of the width of a cell, one for all or of shape (measurement,), in the unit that
        the entropy is wanted in; 0 for levels, which are counted.

    Returns
    -------
    dict of str to tuple of np.ndarray
        Each of all draws, shape (measurement,), and of all but those of one block, shape (block,
        measurement). The skewness is NaN where the varentropy is 0.

    Raises
    ------
    CounterfactualError
        Where fewer than two blocks have draws: none would be left without the only one.

    References
    ----------
    G. A. Miller (1955), "Note on the bias of information estimates", in *Information Theory in
    Psychology*.

    Examples
    --------
    >>> dice = np.full((20, 6, 1), 50)
    >>> found = surprisal_descriptors(dice, 0.0)
    >>> round(float(np.exp(found["entropy"][0][0])), 2), found["varentropy"][0]
    (6.0, array([0.]))
    """
    blocks, cells, measurements = counts.shape
    if (np.count_nonzero(counts.any(axis=1), axis=0) < 2).any():
        raise CounterfactualError(
            "got draws in fewer than two blocks; expected draws in at least two. Cut the draws "
            "into blocks with inference.arrays.blocks.block_bounds."
        )
    names = "entropy", "varentropy", "surprisal_skewness"
    found = {name: (np.empty(measurements), np.empty((blocks, measurements))) for name in names}
    log_widths = np.broadcast_to(np.asarray(log_width, dtype=float), (measurements,))
    step = max(1, AT_ONCE // (blocks * cells))
    for start in range(0, measurements, step):
        part = slice(start, start + step)
        described = _moments_of_surprisal(counts[..., part])
        described[0] += log_widths[part]
        for name, moment in zip(names, described, strict=True):
            found[name][0][part], found[name][1][:, part] = moment[0], moment[1:]
    return found


def rearranged_tv(
    let_in: np.ndarray,
    erased: np.ndarray,
    *,
    signs: np.ndarray,
    effective: np.ndarray | float,
    window: int = 1,
    places: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    r"""Estimate the least total variation over all relabellings of worlds, with its errors.

    * ``plugin`` = ½ Σ \|p1_(i) - p0_(i)\| of the frequencies in order; at most that of the cells
      as they are labelled;
    * ``floor``: its mean were the worlds the same. Flipping the signs of what blocks say of the
      difference swaps the worlds in some of the blocks; both are then put in order anew. The
      differences are centred first, so that an effect does not pass for noise;
    * ``tv`` = sqrt(max(0, plugin² - floor²)), less what a moved grid shows where cells are pooled;
    * ``mcse``: standard error by the spread of the blocks, order and signs being held fixed;
    * ``p``: chance of such a plug-in were it noise, from two hundred flips, and a thousand where
      these do not settle it; never below 2^(1 - J') for J' blocks that differ. It is the shapes
      that are compared, so flips are of differences about their mean here too.

    Where blocks hold under ten effective draws, the error is wider by
    :func:`~inference.arrays.blocks.widening` and floor and p as in
    :func:`~inference.arrays.total_variation.variation`. Under ten effective draws in all say
    nothing: p and mcse are 1.

    Parameters
    ----------
    let_in, erased
        Counts of both worlds in cells of equal base measure, shape (block, cell, measurement); a
        block has as many draws in either world.
    signs
        From :func:`inference.arrays.sign_flips.random_signs`, shape (flip, block).
    effective
        Effective number of draws, one for all or of shape (measurement,).
    window
        Neighbouring cells that are pooled, K; 1 for levels. See the top of this file.
    places
        Whole numbers of the cells, ascending, where empty ones are left out; shape (cell,).

    Returns
    -------
    dict of str to np.ndarray
        ``plugin``, ``floor``, ``tv``, ``mcse`` and ``p``, each of shape (measurement,) and within
        [0, 1]. Changed names of one world's cells leave plugin and mcse as they are (unless
        neighbours are pooled).

    Raises
    ------
    CounterfactualError
        For worlds whose blocks differ in length, a window or places that cannot be.

    Examples
    --------
    >>> from inference.arrays.sign_flips import random_signs
    >>> peace, war = np.full((20, 1), 9), np.full((20, 1), 1)
    >>> erased, swapped = np.stack([peace, war], axis=1), np.stack([war, peace], axis=1)
    >>> signs = random_signs(1000, 20)
    >>> rearranged_tv(swapped, erased, signs=signs, effective=200.0)["tv"]
    array([0.])
    >>> settled = np.stack([war + peace, 0 * war], axis=1)
    >>> rearranged_tv(settled, erased, signs=signs, effective=200.0)["tv"].round(6)
    array([0.1])
    """
    refuse_counts(1, window=window)
    lengths = _matching_lengths(let_in, erased)
    let_in, erased = (_spaced(world, places, window) for world in (let_in, erased))
    measurements = let_in.shape[2]
    sizes = np.broadcast_to(np.asarray(effective, dtype=float), (measurements,))
    step = max(1, AT_ONCE // (FIRST * let_in.shape[1]))
    found = []
    for start in range(0, measurements, step):
        part = slice(start, start + step)
        on, off = (_pooled(world[..., part], window) for world in (let_in, erased))
        grain = np.minimum(_grain(on, window), _grain(off, window))
        visited = on.any(axis=(0, 2)) | off.any(axis=(0, 2))
        on, off = on[:, visited], off[:, visited]
        found.append(_rearranged(on, off, lengths * window, signs, sizes[part], grain))
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}


def _matching_lengths(let_in: np.ndarray, erased: np.ndarray) -> np.ndarray:
    """Count the rows of each block, or refuse worlds that were not counted alike."""
    lengths = erased[:, :, 0].sum(axis=1, dtype=np.int64)
    if let_in.shape != erased.shape or (let_in[:, :, 0].sum(axis=1) != lengths).any():
        raise CounterfactualError(
            f"got worlds of shapes {let_in.shape} and {erased.shape}, or with other draws in "
            "their blocks; expected the same blocks, cells and measurements. Count both worlds "
            "with the same edges and bounds."
        )
    return lengths


def _spaced(counts: np.ndarray, places: np.ndarray | None, window: int) -> np.ndarray:
    """Put back empty cells between others, as many as windows can tell apart."""
    if window == 1 or places is None:
        return counts
    if np.shape(places) != counts.shape[1:2] or (np.diff(places) < 1).any():
        raise CounterfactualError(
            f"got places of shape {np.shape(places)} for {counts.shape[1]} cells; expected one "
            "whole number for each, ascending."
        )
    gaps = np.minimum(np.diff(places, prepend=places[:1]), 2 * window).astype(int)
    found = np.zeros((len(counts), gaps.sum() + 1, counts.shape[2]), dtype=counts.dtype)
    found[:, np.cumsum(gaps)] = counts
    return found


def _pooled(counts: np.ndarray, window: int) -> np.ndarray:
    """Add up so many neighbouring cells, wherever they begin; each draw is in all its windows."""
    blocks, cells, measurements = counts.shape
    found = np.zeros((blocks, cells + window - 1, measurements), dtype=np.int32)
    for place in range(window):
        found[:, place : place + cells] += counts
    return found


def _grain(pooled: np.ndarray, window: int) -> np.ndarray:
    """How much can a world show that has moved by half a cell? Windows hold all it has to tell."""
    if window == 1:
        return np.zeros(pooled.shape[2])
    total = np.pad(pooled.sum(axis=0, dtype=np.int64), ((window, window), (0, 0)))
    jumps = np.abs(total[window:] - total[:-window]).sum(axis=0)
    return jumps / (4 * window * total.sum(axis=0))


def _moments_of_surprisal(counts: np.ndarray) -> np.ndarray:
    """Entropy, varentropy and skewness, (3, 1 + block, measurement): all draws, then without."""
    total = counts.sum(axis=0, dtype=np.int64)
    kept = np.concatenate([total[None], total - counts]).astype(float)
    draws = kept.sum(axis=1)
    surprise = np.log(np.where(kept > 0, kept, 1.0))
    np.subtract(np.log(draws)[:, None], surprise, out=surprise)
    share = kept / draws[:, None]
    entropy = np.einsum("jck,jck->jk", share, surprise)
    surprise -= entropy[:, None]
    share *= surprise
    varentropy = np.einsum("jck,jck->jk", share, surprise)
    share *= surprise
    third = np.einsum("jck,jck->jk", share, surprise)
    varies = varentropy > FLAT
    skewness = np.where(varies, third / np.where(varies, varentropy, 1.0) ** 1.5, np.nan)
    entropy += (np.count_nonzero(kept, axis=1) - 1) / (2 * draws)
    return np.stack([entropy, np.where(varies, varentropy, 0.0), skewness])


def _rearranged(
    let_in: np.ndarray,
    erased: np.ndarray,
    lengths: np.ndarray,
    signs: np.ndarray,
    size: np.ndarray,
    grain: np.ndarray,
) -> dict[str, np.ndarray]:
    """Estimate what :func:`rearranged_tv` gives, for a chunk of measurements."""
    blocks, rows = len(lengths), lengths.sum()
    on, off = (world.sum(axis=0, dtype=np.int64).T for world in (let_in, erased))
    distance = 0.5 * np.abs(np.sort(on, axis=1) - np.sort(off, axis=1)).sum(axis=1)
    told = size >= FEWEST_EFFECTIVE
    worth = np.maximum(size, FEWEST_EFFECTIVE)
    wider = widening(worth, blocks)
    difference = np.subtract(let_in, erased, dtype=np.int32)
    wide = flips_wider(difference, lengths, wider, worth)
    across = np.ascontiguousarray(difference.transpose(0, 2, 1))
    norms = _flipped(across, on + off, signs[:FIRST], lengths)
    floor = np.minimum(wide * norms.mean(axis=1) / rows, 1.0)
    plugin = distance / rows
    beyond = np.sqrt(np.maximum(plugin**2 - grain**2, 0.0)) * rows / wide
    chance, reached = exceedance(norms, beyond, rounding=ROUNDED)
    left = np.flatnonzero(reached < FEWEST_EXCEEDANCES)
    more = signs[FIRST:SECOND]
    if len(left) and len(more):
        rest = [_flipped(across[:, [one]], (on + off)[[one]], more, lengths) for one in left]
        every = np.concatenate([norms[left], np.concatenate(rest)], axis=1)
        chance[left] = exceedance(every, beyond[left], rounding=ROUNDED)[0]
    differing = np.minimum(np.count_nonzero(across.any(axis=2), axis=0), size)
    chance = np.clip(chance, 2.0 ** (1 - np.maximum(differing, 1)), 1.0)
    error = wider * _spread(let_in, erased, on, off, lengths)
    return {
        "plugin": plugin,
        "floor": floor,
        "tv": np.sqrt(np.maximum(plugin**2 - grain**2 - floor**2, 0.0)),
        "mcse": np.where(told, np.minimum(error, 1.0), 1.0),
        "p": np.where(told, chance, 1.0),
    }


def _flipped(
    difference: np.ndarray, both: np.ndarray, signs: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """Rearranged distances, in draws, after flips: (measurement, flip).

    `difference` is (block, measurement, cell) and `both`, the sum of the worlds, (measurement,
    cell). Differences are about their mean: worlds may differ, and have one shape.
    """
    blocks, measurements, cells = difference.shape
    centred = difference.reshape(blocks, -1).astype(np.float64)
    centred -= (lengths / lengths.sum())[:, None] * centred.sum(axis=0)
    centred *= np.sqrt(blocks / (blocks - 1))
    # Blocks that all agree leave nothing but rounding.
    centred[np.abs(centred) < ROUNDING] = 0.0
    sums = (signs.astype(np.float64) @ centred).reshape(len(signs), measurements, cells)
    return _apart(both.astype(np.float64), sums)


def _apart(pool: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Rearranged distance of the worlds (pool + sums)/2 and (pool - sums)/2, (measurement, flip).

    Centring may leave a cell less than nothing, which is taken for nothing.
    """
    first, second = np.maximum(pool + sums, 0), np.maximum(pool - sums, 0)
    first.sort(axis=2)
    second.sort(axis=2)
    first -= second
    np.abs(first, out=first)
    return np.ascontiguousarray(first.sum(axis=2).T) / 4


def _spread(
    let_in: np.ndarray, erased: np.ndarray, on: np.ndarray, off: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """Estimate the error of the sum over ranks; its signs and the rank of cells are held fixed."""
    blocks, rows = len(lengths), lengths.sum()
    ranked = np.argsort(on, axis=1), np.argsort(off, axis=1)
    sorted_on, sorted_off = (
        np.take_along_axis(world, order, axis=1)
        for world, order in zip((on, off), ranked, strict=True)
    )
    sign = np.sign(sorted_on - sorted_off).astype(float)
    weights = [
        _of_cells(sign, world, order)
        for world, order in zip((sorted_on, sorted_off), ranked, strict=True)
    ]
    said = np.einsum("kc,jck->jk", weights[0], let_in) - np.einsum(
        "kc,jck->jk", weights[1], erased
    )
    residual = 0.5 * (said - said.sum(axis=0) * (lengths / rows)[:, None])
    return np.sqrt(blocks / (blocks - 1) * np.square(residual).sum(axis=0)) / rows


def _of_cells(sign: np.ndarray, ranked: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Hand signs of ranks to the cells that hold these; cells that tie share theirs."""
    fresh = np.ones(ranked.shape, dtype=bool)
    fresh[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    group = np.cumsum(fresh) - 1
    shared = (np.bincount(group, sign.ravel()) / np.bincount(group))[group]
    found = np.empty_like(sign)
    np.put_along_axis(found, order, shared.reshape(sign.shape), axis=1)
    return found
