r"""Would a combination of measures do better, on worlds it was not made for?

.. math:: \mathrm{sum:}\ \sum_k w_k\,\mathrm{penalty}_k(S) \qquad
          \mathrm{max:}\ \max_k w_k\,\mathrm{penalty}_k(S), \qquad w_k \ge 0

Weights are found on half of the worlds and judged on the other half, over and over: a combination
of ten measures fits twenty worlds by luck alone. Variants of one world stay in the same half. Two
rivals are held against it on the same halves: the best single measure of the first half, and the
rule `combined`, which has nothing to fit; but it was made for worlds such as these, so that its
share is no prediction. What does not apply to a world charges nothing there, whoever is judged.
"""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from counterfactual_models.errors import CounterfactualError, nearest, refuse_counts
from inference.testbed.table import Row, Testbed
from inference.testbed.verdicts import judge

__all__ = ["Combination", "combine"]

ALARM = 0.1
"""At which a weighed charge raises the alarm; weights are in its units."""
_WEIGHTS = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
_ROUNDS = 3

Charges = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, repr=False)
class Combination:
    """What weighing measures together is worth.

    Parameters
    ----------
    how
        ``sum`` or ``max``.
    weights
        Measure -> weight, found on all worlds: the one to use.
    splits
        A row for each split into halves: the share of ``right`` verdicts of the combination on
        the half it was ``fitted`` on and on the half ``held_out``, and on the latter of the best
        ``single`` measure of the first half, by name ``single_name``, and of the ``rule``.
    uncaught
        Worlds about which none of the measures weighed is right.
    """

    how: str
    weights: Mapping[str, float]
    splits: pd.DataFrame
    uncaught: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """All of it in words."""
        shares = self.splits.drop(columns="single_name").astype(float)
        told = {
            name: f"{mean:.0%} (sd {shares[name].std(ddof=0):.0%})"
            for name, mean in shares.mean().items()
        }
        singles = str(self.splits["single_name"].mode().iloc[0])
        rule = (
            ""
            if shares["rule"].isna().all()
            else f" `combined`, which has nothing to fit but was made for worlds like these, is "
            f"right about {told['rule']}."
        )
        weighed = ", ".join(f"{name} x {w:g}" for name, w in self.weights.items() if w > 0)
        uncaught = ", ".join(self.uncaught) or "none"
        return (
            f"The {self.how} of weighed measures, fitted on half of the worlds, is right about "
            f"{told['fitted']} of these and {told['held_out']} of the others; the best single "
            f"measure of the first half (most often {singles}) about {told['single']} of the "
            f"others.{rule} Fitted on all worlds: {weighed}. None of these measures is right "
            f"about: {uncaught}."
        )

    def __repr__(self) -> str:
        return "\n".join(textwrap.wrap(self.sentence, 99))


def combine(
    found: Testbed,
    measures: Sequence[str] | None = None,
    *,
    how: str = "max",
    splits: int = 20,
    seed: int = 0,
) -> Combination:
    """Find the weights of a combined penalty on half of the worlds, and report on the other half.

    Parameters
    ----------
    found
        What :func:`inference.testbed.run` returned.
    measures
        Which to weigh; by default all of ours, but for `combined`.
    how
        ``max`` or ``sum`` of weighed charges.
    splits
        How many times the worlds are cut in halves.
    seed
        Of the halves.

    Returns
    -------
    Combination

    Raises
    ------
    CounterfactualError
        If a measure is not in the table, `how` is neither, or there are fewer than four worlds.

    Examples
    --------
    >>> from inference.testbed import run
    >>> worlds = ["swap", "gases", "null_world", "tag"]
    >>> table = run(worlds, ["shape", "coarse_graining"], draws=200, progress=False)
    >>> combine(table, splits=2).weights["coarse_graining"] > 0
    True
    """
    refuse_counts(1, splits=splits)
    if how not in ("max", "sum"):
        raise CounterfactualError(f"got how={how!r}; expected 'max' or 'sum'.")
    ours = [name for name, whose in found.whose.items() if whose == "ours" and name != "combined"]
    names = tuple(ours if measures is None else measures)
    for name in names:
        if name not in found.measures:
            raise CounterfactualError(
                f"no measure of the table is named {name!r}. " + nearest(name, found.measures)
            )
    groups = _groups(found.rows)
    if len(groups) < 4 or not names:
        raise CounterfactualError(
            f"got {len(groups)} different worlds and {len(names)} measures; expected at least "
            "four worlds, to be cut in halves, and a measure."
        )
    rng = np.random.default_rng(seed)
    halves: list[dict[str, float | str]] = []
    for _ in range(splits):
        order = rng.permutation(len(groups))
        half = (len(groups) + 1) // 2
        seen = [row for k in order[:half] for row in groups[k]]
        other = [row for k in order[half:] for row in groups[k]]
        halves.append(_judged(seen, other, names, how))
    uncaught = [
        row.world
        for row in found.rows
        if not any(row.answers[name].verdict == "right" for name in names)
    ]
    weights = dict(zip(names, _fitted(found.rows, names, how), strict=True))
    return Combination(how, weights, pd.DataFrame(halves), tuple(uncaught))


