"""What did a Pyro run draw, of which program? MCMC, SVI, importance sampling, or a dict of draws.

Nothing of the user's is changed: not the parameter store, not the random state, not the handlers.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyro
import torch
from pyro.infer import MCMC, Importance, Predictive
from pyro.infer.autoguide.initialization import InitMessenger
from pyro.infer.mcmc.api import StreamingMCMC
from pyro.poutine.block_messenger import BlockMessenger

from counterfactual_models.anatomy import Anatomy, read_program
from counterfactual_models.errors import ImpactWarning, WorldError, nearest
from counterfactual_models.handlers import derive_seed, isolated
from inference.arrays.weights import doubtful, equal_draws, kish_draws, smoothed
from inference.posterior.engine import Drawn
from inference.simulation import Program, block_size, simulate

__all__ = ["Source", "identify"]

# What is put around the model of an autoguide draws numbers unseen: for a start, or a hidden site.
_AROUND_MODELS = (InitMessenger, BlockMessenger)


@dataclass(frozen=True)
class Source:
    """A run, and the programs behind it.

    Parameters
    ----------
    run
        What the user has.
    model, guide
        Programs, where there are such.
    args, kwargs
        What both are called with.
    """

    run: Any
    model: Callable[..., Any] | None
    guide: Callable[..., Any] | None
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @property
    def program(self) -> Callable[[], Any] | None:
        """The model without arguments."""
        return None if self.model is None else partial(self.model, *self.args, **self.kwargs)

    @contextmanager
    def untouched(self, seed: int) -> Iterator[None]:
        """Run programs as the run itself did, and leave the user's process as it was.

        Samplers run without validation: a datum that is missing may be NaN behind a mask. A
        parameter that is made only now has its first value, not the one that was learned.
        """
        store = pyro.get_param_store()
        modules = [p for p in (self.model, self.guide) if isinstance(p, torch.nn.Module)]
        with isolated(seed), torch.no_grad(), pyro.validation_enabled(False):
            before = set(store.keys())
            _refuse_mixed(modules)
            try:
                yield
                made = {n: p for n, p in store.named_parameters() if n not in before}
                lost = [n for n, p in made.items() if not isinstance(p, torch.nn.Parameter)]
                if lost:
                    raise WorldError(
                        f"the parameter {lost[0]!r} is not in Pyro's parameter store any more, "
                        "and its first value would be taken for the learned one: convert the run "
                        "before pyro.clear_param_store(), or load the parameters again."
                    )
                _refuse_mixed(modules)
            finally:
                for name in set(store.keys()) - before:
                    del store[name]

    def draw(
        self,
        anatomy: Anatomy | None,
        *,
        draws: int,
        seed: int,
        watch: Callable[[int], Any],
    ) -> Drawn:
        """Take the draws out of the run, or make them, and hold them against the model's sites."""
        if isinstance(self.run, MCMC):
            drawn = _of_mcmc(self.run)
        elif anatomy is None:
            raise WorldError(
                f"a {type(self.run).__name__} alone does not say what was sampled; give the "
                "model: from_pyro(run, model=model, args=(...))."
            )
        elif isinstance(self.run, Importance):
            drawn = _of_importance(self.run, anatomy, draws, seed)
        elif self.guide is not None:
            drawn = _of_guide(self, self.guide, anatomy, draws, seed, watch)
        else:
            drawn = _of_samples(self.run, anatomy)
        if anatomy is not None:
            _refuse_misfits(drawn, anatomy)
        if not drawn.values:
            raise WorldError("the run holds no draws of any latent; there is nothing to convert.")
        return drawn


