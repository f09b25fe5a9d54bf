r"""How many bits does it take to get into a cell of worlds as good as the one that was reached?

With c(w) the cell of a world and U(c) the utility of a cell,

.. math:: \mathrm{OP}(c) = -\log_2 P(e,S,0)\{U(c(w)) \ge U(c)\} \le -\log_2 P(e,S,0)(c),

and the right side needs no utility: no preference at all can give a cell more. Cells that are
intervals of the utility only ever add worlds to what is at least as good, so that their bits are
at most those of the utility itself. Cells that show whether the disciple is there turn every world
with it into one that was never seen without it: the right side is infinite then, says nothing, and
must not be read (``tells_switch``).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from counterfactual_models.errors import CounterfactualError, nearest
from inference.arrays.order.chain_errors import as_chains, error_of_estimate
from inference.arrays.order.counting import CountedBits, counted_bits, indicator_effective
from inference.arrays.order.exceedance import bits_of, surprisal_bits

__all__ = ["TELLING", "CoarseBits", "coarse_bits"]

TELLING = 0.5
"""Share of worlds in cells of no baseline draw, beyond what chance misses, that is no chance."""
_BEYOND_CHANCE = 3.0
_SUMMARIES = "mean", "min", "max"


@dataclass(frozen=True)
class CoarseBits:
    """Bits of the cells that the disciple's worlds fall into.

    Parameters
    ----------
    cells
        Labels of the achieved cells, ascending.
    cell_utility
        What each is worth.
    bits, surprisal
        Of each achieved cell, and the most that any preference could give it; infinite where no
        baseline draw is as good, or there.
    counted
        What the counts tell of the bits of each achieved cell: intervals, and a lower limit where
        the bits are infinite.
    share
        Of the disciple's draws in each achieved cell.
    draw_bits
        Bits of each draw, shaped as its cells were given.
    mean_tail, mean_tail_mcse
        -log2 of the mean chance that a baseline draw is as good: chance itself has a bit at most.
    unseen, unseen_mcse
        Share of the disciple's draws in cells that no baseline draw is in.
    missing, missing_mcse
        What this share would be, had the disciple changed nothing: Good and Turing's share of
        baseline draws that are alone in their cell. Chains that stay where they were, and futures
        of a draw, keep each other company, and make it too small.
    tells_switch
        Whether `unseen` is more than :data:`TELLING` above `missing`, by more than three errors:
        most of the disciple's cells are infinitely surprising. Either a measurement shows the
        disciple itself, or cells are finer than its worlds allow. Look before you read.
    """

    cells: np.ndarray
    cell_utility: np.ndarray
    bits: np.ndarray
    surprisal: np.ndarray
    counted: CountedBits
    share: np.ndarray
    draw_bits: np.ndarray
    mean_tail: float
    mean_tail_mcse: float
    unseen: float
    unseen_mcse: float
    missing: float
    missing_mcse: float
    tells_switch: bool


def coarse_bits(
    cells0: np.ndarray,
    utility0: np.ndarray,
    cells1: np.ndarray,
    utility1: np.ndarray,
    cell_utility: str = "mean",
    *,
    latents: float = np.inf,
    probability: float = 0.95,
) -> CoarseBits:
    """How many bits of optimization are in coarse-grained worlds?

    Parameters
    ----------
    cells0, cells1
        Whole numbers that name the cell of each draw without the disciple (0) and with it (1);
        shape (draw,), (chain, draw) or (chain, draw, future). Worlds of as many chains and draws
        are taken to share their past.
    utility0, utility1
        Of the same draws.
    cell_utility
        What a cell is worth: ``"mean"``, ``"min"`` or ``"max"`` of the utilities of all draws of
        both worlds in it.
    latents
        Most draws to be believed, as for :func:`~.counting.indicator_effective`.
    probability
        Of the intervals.

    Returns
    -------
    CoarseBits

    Raises
    ------
    CounterfactualError
        If cells are no whole numbers, shapes differ, a utility is not finite, or `cell_utility`
        is none of the three.

    References
    ----------
    Good (1953), "The population frequencies of species", *Biometrika* 40; Esty (1983), "A normal
    limit law for a nonparametric estimator of the coverage of a random sample", *Annals of
    Statistics* 11, for its error.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> without, achieved = rng.integers(0, 8, (4, 1000)), rng.integers(6, 8, (4, 1000))
    >>> found = coarse_bits(without, without, achieved, achieved)
    >>> found.cells, bool(np.all(np.abs(found.bits - [2.0, 3.0]) < 0.3)), found.tells_switch
    (array([6, 7]), True, False)
    """
    first, worth0 = _checked(cells0, utility0, "0")
    second, worth1 = _checked(cells1, utility1, "1")
    labels, which = np.unique(np.concatenate([first.ravel(), second.ravel()]), return_inverse=True)
    utility = _summary(cell_utility, which, np.concatenate([worth0.ravel(), worth1.ravel()]))
    inside0 = which[: first.size].reshape(first.shape)
    inside1 = which[first.size :].reshape(second.shape)
    count0, count1 = (
        np.bincount(one.ravel(), minlength=len(labels)) for one in (inside0, inside1)
    )
    reached = _as_good(utility, count0)
    met = count1 > 0
    effective = indicator_effective(utility[inside0], utility[met], latents=latents)
    with np.errstate(divide="ignore"):
        bits = bits_of(np.log(reached / first.size))
        surprisal = surprisal_bits(np.log(count0 / first.size))
    mean_tail, tail_error = _mean_tail(reached / first.size, inside0, inside1, utility, count1)
    return CoarseBits(
        cells=labels[met],
        cell_utility=utility[met],
        bits=bits[met],
        surprisal=surprisal[met],
        counted=counted_bits(reached[met], first.size, effective, probability),
        share=count1[met] / second.size,
        draw_bits=bits[inside1].reshape(np.shape(cells1)),
        mean_tail=mean_tail,
        mean_tail_mcse=tail_error,
        **_told(count0, inside1, min(1.0, latents / first[..., 0].size)),
    )


def _told(counts: np.ndarray, inside1: np.ndarray, worth: float) -> dict[str, Any]:
    """How many achieved draws are in cells of no baseline draw, and how many by chance."""
    unseen = (counts == 0)[inside1].astype(float)
    share, error = float(unseen.mean()), error_of_estimate([unseen - unseen.mean()])
    missing, missing_error = _missing(counts, worth)
    surely = _BEYOND_CHANCE * np.hypot(error, missing_error)
    return {
        "unseen": share,
        "unseen_mcse": error,
        "missing": missing,
        "missing_mcse": missing_error,
        "tells_switch": bool(share - missing > max(TELLING, surely)),
    }


def _checked(cells: np.ndarray, utility: np.ndarray, world: str) -> tuple[np.ndarray, np.ndarray]:
    """Cells, kept as whole numbers, and utilities of a world, shape (chain, draw, future)."""
    array, worth = np.asarray(cells), as_chains(utility, f"utility{world}")
    if array.dtype.kind not in "biu":
        raise CounterfactualError(
            f"got cells{world} of type {array.dtype}; expected whole numbers that name cells: "
            "np.floor(utility / width).astype(int), or np.unique(..., return_inverse=True)[1]."
        )
    if array.shape != np.shape(utility):
        raise CounterfactualError(
            f"got cells{world} of shape {array.shape} and utility{world} of shape "
            f"{np.shape(utility)}; expected one of each for every draw."
        )
    return array.reshape(worth.shape), worth


def _summary(kind: str, which: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """Mean, min or max of the utilities in each cell; a constant stays exactly what it is."""
    if kind not in _SUMMARIES:
        raise CounterfactualError(f"got cell_utility={kind!r}. {nearest(str(kind), _SUMMARIES)}")
    order = np.argsort(which, kind="stable")
    starts = np.searchsorted(which[order], np.arange(which.max() + 1))
    ordered = worth[order]
    low, high = (ends.reduceat(ordered, starts) for ends in (np.minimum, np.maximum))
    if kind != "mean":
        return low if kind == "min" else high
    above = np.add.reduceat(ordered - low[which[order]], starts)
    return np.clip(low + above / np.bincount(which), low, high)


def _as_good(utility: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Draws in cells at least as good as each cell, ties included."""
    ascending = np.argsort(utility, kind="stable")
    worse = np.searchsorted(utility[ascending], utility, side="left")
    below = np.concatenate([[0], np.cumsum(counts[ascending])])
    return below[-1] - below[worse]


def _mean_tail(
    tail: np.ndarray,
    inside0: np.ndarray,
    inside1: np.ndarray,
    utility: np.ndarray,
    count1: np.ndarray,
) -> tuple[float, float]:
    """Minus the binary logarithm of P(baseline draw as good as achieved draw), and its error."""
    achieved = tail[inside1]
    mean = achieved.mean()
    if mean == 0:
        return np.inf, np.inf
    # To a baseline draw, what counts is how many achieved draws it is as good as.
    matched = (_as_good(-utility, count1) / inside1.size)[inside0]
    error = error_of_estimate([achieved - mean, matched - matched.mean()])
    return float(bits_of(np.log(mean))), error / (mean * np.log(2))


def _missing(counts: np.ndarray, worth: float) -> tuple[float, float]:
    """Good and Turing's missing mass, and Esty's error of it."""
    draws = counts.sum()
    alone, pairs = np.count_nonzero(counts == 1), np.count_nonzero(counts == 2)
    share = alone / draws
    # One more that is alone: none that is seen does not mean that none can be.
    variance = (share * (1 - share) + (2 * pairs + 1) / draws) / (draws * worth)
    return float(share), float(np.sqrt(variance))
