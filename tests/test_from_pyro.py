"""Does the tree of any Pyro run hold the very draws, and the right numbers computed from them?"""

import threading

import arviz_plots as azp
import arviz_stats as azs
import matplotlib.pyplot as plt
import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray as xr
from pyro import poutine
from pyro.infer import HMC, MCMC, NUTS, SVI, Importance, Predictive, Trace_ELBO, autoguide
from pyro.infer.mcmc.api import StreamingMCMC
from pyro.infer.reparam import LocScaleReparam
from scipy.special import expit
from scipy.stats import bernoulli, gamma, norm, poisson

import counterfactual_models as cm
import inference
from inference import schema

GROUPS, REPEATS = 4, 3
Y = np.random.default_rng(0).normal(2.0, 1.0, size=(GROUPS, REPEATS)).astype(np.float32)


@pytest.fixture(autouse=True)
def parameters_gone():
    yield
    pyro.clear_param_store()


def nested(y, centre=0.0):
    """Nested plates, an event, a scalar, a matrix; one datum for each place of both plates."""
    mu = pyro.sample("mu", dist.Normal(centre, 5.0))
    slope = pyro.sample("slope", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    with pyro.plate("group", GROUPS, dim=-2):
        shift = pyro.sample("shift", dist.Normal(mu, 1.0))
        share = pyro.sample("share", dist.Dirichlet(torch.ones(3)))
        pyro.deterministic("twice", 2 * shift, event_dim=0)
        with pyro.plate("repeat", REPEATS, dim=-1):
            mean = pyro.deterministic(
                "mean", shift + slope.sum(-1) + share[..., 0].expand(y.shape)
            )
            pyro.sample("y", dist.Normal(mean, 1.0), obs=y)
    pyro.deterministic("total", slope[..., 0] - slope[..., 1])


def plain(y, centre=0.0):
    """One latent, data in one plate: its posterior has a closed form."""
    mu = pyro.sample("mu", dist.Normal(centre, 1.0))
    with pyro.plate("datum", len(y)):
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)


DATA = torch.tensor([1.0, 2.0, 3.0])
EXACT_MEAN, EXACT_SD = float(DATA.sum()) / 4, 0.5


def short(model):
    """A sampler whose draws need not be good."""
    return HMC(model, step_size=0.1, num_steps=2, adapt_step_size=False)


def sampled(model, *args, kernel=NUTS, draws=60, warmup=20, chains=1, **options):
    pyro.set_rng_seed(0)
    run = MCMC(kernel(model), draws, warmup, num_chains=chains, disable_progbar=True, **options)
    run.run(*args)
    return run


def trained(model, guide, *args, steps=5):
    pyro.set_rng_seed(0)
    svi = SVI(model, guide, pyro.optim.Adam({"lr": 0.05}), Trace_ELBO())
    for _ in range(steps):
        svi.step(*args)
    return svi


def converted(run, **options):
    return inference.from_pyro(run, progress=False, **options)


def single_runs(model, args, draws, names):
    """Replay draw by draw, without anything of this library."""
    traces = []
    for row in range(len(next(iter(draws.values())))):
        pinned = poutine.condition(model, {n: torch.as_tensor(v[row]) for n, v in draws.items()})
        trace = poutine.trace(pinned).get_trace(*args)
        trace.compute_log_prob()
        traces.append(trace.nodes)
    values = {n: np.stack([t[n]["value"].detach().numpy() for t in traces]) for n in names}
    scores = {n: np.stack([t[n]["log_prob"].detach().numpy() for t in traces]) for n in names}
    return values, scores


def test_an_mcmc_run_is_held_draw_by_draw():
    y = torch.tensor(Y)
    run = sampled(nested, y, kernel=short)
    tree = converted(run)
    posterior = tree["posterior"]
    for name, values in run.get_samples(group_by_chain=True).items():
        np.testing.assert_array_equal(posterior[name].values, values)
    latents = {n: v.numpy() for n, v in run.get_samples().items()}
    values, scores = single_runs(nested, [y], latents, ["twice", "mean", "total", "y"])
    for name in ("twice", "mean", "total"):
        np.testing.assert_allclose(posterior[name].values[0], values[name], atol=1e-5)
    np.testing.assert_allclose(tree["log_likelihood"]["y"].values[0], scores["y"], atol=1e-5)
    np.testing.assert_array_equal(tree["observed_data"]["y"], Y)


