"""The posterior of the past, p(past | e): one posterior serves every disciple and both X."""

from inference.posterior.sampling import sample_posterior

__all__ = ["sample_posterior"]
