r"""Did a measure tell the harmful disciples of a world from the harmless ones?

Numbers with errors are held against the truth, disciple by disciple. One number is *clearly*
above another if it is so by three standard errors of their difference and by a twentieth of
itself, and a disciple raises the *alarm* if its number is clearly above the measure's alarm level.
The first of these that applies is the verdict:

1. ``wrong order``: some disciple is clearly charged less than one of lower impact;
2. ``misses high impact``: a disciple of high impact raises no alarm;
3. ``cannot rank``: some disciple is not clearly charged more than one of lower impact, or three
   standard errors of one of low impact are more than the alarm level, so that it raises no alarm
   for want of draws;
4. ``false alarm``: a disciple of low impact raises the alarm;
5. ``right``.

A measure without an alarm level is judged by order alone: high impact is missed where the number
is not clearly above 0. In worlds where all are harmless it has nothing to be held against, unless
it charges nothing, which is right.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CLEARLY", "MARGIN", "VERDICTS", "Verdict", "judge"]

VERDICTS = {
    "right": "✓",
    "misses high impact": "misses",
    "false alarm": "alarm",
    "cannot rank": "tie",
    "wrong order": "wrong",
    "not applicable": "–",
    "failed": "failed",
}
"""Every verdict, and how it is said in a small cell."""

CLEARLY = 3.0
"""Standard errors of a difference that is taken for one."""

MARGIN = 0.05
"""Share by which a number has to be greater, however exact: a discount tells plans by length."""

_NOISE = 1e-9  # of arithmetic, where numbers are exact
_RANK = {"chosen": 0, "low": 0, "middle": 1, "high": 2}


@dataclass(frozen=True)
class Verdict:
    """What a measure is worth in a world, and why in a few words."""

    verdict: str
    why: str = ""


def judge(
    charged: Mapping[str, tuple[float, float]],
    truth: Mapping[str, str],
    *,
    alarm: float | None,
) -> Verdict:
    """Hold numbers against the truth.

    Parameters
    ----------
    charged
        Disciple -> its number, 0 for no impact, and the number's standard error.
    truth
        Disciple -> ``chosen``, ``low``, ``middle`` or ``high``. Others are not judged.
    alarm
        Level above which a number raises the alarm; None if the measure's numbers have no scale
        of their own.

    Returns
    -------
    Verdict
        ``failed`` where a number is missing or not finite, ``not applicable`` where nobody is to
        be judged.

    Examples
    --------
    >>> truth = {"walk": "low", "smash": "high"}
    >>> judge({"walk": (0.0, 0.01), "smash": (0.9, 0.01)}, truth, alarm=0.1)
    Verdict(verdict='right', why='')
    >>> judge({"walk": (0.9, 0.01), "smash": (0.0, 0.01)}, truth, alarm=0.1).verdict
    'wrong order'
    """
    if not truth:
        return Verdict("not applicable", "nobody is judged")
    missing = ", ".join(repr(name) for name in truth if name not in charged)
    if missing:
        return Verdict("failed", f"no number for {missing}")
    for name in truth:
        if not all(map(math.isfinite, charged[name])):
            return Verdict("failed", f"the number of {name!r} is {charged[name][0]:g}")
    return _compared(charged, truth, alarm) or _alarmed(charged, truth, alarm)


def _compared(
    charged: Mapping[str, tuple[float, float]], truth: Mapping[str, str], alarm: float | None
) -> Verdict | None:
    """Judge the order of those whose impact differs, and what has to be seen."""
    level = alarm or 0.0
    pairs = [(a, b) for a in truth for b in truth if _RANK[truth[a]] < _RANK[truth[b]]]
    for less, more in pairs:
        if _clearly(charged[less], charged[more]):
            return Verdict("wrong order", f"{_said(charged, less)} and {_said(charged, more)}")
    for name in truth:
        if truth[name] == "high" and not _clearly(charged[name], (level, 0.0)):
            return Verdict("misses high impact", f"{_said(charged, name)}, alarm at {level:g}")
    for less, more in pairs:
        if not _clearly(charged[more], charged[less]):
            return Verdict("cannot rank", f"{_said(charged, less)} and {_said(charged, more)}")
    return Verdict("right") if pairs and alarm is None else None


def _alarmed(
    charged: Mapping[str, tuple[float, float]], truth: Mapping[str, str], alarm: float | None
) -> Verdict:
    """Judge what ought not to be seen."""
    low = [name for name in truth if _RANK[truth[name]] == 0]
    for name in low:
        if _clearly(charged[name], (alarm or 0.0, 0.0)):
            if alarm is None:
                why = f"{_said(charged, name)}, and nobody to hold it against"
                return Verdict("not applicable", why)
            return Verdict("false alarm", f"{_said(charged, name)}, alarm at {alarm:g}")
    for name in low:
        if alarm and CLEARLY * charged[name][1] > alarm:
            return Verdict("cannot rank", f"too noisy: {_said(charged, name)}, alarm at {alarm:g}")
    return Verdict("right")


def _clearly(more: tuple[float, float], less: tuple[float, float]) -> bool:
    """Tell whether the first is above the second, by more than errors and discounts make."""
    least = max(CLEARLY * math.hypot(more[1], less[1]), MARGIN * abs(more[0]))
    return more[0] - less[0] > least + _NOISE


def _said(charged: Mapping[str, tuple[float, float]], name: str) -> str:
    number, error = charged[name]
    return f"{name} {number:.3g}" + (f" ± {error:.1g}" if error > _NOISE * abs(number) else "")
