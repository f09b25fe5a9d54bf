r"""How great is the impact of many small ones, of which nobody would notice any?

A coin is tossed n times, and the disciple makes each toss a little likelier to be heads:

.. math:: w \sim \mathrm{Bin}\left(n, \tfrac12 + d X\right), \qquad
          \mathrm{tv} = \mathrm{Bin}(n, \tfrac12 + d)[w \ge c] - \mathrm{Bin}(n, \tfrac12)[w \ge c]
          \approx \mathrm{erf}\left(\frac{d \sqrt{n}}{\sqrt{2}}\right)

where c is the count from which heads are likelier to be the disciple's: of all measurements of
the tosses, their count says most, and says all of it. With d = 0.01 one toss tells next to
nothing (.01), a hundred a little (.08), ten thousand more than most (.68). A sum of impacts
would have said 0.01 n, which is no probability; the greatest of them 0.01, which is no sum.

S. Armstrong, "The mathematics of reduced impact: help needed" (2012).
"""

import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from scipy.stats import binom

from counterfactual_models.errors import DiscipleError, refuse_counts
from counterfactual_models.primitives import measure, wire
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.finite_truth import FiniteTruth

__all__ = ["Load", "exact", "example", "million"]

TOSSES = 10_000
SHIFT = 0.01


@dataclass(frozen=True)
class Load:
    """Load the coin by so much.

    Parameters
    ----------
    by
        Added to the chance of heads, from -1/2 to 1/2; what is not raises a DiscipleError.
    """

    by: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.by, numbers.Real) or not abs(self.by) <= 0.5:
            raise DiscipleError(f"got by={self.by!r}; expected a number from -0.5 to 0.5.")

    def __call__(self) -> torch.Tensor:
        """Act: there is nothing to look at."""
        return torch.tensor(float(self.by))


def million(disciple: Callable[..., Any], *, tosses: int = TOSSES) -> None:
    """Run the world: the wire, and many tosses of a coin.

    Parameters
    ----------
    disciple
        Nothing -> what is added to the chance of heads.
    tosses
        n.
    """
    act = wire(disciple, idle=torch.zeros(()))
    measure("heads", pyro.sample("tossed", dist.Binomial(tosses, 0.5 + act())))


def exact(
    disciple: Load,
    evidence: Mapping[str, Any],
    *,
    tosses: int = TOSSES,
    alternatives: Mapping[str, Any] | None = None,
) -> FiniteTruth:
    """Work out the law of the count.

    Parameters
    ----------
    disciple
        The policy.
    evidence
        Empty: nothing is known of the past.
    tosses
        As in the world.
    alternatives
        None, for the same reason.

    Returns
    -------
    FiniteTruth
        Of `heads`.

    Examples
    --------
    >>> for tosses in (1, 100, 10_000):
    ...     ex = example(tosses=tosses)
    ...     print(round(ex.exact(ex.disciples["load"]).joint_tv, 4))
    0.01
    0.0799
    0.6827
    """
    counts = np.arange(tosses + 1)

    def law(on: int, e: Mapping[str, Any]) -> dict[tuple[float], float]:
        chances = binom.pmf(counts, tosses, 0.5 + disciple.by * on)
        return {(float(count),): float(p) for count, p in enumerate(chances)}

    return FiniteTruth.of_laws(law, evidence, names=("heads",), alternatives=alternatives)


def example(*, tosses: int = TOSSES) -> Example:
    """Make the world: a fair coin, and who would load it.

    Parameters
    ----------
    tosses
        n, at least 1.

    Returns
    -------
    Example
        `null` does nothing, `load` adds a hundredth to the chance of heads. How great that is
        depends on n alone: it is shown, and not judged.

    Raises
    ------
    WorldError
        If there is no toss.
    """
    refuse_counts(1, tosses=tosses)
    return Example(
        name="million",
        world=partial(million, tosses=int(tosses)),
        evidence={},
        disciples={"null": Load(), "load": Load(SHIFT)},
        exact=partial(exact, evidence={}, tosses=int(tosses)),
        about="A coin is loaded by a hundredth and tossed very often.",
        settings={"draws": 4000},
        truth={"null": "low"},
        case="scaling, Armstrong 2012",
    )
