r"""How many bits are bits in several independent processes, taken together?

It depends on what counts as at least as good in all of them. With tails :math:`2^{-b_i}`,

.. math::
    \text{dominance (as good in each):} \quad & \sum_i b_i \\
    \text{sum of bits (as unlikely taken together):} \quad & -\log_2 Q(k, \ln 2 \sum_i b_i)

Q being the regularised upper incomplete gamma function: Fisher's combination of k tails. Only
dominance adds up, and it is no total order. Every total order that respects it calls more joint
outcomes at least as good, so it gives at most the sum.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError, nearest
from inference.arrays.order.exceedance import bits_of, finite_values, log_shares

__all__ = ["joint_bits"]

_PREFERENCES = ("dominance", "sum_of_bits")
_NUMBERS = 1 << 22
_FAR = 1e-290


def joint_bits(
    bits: np.ndarray | Sequence[float],
    preference: str | Callable[[np.ndarray, np.ndarray], np.ndarray] = "dominance",
    *,
    draws: np.ndarray | None = None,
    log_measure: np.ndarray | None = None,
) -> np.ndarray:
    r"""How many bits is it to have achieved all this at once, in independent processes?

    Parameters
    ----------
    bits
        Bits of each process, shape (process, ...). If `preference` is a callable: what was
        achieved in each process, in the units of `draws`.
    preference
        Which joint outcomes are at least as good as what was achieved.

        - ``"dominance"``: those as good in every process. Bits add up, exactly.
        - ``"sum_of_bits"``: those whose bits add up to as many. Exact where no process has ties,
          else a lower bound.
        - a callable ``(draws, achieved) -> bool``: of arrays whose first axis are processes and
          whose other axes broadcast, it says whether each joint draw is at least as good.
    draws, log_measure
        For a callable: joint outcomes without the disciple, shape (process, draw), and natural
        logarithms of their masses, up to a constant.

    Returns
    -------
    np.ndarray
        Bits in [0, inf], shaped as `bits` less its first axis; ``inf`` where no draw is as good.

    Raises
    ------
    CounterfactualError
        If bits are negative or NaN, a name is unknown, draws are missing or uncalled for, or a
        callable gives no bools, or finds something not as good as itself.

    References
    ----------
    .. [1] R. A. Fisher, "Statistical Methods for Research Workers" (1925), section 21.1.
    .. [2] S. Armstrong, "Measuring optimisation power": 1/4 and 1/8 are five bits.

    Examples
    --------
    >>> joint_bits([2.0, 3.0]).item()
    5.0
    >>> joint_bits([2.0, 3.0], "sum_of_bits").round(6).item()
    2.841102

    Two processes of eight states, of which the sum counts: 13 of 14 were reached.

    >>> grid = np.indices((8, 8)).reshape(2, -1)
    >>> better = lambda draws, achieved: draws.sum(axis=0) >= achieved.sum(axis=0)
    >>> joint_bits([6, 7], better, draws=grid).round(6).item()
    4.415037
    """
    if callable(preference):
        if draws is None:
            raise CounterfactualError(
                "got a preference to call and no draws; expected draws=, shape (process, draw)."
            )
        return _preferred_bits(bits, preference, draws, log_measure)
    if preference not in _PREFERENCES:
        known = nearest(str(preference), _PREFERENCES)
        raise CounterfactualError(
            f"got preference={preference!r}; expected a name or a callable. {known}"
        )
    if draws is not None or log_measure is not None:
        raise CounterfactualError(
            f"got draws for preference={preference!r}, which needs only bits; expected a callable "
            "on draws. Leave draws and log_measure out."
        )
    bits = np.asarray(bits, dtype=np.float64)
    if not bits.ndim or not bits.shape[0] or not (bits >= 0).all():
        raise CounterfactualError(
            f"got bits {np.array2string(bits, threshold=6)}; expected bits of each process along "
            "the first axis, none below 0, no NaN."
        )
    total = bits.sum(axis=0) + 0.0
    return total if preference == "dominance" else _fisher_bits(total, len(bits))


def _fisher_bits(total: np.ndarray, processes: int) -> np.ndarray:
    """Combine by Fisher: P(a gamma variate of this many exceeds the total), to all digits."""
    x = np.asarray(total) * math.log(2)
    tail = special.gammaincc(processes, x)
    near = tail > 0.5
    small = np.log1p(-special.gammainc(processes, np.where(near, x, 0.0)))
    middle = np.log(np.where(tail > _FAR, tail, 1.0))
    far = np.where((tail > _FAR) | np.isinf(x), processes + 1.0, x)
    # Horner's scheme of sum_j (k-1)!/(k-1-j)! x^-j, whose terms fall from 1.
    series = np.ones_like(far)
    for i in range(1, processes):
        series = 1 + series * i / far
    leading = (processes - 1) * np.log(far) - far - special.gammaln(processes)
    logs = np.where(near, small, np.where(tail > _FAR, middle, leading + np.log(series)))
    return bits_of(np.where(np.isinf(x), -np.inf, logs))


def _preferred_bits(
    achieved: np.ndarray | Sequence[float],
    preference: Callable[[np.ndarray, np.ndarray], np.ndarray],
    draws: np.ndarray,
    log_measure: np.ndarray | None,
) -> np.ndarray:
    """Count, or weigh, the joint draws that are at least as good as each joint achievement."""
    achieved, draws = finite_values("bits", achieved), finite_values("draws", draws)
    if draws.ndim != 2 or not draws.size or achieved.shape[:1] != draws.shape[:1]:
        raise CounterfactualError(
            f"got draws of shape {draws.shape} and achievements of shape {achieved.shape}; "
            "expected (process, draw) and (process, ...), with the same processes."
        )
    shape, achieved = achieved.shape[1:], achieved.reshape(len(achieved), -1)
    if not _asked(preference, achieved[:, :, None], achieved[:, :, None]).all():
        raise CounterfactualError(
            "got a preference by which something is not as good as itself; expected one that "
            "says True of ties. Compare by >=, not by >."
        )
    shares = log_shares(log_measure, draws.shape[1])
    logs = np.empty(achieved.shape[1])
    step = max(1, _NUMBERS // draws.size)
    for start in range(0, logs.size, step):
        part = slice(start, start + step)
        good = _asked(preference, draws[:, None, :], achieved[:, part, None])
        if log_measure is None:
            with np.errstate(divide="ignore"):
                logs[part] = np.log(good.mean(axis=1))
        else:
            logs[part] = special.logsumexp(np.where(good, shares, -np.inf), axis=1)
    return bits_of(logs).reshape(shape)


def _asked(
    preference: Callable[[np.ndarray, np.ndarray], np.ndarray],
    draws: np.ndarray,
    achieved: np.ndarray,
) -> np.ndarray:
    """Ask a preference of all draws and achievements at once, and check its answer."""
    expected = np.broadcast_shapes(draws.shape, achieved.shape)[1:]
    answer = np.asarray(preference(draws, achieved))
    if answer.dtype != np.bool_ or answer.shape != expected:
        raise CounterfactualError(
            f"got from the preference {answer.dtype} of shape {answer.shape}; expected True or "
            f"False of shape {expected}. Reduce the first axis, the processes, and no other: "
            "lambda draws, achieved: draws.sum(axis=0) >= achieved.sum(axis=0)."
        )
    return answer