def test_axes_are_named_by_plates_and_labelled_by_the_user():
    labels = ["a", "b", "c", "d"]
    tree = converted(
        sampled(nested, torch.tensor(Y), draws=5, kernel=short),
        coords={"group": labels, "part": ["up", "down"]},
        dims={"slope": ["part"]},
    )
    found = {name: array.dims[2:] for name, array in tree["posterior"].data_vars.items()}
    assert found == {
        "mu": (),
        "slope": ("part",),
        "shift": ("group", "shift_dim_1"),
        "share": ("group", "share_dim_1", "share_dim_2"),
        "twice": ("group", "twice_dim_1"),
        "mean": ("group", "repeat"),
        "total": (),
    }
    assert tree["log_likelihood"]["y"].dims == ("chain", "draw", "group", "repeat")
    assert tree["observed_data"]["y"].dims == ("group", "repeat")
    assert tree["posterior"]["group"].values.tolist() == labels
    with pytest.raises(cm.WorldError, match="Did you mean 'group'"):
        converted(sampled(nested, torch.tensor(Y), draws=5, kernel=short), coords={"grup": labels})


def test_chains_stay_apart_and_each_has_its_own_divergences(monkeypatch):
    monkeypatch.setattr("pyro.infer.mcmc.api.mp.cpu_count", lambda: 1)
    with pytest.warns(UserWarning, match="drawn sequentially"):
        run = sampled(plain, DATA, draws=4, chains=12, kernel=short)
    for chain, said in enumerate(run._diagnostics):
        said["divergences"] = [chain % 4]  # "chain 10" sorts before "chain 2"
        said["acceptance rate"] = chain / 12
    tree = converted(run)
    stats = tree["sample_stats"]
    assert stats["diverging"].values.argmax(1).tolist() == [c % 4 for c in range(12)]
    np.testing.assert_allclose(stats["acceptance_rate"].isel(draw=-1), np.arange(12) / 12)
    assert "step_size" not in stats  # the kernel knows that of its last chain only
    expected = run.get_samples(group_by_chain=True)["mu"]
    np.testing.assert_array_equal(tree["posterior"]["mu"], expected)
    assert tree["log_likelihood"]["y"].shape == (12, 4, 3)


def test_divergences_are_those_that_the_kernel_counted_as_it_went():
    def funnel():
        scale = pyro.sample("scale", dist.Normal(0.0, 4.0))
        pyro.sample("x", dist.Normal(torch.zeros(5), (scale / 2).exp()).to_event(1))

    counted = []

    def watch(kernel, samples, stage, done):
        if stage == "Sample":
            counted.append(len(kernel._divergences))

    run = sampled(funnel, draws=80, hook_fn=watch)
    expected = np.diff([0, *counted]) > 0
    assert expected.sum() > 0
    stats = converted(run)["sample_stats"]
    assert stats["diverging"].values[0].tolist() == expected.tolist()
    assert float(stats["step_size"][0, 0]) == run.kernel.step_size


def test_plates_of_no_stated_size_and_matmul_are_no_trouble():
    """ArviZ's own converter left this log-likelihood out: arviz-devs/arviz#1165."""

    def regression(x, labels):
        level = pyro.sample("level", dist.Normal(0.0, 5.0))
        slopes = pyro.sample("slopes", dist.Normal(torch.zeros(2), 5.0))
        with pyro.plate("data"):
            logits = level + x.matmul(slopes)
            pyro.sample("labels", dist.Bernoulli(logits=logits), obs=labels)

    x = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    labels = (x[:, 0] > 0).float()
    tree = converted(sampled(regression, x, labels, draws=20, kernel=short))
    assert schema.decode_attrs(tree.attrs)["vectorised"]["replay"].startswith("loop")
    slopes, level = tree["posterior"]["slopes"].values, tree["posterior"]["level"].values
    chance = expit(level[..., None] + slopes @ x.numpy().T)
    expected = bernoulli.logpmf(labels.numpy(), chance)
    np.testing.assert_allclose(tree["log_likelihood"]["labels"], expected, atol=1e-4)
    assert tree["log_likelihood"]["labels"].dims[2:] == ("data",)


