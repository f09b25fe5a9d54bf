"""What is measured of an episode? A number last seen, what `info` says, or your function."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from counterfactual_models.environments.episodes import History
from counterfactual_models.errors import MeasurementError, nearest

__all__ = ["Measure", "read_measures", "take"]

Measure = str | int | Callable[[History], Any]
"""A name in `info`, a place in the last observation, or a function of the history."""

_TAKEN = ("seed", "start", "seen", "chance", "X")


@dataclass(frozen=True)
class _Told:
    """What `info` said last under a name."""

    name: str

    def __call__(self, history: History) -> torch.Tensor:
        if self.name not in history.info:
            raise MeasurementError(
                f"the environment's info says nothing of {self.name!r} in numbers. "
                f"{nearest(self.name, history.info)} {self.sometimes}"
            )
        last = history.info[self.name][:, -1]
        if last.ndim > 1:
            raise MeasurementError(
                f"the environment's info says {last.shape[1]} numbers of {self.name!r} at once; "
                f"give a function: lambda history: history.told({self.name!r}, 0.0)[..., 0]"
            )
        return last

    @property
    def sometimes(self) -> str:
        """What to do about a name that is not always there."""
        return (
            "If it is said only sometimes, say what holds otherwise: "
            f"lambda history: history.told({self.name!r}, otherwise=0.0)"
        )


@dataclass(frozen=True)
class _Seen:
    """One number of the last observation."""

    place: int

    def __call__(self, history: History) -> torch.Tensor:
        last = history.last
        if not isinstance(last, torch.Tensor) or last.ndim != 2:
            raise MeasurementError(
                f"a measure is number {self.place} of the last observation, and observations are "
                "no plain row of numbers; give a function of the history, such as "
                "lambda history: history.last"
            )
        if not -last.shape[1] <= self.place < last.shape[1]:
            raise MeasurementError(
                f"a measure is number {self.place} of the last observation, which has "
                f"{last.shape[1]} numbers, from 0 on."
            )
        return last[:, self.place]


def _reward(history: History) -> torch.Tensor:
    return history.rewards.sum(1).to(torch.get_default_dtype())


def _length(history: History) -> torch.Tensor:
    return history.length.to(torch.get_default_dtype())


def read_measures(
    measures: Mapping[str, Measure] | None,
) -> dict[str, Callable[[History], torch.Tensor]]:
    """Make functions of a history of what the user wants to have measured.

    Parameters
    ----------
    measures
        Name -> a name in `info`, a place in the last observation, or a function of the history;
        None for the sum of rewards, `reward`, and the number of steps to the end, `length`.

    Raises
    ------
    MeasurementError
        If there are none, or one is something else, or has a name that is taken.

    Examples
    --------
    >>> sorted(read_measures(None))
    ['length', 'reward']
    """
    if measures is None:
        return {"reward": _reward, "length": _length}
    if not isinstance(measures, Mapping) or not measures:
        raise MeasurementError(
            f"got measures={measures!r}; expected a dict: name -> a name in `info`, a place in "
            "the last observation, or a function of the history."
        )
    found: dict[str, Callable[[History], torch.Tensor]] = {}
    for name, spoken in measures.items():
        if name in _TAKEN:
            raise MeasurementError(
                f"a measure is called {name!r}, as a site of the world is: rename it."
            )
        if isinstance(spoken, str):
            found[name] = _Told(spoken)
        elif isinstance(spoken, int | np.integer) and not isinstance(spoken, bool):
            found[name] = _Seen(int(spoken))
        elif callable(spoken):
            found[name] = spoken
        else:
            raise MeasurementError(
                f"measure {name!r} is {spoken!r}; expected a name in `info`, a place in the last "
                "observation, or a function of the history."
            )
    return found


def take(name: str, measured: Callable[[History], Any], history: History) -> torch.Tensor:
    """Measure a history, once for each of its draws.

    Raises
    ------
    MeasurementError
        If what comes out has another first axis, or is not finite.
    """
    value = torch.as_tensor(measured(history))
    rows = len(history.length)
    if not value.ndim or len(value) != rows:
        raise MeasurementError(
            f"measure {name!r} gave shape {tuple(value.shape)} for {rows} draws; expected "
            f"({rows}, ...): the first axis of everything in a history are draws, the second is "
            "time."
        )
    if not value.isfinite().all():
        hint = f" {measured.sometimes}" if isinstance(measured, _Told) else ""
        bad = value[~value.isfinite()][0].item()
        raise MeasurementError(f"measure {name!r} is {bad} in some draw.{hint}")
    return value
