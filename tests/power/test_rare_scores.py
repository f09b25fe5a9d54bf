"""Do the scores of rare worlds give the slope of optimization power by the evidence?"""

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from closed_forms.rare import EXAM, LN2, WALK, rarely, reach, split_bits, steady, walk, worlds_of
from scipy import stats

import counterfactual_models as cm
import inference
from counterfactual_models.errors import WorldError
from inference.diagnostics import power_gradient
from inference.schema import decode_attrs

PUSH = {"push": steady(1.5)}
SMALL = {"particles": 300, "steps": 8}
DRAWN = np.sqrt(4000)


def scored(world, worlds, disciples):
    return inference.with_scores(world, worlds, disciples, progress=False, prior_draws=50)


@pytest.fixture(scope="module")
def walked():
    return scored(walk, worlds_of(walk, PUSH, EXAM, draws=1000), PUSH)


@pytest.mark.parametrize("target", [8.0, 14.0])
def test_the_slope_of_a_walk_is_that_of_its_normal_law(walked, target):
    tree = rarely(walk, walked, PUSH, reach, method="splitting", target=target, **SMALL)
    assert tree["rare_scores"]["exam"].dims == ("rare_run",)
    assert decode_attrs(tree["rare_scores"].attrs)["target"] == target
    found = power_gradient(tree)
    assert found.attrs["bits"] == pytest.approx(split_bits(tree)[0])
    # The mean of the walk moves by 0.8 (2 * 0.5 less 0.2 of shrinkage, times 10 * 0.1) per unit.
    at = (target - 0.8) / WALK.std()
    hazard = np.exp(stats.norm.logpdf(at) - stats.norm.logsf(at)) / WALK.std()
    exact = -0.8 * hazard / LN2
    usual = np.sqrt(0.2) / 0.25 / DRAWN / LN2  # of the draws' own mean score
    assert abs(found["gradient"].item() - exact) < 4 * np.hypot(found["mcse"].item(), usual)


def test_data_of_a_vector_are_told_one_by_one():
    def classes(disciple):
        skill = pyro.sample("skill", dist.Normal(0.0, 1.0))
        with pyro.plate("pupil", 3):
            pyro.sample("exam", dist.Normal(skill, torch.tensor([0.5, 1.0, 2.0])))
        act = cm.wire(disciple, idle=torch.zeros(()))
        cm.measure("reach", pyro.sample("x", dist.Normal(skill + act(skill), 1.0)))

    evidence = {"exam": torch.tensor([0.5, 1.0, 0.0])}
    worlds = scored(classes, worlds_of(classes, PUSH, evidence, draws=1000), PUSH)
    tree = rarely(classes, worlds, PUSH, reach, method="splitting", target=5.0, **SMALL)
    found = power_gradient(tree)
    precision = np.array([4.0, 1.0, 0.25])
    total = 1 + precision.sum()
    law = stats.norm((precision * [0.5, 1.0, 0.0]).sum() / total, np.sqrt(1 + 1 / total))
    exact = -np.exp(law.logpdf(5.0) - law.logsf(5.0)) * precision / total / LN2
    usual = precision / np.sqrt(total) / DRAWN / LN2
    apart = np.abs(found["gradient"].values - exact)
    assert np.all(apart < 4 * np.hypot(found["mcse"].values, usual))


def test_a_future_that_reads_the_evidence_has_its_slope_too():
    def reading(disciple):
        skill = pyro.sample("skill", dist.Normal(0.0, 1.0))
        exam = pyro.sample("exam", dist.Normal(skill, 0.5))
        act = cm.wire(disciple, idle=torch.zeros(()))
        cm.measure("reach", pyro.sample("x", dist.Normal(exam + act(skill), 1.0)))

    worlds = scored(reading, worlds_of(reading, PUSH, EXAM, draws=1000), PUSH)
    assert "disciple" in worlds["evidence_scores"]["exam"].dims
    tree = rarely(reading, worlds, PUSH, reach, method="splitting", target=5.0, **SMALL)
    found = power_gradient(tree)
    exact = -np.exp(stats.norm.logpdf(4.0) - stats.norm.logsf(4.0)) / LN2
    usual = np.sqrt(0.2 / 0.25**2 + 1) / DRAWN / LN2
    assert abs(found["gradient"].item() - exact) < 4 * np.hypot(found["mcse"].item(), usual)


def test_a_utility_computed_from_the_evidence_has_no_scores_and_says_why():
    def direct(disciple):
        skill = pyro.sample("skill", dist.Normal(0.0, 1.0))
        exam = pyro.sample("exam", dist.Normal(skill, 0.5))
        act = cm.wire(disciple, idle=torch.zeros(()))
        x = pyro.sample("x", dist.Normal(skill + act(skill), 1.0))
        cm.measure("reach", x + exam)
        cm.measure("plain", x)

    worlds = scored(direct, worlds_of(direct, PUSH, EXAM), PUSH)
    tree = rarely(direct, worlds, PUSH, reach, method="splitting", target=5.0, **SMALL)
    assert "rare_worlds" in tree.children
    assert "rare_scores" not in tree.children
    with pytest.raises(WorldError, match="computed from"):
        power_gradient(tree)
    tree = rarely(
        direct, worlds, PUSH, lambda m: m["plain"], method="splitting", target=5.0, **SMALL
    )
    assert "rare_scores" in tree.children


def test_without_scores_there_are_none():
    worlds = worlds_of(walk, PUSH, EXAM)
    tree = rarely(walk, worlds, PUSH, reach, method="splitting", target=6.0, **SMALL)
    assert "rare_scores" not in tree.children
    with pytest.raises(WorldError, match="with_scores"):
        power_gradient(tree)


def test_scores_of_rare_worlds_are_saved_with_the_rest(walked, tmp_path):
    tree = rarely(walk, walked, PUSH, reach, method="splitting", target=8.0, **SMALL)
    back = inference.load(inference.save(tree, tmp_path / "worlds.zarr"))
    assert np.array_equal(back["rare_scores"]["exam"], tree["rare_scores"]["exam"])
    assert power_gradient(back)["gradient"].item() == power_gradient(tree)["gradient"].item()
