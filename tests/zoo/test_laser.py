"""The laser: are two signals that do next to nothing, each alone, nearly everything together?"""

import numpy as np
import pytest
import torch
from closed_forms import enumerated, finite_draws

import counterfactual_models as cm
from counterfactual_models.errors import EvidenceError, WorldError
from counterfactual_models.zoo import laser
from inference import diagnostics

sides = pytest.mark.parametrize("other", ["off", "on"])


def tv(name, **options):
    example = laser.example(**options)
    return example.exact(example.disciples[name]).joint_tv


def test_two_signals_on_a_grid_of_ten():
    assert tv("x_alone") == pytest.approx(0.09)
    assert tv("y_alone") == pytest.approx(0.09)
    assert tv("joint") == pytest.approx(0.99)
    assert tv("null") == 0


@pytest.mark.parametrize("size", [2, 3, 10, 100])
def test_impacts_do_not_add_up(size):
    alone, both = tv("x_alone", size=size), tv("joint", size=size)
    assert alone == pytest.approx((1 - 1 / size) / size)
    assert both == pytest.approx(1 - size**-2)
    assert both - 2 * alone == pytest.approx((1 - 1 / size) ** 2)


def test_with_the_other_on_all_of_it_is_the_work_of_x():
    # Erased, the row is right and the column is a tenth: 1 - 1/10 is what x adds.
    assert tv("x_alone", other="on") == pytest.approx(0.9)
    assert tv("joint", other="on") == pytest.approx(0.9)
    assert tv("y_alone", other="on") == 0
    # Off to on, one signal after the other: the steps of the ladder add up to all of it.
    assert tv("y_alone") + tv("x_alone", other="on") == pytest.approx(tv("joint"))


def test_the_joint_shot_is_high_and_nothing_is_judged_while_the_other_is_on():
    assert laser.example().truth["joint"] == "high"
    assert laser.example(other="on").truth == {"null": "low"}


def test_where_the_asteroid_stands_is_of_no_importance_to_those_who_know():
    example = laser.example()
    for disciple in example.disciples.values():
        found = example.exact(disciple).importance
        assert set(found.off.values()) == set(found.on.values()) == {0.0}
        assert found.profile_distance == found.gram_distance == 0


def test_a_path_differs_where_luck_did_not_help_already():
    example = laser.example()
    truth = example.exact(example.disciples["x_alone"])
    # The row has to be lucky, the column unlucky: nothing is lost by a signal, path is tv.
    assert truth.path == pytest.approx(0.09)
    assert truth.tv_given("stray_y") == pytest.approx(0.09)


@sides
def test_the_program_has_the_laws_of_exact_at_every_evidence(other):
    enumerated.assert_lawful(laser.example(other=other, size=3))


@sides
def test_draws_come_out_as_often_as_they_should(other):
    example = laser.example(other=other)
    tree = finite_draws.draw(example, draws=2000)
    finite_draws.assert_lawful(example, tree)
    found = diagnostics.coarse_graining(tree)
    for name, disciple in example.disciples.items():
        own = found.sel(disciple=name, measurement="hit")
        assert abs(own["tv"] - example.exact(disciple).joint_tv) <= 4 * own["mcse"] + 1e-9


@pytest.mark.parametrize("disciple", ["null", "x_alone", "y_alone", "joint"])
@sides
def test_the_world_passes_its_check(disciple, other):
    example = laser.example(other=other)
    checked = cm.check_world(example.world, example.disciples[disciple])
    assert tuple(checked.named("measurement")) == ("hit",)


def test_another_other_is_refused():
    with pytest.raises(WorldError, match=r"other='of'.*Did you mean 'off'"):
        laser.example(other="of")


@pytest.mark.parametrize("size", [1, 0, 2.5, "ten"])
def test_a_grid_of_one_place_is_refused(size):
    with pytest.raises(WorldError, match=r"size=.*at least 2"):
        laser.example(size=size)


@pytest.mark.parametrize("column", [-1, 10, 0.5, np.nan])
def test_an_asteroid_beside_the_grid_is_no_evidence(column):
    evidence = {"column": torch.tensor(float(column)), "row": torch.tensor(3.0)}
    with pytest.raises(EvidenceError, match=r"column=.*0 to 9"):
        laser.exact(laser.null, evidence)
