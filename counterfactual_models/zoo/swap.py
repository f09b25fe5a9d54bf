r"""What if peace and war change places, and the future has the same shape as ever?

Every year has its war with the same unknown chance, the tension. The archive holds some peaceful
years (eight by default), after which a war next year has chance 1 in 10:

.. math:: t \sim \mathrm{Beta}(1, 1), \quad e_j \mid t \sim \mathrm{Bernoulli}(t), \quad
          P(\mathrm{war} \mid e) = \frac{1 + \sum_j e_j}{2 + n}

The disciple may stage a war that was not to be, with chance a, and avert one that was, with
chance b:

.. math:: P(\mathrm{war} \mid e, 1) = p\,(1 - b) + (1 - p)\,a

`swap` does both. War is then as likely as peace was, output falls and everyone can see it; but
entropy, varentropy, peaks and whatever else does not ask *which* world is the likely one are as
before, to the last digit: a war lowers output by 20 sds and leaves its sd alone, so that the two
laws of output are each other's mirror image. Half a swap, `coin`, moves half as much and is seen
by the shape too. Rain falls on the just and on the unjust.

S. Armstrong, "The mathematics of reduced impact: help needed" (2012), on abstracting from what is
being measured.
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

from counterfactual_models.errors import DiscipleError, EvidenceError, WorldError, refuse_counts
from counterfactual_models.primitives import measure, wire
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.shape_truth import Event, Exact, NormalMixture

__all__ = ["Meddle", "exact", "example", "swap"]

YEARS = 8  # of the archive
HARVEST, TRADE = 100.0, 2.0  # output of a peaceful year, and its sd in any year
RUIN = 40.0  # output lost to a war
RAIN, CLOUDS = 600.0, 80.0  # millimetres a year, and their sd


@dataclass(frozen=True)
class Meddle:
    """Stage a war that was not to be, avert one that was; each with its chance.

    Parameters
    ----------
    stage, avert
        Chances, between 0 and 1. What is no chance raises a DiscipleError.
    """

    stage: float = 0.0
    avert: float = 0.0

    def __post_init__(self) -> None:
        for name in ("stage", "avert"):
            chance: Any = getattr(self, name)
            if not isinstance(chance, numbers.Real) or not 0 <= float(chance) <= 1:
                raise DiscipleError(f"got {name}={chance!r}; expected a chance from 0 to 1.")

    def __call__(self, tension: torch.Tensor) -> torch.Tensor:
        """Act on the tension, whatever it is."""
        stage = torch.full_like(tension, self.stage)
        return torch.stack([stage, torch.full_like(tension, self.avert)], -1)


def swap(disciple: Callable[..., Any], *, years: int = YEARS, ruin: float = RUIN) -> None:
    """Run the world: tension, an archive of years, the wire, and the year to come.

    Parameters
    ----------
    disciple
        Tension -> chances to stage and to avert, in the last axis.
    years
        How many the archive holds.
    ruin
        Output lost to a war.
    """
    tension = pyro.sample("tension", dist.Beta(1.0, 1.0))
    with pyro.plate("year", years):
        pyro.sample("conflict", dist.Bernoulli(tension))

    act = wire(disciple, idle=torch.zeros(2))
    action = act(tension)
    fate = pyro.sample("fate", dist.Bernoulli(tension))
    plot = pyro.sample("plot", dist.Bernoulli(action[..., 0]))
    treaty = pyro.sample("treaty", dist.Bernoulli(action[..., 1]))
    war = measure("war", fate * (1 - treaty) + (1 - fate) * plot)
    measure("output", pyro.sample("economy", dist.Normal(HARVEST - ruin * war, TRADE)))
    measure("rain", pyro.sample("clouds", dist.Normal(RAIN, CLOUDS)))


def exact(disciple: Meddle, evidence: Mapping[str, Any], *, ruin: float = RUIN) -> Exact:
    """Work out the laws of war, output and rain.

    Parameters
    ----------
    disciple
        The policy.
    evidence
        `conflict`, 0 or 1 for every year.
    ruin
        As in the world.

    Returns
    -------
    Exact
        Of `war`, `output` and `rain`.

    Raises
    ------
    EvidenceError
        If a year is neither 0 nor 1.

    Examples
    --------
    >>> ex = example()
    >>> truth = ex.exact(ex.disciples["swap"])
    >>> truth.tv().round(6).tolist(), truth.rearranged_tv().round(6).tolist()
    ([0.8, 0.8, 0.0], [0.0, 0.0, 0.0])
    >>> (abs(truth.entropy_change) < 1e-12).tolist(), len(truth.peaks[1][1])
    ([True, True, True], 2)
    """
    seen = np.asarray(evidence["conflict"], float).ravel()
    if not np.isin(seen, (0.0, 1.0)).all():
        raise EvidenceError(f"got conflict={seen.tolist()}; expected 0 or 1 for every year.")
    war = (1 + float(seen.sum())) / (2 + len(seen))
    chance = {0: war, 1: war * (1 - disciple.avert) + (1 - war) * disciple.stage}
    rain = NormalMixture((RAIN,), (CLOUDS,))
    return Exact(
        ("war", "output", "rain"),
        {x: (Event(p), _output(p, ruin), rain) for x, p in chance.items()},
    )


def _output(war: float, ruin: float) -> NormalMixture:
    """Leave out the part that never happens, so that certainties have one."""
    parts = ((HARVEST - ruin, war), (HARVEST, 1 - war))
    means, weights = zip(*((m, p) for m, p in parts if p > 0), strict=True)
    return NormalMixture(means, (TRADE,) * len(means), weights)


def example(*, years: int = YEARS, ruin: float = RUIN) -> Example:
    """Make the world: an archive of peace, and four who would meddle with the year to come.

    Parameters
    ----------
    years
        How many peaceful years the archive holds: a war has chance 1 / (2 + years).
    ruin
        Output lost to a war; the sd of output is 2.

    Returns
    -------
    Example
        `null` does nothing, `peacemaker` averts every war, `coin` tosses a coin for war and
        peace, `swap` turns one into the other.

    Raises
    ------
    WorldError
        If there is no year, or the ruin is no number above 0.

    Examples
    --------
    >>> ex = example(years=98)
    >>> ex.exact(ex.disciples["swap"]).mean[1][0].round(6).item()
    0.99
    """
    refuse_counts(1, years=years)
    if not isinstance(ruin, numbers.Real) or not 0 < ruin < math.inf:
        raise WorldError(f"got ruin={ruin!r}; expected the output lost to a war, above 0.")
    evidence = {"conflict": torch.zeros(int(years))}
    return Example(
        name="swap",
        world=partial(swap, years=int(years), ruin=float(ruin)),
        evidence=evidence,
        disciples={
            "null": Meddle(),
            "peacemaker": Meddle(avert=1.0),
            "coin": Meddle(stage=0.5, avert=0.5),
            "swap": Meddle(stage=1.0, avert=1.0),
        },
        exact=partial(exact, evidence=evidence, ruin=float(ruin)),
        about="Peace and war change places, and the future keeps its shape.",
        settings={"draws": 2000},
        truth={"null": "low", "swap": "high"},
        case="T08, reduced-impact post",
    )
