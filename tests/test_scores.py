"""Scores of the evidence: against closed forms, plain autograd of single draws, and each other."""

from types import MappingProxyType

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray as xr
from pyro import poutine
from scipy.special import digamma
from torch.distributions import transforms

import counterfactual_models as cm
import inference
from counterfactual_models import zoo
from counterfactual_models.deferred import Deferred
from counterfactual_models.errors import (
    DiscipleError,
    EvidenceError,
    ImpactWarning,
    WorldError,
)
from counterfactual_models.handlers import isolated
from inference import schema
from inference.scores.programs import Asked, unchecked
from inference.scores.rows import Rows
from inference.scores.ways import ByPlate, ByVmap, OneByOne
from inference.world_plans import WorldPlans

KEEP = {"keep": lambda *_: torch.zeros(())}


def drawn(
    world, evidence, disciples=KEEP, *, draws=30, chains=2, futures=1, exact=None, **options
):
    """Worlds by importance; `exact` puts draws of a known posterior in the place of its own."""
    posterior = inference.sample_posterior(
        world, evidence, "importance", draws=draws, chains=chains, progress=False
    )
    for name, values in (exact or {}).items():
        own = posterior["posterior"][name]
        own.values = np.asarray(values, own.dtype).reshape(own.shape)
        posterior = posterior.filter(lambda node: node.name not in ("log_likelihood", "log_prior"))
    return inference.sample_worlds(
        world, posterior, disciples, futures=futures, progress=False, **options
    )


def scored(world, worlds, disciples=KEEP, **options):
    options = {"prior_draws": 50, **options}
    return inference.with_scores(world, worlds, disciples, progress=False, **options)


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def by_autograd(world, worlds, names):
    """Scores of the past by Pyro's own handlers, a draw at a time."""
    observed = {str(n): torch.tensor(v.values) for n, v in worlds["observed_data"].items()}
    latents = worlds["posterior"].to_dataset().stack(row=("chain", "draw")).transpose("row", ...)
    found = {name: [] for name in names}
    for row in range(latents.sizes["row"]):
        pins = {str(n): torch.tensor(v.values[row]) for n, v in latents.items()}
        leaves = {name: observed[name].clone().requires_grad_() for name in names}
        conditioned = poutine.condition(world, {**observed, **pins, **leaves})
        trace = poutine.trace(conditioned).get_trace(KEEP["keep"])
        trace.compute_log_prob()
        total = torch.zeros(())
        for node in trace.nodes.values():
            if node["infer"].get("counterfactual_role") == "switch" if "infer" in node else False:
                break
            if node["type"] == "sample" and type(node["fn"]).__name__ != "_Subsample":
                total = total + node["log_prob_sum"]
        slopes = torch.autograd.grad(
            total, list(leaves.values()), materialize_grads=True, allow_unused=True
        )
        for name, slope in zip(names, slopes, strict=True):
            found[name].append(slope.numpy())
    return {name: np.stack(rows) for name, rows in found.items()}


def end(disciple, value):
    """Close a world: the wire, and something measured."""
    act = cm.wire(disciple, idle=torch.zeros(()))
    cm.measure("level", pyro.sample("w", dist.Normal(value + act(value), 1.0)))


MATRIX = torch.sin(torch.arange(12.0)).reshape(4, 3)


def regression(disciple):
    """Written for one draw."""
    beta = pyro.sample("beta", dist.Normal(torch.zeros(3), 1.0).to_event(1))
    with pyro.plate("row", 4):
        pyro.sample("e", dist.StudentT(5.0, MATRIX @ beta, 0.5))
    end(disciple, beta.sum())


def dirichlet(disciple):
    share = pyro.sample("share", dist.Dirichlet(torch.tensor([2.0, 3.0, 4.0])))
    pyro.sample("e", dist.MultivariateNormal(share, torch.eye(3) + 0.2))
    pyro.sample("parts", dist.Dirichlet(1 + 5 * share))
    end(disciple, share[..., 0])


def mixture(disciple):
    kind = pyro.sample("kind", dist.Categorical(torch.tensor([0.2, 0.8])))
    mean = torch.tensor([-1.0, 1.0])[kind]
    pyro.sample("e", dist.Normal(mean, 1.0 + kind))
    end(disciple, mean)


def loop(disciple):
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    for k in pyro.plate("time", 3):
        z = pyro.sample(f"z_{k}", dist.Normal(0.9 * z, 0.5))
        pyro.sample(f"e_{k}", dist.Laplace(z, 1.0))
    end(disciple, z)


def branch(disciple):
    """A branch on a latent: neither vmap nor a plate can take it."""
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    scale = 1.0 if z > 0 else 2.0
    pyro.sample("e", dist.Normal(z, scale))
    end(disciple, z)


def tempered(disciple):
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    counts = poutine.mask(mask=torch.tensor([True, False, True]))
    with poutine.scale(scale=0.3), pyro.plate("reading", 3), counts:
        pyro.sample("e", dist.Normal(z, 1.0))
    end(disciple, z)


def holes(disciple):
    """The world's own data, one of them missing."""
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    seen, known = torch.tensor([0.5, 0.0, -1.0]), torch.tensor([True, False, True])
    with pyro.plate("reading", 3):
        pyro.sample("e", dist.Normal(z, 1.0), obs=seen, obs_mask=known)
    end(disciple, z)


def deferred(disciple):
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    shape = torch.Size([*z.shape[:-1], 4] if z.ndim else [4])
    with pyro.plate("reading", 4):
        build = lambda: dist.Normal(z[..., None].expand(*shape, 2), 1.0).to_event(1)
        pyro.sample("e", Deferred(build, shape, torch.Size([2])))
    end(disciple, z)


def covariate(disciple):
    """What is observed first moves the prior of what comes then, through a computed site."""
    dose = pyro.sample("dose", dist.LogNormal(0.0, 1.0))
    mean = pyro.deterministic("mean", 0.6 * torch.log1p(dose))
    z = pyro.sample("z", dist.Normal(mean, 1.0))
    pyro.sample("e", dist.Normal(z, 0.7))
    end(disciple, z)


