r"""How far and how finely should Hamiltonian trajectories go? Learnt from all chains at once.

The step size is tuned by dual averaging to a mean acceptance of 0.8; the metric is the pooled
variance of all chains, then their covariance; the length of a trajectory climbs the gradient of

.. math:: \mathrm{E}\big[((q_1 \cdot v)^2 - (q_0 \cdot v)^2)^2\big] / \tau

with v the direction of largest variance and q centred positions in the metric, per unit of length.

References
----------
.. [1] M. Hoffman, A. Radul, P. Sountsov, "An adaptive MCMC scheme for setting trajectory lengths
   in Hamiltonian Monte Carlo", AISTATS 2021 (ChEES).
.. [2] P. Sountsov, M. Hoffman, "Focusing on difficult directions for learning HMC trajectory
   lengths", 2021 (SNAPER).
.. [3] M. Hoffman, A. Gelman, "The No-U-Turn sampler", JMLR 15 (2014), section 3.2.
"""

import math
from dataclasses import dataclass

import torch

__all__ = ["Metric", "Moments", "StepSize", "Trajectory"]

_TARGET = 0.8
_LARGEST_DENSE = 256  # beyond that a step of the dense metric costs more than it saves


@dataclass(frozen=True)
class Metric:
    """The coordinates in which the posterior is about round.

    Parameters
    ----------
    factor
        Standard deviations, shape (dim,), or the lower Cholesky factor of a covariance,
        shape (dim, dim).

    Examples
    --------
    >>> metric = Metric(torch.tensor([2.0, 3.0]))
    >>> metric.push(torch.ones(1, 2)).tolist()
    [[2.0, 3.0]]
    """

    factor: torch.Tensor

    def push(self, momentum: torch.Tensor) -> torch.Tensor:
        """Velocity of momenta, shape (chain, dim)."""
        if self.factor.ndim == 1:
            return momentum * self.factor
        return momentum @ self.factor.T

    def pull(self, gradient: torch.Tensor) -> torch.Tensor:
        """Force on momenta, of gradients of the log density, shape (chain, dim)."""
        if self.factor.ndim == 1:
            return gradient * self.factor
        return gradient @ self.factor

    def white(self, offsets: torch.Tensor) -> torch.Tensor:
        """Offsets from the mean, shape (chain, dim), in round coordinates."""
        if self.factor.ndim == 1:
            return offsets / self.factor
        return torch.linalg.solve_triangular(self.factor, offsets.T, upper=False).T


class StepSize:
    """Dual averaging of the log step size towards a mean acceptance of 0.8.

    Parameters
    ----------
    start
        First step size.

    Examples
    --------
    >>> tuned = StepSize(0.1)
    >>> for _ in range(200):
    ...     step = tuned.update(accepted=math.exp(-tuned.now))  # 0.8 is accepted at 0.223
    >>> 0.2 < tuned.averaged < 0.25
    True
    """

    def __init__(self, start: float) -> None:
        self.now = start
        self.averaged = start
        self._centre = math.log(10 * start)
        self._count = 0
        self._error = 0.0

    def update(self, accepted: float) -> float:
        """Learn from the mean probability of acceptance; give the next step size."""
        self._count += 1
        share = 1 / (self._count + 10)
        self._error = (1 - share) * self._error + share * (_TARGET - accepted)
        logged = self._centre - math.sqrt(self._count) / 0.05 * self._error
        weight = self._count**-0.75
        mean = weight * logged + (1 - weight) * math.log(self.averaged)
        self.now, self.averaged = math.exp(logged), math.exp(mean)
        return self.now


