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
# # Measuring optimisation power
#
# *Did you hit an outcome that was one in a million? One in a trillion?* Stuart Armstrong's
# *Measuring optimisation power* (2012) takes up Eliezer Yudkowsky's proposal: the power of a
# system is how small a target it hits, in bits, *in the absence of optimization*. Here is every
# example of the post and of its comments by number, in their order (but that levels come last).
# Then a step further: a target of one in a trillion in a world with a switch, measured without
# drawing a trillion worlds.
#
# In our words: the absence of optimization is the erased world P(e,S,0), and the bits of a world w
# with the disciple are -log2 P(e,S,0)(U >= U(w)).
#
# ## Eight states
#
# *Assume there were eight equally likely possible states, and S gives them utilities {0, 1, ...,
# 7}. Then if S can make X6 happen, ... it has hit a target filling 1/4 of the total space.*

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import torch
from scipy import stats

import counterfactual_models as cm
import inference
from counterfactual_models.errors import CounterfactualError
from inference import diagnostics
from inference.arrays import order

SMOKE = "SMOKE" in os.environ
DRAWS = 100 if SMOKE else 1000  # in each of four chains
PARTICLES = 100 if SMOKE else 500  # in each of four runs of splitting


class Table:
    """An example of the post, what the post says of it, and what the library says."""

    def __init__(self, *rows, columns=("in the post", "it says", "here")):
        self.frame = pd.DataFrame(rows, columns=list(columns))

    def __repr__(self):
        return self.frame.to_string(index=False)

    def _repr_html_(self):
        text = self.frame.to_html(index=False, border=0)
        for tag in ("th", "td"):
            text = text.replace(f"<{tag}>", f'<{tag} style="text-align: left">')
        return text


def refusal(call):
    """What is said instead of a wrong number."""
    try:
        return call()
    except CounterfactualError as error:
        return f"refused: {error}"


states = np.arange(8)
Table(
    ("X6", "2", f"{order.exceedance_bits(states, 6):g}"),
    ("X4", "1", f"{order.exceedance_bits(states, 4):g}"),
    ("X7", "3", f"{order.exceedance_bits(states, 7):g}"),
    ("one in a million", "", f"{order.bits_of(np.log(1e-6)):.3f}"),
    ("one in a trillion", "", f"{order.bits_of(np.log(1e-12)):.3f}"),
)

# %% [markdown]
# ## The system, and everything else in the universe
#
# *An idiot king has more OP than a brilliant peasant.* Give a realm twenty fields, each with a
# harvest of 0 to 15 at random. The peasant gets the most out of his own; the king's decree keeps
# all of them in the better half, and does no more. Who has more depends on the baseline: one field
# or the realm. So bits are never told without it.
#
# *A system that wants to compose a brilliant sonnet has more OP than exactly the same system that
# wants to compose a brilliant sonnet while embodied in the Andromeda galaxy.* A commenter objects:
# it *has to hit a smaller target*. Both are right. It is a smaller target, if it is hit; if not,
# there is nothing between a hit and a miss.
#
# *Maybe the difference between the opposed OP and the standard OP is a better measure of power.*
# It is no help with goals that are missed either way. And in the model of a comment below (S takes
# the best of N, an opponent is worth M) it tells of the opponent alone. Last, padding the space of
# solutions adds bits to everything, and leaves differences as they are.

# %%
field = np.full(16, 1 / 16)
realm, log_realm = np.arange(301), np.log(field)
for _ in range(19):
    log_realm = np.log(np.convolve(np.exp(log_realm), field))
king, peasant = 20 * 11.5, 15 + 19 * 7.5
own = order.exceedance_bits(np.arange(16), [8, 15])
ruled = order.exceedance_bits(realm, [king, peasant], log_realm)

log_sonnet, log_there = -20 * np.log(2), -60 * np.log(2)


def all_or_nothing(log_probability, hit):
    """Bits of hitting, or missing, a target that is all there is to want."""
    masses = [order.log_complement(log_probability).item(), log_probability]
    return order.exceedance_bits([0, 1], float(hit), masses)


