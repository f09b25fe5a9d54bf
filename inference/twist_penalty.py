r"""What does it cost to move the worlds that a measure M prizes?

.. math::
    \mathrm{tv:}\quad \operatorname{mean}_k \mathrm{TV}_k(M\,P(e,S,1),\, M\,P(e,S,0)), \qquad
    \mathrm{log\ ratio:}\quad \frac1\beta \Big| \log \frac{Z_1}{Z_0} \Big|

**Noise is not to be charged.** A measurement enters the mean with the sign of what it shows beyond
its floor, sign(d) sqrt(\|d\|) with d = plugin² - floor²; one that is nearer than the same world
would be in 99 draws of 100 counts 0; only the mean is cut off at 0. Of the log ratio r, with the
error s, sqrt(max(0, r² - s²))/β nats are charged: per power, nats of M itself, from log E[M] at
β = 1 to E[log M] near 0. Else whoever makes M uneven, and so lowers β, would lower every charge.

**A loophole is left.** A disciple in whose world M is uneven still lowers the β at which ``tv`` is
compared, for all; near 0 that is the tv without M. Against an accomplice, ask for a ``power=``.

**What is not supported is not free.** A disciple in whose world no power of M can be weighed is
charged the most there is: 1, or 708 nats, what M would have to fall short by for a computer to
take it for 0, or as much as the greatest charge of another, or the difference of the mean log M,
where these are more. It says so in ``reason``, and the others are compared without it. Where the
erased world supports none, everybody is charged so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import CounterfactualError, nearest
from inference.arrays.total_variation import FEWEST_EFFECTIVE
from inference.beyond_floors import FLIPS, beyond_floor
from inference.diagnostics.twist import twist as twisted
from inference.diagnostics.weighing import log_measure_values
from inference.schema import DISCIPLE, ERASED, MEASUREMENT, predictions

__all__ = ["TwistPenalty", "twist"]

_NULL = 0.3426
"""Mean of sqrt(max(0, z² - 1)) for a standard normal z."""
_MOST = {"tv": 1.0, "log_ratio": float(-np.log(np.finfo(float).tiny))}


@dataclass(frozen=True)
class TwistPenalty:
    """A penalty on what is moved in the twisted worlds; make one with :func:`twist`.

    Parameters
    ----------
    log_measure, of, power, measurements, seed
        As there.
    """

    log_measure: Callable[[Mapping[str, Any]], Any] | xr.DataArray
    of: str = "tv"
    power: float | None = None
    measurements: tuple[str, ...] | None = None
    seed: int = 0

    def __call__(
        self, worlds: xr.DataTree | xr.Dataset, /, disciples: Sequence[str] | str | None = None
    ) -> xr.Dataset:
        """Charge every disciple for how far it moves what M prizes."""
        shown = self._shown(worlds, disciples)
        names = [str(name) for name in shown[DISCIPLE].values]
        lost = (shown["supported"].values == 0) & (self.power is None)
        if lost.any() and not lost.all():
            kept = [name for name, gone in zip(names, lost, strict=True) if not gone]
            shown = xr.concat(
                [self._shown(worlds, kept), shown.isel({DISCIPLE: lost})],
                dim=DISCIPLE,
                combine_attrs="override",
            ).sel({DISCIPLE: names})
        found = (_variation if self.of == "tv" else _ratio)(shown)
        told = np.isfinite(found["penalty"]) & np.isfinite(found["mcse"])
        told = told & (shown["reliable"] | (self.power is not None))
        if not told.all():
            most = self._most(worlds, found["penalty"].where(told))
            found["penalty"] = found["penalty"].where(told, xr.DataArray(most, dims=DISCIPLE))
        for name in ("mcse", "floor"):
            found[name] = found[name].where(told, 0.0)
        doubted = np.where(shown["reliable"], "", shown["reason"]).astype(object)
        found["reason"] = DISCIPLE, doubted
        return found.assign_attrs(power=shown.attrs["power"])

    def _most(self, worlds: xr.DataTree | xr.Dataset, told: xr.DataArray) -> np.ndarray:
        """Say what is charged where nothing is told: never less than anybody who is told of."""
        if self.of == "tv":
            return np.full(told.size, _MOST["tv"])
        drawn, names = predictions(worlds), [str(name) for name in told[DISCIPLE].values]
        values = log_measure_values(drawn, [ERASED, *names], self.log_measure)
        means = values.values.reshape(len(values), -1).mean(axis=1)
        # Where M rules worlds out the mean is infinite, and says nothing.
        sure = np.isfinite(means[1:]) & np.isfinite(means[0])
        apart = np.abs(np.subtract(means[1:], means[0], out=np.zeros(len(sure)), where=sure))
        return np.maximum(apart, max(_MOST["log_ratio"], told.max().fillna(0.0).item()))

    def _shown(
        self, worlds: xr.DataTree | xr.Dataset, disciples: Sequence[str] | str | None
    ) -> xr.Dataset:
        return twisted(
            worlds,
            self.log_measure,
            power=self.power,
            disciples=disciples,
            measurements=self.measurements,
            flips=FLIPS,
            seed=self.seed,
        )


def twist(
    log_measure: Callable[[Mapping[str, Any]], Any] | xr.DataArray,
    *,
    of: str = "tv",
    power: float | None = None,
    measurements: Sequence[str] | str | None = None,
    seed: int = 0,
) -> TwistPenalty:
    r"""Make a penalty of how far worlds differ once a measure M reweighs them.

    Parameters
    ----------
    log_measure
        log M, as for :func:`inference.diagnostics.twist`.
    of
        ``tv``, the mean over measurements of the twisted total variation, in [0, 1]; or
        ``log_ratio``, \|log Z₁/Z₀\| of M to a power, over the power: nats of M, from 0 on. Who
        makes the worlds that M prizes likelier is charged like who makes them rarer.
    power
        Of M, in (0, 1]; by default the largest that all worlds support, which a disciple in whose
        world M is uneven lowers for all. Of M to a power that is asked for, what is not supported
        is charged as it is estimated, with a reason.
    measurements
        Names to keep, for ``tv``.
    seed
        Of the random signs behind the floors.

    Returns
    -------
    TwistPenalty
        To be given to :func:`inference.choose`, alone or in a dict with weights.

    Raises
    ------
    CounterfactualError
        If ``of`` is something else, or the power is none.

    Examples
    --------
    >>> clips = np.random.default_rng(0).normal([[[0.0]], [[0.0]], [[2.0]]], size=(3, 4, 1000))
    >>> drawn = xr.Dataset(
    ...     {"clips": (["disciple", "chain", "draw"], clips, {"role": "measurement"})},
    ...     coords={"disciple": ["erased", "idle", "greedy"]},
    ... )
    >>> charged = twist(lambda measured: 0.5 * measured["clips"], of="log_ratio")(drawn)
    >>> charged["penalty"].sel(disciple="idle").item() < 0.05
    True
    >>> abs(charged["penalty"].sel(disciple="greedy").item() - 1.0) < 0.1
    True
    """
    if of not in _MOST:
        raise CounterfactualError(f"got of={of!r}. {nearest(of, _MOST)}")
    if power is not None and not 0 < power <= 1:
        raise CounterfactualError(
            f"got power={power!r}; expected a number above 0, up to 1, or None for the largest "
            "that the draws support: at 0 there is no measure, which coarse_graining charges."
        )
    kept = (measurements,) if isinstance(measurements, str) else measurements
    chosen = None if kept is None else tuple(map(str, kept))
    return TwistPenalty(log_measure, of, power, chosen, seed)


def _variation(shown: xr.Dataset) -> xr.Dataset:
    """Mean over measurements of what lies beyond the floor; unknown where one is."""
    found = beyond_floor(shown)
    # Where draws are worth too little to tell it, the error may be all there is.
    found["mcse"] = found["mcse"].where(shown["ess"] >= FEWEST_EFFECTIVE, 1.0)
    found = found.mean(MEASUREMENT, skipna=False)
    return found.assign(penalty=found["penalty"].clip(min=0.0))


def _ratio(shown: xr.Dataset) -> xr.Dataset:
    """Take the error away from the log ratio, of M itself: per power."""
    power = shown.attrs["power"] or 1.0
    ratio, error = shown["log_ratio"] / power, shown["log_ratio_mcse"] / power
    beyond = (ratio**2 - error**2).clip(min=0.0) ** 0.5
    return xr.Dataset({"penalty": beyond, "mcse": error, "floor": _NULL * error})
