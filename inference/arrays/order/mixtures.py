r"""How many bits is it to reach not one outcome but a mixture of outcomes?

No extension keeps all that one would like, so there are six. A is the law of what is achieved, P
is P(e,S,0), b(u) the bits of a sure outcome (:func:`~.exceedance.exceedance_bits`).

============ ===================================== ==== ======== ======= ============ ====== ======
kind         bits of A                             pure expected ordinal distributive unsure convex
============ ===================================== ==== ======== ======= ============ ====== ======
certainty    b(E_A u)                              yes  yes      no      no           yes    no
expected     E_A b(u)                              yes  no       yes     yes          yes    yes
mean_tail    -log2 E_A P(u' >= u)                  yes  no       yes     no           yes    yes
worst        least b(u) that A can give            yes  no       yes     no           yes    yes
cramer       least KL(A' | P) with E_A' u >= E_A u top  yes      no      no           yes    yes
buffered     least max log2 dA'/dP, the same       top  yes      no      no           yes    no
============ ===================================== ==== ======== ======= ============ ====== ======

- pure: a sure outcome has its bits b (top: only the best outcome has);
- expected: with a higher expected utility there are never fewer bits;
- ordinal: only the order of utilities matters;
- distributive: bits of a mixture are the mixture of bits;
- unsure: a mixture has no more bits than the better of its parts;
- convex: a mixture has no more bits than the mixture of bits.

Distributive and expected exclude each other: make X7 worth ten trillion, and half X4 and half X7
is far better than X6, but its expected bits stay 2. Only ``certainty`` is both pure and expected.
Chance itself, A = P, scores :math:`\log_2 e = 1.4427` expected bits and 1 bit of mean tail in a
continuous baseline; of ``cramer`` and ``buffered`` it scores 0.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError, nearest
from inference.arrays.order.exceedance import bits_of, exceedance_bits, finite_values
from inference.arrays.order.nearest_laws import Tilt, buffered_exceedance, exponential_tilt

__all__ = [
    "MIXTURES",
    "Tilt",
    "buffered_exceedance",
    "exponential_tilt",
    "mixed_bits",
    "most_expected_bits",
]

MIXTURES = ("certainty", "expected", "mean_tail", "worst", "cramer", "buffered")
"""Kinds of bits of a mixture."""
_SLACK = 1e-12


def mixed_bits(
    baseline: np.ndarray | Sequence[float],
    achieved: np.ndarray | Sequence[float],
    kind: str = "mean_tail",
    log_measure: np.ndarray | Sequence[float] | None = None,
    weights: np.ndarray | Sequence[float] | None = None,
) -> np.ndarray:
    r"""How many bits of optimization is a mixed achievement?

    The table above says what each kind keeps. None replaces the distribution of
    :func:`~.exceedance.exceedance_bits` over the achieved draws, which loses nothing.

    Parameters
    ----------
    baseline
        Utilities without the disciple, shape (outcome,).
    achieved
        Utilities achieved, shape (..., draw).
    kind
        One of `MIXTURES`.
    log_measure
        Natural logarithm of the mass of each outcome of the baseline, up to a constant.
    weights
        Of the achieved draws, up to a factor, (draw,) or shaped as `achieved`; all the same if
        None.

    Returns
    -------
    np.ndarray
        Bits in [0, inf], shape (...,). ``inf`` where the mean (``certainty``, ``cramer``,
        ``buffered``), some draw (``expected``) or every draw (``mean_tail``, ``worst``) is beyond
        the baseline; if that is a sample, more draws, or
        :mod:`inference.arrays.order.counting`, tell more.

    Raises
    ------
    CounterfactualError
        If the kind is unknown, numbers are not finite, or weights are negative or all zero.

    References
    ----------
    .. [1] S. Armstrong, "Measuring optimisation power": is it defined for mixed states?
    .. [2] H. Cramér, "Sur un nouveau théorème-limite de la théorie des probabilités" (1938).
    .. [3] A. Mafusalov, S. Uryasev, "Buffered probability of exceedance", SIAM J. Optim. 28
       (2018).

    Examples
    --------
    Half X4 and half X7, of eight equally likely states:

    >>> [(kind, mixed_bits(range(8), [4, 7], kind).round(3).item()) for kind in MIXTURES[:3]]
    [('certainty', 2.0), ('expected', 2.0), ('mean_tail', 1.678)]
    >>> [(kind, mixed_bits(range(8), [4, 7], kind).round(3).item()) for kind in MIXTURES[3:]]
    [('worst', 1.0), ('cramer', 0.602), ('buffered', 1.0)]
    """
    if kind not in MIXTURES:
        raise CounterfactualError(
            f"got kind={kind!r}; expected a kind of bits of a mixture. "
            f"{nearest(str(kind), MIXTURES)}"
        )
    achieved = finite_values("achieved", achieved)
    shares = _weights(weights, achieved.shape)
    if kind in ("expected", "mean_tail", "worst"):
        bits = exceedance_bits(baseline, achieved, log_measure)
        if kind == "worst":
            return np.where(shares > 0, bits, np.inf).min(axis=-1)
        if kind == "expected":
            return (shares * np.where(shares > 0, bits, 0.0)).sum(axis=-1)
        return bits_of(special.logsumexp(-bits * math.log(2), b=shares, axis=-1))
    if kind == "certainty":
        mean = _means(achieved, shares, slack=_SLACK)
        return exceedance_bits(baseline, mean, log_measure)
    mean = _means(achieved, shares)
    if kind == "cramer":
        return exponential_tilt(baseline, mean, log_measure).bits
    return bits_of(buffered_exceedance(baseline, mean, log_measure))


def most_expected_bits(divergence: np.ndarray | Sequence[float] | float) -> np.ndarray:
    r"""How many expected bits, at most, can there be at this divergence from the baseline?

    .. math:: \sup E_A b = \min_{0<t<1} \frac{D - \ln(1-t)}{t} = v, \qquad v - 1 - \ln v = D

    in nats, with D the Kullback-Leibler divergence of what is achieved from the baseline. A
    continuous baseline tilted by its own bits attains it. No divergence leaves
    :math:`\log_2 e = 1.4427` bits, which is what chance scores.

    Parameters
    ----------
    divergence
        In bits, 0 or more, any shape.

    Returns
    -------
    np.ndarray
        Bits, from 1.4427 to ``inf``.

    Raises
    ------
    CounterfactualError
        If a divergence is negative or NaN.

    Examples
    --------
    >>> (most_expected_bits(np.log2(np.e)) * np.log(2)).round(6).item()  # one nat of divergence
    3.146193
    """
    nats = np.asarray(divergence, np.float64) * math.log(2)
    if not (nats >= 0).all():
        raise CounterfactualError(
            f"got a divergence of {nats[~(nats >= 0)].flat[0] / math.log(2)} bits; expected 0 or "
            "more."
        )
    finite = np.where(np.isinf(nats), 1.0, nats)
    # The left side is convex in v - 1 and the start lies beyond: Newton's steps never overshoot.
    excess = finite + np.sqrt(2 * finite)
    for _ in range(60):
        safe = np.maximum(excess, np.finfo(float).tiny)
        step = (safe - np.log1p(safe) - finite) * (1 + safe) / safe
        excess = np.maximum(excess - np.maximum(step, 0.0), 0.0)
    return np.where(np.isinf(nats), np.inf, 1 + excess) / math.log(2)


def _weights(weights: np.ndarray | Sequence[float] | None, shape: tuple[int, ...]) -> np.ndarray:
    """Scale the weights of achieved draws to a total of one."""
    if not shape or not shape[-1]:
        raise CounterfactualError(
            f"got achieved of shape {shape}; expected draws along the last axis, one at least."
        )
    if weights is None:
        return np.full(shape, 1 / shape[-1])
    given = finite_values("weights", weights).astype(np.float64)
    if given.shape not in (shape, shape[-1:]):
        raise CounterfactualError(
            f"got weights of shape {given.shape} for achieved of shape {shape}; expected "
            f"{shape[-1:]} or {shape}."
        )
    total = given.sum(axis=-1, keepdims=True)
    if (given < 0).any() or not (total > 0).all():
        raise CounterfactualError(
            "got weights that are negative or all zero; expected probabilities up to a factor."
        )
    return np.broadcast_to(given / total, shape)


def _means(achieved: np.ndarray, shares: np.ndarray, *, slack: float = 0.0) -> np.ndarray:
    """Take means below the best draw: of equal draws it is their value, to the last digit.

    A share of the spread as slack keeps a tie, which is there on paper, from rounding.
    """
    best = np.where(shares > 0, achieved, -np.inf).max(axis=-1)
    short = np.where(shares > 0, shares * (best[..., None] - achieved), 0.0).sum(axis=-1)
    return best - (1 + slack) * short
