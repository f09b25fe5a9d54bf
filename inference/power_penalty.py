r"""How much optimization is too much? Bits beyond an allowance, as a penalty.

.. math:: \mathrm{penalty}(S) = \max(0,\ \mathrm{bits}(S) - \mathrm{bits}(\mathrm{chance}) - k)

A disciple that picks at random among the best share 2^-k of what would happen without it (a
*quantilizer*) hits a target of k bits: with an allowance of k it goes free, and whoever steers the
world into a smaller one pays for every bit. What is charged is power, and no impact: the master
may well want the target hit.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import CounterfactualError, nearest
from inference.arrays.order.achieved import SUMMARIES
from inference.diagnostics.optimization_power import optimization_power as measured_power

__all__ = ["PowerPenalty", "optimization_power"]

_UNKNOWN = 1.0
"""Bits of error at least, where it is not known."""


@dataclass(frozen=True)
class PowerPenalty:
    """A penalty on optimization power; make one with :func:`optimization_power`.

    Parameters
    ----------
    utility, of, allowed
        As there.
    """

    utility: Callable[[Mapping[str, Any]], Any]
    of: str
    allowed: float

    def __call__(
        self, worlds: xr.DataTree | xr.Dataset, /, disciples: Sequence[str] | str | None = None
    ) -> xr.Dataset:
        """Charge every disciple for its bits beyond chance and the allowance."""
        shown = measured_power(worlds, self.utility, disciples=disciples).sel(summary=self.of)
        beyond = shown["bits"] - shown["chance"] - self.allowed
        told = np.isfinite(beyond)
        reason = np.where(told, shown["reason"], "no erased world is known that is as good")
        most = beyond.where(told, -np.log2(np.finfo(float).tiny))
        penalty = most.clip(min=0.0)
        sure = np.isfinite(shown["mcse"])
        # An error that is not known may be all of it, and is no zero where nothing is charged.
        mcse = shown["mcse"].where(sure, penalty.clip(min=_UNKNOWN))
        doubted = ~shown["reliable"] | ~sure
        found = {
            "penalty": penalty,
            "mcse": mcse,
            "floor": mcse.where(sure, 0.0) / math.sqrt(2 * math.pi),
            "reason": ("disciple", np.where(doubted, reason, "").astype(object)),
        }
        return xr.Dataset(found).drop_vars("summary", errors="ignore")


def optimization_power(
    utility: Callable[[Mapping[str, Any]], Any], *, of: str = "median", allowed: float = 0.0
) -> PowerPenalty:
    """Make a penalty of how small a target of some utility is hit.

    Parameters
    ----------
    utility
        Whose target: the disciple's own, or what nobody ought to steer.
    of
        Which summary of the bits: see :func:`inference.diagnostics.optimization_power`.
    allowed
        Bits that go free, beyond what chance scores; at least 0.

    Returns
    -------
    PowerPenalty
        To be given to :func:`inference.choose`, alone or in a dict with weights. Where bits are a
        lower bound, so is the penalty; where they are infinite, it is 1022 bits.

    Raises
    ------
    CounterfactualError
        If the summary has another name, or the allowance is negative or not finite.

    References
    ----------
    .. [1] J. Taylor, "Quantilizers: a safer alternative to maximizers for limited optimization"
       (2016).

    Examples
    --------
    >>> clips = np.random.default_rng(0).normal([[[0.0]], [[0.0]], [[2.0]]], size=(3, 4, 1000))
    >>> drawn = xr.Dataset(
    ...     {"clips": (["disciple", "chain", "draw"], clips)},
    ...     coords={"disciple": ["erased", "idle", "greedy"]},
    ... )
    >>> charge = optimization_power(lambda measured: measured["clips"], allowed=1.0)
    >>> found = charge(drawn)["penalty"]
    >>> found.sel(disciple="idle").item(), found.sel(disciple="greedy").item() > 1
    (0.0, True)
    """
    if of not in SUMMARIES:
        raise CounterfactualError(f"got of={of!r}. {nearest(of, SUMMARIES)}")
    if not 0 <= allowed < math.inf:
        raise CounterfactualError(
            f"got allowed={allowed!r}; expected a number of bits of at least 0."
        )
    return PowerPenalty(utility, of, float(allowed))
