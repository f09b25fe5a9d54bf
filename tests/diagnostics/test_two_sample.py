"""Does the labelled table say what a statistician expects, and refuse what it cannot compare?"""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from counterfactual_models.errors import DiscipleError, ImpactWarning, MeasurementError, WorldError
from inference.diagnostics.two_sample import two_sample

NUMBERS = ("ks", "wasserstein", "energy", "cramer_von_mises")
DIMS = ["disciple", "chain", "draw", "future"]


def tree(disciples=("greedy",), **measured):
    """Worlds of given draws, each of shape (1 + disciples, chain, draw[, future])."""
    variables = {
        name: (DIMS[: np.ndim(values)], values, {"role": "measurement"})
        for name, values in measured.items()
    }
    switch = ("disciple", [0] + [1] * len(disciples))
    drawn = xr.Dataset(variables, coords={"disciple": ["erased", *disciples], "X": switch})
    return xr.DataTree.from_dict({"predictions": drawn})


def shifted(*shifts, chains=4, draws=500, seed=0):
    noise = np.random.default_rng(seed).normal(size=(1 + len(shifts), chains, draws))
    return noise + np.array([0.0, *shifts])[:, None, None]


def test_every_number_is_there_with_its_null_and_a_name():
    found = two_sample(tree(("a", "b"), x=shifted(0, 1), y=shifted(0, 0)))
    names = {name + part for name in NUMBERS for part in ("", "_floor", "_p", "_mcse")} | {"ess"}
    assert set(found.data_vars) == names
    assert all(found[name].dims == ("disciple", "measurement") for name in names)
    assert all(found[name].attrs["long_name"] for name in names)
    assert all(np.isfinite(found[name]).all() for name in names)
    assert found["disciple"].values.tolist() == ["a", "b"]
    assert found["measurement"].values.tolist() == ["x", "y"]
    assert set(found.attrs) == {"blocks", "draws", "ess", "ess_min", "flips", "seed"}
    assert found.attrs["draws"] == 2000


def test_the_numbers_are_scipys_and_a_moved_world_is_told_from_a_still_one():
    values = shifted(0.0, 1.0, draws=1000).astype(np.float32)
    found = two_sample(tree(("idle", "mad"), price=values)).sel(measurement="price")
    for disciple, let_in in zip(("idle", "mad"), values[1:], strict=True):
        row = found.sel(disciple=disciple)
        pair = let_in.ravel().astype(float), values[0].ravel().astype(float)
        assert row["ks"].item() == pytest.approx(stats.ks_2samp(*pair).statistic)
        assert row["wasserstein"].item() == pytest.approx(stats.wasserstein_distance(*pair))
        assert row["energy"].item() == pytest.approx(stats.energy_distance(*pair))
        truth = stats.cramervonmises_2samp(*pair).statistic
        assert row["cramer_von_mises"].item() == pytest.approx(truth)
    for name in NUMBERS:
        assert found[f"{name}_p"].values[0] > 0.01
        assert found[f"{name}_p"].values[1] < 1e-3
        assert found[name].values[1] > 10 * found[f"{name}_floor"].values[1]


def test_names_select_and_do_not_change_the_numbers():
    worlds = tree(("a", "b"), x=shifted(0, 1), y=shifted(0, 2, seed=1))
    whole, one = two_sample(worlds), two_sample(worlds, disciples="b", measurements=["y"])
    xr.testing.assert_allclose(one, whole.sel(disciple=["b"], measurement=["y"]))
    with pytest.raises(DiscipleError, match="'c'"):
        two_sample(worlds, disciples="c")
    with pytest.raises(MeasurementError, match="'z'"):
        two_sample(worlds, measurements="z")


def test_futures_of_a_draw_are_no_new_pasts():
    # Every future repeats its past: 5000 rows are worth 200.
    past = np.random.default_rng(0).normal(size=(2, 4, 50, 1))
    repeated = two_sample(tree(age=np.repeat(past, 25, axis=-1)))
    once = two_sample(tree(age=past[..., 0]))
    assert repeated.attrs["draws"] == 25 * once.attrs["draws"]
    for name in ("ks", "wasserstein", "energy"):
        assert repeated[name].item() == pytest.approx(once[name].item())
        assert repeated[f"{name}_floor"].item() == pytest.approx(
            once[f"{name}_floor"].item(), rel=0.05
        )
        assert repeated[f"{name}_mcse"].item() == pytest.approx(
            once[f"{name}_mcse"].item(), rel=0.05
        )


def test_an_event_and_a_count_are_compared_like_anything_else():
    rng = np.random.default_rng(2)
    struck = rng.random((2, 4, 500)) < np.array([0.3, 0.5])[:, None, None]
    found = two_sample(tree(struck=struck, ships=rng.poisson(3, size=(2, 4, 500))))
    share = struck[1].mean() - struck[0].mean()
    event = found.sel(measurement="struck")
    assert event["ks"].item() == pytest.approx(share)
    assert event["wasserstein"].item() == pytest.approx(share)
    assert event["energy"].item() == pytest.approx(np.sqrt(2) * share)
    error = np.sqrt((0.3 * 0.7 + 0.5 * 0.5) / 2000)
    assert event["ks_mcse"].item() == pytest.approx(error, rel=0.3)
    assert found.sel(measurement="ships")["ks_p"].item() > 0.01


def test_holes_few_draws_and_few_flips_are_refused():
    holed = shifted(0.0)
    holed[1, 2, 7] = np.nan
    with pytest.raises(MeasurementError, match=r"'price' is nan .*'greedy'"):
        two_sample(tree(price=holed))
    with pytest.raises(WorldError, match="at least 40"):
        two_sample(tree(price=shifted(0.0, draws=9)))
    with pytest.raises(WorldError, match="flips=20"):
        two_sample(tree(price=shifted(0.0)), flips=20)


def test_a_slow_chain_is_warned_of_and_believed_less():
    slow = np.random.default_rng(3).normal(size=(2, 4, 500)).cumsum(axis=-1)
    with pytest.warns(ImpactWarning, match="'price'"):
        found = two_sample(tree(price=slow, quick=shifted(0.0)))
    assert found["ess"].sel(measurement="price").item() < 20
    assert found["ks_p"].sel(measurement="price").item() > 0.01
