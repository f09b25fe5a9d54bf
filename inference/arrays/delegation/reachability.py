r"""How far down must a local search go, below the best it has had, to come to a target?

A base optimizer that climbs comes to a learned algorithm only along a path on which performance
rises, approximately. How approximate a path c_0, c_1, ... is, is its drawdown

.. math:: d = \max_t \Bigl( \max_{s \le t} J(c_s) - J(c_t) \Bigr)

and a target is reachable for an optimizer that tolerates the least drawdown of all paths to it.
That is a bottleneck path on states (algorithm, best so far). States are taken from a heap by
drawdown, so that of those at one algorithm only one with a lower best so far than all earlier
ones can be of use (Dijkstra with Pareto pruning).
"""

import heapq
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterfactual_models.errors import CounterfactualError, nearest, refuse_counts
from inference.arrays.delegation.refusals import finite_numbers, one_at_least

__all__ = [
    "Reachability",
    "ThresholdSearch",
    "algorithmic_range",
    "drawdown",
    "reachability",
]

_ROUNDING = 1e-15
_Graph = Mapping[Any, Iterable[Any]] | Callable[[Any], Iterable[Any]]
_Performance = Mapping[Any, float] | Callable[[Any], float]


@dataclass(frozen=True)
class Reachability:
    """The easiest path that a local search can take to a target.

    Attributes
    ----------
    drawdown
        How far it falls below its best so far, in units of performance; infinite if no path leads
        there within the tolerance.
    path
        From the start to the target, both included; empty if there is none.
    looked_at
        How many states were settled: a measure of the work.
    """

    drawdown: float
    path: tuple[Hashable, ...]
    looked_at: int

    @property
    def reachable(self) -> bool:
        """Whether any path leads there within the tolerance."""
        return bool(np.isfinite(self.drawdown))


