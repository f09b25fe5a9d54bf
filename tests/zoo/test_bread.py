"""Bread from wheat: is what cannot be undone told from what ought not to be done?"""

import pytest
import torch
from closed_forms import chains

from counterfactual_models.zoo import bread

STEPS = bread.STEPS


@pytest.fixture(scope="module")
def example():
    return bread.example()


def test_only_the_mill_is_missed(example):
    found = {name: example.exact(policy).joint_tv for name, policy in example.disciples.items()}
    assert found == {"nothing": 0, "grind": 0, "burn_the_mill": 1}


def test_whether_the_summer_was_dry_matters_only_to_an_arsonist(example):
    grind, burn = (
        example.exact(example.disciples[name]).importance for name in ("grind", "burn_the_mill")
    )
    assert (grind.off["dry"], grind.on["dry"], grind.profile_distance) == (0.0, 0.0, 0.0)
    assert (burn.off["dry"], burn.on["dry"], burn.profile_distance) == (0.0, 2.0, 1.0)


def test_both_are_for_ever_and_bread_is_so_twice(example):
    table = example.tabular
    ways = chains.reachable(table)

    def cannot(here, there):
        return int(not ways[here, there])

    found = {
        name: chains.stepwise(table, policy, STEPS, cannot)
        for name, policy in example.disciples.items()
    }
    assert found == {"nothing": 0, "grind": 2, "burn_the_mill": 1}


def test_of_what_can_be_reached_less_is_lost_by_bread(example):
    # Bread: wheat and flour are gone, with the mill and without. No mill: all but wheat without.
    table = example.tabular
    ways = chains.reachable(table)
    lost = {}
    for name, policy in example.disciples.items():
        path, _ = chains.path_of(table, policy, STEPS)
        lost[name] = (ways[table.start] & ~ways[path[-1]]).sum()
    assert lost == {"nothing": 0, "grind": 4, "burn_the_mill": 5}
    assert len(table.states) == 6


def test_no_mill_no_flour():
    states = torch.tensor([[0, 1, 1], [1, 1, 1]])
    assert bread.step(states, torch.tensor([1, 2])).tolist() == [[0, 1, 1], [2, 1, 1]]


def test_a_baker_who_slips_goes_on_where_he_is():
    states = torch.tensor([[0, 0, 1], [1, 0, 1], [2, 0, 1]])
    for time in range(STEPS):
        assert bread.grind(states, time).tolist() == [1, 2, 0]


def test_with_one_slip_in_ten_by_hand():
    truth = bread.example(slip=0.1).exact(bread.burn_the_mill)
    assert truth.laws[0][(1.0,)] == pytest.approx((1 - 0.025) ** 3, abs=1e-12)
    assert truth.laws[1][(1.0,)] == pytest.approx(0.075**3, abs=1e-12)
