r"""What would the worlds be, had some of the evidence been other, or not been seen?

.. math:: \frac{p(z \mid e')}{p(z \mid e)} \propto r(z) = \frac{p(z, e')}{p(z, e)}

The future given the past is the same for e and e', so where r is tame the drawn worlds only need
weights. Where it is not, the posterior is drawn again with the other evidence, and the worlds from
it with the seeds of the first. The result says which, and why:

* the variance of log r, which is delta² F_z for a move by delta of Fisher information F_z, is
  above 4: this is known before anything is weighed, and weights would fail;
* k-hat of the weights is above 0.7, or they leave fewer than 100 draws. Above 0.5 it warns;
* of data not seen: more than 5 % of a latent's mass lies where it has no draw, as draws of the
  prior say that are weighed by what remains. k-hat is blind to this: it judges the weights of the
  draws there are, and where a datum rules a part of the past out these are as good as equal. It
  goes unseen if that part lies between the draws, or if so much is known from the other evidence
  that of a thousand draws of the prior not twenty are left: ``refit="always"`` needs none of this;
* the world reads the evidence after the switch, so that its future changes as well as the belief;
* the support of a site moves: weights cannot go where no draw is;
* there is evidence after the switch, which has weighed every world by itself.

Revised worlds may be revised again. Of weights upon weights the errors are still about a tenth too
small; ``refit="always"`` has errors of its own.

References
----------
A. Vehtari, D. Simpson, A. Gelman, Y. Yao, J. Gabry, "Pareto smoothed importance sampling", *JMLR*
25 (2024).
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.disciples import Disciple
from counterfactual_models.errors import (
    EvidenceError,
    ImpactWarning,
    PosteriorError,
    WorldError,
)
from counterfactual_models.handlers import derive_seed
from inference import schema
from inference.arrays.reweighting import ROUGH
from inference.arrays.weights import equal_draws
from inference.posterior import sample_posterior
from inference.posterior.question import world_hash
from inference.revisions.case import RevisedCase
from inference.revisions.table import revision_table
from inference.worlds import sample_worlds

__all__ = ["revise"]

_DRAWN = ("posterior", "predictions")
_OF_WEIGHTS = ("log_ratio_variance", "revision_khat", "revision_draws", "revision_beyond")
_WAYS = ("auto", "always", "never")


def revise(
    world: Callable[..., Any],
    worlds: xr.DataTree,
    disciples: Mapping[str, Callable[..., Any]] | Iterable[Disciple | Callable[..., Any]],
    evidence: Mapping[str, Any] | None = None,
    *,
    unseen: Sequence[str] | str = (),
    refit: str = "auto",
    method: str = "auto",
    measurements: Sequence[str] | str | None = None,
    progress: bool = True,
) -> xr.DataTree:
    r"""Draw the worlds as they would be with other evidence, by weights or anew.

    .. math:: w_t \propto p(z_t, e') / p(z_t, e)

    Parameters
    ----------
    world, worlds, disciples
        The program, what ``sample_worlds`` drew of it (or a reloaded tree), and its disciples.
    evidence
        What is to be other: ``{"orders": values}`` for a whole site, ``{"orders[3]": 7.0}`` for a
        datum, labelled as ArviZ labels it. All else stays.
    unseen
        What is not to be seen: ``"orders[3]"``, ``"orders"``, or all data of a place of a plate,
        ``"woman[17]"``. Its density is left out; sites that read its value go on reading it.
    refit
        ``auto``: where weights do not serve; ``always``; or ``never``.
    method
        Engine of the posterior, if it is drawn again; as in ``sample_posterior``.
    measurements
        Names for the table of changes; by default all that the world measures.
    progress
        Show bars where the posterior is drawn again.

    Returns
    -------
    xr.DataTree
        The revised worlds, as ``sample_worlds`` returns them, for all diagnostics. The group
        `revision` has dims disciple (``erased`` first) and measurement: ``now``, ``revised``,
        ``change``, ``mcse``, and ``impact_change``, ``impact_mcse`` for the difference to
        ``erased``. Attributes: `revised_by` (``weights`` or ``refit``), `revised_because`,
        `revised` (what was changed), `unseen` (all that is not, in later revisions either); and
        where they were asked for `log_ratio_variance`, `revision_khat`, `revision_draws` (how
        many are left), `revision_share` (of the first draws, after all weights), `revision_beyond`
        (least share beyond all draws; NaN where the other evidence is too strong to tell).

    Raises
    ------
    EvidenceError
        If a name or value does not fit; if nothing changes; if what is not to be seen is read by
        the world after the switch.
    PosteriorError
        If ``refit="never"`` and weights do not serve.
    WorldError, DiscipleError
        As in ``sample_worlds``.

    Warns
    -----
    ImpactWarning
        If k-hat is above 0.5; if a disciple's policy is not the one the worlds were drawn for.

    Examples
    --------
    >>> import inference
    >>> from counterfactual_models import zoo
    >>> ex = zoo.load("gaussian")
    >>> past = inference.sample_posterior(ex.world, ex.evidence, "importance", draws=500)
    >>> worlds = inference.sample_worlds(ex.world, past, ex.disciples, progress=False)
    >>> other = revise(ex.world, worlds, ex.disciples, {"e[2]": 0.0}, progress=False)
    >>> other.attrs["revised_by"], other["observed_data"]["e"].values[2].item()
    ('weights', 0.0)
    """
    if refit not in _WAYS:
        raise WorldError(f"got refit={refit!r}; expected one of {', '.join(map(repr, _WAYS))}.")
    case = RevisedCase(world, worlds, disciples, evidence, unseen)
    weights, because = _way(case, refit)
    if weights is not None:
        return _weighed(case, weights, measurements)
    return _refitted(case, because, method, measurements, progress)


def _way(case: RevisedCase, refit: str) -> tuple[np.ndarray | None, str]:
    """Give weights that can be trusted; or none, and why everything is drawn anew."""
    reads = case.after_the_switch()
    if reads and case.changes.unseen:
        raise EvidenceError(
            f"{reads}, so what would happen had it not been seen is not said by leaving it out of "
            "the belief. Leave the whole site out of the evidence and draw posterior and worlds "
            "anew: the world then draws it."
        )
    if refit == "always":
        return None, "asked for"
    because = reads or case.out_of_reach()
    weights = None if because else case.weigh(ahead=refit == "auto")
    because = because or case.doubts()
    if because and refit == "never":
        raise PosteriorError(
            f"these draws cannot be weighed for the revised evidence: {because}. Use "
            "refit='auto', which draws posterior and worlds anew.",
            case.worlds,
        )
    return None if because else weights, because


def _weighed(
    case: RevisedCase, weights: np.ndarray, measurements: Sequence[str] | str | None
) -> xr.DataTree:
    """Resample the draws and their futures, so that all count the same again."""
    if case.told["revision_khat"] > ROUGH:
        warnings.warn(
            f"the draws are weighed for {case.changes.told} with k-hat "
            f"{case.told['revision_khat']:.2f}: means are rough, and errors too small. Use "
            "refit='always' to draw anew.",
            ImpactWarning,
            stacklevel=3,
        )
    worlds, names = case.worlds, [d.name for d in case.disciples]
    table = revision_table(
        worlds, weights, disciples=names, measurements=measurements, left=case.left
    )
    rng = np.random.default_rng(derive_seed(case.seed, "revise"))
    chosen = equal_draws(weights, len(weights), rng)
    case.told["revision_share"] = case.left * case.told["revision_draws"] / len(chosen)
    shape = case.plans.shape
    groups = {name: _picked(worlds[name].to_dataset(), chosen) for name in _DRAWN}
    sites = {n: v.numpy().reshape(*shape, *v.shape[1:]) for n, v in case.scores.items()}
    for group, wanted in (("log_likelihood", case.now.data), ("log_prior", case.now.latents)):
        if group in worlds.children:
            old = worlds[group].to_dataset()
            scored = {n: old[n].copy(data=sites[str(n)]) for n in old if n in wanted}
            groups[group] = _picked(old.assign(scored), chosen)
    observed = worlds["observed_data"].to_dataset()
    other = {n: observed[n].copy(data=v) for n, v in case.changes.evidence.items()}
    groups["observed_data"] = observed.assign(other)
    if "convergence" in worlds.children:
        share = case.told["revision_draws"] / len(weights)
        groups["convergence"] = _fewer(worlds["convergence"].to_dataset(), share)
    tree = xr.DataTree.from_dict({**groups, "revision": table}, name=worlds.name)
    return _said(case, tree, "weights", "the ratio of the densities is tame", case.attrs)


def _picked(group: xr.Dataset, chosen: np.ndarray) -> xr.Dataset:
    """Take draws in place of the old ones, (chain, draw) as before."""
    lead = [schema.CHAIN, schema.DRAW]
    picked = {}
    for name, variable in group.data_vars.items():
        if not set(lead) <= set(variable.dims):
            continue
        front = variable.transpose(*lead, ...)
        flat = front.values.reshape(len(chosen), *front.shape[2:])
        values = flat[chosen].reshape(front.shape)
        picked[name] = front.copy(data=values).transpose(*variable.dims)
    return group.assign(picked)


def _fewer(judged: xr.Dataset, share: float) -> xr.Dataset:
    """Lower the effective draws by the share that the weights leave."""
    sizes = judged["statistic"].isin(["ess_bulk", "ess_tail"])
    return judged.map(lambda v: v.where(~sizes, v * share), keep_attrs=True)


def _refitted(
    case: RevisedCase,
    because: str,
    method: str,
    measurements: Sequence[str] | str | None,
    progress: bool,
) -> xr.DataTree:
    """Draw posterior and worlds again, with the seeds and labels of the first."""
    worlds, attrs = case.worlds, case.attrs
    chains, draws = attrs.get("shape", [case.plans.chains, case.plans.draws])
    labels = _labels(case)
    posterior = sample_posterior(
        case.revised_world,
        case.changes.evidence,
        method,
        draws=int(draws),
        chains=int(chains),
        seed=int(attrs.get("posterior_seed", case.seed)),
        log_likelihood=True if "log_likelihood" in worlds.children else None,
        progress=progress,
        **labels,
    )
    tree = sample_worlds(
        case.revised_world,
        posterior,
        case.disciples,
        futures=int(attrs.get("futures", 1)),
        seed=case.seed,
        coupling=str(attrs.get("coupling", "independent")),
        progress=progress,
        **labels,
    )
    names = [d.name for d in case.disciples]
    table = revision_table(
        worlds, tree, disciples=names, measurements=measurements, left=case.left
    )
    tree["revision"] = xr.DataTree(table)
    return _said(case, tree, "refit", because, schema.decode_attrs(tree.attrs))


def _labels(case: RevisedCase) -> dict[str, Any]:
    """Recover the names and labels of the axes from the tree."""
    coords: dict[str, Any] = {}
    dims: dict[str, list[str]] = {}
    for group in ("posterior", "observed_data", "predictions"):
        held = case.worlds[group].to_dataset()
        for name, variable in held.data_vars.items():
            own = [str(d) for d in variable.dims if d not in schema.RESERVED]
            if name in case.now.whole.sites and own:
                dims[str(name)] = own
                coords |= {d: held[d].values for d in own if d in held.coords}
    return {"coords": coords, "dims": dims}


def _said(
    case: RevisedCase, tree: xr.DataTree, way: str, because: str, attrs: dict[str, Any]
) -> xr.DataTree:
    """Say how the revised worlds were come by."""
    attrs = {name: value for name, value in attrs.items() if name not in _OF_WEIGHTS}
    said = {
        "revised": case.changes.told,
        "revised_by": way,
        "revised_because": because,
        "unseen": case.changes.labels,
        "world_hash": world_hash(case.revised_world),
    }
    tree.attrs = schema.encode_attrs({**attrs, **said, **case.told})
    return tree
