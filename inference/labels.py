"""How are the axes of a site called? By the user, else by plates, else ``<site>_dim_k``."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.anatomy import Site
from counterfactual_models.errors import WorldError, nearest
from inference.schema import RESERVED

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
        for name, own in self.dims.items():
            if name not in sites:
                raise WorldError(f"dims names the site {name!r}. " + nearest(name, sites))
            for dim in own:
                if dim in RESERVED or list(own).count(dim) > 1:
                    raise WorldError(
                        f"dims of {name!r} are {list(own)}; expected distinct names, none of "
                        f"{', '.join(RESERVED)}."
                    )
        sizes = self._sizes()
        for dim in sizes:
            if dim in sites:
                raise WorldError(
                    f"{dim!r} names both a site and an axis (plate, or dims=); rename one of them."
                )
        for dim, values in self.coords.items():
            if dim not in sizes:
                raise WorldError(
                    f"coords names the dim {dim!r}, which no plate and no dims= of a measurement "
                    "names. " + nearest(dim, sorted(sizes))
                )
            if len(values) != sizes[dim]:
                raise WorldError(
                    f"coords of {dim!r} has {len(values)} labels; expected {sizes[dim]}, one for "
                    "each place along it."
                )

    def _sizes(self) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for name, site in self.sites.items():
            for dim, size in zip(self.of(name), site.value.shape, strict=True):
                if sizes.setdefault(dim, size) != size:
                    raise WorldError(
                        f"the dim {dim!r} has {sizes[dim]} places in one site and {size} in "
                        f"{name!r}; give one of them another name by dims=."
                    )
        return sizes

    def adopt(self, tree: xr.DataTree) -> None:
        """Take over the labels that an earlier result gave to the same dims."""
        for group in ("posterior", "observed_data"):
            for dim, values in tree[group].coords.items():
                if dim not in RESERVED:
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
        return [str(dim or f"{name}_dim_{k}") for k, dim in enumerate(own)]

    def dataset(
        self,
        arrays: Mapping[str, np.ndarray],
        lead: Sequence[str] = (),
        attrs: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> xr.Dataset:
        """Label arrays of sites; their first axes are those of `lead`."""
        variables = {}
        for name, array in arrays.items():
            own = self.of(name)[: array.ndim - len(lead)]
            variables[name] = ([*lead, *own], array, (attrs or {}).get(name))
        found = xr.Dataset(variables)
        return found.assign_coords(self._along(found.sizes))

    def coordinates(self, names: Sequence[str]) -> xr.Dataset:
        """Label the axes of sites, without their values."""
        sizes = {
            dim: size
            for name in names
            for dim, size in zip(self.of(name), self.sites[name].value.shape, strict=True)
        }
        return xr.Dataset(coords=self._along(sizes))

    def text(self, names: Sequence[str]) -> str:
        """Tell in a few digits how the axes of sites are labelled."""
        along = self.coordinates(names).coords
        told = [
            [self.of(name) for name in names],
            {str(d): c.values.tolist() for d, c in along.items()},
        ]
        return hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()[:16]

    def _along(self, sizes: Mapping[Any, int]) -> dict[Any, np.ndarray]:
        return {
            dim: np.asarray(self.coords.get(str(dim), np.arange(size)))
            for dim, size in sizes.items()
        }
