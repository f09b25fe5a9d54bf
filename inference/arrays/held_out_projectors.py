r"""In which directions does one world look more than the other, and does it still there?

.. math:: T = \max_\Pi \mathrm{tr}\, \Pi (\rho_1 - \rho_0), \qquad
          \rho_X = J_X^\top J_X / \lVert J_X \rVert^2

The best projector of noisy slopes has noise to show. Here it is learnt on one half of the blocks
and looked at in the other, in all six ways to make halves of quarters: its mean is at most T, and
zero where the blocks of both worlds may be swapped. Projectors are free (the trace distance), or
on sets of data (the total variation of the diagonals).
"""

import itertools
from dataclasses import dataclass, field

import numpy as np

from inference.arrays.slope_products import SlopeProducts, half_weights, jackknife, pair_mean

__all__ = ["DiagonalLooks", "Halves", "Look", "trace_distance", "trace_looks"]

LEARNT = 2.0
"""With nothing to be learnt, halves learn each other's noise: that doubles the variance."""

Look = tuple[np.ndarray, np.ndarray]
"""Products of held-out blocks in the projector: of the erased world, and what is added."""


@dataclass(frozen=True)
class Halves:
    """The ways to learn from one half of the blocks and look at the other.

    Parameters
    ----------
    products
        Of all blocks.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> halves = Halves(SlopeProducts(rng.normal(size=(20, 1, 2)), rng.normal(size=(20, 1, 2))))
    >>> learn, test = halves.ways[0]
    >>> len(halves.ways), learn.tolist()
    (6, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """

    products: SlopeProducts
    ways: list[tuple[np.ndarray, np.ndarray]] = field(init=False)

    def __post_init__(self) -> None:
        quarters = np.array_split(np.arange(len(self.products.erased)), 4)
        ways = []
        for pair in itertools.combinations(range(4), 2):
            halves = [
                np.concatenate(
                    [quarter for at, quarter in enumerate(quarters) if (at in pair) is own]
                )
                for own in (True, False)
            ]
            ways.append((halves[0], halves[1]))
        object.__setattr__(self, "ways", ways)

    def distance(self, looks: list[Look], wider: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Average what projectors show, in the order of the ways.

        Lengths that norm a half are those of that half, so that the mean under sameness is zero;
        but none is divided by, for halves may be short of signal.

        Parameters
        ----------
        looks
            One for each way.
        wider
            From :func:`~.blocks.widening`.

        Returns
        -------
        tuple of np.ndarray
            The distance, and its standard error: a jackknife for given projectors, and what the
            halves learn from each other.
        """
        whole, whole_out = pair_mean(self.products.erased)
        added, added_out = pair_mean(self.products.added)
        norm, norm_out = whole * (whole + added), whole_out * (whole_out + added_out)
        found, without = np.zeros(()), np.zeros_like(norm_out)
        for (_, test), (inside, more) in zip(self.ways, looks, strict=True):
            at = np.ix_(test, test)
            (total, total_out) = pair_mean(self.products.erased[at])
            (gain, gain_out) = pair_mean(self.products.added[at])
            (part, part_out), (rise, rise_out) = pair_mean(inside), pair_mean(more)
            shown = rise * total - part * gain
            found = found + shown
            out = np.full(without.shape, shown)
            out[test] = rise_out * total_out - part_out * gain_out
            without += out
        ways = len(self.ways)
        return found / (ways * norm), jackknife(without / (ways * norm_out), wider) * LEARNT**0.5


def trace_looks(erased: np.ndarray, change: np.ndarray, halves: Halves) -> list[Look]:
    """Learn where the let-in world's normed matrix exceeds the other's, and look there.

    Parameters
    ----------
    erased, change
        Slopes of the erased world and what the disciple adds, shape (block, output, datum).
    halves
        Of these blocks.

    Returns
    -------
    list
        Products in the directions that each half taught.
    """
    looks = []
    for learn, test in halves.ways:
        first, moved = erased[learn].sum(axis=0), change[learn].sum(axis=0)
        axes = _upper_axes(first + moved, first)
        before, more = erased[test] @ axes, change[test] @ axes
        shown = SlopeProducts(before, more)
        looks.append((shown.erased, shown.added))
    return looks


def trace_distance(let_in: np.ndarray, erased: np.ndarray) -> float:
    """Half the trace norm of the difference of two normed matrices, noise and all.

    Parameters
    ----------
    let_in, erased
        Slopes, shape (output, datum).

    Returns
    -------
    float
        In [0, 1].

    Examples
    --------
    >>> round(trace_distance(np.array([[1.0, -1.0]]), np.array([[1.0, 1.0]])), 9)
    1.0
    """
    return float(min(1.0, 0.5 * np.abs(_spectrum(let_in, erased)[0]).sum()))


class DiagonalLooks:
    """What sets of data show, summed over pieces of the data.

    Parameters
    ----------
    halves
        Of all blocks and data.
    signs
        Flips for the floor, shape (flip, block).
    """

    def __init__(self, halves: Halves, signs: np.ndarray) -> None:
        self.halves = halves
        products = halves.products
        self._weights = half_weights(signs)
        self._chance = products.flipped(signs)[:2]
        sizes = [len(test) for _, test in halves.ways]
        self.looks = [(np.zeros((size, size)), np.zeros((size, size))) for size in sizes]
        self._plugin, self._floors = 0.0, np.zeros(len(signs))

    @property
    def plugin(self) -> float:
        """Total variation of the diagonals, noise and all."""
        return self._plugin

    @property
    def floor(self) -> float:
        """What that is on average, were all change noise."""
        return float(self._floors.mean())

    def update(self, erased: np.ndarray, change: np.ndarray) -> None:
        """Take in some data, shape (block, output, datum)."""
        products = self.halves.products
        for (learn, test), (inside, more) in zip(self.halves.ways, self.looks, strict=True):
            first, moved = erased[learn].sum(axis=0), change[learn].sum(axis=0)
            lower, upper = products.plain(learn)
            above = _squares(first + moved) / upper > _squares(first) / lower
            shown = SlopeProducts(erased[test][..., above], change[test][..., above])
            inside += shown.erased
            more += shown.added
        first, moved = erased.sum(axis=0), change.sum(axis=0)
        lower, upper = products.plain()
        self._plugin += _variation(first + moved, upper, first, lower)
        middle = first / len(erased)
        apart = np.tensordot(self._weights, change - moved / len(change), axes=1)
        for at, (half, low, high) in enumerate(zip(apart, *self._chance, strict=True)):
            self._floors[at] += _variation(middle + half, high, middle - half, low)


def _squares(slopes: np.ndarray) -> np.ndarray:
    return np.einsum("or,or->r", slopes, slopes)


def _variation(first: np.ndarray, upper: float, second: np.ndarray, lower: float) -> float:
    return float(0.5 * np.abs(_squares(first) / upper - _squares(second) / lower).sum())


def _spectrum(let_in: np.ndarray, erased: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and axes (datum, axis) of the difference of the normed matrices."""
    outputs, data = erased.shape
    unit = np.concatenate([let_in / np.linalg.norm(let_in), erased / np.linalg.norm(erased)])
    if data <= 2 * outputs:
        size, axes = np.linalg.eigh(
            unit[:outputs].T @ unit[:outputs] - unit[outputs:].T @ unit[outputs:]
        )
        return size, axes
    basis, triangle = np.linalg.qr(unit.T)
    signs = np.repeat([1.0, -1.0], outputs)
    size, axes = np.linalg.eigh(triangle * signs @ triangle.T)
    return size, basis @ axes


def _upper_axes(let_in: np.ndarray, erased: np.ndarray) -> np.ndarray:
    size, axes = _spectrum(let_in, erased)
    return axes[:, size > 0]
