r"""How well can each state be reached from every other one?

.. math:: R(s, s') = \max_\pi E\left[\gamma^{T_{s'}} \mid s_0 = s\right]

with T the number of steps until the state is first met. R(s, s) = 1; where every move is certain
R = γ^distance, and with γ = 1 it is 1 or 0: can it be reached at all, or the greatest chance of
getting there.
"""

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from counterfactual_models.errors import WorldError
from inference.peers.dynamics import Moves
from inference.peers.options import refuse_discount

__all__ = ["reachability"]

AT_ONCE = 2**22
MOST_SWEEPS = 100_000
STILL = 1e-13


def reachability(moves: Moves, *, discount: float = 0.99) -> np.ndarray:
    r"""How well can each state be reached from every other one?

    Parameters
    ----------
    moves
        From :func:`inference.peers.moves_of`.
    discount
        γ in (0, 1]; 1 asks whether, and not how soon.

    Returns
    -------
    np.ndarray
        R(s, s') in [0, 1], dims (from state, to state). Distances where every move is certain;
        else the least fixed point of R(s, s') = γ max_a E R(following, s'), to 13 digits of a
        sweep.

    Raises
    ------
    CounterfactualError
        If the discount is not in (0, 1].
    WorldError
        If chances grow so slowly that 100 000 sweeps do not settle them.

    References
    ----------
    V. Krakovna, L. Orseau, R. Kumar, M. Martic and S. Legg (2018), "Penalizing side effects using
    stepwise relative reachability", arXiv:1806.01186, section 2.2.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from inference.peers.dynamics import moves_of
    >>> slippery = np.array([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.0, 1.0]]])
    >>> vase = moves_of(SimpleNamespace(transitions=slippery, start=0, idle=0))
    >>> reachability(vase, discount=1.0).round(9).tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    >>> float(reachability(vase, discount=0.5)[0, 1].round(9))  # .5 (.5 + .5 R) = R
    0.333333333
    """
    refuse_discount("discount", discount, at_most_one=True)
    if moves.following is not None:
        return _by_distance(moves.following, float(discount))
    step = max(1, AT_ONCE // (moves.states * moves.actions))
    targets = (np.arange(moves.states)[at : at + step] for at in range(0, moves.states, step))
    return np.concatenate([_by_sweeps(moves, some, float(discount)) for some in targets], axis=1)


def _by_distance(following: np.ndarray, discount: float) -> np.ndarray:
    states, actions = following.shape
    edges = (np.repeat(np.arange(states), actions), following.ravel())
    graph = sparse.csr_array((np.ones(following.size), edges), shape=(states, states))
    away = csgraph.shortest_path(graph, unweighted=True)
    return np.where(np.isfinite(away), discount ** np.where(np.isfinite(away), away, 0.0), 0.0)


def _by_sweeps(moves: Moves, targets: np.ndarray, discount: float) -> np.ndarray:
    """Raise the chances of reaching some states from 0 until they stay."""
    there = (targets, np.arange(len(targets)))
    found = np.zeros((moves.states, len(targets)))
    found[there] = 1.0
    for _ in range(MOST_SWEEPS):
        better = discount * moves.ahead(found).max(axis=1)
        better[there] = 1.0
        still = np.abs(better - found).max() <= STILL
        found = better
        if still:
            return found
    raise WorldError(
        f"the chances of reaching states had not settled after {MOST_SWEEPS} sweeps: some are met "
        "too rarely. Take a value_discount below 1."
    )
