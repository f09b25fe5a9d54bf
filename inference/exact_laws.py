"""How are exact laws of worlds written down, and read again?

A dataset with the dims alternative (to the evidence), disciple, outcome, measurement holds the
``probability`` of every outcome, and the ``value`` of every measurement in it.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from counterfactual_models.errors import MeasurementError, WorldError, nearest
from inference.arrays.finite_laws import pooled
from inference.schema import DATUM, DISCIPLE, ERASED, MEASUREMENT, chosen_disciples

__all__ = [
    "ALTERNATIVE",
    "AS_IT_WAS",
    "LOG_EVIDENCE",
    "OUTCOME",
    "PROBABILITY",
    "VALUE",
    "read_laws",
]

ALTERNATIVE, OUTCOME = "alternative", "outcome"
PROBABILITY, VALUE, LOG_EVIDENCE = "probability", "value", "log_evidence"
AS_IT_WAS = "as it was"
"""Label of the evidence that was met."""
ROUNDING = 1e-4


def read_laws(
    laws: xr.Dataset,
    *,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
) -> xr.Dataset:
    """Keep some disciples and measurements of exact laws; outcomes that are now alike become one.

    Parameters
    ----------
    laws
        What ``enumerate_worlds`` returned, or the same made by hand.
    disciples
        Names to keep beside ``erased``; all by default.
    measurements
        Labels (``"visits[paris]"``), or names of all their labels (``"visits"``); all by default.

    Returns
    -------
    xr.Dataset
        `probability` (alternative, disciple, outcome) and `value` (outcome, measurement);
        ``as it was`` and ``erased`` come first.

    Raises
    ------
    WorldError
        If this is no such dataset, or its probabilities are none.
    DiscipleError, MeasurementError
        If a name is not there; the nearest one is offered.

    Examples
    --------
    >>> laws = xr.Dataset(
    ...     {"probability": (("alternative", "disciple", "outcome"), [[[0.5, 0.5], [0.0, 1.0]]]),
    ...      "value": (("outcome", "measurement"), [[0.0, 1.0], [1.0, 1.0]])},
    ...     {"alternative": ["as it was"], "datum": ("alternative", [""]),
    ...      "disciple": ["erased", "bold"], "measurement": ["war", "rain"]},
    ... )
    >>> read_laws(laws, measurements="rain")["probability"].values.tolist()
    [[[1.0], [1.0]]]
    """
    _refuse_others(laws)
    lead = (ALTERNATIVE, DISCIPLE)
    wanted = chosen_disciples(laws[DISCIPLE].values, disciples)
    labels = [str(label) for label in laws[MEASUREMENT].values]
    kept = _kept(labels, measurements)
    others = [label for label in laws[ALTERNATIVE].values if label != AS_IT_WAS]
    laws = laws.sel({DISCIPLE: wanted, ALTERNATIVE: [AS_IT_WAS, *others]})
    value = laws[VALUE].transpose(OUTCOME, MEASUREMENT).values[:, kept]
    probability = laws[PROBABILITY].transpose(*lead, OUTCOME).values.astype(float)
    rows, probability = pooled(value, probability)
    coords = {name: laws[name] for name in (*lead, DATUM)}
    return xr.Dataset(
        {PROBABILITY: ((*lead, OUTCOME), probability), VALUE: ((OUTCOME, MEASUREMENT), rows)},
        {**coords, MEASUREMENT: np.array([labels[k] for k in kept], dtype=object)},
        laws.attrs,
    )


def _refuse_others(laws: xr.Dataset) -> None:
    expected = {
        PROBABILITY: {ALTERNATIVE, DISCIPLE, OUTCOME},
        VALUE: {OUTCOME, MEASUREMENT},
        DATUM: {ALTERNATIVE},
        MEASUREMENT: {MEASUREMENT},
        DISCIPLE: {DISCIPLE},
        ALTERNATIVE: {ALTERNATIVE},
    }
    for name, dims in expected.items():
        if not isinstance(laws, xr.Dataset) or name not in laws.variables:
            kind = type(laws).__name__
            raise WorldError(
                f"got a {kind} without {name!r}; expected the exact laws that "
                "enumerate_worlds(world, evidence, disciples) returns."
            )
        if set(laws[name].dims) != dims:
            raise WorldError(
                f"{name!r} has the dims {list(map(str, laws[name].dims))}; expected "
                f"{sorted(dims)}, as enumerate_worlds(...) returns them."
            )
    for name, label in ((DISCIPLE, ERASED), (ALTERNATIVE, AS_IT_WAS)):
        labels = laws[name].values.tolist()
        if label not in labels or len(set(labels)) != len(labels):
            raise WorldError(
                f"the labels of {name} are {labels[:8]}; expected {label!r} among them, and each "
                "once."
            )
    chances = laws[PROBABILITY]
    bad = ~(chances >= 0) | ~np.isfinite(chances)
    off = abs(chances.sum(OUTCOME) - 1) > ROUNDING
    if bool(bad.any()) or bool(off.any()):
        where = bad.any(OUTCOME) | off
        at = np.argwhere(where.transpose(ALTERNATIVE, DISCIPLE).values)[0]
        raise WorldError(
            f"the probabilities of disciple {str(laws[DISCIPLE].values[at[1]])!r}, alternative "
            f"{str(laws[ALTERNATIVE].values[at[0]])!r}, are no law; expected numbers of at least "
            "0 that add up to 1."
        )


def _kept(labels: list[str], measurements: Sequence[str] | str | None) -> list[int]:
    if measurements is None:
        return list(range(len(labels)))
    chosen = [measurements] if isinstance(measurements, str) else list(map(str, measurements))
    for name in chosen:
        if not any(name in (label, label.split("[")[0]) for label in labels):
            raise MeasurementError(f"nothing measured is named {name!r}. " + nearest(name, labels))
    if not chosen:
        raise MeasurementError("got no measurement; expected at least one, or None for all.")
    return [k for k, label in enumerate(labels) if {label, label.split("[")[0]} & set(chosen)]
