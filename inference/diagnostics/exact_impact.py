r"""How large is the impact on a world whose laws are known exactly?

.. math:: \mathrm{TV} = \tfrac12 \sum_W |P_1(W) - P_0(W)|, \qquad
    \rho = \frac{\lVert P_1 - P_0 \rVert_1}
    {\operatorname{median}_i \lVert P_0(e^{(i)}) - P_0(e) \rVert_1}

over all outcomes of a discrete world. Nothing is drawn and nothing estimated: there is no Monte
Carlo error, no noise and no floor. What other diagnostics estimate of the same world from draws
can be held against these.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import EvidenceError
from inference.arrays.finite_laws import (
    entropy_bits,
    pooled,
    rearranged_variation,
    variation_distance,
)
from inference.arrays.replaced_evidence import ReplacedEvidence, replaced_evidence
from inference.exact_laws import AS_IT_WAS, PROBABILITY, VALUE, read_laws
from inference.schema import DATUM, DISCIPLE, MEASUREMENT

__all__ = ["exact_impact", "replacement_importance"]

EXACT = "exact: every path of the world was enumerated, there is no Monte Carlo error"
"""What is left is the rounding of the program's own parameters, some 1e-7 in single precision.

Where no datum moves a law by more, shares of the importance and their distances are rounding, too.
"""
LONG_NAMES = {
    "joint_tv": "total variation of all measurements together",
    "tv": "total variation of the measurement",
    "rearranged_tv": "least total variation over all relabellings of outcomes",
    "entropy_change": "change of the joint entropy",
    "switch_importance": "L1 distance of the world let in from the erased one",
    "importance": "mean L1 distance that replacing the datum makes",
    "profile": "share of the importance",
    "ratio": "importance of the switch over that of the median datum",
    "profile_distance": "total variation of the shares of the data",
    "gram_distance": "trace distance of what matters",
    "reason": "why there are no shares to compare",
}


def exact_impact(
    laws: xr.Dataset,
    *,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
) -> xr.Dataset:
    r"""Compare the exact laws of the world with each disciple let in and erased.

    .. math:: \mathrm{TV} = \tfrac12 \sum_W |P_1(W) - P_0(W)|

    Parameters
    ----------
    laws
        What ``inference.enumerate_worlds`` returned. Of alternatives to the evidence nothing is
        read.
    disciples, measurements
        Names to keep; all by default. What is joint is so of the measurements kept.

    Returns
    -------
    xr.Dataset
        By disciple: ``joint_tv``, 0 to 1; ``rearranged_tv``, which does not ask what outcomes are
        called, at most the former; ``entropy_change`` of the joint law, H(P_1) - H(P_0), in bits.
        By disciple and measurement: ``tv``, at most the joint one.

    Raises
    ------
    WorldError
        If these are no exact laws.
    DiscipleError, MeasurementError
        If a name is not there; the nearest one is offered.

    References
    ----------
    S. Armstrong, "The mathematics of reduced impact: help needed" (2012), *Coarse graining* and
    *Abstracting from what is being measured*.

    Examples
    --------
    >>> laws = xr.Dataset(
    ...     {"probability": (("alternative", "disciple", "outcome"), [[[0.9, 0.1], [0.1, 0.9]]]),
    ...      "value": (("outcome", "measurement"), [[0.0], [1.0]])},
    ...     {"alternative": ["as it was"], "datum": ("alternative", [""]),
    ...      "disciple": ["erased", "swap"], "measurement": ["war"]},
    ... )
    >>> found = exact_impact(laws).sel(disciple="swap")
    >>> float(found.joint_tv), float(found.rearranged_tv), float(found.entropy_change)
    (0.8, 0.0, 0.0)
    """
    kept = read_laws(laws, disciples=disciples, measurements=measurements)
    chances = kept[PROBABILITY].sel(alternative=AS_IT_WAS).values
    off, on = chances[:1], chances[1:]
    values = kept[VALUE].values
    each = (pooled(values[:, [k]], chances)[1] for k in range(values.shape[1]))
    variables: dict[str, tuple[Any, np.ndarray]] = {
        "joint_tv": (DISCIPLE, variation_distance(on, off)),
        "tv": (
            (DISCIPLE, MEASUREMENT),
            np.stack([variation_distance(law[1:], law[:1]) for law in each], axis=-1),
        ),
        "rearranged_tv": (DISCIPLE, rearranged_variation(on, off)),
        "entropy_change": (DISCIPLE, entropy_bits(on) - entropy_bits(off)),
    }
    coords = {DISCIPLE: kept[DISCIPLE].values[1:], MEASUREMENT: kept[MEASUREMENT].values}
    return _named(variables, coords, kept)


def replacement_importance(
    laws: xr.Dataset,
    *,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
) -> xr.Dataset:
    r"""Weigh X against the data, and compare what the data are good for with and without X.

    .. math:: I_X = \lVert P_1 - P_0 \rVert_1, \qquad
        I_i^x = \operatorname{mean}_k \lVert P_x(e^{(i,k)}) - P_x(e) \rVert_1

    Parameters
    ----------
    laws
        What ``inference.enumerate_worlds`` returned, with ``alternatives=``.
    disciples, measurements
        Names to keep; all by default.

    Returns
    -------
    xr.Dataset
        By disciple, ``erased`` first, whose distances from itself are 0: ``switch_importance``,
        I_X, 0 to 2; ``ratio``, I_X over the median I_i^0 that is not 0: above 1, X matters more
        than data do, infinite where none of them does, 0 where X does not; ``profile_distance``,
        ``gram_distance``, 0 to 1, the latter seeing combinations of data; ``reason``, text: why
        there are no shares to compare, else empty. By disciple and datum: ``importance``, I_i,
        and ``profile``, its share. An L1 distance up to 1e-6 is rounding and counts as 0.

    Raises
    ------
    EvidenceError
        If the laws have no alternatives to the evidence.
    WorldError, DiscipleError, MeasurementError
        If these are no exact laws, or a name is not there.

    References
    ----------
    S. Armstrong, "The mathematics of reduced impact: help needed" (2012), *The importance of
    information* and *Relative importance*.

    Examples
    --------
    >>> follows, stuck = [0.1, 0.9], [0.9, 0.1]
    >>> laws = xr.Dataset(
    ...     {"probability": (("alternative", "disciple", "outcome"),
    ...                      [[follows, stuck], [stuck, stuck]]),
    ...      "value": (("outcome", "measurement"), [[0.0], [1.0]])},
    ...     {"alternative": ["as it was", "poll[0]"], "datum": ("alternative", ["", "poll"]),
    ...      "disciple": ["erased", "takeover"], "measurement": ["president"]},
    ... )
    >>> found = replacement_importance(laws).sel(disciple="takeover")
    >>> float(found.ratio), float(found.profile_distance), str(found.reason.values)[:30]
    (1.0, 1.0, "no datum matters with 'takeove")
    """
    kept = read_laws(laws, disciples=disciples, measurements=measurements)
    replaced = kept[DATUM].values[1:].astype(str)
    if not len(replaced):
        raise EvidenceError(
            "these laws have no alternatives to the evidence, so there is nothing to tell what a "
            "datum is good for: enumerate_worlds(..., alternatives={'datum': [evidence, ...]})."
        )
    data, codes = _in_order(replaced)
    chances = kept[PROBABILITY].values
    names = [str(name) for name in kept[DISCIPLE].values]
    off = chances[:, 0]
    parts = [replaced_evidence(chances[:, who], off, codes) for who in range(len(names))]
    variables: dict[str, tuple[Any, np.ndarray]] = {
        "switch_importance": (DISCIPLE, np.array([part.switch for part in parts])),
        "importance": ((DISCIPLE, DATUM), np.stack([part.let_in for part in parts])),
        "profile": ((DISCIPLE, DATUM), np.stack([part.let_in_profile for part in parts])),
        "ratio": (DISCIPLE, np.array([part.ratio for part in parts])),
        "profile_distance": (DISCIPLE, np.array([part.profile_distance for part in parts])),
        "gram_distance": (DISCIPLE, np.array([part.gram_distance for part in parts])),
    }
    reasons = [_reason(part, name) for part, name in zip(parts, names, strict=True)]
    variables["reason"] = (DISCIPLE, np.array(reasons, dtype=object))
    return _named(variables, {DISCIPLE: kept[DISCIPLE].values, DATUM: data}, kept)


def _in_order(replaced: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """List data in the order of their alternatives, and the place of each alternative's own."""
    data = list(dict.fromkeys(replaced.tolist()))
    return np.array(data, dtype=object), np.array([data.index(name) for name in replaced])


def _reason(part: ReplacedEvidence, name: str) -> str:
    seen = part.erased.any(), part.let_in.any()
    if all(seen):
        return ""
    if not any(seen):
        return "no datum moves any law: there is nothing to hold X against, and nothing to share."
    if seen[0]:
        return f"no datum matters with {name!r} let in: its distances are 1 by definition."
    return f"data matter only with {name!r} let in: its distances are 1 by definition."


def _named(
    variables: dict[str, tuple[Any, np.ndarray]], coords: dict[str, np.ndarray], kept: xr.Dataset
) -> xr.Dataset:
    found = xr.Dataset(variables, coords=coords, attrs={**kept.attrs, "error": EXACT})
    for name in variables:
        found[name].attrs["long_name"] = LONG_NAMES[name]
    if "entropy_change" in found:
        found["entropy_change"].attrs["units"] = "bits"
    return found