missed = all_or_nothing(log_there, False)
options = np.random.default_rng(0).random((4, 200 if SMOKE else 4000, 8, 64))
against = order.opposed_loss(
    options[..., 0, 0], options[..., 0, :].max(-1), options.max(-1).min(-1)
)
printer = [
    order.exceedance_bits([0, -999, -1000], [0, -999], np.log([1, 999, 10.0**digits - 1000]))
    for digits in (10, 20)
]
primes = [n for n in range(10**6 + 1, 10**6 + 200) if all(n % k for k in range(2, 1001))]
space = [10**digits - 10**6 - 1 for digits in (9, 12)]
prime = [
    order.exceedance_bits([2, 1, 0], [2, 1], np.log([1, len(primes) - 1, n - len(primes)]))
    for n in space
]
Table(
    ("idiot king, brilliant peasant: in one field", "", f"{own[0]:g} and {own[1]:g}"),
    ("in the realm", "king > peasant", f"{ruled[0]:.3f} and {ruled[1]:.3f}"),
    (
        "naive search on the internet (2^30 tries), a better one on Colossus (as 2^15)",
        "first > second",
        f"{order.best_of_n_bits(2**30):.3f} and {order.best_of_n_bits(2**15):.3f}",
    ),
    ("sonnet, one text in 2^20, composed", "", f"{all_or_nothing(log_sonnet, True):g}"),
    ("the same, wanted in Andromeda: missed", "fewer", f"{missed:g}"),
    (
        "composed, and in Andromeda",
        "a smaller target",
        f"{all_or_nothing(log_sonnet + log_there, True):g}",
    ),
    (
        "opposed: best of 1024 against 32",
        "very low",
        f"{order.opposed_bits(1024, 32):.4f}, difference {order.opposed_bits_lost(1024, 32):.4f}",
    ),
    (
        "best of a million against 32",
        "difference is better?",
        f"{order.opposed_bits(2**20, 32):.4f}, difference "
        f"{order.opposed_bits_lost(2**20, 32):.4f}",
    ),
    (
        "a goal of one in 2^60 that is missed, with opponents or without",
        "very low",
        f"{missed:g}, difference {missed - missed:g}",
    ),
    (
        "opponent takes the worst of 8 bests of 64, drawn",
        "",
        f"{against.opposed.bits:.2f} ± {against.opposed.mcse:.2f}, difference "
        f"{against.loss.bits:.2f} ± {against.loss.mcse:.2f}",
    ),
    ("the same by Beta(64, 8)", "crudely modeled", f"{order.opposed_bits(64, 8):.4f}"),
    (
        "0 from a printer of ten digits, of twenty",
        "smaller, larger",
        f"{printer[0][0]:.4f} and {printer[1][0]:.4f}",
    ),
    (
        "0 against 999, either printer",
        "the solution is just as easy",
        f"{np.diff(-printer[0])[0]:.6f} and {np.diff(-printer[1])[0]:.6f}",
    ),
    (
        f"smallest prime above a million ({primes[0]}), below a billion, a trillion",
        "same problem, more OP",
        f"{prime[0][0]:.4f} and {prime[1][0]:.4f}",
    ),
    (
        f"against any of the first {len(primes)} primes",
        "no problem if we compare",
        f"{np.diff(-prime[0])[0]:.6f} and {np.diff(-prime[1])[0]:.6f}",
    ),
    columns=("in the post", "it says", "bits"),
)

# %% [markdown]
# ## Is OP an entropy?
#
# *If for instance S hit an area of 1/4 in the first process (OP 2) and 1/8 in the second (OP 3),
# then it hits ... an OP of 5.* It is five if "as good" means as good in each. If the sum of
# utilities is what counts, more outcomes are as good.
#
# Then half X4 and half X7. *If OP were an entropy, ... giving a total OP of 3. ... And obviously a
# 50% of X7 and 50% of something inferior cannot be as good as a certainty of the best possible
# state.*

# %%
grid = np.indices((8, 8)).reshape(2, -1)


def joint(value):
    """Bits of X6 and X7 where a joint outcome is worth `value` of both."""

    def better(draws, achieved):
        return value(*draws) >= value(*achieved)

    return order.joint_bits([6, 7], better, draws=grid).item()


