r"""Who acts in the world: the disciple S, a policy with a name and a source.

The source counts: how long the disciple's description is bounds how much a description of the
future may cost before it is no description at all.
"""

import ast
import inspect
import lzma
import textwrap
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from counterfactual_models.errors import DiscipleError

__all__ = ["ERASED", "Disciple", "erased", "gather"]

ERASED = "erased"
"""Label of the world in which the disciple was erased: X=0."""


@dataclass(frozen=True)
class Disciple:
    """A policy S, observation -> action, with a name and the text it was written as.

    Parameters
    ----------
    policy
        Any callable.
    name
        How tables and plots call it; by default the function's own name.
    source
        Its source text; by default read from the file the function was written in; of a lambda,
        its own text alone, not the line around it.

    Raises
    ------
    DiscipleError
        If the policy is not callable or the name is the reserved ``"erased"``.

    Examples
    --------
    >>> from counterfactual_models import Disciple
    >>> modest = Disciple(lambda demand: demand.clamp(max=1000), name="modest", source="min(d, k)")
    >>> modest.description_bits()
    104
    """

    policy: Callable[..., Any]
    name: str = ""
    source: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not callable(self.policy):
            raise DiscipleError(
                f"a disciple got a policy of type {type(self.policy).__name__}; "
                "expected a callable, observation -> action."
            )
        if not self.name:
            object.__setattr__(self, "name", _own_name(self.policy))
        if self.name == ERASED and self.policy is not _never:
            raise DiscipleError(
                f"a disciple is named {ERASED!r}, which names the world without one: rename it."
            )
        if self.source is None:
            object.__setattr__(self, "source", _own_source(self.policy))

    def __call__(self, *observation: Any) -> Any:
        """Act on an observation."""
        return self.policy(*observation)

    def description_bits(self) -> int:
        r"""Length of the shortest known description of the disciple, in bits.

        .. math:: 8 \min(|\mathrm{zlib}(s)|, |\mathrm{lzma}(s)|) + \text{bits of its parameters}

        with *s* the source text, its indentation removed.

        Returns
        -------
        int
            Bits, above 0.

        Raises
        ------
        DiscipleError
            If there is no source text to compress.
        """
        if self.source is None:
            raise DiscipleError(
                f"the source of disciple {self.name!r} cannot be read; "
                "give it: Disciple(policy, name=..., source='...')."
            )
        text = textwrap.dedent(self.source).strip().encode()
        packed = min(
            len(zlib.compress(text, 9)),
            len(lzma.compress(text, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2}])),
        )
        parameters = getattr(self.policy, "parameters", None)
        weights = parameters() if callable(parameters) else ()
        return 8 * (packed + sum(p.numel() * p.element_size() for p in weights))


def _never(*observation: Any) -> Any:
    raise DiscipleError(
        "the disciple was asked to act although X=0 erased it: the world calls it past the wire. "
        "Call it only through `act = wire(disciple, idle=...)`."
    )


def _no_policy(*observation: Any) -> Any:
    raise DiscipleError(
        "the world asked a disciple to act that was given as None, for a switch without a policy; "
        "give it a function, observation -> action."
    )


def _own_name(policy: Callable[..., Any]) -> str:
    name = getattr(policy, "__name__", "") or getattr(
        getattr(policy, "func", None), "__name__", ""
    )
    if not name or name == "<lambda>":
        name = "disciple" if name else type(policy).__name__
    return name


def _own_source(policy: Callable[..., Any]) -> str | None:
    inner = getattr(policy, "func", policy)
    try:
        return _lambda_source(inner) or inspect.getsource(inner)
    except (OSError, TypeError):
        pass
    try:  # an instance: its class, and what it was made with
        text, made = inspect.getsource(type(inner)), repr(inner)
    except (OSError, TypeError):
        return None
    return text if " at 0x" in made else f"{text}\n{made}"


def _lambda_source(policy: Any) -> str | None:
    """Cut a lambda out of its file; None if it is none, or another might be meant."""
    if not inspect.isfunction(policy) or policy.__name__ != "<lambda>":
        return None
    text = "".join(inspect.findsource(policy)[0])
    try:
        every = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Lambda)]
    except SyntaxError:
        return None
    found = [node for node in every if node.lineno == policy.__code__.co_firstlineno]
    if len(found) > 1:
        told = _told_places(policy.__code__)
        found = [node for node in found if told and _holds(node.body, told)]
        # Of several that hold it, one within the other, it is the innermost.
        found = sorted(found, key=lambda node: (node.body.lineno, node.body.col_offset))
        found = found[-1:]
    return ast.get_source_segment(text, found[0]) if found else None


def _told_places(code: CodeType) -> list[tuple[int, int]]:
    """Find where what a function does begins and ends in its file, as far as Python tells."""
    found: list[tuple[int, int]] = []
    for line, last, start, end in code.co_positions():
        if line is None or last is None or start is None or end is None:
            continue
        if (line, start) != (last, end):
            found += [(line, start), (last, end)]
    return found


def _holds(body: ast.expr, places: list[tuple[int, int]]) -> bool:
    first, last = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    return first <= min(places) and max(places) <= last


erased = Disciple(_never, name=ERASED, source="")
"""The disciple at X=0. It cannot act; a world that asks it to has a leak in its wire."""


def gather(
    disciples: Mapping[str, Callable[..., Any] | None] | Iterable[Disciple | Callable[..., Any]],
) -> list[Disciple]:
    """Read the disciples a user gives, a dict or a list, into disciples with distinct names.

    Parameters
    ----------
    disciples
        ``{"modest": modest, ...}``, or a list of :class:`Disciple` or plain functions. Where the
        switch stands alone there is no policy: ``{"law": None}``.

    Returns
    -------
    list of Disciple
        In the order given.

    Raises
    ------
    DiscipleError
        If there are none, one is not callable, or two share a name.

    Examples
    --------
    >>> [d.name for d in gather({"modest": min, "greedy": max})]
    ['modest', 'greedy']
    """
    if isinstance(disciples, Disciple) or callable(disciples):
        disciples = [disciples]
    if disciples is None:
        raise DiscipleError(
            "got None for the disciples; expected {'modest': modest}, or {'law': None} for a "
            "switch without a policy."
        )
    if isinstance(disciples, Mapping):
        found = [_named(policy, name) for name, policy in disciples.items()]
    else:
        found = [d if isinstance(d, Disciple) else Disciple(d) for d in disciples]
    if not found:
        raise DiscipleError("got no disciple; expected at least one, e.g. {'modest': modest}.")
    names = [d.name for d in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DiscipleError(f"two disciples are named {twice[0]!r}; give each a name of its own.")
    return found


def _named(policy: Callable[..., Any] | None, name: str) -> Disciple:
    if policy is None:
        return Disciple(_no_policy, name=str(name), source="")
    if isinstance(policy, Disciple):
        return Disciple(policy.policy, name=str(name), source=policy.source)
    return Disciple(policy, name=str(name))
