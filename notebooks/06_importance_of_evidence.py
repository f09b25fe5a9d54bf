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
# # What matters
#
# *The rest of the information about the world should be more important than whether the disciple
# was built; and the same pieces of it should matter, in the same proportions.* These are the third
# and fourth intuitions of Armstrong's *The mathematics of reduced impact*. This notebook asks what
# each datum is good for, what the switch is good for in the same units, and lets a master choose.

# %%
import os

import matplotlib.pyplot as plt

import counterfactual_models as cm
import inference
from inference import diagnostics

SMOKE = "SMOKE" in os.environ
DRAWS = 250 if SMOKE else 2500  # in each of four chains


def drawn(example, futures=1):
    """The worlds of an example, with the scores of its evidence."""
    world, disciples = example.world, example.disciples
    past = inference.sample_posterior(world, example.evidence, draws=DRAWS, progress=False)
    worlds = inference.sample_worlds(world, past, disciples, futures=futures, progress=False)
    return inference.with_scores(world, worlds, disciples, progress=False)


# %% [markdown]
# ## Two gases
#
# Two compartments, each with a gauge, and one pressure once they have mixed. `turbine` runs on the
# *difference* of the two. No datum becomes more or less important by itself; what matters about
# them changes from their sum to their difference. A list of importances cannot see that.

# %%
gases = cm.zoo.load("gases")
mixing = drawn(gases)
slopes = diagnostics.evidence_gradient(mixing)
print(slopes["gradient"].sel(measurement="pressure").to_pandas().round(2))

# %%
same = diagnostics.relative_importance(mixing)
shown = ["diagonal_distance", "trace_distance", "signed_distance", "log_scale", "p"]
print(same[shown].to_dataframe().round(2))

# %% [markdown]
# `turbine` has a trace distance near one, and a profile that has not moved; `sign_flipped` is seen
# by the signed distance only; `benign` damps everything by a tenth, which is a matter of scale. So
# the three are read together. Truth in closed form: `gases.exact(policy).relative`.

# %%
inference.plots.plot_relative_importance(same, disciples=["turbine", "one_sided", "sign_flipped"])
plt.show()

# %% [markdown]
# ## An election
#
# A poll says who will be president, a report speaks of a human vulnerability. `mimic` takes over
# by way of the vulnerability, and takes care that every measurement is distributed as it would
# have been: coarse graining sees nothing.

# %%
election = cm.zoo.load("election")
year = drawn(election)
impact = diagnostics.coarse_graining(year, measurements="tone")
information = diagnostics.relative_importance(year, measurements="tone")
print(impact[["tv", "upper"]].isel(measurement=0).to_dataframe()[["tv", "upper"]].round(3))
print(information[["trace_distance", "trace_distance_mcse", "p"]].to_dataframe().round(3))

# %% [markdown]
# But what the future *hangs on* has changed, and the relative importance of the two data tells.
#
# ## A thousand lolcats
#
# Is whether the disciple was built more important than other information? On average over the data
# as they come it always looks so, if most of them repeat each other. Bits of the coarse-grained
# future for each bit of the source do not care how often a thing is said.

# %%
lolcats = cm.zoo.load("lolcats", videos=50 if SMOKE else 1000)
internet = drawn(lolcats, futures=20)
whole = diagnostics.absolute_importance(internet, outputs="measurements")
shown = ["switch_bits", "evidence_bits", "belief_bits", "eta_switch", "eta_evidence", "penalty"]
print(whole[shown].sel(disciple="stimulus").to_pandas().round(3))

# %%
inference.plots.plot_absolute_importance(whole)
plt.show()

# %% [markdown]
# ## Which week's orders?
#
# The paper-clip factory again. Twelve weeks of orders say what the demand is; how much does each
# week tell about the clips that are made, and about the price of steel, beside the switch? (Clips
# are no measurement, but sites of the future can be asked about by name.)

# %%
factory = cm.zoo.load("factory")
region = drawn(factory)
weights = diagnostics.evidence_importance(
    region, disciples="modest", measurements=["clips", "steel_price"]
)
inference.plots.plot_evidence_importance(weights)
plt.show()

# %% [markdown]
# A slope is local. A finite change is asked for by leaving data out, which weighs the draws
# anew, or by other values, which draws anew only where weighing would not do.

# %%
without = diagnostics.leave_out(region, measurements="steel_price")
print(without[["belief_bits", "khat", "verdict"]].to_dataframe().round(3).head(3))

# %% [markdown]
# ## The master
#
# A penalty is a number for each disciple; the master weighs it against what is wanted: a thousand
# clips, and no more. Here the greater of two penalties counts: what is moved, and whether the
# switch matters more than a bit of evidence. (What a master can want, and what it cannot see, is
# the subject of `07_master_chooses`.)

# %%
both = ["coarse_graining", "absolute_importance"]
choice = inference.choose(region, factory.utility, both, combine="max")
print(choice)
print("\n", choice.table["parts"].to_pandas().round(3).to_string())

# %%
inference.plots.plot_tradeoff(choice)
plt.show()
