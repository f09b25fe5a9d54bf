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
# # Who does the optimizing?
#
# *Conditions for Mesa-Optimization* (Hubinger, van Merwijk, Mikulik, Skalse and Garrabrant, 2019)
# asks when a base optimizer, such as training, will find a learned algorithm that is itself an
# optimizer: a *mesa-optimizer*. This notebook goes through the post in its order and turns what it
# claims into numbers. At the end the toy model becomes a world that is run, and its bits are
# counted.
#
# Two kinds of number are here. Most are consequences of a model whose cost of search is an
# assumption. Those given with ± are measured on draws.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from scipy import special

import counterfactual_models as cm
import inference
from inference import diagnostics
from inference.arrays import delegation as model
from inference.plots import style

SMOKE = "SMOKE" in os.environ
DRAWS = 100 if SMOKE else 1000  # in each of four chains
pd.set_option("display.width", 110)


def table(rows, digits=3):
    print(pd.DataFrame(rows).round(digits).to_string(index=False), end="\n\n")


# %% [markdown]
# ## 2.1 The task: so many halvings at least
#
# > *To ensure that all policies in the remaining space have some minimum level of performance ...
# > will always require the original space to be divided some minimum number of times.*
#
# Take a small task: sixteen situations, two actions in each, one of them right. There are 2^16
# policies, and J is how many situations a policy gets right. Whatever remains after k halvings is
# a share 2^-k of them; all of it can be as good as j only if k is at least -log2 of the share with
# J >= j. Footnote 2: *the same argument also holds for achieving an average-case guarantee.* It
# does, with fewer bits.

# %%
right = np.arange(17.0)
policies = np.log(special.binom(16, right))
rows = []
for least in (10, 12, 14, 16):
    sure = model.bits_to_guarantee(right, least, policies)
    average = model.bits_for_average(right, least, policies)
    kept = model.guaranteed_floor(right, sure, policies)
    rows.append(
        {
            "J": least,
            "every policy: bits": sure,
            "whole halvings": model.whole_halvings(sure),
            "on average: bits": average,
            "cheaper by": sure - average,
            "average of the guaranteed": float(kept.average),
        }
    )
table(rows)
fine = np.linspace(0.0, 60.0, 100 if SMOKE else 600_001)  # with an exponential tail
sure = model.bits_to_guarantee(fine, 8.0, -fine)
average = model.bits_for_average(fine, 8.0, -fine)
print(f"exponential tail, J = 8: {sure:.4f} bits for every policy, {average:.4f} on average,")
print(f"cheaper by {sure - average:.4f}; log2(e) = {np.log2(np.e):.4f}")

# %% [markdown]
# ## Two levels
#
# > *There are two distinct levels at which this optimization power could be expended: the base
# > optimizer could expend optimization power selecting a highly-tuned learned algorithm, or the
# > learned algorithm could itself expend optimization power selecting highly-tuned actions.*
#
# On the first level, P bits are spread over N instances, each of which wants a policy of its own.
# Take that literally: of 2^P random tables with N entries, keep the one whose worst entry is best.
# Is its worst entry worth P/N bits? (Exactly, on average: the harmonic number of 2^P, over
# N ln 2.)
#
# On the second level, f(x) of the P bits buy a search of x bits, and that search works on whatever
# instance it meets. The post's formula for the bits applied to an instance is
#
# $$\frac{P - f(x)}{N} + x.$$
#
# The post does not say what f is. Here it is 4 + x² unless said otherwise: four bits for any
# search at all, and each further bit of search is dearer than the last. P is 32. Search of x bits
# means: take the best of 2^x candidates out of the best 2^-b that tuning has left. What is counted
# is minus log2 of the share of all policies that do as well, on average. Best of n has
# log2(1 + 1/n) bits more by this count, chance itself (n = 1) one bit.

