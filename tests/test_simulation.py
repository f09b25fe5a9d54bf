"""A batch of draws is what its draws are one by one: against single runs and closed forms."""

import gc
from functools import partial

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine

import counterfactual_models as cm
import inference
from counterfactual_models.anatomy import dissect
from counterfactual_models.disciples import erased
from counterfactual_models.handlers import SetSwitch, isolated
from inference.agreement import agrees_with_vmap
from inference.batches import Block, run_abreast, run_singly
from inference.simulation import Program, block_size, simulate

DRAWS = 100


def closed(world):
    """The erased world as a program."""
    return Program(SetSwitch(0)(partial(world, erased)), dissect(world, erased), {}, "the world")


def block_of(world, pins=None, score=(), draws=DRAWS):
    program = closed(world)
    return Block(program, pins or {}, draws, (0, "test"), list(program.anatomy.sites), score)


def run(world, pins, size, draws=None, **options):
    program = closed(world)
    drawn = [name for name in program.anatomy.sites if name not in pins]
    draws = draws or len(next(iter(pins.values())))
    options = {"record": drawn, "key": (0,), **options}
    return simulate(program, pins, draws=draws, size=size, **options)


def one_site(make):
    """A world with a latent `x` and a site drawn from ``make(x)``."""

    def world(disciple):
        x = pyro.sample("x", dist.Uniform(0.1, 0.9))
        cm.switch()
        pyro.sample("y", make(x))
        cm.measure("m", 2.0 * x)

    return world


