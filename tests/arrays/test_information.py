"""Are bits of evidence those of a linear-Gaussian world, and is noise no bit?"""

import numpy as np
import pytest
from closed_forms.linear_gaussian import LinearGaussian
from scipy import linalg

from inference.arrays.blocks import block_bounds
from inference.arrays.compressed_evidence import CompressedEvidence, compressed_evidence
from inference.arrays.information import gaussian_bits, information


def lolcats(videos=1000):
    """T12: a thousand data about one latent, one each about two more; two outputs."""
    see = np.zeros((videos + 2, 3))
    see[:videos, 0], see[videos, 1], see[videos + 1, 2] = 1, 1, 1
    noise = np.full(videos + 2, 4.0)
    noise[videos:] = 0.5
    reach = np.array([[0.0, 1.0, 0.0], [0.6, 0.0, 0.0]])
    still = np.zeros((2, videos + 2))
    return LinearGaussian(np.eye(3), see, np.diag(noise), reach, still, np.diag([0.25, 1.0]))


def evidence_of(world, drawn, *, seed=0, prior_draws=4000, **options):
    """Compress the evidence of drawn scores."""
    rng = np.random.default_rng(seed + 1000)
    prior = rng.multivariate_normal(np.zeros(len(world.prior)), world.prior, prior_draws)
    scores = drawn.score.reshape(-1, len(world.see))
    noise = np.sqrt(np.diag(world.noise))
    return compressed_evidence(scores, prior @ world.see.T, noise, **options)


def white_outputs(world, drawn):
    w = drawn.w.reshape(-1, len(world.reach)).T
    return linalg.solve(linalg.cholesky(world.covariance, lower=True), w)


def told(world, *, draws=1000, seed=0, **options):
    drawn = world.draw(np.zeros(len(world.see)), draws=draws, seed=seed)
    bounds = block_bounds(4, draws, effective=200.0)
    evidence = evidence_of(world, drawn, seed=seed, **options)
    return information(evidence, white_outputs(world, drawn), bounds, effective=4.0 * draws)


def test_t12_a_thousand_lolcats_a_report_and_a_label():
    world = lolcats()
    truths = {"evidence_bits": 0.770537, "belief_bits": 5.570734, "eta_evidence": 0.138319}
    assert world.bits == pytest.approx(truths["evidence_bits"], abs=1e-6)
    assert world.belief_bits == pytest.approx(truths["belief_bits"], abs=1e-6)
    for seed in (0, 1):
        found = told(world, seed=seed)
        for name, truth in truths.items():
            assert abs(found.estimates[name] - truth) < 4 * found.errors[name], name
        relevance, error = found.estimates["relevance"], found.errors["relevance"]
        assert (np.abs(relevance - [0.571429, 0.001432]) < 4 * error + 1e-4).all()
        assert found.trusted and found.directions == 3


def test_components_add_up_to_all_bits():
    found = told(lolcats(20))
    assert found.estimates["component_bits"].sum() == pytest.approx(
        found.estimates["evidence_bits"]
    )
    truth = gaussian_bits(np.linalg.eigvals(lolcats(20).fisher @ lolcats(20).evidence_covariance))
    apart = found.estimates["component_bits"] - np.sort(truth.real)[::-1][:2]
    assert (np.abs(apart) < 4 * found.errors["component_bits"]).all()


def test_t13_all_beliefs_are_relevant_where_the_future_shows_the_past():
    see = np.random.default_rng(0).normal(size=(5, 3))
    world = LinearGaussian(
        np.eye(3), see, np.eye(5), np.eye(3), np.zeros((3, 5)), 1e-9 * np.eye(3)
    )
    found = told(world)
    relevance = found.estimates["relevance"]
    assert (relevance > 1 - 4 * found.errors["relevance"] - 0.003).all()
    assert relevance.max() <= 1
    assert abs(found.estimates["eta_evidence"] - 1) < 4 * found.errors["eta_evidence"]


def test_noise_adds_no_bits_where_the_plug_in_sees_many():
    world = lolcats()
    noise = LinearGaussian(
        np.eye(3), world.see, world.noise, np.zeros((20, 3)), np.zeros((20, 1002)), np.eye(20)
    )
    found = [told(noise, seed=seed) for seed in range(4)]
    bits = np.array([each.estimates["evidence_bits"] for each in found])
    plugin = np.array([each.estimates["evidence_plugin"] for each in found])
    assert plugin.mean() > 0.5
    assert bits.mean() < 0.3
    for each in found:
        assert each.estimates["evidence_bits"] < 4 * each.errors["evidence_bits"] + 1e-9


def test_errors_are_as_large_as_the_spread_of_estimates():
    found = [told(lolcats(50), draws=250, seed=seed) for seed in range(40)]
    for name in ("evidence_bits", "belief_bits", "eta_evidence"):
        spread = np.std([each.estimates[name] for each in found], ddof=1)
        said = np.sqrt(np.mean([each.errors[name] ** 2 for each in found]))
        assert 0.7 < said / spread < 2.2, name


