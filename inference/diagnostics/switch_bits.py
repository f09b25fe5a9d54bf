"""How many bits of the switch show in each measurement, and in all of them together?"""

from dataclasses import dataclass

import numpy as np

from inference.arrays.blocks import block_bounds
from inference.arrays.cell_counts import block_counts
from inference.arrays.cells import Cells
from inference.arrays.jensen_shannon import jensen_shannon
from inference.arrays.sign_flips import random_signs
from inference.arrays.switch_readings import switch_reading
from inference.diagnostics.scored import ScoredWorlds
from inference.diagnostics.soundness import SLOWEST, effective_pairs

__all__ = ["SwitchBits", "switch_bits"]

FLIPS = 200
CELLS = Cells.quantile(16)


@dataclass(frozen=True)
class SwitchBits:
    """Bits of the switch; 0 for the erased world, which is the first.

    Parameters
    ----------
    measurements
        Labels.
    each
        ``switch_bits_by_measurement`` and its error, (world, measurement).
    whole
        ``switch_bits``, its error and ``switch_floor``, (world,).
    kinds
        Which readings were chosen, for every disciple.
    """

    measurements: list[str]
    each: dict[str, np.ndarray]
    whole: dict[str, np.ndarray]
    kinds: list[tuple[str, str]]


def switch_bits(scored: ScoredWorlds, *, seed: int = 0) -> SwitchBits:
    """Take the divergence of every let-in world from the erased one, in bits.

    Parameters
    ----------
    scored
        The worlds.
    seed
        Of the flips behind floors.

    Returns
    -------
    SwitchBits
        Without bias, so that bits may lie below 0 where there are none.
    """
    every = scored.everything()
    labels, values = every.measurements, every.values
    chain = scored.chains, scored.draws
    sizes = effective_pairs(
        values.reshape(*values.shape[:2], *chain, scored.futures), scored.effective
    )
    flat = values.reshape(*values.shape[:2], -1)
    worlds = flat.shape[1]
    each = {name: np.zeros((worlds, len(labels))) for name in _EACH}
    whole = {name: np.zeros(worlds) for name in _WHOLE}
    kinds = []
    if worlds > 1:
        typical = float(np.quantile(sizes, SLOWEST))
        bounds = block_bounds(*chain, scored.futures, effective=typical)
        _fill_each(each, flat, bounds, sizes, chain[0] * chain[1], seed)
        for world in range(1, worlds):
            found = switch_reading(
                flat[:, [0, world]],
                bounds=bounds,
                chains=scored.chains,
                futures=scored.futures,
                effective=scored.effective,
                seed=seed,
            )
            for name, value in zip(_WHOLE, found[:3], strict=True):
                whole[name][world] = value
            kinds.append(found.chosen)
    return SwitchBits(labels, each, whole, kinds)


_EACH = ("switch_bits_by_measurement", "switch_bits_by_measurement_mcse")
_WHOLE = ("switch_bits", "switch_bits_mcse", "switch_floor")


def _fill_each(
    each: dict[str, np.ndarray],
    flat: np.ndarray,
    bounds: np.ndarray,
    sizes: np.ndarray,
    draws: int,
    seed: int,
) -> None:
    """Fill in the bits of every measurement by itself."""
    edges = CELLS.edges(flat[:, 0], draws)
    signs = random_signs(FLIPS, len(bounds) - 1, seed=seed)
    erased = block_counts(flat[:, 0], edges, bounds)
    for world in range(1, flat.shape[1]):
        counts = block_counts(flat[:, world], edges, bounds)
        bits = jensen_shannon(counts, erased, signs=signs, effective=sizes[world - 1])
        for name, own in zip(_EACH, ("bits", "mcse"), strict=True):
            each[name][world] = bits[own]
