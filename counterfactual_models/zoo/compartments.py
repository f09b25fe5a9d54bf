r"""What if the future depends on the difference of two pressures, where it used to be their sum?

Two compartments of gas, the pressure of each is read exactly, and the partition goes. Left alone,
the gases mix:

.. math:: p_L, p_R \sim N(0, 1), \qquad w \sim N\left(\tfrac12 (p_L + p_R), s^2\right)

A demon minds the gap instead. It is centred at the pressures (a, b) that there are, so that no
law of anything measured is different, and each pressure is as important as it was:

.. math:: w \sim N\left(\tfrac12 (a + b) + \tfrac12 \big((p_L - a) - (p_R - b)\big), s^2\right),
          \qquad \frac{d}{d p_i} \lVert P \rVert_1 = \frac{\sqrt{2/\pi}}{2 s}

The Fisher matrices of the two worlds have the same diagonal and nothing else in common: the trace
distance of the two, each of trace 1, is 1.

.. math:: F_0 = \frac{1}{4 s^2} \begin{pmatrix} 1 & 1 \\ 1 & 1 \end{pmatrix}, \qquad
          F_1 = \frac{1}{4 s^2} \begin{pmatrix} 1 & -1 \\ -1 & 1 \end{pmatrix}

In `gases`, the pressures are known by gauges that err; here they are the evidence themselves.

S. Armstrong, "The mathematics of reduced impact: help needed" (2012), on relative importance.
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

from counterfactual_models.errors import DiscipleError, EvidenceError, WorldError
from counterfactual_models.primitives import measure, wire
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.linear_truth import normal_tv

__all__ = ["Exact", "Valve", "compartments", "demon", "exact", "example"]

DRAUGHT = 0.1  # sd of the pressure after mixing
PRESSURES = (0.5, 0.25)
DATA = ("left", "right")


@dataclass(frozen=True)
class Valve:
    """Add so much pressure for each unit of it on the left and on the right, and so much anyway.

    Parameters
    ----------
    left, right, push
        Finite numbers; what is none raises a DiscipleError.
    """

    left: float = 0.0
    right: float = 0.0
    push: float = 0.0

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.left, self.right, self.push))):
            raise DiscipleError(f"got {self}; expected finite numbers.")

    def __call__(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Act on the two pressures."""
        return self.left * left + self.right * right + self.push


@dataclass(frozen=True, eq=False)
class Exact:
    """The truth about one disciple. A mapping is of X, 0 or 1.

    Parameters
    ----------
    mean
        Of the pressure after mixing, (1,).
    sd
        Of the same in both worlds.
    gradient
        Of the mean by the two pressures before, (2,).
    """

    mean: Mapping[int, np.ndarray]
    sd: float
    gradient: Mapping[int, np.ndarray]
    measurements: tuple[str, ...] = ("pressure",)
    data: tuple[str, ...] = DATA

    def tv(self) -> np.ndarray:
        """Total variation of the pressure after mixing, (1,), from 0 to 1."""
        variance = np.array([[self.sd**2]])
        return normal_tv(self.mean, {0: variance, 1: variance})

    @property
    def slope(self) -> dict[int, np.ndarray]:
        """How fast the law moves with each datum, in L1 a unit: (2,)."""
        pace = math.sqrt(2 / math.pi) / self.sd
        return {x: pace * abs(own) for x, own in self.gradient.items()}

    @property
    def fisher(self) -> dict[int, np.ndarray]:
        """What the law knows of both data together: (2, 2)."""
        return {x: np.outer(own, own) / self.sd**2 for x, own in self.gradient.items()}

    @property
    def profile_distance(self) -> float:
        """Total variation of the shares that the data have in the slope; 0 to 1."""
        off, on = (np.diag(self.slope[x]) for x in (0, 1))
        return _trace_distance(off, on)

    @property
    def gram_distance(self) -> float:
        """Half the trace norm of the difference of the Fisher matrices, of trace 1 each."""
        return _trace_distance(self.fisher[0], self.fisher[1])


