"""The single spelling of what comes back: groups, dims, coordinates and attributes of the tree.

``predictions`` has dims (disciple, chain, draw[, future], ...) with the coordinate ``X`` along
``disciple``: 0 for ``erased``, 1 otherwise. Each variable says its `role` in its attributes.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import arviz_base as azb
import numpy as np
import xarray as xr

from counterfactual_models.errors import DiscipleError, MeasurementError, WorldError, nearest

__all__ = [
    "CHAIN",
    "DISCIPLE",
    "DRAW",
    "ERASED",
    "FUTURE",
    "MEASUREMENT",
    "PAST_DRAW",
    "RESERVED",
    "ROLE",
    "SWITCH",
    "decode_attrs",
    "encode_attrs",
    "flatten",
    "predictions",
    "sample_dims",
]

DISCIPLE, CHAIN, DRAW, FUTURE = "disciple", "chain", "draw", "future"
MEASUREMENT = "measurement"
SWITCH = "X"
ERASED = "erased"
ROLE = "role"
PAST_DRAW = "posterior_draw"
RESERVED = (
    DISCIPLE,
    CHAIN,
    DRAW,
    FUTURE,
    MEASUREMENT,
    SWITCH,
    PAST_DRAW,
    "sample",
    "model",
    "statistic",
)
"""Names that no site, plate or measurement of a world may carry."""


def predictions(worlds: xr.DataTree | xr.Dataset) -> xr.Dataset:
    """Take the drawn worlds out of a tree, and refuse what is no such tree.

    Parameters
    ----------
    worlds
        What ``sample_worlds`` returned (or a reloaded one), or its ``predictions`` group.

    Returns
    -------
    xr.Dataset
        With dims disciple, chain, draw[, future], ...

    Raises
    ------
    WorldError
        If there are no worlds in it; says what is there.
    """
    if isinstance(worlds, xr.DataTree):
        if "predictions" not in worlds.children:
            raise WorldError(
                f"this tree has the groups {list(worlds.children)} and no 'predictions': it is no "
                "set of worlds. Draw them first: sample_worlds(world, posterior, disciples)."
            )
        worlds = worlds["predictions"].to_dataset()
    if not isinstance(worlds, xr.Dataset):
        raise WorldError(
            f"got a {type(worlds).__name__}; expected the tree that sample_worlds(...) returns."
        )
    missing = [dim for dim in (DISCIPLE, CHAIN, DRAW) if dim not in worlds.dims]
    if missing or ERASED not in worlds[DISCIPLE].values:
        raise WorldError(
            f"these worlds have the dims {list(map(str, worlds.dims))}; expected disciple (with "
            "'erased' among its labels), chain and draw, as sample_worlds(...) returns them."
        )
    return worlds


def sample_dims(worlds: xr.Dataset | xr.DataArray) -> list[str]:
    """Dims that run over draws: chain, draw, and future where there are several."""
    return [dim for dim in (CHAIN, DRAW, FUTURE) if dim in worlds.dims]


def flatten(
    worlds: xr.DataTree | xr.Dataset,
    *,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
) -> xr.DataArray:
    """Lay all measurements along one dim, labelled as ArviZ labels them.

    Parameters
    ----------
    worlds
        A tree of worlds.
    disciples
        Names to keep beside ``erased``; all by default.
    measurements
        Variables (``"visits"``) or labels (``"visits[paris]"``) to keep, future sites included
        when named; by default every variable whose role is ``measurement``.

    Returns
    -------
    xr.DataArray
        Dims measurement, disciple (``erased`` first), chain, draw[, future].

    Raises
    ------
    DiscipleError, MeasurementError
        If a name is not there; the nearest one is offered.
    """
    drawn = predictions(worlds)
    others = [str(d) for d in drawn[DISCIPLE].values if d != ERASED]
    wanted = others if disciples is None else _listed(disciples)
    for name in wanted:
        if name not in others:
            raise DiscipleError(f"no disciple is named {name!r}. " + nearest(name, others))
    drawn = drawn.sel({DISCIPLE: [ERASED, *wanted]})
    measured = [str(n) for n, v in drawn.data_vars.items() if v.attrs.get(ROLE) == "measurement"]
    chosen = measured if measurements is None else _listed(measurements)
    variables = list(dict.fromkeys(name.split("[")[0] for name in chosen))
    for name in variables:
        if name not in drawn.data_vars:
            raise MeasurementError(
                f"nothing measured is named {name!r}. " + nearest(name, measured)
            )
    if not variables:
        raise MeasurementError(
            "these worlds have no measurement: add measure(name, value) to the world, or name "
            f"future sites in measurements=. {nearest('', map(str, drawn.data_vars))}"
        )
    kept = drawn[variables].astype(np.float64).drop_vars(SWITCH, errors="ignore")
    flat = azb.dataset_to_dataarray(
        kept, sample_dims=[DISCIPLE, *sample_dims(kept)], new_dim=MEASUREMENT
    )
    labels = [name for name in chosen if "[" in name]
    known = [str(label) for label in flat[MEASUREMENT].values]
    for label in labels:
        if label not in known:
            raise MeasurementError(
                f"nothing measured is named {label!r}. " + nearest(label, known)
            )
    if labels:
        whole = {name for name in chosen if "[" not in name}
        keep = [lab for lab in known if lab in labels or lab.split("[")[0] in whole]
        flat = flat.sel({MEASUREMENT: keep})
    return flat.transpose(MEASUREMENT, DISCIPLE, *sample_dims(kept))


def _listed(names: Sequence[str] | str) -> list[str]:
    return [names] if isinstance(names, str) else [str(name) for name in names]


def encode_attrs(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Make attributes that every file format keeps: text and numbers as they are, else JSON."""
    return {str(key): _encoded(value) for key, value in attrs.items()}


def decode_attrs(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Read attributes back as they were before :func:`encode_attrs`.

    Examples
    --------
    >>> found = {"redrawn": ["clips"], "shared_posterior": True, "seed": 0, "name": "null"}
    >>> decode_attrs(encode_attrs(found)) == found
    True
    """
    return {str(key): _decoded(value) for key, value in attrs.items()}


def _encoded(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, str):  # text that would be read as JSON is quoted
        return value if _decoded(value) == value else json.dumps(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return json.dumps(value, default=lambda number: number.item())


def _decoded(value: Any) -> Any:
    if not isinstance(value, str):
        return value.item() if isinstance(value, np.generic) else value
    try:
        read = json.loads(value)
    except json.JSONDecodeError:
        return value
    return value if isinstance(read, int | float) and not isinstance(read, bool) else read
