r"""How many futures are there, that is, how many peaks has the density of a measurement?

A kernel density has peaks that are mere noise. A peak is believed if it stands out of the saddle
between it and a higher one by more than blocks of draws disagree about,

.. math:: t = \frac{\sum_j D_j}{\sqrt{\tfrac{J}{J-1} \sum_j (D_j - \bar D_j)^2}}, \qquad
    D_j = f_j(\text{peak}) - f_j(\text{saddle}),

with f_j what block j adds to the density. As a peak is a highest place and a saddle a lowest one
among many, the chance of so large a t is multiplied by the number of pairs of places: the square
of the bandwidths that are filled, :math:`(\int\!\sqrt f)^2 / h` of them. The peak that stands
out least is judged first, and joins its neighbour if it fails. A basin that holds under 1 %
of the draws, or under 20 effective ones, is no peak.

Each basin is then looked at again with a bandwidth of its own, if that is much finer: so far
outliers, far peaks and broad ones do not blur the narrow.

Where one world has more peaks than another, the same t is that of the difference between the
worlds, of the rise from each saddle at the same places.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import signal, special

from inference.arrays.shape.crests import (
    LEAST_MASS,
    BlockSample,
    Crest,
    block_sample,
    kept_crests,
    keys_of,
    rises_of,
)
from inference.arrays.shape.densities import kernel_sums
from inference.arrays.shape.looks import Look, look_at_levels, look_between

__all__ = ["PeakNumbers", "Peaks", "find_peaks", "peak_number_compared"]

_SURE = 1e6
"""A larger t says no more."""


@dataclass(frozen=True)
class Peaks:
    """The peaks of a density that noise does not explain, in the order of their places.

    Parameters
    ----------
    place
        Where each is, shape (peak,), ascending, units of the measurement.
    height
        Density there, smoothed with `bandwidth`, per unit; of levels, their share of the draws.
    mass
        Share of the draws between the saddles on either side; adds up to 1.
    width
        Full width at half prominence, units of the measurement. It holds the kernel:
        a normal peak has 2.355 sqrt(sd^2 + bandwidth^2).
    prominence
        Height above the saddle towards the nearest higher peak, of the highest its height.
    p
        Chance that noise alone would show a peak that stands out as much, corrected for the
        number of places; 0 for the highest, for some peak there must be.
    mass_error, prominence_error
        Standard errors by the spread of blocks. The latter is that of given places and a given
        bandwidth; that the highest place is taken makes a prominence a little too high.
    bandwidth
        Of the kernel at each peak, in units of the measurement; 0 for levels.
    without
        Number of peaks without the draws of each block, shape (block,): the same candidates,
        judged again.
    """

    place: np.ndarray
    height: np.ndarray
    mass: np.ndarray
    width: np.ndarray
    prominence: np.ndarray
    p: np.ndarray
    mass_error: np.ndarray
    prominence_error: np.ndarray
    bandwidth: np.ndarray
    without: np.ndarray

    def __len__(self) -> int:
        """Count the peaks."""
        return len(self.place)


@dataclass(frozen=True)
class PeakNumbers:
    """Numbers of peaks in two worlds, and what the same world would show.

    Parameters
    ----------
    on, off
        Peaks with the disciple let in, and erased.
    p
        Chance that noise alone makes so many more peaks of one world than of the other; 1 where
        the numbers agree.
    floor
        By how many peaks worlds of the same law differ on average, taken as 0: with one peak,
        fewer than four pairs in a thousand differ. (Peaks so weak that every other sample shows
        them make pairs differ; `p` allows for it.)
    on_without, off_without
        The numbers without each block, shape (block,).
    """

    on: int
    off: int
    p: float
    floor: float
    on_without: np.ndarray
    off_without: np.ndarray


def find_peaks(
    values: np.ndarray,
    bounds: np.ndarray,
    *,
    level: float = 0.05,
    effective: float | None = None,
    levels: bool = False,
) -> Peaks:
    """Which peaks of this density are no noise?

    A density that falls from its border on (the exponential) has its peak there.

    Parameters
    ----------
    values
        Finite draws of one measurement in one world, shape (draw,), rows in the order of `bounds`.
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.
    level
        Chance at which noise passes for a peak, at most; it keeps well below.
    effective
        Effective number of draws, all by default: it sets the bandwidth and the least mass, and
        widens errors where blocks resemble each other.
    levels
        Whether the draws have few distinct values, so that peaks are those of their frequencies,
        neighbouring levels being neighbours whatever the gap: a Bernoulli has one.

    Returns
    -------
    Peaks
        At least one.

    Raises
    ------
    CounterfactualError
        If a draw is not finite.

    References
    ----------
    Minnotte (1997), "Nonparametric testing of the existence of modes", *Annals of Statistics*
    25(4), for the test of a single mode. Silverman (1981), *JRSS B* 43(1), for the Gaussian
    kernel: coarser ones have never more modes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> war_or_peace = rng.normal(size=4000) + 5 * (rng.random(4000) < 0.3)
    >>> found = find_peaks(war_or_peace, np.arange(0, 4001, 100))
    >>> found.place.round() + 0.0, found.mass.round(1)
    (array([0., 5.]), array([0.7, 0.3]))
    """
    sample = block_sample(values, bounds, level, effective)
    return _described(*_looked(sample, levels=levels))


def peak_number_compared(
    on: np.ndarray,
    off: np.ndarray,
    bounds: np.ndarray,
    *,
    effective: float | None = None,
    level: float = 0.05,
    levels: bool = False,
) -> PeakNumbers:
    r"""Has one world more peaks than the other?

    Every saddle of the world with more peaks is looked up in the other world too, and both peaks
    beside it, at the same places and with the same bandwidth. It is a new one if it lies deeper
    below a peak than in the other world by more than blocks disagree about,

    .. math:: D_j = [f_j(\text{peak}) - f_j(\text{saddle})]_{\text{more}}
        - [f_j(\text{peak}) - f_j(\text{saddle})]_{\text{fewer}},

    one of the two peaks being enough: the other may have been there before. The chance is
    multiplied by the number of pairs of places, as for a single world, and by the two peaks. For
    k more peaks, k saddles must be new: p is the k-th smallest.

    That much holds of a weak peak that was merely shifted, too, if it is believed in one world
    and just not in the other. So p is no smaller than the chance of the difference between the
    t's of the peaks, one by one in their order, and those of the other world, believed or not.

    Parameters
    ----------
    on, off
        Draws of one measurement in both worlds, shape (draw,), rows paired.
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.
    effective, level, levels
        As for :func:`find_peaks`.

    Returns
    -------
    PeakNumbers
        Where the numbers agree, p is 1. A peak of the other world that is too weak to be seen
        is no peak: no sample can tell that there is none.

    References
    ----------
    Donoho (1988), "One-sided inference about functionals of a density", *Annals of Statistics*
    16(4): peaks can be proved to be there, not to be absent.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> off = rng.normal(size=2000)
    >>> on = off + 6 * (rng.random(2000) < 0.5)
    >>> found = peak_number_compared(on, off, np.arange(0, 2001, 50))
    >>> found.on, found.off, found.p < 1e-6
    (2, 1, True)
    """
    samples = [block_sample(one, bounds, level, effective) for one in (on, off)]
    looked = [_looked(one, levels=levels) for one in samples]
    found = [_described(*one) for one in looked]
    numbers = len(found[0]), len(found[1])
    chance = 1.0
    if numbers[0] != numbers[1]:
        more, fewer = looked if numbers[0] > numbers[1] else looked[::-1]
        chance = _chance(more[0], more[1], fewer[0], fewer[1])
    return PeakNumbers(*numbers, chance, 0.0, found[0].without, found[1].without)


def _chance(more: BlockSample, look: Look, fewer: BlockSample, other: Look) -> float:
    """Compute the chance of as many new saddles, and of peaks that stand out by as much more."""
    new, number = len(look.crests) - len(other.crests), len(look.crests) - 1
    keys = keys_of(look.crests, look.valleys)
    peaks = [look.crests[one] for one in keys] + [beyond for _, beyond in keys.values()]
    sites = [(peak.place, peak.curve.bandwidth) for peak in peaks]
    sites += [(saddle.place, saddle.bandwidth) for saddle, _ in keys.values()]
    apart = _heights(more, more, sites) - _heights(fewer, more, sites)
    lower, higher, saddles = np.split(apart, 3, axis=1)
    pairs = 2 * np.array([saddle.places for saddle, _ in keys.values()])
    sides = [more.chances(one - saddles, pairs) for one in (lower, higher)]
    deeper = np.sort(np.minimum(*sides))[new - 1]
    ours, theirs = (_ratios(*world)[:number] for world in ((more, look), (fewer, other)))
    theirs = np.pad(theirs, (0, number - len(theirs)))
    freedom = more.freedom(len(more.lengths))
    # A t errs by its numerator, whose error is 1, and by its denominator.
    error = np.sqrt(2 + (ours**2 + theirs**2) / (2 * freedom))
    further = 2 * special.stdtr(freedom, -(ours - theirs) / error)[-new:]
    return float(min(max(deeper, further.max()), 1.0))


def _heights(
    sample: BlockSample, other: BlockSample, sites: list[tuple[float, float]]
) -> np.ndarray:
    """Sum the kernels of each block at some places, in the units of another sample."""
    with np.errstate(over="ignore"):
        values = np.ldexp(sample.values, sample.exponent - other.exponent)
        heights = [kernel_sums(values, sample.block, len(sample.lengths), *at) for at in sites]
    return np.stack(heights, axis=1) / len(values)


def _ratios(sample: BlockSample, look: Look) -> np.ndarray:
    """Compute t of all peaks but the highest, and of those not believed, the plainest first."""
    rises, places = rises_of(look.crests, look.valleys)
    every = [*rises[:, places > 0].T, *(rise for rise, _ in look.noise)]
    if not every:
        return np.zeros(0)
    return np.sort(np.clip(sample.ratios(np.stack(every, axis=1)), 0.0, _SURE))[::-1]


def _looked(sample: BlockSample, *, levels: bool) -> tuple[BlockSample, Look, int]:
    """Find the peaks; densities are multiplied by two to the last of what comes back."""
    # What has a quarter of a hundredth of the draws on its far side is no peak.
    few = int(LEAST_MASS / 4 * len(sample.ranked))
    low, high = float(sample.ranked[few]), float(sample.ranked[-1 - few])
    if low == high:
        sample = replace(sample, values=np.full_like(sample.values, low))
    if levels or low == high:
        return sample, look_at_levels(sample), 0
    look = look_between(sample, low, high)
    crests, valleys = kept_crests(sample, look.crests, look.valleys)
    return sample, replace(look, crests=crests, valleys=valleys), -sample.exponent


def _described(sample: BlockSample, look: Look, exponent: int) -> Peaks:
    """Put the peaks into numbers; densities are multiplied by two to this exponent."""
    unit, per = np.ldexp(1.0, sample.exponent), np.ldexp(1.0, exponent)
    crests, valleys = look.crests, look.valleys
    rises, places = rises_of(crests, valleys)
    prominence, size = rises.sum(axis=0), len(sample.values)
    basin = np.searchsorted(np.array([valley.place for valley in valleys]), sample.values)
    counts = np.bincount(
        sample.block * len(crests) + basin, minlength=len(sample.lengths) * len(crests)
    ).reshape(-1, len(crests))
    widths = [_width(crest, rise) for crest, rise in zip(crests, prominence, strict=True)]
    return Peaks(
        place=np.array([crest.place for crest in crests]) * unit,
        height=np.array([crest.height for crest in crests]) * per,
        mass=counts.sum(axis=0) / size,
        width=np.array(widths) * unit,
        prominence=prominence * per,
        p=sample.chances(rises, places),
        mass_error=np.minimum(_widened(sample, counts / size), 1.0),
        prominence_error=_widened(sample, rises) * per,
        bandwidth=np.array([crest.curve.bandwidth for crest in crests]) * unit,
        without=_without(sample, rises, places, look.noise),
    )


def _without(
    sample: BlockSample,
    rises: np.ndarray,
    places: np.ndarray,
    noise: list[tuple[np.ndarray, float]],
) -> np.ndarray:
    """Count the peaks, and what is noise to all blocks together, without each of the blocks."""
    passed = sample.chances_without(rises, places) <= sample.level
    passed |= places == 0
    number = np.count_nonzero(passed, axis=1)
    if noise:
        others = np.stack([rise for rise, _ in noise], axis=1)
        pairs = np.array([pair for _, pair in noise])
        number += np.count_nonzero(sample.chances_without(others, pairs) <= sample.level, axis=1)
    return number


def _widened(sample: BlockSample, shares: np.ndarray) -> np.ndarray:
    """Errors, widened where blocks resemble each other; 0 stays 0."""
    error = sample.errors(shares)
    return np.where(error > 0, np.where(error > 0, error, 1.0) * sample.wider, 0.0)


def _width(crest: Crest, prominence: float) -> float:
    """Full width at half prominence."""
    padded = np.concatenate([[0.0], crest.curve.density, [0.0]])
    at = crest.at + 1
    last = len(padded) - 1
    found = signal.peak_widths(
        padded,
        [at],
        prominence_data=(np.array([min(prominence, padded[at])]), np.array([0]), np.array([last])),
    )
    ends = np.array([found[2][0], found[3][0]]) - 1
    places = np.interp(ends, np.arange(last - 1), crest.curve.places)
    return float(places[1] - places[0])
