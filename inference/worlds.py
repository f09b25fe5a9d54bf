r"""What does the world look like if the disciple is let in, and if it is not?

.. math:: P(e, S, X)(w) = \int p(w \mid \mathrm{past}, S, X)\, p(\mathrm{past} \mid e)

One posterior serves every disciple and both values of X, and P(e,S,0) is the same for every S:
K disciples cost K + 1 worlds. Each world is a pass of its own with the switch a plain 0 or 1, so
that no reshape can ever mix two worlds.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import xarray as xr
from scipy.special import logsumexp

from counterfactual_models.anatomy import Anatomy, dissect
from counterfactual_models.checks import erased_values, refuse_leak
from counterfactual_models.disciples import Disciple, erased, gather
from counterfactual_models.errors import EvidenceError, ImpactWarning, WorldError
from counterfactual_models.handlers import SetSwitch, derive_seed
from inference import schema
from inference.arrays.weights import doubtful, equal_draws, kish_draws, smoothed
from inference.labels import Labels
from inference.posterior.engine import bar
from inference.posterior.question import match_evidence, world_hash, world_name
from inference.simulation import Program, block_size, simulate
from inference.store import provenance

__all__ = ["check_options", "sample_worlds"]

_OF_POSTERIOR = (
    "posterior",
    "sample_stats",
    "convergence",
    "log_likelihood",
    "log_prior",
    "observed_data",
)


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
        ``measurement`` or ``future``. With evidence after the switch each world is resampled by
        it, `posterior_draw` says which draw of the posterior (chain x draws + draw) each row came
        from, and the group `posterior` itself knows only the evidence about the past.

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
    seed, futures = int(seed), int(futures)
    everyone = [erased, *gather(disciples)]
    job = _Job(world, posterior, futures, seed, coupling)
    labels = Labels(coords, dims, job.whole.sites)
    labels.adopt(posterior)
    drawn, notes = _all_worlds(job, everyone, progress)
    if coupling == "shared":
        _warn_of_unshared(notes)
    return _tree(job, [d for d in everyone if d.name in drawn], drawn, notes, labels)


def check_options(*, futures: int, coupling: str) -> None:
    """Refuse options of :func:`sample_worlds` that do not fit, before anything is run."""
    if coupling not in ("independent", "shared"):
        raise WorldError(f"got coupling={coupling!r}; expected 'independent' or 'shared'.")
    if int(futures) != futures or futures < 1:
        raise WorldError(f"got futures={futures}; expected a whole number of at least 1.")


def _warn_of_unshared(notes: dict[str, "_Notes"]) -> None:
    alone = [name for name, note in notes.items() if note.vectorised != "plate"]
    if alone and len(alone) < len(notes):
        warnings.warn(
            f"the noise of {alone} is not shared with the other worlds: they are run one draw at "
            "a time. Estimates stay right; their differences have larger errors.",
            ImpactWarning,
            stacklevel=3,
        )


def _all_worlds(
    job: "_Job", everyone: list[Disciple], progress: bool
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, "_Notes"]]:
    drawn: dict[str, dict[str, np.ndarray]] = {}
    notes: dict[str, _Notes] = {}
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
                stacklevel=3,
            )
    return drawn, notes


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
        self.off = erased_values(world, seed=seed)
        self.attrs = schema.decode_attrs(posterior.attrs)
        self._refuse_another_world()
        observed = posterior["observed_data"].to_dataset()
        given = {str(n): v.values for n, v in observed.items() if n not in self.whole.data}
        self.evidence = match_evidence(self.whole, given)
        self.known = {*self.evidence, *self.whole.data}
        self.later = [n for n in self.whole.sites if n in self.known and n in self.whole.future]
        self.pins, self.chains, self.draws = self._pins()
        self.recorded = [
            name
            for name, site in self.whole.sites.items()
            if site.role in ("measurement", "future")
            and not site.auxiliary
            and name not in self.known
        ]

    def _refuse_another_world(self) -> None:
        for group in ("posterior", "observed_data"):
            if group not in self.posterior.children:
                raise WorldError(
                    f"this tree has the groups {list(self.posterior.children)} and no {group!r}; "
                    "expected what sample_posterior(world, evidence) returned."
                )
        if self.attrs.get("world_hash") not in (None, world_hash(self.world)):
            warnings.warn(
                f"the posterior was drawn for another text, or other arguments, of world "
                f"{self.attrs.get('world')!r}; draw it again unless the past is unchanged.",
                ImpactWarning,
                stacklevel=4,
            )

    def _pins(self) -> tuple[dict[str, torch.Tensor], int, int]:
        found = self.posterior["posterior"].to_dataset()
        sites = {n: s for n, s in self.whole.named("past").items() if n not in self.known}
        if set(sites) != set(map(str, found.data_vars)):
            raise WorldError(
                f"the posterior holds the latents {sorted(map(str, found.data_vars))}, and the "
                f"past of world {world_name(self.world)!r} has {sorted(sites)}: draw the "
                "posterior of this very world."
            )
        if not sites:
            shape = self.attrs.get("shape", [4, 1000])
            return {}, int(shape[0]), int(shape[0]) * int(shape[1])
        pins = {}
        for name, site in sites.items():
            values = found[name].transpose(schema.CHAIN, schema.DRAW, ...).values
            if values.shape[2:] != tuple(site.value.shape):
                raise WorldError(
                    f"the posterior holds {name!r} with shape {values.shape[2:]} a draw, and the "
                    f"world samples it with shape {tuple(site.value.shape)}: draw the posterior "
                    "of this very world."
                )
            flat = torch.from_numpy(np.array(values)).reshape(-1, *values.shape[2:])
            pins[name] = flat.to(site.value)
        chains = found.sizes[schema.CHAIN]
        return pins, chains, chains * found.sizes[schema.DRAW]

    def draw(self, disciple: Disciple, shown: Any) -> tuple[dict[str, np.ndarray], _Notes]:
        """Draw one world: all draws with the disciple let in, or with it erased."""
        program = self._program(disciple)
        tag = disciple.name if self.coupling == "independent" else "shared"
        out = simulate(
            program,
            self.pins,
            draws=self.draws,
            key=(self.seed, "worlds", tag),
            record=self.recorded,
            score=self.later,
            size=block_size(self.whole, scored=bool(self.later)),
            copies=self.futures,
            watch=shown.update,
        )
        arrays = {name: values.cpu().numpy() for name, values in out.values.items()}
        if not self.later:
            return arrays, _Notes(out.how)
        scores = [s.double().reshape(len(s), -1).sum(1) for s in out.log_prob.values()]
        return self._weighed(disciple, arrays, torch.stack(scores).sum(0).numpy(), out.how)

    def _program(self, disciple: Disciple) -> Program:
        on = int(disciple is not erased)
        anatomy = dissect(self.world, disciple, on=on) if on else self.whole
        if on:
            refuse_leak(self.world, disciple, self.off, seed=self.seed)
            _compare(self.whole, anatomy, disciple, self.recorded)
        call = SetSwitch(on)(partial(self.world, disciple))
        what = f"the world with disciple {disciple.name!r}" if on else "the erased world"
        return Program(call, anatomy, self.evidence, what)

    def _weighed(
        self, disciple: Disciple, arrays: dict[str, np.ndarray], log_weights: np.ndarray, how: str
    ) -> tuple[dict[str, np.ndarray], _Notes]:
        """Weigh a world by evidence about its future, and make its draws equal again.

        Draws of the past are resampled by the mean weight of their futures, then the futures of
        each by their own: what stands under one draw goes on sharing its past.
        """
        if not np.isfinite(log_weights).any():
            raise EvidenceError(
                f"the evidence on {self.later} cannot happen in any draw of the world with "
                f"disciple {disciple.name!r}: P(e,S,X) is not defined there."
            )
        rows = log_weights.reshape(self.draws, self.futures)
        weights, khat = smoothed(logsumexp(rows, axis=1))
        effective = kish_draws(weights)
        if doubtful(khat, effective):
            warnings.warn(
                f"evidence after the switch: the draws for disciple {disciple.name!r} are weighed "
                f"with k-hat {khat:.2f} (wanted below 0.7) and {effective:.0f} effective draws; "
                "take many more draws, or move the evidence before the switch.",
                ImpactWarning,
                stacklevel=4,
            )
        rng = np.random.default_rng(derive_seed(self.seed, "resample", disciple.name))
        kept = equal_draws(weights, self.draws, rng)
        chosen = rows[kept]  # what cannot happen is not among them
        within = np.exp(chosen - logsumexp(chosen, axis=1, keepdims=True))
        ticks = (np.arange(self.futures) + rng.random((self.draws, 1))) / self.futures
        below = np.cumsum(within, axis=1)[:, None, :-1] < ticks[:, :, None]
        place = (kept[:, None] * self.futures + below.sum(-1)).ravel()
        arrays = {name: values[place] for name, values in arrays.items()}
        arrays[schema.PAST_DRAW] = np.repeat(kept, self.futures)
        return arrays, _Notes(how, float(khat), effective)


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
    for name in {**whole.sites, **anatomy.sites}:
        here, there = whole.sites.get(name), anatomy.sites.get(name)
        if here and there and (here.observed, here.computed) != (there.observed, there.computed):
            raise WorldError(
                f"{name!r} is observed, or computed, only in one of the worlds with "
                f"{disciple.name!r} let in and erased; do the same in both."
            )
        if (here is None) == (there is None):
            continue
        site = here or there
        assert site is not None
        if site.role == "future" and not site.observed:
            continue  # what a disciple samples for itself is its own affair
        kind = "measured" if site.role == "measurement" else "there"
        raise WorldError(
            f"{name!r} is {kind} only when {disciple.name if there else 'erased'!r} is let in; "
            "measure, sample and observe the same things in both worlds."
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
    roles = {name: {schema.ROLE: job.whole.sites[name].role} for name in job.recorded}
    found = labels.dataset(arrays, lead, roles)
    if job.later:
        index = np.stack([drawn[name][schema.PAST_DRAW] for name in names])
        found[schema.PAST_DRAW] = (lead, index.reshape(len(names), *shape), {schema.ROLE: "index"})
    found = found.assign_coords(
        {
            schema.DISCIPLE: names,
            schema.SWITCH: (schema.DISCIPLE, [int(d is not erased) for d in everyone]),
            **{dim: np.arange(found.sizes[dim]) for dim in lead[1:]},
        }
    )
    groups = {g: n.to_dataset() for g, n in job.posterior.children.items() if g in _OF_POSTERIOR}
    tree = xr.DataTree.from_dict({**groups, "predictions": found}, name=job.posterior.name)
    tree.attrs = schema.encode_attrs({**job.attrs, **_attrs(job, everyone, notes)})
    return tree


def _attrs(job: _Job, everyone: list[Disciple], notes: dict[str, _Notes]) -> dict[str, Any]:
    computed = [n for n, s in job.whole.sites.items() if s.computed]
    found = {
        **provenance(),
        "posterior_seed": job.attrs.get("posterior_seed", job.attrs.get("seed")),
        "seed": job.seed,
        "futures": job.futures,
        "coupling": job.coupling,
        "vectorised": {name: note.vectorised for name, note in notes.items()},
        "shared_posterior": not job.later,
        "reused": sorted(job.pins),
        "redrawn": [n for n in job.recorded if n not in computed],
        "recomputed": computed,
        "forced": [str(job.whole.switch), *(n for n in job.whole.sites if n in job.known)],
        "disciples": [d.name for d in everyone[1:]],
        "disciple_sources": {d.name: d.source for d in everyone[1:] if d.source},
    }
    if job.later:
        found["khat"] = {name: note.khat for name, note in notes.items()}
        found["effective_draws"] = {name: note.effective_draws for name, note in notes.items()}
    return found
