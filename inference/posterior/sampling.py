r"""What was the past like, given the evidence?

.. math:: p(\mathrm{past} \mid e)

Only what runs before the switch is inferred; one posterior then serves every disciple and both
values of X.
"""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import EvidenceError, ImpactWarning, WorldError, nearest
from inference import schema
from inference.labels import Labels
from inference.posterior import enumeration, importance, nuts, prior
from inference.posterior.convergence import judge
from inference.posterior.engine import Drawn
from inference.posterior.question import Question, ask
from inference.simulation import block_size, simulate
from inference.store import provenance

__all__ = ["sample_posterior"]

logger = logging.getLogger(__name__)

_ENGINES = {
    "enumerate": enumeration.draw,
    "importance": importance.draw,
    "nuts": nuts.draw,
    "prior": prior.draw,
}
_INDEPENDENT = ("enumerate", "importance", "prior")
_MOST_LOG_LIKELIHOODS = 20_000_000


def sample_posterior(
    world: Callable[..., Any],
    evidence: Mapping[str, Any] | None = None,
    method: str = "auto",
    *,
    draws: int = 1000,
    chains: int = 4,
    seed: int = 0,
    coords: Mapping[str, Any] | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    log_likelihood: bool | None = None,
    progress: bool = True,
) -> xr.DataTree:
    """Draw the past of a world given the evidence; the future is never run.

    Parameters
    ----------
    world
        A Pyro program that takes the disciple; bind other arguments by ``functools.partial``.
    evidence
        Sample-site name -> observed tensor, array, number or DataFrame column. Evidence about a
        site after the switch is set aside for ``sample_worlds``: each (S, X) then has a posterior
        of its own, and ``shared_posterior`` is False in the attributes.
    method
        ``prior`` (no evidence about the past), ``enumerate`` (discrete, exact), ``nuts``
        (continuous), ``importance`` (anything the prior reaches), or ``auto``: the first of these
        that applies.
    draws, chains
        Draws per chain, and chains.
    seed
        The same seed gives the same numbers.
    coords, dims
        Labels of axes: ``{"city": ["paris", "rome"]}``, and names for axes that no plate names:
        ``{"visits": ["city"]}``. Plates name the rest.
    log_likelihood
        Whether to keep the log-likelihood of each datum in each draw; by default up to 20 million
        numbers.
    progress
        Show a progress bar, if there is a terminal.

    Returns
    -------
    xr.DataTree
        Groups `posterior`, `sample_stats`, `convergence` (R-hat and effective draws of each
        latent), `observed_data`, `log_likelihood`, with ArviZ's dims chain and draw.

    Raises
    ------
    WorldError, EvidenceError
        Before any sampling, for what does not fit; the nearest name is offered.

    Warns
    -----
    ImpactWarning
        When chains disagree, mix badly or diverge: the site is named. When there is evidence about
        sites after the switch.

    Examples
    --------
    >>> import inference
    >>> from counterfactual_models import zoo
    >>> example = zoo.load("gaussian")
    >>> tree = inference.sample_posterior(
    ...     example.world, example.evidence, "importance", draws=500, progress=False)
    >>> sorted(tree.children)
    ['convergence', 'log_likelihood', 'observed_data', 'posterior', 'sample_stats']
    """
    _check_counts(draws, chains)
    draws, chains, seed = int(draws), int(chains), int(seed)
    question = ask(world, evidence)
    labels = Labels(coords, dims, question.whole.sites)
    method = _choose(question, method)
    logger.info("posterior of %s by %s", question.name, method)
    _warn_of_later(question)
    drawn = _ENGINES[method](question, draws=draws, chains=chains, seed=seed, progress=progress)
    tree = _tree(question, drawn, labels, _attrs(question, drawn, method, seed, [chains, draws]))
    _add_log_likelihood(tree, question, drawn, labels, seed, log_likelihood)
    judge(tree, independent=method in _INDEPENDENT)
    return tree


def _warn_of_later(question: Question) -> None:
    if question.later:
        warnings.warn(
            f"evidence on {question.later} speaks about what comes after the switch: the "
            "posterior drawn here does not know it. sample_worlds weighs each world by it.",
            ImpactWarning,
            stacklevel=3,
        )


