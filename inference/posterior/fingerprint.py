"""Are two programs the same, down to what they close over? A text that says so, or none at all."""

import functools
import hashlib
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import torch

__all__ = ["fingerprint"]

_LIBRARIES = tuple(str(Path(module.__file__ or "").parent) for module in (torch, pyro, np))


class _Unknown(Exception):
    """Something whose content cannot be told."""


def fingerprint(program: Any) -> str | None:
    """Digest a program with all it refers to: closures, defaults, globals, bound arguments.

    Returns
    -------
    str or None
        None where it refers to something whose content cannot be told.

    Examples
    --------
    >>> def make(x):
    ...     return lambda: x + 1
    >>> fingerprint(make(1)) == fingerprint(make(1)) != fingerprint(make(2))
    True
    >>> fingerprint(make(object())) is None
    True
    """
    if len(pyro.get_param_store()):
        return None
    digest = hashlib.blake2b()
    try:
        _feed(program, digest, set())
    except _Unknown:
        return None
    return digest.hexdigest()


def _feed(value: Any, digest: Any, seen: set[int]) -> None:
    digest.update(type(value).__qualname__.encode())
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray | np.generic):
        digest.update(str((value.shape, value.dtype)).encode() + value.tobytes())
    elif isinstance(value, str | int | float | complex | bytes | None | type(...)):
        digest.update(repr(value).encode())
    elif id(value) in seen:
        return
    else:
        seen.add(id(value))
        _feed_parts(value, digest, seen)


def _feed_parts(value: Any, digest: Any, seen: set[int]) -> None:
    parts = _of_container(value)
    if parts is None:
        parts = _of_program(value)
    if parts is None:
        raise _Unknown
    for part in parts:
        _feed(part, digest, seen)


def _of_container(value: Any) -> list[Any] | None:
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if isinstance(value, Mapping):
        return [part for item in value.items() for part in item]
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in fields(value)]
    return None


def _of_program(value: Any) -> list[Any] | None:
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, types.ModuleType):
        return [value.__name__]
    if isinstance(value, types.CodeType):
        return [value.co_code, value.co_names, *value.co_consts]
    if isinstance(value, types.FunctionType):
        return _of_function(value)
    if isinstance(value, types.MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, types.BuiltinFunctionType | type) or _of_library(value):
        return [getattr(value, "__module__", ""), getattr(value, "__qualname__", "")]
    if callable(value) and hasattr(value, "__dict__"):
        return [type(value).__call__, vars(value)]
    return None


def _of_function(function: types.FunctionType) -> list[Any]:
    where = function.__code__.co_filename
    if where.startswith(_LIBRARIES):
        return [function.__module__, function.__qualname__]
    cells = []
    for cell in function.__closure__ or ():
        try:
            cells.append(cell.cell_contents)
        except ValueError:  # not yet filled
            cells.append(None)
    names = _names(function.__code__)
    used = {n: function.__globals__[n] for n in sorted(names) if n in function.__globals__}
    return [function.__code__, function.__defaults__, function.__kwdefaults__, cells, used]


def _names(code: types.CodeType) -> set[str]:
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*map(_names, inner)) if inner else set(code.co_names)


def _of_library(value: Any) -> bool:
    """Tell a callable of torch, Pyro or NumPy, which does not change, from what a user made."""
    module = getattr(value, "__module__", None) or ""
    named = hasattr(value, "__qualname__") or isinstance(value, torch.dtype)
    return named and module.split(".")[0] in ("torch", "pyro", "numpy", "builtins", "math")
