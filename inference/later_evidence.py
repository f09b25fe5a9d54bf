r"""How is a world weighed by evidence about its future?

.. math:: P(e,S,X)(w) \propto p(e_\mathrm{later} \mid w)\, p(w \mid e_\mathrm{past}, S, X)

What was observed after the switch is weighed, by Pareto-smoothed importance weights, and the draws
are made equal again: each (S, X) then has a posterior of its own.
"""

import warnings
from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp

from counterfactual_models.errors import EvidenceError, ImpactWarning
from inference.arrays.weights import doubtful, equal_draws, kish_draws, smoothed

__all__ = ["weigh"]


def weigh(
    log_weights: np.ndarray, seed: int, *, disciple: str, sites: Sequence[str]
) -> tuple[np.ndarray, float, float]:
    """Pick the futures that the later evidence leaves, as many as there were.

    Draws of the past are resampled by the mean weight of their futures, then the futures of each
    by their own: what stands under one draw goes on sharing its past.

    Parameters
    ----------
    log_weights
        Log-probability of the later evidence in each future, shape (draw, future).
    seed
        For the resampling.
    disciple, sites
        Whose world, and which evidence: for messages.

    Returns
    -------
    tuple
        Rows (draw x futures + future) in place of the old ones, k-hat, and the effective number
        of draws.

    Raises
    ------
    EvidenceError
        If the evidence cannot happen in any draw.

    Examples
    --------
    >>> seen = np.zeros((1000, 1))
    >>> seen[:500] = -np.inf
    >>> rows, khat, effective = weigh(seen, 0, disciple="null", sites=["report"])
    >>> int(rows.min()), len(rows), round(effective)
    (500, 1000, 500)
    """
    draws, futures = log_weights.shape
    if not np.isfinite(log_weights).any():
        raise EvidenceError(
            f"the evidence on {list(sites)} cannot happen in any draw of the world with "
            f"disciple {disciple!r}: P(e,S,X) is not defined there."
        )
    weights, khat = smoothed(logsumexp(log_weights, axis=1))
    effective = kish_draws(weights)
    if doubtful(khat, effective):
        warnings.warn(
            f"evidence after the switch: the draws for disciple {disciple!r} are weighed "
            f"with k-hat {khat:.2f} (wanted below 0.7) and {effective:.0f} effective draws; "
            "take many more draws, or move the evidence before the switch.",
            ImpactWarning,
            stacklevel=4,
        )
    rng = np.random.default_rng(seed)
    kept = equal_draws(weights, draws, rng)
    chosen = log_weights[kept]  # what cannot happen is not among them
    within = np.exp(chosen - logsumexp(chosen, axis=1, keepdims=True))
    ticks = (np.arange(futures) + rng.random((draws, 1))) / futures
    below = np.cumsum(within, axis=1)[:, None, :-1] < ticks[:, :, None]
    return (kept[:, None] * futures + below.sum(-1)).ravel(), float(khat), effective
