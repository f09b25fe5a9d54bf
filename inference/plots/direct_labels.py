r"""What a picture writes beside its marks: odds, numbers with their error, labels kept apart.

Bits are a rarity: b bits are reached by one draw in :math:`2^b`.
"""

import math

import numpy as np

from inference.plots import style

__all__ = ["apart", "give_or_take", "odds", "odds_ticks", "one_line"]

_PER_DECADE = math.log2(10)
_WORDS = {12: "trillion", 9: "billion", 6: "million", 3: "thousand"}
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_STEPS = (1, 2, 3, 6, 15, 30, 60)
_MOST_TICKS = 7
_LEAST_ERROR = 5e-4


def odds(bits: float) -> str:
    """Write bits as odds, large ones to the nearest power of ten.

    Examples
    --------
    >>> [odds(bits) for bits in (0, 1, 3.321928, 19.931569, 60, 1160.8)]
    ['1 in 1', '1 in 2', '1 in 10', '1 in 1 million', '1 in 10¹⁸', '1 in 10³⁴⁹']
    """
    decades = bits / _PER_DECADE
    if decades > 14.999:
        return f"1 in 10{str(round(decades)).translate(_RAISED)}"
    for power, word in _WORDS.items():
        if decades > power - 1e-6:
            return f"1 in {style.number(10 ** (decades - power), 2)} {word}"
    return f"1 in {style.number(2.0**bits, 2)}"


def odds_ticks(top: float) -> list[float]:
    """Bits at which odds are round: powers of two up to ten or so, of ten beyond.

    Examples
    --------
    >>> [odds(bits) for bits in odds_ticks(4.2)]
    ['1 in 1', '1 in 2', '1 in 4', '1 in 8', '1 in 16']
    >>> [odds(bits) for bits in odds_ticks(32)]
    ['1 in 1', '1 in 100', '1 in 10 thousand', '1 in 1 million', '1 in 100 million']
    """
    if top < 2.5 * _PER_DECADE:
        return [float(bits) for bits in range(math.floor(top) + 1)][: _MOST_TICKS + 2]
    decades = top / _PER_DECADE
    fitting = (step for step in _STEPS if decades / step < _MOST_TICKS)
    step = next(fitting, math.ceil(decades / _MOST_TICKS))
    return [_PER_DECADE * power for power in range(0, math.floor(decades) + 1, step)]


def give_or_take(value: float, mcse: float) -> str:
    """Write a number and its standard error, to a digit or two of the error, if there is any.

    Examples
    --------
    >>> give_or_take(12.3456, 0.0213), give_or_take(-0.34, 0.2), give_or_take(1160.8, 14.2)
    ('12.35 ± 0.02', '−0.3 ± 0.2', '1,161 ± 14')
    >>> give_or_take(4.25, 1e-5), give_or_take(4.25, float("nan")), give_or_take(float("nan"), 0.1)
    ('4.25', '4.25', 'not known')
    >>> give_or_take(-0.04, 0.2), give_or_take(-0.0, 0.0), give_or_take(3.0, float("inf"))
    ('0.0 ± 0.2', '0', '3 ± ∞')
    """
    if not math.isfinite(value):
        return "not known" if math.isnan(value) else f"{'−' * (value < 0)}∞"
    if mcse == math.inf:
        return f"{_signed(value)} ± ∞"
    if not mcse >= _LEAST_ERROR:
        return _signed(value)
    digits = min(3, max(0, -math.floor(math.log10(mcse))))
    written = f"{abs(value):,.{digits}f}"
    back = value < 0 and any(digit in "123456789" for digit in written)
    return f"{'−' * back}{written} ± {mcse:,.{digits}f}"


def one_line(name: object) -> str:
    r"""Write somebody's name on one line, whatever it is.

    Examples
    --------
    >>> one_line("best of\n 16"), one_line(" ")
    ('best of 16', '(no name)')
    """
    return " ".join(str(name).split()) or "(no name)"


def _signed(value: float) -> str:
    return style.number(value or 0.0, 4)


def apart(places: np.ndarray, low: float, high: float, gap: float) -> np.ndarray:
    """Move labels apart, as little as need be, and keep them between two limits.

    Examples
    --------
    >>> apart(np.array([3.0, 1.0, 1.2]), 0.0, 4.0, 1.0).tolist()
    [3.0, 1.0, 2.0]
    >>> apart(np.array([3.9, 3.9]), 0.0, 4.0, 1.0).tolist()
    [2.5, 3.5]
    """
    gap = min(gap, (high - low) / max(1, len(places)))
    order = np.argsort(places, kind="stable")
    # In steps of one gap each, "apart" is "in order": the running maximum moves up what is close.
    steps = gap * np.arange(len(places))
    moved = np.maximum.accumulate(np.maximum(places[order], low + gap / 2) - steps) + steps
    ceiling = high - gap / 2 - steps[::-1]
    found = np.empty(len(places))
    found[order] = np.minimum(moved, ceiling)
    return found
