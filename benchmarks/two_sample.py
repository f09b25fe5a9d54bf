"""How fast are the classical two-sample numbers, and do their p-values keep their level?

Run: python benchmarks/two_sample.py [speed] [level]. CPU seconds of one thread. NumPy sorts with
AVX-512 where it can, and on AMD Zen 4 that is five times slower than its AVX2 sort: compare with
NPY_DISABLE_CPU_FEATURES="AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL".
"""

import platform
import sys

import numpy as np
import scipy
from scipy import signal, stats
from timing import least

from inference.arrays.blocks import block_bounds, effective_draws
from inference.arrays.sign_flips import random_signs
from inference.arrays.two_sample import NUMBERS, two_sample, two_sample_numbers

MEASUREMENTS, ROWS, CHAINS = 200, 10_000, 4
REPETITIONS, FLIPS = 2000, 200
LOOPED = 20


def speed():
    print(f"{platform.machine()}, numpy {np.__version__}, scipy {scipy.__version__}")
    normal = np.random.default_rng(0).normal(size=(MEASUREMENTS, 2, ROWS))
    pairs = normal[:LOOPED]
    theirs = {
        function.__name__: least(lambda f=function: [f(on, off) for off, on in pairs]) / LOOPED
        for function in (
            stats.ks_2samp,
            stats.wasserstein_distance,
            stats.energy_distance,
            stats.cramervonmises_2samp,
        )
    }
    for kind in ("float32", "float64"):
        ours = timed(normal.astype(kind))
        print(f"{kind}, {MEASUREMENTS} measurements, {ROWS} + {ROWS} draws; ms a measurement:")
        print("  " + ", ".join(f"{name} {spent * 1e3:.2f}" for name, spent in ours.items()))
        for name, spent in (theirs | {"all four": sum(theirs.values())}).items():
            ratio = spent / ours["four numbers"]
            print(f"  scipy {name} {spent * 1e3:.2f}, {ratio:.1f} x our four numbers")
        resampled = permuted(*normal[0])
        ratio = resampled / ours["with nulls"]
        print(f"  scipy permutation_test of KS, {FLIPS} resamples: {ratio:.0f} x ours with nulls")


def timed(values):
    """CPU seconds of a measurement."""
    bounds = block_bounds(CHAINS, ROWS // CHAINS, effective=float(ROWS))
    signs = random_signs(FLIPS, len(bounds) - 1)
    jobs = {
        "np.sort alone": lambda: np.sort(values.reshape(len(values), -1), axis=1),
        "four numbers": lambda: two_sample_numbers(values[:, 1], values[:, 0]),
        "with nulls": lambda: two_sample(
            values, bounds=bounds, signs=signs, effective=float(ROWS)
        ),
    }
    return {name: least(job) / len(values) for name, job in jobs.items()}


def permuted(off, on):
    def statistic(on, off, axis):
        return stats.ks_2samp(on, off, axis=axis, method="asymp").statistic

    options = {"n_resamples": FLIPS, "vectorized": True, "batch": 20, "rng": 0}
    return least(lambda: stats.permutation_test((on, off), statistic, **options), 1)


def autoregression(rng, shape, r=0.9):
    noise = rng.normal(size=(*shape[:-1], shape[-1] + 100))
    return signal.lfilter([1], [1, -r], noise, axis=-1)[..., 100:]


def independent(rng, rows):
    return rng.normal(size=(REPETITIONS, 2, CHAINS, rows // CHAINS))


def shared_noise(rng, rows):
    shared = rng.normal(size=(REPETITIONS, 1, CHAINS, rows // CHAINS))
    return np.sqrt(0.8) * shared + np.sqrt(0.2) * independent(rng, rows)


def slow_chains(rng, rows):
    return autoregression(rng, (REPETITIONS, 2, CHAINS, rows // CHAINS))


def counts(rng, rows):
    return rng.poisson(3.0, size=(REPETITIONS, 2, CHAINS, rows // CHAINS)).astype(float)


def heavy_tails(rng, rows):
    return rng.standard_cauchy(size=(REPETITIONS, 2, CHAINS, rows // CHAINS))


def level():
    """Rejections of the same world; its floor; and, moved, the share within two errors."""
    print(
        "rejected at 5 %, 1 %, .1 %; floor / mean; moved by 1: share within two mcse of the mean"
    )
    for rows in (1000, 4000):
        for world in (independent, shared_noise, slow_chains, counts, heavy_tails):
            values = world(np.random.default_rng(7), rows)
            effective = effective_draws(values).min(axis=1)
            same = assessed(values, effective)
            values[:, 1] += 1.0
            moved = assessed(values, effective)
            print(f"{world.__name__}, n={rows}, median ESS {np.median(effective):.0f}")
            for name in NUMBERS:
                rates = [np.mean(same[f"{name}_p"] <= rate) for rate in (0.05, 0.01, 0.001)]
                floor = same[f"{name}_floor"].mean() / same[name].mean()
                off = np.abs(moved[name] - np.median(moved[name]))
                within = np.mean(off <= 2 * moved[f"{name}_mcse"])
                rejected = "  ".join(f"{rate:.4f}" for rate in rates)
                print(f"  {name:17s} {rejected}  {floor:.3f}  {within:.3f}")


def assessed(values, effective):
    typical = float(np.quantile(effective, 0.05))
    bounds = block_bounds(*values.shape[2:], effective=typical)
    signs = random_signs(FLIPS, len(bounds) - 1)
    flat = values.reshape(REPETITIONS, 2, -1)
    return two_sample(flat, bounds=bounds, signs=signs, effective=effective[None])


if __name__ == "__main__":
    for job in sys.argv[1:] or ["speed", "level"]:
        {"speed": speed, "level": level}[job]()