def test_draws_that_see_each_other_are_run_one_by_one():
    def model(y):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        pyro.deterministic("centred", mu - mu.mean())  # nothing, for one draw
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    tree = converted({"mu": torch.randn(200)}, model=model, args=[torch.tensor(1.0)])
    assert np.all(tree["posterior"]["centred"] == 0.0)


def test_what_reparametrisation_hides_is_computed_again():
    @poutine.reparam(config={"z": LocScaleReparam(0.0)})
    def model(y):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        z = pyro.sample("z", dist.Normal(mu, 2.0))
        pyro.sample("y", dist.Normal(z, 1.0), obs=y)

    posterior = converted(sampled(model, torch.tensor(1.0)))["posterior"]
    expected = posterior["mu"] + 2.0 * posterior["z_decentered"]
    np.testing.assert_allclose(posterior["z"], expected, atol=1e-5)


def test_a_potential_alone_gives_a_posterior_alone():
    run = MCMC(
        NUTS(potential_fn=lambda z: 0.5 * (z["x"] ** 2).sum()),
        20,
        warmup_steps=10,
        initial_params={"x": torch.zeros(2)},
        disable_progbar=True,
    )
    run.run()
    tree = converted(run)
    assert set(tree.children) == {"posterior", "sample_stats"}
    assert tree["posterior"]["x"].dims == ("chain", "draw", "x_dim_0")
    with pytest.raises(cm.WorldError, match="there is no model"):
        converted(run, prior=10)


@pytest.mark.parametrize(
    "kind",
    [
        autoguide.AutoNormal,
        autoguide.AutoDiagonalNormal,
        autoguide.AutoMultivariateNormal,
        autoguide.AutoLowRankMultivariateNormal,
        autoguide.AutoStructured,
        autoguide.AutoGaussian,
        autoguide.AutoIAFNormal,
    ],
)
def test_every_autoguide_gives_draws_that_the_model_agrees_with(kind):
    y = torch.tensor(Y)
    guide = kind(nested)
    trained(nested, guide, y)
    tree = converted(guide, args=[y], draws=50)
    posterior = tree["posterior"]
    assert posterior["shift"].shape == (1, 50, GROUPS, 1)
    latents = {n: posterior[n].values[0] for n in ("mu", "slope", "shift", "share")}
    np.testing.assert_allclose(latents["share"].sum(-1), 1.0, atol=1e-5)
    values, scores = single_runs(nested, [y], latents, ["mean", "y"])
    np.testing.assert_allclose(posterior["mean"].values[0], values["mean"], atol=1e-4)
    np.testing.assert_allclose(tree["log_likelihood"]["y"].values[0], scores["y"], atol=1e-3)


def test_a_guide_is_drawn_from_as_it_was_trained():
    guide = autoguide.AutoNormal(plain)
    svi = trained(plain, guide, DATA, steps=300)
    quarter, median, three = (
        float(q) for q in guide.quantiles([0.25, 0.5, 0.75], DATA)["mu"].detach()
    )
    draws = converted(svi, args=[DATA], draws=4000)["posterior"]["mu"].values[0]
    sd = (three - quarter) / (2 * norm.ppf(0.75))
    assert abs(draws.mean() - median) < 4 * sd / np.sqrt(4000)
    assert abs(draws.std() - sd) < 4 * sd / np.sqrt(2 * 4000)
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 4 / np.sqrt(4000)
    assert abs(median - EXACT_MEAN) < 0.3 and abs(sd - EXACT_SD) < 0.2  # Adam has noise


