r"""How small a share of all lotteries over outcomes is at least as good as this one?

.. math:: \mathrm{OP}(t) = -\log_2 P\Bigl(\sum_i w_i u_i \ge t\Bigr), \qquad
          w \sim \mathrm{Dirichlet}(\alpha)

With gaps :math:`p_k = u_k - t > 0` and :math:`q_j = t - u_j > 0`, and α = 1, Ali's form of Varsi's
recursion:

.. math:: F(k, j) = \frac{p_k F(k, j-1) + q_j F(k-1, j)}{p_k + q_j}, \qquad
          F(k, 0) = 1, \quad F(0, j) = 0

It only averages positive numbers, so every digit is kept, ties are no matter, and logarithms of
gaps serve as well: the lottery that gives the best with a chance of 1e-1000 has its number. (The
textbook's divided differences are wrong by 7e18 at a hundred values.) A whole α repeats a value α
times; others are integrated in the complex plane through the saddle point.

These bits are about the prior over lotteries as much as about the lottery: a sure best outcome
has ``inf`` of them.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.exceedance import bits_of, finite_values, log_complement

__all__ = [
    "lottery_bits",
    "lottery_log_bits_from_gaps",
    "lottery_log_tail",
    "lottery_log_tail_from_gaps",
]

_MOST_KNOTS = 200
_LEAST_CONCENTRATION = 0.1
_NUMBERS = 1 << 21
_FARTHEST = 6.7
"""Where the integral ends, in its own variable: beyond 1e270 of its own widths."""
_AGREEMENT, _HALVINGS = 1e-10, 9


def lottery_bits(
    values: np.ndarray | Sequence[float],
    threshold: np.ndarray | Sequence[float] | float,
    concentration: np.ndarray | Sequence[float] | None = None,
) -> np.ndarray:
    r"""How many bits of optimization is a lottery worth, among all lotteries over these outcomes?

    Parameters
    ----------
    values
        Utilities of the outcomes, shape (outcome,).
    threshold
        Expected utilities that were achieved, any shape.
    concentration
        Dirichlet concentration of each outcome, above 0; all 1 if None, which is the uniform
        measure on the simplex. Whole numbers that add up to at most 200 are computed to
        rounding; the rest by quadrature, with a relative error of the probability below 1e-9.

    Returns
    -------
    np.ndarray
        Bits in [0, inf], shaped as `threshold`; ``inf`` for the best outcome and beyond.

    Raises
    ------
    CounterfactualError
        If something is not finite, a concentration is not positive, concentrations that are not
        whole add up to less than 0.1, or the quadrature does not settle.

    References
    ----------
    .. [1] S. Armstrong, "Measuring optimisation power": the simplex of mixed states.
    .. [2] M. M. Ali, "Content of the frustum of a simplex", Pacific J. Math. 48 (1973).
    .. [3] C. W. Helstrom, "Evaluating the detectability of Gaussian stochastic signals by
       steepest descent integration", IEEE Trans. Aerosp. Electron. Syst. 19 (1983).

    Examples
    --------
    >>> lottery_bits(range(8), [6, 4, 5.5, 3.5, 7]).round(6)
    array([12.299208,  1.941656,  8.209096,  1.      ,       inf])
    >>> lottery_bits([0, 1], 0.9, concentration=[2, 0.5]).round(6).item()  # a beta variate
    8.008785
    """
    return bits_of(lottery_log_tail(values, threshold, concentration))


def lottery_log_tail(
    values: np.ndarray | Sequence[float],
    threshold: np.ndarray | Sequence[float] | float,
    concentration: np.ndarray | Sequence[float] | None = None,
) -> np.ndarray:
    """How likely is a lottery drawn blindly to be at least as good? The natural logarithm.

    Parameters and errors are those of :func:`lottery_bits`.

    Returns
    -------
    np.ndarray
        Natural logarithms of probabilities, accurate near 0 too; shaped as `threshold`.

    Examples
    --------
    >>> np.exp(lottery_log_tail(range(8), 6)).round(12).item() == round(1 / 5040, 12)
    True
    """
    values, threshold = finite_values("values", values), finite_values("threshold", threshold)
    if values.ndim != 1 or not values.size:
        raise CounterfactualError(
            f"got values of shape {values.shape}; expected one utility for each of one or more "
            "outcomes."
        )
    alpha = _concentrations(concentration, values.size)
    whole = bool((alpha == np.rint(alpha)).all()) and alpha.sum() <= _MOST_KNOTS
    if whole:
        values = np.repeat(values, alpha.astype(int))
    elif alpha.sum() < _LEAST_CONCENTRATION:
        raise CounterfactualError(
            f"got concentrations that add up to {alpha.sum():.3g}; expected at least "
            f"{_LEAST_CONCENTRATION}. Lotteries of less are as good as sure outcomes: "
            "exceedance_bits(values, threshold, log_measure=np.log(concentration))."
        )
    targets = threshold.reshape(-1)
    logs = np.empty(targets.size)
    step = max(1, _NUMBERS // values.size)
    for start in range(0, targets.size, step):
        gaps = np.subtract(values, targets[start : start + step, None], dtype=np.float64)
        odds = _log_odds(*_log_gaps(gaps)) if whole else _log_odds_by_contour(gaps, alpha)
        logs[start : start + step] = -np.logaddexp(0.0, odds)
    return logs.reshape(threshold.shape)


def lottery_log_tail_from_gaps(
    log_above: np.ndarray | Sequence[float], log_below: np.ndarray | Sequence[float]
) -> np.ndarray:
    r"""How likely is a blind lottery to be as good, given how far outcomes are from the target?

    For targets so near to an outcome that their difference underflows. Lotteries are uniform on
    the simplex, and swapping the two arguments gives the probability of doing worse.

    Parameters
    ----------
    log_above
        Natural logarithms of :math:`u_k - t` of the outcomes that are better than the target,
        shape (..., better outcome); ``-inf`` for one that is exactly as good.
    log_below
        Those of :math:`t - u_j` of the worse ones, shape (..., worse outcome).

    Returns
    -------
    np.ndarray
        Natural logarithms of probabilities, with the leading axes of both.

    Raises
    ------
    CounterfactualError
        If a gap is NaN or infinite.

    Examples
    --------
    The post's Q = (1 - 1e-1000) X0 + 1e-1000 X7, of states 0 to 7: nearly all are better.

    >>> tiny = np.log(7) - 1000 * np.log(10)
    >>> above = np.log(np.arange(1.0, 8))
    >>> (lottery_log_tail_from_gaps([tiny], above) / np.log(10)).round(6).item()  # worse than Q
    -6997.786744
    """
    odds, shape = _odds_from_gaps(log_above, log_below)
    return -np.logaddexp(0.0, odds).reshape(shape)


def lottery_log_bits_from_gaps(
    log_above: np.ndarray | Sequence[float], log_below: np.ndarray | Sequence[float]
) -> np.ndarray:
    """Give the natural logarithm of the bits of a lottery, which may be as few as 1e-6998.

    Parameters and errors are those of :func:`lottery_log_tail_from_gaps`.

    Returns
    -------
    np.ndarray
        From ``-inf`` (no bits) to ``inf``.

    Examples
    --------
    >>> tiny = np.log(7) - 1000 * np.log(10)
    >>> above = np.log(np.arange(1.0, 8))
    >>> (lottery_log_bits_from_gaps(above, [tiny]) / np.log(10)).round(6).item()
    -6997.62757
    """
    odds, shape = _odds_from_gaps(log_above, log_below)
    # log(1 + x) is x where its own logarithm would underflow.
    nats = np.logaddexp(0.0, np.maximum(odds, -40.0))
    logs = np.where(odds < -40.0, odds, np.log(nats))
    return (logs - math.log(math.log(2))).reshape(shape)


def _concentrations(concentration: np.ndarray | Sequence[float] | None, size: int) -> np.ndarray:
    """Check concentrations, or set them all to 1."""
    if concentration is None:
        return np.ones(size)
    alpha = finite_values("concentration", concentration).astype(np.float64)
    if alpha.shape != (size,) or not (alpha > 0).all():
        raise CounterfactualError(
            f"got concentration {np.array2string(alpha, threshold=8)} for {size} outcomes; "
            "expected one positive number for each. Leave out outcomes that no lottery can have."
        )
    return alpha


def _log_gaps(gaps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(gaps, 0.0)), np.log(np.maximum(-gaps, 0.0))


def _odds_from_gaps(
    log_above: np.ndarray | Sequence[float], log_below: np.ndarray | Sequence[float]
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Check gaps, lay targets along one axis, and give the odds and the shape of targets."""
    above = np.asarray(log_above, dtype=np.float64)
    below = np.asarray(log_below, dtype=np.float64)
    for name, gaps in (("log_above", above), ("log_below", below)):
        if not gaps.ndim or not (gaps < np.inf).all():
            raise CounterfactualError(
                f"got {name} of shape {gaps.shape} with {np.count_nonzero(~(gaps < np.inf))} "
                "numbers that are NaN or infinite; expected natural logarithms of gaps along the "
                "last axis, -inf for no gap."
            )
    shape = np.broadcast_shapes(above.shape[:-1], below.shape[:-1])
    rows = [
        np.broadcast_to(gaps, (*shape, gaps.shape[-1])).reshape(math.prod(shape), gaps.shape[-1])
        for gaps in (above, below)
    ]
    return _log_odds(*rows), shape


