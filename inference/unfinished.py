"""How does a long run survive being stopped? It is kept beside its store until it is whole.

A run that writes to ``worlds.zarr`` works in the folder ``.worlds.zarr-unfinished`` next to it:
arrays, a note of what was asked, and a mark for each piece that is written. Chunks and marks
appear whole or not at all, so a run that was killed goes on from the marks; what is not marked is
drawn again, to the same bits. Only a finished run takes the store's name.
"""

import json
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import xarray as xr
import zarr

from counterfactual_models.errors import WorldError
from inference import schema
from inference.store import ORDER, open_lazily

try:
    import fcntl
except ImportError:  # no such locks on this system
    fcntl = None  # type: ignore[assignment]

__all__ = ["InMemory", "Shelf", "Unfinished"]

_CHUNK = 1 << 22
"""Most numbers in a chunk of draws: some megabytes."""
_WIDEST, _NARROWEST = 1 << 14, 1 << 10
"""Measurements in a chunk, so that some can be read without the rest: few where rows are many."""


class InMemory:
    """Arrays in memory, of a run that leaves nothing when it is stopped."""

    finished = False
    marks: Mapping[str, dict[str, Any]] = {}

    def array(
        self,
        group: str,
        name: str,
        shape: Sequence[int],
        dtype: np.dtype,
        dims: Sequence[str],
        attrs: Mapping[str, Any],
        *,
        rows: int = 1,
    ) -> Any:
        """Make room for an array that is written so many rows at a time."""
        return np.empty(shape, dtype)

    def scratch(self, name: str, shape: Sequence[int], dtype: np.dtype) -> Any:
        """Make room for an array that is of no use when the run is finished."""
        return np.empty(shape, dtype)

    def mark(self, piece: str, note: Mapping[str, Any]) -> None:
        """Leave no mark."""

    def close(self) -> None:
        """Nothing is held."""


class Unfinished:
    """Arrays on disk, and marks of what is written.

    Parameters
    ----------
    path
        Where the finished store is to be; ends in ``.zarr``.
    question
        What is asked, in text: a run that asks something else is not gone on with.

    Attributes
    ----------
    marks
        Piece -> note, of what is written.
    order
        Group -> its arrays in the order they were asked for.

    Raises
    ------
    WorldError
        For another ending, a folder that is not there, or a run that asked something else; it
        says what differs.
    """

    def __init__(self, path: str | Path, question: Mapping[str, str]) -> None:
        self.path, self.question = Path(path), dict(question)
        if self.path.suffix != ".zarr":
            raise WorldError(f"got store={str(path)!r}; expected a path that ends in .zarr.")
        if not self.path.parent.is_dir():
            raise WorldError(
                f"cannot write {self.path}: there is no folder {self.path.parent}; make it first."
            )
        self.folder = self.path.with_name(f".{self.path.name}-unfinished")
        self.marks: dict[str, dict[str, Any]] = {}
        self.order: dict[str, list[str]] = {}
        self.lock: IO[str] | None = None
        try:
            self._go_on()
        except BaseException:
            self.close()
            raise

    @property
    def finished(self) -> bool:
        """Whether the run was finished before."""
        return self.path.exists()

    def array(
        self,
        group: str,
        name: str,
        shape: Sequence[int],
        dtype: np.dtype,
        dims: Sequence[str],
        attrs: Mapping[str, Any],
        *,
        rows: int = 1,
    ) -> Any:
        """Make room for an array, or find it as the stopped or finished run left it."""
        if self.finished:
            return self.read(group, name)
        self._begin()
        self.order.setdefault(group, []).append(name)
        root = zarr.open_group(self.folder / "tree.zarr", mode="a", zarr_format=2)
        labels = {"_ARRAY_DIMENSIONS": list(dims), **attrs}
        if f"{group}/{name}" in root:
            found = root[f"{group}/{name}"]
            if found.shape != tuple(shape) or found.dtype != dtype:
                raise WorldError(
                    f"{name!r} has shape {found.shape} and type {found.dtype} in {self.folder}, "
                    f"and {tuple(shape)} and {dtype} now: the world, or what it closes over, has "
                    "changed. Remove the unfinished run, and begin again."
                )
            found.attrs.update(labels)  # a kill may have come between the array and its labels
            return found
        return root.require_group(group).create_array(
            name,
            shape=tuple(shape),
            dtype=dtype,
            chunks=_chunks(shape, dims, rows),
            fill_value=None,  # xarray takes any other for a hole
            compressors=None,
            attributes=labels,
        )

    def read(self, group: str, name: str) -> Any:
        """Open an array of a finished run, to be read only."""
        return zarr.open_group(self.path, mode="r")[f"{group}/{name}"]

    def scratch(self, name: str, shape: Sequence[int], dtype: np.dtype) -> Any:
        """Make room for an array that is of no use when the run is finished."""
        self._begin()
        return _Spilled(self.folder / f"{name}.scratch", tuple(shape), dtype)

    def mark(self, piece: str, note: Mapping[str, Any]) -> None:
        """Note that a piece is written."""
        self._begin()
        self.marks[piece] = dict(note)
        _write(self.folder / "marks" / f"{piece}.json", note)

    def finish(self, tree: xr.DataTree) -> xr.DataTree:
        """Add labels and small groups to the arrays, give the store its name, and open it.

        A run that was finished before is opened as it is.
        """
        if self.finished:
            return open_lazily(self.path)
        whole = self.folder / "tree.zarr"
        self._begin()
        self._sweep(whole, tree)
        for path, node in tree.subtree_with_keys:
            if path != ".":
                node.to_dataset(inherit=False).to_zarr(
                    whole, group=path, mode="a", consolidated=False, zarr_format=2
                )
        kept = {"question": json.dumps(self.question), "marks": json.dumps(self.marks)}
        order = {path: [*map(str, node.data_vars)] for path, node in tree.subtree_with_keys}
        kept[ORDER] = json.dumps(order | self.order)
        attrs = {str(name): value for name, value in tree.attrs.items()}
        zarr.open_group(whole, mode="a").attrs.update(attrs | kept)
        whole.rename(self.path)
        shutil.rmtree(self.folder, ignore_errors=True)
        return open_lazily(self.path)

    def _go_on(self) -> None:
        """Find what an earlier run left, if it asked the same."""
        if self.finished:
            attrs = _attrs(self.path)
            self._hold_against(attrs.get("question") or {}, f"{self.path} holds other worlds")
            self.marks = attrs["marks"]
        elif self.folder.exists():
            self._lock()
            if not (self.folder / "tree.zarr").exists():  # marks without arrays mark nothing
                shutil.rmtree(self.folder / "marks", ignore_errors=True)
                return
            begun = json.loads((self.folder / "question.json").read_text())
            self._hold_against(begun, f"an unfinished run into {self.path} asked something else")
            found = sorted((self.folder / "marks").glob("*.json"))
            self.marks = {file.stem: json.loads(file.read_text()) for file in found}

    def close(self) -> None:
        """Let another run write."""
        if self.lock is not None:
            self.lock.close()
            self.lock = None

    def _lock(self) -> None:
        """Keep other runs out; the lock goes with the process, however it ends."""
        self.lock = (self.folder / "lock").open("w")
        try:
            if fcntl is not None:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise WorldError(
                f"another run is writing into {self.folder}; wait for it, or take another store."
            ) from error

    def _begin(self) -> None:
        """Make the folder, unless it is there already."""
        if self.lock is not None and (self.folder / "marks").exists():
            return
        try:
            (self.folder / "marks").mkdir(parents=True, exist_ok=True)
            if self.lock is None:
                self._lock()
            _write(self.folder / "question.json", self.question)
        except OSError as error:
            raise WorldError(f"cannot write into {self.path.parent}: {error.strerror}.") from error

    def _sweep(self, whole: Path, tree: xr.DataTree) -> None:
        """Drop labels that a run left half-written when it was killed; they are written anew."""
        groups = {path.strip("/") for path in tree.groups}
        kept = groups | {f"{group}/{name}" for group, own in self.order.items() for name in own}
        for folder in [child for group in groups for child in (whole / group).glob("*/")]:
            if folder.is_dir() and folder.relative_to(whole).as_posix() not in kept:
                shutil.rmtree(folder)

    def _hold_against(self, begun: Mapping[str, str], what: str) -> None:
        if not begun:
            raise WorldError(f"{self.path} was not made by sample_worlds(store=); take another.")
        differing = [key for key, asked in self.question.items() if begun.get(key) != asked]
        if differing:
            raise WorldError(
                f"{what}; these differ: {', '.join(differing)}. Take another path, or remove "
                f"{self.path if self.finished else self.folder}."
            )


