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
# # The same shape of uncertainty?
#
# Armstrong's *The mathematics of reduced impact* has a second intuition: *independently of whether
# the disciple was built, we should expect the same shape to future uncertainty.* Forget which
# world is which, and ask of P(e,S,1) and P(e,S,0) *abstractly*: are there as many peaks, is the
# spread the same, is the one as long to describe as the other, and how much longer are both than
# one? Estimates come with their Monte Carlo errors, and stand beside exact numbers where there
# is a formula.

# %%
import lzma
import os
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import torch
import xarray as xr
from scipy import integrate, special, stats

import counterfactual_models as cm
import inference
from counterfactual_models.errors import CounterfactualError, ImpactWarning
from inference import diagnostics, penalties

SMOKE = "SMOKE" in os.environ
DRAWS = 100 if SMOKE else 2000  # in each of four chains
pd.set_option("display.width", 150, "display.max_columns", 20)


def drawn(world, evidence, disciples):
    """The worlds with each disciple, and the erased one."""
    past = inference.sample_posterior(world, evidence, draws=DRAWS, progress=False)
    return inference.sample_worlds(world, past, disciples, progress=False)


def table(rows, digits=2):
    print(pd.DataFrame(rows).round(digits).to_string(index=False), end="\n\n")


zoo = {name: cm.zoo.load(name) for name in ("swap", "collapse", "mixture")}
worlds = {name: drawn(ex.world, ex.evidence, ex.disciples) for name, ex in zoo.items()}
cells = {name: diagnostics.coarse_graining(tree) for name, tree in worlds.items()}
shapes = {name: diagnostics.shape(tree) for name, tree in worlds.items()}
for name, ex in zoo.items():
    print(f"{name}: {ex.about} {', '.join(ex.disciples)}")

# %% [markdown]
# ## Three worlds
#
# *Swap.* War has one chance in ten. `coin` makes it five. `swap` stages the war that was not to
# be and averts the one that was. Everyone can see it; but one outcome still has nine chances in
# ten, and the other has one.

# %%
shown = {"disciples": ["coin", "swap"], "measurements": ["war", "rain"], "order": "given"}
inference.plots.plot_worlds(worlds["swap"], **shown)
plt.show()

# %% [markdown]
# *Collapse.* `pin` pegs a price to the value that was expected of it: the mean stays, and a future
# that was open is closed. `churn` does the contrary.

# %%
inference.plots.plot_worlds(worlds["collapse"], disciples=["pin", "churn"], order="given")
plt.show()

# %% [markdown]
# *Mixture.* One opinion becomes two (`split`), or one that is wider (`widen`), with the same mean
# and the same variance. It is drawn below, with its peaks.
#
# `coarse_graining` asks whether *similar worlds* are similarly likely. `shape` has a number that
# asks it of no world in particular: `rearranged_tv` sorts the cells by their probability first. It
# is the least total variation that any relabelling of worlds could leave.


# %%
def against_truth(name, place=0):
    """What both diagnostics say of the first measurement, and what is true."""
    for disciple, policy in zoo[name].disciples.items():
        truth = zoo[name].exact(policy)
        kept = {"disciple": disciple, "measurement": truth.measurements[place]}
        coarse, seen = cells[name].sel(kept), shapes[name].sel(kept)
        entropy = seen.sel(descriptor="entropy")
        yield {
            "of": truth.measurements[place],
            "disciple": disciple,
            "tv": coarse["tv"].item(),
            "±": coarse["mcse"].item(),
            "exact": truth.tv()[place],
            "rearranged": seen["rearranged_tv"].item(),
            "± ": seen["rearranged_mcse"].item(),
            "exact ": truth.rearranged_tv()[place],
            "entropy": entropy["change"].item(),
            "±  ": entropy["mcse"].item(),
            "exact  ": truth.entropy_change[place] + 0.0,
        }


table([row for name in zoo for row in against_truth(name)], digits=3)

# %% [markdown]
# Coarse graining gives .8 to the swap, and the shape gives it **nothing**: no error, it is what
# "abstractly" means, and why shape must not be the only penalty. (Descriptors that have a place,
# such as mean and quantiles, do move.) It is not blind to `pin`: no relabelling makes a certain
# future out of an open one. (Cells are why tv may read a few hundredths below the exact one:
# coarser never sees more. And what `pin` leaves of the price is narrower than the cells of the
# entropy, a quarter of a deviation.)
#
# Mean and variance, in turn, are blind to what sets `split` and `widen` apart.


