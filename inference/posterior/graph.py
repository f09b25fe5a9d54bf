r"""The log density and its gradient as one graph of tensor operations, for a batch of points.

.. math:: (x_1, \ldots, x_B) \mapsto (\nabla \log p(x_b), \log p(x_b))_b

Pyro spends a millisecond of Python on each gradient, and microseconds on its arithmetic. So the
program is traced once, below autograd, and the graph is mapped over a batch of points. Nothing is
believed: the graph must agree with Pyro at three points, also when it comes from the cache.
"""

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyro
import torch
from torch.fx import GraphModule

from counterfactual_models.handlers import isolated
from inference.posterior.density import Density
from inference.posterior.executors import EXECUTORS, Function
from inference.posterior.tracing import Untraceable, mapped, one_line, traced

__all__ = ["Graph", "graph_of", "verify"]

logger = logging.getLogger(__name__)

_CHECKED = 3
_CACHED = 16
_cache: "OrderedDict[str, tuple[GraphModule, bool]]" = OrderedDict()


@dataclass(frozen=True)
class Graph:
    """A log density and its gradient for a batch of points.

    Parameters
    ----------
    density
        What it was made of.
    module
        Takes points (batch, dim) and the evidence; gives gradients (batch, dim) and values
        (batch,).
    points
        Where it is held against Pyro, shape (batch, dim): the batch is of this size.
    inputs
        The evidence, in order.
    whole
        Whether the module takes a batch; else it takes one point at a time.
    """

    density: Density
    module: GraphModule
    points: torch.Tensor
    inputs: tuple[torch.Tensor, ...]
    whole: bool

    def compiled(self, executor: str) -> Function:
        """Make it run: points (batch, dim), of this very shape -> (gradients, values).

        Raises
        ------
        Untraceable
            If the executor is not there, or does not give what Pyro gives.
        """
        inputs = self.inputs
        example = self.points if self.whole else self.points[0]
        try:
            function = EXECUTORS[executor](self.module, (example, *inputs))
            function(example, *inputs)
        except Exception as error:  # a compiler says whatever it likes
            raise Untraceable(f"executor {executor!r}: {one_line(error)}") from error

        def run(points: torch.Tensor) -> Any:
            if self.whole:
                return function(points, *inputs)
            found = [function(point, *inputs) for point in points]
            return torch.stack([g for g, _ in found]), torch.stack([v for _, v in found])

        verify(self.density, run, self.points)
        return run


def graph_of(density: Density, batch: int) -> Graph:
    """Trace a density, or take its graph from the cache; verified either way.

    Raises
    ------
    Untraceable
        If the density reads a number out of a tensor, draws at random, or grows too large.
    """
    points = _points(density, batch)
    inputs = tuple(density.evidence.values())
    key = _key(density, batch)
    if key in _cache:
        _cache.move_to_end(key)
        graph = Graph(density, _cache[key][0], points, inputs, _cache[key][1])
        try:
            graph.compiled("python")
            return graph
        except Untraceable:  # something that the program closes over was changed
            del _cache[key]
    try:
        graph = _made(density, points, inputs)
    except Untraceable:
        if not inputs:
            raise
        # Distributions that look at their data cannot take them as inputs: make them constants.
        return _made(density, points, ())
    _cache[key] = graph.module, graph.whole
    while len(_cache) > _CACHED:
        _cache.popitem(last=False)
    return graph


def _made(density: Density, points: torch.Tensor, inputs: tuple[torch.Tensor, ...]) -> Graph:
    single = _single(density, inputs)
    try:
        module = mapped(single, (points, *inputs), batched=1)
        graph = Graph(density, module, points, inputs, whole=True)
    except Untraceable as error:
        logger.info("one point at a time: %s", error)
        graph = Graph(density, single, points, inputs, whole=False)
    graph.compiled("python")
    return graph


def _points(density: Density, batch: int) -> torch.Tensor:
    origin = density.origin
    generator = torch.Generator(origin.device).manual_seed(batch)
    points = torch.rand(batch, density.dim, generator=generator, device=origin.device)
    points = 2 * points.to(origin) - 1
    points[0] = origin  # a draw of the prior: the density is finite there, most likely
    return points


def _key(density: Density, batch: int) -> str:
    shapes = [(n, tuple(v.shape), str(v.dtype)) for n, v in density.evidence.items()]
    own = (density.question.hash, density.names, density.shapes, density.discrete)
    kept = (*own, str(density.origin.dtype), str(density.origin.device), batch, shapes)
    return hashlib.blake2b(repr(kept).encode()).hexdigest()


def _single(density: Density, inputs: tuple[torch.Tensor, ...]) -> GraphModule:
    """Trace value and gradient at one point, with the evidence as inputs."""
    names, own = list(density.evidence), dict(density.evidence)

    def program(point: torch.Tensor, *data: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        density.evidence.update(zip(names, data, strict=False))
        value, gradient = density.value_and_gradient(point)
        return gradient, value

    try:
        return traced(program, (density.origin, *inputs))
    finally:
        density.evidence.update(own)


def verify(density: Density, run: Callable[..., Any], points: torch.Tensor) -> None:
    """Hold a graph against Pyro at three points: value and gradient.

    Raises
    ------
    Untraceable
        If they differ by more than rounding.
    """
    with torch.no_grad():
        gradients, values = run(points)
    relative = 1e-6 if density.origin.dtype == torch.float64 else 2e-3
    with isolated(0), pyro.validation_enabled(False):
        for row in torch.linspace(0, len(points) - 1, min(_CHECKED, len(points))).long():
            value, gradient = density.value_and_gradient(points[row])
            size = gradient.abs().max().nan_to_num(0.0, 0.0, 0.0) + 1
            ours = torch.cat([values[row].reshape(1), gradients[row] / size])
            theirs = torch.cat([value.reshape(1), gradient / size])
            if not torch.allclose(ours, theirs, rtol=relative, atol=relative, equal_nan=True):
                raise Untraceable("the traced density differs from that of the program itself")
