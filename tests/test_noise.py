"""Is every distribution a function of standard normal noise, both ways, far into its tails?"""

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from scipy import special, stats

from counterfactual_models.errors import WorldError
from inference.arrays.poisson_quantiles import poisson_quantiles
from inference.noise import noise_of, value_of

CASES = {
    "normal": dist.Normal(torch.tensor(1.0), 2.0),
    "log-normal": dist.LogNormal(torch.tensor(0.0), 0.5),
    "uniform": dist.Uniform(torch.tensor(-1.0), 2.0),
    "exponential": dist.Exponential(torch.tensor(2.0)),
    "laplace": dist.Laplace(torch.tensor(1.0), 2.0),
    "cauchy": dist.Cauchy(torch.tensor(0.0), 1.0),
    "half-normal": dist.HalfNormal(torch.tensor(2.0)),
    "half-cauchy": dist.HalfCauchy(torch.tensor(2.0)),
    "gumbel": dist.Gumbel(torch.tensor(1.0), 2.0),
    "logistic": dist.Logistic(torch.tensor(1.0), 2.0),
    "student t": dist.StudentT(torch.tensor(3.0), 1.0, 2.0),
    "gamma": dist.Gamma(torch.tensor(2.0), 3.0),
    "chi squared": dist.Chi2(torch.tensor(3.0)),
    "inverse gamma": dist.InverseGamma(torch.tensor(3.0), 2.0),
    "beta": dist.Beta(torch.tensor(2.0), 3.0),
    "weibull": dist.Weibull(torch.tensor(2.0), 3.0),
    "pareto": dist.Pareto(torch.tensor(1.0), 3.0),
    "von Mises": dist.VonMises(torch.tensor(2.5), 3.0),
    "poisson": dist.Poisson(torch.tensor(3.0)),
    "binomial": dist.Binomial(10, torch.tensor(0.3)),
    "bernoulli": dist.Bernoulli(logits=torch.tensor(-0.3)),
    "geometric": dist.Geometric(torch.tensor(0.3)),
    "negative binomial": dist.NegativeBinomial(torch.tensor(5.0), torch.tensor(0.4)),
    "categorical": dist.Categorical(torch.tensor([0.2, 0.5, 0.3])),
    "one of three": dist.OneHotCategorical(torch.tensor([0.2, 0.5, 0.3])),
    "dirichlet": dist.Dirichlet(torch.tensor([1.0, 2.0, 3.0])),
    "normal vector": dist.MultivariateNormal(torch.zeros(3), torch.eye(3) + 0.5),
    "low rank": dist.LowRankMultivariateNormal(torch.zeros(3), torch.ones(3, 1), torch.ones(3)),
    "independent": dist.Gamma(torch.ones(4), 1.0).to_event(1),
    "masked": dist.Normal(torch.zeros(2), 1.0).mask(torch.tensor([True, False])),
    "gamma-poisson": dist.GammaPoisson(torch.tensor(2.0), torch.tensor(0.5)),
    "nearly certain": dist.Bernoulli(torch.tensor(0.999)),
    "logistic normal": dist.LogisticNormal(torch.zeros(3), torch.ones(3)),
    "transformed": dist.TransformedDistribution(
        dist.Normal(torch.tensor(0.0), 1.0), [dist.transforms.SigmoidTransform()]
    ),
}
every_case = pytest.mark.parametrize("name", CASES)


@every_case
def test_the_noise_of_a_value_makes_it_again_and_is_standard_normal(name):
    fn, rng = CASES[name], np.random.default_rng(0)
    torch.manual_seed(1)
    value = fn.sample((4000,))
    noise = noise_of(fn, value, rng)
    again = value_of(fn, noise)
    assert again.dtype == value.dtype
    assert torch.allclose(again.double(), value.double(), rtol=1e-5, atol=1e-6)
    assert stats.kstest(noise.numpy().ravel(), "norm").pvalue > 1e-4  # one false alarm in 300 runs


@every_case
def test_what_noise_makes_is_distributed_as_what_is_drawn(name):
    fn, rng = CASES[name], np.random.default_rng(2)
    torch.manual_seed(3)
    drawn = fn.sample((4000,))
    made = value_of(fn, torch.from_numpy(rng.standard_normal(tuple(drawn.shape))))
    assert made.shape == drawn.shape
    columns = zip(
        made.double().reshape(4000, -1).T, drawn.double().reshape(4000, -1).T, strict=True
    )
    for here, there in columns:
        assert stats.ks_2samp(here.numpy(), there.numpy(), method="asymp").pvalue > 1e-5


