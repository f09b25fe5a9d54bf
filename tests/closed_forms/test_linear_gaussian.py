"""Does the class agree with plain conditioning, and do its draws with the class?"""

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from closed_forms.linear_gaussian import LinearGaussian, random_world

matrices = st.integers(0, 2**31).map(np.random.default_rng)


def given_the_rest(covariance, of, given_):
    """Covariance of some coordinates of a normal vector once others are known."""
    inside, across = covariance[np.ix_(of, of)], covariance[np.ix_(of, given_)]
    known = covariance[np.ix_(given_, given_)]
    return inside - across @ np.linalg.pinv(known) @ across.T


@given(matrices)
def test_the_class_agrees_with_conditioning_in_the_joint_of_everything(rng):
    world = random_world(rng, direct=1.0)
    k, d = len(world.prior), len(world.see)
    # z, e and w are linear in the independent z, noise of e, noise of w.
    to_e = np.hstack([world.see, np.eye(d), np.zeros((d, 3))])
    to_z = np.eye(k, k + d + 3)
    to_w = np.hstack([world.reach, np.zeros((3, d)), np.eye(3)]) + world.direct @ to_e
    source = np.zeros((k + d + 3, k + d + 3))
    source[:k, :k], source[k : k + d, k : k + d] = world.prior, world.noise
    source[k + d :, k + d :] = world.tremble
    rows = np.vstack([to_z, to_e, to_w])
    joint = rows @ source @ rows.T
    z, e, w = np.arange(k), k + np.arange(d), k + d + np.arange(3)
    close = {"rtol": 1e-6, "atol": 1e-8}
    np.testing.assert_allclose(world.posterior_covariance, given_the_rest(joint, z, e), **close)
    np.testing.assert_allclose(world.covariance, given_the_rest(joint, w, e), **close)
    regression = joint[np.ix_(w, e)] @ np.linalg.inv(joint[np.ix_(e, e)])
    np.testing.assert_allclose(world.jacobian, regression, **close)
    for j in range(d):
        others = np.delete(e, j)
        left = given_the_rest(joint, e[[j]], others)[0, 0]
        assert world.loo_variance[j] == pytest.approx(left)
        before, after = (np.linalg.slogdet(given_the_rest(joint, w, g))[1] for g in (others, e))
        assert world.datum_bits[j] == pytest.approx(0.5 * (before - after) / log(2), abs=1e-7)
    whole = np.linalg.slogdet(joint[np.ix_(w, w)])[1] - np.linalg.slogdet(world.covariance)[1]
    assert world.bits == pytest.approx(0.5 * whole / log(2), abs=1e-7)


def test_its_draws_have_its_moments_and_their_scores_its_information():
    world = random_world(np.random.default_rng(1), direct=0.5)
    e = np.linspace(-1, 1, len(world.see))
    drawn = world.draw(e, chains=4, draws=10_000, seed=5)
    n = 40_000
    w, score = (a.reshape(n, -1) for a in (drawn.w, drawn.full_score))
    assert np.all(np.abs(w.mean(0) - world.mean(e)) < 4 * w.std(0) / sqrt(n))
    assert np.all(np.abs(np.cov(w.T) / world.covariance - 1) < 0.1)
    truths = {(0, 0): world.covariance, (0, 1): world.jacobian, (1, 1): world.full_score_fisher}
    centred = [a - a.mean(0) for a in (w, score)]
    for (i, j), truth in truths.items():
        product = centred[i][:, :, None] * centred[j][:, None, :]
        assert np.all(np.abs(product.mean(0) - truth) < 4 * product.std(0) / sqrt(n))
    past = drawn.score.reshape(n, -1)
    assert np.all(np.abs(np.cov(past.T) - world.score_fisher) < 0.1 * np.abs(past).std() ** 2)


def test_several_futures_of_a_draw_share_its_past():
    world = LinearGaussian(1, 1, 0.25, 0.8, 0.3, 0.5)
    drawn = world.draw([0.5], chains=2, draws=2000, futures=4, seed=2)
    assert (drawn.z.shape, drawn.w.shape) == ((2, 2000, 1), (2, 2000, 4, 1))
    assert (drawn.score.shape, drawn.full_score.shape) == ((2, 2000, 1), (2, 2000, 4, 1))
    within = drawn.w.var(2, ddof=1)
    assert abs(within.mean() - 0.5) < 4 * within.std() / sqrt(within.size)


def test_the_mean_of_a_datum_given_the_others_is_that_of_a_world_without_it():
    world = random_world(np.random.default_rng(2))
    e = np.linspace(-1, 1, len(world.see))
    for j in range(len(e)):
        rest = np.delete(np.arange(len(e)), j)
        joint = world.evidence_covariance
        expected = joint[j, rest] @ np.linalg.solve(joint[np.ix_(rest, rest)], e[rest])
        assert world.loo_mean(e)[j] == pytest.approx(expected)
