"""More draws of a posterior that is there already: the chains go on from where they stood."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import ImpactWarning, WorldError, refuse_counts
from inference import schema
from inference.labels import Labels
from inference.posterior import hmc
from inference.posterior.assembly import STATE, add_log_densities, posterior_tree
from inference.posterior.convergence import judge
from inference.posterior.engine import Order, one_thread
from inference.posterior.question import Question, ask, world_hash
from inference.store import provenance

__all__ = ["extend_posterior"]

_OTHER = (
    "the posterior was drawn for another text, other arguments or other data of world {!r}; give "
    "that world, or draw the posterior again."
)
_ADDED = ("gradients", "sampling_seconds", "compile_seconds")


def extend_posterior(
    world: Callable[..., Any], posterior: xr.DataTree, draws: int, *, progress: bool = True
) -> xr.DataTree:
    """Draw more of the same posterior: no new warm-up, and the same chains.

    Parameters
    ----------
    world
        The program that the posterior was drawn for.
    posterior
        From ``sample_posterior`` by ``hmc``, or reloaded.
    draws
        Further draws of each of its chains.
    progress
        Show a progress bar, if there is a terminal. Interrupted, what is drawn is kept.

    Returns
    -------
    xr.DataTree
        The same tree with longer chains, judged anew: the numbers of one longer run.

    Raises
    ------
    WorldError
        If the posterior is no run of ``hmc``, or that of another world.

    Examples
    --------
    >>> import inference
    >>> from counterfactual_models import zoo
    >>> example = zoo.load("gaussian")
    >>> tree = inference.sample_posterior(
    ...     example.world, example.evidence, "hmc", draws=400, chains=4, progress=False)
    >>> longer = extend_posterior(example.world, tree, 20, progress=False)
    >>> longer["posterior"].sizes["draw"] - tree["posterior"].sizes["draw"]
    20
    """
    _refuse_what_cannot_go_on(posterior, draws)
    attrs = schema.decode_attrs(posterior.attrs)
    question = _same_question(world, posterior, attrs)
    labels = Labels(None, None, question.whole.sites)
    labels.adopt(posterior)
    state = {str(n): v.values for n, v in posterior[STATE].to_dataset().items()}
    chains = posterior["posterior"].sizes[schema.CHAIN]
    order = Order(
        int(draws),
        chains,
        attrs["seed"],
        thin=attrs["thin"],
        compile=attrs["executor"],
        progress=progress,
    )
    with one_thread():
        drawn = hmc.draw(question, order, state)
    fresh = posterior_tree(question, drawn, labels)
    if "log_likelihood" in posterior.children:
        add_log_densities(
            fresh, question, drawn.values, labels, seed=attrs["seed"] + 1, wanted=True
        )
    tree = _joined(posterior, fresh)
    verdict = judge(tree, attrs, independent=False)
    tree["convergence"] = xr.DataTree(verdict.statistics)
    totals = {name: attrs[name] + drawn.attrs[name] for name in _ADDED}
    told = {"verdict": str(verdict), "interrupted": drawn.attrs["interrupted"]}
    tree.attrs = schema.encode_attrs({**attrs, **provenance(), **totals, **told})
    if drawn.attrs["interrupted"]:
        warnings.warn(str(drawn.attrs["interrupted"]), ImpactWarning, stacklevel=2)
    if not verdict.good:
        warnings.warn(
            f"the posterior is not to be trusted yet: {'; '.join(verdict.problems)}.",
            ImpactWarning,
            stacklevel=2,
        )
    return tree


def _refuse_what_cannot_go_on(posterior: xr.DataTree, draws: int) -> None:
    if not isinstance(posterior, xr.DataTree):
        raise WorldError(
            f"got a {type(posterior).__name__}; expected the tree that sample_posterior returned."
        )
    if "folded" in posterior.attrs:
        raise WorldError(
            "this posterior was folded by regroup: its chains are no longer those of the sampler. "
            "Extend the tree as it was drawn, then regroup."
        )
    if STATE not in posterior.children:
        raise WorldError(
            "this posterior keeps no state of its sampler: only runs of method='hmc' can go on. "
            "Draw it again with more draws."
        )
    refuse_counts(1, draws=draws)


def _same_question(
    world: Callable[..., Any], posterior: xr.DataTree, attrs: dict[str, Any]
) -> Question:
    if world_hash(world) != attrs["world_hash"]:
        raise WorldError(_OTHER.format(attrs["world"]))
    names = {*attrs["evidence"], *attrs["evidence_after_switch"]}
    observed = posterior["observed_data"].to_dataset()
    bare = ask(world, None)
    given = {n: observed[n].values for n in names if n in observed and n not in bare.whole.data}
    question = ask(world, given)
    same = all(
        np.array_equal(known.cpu().numpy(), observed[name].values)
        for name, known in question.observed.items()
        if name in observed
    )
    if not same or set(question.latents) != set(posterior["posterior"].data_vars):
        raise WorldError(_OTHER.format(attrs["world"]))
    return question


def _joined(old: xr.DataTree, fresh: xr.DataTree) -> xr.DataTree:
    """Lay the new draws behind the old ones, and take the new state."""
    groups = {name: node.to_dataset() for name, node in old.children.items()}
    for name in ("posterior", "sample_stats", "log_likelihood", "log_prior"):
        if name not in groups:
            continue
        parts = [groups[name], fresh[name].to_dataset()]
        joined = xr.concat(parts, dim=schema.DRAW, combine_attrs="override")
        count = joined.sizes[schema.DRAW]
        groups[name] = joined.assign_coords({schema.DRAW: range(count)})
    groups[STATE] = fresh[STATE].to_dataset()
    return xr.DataTree.from_dict(groups, name=old.name)
