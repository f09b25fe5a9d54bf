"""Who is chosen at which weight of the penalty, and how far does noise decide?

Values are lines in the weight: :mod:`inference.arrays.envelope`. Blocks of draws are drawn again
with replacement, for all worlds together; every penalty is moved by its own error, independently
of the others. As all are held against the same erased world, differences of penalties are better
known than that: noise is said to decide rather too often than too rarely.
"""

from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import xarray as xr

from inference.arrays.blocks import block_bounds, effective_draws, widening
from inference.arrays.envelope import intervals, replicate_means, winners
from inference.schema import DISCIPLE, ERASED

__all__ = ["FEWEST_EFFECTIVE", "WEIGHT", "Lines", "lines", "tradeoff"]

WEIGHT = "weight"
FEWEST_EFFECTIVE = 10.0
"""Draws worth fewer than this decide nothing."""
ENDS = ("weight_from", "weight_to")
NOT_RARE = 0.05
GRID, BEYOND = 81, 30.0
"""Weights at which shares are told, and how many times beyond the last that matters they go."""


@dataclass(frozen=True)
class Lines:
    """What letting each in gains, and what it is charged; the first lets nobody in.

    Parameters
    ----------
    names
        Of the options.
    utility
        E[U] where each is let in, (option,).
    gains, costs
        P(X=1) times the utility beyond the erased world's, and times the penalty, (option,).
    utilities, gained, charged
        The same in every replicate, (replicate, option).
    effective
        Effective draws of the utility, in the world where it moves most slowly.
    """

    names: list[str]
    utility: np.ndarray
    gains: np.ndarray
    costs: np.ndarray
    utilities: np.ndarray
    gained: np.ndarray
    charged: np.ndarray
    effective: float

    def shares(self, weight: float) -> np.ndarray:
        """Share of replicates in which each is chosen."""
        return winners(self.gained, self.charged, weight).mean(axis=0)

    def best(self, weight: float) -> int:
        """Place of the one that is chosen; of several, the first."""
        return int(np.argmax(winners(self.gains, self.costs, weight)))

    def value(self, weight: float) -> tuple[np.ndarray, np.ndarray]:
        """Take the weighted penalty off the expected utility; and the error of that."""
        expected = self.utilities[:, :1] + self.gained
        if np.isinf(weight):
            value = np.where(self.costs > 0, -np.inf, self.utility[0] + self.gains)
            return value, np.where(self.costs > 0, np.inf, expected.std(axis=0, ddof=1))
        value = self.utility[0] + self.gains - weight * self.costs
        return value, (expected - weight * self.charged).std(axis=0, ddof=1)


def lines(
    values: xr.DataArray,
    penalty: xr.Dataset,
    *,
    switch_probability: float,
    latents: float,
    replicates: int,
    seed: int,
) -> Lines:
    """Average utilities, draw their blocks again, and move the penalties by their errors.

    Parameters
    ----------
    values
        Utility of every draw, dims disciple (``erased`` first), chain, draw[, future].
    penalty
        From :func:`inference.penalties.evaluate`, for the same disciples without ``erased``.
    switch_probability
        P(X=1).
    latents
        Effective draws of the slowest latent.
    replicates, seed
        How many, and the seed of what they draw.

    Returns
    -------
    Lines

    Examples
    --------
    >>> names = ["erased", "modest"]
    >>> ones = np.broadcast_to([[[0.0]], [[1.0]]], (2, 4, 100))
    >>> values = xr.DataArray(ones, {"disciple": names}, ["disciple", "chain", "draw"])
    >>> known = {"penalty": ("disciple", [0.2]), "mcse": ("disciple", [0.0])}
    >>> penalty = xr.Dataset(known, coords={"disciple": names[1:]})
    >>> options = {"switch_probability": 0.5, "latents": np.inf, "replicates": 100, "seed": 0}
    >>> lines(values, penalty, **options).gains
    array([0. , 0.5])
    """
    worlds, chains, draws, *futures = values.shape
    effective = min(float(effective_draws(values.values[None]).min()), latents)
    bounds = block_bounds(chains, draws, *futures, effective=effective)
    mean, again = replicate_means(
        values.values.reshape(worlds, -1),
        bounds=bounds,
        replicates=replicates,
        wider=float(widening(max(effective, FEWEST_EFFECTIVE), len(bounds) - 1)),
        rng=np.random.default_rng(seed),
    )
    names = [str(name) for name in values[DISCIPLE].values]
    costs, moved = np.zeros(worlds), np.zeros((replicates, worlds))
    for place, name in enumerate(names[1:], start=1):
        own = penalty.sel({DISCIPLE: name})
        costs[place] = float(own["penalty"])
        # By name: one disciple more or less leaves the others' noise as it was.
        noise = np.random.default_rng([seed, crc32(name.encode())]).normal(size=replicates)
        moved[:, place] = np.maximum(0.0, costs[place] + float(own["mcse"]) * noise)
    p = switch_probability
    gains, gained = p * (mean - mean[0]), p * (again - again[:, :1])
    return Lines(names, mean, gains, p * costs, again, gained, p * moved, effective)


