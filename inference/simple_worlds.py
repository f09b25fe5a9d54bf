r"""How simple is every drawn world? A measure that prefers what has a short description.

.. math:: M(w) = 2^{-C(w)}

C(w) is the length in bits of the world's measured values, written down and compressed by real
compressors (:mod:`inference.arrays.twisting.world_bits` says how). It is an upper bound on the
length of the shortest program, and the nearest to it that can be had.

Numbers are written to a resolution: a tenth of the erased world's robust deviation (interquartile
range over 1.349), by default, from its median on. The erased world is the same for all disciples,
so a bit means the same for all. Whole numbers stay whole, where all worlds have no others. All
entries of one measurement share their resolution: what is equal stays equal, and a pattern stays a
pattern.

**Meant for worlds with structure**: grids, texts as codes of letters, many measurements, paths.
The code of a single number is its number of digits, more or less, and that is noise. C varies by
many bits from world to world as a rule, more than draws support: expect
:func:`inference.diagnostics.twist` to temper it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import CounterfactualError, MeasurementError, nearest
from inference.arrays.cells import ROBUST
from inference.arrays.twisting.world_bits import shortest_code_bits
from inference.schema import DISCIPLE, ERASED, ROLE, sample_dims

__all__ = ["Simplicity", "simplicity"]

_AT_ONCE = 2**20
_LARGEST = 2.0**61


@dataclass(frozen=True)
class Simplicity:
    """The logarithm of 2^-C(w), draw by draw; make one with :func:`simplicity`.

    Parameters
    ----------
    measurements, digits, compressor
        As there.
    """

    measurements: tuple[str, ...] | None = None
    digits: int = 1
    compressor: Callable[[bytes], float] | None = None

    def __call__(self, measured: Mapping[str, Any], /) -> xr.DataArray:
        """Give log M in nats, dims disciple, chain, draw[, future]."""
        return -np.log(2) * self.bits(measured)

    def bits(self, measured: Mapping[str, Any], /) -> xr.DataArray:
        """How many bits describe each drawn world?

        Parameters
        ----------
        measured
            Measured values by name, dims disciple, chain, draw[, future] and their own; the worlds
            of ``diagnostics`` or a Dataset's ``data_vars``.

        Returns
        -------
        xr.DataArray
            C(w), dims disciple, chain, draw[, future].
        """
        names = self._names(measured)
        arrays = [measured[name] for name in names]
        dims = [DISCIPLE, *sample_dims(arrays[0])]
        rows = arrays[0].transpose(*dims, ...)
        shape = rows.shape[: len(dims)]
        tables, steps = [], []
        for name, array in zip(names, arrays, strict=True):
            table = _table(name, array, dims)
            erased = np.array([str(label) for label in array[DISCIPLE].values]) == ERASED
            tables.append(table.reshape(-1, table.shape[-1]))
            whole = not (table.astype(float) % 1).any()
            steps.append(_resolution(name, table[erased], self.digits, whole=whole))
        bits = np.empty(int(np.prod(shape)))
        step = max(1, _AT_ONCE // sum(table.shape[1] for table in tables))
        # The compressor remembers within a piece, which is large where worlds are small.
        for start in range(0, len(bits), step):
            part = slice(start, start + step)
            symbols = [
                _symbols(name, table[part], *scale)
                for name, table, scale in zip(names, tables, steps, strict=True)
            ]
            bits[part] = shortest_code_bits(np.concatenate(symbols, axis=1), self.compressor)
        found = xr.DataArray(bits.reshape(shape), dims=dims, attrs={"units": "bits"})
        return found.assign_coords({d: rows.coords[d] for d in dims if d in rows.coords})

    def _names(self, measured: Mapping[str, Any]) -> list[str]:
        """Names in the order in which they are written: the alphabet's."""
        if self.measurements is None:
            chosen = [n for n in measured if measured[n].attrs.get(ROLE) == "measurement"]
        else:
            chosen = list(dict.fromkeys(self.measurements))
        for name in chosen:
            if name not in measured:
                raise MeasurementError(
                    f"simplicity is asked of {name!r}, which is not measured. "
                    + nearest(name, measured)
                )
        if not chosen:
            raise MeasurementError(
                "these worlds have no measurement to be described: add measure(name, value) to "
                f"the world, or name what was drawn in measurements=. {nearest('', measured)}"
            )
        return sorted(chosen)


