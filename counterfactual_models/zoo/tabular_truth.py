r"""What will have been measured at the end, exactly, in a world of finitely many states?

Weights of states are pushed through the table for as many steps as the world lasts, once with the
idle action in every step, once with the disciple's, and once for both side by side, with the same
slips and stumbles:

.. math:: p_{t+1}(s') = \sum_s p_t(s)\, P(s' | s, \pi(s, t)), \qquad
          P(W) = \sum_s p_T(s)\, [\mathrm{measured}(s) = W]

What is measured is a function of the last state: where history matters, it belongs in the state.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from counterfactual_models.errors import DiscipleError, MeasurementError, refuse_counts
from counterfactual_models.zoo.finite_truth import FiniteTruth
from counterfactual_models.zoo.tabular import Tabular

__all__ = ["Measured", "tabular_truth"]

Measured = Mapping[str, Callable[[torch.Tensor], torch.Tensor]]
"""Measurement -> function of states (..., feature) -> numbers (...)."""

Policy = Callable[..., Any]
Outcome = tuple[float, ...]


def tabular_truth(
    table: Tabular,
    disciple: Policy,
    measured: Measured,
    *,
    steps: int,
    alternatives: Mapping[str, Sequence[Tabular]] | None = None,
) -> FiniteTruth:
    """Work out the laws of what is measured in the last state, and of both worlds side by side.

    Parameters
    ----------
    table
        The states and moves; ``dataclasses.replace(table, start=place)`` starts elsewhere.
    disciple
        States (state, feature) and the time -> actions (state,), by their places. It is asked
        about the states that it can be in.
    measured
        Name -> function of states (..., feature) -> numbers (...): the same functions as in the
        program.
    steps
        How many actions are taken.
    alternatives
        Datum -> tables that there might have been instead, had the datum been another.

    Returns
    -------
    FiniteTruth
        With `moved` from the alternatives, and `pairs` of outcomes under the same slips.

    Raises
    ------
    WorldError
        If `steps` is no whole number of at least 1.
    DiscipleError
        If the disciple answers with anything but a place of an action for each state.
    MeasurementError
        If a measurement is not one number for each state.

    Examples
    --------
    >>> from counterfactual_models.zoo.tabular import explore
    >>> def walk(states, actions):
    ...     return (states + actions[..., None]).clamp(0, 2)
    >>> line = explore(walk, [0], actions=["stay", "right"], idle="stay", features=["place"],
    ...                slip=0.1)
    >>> truth = tabular_truth(
    ...     line, lambda states, time: 1, {"arrived": lambda states: states[..., 0] > 1}, steps=2
    ... )
    >>> {x: round(truth.laws[x][(1.0,)], 6) for x in (0, 1)}, round(truth.joint_tv, 6)
    ({0: 0.0025, 1: 0.9025}, 0.9)
    """
    refuse_counts(1, steps=steps)
    others = {} if alternatives is None else alternatives

    def laws(own: Tabular) -> tuple[dict[Outcome, float], dict[Outcome, float]]:
        off, on = (_spread(own, [who], measured, steps) for who in (None, disciple))
        return {w: p for (w,), p in off.items()}, {w: p for (w,), p in on.items()}

    pairs: Any = _spread(table, [None, disciple], measured, steps)
    return FiniteTruth(
        tuple(measured),
        dict(enumerate(laws(table))),
        {datum: [laws(other) for other in each] for datum, each in others.items()},
        pairs,
    )


def _spread(
    table: Tabular, walkers: Sequence[Policy | None], measured: Measured, steps: int
) -> dict[tuple[Outcome, ...], float]:
    """Let walkers who share their slips go from the start; None is idle."""
    count, choices = table.following.shape
    places: np.ndarray = np.full((1, len(walkers)), table.start)
    chances: np.ndarray = np.ones(1)
    for time in range(steps):
        meant = [_actions(table, who, places[:, i], time) for i, who in enumerate(walkers)]
        branches = [(np.stack(meant, -1), 1 - table.slip)]
        branches += [(np.full_like(places, b), table.slip / choices) for b in range(choices)]
        after = np.concatenate([table.following[places, action] for action, _ in branches])
        weights = np.concatenate([chances * p for _, p in branches])
        after, weights = after[weights > 0], weights[weights > 0]
        codes, back = np.unique(
            np.ravel_multi_index(tuple(after.T), (count,) * len(walkers)), return_inverse=True
        )
        places = np.stack(np.unravel_index(codes, (count,) * len(walkers)), -1)
        chances = np.bincount(back, weights)
    law: dict[tuple[Outcome, ...], float] = defaultdict(float)
    outcomes = [_outcomes(table, places[:, i], measured) for i in range(len(walkers))]
    for *outcome, p in zip(*outcomes, chances.tolist(), strict=True):
        law[tuple(outcome)] += p
    return dict(law)


def _actions(table: Tabular, who: Policy | None, places: np.ndarray, time: int) -> np.ndarray:
    """Ask a walker for the places of its actions."""
    if who is None:
        return np.full(len(places), table.idle)
    answer = np.asarray(who(torch.as_tensor(table.states[places]), time))
    if (
        answer.shape not in ((), (1,), places.shape)
        or not np.isin(answer, range(len(table.actions))).all()
    ):
        raise DiscipleError(
            f"disciple {getattr(who, 'name', who)!r} answered {answer.tolist()!r} to "
            f"{len(places)} states at time {time}; expected for each of them a whole number from "
            f"0 to {len(table.actions) - 1}: {', '.join(table.actions)}."
        )
    return np.broadcast_to(answer.astype(np.int64), places.shape)


def _outcomes(table: Tabular, places: np.ndarray, measured: Measured) -> list[Outcome]:
    """Measure each state."""
    states = torch.as_tensor(table.states[places])
    columns = []
    for name, measure in measured.items():
        values = np.asarray(measure(states), dtype=float)
        if values.shape not in ((), places.shape):
            raise MeasurementError(
                f"measurement {name!r} has the shape {values.shape} for states of the shape "
                f"{tuple(states.shape)}; expected {places.shape}, a number for each state."
            )
        columns.append(np.broadcast_to(values, places.shape).tolist())
    return list(zip(*columns, strict=True))
