"""A flap of 1e-12: are paths strangers after sixty steps, and laws the same at any time?"""

import math
from dataclasses import replace

import numpy as np
import pytest
from closed_forms import finite_draws
from scipy.stats import beta

import counterfactual_models as cm
from counterfactual_models.errors import DiscipleError, ImpactWarning, WorldError
from counterfactual_models.zoo import butterfly
from counterfactual_models.zoo.butterfly import Flap
from inference import diagnostics


@pytest.fixture(scope="module", params=[20, 60])
def steps(request):
    return request.param


@pytest.fixture(scope="module")
def example(steps):
    return butterfly.example(steps=steps)


@pytest.fixture(scope="module")
def tree(example):
    return finite_draws.draw(example, coupling="shared", draws=2500)


def test_the_law_is_the_one_that_the_map_keeps(example):
    truth = example.exact(example.disciples["flap"])
    chances = np.diff(beta(0.5, 0.5).cdf(np.linspace(0, 1, 11)))
    for x in (0, 1):
        assert list(truth.marginal("weather", x).values()) == pytest.approx(chances, abs=1e-12)
    assert truth.joint_tv == truth.rearranged_tv == truth.entropy_change == 0


def test_paths_are_the_same_at_first_and_strangers_in_the_end(example, steps):
    truth = example.exact(example.disciples["flap"])
    assert truth.path == pytest.approx(0 if steps == 20 else 0.8717, abs=5e-5)


def test_in_between_nothing_is_said_of_paths():
    with pytest.raises(WorldError, match="nothing is known of paths"):
        _ = butterfly.exact(Flap(), {}, steps=40).path


def test_whoever_does_not_flap_leaves_every_path_to_the_last_bit():
    example = butterfly.example()
    still = Flap(0.0)
    assert example.exact(still).path == 0
    tree = finite_draws.draw(replace(example, disciples={"still": still}, truth={}), draws=250)
    weather = tree["predictions"]["weather"]
    assert np.ptp(weather.values) == 9
    np.testing.assert_array_equal(weather.sel(disciple="still"), weather.sel(disciple="erased"))


def test_draws_come_out_as_often_as_they_should(example, tree):
    # The air is not observed, and not correlated either: it is drawn from what it is before.
    finite_draws.assert_lawful(example, tree)
    assert '"run"' not in tree.attrs["vectorised"]


def test_estimates_are_within_four_errors_of_the_truth(example, tree, steps):
    truth = example.exact(example.disciples["flap"])
    with pytest.warns(ImpactWarning, match="single future"):  # there is none but the one
        rungs = diagnostics.chaos_ladder(tree).sel(disciple="flap", measurement="weather")
    # By twenty steps one path in twenty thousand has crossed a border.
    slack = 2e-4 if steps == 20 else 0
    assert abs(rungs["coupled"] - truth.path) <= 4 * rungs["coupled_mcse"] + slack
    found = diagnostics.coarse_graining(tree).sel(disciple="flap", measurement="weather")
    assert found["tv"] <= 4 * found["mcse"]


def test_a_plain_loop_in_numpy_has_the_same_paths(tree, steps):
    air = tree["posterior"]["air"].values.astype(float)
    for label, nudge in (("erased", 0.0), ("flap", 1e-12)):
        x = np.minimum(air + nudge, 1.0)
        for _ in range(steps):
            x = 4 * x * (1 - x)
        weather = tree["predictions"]["weather"].sel(disciple=label)
        np.testing.assert_array_equal(weather, np.minimum(np.floor(10 * x), 9))


def test_the_world_passes_its_check(example):
    cm.check_world(example.world, example.disciples["flap"])


@pytest.mark.parametrize("steps", [-1, 2.5, math.nan])
def test_a_number_of_steps_that_is_none_is_refused(steps):
    with pytest.raises(WorldError, match="steps="):
        butterfly.example(steps=steps)


@pytest.mark.parametrize("strength", [-1e-12, 1e-3, math.nan, "gently"])
def test_a_storm_is_no_flap(strength):
    with pytest.raises(DiscipleError, match="strength="):
        Flap(strength)
