r"""What a world may say: here is the switch, here is the wire, this is measured.

A world is a plain Pyro program. What runs before the switch is its past, what runs after is its
future, and evidence speaks about sample sites by their names, never inside the program.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch

from counterfactual_models.errors import DiscipleError, MeasurementError, WorldError

__all__ = ["ROLE", "measure", "switch", "wire"]

ROLE = "counterfactual_role"
"""Key in a site's `infer` dict under which `switch` and `measure` say what the site is."""


def switch(name: str = "X", *, p: float = 0.99) -> torch.Tensor:
    r"""Sample the switch :math:`X \sim \mathrm{Bernoulli}(p)` that lets the disciple through.

    Use it alone for interventions that are no policy: a treatment, a law, a feature flag.

    Parameters
    ----------
    name
        Name of the sample site.
    p
        Probability that the disciple is let in, in [0, 1]. It weighs the two worlds when a
        master chooses; it plays no part in either of P(e,S,1) and P(e,S,0).

    Returns
    -------
    torch.Tensor
        0 or 1, of shape ``()``: inference runs each world by itself, so ``if X:`` is allowed.

    Raises
    ------
    WorldError
        If `p` is no probability.

    References
    ----------
    .. [1] S. Armstrong, "The mathematics of reduced impact: help needed" (2012): the stochastic
       event X through which the disciple's source code passes.

    Examples
    --------
    >>> import counterfactual_models as cm, pyro, pyro.distributions as dist
    >>> def trial(disciple):
    ...     treated = cm.switch("treated", p=0.5)
    ...     cm.measure("pain", pyro.sample("noise", dist.Normal(0.0, 1.0)) - treated)
    """
    if not 0.0 <= float(p) <= 1.0:
        raise WorldError(f"switch {name!r} got p={p}; expected a probability between 0 and 1.")
    told: list[torch.Tensor] = []
    infer = {ROLE: "switch", "told": told}
    on = pyro.sample(name, dist.Bernoulli(torch.as_tensor(float(p))), infer=infer)
    if told and not torch.equal(on, told[-1]):
        raise WorldError(
            f"inference set the switch {name!r} to {told[-1].item():g} and the world made it "
            f"{on.tolist()}: take poutine.do (or the like) off the world, X is set for you."
        )
    return on


def wire(
    disciple: Callable[..., Any], *, idle: Any, p: float = 0.99, name: str = "X"
) -> Callable[..., torch.Tensor]:
    r"""Pass the disciple through the switch: the disciple if X=1, `idle` if X=0.

    .. math:: \mathrm{act}(o) = X\, S(o) + (1 - X)\, \mathrm{idle}

    Parameters
    ----------
    disciple
        The policy S, observation -> action.
    idle
        The action that happens when the disciple is erased; a number, array or tensor that
        broadcasts against the disciple's actions.
    p, name
        Of the :func:`switch` that sits in the wire.

    Returns
    -------
    callable
        ``act(*observation)``. While erased it never runs the disciple: P(e,S,0) is then the same
        for every S.

    Raises
    ------
    DiscipleError
        If the disciple is not callable, or returns nothing when it acts.

    Examples
    --------
    >>> import torch, pyro.poutine as poutine
    >>> from counterfactual_models import wire
    >>> world = lambda disciple: wire(disciple, idle=0.0)(torch.tensor(3.0))
    >>> float(poutine.condition(world, {"X": torch.tensor(0.0)})(lambda demand: 2 * demand))
    0.0
    """
    if not callable(disciple):
        raise DiscipleError(
            f"wire(...) got a disciple of type {type(disciple).__name__}; "
            "expected a callable, observation -> action."
        )
    on = switch(name, p=p)
    rest = torch.as_tensor(idle)

    def act(*observation: Any) -> torch.Tensor:
        if on.numel() == 1 and not bool(on):
            return rest
        answer = disciple(*map(_copied, observation))
        try:
            action = torch.as_tensor(answer)
        except (TypeError, ValueError, RuntimeError) as error:
            raise DiscipleError(
                f"disciple {getattr(disciple, 'name', disciple)!r} returned {answer!r}; "
                "expected an action: a number, an array or a tensor."
            ) from error
        return action if on.numel() == 1 else torch.where(on.bool(), action, rest)

    return act


def _copied(observation: Any) -> Any:
    """Copy what a disciple sees, so that it cannot edit the past in place."""
    if isinstance(observation, torch.Tensor | np.ndarray):
        return observation.clone() if isinstance(observation, torch.Tensor) else observation.copy()
    if isinstance(observation, Mapping):
        return {key: _copied(value) for key, value in observation.items()}
    return (
        type(observation)(map(_copied, observation))
        if type(observation) in (list, tuple)
        else observation
    )


def measure(
    name: str, value: Any, *, dims: Sequence[str] | None = None, event_dim: int | None = None
) -> torch.Tensor:
    """Record a measurement: a function of the world that ought not to care about S.

    Parameters
    ----------
    name
        Name of the measurement, unique in the world.
    value
        A number, array or tensor, of the same shape for every draw.
    dims
        Names of the axes of `value`, outermost first. Axes that come from a plate take the
        plate's name when `dims` is left out.
    event_dim
        How many of the last axes belong to the measurement itself rather than to plates. Only
        needed to settle a name: everything else is found by running the world.

    Returns
    -------
    torch.Tensor
        The value, as it was measured.

    Raises
    ------
    MeasurementError
        If the value is not numeric, or `dims` does not name each of its axes once.

    Examples
    --------
    >>> import torch
    >>> from counterfactual_models import measure
    >>> measure("visits", torch.tensor([3.0, 5.0]), dims=["city"])
    tensor([3., 5.])
    """
    try:
        tensor = torch.as_tensor(value).clone()  # what is added to it later is another value
    except (TypeError, ValueError, RuntimeError) as error:
        raise MeasurementError(
            f"measurement {name!r} got a {type(value).__name__}; "
            "expected a number, an array or a tensor."
        ) from error
    if tensor.is_complex():
        raise MeasurementError(f"measurement {name!r} is complex; measure its real parts.")
    if isinstance(dims, str):
        raise MeasurementError(f"measurement {name!r} got dims={dims!r}; give a list: [{dims!r}].")
    if dims is not None and len(set(dims)) != len(dims):
        raise MeasurementError(f"measurement {name!r} got dims {list(dims)}: a name comes twice.")
    return pyro.sample(
        name,
        dist.Delta(tensor, event_dim=tensor.ndim).mask(False),
        obs=tensor,
        infer={
            "_deterministic": True,
            ROLE: "measurement",
            "dims": None if dims is None else tuple(dims),
            "event_dim": event_dim,
        },
    )
