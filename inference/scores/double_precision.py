"""What would a world say in double precision? Single tensors it holds are widened as it runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

__all__ = ["Widened", "widened"]


class Widened(TorchFunctionMode):
    """Widens every tensor of single precision before it is computed with.

    Attributes
    ----------
    lost
        Whether the program went back to single precision somewhere.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lost = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Widen what goes in; see whether what comes out is still wide."""
        name = getattr(func, "__name__", "")
        if name == "__get__":  # shapes and dtypes are asked for all the time
            return func(*args, **(kwargs or {}))
        wide = _any(torch.float64, args, kwargs)
        if name == "__setitem__" or (name.endswith("_") and not name.endswith("__")):
            # An edit in place has to reach the tensor itself.
            self.lost |= wide and bool(args) and _any(torch.float32, args[0])
            return func(*args, **(kwargs or {}))
        narrow = _any(torch.float32, args, kwargs)
        if narrow:
            args, kwargs = _wide(args), _wide(kwargs or {})
        found = func(*args, **(kwargs or {}))
        self.lost |= (wide or narrow) and _any(torch.float32, found)
        return found


@contextmanager
def widened() -> Iterator[Widened]:
    """Compute in double precision; the caller isolates it.

    Examples
    --------
    >>> narrow = torch.ones(2)
    >>> with widened() as mode:
    ...     total = narrow + torch.zeros(2)
    >>> total.dtype, mode.lost
    (torch.float64, False)
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with Widened() as mode:
            yield mode
    finally:
        torch.set_default_dtype(before)


def _any(dtype: torch.dtype, *values: Any) -> bool:
    """Tell whether there is a tensor of this precision among values, or in what they hold."""
    for value in values:
        if isinstance(value, torch.Tensor):
            if value.dtype == dtype:
                return True
        elif isinstance(value, list | tuple):
            if _any(dtype, *value):
                return True
        elif isinstance(value, dict) and _any(dtype, *value.values()):
            return True
    return False


def _wide(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.double() if value.dtype == torch.float32 else value
    if type(value) in (list, tuple):
        return type(value)(map(_wide, value))
    return {key: _wide(each) for key, each in value.items()} if type(value) is dict else value
