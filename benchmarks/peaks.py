"""How often does noise pass for a peak, how often is a peak found, and how long does it take?

Run: python benchmarks/peaks.py [false] [found] [slow] [compared] [speed] [sets]. CPU seconds of
one thread. `sets` is the number of data sets of each law, 500 by default.
"""

import platform
import sys

import numpy as np
import scipy
from scipy import signal, special, stats
from timing import least

from inference.arrays.blocks import block_bounds, effective_draws
from inference.arrays.shape.peaks import find_peaks, peak_number_compared

CHAINS = 4
ONE_PEAK = {
    "normal": lambda rng, n: rng.normal(size=n),
    "t3": lambda rng, n: rng.standard_t(3, size=n),
    "cauchy": lambda rng, n: rng.standard_cauchy(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "uniform": lambda rng, n: rng.random(n),
    "lognormal": lambda rng, n: rng.lognormal(size=n),
    "chi2(1)": lambda rng, n: rng.chisquare(1, size=n),
    "poisson(400)": lambda rng, n: rng.poisson(400, size=n),
}
# Weights, means and deviations of normal parts. The claw is Marron and Wand's tenth density.
PARTS = {
    "2 sd apart": ([0.5, 0.5], [0, 2], [1, 1]),
    "2.5 sd apart": ([0.5, 0.5], [0, 2.5], [1, 1]),
    "3 sd apart": ([0.5, 0.5], [0, 3], [1, 1]),
    "4 sd apart": ([0.5, 0.5], [0, 4], [1, 1]),
    "90/10, 4 sd apart": ([0.9, 0.1], [0, 4], [1, 1]),
    "three, 4 sd apart": ([1 / 3] * 3, [0, 4, 8], [1] * 3),
    "claw": ([0.5] + [0.1] * 5, [0, -1, -0.5, 0, 0.5, 1], [1] + [0.1] * 5),
    "a million sd apart": ([0.5, 0.5], [0, 1e6], [1, 1]),
    "a hundred times as wide": ([0.5, 0.5], [0, 10], [1, 0.01]),
}


def mixture(rng, n, weights, means, deviations):
    part = rng.choice(len(weights), p=weights, size=n)
    return rng.normal(np.array(means)[part], np.array(deviations)[part])


def counted(sets, n):
    bounds = block_bounds(CHAINS, n // CHAINS, effective=float(n))
    return np.array([len(find_peaks(values, bounds)) for values in sets])


def shown(name, n, numbers, spent=None):
    shares = ", ".join(
        f"{number}: {np.mean(numbers == number):.3f}" for number in np.unique(numbers)
    )
    timed = f"  ({spent:.2f} ms)" if spent else ""
    print(f"  {name:24s} n={n:6d}  {shares}{timed}", flush=True)


def table(laws, sets):
    for n in (1000, 10_000):
        for name, law in laws.items():
            rng = np.random.default_rng(11)
            drawn = [law(rng, n) for _ in range(sets)]
            numbers = counted(drawn, n)
            shown(name, n, numbers, 1e3 * least(lambda d=drawn, n=n: counted(d[:20], n), 1) / 20)


def false(sets):
    print(f"share of {sets} sets of laws with one peak that show so many:")
    table(ONE_PEAK, sets)


def found(sets):
    print(f"share of {sets} sets of laws with several peaks that show so many:")
    table(
        {name: lambda rng, n, p=parts: mixture(rng, n, *p) for name, parts in PARTS.items()}, sets
    )


def slow(sets):
    """Chains of autocorrelation 0.9, each with one peak."""
    print(f"share of {sets} slow worlds with one peak that show so many:")
    laws = {
        "normal": lambda u: special.ndtri(u),
        "exponential": lambda u: -np.log1p(-u),
        "uniform": lambda u: u,
        "cauchy": lambda u: np.tan(np.pi * (u - 0.5)),
    }
    for n in (1000, 10_000):
        for name, law in laws.items():
            rng = np.random.default_rng(12)
            numbers = []
            for _ in range(sets):
                noise = rng.normal(size=(CHAINS, n // CHAINS + 100)) * np.sqrt(1 - 0.81)
                chains = signal.lfilter([1], [1, -0.9], noise, axis=1)[:, 100:]
                values = law(special.ndtr(chains))
                effective = effective_draws(values[None, None]).item()
                bounds = block_bounds(CHAINS, n // CHAINS, effective=effective)
                numbers.append(len(find_peaks(values.ravel(), bounds, effective=effective)))
            shown(name, n, np.array(numbers))


def compared(sets):
    """How often is the number of peaks said to differ, where it does and where it does not?"""
    rng = np.random.default_rng(13)
    cases = [
        (name, shift, scale, PARTS[parts], PARTS[parts], n)
        for parts, n in (("3 sd apart", 1000), ("2.5 sd apart", 16_000), ("claw", 4000))
        for name, shift, scale in (
            (f"same, {parts}", 0.0, 1.0),
            (f"moved, {parts}", 3.0, 1.0),
            (f"stretched, {parts}", 0.0, 2.5),
        )
    ]
    for apart in (3, 4, 5, 6):
        two = [0.5, 0.5], [0, apart], [1, 1]
        hill = [1.0], [apart / 2], [np.sqrt(1 + apart**2 / 4)]
        for n in (1000, 4000, 10_000):
            cases.append((f"two, {apart} sd apart, or one", 0.0, 1.0, two, ([1.0], [0], [1]), n))
            cases.append((f"the same, of one variance, {apart}", 0.0, 1.0, two, hill, n))
    print(f"share of {sets} pairs: numbers that differ, p <= .05, the same of those that differ:")
    for name, shift, scale, let_in, erased, n in cases:
        bounds = block_bounds(CHAINS, n // CHAINS, effective=float(n))
        both = [
            peak_number_compared(
                mixture(rng, n, *let_in), shift + scale * mixture(rng, n, *erased), bounds
            )
            for _ in range(sets)
        ]
        differ = np.array([one.on != one.off for one in both])
        sure = np.array([one.p <= 0.05 for one in both])
        among = sure[differ].mean() if differ.any() else 0.0
        print(f"  {name:36s} n={n:6d}  {differ.mean():.3f}  {sure.mean():.3f}  {among:.3f}")
    for n in (10_000, 160_000):
        bounds = block_bounds(CHAINS, n // CHAINS, effective=float(n))
        on, off = mixture(rng, n, *PARTS["4 sd apart"]), rng.normal(size=n)
        both = least(lambda o=on, f=off, b=bounds: peak_number_compared(o, f, b), 5)
        each = least(lambda o=on, f=off, b=bounds: (find_peaks(o, b), find_peaks(f, b)), 5)
        print(f"  n={n:6d}: {1e3 * both:.1f} ms a pair, of which peaks {1e3 * each:.1f}")


def speed(sets):
    print(
        f"{platform.machine()}, numpy {np.__version__}, scipy {scipy.__version__}; ms a data set"
    )
    for n in (1000, 10_000, 160_000):
        values = np.random.default_rng(0).normal(size=n)
        bounds = block_bounds(CHAINS, n // CHAINS, effective=float(n))
        spent = least(lambda v=values, b=bounds: find_peaks(v, b), 5)
        sort = least(lambda v=values: np.sort(v), 5)
        line = f"  n={n:6d}: {1e3 * spent:.2f}, of which a sort {1e3 * sort:.2f}"
        if n <= 10_000:
            kernel = stats.gaussian_kde(values)
            theirs = least(lambda k=kernel: k(np.linspace(-4, 4, 512)), 1)
            line += f"; scipy gaussian_kde at 512 places {theirs / spent:.0f} x"
        print(line)


if __name__ == "__main__":
    jobs = {job.__name__: job for job in (false, found, slow, compared, speed)}
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    for job in [word for word in sys.argv[1:] if word in jobs] or jobs:
        jobs[job](*(numbers[:1] or [500]))
