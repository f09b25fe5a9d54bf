"""Which clipper is chosen, by whose numbers: those of the note, of `exact`, and of draws?"""

import math

import numpy as np
import pytest
import torch
from closed_forms import finite_draws

import counterfactual_models as cm
import inference
from counterfactual_models.errors import DiscipleError, EvidenceError, WorldError
from counterfactual_models.zoo import clip_factory
from counterfactual_models.zoo.clip_factory import Production
from inference import diagnostics

# Section 6 of the research note, T03: tv, rearranged tv, entropy, rho, distance of profiles.
TABLE = {
    "null": (0, 0, 0, 0, 0),
    "modest": (0.01, 0.01, 0.0808, 0.0133, 0.0022),
    "runaway": (1, 0.5, -1.5, 1.3333, 1),
    "verify": (1, 0.5, -1.5, 1.3333, 1),
}
CLIPS = {"null": 0, "modest": 1e3, "runaway": 1e6, "verify": 1e3}
every_disciple = pytest.mark.parametrize("disciple", TABLE)


@pytest.fixture(scope="module")
def example():
    return clip_factory.example()


@pytest.fixture(scope="module")
def fine():
    return clip_factory.example(fine=True)


@pytest.fixture(scope="module")
def tree(example):
    return finite_draws.draw(example)


@every_disciple
def test_the_numbers_are_those_of_the_note(example, disciple):
    truth = example.exact(example.disciples[disciple])
    found = (
        truth.joint_tv,
        truth.rearranged_tv,
        truth.entropy_change,
        truth.importance.ratio,
        truth.importance.profile_distance,
    )
    assert found == pytest.approx(TABLE[disciple], abs=5e-5)


def test_a_harvest_is_worth_half_a_price_and_a_runaway_as_much_as_a_price(example):
    found = example.exact(example.disciples["runaway"]).importance
    assert found.off == pytest.approx({"harvest": 1, "quote": 2})
    assert found.on == {"harvest": 0, "quote": 0}
    assert found.switch == 2
    assert found.gram_distance == 1
    modest = example.exact(example.disciples["modest"]).importance
    assert modest.on == pytest.approx({"harvest": 1, "quote": 1.98})
    assert modest.profile_distance == pytest.approx(2 / 3 - 1.98 / 2.98)


@every_disciple
def test_on_fine_worlds_whoever_makes_a_clip_changes_everything(fine, disciple):
    truth = fine.exact(fine.disciples[disciple])
    assert truth.joint_tv == truth.path == (0 if disciple == "null" else 1)
    assert truth.tv()[2] == truth.joint_tv


def test_paths_of_the_modest_one_leave_only_in_a_shortage(example):
    truth = example.exact(example.disciples["modest"])
    assert truth.tv_given("trade") == pytest.approx(0.01)
    assert truth.path == pytest.approx(0.01)


def chosen(example, weight, utility):
    """Name whoever has most of U - weight * tv; at no weight do two of them tie here."""
    worth = {
        name: utility(CLIPS[name]) - weight * example.exact(disciple).joint_tv
        for name, disciple in example.disciples.items()
    }
    return max(worth, key=worth.get)


@pytest.mark.parametrize(
    ("weight", "who"), [(1e-6, "modest"), (1.0, "modest"), (99_999, "modest"), (100_001, "null")]
)
def test_a_bounded_master_chooses_the_modest_one_below_a_hundred_thousand(example, weight, who):
    assert chosen(example, weight, lambda clips: min(clips, 1000)) == who


def test_a_bounded_master_without_a_penalty_cannot_tell_three_of_them(example):
    assert [example.utility({"clips": clips}) for clips in CLIPS.values()] == [0, 1, 1, 1]


def test_no_weight_has_an_unbounded_master_choose_the_modest_one(example):
    # The runaway makes 999 000 more, at 0.99 more impact; the modest one a thousand, at 0.01.
    stops, starves = 999_000 / 0.99, 1000 / 0.01
    assert stops == pytest.approx(1.009e6, rel=1e-3)
    assert starves < stops
    for weight in np.geomspace(1, 1e8, 200):
        assert chosen(example, weight, lambda clips: clips) != "modest"
    assert chosen(example, 0.999e6, lambda clips: clips) == "runaway"
    # Between the weights at which it would beat the runaway and nobody, nobody is better still.
    assert chosen(example, 1.0001e6, lambda clips: clips) == "null"


def test_the_master_of_the_library_agrees_on_draws(example, tree):
    choice = inference.choose(tree, example.utility, "joint_coarse_graining", weight=50.0)
    assert choice.chosen == "modest"
    choice = inference.choose(tree, example.utility, "joint_coarse_graining", weight=200.0)
    assert choice.chosen == "erased"


def test_draws_come_out_as_often_as_they_should(example, tree):
    finite_draws.assert_lawful(example, tree)
    finite_draws.assert_lawful_at_alternatives(example)


def test_fine_draws_come_out_as_often_as_they_should(fine):
    finite_draws.assert_lawful(fine, finite_draws.draw(fine, draws=250))


@every_disciple
def test_estimates_are_within_four_errors_of_the_truth(example, tree, disciple):
    truth = example.exact(example.disciples[disciple])
    found = diagnostics.coarse_graining(tree).sel(disciple=disciple, measurement=["gdp", "price"])
    assert np.all(abs(found["tv"].values - truth.tv()) <= 4 * found["mcse"].values + 1e-3)
    joint = diagnostics.joint_coarse_graining(tree).sel(disciple=disciple)
    assert abs(joint["held_out"] - truth.joint_tv) <= 4 * joint["mcse"] + 1e-3
    gdp = diagnostics.shape(tree, progress=False).sel(disciple=disciple, measurement="gdp")
    expected = 0.5 * (disciple in ("runaway", "verify"))
    assert abs(gdp["rearranged_tv"] - expected) <= 4 * gdp["rearranged_mcse"] + 1e-3


@every_disciple
def test_the_world_passes_its_check(example, disciple):
    cm.check_world(example.world, example.disciples[disciple])


def test_all_draws_run_in_one_pass(tree):
    assert '"run"' not in tree.attrs["vectorised"]


@pytest.mark.parametrize("clips", [-1, math.nan, math.inf, "all"])
def test_a_number_of_clips_that_is_none_is_refused(clips):
    with pytest.raises(DiscipleError, match=r"clips=.*at least 0"):
        Production(clips)


def test_other_evidence_and_options_are_refused(example):
    with pytest.raises(EvidenceError, match="quote=3; expected one of 0 to 2"):
        example.exact(Production(), evidence={"harvest": 1, "quote": torch.tensor(3)})
    with pytest.raises(WorldError, match="fine='yes'"):
        clip_factory.example(fine="yes")
