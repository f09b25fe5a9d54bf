r"""How are all worlds weighed by a measure, to what power, and what stands in the way?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import MeasurementError
from inference.arrays.blocks import effective_draws
from inference.arrays.twisting import (
    FEWEST_KEPT,
    WeighedWorld,
    largest_power,
    weighed_world,
)
from inference.arrays.weights import HEAVIEST
from inference.schema import CHAIN, DISCIPLE, DRAW, FUTURE, sample_dims
from inference.utility_values import utility_values

__all__ = ["LogMeasure", "Weighing", "log_measure_values", "reasons", "weighing_of"]

LogMeasure = Callable[[Mapping[str, Any]], Any] | xr.DataArray
"""log M of what was measured, or an array of it."""


@dataclass(frozen=True)
class Weighing:
    """The power, and what M to that power makes of every world; made by :func:`weighing_of`.

    Parameters
    ----------
    power
        That is used for all worlds.
    asked
        Whether it was asked for.
    supported
        Largest power that each disciple's and the erased world support, shape (world - 1,).
    worlds
        At the power used, or at 1 where none is supported; the erased one first.
    sizes
        Effective draws of the chains of log M, shape (world,).
    draws
        Posterior draws.
    """

    power: float
    asked: bool
    supported: np.ndarray
    worlds: list[WeighedWorld]
    sizes: np.ndarray
    draws: int

    @property
    def void(self) -> bool:
        """Whether no power is supported, and none was asked for."""
        return self.power == 0 and not self.asked

    @property
    def reliable(self) -> np.ndarray:
        """Whether the weights of a disciple's and of the erased world can be trusted."""
        if self.asked and self.power == 0:
            return np.full(len(self.worlds) - 1, True)
        holds = np.array([world.supported for world in self.worlds])
        return holds[1:] & holds[0] & (not self.void)

    @property
    def known(self) -> np.ndarray:
        """Whether there is anything to be shown, reliable or not."""
        possible = np.array([world.possible for world in self.worlds])
        return possible[1:] & possible[0] & (not self.void)

    @property
    def worth(self) -> np.ndarray:
        """Share of its draws that the weights leave to each comparison."""
        shares = np.array([w.ess for w in self.worlds]) / self.sizes
        return np.minimum(shares[1:], shares[0])

    @property
    def pairs(self) -> np.ndarray:
        """Effective draws of the chains of log M, of each comparison."""
        return np.minimum(self.sizes[1:], self.sizes[0])


def log_measure_values(
    drawn: xr.Dataset, wanted: list[str], log_measure: LogMeasure
) -> xr.DataArray:
    """Find log M of every draw, the erased world first; -inf where it rules one out.

    Parameters
    ----------
    drawn
        Worlds, as :func:`inference.schema.predictions` gives them.
    wanted
        Names of the worlds, the erased one first.
    log_measure
        A function of measured values, or an array.

    Returns
    -------
    xr.DataArray
        Dims disciple, chain, draw[, future].

    Raises
    ------
    MeasurementError
        If it is neither, speaks of what is not measured, gives no number per draw, or one that is
        NaN or +inf.

    Examples
    --------
    >>> clips = ["disciple", "chain", "draw"], np.array([[[1.0, 2.0]]])
    >>> drawn = xr.Dataset({"clips": clips}, coords={"disciple": ["erased"]})
    >>> log_measure_values(drawn, ["erased"], lambda measured: -measured["clips"]).values
    array([[[-1., -2.]]])
    """
    if isinstance(log_measure, xr.DataArray):
        given = _matched(drawn, wanted, log_measure)
        return utility_values(drawn, wanted, lambda _: given, what="log measure", impossible=True)
    return utility_values(drawn, wanted, log_measure, what="log measure", impossible=True)


def _matched(drawn: xr.Dataset, wanted: list[str], given: xr.DataArray) -> xr.DataArray:
    """Select the worlds of a given array; refuse one of other draws."""
    dims = [DISCIPLE, *sample_dims(drawn)]
    sizes = {dim: drawn.sizes[dim] for dim in dims[1:]}
    held = {str(dim): size for dim, size in given.sizes.items() if dim != DISCIPLE}
    known = set(map(str, given[DISCIPLE].values)) if DISCIPLE in given.indexes else set()
    if held != sizes or not set(wanted) <= known:
        raise MeasurementError(
            f"got a log measure with the sizes {held} and the disciples {sorted(known)}; expected "
            f"the sizes {sizes}, and a number for each draw of {wanted}."
        )
    return given.sel({DISCIPLE: wanted})


