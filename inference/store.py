"""How is a result kept, and read back as it was?

netCDF for one file, zarr for a folder; both carry the attributes as text and numbers only, and
reading never runs code.
"""

import json
import shutil
import tempfile
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import xarray as xr

from counterfactual_models.errors import WorldError

__all__ = ["ORDER", "load", "open_lazily", "provenance", "save"]

_FORMATS = (".nc", ".zarr")
_PACKED_FROM = 100_000
ORDER = "order_of_variables"
"""Attribute of a file: group -> its variables in order, for zarr sorts them by name."""


def provenance() -> dict[str, Any]:
    """Say when and by which versions something was made."""
    found = {}
    for name in ("counterfactual-models", "pyro-ppl", "torch", "numpy", "xarray", "arviz-stats"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "creation_library": "counterfactual-models",
        "versions": [f"{name} {number}" for name, number in found.items()],
    }


def save(tree: xr.DataTree, path: str | Path) -> Path:
    """Write a tree to ``.nc`` or ``.zarr``; what was there is replaced once the new is whole.

    Parameters
    ----------
    tree
        Any tree of this library.
    path
        Ends in ``.nc`` or ``.zarr``.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    WorldError
        For another ending, or a folder that is not there.
    """
    path = _checked(Path(path))
    if not path.parent.is_dir():
        raise WorldError(f"cannot write {path}: there is no folder {path.parent}; make it first.")
    try:
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    except OSError as error:
        raise WorldError(f"cannot write into {path.parent}: {error.strerror}.") from error
    try:
        whole = scratch / path.name
        tree = tree.copy()
        order = {path: list(node.data_vars) for path, node in tree.subtree_with_keys}
        tree.attrs[ORDER] = json.dumps(order)
        if path.suffix == ".nc":
            tree.to_netcdf(whole, engine="netcdf4", encoding=_packed(tree))
        else:
            tree.to_zarr(whole, consolidated=False, zarr_format=2)
        if path.is_dir():
            shutil.rmtree(path)
        whole.replace(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return path


def load(path: str | Path) -> xr.DataTree:
    """Read a tree written by :func:`save`, whole and in memory.

    Raises
    ------
    WorldError
        If there is no such file, or it holds no tree.
    """
    with _opened(Path(path)) as tree:
        return _in_order(tree.load())


def open_lazily(path: str | Path) -> xr.DataTree:
    """Open a tree without reading it: values are read where they are used.

    Raises
    ------
    WorldError
        If there is no such file, or it holds no tree.
    """
    return _in_order(_opened(Path(path)))


def _opened(path: Path) -> xr.DataTree:
    path = _checked(path)
    if not path.exists():
        raise WorldError(f"there is no {path}.")
    netcdf = path.suffix == ".nc"
    options: dict[str, Any] = {} if netcdf else {"consolidated": False}
    try:
        return xr.open_datatree(path, engine="netcdf4" if netcdf else "zarr", **options)
    except (OSError, ValueError, KeyError) as error:
        raise WorldError(f"{path} holds no tree that can be read: {error}") from error


def _packed(tree: xr.DataTree) -> dict[str, Any]:
    """Pack large variables without loss; small ones are quicker as they are."""
    packing = {"zlib": True, "complevel": 1, "shuffle": True}
    return {
        node.path: {
            name: packing
            for name, variable in node.data_vars.items()
            if variable.size > _PACKED_FROM and variable.dtype.kind in "fiub"
        }
        for node in tree.descendants
    }


def _in_order(tree: xr.DataTree) -> xr.DataTree:
    """Put groups and variables back into the order they were written in; zarr sorts by name."""
    attrs = dict(tree.attrs)
    order = json.loads(attrs.pop(ORDER, "{}"))
    found = {path: node.to_dataset(inherit=False) for path, node in tree.subtree_with_keys}
    groups = {path: found[path] for path in [*order, *(p for p in found if p not in order)]}
    for path, variables in order.items():
        group = groups[path]
        groups[path] = xr.Dataset({v: group[v] for v in variables}, group.coords, group.attrs)
    ordered = xr.DataTree.from_dict(groups, name=attrs.get("name"))
    ordered.attrs = attrs
    return ordered


def _checked(path: Path) -> Path:
    if path.suffix not in _FORMATS:
        raise WorldError(f"got the path {path}; expected it to end in {' or '.join(_FORMATS)}.")
    return path
