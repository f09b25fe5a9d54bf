"""What does coarse graining cost? A thousand measurements, against loops over scipy and numpy.

Run: python benchmarks/coarse_graining.py. CPU seconds of one thread, the least of three.
"""

import numpy as np
import xarray as xr
from scipy import stats
from timing import least

from inference.diagnostics import coarse_graining

MEASUREMENTS, CHAINS, DRAWS = 1000, 4, 1000


def main():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, CHAINS, DRAWS, MEASUREMENTS)).astype(np.float32)
    worlds = xr.Dataset(
        {"y": (("disciple", "chain", "draw", "thing"), values, {"role": "measurement"})},
        coords={
            "disciple": ["erased", "null"],
            "X": ("disciple", [0, 1]),
            "chain": np.arange(CHAINS),
            "draw": np.arange(DRAWS),
            "thing": np.arange(MEASUREMENTS),
        },
    )
    off, on = values.reshape(2, -1, MEASUREMENTS)

    def ks_loop():
        for k in range(MEASUREMENTS):
            stats.ks_2samp(on[:, k], off[:, k])

    def histogram_loop():
        for k in range(MEASUREMENTS):
            edges = np.quantile(off[:, k], np.linspace(0, 1, 17))
            edges[[0, -1]] = -np.inf, np.inf
            p1, p0 = np.histogram(on[:, k], edges)[0], np.histogram(off[:, k], edges)[0]
            0.5 * np.abs(p1 - p0).sum() / len(on)

    def permutation():
        def tv(a, b, axis):
            return 0.5 * sum(np.abs((a == c).mean(axis) - (b == c).mean(axis)) for c in range(16))

        cells = np.digitize([on[:, 0], off[:, 0]], np.quantile(off[:, 0], np.arange(1, 16) / 16))
        stats.permutation_test(
            tuple(cells), tv, n_resamples=1000, vectorized=True, batch=50, rng=0
        )

    ours = least(lambda: coarse_graining(worlds))
    print(f"{MEASUREMENTS} measurements x {CHAINS * DRAWS} draws a side: ours {ours:.2f} s")
    for name, job, times in (
        ("plug-in alone, numpy loop", histogram_loop, 1),
        ("ks_2samp loop", ks_loop, 1),
        ("scipy permutation_test, 1000 resamples", permutation, MEASUREMENTS),
    ):
        theirs = least(job, 1) * times
        print(f"{name}: {theirs:.2f} s, {theirs / ours:.1f} x ours")


if __name__ == "__main__":
    main()
