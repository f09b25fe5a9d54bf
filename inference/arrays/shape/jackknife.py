r"""How far off may a number of the draws be, and how much would two of the same world differ?

Leave out one block of draws after another. With T of all n draws and :math:`T_{(-j)}` of all but
the m of block j, the pseudo-values

.. math:: h_j T - (h_j - 1)\, T_{(-j)}, \qquad h_j = n/m_j,

are what each block says of T, had it the whole to say; their spread is the error of T, whatever
function of the draws it is, as long as that is smooth. (The number of peaks is not.) What two
worlds' blocks say is subtracted block by block, so that rows that share their past or their noise
stay paired; and if the worlds are the same, the signs of these differences are tosses of a coin.
"""

from dataclasses import dataclass

import numpy as np

from inference.arrays.blocks import widening
from inference.arrays.tails import exceedance
from inference.arrays.total_variation import FEWEST_EFFECTIVE

__all__ = ["Compared", "Estimate", "compared", "error_of", "pseudo_values"]

Estimate = tuple[np.ndarray, np.ndarray]
"""A number of all draws, (measurement,), and of all but one block, (block, measurement)."""
_ROUNDING, _NEAR = 1e-12, 1e-9
_HEARD = 0.01
"""What a block says counts if it is so much of what the loudest says."""


@dataclass(frozen=True)
class Compared:
    """A number in two worlds; every array has the shape (measurement,).

    Parameters
    ----------
    on, off
        The number with the disciple let in, and erased.
    on_mcse, off_mcse
        Their Monte Carlo errors.
    change
        On minus off.
    mcse
        Its Monte Carlo error.
    floor
        Mean of its modulus, were the worlds the same.
    p
        How likely the same world shows as much, in (0, 1].
    """

    on: np.ndarray
    off: np.ndarray
    on_mcse: np.ndarray
    off_mcse: np.ndarray
    change: np.ndarray
    mcse: np.ndarray
    floor: np.ndarray
    p: np.ndarray


def pseudo_values(estimate: Estimate, lengths: np.ndarray) -> np.ndarray:
    """Say what each block says of a number.

    Parameters
    ----------
    estimate
        The number, and the number without each block.
    lengths
        Rows in each block.

    Returns
    -------
    np.ndarray
        Shape (block, measurement); NaN where the number is not defined.

    Examples
    --------
    >>> blocks = np.array([1.0, 2.0, 6.0])  # of one row each, and the number is their mean
    >>> without = (blocks.sum() - blocks) / 2
    >>> pseudo_values((np.array([3.0]), without[:, None]), np.ones(3)).ravel()
    array([1., 2., 6.])
    """
    whole, without = estimate
    share = (lengths.sum() / lengths)[:, None]
    with np.errstate(invalid="ignore"):
        found = share * whole - (share - 1) * without
        # Rounding of numbers that agree would be blown up by the number of blocks.
        agree = np.abs(without - whole) <= _ROUNDING * np.abs(whole)
    return np.where(agree, whole, found)


def error_of(pseudo: np.ndarray, lengths: np.ndarray, effective: np.ndarray | float) -> np.ndarray:
    r"""Estimate the Monte Carlo error of a number by what its blocks say of it.

    .. math:: \sqrt{\frac1J \sum_j \frac{(\mathrm{pseudo}_j - \mathrm{mean})^2}{h_j - 1}}

    Parameters
    ----------
    pseudo
        From :func:`pseudo_values`.
    lengths
        Rows in each block.
    effective
        Effective number of draws; under ten, the error is infinite.

    Returns
    -------
    np.ndarray
        Shape (measurement,), wider where blocks hold few effective draws.

    References
    ----------
    F. M. T. A. Busing, E. Meijer and R. van der Leeden (1999), "Delete-m jackknife for unequal
    m", *Statistics and Computing* 9.

    Examples
    --------
    >>> blocks = np.array([[1.0], [2.0], [6.0]])  # the usual error of a mean: sd over sqrt(3)
    >>> error_of(blocks, np.full(3, 100), 300.0).round(6)
    array([1.527525])
    """
    share = (lengths.sum() / lengths)[:, None]
    centred = pseudo - pseudo.mean(axis=0)
    squares = np.square(centred) / (share - 1)
    told = np.asarray(effective) >= FEWEST_EFFECTIVE
    wider = widening(np.maximum(effective, FEWEST_EFFECTIVE), len(lengths))
    return np.where(told, wider * np.sqrt(squares.mean(axis=0)), np.inf)


