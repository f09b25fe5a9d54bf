r"""What do the draws say when they are put in order?

L-moments, differences that are to be expected between the draws of a few,

.. math:: \lambda_2 = \tfrac12 E[W_{2:2} - W_{1:2}], \quad
   \lambda_3 = \tfrac13 E[W_{3:3} - 2 W_{2:3} + W_{1:3}], \quad
   \lambda_4 = \tfrac14 E[W_{4:4} - 3 W_{3:4} + 3 W_{2:4} - W_{1:4}],

exist wherever the mean does; quantiles always exist, and so do Lévy's concentration, the largest
probability that an interval of a given width holds, and the shortest interval that holds half.
A measurement is sorted once: what is left of sorted draws without a block is sorted.
"""

from collections.abc import Iterator

import numpy as np

from counterfactual_models.errors import CounterfactualError, MeasurementError
from inference.arrays.shape.jackknife import Estimate

__all__ = ["order_descriptors"]

_LEVELS = {
    "quantile_05": 0.05,
    "quantile_25": 0.25,
    "median": 0.5,
    "quantile_75": 0.75,
    "quantile_95": 0.95,
}
_NAMES = ("l_scale", "l_skewness", "l_kurtosis", *_LEVELS, "shortest_half", "concentration")
_SORTED_AT_ONCE = 2**20
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
            of the values, as the quantiles and the shortest half are.
        ``l_skewness``, ``l_kurtosis``
            :math:`\lambda_3/\lambda_2` and :math:`\lambda_4/\lambda_2`, in [-1, 1] but for the
            noise of few draws: 0 and .1226 for a normal law. NaN where all draws are equal.
        ``quantile_05``, ``quantile_25``, ``median``, ``quantile_75``, ``quantile_95``
            Interpolated linearly, as in NumPy.
        ``concentration``
            :math:`Q(h) = \sup_a P(a \le W \le a + h)`, in (0, 1]; too high by .0026 for 10 000
            normal draws and h = 1, half of its error. The interval is not sought anew without a
            block, which changes the number in second order only: errors agree within 2 %.
        ``shortest_half``
            Length of the shortest interval that holds half the draws, at least 0; too short by
            .007 for 10 000 normal draws, whose own is 1.349.

    Raises
    ------
    CounterfactualError
        If the width is negative or not finite.
    MeasurementError
        If a draw is not finite.

    Notes
    -----
    Errors from these blocks are right within a tenth at 2000 draws, of independent ones and at
    autocorrelation .9. Three cases are beyond a jackknife: quantiles of counts that lie at a jump
    (twice too large at times, else 0), L-moments of laws without a variance, and a shortest half
    or concentration that many intervals attain, as in a uniform law (half too large).

    References
    ----------
    J. R. M. Hosking (1990), "L-moments: analysis and estimation of distributions using linear
    combinations of order statistics", *JRSS B* 52.

    Examples
    --------
    >>> from inference.arrays.blocks import block_bounds
    >>> draws = np.random.default_rng(0).normal(size=(1, 4000))
    >>> found = order_descriptors(draws, block_bounds(4, 1000, effective=4000.0))
    >>> {name: found[name][0].round(2).item() for name in ("l_scale", "median", "concentration")}
    {'l_scale': 0.56, 'median': -0.03, 'concentration': 0.38}
    """
    if not (np.isfinite(width) and width >= 0):
        raise CounterfactualError(
            f"got width={width}; expected a finite number, at least 0, in the units of the values."
        )
    lengths = np.diff(bounds)
    draws = values.shape[1]
    weights = {left: _l_moment_weights(left) for left in {draws, *(draws - lengths).tolist()}}
    rounding = _ROUNDED * float(np.finfo(np.result_type(values.dtype, np.float32)).eps)
    found = np.empty((len(_NAMES), 1 + len(lengths), len(values)))
    for at, ranked, owner in _sorted(values, lengths):
        found[:-1, :, at] = _with_and_without(ranked, owner, lengths, weights)
        found[-1, :, at] = _concentration(ranked, owner, lengths, width=width, rounding=rounding)
    return {name: (one[0], one[1:]) for name, one in zip(_NAMES, found, strict=True)}


def _sorted(
    values: np.ndarray, lengths: np.ndarray
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield each measurement's number, its draws in ascending order and the block of each."""
    owner = np.repeat(_numbered(lengths), lengths)
    step = max(1, _SORTED_AT_ONCE // max(1, values.shape[1]))
    for start in range(0, len(values), step):
        for at, row in enumerate(np.ascontiguousarray(values[start : start + step]), start):
            order = np.argsort(row)
            ranked = row[order].astype(float)
            if not np.isfinite(ranked[[0, -1]]).all():
                first = int(np.argmin(np.isfinite(row)))
                raise MeasurementError(
                    f"got {row[first]} in draw {first} of measurement number {at}; expected "
                    "finite draws. Leave this measurement out, or mend it in the world."
                )
            yield at, ranked, owner[order]


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
    """Describe all draws and all but each block, (descriptor, 1 + block); NaN without any draw."""
    draws = len(ranked)
    found = np.full((len(_NAMES) - 1, 1 + len(lengths)), np.nan)
    found[:, 0] = _described(ranked[None], weights[draws])[:, 0]
    for part, left in _left_out_together(lengths):
        kept = np.broadcast_to(ranked, (len(part), draws))[owner != part[:, None]]
        found[:, 1 + part] = _described(kept.reshape(len(part), left), weights[left])
    return found


def _described(ranked: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Compute all but the concentration of ascending rows, shape (descriptor, row)."""
    draws = ranked.shape[1]
    alike = ranked[:, 0] == ranked[:, -1]
    scale, third, fourth = np.where(alike, 0.0, weights @ ranked.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = third / scale, fourth / scale
    place = np.array(list(_LEVELS.values())) * (draws - 1)
    below = np.minimum(place.astype(int), max(0, draws - 2))
    low, high = ranked[:, below].T, ranked[:, np.minimum(below + 1, draws - 1)].T
    quantiles = low + (high - low) * (place - below)[:, None]
    half = (draws + 1) // 2
    shortest = (ranked[:, half - 1 :] - ranked[:, : draws - half + 1]).min(axis=1)
    return np.vstack([scale, *ratios, quantiles, shortest])


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


def _concentration(
    ranked: np.ndarray, owner: np.ndarray, lengths: np.ndarray, *, width: float, rounding: float
) -> np.ndarray:
    """Compute the concentration of all draws, and of those outside each block."""
    # The last digit of a draw must not decide whether values one width apart are within it.
    reach = ranked + width + rounding * (np.abs(ranked) + width)
    ends = np.searchsorted(ranked, reach, side="right")
    held = ends - np.arange(len(ranked))
    first = int(np.argmax(held))
    inside = np.bincount(owner[first : ends[first]], minlength=len(lengths))
    draws = len(ranked)
    without = (held[first] - inside) / np.maximum(draws - lengths, 1)
    return np.append(held[first] / draws, without)