# %%
rows = []
for power, instances in ((8, 1), (8, 4), (8, 16), (12, 8), (16, 4)):
    tails = model.best_table_tails(power, instances, 20 if SMOKE else 200)
    found = model.measured_bits(tails.max(axis=1))
    rows.append(
        {
            "P": power,
            "N": instances,
            "P/N": power / instances,
            "exact": model.expected_table_bits(power, instances),
            "measured": found.expected,
            "±": found.expected_mcse,
        }
    )
table(rows)

POWER, COST = 32.0, model.QuadraticCost(1.0, fixed=4.0)
rows = []
for instances, searched in ((3, 0.0), (3, 4.0), (8, 0.0), (8, 4.0), (16, 0.0), (16, 4.0)):
    tuned = (POWER - COST(searched)) / instances
    found = model.measured_bits(model.searched_tails(tuned, searched, 500 if SMOKE else 100_000))
    rows.append(
        {
            "N": instances,
            "x": searched,
            "(P-f)/N": tuned,
            "formula": tuned + searched,
            "and chance": model.searched_bits(tuned, searched).mean_tail,
            "measured": found.mean_tail,
            "±": found.mean_tail_mcse,
            "best x": model.allocate(POWER, instances, COST).x,
        }
    )
table(rows)

# %% [markdown]
# ## More and more diverse environments
#
# > *As one moves to more and more diverse environments - that is, as N increases - this model
# > suggests that x will dominate (P - f(x))/N, implying that mesa-optimization will become more
# > and more favorable.* (The symbols, which our copy of the post has lost, are put back.)

# %%
grid = (31, 40) if SMOKE else (241, 300)
phases = diagnostics.delegation(
    np.linspace(8.0, 128.0, grid[0]), np.geomspace(1.0, 200.0, grid[1]), COST
)
inference.plots.plot_delegation(phases, powers=[16, 32, 64, 128])
plt.show()

# %% [markdown]
# N is the price that a bit of search fetches. So search begins at N1, where N pays for the
# *average* cost of its bits, min f(x)/x, and all power goes into it from N2 on, where N pays for
# the *last* bit. Because of the four bits that any search costs, x* does not grow from zero: it
# jumps.
#
# Footnote 7 is a constraint whose symbols are lost, too; we read it as f(x) <= P. Footnote 6:
# *there will be some maximum x simply because the learned algorithm generally only has access to
# so much computational power.*

# %%
some, most = model.critical_diversity(POWER, COST)
print(f"P = {POWER:g}: N1 = {some:.4f}, N2 = {most:.4f}\n")
rows = []
for instances in (1, 3, some, 1.001 * some, 8, most, 16, 64, 1024):
    free, capped = (model.allocate(POWER, instances, COST, limit) for limit in (None, 3.0))
    rows.append(
        {
            "N": instances,
            "x, power free": instances / 2,
            "x, affordable": COST.budget(POWER),
            "x*": free.x,
            "tuned": free.tuning,
            "bits": free.value,
            "regime": free.regime,
            "P/N": POWER / instances,
            "x* up to 3": capped.x,
            "regime up to 3": capped.regime,
        }
    )
table(rows)

costs = {
    "3x": model.LinearCost(3.0),
    "4 + 3x": model.LinearCost(3.0, fixed=4.0),
    "4 + x^2": COST,
    "4 + 4(exp(x/2) - 1)": model.ExponentialCost(4.0, 0.5, fixed=4.0),
    "4 + 8 log(1 + x)": model.LogarithmicCost(8.0, fixed=4.0),
}
rows = []
for name, cost in costs.items():
    some_, most_ = model.critical_diversity(POWER, cost)
    jump = model.allocate(POWER, some_ * (1 + 1e-9), cost).x
    rows.append({"f(x)": name, "N1": some_, "x* just beyond N1": jump, "N2": most_})
table(rows)

