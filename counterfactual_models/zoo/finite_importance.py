r"""What is each datum worth to a future of finitely many outcomes, beside the switch?

What a datum i is good for, with X = x, is how far the law moves when the datum is another one:

.. math:: I_i^x = \mathrm{mean}_{e'} \lVert P(e', S, x) - P(e, S, x) \rVert_1, \qquad
          I_X = \lVert P_1 - P_0 \rVert_1, \qquad
          \rho = I_X / \mathrm{median}_{I_i^0 > 0}\, I_i^0

The shares of the data in the sum of the I_i make a profile. Two profiles may agree where sums of
data have given way to their differences: then the signed changes of the law, as rows of J, tell
it by the Gram matrix J J^T.

S. Armstrong, "The mathematics of reduced impact: help needed" (2012), on the importance of X.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["FiniteImportance", "Law", "distance", "importance"]

Law = Mapping[Any, float]
"""Outcome, a tuple of numbers, -> probability."""

NOTHING = 1e-12  # below it, a distance of laws is rounding


@dataclass(frozen=True)
class FiniteImportance:
    """What each datum is worth to the future, beside the switch.

    Parameters
    ----------
    switch
        I_X, from 0 to 2.
    off, on
        Datum -> I_i with the disciple erased, and let in; from 0 to 2.
    ratio
        rho: X over the typical datum that says anything at all in the erased world. Above 1, X
        is the more important. 0 if X says nothing; inf if X says something, and no datum does.
    profile_distance
        D4: total variation of the shares that the data have in the sum of the I_i; 1 if they
        have none in one world only.
    gram_distance
        D4G: half the trace distance of the Gram matrices of all changes, each of trace 1; rows
        are signed changes of the law, weighted so that every datum counts once.
    """

    switch: float
    off: Mapping[str, float]
    on: Mapping[str, float]
    ratio: float
    profile_distance: float
    gram_distance: float


def importance(
    laws: Mapping[int, Law], moved: Mapping[str, Sequence[tuple[Law, Law]]]
) -> FiniteImportance:
    """Compare what the data are worth in both worlds, and the switch with them.

    Parameters
    ----------
    laws
        X -> the law at the evidence.
    moved
        Datum -> the laws, erased and let in, at each evidence that there might have been instead.

    Returns
    -------
    FiniteImportance

    Examples
    --------
    >>> heads, tails = {(1,): 1.0}, {(0,): 1.0}
    >>> found = importance({0: heads, 1: heads}, {"toss": [(tails, heads)]})
    >>> found.off, found.on, found.profile_distance
    ({'toss': 2.0}, {'toss': 0.0}, 1.0)
    """
    off, on = (
        {
            datum: float(np.mean([distance(other[x], laws[x]) for other in others]))
            for datum, others in moved.items()
        }
        for x in (0, 1)
    )
    switch = distance(laws[0], laws[1])
    telling = [size for size in off.values() if size > NOTHING]
    if switch <= NOTHING:
        ratio = 0.0
    else:
        ratio = switch / float(np.median(telling)) if telling else math.inf
    profiles = (np.diag([*each.values()]) for each in (off, on))
    grams = (_gram(laws[x], list(moved.values()), x) for x in (0, 1))
    return FiniteImportance(
        switch, off, on, ratio, _trace_distance(*profiles), _trace_distance(*grams)
    )


def distance(law: Law, other: Law) -> float:
    """Add up what the probabilities of all outcomes differ by: L1, from 0 to 2."""
    return math.fsum(abs(law.get(w, 0.0) - other.get(w, 0.0)) for w in {**law, **other})


def _gram(law: Law, moved: Sequence[Sequence[tuple[Law, Law]]], x: int) -> np.ndarray:
    """Multiply all signed changes of a law with each other, every datum counting once."""
    rows = [(other[x], len(others) ** -0.5) for others in moved for other in others]
    outcomes = sorted({w for one in [law, *(own for own, _ in rows)] for w in one})
    changes = np.zeros((len(rows), len(outcomes)))
    for row, (other, weight) in zip(changes, rows, strict=True):
        row[:] = [weight * (other.get(w, 0.0) - law.get(w, 0.0)) for w in outcomes]
    return changes @ changes.T


def _trace_distance(off: np.ndarray, on: np.ndarray) -> float:
    """Halve the trace norm of what two matrices, each of trace 1, differ by."""
    traces = np.trace(off), np.trace(on)
    alive = [bool(trace > NOTHING**2) for trace in traces]
    if not all(alive):
        return float(any(alive))
    shares = on / traces[1] - off / traces[0]
    return float(abs(np.linalg.eigvalsh(shares)).sum() / 2)
