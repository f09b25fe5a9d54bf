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
# # One posterior, many futures
#
# In Armstrong's *The mathematics of reduced impact* a disciple is sent through a wire, and a
# switch X may erase it. What it would find, the past, is the same whoever is sent, and whether or
# not anybody arrives. So the past is inferred **once**; everything else is simulation. This
# notebook asks one posterior many questions, and ends with one that it should not be asked.

# %%
import os
import shutil
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import torch
from scipy.special import erf

import counterfactual_models as cm
import inference
from inference import diagnostics
from inference.plots import style

SMOKE = "SMOKE" in os.environ
DRAWS = 400 if SMOKE else 1000  # in each of four chains
FUTURES = 5 if SMOKE else 20
seconds = {}


@contextmanager
def timed(what):
    start = time.perf_counter()
    yield
    seconds[what] = time.perf_counter() - start


# %% [markdown]
# ## A bay and its fish
#
# Twelve villages have written down what they caught in eight years. From that we learn how much
# fish there is, and whether it grows less. The disciple gets a fleet, eight years from now.


# %%
VILLAGES, YEARS = 12, 8
year = torch.arange(YEARS)[:, None] - (YEARS - 1.0)  # this year is 0


def bay(disciple):
    stock = pyro.sample("stock", dist.Normal(3.0, 0.5))  # logarithm of tonnes a village
    trend = pyro.sample("trend", dist.Normal(0.0, 0.1))
    spread = pyro.sample("spread", dist.HalfNormal(0.5))
    with pyro.plate("village", VILLAGES, dim=-1):
        level = pyro.sample("level", dist.Normal(stock, spread))
        with pyro.plate("year", YEARS, dim=-2):
            pyro.sample("catch", dist.Poisson((level + trend * year).exp()))

    act = cm.wire(disciple, idle=torch.zeros(()))  # how much more is fished, for each tonne
    storm = pyro.sample("storm", dist.Normal(0.0, 1.0))
    usual = VILLAGES * (stock + 8.0 * trend - 0.1 * storm).exp()  # tonnes
    landed = pyro.sample("landed", dist.Poisson((1.0 + act(usual)) * usual))
    cm.measure("price", pyro.sample("market", dist.LogNormal(3.0 - 0.002 * landed, 0.05)))
    cm.measure(
        "gulls", pyro.sample("flock", dist.Poisson(200.0 * (-0.1 * storm).exp() + 0.2 * landed))
    )
    cm.measure("ice_cream", pyro.sample("kiosk", dist.Normal(100.0 - 5.0 * storm, 5.0)))


disciples = {
    "steward": lambda usual: 0.0 * usual,
    "cooperative": lambda usual: 0.1 + 0.0 * usual,
    "cannery": lambda usual: 500.0 / usual - 1.0,  # 500 tonnes, whatever there is
    "trawler": lambda usual: 1.0 + 0.0 * usual,
}
skill = np.random.default_rng(1).normal(0.0, 0.3, VILLAGES)
rates = np.exp(3.0 + skill - 0.05 * year.numpy())
evidence = {"catch": torch.tensor(np.random.default_rng(2).poisson(rates), dtype=torch.float)}

# %% [markdown]
# ## One posterior, K + 1 worlds
#
# The program is cut at the wire, and only what lies before is inferred. Then each disciple is let
# in once, and nobody once: P(e,S,0) is the same for every S.

# %%
with timed("the posterior"):
    posterior = inference.sample_posterior(bay, evidence, draws=DRAWS, progress=False)
print(posterior.attrs["verdict"])

with timed("four disciples and nobody"):
    worlds = inference.sample_worlds(bay, posterior, disciples, progress=False)
for name, value in seconds.items():
    print(f"{name:28s}{value:5.1f} s")


def erased(tree):
    return tree["predictions"].to_dataset().sel(disciple="erased", drop=True)


trawler = {"trawler": disciples["trawler"]}
alone = inference.sample_worlds(bay, posterior, trawler, progress=False)
print("worlds that were drawn:     ", *worlds["predictions"]["disciple"].values)
print("nobody let in, same bits:   ", erased(alone).identical(erased(worlds)))
let_in = [tree["predictions"]["price"].sel(disciple="trawler") for tree in (alone, worlds)]
print("trawler let in, same bits:  ", let_in[0].identical(let_in[1]))

# %% [markdown]
# To the bit, and not only on average: the random numbers belong to the sites of the program.
# Whoever else is asked about, and in whatever order, changes nobody's world.

# %%
picture = inference.plots.plot_worlds(worlds)

# %% [markdown]
# ## Many futures for one past
#
# A draw of the past is a guess at how much fish there is; each has many futures. Below are eight
# such guesses, from little fish to much, and the futures of each. What moves from row to row is
# what we do not *know*; what scatters within a row is what nobody *could* know.

# %%
with timed("twenty futures for each draw"):
    many = inference.sample_worlds(bay, posterior, disciples, futures=FUTURES, progress=False)
