"""How are the axes of a site called? The user's names first, then plates, then ``<site>_dim_k``."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.anatomy import Site
from counterfactual_models.errors import WorldError, nearest

__all__ = ["Labels"]


class Labels:
    """Names the axes of sites, and the places along them.

    Parameters
    ----------
    coords
        Dim -> labels along it.
    dims
        Site -> a name for each of its axes.
    sites
        Names of all sites, to hold `dims` against.
    """

    def __init__(
        self,
        coords: Mapping[str, Any] | None,
        dims: Mapping[str, Sequence[str]] | None,
        sites: Mapping[str, Site],
    ) -> None:
        self.coords = dict(coords or {})
        self.dims = dict(dims or {})
        self.sites = sites
        for name in self.dims:
            if name not in sites:
                raise WorldError(f"dims names the site {name!r}. " + nearest(name, sites))
        known = {dim for name, site in sites.items() for dim in self.of(name)}
        for dim in self.coords:
            if dim not in known:
                raise WorldError(f"coords names the dim {dim!r}. " + nearest(dim, sorted(known)))

    def adopt(self, tree: xr.DataTree) -> None:
        """Take over the labels that an earlier result gave to the same dims."""
        for group in ("posterior", "observed_data"):
            for dim, values in tree[group].coords.items():
                self.coords.setdefault(str(dim), values.values)

    def of(self, name: str) -> list[str]:
        """Name the axes of a site."""
        site = self.sites[name]
        shape = site.value.shape
        given = self.dims.get(name)
        if given is not None and len(given) != len(shape):
            raise WorldError(
                f"dims of {name!r} are {list(given)}; expected {len(shape)} names for its shape "
                f"{tuple(shape)}."
            )
        own = given if given is not None else site.dims
        return [dim or f"{name}_dim_{k}" for k, dim in enumerate(own)]

    def _coordinates(self, sizes: Mapping[str, int]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for dim, size in sizes.items():
            values = self.coords.get(dim, np.arange(size))
            if len(values) != size:
                raise WorldError(
                    f"coords of {dim!r} has {len(values)} labels; expected {size}, one for each "
                    "place along it."
                )
            out[dim] = np.asarray(values)
        return out

    def dataset(self, arrays: Mapping[str, np.ndarray], lead: Sequence[str] = ()) -> xr.Dataset:
        """Label arrays of sites; their first axes are those of `lead`."""
        variables = {}
        for name, array in arrays.items():
            own = self.of(name)[: array.ndim - len(lead)]
            variables[name] = ([*lead, *own], array)
        found = xr.Dataset(variables)
        return found.assign_coords(self._coordinates(dict(found.sizes)))
