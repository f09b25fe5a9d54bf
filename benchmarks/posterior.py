"""What does a posterior cost? Four of them, ours against NumPyro's and Pyro's own NUTS.

Run: pip install numpyro, then python benchmarks/posterior.py (half an hour, most of it Pyro's).
CPU seconds of one thread, those of a compiler it calls included. Each measurement has a process
of its own; the clock starts when the libraries are imported, and what a library imports later is
on its bill. A posterior is reached when its worst number, latent or derived, has a bulk ESS of
1000: seconds until the first draw after the warm-up, plus 1000 / rate. Pyro's NUTS is
extrapolated so from fewer draws, and from two chains to the four that NumPyro runs. All draws
are held against tests/data/posterior_references.json.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

WANTED = 1000
AGREES = (
    5.0  # errors that the worst of up to 400 means may be apart; beyond, speed is worth nothing
)
TIMES = 3  # the median is told; of Pyro's NUTS, one

# Draws of each chain: enough for an ESS near 1000 or a steady rate. NUTS: four chains each.
NUTS_CHAINS, NUTS_WARMUP = 4, 500
PYRO_CHAINS = 2  # that are run; their mean warm-up is charged for all four
NUMPYRO_DRAWS = {
    "eight_schools": 4000,
    "hierarchical": 4000,
    "logistic": 2000,
    "latent_path": 8000,
}
PYRO_DRAWS = {"eight_schools": 500, "hierarchical": 500, "logistic": 500, "latent_path": 500}
HMC_CHAINS = 64
HMC_DRAWS = {"eight_schools": 100, "hierarchical": 100, "logistic": 100, "latent_path": 300}

ENGINES = ("pyro", "numpyro", "torchscript", "inductor", "inductor again")
HEADS = {
    "pyro": "Pyro NUTS",
    "numpyro": "NumPyro NUTS",
    "torchscript": "hmc, TorchScript",
    "inductor": "hmc, inductor, empty cache",
    "inductor again": "hmc, inductor, from its cache",
}
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",  # else in processes that are not waited for
}


def cpu_seconds():
    """CPU seconds of this process and of the children it waited for."""
    told = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(t.ru_utime + t.ru_stime for t in told)


# ---------------------------------------------------- one measurement, in its own process
def with_hmc(posterior, name, executor, seed):
    import torch

    from inference import sample_posterior

    torch.set_num_threads(1)
    begun = cpu_seconds()
    tree = sample_posterior(
        posterior.world,
        posterior.evidence,
        "hmc",
        compile=executor,
        draws=HMC_DRAWS[name],
        chains=HMC_CHAINS,
        seed=seed,
        log_likelihood=False,
        progress=False,
    )
    total = cpu_seconds() - begun
    told = {k: float(tree.attrs[f"{k}_seconds"]) for k in ("compile", "warmup", "sampling")}
    latents = {str(k): v.values for k, v in tree["posterior"].data_vars.items()}
    return latents, {**told, "before": total - told["sampling"]}


def with_numpyro(posterior, name, seed):
    import jax
    from numpyro.infer import MCMC, NUTS

    begun = cpu_seconds()
    mcmc = MCMC(
        NUTS(posterior.numpyro()),
        num_warmup=NUTS_WARMUP,
        num_samples=NUMPYRO_DRAWS[name],
        num_chains=NUTS_CHAINS,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(jax.random.PRNGKey(seed))
    jax.block_until_ready(mcmc.get_samples())
    total = cpu_seconds() - begun
    # A second mcmc.run would compile again; the loop of draws alone is compiled here, then timed.
    kernel, constrain = mcmc.sampler, jax.vmap(mcmc.sampler.postprocess_fn((), {}))

    def draw(state, _):
        state = kernel.sample(state, (), {})
        return state, constrain(state.z)

    loop = jax.jit(lambda state: jax.lax.scan(draw, state, None, length=NUMPYRO_DRAWS[name]))
    loop = loop.lower(mcmc.last_state).compile()
    begun = cpu_seconds()
    draws = jax.block_until_ready(loop(mcmc.last_state)[1])
    sampling = cpu_seconds() - begun
    latents = {k: v.swapaxes(0, 1) for k, v in draws.items() if k in mcmc.get_samples()}
    return latents, {"sampling": sampling, "before": total - sampling}


def with_pyro(posterior, name, seed):
    """NUTS of Pyro on the same world, one chain after another, without validation."""
    import pyro
    import torch
    from pyro import poutine
    from pyro.infer import MCMC, NUTS

    from counterfactual_models.disciples import erased
    from counterfactual_models.handlers import isolated, past

    torch.set_num_threads(1)
    program = poutine.condition(past(posterior.world, erased), data=dict(posterior.evidence))
    chains, before, sampling = [], 0.0, 0.0
    for chain in range(PYRO_CHAINS):
        warm = 0.0

        def watch(kernel, samples, stage, done):
            nonlocal warm
            if "Warmup" in stage and done == NUTS_WARMUP - 1:
                warm = cpu_seconds()

        begun = cpu_seconds()
        with isolated(seed * PYRO_CHAINS + chain), pyro.validation_enabled(False):
            mcmc = MCMC(
                NUTS(program),
                num_samples=PYRO_DRAWS[name],
                warmup_steps=NUTS_WARMUP,
                disable_progbar=True,
                hook_fn=watch,
            )
            mcmc.run()
        before += warm - begun
        sampling += cpu_seconds() - warm
        chains.append(mcmc.get_samples())
    latents = {k: torch.stack([chain[k] for chain in chains]).numpy() for k in chains[0]}
    return latents, {"sampling": sampling, "before": before * NUTS_CHAINS / PYRO_CHAINS}


def measure(name, engine, seed):
    """Make one measurement, in a process that has done nothing else, and print it as JSON."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    from models import load
    from reference import FILE, apart_by, have_numpyro, kernel, summary

    posterior = load(name)
    if engine == "numpyro":
        have_numpyro()
        latents, told = with_numpyro(posterior, name, seed)
    elif engine == "pyro":
        latents, told = with_pyro(posterior, name, seed)
    else:
        latents, told = with_hmc(posterior, name, engine.split()[0], seed)
    import numpy as np

    values = {k: np.asarray(v) for k, v in latents.items()}
    values |= posterior.derived(values)
    expected = {
        k: {statistic: np.array(v) for statistic, v in of_one.items()}
        for k, of_one in json.loads(FILE.read_text())[name].items()
    }
    ess = {k: float(kernel("ess", v, method="bulk").min()) for k, v in values.items()}
    worst = min(ess, key=ess.__getitem__)
    rate = ess[worst] / told["sampling"]
    found = {
        **told,
        "ess": ess[worst],
        "worst": worst,
        "rhat": max(float(kernel("rhat", v).max()) for v in values.values()),
        "apart": apart_by({k: summary(v) for k, v in values.items()}, expected, "mean"),
        "rate": rate,
        "cold": told["before"] + WANTED / rate,
    }
    print(json.dumps(found))


