r"""How much of the difference between two worlds is chaos that nobody steers?

.. math:: \mathrm{TV}(P_1, P_0) \le \mathbb{E}_z\, \mathrm{TV}(P_1(\cdot|z), P_0(\cdot|z))
          \le P(W_1 \ne W_0)

The first rung compares the two distributions; the second compares them for each z, and averages;
the third counts how often the cell differs under shared noise. A butterfly climbs from the first
to the third: the hurricane strikes elsewhere in every draw, and nowhere more often.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from inference.arrays.blocks import effective_draws, widening
from inference.arrays.cells import Cells
from inference.arrays.joint_cells import cell_numbers
from inference.arrays.total_variation import (
    CROSS_FIT_INFLATION,
    FEWEST_EFFECTIVE,
    ONE_SIDED,
    UNSEEN,
    variation,
)

__all__ = ["joint_groups", "ladder"]

CHUNK = 2**20
FEW_LEVELS = 8
JUDGED = 8
MOST_EDGES = 128

TWO_BOUNDS = 1.96
"""Standard normal quantile of 97.5 %."""


def joint_groups(values: np.ndarray, *, cells: int = 4) -> np.ndarray:
    """Which rows are alike in all of these variables?

    A variable with at most eight values keeps them. Any other is cut at its k/cells quantiles; a
    value that is repeated where a cut falls (the zeros of a zero-inflated variable) is a class of
    its own. Rows in the same class of every variable form a group.

    Parameters
    ----------
    values
        Shape (variable, row).
    cells
        Classes of a variable.

    Returns
    -------
    np.ndarray
        Number of each row's group, from 0; shape (row,).

    Examples
    --------
    >>> joint_groups(np.array([[0.0, 0.0, 1.0, 1.0], [5.0, 6.0, 5.0, 5.0]])).tolist()
    [0, 1, 2, 2]
    """
    groups = np.zeros(values.shape[1], dtype=np.int64)
    for variable in values:
        levels, own = np.unique(variable, return_inverse=True)
        if len(levels) > FEW_LEVELS:
            own = _classes(variable, cells)
        # Numbered anew each time, so that the product of many classes never overflows.
        groups = np.unique(groups * (own.max() + 1) + own, return_inverse=True)[1]
    return groups


def ladder(
    values: np.ndarray,
    *,
    bounds: np.ndarray,
    signs: np.ndarray,
    effective: np.ndarray | float,
    slowest: float = np.inf,
    groups: np.ndarray | None = None,
    cells: int = 16,
) -> dict[str, np.ndarray]:
    r"""Estimate the three rungs between every world and the first, the erased one.

    * ``tv``: :func:`~inference.arrays.total_variation.variation` of the cells;
    * ``conditional``, given `groups`: the same of (group, cell), as the groups are equally likely
      in both worlds; noise floor and bounds are its own;
    * ``conditional``, each draw being a z: the signs of a draw's differences come from all its
      futures but one, the difference from that one, in cells merged as far as the other half of
      the draws recommends. Its mean is at most the rung, and at most 0 for equal worlds; the
      plug-in, which bounds the rung from above, tends to 1 with few futures. With a single future
      there is nothing to estimate: the rung below, between the bounds of its neighbours;
    * ``coupled``: the share of rows whose cells differ;
    * ``chaos`` = coupled - tv.

    The middle rung is kept between the other two, which the truth never leaves. Cells come from
    the erased draws: errors are those of the rungs in these very cells.

    Parameters
    ----------
    values
        Shape (measurement, world, chain, draw, future); rows of all worlds share their noise.
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.
    signs
        From :func:`inference.arrays.sign_flips.random_signs`.
    effective
        Effective number of draws, one for all or of shape (world - 1, measurement). Where the
        change of cells is worth fewer, the upper two rungs are judged by those (``ess``).
    slowest
        Effective draws of the slowest latent, which may be behind anything.
    groups
        z of each row, from 0, the same in all worlds; shape (row,). Each draw by default.
    cells
        Number of equal-mass cells, beside the two tails.

    Returns
    -------
    dict of str to np.ndarray
        Of each rung its name, ``_mcse``, ``_lower`` and ``_upper`` (95 %, one-sided), of the first
        two ``_floor``; ``chaos``, ``chaos_mcse`` and ``ess``. Shape (world - 1, measurement), in
        [0, 1] but for ``ess``.

    Examples
    --------
    >>> from inference.arrays.blocks import block_bounds
    >>> from inference.arrays.sign_flips import random_signs
    >>> strikes = np.random.default_rng(0).integers(0, 50, (1, 2, 4, 1000, 1)).astype(float)
    >>> bounds = block_bounds(4, 1000, effective=4000.0)
    >>> signs = random_signs(1000, len(bounds) - 1)
    >>> found = ladder(strikes, bounds=bounds, signs=signs, effective=4000.0)
    >>> found["tv"].item() < 0.05 < 0.95 < found["coupled"].item()
    True
    """
    measurements, worlds = values.shape[:2]
    rows = _Rows.of(values.shape[2:], bounds, signs, groups)
    sizes = np.broadcast_to(effective, (worlds - 1, measurements))
    found: dict[str, np.ndarray] = {}
    for part in _chunks(measurements, rows, cells):
        chunk = values[part].reshape(-1, worlds, rows.count)
        edges = Cells.quantile(cells).edges(chunk[:, 0], rows.draws)
        erased = cell_numbers(chunk[:, 0], edges)
        for world in range(1, worlds):
            let_in = cell_numbers(chunk[:, world], edges)
            rungs = _rungs(
                let_in, erased, edges.shape[1] + 1, rows, sizes[world - 1, part], slowest
            )
            for name, rung in rungs.items():
                kept = found.setdefault(name, np.empty((worlds - 1, measurements)))
                kept[world - 1, part] = rung
    return found


@dataclass(frozen=True)
class _Rows:
    """How the rows hang together."""

    shape: tuple[int, ...]
    bounds: np.ndarray
    signs: np.ndarray
    segments: np.ndarray
    groups: int | None

    @classmethod
    def of(
        cls,
        shape: tuple[int, ...],
        bounds: np.ndarray,
        signs: np.ndarray,
        groups: np.ndarray | None,
    ) -> "_Rows":
        segments = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        if groups is None:
            return cls(shape, bounds, signs, segments, None)
        number = int(groups.max()) + 1
        return cls(shape, bounds, signs, segments * number + groups, number)

    @property
    def blocks(self) -> int:
        return len(self.bounds) - 1

    @property
    def futures(self) -> int:
        return self.shape[2]

    @property
    def draws(self) -> int:
        return self.shape[0] * self.shape[1]

    @property
    def count(self) -> int:
        return self.draws * self.futures


def _chunks(measurements: int, rows: _Rows, cells: int) -> Iterator[slice]:
    """Measurements at once: as many as keep each temporary array to some megabytes."""
    within = rows.draws if rows.groups is None and rows.futures > 1 else 1
    within = max(within, rows.blocks * (rows.groups or 1))
    step = max(1, CHUNK // max(rows.count, within * (max(MOST_EDGES, 2 * (cells + 1)) // 4)))
    for start in range(0, measurements, step):
        yield slice(start, min(start + step, measurements))


def _rungs(
    let_in: np.ndarray,
    erased: np.ndarray,
    cells: int,
    rows: _Rows,
    effective: np.ndarray,
    slowest: float,
) -> dict[str, np.ndarray]:
    """Take the codes of both worlds, (measurement, row), and compare them on each rung."""
    moved = let_in != erased
    size = np.minimum(effective, _worth(moved, rows, slowest))
    on, off = (_block_counts(codes, cells, rows) for codes in (let_in, erased))
    # Without groups there is one, and this adds up nothing.
    whole = [c.reshape(rows.blocks, -1, cells, c.shape[-1]).sum(axis=1) for c in (on, off)]
    first = variation(*whole, signs=rows.signs, effective=effective)
    changes = np.add.reduceat(moved, rows.bounds[:-1], axis=-1, dtype=np.int64).astype(float)
    found = {f"tv{end}": first[name] for end, name in _ENDS.items()}
    found |= _mean("coupled", changes, rows.bounds, size)
    found["chaos"] = found["coupled"] - found["tv"]
    difference = whole[0] - whole[1]
    witness = 0.5 * np.einsum("bk,jbk->kj", np.sign(difference.sum(axis=0)), difference)
    found["chaos_mcse"] = _mean("chaos", changes - witness, rows.bounds, size)["chaos_mcse"]
    if rows.groups is None and rows.futures == 1:  # between its neighbours is all that is known
        middle = {end: found[f"tv{end}"] for end in _ENDS} | {"_upper": found["coupled_upper"]}
        return found | {f"conditional{end}": middle[end] for end in _ENDS} | {"ess": size}
    if rows.groups is not None:
        joint = variation(on, off, signs=rows.signs, effective=size)
        middle = {end: joint[name] for end, name in _ENDS.items()}
    else:
        middle = _within_draws(let_in, erased, whole[1].sum(axis=0).T > 0, rows, size)
    return found | _kept_between(middle, found) | {"ess": size}


_ENDS = {"": "tv", "_mcse": "mcse", "_lower": "lower", "_upper": "upper", "_floor": "floor"}


def _kept_between(
    middle: dict[str, np.ndarray], found: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Keep the middle rung between its neighbours, where its truth is."""
    above = middle[""] > found["tv"]
    # Of two bounds the better one is chosen: each must hold at 97.5 %.
    further = TWO_BOUNDS - ONE_SIDED
    lowers = (
        middle["_lower"] - further * middle["_mcse"],
        found["tv_lower"] - further * CROSS_FIT_INFLATION * found["tv_mcse"],
    )
    uppers = (
        middle["_upper"] + further * middle["_mcse"],
        found["coupled_upper"] + further * found["coupled_mcse"],
    )
    return {
        "conditional": np.clip(middle[""], found["tv"], found["coupled"]),
        "conditional_mcse": np.where(above, middle["_mcse"], found["tv_mcse"]),
        "conditional_lower": np.clip(np.maximum(*lowers), 0.0, 1.0),
        "conditional_upper": np.clip(np.minimum(*uppers), 0.0, 1.0),
        "conditional_floor": middle["_floor"],
    }


