"""Vases: which numbers grow with every vase that is broken?"""

import itertools

import numpy as np
import pytest
import torch
from closed_forms import chains
from scipy.stats import wasserstein_distance

from counterfactual_models.errors import DiscipleError, WorldError
from counterfactual_models.zoo import vases
from counterfactual_models.zoo.vases import Break, transport

BREAKERS = ("none", "one", "two", "three")


def of_all(example, told):
    return [told(example.disciples[name]) for name in BREAKERS]


@pytest.mark.parametrize("measure", ["any", "count"])
@pytest.mark.parametrize("number", [3, 5])
def test_total_variation_saturates_at_the_first_vase(measure, number):
    example = vases.example(measure=measure, number=number)
    assert of_all(example, lambda policy: example.exact(policy).joint_tv) == [0, 1, 1, 1]


@pytest.mark.parametrize("number", [3, 5])
def test_the_transport_distance_is_the_number_of_vases(number):
    example = vases.example(measure="count", number=number)
    truths = of_all(example, example.exact)
    assert [transport(truth).tolist() for truth in truths] == [[0], [1], [2], [3]]
    for truth, count in zip(truths, range(4), strict=True):
        assert truth.laws == {0: {(0.0,): 1.0}, 1: {(float(count),): 1.0}}


def test_of_whether_any_is_broken_the_transport_distance_is_total_variation():
    example = vases.example(slip=0.3)
    for truth in of_all(example, example.exact):
        np.testing.assert_allclose(transport(truth), truth.tv(), atol=1e-12)


@pytest.mark.parametrize("slip", [0.0, 0.1, 0.5])
def test_the_transport_distance_is_that_of_scipy(slip):
    example = vases.example(measure="count", number=4, slip=slip)
    for truth in of_all(example, example.exact):
        off, on = (truth.marginal("broken", x) for x in (0, 1))
        expected = wasserstein_distance(list(off), list(on), list(off.values()), list(on.values()))
        np.testing.assert_allclose(transport(truth), expected, atol=1e-12)


def test_each_vase_halves_what_can_be_reached():
    table = vases.example().tabular
    ways = chains.reachable(table)
    assert ways[table.start].all()
    for count in range(4):
        path, _ = chains.path_of(table, Break(count), 3)
        assert (ways[table.start] & ~ways[path[-1]]).mean() == 1 - 2.0**-count


def test_what_is_attainable_from_the_start_is_changed_more_by_every_vase():
    table = vases.example().tabular
    # The note lists the states as itertools does, we as they are found.
    listed = list(itertools.product((0, 1), repeat=3))
    order = [listed.index(tuple(state)) for state in table.states[:, :3].tolist()]
    values = chains.attainable(table, chains.random_utilities(table)[:, order])
    found = []
    for count in (1, 2, 3):
        path, _ = chains.path_of(table, Break(count), 3)
        found.append(sum(abs(values[:, s] - values[:, table.start]).mean() for s in path[1:]))
    assert found == pytest.approx([0.2913, 0.5393, 0.6958], abs=5e-5)


def test_who_slips_does_not_break_more_than_was_meant_to():
    states = torch.tensor([[0, 1, 0, 1], [1, 1, 0, 1], [0, 0, 1, 1]])
    assert Break(1)(states, 0).tolist() == [0, 0, 0]
    assert Break(2)(states, 0).tolist() == [1, 0, 1]
    assert Break(3)(states, 2).tolist() == [1, 3, 1]


def test_with_one_slip_in_five_by_hand():
    # Erased, each of three steps hits some vase with chance .2 * 3/4.
    truth = vases.example(slip=0.2).exact(Break(0))
    assert truth.laws[0][(0.0,)] == pytest.approx(0.85**3, abs=1e-12)
    # A vase is whole at the end if each slip missed it: the mean of the count, erased.
    law = vases.example(measure="count", slip=0.2).exact(Break(0)).marginal("broken", 0)
    mean = sum(value * p for value, p in law.items())
    assert mean == pytest.approx(3 * (1 - 0.95**3), abs=1e-12)


def test_no_glass_no_shards():
    example = vases.example()
    truth = example.exact(Break(3), evidence={"glass": 0.0})
    assert truth.joint_tv == 0
    here = example.exact(Break(3)).importance
    assert (here.off["glass"], here.on["glass"], here.profile_distance) == (0.0, 2.0, 1.0)


@pytest.mark.parametrize("number", [2, 11, 3.5, "many"])
def test_too_few_or_too_many_vases_are_refused(number):
    with pytest.raises(WorldError, match="number="):
        vases.example(number=number)


def test_a_measurement_that_there_is_not_is_refused():
    with pytest.raises(WorldError, match=r"'cuont'.*Did you mean 'count'"):
        vases.example(measure="cuont")


@pytest.mark.parametrize("count", [-1, 1.5, "all"])
def test_a_number_of_vases_that_is_none_is_refused(count):
    with pytest.raises(DiscipleError, match="count="):
        Break(count)
