"""Does leaving out a datum, a woman or a site show what the evidence without it would say?"""

import warnings
from importlib import import_module

import arviz_stats as azs
import numpy as np
import pytest
import xarray as xr
from arviz_stats.psense import psense
from scipy import stats

from counterfactual_models.errors import (
    DiscipleError,
    EvidenceError,
    ImpactWarning,
    MeasurementError,
    WorldError,
)
from inference.arrays.reweighting import belief_bits, moved_means
from inference.arrays.weights import pareto_smoothed
from inference.diagnostics import evidence_pieces
from inference.diagnostics.leave_out import leave_out
from inference.schema import encode_attrs

SAMPLE = ["chain", "draw"]
TEXTS = {"verdict", "reading"}
NOISE = np.array([1.5, 2.0, 3.0, 2.0])  # of the data
SEEN = np.array([1.2, -0.4, 0.8, 0.3])


def posterior(kept=(0, 1, 2, 3)):
    """Mean and variance of z ~ N(0, 1) given e_j = z + noise."""
    precision = 1 + np.sum(1 / NOISE[list(kept)] ** 2)
    return np.sum((SEEN / NOISE**2)[list(kept)]) / precision, 1 / precision


def bits(now, then):
    (mean, variance), (other, other_variance) = now, then
    ratio = variance / other_variance
    return 0.5 * (ratio + (mean - other) ** 2 / other_variance - 1 - np.log(ratio)) / np.log(2)


def gaussian(seed=0, chains=4, draws=1000, futures=1, phi=0.0, extra=None):
    """Draws of z given e; `level` sees z (twice as much let in), `luck` sees nothing of it."""
    rng = np.random.default_rng(seed)
    unit = rng.normal(size=(chains, draws))
    for t in range(1, draws if phi else 0):
        unit[:, t] = phi * unit[:, t - 1] + np.sqrt(1 - phi**2) * unit[:, t]
    mean, variance = posterior()
    z = mean + np.sqrt(variance) * unit
    noise = rng.normal(size=(2, 2, chains, draws, futures))
    level = np.stack([z, 2 * z + 1])[..., None] + 0.5 * noise[0]
    dims = ["disciple", *SAMPLE, "future"]
    measured = {"level": level, "luck": noise[1]}
    drawn = xr.Dataset(
        {name: (dims, values, {"role": "measurement"}) for name, values in measured.items()},
        coords={"disciple": ["erased", "twice"], "X": ("disciple", [0, 1])},
    )
    scores = -0.5 * ((SEEN - z[..., None]) / NOISE) ** 2
    likelihood = xr.Dataset({"e": ([*SAMPLE, "datum"], scores)}, coords={"datum": list("abcd")})
    groups = {"predictions": drawn, "log_likelihood": likelihood.assign(extra or {})}
    past = xr.Dataset({"z": (SAMPLE, z)})
    return xr.DataTree.from_dict({**groups, "posterior": past})


