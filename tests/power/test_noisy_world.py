"""Is the erased world, run from noise, the world that was drawn?"""

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from closed_forms.rare import EXAM, reach, single, steady, told, towns, walk, worlds_of
from scipy import stats

import counterfactual_models as cm
from counterfactual_models.errors import MeasurementError, WorldError
from inference import schema
from inference.drawn_plans import plans_of
from inference.power.noisy_world import NoisyWorld

PUSH = {"push": steady(1.0)}


def noisy(world, worlds, utility=reach, disciples=PUSH):
    plans = plans_of(world, worlds, disciples)
    return NoisyWorld(plans, schema.predictions(worlds), utility)


@pytest.fixture(scope="module")
def walked():
    return worlds_of(walk, PUSH, EXAM)


def test_the_noise_of_draws_makes_their_utility_again(walked):
    found = noisy(walk, walked)
    assert found.size == 11
    states = found.start(np.random.default_rng(0), 200)
    worth, log_likelihood = found.evaluate(states)
    skill = states[:, 0]  # its prior is standard normal
    assert worth == pytest.approx(states[:, 1:].sum(1) + skill, abs=1e-4)
    assert log_likelihood == pytest.approx(stats.norm.logpdf(1.0, skill, 0.5), abs=1e-4)


def test_the_first_states_are_draws_of_the_erased_world(walked):
    found = noisy(walk, walked)
    states = found.start(np.random.default_rng(1), 1000)
    assert stats.kstest((states[:, 0] - 0.8) / np.sqrt(0.2), "norm").pvalue > 1e-3
    assert stats.kstest(states[:, 1:].ravel(), "norm").pvalue > 1e-3


def test_the_future_is_drawn_anew_and_what_the_evidence_tells_is_kept(walked):
    states = noisy(walk, walked).start(np.random.default_rng(0), 300)
    skill = walked["posterior"]["skill"].values
    steps = walked["predictions"]["steps"].sel(disciple="erased").values - 0.1 * skill[..., None]
    assert nearest(states[:, 0], skill).max() < 1e-5
    assert np.median(nearest(states[:, 1:], steps)) > 1e-5
    free = worlds_of(walk, PUSH)
    states = noisy(walk, free).start(np.random.default_rng(0), 300)
    assert np.median(nearest(states[:, 0], free["posterior"]["skill"].values)) > 1e-5
    assert stats.kstest(states.ravel(), "norm").pvalue > 1e-3


def test_noise_that_later_evidence_tells_of_is_kept():
    with pytest.warns(cm.errors.ImpactWarning, match="after the switch"):
        worlds = worlds_of(told, PUSH, {"later": torch.tensor(1.0)})
    states = noisy(told, worlds).start(np.random.default_rng(0), 100)
    drawn = worlds["predictions"]["x"].sel(disciple="erased").values
    assert nearest(states[:, 0], drawn).max() < 1e-5


def nearest(numbers, others):
    """How far every number is from the nearest of others."""
    ordered = np.append(np.sort(others, axis=None), np.inf)
    at = np.searchsorted(ordered, numbers)
    return np.minimum(ordered[at] - numbers, np.abs(numbers - ordered[at - 1]))


def test_fewer_draws_than_states_are_taken_again(walked):
    assert noisy(walk, walked).start(np.random.default_rng(0), 1500).shape == (1500, 11)


def test_values_of_all_sites_come_back_by_name(walked):
    found = noisy(walk, walked)
    states = found.start(np.random.default_rng(0), 50)
    values = found.worlds(states)
    assert {name: value.shape for name, value in values.items()} == {
        "skill": (50,),
        "steps": (50, 10),
    }
    assert values["skill"] == pytest.approx(states[:, 0], abs=1e-6)


def test_labels_of_a_measurement_are_there_for_the_utility():
    far = {"push": lambda still: still + 6.0}
    worlds = worlds_of(towns, far, coords={"city": ["paris", "rome"]})
    for utility, place in (
        (lambda m: m["visits"].sel(city="rome"), 1),
        (lambda m: m["visits"].sum("city"), slice(None)),
        (lambda m: m["seen"].isel(city=0) if "city" in m["seen"].dims else m["visits"][..., 0], 0),
    ):
        found = noisy(towns, worlds, utility, far)
        states = found.start(np.random.default_rng(0), 40)
        expected = states[:, place]
        expected = expected.sum(1) if expected.ndim > 1 else expected
        assert found.evaluate(states)[0] == pytest.approx(expected, abs=1e-5)


