"""How often does chance reach as high as this, even where no sample of it did?"""

import numpy as np
from scipy import special

__all__ = ["FEWEST_EXCEEDANCES", "exceedance"]

FEWEST_EXCEEDANCES = 10
"""Samples that must reach a value for their share to tell how often they do."""
_LEAST_SKEWNESS = 0.01
_STILL = 1e-6


def exceedance(
    samples: np.ndarray, values: np.ndarray, *, rounding: float = 1e-9
) -> tuple[np.ndarray, np.ndarray]:
    """How likely is it that a distance reaches a value by chance?

    The share of samples that reach it; where fewer than ten do, the tail of the Pearson III law
    with their mean, deviation and skewness. The normal law would be too short.

    Parameters
    ----------
    samples
        Distances by chance, shape (measurement, sample).
    values
        Shape (measurement,).
    rounding
        What comes as near to the value as this share of it counts as a tie.

    Returns
    -------
    tuple of ndarray
        Probabilities in (0, 1], and how many samples reach the value; shape (measurement,).

    Examples
    --------
    >>> samples = np.random.default_rng(0).gamma(50.0, size=(1, 1000))
    >>> chance, reached = exceedance(samples, np.array([100.0]))
    >>> reached.item(), bool(1e-9 < chance.item() < 1e-7)  # 4e-9, by the gamma law
    (0, True)
    """
    reached = np.count_nonzero(samples >= (values * (1 - rounding))[:, None], axis=1)
    counted = (1 + reached) / (1 + samples.shape[1])
    mean = samples.mean(axis=1, dtype=np.float64)
    centred = samples - mean[:, None]
    squares = np.square(centred)
    deviation = np.sqrt(squares.mean(axis=1))
    varies = deviation > _STILL * np.abs(mean)
    safe = np.where(varies, deviation, 1.0)
    skewness = np.multiply(squares, centred, out=squares).mean(axis=1) / safe**3
    shape = 4 / np.maximum(skewness, _LEAST_SKEWNESS) ** 2
    standard = np.where(varies, (values - mean) / safe, 0.0)
    tail = special.gammaincc(shape, np.maximum(shape + np.sqrt(shape) * standard, 0.0))
    told = (reached >= FEWEST_EXCEEDANCES) | ~varies
    return np.where(told, counted, np.maximum(tail, np.finfo(float).tiny)), reached
