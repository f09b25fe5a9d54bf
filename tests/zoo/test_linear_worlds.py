"""Do the linear worlds of the zoo do what their `exact` says, by other routes and by draws?"""

import dataclasses

import numpy as np
import pytest
import torch
from closed_forms.linear_gaussian import LinearGaussian
from scipy import integrate
from scipy.stats import norm

import counterfactual_models as cm
import inference
from counterfactual_models import zoo
from counterfactual_models.zoo.election import Sway

# Section 6 of the research note: profile, trace and signed distance, distance, log-scale.
TABLES = {
    "election": {
        "null": (0, 0, 0, 0, 0),
        "paperclip": (0.000404, 0.002020, 0.001010, 0.017853, -0.057704),
        "takeover": (0.988366, 0.990032, 0.655423, 1.297408, 0.514216),
        "subtle": (0.155047, 0.313195, 0.158605, 0.282279, -0.058299),
        "mimic": (0.988366, 0.990032, 0.655423, 1.297408, 0.514216),
    },
    "gases": {
        "null": (0, 0, 0, 0, 0),
        "benign": (0, 0, 0, 0.218218, -0.304006),
        "turbine": (0, 1, 0.707107, 3.086067, 0),
        "one_sided": (0.5, 0.707107, 0.382683, 2.182179, 1),
        "sign_flipped": (0, 0, 1, 4.364358, 0),
    },
}
OPTIONS = {"gases": {}, "election": {}, "lolcats": {"videos": 5}}


def small(name):
    return zoo.load(name, **OPTIONS[name])


EVERY = [(name, disciple) for name in OPTIONS for disciple in small(name).disciples]
every_disciple = pytest.mark.parametrize(("name", "disciple"), EVERY)
every_world = pytest.mark.parametrize("name", OPTIONS)


@every_disciple
def test_exact_is_what_the_general_closed_form_gives(name, disciple):
    example = small(name)
    truth = example.exact(example.disciples[disciple])
    e = values_of(name, example.evidence)
    for x, world in written_out(name, example.disciples[disciple]).items():
        np.testing.assert_allclose(truth.mean[x], world.mean(e), atol=1e-12)
        np.testing.assert_allclose(truth.covariance[x], world.covariance, atol=1e-12)
        np.testing.assert_allclose(truth.gradient[x], world.jacobian, atol=1e-12)
        np.testing.assert_allclose(truth.fisher[x], world.fisher_by(truth.covariance[0]))
        np.testing.assert_allclose(truth.datum_bits[x], world.datum_bits, atol=1e-12)
        np.testing.assert_allclose(truth.future_bits[x], world.bits)
    np.testing.assert_allclose(truth.posterior_mean, world.posterior_mean(e), atol=1e-12)
    np.testing.assert_allclose(truth.posterior_covariance, world.posterior_covariance)
    np.testing.assert_allclose(truth.score_fisher, world.score_fisher, atol=1e-12)
    np.testing.assert_allclose(truth.evidence_covariance, world.evidence_covariance)
    np.testing.assert_allclose(truth.loo_variance, world.loo_variance)
    np.testing.assert_allclose(truth.belief_bits, world.belief_bits)
    erased = written_out(name, example.disciples[disciple])[0]
    np.testing.assert_allclose(truth.relevance, erased.relevance, atol=1e-9)


@pytest.mark.parametrize("name", TABLES)
def test_the_table_of_relative_importance_is_reproduced_for_every_disciple(name):
    example = zoo.load(name)
    assert set(TABLES[name]) == set(example.disciples)
    for disciple, row in TABLES[name].items():
        found = example.exact(example.disciples[disciple]).relative
        measured = (
            found.profile_distance,
            found.trace_distance,
            found.signed_distance,
            found.gradient_distance,
            found.log_scale,
        )
        assert measured == pytest.approx(row, abs=1e-6), disciple


@every_disciple
def test_the_gradient_is_the_slope_of_the_mean(name, disciple):
    example = small(name)
    policy = example.disciples[disciple]
    truth = example.exact(policy)
    column = 0
    for site, value in example.evidence.items():
        for place in np.ndindex(value.shape):
            means = []
            for step in (0.5, -0.5):
                moved = value.double().clone()
                moved[place] += step
                changed = {**example.evidence, site: moved}
                means.append(example.exact(policy, evidence=changed).mean)
            for x in (0, 1):
                slope = means[0][x] - means[1][x]
                np.testing.assert_allclose(truth.gradient[x][:, column], slope, atol=1e-12)
            column += 1
    assert column == len(truth.data)


