"""What does a joint witness see of a known impact, and what does it cost?

Run: OMP_NUM_THREADS=1 python benchmarks/joint.py. Held-out differences of 10 000 draws a side
beside the true total variation; CPU seconds of one thread for the witness that is chosen.
"""

import time
import warnings

import numpy as np
import xarray as xr
from scipy import stats

from inference.arrays.held_out import event_difference, held_out_events
from inference.arrays.naive_bayes import expected_difference
from inference.arrays.sign_flips import random_signs
from inference.diagnostics.joint_coarse_graining import joint_coarse_graining

CHAINS, DRAWS = 4, 2500
KINDS = ("naive_bayes", "lda", "qda", "mlp", "cells")


def scaled(dimensions, scale=1.2):
    radius = dimensions * np.log(scale**2) / (1 - scale**-2)
    law = stats.chi2(dimensions)
    return abs(law.cdf(radius) - law.cdf(radius / scale**2))


def cases(rng):
    """Name, let-in and erased draws (measurement, row), truth."""

    def noise(dimensions):
        return rng.normal(size=(2, dimensions, CHAINS * DRAWS))

    shift = 2 * stats.norm.cdf(0.5) - 1
    for d in (2, 10, 100):
        on, off = noise(d)
        yield f"dense shift, {d}", on + 1 / np.sqrt(d), off, shift
    on, off = noise(100)
    on[0] += 1
    yield "sparse shift, 100", on, off, shift
    for d in (10, 100):
        on, off = noise(d)
        yield f"scale 1.2, {d}", 1.2 * on, off, scaled(d)
    for d in (2, 100):
        on, off = noise(d)
        on[1] = 0.5 * on[0] + np.sqrt(0.75) * on[1]
        off[1] = -0.5 * off[0] + np.sqrt(0.75) * off[1]
        yield f"correlation 1/2 and -1/2, {d}", on, off, 1 / 3
    on, off = (noise(10) > 0).astype(float)
    on[9] = on[:9].sum(axis=0) % 2
    yield "parity of 9, 10", on, off, 0.5
    on, off = noise(100)
    yield "null, 100", on, off, 0.0


def tree(on, off):
    values = np.stack([off, on]).reshape(2, -1, CHAINS, DRAWS).transpose(0, 2, 3, 1)
    return xr.Dataset(
        {"y": (("disciple", "chain", "draw", "thing"), values, {"role": "measurement"})},
        coords={"disciple": ["erased", "let in"], "thing": np.arange(values.shape[-1])},
    )


def thin(measurements, draws, shift):
    """Many measurements moved by hardly anything, drawn and judged chunk by chunk."""

    def parts():
        rng, chunk = np.random.default_rng(0), 100
        for _ in range(0, measurements, chunk):
            values = rng.standard_normal(size=(chunk, 2, draws), dtype=np.float32)
            values[:, 1] += np.float32(shift)
            yield values

    bounds = np.linspace(0, draws, 41).astype(int)
    start = time.process_time()
    for _ in parts():
        pass
    drawn = time.process_time() - start
    start = time.process_time()
    found = held_out_events(parts(), kinds=["naive_bayes"], bounds=bounds)[0]
    spent = time.process_time() - start - drawn
    signs = random_signs(1000, 40)
    judged = event_difference(found, bounds=bounds, signs=signs, effective=draws)
    expected = expected_difference(np.full(measurements, shift), draws=draws // 2)
    truth = 2 * stats.norm.cdf(shift * np.sqrt(measurements) / 2) - 1
    print(
        f"{measurements} measurements x {draws} draws a side, each shifted by {shift}: truth "
        f"{truth:.4f}, expected {expected:.4f}, held out {judged['held_out']:.4f} "
        f"+- {judged['mcse']:.4f}; {spent:.1f} s, {spent / drawn:.2f} x drawing them, "
        f"{spent / (2 * measurements * draws) * 1e9:.1f} ns a value"
    )


def main():
    print(f"{'case':32s}{'truth':>8s}", *(f"{kind:>12s}" for kind in KINDS), f"{'auto':>18s}")
    for name, on, off, truth in cases(np.random.default_rng(0)):
        worlds, row = tree(on, off), []
        for kind in KINDS:
            if kind == "cells" and len(on) > 3:
                row.append(f"{'':>12s}")
                continue
            judged = joint_coarse_graining(worlds, witness=kind)
            row.append(f"{judged['held_out'].item():12.3f}")
        start = time.process_time()
        judged = joint_coarse_graining(worlds)
        spent = time.process_time() - start
        auto = f"{judged['held_out'].item():.3f} {judged['witness'].item()} {spent:.1f} s"
        print(f"{name:32s}{truth:8.3f}", *row, f"  {auto}", flush=True)
    thin(10_000, 20_000, 0.03)
    thin(10_000, 20_000, 0.01)
    thin(10_000, 10_000, 0.0)


if __name__ == "__main__":
    warnings.simplefilter("error")
    main()
