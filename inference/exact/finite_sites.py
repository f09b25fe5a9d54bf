r"""Which values can a site take, and how likely is each, place by place?

.. math:: P(v_1, \ldots, v_n) = \prod_k p_k(v_k)

Places of a plate, and of ``to_event``, are independent. Probabilities are taken from the
distribution's own parameters, in double precision: torch clamps them, so that what is impossible
would have the log-probability -15.9.
"""

from typing import Any, NamedTuple

import torch
from pyro import distributions as dist
from pyro.distributions.util import scale_and_mask
from torch import distributions as laws

from counterfactual_models.deferred import Deferred
from counterfactual_models.errors import WorldError
from inference.passes import Message

__all__ = [
    "FiniteLaw",
    "finite_law",
    "is_certain",
    "law_of_latent",
    "log_probability",
    "refuse_density",
]

_UNOBSERVED = "_unobserved"  # Pyro's own, for what `obs_mask` leaves open
_SUMS_TO_ONE = 1e-4


class FiniteLaw(NamedTuple):
    """All values of a place, and how likely each is in every place.

    Parameters
    ----------
    kinds
        Values, (kind, ...), the rest being the shape of a single one.
    table
        Probabilities (kind, *places), float64; they add up to 1 over kinds.
    """

    kinds: torch.Tensor
    table: torch.Tensor


def finite_law(fn: Any) -> FiniteLaw | None:
    """List the values of a distribution with their probabilities; None if there is no such list.

    Parameters
    ----------
    fn
        A distribution of Pyro or torch.

    Returns
    -------
    FiniteLaw or None
        Places are the batch axes of `fn` and those made events by ``to_event``.

    Examples
    --------
    >>> found = finite_law(dist.Categorical(torch.tensor([[0.0, 1.0], [0.5, 0.5]])).to_event(1))
    >>> found.kinds.tolist(), found.table.T.tolist()
    ([0, 1], [[0.0, 1.0], [0.5, 0.5]])
    >>> finite_law(dist.Normal(0.0, 1.0)) is None
    True
    """
    bare = _bare(fn)
    found = _listed(bare)
    if found is None:
        return None
    kinds, table = found
    shape = tuple(fn.batch_shape) + tuple(fn.event_shape)
    places = shape[: len(shape) - len(bare.event_shape)]
    return FiniteLaw(kinds, (table / table.sum(0)).expand(len(kinds), *places))


def is_certain(fn: Any) -> bool:
    """Tell whether a distribution has a single value, as ``Delta`` has.

    Examples
    --------
    >>> is_certain(dist.Delta(torch.ones(2)).to_event(1)), is_certain(dist.Bernoulli(0.5))
    (True, False)
    """
    return isinstance(_bare(fn), dist.Delta)


def refuse_density(msg: Message) -> None:
    """Refuse a latent Delta that weighs its path: a weight is evidence.

    Raises
    ------
    WorldError
        If it has a `log_density` other than 0.
    """
    if bool((_bare(msg["fn"]).log_density != 0).any()):
        raise WorldError(
            f"site {msg['name']!r} is a latent Delta with a log_density, which would weigh its "
            "path: write the weight as pyro.factor(name, log_density), and leave it out here."
        )


def law_of_latent(msg: Message) -> FiniteLaw:
    """List the values of a latent site, or say why that cannot be done.

    Raises
    ------
    WorldError
        If the site has no finite list of values, or is scaled or masked.
    """
    fn, name = msg["fn"], msg["name"]
    partly = msg["mask"] is not None or _is_masked(fn)
    if msg["scale"] != 1 or (partly and not name.endswith(_UNOBSERVED)):
        raise WorldError(
            f"site {name!r} is latent and scaled or masked (poutine.scale, .mask): its values "
            "have no probabilities that add up to one. Leave the scale or the mask out."
        )
    found = finite_law(fn)
    if found is None:
        kind = "discrete, without a finite list of" if _is_discrete(fn) else "continuous, without"
        raise WorldError(
            f"site {name!r} ({type(_bare(fn)).__name__}) is {kind} values to go through: exact "
            "laws need a world whose latent sites all have finitely many values. Write the site "
            "on a grid (Categorical), give evidence on it, leave it out if no measurement depends "
            "on it; or draw the world, with sample_posterior and sample_worlds."
        )
    if found.table.isnan().any():
        raise WorldError(
            f"the probabilities of {name!r} are no numbers on a path; check the parameters of its "
            "distribution."
        )
    return found


