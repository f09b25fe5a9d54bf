r"""How likely is each outcome, when many paths of a world lead to the same one?

.. math:: P(w) = \sum_{\text{paths to } w} p(\text{path}) \Big/ \sum_{\text{paths}} p(\text{path})

Paths are merged as they come, so that memory holds outcomes, not paths.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp

from counterfactual_models.errors import MeasurementError

__all__ = ["Outcomes", "one_spelling"]

_HELD = 1 << 14
"""Paths that wait to be merged."""
_ULPS = 8


class Outcomes:
    """Adds up what paths weigh, outcome by outcome.

    Attributes
    ----------
    paths
        How many paths there were that are possible.
    how
        They were run: "plate" (at once), or "loop" (one by one), with the reason if it was tried.

    Examples
    --------
    >>> seen = Outcomes()
    >>> for outcome in ([1.0, 0.0], [0.0, 0.0], [1.0, 0.0]):
    ...     seen.add(np.log([0.1]), np.array([outcome]))
    >>> rows, log_weights = seen.whole()
    >>> rows.tolist(), np.exp(log_weights).round(3).tolist()
    ([[0.0, 0.0], [1.0, 0.0]], [0.1, 0.2])
    """

    def __init__(self) -> None:
        self.paths, self.how = 0, "loop"
        self._rows: list[np.ndarray] = []
        self._log_weights: list[np.ndarray] = []
        self._waiting = 0

    def add(self, log_weights: np.ndarray, rows: np.ndarray) -> None:
        """Take in paths: their log-weights (path,), and where they end (path, number)."""
        possible = log_weights > -math.inf
        self.paths += int(possible.sum())
        self._rows.append(rows[possible] + 0.0)  # no minus zero
        self._log_weights.append(log_weights[possible])
        self._waiting += len(log_weights)
        if self._waiting > _HELD:
            self.whole()

    def whole(self) -> tuple[np.ndarray, np.ndarray]:
        """Outcomes in order, each once, (outcome, number), and the log of what each weighs."""
        rows, place = np.unique(np.concatenate(self._rows), axis=0, return_inverse=True)
        log_weights = np.concatenate(self._log_weights)
        place = place.ravel()
        most = np.full(len(rows), -math.inf)
        np.maximum.at(most, place, log_weights)
        total = np.bincount(place, np.exp(log_weights - most[place]), minlength=len(rows))
        self._rows, self._log_weights = [rows], [most + np.log(total)]
        self._waiting = 0
        return rows, self._log_weights[0]

    def law(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Outcomes, their probabilities, and the log-probability of the evidence."""
        rows, log_weights = self.whole()
        if not len(rows):
            return rows, log_weights, -math.inf
        total = float(logsumexp(log_weights))
        share = np.exp(log_weights - total)
        return rows, share / share.sum(), total


def one_spelling(rows: np.ndarray, eps: float, names: Sequence[str] | None = None) -> np.ndarray:
    """Write numbers that differ by rounding alone in one way, column by column.

    Two whole numbers never do.

    Parameters
    ----------
    rows
        (row, number).
    eps
        Relative precision in which the numbers were computed.
    names
        What messages call the columns.

    Returns
    -------
    np.ndarray
        Of the same shape; the first of a run of near neighbours stands for all.

    Raises
    ------
    MeasurementError
        If such a run goes on: then rounding cannot be told from a difference.

    Examples
    --------
    >>> len(np.unique(one_spelling(np.array([[0.3], [0.1 + 0.2], [0.4]]), 2.0**-52)))
    2
    """
    found = np.empty_like(rows)
    for column in range(rows.shape[1]):
        values, place = np.unique(rows[:, column], return_inverse=True)
        apart = np.diff(values) > _ULPS * eps * np.maximum(abs(values[1:]), abs(values[:-1]))
        whole = values == np.rint(values)
        apart |= whole[1:] & whole[:-1]  # counts are no rounding of each other
        first = np.concatenate([[0], np.flatnonzero(apart) + 1])
        runs = np.concatenate([[0], np.cumsum(apart)])
        _refuse_long_runs(values, first, eps, names[column] if names else f"column {column}")
        found[:, column] = values[first][runs][place.ravel()]
    return found


def _refuse_long_runs(values: np.ndarray, first: np.ndarray, eps: float, name: str) -> None:
    last = np.append(first[1:], len(values)) - 1
    low, high = values[first], values[last]
    whole = np.add.reduceat(values == np.rint(values), first, dtype=int)
    long = high - low > 2 * _ULPS * eps * np.maximum(abs(low), abs(high))
    bad = np.flatnonzero(long | (whole > 1))
    if len(bad):
        run = values[first[bad[0]] : last[bad[0]] + 1][:4]
        raise MeasurementError(
            f"measurement {name!r} has values that follow each other as closely as rounding does, "
            f"such as {', '.join(f'{value:.10g}' for value in run)}: outcomes cannot be told "
            "apart. Compute the world in double precision, or measure less finely (round)."
        )
