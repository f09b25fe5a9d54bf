"""What are the four posteriors really? Long NumPyro runs, written to tests/data.

Run: pip install numpyro, then python benchmarks/reference.py (minutes). First the world and the
NumPyro model must have the same density; then two runs of 4 x 8000 draws, with seeds of their
own, must agree; then eight schools must agree with posteriordb. What is written pools both runs:
mean, sd and the Monte Carlo error of each, per latent and derived quantity.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pyro
import torch
from arviz_stats.base import array_stats
from models import NAMES, load
from pyro import poutine
from pyro.infer.mcmc.util import initialize_model

from counterfactual_models.disciples import erased
from counterfactual_models.handlers import isolated, past

FILE = Path(__file__).parents[1] / "tests" / "data" / "posterior_references.json"
CHAINS, WARMUP, DRAWS, TARGET = 4, 2000, 8000, 0.95
SIGNIFICANT = 4.5  # standard errors that the worst of some hundred comparisons may be apart

# Mean and its Monte Carlo error of posteriordb's reference draws (10 chains of Stan), file
# posterior_database/reference_posteriors/summary_statistics/mean_value/mean_value/
# eight_schools-eight_schools_noncentered.json of github.com/stan-dev/posteriordb.
POSTERIORDB = {
    "mu": (4.4105, 0.0330),
    "tau": (3.6021, 0.0319),
    "theta": (
        [6.1505, 4.9396, 3.9059, 4.7960, 3.6144, 4.0511, 6.3172, 4.8840],
        [0.0557, 0.0462, 0.0542, 0.0475, 0.0461, 0.0485, 0.0499, 0.0543],
    ),
}


def main():
    if not have_numpyro():
        sys.exit("numpyro is missing: pip install numpyro")
    found = {}
    for name in NAMES:
        gap = density_gap(name)
        assert gap < 1e-8, f"{name}: the world and the NumPyro model differ by {gap:.2g}"
        runs = [long_run(name, seed) for seed in (1, 2)]
        first, second = ({k: summary(v) for k, v in run.items()} for run in runs)
        apart = {s: apart_by(first, second, s) for s in ("mean", "sd")}
        assert max(apart.values()) < SIGNIFICANT, f"{name}: two runs disagree, {apart}"
        pooled = {k: summary(np.concatenate([run[k] for run in runs])) for k in runs[0]}
        found[name] = {k: {s: rounded(v) for s, v in told.items()} for k, told in pooled.items()}
        rhat = max(float(np.max(kernel("rhat", v))) for run in runs for v in run.values())
        ess = min(float(np.min(kernel("ess", v, method="bulk"))) for v in runs[0].values())
        print(f"{name}: density gap {gap:.1e}; a run: ESS {ess:.0f}, R-hat {rhat:.4f};", end=" ")
        print(f"two runs apart by {apart['mean']:.1f} (mean), {apart['sd']:.1f} (sd) errors")
        if name == "eight_schools":
            theirs = {
                k: {"mean": np.array(m), "mcse_mean": np.array(e)}
                for k, (m, e) in POSTERIORDB.items()
            }
            apart = apart_by({k: pooled[k] for k in theirs}, theirs, "mean")
            print(f"eight_schools: apart from posteriordb by {apart:.1f} errors")
            assert apart < SIGNIFICANT
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(told_compactly(found))
    print(f"{FILE.name}: {FILE.stat().st_size / 1000:.0f} kB")


def have_numpyro():
    """Import NumPyro in float64 on one thread, if it is there."""
    os.environ.setdefault(
        "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    )
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    try:
        import numpyro
    except ImportError:
        return False
    numpyro.enable_x64()
    return True


def density_gap(name, points=5):
    """How far are the two log densities apart, but for a constant? On the unconstrained scale."""
    import jax
    from numpyro.infer.util import initialize_model as initialize_numpyro

    posterior = load(name)
    with isolated(0), pyro.validation_enabled(False):
        program = poutine.condition(past(posterior.world, erased), data=posterior.evidence)
        start, ours, _, _ = initialize_model(program)
        moved = [
            {k: v.detach() + 0.3 * torch.randn_like(v) for k, v in start.items()}
            for _ in range(points)
        ]
        mine = np.array([float(ours(point)) for point in moved])
    theirs = initialize_numpyro(jax.random.PRNGKey(0), posterior.numpyro()).potential_fn
    other = [float(theirs({k: v.numpy() for k, v in point.items()})) for point in moved]
    return float(np.ptp(mine - other) / np.abs(mine).max())


def long_run(name, seed):
    """Latents and derived quantities, arrays of (chain, draw, ...)."""
    import jax
    from numpyro.infer import MCMC, NUTS

    posterior = load(name)
    mcmc = MCMC(
        NUTS(posterior.numpyro(), target_accept_prob=TARGET),
        num_warmup=WARMUP,
        num_samples=DRAWS,
        num_chains=CHAINS,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(jax.random.PRNGKey(seed))
    diverging = int(mcmc.get_extra_fields()["diverging"].sum())
    assert diverging < 10, f"{name}: {diverging} draws diverge"
    latents = {k: np.asarray(v) for k, v in mcmc.get_samples(group_by_chain=True).items()}
    return latents | posterior.derived(latents)


def kernel(statistic, values, **options):
    """One of ArviZ's statistics for each element of an array of (chain, draw, ...)."""
    chains, draws, *shape = values.shape
    flat = np.moveaxis(values.reshape(chains, draws, -1), 2, 0)
    found = getattr(array_stats, statistic)(flat, chain_axis=1, draw_axis=2, **options)
    return np.reshape(found, shape)


def summary(values):
    """Mean and sd of an array of (chain, draw, ...), with their Monte Carlo errors."""
    mean, sd = values.mean((0, 1)), values.std((0, 1))
    # ArviZ 0.8 takes the effective draws of the mean for its mcse of the sd; NUTS has twice as
    # many of those as of the square.
    of_square = kernel("mcse", (values - mean) ** 2, method="mean")
    return {
        "mean": mean,
        "sd": sd,
        "mcse_mean": kernel("mcse", values, method="mean"),
        "mcse_sd": of_square / (2 * sd),
    }


def apart_by(first, second, statistic):
    """In standard errors, where it is worst."""
    return max(
        float(
            np.max(
                np.abs(first[k][statistic] - second[k][statistic])
                / np.hypot(first[k][f"mcse_{statistic}"], second[k][f"mcse_{statistic}"])
            )
        )
        for k in first
    )


def rounded(values):
    """Round to six digits: a Monte Carlo error is never below a hundred-thousandth."""
    return np.vectorize(lambda v: float(f"{v:.6g}"), otypes=[float])(values).tolist()


def told_compactly(found):
    """JSON with a line for each quantity of each posterior."""
    posteriors = []
    for name, quantities in found.items():
        lines = [
            f"  {json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}"
            for k, v in quantities.items()
        ]
        posteriors.append(f" {json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(posteriors) + "\n}\n"


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
