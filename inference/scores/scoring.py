"""What is added to the worlds: scores, own derivatives of measurements, and scales, by site."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr

from counterfactual_models.errors import EvidenceError
from inference import schema
from inference.arrays.blocks import block_bounds
from inference.arrays.score_covariance import BLOCKS_FOR
from inference.scores.direct import direct_means
from inference.scores.programs import Asked, looked_at
from inference.scores.reading import WorldReading, read_past, read_world
from inference.scores.rows import Mapped, Rows
from inference.scores.scales import leave_each_out, prior_evidence
from inference.scores.supports import is_discrete
from inference.scores.ways import Looking, Pins
from inference.world_plans import WorldPlans

__all__ = ["Scoring"]

_STATISTICS = ("value", "loo_mean", "loo_sd", "loo_khat", "prior_noise")


class Scoring:
    """One run of :func:`with_scores`: what reads the evidence, and how draws are run."""

    def __init__(self, plans: WorldPlans, asked: Asked, worlds: xr.DataTree) -> None:
        self.plans, self.asked, self.worlds = plans, asked, worlds
        self.drawn = (
            worlds["predictions"].to_dataset() if "predictions" in worlds.children else None
        )
        self.past = Rows(plans.pins, plans.draws)
        self.rows = {name: self._rows(name) for name in plans.names}
        self.reading = read_past(asked, self.past)
        later = [n for n in asked.later if asked.data[n].is_floating_point()]
        self.unscored = dict(self.reading.unscored)
        self.unscored |= {n: "it holds whole numbers" for n in asked.later if n not in later}
        self.readings = self._readings([*self.reading.scored, *later])
        self.names = [n for n in asked.data if n not in self.unscored]
        if not self.names:
            raise EvidenceError(
                "no datum has a score: "
                + "; ".join(f"of {name!r}, {why}" for name, why in self.unscored.items())
                + ". What the evidence does is seen by deleting it: leave_out."
            )
        self.ways = {
            name: Mapped(asked.worlds[name], reading.fixed, frozenset(asked.past.anatomy.sites))
            for name, reading in self.readings.items()
        }
        self.past_way = Mapped(asked.past)

    @property
    def by_world(self) -> list[str]:
        """Evidence sites whose scores differ between worlds."""
        if self.asked.later:
            return list(self.names)
        read = set().union(*(reading.sites for reading in self.readings.values()))
        return [name for name in self.names if name in read]

    @property
    def computed(self) -> dict[str, list[str]]:
        """World -> measurements computed from evidence that has scores."""
        return {
            name: [m for m, sites in reading.measurements.items() if sites & set(self.names)]
            for name, reading in self.readings.items()
        }

    @property
    def rows_to_do(self) -> int:
        """How many draws are run, for the bar."""
        worlds = sum(
            rows.count * (bool(self.readings[name].densities) + bool(self.computed[name]))
            for name, rows in self.rows.items()
        )
        return 2 * self.past.count + worlds

    def groups(
        self, observed: xr.Dataset, prior_draws: int, seed: int, watch: Callable[[int], Any]
    ) -> dict[str, xr.Dataset]:
        """Make all that is added."""
        found = {schema.EVIDENCE_SCORES: self._scores(observed, watch)}
        outputs = list(dict.fromkeys(n for names in self.computed.values() for n in names))
        if outputs:
            found[schema.EVIDENCE_DIRECT] = self._direct(observed, outputs, watch)
        program, priors = self.asked.past, {}
        if self.asked.later:  # the erased world's own posterior speaks for it
            program = self.asked.worlds[schema.ERASED]
        if prior_draws:
            priors = prior_evidence(
                program, self.names, self._read(), draws=prior_draws, seed=seed, watch=watch
            )
            found[schema.PRIOR_EVIDENCE] = self._labelled(
                observed,
                {name: priors[name].means for name in self.names},
                {schema.PRIOR_DRAW: np.arange(prior_draws)},
            )
        found[schema.EVIDENCE_SCALES] = self._scales(observed, program, priors, seed, watch)
        return found

    def _rows(self, name: str) -> Rows:
        """Find the draws of a world, with what was kept of their futures."""
        plans, drawn = self.plans, self.drawn
        if drawn is None:
            return self.past
        own = drawn.sel({schema.DISCIPLE: name}, drop=True)
        sites = self.asked.worlds[name].anatomy.sites
        kept = {
            site: _Futures(own[site].transpose(*plans.lead, ...), sites[site].value)
            for site in plans.recorded
            if not sites[site].computed
        }
        draw = None
        if schema.PAST_DRAW in own:
            draw = own[schema.PAST_DRAW].transpose(*plans.lead).values.ravel()
        elif plans.futures > 1:
            draw = np.repeat(np.arange(plans.draws), plans.futures)
        return Rows(plans.pins, plans.draws * plans.futures, draw, kept)

    def _readings(self, scored: list[str]) -> dict[str, WorldReading]:
        """Look at the world of each disciple; what one cannot differentiate is left out of all."""
        kept = [n for n in self.plans.recorded if self.plans.site(n).role == "measurement"]
        found = {}
        for name in self.plans.names:
            counted = self.drawn is None
            found[name] = read_world(
                self.asked, name, self.rows[name], scored, kept, counted=counted
            )
            self.unscored |= found[name].unscored
        return found

    def _read(self) -> list[str]:
        """Evidence sites that other sites of the same program read."""
        read = set(self.reading.read)
        if self.asked.later:
            for site, readers in self.readings[schema.ERASED].densities.items():
                read |= readers - {site}
        return [name for name in self.names if name in read]

    def _scores(self, observed: xr.Dataset, watch: Callable[[int], Any]) -> xr.Dataset:
        plans, by_world = self.plans, self.by_world
        past = self._past_scores(watch)
        lead = dict(zip(plans.lead[:2], plans.shape[:2], strict=True))
        arrays = {
            name: past[name].reshape(*lead.values(), *past[name].shape[1:])
            for name in self.names
            if name not in by_world
        }
        found = self._labelled(observed, arrays, {d: np.arange(n) for d, n in lead.items()})
        if by_world:
            sizes = zip(plans.lead, plans.shape, strict=True)
            along = {schema.DISCIPLE: plans.names, **{d: np.arange(n) for d, n in sizes}}
            arrays = self._future_scores(past, by_world, watch)
            found = found.merge(self._labelled(observed, arrays, along))[self.names]
        for name, variable in found.data_vars.items():
            site = plans.site(str(name))
            variable.attrs |= schema.encode_attrs({"discrete": is_discrete(looked_at(site.fn))})
            _refuse_infinite(variable)
        how = {"the past": self.past_way.how} | {n: way.how for n, way in self.ways.items()}
        found.attrs = schema.encode_attrs(
            {
                "scored_by": {name: said for name, said in how.items() if said},
                "no_scores": list(self.unscored),
                "read_by_the_future": {
                    name: [world for world, own in self.readings.items() if name in own.sites]
                    for name in by_world
                },
            }
        )
        return found

    def _past_scores(self, watch: Callable[[int], Any]) -> dict[str, np.ndarray]:
        """Differentiate log p(past, e), first axis = draws of the past."""
        names, targets = self.reading.scored, self.reading.targets
        names = [name for name in names if name not in self.unscored]
        found = self._empty(self.past.count, self.names)
        if not targets or not names:
            return found

        def task(way: Looking, pins: Pins, count: int) -> dict[str, torch.Tensor]:
            return way.scores(names, targets, pins, count)

        def take(part: slice, slopes: dict[str, torch.Tensor]) -> None:
            for name, slope in slopes.items():
                found[name][part] = slope.numpy()

        self.past_way.over(task, self.past, take, watch=watch)
        return found

    def _future_scores(
        self, past: dict[str, np.ndarray], names: list[str], watch: Callable[[int], Any]
    ) -> dict[str, np.ndarray]:
        """Add to the scores of each row's past those of its future, world by world."""
        plans = self.plans
        shape = len(plans.names), *plans.shape
        found = self._empty(len(plans.names) * plans.draws * plans.futures, names)
        found = {n: v.reshape(len(plans.names), -1, *v.shape[1:]) for n, v in found.items()}
        for world, name in enumerate(plans.names):
            rows, targets = self.rows[name], list(self.readings[name].densities)
            for site in names:
                index = slice(None) if rows.draw is None else rows.draw
                found[site][world] = past[site][index]
            if not targets:
                continue

            def task(
                way: Looking, pins: Pins, count: int, targets: list[str] = targets
            ) -> dict[str, torch.Tensor]:
                return way.scores(names, targets, pins, count)

            def take(
                part: slice,
                slopes: dict[str, torch.Tensor],
                world: int = world,
                rows: Rows = rows,
            ) -> None:
                for site, slope in slopes.items():
                    before = past[site][part if rows.draw is None else rows.draw[part]]
                    found[site][world, part] = before + slope.numpy()

            self.ways[name].over(task, rows, take, watch=watch)
        return {n: v.reshape(*shape, *v.shape[2:]) for n, v in found.items()}

    def _empty(self, count: int, names: list[str]) -> dict[str, np.ndarray]:
        like = {name: self.asked.data[name].numpy() for name in names}
        return {n: np.zeros((count, *v.shape), v.dtype) for n, v in like.items()}

    def _direct(
        self, observed: xr.Dataset, outputs: list[str], watch: Callable[[int], Any]
    ) -> xr.Dataset:
        plans = self.plans
        assert self.drawn is not None
        sites = set().union(*(s for r in self.readings.values() for s in r.measurements.values()))
        first = {dim: 0 for dim in (schema.DISCIPLE, *plans.lead)}
        bounds = block_bounds(
            plans.chains, plans.draws // plans.chains, plans.futures, effective=BLOCKS_FOR
        )
        return direct_means(
            self.ways,
            self.rows,
            self.drawn[outputs].isel(first, drop=True),
            observed[[name for name in self.names if name in sites]],
            bounds,
            reading=[name for name, computed in self.computed.items() if computed],
            watch=watch,
        )

    def _scales(
        self,
        observed: xr.Dataset,
        program: Any,
        priors: dict[str, Any],
        seed: int,
        watch: Callable[[int], Any],
    ) -> xr.Dataset:
        known, rows, fixed = {}, self.past, {}
        if self.asked.later:
            rows, fixed = self.rows[schema.ERASED], self.readings[schema.ERASED].fixed
        elif "log_likelihood" in self.worlds.children:
            group = self.worlds["log_likelihood"].to_dataset()
            lead = self.plans.lead[:2]
            kept = {str(n): v.transpose(*lead, ...).values for n, v in group.items()}
            known = {n: v.reshape(-1, *v.shape[2:]) for n, v in kept.items() if n in self.names}
        left_out = leave_each_out(
            program, rows, self.names, known, fixed=fixed, seed=seed, watch=watch
        )
        statistics = [s for s in _STATISTICS if priors or s != "prior_noise"]
        arrays = {}
        for name in self.names:
            one = left_out[name]
            parts = [self.asked.data[name].numpy(), one.mean, one.deviation, one.khat]
            parts += [priors[name].noise] if priors else []
            arrays[name] = np.stack([np.asarray(part, np.float64) for part in parts])
        return self._labelled(observed, arrays, {schema.STATISTIC: statistics})

    def _labelled(
        self, observed: xr.Dataset, arrays: Mapping[str, np.ndarray], lead: Mapping[str, Any]
    ) -> xr.Dataset:
        """Label arrays as the data of the same sites are labelled."""
        variables = {name: ([*lead, *observed[name].dims], v) for name, v in arrays.items()}
        along = {d for name in arrays for d in observed[name].dims}
        coords = {str(d): observed.coords[d].values for d in along if d in observed.coords}
        return xr.Dataset(variables, coords={**coords, **lead})


