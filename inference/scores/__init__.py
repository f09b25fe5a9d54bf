"""d/de log p of every draw at fixed sites: the only place that differentiates a world by e."""

from inference.scores.scored_worlds import with_scores

__all__ = ["with_scores"]
