"""What the command says, and where its files go: all of them or none."""

import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from counterfactual_models.errors import CounterfactualError, ImpactWarning

__all__ = ["folder", "move", "plain_warnings", "say"]


@contextmanager
def folder(out: Path) -> Iterator[None]:
    """Make sure before a long run that files can be written there; leave no empty folder."""
    made: list[Path] = []
    try:
        try:
            made += [one for one in (out, *out.parents) if not one.exists()]
            out.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=out).close()
        except OSError as error:
            got = "is a file" if out.is_file() else f"cannot be written to ({error.strerror})"
            raise CounterfactualError(f"--out {out} {got}: give a folder.") from error
        yield
    finally:
        for one in made:
            with suppress(OSError):
                one.rmdir()


def move(write: Callable[[Path], Iterable[Path]], out: Path, kept: list[Path]) -> None:
    """Write beside where the files go and move them when whole."""
    try:
        with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=out) as unfinished:
            for file in map(Path, write(Path(unfinished))):
                target = out / file.name
                if target.is_dir():
                    shutil.rmtree(target)
                kept.append(file.replace(target))
    except OSError as error:
        raise CounterfactualError(
            f"--out {out} could not be written to ({error.strerror or error}): "
            "make room or give another folder."
        ) from error


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Say each warning of ours once, in one line; leave those of others as they are."""
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
                say(f"warning: {message}")

        warnings.showwarning = show
        yield


def say(message: str) -> None:
    """Say one line on stderr."""
    print(f"counterfactual: {' '.join(message.split())}", file=sys.stderr)
