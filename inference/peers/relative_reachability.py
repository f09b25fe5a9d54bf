r"""How many states are harder to reach than from the state that a state is compared with?

.. math:: d(c, b) = \frac1{|S|} \sum_s f\big(R(b, s) - R(c, s)\big), \qquad
          R(s, s') = \max_\pi E\,\gamma^{T_{s'}}

The published code learns reachability from what the agent has tried, and averages over the states
that it has met; here both are known. It also charges nothing for the move that ends an episode,
after which it has no state: a goal that nothing leads out of takes all others from whoever gets
there, with side effects or without.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inference.peers.deviations import Deviation
from inference.peers.dynamics import Moves
from inference.peers.impact_penalty import ImpactPenalty
from inference.peers.options import refuse_discount
from inference.peers.reachability import reachability

__all__ = ["relative_reachability"]


def relative_reachability(
    dynamics: Any = None,
    *,
    baseline: str = "stepwise",
    absolute: bool = False,
    value_discount: float = 0.99,
    rollouts: bool = True,
    over_time: str = "discounted",
    discount: float = 0.99,
    average: str = "outcomes",
    measurements: Sequence[str] | str | None = None,
) -> ImpactPenalty:
    r"""How many states are harder to reach than from the state that a state is compared with?

    .. math:: d(c, b) = \frac1{|S|} \sum_s f\big(R(b, s) - R(c, s)\big), \qquad
              R(s, s') = \max_\pi E\,\gamma^{T_{s'}}

    Parameters
    ----------
    dynamics
        What actions lead to, such as the `tabular` of an example; S are all of its states. Left
        out, worlds make one step into what is measured, and S are the outcomes that were drawn.
    baseline
        ``start``, ``inaction`` or ``stepwise``: see :mod:`inference.peers.baselines`.
    absolute
        Whether f(x) is \|x\|, so that states that become easier to reach count too; else
        max(0, x).
    value_discount
        Of reachability, in (0, 1]; 1 counts the states that can no longer be reached.
    rollouts
        With ``stepwise``: whether R is replaced by the sum over k of (1 - discount) discount^k
        R(s_k, ·) along inaction, which sees what comes later at once.
    over_time
        ``discounted``: the sum over t of discount^(t-1) d_t, as in the published code; ``sum``,
        ``mean``, or ``last``.
    discount
        γ in (0, 1], of time and of rollouts.
    average
        ``outcomes``, as published; or ``law``: f(E R(B, s) - E R(C, s)).
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
    V. Krakovna, L. Orseau, R. Kumar, M. Martic and S. Legg (2018), "Penalizing side effects using
    stepwise relative reachability", arXiv:1806.01186; code: google-deepmind/deepmind-research,
    `side_effects_penalties`.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> breaking = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    >>> vase = SimpleNamespace(transitions=breaking, start=0, idle=0)
    >>> charge = relative_reachability(vase, baseline="inaction", over_time="last")
    >>> charge.exact(np.ones((3, 2), dtype=int))
    0.5
    """
    refuse_discount("value_discount", value_discount, at_most_one=True)
    return ImpactPenalty(
        "relative_reachability",
        _Reach(float(value_discount), bool(absolute)),
        dynamics,
        baseline=baseline,
        rollouts=rollouts,
        over_time=over_time,
        discount=discount,
        average=average,
        measurements=measurements,
    )


@dataclass(frozen=True)
class _Reach:
    """One end for each state: to be able to get there."""

    value_discount: float
    absolute: bool
    sampled: bool = False

    def deviation(self, moves: Moves) -> Deviation:
        reach = reachability(moves, discount=self.value_discount)
        return Deviation(reach, reach, 1 / moves.states, absolute=self.absolute)
