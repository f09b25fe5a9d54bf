"""What an engine drew, as an ArviZ tree: groups, labels, statistics, pointwise log densities."""

import logging
import math
from collections.abc import Mapping

import numpy as np
import torch
import xarray as xr

from inference import schema
from inference.labels import Labels
from inference.posterior.engine import Drawn
from inference.posterior.pointwise import log_densities
from inference.posterior.question import Question

__all__ = ["STATE", "add_log_densities", "posterior_tree"]

logger = logging.getLogger(__name__)

STATE = "sampler_state"
_LEAD = (schema.CHAIN, schema.DRAW)
_MOST_LOG_LIKELIHOODS = 20_000_000


def posterior_tree(question: Question, drawn: Drawn, labels: Labels) -> xr.DataTree:
    """Label what was drawn; the warm-up and the sampler's state too, where they are there."""
    made_by = {"inference_library": "pyro-ppl", "sample_dims": list(_LEAD)}
    observed = {n: v.cpu().numpy() for n, v in question.observed.items() if v.numel()}
    posterior, stats = _labelled(drawn.values, drawn.stats, labels)
    groups = {
        "posterior": posterior.assign_attrs(made_by),
        "sample_stats": stats.assign_attrs(made_by),
        "observed_data": labels.dataset(observed),
    }
    if drawn.warmup_values:
        early, early_stats = _labelled(drawn.warmup_values, drawn.warmup_stats, labels)
        groups["warmup_posterior"] = early.assign_attrs(made_by)
        groups["warmup_sample_stats"] = early_stats.assign_attrs(made_by)
    if drawn.state:
        groups[STATE] = xr.Dataset(
            {
                name: ([f"{name}_dim_{k}" for k in range(values.ndim)], values)
                for name, values in drawn.state.items()
            }
        )
    return xr.DataTree.from_dict(groups, name=question.name)


def _labelled(
    values: Mapping[str, torch.Tensor], stats: Mapping[str, np.ndarray], labels: Labels
) -> tuple[xr.Dataset, xr.Dataset]:
    latents = labels.dataset({n: v.cpu().numpy() for n, v in values.items()}, _LEAD)
    found = xr.Dataset({name: (_LEAD, stat) for name, stat in stats.items()})
    if not values:
        return latents, found
    index = {dim: np.arange(latents.sizes[dim]) for dim in _LEAD}
    return latents.assign_coords(index), found.assign_coords(index)


def add_log_densities(
    tree: xr.DataTree,
    question: Question,
    values: Mapping[str, torch.Tensor],
    labels: Labels,
    *,
    seed: int,
    wanted: bool | None,
) -> None:
    """Add ArviZ's pointwise log-likelihood and the log prior of each latent, in each draw.

    By default the log-likelihood is kept up to 20 million numbers.
    """
    sites = question.whole.sites
    scored = [name for name in question.data if sites[name].value.numel()]
    if not scored or not values or wanted is False:
        return
    chains, draws = next(iter(values.values())).shape[:2]
    total = chains * draws
    numbers = total * sum(
        math.prod(sites[name].value.shape[: sites[name].batch_ndim]) for name in scored
    )
    if wanted is None and numbers > _MOST_LOG_LIKELIHOODS:
        logger.info("log_likelihood left out: %d numbers; ask with log_likelihood=True", numbers)
        return
    flat = {n: v.reshape(total, *v.shape[2:]) for n, v in values.items()}
    scores = log_densities(question, flat, [*scored, *values], seed)
    arrays = {
        name: rows.reshape(chains, draws, *rows.shape[1:]).cpu().numpy()
        for name, rows in scores.items()
    }
    for group, names in (("log_likelihood", scored), ("log_prior", list(values))):
        found = labels.dataset({name: arrays[name] for name in names}, _LEAD)
        tree[group] = xr.DataTree(found)
