"""What does a code say of draws in cells, and which counts can be coded?"""

from dataclasses import dataclass

import numpy as np

from counterfactual_models.errors import CounterfactualError

__all__ = ["Code", "nonnegative", "same_shape"]


@dataclass(frozen=True)
class Code:
    """What a code says of some draws, and of the law that they come from.

    Parameters
    ----------
    bits
        Length of the draws, shape of the counts without their last axis; at least 0. What an
        arithmetic coder rounds up (below 2 bits) is not counted.
    model_bits
        The part of the likeliest description that describes the law: its choices, and the regret
        of what was learned afresh.
    probabilities
        The law that was described, shape of the counts.
    start
        The law that the decoder has before the first bit, same shape: the uniform one, or the
        known world's own description.
    """

    bits: np.ndarray
    model_bits: np.ndarray
    probabilities: np.ndarray
    start: np.ndarray


def nonnegative(values: np.ndarray | float, what: str, *, least: int = 1) -> np.ndarray:
    """Give numbers as floats; refuse those below 0 or not finite, and name the place.

    Parameters
    ----------
    values
        Anything of numbers.
    what
        Their name in the error message.
    least
        Number of axes that there must be, none of them empty; 0 for a plain number.

    Raises
    ------
    CounterfactualError
        If one is below 0 or not finite, or an axis is missing or the last one empty.

    Examples
    --------
    >>> nonnegative(np.array([3, -1]), "counts")
    Traceback (most recent call last):
        ...
    counterfactual_models.errors.CounterfactualError: got counts of -1.0 at (1,); expected finite \
numbers of at least 0.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim < least or (least and values.shape[-1] == 0):
        raise CounterfactualError(
            f"got {what} of shape {values.shape}; expected (..., cell) with one cell at least."
        )
    good = np.isfinite(values) & (values >= 0)
    if not good.all():
        place = tuple(int(i) for i in np.unravel_index(np.argmin(good), good.shape))
        raise CounterfactualError(
            f"got {what} of {values[place]} at {place}; expected finite numbers of at least 0."
        )
    return values


def same_shape(counts: np.ndarray, other: np.ndarray, what: str) -> None:
    """Refuse what has not the shape of the counts.

    Examples
    --------
    >>> same_shape(np.zeros(2), np.zeros(2), "known counts")
    """
    if counts.shape != other.shape:
        raise CounterfactualError(
            f"got {what} of shape {other.shape} for counts of shape {counts.shape}; expected the "
            "same cells of the same measurements."
        )
