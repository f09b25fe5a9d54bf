"""Which data are to be other than they were, or not seen at all? Labels become tensors.

A datum is named as ArviZ names it, ``orders[3]``; so are all places of a site, ``orders``, and all
data of a place of a plate, ``woman[17]``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr

from counterfactual_models.anatomy import Site
from counterfactual_models.errors import EvidenceError, nearest
from inference.posterior.question import Question
from inference.stacking import labels_of

__all__ = ["Changes", "hidden_places", "read_changes"]


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
    past = [name for name in question.data if name in observed]
    before = {str(n): v.values for n, v in observed.items() if n not in question.whole.data}
    after = {name: values.copy() for name, values in before.items()}
    for label, value in dict(evidence or {}).items():
        name, place = _found(label, question, observed, past)
        if name not in after:
            raise EvidenceError(
                f"the world itself observes {name!r} (obs=, or poutine.condition), so its values "
                "are part of the world; give them as evidence, or change the world."
            )
        _write(after[name], place, value, label, _example(observed[name]))
    labels = [unseen] if isinstance(unseen, str) else list(unseen)
    every = list(dict.fromkeys([*already, *labels]))
    hidden = hidden_places(question, observed, every)
    known = hidden_places(question, observed, already)
    newly = [n for n in hidden if n not in known or not torch.equal(hidden[n], known[n])]
    moved = [name for name in after if not np.array_equal(after[name], before[name])]
    touched = [name for name in past if name in moved or name in newly]
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


def hidden_places(
    question: Question, observed: xr.Dataset, labels: Sequence[str]
) -> dict[str, torch.Tensor]:
    """Find which places of which sites labels of unseen data name.

    Parameters
    ----------
    question, observed, labels
        As in :func:`read_changes`.

    Returns
    -------
    dict
        Site -> flags of the shape of its batch, true where it is not seen.
    """
    past = [name for name in question.data if name in observed]
    hidden: dict[str, torch.Tensor] = {}
    for label in labels:
        for name, place in _hidden(label, question, observed, past):
            batch = _batch(question.whole.sites[name])
            hidden.setdefault(name, torch.zeros(batch, dtype=torch.bool))[place] = True
    return hidden


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


def _batch(site: Site) -> tuple[int, ...]:
    return tuple(site.value.shape[: site.batch_ndim])


def _found(
    label: str, question: Question, observed: xr.Dataset, past: list[str]
) -> tuple[str, tuple[Any, ...]]:
    """Find the site and the place that a label names."""
    name, inside = _split(label)
    if name in question.later:
        raise EvidenceError(
            f"{name!r} speaks about what comes after the switch, which weighs every world by "
            "itself: draw the worlds anew with other evidence."
        )
    if name not in past:
        raise EvidenceError(f"no evidence is named {name!r}. {nearest(name, past)}")
    return name, _place(label, inside, observed[name])


def _hidden(
    label: str, question: Question, observed: xr.Dataset, past: list[str]
) -> list[tuple[str, tuple[Any, ...]]]:
    """Find all that a label of unseen data names: places of a site, or of a dim of sites."""
    name, inside = _split(label)
    sites = {n: question.whole.sites[n] for n in past}
    having = {
        n: list(observed[n].dims[: s.batch_ndim]).index(name)
        for n, s in sites.items()
        if name in observed[n].dims[: s.batch_ndim]
    }
    if not having or name in past or name in question.later:
        dims = {str(dim) for n in past for dim in observed[n].dims}
        if name not in past and name not in question.later:
            raise EvidenceError(
                f"no evidence, and no dim of it, is named {name!r}. "
                + nearest(name, [*past, *sorted(dims)])
            )
        name, place = _found(label, question, observed, past)
        if len(place) > sites[name].batch_ndim:
            batch = sites[name].batch_ndim
            raise EvidenceError(
                f"{label!r} is part of a datum that counts as a whole: {name!r} has a likelihood "
                f"for each of {_batch(sites[name])}; leave out "
                f"{_called(observed[name], place[:batch])}."
            )
        return [(name, place)]
    first = observed[next(iter(having))]
    along = xr.DataArray(np.arange(first.sizes[name]), dims=[name], name=name)
    along = along.assign_coords({name: first[name]}) if name in first.coords else along
    if not inside:
        raise EvidenceError(
            f"{label!r} names no place of {name!r}; expected {name}[label]. Labels look like "
            f"{_example(along)!r}."
        )
    (one,) = _place(label, inside, along)
    return [(n, (*[slice(None)] * axis, one)) for n, axis in having.items()]


def _split(label: str) -> tuple[str, str]:
    name, _, inside = str(label).partition("[")
    return name, inside.removesuffix("]")


def _called(site: xr.DataArray, place: tuple[int, ...]) -> str:
    """Label the data of a site that begin with these places."""
    own = site[(*place, *[0] * (site.ndim - len(place)))]
    found = [
        str(own[dim].item()) if dim in own.coords else str(at)
        for dim, at in zip(site.dims, place, strict=False)
    ]
    return f"{site.name}[{', '.join(found)}]" if found else str(site.name)


def _example(site: xr.DataArray) -> str:
    labels = labels_of(site[dict.fromkeys(site.dims, slice(0, 1))], [])
    return labels[0] if labels else str(site.name)


def _place(label: str, inside: str, site: xr.DataArray) -> tuple[int, ...]:
    """Look up labels along the first dims of a site; they may have commas of their own."""
    known = [_places(site, dim) for dim in site.dims]
    found = _readings(inside, known) if inside else [()]
    longest = [one for one in found if len(one) == max(map(len, found))]
    if len(longest) == 1:
        return longest[0]
    example = f"Labels look like {_example(site)!r}."
    if longest:
        raise EvidenceError(
            f"{label!r} is ambiguous: {len(longest)} places of {site.name!r} are labelled so, "
            f"{longest[0]} and {longest[1]} among them. Give values for the whole of it, or give "
            f"the dims {list(map(str, site.dims))} labels of their own."
        )
    parts = inside.split(", ")
    if len(parts) > site.ndim and not any(", " in text for texts in known for text in texts):
        raise EvidenceError(
            f"{label!r} has {len(parts)} labels; expected at most {site.ndim}, for the dims "
            f"{list(map(str, site.dims))}. {example}"
        )
    pairs = zip(parts, site.dims, known, strict=False)
    text, dim, texts = next(
        ((text, dim, texts) for text, dim, texts in pairs if text not in texts),
        (inside, site.dims[0], known[0]),
    )
    raise EvidenceError(
        f"{label!r}: the dim {dim!r} has no place {text!r}. {nearest(text, texts)} {example}"
    )


def _places(site: xr.DataArray, dim: Any) -> dict[str, list[int]]:
    """Places of a dim by their labels, as the tables print them and as NumPy does."""
    own = site[dim].values if dim in site.coords else np.arange(site.sizes[dim])
    found: dict[str, list[int]] = {}
    along = xr.DataArray(own, {dim: own}, [dim], name="")
    for place, (printed, value) in enumerate(zip(labels_of(along, []), own, strict=True)):
        for text in dict.fromkeys((printed[1:-1], str(value))):
            found.setdefault(text, []).append(place)
    return found


def _readings(inside: str, known: list[dict[str, list[int]]]) -> list[tuple[int, ...]]:
    """Read labels from the left, each a place of the next dim, in all ways there are."""
    if not known:
        return []
    parts = inside.split(", ")
    found = []
    for count in range(1, len(parts) + 1):
        rest = ", ".join(parts[count:])
        ends = _readings(rest, known[1:]) if rest else [()]
        for place in known[0].get(", ".join(parts[:count]), []):
            found += [(place, *end) for end in ends]
    return found
