"""Are whitened outputs uncorrelated, of variance one, and none of them said twice?"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inference.arrays.whitening import whitener


def factor(seed, outputs, rank, spread):
    rng = np.random.default_rng(seed)
    return 10.0 ** rng.uniform(-spread, spread, (outputs, 1)) * rng.normal(size=(outputs, rank))


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 8), st.integers(0, 5))
def test_whitened_outputs_have_the_identity_for_covariance(seed, outputs, rank, spread):
    covariance = np.cov(
        factor(seed, outputs, rank, spread) @ np.random.default_rng(0).normal(size=(rank, 50))
    )
    covariance = np.atleast_2d(covariance)
    white = whitener(covariance)
    assert len(white) <= min(outputs, rank)
    assert np.allclose(white @ covariance @ white.T, np.eye(len(white)), atol=1e-6)


@given(st.integers(0, 10**6))
def test_units_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    slopes, units = rng.normal(size=5), 10.0 ** rng.uniform(-6, 6, 5)
    covariance = np.cov(rng.normal(size=(5, 40)))
    plain = np.sum((whitener(covariance) @ slopes) ** 2)
    other = np.sum((whitener(units[:, None] * covariance * units) @ (units * slopes)) ** 2)
    assert np.isclose(plain, other, rtol=1e-6)
    assert np.isclose(plain, slopes @ np.linalg.solve(covariance, slopes), rtol=1e-6)


def test_nothing_that_varies_leaves_nothing():
    assert whitener(np.zeros((3, 3))).shape == (0, 3)
