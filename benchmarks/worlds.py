"""What do worlds cost? K disciples against K + 1 passes, and against two passes of Predictive.

Run: python benchmarks/worlds.py. CPU seconds of one thread, the least of three.
"""

from functools import partial

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.infer import Predictive
from timing import least

import counterfactual_models as cm
import inference
from counterfactual_models import zoo

DRAWS = 4000


def many_disciples():
    example = zoo.load("factory")
    posterior = inference.sample_posterior(
        example.world, example.evidence, "importance", draws=DRAWS // 4, progress=False
    )
    draw = partial(inference.sample_worlds, example.world, posterior, progress=False)
    modest = example.disciples["modest"]
    one = least(lambda: draw({"a": modest})) / 2
    twenty = least(lambda: draw({f"copy_{k}": modest for k in range(20)}))
    print(f"factory, {DRAWS} draws: a world {one:.3f} s; 20 disciples {twenty:.3f} s", end=" ")
    print(f"= {twenty / (21 * one):.2f} x 21 worlds")


def wide(disciple, *, sites):
    base = pyro.sample("base", dist.Normal(0.0, 1.0))
    on = cm.switch()
    for k in range(sites):
        pyro.sample(f"y_{k}", dist.Normal(base + on, 1.0))
    cm.measure("y", base)


def against_predictive(sites, draws=1000):
    world = partial(wide, sites=sites)
    posterior = inference.sample_posterior(world, draws=draws, chains=1, progress=False)
    ours = least(
        lambda: inference.sample_worlds(world, posterior, {"on": lambda: None}, progress=False)
    )
    base = torch.from_numpy(posterior["posterior"]["base"].values[0])

    def two_passes():
        for x in (0.0, 1.0):
            program = poutine.do(partial(world, None), {"X": torch.tensor(x)})
            Predictive(program, {"base": base}, parallel=True)()

    theirs = least(two_passes)
    print(f"{sites} sites x {draws} draws, two worlds: ours {ours:.3f} s,", end=" ")
    print(f"two passes of Predictive {theirs:.3f} s, ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    many_disciples()
    for sites in (10, 100, 1000):
        against_predictive(sites)
