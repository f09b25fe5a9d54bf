r"""How often does chance reach what it never reaches in any draw? By counting halvings.

.. math:: P(u \ge t) = \tfrac12 P(u \ge t \mid u \ge m_1) = \tfrac14 P(u \ge t \mid u \ge m_2)
          = \dots, \qquad \mathrm{bits} \approx \#\,\mathrm{halvings}

Subset simulation with halves: the better half of the particles starts the next population, which
is moved among what is at least as good. Each level is one bit, so that p = 2^-30 costs thirty
populations where counting costs 2^30 worlds. Every state of every chain is counted, not just the
last ones (waste-free), which takes a third of the worlds for the same error.

Equally good worlds are told apart by a lot drawn for each, lower being better: no plateau is too
wide to be halved, and the target's own is counted whole.

References
----------
.. [1] S.-K. Au, J. L. Beck, "Estimation of small failure probabilities in high dimensions by
   subset simulation", Probabilistic Engineering Mechanics 16 (2001).
.. [2] H.-D. Dau, N. Chopin, "Waste-free sequential Monte Carlo", JRSS B 84 (2022).
.. [3] E. Yudkowsky, "Measuring optimization power", LessWrong (2008): bits are halvings.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from counterfactual_models.errors import CounterfactualError, refuse_counts
from inference.arrays.order.halving_runs import SplitTail
from inference.arrays.order.moves import Move, fitted_crank_nicolson, refreshed
from inference.arrays.order.swarm import Evaluate, Limits, Start, Swarm

__all__ = ["split_tail"]


def split_tail(
    start: Start,
    evaluate: Evaluate,
    target: float,
    *,
    propose: Move | Sequence[Move] | None = None,
    particles: int = 500,
    steps: int = 10,
    runs: int = 4,
    seed: int = 0,
    most_bits: float = 4000,
    plateau_bits: float = 30.0,
    progress: Callable[[float], object] | None = None,
) -> SplitTail:
    r"""How many bits is it worth to reach this utility, however rare it is?

    A run of n particles and s steps counts n(s + 1) states a level and runs n s worlds. Its error
    is about :math:`\sqrt{0.7\,\mathrm{bits} / n}` bits for s = 10 where moves mix well. At most
    r n (s + 1) states are held at a time for r runs, and r n utilities of each level are kept.

    Parameters
    ----------
    start
        ``start(generator, number)``: states, shape (number, size): independent draws of P(e,S,0)
        written as standard normal noise.
    evaluate
        ``evaluate(states)``: utility, and log-likelihood of the evidence given the noise (zeros
        if there is none, ``-inf`` if impossible), each of shape (number,). It is called once for
        a step of all runs.
    target
        Largest utility of interest.
    propose
        ``propose(generator, states, scale)``: moved states, reversible with respect to standard
        normal noise, bolder at larger scales in (0, 1]. Of several, those that move utility most
        are tried most. By default small moves of all coordinates, fitted to what the evidence left
        of them, and large ones of a few.
    particles
        Of a run.
    steps
        Moves of each particle between two halvings.
    runs
        Independent ones, each of which depends on `seed` and its own number alone.
    seed
        A whole number.
    most_bits, plateau_bits
        A run is stuck after so many, and after so many among equally good particles.
    progress
        Called with the bits counted so far.

    Returns
    -------
    SplitTail
        Bits, their error, whether to believe them, and the whole tail.

    Raises
    ------
    CounterfactualError
        If a utility or log-likelihood is NaN, a shape is wrong, or a first draw impossible.

    Examples
    --------
    >>> def start(generator, number):
    ...     return generator.standard_normal((number, 1))
    >>> def evaluate(states):
    ...     return states[:, 0], np.zeros(len(states))
    >>> tail = split_tail(start, evaluate, 6.0, particles=100)
    >>> abs(tail.bits - 29.9168) < 4 * tail.mcse, tail.reliable
    (True, True)
    """
    _refuse(target, most_bits, plateau_bits, seed, particles, steps, runs)
    kinds = _fitted_moves if propose is None else _moves(propose)
    swarm = Swarm(Limits(target, most_bits, plateau_bits), kinds, particles, steps)
    swarm.begin(start, evaluate, [np.random.default_rng([seed, run]) for run in range(runs)])
    while len(swarm.active):
        trail = swarm.move(evaluate)
        bits = swarm.halve(trail)
        if progress is not None:
            progress(bits)
    return swarm.result()


def _fitted_moves(states: np.ndarray) -> tuple[Move, ...]:
    return fitted_crank_nicolson(states), refreshed


def _moves(propose: Move | Sequence[Move]) -> Callable[[np.ndarray], tuple[Move, ...]]:
    given = (propose,) if callable(propose) else tuple(propose)
    return lambda states: given


def _refuse(
    target: float,
    most_bits: float,
    plateau_bits: float,
    seed: int,
    particles: int,
    steps: int,
    runs: int,
) -> None:
    """Refuse options that make no sense."""
    refuse_counts(0, seed=seed)
    refuse_counts(1, steps=steps, runs=runs)
    refuse_counts(10, particles=particles)
    if not (math.isfinite(target) and most_bits > 0 and plateau_bits > 0):
        raise CounterfactualError(
            f"got target={target}, most_bits={most_bits}, plateau_bits={plateau_bits}; expected a "
            "finite target and positive bits. Give the largest utility of interest as target."
        )