def identify(
    run: Any,
    model: Callable[..., Any] | None,
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
) -> Source:
    """Tell what kind of run it is, and find its programs and their arguments.

    Raises
    ------
    WorldError
        If it is no run, or one that is not finished or kept no draws.
    """
    own: tuple[Any, Any] = ((), {})
    guide = None
    if isinstance(run, StreamingMCMC | Predictive):
        kept = "only statistics" if isinstance(run, StreamingMCMC) else "no draws itself"
        do = "use pyro.infer.MCMC" if isinstance(run, StreamingMCMC) else "call it, give its dict"
        raise WorldError(f"got a {type(run).__name__}, which keeps {kept}; {do}.")
    if isinstance(run, MCMC | Importance):
        _refuse_unfinished(run)
        model = model or getattr(getattr(run, "kernel", run), "model", None)
        own = (run._args, run._kwargs) if isinstance(run, MCMC) else own
    elif hasattr(run, "guide") and hasattr(run, "model"):  # SVI, or Trace_ELBO()(model, guide)
        model, guide = model or run.model, run.guide
    elif callable(run):
        model, guide = model or getattr(run, "model", None), run
    elif not isinstance(run, Mapping):
        raise WorldError(
            f"got a run of type {type(run).__name__}; expected a finished pyro.infer.MCMC, an "
            "SVI, a guide, an Importance, or a dict of draws."
        )
    if guide is not None and getattr(guide, "prototype_trace", guide) is None:
        raise WorldError(
            f"this {type(guide).__name__} has never run: it was not trained, or its parameters "
            "were loaded into the store since; then call guide(*args) once."
        )
    while isinstance(model, partial) and isinstance((*model.args, 0)[0], _AROUND_MODELS):
        model = model.args[1]
    known = (own[0] if args is None else args), (own[1] if kwargs is None else kwargs)
    return Source(run, model, guide, tuple(known[0] or ()), dict(known[1] or {}))


def _refuse_unfinished(run: MCMC | Importance) -> None:
    if (run._samples if isinstance(run, MCMC) else run.exec_traces or None) is None:
        kind = type(run).__name__
        raise WorldError(f"this {kind} has not run yet; call {kind.lower()}.run(...) first.")


def _refuse_mixed(modules: Sequence[torch.nn.Module]) -> None:
    """Refuse a module whose own parameters are not those that Pyro would take from its store.

    A second AutoNormal has the names of the first: Pyro hands the first one its parameters.
    """
    store = dict(pyro.get_param_store().named_parameters())
    for module in modules:
        prefix = getattr(module, "_pyro_name", "")
        for name, own in module.named_parameters():
            full = f"{prefix}.{name}".removeprefix(".").removesuffix("_unconstrained")
            if full in store and store[full] is not own and not torch.equal(store[full], own):
                raise WorldError(
                    f"the parameter {full!r} of this {type(module).__name__} and Pyro's parameter "
                    "store differ: another one of the same name was trained since, or loaded. "
                    "Convert each run before the next is trained, then pyro.clear_param_store()."
                )


def _of_mcmc(run: MCMC) -> Drawn:
    values = {name: v.detach().clone() for name, v in run.get_samples(group_by_chain=True).items()}
    attrs = {"method": type(run.kernel).__name__, "warmup": run.warmup_steps}
    said = [diagnostics or {} for diagnostics in run._diagnostics]
    shape = (run.num_chains, run.num_samples)
    stats: dict[str, np.ndarray] = {}
    if all("divergences" in chain for chain in said):
        stats["diverging"] = np.zeros(shape, bool)
        for row, chain in zip(stats["diverging"], said, strict=True):
            row[chain["divergences"]] = True
    if all("acceptance rate" in chain for chain in said):
        rates = np.array([[float(chain["acceptance rate"])] for chain in said])
        stats["acceptance_rate"] = np.broadcast_to(rates, shape).copy()
    # Chains share one kernel, or have one each in another process: it knows the last one at most.
    if run.num_chains == 1 and hasattr(run.kernel, "step_size"):
        stats["step_size"] = np.full(shape, float(run.kernel.step_size))
    return Drawn(values, stats, attrs)


def _of_guide(
    source: Source,
    guide: Callable[..., Any],
    anatomy: Anatomy,
    draws: int,
    seed: int,
    watch: Callable[[int], Any],
) -> Drawn:
    call = partial(guide, *source.args, **source.kwargs)
    sites = read_program(call, "the guide", seed=seed)
    latents = _latents(anatomy)
    found = [n for n, site in sites.sites.items() if n in latents and not site.subsampled]
    if not found:
        raise WorldError(
            "the guide samples no latent of the model outside subsampled plates. "
            + nearest("", latents)
        )
    out = simulate(
        Program(call, sites, {}, "the guide"),
        {},
        draws=draws,
        key=(seed, "guide"),
        record=found,
        size=block_size(sites, scored=False),
        watch=watch,
    )
    kind = type(guide).__name__
    return Drawn(
        {name: out.values[name].detach()[None] for name in found},
        attrs={"method": "SVI" if kind == "function" else f"SVI, {kind}", "guide": out.how},
    )


