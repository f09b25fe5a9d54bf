r"""How far apart are two worlds by the numbers that statisticians are used to?

With F and G the distribution functions of a measurement in the two worlds,

.. math::
    \mathrm{KS} = \sup |F - G|, \quad
    W_1 = \int |F - G|\,dx, \quad
    E = \sqrt{2 \int (F - G)^2\,dx}, \quad
    T = \frac{nm}{(n + m)^2} \sum_i (F - G)^2(x_i),

all of them from one sort of the pooled draws, each an integer whose last bit tells its world
(:mod:`inference.arrays.float_keys`). Nothing is rounded: ties stay ties, no offset is too large.

Each comes with what two samples of the same world would show: signs of blocks are flipped, as in
:mod:`inference.arrays.sign_flips`, here in the difference of the distribution functions.
"""

import numpy as np
from scipy import special

from inference.arrays.blocks import widening
from inference.arrays.float_keys import as_floats, as_keys, room, root_of_two, side_by_side
from inference.arrays.tails import exceedance
from inference.arrays.total_variation import FEWEST_EFFECTIVE

__all__ = ["NUMBERS", "two_sample", "two_sample_numbers"]

NUMBERS = ("ks", "wasserstein", "energy", "cramer_von_mises")
SORTED_AT_ONCE = 2**17
FLIPPED_AT_ONCE = 2**20
EVEN_THRESHOLDS, TAIL_THRESHOLDS = 192, 64
# A random walk looked at every now and then has a lower peak, by this share of the deviation of
# its steps: -zeta(1/2)/sqrt(2 pi). Chernoff (1965), Annals of Mathematical Statistics 36(1).
UNSEEN_PEAK = 0.5826


