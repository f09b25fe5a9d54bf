r"""How densely do the draws lie, block by block?

A kernel density estimate with a Gaussian kernel of bandwidth h,

.. math:: f(x) = \frac1n \sum_i \frac1h\, \varphi\Big(\frac{x - x_i}{h}\Big),

is a sum over draws, so over blocks of draws. Draws are shared out between the two grid points next
to them (linear binning, which adds a sixth of a squared step to the variance of the kernel; h is
narrowed by as much). The whole curve is one FFT; what every block has at a few places is summed
there.
"""

import numpy as np
from scipy import fft

from inference.arrays.cells import ROBUST

__all__ = ["STEPS", "bandwidth", "binned", "kernel_sums", "smoothed", "sums_at"]

STEPS = 4
"""Grid points in a bandwidth."""
_REACH = 5 * STEPS
_TIED, _ATOM, _LATTICE_WIDTH = 0.9, 0.1, 0.75


def bandwidth(ranked: np.ndarray, effective: float) -> float:
    r"""How wide a kernel suits these draws?

    .. math:: h = 0.9 \min(\mathrm{sd}, \mathrm{IQR}/1.349)\, n^{-1/5}

    with n effective draws. Values that hold more than a tenth of the draws each (the zeros of a
    zero-inflated measurement) have no part in the spread as long as a tenth of the draws remains;
    draws that were rounded (nine in ten tied, four or more to a level) get three quarters of
    the gap between neighbouring levels at least, or every level would be a peak.

    Parameters
    ----------
    ranked
        Ascending draws, shape (draw,).
    effective
        Effective number of draws, at least 1.

    Returns
    -------
    float
        In units of the draws; 0 for a constant.

    References
    ----------
    Silverman (1986), *Density Estimation for Statistics and Data Analysis*, equation 3.31.

    Examples
    --------
    >>> bandwidth(np.linspace(0, 1, 1001), 1000.0).__round__(3)
    0.065
    """
    if ranked[0] == ranked[-1]:
        return 0.0
    values, met = _met(ranked)
    rest = ranked
    if len(values) < len(ranked):
        light = np.repeat(met <= _ATOM * len(ranked), met)
        if light.sum() >= max(2, _ATOM * len(ranked)):
            rest = ranked[light]
    quarter, size = len(rest) / 4, len(rest)
    low, high = rest[int(quarter)], rest[min(int(3 * quarter), size - 1)]
    deviation = rest.std()
    spread = min(deviation, (high - low) / ROBUST) if high > low else deviation
    chosen = 0.9 * spread * effective**-0.2
    return float(max(chosen, _LATTICE_WIDTH * _gap(values, met, len(ranked))))


def binned(
    values: np.ndarray, block: np.ndarray, blocks: int, *, start: float, step: float, points: int
) -> np.ndarray:
    """Share every draw out between the two grid points next to it.

    Parameters
    ----------
    values
        Draws within the grid, shape (draw,).
    block
        Number of each draw's block.
    blocks
        Number of blocks.
    start, step, points
        The grid is start, start + step, ..., ``points`` in all.

    Returns
    -------
    np.ndarray
        Shape (block, point); adds up to the number of draws, and keeps their mean.

    Examples
    --------
    >>> binned(np.array([0.25, 2.0]), np.array([0, 1]), 2, start=0.0, step=1.0, points=4)
    array([[0.75, 0.25, 0.  , 0.  ],
           [0.  , 0.  , 1.  , 0.  ]])
    """
    along = (values - start) / step
    whole = np.clip(along.astype(np.int64), 0, points - 2)
    share = along - whole
    whole += block * points
    size = blocks * points
    counts = np.bincount(whole, 1 - share, size)
    counts[1:] += np.bincount(whole, share, size)[:-1]
    return counts.reshape(blocks, points)