def simplicity(
    measurements: Sequence[str] | str | None = None,
    *,
    digits: int = 1,
    compressor: Callable[[bytes], float] | None = None,
) -> Simplicity:
    r"""Make a measure that prefers simple worlds: M = 2^-C(w).

    Parameters
    ----------
    measurements
        What of a world is described, by name; by default all that it measures.
    digits
        Numbers are rounded to 10^-digits robust deviations of the erased world (where it never
        varies, of its own size), 0 to 9. Where the numbers of all worlds are whole, to whole
        numbers at the finest.
    compressor
        Another code: called with a world's bytes, gives bits.

    Returns
    -------
    Simplicity
        To be given to :func:`inference.diagnostics.twist`, with worlds whose draws were kept.

    Raises
    ------
    CounterfactualError
        If the digits are none, or the compressor is no function.

    References
    ----------
    R. Solomonoff (1964), "A formal theory of inductive inference", *Information and Control* 7.

    Examples
    --------
    Of two worlds of 64 squares, one is drawn still and one is drawn at random.

    >>> squares = np.zeros((2, 1, 40, 64))
    >>> squares[1] = np.random.default_rng(0).integers(0, 2, (40, 64))
    >>> dims = ["disciple", "chain", "draw", "square"]
    >>> grid = xr.DataArray(squares, {"disciple": ["erased", "messy"]}, dims, name="grid")
    >>> bits = simplicity("grid").bits({"grid": grid}).mean("draw")
    >>> bool(bits[0] < 20), bool(60 < bits[1] < 85)
    (True, True)
    """
    if not isinstance(digits, int) or not 0 <= digits <= 9:
        raise CounterfactualError(f"got digits={digits!r}; expected a whole number from 0 to 9.")
    if compressor is not None and not callable(compressor):
        raise CounterfactualError(
            f"got a compressor of type {type(compressor).__name__}; expected a function of bytes "
            "that gives bits, such as lambda data: 8.0 * len(zlib.compress(data))."
        )
    chosen = (measurements,) if isinstance(measurements, str) else measurements
    return Simplicity(None if chosen is None else tuple(map(str, chosen)), digits, compressor)


def _table(name: str, array: xr.DataArray, dims: list[str]) -> np.ndarray:
    """Lay a measurement out as (disciple, row, entry); refuse what cannot be written down."""
    if array.dtype.kind not in "biuf":
        raise MeasurementError(
            f"measurement {name!r} has the type {array.dtype}; expected numbers: write letters as "
            "their codes."
        )
    values = array.transpose(*dims, ...).values
    values = values.reshape(values.shape[0], int(np.prod(values.shape[1 : len(dims)])), -1)
    finite = np.isfinite(values)
    if not finite.all():
        world, row, _ = np.unravel_index(np.argmin(finite), finite.shape)
        raise MeasurementError(
            f"measurement {name!r} is not finite in the world "
            f"{str(array[DISCIPLE].values[world])!r}, row {row}; expected finite numbers, as "
            "nothing else can be written down."
        )
    return values


def _resolution(name: str, erased: np.ndarray, digits: int, *, whole: bool) -> tuple[float, float]:
    """Median of the erased world, and the step to which numbers are rounded."""
    if not erased.size:
        raise MeasurementError(
            f"there is no erased world of {name!r}; expected it among the worlds, as it sets the "
            "resolution."
        )
    wide = erased.astype(float).ravel()
    low, middle, high = np.quantile(wide, [0.25, 0.5, 0.75])
    exact = np.finfo(erased.dtype if erased.dtype.kind == "f" else float)
    rounding = max(8 * float(exact.eps) * abs(middle), float(exact.tiny))
    sizes = (high - low) / ROBUST, wide.std(), abs(middle), 1.0
    step = float(next(size for size in sizes if size > rounding)) * 10.0**-digits
    if whole:
        return float(np.floor(middle)), max(1.0, np.floor(step))
    return float(middle), max(step, np.finfo(float).tiny)


def _symbols(name: str, table: np.ndarray, middle: float, step: float) -> np.ndarray:
    with np.errstate(over="ignore"):
        steps = np.rint((table.astype(float) - middle) / step)
    far = np.abs(steps).max(initial=0.0)
    if far > _LARGEST:  # cut off there, the farthest worlds would be the simplest
        raise MeasurementError(
            f"measurement {name!r} lies {far:.1e} steps of {step:g} from the erased median; "
            "expected at most 2e18. Give fewer digits=, or measure its logarithm."
        )
    return steps.astype(np.int64)
