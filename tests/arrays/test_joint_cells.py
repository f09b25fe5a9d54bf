"""Are joint cells told apart by their keys, and does a further measurement never see less?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.arrays.cells import Cells
from inference.arrays.fine_cells import exact_floor
from inference.arrays.joint_cells import cell_numbers, joint_keys, joint_variation
from inference.arrays.sign_flips import random_signs

BOUNDS = np.arange(0, 401, 20)
SIGNS = random_signs(100, 20)


def test_the_number_of_a_cell_is_what_searchsorted_gives():
    rng = np.random.default_rng(0)
    values = rng.integers(-3, 4, size=(5, 400)) / 2
    edges = np.sort(rng.integers(-2, 3, size=(5, 6)) / 2, axis=1)
    edges[:, -1] = np.inf
    expected = [np.searchsorted(e, v, side="right") for v, e in zip(values, edges, strict=True)]
    assert np.array_equal(cell_numbers(values, edges), expected)


def test_keys_are_equal_where_the_tuples_are_and_nowhere_else():
    numbers = np.random.default_rng(1).integers(0, 3, size=(6, 20_000))
    tuples = np.unique(numbers, axis=1, return_inverse=True)[1]
    keys = np.unique(joint_keys(numbers), return_inverse=True)[1]
    assert len(np.unique(np.stack([tuples, keys]), axis=1).T) == tuples.max() + 1
    assert keys.max() == tuples.max()


def test_swapping_two_measurements_makes_other_cells():
    assert np.unique(joint_keys(np.array([[0, 1], [1, 0]]))).size == 2


def test_keys_do_not_depend_on_the_chunks():
    numbers = np.random.default_rng(2).integers(0, 18, size=(300, 500)).astype(np.uint8)
    chunked = sum(joint_keys(numbers[k : k + 70], first=k) for k in range(0, 300, 70))
    assert np.array_equal(chunked, joint_keys(numbers))


def joint(let_in, erased):
    edges = Cells.quantile(4).edges(erased)
    keys = [joint_keys(cell_numbers(world, edges)) for world in (let_in, erased)]
    return joint_variation(*keys, bounds=BOUNDS, signs=SIGNS)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), shift=st.floats(-2, 2), number=st.integers(2, 4))
def test_adding_a_measurement_never_lowers_the_joint_tv(seed, shift, number):
    noise = np.random.default_rng(seed).normal(size=(2, number, 400))
    let_in, erased = noise[0] + shift, noise[1]
    plugins = [joint(let_in[:k], erased[:k])["plugin"] for k in range(1, number + 1)]
    alone = [joint(let_in[[k]], erased[[k]])["plugin"] for k in range(number)]
    assert np.all(np.diff(plugins) >= -1e-12)
    assert max(alone) <= plugins[-1] + 1e-12
    assert 0 <= plugins[-1] <= 1


def test_plugin_and_cells_are_what_a_dictionary_counts():
    rng = np.random.default_rng(3)
    let_in, erased = rng.integers(0, 60, size=(2, 400)).astype(np.uint64)
    found = joint_variation(let_in, erased, bounds=BOUNDS, signs=SIGNS)
    counts = {key: int((let_in == key).sum()) - int((erased == key).sum()) for key in range(60)}
    assert found["plugin"] == pytest.approx(sum(map(abs, counts.values())) / 800)
    assert found["cells"] == len({*let_in.tolist(), *erased.tolist()})


def test_the_floor_by_flips_is_the_closed_form_for_equally_likely_cells():
    rng = np.random.default_rng(4)
    bounds, signs = np.arange(0, 4001, 100), random_signs(200, 40)
    for cells in (64, 4000, 100_000):
        found = [
            joint_variation(
                *rng.integers(0, cells, size=(2, 4000)).astype(np.uint64),
                bounds=bounds,
                signs=signs,
            )
            for _ in range(5)
        ]
        floor, plugin = (np.mean([one[name] for one in found]) for name in ("floor", "plugin"))
        assert floor == pytest.approx(exact_floor(4000, cells), abs=0.008)
        assert plugin == pytest.approx(exact_floor(4000, cells), abs=0.012)