# %% [markdown]
# Tic-tac-toe stands at the left of the picture, the savanna at the right. And *non-optimizer
# policies directly fine-tuned by evolution - those of plants, for example - having to be very
# simple*: tables are worth less and less for each instance, search what it always was.
#
# How it begins depends on f. Where further bits of search are no dearer than the first ones, it is
# all or nothing. Where they are cheaper (to write "try 2^x" takes about log x bits), even a single
# instance is searched, and footnote 6 is all that holds x back.
#
# ## Novel instances, and two footnotes
#
# > *A mesa-optimizer can immediately optimize its actions in novel situations, whereas the base
# > optimizer can only change the mesa-optimizer's policy by modifying it ex-post.*
#
# If a share of the instances met is new, tuning does nothing there. N1 falls by that share: an
# environment that was not diverse enough for search becomes so.

# %%
rows = []
for novel in (0.0, 0.2, 0.4, 0.8, 1.0):
    mean, worst = (
        model.allocate(POWER, 3, COST, novel=novel, criterion=kind)
        for kind in ("average", "minimum")
    )
    rows.append(
        {
            "novel": novel,
            "N1": (1 - novel) * some,
            "x* at N = 3": mean.x,
            "regime": mean.regime,
            "bits, on average": mean.value,
            "of which tuned": mean.tuning,
            "bits, worst instance": worst.value,
        }
    )
table(rows)

for name, instances in {"category": 4, "layout": 64, "both": 4 * 64}.items():
    found = model.allocate(POWER, instances, COST)
    print(f"footnote 4, told apart by {name}: N = {instances}, {found.regime}, x* = {found.x:.2f}")
diversities = np.arange(1.0, 301.0)
for growth in (0.0, 0.25, 0.5, 1.0):
    pays = [
        n
        for n in diversities
        if model.allocate(POWER, n, model.QuadraticCost(n**growth, fixed=4 * n**growth)).x > 0
    ]
    said = f"for N = {pays[0]:.0f} to {pays[-1]:.0f}" if pays else "for no N"
    print(f"footnote 5, f(x) = N^{growth:g} (4 + x^2): search pays {said} of 1 to 300")

# %% [markdown]
# Footnote 4: *This definition of N is somewhat vague, as there are multiple different levels at
# which one can chunk an environment into instances.* With four categories of sixty-four layouts
# each, what the model says hangs on which of them want policies of their own.
#
# Footnote 5: f must not depend on N, or not much. How much is much? If it grew like the fourth
# root of N, search would pay a little later. If like the square root, it would pay in a window
# only, beyond which P cannot buy enough of it. If like N itself, never.
#
# ## Compression of complex policies
#
# > *If the maze is sufficiently long and complicated then the specific strategy for solving this
# > particular maze ... will have a high description length. However, the description length of a
# > general optimization algorithm for finding a path through an arbitrary maze is fairly small.*
#
# Both are measured here. A path is a word in U, D, L, R; a search is the text of the function that
# finds it, without comments, with short names. Each is written in the best of several codes.

# %%
sizes = np.arange(8, 65, 8)
seeds = range(3 if SMOKE else 25)
programs = {n: [model.programs_for_maze(int(n), seed=seed) for seed in seeds] for n in sizes}
crossing = 46 if SMOKE else model.crossing_size(range(8, 65, 2), mazes=25)
stored = np.array([[each.stored.bits for each in programs[n]] for n in sizes])
search = programs[8][0].search
maze = model.perfect_maze(crossing)
path = model.find_path(maze, (0, 0), (crossing - 1, crossing - 1))


