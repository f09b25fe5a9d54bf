r"""How many bits describe a law, as finely as its draws justify, and how many given another law?

Cells are the leaves of a tree that halves the real line again and again, with cuts that favour no
world (:meth:`inference.arrays.cells.Cells.dyadic`). A law is then a share for the left half of
every node, and a code is a mixture over all the places where a description might stop. With KT for
the code of Krichevsky and Trofimov and n, a, b the draws of a node and of its halves, a node has

.. math:: W = \tfrac12 \, 2^{-n \log_2 (\mathrm{leaves})}
              + \tfrac12 \, \mathrm{KT}(a, b) \, W_a W_b

(it is flat below, or its halves differ), and given the draws u, v of a known world

.. math:: W = \tfrac12 S + \tfrac14 \mathrm{KT}(a, b \mid u, v) \, W_a W_b
              + \tfrac14 \mathrm{KT}(a, b) \, W_a W_b, \qquad
          S = \mathrm{KT}(a, b \mid u, v) \, S_a S_b

(it is the same as in the known world all the way down; or only here; or new here). There are two
such trees. One learns "the same" from the known draws, node by node; the other from their
description, in which nodes are flat that few draws reach: what those draws happen to be is noise,
and to expect it again costs more than it tells. Above the root one bit chooses between them, and
before it another between both and the fresh tree, so that knowing a world never costs more than
that bit. All add up to 1 over all sequences of n draws, so they are codes.

What is described is the law, not the draws. The likeliest description (the branch of each mixture
that is greatest, the rest left out) has a part for the model, ``model_bits``: its choices, one bit
where the description stops and one (fresh) or two (given) where it goes on, and for every new
split the bits by which KT exceeds the best fixed share: about half a logarithm of the draws. What
is taken over from the known world costs no more than its choices.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError
from inference.arrays.codes.code import Code, nonnegative, same_shape

__all__ = ["SAME_BITS", "tree_code", "tree_code_given"]

SAME_BITS = 3.0
"""Bits that say that a law is as in the known world: two choose the tree, one says the same."""
AT_ONCE = 2**14
"""Numbers of an array that, with those made of it, fits into a cache."""
LOG2 = np.log(2.0)
TIE = 1e-8
"""Nats that are rounding: of two descriptions as likely as each other the simpler is taken."""
SAME, HERE, NEW = 0, 1, 2


@dataclass(frozen=True)
class _Nodes:
    """Draws of the nodes, level by level from the root, and the logarithms that codes are made of.

    Every array is (node, measurement). Of n draws ``halves`` has ln Γ(n + 1/2)/Γ(1/2), and
    ``wholes``, which leaves have not, ln Γ(n + 1).
    """

    draws: list[np.ndarray]
    halves: list[np.ndarray]
    wholes: list[np.ndarray]

    @classmethod
    def of(cls, leaves: np.ndarray) -> "_Nodes":
        """Add up the draws of (leaf, measurement)."""
        draws = [leaves]
        while len(draws[0]) > 1:
            draws.insert(0, draws[0][0::2] + draws[0][1::2])
        halves = [special.gammaln(level + 0.5) - special.gammaln(0.5) for level in draws]
        return cls(draws, halves, [special.gammaln(level + 1.0) for level in draws[:-1]])

    def splits(self, level: int) -> np.ndarray:
        """Give ln KT of the halves of the nodes of a level."""
        below = self.halves[level + 1]
        return below[0::2] + below[1::2] - self.wholes[level]

    def shares(self, level: int) -> np.ndarray:
        """Give the left halves' shares of the nodes, half a draw added to both halves."""
        return (self.draws[level + 1][0::2] + 0.5) / (self.draws[level] + 1.0)

    def regrets(self, level: int) -> np.ndarray:
        """Give the nats by which KT exceeds the best fixed share."""
        n, below = self.draws[level], special.xlogy(self.draws[level + 1], self.draws[level + 1])
        best = below[0::2] + below[1::2] - special.xlogy(n, n)
        return np.maximum(best - self.splits(level), 0.0)


@dataclass(frozen=True)
class _Coded:
    """A tree's code: nats of the mixture and of its likeliest part, bits of the model, its law."""

    nats: np.ndarray
    likeliest: np.ndarray
    model_bits: np.ndarray
    shares: list[np.ndarray]


