r"""What if one opinion becomes two, and mean and variance cannot tell?

Polls say where a town leans. Left alone its opinion next year has one peak, N(m, s^2) given e:

.. math:: z \sim N(0, 1), \quad e_j \mid z \sim N(z, 0.5), \quad f \sim N(z, 0.25)

with variances behind the commas. The disciple tosses a coin of balance b and sends all of the
town to the one camp or to the other, d sds apart:

.. math:: w \sim (1 - b)\, N(m - b\,d s,\, s^2) + b\, N(m + (1 - b)\,d s,\, s^2)

The mean stays at m whatever the balance. Cumulants beyond the variance are those of the coin,
:math:`\kappa_r = (d s)^r \kappa_r(b)`, and there are two peaks if and only if, with h = d / 2,

.. math:: h > 1 \quad\text{and}\quad
          \left|\ln\tfrac{b}{1 - b}\right| < 2 h \sqrt{h^2 - 1} - 2\, \mathrm{arcosh}(h)

`widen` is the control: one peak with the same mean and the same variance. What tells them apart is
the kurtosis, the peaks and the entropy. Nobody asked the cows.

J. Behboodian, "On the modes of a mixture of two normal distributions", Technometrics 12 (1970).
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

from counterfactual_models.errors import DiscipleError, WorldError
from counterfactual_models.primitives import measure, wire
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.shape_truth import Exact, NormalMixture

__all__ = ["Camps", "exact", "example", "mixture", "widened"]

BLUR = 0.5  # variance of a poll
MOOD = 0.25  # variance of the year
POLLS = (0.3, -0.4, 0.1, 0.6)
LEFT_OPEN = BLUR / (BLUR + len(POLLS)) + MOOD  # variance of the opinion given the polls
MILK = (20.0, 3.0)  # litres a day, and their sd


@dataclass(frozen=True)
class Camps:
    """Split the town into two camps, or blur it.

    Parameters
    ----------
    apart
        Distance of the two camps in sds of the erased opinion, 0 or more.
    balance
        Chance of the camp above, between 0 and 1, neither included.
    blur
        Sd of the noise added, in sds of the erased opinion, 0 or more.

    Raises
    ------
    DiscipleError
        If a number is out of range.
    """

    apart: float = 0.0
    balance: float = 0.5
    blur: float = 0.0

    def __post_init__(self) -> None:
        for name in ("apart", "blur"):
            given: Any = getattr(self, name)
            if not isinstance(given, numbers.Real) or not 0 <= float(given) < math.inf:
                raise DiscipleError(f"got {name}={given!r}; expected a number of sds, 0 or more.")
        if not isinstance(self.balance, numbers.Real) or not 0 < self.balance < 1:
            raise DiscipleError(
                f"got balance={self.balance!r}; expected a chance above 0 and below 1."
            )

    def __call__(self, leaning: torch.Tensor) -> torch.Tensor:
        """Act on the leaning of the town, whatever it is."""
        unit = self.apart * LEFT_OPEN**0.5
        parts = (-self.balance * unit, (1 - self.balance) * unit, self.balance)
        blur = self.blur * LEFT_OPEN**0.5
        return torch.stack([torch.full_like(leaning, part) for part in (*parts, blur)], -1)


def mixture(disciple: Callable[..., Any]) -> None:
    """Run the world: a leaning, polls of it, the wire, and what the town says a year later."""
    leaning = pyro.sample("leaning", dist.Normal(0.0, 1.0))
    with pyro.plate("poll", len(POLLS)):
        pyro.sample("answer", dist.Normal(leaning, BLUR**0.5))

    act = wire(disciple, idle=torch.zeros(4))
    action = act(leaning)
    below, above, balance, blur = (action[..., k] for k in range(4))
    free = pyro.sample("year", dist.Normal(leaning, MOOD**0.5))
    camp = pyro.sample("coin", dist.Bernoulli(balance))
    rumour = pyro.sample("rumour", dist.Normal(0.0, 1.0))
    measure("opinion", free + torch.where(camp > 0, above, below) + blur * rumour)
    measure("milk", pyro.sample("cows", dist.Normal(*MILK)))


def widened(camps: Camps) -> Camps:
    """Make the control: one peak with the mean and the variance of these camps.

    Parameters
    ----------
    camps
        The disciple that splits.

    Returns
    -------
    Camps
        That does not, and blurs instead.

    Examples
    --------
    >>> widened(Camps(6.0)).blur
    3.0
    """
    more = camps.balance * (1 - camps.balance) * camps.apart**2 + camps.blur**2
    return Camps(balance=camps.balance, blur=more**0.5)


def exact(disciple: Camps, evidence: Mapping[str, Any]) -> Exact:
    """Work out the laws of opinion and milk.

    Parameters
    ----------
    disciple
        The policy.
    evidence
        `answer` to every poll.

    Returns
    -------
    Exact
        Of `opinion` and `milk`.

    Examples
    --------
    >>> ex = example(apart=10)
    >>> split, widen = (ex.exact(ex.disciples[name]) for name in ("split", "widen"))
    >>> [len(truth.peaks[1][0]) for truth in (split, widen)]
    [2, 1]
    >>> split.tv().round(6).tolist(), split.rearranged_tv().round(6).tolist()
    ([0.982572, 0.0], [0.322675, 0.0])
    """
    answers = np.asarray(evidence["answer"], float)
    mean = float(answers.sum() / (len(answers) + BLUR))
    variance = BLUR / (BLUR + len(answers)) + MOOD
    unit = disciple.apart * LEFT_OPEN**0.5
    sd = math.sqrt(variance + disciple.blur**2 * LEFT_OPEN)
    free = NormalMixture((mean,), (variance**0.5,))
    b = disciple.balance
    split = NormalMixture((mean - b * unit, mean + (1 - b) * unit), (sd, sd), (1 - b, b))
    milk = NormalMixture((MILK[0],), (MILK[1],))
    opinion = split if disciple.apart else NormalMixture((mean,), (sd,))
    return Exact(("opinion", "milk"), {0: (free, milk), 1: (opinion, milk)})


def example(*, apart: float = 6.0, balance: float = 0.5) -> Example:
    """Make the world: a town that leans a little, and one who would part it.

    Parameters
    ----------
    apart
        Distance of the two camps in sds of the erased opinion; 2 or less shows one peak.
    balance
        Chance of the camp above, between 0 and 1, neither included.

    Returns
    -------
    Example
        `null` does nothing, `split` makes two camps, `widen` one with their mean and variance.

    Raises
    ------
    WorldError
        If the camps are not apart, or the balance is no chance above 0 and below 1.

    Examples
    --------
    >>> example(balance=1.0)
    Traceback (most recent call last):
        ...
    counterfactual_models.errors.WorldError: got balance=1.0; expected a chance above 0 \
and below 1.
    """
    if not isinstance(apart, numbers.Real) or not 0 < apart < math.inf:
        raise WorldError(f"got apart={apart!r}; expected a number of sds above 0.")
    try:
        split = Camps(float(apart), balance)
    except DiscipleError as error:
        raise WorldError(str(error)) from None
    evidence = {"answer": torch.tensor(POLLS)}
    return Example(
        name="mixture",
        world=mixture,
        evidence=evidence,
        disciples={"null": Camps(), "split": split, "widen": widened(split)},
        exact=partial(exact, evidence=evidence),
        about="One opinion becomes two, and mean and variance cannot tell.",
        settings={"draws": 2000},
    )