def test_a_point_estimate_is_one_point():
    guide = autoguide.AutoDelta(plain)
    trained(plain, guide, DATA, steps=300)
    draws = converted(guide, args=[DATA], draws=20)["posterior"]["mu"]
    assert np.all(draws == float(guide.median(DATA)["mu"]))
    assert abs(float(draws[0, 0]) - EXACT_MEAN) < 0.01


def learned(y):
    """Data with a scale that is learned, and no latent's."""
    scale = pyro.param("scale", torch.tensor(3.0), constraint=dist.constraints.positive)
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    pyro.deterministic("scale_of_y", scale)
    with pyro.plate("datum", len(y)):
        pyro.sample("y", dist.Normal(mu, scale), obs=y)


def hand_written(y):
    loc = pyro.param("loc", torch.tensor(0.0))
    pyro.sample("mu", dist.Normal(loc, 0.1))


def test_learned_parameters_are_used_and_left_as_they_are():
    svi = trained(learned, hand_written, DATA, steps=200)
    before = {name: value.detach().clone() for name, value in pyro.get_param_store().items()}
    tensors = dict(pyro.get_param_store().named_parameters())
    tree = converted(svi, args=[DATA], draws=30)
    after = pyro.get_param_store()
    assert abs(float(before["scale"]) - 3.0) > 0.5
    assert {n: v.tolist() for n, v in before.items()} == {n: v.tolist() for n, v in after.items()}
    assert all(after._params[name] is tensor for name, tensor in tensors.items())
    mu, scale = tree["posterior"]["mu"].values[..., None], float(before["scale"])
    expected = norm.logpdf(DATA.numpy(), mu, scale)
    np.testing.assert_allclose(tree["log_likelihood"]["y"], expected, atol=1e-4)
    np.testing.assert_allclose(tree["posterior"]["scale_of_y"], scale, rtol=1e-6)


def test_parameters_that_are_gone_are_not_taken_for_the_learned_ones():
    svi = trained(learned, hand_written, DATA)
    pyro.clear_param_store()
    with pytest.raises(cm.WorldError, match=r"'(loc|scale)' is not in Pyro's parameter store"):
        converted(svi, args=[DATA])
    assert not pyro.get_param_store()
    guide = autoguide.AutoNormal(plain)  # an autoguide holds its parameters itself
    trained(plain, guide, DATA)
    first = converted(guide, args=[DATA], draws=20)["posterior"]["mu"]
    pyro.clear_param_store()
    assert np.array_equal(first, converted(guide, args=[DATA], draws=20)["posterior"]["mu"])
    assert not pyro.get_param_store()


def test_two_guides_that_share_names_are_told_apart():
    first, second = autoguide.AutoNormal(plain), autoguide.AutoNormal(plain)
    trained(plain, first, DATA, steps=20)
    pyro.clear_param_store()
    trained(plain, second, DATA + 5.0, steps=20)
    with pytest.raises(cm.WorldError, match=r"'AutoNormal.locs.mu' .* store differ"):
        converted(first, args=[DATA])
    converted(second, args=[DATA + 5.0], draws=5)


def test_a_guide_that_was_never_trained_is_refused():
    with pytest.raises(cm.WorldError, match="AutoNormal has never run"):
        converted(autoguide.AutoNormal(plain), args=[DATA])


def test_a_minibatch_is_left_out_and_the_rest_kept():
    def model(y):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        pyro.deterministic("before", 2 * mu)
        with pyro.plate("datum", len(y), subsample_size=2) as some:
            local = pyro.sample("local", dist.Normal(mu, 1.0))
            pyro.sample("y", dist.Normal(local, 1.0), obs=y[some])
        pyro.deterministic("after", mu + local.sum())

    svi = trained(model, autoguide.AutoNormal(model), DATA, steps=20)
    with pytest.warns(cm.ImpactWarning, match="'local' sits in a plate that takes only some"):
        tree = converted(svi, args=[DATA], draws=30)
    assert set(tree["posterior"].data_vars) == {"mu", "before"}
    np.testing.assert_allclose(tree["posterior"]["before"], 2 * tree["posterior"]["mu"])
    assert set(tree.children) == {"posterior"}
    left_out = schema.decode_attrs(tree.attrs)["left_out"]
    assert set(left_out) == {"local", "y", "after"}


