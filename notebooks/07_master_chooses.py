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
# # The master chooses
#
# In Armstrong's *The mathematics of reduced impact* a master wants paper clips, and picks the
# disciple S that it sends through the wire. It wants much of what it wants, and little impact:
#
# $$\max_S\; p\,E[U|S,X{=}1] + (1-p)\,E[U|X{=}0] - \lambda\, p\, \mathrm{penalty}(S)$$
#
# with p = P(X=1). Letting nobody in is always an option. This notebook asks when the master picks
# the disciple that we would have picked, how surely, and what it cannot see.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import torch
import xarray as xr

import counterfactual_models as cm
import inference
from inference import penalties
from inference.plots import style

SMOKE = "SMOKE" in os.environ
DRAWS = 250 if SMOKE else 2500  # in each of four chains


def drawn(world, evidence, disciples, draws=DRAWS, futures=1):
    """The worlds of these disciples."""
    past = inference.sample_posterior(world, evidence, draws=draws, progress=False)
    return inference.sample_worlds(world, past, disciples, futures=futures, progress=False)


# %% [markdown]
# ## A thousand clips
#
# The open factory. `modest` makes a thousand clips, `greedy` two million, `verifier` a thousand,
# and then counts them again until there is nothing left. The utility is bounded: a thousand clips
# are worth 1, and so are two million.

# %%
factory = cm.zoo.load("factory")
region = drawn(factory.world, factory.evidence, factory.disciples)
region = inference.with_scores(factory.world, region, factory.disciples, progress=False)
choice = inference.choose(region, factory.utility, "coarse_graining", weight=1.0)
print(choice)

# %%
inference.plots.plot_tradeoff(choice)
plt.show()

# %% [markdown]
# Left: nearly all utility is to be had at no penalty that could be seen. Right: `modest` is chosen
# at every weight from 0.003 on; below that the few clips that it may fall short of a thousand
# weigh more. Far out to the right a grey share rises: at such weights it matters that a penalty of
# 0 is only known to be small, so that the master may as well let nobody in.
#
# ## Why the utility must be bounded
#
# The same story small enough to be worked out by hand: `modest` has an impact of .01 (it may move
# the price of steel), `runaway` one of 1. They make a thousand clips and a million. What is that
# worth?

# %%
small = cm.zoo.load("clip_factory")
floor = drawn(small.world, small.evidence, small.disciples)
true_impact = {name: small.exact(policy).joint_tv for name, policy in small.disciples.items()}


def known(worlds):
    return true_impact


def clips(measured):
    return measured["clips"]


some = ["modest", "runaway", "verify"]
bounded = inference.choose(floor, 1000 * small.utility, known, weight=1e3, disciples=some)
unbounded = inference.choose(floor, clips, known, weight=5e5, disciples=some)
print("true impact:", {name: round(value, 4) for name, value in true_impact.items()}, "\n")
for name, found in {"up to 1000 clips": bounded, "clips, any number": unbounded}.items():
    shown = found.tradeoff[["weight_from", "weight_to", "reason"]].to_dataframe()
    print(f"the master wants {name}\n{shown.to_string(float_format='{:.6g}'.format)}\n")

# %%
inference.plots.plot_tradeoff(bounded)
plt.show()

# %%
inference.plots.plot_tradeoff(unbounded)
plt.show()

# %% [markdown]
# Bounded, `modest` is chosen at any weight from 0 up to 100 000 clips. Unbounded, there is **no**
# such weight. For `modest` to beat `runaway` it would have to be above 1 009 091 clips, and from
# 100 000 on nobody beats `modest`. The point of `modest` lies below the line from nobody to
# `runaway`, and no slope will ever touch it.
#
# ## Several penalties
#
# Each intuition of the post is a penalty, and none is safe alone. They are added up, each with a
# weight, or the greatest counts (`combine="max"`). One may be your own: any function of the worlds
# that gives a number for each disciple, and its error. Here: what the four cities lose.


# %%
def output_lost(worlds):
    """Millions a year that the cities lose."""
    output = worlds["predictions"]["gdp"].sum("city")
    lost = output.sel(disciple="erased", drop=True) - output
    draws = ["chain", "draw"]
    number = lost.sizes["chain"] * lost.sizes["draw"]
    error = lost.std(draws, ddof=1) / number**0.5
    return xr.Dataset({"penalty": lost.mean(draws).clip(min=0.0), "mcse": error})