ones = torch.ones(3)
FAMILIES = {
    "normal": lambda x: dist.Normal(x, 1.0),
    "only the scale": lambda x: dist.Normal(0.0, x),
    "lognormal": lambda x: dist.LogNormal(x, x),
    "independent": lambda x: dist.Normal(x.unsqueeze(-1) * ones, 1.0).to_event(1),
    "categorical": lambda x: dist.Categorical(logits=x.unsqueeze(-1) * torch.arange(3.0)),
    "bernoulli": lambda x: dist.Bernoulli(x),
    "gamma": lambda x: dist.Gamma(2.0, x),
    "student": lambda x: dist.StudentT(3.0, x, 1.0),
    "dirichlet": lambda x: dist.Dirichlet(x.unsqueeze(-1) * ones),
    "gaussian": lambda x: dist.MultivariateNormal(
        torch.zeros(3), scale_tril=x[..., None, None] * torch.eye(3)
    ),
    "masked": lambda x: dist.Normal(x, 1.0).mask(x > 0.5),
    "expanded": lambda x: dist.AsymmetricLaplace(x, 1.0, 1.0),
    "delta": lambda x: dist.Delta(x),
    "transformed": lambda x: dist.TransformedDistribution(
        dist.Normal(0.0, 1.0), [dist.transforms.AffineTransform(x, 2.0)]
    ),
    "mixture": lambda x: dist.MixtureSameFamily(
        dist.Categorical(torch.stack([x, 1 - x], -1)),
        dist.Normal(torch.stack([x, -x], -1), torch.ones(2)),
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_agrees_with_itself_and_with_no_other_world(family):
    make = FAMILIES[family]
    block, other = block_of(one_site(make)), block_of(one_site(lambda x: make(0.999 * x)))
    with isolated(0):
        batch = run_abreast(block)
        assert agrees_with_vmap(block, batch, first=True)
        assert agrees_with_vmap(block, batch, first=False)
        assert not agrees_with_vmap(other, batch, first=True)
        assert not agrees_with_vmap(other, batch, first=False)


def test_a_single_draw_of_the_first_block_that_differs_is_seen():
    def world(disciple, off=-1):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        cm.switch()
        place = torch.arange(float(DRAWS)) if x.ndim else 0.0
        cm.measure("m", x + (place == off))

    block = block_of(partial(world, off=57))
    with isolated(0):
        assert not agrees_with_vmap(block, run_abreast(block), first=True)
        assert agrees_with_vmap(block_of(world), run_abreast(block_of(world)), first=True)


def test_values_and_densities_are_those_of_single_runs():
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        cm.switch()
        y = pyro.sample("y", dist.Normal(x**3, 1.0))
        with pyro.plate("place", 3), poutine.scale(scale=0.5):
            z = pyro.sample("z", dist.Normal(y, x.exp()))
        cm.measure("m", z.sum(-1))

    block = block_of(world, score=["y", "z"])
    with isolated(0):
        batch = run_abreast(block)
        pins = {name: batch.values[name] for name in ("x", "y", "z")}
        values, log_prob = run_singly(block, pins, DRAWS, ["m"], ["y", "z"])
    assert torch.allclose(batch.values["m"], values["m"], atol=1e-5)
    for name in ("y", "z"):
        assert torch.allclose(batch.log_prob[name], log_prob[name], atol=1e-4)
    assert batch.log_prob["z"].shape == (DRAWS, 3)


def mixing(disciple):
    """Right, batch or not, as long as no latent is above zero."""
    x = pyro.sample("x", dist.Normal(0.0, 1.0))
    cm.switch()
    cm.measure("m", x.clamp(min=0.0).cumsum(0))


def test_draws_that_see_each_other_only_in_a_later_block_are_run_one_by_one():
    x = -torch.ones(1000)
    assert run(mixing, {"x": x}, 100).how == "plate"
    x[710] = 5.0
    found = run(mixing, {"x": x}, 100)
    assert found.how.startswith("loop: 'm' comes out differently")
    assert torch.equal(found.values["m"], x.clamp(min=0.0))


LOOKS = {
    "numpy": lambda x: torch.as_tensor(np.sin(x.numpy())),
    "float": lambda x: torch.tensor(np.sin(float(x)), dtype=torch.float32),
    "branch": lambda x: x.sin() if x > -9.0 else x,
    "list": lambda x: torch.tensor([x.sin(), x.sin()])[0],
    "data": lambda x: x.data.sin(),
    "filter": lambda x: x.sin()[x > -9.0].reshape(x.shape),
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_world_that_looks_at_its_values_is_right_all_the_same(look):
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        cm.switch()
        cm.measure("m", LOOKS[look](x))

    x = torch.linspace(-2.0, 2.0, 90)
    assert torch.allclose(run(world, {"x": x}, 30).values["m"], x.sin(), atol=1e-6)


class Reversed(dist.Normal):
    """Draws that see each other inside a distribution that somebody wrote."""

    def rsample(self, sample_shape=()):
        drawn = super().rsample(sample_shape)
        return drawn - (drawn.mean(0) if drawn.ndim else drawn)


def test_a_distribution_that_mixes_draws_is_not_trusted_for_its_parameters():
    found = run(one_site(lambda x: Reversed(x, 1.0)), {"x": torch.rand(DRAWS)}, DRAWS)
    assert "mixes draws (mean)" in found.how
    assert torch.equal(found.values["y"], torch.zeros(DRAWS))


def test_a_block_is_the_same_whatever_comes_before_and_after():
    world = one_site(FAMILIES["gamma"])
    pins = {"x": torch.rand(96)}
    whole = run(world, pins, 32)
    assert torch.equal(run(world, {"x": pins["x"][:64]}, 32).values["y"], whole.values["y"][:64])
    assert whole.values["y"].unique().numel() == 96
    alone = run(world, {"x": pins["x"][:32]}, 32).values  # one block is not copied, several are
    assert torch.equal(alone["y"], whole.values["y"][:32])
    assert torch.equal(whole.values["m"], 2.0 * pins["x"])


@pytest.mark.parametrize("copies", [1, 3])
def test_what_is_not_finite_is_refused_by_the_number_of_its_draw(copies):
    x = torch.full((50,), 0.5)
    x[37] = torch.nan
    with pytest.raises(cm.WorldError, match="'m' is nan in draw 37 "):
        run(one_site(lambda x: dist.Normal(0.0, 1.0)), {"x": x}, 12, copies=copies)


def test_garbage_is_collected_again_after_a_world_that_fails():
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        cm.switch()
        cm.measure("m", torch.log(x))

    with pytest.raises(cm.WorldError):
        run(world, {"x": -torch.ones(20)}, 20)
    assert gc.isenabled()


def test_numbers_too_large_to_be_added_up_are_still_finite():
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        cm.switch()
        cm.measure("m", x + 3e38)

    assert run(world, {"x": torch.zeros(20)}, 20).values["m"].isfinite().all()


def test_impossible_evidence_has_a_density_of_zero_and_is_no_error():
    def world(disciple):
        x = pyro.sample("x", dist.Bernoulli(0.5))
        pyro.sample("e", dist.Bernoulli(x))
        cm.switch()

    program = closed(world)
    program = Program(program.call, program.anatomy, {"e": torch.tensor(1.0)}, "the world")
    found = simulate(program, {}, draws=64, key=(0,), record=["x"], score=["e"], size=32)
    expected = torch.where(found.values["x"] == 1.0, 0.0, -torch.inf)
    assert torch.allclose(found.log_prob["e"].exp(), expected.exp(), atol=1e-6)


@pytest.mark.parametrize("outputs", [1, 1000, 3_000_000])
def test_blocks_fit_their_widest_site(outputs):
    def world(disciple):
        cm.switch()
        with pyro.plate("many", outputs):
            cm.measure("m", torch.zeros(outputs))

    size = block_size(dissect(world, erased), scored=False)
    assert size & (size - 1) == 0
    assert size == 1 or size * outputs <= 2**21


@pytest.mark.parametrize("source", [np.random.random, __import__("random").random])
def test_random_numbers_drawn_beside_the_sites_are_refused(source):
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        cm.measure("m", x + source() + cm.wire(disciple, idle=0.0)(x))

    with pytest.raises(cm.WorldError, match=r"outside pyro\.sample"):
        dissect(world, erased)


class ByNumpy(dist.Normal):
    """A distribution that draws with NumPy, which is its right."""

    def rsample(self, sample_shape=()):
        noise = np.random.normal(size=self.shape(sample_shape))  # noqa: NPY002
        return self.loc + self.scale * torch.as_tensor(noise, dtype=torch.float32)


def test_a_site_may_draw_with_numpy_and_repeats():
    world = one_site(lambda x: ByNumpy(x, 1.0))
    posterior = inference.sample_posterior(world, draws=400, chains=1, progress=False)
    first, again = (
        inference.sample_worlds(world, posterior, {"on": lambda: None}, progress=False)
        for _ in range(2)
    )
    y = first["predictions"]["y"].sel(disciple="erased")
    assert np.array_equal(y, again["predictions"]["y"].sel(disciple="erased"))
    # y - x = N(0, 1)
    assert abs(float((y - posterior["posterior"]["x"]).mean())) < 4 / np.sqrt(400)