@pytest.mark.parametrize(
    "name", ["gamma", "exponential", "gumbel", "weibull", "beta", "half-normal"]
)
def test_twenty_deviations_out_the_tail_is_still_exact(name):
    laws = {
        "gamma": stats.gamma(2, scale=1 / 3),
        "exponential": stats.expon(scale=0.5),
        "gumbel": stats.gumbel_r(1, 2),
        "weibull": stats.weibull_min(3, scale=2),
        "beta": stats.beta(3, 2),  # mirrored: towards 1 single precision has no digits
        "half-normal": stats.halfnorm(scale=2),
    }
    fn = dist.Beta(torch.tensor(3.0).double(), 2.0) if name == "beta" else CASES[name]
    at = -20.0 if name == "beta" else 20.0
    value = value_of(fn, torch.tensor(at).double()).item()
    tail = laws[name].logcdf(value) if name == "beta" else laws[name].logsf(value)
    assert tail == pytest.approx(special.log_ndtr(-20.0), rel=1e-4)


def test_whole_numbers_are_found_where_quantiles_near_one_have_no_digits():
    for noise in (9.0, 20.0, 35.0):
        found = value_of(CASES["poisson"], torch.tensor(noise).double()).item()
        assert (
            stats.poisson.sf(found, 3.0) <= special.ndtr(-noise) < stats.poisson.sf(found - 1, 3.0)
        )


def test_poisson_quantiles_are_the_least_counts_that_suffice():
    rng = np.random.default_rng(0)
    noise = rng.normal(scale=4.0, size=4000)
    rate = np.exp(rng.normal(1.0, 4.0, size=4000))
    rate[:9] = [0.0, 1e-300, 1e9, 1e12, 0.0, 1e-8, 700.0, 1e3, 30.0]
    found = poisson_quantiles(noise, rate)
    up = noise > 0

    def suffices(number):
        far, near = stats.poisson.sf(number, rate), stats.poisson.cdf(number, rate)
        return np.where(up, far <= special.ndtr(-noise), near >= special.ndtr(noise))

    assert suffices(found).all()
    assert not suffices(found - 1)[found > 0].any()


def test_a_rare_category_at_either_end_is_reached():
    fn = dist.Categorical(torch.tensor([1e-30, 0.5, 0.5, 1e-30]).double())
    noise = torch.tensor([-12.0, -1.0, 1.0, 12.0]).double()
    assert value_of(fn, noise).tolist() == [0, 1, 2, 3]
    assert value_of(fn, torch.tensor([-10.0, 10.0]).double()).tolist() == [1, 2]  # 1e-23


def test_parameters_of_many_draws_broadcast_against_their_noise():
    rates = torch.tensor([[1.0], [10.0]])
    noise = torch.zeros(2, 3).double()
    assert value_of(dist.Poisson(rates), noise).tolist() == [[1.0] * 3, [10.0] * 3]


def test_a_value_never_rounds_to_an_open_border():
    far = torch.tensor([-30.0, 30.0]).double()
    for fn in (dist.Beta(torch.tensor(0.5), 0.5), dist.Gamma(torch.tensor(0.01), 1.0)):
        value = value_of(fn, far)
        assert fn.support.check(value).all()
        assert value.log().isfinite().all()
        if fn.support is torch.distributions.constraints.unit_interval:
            assert value.logit().isfinite().all()


def test_a_toss_far_out_is_as_rare_as_its_noise():
    rare = dist.Bernoulli(torch.tensor(1e-30).double())
    assert value_of(rare, torch.tensor([11.0, 12.0]).double()).tolist() == [0, 1]
    assert value_of(rare, torch.tensor([-40.0]).double()).item() == 0


def test_an_angle_is_the_quantile_that_scipy_finds():
    noise = torch.tensor([-3.0, -0.5, 0.0, 0.5, 3.0]).double()
    found = value_of(dist.VonMises(torch.tensor(0.0).double(), 3.0), noise)
    expected = stats.vonmises.ppf(special.ndtr(noise.numpy()), 3.0)
    assert found.numpy() == pytest.approx(expected, abs=1e-6)


def test_an_unknown_or_folded_distribution_is_refused_by_name():
    with pytest.raises(WorldError, match="LKJCholesky, which is not known"):
        value_of(dist.LKJCholesky(3, torch.tensor(1.0)), torch.zeros(3, 3).double())
    folded = dist.TransformedDistribution(
        dist.Normal(torch.tensor(0.0), 1.0), [dist.transforms.AbsTransform()]
    )
    with pytest.raises(WorldError, match="several values become one"):
        value_of(folded, torch.tensor(0.0).double())
