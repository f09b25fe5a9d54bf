r"""Which draws may be treated as independent of which?

Draws of a chain resemble their neighbours, and the futures of a draw share its past. Contiguous
blocks of J = clip(ESS / 10, 20, 40) keep what belongs together in one piece: each is some ten
effective draws long, and what spans two of them is negligible.

All measurements share their blocks, but not their ESS. One that moves more slowly than the blocks
allow for has blocks that resemble each other, and errors taken from their spread must be widened
(:func:`widening`). So every measurement's own ESS is wanted: ArviZ's for the slowest, and for the
rest that of a screen which costs a few microseconds.
"""

import bisect
from dataclasses import dataclass

import numpy as np
from scipy import special

__all__ = [
    "FEWEST_DRAWS",
    "EffectiveDraws",
    "block_bounds",
    "effective_draws",
    "widening",
]

FEWEST_BLOCKS, MOST_BLOCKS = 20, 40
FEWEST_DRAWS = 2 * FEWEST_BLOCKS
"""Fewer posterior draws than this make no blocks to speak of."""
DRAWS_PER_BLOCK = 10
"""Effective draws in a block that make it independent of the next."""
SCREENED_AT_ONCE = 2**19
QUARTILE_DRAWS = 1000
APART_LEVEL, LEAST_APART = 1e-6, 10.0
PIECES = 10


def effective_draws(values: np.ndarray, *, most: int = 100) -> np.ndarray:
    r"""How many independent draws is each of these series worth?

    The smaller one for its level and for its spread (the distance from the median): a series whose
    level is quick may swell and calm slowly, and so may the share of its outer cells.

    All are screened, squashed to u/(1 + \|u\|) so that no outlier hides the rest, by
    n(1 - r)/(1 + r), r being the autocorrelation at lag one over all chains, or by n over the
    excess variance of the means of tenths of chains, or of whole chains, if that is less. The
    slowest, and all that look too slow for forty blocks, are then judged by their bulk effective
    sample size. Chains that lie further apart than their own course explains (the F test of their
    tenths at a level of one in a million) count as one draw each: they may never meet.

    Parameters
    ----------
    values
        Shape (measurement, world, chain, draw[, future]); the futures of a draw are averaged.
    most
        Number of series judged by ArviZ even where all are quick; each costs a millisecond.

    Returns
    -------
    np.ndarray
        Between 1 and the number of draws, shape (measurement, world). Chains too short to judge
        (under 4 draws) count as one draw each; a constant counts every draw.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), "Rank-normalization, folding, and
    localization: an improved R-hat", *Bayesian Analysis* 16(2).

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(3, 2, 4, 250))
    >>> noise[2] = noise[2].cumsum(axis=-1)
    >>> (effective_draws(noise) > 500).all(axis=1).tolist()
    [True, True, False]
    """
    sizes = EffectiveDraws(most=most)
    sizes.update(values)
    return sizes.result()


