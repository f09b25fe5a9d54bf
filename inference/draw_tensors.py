"""How are two sets of draws put on one scale, sorted and added up, in torch and in bounded memory?

What the distances of :mod:`inference.training` have in common; draws are (row, measurement).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from counterfactual_models.errors import CounterfactualError

__all__ = [
    "checked_pair",
    "checked_rows",
    "erased_scale",
    "matched_ranks",
    "ranked",
    "seeded_normal",
    "sum_of_distances",
    "summed",
]

HELD = 2**22
"""Numbers in a temporary tensor; more rows are taken in turn, and computed again for gradients."""


def checked_pair(
    let_in: torch.Tensor, erased: torch.Tensor, *, least: int = 2
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take two sets of draws as columns of floats of one kind, or refuse them.

    Examples
    --------
    >>> [x.shape for x in checked_pair(torch.zeros(3), torch.zeros(2, 1))]
    [torch.Size([3, 1]), torch.Size([2, 1])]
    """
    on = checked_rows("let_in", let_in, least=least)
    off = checked_rows("erased", erased, least=least)
    if on.shape[1] != off.shape[1]:
        raise CounterfactualError(
            f"let_in has {on.shape[1]} measurements and erased {off.shape[1]}; expected the same "
            "measurements, in the same order: (row, measurement)."
        )
    kind = torch.promote_types(on.dtype, off.dtype)
    return on.to(kind), off.to(kind)


def checked_rows(name: str, draws: torch.Tensor, *, least: int = 1) -> torch.Tensor:
    """Take draws as columns of floats, or refuse them by name, row and measurement.

    Examples
    --------
    >>> checked_rows("erased", torch.tensor([1, 2])).dtype
    torch.float32
    """
    if not isinstance(draws, torch.Tensor) or draws.ndim not in (1, 2) or draws.is_complex():
        shape = getattr(draws, "shape", type(draws).__name__)
        raise CounterfactualError(
            f"{name} is {shape}; expected a tensor of real numbers, (row, measurement)."
        )
    draws = draws[:, None] if draws.ndim == 1 else draws
    if len(draws) < least or not draws.shape[1]:
        raise CounterfactualError(
            f"{name} has shape {tuple(draws.shape)}; expected at least {least} rows and one "
            "measurement."
        )
    finite = draws.detach().isfinite()
    if not finite.all():
        row, column = (~finite).nonzero()[0].tolist()
        raise CounterfactualError(
            f"{name} is {draws[row, column].item()} in row {row}, measurement {column}; expected "
            "finite numbers. Mend the world, or measure a bounded function of it."
        )
    # Half precision has not the digits for a mean of thousands.
    return draws.to(torch.promote_types(draws.dtype, torch.float32))


def erased_scale(erased: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each measurement, held fixed; 1 for a constant.

    Examples
    --------
    >>> mean, sd = erased_scale(torch.tensor([[1e7, 5.0], [1e7 + 2, 5.0]]))
    >>> (mean - 1e7)[0].item(), sd.tolist()
    (1.0, [1.4142135381698608, 1.0])
    """
    fixed = erased.detach()
    # From the first row: at an offset of 1e4 single precision has few digits left for a mean.
    apart = fixed - fixed[0]
    sd = apart.std(0)
    return fixed[0] + apart.mean(0), torch.where(sd > 0, sd, 1.0)


def summed(
    function: Callable[[torch.Tensor], torch.Tensor], rows: torch.Tensor, each: int
) -> torch.Tensor:
    """Add up a function of rows, part by part; `each` is the temporary numbers that a row takes.

    Examples
    --------
    >>> summed(lambda part: part.square().sum(), torch.arange(4.0), HELD)
    tensor(14.)
    """
    parts = rows.split(max(1, HELD // max(1, each)))
    if len(parts) == 1:
        return function(rows)
    sums = [
        checkpoint(function, part, use_reentrant=False, preserve_rng_state=False) for part in parts
    ]
    return torch.stack(sums).sum(0)


def sum_of_distances(rows: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Add up the Euclidean distances of all pairs, a part of the rows at a time.

    Distances come from a matrix product: rows are best centred, and one with itself adds some
    rounding. The gradient of two equal rows is 0.

    Examples
    --------
    >>> sum_of_distances(torch.tensor([[0.0], [3.0]]), torch.tensor([[1.0]]))
    tensor(3.)
    """
    return _SumOfDistances.apply(rows, others)


class _SumOfDistances(torch.autograd.Function):
    """Takes the slopes along with the sum, in one buffer: n x m numbers are never held."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        step = max(1, HELD // len(others))
        held = rows.new_empty(min(step, len(rows)), len(others))
        lengths = others.square().sum(1)
        total, pull, push = rows.new_zeros(()), [], torch.zeros_like(others)
        for part in rows.split(step):
            gaps = torch.addmm(lengths, part, others.T, alpha=-2, out=held[: len(part)])
            gaps.add_(part.square().sum(1, keepdim=True)).clamp_(min=0).sqrt_()
            total += gaps.sum()
            if any(ctx.needs_input_grad):
                gaps.reciprocal_().nan_to_num_(posinf=0.0)
                pull.append(gaps.sum(1)[:, None] * part - gaps @ others)
                push += gaps.sum(0)[:, None] * others - gaps.T @ part
        ctx.save_for_backward(torch.cat(pull) if pull else rows, push)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(slopes[0] * slope for slope in ctx.saved_tensors)


def ranked(series: torch.Tensor) -> torch.Tensor:
    """Sort along the last axis; NumPy does it several times faster than torch on a CPU.

    Examples
    --------
    >>> ranked(torch.tensor([2.0, 1.0]))
    tensor([1., 2.])
    """
    if series.device.type != "cpu":
        return series.sort(dim=-1).values
    order = np.argsort(series.detach().numpy(), axis=-1)
    return series.gather(-1, torch.from_numpy(order))


def matched_ranks(n: int, m: int, like: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Which ranks of n and of m draws meet, over which share of the quantiles.

    Examples
    --------
    >>> [found.tolist() for found in matched_ranks(1, 2, torch.zeros(()))]
    [[0, 0], [0, 1], [0.5, 0.5]]
    """
    steps = torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n
    ends = torch.cat(steps).unique()
    widths = torch.diff(ends, prepend=ends.new_zeros(1)).double() / (n * m)
    return ((ends - 1) // m).to(like.device), ((ends - 1) // n).to(like.device), widths.to(like)


def seeded_normal(shape: tuple[int, ...], like: torch.Tensor, seed: int) -> torch.Tensor:
    """Draw normal numbers, the same in every dtype and on every device.

    Examples
    --------
    >>> wide = seeded_normal((2,), torch.zeros((), dtype=torch.float64), 0)
    >>> torch.equal(wide.float(), seeded_normal((2,), torch.zeros(()), 0))
    True
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(like)
