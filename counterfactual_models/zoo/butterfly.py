r"""Is a butterfly to blame for the weather of the next season?

The weather is the logistic map, in double precision; the flap of a wing moves it by 1e-12:

.. math:: x_0 \sim \mathrm{Beta}(\tfrac12, \tfrac12), \qquad
          x_0 \leftarrow x_0 + 10^{-12} X, \qquad x_{t+1} = 4 x_t (1 - x_t)

and what is measured is the tenth that the last x falls in. The law that x_0 has is the one that
the map keeps, and its tenths have the chances

.. math:: p_k = \tfrac{2}{\pi} \left( \arcsin \sqrt{(k + 1) / 10} - \arcsin \sqrt{k / 10} \right)

A difference doubles in every step. After 20 of them nothing can be seen yet; after 60 the two
paths are strangers, and differ with chance 1 - sum_k p_k^2 = 0.8717, though the laws are the same:
a shift by s moves no more than the chance of lying within s of the border, 6.4e-7 here.
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

from counterfactual_models.errors import DiscipleError, refuse_counts
from counterfactual_models.primitives import measure, wire
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.finite_truth import FiniteTruth

__all__ = ["Flap", "butterfly", "exact", "example"]

STEPS = 60
BINS = 10
WING = 1e-12
MOST = 1e-8  # a greater shift would be seen in the laws
UNSEEN, STRANGERS = 2e-6, 1e4  # shift times 2^steps: paths are the same, or independent


@dataclass(frozen=True)
class Flap:
    """Move the weather by a little.

    Parameters
    ----------
    strength
        By how much, from 0 to 1e-8. What is no such number raises a DiscipleError.
    """

    strength: float = WING

    def __post_init__(self) -> None:
        size: Any = self.strength
        if not isinstance(size, numbers.Real) or not 0 <= float(size) <= MOST:
            raise DiscipleError(f"got strength={size!r}; expected a number from 0 to {MOST:g}.")

    def __call__(self, air: torch.Tensor) -> torch.Tensor:
        """Act on the air, whatever it does."""
        return torch.full_like(air, self.strength)


def butterfly(disciple: Callable[..., Any], *, steps: int = STEPS) -> None:
    """Run the world: the air as it is, the wire, and the weather some steps later.

    Parameters
    ----------
    disciple
        State of the air -> what is added to it.
    steps
        How many.
    """
    half = torch.tensor(0.5, dtype=torch.float64)
    air = pyro.sample("air", dist.Beta(half, half))

    act = wire(disciple, idle=torch.zeros((), dtype=torch.float64))
    air = (air + act(air)).clamp(0.0, 1.0)
    for _ in range(steps):
        air = 4 * air * (1 - air)
    measure("weather", (BINS * air).floor().clamp(max=BINS - 1))


def exact(disciple: Flap, evidence: Mapping[str, Any], *, steps: int = STEPS) -> FiniteTruth:
    """Give the law that the map keeps, and the paths where they are the same or independent.

    Parameters
    ----------
    disciple
        By whom the air is moved.
    evidence
        There is none.
    steps
        As in the world.

    Returns
    -------
    FiniteTruth
        Of `weather`. The two laws are the same to 6.4e-7 for a wing, to 6.4e-5 for the greatest
        shift. Paths are taken to be the same where 2^steps shifts are at most 2e-6 (one in 10 000
        has crossed a border by then), and to be independent from 1e4 of them on; in between,
        nothing is known of them.

    Examples
    --------
    >>> [round(exact(Flap(), {}, steps=steps).path, 4) for steps in (20, 60)]
    [0.0, 0.8717]
    """
    edges = [2 / math.pi * math.asin(math.sqrt(k / BINS)) for k in range(BINS + 1)]
    law = {(k,): edges[k + 1] - edges[k] for k in range(BINS)}
    grown = disciple.strength * 2.0**steps
    pairs: dict[Any, float] | None = None
    if grown <= UNSEEN:
        pairs = {(w, w): p for w, p in law.items()}
    elif grown >= STRANGERS:
        pairs = {(w, v): p * q for w, p in law.items() for v, q in law.items()}
    return FiniteTruth(("weather",), {0: law, 1: law}, pairs=pairs)


def example(*, steps: int = STEPS) -> Example:
    """Make the weather with its one butterfly; nothing is known of the air.

    Parameters
    ----------
    steps
        From the flap to what is measured, at least 0.

    Returns
    -------
    Example

    Raises
    ------
    WorldError
        If the steps are no whole number of at least 0.

    Examples
    --------
    >>> ex = example(steps=20)
    >>> ex.exact(ex.disciples["flap"]).path
    0.0
    """
    refuse_counts(0, steps=steps)
    return Example(
        name="butterfly",
        world=partial(butterfly, steps=int(steps)),
        evidence={},
        disciples={"flap": Flap()},
        exact=partial(exact, evidence={}, steps=int(steps)),
        about="A butterfly flaps, and the weather is another, and just as likely.",
        truth={"flap": "low"},
        case="T06, chaos in double precision",
    )
