"""switch, wire and measure say what they should, in plain Pyro and under every handler."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pyro import poutine

import counterfactual_models as cm
from counterfactual_models.handlers import SeedSites, SetSwitch, derive_seed, isolated, past


def double(x):
    return 2 * x


def run(world, on, disciple=double):
    return poutine.trace(SetSwitch(on)(world)).get_trace(disciple)


@given(st.floats(-100, 100), st.floats(-100, 100), st.sampled_from([0, 1]))
def test_the_wire_carries_the_disciple_or_idle(observation, rest, on):
    def world(disciple):
        return cm.wire(disciple, idle=rest)(torch.tensor(observation))

    action = float(SetSwitch(on)(world)(double))
    assert action == pytest.approx(2 * observation if on else rest, rel=1e-6)


def test_the_erased_disciple_is_never_run():
    def bomb(observation):
        raise AssertionError("acted while erased")

    run(lambda disciple: cm.wire(disciple, idle=0.0)(torch.ones(3)), 0, bomb)


def test_a_batched_switch_chooses_element_by_element():
    def world(disciple):
        return cm.wire(disciple, idle=0.0)(torch.tensor([1.0, 2.0]))

    action = poutine.condition(world, {"X": torch.tensor([1.0, 0.0])})(double)
    assert action.tolist() == [2.0, 0.0]


def test_the_switch_is_on_with_its_probability():
    with isolated(0):
        on = [float(cm.switch(p=0.3)) for _ in range(4000)]
    assert abs(sum(on) / 4000 - 0.3) < 4 * (0.21 / 4000) ** 0.5


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_a_switch_without_a_probability_is_refused(p):
    with pytest.raises(cm.WorldError, match="probability between 0 and 1"):
        cm.switch(p=p)


def test_what_is_no_disciple_is_refused():
    with pytest.raises(cm.DiscipleError, match="type int; expected a callable"):
        cm.wire(3, idle=0.0)
    with pytest.raises(cm.DiscipleError, match="returned None"):
        run(lambda disciple: cm.wire(disciple, idle=0.0)(torch.ones(())), 1, lambda x: None)


@pytest.mark.parametrize("value", ["text", {"a": 1}, torch.tensor(1j)])
def test_what_cannot_be_measured_is_refused(value):
    with pytest.raises(cm.MeasurementError):
        cm.measure("y", value)


def test_measurement_dims_name_each_axis_once():
    with pytest.raises(cm.MeasurementError, match="a name comes twice"):
        cm.measure("y", torch.zeros(2, 2), dims=["city", "city"])


def test_a_measurement_has_no_density_and_keeps_its_value_inside_plates():
    def world():
        with pyro.plate("city", 3):
            rain = pyro.sample("rain", dist.Normal(0.0, 1.0))
            cm.measure("wet", rain > 0)
            cm.measure("scalar", 1.5)
        return rain

    trace = poutine.trace(world).get_trace()
    assert trace.nodes["wet"]["value"].shape == (3,)
    assert float(trace.nodes["scalar"]["value"]) == 1.5
    trace.compute_log_prob()
    assert float(trace.nodes["wet"]["log_prob_sum"]) == 0.0


def test_the_past_ends_at_the_switch_wherever_it_sits():
    def world(disciple):
        pyro.sample("before", dist.Normal(0.0, 1.0))
        with pyro.plate("city", 2):
            pyro.sample("also_before", dist.Normal(0.0, 1.0))
            cm.switch()
            pyro.sample("after", dist.Normal(0.0, 1.0))

    sites = poutine.trace(past(world, double)).get_trace().stochastic_nodes
    assert [name for name in sites if "before" in name] == ["before", "also_before"]
    assert "after" not in sites
    with pyro.plate("city", 2):  # the handler stack is whole again
        pass


def test_site_noise_depends_on_the_name_and_the_key_alone():
    def draw(name, key, before=0):
        with isolated(0), SeedSites(*key):
            for k in range(before):
                pyro.sample(f"other_{k}", dist.Gamma(0.2, 1.0))
            return float(pyro.sample(name, dist.Normal(0.0, 1.0)))

    assert draw("a", (1,)) == draw("a", (1,), before=5)
    assert len({draw("a", (1,)), draw("b", (1,)), draw("a", (2,))}) == 3


def test_random_numbers_outside_sample_are_found_when_strict():
    def world():
        pyro.sample("a", dist.Normal(0.0, 1.0))
        noise = torch.rand(())
        return pyro.sample("b", dist.Normal(noise, 1.0))

    message = "between site 'a' and site 'b'"
    with isolated(0), pytest.raises(cm.WorldError, match=message), SeedSites(0, strict=True):
        world()


@given(st.lists(st.tuples(st.integers(), st.text()), min_size=2, max_size=2, unique=True))
def test_different_keys_give_different_seeds(keys):
    assert derive_seed(*keys[0]) != derive_seed(*keys[1])
    assert 0 <= derive_seed(*keys[0]) < 2**63


def test_isolation_is_undone_after_an_error():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with pytest.raises(RuntimeError), isolated(1):
        torch.rand(5) @ torch.rand(4)
    assert torch.equal(torch.rand(2), expected)
