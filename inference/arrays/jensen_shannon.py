r"""How many bits does a coarse-grained world tell about which disciple was let in?

.. math:: I(W; S) = \sum_s \pi_s \, \mathrm{KL}(P_s \,\|\, \bar P), \qquad
          \bar P = \sum_s \pi_s P_s

the Jensen-Shannon divergence of worlds P_s with weights π_s: 0 if they are the same, the entropy
of π (log₂ K for K fair ones) if no cell is common to two of them. Of two worlds, S let in and S
erased, it is what the future tells about a fair switch X: :func:`jensen_shannon`. Of the worlds of
several disciples it is what the future tells about the goal: :func:`label_information`.

Divergences of noisy frequencies are too large: by (K - 1)(cells - 1)/(2 K n ln 2) bits for n
independent draws of each of K equal worlds, and by more or less where draws resemble their
neighbours or worlds share noise. Blocks of draws tell how much. Let a_j be the deviations of block
j's counts from the mean world, each over the root of the mean count of its cell; then

.. math:: 2 n \ln 2 \; I \approx \Big\lVert \sum_j a_j \Big\rVert^2 = \sum_{jk} G_{jk}

for small divergences (Pearson's statistic), and all that the same world would show follows from
the matrix G: its mean from the diagonal, its law from the signs ξ in ξᵀGξ, the memory of the
blocks from the first off-diagonal.
"""

from functools import lru_cache

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError
from inference.arrays.blocks import widening
from inference.arrays.sign_flips import FIRST
from inference.arrays.tails import exceedance
from inference.arrays.total_variation import FEWEST_EFFECTIVE, UNSEEN

__all__ = ["divergences", "jensen_shannon", "label_information", "weights_entropy"]

AT_ONCE = 2**20
LEVEL = 0.95
ENOUGH = 20
"""Flips that settle a probability by reaching the statistic."""
ROUNDED = 1e-12
"""Bits that are rounding."""
WITHIN = np.geomspace(0.1, 60, 400)
LEAST_WITHIN = 0.08


