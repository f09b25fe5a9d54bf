r"""What does a comparison of worlds read: their draws, or counts of their draws in cells?

Both are read piece by piece, twice: how many independent draws each measurement is worth must be
known of all of them before blocks of draws are cut. Nothing depends on the pieces.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from counterfactual_models.errors import CounterfactualError, MeasurementError, nearest
from inference.arrays.blocks import EffectiveDraws, block_bounds
from inference.arrays.cell_counts import block_counts
from inference.arrays.cells import Cells, alike
from inference.arrays.effective_counts import (
    effective_from_counts,
    joined_blocks,
)
from inference.arrays.multiplicity import Family
from inference.arrays.total_variation import total_variation, variation
from inference.diagnostics.soundness import paired, refuse_few, refuse_holes
from inference.schema import (
    BLOCK,
    CELL_COUNTS,
    CELL_EDGES,
    CHAIN,
    DISCIPLE,
    DRAW,
    FUTURE,
    MEASUREMENT,
    chosen_disciples,
    decode_attrs,
    parts,
)
from inference.stacking import labels_of

__all__ = ["CountedWorlds", "DrawnWorlds", "Names", "source_of"]

NUMBERS = 2**24
"""Most draws, or counts, that are read at once."""
COUNTED_AT_ONCE = 2**21

Names = Sequence[str] | str | None


def source_of(
    worlds: xr.DataTree | xr.Dataset,
    *,
    disciples: Names,
    measurements: Names,
    cells: Cells | None,
) -> "DrawnWorlds | CountedWorlds":
    """Find what there is to read: draws, or else counts.

    Raises
    ------
    WorldError
        If there is neither, or there are too few draws.
    CounterfactualError
        If counts are to be cut into other cells.
    """
    groups = worlds.children if isinstance(worlds, xr.DataTree) else {}
    if isinstance(worlds, xr.DataTree) and CELL_COUNTS in groups and "predictions" not in groups:
        found = CountedWorlds(worlds, disciples=disciples, measurements=measurements)
        if cells is not None and str(cells) != found.cells_said:
            raise CounterfactualError(
                f"got cells={cells}; these worlds were counted in {found.cells_said}, and cannot "
                "be cut again: sample_worlds(..., cells=...)."
            )
        return found
    cut = Cells.quantile() if cells is None else cells
    return DrawnWorlds(worlds, disciples=disciples, measurements=measurements, cells=cut)


class DrawnWorlds:
    """Worlds whose draws were kept.

    Parameters
    ----------
    worlds, disciples, measurements
        As for :func:`inference.schema.flatten`.
    cells
        How their measurements are cut.

    Attributes
    ----------
    disciples, measurements
        Labels; those of the measurements are known once :meth:`effective` was asked.
    chains, draws, futures
        Lengths of the sample dims.
    cells_said
        What the attributes of a result say of the cells.
    """

    def __init__(
        self,
        worlds: xr.DataTree | xr.Dataset,
        *,
        disciples: Names,
        measurements: Names,
        cells: Cells,
    ) -> None:
        self.cells = cells
        self.cells_said = cells.count if cells == Cells.quantile(cells.count) else str(cells)
        self._wanted = {"disciples": disciples, "measurements": measurements}
        self._worlds = worlds
        self._only: xr.DataArray | None = None
        self.measurements: list[str] = []
        self.disciples: list[str] = []
        self.chains = self.draws = self.futures = 0

    def effective(self, latents: float) -> np.ndarray:
        """Effective draws of every comparison, (disciple, measurement); refuse bad numbers.

        Parameters
        ----------
        latents
            Effective draws of the slowest latent, which bound those of everything.
        """
        sizes = EffectiveDraws()
        self.measurements = []
        for part in self.read():
            self._refuse(part)
            sizes.update(part.values)
            self.measurements += [str(label) for label in part[MEASUREMENT].values]
        return paired(sizes.result().T, latents)

    def bounds(self, typical: float) -> np.ndarray:
        """Blocks of draws for so many effective ones."""
        return block_bounds(self.chains, self.draws, self.futures, effective=typical)

    def compared(
        self,
        bounds: np.ndarray,
        *,
        signs: np.ndarray,
        effective: np.ndarray,
        families: Sequence[Family],
    ) -> dict[str, np.ndarray]:
        """Estimates of :func:`~.total_variation.variation`, each (disciple, measurement)."""
        found, first = [], 0
        for part in self.read():
            values = part.values
            found.append(
                total_variation(
                    values.reshape(*values.shape[:2], -1),
                    bounds=bounds,
                    signs=signs,
                    effective=effective[:, first : first + len(values)],
                    draws=self.chains * self.draws,
                    cells=self.cells,
                    families=families,
                )
            )
            first += len(values)
        return {name: np.concatenate([f[name] for f in found], axis=1) for name in found[0]}

    def counted(self, bounds: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Count the draws of all worlds in the same cells, so many measurements at a time.

        Yields
        ------
        tuple of np.ndarray
            Numbers of these measurements; counts, shape (world, block, cell, measurement), the
            first world being the erased one, whose draws cut the cells; and the edges of the
            cells, shape (measurement, edge), padded with infinity.
        """
        first = 0
        for part in self.read():
            values = part.values.reshape(*part.shape[:2], -1)
            each = max(values[0, 0].size, len(values[0]) * (self.cells.most + 2) * len(bounds))
            step = max(1, COUNTED_AT_ONCE // each)
            for start in range(0, len(values), step):
                chunk = values[start : start + step]
                edges = self.cells.edges(chunk[:, 0], self.chains * self.draws)
                for members in alike(edges):
                    own = edges[members, : max(1, _most(edges[members]))]
                    worlds = np.moveaxis(chunk[members], 1, 0)
                    counts = np.stack([block_counts(world, own, bounds) for world in worlds])
                    yield first + start + members, counts, own
            first += len(values)

    def read(self) -> Iterator[xr.DataArray]:
        """Give out parts of the worlds; one that is all there is, is read once."""
        if self._only is not None:
            yield self._only
            return
        read = parts(self._worlds, **self._wanted, numbers=NUMBERS)
        first = next(read)
        second = next(read, None)
        if second is None:
            self._only = first
        yield first
        if second is not None:
            yield second
            del first, second
            yield from read

    def _refuse(self, part: xr.DataArray) -> None:
        self.chains, self.draws = part.sizes[CHAIN], part.sizes[DRAW]
        self.futures = part.sizes.get(FUTURE, 1)
        self.disciples = [str(name) for name in part[DISCIPLE].values[1:]]
        refuse_holes(part)
        refuse_few(self.chains * self.draws)


class CountedWorlds:
    """Worlds whose draws were counted in cells, and forgotten.

    The tree has a group `cell_counts` with the attributes chains, draws, futures, bounds and
    measurements (the names in their order), and in it a group for each measurement: `counts`
    (disciple, part, cell, own dims), `edges` (own dims, edge) and the coordinate `block` along
    part. Parts of one block add up.

    Parameters
    ----------
    worlds
        The tree, opened lazily if it is large.
    disciples, measurements
        As for :func:`inference.schema.flatten`.

    Attributes
    ----------
    disciples, measurements
        Labels; those of the measurements are known once :meth:`effective` was asked.
    chains, draws, futures
        Lengths of the sample dims.
    cells_said
        What the attributes of a result say of the cells.
    """

    def __init__(self, worlds: xr.DataTree, *, disciples: Names, measurements: Names) -> None:
        self._groups = worlds[CELL_COUNTS]
        attrs = decode_attrs(self._groups.attrs)
        self.chains, self.draws = int(attrs["chains"]), int(attrs["draws"])
        self.futures = int(attrs.get("futures", 1))
        self._bounds = np.array(attrs["bounds"], dtype=int)
        self.cells_said = attrs.get("cells", "as counted")
        refuse_few(self.chains * self.draws)
        # Folders come in no order of their own.
        known = attrs.get("measurements", sorted(map(str, self._groups.children)))
        chosen = [measurements] if isinstance(measurements, str) else measurements
        self._chosen = known if chosen is None else [str(name) for name in chosen]
        self._names = list(dict.fromkeys(name.split("[")[0] for name in self._chosen))
        for name in self._names:
            if name not in known:
                raise MeasurementError(
                    f"no counts of a measurement named {name!r}. " + nearest(name, known)
                )
        if not self._names:
            raise MeasurementError("these worlds have no measurement: nothing was counted.")
        labels = self._groups[self._names[0]].to_dataset()[DISCIPLE].values
        self._worlds = chosen_disciples(labels, disciples)
        self.disciples = self._worlds[1:]
        self.measurements: list[str] = []

    def effective(self, latents: float) -> np.ndarray:
        """Effective draws of every comparison, (disciple, measurement), by their counts.

        Parameters
        ----------
        latents
            Effective draws of the slowest latent, which bound those of everything.
        """
        sizes = []
        self.measurements = []
        for labels, counts, _ in self._read():
            each = [effective_from_counts(c, self._bounds, self.chains) for c in counts]
            sizes.append(np.minimum(each, self.chains * self.draws))
            self.measurements += labels
        self._refuse_unknown()
        return paired(np.concatenate(sizes, axis=1), latents)

    def bounds(self, typical: float) -> np.ndarray:
        """Blocks of draws for so many effective ones: those counted, or these two by two."""
        aim = len(block_bounds(self.chains, self.draws, self.futures, effective=typical))
        fewer = joined_blocks(self._bounds, self.chains)
        return self._bounds if aim >= len(self._bounds) else fewer

    def compared(
        self,
        bounds: np.ndarray,
        *,
        signs: np.ndarray,
        effective: np.ndarray,
        families: Sequence[Family],
    ) -> dict[str, np.ndarray]:
        """Estimates of :func:`~.total_variation.variation`, each (disciple, measurement)."""
        shape = len(self.disciples), len(self.measurements)
        found: dict[str, np.ndarray] = {}
        for members, counts, _ in self.counted(bounds):
            for world, family in enumerate(families):
                size = effective[world, members]
                estimates = variation(
                    counts[world + 1], counts[0], signs=signs, effective=size, family=family
                )
                for name, estimate in estimates.items():
                    kept = found.setdefault(name, np.empty(shape))
                    kept[world, members] = estimate
        return found

    def counted(self, bounds: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Give out the counts of all worlds, as :meth:`DrawnWorlds.counted` does."""
        starts, first = np.searchsorted(self._bounds, bounds[:-1]), 0
        for labels, counts, edges in self._read():
            if len(bounds) < len(self._bounds):
                counts = np.add.reduceat(counts, starts, axis=1, dtype=np.int64)
            for members in alike(edges):
                most = _most(edges[members])
                chosen = counts[:, :, : 1 + most, members]
                yield first + members, chosen, edges[members, : max(1, most)]
            first += len(labels)

    def _read(self) -> Iterator[tuple[list[str], np.ndarray, np.ndarray]]:
        """Labels, counts (world, block, cell, measurement) and edges, so many at a time."""
        for name in self._names:
            group = self._groups[name].to_dataset()
            group = group.sel({DISCIPLE: self._worlds})
            own = [str(dim) for dim in group[CELL_EDGES].dims[:-1]]
            # A piece without coordinates would be numbered from 0 again.
            bare = [dim for dim in own if dim not in group.coords]
            group = group.assign_coords({dim: np.arange(group.sizes[dim]) for dim in bare})
            each = math.prod(group.sizes[dim] for dim in group[CELL_COUNTS].dims if dim not in own)
            for piece in _pieces(group, own, max(1, NUMBERS // each)):
                labels = _labels(piece, name)
                keep = [n for n, label in enumerate(labels) if self._wants(label, name)]
                if not keep:
                    continue
                counts = piece[CELL_COUNTS].values
                counts = counts.reshape(*counts.shape[:3], -1)
                edges = piece[CELL_EDGES].values.reshape(counts.shape[3], -1)
                if len(keep) < len(labels):
                    counts, edges = counts[..., keep], edges[keep]
                yield [labels[n] for n in keep], _in_blocks(counts, piece[BLOCK].values), edges

    def _wants(self, label: str, name: str) -> bool:
        return name in self._chosen or label in self._chosen

    def _refuse_unknown(self) -> None:
        for label in self._chosen:
            if "[" in label and label not in self.measurements:
                known = [known for group in self._labels() for known in group]
                raise MeasurementError(
                    f"nothing measured is named {label!r}. " + nearest(label, known)
                )

    def _labels(self) -> Iterator[list[str]]:
        for name in self._names:
            yield _labels(self._groups[name].to_dataset(), name)


def _labels(group: xr.Dataset, name: str) -> list[str]:
    """Labels of a measurement, as :func:`inference.schema.flatten` gives them."""
    edges = group[CELL_EDGES]
    return labels_of(edges.rename(name), edges.dims[-1:])


def _most(edges: np.ndarray) -> int:
    """Find the largest number of edges that one of these measurements has."""
    return int(np.isfinite(edges).sum(axis=-1).max(initial=0))


def _pieces(group: xr.Dataset, own: list[str], room: int) -> Iterator[xr.Dataset]:
    """Cut along the measurement's own dims, first ones first."""
    if not own or math.prod(group.sizes[dim] for dim in own) <= room:
        yield group
        return
    step = max(1, room // math.prod(group.sizes[dim] for dim in own[1:]))
    for start in range(0, group.sizes[own[0]], step):
        yield from _pieces(group.isel({own[0]: slice(start, start + step)}), own[1:], room // step)


def _in_blocks(counts: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Add up the parts of every block; shape (world, part, ...) to (world, block, ...)."""
    number = int(blocks.max()) + 1
    if np.array_equal(blocks, np.arange(number)):
        return counts
    order = np.argsort(blocks, kind="stable")
    starts = np.searchsorted(blocks[order], np.arange(number))
    return np.add.reduceat(counts[:, order], starts, axis=1, dtype=counts.dtype)