Shelf = InMemory | Unfinished


class _Spilled:
    """A plain file of rows; what is mapped of it is let go at once, so that memory stays free."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.path, self.shape, self.dtype = path, shape, dtype
        with path.open("wb") as file:  # room is taken now: a mapped page without any is a crash
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, max(1, math.prod(shape) * dtype.itemsize))
            else:
                file.truncate(max(1, math.prod(shape) * dtype.itemsize))

    def __setitem__(self, place: Any, values: np.ndarray) -> None:
        np.memmap(self.path, self.dtype, "r+", shape=self.shape)[place] = values

    def __getitem__(self, place: Any) -> np.ndarray:
        return np.array(np.memmap(self.path, self.dtype, "r", shape=self.shape)[place])


def _attrs(path: Path) -> dict[str, Any]:
    """Read the attributes of a finished store; nothing, if another hand made it."""
    attrs: dict[str, Any] = {}
    with suppress(OSError, ValueError, KeyError):
        attrs = schema.decode_attrs(zarr.open_group(path, mode="r").attrs.asdict())
    return attrs


def _chunks(shape: Sequence[int], dims: Sequence[str], rows: int) -> tuple[int, ...]:
    """Cut along what is written at a time, and along measurements; never along cells."""
    whole = (schema.FUTURE, schema.CELL, schema.EDGE)
    chunks, widest, held = [], min(_WIDEST, max(_NARROWEST, _CHUNK // (4 * rows))), 1
    for size, dim in zip(reversed(shape), reversed(dims), strict=True):
        if dim in (schema.DISCIPLE, schema.CHAIN, schema.PART):
            chunk = 1
        elif dim == schema.DRAW:
            chunk = min(size, rows, max(1, _CHUNK // held))
        elif dim in whole:
            chunk = size
        else:
            chunk = min(size, widest)
            widest = max(1, widest // max(1, chunk))
        chunks.append(max(1, chunk))
        held *= chunks[-1]
    return tuple(reversed(chunks))


def _write(path: Path, found: Mapping[str, Any]) -> None:
    """Write a small file, whole or not at all."""
    scratch = path.with_suffix(".part")
    scratch.write_text(json.dumps(dict(found)))
    scratch.replace(path)