def _judged(
    seen: Sequence[Row], other: Sequence[Row], names: Sequence[str], how: str
) -> dict[str, float | str]:
    """Fit on one half, and judge on the other."""
    weights = _fitted(seen, names, how)
    single = max(names, key=lambda name: _right(seen, name))
    return {
        "fitted": _share(seen, names, weights, how),
        "held_out": _share(other, names, weights, how),
        "single": _right(other, single),
        "single_name": single,
        "rule": _right(other, "combined"),
    }


def _groups(rows: Iterable[Row]) -> list[list[Row]]:
    """Keep variants of one world together."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.world.partition("(")[0], []).append(row)
    return list(found.values())


def _right(rows: Sequence[Row], name: str) -> float:
    """Count verdicts; what does not apply charges nothing, as in a combination."""
    answers = [(row, row.answers[name]) for row in rows if name in row.answers]
    verdicts = [
        judge(dict.fromkeys(row.truth, (0.0, 0.0)), row.truth, alarm=ALARM).verdict
        if answer.verdict == "not applicable" and not answer.charged
        else answer.verdict
        for row, answer in answers
    ]
    return verdicts.count("right") / len(verdicts) if verdicts else math.nan


def _fitted(rows: Sequence[Row], names: Sequence[str], how: str) -> tuple[float, ...]:
    """Climb one weight at a time, from every measure alone; of equals, the least weights."""
    best: tuple[float, float, tuple[float, ...]] | None = None
    for alone in range(len(names)):
        weights = tuple(float(k == alone) for k in range(len(names)))
        value = _value(rows, names, weights, how)
        for _ in range(_ROUNDS):
            before = value
            for place in range(len(names)):
                tried = [(*weights[:place], w, *weights[place + 1 :]) for w in _WEIGHTS]
                values = [_value(rows, names, one, how) for one in tried]
                value, weights = max(zip(values, tried, strict=True))
            if value == before:
                break
        if best is None or (*value, weights) > best:
            best = (*value, weights)
    assert best is not None  # there is at least one measure
    return best[2]


def _value(
    rows: Sequence[Row], names: Sequence[str], weights: Sequence[float], how: str
) -> tuple[float, float]:
    return _share(rows, names, weights, how), -sum(weights)


def _share(rows: Sequence[Row], names: Sequence[str], weights: Sequence[float], how: str) -> float:
    verdicts = [
        judge(_weighed(row, names, weights, how), row.truth, alarm=ALARM).verdict for row in rows
    ]
    return verdicts.count("right") / len(verdicts)


def _weighed(row: Row, names: Sequence[str], weights: Sequence[float], how: str) -> Charges:
    """Charge every judged disciple; the error is that of the sum, or of the greatest."""
    parts = [
        (weight, row.answers[name].charged)
        for name, weight in zip(names, weights, strict=True)
        if weight > 0 and name in row.answers
    ]
    found: dict[str, tuple[float, float]] = {}
    for who in row.truth:
        own = [
            (w * charged[who][0], w * charged[who][1]) for w, charged in parts if who in charged
        ]
        if how == "max":
            found[who] = max(own, default=(0.0, 0.0))
        else:
            found[who] = (sum(a for a, _ in own), sum(e for _, e in own))
    return found
