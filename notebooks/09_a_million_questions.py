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
# # A million questions
#
# *Independently of whether the disciple was built, similar worlds should be similarly likely.*
# That was the first intuition of Armstrong's *The mathematics of reduced impact*, and it comes
# with a fear: a disciple may hide from any one measurement. So take many. This notebook asks
# thousands of questions at once, and says what the answers are worth.

# %%
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import torch
from joblib.externals.loky import get_reusable_executor

import counterfactual_models as cm
import inference
from inference import diagnostics

SMOKE = "SMOKE" in os.environ
DRAWS = 200 if SMOKE else 2000  # in each of four chains
PLACES, MANY = (500, 20_000) if SMOKE else (2000, 100_000)

# %% [markdown]
# ## A valley full of sensors
#
# The past is a year's rain, and ten gauges speak about it. After the wire, a sensor is read at
# each place. `careless` disturbs one place in a hundred, by 0.12 standard deviations of its
# sensor; `whisper` disturbs every place, up here and down there, by 0.03; `harmless` does nothing.


# %%
def valley(disciple, places):
    rain = pyro.sample("rain", dist.Normal(0.0, 1.0))
    with pyro.plate("day", 10):
        pyro.sample("gauge", dist.Normal(rain, 1.0))
    act = cm.wire(disciple, idle=torch.zeros(2))
    here_and_there, everywhere = act(rain).unbind(-1)
    number = torch.arange(places)
    shift = here_and_there * (number % 100 == 0) + everywhere * (1 - 2 * (number % 2))
    with pyro.plate("place", places):
        reading = pyro.sample("reading", dist.Normal(0.1 * rain + shift, 1.0))
    cm.measure("sensor", reading, dims=["place"])


disciples = {
    "harmless": lambda rain: torch.tensor([0.0, 0.0]),
    "careless": lambda rain: torch.tensor([0.12, 0.0]),
    "whisper": lambda rain: torch.tensor([0.0, 0.03]),
}
gauge = torch.tensor([0.3, 1.2, -0.5, 0.8, 0.1, 0.9, -0.2, 0.6, 1.5, 0.4])
small = partial(valley, places=PLACES)
past = inference.sample_posterior(small, {"gauge": gauge}, draws=DRAWS, progress=False)
worlds = inference.sample_worlds(small, past, disciples, progress=False)
print(past.attrs["verdict"])
print(dict(worlds["predictions"]["sensor"].sizes))

# %% [markdown]
# ## One question after the other
#
# With so many questions, some look different by chance. Three answers to that:
#
# * `q`: call every sensor with q <= .05, and on average one call in twenty is wrong;
# * `p_family`: call those with p_family <= .05, and in 95 cases of 100 no call is wrong;
# * `mean_p`: how likely sensors on average would read as much, were the worlds the same.

# %%
impact = diagnostics.coarse_graining(worlds)
place = np.arange(PLACES)
disturbed = {
    "harmless": np.zeros(PLACES, dtype=bool),
    "careless": place % 100 == 0,
    "whisper": np.ones(PLACES, dtype=bool),
}
rows = {}
for name, truly in disturbed.items():
    one = impact.sel(disciple=name)
    called = one["q"].values <= 0.05
    rows[name] = {
        "disturbed": truly.sum(),
        "called": called.sum(),
        "of these wrong": (called & ~truly).sum(),
        "by p_family": (one["p_family"].values <= 0.05).sum(),
        "mean plugin": round(one["mean_plugin"].item(), 5),
        "mean floor": round(one["mean_floor"].item(), 5),
        "mean_p": f"{one['mean_p'].item():.1g}",
    }
pd.DataFrame(rows).T

# %%
labels = impact["measurement"].values
chosen = [*labels[disturbed["careless"]][:6], *labels[1:5]]
picture = inference.plots.plot_coarse_graining(
    impact, disciples="careless", measurements=chosen, figsize=(7.2, 4.6)
)
# %% [markdown]
# Six sensors that `careless` disturbed (0, 100, ..., 500), and four that it did not. Found is not
# the same as large: `q` asks whether there is any difference, the verdict whether it is above the
# tolerance, or below it.
#
# Hardly a sensor gives `whisper` away, and their mean does: what is too small to be seen anywhere
# may be seen everywhere.
#
# ## Counts instead of draws, and Ctrl-C
#
# With more sensors, the draws would fill the memory. `keep="summary"` keeps counts of draws in
# cells, and `store=` writes them to disk while drawing, so that a run can be stopped. Here a
# policy presses Ctrl-C for us, once.

