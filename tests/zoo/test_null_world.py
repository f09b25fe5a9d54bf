"""Nothing happens: is every number exactly zero, and is the sign as important as before?"""

import numpy as np
import pytest
import torch
from closed_forms import finite_draws

import counterfactual_models as cm
from counterfactual_models.errors import EvidenceError
from counterfactual_models.zoo import null_world
from inference import diagnostics


@pytest.fixture(scope="module")
def example():
    return null_world.example()


@pytest.fixture(scope="module")
def tree(example):
    return finite_draws.draw(example)


def test_every_number_is_zero_but_the_importance_of_the_sign(example):
    truth = example.exact(example.disciples["null"])
    assert truth.joint_tv == truth.rearranged_tv == truth.entropy_change == truth.path == 0
    assert truth.tv_given("place") == 0
    found = truth.importance
    assert (found.switch, found.ratio, found.profile_distance, found.gram_distance) == (0, 0, 0, 0)
    assert found.off["sign"] == pytest.approx(0.8)
    assert found.on["sign"] == pytest.approx(0.8)
    assert truth.marginal("heads", 0) == pytest.approx({0: 0.3, 1: 0.7})


def test_what_happens_anyway_has_some_bits_too(example):
    # Heads are as good as it gets, and come up seven times in ten with and without anybody.
    power = example.exact(example.disciples["null"]).optimization_power(lambda outcome: outcome[0])
    assert power == pytest.approx(-0.7 * np.log2(0.7))


def test_a_disciple_with_an_effect_has_the_one_it_adds():
    truth = null_world.exact(lambda sign: 0.2 * sign, {"sign": 1})
    assert truth.joint_tv == pytest.approx(0.2)
    assert truth.path == pytest.approx(0.2)


def test_draws_come_out_as_often_as_they_should(example, tree):
    finite_draws.assert_lawful(example, tree)
    finite_draws.assert_lawful_at_alternatives(example)


def test_estimates_of_nothing_are_within_their_errors(tree):
    found = diagnostics.coarse_graining(tree)
    assert np.all(found["tv"] <= 4 * found["mcse"])
    joint = diagnostics.joint_coarse_graining(tree)
    assert np.all(abs(joint["held_out"]) <= 4 * joint["mcse"])


def test_the_world_passes_its_check(example):
    cm.check_world(example.world, example.disciples["null"])


@pytest.mark.parametrize("sign", [0.5, 2, np.nan])
def test_half_a_sign_is_refused(example, sign):
    with pytest.raises(EvidenceError, match="expected one of 0 to 1"):
        example.exact(example.disciples["null"], evidence={"sign": torch.tensor(sign)})


def test_a_missing_sign_is_refused(example):
    with pytest.raises(EvidenceError, match=r"lacks 'sign'.*Did you mean 'sing'"):
        example.exact(example.disciples["null"], evidence={"sing": 1})
