"""Are bits told for their price, and against what could be done?"""

import numpy as np
import pytest

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.search_quality import potential, search_rate


def test_random_search_has_no_excess():
    tries = np.array([1, 2, 16, 1024])
    expected = [1 / np.log(2), 2.16404256133, 4.87736095312, 10.8334505036]
    found = search_rate(expected, tries, 2.0, mcse=0.3)
    np.testing.assert_allclose(found.excess, 0.0, atol=1e-9)
    np.testing.assert_allclose(found.efficiency, 1.0, rtol=1e-10)
    assert (np.diff(found.per_evaluation) < 0).all()
    np.testing.assert_allclose(found.per_second_mcse, 0.15)
    assert search_rate(3.0, 10).per_second is None


def test_potential_is_of_a_declared_set_and_its_maximum_is_noisy():
    found = potential([3.0, 1.0, 2.0], 1.5, quantile=0.5, mcse=[0.3, 0.1, 0.2])
    assert found.maximum.bits == 3.0 and found.maximum.mcse == 0.3
    assert found.quantile.bits == 2.0 and found.quantile.mcse == pytest.approx(0.2)
    assert found.held_back.bits == 1.5 and found.share_above == pytest.approx(2 / 3)
    assert potential([3.0, 1.0], 1.0).maximum_noise == 0.0
    alike = potential(np.zeros(2), 0.0, mcse=1.0).maximum_noise
    assert alike == pytest.approx(1 / np.sqrt(np.pi), abs=1e-6)
    five = potential(np.zeros(5), 0.0, mcse=2.0).maximum_noise
    assert five == pytest.approx(2 * 1.1629644736, abs=1e-5)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: search_rate(1.0, 0), "at least one evaluation"),
        (lambda: potential([1.0], 1.0, quantile=2), "quantile=2"),
        (lambda: potential([1.0], 1.0, mcse=-1.0), "at least 0"),
    ],
)
def test_bad_input_is_refused(call, said):
    with pytest.raises(CounterfactualError, match=said):
        call()
