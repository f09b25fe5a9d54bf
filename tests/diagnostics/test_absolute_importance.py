"""Is X held against the rest of the information, and a thousand lolcats counted as one?"""

import warnings

import numpy as np
import pytest
import xarray as xr
from closed_forms.linear_gaussian import LinearGaussian

from counterfactual_models.errors import EvidenceError, ImpactWarning, WorldError
from inference.diagnostics.absolute_importance import absolute_importance

STATISTICS = ["value", "loo_mean", "loo_sd", "loo_khat", "prior_noise"]
SHIFT = 0.107016  # bits between normal laws that are .8 deviations apart


def world(see, noise, reach, tremble, offset=0.0):
    see, reach = np.atleast_2d(see), np.atleast_2d(reach)
    still = np.zeros((len(reach), len(see)))
    prior = np.eye(see.shape[1])
    return LinearGaussian(prior, see, np.diag(noise), reach, still, np.diag(tremble), offset)


def lolcats(videos=1000, shift=0.0):
    """T12: lolcats, a report and a label; views and the gdp."""
    see = np.zeros((videos + 2, 3))
    see[:videos, 0], see[videos, 1], see[videos + 1, 2] = 1, 1, 1
    noise = np.full(videos + 2, 4.0)
    noise[videos:] = 0.5
    sd = np.sqrt(1 / 3 + 0.25)
    reach = np.array([[0.0, 1.0, 0.0], [0.6, 0.0, 0.0]])
    return world(see, noise, reach, [0.25, 1.0], np.array([shift * sd, 0.0]))


def tree(erased, disciples, *, draws=500, futures=1, seed=0, prior_draws=4000):
    """Worlds of one past, by the contract of with_scores."""
    data, chains = len(erased.see), 4
    evidence = np.zeros(data)
    drawn = erased.draw(evidence, chains=chains, draws=draws, futures=futures, seed=seed)
    rng = np.random.default_rng(seed + 1000)
    outcomes = [drawn.w]
    for other in disciples.values():
        luck = rng.standard_normal(drawn.w.shape) * np.sqrt(np.diag(other.tremble))
        outcomes.append((drawn.z @ other.reach.T + other.offset)[:, :, None] + luck)
    values, dims = np.stack(outcomes), ["disciple", "chain", "draw", "future", "thing"]
    if futures == 1:
        values, dims = values[:, :, :, 0], [dim for dim in dims if dim != "future"]
    noise = np.sqrt(np.diag(erased.noise))
    sizes = np.sqrt(erased.loo_variance)
    scales = np.stack([evidence, erased.loo_mean(evidence), sizes, 0 * noise, noise])
    prior = rng.standard_normal((prior_draws, len(erased.prior))) @ erased.see.T
    return xr.DataTree.from_dict(
        {
            "predictions": xr.Dataset(
                {"w": (dims, values, {"role": "measurement"})},
                {"disciple": ["erased", *disciples]},
            ),
            "evidence_scores": xr.Dataset({"e": (("chain", "draw", "j"), drawn.score)}),
            "evidence_scales": xr.Dataset(
                {"e": (("statistic", "j"), scales)}, {"statistic": STATISTICS}
            ),
            "prior_evidence": xr.Dataset({"e": (("prior_draw", "j"), prior)}),
        }
    )


def within(found, name, truth, errors=4.0, **at):
    apart = abs(found[name].sel(at) - truth)
    return bool((apart < errors * found[f"{name}_mcse"].sel(at)).all())


@pytest.fixture(scope="module")
def mixed():
    made = tree(lolcats(), {"stimulus": lolcats(shift=0.8), "null": lolcats()}, draws=1000)
    return made, absolute_importance(made, outputs="measurements")


def test_t12_compressed_x_is_three_quarters_as_important_as_the_evidence(mixed):
    _, found = mixed
    assert within(found, "evidence_bits", 0.770537)
    assert within(found, "belief_bits", 5.570734)
    assert within(found, "eta_evidence", 0.138319)
    assert within(found, "switch_bits", SHIFT, disciple="stimulus")
    assert within(found, "switch_bits", 0.0, disciple="null")
    ratio = SHIFT / 0.138319
    assert ratio == pytest.approx(0.773692, abs=1e-5)
    assert within(found, "relevance", np.array([0.571429, 0.001432]), disciple="erased")
    penalty = found["penalty"].sel(disciple="stimulus")
    assert penalty < 3 * found["penalty_mcse"].sel(disciple="stimulus")


def test_a_typical_datum_would_make_x_look_195_times_as_important(mixed):
    _, found = mixed
    assert found.attrs["typical_bits"] == pytest.approx(0.00055, abs=0.00003)
    assert 160 < SHIFT / found.attrs["typical_bits"] < 220
    assert found["bits"].sel(disciple="erased", datum="e[1000]") == pytest.approx(0.55, abs=0.06)
    assert within(found, "fisher", 0.761905, disciple="erased", datum="e[1000]")


