"""What do scores cost? Against a Python loop over draws, and on a trial of 75 000 data.

Run: OMP_NUM_THREADS=1 python benchmarks/scores.py. CPU seconds of one thread, the least of three.
"""

import resource
import time
import warnings
from functools import partial

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from timing import least

import counterfactual_models as cm
import inference
from counterfactual_models import zoo
from inference.arrays.weights import pareto_smoothed, smoothed
from inference.scores.programs import Asked
from inference.scores.rows import Mapped, Rows
from inference.scores.ways import OneByOne
from inference.world_plans import WorldPlans

DRAWS = 4000


def linear(disciple, *, data, matrix):
    """Written for one draw."""
    z = pyro.sample("z", dist.Normal(torch.zeros(5), 1.0).to_event(1))
    with pyro.plate("reading", data):
        pyro.sample("e", dist.StudentT(5.0, matrix @ z, 1.0))
    act = cm.wire(disciple, idle=torch.zeros(()))
    cm.measure("level", pyro.sample("w", dist.Normal(z.sum() + act(z).sum(), 1.0)))


def drawn(world, evidence, disciples, draws, chains=4, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        past = inference.sample_posterior(
            world, evidence, "hmc", draws=draws // chains, chains=chains, progress=False
        )
    return inference.sample_worlds(world, past, disciples, progress=False, **options)


def past_scores(asked, rows, names):
    found = {n: np.empty((rows.count, *asked.data[n].shape), np.float32) for n in names}

    def take(part, slopes):
        for name, slope in slopes.items():
            found[name][part] = slope.numpy()

    way = Mapped(asked.past)
    way.over(lambda each, pins, count: each.scores(names, names, pins, count), rows, take)
    return way.how


def of_linear(data):
    matrix = torch.randn(data, 5, generator=torch.Generator().manual_seed(0))
    world = partial(linear, data=data, matrix=matrix)
    disciples = {"null": torch.zeros_like}
    worlds = drawn(world, {"e": matrix @ torch.ones(5)}, disciples, DRAWS)
    everyone = [cm.disciples.erased, *cm.disciples.gather(disciples)]
    plans = WorldPlans(world, worlds, everyone, futures=1, seed=0, coupling="independent")
    asked, rows = Asked.of(plans, ["e"]), Rows(plans.pins, plans.draws)
    few = Rows({n: v[:100] for n, v in plans.pins.items()}, 100)
    alone = least(lambda: OneByOne(asked.past).scores(["e"], ["e"], few.at(slice(0, 100)), 100))
    start = time.perf_counter()
    how = past_scores(asked, rows, ["e"])
    cold = time.perf_counter() - start
    ours = least(lambda: past_scores(asked, rows, ["e"]))
    loop = alone * DRAWS / 100
    print(
        f"{DRAWS} draws x {data} data: scores by {how} {ours:.3f} s, {cold:.2f} s the first time; "
        f"a Python loop {loop:.2f} s (100 draws, extrapolated) = {loop / ours:.0f} x"
    )
    whole = least(lambda: inference.with_scores(world, worlds, disciples, progress=False))
    print(f"   with_scores, all of it: {whole:.2f} s", flush=True)


def of_weights(data=20_000, draws=1600):
    log_likelihood = np.random.default_rng(0).normal(size=(data, draws)).astype(np.float32) / 3
    ours = least(lambda: pareto_smoothed(log_likelihood, inverse=True), times=1)
    few = log_likelihood[: data // 50].astype(float)
    theirs = 50 * least(lambda: [smoothed(-row) for row in few], times=1)
    print(
        f"leave-one-out weights, {data} data x {draws} draws: {ours:.2f} s; psislw of ArviZ for "
        f"each {theirs:.1f} s (extrapolated) = {theirs / ours:.0f} x",
        flush=True,
    )


def of_trial(women=None, draws=1600):
    """Scores of a real trial; draws of the prior do for the cost."""
    ex = zoo.load("trial") if women is None else zoo.load("trial", women=women)
    past = inference.sample_posterior(
        ex.world, None, "prior", draws=draws // 4, chains=4, progress=False,
        coords=ex.coords, dims=ex.dims,
    )  # fmt: skip
    # What was drawn without evidence is scored as if it had been drawn with it.
    observed = {n: (ex.dims[n], np.asarray(v)) for n, v in ex.evidence.items()}
    past["observed_data"] = past["observed_data"].to_dataset().assign(observed)
    past["posterior"] = past["posterior"].to_dataset().drop_vars(list(observed))
    worlds = inference.sample_worlds(ex.world, past, ex.disciples, progress=False)
    data = sum(np.asarray(v).size for v in ex.evidence.values())
    print(f"trial: {data} data x {draws} draws, {len(ex.disciples)} disciples", flush=True)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scored = inference.with_scores(
            ex.world, worlds, ex.disciples, progress=False, prior_draws=200
        )
    spent = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    kept = sum(v.nbytes for v in scored["evidence_scores"].data_vars.values()) / 2**30
    print(
        f"   with_scores {spent:.0f} s; scores {kept:.2f} GiB; peak of the process {peak:.1f} GiB"
    )
    print("  ", scored["evidence_scores"].attrs)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for size in (200, 2000):
        of_linear(size)
    of_weights()
    of_trial()