def divergences(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    r"""Compute how far each world's frequencies are from those of the mean world.

    .. math:: \mathrm{KL}(P_s \,\|\, \bar P) = \sum_W P_s(W) \log_2 \frac{P_s(W)}{\bar P(W)}

    Parameters
    ----------
    counts
        Shape (world, ..., cell, measurement); as many draws in every world.
    weights
        Of the worlds, adding up to 1.

    Returns
    -------
    np.ndarray
        In bits, shape (world, ..., measurement); weighted and added up, the Jensen-Shannon
        divergence of the frequencies. Not corrected for noise.

    Examples
    --------
    >>> divergences(np.array([[[4], [0]], [[2], [2]]]), np.array([0.5, 0.5])).round(3)
    array([[0.415],
           [0.208]])
    """
    mean = np.tensordot(weights, counts, axes=1)
    ratios = np.log2(np.where(counts > 0, counts, 1.0))
    ratios -= np.log2(np.where(mean > 0, mean, 1.0))
    return (counts * ratios).sum(axis=-2) / mean.sum(axis=-2)


def jensen_shannon(
    let_in: np.ndarray,
    erased: np.ndarray,
    *,
    signs: np.ndarray,
    effective: np.ndarray | float,
    weights: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Estimate how many bits the cells tell about whether the disciple was let in.

    It is I(W; X | e), and at most 1 bit, for a switch that is on half of the time. Cells that the
    erased world never visits add as much to the plug-in, whether they are merged or not.

    Parameters
    ----------
    let_in, erased
        Counts, shape (block, cell, measurement); see
        :func:`inference.arrays.cell_counts.block_counts`.
    signs
        From :func:`inference.arrays.sign_flips.random_signs`, shape (flip, block).
    effective
        Effective number of draws, one for all or of shape (measurement,).
    weights
        Of both worlds, in this order; fair by default.

    Returns
    -------
    dict of str to np.ndarray
        ``bits``, ``plugin``, ``floor``, ``mcse``, ``lower``, ``upper`` and ``p`` of
        :func:`label_information`, each of shape (measurement,).

    Examples
    --------
    >>> from inference.arrays.sign_flips import random_signs
    >>> heads, tails = np.full((20, 1), 9), np.full((20, 1), 1)
    >>> let_in, erased = np.stack([heads, tails], axis=1), np.stack([tails, heads], axis=1)
    >>> coin = jensen_shannon(let_in, erased, signs=random_signs(1000, 20), effective=200.0)
    >>> round(float(coin["bits"][0]), 4)  # 1 - h(.1), as a channel that errs one time in ten
    0.531
    """
    found = label_information(
        np.stack([let_in, erased]), signs=signs, effective=effective, weights=weights
    )
    return {name: values for name, values in found.items() if values.ndim == 1}


def label_information(
    counts: np.ndarray,
    *,
    signs: np.ndarray,
    effective: np.ndarray | float,
    weights: np.ndarray | None = None,
    wider: float = 1.0,
) -> dict[str, np.ndarray]:
    r"""Estimate how many bits the cells tell about which world they were visited in.

    * ``plugin``: the formula with frequencies for probabilities; its mean is at least the truth;
    * ``floor``: its mean were all worlds like the mean one, from G without the part that all
      blocks agree in;
    * ``bits`` = plugin - its bias, by the jackknife over blocks or the floor, whichever is less:
      the jackknife takes too much from cells of a draw or two, the floor from worlds that have
      few cells in common. Where there is nothing to see its mean is 0, so that it may lie below 0;
    * ``mcse``: standard error, by the jackknife over blocks;
    * ``lower`` = bits - t mcse, t being Student's 95 % quantile for so many blocks, less what
      would be lost if a share 3/ESS of each world's draws had come from the mean world;
    * ``upper`` = plugin + t mcse + 3/ESS of the entropy of the weights;
    * ``p``: chance of such a Pearson statistic were the worlds the same, by flipping signs;
    * ``divergence``, ``divergence_mcse``: KL(P_s \|\| mean world) in bits, corrected in the same
      way. Weighted and added up it is ``bits``.

    Worlds may share noise, or draws of the past; two that are the same draw by draw count as one
    with both weights. Where blocks hold under ten effective draws, mcse is wider by
    :func:`~inference.arrays.blocks.widening`. Bias, floor and p follow the memory that blocks have
    in common with their neighbours, or the former where they hold less than one effective draw.
    Under ten effective draws in all say nothing: p is 1, lower 0, mcse and upper the entropy.

    Parameters
    ----------
    counts
        Shape (world, block, cell, measurement); a block has as many draws in every world.
    signs
        Shape (flip, block).
    effective
        Effective number of draws, one for all or of shape (measurement,).
    weights
        Of the worlds, adding up to 1; fair by default.
    wider
        All deviations are wider by this factor, where blocks resemble each other for a reason that
        they do not show (cells that other blocks have chosen).

    Returns
    -------
    dict of str to np.ndarray
        In bits, each of shape (measurement,) but for ``divergence`` and ``divergence_mcse``, of
        shape (world, measurement). All lie between 0 and the entropy of the weights (divergences:
        log₂ 1/π_s), ``p`` between 0 and 1; bits and divergence may lie below 0 by noise.

    Raises
    ------
    CounterfactualError
        For a single world, worlds of different length, or weights that are none.

    References
    ----------
    J. Lin (1991), "Divergence measures based on the Shannon entropy", *IEEE Trans. Inf. Theory*
    37(1). F. Busing, E. Meijer and R. van der Leeden (1999), "Delete-m jackknife for unequal m",
    *Statistics and Computing* 9.

    Examples
    --------
    >>> from inference.arrays.sign_flips import random_signs
    >>> one_cell_each = np.broadcast_to(np.eye(3, dtype=int)[:, None, :, None] * 10, (3, 20, 3, 1))
    >>> goals = label_information(one_cell_each, signs=random_signs(1000, 20), effective=200.0)
    >>> [round(float(goals[name][0]), 3) for name in ("bits", "lower", "upper")]  # log2 3
    [1.585, 1.494, 1.585]
    """
    share, lengths = _refused(counts, weights)
    worlds, blocks, cells, measurements = counts.shape
    sizes = np.broadcast_to(np.asarray(effective, dtype=float), (measurements,))
    step = max(1, AT_ONCE // (worlds * blocks * cells))
    found = []
    for start in range(0, measurements, step):
        part = slice(start, start + step)
        chunk = counts[..., part].astype(float)
        found.append(_estimated(chunk, share, lengths, signs, sizes[part], wider))
    return {name: np.concatenate([f[name] for f in found], axis=-1) for name in found[0]}


def weights_entropy(weights: np.ndarray) -> float:
    """Entropy of the weights in bits: the most that can be told about which world it is.

    Examples
    --------
    >>> weights_entropy(np.full(8, 1 / 8))
    3.0
    """
    return float(special.entr(weights).sum() / np.log(2))


def _estimated(
    counts: np.ndarray,
    share: np.ndarray,
    lengths: np.ndarray,
    signs: np.ndarray,
    size: np.ndarray,
    wider: float,
) -> dict[str, np.ndarray]:
    """Estimate one chunk."""
    blocks, rows, greatest = len(lengths), lengths.sum(), weights_entropy(share)
    told, worth = size >= FEWEST_EFFECTIVE, np.maximum(size, FEWEST_EFFECTIVE)
    total = counts.sum(axis=1)
    each = divergences(total, share)
    without = divergences(total[:, None] - counts, share)
    bias = np.einsum("j,sjm->sm", 1 - lengths / rows, without) - (blocks - 1) * each
    plugin, jackknifed = share @ each, share @ bias
    gram = _gram(counts, share)
    scale, inflation, memory = _same_world(gram, lengths, worth)
    floor = np.minimum(inflation * wider**2 * scale, greatest)
    least = np.clip(inflation * wider**2 * jackknifed, 0.0, floor)
    part = least / np.where(jackknifed > 0, jackknifed, 1.0)
    widened = wider * widening(worth, blocks)
    spread = _spread(plugin, np.tensordot(share, without, axes=1), lengths)
    mcse = np.where(told, np.minimum(widened * spread, greatest), greatest)
    apart = widened * np.stack(
        [_spread(*pair, lengths) for pair in zip(each, without, strict=True)]
    )
    unseen = np.minimum(UNSEEN / size, 1.0)
    mixed = (1 - unseen) * total + unseen * np.tensordot(share, total, axes=1)
    lost = plugin - share @ divergences(mixed, share)
    bits, off = (
        _rounded(np.minimum(plugin - least, greatest)),
        special.stdtrit(blocks - 1, LEVEL) * mcse,
    )
    most = -np.log2(share)[:, None]
    return {
        "bits": bits,
        "plugin": np.clip(_rounded(plugin), 0.0, greatest),
        "floor": floor,
        "mcse": mcse,
        "lower": np.where(told, np.clip(bits - off - lost, 0.0, greatest), 0.0),
        "upper": np.minimum(plugin + off + unseen * greatest, greatest),
        "p": np.where(told, _chance(gram, signs, memory * wider**2, size), 1.0),
        "divergence": _rounded(each - part * bias),
        "divergence_mcse": np.where(told, np.minimum(apart, most), most),
    }


def _refused(counts: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the worlds and lengths of their blocks, if they are such."""
    if counts.ndim != 4 or len(counts) < 2:
        raise CounterfactualError(
            f"got counts of shape {counts.shape}; expected (world, block, cell, measurement), and "
            "two worlds at least."
        )
    lengths = counts[0, :, :, 0].sum(axis=1, dtype=np.int64)
    if (counts.sum(axis=2, dtype=np.int64) != lengths[:, None]).any():
        raise CounterfactualError(
            "got blocks of other lengths in other worlds; expected the same."
        )
    share = np.full(len(counts), 1 / len(counts)) if weights is None else np.asarray(weights)
    if share.shape != (len(counts),) or not (share > 0).all() or abs(share.sum() - 1) > 1e-9:
        raise CounterfactualError(
            f"got weights {share.tolist()}; expected {len(counts)} positive ones that add up to 1."
        )
    return share.astype(float), lengths


def _gram(counts: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Products of the blocks' deviations from the mean world, (measurement, block, block)."""
    mean = np.tensordot(share, counts, axes=1)
    cell = mean.sum(axis=0)
    apart = (counts - mean) * np.sqrt(share / 2)[:, None, None, None]
    apart /= np.sqrt(np.where(cell > 0, cell * cell.sum(axis=0) * np.log(2), 1.0))
    flat = np.moveaxis(apart, (3, 1), (0, 1)).reshape(apart.shape[3], apart.shape[1], -1)
    return flat @ flat.swapaxes(1, 2)


def _same_world(
    gram: np.ndarray, lengths: np.ndarray, worth: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimate what the same world shows, and how much more slow blocks and slow flips do."""
    blocks = len(lengths)
    centre = np.eye(blocks) - np.repeat(lengths / lengths.sum(), blocks).reshape(blocks, blocks)
    centred = centre @ gram @ centre.T
    squares = np.trace(centred, axis1=1, axis2=2)
    products = np.trace(centred, offset=1, axis1=1, axis2=2)
    alike, inflation, memory = _memory(blocks)
    neighbours = products / np.where(squares > 0, squares, 1.0)
    # Blocks of less than an effective draw do not show how slow they are.
    belief = np.minimum(worth / blocks, 1.0)
    slow = widening(worth, blocks) ** (2 * (1 - belief))
    grown, longer = (np.interp(neighbours, alike, known) for known in (inflation, memory))
    scale = squares * blocks / (blocks - 1)
    return scale, grown**belief * slow, np.maximum(longer, 1.0) ** belief * slow


@lru_cache(maxsize=32)
def _memory(blocks: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Resemblance of centred neighbours, and variance of sums over that of independent blocks.

    The variance is that of centred blocks, then that of blocks as they are; all for series of
    exponential autocorrelation. Chance may make neighbours less alike than independent ones: there
    the line goes on, so that the mean is right.
    """
    doubled = 2 * WITHIN[::-1]
    inside = 1 + np.expm1(-doubled) / doubled
    long = 1 / inside[inside - 1 / blocks > LEAST_WITHIN]
    doubled = doubled[: len(long)]
    next_one = np.expm1(-doubled) ** 2 / (2 * (doubled + np.expm1(-doubled)))
    alike = (blocks - 1) * (next_one - long / blocks) / (blocks - long)
    inflation = (1 - 1 / blocks) / (1 / long - 1 / blocks)
    independent = -1 / blocks
    below = independent - 0.4
    return (
        np.array([below, independent, *alike]),
        np.array([0.2, 1.0, *inflation]),
        np.array([0.2, 1.0, *long]),
    )


def _chance(
    gram: np.ndarray, signs: np.ndarray, wider: np.ndarray, most: np.ndarray
) -> np.ndarray:
    """How often would flipped blocks show as much? Never less than if all agree by chance."""
    observed = gram.sum(axis=(1, 2)) / wider
    chance, left = np.ones(len(gram)), np.arange(len(gram))
    for stop in sorted({min(FIRST, len(signs)), len(signs)}):
        own = signs[:stop].astype(float)
        room = max(1, AT_ONCE // own.size)
        shown = np.empty((len(left), stop))
        for start in range(0, len(left), room):
            part = slice(start, start + room)
            shown[part] = ((own @ gram[left[part]]) * own).sum(axis=2)
        chance[left], reached = exceedance(shown, observed[left])
        left = left[reached < ENOUGH]
    differing = np.count_nonzero(np.diagonal(gram, axis1=1, axis2=2) > ROUNDED**2, axis=1)
    least = 2.0 ** (1 - np.maximum(np.minimum(differing, most), 1))
    return np.where(differing > 0, np.clip(chance, least, 1.0), 1.0)


def _spread(whole: np.ndarray, without: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Estimate a standard error by the jackknife over blocks of unequal length."""
    held = (lengths.sum() / lengths)[:, None]
    pseudo = held * whole - (held - 1) * without
    return np.sqrt((np.square(pseudo - pseudo.mean(axis=0)) / (held - 1)).mean(axis=0))


def _rounded(bits: np.ndarray) -> np.ndarray:
    return np.where(np.abs(bits) > ROUNDED, bits, 0.0)