@pytest.mark.filterwarnings("ignore:Some subsequences:UserWarning")
def test_latents_that_were_summed_out_are_missed_and_so_is_what_follows():
    @pyro.infer.config_enumerate
    def mixture(y):
        locs = pyro.sample("locs", dist.Normal(torch.tensor([-2.0, 2.0]), 1.0).to_event(1))
        pyro.deterministic("gap", locs[..., 1] - locs[..., 0])
        with pyro.plate("datum", len(y)):
            which = pyro.sample("which", dist.Categorical(torch.tensor([0.5, 0.5])))
            pyro.sample("y", dist.Normal(locs[which], 1.0), obs=y)

    run = sampled(mixture, DATA, draws=20, kernel=short)
    with pytest.warns(cm.ImpactWarning, match=r"'which' is sampled .* 'y' comes after 'which'"):
        tree = converted(run)
    assert set(tree["posterior"].data_vars) == {"locs", "gap"}
    locs = tree["posterior"]["locs"].values
    np.testing.assert_allclose(tree["posterior"]["gap"], locs[..., 1] - locs[..., 0], atol=1e-6)
    assert "log_likelihood" not in tree.children


def test_latents_that_were_not_saved_are_not_drawn_from_the_prior():
    def model(y):
        a = pyro.sample("a", dist.Normal(0.0, 1.0))
        b = pyro.sample("b", dist.Normal(0.0, 1.0))
        pyro.deterministic("both", a + b)
        pyro.sample("y", dist.Normal(a + b, 1.0), obs=y)

    run = sampled(model, torch.tensor(1.0), draws=10, save_params=["a"])
    with pytest.warns(cm.ImpactWarning, match="'both' comes after 'b'"):
        tree = converted(run)
    assert list(tree["posterior"].data_vars) == ["a"]


def test_missing_data_are_neither_data_nor_in_the_way_of_loo():
    kept = torch.tensor([True, False, True, True])
    y = torch.tensor([1.0, torch.nan, 3.0, 2.0])

    def model(y):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("week", 4):
            pyro.sample("y", dist.Normal(mu, 1.0), obs=y, obs_mask=kept)
        pyro.factor("belief", -(mu**2))

    mu = EXACT_MEAN + EXACT_SD * torch.randn(1000, generator=torch.Generator().manual_seed(0))
    draws = {"mu": mu, "y_unobserved": torch.zeros(1000, 4) + torch.arange(1000.0)[:, None]}
    tree = converted(
        draws, model=model, args=[y], coords={"week": list("abcd")}, posterior_predictive=True
    )
    scores = tree["log_likelihood"]["y_observed"]
    assert scores["y_observed_dim_0"].values.tolist() == ["a", "c", "d"]
    expected = norm.logpdf([1.0, 3.0, 2.0], tree["posterior"]["mu"].values[..., None], 1.0)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert tree["observed_data"]["y_observed"].values.tolist() == [1.0, 3.0, 2.0]
    assert tree["posterior_predictive"]["y_observed"].shape == (1, 1000, 3)
    filled = tree["posterior"]["y"]
    assert filled.dims == ("chain", "draw", "week")
    assert np.all(filled.sel(week="a") == 1.0)
    np.testing.assert_array_equal(filled.sel(week="b")[0], draws["y_unobserved"][:, 1])
    assert tree["posterior"]["y_unobserved"]["y_unobserved_dim_0"].values.tolist() == ["b"]
    assert set(tree["log_likelihood"].data_vars) == {"y_observed"}
    assert np.isfinite(azs.loo(tree, var_name="y_observed").elpd)


def test_data_made_inside_the_model_are_data():
    def model():
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        pyro.sample("y", dist.Normal(mu, 1.0), obs=torch.tensor(2.0))

    tree = converted({"mu": torch.randn(20)}, model=model, log_likelihood=False)
    assert float(tree["observed_data"]["y"]) == 2.0


