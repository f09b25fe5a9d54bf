r"""How small a share of what chance does is at least as good as what was achieved?

.. math:: \mathrm{OP}(a) = -\log_2 \frac{\mu\{w : u(w) \ge a\}}{\mu\{\text{all } w\}}
          = \log_2\Bigl(1 + \frac{\mu\{u < a\}}{\mu\{u \ge a\}}\Bigr)

with μ the measure of outcomes in P(e,S,0), the named baseline. The second form keeps every digit,
near no bits as well as beyond a thousand. Chance itself scores :math:`\log_2 e = 1.4427` bits on
average.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError

__all__ = [
    "bits_of",
    "exceedance_bits",
    "finite_values",
    "log_complement",
    "log_shares",
    "log_surprise",
    "surprisal_bits",
]

_ROUNDING = 1e-9
_TINY = -40.0
"""Below this, in natural logarithms, -ln(1 - p) is p to every digit."""


def exceedance_bits(
    utility: np.ndarray | Sequence[float],
    achieved: np.ndarray | Sequence[float] | float,
    log_measure: np.ndarray | Sequence[float] | None = None,
    strict: bool = False,
) -> np.ndarray:
    r"""How many bits of optimization is it to have reached this utility?

    Minus the binary logarithm of the share of outcomes that are at least as good, ties included.
    Only the order of utilities matters. The number is one of the baseline as much as of the
    disciple: padding the space of outcomes with k - 1 times as many worse ones adds
    :math:`\log_2 k` bits to everything that is achieved and leaves differences as they are. So
    compare achievements against the same baseline, and name it.

    Parameters
    ----------
    utility
        Of each outcome without the disciple, shape (outcome,): every possible outcome, or draws.
        Draws resolve at most :math:`\log_2 n` bits, and with no draw as good the answer is
        ``inf``: what they do tell is in :mod:`inference.arrays.order.counting`.
    achieved
        Utilities reached, any shape.
    log_measure
        Natural logarithm of the mass of each outcome, up to a constant; ``-inf`` for impossible
        ones. All the same if None.
    strict
        Whether only better outcomes count, and ties do not: the best outcome is then ``inf``.

    Returns
    -------
    np.ndarray
        Bits, in [0, inf], shaped as `achieved`; 0.0 for the worst outcome.

    Raises
    ------
    CounterfactualError
        If a utility is not finite, or the measure has no finite and positive total: what is the
        share of the natural numbers that are at least a million?

    References
    ----------
    .. [1] E. Yudkowsky, "Measuring Optimization Power" (2008).
    .. [2] S. Armstrong, "Measuring optimisation power": pure outcomes, and the comments on the
       size of the space of solutions.

    Examples
    --------
    Eight states are equally likely. A disciple that makes X6 happen hits a quarter of them.

    >>> exceedance_bits(range(8), [6, 4, 7, 0])
    array([2., 1., 3., 0.])

    A printer of ten digits that prefers small numbers, and one of twenty: the numbers 0, 1 to
    999, and the rest.

    >>> ten, twenty = (
    ...     exceedance_bits([0, -999, -1000], [0, -999], np.log([1.0, 999.0, 10.0**n - 1000]))
    ...     for n in (10, 20)
    ... )
    >>> ten.round(3), twenty.round(3), bool(np.isclose(np.ptp(ten), np.ptp(twenty)))
    (array([33.219, 23.253]), array([66.439, 56.473]), True)
    """
    utility = finite_values("utility", utility)
    achieved = finite_values("achieved", achieved)
    if utility.ndim != 1 or not utility.size:
        raise CounterfactualError(
            f"got utility of shape {utility.shape}; expected one utility for each of one or more "
            "outcomes. Lay all draws along one axis."
        )
    side: Literal["left", "right"] = "right" if strict else "left"
    if log_measure is None:
        return _counted(np.searchsorted(np.sort(utility), achieved, side=side), utility.size)
    shares = log_shares(log_measure, utility.size)
    order = np.argsort(utility, kind="stable")
    worse = np.searchsorted(utility[order], achieved, side=side)
    below, above = _log_masses(shares[order], np.asarray(worse))
    return np.logaddexp(0.0, below - above) / math.log(2)


def surprisal_bits(log_probability: np.ndarray | Sequence[float] | float) -> np.ndarray:
    r"""How many bits could any preference at all give to this cell of worlds?

    .. math:: \sup_u \mathrm{OP}_u(w) = -\log_2 P(e,S,0)(\mathrm{cell}(w))

    The upper bound that needs no preference. A preference attains it where it likes this cell,
    and no other, best.

    Parameters
    ----------
    log_probability
        Natural logarithm of the probability of the cell without the disciple.

    Returns
    -------
    np.ndarray
        Bits, in [0, inf].

    Raises
    ------
    CounterfactualError
        If it is no logarithm of a probability.

    Examples
    --------
    >>> surprisal_bits(np.log([0.25, 1.0]))
    array([2., 0.])
    """
    return bits_of(log_probability)


def bits_of(log_probability: np.ndarray | Sequence[float] | float) -> np.ndarray:
    r"""Say in bits how unlikely something is, from the natural logarithm of its probability.

    :math:`-\log_2 p`, from 0.0 (never -0.0) to ``inf``; logarithms that are above 0 by rounding
    count as 0.

    Raises
    ------
    CounterfactualError
        If it is no logarithm of a probability.

    Examples
    --------
    >>> bits_of(np.array([0.0, -np.log(8), -np.inf]))
    array([ 0.,  3., inf])
    """
    return 0.0 - _log_probabilities(log_probability) / math.log(2)


def log_complement(log_probability: np.ndarray | Sequence[float] | float) -> np.ndarray:
    r"""How likely is it not to happen? All in natural logarithms: :math:`\log(1 - e^x)`.

    Raises
    ------
    CounterfactualError
        If it is no logarithm of a probability.

    References
    ----------
    .. [1] M. Mächler, "Accurately computing log(1 - exp(-|a|))" (2012).

    Examples
    --------
    >>> log_complement([-1e-20, -50.0]).tolist()
    [-46.051701859880914, -1.9287498479639178e-22]
    """
    logs = _log_probabilities(log_probability)
    small = logs < -math.log(2)
    with np.errstate(divide="ignore"):
        likely = np.log(-np.expm1(np.where(small, -1.0, logs)))
    return np.where(small, np.log1p(-np.exp(np.where(small, logs, -1.0))), likely)


def log_surprise(log_tail: np.ndarray | Sequence[float] | float) -> np.ndarray:
    r"""How surprising is it to do worse? The logarithm of :math:`-\ln(1 - p)`, from that of p.

    With p the chance of doing as well it is what each choice tells of the number N of options
    that it is the best of: :math:`1/N \approx -\ln(1 - p)`. Also where p is below all floats.

    Raises
    ------
    CounterfactualError
        If it is no logarithm of a probability.

    Examples
    --------
    >>> log_surprise([-2000.0, np.log(0.5), 0.0]).round(3).tolist()
    [-2000.0, -0.367, inf]
    """
    logs = np.asarray(log_tail, dtype=np.float64)
    near = np.log(-log_complement(np.maximum(logs, _TINY)))
    return np.where(logs > _TINY, near, logs)


def log_shares(log_measure: np.ndarray | Sequence[float] | None, outcomes: int) -> np.ndarray:
    """Scale a measure of outcomes to a total of one, in natural logarithms.

    Parameters
    ----------
    log_measure
        Natural logarithm of the mass of each outcome, shape (outcome,); all the same if None.
    outcomes
        How many there are.

    Raises
    ------
    CounterfactualError
        If the total is not finite and positive, or there is a NaN.

    Examples
    --------
    >>> np.exp(log_shares(np.log([3.0, 1.0]), 2)).round(6)
    array([0.75, 0.25])
    """
    if log_measure is None:
        return np.full(outcomes, -math.log(outcomes))
    logs = np.asarray(log_measure, dtype=np.float64)
    if logs.shape != (outcomes,):
        raise CounterfactualError(
            f"got a log_measure of shape {logs.shape} for {outcomes} outcomes; expected one mass "
            "for each outcome."
        )
    if np.isnan(logs).any():
        raise CounterfactualError(
            f"got NaN for the log_measure of outcome {int(np.argmax(np.isnan(logs)))}; expected "
            "the logarithm of a mass. An impossible outcome has -inf."
        )
    if np.isposinf(logs).any():
        raise CounterfactualError(
            f"got infinite mass on outcome {int(np.argmax(np.isposinf(logs)))}; expected a "
            "baseline whose total mass is finite. Endlessly many equal outcomes, as the natural "
            "numbers, have no optimization power: the share of those at least as good is infinity "
            "over infinity. Give a proper probability of outcomes without the disciple."
        )
    if np.isneginf(logs).all():
        raise CounterfactualError(
            "got a baseline of total mass zero; expected at least one possible outcome. Was a "
            "probability given where its logarithm was meant, or did all masses underflow?"
        )
    return logs - special.logsumexp(logs)


def finite_values(name: str, values: object) -> np.ndarray:
    """Take numbers that can be put in order, or refuse them by the place of the first that cannot.

    Whole numbers stay whole, so that those beyond 2**53 keep their order; the rest is double.

    Raises
    ------
    CounterfactualError
        If there is something other than finite real numbers.

    Examples
    --------
    >>> finite_values("utility", [1.0, np.nan])
    Traceback (most recent call last):
        ...
    counterfactual_models.errors.CounterfactualError: got utility[1]=nan; expected finite numbers.
    """
    numbers = np.asarray(values)
    if isinstance(values, range) and not numbers.size:
        numbers = numbers.astype(np.int64)
    if numbers.dtype.kind not in "biuf":
        raise CounterfactualError(
            f"got {name} of type {numbers.dtype}; expected numbers in double precision. Whole "
            "numbers beyond 2**63 can be given as their ranks."
        )
    if numbers.dtype.kind != "f":
        return numbers.astype(np.int64) if numbers.dtype.kind == "b" else numbers
    if not np.isfinite(numbers).all():
        place = np.unravel_index(int(np.argmin(np.isfinite(numbers))), numbers.shape)
        where = f"[{', '.join(str(int(i)) for i in place)}]" if place else ""
        raise CounterfactualError(f"got {name}{where}={numbers[place]}; expected finite numbers.")
    return numbers.astype(np.float64)


def _log_probabilities(values: np.ndarray | Sequence[float] | float) -> np.ndarray:
    """Check that logarithms are those of probabilities, and mend rounding above 0."""
    logs = np.asarray(values, dtype=np.float64)
    wrong = ~(logs <= _ROUNDING)
    if wrong.any():
        raise CounterfactualError(
            f"got a log-probability of {logs[wrong].flat[0]}; expected a natural logarithm from "
            "-inf to 0. Is it a probability, or a density?"
        )
    return np.minimum(logs, 0.0)


def _counted(worse: np.ndarray, outcomes: int) -> np.ndarray:
    """Give bits from counts: whole where the share is a power of two, exact near none."""
    with np.errstate(divide="ignore"):
        far = np.log2(outcomes / (outcomes - worse))
        near = -np.log1p(-worse / outcomes) / math.log(2)
    return np.where(2 * worse < outcomes, near + 0.0, far)


def _log_masses(shares: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Add up shares before each place, and from it on; only pieces between places are met."""
    edges = np.unique(np.append(places, 0))
    edges = edges[edges < shares.size]
    peaks = np.maximum.reduceat(shares, edges)
    peaks = np.where(np.isneginf(peaks), 0.0, peaks)
    scaled = np.exp(shares - np.repeat(peaks, np.diff(np.append(edges, shares.size))))
    with np.errstate(divide="ignore"):
        pieces = np.log(np.add.reduceat(scaled, edges)) + peaks
    below = np.append(-np.inf, np.logaddexp.accumulate(pieces))
    above = np.append(np.logaddexp.accumulate(pieces[::-1])[::-1], -np.inf)
    piece = np.searchsorted(edges, places)
    return below[piece], above[piece]