mixture = order.mixed_bits(states, [4, 7], "expected")
coin = float(order.bits_of(np.log(0.5)))
bits = {kind: order.mixed_bits(states, [4, 7], kind).item() for kind in order.MIXTURES}
Table(
    ("1/4 and 1/8, as good in each", "5", f"{order.joint_bits([2, 3]):g}"),
    ("u + v counts", "", f"{joint(lambda u, v: u + v):.4f}"),
    ("u counts, v breaks ties", "", f"{joint(lambda u, v: 8 * u + v):.4f}"),
    ("the lesser counts", "", f"{joint(np.minimum):.4f}"),
    ("the sum of bits counts", "", f"{order.joint_bits([2, 3], 'sum_of_bits'):.4f}"),
    ("½ X4 + ½ X7: weighted sum", "2", f"{mixture:g}"),
    ("and a bit of entropy (two states of no entropy)", "3", f"{mixture + coin:g}"),
    ("but OP(X7)", "3: refuted", f"{order.exceedance_bits(states, 7):g}"),
    ("most that any of our six extensions gives", "less than 3", f"{max(bits.values()):g}"),
)

# %% [markdown]
# *Can we write a simple distributive law: OP(½ X4 + ½ X7) = ½(OP(X4) + OP(X7)) = 2? It turns out
# we can't. Imagine that the utility of X7 is suddenly set to ten trillion ... now obviously much,
# much better than X6, which has an OP of 2. But now let's reset X6 to being ten trillion minus 1.*
# M is the mixture.
#
# `expected` is that law: it stays at 2, whatever utilities are. `certainty` looks up the expected
# utility among the sure states; `cramer`, the least divergence from chance that gives the same
# mean, follows it by degrees. Each keeps other axioms; the table is in
# `inference.arrays.order.mixtures`.

# %%
settings = {"u7 = 7": states.astype(float)}
settings["u7 = 1e13"] = np.where(states == 7, 1e13, states)
settings["and u6 = 1e13 - 1"] = np.where(states == 6, 1e13 - 1, settings["u7 = 1e13"])
columns = {}
for name, utility in settings.items():
    achieved = {"M": utility[[4, 7]], "X6": utility[[6]], "X7": utility[[7]]}
    for what, draws in achieved.items():
        column = {kind: order.mixed_bits(utility, draws, kind).item() for kind in order.MIXTURES}
        columns[name, what] = {"expected utility": draws.mean(), **column}
pd.DataFrame(columns).map(lambda number: f"{number:.6g}")

# %% [markdown]
# *Maybe if we looked at the simplex formed by all mixed states ... we could get these results to
# work? ... The OP of X7 has suddenly shot up to infinity! ... Even if we just restrict to a tiny,
# non-zero area, around X7, we get arbitrarily high OP ... if we followed the distributive law, Q =
# (1 - 10^-1000) X0 + 10^-1000 X7 must have a much larger OP than X6 - despite the fact that nearly
# every possible outcome is better than Q.*
#
# All of it, by a recursion that keeps every digit. The gaps of Q are 7e-1000, which no double can
# hold; their logarithms it can.

# %%
ten = np.log(10)
above, tiny = np.log(np.arange(1.0, 8)), [np.log(7) - 1000 * ten]
beside = [
    order.bits_of(order.lottery_log_tail_from_gaps([np.log(7) - n * ten], above)).item()
    for n in (3, 10, 1000)
]
second, third = settings["u7 = 1e13"], settings["and u6 = 1e13 - 1"]
log_q = order.lottery_log_bits_from_gaps(above, tiny) / ten
log_worse = order.lottery_log_tail_from_gaps(tiny, above) / ten
infinite = 1e-300 * order.lottery_bits(states, 7)
ties = order.lottery_bits(second, [6.0, second[[4, 7]].mean()])
close = order.lottery_bits(third, [third[6], third[[4, 7]].mean()])
Table(
    ("X7 among lotteries", "infinity", f"{order.lottery_bits(states, 7):g}"),
    ("1e-3, 1e-10, 1e-1000 from it", "arbitrarily high", "{:.2f}, {:.2f}, {:.2f}".format(*beside)),
    ("X6", "", f"{order.lottery_bits(states, 6):.6f}"),
    ("½ X4 + ½ X7", "", f"{order.lottery_bits(states, 5.5):.6f}"),
    ("X4", "", f"{order.lottery_bits(states, 4):.6f}"),
    ("Q by the distributive law", "much larger than X6", f"{infinite:g}"),
    ("Q", "nearly all is better", f"10^{log_q:.6f}"),
    ("share of lotteries worse than Q", "", f"10^{log_worse:.6f}"),
    ("u7 = 1e13: X6, M", "M is far better", f"{ties[0]:.6g}, {ties[1]:.6f}"),
    ("and u6 = 1e13 - 1: X6, M", "X6 is far better", f"{close[0]:.6f}, {close[1]:.6f}"),
    columns=("in the post", "it says", "bits"),
)

