"""How many bits of the future does each datum tell, and are they not told by others?"""

from collections.abc import Mapping

import numpy as np

from counterfactual_models.errors import EvidenceError, nearest
from inference.arrays.blocks import widening
from inference.arrays.information import gaussian_bits
from inference.arrays.redundancy import partial_importance, pivoted_importance
from inference.arrays.score_covariance import block_slopes, squared_norms
from inference.diagnostics.outputs import Outputs
from inference.diagnostics.scored import ScoredWorlds

__all__ = ["datum_bits", "datum_scale"]

SLOPES, SCORES = 2**23, 2**22
"""Slopes of all blocks, and scores, that are held at once."""


def datum_scale(scored: ScoredWorlds, given: Mapping[str, float] | None) -> np.ndarray:
    """Find the deviation of each datum given all others, (datum,).

    Parameters
    ----------
    scored
        The worlds.
    given
        Site, or label of a datum, -> deviation, in place of what the tree has.

    Raises
    ------
    EvidenceError
        If a name is not there, or a datum has no deviation.
    """
    found = scored.scale("loo_sd")
    sizes = np.full(len(scored.data), np.nan) if found is None else np.array(found, dtype=float)
    sites = [label.split("[")[0] for label in scored.data]
    for name, size in (given or {}).items():
        own = [
            label == name or site == name for label, site in zip(scored.data, sites, strict=True)
        ]
        if not any(own):
            known = list(dict.fromkeys([*sites, *scored.data]))
            raise EvidenceError(f"scale= names no datum {name!r}. {nearest(name, known)}")
        sizes[own] = size
    bad = ~(np.isfinite(sizes) & (sizes >= 0))
    if bad.any():
        label = scored.data[int(np.argmax(bad))]
        raise EvidenceError(
            f"the deviation of datum {label!r} given the others is {sizes[bad][0]} ({bad.sum()} "
            "data have none); expected a number of at least 0. Run inference.with_scores on these "
            f"worlds again, or give it: scale={{{label.split('[')[0]!r}: 1.0}}."
        )
    return sizes


def datum_bits(
    scored: ScoredWorlds, told: Outputs, world: str, sizes: np.ndarray
) -> dict[str, np.ndarray]:
    """Weigh each datum in one world.

    Parameters
    ----------
    scored, told, world
        The worlds, their outputs, and which one.
    sizes
        From :func:`datum_scale`.

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