# %%
def exact_shape(truth, place=0):
    """The descriptors as the formula has them, in erased deviations."""
    erased, law = (truth.law[x][place] for x in (0, 1))
    sd = erased.variance**0.5
    return {
        "mean": (law.mean - erased.mean) / sd,
        "spread": (law.variance / erased.variance) ** 0.5,
        "kurtosis": law.cumulants[3] / law.variance**2,
        "sixth": law.cumulants[5] / law.variance**3,
        "concentration": law.concentration(sd),
        "entropy": law.entropy - np.log(sd),
        "varentropy": law.varentropy,
        "peaks": len(law.peaks),
    }


columns = {}
for name in ("split", "widen"):
    seen = shapes["mixture"].sel(disciple=name, measurement="opinion")
    exact = exact_shape(zoo["mixture"].exact(zoo["mixture"].disciples[name]))
    seen = seen.sel(descriptor=list(exact))
    columns |= {(name, "on"): seen["on"], (name, "±"): seen["on_mcse"]}
    columns[name, "exact"] = list(exact.values())
    columns[name, "q of change"] = seen["q"]
pd.DataFrame(columns, index=list(exact)).round(3) + 0.0

# %% [markdown]
# ## The table, and the peaks
#
# All descriptors at once: what has changed against the erased world, and what noise explains.
# (A false discovery rate of 5 % allows for some: in truth no kurtosis changes in this world.)
# Then the ridge: a peak counts if it stands out of its saddle by more than blocks of draws
# disagree; p is the chance that noise shows one that does so. It is tiny, and so was the q of the
# *number* of peaks above, which goes by the saddles of those that are new. Where the top of a
# peak lies is known least: it is flat.

# %%
inference.plots.plot_shape(shapes["collapse"])
plt.show()

# %%
peaks = diagnostics.peaks(worlds["mixture"])
inference.plots.plot_peaks(worlds["mixture"], peaks)
plt.show()
parted = peaks.sel(disciple="split", measurement="opinion")
told = parted[["place", "mass", "mass_mcse", "prominence", "prominence_mcse", "p"]]
told = told.reset_coords(drop=True).to_dataframe().dropna()
truth = zoo["mixture"].exact(zoo["mixture"].disciples["split"]).peaks[1][0]
told.insert(1, "exact", truth if len(truth) == len(told) else np.nan)
told["p"] = [f"{p:.1g}" for p in told["p"]]
print(told.round(3))

# %% [markdown]
# ## Heavy tails
#
# An insurer's damages: Student's t with 1.5 degrees of freedom has a mean and no variance; `ruin`,
# a Cauchy law, has not even a mean, and so no L-moments either. `careless` doubles all of it. What
# has no moment gets none, with the reason; quantiles, the shortest half, concentration and entropy
# serve always. The unit is the width between the quartiles of the erased draws, over 1.35. (The
# most that any interval holds and the shortest of many are a little flattered by noise, in both
# worlds alike; of the widest tails entropy falls short, as they lie in cells that are visited
# once.)


# %%
def insurer(disciple):
    """A trend, the wire, and how bad the storms and the quakes are."""
    trend = pyro.sample("trend", dist.Normal(0.0, 1.0))
    scale = cm.wire(disciple, idle=torch.ones(()))(trend)
    cm.measure("damage", scale * pyro.sample("storm", dist.StudentT(1.5)))
    cm.measure("ruin", scale * pyro.sample("quake", dist.Cauchy(0.0, 1.0)))


def careless(trend):
    return torch.full_like(trend, 2.0)


gini = integrate.quad(lambda x: stats.t.cdf(x, 1.5) * stats.t.sf(x, 1.5), 0, np.inf)[0]
insured = drawn(insurer, {}, {"careless": careless})
heavy = diagnostics.shape(insured).sel(disciple="careless")
for name, law in {"damage": stats.t(1.5), "ruin": stats.cauchy()}.items():
    erased = insured["predictions"][name].sel(disciple="erased")
    unit = np.diff(erased.quantile([0.25, 0.75])).item() / np.diff(stats.norm.ppf([0.25, 0.75]))[0]
    exact = {
        "mean": 0.0 if name == "damage" else np.nan,
        "spread": np.nan,
        "l_scale": 4 * gini / unit if name == "damage" else np.nan,
        "quantile_95": 2 * law.ppf(0.95) / unit,
        "concentration": 1 - 2 * law.cdf(-unit / 4),
        "shortest_half": 4 * law.ppf(0.75) / unit,
        "entropy": law.entropy() + np.log(2 / unit),
        "tail_right": 1 / 1.5 if name == "damage" else 1.0,
    }
    seen = heavy.sel(measurement=name, descriptor=list(exact))
    seen = seen[["on", "on_mcse", "reason"]].reset_coords(drop=True).to_dataframe()
    seen.insert(2, "exact", exact)
    print(name, seen.round(2), sep="\n", end="\n\n")

