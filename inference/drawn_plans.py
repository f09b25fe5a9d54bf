"""Which plans were worlds drawn by? A program and disciples, held against the tree they gave."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import xarray as xr

from counterfactual_models.disciples import Disciple, erased
from counterfactual_models.errors import WorldError
from inference import schema
from inference.evidence_labels import as_believed
from inference.world_plans import WorldPlans, matched_disciples, warn_of_other_policies

__all__ = ["plans_of"]


def plans_of(
    world: Callable[..., Any],
    worlds: xr.DataTree,
    disciples: Mapping[str, Callable[..., Any]] | Iterable[Disciple | Callable[..., Any]],
    *,
    stacklevel: int = 3,
) -> WorldPlans:
    """Plan the worlds of a tree again, by their world and their disciples.

    Parameters
    ----------
    world, worlds, disciples
        The program, what ``sample_worlds`` returned for it, and the disciples given there.
    stacklevel
        As in ``warnings.warn``, from the caller.

    Raises
    ------
    WorldError, DiscipleError
        If they do not belong together.
    """
    if not isinstance(worlds, xr.DataTree) or not {"predictions", schema.CELL_COUNTS} & set(
        worlds.children
    ):
        got = list(worlds.children) if isinstance(worlds, xr.DataTree) else type(worlds).__name__
        raise WorldError(
            f"got {got}; expected the tree that sample_worlds(world, posterior, disciples) gives."
        )
    attrs = schema.decode_attrs(worlds.attrs)
    world = as_believed(world, worlds["observed_data"].to_dataset(), attrs.get("unseen", ()))
    given = matched_disciples(disciples, [str(name) for name in attrs["disciples"]])
    warn_of_other_policies(attrs, given, stacklevel=stacklevel + 1)
    return WorldPlans(
        world,
        worlds,
        [erased, *given],
        futures=int(attrs["futures"]),
        seed=int(attrs["seed"]),
        coupling=str(attrs["coupling"]),
    )
