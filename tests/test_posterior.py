"""p(past | e) is right for every engine, and what does not fit is refused before any sampling."""

import itertools

import arviz_stats as azs
import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch

import counterfactual_models as cm
import inference
from counterfactual_models import zoo
from inference import schema
from inference.arrays.weights import equal_draws, kish_draws, smoothed


def sampled(world, evidence=None, method="auto", draws=400, chains=2, **options):
    return inference.sample_posterior(
        world, evidence, method, draws=draws, chains=chains, progress=False, **options
    )


def coins(disciple):
    """A discrete past with a plate: which coin, and what two witnesses say."""
    bias = pyro.sample("bias", dist.Categorical(torch.tensor([0.5, 0.3, 0.2])))
    chance = torch.tensor([0.1, 0.5, 0.9])[bias.long()]
    with pyro.plate("witness", 2):
        seen = pyro.sample("seen", dist.Bernoulli(chance))
        pyro.sample("said", dist.Bernoulli(0.8 * seen + 0.1))
    cm.measure("y", cm.wire(disciple, idle=0.0)(chance) + chance)


def coins_truth(said):
    prior, chance = [0.5, 0.3, 0.2], [0.1, 0.5, 0.9]
    joint = {}
    for b, *seen in itertools.product(range(3), range(2), range(2)):
        p = prior[b]
        for s, word in zip(seen, said, strict=True):
            p *= chance[b] if s else 1 - chance[b]
            p *= (0.8 * s + 0.1) if word else 1 - (0.8 * s + 0.1)
        joint[(b, *seen)] = p
    total = sum(joint.values())
    return {state: p / total for state, p in joint.items()}, np.log(total)


@pytest.mark.parametrize("method", ["nuts", "importance"])
def test_continuous_engines_agree_with_the_closed_form(method):
    example = zoo.load("gaussian", latents=2, data=4)
    draws = 250 if method == "nuts" else 2000
    tree = sampled(example.world, example.evidence, method, draws=draws)
    truth = example.exact(example.disciples["null"])
    z = tree["posterior"]["z"]
    assert z.dims == ("chain", "draw", "latent")
    ess = azs.ess(tree["posterior"].to_dataset())["z"].values
    sd = np.sqrt(np.diag(truth.posterior_covariance))
    # 4 standard errors; systematic resampling leaves a few copies, hence 1.5 for importance.
    error = sd / np.sqrt(ess) * (1.5 if method == "importance" else 1.0)
    assert np.all(np.abs(z.mean(("chain", "draw")) - truth.posterior_mean) < 4 * error)
    assert np.allclose(z.std(("chain", "draw")), sd, rtol=4 / np.sqrt(2 * ess.min()) * 1.5)


def test_enumeration_is_exact():
    said = [1.0, 0.0]
    tree = sampled(coins, {"said": said}, "enumerate", draws=1000, chains=2)
    truth, log_evidence = coins_truth(said)
    attrs = schema.decode_attrs(tree.attrs)
    assert attrs["log_evidence"] == pytest.approx(log_evidence, rel=1e-5)
    assert attrs["states"] == 12
    bias = tree["posterior"]["bias"].values.ravel().astype(int)
    seen = tree["posterior"]["seen"].values.reshape(-1, 2).astype(int)
    for state, probability in truth.items():
        share = np.mean((bias == state[0]) & (seen == state[1:]).all(1))
        # Systematic counts are within one draw of the exact share.
        assert abs(share - probability) <= 1 / 2000 + 1e-9


def test_enumeration_follows_branches_on_what_was_drawn():
    def world(disciple):
        a = pyro.sample("a", dist.Bernoulli(0.5))
        b = pyro.sample("b", dist.Bernoulli(0.9 if a == 1 else 0.2))
        pyro.sample("e", dist.Normal(b, 1.0))
        cm.measure("y", cm.wire(disciple, idle=0.0)(a))

    tree = sampled(world, {"e": 1.0}, draws=2000)
    assert schema.decode_attrs(tree.attrs)["method"] == "enumerate"
    like = {b: np.exp(-0.5 * (1.0 - b) ** 2) for b in (0, 1)}
    weight = {
        (a, b): 0.5 * ((0.9 if a else 0.2) if b else (0.1 if a else 0.8)) * like[b]
        for a in (0, 1)
        for b in (0, 1)
    }
    truth = (weight[1, 0] + weight[1, 1]) / sum(weight.values())
    assert float(tree["posterior"]["a"].mean()) == pytest.approx(truth, abs=1 / 4000 + 1e-6)


