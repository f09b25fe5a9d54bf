"""How fast are cumulants to order six, against those that scipy has to order four?

Run: python benchmarks/k_statistics.py [speed] [full]. CPU seconds of one thread. `full` takes ten
thousand measurements of ten thousand draws each (800 MB), slab by slab as they would be drawn.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import platform
import sys
import time

import numpy as np
import scipy
from scipy import stats
from timing import least

from inference.arrays.blocks import block_bounds
from inference.arrays.shape.k_statistics import cumulant_descriptors, k_statistics
from inference.arrays.shape.power_sums import power_sums

CHAINS, ROWS, MEASUREMENTS, EVERY = 4, 10_000, 500, 10_000


def cumulants(values, bounds):
    """All draws together, as scipy has them."""
    sums = power_sums(values, bounds, location=0.0, scale=1.0)
    return k_statistics(sums.sum(axis=0))


def described(values, bounds):
    """With everything that errors by blocks need: all draws, and all but each block."""
    return cumulant_descriptors(power_sums(values, bounds, location=0.0, scale=1.0))


def theirs(values):
    return [stats.kstat(values, order, axis=1) for order in (1, 2, 3, 4)]


def speed():
    print(f"{platform.machine()}, numpy {np.__version__}, scipy {scipy.__version__}")
    print(f"{MEASUREMENTS} measurements, {ROWS} draws; ns a number:")
    rng = np.random.default_rng(0)
    bounds = block_bounds(CHAINS, ROWS // CHAINS, effective=float(ROWS))
    for kind in ("float64", "float32"):
        values = rng.standard_normal((MEASUREMENTS, ROWS)).astype(kind)
        for layout, given in (
            ("draws in columns", values),
            ("draws in rows", np.asfortranarray(values)),
        ):
            scipy_takes = least(lambda v=given: theirs(v)) / given.size * 1e9
            print(f"  {kind}, {layout}: scipy.stats.kstat of orders 1 to 4 {scipy_takes:.0f}")
            for name, job in (
                ("power sums alone", lambda v: power_sums(v, bounds, location=0.0, scale=1.0)),
                ("cumulants 1 to 6", lambda v: cumulants(v, bounds)),
                ("with and without each block", lambda v: described(v, bounds)),
            ):
                ours = least(lambda job=job, v=given: job(v)) / given.size * 1e9
                print(f"    {name} {ours:.2f}, {scipy_takes / ours:.0f} x faster")


def full():
    """Ours at full size; scipy's from a slab of it, as its time goes with the measurements."""
    bounds = block_bounds(CHAINS, ROWS // CHAINS, effective=float(ROWS))
    rng, spent, checked = np.random.default_rng(1), 0.0, 0.0
    for start in range(0, EVERY, MEASUREMENTS):
        values = rng.standard_normal((MEASUREMENTS, ROWS))
        before = time.process_time()
        found = cumulants(values, bounds)
        spent += time.process_time() - before
        if start == 0:
            checked = least(lambda v=values: theirs(v), 1) * EVERY / MEASUREMENTS
            error = np.abs(found[:4] - np.stack(theirs(values))).max()
    print(f"{EVERY} measurements of {ROWS} draws: ours {spent:.2f} s, scipy {checked:.1f} s,")
    print(f"  {checked / spent:.0f} x faster; greatest difference of orders 1 to 4 {error:.1e}")


if __name__ == "__main__":
    for job in sys.argv[1:] or ["speed", "full"]:
        {"speed": speed, "full": full}[job]()
