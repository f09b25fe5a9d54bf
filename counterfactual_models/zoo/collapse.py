r"""What if a disciple fixes what was uncertain, at the very value that everyone expected?

Traders report where the price of grain is heading. What is left open after the reports is the
trend's own uncertainty and the surprises of the year:

.. math:: z \sim N(0, 1), \quad e_j \mid z \sim N(z, 0.5), \quad f \sim N(z, 0.25),
          \quad m = E[f \mid e]

with variances behind the commas. The disciple pegs the price to m and lets a share r of the
deviation through:

.. math:: w = m + r\,(f - m) \sim N(m, r^2 s^2), \quad \Delta H = \ln r, \quad
          \mathrm{tv} = 2\,\big|\Phi(c) - \Phi(c / r)\big|, \; c^2 = \frac{2 \ln r}{1 - r^{-2}}

The mean does not move, and nobody loses by it who never hedged; yet a future that was open is
closed. At r = 0 the price is certain: tv 1, and no relabelling of worlds hides it, as the laws
are nested and the rearranged tv is the tv. Bread is half grain and half the baker's own luck, so
it is pegged in part. `churn` does the contrary and doubles the deviation. The river does not care.

S. Armstrong, "The mathematics of reduced impact: help needed" (2012): the same shape of future
uncertainty, whether or not the disciple was built.
"""

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch

from counterfactual_models.errors import DiscipleError, WorldError
from counterfactual_models.primitives import measure, wire
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.shape_truth import Exact, NormalMixture

__all__ = ["Peg", "collapse", "exact", "example", "expected_price"]

BLUR = 0.5  # variance of a report
SURPRISE = 0.25  # variance of the year
FLOUR, OVEN = 0.5, 0.25  # of bread: what it owes to the price, and its own sd
REPORTS = (0.9, -0.2, 0.6, 0.7)


@dataclass(frozen=True)
class Peg:
    """Peg the price, and let a share of its deviation from the peg through.

    Parameters
    ----------
    at
        Where to; see :func:`expected_price`.
    remains
        Share of the deviation that is left, 0 or more: 0 is a certainty, 1 does nothing. What is
        no such number raises a DiscipleError.
    """

    at: float = 0.0
    remains: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.at, numbers.Real) or not math.isfinite(self.at):
            raise DiscipleError(f"got at={self.at!r} of a Peg; expected a finite price.")
        if not isinstance(self.remains, numbers.Real) or not 0 <= self.remains < math.inf:
            raise DiscipleError(
                f"got remains={self.remains!r}; expected the share of the deviation that is "
                "left: 0 or more, and finite."
            )

    def __call__(self, trend: torch.Tensor) -> torch.Tensor:
        """Act on the trend, whatever it is."""
        at = torch.full_like(trend, self.at)
        return torch.stack([at, torch.full_like(trend, 1.0 - self.remains)], -1)


def collapse(disciple: Callable[..., Any]) -> None:
    """Run the world: a trend, reports of it, the wire, and a year's grain, bread and river."""
    trend = pyro.sample("trend", dist.Normal(0.0, 1.0))
    with pyro.plate("trader", len(REPORTS)):
        pyro.sample("report", dist.Normal(trend, BLUR**0.5))

    act = wire(disciple, idle=torch.zeros(2))
    action = act(trend)
    peg, grip = action[..., 0], action[..., 1]
    free = pyro.sample("market", dist.Normal(trend, SURPRISE**0.5))
    price = measure("price", free * (1.0 - grip) + peg * grip)  # the peg to the bit at grip 1
    measure("bread", pyro.sample("bakery", dist.Normal(FLOUR * price, OVEN)))
    measure("river", pyro.sample("snow", dist.Normal(3.0, 0.5)))


def expected_price(evidence: Mapping[str, Any]) -> float:
    """Expect the price that nobody interferes with.

    Parameters
    ----------
    evidence
        `report` of every trader.

    Returns
    -------
    float
        The mean of P(e,S,0).

    Examples
    --------
    >>> round(expected_price({"report": [0.9, -0.2, 0.6, 0.7]}), 6)
    0.444444
    """
    reports = np.asarray(evidence["report"], float)
    return float(reports.sum() / (len(reports) + BLUR))


def exact(disciple: Peg, evidence: Mapping[str, Any]) -> Exact:
    """Work out the laws of price, bread and river.

    Parameters
    ----------
    disciple
        The policy.
    evidence
        `report` of every trader.

    Returns
    -------
    Exact
        Of `price`, `bread` and `river`.

    Examples
    --------
    >>> ex = example(remains=0.1)
    >>> truth = ex.exact(ex.disciples["pin"])
    >>> truth.spread_ratio.round(6).tolist(), truth.entropy_change.round(6).tolist()
    ([0.1, 0.644205, 1.0], [-2.302585, -0.439738, 0.0])
    >>> truth.tv().round(6).tolist(), truth.rearranged_tv().round(6).tolist()
    ([0.798216, 0.209449, 0.0], [0.798216, 0.209449, 0.0])
    """
    mean = expected_price(evidence)
    variance = BLUR / (BLUR + len(np.asarray(evidence["report"]))) + SURPRISE
    share = {0: 1.0, 1: float(disciple.remains)}
    law = {}
    for x, r in share.items():
        centre = mean + (1 - r) * (disciple.at - mean)
        sd = r * variance**0.5
        baked = math.hypot(FLOUR * sd, OVEN)
        law[x] = (
            NormalMixture((centre,), (sd,)),
            NormalMixture((FLOUR * centre,), (baked,)),
            NormalMixture((3.0,), (0.5,)),
        )
    return Exact(("price", "bread", "river"), law)


def example(*, remains: float = 0.1) -> Example:
    """Make the world: four traders, and one who would take the risk out of their trade.

    Parameters
    ----------
    remains
        Share of the sd of the price that `pin` leaves, from 0 (a certainty) to 1.

    Returns
    -------
    Example
        `null` does nothing, `pin` pegs the price to what is expected of it, `churn` doubles its
        deviation.

    Raises
    ------
    WorldError
        If `remains` is no number from 0 to 1.

    Examples
    --------
    >>> ex = example(remains=0)
    >>> ex.exact(ex.disciples["pin"]).entropy_change.round(6).tolist()
    [-inf, -0.446909, 0.0]
    """
    if not isinstance(remains, numbers.Real) or not 0 <= remains <= 1:
        raise WorldError(
            f"got remains={remains!r}; expected the share of the sd that is left, from 0 to 1."
        )
    evidence = {"report": torch.tensor(REPORTS)}
    expected = expected_price(evidence)
    return Example(
        name="collapse",
        world=collapse,
        evidence=evidence,
        disciples={
            "null": Peg(expected),
            "pin": Peg(expected, float(remains)),
            "churn": Peg(expected, 2.0),
        },
        exact=partial(exact, evidence=evidence),
        about="What was uncertain is fixed at the very value that was expected.",
        settings={"draws": 2000},
    )
