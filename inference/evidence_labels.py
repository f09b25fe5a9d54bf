"""Which data does a label speak of, and which of them has a belief not seen?

A datum is named as ArviZ names it, ``orders[3]``; so are all places of a site, ``orders``, and all
data of a place of a plate, ``woman[17]``.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from counterfactual_models.anatomy import Site, dissect
from counterfactual_models.disciples import erased
from counterfactual_models.errors import EvidenceError, nearest
from counterfactual_models.without import without
from inference.posterior.question import Question, ask
from inference.stacking import labels_of

__all__ = ["as_asked", "as_believed", "example_label", "found_place", "hidden_places"]


def as_asked(world: Callable[..., Any], observed: xr.Dataset) -> Question:
    """Ask again what was asked of a world, as if all of the evidence had been seen.

    Parameters
    ----------
    world
        The program.
    observed
        Group `observed_data` of a tree: the evidence, labelled.

    Returns
    -------
    Question
    """
    own = dissect(world, erased).data
    return ask(world, {str(n): v.values for n, v in observed.items() if n not in own})


def as_believed(
    world: Callable[..., Any], observed: xr.Dataset, unseen: Sequence[str]
) -> Callable[..., Any]:
    """Take the data that a belief has not seen out of its world, as ``revise`` did.

    Parameters
    ----------
    world, observed
        As in :func:`as_asked`.
    unseen
        Labels: ``orders``, ``orders[3]``, or ``woman[17]`` for a place of a plate.

    Returns
    -------
    callable
        The world without them; the world itself if there are none.

    Raises
    ------
    EvidenceError
        If a label names no datum, or several.
    """
    if not unseen:
        return world
    return without(world, hidden_places(as_asked(world, observed), observed, unseen))


def hidden_places(
    question: Question, observed: xr.Dataset, labels: Sequence[str]
) -> dict[str, torch.Tensor]:
    """Find which places of which sites labels of unseen data name.

    Parameters
    ----------
    question
        What was asked before.
    observed
        Group `observed_data` of a tree: the evidence, labelled.
    labels
        ``orders``, ``orders[3]`` or ``woman[17]``.

    Returns
    -------
    dict
        Site -> flags of the shape of its batch, true where it is not seen.

    Raises
    ------
    EvidenceError
        If a label names no datum, several, part of one, or one after the switch.
    """
    past = [name for name in question.data if name in observed]
    hidden: dict[str, torch.Tensor] = {}
    for label in labels:
        for name, place in _hidden(label, question, observed, past):
            batch = _batch(question.whole.sites[name])
            hidden.setdefault(name, torch.zeros(batch, dtype=torch.bool))[place] = True
    return hidden


def found_place(
    label: str, question: Question, observed: xr.Dataset
) -> tuple[str, tuple[Any, ...]]:
    """Find the site, and the place along its first axes, that a label names.

    Parameters
    ----------
    label
        ``orders`` or ``orders[3]``.
    question, observed
        As in :func:`hidden_places`.

    Raises
    ------
    EvidenceError
        If there is none, or several; if it comes after the switch.
    """
    name, inside = _split(label)
    if name in question.later:
        raise EvidenceError(
            f"{name!r} speaks about what comes after the switch, which weighs every world by "
            "itself: draw the worlds anew with other evidence."
        )
    past = [name for name in question.data if name in observed]
    if name not in past:
        raise EvidenceError(f"no evidence is named {name!r}. {nearest(name, past)}")
    return name, _place(label, inside, observed[name])


def example_label(site: xr.DataArray) -> str:
    """Label the first datum of a site, to show what labels look like.

    Examples
    --------
    >>> example_label(xr.DataArray([7, 5], {"city": ["rome", "oslo"]}, ["city"], name="visits"))
    'visits[rome]'
    """
    labels = labels_of(site[dict.fromkeys(site.dims, slice(0, 1))], [])
    return labels[0] if labels else str(site.name)


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
        name, place = found_place(label, question, observed)
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
            f"{example_label(along)!r}."
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


def _batch(site: Site) -> tuple[int, ...]:
    return tuple(site.value.shape[: site.batch_ndim])


def _place(label: str, inside: str, site: xr.DataArray) -> tuple[int, ...]:
    """Look up labels along the first dims of a site; they may have commas of their own."""
    known = [_places(site, dim) for dim in site.dims]
    found = _readings(inside, known) if inside else [()]
    longest = [one for one in found if len(one) == max(map(len, found))]
    if len(longest) == 1:
        return longest[0]
    example = f"Labels look like {example_label(site)!r}."
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
