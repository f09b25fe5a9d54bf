r"""How many bits did the draws of a world achieve, one by one and all together?

.. math:: b(w) = -\log_2 P_0(U \ge U(w)), \qquad w \sim P_1

P0 is known by draws, and in its far tail, where fewer than twenty of them are, by weighted ones
(importance or splitting). Where no draw of either is as good as w, the bits are *censored*: they
are at least what so few draws would tell with 95 % confidence.

Summaries of the law of bits, each against the same baseline:

* ``median``, ``expected`` and ``worst`` of b;
* ``mean_tail``: :math:`-\log_2 E\,P_0(U \ge U(w))`, one minus how often w beats a draw of P0;
* ``log2_n``: how many draws of P0 one would take the best of, log2 of the N most likely, by the
  ranks of w among draws of P0, ties halved;
* ``certainty``, ``cramer``, ``buffered``: of the mean utility, see
  :mod:`inference.arrays.order.mixtures`.

Chance itself, P1 = P0, has 1.44 expected bits, 1 of the mean tail and of the median, and 0 of the
others, but for ``certainty``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import special

from inference.arrays.blocks import block_bounds, widening
from inference.arrays.order.counting import least_bits
from inference.arrays.order.exceedance import exceedance_bits
from inference.arrays.order.mixtures import mixed_bits

__all__ = [
    "KEPT",
    "STEPS",
    "SUMMARIES",
    "Achieved",
    "Baseline",
    "achieved_bits",
    "achieved_chain",
    "refined",
]

SUMMARIES = (
    "median",
    "mean_tail",
    "expected",
    "log2_n",
    "cramer",
    "buffered",
    "certainty",
    "worst",
)
"""Names of the summaries of a law of bits."""
STEPS = ("log2_n", "mean_tail", "expected")
"""Names of the summaries that are told of steps from level to level."""
KEPT = 20
"""Draws beyond which weighted ones take over."""
_LOG2 = np.log(2.0)
_NEAR = 1e-6


@dataclass(frozen=True)
class Baseline:
    """Draws of P0 and their logarithmic masses.

    Parameters
    ----------
    utility, log_measure
        Shape (draw,); masses up to a constant.
    resolution
        How many bits a draw must have of which the baseline shows nothing as good.
    """

    utility: np.ndarray
    log_measure: np.ndarray | None
    resolution: float

    def bits(self, utility: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bits of utilities, and whether they are censored; shaped as these."""
        bits = exceedance_bits(self.utility, utility, self.log_measure)
        censored = np.isinf(bits)
        return np.where(censored, self.resolution, bits), censored


@dataclass(frozen=True)
class Achieved:
    """What the draws of a world achieved.

    Parameters
    ----------
    bits, censored
        Of each draw, in the shape of the draws.
    summaries, mcse
        In the order of :data:`SUMMARIES`.
    chance
        The same of draws of P0.
    effective
        How many independent draws the errors rest on.
    """

    bits: np.ndarray
    censored: np.ndarray
    summaries: np.ndarray
    mcse: np.ndarray
    chance: np.ndarray
    effective: float


def refined(
    erased: np.ndarray,
    rare: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    effective: float,
    kept: int = KEPT,
    lower: float = 0.0,
) -> Baseline:
    """Put weighted draws where the plain ones are too few.

    Parameters
    ----------
    erased
        Utilities of draws of P0, flat.
    rare
        Utilities and logarithmic masses of weighted ones, whose masses add up to P0 of wherever
        they go; only those as good as the `kept`-th best of the plain ones are taken.
    effective
        How many independent draws the plain ones are worth.
    kept
        See there.
    lower
        Bits that are known to be needed beyond the last weighted one.

    Returns
    -------
    Baseline

    Examples
    --------
    >>> draws = np.arange(1000.0)
    >>> halves = np.arange(980.0, 1100.0), np.log(0.02) - np.arange(120.0) * np.log(2)
    >>> plain, deep = (refined(draws, rare, effective=1000.0) for rare in (None, halves))
    >>> plain.bits(np.array([990.0, 1050.0]))[1], deep.bits(np.array([1050.0]))[1]
    (array([False,  True]), array([False]))
    """
    resolution = max(lower, float(least_bits(0, len(erased), effective=effective)))
    if rare is None or len(erased) <= kept:
        return Baseline(np.sort(erased), None, resolution)
    ordered = np.sort(erased)
    border = ordered[-kept]
    far = rare[0] >= border
    plain = ordered[: np.searchsorted(ordered, border)]
    if not far.any() or not len(plain):
        return Baseline(ordered, None, resolution)
    masses = np.full(len(plain), -np.log(len(erased)))
    return Baseline(
        np.concatenate([plain, rare[0][far]]),
        np.concatenate([masses, rare[1][far]]),
        resolution,
    )


