"""How far off is counting by halvings, what does it cost, and does it know when it is wrong?

Run: OMP_NUM_THREADS=1 python benchmarks/splitting.py [normal] [rarest] [plateau] [evidence]
[two_modes] [needle] [--seeds 20] [--particles 0]. Everything is compared with closed forms; the
cost of plain counting is what the same standard error would take of it, 1 / (p (s log 2)^2).
`claimed` is what families of particles say, `mcse` also heeds how far the runs differ.
"""

import argparse
import math
import time

import numpy as np
from scipy import stats

from inference.arrays.order.splitting import split_tail


def noise(size):
    return lambda generator, number: generator.standard_normal((number, size))


def plain(utility):
    return lambda states: (utility(states), np.zeros(len(states)))


def case(name, start, evaluate, target, truth, options, **settings):
    """Split with each seed, and say how it went."""
    began, settings = time.process_time(), {"particles": options.particles or 500} | settings
    tails = [
        split_tail(start, evaluate, target, seed=seed, **settings) for seed in range(options.seeds)
    ]
    spent = (time.process_time() - began) / len(tails)
    error = np.array([tail.bits - truth for tail in tails])
    mcse = np.array([tail.mcse for tail in tails])
    claimed = np.array([tail.sd_within / math.sqrt(len(tail.bits_runs)) for tail in tails])
    flagged = np.array([not tail.reliable for tail in tails])
    inside = np.array([tail.interval[0] <= truth <= tail.interval[1] for tail in tails])
    worlds = np.mean([tail.evaluations for tail in tails])
    print(f"{name}, {settings}: truth {truth:.3f} bits, {worlds:.0f} worlds, {spent:.2f} s")
    print(f"  bias {error.mean():+.3f}, sd {error.std():.3f}, largest {np.abs(error).max():.3f}")
    print(f"  within .3, .5, .6, 1, 3 bits: {[within(error, d) for d in (0.3, 0.5, 0.6, 1, 3)]}")
    print(
        f"  claimed sd {claimed.mean():.3f}, mcse {mcse.mean():.3f}, interval holds the truth in "
        f"{inside.mean():.2f}, flagged {flagged.mean():.2f}"
    )
    for kind, sd in (("claimed sd", claimed), ("mcse", mcse)):
        wrong = ~(np.abs(error) <= 3 * sd)
        print(
            f"  off by more than 3 {kind}: {wrong.sum()} of {len(tails)}, of which flagged "
            f"{(wrong & flagged).sum()}"
        )
    if np.isfinite(error).all() and error.std() > 0:
        counting = 2.0**truth / (error.std() * math.log(2)) ** 2
        print(f"  plain counting would take {counting / worlds:.3g} x the worlds", flush=True)


def within(error, distance):
    return int((np.abs(error) < distance).sum())


def normal(options):
    target, truth = -stats.norm.ppf(1e-9), 9 * math.log2(10)
    few = {"particles": options.particles or 120}
    for size in (1, 20, 100):
        across = np.ones(size) / math.sqrt(size)
        case(
            f"1e-9, {size} noises",
            noise(size),
            plain(lambda z, a=across: z @ a),
            target,
            truth,
            options,
            **few,
        )
    first = plain(lambda z: z[:, 0])
    case("1e-9, one of 100 noises", noise(100), first, target, truth, options, **few)
    radius = stats.chi2.isf(1e-9, 20)
    square = plain(lambda z: np.square(z).sum(axis=1))
    case("1e-9, squares of 20", noise(20), square, radius, truth, options, **few)


def rarest(options):
    target = -stats.norm.ppf(1e-50)
    few = {"particles": options.particles or 120}
    first = plain(lambda z: z[:, 0])
    case("1e-50", noise(1), first, target, 50 * math.log2(10), options, **few)


def plateau(options):
    hit = stats.norm.ppf(0.2)
    count = plain(lambda z: (z < hit).sum(axis=1).astype(float))
    truth = -stats.binom.logsf(31, 40, 0.2) / math.log(2)
    case("32 or more of binomial(40, .2)", noise(40), count, 32.0, truth, options)


def evidence(options):
    """y = sum of z + noise has been seen; the utility is the sum of the first half of z."""
    size, noise_variance, seen = 10, 0.25, 2.0
    ones, half = np.ones(size), np.arange(size) < size // 2
    covariance = np.eye(size) - np.outer(ones, ones) / (size + noise_variance)
    mean, root = covariance @ ones * seen / noise_variance, np.linalg.cholesky(covariance)
    target = half @ mean - stats.norm.ppf(2.0**-30) * math.sqrt(half @ covariance @ half)

    def start(generator, number):
        return mean + generator.standard_normal((number, size)) @ root.T

    def evaluate(z):
        return z @ half, -np.square(seen - z @ ones) / (2 * noise_variance)

    case("30 bits of a posterior", start, evaluate, target, 30.0, options)


def two_modes(options):
    """A wide way up to 6.5, and a narrow entrance to one that climbs three times as fast."""
    target, slope = 6.5, 3.0
    for entrance in (2.0, 2.5, 3.0, 3.5):

        def utility(z, entrance=entrance):
            return np.maximum(z[:, 0], slope * (z[:, 1] - entrance))

        first, second = stats.norm.logsf([target, entrance + target / slope])
        truth = -np.logaddexp(first, second) / math.log(2)
        name = f"two ways up, entrance to the better one at {entrance} sd"
        case(name, noise(10), plain(utility), target, truth, options)


def needle(options):
    for name, utility in (
        ("needle in a plain", lambda z: (z[:, 0] > 9) + 0.0),
        ("needle on a hill", lambda z: np.minimum(z[:, 0], 3) + 10 * (z[:, 1] > 9)),
    ):
        for seed in range(min(options.seeds, 3)):
            tail = split_tail(noise(2), plain(utility), 13.0, seed=seed)
            print(f"{name}: {tail.bits} bits, at least {tail.lower:.2f}, reliable {tail.reliable}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    jobs = {job.__name__: job for job in (normal, rarest, plateau, evidence, two_modes, needle)}
    parser.add_argument("jobs", nargs="*", default=list(jobs))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--particles", type=int, default=0)
    chosen = parser.parse_args()
    for job in chosen.jobs:
        jobs[job](chosen)
