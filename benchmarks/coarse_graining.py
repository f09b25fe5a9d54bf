"""What does coarse graining cost: counting, p-values, and all of it?

Run: python benchmarks/coarse_graining.py. CPU seconds of one thread, the least of three.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import platform
from pathlib import Path

import numpy as np
import scipy
import xarray as xr
from scipy import stats
from timing import least

from inference.arrays.blocks import block_bounds
from inference.arrays.cell_counts import CellCounts, block_counts, merge_novel
from inference.arrays.cells import Cells
from inference.arrays.sign_flips import random_signs, tail_probability
from inference.arrays.total_variation import variation
from inference.diagnostics import coarse_graining

MEASUREMENTS, CHAINS, DRAWS, RESAMPLES = 2000, 4, 2500, 200
ROWS = CHAINS * DRAWS


def machine():
    """Say what this runs on."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.exists() else []
    names = [line.split(": ")[1] for line in lines if "model name" in line]
    chip = names[0] if names else platform.processor()
    versions = f"numpy {np.__version__}, scipy {scipy.__version__}"
    print(f"{chip}, one thread; Python {platform.python_version()}, {versions}")


def counting(kind):
    """Counting 18 cells against sorting the same numbers."""
    values = np.random.default_rng(0).standard_normal((ROWS, MEASUREMENTS)).astype(kind)
    across = np.ascontiguousarray(values.T)
    bounds, edges = block_bounds(CHAINS, DRAWS, effective=float(ROWS)), Cells().edges(across)
    sort = least(lambda: np.sort(across, axis=-1))
    for layout, job in (
        ("draws in rows", lambda: block_counts(values.T, edges, bounds)),
        ("draws in columns", lambda: block_counts(across, edges, bounds)),
        ("CellCounts, checked", lambda: CellCounts(edges, bounds).update(values, 0)),
    ):
        ours = least(job)
        nanoseconds = ours / values.size * 1e9
        print(
            f"counting {edges.shape[1] + 1} cells, {np.dtype(kind)}, {layout}: "
            f"{nanoseconds:.1f} ns a number, {ours / sort:.2f} x np.sort"
        )


def chances():
    """Everything that is estimated from counts, and p-values alone against permutations."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((2, MEASUREMENTS, ROWS), dtype=np.float32)
    bounds, edges = block_bounds(CHAINS, DRAWS, effective=float(ROWS)), Cells().edges(values[0])
    off, on = (block_counts(world, edges, bounds) for world in values)
    signs = random_signs(4000, len(bounds) - 1)
    every = least(lambda: variation(on, off, signs=signs, effective=float(ROWS)))
    difference = merge_novel(on, off)
    alone = least(lambda: tail_probability(difference, signs))

    def tv(a, b, axis):
        return 0.5 * sum(np.abs((a == c).mean(axis) - (b == c).mean(axis)) for c in range(18))

    cells = [np.digitize(world[0], edges[0]) for world in values]
    theirs = least(
        lambda: stats.permutation_test(
            cells, tv, n_resamples=RESAMPLES, vectorized=True, batch=50, rng=0
        )
    )
    print(f"all estimates from counts: {every / MEASUREMENTS * 1e6:.1f} us a measurement")
    print(
        f"p-values: {alone / MEASUREMENTS * 1e6:.1f} us a measurement; permutation_test with "
        f"{RESAMPLES} resamples {theirs * 1e3:.0f} ms, {theirs * MEASUREMENTS / alone:.0f} x ours"
    )


def diagnostic():
    """The whole, from a tree of draws, against drawing and against a loop of ks_2samp."""
    rng = np.random.default_rng(0)
    shape = 2, CHAINS, DRAWS, MEASUREMENTS
    drawing = least(lambda: rng.standard_normal(shape, dtype=np.float32), 1)
    values = rng.standard_normal(shape, dtype=np.float32)
    worlds = xr.Dataset(
        {"y": (("disciple", "chain", "draw", "thing"), values, {"role": "measurement"})},
        coords={"disciple": ["erased", "null"]},
    )
    ours = least(lambda: coarse_graining(worlds), 1)
    some = 50

    def ks_loop():
        for k in range(some):
            stats.ks_2samp(values[1, ..., k].ravel(), values[0, ..., k].ravel())

    theirs = least(ks_loop, 1) / some
    print(
        f"coarse_graining of {MEASUREMENTS} measurements x {ROWS} draws a side: "
        f"{ours / MEASUREMENTS * 1e6:.0f} us a measurement, {ours / drawing:.1f} x drawing the "
        f"numbers; ks_2samp alone {theirs * MEASUREMENTS / ours:.1f} x ours"
    )


if __name__ == "__main__":
    machine()
    for precision in (np.float32, np.float64):
        counting(precision)
    chances()
    diagnostic()
