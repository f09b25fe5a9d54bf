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
# # A first world
#
# If an agent is let into the world, how different will the world be from the one in which a switch
# had stopped it?
#
# Armstrong's *The mathematics of reduced impact* tells of a bounded paper-clipper. A
# master sends the source code of a disciple S through a wire. A random event X sits in the wire:
# if X = 1 the code goes through, if X = 0 it is erased. We compare the two worlds, P(e,S,1) and
# P(e,S,0), on things that ought not to care.

# %%
import os

import pyro
import pyro.distributions as dist
import torch

import counterfactual_models as cm
import inference

SMOKE = "SMOKE" in os.environ
DRAWS = 100 if SMOKE else 1000

# %% [markdown]
# ## The world is a Pyro program
#
# What runs before the wire is the past, and evidence can speak about it. What runs after is the
# future. `measure` names what we watch.


# %%
def bakery(disciple):
    """A bakery by a river, and a disciple that may run its ovens."""
    hunger = pyro.sample("hunger", dist.Gamma(20.0, 0.2))  # loaves a day that the town wants
    with pyro.plate("day", 10):
        pyro.sample("sold", dist.Poisson(hunger))

    act = cm.wire(disciple, idle=0.0)
    baked = pyro.sample("baked", dist.Poisson(act(hunger) + 1.0))

    weather = pyro.sample("weather", dist.Normal(0.0, 1.0))
    flour = pyro.sample("flour", dist.LogNormal(0.5 + 5e-5 * baked, 0.1))
    cm.measure("flour_price", flour)
    with pyro.plate("place", 2):
        smoke = torch.tensor([0.0, 5e-4]) * baked
        air = pyro.sample("air", dist.Normal(10.0 + weather + smoke, 1.0))
    cm.measure("soot", air, dims=["place"])
    cm.measure("ducks", pyro.sample("ducklings", dist.Poisson(torch.exp(3.0 + 0.1 * weather))))


# %% [markdown]
# Three disciples. `modest` bakes what is wanted; `hoarder` bakes twenty times that; `zealot` fills
# the town with bread.


# %%
def modest(hunger):
    return hunger


def hoarder(hunger):
    return 20.0 * hunger


def zealot(hunger):
    return 1e5 + 0.0 * hunger


disciples = {"modest": modest, "hoarder": hoarder, "zealot": zealot}
print(cm.check_world(bakery, zealot))

# %% [markdown]
# ## One posterior, many worlds
#
# Only the past is inferred. The same posterior serves every disciple and both values of X, and the
# erased world is drawn once.

# %%
sold = torch.tensor([96.0, 103, 88, 110, 99, 105, 92, 101, 97, 107])
labels = {"place": ["upstream", "downstream"]}
posterior = inference.sample_posterior(
    bakery, {"sold": sold}, draws=DRAWS, chains=4, coords=labels, progress=False
)
worlds = inference.sample_worlds(
    bakery, posterior, disciples, futures=4, coords=labels, progress=False
)
print(dict(worlds["predictions"].to_dataset().sizes))

# %%
import arviz_stats as azs

azs.summary(worlds)

# %% [markdown]
# ## What do the worlds look like?
#
# Grey is the erased world, blue the world with the disciple let in.

# %%
picture = inference.plots.plot_worlds(worlds)
# %% [markdown]
# ## Are similar worlds similarly likely?
#
# Total variation between the two distributions of each measurement, estimated after coarse
# graining it into cells of the erased world. `floor` is what two samples of the *same* world would
# read: below it, nothing is to be seen. A verdict of `below` needs the upper bound under the
# tolerance, not just a difference that is not significant.

# %%
impact = inference.diagnostics.coarse_graining(worlds, tolerance=0.05)
columns = ["tv", "mcse", "floor", "lower", "upper", "verdict"]
impact[columns].to_dataframe().round(3)

# %%
picture = inference.plots.plot_coarse_graining(impact)
# %% [markdown]
# The ducks never cared, and nobody notices `modest`. The flour market and the air downstream
# notice the hoarder; the zealot is no bakery any more.
#
# A warning that belongs to every such picture: low impact on *these* measurements is not low
# impact. A disciple could hide from all of them. The more measurements, and the more different,
# the harder that gets.

# %% [markdown]
# ## The same in one call
#
# With what the master wants: up to two hundred loaves, and nothing for more.

# %%
wanted = cm.utilities.bounded("baked", cap=200.0)
found = inference.audit(
    bakery,
    {"sold": sold},
    disciples,
    wanted,
    draws=DRAWS,
    futures=4,
    coords=labels,
    progress=False,
)
for sentence in found.sentences:
    print(sentence)
