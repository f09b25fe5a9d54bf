"""Posteriors of hard shapes: is what comes back right, or does the verdict say that it is not?

Run: python benchmarks/hard_shapes.py [method] [seeds]. Truth by closed forms, or by 400 000
independent draws. A run is wrong when the share of draws below a true quantile (5, 50, 95 %) is
off by more than four Monte Carlo errors of its own effective draws and by more than 0.02.
"""

import sys
import time
import warnings

import arviz_stats as azs
import numpy as np
import pyro
import pyro.distributions as dist
import torch
import xarray as xr
from pyro.distributions import transforms

import counterfactual_models as cm
import inference

LEVELS = (0.05, 0.5, 0.95)


def world(shape):
    """Make a world whose past has that shape: its evidence says nothing about it."""

    def program(disciple):
        shape()
        pyro.sample("heard", dist.Normal(0.0, 1.0))
        cm.measure("one", torch.as_tensor(float(cm.switch())))

    return program


def funnel():
    v = pyro.sample("v", dist.Normal(0.0, 3.0))
    with pyro.plate("place", 9):
        pyro.sample("x", dist.Normal(0.0, (v / 2).exp()))


def banana():
    x = pyro.sample("x", dist.Normal(0.0, 10.0))
    pyro.sample("y", dist.Normal(0.03 * (x**2 - 100.0), 1.0))


def strong_correlation():
    covariance = 0.999 * torch.ones(20, 20) + 0.001 * torch.eye(20)
    pyro.sample("x", dist.MultivariateNormal(torch.zeros(20), covariance))


def heavy_tails():
    with pyro.plate("place", 5):
        pyro.sample("x", dist.Cauchy(0.0, 1.0))


def student():
    with pyro.plate("place", 5):
        pyro.sample("x", dist.StudentT(3.0, 0.0, 1.0))


def two_modes():
    parts = dist.Normal(torch.tensor([-8.0, 8.0]), 1.0)
    weights = dist.Categorical(torch.tensor([0.3, 0.7]))
    pyro.sample("x", dist.MixtureSameFamily(weights, parts))


def unequal_modes():
    parts = dist.Normal(torch.tensor([0.0, 30.0]), torch.tensor([1.0, 3.0]))
    weights = dist.Categorical(torch.tensor([0.8, 0.2]))
    pyro.sample("x", dist.MixtureSameFamily(weights, parts))


def near_modes():
    parts = dist.Normal(torch.tensor([-2.5, 2.5]), 1.0)
    weights = dist.Categorical(torch.tensor([0.3, 0.7]))
    pyro.sample("x", dist.MixtureSameFamily(weights, parts))


def simplex():
    pyro.sample("x", dist.Dirichlet(torch.tensor([0.2, 1.0, 5.0, 10.0])))


def correlation_matrix():
    pyro.sample("x", dist.LKJCholesky(4, torch.tensor(1.5)))


def ordered_vector():
    base = dist.Normal(torch.zeros(4), 1.0).to_event(1)
    pyro.sample("x", dist.TransformedDistribution(base, [transforms.OrderedTransform()]))


SHAPES = {
    shape.__name__: shape
    for shape in (
        funnel,
        banana,
        strong_correlation,
        heavy_tails,
        student,
        two_modes,
        unequal_modes,
        near_modes,
        simplex,
        correlation_matrix,
        ordered_vector,
    )
}


def wishart_correlations(draws):
    """Cholesky factors of LKJ(1.5) matrices: correlations of 6 normal rows of 4.

    torch's own sampler draws rows after the second too wide (variance .21 instead of 1/6).
    """
    rows = np.random.default_rng(77).normal(size=(draws, 6, 4))
    products = rows.swapaxes(1, 2) @ rows
    scale = np.sqrt(np.einsum("nii->ni", products))
    return np.linalg.cholesky(products / scale[:, :, None] / scale[:, None, :])


def truth(name):
    """Quantiles of every element that moves, from independent draws of the program itself."""
    if name == "correlation_matrix":
        drawn = xr.Dataset({"x": (("draw", "x_dim_0", "x_dim_1"), wishart_correlations(400_000))})
        return drawn.quantile(LEVELS, "draw")
    tree = inference.sample_posterior(
        world(SHAPES[name]), draws=100_000, chains=4, seed=77, progress=False
    )
    drawn = tree["posterior"].to_dataset().drop_vars("heard")
    return drawn.quantile(LEVELS, ("chain", "draw"))


def wrongness(tree, quantiles):
    """Largest error of a share below a true quantile, where it is above four MC errors."""
    drawn = tree["posterior"].to_dataset()
    worst = 0.0
    for name, levels in quantiles.items():
        below = (drawn[name] <= levels).astype(float)
        moves = levels.max("quantile") > levels.min("quantile") + 1e-6
        error = abs(below.mean(("chain", "draw")) - levels["quantile"])
        ess = azs.ess(below, method="mean").clip(1.0)
        level = levels["quantile"]
        noise = np.sqrt(level * (1 - level) / ess)
        real = error.where((error > 4 * noise.fillna(1.0)) & (error > 0.02) & moves, 0.0)
        worst = max(worst, float(real.max()))
    return worst


def drawn(name, method, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return inference.sample_posterior(
            world(SHAPES[name]), {"heard": 0.3}, method, seed=seed, progress=False
        )


def run(name, method, seeds):
    """Count right and wrong runs by what the verdict said of them."""
    quantiles = truth(name)
    counts = {(good, right): 0 for good in (True, False) for right in (True, False)}
    errors, said, methods = [], [], []
    begun = time.process_time()
    for seed in range(seeds):
        try:
            tree = drawn(name, method, seed)
        except cm.WorldError as error:
            counts[False, True] += 1
            methods.append("refused")
            said.append(str(error))
            continue
        verdict = tree.attrs["verdict"]
        error = wrongness(tree, quantiles)
        good = verdict.startswith("good")
        counts[good, error == 0] += 1
        methods.append(tree.attrs["method"])
        if error and good:
            errors.append(f"{error:.2f}")
        if not good:
            said.append(verdict)
    seconds = (time.process_time() - begun) / seeds
    used = ", ".join(f"{m} {methods.count(m)}" for m in sorted(set(methods)))
    print(
        f"| {name} | {counts[True, True]} | {counts[False, True]} | {counts[False, False]} | "
        f"{counts[True, False]} | {seconds:.1f} | {used} | {' '.join(errors)} {said[:1]} |",
        flush=True,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    method = sys.argv[1] if len(sys.argv) > 1 else "auto"
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    print("| shape | good, right | bad, right | bad, wrong | good, WRONG | CPU s | engine | |")
    print("|---|---|---|---|---|---|---|---|")
    for name in sys.argv[3:] or SHAPES:
        run(name, method, seeds)
