r"""Which value do standard normal numbers make of a distribution, and which numbers made a value?

.. math:: x = F^{-1}(\Phi(z)), \qquad z = \Phi^{-1}(F(x))

place by place, with the upper tail for z > 0, so that 40 standard deviations out are as exact as
the middle. A whole number comes of an interval of z, and is given one drawn from it. Normal
families are moved and scaled, transformed distributions are made of their base.

A world then is a function of standard normal noise: its steps may be small whatever the sites are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyro.distributions as dist
import torch
from scipy import special, stats
from torch import distributions as laws
from torch.distributions import constraints

from counterfactual_models.deferred import Deferred
from counterfactual_models.errors import WorldError
from inference.arrays.poisson_quantiles import poisson_quantiles

__all__ = ["noise_of", "value_of"]

_FAR = 5.0
"""Beyond so many deviations whole numbers are searched for: quantiles near 1 have no digits."""
_HALVINGS = 40  # of half a circle: finer than single precision
_UNIT = 1 - 2.0**-53

Parameters = Callable[[Any], tuple[torch.Tensor, ...]]


def value_of(fn: Any, noise: torch.Tensor) -> torch.Tensor:
    """Make a value of standard normal numbers.

    Parameters
    ----------
    fn
        A distribution of Pyro or torch, whose parameters broadcast against the noise.
    noise
        Of the shape of the value that is wanted, float64.

    Returns
    -------
    torch.Tensor
        Of the noise's shape (of a category: its own) and the distribution's own dtype.

    Raises
    ------
    WorldError
        If the distribution is of no known kind.

    Examples
    --------
    >>> value_of(dist.Poisson(torch.tensor([2.0, 1e6])), torch.zeros(2).double()).tolist()
    [2.0, 1000000.0]
    >>> value_of(dist.Exponential(1.0), torch.tensor(8.0).double())
    tensor(35.0134)
    """
    fn = _bare(fn)
    return _kind_of(fn).value(fn, noise)


def noise_of(fn: Any, value: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Find standard normal numbers that make a value; of many that do, draw some.

    Parameters
    ----------
    fn, value
        A distribution, and a value of it.
    rng
        Draws among the numbers that make the same value.

    Returns
    -------
    torch.Tensor
        Of the value's shape, float64; standard normal if the value is a draw.

    Raises
    ------
    WorldError
        If the distribution is of no known kind.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> bet = dist.Gamma(torch.tensor(3.0), 2.0)
    >>> abs(value_of(bet, noise_of(bet, torch.tensor(5.0), rng)).item() - 5) < 1e-5
    True
    """
    fn = _bare(fn)
    return _kind_of(fn).noise(fn, value, rng)


@dataclass(frozen=True)
class _Kind:
    """What makes a value of noise, and what finds the noise again."""

    value: Callable[[Any, torch.Tensor], torch.Tensor]
    noise: Callable[[Any, torch.Tensor, np.random.Generator], torch.Tensor]


def _kind_of(fn: Any) -> _Kind:
    for kind, found in _KINDS.items():
        if isinstance(fn, kind):
            return found
    raise WorldError(
        f"a site is drawn from {type(fn).__name__}, which is not known as a function of normal "
        "noise. Write it by distributions that are (Normal, Gamma, Beta, Poisson, Categorical, "
        "TransformedDistribution ...), or leave rare worlds to method='importance'."
    )


def _bare(fn: Any) -> Any:
    """Take off what only says how often a distribution counts, or how far it is spread."""
    while True:
        if isinstance(fn, Deferred):
            fn = fn.build()
        elif isinstance(
            fn, dist.MaskedDistribution | dist.ExpandedDistribution | laws.Independent
        ):
            fn = fn.base_dist
        else:
            return fn


