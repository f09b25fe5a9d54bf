"""How many bits of the future does each datum tell, and are they not told by others?"""

import numpy as np

from inference.arrays.blocks import widening
from inference.arrays.information import gaussian_bits
from inference.arrays.redundancy import partial_importance, pivoted_importance
from inference.arrays.score_covariance import block_slopes, squared_norms
from inference.diagnostics.outputs import Outputs
from inference.diagnostics.scored import ScoredWorlds

__all__ = ["datum_bits"]

SLOPES, SCORES = 2**23, 2**22
"""Slopes of all blocks, and scores, that are held at once."""


def datum_bits(
    scored: ScoredWorlds, told: Outputs, world: str, sizes: np.ndarray
) -> dict[str, np.ndarray]:
    """Weigh each datum in one world.

    Parameters
    ----------
    scored, told, world
        The worlds, their outputs, and which one.
    sizes
        From :func:`~.data_scales.deviations`.

    Returns
    -------
    dict of str to np.ndarray
        ``fisher``, ``fisher_mcse``, ``fisher_plugin``, ``bits``, ``order``, ``new_bits`` and
        ``partial_bits`` with errors, each (datum,); and ``typical``, the mean of the bits with
        their signs, so that noise does not add to it.
    """
    rows, scores, direct = told.rows[world], scored.scores(world), told.direct[world]
    blocks, data = len(scored.bounds) - 1, len(scored.data)
    slopes = np.empty((len(rows), data))
    fisher, error, plugin = np.empty((3, data))
    step = max(1, min(SLOPES // (blocks * len(rows)), SCORES // len(scores)))
    for start in range(0, data, step):
        part = slice(start, start + step)
        own = None if direct is None else direct[..., part]
        found = block_slopes(rows, scores[:, part], scored.bounds, direct=own)
        slopes[:, part] = found.mean(axis=0)
        fisher[part], error[part], plugin[part] = squared_norms(found, effective=scored.effective)
    square = np.square(sizes)
    wider = float(np.minimum(widening(scored.effective, blocks), 1e6)) ** 2
    noise = (plugin - fisher).clip(0) * square * wider
    spread = np.atleast_2d(np.cov(rows))
    slopes *= sizes
    order, added = pivoted_importance(slopes, noise, spread, blocks=blocks)
    partial = partial_importance(slopes, noise, spread, blocks=blocks)
    bits = _with_errors("bits", fisher * square, error * square)
    new = _with_errors("new_bits", added, np.where(order > 0, error * square, 0.0))
    left = _with_errors("partial_bits", partial, error * square)
    own_bits = {"fisher": fisher, "fisher_mcse": error, "fisher_plugin": plugin, "order": order}
    signed = 0.5 * np.log2(1 + (fisher * square).clip(-0.9))
    return own_bits | bits | new | left | {"typical": signed.mean()}


def _with_errors(name: str, importance: np.ndarray, error: np.ndarray) -> dict[str, np.ndarray]:
    """Bits of an importance, and their error to first order."""
    slope = 0.5 / np.log(2) / (1 + np.maximum(importance, 0.0))
    return {name: gaussian_bits(importance), f"{name}_mcse": slope * error}
