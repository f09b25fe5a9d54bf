"""Every run says what it is worth: right, or known to be wrong; never wrong and silent."""

import importlib.util
import warnings
from pathlib import Path

import arviz_plots as azp
import arviz_stats as azs
import matplotlib.pyplot as plt
import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray as xr

import counterfactual_models as cm
import inference
from counterfactual_models import zoo
from inference import schema
from inference.posterior.convergence import judge


def hard_shapes():
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "hard_shapes.py"
    spec = importlib.util.spec_from_file_location("hard_shapes", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SHAPES = hard_shapes()
GRID = torch.linspace(-1.5, 1.5, 300)


@pytest.mark.parametrize("name", SHAPES.SHAPES)
def test_a_hard_posterior_is_right_or_known_to_be_wrong(name):
    quantiles = SHAPES.truth(name)
    for seed in range(1):  # benchmarks/hard_shapes.py takes twenty
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", cm.ImpactWarning)
            tree = inference.sample_posterior(
                SHAPES.world(SHAPES.SHAPES[name]), {"heard": 0.3}, "hmc",
                seed=seed, progress=False,
            )  # fmt: skip
        wrong = SHAPES.wrongness(tree, quantiles) > 0
        assert not (wrong and tree.attrs["verdict"].startswith("good"))


def chains(offset=0.0, drift=0.0, seed=0, superchains=8):
    """Sixty-four independent chains of 50; superchains may sit apart."""
    x = np.random.default_rng(seed).normal(size=(64, 50))
    x += offset * np.repeat(np.arange(8) % 2, 8)[:, None] + drift * np.linspace(0, 1, 50)
    tree = xr.DataTree.from_dict(
        {"posterior": xr.Dataset({"x": (("chain", "draw"), x)}), "sample_stats": xr.Dataset()}
    )
    return judge(tree, {"superchains": superchains}, independent=False)


def test_nested_rhat_lets_short_chains_pass_and_not_those_that_remember():
    assert all(chains(seed=seed).good for seed in range(20))
    verdict = chains(offset=0.5)
    assert "nested R-hat of 'x'" in verdict.problems[0]
    assert str(verdict).startswith("not to be trusted: ")


def test_a_latent_that_stands_still_is_named():
    values = {"x": (("chain", "draw"), np.ones((4, 50)))}
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(values), "sample_stats": xr.Dataset()})
    assert "'x' never moves" in judge(tree, {}, independent=False).problems


def two_modes(disciple):
    SHAPES.two_modes()
    pyro.sample("heard", dist.Normal(0.0, 1.0))
    cm.switch()


def test_strict_raises_and_loses_nothing():
    with pytest.raises(cm.PosteriorError, match="nested R-hat of 'x'") as caught:
        inference.sample_posterior(two_modes, {"heard": 0.0}, "hmc", strict=True, progress=False)
    assert caught.value.posterior["posterior"].sizes["chain"] == 64


def test_a_bad_verdict_warns_by_name_and_says_what_to_try():
    with pytest.warns(cm.ImpactWarning, match=r"'x' .*Take more draws"):
        inference.sample_posterior(two_modes, {"heard": 0.0}, "hmc", progress=False)


def test_auto_tells_what_it_tried():
    with pytest.warns(cm.ImpactWarning, match="not to be trusted"):
        tree = inference.sample_posterior(
            two_modes, {"heard": 0.0}, draws=100, chains=2, progress=False
        )
    attempts = schema.decode_attrs(tree.attrs)["attempts"]
    assert [a["method"] for a in attempts] == ["hmc", "hmc", "nuts"]
    assert all(a["verdict"].startswith("not to be trusted") for a in attempts)


def test_auto_goes_to_nuts_where_there_is_no_graph():
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        pyro.sample("e", dist.Normal(x if x > 0 else 0.5 * x, 1.0))
        cm.switch()

    tree = inference.sample_posterior(world, {"e": 0.5}, draws=400, chains=2, progress=False)
    attrs = schema.decode_attrs(tree.attrs)
    assert attrs["method"] == "nuts"
    assert "branches on the value" in attrs["attempts"][0]["verdict"]


def test_a_start_that_is_nowhere_possible_names_the_site():
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        pyro.factor("gate", torch.where(x > 50.0, 0.0, -torch.inf))
        cm.switch()

    with pytest.raises(cm.WorldError, match=r"no start was found .* 'gate' is impossible"):
        inference.sample_posterior(world, method="hmc", progress=False)


@pytest.mark.parametrize("method", ["hmc", "nuts", "importance", "laplace", "svi", "enumerate"])
def test_arviz_takes_the_tree_of_every_engine(method):
    example = zoo.load("gaussian", data=8)
    world, evidence = example.world, example.evidence
    if method == "enumerate":

        def world(disciple):
            kind = pyro.sample("kind", dist.Categorical(logits=-(GRID**2)))
            with pyro.plate("row", 8):
                pyro.sample("e", dist.Normal(GRID[kind], 1.0))
            cm.switch()

    tree = inference.sample_posterior(
        world, evidence, method, draws=200, chains=4, progress=False, seed=1
    )
    assert tree.attrs["verdict"].startswith("good")
    assert np.isfinite(azs.loo(tree).elpd)
    sizes = [v[0, 0].size for v in tree["posterior"].data_vars.values()]
    assert len(azs.summary(tree)) == sum(sizes)
    assert np.isfinite(azs.psense(tree, group="prior").to_dataarray()).all()
    assert np.isfinite(azs.psense(tree, group="likelihood").to_dataarray()).all()
    few = inference.regroup(tree, chains=2) if tree["posterior"].sizes["chain"] > 4 else tree
    for plot in (azp.plot_rank_dist, azp.plot_trace_dist):
        plot(few, backend="matplotlib")
        plt.close("all")


def test_log_prior_and_likelihood_are_those_of_scipy():
    from scipy.stats import norm

    example = zoo.load("gaussian", data=6)
    tree = inference.sample_posterior(
        example.world, example.evidence, "hmc", draws=100, progress=False
    )
    z = tree["posterior"]["z"].values
    assert np.allclose(tree["log_prior"]["z"], norm.logpdf(z), atol=1e-5)


def test_log_densities_of_a_program_for_one_draw_are_right():
    table = torch.linspace(-1.0, 1.0, 12).reshape(6, 2)

    def world(disciple):
        beta = pyro.sample("beta", dist.Normal(torch.zeros(2), 1.0).to_event(1))
        with pyro.plate("row", 6):
            pyro.sample("e", dist.Normal(table @ beta, 1.0))
        cm.switch()

    seen = torch.arange(6.0)
    tree = inference.sample_posterior(world, {"e": seen}, "hmc", draws=200, progress=False)
    beta = torch.tensor(tree["posterior"]["beta"].values)
    exact = dist.Normal(beta @ table.T, 1.0).log_prob(seen)
    assert np.allclose(tree["log_likelihood"]["e"], exact, atol=1e-4)