class Moments:
    """Mean, variance and covariance of the positions of all chains, forgetting the oldest.

    Parameters
    ----------
    position
        Of all chains, shape (chain, dim).
    """

    def __init__(self, position: torch.Tensor) -> None:
        self.mean = position.mean(0)
        self.variance = torch.ones_like(self.mean)
        self._weight = 0.0
        self.restart()

    def restart(self) -> None:
        """Begin a new window for the covariance."""
        self._count = 0
        self._shift: torch.Tensor | None = None
        self._sum = torch.zeros_like(self.mean)
        self._product: torch.Tensor | None = None

    def update(self, position: torch.Tensor, *, forget: float) -> None:
        """Add the positions of one iteration, shape (chain, dim)."""
        early = self._weight < 5
        self._weight = forget * self._weight + 1
        share = 1 / self._weight
        self.mean = self.mean + share * (position.mean(0) - self.mean)
        spread = (position - self.mean).square().mean(0)
        mixed = spread + 1e-6 if early else (1 - share) * self.variance + share * spread
        self.variance = mixed.clamp(min=1e-10)
        if position.shape[1] > _LARGEST_DENSE:
            return
        if self._shift is None or self._product is None:
            self._shift = self.mean.clone()
            self._product = position.new_zeros(position.shape[1], position.shape[1])
        offset = position - self._shift
        self._sum += offset.sum(0)
        self._product.addmm_(offset.T, offset)
        self._count += len(position)

    def metric(self) -> Metric:
        """Metric of the pooled variances."""
        return Metric(self.variance.sqrt())

    def dense_metric(self) -> Metric:
        """Metric of the covariance of this window, shrunk to its diagonal for want of draws.

        Falls back to variances where there are too few draws, or too many dims, for it.
        """
        dim = len(self.mean)
        if self._product is None or self._count < 5 * dim:
            return self.metric()
        mean = self._sum / self._count
        covariance = self._product / self._count - torch.outer(mean, mean)
        scale = covariance.diagonal().clamp(min=1e-20).sqrt()
        correlation = covariance / torch.outer(scale, scale)
        shrunk = dim / (dim + self._count / 8)  # draws of a chain are not independent
        correlation = (1 - shrunk) * correlation
        correlation.diagonal().fill_(1.0)
        factor, failed = torch.linalg.cholesky_ex(correlation)
        if failed or not factor.isfinite().all():
            return self.metric()
        return Metric(scale[:, None] * factor)


class Trajectory:
    """The length of trajectories, in round coordinates: gradient ascent on what they explore.

    Parameters
    ----------
    length
        First length.
    direction
        First guess of the direction of largest variance, shape (dim,), in round coordinates.
    """

    def __init__(self, length: float, direction: torch.Tensor) -> None:
        self.log_length = math.log(length)
        self.largest = 1.0
        self._direction = direction / direction.norm()
        self._mean = self._square = 0.0
        self._count = 0
        self._settled: list[float] = []

    @property
    def length(self) -> float:
        """Mean length of a trajectory: lengths are spread evenly between 0 and twice that."""
        return math.exp(self.log_length)

    @property
    def settled(self) -> float:
        """The length to sample with: the mean of its logarithm since it was settled."""
        settled = self._settled or [self.log_length]
        return math.exp(sum(settled) / len(settled))

    def follow(self, position: torch.Tensor) -> None:
        """Turn to the direction of largest variance (Oja's rule); positions white and centred."""
        image = position.T @ (position @ self._direction) / len(position)
        turned = self._direction + 0.2 * (image / max(self.largest, 1.0) - self._direction)
        self._direction = turned / turned.norm()
        self.largest = 0.9 * self.largest + 0.1 * float(image @ self._direction)

    def climb(
        self,
        start: torch.Tensor,
        end: torch.Tensor,
        momentum: torch.Tensor,
        chance: torch.Tensor,
        *,
        time: float,
        rate: float,
        bounds: tuple[float, float],
    ) -> None:
        """Climb by one step, from white positions before and after trajectories of `time`.

        Parameters
        ----------
        start, end, momentum
            Shape (chain, dim); the momentum at the end.
        chance
            Probability of acceptance of each, shape (chain,).
        time
            Length of these trajectories.
        rate
            Size of the step, in logarithms.
        bounds
            Least and greatest length.
        """
        use = torch.isfinite(end).all(1) & (chance > 1e-3)
        weight = torch.where(use, chance, 0.0)
        total = weight.sum()
        if not total > 0:
            return
        end = torch.where(use[:, None], end, 0.0)
        start = start - start.mean(0)
        end = end - (weight[:, None] * end).sum(0) / total
        before, after = start @ self._direction, end @ self._direction
        change = after.square() - before.square()
        slope = 4 * time * change * after * (momentum @ self._direction) - change.square()
        gradient = float((weight * slope.nan_to_num()).sum() / total)
        self._count += 1
        self._mean = 0.8 * self._mean + 0.2 * gradient
        self._square = 0.95 * self._square + 0.05 * gradient**2
        size = math.sqrt(self._square / (1 - 0.95**self._count)) + 1e-12
        raised = self.log_length + rate * self._mean / (1 - 0.8**self._count) / size
        self.log_length = min(max(raised, math.log(bounds[0])), math.log(bounds[1]))

    def settle(self) -> None:
        """Count the present length towards the one to sample with."""
        self._settled.append(self.log_length)