def two_sample(
    values: np.ndarray, *, bounds: np.ndarray, signs: np.ndarray, effective: np.ndarray | float
) -> dict[str, np.ndarray]:
    r"""Compare every world with the first, the erased one, by four numbers and their nulls.

    The numbers themselves are exact. What is flipped is the difference of the distribution
    functions at up to 256 thresholds that they share: all levels of a discrete measurement;
    else pooled quantiles, crowded in the tails. With D_j the part of block j of that difference,

    * ``_floor`` is the mean over the flips of the number, blocks centred first so that a real
      effect is no noise; the peak of KS between thresholds is allowed for;
    * ``_p`` is how often the flips reach the number taken at the same thresholds: the share of
      them, or the tail of their Pearson III law where fewer than ten do;
    * ``_mcse`` is the standard error by the spread of the blocks' shares in the first-order
      change of the number: of \|F - G\| where it peaks for KS, of ∫ sign(F - G) D dx for W1, of
      2 ∫ (F - G) D dx / E, and for T of the pooled draws' part as well. Of a number that is mere
      noise it is 1.1 to 1.9 times the deviation. W1 has no error to speak of where the
      measurement has no variance (Cauchy tails).

    Parameters
    ----------
    values
        Shape (measurement, world, row), finite; the first world is the erased one.
    bounds
        From :func:`inference.arrays.blocks.block_bounds`.
    signs
        From :func:`inference.arrays.sign_flips.random_signs`.
    effective
        Effective number of draws, one for all or of shape (world - 1, measurement). Where it is
        small for the blocks, errors and floors are wider; under ten, p is 1 and the error is
        infinite (1 for KS).

    Returns
    -------
    dict of str to np.ndarray
        Each of :data:`NUMBERS`, alone and followed by ``_floor``, ``_p``, ``_mcse``; shape
        (world - 1, measurement). Units are those of :func:`two_sample_numbers`.

    Examples
    --------
    >>> from inference.arrays.blocks import block_bounds
    >>> from inference.arrays.sign_flips import random_signs
    >>> noise = np.random.default_rng(0).normal(size=(1, 2, 4000))
    >>> noise[:, 1] += 1.0
    >>> bounds = block_bounds(4, 1000, effective=4000.0)
    >>> signs = random_signs(200, len(bounds) - 1)
    >>> moved = two_sample(noise, bounds=bounds, signs=signs, effective=4000.0)
    >>> abs(moved["wasserstein"].item() - 1) < 4 * moved["wasserstein_mcse"].item() < 0.2
    True
    """
    measurements, worlds, rows = values.shape
    sizes = np.broadcast_to(np.asarray(effective, dtype=float), (worlds - 1, measurements))
    names = [name + part for name in NUMBERS for part in ("", "_floor", "_p", "_mcse")]
    found = {name: np.empty((worlds - 1, measurements)) for name in names}
    widest = (EVEN_THRESHOLDS + TAIL_THRESHOLDS) * max(len(signs), 2 * len(bounds))
    step = max(1, FLIPPED_AT_ONCE // max(2 * rows, widest))
    for start in range(0, measurements, step):
        part = slice(start, start + step)
        for world in range(1, worlds):
            pair = values[part, world], values[part, 0]
            size = sizes[world - 1, part]
            estimates = two_sample_numbers(*pair) | _nulls(*pair, bounds, signs, size)
            for name, estimate in estimates.items():
                found[name][world - 1, part] = estimate
    return found


def two_sample_numbers(let_in: np.ndarray, erased: np.ndarray) -> dict[str, np.ndarray]:
    """Compute KS, Wasserstein-1, energy distance and Cramér-von Mises of each measurement.

    Integers and floats up to double precision are compared exactly, save that what is smaller
    than the largest by a factor of 2^1022 (for GDP and dust alike, none) loses digits.

    Parameters
    ----------
    let_in, erased
        Draws of both worlds, shapes (measurement, n) and (measurement, m); finite.

    Returns
    -------
    dict of str to np.ndarray
        ``ks`` in [0, 1]; ``wasserstein`` in units of the measurement; ``energy`` in their square
        root; ``cramer_von_mises``, a pure number up to nm/(n + m); shape (measurement,). They
        equal SciPy's ks_2samp, wasserstein_distance, energy_distance and cramervonmises_2samp;
        but SciPy's T of ties in samples of unequal size does not vanish for equal frequencies,
        and this one does.

    References
    ----------
    Székely and Rizzo (2013), "Energy statistics", *Journal of Statistical Planning and Inference*
    143(8). Conover (1999), *Practical Nonparametric Statistics*, section 6.3.

    Examples
    --------
    >>> found = two_sample_numbers(np.array([[1, 2, 2, 4]]), np.array([[0, 2]]))
    >>> {name: round(value.item(), 4) for name, value in found.items()}
    {'ks': 0.5, 'wasserstein': 1.25, 'energy': 0.9354, 'cramer_von_mises': 0.1111}
    """
    many, few = let_in.shape[1], erased.shape[1]
    found = {name: np.empty(len(erased)) for name in NUMBERS}
    step = min(len(erased), max(1, SORTED_AT_ONCE // (many + few)))
    # Asking for new memory at each of twenty passes would take longer than the sort.
    rooms = np.empty((4, step * (many + few)))
    ramp = np.arange(1.0, many + few + 1) * (many // np.gcd(many, few))
    for start in range(0, len(erased), step):
        part = slice(start, start + step)
        for name, number in _numbers(let_in[part], erased[part], rooms, ramp).items():
            found[name][part] = number
    return found


def _numbers(
    let_in: np.ndarray, erased: np.ndarray, rooms: np.ndarray, ramp: np.ndarray
) -> dict[str, np.ndarray]:
    many, few = let_in.shape[1], erased.shape[1]
    shape = len(erased), many + few
    ranked = room(rooms[0], shape, np.float64)
    exponent = side_by_side(let_in, erased, ranked)
    narrow = room(rooms[1], shape, np.float32)
    with np.errstate(under="ignore"):
        np.copyto(narrow, ranked, casting="same_kind")
    # Half the bytes sort in half the time.
    keys = as_keys(narrow if np.array_equal(narrow, ranked) else ranked, rooms[2])
    keys <<= 1
    keys[:, :many] |= 1
    keys.sort(axis=1)
    walk = _walk(keys, few, ramp, rooms[2:])
    keys >>= 1
    np.copyto(ranked, as_floats(keys, rooms[3]))
    gaps = room(rooms[3], shape, np.float64)
    np.subtract(ranked[:, 1:], ranked[:, :-1], out=gaps[:, :-1])
    gaps[:, -1] = 1
    within_ties = _average_over_ties(walk, gaps)
    area = np.multiply(walk, gaps, out=ranked)
    scale = float(np.gcd(many, few)) / many / few
    energy = np.sqrt(2 * np.vecdot(walk, area))
    squares = (np.vecdot(walk, walk) + within_ties) * scale**2
    return {
        "ks": scale * np.maximum(walk.max(axis=1), -walk.min(axis=1)) + 0.0,
        "wasserstein": np.ldexp(scale * np.abs(area, out=area).sum(axis=1), exponent),
        "energy": scale * energy * root_of_two(exponent),
        "cramer_von_mises": squares * (many / (many + few)) * (few / (many + few)),
    }


def _walk(keys: np.ndarray, few: int, ramp: np.ndarray, rooms: np.ndarray) -> np.ndarray:
    """F - G after each of the ranked draws, as whole numbers of gcd(n, m)/(nm)."""
    labels = room(rooms[0], keys.shape, keys.dtype)
    counts = room(rooms[1], keys.shape, keys.dtype)
    np.bitwise_and(keys, 1, out=labels)
    np.cumsum(labels, axis=1, dtype=keys.dtype, out=counts)
    walk = room(rooms[0], keys.shape, np.float64)
    np.multiply(counts, ramp[-1] / (len(ramp) - few), out=walk)
    walk -= ramp
    return walk


def _average_over_ties(walk: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Strike out the steps within ties; their squares are the mean of before and after the tie.

    So midranks would have it: a group of h tied draws puts h/2 of its weight on either side.
    """
    tied = np.flatnonzero(gaps == 0)
    if not len(tied):
        return np.zeros(len(walk))
    rows, length = walk.shape
    flat = walk.reshape(-1)
    breaks = np.flatnonzero(np.diff(tied) != 1)
    first = tied[np.append(0, breaks + 1)]
    last = tied[np.append(breaks, len(tied) - 1)]
    before = np.where(first % length == 0, 0.0, flat[first - 1])
    around = 0.5 * (last - first + 1) * (np.square(before) + np.square(flat[last + 1]))
    flat[tied] = 0
    return np.bincount(first // length, weights=around, minlength=rows)


def _nulls(
    let_in: np.ndarray,
    erased: np.ndarray,
    bounds: np.ndarray,
    signs: np.ndarray,
    effective: np.ndarray,
) -> dict[str, np.ndarray]:
    """Floor, p and Monte Carlo error of each number, (measurement,) each."""
    lengths = np.diff(bounds)
    blocks, rows = len(lengths), lengths.sum()
    inside, widths, masses, levels, exponent = _steps(let_in, erased, bounds)
    walks = np.cumsum(inside[:, 1] - inside[:, 0], axis=-1, dtype=np.float32)
    total = walks.sum(axis=1, dtype=np.float64)
    span = widths.sum(axis=1)
    shares = widths / np.where(span > 0, span, 1.0)[:, None]
    told = effective >= FEWEST_EFFECTIVE
    wider = widening(np.where(told, effective, FEWEST_EFFECTIVE), blocks)
    differing = np.minimum(np.count_nonzero(walks.any(axis=-1), axis=1), effective)
    observed = _norms(total[:, None, :].astype(np.float32), shares, masses)
    by_chance = _norms(signs @ walks, shares, masses)
    residual = walks - (total / rows).astype(np.float32)[:, None] * lengths[:, None]
    centred = _norms(signs @ residual.astype(np.float32), shares, masses)
    centred["ks"] += _unseen_peak(inside, lengths, levels)[:, None]
    influence = _influence(inside, walks, total, shares, masses)
    again = wider * np.sqrt(blocks / (blocks - 1))
    degree = {name: 2 if name == "cramer_von_mises" else 1 for name in NUMBERS}
    units = {
        "ks": 1.0 / rows,
        "wasserstein": np.ldexp(span / rows, exponent),
        "energy": np.sqrt(2 * span) * root_of_two(exponent) / rows,
        "cramer_von_mises": 0.5 / rows,
    }
    found = {}
    for name, unit in units.items():
        seen, most = observed[name][:, 0], 1.0 if name == "ks" else np.inf
        typical = np.mean(centred[name] ** degree[name], axis=1, dtype=np.float64)
        # Blocks that all agree leave nothing but rounding.
        typical = np.where(typical > (1e-5 * seen) ** degree[name], typical, 0.0)
        change = influence[name] - influence[name].sum(axis=1)[:, None] * lengths / rows
        error = again * np.sqrt(np.square(change).sum(axis=1)) * unit
        # Single precision in the flips.
        chance, _ = exceedance(by_chance[name], seen / wider, rounding=1e-5)
        chance = np.clip(chance, 2.0 ** (1 - np.maximum(differing, 1)), 1.0)
        found[f"{name}_floor"] = np.minimum(typical * again ** degree[name] * unit, most)
        found[f"{name}_p"] = np.where(told, chance, 1.0)
        found[f"{name}_mcse"] = np.where(told, np.minimum(error, most), most)
    return found


def _steps(
    let_in: np.ndarray, erased: np.ndarray, bounds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Count both worlds, block by block, up to each of the thresholds that they share.

    Returns the counts between thresholds (measurement, world, block, threshold), the widths of
    the steps (scaled) and the masses about them, the number of levels, and the exponent.
    """
    blocks, rows = len(bounds) - 1, let_in.shape[1]
    measurements, pool = len(let_in), 2 * rows
    rooms = np.empty((2, measurements * pool))
    pooled = rooms[0].reshape(measurements, pool)
    exponent = side_by_side(let_in, erased, pooled)
    # Seven bits go to the block: what differs from a typical value keeps its digits.
    pooled -= (
        np.median(erased[:, :: max(1, rows // 1000)], axis=1)[:, None]
        * np.ldexp(1.0, -exponent)[:, None]
    )
    pooled += 0.0  # a negative zero is zero
    code = np.repeat(np.arange(blocks), np.diff(bounds))
    low = (1 << (2 * blocks - 1).bit_length()) - 1
    keys = as_keys(pooled, rooms[1])
    keys &= ~low
    keys[:, :rows] |= code + blocks
    keys[:, rows:] |= code
    keys.sort(axis=1)
    codes = keys & low
    keys &= ~low
    last = np.ones(keys.shape, dtype=bool)
    np.not_equal(keys[:, 1:], keys[:, :-1], out=last[:, :-1])
    at, adjacent, levels = _thresholds(last)
    masses = np.diff(at, axis=1, prepend=-1)
    values = np.take_along_axis(as_floats(keys, rooms[1]), at, axis=1)
    gaps = np.diff(values, axis=1)
    widths = np.zeros(at.shape)
    widths[:, :-1] = np.where(adjacent, gaps, gaps / 2)
    widths[:, 1:] += np.where(adjacent, 0.0, gaps / 2)
    cell = np.repeat(np.arange(at.size) * (2 * blocks), masses.ravel())
    cell += codes.ravel()
    counts = np.bincount(cell, minlength=at.size * 2 * blocks)
    inside = counts.reshape(measurements, -1, 2, blocks).transpose(0, 2, 3, 1)
    weights = masses / pool
    weights[:, :-1] += weights[:, 1:]
    return inside, widths, weights / 2, levels, exponent


def _thresholds(last: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, among the ranked draws, of thresholds; which have no level between; levels."""
    measurements, pool = last.shape
    ends = np.flatnonzero(last)
    starts = np.arange(measurements) * pool
    first = np.searchsorted(ends, starts)[:, None]
    levels = np.diff(first[:, 0], append=len(ends))
    even = np.linspace(0, pool - 1, EVEN_THRESHOLDS)
    tails = pool * special.expit(np.linspace(-np.log(pool), np.log(pool), TAIL_THRESHOLDS))
    ranks = np.unique(np.rint(np.concatenate([even, tails])).astype(int).clip(0, pool - 1))
    chosen = np.searchsorted(ends, starts[:, None] + ranks)
    every = first + np.minimum(np.arange(len(ranks)), levels[:, None] - 1)
    chosen = np.where(levels[:, None] <= len(ranks), every, chosen)
    # A value that holds several ranks needs one threshold at it and one just below it.
    again = chosen[:, 1:] == chosen[:, :-1]
    again[:, 1:] &= ~again[:, :-1]
    chosen[:, :-1] = np.maximum(chosen[:, :-1] - again, first)
    return ends[chosen] - starts[:, None], np.diff(chosen, axis=1) <= 1, levels


def _norms(walks: np.ndarray, shares: np.ndarray, masses: np.ndarray) -> dict[str, np.ndarray]:
    """Norms of walks (measurement, flip, threshold), in draws; the walks are overwritten.

    Those of T are its roots: their tail is as short as that of the others.
    """
    shares, masses = (each.astype(np.float32)[:, :, None] for each in (shares, masses))
    np.abs(walks, out=walks)
    found = {"ks": walks.max(axis=-1), "wasserstein": (walks @ shares)[..., 0]}
    np.square(walks, out=walks)
    return found | {
        "energy": np.sqrt(walks @ shares)[..., 0],
        "cramer_von_mises": np.sqrt(walks @ masses)[..., 0],
    }


def _unseen_peak(inside: np.ndarray, lengths: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """How much higher a flipped walk is between thresholds, on average, in draws."""
    thresholds = inside.shape[-1]
    steps = inside[:, 1] - inside[:, 0]
    steps = steps - steps.sum(axis=1)[:, None] * (lengths / lengths.sum())[:, None]
    spread = np.sqrt(np.square(steps).sum(axis=1).mean(axis=-1))
    return UNSEEN_PEAK * spread * np.maximum(0.0, 1 - np.sqrt(thresholds / levels))


def _influence(
    inside: np.ndarray,
    walks: np.ndarray,
    total: np.ndarray,
    shares: np.ndarray,
    masses: np.ndarray,
) -> dict[str, np.ndarray]:
    """First-order change of each number by each block, (measurement, block), in its unit."""
    peak = np.zeros_like(total)
    where = np.abs(total).argmax(axis=1)[:, None]
    np.put_along_axis(peak, where, np.sign(np.take_along_axis(total, where, axis=1)), axis=1)
    energy = np.sqrt(np.einsum("kt,kt->k", shares, np.square(total)))
    slopes = {
        "ks": peak,
        "wasserstein": shares * np.sign(total),
        "energy": shares * total / np.where(energy > 0, energy, 1.0)[:, None],
        "cramer_von_mises": 2 * masses * total,
    }
    found = {name: np.einsum("kt,kjt->kj", slope, walks) for name, slope in slopes.items()}
    squares = np.square(total)
    squares[:, 1:] += np.square(total[:, :-1])
    pooled = inside.sum(axis=1)
    draws = pooled.sum(axis=(1, 2))[:, None] / 2
    found["cramer_von_mises"] += np.einsum("kt,kjt->kj", squares, pooled) / (4 * draws)
    return found
