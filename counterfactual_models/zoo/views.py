r"""How much does one view among a thousand say of tomorrow, and is X more important than that?

A video is clicked at a rate that nobody knows; n passers-by did so or did not. Tomorrow one more
comes by. The disciple raises the rate by a hundredth:

.. math:: r \sim \mathrm{Beta}(1, 1), \quad e_j \mid r \sim \mathrm{Bern}(r), \quad
          P(w = 1 \mid e) = \frac{1 + k}{2 + n}, \quad
          P(w = 1 \mid e, 1) = P(w = 1 \mid e) + 0.01, \quad k = \sum_j e_j

What is a datum worth? That depends on what a datum is:

* one view, turned round: I = 2 / (n + 2). The more views there are, the less each says, and next
  to it X looks ever more important, 10 times at n = 1000: a false alarm that grows with n;
* the share k / n, moved by a posterior sd: I = 2 sd(r | e), so that the alarm grows with the root
  of n;
* the digits of r, as a code for the views would write them: the m-th is worth I = 2^{1 - m}, and
  about log2(n) / 2 of them mean anything. Next to the typical one, X is small.

S. Armstrong, "The mathematics of reduced impact: help needed" (2012), on redundant evidence.
The Gaussian world that goes with this one is `lolcats`.
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
from scipy.stats import beta

from counterfactual_models.errors import DiscipleError, EvidenceError, refuse_counts
from counterfactual_models.primitives import measure, wire
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.finite_truth import FiniteTruth

__all__ = ["Importances", "Nudge", "exact", "example", "importances", "video"]

VIEWS = 1000
NUDGE = 0.01
SHARED, RAIN = 0.1, 0.3  # chance that a click is passed on; chance of rain


@dataclass(frozen=True)
class Nudge:
    """Raise the rate by so much, up to 1.

    Parameters
    ----------
    by
        From 0 to 1; what is not raises a DiscipleError.
    """

    by: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.by, numbers.Real) or not 0 <= self.by <= 1:
            raise DiscipleError(f"got by={self.by!r}; expected a number from 0 to 1.")

    def __call__(self, rate: torch.Tensor) -> torch.Tensor:
        """Act on the rate, whatever it is."""
        return torch.full_like(rate, float(self.by))


@dataclass(frozen=True)
class Importances:
    """What X and a datum are worth to the click of tomorrow, in L1, for three ideas of a datum.

    Parameters
    ----------
    switch
        I_X.
    view
        Of one view, turned round: the mean over those that there are.
    share
        Of the share of clicks, moved by a posterior sd.
    digits
        Of the digits of the rate that mean anything, first to last.
    """

    switch: float
    view: float
    share: float
    digits: tuple[float, ...]

    @property
    def ratios(self) -> dict[str, float]:
        """X over the typical datum, by each idea; above 1, X is the more important."""
        typical = {"view": self.view, "share": self.share, "digits": float(np.median(self.digits))}
        return {name: self.switch / worth for name, worth in typical.items()}


def video(disciple: Callable[..., Any], *, count: int = VIEWS) -> None:
    """Run the world: a rate, its views, the wire, and one who comes by tomorrow.

    Parameters
    ----------
    disciple
        Rate -> what is added to it.
    count
        n, how many views there are.
    """
    rate = pyro.sample("rate", dist.Beta(1.0, 1.0))
    with pyro.plate("view", count):
        pyro.sample("clicked", dist.Bernoulli(rate))

    act = wire(disciple, idle=torch.zeros(()))
    tomorrow = (rate + act(rate)).clamp(0.0, 1.0)
    click = measure("click", pyro.sample("visitor", dist.Bernoulli(tomorrow)))
    generous = pyro.sample("generous", dist.Bernoulli(SHARED))
    measure("share", click * generous)
    measure("rain", pyro.sample("clouds", dist.Bernoulli(RAIN)))


def exact(
    disciple: Nudge,
    evidence: Mapping[str, Any],
    *,
    alternatives: Mapping[str, Any] | None = None,
) -> FiniteTruth:
    """Work out the laws of what happens tomorrow; see :func:`importances` for digits.

    Parameters
    ----------
    disciple
        The policy.
    evidence
        `clicked`, 0 or 1 for every view.
    alternatives
        Datum -> evidences; by default the first view and the second turned round. Views are
        exchangeable: any other is as one of the two, if one was a click and the other none.

    Returns
    -------
    FiniteTruth
        Of `click`, `share` and `rain`.

    Raises
    ------
    EvidenceError
        If a view is neither 0 nor 1, or there is none.

    Examples
    --------
    >>> for views in (10, 1000):
    ...     ex = example(views=views)
    ...     truth = ex.exact(ex.disciples["nudge"])
    ...     worth = truth.importance
    ...     sizes = truth.joint_tv, worth.off["clicked[0]"], worth.ratio
    ...     print([round(size, 4) for size in sizes])
    [0.01, 0.1667, 0.12]
    [0.01, 0.002, 10.02]
    """

    def law(on: int, e: Mapping[str, Any]) -> dict[tuple[float, float, float], float]:
        click = _click(_clicked(e), disciple.by if on else 0.0)
        shared = {
            (0.0, 0.0): 1 - click,
            (1.0, 0.0): click * (1 - SHARED),
            (1.0, 1.0): click * SHARED,
        }
        rain = {0.0: 1 - RAIN, 1.0: RAIN}
        return {(*own, wet): p * q for own, p in shared.items() for wet, q in rain.items()}

    others = _alternatives(evidence) if alternatives is None else alternatives
    return FiniteTruth.of_laws(
        law, evidence, names=("click", "share", "rain"), alternatives=others
    )


def importances(disciple: Nudge, evidence: Mapping[str, Any]) -> Importances:
    """Compare X with a datum, for each of three ideas of what a datum is.

    Parameters
    ----------
    disciple
        The policy.
    evidence
        `clicked`, 0 or 1 for every view.

    Returns
    -------
    Importances

    Raises
    ------
    EvidenceError
        If a view is neither 0 nor 1, or there is none.

    Examples
    --------
    >>> ex = example(views=1_000_000)
    >>> worth = importances(ex.disciples["nudge"], ex.evidence)
    >>> {name: round(ratio, 2) for name, ratio in worth.ratios.items()}
    {'view': 10000.02, 'share': 20.0, 'digits': 0.43}
    """
    clicked = _clicked(evidence)
    switch = 2 * abs(_click(clicked, disciple.by) - _click(clicked, 0.0))
    sd = float(beta(1 + clicked.sum(), 1 + (1 - clicked).sum()).std())
    known = max(1, round(math.log2(len(clicked)) / 2))
    digits = tuple(2.0 ** (1 - m) for m in range(1, known + 1))
    return Importances(switch, 2 / (2 + len(clicked)), 2 * sd, digits)


def _click(clicked: np.ndarray, by: float) -> float:
    r"""Take the mean of min(r + d, 1) under the posterior: E[(1 - d - r)+] falls short of 1."""
    k, n = clicked.sum(), len(clicked)
    mean, limit = (1 + k) / (2 + n), 1 - by
    short = limit * beta(1 + k, 1 + n - k).cdf(limit) - mean * beta(2 + k, 1 + n - k).cdf(limit)
    return float(1 - short)


def _clicked(evidence: Mapping[str, Any]) -> np.ndarray:
    clicked = np.asarray(evidence["clicked"], float)
    if clicked.ndim != 1 or not len(clicked) or not np.isin(clicked, (0.0, 1.0)).all():
        raise EvidenceError("got views that are not 0 or 1, or none; expected one for every view.")
    return clicked


def _alternatives(evidence: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Turn round the first view, and the second."""
    others = {}
    for view in range(min(2, len(evidence["clicked"]))):
        turned = torch.as_tensor(evidence["clicked"]).clone()
        turned[view] = 1 - turned[view]
        others[f"clicked[{view}]"] = [{"clicked": turned}]
    return others


def example(*, views: int = VIEWS) -> Example:
    """Make the world: every other passer-by clicked, the first one did.

    Parameters
    ----------
    views
        n, at least 1.

    Returns
    -------
    Example
        `null` does nothing, `nudge` raises the rate by a hundredth. There are alternatives to the
        first two views, which stand for all.

    Raises
    ------
    WorldError
        If there is no view.
    """
    refuse_counts(1, views=views)
    evidence = {"clicked": (1.0 + torch.arange(int(views))) % 2}
    return Example(
        name="views",
        world=partial(video, count=int(views)),
        evidence=evidence,
        disciples={"null": Nudge(), "nudge": Nudge(NUDGE)},
        exact=partial(exact, evidence=evidence),
        about="A thousand views say what one rate says, and X is judged beside them.",
        settings={"draws": 4000},
        truth={"null": "low", "nudge": "low"},
        alternatives=_alternatives(evidence),
        case="T11, Armstrong 2012",
    )
