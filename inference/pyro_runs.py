"""How does ArviZ read any Pyro run? MCMC, SVI, importance sampling or a dict of draws, as a tree.

Pyro keeps the draws of what it sampled, and nothing else. What the model computes from them, how
likely each datum is under them and which axis is which plate is read off the model, run again on
every draw: in blocks, each held against single runs.
"""

import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyro
import torch
import xarray as xr
from pyro import poutine

from counterfactual_models.anatomy import read_program
from counterfactual_models.errors import ImpactWarning, WorldError, refuse_counts
from inference import schema
from inference.labels import Labels
from inference.posterior.engine import Drawn, bar
from inference.posterior.question import world_name
from inference.pyro_draws import Source, identify
from inference.pyro_sites import Plan, Shown, bare, label, sort_sites
from inference.simulation import Draws, Program, block_size, simulate
from inference.store import provenance

__all__ = ["from_pyro"]

logger = logging.getLogger(__name__)

_MOST_LOG_LIKELIHOODS = 20_000_000
_LEAD = (schema.CHAIN, schema.DRAW)
_SAID = {
    "diverging": "Pyro's divergent transitions",
    "acceptance_rate": "share of draws that moved; Pyro keeps one number a chain",
    "step_size": "after warm-up, as the kernel has it now; one number a chain",
}


def from_pyro(
    run: Any,
    *,
    model: Callable[..., Any] | None = None,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    draws: int = 1000,
    seed: int = 0,
    coords: Mapping[str, Any] | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    log_likelihood: bool | None = None,
    posterior_predictive: bool = False,
    prior: int = 0,
    progress: bool = True,
) -> xr.DataTree:
    """Bring any Pyro run to ArviZ; the model is plain Pyro, with or without a switch.

    Parameters
    ----------
    run
        A finished ``pyro.infer.MCMC``; an ``SVI`` or its guide, trained; a finished
        ``pyro.infer.Importance``; or a dict, site -> (draws, ...) or (chains, draws, ...).
    model, args, kwargs
        What was run, and with what; an MCMC knows all three, an SVI and an autoguide the model.
    draws, seed
        How many to take from a guide, or to pick from an importance run; one seed, one result.
    coords, dims
        Labels by plate, ``{"city": ["paris", "rome"]}``, and names for axes that no plate names,
        ``{"visits": ["city"]}``; else ``<site>_dim_k``.
    log_likelihood
        Whether to add the log-likelihood of each datum; by default up to 20 million numbers.
    posterior_predictive, prior
        Whether to draw the data anew for each draw; how many draws of the prior to add, with data.
    progress
        Show a progress bar, if there is a terminal.

    Returns
    -------
    xr.DataTree
        `posterior` (latents, and what the model computes), `sample_stats` (MCMC: `diverging`,
        `acceptance_rate`, for one chain `step_size`), `observed_data`, `log_likelihood`, and what
        else was asked for. Masked data keep the places that count, along ``<site>_dim_0``; a
        ``pyro.factor`` is no datum; ``/`` in a name becomes ``.``.

    Raises
    ------
    WorldError
        If the run is not finished or does not fit the model, if parameters are lost, or if a
        site that is computed is not finite.

    Warns
    -----
    ImpactWarning
        Of sites left out, not being known in each draw: discrete latents that were summed out,
        subsampled plates, and what is computed or observed after either. Of bad weights.

    Examples
    --------
    >>> import pyro, pyro.distributions as dist, torch
    >>> def model(goals):
    ...     rate = pyro.sample("rate", dist.Gamma(2.0, 1.0))
    ...     with pyro.plate("game", len(goals)):
    ...         pyro.sample("goals", dist.Poisson(rate), obs=goals)
    >>> draws = {"rate": torch.linspace(1.0, 2.0, 100)}
    >>> tree = from_pyro(draws, model=model, args=[torch.tensor([1.0, 3.0])])
    >>> tree["log_likelihood"]["goals"].dims
    ('chain', 'draw', 'game')
    """
    source = identify(run, model, args, kwargs)
    wanted = _Wanted(draws, seed, log_likelihood, posterior_predictive, prior, progress)
    with source.untouched(seed):
        plan, drawn = _look(source, wanted)
        groups, how = _groups(source.program, plan, drawn, wanted)
    shown = {name: Shown.of(site) for name, site in plan.kept.items()}
    tree = _tree(groups, plan, drawn.stats, shown, label(shown, coords, dims))
    attrs = _attrs(source, plan, drawn, how, seed)
    tree.name, tree.attrs = attrs["name"], schema.encode_attrs(attrs)
    if plan.left_out:
        warnings.warn(f"left out of the tree: {plan.told}.", ImpactWarning, stacklevel=2)
    return tree


@dataclass(frozen=True)
class _Wanted:
    """What is asked for."""

    draws: int
    seed: int
    log_likelihood: bool | None
    posterior_predictive: bool
    prior: int
    progress: bool

    def __post_init__(self) -> None:
        refuse_counts(1, draws=self.draws)
        refuse_counts(0, prior=self.prior)


def _look(source: Source, wanted: _Wanted) -> tuple[Plan, Drawn]:
    """Take the draws, and sort the sites of the model by what is known about them."""
    program, seed = source.program, wanted.seed
    anatomy = None if program is None else read_program(program, "the model", seed=seed)
    with bar(int(wanted.draws), "draws", wanted.progress) as shown:
        drawn = source.draw(anatomy, draws=int(wanted.draws), seed=seed, watch=shown.update)
    if program is None or anatomy is None:
        return bare(drawn.values), drawn
    again = read_program(program, "the model", seed=seed + 1)
    return sort_sites(anatomy, again, drawn.values), drawn


