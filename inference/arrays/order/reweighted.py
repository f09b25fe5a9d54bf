r"""How unlikely is without the disciple what the worlds with it often reach?

.. math:: P(e,S,0)(u \ge t) = \mathrm{E}_{P(e,S,1)}\left[\frac{p_0(w)}{p_1(w)}
          \mathbf 1\{u(w) \ge t\}\right]

The disciple's own worlds are where the tail is that it reached, and no draw of the baseline need
be there. The log ratio of densities is the sum, over the sites that the disciple changed, of their
log probabilities without it minus those with it, at the same values. The densities must be
normalised: a constant that is added to all log ratios shifts all bits. Where worlds of P(e,S,0)
reach the target in ways that P(e,S,1) never takes, the bits are too many, and no draw tells.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError
from inference.arrays.blocks import effective_draws
from inference.arrays.order.chain_errors import as_chains, blocks_of_draws, error_of_estimate
from inference.arrays.order.exceedance import bits_of
from inference.arrays.reweighting import block_errors
from inference.arrays.weights import HEAVIEST, smoothed

__all__ = ["FEWEST_WEIGHED", "ReweightedBits", "reweighted_bits"]

FEWEST_WEIGHED = 25
"""Effective draws that must reach a target for their weights to tell anything."""
_JUDGED = 64
_UNNORMALISED, _ROUNDING = 4.0, 1e-6


@dataclass(frozen=True)
class ReweightedBits:
    """Bits of targets in the baseline by the weighed draws of another world.

    Parameters
    ----------
    bits, mcse
        Shaped as the targets; infinite where no draw reaches the target, and then no bound.
    log_probability
        Natural logarithm of P(e,S,0)(u >= t).
    hits
        Draws that reach it.
    effective
        Kish's effective number of these, by their weights.
    khat
        Shape of the tail of their weights; ``inf`` where there are too few.
    reliable
        k-hat under 0.7, at least 25 effective draws that reach the target, and ratios whose mean
        is not above one. No guarantee: k-hat judges the weights that were drawn, and a world
        much narrower than the baseline in what the tail is made of may draw only light ones.
    mean_ratio, mean_ratio_mcse
        Mean of p0/p1 over all draws. It is 1 where P(e,S,1) goes wherever P(e,S,0) does. Less of
        it says how much of the baseline these draws never see, which is to be expected of a strong
        disciple, or that densities were not normalised; more can only be the latter.
    """

    bits: np.ndarray
    mcse: np.ndarray
    log_probability: np.ndarray
    hits: np.ndarray
    effective: np.ndarray
    khat: np.ndarray
    reliable: np.ndarray
    mean_ratio: float
    mean_ratio_mcse: float


def reweighted_bits(
    log_ratio: np.ndarray,
    utility: np.ndarray,
    targets: np.ndarray | float,
    *,
    effective: float | None = None,
) -> ReweightedBits:
    r"""How many bits are targets worth, by draws of a world that reaches them?

    The weights of the draws that reach a target are Pareto-smoothed by themselves. Of more than
    64 distinct numbers of hits, 64 are judged, spread evenly in their logarithm. Between them the
    plain sum is exact; what smoothing changes, errors and effective numbers are interpolated, and
    k-hat is the larger of the neighbours'.

    Parameters
    ----------
    log_ratio
        log p0 - log p1 of draws of P(e,S,1), **normalised** densities; shape (draw,),
        (chain, draw) or (chain, draw, future). ``-inf`` for worlds that P(e,S,0) rules out.
    utility
        Of the same draws.
    targets
        Any shape.
    effective
        How many independent draws the draws are worth; found from utility and ratios if None.

    Returns
    -------
    ReweightedBits
        Errors come from blocks of draws.

    Raises
    ------
    CounterfactualError
        If shapes differ, or a number is NaN or infinite (but for log ratios of ``-inf``).

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), "Pareto smoothed importance sampling", *JMLR*
    25.

    Examples
    --------
    A disciple shifts a unit normal by 4; the baseline reaches 4 with 14.946 bits.

    >>> utility = np.random.default_rng(0).normal(4.0, 1.0, size=(4, 1000))
    >>> found = reweighted_bits(8.0 - 4.0 * utility, utility, [4.0, 5.0])
    >>> bool(np.all(np.abs(found.bits - [14.946, 21.734]) < 4 * found.mcse)), found.reliable
    (True, array([ True,  True]))
    """
    ratios, values, wanted = _checked(log_ratio, utility, targets)
    size = _effective(ratios, values) if effective is None else effective
    rows, draws = values.size, values[..., 0].size
    order = np.argsort(-values, axis=None, kind="stable")
    best_first = ratios.ravel()[order]
    hits = np.searchsorted(-values.ravel()[order], -wanted.ravel(), side="right")
    some = hits > 0
    log_chance = np.full(hits.shape, -np.inf)
    log_chance[some] = np.logaddexp.accumulate(best_first)[hits[some] - 1] - np.log(rows)
    bounds, wider = blocks_of_draws(*values.shape[:2], effective=size)
    block = np.searchsorted(bounds, order // values.shape[2], side="right") - 1
    judged = _judged(best_first, block, bounds / draws, hits[some], wider)
    told = _between(judged, hits)
    log_chance = log_chance + told["change"]
    mean, mean_error, normalised = _mean_ratio(ratios, size)
    enough = np.minimum(hits, told["kish"]) * min(1.0, size / draws) >= FEWEST_WEIGHED
    known = (told["khat"] < HEAVIEST) & enough & np.isfinite(told["error"]) & normalised
    found = {
        "bits": bits_of(np.minimum(log_chance, 0.0)),
        "mcse": told["error"] / np.log(2),
        "log_probability": log_chance,
        "hits": hits,
        "effective": told["kish"],
        "khat": told["khat"],
        "reliable": known,
    }
    shaped = {name: one.reshape(wanted.shape) for name, one in found.items()}
    return ReweightedBits(**shaped, mean_ratio=mean, mean_ratio_mcse=mean_error)


def _checked(
    log_ratio: np.ndarray, utility: np.ndarray, targets: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ratios = as_chains(log_ratio, "log_ratio", impossible=True)
    values = as_chains(utility, "utility")
    if ratios.shape != values.shape:
        raise CounterfactualError(
            f"got log_ratio of shape {np.shape(log_ratio)} and utility of shape "
            f"{np.shape(utility)}; expected one of each for every draw."
        )
    wanted = np.asarray(targets, dtype=float)
    if np.isnan(wanted).any():
        raise CounterfactualError("got a target that is NaN; expected numbers to be reached.")
    return ratios, values, wanted


def _effective(ratios: np.ndarray, values: np.ndarray) -> float:
    """Effective draws of the slower one of utility and ratio."""
    possible = np.isfinite(ratios)
    lowest = ratios.min(initial=np.inf, where=possible)
    least = lowest - 1 if np.isfinite(lowest) else 0.0
    both = np.stack([values, np.where(possible, ratios, least)])[:, None]
    return float(effective_draws(both).min())


def _judged(
    best_first: np.ndarray,
    block: np.ndarray,
    shares: np.ndarray,
    hits: np.ndarray,
    wider: np.ndarray | float,
) -> dict[str, np.ndarray]:
    """Smooth the weights of the best draws, for some numbers of them."""
    counts = np.unique(hits)
    if len(counts) > _JUDGED:
        even = np.geomspace(counts[0], counts[-1], _JUDGED)
        counts = counts[np.unique(np.searchsorted(counts, even).clip(0, len(counts) - 1))]
    found = [_smoothed(best_first[:count], block[:count], shares, wider) for count in counts]
    names = "change", "khat", "kish", "error"
    columns = np.array(found, dtype=float).reshape(len(counts), len(names)).T
    return {"counts": counts} | dict(zip(names, columns, strict=True))


def _smoothed(
    logs: np.ndarray, block: np.ndarray, shares: np.ndarray, wider: np.ndarray | float
) -> tuple[float, float, float, float]:
    """Change of the log sum by smoothing, k-hat, Kish's number, error of the log sum."""
    possible = np.isfinite(logs)
    if not possible.any():
        return 0.0, np.inf, 0.0, np.inf
    logs, block = logs[possible], block[possible]
    weights, khat = smoothed(logs)
    # Smoothing leaves all but a fifth of the weights alone: they keep the scale, the sum may move.
    untouched = len(logs) - len(logs) // 5 - 1
    kept = np.argpartition(logs, untouched)[untouched]
    change = 0.0
    if weights[kept] > 0:
        change = float(logs[kept] - np.log(weights[kept]) - special.logsumexp(logs))
    own = np.bincount(block, weights=weights, minlength=len(shares) - 1) - np.diff(shares)
    error = float(block_errors(own, wider)) if len(own) > 1 else np.inf
    return change, khat, float(1 / np.square(weights).sum()), error


