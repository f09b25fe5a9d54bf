r"""Which option is the best of N, where options are finitely many and some are equally good?

.. math:: P(\text{level } k \mid N) = F_k^N - F_{k-1}^N = F_k^N (1 - e^{N \ln(F_{k-1}/F_k)})

with F_k the share of the baseline at level k or below. Of equally good options each is chosen by
its weight in the baseline. Where the choice was not seen, but something that depends on it,

.. math:: L(N) = \sum_i P(i \mid N)\, p(\mathrm{seen} \mid i).

All in logarithms, and shares from the nearer end: a top level of 1e-300 loses nothing.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.best_of_n_found import BestOfN, positive_numbers
from inference.arrays.order.chain_errors import refuse_share
from inference.arrays.order.exceedance import finite_values, log_complement, log_shares

__all__ = [
    "UtilityLevels",
    "best_of_n_level",
    "best_of_n_marginal",
    "choice_probabilities",
    "level_log_probabilities",
    "utility_levels",
]

_AT_ONCE = 1 << 21
_HALVINGS = 100
_BEST = "the best there is: no N is too large"
_WORST = "the worst there is: no N is too small"
_ALL = "all options are equally good: the choice says nothing of N"


@dataclass(frozen=True)
class UtilityLevels:
    """The levels of a utility in the baseline, worst first; those of no mass are left out.

    Parameters
    ----------
    utility
        Of each level, ascending, (level,).
    log_mass, log_at, log_below
        Logarithms of the share at the level, up to it (included), and below it.
    log_step
        Logarithm of the share below the level in all up to it: ``-inf`` for the worst.
    place
        Level of each option, (option,); -1 where the option has no mass.
    log_within
        Logarithm of the share that each option has of its level, (option,).
    """

    utility: np.ndarray
    log_mass: np.ndarray
    log_at: np.ndarray
    log_below: np.ndarray
    log_step: np.ndarray
    place: np.ndarray
    log_within: np.ndarray


def utility_levels(utility: np.ndarray, log_measure: np.ndarray | None = None) -> UtilityLevels:
    """Sort options into levels of equal utility.

    Parameters
    ----------
    utility
        Of each option, (option,).
    log_measure
        Natural logarithms of the options' shares in the baseline, up to a constant; all the same
        if None.

    Raises
    ------
    CounterfactualError
        If a utility is not finite, or the weights have no finite and positive total.

    Examples
    --------
    >>> levels = utility_levels(np.array([1.0, 0.0, 1.0, 2.0]))
    >>> levels.utility, np.exp(levels.log_at), levels.place
    (array([0., 1., 2.]), array([0.25, 0.75, 1.  ]), array([1, 0, 1, 2]))
    """
    values = finite_values("utility", utility)
    if values.ndim != 1 or not values.size:
        raise CounterfactualError(
            f"got utility of shape {values.shape}; expected one utility for each of one or more "
            "options."
        )
    shares = log_shares(log_measure, values.size)
    possible = np.isfinite(shares)
    found, own = np.unique(values[possible], return_inverse=True)
    log_mass = _log_sums(shares[possible], own)
    up_to = np.logaddexp.accumulate(log_mass)
    above = np.append(np.logaddexp.accumulate(log_mass[::-1])[::-1][1:], -np.inf)
    near_top = up_to > -np.log(2)
    log_at = np.where(near_top, log_complement(np.where(near_top, above, -np.inf)), up_to)
    log_below = np.append(-np.inf, log_at[:-1])
    # From whichever is the smaller part: the level itself, or what lies below it.
    share = np.minimum(log_mass - log_at, 0.0)
    narrow = share < -np.log(2)
    log_step = np.where(narrow, log_complement(np.where(narrow, share, -1.0)), log_below - log_at)
    place, log_within = np.full(values.size, -1), np.full(values.size, -np.inf)
    place[possible] = own
    log_within[possible] = shares[possible] - log_mass[own]
    return UtilityLevels(found, log_mass, log_at, log_below, log_step, place, log_within)


def level_log_probabilities(number: np.ndarray | float, levels: UtilityLevels) -> np.ndarray:
    r"""Logarithm of the probability that the best of N lies at each level.

    Parameters
    ----------
    number
        N, positive, any shape.
    levels
        From :func:`utility_levels`.

    Returns
    -------
    np.ndarray
        At most 0, shape of `number` and (level,).

    Raises
    ------
    CounterfactualError
        If an N is not positive and finite.

    Examples
    --------
    >>> np.exp(level_log_probabilities(2, utility_levels(np.arange(4.0)))) * 16
    array([1., 3., 5., 7.])
    """
    numbers = positive_numbers("number", number)[..., None]
    return numbers * levels.log_at + log_complement(numbers * levels.log_step)


def best_of_n_level(
    log_below: np.ndarray | float, log_at: np.ndarray | float, *, probability: float = 0.95
) -> BestOfN:
    r"""Judge N by one choice at a level of utility that others share, under the prior 1/N.

    .. math:: L(N) = b^N - a^N, \qquad \hat N = \frac{\ln(s_a/s_b)}{s_a - s_b}, \qquad
              \mathbb E \ln N = -\gamma - \tfrac12 \ln(s_a s_b), \qquad
              \mathrm{Var} \ln N = \frac{\pi^2}{6} + \frac{\ln^2(s_a/s_b)}{12}

    with a and b the shares of the baseline below the level, and up to it; s = -ln of them. No
    posterior exists at the best level and at the worst: there ask
    :func:`~inference.arrays.order.best_of_n_grid.best_of_n_discrete`.

    Parameters
    ----------
    log_below, log_at
        Natural logarithms of a and b, any shapes that broadcast; one choice each, with an N of
        its own. Equal ones are a level too narrow for floating point, as of a continuous utility.
    probability
        Of the intervals, strictly between 0 and 1.

    Returns
    -------
    BestOfN
        At the best level `mle` is infinite, at the worst 0; there `proper` is False, the moments
        are NaN and `why` says so.

    Raises
    ------
    CounterfactualError
        If these are no logarithms of probabilities, or more lies below the level than up to it.

    Examples
    --------
    >>> found = best_of_n_level(np.log([6 / 8, 7 / 8]), np.log([7 / 8, 1.0]))  # X6 and X7 of 8
    >>> found.mle.round(3), found.mean.round(3), found.proper
    (array([4.979,   inf]), array([5.228,   nan]), array([ True, False]))
    >>> found.why[1]
    'the best there is: no N is too large'
    """
    refuse_share("probability", probability)
    log_below, log_at = _shares_of_level(log_below, log_at)
    best, worst = log_at == 0, np.isneginf(log_below)
    proper = ~(best | worst)
    at = np.where(proper, -log_at, 1.0)  # s_b
    width = np.where(proper, log_at - np.where(proper, log_below, 0.0), 1.0)  # s_a - s_b
    log_sb = np.log(at)
    with np.errstate(over="ignore", divide="ignore"):
        relative = width / at
        far = ~np.isfinite(relative)
        gap = np.where(far, np.log(width) - log_sb, np.log1p(relative))  # ln(s_a / s_b)
    mean = -np.expm1(-gap) / np.where(gap > 0, gap, 1.0)  # times 1 / s_b
    mean = np.where(gap > 0, mean, 1.0)
    log_mle = np.log(np.where(relative > 0, gap / np.where(width > 0, width, 1.0), 1 / at))
    sides = ((1 - probability) / 2, (1 + probability) / 2)
    ends = np.stack([_level_quantile(gap, side) - log_sb for side in sides], axis=-1)
    limit = np.select([best & worst, best], [np.nan, np.inf], -np.inf)
    everything = np.array([-np.inf, np.inf])
    nothing = np.where(proper, 0.0, np.nan)
    return BestOfN.from_logarithms(
        log_mle=np.where(proper, log_mle, limit),
        log_mean=np.log(mean) - log_sb + nothing,
        log_variance=np.log(mean) + np.log(np.exp(-gap) + 1 - mean) - 2 * log_sb + nothing,
        mean_log=-np.euler_gamma - log_sb - gap / 2 + nothing,
        sd_log=np.sqrt(np.pi**2 / 6 + np.square(gap) / 12) + nothing,
        log_ends=np.where(proper[..., None], ends, everything),
        why=np.select([proper, best & worst, best], ["", _ALL, _BEST], _WORST).astype(object),
    )


def choice_probabilities(
    number: np.ndarray | float, utility: np.ndarray, log_measure: np.ndarray | None = None
) -> np.ndarray:
    r"""How likely is each option to be the best of N? Ties go by weight in the baseline.

    Parameters
    ----------
    number
        N, positive and not necessarily whole, any shape.
    utility
        Of each option, (option,).
    log_measure
        Natural logarithms of the options' shares in the baseline, up to a constant; all the same
        if None.

    Returns
    -------
    np.ndarray
        Shape of `number` and (option,); adds up to 1 over options.

    Raises
    ------
    CounterfactualError
        If an N is not positive, a utility is not finite, or the weights are no measure.

    Examples
    --------
    >>> choice_probabilities(4, np.arange(8.0))[-1].round(6)
    np.float64(0.413818)
    >>> choice_probabilities([1, 100], np.array([0.0, 1.0, 1.0])).round(3)
    array([[0.333, 0.333, 0.333],
           [0.   , 0.5  , 0.5  ]])
    """
    levels = utility_levels(utility, log_measure)
    logs = level_log_probabilities(number, levels)
    return np.exp(logs[..., levels.place] + levels.log_within)


def best_of_n_marginal(
    number: np.ndarray | float,
    utility: np.ndarray,
    log_likelihood: np.ndarray,
    log_measure: np.ndarray | None = None,
) -> np.ndarray:
    r"""How likely is what was seen, if the best of N was chosen and the choice was not seen?

    .. math:: \ln L(N) = \sum_j \ln \sum_i P(i \mid N)\, p(\mathrm{seen}_j \mid i)

    Options that are draws of P(e,S,0) tell of N up to some part of their number: the best of more
    is always the best draw, whatever would have come after.

    Parameters
    ----------
    number
        N, positive, any shape.
    utility
        Of each option, (option,).
    log_likelihood
        Logarithm of the probability (density) of what was seen, had each option been chosen:
        (option,), or (seen, option) for independent choices of the same N, whose logarithms add.
    log_measure
        As of :func:`choice_probabilities`.

    Returns
    -------
    np.ndarray
        Shape of `number`; pass it to
        :func:`~inference.arrays.order.best_of_n_grid.best_of_n_posterior`.

    Raises
    ------
    CounterfactualError
        If something is not finite (a likelihood may be 0, not for all options), or shapes differ.

    Examples
    --------
    Someone chose among 0, ..., 7, and a scale that errs by one said 7.

    >>> utility = np.arange(8.0)
    >>> seen = -0.5 * (7 - utility) ** 2
    >>> best_of_n_marginal([1, 16, 256], utility, seen).round(2)
    array([-1.52, -0.05, -0.  ])
    """
    levels = utility_levels(utility, log_measure)
    seen = np.atleast_2d(np.asarray(log_likelihood, dtype=np.float64))
    if seen.ndim != 2 or seen.shape[1] != levels.place.size:
        raise CounterfactualError(
            f"got log_likelihood of shape {np.shape(log_likelihood)} for {levels.place.size} "
            "options; expected (option,) or (seen, option)."
        )
    possible = levels.place >= 0
    logs = [
        _log_sums(row[possible] + levels.log_within[possible], levels.place[possible])
        for row in _likelihoods(seen)
    ]
    by_level = np.stack(logs)
    empty = np.isneginf(by_level).all(axis=1)
    if empty.any():
        raise CounterfactualError(
            f"got a likelihood of 0 under every option for what was seen {int(empty.argmax())}; "
            "expected some option under which it can be seen."
        )
    numbers = positive_numbers("number", number)
    found = np.empty(numbers.size)
    step = max(1, _AT_ONCE // by_level.shape[1])
    for start in range(0, numbers.size, step):
        chosen = level_log_probabilities(numbers.ravel()[start : start + step], levels)
        found[start : start + step] = sum(
            special.logsumexp(chosen + row, axis=-1) for row in by_level
        )
    return found.reshape(numbers.shape)


def _likelihoods(seen: np.ndarray) -> np.ndarray:
    wrong = np.isnan(seen) | np.isposinf(seen)
    if wrong.any():
        row, option = (int(index) for index in np.argwhere(wrong)[0])
        raise CounterfactualError(
            f"got log_likelihood={seen[row, option]} of what was seen {row} under option {option};"
            " expected a logarithm below infinity. Impossible is -inf."
        )
    return seen


def _log_sums(logs: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Add up by place what is given in logarithms."""
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    found: np.ndarray = np.logaddexp.reduceat(logs[order], starts)
    return found