def plot_mazes():
    with style.house_style():
        _, (left, right_) = plt.subplots(1, 2, figsize=(10.5, 4.4), layout="constrained")
        halls = [(cell[::-1], near[::-1]) for cell in maze for near in maze[cell] if near > cell]
        left.add_collection(LineCollection(halls, colors="0.8", linewidths=2.2, capstyle="round"))
        left.plot([c for _, c in path], [r for r, _ in path], color=style.LET_IN_COLOR, lw=1.6)
        left.set(aspect="equal", title=f"a maze of {crossing} x {crossing}, and its path")
        left.invert_yaxis()
        left.axis("off")
        right_.plot(sizes, stored, "o", ms=3, color=style.LET_IN_COLOR, alpha=0.3)
        right_.plot(
            sizes, np.median(stored, axis=1), color=style.LET_IN_COLOR, label="path, stored"
        )
        right_.axhline(search.bits, color="k", lw=1.2, label="program that finds it")
        right_.axvline(
            crossing, color="0.6", lw=0.8, ls="--", label="from here on search is shorter"
        )
        right_.legend(frameon=False, loc="upper left")
        right_.set(title="description length, bits", xlabel="cells on a side of the maze")
    plt.show()


plot_mazes()
print(f"description length prefers search from {crossing} x {crossing} on")
turns = model.junction_bits(maze, path)
print(f"to one who sees the junctions, the turns of this path are worth {turns:.0f} bits")
print(f"{len(path) - 1} moves of this path:", end=" ")
print({k: round(v) for k, v in model.code_lengths(model.moves(path), model.MOVES).items()})
text = model.minified(model.find_path)
print(f"{len(text)} characters of program:", end=" ")
print({k: round(v) for k, v in model.code_lengths(text).items()})
for n in (8, 16, 24):
    many = model.mazes_until_search([each.stored for each in programs[n]], search)
    print(f"of {n} x {n} mazes, from {np.ceil(many):.0f} on one search is shorter than all paths")
other = model.perfect_maze(20, seed=99)
found = model.find_path(other, (0, 0), (19, 19))
print(f"and it solves a maze it was not chosen for, in {len(found) - 1} moves")

rng = np.random.default_rng(0)
noise = "".join(rng.choice(["0", "1"], 4096))
rule = "".join(str(bin(k).count("1") % 2) for k in range(4096))  # parity of the bits of k
for name, labels in (("random labels", noise), ("labels by a rule", rule)):
    print(f"{name}: {model.description_bits(labels, '01') / 4096:.3f} bits a label, compressed")

# %% [markdown]
# So *as long as the pressure for low description length is strong enough*, one large maze will do,
# or a number of small ones: the search is the shorter program, and solves the others as well. And
# *a classifier trained on random noise is unlikely to benefit from compression at all*: one bit a
# label, whatever the code.
#
# A caution that the post does not give. A learned algorithm that *sees* the junctions needs to
# store only its choices there, and beats both. A description length means nothing before it is
# said what the decoder knows.
#
# ## Task restriction, and human modelling
#
# > *One way of reducing the probability of mesa-optimizers might be to keep the tasks on which AI
# > systems are trained highly restricted. Focusing on building many individual AI services ...
# > while still remaining competitive with other approaches.*
#
# Services of N/k instances each do not search once N/k is at most N1. Are they competitive? That
# depends on what they are held against: one system of P bits, or one of all the power that the k
# services had together, P each. Search is limited to 6 bits.

# %%
rows = []
for instances in (16, 64, 256):
    services = model.services_without_search(POWER, instances, COST)
    one = model.allocate(POWER, instances / services, COST)
    general = model.allocate(POWER, instances, COST, 6.0)
    paid = model.allocate(POWER * services, instances, COST, 6.0)
    rows.append(
        {
            "N": instances,
            "services k": services,
            "service: x*": one.x,
            "service: bits": one.value,
            "one of P: x*": general.x,
            "one of P: bits": general.value,
            "one of kP: x*": paid.x,
            "one of kP: bits": paid.value,
        }
    )
table(rows, digits=2)

