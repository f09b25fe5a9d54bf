"""Through which states did the drawn worlds go?

A world of states and moves says so itself, by its places: a variable ``trajectory`` with a last
dim that runs over time, ``pyro.deterministic("trajectory", table.index(path).float(),
event_dim=1)``. Any other world is taken to make one step, into a state that is named by all that
is measured: so do the peers apply wherever measurements take few values.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from counterfactual_models.errors import MeasurementError, WorldError
from inference.arrays.joint_cells import joint_keys
from inference.diagnostics.soundness import refuse_few, refuse_holes
from inference.peers.dynamics import MOST_STATES, Moves, outcomes
from inference.schema import CHAIN, DISCIPLE, DRAW, FUTURE, chosen_disciples, parts, predictions

__all__ = ["MOST_VALUES", "TRAJECTORY", "Trajectories", "read_outcomes", "read_trajectories"]

TRAJECTORY = "trajectory"
MOST_VALUES = 100
"""A measurement of more values than this is taken to be continuous."""

Worlds = xr.DataTree | xr.Dataset
Names = Sequence[str] | str | None


@dataclass(frozen=True, eq=False)
class Trajectories:
    """States that the worlds went through, by their places.

    Parameters
    ----------
    moves
        The dynamics.
    disciples
        Names, ``erased`` first.
    states
        (disciple, chain, draw, future, step), the first state first.
    """

    moves: Moves
    disciples: tuple[str, ...]
    states: np.ndarray

    @property
    def steps(self) -> int:
        """How many moves were made."""
        return self.states.shape[-1] - 1


def read_trajectories(worlds: Worlds, moves: Moves) -> Trajectories:
    """Read the states that every world went through.

    Parameters
    ----------
    worlds
        What ``sample_worlds`` returned, of a world with a ``trajectory``.
    moves
        The dynamics that the places are of.

    Returns
    -------
    Trajectories

    Raises
    ------
    WorldError
        If there is no trajectory, a place is none of the states, a move is one that the dynamics
        hold impossible, or there are fewer than 40 posterior draws.
    """
    drawn = predictions(worlds)
    if TRAJECTORY not in drawn:
        raise WorldError(
            f"these worlds have no {TRAJECTORY!r}, so it is not known which states they went "
            "through. Record it in the world: pyro.deterministic('trajectory', "
            "table.index(path).float(), event_dim=1); or leave `dynamics` out, and what is "
            "measured is the outcome of one step."
        )
    path = drawn[TRAJECTORY]
    sample = [dim for dim in (DISCIPLE, CHAIN, DRAW, FUTURE) if dim in path.dims]
    time = [dim for dim in path.dims if dim not in sample]
    if DISCIPLE not in path.dims or len(time) != 1 or path.sizes[time[0]] < 2:
        raise WorldError(
            f"the trajectory has the dims {dict(path.sizes)}; expected disciple, chain, draw and "
            "one that runs over time, with the first state and at least another: event_dim=1."
        )
    names = chosen_disciples(drawn[DISCIPLE].values)
    path = path.sel({DISCIPLE: names}).transpose(*sample, time[0])
    refuse_few(path.sizes[CHAIN] * path.sizes[DRAW])
    path = path if FUTURE in path.dims else path.expand_dims(FUTURE, axis=3)
    states = _places(path.values, names, moves)
    _refuse_impossible(states, names, moves)
    return Trajectories(moves, tuple(names), states)


def read_outcomes(worlds: Worlds, measurements: Names = None) -> Trajectories:
    """Take what is measured for the state that a world ends in, after one step.

    Parameters
    ----------
    worlds
        What ``sample_worlds`` returned.
    measurements
        Names to keep; all by default.

    Returns
    -------
    Trajectories
        With two columns, of which the first says nothing; the states are the joint cells that any
        world was drawn in, with the values of the measurements for features.

    Raises
    ------
    MeasurementError
        If a measurement takes more than 100 values, so that it is rather continuous, or there are
        more than 2000 joint cells: not applicable.
    WorldError
        For fewer than 40 posterior draws.
    """
    keys, names = np.zeros(0, dtype=np.uint64), list[str]()
    shape: tuple[int, ...] = ()
    features: list[np.ndarray] = []
    for part in parts(worlds, measurements=measurements):
        refuse_few(part)
        refuse_holes(part)
        part = part if FUTURE in part.dims else part.expand_dims(FUTURE, axis=-1)
        names, shape = [str(name) for name in part[DISCIPLE].values], part.shape[1:]
        keys = np.zeros(part[0].size, dtype=np.uint64) if not features else keys
        for row in part:
            numbers, values = pd.factorize(row.values.ravel(), sort=True)
            _refuse_continuous(str(row.measurement.item()), len(values))
            keys = keys + joint_keys(numbers[None], first=len(features))
            features.append(values[numbers])
    cells, known = pd.factorize(keys, sort=True)
    if len(known) > MOST_STATES:
        raise MeasurementError(
            f"all measurements together take {len(known)} values in these draws; expected at most "
            f"{MOST_STATES}: this penalty is not applicable, unless fewer or coarser measurements "
            "are named."
        )
    first = np.zeros(len(known), dtype=np.intp)
    first[cells[::-1]] = np.arange(len(cells))[::-1]
    like = np.stack([values[first] for values in features], axis=-1)
    moves = outcomes(len(known))
    moves = Moves(moves.chances, moves.start, moves.idle, like)
    states = np.stack([cells, cells], axis=-1).reshape(*shape, 2)
    return Trajectories(moves, tuple(names), states)


def _refuse_continuous(name: str, count: int) -> None:
    if count > MOST_VALUES:
        raise MeasurementError(
            f"the measurement {name!r} takes {count} values in these draws; expected at most "
            f"{MOST_VALUES}: this penalty compares states, and is not applicable to continuous "
            "measurements. Measure something coarser, name others in measurements=, or give the "
            "dynamics."
        )


def _places(values: np.ndarray, names: list[str], moves: Moves) -> np.ndarray:
    """Read places of states, and refuse the first that is none."""
    with np.errstate(invalid="ignore"):
        places = np.nan_to_num(values, nan=-1.0, posinf=-1.0, neginf=-1.0).astype(np.intp)
        wrong = (places != values) | (places < 0) | (places >= moves.states)
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0])
        disciple, chain, draw, _, step = map(int, at)
        raise WorldError(
            f"the trajectory of {names[disciple]!r} is at {values[at]:g} in chain {chain}, draw "
            f"{draw}, step {step}; expected the place of one of {moves.states} states, from 0 to "
            f"{moves.states - 1}. Are these the dynamics of this world?"
        )
    return places


def _refuse_impossible(states: np.ndarray, names: list[str], moves: Moves) -> None:
    """Refuse dynamics that these worlds do not follow."""
    idling = np.zeros((moves.states, moves.states), dtype=bool)
    idling[moves.waiting.nonzero()] = True
    for which, paths in enumerate(states):
        can = moves.possible if which else idling
        cannot = ~can[paths[..., :-1], paths[..., 1:]]
        if cannot.any():
            *_, step = at = tuple(np.argwhere(cannot)[0])
            came, went = paths[*at[:-1], step], paths[*at[:-1], step + 1]
            said = "which no action leads to" if which else "where the idle action does not lead"
            raise WorldError(
                f"the trajectory of {names[which]!r} goes from state {came} to {went}, {said}. "
                "Are these the dynamics of this world, and is its idle action theirs?"
            )
