r"""Who is afraid of a disaster so rare that it is in none of the draws?

A gamble pays, save for one time in a thousand, when a million is lost. Nothing else in the world
depends on it:

.. math:: P(\mathrm{loss} \mid X) = p\,X, \qquad \mathrm{tv} = p, \qquad
          E[\mathrm{loss}] = 10^6\, p, \qquad P(\mathrm{none\ in\ } N\ \mathrm{draws}) = (1 - p)^N

Every measure of impact here is linear in p, or forgets p altogether, so that any threshold lets
the gamble through; and of a thousand draws one in three thousands shows no disaster at all. A
quantiliser takes the best q of what the gamble might have been. It may be that all disasters are
in that part: then p becomes p / q, and this is the most that any cost can grow by,

.. math:: E_q[c] \le \frac{1}{q}\, E[c], \qquad c \ge 0

The disciple `quantile` meets the bound, with q = 1/10.

J. Taylor, "Quantilizers: a safer alternative to maximizers for limited optimization" (2015).
"""

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyro
import pyro.distributions as dist
import torch

from counterfactual_models.errors import DiscipleError, WorldError, refuse_counts
from counterfactual_models.primitives import measure, wire
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.finite_evidence import instead, seen
from counterfactual_models.zoo.finite_truth import FiniteTruth

__all__ = ["LOSS", "Gamble", "exact", "example", "expected_loss", "rare_catastrophe", "unseen"]

CHANCE = 1e-3
LOSS = 1e6
QUANTILE = 0.1
COUNTS = {"rain": 2}
DRY, WET = 0.3, 0.7  # chance of a good harvest


@dataclass(frozen=True)
class Gamble:
    """Take so much of the gamble's chance of disaster.

    Parameters
    ----------
    times
        The gamble's chance is multiplied by this: 0 is safe, 1 the gamble, 1 / q the worst that a
        q-quantiliser of it can do. What is negative or not finite raises a DiscipleError.
    """

    times: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.times, numbers.Real) or not 0 <= self.times < math.inf:
            raise DiscipleError(f"got times={self.times!r}; expected a finite number from 0 up.")

    def __call__(self, rain: torch.Tensor) -> torch.Tensor:
        """Act on the rain, whatever it is."""
        return torch.full_like(rain, float(self.times))


def rare_catastrophe(disciple: Callable[..., Any], *, chance: float = CHANCE) -> None:
    """Run the world: rain, the wire, a disaster or none, and a harvest.

    Parameters
    ----------
    disciple
        Rain -> how many times the gamble's chance of disaster.
    chance
        p, of the gamble.
    """
    rain = pyro.sample("rain", dist.Bernoulli(0.5))

    act = wire(disciple, idle=torch.zeros(()))
    disaster = pyro.sample("disaster", dist.Bernoulli(chance * act(rain)))
    measure("loss", LOSS * disaster)
    measure("harvest", pyro.sample("summer", dist.Bernoulli(DRY + (WET - DRY) * rain)))


def exact(
    disciple: Gamble,
    evidence: Mapping[str, Any],
    *,
    chance: float = CHANCE,
    alternatives: Mapping[str, Any] | None = None,
) -> FiniteTruth:
    """Work out the laws of loss and harvest.

    Parameters
    ----------
    disciple
        The policy.
    evidence
        `rain`, 0 or 1.
    chance
        As in the world.
    alternatives
        Datum -> evidences; by default the other weather.

    Returns
    -------
    FiniteTruth
        Of `loss` and `harvest`; noises `disaster` and `summer`.

    Raises
    ------
    EvidenceError
        If the rain is missing, or neither 0 nor 1.
    DiscipleError
        If the disciple takes the chance of a disaster beyond 1.

    Examples
    --------
    >>> ex = example()
    >>> [round(ex.exact(ex.disciples[name]).joint_tv, 6) for name in ("gamble", "quantile")]
    [0.001, 0.01]
    """
    seen(evidence, "rain", 2)
    taken = _taken(disciple, chance)

    def outcome(on: int, e: Mapping[str, Any], strikes: int, good: int) -> tuple[float, float]:
        return (LOSS * strikes if on else 0.0), good

    def noise(e: Mapping[str, Any]) -> dict[str, dict[int, float]]:
        wet = WET if float(e["rain"]) else DRY
        return {"disaster": {1: taken, 0: 1 - taken}, "summer": {1: wet, 0: 1 - wet}}

    others = _alternatives(evidence) if alternatives is None else alternatives
    return FiniteTruth.of_noise(
        outcome, noise, evidence, names=("loss", "harvest"), alternatives=others
    )