class _Futures:
    """Values of a future site, picked by rows: from memory, or from where the worlds are kept."""

    def __init__(self, values: xr.DataArray, like: torch.Tensor) -> None:
        self.values, self.like = values, like.numpy().dtype
        self.lead = [
            dim for dim in (schema.CHAIN, schema.DRAW, schema.FUTURE) if dim in values.dims
        ]

    def __getitem__(self, rows: Any) -> np.ndarray:
        sizes = [self.values.sizes[dim] for dim in self.lead]
        rows = np.arange(int(np.prod(sizes)))[rows]
        places = np.unravel_index(rows, sizes)
        index = {d: xr.DataArray(p, dims="_row") for d, p in zip(self.lead, places, strict=True)}
        return self.values.isel(index).transpose("_row", ...).values.astype(self.like, copy=False)


def _refuse_infinite(scores: xr.DataArray) -> None:
    """Refuse what is not finite, by the place of the first."""
    # A sum is finite where all its parts are.
    if np.isfinite(scores.sum(dtype=np.float64)):
        return
    bad = ~np.isfinite(scores.values)
    where = dict(zip(scores.dims, map(int, np.argwhere(bad)[0]), strict=True))
    raise EvidenceError(
        f"the score of the evidence {scores.name!r} is not finite in {int(bad.sum())} of "
        f"{bad.size} places, first at {where}: its density has no derivative there. Is a datum on "
        "the edge of its support?"
    )
