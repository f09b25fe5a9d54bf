"""The single spelling of what comes back: groups, dims, coordinates and attributes of the tree.

``predictions`` has dims (disciple, chain, draw[, future], ...) with the coordinate ``X`` along
``disciple``: 0 for ``erased``, 1 otherwise. Each variable says its `role` in its attributes.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import DiscipleError, MeasurementError, WorldError, nearest
from inference.stacking import stacked

__all__ = [
    "BLOCK",
    "CELL",
    "CELL_COUNTS",
    "CELL_EDGES",
    "CHAIN",
    "DATUM",
    "DISCIPLE",
    "DRAW",
    "EDGE",
    "ERASED",
    "EVIDENCE_DIRECT",
    "EVIDENCE_SCALES",
    "EVIDENCE_SCORES",
    "FUTURE",
    "MEASUREMENT",
    "PART",
    "PAST_DRAW",
    "PRIOR_DRAW",
    "PRIOR_EVIDENCE",
    "RARE_DRAW",
    "RARE_RATIOS",
    "RARE_RUN",
    "RARE_SCORES",
    "RARE_WORLDS",
    "RESERVED",
    "ROLE",
    "SCORE_BLOCK",
    "STATISTIC",
    "SWITCH",
    "chosen_disciples",
    "decode_attrs",
    "encode_attrs",
    "flatten",
    "flatten_data",
    "parts",
    "predictions",
    "sample_dims",
]

DISCIPLE, CHAIN, DRAW, FUTURE = "disciple", "chain", "draw", "future"
MEASUREMENT = "measurement"
SWITCH = "X"
ERASED = "erased"
ROLE = "role"
PAST_DRAW = "posterior_draw"
CELL_COUNTS, CELL_EDGES = "cell_counts", "cell_edges"
PART, CELL, EDGE, BLOCK = "count_part", "count_cell", "cell_edge", "count_block"
EVIDENCE_SCORES, EVIDENCE_DIRECT = "evidence_scores", "evidence_direct"
EVIDENCE_SCALES, PRIOR_EVIDENCE = "evidence_scales", "prior_evidence"
DATUM, STATISTIC = "datum", "statistic"
SCORE_BLOCK, PRIOR_DRAW = "score_block", "prior_draw"
RARE_RATIOS, RARE_WORLDS, RARE_SCORES = "rare_ratios", "rare_worlds", "rare_scores"
RARE_RUN, RARE_DRAW = "rare_run", "rare_draw"
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
    STATISTIC,
    CELL_COUNTS,
    CELL_EDGES,
    PART,
    CELL,
    EDGE,
    BLOCK,
    SCORE_BLOCK,
    PRIOR_DRAW,
    RARE_RUN,
    RARE_DRAW,
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
        if "predictions" not in worlds.children and CELL_COUNTS in worlds.children:
            raise WorldError(
                "these worlds were kept as counts, which coarse_graining reads, and this needs "
                "their draws: sample_worlds(..., keep='draws')."
            )
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
        Dims measurement, disciple (``erased`` first), chain, draw[, future]. Float32 where all
        measurements are (or narrower), else float64.

    Raises
    ------
    DiscipleError, MeasurementError
        If a name is not there; the nearest one is offered.
    """
    kept, chosen = _chosen(worlds, disciples, measurements)
    _refuse_unknown(kept, chosen)
    return _flat(kept, chosen)


def flatten_data(group: xr.Dataset) -> xr.DataArray:
    """Lay all data of a group along one dim, labelled as ArviZ labels them.

    Parameters
    ----------
    group
        `evidence_scores`, `evidence_scales` or `prior_evidence`: a variable for each site.

    Returns
    -------
    xr.DataArray
        Dims datum, then those of the group itself (disciple, chain, draw, future; statistic; or
        prior_draw).

    Examples
    --------
    >>> group = xr.Dataset({"e": (("draw", "datum"), np.eye(2)), "f": ("draw", np.zeros(2))})
    >>> flatten_data(group).datum.values.tolist()
    ['e[0]', 'e[1]', 'f']
    """
    own = (DISCIPLE, CHAIN, DRAW, FUTURE, STATISTIC, PRIOR_DRAW)
    return stacked(group, [dim for dim in own if dim in group.dims], DATUM)