def _within_draws(
    let_in: np.ndarray, erased: np.ndarray, seen: np.ndarray, rows: _Rows, size: np.ndarray
) -> dict[str, np.ndarray]:
    """Compare the futures of each draw: by the signs of the other futures, and by the plug-in."""
    cells = seen.shape[1]
    # What no erased draw visits is one cell, the novel one.
    known = np.take_along_axis(seen, let_in.astype(np.intp), axis=1)
    narrow = np.where(known, let_in, cells).astype(let_in.dtype)
    crossed, plugin = _left_out(narrow, erased, cells + 1, rows)
    looks = [crossed]
    for coarser in range(1, (cells - 1).bit_length()):
        merged = ((cells - 1) >> coarser) + 1
        looks.append(_left_out(let_in >> coarser, erased >> coarser, merged, rows)[0])
    found = _mean("", _best_look(np.stack(looks)), rows.bounds, size)
    return found | {
        "_upper": _mean("", plugin, rows.bounds, size)["_upper"],
        "_floor": np.zeros(len(seen)),
    }


def _left_out(
    let_in: np.ndarray, erased: np.ndarray, cells: int, rows: _Rows
) -> tuple[np.ndarray, np.ndarray]:
    """Leave each future out, and judge it by the signs of the rest; and the plug-in, by blocks."""
    where = np.arange(rows.count) // rows.futures
    same = np.where(let_in == erased, let_in, cells).astype(let_in.dtype)
    both = _counts(same, where, rows.draws, cells + 1)[..., :cells]
    plus, minus = (_counts(x, where, rows.draws, cells) - both for x in (let_in, erased))
    gap = np.abs(plus - minus)
    # With a gap of two the rest agree on the sign whoever is left out; below, who agrees with it
    # gives the other sign, or none.
    left_out = np.where(gap > 1, gap, (gap - 2) * np.minimum(plus, minus))
    starts = rows.bounds[:-1] // rows.futures
    crossed, plugin = (
        0.5 * np.add.reduceat(terms.sum(axis=-1), starts, axis=-1) for terms in (left_out, gap)
    )
    return crossed, plugin