@every_disciple
def test_distances_between_the_two_worlds_are_what_quadrature_gives(name, disciple):
    truth = small(name).exact(small(name).disciples[disciple])
    for i in range(len(truth.measurements)):
        one, other = (norm(truth.mean[x][i], truth.covariance[x][i, i] ** 0.5).pdf for x in (0, 1))

        def gap(w, one=one, other=other):
            return abs(one(w) - other(w)) / 2

        def divergence(w, one=one, other=other):
            p, q = one(w), other(w)
            return (p * np.log2(2 * p / (p + q)) + q * np.log2(2 * q / (p + q))) / 2

        tv, bits = (
            sum(integrate.quad(f, a, a + 0.5, epsabs=1e-12)[0] for a in np.arange(-7.0, 7.0, 0.5))
            for f in (gap, divergence)
        )
        assert truth.tv()[i] == pytest.approx(tv, abs=1e-7)
        assert truth.jensen_shannon[i] == pytest.approx(bits, abs=1e-7)
    assert truth.switch_bits == truth.jensen_shannon.max()


@every_disciple
def test_relative_importance_is_that_of_the_whole_matrices(name, disciple):
    example = small(name)
    worlds = written_out(name, example.disciples[disciple])
    size, axes = np.linalg.eigh(worlds[0].evidence_covariance)
    root = axes @ np.diag(np.sqrt(size)) @ axes.T
    scaled = {
        x: root @ world.fisher_by(worlds[0].covariance) @ root for x, world in worlds.items()
    }
    rho = {x: m / np.trace(m) for x, m in scaled.items()}
    found = example.exact(example.disciples[disciple]).relative
    change = 0.5 * np.abs(np.diag(rho[1]) - np.diag(rho[0])).sum()
    assert found.profile_distance == pytest.approx(change, abs=1e-12)
    trace = 0.5 * np.abs(np.linalg.eigvalsh(rho[1] - rho[0])).sum()
    assert found.trace_distance == pytest.approx(trace, abs=1e-12)
    ratio = np.trace(scaled[1]) / np.trace(scaled[0])
    assert found.log_scale == pytest.approx(np.log2(ratio), abs=1e-12)
    factor = np.linalg.inv(np.linalg.cholesky(worlds[0].covariance))
    steps = {x: factor @ world.jacobian @ root for x, world in worlds.items()}
    moved = np.linalg.norm(steps[1] - steps[0])
    assert found.gradient_distance == pytest.approx(moved, abs=1e-12)
    turned = steps[1] / np.linalg.norm(steps[1]) - steps[0] / np.linalg.norm(steps[0])
    assert found.signed_distance == pytest.approx(np.linalg.norm(turned) / 2, abs=1e-12)
    assert 0 <= found.profile_distance <= found.trace_distance + 1e-12 <= 1 + 2e-12
    assert 0 <= found.signed_distance <= 1 + 1e-12


@every_world
def test_draws_have_the_means_variances_and_gradients_of_the_closed_form(name):
    example = small(name)
    posterior = inference.sample_posterior(
        example.world, example.evidence, "importance", draws=3000, chains=4, progress=False
    )
    tree = inference.sample_worlds(
        example.world, posterior, example.disciples, seed=1, progress=False
    )
    drawn = tree["predictions"].to_dataset()
    score = scores(name, tree["posterior"].to_dataset(), values_of(name, example.evidence))
    # Resampling from a tenfold proposal leaves nearly independent draws; allow 1.3 for it.
    error = 1.3 / np.sqrt(len(score))
    for disciple, policy in example.disciples.items():
        truth = example.exact(policy)
        for x, label in ((0, "erased"), (1, disciple)):
            for i, measurement in enumerate(truth.measurements):
                w = drawn[measurement].sel(disciple=label).values.astype(float).ravel()
                variance = truth.covariance[x][i, i]
                assert abs(w.mean() - truth.mean[x][i]) < 4 * error * variance**0.5
                assert abs(w.var() / variance - 1) < 4 * error * 2**0.5
                product = (w - w.mean())[:, None] * (score - score.mean(0))
                off = np.abs(product.mean(0) - truth.gradient[x][i])
                assert np.all(off < 4 * error * product.std(0))