far = np.random.default_rng(0).normal(1e6, 1.0, (2, 4, DRAWS))
far = xr.Dataset(
    {"gdp": (["disciple", "chain", "draw"], far, {"role": "measurement"})},
    {"disciple": ["erased", "nobody"]},
)
seen = diagnostics.shape(far, descriptors="kurtosis").squeeze()
print(f"fourth cumulant of N(1e6, 1), 0 in truth, by scipy: {stats.kstat(far['gdp'][0], 4):.2g}")
print(f"here: {seen['off']:.3f} ± {seen['off_mcse']:.3f}")

# %% [markdown]
# SciPy sums raw fourth powers, 1e24 each, and the answer is what is left of their rounding. Here
# draws are first measured from the erased world's mean, in its deviations.
#
# ## Twisting
#
# *Given some arbitrary measure M on worlds, we can twist the distributions ... by defining
# P'(w) = M(w) P(w) and then normalising.* With M = exp(t w) the twisted law has a formula, and so
# has the log of M's mass with the disciple over that without. A steep M hangs on a few draws: it
# is tempered to M^β, with the largest β that all worlds support. It is M^β, then, that the exact
# numbers are of.

# %%
rows = []
for name, measured, slopes in (("collapse", "price", (0.5, 1, 4)), ("mixture", "opinion", (1, 4))):
    for slope in slopes:
        found = diagnostics.twist(
            worlds[name], lambda w, s=slope, m=measured: s * w[m], measurements=measured
        )
        for disciple in found["disciple"].values[1:]:
            one = found.sel(disciple=disciple).squeeze()
            truth = zoo[name].exact(zoo[name].disciples[disciple])
            tv, ratio = truth.twist(measured, slope * found.attrs["power"])
            rows.append(
                {
                    "M": f"exp({slope:g} {measured})",
                    "β": found.attrs["power"],
                    "disciple": disciple,
                    "untwisted tv": one["untwisted"].item(),
                    "tv": one["tv"].item(),
                    "±": one["mcse"].item(),
                    "exact": tv,
                    "log Z1/Z0": one["log_ratio"].item(),
                    "± ": one["log_ratio_mcse"].item(),
                    "exact ": ratio,
                }
            )
table(rows)

# %% [markdown]
# Log ratios agree. Distances may fall short, by up to a tenth: where the twist looks, in a tail
# of the erased world, cells are wide.
#
# ## Simple worlds
#
# The measure the post has in mind is Kolmogorov's: M(w) = 2^-C(w). C is bounded from above by real
# compressors, and they have something to say where a world has structure. Here is a lawn of 256
# patches, where weeds come with the years; `mow` takes back half a year, `neglect` adds one. No
# code is shorter on average than the entropy given the growth (`at least`). The formula is that of
# the code for patches without neighbours, which is the shortest of those tried, nearly always.


# %%
def lawn(disciple):
    """Growth, patches seen that speak of it, the wire, a lawn, and hares in search of clover."""
    growth = pyro.sample("growth", dist.Beta(1.0, 6.0))
    with pyro.plate("glance", 20):
        pyro.sample("weedy", dist.Bernoulli(growth))
    share = 1 - (1 - growth) ** cm.wire(disciple, idle=torch.ones(()))(growth)
    with pyro.plate("patch", 256):
        weed = pyro.sample("weed", dist.Bernoulli(share))
        hare = pyro.sample("hare", dist.Poisson(0.1 - 0.05 * weed))
    cm.measure("weeds", weed, dims=["patch"])
    cm.measure("hares", hare.sum(-1))


def for_years(years):
    return lambda growth: torch.full_like(growth, years)


gardeners = {"idle": 1.0, "mow": 0.5, "neglect": 2.0}
seen = {"weedy": (torch.arange(20) < 2).float()}
lawns = drawn(lawn, seen, {name: for_years(years) for name, years in gardeners.items()})
simple = inference.simplicity("weeds")
bits = simple.bits(lawns["predictions"].to_dataset().data_vars)
found = diagnostics.twist(lawns, simple, measurements="hares")

