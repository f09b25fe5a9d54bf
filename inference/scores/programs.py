r"""What is the density of a world as a function of its evidence? One run, open to autograd.

.. math:: e \mapsto \log p(\mathrm{past}, e), \qquad
          e \mapsto \log p(\mathrm{future} \mid \mathrm{past}, e, S, X)

at fixed sample sites. The world has to use what ``pyro.sample`` returns for a datum; then autograd
sees where it goes.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import pyro
import torch
from pyro.distributions.torch_distribution import MaskedDistribution
from pyro.distributions.util import scale_and_mask
from pyro.ops.special import log_binomial
from torch.distributions import Distribution, Independent

from counterfactual_models.anatomy import Anatomy, is_site, role_of
from counterfactual_models.deferred import Deferred
from counterfactual_models.disciples import erased
from counterfactual_models.errors import WorldError
from counterfactual_models.handlers import derive_seed, past, reseed
from inference.passes import Message, Pass, Program
from inference.world_plans import WorldPlans

__all__ = [
    "Asked",
    "densities",
    "density_of",
    "log_prob_of",
    "looked_at",
    "run_open",
    "summed",
    "unchecked",
]

_KEY = (0, "scores")


@dataclass(frozen=True)
class Asked:
    """Whose evidence is moved: the past, the world of each disciple, and the data.

    Parameters
    ----------
    past
        The world cut at its switch.
    worlds
        Name -> the whole world with that disciple, ``erased`` first.
    data
        All evidence that is fixed, also what the world itself observes: site -> values.
    later
        Evidence sites after the switch.
    """

    past: Program
    worlds: Mapping[str, Program]
    data: Mapping[str, torch.Tensor]
    later: Sequence[str]

    @classmethod
    def of(cls, plans: WorldPlans, observed: Iterable[str]) -> "Asked":
        """Read it off the plans of the worlds; `observed` names what the posterior was given."""
        whole = plans.whole
        fixed = {n: v for n, v in whole.data.items() if n in set(observed) and v.numel()}
        known = {**plans.evidence, **fixed}
        data = {name: known[name] for name in whole.sites if name in known}
        before = {name: site for name, site in whole.sites.items() if name not in whole.future}
        early = {name: value for name, value in data.items() if name in before}
        cut = Program(
            past(plans.world, erased),
            Anatomy(before, None, whole.nesting),
            early,
            "the past of the world",
        )
        worlds = {
            name: replace(plan.program, evidence=data)
            for name, plan in zip(plans.names, plans.plans, strict=True)
        }
        return cls(cut, worlds, data, [name for name in data if name not in before])


def run_open(
    program: Program,
    pins: Mapping[str, torch.Tensor],
    evidence: Mapping[str, torch.Tensor],
    key: Sequence[Any] = _KEY,
) -> Pass:
    """Run a program once with autograd on; the caller isolates it.

    Parameters
    ----------
    program
        What to run.
    pins
        Site name -> value; all other sites are drawn.
    evidence
        Site name -> value, which may ask for a gradient.
    key
        What the random numbers are derived from.

    Raises
    ------
    WorldError
        If a datum is not there in this draw.
    """
    found = Pass(pins, evidence, key)
    reseed(derive_seed(*key))
    with found:
        program.call()
    for name in evidence:
        if name not in found.sites:
            raise WorldError(
                f"{program.what}: {name!r} is there in one draw and not in another; expected the "
                "same sites in every draw (torch.where instead of leaving one out)."
            )
    return found


@contextmanager
def unchecked() -> Iterator[None]:
    """Let no distribution look at its values: under ``torch.vmap`` they have none to look at.

    And let Pyro's binomial coefficient have a derivative, which it computes without one.
    """
    with ExitStack() as stack:
        stack.enter_context(pyro.validation_enabled(False))
        stack.enter_context(mock.patch.object(Distribution, "_validate_sample", _believe))
        coefficient = getattr(log_binomial, "__wrapped__", log_binomial)
        for module in ("torch", "conjugate"):
            where = f"pyro.distributions.{module}.log_binomial"
            stack.enter_context(mock.patch(where, coefficient))
        yield


def _believe(*_: Any) -> None:
    return None


def looked_at(fn: Any) -> Any:
    """Build a deferred distribution; all others are what they are."""
    while isinstance(fn, Deferred):
        fn = fn.build()
    return fn


def log_prob_of(site: Message) -> torch.Tensor:
    """Log-density of a site, scaled and masked as the program says."""
    found = site["fn"].log_prob(site["value"], *site["args"], **site["kwargs"])
    return scale_and_mask(found, site["scale"], site["mask"])


def density_of(program: Program, site: Message) -> torch.Tensor:
    """Log-density of a site in a world that is drawn.

    What is drawn after the switch is drawn from its bare distribution, whatever scale or mask is
    around it; these count for the past and for evidence.
    """
    if site["is_observed"] or site["name"] not in program.anatomy.future:
        return log_prob_of(site)
    found: torch.Tensor = _bare(site["fn"]).log_prob(
        site["value"], *site["args"], **site["kwargs"]
    )
    return found


def _bare(fn: Any) -> Any:
    """Take masks off a distribution."""
    fn = looked_at(fn)
    while isinstance(fn, MaskedDistribution):
        fn = fn.base_dist
    if isinstance(fn, Independent) and _bare(fn.base_dist) is not fn.base_dist:
        return pyro.distributions.Independent(_bare(fn.base_dist), fn.reinterpreted_batch_ndims)
    return fn


def densities(
    program: Program, happened: Pass, but: Collection[str] = ()
) -> dict[str, torch.Tensor]:
    """Log-densities of all sampled sites of a run, but some: name -> (batch shape)."""
    found = {}
    for name, site in happened.sites.items():
        known = program.anatomy.sites.get(name)
        if (known is not None and known.computed) or not is_site(site) or role_of(site):
            continue
        if name not in but and not site["infer"].get("_deterministic"):
            found[name] = density_of(program, site)
    return found


def summed(
    program: Program, targets: Sequence[str]
) -> Callable[[Mapping[str, torch.Tensor], Mapping[str, torch.Tensor]], torch.Tensor]:
    """Make the log-density of some sites a function of the evidence and of what is pinned."""

    def total(
        evidence: Mapping[str, torch.Tensor], pins: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        happened = run_open(program, pins, {**program.evidence, **evidence})
        found = [density_of(program, happened.sites[name]).sum() for name in targets]
        return sum(found, torch.zeros(()))

    return total
