"""A Gaussian that stands for the past is right once weighed; where it cannot be, it says so."""

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from scipy import stats
from scipy.special import betaln, gammaln, logsumexp

import counterfactual_models as cm
import inference
from counterfactual_models import zoo
from inference.arrays.weights import doubtful
from inference.posterior import importance, laplace, svi
from inference.posterior.engine import Order
from inference.posterior.question import ask
from inference.posterior.resampling import resample

both = pytest.mark.parametrize("engine", [laplace, svi], ids=["laplace", "svi"])


@pytest.fixture(params=[torch.float32, torch.float64], ids=str)
def dtype(request):
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(before)


def drawn(engine, world, evidence=None, draws=1000, chains=4, seed=0, **options):
    return engine.draw(ask(world, evidence), Order(draws, chains, seed, **options))


def flat(values):
    return values.reshape(-1, *values.shape[2:]).double().numpy()


def assert_moments(values, mean, covariance, errors=4.0):
    """Hold draws against a mean and a covariance, in standard errors of independent draws."""
    sd, n = np.sqrt(np.diag(covariance)), len(values)
    assert np.abs((values.mean(0) - mean) / sd).max() < errors / np.sqrt(n)
    correlated = np.cov(values.T) / np.outer(sd, sd) - covariance / np.outer(sd, sd)
    assert np.abs(correlated).max() < errors * np.sqrt(2 / n)


@both
def test_a_gaussian_past_is_drawn_exactly(engine, dtype):
    example = zoo.load("gaussian", latents=2, data=4)
    found = drawn(engine, example.world, example.evidence)
    truth = example.exact(example.disciples["null"])
    assert found.values["z"].shape == (4, 1000, 2)
    assert found.values["z"].dtype == dtype
    assert_moments(flat(found.values["z"]), truth.posterior_mean, truth.posterior_covariance)
    assert found.attrs["khat"] < 0.3
    assert found.attrs["effective_draws"] > 0.999 * 40_000
    see = np.sin(1.0 + np.arange(8)).reshape(4, 2)
    evidence = stats.multivariate_normal(np.zeros(4), see @ see.T + np.eye(4))
    expected = evidence.logpdf(example.evidence["e"].numpy())
    assert found.attrs["log_evidence"] == pytest.approx(expected, abs=1e-3)


@both
def test_many_latents_are_no_obstacle(engine):
    example = zoo.load("gaussian", latents=260, data=3)  # the guide is of low rank there
    found = drawn(engine, example.world, example.evidence, draws=200)
    truth = example.exact(example.disciples["null"])
    z = flat(found.values["z"])
    standardised = (z.mean(0) - truth.posterior_mean) / np.sqrt(
        np.diag(truth.posterior_covariance) / len(z)
    )
    assert np.abs(standardised).max() < 5  # of 260
    assert found.attrs["effective_draws"] > 0.99 * 8000
    if engine is svi:
        assert found.attrs["guide"] == "AutoLowRankMultivariateNormal"


def logistic(disciple):
    """Twelve patients, a dose, and who recovered."""
    dose = torch.linspace(-2.0, 2.0, 12)
    base = pyro.sample("base", dist.Normal(0.0, 1.5))
    slope = pyro.sample("slope", dist.Normal(0.0, 1.5))
    with pyro.plate("patient", 12):
        pyro.sample("well", dist.Bernoulli(logits=base + slope * dose))
    cm.wire(disciple, idle=0.0)


@both
def test_a_logistic_past_agrees_with_quadrature(engine):
    well = np.array([0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1.0])
    found = drawn(engine, logistic, {"well": well})
    base, slope = np.meshgrid(*[np.linspace(-8, 8, 401)] * 2, indexing="ij")
    logits = base[..., None] + slope[..., None] * np.linspace(-2, 2, 12)
    log_joint = (
        stats.norm.logpdf(base, scale=1.5)
        + stats.norm.logpdf(slope, scale=1.5)
        + (well * logits - np.logaddexp(0, logits)).sum(-1)
    )
    area = (16 / 400) ** 2
    log_evidence = logsumexp(log_joint) + np.log(area)
    p = np.exp(log_joint - log_evidence) * area
    points = np.stack([base, slope], -1)
    mean = (p[..., None] * points).sum((0, 1))
    covariance = np.einsum("ij,ija,ijb->ab", p, points - mean, points - mean)
    values = np.stack([flat(found.values["base"]), flat(found.values["slope"])], -1)
    share = found.attrs["effective_draws"] / 40_000
    assert_moments(values, mean, covariance, errors=4.5 / np.sqrt(share))
    # The relative error of a mean of weights is sqrt((1 / share - 1) / n).
    error = np.sqrt((1 / share - 1) / 40_000)
    assert abs(found.attrs["log_evidence"] - log_evidence) < 4 * error + 1e-4
    assert not doubtful(found.attrs["khat"], found.attrs["effective_draws"])


