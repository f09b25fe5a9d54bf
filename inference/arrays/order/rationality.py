r"""How strongly are better options preferred, if weighed by the exponential of their utility?

.. math:: P_\lambda(w) \propto P(e,S,0)(w)\, e^{\lambda u(w)}, \qquad
          \mathbb E_\lambda[u] = \mathbb E_1[u]

Boltzmann rationality (logit response): of all laws with the mean utility that was achieved, the
one nearest to chance. It needs E exp(λu), which no λ > 0 has where the baseline is heavy-tailed,
and draws hide that: every sample has a root λ, which sinks to 0 as the sample grows. Three things
are asked before the root is believed: k-hat of the weights and their effective number, whether
the utility's own tail is heavier than exponential, and whether both halves of the draws agree. If
not, weigh ranks in place of utilities: :mod:`inference.arrays.order.rank_exponential`.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.chain_errors import as_chains, error_of_estimate
from inference.arrays.order.exceedance import log_shares
from inference.arrays.weights import doubtful, equal_draws, kish_draws, smoothed

__all__ = ["BoltzmannFit", "boltzmann_fit"]

_HEAVY = 1.28
"""Standard errors beyond exponential at which a tail is called heavy: wrong in one of ten tails
that are just exponential, and right in .93 of lognormal and .97 of t₃ ones at 4000 draws (.80 and
.88 at 1000, all of sixty at 40 000)."""
_APART = 3.0
_RATHER = "Weigh ranks instead (rank_exponential_fit), which has a law whatever the tail."


@dataclass(frozen=True)
class BoltzmannFit:
    """An exponential weighting by utility, and whether to believe it.

    Parameters
    ----------
    rate, rate_mcse
        λ per unit of utility, and its Monte Carlo error; negative where worse is preferred.
        Infinite where no draw of the baseline is as good as the mean that was achieved.
    rate_by_half
        From the first and the second half of the baseline, (2,).
    bits, bits_mcse
        Kullback-Leibler divergence of the weighted baseline from the baseline, and its error.
    khat, effective, largest_weight
        Of the weights exp(λu): shape of their tail, Kish's number of draws, largest share.
    tail_shape, tail_shape_mcse
        Of the generalised Pareto law of the utility's own tail, on the side that is preferred:
        0 if exponential, above 0 if heavier; ``-inf`` where there is no tail to speak of.
    reliable
        Whether the draws show nothing against λ.
    why
        In words, what they show; else empty.
    """

    rate: float
    rate_mcse: float
    rate_by_half: np.ndarray
    bits: float
    bits_mcse: float
    khat: float
    effective: float
    largest_weight: float
    tail_shape: float
    tail_shape_mcse: float
    reliable: bool
    why: str


def boltzmann_fit(
    baseline: np.ndarray,
    achieved: np.ndarray | float,
    log_measure: np.ndarray | None = None,
) -> BoltzmannFit:
    r"""Find the λ at which the weighted baseline has the mean utility that was achieved.

    Parameters
    ----------
    baseline
        Utilities of draws of P(e,S,0), shape (draw,), (chain, draw) or (chain, draw, future).
    achieved
        Utilities of draws of P(e,S,1), shaped likewise, or their known mean. As many chains and
        draws as of the baseline are taken to share its pasts.
    log_measure
        Natural logarithm of the mass of each draw of the baseline, shaped like it, up to a
        constant; all the same if None.

    Returns
    -------
    BoltzmannFit
        With `reliable` False and a reason wherever λ may be an artefact of the draws' number.

    Raises
    ------
    CounterfactualError
        If utilities are not finite, masses are not one for each draw, or the baseline does not
        vary.

    References
    ----------
    R. D. McKelvey, T. R. Palfrey, "Quantal response equilibria for normal form
    games", *Games and Economic Behavior* 10 (1995).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> light = boltzmann_fit(rng.normal(size=20000), 1.0)  # λ = 1, bits = 1/2 log2 e
    >>> abs(light.rate - 1) < 3 * light.rate_mcse, light.reliable, round(light.bits, 1)
    (True, True, 0.7)
    >>> heavy = boltzmann_fit(rng.standard_t(3, size=20000), 1.0)
    >>> heavy.reliable, heavy.why.split(":")[0]
    (False, 'utility has a heavier tail than exponential')
    """
    utility, own = as_chains(baseline, "baseline"), as_chains(np.atleast_1d(achieved), "achieved")
    shares = _shares(log_measure, np.shape(baseline)).reshape(utility.shape)
    possible = np.isfinite(shares)
    low, high = utility[possible].min(), utility[possible].max()
    if low == high:
        raise CounterfactualError(
            f"got a baseline whose draws all have utility {low}; expected it to vary: else no "
            "weighting prefers anything."
        )
    scale, target = float(high - low), float(own.mean())
    # Differences first: utilities may be huge and close.
    units, aim = (utility - low) / scale, float((target - low) / scale)
    slope = _rate(units.ravel(), shares.ravel(), aim)
    if math.isinf(slope):
        return _beyond(slope, units, aim)
    return _found(slope, units, shares, (own - low) / scale, scale)


def _found(
    slope: float, units: np.ndarray, shares: np.ndarray, mine: np.ndarray, scale: float
) -> BoltzmannFit:
    """Judge a rate by the units of the range."""
    aim = float(mine.mean())
    weights = special.softmax(shares + slope * (units - (slope > 0)))
    rate_mcse, bits_mcse = _errors(units, weights, shares, slope, mine)
    units, shares = units.ravel(), shares.ravel()
    middle = units.size // 2
    halves = np.array([_rate(units[half], shares[half], aim) for half in _halves(middle)])
    log_mean = float(special.logsumexp(shares + slope * units))
    bits = max(0.0, (slope * aim - log_mean) / math.log(2))
    khat = smoothed(shares + slope * units)[1]
    effective = kish_draws(weights.ravel())
    shape, shape_error = _tail_shape(units if slope >= 0 else 1 - units, shares)
    why = _doubts(khat, effective, (shape, shape_error), halves / scale, rate_mcse / scale)
    return BoltzmannFit(
        rate=slope / scale,
        rate_mcse=rate_mcse / scale,
        rate_by_half=halves / scale,
        bits=bits,
        bits_mcse=bits_mcse,
        khat=khat,
        effective=effective,
        largest_weight=float(weights.max()),
        tail_shape=shape,
        tail_shape_mcse=shape_error,
        reliable=not why,
        why=why,
    )


def _shares(log_measure: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    if log_measure is not None and np.shape(log_measure) != shape:
        raise CounterfactualError(
            f"got a log_measure of shape {np.shape(log_measure)} for a baseline of shape {shape}; "
            "expected one mass for each of its draws."
        )
    return log_shares(None if log_measure is None else np.ravel(log_measure), math.prod(shape))


def _halves(middle: int) -> tuple[slice, slice]:
    return slice(None, middle), slice(middle, None)


def _rate(units: np.ndarray, shares: np.ndarray, aim: float) -> float:
    """Solve for λ by the units of the range; infinite where no draw lies beyond the mean."""
    possible = np.isfinite(shares)
    units, shares = units[possible], shares[possible]
    if not units.size or aim >= units.max():
        return math.inf
    if aim <= units.min():
        return -math.inf

    def short(slope: float) -> float:
        top = units.max() if slope > 0 else units.min()
        return float(special.softmax(shares + slope * (units - top)) @ (units - aim))

    far = 1.0 if short(0.0) < 0 else -1.0
    while short(far) * far < 0:
        far *= 2
    return float(optimize.brentq(short, min(far, 0.0), max(far, 0.0), rtol=1e-14, xtol=1e-300))


def _beyond(slope: float, units: np.ndarray, aim: float) -> BoltzmannFit:
    """Say that no weighting of these draws reaches so far."""
    side = "above" if slope > 0 else "below"
    return BoltzmannFit(
        rate=slope,
        rate_mcse=math.inf,
        rate_by_half=np.array([slope, slope]),
        bits=math.inf,
        bits_mcse=math.inf,
        khat=math.inf,
        effective=1.0,
        largest_weight=1.0,
        tail_shape=math.nan,
        tail_shape_mcse=math.inf,
        reliable=False,
        why=(
            f"the mean that was achieved lies at or {side} all {units.size} draws of the baseline "
            f"({abs(aim - (slope > 0)):.3g} of their range beyond the last): no weighting of "
            "these draws reaches it. Draw more, or split the tail (split_tail)."
        ),
    )


def _errors(
    units: np.ndarray, weights: np.ndarray, shares: np.ndarray, slope: float, mine: np.ndarray
) -> tuple[float, float]:
    """Errors of λ and of bits, to first order in what each draw moves."""
    off, over = units - mine.mean(), mine - mine.mean()
    spread = float((weights * np.square(off)).sum())
    rate = [-units.size * weights * off / spread]
    nats = [-units.size * (weights - np.exp(shares))]  # what each moves ln E exp(λu)
    if mine.size > 1:
        rate.append(over / spread)
        nats.append(slope * over)
    return error_of_estimate(rate), error_of_estimate(nats) / math.log(2)


def _tail_shape(units: np.ndarray, shares: np.ndarray) -> tuple[float, float]:
    """Shape of the upper tail of the utility, and its error; without the prior of k-hat."""
    weights = np.exp(shares)
    if np.ptp(weights) > 1e-12 * weights.max():
        count = max(2, int(kish_draws(weights)))
        units = units[equal_draws(weights, count, np.random.default_rng(0))]
    draws = units.size
    tail = int(3 * math.sqrt(draws)) if draws > 225 else draws // 5
    # A fit to the excesses of exp(ln u) is one to those of u.
    with np.errstate(divide="ignore"):
        logs = np.log(units - units.min() + 1e-300)
    khat = smoothed(logs)[1]
    if not math.isfinite(khat) or tail < 5:
        return -math.inf, math.inf
    shape = khat + (khat - 0.5) * 10 / tail
    return shape, (1 + max(shape, 0.0)) / math.sqrt(tail)


def _doubts(
    khat: float,
    effective: float,
    tail: tuple[float, float],
    halves: np.ndarray,
    error: float,
) -> str:
    """Say in words why λ is not to be believed."""
    shape, shape_error = tail
    if shape > _HEAVY * shape_error:
        return (
            f"utility has a heavier tail than exponential: shape {shape:.2f} ± {shape_error:.2f} "
            "where 0 is exponential. Then the weighted law cannot be normalised for any rate, and "
            f"the rate sinks to 0 with more draws. {_RATHER}"
        )
    if doubtful(khat, effective):
        return (
            f"the weights hang on few draws: k-hat {khat:.2f} (at most 0.7 can be believed), "
            f"{effective:.0f} effective draws (at least 100). Draw more. {_RATHER}"
        )
    apart = abs(halves[0] - halves[1])
    if not apart <= _APART * 2 * error:
        return (
            f"the halves of the draws give rates of {halves[0]:.3g} and {halves[1]:.3g}, further "
            f"apart than errors of {error:.2g} explain. Draw more. {_RATHER}"
        )
    return ""