def _log_odds(log_above: np.ndarray, log_below: np.ndarray) -> np.ndarray:
    """How much likelier is worse than not worse, each to its own last digit? In logarithms."""
    above, below = (
        np.sort(gaps, axis=1)[:, np.isneginf(gaps).sum(axis=1).min(initial=gaps.shape[1]) :]
        for gaps in (log_above, log_below)
    )
    nothing = np.isneginf(below).all(axis=1)
    better = np.where(nothing, 0.0, _log_recursion(above, below))
    return np.where(nothing, -np.inf, _log_recursion(below, above) - better)


def _log_recursion(log_above: np.ndarray, log_below: np.ndarray) -> np.ndarray:
    """Run the recursion along antidiagonals; in each row of gaps those of -inf come first."""
    targets, better = log_above.shape
    worse = log_below.shape[1]
    if not worse or not better:
        return np.full(targets, 0.0 if not worse else -np.inf)
    backwards = log_below[:, ::-1]
    previous = np.full((targets, better + 1), -np.inf)
    previous[:, 1] = 0.0
    for total in range(2, better + worse + 1):
        first, last = max(1, total - worse), min(better, total - 1)
        above = log_above[:, first - 1 : last]
        below = backwards[:, worse - total + first : worse - total + last + 1]
        absent = np.isneginf(above) & np.isneginf(below)
        ratio = np.where(absent, 0.0, above) - np.where(absent, 0.0, below)
        current = np.full_like(previous, -np.inf)
        current[:, first : last + 1] = np.logaddexp(
            previous[:, first : last + 1] - np.logaddexp(0.0, -ratio),
            previous[:, first - 1 : last] - np.logaddexp(0.0, ratio),
        )
        if total <= better:
            current[:, total] = 0.0
        previous = current
    return previous[:, better]


