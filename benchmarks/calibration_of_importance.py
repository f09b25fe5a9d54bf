"""Does a disciple without effect leave the relative importance of the evidence where it was?

Run: python benchmarks/calibration_of_importance.py [repetitions]. A linear world of twenty data,
four latents and five measurements; its draws are independent, or chains of autocorrelation .9, and
the noise of both worlds is independent, or shared in part.

* rejected: share of repetitions with p <= .05 where the slopes are the same; 3.5 to 6.5 % is aimed
  at. For a disciple who changes slopes by so much, the power;
* trace, squared change: mean over repetitions, in brackets in standard errors of that mean: within
  two where the worlds are the same. Then the spread of the estimates, and their mean error;
* plugin, floor: what the formula gives with noise and all, and what it was said to give.
"""

import sys

import numpy as np
from scipy import signal

from inference.arrays.blocks import block_bounds
from inference.arrays.relative_slopes import relative_slopes
from inference.arrays.score_covariance import BLOCKS_FOR, block_slopes
from inference.arrays.sign_flips import random_signs

REPETITIONS, CHAINS, WARM = 1000, 4, 200
DATA, LATENTS, MEASURED = 20, 4, 5
RHO, SHARED = 0.9, 0.8
DRAWS = 1000, 4000
EFFECTS = 0.0, 0.05, 0.1, 0.3


class World:
    """Past and future, and slopes in deviations."""

    def __init__(self, seed=1):
        rng = np.random.default_rng(seed)
        self.see = rng.normal(size=(DATA, LATENTS))
        self.blur = rng.uniform(0.3, 1.5, size=DATA)
        self.reach = rng.normal(size=(MEASURED, LATENTS))
        self.turn = rng.normal(size=(MEASURED, LATENTS))
        seen = self.see.T / self.blur
        self.spread = np.linalg.inv(np.eye(LATENTS) + seen @ self.see)
        size, axes = np.linalg.eigh(self.see @ self.see.T + np.diag(self.blur))
        self.score = seen @ (axes * np.sqrt(size)) @ axes.T
        covariance = self.reach @ self.spread @ self.reach.T + np.eye(MEASURED)
        self.white = np.linalg.inv(np.linalg.cholesky(covariance))

    def slopes(self, effect):
        """In units of the erased world, (output, datum)."""
        return self.white @ (self.reach + effect * self.turn) @ self.spread @ self.score

    def drawn(self, rng, draws, effect, slow, shared):
        """Whitened outputs of both worlds, and scores of the draws."""
        luck = rng.normal(size=(CHAINS, draws // CHAINS + WARM, LATENTS))
        if slow:
            luck = signal.lfilter([np.sqrt(1 - RHO**2)], [1, -RHO], luck, axis=1)
        past = luck[:, WARM:].reshape(-1, LATENTS) @ np.linalg.cholesky(self.spread).T
        noise = rng.normal(size=(2, len(past), MEASURED))
        if shared:
            common = rng.normal(size=noise.shape[1:])
            noise = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * noise
        rows = [
            self.white @ (past @ (self.reach + x * effect * self.turn).T + noise[x]).T
            for x in (0, 1)
        ]
        return rows, past @ self.score


def compared(world, rng, draws, effect, slow, shared, signs):
    """One repetition."""
    rows, scores = world.drawn(rng, draws, effect, slow, shared)
    bounds = block_bounds(CHAINS, draws // CHAINS, effective=BLOCKS_FOR)
    erased, let_in = (block_slopes(one, scores, bounds) for one in rows)
    effective = draws * (1 - RHO) / (1 + RHO) if slow else draws
    pair = erased, let_in - erased
    return relative_slopes(lambda: [pair], DATA, signs=signs, effective=effective)


def table(repetitions):
    """Print a line for every case."""
    world = World()
    print("draws case effect | rejected | trace: mean (se) sd mcse | squared change: the same | "
          "trace plugin floor, squared plugin floor | not seen")  # fmt: skip
    for draws in DRAWS:
        for name, slow, shared in (
            ("independent", False, False),
            ("shared", False, True),
            ("slow", True, False),
        ):
            for effect in EFFECTS:
                rng = np.random.default_rng(draws)
                number = repetitions if effect == 0 else max(1, repetitions // 5)
                # Repetitions that share their signs share their errors.
                found = [
                    compared(
                        world, rng, draws, effect, slow, shared, random_signs(1000, 20, seed=seed)
                    )
                    for seed in range(number)
                ]
                moved = np.square(world.slopes(effect) - world.slopes(0.0)).sum()
                print(f"{draws} {name} {moved:.3f} | {said(found)}", flush=True)


def said(found):
    """Sum up the repetitions of a case."""
    parts = [f"{np.mean([one['p'] <= 0.05 for one in found]):.3f}"]
    for name in ("trace_distance", "squared_change"):
        values = np.array([one[name] for one in found])
        seen = np.isfinite(values)
        values, errors = values[seen], np.array([one[f"{name}_mcse"] for one in found])[seen]
        beyond = values.mean() / (values.std() / np.sqrt(len(values)))
        parts.append(
            f"{values.mean():.4f} ({beyond:.1f}) {values.std():.4f} "
            f"{np.sqrt(np.square(errors).mean()):.4f}"
        )
    means = [
        np.nanmean([one[f"{name}{end}"] for one in found])
        for name in ("trace_distance", "squared_change")
        for end in ("_plugin", "_floor")
    ]
    parts.append(" ".join(f"{mean:.4f}" for mean in means))
    parts.append(f"{np.mean([not one['seen'].all() for one in found]):.3f}")
    return " | ".join(parts)


if __name__ == "__main__":
    table(int(sys.argv[1]) if len(sys.argv) > 1 else REPETITIONS)
