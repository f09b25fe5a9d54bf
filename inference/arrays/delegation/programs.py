"""What is the shortest text of a function as it stands?

How long a program is depends on its words, its comments and its language: a description length is
known up to a constant. Here the constant is made small in one fixed way, the same for every
function: its text in the file, without docstring and annotations, its own names cut to one letter.
"""

import ast
import builtins
import inspect
import string
import textwrap
from collections.abc import Callable
from typing import Any

from counterfactual_models.errors import CounterfactualError

__all__ = ["minified"]


def minified(function: Callable[..., Any]) -> str:
    """Text of a function without docstring, annotations, comments and long names.

    It defines ``f``, which does what the function does.

    Parameters
    ----------
    function
        Written with def in a file, of at most 50 names of its own; names of modules and builtins
        stay. None of its own is that of a keyword it passes, and no function is within it.

    Returns
    -------
    str
        Python.

    Raises
    ------
    CounterfactualError
        If its text cannot be read, or cannot be shortened without another meaning.

    Examples
    --------
    >>> from inference.arrays.delegation.mazes import find_path
    >>> minified(find_path).splitlines()[0]
    'def f(a,b,c):'
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError) as error:
        raise CounterfactualError(
            f"the text of {function!r} cannot be read ({error}); expected a function that is "
            "written in a file."
        ) from None
    written = tree.body[0]
    if not isinstance(written, ast.FunctionDef):
        raise CounterfactualError(f"got {function!r}; expected a function written with def.")
    if ast.get_docstring(written) is not None:
        written.body = written.body[1:] or [ast.Pass()]
    written.decorator_list = []
    _refuse_nested(written)
    shortened = ast.unparse(_Shortened(_own_names(written)).visit(tree))
    return _tight(shortened)


class _Shortened(ast.NodeTransformer):
    """Rename a function and what it binds, and drop annotations."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name, node.returns = self._names[node.name], None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg, node.annotation = self._names[node.arg], None
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._names.get(node.id, node.id)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return node
        return self.visit(ast.copy_location(ast.Assign([node.target], node.value), node))


def _refuse_nested(written: ast.FunctionDef) -> None:
    """Refuse what has names of its own, or binds those of others, within the function."""
    nested = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Global, ast.Nonlocal)
    for node in ast.walk(written):
        if isinstance(node, nested) and node is not written:
            raise CounterfactualError(
                f"{written.name} has a {type(node).__name__} in line {node.lineno} of its text; "
                "expected a function without def, class, global and nonlocal within it."
            )


def _own_names(written: ast.FunctionDef) -> dict[str, str]:
    """Map what the function binds to letters, in order of appearance."""
    bound: dict[str, None] = {}
    for node in ast.walk(written):
        if isinstance(node, ast.arg):
            bound.setdefault(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.setdefault(node.id)
    read = {node.id for node in ast.walk(written) if isinstance(node, ast.Name)} - set(bound)
    passed = {node.arg for node in ast.walk(written) if isinstance(node, ast.keyword)}
    if "f" in read and written.name != "f":
        raise CounterfactualError(
            f"{written.name} reads the name 'f'; expected another: its text defines f itself."
        )
    if passed & set(bound):
        raise CounterfactualError(
            f"{written.name} passes the keywords {sorted(map(str, passed & set(bound)))}, which "
            "are names of its own too; expected others, or to pass them by position."
        )
    free = [letter for letter in string.ascii_letters if letter not in read | {"f"}]
    bound.pop(written.name, None)
    if len(bound) > len(free) or any(hasattr(builtins, name) for name in bound):
        raise CounterfactualError(
            f"{written.name} binds {list(bound)}; expected at most {len(free)} names, none of "
            "them a builtin."
        )
    return {written.name: "f", **dict(zip(bound, free, strict=False))}


def _tight(text: str) -> str:
    lines = []
    for line in text.splitlines():
        body = line.lstrip()
        depth = (len(line) - len(body)) // 4
        for wide, tight in ((", ", ","), (" = ", "="), (" += ", "+="), (": ", ":")):
            body = body.replace(wide, tight)
        lines.append(" " * depth + body)
    tight = "\n".join(lines)
    try:
        same = ast.dump(ast.parse(tight)) == ast.dump(ast.parse(text))
    except SyntaxError:
        same = False
    # Blanks within a string of the program are no blanks of the program.
    return tight if same else text
