"""What do all derivatives by the evidence cost, against refits of central differences?

The world is linear and Gaussian, so that the truth is known: 20 data, 5 outcomes. A refit draws
the posterior and its worlds anew with one datum a deviation higher, another one lower: forty of
them for twenty data. Errors are relative to the length of the true Jacobian; the ratio is that of
the times at equal error, errors falling with the root of the draws.

    python benchmarks/importance.py [method] [refit so many of the 20 data; the rest is scaled up]
"""

import sys
import time

import numpy as np
from timing import least

import inference
from counterfactual_models import zoo
from inference.arrays.score_covariance import slopes
from inference.diagnostics import evidence_gradient

DATA, OUTCOMES, FUTURES = 20, 5, 4
SETTINGS = {"draws": 1000, "chains": 4, "progress": False}


def worlds_of(example, evidence, seed=0):
    """Posterior and worlds, and the time that they took."""
    start = time.process_time()
    past = inference.sample_posterior(example.world, evidence, seed=seed, **SETTINGS)
    let_in = {"follow": example.disciples["follow"]}
    drawn = inference.sample_worlds(
        example.world, past, let_in, futures=FUTURES, seed=seed, progress=False
    )
    return drawn, time.process_time() - start


def level(drawn):
    """Means of the outcomes, (world, outcome)."""
    return drawn["predictions"]["level"].mean(["chain", "draw", "future"]).values


def by_scores(example, drawn, truth):
    """Time of the scores and of all slopes; their error, and the spreads of the data."""
    let_in = {"follow": example.disciples["follow"]}
    start = time.process_time()
    scored = inference.with_scores(example.world, drawn, let_in, progress=False)
    middle = time.process_time()
    found = evidence_gradient(scored)["gradient"].values
    spent = middle - start, time.process_time() - middle
    spread = scored["evidence_scales"]["e"].sel(statistic="loo_sd").values
    return *spent, length(found - truth) / length(truth), spread


def by_refits(example, truth, step, limit):
    """Mean time of a refit, and the error of central differences."""
    found, times = np.empty((2, OUTCOMES, limit)), []
    for datum in range(limit):
        ends = []
        for side in (1, -1):
            evidence = {"e": example.evidence["e"].clone()}
            evidence["e"][datum] += side * step[datum]
            drawn, spent = worlds_of(example, evidence, seed=2 * datum + (side > 0))
            ends.append(level(drawn))
            times.append(spent)
        found[:, :, datum] = (ends[0] - ends[1]) / (2 * step[datum])
    return np.mean(times), length(found - truth[..., :limit]) / length(truth[..., :limit])


def length(array):
    return float(np.sqrt(np.sum(np.square(array))))


def main(limit):
    example = zoo.load("gaussian", latents=4, data=DATA, outcomes=OUTCOMES)
    exact = example.exact(example.disciples["follow"])
    truth = np.stack([exact.gradient[0], exact.gradient[1]])
    drawn, _ = worlds_of(example, example.evidence)
    cold = by_scores(example, drawn, truth)[0]
    scores, product, error, spread = by_scores(example, drawn, truth)
    fit, refitted = by_refits(example, truth, spread, limit)
    ours, refits = fit + scores + product, 2 * DATA * fit
    equal = refits / ours * (refitted / error) ** 2
    print(f"a posterior and its worlds, {SETTINGS['method']}  {fit:8.2f} s (mean of {2 * limit})")
    print(f"scores and scales (cold, warm)   {cold:8.2f} s {scores:8.2f} s")
    print(f"gradient of all means by all data{product:8.3f} s")
    print(f"  both, of the posterior         {100 * (scores + product) / fit:8.2f} %")
    print(f"relative error                   {error:8.3f}")
    print(f"{2 * DATA} refits                        {refits:8.1f} s, {refits / ours:.1f} x")
    print(f"relative error                   {refitted:8.3f}")
    print(f"time of refits at equal error    {equal:8.1f} x")

    rng = np.random.default_rng(0)
    outputs, data = rng.normal(size=(2000, 4000)), rng.normal(size=(4000, 2000))
    bare = least(lambda: outputs @ data)
    whole = least(lambda: slopes(outputs, data, np.arange(0, 4001, 200)))
    print(
        f"4000 draws x 2000 data x 2000 outputs: {whole:.2f} s, {whole / bare:.2f} x the product"
    )


if __name__ == "__main__":
    SETTINGS["method"] = sys.argv[1] if len(sys.argv) > 1 else "hmc"
    main(int(sys.argv[2]) if len(sys.argv) > 2 else DATA)