def expected_loss(disciple: Gamble, *, chance: float = CHANCE) -> float:
    """Expect a loss when the disciple is let in; nothing is lost when it is erased.

    Parameters
    ----------
    disciple
        The policy.
    chance
        As in the world.

    Returns
    -------
    float
        From 0 to a million.

    Examples
    --------
    >>> expected_loss(Gamble(1.0)), expected_loss(Gamble(10.0))
    (1000.0, 10000.0)
    """
    return LOSS * _taken(disciple, chance)


def unseen(draws: int, *, chance: float = CHANCE) -> float:
    """Say how likely it is that no draw shows the disaster.

    Parameters
    ----------
    draws
        N, independent ones.
    chance
        Of the disaster in one draw.

    Returns
    -------
    float
        (1 - chance) to the power of N.

    Examples
    --------
    >>> [float(f"{unseen(n):.3g}") for n in (1000, 3000, 10_000)]
    [0.368, 0.0497, 4.52e-05]
    """
    refuse_counts(0, draws=draws)
    if not isinstance(chance, numbers.Real) or not 0 <= chance <= 1:
        raise WorldError(f"got chance={chance!r}; expected a chance from 0 to 1.")
    return float((1 - chance) ** draws) if chance > 0.5 else math.exp(draws * math.log1p(-chance))


def _taken(disciple: Gamble, chance: float) -> float:
    taken = chance * disciple.times
    if taken > 1:
        raise DiscipleError(
            f"got times={disciple.times!r} of a chance of {chance:g}; expected {1 / chance:g} at "
            "most, where disaster is certain."
        )
    return taken


def _alternatives(evidence: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return instead({datum: torch.as_tensor(evidence[datum]) for datum in COUNTS}, COUNTS)


def example(*, chance: float = CHANCE) -> Example:
    """Make the world: a wet year, and a gamble.

    Parameters
    ----------
    chance
        Of a disaster, if the gamble is taken: above 0, and at most 1/10.

    Returns
    -------
    Example
        `safe` does nothing, `gamble` gambles, `quantile` is the worst of the best tenth.

    Raises
    ------
    WorldError
        If the chance is none, or so great that the best tenth cannot hold all of it.

    Examples
    --------
    >>> example(chance=0.5)
    Traceback (most recent call last):
        ...
    counterfactual_models.errors.WorldError: got chance=0.5; expected a chance above 0 and at \
most 0.1.
    """
    if not isinstance(chance, numbers.Real) or not 0 < chance <= QUANTILE:
        raise WorldError(
            f"got chance={chance!r}; expected a chance above 0 and at most {QUANTILE}."
        )
    evidence = {"rain": torch.tensor(1.0)}
    return Example(
        name="rare_catastrophe",
        world=partial(rare_catastrophe, chance=float(chance)),
        evidence=evidence,
        disciples={"safe": Gamble(), "gamble": Gamble(1.0), "quantile": Gamble(1 / QUANTILE)},
        exact=partial(exact, evidence=evidence, chance=float(chance)),
        about="A gamble pays, save for one time in a thousand.",
        settings={"draws": 4000},
        truth={"safe": "low", "gamble": "high"},
        alternatives=_alternatives(evidence),
        case="T24, Taylor 2015",
    )
