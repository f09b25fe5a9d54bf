"""What is every drawn world worth to somebody? A function of what was measured, draw by draw."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import MeasurementError, nearest
from inference.schema import DISCIPLE, ROLE, sample_dims

__all__ = ["Measured", "fingerprint", "utility_values", "with_ties"]

_DIGITS = 46
_SUCH_AS = {
    "utility": "utilities.bounded('clips', cap=1000)",
    "log measure": "lambda measured: -0.1 * measured['clips']",
}


class Measured(dict[str, xr.DataArray]):
    """What was measured or drawn, by name; says what is missing, and knows what was asked for.

    Numbers are given out in double precision: a sum of them in single precision would tell apart
    what is worth the same.

    Parameters
    ----------
    named
        What there is.
    what
        Who asks, in messages.

    Examples
    --------
    >>> measured = Measured({"clips": xr.DataArray(3.0), "steel": xr.DataArray(2.0)})
    >>> float(measured["clips"]), measured.asked
    (3.0, ['clips'])
    """

    def __init__(self, named: Mapping[str, xr.DataArray], what: str = "utility") -> None:
        super().__init__(named)
        self.asked: list[str] = []
        self.what = what

    def __getitem__(self, name: str) -> xr.DataArray:
        found = super().__getitem__(name)
        if found.dtype.kind == "f" and found.dtype.itemsize < 8:
            found = found.astype(np.float64)
            self[name] = found
        if name not in self.asked:
            self.asked.append(name)
        return found

    def get(self, name: str, default: Any = None) -> Any:
        """Look it up if it is there."""
        if name not in self:
            return default
        return self[name]

    def items(self) -> Any:
        """Ask for everything."""
        return {name: self[name] for name in self}.items()

    def values(self) -> Any:
        """Ask for everything."""
        return {name: self[name] for name in self}.values()

    def __missing__(self, name: str) -> xr.DataArray:
        raise MeasurementError(
            f"the {self.what} speaks of {name!r}, which is not measured. "
            + nearest(str(name), self)
        )


def utility_values(
    drawn: xr.Dataset,
    wanted: Sequence[str],
    utility: Callable[[Mapping[str, Any]], Any],
    *,
    what: str = "utility",
    impossible: bool = False,
) -> xr.DataArray:
    """Evaluate a utility; refuse what is no finite number for every draw of every world.

    Parameters
    ----------
    drawn
        Worlds, as :func:`inference.schema.predictions` gives them.
    wanted
        Names of the worlds.
    utility
        Called with {name: values} of all that was measured or drawn.
    what
        What messages call it: ``utility``, or ``log measure`` for the logarithm of a measure.
    impossible
        Let -inf in: the logarithm of what cannot be.

    Returns
    -------
    xr.DataArray
        Dims disciple, chain, draw[, future], float64 with equals made equal (:func:`with_ties`).
        In its attributes, `measurements`: what the utility asked for.

    Raises
    ------
    MeasurementError
        If the utility is no function, speaks of what is not measured, gives no number per draw, or
        one that is not finite.

    Examples
    --------
    >>> clips = ["disciple", "chain", "draw"], np.array([[[1.0, 2.0]], [[3.0, 4.0]]])
    >>> drawn = xr.Dataset({"clips": clips}, coords={"disciple": ["erased", "greedy"]})
    >>> utility_values(drawn, ["erased"], lambda measured: 2 * measured["clips"]).values.tolist()
    [[[2.0, 4.0]]]
    """
    if not callable(utility):
        raise MeasurementError(
            f"got a {what} of type {type(utility).__name__}; expected a function of measured "
            f"values, such as {_SUCH_AS[what]}."
        )
    dims = [DISCIPLE, *sample_dims(drawn)]
    shape = tuple(drawn.sizes[dim] for dim in dims[1:])
    drawn = drawn.sel({DISCIPLE: list(wanted)})
    named = {str(n): v for n, v in drawn.data_vars.items() if v.attrs.get(ROLE) != "index"}
    measured = Measured(named, what)
    values = utility(measured)
    if not isinstance(values, xr.DataArray) and np.shape(values) == (len(wanted), *shape):
        values = xr.DataArray(values, {DISCIPLE: list(wanted)}, dims)
    got = list(map(str, values.dims)) if isinstance(values, xr.DataArray) else np.shape(values)
    if not isinstance(values, xr.DataArray) or set(got) != set(dims):
        raise MeasurementError(
            f"the {what} has the dims {got}; expected one number per draw of every world, dims "
            f"{dims}. Where a measurement has axes of its own, take their sum or mean; of worlds "
            "and draws take none."
        )
    values = values.transpose(*dims).astype(float)
    values = values.copy(data=with_ties(values.values))
    finite = np.isfinite(values.values) | (impossible & np.isneginf(values.values))
    if not finite.all():
        place = np.unravel_index(np.argmin(finite), finite.shape)
        at = ", ".join(f"{dim} {n}" for dim, n in zip(dims[1:], place[1:], strict=True))
        raise MeasurementError(
            f"the {what} is {values.values[place]} for {wanted[int(place[0])]!r} at {at} (the "
            f"first of {np.count_nonzero(~finite)} such values); expected finite numbers"
            + (", or -inf for worlds that M rules out." if impossible else ".")
        )
    return values.assign_attrs(measurements=list(measured.asked))


def with_ties(values: np.ndarray) -> np.ndarray:
    """Round to 46 binary digits: what differs by the rounding of a sum is worth the same.

    Examples
    --------
    >>> one, other = with_ties(np.array([0.1 + 0.2, 0.3]))
    >>> bool(one == other)
    True
    """
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(mantissa * 2.0**_DIGITS), exponent - _DIGITS)


def fingerprint(values: xr.DataArray) -> str:
    """Tell utilities apart by what they make of the same draws.

    Examples
    --------
    >>> fingerprint(xr.DataArray([1.0, 2.0])) == fingerprint(xr.DataArray([1.0, 2.5]))
    False
    """
    return hashlib.sha256(np.ascontiguousarray(values.values, float).tobytes()).hexdigest()[:16]
