r"""The past by the Gaussian that is nearest to it, weighed afterwards.

.. math:: q^* = \arg\max_q \; E_q[\log p(x, e) - \log q(x)]

The families are Pyro's autoguides, in unconstrained coordinates. The gradients come from the
traced graph, for sixty-four draws of the guide at once, without the term that is zero on average
[1]_: their noise then vanishes as the guide becomes the posterior. The rate falls whenever the
bound no longer rises by more than its own noise.

A guide for each peak, in coordinates that the curvature there makes round, races one from an
ordinary start: a peak shows how wide the past is, or, in a funnel, where nothing happens.

References
----------
.. [1] G. Roeder, Y. Wu, D. Duvenaud, "Sticking the landing: simple, lower-variance gradient
   estimators for variational inference", NeurIPS (2017).
"""

import copy
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro.infer.autoguide import (
    AutoLowRankMultivariateNormal,
    AutoMultivariateNormal,
    init_to_mean,
)

from counterfactual_models.handlers import derive_seed, isolated
from inference.posterior.density import density_of
from inference.posterior.engine import Drawn, Order, bar
from inference.posterior.latents import refuse_uncountable
from inference.posterior.modes import find_modes, peak_starts
from inference.posterior.proposals import Piece, draw_weighed
from inference.posterior.question import Question
from inference.posterior.starts import ascend
from inference.posterior.surface import BLOCK, Surface, surface_of

__all__ = ["draw"]

_LARGEST_DENSE = 256
_LARGEST_CURVED = 512  # dimensions beyond which the curvature of a peak costs more than a fit
_MOST_STEPS = 10_000
_WINDOW, _LONGEST = 50, 200  # steps that are judged together
_FINE = 0.05  # nats of noise that leave nothing to be seen by judging more of them
_RACE = 3 * _WINDOW
_TIE = 0.1  # nats: then the peaks have it, who know of each other
_RATES = (0.05, 0.02, 0.008, 0.003)
_NOWHERE = -1e30  # the bound of a guide that has no draw of finite density
_GENTLE = 20  # dimensions beyond which the many numbers of a guide move more slowly


def draw(question: Question, order: Order) -> Drawn:
    """Fit a guide to the past, or one to each of its peaks; draw from them, and weigh.

    ``order.warmup`` is the most steps that a fit may take, 10,000 by default; `converged` says
    whether they were enough.

    Raises
    ------
    WorldError
        If a latent can neither move along gradients nor be summed out.
    """
    refuse_uncountable(question, "svi")
    begun = time.process_time()
    density = density_of(question)
    surface = surface_of(density, order)
    compiled = time.process_time()
    most = _MOST_STEPS if order.warmup is None else order.warmup
    with bar(0, "svi", order.progress) as shown:
        fits = _raced(surface, order.seed, min(_RACE, most), shown.update)
        for fit in fits:
            fit.climb(most, shown.update)
    bounds = [fit.bound for fit in fits]
    attrs = {
        "guide": _family(density.dim).__name__,
        "guides": len(fits),
        "elbo": float(np.logaddexp.reduce(bounds)),
        "steps": [fit.steps for fit in fits],
        "converged": all(not fit.rates and fit.bound > _NOWHERE for fit in fits),
        "compile_seconds": compiled - begun,
        "warmup_seconds": time.process_time() - compiled,
    }
    return draw_weighed(surface, [fit.piece() for fit in fits], bounds, order, attrs)


def _raced(
    surface: Surface, seed: int, steps: int, told: Callable[[int], Any]
) -> Sequence["_Fit"]:
    """Let guides at the peaks run against one at the best start; give those that lead."""
    starts = peak_starts(surface, seed)
    points, _, heights = ascend(surface, starts)
    best = points[heights.nan_to_num(-np.inf).argmax()]
    plain = _Fit(surface, best, torch.eye(len(best)).to(best), 0.1, derive_seed(seed, "svi"))
    modes = find_modes(surface, starts)[0] if len(best) <= _LARGEST_CURVED else []
    peaks = [
        _Fit(surface, mode.point, mode.scale, 1.0, derive_seed(seed, "svi", k))
        for k, mode in enumerate(modes)
    ]
    for fit in (plain, *peaks):
        fit.climb(steps, told)
    together = np.logaddexp.reduce([fit.bound for fit in peaks])  # -inf where there are none
    return [plain] if plain.bound > together + _TIE or not peaks else peaks


