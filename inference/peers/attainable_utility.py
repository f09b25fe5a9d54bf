r"""How much less of many utilities can be attained than from the state that one is compared with?

.. math:: d(c, b) = \frac1{|U|} \sum_u f\big(V_u(b) - V_u(c)\big), \qquad
          V_u(s) = (1 - \gamma) \max_\pi E \sum_t \gamma^t u(s_t)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inference.peers.attainable import attainable_values, utilities_of
from inference.peers.deviations import Deviation
from inference.peers.dynamics import Moves
from inference.peers.impact_penalty import ImpactPenalty
from inference.peers.options import refuse_discount

__all__ = ["attainable_utility"]


def attainable_utility(
    dynamics: Any = None,
    *,
    baseline: str = "stepwise",
    absolute: bool = True,
    utilities: Any = None,
    value_discount: float = 0.99,
    rollouts: bool = True,
    over_time: str = "discounted",
    discount: float = 0.99,
    average: str = "outcomes",
    seed: int = 0,
    measurements: Sequence[str] | str | None = None,
) -> ImpactPenalty:
    r"""How much less of many utilities can be attained than from the state compared with?

    .. math:: d(c, b) = \frac1{|U|} \sum_u f\big(V_u(b) - V_u(c)\big), \qquad
              V_u(s) = (1 - \gamma) \max_\pi E \sum_{t \ge 0} \gamma^t u(s_t)

    Parameters
    ----------
    dynamics
        What actions lead to, such as the `tabular` of an example. Left out, worlds make one step
        into what is measured, and stay there: V = u.
    baseline
        ``start``, ``inaction`` or ``stepwise``: see :mod:`inference.peers.baselines`.
    absolute
        Whether f(x) is \|x\|, so that what becomes attainable counts too; else max(0, x).
    utilities, seed
        How many random ones, uniform on [0, 1] for every state by itself; or an array (state,
        utility). By default 10, as in the published code; without dynamics, the mean over all
        there might be: E\|u - u'\| = 1/3 (or 1/6) between different outcomes.
    rollouts
        With ``stepwise``: whether V is replaced by the sum over k of (1 - discount) discount^k
        V(s_k) along inaction, which sees what comes later at once.
    over_time
        ``discounted``: the sum over t of discount^(t-1) d_t, as in the published code; ``sum``,
        ``mean``, or ``last``.
    value_discount, discount
        Of utilities, in (0, 1); and of time and of rollouts, in (0, 1].
    average
        ``outcomes``, as published; or ``law``: f(E V(B) - E V(C)).
    measurements
        Names to keep, without dynamics.

    Returns
    -------
    ImpactPenalty
        In [0, 1] at every step, for utilities in [0, 1].

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
    >>> vase = SimpleNamespace(transitions=np.eye(2)[[[0, 1], [1, 1]]], start=0, idle=0)
    >>> charge = attainable_utility(vase, utilities=[[1.0, 0.0], [0.0, 1.0]], over_time="sum")
    >>> round(charge.exact(np.ones((3, 2), dtype=int)), 9)  # (1 + .01) / 2
    0.505
    """
    refuse_discount("value_discount", value_discount, at_most_one=False)
    mean = utilities is None and dynamics is None and average == "outcomes"
    drawn = _Attainable(float(value_discount), bool(absolute), utilities, seed)
    options: dict[str, Any] = {"baseline": baseline, "over_time": over_time, "discount": discount}
    return ImpactPenalty(
        "attainable_utility",
        _MeanUtility(bool(absolute)) if mean else drawn,
        dynamics,
        rollouts=rollouts,
        average=average,
        measurements=measurements,
        **options,
    )


@dataclass(frozen=True, eq=False)
class _Attainable:
    """One end for each utility: as much as can be attained of it."""

    value_discount: float
    absolute: bool
    utilities: Any
    seed: int

    @property
    def sampled(self) -> bool:
        return np.ndim(self.utilities) == 0

    def deviation(self, moves: Moves) -> Deviation:
        given = 10 if self.utilities is None else self.utilities
        utilities = utilities_of(moves, given, seed=self.seed)
        values = attainable_values(moves, utilities, discount=self.value_discount)
        return Deviation(values, values, 1 / values.shape[1], absolute=self.absolute)


@dataclass(frozen=True)
class _MeanUtility:
    """What uniform utilities of outcomes differ by on average: the same for any two."""

    absolute: bool
    sampled: bool = False

    def deviation(self, moves: Moves) -> Deviation:
        apart = 1 - np.eye(moves.states)
        return Deviation(apart, apart, 1 / 3, pairs=apart / (3 if self.absolute else 6))