@both
def test_bounded_latents_are_weighed_by_their_jacobian(engine):
    def world(disciple):
        rate = pyro.sample("rate", dist.Gamma(2.0, 1.0))
        share = pyro.sample("share", dist.Beta(2.0, 3.0))
        mix = pyro.sample("mix", dist.Dirichlet(torch.tensor([1.0, 2.0, 3.0])))
        with pyro.plate("week", 3):
            pyro.sample("orders", dist.Poisson(rate))
            pyro.sample("late", dist.Binomial(10, share))
        with pyro.plate("order", 12):
            pyro.sample("kind", dist.Categorical(mix))
        cm.wire(disciple, idle=0.0)

    orders, late, kinds = np.array([3.0, 4, 2]), np.array([2.0, 5, 3]), np.array([2, 6, 4])
    evidence = {"orders": orders, "late": late, "kind": np.repeat(np.arange(3), kinds)}
    found = drawn(engine, world, evidence)
    n = 4000 * min(1.0, found.attrs["effective_draws"] / 40_000)
    pairs = [
        (flat(found.values["rate"]), stats.gamma(2 + 9, scale=1 / 4)),
        (flat(found.values["share"]), stats.beta(2 + 10, 3 + 20)),
        (flat(found.values["mix"])[:, 1], stats.beta(2 + 6, 4 + 6)),
    ]
    for values, truth in pairs:
        assert abs(values.mean() - truth.mean()) < 4 * truth.std() / np.sqrt(n)
        assert abs(np.mean(values < truth.ppf(0.05)) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / n)
    counts = gammaln(11) - gammaln(late + 1) - gammaln(11 - late)
    prior = np.array([1.0, 2, 3])
    expected = (
        gammaln(11) - 11 * np.log(4) - gammaln(2) - gammaln(orders + 1).sum()
        + betaln(12, 23) - betaln(2, 3) + counts.sum()
        + gammaln(6) - gammaln(18) + (gammaln(prior + kinds) - gammaln(prior)).sum()
    )  # fmt: skip
    share = found.attrs["effective_draws"] / 40_000
    error = np.sqrt((1 / share - 1) / 40_000)
    assert abs(found.attrs["log_evidence"] - expected) < 4 * error + 1e-4
    assert not doubtful(found.attrs["khat"], found.attrs["effective_draws"])


@both
def test_two_peaks_are_both_found_and_weighed(engine):
    def world(disciple):
        side = pyro.sample("side", dist.Normal(1.0, 3.0))
        pyro.sample("e", dist.Normal(side**2, 3.0))
        cm.wire(disciple, idle=0.0)

    found = drawn(engine, world, {"e": 9.0})
    grid = np.linspace(-12, 12, 20_001)
    p = stats.norm.pdf(grid, 1, 3) * stats.norm.pdf(9.0, grid**2, 3)
    expected = p[grid > 0].sum() / p.sum()
    n = 4000 * found.attrs["effective_draws"] / 40_000
    right = np.mean(flat(found.values["side"]) > 0)
    assert abs(right - expected) < 4 * np.sqrt(expected * (1 - expected) / n)
    assert found.attrs["guides" if engine is svi else "modes"] == 2
    log_evidence = np.log(p.sum() * (grid[1] - grid[0]))
    assert found.attrs["log_evidence"] == pytest.approx(log_evidence, abs=0.02)
    # No chain sits on one side: the draws are in no order.
    assert np.ptp((found.values["side"] > 0).double().mean(1).numpy()) < 0.15


@both
def test_a_funnel_shouts(engine):
    def world(disciple):
        neck = pyro.sample("neck", dist.Normal(0.0, 3.0))
        with pyro.plate("grain", 9):
            pyro.sample("sand", dist.Normal(0.0, (neck / 2).exp()))
        cm.wire(disciple, idle=0.0)

    method = "svi" if engine is svi else "laplace"
    with pytest.warns(cm.ImpactWarning, match=r"weights are too uneven, k-hat .* method='hmc'"):
        inference.sample_posterior(world, None, method, draws=250, progress=False)


@both
def test_discrete_latents_are_summed_out_and_drawn_again(engine):
    centres, chance = torch.tensor([-1.0, 0.5, 1.0]), torch.tensor([0.5, 0.3, 0.2])

    def world(disciple):
        kind = pyro.sample("kind", dist.Categorical(chance))
        level = pyro.sample("level", dist.Normal(centres[kind], 0.7))
        pyro.sample("e", dist.Normal(level, 0.8))
        cm.wire(disciple, idle=0.0)

    found = drawn(engine, world, {"e": 0.6}, draws=200)
    assert found.values["kind"].shape == (4, 200)
    assert found.attrs["summed_out"] == ["kind"]
    spread = np.sqrt(0.7**2 + 0.8**2)
    joint = chance.numpy() * stats.norm.pdf(0.6, centres.numpy(), spread)
    posterior = joint / joint.sum()
    assert found.attrs["log_evidence"] == pytest.approx(np.log(joint.sum()), abs=0.02)
    kinds, levels = flat(found.values["kind"]), flat(found.values["level"])
    means = (centres.numpy() * 0.8**2 + 0.6 * 0.7**2) / spread**2
    sd = 0.7 * 0.8 / spread
    for k in range(3):
        error = np.sqrt(posterior[k] * (1 - posterior[k]) / 800)
        assert abs(np.mean(kinds == k) - posterior[k]) < 4.5 * error
        own = levels[kinds == k]
        assert abs(own.mean() - means[k]) < 4.5 * sd / np.sqrt(len(own))