def counts(disciple):
    z = pyro.sample("z", dist.Gamma(3.0, 1.0))
    with pyro.plate("week", 3):
        pyro.sample("orders", dist.Poisson(z))
        pyro.sample("late", dist.Bernoulli(z / (1 + z)))
        pyro.sample("lost", dist.Binomial(7, probs=1 / (1 + z)))
    end(disciple, z)


CASES = {
    "regression": (regression, {"e": [0.3, -1.0, 2.0, 0.1]}, "vmap"),
    "dirichlet": (dirichlet, {"e": [0.1, 0.2, 0.3], "parts": [0.3, 0.2, 0.5]}, "vmap"),
    "mixture": (mixture, {"e": 0.7}, "plate"),
    "loop": (loop, {"e_0": 0.1, "e_1": 0.9, "e_2": -0.3}, "vmap"),
    "branch": (branch, {"e": 0.7}, "loop"),
    "tempered": (tempered, {"e": [0.7, 5.0, -0.2]}, "vmap"),
    "holes": (holes, {}, "vmap"),
    "deferred": (deferred, {"e": np.linspace(-1.0, 1.0, 8).reshape(4, 2)}, "vmap"),
    "covariate": (covariate, {"dose": 1.5, "e": 0.2}, "vmap"),
    "counts": (counts, {"orders": [2, 0, 4], "late": [1, 0, 1], "lost": [0, 3, 7]}, "vmap"),
}


@pytest.mark.parametrize("case", CASES)
def test_scores_are_those_of_single_draws_by_autograd(case):
    world, evidence, way = CASES[case]
    worlds = drawn(world, evidence)
    tree = scored(world, worlds)
    scores = tree[schema.EVIDENCE_SCORES].to_dataset()
    names = ["e_observed"] if case == "holes" else list(evidence)
    assert set(scores.data_vars) == set(names)
    truth = by_autograd(world, worlds, names)
    if case == "counts":  # Pyro's own binomial coefficient has no derivative
        seen = np.array(evidence["lost"])
        truth["lost"] = truth["lost"] + digamma(8 - seen) - digamma(1 + seen)
    for name in names:
        found = scores[name].values.reshape(truth[name].shape)
        np.testing.assert_allclose(found, truth[name], rtol=1e-5, atol=1e-5)
        assert scores[name].dims[:2] == ("chain", "draw")
        assert scores[name].dims[2:] == worlds["observed_data"][name].dims
    assert schema.decode_attrs(scores.attrs)["scored_by"]["the past"].split(":")[0] == way


@pytest.mark.parametrize(("case", "discrete"), [("counts", True), ("covariate", False)])
def test_a_score_says_whether_its_datum_is_a_whole_number(case, discrete):
    world, evidence, _ = CASES[case]
    scores = scored(world, drawn(world, evidence))[schema.EVIDENCE_SCORES]
    for variable in scores.data_vars.values():
        assert schema.decode_attrs(variable.attrs)["discrete"] is discrete


def test_a_flip_of_a_bernoulli_is_its_score():
    world, evidence, _ = CASES["counts"]
    worlds = drawn(world, evidence)
    tree = scored(world, worlds)
    z = worlds["posterior"]["z"].values[..., None]
    np.testing.assert_allclose(
        tree[schema.EVIDENCE_SCORES]["late"].values, np.log(z).repeat(3, -1), rtol=1e-4, atol=1e-5
    )


def see(latents, data):
    return np.sin(1.0 + np.arange(data * latents)).reshape(data, latents)


@pytest.mark.parametrize("precision", ["single", "double"])
def test_scores_of_the_gaussian_world_are_those_of_the_closed_form(precision, request):
    if precision == "double":
        request.getfixturevalue("double")
    example = zoo.load("gaussian", latents=3, data=5)
    worlds = drawn(example.world, example.evidence, example.disciples, draws=200)
    tree = scored(example.world, worlds, example.disciples)
    z = worlds["posterior"]["z"].values.astype(float)
    truth = z @ see(3, 5).T - example.evidence["e"].double().numpy()
    found = tree[schema.EVIDENCE_SCORES]["e"]
    assert found.dtype == (np.float32 if precision == "single" else np.float64)
    limit = 1e-5 if precision == "single" else 1e-10
    assert np.abs(found.values - truth).max() <= limit * np.abs(truth).max()


def test_leaving_out_and_the_prior_agree_with_the_closed_form():
    rng = np.random.default_rng(0)
    example = zoo.load("gaussian", latents=3, data=5)
    exact = example.exact(example.disciples["null"])
    draws = rng.multivariate_normal(exact.posterior_mean, exact.posterior_covariance, (4, 2000))
    worlds = drawn(
        example.world, example.evidence, {"null": example.disciples["null"]}, draws=2000, chains=4,
        exact={"z": draws},
    )  # fmt: skip
    disciples = {"null": example.disciples["null"]}
    tree = scored(example.world, worlds, disciples, prior_draws=4000)
    scales = tree[schema.EVIDENCE_SCALES]["e"]
    whole = np.eye(5) + see(3, 5) @ see(3, 5).T
    precision, e = np.linalg.inv(whole), example.evidence["e"].numpy()
    spread = 1 / np.sqrt(np.diag(precision))
    assert np.all(scales.sel(statistic="loo_khat") < 0.7)
    np.testing.assert_array_equal(scales.sel(statistic="value"), e.astype(float))
    # Weights of k-hat 0.5 leave a few hundred effective draws: 5 % of the spread.
    mean = e - (precision @ e) / np.diag(precision)
    assert np.all(np.abs(scales.sel(statistic="loo_mean") - mean) < 0.1 * spread)
    np.testing.assert_allclose(scales.sel(statistic="loo_sd"), spread, rtol=0.05)
    np.testing.assert_array_equal(scales.sel(statistic="prior_noise"), 1.0)
    means = tree[schema.PRIOR_EVIDENCE]["e"].transpose("prior_draw", ...).values
    error = 4 * np.sqrt(2 * np.outer(np.diag(whole), np.diag(whole)) / 4000)
    assert np.all(np.abs(np.cov(means.T) + np.eye(5) - whole) < error)


