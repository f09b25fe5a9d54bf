"""Which worlds are rare by a law that SciPy knows? And what did splitting and weighing say?"""

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from scipy import stats

import counterfactual_models as cm
import inference
from inference.schema import decode_attrs

LN2 = np.log(2)


def worlds_of(
    world, disciples, evidence=None, *, draws=250, method="auto", worlds_seed=0, **options
):
    """Draw four chains of worlds."""
    posterior = inference.sample_posterior(world, evidence, method, draws=draws, progress=False)
    return inference.sample_worlds(
        world, posterior, disciples, seed=worlds_seed, progress=False, **options
    )


def rarely(world, worlds, disciples, utility, **options):
    """Add rare worlds, without a bar."""
    return inference.with_rare_worlds(world, worlds, disciples, utility, progress=False, **options)


def split_bits(tree):
    """Bits of the target by splitting, and their standard error: the larger of two."""
    group = tree["rare_worlds"].to_dataset()
    runs, attrs = group["run_bits"].values, decode_attrs(group.attrs)
    bits = -(np.logaddexp.reduce(-runs * LN2) - np.log(len(runs))) / LN2
    error = max(runs.std(ddof=1), attrs["sd_within"]) / np.sqrt(len(runs))
    return bits, error, attrs


def weighed_bits(tree, disciple, target):
    """Bits of a target by the disciple's own weights, and their plain standard error."""
    own = tree["rare_ratios"].to_dataset().sel(disciple=disciple)
    ratio, worth = own["log_ratio"].values.ravel(), own["erased_utility"].values.ravel()
    weights = np.exp(ratio) * (worth >= target)
    mean = weights.mean()
    return -np.log2(mean), weights.std() / mean / np.sqrt(len(weights)) / LN2


def walk(disciple):
    """Ten steps, pushed or not, after an exam that tells of skill."""
    skill = pyro.sample("skill", dist.Normal(0.0, 1.0))
    pyro.sample("exam", dist.Normal(skill, 0.5))
    act = cm.wire(disciple, idle=torch.zeros(()))
    push = act(skill)
    with pyro.plate("step", 10):
        steps = pyro.sample("steps", dist.Normal(push + 0.1 * skill, 1.0))
    cm.measure("reach", steps.sum(-1))


EXAM = {"exam": torch.tensor(1.0)}
# skill given the exam is N(0.8, 0.2): the erased walk reaches N(0.8, 10 + 0.2).
WALK = stats.norm(0.8, np.sqrt(10.2))


def steady(push):
    """A disciple that pushes every step alike."""
    return lambda skill: torch.full_like(skill, push)


def reach(measured):
    """What a walk is worth."""
    return measured["reach"]


def lone(distribution):
    """A world that draws one number from what the disciple makes of it, and measures it."""

    def world(disciple):
        act = cm.wire(disciple, idle=torch.zeros(()))
        cm.measure("reach", pyro.sample("x", distribution(act(torch.zeros(())))))

    return world


def towns(disciple):
    """Two labelled cities, each a unit normal that the disciple moves."""
    act = cm.wire(disciple, idle=torch.zeros(2))
    with pyro.plate("city", 2):
        seen = pyro.sample("seen", dist.Normal(act(torch.zeros(2)), 1.0))
    cm.measure("visits", seen, dims=["city"])


def single(disciple):
    """A world that can be run for one draw at a time only: a unit normal, doubled below zero."""
    act = cm.wire(disciple, idle=torch.zeros(()))
    x = pyro.sample("x", dist.Normal(act(torch.zeros(())), 1.0))
    cm.measure("reach", x if float(x) > 0 else 2 * x)


def dialled(disciple):
    """A unit normal beside a site that is made of no noise."""
    act = cm.wire(disciple, idle=torch.zeros(()))
    pyro.sample("dial", dist.FoldedDistribution(dist.Normal(1.0, 1.0)))
    cm.measure("reach", pyro.sample("x", dist.Normal(act(torch.zeros(())), 1.0)))


def told(disciple):
    """A unit normal of which later evidence tells with error 1."""
    act = cm.wire(disciple, idle=torch.zeros(()))
    x = pyro.sample("x", dist.Normal(act(torch.zeros(())), 1.0))
    pyro.sample("later", dist.Normal(x, 1.0))
    cm.measure("reach", x)
