r"""What do the evidence's scores average in the rare worlds? The slope of optimization power.

.. math:: \frac{\partial}{\partial e_j} \log P(e,S,0)(U \ge u)
          = E[s_j \mid U \ge u] - E[s_j], \qquad
          s_j = \frac{\partial}{\partial e_j} \log p(w, e)

by Fisher's identity, so that the bits move by the difference of two averages of scores.
"""

import numpy as np
import torch
import xarray as xr

from inference import schema
from inference.arrays.order.splitting import SplitTail
from inference.power.noisy_world import NoisyWorld
from inference.scores.programs import Asked
from inference.scores.rows import Mapped, Rows
from inference.scores.ways import Looking, Pins

__all__ = ["rare_scores"]


def rare_scores(noisy: NoisyWorld, worlds: xr.DataTree, tail: SplitTail) -> xr.Dataset | None:
    """Average the scores of the evidence over the worlds that reach the target, run by run.

    Parameters
    ----------
    noisy
        The erased world.
    worlds
        Its tree; after ``with_scores`` it says which evidence has scores.
    tail
        What splitting found.

    Returns
    -------
    xr.Dataset or None
        A variable for each evidence site, (rare_run, ...); None without scores, where a run never
        reached the target, or where what the utility asks for is computed from the evidence.
    """
    if schema.EVIDENCE_SCORES not in worlds.children or not len(tail.last):
        return None
    scored = worlds[schema.EVIDENCE_SCORES].to_dataset()
    names = [str(name) for name in scored.data_vars]
    if _computed(worlds, noisy.asked):
        return None
    asked = Asked.of(noisy.plans, map(str, worlds["observed_data"].to_dataset().data_vars))
    program = asked.worlds[schema.ERASED]
    targets = [name for name, site in noisy.plans.whole.sites.items() if not site.computed]
    sums = {name: np.zeros((len(tail.last), *asked.data[name].shape)) for name in names}

    def task(way: Looking, pins: Pins, count: int) -> dict[str, torch.Tensor]:
        return way.scores(names, targets, pins, count)

    mapped = Mapped(program)
    for run, states in enumerate(tail.last):
        rows = Rows({}, len(states), None, noisy.worlds(states))

        def take(part: slice, found: dict[str, torch.Tensor], run: int = run) -> None:
            for name, slopes in found.items():
                sums[name][run] = slopes.double().sum(0).numpy() + (
                    sums[name][run] if part.start else 0.0
                )

        mapped.over(task, rows, take)
    counts = np.array([len(states) for states in tail.last], float)
    variables = {}
    for name in names:
        lead = (schema.DISCIPLE, schema.CHAIN, schema.DRAW, schema.FUTURE)
        own = [dim for dim in scored[name].dims if dim not in lead]
        mean = sums[name] / counts.reshape(-1, *[1] * len(own))
        variables[name] = ([schema.RARE_RUN, *own], mean)
    coords = {d: c.values for d, c in scored.coords.items() if d in scored.dims}
    used = {d for dims, _ in variables.values() for d in dims}
    attrs = schema.encode_attrs({"target": float(tail.target)})
    return xr.Dataset(variables, {d: c for d, c in coords.items() if d in used}, attrs)


def _computed(worlds: xr.DataTree, asked: list[str]) -> bool:
    """Tell whether the evidence moves what the utility asks for at fixed sites."""
    if schema.EVIDENCE_DIRECT not in worlds.children:
        return False
    direct = worlds[schema.EVIDENCE_DIRECT].to_dataset()
    labels = [str(label).split("[")[0] for label in direct[schema.MEASUREMENT].values]
    return any(label in asked for label in labels)
