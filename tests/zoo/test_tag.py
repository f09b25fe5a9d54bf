"""A tag that says X: is it seen on fine worlds alone, and only by whoever reads labels?"""

import math

import numpy as np
import pytest
from closed_forms import finite_draws

import counterfactual_models as cm
from counterfactual_models.errors import WorldError
from counterfactual_models.zoo import tag
from inference import diagnostics


@pytest.fixture(scope="module", params=[True, False], ids=["coarse", "fine"])
def coarse(request):
    return request.param


@pytest.fixture(scope="module")
def example(coarse):
    return tag.example(coarse=coarse)


@pytest.fixture(scope="module")
def tree(example):
    return finite_draws.draw(example)


def test_the_tag_is_all_there_is_to_see(example, coarse):
    truth = example.exact(example.disciples["idle"])
    assert truth.joint_tv == pytest.approx(0 if coarse else 1, abs=1e-12)
    assert truth.path == pytest.approx(0 if coarse else 1, abs=1e-12)
    assert truth.tv_given("weather") == pytest.approx(truth.path, abs=1e-12)
    assert truth.tv()[0] == pytest.approx(0, abs=1e-12)
    assert truth.rearranged_tv == pytest.approx(0, abs=1e-12)
    assert truth.entropy_change == pytest.approx(0, abs=1e-12)
    assert truth.importance.ratio == (0 if coarse else math.inf)


def test_the_divergence_is_infinite_on_fine_worlds(example, coarse):
    truth = example.exact(example.disciples["idle"])
    assert set(truth.laws[1]).isdisjoint(truth.laws[0]) is not coarse


def test_draws_come_out_as_often_as_they_should(example, tree):
    finite_draws.assert_lawful(example, tree)
    assert np.all(tree["predictions"]["tag"].sel(disciple="idle") == 1)


def test_a_measure_sees_the_tag_if_it_is_measured(example, tree, coarse):
    found = diagnostics.coarse_graining(tree).sel(disciple="idle")
    assert ("tag" in found.measurement) is not coarse
    np.testing.assert_array_less(
        abs(found["tv"] - example.exact(example.disciples["idle"]).tv()), 4 * found["mcse"] + 1e-9
    )


def test_the_world_passes_its_check(example):
    cm.check_world(example.world, example.disciples["idle"])


def test_half_coarse_is_refused():
    with pytest.raises(WorldError, match="expected True or False"):
        tag.example(coarse=0.5)
