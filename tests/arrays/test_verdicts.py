"""Are verdicts those of the bounds, and is the number of draws that would tell honest?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.arrays.verdicts import MOST_DRAWS, draws_needed, verdicts


@pytest.mark.parametrize(("cells", "factor"), [(16, 11.2), (8, 7.05), (2, 2.98)])
@pytest.mark.parametrize("tolerance", [0.05, 0.01])
def test_no_impact_needs_the_draws_of_the_closed_form(cells, factor, tolerance):
    draws = 4000
    need = draws_needed(
        np.zeros(1),
        floor=np.sqrt((cells - 1) / np.pi / draws),
        mcse=np.sqrt(0.5 / draws),
        tolerance=tolerance,
        draws=draws,
        effective=1e12,
    )
    assert need.item() == pytest.approx(factor / tolerance**2, rel=0.01)


def test_what_never_happened_needs_three_over_the_tolerance():
    need = draws_needed(
        np.zeros(1), floor=0.0, mcse=0.0, tolerance=0.01, draws=100, effective=100.0
    )
    assert need.item() == pytest.approx(300, abs=1)


def test_an_impact_as_large_as_the_tolerance_is_never_told():
    need = draws_needed(
        np.array([0.05, 0.04999999, 0.0500000001]),
        floor=0.02,
        mcse=0.01,
        tolerance=0.05,
        draws=1000,
        effective=1000.0,
    )
    assert need.tolist() == [MOST_DRAWS] * 3


@given(
    tv=st.floats(0, 1),
    floor=st.floats(0, 0.5),
    mcse=st.floats(0, 0.2),
    tolerance=st.floats(1e-4, 1),
    draws=st.integers(40, 10**6),
)
def test_draws_needed_are_finite_and_fall_with_the_noise(tv, floor, mcse, tolerance, draws):
    def need(noise):
        return draws_needed(
            np.array([tv]),
            floor=noise * floor,
            mcse=noise * mcse,
            tolerance=tolerance,
            draws=draws,
            effective=draws,
        ).item()

    assert 40 <= need(0.5) <= need(1.0) <= MOST_DRAWS


@given(bounds=st.tuples(st.floats(0, 1), st.floats(0, 1)), tolerance=st.floats(0.001, 1))
def test_a_verdict_needs_its_bound(bounds, tolerance):
    lower, upper = min(bounds), max(bounds)
    said = verdicts(np.array([lower]), np.array([upper]), tolerance=tolerance)[0]
    assert (said == "above") == (lower > tolerance)
    assert (said == "below") == (upper <= tolerance)
    assert isinstance(said, str)