def _continuous(law: Any, parameters: Parameters) -> _Kind:
    """Quantiles of one of SciPy's laws, from the nearer tail."""

    def value(fn: Any, noise: torch.Tensor) -> torch.Tensor:
        own = parameters(fn)
        return _inside(fn, _tensor(_quantiles(law, noise.numpy(), _arrays(own)), own[0]))

    def noise(fn: Any, value: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        own, given = _arrays(parameters(fn)), value.double().numpy()
        return _normal(law.cdf(given, *own), law.sf(given, *own))

    return _Kind(value, noise)


def _discrete(law: Any, parameters: Parameters) -> _Kind:
    """Quantiles of one of SciPy's laws of whole numbers."""

    def value(fn: Any, noise: torch.Tensor) -> torch.Tensor:
        own = parameters(fn)
        return _tensor(_whole_quantiles(law, noise.numpy(), _arrays(own)), own[0])

    def noise(fn: Any, value: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        own, given = _arrays(parameters(fn)), value.double().numpy()
        below, above = law.cdf(given - 1, *own), law.sf(given, *own)
        return _between(below, law.pmf(given, *own), above, rng)

    return _Kind(value, noise)


def _inside(fn: Any, value: torch.Tensor) -> torch.Tensor:
    """Keep what rounding puts on an open border inside, as torch does with what it draws."""
    number = torch.finfo(value.dtype)
    if fn.support in (constraints.positive, constraints.nonnegative):
        return value.clamp(min=number.tiny)
    if fn.support is constraints.unit_interval:
        return value.clamp(number.tiny, 1 - number.eps / 2)
    return value


def _quantiles(law: Any, noise: np.ndarray, known: list[np.ndarray]) -> np.ndarray:
    tail, *known = np.broadcast_arrays(special.ndtr(-np.abs(noise)), *known)
    up = np.broadcast_to(noise > 0, tail.shape)
    found = np.empty(tail.shape)
    found[~up] = law.ppf(tail[~up], *(k[~up] for k in known))
    found[up] = law.isf(tail[up], *(k[up] for k in known))
    return found


def _whole_quantiles(law: Any, noise: np.ndarray, known: list[np.ndarray]) -> np.ndarray:
    level, *known = np.broadcast_arrays(special.ndtr(noise), *known)
    found = np.array(law.ppf(level, *known))
    far = np.broadcast_to(noise > _FAR, found.shape)
    if far.any():
        tail = np.broadcast_to(special.ndtr(-noise), found.shape)[far]
        found[far] = _least(law, tail, [k[far] for k in known])
    return found


def _least(law: Any, tail: np.ndarray, known: list[np.ndarray]) -> np.ndarray:
    """Least whole number that is exceeded with at most this probability, by bisection."""
    low = law.ppf(special.ndtr(_FAR), *known) - 1
    high = low + 1
    while (beyond := law.sf(high, *known) > tail).any():
        low = np.where(beyond, high, low)
        high = np.where(beyond, 2 * high + 1, high)
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        enough = law.sf(middle, *known) <= tail
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


def _between(
    below: np.ndarray, at: np.ndarray, above: np.ndarray, rng: np.random.Generator
) -> torch.Tensor:
    """Draw the normal number of a value that takes the share `at`, from the nearer tail."""
    share = rng.random(at.shape)
    return _normal(below + share * at, above + (1 - share) * at)


def _normal(below: np.ndarray, above: np.ndarray) -> torch.Tensor:
    """Turn a probability, told from both ends, into a standard normal number."""
    tiny = np.finfo(float).tiny
    low = special.ndtri(np.clip(below, tiny, _UNIT))
    high = -special.ndtri(np.clip(above, tiny, _UNIT))
    return torch.from_numpy(np.where(below < above, low, high))


def _move(fn: Any, noise: torch.Tensor) -> torch.Tensor:
    return _tensor(fn.loc.double() + fn.scale.double() * noise, fn.loc)


def _move_back(fn: Any, value: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    return (value.double() - fn.loc.double()) / fn.scale.double()


def _mix(fn: Any, noise: torch.Tensor) -> torch.Tensor:
    return _tensor(fn.loc.double() + (_factor(fn) @ noise[..., None])[..., 0], fn.loc)


def _unmix(fn: Any, value: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    apart = (value.double() - fn.loc.double())[..., None]
    return torch.linalg.solve_triangular(_factor(fn), apart, upper=False)[..., 0]


def _factor(fn: Any) -> torch.Tensor:
    if isinstance(fn, laws.MultivariateNormal):
        return fn.scale_tril.double()
    return torch.linalg.cholesky(fn.covariance_matrix.double())


def _share(fn: Any, noise: torch.Tensor) -> torch.Tensor:
    parts = value_of(laws.Gamma(fn.concentration.double(), 1.0), noise)
    return _tensor(parts / parts.sum(-1, keepdim=True), fn.concentration)


def _unshare(fn: Any, value: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    concentration = fn.concentration.double()
    total = rng.gamma(np.broadcast_to(concentration.sum(-1).numpy(), value.shape[:-1]))
    parts = value.double() * torch.from_numpy(np.asarray(total))[..., None]
    return noise_of(laws.Gamma(concentration, 1.0), parts, rng)


def _turn(fn: Any, noise: torch.Tensor) -> torch.Tensor:
    """Turn by the angle that as much of the circle lies before, by bisection of the lower half."""
    tail, known = np.broadcast_arrays(
        special.ndtr(-noise.abs().numpy()), *_arrays((fn.concentration,))
    )
    low, high = np.full(tail.shape, -np.pi), np.zeros(tail.shape)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        before = stats.vonmises.cdf(middle, known) < tail
        low, high = np.where(before, middle, low), np.where(before, high, middle)
    turned = torch.from_numpy(high) * -noise.sign()
    return _tensor(_wrapped(fn.loc.double() + turned), fn.loc)


def _turn_back(fn: Any, value: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    turned = _wrapped(value.double() - fn.loc.double()).numpy()
    own = _arrays((fn.concentration,))
    return _normal(stats.vonmises.cdf(turned, *own), stats.vonmises.sf(turned, *own))


def _wrapped(angle: torch.Tensor) -> torch.Tensor:
    return (angle + torch.pi) % (2 * torch.pi) - torch.pi


def _count(fn: Any, noise: torch.Tensor) -> torch.Tensor:
    return _tensor(poisson_quantiles(noise.numpy(), *_arrays((fn.rate,))), fn.rate)


def _tails(noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Say what lies below and above; SciPy's, for torch's are zero from nine deviations on."""
    each = noise.numpy()
    return torch.as_tensor(special.ndtr(each)), torch.as_tensor(special.ndtr(-each))


def _toss(fn: Any, noise: torch.Tensor) -> torch.Tensor:
    probs = fn.probs.double()
    below, above = _tails(noise)
    return _tensor(torch.where(noise > 0, above < probs, below > 1 - probs), fn.probs)


def _pick(fn: Any, noise: torch.Tensor) -> torch.Tensor:
    """Count the borders between categories that the noise lies beyond."""
    probs = fn.probs.double()
    cumulative = probs.cumsum(-1)[..., :-1]
    remaining = probs.flip(-1).cumsum(-1).flip(-1)[..., 1:]
    below, above = (tail[..., None] for tail in _tails(noise))
    return torch.where(below < above, cumulative < below, remaining >= above).sum(-1)


def _unpick(fn: Any, value: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    probs = fn.probs.double().expand(*value.shape, fn.probs.shape[-1])
    place = value.long()[..., None]
    below = probs.cumsum(-1) - probs
    above = (probs.flip(-1).cumsum(-1).flip(-1) - probs).clamp(min=0)
    own = [each.gather(-1, place)[..., 0].numpy() for each in (below, probs, above)]
    return _between(own[0], own[1], own[2], rng)


def _pick_one(fn: Any, noise: torch.Tensor) -> torch.Tensor:
    which = _pick(fn, noise[..., 0])
    return torch.nn.functional.one_hot(which, fn.probs.shape[-1]).to(fn.probs.dtype)


def _unpick_one(fn: Any, value: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    found = torch.from_numpy(rng.standard_normal(value.shape))
    found[..., 0] = _unpick(fn, value.argmax(-1), rng)
    return found


def _transform(fn: Any, noise: torch.Tensor) -> torch.Tensor:
    own = fn.base_dist.event_shape
    value = value_of(fn.base_dist, noise[..., : own[-1]] if own else noise)
    for transform in _invertible(fn):
        value = transform(value)
    return value


def _transform_back(fn: Any, value: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    base = value
    for transform in reversed(_invertible(fn)):
        base = transform.inv(base)
    found = noise_of(fn.base_dist, base, rng)
    if found.shape == value.shape:
        return found
    spare = value.shape[-1] - found.shape[-1]  # a simplex has a number more than it is made of
    return torch.cat(
        [found, torch.from_numpy(rng.standard_normal((*value.shape[:-1], spare)))], -1
    )


def _invertible(fn: Any) -> list[Any]:
    folded = [each for each in fn.transforms if not each.bijective]
    if folded:
        raise WorldError(
            f"a site is drawn from {type(fn).__name__}, transformed by {folded[0]!r}: several "
            "values become one, and the noise cannot be found again. Use a bijective transform."
        )
    return list(fn.transforms)


def _arrays(parameters: tuple[torch.Tensor, ...]) -> list[np.ndarray]:
    return [parameter.detach().double().numpy() for parameter in parameters]


def _tensor(value: Any, like: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(value).to(like.dtype)


def _from_zero(scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros_like(scale), scale


_KINDS: dict[type, _Kind] = {
    laws.Normal: _Kind(_move, _move_back),
    laws.MultivariateNormal: _Kind(_mix, _unmix),
    laws.LowRankMultivariateNormal: _Kind(_mix, _unmix),
    laws.Dirichlet: _Kind(_share, _unshare),
    laws.VonMises: _Kind(_turn, _turn_back),
    laws.Categorical: _Kind(_pick, _unpick),
    laws.OneHotCategorical: _Kind(_pick_one, _unpick_one),
    dist.Delta: _Kind(
        lambda fn, noise: fn.v.expand(noise.shape),
        lambda fn, value, rng: torch.from_numpy(rng.standard_normal(value.shape)),
    ),
    laws.Uniform: _continuous(stats.uniform, lambda f: (f.low, f.high - f.low)),
    laws.Exponential: _continuous(stats.expon, lambda f: _from_zero(1 / f.rate)),
    laws.Laplace: _continuous(stats.laplace, lambda f: (f.loc, f.scale)),
    laws.Cauchy: _continuous(stats.cauchy, lambda f: (f.loc, f.scale)),
    laws.HalfNormal: _continuous(stats.halfnorm, lambda f: _from_zero(f.scale)),
    laws.HalfCauchy: _continuous(stats.halfcauchy, lambda f: _from_zero(f.scale)),
    laws.Gumbel: _continuous(stats.gumbel_r, lambda f: (f.loc, f.scale)),
    dist.Logistic: _continuous(stats.logistic, lambda f: (f.loc, f.scale)),
    laws.StudentT: _continuous(stats.t, lambda f: (f.df, f.loc, f.scale)),
    laws.Gamma: _continuous(stats.gamma, lambda f: (f.concentration, *_from_zero(1 / f.rate))),
    laws.Beta: _continuous(stats.beta, lambda f: (f.concentration1, f.concentration0)),
    laws.Weibull: _continuous(
        stats.weibull_min, lambda f: (f.concentration, *_from_zero(f.scale))
    ),
    laws.Pareto: _continuous(stats.pareto, lambda f: (f.alpha, *_from_zero(f.scale))),
    laws.Poisson: _Kind(_count, _discrete(stats.poisson, lambda f: (f.rate,)).noise),
    laws.Bernoulli: _Kind(_toss, _discrete(stats.bernoulli, lambda f: (f.probs,)).noise),
    laws.Binomial: _discrete(stats.binom, lambda f: (f.total_count, f.probs)),
    laws.Geometric: _discrete(stats.nbinom, lambda f: (torch.ones_like(f.probs), f.probs)),
    dist.GammaPoisson: _discrete(stats.nbinom, lambda f: (f.concentration, f.rate / (1 + f.rate))),
    laws.NegativeBinomial: _discrete(stats.nbinom, lambda f: (f.total_count, 1 - f.probs)),
    laws.TransformedDistribution: _Kind(_transform, _transform_back),
}
