"""Which data were not seen by the belief? Those that a revised tree names by their labels."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from counterfactual_models.anatomy import dissect
from counterfactual_models.disciples import erased
from counterfactual_models.without import without

__all__ = ["as_believed"]


def as_believed(
    world: Callable[..., Any], observed: xr.Dataset, unseen: Sequence[str]
) -> Callable[..., Any]:
    """Take the data that were not seen out of a world, as ``revise`` did.

    Parameters
    ----------
    world
        The program.
    observed
        The evidence, labelled.
    unseen
        Labels: ``orders``, ``orders[3]``, or ``woman[17]`` for a place of a plate.

    Returns
    -------
    callable
        The world without them; the world itself if there are none.
    """
    if not unseen:
        return world
    sites = dissect(world, erased).sites
    places: dict[str, torch.Tensor] = {}
    for label in unseen:
        name, _, inside = str(label).partition("[")
        labels = inside.removesuffix("]").split(", ") if inside else []
        for site, dims in _having(name, sites, observed).items():
            index: list[Any] = [slice(None)] * len(dims)
            along = list(observed[site].dims)[: len(labels)] if name == site else [name]
            for dim, text in zip(along, labels, strict=True):
                index[dims.index(dim)] = _place(observed[site], str(dim), text)
            flags = torch.zeros([observed.sizes[d] for d in dims], dtype=torch.bool)
            places.setdefault(site, flags)[tuple(index)] = True
    return without(world, places)


def _having(name: str, sites: Mapping[str, Any], observed: xr.Dataset) -> dict[str, Sequence[Any]]:
    """Find the sites that a label speaks of, and the dims of their batches."""
    past: Iterable[str] = (n for n, s in sites.items() if n in observed and s.role != "future")
    dims = {n: observed[n].dims[: sites[n].batch_ndim] for n in past}
    return {name: dims[name]} if name in dims else {n: d for n, d in dims.items() if name in d}


def _place(site: xr.DataArray, dim: str, text: str) -> int:
    own = site[dim].values if dim in site.coords else np.arange(site.sizes[dim])
    return [str(one) for one in own].index(text)