# %% [markdown]
# So the simplex puts mixtures in the order of expected utility, as it should; but its bits speak
# of a measure of lotteries that nobody drew from. A commenter: *there is no such thing as mixed
# states: you can't half-output.* In a Pyro world nothing is half put out. What is mixed is the
# luck of worlds, and the law of the bits over P(e,S,1) is the answer.
#
# ## Measures and coarse-graining
#
# *What does this probability measure actually represent? ... how could I write "there were eight
# equally likely possible states" and "S can make X6 happen"? Well, obviously, what I meant was
# that if S didn't exist, then it would be equally likely that X7 and X6 and...* That is what a
# switch in the wire is for.


# %%
def eight(disciple):
    """Fate picks one of eight states, unless a disciple makes one happen."""
    mood = pyro.sample("mood", dist.Normal(0.0, 1.0))
    goal = cm.wire(disciple, idle=torch.tensor(-1.0))(mood)
    fate = pyro.sample("fate", dist.Categorical(torch.ones(8)))
    coin = pyro.sample("coin", dist.Bernoulli(0.5))
    goal = torch.where(goal == 8, 4 + 3 * coin, goal)  # half X4, half X7
    cm.measure("state", torch.where(goal >= 0, goal, fate.to(goal.dtype)))
    cm.measure("built", (goal >= 0).to(goal.dtype))  # shows whether S exists


def makes(goal):
    return lambda mood: torch.full_like(mood, goal)


def state(measured):
    return measured["state"]


makers = {"X6": makes(6.0), "X4": makes(4.0), "X7": makes(7.0), "half X4, half X7": makes(8.0)}
past = inference.sample_posterior(eight, draws=DRAWS, progress=False)
worlds = inference.sample_worlds(eight, past, makers, futures=10, progress=False)
power = diagnostics.optimization_power(worlds, state)
shown = ["expected", "mean_tail", "log2_n", "cramer"]
(
    power[["bits", "mcse", "chance"]].sel(summary=shown).to_dataframe().unstack("summary").round(2)
    + 0.0
)

# %% [markdown]
# The draws say 2, 1, 3 within their error, `mcse`. What `chance` scores is the erased world
# against itself: no summary means anything without it, and `log2_n` and `cramer` have none.
#
# *But what has allowed me to identify X0(¬S) with X0(S)? ... Thus it seems that we need to use
# some sort of coarse-graining.* For the bits we need less: a utility that makes sense in both
# worlds. Cells of measurements add a bound that needs no utility, `surprisal`; but the two worlds
# have to be able to share them. `built` shows whether S exists: then every world with S is one
# that was never seen without it (`unseen`), which is what `tells_switch` is for.

# %%
names = ["mean_tail", "mean_tail_mcse", "surprisal", "unseen", "missing", "tells_switch"]
cells = {
    " and ".join(kept): diagnostics.coarse_power(worlds, state, measurements=kept)[names]
    .to_dataframe()
    .round(2)
    for kept in (["state"], ["state", "built"])
}
pd.concat(cells, names=["cells of"])

# %% [markdown]
# ## The comments: the best of N
#
# *Suppose something generated N options randomly and then chose the best. Given the observed
# choice, what is the likelihood function for N?* It is N q^(N-1), with q the share of options that
# are worse. *You could just communicate a maximum-likelihood estimate and precision*, or, under *a
# reference prior, ... posterior mean and variance*: one choice tells log2 N to ± 1.85 bits, no
# better, however good it was.
#
# *Alternatively ... an exponential weighting λ on the expected utility ... But this would fail
# when the expected utility from the null distribution was heavy-tailed. ... Better would be for
# the cumulative probability ... to be what was exponentially weighted by λ. In that case, in the
# limit λ = (N-1) >> 1, the two models give the same distribution.*
#
# *All of these statistics ... end up encoding equivalent information in the limit where the
# utility of each option is an independent sum of many identical light-tailed-distributed
# components*: the last rows, with k components of mean 1 that were brought to 1.5.

