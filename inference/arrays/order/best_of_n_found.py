"""What is known of N, the number of options of which the best was chosen?

N may have more digits than floating point: so its logarithms are kept beside it, and log2 N is
what to pass on, by its mean and its precision.
"""

import math
from dataclasses import dataclass

import numpy as np

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.exceedance import finite_values

__all__ = ["BestOfN", "positive_numbers"]

_LN2 = math.log(2.0)


@dataclass(frozen=True)
class BestOfN:
    """What is known of the number N of options, the best of which was chosen.

    All arrays share the shape of the targets, the intervals one more axis of length 2.

    Parameters
    ----------
    mle
        The likeliest N, whatever the prior.
    mean, variance
        Of N. Infinite where they are beyond floating point: see their logarithms.
    log2_of_mle, log2_of_mean, log2_of_variance
        Of the above, in bits; finite wherever they exist.
    mean_log2, sd_log2, precision_log2
        Mean, deviation and 1/variance of log2 N, in bits: the numbers to pass on.
    interval, interval_log2
        Central interval of N, and of log2 N, with the probability that was asked for.
    proper
        Whether there is a posterior. Where there is none, moments are NaN and the interval is
        everything; where its mass lies at the end of a grid, they depend on that end.
    why
        In words, where `proper` is false; else empty.
    """

    mle: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    log2_of_mle: np.ndarray
    log2_of_mean: np.ndarray
    log2_of_variance: np.ndarray
    mean_log2: np.ndarray
    sd_log2: np.ndarray
    precision_log2: np.ndarray
    interval: np.ndarray
    interval_log2: np.ndarray
    proper: np.ndarray
    why: np.ndarray

    @classmethod
    def from_logarithms(
        cls,
        *,
        log_mle: np.ndarray,
        log_mean: np.ndarray,
        log_variance: np.ndarray,
        mean_log: np.ndarray,
        sd_log: np.ndarray,
        log_ends: np.ndarray,
        why: np.ndarray | str = "",
    ) -> "BestOfN":
        """Put together what was found in natural logarithms; `log_ends` has shape (..., 2)."""
        reasons = np.broadcast_to(np.asarray(why, dtype=object), np.shape(log_mean))
        with np.errstate(over="ignore", divide="ignore"):
            return cls(
                mle=np.exp(log_mle),
                mean=np.exp(log_mean),
                variance=np.exp(log_variance),
                log2_of_mle=log_mle / _LN2,
                log2_of_mean=log_mean / _LN2,
                log2_of_variance=log_variance / _LN2,
                mean_log2=mean_log / _LN2,
                sd_log2=sd_log / _LN2,
                precision_log2=np.square(_LN2 / np.asarray(sd_log)),
                interval=np.exp(log_ends),
                interval_log2=log_ends / _LN2,
                proper=np.asarray(reasons == ""),
                why=reasons,
            )


def positive_numbers(name: str, values: np.ndarray | float) -> np.ndarray:
    """Take positive finite numbers, or refuse the first that is none.

    Examples
    --------
    >>> positive_numbers("number", [1, 0])
    Traceback (most recent call last):
        ...
    counterfactual_models.errors.CounterfactualError: got number=0.0; expected numbers above 0.
    """
    numbers = np.asarray(finite_values(name, values), dtype=np.float64)
    if (numbers <= 0).any():
        raise CounterfactualError(
            f"got {name}={float(numbers[numbers <= 0][0])}; expected numbers above 0."
        )
    return numbers
