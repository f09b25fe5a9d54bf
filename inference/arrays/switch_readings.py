r"""How many bits of the switch can be read off the future, as other draws have taught to read?

.. math:: I(W; X \mid e) \ge I(r(W); X \mid e) = \mathrm{JSD}_2\big(P_1(r), P_0(r)\big)

for any number r that is computed from a world: what is computed tells no more than the world. A
reading is learnt on one half of the draws and cut into cells on the other, and the other way
round; the half that learns chooses, by the last third of its own blocks, between

* ``single``: the one measurement that tells most;
* ``lda``: the direction that tells two normal laws of one covariance apart: all there is to read
  where worlds are normal and only their means moved;
* ``qda``: where their covariances did, too;
* ``naive_bayes``: sums of what the cells of all measurements say, each by itself.

The bits are the mean of those of the two halves. Each half is free of bias by itself, and counting
both together would not be: their directions have been chosen by each other.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from inference.arrays.blocks import effective_draws
from inference.arrays.cell_counts import block_counts
from inference.arrays.cells import Cells
from inference.arrays.halves import NAIVE, Split, halves_of
from inference.arrays.jensen_shannon import jensen_shannon
from inference.arrays.naive_bayes import split_scores
from inference.arrays.sign_flips import random_signs
from inference.arrays.total_variation import CROSS_FIT_INFLATION
from inference.arrays.witnesses import affordable, trained_witness

__all__ = ["Reading", "switch_reading"]

KINDS = ("single", "lda", "qda", NAIVE)
FLIPS = 200
CELLS = Cells.quantile(16, tails=0.0)


class Reading(NamedTuple):
    """What was read of the switch.

    Parameters
    ----------
    bits
        Without bias; below 0 by noise where there is nothing to read.
    mcse, floor
        Its Monte Carlo error; and what would be read of the same world, which was taken away.
    chosen
        The kinds of reading that judge the first half and the second.
    """

    bits: float
    mcse: float
    floor: float
    chosen: tuple[str, str]


def switch_reading(
    values: np.ndarray,
    *,
    bounds: np.ndarray,
    chains: int,
    futures: int = 1,
    effective: float = np.inf,
    kinds: Sequence[str] = KINDS,
    seed: int = 0,
) -> Reading:
    """Read the switch off all measurements together.

    Parameters
    ----------
    values
        Shape (measurement, 2, row): the erased world, then the one with the disciple.
    bounds
        From :func:`~.blocks.block_bounds`.
    chains, futures
        Of the rows.
    effective
        Effective draws of the slowest latent.
    kinds
        Readings to choose from; those that hold large covariances only where they can be afforded.
    seed
        Of the flips.

    Returns
    -------
    Reading

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(size=(3, 2, 4000))
    >>> values[0, 1] += 0.8  # a divergence of .107 bits
    >>> found = switch_reading(values, bounds=np.arange(0, 4001, 100), chains=4)
    >>> bool(abs(found.bits - 0.107) < 4 * found.mcse)
    True
    """
    rows = values.shape[2] // futures // 2
    fitting = (*affordable(len(values), values.size, rows), "single")
    wanted = [kind for kind in kinds if kind in fitting]
    chosen, halves = [], []
    for learn, choose in halves_of(bounds):
        best = wanted[0]
        if len(wanted) > 1:
            trial = _inside(bounds, choose.test)
            told = [
                _bits(
                    _counts(_read(kind, values, choose, futures), trial, futures)[1], np.inf, seed
                )
                for kind in wanted
            ]
            best = wanted[int(np.argmax([bits["bits"].item() for bits in told]))]
        cell, counted = _counts(
            _read(best, values, learn, futures), _inside(bounds, learn.test), futures
        )
        size = min(_effective(cell, values.shape[2] // chains, futures), effective / 2)
        halves.append(_bits(counted, size, seed))
        chosen.append(best)
    bits, mcse, floor = (
        np.array([half[name].item() for half in halves]) for name in ("bits", "mcse", "floor")
    )
    error = CROSS_FIT_INFLATION * np.sqrt(np.square(mcse).sum()) / 2
    return Reading(bits.mean(), float(min(error, 1.0)), floor.mean(), (chosen[0], chosen[1]))


def _inside(bounds: np.ndarray, rows: slice) -> np.ndarray:
    """Blocks of some rows, numbered from their first."""
    found: np.ndarray = bounds[(bounds >= rows.start) & (bounds <= rows.stop)] - rows.start
    return found


def _read(kind: str, values: np.ndarray, split: Split, futures: int) -> np.ndarray:
    """Read the rows that are to be read, (world, row)."""
    draws = split.draws(futures)
    taught, asked = values[:, :, split.train], values[:, :, split.test]
    if kind == NAIVE:
        return split_scores(values, split.train, split.test, draws=draws)[0, ::-1]
    if kind == "single":
        return asked[_most_telling(taught, futures)]
    score = trained_witness(kind, taught[:, 1], taught[:, 0], draws=draws)
    return np.stack([score(asked[:, world]) for world in (0, 1)])


def _most_telling(values: np.ndarray, futures: int) -> int:
    """Find the measurement with the most bits, (measurement, world, row)."""
    blocks = np.linspace(0, values.shape[2], 21).astype(int)
    flat = values.reshape(len(values), -1)
    edges = CELLS.edges(flat, flat.shape[1] // futures)
    counts = [block_counts(values[:, world], edges, blocks) for world in (1, 0)]
    bits = jensen_shannon(*counts, signs=np.ones((1, 20), dtype=np.float32), effective=np.inf)
    return int(np.argmax(bits["bits"]))


def _counts(
    readings: np.ndarray, bounds: np.ndarray, futures: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cells of the readings as a share of all, (world, row), and counts in them.

    Cells are those of both worlds mixed: this gives nothing away of which is which.
    """
    edges = CELLS.edges(readings.reshape(1, -1), readings.size // futures)
    cell = np.searchsorted(edges[0], readings, side="right") / edges.shape[1]
    return cell, np.stack([block_counts(own[None], edges, bounds) for own in readings])


def _effective(cell: np.ndarray, chain: int, futures: int) -> float:
    """Effective draws of one half, (world, row): the other may be read in another way."""
    chains = cell.shape[1] // chain if cell.shape[1] % chain == 0 else 1
    return float(effective_draws(cell.reshape(1, 2, chains, -1, futures)).min())


def _bits(counts: np.ndarray, effective: float, seed: int) -> dict[str, np.ndarray]:
    signs = random_signs(FLIPS, counts.shape[1], seed=seed)
    return jensen_shannon(counts[1], counts[0], signs=signs, effective=effective)
