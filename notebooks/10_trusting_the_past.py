# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Can the past be trusted?
#
# Every world is drawn from one posterior, p(past | e). If that is wrong, so is every comparison of
# worlds. So every run ends in a verdict, and any world can be checked by simulation.

# %%
import os
import warnings

import arviz_plots as azp
import arviz_stats as azs
import pyro
import pyro.distributions as dist
import torch

import counterfactual_models as cm
import inference

SMOKE = "SMOKE" in os.environ
DRAWS = 200 if SMOKE else 1000

# %% [markdown]
# ## A town and its clinics
#
# Each clinic has a rate of infections of its own. A disciple may close the worst of them. Time is
# an axis (`week`), not a Python loop: a loop of sites costs seconds of tracing, an axis nothing.
# And the clinics' rates are offsets in units of their spread: sampled around a spread that may be
# near zero, they would make a funnel, and the verdict would say so.

# %%
CLINICS, WEEKS = 6, 8


def town(disciple):
    level = pyro.sample("level", dist.Normal(1.0, 1.0))
    spread = pyro.sample("spread", dist.HalfNormal(0.5))
    with pyro.plate("clinic", CLINICS, dim=-1):
        rate = level + spread * pyro.sample("offset", dist.Normal(0.0, 1.0))
        with pyro.plate("week", WEEKS, dim=-2):
            pyro.sample("cases", dist.Poisson(rate.exp()))
    act = cm.wire(disciple, idle=torch.zeros(CLINICS))
    cm.measure("next_week", (rate.exp() * (1.0 - act(rate))), dims=["clinic"])


def close_the_worst(rate):
    return (rate >= rate.amax(-1, keepdim=True)).to(rate)


cases = torch.tensor([3.0, 2, 5, 1, 4, 12]).expand(WEEKS, CLINICS) + torch.arange(8.0)[:, None] % 3
posterior = inference.sample_posterior(town, {"cases": cases}, draws=DRAWS, progress=False)
print(posterior.attrs["verdict"])
azs.summary(inference.regroup(posterior, chains=4), var_names=["level", "spread"])

# %% [markdown]
# Sixty-four short chains ran together on one traced graph of the density. For plots they are laid
# end to end in four.

# %%
few = inference.regroup(posterior, chains=4)
picture = azp.plot_rank_dist(few, var_names=["level", "spread"])

# %% [markdown]
# ## When it cannot be trusted
#
# Two modes that no chain crosses. Half of the chains start from the prior, so both are found, and
# the chains disagree. `strict=True` raises, and keeps the draws.


# %%
def mirrored(disciple):
    height = pyro.sample("height", dist.Normal(0.0, 10.0))
    pyro.sample("seen", dist.Normal(height.abs(), 0.5))
    cm.wire(disciple, idle=0.0)


try:
    inference.sample_posterior(mirrored, {"seen": 8.0}, "hmc", strict=True, progress=False)
except cm.PosteriorError as error:
    print(error)

# %% [markdown]
# ## Is the engine calibrated for this world?
#
# Draw a past and its data from the prior, infer, and look where the true past stands among the
# posterior draws: anywhere, equally often, if all is right. Below, the posterior is inferred by a
# hasty world that takes the clinics to be more alike than they are.

# %%
repetitions = 10 if SMOKE else 100
checked = inference.calibrate(
    town, ["cases"], method="hmc", repetitions=repetitions, progress=False
)
print(checked.attrs["summary"])


# %%
def hasty(disciple):
    level = pyro.sample("level", dist.Normal(1.0, 1.0))
    spread = pyro.sample("spread", dist.HalfNormal(0.1))
    with pyro.plate("clinic", CLINICS, dim=-1):
        rate = level + spread * pyro.sample("offset", dist.Normal(0.0, 1.0))
        with pyro.plate("week", WEEKS, dim=-2):
            pyro.sample("cases", dist.Poisson(rate.exp()))
    cm.wire(disciple, idle=torch.zeros(CLINICS))


with warnings.catch_warnings():
    warnings.simplefilter("ignore", cm.ImpactWarning)
    off = inference.calibrate(
        hasty, ["cases"], method="hmc", truth=town, repetitions=repetitions,
        progress=False,
    )  # fmt: skip
print(off.attrs["summary"])
picture = inference.plots.plot_calibration(off, max_panels=6)