@every_disciple
def test_the_world_passes_its_check(name, disciple):
    example = small(name)
    measured = cm.check_world(example.world, example.disciples[disciple]).named("measurement")
    assert example.exact(example.disciples[disciple]).measurements == tuple(measured)


@every_world
def test_labels_are_those_of_the_tree(name):
    example = small(name)
    truth = example.exact(next(iter(example.disciples.values())))
    labels = []
    for site, value in example.evidence.items():
        labels += [site] if not value.ndim else [f"{site}[{j}]" for j in range(len(value))]
    assert truth.data == tuple(labels)


@every_world
def test_an_audit_at_its_settings_is_worth_reading(name):
    example = small(name)
    found = inference.audit(
        example.world,
        example.evidence,
        example.disciples,
        method="importance",
        progress=False,
        **example.settings,
    )
    assert found.warnings == ()
    for disciple, policy in example.disciples.items():
        truth = example.exact(policy)
        own = found.summary[found.summary.disciple == disciple].set_index("measurement")
        for measurement, tv in zip(truth.measurements, truth.tv(), strict=True):
            assert own.lower[measurement] <= tv <= own.upper[measurement] + 0.001
            assert own.verdict[measurement] == ("above" if tv > 0.05 else "below")


def test_it_takes_double_precision_evidence_and_other_policies():
    example = zoo.load("election")
    doubled = {site: value.double() for site, value in example.evidence.items()}
    policy = Sway(0.3, 0.3, push=0.25, stir=-0.5)
    truth, again = example.exact(policy), example.exact(policy, evidence=doubled)
    np.testing.assert_allclose(truth.mean[1], again.mean[1])
    assert policy(torch.tensor(1.0), torch.tensor(2.0)).tolist() == pytest.approx([-0.05, -0.5])


def values_of(name, evidence):
    return np.concatenate([np.atleast_1d(np.asarray(v, float)) for v in evidence.values()])


def written_out(name, policy):
    """X -> the world in matrices, typed from what its file says in words."""
    if name == "lolcats":
        see = np.eye(3)[[0] * 5 + [1, 2]]
        world = LinearGaussian(
            np.eye(3), see, np.diag([4.0] * 5 + [0.5] * 2),
            [[0, 1, 0], [0.6, 0, 0]], np.zeros((2, 7)), np.diag([0.25, 1.0]),
        )  # fmt: skip
        return {0: world, 1: dataclasses.replace(world, offset=np.array([policy.size, 0.0]))}
    idle, blur, noise = {"gases": ([0.5, 0.5], 0.1, 0.05), "election": ([1.0, 0.1], 0.5, 0.5)}[
        name
    ]
    world = LinearGaussian(
        np.eye(2), np.eye(2), blur * np.eye(2),
        [idle, [0, 0]], np.zeros((2, 2)), np.diag([noise, 1.0]),
    )  # fmt: skip
    if name == "gases":
        reach = [[0.5 + policy.left, 0.5 + policy.right], [0, 0]]
        return {0: world, 1: dataclasses.replace(world, reach=reach)}
    let_in = dataclasses.replace(
        world,
        reach=[[policy.president, policy.vulnerability], [0, 0]],
        tremble=np.diag([0.5 * np.exp(policy.stir) ** 2, 1.0]),
        offset=np.array([policy.push, 0.0]),
    )
    return {0: world, 1: let_in}


def scores(name, posterior, e):
    """D/de of the log-density of the evidence, (draws, d)."""
    latents = {
        "gases": (["left", "right"], 0.1),
        "election": (["president", "vulnerability"], 0.5),
        "lolcats": (["craze"] * 5 + ["economy", "plant"], np.array([4.0] * 5 + [0.5] * 2)),
    }
    sites, variance = latents[name]
    z = np.stack([posterior[site].values.astype(float).ravel() for site in sites], -1)
    return (z - e) / variance
