r"""In which units are many outputs alike: uncorrelated, of variance one, none said twice?

.. math:: V = U \Lambda U^\top, \qquad W = \Lambda^{-1/2} U^\top, \qquad
          \lVert W J \rVert^2 = J^\top V^+ J

The squared length of a whitened slope is the Fisher information that a linear reading of the
outputs has about the datum: what could be learnt of it from one look at the future.
"""

import numpy as np

__all__ = ["whitener"]

NOTHING = 1e-8
"""Share of the largest eigenvalue (of the correlations) that is put down to rounding."""


def whitener(covariance: np.ndarray) -> np.ndarray:
    """Find the matrix that whitens outputs of this covariance.

    Outputs that say what others have said already (the last of some cells that add up to one)
    and constants take no room.

    Parameters
    ----------
    covariance
        Shape (output, output).

    Returns
    -------
    np.ndarray
        Shape (rank, output).

    Examples
    --------
    >>> covariance = np.array([[4.0, 4.0, 0.0], [4.0, 4.0, 0.0], [0.0, 0.0, 0.0]])
    >>> white = whitener(covariance)
    >>> white.shape, (white @ covariance @ white.T).round(9).tolist()
    ((1, 3), [[1.0]])
    """
    sd = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    weights = np.where(sd > 0, 1 / np.where(sd > 0, sd, 1.0), 0.0)
    size, axes = np.linalg.eigh(covariance * weights[:, None] * weights)
    kept = size > NOTHING * max(size[-1], 0.0) if len(size) else np.zeros(0, dtype=bool)
    kept &= size > 0
    found: np.ndarray = (axes[:, kept] / np.sqrt(size[kept])).T * weights
    return found
