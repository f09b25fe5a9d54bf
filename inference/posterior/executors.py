"""Who runs a graph of tensor operations? Three ways behind one signature."""

import warnings
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch.fx import GraphModule

__all__ = ["EXECUTORS", "Function", "compiler_there"]


class Function(Protocol):
    """Points (batch, dim) -> gradients (batch, dim), values (batch,)."""

    def __call__(self, points: torch.Tensor, /) -> Any:
        """Run it, on a batch of the size it was made for."""


def _python(module: GraphModule, inputs: tuple[torch.Tensor, ...]) -> Callable[..., Any]:
    """Run it as Python, one operation at a time."""

    def run(*inputs: torch.Tensor) -> Any:
        with torch.no_grad():
            return module(*inputs)

    return run


def _torchscript(module: GraphModule, inputs: tuple[torch.Tensor, ...]) -> Callable[..., Any]:
    """Run it in TorchScript's interpreter: no Python, no compiler, a tenth of a second to make."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module, inputs, check_trace=False)
        frozen = torch.jit.freeze(traced.eval())

    def run(*inputs: torch.Tensor) -> Any:
        with torch.inference_mode():
            return frozen(*inputs)

    return run


def _inductor(module: GraphModule, inputs: tuple[torch.Tensor, ...]) -> Callable[..., Any]:
    """Compile it to fused machine code: seconds to make, several times faster to run."""
    import torch._inductor as inductor

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = inductor.compile(module, list(inputs))

    def run(*inputs: torch.Tensor) -> Any:
        with torch.no_grad():
            return compiled(*inputs)

    return run


EXECUTORS: dict[str, Callable[[GraphModule, tuple[torch.Tensor, ...]], Callable[..., Any]]] = {
    "torchscript": _torchscript,
    "python": _python,
    "inductor": _inductor,
}
"""Name -> how a module is made to run on inputs of the shapes given."""


def compiler_there() -> bool:
    """Tell whether inductor finds a C++ compiler."""
    try:
        from torch._inductor.cpp_builder import get_cpp_compiler

        return bool(get_cpp_compiler())
    except Exception:  # InvalidCxxCompiler, or an inductor of another shape
        return False
