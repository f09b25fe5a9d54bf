r"""In which coordinates is the trial's posterior round, so that NUTS needs few steps?

The model of outcome *k* has coefficients :math:`\theta_k` with prior :math:`N(0, S^2)`. A
quadratic approximation of its likelihood, with information :math:`\iota_k` a woman, gives

.. math:: H_k = \iota_k X^\top X + S^{-2} = R_k^\top R_k, \qquad
          \hat\theta_k = H_k^{-1} \iota_k X^\top y_k, \qquad z_k = R_k (\theta_k - \hat\theta_k)

and the posterior of :math:`z_k` is close to a standard normal. Nothing is approximated: the prior
of :math:`\theta_k` is written as what it is for :math:`z_k`, that is
:math:`N(-R_k \hat\theta_k,\ R_k S^2 R_k^\top)`.
"""

from dataclasses import dataclass

import numpy as np
import torch

__all__ = ["Coordinates", "coordinates"]


@dataclass(frozen=True)
class Coordinates:
    """How to get from z to coefficients and spreads: P predictors, K outcomes, D with a spread.

    Parameters
    ----------
    centre
        Where z = 0 is (P, K).
    back
        Inverse of R for each outcome (K, P, P).
    prior_location, prior_factor
        Prior of z: mean and Cholesky factor of the covariance (K, P), (K, P, P).
    spread_centre, spread_step
        Log spread and its change under therapy are centre + step z (2, D).
    """

    centre: torch.Tensor
    back: torch.Tensor
    prior_location: torch.Tensor
    prior_factor: torch.Tensor
    spread_centre: torch.Tensor
    spread_step: torch.Tensor

    def coefficients(self, z: torch.Tensor) -> torch.Tensor:
        """Turn z (..., K, P) into coefficients (..., P, K)."""
        return self.centre + (self.back @ z[..., None])[..., 0].transpose(-1, -2)

    def spreads(self, z: torch.Tensor) -> torch.Tensor:
        """Turn z (..., 2, D) into log spreads and their changes."""
        return self.spread_centre + self.spread_step * z


def coordinates(
    rows: np.ndarray,
    own: np.ndarray,
    targets: np.ndarray,
    information: np.ndarray,
    prior: np.ndarray,
    *,
    scored: int,
    shaped: int,
) -> Coordinates:
    """Find the coordinates from weighted least squares, one outcome at a time.

    Parameters
    ----------
    rows
        Predictors that all outcomes share (W, P - 1).
    own
        The last predictor, which is each outcome's own (W, K).
    targets
        Outcomes on a scale on which the model is linear, NaN where not recorded (W, K).
    information
        A woman's information about her location where it is not the inverse of the residual
        variance; NaN for scores, where it is (K).
    prior
        Prior standard deviations of the coefficients (P).
    scored, shaped
        How many outcomes, from the first, are scored, and have a spread at all.

    Returns
    -------
    Coordinates
    """
    found = [
        _one(np.column_stack([rows, own[:, k]]), targets[:, k], information[k], prior)
        for k in range(targets.shape[1])
    ]
    recorded = np.maximum((~np.isnan(targets)).sum(0)[:shaped], 1)
    deviation = np.array([f[4] for f in found])[:shaped]
    centre = np.where(np.arange(shaped) < scored, np.log(deviation), 0.0)
    centres, back, location, factor = (np.stack([f[i] for f in found]) for i in range(4))
    return Coordinates(
        centre=_tensor(centres.T),
        back=_tensor(back),
        prior_location=_tensor(location),
        prior_factor=_tensor(factor),
        spread_centre=_tensor(np.stack([centre, np.zeros(shaped)])),
        spread_step=_tensor(np.stack([1 / np.sqrt(recorded), np.sqrt(2 / recorded)])),
    )


def _one(
    rows: np.ndarray, target: np.ndarray, information: float, prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    seen = ~np.isnan(target)
    rows, target = rows[seen], target[seen]
    least = np.linalg.lstsq(rows, target, rcond=None)[0]
    freedom = max(1, len(target) - np.linalg.matrix_rank(rows))
    variance = max(float(np.sum((target - rows @ least) ** 2) / freedom), 1e-3)
    weight = 1 / variance if np.isnan(information) else information
    precision = weight * rows.T @ rows + np.diag(prior**-2.0)
    centre = np.linalg.solve(precision, weight * rows.T @ target)
    upper = np.linalg.cholesky(precision).T
    factor = np.linalg.cholesky((upper * prior**2) @ upper.T)
    return centre, np.linalg.inv(upper), -upper @ centre, factor, float(np.sqrt(variance))


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(array, dtype=torch.float32)