def test_many_data_are_compressed_without_loss():
    world = lolcats(200)
    drawn = world.draw(np.zeros(202), draws=250, seed=3)
    whole = evidence_of(world, drawn, most=300)
    few = evidence_of(world, drawn, most=20)
    assert whole.scores.shape == (1000, 202) and few.scores.shape == (1000, 3)
    assert few.missed < 1e-9
    bounds, white = block_bounds(4, 250, effective=200.0), white_outputs(world, drawn)
    one, other = (information(each, white, bounds) for each in (whole, few))
    for name, value in one.estimates.items():
        np.testing.assert_allclose(other.estimates[name], value, rtol=1e-6, err_msg=name)


def test_what_does_not_fit_into_few_numbers_is_said():
    rng = np.random.default_rng(0)
    scores, prior = rng.normal(size=(500, 60)), rng.normal(size=(400, 60))
    few = compressed_evidence(scores, prior, np.ones(60), most=20)
    centred, spread = scores - scores.mean(0), np.cov(prior.T) + np.eye(60)
    total = np.trace(centred @ spread @ centred.T) / 500
    kept = np.trace(few.scores @ few.spread @ few.scores.T) / 500
    assert few.missed == pytest.approx(total - kept, rel=0.35)
    assert not information(few, rng.normal(size=(2, 500)), np.arange(0, 501, 25)).trusted


def test_derivatives_of_their_own_are_not_lost_in_compression():
    rng = np.random.default_rng(0)
    scores = np.repeat(rng.normal(size=(400, 1)), 50, axis=1)
    prior, direct = rng.normal(size=(300, 50)), rng.normal(size=(2, 50))
    few = compressed_evidence(scores, prior, np.ones(50), direct=direct, most=10)
    np.testing.assert_allclose(few.along(direct) @ few.axes.T, direct, atol=1e-8)


def test_too_many_latents_for_the_draws_are_not_trusted():
    world = LinearGaussian(
        np.eye(40), np.eye(40), np.eye(40), np.ones((1, 40)), np.zeros((1, 40)), np.eye(1)
    )
    assert not told(world, draws=50).trusted
    assert told(world, draws=150).trusted


def test_evidence_that_tells_nothing_tells_no_bits():
    still = CompressedEvidence(np.eye(2), np.zeros((200, 2)), np.ones((50, 2)) * 0, np.eye(2))
    outputs = np.random.default_rng(0).normal(size=(3, 200))
    found = information(still, outputs, np.arange(0, 201, 10))
    for name in ("evidence_bits", "belief_bits", "eta_evidence"):
        assert found.estimates[name] == 0 and found.errors[name] == 0


@pytest.mark.parametrize("factor", [1e-4, 1e5])
def test_bits_do_not_depend_on_units_of_the_data(factor):
    world = lolcats(10)
    drawn = world.draw(np.zeros(12), seed=1)
    scores, bounds = drawn.score.reshape(-1, 12), block_bounds(4, 1000, effective=200.0)
    prior = np.random.default_rng(0).normal(size=(500, 3)) @ world.see.T
    noise, white = np.sqrt(np.diag(world.noise)), white_outputs(world, drawn)
    one = information(compressed_evidence(scores, prior, noise), white, bounds)
    scaled = compressed_evidence(scores / factor, prior * factor, noise * factor)
    other = information(scaled, white, bounds)
    for name, value in one.estimates.items():
        np.testing.assert_allclose(other.estimates[name], value, rtol=1e-6, atol=1e-9)


def test_evidence_that_the_future_does_not_hang_on_is_not_made_to_count_by_noise():
    # Fifty data tell 39 bits of eight latents, and ten outputs nothing of any.
    found = []
    for seed in range(8):
        world = LinearGaussian(
            np.eye(8),
            np.random.default_rng(seed).normal(size=(50, 8)),
            0.05 * np.eye(50),
            np.zeros((10, 8)),
            0.0,
            np.eye(10),
        )
        drawn = world.draw(np.zeros(50), draws=250, seed=seed)
        prior = np.random.default_rng(seed + 100).normal(size=(1000, 8)) @ world.see.T
        evidence = compressed_evidence(
            drawn.score.reshape(1000, 50), prior, np.full(50, 0.05**0.5)
        )
        bounds = np.arange(0, 1001, 50)
        found.append(information(evidence, drawn.w.reshape(1000, 10).T, bounds).estimates)
    eta = np.array([float(f["eta_evidence"]) for f in found])
    assert eta.mean() < 0.03  # the cut at 0 alone would leave .12
    assert np.mean([float(f["evidence_plugin"]) for f in found]) > 5


def test_units_of_the_data_do_not_matter_however_far_apart():
    world = LinearGaussian(
        np.eye(2), [[1, 0], [1, 1.0]], np.eye(2), [[1, 0], [0, 1.0]], 0.0, 0.1 * np.eye(2)
    )
    drawn = world.draw([0.5, -0.5], draws=1000, seed=3)
    prior = np.random.default_rng(4).normal(size=(2000, 2)) @ world.see.T
    found = []
    for units in ([1, 1], [1, 1e6], [1e-6, 1]):
        evidence = compressed_evidence(
            drawn.score.reshape(-1, 2) / units, prior * units, np.ones(2) * units
        )
        bounds = np.arange(0, 4001, 200)
        found.append(information(evidence, drawn.w.reshape(4000, 2).T, bounds).estimates)
    for other in found[1:]:
        for name in ("evidence_bits", "belief_bits", "relevance"):
            assert np.allclose(found[0][name], other[name], rtol=1e-6)