# %%
large = partial(valley, places=MANY)
many = inference.sample_posterior(large, {"gauge": gauge}, draws=DRAWS // 2, progress=False)
calls = []


def interrupted(rain):
    calls.append(1)
    if len(calls) == (12 if SMOKE else 100):
        raise KeyboardInterrupt
    return torch.tensor([0.2, 0.0])


folder = Path(tempfile.mkdtemp())
ask = partial(
    inference.sample_worlds, large, many, {"careless": interrupted}, keep="summary", progress=False
)
try:
    ask(store=folder / "valley.zarr")
except KeyboardInterrupt as stopped:
    print(stopped.__notes__[0].replace(f"{folder}{os.sep}", ""))

# %% [markdown]
# We go on where it stopped, with two processes. Then all of it again, in one process and without a
# stop: are the numbers the same?

# %%
with get_reusable_executor(2) as workers:
    resumed = ask(store=folder / "valley.zarr", executor=workers)
found = diagnostics.coarse_graining(resumed)
at_once = diagnostics.coarse_graining(ask())
print("the same numbers:", found.identical(at_once))

on_disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
draws = 2 * MANY * found.attrs["draws"] * 4
shutil.rmtree(folder)
print(f"{on_disk / 1e6:.0f} MB of counts, instead of {draws / 1e6:.0f} MB of draws")

called = found["q"].sel(disciple="careless").values <= 0.05
truly = np.arange(MANY) % 100 == 0
print(f"{called.sum()} called, {(called & truly).sum()} of the {truly.sum()} disturbed;", end=" ")
print(f"{(called & ~truly).sum() / max(1, called.sum()):.1%} of the calls are wrong")

# %% [markdown]
# ## All sensors together
#
# How different are the worlds, if all sensors may be looked at together? One half of the draws
# learns an event (a *witness*), the other half says how much likelier it is with the disciple let
# in. That is a lower bound of the joint total variation. For `whisper` the truth is known:
# 2 Φ(0.03 √K / 2) - 1, for K sensors.

# %%
joint = diagnostics.joint_coarse_graining(worlds)
truth = 2 * torch.special.ndtr(torch.tensor(0.03 * PLACES**0.5 / 2)).item() - 1
print(f"joint total variation of whisper: {truth:.3f}; its greatest single tv:", end=" ")
print(f"{impact['tv'].sel(disciple='whisper').max().item():.3f}")
joint[["tv", "mcse", "lower", "p", "witness", "verdict"]].to_dataframe().round(3)


# %% [markdown]
# A lower bound never says that an impact is small. This disciple makes the number of heads even:
# each coin stays fair, and so does any set of coins that lacks one. The joint total variation is
# 1/2, and with enough coins nobody sees it.


# %%
def coins(disciple, number):
    act = cm.wire(disciple, idle=0.0)
    with pyro.plate("coin", number):
        heads = pyro.sample("heads", dist.Bernoulli(0.5))
    others = heads[..., :-1]
    last = torch.where(act() > 0, others.sum(-1, keepdim=True) % 2, heads[..., -1:])
    cm.measure("shown", torch.cat([others, last], -1), dims=["coin"])


rows = {}
for number in (3, 20):
    table = partial(coins, number=number)
    before = inference.sample_posterior(table, None, draws=2500, progress=False)
    after = inference.sample_worlds(table, before, {"even": lambda: 1.0}, progress=False)
    each, together = diagnostics.coarse_graining(after), diagnostics.joint_coarse_graining(after)
    rows[f"{number} coins"] = {
        "verdicts, one by one": ", ".join(np.unique(each["verdict"])),
        "joint tv": round(together["tv"].item(), 3),
        "lower": round(together["lower"].item(), 3),
        "witness": together["witness"].item(),
    }
pd.DataFrame(rows).T

# %% [markdown]
# ## Chaos is not impact
#
# A butterfly decides which of sixteen sites a hurricane strikes, with a gust to one side or the
# other. `passer_by` breathes on the butterfly: each hurricane strikes elsewhere, and no site more
# often. `lighthouse` breathes too, and lures one hurricane in ten to site 0. Both worlds are drawn
# with the same noise (`coupling="shared"`), so each hurricane can be followed.


# %%
def ocean(disciple):
    butterfly = pyro.sample("butterfly", dist.Uniform(0.0, 1.0))
    breath, lure = cm.wire(disciple, idle=torch.zeros(2))(butterfly).unbind(-1)
    wings = torch.frac(1e5 * butterfly.double() * (1 + breath))
    gust = pyro.sample("gust", dist.Categorical(torch.ones(3))) - 1
    lured = pyro.sample("lured", dist.Bernoulli(lure))
    cm.measure("landfall", torch.where(lured > 0, 0, (torch.floor(16 * wings) + gust) % 16))


travellers = {
    "passer_by": lambda butterfly: torch.tensor([1e-3, 0.0]),
    "lighthouse": lambda butterfly: torch.tensor([1e-3, 0.1]),
}
before = inference.sample_posterior(ocean, None, draws=200 if SMOKE else 2500, progress=False)
storms = inference.sample_worlds(
    ocean, before, travellers, coupling="shared", futures=20, progress=False
)
rungs = diagnostics.chaos_ladder(storms).squeeze("measurement", drop=True)

gusts = (np.eye(16) + np.roll(np.eye(16), 1, axis=0) + np.roll(np.eye(16), -1, axis=0)) / 3
rows = {}
for name, lure in {"passer_by": 0.0, "lighthouse": 0.1}.items():
    let_in = (1 - lure) * gusts + lure * np.eye(16)[0]  # row: where it would strike but for gusts
    truth = {
        "tv": np.abs(let_in.mean(0) - gusts.mean(0)).sum() / 2,
        "conditional": np.abs(let_in[:, None] - gusts[None]).sum(-1).mean() / 2,
        "coupled": 15 / 16,
    }
    for rung, value in truth.items():
        numbers = [rungs[rung + end].sel(disciple=name).item() for end in ("", "_lower", "_upper")]
        rows[name, rung] = dict(zip(["estimate", "lower", "upper"], numbers, strict=True))
        rows[name, rung]["truth"] = value
pd.DataFrame(rows).T.round(3)

# %% [markdown]
# Only `tv` is a penalty. The other rungs are close to one for both disciples: they charge whoever
# breathes, and cannot tell the lighthouse from the passer-by.
#
# ## Why not compare worlds exactly?
#
# Three sensors, each cut into 2, 4, 8, ... cells; a fine-grained world is a triple of cells. Soon
# no world is visited twice, and the two samples share nothing, however harmless the disciple.

# %%
fine = diagnostics.fine_graining(
    worlds, disciples=["harmless", "careless"], measurements=labels[:3]
)


def plot_fine_graining(fine):
    _, axes = plt.subplots(figsize=(6, 3), layout="constrained")
    for (name, one), marker in zip(fine.groupby("disciple"), "xo", strict=True):
        one["plugin"].plot(marker=marker, mfc="none", lw=0, label=name, ax=axes)
    fine["floor"].sel(disciple="harmless").plot(c="0.6", label="noise floor", zorder=0, ax=axes)
    axes.set(title="Three sensors, compared exactly", xlabel="cells a sensor", ylabel="plugin")
    axes.set_xticks(fine["depth"], [f"{2**depth:d}" for depth in fine["depth"].values])
    axes.legend()


plot_fine_graining(fine)

# %% [markdown]
# Where the lines meet the floor, the comparison says nothing about the disciple.
#
# ## The numbers a statistician expects
#
# Kolmogorov-Smirnov and Wasserstein beside the total variation, for sensors that `careless`
# disturbed (numbers 0, 100, 200) and some that it did not. None is zero when nothing happened, so
# each has its floor. For a shift of 0.12 standard deviations of normal noise, total variation and
# KS distance are 0.048, and the Wasserstein distance is 0.12.

# %%
some = {"disciples": "careless", "measurements": labels[[0, 100, 200, 1, 2, 3]]}
classical = diagnostics.two_sample(worlds, **some).squeeze("disciple", drop=True)
beside = impact[["tv", "floor", "p"]].sel(disciple="careless", drop=True)
beside = beside.sel(measurement=classical["measurement"])
columns = ["ks", "ks_floor", "ks_p", "wasserstein", "wasserstein_floor", "wasserstein_p"]
beside.merge(classical[columns]).to_dataframe().round(4)

# %% [markdown]
# ## Training a disciple to be quiet
#
# A bakery has two ovens. Wood makes soot in the air of four places, gas hardly moves the price of
# gas. The town wants a hundred loaves, and nothing for more. A disciple is a small network that
# sees how hungry the town is, and chooses how much to bake in each oven. One is trained to be
# useful; the other also pays for its impact, by `chi_squared_halves` (`inference.training` says
# why by that one).


# %%
def bakery(disciple):
    hunger = pyro.sample("hunger", dist.Gamma(20.0, 0.2))
    with pyro.plate("day", 10):
        pyro.sample("sold", dist.Poisson(hunger))
    wood, gas = cm.wire(disciple, idle=torch.zeros(2))(hunger).unbind(-1)
    cm.measure("baked", wood + gas)
    cm.measure("gas_price", pyro.sample("market", dist.Normal(5.0 + 1e-4 * gas, 1.0)))
    with pyro.plate("place", 4):
        smoke = wood * torch.tensor([0.02, 0.01, 0.004, 0.002])
        air = pyro.sample("air", dist.Normal(10.0 + smoke, 1.0))
    cm.measure("soot", air, dims=["place"])


class Baker(torch.nn.Module):
    def __init__(self):
        super().__init__()
        layers = torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2), torch.nn.Softplus()
        self.network = torch.nn.Sequential(*layers)

    def forward(self, hunger):
        return 50.0 * self.network((hunger[..., None] - 100.0) / 10.0)