def _log_odds_by_contour(gaps: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Give the same odds for any concentrations."""
    above, below = gaps.max(axis=1) > 0, gaps.min(axis=1) < 0
    odds = np.where(below, np.inf, -np.inf)
    both = above & below
    # A tail near 1 has a saddle point next to the pole: its complement is integrated instead,
    # unless weights are so skewed that the mean does not tell which tail is which.
    side = np.where(gaps[both] @ alpha > 0, -1.0, 1.0)
    gaps = gaps[both] * side[:, None]
    if not len(gaps):
        return odds
    tail = _log_contour(gaps, alpha)
    rest = log_complement(tail)
    skewed = tail > -math.log(2)
    if skewed.any():
        rest[skewed] = _log_contour(-gaps[skewed], alpha)
    odds[both] = side * (rest - tail)
    return odds


def _log_contour(gaps: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    r"""Integrate for P(sum of gaps times gamma variates > 0), each row of gaps having both signs.

    .. math:: P = \frac{1}{2\pi i} \int_{c - i\infty}^{c + i\infty} e^{K(s)} \frac{ds}{s}, \qquad
              K(s) = -\sum_i \alpha_i \log(1 - a_i s)

    along the line through the saddle point c of the integrand, where it does not oscillate: the
    error is relative. By double exponential quadrature, halved until two agree to 1e-10.
    """
    gaps = gaps / gaps.max(axis=1, keepdims=True)
    saddle, rest = _saddle_points(gaps, alpha)
    rates = gaps * saddle / rest
    curvature = 1 / np.sqrt(1 + (alpha * rates**2).sum(axis=1))
    width = np.minimum(curvature, 1 / rates.max(axis=1))[:, None]
    leading = -(alpha * np.log(rest)).sum(axis=1)
    integral = np.zeros(len(gaps))
    open_rows = np.arange(len(gaps))
    for halving in range(_HALVINGS):
        step = 0.125 / 2**halving
        # Only the nodes between those that are there already.
        nodes = (
            np.arange(0.0, _FARTHEST, step)
            if not halving
            else np.arange(step, _FARTHEST, 2 * step)
        )
        part = step * _integrand(rates[open_rows], alpha, width[open_rows], nodes)
        former = integral[open_rows]
        integral[open_rows] = part if not halving else former / 2 + part
        now = integral[open_rows]
        settled = (np.abs(now - former) <= _AGREEMENT * np.abs(now)) & (now > 0) & (halving > 1)
        open_rows = open_rows[~settled]
        if not open_rows.size:
            return leading + np.log(integral / math.pi)
    raise CounterfactualError(
        f"got concentrations from {alpha.min():.3g} to {alpha.max():.3g}, for which the integrals "
        f"of {open_rows.size} of {len(gaps)} thresholds do not settle; expected tamer ones. Round "
        "concentrations to whole numbers, or draw lotteries and count."
    )


def _saddle_points(gaps: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where, between 0 and 1, is the integrand least along the real line? And 1 - a c there."""
    low, high = np.full((2, len(gaps), 1), 60.0) * np.array([-1.0, 1.0])[:, None, None]
    for _ in range(50):
        middle = 0.5 * (low + high)
        saddle, rest = _rest(gaps, middle)
        rising = (alpha * gaps * saddle / rest).sum(axis=1, keepdims=True) > 1
        low, high = np.where(rising, low, middle), np.where(rising, middle, high)
    return _rest(gaps, 0.5 * (low + high))


def _rest(gaps: np.ndarray, logit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    saddle = special.expit(logit)
    near = (1 - gaps) + gaps * special.expit(-logit)
    return saddle, np.where(gaps > 0, near, 1 - gaps * saddle)


def _integrand(
    rates: np.ndarray, alpha: np.ndarray, width: np.ndarray, nodes: np.ndarray
) -> np.ndarray:
    """Add up the integrand over nodes, half of it at node 0; pieces of nodes at a time."""
    total = np.zeros(len(rates))
    step = max(1, _NUMBERS // rates.size)
    for start in range(0, nodes.size, step):
        node = nodes[start : start + step]
        inner = 0.5 * math.pi * np.sinh(node)
        place = width * np.sinh(inner)
        slope = width * 0.5 * math.pi * np.cosh(node) * np.cosh(inner)
        turned = rates[:, :, None] * place[:, None, :]
        size = np.einsum("i,tin->tn", alpha, np.log(np.hypot(1.0, turned)))
        angle = np.einsum("i,tin->tn", alpha, np.arctan(turned)) - np.arctan(place)
        height = np.cos(angle) * np.exp(np.log(slope) - size - np.log(np.hypot(1.0, place)))
        total += np.where(node == 0, 0.5, 1.0) @ height.T
    return total
