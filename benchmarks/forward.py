"""How long does it take to run a world forward? Against bare noise, and against Predictive.

Run: python benchmarks/forward.py. CPU seconds of one thread, the least of a few runs, two worlds
each (the disciple let in, and erased). `floor`: torch.randn of as many numbers, block by block.
"""

from functools import partial

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.infer import Predictive
from timing import least
from worlds import wide

import counterfactual_models as cm
import inference
from counterfactual_models.anatomy import dissect
from counterfactual_models.checks import erased_values
from counterfactual_models.disciples import erased
from counterfactual_models.handlers import SetSwitch, isolated
from inference.agreement import agrees_with_vmap
from inference.batches import Block, run_abreast
from inference.simulation import Program, block_size, simulate


def plated(disciple, *, outputs):
    base = pyro.sample("base", dist.Normal(0.0, 1.0))
    on = cm.switch()
    with pyro.plate("n", outputs):
        pyro.sample("y", dist.Normal(base + on, 1.0))
    cm.measure("m", base)


def walk(disciple, *, steps):
    base = pyro.sample("base", dist.Normal(0.0, 1.0))
    y = base + cm.switch()
    for step in range(steps):
        y = pyro.sample(f"y_{step}", dist.Normal(0.9 * y, 1.0))
    cm.measure("last", y)


class Case:
    """One world, and the ways to run it."""

    def __init__(self, world, draws):
        self.world, self.draws = world, draws
        self.posterior = inference.sample_posterior(world, draws=draws, chains=1, progress=False)
        self.base = torch.from_numpy(self.posterior["posterior"]["base"].values[0])
        self.anatomy = dissect(world, erased)
        self.size = block_size(self.anatomy, scored=False)
        self.program = Program(SetSwitch(1)(partial(world, erased)), self.anatomy, {}, "the world")
        self.record = [name for name in self.anatomy.sites if name != "base"]

    def floor(self):
        numbers = self.anatomy.numbers(scored=False) - 2  # without the base and what is measured
        for _ in range(2):
            for first in range(0, self.draws, self.size):
                torch.randn(numbers, min(self.size, self.draws - first))

    def predictive(self):
        for x in (0.0, 1.0):
            program = poutine.do(partial(self.world, None), {"X": torch.tensor(x)})
            Predictive(program, {"base": self.base}, parallel=True)()

    def simulate(self):
        for key in ("erased", "on"):
            simulate(
                self.program,
                {"base": self.base},
                draws=self.draws,
                key=(0, key),
                record=self.record,
                size=self.size,
            )

    def sample_worlds(self):
        inference.sample_worlds(self.world, self.posterior, {"on": lambda: None}, progress=False)

    def parts(self):
        """CPU seconds of what the first block of one world takes, twice."""
        draws = min(self.size, self.draws)
        block = Block(self.program, {"base": self.base[:draws]}, draws, (0,), self.record, ())
        with isolated(0):
            batch = run_abreast(block)
            return {
                "the pass": 2 * least(lambda: run_abreast(block)),
                "held against single draws": 2
                * least(lambda: agrees_with_vmap(block, batch, first=True)),
                "reading the world": 2 * least(lambda: dissect(self.world, erased)),
                "looking for a leak": 2 * least(lambda: erased_values(self.world, seed=0)),
            }


def compare(name, case, against, ways):
    reference = least(getattr(case, against), 5)
    print(f"{name}, {case.draws} draws in blocks of {case.size}: {against} {reference:.3f} s")
    for way in ways:
        took = least(getattr(case, way), 5)
        print(f"    {way:<26}{took:.3f} s = {took / reference:.2f} x {against}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    compare(
        "a plate of 1000",
        Case(partial(plated, outputs=1000), 10_000),
        "floor",
        ["simulate", "sample_worlds", "predictive"],
    )
    for draws in (1000, 10_000):
        case = Case(partial(wide, sites=1000), draws)
        compare("1000 sites", case, "predictive", ["simulate", "sample_worlds", "floor"])
        print("    of which, for both worlds:", end=" ")
        print(", ".join(f"{part} {took:.3f} s" for part, took in case.parts().items()))
    for steps in (200, 1000):
        for draws in (1000, 10_000):
            case = Case(partial(walk, steps=steps), draws)
            compare(
                f"a walk of {steps} steps",
                case,
                "predictive",
                ["simulate", "sample_worlds", "floor"],
            )