def tree_code(counts: np.ndarray) -> Code:
    """How many bits describe draws, and their law, to a decoder who knows the cells alone?

    Parameters
    ----------
    counts
        Of the leaves from left to right, 2^L of them: shape (..., leaf). Fractional ones, of draws
        that resemble their neighbours, have lengths by the same formulas.

    Returns
    -------
    Code
        ``model_bits`` is what the law is worth: 1 for a uniform one, 80 to 120 for a normal one of
        10 000 draws in 64 cells, by how wide these are. A uniform ``start``.

    Raises
    ------
    CounterfactualError
        If a count is negative or not finite, or the leaves are no power of 2.

    References
    ----------
    Willems, Shtarkov and Tjalkens (1995), "The context-tree weighting method: basic properties",
    *IEEE IT* 41; Wong and Ma (2010), "Optional Pólya tree and Bayesian inference", *Annals of
    Statistics* 38.

    Examples
    --------
    >>> code = tree_code(np.array([[4, 4], [8, 0]]))
    >>> code.bits.round(6), code.model_bits.round(6)
    (array([8.651272, 3.31986 ]), array([1.      , 3.348276]))
    >>> code.probabilities.round(4)
    array([[0.5   , 0.5   ],
           [0.9444, 0.0556]])
    """
    return _coded(_fresh_code, nonnegative(counts, "counts"))


def tree_code_given(counts: np.ndarray, known: np.ndarray) -> Code:
    """How many bits describe draws, and their law, to a decoder who knows another world's draws?

    Parameters
    ----------
    counts, known
        Of the draws to describe and of the known ones, shape (..., leaf), with 2^L leaves.

    Returns
    -------
    Code
        ``bits``, at most 1 more than those of :func:`tree_code`; ``model_bits``: 3 where the
        likeliest description is that all is as in the known world, two bits to choose a tree
        that knows it and one for "the same"; the bits of :func:`tree_code` and 1 where a fresh
        description is likelier; anything between. ``start`` is the law that :func:`tree_code`
        describes the known world by, and ``probabilities`` equal it where nothing is new.

    Raises
    ------
    CounterfactualError
        If a count is negative or not finite, the leaves are no power of 2, or the shapes differ.

    Examples
    --------
    >>> known = np.array([900, 100, 500, 500])
    >>> tree_code_given(np.array([880, 120, 510, 490]), known).model_bits.item()
    3.0
    >>> swapped = tree_code_given(np.array([100, 900, 500, 500]), known)
    >>> round(swapped.model_bits.item(), 2)  # 2 + 2 for the root, 2 + 5.3 for the new split, 1
    12.31
    >>> swapped.probabilities.round(2), swapped.start.round(2)
    (array([0.05, 0.45, 0.25, 0.25]), array([0.45, 0.05, 0.25, 0.25]))
    """
    counts, known = nonnegative(counts, "counts"), nonnegative(known, "known counts")
    same_shape(counts, known, "known counts")
    return _coded(_given_code, counts, known)


