"""Does an environment do the same twice, given the same seed? Tried before any world is made.

Draws stand side by side in environments that are used again and again, and single draws are run
anew to be held against them: both are right only where the seed decides.
"""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from counterfactual_models.errors import WorldError
from counterfactual_models.handlers import isolated

__all__ = ["refuse_moods"]

_SEEDS = (0, 1)
_STEPS = 32


def refuse_moods(make: Callable[[], Any], what: str) -> None:
    """Play a few random episodes twice, in one environment and in another.

    Parameters
    ----------
    make
        Makes the environment.
    what
        How messages call it.

    Raises
    ------
    WorldError
        If an episode differs from an earlier one with the same seed and actions.
    """
    with isolated(0):
        first, other = make(), make()
        try:
            told = [_episode(first, seed) for seed in _SEEDS]
            afresh = _episode(other, _SEEDS[0])
            again = [_episode(first, seed) for seed in _SEEDS]
        finally:
            first.close()
            other.close()
    if not _same(told[0], afresh):
        raise WorldError(
            f"{what} does not do the same twice with the same seed and actions: it has random "
            "numbers of its own, or looks at a clock. Draw them all from self.np_random, which "
            "reset(seed=...) seeds."
        )
    if not _same(told, again):
        raise WorldError(
            f"{what} keeps something from one episode to the next: the same seed and actions give "
            "another episode in an environment used before. Let reset(...) set everything anew."
        )


def _episode(environment: Any, seed: int) -> list[Any]:
    seen, _ = environment.reset(seed=seed)
    environment.action_space.seed(seed)
    told = [_copied(seen)]
    for _ in range(_STEPS):
        seen, reward, ended, cut, _ = environment.step(environment.action_space.sample())
        told += [_copied(seen), float(reward), bool(ended), bool(cut)]
        if ended or cut:
            break
    return told


def _copied(seen: Any) -> Any:
    return copy.deepcopy(seen)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(v, other[k]) for k, v in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(np.array_equal(one, other, equal_nan=np.asarray(one).dtype.kind == "f"))
