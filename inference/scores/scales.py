r"""How far might each datum have been otherwise? Given the others, and before any was seen.

.. math:: p(e_j \mid e_{-j}) \approx \sum_t w_{jt}\, p(e_j \mid z_t), \quad
          w_{jt} \propto 1 / p(e_j \mid z_t); \qquad
          \Sigma_e = \mathrm{Cov}(E[e \mid z]) + \mathrm{diag}\, E[\mathrm{Var}(e \mid z)]

Means and variances are those of the site's distribution, where it has them for each element;
else one draw of the datum stands for them in each draw of the latents. Of heavy tails without a
variance, the median and half the central 68 % stand for the mean and the standard deviation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from counterfactual_models.errors import EvidenceError, WorldError
from inference.arrays.weights import pareto_smoothed
from inference.passes import Program
from inference.scores.moments import fill_moments, look_at
from inference.scores.programs import log_prob_of
from inference.scores.rows import Mapped, Rows
from inference.scores.ways import Pins
from inference.simulation import block_size, simulate

__all__ = ["LeftOut", "PriorEvidence", "leave_each_out", "prior_evidence"]

_QUANTILES = (0.158655, 0.5, 0.841345)

Watch = Callable[[int], Any]


@dataclass(frozen=True)
class LeftOut:
    r"""What the other data say of each datum of a site; shapes are the site's.

    Parameters
    ----------
    mean, deviation
        Of :math:`p(e_j \mid e_{-j})`.
    khat
        Of the weights.
    """

    mean: np.ndarray
    deviation: np.ndarray
    khat: np.ndarray


@dataclass(frozen=True)
class PriorEvidence:
    r"""What the prior says of the data of a site.

    Parameters
    ----------
    means
        (prior draw, ...): :math:`E[e_j \mid z]`, or draws of :math:`e_j` itself.
    noise
        Root of :math:`E[\mathrm{Var}(e_j \mid z)]`; 0 where draws are kept.
    """

    means: np.ndarray
    noise: np.ndarray


def leave_each_out(
    program: Program,
    rows: Rows,
    names: Sequence[str],
    log_likelihood: Mapping[str, np.ndarray],
    *,
    fixed: Pins,
    seed: int,
    watch: Watch,
) -> dict[str, LeftOut]:
    """Predict each datum from the others, by Pareto-smoothed importance weights.

    Parameters
    ----------
    program, rows
        The evidence's program, and draws given all the evidence.
    names
        Evidence sites.
    log_likelihood
        Site -> (row, batch shape), of those for which it is known; the others are computed.
    fixed
        Site -> one value for all rows.
    seed
        For data that are drawn.
    watch
        Told how many rows are done.

    Returns
    -------
    dict
        By site. An event of several elements is left out as a whole.

    Raises
    ------
    EvidenceError
        If a draw that the evidence allows has no density; names the site.
    """
    densities = dict(log_likelihood)
    missing = [name for name in names if name not in densities]
    if missing:
        densities |= _gathered(Mapped(program, fixed), rows, missing)
    found, sums = {}, {}
    for name in names:
        density = densities.pop(name)
        own = density.shape[1:]
        with np.errstate(invalid="ignore"):
            total = density.sum(dtype=np.float64)
        if not np.isfinite(total):  # it is finite if all are
            raise EvidenceError(
                f"the log-likelihood of the evidence {name!r} is not finite in some draw; every "
                "draw of the posterior has to be able to happen."
            )
        weights, khat = pareto_smoothed(density.reshape(rows.count, -1).T, inverse=True)
        shape = program.evidence[name].shape
        sums[name] = _Sums(weights, shape)
        each = khat.reshape((*own, *(1,) * (len(shape) - len(own))))
        found[name] = np.broadcast_to(each, tuple(shape)).copy()
    fill_moments(program, rows, names, sums, fixed=fixed, seed=seed, watch=watch)
    result = {}
    for name, khat in found.items():
        mean, deviation = (part.reshape(khat.shape) for part in sums[name].result())
        if not (np.isfinite(mean).all() and np.isfinite(deviation).all()):
            raise EvidenceError(
                f"the evidence {name!r} cannot be predicted from the other data: its distribution "
                "is infinitely wide in some draws."
            )
        result[name] = LeftOut(mean, deviation, khat)
    return result


def prior_evidence(
    program: Program,
    names: Sequence[str],
    read: Sequence[str],
    *,
    draws: int,
    seed: int,
    watch: Watch,
) -> dict[str, PriorEvidence]:
    """Draw from the prior what the data might have been.

    Parameters
    ----------
    program
        The evidence's program.
    names
        Evidence sites.
    read
        Those that other sites read: of these, draws are kept.
    draws, seed
        How many, and from what.
    watch
        Told how many draws are done.

    Returns
    -------
    dict
        By site.

    Raises
    ------
    EvidenceError
        If the prior reaches beyond what numbers can hold.
    """
    sites = program.anatomy.sites
    own = [n for n in read if not sites[n].observed]
    free = {n: v for n, v in program.evidence.items() if n not in own}
    drawn = [n for n, s in sites.items() if not (s.computed or s.observed) and n not in free]
    try:
        found = simulate(
            replace(program, evidence={}),
            {},
            draws=draws,
            key=(seed, "prior evidence"),
            record=drawn,
            size=block_size(program.anatomy, scored=True),
            watch=watch,
        )
    except WorldError as error:
        raise EvidenceError(
            f"the prior of the evidence cannot be drawn: {error} prior_draws=0 goes without it."
        ) from error
    values = {name: value.numpy() for name, value in found.values.items()}
    rows = Rows({}, draws, own=values)
    rest = [name for name in names if name not in own]
    kept = {name: _Kept(draws, program.evidence[name]) for name in rest}
    fill_moments(
        replace(program, evidence=free), rows, rest, kept, fixed={}, seed=seed, watch=watch
    )
    result = {name: each.result() for name, each in kept.items()}
    for name in set(own) & set(names):
        result[name] = PriorEvidence(values[name], np.zeros(values[name].shape[1:]))
    for name, each in result.items():
        if not (np.isfinite(each.means).all() and np.isfinite(each.noise).all()):
            raise EvidenceError(
                f"before the evidence is seen, {name!r} may be infinite: its prior is too wide. "
                "Narrow it, or leave the prior out: prior_draws=0."
            )
    return result


class _Sums:
    """Adds up weighted means and squares, chunk by chunk; of heavy tails it keeps every draw."""

    def __init__(self, weights: np.ndarray, shape: torch.Size) -> None:
        self.weights = weights
        self.events = max(1, shape.numel()) // max(1, len(weights))
        self.draws: np.ndarray | None = None

    def heavy(self) -> None:
        """Expect draws that have no variance."""
        self.draws = np.empty((self.weights.shape[1], len(self.weights), self.events), np.float32)

    def take(self, part: slice, mean: np.ndarray, variance: np.ndarray | None) -> None:
        mean = mean.reshape(len(mean), len(self.weights), self.events).astype(np.float64)
        if self.draws is not None:
            self.draws[part] = mean
            return
        if part.start == 0:
            self.centre = mean.mean(axis=0)
            self.first = np.zeros_like(self.centre)
            self.second = np.zeros_like(self.centre)
        weights = self.weights[:, part].T[:, :, None]
        mean -= self.centre
        self.first += (weights * mean).sum(axis=0)
        np.square(mean, out=mean)
        if variance is not None:
            mean += variance.reshape(mean.shape)
        self.second += (weights * mean).sum(axis=0)

    def finite(self) -> bool:
        return bool(np.isfinite(self.second).all())

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        if self.draws is None:
            spread = np.maximum(self.second - self.first**2, 0.0)
            return self.centre + self.first, np.sqrt(spread)
        low, middle, high = (np.empty(self.draws.shape[1:]) for _ in _QUANTILES)
        for datum, weights in enumerate(self.weights):
            order = np.argsort(self.draws[:, datum], axis=0)
            below = np.cumsum(weights[order], axis=0)
            for level, kept in zip(_QUANTILES, (low, middle, high), strict=True):
                place = np.minimum((below < level).sum(axis=0), len(order) - 1)
                kept[datum] = self.draws[
                    order[place, range(self.events)], datum, range(self.events)
                ]
        return middle, (high - low) / 2


class _Kept:
    """Keeps means, and adds up variances."""

    def __init__(self, draws: int, like: torch.Tensor) -> None:
        self.total = np.zeros(())
        self.means = np.empty((draws, *like.shape), like.numpy().dtype)

    def take(self, part: slice, mean: np.ndarray, variance: np.ndarray | None) -> None:
        self.means[part] = mean
        if part.start == 0:
            self.total = np.zeros(mean.shape[1:])
        if variance is not None:
            self.total += variance.sum(axis=0, dtype=np.float64)

    def heavy(self) -> None:
        """Expect draws that have no variance: they are kept anyway."""

    def finite(self) -> bool:
        return bool(np.isfinite(self.means).all() and np.isfinite(self.total).all())

    def result(self) -> PriorEvidence:
        return PriorEvidence(self.means, np.sqrt(self.total / len(self.means)))


def _gathered(way: Mapped, rows: Rows, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Compute densities of evidence in all rows."""
    found: dict[str, np.ndarray] = {}

    def take(part: slice, values: dict[str, torch.Tensor]) -> None:
        for name in names:
            value = values[name].numpy()
            if part.start == 0:
                found[name] = np.empty((rows.count, *value.shape[1:]), value.dtype)
            found[name][part] = value

    wanted = {name: (name, log_prob_of) for name in names}
    way.over(look_at(wanted), rows, take)
    return found
