r"""Could the past be, without some of its evidence, where no draw of it lies?

.. math:: P(z_i \notin [\min_t z_{it}, \max_t z_{it}] \mid e_{-j}) \approx
          \sum_s w_s 1[\ldots], \quad w_s \propto p(e_{-j} \mid z_s), \quad z_s \sim p(z)

Weights move the draws there are, and their k-hat is of the weights of these alone: of a datum that
rules out a part of the past (a coin that shows heads only where z > 0; a second mode that it makes
all but impossible) all draws speak alike, and k-hat is at its best. Draws of the prior lie there.
"""

from collections.abc import Mapping

import numpy as np
import torch

from counterfactual_models.errors import CounterfactualError
from counterfactual_models.handlers import derive_seed
from inference.arrays.reweighting import kish
from inference.posterior.engine import simulate_past
from inference.posterior.question import Question

__all__ = ["MOST_BEYOND", "mass_beyond"]

MOST_BEYOND = 0.05
_DRAWS, _FEWEST, _ERRORS = 1000, 20.0, 3.0


def mass_beyond(
    question: Question, latents: Mapping[str, torch.Tensor], seed: int
) -> tuple[float, str]:
    """Estimate the largest share of a latent's mass that lies beyond the range of its draws.

    Parameters
    ----------
    question
        The past, and the evidence that remains.
    latents
        Latent -> draws of the past with all evidence, first axis = draws.
    seed
        For the draws of the prior.

    Returns
    -------
    tuple of float and str
        The share, less three standard errors and at least 0, and the latent; NaN and nothing where
        the prior cannot be drawn, or what remains leaves fewer than 20 of its thousand draws.
    """
    try:
        # The posterior's own seed would give importance sampling's own draws.
        own = derive_seed(seed, "reach")
        past = simulate_past(question, draws=_DRAWS, seed=own, progress=False, what="reach")
    except (CounterfactualError, NotImplementedError):  # an improper prior has no draws
        return np.nan, ""
    scores = [v.double().reshape(_DRAWS, -1).sum(1).numpy() for v in past.log_prob.values()]
    total = np.sum([np.zeros(_DRAWS), *scores], axis=0)
    total[np.isnan(total)] = -np.inf
    if not np.isfinite(total.max()):
        return np.nan, ""
    weights = np.exp(total - total.max())
    weights /= weights.sum()
    left = kish(weights[None])[0]
    if left < _FEWEST:
        return np.nan, ""
    found, where = 0.0, ""
    for name, drawn in latents.items():
        there, other = (v.reshape(len(v), -1).double() for v in (drawn, past.values[name]))
        outside = (other < there.amin(0)) | (other > there.amax(0))
        share = weights @ outside.double().numpy()
        share -= _ERRORS * np.sqrt(share * (1 - share) / left)
        if share.size and share.max() > found:
            found, where = float(share.max()), name
    return found, where
