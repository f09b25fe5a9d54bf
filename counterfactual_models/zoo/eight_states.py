r"""How many bits of optimization does it take to climb a ladder of eight states?

Left alone, each of eight states comes up equally often, and the master would have the highest, U =
0 to 7. A disciple looks at N of them that chance offers and takes the best, or steers to one:

.. math:: P(U \le u \mid N) = \Big(\frac{u + 1}{8}\Big)^N, \qquad
          \mathrm{bits}(u) = -\log_2 P(U \ge u \mid X = 0) = 3 - \log_2 (8 - u)

States 4, 6 and 7 are worth 1, 2 and 3 bits, and bits of independent ladders add up. Between the
rungs there is a place, so that no two options tie (``fine=True`` measures how much of chance does
as well, t). Then the best of N has

.. math:: E[-\log_2 t] = \frac{H_N}{\ln 2}, \qquad \mathrm{median} = -\log_2 (1 - 2^{-1/N}),
          \qquad \hat N = \frac{-1}{\ln (1 - t)}

with H_N = 1 + 1/2 + ... + 1/N. A random choice, N = 1, has 1.44 bits already: what counts is what
goes beyond. None of it says whether the impact is low: it is a measure of power.

S. Armstrong, "The mathematics of reduced impact: help needed" (2012); E. Yudkowsky, "Measuring
optimization power" (2008).
"""

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from scipy.special import digamma

from counterfactual_models.errors import DiscipleError, WorldError
from counterfactual_models.primitives import measure, wire
from counterfactual_models.utilities import bounded
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.finite_truth import FiniteTruth

__all__ = [
    "BestOf",
    "Steer",
    "eight_states",
    "exact",
    "example",
    "expected_bits",
    "likeliest_tries",
    "median_bits",
]

STATES = 8
NOWHERE = -1.0


@dataclass(frozen=True)
class BestOf:
    """Take the best of what chance offers so many times.

    Parameters
    ----------
    tries
        N, at least 1: 1 is chance itself. What is no such number raises a DiscipleError.
    """

    tries: float = 1.0

    def __post_init__(self) -> None:
        _refuse_tries(self.tries, DiscipleError)

    def __call__(self) -> torch.Tensor:
        """Act: there is nothing to look at."""
        return torch.tensor([float(self.tries), NOWHERE])

    @property
    def law(self) -> tuple[float, ...]:
        """Chance of each state."""
        below = [(rung / STATES) ** self.tries for rung in range(STATES + 1)]
        return tuple(high - low for low, high in pairwise(below))


@dataclass(frozen=True)
class Steer:
    """Go to one state, whatever chance offers.

    Parameters
    ----------
    state
        From 0 to 7. What is no such number raises a DiscipleError.
    """

    state: int

    def __post_init__(self) -> None:
        if not isinstance(self.state, numbers.Real) or self.state not in range(STATES):
            raise DiscipleError(
                f"got state={self.state!r}; expected a whole number from 0 to {STATES - 1}."
            )

    def __call__(self) -> torch.Tensor:
        """Act: there is nothing to look at."""
        return torch.tensor([1.0, float(self.state)])

    @property
    def law(self) -> tuple[float, ...]:
        """Chance of each state."""
        return tuple(float(state == self.state) for state in range(STATES))


def eight_states(disciple: Callable[..., Any], *, fine: bool = False) -> None:
    """Run the world: the wire, and the state that comes up.

    Parameters
    ----------
    disciple
        Nothing -> how many times chance is asked, and where to steer (-1 is nowhere).
    fine
        Whether to measure the place between two rungs.
    """
    act = wire(disciple, idle=torch.tensor([1.0, NOWHERE]))
    action = act()
    tries, target = action[..., :1], action[..., 1:]
    rungs = torch.arange(STATES + 1.0)
    below = (rungs / STATES) ** tries
    steered = (rungs[:-1] == target).to(below.dtype)
    law = torch.where(target == NOWHERE, below[..., 1:] - below[..., :-1], steered)
    state = pyro.sample("state", dist.Categorical(law))
    measure("rung", state.to(below.dtype))
    if fine:
        place = pyro.sample("place", dist.Uniform(0.0, 1.0))
        share = 1 - (state / (state + 1)) ** tries[..., 0]
        height = torch.log((state + 1) / STATES) + torch.log1p((place - 1) * share) / tries[..., 0]
        measure("as_good", -torch.expm1(height))