@dataclass(frozen=True)
class _Runner:
    """Runs one program for many draws, with the draws that are known pinned."""

    program: Program
    wanted: _Wanted

    def __call__(
        self,
        what: str,
        pins: Mapping[str, torch.Tensor],
        draws: int,
        record: Sequence[str],
        score: Sequence[str] = (),
    ) -> Draws:
        if not record and not score:
            return Draws({}, {}, "")
        with bar(draws, what, self.wanted.progress) as shown:
            found = simulate(
                self.program,
                pins,
                draws=draws,
                key=(self.wanted.seed, what),
                record=[*pins, *record],
                score=score,
                size=block_size(self.program.anatomy, scored=bool(score)),
                watch=shown.update,
            )
        for name, value in pins.items():  # a handler inside the model wins over those outside
            if not torch.equal(found.values.pop(name), value):
                raise WorldError(
                    f"{self.program.what} does not take the draws of {name!r}: a handler inside "
                    "it, such as poutine.replay, sets another value."
                )
        return found


def _groups(
    program: Callable[[], Any] | None, plan: Plan, drawn: Drawn, wanted: _Wanted
) -> tuple[dict[str, dict[str, torch.Tensor]], dict[str, str]]:
    """Fill the groups: name of group -> site -> (chain, draw, ...); and how each was run."""
    lead = next(iter(drawn.values.values())).shape[:2]
    total = lead[0] * lead[1]
    latents = {name: drawn.values[name] for name in plan.latents}
    groups = {"posterior": latents}
    if program is None:
        if wanted.posterior_predictive or wanted.prior:
            raise WorldError("there is no model to draw from; give it: model=, args=.")
        return groups, {}
    pins = {name: value.reshape(total, *value.shape[2:]) for name, value in latents.items()}
    scored = plan.data if _worth(plan, total, wanted) else []
    runner = _Runner(Program(program, plan.watched, {}, "the model"), wanted)
    replay = runner("replay", pins, total, [*plan.computed, *plan.made], scored)
    plan.drop_what_moves({name: replay.values.pop(name) for name in plan.made})
    known = {**latents, **_by_chain(replay.values, lead)}
    groups["posterior"] = {name: known[name] for name in plan.anatomy.sites if name in known}
    scores = {name: rows for name, rows in replay.log_prob.items() if name in plan.data}
    groups["log_likelihood"] = _by_chain(scores, lead)
    how = {"replay": replay.how}
    if wanted.posterior_predictive or wanted.prior:
        free = poutine.uncondition(program)
        what = "the model without its data"
        runner = _Runner(Program(free, read_program(free, what), {}, what), wanted)
    if wanted.posterior_predictive:
        again = runner("posterior_predictive", pins, total, plan.data)
        groups["posterior_predictive"] = _by_chain(again.values, lead)
        how["posterior_predictive"] = again.how
    if wanted.prior:
        before = runner("prior", {}, int(wanted.prior), [*known, *plan.data])
        rows = _by_chain(before.values, (1, int(wanted.prior)))
        groups["prior"] = {name: rows[name] for name in groups["posterior"]}
        groups["prior_predictive"] = {name: rows[name] for name in plan.data}
        how["prior"] = before.how
    return groups, how


def _by_chain(values: Mapping[str, torch.Tensor], lead: Sequence[int]) -> dict[str, torch.Tensor]:
    return {name: rows.reshape(*lead, *rows.shape[1:]) for name, rows in values.items()}


def _worth(plan: Plan, total: int, wanted: _Wanted) -> bool:
    """Decide on the log-likelihood: as asked, or by its size."""
    sites = [plan.anatomy.sites[name] for name in plan.data]
    numbers = total * sum(math.prod(site.value.shape[: site.batch_ndim]) for site in sites)
    if wanted.log_likelihood is None and numbers > _MOST_LOG_LIKELIHOODS:
        logger.info("log_likelihood left out: %d numbers; ask with log_likelihood=True", numbers)
        return False
    return wanted.log_likelihood is not False


def _tree(
    groups: Mapping[str, Mapping[str, torch.Tensor]],
    plan: Plan,
    stats: Mapping[str, np.ndarray],
    shown: Mapping[str, Shown],
    labels: Labels,
) -> xr.DataTree:
    """Label everything."""
    made_by = {
        "inference_library": "pyro-ppl",
        "inference_library_version": pyro.__version__,
        "sample_dims": list(_LEAD),
    }
    found = {}
    for group, values in groups.items():
        arrays = {shown[n].site.name: shown[n].array(rows, 2) for n, rows in values.items()}
        found[group] = labels.dataset(arrays, _LEAD).assign_attrs(made_by)
    said = {name: (_LEAD, rows, {"description": _SAID[name]}) for name, rows in stats.items()}
    index = {dim: found["posterior"].coords[dim] for dim in _LEAD}
    found = {
        "posterior": found["posterior"],
        "sample_stats": xr.Dataset(said, index, made_by),
        **found,
    }
    sites = plan.anatomy.sites
    observed = {shown[n].site.name: shown[n].array(sites[n].value, 0) for n in plan.data}
    found["observed_data"] = labels.dataset(observed)
    return xr.DataTree.from_dict({name: group for name, group in found.items() if group})


def _attrs(
    source: Source, plan: Plan, drawn: Drawn, how: Mapping[str, str], seed: int
) -> dict[str, Any]:
    return {
        **provenance(),
        "name": world_name(source.model) if source.model else "pyro",
        "seed": seed,
        "shape": list(drawn.values[plan.latents[0]].shape[:2]),
        "vectorised": {name: one for name, one in how.items() if one},
        "left_out": plan.left_out,
        **drawn.attrs,
    }
