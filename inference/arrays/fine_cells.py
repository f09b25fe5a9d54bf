r"""What do two samples of the same world look like through cells finer than the draws?

Like two different worlds: with m equally likely cells and n draws a side, L = n/m,

.. math:: \mathrm{floor}(n, m) = e^{-2L}\,[I_0(2L) + I_1(2L)]

is the mean total variation of their frequencies, which goes to 1 as the cells get finer: no cell
is visited twice. That is why worlds are compared through coarse cells.
"""

import numpy as np
from scipy import special

from inference.arrays.joint_cells import AT_ONCE, cell_numbers

__all__ = ["MOST_DEPTH", "dyadic_cells", "exact_floor", "tells_apart"]

MOST_DEPTH = 40
KNOTS = 33
FEWEST_TO_TELL = 20
DRAWS_PER_LEVEL = 10


def exact_floor(draws: float | np.ndarray, cells: float | np.ndarray) -> np.ndarray:
    r"""How different do the frequencies of two samples of the same world look, on average?

    Each cell's counts are taken as independent Poisson numbers, whose difference is Skellam's; for
    m well below n it is sqrt(m/(πn)). With as many cells that are not equally likely it is less.

    Parameters
    ----------
    draws
        Independent draws a side, n.
    cells
        Equally likely cells, m; infinity is allowed.

    Returns
    -------
    np.ndarray
        In (0, 1], as the two broadcast. One cell gives sqrt(1/(πn)), and not 0, since the number
        of draws is taken as random too.

    Examples
    --------
    >>> exact_floor(1e4, np.array([1e4, 1e6])).round(6)
    array([0.523778, 0.990099])
    """
    twice = 2 * np.asarray(draws, dtype=float) / cells
    return special.ive(0, twice) + special.ive(1, twice)


def dyadic_cells(values: np.ndarray, erased: np.ndarray, *, depth: int) -> np.ndarray:
    """In which of 2^depth cells, about equally likely in the erased world, does each draw lie?

    The cumulative curve of the erased world is drawn straight between 33 of its quantiles (half
    way up the step where a value is met again and again) and cut into equal parts; what lies
    beyond all erased draws belongs to the outermost. So a cell at one depth is two at the next:
    the number shifted by one bit.

    Parameters
    ----------
    values
        Shape (measurement, row).
    erased
        Shape (measurement, draw): what the curve is drawn from.
    depth
        From 0 to 40.

    Returns
    -------
    np.ndarray
        uint64, from 0 to 2^depth - 1, shaped as the values.

    Examples
    --------
    >>> erased = np.arange(101.0)[None]
    >>> dyadic_cells(np.array([[-5.0, 10.0, 30.0, 60.0, 100.0, 999.0]]), erased, depth=2)
    array([[0, 0, 1, 2, 3, 3]], dtype=uint64)
    """
    found = np.empty(values.shape, dtype=np.uint64)
    step = max(1, AT_ONCE // max(1, values.shape[1]))
    for start in range(0, len(values), step):
        part = slice(start, start + step)
        share = _curve(values[part].astype(float), erased[part].astype(float))
        found[part] = np.clip(np.ldexp(share, depth), 0, 2.0**depth - 1).astype(np.uint64)
    return found


def tells_apart(
    erased: np.ndarray, let_in: np.ndarray, *, effective: float | np.ndarray = np.inf
) -> np.ndarray:
    """Say of each measurement whether any draw of it tells which of the two worlds it is from.

    So it is if all draws of one world lie above all of the other; or, for a measurement of a few
    values that are met ten times each, if no value is met in both. A measurement that sees the
    disciple itself, say the action that it takes, does; any other only if its impact is total.

    Parameters
    ----------
    erased, let_in
        Shape (measurement, row). Compared to the last bit: rounding differences are differences.
    effective
        Effective number of draws a side, one for all or of shape (measurement,), if fewer than
        the rows. Under twenty, chance could do it in one of a million measurements: nothing is
        told apart.

    Returns
    -------
    np.ndarray
        Booleans, shape (measurement,).

    Examples
    --------
    >>> zeros = np.zeros((1, 50))
    >>> tells_apart(zeros, zeros + 1).item(), tells_apart(zeros, zeros).item()
    (True, False)
    """
    enough = np.minimum(effective, min(erased.shape[1], let_in.shape[1])) >= FEWEST_TO_TELL
    apart = (erased.max(axis=1) < let_in.min(axis=1)) | (let_in.max(axis=1) < erased.min(axis=1))
    # Ranges that overlap: only a discrete measurement may be told apart all the same.
    for one in np.flatnonzero(~apart & _shares_no_value_early(erased, let_in)):
        off, on = np.unique(erased[one]), np.unique(let_in[one])
        few = (
            len(off) * DRAWS_PER_LEVEL <= erased.shape[1]
            and len(on) * DRAWS_PER_LEVEL <= let_in.shape[1]
        )
        apart[one] = few and not np.isin(off, on).any()
    return apart & enough


def _shares_no_value_early(erased: np.ndarray, let_in: np.ndarray) -> np.ndarray:
    """Rule out by a few rows what is continuous, or meets the other world's values at once."""
    few, many = erased[:, : 4 * DRAWS_PER_LEVEL], let_in[:, :DRAWS_PER_LEVEL]
    ranked = np.sort(few, axis=1)
    repeats = (ranked[:, 1:] == ranked[:, :-1]).any(axis=1)
    meets = np.zeros(len(erased), dtype=bool)
    for value in many.T:
        meets |= (few == value[:, None]).any(axis=1)
    return repeats & ~meets


def _curve(values: np.ndarray, erased: np.ndarray) -> np.ndarray:
    """Value of the erased world's cumulative curve, in [0, 1]."""
    ranked = np.sort(erased, axis=1)
    at = np.rint(np.linspace(0, ranked.shape[1] - 1, KNOTS)).astype(int)
    knots = ranked[:, at]
    place = np.broadcast_to(np.arange(KNOTS), knots.shape)
    repeated = np.zeros(knots.shape, dtype=bool)
    repeated[:, 1:] = knots[:, 1:] == knots[:, :-1]
    first = np.maximum.accumulate(np.where(repeated, 0, place), axis=1)
    below = cell_numbers(values, knots).astype(np.intp) - 1
    known = below.clip(0)
    low = np.take_along_axis(knots, known, axis=1)
    high = np.take_along_axis(knots, np.minimum(known + 1, KNOTS - 1), axis=1)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        between = np.clip(np.nan_to_num((values - low) / (high - low)), 0.0, 1.0)
    on_knot = 0.5 * (known + np.take_along_axis(first, known, axis=1))
    share = np.where(values == low, on_knot, known + between) / (KNOTS - 1)
    share[below == KNOTS - 1] = np.where(values == low, on_knot / (KNOTS - 1), 1.0)[
        below == KNOTS - 1
    ]
    return np.where(below < 0, 0.0, share)
