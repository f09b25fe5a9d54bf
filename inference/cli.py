"""The command: which worlds are there, and how different does a disciple make this one?

Nothing heavy is imported until a world is to be run, so that `--help` answers at once. Whatever
a user can get wrong is one line on stderr and exit status 2.
"""

import argparse
import ast
import importlib.util
import inspect
import math
import shutil
import sys
import tempfile
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn, TextIO

from counterfactual_models import __version__
from counterfactual_models.errors import CounterfactualError, ImpactWarning, WorldError, nearest

__all__ = ["main"]

_ROWS = 15  # of the table that is printed; the page has them all
_COLUMNS = ["disciple", "measurement", "tv", "mcse", "lower", "upper", "floor", "p", "verdict"]
_SETTINGS = ("draws", "chains", "futures", "seed", "tolerance", "method")
_METHODS = ("auto", "enumerate", "hmc", "importance", "laplace", "nuts", "prior", "svi")
_EXPLAINED = """\
WORLD is a name that `counterfactual worlds` lists, or a function in a file of your own. Beside
the function, which takes the disciple, that file says who is let in and what was observed:

    def factory(disciple): ...
    disciples = {"modest": modest, "greedy": greedy}
    evidence = {"orders": [19, 24, 22]}         (or --evidence FILE)
    utility, coords, dims                       (where you have them)

A CSV of evidence has a column for each site, named in its first line, and a row for each place.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command ``counterfactual``.

    Parameters
    ----------
    arguments
        What follows the command's name; by default what the shell gave.

    Returns
    -------
    int
        Exit status: 0 when it went well, 2 when something given is wrong (one line on stderr
        says what), 130 when interrupted. A command line that cannot be parsed, `--help` and
        `--version` leave by ``SystemExit``, as argparse does.

    Examples
    --------
    >>> main(["worlds"]) == 0  # doctest: +ELLIPSIS
    collapse ...
    factory ...
    trial ...
    True
    """
    options = _parse(arguments)
    kept: list[Path] = []
    try:
        if options.command == "worlds":
            _list_worlds()
        else:
            _audit(options, kept)
    except CounterfactualError as error:
        _say(str(error))
        return 2
    except KeyboardInterrupt:
        _say(f"interrupted; kept: {' and '.join(map(str, kept)) or 'nothing'}.")
        return 130
    return 0


def _list_worlds() -> None:
    from counterfactual_models import zoo

    width = max(map(len, zoo.names()))
    for name in zoo.names():
        text = Path(zoo.__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
        print(
            f"{name:<{width}}  {(ast.get_docstring(ast.parse(text)) or '').partition(chr(10))[0]}"
        )


def _audit(options: argparse.Namespace, kept: list[Path]) -> None:
    path, function = _split(options.world)
    out = Path(options.out or Path("out", function or path.stem))
    with _folder(out):
        question = _question(options)
        from inference.auditing import audit

        with _plain_warnings(), _blaming(path):
            found = audit(**question, progress=not options.quiet)
        _write(found, out, kept)
        if not options.quiet:
            print("\n".join([*_slow(found.tree.attrs), *found.sentences]), end="\n\n")
            print(_table(found.summary), end="\n\n")
        print("\n".join(map(str, kept)))


def _slow(attrs: Mapping[Any, Any]) -> list[str]:
    """Say why a world was run one draw at a time, if one was."""
    from inference.schema import decode_attrs

    ways = decode_attrs(attrs).get("vectorised", {})
    reasons = {how.removeprefix("loop: ") for how in ways.values() if how != "plate"}
    return [f"One run per draw, which is slow: {'; '.join(sorted(reasons))}."] if reasons else []


def _question(options: argparse.Namespace) -> dict[str, Any]:
    settings = {name: getattr(options, name) for name in _SETTINGS}
    given = {name: value for name, value in settings.items() if value is not None}
    if options.evidence is not None:
        from inference.evidence import read_evidence

        given["evidence"] = read_evidence(options.evidence)
    path, function = _split(options.world)
    return (_of_file(path, function) if _is_file(options.world) else _of_zoo(function)) | given


def _of_zoo(name: str) -> dict[str, Any]:
    from counterfactual_models import zoo

    if name not in zoo.names():
        raise WorldError(
            f"no world is named {name!r}. {nearest(name, zoo.names())} "
            "One of your own is given as path/to/file.py:function."
        )
    example = zoo.load(name)
    fields = ("name", "world", "evidence", "disciples", "utility", "coords", "dims")
    return {**example.settings, **{field: getattr(example, field) for field in fields}}


def _of_file(path: Path, function: str) -> dict[str, Any]:
    module = _load(path)
    world = _world_of(module, function, path)
    disciples = getattr(module, "disciples", None)
    if disciples is None:
        raise WorldError(
            f"{path} has no `disciples`: add a line such as disciples = {{'modest': modest}}."
        )
    if not isinstance(disciples, Mapping | list | tuple) or not disciples:
        raise WorldError(
            f"`disciples` in {path} is {disciples!r}: expected a dict with at least one policy, "
            "such as {'modest': modest}, or a list."
        )
    evidence = getattr(module, "evidence", {})
    if not isinstance(evidence, Mapping):
        raise WorldError(
            f"`evidence` in {path} is a {type(evidence).__name__}: "
            "expected a dict, such as {'orders': [19, 24]}."
        )
    optional = {field: getattr(module, field, None) for field in ("utility", "coords", "dims")}
    return {
        "name": function,
        "world": world,
        "evidence": evidence,
        "disciples": disciples,
        **optional,
    }


def _world_of(module: ModuleType, function: str, path: Path) -> Callable[..., Any]:
    there = [
        name
        for name, value in vars(module).items()
        if isinstance(value, partial)
        or (inspect.isfunction(value) and value.__module__ == module.__name__)
    ]
    if not function:
        raise WorldError(
            f"which function of {path} is the world? Write {path}:function. {nearest('', there)}"
        )
    world = getattr(module, function, None)
    if world is None:
        raise WorldError(f"{path} has no function {function!r}. {nearest(function, there)}")
    if not callable(world):
        raise WorldError(
            f"{path}: {function!r} is a {type(world).__name__}, no function. {nearest('', there)}"
        )
    try:
        inspect.signature(world).bind("disciple")
    except TypeError as error:
        raise WorldError(
            f"{function!r} in {path} cannot be called with a disciple alone ({error}): "
            f"expected def {function}(disciple): ..."
        ) from error
    except ValueError:  # no signature, as of some builtins: the run will tell
        pass
    return world


def _load(path: Path) -> ModuleType:
    if path.suffix != ".py":
        raise WorldError(f"{path} is no Python file: expected path/to/file.py:function.")
    if not path.is_file():
        raise WorldError(f"there is no file {path}: expected path/to/file.py:function.")
    home = path.resolve()
    name = f"_world_{home.stem}_{zlib.crc32(str(home).encode()):08x}"
    spec = importlib.util.spec_from_file_location(name, home)
    assert spec is not None and spec.loader is not None  # given for every .py file
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
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


def _place(error: BaseException, file: Path) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}, line {error.lineno}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(file)]
    where = f"line {lines[-1]}: " if lines else ""
    return f"{where}{type(error).__name__}: {error}".rstrip(".: ")


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
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


