"""Do draws of the mesa world show the bits of the allocation formula, and where search must stop?

Run: python benchmarks/mesa.py (two minutes). In each regime, at the best x, worlds are drawn with
all of the training erased, and bits counted: C against A, by how many of the untrained policies
do as well. What is predicted is the formula (P - f(x))/N + x and the offset of the summary. Then
x is swept, the same noise at every x, and the best one measured stands beside x* predicted.
"""

from functools import cache

import numpy as np

import inference
from counterfactual_models import zoo
from counterfactual_models.zoo.mesa import Search
from inference.arrays.delegation.allocation import allocate
from inference.arrays.delegation.costs import LinearCost, QuadraticCost

LINE, BOWL = LinearCost(3.0, fixed=4.0), QuadraticCost(1.0, fixed=4.0)
CASES = (  # power, instances, cost, limit
    (16.0, 2, LINE, None),
    (36.0, 4, LINE, None),
    (48.0, 8, BOWL, None),
    (48.0, 12, BOWL, None),
    (48.0, 16, BOWL, None),
    (28.0, 8, LINE, None),
    (64.0, 8, LINE, 4.0),
    (80.0, 16, BOWL, 5.0),
)
SUMMARIES = ("expected", "mean_tail", "log2_n")
DRAWS, SEEDS, STEPS = 2**19, 8, 27
LN2 = np.log(2)


def main():
    print(f"bits of C relative to A, {DRAWS} draws of each, offset of the summary taken off\n")
    names = "".join(f" {name:>15}" for name in SUMMARIES)
    print(f"regime    P  N cost     x* formula{names}  x* swept (offset left on)")
    errors = {name: [] for name in SUMMARIES}
    for case, (power, instances, cost, limit) in enumerate(CASES):
        best = allocate(power, instances, cost, limit)
        shown = []
        options = {"power": power, "instances": instances, "cost": cost}
        for run in range(SEEDS):
            # Untrained worlds of one seed are the same in every case.
            found = measured(SEEDS * case + run, bits=best.x, **options)
            truth = loaded(bits=best.x, **options).exact
            level = truth(Search(best.x)).levels["A->C"]
            for name in SUMMARIES:
                bits, error = found[name]
                errors[name].append((bits - getattr(level, name)) / error)
                if not run:
                    offset = getattr(level, name) - level.formula
                    shown.append(f" {bits - offset:8.3f}+-{error:.3f}")
        kind = type(cost).__name__.removesuffix("Cost").lower()
        print(
            f"{best.regime:8} {power:2g} {instances:2} {kind:9}{best.x:5.2f} {best.value:6.3f} "
            + "".join(shown),
            " ".join(
                f"{swept(most(cost, power, limit), **options)[name]:.2f}" for name in SUMMARIES
            ),
        )
    print("\n(measured - predicted) / standard error, over all regimes and seeds:")
    for name, z in errors.items():
        within = np.mean(np.abs(z) < 2)
        print(f"  {name:9} mean {np.mean(z):+.2f}, sd {np.std(z):.2f}, within 2: {within:.0%}")


def most(cost, power, limit):
    """Bits of search that can be paid for, and done."""
    return min(float(cost.budget(power)), np.inf if limit is None else limit)


def swept(highest, **options):
    """Which x shows most bits, by each summary."""
    grid = np.linspace(0, highest, STEPS)
    found = [measured(0, draws=DRAWS // 4, bits=float(bits), **options) for bits in grid]
    return {name: grid[np.argmax([one[name][0] for one in found])] for name in SUMMARIES}


def measured(seed, draws=DRAWS, **options):
    """Bits of each summary and its standard error, with all of the training erased."""
    example = loaded(**options)
    past = past_of(options["instances"])
    worlds = inference.sample_worlds(
        example.world,
        past,
        {"search": example.disciples["search"]},
        futures=max(1, draws // (options["instances"] * past["posterior"].era.size)),
        seed=seed,
        progress=False,
    )["predictions"]
    erased, search = (worlds.quality.sel(disciple=name).values for name in ("erased", "search"))
    return counted(search.ravel(), erased.ravel())


def loaded(**options):
    return zoo.load("mesa", erase="training", **options)


@cache
def past_of(instances):
    """Draws of the past, which is the same whatever the training left behind."""
    example = zoo.load("mesa", power=0, bits=0, instances=instances)
    past = inference.sample_posterior(
        example.world, example.evidence, "laplace", draws=256, chains=4, progress=False
    )
    del past.attrs["world_hash"]
    return past


def counted(achieved, baseline):
    """Count bits, and their standard error from both samples; draws are independent here."""
    achieved, baseline = np.sort(achieved), np.sort(baseline)
    tail = baseline.size - np.searchsorted(baseline, achieved) + 0.5
    tail /= baseline.size + 1
    found = {}
    for name, values, slopes in (
        ("expected", -np.log2(tail), -1 / (tail * LN2)),
        ("mean_tail", tail, np.ones_like(tail)),
        ("log2_n", -np.log1p(-tail), 1 / (1 - tail)),
    ):
        passed = np.searchsorted(achieved, baseline, side="right")
        share = np.append(0.0, slopes.cumsum())[passed] / achieved.size
        error = np.hypot(values.std() / achieved.size**0.5, share.std() / baseline.size**0.5)
        mean = values.mean()
        found[name] = (mean, error) if name == "expected" else (-np.log2(mean), error / mean / LN2)
    return found


if __name__ == "__main__":
    main()
