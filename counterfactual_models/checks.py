"""Is this a world, and is its wire tight? Found out in a few runs, before any long one."""

from collections.abc import Callable
from typing import Any

import torch
from pyro import poutine

from counterfactual_models.anatomy import Anatomy, dissect, is_site, translated
from counterfactual_models.disciples import Disciple, erased, gather
from counterfactual_models.errors import WorldError
from counterfactual_models.handlers import SeedSites, SetSwitch, isolated

__all__ = ["Values", "check_world", "erased_values", "refuse_leak"]

Values = dict[str, torch.Tensor]
"""Site name -> its value in one run."""

_RUNS = 8


def check_world(
    world: Callable[..., Any], disciple: Callable[..., Any], *, seed: int = 0
) -> Anatomy:
    """Run a world a few times with the disciple let in and erased, and refuse what is wrong.

    Found here: no switch or two; a name that two sites share; a wire that leaks, so that a
    site differs at X=0 between two disciples; values that are not finite; a shape, or the
    presence of a site, that depends on the draw; random numbers drawn outside ``pyro.sample``.

    Parameters
    ----------
    world
        A Pyro program that takes the disciple.
    disciple
        The policy to let in.
    seed
        For the runs.

    Returns
    -------
    Anatomy
        The sites of the erased world; ``print`` it to see past, future and measurements.

    Raises
    ------
    WorldError
        Naming the site and saying what to do.

    Examples
    --------
    >>> import pyro, pyro.distributions as dist, counterfactual_models as cm
    >>> def leaky(disciple):
    ...     act = cm.wire(disciple, idle=0.0)
    ...     cm.measure("length", float(len(disciple.name)))
    >>> check_world(leaky, cm.Disciple(abs, name="spy"))
    Traceback (most recent call last):
        ...
    counterfactual_models.errors.WorldError: the wire leaks: at X=0 'length' is 3.0 with one \
disciple and 6.0 with another. Call the disciple only through act = wire(disciple, idle=...).
    """
    (let_in,) = gather([disciple])
    whole = dissect(world, erased, seed=seed)
    dissect(world, let_in, on=1, seed=seed)
    for run in range(_RUNS):
        off = erased_values(world, seed=seed, run=run)
        _check_values(off, whole, "with the disciple erased")
        refuse_leak(world, let_in, off, seed=seed, run=run)
        on = _values(world, let_in, 1, (seed, run))
        _check_values(on, whole, f"with the disciple {let_in.name!r} let in")
        _refuse_own_randomness(on, _values(world, let_in, 1, (seed, run)), let_in.name)
    return whole


def _values(
    world: Callable[..., Any], disciple: Disciple, on: int, key: tuple[int, int]
) -> Values:
    what = f"the world with disciple {disciple.name!r} at X={on}"
    with isolated(key[0]), translated(what), SetSwitch(on), SeedSites(*key):
        trace = poutine.trace(world).get_trace(disciple)
    return {
        name: torch.as_tensor(node["value"]).detach()
        for name, node in trace.nodes.items()
        if is_site(node)
    }


def erased_values(world: Callable[..., Any], *, seed: int, run: int = 0) -> Values:
    """Run the world once with the disciple erased: site name -> value."""
    return _values(world, erased, 0, (seed, run))


def refuse_leak(
    world: Callable[..., Any], disciple: Disciple, other: Values, *, seed: int, run: int = 0
) -> None:
    """Run the world at X=0 with a disciple, and refuse a difference to the erased world.

    Parameters
    ----------
    world, disciple
        The world, and the disciple that must make no difference.
    other
        From :func:`erased_values`, with the same seed and run.
    seed, run
        What the random numbers are derived from.

    Raises
    ------
    WorldError
        Naming the first site that differs: P(e,S,0) would depend on S.
    """
    one = _values(world, disciple, 0, (seed, run))
    for name in {**one, **other}:
        a, b = one.get(name), other.get(name)
        if a is None or b is None or not _equal(a, b):
            raise WorldError(
                f"the wire leaks: at X=0 {name!r} is {_shown(a)} with one disciple and "
                f"{_shown(b)} with another. Call the disciple only through "
                "act = wire(disciple, idle=...)."
            )


def _refuse_own_randomness(one: Values, other: Values, who: str) -> None:
    for name in one:
        if name not in other or not _equal(one[name], other[name]):
            raise WorldError(
                f"{name!r} differs between two runs with the same random numbers and disciple "
                f"{who!r}: something keeps a state or random numbers of its own. Draw them with "
                "pyro.sample(name, distribution)."
            )


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    same = one.shape == other.shape and one.dtype == other.dtype
    return same and bool(((one == other) | ((one != one) & (other != other))).all())


def _shown(value: torch.Tensor | None) -> str:
    if value is None:
        return "absent"
    return str(value.item()) if value.ndim == 0 else f"of shape {tuple(value.shape)}"


def _check_values(values: Values, whole: Anatomy, when: str) -> None:
    for name, site in whole.sites.items():
        if name not in values:
            raise WorldError(
                f"{name!r} is there in one run and not in another ({when}); expected the same "
                "sites in every run (torch.where instead of leaving one out)."
            )
        value = values[name]
        if value.shape != site.value.shape:
            raise WorldError(
                f"{name!r} has shape {tuple(value.shape)} in one run and "
                f"{tuple(site.value.shape)} in another ({when}); expected the same in every run."
            )
        if not value.isfinite().all():
            raise WorldError(f"{name!r} is not finite ({when}): {value.flatten()[:5].tolist()}.")
