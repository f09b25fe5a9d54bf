r"""Have slopes the same directions and proportions in two worlds?

.. math:: \rho_X = \frac{J_X^\top J_X}{\lVert J_X \rVert^2}, \qquad
          T = \tfrac12 \lVert \rho_1 - \rho_0 \rVert_1

is their trace distance, and half the distance of the diagonals their scalar one. Outputs come
whitened and data in deviations, so J has no units. T is blind to signs, which the distance of
:math:`J_X / \lVert J_X \rVert` sees; both are blind to lengths, which :math:`J_1 - J_0` sees.

Blocks of draws each have their word on both slopes; a square is a product of two different blocks.
If the worlds are the same, the change that a block reports has no sign: flips of the signs make
the noise floors, and the probability.
"""

from collections.abc import Callable, Iterable

import numpy as np
from scipy.linalg import lapack

from inference.arrays.blocks import widening
from inference.arrays.held_out_projectors import (
    DiagonalLooks,
    Halves,
    trace_distance,
    trace_looks,
)
from inference.arrays.slope_products import (
    SlopeProducts,
    block_products,
    half_weights,
    jackknife,
    pair_error,
    pair_mean,
    swap_probability,
    turned,
)

__all__ = ["FLOORS", "SEEN", "relative_slopes"]

_Pieces = Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]]
"""Slopes of the erased world, and what the disciple adds to them, some data after others."""

SEEN = 3.0
"""Errors by which the squared slope of a world must exceed zero to have proportions."""
FLOORS = 50
"""Flips behind a noise floor."""
NORM = ("", "_mcse", "_plugin", "_floor")


def relative_slopes(
    pieces: _Pieces, data: int, *, signs: np.ndarray, effective: float = np.inf
) -> dict[str, np.ndarray]:
    r"""Compare the slopes of two worlds in all ways.

    Parameters
    ----------
    pieces
        To be called several times; gives pairs (erased, change) of shape (block, output, datum):
        whitened outputs by data in deviations, each block's word.
    data
        How many data there are in all pieces.
    signs
        From :func:`~.sign_flips.random_signs`.
    effective
        Effective draws: where a block holds under ten, errors are wider and p is larger.

    Returns
    -------
    dict of np.ndarray
        Scalars: ``trace_distance`` and ``diagonal_distance``, cross-fitted, about zero under
        sameness; ``signed_square``, :math:`\tfrac14\lVert J_1/\lVert J_1\rVert -
        J_0/\lVert J_0\rVert\rVert^2`, and its root ``signed_distance`` in [0, 1];
        ``squared_change``, :math:`\lVert J_1 - J_0 \rVert^2`, and its root ``absolute_distance``;
        ``log_scale``, :math:`\log_2 \lVert J_1\rVert^2 / \lVert J_0\rVert^2`; each with
        ``_mcse``, norms with ``_plugin`` and ``_floor``; and ``p``. By world, X = 0 first:
        ``importance``, :math:`\lVert J_X\rVert^2`, with ``_mcse`` and ``_floor``; ``seen``; and
        ``profile`` with ``_mcse``, shape (2, data), adding up to one. Proportions of what is not
        seen are NaN.

    References
    ----------
    C. W. Helstrom, *Quantum Detection and Estimation Theory* (1976), chapter IV: T is what the
    best projector tells apart.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> erased = np.array([[1.0, 1.0]]) + 0.1 * rng.normal(size=(20, 1, 2))
    >>> change = np.array([[0.0, -2.0]]) + 0.1 * rng.normal(size=(20, 1, 2))
    >>> signs = rng.choice([-1.0, 1.0], size=(1000, 20))
    >>> found = relative_slopes(lambda: [(erased, change)], 2, signs=signs)
    >>> names = "trace_distance", "diagonal_distance", "signed_distance"
    >>> [abs(round(float(found[name]), 1)) for name in names]
    [1.0, 0.0, 0.7]
    """
    erased, change = _held(pieces, data)
    wider = float(widening(effective, len(erased)))
    products = SlopeProducts(erased, change)
    few = signs[:FLOORS].astype(np.float64)
    found = _lengths(products, wider)
    found["p"] = np.array(swap_probability(products.change, signs, wider=wider))
    both = bool(found["seen"].all())
    shares = _Shares(products, found["seen"], wider)
    if both:
        halves = Halves(products)
        looks = DiagonalLooks(halves, few)
        found |= _angles(products, few, wider) | _traces(erased, change, halves, few, wider)
    else:
        names = [
            f"{name}_distance{end}" for name in ("trace", "diagonal", "signed") for end in NORM
        ]
        names += ["signed_square", "signed_square_mcse", "log_scale", "log_scale_mcse"]
        found |= dict.fromkeys(names, np.array(np.nan))
    for piece in pieces():
        shares.update(*piece)
        if both:
            looks.update(*piece)
    if both:
        estimate, error = halves.distance(looks.looks, wider)
        found |= _norm("diagonal_distance", estimate, error, looks.plugin, looks.floor)
    return found | shares.result()


