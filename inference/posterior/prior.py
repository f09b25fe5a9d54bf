"""The past when there is no evidence about it: independent draws from its prior."""

from inference.posterior.engine import Drawn, simulate_past
from inference.posterior.question import Question

__all__ = ["draw"]


def draw(question: Question, *, draws: int, chains: int, seed: int, progress: bool) -> Drawn:
    """Draw the past from its prior; every draw is independent."""
    past = simulate_past(
        question, draws=draws * chains, seed=seed, progress=progress, what="prior"
    )
    values = {n: v.reshape(chains, draws, *v.shape[1:]) for n, v in past.values.items()}
    return Drawn(values, attrs={"vectorised_past": past.how})