def achieved_bits(
    erased: np.ndarray,
    achieved: np.ndarray,
    *,
    effective: float,
    rare: Sequence[tuple[np.ndarray, np.ndarray]] = (),
    weighed: tuple[np.ndarray, np.ndarray] | None = None,
    lower: float = 0.0,
) -> Achieved:
    r"""Count bits of every draw, summarise them, and say how well that is known.

    Errors are those of leaving out blocks of draws, of both worlds at once, for they share their
    past; and of leaving out runs of splitting, one after the other.

    Parameters
    ----------
    erased, achieved
        Utilities of draws of P0 and P1, shape (chain, draw[, future]), the same draws of the past.
    effective
        How many independent draws they are worth.
    rare
        Runs of splitting: utilities and logarithmic masses, which add up to 1 in each.
    weighed
        Utility in P0 and logarithmic mass of every draw of P1, in its shape, for importance;
        not with `rare`.
    lower
        Bits that are known to be needed beyond the last weighted draw.

    Returns
    -------
    Achieved

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> erased, achieved = rng.normal(size=(2, 4, 1000)) + np.array([0.0, 2.0])[:, None, None]
    >>> found = achieved_bits(erased, achieved, effective=4000.0)
    >>> mean_tail = found.summaries[SUMMARIES.index("mean_tail")]  # -log2 Phi(-sqrt 2) = 3.67
    >>> bool(abs(mean_tail - 3.67) < 3 * found.mcse[SUMMARIES.index("mean_tail")])
    True
    """
    off, on = erased.ravel(), achieved.ravel()

    def looked(rows: np.ndarray | slice, runs: list[int]) -> np.ndarray:
        deep = _weighted([rare[run] for run in runs], weighed, rows)
        baseline = refined(off[rows], deep, effective=effective, lower=lower)
        return _summaries(baseline, on[rows])

    everything = list(range(len(rare)))
    deep = _weighted(list(rare), weighed, slice(None))
    baseline = refined(off, deep, effective=effective, lower=lower)
    bits, censored = baseline.bits(achieved)
    variance = _left_out_blocks(looked, achieved.shape, effective, everything)
    if len(rare) > 1:
        left = [[run for run in everything if run != out] for out in everything]
        variance = variance + _jackknife(np.stack([looked(slice(None), runs) for runs in left]))
    with np.errstate(invalid="ignore"):
        mcse = np.where(np.isnan(variance), np.inf, np.sqrt(variance))
    return Achieved(
        bits,
        censored,
        _summaries(baseline, on),
        mcse,
        _summaries(Baseline(off, None, baseline.resolution), off),
        effective,
    )


