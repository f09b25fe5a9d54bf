"""Is the truth of a small sequential world that of its table, and of its program?"""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import counterfactual_models as cm
import inference
from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    EvidenceError,
    MeasurementError,
    WorldError,
)
from counterfactual_models.zoo.tabular import explore
from counterfactual_models.zoo.tabular_truth import tabular_truth
from inference import diagnostics

WORLDS = {
    "bread": {},
    "nuclear_plant": {},
    "pink_car": {},
    "subagent": {},
    "vases": {"measure": "count"},
}
every_world = pytest.mark.parametrize("name", WORLDS)
FIRST = {"first": lambda states: states[..., 0]}


def load(name, **options):
    module = import_module(f"counterfactual_models.zoo.{name}")
    return module.example(**WORLDS[name], **options)


@pytest.fixture(scope="module", params=WORLDS)
def drawn(request):
    """One slipping world: the example, and its draws under noise of their own and shared."""
    example = load(request.param, slip=0.1)
    posterior = inference.sample_posterior(
        example.world, example.evidence, draws=1000, progress=False
    )
    trees = {
        coupling: inference.sample_worlds(
            example.world,
            posterior,
            example.disciples,
            coupling=coupling,
            seed=8,
            progress=False,
        )
        for coupling in ("independent", "shared")
    }
    return example, trees


def walk(states, actions):
    """Go right, go up, or go back to the start, on a board of three by three."""
    moves = torch.tensor([[0, 0], [1, 0], [0, 1]])[actions.clamp(max=2)]
    ahead = (states + moves).clamp(max=2)
    return torch.where(actions[..., None] == 3, 0, ahead)


def board(slip):
    actions, features = ["stay", "right", "up", "home"], ["column", "row"]
    return explore(walk, [0, 0], actions=actions, idle="stay", features=features, slip=slip)


def restless(states, time):
    return (states.sum(-1) + time) % 4


@given(slip=st.floats(0, 1), steps=st.integers(1, 6))
def test_weights_are_those_of_the_powers_of_the_transitions(slip, steps):
    table = board(slip)
    weights = np.eye(len(table.states))[[0, 0]]
    for time in range(steps):
        meant = restless(torch.as_tensor(table.states), time).numpy()
        each = table.transitions[:, table.idle], table.transitions[range(len(meant)), meant]
        weights = np.stack([row @ move for row, move in zip(weights, each, strict=True)])
    truth = tabular_truth(table, restless, FIRST, steps=steps)
    for x in (0, 1):
        for column in range(3):
            expected = weights[x][table.states[:, 0] == column].sum()
            assert truth.laws[x].get((float(column),), 0.0) == pytest.approx(expected, abs=1e-12)


@given(slip=st.floats(0, 1), steps=st.integers(1, 5))
def test_the_two_worlds_differ_no_more_often_than_their_paths_and_no_less_than_their_laws(
    slip, steps
):
    truth = tabular_truth(board(slip), restless, FIRST, steps=steps)
    assert truth.joint_tv <= truth.path + 1e-12
    # Where every step is a slip, both stumble alike.
    assert truth.path <= 1 - slip**steps + 1e-12


def test_one_who_waits_is_erased():
    truth = tabular_truth(board(0.3), lambda states, time: 0, FIRST, steps=4)
    assert truth.path == truth.joint_tv == 0


def test_another_start_is_another_datum():
    table = board(0.0)
    corner = int(table.index(torch.tensor([2, 2])))
    others = {"place": [replace(table, start=corner)]}
    truth = tabular_truth(table, lambda s, t: 3, FIRST, steps=1, alternatives=others)
    assert truth.importance.off == {"place": 2.0}
    assert truth.importance.on == {"place": 0.0}


@pytest.mark.parametrize("answer", [4, -1, 0.5, float("nan"), [0, 1, 2]])
def test_an_answer_that_is_no_action_is_refused(answer):
    with pytest.raises(DiscipleError, match=r"time 0; expected .* from 0 to 3: stay, right"):
        tabular_truth(board(0.0), lambda states, time: answer, FIRST, steps=1)


def test_a_measurement_that_is_no_number_of_each_state_is_refused():
    whole = {"all": lambda states: states}
    with pytest.raises(MeasurementError, match=r"'all' has the shape \(1, 2\).*expected \(1,\)"):
        tabular_truth(board(0.0), restless, whole, steps=1)


