"""What do a million questions cost, and are the planted answers found?

Run: python benchmarks/million.py kernels [measurements], or worlds [measurements].

* kernels: draws come from torch, some thousand measurements at a time, and are forgotten once they
  are counted. One measurement in a hundred is moved by a tenth of a deviation;
* worlds: the same questions to a Pyro world, by ``sample_worlds(keep="summary")``, here and by two
  workers, and ``coarse_graining`` of what it wrote.

One thread; CPU seconds against those of drawing the numbers themselves, and the peak of memory.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import platform
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

SIDE, CHAINS, WIDE, FEW, PILOT = 10_000, 4, 8192, 2048, 1024
MOVED, SHIFT = 0.01, 0.1


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def kernels(measurements):
    from inference.arrays.blocks import block_bounds
    from inference.arrays.cell_counts import CellCounts
    from inference.arrays.cells import Cells
    from inference.arrays.effective_counts import effective_from_counts
    from inference.arrays.multiplicity import Family, false_discoveries
    from inference.arrays.sign_flips import random_signs
    from inference.arrays.total_variation import variation

    torch.manual_seed(0)
    bounds = block_bounds(CHAINS, SIDE // CHAINS, effective=float(SIDE))
    signs = random_signs(4000, len(bounds) - 1)
    moved = torch.rand(measurements, generator=torch.Generator().manual_seed(1)) < MOVED
    family, found = Family(), []
    spent = dict.fromkeys(("drawing", "cells", "counting", "estimating"), 0.0)

    def timed(what, job):
        start = time.thread_time()
        made = job()
        spent[what] += time.thread_time() - start
        return made

    before, begun = peak(), time.perf_counter()
    for first in range(0, measurements, WIDE):
        shift = SHIFT * moved[first : first + WIDE]
        width = len(shift)
        edges = []
        for start in range(0, width, FEW):
            few = min(FEW, width - start)
            pilot = timed("drawing", lambda few=few: torch.randn(few, PILOT).numpy())
            edges.append(timed("cells", lambda pilot=pilot: Cells.quantile().edges(pilot)))
        edges = np.concatenate(edges)
        worlds = CellCounts(edges, bounds), CellCounts(edges, bounds)
        for start, stop in pairwise(bounds):
            for counts, by in zip(worlds, (torch.zeros(width), shift), strict=True):
                rows = timed("drawing", lambda s=stop - start, by=by: torch.randn(s, len(by)))
                rows = rows.add_(by).numpy()
                timed("counting", lambda c=counts, r=rows, s=start: c.update(r, int(s)))

        def estimate(worlds=worlds):
            whole = [counts.result() for counts in worlds]
            for start in range(0, whole[0].shape[-1], FEW):
                erased, let_in = (counts[..., start : start + FEW] for counts in whole)
                sizes = [effective_from_counts(c, bounds, CHAINS) for c in (erased, let_in)]
                options = {"effective": np.minimum(*sizes), "family": family}
                part = variation(let_in, erased, signs=signs, **options)
                found.append({name: part[name] for name in ("p", "tv")})

        timed("estimating", estimate)
    estimates = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
    moved = moved.numpy()
    called = false_discoveries(estimates["p"]) <= 0.05
    total = sum(spent.values())
    print(
        f"{measurements:,} measurements x ({SIDE:,} + {SIDE:,}): {total:.0f} s CPU, "
        f"{total / spent['drawing']:.2f} x drawing; {time.perf_counter() - begun:.0f} s wall, "
        f"peak {peak():.0f} MB, {before:.0f} of it before"
    )
    print({what: f"{1e9 * s / (2 * SIDE * measurements):.2f} ns" for what, s in spent.items()})
    print(
        f"moved {moved.sum()}, found {(called & moved).sum()} = {called[moved].mean():.3f}, "
        f"false {(called & ~moved).sum() / max(1, called.sum()):.3f} of them; "
        f"null p < 1e-4: {(estimates['p'][~moved] < 1e-4).mean():.6f}; "
        f"tv of the moved {estimates['tv'][moved].mean():.4f} (truth .0399); "
        f"p of the mean {family.p_mean():.1e}"
    )


def worlds(measurements):
    import pyro
    import pyro.distributions as dist

    import counterfactual_models as cm
    import inference

    moved = (torch.rand(measurements, generator=torch.Generator().manual_seed(1)) < MOVED).float()

    def world(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0))
        act = cm.wire(disciple, idle=0.0)
        with pyro.plate("question", measurements):
            noise = pyro.sample("noise", dist.Normal(act(base) * moved, 1.0))
        cm.measure("answer", noise, dims=["question"])

    def push(base):
        return SHIFT * torch.ones_like(base)

    torch.set_num_threads(1)
    past = inference.sample_posterior(world, None, draws=SIDE // CHAINS, progress=False)
    begun = time.process_time()
    for _ in range(20):
        torch.randn(max(1, 2**21 // measurements), measurements)
    count = 20 * max(1, 2**21 // measurements) * measurements
    drawing = (time.process_time() - begun) / count * 2 * SIDE * measurements
    before = peak()
    with tempfile.TemporaryDirectory() as folder:
        options = {"keep": "summary", "progress": False}

        def drawn(name, **more):
            wall, cpu = time.perf_counter(), time.process_time()
            store = Path(folder) / f"{name}.zarr"
            tree = inference.sample_worlds(
                world, past, {"push": push}, store=store, **options, **more
            )
            return tree, time.perf_counter() - wall, time.process_time() - cpu

        tree, _, cpu = drawn("one")
        print(
            f"{measurements:,} measurements x ({SIDE:,} + {SIDE:,}) of a Pyro world: {cpu:.0f} s "
            f"CPU, {cpu / drawing:.2f} x drawing; peak {peak():.0f} MB, {before:.0f} before"
        )
        begun = time.process_time()
        impact = inference.diagnostics.coarse_graining(tree)
        spent = time.process_time() - begun
        called = (impact["q"].values[0] <= 0.05) & moved.numpy().astype(bool)
        print(
            f"coarse_graining of it: {spent:.0f} s, {1e6 * spent / measurements:.0f} us each; "
            f"found {called.sum() / moved.sum().item():.3f}; peak {peak():.0f} MB"
        )
        # Loky stops workers whose memory grew by 300 MB, and starts others.
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            drawn("warm", executor=pool)
            single, again = drawn("again")[1], drawn("two", executor=pool)[1]
        print(f"one worker {single:.0f} s, two {again:.0f} s: {single / again:.2f} x")


if __name__ == "__main__":
    print(platform.machine(), os.cpu_count(), "cores; numpy", np.__version__, torch.__version__)
    job = {"kernels": kernels, "worlds": worlds}[sys.argv[1]]
    job(int(float(sys.argv[2])) if len(sys.argv) > 2 else 1_000_000)
