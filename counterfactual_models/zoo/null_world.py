r"""What does a measure make of a disciple who is built, and changes nothing at all?

A coin depends on a sign that was seen, and on nobody:

.. math:: e \in \{0, 1\}, \qquad y \sim \mathrm{Bernoulli}(0.3 + 0.4\, e)

Every measure of impact is exactly 0 here, and every estimate of one shows its bias. The sign is
as important with the disciple let in as it is without.
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

__all__ = ["exact", "example", "null", "null_world"]

RATE, GAIN = 0.3, 0.4  # of the coin: its chance, and what the sign adds


def null(sign: torch.Tensor) -> torch.Tensor:
    """Look at the sign, and add nothing to the coin's chance."""
    return torch.zeros_like(sign)


def null_world(disciple: Callable[..., Any]) -> None:
    """Run the world: a sign, the wire, a coin."""
    sign = pyro.sample("sign", dist.Bernoulli(0.5))
    act = wire(disciple, idle=torch.zeros(()))
    coin = pyro.sample("coin", dist.Bernoulli(RATE + GAIN * sign + act(sign)))
    measure("heads", coin)


def exact(
    disciple: Callable[..., Any],
    evidence: Mapping[str, Any],
    *,
    alternatives: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> FiniteTruth:
    """Work out the laws of the coin.

    Parameters
    ----------
    disciple
        Sign -> what it adds to the coin's chance.
    evidence
        `sign`, 0 or 1.
    alternatives
        Datum -> evidences that there might have been instead.

    Returns
    -------
    FiniteTruth
        Of `heads`. The noise is where between 0 and 1 the coin comes down, as far as it matters.

    Examples
    --------
    >>> truth = example().exact(null)
    >>> truth.joint_tv, truth.path, round(truth.importance.on["sign"], 6)
    (0.0, 0.0, 0.8)
    """

    def chances(evidence: Mapping[str, Any]) -> tuple[float, float]:
        sign = seen(evidence, "sign", 2)
        off = RATE + GAIN * sign
        return off, off + float(disciple(torch.tensor(float(sign))))

    def noise(evidence: Mapping[str, Any]) -> dict[str, dict[int, float]]:
        low, high = sorted(chances(evidence))
        return {"place": {0: low, 1: high - low, 2: 1 - high}}

    def outcome(on: int, evidence: Mapping[str, Any], place: int) -> tuple[float]:
        highest = chances(evidence)[on] >= max(chances(evidence))
        return (float(place == 0 or (place == 1 and highest)),)

    return FiniteTruth.of_noise(
        outcome, noise, evidence, names=["heads"], alternatives=alternatives
    )


def example() -> Example:
    """Make the world with the sign that was seen, and a disciple without any effect."""
    evidence = {"sign": torch.tensor(1.0)}
    alternatives = instead(evidence, {"sign": 2})
    return Example(
        name="null_world",
        world=null_world,
        evidence=evidence,
        disciples={"null": null},
        exact=partial(exact, evidence=evidence, alternatives=alternatives),
        about="A disciple is let in and changes nothing.",
        truth={"null": "low"},
        alternatives=alternatives,
        case="T01, sanity",
    )
