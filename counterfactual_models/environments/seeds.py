r"""What are an environment's random numbers drawn from? A seed, each as likely as the next.

.. math:: P(\mathrm{seed} = k) = 1 / n, \qquad k = 0, \dots, n - 1
"""

import math
from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints

__all__ = ["Seeds"]

LISTED = 20_000
"""Up to so many, the posterior may weigh every seed there is."""


class Seeds(TorchDistribution):
    """Whole numbers from 0 to below `count`, all equally likely.

    A Categorical of two thousand million places would need a table of them.

    Parameters
    ----------
    count
        How many there are.
    batch_shape
        Shape of independent seeds.

    Examples
    --------
    >>> Seeds(4).log_prob(torch.tensor([0, 3])).exp().tolist()
    [0.25, 0.25]
    >>> Seeds(2**31).sample((3,)).dtype
    torch.int64
    """

    has_enumerate_support = True
    arg_constraints: dict[str, Any] = {}  # noqa: RUF012 (torch reads it off the class)

    def __init__(self, count: int, batch_shape: Any = ()) -> None:
        self.count = int(count)
        super().__init__(torch.Size(batch_shape), validate_args=False)

    @property
    def support(self) -> Any:
        """Whole numbers from 0 to count - 1."""
        return constraints.integer_interval(0, self.count - 1)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "Seeds":
        """Broadcast to a larger batch shape."""
        return Seeds(self.count, batch_shape)

    def sample(self, sample_shape: Any = ()) -> torch.Tensor:
        """Draw seeds."""
        return torch.randint(self.count, (*sample_shape, *self.batch_shape))

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """Evaluate -log(count) at each seed, and -inf at what is none."""
        shape = torch.broadcast_shapes(value.shape, self.batch_shape)
        within = self.support.check(value).expand(shape)
        return torch.where(within, -math.log(self.count), -math.inf)

    def enumerate_support(self, expand: bool = True) -> torch.Tensor:
        """List all seeds, first axis; of more than 20 000 there is no list."""
        if self.count > LISTED:
            raise NotImplementedError(f"there are {self.count} seeds")
        every = torch.arange(self.count).reshape(-1, *(1,) * len(self.batch_shape))
        return every.expand(-1, *self.batch_shape) if expand else every