def _trace_distance(off: np.ndarray, on: np.ndarray) -> float:
    """Take 1 where one is all zero, 0 where both are."""
    traces = np.trace(off), np.trace(on)
    if min(traces) <= 0:
        return float(max(traces) > 0)
    return float(abs(np.linalg.eigvalsh(on / traces[1] - off / traces[0])).sum() / 2)


def compartments(disciple: Callable[..., Any], *, draught: float = DRAUGHT) -> None:
    """Run the world: two pressures, the wire, the pressure after mixing.

    Parameters
    ----------
    disciple
        The two pressures -> what is added to the pressure after mixing.
    draught
        Its sd.
    """
    left = pyro.sample("left", dist.Normal(0.0, 1.0))
    right = pyro.sample("right", dist.Normal(0.0, 1.0))

    act = wire(disciple, idle=torch.zeros(()))
    mixed = (left + right) / 2 + act(left, right)
    measure("pressure", pyro.sample("mixing", dist.Normal(mixed, draught)))


def demon(evidence: Mapping[str, Any]) -> Valve:
    """Make a demon that lives on the difference, and leaves this evidence's law as it is.

    Parameters
    ----------
    evidence
        `left` and `right`.

    Returns
    -------
    Valve

    Examples
    --------
    >>> demon({"left": 0.5, "right": 0.25})
    Valve(left=0.0, right=-1.0, push=0.25)
    """
    return Valve(0.0, -1.0, float(evidence["right"]))


def exact(disciple: Valve, evidence: Mapping[str, Any], *, draught: float = DRAUGHT) -> Exact:
    """Work out everything in closed form.

    Parameters
    ----------
    disciple
        The policy.
    evidence
        `left` and `right`.
    draught
        As in the world.

    Returns
    -------
    Exact
        Of `pressure`.

    Raises
    ------
    EvidenceError
        If a pressure is not finite.

    Examples
    --------
    >>> ex = example()
    >>> hidden = ex.exact(ex.disciples["demon"])
    >>> hidden.tv().round(6).tolist(), hidden.slope[1].round(4).tolist()
    ([0.0], [3.9894, 3.9894])
    >>> round(hidden.profile_distance, 6), round(hidden.gram_distance, 6)
    (0.0, 1.0)
    """
    pressures = np.array([float(evidence[name]) for name in DATA])
    if not np.isfinite(pressures).all():
        raise EvidenceError(f"got the pressures {pressures.tolist()}; expected finite numbers.")
    gradient = {0: np.array([0.5, 0.5]), 1: 0.5 + np.array([disciple.left, disciple.right])}
    push = {0: 0.0, 1: disciple.push}
    mean = {x: np.array([gradient[x] @ pressures + push[x]]) for x in (0, 1)}
    return Exact(mean, draught, gradient)


def example(*, draught: float = DRAUGHT) -> Example:
    """Make the world: more pressure on the left than on the right, and more than usual in both.

    Parameters
    ----------
    draught
        Standard deviation s of the pressure after mixing, above 0.

    Returns
    -------
    Example
        `mix` lets the gases mix as they would, `demon` lives on their difference. An alternative
        is the same pressure with s added.

    Raises
    ------
    WorldError
        If the draught is no number above 0.

    Examples
    --------
    >>> ex = example(draught=0.2)
    >>> ex.exact(ex.disciples["mix"]).fisher[0].round(4).tolist()
    [[6.25, 6.25], [6.25, 6.25]]
    """
    if not isinstance(draught, numbers.Real) or not 0 < draught < math.inf:
        raise WorldError(f"got draught={draught!r}; expected a standard deviation above 0.")
    evidence = {name: torch.tensor(p) for name, p in zip(DATA, PRESSURES, strict=True)}
    return Example(
        name="compartments",
        world=partial(compartments, draught=float(draught)),
        evidence=evidence,
        disciples={"mix": Valve(), "demon": demon(evidence)},
        exact=partial(exact, evidence=evidence, draught=float(draught)),
        about="Two gases mix, or a demon lives on their difference and nobody notices.",
        settings={"draws": 4000},
        truth={"mix": "low", "demon": "high"},
        alternatives={
            name: [{**evidence, name: evidence[name] + float(draught)}] for name in DATA
        },
        case="T10, Armstrong 2012",
    )