def _best_look(sums: np.ndarray) -> np.ndarray:
    """Choose how coarsely to look, (look, measurement, block), in one half for the other.

    No look sees more than the finest, in the mean; with few futures a coarse one misses less.
    """
    half = sums.shape[-1] // 2
    first, second = sums[..., :half], sums[..., half:]
    chosen = [other.sum(axis=-1).argmax(axis=0)[None, :, None] for other in (second, first)]
    parts = zip((first, second), chosen, strict=True)
    return np.concatenate([np.take_along_axis(x, at, axis=0)[0] for x, at in parts], axis=-1)


def _mean(
    name: str, sums: np.ndarray, bounds: np.ndarray, size: np.ndarray
) -> dict[str, np.ndarray]:
    """Take the mean of a series from its sums over blocks, (measurement, block), with errors."""
    lengths, blocks = np.diff(bounds), sums.shape[1]
    mean = sums.sum(axis=1) / lengths.sum()
    residual = sums - mean[:, None] * lengths
    spread = np.sqrt(blocks / (blocks - 1) * np.square(residual).sum(axis=1)) / lengths.sum()
    told = size >= FEWEST_EFFECTIVE
    wider = widening(np.where(told, size, FEWEST_EFFECTIVE), blocks)
    mcse = np.where(told, np.minimum(wider * spread, 1.0), 1.0)
    reach = ONE_SIDED * mcse + UNSEEN / size
    lower, upper = np.clip(mean - reach, 0.0, 1.0), np.clip(mean + reach, 0.0, 1.0)
    ends = {"": mean, "_mcse": mcse, "_lower": lower, "_upper": upper}
    return {f"{name}{end}": value for end, value in ends.items()}


