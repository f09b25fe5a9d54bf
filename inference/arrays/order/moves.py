r"""How is standard normal noise moved a little, without leaving its distribution?

.. math:: z' = \sqrt{1 - s^2}\, z + s\, \xi, \qquad \xi \sim N(0, I)

Each move is reversible with respect to N(0, I), so that only what else is asked of the noise (the
evidence, a utility above a level) decides whether it is accepted. A scale of 1 forgets the noise.
"""

import math
from collections.abc import Callable

import numpy as np

__all__ = ["crank_nicolson", "fitted_crank_nicolson", "refreshed"]

Move = Callable[[np.random.Generator, np.ndarray, float], np.ndarray]

_DRAWS_PER_SIZE = 5
_SURELY = 0.8


def crank_nicolson(generator: np.random.Generator, states: np.ndarray, scale: float) -> np.ndarray:
    """Move all coordinates by a little: the preconditioned Crank-Nicolson proposal.

    Parameters
    ----------
    generator
        Where the randomness comes from.
    states
        Standard normal noise, shape (number, size).
    scale
        Between 0 (nothing moves) and 1 (all is drawn afresh).

    Returns
    -------
    ndarray
        Shape (number, size), of the kind of `states`.

    References
    ----------
    .. [1] S. L. Cotter, G. O. Roberts, A. M. Stuart, D. White, "MCMC methods for functions",
       Statistical Science 28 (2013).

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> moved = crank_nicolson(generator, np.full((10000, 2), 3.0), 0.6)
    >>> moved.mean(axis=0).round(1).tolist(), moved.std(axis=0).round(1).tolist()
    ([2.4, 2.4], [0.6, 0.6])
    """
    noise = generator.standard_normal(states.shape, dtype=_kind(states))
    noise *= scale
    noise += math.sqrt(1.0 - scale**2) * states
    return noise


def fitted_crank_nicolson(draws: np.ndarray) -> Move:
    r"""Fit :func:`crank_nicolson` to noise that evidence holds fast in some directions.

    .. math:: z' = V \left(\sqrt{1 - s^2 \Lambda}\, V^\top z + s \sqrt\Lambda\, \xi\right)

    with the eigenvectors V and eigenvalues of the covariance of the draws: steps are as narrow as
    the noise is, and no narrower. It is reversible with respect to N(0, I) whatever they are.
    Eigenvalues that chance alone might have made, and all of fewer than five draws a coordinate,
    count as 1.

    Parameters
    ----------
    draws
        Of noise given the evidence, shape (number, size).

    Returns
    -------
    Move
        Plain :func:`crank_nicolson` where nothing is seen to be held.

    References
    ----------
    .. [1] K. J. H. Law, "Proposals which speed up function-space MCMC", J. Comput. Appl. Math. 262
       (2014).

    Examples
    --------
    >>> draws = np.random.default_rng(0).normal(size=(500, 2)) * [1.0, 0.1]
    >>> moved = fitted_crank_nicolson(draws)(np.random.default_rng(1), np.zeros((10000, 2)), 1.0)
    >>> moved.std(axis=0).round(1).tolist()
    [1.0, 0.1]
    """
    number, size = draws.shape
    if number < _DRAWS_PER_SIZE * size:
        return crank_nicolson
    apart = np.asarray(draws - draws.mean(axis=0), np.float64)
    spread, turn = np.linalg.eigh(apart.T @ apart / number)
    by_chance = _SURELY * (1 - math.sqrt(size / number)) ** 2
    spread = np.where(spread < by_chance, np.maximum(spread, 0.0), 1.0)
    if (spread == 1.0).all():
        return crank_nicolson

    def move(generator: np.random.Generator, states: np.ndarray, scale: float) -> np.ndarray:
        noise = generator.standard_normal(states.shape) * (scale * np.sqrt(spread))
        noise += np.sqrt(1.0 - scale**2 * spread) * (states @ turn)
        return (noise @ turn.T).astype(states.dtype, copy=False)

    return move


def refreshed(generator: np.random.Generator, states: np.ndarray, scale: float) -> np.ndarray:
    """Move a few coordinates of each state by a lot, and leave the others.

    Of d coordinates, about max(1, d scale^2) are moved, each by min(1, scale sqrt(d)): as far in
    all as :func:`crank_nicolson` of that scale goes. Where utility is counted in steps, small
    moves of everything seldom take one without losing another.

    Parameters
    ----------
    generator
        Where the randomness comes from.
    states
        Standard normal noise, shape (number, size).
    scale
        Between 0 (nothing moves) and 1 (all is drawn afresh).

    Returns
    -------
    ndarray
        Shape (number, size), of the kind of `states`.

    Examples
    --------
    >>> moved = refreshed(np.random.default_rng(0), np.zeros((4, 100)), 0.05)
    >>> (moved != 0).sum(axis=1).tolist()
    [1, 1, 1, 1]
    """
    number, size = states.shape
    chosen = max(1.0, size * scale**2)
    # One coordinate is always moved: a state that stays where it is costs a world.
    moves = generator.random(states.shape, dtype=np.float32) < (chosen - 1) / max(size - 1, 1)
    moves[np.arange(number), generator.integers(size, size=number)] = True
    step = min(1.0, scale * math.sqrt(size / chosen))
    return np.where(moves, crank_nicolson(generator, states, step), states)


def _kind(states: np.ndarray) -> type[np.float32] | type[np.float64]:
    return np.float32 if states.dtype == np.float32 else np.float64
