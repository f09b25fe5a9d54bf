r"""By how much do the measurements of two trees of worlds differ, the evidence of one revised?

Where one is the other's draws under weights, or both have the same chains and draws, they share
noise: errors are those of differences, block by block. Else both errors add as squares.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from inference.arrays.blocks import block_bounds, effective_draws, widening
from inference.arrays.reweighting import block_errors, moved_means
from inference.arrays.total_variation import FEWEST_EFFECTIVE
from inference.diagnostics.soundness import refuse_few, refuse_holes, slowest_latent
from inference.schema import CHAIN, DISCIPLE, DRAW, FUTURE, MEASUREMENT, flatten

__all__ = ["revision_table"]

LONG_NAMES = {
    "now": "mean with the evidence as it is",
    "revised": "mean with the revised evidence",
    "change": "revised less now",
    "mcse": "Monte Carlo standard error of the change",
    "impact_change": "change of the difference between the disciple and erased",
    "impact_mcse": "Monte Carlo standard error of the change of that difference",
}


def revision_table(
    before: xr.DataTree,
    after: xr.DataTree | np.ndarray,
    *,
    disciples: Sequence[str],
    measurements: Sequence[str] | str | None = None,
    left: float = 1.0,
) -> xr.Dataset:
    """Compare means before and after.

    Parameters
    ----------
    before
        A tree of worlds.
    after
        Another of the same worlds; or weights of the draws of `before`, adding up to 1.
    disciples, measurements
        Names to keep; measurements by default all.
    left
        Share of the draws of `before` that earlier weights have left: errors are divided by its
        root, for blocks see too little of what uneven copies of draws do to weights of these.

    Returns
    -------
    xr.Dataset
        Dims disciple (``erased`` first) and measurement: ``now``, ``revised``, ``change``,
        ``mcse``, ``impact_change``, ``impact_mcse``, in units of the measurement. An error is
        infinite where the draws are worth fewer than ten.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> level = rng.normal([[[0.0]], [[1.0]]], size=(2, 4, 1000))
    >>> drawn = xr.Dataset(
    ...     {"level": (["disciple", "chain", "draw"], level, {"role": "measurement"})},
    ...     coords={"disciple": ["erased", "push"]},
    ... )
    >>> tree = xr.DataTree.from_dict({"predictions": drawn})
    >>> found = revision_table(tree, np.full(4000, 1 / 4000), disciples=["push"])
    >>> abs(found["change"].sel(disciple="push", measurement="level").item()) < 1e-12
    True
    """
    old = _Means(before, disciples, measurements)
    if isinstance(after, np.ndarray):
        change, errors = old.weighed(after)
    else:
        change, errors = old.against(_Means(after, disciples, measurements))
    found = {
        "now": old.mean,
        "revised": old.mean + change,
        "change": change,
        "mcse": errors[0] / left**0.5,
        "impact_change": change - change[:1],
        "impact_mcse": errors[1] / left**0.5,
    }
    return xr.Dataset(
        {n: ((DISCIPLE, MEASUREMENT), v, {"long_name": LONG_NAMES[n]}) for n, v in found.items()},
        coords=old.coords,
    )


class _Means:
    """Means of the measurements of a tree over its futures, and how well they are known."""

    def __init__(
        self, tree: xr.DataTree, disciples: Sequence[str], measurements: Sequence[str] | str | None
    ) -> None:
        flat = flatten(tree, disciples=disciples, measurements=measurements)
        refuse_holes(flat)
        refuse_few(flat)
        sizes = effective_draws(np.ascontiguousarray(flat.values)).T
        self.sizes = np.minimum(sizes, slowest_latent(tree))
        self.chains, self.draws = flat.sizes[CHAIN], flat.sizes[DRAW]
        self.coords: dict[str, Any] = {
            dim: flat[dim].values.astype(object) for dim in (DISCIPLE, MEASUREMENT)
        }
        averaged = flat.mean(FUTURE, dtype=float) if FUTURE in flat.dims else flat.astype(float)
        values = averaged.transpose(DISCIPLE, MEASUREMENT, CHAIN, DRAW).values
        self.values = values.reshape(*values.shape[:2], -1)
        self.mean = self.values.mean(axis=2)

    def weighed(self, weights: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Change of the means under weights, with errors of it and of its difference to erased."""
        bounds = self._bounds(self.sizes)
        columns = self.values.reshape(-1, self.values.shape[2])
        change, shares = moved_means(columns, weights[None], bounds=bounds)
        shares = shares.reshape(-1, *self.mean.shape)
        return change.reshape(self.mean.shape), _errors(shares, self.sizes)

    def against(self, other: "_Means") -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Change of the means to those of another tree, with the same two errors."""
        change = other.mean - self.mean
        if (self.chains, self.draws) == (other.chains, other.draws):
            sizes = np.minimum(self.sizes, other.sizes)
            shares = _shares(other.values - self.values, self._bounds(sizes))
            return change, _errors(shares, sizes)
        own, others = (
            _errors(_shares(one.values, one._bounds(one.sizes)), one.sizes)
            for one in (self, other)
        )
        return change, (np.hypot(own[0], others[0]), np.hypot(own[1], others[1]))

    def _bounds(self, sizes: np.ndarray) -> np.ndarray:
        return block_bounds(self.chains, self.draws, effective=float(sizes.min()))


def _shares(values: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Shares of blocks in the error of each mean, first axis = blocks."""
    centred = values - values.mean(axis=2, keepdims=True)
    shares = np.add.reduceat(centred, bounds[:-1], axis=2) / values.shape[2]
    return shares.transpose(2, 0, 1)


def _errors(shares: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    wider = widening(np.maximum(sizes, FEWEST_EFFECTIVE), len(shares))
    own = block_errors(shares, wider)
    apart = block_errors(shares - shares[:, :1], np.maximum(wider, wider[:1]))
    told = sizes >= FEWEST_EFFECTIVE
    return np.where(told, own, np.inf), np.where(told & told[:1], apart, np.inf)