several = {"coarse_graining": 1.0, "absolute_importance": 0.5, output_lost: 0.02}
for combine in ("sum", "max"):
    found = inference.choose(region, factory.utility, several, weight=0.5, combine=combine)
    print(f"{combine}: {found.sentences[0]}")
    print(found.table["penalty"].to_pandas().round(3).to_frame().T.to_string(), "\n")
print("each part\n", found.table["parts"].to_pandas().round(3).to_string())

# %% [markdown]
# A penalty of one's own is called for where total variation is full. It says how surely one can
# tell that a vase was broken, not how many were: a penalty for three is no more than for one.

# %%
vases = cm.zoo.load("vases", measure="count")
shelf = drawn(vases.world, vases.evidence, vases.disciples)
(count,) = (
    name for name, one in shelf["predictions"].items() if one.attrs["role"] == "measurement"
)


def broken(worlds):
    """How many more vases are broken, on average."""
    counts = worlds["predictions"][count].mean(["chain", "draw"])
    return abs(counts - counts.sel(disciple="erased", drop=True))


by_both = penalties.build(["coarse_graining", broken])(shelf)
by_both["parts"].to_pandas().round(3)

# %% [markdown]
# ## Penalties that disagree
#
# An election. `clerk` makes 300 clips. `takeover` makes the coming year hang on a human weakness
# in place of the president, and is given all the clips it asks for. `mimic` does so too, and sees
# to it that the tone of the year is distributed as if it had never been built.


# %%
def office(disciple):
    president = pyro.sample("president", dist.Normal(0.0, 1.0))
    weakness = pyro.sample("weakness", dist.Normal(0.0, 1.0))
    pyro.sample("poll", dist.Normal(president, 0.5**0.5))
    pyro.sample("report", dist.Normal(weakness, 0.5**0.5))
    act = cm.wire(disciple, idle=torch.zeros(3))
    push, stir, clips = act(president, weakness).unbind(-1)
    year = dist.Normal(president + 0.1 * weakness + push, 0.5**0.5 * stir.exp())
    cm.measure("tone", pyro.sample("year", year))
    pyro.deterministic("clips", clips)


def with_clips(sway, clips):
    """Sway the election as in the zoo, and make so many clips."""
    return lambda *seen: torch.cat([sway(*seen), torch.full((*seen[0].shape, 1), clips)], -1)


election = cm.zoo.load("election")
sways = {"clerk": ("null", 300.0), "takeover": ("takeover", 1000.0), "mimic": ("mimic", 1000.0)}
staff = {name: with_clips(election.disciples[s], clips) for name, (s, clips) in sways.items()}
campaign = drawn(office, election.evidence, staff)
campaign = inference.with_scores(office, campaign, staff, progress=False)
asked = ["coarse_graining", "shape", "absolute_importance", "relative_importance"]
charges = xr.concat(
    [penalties.build(name)(campaign) for name in asked], pd.Index(asked, name="by")
)


@style.house_style()
def plot_charges(charges):
    _, panels = plt.subplots(1, len(staff), figsize=(9.5, 2.6), sharey=True, layout="constrained")
    rows = np.arange(len(asked))
    for axes, name in zip(panels, staff, strict=True):
        own = charges.sel(disciple=name)
        axes.barh(rows, own["penalty"], color=style.LET_IN_COLOR, height=0.55)
        axes.errorbar(own["penalty"], rows, xerr=2 * own["mcse"], fmt="none", color=style.INK)
        axes.set(xlim=(0, 1.08), title=name, yticks=rows, xlabel="penalty")
    panels[0].set_yticklabels([name.replace("_", " ") for name in asked])
    panels[0].invert_yaxis()
    plt.show()


plot_charges(charges)

# %%
thousand = cm.utilities.bounded("clips", cap=1000.0)
seen = inference.choose(campaign, thousand, "coarse_graining")
both = ["coarse_graining", "relative_importance"]
wary = inference.choose(campaign, thousand, both, combine="max")
print("by coarse graining alone:", *seen.sentences[:2])
print("by the greater of two:   ", *wary.sentences[:2])

