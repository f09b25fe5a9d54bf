"""What might there have been instead of each datum, where a datum is one of a few numbers?"""

from collections.abc import Mapping
from typing import Any

import torch

from counterfactual_models.errors import EvidenceError, nearest

__all__ = ["instead", "seen"]


def instead(
    evidence: Mapping[str, torch.Tensor], counts: Mapping[str, int]
) -> dict[str, list[dict[str, torch.Tensor]]]:
    """List all evidences that differ in one datum.

    Parameters
    ----------
    evidence
        Datum -> a whole number.
    counts
        Datum -> how many values it may have: 0, 1, ... A datum that may have one alone has no
        alternative, and is left out.

    Returns
    -------
    dict
        Datum -> evidences, whole, with this datum changed.

    Raises
    ------
    EvidenceError
        If a datum is missing, or is none of its values.

    Examples
    --------
    >>> others = instead({"price": torch.tensor(1)}, {"price": 3})
    >>> [int(other["price"]) for other in others["price"]]
    [0, 2]
    """
    return {
        datum: [
            {**evidence, datum: torch.full_like(evidence[datum], value)}
            for value in range(count)
            if value != seen(evidence, datum, count)
        ]
        for datum, count in counts.items()
        if count > 1
    }


def seen(evidence: Mapping[str, Any], datum: str, count: int) -> int:
    """Read a datum that is one of 0, 1, ..., count - 1.

    Examples
    --------
    >>> seen({"price": torch.tensor(1.0)}, "price", 3)
    1
    """
    if datum not in evidence:
        raise EvidenceError(f"the evidence lacks {datum!r}. " + nearest(datum, evidence))
    value = float(evidence[datum])
    if value not in range(count):
        raise EvidenceError(f"got {datum}={value:g}; expected one of 0 to {count - 1}.")
    return int(value)
