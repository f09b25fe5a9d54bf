r"""Draws from Gaussians that stand for a density, weighed by it.

.. math:: q(x) = \sum_k s_k\, q_k(x), \quad w_t \propto p(x_t, e) / q(x_t)

One Gaussian for each peak that was found: a peak that is left out would not show in the weights.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyro
import torch
from torch.distributions import Distribution

from counterfactual_models.handlers import derive_seed, isolated
from inference.posterior.engine import Drawn, Order
from inference.posterior.resampling import PROPOSALS_PER_DRAW, resample
from inference.posterior.surface import Surface

__all__ = ["Piece", "draw_weighed"]

_FEWEST = 1000


@dataclass(frozen=True)
class Piece:
    """One part of a mixture: x = point + scale w, with w drawn from a distribution.

    Parameters
    ----------
    base
        Of w, one vector (dim,).
    point
        Shape (dim,), in the unconstrained coordinates of the density.
    scale
        Lower triangle, shape (dim, dim), of positive diagonal.
    """

    base: Distribution
    point: torch.Tensor
    scale: torch.Tensor

    def sample(self, count: int) -> torch.Tensor:
        """Draw x, shape (count, dim)."""
        return self.point + self.base.sample(torch.Size([count])) @ self.scale.mT

    def log_density(self, points: torch.Tensor) -> torch.Tensor:
        """Evaluate at points (n, dim)."""
        w = torch.linalg.solve_triangular(self.scale, (points - self.point).mT, upper=False).mT
        found: torch.Tensor = self.base.log_prob(w) - self.scale.diagonal().log().sum()
        return found.double()


def draw_weighed(
    surface: Surface,
    pieces: Sequence[Piece],
    masses: Sequence[float],
    order: Order,
    attrs: dict[str, Any],
) -> Drawn:
    """Draw from a mixture, weigh by the density, and pick by weight.

    Parameters
    ----------
    surface
        The density that is stood for.
    pieces, masses
        The parts of the mixture, and log of the part of the density that each stands for.
    order
        How many draws are wanted; ten times as many are weighed.
    attrs
        What else is to be known of the run.

    Raises
    ------
    EvidenceError
        If the density is finite at none of them.
    """
    points, log_proposed = _proposals(pieces, masses, order)
    heights = surface.heights(points)
    log_weights = heights.double() - log_proposed
    log_weights[~log_weights.isfinite()] = -math.inf
    density = surface.density
    rows, weighed = resample(
        density.question,
        log_weights,
        order,
        what="draws from the Gaussian that was fitted",
        advice="use method='hmc'.",
    )
    values = density.complete(points[rows], derive_seed(order.seed, "discrete"))
    told = {"executor": surface.executor, "summed_out": list(density.discrete)}
    return Drawn(values, {"lp": heights[rows].cpu().numpy()}, {**told, **attrs, **weighed})


def _proposals(
    pieces: Sequence[Piece], masses: Sequence[float], order: Order
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw from each piece as many as its mass asks for; give the mixture's log density too."""
    total = max(_FEWEST, PROPOSALS_PER_DRAW * order.total)
    counts = (torch.tensor(masses, dtype=torch.float64).softmax(0) * total).round().long()
    counts[counts.argmax()] += total - counts.sum()
    used = [(piece, int(count)) for piece, count in zip(pieces, counts, strict=True) if count > 0]
    seed = derive_seed(order.seed, "proposals")
    with isolated(seed), torch.no_grad(), pyro.validation_enabled(False):
        points = torch.cat([piece.sample(count) for piece, count in used])
        points = points[torch.randperm(total, device=points.device)]
        parts = [piece.log_density(points) + math.log(count / total) for piece, count in used]
    return points, torch.logsumexp(torch.stack(parts), 0)
