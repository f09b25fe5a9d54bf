r"""What if the evidence is so sharp that chaos has nothing left to hide?

The hurricane's world, seen with the eyes of Laplace's demon: the evidence is the very site e at
which landfall is going to be. The disciple cools a data centre, and landfall is elsewhere:

.. math:: \mathrm{site} = \begin{cases} e & X = 0 \\ (5 e + 3) \bmod 16 & X = 1 \end{cases}

For whoever knows e this is as great a change as can be, at every e. But the evidence says as much
of the future as ever, and X says no more than a change of the evidence does: that the world is
another one is as important as another forecast would be, and no more.

S. Armstrong, "The mathematics of reduced impact: help needed" (2012), on unravelling chaos.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pyro
import pyro.distributions as dist
import torch

from counterfactual_models.primitives import measure, wire
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.finite_evidence import instead, seen
from counterfactual_models.zoo.finite_truth import FiniteTruth

__all__ = ["cool", "exact", "exact_site", "example"]

SITES = 16


def cool(forecast: torch.Tensor) -> torch.Tensor:
    """Cool the data centre; the warm air is somewhere, after that."""
    return torch.ones_like(forecast)


def exact_site(disciple: Callable[..., Any]) -> None:
    """Run the world: a forecast without error, the wire, a landfall."""
    forecast = pyro.sample("forecast", dist.Categorical(torch.full((SITES,), 1 / SITES)))
    act = wire(disciple, idle=torch.tensor(0))
    warm = act(forecast)
    measure("site", torch.where(warm > 0, (5 * forecast + 3) % SITES, forecast))


def exact(
    disciple: Callable[..., Any],
    evidence: Mapping[str, Any],
    *,
    alternatives: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> FiniteTruth:
    """Say where landfall is.

    Parameters
    ----------
    disciple
        Forecast -> whether there is warm air, 0 or 1.
    evidence
        `forecast`, from 0 to 15.
    alternatives
        Datum -> evidences that there might have been instead.

    Returns
    -------
    FiniteTruth
        Of `site`. There is no noise.

    Raises
    ------
    EvidenceError
        If the forecast is missing, or no site.

    Examples
    --------
    >>> truth = example().exact(cool)
    >>> truth.joint_tv, truth.rearranged_tv, truth.importance.ratio
    (1.0, 0.0, 1.0)
    """

    def outcome(on: int, evidence: Mapping[str, Any]) -> tuple[int]:
        forecast = seen(evidence, "forecast", SITES)
        warm = bool(on) and float(disciple(torch.tensor(forecast))) > 0
        return ((5 * forecast + 3) % SITES if warm else forecast,)

    return FiniteTruth.of_noise(outcome, {}, evidence, names=["site"], alternatives=alternatives)


def example() -> Example:
    """Make the season in which landfall is forecast at site 1."""
    evidence = {"forecast": torch.tensor(1)}
    alternatives = instead(evidence, {"forecast": SITES})
    return Example(
        name="exact_site",
        world=exact_site,
        evidence=evidence,
        disciples={"cool": cool},
        exact=partial(exact, evidence=evidence, alternatives=alternatives),
        about="A hurricane whose landfall is known exactly makes landfall elsewhere.",
        truth={"cool": "low"},
        alternatives=alternatives,
        case="T07, Armstrong 2012",
    )
