r"""How does the density of each draw change with the evidence? The only place that differentiates.

.. math:: s_{tj} = \frac{\partial}{\partial e_j} \log p(\mathrm{past}_t, e
          [, \mathrm{future}_t] \mid S, X) \quad \text{at fixed sample sites}, \qquad
          \frac{d E[g]}{d e_j} = \mathrm{Cov}(g, s_j) + E[\partial_{e_j} g]
"""

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import xarray as xr

from counterfactual_models.disciples import Disciple
from counterfactual_models.errors import (
    EvidenceError,
    ImpactWarning,
    refuse_counts,
)
from inference import schema
from inference.drawn_plans import plans_of
from inference.posterior.engine import bar
from inference.scores.programs import Asked
from inference.scores.scoring import Scoring
from inference.world_plans import WorldPlans

__all__ = ["with_scores"]


def with_scores(
    world: Callable[..., Any],
    worlds: xr.DataTree,
    disciples: Mapping[str, Callable[..., Any]] | Iterable[Disciple | Callable[..., Any]],
    *,
    prior_draws: int = 1000,
    seed: int = 0,
    progress: bool = True,
) -> xr.DataTree:
    """Add to worlds what their evidence does, and how far it might have been otherwise.

    Scores are taken at fixed sample sites, by autograd, and held against finite differences. For
    Poisson, binomial and Bernoulli data they are those of the density continued between whole
    numbers (`discrete` in their attributes): for a Bernoulli the exact first order of a flip.
    Data that the world itself observes (``obs=``) are moved at their site only. Steps in a density
    (``z > e``) are seen by no score.

    Parameters
    ----------
    world, worlds, disciples
        The program, what ``sample_worlds`` returned for it, and the disciples given there.
    prior_draws
        Draws of the prior for `prior_evidence`; 0 leaves that out.
    seed
        For these.
    progress
        Show a progress bar, if there is a terminal.

    Returns
    -------
    xr.DataTree
        A new tree, with all that was there and four groups:
        `evidence_scores`
            A variable for each evidence site: (chain, draw, ...), or (disciple, chain, draw
            [, future], ...) where the future reads the site, or evidence comes after the switch.
        `evidence_direct`
            Where measurements are computed from the evidence: means over blocks of draws of their
            own derivatives, (disciple, score_block, measurement, datum).
        `evidence_scales`
            (statistic, ...): the datum's `value`; mean `loo_mean`, standard deviation `loo_sd` and
            `loo_khat` of its prediction from the other data; `prior_noise`. A datum that others
            read is predicted as if they knew it, an event as a whole.
        `prior_evidence`
            (prior_draw, ...): means of the data given draws of the prior; the covariance of the
            data before they are seen is that of these plus `prior_noise` squared.

    Raises
    ------
    EvidenceError
        If no datum has a score, a support moves, a datum is read by ``.item()`` or the like, or a
        score is not finite.
    WorldError, DiscipleError
        If worlds, disciples and world do not belong together; if needed sites were not kept.

    References
    ----------
    .. [1] R. Giordano, T. Broderick, M. I. Jordan, "Covariances, robustness, and variational
       Bayes", JMLR 19 (2018): derivatives of posterior means as covariances.

    Examples
    --------
    >>> import inference
    >>> from counterfactual_models import zoo
    >>> ex = zoo.load("gaussian")
    >>> past = inference.sample_posterior(ex.world, ex.evidence, draws=100, progress=False)
    >>> worlds = inference.sample_worlds(ex.world, past, ex.disciples, progress=False)
    >>> scored = with_scores(ex.world, worlds, ex.disciples, progress=False)
    >>> scored["evidence_scores"]["e"].dims
    ('chain', 'draw', 'datum')
    """
    refuse_counts(0, prior_draws=prior_draws)
    plans, observed = plans_of(world, worlds, disciples), worlds["observed_data"].to_dataset()
    asked = Asked.of(plans, map(str, observed.data_vars))
    if not asked.data:
        raise EvidenceError("these worlds were drawn without evidence: there is nothing to score.")
    scoring = Scoring(plans, asked, worlds)
    with bar(scoring.rows_to_do + 2 * int(prior_draws), "scores", progress) as shown:
        groups = scoring.groups(observed, int(prior_draws), int(seed), shown.update)
    _warn_of_unscored(scoring.unscored)
    return _joined(worlds, groups, plans)


def _warn_of_unscored(left_out: Mapping[str, str]) -> None:
    if left_out:
        warnings.warn(
            f"the evidence on {list(left_out)} has no score: "
            + "; ".join(f"of {name!r}, {why}" for name, why in left_out.items())
            + ". What it does is seen by deleting it: leave_out.",
            ImpactWarning,
            stacklevel=3,
        )


def _joined(
    worlds: xr.DataTree, groups: Mapping[str, xr.Dataset], plans: WorldPlans
) -> xr.DataTree:
    """Lay the new groups beside the old ones; those of an earlier call go."""
    tree = worlds.copy()
    ours = (
        schema.EVIDENCE_SCORES,
        schema.EVIDENCE_DIRECT,
        schema.EVIDENCE_SCALES,
        schema.PRIOR_EVIDENCE,
    )
    for name in ours:
        if name in tree.children:
            del tree[name]
    for name, group in groups.items():
        tree[name] = xr.DataTree(group)
    told = {
        "switch_probability": plans.whole.switch_probability,
        "no_scores": schema.decode_attrs(groups[schema.EVIDENCE_SCORES].attrs)["no_scores"],
    }
    tree.attrs = {**worlds.attrs, **schema.encode_attrs(told)}
    return tree
