"""How fast and how long are the codes of worlds, and what do compressors of draws tell instead?

Run: python benchmarks/codes.py [speed] [lengths] [distortion] [compressors]. CPU seconds of one
thread. Cells are the 64 leaves of Cells.dyadic.

A compressor is the wrong tool for draws. The normalised compression distance of two files is 0 if
one describes the other, 1 if they have nothing in common; of independent draws it is close to 1
for any two laws, the same one too, for what is compressed is noise: lzma says .9988 of one law
and 1.0002 of two three deviations apart. Sorting does not help (.849 and .881). The tree code
describes laws: knowing the other world leaves .012 of the bits in the one case, all in the other.
"""

import lzma
import platform
import sys

import numpy as np
import scipy
from scipy import special
from timing import least

from inference.arrays.cells import Cells
from inference.arrays.codes import (
    correction_bits,
    distortion_curve,
    flat_code,
    tree_code,
    tree_code_given,
)

MEASUREMENTS, DRAWS, LEAVES, LOOPED = 10_000, 10_000, 64, 100
REPETITIONS = 200
COMPRESSED = 100_000
WORLDS = {
    "same": (0.0, 1.0),
    "shift .02": (0.02, 1.0),
    "shift .05": (0.05, 1.0),
    "shift .1": (0.1, 1.0),
    "shift .2": (0.2, 1.0),
    "shift .5": (0.5, 1.0),
    "shift 1": (1.0, 1.0),
    "shift 3": (3.0, 1.0),
    "scale .5": (0.0, 0.5),
    "scale 2": (0.0, 2.0),
}


def in_leaves(values, edges):
    """Counts of the leaves, (measurement, leaf), of values (measurement, draw)."""
    cuts = np.broadcast_to(edges, (len(values), LEAVES - 1))
    found = [np.searchsorted(*pair, side="right") for pair in zip(cuts, values, strict=True)]
    return np.stack([np.bincount(leaves, minlength=LEAVES) for leaves in found])


def speed():
    print(f"{platform.machine()}, numpy {np.__version__}, scipy {scipy.__version__}")
    rng = np.random.default_rng(0)
    edges = Cells.dyadic(6).edges(special.ndtri(np.arange(1, DRAWS) / DRAWS)[None])[0]
    laws = np.diff(special.ndtr(edges), prepend=0.0, append=1.0)
    off, on = rng.multinomial(DRAWS, laws, size=(2, MEASUREMENTS))
    rates = np.array([1e4])
    uniform = np.full(LEAVES, 1 / LEAVES)
    jobs = {
        "tree_code": lambda: tree_code(off),
        "tree_code_given": lambda: tree_code_given(off, on),
        "flat_code": lambda: flat_code(off),
        "distortion_curve, all 63 corrections": lambda: distortion_curve(off, uniform, rates),
    }
    pairs = list(zip(off[:LOOPED], on[:LOOPED], strict=True))
    loops = {
        "tree_code": lambda: [tree_code(counts) for counts in off[:LOOPED]],
        "tree_code_given": lambda: [tree_code_given(*pair) for pair in pairs],
        "flat_code": lambda: [flat_code(counts) for counts in off[:LOOPED]],
        "distortion_curve, all 63 corrections": lambda: [
            distortion_curve(counts, uniform, rates) for counts in off[:LOOPED]
        ],
    }
    print(f"{MEASUREMENTS} measurements of {LEAVES} cells; microseconds a measurement:")
    for name, job in jobs.items():
        ours = least(job) / MEASUREMENTS
        ratio = least(loops[name]) / LOOPED / ours
        print(f"  {name} {ours * 1e6:.1f}, {ratio:.0f} x that in a loop")


def drawn():
    """Counts of both worlds, world by world."""
    rng = np.random.default_rng(1)
    off = rng.normal(size=(REPETITIONS, DRAWS))
    edges = Cells.dyadic(6).edges(off)
    erased = in_leaves(off, edges)
    for world, (shift, scale) in WORLDS.items():
        on = shift + scale * rng.normal(size=off.shape)
        yield world, in_leaves(on, edges), erased


def lengths():
    print(f"model bits, mean and sd over {REPETITIONS} measurements of {DRAWS} + {DRAWS} draws:")
    print("world: DL(1), DL(0), DL(0|1), DL(1|0); share of DL(0|1) < 4; information bits")
    for world, on, off in drawn():
        let_in, erased, given = tree_code(on), tree_code(off), tree_code_given(off, on)
        codes = let_in, erased, given, tree_code_given(on, off)
        told = ", ".join(f"{c.model_bits.mean():.1f}±{c.model_bits.std():.1f}" for c in codes)
        information = (erased.bits - given.bits).mean()
        share = np.mean(given.model_bits < 4)
        print(f"  {world}: {told}; {share:.3f}; {information:.1f}")


def distortion():
    numbers = 0, 1, 2, 5, 10, 20
    rates = correction_bits(LEAVES) * np.array(numbers)
    print(f"total variation that is left at {rates.round(1)} bits, from nothing and given on:")
    for world, on, off in drawn():
        alone, given = tree_code(off), tree_code_given(off, on)
        curves = [distortion_curve(c.probabilities, c.start, rates) for c in (alone, given)]
        told = "; ".join(" ".join(f"{tv:.3f}" for tv in curve.mean(axis=0)) for curve in curves)
        print(f"  {world}: {told}")


def compressors():
    """Quantised to bytes, 32 to a standard deviation."""
    rng = np.random.default_rng(2)
    off = rng.normal(size=COMPRESSED)
    print(f"{COMPRESSED} draws a world: lzma's distance, raw and sorted; DL(0|1) / DL(0)")
    for world, (shift, scale) in WORLDS.items():
        on = shift + scale * rng.normal(size=COMPRESSED)
        raw = [np.clip(np.rint(32 * x), -128, 127).astype(np.int8) for x in (on, off)]
        ranked = [np.diff(np.sort(x), prepend=x.min()) for x in raw]
        counts = in_leaves(np.stack([on, off]), Cells.dyadic(6).edges(off[None]))
        ratio = tree_code_given(counts[1], counts[0]).model_bits / tree_code(counts[1]).model_bits
        print(f"  {world}: {distance(*raw):.4f}, {distance(*ranked):.4f}; {ratio:.3f}")


def distance(one, other):
    """Normalised compression distance of Cilibrasi and Vitányi (2005)."""
    x, y = one.tobytes(), other.tobytes()
    alone = [squeezed(x), squeezed(y)]
    return (squeezed(x + y) - min(alone)) / max(alone)


def squeezed(data):
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 2**24}]
    return len(lzma.compress(data, format=lzma.FORMAT_RAW, filters=filters))


if __name__ == "__main__":
    jobs = {job.__name__: job for job in (speed, lengths, distortion, compressors)}
    for name in sys.argv[1:] or jobs:
        jobs[name]()
