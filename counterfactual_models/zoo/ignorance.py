r"""What if a disciple turns a fact round, and nobody knows which way round it was?

A fact is 0 or 1 with equal chance, and a report of it is right with chance q, which is known. The
future shows the fact, or its contrary if the disciple `flip` was let in:

.. math:: \theta \sim \mathrm{Bern}(\tfrac12), \quad
          P(e = \theta \mid \theta) = q, \qquad P(w = 1 \mid e = 1) =
          \begin{cases} q & X = 0 \\ 1 - q & X = 1 \end{cases}

The two laws differ by tv = \|2q - 1\|. With q = 1/2 the report says nothing, the posterior is the
prior, and the laws are the same: no population of worlds is any different, though every single
world is turned upside down. Given the fact, the tv is 1, and so is the chance that the paths
differ: what to hold fixed is for the reader to say.

S. Armstrong, "The mathematics of reduced impact: help needed" (2012): an impact that hides in
ignorance.
"""

import numbers
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pyro
import pyro.distributions as dist
import torch

from counterfactual_models.errors import DiscipleError, WorldError
from counterfactual_models.primitives import measure, wire
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.finite_evidence import instead, seen
from counterfactual_models.zoo.finite_truth import FiniteTruth

__all__ = ["exact", "example", "flip", "ignorance", "null"]

ACCURACY = 0.5
COUNTS = {"report": 2}


def null(report: torch.Tensor) -> torch.Tensor:
    """Leave the fact as it is."""
    return torch.zeros_like(report)


def flip(report: torch.Tensor) -> torch.Tensor:
    """Turn the fact round, whatever the report says."""
    return torch.ones_like(report)


def ignorance(disciple: Callable[..., Any], *, accuracy: float = ACCURACY) -> None:
    """Run the world: a fact, a report of it, the wire, and what becomes of the fact.

    Parameters
    ----------
    disciple
        Report -> 1 to turn the fact round, 0 to leave it.
    accuracy
        Chance that the report is right.
    """
    fact = pyro.sample("fact", dist.Bernoulli(0.5))
    report = pyro.sample("report", dist.Bernoulli(accuracy * fact + (1 - accuracy) * (1 - fact)))

    act = wire(disciple, idle=torch.zeros(()))
    turned = act(report)
    measure("outcome", turned * (1 - fact) + (1 - turned) * fact)


def exact(
    disciple: Callable[..., Any],
    evidence: Mapping[str, Any],
    *,
    accuracy: float = ACCURACY,
    alternatives: Mapping[str, Any] | None = None,
) -> FiniteTruth:
    """Work out the laws of the outcome; the one noise is the fact itself.

    Parameters
    ----------
    disciple
        The policy: report -> 0 or 1.
    evidence
        `report`, 0 or 1.
    accuracy
        As in the world.
    alternatives
        Datum -> evidences; by default the other report.

    Returns
    -------
    FiniteTruth
        Of `outcome`; ``tv_given("fact")`` is what the disciple does to those who know.

    Raises
    ------
    EvidenceError
        If the report is missing, or neither 0 nor 1.
    DiscipleError
        If the disciple does something else than 0 or 1.

    Examples
    --------
    >>> ex = example()
    >>> truth = ex.exact(ex.disciples["flip"])
    >>> truth.joint_tv, truth.tv_given("fact"), truth.path
    (0.0, 1.0, 1.0)
    >>> wise = example(accuracy=0.9)
    >>> round(wise.exact(wise.disciples["flip"]).joint_tv, 6)
    0.8
    """
    seen(evidence, "report", 2)

    def outcome(on: int, e: Mapping[str, Any], fact: int) -> tuple[int]:
        turned = float(disciple(torch.tensor(float(e["report"])))) if on else 0.0
        if turned not in (0.0, 1.0):
            raise DiscipleError(f"the disciple did {turned!r}; expected 0 or 1.")
        return (1 - fact if turned else fact,)

    def noise(e: Mapping[str, Any]) -> dict[str, dict[int, float]]:
        so = accuracy if float(e["report"]) == 1 else 1 - accuracy
        return {"fact": {1: so, 0: 1 - so}}

    others = _alternatives(evidence) if alternatives is None else alternatives
    return FiniteTruth.of_noise(outcome, noise, evidence, names=("outcome",), alternatives=others)


def _alternatives(evidence: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return instead({datum: torch.as_tensor(evidence[datum]) for datum in COUNTS}, COUNTS)


def example(*, accuracy: float = ACCURACY) -> Example:
    """Make the world: a report that the fact is so, of known accuracy.

    Parameters
    ----------
    accuracy
        Chance q that the report is right, above 0 and below 1; at 1/2 it says nothing.

    Returns
    -------
    Example
        `null` leaves the fact alone, `flip` turns it round.

    Raises
    ------
    WorldError
        If the accuracy is no chance, or leaves no doubt.

    Examples
    --------
    >>> example(accuracy=1.0)
    Traceback (most recent call last):
        ...
    counterfactual_models.errors.WorldError: got accuracy=1.0; expected a chance above 0 and \
below 1.
    """
    if not isinstance(accuracy, numbers.Real) or not 0 < float(accuracy) < 1:
        raise WorldError(f"got accuracy={accuracy!r}; expected a chance above 0 and below 1.")
    evidence = {"report": torch.tensor(1.0)}
    return Example(
        name="ignorance",
        world=partial(ignorance, accuracy=float(accuracy)),
        evidence=evidence,
        disciples={"null": null, "flip": flip},
        exact=partial(exact, evidence=evidence, accuracy=float(accuracy)),
        about="A fact of which nothing is known is turned round.",
        settings={"draws": 2000},
        truth={"null": "low", "flip": "high"},
        alternatives=_alternatives(evidence),
        case="T12, Armstrong 2012",
    )
