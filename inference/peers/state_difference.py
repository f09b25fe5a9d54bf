r"""By how many features does a state differ from the one that it is compared with?

.. math:: d(c, b) = \frac1F \sum_f [c_f \ne b_f]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inference.peers.deviations import Deviation
from inference.peers.dynamics import Moves
from inference.peers.impact_penalty import ImpactPenalty

__all__ = ["state_difference"]


def state_difference(
    dynamics: Any = None,
    *,
    baseline: str = "inaction",
    over_time: str = "discounted",
    discount: float = 0.99,
    average: str = "outcomes",
    measurements: Sequence[str] | str | None = None,
) -> ImpactPenalty:
    r"""By how many features does a state differ from the one that it is compared with?

    .. math:: d(c, b) = \frac1F \sum_f [c_f \ne b_f]

    Parameters
    ----------
    dynamics
        What actions lead to, such as the `tabular` of an example; its `states` tell the features,
        and where it has none, the whole state is one. Left out, worlds make one step, and every
        measurement is a feature.
    baseline
        ``start``, ``inaction`` (the world that nobody was let into) or ``stepwise`` (one step of
        doing nothing, instead of the last action).
    over_time
        ``discounted``: the sum over t of discount^(t-1) d_t, ``sum``, ``mean``, or ``last``.
    discount
        γ in (0, 1].
    average
        ``outcomes``, or ``law``: the total variation of laws, feature by feature.
    measurements
        Names to keep, without dynamics.

    Returns
    -------
    ImpactPenalty
        In [0, 1] at every step.

    Raises
    ------
    CounterfactualError
        If an option has another value, or the dynamics are none.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> breaking = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    >>> vase = SimpleNamespace(transitions=breaking, start=0, idle=0)
    >>> state_difference(vase, over_time="sum").exact(np.ones((3, 2), dtype=int))
    3.0
    """
    return ImpactPenalty(
        "state_difference",
        _Features(),
        dynamics,
        baseline=baseline,
        over_time=over_time,
        discount=discount,
        average=average,
        measurements=measurements,
    )


@dataclass(frozen=True)
class _Features:
    """One end for each value of each feature."""

    sampled: bool = False

    def deviation(self, moves: Moves) -> Deviation:
        features = moves.features
        if features is None:
            features = np.arange(moves.states)[:, None]
        tables = [
            (column[:, None] == np.unique(column)).astype(float)
            for column in np.transpose(features)
        ]
        table = np.concatenate(tables, axis=1)
        return Deviation(table, table, 1 / features.shape[1])
