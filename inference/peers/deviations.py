r"""How far is a state from the one that it is compared with?

.. math:: d(c, b) = w \sum_k f\big(B_k(b) - C_k(c)\big), \qquad f(x) = \max(0, x)
          \text{ or } |x|

All published deviations are of this form: B and C say what a state is worth to each of many ends,
as a baseline b and as a current state c. Laws are compared by the values they expect,
f(E B_k(b) - E C_k(c)), before anything is cut off.

==================  ==================  ==================  =============
deviation           B                   C                   w
==================  ==================  ==================  =============
state difference    a one for each      the same            1 / features
                    value of a feature
unreachability      one for each state  reachability        1
relative reach.     reachability        the same            1 / states
attainable utility  attainable values   the same            1 / utilities
==================  ==================  ==================  =============
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

__all__ = ["Deviation", "rolled_out", "rolled_out_pairs", "waited"]

AT_ONCE = 2**22
NOTHING = 1e-12


@dataclass(frozen=True, eq=False)
class Deviation:
    """Tables of what states are worth, and how their differences are put together.

    Parameters
    ----------
    baseline, current
        B and C, dims (state, end).
    weight
        w, of each end.
    absolute
        Whether what is gained counts as what is lost does.
    relative
        Whether every difference is divided by what the baseline is worth (1 where that is 0).
    pairs
        d(c, b) itself, (current state, baseline state), where it is known.
    """

    baseline: np.ndarray
    current: np.ndarray
    weight: float
    absolute: bool = False
    relative: bool = False
    pairs: np.ndarray | None = None

    def between(self, current: np.ndarray, baseline: np.ndarray) -> np.ndarray:
        """Compare states with states, each by its place: (pair,) and (pair,) -> (pair,)."""
        if self.pairs is not None:
            return self.pairs[current, baseline]
        parts = [each.sum(axis=-1) for _, each in self._each(current, baseline)]
        return self.weight * np.concatenate([np.zeros(0), *parts])

    def by_end(self, current: np.ndarray, baseline: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Sum weighted deviations of pairs for each end alone: (end,); their mean is d's sum."""
        sums = [weights[part] @ each for part, each in self._each(current, baseline)]
        ends = self.baseline.shape[1]
        return self.weight * ends * np.sum([np.zeros(ends), *sums], axis=0)

    def between_laws(self, current: np.ndarray, baseline: np.ndarray) -> np.ndarray:
        """Compare laws with laws, (..., state) and (..., state) -> (...)."""
        return self.weight * self._cut(*self.differences(current, baseline)).sum(axis=-1)

    def differences(
        self, current: np.ndarray, baseline: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Expect every end under two laws, (..., end): what is lost, and of how much."""
        before = baseline @ self.baseline
        return before - current @ self.current, before

    def noise(self, lost: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Expect what normal noise of the spread of draws of differences (draw, end) shows."""
        spread = lost.std(axis=0) * np.sqrt(
            len(lost) - 1
        )  # of leaving out one block after another
        shown = self._cut(spread, before.mean(axis=0)) * np.sqrt(2 / np.pi)
        return self.weight * shown.sum(axis=-1) / (1 if self.absolute else 2)

    def _each(
        self, current: np.ndarray, baseline: np.ndarray
    ) -> Iterator[tuple[slice, np.ndarray]]:
        step = max(1, AT_ONCE // self.baseline.shape[1])
        for start in range(0, len(current), step):
            part = slice(start, start + step)
            before = self.baseline[baseline[part]]
            yield part, self._cut(before - self.current[current[part]], before)

    def _cut(self, lost: np.ndarray, before: np.ndarray) -> np.ndarray:
        cut = np.abs(lost) if self.absolute else np.maximum(lost, 0.0)
        return cut / np.where(before == 0, 1.0, np.abs(before)) if self.relative else cut


def rolled_out(deviation: Deviation, waiting: sparse.csr_array, *, discount: float) -> Deviation:
    r"""Let values be those of what follows if nothing more is done.

    .. math:: C'(s) = (1 - \gamma) \sum_{k \ge 0} \gamma^k E\, C(S_k), \qquad S_0 = s

    Parameters
    ----------
    deviation
        Of single states.
    waiting
        Probabilities (state, next state) if nothing is done.
    discount
        γ in (0, 1).

    Returns
    -------
    Deviation
        With B' and C'; an effect that comes later is seen at once.

    Examples
    --------
    >>> table = np.eye(2)
    >>> bomb = sparse.csr_array(np.array([[0.0, 1.0], [0.0, 1.0]]))
    >>> rolled_out(Deviation(table, table, 1.0), bomb, discount=0.9).current.round(9).tolist()
    [[0.1, 0.9], [0.0, 1.0]]
    """
    still = sparse.eye_array(waiting.shape[0], format="csc")
    solve = linalg.splu(sparse.csc_array(still - discount * waiting)).solve
    current = (1 - discount) * solve(deviation.current)
    same = deviation.baseline is deviation.current
    baseline = current if same else (1 - discount) * solve(deviation.baseline)
    return replace(deviation, baseline=baseline, current=current)


def rolled_out_pairs(
    pairs: np.ndarray, waiting: sparse.csr_array, *, discount: float
) -> np.ndarray:
    r"""Let deviations be those of two states that both are waited in.

    .. math:: d'(c, b) = (1 - \gamma) \sum_{k \ge 0} \gamma^k E\, d(C_k, B_k)

    Parameters
    ----------
    pairs
        d(c, b), dims (current state, baseline state).
    waiting, discount
        As for :func:`rolled_out`; the two states wait independently of each other.

    Returns
    -------
    np.ndarray
        d'(c, b), of the same dims.

    Examples
    --------
    >>> bomb = sparse.csr_array(np.array([[0.0, 1.0], [0.0, 1.0]]))
    >>> rolled_out_pairs(1 - np.eye(2), bomb, discount=0.9).round(9).tolist()
    [[0.0, 0.1], [0.1, 0.0]]
    """
    total, ahead, left = (1 - discount) * pairs, waiting, discount
    while left > NOTHING:
        total = total + left * (ahead @ (ahead @ total.T).T)
        ahead, left = sparse.csr_array(ahead @ ahead), left * left
    return total


def waited(deviation: Deviation, waiting: sparse.csr_array, *, both: bool) -> Deviation:
    """Let values be those of one step of waiting later; of both states, or of the current alone.

    Examples
    --------
    >>> table = np.eye(2)
    >>> bomb = sparse.csr_array(np.array([[0.0, 1.0], [0.0, 1.0]]))
    >>> later = waited(Deviation(table, table, 1.0), bomb, both=False)
    >>> later.current.tolist(), later.baseline.tolist()
    ([[0.0, 1.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    """
    current = waiting @ deviation.current
    baseline = waiting @ deviation.baseline if both else deviation.baseline
    return replace(deviation, baseline=baseline, current=current)
