r"""What do products of different blocks tell of squares, angles and their errors?

.. math:: \frac{1}{B(B-1)} \sum_{b \ne c} \langle J_b, J_c \rangle

has the squared slope for its mean, whatever the noise of a block. A table of the products of all
blocks gives it, and what it is without any one block, at no further cost.
"""

import numpy as np

from inference.arrays.tails import exceedance

__all__ = [
    "SlopeProducts",
    "block_products",
    "half_weights",
    "jackknife",
    "pair_error",
    "pair_mean",
    "swap_probability",
    "turned",
]


class SlopeProducts:
    """Products of what two blocks say of the slopes of both worlds, each (block, block).

    Parameters
    ----------
    erased, change
        Slopes of the erased world, and what the disciple adds; shape (block, output, datum).

    Attributes
    ----------
    erased, change
        Of slopes, and of changes.
    added
        What the disciple adds to the products of slopes: exactly zero where nothing changes.
    """

    def __init__(self, erased: np.ndarray, change: np.ndarray) -> None:
        first, second = (part.reshape(len(part), -1) for part in (erased, change))
        self.erased = first @ first.T
        self.change = second @ second.T
        self._mixed = first @ second.T
        self.added = self._mixed + self._mixed.T + self.change

    def plain(self, blocks: np.ndarray | slice = slice(None)) -> tuple[float, float]:
        """Squared sums over blocks, noise and all: of the erased and of the let-in world."""
        erased = self.erased[blocks][:, blocks].sum()
        return float(erased), float(erased + self.added[blocks][:, blocks].sum())

    def flipped(self, signs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Squared lengths were the change but noise: of both worlds, and of the change, (flip,).

        Both are the erased world, with half a change by chance less and more.
        """
        blocks = len(self.erased)
        middle, along = self.erased.sum() / blocks**2, self._mixed.mean(axis=0)
        centring = np.eye(blocks) - 1 / blocks
        weights = half_weights(signs) @ centring
        lean = weights @ along
        noise = np.einsum("fb,fb->f", weights @ self.change, weights)
        return middle - 2 * lean + noise, middle + 2 * lean + noise, 4 * noise


def block_products(words: np.ndarray) -> np.ndarray:
    """Products of what two blocks say, summed over components.

    Parameters
    ----------
    words
        Shape (block, component, datum).

    Returns
    -------
    np.ndarray
        Shape (datum, block, block).

    Examples
    --------
    >>> block_products(np.array([[[1.0], [2.0]], [[3.0], [4.0]]])).tolist()
    [[[5.0, 11.0], [11.0, 25.0]]]
    """
    by_datum = np.moveaxis(words, -1, 0)
    found: np.ndarray = by_datum @ by_datum.swapaxes(-1, -2)
    return found


def half_weights(signs: np.ndarray) -> np.ndarray:
    """Weights of the blocks in half a change by chance, what centring takes away given back."""
    blocks = signs.shape[1]
    found: np.ndarray = signs / (2 * np.sqrt(blocks * (blocks - 1)))
    return found


def pair_mean(products: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean product of two different blocks, and the same without each block.

    Parameters
    ----------
    products
        Shape (..., block, block), symmetric.

    Returns
    -------
    tuple of np.ndarray
        Shapes (...) and (..., block).

    Examples
    --------
    >>> words = np.array([1.0, 2.0, 3.0])
    >>> mean, without = pair_mean(np.outer(words, words))
    >>> float(mean), without.tolist()  # (2 + 3 + 6) / 3
    (3.6666666666666665, [6.0, 3.0, 2.0])
    """
    count = products.shape[-1]
    with_one = np.einsum("...bc->...b", products) - np.einsum("...bb->...b", products)
    pairs = with_one.sum(axis=-1)
    without = (pairs[..., None] - 2 * with_one) / ((count - 1) * (count - 2))
    return pairs / (count * (count - 1)), without


def jackknife(without: np.ndarray, wider: float = 1.0) -> np.ndarray:
    """Take a standard error from estimates without one block each, shape (..., block).

    Parameters
    ----------
    without
        Shape (..., block).
    wider
        From :func:`~.blocks.widening`; what has no error gets none.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(size=100)
    >>> error = jackknife((values.sum() - values) / 99)
    >>> bool(np.isclose(error, values.std(ddof=1) / 10))
    True
    """
    count = without.shape[-1]
    apart = without - without.mean(axis=-1, keepdims=True)
    error = np.sqrt((count - 1) / count * np.square(apart).sum(axis=-1))
    return np.where(error > 0, error, 0.0) * np.where(error > 0, wider, 1.0)


def pair_error(
    products: np.ndarray, without: np.ndarray | None = None, *, wider: float = 1.0
) -> np.ndarray:
    r"""Find the standard error of a mean of pairs, where the slope is or as if it were zero.

    .. math:: \max\Big(\mathrm{jackknife}^2, \frac{2}{B(B-1)} \mathrm{Var}_{b \ne c} K_{bc}\Big)

    with K the products of centred words: a slope that comes out at zero by chance has a jackknife
    of nothing.

    Parameters
    ----------
    products
        Shape (..., block, block).
    without
        What :func:`pair_mean` gave, if that is known.
    wider
        From :func:`~.blocks.widening`.

    Returns
    -------
    np.ndarray
        Shape (...).

    Examples
    --------
    >>> words = np.array([1.0, -1.0, 1.0, -1.0])
    >>> float(jackknife(pair_mean(np.outer(words, words))[1])) < 1e-9
    True
    >>> round(float(pair_error(np.outer(words, words))), 3)
    0.385
    """
    count = products.shape[-1]
    apart = products - products.mean(axis=(-2, -1), keepdims=True)
    rows = np.einsum("...bc->...b", apart)
    own = np.einsum("...bb->...b", apart) - 2 / count * rows
    squares = np.einsum("...bc,...bc->...", apart, apart) - np.square(own).sum(axis=-1)
    squares -= 2 / count * np.square(rows).sum(axis=-1)
    # Centring makes each word look a little like the opposite of every other.
    squares -= np.square(own.sum(axis=-1)) / (count * (count - 1))
    least = np.sqrt(2 * squares.clip(0.0)) / (count * (count - 1))
    found = np.maximum(jackknife(pair_mean(products)[1] if without is None else without), least)
    return found * np.where(found > 0, wider, 1.0)


def swap_probability(change: np.ndarray, signs: np.ndarray, *, wider: float = 1.0) -> float:
    r"""How often would the same world show as large a change?

    The share of flips, of the signs of what blocks say, that reach the squared change; where
    fewer than ten do, the tail of the Pearson III law with their moments. Never less than
    2^(1 - J), J being the number of blocks that differ at all.

    Parameters
    ----------
    change
        Products of the changes that blocks report, shape (block, block).
    signs
        From :func:`~.sign_flips.random_signs`, shape (flip, block).
    wider
        From :func:`~.blocks.widening`.

    Returns
    -------
    float
        In (0, 1].

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> signs = rng.choice([-1.0, 1.0], size=(1000, 20))
    >>> noise = rng.normal(size=(20, 3))
    >>> changed = noise + 1.0
    >>> swap_probability(noise @ noise.T, signs) > 0.05
    True
    >>> swap_probability(changed @ changed.T, signs) < 0.001
    True
    """
    kind = signs.astype(np.float64)
    flips = np.einsum("fb,fb->f", kind @ change, kind)
    chance = float(exceedance(flips[None], np.array([change.sum() / wider**2]))[0][0])
    differing = int(np.count_nonzero(np.diag(change)))
    return float(np.clip(chance, 0.5 ** max(differing - 1, 0), 1.0))


def turned(
    erased: np.ndarray,
    added: np.ndarray,
    moved: np.ndarray,
    variance: np.ndarray | float = 0.0,
) -> np.ndarray:
    r"""Square of half the distance between two slopes of length one.

    .. math:: \tfrac14 \Big\lVert \frac{J_1}{\lVert J_1 \rVert} - \frac{J_0}{\lVert J_0 \rVert}
              \Big\rVert^2 = \frac{\lVert J_1 - J_0 \rVert^2 - (\lVert J_1 \rVert - \lVert J_0
              \rVert)^2}{4 \lVert J_1 \rVert \lVert J_0 \rVert}

    Parameters
    ----------
    erased, added, moved
        Squared lengths: of J_0, what it takes to that of J_1, and of J_1 - J_0.
    variance
        Of the noise in `added`, whose square would be too large by it.

    Examples
    --------
    >>> float(turned(1.0, 0.0, 4.0)), float(turned(1.0, 3.0, 1.0))  # turned round; doubled
    (1.0, 0.0)
    """
    first, second = np.sqrt(erased), np.sqrt(erased + added)
    longer = (np.square(added) - variance) / np.square(first + second)
    found: np.ndarray = (moved - longer) / (4 * first * second)
    return found
