r"""How is a law of bits told in a few numbers, and what can these be where bits are censored?

Of each number there are two readings: with censored draws at the least they can have, and with
infinitely many bits. What the draws do tell lies between, and for ``mean_tail`` and ``log2_n``,
which such draws hardly move, near both. Draws that are worse than all of the baseline move
``log2_n`` alone: by its ``log_surprise``, which they have at least, it is an upper bound.

The mean utility m has the bits of two nearest laws, each the best of many lower bounds,

.. math:: \sup_\lambda \lambda m - \log E_0 e^{\lambda U}, \qquad
          \sup_{t < m} -\log_2 \frac{E_0 (U - t)_+}{m - t},

and a bound is taken where it rests on twenty draws at least, and not on the largest alone: of a
mean that no draws of P0 are near, they are lower bounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from inference.arrays.order.baselines import Baseline
from inference.arrays.order.nearest_laws import exponential_tilt
from inference.arrays.weights import smoothed

__all__ = ["OF_MEANS", "STEPS", "SUMMARIES", "Anchors", "anchored", "summarised"]

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
OF_MEANS = ("cramer", "buffered", "certainty")
"""Names of those that only the mean utility moves."""
_LOG2 = np.log(2.0)
_ENOUGH_TILTED, _ENOUGH_BEYOND = 20.0, 10.0
_HEAVIEST = 0.5
_SLACK = 1e-12
_TINY = -40.0
_NODES, _PARTS = np.polynomial.legendre.leggauss(3)


@dataclass(frozen=True)
class Anchors:
    """Where the bounds of the two nearest laws are taken.

    Parameters
    ----------
    strength, threshold
        λ and t; 0 and ``-inf`` where the baseline's own mean is as high.
    strength_open, threshold_open
        Whether a better bound rests on too few draws.
    """

    strength: float
    threshold: float
    strength_open: bool
    threshold_open: bool


def anchored(baseline: Baseline, mean: float) -> Anchors:
    """Find the best bounds for a mean utility that enough draws of the baseline speak for.

    Parameters
    ----------
    baseline
        Draws, ascending.
    mean
        Of what was achieved.

    Returns
    -------
    Anchors
    """
    utility, shares = baseline.utility, _shares(baseline)
    if mean <= float(np.exp(shares) @ utility):
        return Anchors(0.0, -np.inf, False, False)
    best = float(utility[-1])
    strength = np.inf
    if mean < best:
        strength = float(exponential_tilt(utility, mean, baseline.log_measure).strength)
    below, repeats = utility - best, baseline.repeats
    known = mean <= best and _bears(below, shares, strength, repeats)
    tilted = strength if known else _most(below, shares, strength, repeats)
    threshold, reached = _best_threshold(utility, np.exp(shares), mean, repeats)
    return Anchors(tilted, threshold, not known, not reached)


def summarised(
    baseline: Baseline,
    achieved: np.ndarray,
    names: Sequence[str] = SUMMARIES,
    anchors: Anchors | None = None,
) -> np.ndarray:
    """Summarise the bits of draws.

    Parameters
    ----------
    baseline
        Draws, ascending.
    achieved
        Utilities, shape (draw,).
    names
        Of the summaries.
    anchors
        Found for the achieved mean if None.

    Returns
    -------
    np.ndarray
        Shape (2, summary): with censored draws at the resolution, and infinitely far.
    """
    at, beyond = baseline.log_tails(achieved)
    censored = np.isneginf(at)
    least = np.where(censored, -baseline.resolution * _LOG2, at)
    found = [_ordinal(least, np.where(censored, least, beyond), baseline)]
    found.append(_ordinal(at, beyond, baseline) if censored.any() else dict(found[0]))
    if set(names) & set(OF_MEANS):
        # Short of the mean by a rounding: of equal draws it is what they are.
        mean = float(achieved.max() - (1 + _SLACK) * (achieved.max() - achieved).mean())
        chosen = anchors or anchored(baseline, mean)
        for place, one in enumerate(_of_mean(baseline, mean, chosen)):
            found[place] |= one
    return np.array([[one[name] for name in names] for one in found]) + 0.0


def _ordinal(at: np.ndarray, beyond: np.ndarray, baseline: Baseline) -> dict[str, float]:
    number = np.log(at.size)
    surprises = _log_surprises(at, beyond, baseline.utility.size)
    if baseline.log_surprise is not None:
        surprises[beyond >= 0] = baseline.log_surprise
    bits = -at / _LOG2
    with np.errstate(divide="ignore"):
        return {
            "median": float(np.median(bits)),
            "mean_tail": -float(special.logsumexp(at) - number) / _LOG2,
            "expected": float(bits.mean()),
            "log2_n": -float(special.logsumexp(surprises) - number) / _LOG2,
            "worst": float(bits.min()),
        }


def _log_surprises(at: np.ndarray, beyond: np.ndarray, draws: int) -> np.ndarray:
    r"""Find log(-ln F0(u)) of draws, on average over their ties.

    .. math:: \frac{1}{b - a} \int_a^b -\ln(1 - p) \, dp

    over the shares p of P0 that may be better than u, from a of what is to b of what is no worse;
    and, in the lower half, where so much hangs on it, one draw more.
    """
    found = np.full(at.shape, -np.inf)
    tiny = (at < _TINY) & (at > -np.inf)
    found[tiny] = at[tiny] + np.log1p(np.exp(beyond[tiny] - at[tiny])) - _LOG2
    rest = at >= _TINY
    high, low = np.exp(at[rest]), np.exp(beyond[rest])
    middle, half = 0.5 * (high + low), 0.5 * (high - low)
    near = sum(
        0.5 * part * -np.log1p(-np.minimum(middle + half * node, 0.9))
        for node, part in zip(_NODES, _PARTS, strict=True)
    )
    found[rest] = np.log(np.maximum(near, 1e-300))
    lower = at > -_LOG2
    below = 1 - np.exp(beyond[lower]) * draws / (draws + 1)
    worse = (1 - np.exp(at[lower])) * draws / (draws + 1)
    over = special.xlogy(worse, worse) - special.xlogy(below, below)
    found[lower] = np.log(1 + over / (below - worse))
    return found


def _of_mean(baseline: Baseline, mean: float, anchors: Anchors) -> list[dict[str, float]]:
    """Take the bits of the mean utility at the anchors: at least, and at most."""
    shares = _shares(baseline)
    at = float(baseline.log_tails(np.array([mean]))[0][0])
    certain = baseline.resolution if np.isneginf(at) else -at / _LOG2
    tilted = _tilted(baseline.utility, shares, mean, anchors.strength)
    buffered = _buffered(baseline.utility, shares, mean, anchors.threshold)
    if anchors.strength_open:
        tilted = min(tilted, baseline.resolution)
    if anchors.threshold_open:
        buffered = min(buffered, baseline.resolution)
    least = {"cramer": tilted, "buffered": buffered, "certainty": certain}
    most = {
        "cramer": np.inf if anchors.strength_open else tilted,
        "buffered": np.inf if anchors.threshold_open else buffered,
        "certainty": -at / _LOG2,
    }
    return [least, most]


def _shares(baseline: Baseline) -> np.ndarray:
    if baseline.log_measure is None:
        return np.full(baseline.utility.size, -np.log(baseline.utility.size))
    return baseline.log_measure - special.logsumexp(baseline.log_measure)


def _tilted(utility: np.ndarray, shares: np.ndarray, mean: float, strength: float) -> float:
    best = utility[-1]
    if np.isinf(strength) and mean > best:
        return np.inf
    if np.isinf(strength):
        return -float(special.logsumexp(shares[utility == best])) / _LOG2
    moment = special.logsumexp(shares + strength * (utility - best))
    return max(0.0, float(strength * (mean - best) - moment) / _LOG2)


def _buffered(utility: np.ndarray, shares: np.ndarray, mean: float, threshold: float) -> float:
    if np.isneginf(threshold):
        return 0.0 if mean <= utility[-1] else np.inf
    if threshold >= mean:
        return 0.0
    over = utility > threshold
    share = float(np.exp(shares[over]) @ (utility[over] - threshold)) / (mean - threshold)
    return max(0.0, -float(np.log2(share))) if share > 0 else np.inf


def _bears(below: np.ndarray, shares: np.ndarray, strength: float, repeats: float) -> bool:
    """Tell whether enough draws bear the tilt, and their weights are not too heavy."""
    with np.errstate(invalid="ignore"):
        pull = np.where(below < 0, strength * below, 0.0)
    logs = shares + pull
    weights = np.exp(logs - logs.max())
    if weights.sum() ** 2 / (weights**2).sum() < _ENOUGH_TILTED * repeats:
        return False
    return smoothed(logs)[1] < _HEAVIEST


def _most(below: np.ndarray, shares: np.ndarray, strength: float, repeats: float) -> float:
    """Find the strongest tilt that is borne, up to a part in a thousand."""
    reach = -float(below.min())
    if reach == 0:
        return np.inf
    most = min(strength, 1e6 / reach)
    if _bears(below, shares, most, repeats):
        return most
    low, high = np.log(1e-6 / reach), np.log(most)
    for _ in range(16):
        middle = 0.5 * (low + high)
        low, high = (
            (middle, high) if _bears(below, shares, np.exp(middle), repeats) else (low, middle)
        )
    return float(np.exp(low))


def _best_threshold(
    utility: np.ndarray, shares: np.ndarray, mean: float, repeats: float
) -> tuple[float, bool]:
    """Find the threshold of the best bound, and whether enough draws lie beyond it."""
    reach = max(float(utility[-1] - utility[0]), np.finfo(float).tiny)
    below, mass = (utility[::-1] - utility[-1]) / reach, shares[::-1]
    first, second = np.cumsum(mass), np.cumsum(mass * below)
    excess = second - first * below
    squares = np.cumsum(mass**2), np.cumsum(mass**2 * below), np.cumsum(mass**2 * below**2)
    square = squares[2] - 2 * squares[1] * below + squares[0] * below**2
    with np.errstate(divide="ignore", invalid="ignore"):
        kish = np.where(square > 0, excess**2 / square, 0.0)
        bound = np.where((utility[::-1] < mean) & (excess > 0), excess, np.inf)
        bound = bound / np.maximum((mean - utility[::-1]) / reach, 1e-300)
    best, enough = int(np.argmin(bound)), kish >= _ENOUGH_BEYOND * repeats
    if not np.isfinite(bound[best]):
        return -np.inf, False
    if enough[best]:
        return float(utility[::-1][best]), True
    borne = np.argmin(np.where(enough, bound, np.inf)) if enough.any() else np.argmax(kish)
    return float(utility[::-1][borne]), False