def _shares_of_level(
    log_below: np.ndarray | float, log_at: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    below, at = np.broadcast_arrays(
        np.asarray(log_below, dtype=np.float64), np.asarray(log_at, dtype=np.float64)
    )
    wrong = ~((below <= at) & (at <= 0) & np.isfinite(at))
    if wrong.any():
        place = tuple(int(index) for index in np.argwhere(wrong)[0])
        raise CounterfactualError(
            f"got log_below={float(below[place])} and log_at={float(at[place])} at {place}; "
            "expected logarithms of shares of the baseline, log_below <= log_at <= 0, log_at "
            "finite: of what is worse, and of what is worse or as good."
        )
    return below, at


def _level_quantile(gap: np.ndarray, side: float) -> np.ndarray:
    r"""Logarithm of s_b N below which this much lies, by halving.

    Above z/s_b lies (E₁(z) - E₁(z s_a/s_b)) / ln(s_a/s_b), which is exp(-z) for narrow levels.
    """
    low, high = -gap - 60.0, np.full(gap.shape, 7.0)
    narrow = gap < 1e-6
    safe = np.where(narrow, 1.0, gap)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        wide = (_exponential_integral(middle) - _exponential_integral(middle + safe)) / safe
        above = np.where(narrow, np.exp(-np.exp(middle) * (1 + gap / 2)), wide)
        more = above > 1 - side
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    return (low + high) / 2


def _exponential_integral(log_place: np.ndarray) -> np.ndarray:
    """E₁ of what is given by its logarithm; -γ - ln z where z is small."""
    near = special.exp1(np.exp(np.clip(log_place, -40.0, 7.0)))
    return np.where(log_place < -40.0, -np.euler_gamma - log_place, near)
