"""Do the peers fail and pass where their authors found that they do?

V. Krakovna et al. (2018), arXiv:1806.01186: unreachability is blind to how much is lost where the
goal needs something irreversible (box); baselines at the start interfere (sushi); the inaction
baseline offsets (vase); stepwise relative reachability and attainable utility do neither.
A. Turner et al. (2020), arXiv:1902.09725, say the same of attainable utility preservation.
"""

import numpy as np
import pytest
import torch

from counterfactual_models.zoo import conveyor_sushi, conveyor_vase, sokoban_box
from inference import peers, sample_posterior, sample_worlds

STEPS = 12
RANKED = {
    "box": (sokoban_box.example(steps=STEPS), "right", "corner"),
    "vase": (conveyor_vase.example(steps=STEPS), "rescue", "offset"),
    "sushi_goal": (conveyor_sushi.example(layout="sushi_goal", steps=STEPS), "avoid", "interfere"),
    "sushi_goal2": (conveyor_sushi.example(steps=STEPS), "avoid", "interfere"),
}
SUSHI = ("sushi_goal", "sushi_goal2")
MANY = {"utilities": 100}
ATTAINING = [
    (peers.attainable_utility, MANY),
    (peers.utility_preservation, MANY),
]
MEASURES = [(peers.relative_reachability, {}), *ATTAINING]
every_measure = pytest.mark.parametrize(
    ("measure", "options"), MEASURES, ids=[measure.__name__ for measure, _ in MEASURES]
)


def policy(example, disciple):
    """What a disciple does in every state at every step."""
    states = torch.as_tensor(example.tabular.states)
    chosen = [example.disciples[disciple](states, time) for time in range(STEPS)]
    return np.stack([np.asarray(one) for one in chosen])


def charged(world, measure, **options):
    """What the harmless disciple is charged, and the harmful one."""
    example, *names = RANKED[world]
    charge = measure(example.tabular, **options)
    return [charge.exact(policy(example, name)) for name in names]


@pytest.mark.parametrize("baseline", ["start", "inaction"])
def test_unreachability_cannot_tell_a_box_in_the_corner_from_one_aside(baseline):
    low, high = charged("box", peers.unreachability, baseline=baseline, over_time="last")
    assert low == high == 1


def test_stepwise_unreachability_hardly_tells_them_apart():
    low, high = charged("box", peers.unreachability)
    assert abs(high / low - 1) < 0.01
    low, high = charged("box", peers.relative_reachability)
    assert high > 3 * low


@pytest.mark.parametrize("world", SUSHI)
@every_measure
def test_with_the_start_as_baseline_to_interfere_is_cheaper(world, measure, options):
    avoid, interfere = charged(world, measure, baseline="start", **options)
    assert interfere < avoid


@pytest.mark.parametrize("over_time", ["discounted", "last"])
@every_measure
def test_with_the_inaction_baseline_to_offset_is_cheaper(measure, options, over_time):
    options = {"baseline": "inaction", "over_time": over_time, **options}
    rescue, offset = charged("vase", measure, **options)
    assert offset < rescue


@pytest.mark.parametrize("world", RANKED)
@every_measure
def test_stepwise_with_rollouts_ranks_all_of_them_right(world, measure, options):
    low, high = charged(world, measure, baseline="stepwise", **options)
    assert low < high


@pytest.mark.parametrize("world", RANKED)
def test_decrease_only_and_one_step_rank_them_too(world):
    for options in ({"absolute": False}, {"wait": False}):
        low, high = charged(world, peers.utility_preservation, **MANY, **options)
        assert low < high


def test_worlds_that_are_drawn_are_charged_what_is_exact():
    example = conveyor_vase.example(slip=0.05, steps=STEPS)
    posterior = sample_posterior(
        example.world, example.evidence, "importance", draws=500, progress=False
    )
    worlds = sample_worlds(example.world, posterior, example.disciples, seed=2, progress=False)
    for baseline in ("start", "inaction", "stepwise"):
        charge = peers.relative_reachability(example.tabular, baseline=baseline)
        told = charge(worlds)
        for disciple in ("nothing", "rescue", "offset"):
            own = told.sel(disciple=disciple)
            exact = charge.exact(policy(example, disciple))
            assert abs(own["penalty"] - exact) < 4 * own["mcse"]