def parts(
    worlds: xr.DataTree | xr.Dataset,
    *,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    numbers: int = 2**23,
) -> Iterator[xr.DataArray]:
    """Lay measurements along one dim as :func:`flatten` does, so many numbers at a time.

    Worlds that were opened lazily are read piece by piece, and no piece is held by this function.

    Parameters
    ----------
    worlds, disciples, measurements
        As for :func:`flatten`.
    numbers
        Most numbers in a part; a single measurement may have more.

    Yields
    ------
    xr.DataArray
        Dims measurement, disciple (``erased`` first), chain, draw[, future]; all parts together
        are what :func:`flatten` gives. Float32 where the measurements are, else float64.

    Raises
    ------
    DiscipleError, MeasurementError
        If a name is not there; the nearest one is offered.
    """
    kept, chosen = _chosen(worlds, disciples, measurements)
    _refuse_unknown(kept, chosen)
    lead = [DISCIPLE, *sample_dims(kept)]
    # A piece without coordinates would be numbered from 0 again.
    bare = [dim for dim in kept.dims if dim not in lead and dim not in kept.coords]
    kept = kept.assign_coords({dim: np.arange(kept.sizes[dim]) for dim in bare})
    room = max(1, numbers // math.prod(kept.sizes[dim] for dim in lead))
    group: list[str] = []
    waiting = 0
    for name, variable in kept.data_vars.items():
        own = {str(dim): size for dim, size in variable.sizes.items() if dim not in lead}
        size = math.prod(own.values())
        alike = not group or _dtype(kept[[str(name)]]) == _dtype(kept[group])
        if group and (waiting + size > room or not alike):
            yield _flat(kept[group], chosen)
            group, waiting = [], 0
        if size <= room:
            group.append(str(name))
            waiting += size
            continue
        for place in _places(tuple(own.values()), room):
            piece = kept[[str(name)]].isel(dict(zip(own, place, strict=True)))
            part = _flat(piece, chosen)
            if part.size:
                yield part
    if group:
        yield _flat(kept[group], chosen)


def _chosen(
    worlds: xr.DataTree | xr.Dataset,
    disciples: Sequence[str] | str | None,
    measurements: Sequence[str] | str | None,
) -> tuple[xr.Dataset, list[str]]:
    """Variables that are wanted, ``erased`` first, and the names they were wanted by."""
    drawn = predictions(worlds)
    wanted = chosen_disciples(drawn[DISCIPLE].values, disciples)
    if wanted != [str(name) for name in drawn[DISCIPLE].values]:
        drawn = drawn.sel({DISCIPLE: wanted})
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
    return drawn[variables].drop_vars(SWITCH, errors="ignore"), chosen


def chosen_disciples(
    labels: Iterable[object], disciples: Sequence[str] | str | None = None
) -> list[str]:
    """Names of the worlds that are wanted, ``erased`` first.

    Raises
    ------
    DiscipleError
        If a name is not among the labels; the nearest one is offered.

    Examples
    --------
    >>> chosen_disciples(["modest", "erased", "greedy"], "greedy")
    ['erased', 'greedy']
    """
    others = [str(label) for label in labels if label != ERASED]
    wanted = others if disciples is None else _listed(disciples)
    for name in wanted:
        if name not in others:
            raise DiscipleError(f"no disciple is named {name!r}. " + nearest(name, others))
    return [ERASED, *wanted]


def _flat(kept: xr.Dataset, chosen: Sequence[str]) -> xr.DataArray:
    for name, variable in kept.data_vars.items():
        wide = variable.dtype.kind in "iu" and variable.dtype.itemsize == 8 and variable.size > 0
        if wide and max(int(variable.max()), -int(variable.min())) > _LARGEST_WHOLE:
            raise MeasurementError(
                f"measurement {name!r} has whole numbers beyond 2^53, which floating point "
                "cannot tell apart; measure them modulo 2^53, or a difference."
            )
    lead = [DISCIPLE, *sample_dims(kept)]
    flat = stacked(kept.astype(_dtype(kept), copy=False), lead, MEASUREMENT)
    labels = {name for name in chosen if "[" in name}
    if labels:
        whole = set(chosen) - labels
        known = [str(label) for label in flat[MEASUREMENT].values]
        keep = [n for n, lab in enumerate(known) if lab in labels or lab.split("[")[0] in whole]
        flat = flat.isel({MEASUREMENT: keep})
    return flat


_LARGEST_WHOLE = 2**53


def _refuse_unknown(kept: xr.Dataset, chosen: Sequence[str]) -> None:
    """Refuse labels such as ``visits[paris]`` that no measurement has."""
    labels = [name for name in chosen if "[" in name]
    if not labels:
        return
    none = {dim: slice(0, 1) for dim in sample_dims(kept)}
    known = set(map(str, _flat(kept.isel(none), [])[MEASUREMENT].values))
    for label in labels:
        if label not in known:
            raise MeasurementError(
                f"nothing measured is named {label!r}. " + nearest(label, known)
            )


def _dtype(kept: xr.Dataset) -> np.dtype:
    """Single precision where that loses nothing."""
    return np.result_type(np.float32, *(variable.dtype for variable in kept.data_vars.values()))


def _places(shape: tuple[int, ...], room: int) -> Iterator[tuple[slice, ...]]:
    """Cut an array into pieces of at most so many numbers, in the order of its memory."""
    inner = math.prod(shape[1:])
    if inner <= room:
        for start in range(0, shape[0], room // inner):
            yield slice(start, start + room // inner), *(slice(None) for _ in shape[1:])
        return
    for first in range(shape[0]):
        for rest in _places(shape[1:], room):
            yield slice(first, first + 1), *rest


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
