"""Do the disciple's worlds, weighed, tell how rare they are without it, or that they do not?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal, special, stats

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.reweighted import reweighted_bits
from inference.arrays.weights import pareto_smoothed

TARGETS = np.array([3.0, 4.0, 5.0])
TRUTH = -stats.norm.logsf(TARGETS) / np.log(2)


def shifted(seed, shape=(4, 1000), shift=4.0, rho=0.0):
    """Worlds of a disciple that adds `shift` to a unit normal, and their log p0/p1."""
    noise = np.random.default_rng(seed).normal(size=(*shape[:-1], shape[-1] + 200))
    luck = signal.lfilter([np.sqrt(1 - rho**2)], [1, -rho], noise, axis=-1)[..., 200:]
    utility = shift + luck
    return shift**2 / 2 - shift * utility, utility


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_the_tail_of_a_normal_is_found_within_its_errors(rho):
    """A deviate beyond 4.5, or mean squares beyond 2.2, would come once in thousands of seeds."""
    deviates = []
    for seed in range(60):
        log_ratio, utility = shifted(seed, rho=rho)
        found = reweighted_bits(log_ratio, utility, TARGETS)
        assert found.reliable.all() and (found.khat < 0.7).all()
        deviates.append((found.bits - TRUTH) / found.mcse)
    assert np.abs(deviates).max() < 4.5
    assert (np.square(deviates).mean(axis=0) > 0.5).all()
    assert (np.square(deviates).mean(axis=0) < 2.2).all()


def test_far_targets_stay_in_logarithms():
    log_ratio, utility = shifted(0, shift=40.0)
    found = reweighted_bits(log_ratio, utility, 40.0)
    assert abs(found.bits - 1160.8046091506376642) < 4 * found.mcse < 1.0
    assert found.mean_ratio < 1e-200 and found.reliable


def test_without_a_tail_to_smooth_it_is_the_plain_mean():
    values = np.tile(np.arange(8.0), 50)
    log_ratio = np.log(np.where(values < 4, 1.5, 0.5))
    found = reweighted_bits(log_ratio, values, np.arange(9.0))
    plain = [np.mean(np.exp(log_ratio) * (values >= target)) for target in range(8)]
    np.testing.assert_allclose(np.exp(found.log_probability[:8]), plain, rtol=1e-9)
    assert found.bits[0] < 1e-12 and not np.signbit(found.bits[0])
    assert found.mean_ratio == pytest.approx(1.0)
    assert found.hits.tolist() == [400, 350, 300, 250, 200, 150, 100, 50, 0]


def test_smoothing_is_that_of_pareto_smoothed_importance_sampling():
    log_ratio, utility = shifted(1, (1, 600), shift=2.0)
    found = reweighted_bits(log_ratio, utility, -100.0)
    weights, khat = pareto_smoothed(log_ratio)
    scale = special.logsumexp(log_ratio.ravel(), b=weights.ravel() < np.median(weights))
    scale -= np.log(weights[weights < np.median(weights)].sum())
    assert found.log_probability == pytest.approx(scale - np.log(600), rel=1e-6)
    assert found.khat == pytest.approx(khat.item())
    assert found.effective == pytest.approx(1 / np.square(weights).sum())


def test_a_target_nobody_reaches_has_no_answer_and_says_so():
    found = reweighted_bits(*shifted(0), [4.0, 1e9])
    assert found.bits[1] == found.mcse[1] == found.khat[1] == np.inf
    assert found.reliable.tolist() == [True, False] and found.hits[1] == 0


def test_few_hits_and_heavy_weights_are_not_reliable():
    log_ratio, utility = shifted(0)
    few = reweighted_bits(log_ratio, utility, np.sort(utility, axis=None)[-10])
    assert few.hits == 10 and not few.reliable
    # The weights of exponential draws are Pareto with k = 1 - 1/20.
    narrow = np.random.default_rng(0).exponential(1 / 20, size=(4, 1000))
    heavy = reweighted_bits(19 * narrow - np.log(20), narrow, 0.01)
    assert heavy.khat > 0.7 and not heavy.reliable


def test_densities_that_are_not_normalised_move_the_bits_and_are_found_out():
    log_ratio, utility = shifted(3, shift=1.0)
    right, wrong = (reweighted_bits(log_ratio + c, utility, 2.0) for c in (0.0, 1000.0))
    assert right.reliable and abs(right.mean_ratio - 1) < 4 * right.mean_ratio_mcse
    assert not wrong.reliable
    assert not reweighted_bits(log_ratio + 1.0, utility, 2.0).reliable
    less = reweighted_bits(log_ratio - 3 * np.log(2), utility, 2.0)
    assert less.bits == pytest.approx(right.bits + 3)


def test_worlds_that_the_baseline_rules_out_weigh_nothing():
    rng = np.random.default_rng(0)
    utility = rng.random((4, 1000)) * 2
    log_ratio = np.where(utility < 1, np.log(2.0), -np.inf)
    found = reweighted_bits(log_ratio, utility, [0.5, 1.0, 1.5])
    assert abs(found.bits[0] - 1) < 4 * found.mcse[0] < 0.5
    assert np.isinf(found.bits[1:]).all() and not found.reliable[1:].any()


def test_many_targets_agree_with_one_by_one():
    log_ratio, utility = shifted(5, (4, 500))
    targets = np.linspace(2, 6, 150).reshape(15, 10)
    together = reweighted_bits(log_ratio, utility, targets)
    alone = [reweighted_bits(log_ratio, utility, target) for target in targets.flat]
    gaps = together.bits.ravel() - [one.bits for one in alone]
    assert together.bits.shape == (15, 10)
    assert np.abs(gaps).mean() < 0.1 * together.mcse.mean()
    np.testing.assert_allclose(
        np.median(together.mcse.ravel() / [one.mcse for one in alone]), 1.0, atol=0.1
    )


@given(st.integers(0, 2**16))
def test_a_higher_target_never_has_fewer_bits(seed):
    log_ratio, utility = shifted(seed, (1, 100), shift=2.0)
    found = reweighted_bits(log_ratio, utility, np.sort(utility, axis=None)[::5])
    plain = np.array(found.hits)
    assert (np.diff(plain) < 0).all() and (found.bits >= 0).all()
    assert (np.diff(found.bits) > -0.5).all(), "smoothing alone may take bits back"


@pytest.mark.parametrize(
    ("log_ratio", "utility", "target", "said"),
    [
        ([0.0, 1.0], [1.0], 0.0, "one of each for every draw"),
        ([0.0, np.inf], [1.0, 2.0], 0.0, r"log_ratio\[1\] = inf"),
        ([0.0, -np.inf], [1.0, np.nan], 0.0, r"utility\[1\] = nan"),
        ([0.0, 0.0], [1.0, 2.0], np.nan, "target that is NaN"),
    ],
)
def test_bad_numbers_are_refused(log_ratio, utility, target, said):
    with pytest.raises(CounterfactualError, match=said):
        reweighted_bits(log_ratio, utility, target)
