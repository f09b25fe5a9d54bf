r"""What do the draws say when they are put in order?

L-moments, differences that are to be expected between the draws of a few,

.. math:: \lambda_2 = \tfrac12 E[W_{2:2} - W_{1:2}], \quad
   \lambda_3 = \tfrac13 E[W_{3:3} - 2 W_{2:3} + W_{1:3}], \quad
   \lambda_4 = \tfrac14 E[W_{4:4} - 3 W_{3:4} + 3 W_{2:4} - W_{1:4}],

exist wherever the mean does; Lévy's concentration, the largest probability that an interval of a
given width holds, always exists. What is left of sorted draws without a block is sorted.
"""

from collections.abc import Iterator

import numpy as np

from counterfactual_models.errors import CounterfactualError, MeasurementError
from inference.arrays.shape.jackknife import Estimate

__all__ = ["concentration", "order_descriptors"]

_COPIED_AT_ONCE = 2**20
_LEFT_OUT_AT_ONCE = 2**17
_ROUNDED = 4
"""Units in the last place by which a draw that was standardised may be off."""


def order_descriptors(
    values: np.ndarray, bounds: np.ndarray, *, width: float = 1.0
) -> dict[str, Estimate]:
    r"""Describe the shape of every measurement by its sorted draws.

    Parameters
    ----------
    values
        Draws of one world, shape (measurement, draw), standardised alike in all worlds.
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.
    width
        Of the interval of the concentration, in the units of the values; 0 for the largest
        probability of a single value.

    Returns
    -------
    dict of Estimate
        Each the number of all draws, (measurement,), and of all but one block, (block,
        measurement).

        ``l_scale``
            :math:`\lambda_2 \ge 0`, half the mean difference of two draws; unbiased, in the units
            of the values.
        ``l_skewness``, ``l_kurtosis``
            :math:`\lambda_3/\lambda_2` and :math:`\lambda_4/\lambda_2`, in [-1, 1] but for the
            noise of few draws: 0 and .1226 for a normal law. NaN where all draws are equal.
        ``concentration``
            See :func:`concentration`.

    Raises
    ------
    CounterfactualError
        If the width is negative or not finite.
    MeasurementError
        If a draw is not finite.

    Notes
    -----
    Errors from these blocks are right within a tenth at 2000 draws, of independent ones and at
    autocorrelation .9. Two cases are beyond a jackknife: L-moments of laws without a variance, and
    a concentration that many intervals attain, as in a uniform law (half too large).

    References
    ----------
    J. R. M. Hosking (1990), "L-moments: analysis and estimation of distributions using linear
    combinations of order statistics", *JRSS B* 52.

    Examples
    --------
    >>> from inference.arrays.blocks import block_bounds
    >>> draws = np.random.default_rng(0).normal(size=(1, 4000))
    >>> found = order_descriptors(draws, block_bounds(4, 1000, effective=4000.0))
    >>> {name: found[name][0].round(2).item() for name in ("l_scale", "concentration")}
    {'l_scale': 0.56, 'concentration': 0.38}
    """
    lengths = np.diff(bounds)
    draws = values.shape[1]
    weights = {left: _l_moment_weights(left) for left in {draws, *(draws - lengths).tolist()}}
    found = np.empty((3, 1 + len(lengths), len(values)))
    held = concentration(values, bounds, width)
    for at, (row, owner) in enumerate(_sorted(values, lengths)):
        found[:, :, at] = _with_and_without(row, owner, lengths, weights)
    names = "l_scale", "l_skewness", "l_kurtosis"
    told = {name: (one[0], one[1:]) for name, one in zip(names, found, strict=True)}
    return told | {"concentration": held}