def _is_file(world: str) -> bool:
    return ":" in world or "/" in world or "\\" in world or world.endswith(".py")


def _split(world: str) -> tuple[Path, str]:
    path, _, function = world.rpartition(":")
    if _is_file(world) and (not path or not function.isidentifier()):
        return Path(world.removesuffix(":")), ""
    return Path(path), function


@contextmanager
def _folder(out: Path) -> Iterator[None]:
    """Make sure before a long run that files can be written there; leave no empty folder."""
    made: list[Path] = []
    try:
        try:
            made += [folder for folder in (out, *out.parents) if not folder.exists()]
            out.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=out).close()
        except OSError as error:
            got = "is a file" if out.is_file() else f"cannot be written to ({error.strerror})"
            raise CounterfactualError(f"--out {out} {got}: give a folder.") from error
        yield
    finally:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def _write(found: Any, out: Path, kept: list[Path]) -> None:
    """Write beside where the files go and move them when whole."""
    try:
        with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=out) as unfinished:
            for file in map(Path, found.write(Path(unfinished))):
                target = out / file.name
                if target.is_dir():
                    shutil.rmtree(target)
                kept.append(file.replace(target))
    except OSError as error:
        raise CounterfactualError(
            f"--out {out} could not be written to ({error.strerror or error}): "
            "make room or give another folder."
        ) from error


def _table(summary: Any) -> str:
    top = summary.sort_values("tv", ascending=False, kind="stable").head(_ROWS)[_COLUMNS]
    more = len(summary) - len(top)
    tail = f"\n... and {more} measurements that moved less" if more else ""
    return top.to_string(index=False, float_format="{:.3g}".format) + tail


@contextmanager
def _plain_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("always", ImpactWarning)
        usual, said = warnings.showwarning, set[str]()

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if not issubclass(category, ImpactWarning):
                usual(message, category, filename, lineno, file, line)
            elif str(message) not in said:
                said.add(str(message))
                _say(f"warning: {message}")

        warnings.showwarning = show
        yield


def _say(message: str) -> None:
    print(f"counterfactual: {' '.join(message.split())}", file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """Answers a wrong command line with one line instead of the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(
            2, f"{self.prog}: {' '.join(message.split()).rstrip('.')}; see {self.prog} --help.\n"
        )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(
        prog="counterfactual",
        description="How different is the world with a disciple let in?",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("worlds", help="list the worlds that ship with the library")
    audit = commands.add_parser(
        "audit",
        help="draw a world with and without each disciple, and report the difference",
        description="Draw a world with and without each disciple, and report the difference.",
        epilog=_EXPLAINED,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    count = partial(_number, kind=int, least=1)
    share = partial(_number, kind=float, most=1.0)
    add = audit.add_argument
    add("world", metavar="WORLD", help="a name, or path/to/file.py:function")
    optional = [
        add("--evidence", metavar="FILE", help="what was observed: .csv, .json or .nc"),
        add("--out", metavar="DIR", help="where the files go (default: out/NAME)"),
        add("--draws", metavar="N", type=count, help="draws of each chain"),
        add("--chains", metavar="N", type=count, help="chains of the posterior"),
        add("--futures", metavar="N", type=count, help="futures for each draw of the past"),
        add("--seed", metavar="N", type=partial(_number, kind=int), help="of the random numbers"),
        add("--tolerance", metavar="T", type=share, help="total variation that is small enough"),
        add("--method", choices=_METHODS, help="how the posterior is drawn; auto by default"),
        add("--quiet", action="store_true", help="print only the paths written"),
    ]
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        known = [action.option_strings[0] for action in optional]
        hint = nearest(unknown[0], known if options.command == "audit" else [])
        parser.error(f"unknown argument {unknown[0]!r}. {hint}")
    return options


def _number(text: str, *, kind: type, least: float = 0, most: float = math.inf) -> Any:
    expected = "a whole number" if kind is int else "a number"
    bounds = f"of at least {least}" if most == math.inf else f"from {least} to {most:g}"
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected {expected} {bounds}")
    return value


if __name__ == "__main__":
    sys.exit(main())
