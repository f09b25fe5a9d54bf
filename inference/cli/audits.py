"""`counterfactual audit`: how different does a disciple make this world?"""

import argparse
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from counterfactual_models.errors import WorldError, nearest
from inference.cli.output import folder, move, plain_warnings
from inference.user_files import blaming, function_of, is_file, load_file, split

__all__ = ["run_audit"]

_ROWS = 15  # of the table that is printed; the page has them all
_COLUMNS = ["disciple", "measurement", "tv", "mcse", "lower", "upper", "floor", "p", "verdict"]
_SETTINGS = ("draws", "chains", "futures", "seed", "tolerance", "method")


def run_audit(options: argparse.Namespace, kept: list[Path]) -> None:
    """Audit a world, print the findings and write the page."""
    path, function = split(options.world)
    out = Path(options.out or Path("out", function or path.stem))
    with folder(out):
        question = _question(options)
        from inference.auditing import audit

        with plain_warnings(), blaming(path):
            found = audit(**question, progress=not options.quiet)
        move(found.write, out, kept)
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
    path, function = split(options.world)
    return (_of_file(path, function) if is_file(options.world) else _of_zoo(function)) | given


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
    module = load_file(path)
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
    world = function_of(module, function, path)
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


def _table(summary: Any) -> str:
    top = summary.sort_values("tv", ascending=False, kind="stable").head(_ROWS)[_COLUMNS]
    more = len(summary) - len(top)
    tail = f"\n... and {more} measurements that moved less" if more else ""
    return top.to_string(index=False, float_format="{:.3g}".format) + tail
