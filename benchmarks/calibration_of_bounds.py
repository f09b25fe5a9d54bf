"""Do the bounds cover, and does the same world look the same, as often as they say?

Run: python benchmarks/calibration_of_bounds.py [repetitions]. Two thousand repetitions of every
case, from draws and from counts of draws: a measurement is a repetition.

* same: share of repetitions of the same world with p <= .05; 4 to 7 % is aimed at. Repetitions
  share their signs, so five times as many are drawn, each fifth with signs of its own;
* lower, upper: share of repetitions whose bound is on the right side of the total variation over
  their own cells, in closed form; 94 % or more;
* planted: of 100 000 measurements one in a hundred is moved by .1 deviations, 10 000 draws a side;
  at q <= .05, 85 % are to be found and 6 % of the findings to be false.
"""

import sys

import numpy as np
import xarray as xr
from scipy import signal, special, stats

from inference.arrays.blocks import block_bounds
from inference.arrays.cell_counts import block_counts
from inference.arrays.cells import Cells
from inference.arrays.multiplicity import false_discoveries
from inference.arrays.sign_flips import random_signs
from inference.arrays.total_variation import total_variation
from inference.diagnostics import coarse_graining
from inference.schema import encode_attrs

REPETITIONS, CHAINS, SEEDS = 2000, 4, 5
WARM, RHO, SHARED = 200, 0.9, 0.8
WAVES, DEPTH = 8, 0.5


def independent(rng, shape):
    """Draws that know nothing of each other."""
    return rng.normal(size=shape)


def shared(rng, shape):
    """Rows of both worlds with correlation .8."""
    common = rng.normal(size=(1, *shape[1:]))
    return np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * rng.normal(size=shape)


def slow(rng, shape):
    """Chains of autocorrelation .9."""
    worlds, chains, draws, repetitions = shape
    noise = rng.normal(size=(worlds, chains, draws + WARM, repetitions))
    made = signal.lfilter([np.sqrt(1 - RHO**2)], [1, -RHO], noise, axis=2)
    return made[:, :, WARM:]


def comb_cdf(share):
    """Eight waves on the uniform law."""
    angle = 2 * np.pi * WAVES
    return share + DEPTH * (1 - np.cos(angle * share)) / angle


GRID = np.linspace(0, 1, 100_001)


def comb(noise):
    """Noise whose ranks have eight waves."""
    return special.ndtri(np.clip(np.interp(special.ndtr(noise), comb_cdf(GRID), GRID), 1e-12, 1))


def spike(noise):
    """One draw in a hundred at five deviations."""
    share = special.ndtr(noise)
    far = 5 + 0.1 * special.ndtri(np.clip((share - 0.99) / 0.01, 1e-12, 1 - 1e-12))
    near = special.ndtri(np.clip(share / 0.99, 1e-12, 1 - 1e-12))
    return np.where(share > 0.99, far, near)


STUDENT = stats.t(3, scale=1 / np.sqrt(3))
# How a let-in world is made of normal noise, and its distribution function.
WORLDS = {
    "same": (lambda z: z, special.ndtr),
    "shift .2": (lambda z: z + 0.2, lambda x: special.ndtr(x - 0.2)),
    "shift 1": (lambda z: z + 1, lambda x: special.ndtr(x - 1)),
    "scale 1.2": (lambda z: 1.2 * z, lambda x: special.ndtr(x / 1.2)),
    "t3": (lambda z: STUDENT.ppf(special.ndtr(z)), STUDENT.cdf),
    "spike": (spike, lambda x: 0.99 * special.ndtr(x) + 0.01 * special.ndtr((x - 5) / 0.1)),
    "comb": (comb, lambda x: comb_cdf(special.ndtr(x))),
}


def drawn(values):
    """Worlds whose draws were kept; values (world, chain, draw, repetition)."""
    y = (["disciple", "chain", "draw", "case"], values, {"role": "measurement"})
    return xr.Dataset({"y": y}, coords={"disciple": ["erased", "let in"]})


