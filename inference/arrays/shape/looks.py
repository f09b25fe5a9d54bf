"""Which peaks are seen, with which bandwidth, and where would a finer one see more?

All draws are looked at first, with a bandwidth for all; then the basin of every peak, if the draws
in it ask for a bandwidth that is much finer. So far outliers, distant peaks and broad ones do not
blur the narrow, and no grid has more than some two thousand points.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import signal

from inference.arrays.shape.crests import (
    LEAST_DRAWS,
    LEAST_MASS,
    BlockSample,
    Crest,
    Curve,
    Valley,
    kept_crests,
    rises_of,
)
from inference.arrays.shape.densities import STEPS, bandwidth, binned, smoothed, sums_at

__all__ = ["Look", "look_at_levels", "look_between"]

_MOST_BANDWIDTHS, _MOST_LOOKS = 500, 12
_MARGIN = 5 * STEPS
_FINER, _CORE = 0.5, 0.01


@dataclass(frozen=True)
class Look:
    """What was seen: peaks, the saddles between them, and what was taken for noise."""

    crests: list[Crest]
    valleys: list[Valley]
    noise: list[tuple[np.ndarray, float]]


def look_between(sample: BlockSample, low: float, high: float, *, depth: int = 0) -> Look:
    """Find the peaks between two places, and look again where a finer bandwidth would do."""
    first, last = _rows(sample, low, high)
    share = (last - first) / len(sample.ranked)
    width = bandwidth(sample.ranked[first:last], max(share * sample.effective, 1.0))
    low, high = float(sample.ranked[first]), float(sample.ranked[last - 1])
    capped = high - low > _MOST_BANDWIDTHS * width
    if capped:
        width = (high - low) / _MOST_BANDWIDTHS
    if not width > 0:
        return Look([], [], [])
    look, curve = _seen(sample, low, high, width, 2.0**depth / share)
    if depth >= _MOST_LOOKS or (len(look.crests) == 1 and not capped):
        return look
    crests: list[Crest] = []
    valleys: list[Valley] = []
    noise = list(look.noise)
    cuts = [low, *(valley.place for valley in look.valleys), high]
    for number, crest in enumerate(look.crests):
        inner = _core(curve, crest.at, cuts[number], cuts[number + 1])
        finer = _worth(sample, *inner, width, capped)
        within = look_between(sample, *inner, depth=depth + 1) if finer else Look([], [], [])
        noise += within.noise
        crests += within.crests or [crest]
        valleys += (
            [*look.valleys[number - 1 : number], *within.valleys] if number else within.valleys
        )
    return Look(crests, valleys, noise)


def look_at_levels(sample: BlockSample) -> Look:
    """Find the peaks of the frequencies of levels."""
    values, code = np.unique(sample.values, return_inverse=True)
    blocks, number = len(sample.lengths), len(values)
    counts = np.bincount(sample.block * number + code, minlength=blocks * number)
    shares = counts.reshape(blocks, number) / len(sample.values)
    density = shares.sum(axis=0)
    curve = Curve(values, density, 0.0)
    padded = np.concatenate([[0.0], density, [0.0]])
    at = signal.find_peaks(padded)[0] - 1
    pairs = float(max(number, 2) ** 2)
    crests = [Crest(float(values[one]), shares[:, one], curve, int(one)) for one in at]
    valleys = []
    for left, right in pairwise(at):
        low = left + int(density[left:right].argmin())
        valleys.append(Valley(float(values[low]), shares[:, low], pairs, 0.0))
    rises, places = rises_of(crests, valleys)
    unsure = np.flatnonzero(sample.chances(rises, places) > sample.level)
    noise = [(rises[:, one], pairs) for one in unsure]
    kept, cuts = kept_crests(sample, crests, valleys)
    return Look(kept, cuts, noise)


def _worth(sample: BlockSample, low: float, high: float, width: float, capped: bool) -> bool:
    """Whether the draws of a basin ask for a much finer bandwidth than they were seen with."""
    first, last = _rows(sample, low, high)
    share = (last - first) / len(sample.ranked)
    if share * sample.effective < LEAST_DRAWS or share < LEAST_MASS:
        return False
    own = bandwidth(sample.ranked[first:last], share * sample.effective)
    return 0 < own < (1.0 if capped else _FINER) * width


def _rows(sample: BlockSample, low: float, high: float) -> tuple[int, int]:
    """Where the draws between two places begin and end in their order."""
    first = np.searchsorted(sample.ranked, low)
    return int(first), int(np.searchsorted(sample.ranked, high, side="right"))


def _core(curve: Curve, at: int, low: float, high: float) -> tuple[float, float]:
    """Where about a peak the density is at least a hundredth of its height, within its basin."""
    thin = curve.density < _CORE * curve.density[at]
    left, right = np.flatnonzero(thin[:at]), np.flatnonzero(thin[at:])
    if len(left):
        low = max(low, float(curve.places[left[-1]]))
    if len(right):
        high = min(high, float(curve.places[at + right[0]]))
    return low, high


def _seen(
    sample: BlockSample, low: float, high: float, width: float, looks: float
) -> tuple[Look, Curve]:
    """Find the peaks between two places with this bandwidth."""
    step = width / STEPS
    points = int(np.ceil((high - low) / step)) + 2 + 2 * _MARGIN
    start = low - _MARGIN * step
    inside = (sample.values >= low) & (sample.values <= high)
    counts = binned(
        sample.values[inside],
        sample.block[inside],
        len(sample.lengths),
        start=start,
        step=step,
        points=points,
    )
    curve = smoothed(counts.sum(axis=0))
    filled = np.sqrt(curve).sum() ** 2 / curve.sum() / STEPS
    pairs = looks * max(filled, 2.0) ** 2
    per = 1 / (step * len(sample.values))
    at, found = signal.find_peaks(curve, prominence=1e-7 * curve.max())
    # No more than a hundred peaks can hold a hundredth of the draws.
    most = np.sort(np.argsort(-found["prominences"], kind="stable")[: round(1 / LEAST_MASS)])
    at = at[most]
    bases = np.stack([found["left_bases"][most], found["right_bases"][most]])
    saddles = bases[curve[bases].argmax(axis=0), np.arange(len(at))]
    top = int(curve[at].argmax())
    rises = per * (sums_at(counts, at) - sums_at(counts, saddles))
    chances = sample.chances(rises, np.full(len(at), pairs))
    chances[top] = 0.0
    noise = [(rises[:, one], pairs) for one in np.flatnonzero(chances > sample.level)]
    at = at[chances <= sample.level]
    between = np.array(
        [left + int(curve[left:right].argmin()) for left, right in pairwise(at)],
        dtype=int,
    )
    grid = start + step * np.arange(points)
    seen = Curve(grid, curve * per, width)
    peak_shares, valley_shares = per * sums_at(counts, at), per * sums_at(counts, between)
    crests = [
        Crest(_top(seen, int(one)), peak_shares[:, number], seen, int(one))
        for number, one in enumerate(at)
    ]
    valleys = [
        Valley(float(grid[one]), valley_shares[:, number], pairs, width)
        for number, one in enumerate(between)
    ]
    kept, cuts = kept_crests(sample, crests, valleys)
    return Look(kept, cuts, noise), seen


def _top(curve: Curve, at: int) -> float:
    """Place of a maximum, between the points of the grid."""
    left, middle, right = curve.density[at - 1 : at + 2]
    bend = left - 2 * middle + right
    aside = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float(curve.places[at] + aside * (curve.places[1] - curve.places[0]))