def _coded(code: Callable[..., Code], *counted: np.ndarray) -> Code:
    """Code a chunk of measurements at a time; what leaves a cache takes twice as long."""
    shape = counted[0].shape
    if shape[-1] & (shape[-1] - 1):
        raise CounterfactualError(
            f"got {shape[-1]} leaves; expected a power of 2, as from Cells.dyadic."
        )
    flat = [counts.reshape(-1, shape[-1]) for counts in counted]
    bits, model_bits = np.empty((2, len(flat[0])))
    laws = np.empty((2, *flat[0].shape))
    step = max(1, AT_ONCE // shape[-1])
    for first in range(0, len(bits), step):
        part = slice(first, first + step)
        found = code(*(np.ascontiguousarray(counts[part].T) for counts in flat))
        bits[part], model_bits[part] = found.bits, found.model_bits
        laws[:, part] = found.probabilities.T, found.start.T
    return Code(bits.reshape(shape[:-1]), model_bits.reshape(shape[:-1]), *laws.reshape(2, *shape))


def _fresh_code(leaves: np.ndarray) -> Code:
    fresh = _fresh(_Nodes.of(leaves))
    uniform = np.full(leaves.shape, 1 / len(leaves))
    return Code(_bits(fresh.nats), fresh.model_bits, _law(fresh.shares), uniform)


def _given_code(leaves: np.ndarray, known: np.ndarray) -> Code:
    nodes, others = _Nodes.of(leaves), _Nodes.of(known)
    fresh, start = _fresh(nodes), _fresh(others).shares
    both = _Nodes.of(leaves + known)
    drawn, told = (_given(nodes, others, both, start, flat=flat) for flat in (False, True))
    given = _either(drawn, told)
    new = fresh.likeliest > given.likeliest + TIE
    return Code(
        _bits(np.logaddexp(given.nats, fresh.nats) - LOG2),
        1 + np.where(new, fresh.model_bits, given.model_bits),
        np.where(new, _law(fresh.shares), _law(given.shares)),
        _law(start),
    )


def _fresh(nodes: _Nodes) -> _Coded:
    """Mix flat nodes with split ones, from the leaves up."""
    depth = len(nodes.wholes)
    nats = likeliest = model_bits = np.zeros(nodes.draws[-1].shape)
    taken = []
    for level in reversed(range(depth)):
        flat, split = -(depth - level) * LOG2 * nodes.draws[level], nodes.splits(level)
        nats = np.logaddexp(flat, split + _pairs(nats)) - LOG2
        likeliest = split + _pairs(likeliest)
        taken.append(likeliest > flat + TIE)
        regrets = nodes.regrets(level) / LOG2
        model_bits = 1 + np.where(taken[-1], regrets + _pairs(model_bits), 0.0)
        likeliest = np.maximum(flat, likeliest) - LOG2
    live, shares = np.ones(nodes.draws[0].shape, dtype=bool), []
    for level, splits in enumerate(reversed(taken)):
        live = splits & live
        shares.append(np.where(live, nodes.shares(level), 0.5))
        live = np.repeat(live, 2, axis=0)
    return _Coded(nats[0], likeliest[0], model_bits[0], shares)


def _given(
    nodes: _Nodes, known: _Nodes, both: _Nodes, start: list[np.ndarray], *, flat: bool
) -> _Coded:
    """Mix what is the same below, the same here and new here, from the leaves up.

    With `flat`, the same means flat where the known world's own description is.
    """
    nats = likeliest = model_bits = alike = np.zeros(nodes.draws[-1].shape)
    choices = []
    for level in reversed(range(len(nodes.wholes))):
        split, seeded = nodes.splits(level), both.splits(level) - known.splits(level)
        if flat:
            seeded = np.where(start[level] == 0.5, -LOG2 * nodes.draws[level], seeded)
        alike = seeded + _pairs(alike)
        deeper = np.logaddexp(seeded, split) + _pairs(nats) - LOG2
        nats = np.logaddexp(alike, deeper) - LOG2
        here = np.maximum(seeded, split) + _pairs(likeliest) - LOG2
        choices.append(
            np.where(alike >= here - TIE, SAME, np.where(seeded >= split - TIE, HERE, NEW))
        )
        likeliest = np.maximum(alike, here) - LOG2
        regrets = np.where(choices[-1] == NEW, nodes.regrets(level) / LOG2, 0.0)
        model_bits = 1 + np.where(choices[-1] == SAME, 0.0, 1 + regrets + _pairs(model_bits))
    live, shares = np.ones(nodes.draws[0].shape, dtype=bool), []
    for level, choice in enumerate(reversed(choices)):
        live = live & (choice != SAME)
        shares.append(np.where(live & (choice == NEW), nodes.shares(level), start[level]))
        live = np.repeat(live, 2, axis=0)
    return _Coded(nats[0], likeliest[0], model_bits[0], shares)


def _either(one: _Coded, other: _Coded) -> _Coded:
    """Let a bit choose between two trees."""
    second = other.likeliest > one.likeliest + TIE
    shares = zip(other.shares, one.shares, strict=True)
    return _Coded(
        np.logaddexp(one.nats, other.nats) - LOG2,
        np.where(second, other.likeliest, one.likeliest) - LOG2,
        1 + np.where(second, other.model_bits, one.model_bits),
        [np.where(second, *share) for share in shares],
    )


def _law(shares: list[np.ndarray]) -> np.ndarray:
    """Multiply the shares on the way from the root to each leaf."""
    law = np.ones((1, *shares[0].shape[1:])) if shares else np.ones((1, 1))
    for share in shares:
        law = np.stack([law * share, law * (1 - share)], axis=1).reshape(-1, *law.shape[1:])
    return law


def _pairs(below: np.ndarray) -> np.ndarray:
    return below[0::2] + below[1::2]


def _bits(nats: np.ndarray) -> np.ndarray:
    return np.maximum(-nats, 0.0) / LOG2
