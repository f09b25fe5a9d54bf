r"""Which disciple's world does a draw come from, as other draws have taught?

.. math:: I(W; S) \ge I(\hat S(W); S)

for whatever label Ŝ was learnt from other draws: what is computed from a world tells no more than
the world. With the label goes how confidently it is told, in four steps.

Each half of the draws is labelled by what the other has taught (:mod:`~.halves`). Every world is
learnt against the mean of all worlds, by the kinds of :mod:`inference.arrays.witnesses`; the label
is the world that a draw speaks for most. Confidence is cut at the quartiles of the draws that are
labelled, all worlds together, which gives away nothing of where they come from.

Where there is nothing to see, what one half teaches of the other agrees with what the other
teaches of it: of the cells - 1 ways in which a world's labels can deviate, one agrees in full.
Sums over both halves are wider for that, by the root of 1 + 1/(cells - 1).
"""

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np

from inference.arrays.cell_counts import block_counts
from inference.arrays.cells import Cells
from inference.arrays.halves import NAIVE, Split, halves_of, read_once
from inference.arrays.jensen_shannon import divergences, label_information
from inference.arrays.naive_bayes import naive_bayes_scores
from inference.arrays.witnesses import trained_witness

__all__ = ["CONFIDENCES", "label_counts", "told_information", "told_labels"]

CONFIDENCES = 4
"""How confidently a label is told: quarters of the draws."""
SMOOTHING = 0.5


def told_labels(
    parts: Iterable[np.ndarray],
    *,
    kinds: Sequence[str],
    bounds: np.ndarray,
    futures: int = 1,
    seed: int = 0,
) -> tuple[np.ndarray, tuple[str, str]]:
    """Label the draws of every half by what the other half has taught.

    Parameters
    ----------
    parts
        Chunks of measurements, each of shape (measurement, world, row). Read once, and held only
        if a witness other than naive Bayes is asked for.
    kinds
        Witnesses to choose from, of :data:`inference.arrays.witnesses.WITNESSES`.
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.
    futures
        Rows per posterior draw.
    seed
        Of the networks.

    Returns
    -------
    tuple
        ``CONFIDENCES`` times the world that is told, plus the confidence from 0 up: integers,
        shape (world, row); and the kinds of witness that label the first half and the second.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(size=(2, 3, 4000))
    >>> values[0] += np.array([[-3.0], [0.0], [3.0]])
    >>> told, chosen = told_labels([values], kinds=["lda"], bounds=np.arange(0, 4001, 100))
    >>> right = told // CONFIDENCES == np.arange(3)[:, None]
    >>> chosen, bool(abs(right.mean() - 0.911) < 0.02)  # 1 - 4/3 Phi(-1.5)
    (('lda', 'lda'), True)
    """
    halves = halves_of(bounds)
    values, naive = read_once(parts, halves, kinds, partial(_naive_scores, futures=futures))
    worlds = values.shape[1] if values.size else len(next(iter(naive.values())))
    told = np.zeros((worlds, int(bounds[-1])), dtype=np.int64)
    chosen = []
    for learn, choose in halves:
        best = kinds[0]
        if len(kinds) > 1:
            seen = [_shown(_scores(kind, values, naive, choose, futures, seed)) for kind in kinds]
            best = kinds[int(np.argmax(seen))]
        told[:, learn.test] = _labels(_scores(best, values, naive, learn, futures, seed))
        chosen.append(best)
    return told, (chosen[0], chosen[1])


