"""What happens in an environment, many draws side by side? Each by itself, until its own end.

Gymnasium's vector environments begin a new episode where one has ended. Ours are not let: from
its end on a draw keeps the last observation, and earns nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from counterfactual_models.environments.gymnasium_source import the_library
from counterfactual_models.environments.legal_actions import legal_actions
from counterfactual_models.environments.policies import ask_policy, refuse_memory
from counterfactual_models.errors import CounterfactualError, DiscipleError, WorldError

__all__ = ["Beginning", "Episodes", "History", "Record"]


@dataclass(frozen=True)
class History:
    """What happened in some draws, from the wire on; first axis = draws, second = time.

    Parameters
    ----------
    observations
        (draws, steps + 1, ...): at the wire, and after each step. A dict or tuple of such tensors
        if the environment's observations are one. From the end of an episode on, the last one.
    actions
        (draws, steps, ...), what was done; after the end, what would have been.
    rewards
        (draws, steps); 0 after the end.
    length
        (draws,) whole numbers: how many steps it took until the end, or all of them.
    terminated, truncated
        (draws,) bool: whether the environment ended the episode, or its time limit did.
    info
        Name -> (draws, steps + 1[, ...]) of what `info` said in numbers or vectors, repeated where
        it said nothing; NaN before it said anything. A name that it never said is not there.
    """

    observations: Any
    actions: torch.Tensor
    rewards: torch.Tensor
    length: torch.Tensor
    terminated: torch.Tensor
    truncated: torch.Tensor
    info: Mapping[str, torch.Tensor]

    @property
    def last(self) -> Any:
        """The last observations, (draws, ...)."""
        return _each(lambda leaf: leaf[:, -1], self.observations)

    @property
    def lasting(self) -> torch.Tensor:
        """Whether an episode had not ended before a step: (draws, steps) bool."""
        return torch.arange(self.rewards.shape[1]) < self.length[:, None]

    def told(self, name: str, otherwise: Any) -> torch.Tensor:
        """Give what `info` said last under a name, (draws[, ...]).

        Parameters
        ----------
        name
            As `info` has it.
        otherwise
            What holds where it was never said: a number, or a vector of them.
        """
        instead = torch.as_tensor(otherwise).double()
        if name not in self.info:
            return instead.expand(len(self.length), *instead.shape)
        last = self.info[name][:, -1]
        return torch.where(last.isnan(), instead, last)


@dataclass(frozen=True)
class Beginning:
    """How some draws begin, first axis = draws.

    Parameters
    ----------
    seed
        What each environment is reset with.
    start
        States that they are put into then, or None.
    chance
        Seeds of the random numbers from the wire on, or None: those of `seed` go on.
    """

    seed: np.ndarray
    start: np.ndarray | None = None
    chance: np.ndarray | None = None

    def rows(self, first: int, last: int) -> "Beginning":
        """Take the draws from `first` to before `last`."""
        start = None if self.start is None else self.start[first:last]
        chance = None if self.chance is None else self.chance[first:last]
        return Beginning(self.seed[first:last], start, chance)


class Episodes:
    """Some environments side by side, open as long as the ``with`` block runs.

    Parameters
    ----------
    make
        Makes one environment.
    count
        How many.
    place
        Puts an environment into a state, and says what is observed there.
    """

    def __init__(
        self, make: Callable[[], Any], count: int, place: Callable[[Any, Any], Any]
    ) -> None:
        several = [lambda: _Staying(make())] * count
        self.envs = the_library().vector.SyncVectorEnv(several, copy=False)
        self.place = place

    def __enter__(self) -> "Episodes":
        return self

    def __exit__(self, *error: Any) -> None:
        self.envs.close()

    def begin(self, beginning: Beginning, played: np.ndarray) -> "Record":
        """Reset, place, and play the actions of the past.

        Parameters
        ----------
        beginning
            Of as many draws as there are environments.
        played
            (steps, ...) actions, the same in every draw.

        Returns
        -------
        Record
            The past, after which :meth:`go_on` goes on.
        """
        seen, info = self.envs.reset(seed=[int(each) for each in beginning.seed])
        if beginning.start is not None:
            pairs = zip(self.envs.envs, beginning.start, strict=True)
            seen = _batched(self.envs, [env.put(self.place, state) for env, state in pairs])
        record = Record(_each(np.copy, seen), info)
        for action in played:
            self._step(record, np.broadcast_to(action, (self.envs.num_envs, *action.shape)))
        return record

    def go_on(
        self,
        past: "Record",
        chance: np.ndarray | None,
        policy: Callable[[Any], Any],
        steps: int,
        *,
        who: str = "the disciple",
        error: type[CounterfactualError] = DiscipleError,
    ) -> History:
        """Let a policy act from the end of the past on.

        Parameters
        ----------
        past
            What :meth:`begin` returned.
        chance
            Seeds that the environments' random numbers begin anew with, or None.
        policy
            Observations (draws, ...) -> actions (draws, ...).
        steps
            How many, at most.
        who, error
            How the message begins, and what is raised, when the policy fails, gives what is
            no action of the environment's, or, asked by a single draw, has a memory.

        Returns
        -------
        History
        """
        if chance is not None:
            for env, seed in zip(self.envs.envs, chance, strict=True):
                _begin_anew(env.unwrapped, int(seed))
        record = past.after()
        space, rows = self.envs.single_action_space, self.envs.num_envs

        def act(seen: Any) -> np.ndarray:
            answer = ask_policy(policy, _each(_tensor, seen), rows, who=who, error=error)
            return legal_actions(space, answer, rows, who=who, error=error)

        for _ in range(steps):
            if record.actions and not record.alive.any():
                break
            self._step(record, act(record.observations[-1]))
        if rows == 1:
            refuse_memory(act, record.observations, record.actions, who=who, error=error)
        return record.history(steps)

    def _step(self, record: "Record", actions: np.ndarray) -> None:
        seen, rewards, ended, cut, info = self.envs.step(actions)
        record.add(actions, seen, rewards, ended, cut, info)


class _Staying:
    """Keeps an environment as it ended, however it is stepped or reset, until a seed comes."""

    def __init__(self, environment: Any) -> None:
        self.environment, self.ended = environment, False
        self.seen: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.environment, name)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; without a seed, as vector environments ask at an end, do nothing."""
        if seed is None:
            return self.seen, {}
        self.ended = False
        self.seen, info = self.environment.reset(seed=seed)
        return self.seen, info

    def put(self, place: Callable[[Any, Any], Any], state: Any) -> Any:
        """Put the environment into a state, just reset."""
        self.seen = place(self.environment, state)
        return self.seen

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take a step, if the episode has not ended."""
        if self.ended:
            return self.seen, 0.0, False, False, {}
        self.seen, reward, ended, cut, info = self.environment.step(action)
        self.ended = bool(ended or cut)
        return self.seen, reward, ended, cut, info


class Record:
    """What has happened so far, step by step; ended draws are kept as they ended.

    Parameters
    ----------
    seen, info
        What Gymnasium says first.
    """

    def __init__(self, seen: Any, info: Mapping[str, Any]) -> None:
        self.observations, self.actions = [seen], list[np.ndarray]()
        self.rewards = list[np.ndarray]()
        rows = len(_leaves(seen)[0])
        self.alive = np.ones(rows, bool)
        self.terminated, self.truncated = np.zeros(rows, bool), np.zeros(rows, bool)
        self.length = np.zeros(rows, int)
        self.told: list[dict[str, np.ndarray]] = [{}]
        self._listen(info)

    def seen(self) -> list[Any]:
        """Give the observations, moment by moment, as tensors."""
        return [_each(_tensor, moment) for moment in self.observations]

    def after(self) -> "Record":
        """Begin another record where this one stops."""
        later = Record(self.observations[-1], {})
        later.alive, later.told = self.alive.copy(), self.told[-1:]
        later.terminated, later.truncated = self.terminated.copy(), self.truncated.copy()
        return later

    def add(
        self,
        actions: np.ndarray,
        seen: Any,
        rewards: np.ndarray,
        ended: np.ndarray,
        cut: np.ndarray,
        info: Mapping[str, Any],
    ) -> None:
        """Write a step down, of the draws that have not ended."""
        alive = self.alive
        self.actions.append(actions)
        self.observations.append(_each(_Keep(alive), seen, self.observations[-1]))
        self.rewards.append(np.where(alive, rewards, 0.0))
        self.told.append(dict(self.told[-1]))
        self._listen(info)
        self.length += alive
        self.terminated |= alive & ended
        self.truncated |= alive & cut & ~ended
        self.alive = alive & ~ended & ~cut

    def _listen(self, info: Mapping[str, Any]) -> None:
        """Take what `info` says in numbers, one for each draw."""
        told = self.told[-1]
        for name, value in info.items():
            said = info.get(f"_{name}")
            if not isinstance(value, np.ndarray) or not isinstance(said, np.ndarray):
                continue
            if value.dtype.kind == "O":  # numpy.bool, which vector environments keep as objects
                value = _as_numbers(value, said)
            if value.dtype.kind in "fiub" and value.ndim in (1, 2):
                before = told.get(name, np.full(value.shape, np.nan))
                if before.shape == value.shape:
                    told[name] = _Keep(self.alive & said)(value, before)

    def history(self, steps: int) -> History:
        """Bring everything to its full length, and to torch."""
        missing = steps - len(self.actions)
        info = {}
        for name, last in sorted(self.told[-1].items()):
            nothing = np.full(last.shape, np.nan)
            info[name] = _stacked([told.get(name, nothing) for told in self.told], missing)
        rewards = [*self.rewards, *[np.zeros(self.alive.shape)] * missing]
        return History(
            observations=_each(lambda *leaves: _stacked(leaves, missing), *self.observations),
            actions=_stacked(self.actions, missing),
            rewards=_stacked(rewards, 0),
            length=torch.from_numpy(self.length),
            terminated=torch.from_numpy(self.terminated),
            truncated=torch.from_numpy(self.truncated),
            info=info,
        )


def _begin_anew(environment: Any, seed: int) -> None:
    """Seed the random numbers, also where the environment calls them by other names as well."""
    fresh = the_library().utils.seeding.np_random(seed)[0]
    before = environment.np_random
    if type(before.bit_generator) is type(fresh.bit_generator):
        before.bit_generator.state = fresh.bit_generator.state
    else:
        environment.np_random = fresh


def _as_numbers(value: np.ndarray, said: np.ndarray) -> np.ndarray:
    kinds = bool | np.bool_ | int | float | np.integer | np.floating
    if value.ndim == 1 and all(isinstance(each, kinds) for each in value[said]):
        return np.where(said, value, np.nan).astype(float)
    return value


class _Keep:
    """Takes what is new of the draws that go on, and what was before of the others."""

    def __init__(self, alive: np.ndarray) -> None:
        self.alive = alive

    def __call__(self, new: np.ndarray, before: np.ndarray) -> np.ndarray:
        alive = self.alive.reshape(-1, *(1,) * (new.ndim - 1))
        return np.where(alive, new, before)


def _stacked(values: Sequence[np.ndarray], missing: int) -> torch.Tensor:
    """Put time second, and repeat the last moment where an early end left some out."""
    return _tensor(np.stack([*values, *[values[-1]] * missing], axis=1))


def _tensor(leaf: np.ndarray) -> torch.Tensor:
    """Copy to torch: a policy that edits what it sees must not reach into the record."""
    return torch.from_numpy(np.array(leaf))


def _each(function: Callable[..., Any], first: Any, *others: Any) -> Any:
    """Apply a function to all arrays of an observation, be it a dict, a tuple or one array."""
    if isinstance(first, dict):
        return {k: _each(function, v, *(o[k] for o in others)) for k, v in first.items()}
    if isinstance(first, tuple):
        return tuple(_each(function, *parts) for parts in zip(first, *others, strict=True))
    if not isinstance(first, np.ndarray | torch.Tensor) or str(first.dtype) == "object":
        raise WorldError(
            f"the environment's observations hold a {type(first).__name__}; expected arrays of "
            "numbers, or dicts and tuples of them: put a wrapper around it "
            "(gymnasium.wrappers.TransformObservation)."
        )
    return function(first, *others)


def _leaves(observations: Any) -> list[Any]:
    found: list[Any] = []
    _each(found.append, observations)
    return found


def _batched(envs: Any, observations: Sequence[Any]) -> Any:
    tools, space = the_library().vector.utils, envs.single_observation_space
    empty = tools.create_empty_array(space, n=len(observations), fn=np.zeros)
    return tools.concatenate(space, observations, empty)
