"""What can go wrong, in words a user can act on; imports neither torch nor pyro."""

import difflib
import numbers
from collections.abc import Iterable
from typing import Any

__all__ = [
    "CounterfactualError",
    "DiscipleError",
    "EvidenceError",
    "ImpactWarning",
    "MeasurementError",
    "PosteriorError",
    "WorldError",
    "nearest",
    "refuse_counts",
]


class CounterfactualError(ValueError):
    """Anything this library refuses: the message says what was got, expected, and what to do."""


class WorldError(CounterfactualError):
    """The world cannot be run as it is written: its switch, its sites, its numbers."""


class EvidenceError(CounterfactualError):
    """The evidence does not fit the world: a name, a shape, a value, a support."""


class DiscipleError(CounterfactualError):
    """The disciple is no policy, has no source, or was asked to act while erased."""


class MeasurementError(CounterfactualError):
    """A measurement is missing, misnamed or of the wrong shape."""


class PosteriorError(CounterfactualError):
    """The draws of the past are not to be trusted, and ``strict=True`` was asked for.

    Parameters
    ----------
    message
        The verdict on the run.
    posterior
        The draws all the same, so that nothing is lost.
    """

    def __init__(self, message: str, posterior: Any = None) -> None:
        super().__init__(message)
        self.posterior = posterior


class ImpactWarning(UserWarning):
    """The numbers are given, and should be read with the care that the message asks for."""


def nearest(name: str, names: Iterable[str]) -> str:
    """End an error message about an unknown name: the nearest one, and all there are.

    Examples
    --------
    >>> nearest("stel_price", ["steel_price", "visits"])
    "Did you mean 'steel_price'? There are: 'steel_price', 'visits'."
    """
    known = list(names)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    guess = f"Did you mean {close[0]!r}? " if close else ""
    shown = ", ".join(map(repr, known[:20])) + (
        f", and {len(known) - 20} more" * (len(known) > 20)
    )
    return f"{guess}There are: {shown or 'none'}."


def refuse_counts(least: int, **counts: Any) -> None:
    """Refuse options that are no whole number of at least `least`.

    Examples
    --------
    >>> refuse_counts(1, draws=100, chains=4.0)
    >>> refuse_counts(1, draws=0)
    Traceback (most recent call last):
        ...
    counterfactual_models.errors.WorldError: got draws=0; expected a whole number of at least 1.
    """
    for name, count in counts.items():
        if not isinstance(count, numbers.Real) or count != count // 1 or count < least:
            raise WorldError(f"got {name}={count!r}; expected a whole number of at least {least}.")
