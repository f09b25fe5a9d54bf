r"""The past by a Gaussian at the peak of its density, weighed afterwards.

.. math:: q(x) = N(x;\ \hat x,\ (-\nabla^2 \log p(\hat x \mid e))^{-1})

In unconstrained coordinates, with one Gaussian for each peak that several starts find. Exact
where the posterior is Gaussian; elsewhere the weights mend it as far as k-hat allows.

References
----------
.. [1] L. Tierney, J. B. Kadane, "Accurate approximations for posterior moments and marginal
   densities", JASA 81 (1986).
"""

import time

import torch
from torch.distributions import Independent, Normal

from counterfactual_models.errors import WorldError
from inference.posterior.density import density_of
from inference.posterior.engine import Drawn, Order
from inference.posterior.latents import refuse_uncountable
from inference.posterior.modes import find_modes, peak_starts
from inference.posterior.proposals import Piece, draw_weighed
from inference.posterior.question import Question
from inference.posterior.surface import surface_of

__all__ = ["draw"]


def draw(question: Question, order: Order) -> Drawn:
    """Find the peaks, and draw from the Gaussians under them, weighed by the density.

    Raises
    ------
    WorldError
        If the density has no peak, or one that is not curved as a peak is; or if a latent can
        neither move along gradients nor be summed out.
    """
    refuse_uncountable(question, "laplace")
    begun = time.process_time()
    density = density_of(question)
    surface = surface_of(density, order)
    compiled = time.process_time()
    modes, fault = find_modes(surface, peak_starts(surface, order.seed))
    if not modes:
        raise WorldError(
            f"method='laplace' needs a peak of the density, and there is none: {fault}. Use "
            "method='hmc'."
        )
    attrs = {
        "modes": len(modes),
        "compile_seconds": compiled - begun,
        "warmup_seconds": time.process_time() - compiled,
    }
    zero = torch.zeros_like(density.origin)
    unit = Independent(Normal(zero, zero + 1), 1)
    pieces = [Piece(unit, mode.point, mode.scale) for mode in modes]
    return draw_weighed(surface, pieces, [mode.mass for mode in modes], order, attrs)
