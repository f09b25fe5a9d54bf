r"""In which cell of all measurements together does each draw of a world lie?

A joint cell is the tuple of the cells of every measurement. Tuples are kept as 64-bit keys, sums
over the measurements of well mixed numbers, so that a million measurements are read in chunks; two
of n tuples share a key by accident with a probability of n²/2⁶⁵, 10⁻⁹ for 10⁵ draws.
"""

import numpy as np

from inference.arrays.sign_flips import flipped, noise_floor

__all__ = ["cell_numbers", "joint_keys", "joint_variation"]

AT_ONCE = 2**16
COLUMNS = 2**13
WEYL, OTHER_WEYL = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03)
MIX = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
LAST_SHIFT = np.uint64(31)


def cell_numbers(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Count the edges that lie at or below each draw: the number of its cell.

    Parameters
    ----------
    values
        Shape (measurement, row).
    edges
        Ascending, shape (measurement, edges); padded with infinity.

    Returns
    -------
    np.ndarray
        Unsigned integers from 0 to the number of edges, shaped as the values.

    Examples
    --------
    >>> cell_numbers(np.array([[0.0, 1.0, 2.0, 9.0]]), np.array([[1.0, 5.0]]))
    array([[0, 1, 1, 2]], dtype=uint8)
    """
    narrow = np.uint8 if edges.shape[1] <= np.iinfo(np.uint8).max else np.uint16
    numbers = np.zeros(values.shape, dtype=narrow)
    step = max(1, AT_ONCE // max(1, values.shape[1]))
    for start in range(0, len(values), step):
        part = slice(start, start + step)
        for edge in edges[part].T[:, :, None]:
            numbers[part] += values[part] >= edge
    return numbers


def joint_keys(numbers: np.ndarray, *, first: int = 0) -> np.ndarray:
    """Turn the cell numbers of all measurements into one key per draw.

    Parameters
    ----------
    numbers
        Shape (measurement, row).
    first
        Index of the first of these measurements: keys of several chunks add up to those of all.

    Returns
    -------
    np.ndarray
        uint64, shape (row,); equal where the tuples of cells are, and hardly ever elsewhere.

    Examples
    --------
    >>> numbers = np.array([[0, 1, 0], [1, 0, 1]])
    >>> keys = joint_keys(numbers)
    >>> bool(keys[0] == keys[2]), bool(keys[0] == keys[1])
    (True, False)
    >>> bool((keys == joint_keys(numbers[:1]) + joint_keys(numbers[1:], first=1)).all())
    True
    """
    keys = np.zeros(numbers.shape[1], dtype=np.uint64)
    step = max(1, AT_ONCE // max(1, numbers.shape[1]))
    for start in range(0, len(numbers), step):
        mixed = numbers[start : start + step].astype(np.uint64)
        which = np.arange(first + start + 1, first + start + 1 + len(mixed), dtype=np.uint64)
        mixed *= WEYL
        mixed += (which * OTHER_WEYL)[:, None]
        for shift, factor in MIX:
            mixed ^= mixed >> shift
            mixed *= factor
        mixed ^= mixed >> LAST_SHIFT
        keys += mixed.sum(axis=0, dtype=np.uint64)
    return keys


def joint_variation(
    let_in: np.ndarray, erased: np.ndarray, *, bounds: np.ndarray, signs: np.ndarray
) -> dict[str, float | int]:
    r"""Compare how often each joint cell was visited in two worlds.

    .. math:: \mathrm{plugin} = \tfrac12 \sum_W |c_1(W) - c_0(W)| / n

    Parameters
    ----------
    let_in, erased
        Keys of the draws, shape (row,).
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.
    signs
        From :func:`inference.arrays.sign_flips.random_signs`.

    Returns
    -------
    dict of str to number
        ``plugin``, in [0, 1]; ``floor``, what the same world would show (block sign flips), in
        [0, 1]; ``cells``, the number of joint cells that were visited at all.

    Examples
    --------
    >>> from inference.arrays.sign_flips import random_signs
    >>> keys, signs = np.arange(400, dtype=np.uint64) % 2, random_signs(100, 20)
    >>> joint_variation(keys, keys, bounds=np.arange(0, 401, 20), signs=signs)
    {'plugin': 0.0, 'floor': 0.0, 'cells': 2}
    """
    rows = len(erased)
    visited, which = np.unique(np.concatenate([let_in, erased]), return_inverse=True)
    lengths = np.diff(bounds)
    block = np.tile(np.repeat(np.arange(len(lengths)), lengths), 2)
    world = np.repeat([0, 1], rows)
    order = np.argsort(which, kind="stable")
    which, block, world = which[order], block[order], world[order]
    starts = np.arange(0, len(visited), COLUMNS)
    cuts = np.searchsorted(which, np.append(starts, len(visited)))
    plugin = floor = 0.0
    for start, begin, end in zip(starts, cuts[:-1], cuts[1:], strict=True):
        width = min(COLUMNS, len(visited) - int(start))
        place = world[begin:end] * len(lengths) + block[begin:end]
        place = place * width + which[begin:end] - start
        counted = np.bincount(place, minlength=2 * len(lengths) * width)
        on, off = counted.reshape(2, len(lengths), width, 1)
        difference = on - off
        plugin += 0.5 * float(np.abs(difference.sum(axis=0)).sum()) / rows
        rare = (on + off).sum(axis=(0, 2)) <= len(lengths) // 2
        floor += _floor(difference, rare, lengths, signs)
    return {"plugin": plugin, "floor": min(floor, 1.0), "cells": len(visited)}


def _floor(
    difference: np.ndarray, rare: np.ndarray, lengths: np.ndarray, signs: np.ndarray
) -> float:
    """Centre the cells that many blocks visit, but not the rare ones.

    Of a cell that a single draw has visited, centring would take away a share of 1/J, and of the
    floor of the finest cells as much.
    """
    floor = 0.0
    if not rare.all():
        floor += noise_floor(difference[:, ~rare], lengths, signs).item()
    if rare.any():
        floor += float(flipped(difference[:, rare], signs)[0].mean()) / lengths.sum()
    return floor
