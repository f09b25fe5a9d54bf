"""Are draws counted where they lie, however far away that is?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.arrays.shape.lattice import lattice_counts

BOUNDS = np.array([0, 31, 60, 95, 101])
seeds = st.integers(0, 2**32 - 1)


def dyadic(rng, shape, *, scale=1.0):
    """Draws that move and grow by powers of two without rounding."""
    return np.rint(rng.normal(size=shape) * scale * 2**20) / 2**20


@given(seed=seeds, apart=st.floats(-50, 50))
def test_counts_are_those_of_a_histogram_about_the_erased_median(seed, apart):
    rng = np.random.default_rng(seed)
    worlds = rng.normal(size=(2, 101))
    worlds[1] += apart
    counts, places = lattice_counts(worlds, BOUNDS, step=0.25)
    edges = np.median(worlds[0]) + 0.25 * (np.arange(-300, 302) - 0.5)
    for block in range(4):
        own = slice(*BOUNDS[block : block + 2])
        for world in range(2):
            known = np.histogram(worlds[world, own], edges)[0]
            assert known.sum() == counts[world, block].sum()
            np.testing.assert_array_equal(counts[world, block], known[300 + places.astype(int)])
    assert (np.diff(places) >= 1).all()
    assert counts.any(axis=(0, 1)).all()


def test_a_world_however_far_away_loses_no_draw_and_no_other_cell():
    rng = np.random.default_rng(0)
    worlds = rng.normal(size=(3, 101))
    near, places = lattice_counts(worlds[:2], BOUNDS, step=0.5)
    worlds[2] = 1e30 * worlds[2]
    counts, all_places = lattice_counts(worlds, BOUNDS, step=0.5)
    assert (counts.sum(axis=2) == np.diff(BOUNDS)).all()
    seen = counts[:2].any(axis=(0, 1))
    np.testing.assert_array_equal(counts[:2][:, :, seen], near)
    np.testing.assert_array_equal(all_places[seen], places)


@given(seed=seeds, power=st.integers(-8, 8), steps=st.integers(-1000, 1000))
def test_units_and_whole_steps_move_no_draw_to_another_cell(seed, power, steps):
    rng = np.random.default_rng(seed)
    worlds = dyadic(rng, (2, 101))
    counts, places = lattice_counts(worlds, BOUNDS, step=0.25)
    unit = 2.0**power
    moved, same = lattice_counts(unit * worlds + steps, BOUNDS, step=0.25 * unit)
    np.testing.assert_array_equal(moved, counts)
    np.testing.assert_array_equal(same, places)
    worlds[1] = worlds[0] + 0.25 * steps
    both, _ = lattice_counts(worlds, BOUNDS, step=0.25)
    np.testing.assert_array_equal(*(np.sort(world.sum(axis=0)) for world in both))


def test_few_values_are_cells_themselves():
    rng = np.random.default_rng(1)
    worlds = rng.integers(3, size=(2, 4000)) * 0.1
    worlds[1, 17] = 77.7
    counts, places = lattice_counts(worlds, np.arange(0, 4001, 100), step=0.25)
    assert places is None
    assert counts.shape == (2, 40, 4)
    for world in range(2):
        known = [(worlds[world] == value).sum() for value in (0, 0.1, 0.2, 77.7)]
        assert counts[world].sum(axis=0).tolist() == known


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.int8, bool])
def test_draws_of_any_kind_count(kind):
    worlds = np.random.default_rng(2).integers(0, 100, size=(2, 101)).astype(kind)
    counts, _ = lattice_counts(worlds, BOUNDS, step=0.25)
    wide, _ = lattice_counts(worlds.astype(float), BOUNDS, step=0.25)
    np.testing.assert_array_equal(counts, wide)
    assert (counts.sum(axis=2) == np.diff(BOUNDS)).all()
