r"""What was the past like, given the evidence?

.. math:: p(\mathrm{past} \mid e)

Only what runs before the switch is inferred; one posterior then serves every disciple and both
values of X. Every run ends in a verdict, and a run that cannot be trusted says so.

The engines: ``prior`` (no evidence about the past) and ``enumerate`` (discrete) are exact. ``hmc``
(continuous, discrete latents summed out) runs many short chains on a traced graph, ``nuts`` is
Pyro's own sampler for the same, slow and sure. ``importance`` takes anything that the prior
reaches; ``laplace`` and ``svi`` fit a Gaussian and weigh it.
"""

import dataclasses
import logging
import math
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr
from tqdm import tqdm

from counterfactual_models.errors import (
    EvidenceError,
    ImpactWarning,
    PosteriorError,
    WorldError,
    nearest,
    refuse_counts,
)
from inference import schema
from inference.labels import Labels
from inference.posterior import enumeration, hmc, importance, laplace, nuts, prior, svi
from inference.posterior.assembly import add_log_densities, posterior_tree
from inference.posterior.convergence import Verdict, judge
from inference.posterior.engine import Drawn, Order, one_thread
from inference.posterior.executors import EXECUTORS
from inference.posterior.latents import countable
from inference.posterior.question import Question, ask
from inference.posterior.tracing import Untraceable
from inference.store import provenance

__all__ = ["sample_posterior"]

logger = logging.getLogger(__name__)

_ENGINES: dict[str, Callable[[Question, Order], Drawn]] = {
    "enumerate": enumeration.draw,
    "hmc": hmc.draw,
    "importance": importance.draw,
    "laplace": laplace.draw,
    "nuts": nuts.draw,
    "prior": prior.draw,
    "svi": svi.draw,
}
_MARKOV = ("hmc", "nuts")
_FITTED = ("laplace", "svi")
_APART = 0.15  # posterior standard deviations between the means of two runs
_PATIENCE = 600.0  # seconds that a fallback to NUTS may be expected to take
_ADVICE = {
    "hmc": "Take more draws or a longer warm-up (draws=, warmup=), give the site unit scale, or "
    "reparametrise it (pyro.infer.reparam).",
    "nuts": "Take more draws, give the site unit scale, or reparametrise it (pyro.infer.reparam).",
    "importance": "The evidence points where the prior rarely goes: use method='hmc' "
    "(continuous) or 'enumerate' (discrete).",
}
_ADVICE["svi"] = _ADVICE["laplace"] = (
    "The posterior is not of the shape that was fitted: use method='hmc'."
)