class EffectiveDraws:
    """Judge series as they come, chunk by chunk; see :func:`effective_draws`.

    Nothing depends on the chunks: series that are slow are judged at once, and of the others those
    that may be among the slowest are held until all have come.

    Parameters
    ----------
    most
        Number of series judged by ArviZ even where all are quick.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(3, 2, 4, 250))
    >>> sizes = EffectiveDraws()
    >>> for chunk in (noise[:1], noise[1:]):
    ...     sizes.update(chunk)
    >>> bool((sizes.result() == effective_draws(noise)).all())
    True
    """

    def __init__(self, most: int = 100) -> None:
        self.most = most
        self._found: list[np.ndarray] = []
        self._held: list[_Held] = []
        self._slow = self._measurements = 0

    def update(self, values: np.ndarray) -> None:
        """Take in series, shape (measurement, world, chain, draw[, future])."""
        step = max(1, SCREENED_AT_ONCE // max(1, values[:1].size))
        for start in range(0, len(values), step):
            series = _past(values[start : start + step], futures=values.ndim > 4)
            self._found.append(self._screen(series))
            self._measurements += len(series)

    def result(self) -> np.ndarray:
        """Between 1 and the number of draws, shape (measurement, world)."""
        found = np.concatenate(self._found)
        held = self._held[: max(0, self.most - self._slow)]
        if held:
            judged = _judged(
                np.stack([one.series for one in held]),
                np.array([one.median for one in held]),
                spread=np.array([one.spread for one in held]),
            )
            for one, size in zip(held, judged, strict=True):
                found[one.place] = np.clip(min(size, one.other), 1, one.series.size)
        return found

    def _screen(self, series: np.ndarray) -> np.ndarray:
        """Effective draws of a chunk, the slow ones judged; holds those that are slow next."""
        chains, draws = series.shape[2:]
        if draws < 4:
            return np.full(series.shape[:2], float(chains))
        screened, medians = _screened(series)
        rough, other, slower = screened.min(axis=0), screened.max(axis=0), screened.argmin(axis=0)
        slow = rough < min(DRAWS_PER_BLOCK * MOST_BLOCKS, chains * draws / 4)
        self._slow += int(np.count_nonzero(slow))
        which = slow & (rough > chains)
        found = rough.copy()
        if which.any():
            judged = _judged(series[which], medians[which], spread=slower[which] == 1)
            found[which] = np.minimum(judged, other[which])
        for at in np.argsort(np.where(slow, np.inf, rough), axis=None, kind="stable")[: self.most]:
            place = measurement, world = divmod(int(at), series.shape[1])
            last = self._held[-1].rough if len(self._held) >= self.most else np.inf
            if slow[place] or rough[place] >= last:
                break
            held = _Held(
                rough[place],
                (self._measurements + measurement, world),
                series[place].copy(),
                medians[place],
                bool(slower[place]),
                other[place],
            )
            bisect.insort(self._held, held, key=lambda one: (one.rough, one.place))
            del self._held[self.most :]
        return np.clip(found, 1, chains * draws)


def widening(effective: np.ndarray | float, blocks: int) -> np.ndarray:
    r"""By how much is an error taken from the spread of such blocks too small?

    A series with exponential autocorrelation has block means of variance g(b) = 1 - (1 - exp(-2b))
    / 2b times what its blocks would have were they independent, with b = ESS/J effective draws in
    a block, and their centring takes away another 1/J. The factor is

    .. math:: \sqrt{\frac{g(10) - 1/J}{g(b) - 1/J}}

    for b below ten, which is what the blocks aim at, and 1 above.

    Parameters
    ----------
    effective
        Effective number of draws.
    blocks
        Number of blocks J.

    Returns
    -------
    np.ndarray
        At least 1, falling with the draws; infinite for two effective draws or fewer.

    Examples
    --------
    >>> widening(np.array([4000.0, 400.0, 100.0, 20.0, 2.0]), 40).round(2)
    array([1.  , 1.  , 1.09, 1.64,  inf])
    """
    within = np.minimum(np.asarray(effective, dtype=float) / blocks, DRAWS_PER_BLOCK)
    aim = _share_within(np.array(float(DRAWS_PER_BLOCK))) - 1 / blocks
    left = _share_within(within) - 1 / blocks
    known = (left > 0) & (np.asarray(effective) > 2)
    return np.where(known, np.sqrt(aim / np.where(known, left, 1.0)), np.inf)


def block_bounds(chains: int, draws: int, futures: int = 1, *, effective: float) -> np.ndarray:
    """Cut the rows (chain, draw, future) into contiguous blocks.

    No block spans a part of one chain and a part of another, and no draw's futures are split;
    with more chains than blocks, a block is a run of whole chains.

    Parameters
    ----------
    chains, draws, futures
        Lengths of the sample dims.
    effective
        Effective number of draws; J = clip(effective / 10, 20, 40) blocks are aimed at.

    Returns
    -------
    np.ndarray
        J + 1 row numbers; block j is ``bounds[j]:bounds[j + 1]``.

    Examples
    --------
    >>> block_bounds(4, 1000, effective=4000.0)[:4]
    array([  0, 100, 200, 300])
    >>> len(block_bounds(3, 50, 7, effective=60.0)) - 1
    21
    """
    aim = int(np.clip(effective / DRAWS_PER_BLOCK, FEWEST_BLOCKS, MOST_BLOCKS))
    if chains > MOST_BLOCKS:
        starts = np.linspace(0, chains, aim + 1).round().astype(int) * draws
    else:
        each = min(max(-(-FEWEST_BLOCKS // chains), aim // chains), draws)
        within = np.linspace(0, draws, each + 1).round().astype(int)[:-1]
        starts = (np.arange(chains)[:, None] * draws + within).ravel()
        starts = np.append(starts, chains * draws)
    return starts * futures


@dataclass(frozen=True)
class _Held:
    """A series that may be judged yet, and what the screen says of it."""

    rough: float
    place: tuple[int, int]
    series: np.ndarray
    median: float
    spread: bool
    other: float


def _past(values: np.ndarray, *, futures: bool) -> np.ndarray:
    """Contiguous series (..., chain, draw): the means of the futures where there are several."""
    return np.ascontiguousarray(values.mean(axis=-1) if futures else values, dtype=float)


def _screened(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rough effective draws of level and spread, (2, measurement, world), and the medians."""
    flat = series.reshape(*series.shape[:2], -1)
    thinned = flat[..., :: max(1, flat.shape[-1] // QUARTILE_DRAWS)]
    quarters = [thinned.shape[-1] * quarter // 4 for quarter in (1, 2, 3)]
    low, median, high = np.moveaxis(np.partition(thinned, quarters, axis=-1)[..., quarters], -1, 0)
    with np.errstate(over="ignore", invalid="ignore"):
        # A rare event has no quartiles to speak of.
        scale = np.where(high > low, high - low, flat.std(axis=-1))
        squashed = (flat - median[..., None]) / np.where(scale > 0, scale, 1.0)[..., None]
        distance = np.abs(squashed)
        squashed /= 1 + distance
        distance /= 1 + distance
        looks = [_rough(look.reshape(series.shape)) for look in (squashed, distance)]
    return np.nan_to_num(np.stack(looks), nan=1.0), median


def _judged(series: np.ndarray, medians: np.ndarray, *, spread: np.ndarray) -> np.ndarray:
    """Bulk effective sample size of the level, or of the spread, of each series."""
    from arviz_stats.base import array_stats  # takes seconds to import

    with np.errstate(over="ignore"):
        distance = np.abs(series - medians[:, None, None])
    look = np.where(spread[:, None, None], distance, series)
    effective = array_stats.ess(look, chain_axis=1, draw_axis=2, method="bulk")
    return np.where(np.isfinite(effective), effective, series.shape[1])


def _rough(series: np.ndarray) -> np.ndarray:
    """Effective draws by the first autocorrelation and by the means of stretches of chains."""
    chains, draws = series.shape[-2:]
    count = chains * draws
    flat = series.reshape(*series.shape[:-2], count)
    flat -= flat.mean(axis=-1, keepdims=True)
    variance = np.einsum("...i,...i->...", flat, flat) / count
    safe = np.where(variance > 1e-20, variance, 1.0)
    lagged = np.einsum("...cd,...cd->...", series[..., 1:], series[..., :-1])
    nearby = np.clip(lagged / (chains * (draws - 1)) / safe, 0.0, 1.0)
    rough = count * (1 - nearby) / (1 + nearby)
    pieces = min(PIECES, draws // 2)
    length = draws // pieces
    parts = series[..., : pieces * length].reshape(*series.shape[:-1], pieces, length)
    means = parts.mean(axis=-1)
    whole = means.mean(axis=-1)
    for stretch, size in ((means, length), (whole, pieces * length)):
        number = stretch[0, 0].size
        if number > 1:
            excess = size * stretch.reshape(*rough.shape, number).var(axis=-1, ddof=1) / safe
            # Three standard errors of a variance of so many means are put down to chance.
            chance = 1 + 3 * np.sqrt(2 / (number - 1))
            rough = np.minimum(rough, count * chance / excess.clip(1))
    if chains > 1:
        test = special.fdtri(chains - 1, chains * (pieces - 1), 1 - APART_LEVEL)
        between = pieces * whole.var(axis=-1, ddof=1)
        within = means.var(axis=-1, ddof=1).mean(axis=-1)
        never_meet = between > max(test, LEAST_APART) * within + 1e-9 * safe
        rough = np.where(never_meet, np.minimum(rough, chains), rough)
    return np.where(variance > 1e-20, np.clip(rough, 1.0, count), count)


def _share_within(within: np.ndarray) -> np.ndarray:
    """Variance of the mean of a block of so many effective draws, over that of as many alone."""
    safe = np.maximum(within, 1e-3)
    return 1 + np.expm1(-2 * safe) / (2 * safe)