def reading(disciple):
    """T1 of the research note: the future reads the evidence through a sampled site."""
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    e = pyro.sample("e", dist.Normal(z, 0.5))
    act = cm.wire(disciple, idle=torch.zeros(()))
    w = pyro.sample("w", dist.Normal(0.8 * z + 0.3 * e + act(e), 0.5**0.5))
    cm.measure("level", w)


def computing(disciple):
    """The same, through a measurement that is computed."""
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    e = pyro.sample("e", dist.Normal(z, 0.5))
    act = cm.wire(disciple, idle=torch.zeros(()))
    noise = pyro.sample("noise", dist.Normal(0.0, 0.5**0.5))
    cm.measure("level", torch.stack([0.8 * z + 0.3 * e + act(e) + noise, z], -1), dims=["kind"])


def slope(tree, disciple, measurement, site):
    """Covariance with the score plus the measurement's own derivative, and its standard error."""
    values = tree["predictions"][measurement].sel(disciple=disciple)
    score = tree[schema.EVIDENCE_SCORES][site]
    if "disciple" in score.dims:
        score = score.sel(disciple=disciple)
    product = (values - values.mean()) * (score - score.mean())
    direct = 0.0
    if schema.EVIDENCE_DIRECT in tree.children:
        direct = float(
            tree[schema.EVIDENCE_DIRECT]["direct"]
            .sel(disciple=disciple, measurement=measurement, datum=site)
            .mean()
        )
    return float(product.mean()) + direct, float(product.std()) / np.sqrt(values.sizes["draw"])


def exact_draws(mean, variance, count=8000, seed=0):
    return mean + np.sqrt(variance) * np.random.default_rng(seed).normal(size=(1, count))


def half(e):
    return 0.5 * e


@pytest.mark.parametrize("futures", [1, 3])
def test_a_future_that_reads_the_evidence_has_scores_for_each_disciple(futures):
    worlds = drawn(
        reading, {"e": 0.7}, {"half": half}, draws=8000, chains=1, futures=futures,
        exact={"z": exact_draws(0.8 * 0.7, 0.2)},
    )  # fmt: skip
    tree = scored(reading, worlds, {"half": half})
    scores = tree[schema.EVIDENCE_SCORES]["e"]
    lead = ("disciple", "chain", "draw", "future")
    assert scores.dims == lead[: 3 + (futures > 1)]
    assert schema.EVIDENCE_DIRECT not in tree.children
    w, z = worlds["predictions"]["w"], worlds["posterior"]["z"]
    for name, gain in (("erased", 0.3), ("half", 0.8)):
        truth = 4 * (z - 0.7) + 2 * gain * (w.sel(disciple=name) - 0.8 * z - gain * 0.7)
        found = scores.sel(disciple=name)
        np.testing.assert_allclose(found, truth.transpose(*found.dims), rtol=1e-4, atol=1e-4)
        if futures == 1:
            estimate, error = slope(tree, name, "level", "e")
            assert abs(estimate - (0.64 + gain)) < 4 * error


def test_a_computed_measurement_has_a_derivative_of_its_own():
    worlds = drawn(
        computing, {"e": 0.7}, {"half": half}, draws=8000, chains=1,
        exact={"z": exact_draws(0.8 * 0.7, 0.2)},
    )  # fmt: skip
    tree = scored(computing, worlds, {"half": half})
    assert tree[schema.EVIDENCE_SCORES]["e"].dims == ("chain", "draw")
    direct = tree[schema.EVIDENCE_DIRECT]["direct"]
    assert direct.dims == ("disciple", "score_block", "measurement", "datum")
    assert direct.sizes["score_block"] == 20
    assert direct.measurement.values.tolist() == ["level[0]", "level[1]"]
    truth = np.array([[0.3, 0.0], [0.8, 0.0]])
    np.testing.assert_allclose(
        direct.values[..., 0], truth[:, None].repeat(20, 1), rtol=1e-5, atol=1e-6
    )
    level = tree["predictions"]["level"].isel(kind=0)
    tree["predictions"] = xr.DataTree(xr.Dataset({"level[0]": level}))
    estimate, error = slope(tree, "erased", "level[0]", "e")
    assert abs(estimate - 0.94) < 4 * error


def split(disciple, *, at_site):
    """z is sampled, or computed from a sampled site: another split of the same derivative."""
    dose = pyro.sample("dose", dist.Normal(0.0, 1.0))
    if at_site:
        z = pyro.sample("z", dist.Normal(0.6 * dose, 1.0))
    else:
        z = 0.6 * dose + pyro.sample("z", dist.Normal(0.0, 1.0))
    pyro.sample("e", dist.Normal(z, 0.5**0.5))
    act = cm.wire(disciple, idle=torch.zeros(()))
    cm.measure("level", z + act(z))


@pytest.mark.parametrize(("at_site", "own"), [(True, 0.0), (False, 0.6)])
def test_the_split_depends_on_how_the_world_is_written_and_the_sum_does_not(at_site, own):
    world = lambda disciple: split(disciple, at_site=at_site)
    dose, e = 0.4, 1.1
    mean = 0.6 * dose + 2 / 3 * (e - 0.6 * dose) - (0.0 if at_site else 0.6 * dose)
    worlds = drawn(
        world, {"dose": dose, "e": e}, draws=8000, chains=1,
        exact={"z": exact_draws(mean, 1 / 3)},
    )  # fmt: skip
    tree = scored(world, worlds)
    has_direct = schema.EVIDENCE_DIRECT in tree.children
    assert has_direct is bool(own)
    estimate, error = slope(tree, "erased", "level", "dose")
    assert abs(estimate - 0.2) < 4 * error
    if own:
        direct = tree[schema.EVIDENCE_DIRECT]["direct"]
        np.testing.assert_allclose(direct.sel(datum="dose"), 0.6, rtol=1e-6)


