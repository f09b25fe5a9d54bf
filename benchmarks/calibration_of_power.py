"""Do 95 % intervals of bits hold the truth in 95 cases of 100, and what do they cost in width?

Run: python benchmarks/calibration_of_power.py [repetitions]. Each repetition draws a baseline,
counts which draws reach a target of known chance, and asks for the interval in bits.

* holds: share of intervals that hold the truth, in brackets its standard error; 90 % is asked for;
* plain: the same where draws are taken for independent;
* width: median width of those that have two ends; open: share of intervals with one end only;
* least: share of one-sided 95 % limits (Clopper and Pearson) below the truth; 95 % is asked for.
"""

import sys

import numpy as np
from scipy import signal, stats

from inference.arrays.order.counting import counted_bits, indicator_effective, least_bits

REPETITIONS, CHAINS, DRAWS, WARM = 2000, 4, 1000, 300
INDEPENDENT = 0.02, 0.002, 0.0005
SLOW = (0.5, 0.1), (0.5, 0.004), (0.9, 0.1), (0.9, 0.02), (0.9, 0.004), (0.9, 0.001)
FUTURES, SHARED = 10, 0.5


def autoregression(rng, rho, shape=(CHAINS, DRAWS)):
    """Stationary chains of a unit normal."""
    noise = rng.normal(size=(*shape[:-1], shape[-1] + WARM))
    return signal.lfilter([np.sqrt(1 - rho**2)], [1, -rho], noise, axis=-1)[..., WARM:]


def many_futures(rng, rho):
    """Chains of a past that explains half the variance of each of its futures."""
    past = autoregression(rng, rho)[..., None]
    noise = rng.normal(size=(CHAINS, DRAWS, FUTURES))
    return np.sqrt(SHARED) * past + np.sqrt(1 - SHARED) * noise


def covered(draw, chance, repetitions):
    """Draw baselines and count: what the intervals say, over the repetitions."""
    rng = np.random.default_rng(0)
    target, truth = stats.norm.isf(chance), -np.log2(chance)
    reached, rows, effective = np.zeros(repetitions), 0, np.zeros(repetitions)
    for number in range(repetitions):
        values = draw(rng)
        rows = values.size
        reached[number] = np.count_nonzero(values >= target)
        effective[number] = indicator_effective(values, target)
    own, plain = counted_bits(reached, rows, effective), counted_bits(reached, rows)
    closed = ~own.one_sided
    return {
        "holds": ((own.lower <= truth) & (truth <= own.upper)).mean(),
        "plain": ((plain.lower <= truth) & (truth <= plain.upper)).mean(),
        "width": np.median((own.upper - own.lower)[closed]) if closed.any() else np.inf,
        "open": own.one_sided.mean(),
        "least": (least_bits(reached, rows, effective=effective) <= truth).mean(),
        "effective": np.median(effective),
    }


def table(repetitions):
    """Print a line for every case."""
    cases = [(f"1000 draws, p={p}", lambda rng: rng.normal(size=1000), p) for p in INDEPENDENT]
    cases += [
        (f"4x1000, AR({rho}), p={p}", lambda rng, rho=rho: autoregression(rng, rho), p)
        for rho, p in SLOW
    ]
    cases += [
        (f"4x1000x{FUTURES}, AR(0.9), p={p}", lambda rng: many_futures(rng, 0.9), p)
        for p in (0.1, 0.004, 0.0005)
    ]
    print("case | holds (se) | plain | width | open | least | effective")
    for name, draw, chance in cases:
        found = covered(draw, chance, repetitions)
        error = np.sqrt(found["holds"] * (1 - found["holds"]) / repetitions)
        print(
            f"{name} | {found['holds']:.3f} ({error:.3f}) | {found['plain']:.3f} | "
            f"{found['width']:.2f} | {found['open']:.3f} | {found['least']:.3f} | "
            f"{found['effective']:.0f}",
            flush=True,
        )


if __name__ == "__main__":
    table(int(sys.argv[1]) if len(sys.argv) > 1 else REPETITIONS)
