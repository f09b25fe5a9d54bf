"""Are bits between cells a lower bound of those of the utility, and are telling cells told?"""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from counterfactual_models.errors import CounterfactualError, DiscipleError, MeasurementError
from inference.diagnostics.coarse_power import coarse_power
from inference.diagnostics.optimization_power import optimization_power

DIMS = ["disciple", "chain", "draw", "future"]


def clips(measured):
    return measured["clips"]


def drawn(names=("greedy",), **measured):
    variables = {
        name: (DIMS[: values.ndim], values, {"role": "measurement"})
        for name, values in measured.items()
    }
    return xr.Dataset(variables, coords={"disciple": ["erased", *names]})


def shifted(*shifts, seed=0, shape=(4, 1000)):
    noise = np.random.default_rng(seed).normal(size=(1 + len(shifts), *shape))
    return noise + np.array([0.0, *shifts]).reshape(-1, *[1] * len(shape))


@settings(max_examples=15)
@given(st.integers(0, 999), st.floats(-1, 2), st.sampled_from([2, 4, 16]))
def test_intervals_of_the_utility_only_ever_take_bits_away(seed, shift, cells):
    worlds = drawn(clips=shifted(shift, seed=seed, shape=(2, 200)))
    coarse = coarse_power(worlds, clips, cells=cells)
    fine = optimization_power(worlds, clips)
    seen = ~fine["censored"].values & np.isfinite(coarse["cell_bits"].values)
    assert (coarse["cell_bits"].values <= fine["op_bits"].values + 1e-9)[seen].all()


def test_cells_of_equal_mass_have_the_bits_of_their_number():
    """Of 16 equal cells the k-th from above has log2(16/k) bits."""
    worlds = drawn(clips=shifted(0.0, shape=(4, 4000)))
    found = coarse_power(worlds, clips).isel(disciple=0)
    numbers = np.unique(found["cell_bits"].values.round(2))
    inner = numbers[numbers < 5]  # beyond is the sliver of the most extreme draws
    np.testing.assert_allclose(inner, np.log2(16 / np.arange(16, 0, -1)), atol=0.02)
    assert abs(found["surprisal"] - 4) < 0.1 and not found["tells_switch"]


def test_the_mean_tail_of_two_cells_is_that_of_a_coin():
    """Above the median or not: P(cell as good) is a half of what is above, and one below."""
    found = coarse_power(drawn(clips=shifted(1.0)), clips, cells=2).isel(disciple=0)
    above = stats.norm.sf(-1.0)
    truth = -np.log2(above / 2 + 1 - above)
    assert abs(found["mean_tail"] - truth) < 4.5 * found["mean_tail_mcse"]


def test_a_measurement_that_shows_the_disciple_is_told():
    present = np.zeros((2, 4, 1000))
    present[1] = 1
    worlds = drawn(clips=shifted(1.0), present=present)
    found = coarse_power(worlds, clips)
    assert found["tells_switch"].item() and found["unseen"].item() > 0.99
    assert np.isinf(found["surprisal"]).all()
    blind = coarse_power(worlds, clips, measurements="clips")
    assert not blind["tells_switch"].item() and blind.attrs["measurements"] == "clips"


def test_other_disciples_do_not_matter_where_cells_are_alike():
    values = shifted(1.0, 0.3)
    whole = coarse_power(drawn(("a", "b"), clips=values), clips)
    only = coarse_power(drawn(("a", "b"), clips=values), clips, disciples=["b"])
    np.testing.assert_array_equal(whole["cell_bits"].sel(disciple="b"), only["cell_bits"][0])


def test_futures_are_kept_apart():
    values = shifted(1.0, shape=(2, 50, 3))
    found = coarse_power(drawn(clips=values), clips)
    assert found["cell_bits"].dims == ("disciple", "chain", "draw", "future")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"cell_utility": "men"}, CounterfactualError),
        ({"disciples": "gredy"}, DiscipleError),
        ({"disciples": []}, DiscipleError),
        ({"measurements": "clps"}, MeasurementError),
    ],
)
def test_what_cannot_be_answered_is_refused(options, error):
    with pytest.raises(error):
        coarse_power(drawn(clips=shifted(1.0)), clips, **options)
