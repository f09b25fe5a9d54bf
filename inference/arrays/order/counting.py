r"""How many bits are in r of n draws that did as well, and in none?

With Jeffreys' prior the chance is Beta(r + 1/2, n - r + 1/2), and the bits -log2 of it have

.. math:: \mathrm{E} = \frac{\psi(n + 1) - \psi(r + \tfrac12)}{\ln 2}, \qquad
          \mathrm{Var} = \frac{\psi_1(r + \tfrac12) - \psi_1(n + 1)}{\ln^2 2}.

Draws that resemble each other count as fewer: r and n shrink to what independent draws would need
to know the share as well. That number belongs to the event and not to the utility: chains leave
far tails faster than they cross their middle (:func:`indicator_effective`).
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.chain_errors import as_chains, refuse_share

__all__ = [
    "FEWEST_INDEPENDENT",
    "CountedBits",
    "counted_bits",
    "indicator_effective",
    "least_bits",
]

FEWEST_INDEPENDENT = 20
"""Independent rows on either side of a level that tell how rows come in flocks."""
_JUDGED = 64
_FEWEST_IN_CHAIN = 4
_LN2 = np.log(2.0)


@dataclass(frozen=True)
class CountedBits:
    """What draws of the baseline say of -log2 of a chance; arrays of one shape, in bits.

    Parameters
    ----------
    mean, sd, median
        Of the posterior. Where no draw reached the target they are the prior's and not the
        draws': read `lower` there.
    lower, upper
        Central interval. `upper` is infinite where no draw reached the target: draws alone set no
        limit there, and `lower` is the one-sided limit of :func:`least_bits`. Where all did,
        `lower` is 0 and `upper` one-sided.
    plug_in
        -log2 r/n, infinite for r = 0.
    resolution
        -log2 (r + 1)/(n + 1), the Monte Carlo p-value in bits: log2(n + 1), the most that so many
        draws can show, for r = 0. Never infinite.
    one_sided
        Where only one of the limits is known.
    reached, draws
        As they were counted.
    effective
        How many independent draws they were taken for.
    """

    mean: np.ndarray
    sd: np.ndarray
    median: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    plug_in: np.ndarray
    resolution: np.ndarray
    one_sided: np.ndarray
    reached: np.ndarray
    draws: np.ndarray
    effective: np.ndarray


def counted_bits(
    reached: np.ndarray | float,
    draws: np.ndarray | float,
    effective: np.ndarray | float | None = None,
    probability: float = 0.95,
) -> CountedBits:
    """How many bits is a target worth that r of n draws of the baseline reached?

    Parameters
    ----------
    reached, draws
        r and n, which broadcast; any shape. Not only whole numbers: r may be weighed.
    effective
        How many independent draws the n are worth, for each target: from
        :func:`indicator_effective`. None for independent draws; more than n are not believed.
    probability
        Of the interval.

    Returns
    -------
    CountedBits

    Raises
    ------
    CounterfactualError
        If r is not between 0 and n, n or `effective` is not positive, or `probability` is none.

    References
    ----------
    Brown, Cai and DasGupta (2001), "Interval estimation for a binomial proportion", *Statistical
    Science* 16(2), for the interval and its ends at r = 0 and r = n.

    Examples
    --------
    >>> few, none = (counted_bits(reached, 1000) for reached in (3, 0))
    >>> [round(float(bits), 3) for bits in (few.mean, few.sd, few.plug_in)]
    [8.375, 0.828, 8.381]
    >>> [round(float(bits), 3) for bits in (none.lower, none.upper, none.resolution)]
    [8.385, inf, 9.967]
    """
    refuse_share("probability", probability)
    own = draws if effective is None else effective
    hits, number, size = (
        np.asarray(one, dtype=float) for one in np.broadcast_arrays(reached, draws, own)
    )
    _refuse_counts(hits, number, size)
    size = np.minimum(size, number)
    above = hits * (size / number)
    below = (number - hits) * (size / number)
    none, every = hits == 0, hits == number
    tail = 0.5 * (1 - probability)
    median, lower, upper = (
        _beta_bits(above + 0.5, below + 0.5, one) for one in (0.5, 1 - tail, tail)
    )
    lower = np.where(none, _least(above, below, probability), np.where(every, 0.0, lower))
    upper = np.where(every, -np.log2(1 - probability) / size, np.where(none, np.inf, upper))
    with np.errstate(divide="ignore"):
        plug_in = -np.log2(hits / number) + 0.0
    posterior = {
        "mean": (special.digamma(size + 1) - special.digamma(above + 0.5)) / _LN2,
        "sd": np.sqrt(special.polygamma(1, above + 0.5) - special.polygamma(1, size + 1)) / _LN2,
        "median": median,
        "lower": lower,
        "upper": upper,
        "plug_in": plug_in,
        "resolution": -np.log2((above + 1) / (size + 1)) + 0.0,
        "one_sided": none | every,
        "reached": hits,
        "draws": number,
        "effective": size,
    }
    return CountedBits(**{name: np.asarray(one) for name, one in posterior.items()})


def least_bits(
    reached: np.ndarray | float,
    draws: np.ndarray | float,
    confidence: float = 0.95,
    *,
    effective: np.ndarray | float | None = None,
) -> np.ndarray:
    r"""How many bits at least, of a target that r of n draws reached (Clopper and Pearson)?

    For r = 0 it is :math:`-\log_2(1 - (1 - c)^{1/n})`, about log2(n/3); for r = n it is 0. It
    holds in at least `confidence` of cases, whatever the chance is: no prior is in it.

    Parameters
    ----------
    reached, draws, effective
        As for :func:`counted_bits`.
    confidence
        One-sided.

    Returns
    -------
    np.ndarray
        Bits, at least 0.

    Raises
    ------
    CounterfactualError
        As :func:`counted_bits`.

    Examples
    --------
    >>> least_bits(0, np.array([100, 1000, 100_000])).round(3)
    array([ 5.083,  8.385, 15.027])
    """
    refuse_share("confidence", confidence)
    own = draws if effective is None else effective
    hits, number, size = (
        np.asarray(one, dtype=float) for one in np.broadcast_arrays(reached, draws, own)
    )
    _refuse_counts(hits, number, size)
    share = np.minimum(size, number) / number
    return _least(hits * share, (number - hits) * share, confidence)


def indicator_effective(
    values: np.ndarray, targets: np.ndarray | float, *, latents: float = np.inf
) -> np.ndarray:
    r"""How many independent draws are draws worth to those who count which reach a target?

    The share h of the futures of a draw that reach the target is a series along the chains, and
    its mean is the share p of all rows. Its effective number of draws, times

    .. math:: \frac{p (1 - p)}{\mathrm{Var}(h)},

    between 1 (the futures of a draw all do the same) and their number (they know nothing of each
    other), is the number of independent rows that would know p as well.

    Some 64 levels of the values are judged, and log numbers between are interpolated in
    log p/(1 - p). Fewer than :data:`FEWEST_INDEPENDENT` independent rows that reach a level (or
    that miss it) do not tell how they come in flocks: beyond the last level that has as many, the
    number is that level's, or the target's own if that is less; where no row or every row reaches
    it, that level's alone.

    Parameters
    ----------
    values
        Of the utility in the baseline, shape (draw,), (chain, draw) or (chain, draw, future).
    targets
        Any shape.
    latents
        Most draws to be believed: effective draws of the slowest latent, if that is known.

    Returns
    -------
    np.ndarray
        Between 1 and the number of rows (chains x draws x futures), in the shape of `targets`; a
        constant counts every row. Chains of under 4 draws count as one draw each.

    Raises
    ------
    CounterfactualError
        If a number is not finite.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), "Rank-normalization, folding, and
    localization: an improved R-hat", *Bayesian Analysis* 16(2), section 4.3 (of quantiles).

    Examples
    --------
    >>> quick = np.random.default_rng(0).normal(size=(4, 1000))
    >>> slow = np.repeat(quick[:, ::20], 20, axis=1)
    >>> [bool(indicator_effective(one, 1.0) > 1000) for one in (quick, slow)]
    [True, False]
    >>> alike = indicator_effective(np.repeat(quick[..., None], 40, axis=2), np.array([1.0, 9.0]))
    >>> bool((alike <= 4000.001).all())
    True
    """
    chains = as_chains(values, "values")
    wanted = np.asarray(targets, dtype=float)
    if np.isnan(wanted).any():
        raise CounterfactualError("got a target that is NaN; expected numbers to be reached.")
    ordered = np.sort(chains, axis=None)
    rows = ordered.size
    if ordered[0] == ordered[-1]:
        return np.full(wanted.shape, float(rows))
    reached = rows - np.searchsorted(ordered, wanted.ravel(), side="left")
    levels = _levels(ordered)
    sizes = _judged(chains, ordered, levels, latents)
    alone = sizes * np.minimum(levels, rows - levels) / rows
    told = levels[alone >= min(FEWEST_INDEPENDENT, alone.max())]
    inside = _between(levels, sizes, np.clip(reached, told.min(), told.max()), rows)
    own = _between(levels, sizes, np.clip(reached, 1, rows - 1), rows)
    sure = (reached == 0) | (reached == rows)
    return np.where(sure, inside, np.minimum(inside, own)).reshape(wanted.shape)


def _levels(ordered: np.ndarray) -> np.ndarray:
    """Count rows at levels that are spread evenly in the logarithm of the rarer side."""
    rows = len(ordered)
    side = np.unique(np.geomspace(1, max(rows // 2, 1), _JUDGED // 2).astype(int))
    found = np.unique(_at_level(ordered, np.concatenate([side, rows - side])))
    return found[(found > 0) & (found < rows)]


def _between(levels: np.ndarray, sizes: np.ndarray, counts: np.ndarray, rows: int) -> np.ndarray:
    """Effective rows of events that so many rows reach, between the levels judged."""
    odds, own = (np.log(each) - np.log(rows - each) for each in (levels, counts))
    return np.exp(np.interp(own, odds, np.log(sizes)))


def _at_level(ordered: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Count all rows that reach what so many do, or more where no level is between."""
    rows = len(ordered)
    level = ordered[rows - counts]
    next_up = ordered[np.searchsorted(ordered, ordered[0], side="right")]
    level = np.where(level == ordered[0], next_up, level)
    return rows - np.searchsorted(ordered, level, side="left")


