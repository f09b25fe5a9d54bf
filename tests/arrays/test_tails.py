"""A tail beyond a sample is that of the law the sample is from."""

import numpy as np
import pytest
from scipy import stats

from inference.arrays.tails import FEWEST_EXCEEDANCES, exceedance


@pytest.mark.parametrize("law", [stats.norm(20, 1), stats.gamma(8), stats.gamma(60)])
def test_it_follows_the_law_far_beyond_the_sample(law):
    repeats = 40
    samples = law.rvs(size=(repeats, 4000), random_state=0)
    for level in (1e-4, 1e-5):
        chance, _ = exceedance(samples, np.full(repeats, law.isf(level)))
        # Pearson III has all three laws in it, with a skewness known to .04, and never below 0.
        assert abs(np.log10(chance).mean() - np.log10(level)) < 0.2


def test_where_enough_reach_it_their_share_is_the_answer():
    samples = np.arange(100.0)[None]
    chance, reached = exceedance(samples, np.array([100.0 - FEWEST_EXCEEDANCES]))
    assert reached.item() == FEWEST_EXCEEDANCES
    assert chance.item() == (1 + FEWEST_EXCEEDANCES) / 101


def test_ties_count_and_what_never_varies_is_no_evidence():
    samples = np.full((2, 50), 0.1 + 0.2)
    chance, reached = exceedance(samples, np.array([0.3, 0.4]))
    assert reached.tolist() == [50, 0]
    assert chance.tolist() == [1.0, 1 / 51]
