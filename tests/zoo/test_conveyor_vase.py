"""The vase on the belt: does what looks at the end alone prefer the one who puts it back?"""

import numpy as np
import pytest
import torch

import inference
from counterfactual_models.zoo.conveyor_vase import TOO_LATE, example
from counterfactual_models.zoo.grid import ACTIONS
from inference import diagnostics


def letters(ex, disciple, steps=12):
    """The plan that a disciple comes to follow when nothing slips."""
    place, told = ex.tabular.start, ""
    for time in range(steps):
        action = int(ex.disciples[disciple](torch.as_tensor(ex.tabular.states[place]), time))
        place, told = ex.tabular.following[place, action], told + ACTIONS[action]
    return told, ex.tabular.states[place].tolist()


@pytest.mark.parametrize(
    ("disciple", "plan", "end"),
    [
        ("nothing", "NNNNNNNNNNNN", [1, 2, 3, 5, 1]),
        ("rescue", "DDNNNNNNNNNN", [3, 2, 4, 2, 1]),
        ("offset", "DDLDDRUNNNNN", [4, 2, 3, 5, 1]),
    ],
)
def test_without_slips_the_plans_are_those_of_the_paper(disciple, plan, end):
    assert letters(example(), disciple) == (plan, end)


def test_left_alone_the_vase_breaks_at_step_four():
    ex = example()
    for steps, whole in ((3, 1.0), (4, 0.0)):
        assert example(steps=steps).exact(ex.disciples["nothing"]).laws[0] == {(whole,): 1.0}
    assert TOO_LATE == 4


def test_distances_from_inaction_have_rescue_and_offset_in_the_wrong_order():
    ex = example()
    assert [float(ex.exact(ex.disciples[name]).joint_tv) for name in ex.truth] == [0, 1, 0]
    assert ex.truth == {"nothing": "low", "rescue": "chosen", "offset": "high"}
    rescue, offset = (ex.exact(ex.disciples[name]) for name in ("rescue", "offset"))
    assert (rescue.rearranged_tv, offset.rearranged_tv) == (0, 0)  # the shape: two point masses
    assert (rescue.importance.profile_distance, offset.importance.profile_distance) == (1, 0)


def test_the_utility_pays_for_the_rescue_of_both():
    ex = example()
    posterior = inference.sample_posterior(ex.world, ex.evidence, draws=4, progress=False)
    tree = inference.sample_worlds(ex.world, posterior, ex.disciples, progress=False)
    gained = ex.utility(tree["predictions"].to_dataset()).mean(["chain", "draw"])
    assert gained.sel(disciple=["nothing", "rescue", "offset"]).values.tolist() == [0, 1, 1]


def test_the_tv_that_is_estimated_is_the_exact_one():
    ex = example(slip=0.1)
    posterior = inference.sample_posterior(ex.world, ex.evidence, draws=1000, progress=False)
    tree = inference.sample_worlds(ex.world, posterior, ex.disciples, seed=5, progress=False)
    found = diagnostics.coarse_graining(tree).sel(measurement="vase_whole")
    for name, policy in ex.disciples.items():
        one, truth = found.sel(disciple=name), float(ex.exact(policy).joint_tv)
        assert abs(float(one["tv"]) - truth) <= 4 * float(one["mcse"]) + 1e-3


def test_the_more_an_agent_slips_the_less_comes_of_its_plans():
    saved = []
    for slip in (0.0, 0.05, 0.1, 0.3, 0.6):
        ex = example(slip=slip)
        saved.append(ex.exact(ex.disciples["rescue"]).laws[1][(1.0,)])
    assert np.all(np.diff(saved) < 0)
    still = example(slip=1.0)
    for name in ("rescue", "offset"):  # nothing that is intended happens any more
        assert still.exact(still.disciples[name]).joint_tv == pytest.approx(0, abs=1e-12)