def smoothed(counts: np.ndarray, steps: float = STEPS) -> np.ndarray:
    """Spread the draws of a grid by a Gaussian kernel, through an FFT.

    Parameters
    ----------
    counts
        From :func:`binned`, shape (..., point); the grid must go five bandwidths beyond the draws.
    steps
        Bandwidth in steps of the grid.

    Returns
    -------
    np.ndarray
        Draws per step, shape (..., point), at least 0.

    Examples
    --------
    >>> smoothed(np.eye(41)[20]).sum().round(6), smoothed(np.eye(41)[20])[20].round(4)
    (np.float64(1.0), np.float64(0.1003))
    """
    points = counts.shape[-1]
    length = fft.next_fast_len(points, real=True)
    frequency = 2 * np.pi * np.arange(length // 2 + 1) / length
    kernel = np.exp(-0.5 * _variance(steps) * frequency**2)
    spread = fft.irfft(fft.rfft(counts, length) * kernel, length)[..., :points]
    return np.maximum(spread, 0.0)


def sums_at(counts: np.ndarray, places: np.ndarray, steps: float = STEPS) -> np.ndarray:
    """Take the smoothed curve of every block at a few places only.

    Parameters
    ----------
    counts
        From :func:`binned`, shape (block, point).
    places
        Numbers of grid points, shape (place,).
    steps
        Bandwidth in steps of the grid.

    Returns
    -------
    np.ndarray
        As :func:`smoothed` would have it there, shape (block, place).

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(3.0, (2, 60)).astype(float)
    >>> there = sums_at(counts, np.array([25, 30]))
    >>> bool(np.allclose(there, smoothed(counts)[:, [25, 30]], rtol=1e-4))
    True
    """
    reach = int(np.ceil(_REACH * steps / STEPS))
    offsets = np.arange(-reach, reach + 1)
    at = np.asarray(places)[:, None] + offsets
    inside = (at >= 0) & (at < counts.shape[-1])
    variance = _variance(steps)
    kernel = np.exp(-0.5 * offsets**2 / variance) / np.sqrt(2 * np.pi * variance)
    near = counts[:, np.where(inside, at, 0)]
    return np.einsum("bpo,po->bp", near, inside * kernel)


def kernel_sums(
    values: np.ndarray, block: np.ndarray, blocks: int, place: float, width: float
) -> np.ndarray:
    """Take the kernels of every block's draws at one place, without a grid.

    Parameters
    ----------
    values
        Draws, shape (draw,).
    block
        Number of each draw's block.
    blocks
        Number of blocks.
    place
        Where, in units of the draws.
    width
        Bandwidth, in units of the draws; 0 counts the draws that are there.

    Returns
    -------
    np.ndarray
        Density times the number of draws, shape (block,).

    Examples
    --------
    >>> kernel_sums(np.array([0.0, 1.0, 7.0]), np.array([0, 0, 1]), 2, 0.0, 1.0).round(3)
    array([0.641, 0.   ])
    """
    near = np.flatnonzero(np.abs(values - place) <= _REACH / STEPS * width)
    if not width:
        return np.bincount(block[near], minlength=blocks).astype(float)
    kernel = np.exp(-0.5 * np.square((values[near] - place) / width))
    return np.bincount(block[near], kernel, blocks) / (width * np.sqrt(2 * np.pi))


def _variance(steps: float) -> float:
    """Squared bandwidth in steps, less what binning adds."""
    return steps**2 - 1 / 6


def _met(ranked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct values, and how often each is met."""
    first = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
    return ranked[first], np.diff(np.append(first, len(ranked)))


def _gap(values: np.ndarray, met: np.ndarray, draws: int) -> float:
    """Gap between levels that three draws in four do not exceed; 0 for draws not rounded."""
    tied = met > 1
    if 4 * len(values) > draws or met[tied].sum() < _TIED * draws or tied.sum() < 2:
        return 0.0
    gaps, weights = np.diff(values[tied]), met[tied][1:]
    order = np.argsort(gaps)
    upto = np.cumsum(weights[order])
    return float(gaps[order][np.searchsorted(upto, 0.75 * upto[-1])])
