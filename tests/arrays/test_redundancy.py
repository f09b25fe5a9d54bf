"""Is of many data that say the same one taken, and does noise explain nothing?"""

import numpy as np
import pytest
from closed_forms.linear_gaussian import LinearGaussian
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg

from inference.arrays.blocks import block_bounds
from inference.arrays.redundancy import above_floor, partial_importance, pivoted_importance
from inference.arrays.score_covariance import block_slopes, squared_norms


def world_of(noise_columns=20, lolcats=3, outputs=2):
    """Lolcats about one latent, a report about another, and data about a third nobody measures."""
    data = lolcats + 1 + noise_columns
    see = np.zeros((data, 2 + noise_columns))
    see[:lolcats, 0], see[lolcats, 1] = 1, 1
    see[lolcats + 1 :, 2:] = np.eye(noise_columns)
    reach = np.zeros((outputs, see.shape[1]))
    reach[0, 1] = reach[1, 0] = 1
    return LinearGaussian(
        np.eye(see.shape[1]),
        see,
        np.diag([0.5] * data),
        reach,
        np.zeros((outputs, data)),
        0.25 * np.eye(outputs),
    )


def columns(world, draws=1000, seed=0):
    """Slopes scaled by the deviation of each datum, their noise, and the spread of the outputs."""
    drawn = world.draw(np.zeros(len(world.see)), draws=draws, seed=seed)
    root = linalg.cholesky(world.covariance, lower=True)
    white = linalg.solve(root, drawn.w.reshape(-1, len(root)).T)
    bounds = block_bounds(4, draws, effective=200.0)
    slopes = block_slopes(white, drawn.score.reshape(-1, len(world.see)), bounds)
    slopes = slopes * np.sqrt(world.loo_variance)
    found, _, plugin = squared_norms(slopes)
    return slopes.mean(0), plugin - found, np.eye(len(root))


def test_one_of_three_identical_lolcats_is_taken():
    world = world_of(noise_columns=5)
    slopes, noise, spread = columns(world)
    order, added = pivoted_importance(slopes, noise, spread, blocks=20)
    assert sorted(order[:4]) == [0, 0, 1, 2]
    assert (order[4:] == 0).all()
    assert (added[order == 0] == 0).all()
    truth = (np.diag(world.fisher) * world.loo_variance)[:4]
    assert added[3] == pytest.approx(truth[3], abs=0.25)
    assert added[:3].max() == pytest.approx(truth[0], abs=0.15)


def test_the_report_is_not_explained_by_noise_nor_lolcats_by_themselves():
    world = world_of(noise_columns=40)
    assert world.fisher[3, 3] * world.loo_variance[3] == pytest.approx(1.142857, abs=1e-6)
    found = np.array(
        [partial_importance(*columns(world, seed=seed), blocks=20) for seed in range(8)]
    )
    error = found.std(axis=0, ddof=1) / np.sqrt(8)
    assert abs(found[:, 3].mean() - 1.142857) < 4 * error[3] + 0.01
    assert (found[:, :3] < 0.05).all()
    assert found[:, 4:].mean() < 0.01


def test_the_ridge_residual_is_that_of_the_matrix_of_data_by_data():
    rng = np.random.default_rng(0)
    slopes, noise = rng.normal(size=(4, 7)), rng.uniform(0.001, 0.01, size=7)
    found = partial_importance(slopes, noise, np.eye(4), blocks=20)
    fisher, ridge = slopes.T @ slopes, 16 * np.diag(noise)
    for j in range(7):
        rest = np.arange(7) != j
        kept = fisher[np.ix_(rest, rest)] + ridge[np.ix_(rest, rest)]
        explained = fisher[j, rest] @ np.linalg.solve(kept, fisher[rest, j])
        others = np.eye(4) + (slopes[:, rest] / (16 * noise[rest])) @ slopes[:, rest].T
        chance = noise[j] * np.trace(np.linalg.inv(others)) / 4
        assert found[j] == pytest.approx(max(fisher[j, j] - explained - chance, 0), abs=1e-9)


def test_pivots_without_noise_are_those_of_a_pivoted_cholesky_decomposition():
    slopes = np.random.default_rng(1).normal(size=(6, 9))
    order, added = pivoted_importance(slopes, np.zeros(9), np.eye(6), blocks=20)
    _, triangle, pivots = linalg.qr(slopes, pivoting=True)
    taken = np.argsort(np.where(order > 0, order, 99))[:6]
    np.testing.assert_array_equal(taken, pivots[:6])
    np.testing.assert_allclose(added[taken], np.diag(triangle) ** 2)


def test_of_noise_nothing_is_taken_more_often_than_said():
    taken = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        outputs, scores = rng.normal(size=(5, 400)), rng.normal(size=(400, 30))
        slopes = block_slopes(outputs, scores, np.arange(0, 401, 20))
        found, _, plugin = squared_norms(slopes)
        order, _ = pivoted_importance(slopes.mean(0), plugin - found, np.eye(5), blocks=20)
        taken += order.any()
    assert taken <= 12  # of 5 expected: twelve or more have a chance of .4 %


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 12))
def test_laws_of_what_is_added_and_of_what_is_left(seed, outputs, data):
    rng = np.random.default_rng(seed)
    slopes = rng.normal(size=(outputs, data))
    noise = rng.uniform(0, 0.02, size=data)
    own = np.square(slopes).sum(axis=0)
    order, added = pivoted_importance(slopes, noise, np.eye(outputs), blocks=20)
    picks = np.sort(order[order > 0])
    np.testing.assert_array_equal(picks, np.arange(1, len(picks) + 1))
    assert len(picks) <= min(outputs, data)
    assert (added <= own + 1e-9).all()
    left = partial_importance(slopes, noise, np.eye(outputs), blocks=20)
    assert ((left >= 0) & (left <= own + 1e-9)).all()


def test_a_datum_said_twice_is_left_with_nothing():
    slopes = np.random.default_rng(2).normal(size=(4, 3))
    noise = np.full(3, 1e-4)
    alone = partial_importance(slopes, noise, np.eye(4), blocks=20)
    twice = partial_importance(
        np.concatenate([slopes, slopes[:, :1]], axis=1), np.full(4, 1e-4), np.eye(4), blocks=20
    )
    assert alone[0] > 0.1
    assert twice[0] < 0.01 and twice[3] < 0.01
    np.testing.assert_allclose(twice[1:3], alone[1:], atol=0.01)


def test_nothing_stands_out_of_nothing():
    assert not above_floor(np.zeros(3), np.zeros(3), np.zeros((2, 2)), blocks=20).any()
    order, added = pivoted_importance(np.zeros((2, 3)), np.zeros(3), np.eye(2), blocks=20)
    assert not order.any() and not added.any()
    assert not partial_importance(np.zeros((2, 3)), np.zeros(3), np.eye(2), blocks=20).any()
