"""What do the published penalties say of a small chain, counted by hand-sized code of our own?

States are compared along the path that a policy takes from the first state, if nothing slips.
"""

import numpy as np
import torch

__all__ = ["attainable", "path_of", "random_utilities", "reachable", "stepwise"]


def path_of(table, policy, steps):
    """Places of the states on the way, and of those that waiting would have led to instead."""
    path, instead = [table.start], []
    for time in range(steps):
        state = torch.as_tensor(table.states[path[-1]])
        instead.append(int(table.following[path[-1], table.idle]))
        path.append(int(table.following[path[-1], int(policy(state, time))]))
    return path, instead


def reachable(table):
    """(state, state), true where there is some way, by walking until nothing new turns up."""
    ways = np.eye(len(table.states), dtype=bool)
    for _ in table.states:
        ways |= ways[table.following].any(axis=1)
    return ways


def stepwise(table, policy, steps, lost):
    """Add up, over the steps, what is lost against waiting in that step alone."""
    path, instead = path_of(table, policy, steps)
    return sum(lost(here, there) for here, there in zip(path[1:], instead, strict=True))


def random_utilities(table, count=2000):
    """Draw those of the research note: a row for each utility."""
    return np.random.RandomState(0).rand(count, len(table.states))


def attainable(table, utilities, discount=0.95):
    """Sweep until values stand still: (utility, state), on the scale of the utilities."""
    values = utilities
    for _ in range(int(40 / (1 - discount))):
        values = (1 - discount) * utilities + discount * values[:, table.following].max(-1)
    return values