def test_only_the_report_is_important_and_not_explained(mixed):
    _, found = mixed
    erased = found.sel(disciple="erased")
    assert erased["order"].sel(datum="e[1000]") == 1
    assert (erased["order"] > 0).sum() <= 2  # and one lolcat, perhaps
    assert erased["partial_bits"].sel(datum="e[1000]") == pytest.approx(0.549768, abs=0.06)
    assert erased["partial_bits"].drop_sel(datum="e[1000]").max() < 0.01


def test_bits_by_measurement_say_which_measurement_the_disciple_moved(mixed):
    _, found = mixed
    assert within(
        found, "switch_bits_by_measurement", SHIFT, disciple="stimulus", measurement="w[0]"
    )
    assert within(found, "switch_bits_by_measurement", 0, disciple="stimulus", measurement="w[1]")
    assert not found["switch_bits_by_measurement"].sel(disciple="erased").any()


def test_data_may_be_chosen_by_label(mixed):
    made, found = mixed
    label = "e[1000]"
    alone = absolute_importance(made, outputs="measurements", data=[label], disciples="null")
    assert alone["datum"].values.tolist() == [label]
    whole = found["fisher"].sel(datum=label, disciple=["erased", "null"])
    np.testing.assert_allclose(alone["fisher"].sel(datum=label), whole)
    assert within(alone, "belief_bits", 0.5 * np.log2(3))
    assert within(alone, "evidence_bits", 0.549768)


def test_cells_see_most_of_what_measurements_tell(mixed):
    made, found = mixed
    cells = absolute_importance(made)
    kept = cells["fisher"].sel(disciple="erased", datum="e[1000]") / 0.761905
    assert kept == pytest.approx(0.945, abs=0.1)
    assert cells.attrs["cells"] == 8
    # Readings of the switch are the same, whatever slopes are taken of.
    xr.testing.assert_identical(cells["switch_bits"], found["switch_bits"])


def test_a_disciple_that_is_more_important_than_the_evidence_is_charged():
    erased = world([[1.0]], [1.0], [[0.5]], [1.0])
    bold = world([[1.0]], [1.0], [[0.5]], [1.0], np.array([4.0]))
    found = absolute_importance(tree(erased, {"bold": bold}), outputs="measurements")
    eta = erased.bits / erased.belief_bits
    bold_bits = found["switch_bits"].sel(disciple="bold")
    assert bold_bits > 0.8
    assert within(found, "penalty", float(bold_bits) - eta, disciple="bold")
    assert found["share_below"].sel(disciple="bold") == 1
    assert found["penalty"].sel(disciple="erased") == 0


def test_a_disciple_does_not_gain_by_making_the_future_sensitive():
    erased = world([[1.0]], [1.0], [[0.3]], [1.0])
    shaky = world([[1.0]], [1.0], [[9.0]], [1.0], np.array([30.0]))
    found = absolute_importance(tree(erased, {"shaky": shaky}), outputs="measurements")
    eta = found["eta_evidence"].sel(disciple="shaky")
    assert eta > 2 * found["eta_evidence"].sel(disciple="erased")
    expected = found["eta_switch"].sel(disciple="shaky") - found["eta_evidence"][0]
    assert found["penalty"].sel(disciple="shaky") == pytest.approx(float(expected))


def test_t14_fisher_information_grows_with_the_outputs_up_to_that_of_the_scores():
    rng = np.random.default_rng(0)
    see, reach = rng.normal(size=(4, 2)), rng.normal(size=(3, 2))
    made = tree(world(see, np.ones(4), reach, np.full(3, 0.3)), {})
    score = made["evidence_scores"]["e"].values.reshape(-1, 4)
    last = np.zeros(4)
    for names in (["w[0]"], ["w[0]", "w[1]"], ["w"]):
        found = absolute_importance(made, outputs="measurements", measurements=names)
        assert (found["fisher_plugin"][0] >= last - 1e-9).all()
        last = found["fisher_plugin"][0].values
        bound = score.var(axis=0) + 4 * found["fisher_mcse"][0].values
        assert (found["fisher"][0].values <= bound).all()
        assert ((found["relevance"] >= 0) & (found["relevance"] <= 1)).all()


def test_noise_and_null_disciples_read_zero_on_average():
    see = np.eye(2)
    erased = world(see, [0.5, 0.5], [[1.0, 0.0]], [0.5])
    fisher, switch = [], []
    for seed in range(25):
        made = tree(erased, {"null": erased}, draws=100, seed=seed, prior_draws=200)
        found = absolute_importance(made, outputs="measurements")
        fisher.append(found["fisher"].sel(datum="e[1]").values)
        switch.append(found["switch_bits"].sel(disciple="null").item())
    for numbers in (*np.transpose(fisher), np.array(switch)):
        assert abs(numbers.mean()) < 2 * numbers.std(ddof=1) / np.sqrt(len(numbers))