def test_a_utility_may_ask_in_every_way_that_a_mapping_allows(walked):
    for utility in (
        lambda m: m.get("reach"),
        lambda m: dict(m.items())["reach"],
        lambda m: m.get("nothing", m["reach"]),
        lambda m: next(v for v in m.values() if v.name == "reach"),
    ):
        found = noisy(walk, walked, utility)
        states = found.start(np.random.default_rng(0), 20)
        assert found.evaluate(states)[0] == pytest.approx(states.sum(1), abs=1e-4)


def test_a_utility_of_nothing_is_refused(walked):
    plans = plans_of(walk, walked, PUSH)
    drawn = schema.predictions(walked)
    with pytest.raises(WorldError, match="asks for nothing"):
        NoisyWorld(plans, drawn, lambda m: np.zeros((1, *plans.shape)))


def test_a_utility_that_is_infinite_in_rare_worlds_only_is_refused_by_saying_so(walked):
    found = noisy(walk, walked, lambda m: 1 / (m["reach"] < 500.0))
    states = np.full((20, 11), 0.0)
    assert np.all(found.evaluate(states)[0] == 1.0)
    with pytest.raises(MeasurementError, match="erased world that is rarer than the draws"):
        found.evaluate(states + 100.0)


def test_data_and_factors_of_the_world_itself_weigh_with_the_evidence():
    def judged(disciple):
        skill = pyro.sample("skill", dist.Normal(0.0, 1.0))
        pyro.sample("seen", dist.Normal(skill, 1.0), obs=torch.tensor(2.0))
        pyro.factor("taste", -0.5 * skill**2)
        act = cm.wire(disciple, idle=torch.zeros(()))
        cm.measure("reach", pyro.sample("x", dist.Normal(skill + act(skill), 1.0)))

    found = noisy(judged, worlds_of(judged, PUSH, method="importance"))
    states = np.random.default_rng(0).normal(size=(30, 2))
    skill = states[:, 0]
    expected = stats.norm.logpdf(2.0, skill) - 0.5 * skill**2
    assert found.evaluate(states)[1] == pytest.approx(expected, abs=1e-4)


def test_a_scaled_latent_is_refused_since_no_noise_makes_its_draws():
    def scaled(disciple):
        with pyro.poutine.scale(scale=2.0):
            skill = pyro.sample("skill", dist.Normal(0.0, 1.0))
        act = cm.wire(disciple, idle=torch.zeros(()))
        cm.measure("reach", pyro.sample("x", dist.Normal(skill + act(skill), 1.0)))

    worlds = worlds_of(scaled, PUSH, method="hmc", draws=25)
    with pytest.raises(WorldError, match=r"'skill' is scaled or masked.*no noise makes them"):
        noisy(scaled, worlds)


def test_what_was_not_kept_is_drawn_anew_for_each_run():
    def forgetful(disciple):
        act = cm.wire(disciple, idle=torch.zeros(()))
        push = act(torch.zeros(()))
        hidden = pyro.sample("hidden", dist.Normal(0.0, 1.0), infer={"is_auxiliary": True})
        cm.measure("reach", hidden + pyro.sample("x", dist.Normal(push, 1.0)))

    worlds = worlds_of(forgetful, PUSH)
    assert "hidden" not in worlds["predictions"]
    found = noisy(forgetful, worlds)
    here, there = (found.start(np.random.default_rng(seed), 100)[:, 0] for seed in (0, 1))
    assert not np.isin(here, there).any()
    assert stats.kstest(np.append(here, there), "norm").pvalue > 1e-3


def test_a_world_for_one_draw_is_run_one_by_one():
    worlds = worlds_of(single, PUSH, draws=30)
    assert schema.decode_attrs(worlds.attrs)["vectorised"]["erased"].startswith("loop")
    found = noisy(single, worlds)
    states = found.start(np.random.default_rng(0), 50)
    assert found.evaluate(states)[0] == pytest.approx(
        np.where(states > 0, states, 2 * states)[:, 0], abs=1e-5
    )


def test_another_program_is_found_out_by_what_its_noise_makes(walked):
    def twice(disciple):
        skill = pyro.sample("skill", dist.Normal(0.0, 1.0))
        pyro.sample("exam", dist.Normal(skill, 0.5))
        act = cm.wire(disciple, idle=torch.zeros(()))
        push = act(skill)
        with pyro.plate("step", 10):
            steps = pyro.sample("steps", dist.Normal(push + 0.1 * skill, 1.0))
        cm.measure("reach", 2 * steps.sum(-1))

    with pytest.warns(cm.errors.ImpactWarning, match="another text"):
        found = noisy(twice, walked)
    with pytest.raises(WorldError, match="drawn by another program"):
        found.start(np.random.default_rng(0), 50)
