"""The traps that others fell into, one test each (the rest stand beside what they threaten)."""

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import Predictive

import counterfactual_models as cm
import inference
from counterfactual_models.handlers import Pin, SetSwitch


def world(disciple):
    """The true shift of y is 1; the switch is recorded broadcast over the draws."""
    base = pyro.sample("base", dist.Normal(0.0, 1.0))
    on = cm.switch()
    cm.measure("sentinel", on + 0.0 * base)
    cm.measure("y", pyro.sample("w", dist.Normal(base + on, 0.1)))


def drawn(program, draws=500):
    posterior = inference.sample_posterior(program, draws=draws, chains=2, progress=False)
    return inference.sample_worlds(program, posterior, {"on": lambda: None}, progress=False)


def test_no_reshape_mixes_the_two_worlds():
    """Predictive over a batched switch says 0.5 and 0.5 where the truth is 1 and 0."""
    found = drawn(world)["predictions"].to_dataset()
    for label in found["disciple"].values:
        one = found.sel(disciple=label)
        assert np.all(one["sentinel"] == int(one["X"]))
    shift = float((found["y"].sel(disciple="on") - found["y"].sel(disciple="erased")).mean())
    assert abs(shift - 1.0) < 4 * 0.1 * np.sqrt(2 / 1000)


def test_the_trap_is_still_there_in_predictive():
    """If Pyro mends this, our own forward pass may be worth another look."""
    program = poutine.do(lambda: world(None), {"X": torch.tensor([[1.0], [0.0]])})
    y = Predictive(program, num_samples=1000, parallel=True, return_sites=["w"])()["w"]
    means = y.reshape(1000, 2).mean(0)
    assert abs(float(means[0] - means[1])) < 0.2


def test_a_misspelled_switch_or_site_is_refused_and_not_zero_impact():
    with pytest.raises(cm.EvidenceError, match="Did you mean 'base'"):
        inference.sample_posterior(world, {"bas": 0.0}, progress=False)
    without = lambda disciple: cm.measure("y", pyro.sample("w", dist.Normal(0.0, 1.0)))
    with pytest.raises(cm.WorldError, match="0 switches"):
        drawn(without)


def test_computed_sites_are_computed_anew_and_never_replayed():
    def computed(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0))
        double = pyro.deterministic("double", 2 * base)
        on = cm.switch()
        cm.measure("y", double + on)

    tree = drawn(computed)
    assert "double" not in tree["posterior"].data_vars
    found = tree["predictions"]["y"]
    assert np.allclose(found.sel(disciple="erased"), 2 * tree["posterior"]["base"])
    assert np.allclose(found.sel(disciple="on") - found.sel(disciple="erased"), 1.0, atol=1e-6)
    stale = inference.sample_posterior(computed, draws=10, chains=1, progress=False)
    stale["posterior"]["y"] = stale["posterior"]["base"]
    with pytest.raises(cm.WorldError, match="holds the latents"):
        inference.sample_worlds(computed, stale, {"on": lambda: None}, progress=False)


def test_pin_pins_sites_where_substitute_silently_resamples_them():
    value = {"base": torch.tensor(123.0)}
    program = lambda: world(None)
    pinned = poutine.trace(Pin(value)(program)).get_trace()
    assert float(pinned.nodes["base"]["value"]) == 123.0
    with pytest.warns(UserWarning, match="did not find params"):
        substituted = poutine.trace(poutine.substitute(program, data=value)).get_trace()
    assert float(substituted.nodes["base"]["value"]) != 123.0


def test_nested_switch_settings_end_with_the_inner_one():
    """Two nested poutine.do on one site end in a RecursionError; ours do not."""
    program = SetSwitch(0)(SetSwitch(1)(lambda: world(None)))
    trace = poutine.trace(program).get_trace()
    assert float(trace.nodes["X"]["value"]) == 1.0


def test_a_branch_on_a_latent_falls_back_to_one_run_per_draw():
    def branching(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0))
        on = cm.switch()
        y = base if base > 0 else -base
        cm.measure("y", y + on)

    tree = drawn(branching, draws=20)
    assert np.allclose(
        tree["predictions"]["y"].sel(disciple="erased"), np.abs(tree["posterior"]["base"])
    )
    assert "loop" in tree.attrs["vectorised"]


def test_a_distribution_that_vmap_cannot_sample_is_no_trouble():
    def wide(disciple):
        on = cm.switch()
        pyro.sample("beta", dist.Beta(2.0, 2.0))
        pyro.sample("student", dist.StudentT(3.0))
        pyro.sample("lkj", dist.LKJCholesky(3, 1.0))
        pyro.sample("multinomial", dist.Multinomial(10, torch.ones(3)))
        pyro.sample("angle", dist.VonMises(0.0, 1.0))
        cm.measure("y", pyro.sample("w", dist.Laplace(on, 1.0)))

    tree = drawn(wide, draws=50)
    assert '"erased": "plate"' in tree.attrs["vectorised"]
    assert tree["predictions"]["lkj"].shape == (2, 2, 50, 3, 3)