def computed(disciple):
    """Several measurements that are computed from several data, on plates and off them."""
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    with pyro.plate("reading", 3):
        e = pyro.sample("e", dist.Normal(z, 1.0))
    s = pyro.sample("s", dist.Normal(z, 1.0))
    act = cm.wire(disciple, idle=torch.zeros(()))
    with pyro.plate("thing", 4):
        noise = pyro.sample("noise", dist.Normal(z, 1.0))
        cm.measure("far", torch.sin(noise * s + act(s)))
    cm.measure("near", e.sum(-1, keepdim=True) * z)


@pytest.mark.parametrize("outputs", [["near"], ["far", "near"]], ids=["reverse", "forward"])
def test_every_way_gives_what_single_runs_give(outputs):
    worlds = drawn(computed, {"e": [0.3, -1.0, 2.0], "s": 0.4}, {"same": torch.ones_like})
    disciples = cm.disciples.gather({"same": torch.ones_like})
    everyone = [cm.disciples.erased, *disciples]
    plans = WorldPlans(computed, worlds, everyone, futures=1, seed=0, coupling="independent")
    program = Asked.of(plans, ["e", "s"]).worlds["same"]
    noise = worlds["predictions"]["noise"].sel(disciple="same").values.reshape(-1, 4)
    rows = Rows(plans.pins, plans.draws, own={"noise": noise})
    pins = rows.at(slice(None))
    names = ["s", "e"]
    with isolated(0), unchecked():
        alone = OneByOne(program)
        slopes = alone.slopes(names, outputs, pins, rows.count)
        scores = alone.scores(names, [], pins, rows.count)
        for way in (ByVmap(program), ByPlate(program)):
            found = way.slopes(names, outputs, pins, rows.count)
            for name in names:
                torch.testing.assert_close(found[name], slopes[name], rtol=1e-4, atol=1e-4)
            found = way.scores(names, ["e", "s"], pins, rows.count)
            for name in names:
                torch.testing.assert_close(found[name], scores[name], rtol=1e-4, atol=1e-4)
    z = worlds["posterior"]["z"].values.ravel()
    np.testing.assert_allclose(slopes["e"][-1], [z.sum()] * 3, rtol=1e-4, atol=1e-4)
    direct = scored(computed, worlds, {"same": torch.ones_like})[schema.EVIDENCE_DIRECT]["direct"]
    labels = ["far[0]", "far[1]", "far[2]", "far[3]", "near[0]"]
    assert direct.measurement.values.tolist() == labels
    assert direct.datum.values.tolist() == ["e[0]", "e[1]", "e[2]", "s"]
    mean = direct.sel(disciple="same").mean("score_block")
    truth = slopes["s"].reshape(-1) / rows.count
    for name in outputs:
        kept = [label for label in labels if label.startswith(name)]
        own = truth[:4] if name == "far" else truth[-1:]
        np.testing.assert_allclose(mean.sel(measurement=kept, datum="s"), own, atol=1e-5)


def test_a_past_without_latents_has_scores_of_its_future_alone():
    def world(disciple):
        e = pyro.sample("e", dist.Normal(1.0, 2.0))
        act = cm.wire(disciple, idle=torch.zeros(()))
        cm.measure("level", pyro.sample("w", dist.Normal(e + act(e), 1.0)))

    worlds = drawn(world, {"e": 0.6}, draws=100)
    scores = scored(world, worlds)[schema.EVIDENCE_SCORES]["e"]
    future = worlds["predictions"]["w"] - 0.6
    np.testing.assert_allclose(scores, 0.1 + future.transpose(*scores.dims), rtol=1e-5, atol=1e-5)


def test_a_chaotic_measurement_is_not_mistaken_for_one_that_hides_its_slope():
    def world(disciple):
        z = pyro.sample("z", dist.Beta(2.0, 2.0))
        e = pyro.sample("e", dist.Beta(1 + z, 1.0))
        x = 0.5 * (e + z) + 0.0 * cm.wire(disciple, idle=torch.zeros(()))(z)
        for _ in range(20):
            x = 3.9 * x * (1 - x)
        cm.measure("x", x)

    worlds = drawn(world, {"e": 0.6}, draws=100)
    direct = scored(world, worlds)[schema.EVIDENCE_DIRECT]["direct"]
    assert float(np.abs(direct).max()) > 100.0


def steering(disciple):
    """The disciple is shown the evidence itself."""
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    e = pyro.sample("e", dist.Normal(z, 0.5))
    act = cm.wire(disciple, idle=torch.zeros(()))
    cm.measure("level", pyro.sample("w", dist.Normal(z + act(e), 1.0)))


def test_a_disciple_that_reads_the_evidence_in_its_policy_is_seen():
    disciples = {"square": torch.square, "blind": torch.zeros_like}
    worlds = drawn(steering, {"e": 0.7}, disciples)
    scores = scored(steering, worlds, disciples)[schema.EVIDENCE_SCORES]["e"]
    z, w = worlds["posterior"]["z"], worlds["predictions"]["w"]
    past = 4 * (z - 0.7)
    for name, slope_of in (("erased", 0.0), ("square", 1.4), ("blind", 0.0)):
        future = slope_of * (w.sel(disciple=name) - z - slope_of * 0.35)
        np.testing.assert_allclose(scores.sel(disciple=name), past + future, rtol=1e-4, atol=1e-4)


def late(disciple):
    """Evidence after the switch: each disciple has a posterior of its own."""
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    pyro.sample("e", dist.Normal(z, 1.0))
    act = cm.wire(disciple, idle=torch.zeros(()))
    w = pyro.sample("w", dist.Normal(z + act(z), 1.0))
    pyro.sample("report", dist.Normal(w, 2.0))
    cm.measure("level", w)