# ------------------------------------------------------------------- all measurements
def in_a_process(name, engine, seed, cache):
    """Run one measurement in a fresh process; raise with what it said if it fails."""
    command = [sys.executable, __file__, "--one", name, engine, str(seed)]
    env = {**os.environ, **ONE_THREAD, "TORCHINDUCTOR_CACHE_DIR": cache}
    ran = subprocess.run(command, env=env, capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"{name}, {engine}: {ran.stderr[-2000:]}")
    found = json.loads(ran.stdout.splitlines()[-1])
    parts = "".join(f", {k} {found[k]:.2f}" for k in ("compile", "warmup") if k in found)
    print(
        f"{name}, {engine}, seed {seed}: {found['before']:.2f} s before the first draw{parts}, "
        f"{found['rate']:.1f} ESS/s (ESS {found['ess']:.0f} of {found['worst']}, "
        f"R-hat {found['rhat']:.3f}), cold to ESS {WANTED} {found['cold']:.2f} s; "
        f"apart from the reference by {found['apart']:.1f} errors",
        flush=True,
    )
    return found


def measure_all(names, engines, times):
    """Give the median measurement of each engine on each posterior: cold, rate, apart."""
    rows = {}
    for name in names:
        for seed in range(times):  # engines in turns: whatever else the machine does meets all
            for engine in engines:
                if engine == "pyro" and seed:
                    continue
                with tempfile.TemporaryDirectory() as cache:
                    if engine == "inductor again":
                        in_a_process(name, "inductor", seed, cache)
                    row = in_a_process(name, engine, seed, cache)
                rows.setdefault(f"{name}, {engine}", []).append(row)
    return {
        key: {k: statistics.median(row[k] for row in found) for k in ("cold", "rate", "apart")}
        for key, found in rows.items()
    }