@both
def test_a_program_that_cannot_be_traced_is_run_as_it_is(engine):
    def world(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0))
        width = 1.0 if base.item() < 100 else 2.0
        pyro.sample("e", dist.Normal(base, width))
        cm.wire(disciple, idle=0.0)

    found = drawn(engine, world, {"e": 1.0}, draws=50, warmup=5)
    assert found.attrs["executor"] == "program"
    assert_moments(flat(found.values["base"])[:, None], [0.5], np.array([[0.5]]), errors=4.5)


def spiked(disciple):
    """A centred hierarchy: the density has no bound where the groups are all alike."""
    tau = pyro.sample("tau", dist.HalfCauchy(5.0))
    with pyro.plate("group", 8):
        theta = pyro.sample("theta", dist.Normal(0.0, tau))
        pyro.sample("e", dist.Normal(theta, 10.0))
    cm.wire(disciple, idle=0.0)


GROUPS = torch.tensor([2.0, 1.0, -3.0, 7.0, -1.0, 1.0, 4.0, 0.0])


def test_laplace_names_the_latent_along_which_there_is_no_peak():
    with pytest.raises(cm.WorldError, match=r"there is none: .* along '(tau|theta)'.*'hmc'"):
        drawn(laplace, spiked, {"e": GROUPS}, draws=100)


def test_laplace_refuses_a_density_that_is_flat():
    def world(disciple):
        one = pyro.sample("one", dist.Normal(0.0, 1.0))
        two = pyro.sample("two", dist.Normal(0.0, 1.0))
        pyro.factor("prior undone", 0.5 * (one**2 + two**2))
        pyro.sample("e", dist.Normal(one + two, 1.0))
        cm.wire(disciple, idle=0.0)

    with pytest.raises(cm.WorldError, match=r"is flat, or curved upwards, along '(one|two)'"):
        drawn(laplace, world, {"e": 1.0}, draws=100)


def test_svi_needs_no_peak_and_says_what_it_is_worth():
    found = drawn(svi, spiked, {"e": GROUPS}, draws=500)
    assert np.isfinite(flat(found.values["theta"])).all()
    assert np.isfinite(found.attrs["khat"])


def test_svi_says_when_its_steps_were_not_enough():
    example = zoo.load("gaussian")
    short = drawn(svi, example.world, example.evidence, draws=100, warmup=30)
    assert short.attrs["steps"] == [30]
    assert not short.attrs["converged"]
    assert drawn(svi, example.world, example.evidence, draws=100).attrs["converged"]


def test_the_bound_is_below_the_evidence():
    well = torch.tensor([0.0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1])
    found = drawn(svi, logistic, {"well": well}).attrs
    assert found["log_evidence"] - 0.1 < found["elbo"] < found["log_evidence"] + 0.005


@both
def test_one_seed_one_posterior_and_no_trace_in_what_is_the_users(engine):
    example = zoo.load("gaussian")
    kept = pyro.param("weight", torch.ones(2))
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first, again, other = (
        drawn(engine, example.world, example.evidence, draws=50, seed=seed).values["z"]
        for seed in (1, 1, 2)
    )
    assert torch.equal(torch.rand(3), expected)
    assert list(pyro.get_param_store()) == ["weight"]
    assert pyro.param("weight") is kept
    pyro.clear_param_store()
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not first.requires_grad


@both
def test_a_latent_without_gradient_is_refused(engine):
    def world(disciple):
        count = pyro.sample("count", dist.Poisson(3.0))
        pyro.sample("e", dist.Normal(count, 1.0))
        cm.wire(disciple, idle=0.0)

    with pytest.raises(cm.WorldError, match=r"'count' .* is discrete without one finite list"):
        drawn(engine, world, {"e": 1.0})


def test_the_three_that_weigh_agree_on_the_evidence():
    well = torch.tensor([0.0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1])
    found = [
        drawn(engine, logistic, {"well": well}).attrs for engine in (importance, laplace, svi)
    ]
    errors = [1 / np.sqrt(attrs["effective_draws"]) for attrs in found]
    log_evidence = [attrs["log_evidence"] for attrs in found]
    assert np.ptp(log_evidence) < 4 * np.hypot(*sorted(errors)[-2:])


def test_proposals_that_are_all_impossible_are_refused():
    question = ask(logistic, {"well": torch.zeros(12)})
    with pytest.raises(cm.EvidenceError, match=r"none of 5 guesses .* \['well'\]; guess again"):
        resample(
            question, torch.full((5,), -torch.inf), Order(2, 1, 0),
            what="guesses", advice="guess again",
        )  # fmt: skip