# %%
quarter = order.best_of_n(np.log(0.25))
whole = order.best_of_n(np.log(0.25), "integer")
sixth = order.best_of_n_level(np.log(6 / 8), np.log(7 / 8))
seventh = order.best_of_n_discrete(states, 7)
scale = np.linspace(-8, 8, 1601)
seen = order.best_of_n_posterior(
    lambda number: order.best_of_n_marginal(
        number, scale, -0.5 * ((3 - scale) / 0.3) ** 2, -0.5 * scale**2
    )
)
rng = np.random.default_rng(0)
normal = order.boltzmann_fit(rng.normal(size=20_000), 1.0)
heavy = order.boltzmann_fit(rng.standard_t(3, size=20_000), 1.0)
rank = order.rank_exponential_fit(np.log(0.25))
apart = order.rank_exponential_from_best_of_n([2, 16, 1024])
game = order.alternating_cdf([0.38, 0.39], 2, 2, rounds=12)
steps = np.arange(0.0005, 60, 0.001)  # an exponential law, cut finely
tilt = order.exponential_tilt(steps, 1.5, -steps).bits


def in_a_sum(components):
    """Bits and log2 N for each component, where their sum is half as much again as expected."""
    log_tail = stats.gamma(components).logsf(1.5 * components)
    bits, number = order.bits_of(log_tail), order.best_of_n(log_tail).mean_log2[()]
    return f"{bits / components:.4f}, {number.item() / components:.4f}"


def known(found):
    return f"{found.mean_log2.item():.3f} ± {found.sd_log2.item():.3f}"


Table(
    ("likeliest N, one in four as good", "", f"{quarter.mle.item():.4f}"),
    ("log2 N of it, prior 1/N", "mean and variance", known(quarter)),
    ("mean of a whole N", "", f"{whole.mean.item():g} = 2^OP"),
    ("X6 of eight: likeliest N, mean", "integrate", f"{sixth.mle:.4f}, {sixth.mean:.4f}"),
    ("log2 N of it", "", known(sixth)),
    ("X7: likeliest N; log2 N by Jeffreys' prior", "", f"{seventh.mle:g}; {known(seventh)}"),
    ("the best of 4 is X7", "", f"{order.choice_probabilities(4, states)[7]:.6f}"),
    ("log2 N of an unseen choice, measured as 3 ± .3 sd", "marginalizing", known(seen)),
    ("negamax, two options each: fixed point", "", f"{order.alternating_fixed_point(2, 2):.6f}"),
    ("12 rounds from .38, from .39", "", f"{game[0]:.6f}, {game[1]:.6f}"),
    ("λ on utility, normal, mean 1", "1", f"{normal.rate:.3f} ± {normal.rate_mcse:.3f}"),
    ("λ on utility, Student's t3", "this would fail", heavy.why.split(". Then")[0]),
    ("λ on the rank, one in four as good", "", f"{rank.rate.item():.4f}"),
    (
        "λ = N - 1 against the best of N = 2, 16, 1024, bits",
        "the same distribution",
        ", ".join(f"{bits:.4g}" for bits in apart),
    ),
    *[
        (f"OP and log2 N, each of {k} components", "equivalent", in_a_sum(k))
        for k in (1, 10, 100, 5000)
    ],
    ("λ on utility, bits for each component", "equivalent", f"{tilt:.4f}"),
)

# %% [markdown]
# ## The other comments
#
# *Let's say our search space is countably infinite ... and each item's score is equal to its
# corresponding natural number. I think for a while and come up with the solution that has score 1
# million. What's my optimization power? 0?* There is none without a proper measure; of uniform
# ones up to M it sinks to 0.
#
# *Even if I win the lottery, it was still a negative expected dollars choice.* So look at *the
# measure of the set of outcomes with greater utility than the minimum or expected* over *a set of
# starting states*. *Would it make sense for the measure of real-world intelligence to be
# "optimization power per unit time"?* What counts is the excess over random search. *Actual
# achievement rather than potential achievement*: the peasant again. *It requires the agent to have
# a rich set of preferences*: without any, there is a bound.
#
# *If optimizer B is sort of like choosing the best of N options generated by optimizer A, and C
# ... the best of M options generated by B, that might not have to mean that C is much like
# choosing the best of N times M options generated by A.*

