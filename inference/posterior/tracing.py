"""A program as a graph of tensor operations: traced once, made functional, cleaned, mapped."""

import operator
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast
from unittest import mock

import pyro
import torch
from torch.distributions import Distribution
from torch.func import functionalize, vmap
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.passes.dialect.common.cse_pass import CSEPass
from torch.fx.passes.shape_prop import ShapeProp

from counterfactual_models.handlers import isolated

__all__ = ["Untraceable", "mapped", "one_line", "traced"]

_aten = torch.ops.aten
_MOST_NODES = 50_000
_READS = (
    "it branches on the value of a latent, or reads it out (.item(), NumPy, a mask that picks)"
)
_NOTHING = {_aten.detach.default, _aten.alias.default, _aten.lift_fresh_copy.default}


class Untraceable(Exception):
    """The program cannot be turned into a graph; the message says what stands in the way."""


def traced(program: Callable[..., Any], inputs: tuple[torch.Tensor, ...]) -> GraphModule:
    """Trace a program of tensors below autograd; what it closes over becomes constants.

    Raises
    ------
    Untraceable
        If it reads a number out of a tensor, draws at random, or grows too large.
    """
    # A distribution made outside the world checks its values, which no tracer can follow.
    unchecked = mock.patch.object(Distribution, "_validate_sample", return_value=None)
    try:
        with isolated(0), unchecked, pyro.validation_enabled(False), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _closed_exits():
                module = make_fx(program)(*inputs)
            _refuse(module)
            with torch.no_grad():  # before folding: an edit in place would reach into constants
                module = make_fx(functionalize(module))(*inputs)
                return _cleaned(module)
    except Untraceable:
        raise
    except Exception as error:  # the user's program, in a world it was not written for
        raise Untraceable(one_line(error)) from error


def mapped(single: GraphModule, inputs: tuple[torch.Tensor, ...], *, batched: int) -> GraphModule:
    """Map a graph over the first axis of its first `batched` inputs.

    Raises
    ------
    Untraceable
        If an operation has no rule for batches.
    """
    dims = tuple(0 if k < batched else None for k in range(len(inputs)))
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = _cleaned(make_fx(vmap(single, in_dims=dims))(*inputs))
            return _faster(module, inputs)
    except Exception as error:  # whatever a rule for batches says
        raise Untraceable(one_line(error)) from error


def one_line(error: Exception) -> str:
    """Say in one line what stood in the way."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    if "tracing tensor" in text or "data-dependent" in text or "Boolean value" in text:
        return _READS
    return text


@contextmanager
def _closed_exits() -> Iterator[None]:
    """Refuse to take numbers out of tensors by NumPy or as lists: they would become constants."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise Untraceable(_READS)

    with ExitStack() as stack:
        for name in ("numpy", "__array__", "tolist"):
            stack.enter_context(mock.patch.object(torch.Tensor, name, refuse))
        yield


def _refuse(module: GraphModule) -> None:
    """Refuse random numbers, and shapes that depend on values."""
    moving: set[Node] = set()
    for node in module.graph.nodes:
        if node.op == "placeholder" or moving.intersection(node.all_input_nodes):
            moving.add(node)
        if node.op != "call_function":
            continue
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            raise Untraceable(f"it draws random numbers in its density ({node.target})")
        counts = torch.Tag.dynamic_output_shape in getattr(node.target, "tags", ())
        if counts and (node.target != _aten.index.Tensor or _masks(node, moving)):
            raise Untraceable(_READS)


def _masks(node: Node, moving: set[Node]) -> bool:
    """Tell whether an indexing picks by a mask that depends on the point."""
    given: Any = node.args[1]
    masks = [i for i in given if i in moving]
    return any(i.meta["val"].dtype == torch.bool for i in masks if "val" in i.meta)


def _cleaned(module: GraphModule) -> GraphModule:
    """Drop what does nothing, compute once what never changes, and never twice the same."""
    graph = module.graph
    if len(graph.nodes) > _MOST_NODES:
        raise Untraceable(f"its graph has {len(graph.nodes)} operations")
    for node in list(graph.nodes):
        if node.op == "call_function" and node.target in _NOTHING:
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
        elif node.op == "call_function" and node.target == _aten.fill.Scalar:
            node.target = _aten.full_like.default  # TorchScript knows no fill
    graph.eliminate_dead_code()
    _fold(module)
    found = CSEPass()(module)
    module = module if found is None else found.graph_module
    module.graph.eliminate_dead_code()
    module.recompile()
    return module


