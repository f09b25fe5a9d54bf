r"""What the master wants: bounded utilities of measured things, and nothing else.

.. math:: U(w) = \sum_k a_k \, \frac{\min(\max(m_k(w), \mathrm{floor}_k), \mathrm{cap}_k)
          - \mathrm{floor}_k}{\mathrm{cap}_k - \mathrm{floor}_k}

Bounded, because a weight can then be found at which the penalty counts; with an unbounded
utility the disciple that turns the universe into paper clips wins at every weight that lets
anything be done.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterfactual_models.errors import MeasurementError, WorldError, nearest

__all__ = ["Utility", "bounded"]


@dataclass(frozen=True)
class Utility:
    """A weighted sum of clipped, rescaled measurements; build one with :func:`bounded`.

    Add utilities and multiply them by numbers. Calling one evaluates it on measured values.

    Parameters
    ----------
    terms
        ``(weight, measurement, floor, cap)`` each.
    """

    terms: tuple[tuple[float, str, float, float], ...]

    def __call__(self, measured: Mapping[str, Any]) -> Any:
        """Evaluate on ``{measurement: values}``; keeps the values' shape (or their labels).

        Raises
        ------
        MeasurementError
            If a measurement is not there; the nearest name is offered.
        """
        total: Any = 0.0
        for weight, name, floor, cap in self.terms:
            if name not in measured:
                raise MeasurementError(
                    f"the utility speaks of {name!r}, which is not measured. "
                    + nearest(name, map(str, measured))
                )
            total = total + weight * (np.clip(measured[name], floor, cap) - floor) / (cap - floor)
        return total

    def __add__(self, other: "Utility") -> "Utility":
        return Utility(self.terms + other.terms)

    def __mul__(self, weight: float) -> "Utility":
        return Utility(tuple((weight * a, name, low, cap) for a, name, low, cap in self.terms))

    __rmul__ = __mul__

    @property
    def measurements(self) -> tuple[str, ...]:
        """Names of the measurements it speaks of."""
        return tuple(dict.fromkeys(name for _, name, _, _ in self.terms))

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and greatest value it can take."""
        weights = [weight for weight, *_ in self.terms]
        return sum(min(a, 0.0) for a in weights), sum(max(a, 0.0) for a in weights)


def bounded(measurement: str, *, cap: float, floor: float = 0.0) -> Utility:
    """Linear in a measurement from `floor` up to `cap`, constant beyond: 0 to 1.

    Parameters
    ----------
    measurement
        Name of a measured quantity (or future site).
    cap, floor
        In the measurement's own units, finite, floor below cap.

    Returns
    -------
    Utility
        Range [0, 1].

    Raises
    ------
    WorldError
        If the bounds are not finite and in order.

    References
    ----------
    .. [1] S. Armstrong, "The mathematics of reduced impact" (2012), *Penalty functions*: "linear
       in created paper clips up to a thousand (and constant thereafter)".

    Examples
    --------
    >>> from counterfactual_models import utilities
    >>> thousand = utilities.bounded("clips", cap=1000)
    >>> [float(thousand({"clips": n})) for n in (250, 1000, 10**6)]
    [0.25, 1.0, 1.0]
    """
    if not (math.isfinite(floor) and math.isfinite(cap) and floor < cap):
        raise WorldError(
            f"a bounded utility of {measurement!r} got floor={floor}, cap={cap}; "
            "expected finite numbers with floor below cap."
        )
    return Utility(((1.0, measurement, float(floor), float(cap)),))