def counted(values, edges):
    """Worlds whose draws were counted in cells."""
    worlds, chains, draws, repetitions = values.shape
    bounds = block_bounds(chains, draws, effective=float(chains * draws))
    rows = values.reshape(worlds, -1, repetitions)
    counts = np.stack([block_counts(world.T, edges, bounds) for world in rows])
    attrs = {"chains": chains, "draws": draws, "futures": 1, "bounds": bounds.tolist()}
    group = xr.Dataset(
        {
            "cell_counts": (["disciple", "count_part", "count_cell", "case"], counts),
            "cell_edges": (["case", "cell_edge"], edges),
        },
        coords={
            "disciple": ["erased", "let in"],
            "count_block": ("count_part", np.arange(len(bounds) - 1)),
        },
    )
    top = xr.Dataset(attrs=encode_attrs(attrs))
    return xr.DataTree.from_dict({"cell_counts": top, "cell_counts/y": group})


def table(repetitions):
    """Print how often every case is rejected or covered."""
    print(f"{repetitions} repetitions; rejected | lower and upper that cover; from draws, counts")
    for total in (1000, 4000):
        for noise in (independent, shared, slow):
            shape = 2, CHAINS, total // CHAINS, repetitions
            said = []
            for case in WORLDS:
                rng = np.random.default_rng(total)
                parts = [
                    looked(noise(rng, shape), case, seed)
                    for seed in range(SEEDS if case == "same" else 1)
                ]
                said.append(f"{case} {shown(np.mean(parts, axis=0), case)}")
            print(f"n={total} {noise.__name__}: {' | '.join(said)}", flush=True)


def looked(values, case, seed):
    """Shares rejected, below and above, (draws or counts, 3)."""
    made, cdf = WORLDS[case]
    values[1] = made(values[1])
    values = values.astype(np.float32)
    edges = Cells().edges(values[0].reshape(-1, values.shape[-1]).T)
    share = np.diff(cdf(padded(edges)) - special.ndtr(padded(edges)), axis=1)
    truth = 0.5 * np.abs(share).sum(axis=1)
    shares = []
    for worlds in (drawn(values), counted(values, edges)):
        found = coarse_graining(worlds, seed=seed).isel(disciple=0)
        good = found["p"] <= 0.05, found["lower"] <= truth, found["upper"] >= truth
        shares.append([one.mean().item() for one in good])
    return shares


def shown(shares, case):
    """Say what is asked of a case."""
    if case == "same":
        return ", ".join(f"{rejected:.3f}" for rejected, _, _ in shares)
    return ", ".join(f"{lower:.3f} {upper:.3f}" for _, lower, upper in shares)


def padded(edges):
    """Edges with both ends of the line."""
    ends = np.full((len(edges), 1), np.inf)
    return np.concatenate([-ends, edges, ends], axis=1)


def planted(measurements, total=10_000, step=1000):
    """Print how many small effects are found among many measurements, and how many falsely."""
    rng = np.random.default_rng(1)
    bounds = block_bounds(CHAINS, total // CHAINS, effective=float(total))
    signs = random_signs(4000, len(bounds) - 1)
    moved = rng.random(measurements) < 0.01
    chances = []
    for start in range(0, measurements, step):
        values = rng.standard_normal((2, total, step), dtype=np.float32)
        values[1] += 0.1 * moved[start : start + step]
        found = total_variation(
            values.transpose(2, 0, 1), bounds=bounds, signs=signs, effective=float(total)
        )
        chances.append(found["p"][0])
    called = false_discoveries(np.concatenate(chances)[None])[0] <= 0.05
    print(
        f"planted: of {moved.sum()} moved by .1 among {measurements}, found "
        f"{np.mean(called[moved]):.3f}; of {called.sum()} findings false "
        f"{np.mean(~moved[called]):.3f}"
    )


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else REPETITIONS
    table(number)
    planted(100 * number // 2)