def exact(
    disciple: BestOf | Steer,
    evidence: Mapping[str, Any],
    *,
    alternatives: Mapping[str, Any] | None = None,
) -> FiniteTruth:
    """Work out the law of the state.

    Parameters
    ----------
    disciple
        The policy.
    evidence
        Empty: nothing is known of the past.
    alternatives
        None, for the same reason.

    Returns
    -------
    FiniteTruth
        Of `rung`; ``optimization_power(lambda outcome: outcome[0])`` is its bits.

    Examples
    --------
    >>> ex = example()
    >>> for name in ("x4", "x6", "x7", "null"):
    ...     truth = ex.exact(ex.disciples[name])
    ...     print(name, round(truth.optimization_power(lambda outcome: outcome[0]), 4))
    x4 1.0
    x6 2.0
    x7 3.0
    null 1.0876
    """

    def law(on: int, e: Mapping[str, Any]) -> dict[tuple[float], float]:
        chances = disciple.law if on else BestOf().law
        return {(float(state),): p for state, p in enumerate(chances)}

    return FiniteTruth.of_laws(law, evidence, names=("rung",), alternatives=alternatives)


def expected_bits(tries: float) -> float:
    r"""Expect the bits of the best of N where no two options tie.

    .. math:: E[-\log_2 t] = H_N / \ln 2

    Parameters
    ----------
    tries
        N, at least 1; whole or not.

    Returns
    -------
    float
        From 1.4427, which is chance itself.

    Raises
    ------
    WorldError
        If there is less than one try.

    Examples
    --------
    >>> [round(expected_bits(n), 4) for n in (1, 2, 10, 100, 1000)]
    [1.4427, 2.164, 4.2256, 7.4838, 10.7993]
    """
    _refuse_tries(tries, WorldError)
    return float((digamma(tries + 1.0) - digamma(1.0)) / math.log(2))


def median_bits(tries: float) -> float:
    """Find the bits that the best of N has as often as not.

    Parameters
    ----------
    tries
        N, at least 1.

    Returns
    -------
    float
        From 1 up.

    Raises
    ------
    WorldError
        If there is less than one try.

    Examples
    --------
    >>> [round(median_bits(n), 4) for n in (1, 10, 1000)]
    [1.0, 3.9004, 10.4951]
    """
    _refuse_tries(tries, WorldError)
    return -math.log2(-math.expm1(-math.log(2) / tries))


def likeliest_tries(quantile: float) -> float:
    """Guess of how many options one was the best, if it beats this share of chance.

    Parameters
    ----------
    quantile
        1 - t, above 0 and below 1.

    Returns
    -------
    float
        The N at which such an option is the likeliest.

    Raises
    ------
    WorldError
        If the quantile is none.

    Examples
    --------
    >>> [round(likeliest_tries(q), 4) for q in (0.5, 0.875, 0.99)]
    [1.4427, 7.4889, 99.4992]
    """
    if not isinstance(quantile, numbers.Real) or not 0 < quantile < 1:
        raise WorldError(f"got quantile={quantile!r}; expected a number above 0 and below 1.")
    return -1 / math.log(quantile)


def _refuse_tries(tries: Any, error: type[ValueError]) -> None:
    if not isinstance(tries, numbers.Real) or not 1 <= float(tries) < math.inf:
        raise error(f"got tries={tries!r}; expected a finite number of at least 1.")


def example(*, fine: bool = False) -> Example:
    """Make the world: a ladder, and those who climb it.

    Parameters
    ----------
    fine
        Whether to measure how much of chance does as well, between the rungs too.

    Returns
    -------
    Example
        `null` takes what comes, `best_of_2`, `best_of_10`, `best_of_100` and `best_of_1000` the
        best of so many, `x4`, `x6` and `x7` steer to a state. Power is not impact: nobody but
        `null` is judged.

    Raises
    ------
    WorldError
        If `fine` is neither True nor False.
    """
    if not isinstance(fine, bool):
        raise WorldError(f"got fine={fine!r}; expected True or False.")
    searches = {f"best_of_{tries}": BestOf(tries) for tries in (2, 10, 100, 1000)}
    return Example(
        name="eight_states",
        world=partial(eight_states, fine=fine),
        evidence={},
        disciples={"null": BestOf()} | searches | {f"x{u}": Steer(u) for u in (4, 6, 7)},
        utility=bounded("rung", cap=STATES - 1),
        exact=partial(exact, evidence={}),
        about="Eight states of rising utility, and disciples that search or steer.",
        settings={"draws": 4000},
        truth={"null": "low"},
        case="T25, Armstrong 2012; Yudkowsky 2008",
    )
