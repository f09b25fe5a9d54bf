"""May the latents of a past be moved along gradients, and its discrete ones be summed out?

Pyro takes the support of a latent from one run, and sums discrete latents out in each place of
their plates separately. Where a support depends on another latent, or a site looks at several
places of a plate at once (``kind.sum()``), it goes wrong without a word. So it is looked for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pyro import poutine

from counterfactual_models.errors import WorldError
from counterfactual_models.handlers import Pin
from inference.posterior.question import Question

__all__ = ["countable", "laws_of", "refuse_mixed", "refuse_uncountable", "support_of"]

_RUNS = 12
_MOST_KINDS = 64


def countable(fn: Any) -> bool:
    """Tell whether a distribution has one finite list of values."""
    try:
        return fn.enumerate_support(expand=False) is not None
    except NotImplementedError:  # also a Binomial with several counts
        return False


def refuse_uncountable(question: Question, method: str) -> None:
    """Refuse a past with a discrete latent that cannot be summed out."""
    for name, site in question.latents.items():
        if site.fn.support.is_discrete and not countable(site.fn):
            raise WorldError(
                f"site {name!r} ({type(site.fn).__name__}) is discrete without one finite list of "
                f"values; method={method!r} moves along gradients and cannot sum it out. Use "
                "'importance'."
            )


def laws_of(question: Question) -> dict[str, Any]:
    """Find the distribution of each latent given the evidence, in one run of many.

    Raises
    ------
    WorldError
        If the support of a latent is not the same in all of them.
    """
    first = poutine.trace(question.conditioned).get_trace()
    runs = [question.conditioned] * _RUNS
    for name, site in question.latents.items():
        if site.fn.support.is_discrete:
            kinds = site.fn.enumerate_support(expand=False)[:_MOST_KINDS]
            shape = site.value.shape
            each = kinds.reshape((len(kinds), *site.fn.event_shape))
            runs += [Pin({name: kind.expand(shape)})(question.conditioned) for kind in each]
    found = {name: first.nodes[name]["fn"] for name in question.latents}
    for run in runs:
        again = poutine.trace(run).get_trace()
        for name, fn in found.items():
            support = support_of(fn)
            if name in again.nodes and not _same(support, support_of(again.nodes[name]["fn"])):
                raise WorldError(
                    f"the support of site {name!r}, {support}, depends on another latent; sample "
                    "it on a fixed support and transform it: x = width * sample('u', "
                    "Uniform(0, 1)). Or use method='importance'."
                )
    return found


def support_of(fn: Any) -> Any:
    """Take the support of a distribution; a mixture has that of its components."""
    mixed = type(fn.support).__name__ == "MixtureSameFamilyConstraint"
    return fn.support.base_constraint if mixed else fn.support


def _same(one: Any, other: Any) -> bool:
    """Tell whether two constraints, or what they hold, are the same."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.shape == other.shape and bool((one == other).all())
    if hasattr(one, "__dict__"):
        mine, theirs = vars(one), vars(other) if hasattr(other, "__dict__") else {}
        return (
            type(one) is type(other)
            and mine.keys() == theirs.keys()
            and all(_same(value, theirs[key]) for key, value in mine.items())
        )
    return bool(one == other)


def refuse_mixed(question: Question, discrete: Sequence[str]) -> None:
    """Refuse discrete latents that cannot be summed out place by place.

    One place of each is changed, and what changes its density with it has to stand in the same
    plates.

    Raises
    ------
    WorldError
        If something outside its plates depends on it, or densities are scaled.
    """
    sites = question.program.anatomy.sites
    scaled = [n for n, s in sites.items() if s.tempered and s.mask is None]
    if scaled:
        raise WorldError(
            f"the density of site {scaled[0]!r} is scaled (poutine.scale), and the latents "
            f"{list(discrete)} are discrete: their draws would not be those of the scaled "
            "density. Use method='importance', or leave the scale out."
        )
    base = _scored(question, {})
    drawn = {name: base.nodes[name]["value"] for name in question.latents}
    for name in discrete:
        kinds = question.latents[name].fn.enumerate_support(expand=False).flatten()
        value = drawn[name].clone()
        first = value.reshape(-1)[0]
        other = kinds[kinds != first]
        if not len(other) or question.latents[name].fn.event_shape:
            continue
        value.reshape(-1)[0] = other[0]
        changed = _scored(question, {**drawn, name: value})
        for site in _differing(base, changed, name):
            missing = _plates(base, name) - _plates(base, site)
            if missing:
                raise WorldError(
                    f"site {site!r} looks at several places of {name!r} at once, outside the "
                    f"plate {sorted(missing)[0]!r}: it cannot be summed out. Use method="
                    "'importance', or 'enumerate' where all latents are discrete."
                )


def _scored(question: Question, pins: Mapping[str, torch.Tensor]) -> poutine.Trace:
    trace = poutine.trace(Pin(pins)(question.conditioned)).get_trace()
    trace.compute_log_prob()
    return trace


def _plates(trace: poutine.Trace, name: str) -> set[str]:
    frames = trace.nodes[name]["cond_indep_stack"]
    return {frame.name for frame in frames if frame.vectorized and frame.size > 1}


def _differing(one: poutine.Trace, other: poutine.Trace, but: str) -> list[str]:
    """Name the sites whose density differs between two runs."""
    found = []
    for name, node in one.nodes.items():
        if node["type"] != "sample" or name == but or name not in other.nodes:
            continue
        mine, theirs = (torch.as_tensor(t.nodes[name]["log_prob"]) for t in (one, other))
        if mine.shape != theirs.shape or not torch.equal(mine, theirs):
            found.append(name)
    return found
