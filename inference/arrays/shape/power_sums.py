r"""What do the powers of the draws add up to, block by block?

.. math:: S_a = \sum_t z_t^a, \qquad z = \frac{x - \mathrm{location}}{\mathrm{scale}}

Sums of powers are all that cumulants need of a world. The location is taken away first, in double
precision: raw sixth powers of numbers near a million leave no digit of their cumulants.
"""

from itertools import pairwise

import numpy as np

from counterfactual_models.errors import CounterfactualError, refuse_counts

__all__ = ["power_sums"]

TILE = 2**15
"""Numbers whose powers stay in the cache next to the processor."""
ROWS = 2048
"""Rows of a tile, where a block has more."""


def power_sums(
    values: np.ndarray,
    bounds: np.ndarray,
    *,
    location: np.ndarray | float,
    scale: np.ndarray | float,
    order: int = 6,
) -> np.ndarray:
    r"""Add up the powers of the standardised draws of every block.

    Half of the powers are formed, tile by tile; the rest are products of two of these, added up
    as they are formed. Temporary arrays take under a megabyte.

    Parameters
    ----------
    values
        Finite draws of one world, shape (measurement, draw), laid out in memory either way.
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.
    location, scale
        One for all or of shape (measurement,). Of the erased world for both worlds, so that their
        sums have the same unit; a location far from this world's draws costs digits (see
        `offset` of :func:`~inference.arrays.shape.k_statistics.cumulant_descriptors`).
    order
        The highest power.

    Returns
    -------
    np.ndarray
        float64, shape (block, order + 1, measurement); entry 0 is the number of draws, entry a has
        the unit scale^-a of the measurement's. Sums of worlds, chunks or blocks may be added.
        Infinite where a power leaves double precision (a sixth power, at 10^51 scales).

    Raises
    ------
    CounterfactualError
        Unless every scale is positive and finite, every location finite, the order at least 1.

    Examples
    --------
    >>> values = np.array([[1.0, 3.0, 5.0, 7.0]])
    >>> power_sums(values, np.array([0, 2, 4]), location=3.0, scale=2.0, order=3)[..., 0]
    array([[ 2., -1.,  1., -1.],
           [ 2.,  3.,  5.,  9.]])
    """
    refuse_counts(1, order=order)
    measurements = len(values)
    at, unit = _broadcast(location, scale, measurements)
    lengths = np.diff(bounds)
    found = np.zeros((len(lengths), order + 1, measurements))
    found[:, 0] = lengths[:, None]
    half = max(1, (order + 1) // 2)
    deep = max(1, min(ROWS, int(lengths.max())))
    wide = max(1, min(TILE // deep, measurements))
    room, ones = np.empty(half * wide * deep), np.ones(deep)
    for start in range(0, measurements, wide):
        part = slice(start, min(start + wide, measurements))
        for block, (first, last) in enumerate(pairwise(bounds)):
            for row in range(first, last, deep):
                tile = values[part, row : min(row + deep, last)]
                powers = room[: half * tile.size].reshape(half, *tile.shape)
                np.subtract(tile, at[part, None], out=powers[0])
                powers[0] /= unit[part, None]
                _add_up(powers, ones[: tile.shape[1]], found[block, 1:, part])
    return found


def _broadcast(
    location: np.ndarray | float, scale: np.ndarray | float, measurements: int
) -> tuple[np.ndarray, np.ndarray]:
    """Spread location and scale over the measurements, or refuse them."""
    at = np.broadcast_to(np.asarray(location, dtype=float), (measurements,))
    unit = np.broadcast_to(np.asarray(scale, dtype=float), (measurements,))
    for name, given, good in (
        ("location", at, np.isfinite(at)),
        ("scale", unit, np.isfinite(unit) & (unit > 0)),
    ):
        if not good.all():
            place = int(np.argmin(good))
            raise CounterfactualError(
                f"got {name}={given[place]} for measurement number {place}; expected a "
                f"{'positive ' * (name == 'scale')}finite number. Give a measurement that never "
                "varies a scale of 1."
            )
    return at, unit


def _add_up(powers: np.ndarray, ones: np.ndarray, into: np.ndarray) -> None:
    """Form the powers of the first of them, and add the sums of all orders to what is there."""
    with np.errstate(over="ignore"):
        for exponent in range(2, len(powers) + 1):
            np.multiply(powers[exponent - 2], powers[0], out=powers[exponent - 1])
        into[0] += powers[0] @ ones
        for exponent in range(2, len(into) + 1):
            low = exponent // 2
            into[exponent - 1] += np.vecdot(powers[low - 1], powers[exponent - low - 1])
