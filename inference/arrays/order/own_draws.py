r"""May a disciple's own draws stand for the erased worlds that are as good?

.. math:: \frac1n \sum_i \frac{p_0(w_i)}{p_1(w_i)}\, 1\{U(w_i) \ge t\}
          \overset{?}{=} P(e,S,0)(U \ge t), \qquad w_i \sim P(e,S,1)

By the tail of their weights at the utilities that the disciple achieves and chance hardly does;
and, where the erased draws themselves can be counted, by what is counted there. It is no proof:
erased worlds that are good in a way the disciple never takes are in no draw of it.
"""

from dataclasses import dataclass

import numpy as np

from inference.arrays.order.baselines import KEPT
from inference.arrays.order.counting import counted_bits
from inference.arrays.order.reweighted import reweighted_bits
from inference.arrays.weights import HEAVIEST

__all__ = ["COUNTED", "OwnDraws", "judged_draws"]

ACHIEVED = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of what the disciple achieves, at which its draws are judged."""
COUNTED = 10
"""Erased draws from which no weights are needed."""
APART = 4.0


@dataclass(frozen=True)
class OwnDraws:
    """What speaks against the weights of a disciple's draws.

    Parameters
    ----------
    khat
        The largest of the utilities judged.
    reliable, reason
        Whether they can be trusted, and why not.
    """

    khat: float
    reliable: bool
    reason: str


def judged_draws(
    log_ratio: np.ndarray,
    erased_utility: np.ndarray,
    erased: np.ndarray,
    achieved: np.ndarray,
    *,
    effective: float | None = None,
) -> OwnDraws:
    """Judge the weights of a disciple's draws.

    Parameters
    ----------
    log_ratio, erased_utility
        log p0 - log p1 of its draws, and what their sites are worth in the erased world; shape
        (chain, draw[, future]).
    erased, achieved
        Utilities of the erased draws, and of its own, in any shape.
    effective
        How many independent draws its draws are worth; found from them if None.

    Raises
    ------
    CounterfactualError
        As :func:`inference.arrays.order.reweighted.reweighted_bits` does.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> chance, skill = rng.normal(size=(4, 1000)), rng.normal(4.0, 1.0, size=(4, 1000))
    >>> judged_draws(8.0 - 4.0 * skill, skill, chance, skill).reliable
    True
    """
    targets = np.quantile(achieved, ACHIEVED)
    best = np.sort(erased, axis=None)
    rare = targets[best.size - np.searchsorted(best, targets) < COUNTED]
    judged = reweighted_bits(
        log_ratio, erased_utility, rare if len(rare) else targets[2:3], effective=effective
    )
    khat, reason = float(np.max(judged.khat)), ""
    if not judged.reliable.all():
        reason = "too few of its own draws are worlds that the erased world knows"
        if khat >= HEAVIEST:
            reason = f"the weights of its own draws have k-hat {khat:.2f}"
    elif _contradicted(log_ratio, erased_utility, best, effective):
        reason = "the weights of its own draws contradict what can be counted"
    return OwnDraws(khat, not reason, reason)


def _contradicted(
    log_ratio: np.ndarray,
    erased_utility: np.ndarray,
    best: np.ndarray,
    effective: float | None,
) -> bool:
    """Tell whether weighing and counting differ where both can judge.

    Draws of a narrow let-in world have light weights, and never see the rest of the erased one.
    """
    counts = np.array([KEPT, 4 * KEPT, 16 * KEPT])
    targets = best[-counts[counts <= max(best.size // 2, KEPT)].clip(max=best.size)]
    judged = reweighted_bits(log_ratio, erased_utility, targets, effective=effective)
    reached = best.size - np.searchsorted(best, targets)
    told = counted_bits(reached, best.size, effective)
    error = np.hypot(judged.mcse, told.sd)
    apart = np.abs(judged.bits - told.mean) > APART * error
    return bool((judged.reliable & apart).any())
