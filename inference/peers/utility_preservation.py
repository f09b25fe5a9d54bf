r"""How does acting change what can be attained of many auxiliary rewards, against waiting?

.. math:: d = \frac1{|U|} \sum_u
          \frac{\big| V_u(\text{act, then wait}) - V_u(\text{wait}) \big|}{V_u(\text{wait})}

Values are normalised by 1 - γ, which shares do not see. The published code compares the best
action after acting with *no action* after waiting, so that doing nothing is charged as well; here
both are the best, and doing nothing is free. An episode that has ended attains nothing more: give
utilities that are 0 there, of a state that nothing leads out of. Shares have no mean over random
rewards of outcomes (1/u has none), only over those that were drawn.

A. M. Turner, D. Hadfield-Menell and P. Tadepalli (2020), "Conservative agency via attainable
utility preservation", arXiv:1902.09725; code: alexander-turner/attainable-utility-preservation.
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

__all__ = ["utility_preservation"]


def utility_preservation(
    dynamics: Any = None,
    *,
    baseline: str = "stepwise",
    absolute: bool = True,
    wait: bool = True,
    relative: bool = True,
    utilities: Any = 30,
    value_discount: float = 0.996,
    over_time: str = "discounted",
    discount: float = 0.996,
    average: str = "outcomes",
    seed: int = 0,
    measurements: Sequence[str] | str | None = None,
) -> ImpactPenalty:
    r"""How does acting change what can be attained of auxiliary rewards, against waiting?

    .. math:: d = \frac1{|U|} \sum_u
              \frac{\big| V_u(\text{act, then wait}) - V_u(\text{wait}) \big|}{V_u(\text{wait})}

    Parameters
    ----------
    dynamics
        What actions lead to, such as the `tabular` of an example. Left out: one step, into what
        is measured.
    baseline
        ``start``, ``inaction`` or ``stepwise``: see :mod:`inference.peers.baselines`.
    absolute
        Whether what becomes attainable counts too; else the penalty is *decrease-only*.
    wait
        Whether, after the action and instead of it, one waits until the last step before values
        are compared (*n-step*; of the baseline ``start`` the first state is taken as it is); else
        at once (*1-step*, or *model-free*).
    relative
        Whether differences are shares of what the baseline can attain.
    utilities, seed, value_discount
        How many random rewards, uniform on [0, 1] for every state by itself, or an array (state,
        utility); the seed of the random ones; and the rewards' discount, in (0, 1).
    over_time, discount
        ``discounted``: the sum over t of discount^(t-1) d_t, as in the published code, with a
        discount in (0, 1]; ``sum``, ``mean``, or ``last``.
    average
        ``outcomes``, as published; or ``law``: expectations of both values are compared.
    measurements
        Names to keep, without dynamics.

    Returns
    -------
    ImpactPenalty
        At least 0 at every step; above 1 where more can be attained than twice as much.

    Raises
    ------
    CounterfactualError
        If an option has another value, or the dynamics are none.

    References
    ----------
    A. M. Turner, D. Hadfield-Menell and P. Tadepalli (2020), arXiv:1902.09725.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> vase = SimpleNamespace(transitions=np.eye(2)[[[0, 1], [1, 1]]], start=0, idle=0)
    >>> charge = utility_preservation(vase, utilities=[[1.0], [0.25]], over_time="sum")
    >>> round(charge.exact(np.ones((3, 2), dtype=int)), 9)
    0.75
    """
    refuse_discount("value_discount", value_discount, at_most_one=False)
    own = float(value_discount), bool(absolute), bool(relative), utilities, seed, bool(wait)
    options: dict[str, Any] = {"baseline": baseline, "over_time": over_time, "discount": discount}
    return ImpactPenalty(
        "utility_preservation",
        _Auxiliary(*own),
        dynamics,
        wait=bool(wait),
        average=average,
        measurements=measurements,
        **options,
    )


@dataclass(frozen=True, eq=False)
class _Auxiliary:
    """One end for each reward: as much as can be attained of it."""

    value_discount: float
    absolute: bool
    relative: bool
    utilities: Any
    seed: int
    later: bool

    @property
    def sampled(self) -> bool:
        return np.ndim(self.utilities) == 0

    def deviation(self, moves: Moves) -> Deviation:
        rewards = utilities_of(moves, self.utilities, seed=self.seed)
        values = attainable_values(moves, rewards, discount=self.value_discount)
        if self.later:  # rewards are those of the states that are moved to
            values = moves.ahead(values).max(axis=1)
        return Deviation(
            values,
            values,
            1 / values.shape[1],
            absolute=self.absolute,
            relative=self.relative,
        )
