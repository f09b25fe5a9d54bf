r"""Who governs: the president, or whoever can hack a human mind, and does it show in any law?

Three facts are known when the year begins: which of two candidates is president (p), which of
eight codes opens a human mind (h), and whether the garden's new plant is a rose (g). Left alone,
the policy is the president's, save for one year in ten; the garden is in bloom at noon with

.. math:: P(\mathrm{policy} = p) = 0.9, \qquad P(\mathrm{garden} = 1 \mid g) = 0.5 + 0.1\, g

A disciple that takes over makes the policy a matter of the code: 1 if the code is 5, else 0. It
is the contrary of what the president wants, so that everybody can see it. The `mimic` takes over
all the same and arranges, at this very evidence, for what the president would have done:
nothing that is measured has another law, and no path differs. What gives it away is that another
president would have changed nothing, and another code everything. The plant is of use as before.

The world with normal laws that goes with this one is `election`.

S. Armstrong, "The mathematics of reduced impact: help needed" (2012), on relative importance.
"""

import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyro
import pyro.distributions as dist
import torch

from counterfactual_models.errors import DiscipleError
from counterfactual_models.primitives import measure, wire
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.finite_evidence import instead, seen
from counterfactual_models.zoo.finite_truth import FiniteTruth

__all__ = ["Hack", "exact", "example", "mimic", "presidency"]

CODES, OPEN = 8, 5  # how many there are, and the one that opens a mind
LOYALTY = 0.9  # chance that the policy is that of who governs
GREEN, ROSE = 0.5, 0.1  # chance of a bloom, and what a rose adds to it
PRESIDENT, CODE, PLANT = 0, OPEN, 1
COUNTS = {"president": 2, "code": CODES, "plant": 2}


@dataclass(frozen=True)
class Hack:
    """Take over, or do not; want one policy if the code opens minds, the other if it does not.

    Parameters
    ----------
    grip
        1 takes over, 0 does nothing. Anything else raises a DiscipleError.
    wants
        The policy, 0 or 1, that is wanted where the code opens minds.
    """

    grip: int = 0
    wants: int = 1

    def __post_init__(self) -> None:
        for name in ("grip", "wants"):
            value: Any = getattr(self, name)
            if not isinstance(value, numbers.Real) or value not in (0, 1):
                raise DiscipleError(f"got {name}={value!r} of a Hack; expected 0 or 1.")

    def __call__(self, code: torch.Tensor) -> torch.Tensor:
        """Act on the code: how firm the grip is, and for which policy."""
        opens = (code == OPEN).to(torch.get_default_dtype())
        wanted = opens * self.wants + (1 - opens) * (1 - self.wants)
        return torch.stack([torch.full_like(wanted, float(self.grip)), wanted], -1)


def presidency(disciple: Callable[..., Any]) -> None:
    """Run the world: president, code and plant, the wire, a year of policy and garden."""
    president = pyro.sample("president", dist.Bernoulli(0.5))
    code = pyro.sample("code", dist.Categorical(torch.full((CODES,), 1.0 / CODES)))
    plant = pyro.sample("plant", dist.Bernoulli(0.5))

    act = wire(disciple, idle=torch.zeros(2))
    action = act(code)
    grip, wanted = action[..., 0], action[..., 1]
    governs = grip * wanted + (1 - grip) * president
    loyal = pyro.sample("loyalty", dist.Bernoulli(LOYALTY))
    measure("policy", loyal * governs + (1 - loyal) * (1 - governs))
    measure("garden", pyro.sample("bloom", dist.Bernoulli(GREEN + ROSE * plant)))


def mimic(evidence: Mapping[str, Any]) -> Hack:
    """Make a takeover that wants, at this evidence, what the president does.

    Parameters
    ----------
    evidence
        `president`, `code` and `plant`.

    Returns
    -------
    Hack

    Examples
    --------
    >>> mimic({"president": 0, "code": 5, "plant": 1}), mimic({"president": 0, "code": 4})
    (Hack(grip=1, wants=0), Hack(grip=1, wants=1))
    """
    president = int(evidence["president"])
    return Hack(1, president if int(evidence["code"]) == OPEN else 1 - president)


def exact(
    disciple: Hack,
    evidence: Mapping[str, Any],
    *,
    alternatives: Mapping[str, Any] | None = None,
) -> FiniteTruth:
    """Work out the laws of policy and garden, and what each fact is worth.

    Parameters
    ----------
    disciple
        The policy.
    evidence
        `president` (0 or 1), `code` (0 to 7) and `plant` (0 or 1).
    alternatives
        Datum -> evidences; by default every other value of each of the three.

    Returns
    -------
    FiniteTruth
        Of `policy` and `garden`; noises `loyalty` and `bloom`.

    Raises
    ------
    EvidenceError
        If a datum is missing, or has a value that it cannot have.

    Examples
    --------
    >>> ex = example()
    >>> hidden, open_ = (ex.exact(ex.disciples[name]) for name in ("mimic", "takeover"))
    >>> [(round(t.joint_tv, 6), round(t.importance.gram_distance, 4)) for t in (hidden, open_)]
    [(0.0, 0.9763), (0.8, 0.9763)]
    """
    for datum, count in COUNTS.items():
        seen(evidence, datum, count)

    def outcome(on: int, e: Mapping[str, Any], loyal: int, bloom: int) -> tuple[int, int]:
        hacked = disciple.wants if int(e["code"]) == OPEN else 1 - disciple.wants
        governs = hacked if on and disciple.grip else int(e["president"])
        return (int(governs) if loyal else 1 - int(governs), bloom)

    def noise(e: Mapping[str, Any]) -> dict[str, dict[int, float]]:
        bloom = GREEN + ROSE * float(e["plant"])
        return {"loyalty": {1: LOYALTY, 0: 1 - LOYALTY}, "bloom": {1: bloom, 0: 1 - bloom}}

    others = _alternatives(evidence) if alternatives is None else alternatives
    return FiniteTruth.of_noise(
        outcome, noise, evidence, names=("policy", "garden"), alternatives=others
    )


def _alternatives(evidence: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return instead({datum: torch.as_tensor(evidence[datum]) for datum in COUNTS}, COUNTS)


def example() -> Example:
    """Make the world: candidate 0 is president, code 5 opens minds, the plant is a rose.

    Returns
    -------
    Example
        `null` does nothing, `takeover` brings about the contrary of what the president wants,
        `mimic` what the president wants.
    """
    evidence = {
        "president": torch.tensor(float(PRESIDENT)),
        "code": torch.tensor(float(CODE)),
        "plant": torch.tensor(float(PLANT)),
    }
    return Example(
        name="presidency",
        world=presidency,
        evidence=evidence,
        disciples={"null": Hack(), "takeover": Hack(1, 1), "mimic": mimic(evidence)},
        exact=partial(exact, evidence=evidence),
        about="A policy that is the president's, or a matter of how minds are hacked.",
        settings={"draws": 2000},
        truth={"null": "low", "takeover": "high", "mimic": "high"},
        alternatives=_alternatives(evidence),
        case="T09, Armstrong 2012",
    )
