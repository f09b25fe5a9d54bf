"""Which draws teach, and which are judged by what these have taught?

The draws are cut into two halves, contiguous runs of blocks, so that neither a chain's memory nor
a pair of worlds leads from one half into the other; each half judges what the other has learnt.
Where there are several things to learn, the half that learns chooses among them, by the last third
of its own blocks.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["NAIVE", "Half", "Split", "halves_of", "read_once"]

NAIVE = "naive_bayes"
"""The one witness that holds no measurement: its scores add up over chunks of them."""


class Split(NamedTuple):
    """Rows that teach and rows that are judged, first and last.

    Parameters
    ----------
    taught, judged
        First row, and the one after the last.
    """

    taught: tuple[int, int]
    judged: tuple[int, int]

    @property
    def train(self) -> slice:
        """The rows that teach."""
        return slice(*self.taught)

    @property
    def test(self) -> slice:
        """The rows that are judged."""
        return slice(*self.judged)

    def draws(self, futures: int) -> int:
        """Posterior draws that teach, with so many rows each."""
        return (self.taught[1] - self.taught[0]) // futures


class Half(NamedTuple):
    """How one half of the draws is judged.

    Parameters
    ----------
    learn
        Learn on the other half, and judge this one.
    choose
        Learn on two thirds of the other half, and choose by its last third.
    """

    learn: Split
    choose: Split


def halves_of(bounds: np.ndarray) -> tuple[Half, Half]:
    """Cut draws into two halves, each to be judged by what the other has taught.

    Parameters
    ----------
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.

    Returns
    -------
    tuple of Half
        The first rows, and the last.

    Examples
    --------
    >>> first, last = halves_of(np.arange(0, 121, 10))
    >>> first.learn, first.choose
    (Split(taught=(60, 120), judged=(0, 60)), Split(taught=(60, 100), judged=(100, 120)))
    >>> last.learn.train, last.learn.test
    (slice(0, 60, None), slice(60, 120, None))
    """
    middle, rows = int(bounds[len(bounds) // 2]), int(bounds[-1])
    first, last = (0, middle), (middle, rows)
    return _half(bounds, first, last), _half(bounds, last, first)


def read_once(
    parts: Iterable[np.ndarray],
    halves: Sequence[Half],
    kinds: Sequence[str],
    naive_scores: Callable[[np.ndarray, Split], np.ndarray],
) -> tuple[np.ndarray, dict[Split, np.ndarray]]:
    """Read all measurements once: hold them, if need be, and add up the scores of naive Bayes.

    Parameters
    ----------
    parts
        Chunks of measurements, first axis = measurement.
    halves
        From :func:`halves_of`.
    kinds
        Witnesses that are asked for. Where there are several, they are chosen among, too.
    naive_scores
        What a chunk adds to the scores of the rows that a split judges.

    Returns
    -------
    tuple
        All measurements, or nothing if naive Bayes alone is asked for; and its scores by split.

    Examples
    --------
    >>> parts = iter([np.ones((2, 8)), np.ones((1, 8))])
    >>> values, naive = read_once(
    ...     parts, halves_of(np.arange(9)), [NAIVE], lambda part, split: part[:, split.test].sum(0)
    ... )
    >>> values.size, naive[Split((4, 8), (0, 4))].tolist()
    (0, [3.0, 3.0, 3.0, 3.0])
    """
    wanted = [split for half in halves for split in half[: min(len(kinds), 2)]]
    naive: dict[Split, np.ndarray] = {}
    kept = []
    for part in parts:
        if set(kinds) != {NAIVE}:
            kept.append(part)
        if NAIVE not in kinds:
            continue
        for split in wanted:
            partial = naive_scores(part, split)
            naive[split] = naive[split] + partial if split in naive else partial
    return np.concatenate(kept) if kept else np.empty(0), naive


def _half(bounds: np.ndarray, own: tuple[int, int], other: tuple[int, int]) -> Half:
    within = bounds[(bounds >= other[0]) & (bounds <= other[1])]
    cut = int(within[len(within) - 1 - (len(within) - 1) // 3])
    return Half(Split(other, own), Split((other[0], cut), (cut, other[1])))
