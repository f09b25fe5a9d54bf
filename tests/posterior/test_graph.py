"""The traced density is that of the program, whatever Pyro allows; else it is refused."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.distributions import transforms
from pyro.infer.reparam import LocScaleReparam
from pyro.nn import PyroModule, PyroSample

import counterfactual_models as cm
import inference
from inference.posterior import graph as graphs
from inference.posterior.density import density_of
from inference.posterior.executors import EXECUTORS
from inference.posterior.graph import graph_of
from inference.posterior.question import ask
from inference.posterior.tracing import Untraceable, traced

NET = torch.nn.Linear(2, 1)
DATA = torch.linspace(-1.0, 1.0, 6)
LAYER = PyroModule[torch.nn.Linear](2, 1)
LAYER.weight = PyroSample(dist.Normal(torch.zeros(1, 2), 1.0).to_event(2))
LAYER.bias = PyroSample(dist.Normal(torch.zeros(1), 1.0).to_event(1))
BETWEEN = dist.Normal(torch.zeros(()), torch.ones(()))


def simplex():
    p = pyro.sample("p", dist.Dirichlet(torch.ones(3)))
    pyro.sample("e", dist.Multinomial(10, p), obs=torch.tensor([5.0, 3.0, 2.0]))


def correlations():
    factor = pyro.sample("factor", dist.LKJCholesky(2, torch.tensor(1.5)))
    with pyro.plate("row", 3):
        law = dist.MultivariateNormal(torch.zeros(2), scale_tril=factor)
        pyro.sample("e", law, obs=DATA.reshape(3, 2))


def scales():
    a = pyro.sample("a", dist.Gamma(2.0, 1.0))
    b = pyro.sample("b", dist.Beta(2.0, 3.0))
    pyro.sample("e", dist.StudentT(3.0 + a, 0.0, b).expand([6]).to_event(1), obs=DATA)


def mixture():
    w = pyro.sample("w", dist.Dirichlet(torch.ones(2)))
    m = pyro.sample("m", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    law = dist.MixtureSameFamily(dist.Categorical(w), dist.Normal(m, 0.5))
    with pyro.plate("row", 6):
        pyro.sample("e", law, obs=DATA)


def mixture_latent():
    parts = dist.Normal(torch.tensor([-2.0, 2.0]), 1.0)
    pyro.sample("x", dist.MixtureSameFamily(dist.Categorical(torch.ones(2) / 2), parts))


def process():
    length = pyro.sample("length", dist.LogNormal(0.0, 0.5))
    square = (DATA[:, None] - DATA) ** 2
    kernel = torch.exp(-square / length**2) + 0.1 * torch.eye(6)
    pyro.sample("e", dist.MultivariateNormal(torch.zeros(6), kernel), obs=DATA)


def angles():
    pyro.sample("x", dist.VonMises(0.0, pyro.sample("k", dist.HalfNormal(2.0))))


def classes():
    m = pyro.sample("m", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    with pyro.plate("row", 6):
        kind = pyro.sample("kind", dist.Categorical(torch.tensor([0.3, 0.7])))
        pyro.sample("e", dist.Normal(m[kind], 0.5), obs=DATA)


def hidden_markov():
    stay = pyro.sample("stay", dist.Beta(3.0, 1.0))
    state = torch.tensor(0)
    table = torch.stack([torch.stack([stay, 1 - stay]), torch.stack([1 - stay, stay])])
    for t in pyro.markov(range(4)):
        state = pyro.sample(f"s_{t}", dist.Categorical(table[state]))
        pyro.sample(f"e_{t}", dist.Normal(state.to(stay), 0.5), obs=DATA[t])


def reparametrised():
    def eight():
        mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
        with pyro.plate("row", 6):
            x = pyro.sample("x", dist.Normal(mu, 2.0))
            pyro.sample("e", dist.Normal(x, 1.0), obs=DATA)

    poutine.reparam(eight, config={"x": LocScaleReparam(0.0)})()


def nested_plates():
    with pyro.plate("column", 3), pyro.plate("line", 2):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        pyro.sample("e", dist.Normal(x, 1.0), obs=DATA.reshape(2, 3))


def factors():
    x = pyro.sample("x", dist.Normal(0.0, 1.0))
    with poutine.mask(mask=DATA > 0), pyro.plate("row", 6), poutine.scale(scale=0.5):
        pyro.sample("e", dist.Normal(x, 1.0), obs=DATA)
    pyro.factor("extra", -(x**4))


def module():
    pyro.sample("e", dist.Normal(LAYER(DATA.reshape(3, 2)).squeeze(-1), 1.0).to_event(1),
                obs=DATA[:3])  # fmt: skip


def weights_that_learn():
    x = pyro.sample("x", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    pyro.sample("e", dist.Normal(NET(x), 1.0).to_event(1), obs=DATA[:1])


def branches_by_where():
    x = pyro.sample("x", BETWEEN)
    pyro.sample("e", dist.Normal(torch.where(x > 0, x, 2 * x), 1.0), obs=DATA[0])


def integrated():
    rate = pyro.sample("rate", dist.LogNormal(0.0, 0.5))
    x = torch.ones(())
    for _ in range(20):
        x = x - 0.05 * rate * x
    pyro.sample("e", dist.Normal(x, 0.1), obs=DATA[3])


def written_in_place():
    x = pyro.sample("x", dist.Normal(torch.zeros(3), 1.0).to_event(1))
    mean = torch.zeros(6)
    mean[:3] = x
    pyro.sample("e", dist.Normal(mean, 1.0).to_event(1), obs=DATA)


def ordered_choice():
    cuts = pyro.sample("cuts", dist.TransformedDistribution(
        dist.Normal(torch.zeros(2), 1.0).to_event(1), [transforms.OrderedTransform()]
    ))  # fmt: skip
    x = pyro.sample("x", dist.Normal(0.0, 1.0))
    with pyro.plate("row", 6):
        pyro.sample("e", dist.OrderedLogistic(x * DATA, cuts), obs=torch.arange(6) % 3)


FEATURES = [
    simplex, correlations, scales, mixture, mixture_latent, process, angles, classes,
    hidden_markov, reparametrised, nested_plates, factors, module, weights_that_learn,
    branches_by_where, integrated, written_in_place, ordered_choice,
]  # fmt: skip


def past_of(program):
    def world(disciple):
        program()
        cm.switch()

    return density_of(ask(world, None))


@pytest.mark.parametrize("program", FEATURES, ids=lambda f: f.__name__)
def test_the_graph_of_a_batch_is_the_density_of_the_program(program):
    density = past_of(program)
    graph = graph_of(density, 5)
    points = 0.7 * torch.randn(5, density.dim, generator=torch.Generator().manual_seed(3))
    for executor in ("python", "torchscript"):
        gradients, values = graph.compiled(executor)(points)
        exact_gradients, exact_values = density.one_by_one(points)
        assert torch.allclose(values, exact_values, rtol=1e-4, atol=1e-4)
        assert torch.allclose(gradients, exact_gradients, rtol=1e-3, atol=1e-3)


def test_the_compiler_gives_the_same_density():
    density = past_of(process)
    points = torch.zeros(4, density.dim)
    try:
        run = graph_of(density, 4).compiled("inductor")
    except Untraceable:
        pytest.skip("no C++ compiler")
    assert torch.allclose(run(points)[1], density.one_by_one(points)[1], rtol=1e-4)


def branches():
    x = pyro.sample("x", dist.Normal(0.0, 1.0))
    pyro.sample("e", dist.Normal(x if x > 0 else 2 * x, 1.0), obs=DATA[0])


def reads_out():
    x = pyro.sample("x", dist.Normal(0.0, 1.0))
    pyro.sample("e", dist.Normal(x.item(), 1.0), obs=DATA[0])


@pytest.mark.parametrize(
    ("program", "reason"),
    [(branches, "branches on the value"), (reads_out, "branches on the value")],
)
def test_what_a_graph_would_get_wrong_is_refused(program, reason):
    with pytest.raises(Untraceable, match=reason):
        graph_of(past_of(program), 4)


def test_random_numbers_inside_a_graph_are_refused():
    with pytest.raises(Untraceable, match="draws random numbers"):
        traced(lambda x: x * torch.randn(()), (torch.ones(2),))


def test_what_cannot_be_traced_is_named_with_an_engine_that_works():
    def world(disciple):
        branches()
        cm.switch()

    with pytest.raises(cm.WorldError, match=r"branches on the value .* Use method='nuts'"):
        inference.sample_posterior(world, method="hmc", progress=False)


def test_a_density_with_no_bijection_is_refused_by_name():
    def moving(disciple):
        width = pyro.sample("width", dist.LogNormal(0.0, 1.0))
        pyro.sample("x", dist.Uniform(0.0, width))
        cm.switch()

    with pytest.raises(cm.WorldError, match=r"support of site 'x'.* depends on another latent"):
        density_of(ask(moving, None))


def test_the_cache_never_outlives_what_the_program_closes_over():
    held = {"mean": torch.zeros(())}

    def world(disciple):
        x = pyro.sample("x", dist.Normal(held["mean"], 1.0))
        pyro.sample("e", dist.Normal(x, 1.0))
        cm.switch()

    point = torch.zeros(3, 1)
    for mean in (0.0, 2.0):
        held["mean"] = torch.tensor(mean)
        density = density_of(ask(world, {"e": 1.0}))
        _, values = graph_of(density, 3).compiled("python")(point)
        assert torch.allclose(values, density.one_by_one(point)[1])


def test_one_graph_serves_other_evidence(monkeypatch):
    def world(disciple):
        x = pyro.sample("x", dist.Normal(torch.zeros(2), 1.0).to_event(1))
        pyro.sample("e", dist.Normal(x.sum(), 1.0))
        cm.switch()

    point = torch.ones(3, 2)
    graph_of(density_of(ask(world, {"e": 0.5})), 3)
    monkeypatch.setattr(graphs, "traced", None)  # a second tracing would fail
    for seen in (-2.0, 4.0):
        density = density_of(ask(world, {"e": seen}))
        _, values = graph_of(density, 3).compiled("python")(point)
        assert torch.allclose(values, density.one_by_one(point)[1])


def test_every_executor_says_what_it_is():
    assert set(EXECUTORS) == {"torchscript", "python", "inductor"}
    assert all(make.__doc__ for make in EXECUTORS.values())
