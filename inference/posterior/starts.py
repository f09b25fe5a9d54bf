"""Where do chains begin? At points of finite density: of the prior, and about the origin."""

import pyro
import torch

from counterfactual_models.errors import CounterfactualError, WorldError
from counterfactual_models.handlers import derive_seed
from inference.posterior.density import Density
from inference.posterior.engine import simulate_past
from inference.posterior.executors import Function

__all__ = ["ASCENT", "GROUPS", "ascend", "find_starts"]

GROUPS = 8
"""Superchains: neighbours among the starts, which nested R-hat compares."""

ASCENT = 15
"""Steps of Adam from a start: 60 ran into the spike of a centred density."""

_TRIES = 20


def find_starts(density: Density, run: Function, chains: int, seed: int) -> torch.Tensor:
    """Find points of finite density, shape (chains, dim), neighbours side by side.

    Draws of the prior lie further apart than the posterior: where there are several modes, chains
    that begin there find them, and disagree. Every chain has a start of its own: with eight
    starts, a mode that holds a fifth of the posterior was missed by most runs.

    Raises
    ------
    WorldError
        If no point of finite density is found; the site to blame is named.
    """
    origin = density.origin
    generator = torch.Generator(origin.device).manual_seed(derive_seed(seed, "starts"))
    found: list[torch.Tensor] = []
    prior = _from_prior(density, chains, seed)
    if len(prior):
        found += list(prior[_finite(run, prior, chains)][: chains // 2])
    width = 2.0
    for _ in range(_TRIES):
        shape = (chains, density.dim)
        uniform = torch.rand(shape, generator=generator, device=origin.device).to(origin)
        near = (2 * uniform - 1) * width
        found += list(near[_finite(run, near, chains)])
        if len(found) >= chains:
            return _sorted(torch.stack(found[:chains]))
        width *= 0.8
    if found:
        return _sorted(torch.stack(found).repeat(-(-chains // len(found)), 1)[:chains])
    where = density.culprit(origin * 0)
    raise WorldError(
        f"no start was found where the density of the past is finite, in {_TRIES * chains} tries"
        + (f": site {where!r} is impossible there" if where else "")
        + ". Does the prior allow the evidence? Or use method='importance'."
    )


def ascend(run: Function, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Climb a little, by Adam, from points of shape (n, dim) towards the bulk of the density.

    Returns
    -------
    tuple of Tensor
        Points, and the gradients and log densities there.
    """
    gradient, height = run(points)
    mean, square = torch.zeros_like(points), torch.zeros_like(points)
    for k in range(1, ASCENT + 1):
        slope = gradient.nan_to_num()
        mean = 0.9 * mean + 0.1 * slope
        square = 0.99 * square + 0.01 * slope.square()
        step = (mean / (1 - 0.9**k)) / ((square / (1 - 0.99**k)).sqrt() + 1e-8)
        ahead = points + 0.1 * step
        found, value = run(ahead)
        good = value.isfinite() & found.isfinite().all(1)
        points = torch.where(good[:, None], ahead, points)
        gradient = torch.where(good[:, None], found, gradient)
        height = torch.where(good, value, height)
    return points, gradient, height


def _finite(run: Function, points: torch.Tensor, chains: int) -> torch.Tensor:
    padded = points.repeat(-(-chains // len(points)), 1)[:chains]
    gradient, value = run(padded)
    good = value.isfinite() & gradient.isfinite().all(1) & padded.isfinite().all(1)
    return good[: len(points)]


def _sorted(starts: torch.Tensor) -> torch.Tensor:
    """Put neighbours side by side: by ranks, along the direction in which they lie furthest."""
    ranks = starts.argsort(0).argsort(0).to(starts)
    ranks = ranks - ranks.mean(0)
    direction = torch.linalg.svd(ranks, full_matrices=False).Vh[0]
    return starts[(ranks @ direction).argsort()]


def _from_prior(density: Density, count: int, seed: int) -> torch.Tensor:
    """Draw starts from the prior, where it can be drawn from; else none."""
    if any(site.tempered for site in density.question.latents.values()):
        return density.origin.new_zeros(0, density.dim)
    try:
        with pyro.validation_enabled(False):
            past = simulate_past(
                density.question, draws=count, seed=seed, progress=False, what="starts"
            )
    except CounterfactualError:
        return density.origin.new_zeros(0, density.dim)
    points = density.join({n: past.values[n] for n in density.names}, lead=1)
    return points[points.isfinite().all(1)].to(density.origin)
