"""Is what moves the worlds that M prizes charged, and noise not, nor what is not known free?"""

import numpy as np
import pytest
import xarray as xr

from counterfactual_models.errors import CounterfactualError, ImpactWarning
from inference import penalties
from inference.twist_penalty import twist

NAMES = ["erased", "idle", "greedy"]


def tilted(measured):
    return 0.5 * measured["clips"]


def worlds_of(*shifts, seed=0, names=NAMES, draws=1000):
    noise = np.random.default_rng(seed).normal(size=(len(names), 4, draws))
    moved = noise + np.array([0.0, *shifts])[:, None, None]
    dims = ["disciple", "chain", "draw"]
    clips = dims, moved, {"role": "measurement"}
    return xr.Dataset({"clips": clips}, coords={"disciple": names})


@pytest.fixture(scope="module")
def worlds():
    return worlds_of(0.0, 2.0)


@pytest.mark.parametrize(("of", "truth"), [("tv", 0.6827), ("log_ratio", 1.0)])
def test_what_is_moved_is_charged_and_noise_is_not(worlds, of, truth):
    charged = penalties.evaluate(twist(tilted, of=of), worlds)
    greedy, idle = (charged.sel(disciple=name) for name in ("greedy", "idle"))
    assert abs(greedy["penalty"].item() - truth) < 4 * greedy["mcse"].item() + 0.02
    assert idle["penalty"].item() < 3 * idle["mcse"].item()
    assert not charged.attrs["exact"]
    assert (charged["reason"] == "").all()


def test_a_disciple_that_changes_nothing_pays_no_more_than_the_floor_says():
    for of in ("tv", "log_ratio"):
        charge = twist(tilted, of=of)
        seen = [charge(worlds_of(0.0, 0.0, seed=seed, draws=200)) for seed in range(16)]
        paid = np.array([one["penalty"].mean().item() for one in seen])
        floor = np.mean([one["floor"].mean().item() for one in seen])
        assert paid.mean() < floor + 3 * paid.std() / 4


def test_many_measurements_of_noise_do_not_add_up():
    drawn = worlds_of(0.0, 0.0)
    rng = np.random.default_rng(1)
    dims = ["disciple", "chain", "draw"]
    for number in range(30):
        noise = rng.normal(size=(3, 4, 1000))
        drawn[f"noise_{number}"] = dims, noise, {"role": "measurement"}
    assert (twist(tilted)(drawn)["penalty"] < 0.015).all()


def test_what_cannot_be_weighed_is_charged_the_most_and_the_others_are_compared():
    drawn = worlds_of(0.0, 100.0)

    def near(measured):
        return xr.where(measured["clips"] < 20, 0.0, -np.inf)

    for of, most in (("tv", 1.0), ("log_ratio", 700.0)):
        with pytest.warns(ImpactWarning, match="no world was drawn that M allows"):
            charged = twist(near, of=of)(drawn)
        assert charged["disciple"].values.tolist() == ["idle", "greedy"]
        assert charged["penalty"].sel(disciple="greedy").item() >= most
        assert charged["reason"].sel(disciple="greedy").item()
        assert charged["penalty"].sel(disciple="idle").item() < 0.05
        assert charged["reason"].sel(disciple="idle").item() == ""
        assert np.isfinite(charged[["penalty", "mcse", "floor"]].to_dataarray()).all()


def test_where_the_erased_world_supports_nothing_everybody_pays():
    with pytest.warns(ImpactWarning, match="not known"):
        charged = twist(lambda m: xr.where(m["clips"] > 50, 0.0, -np.inf))(worlds_of(0.0, 100.0))
    assert (charged["penalty"] == 1.0).all() and (charged["reason"] != "").all()


def test_a_power_that_was_asked_for_is_charged_as_estimated(worlds):
    with pytest.warns(ImpactWarning, match="not to be trusted"):
        charged = twist(lambda m: 6 * m["clips"], of="log_ratio", power=1.0)(worlds)
    with pytest.warns(ImpactWarning, match="not to be trusted"):
        shown = twist(lambda m: 6 * m["clips"], power=1.0)(worlds)
    assert 5 < charged["penalty"].sel(disciple="greedy").item() < 50
    assert (charged["reason"] != "").all()
    assert (shown["mcse"] == 1.0).all(), "of what a few draws are worth no error is known"


