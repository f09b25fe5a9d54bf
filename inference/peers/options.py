"""Which options may a peer be given?"""

import numbers
from typing import Any

from counterfactual_models.errors import CounterfactualError, nearest

__all__ = ["AVERAGES", "BASELINES", "OVER_TIME", "refuse_choice", "refuse_discount"]

BASELINES = ("start", "inaction", "stepwise")
"""What a state is compared with: the first one; the one that nobody brought about; the one that
follows if nothing is done in this step."""
OVER_TIME = ("discounted", "sum", "mean", "last")
"""How the deviations of all steps make one number."""
AVERAGES = ("outcomes", "law")
"""Whether chance is averaged after the deviations were taken, or before."""


def refuse_choice(option: str, given: Any, known: tuple[str, ...]) -> None:
    """Refuse what is none of the words that an option knows.

    Examples
    --------
    >>> refuse_choice("baseline", "stepwise", BASELINES)
    >>> refuse_choice("baseline", "inactoin", BASELINES)
    Traceback (most recent call last):
        ...
    counterfactual_models.errors.CounterfactualError: got baseline='inactoin'. \
Did you mean 'inaction'? There are: 'start', 'inaction', 'stepwise'.
    """
    if given not in known:
        raise CounterfactualError(f"got {option}={given!r}. {nearest(str(given), known)}")


def refuse_discount(option: str, given: Any, *, at_most_one: bool) -> None:
    """Refuse a discount outside of (0, 1), or of (0, 1] where that has a limit.

    Examples
    --------
    >>> refuse_discount("discount", 1.0, at_most_one=True)
    >>> refuse_discount("discount", 1.0, at_most_one=False)
    Traceback (most recent call last):
        ...
    counterfactual_models.errors.CounterfactualError: got discount=1.0; \
expected a number above 0 and below 1.
    """
    upper = "up to 1" if at_most_one else "below 1"
    good = (
        isinstance(given, numbers.Real) and not isinstance(given, bool) and 0 < float(given) <= 1
    )
    if not good or (given == 1 and not at_most_one):
        raise CounterfactualError(
            f"got {option}={given!r}; expected a number above 0 and {upper}."
        )
