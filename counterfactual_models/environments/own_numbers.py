"""Can all random numbers of an environment begin anew? Only those of its `np_random`."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from counterfactual_models.errors import WorldError
from counterfactual_models.handlers import isolated, reseed

__all__ = ["refuse_own_numbers"]

_GENERATORS = np.random.Generator | np.random.RandomState | random.Random | torch.Generator
_STEPS = 32


def refuse_own_numbers(make: Callable[[], Any], what: str) -> None:
    """Look for other generators, and play a random episode to see whether global ones are used.

    Parameters
    ----------
    make
        Makes the environment.
    what
        How messages call it.

    Raises
    ------
    WorldError
        If random numbers come from elsewhere.
    """
    with isolated(0):
        one = make()
        try:
            one.reset(seed=0)
            own = _named_generators(one) or _global_numbers(one)
        finally:
            one.close()
    if own:
        raise WorldError(
            f"{what} draws random numbers from {own[0]}, which cannot begin anew at the wire: let "
            "it draw from self.np_random; or give renew=False, and the seed is all there is."
        )


def _named_generators(environment: Any) -> list[str]:
    layers, bare = [environment], environment.unwrapped
    while layers[-1] is not bare:
        layers.append(layers[-1].env)
    return [
        f"self.{name}"
        for layer in layers
        for name, value in vars(layer).items()
        if isinstance(value, _GENERATORS) and value is not bare.np_random
    ]


def _global_numbers(environment: Any) -> list[str]:
    environment.action_space.seed(0)
    reseed(0)
    for _ in range(_STEPS):
        _, _, ended, cut, _ = environment.step(environment.action_space.sample())
        if ended or cut:
            break
    after = _next_numbers()
    reseed(0)
    return [name for name, value in _next_numbers().items() if after[name] != value]


def _next_numbers() -> dict[str, float]:
    return {
        "numpy.random": np.random.random(),  # noqa: NPY002 (is it used?)
        "random": random.random(),
        "torch": float(torch.rand(())),
    }
