r"""How much of a utility can be attained from each state?

.. math:: V_u(s) = (1 - \gamma) \max_\pi E\left[\sum_{t \ge 0} \gamma^t u(s_t) \mid s_0 = s\right]

The best policy of every utility is improved until no action is better (Howard's iteration), so
that values are exact: nothing is left of a start or of a number of sweeps.
"""

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from counterfactual_models.errors import CounterfactualError, refuse_counts
from inference.peers.dynamics import Moves
from inference.peers.options import refuse_discount

__all__ = ["attainable_values", "utilities_of"]

BETTER = 1e-12
NOTHING = 1e-18


def utilities_of(moves: Moves, given: Any, *, seed: int = 0) -> np.ndarray:
    """Make random utilities of states, or take those that are given.

    Parameters
    ----------
    moves
        The states.
    given
        A number of utilities: u(s) uniform on [0, 1], for every state by itself, as the published
        code has them. Or an array (state, utility).
    seed
        Of the random ones.

    Returns
    -------
    np.ndarray
        Dims (state, utility).

    Raises
    ------
    CounterfactualError
        If it is neither a number of at least 1 nor a finite array with a row for each state.

    Examples
    --------
    >>> from inference.peers.dynamics import outcomes
    >>> utilities_of(outcomes(4), 3).shape
    (4, 3)
    """
    if np.ndim(given) == 0:
        refuse_counts(1, utilities=given)
        return np.random.default_rng(seed).random((int(given), moves.states)).T
    table = np.asarray(given, dtype=float)
    if table.ndim != 2 or len(table) != moves.states or not table.size:
        raise CounterfactualError(
            f"got utilities of the shape {table.shape}; expected (state, utility) with a row for "
            f"each of the {moves.states} states, or a number of random ones."
        )
    if not np.isfinite(table).all():
        state, utility = np.argwhere(~np.isfinite(table))[0]
        raise CounterfactualError(
            f"utility {utility} is {table[state, utility]:g} in state {state}; expected finite "
            "numbers."
        )
    return table


def attainable_values(moves: Moves, utilities: np.ndarray, *, discount: float) -> np.ndarray:
    r"""How much of each utility can be attained from each state?

    Parameters
    ----------
    moves
        From :func:`inference.peers.moves_of`.
    utilities
        u(s), dims (state, utility).
    discount
        γ in (0, 1).

    Returns
    -------
    np.ndarray
        V_u(s), dims (state, utility), on the scale of the utilities themselves: in a state that
        nothing leads out of V = u.

    Raises
    ------
    CounterfactualError
        If the discount is not in (0, 1).

    References
    ----------
    A. M. Turner, D. Hadfield-Menell and P. Tadepalli (2020), "Conservative agency via attainable
    utility preservation", arXiv:1902.09725.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from inference.peers.dynamics import moves_of
    >>> breaking = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    >>> vase = moves_of(SimpleNamespace(transitions=breaking, start=0, idle=0))
    >>> attainable_values(vase, np.eye(2), discount=0.9).round(12).tolist()
    [[1.0, 0.9], [0.0, 1.0]]
    """
    refuse_discount("value_discount", discount, at_most_one=False)
    chosen = np.full(utilities.shape, moves.idle)
    while True:
        values = _kept_to(moves, chosen, utilities, discount)
        ahead = moves.ahead(values)
        present = np.take_along_axis(ahead, chosen[:, None], axis=1)[:, 0]
        better = ahead.max(axis=1) > present + BETTER * np.maximum(1.0, np.abs(present))
        if not better.any():
            return values
        chosen = np.where(better, ahead.argmax(axis=1), chosen)


def _kept_to(
    moves: Moves, chosen: np.ndarray, utilities: np.ndarray, discount: float
) -> np.ndarray:
    """Say what a policy for each utility is worth, if it is kept to for ever."""
    share = (1 - discount) * utilities
    if moves.following is None:
        rows = np.arange(moves.states)[:, None] * moves.actions + chosen
        still = sparse.eye_array(moves.states, format="csc")
        columns = [
            linalg.spsolve(sparse.csc_array(still - discount * moves.chances[row]), own)
            for row, own in zip(rows.T, share.T, strict=True)
        ]
        return np.stack([np.atleast_1d(column) for column in columns], axis=-1)
    # Twice as many steps in every round: what so many steps bring, and where they lead.
    leads = np.take_along_axis(moves.following, chosen, axis=1).astype(np.intp)
    left = discount
    while left > NOTHING:
        share = share + left * np.take_along_axis(share, leads, axis=0)
        leads = np.take_along_axis(leads, leads, axis=0)
        left *= left
    return share