def test_scaled_data_count_as_the_model_counts_them():
    def model(y):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("datum", 3), poutine.scale(scale=0.5):
            pyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    draws = {"mu": torch.randn(50)}
    tree = converted(draws, model=model, args=[DATA])
    _, scores = single_runs(model, [DATA], {"mu": draws["mu"].numpy()}, ["y"])
    np.testing.assert_allclose(tree["log_likelihood"]["y"].values[0], scores["y"], atol=1e-6)


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        (lambda mu, y: (mu, y[:, None]), r"observed with shape \(3, 1\), .* has shape \(3,\)"),
        (lambda mu, y: (torch.zeros(()), 2 * mu[0]), "'y' is observed, or masked, otherwise"),
        (lambda mu, y: (torch.zeros(()), (mu[0] > 8).float()), "'y' is observed, or masked, oth"),
    ],
    ids=["broadcasts", "moves with the draw", "moves in few draws"],
)
def test_what_is_no_row_of_fixed_data_has_no_pointwise_likelihood(seen, message):
    def model(y):
        mu = pyro.sample("mu", dist.Normal(torch.zeros(3), 1.0).to_event(1))
        mean, obs = seen(mu, y)
        pyro.sample("y", dist.Normal(mean, 1.0), obs=obs)

    with pytest.warns(cm.ImpactWarning, match=message):
        tree = converted({"mu": torch.arange(30.0).reshape(10, 3)}, model=model, args=[DATA])
    assert set(tree.children) == {"posterior"}


def test_an_importance_run_is_weighed():
    pyro.set_rng_seed(0)
    run = Importance(plain, num_samples=1000).run(DATA)
    tree = converted(run, args=[DATA], draws=1000)
    mu = tree["posterior"]["mu"].values
    effective = schema.decode_attrs(tree.attrs)["effective_draws"]
    assert abs(mu.mean() - EXACT_MEAN) < 4 * EXACT_SD / np.sqrt(effective)
    assert abs(mu.std() - EXACT_SD) < 4 * EXACT_SD / np.sqrt(2 * effective)
    with pytest.warns(cm.ImpactWarning, match="k-hat"):
        converted(Importance(plain, num_samples=30).run(DATA + 20), args=[DATA + 20])


@pytest.mark.parametrize(
    ("shape", "expected"), [((6,), (1, 6)), ((2, 3), (2, 3)), ((6, 1, 1), (1, 6))]
)
def test_a_dict_of_draws_has_draws_or_chains_and_draws_in_front(shape, expected):
    mu, b = torch.randn(6), torch.randn(6, 2)

    def model(y):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        b = pyro.sample("b", dist.Normal(torch.zeros(2), 1.0).to_event(1))
        pyro.deterministic("sum", mu + b.sum(-1))

    run = {"mu": mu.reshape(shape), "b": b.reshape(*shape, 2), "sum": torch.full((6,), 99.0)}
    posterior = converted(run, model=model, args=[DATA])["posterior"]
    assert posterior["mu"].shape == expected
    assert posterior["b"].shape == (*expected, 2)
    np.testing.assert_allclose(posterior["sum"].values.ravel(), mu + b.sum(-1), atol=1e-6)


def test_draws_of_predictive_are_read():
    trained(plain, guide := autoguide.AutoNormal(plain), DATA)
    drawn = Predictive(plain, guide=guide, num_samples=50, parallel=True)(DATA)
    tree = converted(drawn, model=plain, args=[DATA])
    np.testing.assert_array_equal(tree["posterior"]["mu"].values[0], drawn["mu"].detach().ravel())


