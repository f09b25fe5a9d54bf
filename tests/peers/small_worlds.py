"""Dynamics written out by hand, and searched in plain Python: nothing of the library is used."""

from collections import deque
from types import SimpleNamespace

import numpy as np

DIRECTIONS = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1), "N": (0, 0)}
ROOM = {(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (2, 4), (3, 2), (3, 3), (3, 4), (4, 3)}


def dynamics(following, *, start=0, idle=0, slip=0.0):
    """Certain moves {(state, action): next state} as rows, with slips into a uniform action."""
    following = np.array(following)
    count, choices = following.shape
    sure = np.zeros((count, choices, count))
    np.put_along_axis(sure, following[..., None], 1.0, axis=-1)
    transitions = (1 - slip) * sure + slip * sure.mean(axis=1, keepdims=True)
    return SimpleNamespace(transitions=transitions, start=start, idle=idle)


def chain():
    """T13: a vase at b0, b1, broken, or off the belt; wait, take it off, put it on again."""
    return dynamics([[1, 3, 1], [2, 3, 2], [2, 2, 2], [3, 3, 1]])


def pink_car():
    """T18: grey, pink, the owner knows, the owner was tricked; wait, paint, trick."""
    return dynamics([[0, 1, 0], [2, 2, 3], [2, 2, 2], [3, 3, 3]])


def power_plant():
    """T19: nothing, a plant, irradiated, safe; wait, build, fix."""
    return pink_car()


def vases(count):
    """T20: each may be broken, and none mended."""
    return dynamics([[m, *(m | 1 << i for i in range(count))] for m in range(2**count)])


def box(state, action):
    """T15: the agent walks and pushes; where the goal is, at (4, 4), all ends: a wall here."""
    agent, crate = state
    down, right = DIRECTIONS[action]
    ahead = agent[0] + down, agent[1] + right
    beyond = crate[0] + down, crate[1] + right
    if ahead == crate and action != "N" and beyond in ROOM:
        crate = beyond
    return (ahead if ahead in ROOM and ahead != crate else agent), crate


def search(step, start, actions="UDLRN"):
    """Every state that can be got into, and where each action leads."""
    places, waiting, following = {start: 0}, deque([start]), []
    while waiting:
        state = waiting.popleft()
        following.append([])
        for action in actions:
            after = step(state, action)
            if after not in places:
                places[after] = len(places)
                waiting.append(after)
            following[-1].append(places[after])
    return list(places), following


def distances(following):
    """Fewest moves from each state to each other one, by breadth first search."""
    found = []
    for start in range(len(following)):
        away, waiting = {start: 0}, deque([start])
        while waiting:
            state = waiting.popleft()
            for after in following[state]:
                if after not in away:
                    away[after] = away[state] + 1
                    waiting.append(after)
        found.append([away.get(state, np.inf) for state in range(len(following))])
    return np.array(found)


def plan(dynamics, actions):
    """A policy that takes these actions one after the other, wherever they lead."""
    return np.repeat(np.array(actions)[:, None], len(dynamics.transitions), axis=1)


def random_dynamics(seed, states=6, actions=3):
    """Moves that are anything but certain."""
    random = np.random.default_rng(seed)
    transitions = random.dirichlet(np.full(states, 0.3), size=(states, actions))
    return SimpleNamespace(transitions=transitions, start=0, idle=0)