# %% [markdown]
# Services beat one system of the same P. They never beat one that is given
# what all of them together were given: it could do as they do, and search is paid for once only.
# So the post's question whether services remain competitive is one of what power costs.
#
# *Human modeling*: *a system capable of reasoning about optimization is likely also capable of
# reusing that same machinery to do optimization itself.* **No formula here reaches this.** One
# could say that a model of humans pays a part of f in advance, and lower c0; how much of it is
# exactly what nobody knows, so we give no number.
#
# ## 2.2 The base optimizer: reachability and algorithmic range
#
# > *There needs to be a path through the space of learned algorithms to it that is approximately
# > monotonically increasing. Furthermore, the degree to which the path only need be approximate
# > ... is likely to be critical, as optimization algorithms are complex enough that it might
# > require a significant portion of the algorithm to be present before performance gains start
# > being realized.*
#
# How approximate a path is, is its *drawdown*: how far performance falls below its best so far.
# Take code of a search in ten parts, that gains nothing before m of them are there and is in the
# way until then.
#
# > *The more extensive a model's algorithmic range, the broader the space of possible learned
# > algorithms, and thus the more likely that it will be able to find one that is a
# > mesa-optimizer.*
#
# In the second table six parts are needed, and the architecture has room for some.

# %%
TOLERANCES = (0.0, 0.1, 0.5, 1.0)
rows = []
for needed in (1, 3, 6, 9):
    code = model.ThresholdSearch(parts=10, needed=needed)
    easiest = model.reachability(code.neighbours, code, (0,) * 10, (1,) * 10)
    found = {"parts needed": needed, "least drawdown": easiest.drawdown}
    for tolerance in TOLERANCES:
        reached = model.reachability(code.neighbours, code, (0,) * 10, (1,) * 10, tolerance)
        found[f"at {tolerance:g}"] = "reached" if reached.reachable else "-"
    rows.append(found)
table(rows)

code = model.ThresholdSearch(parts=10, needed=6)
rows = []
for room in (4, 5, 6, 8, 10):

    def near(algorithm, room=room):
        return [other for other in code.neighbours(algorithm) if sum(other) <= room]

    found = {"room for parts": room}
    for tolerance in TOLERANCES:
        reached = model.algorithmic_range(near, code, (0,) * 10, tolerance)
        searching = sum(sum(algorithm) >= code.needed for algorithm in reached)
        found[f"at {tolerance:g}"] = f"{len(reached)} ({searching} search)"
    rows.append(found)
table(rows)

# %% [markdown]
# Reachability is all or nothing: there is a tolerance below which no training, however long, comes
# to the search. Range counts only if it is reached: with room for ten parts but a tolerance of
# 0.1, none of the algorithms found search.
#
# ## Inductive biases
#
# > *We hypothesize that penalizing description length will favor mesa-optimizers while penalizing
# > time complexity will disfavor them.*
#
# The same mazes. With a price for a step of running beside the price for a bit of length, search
# is preferred only below τ*, in bits a step. Levin's price charges log2 of the steps.
#
# > *The capacity limitations of the model ... leading to a bias in favor of relatively compressed
# > policies.*
#
# A capacity between the two lengths leaves the shorter program only. The *speculative conjecture*
# on minimal circuits is about the extremes of both; we have no formula for it.