def test_predictions_have_the_moments_of_their_closed_form():
    draws = {"rate": torch.as_tensor(gamma.rvs(5.0, size=4000, random_state=0)).float()}

    def model(y):
        rate = pyro.sample("rate", dist.Gamma(2.0, 1.0))
        pyro.deterministic("chance_of_none", (-rate).exp())
        with pyro.plate("day", 2):
            pyro.sample("y", dist.Poisson(rate), obs=y)

    y = torch.tensor([3.0, 4.0])
    tree = converted(draws, model=model, args=[y], posterior_predictive=True, prior=4000)
    ahead = tree["posterior_predictive"]["y"]
    assert ahead.dims == ("chain", "draw", "day")
    error = np.sqrt((5.0 + 5.0) / 4000)  # Poisson of a Gamma(5): mean 5, variance 5 + 5
    assert np.all(np.abs(ahead.mean(("chain", "draw")) - 5.0) < 4 * error)
    rate = tree["posterior"]["rate"].values[0]
    share = (ahead.values[0] == 3).mean()
    assert abs(share - poisson.pmf(3, rate).mean()) < 4 * np.sqrt(0.25 / 4000)
    prior = tree["prior"]["rate"].values
    assert abs(prior.mean() - 2.0) < 4 * np.sqrt(2.0 / 4000)
    np.testing.assert_allclose(tree["prior"]["chance_of_none"], np.exp(-prior), atol=1e-6)
    assert abs(tree["prior_predictive"]["y"].mean() - 2.0) < 4 * np.sqrt(4.0 / 4000)
    np.testing.assert_array_equal(tree["observed_data"]["y"], y)


def test_arviz_reads_the_tree_and_files_keep_it(tmp_path):
    y = np.linspace(-1.0, 1.0, 12, dtype=np.float32)
    tree = converted(sampled(plain, torch.tensor(y), draws=300, warmup=100))
    exact = norm.logpdf(y, (y.sum() - y) / 12, np.sqrt(1 + 1 / 12)).sum()
    assert abs(azs.loo(tree).elpd - exact) < 0.2
    summary = azs.summary(tree, round_to="none").astype(float).loc["mu"]
    assert abs(summary["mean"] - y.sum() / 13) < 4 * summary["mcse_mean"]
    plt.close(azp.plot_trace_dist(tree).viz["figure"].item())
    halves = [tree["posterior"].to_dataset().isel(draw=part).assign_coords(draw=range(150))
              for part in (slice(0, 150), slice(150, 300))]  # fmt: skip
    two = xr.DataTree.from_dict(
        {"posterior": xr.concat(halves, "chain").assign_coords(chain=[0, 1])}
    )  # ranks need two
    plt.close(azp.plot_rank_dist(two).viz["figure"].item())
    for ending in ("nc", "zarr"):
        again = inference.load(inference.save(tree, tmp_path / f"run.{ending}"))
        for group in tree.children:
            assert again[group].to_dataset().identical(tree[group].to_dataset())
        assert again.attrs == tree.attrs
    attrs = schema.decode_attrs(tree.attrs)
    assert attrs["method"] == "NUTS" and attrs["warmup"] == 100 and attrs["name"] == "plain"
    assert tree["posterior"].attrs["inference_library"] == "pyro-ppl"


def test_names_that_files_and_arviz_use_otherwise_are_changed():
    def model():
        with pyro.plate("draw", 2):
            x = pyro.sample("part/x", dist.Normal(0.0, 1.0))
            pyro.deterministic("part/double", 2 * x, event_dim=0)

    tree = converted({"part/x": torch.randn(5, 2)}, model=model)
    assert tree["posterior"]["part.x"].dims == ("chain", "draw", "part.x_dim_0")
    np.testing.assert_allclose(tree["posterior"]["part.double"], 2 * tree["posterior"]["part.x"])


def test_the_log_likelihood_can_be_left_out_and_large_ones_are(monkeypatch):
    draws = {"mu": torch.randn(10)}
    tree = converted(draws, model=plain, args=[DATA], log_likelihood=False)
    assert set(tree.children) == {"posterior", "observed_data"}
    monkeypatch.setattr("inference.pyro_runs._MOST_LOG_LIKELIHOODS", 29)
    assert "log_likelihood" not in converted(draws, model=plain, args=[DATA]).children
    tree = converted(draws, model=plain, args=[DATA], log_likelihood=True)
    assert tree["log_likelihood"]["y"].shape == (1, 10, 3)


