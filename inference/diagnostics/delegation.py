r"""Who does the optimizing at which power and diversity: the base optimizer, or what it learned?

.. math:: x^* = \arg\max_x\; (1 - \nu)\frac{P - f(x)}{N} + x
          \quad\text{s.t.}\quad f(x) \le P,\; 0 \le x \le x_{\max}

* ``x``: bits that the learned algorithm searches in every instance it meets;
* ``tuning``: bits tuned into an instance in advance, :math:`(1 - \nu)(P - f(x))/N`;
* ``value``: their sum, bits of optimization power applied to an instance;
* ``spent``: bits f(x) of the base optimizer that went into finding the search;
* ``regime``: ``tuned`` (nothing is searched), ``mixed``, ``search`` (all power went into it) or
  ``capped`` (no more can be searched, for the limit or as the cost jumps, and power is left);
* ``some_from``, ``most_from``: N1, beyond which anything is searched, and N2, from which on as
  much is as power and limit let; infinite where that never is. Between a base optimizer with
  little to tune and an environment with much to know lies the risk: beyond N1 what is learned
  optimizes by itself.

A model, not an estimate: it has no Monte Carlo error, and its cost f is an assumption.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import CounterfactualError
from inference.arrays.delegation import allocations, critical_diversity
from inference.arrays.delegation.refusals import one_at_least

__all__ = ["INSTANCES", "POWER", "delegation"]

POWER, INSTANCES = "power", "instances"
_LONG_NAMES = {
    "x": "bits searched at run time",
    "value": "bits applied to an instance",
    "tuning": "bits tuned into an instance in advance",
    "spent": "bits of the base optimizer spent on finding the search",
    "regime": "who does the optimizing",
    "some_from": "instances beyond which anything is searched",
    "most_from": "instances from which on as much is searched as can be",
}


def delegation(
    power: Any,
    instances: Any,
    cost: Callable[..., Any],
    limit: float | None = None,
    *,
    novel: float = 0.0,
) -> xr.Dataset:
    r"""Divide every power among every number of instances: the phases of the allocation model.

    .. math:: x^* = \arg\max_x\; (1 - \nu)\frac{P - f(x)}{N} + x

    Parameters
    ----------
    power
        P, bits of the base optimizer, at least 0: a number or an ascending grid.
    instances
        N, how many instances want a policy of their own, more than 0: a number or an ascending
        grid.
    cost
        f, bits that a search of x bits costs: one of ``inference.arrays.delegation``'s four, or
        a nondecreasing function with f(0) = 0, which is searched anew for every pair, in some
        milliseconds each.
    limit
        Most bits that can be searched at run time; None or infinity for no limit.
    novel
        ν, share of the instances met that are new, in [0, 1): tuning does nothing there.

    Returns
    -------
    xr.Dataset
        Dims power and instances: ``x``, ``value``, ``tuning``, ``spent``, in bits; ``regime``,
        text. By power alone ``some_from`` and ``most_from``, numbers of instances, infinite where
        it never comes to that. The head of this file explains them. Attributes: cost, limit (0
        for none), novel.

    Raises
    ------
    CounterfactualError
        If a number is out of its range, a grid does not ascend, the cost falls, or search is
        bounded neither by the power nor by a limit.

    References
    ----------
    Hubinger, van Merwijk, Mikulik, Skalse and Garrabrant (2019), "Risks from learned optimization
    in advanced machine learning systems", arXiv:1906.01820, section 2.1.

    Examples
    --------
    >>> from inference.arrays.delegation import QuadraticCost
    >>> phases = delegation([50.0, 100.0], [4, 8, 32], QuadraticCost(0.5, fixed=18.0))
    >>> phases["regime"].sel(power=100.0).values.tolist()
    ['tuned', 'mixed', 'search']
    >>> phases["some_from"].values.tolist()
    [6.0, 6.0]
    """
    powers, numbers = (_ascending(power, POWER), _ascending(instances, INSTANCES))
    if not 0 <= one_at_least(0.0, novel=novel) < 1:
        raise CounterfactualError(
            f"got novel={novel!r}; expected a share of at least 0 and less than 1: if all that is "
            "met is new, tuning does nothing and everything is searched."
        )
    found = allocations(powers, numbers, cost, limit, novel=novel)
    critical = np.array([critical_diversity(float(each), cost, limit) for each in powers])
    # The price of a bit at run time is N over the share that tuning serves.
    some, most = (1 - novel) * critical.reshape(-1, 2).T
    grid = (POWER, INSTANCES)
    numbers_by = {name: (grid, getattr(found, name)) for name in ("x", "value", "tuning", "spent")}
    every = numbers_by | {
        "regime": (grid, found.labels),
        "some_from": ((POWER,), some),
        "most_from": ((POWER,), most),
    }
    return xr.Dataset(
        {name: (*every[name], {"long_name": said}) for name, said in _LONG_NAMES.items()},
        coords={POWER: powers, INSTANCES: numbers},
        attrs={"cost": _said(cost), "limit": _limit(limit), "novel": float(novel)},
    )


def _ascending(numbers: Any, name: str) -> np.ndarray:
    """Read a grid; what is no number the kernel refuses."""
    grid = np.ravel(np.asarray(numbers))
    if grid.size == 0 or (grid.dtype.kind in "iuf" and (np.diff(grid) <= 0).any()):
        raise CounterfactualError(
            f"got {name}={numbers!r}; expected a number, or several in ascending order, such as "
            "numpy.geomspace(1, 1000, 100)."
        )
    return grid.astype(float) if grid.dtype.kind in "iuf" else grid


def _limit(limit: float | None) -> float:
    """Say a limit, 0 for none."""
    return 0.0 if limit is None or np.isinf(limit) else float(limit)


def _said(cost: Callable[..., Any]) -> str:
    """Name a cost; a function's own text would tell where it lies in memory."""
    return str(
        getattr(cost, "__name__", cost if hasattr(cost, "running") else type(cost).__name__)
    )
