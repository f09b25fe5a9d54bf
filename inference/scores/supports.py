r"""Where does a distribution begin and end? An edge that moves adds to a derivative by its motion.

.. math:: \frac{d}{de} \int_0^{b(e)} p(z, e)\, dz = \int_0^{b(e)} \partial_e p(z, e)\, dz
          + b'(e)\, p(b(e), e)

The last term is in no score: nothing at a draw tells of it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch.distributions import Independent, TransformedDistribution

from inference.scores.programs import looked_at

__all__ = ["edges", "is_discrete", "moves_with", "room", "unwrapped"]


def is_discrete(fn: Any) -> bool:
    """Tell whether a distribution has whole numbers, or kinds, only."""
    support = _support(looked_at(fn))
    return bool(getattr(support, "is_discrete", False))


def edges(fn: Any, *, numbers: bool = False) -> list[torch.Tensor]:
    """Finite ends of a support that are tensors; a number moves with no derivative.

    Parameters
    ----------
    fn
        A distribution.
    numbers
        Give the ends that are plain numbers, too: these may differ from run to run.

    Examples
    --------
    >>> import pyro.distributions as dist
    >>> edges(dist.Uniform(0.0, torch.tensor(3.0)).expand([2]).to_event(1))
    [tensor(3.)]
    >>> edges(dist.Normal(0.0, 1.0))
    []
    """
    found = _ends(fn, everything=numbers)
    return [edge for edge in found if bool(edge.detach().isfinite().any())]


def moves_with(found: Iterable[torch.Tensor], leaves: Mapping[str, torch.Tensor]) -> list[str]:
    """Name what the edges move with."""
    moving = []
    for edge in found:
        if not edge.requires_grad:
            continue
        slopes = torch.autograd.grad(
            edge[edge.isfinite()].sum(),
            list(leaves.values()),
            retain_graph=True,
            allow_unused=True,
        )
        moving += [
            name
            for name, slope in zip(leaves, slopes, strict=True)
            if slope is not None and bool((slope != 0).any())
        ]
    return list(dict.fromkeys(moving))


def room(fn: Any, value: torch.Tensor) -> torch.Tensor:
    """How far a value may be moved: a standard deviation, and half the way to an edge at most."""
    fn = looked_at(fn)
    try:
        spread = fn.variance.detach().sqrt().to(value).expand(value.shape)
    except (NotImplementedError, AttributeError, RuntimeError):
        spread = torch.full_like(value, torch.nan)
    usual = torch.where(value == 0, 1.0, value.abs())
    spread = torch.where(spread.isfinite() & (spread > 0), spread, usual)
    if is_discrete(fn):
        return spread.clamp(max=0.5)
    support = _support(unwrapped(fn))
    if type(support).__name__ == "MixtureSameFamilyConstraint":
        return spread
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    bounds = {"lower_bound": 1.0, "upper_bound": -1.0}
    for name, sign in bounds.items():
        bound = getattr(support, name, None)
        if bound is not None:
            away = sign * (value - torch.as_tensor(bound).detach())
            spread = torch.minimum(spread, 0.5 * away.clamp(min=0).expand(value.shape))
    if type(support).__name__ == "_Simplex":
        spread = torch.minimum(spread, 0.5 * value)
    return spread


def unwrapped(fn: Any) -> Any:
    """Take off what only repeats, masks or reinterprets a distribution."""
    wrappers = ("ExpandedDistribution", "MaskedDistribution")
    while type(fn).__name__ in wrappers or isinstance(fn, Independent):
        fn = fn.base_dist
    return fn


def _support(fn: Any) -> Any:
    try:
        return fn.support
    except NotImplementedError:
        return None


def _ends(fn: Any, *, everything: bool = False) -> list[torch.Tensor]:
    """Find the ends of a support: those of what is transformed go through the transforms."""
    fn = unwrapped(looked_at(fn))
    own = isinstance(fn, TransformedDistribution)
    if not own or type(fn).support is not TransformedDistribution.support:
        return _numbers(_support(fn), everything=everything)
    whole = fn.base_dist.batch_shape + fn.base_dist.event_shape
    found = [edge.expand(whole) for edge in _ends(fn.base_dist, everything=True)]
    for transform in fn.transforms:
        found = [transform(edge) for edge in found]
    return found


def _numbers(constraint: Any, *, everything: bool = False) -> list[torch.Tensor]:
    """Tensors that a constraint holds, numbers too if asked."""
    found: list[torch.Tensor] = []
    for value in vars(constraint).values() if hasattr(constraint, "__dict__") else ():
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif everything and isinstance(value, int | float) and not isinstance(value, bool):
            found.append(torch.as_tensor(float(value)))
        elif hasattr(value, "check"):
            found += _numbers(value, everything=everything)
        elif isinstance(value, list | tuple):
            parts = [part for part in value if hasattr(part, "check")]
            found += [n for part in parts for n in _numbers(part, everything=everything)]
    return found