def quietly(tree, **options):
    """Leave out, whatever k-hat chance gives a tail that is light."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImpactWarning)
        return leave_out(tree, **options)


def test_every_number_is_there_with_its_dims_and_a_name():
    tree = gaussian(futures=2)
    found = leave_out(tree)
    whole = ("disciple", "left_out", "measurement")
    own = {"belief_bits", "belief_mcse", "khat", "ess", "verdict"}
    assert {str(n) for n, v in found.items() if v.dims == ("left_out",)} == own
    assert found["reading"].dims == whole[:2]
    assert all(v.dims == whole for n, v in found.items() if n not in {*own, "reading"})
    assert all(v.attrs["long_name"] for v in found.values())
    assert found["disciple"].values.tolist() == ["erased", "twice"]
    assert found["left_out"].values.tolist() == ["e[a]", "e[b]", "e[c]", "e[d]"]
    assert found["measurement"].values.tolist() == ["level", "luck"]
    assert all(np.isfinite(v).all() for n, v in found.items() if n not in TEXTS)
    assert not (found["reading"] != "").any()
    assert set(found["verdict"].values) == {"good"}
    assert found.attrs["draws"] == 4000


@pytest.mark.parametrize("phi", [0.0, 0.9])
def test_changes_and_bits_are_those_of_the_evidence_without_the_datum(phi):
    reps, hits, belief_hits = 30, np.zeros((2, 4)), np.zeros(4)
    impact = np.zeros(4)
    truth = np.array([posterior(set(range(4)) - {j})[0] for j in range(4)]) - posterior()[0]
    belief = [bits(posterior(), posterior(set(range(4)) - {j})) for j in range(4)]
    for seed in range(reps):
        found = quietly(gaussian(seed, phi=phi), measurements="level", cells=2)
        found = found.squeeze("measurement")
        error = found["change"].values - np.array([[1], [2]]) * truth
        hits += np.abs(error) < 2 * found["mcse"].values
        lost = np.abs(found["impact_change"].values[1] - truth)
        impact += lost < 2 * found["impact_mcse"].values[1]
        belief_hits += (
            np.abs(found["belief_bits"].values - belief) < 2 * found["belief_mcse"].values
        )
    for share in (hits / reps, impact / reps, belief_hits / reps):
        assert share.min() >= 0.8
        assert share.mean() >= 0.9


def test_no_more_reaches_the_future_than_was_said_about_the_past():
    for seed in range(10):
        found = quietly(gaussian(seed, futures=4))
        slack = 3 * np.hypot(found["deletion_mcse"], found["belief_mcse"])
        assert bool((found["deletion_bits"] <= found["belief_bits"] + slack).all())
        assert bool(((found["eta"] >= 0) & (found["eta"] <= 1)).all())
    level = found.sel(measurement="level", disciple="twice")
    assert np.all(level["eta"] > 0.5)  # most of z is in it, and 16 cells lose some
    assert np.all(level["eta"] > found["eta"].sel(measurement="luck", disciple="twice"))


def test_a_measurement_that_the_datum_says_nothing_of_reads_zero_in_95_of_100():
    p, reads, changes = [], [], []
    for seed in range(60):
        found = quietly(gaussian(seed, futures=1 + seed % 2), measurements="luck")
        p.append(found["deletion_p"].values)
        reads.append(found["deletion_bits"].values <= 2 * found["deletion_mcse"].values)
        changes.append(np.abs(found["change"].values) <= 2 * found["mcse"].values)
    assert np.mean(np.array(p) < 0.05) <= 0.06
    assert np.mean(reads) >= 0.95
    assert 0.92 <= np.mean(changes) <= 0.985


def test_beliefs_are_arvizs_leave_one_out():
    tree = gaussian(3)
    found = leave_out(tree)
    theirs = azs.loo(tree, pointwise=True, reff=1.0)
    nats = tree["log_likelihood"]["e"].mean(SAMPLE).values - theirs.elpd_i.values
    np.testing.assert_allclose(found["belief_bits"], nats / np.log(2), rtol=1e-9)
    np.testing.assert_allclose(found["khat"], theirs.pareto_k.values, atol=1e-9)


@pytest.mark.parametrize("place", list("abcd"))
def test_to_first_order_a_deletion_is_arvizs_power_scaling_of_the_datum(place):
    tree = gaussian(5)
    score = tree["log_likelihood"]["e"].sel(datum=place)
    z = tree["posterior"]["z"]
    covariance = np.cov(z.values.ravel(), score.values.ravel())[0, 1]
    means = {}
    for alpha in (0.99, 1.01):  # what psense weighs by
        weights = np.exp(score.azstats.power_scale_lw(alpha=alpha, dim=SAMPLE))
        means[alpha] = float((weights * z).sum() / weights.sum())
    assert (means[1.01] - means[0.99]) / 0.02 == pytest.approx(covariance, rel=0.02, abs=1e-3)
    ours, _ = pareto_smoothed(-0.01 * score.values.reshape(1, -1))
    change, _ = moved_means(z.values.reshape(1, -1), ours, bounds=np.arange(0, 4001, 100))
    assert change.item() / 0.01 == pytest.approx(-covariance, rel=0.02, abs=1e-3)


def test_psense_ranks_the_data_that_move_the_mean_as_their_covariances_do():
    tree = gaussian(5)
    z = tree["posterior"]["z"].values.ravel()
    scores = tree["log_likelihood"]["e"].transpose("datum", ...).values.reshape(4, -1)
    covariances = [abs(np.cov(z, score)[0, 1]) for score in scores[:3]]
    theirs = [
        psense(tree, group="likelihood", group_var_names="e", group_coords={"datum": [place]})
        for place in "abc"
    ]
    sensitivity = [float(one["z"]) for one in theirs]
    assert np.argsort(sensitivity).tolist() == np.argsort(covariances).tolist()


def with_women():
    rng = np.random.default_rng(1)
    tree = gaussian()
    z = tree["posterior"]["z"].values
    scores = 0.1 * z[..., None] * rng.normal(size=5)
    grades = 0.1 * z[..., None, None] * rng.normal(size=(2, 5))
    women = {
        "scores": ([*SAMPLE, "woman"], scores),
        "grades": ([*SAMPLE, "kind", "woman"], grades),
    }
    return gaussian(extra=women), scores + grades.sum(axis=2)


def test_a_place_of_a_plate_takes_all_its_data_with_it_and_nothing_else():
    tree, together = with_women()
    found = leave_out(tree, by="woman", disciples="twice")
    assert found["left_out"].values.tolist() == [f"woman[{k}]" for k in range(5)]
    summed = xr.Dataset({"woman": ([*SAMPLE, "place"], together)})
    tree["log_likelihood"] = xr.DataTree(summed)
    alone = leave_out(tree, disciples="twice")
    for name in ("change", "mcse", "deletion_bits", "belief_bits", "khat"):
        np.testing.assert_allclose(found[name], alone[name], rtol=1e-9)


def test_a_site_is_left_out_whole():
    tree, _ = with_women()
    with pytest.warns(ImpactWarning, match="1 of 3 are rough .* for 'e'"):
        found = leave_out(tree, by="site")
    assert found["left_out"].values.tolist() == ["e", "scores", "grades"]
    assert found.attrs["by"] == "site"
    whole = tree["log_likelihood"]["grades"].sum(["kind", "woman"]).values.reshape(1, -1)
    truth, _ = belief_bits(
        -whole, pareto_smoothed(-whole)[0], bounds=np.arange(0, 4001, 100), wider=1.0
    )
    assert found["belief_bits"].sel(left_out="grades").item() == pytest.approx(truth.item())


def test_each_datum_of_several_sites_is_labelled_as_arviz_labels_it():
    tree, _ = with_women()
    found = leave_out(tree, measurements="level")
    labels = found["left_out"].values.tolist()
    assert labels[4:6] == ["scores[0]", "scores[1]"]
    assert labels[9] == "grades[0, 0]"
    assert labels[-1] == "grades[1, 4]"
    score = tree["log_likelihood"]["grades"].sel(kind=1, woman=4).values.reshape(1, -1)
    mean = tree["predictions"]["level"].sel(disciple="erased").values.reshape(1, -1)
    change, _ = moved_means(mean, pareto_smoothed(-score)[0], bounds=np.arange(0, 4001, 100))
    assert found["change"].values[0, -1, 0] == pytest.approx(change.item())


def test_nothing_depends_on_how_the_work_is_cut(monkeypatch):
    tree, _ = with_women()
    whole = leave_out(tree)
    monkeypatch.setattr(evidence_pieces, "WEIGHTS_AT_ONCE", 3 * 4000)
    monkeypatch.setattr(import_module("inference.diagnostics.leave_out"), "SHARES_AT_ONCE", 100)
    cut = leave_out(tree)
    assert cut["left_out"].values.tolist() == whole["left_out"].values.tolist()
    for name in set(whole.data_vars) - TEXTS:
        np.testing.assert_allclose(cut[name], whole[name], rtol=1e-6, atol=1e-12)


def one_datum(scores, disciples=("push",)):
    shape = scores.shape
    level = np.random.default_rng(0).normal(size=(1 + len(disciples), *shape)) + scores
    drawn = xr.Dataset(
        {"level": (["disciple", *SAMPLE], level, {"role": "measurement"})},
        coords={"disciple": ["erased", *disciples]},
    )
    likelihood = xr.Dataset({"e": (SAMPLE, scores)})
    return xr.DataTree.from_dict({"predictions": drawn, "log_likelihood": likelihood})


def test_what_weights_cannot_tell_is_not_a_number_and_says_so():
    z = np.random.default_rng(0).standard_t(2, size=(4, 1000))
    with pytest.warns(ImpactWarning, match=r"1 of 1 are refit \(k-hat .* for 'e'\)"):
        found = leave_out(one_datum(-np.abs(z)))
    assert found["verdict"].item() == "refit"
    assert found["khat"].item() > 0.7
    assert all(np.isnan(v).all() for n, v in found.items() if n not in {*TEXTS, "khat", "ess"})


def test_rough_weights_warn_once_and_name_the_worst():
    z = stats.expon.ppf((np.random.default_rng(0).permutation(4000) + 0.5) / 4000)
    with pytest.warns(ImpactWarning, match="1 of 1 are rough") as caught:
        found = leave_out(one_datum(-0.6 * z.reshape(4, 1000)))
    assert len(caught) == 1
    assert found["verdict"].item() == "rough"
    assert found["khat"].item() == pytest.approx(0.6, abs=0.1)
    assert np.isfinite(found["change"]).all()


def test_a_datum_that_says_nothing_of_the_past_has_no_share_that_reaches_the_future():
    found = leave_out(one_datum(np.zeros((4, 250))))
    assert found["verdict"].item() == "silent"
    assert found["belief_bits"].item() == 0
    assert np.isnan(found["eta"]).all()
    assert np.abs(found["change"]).max() < 1e-12
    assert not found["deletion_bits"].any()


def test_chains_that_never_meet_tell_nothing():
    z = np.random.default_rng(0).normal(size=(4, 250)) * 0.01 + np.arange(4)[:, None]
    with pytest.warns(ImpactWarning, match="refit"):
        found = leave_out(one_datum(0.1 * z))
    assert found["verdict"].item() == "refit"
    assert found["ess"].item() < 10


def scored_by(tree, reads, attrs=None):
    """Add scores in which these worlds differ from the past at the site 'e'."""
    z = tree["posterior"]["z"].values[..., None] + np.zeros(4)
    noise = np.random.default_rng(9).normal(size=(2, 4, 1000, 4))
    each = (
        z + noise * np.array([name in reads for name in ("erased", "twice")])[:, None, None, None]
    )
    scores = xr.Dataset(
        {"e": (["disciple", *SAMPLE, "datum"], each), "scores": ([*SAMPLE, "woman"], z)},
        coords={"disciple": ["erased", "twice"]},
        attrs=attrs or {},
    ).isel(woman=slice(0, 4))
    tree["evidence_scores"] = xr.DataTree(scores)
    return tree


def test_what_a_world_reads_after_the_switch_is_not_weighed_away_and_the_rest_is():
    tree, _ = with_women()
    plain = quietly(tree, by="site")
    told = encode_attrs({"read_by_the_future": {"e": ["twice"]}})
    with pytest.warns(
        ImpactWarning, match=r"1 of 3 are read .* by \['twice'\] .*inference.revise"
    ):
        found = leave_out(scored_by(tree, ["twice"], told), by="site")
    assert found["verdict"].values.tolist() == plain["verdict"].values.tolist()
    read = found["reading"].set_index(left_out="left_out")
    assert read.dims == ("disciple", "left_out")
    assert read.sel(disciple="twice").values.tolist() == ["read after the switch", "", ""]
    assert read.sel(disciple="erased").values.tolist() == ["", "", ""]
    for name in ("belief_bits", "belief_mcse", "khat", "ess"):
        np.testing.assert_array_equal(found[name], plain[name])
    for name in ("change", "mcse", "deletion_bits", "eta", "impact_change", "impact_mcse"):
        assert np.isnan(found[name].values[1, 0]).all()
        np.testing.assert_array_equal(found[name].values[0], plain[name].values[0])
        np.testing.assert_array_equal(found[name].values[:, 1:], plain[name].values[:, 1:])


def test_nothing_is_said_of_any_impact_where_the_erased_world_reads_too():
    told = encode_attrs({"read_by_the_future": {"e": ["erased"]}})
    found = quietly(scored_by(gaussian(), ["erased"], told))
    assert np.isnan(found["impact_change"]).all()
    assert np.isfinite(found["change"].sel(disciple="twice")).all()


def test_where_only_the_scores_tell_worlds_alike_do_not_read():
    apart, alike = scored_by(gaussian(), ["twice"]), scored_by(gaussian(), [])
    assert (quietly(apart)["reading"] != "").all()  # either may
    assert (quietly(alike)["reading"] == "").all()
    alike.attrs["coupling"] = "shared"
    assert (quietly(alike)["reading"] != "").all()


def test_a_measurement_computed_from_the_evidence_reads_it():
    tree = scored_by(gaussian(), [])
    slopes = np.zeros((2, 20, 1, 4))
    slopes[1, 3, 0, 2] = 1.0
    direct = xr.Dataset(
        {"direct": (("disciple", "score_block", "measurement", "datum"), slopes)},
        coords={"disciple": ["erased", "twice"], "datum": [f"e[{k}]" for k in "abcd"]},
    )
    tree["evidence_direct"] = xr.DataTree(direct)
    read = quietly(tree)["reading"]
    assert (read.sel(disciple="twice") != "").all()
    assert (read.sel(disciple="erased") == "").all()


def test_misspelled_names_are_answered_by_the_nearest():
    tree, _ = with_women()
    with pytest.raises(
        EvidenceError, match=r"no site of the evidence has the dim 'wman'.*'woman'"
    ):
        leave_out(tree, by="wman")
    with pytest.raises(DiscipleError, match="Did you mean 'twice'"):
        leave_out(tree, disciples="twise")
    with pytest.raises(MeasurementError, match="Did you mean 'level'"):
        leave_out(tree, measurements="levle")


def test_worlds_without_a_likelihood_to_weigh_by_are_refused():
    tree = gaussian()
    bare = xr.DataTree.from_dict({"predictions": tree["predictions"].to_dataset()})
    with pytest.raises(WorldError, match=r"no group 'log_likelihood'.*log_likelihood=True"):
        leave_out(bare)
    later = tree.copy()
    rows = xr.zeros_like(tree["predictions"]["luck"], dtype=int)
    later["predictions"] = xr.DataTree(
        tree["predictions"].to_dataset().assign(posterior_draw=rows)
    )
    with pytest.raises(WorldError, match="evidence after the switch"):
        leave_out(later)
    fewer = tree.copy()
    fewer["log_likelihood"] = xr.DataTree(tree["log_likelihood"].to_dataset().isel(draw=slice(9)))
    with pytest.raises(WorldError, match="expected the same chains and draws"):
        leave_out(fewer)
    holes = gaussian()
    holes["log_likelihood"]["e"][2, 5, 1] = -np.inf
    with pytest.raises(WorldError, match=r"of 'e' is -inf at \[2, 5, 1\]"):
        leave_out(holes)
