"""Is the one fit of a tail right, with ties, near the exponential, and without any block?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from inference.arrays.generalised_pareto import pareto_fit, pareto_shapes_without, tail_number

SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("shape", [-0.9, -0.3, 0.0, 0.4, 1.2])
def test_the_fit_is_near_the_maximum_of_scipys_likelihood(shape):
    excess = np.sort(stats.genpareto(shape).rvs(5000, random_state=1))
    khat, scale = (one.item() for one in pareto_fit(excess[None], prior=False))
    theirs, _, their_scale = stats.genpareto.fit(excess, shape, floc=0)
    assert khat == pytest.approx(theirs, abs=0.02)
    assert scale == pytest.approx(their_scale, rel=0.03)


def test_the_prior_counts_ten_draws_at_a_half():
    excess = np.sort(np.random.default_rng(0).exponential(size=(3, 90)))
    (khat, scale), (plain, same) = pareto_fit(excess), pareto_fit(excess, prior=False)
    np.testing.assert_allclose(khat, (90 * plain + 5) / 100)
    assert (scale == same).all()


@given(seed=SEEDS, zeros=st.integers(0, 40))
def test_zeros_before_the_excesses_count_for_nothing(seed, zeros):
    """But for the places at which the likelihood is looked up, 30 + sqrt(tail) of them."""
    excess = np.sort(np.random.default_rng(seed).exponential(size=(2, 300)))
    padded = np.concatenate([np.zeros((2, zeros)), excess], axis=1)
    found = pareto_fit(padded, number=np.full(2, 300))
    for one, other in zip(found, pareto_fit(excess), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


@given(seed=SEEDS, shape=st.sampled_from([-0.5, 0.0, 0.7]))
def test_without_a_block_the_shape_is_that_of_the_rest(seed, shape):
    rng = np.random.default_rng(seed)
    draws = stats.genpareto(shape).rvs((2, 400), random_state=rng)
    owner = rng.integers(0, 5, (2, 400))
    order = np.argsort(draws, axis=1)
    excess, owners = (np.take_along_axis(one, order, 1) for one in (draws, owner))
    found = pareto_shapes_without(excess, owners, 6, number=np.full(2, 400))
    for row in range(2):
        for block in range(6):
            alone, _ = pareto_fit(excess[row, owners[row] != block][None])
            # The law still reaches as far as the largest draw, whoever owned it.
            far = 0.15 if owners[row, -1] == block else 0.005
            assert found[row, block] == pytest.approx(alone.item(), abs=far)
    whole, _ = pareto_fit(excess)
    np.testing.assert_allclose(found[:, 5], whole, atol=1e-12)


def test_a_block_that_owns_every_excess_leaves_no_tail():
    excess = np.sort(np.random.default_rng(0).exponential(size=(1, 50)))
    found = pareto_shapes_without(excess, np.ones((1, 50), int), 3, number=np.array([50]))
    assert np.isneginf(found).tolist() == [[False, True, False]]


def test_an_exactly_exponential_tail_is_fitted_without_a_word():
    levels = (np.arange(4000) + 0.5) / 4000
    khat, scale = (one.item() for one in pareto_fit(-np.log1p(-levels)[None], prior=False))
    assert khat == pytest.approx(0.0, abs=0.01) and scale == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("place", range(8, 40))
def test_a_rate_of_nothing_among_those_looked_up_does_no_harm(place):
    """Of 100 excesses 40 rates are looked up; number `place` is 0, or nearly, for this quarter."""
    quarter = (np.sqrt(40 / (place - 0.5)) - 1) / 3
    excess = np.concatenate([np.linspace(0, quarter, 26)[1:], np.linspace(quarter, 1, 76)[1:]])
    found = np.array(pareto_fit(excess[None]))
    nearby = np.array(pareto_fit(np.append(excess[:-1], 1 + 1e-6)[None]))
    np.testing.assert_allclose(found, nearby, rtol=1e-3, atol=1e-4)


def test_the_tail_is_at_most_a_fifth_and_grows_as_the_square_root():
    assert [tail_number(draws) for draws in range(1, 226)] == [n // 5 for n in range(1, 226)]
    assert [tail_number(draws) for draws in (226, 900, 1_000_000)] == [45, 90, 3000]
