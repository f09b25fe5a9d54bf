"""Is the erased world that is split as rare as the exact law says, whatever its sites are?"""

import warnings

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from closed_forms.rare import LN2, lone, rarely, reach, split_bits, told, worlds_of
from scipy import stats

import counterfactual_models as cm
from counterfactual_models.errors import ImpactWarning

SMALL = {"particles": 200, "steps": 8}

LAWS = {
    "poisson": (lambda p: dist.Poisson(3.0 + p), stats.poisson(3.0), 20, 1),
    "binomial": (lambda p: dist.Binomial(40, 0.2 + p), stats.binom(40, 0.2), 26, 1),
    "gamma": (lambda p: dist.Gamma(3.0, 1.0 + p), stats.gamma(3.0), 24.0, 0),
    "log-normal": (lambda p: dist.LogNormal(p, 0.5), stats.lognorm(0.5), 20.0, 0),
    "beta": (lambda p: dist.Beta(2.0 + p, 20.0), stats.beta(2.0, 20.0), 0.75, 0),
    "geometric": (lambda p: dist.Geometric(0.5 + p), stats.geom(0.5, loc=-1), 24, 1),
}
LITTLE = {
    "poisson": 6.0,
    "binomial": 0.2,
    "gamma": -0.5,
    "log-normal": 1.0,
    "beta": 4.0,
    "geometric": -0.3,
}


@pytest.mark.parametrize("name", LAWS)
def test_single_draws_of_known_laws_are_as_rare_as_scipy_says(name):
    make, law, target, whole = LAWS[name]
    world, push = lone(make), {"push": lambda still: still + LITTLE[name]}
    worlds = worlds_of(world, push)
    tree = rarely(world, worlds, push, reach, method="splitting", target=target, **SMALL)
    bits, error, attrs = split_bits(tree)
    assert abs(bits + law.logsf(target - whole) / LN2) < 4 * error + 0.05
    assert attrs["reliable"], attrs["reasons"]


def test_counts_of_many_coins_have_plateaus_and_are_still_split_right():
    def coins(disciple):
        act = cm.wire(disciple, idle=torch.tensor(0.2))
        with pyro.plate("coin", 40):
            heads = pyro.sample("heads", dist.Bernoulli(act(torch.ones(()))))
        cm.measure("reach", heads.sum(-1))

    fair = {"fair": lambda one: 0.5 * one}
    worlds = worlds_of(coins, fair)
    tree = rarely(coins, worlds, fair, reach, method="splitting", target=26, **SMALL)
    bits, error, _ = split_bits(tree)
    assert abs(bits + stats.binom.logsf(25, 40, 0.2) / LN2) < 4 * error + 0.05
    assert error < 0.5


def test_a_latent_chance_known_by_evidence_gives_the_beta_binomial_tail():
    def urn(disciple):
        chance = pyro.sample("chance", dist.Beta(2.0, 3.0))
        pyro.sample("seen", dist.Binomial(10, chance))
        act = cm.wire(disciple, idle=torch.zeros(()))
        won = pyro.sample("won", dist.Binomial(30, chance + act(chance)))
        cm.measure("reach", won)

    half = {"half": lambda chance: 0.5 * (1 - chance)}
    worlds = worlds_of(urn, half, {"seen": torch.tensor(2.0)}, draws=500)
    tree = rarely(urn, worlds, half, reach, method="splitting", target=27, **SMALL)
    bits, error, _ = split_bits(tree)
    law = stats.betabinom(30, 4, 11)
    assert abs(bits + law.logsf(26) / LN2) < 4 * error + 0.05


def test_a_categorical_past_has_a_tail_of_all_its_kinds():
    def kinds(disciple):
        kind = pyro.sample("kind", dist.Categorical(torch.tensor([0.6, 0.39, 0.01])))
        act = cm.wire(disciple, idle=torch.zeros(()))
        cm.measure("reach", pyro.sample("x", dist.Normal(3.0 * kind + act(kind + 0.0), 1.0)))

    push = {"push": lambda kind: kind * 0 + 6.0}
    worlds = worlds_of(kinds, push, draws=500)
    tree = rarely(kinds, worlds, push, reach, method="splitting", target=11.0, **SMALL)
    bits, error, _ = split_bits(tree)
    tails = [np.log(p) + stats.norm.logsf(11.0 - 3 * k) for k, p in enumerate((0.6, 0.39, 0.01))]
    assert abs(bits + np.logaddexp.reduce(tails) / LN2) < 4 * error + 0.1


def test_two_ways_up_are_both_found_or_the_result_says_it_is_unreliable():
    def coin(disciple):
        luck = pyro.sample("luck", dist.Bernoulli(0.05))
        act = cm.wire(disciple, idle=torch.zeros(()))
        x = pyro.sample("x", dist.Normal(act(luck), 1.0))
        cm.measure("reach", torch.where(luck > 0.5, 3 * (x - 2), x))

    push = {"push": lambda luck: luck * 0 + 6.0}
    worlds = worlds_of(coin, push)
    tails = np.log(0.05) + stats.norm.logsf(4.0), np.log(0.95) + stats.norm.logsf(6.0)
    exact = -np.logaddexp(*tails) / LN2
    wrong = 0
    for seed in range(4):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImpactWarning)
            tree = rarely(
                coin, worlds, push, reach, method="splitting", target=6.0, seed=seed, **SMALL
            )
        bits, error, attrs = split_bits(tree)
        wrong += bool(attrs["reliable"] and abs(bits - exact) > 4 * error + 0.1)
    assert wrong == 0


def test_large_numbers_in_single_precision_are_split_at_their_rounding():
    world = lone(lambda push: dist.Normal(1e6 + push, 1.0))
    push = {"push": lambda still: still + 6.0}
    worlds = worlds_of(world, push)
    tree = rarely(world, worlds, push, reach, method="splitting", target=1e6 + 6, **SMALL)
    bits, error, attrs = split_bits(tree)
    # 1e6 + 6 is what all beyond 5.97 is rounded to: steps are 1/16
    assert abs(bits + stats.norm.logsf(6 - 1 / 32) / LN2) < 4 * error
    assert attrs["reliable"]


def test_evidence_after_the_switch_is_split_from_what_it_leaves():
    push = {"push": lambda still: still + 1.0}
    with pytest.warns(ImpactWarning, match="after the switch"):
        worlds = worlds_of(told, push, {"later": torch.tensor(1.0)}, draws=500)
    tree = rarely(told, worlds, push, reach, target=5.0, **SMALL)
    assert [n for n in tree.children if n.startswith("rare")] == ["rare_worlds"]
    bits, error, _ = split_bits(tree)
    # x given the evidence is N(1/2, 1/2)
    assert abs(bits + stats.norm.logsf(4.5 * np.sqrt(2)) / LN2) < 4 * error
