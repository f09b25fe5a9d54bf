r"""What if the evidence is large? Its likelihood is built only when a density is asked for.

Drawing the future runs the past anew with the evidence in place and asks for no density of it. A
table of women by outcomes, nearly all of such a past's cost, is then never made.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints

__all__ = ["Deferred"]


class Deferred(TorchDistribution):
    """A distribution that is built when somebody asks for a density or a draw.

    Parameters
    ----------
    build
        Makes the distribution.
    batch_shape, event_shape
        Its shapes.

    Examples
    --------
    >>> import pyro.distributions as dist
    >>> table = lambda: dist.Normal(torch.zeros(1000, 50), 1.0).to_event(1)
    >>> likelihood = Deferred(table, torch.Size([1000]), torch.Size([50]))
    >>> likelihood.log_prob(torch.zeros(1000, 50)).shape
    torch.Size([1000])
    """

    arg_constraints: Mapping[str, Any] = {}
    support = constraints.real_vector

    def __init__(
        self,
        build: Callable[[], TorchDistribution],
        batch_shape: torch.Size,
        event_shape: torch.Size,
    ) -> None:
        self.build = build
        super().__init__(batch_shape, event_shape, validate_args=False)

    def expand(self, batch_shape: torch.Size, _instance: Any = None) -> "Deferred":
        """Broadcast to a larger batch shape."""
        build, shape = self.build, torch.Size(batch_shape)
        return Deferred(lambda: build().expand(shape), shape, self.event_shape)

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """Log-probability, of the distribution that is built now."""
        return self.build().log_prob(value)

    def sample(self, sample_shape: Any = ()) -> torch.Tensor:
        """Draw from the distribution that is built now."""
        return self.build().sample(torch.Size(sample_shape))
