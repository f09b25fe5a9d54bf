"""Do the slopes of worlds with known answers come out, and are mistakes answered?"""

import numpy as np
import pytest
import xarray as xr
from closed_forms.linear_gaussian import LinearGaussian
from closed_forms.trees import scored_tree
from scipy import stats

from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    EvidenceError,
    MeasurementError,
    WorldError,
)
from counterfactual_models.utilities import bounded
from inference.diagnostics.evidence_gradient import evidence_gradient

RNG = np.random.default_rng(0)
SEE, REACH = RNG.normal(size=(6, 3)), RNG.normal(size=(4, 3))
E = RNG.normal(size=6)
READS = {"erased": 0.3 * RNG.normal(size=(4, 6)), "double": 0.3 * RNG.normal(size=(4, 6))}


def world(gain=1.0, direct=0.0):
    return LinearGaussian(np.eye(3), SEE, np.eye(6), gain * REACH, direct, np.eye(4))


def tree(futures=1, draws=1000, seed=1):
    drawn = {
        name: world(gain).draw(E, draws=draws, futures=futures, seed=seed)
        for name, gain in (("erased", 1.0), ("double", 2.0))
    }
    return scored_tree(
        {name: d.w for name, d in drawn.items()},
        drawn["erased"].score,
        scale=np.sqrt(world().loo_variance),
    )


def reading_tree(futures=1, draws=1000, seed=1, worlds=READS):
    """Worlds whose futures read the evidence: a score for every world and future."""
    drawn = {
        name: reading(name).draw(E, draws=draws, futures=futures, seed=seed) for name in worlds
    }
    return scored_tree(
        {name: d.w for name, d in drawn.items()},
        np.stack([d.full_score for d in drawn.values()]),
    )


def reading(name):
    return world(
        2.0 if name == "double" else 1.0, READS["double" if name == "double" else "erased"]
    )


def added(gain=2.0):
    return world(gain).jacobian - world().jacobian


def near(found, truth, mcse, most=4.5):
    return np.abs((found - truth) / mcse).max() < most


@pytest.mark.parametrize("futures", [1, 5])
def test_gradients_of_both_worlds_are_the_closed_forms(futures):
    found = evidence_gradient(tree(futures))
    for name, gain in (("erased", 1.0), ("double", 2.0)):
        own = found.sel(disciple=name)
        assert near(own["gradient"].values, world(gain).jacobian, own["mcse"].values)
    assert found["gradient"].dims == ("disciple", "measurement", "datum")
    assert found.datum.values.tolist() == [f"e[{k}]" for k in range(6)]
    assert np.allclose(found["scale"], np.sqrt(world().loo_variance))


def test_several_futures_make_errors_smaller():
    one, five = (evidence_gradient(tree(k))["mcse"].mean() for k in (1, 5))
    assert five < 0.9 * one


def test_a_future_that_reads_the_evidence_needs_its_own_scores():
    # T1: w = .8 z + .3 e + noise, J = .64 + .3.
    one = LinearGaussian(1, 1, 0.25, 0.8, 0.3, 0.5)
    drawn = one.draw([1.0], draws=2000, futures=3, seed=4)
    both = {"erased": drawn.w, "same": drawn.w}
    full = scored_tree(both, np.stack([drawn.full_score] * 2))
    found = evidence_gradient(full, disciples="same").sel(disciple="same")
    assert near(found["gradient"].values, 0.94, found["mcse"].values)
    past_only = evidence_gradient(scored_tree(both, drawn.score)).sel(disciple="same")
    assert near(past_only["gradient"].values, 0.64, past_only["mcse"].values)


def test_a_measurement_computed_from_the_evidence_gets_its_direct_term():
    one = LinearGaussian(1, 1, 0.25, 0.8, 0.0, 0.5)
    drawn = one.draw([1.0], seed=4)
    direct = np.full((2, 20, 1, 1), 0.3)
    given = scored_tree(
        {"erased": drawn.w, "same": drawn.w}, drawn.score, direct=direct, scale=np.ones(1)
    )
    found = evidence_gradient(given)
    assert near(found["gradient"].values, 0.94, found["mcse"].values)
    with pytest.raises(MeasurementError, match=r"'w\[0\]' is computed from the evidence"):
        evidence_gradient(given, outputs="cells")
    with pytest.raises(MeasurementError, match="computed from the evidence"):
        evidence_gradient(given, outputs=lambda drawn: drawn["w"].sum("output"))
    with pytest.raises(MeasurementError, match="computed from the evidence"):
        evidence_gradient(given, outputs=lambda _: pytest.fail("it may take long to run"))


