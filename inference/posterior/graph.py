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

import torch
from torch.fx import GraphModule

from counterfactual_models.handlers import isolated
from inference.posterior.density import Density
from inference.posterior.executors import EXECUTORS, Function
from inference.posterior.fingerprint import fingerprint
from inference.posterior.tracing import Untraceable, mapped, one_line, traced

__all__ = ["Graph", "graph_of", "verify"]

logger = logging.getLogger(__name__)

_CHECKED = 3
_CACHED = 16
_ROUNDINGS = 64  # units of rounding of the log density that two ways to add it may differ by
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

    @property
    def numbers(self) -> int:
        """How many numbers one call computes."""
        shapes = (node.meta.get("tensor_meta") for node in self.module.graph.nodes)
        each = sum(torch.Size(s.shape).numel() for s in shapes if hasattr(s, "shape"))
        return each if self.whole else each * len(self.points)

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
            with isolated(0):
                function = EXECUTORS[executor](self.module, (example, *inputs))
        except Exception as error:  # a compiler says whatever it likes
            raise Untraceable(f"executor {executor!r}: {one_line(error)}") from error

        def run(points: torch.Tensor) -> Any:
            try:
                if self.whole:
                    return function(points, *inputs)
                found = [function(point, *inputs) for point in points]
            except Exception as error:  # shapes that depend on values show only now
                raise Untraceable(one_line(error)) from error
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
    with isolated(0):  # tracers are one to a process
        return _found(density, batch)


def _found(density: Density, batch: int) -> Graph:
    points = _points(density, batch)
    inputs = tuple(density.evidence.values())
    key = _key(density, batch)
    if key is not None and key in _cache:
        _cache.move_to_end(key)
        graph = Graph(density, _cache[key][0], points, inputs, _cache[key][1])
        try:
            graph.compiled("python")
            return graph
        except Untraceable:  # two programs that differ in what no fingerprint tells
            del _cache[key]
    try:
        graph = _made(density, points, inputs)
    except Untraceable:
        if not inputs:
            raise
        # Distributions that look at their data cannot take them as inputs: make them constants.
        return _made(density, points, ())
    if key is None:
        return graph
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


def _key(density: Density, batch: int) -> str | None:
    """Tell a density by its program and all that it closes over; None where that is unknown."""
    program = fingerprint(density.question.program.call)
    if program is None:
        return None
    shapes = [(n, tuple(v.shape), str(v.dtype)) for n, v in density.evidence.items()]
    own = (program, density.names, density.shapes, density.discrete)
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


def verify(
    density: Density, run: Callable[..., Any], points: torch.Tensor, count: int = _CHECKED
) -> None:
    """Hold a graph against Pyro: value, and every element of the gradient.

    Parameters
    ----------
    density
        What is right.
    run
        What is held against it.
    points
        Shape (batch, dim).
    count
        At how many of the points.

    Raises
    ------
    Untraceable
        If they differ by more than rounding.
    """
    with torch.no_grad():
        gradients, values = run(points)
    unit = torch.finfo(density.origin.dtype).eps
    rows = torch.linspace(0, len(points) - 1, min(count, len(points))).long()
    exact_gradients, exact_values = density.one_by_one(points[rows])
    for k, row in enumerate(rows):
        value, gradient = exact_values[k], exact_gradients[k]
        if not (value.isfinite() and gradient.isfinite().all()):
            if values[row].isfinite():
                raise Untraceable("the traced density is finite where the program's is not")
            continue
        size = 1 + value.abs() + gradient.abs().max()
        apart = (
            gradients[row] - gradient
        ).abs() > 1e-3 * gradient.abs() + _ROUNDINGS * unit * size
        if not (values[row] - value).abs() <= _ROUNDINGS * unit * size or apart.any():
            raise Untraceable("the traced density differs from that of the program itself")