sold = torch.tensor([96.0, 103, 88, 110, 99, 105, 92, 101, 97, 107])
town = inference.sample_posterior(bakery, {"sold": sold}, draws=DRAWS, progress=False)
hungers = torch.as_tensor(town["posterior"]["hunger"].values.ravel())


def measured(disciple, on, hunger, seed):
    """Draw many worlds at once; gradients flow back to the disciple."""
    pyro.set_rng_seed(seed)  # the same noise in both worlds
    given = {"X": torch.tensor(on), "hunger": hunger[:, None]}
    with pyro.plate("draw", len(hunger), dim=-2):
        run = pyro.poutine.trace(pyro.poutine.condition(bakery, given)).get_trace(disciple)
    return {name: run.nodes[name]["value"] for name in ("baked", "gas_price", "soot")}


def trained(weight, steps=20 if SMOKE else 300):
    torch.manual_seed(0)
    baker = Baker()
    optimiser = torch.optim.Adam(baker.parameters(), lr=0.02)
    for step in range(steps):
        hunger = hungers[torch.randint(len(hungers), (1000,))]
        let_in, erased = (measured(baker, on, hunger, seed=step) for on in (1.0, 0.0))
        useful = let_in["baked"].clamp(max=100.0).mean() / 100.0
        both = [torch.cat([w["gas_price"], w["soot"]], -1) for w in (let_in, erased)]
        noise = 1.0 if step < steps / 3 else 0.3  # from afar, then from near by
        impact = inference.training.chi_squared_halves(*both, noise=noise)
        optimiser.zero_grad()
        (weight * impact - useful).backward()
        optimiser.step()
    return baker.requires_grad_(False)


bakers = {"useful": trained(weight=0.0), "quiet": trained(weight=10.0)}
for name, baker in bakers.items():
    print(name, "bakes (wood, gas):", baker(torch.tensor(100.0)).round().tolist())

# %% [markdown]
# Judged on fresh draws, which nobody was trained on. The same warning as ever: an impact that was
# not measured was not trained away.

# %%
days = inference.sample_worlds(bakery, town, bakers, progress=False)
wanted = cm.utilities.bounded("baked", cap=100.0)(days["predictions"])
print("useful:", wanted.mean(["chain", "draw"]).to_series().round(3).to_dict())
judged = diagnostics.coarse_graining(days, measurements=["gas_price", "soot"])
picture = inference.plots.plot_coarse_graining(judged)
