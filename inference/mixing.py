"""Do draws see each other? A watch over what a program does to a whole batch of draws.

Under a plate the draws are an axis like any other: ``y.mean()``, ``(y > 0).any()`` or ``y[0]`` mix
them without a word, and most single draws may agree with what comes out. A call that takes the
axis of draws in and gives something without it back is such a mixing.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyro
import torch
from torch.overrides import TorchFunctionMode

__all__ = ["FEWEST", "DrawsMixed", "Watch"]

FEWEST = 65
"""Smaller batches are not watched: an axis of the world itself may have their length."""

_LIBRARIES = tuple(str(Path(module.__file__ or "").parent) for module in (torch, pyro))


class DrawsMixed(Exception):
    """The program computed with several draws at once."""


class Watch(TorchFunctionMode):
    """Raises :class:`DrawsMixed` when the program's own lines mix draws.

    Calls from inside torch and Pyro are let be: they check whole batches, and mean well.

    Parameters
    ----------
    draws
        Length of the axis of draws.

    Examples
    --------
    >>> y = torch.zeros(100, 3)
    >>> with Watch(100):
    ...     total = y.sum(-1)
    >>> with Watch(100):
    ...     y - y.mean()
    Traceback (most recent call last):
        ...
    inference.mixing.DrawsMixed: line 2 of <doctest inference.mixing.Watch[2]> mixes draws (mean)
    """

    def __init__(self, draws: int) -> None:
        super().__init__()
        self.draws = draws

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the call, then compare what went in with what came out."""
        found = func(*args, **(kwargs or {}))
        if _holds_tensor(found) and not self._has(found):
            caller = sys._getframe(1)
            where = caller.f_code.co_filename
            own = not where.startswith(_LIBRARIES)
            if own and any(self._has(value) for value in _tensors(args)):
                name = getattr(func, "__name__", "")
                raise DrawsMixed(
                    f"line {caller.f_lineno} of {Path(where).name} mixes draws ({name})"
                )
        return found

    def _has(self, value: Any) -> bool:
        if isinstance(value, tuple | list):
            return any(self._has(part) for part in value)
        return isinstance(value, torch.Tensor) and self.draws in value.shape


def _holds_tensor(found: Any) -> bool:
    if isinstance(found, tuple | list):
        return any(map(_holds_tensor, found))
    return isinstance(found, torch.Tensor)


def _tensors(args: Iterable[Any]) -> Iterable[torch.Tensor]:
    for value in args:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