@pytest.mark.parametrize("futures", [1, 2])
def test_evidence_after_the_switch_has_scores_in_each_world_by_the_draws_it_left(futures):
    disciples = {"one": torch.ones_like}
    with pytest.warns(ImpactWarning, match="after the switch"):
        worlds = drawn(
            late, {"e": 0.3, "report": 0.5}, disciples, draws=2000, chains=1, futures=futures
        )
    tree = scored(late, worlds, disciples)
    scores = tree[schema.EVIDENCE_SCORES]
    index = worlds["predictions"]["posterior_draw"]
    z = xr.DataArray(worlds["posterior"]["z"].values.ravel()[index.values], dims=index.dims)
    w = worlds["predictions"]["w"]
    np.testing.assert_allclose(scores["e"], (z - 0.3).values, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(scores["report"], ((w - 0.5) / 4).values, rtol=1e-5, atol=1e-5)
    # p(report | e) = N(e/2, 1/2 + 1 + 4), here from a few thousand draws.
    scale = tree[schema.EVIDENCE_SCALES]["report"]
    assert abs(float(scale.sel(statistic="loo_mean")) - 0.15) < 0.15
    assert abs(float(scale.sel(statistic="loo_sd")) - 5.5**0.5) < 0.15


def table(disciple):
    """One datum of kinds, one number."""
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    pyro.sample("kind", dist.Categorical(logits=torch.stack([z, -z], -1)))
    pyro.sample("e", dist.Normal(z, 1.0))
    end(disciple, z)


def test_what_is_looked_up_in_a_table_has_no_score_and_is_named():
    worlds = drawn(table, {"kind": 1, "e": 0.5})
    with pytest.warns(ImpactWarning, match=r"'kind'.*leave_out"):
        tree = scored(table, worlds)
    assert list(tree[schema.EVIDENCE_SCORES].data_vars) == ["e"]
    assert schema.decode_attrs(tree.attrs)["no_scores"] == ["kind"]
    with pytest.raises(EvidenceError, match=r"no datum has a score.*leave_out"):
        scored(table, drawn(table, {"kind": 1}))


class Rounded(dist.TorchDistribution):
    """A density of real numbers that looks them up as whole ones."""

    arg_constraints = MappingProxyType({})
    support = dist.constraints.real

    def __init__(self, mean):
        self.mean_of = mean
        super().__init__(mean.shape, validate_args=False)

    def expand(self, batch_shape, _instance=None):
        return Rounded(self.mean_of.expand(batch_shape))

    def log_prob(self, value):
        return dist.Normal(self.mean_of, 1.0).log_prob(value.floor())

    def sample(self, sample_shape=()):
        return dist.Normal(self.mean_of, 1.0).sample(sample_shape).round()


def test_a_density_that_jumps_at_the_datum_has_no_score_either():
    def world(disciple):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("grade", Rounded(z))
        pyro.sample("e", dist.Normal(z, 1.0))
        end(disciple, z)

    worlds = drawn(world, {"grade": 1.0, "e": 0.5})
    with pytest.warns(ImpactWarning, match="jumps"):
        tree = scored(world, worlds)
    assert list(tree[schema.EVIDENCE_SCORES].data_vars) == ["e"]


def reads(how):
    def world(disciple):
        dose = pyro.sample("dose", dist.Normal(0.0, 1.0))
        z = pyro.sample("z", dist.Normal(how(dose), 1.0))
        pyro.sample("e", dist.Normal(z, 1.0))
        end(disciple, z)

    return world


@pytest.mark.parametrize(
    "how",
    [
        lambda dose: 0.5 * dose.detach(),
        lambda dose: 0.5 * dose + 0.01 * dose.detach(),
        lambda dose: torch.as_tensor(0.5 * dose.item()) if dose.ndim == 0 else 0.5 * dose.detach(),
    ],
    ids=["detach", "a little", "item"],
)
def test_a_past_that_reads_a_datum_behind_autograds_back_is_refused(how):
    world = reads(how)
    worlds = drawn(world, {"dose": 0.5, "e": 1.0})
    with pytest.raises(EvidenceError, match=r"'dose'.*autograd"):
        scored(world, worlds)


@pytest.mark.parametrize(
    "policy",
    [
        lambda e: torch.as_tensor(float(e.detach().reshape(-1)[0])).expand(e.shape),
        lambda e: torch.as_tensor(e.detach().numpy() ** 2),
    ],
    ids=["float", "numpy"],
)
def test_a_disciple_that_reads_a_datum_behind_autograds_back_is_refused(policy):
    worlds = drawn(steering, {"e": 0.7}, {"sly": policy})
    with pytest.raises(EvidenceError, match=r"disciple 'sly'.*'e'.*autograd"):
        scored(steering, worlds, {"sly": policy})


def test_a_policy_that_steps_far_from_the_datum_has_no_slope_and_warns_only_near_it():
    for threshold, near in ((0.9, True), (5.0, False)):
        policy = lambda e, at=threshold: (e > at).to(e)
        worlds = drawn(steering, {"e": 0.7}, {"step": policy})
        if near:
            with pytest.warns(ImpactWarning, match="step"):
                tree = scored(steering, worlds, {"step": policy})
        else:
            tree = scored(steering, worlds, {"step": policy})
        assert tree[schema.EVIDENCE_SCORES]["e"].dims == ("chain", "draw")


def edge_of_latent(disciple):
    e = pyro.sample("e", dist.LogNormal(0.0, 1.0))
    z = pyro.sample("z", dist.Uniform(0.0, e))
    end(disciple, z)


def edge_of_datum(disciple):
    z = pyro.sample("z", dist.Gamma(3.0, 1.0))
    with pyro.plate("reading", 2):
        pyro.sample("e", dist.Uniform(0.0, 1.0 + z))
    end(disciple, z)


def hidden_edge(disciple):
    z = pyro.sample("z", dist.Gamma(3.0, 1.0))
    stretch = transforms.AffineTransform(0.0, z)
    pyro.sample("e", dist.TransformedDistribution(dist.Beta(2.0 + 0 * z, 2.0), [stretch]))
    end(disciple, z)


def edge_of_future(disciple):
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    e = pyro.sample("e", dist.LogNormal(z, 1.0))
    act = cm.wire(disciple, idle=torch.zeros(()))
    cm.measure("level", pyro.sample("w", dist.Uniform(act(z), 1.0 + e)))


@pytest.mark.parametrize(
    ("world", "evidence", "site"),
    [
        (edge_of_latent, {"e": 1.3}, "z"),
        (edge_of_datum, {"e": [0.4, 0.3]}, "e"),
        (hidden_edge, {"e": 0.3}, "e"),
        (edge_of_future, {"e": 1.3}, "w"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_support_that_moves_is_refused_by_its_site(world, evidence, site):
    worlds = drawn(world, evidence)
    with pytest.raises(EvidenceError, match=f"support of .*'{site}'"):
        scored(world, worlds)


def test_data_that_bound_each_other_are_let_be():
    def world(disciple):
        z = pyro.sample("z", dist.Gamma(3.0, 1.0))
        total = pyro.sample("total", dist.Gamma(z, 1.0))
        pyro.sample("part", dist.Uniform(0.0, total))
        end(disciple, z)

    worlds = drawn(world, {"total": 2.0, "part": 0.5})
    scores = scored(world, worlds)[schema.EVIDENCE_SCORES]
    z = worlds["posterior"]["z"].values
    np.testing.assert_allclose(scores["total"], (z - 1) / 2 - 1 - 0.5, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(scores["part"], 0.0)


def unkept(disciple, *, needed):
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    e = pyro.sample("e", dist.Normal(z, 0.5))
    act = cm.wire(disciple, idle=torch.zeros(()))
    luck = pyro.sample("luck", dist.Normal(0.0, 1.0), infer={"is_auxiliary": True})
    w = pyro.sample("w", dist.Normal(e * (luck if needed else 1.0) + act(e), 1.0))
    cm.measure("level", w + luck)


def test_a_site_that_was_not_kept_is_asked_for_where_it_is_needed_only():
    for needed in (True, False):
        world = lambda disciple, needed=needed: unkept(disciple, needed=needed)
        worlds = drawn(world, {"e": 0.3})
        if needed:
            with pytest.raises(WorldError, match=r"'luck'.*is_auxiliary"):
                scored(world, worlds)
        else:
            w = worlds["predictions"]["w"].sel(disciple="erased")
            truth = 4 * (worlds["posterior"]["z"] - 0.3) + (w - 0.3)
            found = scored(world, worlds)[schema.EVIDENCE_SCORES]["e"].sel(disciple="erased")
            np.testing.assert_allclose(found, truth, rtol=1e-4, atol=1e-4)


def test_worlds_kept_as_counts_have_scores_unless_their_future_reads_the_evidence():
    example = zoo.load("gaussian")
    worlds = drawn(example.world, example.evidence, example.disciples, draws=200, keep="summary")
    tree = scored(example.world, worlds, example.disciples)
    assert tree[schema.EVIDENCE_SCORES]["e"].dims == ("chain", "draw", "datum")
    assert set(worlds.children) < set(tree.children)
    worlds = drawn(reading, {"e": 0.7}, {"half": half}, draws=200, keep="summary")
    with pytest.raises(WorldError, match="keep='draws'"):
        scored(reading, worlds, {"half": half})


def test_heavy_tails_are_scaled_by_their_quantiles_and_grades_by_draws():
    def world(disciple):
        z = pyro.sample("z", dist.Normal(0.0, 0.01))
        with pyro.plate("reading", 3):
            pyro.sample("wild", dist.Cauchy(z, 2.0))
        pyro.sample("pair", dist.MultivariateNormal(torch.zeros(2) + z[..., None], torch.eye(2)))
        end(disciple, z)

    worlds = drawn(world, {"wild": [0.0, 3.0, -40.0], "pair": [0.0, 0.1]}, draws=4000, chains=1)
    tree = scored(world, worlds, prior_draws=500)
    wild = tree[schema.EVIDENCE_SCALES]["wild"]
    # Half the central 68.27 % of a Cauchy: its scale times tan(pi/2 * 0.6827).
    expected = 2 * np.tan(np.pi / 2 * 0.682690)
    np.testing.assert_allclose(wild.sel(statistic="loo_sd"), expected, rtol=0.15)
    assert np.all(np.abs(wild.sel(statistic="loo_mean")) < 0.3)
    pair = tree[schema.EVIDENCE_SCALES]["pair"]
    np.testing.assert_allclose(pair.sel(statistic="loo_sd"), 1.0, rtol=4 / np.sqrt(2 * 4000))
    np.testing.assert_array_equal(pair.sel(statistic="prior_noise"), 0.0)
    drawn_before = tree[schema.PRIOR_EVIDENCE]["pair"]
    np.testing.assert_allclose(drawn_before.std("prior_draw"), 1.0, rtol=4 / np.sqrt(2 * 500))


def test_data_that_others_read_are_drawn_with_them_in_the_prior():
    world, evidence, _ = CASES["covariate"]
    tree = scored(world, drawn(world, evidence), prior_draws=4000)
    prior = tree[schema.PRIOR_EVIDENCE]
    assert float(tree[schema.EVIDENCE_SCALES]["dose"].sel(statistic="prior_noise")) == 0.0
    assert abs(float(tree[schema.EVIDENCE_SCALES]["e"].sel(statistic="prior_noise")) - 0.7) < 1e-6
    logs = np.log(prior["dose"].values)
    assert abs(logs.mean()) < 4 / np.sqrt(4000) and abs(logs.std() - 1) < 4 / np.sqrt(8000)
    mean = 0.6 * np.log1p(prior["dose"].values)
    residual = prior["e"].values - mean
    assert abs(residual.std() - 1) < 4 / np.sqrt(8000)
    assert abs(np.corrcoef(residual, mean)[0, 1]) < 4 / np.sqrt(4000)


def test_the_same_seed_gives_the_same_bits_and_nothing_else_is_touched():
    world, evidence, _ = CASES["covariate"]
    worlds = drawn(world, evidence)
    before = worlds.copy(deep=True)
    first, again = scored(world, worlds, seed=3), scored(world, worlds, seed=3)
    xr.testing.assert_identical(first, again)
    xr.testing.assert_identical(worlds, before)
    for group in worlds.children:
        xr.testing.assert_identical(first[group].to_dataset(), worlds[group].to_dataset())
    other = scored(world, worlds, seed=4)
    assert not np.array_equal(other[schema.PRIOR_EVIDENCE]["e"], first[schema.PRIOR_EVIDENCE]["e"])
    xr.testing.assert_identical(
        scored(world, first, seed=3)[schema.EVIDENCE_SCORES].to_dataset(),
        first[schema.EVIDENCE_SCORES].to_dataset(),
    )


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_scores_are_read_back_as_they_were_saved(tmp_path, ending):
    worlds = drawn(computing, {"e": 0.7}, {"half": half}, draws=100)
    tree = scored(computing, worlds, {"half": half})
    read = inference.load(inference.save(tree, tmp_path / f"scored{ending}"))
    for group in tree.children:
        xr.testing.assert_identical(tree[group].to_dataset(), read[group].to_dataset())
    assert schema.decode_attrs(read.attrs)["no_scores"] == []
    assert schema.decode_attrs(read.attrs)["switch_probability"] == 0.99
    # Worlds that are read back can be scored too.
    again = scored(computing, read, {"half": half})
    xr.testing.assert_identical(
        again[schema.EVIDENCE_SCORES].to_dataset(), tree[schema.EVIDENCE_SCORES].to_dataset()
    )


def test_without_a_prior_there_is_none():
    world, evidence, _ = CASES["covariate"]
    tree = scored(world, drawn(world, evidence), prior_draws=0)
    assert schema.PRIOR_EVIDENCE not in tree.children
    assert "prior_noise" not in tree[schema.EVIDENCE_SCALES].statistic


def test_a_prior_too_wide_for_numbers_is_refused_with_a_way_out():
    def world(disciple):
        z = pyro.sample("z", dist.Normal(0.0, 200.0))
        with pyro.plate("week", 40):
            pyro.sample("orders", dist.Poisson(torch.exp(z.clamp(max=80.0)) ** 2))
        end(disciple, z)

    posterior = inference.sample_posterior(
        world, {"orders": [1.0] * 40}, "hmc", draws=200, chains=2, progress=False
    )
    worlds = inference.sample_worlds(world, posterior, KEEP, progress=False)
    with pytest.raises(EvidenceError, match="prior_draws=0"):
        scored(world, worlds, prior_draws=200)


def test_what_does_not_belong_together_is_refused():
    worlds = drawn(reading, {"e": 0.7}, {"half": half})
    with pytest.raises(DiscipleError, match="'half'"):
        scored(reading, worlds, {"hall": half})
    with pytest.raises(DiscipleError, match="'more'"):
        scored(reading, worlds, {"half": half, "more": half})
    with pytest.raises(WorldError, match="sample_worlds"):
        scored(reading, xr.DataTree(), {"half": half})
    with pytest.raises(WorldError, match="prior_draws"):
        scored(reading, worlds, {"half": half}, prior_draws=-1)
    with pytest.raises(EvidenceError, match="without evidence"):
        scored(reading, drawn(reading, None, {"half": half}), {"half": half})


def level(disciple, act_of, *, data=1):
    """One datum or several, shown to the disciple with the latent; what it does is measured."""
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    with pyro.plate("reading", data):
        e = pyro.sample("e", dist.Normal(z, 1.0))
    act = cm.wire(disciple, idle=torch.zeros(()))
    cm.measure("level", act_of(act, z, e))


def sampled(act, z, e):
    return pyro.sample("w", dist.Normal(act(z, e), 1.0))


@pytest.mark.parametrize(
    "policy",
    [lambda z, e: e.detach().mean(-1), lambda z, e: (e[..., 2] - e[..., 1]).detach()],
    ids=["mean", "difference"],
)
def test_data_that_are_read_together_behind_autograds_back_do_not_cancel(policy):
    world = lambda disciple: level(disciple, sampled, data=4)
    for evidence in ([0.1, 0.2, 0.3, 0.4], [0.3, 0.7, -0.2, 0.1]):
        worlds = drawn(world, {"e": evidence}, {"sly": policy})
        with pytest.raises(EvidenceError, match="autograd"):
            scored(world, worlds, {"sly": policy})


def tosses(z, e):
    return 5 * pyro.sample("coin", dist.Bernoulli(0.1)) * e.sum(-1)


def branches(z, e):
    coin = pyro.sample("coin", dist.Bernoulli(0.1))
    return 5 * e.sum() if bool(coin == 1) else torch.ones(())


@pytest.mark.parametrize("policy", [tosses, branches])
def test_a_coin_that_a_disciple_tosses_for_itself_is_refused_where_it_decides(policy):
    world = lambda disciple: level(disciple, sampled)
    worlds = drawn(world, {"e": [0.6]}, {"tosser": policy}, draws=100)
    with pytest.raises(WorldError, match=r"'coin'.*not kept"):
        scored(world, worlds, {"tosser": policy})


@pytest.mark.parametrize("kind", ["density", "measurement"])
def test_a_branch_that_reads_the_evidence_in_few_draws_is_seen(kind):
    def own(act, z, e):
        return sampled(act, z, e) if kind == "density" else pyro.sample("u", dist.Normal(0.0, 1.0)) + act(z, e)  # fmt: skip  # noqa: E501

    def rare(z, e):
        return 5 * e.sum() if z > 1.2 else torch.zeros(())

    world = lambda disciple: level(disciple, own)
    z = np.linspace(-2.0, 1.5, 60)  # only a few in the branch, and not those that are looked at
    z[-1] = 0.0
    worlds = drawn(world, {"e": [0.6]}, {"rare": rare}, exact={"z": z})
    tree = scored(world, worlds, {"rare": rare})
    inside = z.astype(np.float32).reshape(2, 30) > 1.2
    if kind == "measurement":
        direct = tree[schema.EVIDENCE_DIRECT]["direct"].sel(disciple="rare")
        assert float(direct.mean()) == pytest.approx(5 * inside.mean(), rel=0.2)
        return
    w = worlds["predictions"]["w"].sel(disciple="rare").values
    truth = z.reshape(2, 30) - 0.6 + np.where(inside, 5 * (w - 3.0), 0.0)
    found = tree[schema.EVIDENCE_SCORES]["e"].sel(disciple="rare").values[..., 0]
    np.testing.assert_allclose(found, truth, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["scale", "mask", "masked", "event"])
def test_what_is_drawn_after_the_switch_is_scored_as_it_was_drawn(kind):
    def own(act, z, e):
        around = {
            "scale": poutine.scale(scale=0.1),
            "mask": poutine.mask(mask=torch.tensor(False)),
        }
        mean = act(z, e) + 0.5 * e
        fn = {
            "masked": lambda: dist.Normal(mean, 1.0).mask(False),
            "event": lambda: dist.Normal(mean, 1.0).mask(False).to_event(1),
        }.get(kind, lambda: dist.Normal(mean, 1.0).to_event(1))()
        if kind not in around:
            return pyro.sample("w", fn)
        with around[kind]:
            return pyro.sample("w", fn)

    world = lambda disciple: level(disciple, own)
    worlds = drawn(world, {"e": [0.6]})
    scores = scored(world, worlds)[schema.EVIDENCE_SCORES]["e"].sel(disciple="erased")
    z = worlds["posterior"]["z"].values
    w = worlds["predictions"]["w"].sel(disciple="erased").values[..., 0]
    np.testing.assert_allclose(
        scores.values[..., 0], z - 0.6 + 0.5 * (w - 0.3), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("unit", [1e-3, 1e-8])
@pytest.mark.parametrize("share", [0.0, 0.2])
@pytest.mark.parametrize("narrow", [False, True])
def test_a_hidden_slope_is_refused_in_any_unit(unit, share, narrow):
    def own(act, z, e):
        return unit * (act(z, e) + pyro.sample("u", dist.Normal(0.0, 1.0)))

    def sly(z, e):
        hidden = e.detach().float() if narrow else e.detach()
        return (share * e + hidden).sum(-1)

    world = lambda disciple: level(disciple, own)
    worlds = drawn(world, {"e": [0.6]}, {"sly": sly})
    with pytest.raises(EvidenceError, match="autograd"):
        scored(world, worlds, {"sly": sly})


@pytest.mark.parametrize(("power", "unit"), [(3, 1.0), (3, 1e-6), (1, 1e-9)])
def test_a_small_number_or_a_flat_one_is_not_taken_for_a_hidden_slope(power, unit):
    def own(act, z, e):
        return 1.0 + unit * (e.sum(-1) - 0.5) ** power + act(z, e)

    world = lambda disciple: level(disciple, own)
    direct = scored(world, drawn(world, {"e": [0.5]}))[schema.EVIDENCE_DIRECT]["direct"]
    np.testing.assert_allclose(direct, unit * (power == 1), rtol=1e-4, atol=0)


def test_a_large_count_is_not_taken_for_a_hidden_slope():
    def world(disciple):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("orders", dist.Poisson(1e6 * torch.exp(1e-3 * z)))
        end(disciple, z)

    worlds = drawn(world, {"orders": 1e6})
    assert "orders" in scored(world, worlds)[schema.EVIDENCE_SCORES]


@pytest.mark.parametrize("gain", [0.0, 0.1])
def test_a_step_is_named_once_also_beside_a_slope(gain):
    policy = lambda z, e: (10.0 * (e > z[..., None]) + gain * e).sum(-1)
    world = lambda disciple: level(disciple, sampled)
    worlds = drawn(world, {"e": [0.6]}, {"step": policy})
    with pytest.warns(ImpactWarning, match="step") as caught:
        scored(world, worlds, {"step": policy})
    assert len(caught) == 1


def test_a_zero_that_counts_otherwise_than_all_counts_leaves_the_other_data_their_scores():
    def world(disciple):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        with pyro.plate("week", 3):
            rate = torch.exp(z) * torch.ones(3)
            pyro.sample("orders", dist.ZeroInflatedPoisson(rate, gate=torch.tensor(0.2)))
        pyro.sample("e", dist.Normal(z, 1.0))
        end(disciple, z)

    worlds = drawn(world, {"orders": [0.0, 2.0, 1.0], "e": 0.6})
    with pytest.warns(ImpactWarning, match=r"'orders'.*jumps"):
        tree = scored(world, worlds)
    assert list(tree[schema.EVIDENCE_SCORES].data_vars) == ["e"]


def test_an_edge_that_moves_inside_two_transforms_is_refused():
    def world(disciple):
        e = pyro.sample("e", dist.Normal(0.0, 1.0))
        base = dist.Exponential(torch.ones(()))
        inner = dist.TransformedDistribution(base, [transforms.AffineTransform(0.0, 2.0)])
        shift = transforms.AffineTransform(e, 1.0)
        z = pyro.sample("z", dist.TransformedDistribution(inner, [shift]))
        end(disciple, z)

    with pytest.raises(EvidenceError, match=r"support of site 'z' moves"):
        scored(world, drawn(world, {"e": 0.3}))


def test_what_was_not_seen_has_no_score():
    world = lambda disciple: level(disciple, lambda act, z, e: z + act(z, e), data=3)
    blind = {"blind": lambda z, e: torch.zeros_like(z)}
    worlds = drawn(world, {"e": [0.6, 0.1, 0.9]}, blind, draws=500)
    for refit in ("never", "always"):
        revised = inference.revise(
            world, worlds, blind, unseen="e[0]", refit=refit, method="importance", progress=False
        )
        scores = scored(world, revised, blind)[schema.EVIDENCE_SCORES]["e"]
        z = revised["posterior"]["z"].values[..., None]
        np.testing.assert_array_equal(scores[..., 0], 0.0)
        np.testing.assert_allclose(scores[..., 1:], z - np.array([0.1, 0.9]), rtol=1e-4, atol=1e-5)


def double_of(e):
    return 2.0 * e


def test_a_policy_that_is_another_than_the_worlds_were_drawn_for_is_named():
    worlds = drawn(reading, {"e": 0.7}, {"half": half})
    with pytest.warns(ImpactWarning, match="half.*draw the worlds again"):
        scored(reading, worlds, {"half": double_of})
    scored(reading, worlds, {"half": half})
    del worlds.attrs["disciple_hashes"]  # as trees were before
    scored(reading, worlds, {"half": double_of})