growth, count = (np.arange(4000) + 0.5) / 4000, np.arange(257)  # the posterior is Beta(3, 24)
parts = special.gammaln([count + 0.5, 256.5 - count]).sum(axis=0)  # of 0, and 1; -1 never comes
parts += special.gammaln(1.5) - special.gammaln(257.5) - 2 * special.gammaln(0.5)
code = 3 + np.log2(5) - parts / np.log(2)
by_formula = {}
for name, years in gardeners.items():
    share = 1 - (1 - growth) ** years
    weight = stats.beta.pdf(growth, 3, 24) / 4000
    weeds = stats.binom.pmf(count[:, None], 256, share) @ weight
    least = -256 * (special.xlogy(share, share) + special.xlogy(1 - share, 1 - share)) @ weight
    mass = np.log(weeds @ 2.0 ** (-found.attrs["power"] * code))
    by_formula[name] = least / np.log(2), weeds @ code, mass
told = found[["log_ratio", "log_ratio_mcse", "ess_on", "untwisted", "tv", "lower", "p"]]
told = told.squeeze().reset_coords(drop=True).to_dataframe()
least, code, mass = np.array(list(by_formula.values())).T
told.insert(2, "formula", mass - mass[0])
told.insert(0, "at least", least)
told.insert(1, "C", bits.mean(["chain", "draw"]).sel(disciple=told.index))
told.insert(2, "C, formula", code)
told.insert(3, "sd of C", bits.std(["chain", "draw"]).sel(disciple=told.index))
print(f"β = {found.attrs['power']:.3f}", told.round(2), sep="\n", end="\n\n")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", ImpactWarning)
    diagnostics.twist(lawns, simple, power=1.0, disciples="mow", measurements="hares")
print(f"at β = 1: {caught[0].message}")

# %% [markdown]
# Prizing simplicity with full force would compare the very simplest lawns, and only a few of
# thousands of draws are such. So no power near 1 is supported: what twisted worlds look like
# there is *unknown*, which is not the same as no impact. At the power that is supported the answer
# is that of a mild taste for the simple, which sees no difference in hares (p). The log ratio is
# still telling: by how much more of M^β lies in the tidy world.
#
# ## Description lengths
#
# *P(e,S,1) and P(e,S,0) should have roughly similar minimal description length, and the
# description of P(e,S,0) given P(e,S,1) should be very short in comparison.* What is described is
# the law, as finely as draws justify. If the worlds are the same, the other one costs three bits
# (one where a measurement has few values); at most one bit more than alone, if it is no help.
# `information` is what is saved of the *draws* of the one by knowing the other's.
#
# The curves say what is left of a description of so many bits (*possibly allowing destructive
# compression*). Given the other world, at 0 bits, that is the distance of the worlds.

# %%
lengths = {name: diagnostics.description_length(tree) for name, tree in worlds.items()}
rows = []
for name, ex in zoo.items():
    for disciple, policy in ex.disciples.items():
        one = lengths[name].sel(disciple=disciple).isel(measurement=0)
        names = ["on", "off", "on_given_off", "off_given_on", "information"]
        row = {"of": one["measurement"].item(), "disciple": disciple}
        row |= {part.replace("_", " "): one[part].item() for part in names}
        row["± of on"] = one["on_mcse"].item()
        row["left at 0 bits"] = one["distortion"].sel(description="off_given_on", rate=0).item()
        rows.append(row | {"exact tv": ex.exact(policy).tv()[0]})
table(rows)
inference.plots.plot_description_length(lengths["mixture"], measurements="opinion")
plt.show()

# %% [markdown]
# From one sample to another such bits move by some ten. War is one number, and costs as much
# again if it changes places; the shape saw no change at all.
#
# *The shortest description of P(e,S,1) might just be the source code of the master AI along with
# X=1. This is not at all what we want.* Here no source can be pointed to: a decoder has the cells
# and the other world's law. And all descriptions have to be *considerably shorter* than the
# disciple's own compressed source, a share of which is the budget (split over the measurements
# that are described). Below, of one measurement, what is left at smaller and smaller shares: of
# `null`, once the other world is known, nothing.
#
# Why not simply zip the draws? The last table: a general compressor's distance of two sets of
# independent draws (NCD by LZMA) is that of their noise. The same law and one three deviations
# away differ in the third digit.

# %%
rows = {}
for name, measured, disciple in (
    ("swap", "output", "swap"),
    ("collapse", "price", "pin"),
    ("mixture", "opinion", "split"),
):
    for share in (0.1, 0.03, 0.01):
        left = diagnostics.description_length(worlds[name], share=share, measurements=measured)
        for who in ("null", disciple):
            one = left.sel(disciple=who).squeeze()
            at = one["at_budget"].sel(description=["on", "on_given_off"]).values
            row = {"bits": one["budget"].item(), "on": at[0], "on given off": at[1]}
            said = {(f"{share:.0%} of the source", part): row[part] for part in row}
            rows.setdefault((measured, who), {}).update(said)
