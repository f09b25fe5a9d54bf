r"""How many bits did the draws of a world achieve, one by one and all together?

.. math:: b(w) = -\log_2 P_0(U \ge U(w)), \qquad w \sim P_1

P0 is known by draws, and in its far tail, where fewer than twenty of them are, by weighted ones
(importance or splitting). Where no draw of either is as good as w, the bits are *censored*: they
are at least what so few draws would tell with 95 % confidence. The lower end of an interval takes
them for that, and the upper end for infinite: it is infinite itself only where they matter.

Summaries of the law of bits, each against the same baseline:

* ``median``, ``expected`` and ``worst`` of b;
* ``mean_tail``: :math:`-\log_2 E\,P_0(U \ge U(w))`, one minus how often w beats a draw of P0;
* ``log2_n``: how many draws of P0 one would take the best of, log2 of the N most likely, by the
  ranks of w among draws of P0, ties halved;
* ``certainty``, ``cramer``, ``buffered``: of the mean utility, see
  :mod:`inference.arrays.order.mixtures` and :mod:`inference.arrays.order.summaries`.

Draws that are worse than all of P0's have -ln(1 - p) as a bound too: where there are more of them
than chance shows, ``log2_n`` is at most what stands there, and its interval has no lower end.

``worst`` is of the worst draw: the world may have worse, so that its interval begins at 0.

Chance itself, P1 = P0, has 1.44 expected bits, 1 of the mean tail and of the median, and 0 of the
others, but for ``certainty``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy import special

from inference.arrays.blocks import block_bounds, widening
from inference.arrays.order.baselines import (
    Baseline,
    Weighted,
    border_of,
    independent_rare,
    refined,
)
from inference.arrays.order.counting import counted_bits, indicator_effective, least_bits
from inference.arrays.order.own_draws import COUNTED
from inference.arrays.order.summaries import (
    OF_MEANS,
    STEPS,
    SUMMARIES,
    anchored,
    summarised,
)

__all__ = [
    "STEPS",
    "SUMMARIES",
    "Achieved",
    "AchievedChain",
    "Spread",
    "achieved_bits",
    "achieved_chain",
]

_NORMAL = 1.96
_SIGNED, _FIRST = SUMMARIES.index("log2_n"), STEPS.index("log2_n")


@dataclass(frozen=True)
class Spread:
    """Numbers, how well they are known, and what they can be; arrays of one shape.

    Parameters
    ----------
    value
        With censored draws at the least they can have; ``log2_n`` an upper bound where `lower` is
        ``-inf``.
    mcse
        Standard error of that; infinite where it is not known.
    lower, upper
        95 % interval; infinite where censored draws set no limit.
    """

    value: np.ndarray
    mcse: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


@dataclass(frozen=True)
class Achieved:
    """What the draws of a world achieved.

    Parameters
    ----------
    bits, censored
        Of each draw, in the shape of the draws.
    spread
        Of the summaries, in the order of :data:`SUMMARIES`.
    chance
        The same of draws of P0.
    effective
        How many independent draws the errors rest on.
    """

    bits: np.ndarray
    censored: np.ndarray
    spread: Spread
    chance: np.ndarray
    effective: float


@dataclass(frozen=True)
class AchievedChain:
    """Bits of each level against the one below, and of the last against the first.

    Parameters
    ----------
    spread
        Shape (row, summary) with the summaries of :data:`STEPS`: a row for each step, then their
        sum, the direct way, and the direct way less the sum.
    bits, censored
        Of the draws of each step, and of the direct way.
    """

    spread: Spread
    bits: np.ndarray
    censored: np.ndarray


def achieved_bits(
    erased: np.ndarray,
    achieved: np.ndarray,
    *,
    effective: float,
    rare: Sequence[Weighted] = (),
    weighed: Weighted | None = None,
    lower: float = 0.0,
    latents: float = np.inf,
) -> Achieved:
    r"""Count bits of every draw, summarise them, and say how well that is known.

    Errors are those of leaving out blocks of draws, of both worlds at once, for they share their
    past; and of leaving out runs of splitting, one after the other.

    Parameters
    ----------
    erased, achieved
        Utilities of draws of P0 and P1, shape (chain, draw[, future]), the same draws of the past.
    effective
        How many independent draws they are worth.
    rare
        Runs of splitting: utilities and logarithmic masses, which add up to 1 in each.
    weighed
        Utility in P0 and logarithmic mass of every draw of P1, in its shape, for importance;
        not with `rare`.
    lower
        Bits that are known to be needed beyond the last weighted draw.
    latents
        Effective draws of the slowest latent, if that is known.

    Returns
    -------
    Achieved

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> erased, achieved = rng.normal(size=(2, 4, 1000)) + np.array([0.0, 2.0])[:, None, None]
    >>> found = achieved_bits(erased, achieved, effective=4000.0)
    >>> at = SUMMARIES.index("mean_tail")  # -log2 Phi(-sqrt 2) = 3.67
    >>> bool(abs(found.spread.value[at] - 3.67) < 3 * found.spread.mcse[at])
    True
    """
    drawn = _Blocks(np.stack([erased, achieved]), effective, latents)
    baseline = drawn.baseline(0, rare, weighed, lower=lower)
    bits, censored = baseline.bits(achieved)
    anchors = anchored(baseline, float(achieved.mean()))
    reach = max(np.ptp(erased), np.ptp(achieved), abs(achieved.mean()), np.finfo(float).tiny)

    def look(block: int | None, run: int | None) -> np.ndarray:
        own = drawn.baseline(0, rare, weighed, lower=lower, block=block, run=run)
        own = drawn.bounded(own, 0, 1)
        on = drawn.rows(1, block)
        found = summarised(own, on, anchors=anchors)
        higher = (on / reach).mean() - (drawn.rows(0, block) / reach).mean()
        return np.stack([*found, np.full(len(SUMMARIES), higher)])

    value, mcse, half = drawn.known(look, len(rare))
    low, high = value[0] - half[0], value[1] + half[1]
    by = float(half[2, 0] * reach)
    for side in (-by, by):
        for name, end in _moved(baseline, achieved, side).items():
            at = SUMMARIES.index(name)
            low[at], high[at] = min(low[at], end), max(high[at], end)
    if not rare and weighed is None:
        _widen_to_counts(low, high, erased, achieved, by, latents)
    low = np.where(np.arange(len(low)) == _SIGNED, low, np.maximum(low, 0.0))
    low[SUMMARIES.index("worst")] = 0.0
    if drawn.below_all(0, 1):
        low[_SIGNED] = -np.inf
    plain = Baseline(np.sort(erased, axis=None), None, baseline.resolution)
    chance = summarised(plain, plain.utility)[0]
    spread = Spread(value[0], mcse[0], low, high)
    return Achieved(bits, censored, spread, chance, effective)


def achieved_chain(
    levels: np.ndarray,
    *,
    effective: float,
    rare: Sequence[Weighted] = (),
    lower: float = 0.0,
    latents: float = np.inf,
) -> AchievedChain:
    """Take every level's bits against the one below, and the last one's against the first.

    Parameters
    ----------
    levels
        Utilities of draws, shape (level, chain, draw[, future]), from the bottom up.
    effective
        How many independent draws they are worth.
    rare, lower, latents
        As for :func:`achieved_bits`, of the first level.

    Returns
    -------
    AchievedChain

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ranks = rng.random((3, 4, 1000)) ** (1 / np.array([1.0, 8.0, 64.0])[:, None, None])
    >>> found = achieved_chain(ranks, effective=4000.0).spread
    >>> truth = [3, 3, 6, 6, 0]  # best of 8, twice
    >>> bool((np.abs(found.value[:, 0] - truth) < 4 * found.mcse[:, 0]).all())
    True
    """
    drawn = _Blocks(levels, effective, latents)
    last = len(levels) - 1
    pairs = [*((low, low + 1) for low in range(last)), (0, last)]

    def below(low: int, block: int | None = None, run: int | None = None) -> Baseline:
        known = (rare, None, lower) if low == 0 else ((), None, 0.0)
        return drawn.baseline(low, known[0], known[1], lower=known[2], block=block, run=run)

    def look(block: int | None, run: int | None) -> np.ndarray:
        under = [below(low, block, run) for low in range(last)]
        told = [
            summarised(drawn.bounded(under[low], low, high), drawn.rows(high, block), STEPS)
            for low, high in pairs
        ]
        steps, direct = np.stack(told[:-1], axis=1), told[-1]
        chain = steps.sum(axis=1)
        with np.errstate(invalid="ignore"):
            # Less the most that the steps can be at the lower end, and their least at the upper.
            ends = [direct[0] - chain[0], direct[0] - chain[1], direct[1] - chain[0]]
        rows = np.concatenate([steps, chain[:, None], direct[:, None]], axis=1)
        wide = np.stack([np.vstack([part, end]) for part, end in zip(rows, ends[:2], strict=True)])
        return np.concatenate([wide, np.vstack([rows[1], ends[2]])[None]])

    value, mcse, half = drawn.known(look, len(rare))
    low = value[0] - half[0]
    low[-1] = value[1, -1] - half[1, -1]
    high = value[2] + half[2]
    *steps, direct = (drawn.below_all(under, over) for under, over in pairs)
    # An upper bound of the steps is one of their sum, and leaves the gap without an upper end.
    lost = np.array([*steps, any(steps), direct, direct])
    low[lost, _FIRST] = -np.inf
    if any(steps):
        high[-1, _FIRST] = np.inf
    spread = Spread(value[0], mcse[0], low, high)
    told = [below(under).bits(levels[over]) for under, over in pairs]
    return AchievedChain(spread, *map(np.stack, zip(*told, strict=True)))


class _Blocks:
    """Draws of several worlds, any block of which can be left out of all of them at once."""

    def __init__(self, worlds: np.ndarray, effective: float, latents: float) -> None:
        self.bounds = block_bounds(*worlds.shape[1:], effective=effective)
        flat = worlds.reshape(len(worlds), -1)
        order = np.argsort(flat, axis=1, kind="stable")
        self.worlds = np.take_along_axis(flat, order, axis=1)
        self.places = (np.searchsorted(self.bounds, order, side="right") - 1).astype(np.int16)
        self.wider = float(widening(effective, len(self.bounds) - 1))
        self.independent = [independent_rare(world, latents) for world in worlds[:-1]]
        self.independent_low = [independent_rare(-world, latents) for world in worlds[:-1]]
        self.borders = [
            border_of(world, independent)
            for world, independent in zip(self.worlds[:-1], self.independent, strict=True)
        ]

    def rows(self, world: int, block: int | None = None) -> np.ndarray:
        """Give utilities, ascending."""
        own = self.worlds[world]
        return own if block is None else own[self.places[world] != block]

    def baseline(
        self,
        world: int,
        runs: Sequence[Weighted],
        weighed: Weighted | None,
        *,
        lower: float,
        block: int | None = None,
        run: int | None = None,
    ) -> Baseline:
        """Lay weighted draws of all runs together: masses add up to P0 of wherever they go."""
        deep: Weighted | None = None
        kept = [one for number, one in enumerate(runs) if number != run]
        if weighed is not None:
            utility, mass = (self._left(part.ravel(), block) for part in weighed)
            deep = utility, mass + np.log(weighed[0].size / utility.size)
        elif kept:
            masses = np.concatenate([one[1] for one in kept]) - np.log(len(kept))
            deep = np.concatenate([one[0] for one in kept]), masses
        return refined(
            self.rows(world, block),
            deep,
            independent=self.independent[world],
            lower=lower,
            border=self.borders[world],
        )

    def below_all(self, world: int, other: int) -> bool:
        """Tell whether the other has more draws below all of a world than chance puts there."""
        lowest, own = self.worlds[world][0], self.worlds[other]
        rows = COUNTED * max(1.0, own.size / self.independent_low[world])
        return bool(np.searchsorted(own, lowest) > rows)

    def bounded(self, baseline: Baseline, world: int, other: int) -> Baseline:
        """Take draws below all of a world for the least that so few tell; in all blocks alike."""
        if not self.below_all(world, other):
            return baseline
        size, effective = self.worlds[world].size, self.independent_low[world]
        least = least_bits(0, size, effective=effective)
        return replace(baseline, log_surprise=float(np.log(least * np.log(2))))

    def known(
        self, look: Callable[[int | None, int | None], np.ndarray], runs: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Look at all draws, and without each block or run: values, errors, half intervals."""
        blocks = [look(block, None) for block in range(len(self.bounds) - 1)]
        variance = self.wider**2 * _jackknife(np.stack(blocks))
        between = np.zeros_like(variance)
        few = _NORMAL
        if runs > 1:
            between = _jackknife(np.stack([look(None, run) for run in range(runs)]))
            few = float(special.stdtrit(runs - 1, 0.975))
        value = look(None, None)
        if runs == 1:
            # One run alone does not tell how far it may be off.
            between = np.full_like(variance, np.inf)
        half = np.sqrt(_NORMAL**2 * variance + few**2 * between)
        return value, np.sqrt(variance + between), half

    def _left(self, flat: np.ndarray, block: int | None) -> np.ndarray:
        if block is None:
            return flat
        first, last = list(pairwise(self.bounds))[block]
        return np.concatenate([flat[:first], flat[last:]])