def log_probability(msg: Message) -> torch.Tensor:
    """Log-probability of the value of a site, float64, -inf where it is impossible.

    Parameters
    ----------
    msg
        Pyro's message of the site: `fn`, `value`, `scale`, `mask`.

    Returns
    -------
    torch.Tensor
        Of the batch shape of the site's distribution.

    Examples
    --------
    >>> never = {"fn": dist.Bernoulli(torch.tensor(0.0)), "value": torch.tensor(1.0)}
    >>> log_probability({**never, "scale": 1.0, "mask": None, "args": (), "kwargs": {}})
    tensor(-inf, dtype=torch.float64)
    """
    fn, value = msg["fn"], msg["value"]
    found = None if _is_masked(fn) else finite_law(fn)
    if found is None:
        log_prob = fn.log_prob(value, *msg["args"], **msg["kwargs"]).double()
        return scale_and_mask(log_prob, msg["scale"], msg["mask"])
    kinds, table = found
    own = kinds.ndim - 1
    value = torch.as_tensor(value).expand((*table.shape[1:], *kinds.shape[1:]))
    same = value == kinds.reshape(len(kinds), *(1,) * (value.ndim - own), *kinds.shape[1:])
    for _ in range(own):
        same = same.all(-1)
    log_prob = torch.where(same, table, 0.0).sum(0).log()
    while log_prob.ndim > len(fn.batch_shape):
        log_prob = log_prob.sum(-1)
    return scale_and_mask(log_prob, msg["scale"], msg["mask"])


def _bare(fn: Any) -> Any:
    """Take off what only says how far a distribution is spread, and which axes are events."""
    while True:
        if isinstance(fn, Deferred):
            fn = fn.build()
        elif isinstance(
            fn, dist.MaskedDistribution | dist.ExpandedDistribution | laws.Independent
        ):
            fn = fn.base_dist
        else:
            return fn


def _is_masked(fn: Any) -> bool:
    while hasattr(fn, "base_dist") and not isinstance(fn, laws.TransformedDistribution):
        if isinstance(fn, dist.MaskedDistribution) and fn._mask is not True:
            return True
        fn = fn.base_dist
    return False


def _is_discrete(fn: Any) -> bool:
    return bool(getattr(getattr(fn, "support", None), "is_discrete", False))


def _listed(fn: Any) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Values (kind, *event) and probabilities (kind, *batch) of a bare distribution."""
    if isinstance(fn, laws.Bernoulli):
        return torch.arange(2.0).to(fn._param.dtype), torch.stack(_sides(fn))
    if isinstance(fn, laws.Categorical):
        table = _parameter(fn, lambda logits: logits.softmax(-1)).movedim(-1, 0)
        return torch.arange(len(table)), table
    if isinstance(fn, laws.OneHotCategorical):
        table = _parameter(fn._categorical, lambda logits: logits.softmax(-1)).movedim(-1, 0)
        return torch.eye(len(table), dtype=fn._param.dtype), table
    if isinstance(fn, laws.Binomial):
        return _binomial(fn)
    try:
        kinds = fn.enumerate_support(expand=False)
        table = fn.log_prob(kinds).double().exp()
    except (NotImplementedError, AttributeError):
        return None
    except ValueError as error:  # Empirical lists its values, and scores one at a time
        raise WorldError(
            f"a site's {type(fn).__name__} lists its values, and gives no probabilities of the "
            f"list ({' '.join(str(error).split())[:80]}): write it as a Categorical over them."
        ) from error
    if not torch.allclose(table.sum(0), torch.ones((), dtype=table.dtype), atol=_SUMS_TO_ONE):
        return None
    return kinds.reshape(len(kinds), *fn.event_shape), table


def _parameter(fn: Any, of_logits: Any) -> torch.Tensor:
    """Probabilities as they were given, unclamped."""
    given = fn.__dict__.get("probs")
    return of_logits(fn.logits.double()) if given is None else given.double()


def _sides(fn: Any) -> list[torch.Tensor]:
    """Probabilities of no and of yes; of logits each by itself, for 1 - p loses what is small."""
    probs, logits = fn.__dict__.get("probs"), fn.__dict__.get("logits")
    by_probs = None if probs is None else [1 - probs.double(), probs.double()]
    if logits is None:
        assert by_probs is not None
        return by_probs
    by_logits = [torch.sigmoid(-logits.double()), torch.sigmoid(logits.double())]
    if by_probs is None:
        return by_logits
    # Torch keeps what it made of the other: logits made of probabilities are clamped.
    given = torch.sigmoid(logits) == probs
    pairs = zip(by_logits, by_probs, strict=True)
    return [torch.where(given, mine, other) for mine, other in pairs]


def _binomial(fn: Any) -> tuple[torch.Tensor, torch.Tensor]:
    (other, chance), count = _sides(fn), fn.total_count.double()
    most = int(count.max())
    kinds = torch.arange(most + 1.0).to(fn._param.dtype)
    k = kinds.double().reshape(-1, *(1,) * max(chance.ndim, count.ndim))
    rest = (count - k).clamp(min=0)
    ways = torch.lgamma(count + 1) - torch.lgamma(k + 1) - torch.lgamma(rest + 1)
    log_prob = ways + torch.special.xlogy(k, chance) + torch.special.xlogy(rest, other)
    return kinds, torch.where(k <= count, log_prob.exp(), 0.0)
