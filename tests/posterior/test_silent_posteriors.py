"""Posteriors once wrong without a word: each is right now, or refused, or flagged."""

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine

import counterfactual_models as cm
import inference


def draw(world, evidence=None, method="hmc", **options):
    return inference.sample_posterior(world, evidence, method, progress=False, **options)


def test_a_graph_is_never_taken_for_that_of_another_closure():
    seen = torch.zeros(10_000)  # a large density, in which a small change is lost

    def make(mean):
        def world(disciple):
            a = pyro.sample("a", dist.Normal(0.0, 1.0))
            pyro.sample("b", dist.Normal(mean, 1.0))
            with pyro.plate("row", len(seen)):
                pyro.sample("e", dist.Normal(a, 1.0))
            cm.switch()

        return world

    for mean in (0.0, 1.0):
        tree = draw(make(mean), {"e": seen}, draws=400)
        assert float(tree["posterior"]["b"].mean()) == pytest.approx(mean, abs=0.15)


def through_numpy(x):
    return 1.0 if x.detach().numpy() < 2 else 0.1


def by_counting(x):
    return 1.0 + len(x.reshape(1)[x.reshape(1) > 2])


@pytest.mark.parametrize("scale", [through_numpy, by_counting])
def test_what_reads_a_latent_out_is_no_graph(scale):
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 2.0))
        pyro.sample("e", dist.Normal(x, scale(x)))
        cm.switch()

    with pytest.raises(cm.WorldError, match="branches on the value"):
        draw(world, {"e": 2.0})


def widening(disciple):
    k = pyro.sample("k", dist.Bernoulli(0.05))
    x = pyro.sample("x", dist.Uniform(0.0, 1.0 + k))
    pyro.sample("e", dist.Normal(x, 1.0))
    cm.switch()


def test_a_support_that_depends_on_a_discrete_latent_is_refused():
    for method in ("hmc", "nuts", "laplace", "svi"):
        with pytest.raises(cm.WorldError, match="support of site 'x'"):
            draw(widening, {"e": 2.0}, method)


def test_a_support_that_depends_on_the_evidence_is_that_of_the_evidence():
    tree = draw(widening, {"e": 2.0, "k": 1.0}, draws=1000)
    grid = np.linspace(0.0, 2.0, 4001)
    weight = np.exp(-0.5 * (2.0 - grid) ** 2)
    truth = (grid * weight).sum() / weight.sum()
    assert float(tree["posterior"]["x"].mean()) == pytest.approx(truth, abs=4 * 0.5 / 50)


def test_what_looks_across_a_plate_of_discrete_latents_is_refused():
    def world(disciple):
        a = pyro.sample("a", dist.Normal(0.0, 1.0))
        with pyro.plate("row", 4):
            k = pyro.sample("k", dist.Bernoulli(0.5))
        pyro.sample("e", dist.Normal(a + k.sum(), 0.5))
        cm.switch()

    with pytest.raises(cm.WorldError, match="'e' looks at several places of 'k'"):
        draw(world, {"e": 4.0})


def test_scaled_discrete_latents_are_refused():
    def world(disciple):
        a = pyro.sample("a", dist.Normal(0.0, 1.0))
        with pyro.plate("row", 2), poutine.scale(scale=0.5):
            k = pyro.sample("k", dist.Bernoulli(0.2))
            pyro.sample("e", dist.Normal(a + 2 * k, 1.0))
        cm.switch()

    with pytest.raises(cm.WorldError, match="is scaled"):
        draw(world, {"e": [1.0, 5.0]})


@pytest.mark.parametrize(
    ("share", "place", "dim"), [(0.2, 10.0, 1), (0.2, 10.0, 5), (0.5, 50.0, 10)]
)
def test_a_narrow_mode_is_not_lost_without_a_word(share, place, dim):
    def world(disciple):
        means = torch.tensor([0.0, place])[:, None].expand(2, dim)
        parts = dist.Normal(means, torch.tensor([1.0, 0.05])[:, None]).to_event(1)
        weights = dist.Categorical(torch.tensor([1 - share, share]))
        pyro.sample("x", dist.MixtureSameFamily(weights, parts))
        pyro.sample("e", dist.Normal(0.0, 1.0))
        cm.switch()

    with pytest.warns(cm.ImpactWarning, match="'x' stay where no other goes"):
        draw(world, {"e": 0.0}, seed=1)


