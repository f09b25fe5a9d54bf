r"""The past weighed by its evidence: importance sampling from the prior.

.. math:: w_t \propto p(e \mid \mathrm{past}_t), \quad \mathrm{past}_t \sim p(\mathrm{past})

The weights are Pareto-smoothed; draws are resampled in proportion, so that what comes back is
equal draws. Right for any program, discrete or continuous, as long as the prior reaches where
the evidence points: k-hat says whether it does.
"""

import warnings

import numpy as np
import torch

from counterfactual_models.errors import EvidenceError, ImpactWarning
from counterfactual_models.handlers import derive_seed
from inference.arrays.weights import doubtful, equal_draws, kish_draws, smoothed
from inference.posterior.engine import Drawn, simulate_past
from inference.posterior.question import Question

__all__ = ["draw"]

_PROPOSALS_PER_DRAW = 10


def draw(question: Question, *, draws: int, chains: int, seed: int, progress: bool) -> Drawn:
    """Draw ten times as many from the prior, weigh, smooth, resample; warn by k-hat."""
    total = draws * chains * _PROPOSALS_PER_DRAW
    past = simulate_past(question, draws=total, seed=seed, progress=progress, what="importance")
    log_weights = torch.zeros(total, dtype=torch.float64)
    for log_prob in past.log_prob.values():
        log_weights += log_prob.double().reshape(total, -1).sum(1)
    if not log_weights.isfinite().any():
        raise EvidenceError(
            f"none of {total} draws from the prior can have produced the evidence on "
            f"{question.data}; method='nuts' (continuous) or 'enumerate' (discrete) looks where "
            "the evidence points."
        )
    weights, khat = smoothed(log_weights.numpy())
    effective = kish_draws(weights)
    if doubtful(khat, effective):
        warnings.warn(
            f"importance sampling is not to be trusted here: k-hat {khat:.2f} (wanted below 0.7), "
            f"{effective:.0f} effective of {total} draws. The evidence points where the prior "
            "rarely goes: use method='nuts' or 'enumerate'.",
            ImpactWarning,
            stacklevel=4,
        )
    rng = np.random.default_rng(derive_seed(seed, "resample"))
    kept = torch.from_numpy(equal_draws(weights, draws * chains, rng))
    values = {n: v[kept].reshape(chains, draws, *v.shape[1:]) for n, v in past.values.items()}
    attrs = {
        "khat": khat,
        "effective_draws": effective,
        "log_evidence": float(torch.logsumexp(log_weights, 0) - np.log(total)),
        "vectorised_past": past.how,
    }
    return Drawn(values, attrs=attrs)
