"""A takeover with its report as it was: what do reports, sensors and the control itself show?"""

import math

import numpy as np
import pytest
import torch
from closed_forms import finite_draws

import counterfactual_models as cm
from counterfactual_models.errors import EvidenceError, WorldError
from counterfactual_models.zoo import spoofed_gdp
from inference import diagnostics


def truth(disciple="takeover", **options):
    example = spoofed_gdp.example(**options)
    return example.exact(example.disciples[disciple])


@pytest.mark.parametrize(
    ("sensors", "detection", "tv"),
    [
        (0, 0.1, 0),
        (1, 0.1, 0.1),
        (10, 0.1, 0.6513),
        (50, 0.1, 0.9948),
        (100, 0.01, 0.6340),
        (3, 0.0, 0),
        (3, 1.0, 1),
    ],
)
def test_sensors_show_the_chance_that_one_goes_off(sensors, detection, tv):
    found = truth(sensors=sensors, detection=detection)
    assert found.joint_tv == pytest.approx(1 - (1 - detection) ** sensors, abs=1e-9)
    assert found.joint_tv == pytest.approx(tv, abs=5e-5)
    assert found.path == pytest.approx(found.joint_tv, abs=1e-9)


def test_the_report_alone_shows_nothing_at_all():
    found = truth()
    assert found.names == ("gdp",)
    assert found.joint_tv == found.path == found.rearranged_tv == found.entropy_change == 0
    data = found.importance
    assert data.off == data.on == pytest.approx({"harvest": 1, "code": 0})
    assert data.switch == data.ratio == data.profile_distance == data.gram_distance == 0


def test_the_control_shows_everything():
    found = truth(latent=True)
    assert found.joint_tv == 1
    assert found.rearranged_tv == pytest.approx(0)
    data = found.importance
    assert data.off == pytest.approx({"harvest": 1, "code": 0})
    assert data.on == pytest.approx({"harvest": 1, "code": 2})
    assert data.ratio == pytest.approx(2)
    assert data.profile_distance == pytest.approx(2 / 3)
    # By hand: the Gram matrix is [[1/4, 1/8], [1/8, 3/4]], and was all harvest.
    assert data.gram_distance == pytest.approx(math.hypot(3 / 4, 1 / 8))
    assert data.gram_distance == pytest.approx(0.760, abs=5e-4)


@pytest.mark.parametrize("options", [{}, {"sensors": 10}, {"sensors": 2, "latent": True}])
def test_whoever_does_nothing_has_no_impact(options):
    found = truth("null", **options)
    assert found.joint_tv == found.path == found.importance.profile_distance == 0


def test_another_code_leaves_the_control_where_it_was():
    example = spoofed_gdp.example(latent=True)
    other = {"harvest": torch.tensor(1.0), "code": torch.tensor(4)}
    assert example.exact(example.disciples["takeover"], evidence=other).joint_tv == 0


@pytest.fixture(scope="module", params=["reported", "sensors", "latent"])
def example(request):
    options = {"reported": {}, "sensors": {"sensors": 10}, "latent": {"latent": True}}
    return spoofed_gdp.example(**options[request.param])


@pytest.fixture(scope="module")
def tree(example):
    return finite_draws.draw(example)


def test_draws_come_out_as_often_as_they_should(example, tree):
    finite_draws.assert_lawful(example, tree)
    finite_draws.assert_lawful_at_alternatives(example)
    assert '"run"' not in tree.attrs["vectorised"]
    assert np.all(tree["predictions"]["control"].sel(disciple="takeover") == 1)


def test_estimates_are_within_four_errors_of_the_truth(example, tree):
    known = example.exact(example.disciples["takeover"])
    found = diagnostics.coarse_graining(tree).sel(
        disciple="takeover", measurement=list(known.names)
    )
    assert np.all(abs(found["tv"].values - known.tv()) <= 4 * found["mcse"].values + 1e-3)
    joint = diagnostics.joint_coarse_graining(tree).sel(disciple="takeover")
    assert abs(joint["held_out"] - known.joint_tv) <= 4 * joint["mcse"] + 1e-3


@pytest.mark.parametrize("detection", [0.0, 1.0])
def test_sensors_that_never_or_always_go_off_can_be_drawn(detection):
    sure = spoofed_gdp.example(sensors=3, detection=detection)
    finite_draws.assert_lawful(sure, finite_draws.draw(sure, draws=250))


def test_the_world_passes_its_check(example):
    cm.check_world(example.world, example.disciples["takeover"])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"sensors": -1}, "sensors=-1; expected a whole number of at least 0"),
        ({"sensors": 1.5}, r"sensors=1\.5"),
        ({"detection": 1.1}, r"detection=1\.1; expected a chance"),
        ({"detection": math.nan}, "detection=nan"),
        ({"latent": 1}, "latent=1; expected True or False"),
    ],
)
def test_options_that_are_none_are_refused(options, match):
    with pytest.raises(WorldError, match=match):
        spoofed_gdp.example(**options)


def test_a_ninth_code_is_refused(example):
    with pytest.raises(EvidenceError, match="code=8; expected one of 0 to 7"):
        example.exact(example.disciples["null"], evidence={"harvest": 1, "code": 8})
