r"""Which rises of a density do blocks of draws agree about?

A crest stands out of the valley between it and a higher one by the sum of what blocks add,

.. math:: t = \frac{\sum_j D_j}{\sqrt{\tfrac{J}{J-1} \sum_j (D_j - \bar D_j)^2}}, \qquad
    D_j = f_j(\text{crest}) - f_j(\text{valley}),

with :math:`\bar D_j` the share of the whole that falls to the length of block j. The chance of so
large a t is multiplied by the number of pairs of places among which the two were found.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError
from inference.arrays.blocks import widening

__all__ = [
    "LEAST_DRAWS",
    "LEAST_MASS",
    "BlockSample",
    "Crest",
    "Curve",
    "Valley",
    "block_sample",
    "kept_crests",
    "keys_of",
    "rises_of",
]

LEAST_MASS, LEAST_DRAWS = 0.01, 20.0
"""A basin with a smaller share of the draws, or fewer effective draws, is no peak."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class BlockSample:
    """Draws, their blocks, and how to judge what blocks say.

    Parameters
    ----------
    values, ranked
        Draws as they come and ascending, shape (draw,), divided by 2^exponent.
    exponent
        It makes the largest draw a number between a half and one: no square leaves the floats.
    block
        Number of each draw's block.
    lengths
        Draws in each block.
    level
        Corrected chance up to which a rise is believed.
    effective
        Effective number of draws.
    wider
        Factor by which the spread of blocks is to be widened.
    """

    values: np.ndarray
    ranked: np.ndarray
    exponent: int
    block: np.ndarray
    lengths: np.ndarray
    level: float
    effective: float
    wider: float

    def mass(self, cuts: np.ndarray) -> np.ndarray:
        """Share of the draws between these places."""
        upto = np.searchsorted(self.ranked, cuts, side="right")
        return np.diff(upto, prepend=0, append=len(self.ranked)) / len(self.ranked)

    def errors(self, shares: np.ndarray) -> np.ndarray:
        """Estimate the standard errors of sums over blocks, shape (block, number)."""
        blocks, total = len(self.lengths), shares.sum(axis=0)
        residual = shares - self.lengths[:, None] / self.lengths.sum() * total
        spread = np.sqrt(blocks / (blocks - 1) * np.square(residual).sum(axis=0))
        return np.where(spread > _ROUNDING * np.abs(total), spread, 0.0)

    def freedom(self, blocks: int) -> float:
        """Degrees of freedom of so many blocks, no more than effective draws leave."""
        return max(min(blocks, self.effective) - 1, 1.0)

    def ratios(self, rises: np.ndarray) -> np.ndarray:
        """Compute t of the rises from saddle to peak, shape (block, rise)."""
        return self._ratio(rises.sum(axis=0), self.errors(rises))

    def chances(self, rises: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Corrected p of the rises, shape (block, rise), among so many pairs of places."""
        error = self.errors(rises)
        return self._tail(rises.sum(axis=0), error, places, len(rises))

    def chances_without(self, rises: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Compute the same from all blocks but one, shape (block, rise)."""
        lengths, blocks = self.lengths[:, None].astype(float), len(rises)
        total = rises.sum(axis=0) - rises
        mean = total / (lengths.sum() - lengths)
        squares = np.square(rises).sum(axis=0) - np.square(rises)
        crossed = (lengths * rises).sum(axis=0) - lengths * rises
        residual = squares - 2 * mean * crossed
        residual += mean**2 * (np.square(lengths).sum() - np.square(lengths))
        residual = np.where(residual > _ROUNDING**2 * total**2, residual, 0.0)
        error = np.sqrt((blocks - 1) / (blocks - 2) * residual)
        return self._tail(total, error, places, blocks - 1)

    def _tail(
        self, total: np.ndarray, error: np.ndarray, places: np.ndarray, blocks: int
    ) -> np.ndarray:
        if not np.isfinite(self.wider):
            return np.ones_like(total)
        tail = special.stdtr(self.freedom(blocks), -self._ratio(total, error))
        return np.minimum(places * tail, 1.0)

    def _ratio(self, total: np.ndarray, error: np.ndarray) -> np.ndarray:
        ratio = total / np.where(error > 0, error, 1.0) / self.wider
        return np.where(error > 0, ratio, np.where(total > 0, np.inf, 0.0))


@dataclass(frozen=True)
class Crest:
    """A peak: where it is, what each block adds to its height, and the curve it was seen on."""

    place: float
    shares: np.ndarray
    curve: "Curve"
    at: int

    @property
    def height(self) -> float:
        """Density here."""
        return float(self.shares.sum())


@dataclass(frozen=True)
class Valley:
    """The saddle between two peaks, among how many pairs of places it was found, its kernel."""

    place: float
    shares: np.ndarray
    places: float
    bandwidth: float

    @property
    def height(self) -> float:
        """Density here."""
        return float(self.shares.sum())


@dataclass(frozen=True)
class Curve:
    """A density on a grid of places, and its bandwidth."""

    places: np.ndarray
    density: np.ndarray
    bandwidth: float


def block_sample(
    values: np.ndarray,
    bounds: np.ndarray,
    level: float,
    effective: float | None,
) -> BlockSample:
    """Check the draws and put them in order; all draws are effective if None.

    Raises
    ------
    CounterfactualError
        If a draw is not finite.
    """
    wide = np.asarray(values, dtype=float)
    bad = np.flatnonzero(~np.isfinite(wide))
    if len(bad):
        raise CounterfactualError(
            f"got {wide[bad[0]]} in row {bad[0]}; expected finite draws. Leave out what is not."
        )
    exponent = int(np.frexp(np.abs(wide).max())[1])
    wide = np.ldexp(wide, -exponent)
    lengths = np.diff(bounds)
    block = np.repeat(np.arange(len(lengths)), lengths)
    size = float(len(wide)) if effective is None else min(float(effective), float(len(wide)))
    wider = float(widening(size, len(lengths)))
    return BlockSample(wide, np.sort(wide), exponent, block, lengths, level, size, wider)


def kept_crests(
    sample: BlockSample, crests: list[Crest], valleys: list[Valley]
) -> tuple[list[Crest], list[Valley]]:
    """Strike out peaks that noise explains or that hold too little, the least prominent first."""
    crests, valleys = list(crests), list(valleys)
    least = max(LEAST_MASS, LEAST_DRAWS / sample.effective)
    while len(crests) > 1:
        rises, places = rises_of(crests, valleys)
        chances = sample.chances(rises, places)
        mass = sample.mass(np.array([valley.place for valley in valleys]))
        bad = (chances > sample.level) | (mass < least)
        if not bad.any():
            break
        prominence = rises.sum(axis=0)
        worst = int(np.where(bad, prominence, np.inf).argmin())
        del crests[worst]
        beside = [one for one in (worst - 1, worst) if 0 <= one < len(valleys)]
        del valleys[max(beside, key=lambda one: valleys[one].height)]
    return crests, valleys


def rises_of(crests: list[Crest], valleys: list[Valley]) -> tuple[np.ndarray, np.ndarray]:
    """Split prominences by blocks, (block, peak), and give their pairs of places, (peak,)."""
    rises = [crest.shares for crest in crests]
    places = np.zeros(len(crests))
    for number, (key, _) in keys_of(crests, valleys).items():
        rises[number] = rises[number] - key.shares
        places[number] = key.places
    return np.stack(rises, axis=1), places


def keys_of(crests: list[Crest], valleys: list[Valley]) -> dict[int, tuple[Valley, Crest]]:
    """Find the saddle of each peak but the highest, and the higher peak beyond it.

    Of the lowest saddles on the way to the nearest higher peaks on either side, the higher.
    """
    heights = [crest.height for crest in crests]
    keys: dict[int, tuple[Valley, Crest]] = {}
    for number, height in enumerate(heights):
        found = []
        # Of two peaks equally high the first is the higher, or neither would be tested.
        for way, tie in (
            (range(number - 1, -1, -1), True),
            (range(number + 1, len(heights)), False),
        ):
            higher = next(
                (at for at in way if heights[at] > height or (tie and heights[at] == height)), None
            )
            if higher is not None:
                passed = valleys[min(number, higher) : max(number, higher)]
                lowest = min(passed, key=lambda one: one.height)
                found.append((lowest, crests[higher]))
        if found:
            keys[number] = max(found, key=lambda one: one[0].height)
    return keys