def _fold(module: GraphModule) -> None:
    known: dict[Node, Any] = {}
    graph = module.graph
    for node in list(graph.nodes):
        if node.op == "get_attr":
            known[node] = operator.attrgetter(node.target)(module)
        elif node.op == "call_function" and all(n in known for n in node.all_input_nodes):
            args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), known.__getitem__)
            known[node] = node.target(*args, **kwargs)
    for k, (node, value) in enumerate(list(known.items())):
        if node.op == "call_function" and isinstance(value, torch.Tensor):
            name = f"_folded_{k}"
            while hasattr(module, name):
                name += "_"
            module.register_buffer(name, value.detach().clone(), persistent=False)
            with graph.inserting_before(node):
                node.replace_all_uses_with(graph.get_attr(name))
    graph.eliminate_dead_code()
    module.recompile()


def _faster(module: GraphModule, inputs: tuple[torch.Tensor, ...]) -> GraphModule:
    """Replace what a batch makes slow: fancy indexing, and products with copies of one matrix."""
    with torch.no_grad():
        ShapeProp(module).propagate(*inputs)
    for k, node in enumerate(list(module.graph.nodes)):
        if node.op == "call_function" and node.target == _aten.bmm.default:
            _multiply_once(module, node, f"_matrix_{k}")
        elif (columns := _columns(module, node)) is not None:
            _gather(module, node, columns, f"_columns_{k}")
    module.graph.eliminate_dead_code()
    module.recompile()
    return module


def _gather(module: GraphModule, node: Node, columns: torch.Tensor, name: str) -> None:
    """Take columns by gather, or add to them by scatter: four times as fast as indexing."""
    graph = module.graph
    module.register_buffer(name, columns, persistent=False)
    with graph.inserting_before(node):
        where = graph.get_attr(name)
        if node.target == _aten.index.Tensor:
            new = graph.call_function(_aten.gather.default, (node.args[0], 1, where))
        else:
            args = (node.args[0], 1, where, node.args[2])
            new = graph.call_function(_aten.scatter_add.default, args)
    node.replace_all_uses_with(new)
    graph.erase_node(node)


def _multiply_once(module: GraphModule, node: Node, name: str) -> None:
    """Multiply by one matrix, where a batch multiplies by as many copies of it."""
    left, right = (cast(Node, argument) for argument in node.args)
    graph = module.graph
    shape = list(_shape(node))
    if (matrix := _copied(module, right)) is not None:
        factor, rows = left, _shape(left)
    elif (matrix := _copied(module, left)) is not None and _shape(right)[2] == 1:
        factor, rows = right, (_shape(right)[0], 1, _shape(right)[1])
        matrix = matrix.T.contiguous()
    else:
        return
    module.register_buffer(name, matrix, persistent=False)
    with graph.inserting_before(node):
        flat = graph.call_function(_aten.reshape.default, (factor, [rows[0] * rows[1], rows[2]]))
        product = graph.call_function(_aten.mm.default, (flat, graph.get_attr(name)))
        new = graph.call_function(_aten.reshape.default, (product, shape))
    node.replace_all_uses_with(new)
    graph.erase_node(node)


def _copied(module: GraphModule, node: Node) -> torch.Tensor | None:
    """Find the matrix that a constant stack repeats."""
    if node.op != "get_attr":
        return None
    stack = operator.attrgetter(str(node.target))(module)
    same = stack.ndim == 3 and torch.equal(stack, stack[:1].expand_as(stack))
    return stack[0].contiguous() if same else None


def _shape(node: Any) -> tuple[int, ...]:
    return tuple(node.meta["tensor_meta"].shape)


def _columns(module: GraphModule, node: Node) -> torch.Tensor | None:
    """Find the columns that a node takes of each row of a matrix, if that is what it does."""
    adds = node.target == _aten.index_put.default and len(node.args) > 3 and node.args[3]
    if node.op != "call_function" or not (adds or node.target == _aten.index.Tensor):
        return None
    source: Any = node.args[0]
    shape = _shape(source)
    given: Any = node.args[1]
    constant = all(i is None or i.op == "get_attr" for i in given)
    if len(shape) != 2 or len(given) != 2 or not constant:
        return None
    rows, columns = (i and operator.attrgetter(i.target)(module) for i in given)
    if columns is None or columns.dtype != torch.long:
        return None
    every = torch.arange(shape[0], device=columns.device)
    if rows is not None and not (len(rows) == shape[0] and torch.equal(rows.flatten(), every)):
        return None
    if _shape(node.args[2] if adds else node) != (shape[0], columns.numel()):
        return None
    return (columns.reshape(1, -1) % shape[1]).expand(shape[0], -1).contiguous()