@pytest.mark.parametrize(
    ("options", "said"),
    [({"of": "logratio"}, "log_ratio"), ({"power": 0.0}, "power=0.0"), ({"power": 3}, "power=3")],
)
def test_what_is_no_penalty_is_refused(options, said):
    with pytest.raises(CounterfactualError, match=said):
        twist(tilted, **options)


def test_it_weighs_with_others_and_the_master_reads_it(worlds):
    both = penalties.build({twist(tilted): 1.0, twist(tilted, of="log_ratio"): 0.5})
    found = penalties.evaluate(both, worlds)
    assert found.sizes["part"] == 2
    assert found["penalty"].sel(disciple="greedy").item() > 1.0


def test_whoever_makes_the_measure_uneven_lowers_nobodys_log_ratio():
    """Of a normal law log Z1/Z0 per power is the shift, whatever the power."""
    alone = twist(lambda m: m["clips"], of="log_ratio")(worlds_of(0.2, 2.0))
    assert alone.attrs["power"] == 1.0
    drawn = worlds_of(0.2, 2.0, 0.0, names=[*NAMES, "accomplice"])
    drawn["clips"][3] *= 1000
    beside = twist(lambda m: m["clips"], of="log_ratio")(drawn)
    assert beside.attrs["power"] < 0.01
    for name, shift in (("idle", 0.2), ("greedy", 2.0)):
        for found in (alone, beside):
            error = found["mcse"].sel(disciple=name).item()
            assert abs(found["penalty"].sel(disciple=name).item() - shift) < 4 * error < 0.4
    noisy = worlds_of(0.0, 50.0)
    noisy["clips"][2] = 50 + 10 * (noisy["clips"][2] - 50)
    charged = twist(lambda m: m["clips"], of="log_ratio")(noisy)
    assert charged["penalty"].sel(disciple="greedy").item() > 50


def test_a_disciple_that_is_left_out_lowers_no_power():
    drawn = worlds_of(0.2, 2.0, 0.0, names=[*NAMES, "accomplice"])
    drawn["clips"][3] *= 1000
    asked = []

    def measure(measured):
        asked.append(measured["clips"]["disciple"].values.tolist())
        return measured["clips"]

    for charge in (twist(measure), penalties.optimization_power(measure)):
        asked.clear()
        found = penalties.evaluate(charge, drawn, disciples=["greedy", "idle"])
        assert found["disciple"].values.tolist() == ["greedy", "idle"]
        assert asked and not any("accomplice" in names for names in asked)
    alone = twist(measure)(drawn.sel(disciple=NAMES))
    kept = penalties.evaluate(twist(measure), drawn, disciples=NAMES[1:])
    np.testing.assert_allclose(kept["penalty"], alone["penalty"])


def test_what_is_not_told_is_charged_no_less_than_anybody():
    """One draw in four thousand at 1e12 nats is not cheaper than an honest shift of 1e5."""
    drawn = worlds_of(0.0, 1e5, 1e5, names=[*NAMES, "bomb"])
    drawn["clips"][3, 0, 7] = 1e12
    with pytest.warns(ImpactWarning, match="no power of M is supported"):
        charged = twist(lambda m: m["clips"], of="log_ratio")(drawn)["penalty"]
    assert charged.sel(disciple="greedy").item() == pytest.approx(1e5, rel=1e-3)
    assert charged.sel(disciple="bomb").item() == pytest.approx(1e5 + 1e12 / 4000, rel=1e-3)
    drawn["clips"][3] = 99.0

    def ruled(measured):
        return xr.where(measured["clips"] == 99.0, -np.inf, measured["clips"])

    with pytest.warns(ImpactWarning, match="no world was drawn"):
        charged = twist(ruled, of="log_ratio")(drawn)["penalty"]
    assert charged.sel(disciple="bomb").item() == charged.sel(disciple="greedy").item() > 9e4