def weighing_of(values: xr.DataArray, latents: float, power: float | None) -> Weighing:
    """Find the power that all worlds support, unless one is given, and weigh them by it.

    Parameters
    ----------
    values
        From :func:`log_measure_values`.
    latents
        Effective draws of the slowest latent, which bound those of everything.
    power
        None for the largest that all worlds support.

    Examples
    --------
    >>> logs = np.random.default_rng(0).normal(size=(2, 4, 1000)) * np.array([1, 9])[:, None, None]
    >>> found = weighing_of(xr.DataArray(logs, dims=["disciple", "chain", "draw"]), np.inf, None)
    >>> found.power == found.supported[0], 0.05 < found.power < 0.4, found.reliable.tolist()
    (np.True_, True, [True])
    """
    futures = values.sizes.get(FUTURE, 1)
    draws = values.sizes[CHAIN] * values.sizes[DRAW]
    logs = values.values.reshape(len(values), -1)
    sizes = np.minimum(_measure_draws(values.values), latents)
    shares = sizes / draws

    def most(chosen: Sequence[int], limit: float = 1.0) -> float:
        return largest_power(
            [logs[n] for n in chosen], futures=futures, shares=shares[chosen], most=limit
        )

    supported = np.array([most([0, n]) for n in range(1, len(logs))])
    used = power
    if used is None:
        used = float(supported.min())
        if used and len(supported) > 1:
            used = most(list(range(len(logs))), used)
    # Where no power is supported, those of M itself say why.
    shown = used if used or power is not None else 1.0
    weighed = [
        weighed_world(one, power=shown, futures=futures, share=share)
        for one, share in zip(logs, shares, strict=True)
    ]
    return Weighing(float(used), power is not None, supported, weighed, sizes, draws)


def _measure_draws(values: np.ndarray) -> np.ndarray:
    """Effective draws of log M in every world; what is impossible lies below all else."""
    possible = np.isfinite(values)
    lowest = values.min(initial=np.inf, where=possible)
    least = lowest - 1 if np.isfinite(lowest) else 0.0
    return effective_draws(np.where(possible, values, least)[None])[0]


def reasons(weighing: Weighing, names: Sequence[str]) -> list[str]:
    """Say of each disciple what stands in the way of M itself; nothing if nothing does.

    Parameters
    ----------
    weighing
        From :func:`weighing_of`.
    names
        Disciples, without the erased world.
    """
    said = []
    for name, one, limit in zip(names, weighing.worlds[1:], weighing.supported, strict=True):
        both = ((f"with {name!r}", one), ("without a disciple", weighing.worlds[0]))
        doubts = "; ".join(filter(None, (_doubt(where, world) for where, world in both)))
        if weighing.asked:
            said.append(f"M^{weighing.power:.3g} is not supported: {doubts}" if doubts else "")
        elif limit == 0:
            said.append(f"no power of M is supported, and nothing is known of it: {doubts}")
        elif weighing.void:
            none = [n for n, most in zip(names, weighing.supported, strict=True) if most == 0]
            said.append(f"M^{limit:.3g} would be supported, but not with {none}: leave these out")
        elif weighing.power < 1:
            said.append(f"tempered to M^{weighing.power:.3g}; this one supports M^{limit:.3g}")
        else:
            said.append("")
    return said


def _doubt(where: str, world: WeighedWorld) -> str:
    """Say what is wrong with the weights of a world, if anything is."""
    if world.supported:
        return ""
    if not world.possible:
        return f"{where}, no world was drawn that M allows"
    found = [f"k-hat is {world.khat:.2g} (below {HEAVIEST} expected)"]
    if world.khat < HEAVIEST:
        found = []
    if world.ess < FEWEST_KEPT:
        found.append(f"the draws are worth {world.ess:.2g} ({FEWEST_KEPT:.0f} expected)")
    return f"{where}, " + " and ".join(found)
