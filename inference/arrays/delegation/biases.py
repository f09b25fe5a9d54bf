r"""Which program does a price on length or on time prefer, and from where on?

A base optimizer that charges λ for a bit of description and τ for a step of running prefers the
program with the lower DL + (τ/λ)·T. A search is short and slow, what it would find is long and
fast when stored: simplicity favours delegation, speed precomputation. They are equal at

.. math:: \tau^* = \frac{DL_{stored} - DL_{search}}{T_{search} - T_{stored}}

bits a step. State that lasts spreads the steps of one search over the outputs it serves, which
raises τ* (the post's *statefulness*). Levin's price, DL + log2 T, charges so little for time that
length decides.

References
----------
Hubinger et al. (2019), arXiv:1906.01820, sections 2.1 (compression) and 2.2 (inductive biases).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from counterfactual_models.errors import CounterfactualError, refuse_counts
from inference.arrays.delegation.code_lengths import description_bits
from inference.arrays.delegation.mazes import (
    MOVES,
    find_path,
    junction_bits,
    moves,
    perfect_maze,
    search_steps,
)
from inference.arrays.delegation.programs import minified
from inference.arrays.delegation.refusals import one_at_least

__all__ = [
    "MazePrograms",
    "Program",
    "critical_time_price",
    "crossing_size",
    "mazes_until_search",
    "preferred",
    "programs_for_maze",
]


@dataclass(frozen=True)
class Program:
    """A learned algorithm, by what it costs to write down and to run.

    Parameters
    ----------
    bits
        Description length, at least 0.
    steps
        Of one run, more than 0.

    Raises
    ------
    CounterfactualError
        If a number is out of its range.

    Examples
    --------
    >>> Program(bits=900, steps=4096).levin_price
    912.0
    """

    bits: float
    steps: float

    def __post_init__(self) -> None:
        one_at_least(0.0, bits=self.bits)
        one_at_least(0.0, strict=True, steps=self.steps)

    @property
    def levin_price(self) -> float:
        """Description length plus log2 of the steps, in bits."""
        return self.bits + float(np.log2(self.steps))

    def price(self, time_price: float) -> float:
        """Bits of the description and of the steps, at so many bits a step."""
        return self.bits + time_price * self.steps

    def serving(self, outputs: int) -> "Program":
        """Say what one output costs if state is kept: the steps are shared by so many."""
        refuse_counts(1, outputs=outputs)
        return Program(self.bits, self.steps / outputs)


@dataclass(frozen=True)
class MazePrograms:
    """Two learned algorithms that go through the same maze, measured.

    Attributes
    ----------
    size
        Cells on a side of the maze.
    stored
        The path written down; a step is a move.
    search
        The program that finds it; a step is a look through an opening.
    reactive_bits
        The turns alone, for a decoder that sees the junctions.
    """

    size: int
    stored: Program
    search: Program
    reactive_bits: float


def critical_time_price(stored: Program, search: Program) -> float:
    """At which price of a step are the stored answer and the search equally good?

    Parameters
    ----------
    stored, search
        Costs of both.

    Returns
    -------
    float
        τ*, bits a step: below it the search is preferred. 0 where the stored answer is no longer
        and runs no longer: the search is never preferred; infinite where the search is no longer
        and no slower, and not equal in both.

    Raises
    ------
    CounterfactualError
        If the search is the longer and faster one: then it is preferred above a price, not below.

    Examples
    --------
    >>> critical_time_price(Program(1200, 600), Program(900, 3600))
    0.1
    """
    shorter, slower = stored.bits - search.bits, search.steps - stored.steps
    if shorter < 0 and slower < 0:
        raise CounterfactualError(
            f"got a search of {search.bits:g} bits and {search.steps:g} steps, longer and faster "
            f"than the stored {stored.bits:g} bits and {stored.steps:g} steps; expected a shorter "
            "or slower one. This one is preferred above critical_time_price(search, stored)."
        )
    if shorter < 0 or (shorter == 0 and slower >= 0):
        return 0.0
    return shorter / slower if slower > 0 else float("inf")


def preferred(programs: Sequence[Program], time_price: float = 0.0) -> int:
    """Which of several programs does a base optimizer with this price of a step choose?

    Parameters
    ----------
    programs
        At least one.
    time_price
        Bits a step, at least 0; 0 for simplicity alone.

    Returns
    -------
    int
        Place of the cheapest, of equal ones the first.

    Raises
    ------
    CounterfactualError
        If there is no program or the price is negative.

    Examples
    --------
    >>> both = [Program(1200, 600), Program(900, 3600)]
    >>> preferred(both), preferred(both, time_price=0.2)
    (1, 0)
    """
    one_at_least(0.0, time_price=time_price)
    if not programs:
        raise CounterfactualError("got no programs; expected at least one to choose from.")
    return int(np.argmin([program.price(time_price) for program in programs]))


def mazes_until_search(stored: Iterable[Program], search: Program) -> float:
    """From how many instances on is one search shorter than all their answers stored?

    Parameters
    ----------
    stored
        Answers of typical instances, at least one.
    search
        One program for all.

    Returns
    -------
    float
        Bits of the search by those of the average answer.

    Raises
    ------
    CounterfactualError
        If there is no answer, or answers take no bits.

    Examples
    --------
    >>> mazes_until_search([Program(80, 40), Program(100, 50)], Program(900, 3600))
    10.0
    """
    each = [program.bits for program in stored]
    if not each or not sum(each) > 0:
        raise CounterfactualError(
            f"got stored answers of {each} bits; expected at least one that takes any."
        )
    return search.bits / float(np.mean(each))


def programs_for_maze(size: int, *, seed: int = 0) -> MazePrograms:
    """Store the path through a random maze, or store how to find it: what does each cost?

    Parameters
    ----------
    size
        Cells on a side, at least 2; from corner to corner.
    seed
        Of the maze.

    Returns
    -------
    MazePrograms
        Measured description lengths by the best of several codes, and steps.

    Raises
    ------
    CounterfactualError
        If the size is no whole number of at least 2.

    Examples
    --------
    >>> small, large = programs_for_maze(6), programs_for_maze(64)
    >>> small.stored.bits < small.search.bits == large.search.bits < large.stored.bits
    True
    """
    refuse_counts(2, size=size)
    maze = perfect_maze(size, seed=seed)
    path = find_path(maze, (0, 0), (size - 1, size - 1))
    stored = Program(description_bits(moves(path), MOVES), len(path) - 1)
    search = Program(_search_bits(), search_steps(maze))
    return MazePrograms(size, stored, search, junction_bits(maze, path))


def crossing_size(sizes: Iterable[int], *, mazes: int = 25, time_price: float = 0.0) -> int | None:
    """From which size of maze on is finding the path cheaper than storing it?

    Parameters
    ----------
    sizes
        Cells on a side, in the order to be tried.
    mazes
        How many mazes of each size; their median decides.
    time_price
        Bits a step, at least 0.

    Returns
    -------
    int or None
        The first size at which the median stored path costs more; None if none does. Lengths of
        paths vary by half, so that medians rise unevenly around it.

    Raises
    ------
    CounterfactualError
        If a count is none or the price is negative.

    Examples
    --------
    >>> crossing_size([8, 16], mazes=3) is None
    True
    """
    refuse_counts(1, mazes=mazes)
    one_at_least(0.0, time_price=time_price)
    for size in sizes:
        found = [programs_for_maze(size, seed=seed) for seed in range(mazes)]
        gains = [both.stored.price(time_price) - both.search.price(time_price) for both in found]
        if np.median(gains) > 0:
            return size
    return None


@cache
def _search_bits() -> float:
    return description_bits(minified(find_path))
