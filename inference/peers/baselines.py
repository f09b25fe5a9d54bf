r"""What is a state compared with, and what does a step cost by that?

* ``start``: the state in which all began;
* ``inaction``: the state at the same time of a world that nobody was let into;
* ``stepwise``: the state that follows the last one if nothing is done in this step alone.

Chance is averaged over: with states that are not certain, E d(C, B) for B independent of C.
"""

from typing import Any

import numpy as np
from scipy import sparse

from counterfactual_models.errors import WorldError
from inference.peers.deviations import Deviation
from inference.peers.dynamics import Moves

__all__ = [
    "action_charges",
    "expected_ends",
    "expected_stepwise",
    "laws_of",
    "policy_chances",
    "step_weights",
]

_SUM = 1e-6


def step_weights(over_time: str, steps: int, discount: float) -> np.ndarray:
    """Weigh the deviations of all steps, the first move's first.

    Examples
    --------
    >>> step_weights("discounted", 3, 0.5).tolist(), step_weights("last", 3, 0.5).tolist()
    ([1.0, 0.5, 0.25], [0.0, 0.0, 1.0])
    """
    if over_time == "last":
        return np.eye(steps)[-1]
    if over_time == "discounted":
        return discount ** np.arange(steps, dtype=float)
    return np.full(steps, 1.0 / steps if over_time == "mean" else 1.0)


def expected_stepwise(
    deviation: Deviation, moves: Moves, previous: np.ndarray, current: np.ndarray
) -> np.ndarray:
    """Compare states with what would have followed the previous ones: (pair,) and (pair,)."""
    which, baseline, chances = _following(moves.waiting, previous)
    found = deviation.between(current[which], baseline)
    return np.bincount(which, weights=chances * found, minlength=len(current))


def expected_ends(
    deviation: Deviation, moves: Moves, previous: np.ndarray, current: np.ndarray, weights: Any
) -> np.ndarray:
    """Sum the deviations that :func:`expected_stepwise` expects for each end alone."""
    which, baseline, chances = _following(moves.waiting, previous)
    return deviation.by_end(current[which], baseline, weights[which] * chances)


def action_charges(
    deviation: Deviation, moves: Moves, baseline: str, erased: np.ndarray
) -> np.ndarray:
    """Expect what every action costs in every state at a step, (state, action).

    Parameters
    ----------
    deviation
        At this step.
    moves
        The dynamics.
    baseline
        ``start``, ``inaction`` or ``stepwise``.
    erased
        The law of the states that are compared with, after this step, (state,).
    """
    states = np.arange(moves.states)
    if baseline != "stepwise":
        held = np.flatnonzero(erased)
        each = deviation.between(np.repeat(states, len(held)), np.tile(held, moves.states))
        return moves.ahead(each.reshape(moves.states, -1) @ erased[held])
    pairs = moves.chances.tocoo()
    rows, current = pairs.coords
    keys = rows.astype(np.intp) // moves.actions * moves.states + current
    known, places = np.unique(keys, return_inverse=True)
    found = expected_stepwise(deviation, moves, *np.divmod(known, moves.states))
    whole = np.bincount(rows, weights=pairs.data * found[places], minlength=pairs.shape[0])
    return whole.reshape(moves.states, moves.actions)


def laws_of(moves: Moves, policy: np.ndarray) -> np.ndarray:
    """Laws of the states under a policy (step, state, action), before and after every step."""
    law = np.zeros(moves.states)
    law[moves.start] = 1.0
    laws = [law]
    for chosen in policy:
        law = (law[:, None] * chosen).ravel() @ moves.chances
        laws.append(np.asarray(law))
    return np.stack(laws)


def policy_chances(policy: Any, moves: Moves) -> np.ndarray:
    """Read a policy, and refuse what is none.

    Parameters
    ----------
    policy
        Places of actions (step, state), or their probabilities (step, state, action).
    moves
        The dynamics.

    Returns
    -------
    np.ndarray
        Probabilities (step, state, action).

    Raises
    ------
    WorldError
        If the shape is another, an action is none, or probabilities do not sum to 1.
    """
    given = np.asarray(policy)
    shape = (moves.states, moves.actions)
    if (
        given.dtype.kind not in "iuf"
        or given.shape[1:] not in (shape[:1], shape)
        or not len(given)
    ):
        raise WorldError(
            f"got a policy of the shape {given.shape} and type {given.dtype}; expected places of "
            f"actions (step, {shape[0]}), or probabilities (step, {shape[0]}, {shape[1]})."
        )
    if given.ndim == 2:
        wrong = ~((given == given // 1) & (given >= 0) & (given < moves.actions))
        if wrong.any():
            step, state = np.argwhere(wrong)[0]
            raise WorldError(
                f"the policy takes action {given[step, state]} at step {step} in state {state}; "
                f"expected places from 0 to {moves.actions - 1}."
            )
        return np.eye(moves.actions)[given.astype(np.intp)]
    wrong = ~((given >= 0).all(axis=-1) & (abs(given.sum(axis=-1) - 1) < _SUM))
    if wrong.any():
        step, state = np.argwhere(wrong)[0]
        raise WorldError(
            f"the policy at step {step} in state {state} is {given[step, state].tolist()}; "
            "expected probabilities of actions, that sum to 1."
        )
    return given.astype(float)


def _following(
    waiting: sparse.csr_array, previous: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All that may follow if nothing is done: whose it is, the state, and its chance."""
    first = waiting.indptr[previous]
    counts = waiting.indptr[previous + 1] - first
    which = np.repeat(np.arange(len(previous)), counts)
    within = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    place = first[which] + within
    return which, waiting.indices[place], waiting.data[place]
