"""What can happen in a world, all paths at once? Breadth first, a site after the other.

One pass under a plate over paths shows how likely each value of the next site is on each of them;
the paths branch, and the next pass has them pinned. A pass is trusted as one over draws is: if
:mod:`inference.agreement` finds that it gives what its paths give by themselves.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from counterfactual_models.anatomy import is_site, role_of
from inference.agreement import agrees_with_vmap, hold_some
from inference.batches import Batch, Block, NotVectorisable, run_abreast
from inference.exact.finite_sites import is_certain, law_of_latent, log_probability
from inference.exact.walks import flat_numbers, refuse_many
from inference.mixing import FEWEST
from inference.passes import Program

__all__ = ["walk_abreast"]

_AT_ONCE = 1 << 13
"""Paths in a pass."""
_KEY = (0, "paths")

_Paths = tuple[np.ndarray, dict[str, torch.Tensor]]
"""Log-probability of each path, and the values of sites on it, first axis = paths."""


def walk_abreast(
    program: Program,
    measured: Sequence[str],
    *,
    limit: int,
    watch: Callable[[int], Any] = int,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Run a program down every path, thousands at once; the caller isolates it.

    Parameters
    ----------
    program, measured, limit
        As for :func:`inference.exact.walks.walk`.
    watch
        Told of every pass how many paths were in it.

    Yields
    ------
    tuple of np.ndarray
        Log of what each path and its evidence weigh, and its measured numbers (path, number).

    Raises
    ------
    NotVectorisable
        If paths cannot be run at once: run them one by one.
    WorldError
        If there are too many, or a latent site has no finite list of values.
    """
    sites = program.anatomy.sites
    drawn = Block(program, {}, 1, _KEY, [], []).drawn
    latents = [name for name in drawn if not is_certain(sites[name].fn)]
    paths: _Paths = np.zeros(1), {}
    branching: list[str] = []
    evidence = [n for n in sites if n in program.evidence or n in program.anatomy.data]
    order = {name: number for number, name in enumerate(sites)}
    for name in latents:
        told = [known for known in evidence if order[known] < order[name]]
        parts = [_branched(part, name, program, branching, limit, told) for part in _parted(paths)]
        watch(len(paths[0]))
        paths = _joined(parts)
        if not len(paths[0]):
            return
        refuse_many(program, len(paths[0]), limit, branching)
    for log_weights, pins in _parted(paths):
        batch = _run(program, pins, len(log_weights), score=evidence)
        watch(len(log_weights))
        if any(n not in pins and not is_certain(batch.happened.sites[n]["fn"]) for n in drawn):
            raise NotVectorisable("a site is certain on one path and not on another")
        seen = log_weights.copy()
        for name in evidence:
            seen += _summed(log_probability(batch.happened.sites[name]), name, len(seen))
        if np.isnan(seen).any():
            raise NotVectorisable("a log-probability is no number")
        values = [flat_numbers(batch.values[n], n, program.what) for n in measured]
        yield seen, np.concatenate([np.empty((len(seen), 0)), *values], axis=1)


def _run(
    program: Program, pins: dict[str, torch.Tensor], paths: int, score: Sequence[str] = ()
) -> Batch:
    """Run a pass, and hold it against what its paths give by themselves."""
    block = Block(program, pins, paths, _KEY, [], score)
    batch = run_abreast(block)
    known = program.anatomy.sites
    for name, msg in batch.happened.sites.items():
        if name not in known and is_site(msg) and role_of(msg) != "switch":
            raise NotVectorisable(f"{name!r} is there on one path and not on another")
    if not agrees_with_vmap(block, batch, first=True):
        block = _enough(block)  # few paths would not be watched
        hold_some(block, run_abreast(block), first=True)
    return batch


def _enough(block: Block) -> Block:
    """Repeat paths until there are enough to be watched."""
    paths = max(block.draws, FEWEST)
    again = torch.arange(paths) % block.draws
    return replace(block, pins={n: v[again] for n, v in block.pins.items()}, draws=paths)


def _branched(
    paths: _Paths,
    name: str,
    program: Program,
    branching: list[str],
    limit: int,
    told: Sequence[str],
) -> _Paths:
    """Go on from each path that the evidence so far allows, with every value of a site there."""
    log_weights, pins = paths
    batch = _run(program, pins, len(log_weights), score=told)
    kinds, table = law_of_latent(batch.happened.sites[name])
    if table.ndim == 1 or table.shape[1] != len(log_weights):
        raise NotVectorisable(f"{name!r} has no axis of paths")
    chances = table.reshape(*table.shape[:2], -1).numpy()  # (kind, path, place)
    row = np.arange(len(log_weights))
    for each in told:
        seen = _summed(log_probability(batch.happened.sites[each]), each, len(log_weights))
        row = row[seen[row] != -np.inf]
    log_weights = log_weights[row]
    branches = np.flatnonzero(((chances[:, row] > 0).sum(0) > 1).any(0))
    chosen = np.empty((len(row), 0), int)
    for place in branches:
        here = chances[:, row, place].T
        path, kind = np.nonzero(here > 0)
        if name not in branching:
            branching.append(name)
        refuse_many(program, len(path), limit, branching)
        log_weights = log_weights[path] + np.log(here[path, kind])
        row, chosen = row[path], np.column_stack([chosen[path], kind])
    every = (chances > 0).argmax(0)[row]  # all there is, where a place does not branch
    every[:, branches] = chosen
    own = tuple(program.anatomy.sites[name].value.shape)
    values = kinds[torch.from_numpy(every)].reshape((len(row), *own))
    origin = torch.from_numpy(row)
    return log_weights, {**{n: value[origin] for n, value in pins.items()}, name: values}


def _parted(paths: _Paths) -> Iterator[_Paths]:
    log_weights, pins = paths
    for start in range(0, len(log_weights), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        yield log_weights[part], {name: value[part] for name, value in pins.items()}


def _joined(parts: Sequence[_Paths]) -> _Paths:
    if len(parts) == 1:
        return parts[0]
    names = parts[0][1]
    pins = {name: torch.cat([part[1][name] for part in parts]) for name in names}
    return np.concatenate([part[0] for part in parts]), pins


def _summed(log_prob: torch.Tensor, name: str, paths: int) -> np.ndarray:
    if not log_prob.ndim or len(log_prob) != paths:
        raise NotVectorisable(f"the density of {name!r} has no axis of paths")
    found: np.ndarray = log_prob.reshape(paths, -1).sum(1).numpy()
    return found
