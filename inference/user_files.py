"""What stands in a Python file of the user's own: a world, an example, a measure.

A file is named with its function, ``path/to/file.py:function``. It is run once, under a name of
its own; what goes wrong in it is told with the file and the line.
"""

import importlib.util
import inspect
import sys
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from counterfactual_models.errors import CounterfactualError, WorldError, nearest

__all__ = ["blaming", "function_of", "is_file", "load_file", "split"]


def is_file(world: str) -> bool:
    """Tell a file from a name.

    Examples
    --------
    >>> is_file("factory"), is_file("my_world.py:shop")
    (False, True)
    """
    return ":" in world or "/" in world or "\\" in world or world.endswith(".py")


def split(world: str) -> tuple[Path, str]:
    """Take path and function apart; a name alone is a function.

    Examples
    --------
    >>> split("my_world.py:shop")[1], split("factory")[1], split("my_world.py")[1]
    ('shop', 'factory', '')
    """
    path, _, function = world.rpartition(":")
    if is_file(world) and (not path or not function.isidentifier()):
        return Path(world.removesuffix(":")), ""
    return Path(path), function


def load_file(path: Path) -> ModuleType:
    """Run a file once.

    Raises
    ------
    WorldError
        If there is none, it is no Python file, or it fails.
    """
    if path.suffix != ".py":
        raise WorldError(f"{path} is no Python file: expected path/to/file.py:function.")
    if not path.is_file():
        raise WorldError(f"there is no file {path}: expected path/to/file.py:function.")
    home = path.resolve()
    name = f"_world_{home.stem}_{zlib.crc32(str(home).encode()):08x}"
    spec = importlib.util.spec_from_file_location(name, home)
    assert spec is not None and spec.loader is not None  # given for every .py file
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # as pickles of its functions and dataclasses expect
    sys.path.insert(0, str(home.parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise WorldError(f"{path} cannot be imported: {_place(error, home)}.") from error
    finally:
        with suppress(ValueError):
            sys.path.remove(str(home.parent))
    return module


def function_of(module: ModuleType, function: str, path: Path) -> Callable[..., Any]:
    """Find a function of a file.

    Raises
    ------
    WorldError
        If it has none of that name; the nearest is offered.
    """
    there = [
        name
        for name, value in vars(module).items()
        if isinstance(value, partial)
        or (inspect.isfunction(value) and value.__module__ == module.__name__)
    ]
    if not function:
        raise WorldError(f"which function of {path}? Write {path}:function. {nearest('', there)}")
    found = getattr(module, function, None)
    if found is None:
        raise WorldError(f"{path} has no function {function!r}. {nearest(function, there)}")
    if not callable(found):
        raise WorldError(
            f"{path}: {function!r} is a {type(found).__name__}, no function. {nearest('', there)}"
        )
    return found


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Answer an error that the user's file raises with its line; ours stay tracebacks."""
    try:
        yield
    except CounterfactualError:
        raise
    except Exception as error:
        place = _place(error, path.resolve())
        if not place.startswith("line "):
            raise
        raise WorldError(f"{path}, {place}.") from error


def _place(error: BaseException, file: Path) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}, line {error.lineno}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(file)]
    where = f"line {lines[-1]}: " if lines else ""
    return f"{where}{type(error).__name__}: {error}".rstrip(".: ")
