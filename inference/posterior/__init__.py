"""The posterior of the past, p(past | e): one posterior serves every disciple and both X."""

from inference.posterior.extension import extend_posterior
from inference.posterior.sampling import sample_posterior

__all__ = ["extend_posterior", "sample_posterior"]
