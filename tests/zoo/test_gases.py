"""Two gases: what cancels when they mix, and what a turbine makes of it."""

import numpy as np
import pytest

from counterfactual_models import zoo


@pytest.fixture(scope="module")
def gases():
    return zoo.load("gases")


def test_each_gauge_is_worth_half_of_what_the_average_is(gases):
    truth = gases.exact(gases.disciples["null"])
    np.testing.assert_allclose(truth.gradient[0], [[0.454545] * 2, [0, 0]], atol=1e-6)
    # Readings that move apart leave the future as it was; those that move together do not.
    assert truth.gradient[0][0] @ [1, -1] == pytest.approx(0, abs=1e-12)
    # 1/2 log2(1 + F_jj sigma^2) by hand: F_jj = (.5/1.1)^2 / (.5/11 + .05), sigma^2 = 1.1.
    by_hand = 0.5 * np.log2(1 + (0.5 / 1.1) ** 2 / (0.5 / 11 + 0.05) * 1.1)
    np.testing.assert_allclose(truth.datum_bits[0], by_hand)


def test_the_turbine_hides_from_coarse_graining_and_from_the_profile_of_importance(gases):
    truth = gases.exact(gases.disciples["turbine"])
    np.testing.assert_allclose(truth.mean[1], truth.mean[0], atol=1e-12)
    np.testing.assert_allclose(truth.covariance[1], truth.covariance[0], atol=1e-12)
    assert truth.tv() == pytest.approx([0, 0], abs=1e-12)
    assert truth.switch_bits == pytest.approx(0, abs=1e-12)
    assert truth.relative.profile_distance == pytest.approx(0, abs=1e-12)
    assert truth.relative.trace_distance == pytest.approx(1, abs=1e-12)
    assert truth.penalty == 0


def test_the_benign_disciple_is_seen_by_neither_and_the_others_by_one_or_both(gases):
    tv = {n: gases.exact(d).tv()[0] for n, d in gases.disciples.items()}
    assert tv["benign"] < 0.05 < min(tv["one_sided"], tv["sign_flipped"])


def test_nothing_is_known_of_the_temperature(gases):
    for disciple in gases.disciples.values():
        truth = gases.exact(disciple)
        for x in (0, 1):
            assert truth.gradient[x][1].tolist() == [0, 0]
            assert truth.covariance[x][1].tolist() == [0, 1]