@dataclass(frozen=True)
class ThresholdSearch:
    r"""Code of a search that does nothing until enough of its parts are there, as performance.

    An algorithm is a tuple of zeros and ones, one for each part. Unfinished code is in the way of
    the heuristics that work: k parts of it cost (k/room)², each the more the more there are. Once
    `needed` parts are there it searches, and every part is a gain. The least drawdown on the way
    to the whole code is ((needed - 1)/room)².

    Parameters
    ----------
    parts
        Of the whole code.
    needed
        How many of them make it search, from 1 to `parts`.
    room
        So many unfinished parts cost a performance of 1.

    Raises
    ------
    CounterfactualError
        If it needs more parts than there are, or a number of parts is no whole one from 1 on.

    Examples
    --------
    >>> code = ThresholdSearch(parts=10, needed=6)
    >>> reachability(code.neighbours, code, (0,) * 10, (1,) * 10).drawdown
    0.390625
    """

    parts: int = 10
    needed: int = 3
    room: float = 8.0

    def __post_init__(self) -> None:
        one_at_least(0.0, strict=True, room=self.room)
        refuse_counts(1, parts=self.parts, needed=self.needed)
        if self.needed > self.parts:
            raise CounterfactualError(
                f"got needed={self.needed} of {self.parts} parts; expected 1 to {self.parts}."
            )

    def __call__(self, code: tuple[int, ...]) -> float:
        """Say how the code performs, 0 with no part of it."""
        written = sum(code)
        return float(written) if written >= self.needed else -((written / self.room) ** 2)

    def neighbours(self, code: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Codes with one part more or one less."""
        for place, part in enumerate(code):
            yield (*code[:place], 1 - part, *code[place + 1 :])


def drawdown(performances: Any) -> float:
    """How far does a path fall below its best so far?

    Parameters
    ----------
    performances
        Along the path, shape (step,), at least one.

    Returns
    -------
    float
        At least 0; 0 if it never falls.

    Raises
    ------
    CounterfactualError
        If a performance is not finite, or there is none.

    Examples
    --------
    >>> drawdown([0, 2, 1, 3, 0.5, 4])
    2.5
    """
    path = finite_numbers("performances", performances)
    if path.ndim != 1 or not path.size:
        raise CounterfactualError(
            f"got performances of shape {path.shape}; expected one number a step."
        )
    return float(np.max(np.maximum.accumulate(path) - path))


def reachability(
    neighbours: _Graph,
    performance: _Performance,
    start: Hashable,
    target: Hashable | Callable[[Any], bool],
    tolerance: float | None = None,
    *,
    most_states: int = 1_000_000,
) -> Reachability:
    """How much must a local search put up with on its easiest way to a target?

    Parameters
    ----------
    neighbours
        Which algorithms are one step from one: a function, or a mapping algorithm -> algorithms.
    performance
        On the base objective: a function, or a mapping. Algorithms are hashable.
    start
        Where the search begins.
    target
        An algorithm, or a function that says of one whether it is wanted.
    tolerance
        Paths that fall further are not followed; None or infinity to follow all.
    most_states
        Refuse to settle more: an endless space without its target would never end.

    Returns
    -------
    Reachability
        The least drawdown, and a path that has it.

    Raises
    ------
    CounterfactualError
        If an algorithm has no neighbours or performance in a mapping, a performance is not
        finite, or the states are too many.

    Examples
    --------
    >>> line = {0: [1], 1: [0, 2], 2: [1, 3], 3: [2]}
    >>> height = {0: 0.0, 1: 1.0, 2: 0.25, 3: 5.0}
    >>> reachability(line, height, 0, 3)
    Reachability(drawdown=0.75, path=(0, 1, 2, 3), looked_at=4)
    >>> reachability(line, height, 0, 3, tolerance=0.5).reachable
    False
    """
    wanted = target if callable(target) else lambda node: node == target
    settled = _settled(neighbours, performance, start, tolerance, most_states)
    count = 0
    for count, (fallen, node, state, before) in enumerate(settled, start=1):
        if wanted(node):
            path, earlier = [node], before[state][1]
            while earlier is not None:
                path.append(before[earlier][0])
                earlier = before[earlier][1]
            return Reachability(fallen, tuple(reversed(path)), count)
    return Reachability(float("inf"), (), count)


def algorithmic_range(
    neighbours: _Graph,
    performance: _Performance,
    start: Hashable,
    tolerance: float = 0.0,
    *,
    most_states: int = 1_000_000,
) -> dict[Any, float]:
    """Which algorithms can a local search come to that tolerates so much?

    Parameters
    ----------
    neighbours, performance, start, most_states
        As in :func:`reachability`.
    tolerance
        Furthest that a path may fall below its best so far, at least 0.

    Returns
    -------
    dict
        The least drawdown on the way to each, in rising order.

    Raises
    ------
    CounterfactualError
        As :func:`reachability`.

    Examples
    --------
    >>> line = {0: [1], 1: [0, 2], 2: [1, 3], 3: [2]}
    >>> algorithmic_range(line, {0: 0.0, 1: 1.0, 2: 0.25, 3: 5.0}, 0, tolerance=0.5)
    {0: 0.0, 1: 0.0}
    """
    least: dict[Any, float] = {}
    for fallen, node, _, _ in _settled(neighbours, performance, start, tolerance, most_states):
        least.setdefault(node, fallen)
    return least


def _settled(
    neighbours: _Graph,
    performance: _Performance,
    start: Hashable,
    tolerance: float | None,
    most_states: int,
) -> Iterator[tuple[float, Any, int, list[tuple[Any, int | None]]]]:
    """Yield states by rising drawdown: (drawdown, node, its number, node and parent of each)."""
    allowed = np.inf if tolerance is None else one_at_least(0, infinite=True, tolerance=tolerance)
    known: dict[Any, float] = {}

    def level(node: Any) -> float:
        if node not in known:
            known[node] = _performance(performance, node)
        return known[node]

    states: list[tuple[Any, int | None]] = [(start, None)]
    heap = [(0.0, level(start), 0)]
    lowest: dict[Any, float] = {}
    count = 0
    while heap:
        fallen, best, state = heapq.heappop(heap)
        node = states[state][0]
        if best >= lowest.get(node, np.inf):
            continue
        lowest[node] = best
        count += 1
        if count > most_states:
            raise CounterfactualError(
                f"more than {most_states} states were looked at; expected a smaller space: "
                "give a tolerance, join algorithms that do the same, or raise most_states."
            )
        yield fallen, node, state, states
        for near in _near(neighbours, node):
            higher = max(best, level(near))
            further = max(fallen, higher - level(near))
            # 1 - 0.7 is a fall of 0.3 and a rounding more.
            slack = _ROUNDING * max(abs(higher), abs(level(near)))
            if further <= allowed + slack and higher < lowest.get(near, np.inf):
                states.append((near, state))
                heapq.heappush(heap, (further, higher, len(states) - 1))


def _performance(performance: _Performance, node: Any) -> float:
    if isinstance(performance, Mapping):
        if node not in performance:
            raise CounterfactualError(f"no performance of {node!r}. {_known(node, performance)}")
        return float(finite_numbers(f"performance[{node!r}]", performance[node]))
    return float(finite_numbers(f"performance[{node!r}]", performance(node)))


def _near(neighbours: _Graph, node: Any) -> Iterable[Any]:
    if not isinstance(neighbours, Mapping):
        return neighbours(node)
    if node not in neighbours:
        raise CounterfactualError(f"no neighbours of {node!r}. {_known(node, neighbours)}")
    return neighbours[node]


def _known(node: Any, names: Mapping[Any, Any]) -> str:
    return nearest(str(node), map(str, names))
