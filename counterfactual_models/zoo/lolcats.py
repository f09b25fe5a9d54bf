r"""How much does the thousandth lolcat say, and is X more important than that?

A thousand lolcats tell of one craze, a report tells of the economy, and a label names the plant in
the garden:

.. math:: z_i \sim N(0, 1), \quad e_j \mid z_1 \sim N(z_1, 4), \quad
          e_{\mathrm{gdp}} \mid z_2 \sim N(z_2, 0.5), \quad
          e_{\mathrm{plant}} \mid z_3 \sim N(z_3, 0.5)

.. math:: w_{\mathrm{views}} \sim N(0.6\, z_1, 1), \quad w_{\mathrm{gdp}} \sim N(z_2 + a, 0.25)

with variances behind the commas. The disciple moves the gdp by 0.8 of the sd that is left of it.
Lolcats are redundant: a typical datum says next to nothing, and next to it X looks 195 times as
important. Compressed, a bit of evidence says more of the future than the bit X does. The plant
is believed as much as the report, and nothing that is measured depends on it.

S. Armstrong, "The mathematics of reduced impact: help needed" (2012), on absolute importance.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch

from counterfactual_models.errors import WorldError
from counterfactual_models.primitives import measure, wire
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.linear_truth import Exact, Future, Past, linear_truth

__all__ = ["Shift", "exact", "example", "lolcats"]

BLUR = 4.0  # variance of a lolcat
SIGN = 0.5  # variance of the report and of the label
TRADE = 0.25  # variance of the gdp
REACH, FASHION = 0.6, 1.0  # of views: what they owe to the craze, and their variance
SHIFT = 0.8  # of the predictive sd of the gdp


@dataclass(frozen=True)
class Shift:
    """Move the gdp by so much, whatever is known."""

    size: float = 0.0

    def __call__(self, economy: torch.Tensor) -> torch.Tensor:
        """Act on the state of the economy."""
        return torch.full_like(economy, self.size)


def lolcats(
    disciple: Callable[..., Any],
    *,
    videos: int = 1000,
    reach: float = REACH,
    fashion: float = FASHION,
) -> None:
    """Run the world: three facts, many data about one of them, the wire, views and gdp.

    Parameters
    ----------
    disciple
        State of the economy -> what is added to the gdp.
    videos
        How many lolcats there are.
    reach, fashion
        What views owe to the craze, and their variance given the craze.
    """
    craze = pyro.sample("craze", dist.Normal(0.0, 1.0))
    economy = pyro.sample("economy", dist.Normal(0.0, 1.0))
    plant = pyro.sample("plant", dist.Normal(0.0, 1.0))
    with pyro.plate("video", videos):
        pyro.sample("lolcat", dist.Normal(craze, BLUR**0.5))
    pyro.sample("report", dist.Normal(economy, SIGN**0.5))
    pyro.sample("label", dist.Normal(plant, SIGN**0.5))

    act = wire(disciple, idle=0.0)
    output = pyro.sample("year", dist.Normal(economy + act(economy), TRADE**0.5))
    measure("gdp", output)
    measure("views", pyro.sample("internet", dist.Normal(reach * craze, fashion**0.5)))


def exact(
    disciple: Shift,
    evidence: Mapping[str, Any],
    *,
    reach: float = REACH,
    fashion: float = FASHION,
) -> Exact:
    """Work out everything in closed form.

    Parameters
    ----------
    disciple
        The policy.
    evidence
        `lolcat`, `report` and `label`.
    reach, fashion
        As in the world.

    Returns
    -------
    Exact
        Of `gdp` and `views`; the data are the lolcats, then the report, then the label.

    Examples
    --------
    >>> ex = example()
    >>> truth = ex.exact(ex.disciples["stimulus"])
    >>> round(truth.future_bits[0], 6), round(truth.belief_bits, 6)
    (0.770537, 5.570734)
    >>> round(truth.switch_bits / truth.evidence_efficiency, 6), truth.penalty
    (0.773692, 0.0)
    """
    seen = np.asarray(evidence["lolcat"], float)
    see = np.zeros((len(seen) + 2, 3))
    see[:-2, 0], see[-2, 1], see[-1, 2] = 1.0, 1.0, 1.0
    noise = np.full(len(seen) + 2, BLUR)
    noise[-2:] = SIGN
    labels = (*(f"lolcat[{j}]" for j in range(len(seen))), "report", "label")
    future = partial(
        Future, np.array([[0.0, 1.0, 0.0], [reach, 0.0, 0.0]]), np.array([TRADE, fashion])
    )
    return linear_truth(
        Past(np.eye(3), see, noise, labels),
        {0: future(np.zeros(2)), 1: future(np.array([disciple.size, 0.0]))},
        np.array([*seen, float(evidence["report"]), float(evidence["label"])]),
        ("gdp", "views"),
    )


def example(*, videos: int = 1000, reach: float = REACH, fashion: float = FASHION) -> Example:
    """Make the world: `null` does nothing, `stimulus` moves the gdp.

    Parameters
    ----------
    videos
        How many lolcats there are, at least 1.
    reach, fashion
        What views owe to the craze, and their variance given the craze.

    Returns
    -------
    Example

    Raises
    ------
    WorldError
        If there is no lolcat.
    """
    if videos < 1:
        raise WorldError(f"got videos={videos}; expected at least one lolcat.")
    left = SIGN / (1 + SIGN) + TRADE  # of the gdp's variance, once the report is known
    evidence = {
        "lolcat": torch.as_tensor(
            0.25 + BLUR**0.5 * np.sin(1.0 + np.arange(videos)), dtype=torch.get_default_dtype()
        ),
        "report": torch.tensor(0.5),
        "label": torch.tensor(-0.25),
    }
    options: dict[str, Any] = {"reach": reach, "fashion": fashion}
    return Example(
        name="lolcats",
        world=partial(lolcats, videos=videos, **options),
        evidence=evidence,
        disciples={"null": Shift(), "stimulus": Shift(SHIFT * left**0.5)},
        exact=partial(exact, evidence=evidence, **options),
        about="A thousand lolcats say what one says, and X is judged beside them.",
        settings={"draws": 4000},
        truth={"null": "low", "stimulus": "low"},  # a bit of e says more of the future than X
        case="T11, reduced-impact post",
    )
