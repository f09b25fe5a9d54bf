r"""In which units do all data together vary by one, before any of them is known?

.. math:: \Sigma_e = \mathrm{Cov}_{prior}(E[e \mid z]) + \mathrm{diag}(u^2), \qquad
          \Sigma_e = L L^\top, \quad L = \mathrm{diag}(u) (I + W^\top W)^{1/2},
          \quad W = C\, \mathrm{diag}(u)^{-1}

with u the noise of each datum given the past and C the centred means in draws of the prior, over
the root of their number. The root is symmetric in units of the noise, so that a coordinate stays
as close to its datum as it may, whatever unit the datum came in. As

.. math:: (I + W^\top W)^{1/2} = I + A^\top \mathrm{diag}\frac{1}{1 + \sqrt{1 + \lambda}} A,
          \qquad A A^\top = \mathrm{diag}(\lambda),

with A the rotated W, no matrix of data by data is ever made.
"""

import numpy as np

__all__ = ["EvidenceScale"]

LEAST = 1e-6
"""Share of a datum's prior variance that its noise has at the least."""
NOTHING = 1e-6
"""Eigenvalues of the prior's means, in units of the noise, that count for nothing."""


class EvidenceScale:
    """The units, and what slopes are in them.

    Parameters
    ----------
    units
        Standard deviation of each datum, shape (datum,): its noise, where there are means.
    means
        E[e | z] in draws of the prior, shape (prior draw, datum); by default data are independent.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> units, means = np.array([1.0, 2.0]), rng.normal(size=(500, 2)) @ np.ones((2, 2))
    >>> root = EvidenceScale(units, means).apply(np.eye(2))
    >>> np.allclose(root @ root.T, np.cov(means.T) + np.diag(units**2))
    True
    """

    def __init__(self, units: np.ndarray, means: np.ndarray | None = None) -> None:
        self.units = np.asarray(units, dtype=np.float64)
        self.loads = np.zeros((0, len(self.units)))
        if means is not None:
            centred = np.asarray(means, dtype=np.float64)
            centred = (centred - centred.mean(axis=0)) / np.sqrt(len(centred) - 1)
            total = np.square(centred).sum(axis=0) + self.units**2
            self.units = np.sqrt(np.maximum(self.units**2, LEAST * total))
            centred /= np.where(self.units > 0, self.units, 1.0)
            self.loads = _rotated(centred)
        self.gains = 1 / (1 + np.sqrt(1 + np.square(self.loads).sum(axis=1)))

    def loaded(self, slopes: np.ndarray, columns: slice = slice(None)) -> np.ndarray:
        """Sum what some of the data add to the shared part, shape (..., load)."""
        found: np.ndarray = (slopes * self.units[columns]) @ self.loads[:, columns].T
        return found

    def apply(
        self,
        slopes: np.ndarray,
        columns: slice = slice(None),
        loaded: np.ndarray | None = None,
    ) -> np.ndarray:
        """Bring slopes per unit of the data, shape (..., datum), to slopes per deviation.

        Parameters
        ----------
        slopes
            Of the data in `columns`.
        columns
            Which data; all by default.
        loaded
            Sum of :meth:`loaded` over all data, if these are but some.

        Returns
        -------
        np.ndarray
            Shape (..., datum): slopes times L.
        """
        shared = self.loaded(slopes, columns) if loaded is None else loaded
        found: np.ndarray = slopes * self.units[columns]
        if len(self.loads):
            found += (shared * self.gains) @ self.loads[:, columns]
        return found


def _rotated(centred: np.ndarray) -> np.ndarray:
    """Rotate draws (draw, datum) into orthogonal rows, with those that matter alone."""
    draws, data = centred.shape
    if draws <= data:
        size, axes = np.linalg.eigh(centred @ centred.T)
        kept = size > NOTHING
        return axes[:, kept].T @ centred
    size, axes = np.linalg.eigh(centred.T @ centred)
    kept = size > NOTHING
    found: np.ndarray = (axes[:, kept] * np.sqrt(size[kept])).T
    return found
