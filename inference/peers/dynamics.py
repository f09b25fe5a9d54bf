r"""What do the actions of a small world lead to?

.. math:: P(s' \mid s, a), \qquad \sum_{s'} P(s' \mid s, a) = 1

Whatever has `transitions` (state, action, next state), a `start` and the place of an `idle` action
will do: the `tabular` of an example of the zoo, or a dataclass of three fields. Where there is no
such thing, an outcome of the world is a state that nothing leads out of.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from counterfactual_models.errors import WorldError

__all__ = ["MOST_STATES", "Dynamics", "Moves", "moves_of", "outcomes"]

MOST_STATES = 2000
"""Pairs of states are compared: more would not fit into memory."""

_WHOLE = 1e-6


class Dynamics(Protocol):
    """A world of finitely many states, as a penalty needs to know it."""

    @property
    def transitions(self) -> np.ndarray:
        """Probabilities (state, action, next state)."""

    @property
    def start(self) -> int:
        """Place of the first state."""

    @property
    def idle(self) -> int:
        """Place of the action that does nothing."""


@dataclass(frozen=True, eq=False)
class Moves:
    """Transitions that were found to be sound; made by :func:`moves_of` or :func:`outcomes`.

    Parameters
    ----------
    chances
        Probabilities, sparse, (state and action, next state): row s * A + a.
    start, idle
        Places of the first state and of the action that does nothing.
    features
        What each state is like, (state, feature), where that is known.
    """

    chances: sparse.csr_array
    start: int
    idle: int
    features: np.ndarray | None = None

    @property
    def states(self) -> int:
        """How many states there are."""
        return int(self.chances.shape[1])

    @property
    def actions(self) -> int:
        """How many actions there are."""
        return int(self.chances.shape[0] // self.states)

    @cached_property
    def waiting(self) -> sparse.csr_array:
        """Probabilities (state, next state) if nothing is done."""
        return sparse.csr_array(self.chances[self.idle :: self.actions])

    @cached_property
    def following(self) -> np.ndarray | None:
        """Which state follows, (state, action), if that is certain."""
        one_each = bool((np.diff(self.chances.indptr) == 1).all())
        return self.chances.indices.reshape(self.states, self.actions) if one_each else None

    @cached_property
    def possible(self) -> np.ndarray:
        """Whether some action may lead from one state to another, (state, next state)."""
        found = np.zeros((self.states, self.states), dtype=bool)
        rows, following = self.chances.nonzero()
        found[rows // self.actions, following] = True
        return found

    def ahead(self, values: np.ndarray) -> np.ndarray:
        """Expect values (state, ...) after each action: (state, action, ...)."""
        flat = self.chances @ values.reshape(self.states, -1).astype(float)
        return np.asarray(flat).reshape(self.states, self.actions, *values.shape[1:])


def moves_of(dynamics: Any) -> Moves:
    """Read the dynamics of a world, and refuse what are none.

    Parameters
    ----------
    dynamics
        Anything with `transitions` (state, action, next state), `start` and `idle`; `states`
        (state, feature) are read where there are some.

    Returns
    -------
    Moves

    Raises
    ------
    WorldError
        If something is missing, transitions are no probabilities, a place is out of range, or
        there are more than 2000 states.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> breaking = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    >>> vase = moves_of(SimpleNamespace(transitions=breaking, start=0, idle=0))
    >>> vase.states, vase.actions, vase.following.tolist()
    (2, 2, [[0, 1], [1, 1]])
    """
    if isinstance(dynamics, Moves):
        return dynamics
    missing = [name for name in ("transitions", "start", "idle") if not hasattr(dynamics, name)]
    if missing:
        raise WorldError(
            f"got dynamics of the type {type(dynamics).__name__} without {', '.join(missing)}; "
            "expected `transitions` (state, action, next state), `start` and `idle`, such as the "
            "`tabular` of an example of the zoo."
        )
    known = getattr(dynamics, "states", None)
    features = None if known is None else np.asarray(known)
    if features is not None and features.ndim:
        _refuse_many(len(features))
    transitions = _probabilities(dynamics.transitions)
    states, actions, _ = transitions.shape
    if features is not None and (features.ndim != 2 or len(features) != states):
        raise WorldError(
            f"the dynamics have `states` of the shape {features.shape}; expected a row of "
            f"features for each of the {states} states that `transitions` tell of."
        )
    return Moves(
        sparse.csr_array(transitions.reshape(states * actions, states)),
        _place("start", dynamics.start, states, "states"),
        _place("idle", dynamics.idle, actions, "actions"),
        features,
    )


def outcomes(count: int) -> Moves:
    """Make a world of so many outcomes, each of which stays as it is.

    Raises
    ------
    WorldError
        If there are more than 2000.

    Examples
    --------
    >>> outcomes(3).following.ravel().tolist()
    [0, 1, 2]
    """
    _refuse_many(count)
    return Moves(sparse.csr_array(sparse.eye_array(count, format="csr")), 0, 0)


def _probabilities(given: Any) -> np.ndarray:
    """Refuse what is no probability of a next state, naming the first place."""
    try:
        transitions = np.asarray(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise WorldError(
            "the transitions are no array of numbers; expected probabilities with the dims "
            "(state, action, next state)."
        ) from error
    if transitions.ndim != 3 or transitions.shape[0] != transitions.shape[2]:
        raise WorldError(
            f"got transitions of the shape {transitions.shape}; expected (state, action, next "
            "state), with as many next states as states."
        )
    _refuse_many(len(transitions))
    if not transitions.size:
        raise WorldError(
            f"got transitions of the shape {transitions.shape}; expected at least a state and an "
            "action."
        )
    sums = transitions.sum(axis=-1)
    wrong = ~((transitions >= 0).all(axis=-1) & (abs(sums - 1) < _WHOLE))  # NaN is wrong as well
    if wrong.any():
        state, action = np.argwhere(wrong)[0]
        row = transitions[state, action]
        raise WorldError(
            f"the transitions from state {state} by action {action} are no probabilities: they "
            f"sum to {row.sum():g}, the least is {row.min():g}. Expected numbers of at least 0 "
            f"that sum to 1; {int(wrong.sum())} of {wrong.size} rows are wrong."
        )
    return transitions / sums[..., None]


def _refuse_many(count: int) -> None:
    if count > MOST_STATES:
        raise WorldError(
            f"there are {count} states; expected at most {MOST_STATES}, as all pairs of them are "
            "compared. Make the world smaller, or measure it more coarsely."
        )


def _place(name: str, given: Any, count: int, among: str) -> int:
    if not isinstance(given, int | np.integer) or not 0 <= given < count:
        raise WorldError(
            f"got {name}={given!r}; expected the place of one of the {count} {among}, from 0 to "
            f"{count - 1}."
        )
    return int(given)