def test_gradients_of_cells_are_the_closed_form_and_add_up_to_zero():
    found = evidence_gradient(tree(4), outputs="cells", cells=4)
    assert np.abs(found["gradient"].sum("cell")).max() < 1e-6
    one = world()
    mean, sd = one.mean(E), np.sqrt(np.diag(one.covariance))
    own = found.sel(disciple="erased")
    edges = own["edges"].values
    density = stats.norm.pdf(edges, mean[:, None], sd[:, None])
    density = np.pad(np.nan_to_num(density), ((0, 0), (1, 1)))
    # d/de P(a <= w < b) = J (p(a) - p(b)); edges are sample quantiles, far better known than it
    truth = (density[:, :-1] - density[:, 1:])[:, :, None] * one.jacobian[:, None, :]
    seen = own["mcse"].values > 0
    z = (own["gradient"].values - truth)[seen] / own["mcse"].values[seen]
    assert np.abs(z).max() < 5
    assert np.sqrt(np.mean(z**2)) < 1.3


def test_moments_tell_the_level_and_the_spread():
    found = evidence_gradient(tree(), outputs="moments")
    assert found.moment.values.tolist() == ["mean", "squared_distance"]
    level = found.sel(moment="mean", disciple="double")
    assert near(level["gradient"].values, world(2.0).jacobian, level["mcse"].values)
    # About the erased mean m0: d E[(w - m0)²]/de = 2 (m - m0) J.
    spread = found.sel(moment="squared_distance", disciple="double")
    truth = 2 * (world(2.0).mean(E) - world().mean(E))[:, None] * world(2.0).jacobian
    assert near(spread["gradient"].values, truth, spread["mcse"].values)


def test_a_utility_and_functions_of_all_that_is_drawn_are_outputs():
    total = evidence_gradient(tree(), outputs=lambda drawn: drawn["w"].sum("output"))
    assert total.measurement.values.tolist() == ["function"]
    parts = evidence_gradient(tree())["gradient"].sum("measurement")
    assert np.allclose(total["gradient"].isel(measurement=0), parts)
    first = bounded("first", cap=100.0, floor=-100.0)
    named = {
        "wanted": lambda drawn: first({"first": drawn["w"].isel(output=0)}),
        "twice": lambda drawn: 2 * drawn["w"],
    }
    found = evidence_gradient(tree(), outputs=named)
    single = evidence_gradient(tree())["gradient"].sel(measurement="w[0]")
    assert np.allclose(found["gradient"].sel(measurement="wanted"), single / 200)
    assert np.allclose(found["gradient"].sel(measurement="twice[0]"), 2 * single)


def test_a_choice_of_data_and_measurements_gives_the_same_numbers():
    whole = evidence_gradient(tree())
    part = evidence_gradient(
        tree(), data=["e[4]", "e[1]"], measurements="w[2]", disciples="double"
    )
    assert part.datum.values.tolist() == ["e[1]", "e[4]"]
    assert part.disciple.values.tolist() == ["erased", "double"]
    own = whole.sel(measurement=["w[2]"], datum=["e[1]", "e[4]"])
    assert np.allclose(part["gradient"], own["gradient"])


@pytest.mark.parametrize("futures", [1, 5])
def test_a_difference_of_worlds_that_share_scores_is_the_closed_form(futures):
    found = evidence_gradient(tree(futures), difference=True)
    assert found["gradient"].dims == ("disciple", "measurement", "datum")
    assert found.disciple.values.tolist() == ["double"]
    assert near(found["gradient"][0].values, added(), found["mcse"][0].values)
    apart = evidence_gradient(tree(futures))["gradient"].diff("disciple")
    assert np.allclose(found["gradient"], apart)


@pytest.mark.parametrize("futures", [1, 5])
def test_a_difference_of_worlds_with_their_own_scores_is_the_closed_form(futures):
    found = evidence_gradient(reading_tree(futures), difference=True)
    truth = reading("double").jacobian - reading("erased").jacobian
    assert near(found["gradient"][0].values, truth, found["mcse"][0].values)
    apart = evidence_gradient(reading_tree(futures))["gradient"].diff("disciple")
    assert np.allclose(found["gradient"], apart)


@pytest.mark.parametrize("draws", [250, 253])
def test_scores_that_are_shared_may_be_told_world_by_world(draws):
    shared = tree(draws=draws)
    each = shared.copy()
    scores = shared["evidence_scores"].to_dataset().expand_dims(disciple=["erased", "double"])
    each["evidence_scores"] = xr.DataTree(scores.copy())
    one, two = (evidence_gradient(given, difference=True) for given in (shared, each))
    xr.testing.assert_allclose(one, two)


def test_the_error_of_a_difference_is_as_large_as_its_error():
    truth = reading("double").jacobian - reading("erased").jacobian
    z, shared = [], []
    for seed in range(12):
        found = evidence_gradient(reading_tree(2, draws=250, seed=seed), difference=True)
        z.append((found["gradient"][0] - truth) / found["mcse"][0])
        found = evidence_gradient(tree(draws=250, seed=seed), difference=True)
        shared.append((found["gradient"][0] - added()) / found["mcse"][0])
    for errors in (z, shared):
        assert 0.8 < np.sqrt(np.mean(np.square(errors))) < 1.25