# %%
million = [np.log1p(-1e6 / m) - np.log(1e6 / m) for m in (1e7, 1e9, 1e12)]
uniform = [order.exceedance_bits([0, 1], 1.0, [0.0, odds]).item() for odds in million]
log_geometric = 1e6 * np.log(1000 / 1001)
dollars, log_dollars = [0.0, -1.0, 5e6 - 1], np.log([0.5, 0.5 * (1 - 1e-7), 0.5e-7])
ticket, kept = [1 - 1e-7, 1e-7], ("mean_tail", "cramer")
played = [order.mixed_bits(dollars, dollars[1:], k, log_dollars, ticket).item() for k in kept]
stayed = [order.mixed_bits(dollars, dollars[:1], k, log_dollars).item() for k in kept]
starts = order.starting_states(stats.norm.logsf, np.arange(1.0, 5))
exhausted = order.best_of_n_bits(2**20)
rate = order.search_rate([exhausted, exhausted], [2.0**20, 100], seconds=[1000.0, 0.1])
could = order.potential(
    [order.joint_bits([4] * fields).item() for fields in (1, 5, 20)], own[1].item()
)
luck = (np.arange(100_000) + 0.5) / 100_000
best_of_16_of_8 = order.chain_of_levels(
    {level: -np.expm1(np.log(luck) / n) for level, n in (((0, 1), 8), ((1, 2), 16), ((0, 2), 128))}
)["log2_n"]
step, leap = order.bits_of(stats.norm.logsf([2.0, 4.0]))
Table(
    (
        "a million of all natural numbers",
        "0?",
        refusal(lambda: order.exceedance_bits([0, 1], 1.0, [np.log(1e6), np.inf])).split(". E")[0],
    ),
    ("of those up to 1e7, 1e9, 1e12", "", ", ".join(f"{bits:.3g}" for bits in uniform)),
    ("of a geometric law of mean 1000", "", f"{order.bits_of(log_geometric):.2f}"),
    (
        "having won, where chance buys a ticket half of the time",
        "",
        f"{order.exceedance_bits(dollars, dollars[2], log_dollars):.2f}",
    ),
    ("buying: mean tail, Cramér", "expected disutility", "{:.3g}, {:.3g}".format(*played)),
    ("not buying", "", "{:.3g}, {:.3g}".format(*stayed)),
    ("starts that end at 1, 2, 3, 4 sd: the minimum", "", f"{starts.worst.bits:.4f}"),
    ("expected utility", "", f"{starts.mean_utility.bits:.4f}"),
    ("expected bits", "", f"{starts.expected.bits:.4f}"),
    (
        "exhaustive search of 2^20; as good after 100: bits per try",
        "",
        "{:.3g}, {:.3g}".format(*rate.per_evaluation),
    ),
    ("bits a second (1000 s; 0.1 s)", "", "{:.3g}, {:.3g}".format(*rate.per_second)),
    ("more than as many random tries", "not intelligent", "{:.3g}, {:.2f}".format(*rate.excess)),
    (
        "the peasant, were he king: potential; held back",
        "potentially dangerous",
        f"{could.maximum.bits:g}; {could.held_back.bits:g}",
    ),
    (
        "X7 made by one who only wants X4 or more",
        "I'd still say powerful",
        f"{order.exceedance_bits(states >= 4, 1):g}",
    ),
    ("by any preference, at most", "", f"{order.surprisal_bits(np.log(1 / 8)):g}"),
    (
        "best of 16 of bests of 8: chain, direct (log2 N)",
        "",
        f"{best_of_16_of_8.chain.bits:.3f}, {best_of_16_of_8.direct.bits:.3f}",
    ),
    (
        "two steps of 2 sd: chain, direct",
        "not much like N*M",
        f"{2 * step:.4f}, {leap:.4f}",
    ),
)

