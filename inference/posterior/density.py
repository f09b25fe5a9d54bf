r"""The past as a log density of one unconstrained vector, and back.

.. math:: \log p(z \mid e) = \log p(T(z), e) + \log |\det J_T(z)| + \text{const}

:math:`T` is Pyro's bijection from all real vectors to the support of the latents. Discrete
latents are summed out where Pyro can enumerate them in parallel, and drawn again afterwards.
"""

import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.infer import config_enumerate, infer_discrete
from pyro.infer.autoguide.initialization import init_to_sample
from pyro.infer.mcmc.util import initialize_model
from torch.distributions import biject_to

from counterfactual_models.anatomy import translated
from counterfactual_models.errors import WorldError
from counterfactual_models.handlers import Pin, isolated
from inference.posterior.latents import laws_of, refuse_mixed, support_of
from inference.posterior.question import Question
from inference.simulation import simulate

__all__ = ["Density", "density_of"]

_ROWS_PER_PASS = 256


@dataclass(frozen=True)
class Density:
    """The log density of a past, in the coordinates that a sampler moves in.

    Parameters
    ----------
    question
        The past and its evidence.
    names, shapes
        Of the continuous latents, each unconstrained, in the order they are laid out.
    transforms
        Latent -> bijection from its support to all reals.
    discrete
        Names of the latents that are summed out.
    origin
        A point to take dtype and device from, shape (dim,).
    evidence
        What the program is conditioned on; a tracer puts its own inputs here.
    """

    question: Question
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    transforms: Mapping[str, Any]
    discrete: tuple[str, ...]
    origin: torch.Tensor
    evidence: dict[str, torch.Tensor] = field(repr=False)
    potential: Any = field(repr=False)

    @property
    def dim(self) -> int:
        """Length of the vector."""
        return len(self.origin)

    def log_density(self, vector: torch.Tensor) -> torch.Tensor:
        """Evaluate at one vector, shape (dim,), by running the program."""
        return -self.potential(self.split(vector))

    def value_and_gradient(self, vector: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Evaluate with the gradient, by Pyro itself: what every faster way is held against."""
        with torch.enable_grad():
            vector = vector.detach().requires_grad_(True)
            value = self.log_density(vector)
            (gradient,) = torch.autograd.grad(value, vector, materialize_grads=True)
        return value.detach(), gradient

    def one_by_one(self, vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give gradients and values at vectors, shape (batch, dim), as a graph would, slowly."""
        with isolated(0), pyro.validation_enabled(False):
            found = [self.value_and_gradient(vector) for vector in vectors]
        return torch.stack([g for _, g in found]), torch.stack([v for v, _ in found])

    def split(self, vectors: torch.Tensor) -> dict[str, torch.Tensor]:
        """Cut vectors, shape (..., dim), into unconstrained latents, shape (..., own)."""
        lead = vectors.shape[:-1]
        sizes = [torch.Size(shape).numel() for shape in self.shapes]
        parts = torch.split(vectors, sizes, -1)
        return {
            name: part.reshape((*lead, *shape))
            for name, part, shape in zip(self.names, parts, self.shapes, strict=True)
        }

    def join(self, latents: Mapping[str, torch.Tensor], lead: int = 0) -> torch.Tensor:
        """Lay latents (constrained, `lead` leading axes) out as unconstrained vectors."""
        parts = [self.transforms[name](latents[name]) for name in self.names]
        return torch.cat([part.reshape((*part.shape[:lead], -1)) for part in parts], -1)

    def constrain(self, vectors: torch.Tensor) -> dict[str, torch.Tensor]:
        """Bring vectors, shape (..., dim), back to the latents of the past."""
        return {n: self.transforms[n].inv(part) for n, part in self.split(vectors).items()}

    def complete(self, vectors: torch.Tensor, seed: int) -> dict[str, torch.Tensor]:
        """Constrain vectors, shape (chain, draw, dim), and draw the discrete latents to them."""
        latents = self.constrain(vectors)
        if not self.discrete:
            return latents
        lead = vectors.shape[:-1]
        flat = {n: v.reshape(-1, *v.shape[len(lead) :]) for n, v in latents.items()}
        found = _drawn_discrete(self, flat, seed)
        return latents | {n: v.reshape((*lead, *v.shape[1:])) for n, v in found.items()}

    def culprit(self, vector: torch.Tensor) -> str:
        """Name the site whose density is not finite at a vector, or say that none is to blame."""
        latents = self.constrain(vector)
        with pyro.validation_enabled(False), torch.no_grad():
            program = Pin(latents)(self.question.conditioned)
            trace = poutine.trace(program).get_trace()
            trace.compute_log_prob()
        for name, node in trace.nodes.items():
            if node["type"] == "sample" and not torch.as_tensor(node["log_prob"]).isfinite().all():
                return name
        return ""


def density_of(question: Question) -> Density:
    """Make the log density of a past.

    Raises
    ------
    WorldError
        If the program fails, or holds a latent with no bijection to the reals.
    """
    sites = question.latents
    discrete = tuple(n for n, s in sites.items() if s.fn.support.is_discrete)
    evidence = dict(question.program.evidence)
    program = poutine.condition(question.program.call, data=evidence)
    what = question.program.what
    if discrete:
        what += f" with all values of {list(discrete)} at once, each along an axis to the left,"
    with (
        isolated(0),
        translated(what),
        pyro.validation_enabled(False),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        laws = laws_of(question)
        if discrete:
            refuse_mixed(question, discrete)
        _, potential, transforms, _ = initialize_model(
            program,
            transforms=_transforms(laws),
            max_plate_nesting=question.program.anatomy.nesting,
            init_strategy=init_to_sample,
            initial_params={},
        )
    names = tuple(n for n in sites if n in transforms)
    start = {n: transforms[n](sites[n].value) for n in names}
    if not names:
        raise WorldError("the past has no continuous latent; use method='enumerate'.")
    return Density(
        question=question,
        names=names,
        shapes=tuple(tuple(start[n].shape) for n in names),
        transforms=transforms,
        discrete=discrete,
        origin=torch.cat([start[n].reshape(-1) for n in names]).detach(),
        evidence=evidence,
        potential=potential,
    )


def _transforms(laws: Mapping[str, Any]) -> dict[str, Any]:
    """Find a bijection to all reals for each continuous latent."""
    found = {}
    for name, fn in laws.items():
        support = support_of(fn)
        if support.is_discrete:
            continue
        try:
            found[name] = biject_to(support).inv
        except NotImplementedError as error:
            raise WorldError(
                f"site {name!r} has the support {support}, from which no bijection to all reals "
                "is known; use method='importance'."
            ) from error
    return found


def _drawn_discrete(
    density: Density, latents: Mapping[str, torch.Tensor], seed: int
) -> dict[str, torch.Tensor]:
    """Draw the discrete latents given the continuous ones, by Pyro's backward sampling."""
    count = len(next(iter(latents.values())))
    alone = not _fits_a_plate(density, latents)
    rows = 1 if alone else _ROWS_PER_PASS
    found: dict[str, list[torch.Tensor]] = {name: [] for name in density.discrete}
    with isolated(seed), pyro.validation_enabled(False), torch.no_grad():
        for first in range(0, count, rows):
            block = {n: v[first : first + rows] for n, v in latents.items()}
            for name, values in _drawn_block(density, block, alone=alone).items():
                found[name].append(values)
    return {name: torch.cat(parts) for name, parts in found.items()}


def _drawn_block(
    density: Density, block: Mapping[str, torch.Tensor], *, alone: bool
) -> dict[str, torch.Tensor]:
    sites, program = density.question.latents, density.question.conditioned
    nesting = density.question.program.anatomy.nesting
    size = len(next(iter(block.values())))

    def lead(name: str) -> tuple[int, ...]:
        return () if alone else (size, *(1,) * (nesting - sites[name].batch_ndim))

    given = {name: v.reshape((*lead(name), *v.shape[1:])) for name, v in block.items()}

    # infer_discrete hides its first pass from handlers outside it, and would take the continuous
    # latents from the prior, one draw for all rows: what is given has to be said inside.
    def pinned() -> None:
        plate = nullcontext() if alone else pyro.plate("_draws", size, dim=-1 - nesting)
        with plate, poutine.condition(data=given):
            program()

    sampler = infer_discrete(config_enumerate(pinned), first_available_dim=-2 - nesting)
    trace = poutine.trace(sampler).get_trace()
    found = {}
    for name in density.discrete:
        shape = sites[name].value.shape
        value = trace.nodes[name]["value"].expand((*lead(name), *shape))
        found[name] = value.reshape((size, *shape))
    return found


def _fits_a_plate(density: Density, latents: Mapping[str, torch.Tensor]) -> bool:
    """Tell whether the program gives the same for a batch of draws as for each alone."""
    program = density.question.program
    few = {n: v[:8] for n, v in latents.items()}
    count = len(next(iter(few.values())))
    score = density.question.data
    tried = simulate(program, few, draws=count, key=(0, "fits"), record=(), score=score, size=8)
    return tried.how == "plate"