def test_what_worlds_share_is_no_error_of_their_difference():
    for given in (tree(4), reading_tree(4)):
        one = evidence_gradient(given)["mcse"]
        found = evidence_gradient(given, difference=True)["mcse"][0]
        assert (found < 0.85 * np.hypot(one[0], one[1])).all()


def test_a_disciple_that_changes_nothing_has_differences_of_exactly_zero():
    drawn = world().draw(E, draws=253, futures=3, seed=1)
    same = scored_tree({"erased": drawn.w, "null": drawn.w}, drawn.score)
    for given in (same, reading_tree(3, draws=253, worlds=["erased", "null"])):
        for outputs in ("measurements", "moments", "cells"):
            found = evidence_gradient(given, outputs=outputs, difference=True)
            assert (found["gradient"] == 0).all()
            assert (found["mcse"] == 0).all()


@pytest.mark.parametrize("make", [tree, reading_tree])
def test_differences_of_cells_add_up_to_zero(make):
    found = evidence_gradient(make(4), outputs="cells", cells=4, difference=True)
    assert found["gradient"].dims == ("disciple", "measurement", "cell", "datum")
    assert np.abs(found["gradient"].sum("cell")).max() < 1e-6
    assert found["edges"].dims == ("measurement", "edge")
    apart = evidence_gradient(make(4), outputs="cells", cells=4)["gradient"].diff("disciple")
    assert np.allclose(found["gradient"], apart, atol=1e-6)


@pytest.mark.parametrize("own", [False, True])
def test_direct_terms_are_subtracted_too(own):
    one = LinearGaussian(1, 1, 0.25, 0.8, 0.0, 0.5)
    drawn = one.draw([1.0], seed=4)
    direct = np.stack([np.full((20, 1, 1), 0.3), np.full((20, 1, 1), 0.5)])
    scores = np.stack([drawn.full_score] * 2) if own else drawn.score
    worlds = {"erased": drawn.w, "reader": 2 * drawn.w}
    found = evidence_gradient(scored_tree(worlds, scores, direct=direct), difference=True)
    assert near(found["gradient"].values, 0.64 + 0.2, found["mcse"].values)
    # What is known without draws has no error of its own.
    none = scored_tree(worlds, scores, direct=np.zeros((2, 20, 1, 1)))
    alone = evidence_gradient(none, difference=True)
    assert np.allclose(found["mcse"], alone["mcse"])
    assert np.allclose(found["gradient"] - alone["gradient"], 0.2, rtol=1e-3)


def test_a_difference_says_that_it_is_one(tmp_path):
    assert evidence_gradient(tree()).attrs["difference"] == 0
    found = evidence_gradient(tree(), difference=True)
    found.to_netcdf(tmp_path / "difference.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "difference.nc", engine="netcdf4") as again:
        assert again.attrs["difference"] == 1
        assert "less that of the erased world" in again["gradient"].attrs["long_name"]
    with pytest.raises(DiscipleError, match="'erased' only"):
        evidence_gradient(tree(), disciples=[], difference=True)


def test_what_is_saved_and_loaded_gives_the_same_numbers(tmp_path):
    import inference

    inference.save(tree(), tmp_path / "worlds.nc")
    again = evidence_gradient(inference.load(tmp_path / "worlds.nc"))
    xr.testing.assert_allclose(again, evidence_gradient(tree()))


def test_mistakes_are_answered():
    given = tree()
    bare = xr.DataTree.from_dict({"predictions": given["predictions"].to_dataset()})
    with pytest.raises(WorldError, match="with_scores"):
        evidence_gradient(bare)
    with pytest.raises(WorldError, match="with_scores"):
        evidence_gradient(given["predictions"].to_dataset())
    with pytest.raises(EvidenceError, match="Did you mean 'e'"):
        evidence_gradient(given, data="ee")
    with pytest.raises(EvidenceError, match=r"'e\[9\]'"):
        evidence_gradient(given, data="e[9]")
    with pytest.raises(EvidenceError, match="leave it out"):
        evidence_gradient(given, data=[])
    with pytest.raises(CounterfactualError, match="'sells'"):
        evidence_gradient(given, outputs="sells")
    with pytest.raises(CounterfactualError, match="gave dims"):
        evidence_gradient(given, outputs=lambda drawn: drawn["w"].mean("draw"))
    with pytest.raises(CounterfactualError, match="gave a float"):
        evidence_gradient(given, outputs=lambda drawn: 3.0)
    with pytest.raises(CounterfactualError, match="a name of its own"):
        evidence_gradient(given, outputs={"output": lambda drawn: drawn["w"]})
    broken = tree()
    scores = broken["evidence_scores"].to_dataset()
    scores["e"] = scores["e"].where(scores["e"] != scores["e"][0, 0, 2])
    broken["evidence_scores"] = xr.DataTree(scores)
    with pytest.raises(EvidenceError, match=r"'e\[2\]' is not finite"):
        evidence_gradient(broken)