@pytest.mark.parametrize("futures", [1, 6])
def test_many_outputs_do_not_change_the_bits(futures):
    rng = np.random.default_rng(3)
    see = rng.normal(size=(12, 3))
    reach = rng.normal(size=(60, 3)) * (rng.random((60, 3)) < 0.2)
    erased = world(see, np.full(12, 2.0), reach, np.full(60, 2.0))
    made = tree(erased, {"null": erased}, draws=300, futures=futures)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImpactWarning)
        found = absolute_importance(made, outputs="measurements")
    for disciple in ("erased", "null"):
        assert within(found, "evidence_bits", erased.bits, disciple=disciple)
        apart = found["relevance"].sel(disciple=disciple).values[:3] - erased.relevance
        assert np.abs(apart).max() < 0.06


def test_the_result_depends_on_the_seed_alone():
    made = tree(lolcats(20), {"stimulus": lolcats(20, shift=0.8)}, draws=100)
    one, other = (absolute_importance(made, outputs="moments", seed=3) for _ in range(2))
    xr.testing.assert_identical(one, other)


def test_a_scale_may_be_given_for_a_site_or_for_one_datum():
    erased = world(np.eye(2), [0.5, 0.5], np.eye(2), [1.0, 1.0])
    made = tree(erased, {}, draws=100)
    given = {"e": 2.0, "e[1]": 0.0}
    found = absolute_importance(made, outputs="measurements", scale=given)
    fisher = found["fisher"].sel(disciple="erased", datum="e[0]").item()
    assert found["bits"][0, 0] == pytest.approx(0.5 * np.log2(1 + 4 * fisher))
    assert found["bits"][0, 1] == 0
    same = absolute_importance(made, outputs="measurements", scale=[2.0, 0.0])
    xr.testing.assert_identical(same, found)


def test_what_is_missing_is_said():
    erased = world(np.eye(2), [0.5, 0.5], np.eye(2), [1.0, 1.0])
    made = tree(erased, {}, draws=100)
    with pytest.raises(EvidenceError, match=r"scale= names no datum 'f'"):
        absolute_importance(made, outputs="measurements", scale={"f": 1.0})
    with pytest.raises(EvidenceError, match=r"deviation of datum 'e\[0\]'.*nan"):
        absolute_importance(made, outputs="measurements", scale={"e[0]": np.nan})
    with pytest.raises(EvidenceError, match=r"shape \(1,\).*2 data"):
        absolute_importance(made, outputs="measurements", scale=[1.0])
    part = made.copy()
    part["prior_evidence"] = made["prior_evidence"].to_dataset().isel(j=[0])
    with pytest.raises(EvidenceError, match=r"datum 'e\[1\]' has a score and no draws"):
        absolute_importance(part, outputs="measurements")
    part["prior_evidence"] = made["prior_evidence"].to_dataset().isel(prior_draw=[0, 1])
    with pytest.raises(EvidenceError, match="2 draws"):
        absolute_importance(part, outputs="measurements")
    bare = made.copy()
    del bare["prior_evidence"]
    with pytest.raises(WorldError, match="prior_evidence"):
        absolute_importance(bare, outputs="measurements")
    without = made.copy()
    del without["evidence_scales"]
    with pytest.raises(EvidenceError, match=r"scale=\{'e': 1.0\}"):
        absolute_importance(without, outputs="measurements")


def test_a_past_of_too_many_dimensions_is_not_trusted():
    erased = world(np.eye(30), np.full(30, 0.5), np.ones((1, 30)), [1.0])
    made = tree(erased, {}, draws=50)
    with pytest.warns(ImpactWarning, match="dimensions of the past"):
        found = absolute_importance(made, outputs="measurements")
    assert not found["belief_trusted"].any()
    fine = absolute_importance(tree(erased, {}, draws=200), outputs="measurements")
    assert fine["belief_trusted"].all()


def test_scores_that_hang_on_the_disciple_are_used_for_its_world():
    erased = world([[1.0]], [1.0], [[1.0]], [0.5])
    made = tree(erased, {"null": erased}, draws=250)
    score = made["evidence_scores"]["e"]
    both = xr.concat([score, 0 * score], dim="disciple").assign_coords(disciple=["erased", "null"])
    made["evidence_scores"] = xr.DataTree(xr.Dataset({"e": both}))
    found = absolute_importance(made, outputs="measurements")
    assert within(found, "evidence_bits", erased.bits, disciple="erased")
    assert found["evidence_bits"].sel(disciple="null") == 0
    assert found["eta_evidence"].sel(disciple="null") == 0


def test_t1_a_measurement_that_is_also_computed_from_the_datum():
    whole = LinearGaussian(1, 1, 0.25, 0.8, 0.3, 0.5)
    assert whole.bits == pytest.approx(0.732009, abs=1e-6)
    made = tree(LinearGaussian(1, 1, 0.25, 0.8, 0.0, 0.5), {}, draws=1000)
    own = np.full((1, 20, 1, 1), 0.3)
    made["evidence_direct"] = xr.DataTree(
        xr.Dataset(
            {"direct": (("disciple", "score_block", "measurement", "datum"), own)},
            {"disciple": ["erased"], "measurement": ["w[0]"], "datum": ["e[0]"]},
        )
    )
    found = absolute_importance(made, outputs="measurements")
    assert within(found, "fisher", 1.407006)
    assert within(found, "evidence_bits", 0.732009)
    assert within(found, "bits", 0.732009)
