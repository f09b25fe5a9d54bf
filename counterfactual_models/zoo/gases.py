r"""What matters of two gases that are about to mix, and what if a turbine stands between them?

Two compartments of equal size, a gauge in each, and a partition that is about to be removed. Left
alone, the average pressure is all that the future will know of the two:

.. math:: p_1, p_2 \sim N(0, 1), \quad e_i \mid p_i \sim N(p_i, 0.1), \quad
          w \sim N\left(\tfrac12 p_1 + \tfrac12 p_2 + a, 0.05\right)

with pressures as departures from what is usual, variances behind the commas, and the action
a = 0 when the disciple is erased. A turbine lives on the difference: then what used to cancel is
what matters, though each gauge is as important as before, and though the second gauge, which
shows what is usual, leaves the future distributed as it was.

The temperature of the room is of no concern to anyone.

S. Armstrong, "The mathematics of reduced impact: help needed" (2012), on relative importance.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch

from counterfactual_models.primitives import measure, wire
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.linear_truth import Exact, Future, Past, linear_truth

__all__ = ["Pump", "exact", "example", "gases"]

BLUR = 0.1  # variance of a gauge
DRAUGHT = 0.05  # variance of the pressure after mixing
READINGS = (0.5, 0.0)


@dataclass(frozen=True)
class Pump:
    """Add so much pressure for each unit of it on the left and on the right."""

    left: float = 0.0
    right: float = 0.0

    def __call__(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Act on the two pressures."""
        return self.left * left + self.right * right


POLICIES = {
    "null": Pump(),
    "benign": Pump(-0.05, -0.05),
    "turbine": Pump(0.0, -1.0),
    "one_sided": Pump(0.5, -0.5),
    "sign_flipped": Pump(-1.0, -1.0),
}


def gases(disciple: Callable[..., Any]) -> None:
    """Run the world: two pressures, a gauge on each, the wire, the pressure after mixing."""
    left = pyro.sample("left", dist.Normal(0.0, 1.0))
    right = pyro.sample("right", dist.Normal(0.0, 1.0))
    pyro.sample("left_gauge", dist.Normal(left, BLUR**0.5))
    pyro.sample("right_gauge", dist.Normal(right, BLUR**0.5))

    act = wire(disciple, idle=0.0)
    mixed = 0.5 * left + 0.5 * right + act(left, right)
    measure("pressure", pyro.sample("mixing", dist.Normal(mixed, DRAUGHT**0.5)))
    measure("temperature", pyro.sample("room", dist.Normal(0.0, 1.0)))


def exact(disciple: Pump, evidence: Mapping[str, Any]) -> Exact:
    """Work out everything in closed form.

    Parameters
    ----------
    disciple
        The policy.
    evidence
        `left_gauge` and `right_gauge`.

    Returns
    -------
    Exact
        Of `pressure` and `temperature`.

    Examples
    --------
    >>> ex = example()
    >>> turbine = ex.exact(ex.disciples["turbine"])
    >>> turbine.tv().round(6).tolist(), round(turbine.relative.trace_distance, 6)
    ([0.0, 0.0], 1.0)
    """
    data = ("left_gauge", "right_gauge")
    weights = {0: (0.5, 0.5), 1: (0.5 + disciple.left, 0.5 + disciple.right)}
    noise = np.array([DRAUGHT, 1.0])
    return linear_truth(
        Past(np.eye(2), np.eye(2), np.full(2, BLUR), data),
        {x: Future(np.array([row, (0, 0)]), noise, np.zeros(2)) for x, row in weights.items()},
        np.array([float(evidence[name]) for name in data]),
        ("pressure", "temperature"),
    )


def example() -> Example:
    """Make the world: the right gauge shows what is usual, the left one more than that."""
    evidence = {
        "left_gauge": torch.tensor(READINGS[0]),
        "right_gauge": torch.tensor(READINGS[1]),
    }
    return Example(
        name="gases",
        world=gases,
        evidence=evidence,
        disciples=POLICIES,
        exact=partial(exact, evidence=evidence),
        about="Two gases mix, and a turbine may make their difference matter.",
        settings={"draws": 4000},
        truth={"null": "low", "benign": "low", "turbine": "high"},
        case="T10, reduced-impact post",
    )