def _jackknife(left: np.ndarray) -> np.ndarray:
    """Variance of an estimate by what it is without each of its parts, (part, ...)."""
    with np.errstate(invalid="ignore"):
        variance = (len(left) - 1) * left.var(axis=0)
    return np.where(np.isnan(variance), np.inf, variance)


def _moved(baseline: Baseline, achieved: np.ndarray, by: float) -> dict[str, float]:
    """Take the bits of a mean that is a little other: they are no straight line, nor smooth."""
    if not np.isfinite(by):
        return {}
    moved = np.clip(achieved.mean() + by, achieved.min(), achieved.max())
    own = anchored(baseline, float(moved))
    found = summarised(baseline, np.array([moved]), OF_MEANS, own)
    # Of a higher mean than draws can judge, what they do judge is enough to know.
    return dict(zip(OF_MEANS, found[0], strict=True))


def _widen_to_counts(
    low: np.ndarray,
    high: np.ndarray,
    erased: np.ndarray,
    achieved: np.ndarray,
    mean_by: float,
    latents: float,
) -> None:
    """Let no interval of a single utility's bits be narrower than its counts allow."""
    by = mean_by if np.isfinite(mean_by) else 0.0
    middle, least = np.median(achieved), achieved.min()
    ends = np.clip(achieved.mean() + np.array([-by, by]), least, achieved.max())
    targets = np.array([middle, ends[0], least, middle, ends[1], least])
    reached = (erased.ravel() >= targets[:, None]).sum(axis=1)
    sizes = indicator_effective(erased, targets, latents=latents)
    told = counted_bits(reached, erased.size, sizes)
    places = [SUMMARIES.index(name) for name in ("median", "certainty", "worst")]
    low[places] = np.minimum(low[places], told.lower[:3])
    high[places] = np.maximum(high[places], told.upper[3:])