price = many["predictions"]["price"].stack(past=["chain", "draw"])
order = np.argsort(-price.sel(disciple="erased").mean("future").values)
shown = order[np.linspace(0, len(order) - 1, 8).astype(int)]


@style.house_style()
def plot_futures(price, shown):
    _, axes = plt.subplots(figsize=(9, 3.8), layout="constrained")
    worlds_shown = (("erased", style.ERASED_COLOR, 0.16), ("trawler", style.LET_IN_COLOR, -0.16))
    for row, draw in enumerate(shown):
        for name, color, lift in worlds_shown:
            futures, height = price.sel(disciple=name).isel(past=draw).values, row + lift
            label = f"{name}" if row == 0 else None
            axes.scatter(futures, 0 * futures + height, s=14, color=color, alpha=0.6, label=label)
            axes.vlines(futures.mean(), height - 0.2, height + 0.2, color=color, lw=2.5)
    axes.set_yticks([0, len(shown) - 1], ["little fish", "much fish"])
    axes.set_xlabel("price of fish")
    axes.set_title("Eight guesses at the past, each with its futures and their mean", pad=28)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, borderpad=0)
    plt.show()


plot_futures(price, shown)
within = many["predictions"].to_dataset()[["price", "gulls", "ice_cream"]]
noise = within.var("future", ddof=1).mean(["chain", "draw"])
whole = within.var(["chain", "draw", "future"], ddof=1)
unknown = (1 - noise / whole).clip(min=0.0)
print("share of the variance that is ignorance of the past")
print(unknown.to_dataframe()[["price", "gulls", "ice_cream"]].round(2))

# %% [markdown]
# ## The same storm in both worlds
#
# With `coupling="shared"` sites of the same name have the same noise in every world. That does not
# change any of the worlds, only how they are paired: to the left each world has a storm of its
# own, to the right the same storm blows over the bay with and without the cooperative.

# %%
shared = inference.sample_worlds(
    bay, posterior, disciples, futures=FUTURES, coupling="shared", progress=False
)


@style.house_style()
def plot_pairs(pairs):
    figure, panels = plt.subplots(1, 2, figsize=(9, 4.2), sharex=True, sharey=True)
    for axes, (name, tree) in zip(panels, pairs.items(), strict=True):
        price = tree["predictions"]["price"]
        without, with_it = (price.sel(disciple=n, drop=True) for n in ("erased", "cooperative"))
        few = {"draw": slice(8), "future": 0}
        dots = (without.isel(few), with_it.isel(few))
        axes.scatter(*dots, s=9, color=style.LET_IN_COLOR, alpha=0.5)
        axes.axline((12, 12), slope=1, color=style.INK, lw=0.9, ls="--")
        change = with_it - without
        said = f"change of the price {float(change.mean()):.2f}, sd {float(change.std()):.2f}"
        axes.set_title(f"{name}\n{said}")
        axes.set_xlabel("price, erased")
    panels[0].set_ylabel("price, cooperative let in")
    figure.tight_layout()
    plt.show()


plot_pairs({"each world a storm of its own": many, "the same storm in both": shared})

# %% [markdown]
# Pairs are good for the error of a difference of means. They are no measure of impact: next to
# every draw changes its cell, though the distributions hardly differ. `tv` compares the
# distributions, `conditional` does so for each storm and each stock of fish, `coupled` draw by
# draw. What lies between the first and the last is chaos that nobody steers.

# %%
some = ["steward", "cooperative", "cannery"]
ladder = diagnostics.chaos_ladder(shared, given=["storm", "stock"], disciples=some)
print(ladder[["tv", "conditional", "coupled", "chaos"]].to_dataframe().round(3))

# %% [markdown]
# ## Longer, kept, and counted
#
# The chains go on from where they stood (`extend_posterior`): no new warm-up, and the draws that
# were there remain. A tree is saved and read back as it was. `store=` writes while it draws, and
# goes on after a stop. And where coarse graining is all that is asked, `keep="summary"` keeps
# counts of draws in cells, whatever the number of draws.

# %%
more = posterior["posterior"].sizes["draw"]
with timed("as many draws again"):
    longer = inference.extend_posterior(bay, posterior, draws=more, progress=False)
first = longer["posterior"].to_dataset().isel(draw=slice(more))
print("the first draws are the same:", first.equals(posterior["posterior"].to_dataset()))

folder = Path(tempfile.mkdtemp())
inference.save(posterior, folder / "past.zarr")
kept = inference.load(folder / "past.zarr")
print("read back as it was:         ", kept["posterior"].identical(posterior["posterior"]))
again = inference.sample_worlds(bay, kept, disciples, store=folder / "w.zarr", progress=False)
print("the same worlds from it:     ", erased(again).identical(erased(worlds)))
shutil.rmtree(folder)

