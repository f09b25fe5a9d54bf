r"""What have runs of halving found, and may it be believed?

.. math:: \mathrm{bits} = -\log_2 \frac1R \sum_r p_r, \qquad
          \mathrm{mcse} = \frac{\max(s_{within}, s_{between})}{\sqrt R}

A run is believed only as far as the others agree with it. One that lost the way to the best worlds
never knows: others that kept it say so by their spread. If the way is so narrow at its entrance
that no run keeps a particle in it, no run can tell, and bits come out too many.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.counting import least_bits

__all__ = ["SplitTail", "judged_runs"]

_LEVEL = 0.02
"""Share of sound results in which the runs may be found to differ more than they claim."""
_LEAST_ACCEPTANCE = 0.02
_LEAST_DISTINCT = 0.1
_LARGEST_FAMILY = 0.9
_LARGEST_SPREAD = 1 / math.log(2)
_BIAS = 0.25
"""Bits too few for each bit and over the particles, as levels follow the particles (measured)."""
_PROBABILITY = 0.95


@dataclass(frozen=True)
class SplitTail:
    r"""A small probability P(e,S,0)(u >= target), and all larger ones on the way to it.

    Attributes
    ----------
    target
        Utility that was to be reached.
    bits
        :math:`-\log_2` of the mean probability over runs, where stuck runs count as none; ``inf``
        if all were stuck.
    bits_runs
        The same of each run, shape (run,); ``inf`` for stuck ones.
    variance_per_bit
        Variance that a run's bits gain with each bit, as families of particles within runs claim.
    sd_within
        Standard deviation of a run's bits by that claim; ``nan`` if all were stuck.
    sd_between
        The same, as the runs differ; ``nan`` with fewer than two runs that were not stuck.
    mcse
        Standard error of `bits`: the larger of the two over the root of the runs that reached the
        target; ``inf`` if none did.
    interval
        95 % interval of `bits` (Student's t). If a run was stuck, it has no upper end.
    lower
        One-sided 95 % lower bound of the bits. If runs were stuck, that of the highest level that
        all of them reached: only as good as the way up they found.
    reliable
        Whether nothing speaks against it. It is no proof: what no run has seen, none can miss.
    reasons
        What speaks against it, in words.
    evaluations
        Worlds that were run.
    stuck
        Number of runs that did not reach the target.
    common
        Utility that all runs reached: the target, or less where some were stuck.
    given_up
        Whether all that stopped these was that so many halvings were asked for.
    least_acceptance
        Least share of moves accepted in any halving.
    least_distinct
        Least share of distinct states among particles that start a halving.
    largest_family
        Largest share of a run's particles that descend from one particle of 16 halvings ago,
        averaged over the runs.
    utility, log_weight
        Shape (run, particle): weighted particles of P(e,S,0), from the bulk up to the target.
        Weights of a run add up to 1, so that those of u >= t add up to P(u >= t), t <= target.
        Short rows end in utilities and logarithms of ``-inf``, which weigh nothing.
    last
        Shape (run that reached the target, particle, size): states of particles that are as good.
    """

    target: float
    bits: float
    bits_runs: np.ndarray
    variance_per_bit: float
    sd_within: float
    sd_between: float
    mcse: float
    interval: tuple[float, float]
    lower: float
    reliable: bool
    reasons: tuple[str, ...]
    evaluations: int
    stuck: int
    common: float
    given_up: bool
    least_acceptance: float
    least_distinct: float
    largest_family: float
    utility: np.ndarray
    log_weight: np.ndarray
    last: np.ndarray

    def tail_bits(self, targets: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        r"""How many bits is each of these targets worth, with which standard error?

        The error is the spread between runs, or, if that is larger, what they claim.

        Parameters
        ----------
        targets
            Of any shape, none above `target`.

        Returns
        -------
        tuple of ndarray
            Bits and their Monte Carlo standard errors, in the shape of `targets`; both ``inf``
            above what any run has reached.

        Raises
        ------
        CounterfactualError
            If a target is NaN or above the one that was split for.
        """
        wanted = np.asarray(targets, dtype=np.float64)
        if not (wanted <= self.target).all():
            raise CounterfactualError(
                f"got targets up to {wanted.max()}; expected none above {self.target}, the one "
                "that was split for. Run split_tail with the largest target of interest."
            )
        runs = np.stack(
            [
                _tail_bits(*row, wanted.ravel())
                for row in zip(self.utility, self.log_weight, strict=True)
            ]
        )
        bits = _mean_bits(runs)
        claimed = np.sqrt(self.variance_per_bit * bits)
        number = np.maximum(np.isfinite(runs).sum(axis=0), 1)
        error = np.fmax(claimed, _spread(runs)) / np.sqrt(number)
        error = np.maximum(error, _resolution(len(runs), self.last.shape[1]))
        return bits.reshape(wanted.shape), error.reshape(wanted.shape)

    def up_to(self, target: float) -> "SplitTail":
        """Judge a lower target that all runs reached, by the same runs.

        Parameters
        ----------
        target
            At most `common`.

        Returns
        -------
        SplitTail
            As if it had been split for, but that `last` holds no states.

        Raises
        ------
        CounterfactualError
            If some run did not reach it.
        """
        if not target <= self.common:
            raise CounterfactualError(
                f"got target={target}; expected at most {self.common}, which all runs reached."
            )
        rows = zip(self.utility, self.log_weight, strict=True)
        bits_runs = np.array([_tail_bits(*row, np.array([target]))[0] for row in rows])
        tail = replace(self, target=float(target), common=float(target), last=self.last[:0])
        return _judged(tail, bits_runs, None, first_hits=0)


def judged_runs(
    *,
    target: float,
    bits_runs: np.ndarray,
    variances: np.ndarray,
    counted: np.ndarray,
    levels: np.ndarray,
    first_hits: int,
    particles: int,
    most_bits: float,
    **found: Any,
) -> SplitTail:
    """Put runs together, and say whether they may be believed.

    Parameters
    ----------
    target
        Utility that was to be reached.
    bits_runs
        Shape (run,); ``inf`` for stuck ones.
    variances
        Of the natural logarithm of each run's probability, as its families claim.
    counted
        Bits that each run counted to its end, there or stuck.
    levels
        Utility that at least half of the last particles of each run have.
    first_hits
        How many of the draws that the runs began with reached the target.
    particles
        Number of these draws of each run.
    most_bits
        Where runs were given up.
    **found
        All other attributes of :class:`SplitTail` that are not made from these.

    Returns
    -------
    SplitTail
        The result.
    """
    stuck = np.isinf(bits_runs)
    rate = float(variances.mean() / max(counted.mean(), 1e-9)) / math.log(2) ** 2
    tail = SplitTail(
        target=target,
        bits_runs=bits_runs,
        variance_per_bit=rate,
        common=float(min([target, *levels[stuck]])),
        given_up=bool(stuck.any() and (counted[stuck] + 1 >= most_bits).all()),
        interval=(0.0, math.inf),
        lower=0.0,
        reliable=False,
        reasons=(),
        stuck=0,
        bits=math.nan,
        sd_within=math.nan,
        sd_between=math.nan,
        mcse=math.nan,
        **found,
    )
    return _judged(tail, bits_runs, levels, first_hits=first_hits)


def _judged(
    tail: SplitTail, bits_runs: np.ndarray, levels: np.ndarray | None, *, first_hits: int
) -> SplitTail:
    """Put the bits of runs together, and say what speaks against them."""
    runs, particles = len(bits_runs), tail.last.shape[1]
    number = int(np.isfinite(bits_runs).sum())
    between = float(_spread(bits_runs[:, None])[0])
    bits = float(_mean_bits(bits_runs[:, None])[0])
    within = math.sqrt(tail.variance_per_bit * bits) if number else math.nan
    mcse = float(np.fmax(within, between)) / math.sqrt(number) if number else math.inf
    mcse = max(mcse, _resolution(runs, particles))
    wide = float(special.stdtrit(max(runs - 1, 1), (1 + _PROBABILITY) / 2)) * mcse
    tail = replace(tail, bits=bits, sd_within=within, sd_between=between, mcse=mcse)
    tail = replace(tail, bits_runs=bits_runs, stuck=runs - number)
    ended, against = _ended(tail, levels), _against(tail)
    lower = float(least_bits(first_hits, runs * particles, confidence=_PROBABILITY))
    if not against:
        lower = max(lower, _lower(tail)) if tail.stuck else _lower(tail)
    interval = (max(bits - wide, 0.0), bits + wide)
    if tail.stuck or against:  # what is not believed bounds nothing
        interval = lower, math.inf
    reasons = (*ended, *against)
    return replace(tail, interval=interval, lower=lower, reliable=not reasons, reasons=reasons)


def _lower(tail: SplitTail) -> float:
    """Bound the bits from below by the highest level that all runs reached."""
    once = float(special.stdtrit(max(len(tail.bits_runs) - 1, 1), _PROBABILITY))
    bits, mcse = tail.tail_bits(tail.common) if tail.stuck else (tail.bits, tail.mcse)
    return max(float(bits - once * mcse), 0.0)


def _against(tail: SplitTail) -> list[str]:
    """Say all that speaks against what the runs say."""
    runs, found = len(tail.bits_runs), []
    if runs - tail.stuck == 1:
        found.append("only one run reached the target: it cannot be checked by another")
    elif runs > tail.stuck:
        degrees = runs - tail.stuck - 1
        most = math.sqrt(special.chdtri(degrees, _LEVEL) / degrees)
        if tail.sd_between > most * tail.sd_within:
            found.append(
                f"runs differ by {tail.sd_between:.2g} bits where they claim {tail.sd_within:.2g}"
                ": some lose a way up that others find"
            )
    if np.fmax(tail.sd_within, tail.sd_between) > _LARGEST_SPREAD:
        found.append("one run's probability is off by more than itself: take more particles")
    if not tail.stuck and _BIAS * tail.bits / tail.last.shape[1] > tail.mcse:
        found.append(
            "so many bits are more biased than uncertain: take more particles, fewer runs"
        )
    if tail.largest_family > _LARGEST_FAMILY:
        found.append(
            f"{tail.largest_family:.0%} of a run's particles descend from one: the result hangs "
            "on whether it was found"
        )
    if tail.least_acceptance < _LEAST_ACCEPTANCE:
        found.append(f"as few as {tail.least_acceptance:.2g} of the moves were accepted")
    if tail.least_distinct < _LEAST_DISTINCT:
        found.append(f"as few as {tail.least_distinct:.2g} of the particles were distinct")
    return found


def _ended(tail: SplitTail, levels: np.ndarray | None) -> list[str]:
    """Say which runs ended before the target, where and why."""
    stuck = np.isinf(tail.bits_runs)
    if levels is None or not stuck.any():
        return []
    said = "stuck: nothing better was found from there"
    if tail.given_up:
        said = "given up after as many halvings as were asked for (most_bits)"
    at = f"at utilities from {levels[stuck].min():.6g} to {levels[stuck].max():.6g}"
    return [f"{tail.stuck} of {len(stuck)} runs were {said}, {at}"]


def _mean_bits(bits: np.ndarray) -> np.ndarray:
    """Turn bits of runs, (run, target), into those of the mean probability."""
    logs = np.logaddexp.reduce(-bits * math.log(2), axis=0) - math.log(len(bits))
    found: np.ndarray = np.maximum(-logs / math.log(2), 0.0)
    return found


def _resolution(runs: int, particles: int) -> float:
    """Weigh one of the first draws, in bits: where all reach a target, one more might not."""
    return 1 / (runs * particles * math.log(2))


def _spread(bits: np.ndarray) -> np.ndarray:
    """Measure how far runs that are not stuck lie apart; NaN for fewer than two."""
    reached = np.isfinite(bits)
    number = reached.sum(axis=0)
    middle = np.where(reached, bits, 0.0).sum(axis=0) / np.maximum(number, 1)
    apart = np.square(np.subtract(bits, middle, where=reached, out=np.zeros_like(bits)))
    squares = apart.sum(axis=0) / np.maximum(number - 1, 1)
    found: np.ndarray = np.where(number > 1, np.sqrt(squares), np.nan)
    return found


def _tail_bits(utility: np.ndarray, log_weight: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Bits of targets in one run."""
    order = np.argsort(-utility, kind="stable")
    total = np.logaddexp.accumulate(log_weight[order])
    above = np.searchsorted(-utility[order], -targets, side="right")
    bits = -np.append(-np.inf, np.minimum(total, 0.0))[above] / math.log(2)
    found: np.ndarray = bits + 0.0
    return found