# %% [markdown]
# ## A series of levels
#
# *Describe the optimization power of a system in terms of a series of levels of simpler systems
# leading up to that system.* Now in a world: a sonnet of fourteen verses. The past is the writer's
# skill, of which we saw the marks of three older poems, the first by a strict reviewer. Where the
# wire is erased verses come as they come; a pupil, a poet and a master improve each, the last so
# that half of its sonnets are one in a trillion.
#
# No erased draw is as good as those. `with_rare_worlds` finds worlds that are, by splitting: keep
# the better half, move them until they are a sample again, halve again. The bits are the halvings.

# %%
blur = torch.tensor([0.5, 1.0, 2.0])
marks = torch.tensor([0.5, 1.0, 0.0])


def sonnet(disciple):
    """Fourteen verses, each a little better for the writer's skill, and for some help."""
    skill = pyro.sample("skill", dist.Normal(0.0, 1.0))
    with pyro.plate("poem", 3):
        pyro.sample("mark", dist.Normal(skill, blur))
    help_with_each = cm.wire(disciple, idle=torch.zeros(()))(skill)
    with pyro.plate("verse", 14):
        verses = pyro.sample("verses", dist.Normal(help_with_each + 0.3 * skill, 1.0))
    cm.measure("beauty", verses.sum(-1))


def adds(beauty):
    return lambda skill: torch.full_like(skill, beauty)


def beauty(measured):
    return measured["beauty"]


# All is normal, so the truth is known: the erased world's beauty given the marks.
precision = blur.numpy() ** -2.0
variance = 1 / (1 + precision.sum())
exact = stats.norm(4.2 * variance * (precision @ marks.numpy()), np.sqrt(14 + 4.2**2 * variance))
trillionth = (exact.isf(1e-12) - exact.mean()) / 14
writers = {"pupil": adds(0.5), "poet": adds(1.0), "master": adds(trillionth)}

past = inference.sample_posterior(sonnet, {"mark": marks}, draws=DRAWS, progress=False)
worlds = inference.sample_worlds(sonnet, past, writers, futures=4, progress=False)
worlds = inference.with_scores(sonnet, worlds, writers, progress=False)
worlds = inference.with_rare_worlds(
    sonnet, worlds, writers, beauty, method="splitting", particles=PARTICLES, progress=False
)
split = worlds["rare_worlds"].attrs
print(f"up to a beauty of {split['target']:.1f} by running {split['evaluations']} worlds")

chain = diagnostics.power_chain(worlds, beauty, ["pupil", "poet"])
inference.plots.plot_power_chain(chain)
plt.show()

# %% [markdown]
# The poet is not much like the best of N times M. To be a little better in every verse comes more
# easily to a pupil than all of it comes by chance. (The master is left out: log2 N hangs on a
# writer's worst sonnets, and sixteen thousand do not show how bad those of a master get.)
#
# ## One in a trillion
#
# The curve is the erased world's tail: counted as far as draws go, then split. How often would one
# have to write by chance, to do as well?

# %%
power = diagnostics.optimization_power(worlds, beauty)
inference.plots.plot_optimization_power(power)
plt.show()

# %% [markdown]
# Against the truth; and which evidence the size of the target hangs on (at the highest beauty that
# any draw reached, where the last worlds of splitting are). A higher mark makes the target larger,
# that of the strict reviewer most.

# %%
median = power.sel(summary="median")
truth = order.bits_of(exact.logsf(power["utility"])) + 0 * power["utility"]
slopes = diagnostics.power_gradient(worlds)
far = (slopes.attrs["target"] - exact.mean()) / exact.std()
hazard = np.exp(stats.norm.logpdf(far) - stats.norm.logsf(far))
drawn = {
    f"bits of the {name}": (
        *median.sel(disciple=name)[["bits", "mcse"]].to_dataarray().values,
        truth.sel(disciple=name).median().item(),
    )
    for name in writers
}
for number, name in enumerate(slopes["datum"].values):
    drawn[f"bits per unit of {name}"] = (
        *slopes[["gradient", "mcse"]].isel(datum=number).to_dataarray().values,
        -hazard * 4.2 * variance * precision[number] / exact.std() / np.log(2),
    )
pd.DataFrame(drawn, index=["found", "mcse", "exact"]).T.round(2)
