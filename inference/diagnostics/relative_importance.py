r"""Do the same pieces of information matter, in the same proportions, with the disciple let in?

.. math:: \tilde J_X = V_0^{-1/2} \frac{d\,E[g]}{de} L, \quad L L^\top = \Sigma_e, \qquad
          \rho_X = \frac{\tilde J_X^\top \tilde J_X}{\lVert \tilde J_X \rVert^2}

Outputs g are in deviations of the erased world, for both X, and data in deviations of what was
expected before any was known. The disciple who takes over makes the name of the next president
unimportant, and some weakness of the human mind important; no distribution needs to change for
that. Whatever depends on its own past, though, depends on it as before:

* ``trace_distance``: half the sum of \|eigenvalues\| of rho_1 - rho_0: how well some combination
  of data tells the two apart. It sees that only the difference of two data matters now, though
  each matters as much as before. Blind to signs and to lengths;
* ``diagonal_distance``: total variation of the diagonals of rho, the importance of each datum
  alone; at most the trace distance;
* ``signed_distance``: half the distance of the slopes, each of length one: 1 if all are turned
  round. Blind to lengths; ``signed_square`` is its square, about 0 if nothing changes;
* ``log_scale``: log2 of \|J_1\|²/\|J_0\|², the only one of these that sees a disciple who freezes
  the future and leaves every proportion as it was;
* ``absolute_distance``: \|J_1 - J_0\| in deviations, and ``squared_change``, its square, which is
  about 0 if nothing changes;
* ``p``: how likely the same slopes show as large a squared change: blocks of draws are swapped
  between the worlds, after their mean effect is taken away.

**No one of them is a penalty.** A disciple who minimises the trace distance alone may turn all
signs or freeze the future, and score 0: read trace_distance, signed_distance, log_scale together.

Trace and diagonal distance come from projectors that one half of the draws learns and the other
half tries: 0 on average for a disciple without effect (and below 0 half of the time), and no more
than the truth otherwise. ``_plugin`` is the formula with noise and all, ``_floor`` what it shows
on average where only noise differs. Errors ``_mcse`` come from blocks of draws; where nothing
changes, those of the squares are too large by a factor of about 1.4. They are those of the worlds:
n draws of the prior know Σ_e to sqrt(2/n), which moves all worlds alike.

``importance`` is \|J_X\|², and ``profile`` the diagonal of rho_X. Where it is not three errors
above zero, there are no proportions to compare: they are NaN, and ``reason`` says why.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import CounterfactualError
from inference.arrays.evidence_scales import EvidenceScale
from inference.arrays.relative_slopes import FLOORS, relative_slopes
from inference.arrays.score_covariance import block_slopes, data_chunks
from inference.arrays.sign_flips import random_signs
from inference.diagnostics.data_scales import (
    Scale,
    checked_deviations,
    deviations,
    has_prior,
    prior_evidence,
)
from inference.diagnostics.outputs import Outputs, whitened_outputs
from inference.diagnostics.scored import ScoredWorlds
from inference.schema import DATUM, DISCIPLE, ERASED

__all__ = ["relative_importance"]

SCALES = ("prior", "loo")
MOST_WORDS = 6000
"""Most slopes of all blocks and outputs that many data can be told apart in."""
LONG_NAMES = {
    "trace_distance": "trace distance of what matters",
    "diagonal_distance": "total variation of the importance of single data",
    "signed_distance": "distance of directions, with their signs",
    "signed_square": "squared distance of directions, with their signs",
    "absolute_distance": "distance of slopes in deviations",
    "squared_change": "squared distance of slopes in deviations",
    "log_scale": "log2 ratio of squared slopes",
    "p": "chance of the squared change were the slopes the same",
    "importance": "squared slopes in deviations",
    "profile": "share of the importance",
}
ENDS = {
    "_mcse": "Monte Carlo standard error",
    "_plugin": "with noise",
    "_floor": "with noise, were nothing changed",
}
BY_WORLD = ("importance", "importance_mcse", "importance_floor")
BY_DATUM = ("profile", "profile_mcse")


def relative_importance(
    worlds: xr.DataTree,
    *,
    outputs: str = "measurements",
    cells: int | None = None,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    data: Sequence[str] | str | None = None,
    scale: str | Scale | None = None,
    flips: int = 4000,
    seed: int = 0,
) -> xr.Dataset:
    r"""Compare what the future owes to which data, with each disciple let in and without.

    .. math:: T = \tfrac12 \lVert \rho_1 - \rho_0 \rVert_1

    Parameters
    ----------
    worlds
        What ``with_scores`` returned, or a reloaded one.
    outputs
        What stands for the future: means of all ``measurements``, their means and spreads
        (``moments``), or the chances of their ``cells``. Fewer outputs are less noisy.
    cells
        Cells for each measurement, with ``outputs="cells"``.
    disciples, measurements, data
        Names to keep; all by default. Data are sites (``"orders"``) or labels (``"orders[3]"``).
    scale
        Deviations of the data: ``prior``, all together before any was known; ``loo``, each given
        the others, in the tree; or numbers in the data's unit, one for each, or by site or label
        in place of the tree's ``loo``. By default ``prior`` where the tree has it.
    flips, seed
        Number of swaps behind p, and their seed.

    Returns
    -------
    xr.Dataset
        Dim disciple, ``erased`` first, whose distances from itself are zero: ``trace_distance``,
        ``diagonal_distance``, ``signed_distance``, ``signed_square``, ``absolute_distance``,
        ``squared_change``, ``log_scale`` (bits), ``p``, ``importance``, ``reason`` (text); and
        datum: ``profile``, adding up to one. The distances but the absolute one are at most 1;
        the head of the file explains them, and ``_mcse``, ``_plugin``, ``_floor``.

    Raises
    ------
    CounterfactualError
        If the tree has no scores or too few draws (WorldError); a name is not there or a value is
        not finite (MeasurementError, DiscipleError, EvidenceError); or outputs are too many.

    References
    ----------
    S. Armstrong, "The mathematics of reduced impact: help needed" (2012), *Relative importance*.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> gases = rng.normal(size=(4, 1000, 2)) * (0.1 / 1.1) ** 0.5  # given gauges of noise .1
    >>> matters = [[0.5, 0.5], [0.5, -0.5]]  # their mean, or, to a turbine, their difference
    >>> w = np.einsum("wk,cdk->wcd", matters, gases) + 0.2 * rng.normal(size=(2, 4, 1000))
    >>> w = xr.DataArray(w, {"disciple": ["erased", "turbine"]}, ["disciple", "chain", "draw"])
    >>> scores = xr.Dataset({"gauge": (("chain", "draw", "side"), gases / 0.1)})
    >>> drawn = xr.Dataset({"w": w.assign_attrs(role="measurement")})
    >>> tree = xr.DataTree.from_dict({"predictions": drawn, "evidence_scores": scores})
    >>> found = relative_importance(tree, scale=[1.1**0.5, 1.1**0.5]).sel(disciple="turbine")
    >>> [abs(round(float(found[f"{name}_distance"]), 1)) for name in ("trace", "diagonal")]
    [1.0, 0.0]
    """
    if flips < 2 * FLOORS:
        raise CounterfactualError(f"got flips={flips}; expected at least 100 (4000 by default).")
    scored = ScoredWorlds(worlds, disciples=disciples, measurements=measurements, data=data)
    named, units = _scale(worlds, scored, scale)
    found = whitened_outputs(scored, outputs=outputs, cells=cells)
    _refuse_many(scored, found)
    signs = random_signs(flips, len(scored.bounds) - 1, seed=seed)
    several = (_Slopes(scored, found, world, units) for world in scored.disciples[1:] or [ERASED])
    size, effective = len(scored.data), scored.effective
    parts = [relative_slopes(one, size, signs=signs, effective=effective) for one in several]
    about = {"outputs": outputs, "scale": named, "cells": found.cells}
    about |= {"flips": flips, "seed": seed, "measurements": len(found.measurements)}
    return _labelled(parts, scored).assign_attrs(about)


class _Slopes:
    """Each block's word on the slopes of a world, data in deviations, piece by piece."""

    def __init__(
        self, scored: ScoredWorlds, outputs: Outputs, world: str, scale: EvidenceScale
    ) -> None:
        self._scored, self._outputs, self._scale = scored, outputs, scale
        self._names = ERASED, world
        scores = {name: scored.scores(name) for name in dict.fromkeys(self._names)}
        self._scores = scores
        rows = outputs.rows[world]
        words = max(2 * (len(scored.bounds) - 1), FLOORS) * len(rows)
        self._columns = list(data_chunks(words, rows.shape[1], len(scored.data)))
        self._kept: tuple[np.ndarray, np.ndarray] | None = None
        self._loaded: np.ndarray | None = None

    def __call__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Give pairs (erased, change), (block, output, datum)."""
        if len(self._columns) == 1:
            if self._kept is None:
                both = self._scale.apply(self._words(slice(None)))
                self._kept = both[0], both[1]
            yield self._kept
            return
        if self._loaded is None:
            parts = (self._scale.loaded(self._words(at), at) for at in self._columns)
            self._loaded = np.asarray(sum(parts))
        for at in self._columns:
            both = self._scale.apply(self._words(at), at, self._loaded)
            yield both[0], both[1]

    def _words(self, columns: slice) -> np.ndarray:
        """Slopes per unit of some data: erased, and what is added, (2, block, output, datum)."""
        first, second = (self._scores[name][:, columns] for name in self._names)
        rows = [self._outputs.rows[name] for name in self._names]
        if not self._scored.by_world:  # one product for both worlds
            both = block_slopes(np.concatenate(rows), first, self._scored.bounds)
            found = [both[:, : len(rows[0])], both[:, len(rows[0]) :]]
        else:
            pairs = zip(rows, (first, second), strict=True)
            found = [block_slopes(own, scores, self._scored.bounds) for own, scores in pairs]
        for at, name in enumerate(self._names):
            direct = self._outputs.direct[name]
            if direct is not None:
                found[at] = found[at] + direct[..., columns]
        return np.stack([found[0], found[1] - found[0]])


def _scale(
    worlds: xr.DataTree, scored: ScoredWorlds, wanted: str | Scale | None
) -> tuple[str, EvidenceScale]:
    """Find the deviations of the data; say which they are."""
    if wanted is not None and not isinstance(wanted, str):
        return "given", EvidenceScale(deviations(scored, wanted, positive=True))
    if wanted is not None and wanted not in SCALES:
        raise CounterfactualError(
            f"got scale={wanted!r}; expected one of {SCALES}, or a number for each datum."
        )
    if wanted == "loo" or (wanted is None and not has_prior(worlds, scored)):
        return "loo", EvidenceScale(deviations(scored, positive=True))
    means, noise = prior_evidence(worlds, scored)
    found = EvidenceScale(noise, means)
    checked_deviations(found.units, scored, positive=True)
    return "prior", found


def _refuse_many(scored: ScoredWorlds, found: Outputs) -> None:
    """Refuse what would not fit: all data, and all words on them, are too many."""
    outputs = len(found.rows[ERASED])
    words = 2 * outputs * (len(scored.bounds) - 1)
    if min(words, len(scored.data)) > MOST_WORDS:
        raise CounterfactualError(
            f"got {outputs} outputs and {len(scored.data)} data; expected at most "
            f"{MOST_WORDS * outputs // words} outputs for so many data: keep fewer measurements "
            "(measurements=[...]), or coarser outputs."
        )


def _labelled(parts: list[dict[str, np.ndarray]], scored: ScoredWorlds) -> xr.Dataset:
    """Give names to what was found; of the first part, X = 0 is the erased world."""
    first, let_in = parts[0], parts[: len(scored.disciples) - 1]
    variables: dict[str, Any] = {}
    for name, value in first.items():
        if name == "seen":
            continue
        by_world = name in BY_WORLD or name in BY_DATUM
        values = [part[name][1] if by_world else part[name] for part in let_in]
        values.insert(0, value[0] if by_world else _from_itself(name, first))
        dims = (DISCIPLE, DATUM) if name in BY_DATUM else (DISCIPLE,)
        variables[name] = (dims, np.stack(values), {"long_name": _long_name(name)})
    reasons = [_reason(first, 0)]
    for part, world in zip(let_in, scored.disciples[1:], strict=True):
        reasons.append(_reason(part, 0) or _reason(part, 1, world))
    said = {"long_name": "why there are no proportions"}
    variables["reason"] = (DISCIPLE, np.array(reasons, dtype=object), said)
    coords = {
        DISCIPLE: np.array(scored.disciples, dtype=object),
        DATUM: np.array(scored.data, dtype=object),
    }
    attrs = {
        "draws": scored.chains * scored.draws,
        "futures": scored.futures,
        "blocks": len(scored.bounds) - 1,
        "ess": scored.effective,
    }
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def _from_itself(name: str, part: dict[str, np.ndarray]) -> np.ndarray:
    """Say how far the erased world is from itself."""
    if name == "p":
        return np.array(1.0)
    known = part["seen"][0] or name.startswith(("squared", "absolute"))
    return np.array(0.0 if known else np.nan)


def _long_name(name: str) -> str:
    for end, said in ENDS.items():
        if name.endswith(end):
            return f"{LONG_NAMES[name.removesuffix(end)]}: {said}"
    return LONG_NAMES[name]


def _reason(part: dict[str, np.ndarray], at: int, world: str = ERASED) -> str:
    """Say why a world's data have no proportions, if so."""
    if part["seen"][at]:
        return ""
    who = f"with {world!r} let in, the future" if at else "the erased world"
    value, error = part["importance"][at], part["importance_mcse"][at]
    return (
        f"{who} is not seen to depend on the evidence: its squared slopes are {value:.2g} "
        f"with an error of {error:.2g}, and proportions want three errors. Draw more, take "
        "more futures, or measure what depends on it; absolute_distance is good as it is."
    )