def tradeoff(found: Lines, weight: float) -> xr.Dataset:
    """Follow the upper envelope over all weights, and that of every replicate.

    Parameters
    ----------
    found
        From :func:`lines`.
    weight
        One that shall be among those at which shares are told.

    Returns
    -------
    xr.Dataset
        By disciple: ``weight_from``, ``weight_to`` with ``_lower`` and ``_upper``,
        ``share_ever``, ``reason``; by weight: ``chosen``, ``share``.
    """
    names = np.array(found.names, dtype=object)
    point = dict(zip(ENDS, intervals(found.gains, found.costs), strict=True))
    again = dict(zip(ENDS, intervals(found.gained, found.charged), strict=True))
    curve: dict[str, Any] = {end: (DISCIPLE, values) for end, values in point.items()}
    for end, values in again.items():
        for side, level in (("lower", 0.025), ("upper", 0.975)):
            curve[f"{end}_{side}"] = DISCIPLE, [_quantile(own, level) for own in values.T]
    curve["share_ever"] = DISCIPLE, np.isfinite(again["weight_from"]).mean(axis=0)
    never = np.isnan(point["weight_from"])
    reasons = [_reason(found, own) if never[own] else "" for own in range(len(names))]
    curve["reason"] = DISCIPLE, np.array(reasons, dtype=object)
    likely = curve["share_ever"][1] >= NOT_RARE
    early = [np.array(curve[f"{end}_lower"][1])[likely] for end in ENDS]
    grid = _grid(np.concatenate([*point.values(), *early, [weight]]))
    curve["chosen"] = WEIGHT, names[[found.best(at) for at in grid]]
    curve["share"] = (WEIGHT, DISCIPLE), np.array([found.shares(at) for at in grid])
    return xr.Dataset(curve, coords={DISCIPLE: names, WEIGHT: grid})


def _quantile(values: np.ndarray, level: float) -> float:
    """Take a quantile that is one of the values: between two infinite ones there is no number."""
    told = values[~np.isnan(values)]
    return float(np.quantile(told, level, method="inverted_cdf")) if len(told) else np.nan


def _grid(breaks: np.ndarray) -> np.ndarray:
    """Weights from 0 to beyond all that matter, these among them."""
    known = breaks[np.isfinite(breaks) & (breaks > 0)]
    known = known if len(known) else np.ones(1)
    low, high = known.min() / BEYOND, min(known.max(), 1e300) * BEYOND
    return np.unique(np.concatenate([[0.0], known, np.geomspace(low, high, GRID)]))


def _reason(found: Lines, own: int) -> str:
    """Say why no weight chooses this one."""
    gain, cost = found.gains - found.gains[own], found.costs - found.costs[own]
    for better, said in (
        ((gain >= 0) & (cost <= 0) & ((gain > 0) | (cost < 0)), "gains no less and costs no more"),
        ((gain == 0) & (cost == 0) & (np.arange(len(gain)) < own), "comes first of equals"),
    ):
        if better.any():
            return f"{_who(found.names[int(np.argmax(better))])} {said}"
    with np.errstate(divide="ignore", invalid="ignore"):
        equal = gain / cost
    dear = int(np.argmax(np.where(cost > 0, equal, -np.inf)))
    cheap = int(np.argmin(np.where(cost < 0, equal, np.inf)))
    return (
        f"{_who(found.names[dear])} is worth more up to {equal[dear]:.3g}, and "
        f"{_who(found.names[cheap])} from {equal[cheap]:.3g} on"
    )


def _who(name: str) -> str:
    return "nobody" if name == ERASED else repr(name)
