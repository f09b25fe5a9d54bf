r"""What does the world look like if the disciple is let in, and if it is not?

.. math:: P(e, S, X)(w) = \int p(w \mid \mathrm{past}, S, X)\, p(\mathrm{past} \mid e)

One posterior serves every disciple and both values of X, and P(e,S,0) is the same for every S:
K disciples cost K + 1 worlds. Each world is a pass of its own with the switch a plain 0 or 1, so
that no reshape can ever mix two worlds.
"""

import logging
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import xarray as xr

from counterfactual_models.anatomy import Anatomy, dissect
from counterfactual_models.disciples import Disciple, erased, gather
from counterfactual_models.errors import EvidenceError, ImpactWarning, WorldError
from counterfactual_models.handlers import SetSwitch, derive_seed
from inference import schema
from inference.arrays.weights import equal_draws, kish_draws, smoothed
from inference.labels import Labels
from inference.posterior.engine import bar
from inference.posterior.question import match_evidence, world_hash, world_name
from inference.simulation import Program, block_size, run, trusted
from inference.store import provenance

__all__ = ["check_options", "sample_worlds"]

logger = logging.getLogger(__name__)


def sample_worlds(
    world: Callable[..., Any],
    posterior: xr.DataTree,
    disciples: Mapping[str, Callable[..., Any]] | Iterable[Disciple | Callable[..., Any]],
    *,
    futures: int = 1,
    seed: int = 0,
    coords: Mapping[str, Any] | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    coupling: str = "independent",
    progress: bool = True,
) -> xr.DataTree:
    """Draw P(e,S,1) for every disciple, and P(e,S,0) once for all.

    Only the latents of the past are taken from the posterior; what is computed is computed anew,
    and everything after the switch is drawn. Sites marked ``infer={"is_auxiliary": True}`` are
    drawn and not kept.

    Parameters
    ----------
    world
        The program that the posterior was drawn for.
    posterior
        From ``sample_posterior``, or reloaded.
    disciples
        Name -> policy, or a list of :class:`counterfactual_models.Disciple`.
    futures
        Futures for each draw of the past; above 1 they get a dim of their own.
    seed
        The same seed gives the same numbers, and the erased world is the same to the bit
        whatever disciples are asked for.
    coords, dims
        Labels of axes, as in ``sample_posterior``.
    coupling
        ``independent``: each world has noise of its own. ``shared``: sites of the same name have
        the same noise in every world, which shrinks the error of differences.
    progress
        Show a progress bar, if there is a terminal. Interrupted, the worlds that are finished
        are kept, if there is a disciple's among them.

    Returns
    -------
    xr.DataTree
        The posterior's groups and `predictions` (disciple, chain, draw[, future], ...), with
        ``erased`` first and the coordinate `X` along disciple; each variable says its role,
        ``measurement`` or ``future``.

    Raises
    ------
    WorldError, DiscipleError, MeasurementError
        If the world was changed since, the wire leaks, a draw is not finite, or sites differ
        between draws or worlds; site, disciple and draw are named.

    Examples
    --------
    >>> import inference
    >>> from counterfactual_models import zoo
    >>> example = zoo.load("gaussian")
    >>> posterior = inference.sample_posterior(
    ...     example.world, example.evidence, "importance", draws=100, progress=False)
    >>> worlds = sample_worlds(example.world, posterior, example.disciples, progress=False)
    >>> worlds["predictions"].disciple.values.tolist()
    ['erased', 'null', 'push', 'follow']
    """
    check_options(futures=futures, coupling=coupling)
    everyone = [erased, *gather(disciples)]
    job = _Job(world, posterior, futures, seed, coupling)
    labels = Labels(coords, dims, job.whole.sites)
    labels.adopt(posterior)
    drawn, notes = {}, {}
    with bar(job.draws * len(everyone), "worlds", progress) as shown:
        try:
            for disciple in everyone:
                drawn[disciple.name], notes[disciple.name] = job.draw(disciple, shown)
        except KeyboardInterrupt:
            if len(drawn) < 2:
                raise
            warnings.warn(
                f"interrupted: the worlds of {list(drawn)} were finished and are kept.",
                ImpactWarning,
                stacklevel=2,
            )
    return _tree(job, [d for d in everyone if d.name in drawn], drawn, notes, labels)


def check_options(*, futures: int, coupling: str) -> None:
    """Refuse options of :func:`sample_worlds` that do not fit, before anything is run."""
    if coupling not in ("independent", "shared"):
        raise WorldError(f"got coupling={coupling!r}; expected 'independent' or 'shared'.")
    if int(futures) != futures or futures < 1:
        raise WorldError(f"got futures={futures}; expected a whole number of at least 1.")