print(pd.DataFrame(rows).T.round(3), end="\n\n")


def packed(draws):
    """Bytes of draws, to a sixteenth of a deviation, by LZMA."""
    whole = np.clip(np.rint(16 * draws) + 128, 0, 255).astype(np.uint8)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9}]
    return len(lzma.compress(whole.tobytes(), lzma.FORMAT_RAW, filters=filters))


shifts = {"same law": 0.0, "a fifth away": 0.2, "one away": 1.0, "three away": 3.0}
normal = np.random.default_rng(0).normal(size=(5, 4, 500 if SMOKE else 5000))
normal[1:] += np.array(list(shifts.values()))[:, None, None]
normal = xr.Dataset(
    {"price": (["disciple", "chain", "draw"], normal, {"role": "measurement"})},
    {"disciple": ["erased", *shifts]},
)
told = diagnostics.description_length(normal).squeeze()
rows = []
for name, shift in shifts.items():
    pair = [normal["price"].sel(disciple=one).values.ravel() for one in ("erased", name)]
    alone = [packed(one) for one in pair]
    both = packed(np.concatenate(pair))
    row = {"law": name, "exact tv": 2 * stats.norm.cdf(shift / 2) - 1}
    row["NCD"] = (both - min(alone)) / max(alone)
    rows.append(row | {"off given on": told["off_given_on"].sel(disciple=name).item()})
table(rows, digits=4)

# %% [markdown]
# ## Who is charged by what
#
# Penalties take their floor away, so that noise is not charged. Starred: beyond two errors. Coarse
# graining catches all but `null`, and does not say at what. `swap` pays nothing to any shape;
# `split` and `widen` both pay for their width, and of the two only `split` for its peaks; `pin`
# pays the entropy most. A description given the other world finds all of them again; how long it
# is alone (`complexity`) is too uncertain to tell. The budget, a tenth of the shortest of these
# (wordy) sources, is generous, and leaves next to nothing. M prizes peace, a high price, and an
# opinion that is high.
#
# Last, a world with mistakes: a rent that nothing moves, names that nobody has, and a measure that
# is no number.


# %%
prized = {"swap": ("war", -2.0), "collapse": ("price", 1.0), "mixture": ("opinion", 1.0)}
charges = [("coarse_graining", "mean"), *(("shape", of) for of in penalties.names()["shape"])]
charges += [("description_length", of) for of in penalties.names()["description_length"]]
columns = {}
for name, tree in worlds.items():
    measured, slope = prized[name]
    twisted = penalties.twist(lambda w, m=measured, s=slope: s * w[m], of="log_ratio")
    built = {pair: penalties.build(pair[0], of=pair[1]) for pair in charges}
    for pair, penalty in (built | {("twist", "log_ratio"): twisted}).items():
        told = penalty(tree)
        for disciple in told["disciple"].values:
            charged, error = (
                told[key].sel(disciple=disciple).item() for key in ("penalty", "mcse")
            )
            star = "*" if charged > 2 * error else " "
            columns.setdefault((name, disciple), {})[pair] = f"{charged:.2f}{star}"
print(pd.DataFrame(columns), end="\n\n")


def office(disciple):
    """A mood, the wire, and a rent that is what it is."""
    mood = pyro.sample("mood", dist.Normal(0.0, 1.0))
    music = cm.wire(disciple, idle=torch.zeros(()))(mood)
    cm.measure("morale", pyro.sample("morning", dist.Normal(mood + music, 1.0)))
    cm.measure("rent", torch.full_like(mood, 5.0))


offices = drawn(office, {}, {"radio": for_years(0.5)})
print("shape of rent:", diagnostics.shape(offices)["reason"].sel(measurement="rent").values[0, 1])
for call in (
    lambda: diagnostics.shape(offices, descriptors="kurtosys"),
    lambda: diagnostics.shape(offices, measurements="moral"),
    lambda: diagnostics.description_length(offices, budget={"radios": 40.0}),
    lambda: diagnostics.twist(offices, inference.simplicity("rents")),
    lambda: diagnostics.twist(offices, lambda w: np.nan * w["rent"]),
    lambda: penalties.build("shape", of="peeks"),
):
    try:
        call()
    except CounterfactualError as error:
        print(f"{type(error).__name__}: {error}")
