r"""How far off is a mean over draws that resemble each other?

Rows (chain, draw, future) are cut into contiguous blocks (:mod:`inference.arrays.blocks`), and
the spread of these, or of what remains when one is left out, tells the error.
"""

import numpy as np

from inference.arrays.blocks import block_bounds, effective_draws, widening

__all__ = ["Blocks"]

FEW = 100


class Blocks:
    """Blocks of rows, as long as some series ask for.

    Parameters
    ----------
    values
        The series, (disciple, row).
    shape
        Chains, draws, futures.
    latents
        Most that the draws are worth: :func:`inference.diagnostics.soundness.slowest_latent`.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(1, 4000))
    >>> blocks = Blocks(noise, (4, 1000, 1))
    >>> len(blocks), blocks.error().round(3), blocks.laws(np.arange(4000) % 2, 2)[0]
    (40, array([0.015]), array([0.5, 0.5]))
    """

    def __init__(
        self, values: np.ndarray, shape: tuple[int, ...], latents: float = np.inf
    ) -> None:
        chains, draws, futures = shape
        series = values.reshape(1, len(values), chains, draws, futures).astype(float)
        self._values = values
        self.effective = np.minimum(effective_draws(series)[0], latents)
        self._bounds = block_bounds(chains, draws, futures, effective=float(self.effective.min()))
        self.sizes = np.diff(self._bounds)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.sizes)

    def error(self) -> np.ndarray:
        """Estimate the standard error of the mean of each series, (disciple,)."""
        rows, count = self._values.shape[1], len(self)
        sums = np.add.reduceat(self._values, self._bounds[:-1], axis=1)
        apart = sums - self.sizes * self._values.mean(axis=1, keepdims=True)
        return self._widened(np.sqrt(np.square(apart).sum(axis=1) * count / (count - 1)) / rows)

    def laws(self, states: np.ndarray, count: int) -> np.ndarray:
        """Shares of states of all rows, and of those outside of each block: (1 + block, state)."""
        block = np.repeat(np.arange(len(self)), self.sizes)
        each = np.bincount(block * count + states, minlength=len(self) * count)
        each = each.reshape(len(self), count)
        whole = each.sum(axis=0)
        rest = (whole - each) / (len(states) - self.sizes)[:, None]
        return np.concatenate([whole[None] / len(states), rest])

    def left_out_error(self, found: np.ndarray) -> np.ndarray:
        """Estimate the error of what was found without each block, (disciple, block)."""
        return self._widened(found.std(axis=1) * np.sqrt(found.shape[1] - 1))

    def reason(self) -> np.ndarray:
        """Say whose draws are worth little, as text."""
        told = [
            f"the draws are worth {size:.0f} independent ones" if size < FEW else ""
            for size in self.effective
        ]
        return np.array(told, dtype=object)

    def _widened(self, errors: np.ndarray) -> np.ndarray:
        return np.where(errors > 0, errors * widening(self.effective, len(self)), 0.0)