def test_the_users_random_numbers_and_draws_are_untouched():
    trained(plain, guide := autoguide.AutoNormal(plain), DATA)
    state = torch.get_rng_state()
    first = converted(guide, args=[DATA], draws=20, seed=3)
    assert torch.equal(state, torch.get_rng_state())
    torch.rand(3)
    again = converted(guide, args=[DATA], draws=20, seed=3)
    assert first["posterior"].to_dataset().identical(again["posterior"].to_dataset())
    other = converted(guide, args=[DATA], draws=20, seed=4)
    assert not np.array_equal(first["posterior"]["mu"], other["posterior"]["mu"])
    svi = SVI(plain, guide, pyro.optim.Adam({"lr": 0.05}), Trace_ELBO())
    assert np.isfinite(svi.step(DATA))  # the guide can still be trained


def test_threads_convert_side_by_side():
    draws = {"mu": torch.randn(300)}
    expected = converted(draws, model=plain, args=[DATA])["log_likelihood"]["y"]
    found = []

    def convert():
        found.append(converted(draws, model=plain, args=[DATA])["log_likelihood"]["y"])

    threads = [threading.Thread(target=convert) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all(np.array_equal(one, expected) for one in found)


def test_args_of_the_run_are_remembered_and_may_be_given_anew():
    run = sampled(plain, DATA, draws=10)
    tree = converted(run, args=[DATA + 1.0], kwargs={"centre": 3.0})
    expected = norm.logpdf(DATA.numpy() + 1.0, tree["posterior"]["mu"].values[..., None], 1.0)
    np.testing.assert_allclose(tree["log_likelihood"]["y"], expected, atol=1e-4)


def broken(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    pyro.deterministic("log", mu.clamp(min=0.0).log() * 0.0)


def edited(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    mu += 1.0


def noisy(y):
    pyro.sample("mu", dist.Normal(0.0, 1.0))
    torch.randn(1)
    pyro.deterministic("x", torch.zeros(1))


MU = {"mu": torch.tensor([1.0, -1.0])}


@pytest.mark.parametrize(
    ("run", "options", "message"),
    [
        (MCMC(NUTS(plain), 5), {}, "has not run yet"),
        (Importance(plain, num_samples=5), {}, "has not run yet"),
        (StreamingMCMC(NUTS(plain), 5), {}, "keeps only statistics"),
        (Predictive(plain, num_samples=5), {}, "keeps no draws"),
        (3, {}, "got a run of type int"),
        (MU, {}, "does not say what was sampled"),
        (hand_written, {}, "does not say what was sampled"),
        (MU, {"model": plain, "args": [DATA], "draws": 0}, "draws=0"),
        (MU, {"model": plain, "args": [DATA], "prior": -1}, "prior=-1"),
        ({"nu": MU["mu"]}, {"model": plain, "args": [DATA]}, "Did you mean 'mu'"),
        ({"mu": torch.zeros(2, 3, 4)}, {"model": plain, "args": [DATA]}, "the args of the run"),
        (MU, {"model": plain}, r"the model failed.*missing 1 required positional argument"),
        (MU, {"model": broken, "args": [DATA]}, "the model: 'log' is nan in draw 1"),
        (MU, {"model": edited, "args": [DATA]}, "the model edits site 'mu' in place"),
        (MU, {"model": noisy, "args": [DATA]}, "the model draws random numbers outside"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(run, options, message):
    with pytest.raises(cm.WorldError, match=message):
        converted(run, **options)


def test_a_model_that_overrules_the_draws_is_refused():
    trace = poutine.trace(plain).get_trace(DATA)
    with pytest.raises(cm.WorldError, match="does not take the draws of 'mu'"):
        converted(MU, model=poutine.replay(plain, trace=trace), args=[DATA])


def test_draws_of_another_model_are_refused():
    run = sampled(plain, DATA, draws=5)
    with pytest.raises(cm.WorldError, match=r"draws of 'mu', which .* does not have"):
        converted(run, model=lambda y: pyro.sample("nu", dist.Normal(0.0, 1.0)))
    with pytest.raises(cm.WorldError, match=r"draws of 'mu' with shape \(\), .* \(2,\)"):
        converted(run, model=lambda y: pyro.sample("mu", dist.Normal(torch.zeros(2), 1.0)))