def _judged(
    chains: np.ndarray, ordered: np.ndarray, counts: np.ndarray, latents: float
) -> np.ndarray:
    """Effective rows of the events that so many rows reach."""
    from arviz_stats.base import array_stats  # takes seconds to import

    rows = len(ordered)
    shares = np.stack([(chains >= ordered[rows - count]).mean(axis=2) for count in counts])
    draws = shares[0].size
    if chains.shape[1] < _FEWEST_IN_CHAIN:
        effective = np.full(len(counts), float(chains.shape[0]))
    else:
        effective = array_stats.ess(shares, chain_axis=1, draw_axis=2, method="mean")
        effective = np.where(np.isfinite(effective), effective, chains.shape[0])
    effective = np.minimum(np.clip(effective, 1.0, draws), max(1.0, latents))
    share = counts / rows
    alone = np.clip(share * (1 - share) / shares.var(axis=(1, 2)), 1.0, chains.shape[2])
    return effective * alone


def _beta_bits(above: np.ndarray, below: np.ndarray, probability: float) -> np.ndarray:
    """-log2 of a quantile of Beta(above, below), as exact near certainty as near chance."""
    chance = special.betaincinv(above, below, probability)
    rest = special.betainccinv(below, above, probability)
    small = chance < 0.5
    with np.errstate(divide="ignore"):
        bits = np.where(small, -np.log(np.where(small, chance, 1.0)), -np.log1p(-rest * ~small))
    return bits / _LN2 + 0.0


def _least(above: np.ndarray, below: np.ndarray, confidence: float) -> np.ndarray:
    """Clopper and Pearson's limit, with real counts."""
    every, none = below == 0, above == 0
    some = _beta_bits(above + 1, np.where(every, 1.0, below), confidence)
    size = np.where(none, np.where(every, 1.0, below), 1.0)
    nothing = -np.log2(-np.expm1(np.log1p(-confidence) / size))
    return np.where(every, 0.0, np.where(none, nothing, some))


def _refuse_counts(hits: np.ndarray, number: np.ndarray, size: np.ndarray) -> None:
    good = (number > 0) & np.isfinite(number) & (hits >= 0) & (hits <= number)
    if not good.all():
        at = np.flatnonzero(~good.ravel())[0]
        raise CounterfactualError(
            f"got {hits.flat[at]:g} of {number.flat[at]:g} draws; expected a count of draws that "
            "reach the target, between 0 and their number: reached=3, draws=1000."
        )
    good = (size > 0) & np.isfinite(size)
    if not good.all():
        raise CounterfactualError(
            f"got effective={size[~good].flat[0]}; expected a positive number of draws: take that "
            "of indicator_effective(values, targets)."
        )
