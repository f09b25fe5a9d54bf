"""How do drawn worlds become one labelled tree?"""

from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.handlers import derive_seed
from inference import schema
from inference.drawing import Drawing
from inference.keeping import LOG_WEIGHT, Counts, EveryDraw
from inference.labels import Labels
from inference.later_evidence import weigh
from inference.posterior.question import world_hash
from inference.store import provenance
from inference.world_plans import WorldPlans

__all__ = ["label_worlds"]

_OF_POSTERIOR = (
    "posterior",
    "sample_stats",
    "convergence",
    "log_likelihood",
    "log_prior",
    "observed_data",
)


def label_worlds(
    plans: WorldPlans, labels: Labels, keeper: EveryDraw | Counts, drawing: Drawing
) -> xr.DataTree:
    """Label the worlds that are whole, beside the posterior they come from."""
    whole = [world for world in range(len(plans.names)) if drawing.complete(world)]
    names = [plans.names[world] for world in whole]
    attrs = _attrs(plans, {plans.names[world]: str(drawing.ways[world]) for world in whole})
    groups = {
        group: node.to_dataset()
        for group, node in plans.posterior.children.items()
        if group in _OF_POSTERIOR
    }
    coords = {
        schema.DISCIPLE: names,
        schema.SWITCH: (schema.DISCIPLE, [int(world > 0) for world in whole]),
    }
    if isinstance(keeper, Counts):
        groups |= _counted(plans, labels, keeper, whole, coords)
    else:
        groups["predictions"] = _kept(plans, labels, keeper, whole, coords, attrs)
    tree = xr.DataTree.from_dict(groups, name=plans.posterior.name)
    tree.attrs = schema.encode_attrs({**plans.attrs, **attrs})
    return tree


def _kept(
    plans: WorldPlans,
    labels: Labels,
    keeper: EveryDraw,
    whole: list[int],
    coords: dict[str, Any],
    attrs: dict[str, Any],
) -> xr.Dataset:
    lead = [schema.DISCIPLE, *plans.lead]
    coords = {**coords, **{d: np.arange(n) for d, n in zip(plans.lead, plans.shape, strict=True)}}
    if keeper.on_disk:  # the arrays are there already
        return labels.coordinates(plans.recorded).assign_coords(coords)
    arrays = {
        name: values[whole] if len(whole) < len(values) else values
        for name, values in keeper.arrays.items()
        if name != LOG_WEIGHT
    }
    roles = {name: {schema.ROLE: plans.site(name).role} for name in plans.recorded}
    if not plans.later:
        return labels.dataset(arrays, lead, roles).assign_coords(coords)
    rows, attrs["khat"], attrs["effective_draws"] = [], {}, {}
    for place, world in enumerate(whole):
        name = plans.names[world]
        log_weights = keeper.arrays[LOG_WEIGHT][world].reshape(plans.draws, plans.futures)
        seed = derive_seed(plans.seed, "resample", name)
        chosen, khat, effective = weigh(log_weights, seed, disciple=name, sites=plans.later)
        attrs["khat"][name], attrs["effective_draws"][name] = khat, effective
        rows.append(chosen // plans.futures)
        for values in arrays.values():
            flat = values[place].reshape(-1, *values.shape[1 + len(plans.shape) :])
            flat[...] = flat[chosen]
    found = labels.dataset(arrays, lead, roles).assign_coords(coords)
    index = np.stack(rows).reshape(len(whole), *plans.shape)
    return found.assign({schema.PAST_DRAW: (lead, index, {schema.ROLE: "index"})})


def _counted(
    plans: WorldPlans, labels: Labels, keeper: Counts, whole: list[int], coords: dict[str, Any]
) -> dict[str, xr.Dataset]:
    """Label counts, a group for each measurement: they need not have as many cells."""
    groups = {
        schema.CELL_COUNTS: xr.Dataset(
            attrs=schema.encode_attrs(
                {
                    "chains": plans.chains,
                    "draws": plans.draws // plans.chains,
                    "futures": plans.futures,
                    "bounds": keeper.bounds.tolist(),
                    "cells": str(keeper.cells),
                    "measurements": plans.recorded,
                }
            )
        )
    }
    for name, counts in keeper.arrays.items():
        found = labels.coordinates([name]).assign_coords(
            {**coords, schema.BLOCK: (schema.PART, keeper.blocks)}
        )
        if not keeper.on_disk:
            own = labels.of(name)
            lead = [schema.DISCIPLE, schema.PART, schema.CELL]
            found = found.assign(
                {
                    schema.CELL_COUNTS: ([*lead, *own], counts[whole]),
                    schema.CELL_EDGES: ([*own, schema.EDGE], keeper.edges[name]),
                }
            )
        groups[f"{schema.CELL_COUNTS}/{name}"] = found
    return groups


def _attrs(plans: WorldPlans, vectorised: dict[str, str]) -> dict[str, Any]:
    computed = [n for n, s in plans.whole.sites.items() if s.computed]
    let_in = [d for d in plans.everyone[1:] if d.name in vectorised]
    return {
        **provenance(),
        "posterior_seed": plans.attrs.get("posterior_seed", plans.attrs.get("seed")),
        "seed": plans.seed,
        "futures": plans.futures,
        "switch_probability": plans.whole.switch_probability,
        "coupling": plans.coupling,
        "vectorised": vectorised,
        "shared_posterior": not plans.later,
        "reused": sorted(plans.pins),
        "redrawn": [n for n in plans.recorded if n not in computed],
        "recomputed": computed,
        "forced": [str(plans.whole.switch), *(n for n in plans.whole.sites if n in plans.known)],
        "disciples": [d.name for d in let_in],
        "disciple_hashes": {d.name: world_hash(d.policy) for d in let_in},
        "disciple_sources": {d.name: d.source for d in let_in if d.source},
        "disciple_bits": {d.name: d.description_bits() for d in let_in if d.source},
    }
