"""Is a datum weighed as the closed forms say, beside the switch, and nothing read into noise?"""

import sys

import numpy as np
import pytest
from closed_forms.linear_gaussian import LinearGaussian
from closed_forms.trees import scored_tree

from counterfactual_models.errors import MeasurementError
from inference.diagnostics.coarse_graining import coarse_graining
from inference.diagnostics.evidence_importance import evidence_importance

# T1, and a second datum that says nothing about the future.
ONE = LinearGaussian(np.eye(2), np.eye(2), 0.25 * np.eye(2), [[0.8, 0.0]], 0.0, 0.5)
SCALE = np.sqrt(ONE.loo_variance)
# Eight equally likely cells keep this share of a normal's Fisher information (T2).
KEPT = 0.302411 / 0.32


def tree(shift=0.0, seed=0, futures=1, draws=2500):
    drawn = ONE.draw([1.0, 1.0], draws=draws, futures=futures, seed=seed)
    other = ONE.draw([1.0, 1.0], draws=draws, futures=futures, seed=seed + 1)
    let_in = other.w + shift * np.sqrt(ONE.covariance[0, 0])
    # The let-in world stands on the same past.
    let_in += 0.8 * (drawn.z - other.z)[:, :, None, :1]
    return scored_tree({"erased": drawn.w, "shift": let_in}, drawn.score, scale=SCALE)


def test_fisher_information_bits_and_rates_are_the_closed_forms():
    found = evidence_importance(tree(0.8)).isel(measurement=0)
    fisher = KEPT * ONE.fisher[0, 0]
    bits = 0.5 * np.log2(1 + fisher * SCALE[0] ** 2)
    rate = ONE.jacobian[0, 0] / np.sqrt(2 * np.pi * ONE.covariance[0, 0])
    own = found.sel(disciple="erased", datum="e[0]")
    for name, truth in (("fisher", fisher), ("bits", bits), ("tv_rate", rate)):
        assert abs(float(own[name]) - truth) < 4 * float(own[f"{name}_mcse"]) + 0.01 * truth
    for world in ("erased", "shift"):
        none = found.sel(disciple=world, datum="e[1]")
        for name in ("fisher", "bits", "tv_rate", "contrast"):
            assert abs(float(none[name])) < 4 * float(none[f"{name}_mcse"])


def test_the_switch_is_weighed_in_the_same_units():
    # T11: a shift of .8 deviations.
    found = evidence_importance(tree(0.8), cells=16).isel(measurement=0)
    own = found.sel(disciple="shift")
    assert abs(float(own["switch_bits"]) - 0.107016) < 4 * float(own["switch_bits_mcse"]) + 0.002
    assert abs(float(own["switch_tv"]) - 0.310843) < 4 * float(own["switch_tv_mcse"]) + 0.005
    assert float(found["switch_bits"].sel(disciple="erased")) == 0
    seen = coarse_graining(tree(0.8)).isel(measurement=0, disciple=0)["tv"]
    assert np.isclose(float(seen), float(own["switch_tv"]), atol=0.02)


def test_a_datum_of_no_importance_reads_zero_on_average():
    found = [
        evidence_importance(tree(seed=10 * k, draws=250)).isel(measurement=0) for k in range(60)
    ]
    for name in ("tv_rate", "fisher", "bits", "contrast"):
        each = np.array([f[name].sel(datum="e[1]").values for f in found])
        assert np.all(np.abs(each.mean(0)) < 3 * each.std(0) / np.sqrt(60)), name
    plugin = np.array([f["tv_rate_plugin"].sel(datum="e[1]").values for f in found]).mean()
    floor = np.array([f["tv_rate_floor"].sel(datum="e[1]").values for f in found]).mean()
    assert np.isclose(plugin, floor, rtol=0.1)


def test_smoothed_densities_are_weighed_when_asked_for():
    found = evidence_importance(tree(futures=3), smoothing=0.3).isel(measurement=0)
    assert "smoothed" not in evidence_importance(tree())
    # In deviations u of the erased world: rate² / (4 √π (1 + h²)^1.5).
    rate = ONE.jacobian[0, 0] / np.sqrt(ONE.covariance[0, 0])
    truth = rate**2 / (4 * np.sqrt(np.pi) * 1.09**1.5)
    own = found.sel(disciple="erased")
    gap = abs(own["smoothed"].values - [truth, 0.0])
    assert np.all(gap < 4 * own["smoothed_mcse"].values + 0.02 * truth)
    assert np.all(own["smoothed_plugin"] > own["smoothed"])


def test_the_erased_world_alone_can_be_asked():
    found = evidence_importance(tree(), disciples=[])
    assert found.disciple.values.tolist() == ["erased"]
    assert float(found["switch_bits"][0, 0]) == 0


def test_without_scales_there_are_no_bits():
    given = tree()
    del given["evidence_scales"]
    assert not {"bits", "contrast"} & set(evidence_importance(given))


def test_many_data_in_many_chunks_give_the_same_numbers(monkeypatch):
    whole = evidence_importance(tree(0.8))
    module = sys.modules["inference.diagnostics.evidence_importance"]  # the function has its name
    monkeypatch.setattr(module, "SLOPES", 1)
    parts = evidence_importance(tree(0.8))
    for name in whole:
        assert np.allclose(whole[name], parts[name])


def test_measurements_computed_from_the_evidence_are_refused():
    drawn = ONE.draw([1.0, 1.0])
    given = scored_tree(
        {"erased": drawn.w, "same": drawn.w}, drawn.score, direct=np.ones((2, 20, 1, 2))
    )
    with pytest.raises(MeasurementError, match="computed from the evidence"):
        evidence_importance(given)


@pytest.mark.parametrize("shift", [2.0, 20.0])
def test_a_world_that_was_moved_away_depends_on_the_evidence_as_before(shift):
    found = evidence_importance(tree(shift), smoothing=0.3).isel(measurement=0)
    own, erased = (found.sel(disciple=world, datum="e[0]") for world in ("shift", "erased"))
    for name in ("fisher", "bits", "tv_rate", "smoothed"):
        error = np.hypot(float(own[f"{name}_mcse"]), float(erased[f"{name}_mcse"]))
        assert abs(float(own[name]) - float(erased[name])) < 4 * error
        assert float(own[name]) > 5 * float(own[f"{name}_mcse"])