counted = inference.sample_worlds(
    bay, kept, disciples, futures=FUTURES, keep="summary", progress=False
)
sizes = {"every draw": many["predictions"].nbytes, "counts": counted["cell_counts"].nbytes}
for name, size in sizes.items():
    print(f"{name:12s}{size / 1e6:8.2f} MB")
tv = {
    "one future": diagnostics.coarse_graining(worlds),
    "many futures": diagnostics.coarse_graining(many),
    "counts": diagnostics.coarse_graining(counted),
}
rows = {
    name: {str(d): f"{float(one['tv'].sel(disciple=d, measurement='price')):.3f} ± "
           f"{float(one['mcse'].sel(disciple=d, measurement='price')):.3f}" for d in disciples}
    for name, one in tv.items()
}  # fmt: skip
pd.DataFrame(rows)

# %% [markdown]
# ## What does one more question cost?
#
# The other way would be a new posterior for every disciple and both values of X, and for every
# "what if this datum had not been there". (The first posterior also pays for the compiling.)

# %%
with timed("refit"):
    inference.sample_posterior(bay, evidence, draws=DRAWS, seed=1, progress=False)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", cm.ImpactWarning)  # at a datum or two weights are rough
    with timed("all data left out"):
        scored = inference.with_scores(bay, worlds, disciples, progress=False)
        diagnostics.leave_out(scored, measurements="price")
data = evidence["catch"].numel()
costs = {
    "the posterior, once": seconds["the posterior"],
    "as many draws again": seconds["as many draws again"],
    "one disciple more": seconds["four disciples and nobody"] / 5,
    f"... with {FUTURES} futures for each draw": seconds["twenty futures for each draw"] / 5,
    "one datum left out": seconds["all data left out"] / data,
    "any of these by a refit": seconds["refit"],
}


@style.house_style()
def plot_costs(costs):
    _, axes = plt.subplots(figsize=(9, 2.9), layout="constrained")
    names = list(costs)[::-1]
    colors = [style.ERASED_COLOR if "refit" in n else style.LET_IN_COLOR for n in names]
    axes.barh(names, [costs[n] for n in names], color=colors, height=0.6)
    for row, name in enumerate(names):
        axes.text(costs[name] * 1.1, row, f"{costs[name]:.2g} s", va="center")
    axes.set_xscale("log")
    axes.set_xlim(min(costs.values()) / 2, max(costs.values()) * 3)
    axes.set_xlabel("seconds of one core")
    axes.set_title("What does one more question cost?")
    plt.show()


plot_costs(costs)
questions = 2 * len(disciples) + data
refits = questions * seconds["refit"]
ours = sum(seconds[n] for n in ("the posterior", "four disciples and nobody", "all data left out"))
print(f"{questions} questions: {ours:.0f} s, by refits {refits:.0f} s, {refits / ours:.0f} x")

# %% [markdown]
# ## A question that should not have been asked
#
# One posterior serves all questions, so one bad posterior spoils all answers. A sonar tells how
# far away the shoal is, and not on which side. It is 9 times as likely to be out at sea, where
# `dredger` leaves it alone, than on the side of the town. Half of the chains start from the prior
# and half elsewhere, none ever crosses, and so every side gets as many chains as *started* there.


# %%
def sonar(disciple):
    place = pyro.sample("place", dist.Normal(5.0, 6.0))  # above 0: out at sea
    pyro.sample("echo", dist.Normal(place.abs(), 0.5))
    act = cm.wire(disciple, idle=torch.zeros(()))
    cm.measure("mud", pyro.sample("water", dist.Normal(3.0 * act(place), 1.0)))


def dredger(place):
    return (place < 0).to(place)


def mud(method):
    past = inference.sample_posterior(sonar, {"echo": 8.0}, method, draws=DRAWS, progress=False)
    drawn = inference.sample_worlds(sonar, past, {"dredger": dredger}, progress=False)
    found = diagnostics.coarse_graining(drawn).isel(disciple=0, measurement=0)
    side = float((past["posterior"]["place"] < 0).mean())
    numbers = [f"{float(found[name]):.3f}" for name in ("tv", "lower", "upper")]
    return [f"{side:.2f}", *numbers, past.attrs["verdict"].partition(":")[0]]


side = 1 / (1 + np.exp((13.0**2 - 3.0**2) / (2 * 36.25)))
rows = {"truth": [f"{side:.2f}", f"{side * erf(1.5 / np.sqrt(2)):.3f}", "", "", ""]}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    rows |= {method: mud(method) for method in ("hmc", "importance")}
print("\n".join(dict.fromkeys(f"* {str(one.message)[:150]} ..." for one in said)), "\n")
pd.DataFrame(rows, index=["town's side", "tv", "lower", "upper", "verdict"]).T

# %% [markdown]
# The impact that `hmc` finds is four times the true one, whatever the number of draws: longer
# chains would not cross either. The verdict says so, and all that is read off these draws gets an
# interval so wide that it says next to nothing. `strict=True` makes a bad verdict an error. How to
# look at a posterior that one has doubts about is the subject of `10_trusting_the_past`.