def compared(
    let_in: Estimate,
    erased: Estimate,
    *,
    lengths: np.ndarray,
    signs: np.ndarray,
    effective: np.ndarray | float,
) -> Compared:
    """Compare a number of the erased world with that of another, and say what that is worth.

    Parameters
    ----------
    let_in, erased
        The same number of two worlds, in the same blocks.
    lengths
        Rows in each block.
    signs
        From :func:`inference.arrays.sign_flips.random_signs`.
    effective
        Effective number of draws; under ten, errors are infinite and p is 1.

    Returns
    -------
    Compared
        NaN where the number is not defined: of a change, where it is not in one of the worlds.

    Examples
    --------
    >>> from inference.arrays.sign_flips import random_signs
    >>> lengths, rng = np.full(20, 50), np.random.default_rng(0)
    >>> erased, let_in = rng.normal(size=20), rng.normal(9.0, size=20)
    >>> told = [
    ...     (np.array([blocks.mean()]), ((blocks.sum() - blocks) / 19)[:, None])
    ...     for blocks in (let_in, erased)
    ... ]
    >>> found = compared(*told, lengths=lengths, signs=random_signs(999, 20), effective=1e3)
    >>> abs(found.change.item() - 9) < 4 * found.mcse.item(), found.p.item() < 1e-4
    (True, True)
    """
    on, off = pseudo_values(let_in, lengths), pseudo_values(erased, lengths)
    known = [np.isfinite(one).all(axis=0) for one in (on, off)]
    numbers = [np.where(k, n[0], np.nan) for k, n in zip(known, (let_in, erased), strict=True)]
    errors = [
        np.where(k, error_of(np.where(k, one, 0.0), lengths, effective), np.nan)
        for k, one in zip(known, (on, off), strict=True)
    ]
    both = known[0] & known[1]
    change = np.where(both, numbers[0] - numbers[1], 0.0)
    apart = np.where(both, on - off, 0.0)
    floor, p = _same_world(apart, change, lengths, signs, effective)
    told = {
        "change": change,
        "mcse": error_of(apart, lengths, effective),
        "floor": floor,
        "p": p,
    }
    told = {name: np.where(both, values, np.nan) for name, values in told.items()}
    return Compared(*numbers, *errors, **told)


def _same_world(
    apart: np.ndarray,
    change: np.ndarray,
    lengths: np.ndarray,
    signs: np.ndarray,
    effective: np.ndarray | float,
) -> tuple[np.ndarray, np.ndarray]:
    """Toss the signs of what blocks say of the change: its mean modulus, and how likely it is."""
    blocks, weights = len(lengths), (lengths / lengths.sum())[:, None]
    size = np.broadcast_to(effective, change.shape)
    told = size >= FEWEST_EFFECTIVE
    wider = widening(np.maximum(size, FEWEST_EFFECTIVE), blocks)
    # A curved function's blocks do not average to it: what they say is about the change itself.
    centred = apart - (weights * apart).sum(axis=0)
    tossed = signs.astype(float) @ (weights * centred)
    drift = signs.astype(float) @ weights
    flips = np.abs(tossed + drift * change)
    p, _ = exceedance(flips.T, np.abs(change) / wider)
    differing = np.minimum(_voices(apart, change, weights), size)
    p = np.clip(p, 2.0 ** (1 - np.maximum(differing, 1)), 1.0)
    floor = wider * np.sqrt(blocks / (blocks - 1)) * np.abs(tossed).mean(axis=0)
    return np.where(told, floor, np.inf), np.where(told & (differing > 0), p, 1.0)


def _voices(apart: np.ndarray, change: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Count the blocks that have something of their own to say: in most, nothing rare happened.

    Of a curved function these all say the same, and of a mean they say nothing.
    """
    mean = (weights * apart).sum(axis=0)
    straight = np.abs(mean - change) <= _NEAR * np.abs(apart).max(axis=0)
    own = np.abs(apart - np.where(straight, 0.0, np.median(apart, axis=0)))
    return np.count_nonzero(own > _HEARD * own.max(axis=0), axis=0)