def test_a_density_beyond_its_precision_is_told():
    def world(disciple):
        pyro.sample("x", dist.Normal(0.0, 1.0))
        pyro.factor("much", torch.tensor(-3e7))
        cm.switch()

    with pytest.warns(cm.ImpactWarning, match="beyond 32 bits"):
        draw(world)


def test_a_latent_that_the_evidence_settles_is_no_stuck_chain():
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        k = pyro.sample("k", dist.Bernoulli(0.5))
        pyro.sample("e", dist.Normal(x + 100.0 * k, 1.0))
        cm.switch()

    tree = draw(world, {"e": 100.0})
    assert tree.attrs["verdict"].startswith("good")
    assert np.all(tree["posterior"]["k"] == 1)


@pytest.mark.filterwarnings("ignore::counterfactual_models.errors.ImpactWarning")  # few draws
def test_any_warm_up_is_long_enough_to_run():
    def world(disciple):
        pyro.sample("e", dist.Normal(pyro.sample("x", dist.Normal(0.0, 1.0)), 1.0))
        cm.switch()

    for warmup in (1, 2, 6, 333):
        assert draw(world, {"e": 0.0}, warmup=warmup)["posterior"].sizes["chain"] == 64


def test_three_draws_are_not_called_good():
    def world(disciple):
        pyro.sample("e", dist.Normal(pyro.sample("x", dist.Normal(0.0, 1.0)), 1.0))
        cm.switch()

    with pytest.warns(cm.ImpactWarning, match="too few draws to judge"):
        draw(world, {"e": 0.0}, "nuts", draws=3, chains=1)


def observing(data):
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        k = pyro.sample("k", dist.Bernoulli(0.5))
        with pyro.plate("row", 5):
            pyro.sample("e", dist.Normal(x + 0.0 * k, 1.0), obs=data)
        cm.switch()

    return world


def test_chains_do_not_go_on_with_other_data_and_draw_new_discrete_numbers():
    data = torch.linspace(-1.0, 1.0, 5)
    tree = draw(observing(data), draws=320)
    with pytest.raises(cm.WorldError, match="other data of world"):
        inference.extend_posterior(observing(data + 0.05), tree, 5, progress=False)
    longer = inference.extend_posterior(observing(data), tree, 20, progress=False)
    k = longer["posterior"]["k"].values
    assert np.mean(k[:, :20] == k[:, 20:]) < 0.7


def test_a_folded_run_does_not_go_on():
    data = torch.linspace(-1.0, 1.0, 5)
    few = inference.regroup(draw(observing(data), draws=320), chains=4)
    with pytest.raises(cm.WorldError, match="folded by regroup"):
        inference.extend_posterior(observing(data), few, 5, progress=False)


def test_what_torch_draws_from_another_law_is_not_drawn_from_the_prior():
    def world(disciple):
        factor = pyro.sample("factor", dist.LKJCholesky(4, torch.tensor(1.5)))
        pyro.sample("e", dist.Normal(0.0 * factor.sum(), 1.0))
        cm.switch()

    with pytest.raises(cm.WorldError, match="torch draws 'factor'"):
        draw(world, {"e": 0.0}, "importance")
    tree = draw(world, method="auto", draws=2000)
    factor = tree["posterior"]["factor"].values
    correlation = np.einsum("cdk,cdk->cd", factor[:, :, 3], factor[:, :, 2])
    # Each correlation is 2 Beta(2.5, 2.5) - 1: its variance is 1 / 6.
    assert np.var(correlation) == pytest.approx(1 / 6, abs=0.015)
