"""What is a path through a maze: turns to be written down, or something to be found?

A perfect maze is a tree on a square grid: one path leads from corner to corner. A learned
algorithm may store that path, or the program :func:`find_path`, whose length does not depend on
the maze.
"""

from itertools import pairwise

import numpy as np

from counterfactual_models.errors import CounterfactualError, refuse_counts

__all__ = ["MOVES", "find_path", "junction_bits", "moves", "perfect_maze", "search_steps"]

_Cell = tuple[int, int]
_Maze = dict[_Cell, list[_Cell]]

MOVES = "UDLR"
"""Up, down, left, right."""
_STEPS = dict(zip(MOVES, ((-1, 0), (1, 0), (0, -1), (0, 1)), strict=True))


def perfect_maze(size: int, *, seed: int = 0) -> _Maze:
    """Dig a maze of size x size cells without loops, by a random walk that backs up when stuck.

    Parameters
    ----------
    size
        Cells on a side, at least 1.
    seed
        The same seed digs the same maze.

    Returns
    -------
    dict
        Cell (row, column) -> the cells open to it; 2(size² - 1) openings in all.

    Raises
    ------
    CounterfactualError
        If the size is no whole number of at least 1.

    Examples
    --------
    >>> maze = perfect_maze(3)
    >>> len(maze), sum(map(len, maze.values()))
    (9, 16)
    """
    refuse_counts(1, size=size)
    rng = np.random.default_rng(seed)
    maze: _Maze = {(row, column): [] for row in range(size) for column in range(size)}
    walk, seen = [(0, 0)], {(0, 0)}
    while walk:
        row, column = walk[-1]
        around = [(row + down, column + right) for down, right in _STEPS.values()]
        closed = [cell for cell in around if cell in maze and cell not in seen]
        if not closed:
            walk.pop()
            continue
        near = closed[int(rng.integers(len(closed)))]
        maze[walk[-1]].append(near)
        maze[near].append(walk[-1])
        seen.add(near)
        walk.append(near)
    return maze


def find_path(maze: _Maze, start: _Cell, goal: _Cell) -> list[_Cell]:
    """Find a shortest path through any maze, nearest cells first.

    Its text is what is measured when search is said to have a length: nothing is refused here.

    Parameters
    ----------
    maze
        Cell -> the cells open to it.
    start, goal
        Cells of it that are connected.

    Returns
    -------
    list
        Cells from start to goal, both included.

    Examples
    --------
    >>> find_path({(0, 0): [(0, 1)], (0, 1): [(0, 0)]}, (0, 0), (0, 1))
    [(0, 0), (0, 1)]
    """
    came = {start: start}
    queue = [start]
    for cell in queue:
        for near in maze[cell]:
            if near not in came:
                came[near] = cell
                queue += [near]
    path = [goal]
    while path[-1] != start:
        path += [came[path[-1]]]
    return path[::-1]


def search_steps(maze: _Maze) -> int:
    """How many openings does :func:`find_path` look through?

    Parameters
    ----------
    maze
        Cell -> the cells open to it, all connected.

    Returns
    -------
    int
        All there are, from both sides: 2(size² - 1) in a perfect maze.

    Examples
    --------
    >>> search_steps(perfect_maze(48))
    4606
    """
    return sum(map(len, maze.values()))


def moves(path: list[_Cell]) -> str:
    """Write a path down, a letter of :data:`MOVES` for each step.

    Parameters
    ----------
    path
        Cells, each beside the last.

    Returns
    -------
    str
        As long as the path has steps.

    Raises
    ------
    CounterfactualError
        If two cells that follow each other are not side by side.

    Examples
    --------
    >>> moves([(0, 0), (0, 1), (1, 1)])
    'RD'
    """
    letters = {step: letter for letter, step in _STEPS.items()}
    written = []
    for here, there in pairwise(path):
        step = (there[0] - here[0], there[1] - here[1])
        if step not in letters:
            raise CounterfactualError(
                f"the path goes from {here} to {there}; expected cells side by side."
            )
        written.append(letters[step])
    return "".join(written)


def junction_bits(maze: _Maze, path: list[_Cell]) -> float:
    r"""How many bits are the turns of a path worth to one who sees the junctions?

    .. math:: \sum_t \log_2 (\text{exits of cell } t \text{, other than back})

    Far less than the path written down blindly: this is the price of a reactive policy, which
    carries only its choices and reads the rest off the maze. A description length means nothing
    before it is said what the decoder sees.

    Parameters
    ----------
    maze
        Cell -> the cells open to it.
    path
        From the start, without turning back.

    Returns
    -------
    float
        Bits, at least 0.

    Examples
    --------
    >>> maze = perfect_maze(8)
    >>> path = find_path(maze, (0, 0), (7, 7))
    >>> bool(junction_bits(maze, path) < 2 * (len(path) - 1))
    True
    """
    exits = [len(maze[cell]) - (place > 0) for place, cell in enumerate(path[:-1])]
    return float(np.sum(np.log2(np.array(exits, dtype=float))))
