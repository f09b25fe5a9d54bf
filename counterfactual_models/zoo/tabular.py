r"""Which states can a small world get into, and what moves it from one to the next?

A state is a row of whole numbers, and `step` moves many states at once, so that one rule serves
both a Pyro program over draws and an exhaustive search. The only chance is that of a slip: an
intended action is replaced, with this probability, by one drawn uniformly from all of them:

.. math:: P(s' | s, a) = (1 - \epsilon)\,[s' = \mathrm{step}(s, a)]
          + \frac{\epsilon}{|A|} \sum_b [s' = \mathrm{step}(s, b)]

Rules that do not change with time keep it so: a world that needs a clock has one in its state.
"""

import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch

from counterfactual_models.errors import WorldError

__all__ = ["Tabular", "explore", "play"]

Step = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""States (..., feature) and actions (...) -> the states that follow (..., feature)."""

MOST_STATES = 20_000


@dataclass(frozen=True, eq=False)
class Tabular:
    """Every state that can be reached from the start, and where each action leads.

    Parameters
    ----------
    states
        (state, feature), whole numbers; the start comes first.
    features
        A name for each column of `states`.
    following
        (state, action) -> place of the state that follows, when nothing slips.
    actions
        A name for each action.
    idle
        Place of the action that does nothing.
    slip
        Chance that another action is taken than was intended.
    """

    states: np.ndarray
    features: tuple[str, ...]
    following: np.ndarray
    actions: tuple[str, ...]
    idle: int
    slip: float = 0.0
    start: int = 0

    @cached_property
    def transitions(self) -> np.ndarray:
        """Probabilities (state, action, next state)."""
        count, choices = self.following.shape
        certain = np.zeros((count, choices, count))
        np.put_along_axis(certain, self.following[..., None], 1.0, axis=-1)
        anything = certain.mean(axis=1, keepdims=True)
        return (1 - self.slip) * certain + self.slip * anything

    def index(self, states: torch.Tensor) -> torch.Tensor:
        """Find the place of each state: (..., feature) -> (...)."""
        known = _codes(self.states, self.states)
        order = np.argsort(known)
        wanted = _codes(states.detach().cpu().numpy(), self.states)
        place = order[np.searchsorted(known, wanted, sorter=order).clip(max=len(order) - 1)]
        if not np.array_equal(known[place], wanted):
            raise WorldError(
                "the world got into a state that its exhaustive search did not find: `step` must "
                "be a function of the state and the action alone."
            )
        return torch.as_tensor(place, device=states.device)


def _codes(states: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Write each state as one number; what lies outside the known ranges gets -1."""
    least, most = known.min(axis=0), known.max(axis=0)
    whole = np.rint(states).astype(np.int64)
    within = ((whole >= least) & (whole <= most)).all(axis=-1)
    spans = np.concatenate([[1], np.cumprod((most - least + 1)[:-1])]).astype(np.int64)
    return np.where(within, ((whole - least) * spans).sum(axis=-1), -1)


def explore(
    step: Step,
    start: Sequence[int] | Sequence[Sequence[int]],
    *,
    actions: Sequence[str],
    idle: str,
    features: Sequence[str],
    slip: float = 0.0,
) -> Tabular:
    """Search every state that can be reached, breadth first, all of a depth at once.

    Parameters
    ----------
    step
        The rule: states (..., feature), actions (...) -> states (..., feature).
    start
        The state at the beginning; or several, one for each thing that the evidence might have
        said. All that the first can get into comes first.
    actions, idle
        Names of the actions, and which of them does nothing.
    features
        Names of the numbers that make a state.
    slip
        Chance that a uniform one of the actions is taken instead of the one intended.

    Returns
    -------
    Tabular

    Raises
    ------
    WorldError
        If the slip is no chance, or there are too many states to search.

    Examples
    --------
    >>> def walk(states, actions):
    ...     return (states + actions[..., None]).clamp(0, 4)
    >>> line = explore(walk, [0], actions=["stay", "right"], idle="stay", features=["place"])
    >>> line.states.ravel().tolist(), line.following.tolist()
    ([0, 1, 2, 3, 4], [[0, 1], [1, 2], [2, 3], [3, 4], [4, 4]])
    >>> explore(walk, [0], actions=["stay", "right"], idle="stay", features=["place"],
    ...         slip=0.1).transitions[0].round(3)[:, :2].tolist()
    [[0.95, 0.05], [0.05, 0.95]]
    """
    if not isinstance(slip, numbers.Real) or not 0 <= float(slip) <= 1:
        raise WorldError(f"got slip={slip!r}; expected a chance from 0 to 1.")
    choices = torch.arange(len(actions))
    found, leads = dict[tuple[int, ...], int](), list[list[int]]()
    for begin in map(tuple, np.atleast_2d(start).tolist()):
        edge = [] if begin in found else [begin]
        found.setdefault(begin, len(found))
        while edge:
            batch = torch.tensor(edge)[:, None].expand(-1, len(actions), -1)
            after = step(batch, choices.expand(len(edge), -1))
            edge = []
            for row in after.tolist():
                leads.append([])
                for state in map(tuple, row):
                    if state not in found:
                        found[state] = len(found)
                        edge.append(state)
                    leads[-1].append(found[state])
            if len(found) > MOST_STATES:
                raise WorldError(
                    f"more than {MOST_STATES} states can be reached: too many for a table. Make "
                    "the world smaller, or give it no table."
                )
    return Tabular(
        np.array(list(found), dtype=np.int64),
        tuple(features),
        np.array(leads),
        tuple(actions),
        list(actions).index(idle),
        float(slip),
    )


def play(
    step: Step,
    act: Callable[..., Any],
    start: Sequence[int] | torch.Tensor,
    *,
    steps: int,
    choices: int,
    slip: float = 0.0,
) -> torch.Tensor:
    """Let an agent act for some steps; after the wire, in a Pyro program.

    Parameters
    ----------
    step
        As in :func:`explore`.
    start
        The state at the beginning, (..., feature).
    act
        What :func:`~counterfactual_models.wire` returned: states (..., feature) and the time ->
        actions (...), by their places.
    steps
        How many.
    choices
        How many actions there are.
    slip
        Chance that a uniform one of the actions is taken instead of the one intended: sample
        sites `slips` and `stumbles`, one number a step.

    Returns
    -------
    torch.Tensor
        States (..., steps + 1, feature), the start first.
    """
    slips = pyro.sample("slips", dist.Bernoulli(torch.full((steps,), float(slip))).to_event(1))
    anything = torch.full((choices,), 1.0 / choices)
    chances = torch.where(slips[..., None] > 0, anything, torch.eye(choices)[0])
    stumbles = pyro.sample("stumbles", dist.Categorical(chances).to_event(1))
    states = torch.as_tensor(start)
    batch = torch.broadcast_shapes(slips.shape[:-1], stumbles.shape[:-1], states.shape[:-1])
    states = states.expand(*batch, states.shape[-1])
    path = [states]
    for time in range(steps):
        meant = torch.as_tensor(act(states, time)).long()
        taken = torch.where(slips[..., time] > 0, stumbles[..., time].long(), meant)
        states = step(states, taken)
        path.append(states)
    return torch.stack(path, -2)