def test_importance_takes_any_past_and_agrees_with_enumeration():
    said = [1.0, 1.0]
    tree = sampled(coins, {"said": said}, "importance", draws=4000)
    truth, log_evidence = coins_truth(said)
    bias = tree["posterior"]["bias"].values.ravel()
    for b in range(3):
        expected = sum(p for state, p in truth.items() if state[0] == b)
        assert abs(np.mean(bias == b) - expected) < 4 * 1.5 * np.sqrt(0.25 / 8000)
    assert abs(schema.decode_attrs(tree.attrs)["log_evidence"] - log_evidence) < 0.05


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [(None, "prior"), ({"said": [1.0, 0.0]}, "enumerate")],
)
def test_auto_takes_the_exact_engine_where_there_is_one(evidence, expected):
    tree = sampled(coins, evidence, draws=10)
    assert schema.decode_attrs(tree.attrs)["method"] == expected


@pytest.mark.filterwarnings("ignore::counterfactual_models.errors.ImpactWarning")  # few draws
def test_the_future_is_never_run():
    def world(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0))
        pyro.sample("e", dist.Normal(base, 1.0))
        cm.wire(disciple, idle=0.0)
        runs.append("future")
        cm.measure("y", base)

    runs = []
    sampled(world, {"e": 0.3}, "nuts", draws=20, chains=1)
    assert runs == ["future"] * 2  # to see what sites there are, and which data are fixed


@pytest.mark.filterwarnings("ignore::counterfactual_models.errors.ImpactWarning")  # few draws
def test_one_seed_one_posterior():
    example = zoo.load("gaussian")
    first, again = (
        sampled(example.world, example.evidence, "nuts", draws=20, seed=5)["posterior"]["z"]
        for _ in range(2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first.sel(chain=0), first.sel(chain=1))


def test_pointwise_log_likelihood_is_that_of_scipy_and_loo_runs():
    from scipy.stats import norm

    example = zoo.load("gaussian", data=6)
    tree = sampled(example.world, example.evidence, "importance", draws=300)
    see = np.sin(1.0 + np.arange(12)).reshape(6, 2)
    mean = tree["posterior"]["z"].values @ see.T
    expected = norm.logpdf(example.evidence["e"].numpy(), mean, 1.0)
    assert tree["log_likelihood"]["e"].dims == ("chain", "draw", "datum")
    assert np.allclose(tree["log_likelihood"]["e"], expected, atol=1e-4)
    assert np.isfinite(float(azs.loo(tree).elpd))


def test_bad_chains_warn_and_name_the_site():
    def stuck(disciple):
        side = pyro.sample("side", dist.Normal(0.0, 10.0))
        pyro.sample("e", dist.Normal(side.abs(), 0.05))  # two modes that no chain crosses
        cm.measure("y", cm.wire(disciple, idle=0.0)(side))

    with pytest.warns(cm.ImpactWarning, match="R-hat of 'side'"):
        tree = sampled(stuck, {"e": 8.0}, "nuts", draws=100, chains=4, seed=1)
    assert float(tree["convergence"]["side"].sel(statistic="rhat")) > 1.03


def test_importance_that_misses_the_evidence_warns():
    def world(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0))
        with pyro.plate("datum", 50):
            pyro.sample("e", dist.Normal(base, 0.1))
        cm.measure("y", cm.wire(disciple, idle=0.0)(base))

    with pytest.warns(cm.ImpactWarning, match="k-hat"):
        sampled(world, {"e": torch.full((50,), 4.0)}, "importance", draws=50)


def test_dataframe_columns_lists_and_numbers_are_evidence():
    example = zoo.load("factory")
    frame = pd.DataFrame({"orders": example.evidence["orders"].numpy().astype(int)})
    tree = sampled(example.world, {"orders": frame["orders"]}, "importance", draws=200)
    assert tree["observed_data"]["orders"].dims == ("week",)
    again = sampled(example.world, {"orders": frame["orders"].tolist()}, "importance", draws=200)
    assert np.array_equal(tree["posterior"]["demand"], again["posterior"]["demand"])