def _worth(moved: np.ndarray, rows: _Rows, slowest: float) -> np.ndarray:
    """Effective draws of the change of cells."""
    series = moved.reshape(len(moved), 1, *rows.shape)
    worth = effective_draws(series, most=JUDGED)[:, 0]
    return np.minimum(worth, slowest)


def _block_counts(codes: np.ndarray, cells: int, rows: _Rows) -> np.ndarray:
    """Count each (group, cell) in each block; shape (block, group x cell, measurement)."""
    number = rows.blocks * (rows.groups or 1)
    counts = _counts(codes, rows.segments, number, cells)
    return np.ascontiguousarray(counts.reshape(len(codes), rows.blocks, -1).transpose(1, 2, 0))


def _counts(codes: np.ndarray, segments: np.ndarray, number: int, cells: int) -> np.ndarray:
    """How many rows of each segment lie in each cell; shape (measurement, segment, cell)."""
    base = np.arange(len(codes))[:, None] * number + segments
    base *= cells
    base += codes
    counts = np.bincount(base.ravel(), minlength=len(codes) * number * cells)
    return counts.reshape(len(codes), number, cells)


def _classes(variable: np.ndarray, cells: int) -> np.ndarray:
    ranked = np.sort(variable)
    classes = np.zeros(len(variable), dtype=np.int64)
    for number in range(1, cells):
        cut = number * len(ranked) // cells
        classes += variable >= ranked[cut]
        if ranked[cut - 1] == ranked[cut]:
            classes += variable > ranked[cut]
    return classes
