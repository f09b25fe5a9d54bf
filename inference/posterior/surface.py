"""What is the log density, and its gradient, at any number of points?

By the traced graph, in blocks of one size; where the program cannot be traced, by the program.
"""

from dataclasses import dataclass

import pyro
import torch

from counterfactual_models.handlers import isolated
from inference.posterior.density import Density
from inference.posterior.engine import Order
from inference.posterior.executors import Function
from inference.posterior.graph import Graph, graph_of
from inference.posterior.tracing import Untraceable

__all__ = ["BLOCK", "Surface", "surface_of"]

BLOCK = 64
"""Points that the graph takes at once: as many as chains of HMC, which shares its graphs."""


@dataclass(frozen=True)
class Surface:
    """The log density of a past, to be asked for at many points.

    Parameters
    ----------
    density
        What is evaluated.
    run
        Points (block, dim) -> gradients, log densities.
    executor
        Who runs it; ``program`` where there is no graph.
    """

    density: Density
    run: Function
    executor: str

    def __call__(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give gradients, shape (n, dim), and log densities, shape (n,), at points (n, dim)."""
        found = [self._block(block) for block in points.detach().split(BLOCK)]
        return torch.cat([g for g, _ in found]), torch.cat([v for _, v in found])

    def heights(self, points: torch.Tensor) -> torch.Tensor:
        """Give log densities only, shape (n,)."""
        if self.executor == "program":  # a third of the time, without its gradients
            with isolated(0), pyro.validation_enabled(False), torch.no_grad():
                return torch.stack([self.density.log_density(point) for point in points])
        return torch.cat([self._block(block)[1] for block in points.detach().split(BLOCK)])

    def _block(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        count = len(points)
        if self.executor != "program" and count < BLOCK:
            points = torch.cat([points, points[:1].expand(BLOCK - count, -1)])
        gradients, values = self.run(points)
        # A graph gives tensors of inference mode, which autograd refuses to save: clone.
        return gradients[:count].clone(), values[:count].clone()


def surface_of(density: Density, order: Order) -> Surface:
    """Trace a density and make it run; where it cannot be traced, fall back on the program.

    Raises
    ------
    Untraceable
        If the executor that was asked for by name does not work.
    """
    try:
        graph = graph_of(density, BLOCK)
    except Untraceable:
        return Surface(density, density.one_by_one, "program")
    if order.compile != "auto":
        return _made(graph, order.compile)
    try:
        return _made(graph, "torchscript")
    except Untraceable:  # TorchScript is on its way out of torch
        return _made(graph, "python")


def _made(graph: Graph, executor: str) -> Surface:
    return Surface(graph.density, graph.compiled(executor), executor)
