r"""How do weighed proposals become equal draws?

.. math:: w_t \propto p(x_t, e) / q(x_t), \qquad
          \log p(e) \approx \log \tfrac1n \sum_t p(x_t, e) / q(x_t)

The weights are Pareto-smoothed, and proposals are picked in proportion to them. k-hat says
whether the proposals reach where the density lies; the verdict on a run reads it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy.special import logsumexp

from counterfactual_models.errors import EvidenceError
from counterfactual_models.handlers import derive_seed
from inference.arrays.weights import equal_draws, kish_draws, smoothed
from inference.posterior.engine import Order
from inference.posterior.question import Question

__all__ = ["PROPOSALS_PER_DRAW", "resample"]

PROPOSALS_PER_DRAW = 10
"""Proposals that are weighed for each draw that is asked for."""


def resample(
    question: Question, log_weights: torch.Tensor, order: Order, *, what: str, advice: str
) -> tuple[torch.Tensor, Mapping[str, Any]]:
    """Pick proposals in proportion to their smoothed weights.

    Parameters
    ----------
    question
        Whose past is wanted.
    log_weights
        One per proposal, natural logarithm; -inf where the past is impossible.
    order
        How many draws are wanted.
    what, advice
        What the proposals are, and what to do when none of them is possible.

    Returns
    -------
    tuple of Tensor and dict
        Rows of the proposals, shape (chain, draw), ascending; and `khat`, `effective_draws`
        (Kish's, of all proposals) and `log_evidence`.

    Raises
    ------
    EvidenceError
        If no proposal is possible.
    """
    weighed = log_weights.double().cpu().numpy()
    if not np.isfinite(weighed).any():
        raise EvidenceError(
            f"none of {len(weighed)} {what} can have produced the evidence on {question.data}; "
            + advice
        )
    weights, khat = smoothed(weighed)
    rng = np.random.default_rng(derive_seed(order.seed, "resample"))
    rows = equal_draws(weights, order.total, rng).reshape(order.chains, order.draws)
    attrs = {
        "khat": khat,
        "effective_draws": kish_draws(weights),
        "log_evidence": float(logsumexp(weighed) - np.log(len(weighed))),
    }
    return torch.from_numpy(rows), attrs