class _Fit:
    """A guide on its way to the past, in coordinates w with x = point + scale w.

    Parameters
    ----------
    surface
        The density of the past.
    point, scale
        Shapes (dim,) and (dim, dim); the scale is a lower triangle.
    width
        Of the guide in w, to begin with.
    seed
        For the draws of the guide.
    """

    def __init__(
        self, surface: Surface, point: torch.Tensor, scale: torch.Tensor, width: float, seed: int
    ) -> None:
        self.surface, self.point, self.scale, self.seed = surface, point, scale, seed
        self.rates = list(_RATES)
        self.steps = 0
        self.window = _WINDOW
        self.bound = _NOWHERE
        store = pyro.get_param_store()
        with isolated(seed), store.scope(), pyro.validation_enabled(False):
            self._guide = _family(len(point))(
                self._flat, init_loc_fn=init_to_mean, init_scale=width
            )
            self._guide()  # makes its parameters
        self._optimiser = torch.optim.Adam(self._guide.parameters(), betas=(0.9, 0.99))
        self._kept = copy.deepcopy(self._guide.state_dict())

    def climb(self, most: int, told: Callable[[int], Any]) -> None:
        """Raise the bound until it no longer rises at any rate, or there were enough steps."""
        gentle = min(1.0, _GENTLE / len(self.point)) ** 0.5
        while self.rates and self.steps < most:
            for group in self._optimiser.param_groups:
                group["lr"] = self.rates[0] * gentle
            count = min(self.window, most - self.steps)
            key = derive_seed(self.seed, self.steps)
            with isolated(key), pyro.validation_enabled(False), torch.enable_grad():
                bounds = [self._step() for _ in range(count)]
            self.steps += count
            told(count)
            mean, noise = float(np.mean(bounds)), 2 * float(np.std(bounds)) / count**0.5
            if _NOWHERE in bounds:
                mean, noise = _NOWHERE, 0.0
            if mean > self.bound + noise:
                self.bound, self._kept = mean, copy.deepcopy(self._guide.state_dict())
                continue
            if not mean > self.bound - noise:  # it ran away
                self._guide.load_state_dict(self._kept)
            elif noise > _FINE and self.window < _LONGEST:
                self.window *= 2
                continue
            self.rates.pop(0)
            self.window = _WINDOW

    def piece(self) -> Piece:
        """Give the guide as it is."""
        with pyro.validation_enabled(False), torch.no_grad():
            return Piece(self._guide.get_posterior(), self.point, self.scale)

    def _flat(self) -> None:
        shape = dist.Normal(torch.zeros_like(self.point), torch.ones_like(self.point))
        pyro.sample("w", shape.to_event(1))

    def _step(self) -> float:
        """Move the guide's parameters once; give the bound before."""
        posterior = self._guide.get_posterior()
        w = posterior.rsample(torch.Size([BLOCK]))
        held = w.detach().requires_grad_(True)
        proposed = posterior.log_prob(held)
        (own,) = torch.autograd.grad(proposed.sum(), held)
        gradient, height = self.surface(self.point + held.detach() @ self.scale.mT)
        good = height.isfinite() & gradient.isfinite().all(1)
        slope = torch.where(good[:, None], gradient @ self.scale - own, 0.0)
        self._optimiser.zero_grad()
        (-(w * slope).sum() / BLOCK).backward()
        torch.nn.utils.clip_grad_norm_(self._guide.parameters(), 1e6)
        self._optimiser.step()
        volume = self.scale.diagonal().log().sum()
        gain = (height - proposed.detach() + volume)[good]
        # A guide gone so thin that rounding spoils its density would claim any bound.
        spread = (0.5 * len(self.point) / BLOCK) ** 0.5
        sound = abs(float((proposed.mean() + posterior.entropy()).detach())) < 10 * spread
        return float(gain.mean()) if len(gain) and sound else _NOWHERE


def _family(dim: int) -> Any:
    return AutoMultivariateNormal if dim <= _LARGEST_DENSE else AutoLowRankMultivariateNormal
