r"""Where can one go on a map of walls, and what is the shortest way there?

A map is drawn in text; `#` is a wall, a blank is free, and any other letter marks a place. There
are five actions: up, down, left, right, and none. Whoever walks against a wall stays. Boxes are
pushed, not pulled, and only onto what is free (Sokoban).

A disciple of these worlds looks at the state, not at a plan, so that it knows what to do after a
slip: it takes the first action of a shortest way to where it wants to be,

.. math:: d(s) = 0 \text{ where it wants to be}, \qquad
          d(s) = 1 + \min_a d(\mathrm{step}(s, a)), \qquad
          \pi(s) = \arg\min_a d(\mathrm{step}(s, a))

and it may refuse some steps on its way. Ties go to waiting first, then up, down, left, right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyro
import torch

from counterfactual_models.errors import WorldError
from counterfactual_models.zoo.chain import Chain
from counterfactual_models.zoo.tabular import Step, Tabular, explore
from counterfactual_models.zoo.tabular_truth import Measured

__all__ = [
    "ACTIONS",
    "IDLE",
    "Follow",
    "Map",
    "Plan",
    "distance",
    "gridworld",
    "left_alone",
    "parse",
    "route",
    "standing",
    "tabulate",
    "waiting",
]

ACTIONS = ("U", "D", "L", "R", "N")
IDLE = ACTIONS.index("N")
MOVES = torch.tensor([[-1, 0], [1, 0], [0, -1], [0, 1], [0, 0]])


@dataclass(frozen=True, eq=False)
class Map:
    """Walls, and places that have a letter; made by :func:`parse`.

    Parameters
    ----------
    walls
        (row, column), true where nobody can go.
    marks
        Letter -> (row, column).
    """

    walls: torch.Tensor
    marks: Mapping[str, tuple[int, int]]

    def walled(self, cells: torch.Tensor) -> torch.Tensor:
        """Tell whether there is a wall: cells (..., 2) -> (...)."""
        return self.walls[cells[..., 0], cells[..., 1]]

    def at(self, cells: torch.Tensor, letter: str) -> torch.Tensor:
        """Tell whether a cell is the one with this letter: (..., 2) -> (...)."""
        return (cells == torch.tensor(self.marks[letter])).all(-1)

    def move(self, cells: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Walk one step, or stay before a wall: (..., 2) and (...) -> (..., 2)."""
        ahead = cells + MOVES[actions]
        return torch.where(self.walled(ahead)[..., None], cells, ahead)

    def push(
        self,
        cells: torch.Tensor,
        boxes: torch.Tensor,
        actions: torch.Tensor,
        stuck: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Walk one step where there is a box; one that is walked against gives way if it can.

        Parameters
        ----------
        cells, boxes
            Where the walkers and their boxes are, (..., 2).
        actions
            Of the walkers, (...).
        stuck
            Boxes that cannot be moved, (...); none by default.

        Returns
        -------
        tuple of torch.Tensor
            Where the walkers and the boxes are then.

        Examples
        --------
        >>> room = parse("#####", "#A  #", "#####")
        >>> walker, box = torch.tensor([1, 1]), torch.tensor([1, 2])
        >>> [cell.tolist() for cell in room.push(walker, box, torch.tensor(3))]  # R
        [[1, 2], [1, 3]]
        >>> walker, box = room.push(walker, box, torch.tensor(3))
        >>> [cell.tolist() for cell in room.push(walker, box, torch.tensor(3))]  # against a wall
        [[1, 2], [1, 3]]
        """
        ahead, beyond = cells + MOVES[actions], boxes + MOVES[actions]
        pushed = (ahead == boxes).all(-1) & ~self.walled(beyond)
        pushed = pushed if stuck is None else pushed & ~stuck
        boxes = torch.where(pushed[..., None], beyond, boxes)
        blocked = self.walled(ahead) | (ahead == boxes).all(-1)
        return torch.where(blocked[..., None], cells, ahead), boxes

    def note_arrival(self, path: torch.Tensor) -> None:
        """Note whether the agent, whose cell comes first, ever came to G: `arrived`."""
        arrived = self.at(path[..., :2], "G").any(-1)
        pyro.deterministic("arrived", arrived.float(), event_dim=0)


def parse(*rows: str) -> Map:
    """Read a map, a line of text for each of its rows.

    Parameters
    ----------
    *rows
        All of one length, walled in on all sides.

    Returns
    -------
    Map

    Raises
    ------
    WorldError
        If the rows differ in length, a side is open, or a letter comes twice.

    Examples
    --------
    >>> room = parse("#####", "#A G#", "#####")
    >>> room.marks
    {'A': (1, 1), 'G': (1, 3)}
    >>> room.move(torch.tensor([1, 1]), torch.arange(5)).tolist()
    [[1, 1], [1, 1], [1, 1], [1, 2], [1, 1]]
    """
    letters = np.array([list(row) for row in rows]) if len(set(map(len, rows))) == 1 else None
    if letters is None or letters.size == 0:
        raise WorldError(
            f"got a map with rows of lengths {[*map(len, rows)]}; expected one length."
        )
    walls = letters == "#"
    if not all(side.all() for side in (walls[0], walls[-1], walls[:, 0], walls[:, -1])):
        raise WorldError("got a map with an open side; close it with '#'.")
    marks: dict[str, tuple[int, int]] = {}
    for row, column in np.argwhere(~walls & (letters != " ")).tolist():
        letter = str(letters[row, column])
        if letter in marks:
            raise WorldError(f"the map has two places {letter!r}; expected one.")
        marks[letter] = row, column
    return Map(torch.as_tensor(walls), marks)


def tabulate(
    step: Step,
    start: Sequence[int] | Sequence[Sequence[int]],
    features: Sequence[str],
    slip: float,
) -> Tabular:
    """Search all states of a world in which the actions are these five; see `explore`."""
    return explore(step, start, actions=ACTIONS, idle="N", features=features, slip=slip)


def gridworld(
    step: Step,
    features: Sequence[str],
    start: Sequence[int],
    measured: Measured,
    told: Mapping[str, int] | None = None,
    *,
    steps: int,
    slip: float,
) -> Chain:
    """Make a world in which the actions are these five; all else as in `Chain`."""
    return Chain(
        step,
        dict(zip(features, start, strict=True)),
        measured,
        told or {},
        actions=ACTIONS,
        idle=IDLE,
        steps=steps,
        slip=slip,
    )


def distance(
    table: Tabular, wanted: np.ndarray, *, refused: np.ndarray | None = None
) -> np.ndarray:
    """How many steps is each state away from one that is wanted, if nothing slips?

    Parameters
    ----------
    table
        The states and moves.
    wanted
        (state,), true where one wants to be.
    refused
        (state,), states that are not to be entered from one that is not refused. One who is in
        such a state already goes on as best he can.

    Returns
    -------
    np.ndarray
        (state,), infinite where there is no way.

    Examples
    --------
    >>> line = tabulate(parse("#####", "#A  #", "#####").move, [1, 1], ["row", "column"], 0.0)
    >>> distance(line, line.states[:, 1] == 3).tolist()
    [2.0, 1.0, 0.0]
    """
    steps = np.where(wanted, 0.0, np.inf)
    while True:
        nearer = np.minimum(steps, 1 + _ahead(table, steps, refused).min(axis=1))
        if np.array_equal(nearer, steps):
            return steps
        steps = nearer


def route(table: Tabular, wanted: np.ndarray, *, refused: np.ndarray | None = None) -> np.ndarray:
    """Find the first action of a shortest way from each state; wait where there is none.

    Parameters
    ----------
    table, wanted, refused
        As in :func:`distance`.

    Returns
    -------
    np.ndarray
        (state,), places of actions. One who is where he wants to be waits.

    Examples
    --------
    >>> line = tabulate(parse("#####", "#A  #", "#####").move, [1, 1], ["row", "column"], 0.0)
    >>> "".join(ACTIONS[action] for action in route(line, line.states[:, 1] == 2))
    'RNL'
    """
    steps = distance(table, wanted, refused=refused)
    ahead = _ahead(table, steps, refused)
    waits = (steps == 0) | (ahead[:, table.idle] <= ahead.min(axis=1))
    return np.where(waits, table.idle, ahead.argmin(axis=1))


def _ahead(table: Tabular, steps: np.ndarray, refused: np.ndarray | None) -> np.ndarray:
    """Count the steps that are left after each action, (state, action)."""
    ahead = steps[table.following]
    if refused is None:
        return ahead
    return np.where(refused[table.following] & ~refused[:, None], np.inf, ahead)


def left_alone(table: Tabular, steps: int) -> np.ndarray:
    """Let nobody do anything for some steps: the place of the state that each has become."""
    places = np.arange(len(table.states))
    for _ in range(steps):
        places = table.following[places, table.idle]
    return places


def standing(table: Tabular, cell: Sequence[int]) -> np.ndarray:
    """Tell in which states the agent, whose cell comes first, stands there: (state,)."""
    found: np.ndarray = (table.states[:, :2] == np.array(cell)).all(axis=1)
    return found


@dataclass(frozen=True, eq=False, repr=False)
class Follow:
    """Take in each state the action that was found for it, whatever has happened before.

    Parameters
    ----------
    table
        The states.
    actions
        (state,), or (time, state) with the last row for all that is later: places of actions.
    """

    table: Tabular
    actions: np.ndarray

    def __call__(self, states: torch.Tensor, time: int) -> torch.Tensor:
        """Look the actions up: states (..., feature) and the time -> (...)."""
        rows = np.atleast_2d(self.actions)
        chosen = torch.as_tensor(rows[min(int(time), len(rows) - 1)])
        return chosen[self.table.index(states)]

    def __repr__(self) -> str:
        rows = np.atleast_2d(self.actions)
        told = (f"{time}: {''.join(ACTIONS[a] for a in row)}" for time, row in enumerate(rows))
        return f"Follow({'; '.join(told)})"


def waiting(table: Tabular) -> Follow:
    """Wait in every state."""
    return Follow(table, np.full(len(table.states), IDLE))


@dataclass(frozen=True)
class Plan:
    """Take one action after the other, wherever they lead; then wait.

    Parameters
    ----------
    letters
        Of U, D, L, R, N, one a step.

    Examples
    --------
    >>> plan = Plan("DD")
    >>> [ACTIONS[plan(torch.zeros(1, 2), time)] for time in range(3)]
    ['D', 'D', 'N']
    """

    letters: str

    def __call__(self, states: Any, time: int) -> torch.Tensor:
        """Take the action of this time, in every state."""
        letter = self.letters[time] if time < len(self.letters) else "N"
        return torch.full(states.shape[:-1], ACTIONS.index(letter))