class _Shares:
    """The share of each datum in the squared slope of each world, and its error."""

    def __init__(self, products: SlopeProducts, seen: np.ndarray, wider: float) -> None:
        let_in = products.erased + products.added
        self._norms = [pair_mean(each) for each in (products.erased, let_in)]
        self._seen, self._wider = seen, wider
        self._found: list[np.ndarray] = []

    def update(self, erased: np.ndarray, change: np.ndarray) -> None:
        parts = [
            self._parts(slopes, *norm)
            for slopes, norm in zip((erased, erased + change), self._norms, strict=True)
        ]
        self._found.append(np.stack(parts, axis=1))

    def _parts(self, words: np.ndarray, norm: np.ndarray, norm_out: np.ndarray) -> np.ndarray:
        """Take shares and errors of some data, (2, datum)."""
        squares = block_products(words)
        share, without = pair_mean(squares)
        error = pair_error(squares / norm, without / norm_out, wider=self._wider)
        return np.stack([share / norm, error])

    def result(self) -> dict[str, np.ndarray]:
        found = np.concatenate(self._found, axis=-1)
        found[:, ~self._seen] = np.nan
        return {"profile": found[0], "profile_mcse": found[1]}


def _lengths(products: SlopeProducts, wider: float) -> dict[str, np.ndarray]:
    """Squared slopes of both worlds, and of what is between them."""
    both = np.stack([products.erased, products.erased + products.added])
    total, without = pair_mean(both)
    error = pair_error(both, without, wider=wider)
    moved = pair_mean(products.change)[0]
    moved_error = pair_error(products.change, wider=wider)
    blocks = len(products.erased)
    plugin = products.change.sum() / blocks**2
    root = np.sqrt(max(0.0, float(moved)))
    return {
        "importance": total,
        "importance_mcse": error,
        "importance_floor": np.array(products.plain()) / blocks**2 - total,
        "seen": (total > SEEN * error) & (without > 0).all(axis=-1),
        "squared_change": moved,
        "squared_change_mcse": moved_error,
        "squared_change_plugin": np.array(plugin),
        "squared_change_floor": np.array(plugin - moved),
        "absolute_distance": np.array(root),
        "absolute_distance_mcse": _root_error(root, moved_error),
    }


def _angles(products: SlopeProducts, few: np.ndarray, wider: float) -> dict[str, np.ndarray]:
    """Compare directions with their signs, and lengths."""
    erased, erased_out = pair_mean(products.erased)
    added, added_out = pair_mean(products.added)
    moved, moved_out = pair_mean(products.change)
    square = turned(erased, added, moved, np.square(jackknife(added_out)))
    without = turned(erased_out, added_out, moved_out)
    length = 4 * np.sqrt(erased * (erased + added))
    error = pair_error(products.change / length, without, wider=wider)
    root = np.sqrt(np.clip(square, 0.0, 1.0))
    lower, upper = products.plain()
    plugin = turned(np.array(lower), np.array(upper - lower), products.change.sum())
    low, high, apart = products.flipped(few)
    floors = np.sqrt(turned(low, high - low, apart).clip(0.0, 1.0))
    scales = np.log2(1 + added_out / erased_out)
    return {
        "signed_square": square,
        "signed_square_mcse": error,
        "signed_distance": root,
        "signed_distance_mcse": _root_error(float(root), error),
        "signed_distance_plugin": np.sqrt(plugin.clip(0.0, 1.0)),
        "signed_distance_floor": floors.mean(),
        "log_scale": np.log2(1 + added / erased),
        "log_scale_mcse": jackknife(scales, wider),
    }


def _traces(
    erased: np.ndarray, change: np.ndarray, halves: Halves, few: np.ndarray, wider: float
) -> dict[str, np.ndarray]:
    """Compare directions without their signs."""
    estimate, error = halves.distance(trace_looks(erased, change, halves), wider)
    first, moved = erased.mean(axis=0), change.mean(axis=0)
    plugin = trace_distance(first + moved, first) if moved.any() else 0.0
    floor = 0.0
    apart = change - moved
    if apart.any():
        chances = (np.tensordot(weights, apart, axes=1) for weights in half_weights(few))
        floor = float(np.mean([trace_distance(first + half, first - half) for half in chances]))
    return _norm("trace_distance", estimate, error, plugin, floor)


def _norm(
    name: str, estimate: np.ndarray, error: np.ndarray, plugin: float, floor: float
) -> dict[str, np.ndarray]:
    values = estimate, error, np.array(plugin), np.array(floor)
    return {f"{name}{end}": value for end, value in zip(NORM, values, strict=True)}


def _root_error(root: float, error: np.ndarray) -> np.ndarray:
    """Bring the error of a square to its root, which near zero is that of a root of noise."""
    least = np.sqrt(error)
    return np.minimum(least, error / (2 * root)) if root > 0 else least


def _held(pieces: _Pieces, data: int) -> tuple[np.ndarray, np.ndarray]:
    """Gather the data, or, where they outnumber the words, coordinates with the same products."""
    rows: list[np.ndarray] = []
    table = None
    for erased, change in pieces():
        shape = erased.shape
        both = np.stack([erased, change])
        count = 2 * shape[0] * shape[1]
        if data <= count:
            rows.append(both)
            continue
        flat = both.reshape(count, -1)
        table = flat @ flat.T if table is None else table + flat @ flat.T
    if table is None:
        first, second = np.concatenate(rows, axis=-1)
        return first, second
    factor, order, rank, _ = lapack.dpstrf(table, lower=1)
    words = np.zeros((len(table), max(rank, 1)))
    words[order - 1] = np.tril(factor)[:, : max(rank, 1)]
    first, second = words.reshape(2, *shape[:2], -1)
    return first, second