GOOD = torch.full((12,), 20.0)


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        ({"oders": GOOD}, "'oders', which is no site of the world. Did you mean 'orders'"),
        ({"orders": GOOD[:11]}, r"shape \(11,\); expected \(12,\) \(week=12\)"),
        ({"orders": torch.where(GOOD > 0, torch.nan, GOOD)}, "not finite in 12 of 12 places"),
        ({"orders": -GOOD}, "outside the support"),
        ({"orders": GOOD + 0.5}, "outside the support"),
        ({"X": 1.0}, "names the switch"),
        ({"steel_price": 3.0}, "'steel_price', which is computed"),
        ({"orders": ["a"] * 12}, "holds no numbers"),
        ([("orders", GOOD)], "expected a dict"),
    ],
)
def test_evidence_that_does_not_fit_is_refused_before_sampling(evidence, message):
    with pytest.raises(cm.EvidenceError, match=message):
        sampled(zoo.load("factory").world, evidence, draws=10**9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "nutz"}, "Did you mean 'nuts'"),
        ({"draws": 0}, "draws=0"),
        ({"chains": -1}, "chains=-1"),
        ({"coords": {"wek": range(12)}}, "Did you mean 'week'"),
        ({"coords": {"week": range(11)}}, "11 labels; expected 12"),
        ({"dims": {"ordrs": ["week"]}}, "Did you mean 'orders'"),
        ({"dims": {"orders": ["week", "day"]}}, "expected 1 names"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    example = zoo.load("factory")
    options = {"method": "importance", "draws": 100, **options}
    with pytest.raises(cm.CounterfactualError, match=message):
        sampled(example.world, example.evidence, **options)


def test_each_engine_says_what_it_cannot_do():
    example = zoo.load("factory")
    with pytest.raises(cm.WorldError, match=r"'demand' .* no finite list"):
        sampled(example.world, example.evidence, "enumerate")
    with pytest.raises(cm.WorldError, match="no continuous latent; use method='enumerate'"):
        sampled(coins, {"said": [1.0, 1.0]}, "nuts")
    with pytest.raises(cm.EvidenceError, match="would ignore the evidence"):
        sampled(example.world, example.evidence, "prior")


def test_too_many_states_are_refused_and_importance_offered():
    def world(disciple):
        with pyro.plate("bit", 40):
            bits = pyro.sample("bits", dist.Bernoulli(0.5))
        pyro.sample("e", dist.Normal(bits.sum(-1), 1.0))
        cm.measure("y", cm.wire(disciple, idle=0.0)(bits.sum(-1)))

    with pytest.raises(cm.WorldError, match="too many to enumerate; use method='importance'"):
        sampled(world, {"e": 20.0}, "enumerate")
    tree = sampled(world, {"e": 20.0}, draws=60)
    assert schema.decode_attrs(tree.attrs)["method"] == "importance"


def test_evidence_written_into_the_world_counts_as_evidence():
    def world(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0))
        pyro.sample("e", dist.Normal(base, 1.0), obs=torch.tensor(2.0))
        pyro.factor("belief", -0.5 * (base - 1.0) ** 2)
        cm.measure("y", cm.wire(disciple, idle=0.0)(base))

    for method, draws in (("nuts", 200), ("importance", 1500)):
        tree = sampled(world, None, method, draws=draws)
        base = tree["posterior"]["base"]
        assert list(tree["posterior"].data_vars) == ["base"]
        assert list(tree["observed_data"].data_vars) == ["e"]
        # Three unit-precision terms at 0, 2 and 1: mean 1, variance 1/3.
        ess = float(azs.ess(tree["posterior"].to_dataset())["base"])
        assert abs(float(base.mean()) - 1.0) < 4 * 1.5 * np.sqrt(1 / 3 / ess)


def test_smoothing_weighs_by_the_weights_and_not_by_their_inverse():
    rng = np.random.default_rng(0)
    log_weights = rng.normal(size=2000)
    weights, khat = smoothed(log_weights)
    assert np.corrcoef(weights, np.exp(log_weights))[0, 1] > 0.95
    assert khat < 0.7
    assert kish_draws(weights) < 2000
    _, heavy = smoothed(rng.standard_cauchy(5000))
    assert heavy > 0.7


def test_resampled_counts_are_floor_or_ceil_of_the_expected():
    weights = np.random.default_rng(1).dirichlet(np.ones(40))
    counts = np.bincount(equal_draws(weights, 1000, np.random.default_rng(2)), minlength=40)
    assert counts.sum() == 1000
    assert np.all(np.abs(counts - 1000 * weights) < 1 + 1e-9)