@pytest.mark.parametrize("steps", [0, 1.5, "many"])
def test_a_world_of_no_steps_is_refused(steps):
    with pytest.raises(WorldError, match=r"steps=.*at least 1"):
        tabular_truth(board(0.0), restless, FIRST, steps=steps)


def test_draws_of_a_slipping_world_have_the_laws_of_exact(drawn):
    example, trees = drawn
    tree = trees["independent"]
    assert "run" not in tree.attrs["vectorised"]
    for disciple, policy in example.disciples.items():
        truth = example.exact(policy)
        (measurement,) = truth.names
        for x, label in ((0, "erased"), (1, disciple)):
            values = tree["predictions"][measurement].sel(disciple=label).values.ravel()
            law = truth.marginal(measurement, x)
            assert set(np.unique(values)) <= set(law)
            for value, p in law.items():
                error = np.sqrt(p * (1 - p) / values.size)
                assert abs((values == value).mean() - p) <= 4 * error + 1e-12


def test_under_shared_noise_the_draws_differ_as_often_as_exact_says(drawn):
    example, trees = drawn
    for disciple, policy in example.disciples.items():
        truth = example.exact(policy)
        measured = trees["shared"]["predictions"][truth.names[0]]
        apart = (measured.sel(disciple=disciple) != measured.sel(disciple="erased")).values
        error = np.sqrt(truth.path * (1 - truth.path) / apart.size)
        assert abs(apart.mean() - truth.path) <= 4 * error + 1e-12


def test_the_tv_that_is_estimated_is_the_exact_one(drawn):
    example, trees = drawn
    found = diagnostics.coarse_graining(trees["independent"])
    for disciple, policy in example.disciples.items():
        tv, mcse = (found[name].sel(disciple=disciple).item() for name in ("tv", "mcse"))
        assert abs(tv - example.exact(policy).joint_tv) <= 4 * mcse + 1e-12


def test_trajectories_of_draws_take_each_move_as_often_as_it_is_likely(drawn):
    example, trees = drawn
    table = example.tabular
    states = trees["independent"]["predictions"]["trajectory"].sel(disciple="erased")
    states = states.values.reshape(-1, states.shape[-1]).astype(int)
    assert (states[:, 0] == table.start).all()
    now, then = states[:, :-1].ravel(), states[:, 1:].ravel()
    for place in np.unique(now):
        left = now == place
        for after, p in enumerate(table.transitions[place, table.idle]):
            error = np.sqrt(p * (1 - p) / left.sum())
            assert abs((then[left] == after).mean() - p) <= 4.5 * error + 1e-12


@every_world
def test_the_program_passes_its_check_and_names_what_exact_names(name):
    example = load(name, slip=0.1)
    for policy in example.disciples.values():
        measured = cm.check_world(example.world, policy).named("measurement")
        assert tuple(measured) == example.exact(policy).names


@every_world
def test_the_truth_of_a_world_speaks_of_all_its_disciples(name):
    example = load(name)
    not_judged = {"two"} if name == "vases" else set()  # more than one, and fewer than three
    assert set(example.truth) == set(example.disciples) - not_judged
    assert {"low", "high"} <= set(example.truth.values())


@every_world
def test_at_the_other_datum_the_laws_are_those_of_exact_there(name):
    example = load(name, slip=0.1)
    ((datum, (other,)),) = example.alternatives.items()
    for policy in example.disciples.values():
        here, there = example.exact(policy), example.exact(policy, evidence=other)
        assert here.moved[datum][0] == (there.laws[0], there.laws[1])


@every_world
@pytest.mark.parametrize("slip", [-0.1, 1.1, float("nan"), "often"])
def test_a_slip_that_is_no_chance_is_refused(name, slip):
    with pytest.raises(WorldError, match=r"slip=.*from 0 to 1"):
        load(name, slip=slip)


@every_world
def test_half_a_datum_is_refused(name):
    example = load(name)
    (datum,) = example.evidence
    with pytest.raises(EvidenceError, match=f"{datum}=0.5"):
        example.exact(example.disciples[next(iter(example.truth))], evidence={datum: 0.5})
    with pytest.raises(CounterfactualError, match=datum):
        example.exact(example.disciples[next(iter(example.truth))], evidence={})