def _between(judged: dict[str, np.ndarray], hits: np.ndarray) -> dict[str, np.ndarray]:
    """Interpolate what was judged in the logarithm of the number of hits."""
    counts = judged["counts"]
    none = hits == 0
    if not counts.size:
        still = np.zeros(hits.shape)
        return {"change": still, "kish": still, "khat": still + np.inf, "error": still + np.inf}
    at = np.log(np.maximum(hits, 1))
    above = np.searchsorted(counts, hits).clip(0, len(counts) - 1)
    below = np.where(counts[above] == hits, above, np.maximum(above - 1, 0))
    told = {"change": np.where(none, 0.0, np.interp(at, np.log(counts), judged["change"]))}
    told["kish"] = np.where(none, 0.0, np.interp(at, np.log(counts), judged["kish"]))
    told["khat"] = np.where(none, np.inf, np.maximum(judged["khat"][above], judged["khat"][below]))
    ends = judged["error"][below], judged["error"][above]
    finite = np.where(np.isfinite(judged["error"]), judged["error"], 0.0)
    error = np.interp(at, np.log(counts), finite)
    told["error"] = np.where(none | np.isinf(ends[0]) | np.isinf(ends[1]), np.inf, error)
    return told


def _mean_ratio(ratios: np.ndarray, effective: float) -> tuple[float, float, bool]:
    """Mean of p0/p1, its error, and whether it may be one or less."""
    peak = ratios.max()
    if np.isneginf(peak):
        return 0.0, 0.0, True
    scaled = np.exp(ratios - peak)
    mean = scaled.mean()
    error = error_of_estimate([scaled - mean], effective)
    with np.errstate(over="ignore", divide="ignore"):
        found = np.exp(peak + np.log([mean, error]))
        normalised = mean - _UNNORMALISED * error <= np.exp(-peak) * (1 + _ROUNDING)
    return float(found[0]), float(found[1]), bool(normalised)
