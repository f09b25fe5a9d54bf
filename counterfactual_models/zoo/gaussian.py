r"""What should every diagnostic say? The linear-Gaussian world, where all answers are known.

.. math:: z \sim N(0, I_k), \quad e \mid z \sim N(Hz, s^2 I_d), \quad a = g\, h^\top z + b,
          \quad w \mid z, a \sim N(Gz + r a, t^2 I_m)

with the action a = 0 when the disciple is erased. The matrices are fixed functions of the sizes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch

from counterfactual_models.primitives import measure, wire
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.linear_truth import normal_tv

__all__ = ["Exact", "Linear", "exact", "example", "gaussian"]

NOISE = 1.0  # s, of the evidence
TREMBLE = 0.5  # t, of the future


@dataclass(frozen=True)
class Linear:
    """A linear policy: ``gain * observation + offset``."""

    gain: float = 0.0
    offset: float = 0.0

    def __call__(self, observation: torch.Tensor) -> torch.Tensor:
        """Act on an observation."""
        return self.gain * observation + self.offset


def gaussian(
    disciple: Callable[..., Any], *, latents: int = 2, data: int = 3, outcomes: int = 3
) -> None:
    """Run the world: latents, data about them, the wire, outcomes."""
    see, reach, sight, response = (
        torch.as_tensor(m, dtype=torch.get_default_dtype())
        for m in _matrices(latents, data, outcomes)
    )
    with pyro.plate("latent", latents):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
    with pyro.plate("datum", data):
        pyro.sample("e", dist.Normal(z @ see.T, NOISE))
    act = wire(disciple, idle=torch.zeros(()))
    action = act((z * sight).sum(-1, keepdim=True))
    with pyro.plate("outcome", outcomes):
        level = pyro.sample("w", dist.Normal(z @ reach.T + response * action, TREMBLE))
        measure("level", level)


def _matrices(latents: int, data: int, outcomes: int) -> tuple[np.ndarray, ...]:
    """H (data x latents), G (outcomes x latents), h (latents), r (outcomes); r[-1] = 0.

    The sine of whole numbers: spread out, without a pattern, and the same everywhere.
    """
    see = np.sin(1.0 + np.arange(data * latents)).reshape(data, latents)
    reach = np.sin(101.0 + np.arange(outcomes * latents)).reshape(outcomes, latents)
    sight = np.sin(11.0 + np.arange(latents))
    response = np.linspace(1.0, 0.0, outcomes) if outcomes > 1 else np.ones(1)
    return see, reach, sight, response


@dataclass(frozen=True)
class Exact:
    """The truth about one disciple in the linear-Gaussian world.

    Parameters
    ----------
    posterior_mean, posterior_covariance
        Of z given e: (k,) and (k, k).
    mean, covariance
        Of the outcomes: X -> (m,) and X -> (m, m), for X = 0 and 1.
    gradient
        Of the outcomes' means by the data: X -> (m, d).
    """

    posterior_mean: np.ndarray
    posterior_covariance: np.ndarray
    mean: Mapping[int, np.ndarray]
    covariance: Mapping[int, np.ndarray]
    gradient: Mapping[int, np.ndarray]

    def tv(self, edges: np.ndarray | None = None) -> np.ndarray:
        """Total variation between P(e,S,1) and P(e,S,0), for each outcome.

        Parameters
        ----------
        edges
            (m, cells - 1) inner edges of cells: the coarse-grained truth. Without them the
            fine-grained one.

        Returns
        -------
        ndarray
            (m,), between 0 and 1.
        """
        return normal_tv(self.mean, self.covariance, edges)


def exact(
    disciple: Linear, evidence: Mapping[str, Any], *, outcomes: int = 3, latents: int = 2
) -> Exact:
    r"""Work out posterior, P(e,S,0), P(e,S,1) and their derivatives by e in closed form.

    .. math:: \Sigma = (I + H^\top H / s^2)^{-1}, \quad \mu = \Sigma H^\top e / s^2

    Examples
    --------
    >>> ex = example()
    >>> exact(ex.disciples["null"], ex.evidence).tv().round(6).tolist()
    [0.0, 0.0, 0.0]
    """
    data = np.asarray(evidence["e"], float)
    see, reach, sight, response = _matrices(latents, len(data), outcomes)
    covariance = np.linalg.inv(np.eye(latents) + see.T @ see / NOISE**2)
    gain = covariance @ see.T / NOISE**2
    posterior_mean = gain @ data
    slope = {0: reach, 1: reach + disciple.gain * np.outer(response, sight)}
    shift = {0: 0.0 * response, 1: disciple.offset * response}
    return Exact(
        posterior_mean,
        covariance,
        {x: slope[x] @ posterior_mean + shift[x] for x in (0, 1)},
        {x: slope[x] @ covariance @ slope[x].T + TREMBLE**2 * np.eye(outcomes) for x in (0, 1)},
        {x: slope[x] @ gain for x in (0, 1)},
    )


def example(*, latents: int = 2, data: int = 3, outcomes: int = 3) -> Example:
    """Make the world: `null` does nothing, `push` shifts, `follow` steers by what it sees."""
    evidence = {"e": torch.as_tensor(np.cos(np.arange(data)), dtype=torch.get_default_dtype())}
    return Example(
        name="gaussian",
        world=partial(gaussian, latents=latents, data=data, outcomes=outcomes),
        evidence=evidence,
        disciples={"null": Linear(), "push": Linear(offset=1.0), "follow": Linear(gain=2.0)},
        exact=partial(exact, evidence=evidence, latents=latents, outcomes=outcomes),
        about="A linear-Gaussian past and future, where every answer has a closed form.",
    )
