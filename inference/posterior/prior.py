"""The past when there is no evidence about it: independent draws from its prior."""

from inference.posterior.engine import Drawn, Order, simulate_past
from inference.posterior.question import Question

__all__ = ["draw"]


def draw(question: Question, order: Order) -> Drawn:
    """Draw the past from its prior; every draw is independent."""
    past = simulate_past(
        question, draws=order.total, seed=order.seed, progress=order.progress, what="prior"
    )
    shape = (order.chains, order.draws)
    values = {name: value.reshape(*shape, *value.shape[1:]) for name, value in past.values.items()}
    return Drawn(values, attrs={"vectorised_past": past.how})