# ------------------------------------------------------------------------- the tables
def tables(names, found):
    """Give the two tables of the README: seconds from cold, and draws a second once warm."""
    run = [e for e in ENGINES if any(f"{n}, {e}" in found for n in names)]
    lines = [f"Seconds of one CPU from a cold process to ESS {WANTED} (and times faster than"]
    lines += ["Pyro's NUTS, NumPyro's):", "", *table(names, run, found, "cold", " s")]
    warm = [e for e in run if e != "inductor"]
    lines += ["", "ESS per CPU second after the warm-up (and times as many):", ""]
    return [*lines, *table(names, warm, found, "rate", "")]


def table(names, engines, found, figure, unit):
    """A row for each posterior; what is faster than a peer has its factor behind it."""
    lines = ["| posterior | " + " | ".join(HEADS[e] for e in engines) + " |"]
    lines.append("|---|" + "---:|" * len(engines))
    for name in names:
        cells = []
        for engine in engines:
            own = found.get(f"{name}, {engine}")
            if own and own["apart"] > AGREES:
                cells.append("disagrees")
                continue
            factors = [
                f"{shown(gain(own, found[f'{name}, {peer}'], figure))} x"
                for peer in ("pyro", "numpyro")
                if own and engine not in ("pyro", peer) and f"{name}, {peer}" in found
            ]
            cell = shown(own[figure]) + unit if own else "-"
            cells.append(cell + (f" ({', '.join(factors)})" if factors else ""))
        lines.append(f"| {name.replace('_', ' ')} | {' | '.join(cells)} |")
    return lines


def shown(value):
    """Write three digits, and all that stand before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def gain(own, peer, figure):
    """How many times better: fewer seconds, or more draws a second; none if it is wrong."""
    if own["apart"] > AGREES:
        return 0.0
    ratio = own[figure] / peer[figure]
    return 1 / ratio if figure == "cold" else ratio


def marks(names, found):
    """What was promised, and whether it is kept."""

    def gains(engine, peer, figure):
        pairs = [(found.get(f"{n}, {engine}"), found.get(f"{n}, {peer}")) for n in names]
        return [gain(own, other, figure) for own, other in pairs if own and other]

    for engine in ("torchscript", "inductor", "inductor again"):
        head = HEADS[engine]
        if faster := gains(engine, "numpyro", "cold"):
            kept = sum(g >= 2 for g in faster)
            yield f"{head}: cold in half of NumPyro's seconds on {kept} of {len(faster)}"
        if faster := gains(engine, "pyro", "cold"):
            kept = sum(g >= 20 for g in faster)
            yield f"{head}: cold in a twentieth of Pyro's seconds on {kept} of {len(faster)}"
        if engine != "inductor" and (faster := gains(engine, "numpyro", "rate")):
            kept = sum(g >= 1.3 for g in faster)
            yield f"{head}: 1.3 times NumPyro's rate once warm on {kept} of {len(faster)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--posteriors", nargs="+", help="only these")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--times", type=int, default=TIMES, help="runs; the median is told")
    parser.add_argument("--figures", type=Path, help="JSON of earlier figures, to be added to")
    given = parser.parse_args()
    if given.one:
        name, engine, seed = given.one
        measure(name, engine, int(seed))
        return
    from models import NAMES
    from reference import have_numpyro

    if "numpyro" in given.engines and not have_numpyro():
        sys.exit("numpyro is missing: pip install numpyro, or leave it out by --engines")
    names = given.posteriors or NAMES
    earlier = given.figures and given.figures.exists()
    found = json.loads(given.figures.read_text()) if earlier else {}
    found |= measure_all(names, given.engines, given.times)
    if given.figures:
        given.figures.write_text(json.dumps(found, indent=1))
    print("", *tables(names, found), "", *marks(names, found), sep="\n")


if __name__ == "__main__":
    main()
