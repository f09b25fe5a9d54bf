r"""The past weighed by its evidence: importance sampling from the prior.

.. math:: w_t \propto p(e \mid \mathrm{past}_t), \quad \mathrm{past}_t \sim p(\mathrm{past})

Right for any program, discrete or continuous, as long as the prior reaches where the evidence
points: k-hat says whether it does.
"""

import torch

from inference.posterior.engine import Drawn, Order, simulate_past
from inference.posterior.question import Question
from inference.posterior.resampling import PROPOSALS_PER_DRAW, resample

__all__ = ["draw"]


def draw(question: Question, order: Order) -> Drawn:
    """Draw ten times as many from the prior, weigh them, and pick by weight.

    Raises
    ------
    EvidenceError
        If no draw from the prior can have produced the evidence.
    """
    total = order.total * PROPOSALS_PER_DRAW
    past = simulate_past(
        question, draws=total, seed=order.seed, progress=order.progress, what="importance"
    )
    log_weights = torch.zeros(total, dtype=torch.float64)
    for log_prob in past.log_prob.values():
        log_weights += log_prob.double().reshape(total, -1).sum(1).cpu()
    rows, attrs = resample(
        question,
        log_weights,
        order,
        what="draws from the prior",
        advice="method='hmc' (continuous) or 'enumerate' (discrete) looks where it points.",
    )
    values = {name: value[rows] for name, value in past.values.items()}
    return Drawn(values, attrs={**attrs, "vectorised_past": past.how})
