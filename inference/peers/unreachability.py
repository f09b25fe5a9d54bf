r"""How hard is it to get back to the state that a state is compared with?

.. math:: d(c, b) = 1 - R(c, b), \qquad R(s, s') = \max_\pi E\,\gamma^{T_{s'}}
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inference.peers.deviations import Deviation
from inference.peers.dynamics import Moves
from inference.peers.impact_penalty import ImpactPenalty
from inference.peers.options import refuse_discount
from inference.peers.reachability import reachability

__all__ = ["unreachability"]


def unreachability(
    dynamics: Any = None,
    *,
    baseline: str = "stepwise",
    value_discount: float = 0.99,
    rollouts: bool = True,
    over_time: str = "discounted",
    discount: float = 0.99,
    average: str = "outcomes",
    measurements: Sequence[str] | str | None = None,
) -> ImpactPenalty:
    r"""How hard is it to get back to the state that a state is compared with?

    .. math:: d(c, b) = 1 - R(c, b), \qquad R(s, s') = \max_\pi E\,\gamma^{T_{s'}}

    With the baseline ``start``: reversibility. It is blind to how much is lost, where something
    must be.

    Parameters
    ----------
    dynamics
        What actions lead to, such as the `tabular` of an example. Left out, worlds make one step
        into what is measured, and another outcome cannot be reached: d is 0 or 1.
    baseline
        ``start``, ``inaction`` (the world that nobody was let into) or ``stepwise`` (one step of
        doing nothing, instead of the last action).
    value_discount
        Of reachability, in (0, 1]; 1 asks whether, and not how soon.
    rollouts
        With ``stepwise``: whether both states are followed under inaction, d being replaced by the
        sum over k of (1 - discount) discount^k d(c_k, b_k).
    over_time
        ``discounted``: the sum over t of discount^(t-1) d_t, what an agent is charged whose reward
        is discounted, as in the published code; ``sum``, ``mean``, or ``last``.
    discount
        γ in (0, 1], of time and of rollouts.
    average
        ``outcomes``, as published; or ``law``: how much of the baseline's law the current law
        cannot reach, sum_b max(0, P(b) - E R(C, b)), without rollouts.
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

    References
    ----------
    V. Krakovna, L. Orseau, R. Kumar, M. Martic and S. Legg (2018), arXiv:1806.01186.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> breaking = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    >>> vase = SimpleNamespace(transitions=breaking, start=0, idle=0)
    >>> round(unreachability(vase, over_time="sum").exact(np.ones((3, 2), dtype=int)), 9)
    1.0
    """
    refuse_discount("value_discount", value_discount, at_most_one=True)
    return ImpactPenalty(
        "unreachability",
        _Return(float(value_discount)),
        dynamics,
        baseline=baseline,
        rollouts=rollouts,
        over_time=over_time,
        discount=discount,
        average=average,
        measurements=measurements,
    )


@dataclass(frozen=True)
class _Return:
    """One end for each state: to be there, against to be able to get there."""

    value_discount: float
    sampled: bool = False

    def deviation(self, moves: Moves) -> Deviation:
        reach = reachability(moves, discount=self.value_discount)
        return Deviation(np.eye(moves.states), reach, 1.0, pairs=1 - reach)
