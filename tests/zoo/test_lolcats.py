"""A thousand lolcats: what the average datum says, what compressed evidence says, and X."""

import numpy as np
import pytest

import inference
from counterfactual_models import zoo
from counterfactual_models.errors import WorldError


@pytest.fixture(scope="module")
def truth():
    example = zoo.load("lolcats")
    return example.exact(example.disciples["stimulus"])


@pytest.mark.parametrize(
    ("videos", "bits", "gradient", "relevance"),
    [
        (1, 0.125769, 0.200000, 0.761905),
        (10, 0.029003, 0.071429, 0.533333),
        (100, 0.000933, 0.009615, 0.133333),
        (1000, 0.000011, 0.000996, 0.015686),
    ],
)
def test_redundant_lolcats_as_the_note_has_them(videos, bits, gradient, relevance):
    example = zoo.load("lolcats", videos=videos, reach=1.0, fashion=0.25)
    found = example.exact(example.disciples["null"])
    assert found.datum_bits[0][0] == pytest.approx(bits, abs=1e-6)
    np.testing.assert_allclose(found.gradient[0][1, :videos], gradient, atol=1e-6)
    assert np.abs(found.relevance - relevance).min() < 1e-6


def test_the_world_of_a_thousand_lolcats_as_the_note_has_it(truth):
    assert truth.future_bits[0] == pytest.approx(0.770537, abs=1e-6)
    assert truth.belief_bits == pytest.approx(5.570734, abs=1e-6)
    assert truth.evidence_efficiency == pytest.approx(0.138319, abs=1e-6)
    assert truth.switch_bits == pytest.approx(0.107016, abs=1e-6)
    assert truth.switch_bits / truth.evidence_efficiency == pytest.approx(0.773692, abs=1e-6)
    np.testing.assert_allclose(truth.relevance, [0.571429, 0.001432, 0], atol=1e-6)
    assert truth.penalty == 0, "a bit of evidence says more than the bit X does"


def test_bits_add_up_over_what_is_independent(truth):
    # By hand: 1/2 log2 of variance before over variance after the evidence.
    gdp = 0.5 * np.log2((1 + 0.25) / (1 / 3 + 0.25))
    views = 0.5 * np.log2((0.36 + 1) / (0.36 / 251 + 1))
    assert (gdp, views) == pytest.approx((0.549768, 0.220769), abs=1e-6)
    assert truth.future_bits[0] == pytest.approx(gdp + views)
    assert truth.datum_bits[0][-2] == pytest.approx(gdp)
    beliefs = [0.5 * np.log2(251), 0.5 * np.log2(3), 0.5 * np.log2(3)]
    assert beliefs == pytest.approx([3.985772, 0.792481, 0.792481], abs=1e-6)
    assert truth.belief_bits == pytest.approx(sum(beliefs))


def test_beside_a_typical_datum_x_looks_195_times_as_important(truth):
    assert truth.datum_bits[0].mean() == pytest.approx(0.000550, abs=1e-6)
    assert round(truth.switch_bits / truth.datum_bits[0].mean()) == 195


def test_the_plant_is_believed_and_says_nothing_of_what_is_measured(truth):
    label = truth.data.index("label")
    assert truth.datum_bits[0][label] == pytest.approx(0, abs=1e-12)
    assert not truth.gradient[0][:, label].any()
    assert truth.score_fisher[label, label] == pytest.approx(4 / 3)


def test_the_disciple_shifts_gdp_by_its_share_of_a_predictive_sd(truth):
    sd = truth.covariance[0][0, 0] ** 0.5
    np.testing.assert_allclose((truth.mean[1] - truth.mean[0]) / [sd, 1], [0.8, 0], atol=1e-12)
    assert truth.tv() == pytest.approx([0.310843, 0], abs=1e-6)
    relative = truth.relative
    assert relative.trace_distance == pytest.approx(0, abs=1e-12), "no datum matters otherwise"
    assert (relative.signed_distance, relative.log_scale) == (0, 0)


def test_a_thousand_lolcats_can_be_learnt_from():
    example = zoo.load("lolcats")
    posterior = inference.sample_posterior(
        example.world, example.evidence, "laplace", draws=500, chains=4, progress=False
    )
    exact = example.exact(example.disciples["null"])
    for k, name in enumerate(("craze", "economy", "plant")):
        draws = posterior["posterior"][name].values
        sd = exact.posterior_covariance[k, k] ** 0.5
        assert abs(draws.mean() - exact.posterior_mean[k]) < 4 * sd / np.sqrt(draws.size)
        assert abs(draws.var() / sd**2 - 1) < 4 * np.sqrt(2 / draws.size)


@pytest.mark.parametrize("videos", [0, -3])
def test_a_world_without_lolcats_is_refused(videos):
    with pytest.raises(WorldError, match=f"videos={videos}; expected at least one"):
        zoo.load("lolcats", videos=videos)