def achieved_chain(
    levels: np.ndarray,
    *,
    effective: float,
    rare: Sequence[tuple[np.ndarray, np.ndarray]] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Take every level's bits against the one below, and the last one's against the first.

    Parameters
    ----------
    levels
        Utilities of draws, shape (level, chain, draw[, future]), from the bottom up.
    effective
        How many independent draws they are worth.
    rare
        As for :func:`achieved_bits`, of the first level.

    Returns
    -------
    tuple of ndarray
        Bits and their standard errors, shape (row, summary) with the summaries of :data:`STEPS`:
        a row for each step, then their sum, the direct way, and the direct way less the sum.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ranks = rng.random((3, 4, 1000)) ** (1 / np.array([1.0, 8.0, 64.0])[:, None, None])
    >>> bits, mcse = achieved_chain(ranks, effective=4000.0)
    >>> bool((np.abs(bits[:, 0] - [3, 3, 6, 6, 0]) < 4 * mcse[:, 0]).all())  # best of 8, twice
    True
    """
    flat = levels.reshape(len(levels), -1)

    def looked(rows: np.ndarray | slice, runs: list[int]) -> np.ndarray:
        deep = _weighted([rare[run] for run in runs], None, rows)
        bottom = refined(flat[0][rows], deep, effective=effective)
        lower = [bottom, *(refined(one[rows], effective=effective) for one in flat[1:-1])]
        pairs = zip(lower, flat[1:], strict=True)
        steps = [_summaries(below, above[rows], STEPS) for below, above in pairs]
        direct = _summaries(bottom, flat[-1][rows], STEPS)
        chain = np.sum(steps, axis=0)
        return np.stack([*steps, chain, direct, direct - chain])

    everything = list(range(len(rare)))
    variance = _left_out_blocks(looked, levels.shape[1:], effective, everything)
    if len(rare) > 1:
        left = [[run for run in everything if run != out] for out in everything]
        variance = variance + _jackknife(np.stack([looked(slice(None), runs) for runs in left]))
    return looked(slice(None), everything), np.sqrt(variance)


def _left_out_blocks(
    looked: Callable[[np.ndarray, list[int]], np.ndarray],
    shape: tuple[int, ...],
    effective: float,
    runs: list[int],
) -> np.ndarray:
    """Jackknife variance of leaving out blocks of draws, widened where these are few."""
    bounds = block_bounds(*shape, effective=effective)
    rows = np.arange(bounds[-1])
    found = [looked(np.delete(rows, slice(first, last)), runs) for first, last in pairwise(bounds)]
    wider = float(widening(effective, len(bounds) - 1))
    return wider**2 * _jackknife(np.stack(found))


def _jackknife(left: np.ndarray) -> np.ndarray:
    """Variance of an estimate by what it is without each of its parts, (part, ...)."""
    with np.errstate(invalid="ignore"):
        return (len(left) - 1) * left.var(axis=0)


def _weighted(
    runs: list[tuple[np.ndarray, np.ndarray]],
    weighed: tuple[np.ndarray, np.ndarray] | None,
    rows: np.ndarray | slice,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Lay weighted draws of all runs together: masses add up to P0 of wherever they go."""
    if weighed is not None:
        utility, mass = (part.ravel()[rows] for part in weighed)
        return utility, mass + np.log(weighed[0].size / utility.size)
    if not runs:
        return None
    utility = np.concatenate([run[0] for run in runs])
    return utility, np.concatenate([run[1] for run in runs]) - np.log(len(runs))


def _summaries(
    baseline: Baseline, achieved: np.ndarray, names: Sequence[str] = SUMMARIES
) -> np.ndarray:
    """Summarise the bits of draws, in the order of the names."""
    bits, _ = baseline.bits(achieved)
    mean_tail = -special.logsumexp(-bits * _LOG2, b=1 / bits.size) / _LOG2
    surprise = _surprises(baseline, achieved, bits)
    found = {
        "median": np.median(bits),
        "mean_tail": mean_tail,
        "expected": bits.mean(),
        "log2_n": -np.log2(surprise.mean()),
        "worst": bits.min(),
    }
    for kind in set(names) - set(found):
        found[kind] = mixed_bits(baseline.utility, achieved, kind, baseline.log_measure)
    return np.array([float(found[name]) for name in names]) + 0.0


def _surprises(baseline: Baseline, achieved: np.ndarray, bits: np.ndarray) -> np.ndarray:
    r"""Find -ln F0(u) of draws, on average over their ties.

    .. math:: \frac{1}{b - a} \int_a^b -\ln q \, dq

    over the ranks q that u may have among draws of P0: from the share a that is worse to the share
    b that is no better, and one draw more.
    """
    draws = baseline.utility.size
    with np.errstate(divide="ignore"):
        better = exceedance_bits(baseline.utility, achieved, baseline.log_measure, strict=True)
    at_least, beyond = np.exp2(-bits), np.exp2(-better)
    low = (1 - at_least) * draws / (draws + 1)
    high = 1 - beyond * draws / (draws + 1)
    apart = np.maximum(high - low, 1e-300)
    below = 1 + (special.xlogy(low, low) - special.xlogy(high, high)) / apart
    close = -np.log1p(-(at_least + beyond) / 2)
    return np.where(at_least > 0.5, below, close)