# %%
rows = []
for n in (16, 32, 48, 64):
    typical = sorted(programs[n], key=lambda each: each.stored.bits)[len(seeds) // 2]
    pair = [typical.stored, typical.search]
    names = ["path", "search"]
    rows.append(
        {
            "maze": n,
            "path: bits": pair[0].bits,
            "path: steps": pair[0].steps,
            "search: bits": pair[1].bits,
            "search: steps": pair[1].steps,
            "τ*": model.critical_time_price(*pair),
            "by length": names[model.preferred(pair)],
            "at τ = 0.05": names[model.preferred(pair, 0.05)],
            "at τ = 0.5": names[model.preferred(pair, 0.5)],
            "by Levin": names[int(np.argmin([each.levin_price for each in pair]))],
        }
    )
table(rows)

rows = []
for outputs in (1, 2, 4, 16, 64):
    served = typical.search.serving(outputs)
    rows.append(
        {
            "outputs a search serves": outputs,
            "steps for each": served.steps,
            "τ*": model.critical_time_price(typical.stored, served),
            "at τ = 0.5": names[model.preferred([typical.stored, served], 0.5)],
        }
    )
table(rows)

rows = []
for passing in (None, 24.0, 16.0, 8.0, 0.0):
    found = model.allocate(POWER, 3, COST, funnel=passing)
    row = {"most tuned bits": "all" if passing is None else f"{passing:g}", "x*": found.x}
    row |= {"spent on search": found.spent, "tuned": found.tuning, "bits": found.value}
    rows.append(row | {"regime": found.regime})
table(rows)

# %% [markdown]
# The second table is *Statefulness*: *caching of intermediate results ... decreasing the implicit
# penalty on time complexity*. State lets one search serve many outputs; on the 64 x 64 maze the
# price of time at which search is given up rises until no price is too high.
#
# The third is the *information funnel*: *the base optimizer selects DNA strings, which in turn
# produce the detailed structure of the brain only indirectly.* At N = 3 everything is tuned, as
# long as it passes. What cannot pass is spent on finding a search.
#
# *Hard-coded optimization ... might decrease the benefit of mesa-optimizers.* **Here the formula
# disagrees with the post, or rather cannot say it:** search that is given for nothing adds the
# same bits whatever x is, and x* stays where it was. For the post's claim bits would have to be
# worth less the more there are, and nothing in the formula says so.
#
# ## The toy model as a world
#
# `mesa` in the zoo is a Pyro program. The past says how hard N instances are, and records speak of
# it. A base optimizer of P bits has paid f(x) for a search of x bits and tuned b = (P - f(x))/N
# bits into each of N table entries. The search is the disciple and sits in the wire: X = 0 erases
# it, and the reflex remains. With `erase="training"` X = 0 takes away the tuning, too, and
# policies are untrained. So there are three levels: A untrained, B tuned reflex, C with search.
#
# Bits are counted from draws: how many of the worlds below are as good? `log2_n` asks of how many
# of them one would have to choose the best. Chance scores zero.

# %%
N = 8
best = model.allocate(POWER, N, COST)


def drawn(instances, bits, *, erase="training", futures=10, names=("search",)):
    example = cm.zoo.load(
        "mesa", power=POWER, instances=instances, bits=bits, cost=COST, erase=erase
    )
    past = inference.sample_posterior(
        example.world, example.evidence, "laplace", draws=DRAWS, progress=False
    )
    disciples = {name: example.disciples[name] for name in names}
    worlds = inference.sample_worlds(
        example.world, past, disciples, futures=futures, progress=False
    )
    return example, worlds


example, worlds = drawn(N, best.x, erase="search", names=("half_search", "search"))
found = diagnostics.optimization_power(worlds, example.utility).sel(summary="log2_n")
for name in found["disciple"].values:
    bits, error = (found[key].sel(disciple=name).item() for key in ("bits", "mcse"))
    print(f"{name}, of {example.disciples[name].bits:g} bits: measured {bits:.3f} ± {error:.3f}")

example, worlds = drawn(N, best.x, names=("reflex", "search"))
chain = diagnostics.power_chain(worlds, example.utility, ["reflex", "search"])
inference.plots.plot_power_chain(chain)
plt.show()
exact = example.exact(example.disciples["search"]).levels
steps = zip(("A->B", "B->C", "A->C"), [*chain["bits"][:, 0], chain["direct"][0]], strict=True)
errors = [*chain["mcse"][:, 0].values, chain["direct_mcse"][0].item()]
rows = [
    {
        "step": step,
        "formula": exact[step].formula,
        "exact log2 N": exact[step].log2_n,
        "measured": bits.item(),
        "±": error,
        "standard errors off": (bits.item() - exact[step].log2_n) / error,
    }
    for (step, bits), error in zip(steps, errors, strict=True)
]
table(rows)

# %% [markdown]
# The step from B to C is the post's x: the best of 2^x is worth x bits. The step from A to B is
# worth more than b. Tuning *guarantees* b halvings, and what is drawn from the best 2^-b is better
# than the worst of it, by up to a bit. Once there is a search that bit is no longer added to the
# others: the steps do not add up, and all at once is within a tenth of a bit of the formula. The
# formula counts what is sure; the world's `exact` gives what is measured, in closed form.
#
# ## All four regimes, and the best x
#
# In each regime, at the x* of the formula, C is held against A; the offset is what log2 N counts
# beyond the formula, as above. Then x is swept at N = 8 with the same noise, and the best x that
# is *measured* stands beside the one predicted. At x = 0 nothing is paid for search: the jump.
#
# What is left out, in one place: human modelling, hard-coded optimization and the circuit
# conjecture have no formula here. And f, on which all of it hangs, is an assumption, not a
# measurement: nobody has measured how many bits of training a search costs.

# %%
rows = []
for instances, limit in ((3, None), (N, None), (16, None), (16, 3.0)):
    planned = model.allocate(POWER, instances, COST, limit)
    rare = planned.value > 8  # more bits need more draws
    example, worlds = drawn(instances, planned.x, futures=40 if rare and not SMOKE else 10)
    found = diagnostics.optimization_power(worlds, example.utility).sel(disciple="search")
    bits, error = (found[key].sel(summary="log2_n").item() for key in ("bits", "mcse"))
    exact = example.exact(example.disciples["search"]).levels["A->C"]
    rows.append(
        {
            "regime": planned.regime,
            "N": instances,
            "x*": planned.x,
            "formula": planned.value,
            "less offset": bits - (exact.log2_n - exact.formula),
            "±": error,
            "measured log2 N": bits,
            "exact": exact.log2_n,
            "standard errors off": (bits - exact.log2_n) / error,
        }
    )
table(rows)

swept = np.append(np.arange(0.0, 5.1, 2.5 if SMOKE else 0.5), COST.budget(POWER))
found = []
for bits in swept:
    example, worlds = drawn(N, bits, futures=5)
    power = diagnostics.optimization_power(worlds, example.utility).sel(disciple="search")
    power = power.sel(summary="log2_n")
    truth = example.exact(example.disciples["search"])
    exact = truth.levels["A->C"].log2_n
    found.append([power["bits"].item(), power["mcse"].item(), truth.value, exact])
measured, errors, formula, exact = np.array(found).T


def plot_sweep():
    x = np.linspace(0.01, COST.budget(POWER), 200)
    with style.house_style():
        _, axes = plt.subplots(figsize=(6.8, 3.8), layout="constrained")
        axes.plot(x, (POWER - COST(x)) / N + x, color="k", lw=1.2, label="formula")
        axes.plot(0, POWER / N, "o", color="k", ms=4)
        axes.plot(swept[1:], exact[1:], color="k", lw=1, ls=":", label="exact log₂ N")
        look = {"fmt": "o", "ms": 4, "color": style.LET_IN_COLOR, "label": "measured log₂ N"}
        axes.errorbar(swept, measured, 1.96 * errors, **look)
        axes.axvline(best.x, color="0.6", lw=0.8, ls="--", label="x* of the formula")
        axes.set(xlabel="bits x searched at run time", title=f"bits of an instance, N = {N}")
        axes.legend(frameon=False, loc="lower right")
    plt.show()


plot_sweep()
print(f"x* by the formula {best.x:.2f}, by the sweep {swept[np.argmax(measured)]:.2f},", end=" ")
print(f"less the offset {swept[np.argmax(measured - exact + formula)]:.2f}")
