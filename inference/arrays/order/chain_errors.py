r"""How well do chains of draws know what is estimated from them?

An estimate that moves by the mean of an influence over draws,

.. math:: \hat\theta - \theta \approx \frac1n \sum_t \psi(w_t),

is as uncertain as that mean. Draws of a chain resemble their neighbours, futures of a draw share
its past, and worlds with and without the disciple share the past too: influences of arrays that
have the same chains and draws are added draw by draw, and the spread of blocks of draws tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from counterfactual_models.errors import CounterfactualError
from inference.arrays.blocks import FEWEST_DRAWS, block_bounds, effective_draws, widening
from inference.arrays.reweighting import block_errors

__all__ = ["BitsKnown", "as_chains", "blocks_of_draws", "error_of_estimate", "refuse_share"]


@dataclass(frozen=True)
class BitsKnown:
    """An estimate in bits, and its Monte Carlo standard error."""

    bits: float
    mcse: float


def as_chains(values: np.ndarray, name: str, *, impossible: bool = False) -> np.ndarray:
    """Give draws the shape (chain, draw, future), and refuse what is no number.

    Parameters
    ----------
    values
        Shape (draw,), (chain, draw) or (chain, draw, future).
    name
        What the caller calls them.
    impossible
        Let -inf in: the logarithm of what cannot be.

    Returns
    -------
    np.ndarray
        Shape (chain, draw, future), double precision.

    Raises
    ------
    CounterfactualError
        If there are no draws, too many axes, or a number that is not finite.

    Examples
    --------
    >>> as_chains(np.zeros((4, 100)), "utility").shape
    (4, 100, 1)
    """
    array = np.asarray(values)
    if array.ndim not in (1, 2, 3) or array.size == 0 or array.dtype.kind not in "biuf":
        raise CounterfactualError(
            f"got {name} of shape {array.shape} and type {array.dtype}; expected numbers of shape "
            "(draw,), (chain, draw) or (chain, draw, future), and at least one of them."
        )
    bad = ~np.isfinite(array)
    if impossible:
        bad &= ~np.isneginf(array)
    if bad.any():
        place = [int(at) for at in np.argwhere(bad)[0]]
        raise CounterfactualError(
            f"got {name}{place} = {array[tuple(place)]}; expected finite numbers: find out in "
            "this draw what left its range, or leave the draw out."
        )
    shape = (1, *array.shape) if array.ndim == 1 else array.shape
    return array.reshape(*shape, *([1] * (3 - len(shape)))).astype(float)


def refuse_share(name: str, value: float) -> None:
    """Refuse what is not strictly between 0 and 1.

    Raises
    ------
    CounterfactualError
        Naming it.

    Examples
    --------
    >>> refuse_share("probability", 0.95)
    """
    if not 0 < value < 1:
        raise CounterfactualError(
            f"got {name}={value!r}; expected a number between 0 and 1, such as {name}=0.95."
        )


def blocks_of_draws(
    chains: int, draws: int, *, effective: float
) -> tuple[np.ndarray, np.ndarray | float]:
    """Cut chains into blocks that may be treated as independent.

    Parameters
    ----------
    chains, draws
        Of equal length each.
    effective
        How many independent draws they are worth together.

    Returns
    -------
    tuple of ndarray and float
        Numbers of the draws at which blocks begin, and the end of the last; and by how much errors
        from these blocks are to be widened. Under 40 draws each is a block by itself.

    Examples
    --------
    >>> bounds, wider = blocks_of_draws(4, 1000, effective=4000.0)
    >>> len(bounds), float(wider)
    (41, 1.0)
    """
    if chains * draws < FEWEST_DRAWS:
        return np.arange(chains * draws + 1), 1.0
    bounds = block_bounds(chains, draws, effective=effective)
    return bounds, widening(effective, len(bounds) - 1)


def error_of_estimate(influences: Sequence[np.ndarray], effective: float | None = None) -> float:
    r"""Find the standard error of an estimate that several sets of draws move.

    Parameters
    ----------
    influences
        By how much each draw moves the estimate, times their number; shape (chain, draw, future).
        Those of as many chains and draws are added draw by draw: what they share is counted.
    effective
        How many independent draws the draws of each are worth; found from the influences if None.

    Returns
    -------
    float
        In the units of the estimate; infinite where a single draw is all there is.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> first, second = rng.normal(size=(2, 4, 1000, 1))
    >>> apart = error_of_estimate([first, second])
    >>> bool(abs(apart - (2 / 4000) ** 0.5) < 0.01)
    True
    >>> round(error_of_estimate([first, -first]), 12)
    0.0
    """
    series: dict[tuple[int, int], np.ndarray] = {}
    for influence in influences:
        rows = influence.shape[:2]
        series[rows] = series.get(rows, 0.0) + influence.mean(axis=2)
    return float(np.sqrt(sum(_squared_error(one, effective) for one in series.values())))


def _squared_error(series: np.ndarray, effective: float | None) -> float:
    chains, draws = series.shape
    if series.size == 1:
        return np.inf
    if effective is None:
        effective = float(effective_draws(series[None, None])[0, 0])
    bounds, wider = blocks_of_draws(chains, draws, effective=min(effective, series.size))
    centred = (series - series.mean()).ravel()
    shares = np.add.reduceat(centred, bounds[:-1]) / series.size
    return 0.0 if not shares.any() else float(block_errors(shares, wider)) ** 2