def sample_posterior(
    world: Callable[..., Any],
    evidence: Mapping[str, Any] | None = None,
    method: str = "auto",
    *,
    draws: int = 1000,
    chains: int = 4,
    seed: int = 0,
    warmup: int | None = None,
    save_warmup: bool = False,
    compile: str = "auto",  # noqa: A002 (the field's word)
    strict: bool = False,
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
        Sample-site name -> observed tensor, array, number or DataFrame column. What it says of
        the future is set aside for ``sample_worlds``, and `shared_posterior` is False.
    method
        An engine, or ``auto``: exact where possible, else ``hmc``; where that fails, with a longer
        warm-up, then ``nuts``; `attempts` in the attributes tells.
    draws, chains, seed
        Draws per chain, and chains; ``hmc`` gives at least as many, in more and shorter chains
        (``regroup`` folds them). One seed, one result.
    warmup, save_warmup
        Iterations before the draws, by default 300 (hmc) or half of `draws` (nuts); and whether to
        keep them, in `warmup_posterior`.
    compile, strict
        Who runs the graph: ``torchscript``, ``python``, ``inductor`` (compiled), or ``auto``; and
        whether to raise instead of warning when the verdict is bad.
    coords, dims, log_likelihood
        Labels of axes; names for axes that no plate names; whether to keep the log-likelihood and
        the log prior of each draw, by default up to 20 million numbers.
    progress
        Show a bar and the verdict in a terminal. Ctrl-C after the warm-up keeps the draws.

    Returns
    -------
    xr.DataTree
        ArviZ's groups and dims, and `convergence`; the `verdict` is in the attributes.

    Raises
    ------
    WorldError, EvidenceError
        For what does not fit, before any sampling.
    PosteriorError
        If strict, on a bad verdict; it holds the draws.

    Examples
    --------
    >>> import counterfactual_models, inference
    >>> gauss = counterfactual_models.zoo.load("gaussian")
    >>> tree = inference.sample_posterior(gauss.world, gauss.evidence, "importance", draws=500)
    >>> tree.attrs["verdict"][:4]
    'good'
    """
    refuse_counts(1, draws=draws, chains=chains, warmup=1 if warmup is None else warmup)
    if compile not in ("auto", *EXECUTORS):
        names = ["auto", *EXECUTORS]
        raise WorldError(f"there is no compile={compile!r}. " + nearest(str(compile), names))
    order = Order(int(draws), int(chains), int(seed), warmup, 1, save_warmup, compile, progress)
    question = ask(world, evidence)
    labels = Labels(coords, dims, question.whole.sites)
    chosen = _choose(question, method)
    _warn_of_later(question)
    search = _search(question, labels, order, chosen, auto=method == "auto")
    tree = search.best.tree
    tree.attrs = schema.encode_attrs(_attrs(question, search, order))
    _add_log_densities(tree, question, search.best.drawn, labels, order, log_likelihood)
    _warn_of_interrupt(search.best)
    _say(tree, search.best, order, strict=strict)
    return tree


def _add_log_densities(
    tree: xr.DataTree,
    question: Question,
    drawn: Drawn,
    labels: Labels,
    order: Order,
    wanted: bool | None,
) -> None:
    try:
        add_log_densities(tree, question, drawn.values, labels, seed=order.seed, wanted=wanted)
    except WorldError as error:  # the draws are there, and are not to be lost
        warnings.warn(f"log_likelihood is left out: {error}", ImpactWarning, stacklevel=3)


@dataclass(frozen=True)
class _Attempt:
    """One run of one engine, and what it is worth."""

    method: str
    drawn: Drawn
    tree: xr.DataTree
    verdict: Verdict


class _Search:
    """Runs engines until one can be trusted, and remembers what each was worth."""

    def __init__(self, question: Question, labels: Labels) -> None:
        self.question, self.labels = question, labels
        self.done: list[_Attempt] = []
        self.told: list[dict[str, str]] = []

    def run(self, method: str, order: Order) -> bool:
        """Run an engine; tell whether to stop here. What it raises is raised."""
        logger.info("posterior of %s by %s", self.question.name, method)
        with one_thread():
            drawn = _ENGINES[method](self.question, order)
        if method in _FITTED:
            drawn = dataclasses.replace(drawn, attrs={**drawn.attrs, "fitted": True})
        tree = posterior_tree(self.question, drawn, self.labels)
        verdict = judge(tree, drawn.attrs, independent=method not in _MARKOV)
        tree["convergence"] = xr.DataTree(verdict.statistics)
        apart = _apart(drawn, self.done[0].drawn) if self.done else ""
        if apart:  # a later run may have missed what made the chains of the first disagree
            problem = f"{apart!r} is elsewhere than the first run found it"
            verdict = dataclasses.replace(verdict, problems=(*verdict.problems, problem))
        logger.info("%s: %s", method, verdict)
        self.done.append(_Attempt(method, drawn, tree, verdict))
        self.told.append({"method": method, "verdict": str(verdict)})
        return verdict.good or bool(drawn.attrs.get("interrupted"))

    def try_(self, method: str, order: Order) -> bool:
        """Run an engine; where it cannot run, remember why, and go on."""
        try:
            return self.run(method, order)
        except (Untraceable, WorldError) as error:
            logger.info("%s could not be run: %s", method, error)
            self.told.append({"method": method, "verdict": f"could not be run: {error}"})
            return False

    @property
    def best(self) -> _Attempt:
        """The first that is good, else the one with most effective draws."""
        good = [attempt for attempt in self.done if attempt.verdict.good]
        return good[0] if good else max(self.done, key=lambda a: a.verdict.effective)


def _search(
    question: Question, labels: Labels, order: Order, method: str, *, auto: bool
) -> _Search:
    search = _Search(question, labels)
    if not auto or method != "hmc":
        try:
            search.run(method, order)
        except Untraceable as error:
            raise WorldError(
                f"the density of the past cannot be made a graph, as method={method!r} needs it: "
                f"{error}. Use method='nuts', which runs the program as it is (or write "
                "torch.where for a branch)."
            ) from error
        return search
    if search.try_("hmc", order):
        return search
    if search.done and search.try_("hmc", _longer(order, search.done[-1])):
        return search
    expected = nuts.expected_seconds(
        question, order, search.done[-1].drawn if search.done else None
    )
    if search.done and expected > _PATIENCE:
        verdict = f"not tried: it would take about {expected / 60:.0f} minutes; ask with method="
        search.told.append({"method": "nuts", "verdict": verdict + "'nuts'"})
        return search
    if search.try_("nuts", order) or search.done:
        return search
    search.run("importance", order)
    return search


def _longer(order: Order, last: _Attempt) -> Order:
    """Ask for a longer warm-up, and for more iterations a draw if the chains were slow."""
    short = order.total / 10 / max(last.verdict.effective, 1.0)
    warmup = 2 * int(last.drawn.attrs["warmup"])
    return dataclasses.replace(order, warmup=warmup, thin=min(10, max(2, math.ceil(2 * short))))


def _apart(drawn: Drawn, earlier: Drawn) -> str:
    """Name a latent whose mean is not where an earlier, doubtful run saw it."""
    for name, values in drawn.values.items():
        mine, theirs = (v.double().flatten(0, 1) for v in (values, earlier.values[name]))
        gap = (mine.mean(0) - theirs.mean(0)).abs()
        if (gap > _APART * theirs.std(0)).any():
            return name
    return ""


def _attrs(question: Question, search: _Search, order: Order) -> dict[str, Any]:
    best = search.best
    return {
        **provenance(),
        "name": question.name,
        "world": question.name,
        "world_hash": question.hash,
        "method": best.method,
        "verdict": str(best.verdict),
        "attempts": search.told,
        "seed": order.seed,
        "shape": [order.chains, order.draws],
        "shared_posterior": not question.later,
        "evidence": question.data,
        "evidence_after_switch": question.later,
        **best.drawn.attrs,
    }


def _say(tree: xr.DataTree, best: _Attempt, order: Order, *, strict: bool) -> None:
    """End the run in one line; warn or raise when it is a bad one."""
    if order.progress and sys.stderr.isatty():
        tqdm.write(f"{best.method}: {best.verdict}", file=sys.stderr)
    if best.verdict.good:
        return
    text = (
        f"the posterior is not to be trusted yet: {'; '.join(best.verdict.problems)}. "
        + _ADVICE[best.method]
    )
    if strict:
        raise PosteriorError(text, tree)
    warnings.warn(text, ImpactWarning, stacklevel=3)


def _warn_of_interrupt(best: _Attempt) -> None:
    if best.drawn.attrs.get("interrupted"):
        warnings.warn(str(best.drawn.attrs["interrupted"]), ImpactWarning, stacklevel=3)


def _warn_of_later(question: Question) -> None:
    if question.later:
        warnings.warn(
            f"evidence on {question.later} speaks about what comes after the switch: the "
            "posterior drawn here does not know it. sample_worlds weighs each world by it.",
            ImpactWarning,
            stacklevel=3,
        )


def _choose(question: Question, method: str) -> str:
    if method not in (*_ENGINES, "auto"):
        known = ["auto", *_ENGINES]
        raise WorldError(f"there is no method {method!r}. " + nearest(str(method), known))
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
            f"poutine.mask), which method={method!r} cannot draw from; use 'hmc' or 'enumerate'."
        )
    misdrawn = [n for n, s in question.latents.items() if _is_misdrawn(s.fn)]
    if misdrawn and method in ("prior", "importance"):
        raise WorldError(
            f"torch draws {misdrawn[0]!r} (LKJCholesky of more than 2 rows) from another law than "
            f"its density: method={method!r} would be wrong. Use 'hmc' or 'nuts'."
        )
    if method != "auto":
        return method
    if (not known and not tempered and not misdrawn) or not question.latents:
        return "prior"
    if enumeration.count_states(question) <= enumeration.LIMIT:
        return "enumerate"
    discrete = {n: s for n, s in question.latents.items() if s.fn.support.is_discrete}
    if not all(countable(s.fn) for s in discrete.values()):
        return "importance"
    return "importance" if len(discrete) == len(question.latents) else "hmc"


def _is_misdrawn(fn: Any) -> bool:
    """Recognise LKJCholesky: its sampler gives rows after the second too much variance."""
    while hasattr(fn, "base_dist"):
        fn = fn.base_dist
    return type(fn).__name__ == "LKJCholesky" and fn.event_shape[-1] > 2
