"""What was the command asked to do?"""

import argparse
import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

from counterfactual_models import __version__
from counterfactual_models.errors import nearest

__all__ = ["parse"]

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
_BED = """\
A world is named with options in brackets if you like, in quotes: "hurricane(sites=8)". One of your
own is a function that returns an Example with its truth, path/to/file.py:function; a measure of
your own is a function of the worlds that returns a number per disciple, named the same way:

    counterfactual testbed --worlds hurricane mine.py:village --measures shape mine.py:uproar
"""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; leave by ``SystemExit`` where it cannot be read."""
    parser = _Parser(
        prog="counterfactual",
        description="How different is the world with a disciple let in?",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("worlds", help="list the worlds that ship with the library")
    optional = {"audit": _add_audit(commands), "testbed": _add_testbed(commands)}
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        known = [action.option_strings[0] for action in optional.get(options.command, [])]
        hint = nearest(unknown[0], known)
        parser.error(f"unknown argument {unknown[0]!r}. {hint}")
    return options


def _add_audit(commands: Any) -> list[argparse.Action]:
    """Add the command, and give back what is optional in it."""
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
    return [
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


def _add_testbed(commands: Any) -> list[argparse.Action]:
    """Add the command, and give back what is optional in it."""
    bed = commands.add_parser(
        "testbed",
        help="ask every measure of impact about worlds whose truth is known",
        description="Ask every measure of impact about worlds whose truth is known.",
        epilog=_BED,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    count = partial(_number, kind=int, least=1)
    add = bed.add_argument
    many: dict[str, Any] = {"metavar": "NAME", "nargs": "+"}
    return [
        add("--worlds", **many, help="which worlds; all by default"),
        add("--measures", **many, help="which measures; all by default"),
        add("--list", action="store_true", help="list worlds and measures, and run nothing"),
        add("--out", metavar="DIR", help="where the files go (default: out/testbed)"),
        add("--draws", metavar="N", type=count, help="draws of each chain"),
        add("--futures", metavar="N", type=count, help="futures for each draw of the past"),
        add("--seed", metavar="N", type=partial(_number, kind=int), help="of the random numbers"),
        add("--workers", metavar="N", type=count, help="processes; as many as there are cores"),
        add("--combine", action="store_true", help="weigh measures on half of the worlds, too"),
        add("--readme", metavar="FILE", help="write the table into this file, between its marks"),
        add("--quiet", action="store_true", help="print only the paths written"),
    ]


class _Parser(argparse.ArgumentParser):
    """Answers a wrong command line with one line instead of the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(
            2, f"{self.prog}: {' '.join(message.split()).rstrip('.')}; see {self.prog} --help.\n"
        )


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
