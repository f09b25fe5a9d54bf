"""Evidence too sharp for chaos: do laws cry out, and do importances forgive?"""

import numpy as np
import pytest
import torch
from closed_forms import finite_draws

import counterfactual_models as cm
from counterfactual_models.errors import EvidenceError
from counterfactual_models.zoo import exact_site
from inference import diagnostics


@pytest.fixture(scope="module")
def example():
    return exact_site.example()


@pytest.fixture(scope="module")
def tree(example):
    return finite_draws.draw(example, draws=250)


@pytest.mark.parametrize("forecast", range(16))
def test_the_numbers_are_those_of_the_note_whatever_was_forecast(example, forecast):
    evidence = {"forecast": torch.tensor(forecast)}
    others = [{"forecast": torch.tensor(site)} for site in range(16) if site != forecast]
    truth = exact_site.exact(
        example.disciples["cool"], evidence, alternatives={"forecast": others}
    )
    assert (truth.joint_tv, truth.path, truth.rearranged_tv, truth.entropy_change) == (1, 1, 0, 0)
    found = truth.importance
    assert found.off == found.on == {"forecast": 2}
    assert (found.ratio, found.profile_distance) == (1, 0)
    assert found.gram_distance == pytest.approx(0, abs=1e-12)


def test_no_two_forecasts_end_at_the_same_site(example):
    ends = {
        site
        for others in example.alternatives["forecast"]
        for (site,) in example.exact(example.disciples["cool"], evidence=others).laws[1]
    }
    assert len(ends) == 15


def test_draws_come_out_as_often_as_they_should(example, tree):
    finite_draws.assert_lawful(example, tree)
    finite_draws.assert_lawful_at_alternatives(example)


def test_a_false_alarm_is_raised_on_draws_as_well(tree):
    found = diagnostics.coarse_graining(tree).sel(disciple="cool", measurement="site")
    assert found["tv"] == pytest.approx(1, abs=1e-3)
    shape = diagnostics.shape(tree, progress=False).sel(disciple="cool", measurement="site")
    assert np.all(shape["rearranged_tv"] == 0)


def test_the_world_passes_its_check(example):
    cm.check_world(example.world, example.disciples["cool"])


def test_a_seventeenth_site_is_refused(example):
    with pytest.raises(EvidenceError, match="forecast=16; expected one of 0 to 15"):
        example.exact(example.disciples["cool"], evidence={"forecast": 16})
