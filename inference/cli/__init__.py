"""The command: which worlds are there, how different does a disciple make one, do measures work?

Nothing heavy is imported until a world is to be run, so that `--help` answers at once. Whatever
a user can get wrong is one line on stderr and exit status 2.

| question | file |
|---|---|
| what was asked? | `parsing` |
| how different does a disciple make this world? | `audits` |
| do the measures work? | `beds` |
| where do words and files go? | `output` |
"""

import ast
from collections.abc import Sequence
from pathlib import Path

from counterfactual_models.errors import CounterfactualError
from inference.cli.output import say
from inference.cli.parsing import parse

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command ``counterfactual``.

    Parameters
    ----------
    arguments
        What follows the command's name; by default what the shell gave.

    Returns
    -------
    int
        Exit status: 0 when it went well, 1 when a world or a measure of the test-bed failed, 2
        when something given is wrong (one line on stderr says what), 130 when interrupted. A
        command line that cannot be parsed, `--help` and `--version` leave by ``SystemExit``, as
        argparse does.

    Examples
    --------
    >>> main(["worlds"]) == 0  # doctest: +ELLIPSIS
    biscuits ...
    factory ...
    trial ...
    True
    """
    options = parse(arguments)
    kept: list[Path] = []
    try:
        if options.command == "worlds":
            _list_worlds()
        elif options.command == "testbed":
            from inference.cli.beds import run_testbed

            return run_testbed(options, kept)
        else:
            from inference.cli.audits import run_audit

            run_audit(options, kept)
    except CounterfactualError as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        say(f"interrupted; kept: {' and '.join(map(str, kept)) or 'nothing'}.")
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
