r"""From which starts, and against whom, were the bits reached?

From several starts there are those of the worst, of the mean utility, the mean of the bits and the
bits of the mean chance. Others that pull another way take bits off, all counted against the same
baseline. A disciple that misses an all-or-nothing goal for them has no bits at all, however
powerful it is: what counts is the loss.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.chain_errors import BitsKnown, as_chains, error_of_estimate
from inference.arrays.order.exceedance import bits_of

__all__ = ["OpposedLoss", "StartingStates", "opposed_loss", "starting_states"]

_LN2 = np.log(2.0)


@dataclass(frozen=True)
class StartingStates:
    """Bits over several starts: of the worst, of their mean utility, and means of two kinds.

    Parameters
    ----------
    worst
        Bits of the least utility that was reached from any start: what is guaranteed.
    mean_utility
        Bits of the mean of the utilities.
    expected
        Mean of the bits. Chance itself scores 1.4427.
    mean_tail
        Bits of the mean chance. Chance itself scores 1.
    unreached
        Share of starts whose utility no draw of the baseline reached: their bits are about what
        so many draws can show at most, with an infinite error. 0 where the tail is a function.
    """

    worst: BitsKnown
    mean_utility: BitsKnown
    expected: BitsKnown
    mean_tail: BitsKnown
    unreached: float


@dataclass(frozen=True)
class OpposedLoss:
    """What opposition takes away, in expected bits against the same baseline.

    Parameters
    ----------
    loss
        `unopposed` less `opposed`, with the error of draws paired as `paired` says.
    loss_unpaired
        The same with the error that it would have if no draws shared anything.
    unopposed, opposed
        Expected bits of each. Chance itself scores 1.4427.
    paired
        Whether draws of the worlds are taken to share their past, row by row.
    unreached
        Share of unopposed draws that no draw of the baseline reached: if many, the loss is at
        least this.
    """

    loss: BitsKnown
    loss_unpaired: BitsKnown
    unopposed: BitsKnown
    opposed: BitsKnown
    paired: bool
    unreached: float


def starting_states(
    baseline: np.ndarray | Callable[[np.ndarray], np.ndarray],
    utility: np.ndarray,
    weights: np.ndarray | None = None,
) -> StartingStates:
    r"""How many bits, where utilities differ from start to start?

    Parameters
    ----------
    baseline
        Utilities of draws without the disciple, shape (draw,), (chain, draw) or (chain, draw,
        future), whose chance to reach a utility is (r + 1/2)/(n + 1); or the function that gives
        log P(e,S,0)(u >= t) for an array of t, exactly.
    utility
        Reached from each start, shape (start,).
    weights
        Of the starts, not negative; equal if None.

    Returns
    -------
    StartingStates
        Errors are those of the baseline's draws; the starts are what they are.

    Raises
    ------
    CounterfactualError
        If numbers are not finite, weights do not fit, or the function gives no log probabilities.

    Examples
    --------
    >>> from scipy import stats
    >>> found = starting_states(stats.norm.logsf, [1.0, 2.0, 3.0, 4.0])
    >>> [round(one.bits, 4) for one in (found.worst, found.mean_utility)]
    [2.656, 7.3313]
    >>> [round(one.bits, 4) for one in (found.expected, found.mean_tail)]
    [8.1484, 4.4518]
    """
    reached = as_chains(utility, "utility").ravel()
    share = _weights(weights, reached.size)
    ends = np.array([reached.min(where=share > 0, initial=np.inf), share @ reached])
    points = np.concatenate([ends, reached])
    if callable(baseline):
        logs = np.asarray(baseline(points), dtype=float)
        influences = np.zeros((4, 1, 2, 1))
        unreached, hidden = 0.0, [False] * 4
    else:
        draws = as_chains(baseline, "baseline")
        counts = _reached(draws, points)
        logs = np.log(counts + 0.5) - np.log(draws.size + 1)
        unreached = float(share @ (counts[2:] == 0))
        hidden = [counts[0] == 0, counts[1] == 0, unreached > 0, unreached == 1]
        tails = np.exp(logs)
        total = share @ tails[2:]
        parts = [
            (points[:1], 1 / tails[:1]),
            (points[1:2], 1 / tails[1:2]),
            (reached, share / tails[2:]),
            (reached, share / total),
        ]
        influences = np.stack([_moved_by(draws, *part) for part in parts])
    bits = bits_of(logs)
    mean_tail = float(bits_of(special.logsumexp(logs[2:], b=share)))
    estimates = bits[0], bits[1], share @ bits[2:], mean_tail
    worst, mean_utility, expected, of_mean = (
        BitsKnown(float(one), np.inf if unseen else error_of_estimate([influence]))
        for one, influence, unseen in zip(estimates, influences, hidden, strict=True)
    )
    return StartingStates(worst, mean_utility, expected, of_mean, unreached)


def opposed_loss(
    baseline: np.ndarray,
    unopposed: np.ndarray,
    opposed: np.ndarray,
    *,
    paired: bool | None = None,
) -> OpposedLoss:
    r"""How many bits does opposition take away?

    Parameters
    ----------
    baseline, unopposed, opposed
        Utilities without the disciple, with it alone, and with it against others; shape (draw,),
        (chain, draw) or (chain, draw, future).
    paired
        Whether draws of the same row share their past; None if shapes allow it. Pairing costs
        nothing where they do not.

    Returns
    -------
    OpposedLoss
        Chances are (r + 1/2)/(n + 1), and the errors contain those of the baseline.

    Raises
    ------
    CounterfactualError
        If a number is not finite, or `paired` was asked of worlds of different shapes.

    Examples
    --------
    >>> past, *noise = np.random.default_rng(0).normal(size=(4, 4, 1000))
    >>> found = opposed_loss(past + noise[0], past + noise[1] + 2, past + noise[1] + 1)
    >>> 1.5 < found.loss.bits < 2.5, found.loss.mcse < 0.8 * found.loss_unpaired.mcse
    (True, True)
    """
    draws = as_chains(baseline, "baseline")
    worlds = [as_chains(unopposed, "unopposed"), as_chains(opposed, "opposed")]
    alike = worlds[0].shape[:2] == worlds[1].shape[:2]
    if paired and not alike:
        raise CounterfactualError(
            f"got paired=True for worlds of shapes {np.shape(unopposed)} and "
            f"{np.shape(opposed)}; expected as many chains and draws, or paired=False."
        )
    paired = alike if paired is None else paired
    means, own, of_baseline, missed = [], [], [], []
    for world in worlds:
        counts = _reached(draws, world.ravel())
        tails = (counts + 0.5) / (draws.size + 1)
        bits = -np.log2(tails).reshape(world.shape)
        means.append(float(bits.mean()))
        own.append(bits - means[-1])
        of_baseline.append(_moved_by(draws, world.ravel(), 1 / (tails * world.size)))
        missed.append(float((counts == 0).mean()))
    moved = of_baseline[0] - of_baseline[1]
    loss = means[0] - means[1]
    together = error_of_estimate([own[0], -own[1], moved])
    apart = float(np.sqrt(sum(error_of_estimate([one]) ** 2 for one in (*own, moved))))
    return OpposedLoss(
        loss=BitsKnown(loss, together if paired else apart),
        loss_unpaired=BitsKnown(loss, apart),
        unopposed=BitsKnown(means[0], error_of_estimate([own[0], of_baseline[0]])),
        opposed=BitsKnown(means[1], error_of_estimate([own[1], of_baseline[1]])),
        paired=paired,
        unreached=missed[0],
    )


def _reached(draws: np.ndarray, points: np.ndarray) -> np.ndarray:
    return draws.size - np.searchsorted(np.sort(draws, axis=None), points, side="left")


def _moved_by(draws: np.ndarray, points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """By how much each draw of a baseline moves the weighed log2 chances to reach points."""
    order = np.argsort(points)
    total = np.concatenate([[0.0], np.cumsum(weights[order])])
    passed = total[np.searchsorted(points[order], draws, side="right")]
    return (passed.mean() - passed) / _LN2


def _weights(weights: np.ndarray | None, starts: int) -> np.ndarray:
    if weights is None:
        return np.full(starts, 1 / starts)
    share = as_chains(weights, "weights").ravel()
    if share.size != starts or (share < 0).any() or share.sum() == 0:
        raise CounterfactualError(
            f"got weights {share}; expected one for each of {starts} starts, none negative and "
            "not all of them 0."
        )
    return share / share.sum()
