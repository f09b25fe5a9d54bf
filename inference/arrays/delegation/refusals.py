"""Which numbers can be no bits, no instances and no performance?"""

from typing import Any

import numpy as np

from counterfactual_models.errors import CounterfactualError

__all__ = ["finite_numbers", "numbers_at_least", "one_at_least"]


def finite_numbers(name: str, numbers: Any) -> np.ndarray:
    """Return finite numbers as an array of floats, or say where one is not.

    Parameters
    ----------
    name
        How the message calls them.
    numbers
        Anything that NumPy reads as numbers.

    Returns
    -------
    np.ndarray
        As many axes as were given.

    Raises
    ------
    CounterfactualError
        If something is no number, NaN or infinite; the message names the first place.

    Examples
    --------
    >>> finite_numbers("performance", [1, 2])
    array([1., 2.])
    """
    array = _as_numbers(name, numbers)
    if not np.isfinite(array).all():
        place = tuple(int(k) for k in np.argwhere(~np.isfinite(array))[0])
        where = f" at {place}" if place else ""
        raise CounterfactualError(
            f"got {name}={array[place]}{where}; expected finite numbers: "
            "leave out what could not be measured."
        )
    return array


def numbers_at_least(
    least: float, *, strict: bool = False, infinite: bool = False, **numbers: Any
) -> list[np.ndarray]:
    """Return numbers of at least `least` as arrays of floats, in the order they were given.

    Parameters
    ----------
    least
        The smallest number allowed.
    strict
        Whether that one is refused too.
    infinite
        Whether infinity is allowed.
    **numbers
        By name, as messages shall call them.

    Returns
    -------
    list of np.ndarray
        One of each.

    Raises
    ------
    CounterfactualError
        If a number is too small, NaN, or infinite where that is not allowed.

    Examples
    --------
    >>> numbers_at_least(0.0, power=8)
    [array(8.)]
    """
    arrays = []
    for name, given in numbers.items():
        endless = np.asarray(False)
        if infinite:
            endless = np.isposinf(_as_numbers(name, given))
            given = np.where(endless, least, given)
        array = np.where(endless, np.inf, finite_numbers(name, given))
        low = (array <= least if strict else array < least) & ~endless
        if low.any():
            sign = "more than" if strict else "at least"
            raise CounterfactualError(
                f"got {name}={array[low].flat[0]:g}; expected {sign} {least:g}."
            )
        arrays.append(array)
    return arrays


def one_at_least(
    least: float, *, strict: bool = False, infinite: bool = False, **number: Any
) -> float:
    """Return a single number of at least `least`.

    Parameters
    ----------
    least, strict, infinite
        As in :func:`numbers_at_least`.
    **number
        By name, as messages shall call it.

    Returns
    -------
    float
        The number.

    Raises
    ------
    CounterfactualError
        As :func:`numbers_at_least`, and if there are several.

    Examples
    --------
    >>> one_at_least(0.0, limit=8)
    8.0
    """
    ((name, given),) = number.items()
    (array,) = numbers_at_least(least, strict=strict, infinite=infinite, **number)
    if array.ndim:
        raise CounterfactualError(f"got {name}={given!r}; expected a single number.")
    return float(array)


def _as_numbers(name: str, numbers: Any) -> np.ndarray:
    """Read an array of floats, or say what is none."""
    try:
        return np.asarray(numbers, dtype=float)
    except (TypeError, ValueError):
        kind = type(numbers).__name__
        raise CounterfactualError(
            f"got {name}={numbers!r} of type {kind}; expected numbers."
        ) from None
