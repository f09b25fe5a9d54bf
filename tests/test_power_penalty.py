"""Are bits beyond an allowance charged, and chance, noise and the allowance not?"""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import inference
from counterfactual_models.errors import CounterfactualError, ImpactWarning
from inference import penalties

NAMES = ["erased", "idle", "clumsy", "greedy"]


def clips(measured):
    return measured["clips"]


@pytest.fixture(scope="module")
def worlds():
    shifts = np.array([0.0, 0.0, -1.0, 2.0])[:, None, None]
    drawn = np.random.default_rng(0).normal(size=(4, 4, 1000)) + shifts
    return xr.Dataset(
        {"clips": (["disciple", "chain", "draw"], drawn)}, coords={"disciple": NAMES}
    )


def test_power_beyond_chance_is_charged_and_chance_is_not(worlds):
    charged = penalties.evaluate(penalties.optimization_power(clips, of="mean_tail"), worlds)
    expected = -np.log2(stats.norm.sf(2 / np.sqrt(2))) - 1
    greedy, idle = (charged.sel(disciple=name) for name in ("greedy", "idle"))
    assert abs(greedy["penalty"] - expected) < 3 * greedy["mcse"]
    assert idle["penalty"] < 3 * idle["mcse"]
    assert not charged.attrs["exact"]


def test_who_makes_things_worse_pays_nothing(worlds):
    charged = penalties.evaluate(penalties.optimization_power(clips), worlds)
    assert charged["penalty"].sel(disciple="clumsy").item() == 0.0


def test_the_allowance_goes_free(worlds):
    free, half = (
        penalties.optimization_power(clips, allowed=bits)(worlds)["penalty"] for bits in (0.0, 1.5)
    )
    assert half.sel(disciple="greedy").item() == pytest.approx(
        free.sel(disciple="greedy").item() - 1.5
    )


def test_the_master_lets_a_quantiliser_in_and_keeps_an_optimizer_out():
    draws = np.random.default_rng(1).random((3, 4, 1000))
    draws[1] = 1 - draws[1] / 2  # of the better half: one bit
    draws[2] = 1 - draws[2] / 64  # of the best 64th: six
    names = ["erased", "quantiliser", "optimizer"]
    worlds = xr.Dataset(
        {"clips": (["disciple", "chain", "draw"], draws)}, coords={"disciple": names}
    )
    power = penalties.optimization_power(clips, of="worst", allowed=1.1)
    assert inference.choose(worlds, clips, power, weight=0.0).chosen == "optimizer"
    assert inference.choose(worlds, clips, power, weight=1.0).chosen == "quantiliser"


def test_bits_that_are_a_lower_bound_say_so_where_they_are_charged(worlds):
    far = worlds.copy(deep=True)
    far["clips"][3] += 20.0
    with pytest.warns(ImpactWarning, match="only a lower bound"):
        charged = penalties.optimization_power(clips)(far)
    assert "no erased world" in charged["reason"].sel(disciple="greedy").item()
    assert charged["penalty"].sel(disciple="greedy").item() > 9
    assert np.isfinite(charged["penalty"]).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [({"of": "log2n"}, "log2_n"), ({"allowed": -1.0}, "at least 0"), ({"of": "bits"}, "got of=")],
)
def test_what_is_no_summary_or_no_allowance_is_refused(options, said):
    with pytest.raises(CounterfactualError, match=said):
        penalties.optimization_power(clips, **options)


@pytest.mark.parametrize("asked", ["optimization_power", penalties.optimization_power])
def test_the_penalty_without_a_utility_says_how_to_give_one(asked, worlds):
    with pytest.raises(CounterfactualError, match=r"optimization_power\(utility"):
        inference.choose(worlds, clips, asked)


def test_an_error_that_is_not_known_is_no_zero_where_nothing_is_charged(worlds, monkeypatch):
    shown = inference.diagnostics.optimization_power(worlds, clips)
    unknown = shown.assign(mcse=shown["mcse"] * np.inf)
    monkeypatch.setattr("inference.power_penalty.measured_power", lambda *_, **__: unknown)
    found = penalties.optimization_power(clips, allowed=50.0)(worlds)
    assert (found["penalty"] == 0).all() and (found["mcse"] >= 1).all()
    assert (found["reason"] != "").all()
