"""Which data are to be other than they were, or not seen at all? Labels become tensors."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr

from counterfactual_models.errors import EvidenceError
from inference.evidence_labels import example_label, found_place, hidden_places
from inference.posterior.question import Question

__all__ = ["Changes", "read_changes"]


@dataclass(frozen=True)
class Changes:
    """What becomes of the evidence.

    Parameters
    ----------
    evidence
        All of it, past and future, with the values it has now.
    unseen
        Site -> which places of its batch are left out; only sites of which some are.
    touched
        Sites whose values, or whose places, are others than before.
    labels
        Of all that is not seen, now or before.
    told
        The labels that were named.
    """

    evidence: dict[str, np.ndarray]
    unseen: dict[str, torch.Tensor]
    touched: list[str]
    labels: list[str]
    told: list[str]


def read_changes(
    question: Question,
    observed: xr.Dataset,
    evidence: Mapping[str, Any] | None,
    unseen: Sequence[str] | str,
    already: Sequence[str] = (),
) -> Changes:
    """Read what is to be changed, and refuse what cannot be.

    Parameters
    ----------
    question
        What was asked before.
    observed
        Group `observed_data` of the tree: the labels, and the values before.
    evidence
        ``orders`` or ``orders[3]`` -> other values.
    unseen
        ``orders``, ``orders[3]`` or ``woman[17]``.
    already
        The same, of what was not seen before either.

    Raises
    ------
    EvidenceError
        If a name is not there (the nearest is offered), speaks of the future, or is observed by
        the world itself; if a datum is part of one that counts as a whole; if nothing changes.
    """
    before = {str(n): v.values for n, v in observed.items() if n not in question.whole.data}
    after = {name: values.copy() for name, values in before.items()}
    for label, value in dict(evidence or {}).items():
        name, place = found_place(label, question, observed)
        if name not in after:
            raise EvidenceError(
                f"the world itself observes {name!r} (obs=, or poutine.condition), so its values "
                "are part of the world; give them as evidence, or change the world."
            )
        _write(after[name], place, value, label, example_label(observed[name]))
    labels = [unseen] if isinstance(unseen, str) else list(unseen)
    every = list(dict.fromkeys([*already, *labels]))
    hidden = hidden_places(question, observed, every)
    known = hidden_places(question, observed, already)
    newly = [n for n in hidden if n not in known or not torch.equal(hidden[n], known[n])]
    moved = [name for name in after if not np.array_equal(after[name], before[name])]
    touched = [n for n in question.data if n in observed and (n in moved or n in newly)]
    for name in set(moved) & set(hidden):
        moves = after[name] != before[name]
        if moves[hidden[name].numpy()].any():
            raise EvidenceError(
                f"a datum of {name!r} gets another value, and is not to be seen (unseen="
                f"{every}): expected one or the other. What is unseen stays so in later revisions."
            )
    if not touched:
        raise EvidenceError(
            "nothing is changed: give other values, {'orders[3]': 7}, or name what was not seen, "
            "unseen=['orders[3]']."
        )
    return Changes(after, hidden, touched, every, [*map(str, evidence or {}), *labels])


def _write(
    values: np.ndarray, place: tuple[Any, ...], value: Any, label: str, example: str
) -> None:
    """Put values in their place, in the type that the site has."""
    shape = values[place].shape
    try:
        given = np.asarray(value).astype(values.dtype)
    except (TypeError, ValueError) as error:
        raise EvidenceError(
            f"{label!r} holds {values.dtype} numbers and got {value!r}; expected one for each of "
            "its places."
        ) from error
    single = given.size == 1
    if given.shape != shape and not (single and math.prod(shape) == 1):
        raise EvidenceError(
            f"{label!r} has shape {shape} and got a value of shape {given.shape}; expected one "
            "for each of its places"
            + f", or the label of one datum, such as {example!r}" * single
            + "."
        )
    values[place], given = given.reshape(shape), np.asarray(value).reshape(shape)
    if not np.allclose(values[place], given, rtol=1e-5, equal_nan=True):
        raise EvidenceError(
            f"{label!r} holds {values.dtype} numbers and got {given.tolist()}, which would become "
            f"{values[place].tolist()}."
        )
