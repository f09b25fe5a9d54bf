r"""Which numbers of a draw have means that tell how its distribution moves?

Indicators of cells, :math:`1[w \in W]`, for the distribution over cells; powers, for its level
and spread; waves, :math:`\cos \omega w` and :math:`\sin \omega w`, for its density smoothed by a
normal of deviation h, since by Parseval

.. math:: \int \Big(\frac{d (p * N_h)}{d e}\Big)^2 dw
          = \frac1\pi \int_0^\infty e^{-h^2\omega^2}
            \Big|\frac{d}{de} E[e^{i \omega w}]\Big|^2 d\omega,

which is the squared length of the derivative in the reproducing-kernel space of a normal kernel of
deviation :math:`h\sqrt2` (the maximum mean discrepancy), and needs no pairs of draws.

All functions take values (measurement, draw, future), and a function that brings (..., draw,
future) to rows, such as the mean over futures.
"""

from collections.abc import Callable

import numpy as np

from counterfactual_models.errors import CounterfactualError
from inference.arrays.cells import ROBUST

__all__ = ["deviations", "indicators", "powers", "waves"]

Averaged = Callable[[np.ndarray], np.ndarray]

CLIPPED = 12.0
"""Deviations from the median beyond which smoothed densities do not tell values apart."""
NEGLIGIBLE = 4.3
"""Where exp(-x²) is 1e-8."""


def indicators(values: np.ndarray, edges: np.ndarray, averaged: Averaged) -> np.ndarray:
    """Share of each draw's futures in each cell.

    Parameters
    ----------
    values
        Shape (measurement, draw, future).
    edges
        Ascending, padded with infinity, shape (measurement, edges): from ``Cells.edges``.
    averaged
        Brings (..., draw, future) to rows.

    Returns
    -------
    np.ndarray
        Shape (measurement, edges + 1, row), float32: they add up to one over the cells.

    Examples
    --------
    >>> values = np.array([[[0.0, 2.0], [5.0, 5.0]]])
    >>> indicators(values, np.array([[1.0, 3.0]]), lambda x: x.mean(-1))[0].tolist()
    [[0.5, 0.0], [0.5, 0.0], [0.0, 1.0]]
    """
    above = [averaged((values >= edge[:, None, None]).astype(np.float32)) for edge in edges.T]
    rows = averaged(np.ones((1, *values.shape[1:]), dtype=np.float32))
    one = np.ones((len(values), rows.shape[-1]), dtype=np.float32)
    levels = np.stack([one, *above, 0 * one], axis=1)
    found: np.ndarray = levels[:, :-1] - levels[:, 1:]
    return found


def powers(values: np.ndarray, centre: np.ndarray, averaged: Averaged) -> np.ndarray:
    """Level and squared distance from a centre, shape (measurement, 2, row).

    Examples
    --------
    >>> powers(np.array([[[1.0], [3.0]]]), np.array([2.0]), lambda x: x.mean(-1)).tolist()
    [[[1.0, 3.0], [1.0, 1.0]]]
    """
    wide = values.astype(np.float64)
    apart = averaged((wide - centre[:, None, None]) ** 2)
    return np.stack([averaged(wide), apart], axis=1)


def deviations(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and robust deviation of each measurement, the plain one where that is zero.

    Returns
    -------
    tuple of np.ndarray
        Shape (measurement,) each; a deviation of 1 for a constant.

    Examples
    --------
    >>> deviations(np.array([[[1.0], [2.0], [3.0]]]))[0]
    array([2.])
    """
    flat = values.reshape(len(values), -1).astype(np.float64)
    low, middle, high = np.quantile(flat, [0.25, 0.5, 0.75], axis=-1)
    scale = np.where(high > low, (high - low) / ROBUST, flat.std(axis=-1))
    return middle, np.where(scale > 0, scale, 1.0)


def waves(
    values: np.ndarray,
    centre: np.ndarray,
    scale: np.ndarray,
    averaged: Averaged,
    *,
    smoothing: float = 0.3,
) -> np.ndarray:
    """Waves whose squared slopes add up to that of the smoothed density.

    Values beyond twelve deviations count as twelve.

    Parameters
    ----------
    values
        Shape (measurement, draw, future).
    centre, scale
        From :func:`deviations` of the erased world, (measurement,).
    averaged
        Brings (..., draw, future) to rows.
    smoothing
        h, in deviations.

    Returns
    -------
    np.ndarray
        Shape (measurement, wave, row); their squared slopes add up to the squared length, in
        1/deviations.

    Raises
    ------
    CounterfactualError
        If the smoothing is not between .01 and 10 deviations.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(size=(1, 100, 1))
    >>> one = np.ones(1)
    >>> waves(values, 0 * one, one, lambda x: x.mean(-1), smoothing=1.0).shape[::2]
    (1, 100)
    """
    if not 0.01 <= smoothing <= 10:
        raise CounterfactualError(
            f"got smoothing={smoothing}; expected a width between .01 and 10 deviations of the "
            "erased world, such as .3."
        )
    apart = (values - centre[:, None, None]) / scale[:, None, None]
    apart = apart.clip(-CLIPPED, CLIPPED)
    period = 2 * np.abs(apart).max(initial=1.0) + 2 * NEGLIGIBLE * smoothing
    step = 2 * np.pi / period
    frequencies = step * np.arange(1, int(NEGLIGIBLE / smoothing / step) + 2)
    weights = np.sqrt(step / np.pi) * np.exp(-((smoothing * frequencies) ** 2) / 2)
    found = [
        weight * averaged(wave(frequency * apart))
        for frequency, weight in zip(frequencies, weights, strict=True)
        for wave in (np.cos, np.sin)
    ]
    return np.stack(found, axis=1)