def concentration(
    values: np.ndarray,
    bounds: np.ndarray,
    width: np.ndarray | float,
    *,
    ranked: np.ndarray | None = None,
) -> Estimate:
    r"""Find the largest share of the draws that an interval of a given width holds.

    Parameters
    ----------
    values
        Draws of one world, shape (measurement, draw).
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.
    width
        Of the interval, in the units of the values, of each measurement or of all; 0 for the
        largest probability of a single value.
    ranked
        The values in ascending order, if they are at hand.

    Returns
    -------
    Estimate
        :math:`Q(h) = \sup_a P(a \le W \le a + h)`, in (0, 1]; too high by .0026 for 10 000 normal
        draws and h = 1, half of its error. The interval is not sought anew without a block, which
        changes the number in second order only: errors agree within 2 %.

    Raises
    ------
    CounterfactualError
        If a width is negative or not finite.
    MeasurementError
        If a draw is not finite.

    Examples
    --------
    >>> dice = np.array([[1, 3, 3, 4, 6, 6], [2, 2, 2, 2, 2, 5]])
    >>> whole, without = concentration(dice, np.array([0, 3, 6]), np.array([1.0, 0.0]))
    >>> whole.round(2).tolist(), without.round(2).tolist()
    ([0.5, 0.83], [[0.33, 0.67], [0.67, 1.0]])
    """
    widths = np.broadcast_to(np.asarray(width, dtype=float), len(values))
    rounding = _ROUNDED * float(np.finfo(np.result_type(values.dtype, np.float32)).eps)
    lengths = np.diff(bounds)
    held = np.empty((len(lengths), len(values)))
    for at, row in enumerate(_rows(values)):
        order = np.sort(row) if ranked is None else ranked[at]
        if not np.isfinite(order[[0, -1]]).all():
            first = int(np.argmin(np.isfinite(row)))
            raise MeasurementError(
                f"got {row[first]} in draw {first} of measurement number {at}; expected "
                "finite draws. Leave this measurement out, or mend it in the world."
            )
        if not (np.isfinite(widths[at]) and widths[at] >= 0):
            raise CounterfactualError(
                f"got width={widths[at]}; expected a finite number, at least 0, in the units of "
                "the values."
            )
        low, high = _fullest(order.astype(float, copy=False), widths[at], rounding)
        held[:, at] = np.add.reduceat((row >= low) & (row <= high), bounds[:-1], dtype=float)
    total, draws = held.sum(axis=0), int(lengths.sum())
    return total / draws, (total - held) / np.maximum(draws - lengths, 1)[:, None]


def _sorted(values: np.ndarray, lengths: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the draws of each measurement in ascending order and the block of each."""
    owner = np.repeat(_numbered(lengths), lengths)
    for row in _rows(values):
        order = np.argsort(row)
        yield row[order].astype(float), owner[order]


def _rows(values: np.ndarray) -> Iterator[np.ndarray]:
    """Yield each measurement's draws, side by side in memory."""
    step = max(1, _COPIED_AT_ONCE // max(1, values.shape[1]))
    for start in range(0, len(values), step):
        yield from np.ascontiguousarray(values[start : start + step])


def _numbered(lengths: np.ndarray) -> np.ndarray:
    """Give the blocks numbers of a type that is quick to compare."""
    return np.arange(len(lengths), dtype=np.min_scalar_type(len(lengths)))


def _left_out_together(lengths: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
    """Yield numbers of blocks that are equally long, and how many draws are left without one."""
    draws = int(lengths.sum())
    step = max(1, _LEFT_OUT_AT_ONCE // draws)
    for length in np.unique(lengths[lengths < draws]):
        same = _numbered(lengths)[lengths == length]
        for start in range(0, len(same), step):
            yield same[start : start + step], draws - int(length)


def _with_and_without(
    ranked: np.ndarray, owner: np.ndarray, lengths: np.ndarray, weights: dict[int, np.ndarray]
) -> np.ndarray:
    """Describe all draws and all but each block, (3, 1 + block); NaN without any draw."""
    draws = len(ranked)
    found = np.full((3, 1 + len(lengths)), np.nan)
    found[:, 0] = _l_moments(ranked[None], weights[draws])[:, 0]
    for part, left in _left_out_together(lengths):
        kept = np.broadcast_to(ranked, (len(part), draws))[owner != part[:, None]]
        found[:, 1 + part] = _l_moments(kept.reshape(len(part), left), weights[left])
    return found


def _l_moments(ranked: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Compute the second L-moment of ascending rows, and the ratios, shape (3, row)."""
    alike = ranked[:, 0] == ranked[:, -1]
    scale, third, fourth = np.where(alike, 0.0, weights @ ranked.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack([scale, third / scale, fourth / scale])


def _l_moment_weights(draws: int) -> np.ndarray:
    """Weights of ascending draws in the unbiased L-moments two to four, shape (3, draw)."""
    place = np.arange(draws, dtype=float)
    moments = [np.ones(draws)]
    for lag in range(3):
        moments.append(moments[-1] * (place - lag) / max(draws - 1 - lag, 1))
    first, second, third = moments[1:]
    weights = np.stack(
        [2 * first - 1, 6 * second - 6 * first + 1, 20 * third - 30 * second + 12 * first - 1]
    )
    weights[max(0, draws - 1) :] = np.nan
    return weights / draws


def _fullest(ranked: np.ndarray, width: float, rounding: float) -> tuple[float, float]:
    """Find the ends of the first interval that holds most of ascending draws."""
    # The last digit of a draw must not decide whether values one width apart are within it.
    reach = ranked + width + rounding * (np.abs(ranked) + width)
    draws = len(ranked)
    held, beyond = 1, draws + 1
    while beyond - held > 1:
        tried = (held + beyond) // 2
        if (ranked[tried - 1 :] <= reach[: draws - tried + 1]).any():
            held = tried
        else:
            beyond = tried
    first = int(np.argmax(ranked[held - 1 :] <= reach[: draws - held + 1]))
    return ranked[first], ranked[first + held - 1]