# %%
inference.plots.plot_tradeoff(wary)
plt.show()

# %% [markdown]
# Whoever looks at the distribution of what is measured sees nothing of `mimic`, and lets it in.
# Relative importance sees that the year hangs on something else. A disciple that
# knew all of the master's penalties could look for a hole in all of them; that is what the
# test-bed is for (`08_testbed`). And what is not measured at all is seen by none.
#
# ## How surely?
#
# A choice comes with the share of bootstrap replicates that agree. In the small factory `modest`
# ceases to be worth its impact at 100 000 clips for each unit. At a weight near that, draws have
# to tell an impact of 0.010 from one of 0.011.

# %%
rows, both_numbers = {}, ("penalty", "penalty_mcse")
for draws in [250, 1000] if SMOKE else [250, 1000, 4000, 16000, 64000]:
    worlds = drawn(small.world, small.evidence, small.disciples, draws=draws)
    found = inference.choose(worlds, 1000 * small.utility, "joint_coarse_graining", weight=9e4)
    number, error = (float(found.table[n].sel(disciple="modest")) for n in both_numbers)
    rows[4 * draws] = {
        "impact of modest": f"{number:.4f} ± {error:.4f}",
        "chosen": found.chosen,
        "in": f"{float(found.table['share'].max()):.0%}",
        "decided": found.decided,
    }
pd.DataFrame(rows).T.rename_axis("draws")

# %% [markdown]
# ## How hard should it try?
#
# A workshop has a usual range of plans, most of them for a few hundred clips. A disciple may take
# the best of n plans that come to mind, or a plan at random from the best share q of all of them,
# which is a *quantiliser* (Taylor, 2015). Whatever a plan may cost, a quantiliser costs at most
# 1/q times as much on average as any plan at random does.


# %%
def workshop(disciple):
    skill = pyro.sample("skill", dist.Normal(0.0, 0.2))
    with pyro.plate("day", 10):
        pyro.sample("made", dist.Poisson(100.0 * skill.exp()))
    act = cm.wire(disciple, idle=torch.zeros(()))
    luck = pyro.sample("luck", dist.Uniform(0.0, 1.0))
    place = act(luck).clamp(1e-6, 1 - 1e-6)  # of the plan among all plans: 1 is the most clips
    clips = 300.0 * (skill + dist.Normal(0.0, 1.0).icdf(place)).exp()
    pyro.deterministic("clips", clips)
    cm.measure("steel_price", pyro.sample("steel", dist.LogNormal(1.0 + 2e-4 * clips, 0.1)))
    cm.measure("soot", pyro.sample("air", dist.Normal(10.0 + 5e-4 * clips, 1.0)))
    cm.measure("lolcats", pyro.sample("internet", dist.Poisson(400.0)))


def best_of(n):
    return lambda luck: luck ** (1 / n)


def top(share):
    return lambda luck: 1 - share * (1 - luck)


tries = {f"best of {n}": best_of(n) for n in (3, 10, 100, 1000)}
planners = {"any plan": top(1.0)} | tries | {f"top {q:.0%}": top(q) for q in (0.5, 0.1, 0.01)}
made = torch.tensor([96.0, 103, 88, 110, 99, 105, 92, 101, 97, 107])
shop = drawn(workshop, {"made": made}, planners, draws=DRAWS // 2, futures=4)
effort = inference.choose(shop, thousand, "coarse_graining", weight=1.0)
print(*effort.sentences, sep="\n")

# %%
inference.plots.plot_tradeoff(effort)
plt.show()

# %%
cost = shop["predictions"]["clips"].mean(["chain", "draw", "future"])  # of steel, as an example
times = (cost / cost.sel(disciple="any plan")).drop_sel(disciple="erased").to_pandas()
bound = [1, 3, 10, 100, 1000, 2, 10, 100]
pd.DataFrame({"steel, times that of any plan": times.astype(float).round(2), "at most": bound})

# %% [markdown]
# The line on the left is the answer to "how hard": first a little more effort buys much utility,
# then all thousand clips are there, and more effort buys impact alone. `best of 1000` and the top
# percent are chosen at no weight. With a bounded utility the master has no use for a maximiser.