def _check_counts(draws: int, chains: int) -> None:
    for name, count in (("draws", draws), ("chains", chains)):
        if int(count) != count or count < 1:
            raise WorldError(f"got {name}={count}; expected a whole number of at least 1.")


def _choose(question: Question, method: str) -> str:
    if method not in (*_ENGINES, "auto"):
        raise WorldError(f"there is no method {method!r}. " + nearest(method, [*_ENGINES, "auto"]))
    known = question.data
    if method == "prior" and known:
        raise EvidenceError(
            f"method='prior' would ignore the evidence on {known}; leave the evidence out, or use "
            "method='auto'."
        )
    tempered = [name for name, site in question.latents.items() if site.tempered]
    if tempered and method in ("prior", "importance"):
        raise WorldError(
            f"the density of site {tempered[0]!r} is scaled or masked (poutine.scale, "
            f"poutine.mask), which method={method!r} cannot draw from; use 'nuts' or 'enumerate'."
        )
    if method != "auto":
        return method
    if not known or not question.latents:
        return "prior"
    if enumeration.count_states(question) <= enumeration.LIMIT:
        return "enumerate"
    discrete = any(site.fn.support.is_discrete for site in question.latents.values())
    return "importance" if discrete else "nuts"


def _attrs(
    question: Question, drawn: Drawn, method: str, seed: int, shape: list[int]
) -> dict[str, Any]:
    return {
        **provenance(),
        "name": question.name,
        "world": question.name,
        "world_hash": question.hash,
        "method": method,
        "seed": seed,
        "shape": shape,
        "shared_posterior": not question.later,
        "evidence": question.data,
        "evidence_after_switch": question.later,
        **drawn.attrs,
    }


def _tree(question: Question, drawn: Drawn, labels: Labels, attrs: dict[str, Any]) -> xr.DataTree:
    lead = (schema.CHAIN, schema.DRAW)
    posterior = labels.dataset({n: v.cpu().numpy() for n, v in drawn.values.items()}, lead)
    stats = xr.Dataset({name: (lead, stat) for name, stat in drawn.stats.items()})
    if drawn.values:
        index = {dim: np.arange(posterior.sizes[dim]) for dim in lead}
        posterior, stats = posterior.assign_coords(index), stats.assign_coords(index)
    observed = {n: v.cpu().numpy() for n, v in question.observed.items() if v.numel()}
    made_by = {"inference_library": "pyro-ppl", "sample_dims": list(lead)}
    groups = {
        "posterior": posterior.assign_attrs(made_by),
        "sample_stats": stats.assign_attrs(made_by),
        "observed_data": labels.dataset(observed),
    }
    tree = xr.DataTree.from_dict(groups, name=question.name)
    tree.attrs = schema.encode_attrs(attrs)
    return tree


def _add_log_likelihood(
    tree: xr.DataTree,
    question: Question,
    drawn: Drawn,
    labels: Labels,
    seed: int,
    wanted: bool | None,
) -> None:
    """Add ArviZ's pointwise log-likelihood, in blocks of draws."""
    program, sites = question.program, question.whole.sites
    scored = [name for name in question.data if sites[name].value.numel()]
    if not scored or not drawn.values or wanted is False:
        return
    chains, draws = next(iter(drawn.values.values())).shape[:2]
    total = chains * draws
    numbers = total * sum(sites[name].value.numel() for name in scored)
    if wanted is None and numbers > _MOST_LOG_LIKELIHOODS:
        logger.info("log_likelihood left out: %d numbers; ask with log_likelihood=True", numbers)
        return
    scores = simulate(
        program,
        {n: v.reshape(total, *v.shape[2:]) for n, v in drawn.values.items()},
        draws=total,
        key=(seed, "log_likelihood"),
        record=(),
        score=scored,
        size=block_size(program.anatomy, scored=True),
    ).log_prob
    arrays = {
        name: rows.reshape(chains, draws, *rows.shape[1:]).cpu().numpy()
        for name, rows in scores.items()
    }
    tree["log_likelihood"] = xr.DataTree(labels.dataset(arrays, (schema.CHAIN, schema.DRAW)))
