r"""Does each datum matter as much as before, and how much does X matter beside them?

With laws P_x at the evidence as it was, and at evidence with one datum i replaced,

.. math:: I_X = \lVert P_1 - P_0 \rVert_1, \qquad
    I_i^x = \operatorname{mean}_k \lVert P_x(e^{(i,k)}) - P_x(e) \rVert_1, \qquad
    \rho = I_X / \operatorname{median}_{I_i^0 > 0} I_i^0

A profile is :math:`g_x(i) = I_i^x / \sum_j I_j^x`. Profiles are compared by their total variation
(D4), which sees each datum by itself; and so are the Gram matrices

.. math:: G_x = J_x J_x^\top, \qquad
    \tfrac12 \left\lVert \frac{G_1}{\operatorname{tr} G_1} - \frac{G_0}{\operatorname{tr} G_0}
    \right\rVert_{\mathrm{trace}}

which see, too, that only the difference of two data matters now. Rows of :math:`J_x` are the
signed changes :math:`P_x(e^{(i,k)}) - P_x(e)`, each alternative a direction of its own and weighed
by one over the root of how many its datum has: a datum does not count more for having many, and
alternatives that pull in opposite directions do not cancel. Where every alternative to a datum
does the same, this is the Gram matrix of the data themselves.

Both distances are 1 if nothing matters in exactly one world, and 0 if nothing does in either.
"""

from dataclasses import dataclass

import numpy as np

from counterfactual_models.errors import CounterfactualError

__all__ = ["ROUNDING", "ReplacedEvidence", "replaced_evidence"]

ROUNDING = 1e-6
"""An L1 distance up to this is rounding of single precision: it counts as 0."""


@dataclass(frozen=True)
class ReplacedEvidence:
    """What X and each datum are good for.

    Parameters
    ----------
    switch
        I_X, from 0 to 2.
    erased, let_in
        I_i^0 and I_i^1, by datum, from 0 to 2.
    ratio
        I_X over the median of the positive I_i^0; infinite if X matters and no datum does, 0 if X
        does not.
    erased_profile, let_in_profile
        Shares of the data, adding up to 1; zeros where no datum matters.
    profile_distance, gram_distance
        From 0 to 1.
    """

    switch: float
    erased: np.ndarray
    let_in: np.ndarray
    ratio: float
    erased_profile: np.ndarray
    let_in_profile: np.ndarray
    profile_distance: float
    gram_distance: float


def replaced_evidence(
    let_in: np.ndarray, erased: np.ndarray, data: np.ndarray, *, rounding: float = ROUNDING
) -> ReplacedEvidence:
    r"""Compare what X and the data are good for, from laws at other evidence.

    Parameters
    ----------
    let_in, erased
        Laws for X=1 and X=0, (1 + alternative, cell); the first is at the evidence as it was.
    data
        Datum that each alternative replaces, (alternative,), whole numbers from 0 without a gap.
    rounding
        Distances up to this count as 0.

    Returns
    -------
    ReplacedEvidence

    Raises
    ------
    CounterfactualError
        If shapes do not fit, a number is not finite, or a datum has no alternative.

    References
    ----------
    S. Armstrong, "The mathematics of reduced impact: help needed" (2012), *The importance of
    information* and *Relative importance*.

    Examples
    --------
    A law that follows the first datum, and the second one with the disciple let in:

    >>> follows = np.array([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1]])
    >>> found = replaced_evidence(follows[[1, 1, 0]], follows, np.array([0, 1]))
    >>> round(found.switch, 6), round(found.ratio, 6), found.profile_distance
    (1.6, 1.0, 1.0)
    """
    laws = np.stack([_checked("erased", erased), _checked("let_in", let_in)])
    data = np.asarray(data)
    known = np.unique(data)
    if data.shape != (laws.shape[1] - 1,) or not np.array_equal(known, np.arange(len(known))):
        raise CounterfactualError(
            f"got {laws.shape[1]} laws and data {data.tolist()}; expected a datum for each law "
            "but the first, by whole numbers 0, 1, 2, ... without a gap."
        )
    counts = np.bincount(data, minlength=len(known))
    changes = laws[:, 1:] - laws[:, :1]
    lengths = abs(changes).sum(-1)
    lengths = np.where(lengths > rounding, lengths, 0.0)
    importance = np.stack([np.bincount(data, own, minlength=len(known)) for own in lengths])
    importance = importance / np.maximum(counts, 1)
    switch = float(abs(laws[1, 0] - laws[0, 0]).sum())
    switch = switch if switch > rounding else 0.0
    totals = importance.sum(1, keepdims=True)
    profiles = np.divide(importance, totals, out=np.zeros_like(importance), where=totals > 0)
    matters = importance.any(1)
    if matters[0] != matters[1] or not matters[0]:
        profile_distance = gram_distance = float(matters[0] != matters[1])
    else:
        profile_distance = float(abs(profiles[1] - profiles[0]).sum() / 2)
        rows = changes * (lengths > 0)[..., None] / np.sqrt(counts[data])[:, None]
        gram_distance = _trace_distance(rows[1], rows[0])
    return ReplacedEvidence(
        switch,
        importance[0],
        importance[1],
        _ratio(switch, importance[0]),
        profiles[0],
        profiles[1],
        profile_distance,
        gram_distance,
    )


def _checked(name: str, laws: np.ndarray) -> np.ndarray:
    laws = np.asarray(laws, float)
    if laws.ndim != 2 or not len(laws) or not np.isfinite(laws).all():
        raise CounterfactualError(
            f"{name} has shape {laws.shape}"
            + (" and numbers that are not finite" if not np.isfinite(laws).all() else "")
            + "; expected finite probabilities (1 + alternative, cell)."
        )
    return laws


def _ratio(switch: float, importance: np.ndarray) -> float:
    positive = importance[importance > 0]
    if not switch:
        return 0.0
    return switch / float(np.median(positive)) if len(positive) else np.inf


def _trace_distance(let_in: np.ndarray, erased: np.ndarray) -> float:
    """Half the sum of absolute eigenvalues of the difference of two Gram matrices of trace one."""
    one, zero = (rows @ rows.T for rows in (let_in, erased))
    apart = one / np.trace(one) - zero / np.trace(zero)
    return float(abs(np.linalg.eigvalsh(apart)).sum() / 2)
