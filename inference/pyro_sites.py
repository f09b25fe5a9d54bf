"""Which sites of a Pyro model are known in each draw, and how does a tree show them?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from counterfactual_models.anatomy import Anatomy, Site
from counterfactual_models.errors import WorldError
from inference import schema
from inference.labels import Labels

__all__ = ["Plan", "Shown", "bare", "label", "sort_sites"]

_TAKEN = (schema.CHAIN, schema.DRAW, "sample")  # what ArviZ calls dims of its own
_MOVES = "is observed, or masked, otherwise in each draw"
_TOLD = 10
_UNOBSERVED = "_unobserved"  # Pyro's own, for what `obs_mask` leaves open


@dataclass(frozen=True)
class Plan:
    """Names of sites by what becomes of them, each in the model's order.

    Parameters
    ----------
    anatomy
        All sites.
    latents, computed, data
        What was drawn, what follows from it, and what was observed.
    made
        Data that the model itself makes: the draws have to show that they are fixed.
    left_out
        Why each of the others is not in the tree.
    """

    anatomy: Anatomy
    latents: list[str] = field(default_factory=list)
    computed: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def kept(self) -> dict[str, Site]:
        """Sites that the tree holds."""
        known = {*self.latents, *self.computed, *self.data}
        return {name: site for name, site in self.anatomy.sites.items() if name in known}

    @property
    def told(self) -> str:
        """What is left out, and why."""
        some = [f"{name!r} {why}" for name, why in self.left_out.items()]
        rest = [f"and {len(some) - _TOLD} more"] if len(some) > _TOLD else []
        return "; ".join(some[:_TOLD] + rest)

    @property
    def watched(self) -> Anatomy:
        """The anatomy for a replay that records the data which the model makes."""
        made = {name: replace(self.anatomy.sites[name], computed=True) for name in self.made}
        return replace(self.anatomy, sites={**self.anatomy.sites, **made})

    def drop_what_moves(self, values: Mapping[str, torch.Tensor]) -> None:
        """Leave out data that are not the same in each draw (first axis)."""
        for name, rows in values.items():
            if not _equal(rows, self.anatomy.sites[name].value.expand(rows.shape)):
                self.data.remove(name)
                self.left_out[name] = _MOVES


def sort_sites(anatomy: Anatomy, again: Anatomy, drawn: Mapping[str, torch.Tensor]) -> Plan:
    """Sort the sites of a model by what is known about them.

    What runs before the first site that is not known in each draw cannot depend on it: that much
    is certain. What comes after is left out; a number from the prior would look like the others.

    Parameters
    ----------
    anatomy, again
        The model as two runs with different random numbers show it.
    drawn
        The latents that the run holds draws of.

    Raises
    ------
    WorldError
        If no latent is left.
    """
    plan = Plan(anatomy)
    unknown = ""
    for name, site in anatomy.sites.items():
        why = _unknown(site, again.sites.get(name), name in drawn, unknown)
        if why:
            plan.left_out[name] = why
            unknown = unknown or (name if site.subsampled or _is_latent(site) else "")
        elif _is_latent(site):
            plan.latents.append(name)
        elif site.computed:
            plan.computed.append(name)
        elif site.value.numel():  # not pyro.factor
            plan.data.append(name)
            if site.value.data_ptr() != again.sites[name].value.data_ptr():
                plan.made.append(name)
    if not plan.latents:
        raise WorldError(f"no latent is known in each draw: {plan.told}.")
    return plan


def _is_latent(site: Site) -> bool:
    return not site.computed and not site.observed


def _unknown(site: Site, again: Site | None, drawn: bool, unknown: str) -> str:
    """Say why a site cannot be given for each draw; nothing if it can."""
    if site.subsampled:
        return "sits in a plate that takes only some of its places"
    if _is_latent(site):
        return "" if drawn else "is sampled by the model, and the run has no draws of it"
    if not site.computed and not site.value.numel():
        return ""
    if unknown:
        return f"comes after {unknown!r}"
    return "" if site.computed else _no_datum(site, again)


def _no_datum(site: Site, again: Site | None) -> str:
    """Say why what a site observes is no datum: fixed numbers, one for each of its places."""
    if again is None or not (_equal(site.value, again.value) and _equal(site.mask, again.mask)):
        return _MOVES
    shape, own = tuple(site.value.shape), tuple(site.fn.shape())
    if shape != own:
        return f"is observed with shape {shape}, and its distribution has shape {own}"
    if site.mask is not None and not torch.as_tensor(site.mask).any():
        return "is masked everywhere"
    return ""


def _equal(one: Any, other: Any) -> bool:
    if not isinstance(one, torch.Tensor) or not isinstance(other, torch.Tensor):
        return one is other
    if one.shape != other.shape:
        return False
    return bool(((one == other) | ((one != one) & (other != other))).all())  # NaN is NaN


def bare(drawn: Mapping[str, torch.Tensor]) -> Plan:
    """Plan for draws (chain, draw, ...) that no model stands behind."""
    sites = {}
    for name, value in drawn.items():
        one = value[0, 0]
        dims = (None,) * one.ndim
        sites[name] = Site(name, "past", one, 0, dims, None, False, False, False, False)
    return Plan(Anatomy(sites, None, 0), list(sites))


@dataclass(frozen=True)
class Shown:
    """A site as a tree shows it.

    Parameters
    ----------
    site
        With the name, dims and places that are shown.
    places
        Which places of the batch are kept; None for all.
    plate
        What names the places, if one plate does.
    """

    site: Site
    places: np.ndarray | None = None
    plate: str | None = None

    @classmethod
    def of(cls, site: Site) -> "Shown":
        """Rename what ArviZ and netCDF have other uses for, and keep the places that count."""
        if site.name in _TAKEN:
            raise WorldError(f"the model calls a site {site.name!r}, as ArviZ calls a dim.")
        dims = [None if dim in _TAKEN else dim and dim.replace("/", ".") for dim in site.dims]
        name, places = site.name.replace("/", "."), _places(site)
        if places is None:
            return cls(replace(site, name=name, dims=tuple(dims)))
        batch, event = dims[: site.batch_ndim], dims[site.batch_ndim :]
        value = site.value[places]
        shown = replace(site, name=name, value=value, batch_ndim=1, dims=(None, *event))
        return cls(shown, places.cpu().numpy(), batch[0] if len(batch) == 1 else None)

    def array(self, values: torch.Tensor, lead: int) -> np.ndarray:
        """Take what is shown out of values with `lead` more axes in front."""
        found = values.detach().cpu().numpy()
        return found if self.places is None else found[(slice(None),) * lead + (self.places,)]


def _places(site: Site) -> torch.Tensor | None:
    """Find the places of masked data that count, or of what ``obs_mask`` leaves open.

    Elsewhere the density is 1 for any value: ArviZ would count it as a datum, and loo fails.
    """
    data = site.observed and not site.computed
    if not isinstance(site.mask, torch.Tensor) or not (data or site.name.endswith(_UNOBSERVED)):
        return None
    mask = site.mask.expand(site.value.shape[: site.batch_ndim]).bool()
    return None if mask.all() else mask


def label(
    shown: Mapping[str, Shown],
    coords: Mapping[str, Any] | None,
    dims: Mapping[str, Sequence[str]] | None,
) -> Labels:
    """Name the axes; places that are kept have the labels, or numbers, they had among all."""
    sites = {one.site.name: one.site for one in shown.values()}
    if len(sites) < len(shown):
        raise WorldError(f"two sites have one name when '/' becomes '.': {list(shown)}.")
    given = dict(coords or {})
    for one in shown.values():
        if one.places is not None:
            own = given.get(one.plate or "", ())
            places = np.flatnonzero(one.places)
            dim = (dims or {}).get(one.site.name, [f"{one.site.name}_dim_0"])[0]
            every = len(own) == one.places.size
            given.setdefault(dim, np.asarray(own)[places] if every else places)
    gone = {one.plate for one in shown.values()} - {d for s in sites.values() for d in s.dims}
    return Labels({dim: own for dim, own in given.items() if dim not in gone}, dims, sites)
