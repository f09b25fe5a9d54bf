r"""How much likelier is an event in one world, judged by draws that had no say in choosing it?

.. math:: \mathrm{TV} = \sup_A \big(P_1(A) - P_0(A)\big) \ge P_1(\hat A) - P_0(\hat A)

for whatever event Â was learnt from other draws: each half of them judges what the other has
learnt, by the kind of witness that it chose (:mod:`~.halves`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from inference.arrays.blocks import effective_draws, widening
from inference.arrays.halves import NAIVE, Split, halves_of, read_once
from inference.arrays.naive_bayes import split_scores
from inference.arrays.sign_flips import tail_probability
from inference.arrays.total_variation import (
    CROSS_FIT_INFLATION,
    FEWEST_EFFECTIVE,
    ONE_SIDED,
    UNSEEN,
)
from inference.arrays.witnesses import trained_witness

__all__ = ["HeldOut", "event_difference", "held_out_events", "witness_draws"]


@dataclass(frozen=True)
class HeldOut:
    """Events of one disciple, each judged by the half that has not learnt it.

    Parameters
    ----------
    inside
        Whether a draw lies in the event, shape (2, row): the let-in world, then the erased one.
    chosen
        Kinds of witness that judge the first half and the second.
    half
        Rows in the first half.
    """

    inside: np.ndarray
    chosen: tuple[str, str]
    half: int


def held_out_events(
    parts: Iterable[np.ndarray],
    *,
    kinds: Sequence[str],
    bounds: np.ndarray,
    futures: int = 1,
    seed: int = 0,
) -> list[HeldOut]:
    """Learn an event on each half of the draws and look for it on the other.

    Parameters
    ----------
    parts
        Chunks of measurements, each of shape (measurement, world, row); the first world is the
        erased one. Read once, and held only if a witness other than naive Bayes is asked for.
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
    list of HeldOut
        One per disciple.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(size=(3, 2, 4000))
    >>> values[:, 1] += 1.0
    >>> bounds = np.arange(0, 4001, 100)
    >>> found = held_out_events([values], kinds=["lda", "naive_bayes"], bounds=bounds)[0]
    >>> found.chosen, bool(abs(found.inside[0].mean() - found.inside[1].mean() - 0.613) < 0.03)
    (('lda', 'lda'), True)
    """
    halves = halves_of(bounds)
    values, naive = read_once(parts, halves, kinds, partial(_naive_scores, futures=futures))
    worlds = len(next(iter(naive.values()))) + 1 if naive else values.shape[1]
    found = []
    for world in range(1, worlds):
        scores = {split: every[world - 1] for split, every in naive.items()}
        pair = values[:, [world, 0]] if values.size else values
        inside, chosen = np.zeros((2, bounds[-1]), dtype=bool), []
        for learn, choose in halves:
            best = kinds[0]
            if len(kinds) > 1:
                gaps = [_gap(_event(kind, pair, scores, choose, futures, seed)) for kind in kinds]
                best = kinds[int(np.argmax(gaps))]
            inside[:, learn.test] = _event(best, pair, scores, learn, futures, seed)
            chosen.append(best)
        found.append(HeldOut(inside, (chosen[0], chosen[1]), int(bounds[len(bounds) // 2])))
    return found


def event_difference(
    found: HeldOut,
    *,
    bounds: np.ndarray,
    signs: np.ndarray,
    effective: float,
) -> dict[str, float]:
    r"""Estimate P₁(Â) - P₀(Â) with its error.

    * ``held_out``: the difference of frequencies, each half judging what the other has learnt;
    * ``tv``: the same, but not below 0;
    * ``mcse``: standard error by the spread of the blocks, rows of both worlds paired;
    * ``lower`` = held_out - 1.645 · 1.2794 · mcse - 3/ESS: the two directions resemble each other,
      with a correlation of up to 2/π, hence 1.2794 = sqrt(1 + 2/π); without it a level of 5 % is
      one of 12;
    * ``p``: chance of such a difference were the worlds the same, by flipping the signs of blocks,
      the flips being wider by 1.2794.

    Where blocks hold under ten effective draws, errors are wider by
    :func:`~inference.arrays.blocks.widening`; under ten effective draws in all say nothing: mcse
    and p are 1 and lower is 0.

    Parameters
    ----------
    found
        From :func:`held_out_events`.
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.
    signs
        From :func:`inference.arrays.sign_flips.random_signs`.
    effective
        Effective number of draws behind it, see :func:`witness_draws`.

    Returns
    -------
    dict of str to float
        ``held_out`` in [-1, 1]; the others in [0, 1].

    Examples
    --------
    >>> from inference.arrays.sign_flips import random_signs
    >>> inside = np.tile([[True] * 7 + [False] * 3, [True] * 3 + [False] * 7], 80)
    >>> found = HeldOut(inside, ("lda", "lda"), 400)
    >>> signs, bounds = random_signs(1000, 40), np.arange(0, 801, 20)
    >>> estimates = event_difference(found, bounds=bounds, signs=signs, effective=800.0)
    >>> {name: round(estimate, 4) for name, estimate in estimates.items() if name != "p"}
    {'held_out': 0.4, 'tv': 0.4, 'mcse': 0.0, 'lower': 0.3963}
    """
    lengths, rows = np.diff(bounds), bounds[-1]
    witness = found.inside[0].astype(np.int64) - found.inside[1]
    difference = np.add.reduceat(witness, bounds[:-1])
    held_out = difference.sum() / rows
    variance = 0.0
    for half in (bounds[:-1] < found.half, bounds[:-1] >= found.half):
        size, length = np.count_nonzero(half), lengths[half]
        residual = difference[half] - difference[half].sum() / length.sum() * length
        variance += size / (size - 1) * np.square(residual).sum() / rows**2
    told = effective >= FEWEST_EFFECTIVE
    wider = float(widening(max(effective, FEWEST_EFFECTIVE), len(lengths)))
    mcse = min(wider * float(np.sqrt(variance)), 1.0) if told else 1.0
    lower = held_out - ONE_SIDED * CROSS_FIT_INFLATION * mcse - UNSEEN / effective
    return {
        "held_out": float(held_out),
        "tv": max(float(held_out), 0.0),
        "mcse": mcse,
        "lower": float(np.clip(lower, 0.0, 1.0)),
        "p": _chance(difference, signs, wider, effective) if told else 1.0,
    }


def witness_draws(found: HeldOut, *, chains: int, draws: int, futures: int = 1) -> float:
    """How many independent draws are the events judged by?

    Each half is an event of its own; of each, the chains that lie wholly in it are asked (or the
    half itself where there is none), and the rest counts in proportion.

    Parameters
    ----------
    found
        From :func:`held_out_events`.
    chains, draws, futures
        Lengths of the sample dims.

    Returns
    -------
    float
        Between 2 and the number of posterior draws.
    """
    inside = found.inside.reshape(2, chains * draws, futures)
    cut = found.half // futures
    total = 0.0
    for start, stop in ((0, cut), (cut, chains * draws)):
        first, last = -(-start // draws), stop // draws
        whole = (first * draws, last * draws) if last > first else (start, stop)
        series = inside[None, :, whole[0] : whole[1]].astype(float)
        series = series.reshape(1, 2, max(1, last - first), -1, futures)
        share = (stop - start) / (whole[1] - whole[0])
        total += share * float(effective_draws(series).min())
    return total


def _naive_scores(values: np.ndarray, split: Split, *, futures: int) -> np.ndarray:
    return split_scores(values, split.train, split.test, draws=split.draws(futures))


def _event(
    kind: str,
    pair: np.ndarray,
    naive: dict[Split, np.ndarray],
    split: Split,
    futures: int,
    seed: int,
) -> np.ndarray:
    """Which rows that are scored lie in the event, shape (2, row)?"""
    if kind == NAIVE:
        return naive[split] > 0
    let_in, erased = pair[:, 0, split.train], pair[:, 1, split.train]
    score = trained_witness(kind, let_in, erased, draws=split.draws(futures), seed=seed)
    return np.stack([score(pair[:, world, split.test]) > 0 for world in (0, 1)])


def _gap(inside: np.ndarray) -> float:
    share = inside.mean(axis=1)
    return float(share[0] - share[1])


def _chance(difference: np.ndarray, signs: np.ndarray, wider: float, effective: float) -> float:
    """One-sided: a witness that points the wrong way round is no sign of an impact."""
    if not difference.any():
        return 1.0
    outside = np.stack([difference, -difference], axis=1)[:, :, None]
    inflated = wider * float(CROSS_FIT_INFLATION)
    either = tail_probability(outside, signs, wider=inflated, most=effective).item()
    return either / 2 if difference.sum() > 0 else 1 - either / 2
