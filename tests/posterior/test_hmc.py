"""Sixty-four chains on a traced graph draw the posterior, and their error is what they say."""

import importlib.util
import json
from pathlib import Path

import arviz_stats as azs
import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray as xr

import counterfactual_models as cm
import inference
from inference import schema
from inference.posterior import hmc
from inference.posterior.engine import Order
from inference.posterior.executors import EXECUTORS
from inference.posterior.question import ask

HERE = Path(__file__).resolve()
REFERENCES = json.loads((HERE.parents[1] / "data" / "posterior_references.json").read_text())


def benchmark_models():
    spec = importlib.util.spec_from_file_location(
        "benchmark_models", HERE.parents[2] / "benchmarks" / "models.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def gaussian(dim, condition, dtype=torch.float64):
    """A past with a Gaussian posterior of that condition number, its mean and covariance."""
    rng = np.random.default_rng(dim)
    basis = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    covariance = (basis * np.geomspace(1.0, 1.0 / condition, dim)) @ basis.T
    seen, noise = rng.normal(size=dim), 0.5
    prior = torch.tensor(covariance, dtype=dtype)

    def world(disciple):
        law = dist.MultivariateNormal(torch.zeros(dim, dtype=dtype), prior)
        x = pyro.sample("x", law)
        pyro.sample("e", dist.Normal(x, noise * torch.ones(dim, dtype=dtype)).to_event(1))
        cm.switch()

    gain = covariance @ np.linalg.inv(covariance + noise**2 * np.eye(dim))
    evidence = {"e": torch.tensor(seen, dtype=dtype)}
    return world, evidence, gain @ seen, covariance - gain @ covariance


def mcse_sd(drawn):
    """Monte Carlo error of the sd, by the effective draws of the squares.

    ArviZ divides by those of the mean: chains that alternate then look twice as good as they are.
    """
    square = (drawn - drawn.mean(("chain", "draw"))) ** 2
    return azs.mcse(square, method="mean") / (2 * drawn.std(("chain", "draw")))


def errors(drawn, mean, sd):
    """Errors of means and standard deviations, in Monte Carlo errors."""
    of_mean = (drawn.mean(("chain", "draw")) - mean) / azs.mcse(drawn, method="mean")
    of_sd = (drawn.std(("chain", "draw")) - sd) / mcse_sd(drawn)
    return of_mean, of_sd


def draw(world, evidence, method="hmc", **options):
    return inference.sample_posterior(
        world, evidence, method, progress=False, log_likelihood=False, **options
    )


@pytest.mark.parametrize("method", ["hmc", "nuts", "laplace", "svi"])
@pytest.mark.parametrize(("dim", "condition"), [(1, 1.0), (5, 100.0)])
def test_engines_that_claim_to_be_exact_agree_with_the_closed_form(method, dim, condition):
    world, evidence, mean, covariance = gaussian(dim, condition)
    tree = draw(world, evidence, method, draws=300 if method == "nuts" else 1000, seed=1)
    assert tree.attrs["verdict"].startswith("good")
    drawn = tree["posterior"]["x"]
    for error in errors(drawn, mean, np.sqrt(np.diag(covariance))):
        assert float(abs(error).max()) < 4.5  # of up to ten numbers


@pytest.mark.parametrize(("dim", "condition"), [(30, 1e3), (100, 1e4)])
def test_many_and_unequal_scales_are_no_hindrance(dim, condition):
    world, evidence, mean, covariance = gaussian(dim, condition)
    tree = draw(world, evidence, draws=1600, seed=2)
    assert tree.attrs["verdict"].startswith("good")
    sd = np.sqrt(np.diag(covariance))
    of_mean, of_sd = errors(tree["posterior"]["x"], mean, sd)
    # The largest of `dim` standard normals; those of the sds share the energy of their chains.
    assert float(abs(of_mean).max()) < 5.0 and float(abs(of_sd).max()) < 5.0
    assert float((of_mean**2).mean()) < 1.6


@pytest.mark.parametrize("name", ["eight_schools", "hierarchical", "logistic", "latent_path"])
def test_four_posteriors_agree_with_long_runs_of_another_library(name):
    model = benchmark_models().load(name)
    draws = 6000 if name == "latent_path" else 1000  # its path moves slowly
    tree = draw(model.world, model.evidence, draws=draws, seed=3)
    assert tree.attrs["verdict"].startswith("good")
    drawn = {str(n): v.values for n, v in tree["posterior"].data_vars.items()}
    squares = []
    for latent, values in (drawn | model.derived(drawn)).items():
        known = {k: np.array(v) for k, v in REFERENCES[name][latent].items()}
        ours = xr.DataArray(values).rename(dim_0="chain", dim_1="draw")
        found = {
            "mean": (ours.mean(("chain", "draw")), azs.mcse(ours, method="mean")),
            "sd": (ours.std(("chain", "draw")), mcse_sd(ours)),
        }
        for of, (estimate, noise) in found.items():
            z = (estimate - known[of]) / np.hypot(noise, known[f"mcse_{of}"])
            assert float(abs(z).max()) < 5.0, (latent, of)  # of up to 400 numbers
            squares.append(float((z**2).mean()))
    assert np.mean(squares) < 2.0


@pytest.mark.slow
def test_the_effective_draws_it_reports_are_honest():
    world, evidence, mean, _ = gaussian(5, 100.0)
    scores = []
    for seed in range(20):
        drawn = draw(world, evidence, draws=400, seed=seed)["posterior"]["x"]
        sd = drawn.std(("chain", "draw"))
        scores.append((drawn.mean(("chain", "draw")) - mean) / sd * np.sqrt(azs.ess(drawn)))
    # The sd of 100 standard normals is within 0.2 of 1 but for one in 200.
    assert 0.8 < np.std(np.stack(scores)) < 1.2


def test_one_seed_one_posterior_and_another_seed_another():
    world, evidence, *_ = gaussian(3, 10.0)
    first, again, other = (draw(world, evidence, draws=100, seed=s) for s in (5, 5, 6))
    assert first["posterior"]["x"].equals(again["posterior"]["x"])
    assert not first["posterior"]["x"].equals(other["posterior"]["x"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_world_decides_on_precision(dtype):
    world, evidence, mean, covariance = gaussian(4, 10.0, dtype)
    tree = draw(world, evidence, draws=500)
    assert tree["posterior"]["x"].dtype == np.dtype(str(dtype).removeprefix("torch."))
    of_mean, _ = errors(tree["posterior"]["x"].astype(float), mean, np.sqrt(np.diag(covariance)))
    assert float(abs(of_mean).max()) < 4.5


@pytest.mark.filterwarnings("ignore::counterfactual_models.errors.ImpactWarning")  # few draws
def test_as_many_draws_as_asked_for_come_in_more_and_shorter_chains():
    world, evidence, *_ = gaussian(2, 1.0)
    for draws, chains in ((1000, 4), (100, 4), (7, 3)):
        sizes = draw(world, evidence, draws=draws, chains=chains)["posterior"].sizes
        assert draws * chains <= sizes["chain"] * sizes["draw"] < draws * chains + 64
        assert sizes["draw"] >= 4


def test_drawing_more_gives_the_numbers_of_drawing_much_at_once():
    world, evidence, *_ = gaussian(2, 10.0)
    short = inference.sample_posterior(world, evidence, "hmc", draws=640, progress=False)
    longer = inference.extend_posterior(world, short, 40, progress=False)
    whole = inference.sample_posterior(world, evidence, "hmc", draws=1280, progress=False)
    for group in ("posterior", "sample_stats", "log_likelihood"):
        xr.testing.assert_allclose(longer[group].to_dataset(), whole[group].to_dataset())
    assert longer.attrs["verdict"] == whole.attrs["verdict"]


def test_a_saved_run_goes_on(tmp_path):
    world, evidence, *_ = gaussian(2, 10.0)
    tree = draw(world, evidence, draws=320)
    inference.save(tree, tmp_path / "run.nc")
    again = inference.load(tmp_path / "run.nc")
    one, two = (inference.extend_posterior(world, t, 5, progress=False) for t in (tree, again))
    assert one["posterior"].to_dataset().equals(two["posterior"].to_dataset())


def test_only_runs_that_keep_their_state_go_on():
    world, evidence, *_ = gaussian(2, 10.0)
    tree = draw(world, evidence, "laplace", draws=50)
    with pytest.raises(cm.WorldError, match="only runs of method='hmc'"):
        inference.extend_posterior(world, tree, 5, progress=False)
    other, *_ = gaussian(3, 10.0)
    with pytest.raises(cm.CounterfactualError):
        inference.extend_posterior(other, draw(world, evidence, draws=50), 5, progress=False)


def test_the_warm_up_is_kept_on_request():
    world, evidence, *_ = gaussian(2, 1.0)
    tree = draw(world, evidence, draws=100, warmup=120, save_warmup=True)
    assert tree["warmup_posterior"].sizes["draw"] == 120
    assert set(tree["warmup_sample_stats"].data_vars) == set(tree["sample_stats"].data_vars)
    assert {"lp", "energy", "diverging", "acceptance_rate", "n_steps", "step_size"} <= set(
        tree["sample_stats"].data_vars
    )
    assert "warmup_posterior" not in draw(world, evidence, draws=100).children


def test_lp_is_the_density_of_the_draw():
    world, evidence, mean, covariance = gaussian(3, 10.0)
    tree = draw(world, evidence, draws=100)
    off = tree["posterior"]["x"].values - mean
    exact = -0.5 * np.einsum("...i,ij,...j", off, np.linalg.inv(covariance), off)
    gap = tree["sample_stats"]["lp"].values - exact
    assert np.ptp(gap) < 1e-6


def interrupted_after(monkeypatch, moves):
    """Press Ctrl-C at that iteration."""
    real, count = hmc._Chains.move, [0]

    def move(self):
        count[0] += 1
        if count[0] > moves:
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(hmc._Chains, "move", move)


def test_an_interrupt_after_the_warm_up_keeps_the_draws(monkeypatch):
    world, evidence, *_ = gaussian(2, 1.0)
    interrupted_after(monkeypatch, 100 + 30)
    with pytest.warns(cm.ImpactWarning, match="interrupted: 30 of 63 draws"):
        tree = draw(world, evidence, draws=1000, warmup=100)
    assert tree["posterior"].sizes["draw"] == 30
    assert schema.decode_attrs(tree.attrs)["interrupted"]


def test_an_interrupt_while_warming_up_stops(monkeypatch):
    world, evidence, *_ = gaussian(2, 1.0)
    interrupted_after(monkeypatch, 50)
    with pytest.raises(KeyboardInterrupt):
        draw(world, evidence, draws=1000, warmup=100)


def test_the_users_random_numbers_are_left_alone():
    world, evidence, *_ = gaussian(2, 1.0)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    hmc.draw(ask(world, evidence), Order(50, 4, 0))
    assert torch.equal(torch.get_rng_state(), before)


def test_discrete_latents_are_summed_out_and_drawn_again():
    def world(disciple):
        mean = pyro.sample("mean", dist.Normal(0.0, 3.0))
        with pyro.plate("row", 2):
            kind = pyro.sample("kind", dist.Bernoulli(0.3))
            pyro.sample("e", dist.Normal(mean + 2.0 * kind, 1.0))
        cm.switch()

    seen = np.array([0.0, 3.0])
    tree = draw(world, {"e": seen}, draws=4000, seed=4)
    grid = np.linspace(-15.0, 15.0, 6001)[:, None, None]
    kinds = np.array([0.0, 1.0])
    parts = np.where(kinds == 1, 0.3, 0.7) * np.exp(-0.5 * (seen[:, None] - grid - 2 * kinds) ** 2)
    joint = np.exp(-0.5 * (grid[:, 0, 0] / 3) ** 2) * parts.sum(-1).prod(-1)
    joint /= joint.sum()
    truth = (joint[:, None] * parts[..., 1] / parts.sum(-1)).sum(0)
    posterior = tree["posterior"]
    noise = azs.mcse(posterior["kind"], method="mean")
    assert np.all(abs(posterior["kind"].mean(("chain", "draw")) - truth) < 4.5 * noise)
    mean = (joint * grid[:, 0, 0]).sum()
    assert abs(posterior["mean"].mean() - mean) < 4.5 * azs.mcse(posterior["mean"], method="mean")


def executor_used(monkeypatch, **made):
    """Draw with some executors replaced; tell which one ran."""
    world, evidence, *_ = gaussian(2, 1.0)
    for name, make in made.items():
        monkeypatch.setitem(EXECUTORS, name, make)
    return schema.decode_attrs(draw(world, evidence, draws=50).attrs)["executor"]


def gone(module, inputs):
    raise RuntimeError("not in this version of torch")


def test_without_torchscript_python_runs_the_graph(monkeypatch):
    assert executor_used(monkeypatch) == "torchscript"
    assert executor_used(monkeypatch, torchscript=gone) == "python"


def test_a_long_run_is_compiled_and_one_without_a_compiler_is_right_all_the_same(monkeypatch):
    monkeypatch.setattr(hmc, "_WORTH_COMPILING", 0.0)
    monkeypatch.setattr(hmc, "compiler_there", lambda: True)
    assert executor_used(monkeypatch, inductor=EXECUTORS["python"]) == "inductor"
    assert executor_used(monkeypatch, inductor=gone) == "torchscript"
    monkeypatch.setattr(hmc, "compiler_there", lambda: False)
    assert executor_used(monkeypatch) == "torchscript"


def test_a_compiler_that_computes_wrongly_is_not_believed(monkeypatch):
    def off(module, inputs):
        return lambda *given: tuple(1.01 * part for part in module(*given))

    assert executor_used(monkeypatch, torchscript=off) == "python"


def test_chains_leave_the_neck_of_a_funnel_and_stay_in_a_narrow_mode():
    def narrow(disciple):
        spread = torch.tensor([1.0, 0.05], dtype=torch.float64)
        parts = dist.Normal(torch.tensor([0.0, 10.0], dtype=torch.float64), spread)
        x = pyro.sample("x", dist.MixtureSameFamily(dist.Categorical(torch.ones(2)), parts))
        pyro.sample("e", dist.Normal(0.0 * x, 1.0))
        cm.switch()

    with pytest.warns(cm.ImpactWarning, match="R-hat of 'x'"):
        tree = draw(narrow, {"e": 0.0}, seed=1)
    assert float((tree["posterior"]["x"] > 5.0).mean()) > 0.02
