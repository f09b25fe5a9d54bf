r"""Which chains sit where there is next to no posterior mass, and will not find out by themselves?

Some are stuck far below all others. Others sit far above them, in the neck of a funnel: a point of
high density in a place of little volume. The mass about a point x of density p is about

.. math:: \log m = \log p(x) - \tfrac12 \log \det(-\nabla^2 \log p(x)) + \text{const}

and a chain is lost only if that is negligible against the mass the chains share: a chain in a
narrow mode of its own is not lost, and must stay to tell of it.
"""

import torch

from inference.posterior.executors import Function

__all__ = ["lost_chains"]

_BELOW, _ABOVE = 10.0, 5.0  # deviations from the median log density
_STUCK = 0.1  # mean acceptance
_NEGLIGIBLE = 10.0  # in log mass
_WITNESSES = 5  # chains of middling density
_LARGEST = 512  # dims beyond which Hessians cost more than they save
_STEP = 1e-4


def lost_chains(
    run: Function,
    position: torch.Tensor,
    log_density: torch.Tensor,
    accepted: torch.Tensor,
) -> torch.Tensor:
    """Tell which chains are lost, shape (chain,).

    Parameters
    ----------
    run
        Points (chain, dim) -> gradients, log densities.
    position, log_density
        Of all chains, shapes (chain, dim) and (chain,).
    accepted
        Mean acceptance of each of late, shape (chain,).
    """
    centre = log_density.median()
    deviation = 1.4826 * (log_density - centre).abs().median()
    lost = (log_density < centre - _BELOW * deviation) & (accepted < _STUCK)
    above = (log_density > centre + _ABOVE * deviation).nonzero()[:, 0]
    if not len(above) or position.shape[1] > _LARGEST:
        return lost
    # Like is weighed against like: a covariance of all chains would span the modes.
    middle = (log_density - centre).abs().argsort()[:_WITNESSES]
    shared = torch.stack([_log_mass(run, position, log_density, c) for c in middle]).median()
    for chain in above:
        lost[chain] = _log_mass(run, position, log_density, chain) < shared - _NEGLIGIBLE
    return lost


def _log_mass(
    run: Function, position: torch.Tensor, log_density: torch.Tensor, chain: torch.Tensor
) -> torch.Tensor:
    """Log mass about a chain, up to a constant, by a Gaussian of its density and curvature."""
    curvature = _log_curvature(run, position[chain], len(position))
    return log_density[chain] - 0.5 * curvature


def _log_curvature(run: Function, point: torch.Tensor, chains: int) -> torch.Tensor:
    """Log determinant of minus the Hessian, by central differences of the gradient."""
    dim = len(point)
    offsets = _STEP * torch.eye(dim, dtype=point.dtype, device=point.device)
    rows = point + torch.cat([offsets, -offsets])
    padded = torch.cat([rows, point.expand(-len(rows) % chains, dim)])
    gradients = torch.cat([run(block)[0] for block in padded.split(chains)])[: 2 * dim]
    hessian = (gradients[:dim] - gradients[dim:]) / (2 * _STEP)
    curvature = torch.linalg.eigvalsh(-(hessian + hessian.T) / 2)
    return curvature.abs().clamp(min=1e-6).log().sum()