def label_counts(told: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Count what was told of the draws of every block.

    Parameters
    ----------
    told
        From :func:`told_labels`.
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.

    Returns
    -------
    np.ndarray
        Shape (world, block, cell, 1), for
        :func:`inference.arrays.jensen_shannon.label_information`.

    Examples
    --------
    >>> label_counts(np.array([[0, 0, 3, 0], [7, 7, 7, 4]]), np.array([0, 2, 4]))[1, :, :, 0]
    array([[0, 0, 0, 0, 0, 0, 0, 2],
           [0, 0, 0, 0, 1, 0, 0, 1]])
    """
    cells, blocks = CONFIDENCES * len(told), len(bounds) - 1
    block = np.repeat(np.arange(blocks), np.diff(bounds))
    counted = [np.bincount(block * cells + own, minlength=blocks * cells) for own in told]
    return np.stack(counted).reshape(len(told), blocks, cells, 1)


def told_information(
    told: np.ndarray,
    *,
    bounds: np.ndarray,
    signs: np.ndarray,
    effective: float,
    weights: np.ndarray | None = None,
) -> dict[str, float]:
    """Estimate how many bits the labels tell about the worlds: a lower bound of what these tell.

    Parameters
    ----------
    told
        From :func:`told_labels`.
    bounds, signs, effective, weights
        As for :func:`inference.arrays.jensen_shannon.label_information`.

    Returns
    -------
    dict of str to float
        ``bits``, ``plugin``, ``floor``, ``mcse``, ``lower``, ``upper`` and ``p``, as there; the
        upper bound is one of the labels, and none of the worlds.

    Examples
    --------
    >>> from inference.arrays.sign_flips import random_signs
    >>> told, bounds = np.repeat([[1], [6]], 400, axis=1), np.arange(0, 401, 20)
    >>> signs = random_signs(1000, 20)
    >>> told_information(told, bounds=bounds, signs=signs, effective=400.0)["bits"]
    1.0
    """
    counts = label_counts(told, bounds)
    wider = float(np.sqrt(1 + 1 / (counts.shape[2] - 1)))
    found = label_information(
        counts, signs=signs, effective=effective, weights=weights, wider=wider
    )
    return {name: float(value[0]) for name, value in found.items() if value.ndim == 1}


def _naive_scores(values: np.ndarray, split: Split, *, futures: int) -> np.ndarray:
    """Add up log frequencies of cells, (world a row comes from, world it speaks for, row)."""
    worlds = values.shape[1]
    taught = values[:, :, split.train]
    edges = Cells.quantile().edges(_mean_world(taught), draws=split.draws(futures))
    whole = np.array([0, taught.shape[2]])
    logs = [
        np.log(block_counts(taught[:, world], edges, whole)[0].astype(float) + SMOOTHING).T
        for world in range(worlds)
    ]
    return np.array(
        [
            [naive_bayes_scores(values[:, world, split.test], edges, own) for own in logs]
            for world in range(worlds)
        ]
    )


def _scores(
    kind: str,
    values: np.ndarray,
    naive: dict[Split, np.ndarray],
    split: Split,
    futures: int,
    seed: int,
) -> np.ndarray:
    """Score how much rows speak for each world, shape (world they come from, world, row)."""
    if kind == NAIVE:
        return naive[split]
    worlds = values.shape[1]
    taught, draws = values[:, :, split.train], split.draws(futures)
    mean = _mean_world(taught)
    learnt = [
        trained_witness(kind, taught[:, world], mean, draws=draws, seed=seed)
        for world in range(worlds)
    ]
    rows = [values[:, world, split.test] for world in range(worlds)]
    return np.array([[score(own) for score in learnt] for own in rows])


def _mean_world(values: np.ndarray) -> np.ndarray:
    """Take rows of all worlds in turn, (measurement, row); as many as each world has."""
    worlds = values.shape[1]
    return np.concatenate([values[:, world, world::worlds] for world in range(worlds)], axis=1)


def _labels(scores: np.ndarray) -> np.ndarray:
    """Tell the world that each row speaks for most, and how far the next one is behind."""
    ranked = np.sort(scores, axis=1)
    ahead = ranked[:, -1] - ranked[:, -2]
    cuts = np.quantile(ahead, np.arange(1, CONFIDENCES) / CONFIDENCES)
    return CONFIDENCES * scores.argmax(axis=1) + np.searchsorted(cuts, ahead, side="left")


def _shown(scores: np.ndarray) -> float:
    """Bits that labels show of where rows come from, not corrected for noise."""
    counts = label_counts(_labels(scores), np.array([0, scores.shape[2]]))
    weights = np.full(len(counts), 1 / len(counts))
    return float(weights @ divergences(counts[:, 0], weights)[:, 0])
