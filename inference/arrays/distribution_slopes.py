r"""How fast does a distribution over cells move with a datum?

.. math:: \mathrm{rate} = \tfrac12 \sum_W \Big|\frac{dP(W)}{de}\Big|, \qquad
          F = \sum_W \frac{1}{P(W)} \Big(\frac{dP(W)}{de}\Big)^2

Both are norms of estimates, and so too large by their noise: a datum without importance shows .16
where one with importance shows .23 (500 draws, 64 cells). So F is made of products of different
blocks of draws, and from the modulus of each slope is taken what noise adds to it: with
:math:`u = |x| / s` the slope in standard errors,

.. math:: |x| - (1 + \sqrt2)\, s\, b(u), \qquad b(u) = 2 \phi(u) - 2 u \Phi(-u),

where s b(u) is by how much the mean modulus exceeds the modulus of a mean, and 1 + √2 makes the
whole zero on average where the slope is zero. Elsewhere it is too small, by at most .4 s. Signs
taken from other draws would do the same with heavier tails: one draw more may turn them all.
"""

import numpy as np
from scipy import special

from inference.arrays.blocks import widening
from inference.arrays.score_covariance import squared_norms

__all__ = ["bits_of", "contrast_of", "fisher", "total_variation_rate"]


def total_variation_rate(
    blocks: np.ndarray, *, effective: float = np.inf
) -> dict[str, np.ndarray]:
    """Rate at which total variation grows as the datum moves.

    Parameters
    ----------
    blocks
        Slopes of the probabilities of the cells, (block, measurement, cell, datum).
    effective
        Effective draws: where a block holds under ten, errors are wider.

    Returns
    -------
    dict
        ``tv_rate``, corrected for noise: 0 on average where the truth is 0, which it does not
        exceed on average; ``tv_rate_mcse``; ``tv_rate_plugin``, at least the truth;
        ``tv_rate_floor``, what that is where the truth is 0. Each (measurement, datum), per unit
        of the datum.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(20, 1, 16, 1))
    >>> found = total_variation_rate(noise)
    >>> {name: round(float(value[0, 0]), 1) for name, value in found.items()}
    {'tv_rate': 0.3, 'tv_rate_mcse': 0.5, 'tv_rate_plugin': 1.5, 'tv_rate_floor': 1.4}
    """
    count = len(blocks)
    wider = float(widening(effective, count))
    slope = blocks.mean(0)
    noise = blocks.std(0, ddof=1) / np.sqrt(count) * wider
    size = np.abs(slope) / np.where(noise > 0, noise, 1.0)
    added = 2 * (np.exp(-(size**2) / 2) / np.sqrt(2 * np.pi) - size * special.ndtr(-size))
    # The corrected modulus varies by up to 1.3 times the noise of the slope.
    weight = np.sign(slope) * (1 + 0.3 * np.exp(-((size / 2.5) ** 2)))
    along = 0.5 * np.einsum("mcd,bmcd->bmd", weight, blocks)
    plugin = 0.5 * np.abs(slope).sum(-2)
    return {
        "tv_rate": plugin - 0.5 * (1 + np.sqrt(2)) * (noise * added).sum(-2),
        "tv_rate_mcse": along.std(0, ddof=1) / np.sqrt(count) * wider,
        "tv_rate_plugin": plugin,
        "tv_rate_floor": 0.5 * np.sqrt(2 / np.pi) * noise.sum(-2),
    }


def fisher(
    blocks: np.ndarray, probabilities: np.ndarray, *, rows: float, effective: float = np.inf
) -> dict[str, np.ndarray]:
    """Fisher information that a look at the cell gives about the datum.

    Parameters
    ----------
    blocks
        Slopes of the probabilities of the cells, (block, measurement, cell, datum).
    probabilities
        Of the cells in the same world, (measurement, cell).
    rows
        Effective rows behind the probabilities. As these come from the draws that the slopes come
        from, (cells - 1) / rows of the information would be lost; it is put back.
    effective
        As in :func:`total_variation_rate`.

    Returns
    -------
    dict
        ``fisher``, ``fisher_mcse``, ``fisher_plugin``, each (measurement, datum), per squared
        unit of the datum.

    References
    ----------
    R. B. Millar and W. S. Stewart, "Assessment of locally influential observations in Bayesian
    models", Bayesian Analysis 2 (2007).

    Examples
    --------
    >>> slopes = np.tile([[[0.2], [-0.2]]], (20, 1, 1, 1))
    >>> fisher(slopes, np.array([[0.5, 0.5]]), rows=1e9)["fisher"].round(6)
    array([[0.16]])
    """
    seen = np.where(probabilities > 0, probabilities, 1.0)  # nothing moves where nothing is
    scaled = blocks / np.sqrt(seen)[..., None]
    estimate, error, plugin = squared_norms(np.moveaxis(scaled, 2, 1), effective=effective)
    cells = np.count_nonzero(probabilities, axis=1)
    put_back = rows / np.maximum(rows - cells + 1, 1.0)
    return {
        "fisher": estimate * put_back[:, None],
        "fisher_mcse": error * put_back[:, None],
        "fisher_plugin": plugin,
    }


def bits_of(
    information: np.ndarray, error: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    r"""Bits about the future that learning the datum gives, :math:`\tfrac12 \log_2(1 + F s^2)`.

    Negative where the estimate of F is, so that it stays zero on average where F is zero.

    Parameters
    ----------
    information, error
        Fisher information and its standard error.
    scale
        Standard deviation of the datum, given the others.

    Examples
    --------
    >>> information, error = np.array([1.407006, -0.01]), np.array([0.1, 0.01])
    >>> bits_of(information, error, np.array(1.25**0.5))[0].round(6).tolist()
    [0.732009, -0.008961]
    """
    signal = information * scale**2
    slope = scale**2 / (2 * np.log(2) * (1 + np.abs(signal)))
    return np.sign(signal) * np.log2(1 + np.abs(signal)) / 2, error * slope


def contrast_of(
    rate: np.ndarray, error: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    r"""Total variation between the futures of a datum one deviation higher and one lower.

    .. math:: \mathrm{erf}(\sqrt\pi\, s\, \mathrm{rate}) = 2 \Phi(a) - 1

    exact where the future is normal and moves by :math:`a` of its deviations. A fair switch X has
    its two values one deviation to either side of its mean, so its total variation compares with
    this (Gelman 2008, "Scaling regression inputs by dividing by two standard deviations").

    Examples
    --------
    >>> rate = np.array([0.4 / np.sqrt(2 * np.pi)])
    >>> contrast_of(rate, 0 * rate, np.array(1.0))[0].round(6).tolist()
    [0.310843]
    """
    reach = np.sqrt(np.pi) * scale * rate
    return special.erf(reach), 2 * scale * error * np.exp(-(reach**2))