@dataclass(frozen=True)
class _Notes:
    """How one world was drawn."""

    vectorised: str
    khat: float | None = None
    effective_draws: float | None = None


class _Job:
    """What all disciples share: the posterior's draws, the evidence, the erased world's sites."""

    def __init__(
        self,
        world: Callable[..., Any],
        posterior: xr.DataTree,
        futures: int,
        seed: int,
        coupling: str,
    ) -> None:
        self.world, self.posterior = world, posterior
        self.futures, self.seed, self.coupling = futures, seed, coupling
        self.whole = dissect(world, erased)
        self.attrs = schema.decode_attrs(posterior.attrs)
        self._refuse_another_world()
        observed = posterior["observed_data"].to_dataset()
        given = match_evidence(self.whole, {str(n): v.values for n, v in observed.items()})
        self.evidence = {**self.whole.data, **given}
        self.later = [n for n in self.evidence if n in self.whole.future]
        self.pins, self.chains, self.draws = self._pins()
        hidden = {*self.pins, *self.evidence}
        self.recorded = [
            name
            for name, site in self.whole.sites.items()
            if site.role in ("measurement", "future") and not site.auxiliary and name not in hidden
        ]
        self.size = max(1, block_size(self.whole, scored=bool(self.later)) // futures)

    def _refuse_another_world(self) -> None:
        for group in ("posterior", "observed_data"):
            if group not in self.posterior.children:
                raise WorldError(
                    f"this tree has the groups {list(self.posterior.children)} and no {group!r}; "
                    "expected what sample_posterior(world, evidence) returned."
                )
        if self.attrs.get("world_hash") not in (None, world_hash(self.world)):
            warnings.warn(
                f"the posterior was drawn for another text of world {self.attrs.get('world')!r}; "
                "draw it again unless the past is unchanged.",
                ImpactWarning,
                stacklevel=4,
            )

    def _pins(self) -> tuple[dict[str, torch.Tensor], int, int]:
        found = self.posterior["posterior"].to_dataset()
        sites = self.whole.named("past")
        wanted = {name for name in sites if name not in self.evidence}
        if wanted != set(map(str, found.data_vars)):
            raise WorldError(
                f"the posterior holds the latents {sorted(map(str, found.data_vars))}, and the "
                f"past of world {world_name(self.world)!r} has {sorted(wanted)}: draw the "
                "posterior of this very world."
            )
        if not wanted:
            shape = self.attrs.get("shape", [4, 1000])
            return {}, int(shape[0]), int(shape[0]) * int(shape[1])
        pins = {}
        for name in wanted:
            values = torch.from_numpy(np.ascontiguousarray(found[name].values))
            pins[name] = values.reshape(-1, *values.shape[2:]).to(sites[name].value)
        chains = found.sizes[schema.CHAIN]
        return pins, chains, chains * found.sizes[schema.DRAW]

    def draw(self, disciple: Disciple, shown: Any) -> tuple[dict[str, np.ndarray], _Notes]:
        """Draw one world: all draws with the disciple let in, or with it erased."""
        program = self._program(disciple)
        tag = disciple.name if self.coupling == "independent" else "shared"
        key = (self.seed, "worlds", tag)
        plate, why = trusted(program, self.pins, draws=self.draws, key=key)
        if not plate:
            logger.info("%s: one run per draw, because %s", program.what, why)
        values: dict[str, list[torch.Tensor]] = {name: [] for name in self.recorded}
        log_weights = []
        for start in range(0, self.draws, self.size):
            count = min(self.size, self.draws - start)
            block = {
                n: v[start : start + count].repeat_interleave(self.futures, 0)
                for n, v in self.pins.items()
            }
            out = run(
                program,
                block,
                draws=count * self.futures,
                key=(*key, start // self.size),
                record=self.recorded,
                score=self.later,
                plate=plate,
                first=start * self.futures,
            )
            for name in self.recorded:
                values[name].append(out.values[name])
            scores = [s.double().reshape(len(s), -1).sum(1) for s in out.log_prob.values()]
            log_weights.append(torch.stack(scores).sum(0) if scores else torch.zeros(0))
            shown.update(count)
        arrays = {name: torch.cat(parts).cpu().numpy() for name, parts in values.items()}
        notes = _Notes("plate" if plate else f"loop: {why}")
        if self.later:
            return self._weighed(disciple, arrays, torch.cat(log_weights).numpy(), notes)
        return arrays, notes

    def _program(self, disciple: Disciple) -> Program:
        on = int(disciple is not erased)
        anatomy = dissect(self.world, disciple, on=on) if on else self.whole
        _compare(self.whole, anatomy, disciple, self.recorded)
        call = SetSwitch(on)(partial(self.world, disciple))
        what = f"the world with disciple {disciple.name!r}" if on else "the erased world"
        return Program(call, anatomy, self.evidence, what)

    def _weighed(
        self,
        disciple: Disciple,
        arrays: dict[str, np.ndarray],
        log_weights: np.ndarray,
        notes: _Notes,
    ) -> tuple[dict[str, np.ndarray], _Notes]:
        """Weigh a world by evidence about its future, and make its draws equal again."""
        if not np.isfinite(log_weights).any():
            raise EvidenceError(
                f"the evidence on {self.later} cannot happen in any draw of the world with "
                f"disciple {disciple.name!r}: P(e,S,X) is not defined there."
            )
        weights, khat = smoothed(log_weights)
        effective = kish_draws(weights)
        if khat > 0.7 or effective < 100:
            warnings.warn(
                f"evidence after the switch: the draws for disciple {disciple.name!r} are weighed "
                f"with k-hat {khat:.2f} (wanted below 0.7) and {effective:.0f} effective draws; "
                "take many more draws, or move the evidence before the switch.",
                ImpactWarning,
                stacklevel=4,
            )
        rng = np.random.default_rng(derive_seed(self.seed, "resample", disciple.name))
        kept = equal_draws(weights, len(weights), rng)
        arrays = {name: values[kept] for name, values in arrays.items()}
        return arrays, _Notes(notes.vectorised, float(khat), effective)


def _compare(whole: Anatomy, anatomy: Anatomy, disciple: Disciple, recorded: list[str]) -> None:
    """Hold the sites of a disciple's world against those of the erased world."""
    for name in recorded:
        if name not in anatomy.sites:
            raise WorldError(
                f"{name!r} is there when the disciple is erased and not when {disciple.name!r} is "
                "let in; measure the same things in both worlds."
            )
        on, off = anatomy.sites[name].value.shape, whole.sites[name].value.shape
        if on != off:
            raise WorldError(
                f"{name!r} has shape {tuple(on)} with disciple {disciple.name!r} and "
                f"{tuple(off)} when erased; expected the same shape in both worlds."
            )
    for name, site in anatomy.sites.items():
        if site.role == "measurement" and name not in whole.sites:
            raise WorldError(
                f"{name!r} is measured only when {disciple.name!r} is let in; measure the same "
                "things in both worlds."
            )


def _tree(
    job: _Job,
    everyone: list[Disciple],
    drawn: dict[str, dict[str, np.ndarray]],
    notes: dict[str, _Notes],
    labels: Labels,
) -> xr.DataTree:
    names = [d.name for d in everyone]
    lead = [schema.DISCIPLE, schema.CHAIN, schema.DRAW]
    lead += [schema.FUTURE] if job.futures > 1 else []
    shape = [job.chains, job.draws // job.chains] + ([job.futures] if job.futures > 1 else [])
    arrays = {}
    for name in job.recorded:
        rows = np.stack([drawn[disciple].pop(name) for disciple in names])
        arrays[name] = rows.reshape(len(names), *shape, *rows.shape[2:])
    roles = {name: {schema.ROLE: job.whole.sites[name].role} for name in arrays}
    found = labels.dataset(arrays, lead, roles)
    found = found.assign_coords(
        {
            schema.DISCIPLE: names,
            schema.SWITCH: (schema.DISCIPLE, [int(d is not erased) for d in everyone]),
            **{dim: np.arange(found.sizes[dim]) for dim in lead[1:]},
        }
    )
    tree = job.posterior.copy()
    tree["predictions"] = xr.DataTree(found)
    tree.attrs = schema.encode_attrs({**job.attrs, **_attrs(job, everyone, notes)})
    return tree


def _attrs(job: _Job, everyone: list[Disciple], notes: dict[str, _Notes]) -> dict[str, Any]:
    computed = [n for n, s in job.whole.sites.items() if s.computed]
    found = {
        **provenance(),
        "posterior_seed": job.attrs.get("seed"),
        "seed": job.seed,
        "futures": job.futures,
        "coupling": job.coupling,
        "vectorised": {name: note.vectorised for name, note in notes.items()},
        "shared_posterior": not job.later,
        "reused": sorted(job.pins),
        "redrawn": [n for n in job.recorded if n not in computed],
        "recomputed": computed,
        "forced": [str(job.whole.switch), *job.evidence],
        "disciples": [d.name for d in everyone[1:]],
        "disciple_sources": {d.name: d.source for d in everyone[1:] if d.source},
    }
    if job.later:
        found["khat"] = {name: note.khat for name, note in notes.items()}
        found["effective_draws"] = {name: note.effective_draws for name, note in notes.items()}
    return found
