r"""Which numbers of every draw meet which scores: outputs of the worlds, scores of the evidence.

An output is any number of a draw whose mean has a slope: the measurement itself, its square, the
indicator of a cell, a wave of it, or what the user computes. Futures of one draw of the past share
its score; averaging the output over them before it meets the score (Rao and Blackwell) takes their
noise away and a row for each.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import (
    CounterfactualError,
    EvidenceError,
    MeasurementError,
    WorldError,
    nearest,
)
from inference.arrays.blocks import block_bounds
from inference.arrays.score_covariance import BLOCKS_FOR
from inference.diagnostics.soundness import refuse_few, refuse_holes, slowest_latent
from inference.schema import (
    CHAIN,
    DATUM,
    DISCIPLE,
    DRAW,
    EVIDENCE_DIRECT,
    EVIDENCE_SCALES,
    EVIDENCE_SCORES,
    FUTURE,
    MEASUREMENT,
    ROLE,
    SCORE_BLOCK,
    STATISTIC,
    chosen_disciples,
    flatten_data,
    parts,
    predictions,
    sample_dims,
)

__all__ = ["Given", "Part", "ScoredWorlds", "with_outputs"]

NUMBERS = 2**22
"""Most draws that are read at once."""

Given = Callable[[xr.Dataset], xr.DataArray] | Mapping[str, Callable[[xr.Dataset], xr.DataArray]]


@dataclass(frozen=True)
class Part:
    """Some measurements in all worlds.

    Parameters
    ----------
    measurements
        Their labels.
    values
        Shape (measurement, world, draw, future); ``erased`` is the first world.
    """

    measurements: list[str]
    values: np.ndarray


class ScoredWorlds:
    """Worlds with the scores of their draws, to be read by parts of the measurements.

    Parameters
    ----------
    worlds
        What ``with_scores`` returned, or a reloaded one.
    disciples, measurements
        As for :func:`inference.schema.flatten`.
    data
        Evidence sites (``"orders"``) or labels (``"orders[3]"``) to keep; all by default.

    Attributes
    ----------
    disciples
        Names of the worlds, ``erased`` first.
    data
        Labels of the data.
    chains, draws, futures
        Lengths of the sample dims.
    bounds
        Blocks of rows of outputs and scores.
    effective
        Effective draws of the slowest latent, at most the draws there are.

    Raises
    ------
    WorldError
        If the tree has no scores, or fewer than 40 draws.
    EvidenceError
        If a datum is not there; the nearest name is offered.
    """

    def __init__(
        self,
        worlds: xr.DataTree,
        *,
        disciples: Sequence[str] | str | None = None,
        measurements: Sequence[str] | str | None = None,
        data: Sequence[str] | str | None = None,
    ) -> None:
        if not isinstance(worlds, xr.DataTree) or EVIDENCE_SCORES not in worlds.children:
            got = list(worlds.children) if isinstance(worlds, xr.DataTree) else type(worlds)
            raise WorldError(
                f"got {got} without 'evidence_scores': what the evidence does is not in it yet. "
                "Add it: worlds = inference.with_scores(world, worlds, disciples)."
            )
        drawn = predictions(worlds)
        self.disciples = chosen_disciples(drawn[DISCIPLE].values, disciples)
        self._worlds = worlds
        self._wanted = {"disciples": disciples, "measurements": measurements}
        self.chains, self.draws = drawn.sizes[CHAIN], drawn.sizes[DRAW]
        self.futures = drawn.sizes.get(FUTURE, 1)
        refuse_few(self.chains * self.draws)
        flat = flatten_data(_chosen(worlds[EVIDENCE_SCORES].to_dataset(), data))
        self._scores = _kept(flat, data).transpose(..., DATUM)
        _refuse_bad_scores(self._scores)
        self.data = [str(label) for label in self._scores[DATUM].values]
        self.effective = min(float(self.chains * self.draws), slowest_latent(worlds))
        copies = self.futures if self.by_future else 1
        self.bounds = block_bounds(self.chains, self.draws, copies, effective=BLOCKS_FOR)

    @property
    def by_world(self) -> bool:
        """Whether every world has scores of its own, as where the future reads the evidence."""
        return DISCIPLE in self._scores.dims

    @property
    def by_future(self) -> bool:
        """Whether a score hangs on the future of its draw, as one does that reads the evidence."""
        return FUTURE in self._scores.dims

    def scores(self, world: str) -> np.ndarray:
        """Scores of every row of a world, (row, datum)."""
        own = self._scores.sel({DISCIPLE: world}, drop=True) if self.by_world else self._scores
        values: np.ndarray = own.values
        return values.reshape(-1, len(self.data))

    def parts(self) -> Iterator[Part]:
        """Values of some measurements after others.

        Raises
        ------
        MeasurementError
            If one is not finite; names the measurement, the disciple and the draw.
        """
        for part in parts(self._worlds, **self._wanted, numbers=NUMBERS):
            refuse_holes(part)
            lead = *part.shape[:2], self.chains * self.draws, self.futures
            yield Part(
                [str(label) for label in part[MEASUREMENT].values], part.values.reshape(lead)
            )

    def everything(self) -> Part:
        """Values of all measurements at once."""
        every = list(self.parts())
        labels = [label for part in every for label in part.measurements]
        return Part(labels, np.concatenate([part.values for part in every]))

    def averaged(self, features: np.ndarray) -> np.ndarray:
        """Bring (..., draw, future) to rows that meet a score: means over futures, if they may."""
        if self.by_future:
            return features.reshape(*features.shape[:-2], -1)
        return features.mean(axis=-1)

    def direct(self, world: str, measurements: Sequence[str]) -> np.ndarray | None:
        """Means over blocks of the measurements' own derivatives, (block, measurement, datum).

        None where no measurement has one.
        """
        found = self._direct()
        if found is None or not set(measurements) & set(map(str, found[MEASUREMENT].values)):
            return None
        own = found.sel({DISCIPLE: world}).reindex(
            {MEASUREMENT: list(measurements), DATUM: self.data}, fill_value=0.0
        )
        values: np.ndarray = own.transpose(SCORE_BLOCK, MEASUREMENT, DATUM).values
        if len(values) != len(self.bounds) - 1:
            raise WorldError(
                f"the measurements' own derivatives were kept in {len(values)} blocks; expected "
                f"{len(self.bounds) - 1}: run inference.with_scores on these worlds again."
            )
        return values

    def refuse_direct(self, measurements: Sequence[str], what: str) -> None:
        """Refuse measurements that are computed from the evidence, where that cannot be followed.

        Raises
        ------
        MeasurementError
            Naming the first one.
        """
        found = self._direct()
        if found is None:
            return
        computed = sorted(set(map(str, found[MEASUREMENT].values)) & set(measurements))
        if computed:
            raise MeasurementError(
                f"measurement {computed[0]!r} is computed from the evidence without any noise, so "
                f"the slopes of {what} cannot be told from draws. Measure what is sampled, add "
                "the noise of its reading (pyro.sample), or leave it out: measurements=[...]."
            )

    def scale(self, statistic: str = "loo_sd") -> np.ndarray | None:
        """Look up a statistic of each datum, (datum,); None where the tree has none."""
        if EVIDENCE_SCALES not in self._worlds.children:
            return None
        scales = flatten_data(self._worlds[EVIDENCE_SCALES].to_dataset())
        own = scales.sel({STATISTIC: statistic}).reindex({DATUM: self.data})
        values: np.ndarray = own.values
        return values

    def _direct(self) -> xr.DataArray | None:
        if EVIDENCE_DIRECT not in self._worlds.children:
            return None
        return self._worlds[EVIDENCE_DIRECT].to_dataset()["direct"]


def with_outputs(worlds: xr.DataTree, given: Given) -> tuple[xr.DataTree, list[str]]:
    """Add what the user computes of each draw to the worlds, as if it were measured.

    Parameters
    ----------
    worlds
        A tree of worlds.
    given
        A function of all that a draw holds (a Dataset), or several by name; a utility is one.

    Returns
    -------
    tuple
        The tree with them, and their names.

    Raises
    ------
    CounterfactualError
        If one does not give a number, or an array, for each draw.
    MeasurementError
        If one is computed from a measurement that has a derivative of its own.
    """
    drawn = predictions(worlds)
    if EVIDENCE_DIRECT in worlds.children:
        raise MeasurementError(
            "some measurements are computed from the evidence without any noise, and a function "
            "of the draws does not tell their derivatives: measure the output in the world."
        )
    named = dict(given) if isinstance(given, Mapping) else {_name(given): given}
    lead = [DISCIPLE, *sample_dims(drawn)]
    found = {}
    for name, function in named.items():
        if name in drawn.data_vars or name in drawn.dims:
            raise CounterfactualError(
                f"output {name!r} has the name of a site or a dim of the worlds; give it a name "
                f"of its own: outputs={{'my_{name}': ...}}."
            )
        values = function(drawn)
        dims = getattr(values, "dims", ())
        if not isinstance(values, xr.DataArray) or not set(lead) <= set(dims):
            got = f"dims {list(dims)}" if dims else f"a {type(values).__name__}"
            raise CounterfactualError(
                f"output {name!r} gave {got}; expected a DataArray with the dims {lead}: a number "
                "for each draw, as in lambda drawn: drawn['clips'] ** 2."
            )
        found[name] = values.drop_vars("X", errors="ignore").assign_attrs({ROLE: "measurement"})
    tree = worlds.copy()
    tree["predictions"] = xr.DataTree(drawn.assign(found))
    return tree, list(found)


def _name(given: Any) -> str:
    name = getattr(given, "__name__", type(given).__name__.lower())
    return "function" if name == "<lambda>" else str(name)


def _chosen(scores: xr.Dataset, data: Sequence[str] | str | None) -> xr.Dataset:
    """Sites that are wanted."""
    if data is None:
        return scores
    wanted = [data] if isinstance(data, str) else list(data)
    known = [str(name) for name in scores.data_vars]
    names = list(dict.fromkeys(name.split("[")[0] for name in wanted))
    for name in names:
        if name not in known:
            raise EvidenceError(f"no datum of a site {name!r} has a score. {nearest(name, known)}")
    if not names:
        raise EvidenceError(f"got data=[]; expected some of the sites {known}, or leave it out.")
    return scores[names]


def _kept(flat: xr.DataArray, data: Sequence[str] | str | None) -> xr.DataArray:
    """Keep the data that are wanted by their labels."""
    wanted = [] if data is None else [data] if isinstance(data, str) else list(data)
    labels = {name for name in wanted if "[" in name}
    if not labels:
        return flat
    known = [str(label) for label in flat[DATUM].values]
    for label in sorted(labels):
        if label not in known:
            raise EvidenceError(f"no datum is named {label!r}. {nearest(label, known)}")
    whole = set(wanted) - labels
    keep = [n for n, lab in enumerate(known) if lab in labels or lab.split("[")[0] in whole]
    return flat.isel({DATUM: keep})


def _refuse_bad_scores(scores: xr.DataArray) -> None:
    """Refuse scores that are not finite, by the datum."""
    # A sum is finite if all are (and no overflow of finite ones is to be expected here).
    sums = scores.sum([dim for dim in scores.dims if dim != DATUM], skipna=False, dtype=float)
    bad = ~np.isfinite(sums.values)
    if bad.any():
        label = str(sums[DATUM].values[bad][0])
        raise EvidenceError(
            f"the score of datum {label!r} is not finite in some draw ({int(bad.sum())} data have "
            "such); the density of its site has no derivative there."
        )