def _of_importance(run: Importance, anatomy: Anatomy, draws: int, seed: int) -> Drawn:
    """Pick draws in proportion to their Pareto-smoothed weights."""
    log_weights = torch.stack([torch.as_tensor(w) for w in run.log_weights]).double().cpu().numpy()
    if not np.isfinite(log_weights).any():
        raise WorldError(f"all {len(log_weights)} weights of the run are zero: nothing to pick.")
    weights, khat = smoothed(log_weights)
    effective = kish_draws(weights)
    if doubtful(khat, effective):
        warnings.warn(
            f"the importance run is not to be trusted: k-hat {khat:.2f} (wanted below 0.7), "
            f"{effective:.0f} effective of {len(weights)} draws. Take more, or a better guide.",
            ImpactWarning,
            stacklevel=4,
        )
    picked = equal_draws(weights, draws, np.random.default_rng(derive_seed(seed, "resample")))
    traces = [run.exec_traces[i].nodes for i in picked]
    names = [name for name in _latents(anatomy) if all(name in nodes for nodes in traces)]
    try:
        values = {n: torch.stack([t[n]["value"].detach() for t in traces])[None] for n in names}
    except RuntimeError as error:
        raise WorldError(f"a site changes its shape from draw to draw: {error}") from error
    return Drawn(
        values, attrs={"method": "importance", "khat": khat, "effective_draws": effective}
    )


def _of_samples(run: Mapping[str, Any], anatomy: Anatomy) -> Drawn:
    """Read a dict of draws; what the model computes or observes in it is computed anew."""
    latents = _latents(anatomy)
    for name in run:
        if name not in anatomy.sites:
            raise WorldError(
                f"the draws name {name!r}, which the model does not. " + nearest(name, latents)
            )
    values = {}
    for name in latents:
        if name in run:
            own = tuple(anatomy.sites[name].value.shape)
            value = torch.as_tensor(run[name]).detach().clone()
            values[name] = value.reshape(*_lead(name, tuple(value.shape), own), *own)
    shapes = {
        name: tuple(value.shape[: value.ndim - anatomy.sites[name].value.ndim])
        for name, value in values.items()
    }
    if len(set(shapes.values())) > 1:
        raise WorldError(f"the sites have {shapes} chains and draws; expected the same of all.")
    return Drawn(values, attrs={"method": "draws given"})


def _lead(name: str, shape: tuple[int, ...], own: tuple[int, ...]) -> tuple[int, int]:
    """Find chains and draws: (draws, ...), (chain, draw, ...), or Predictive's (draws, 1, ...)."""
    lead = shape[: len(shape) - len(own)]
    if lead and shape[len(lead) :] == own:
        if set(lead[1:]) <= {1}:
            return 1, lead[0]
        if len(lead) == 2:
            return lead[0], lead[1]
    raise WorldError(
        f"the draws of {name!r} have shape {shape}, and the model samples it with shape {own}; "
        f"expected (draws, ...) or (chains, draws, ...) before that. Give the args of the run."
    )


def _latents(anatomy: Anatomy) -> list[str]:
    return [n for n, s in anatomy.sites.items() if not s.observed and not s.computed]


def _refuse_misfits(drawn: Drawn, anatomy: Anatomy) -> None:
    """Refuse draws of what the model, called with these arguments, does not sample."""
    latents = _latents(anatomy)
    for name, value in drawn.values.items():
        if name not in latents:
            known = "computes or observes" if name in anatomy.sites else "does not have"
            raise WorldError(
                f"the run has draws of {name!r}, which the model, called with these arguments, "
                f"{known}: give the model and the args of the run. " + nearest(name, latents)
            )
        own = tuple(anatomy.sites[name].value.shape)
        if tuple(value.shape[2:]) != own:
            raise WorldError(
                f"the run has draws of {name!r} with shape {tuple(value.shape[2:])}, and the "
                f"model samples it with shape {own}: give the args of the run."
            )
