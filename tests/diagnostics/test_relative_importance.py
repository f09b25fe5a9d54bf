import importlib
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from closed_forms.linear_gaussian import LinearGaussian
from closed_forms.trees import scored_tree

from counterfactual_models import zoo
from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    EvidenceError,
    WorldError,
)
from inference.arrays.blocks import block_bounds
from inference.arrays.score_covariance import BLOCKS_FOR
from inference.diagnostics import coarse_graining
from inference.diagnostics.relative_importance import relative_importance

GASES = LinearGaussian(np.eye(2), np.eye(2), 0.1 * np.eye(2), [[0.5, 0.5]], 0.0, 0.05)
ELECTION = LinearGaussian(np.eye(2), np.eye(2), 0.5 * np.eye(2), [[1.0, 0.1]], 0.0, 0.5)
# Section 6 of the research note: diagonal, trace, signed and absolute distance, log-scale.
TABLES = [
    (
        GASES,
        {
            "null": ([[0.5, 0.5]], (0, 0, 0, 0, 0)),
            "benign": ([[0.45, 0.45]], (0, 0, 0, 0.218218, -0.304006)),
            "turbine": ([[0.5, -0.5]], (0, 1, 0.707107, 3.086067, 0)),
            "one_sided": ([[1.0, 0.0]], (0.5, 0.707107, 0.382683, 2.182179, 1)),
            "sign_flipped": ([[-0.5, -0.5]], (0, 0, 1, 4.364358, 0)),
        },
    ),
    (
        ELECTION,
        {
            "null": ([[1.0, 0.1]], (0, 0, 0, 0, 0)),
            "paperclip": ([[0.98, 0.1]], (0.000404, 0.002020, 0.001010, 0.017853, -0.057704)),
            "takeover": ([[0.05, 1.2]], (0.988366, 0.990032, 0.655423, 1.297408, 0.514216)),
            "subtle": ([[0.9, 0.4]], (0.155047, 0.313195, 0.158605, 0.282279, -0.058299)),
        },
    ),
]
NAMES = (
    "diagonal_distance",
    "trace_distance",
    "signed_distance",
    "absolute_distance",
    "log_scale",
)


def prior_of(world, draws=400):
    """Means of the data whose covariance is, to rounding, what the prior says."""
    size, axes = np.linalg.eigh(world.see @ world.prior @ world.see.T)
    root = axes * np.sqrt(np.clip(size, 0, None))
    z = np.random.default_rng(9).normal(size=(draws, len(root)))
    z -= z.mean(0)
    z = z @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T)).T)
    return z @ root.T


def tree_of(world, reaches, *, draws=1000, futures=1, seed=0, offsets=None, spreads=None):
    """Worlds that share a past and have noise of their own."""
    rng = np.random.default_rng([seed, 1])
    evidence = np.linspace(0.5, 1.0, len(world.see))
    past = world.draw(evidence, draws=draws, futures=futures, seed=seed)
    drawn = {}
    for name, reach in {"erased": world.reach, **reaches}.items():
        luck = rng.normal(size=past.w.shape) @ np.linalg.cholesky(world.tremble).T
        centre = past.z @ np.atleast_2d(reach).T + (offsets or {}).get(name, 0.0)
        drawn[name] = centre[:, :, None] + (spreads or {}).get(name, 1.0) * luck
    return scored_tree(
        drawn,
        past.score,
        scale=world.loo_variance**0.5,
        prior=prior_of(world),
        noise=np.diag(world.noise) ** 0.5,
    )


@pytest.mark.parametrize(("world", "table"), TABLES, ids=["gases", "election"])
@pytest.mark.parametrize("futures", [1, 4])
def test_the_tables_are_reproduced_from_draws(world, table, futures):
    reaches = {name: reach for name, (reach, _) in table.items()}
    found = relative_importance(tree_of(world, reaches, futures=futures, seed=1))
    assert found.attrs["scale"] == "prior" and (found["reason"] == "").all()
    for disciple, (reach, expected) in table.items():
        own = found.sel(disciple=disciple)
        for name, value in zip(NAMES, expected, strict=True):
            assert abs(own[name] - value) < 4 * own[f"{name}_mcse"], (disciple, name)
            assert own[f"{name}_mcse"] < 0.4
        exact = replace(world, reach=np.array(reach))
        squares = np.square(exact.jacobian[0])
        for data, share in zip(own["profile"], squares / squares.sum(), strict=True):
            # A small share is a square, and so is its error: skewed.
            assert abs(data - share) < 5 * own["profile_mcse"].max()
        scale = np.diag(world.evidence_covariance) / world.covariance[0, 0]
        assert abs(own["importance"] - squares @ scale) < 4 * own["importance_mcse"]


def test_the_erased_world_is_as_it_is():
    found = relative_importance(tree_of(GASES, {"turbine": [[0.5, -0.5]]}))
    erased = found.sel(disciple="erased")
    assert found["disciple"].values.tolist() == ["erased", "turbine"]
    for name in (*NAMES, "squared_change", "signed_square"):
        assert erased[name] == 0 == erased[f"{name}_mcse"]
    assert erased["p"] == 1 and erased["importance"] > 0
    assert found["profile"].sum("datum").values == pytest.approx([1, 1])
    assert found["datum"].values.tolist() == ["e[0]", "e[1]"]


def many_data(seed=0, data=20, latents=4, outputs=3):
    rng = np.random.default_rng(seed)
    return LinearGaussian(
        np.eye(latents),
        rng.normal(size=(data, latents)),
        np.diag(rng.uniform(0.3, 1.5, data)),
        rng.normal(size=(outputs, latents)),
        0.0,
        np.eye(outputs),
    )


@pytest.mark.parametrize("data", [20, 300])
def test_the_floor_is_what_theory_says(data):
    # E |dJ|² = 2 tr(V^-1 Omega) tr(Sigma_e F_z) / n where only the noise of the futures differs.
    world = many_data(data=data, outputs=2)
    draws = 4 * 250
    expected = (
        2
        * np.trace(np.linalg.solve(world.covariance, world.tremble))
        * np.trace(world.evidence_covariance @ world.score_fisher)
        / draws
    )
    floors, plain = [], []
    for seed in range(20):
        tree = tree_of(world, {"null": world.reach}, draws=250, seed=seed)
        found = relative_importance(tree, flips=200).sel(disciple="null")
        floors.append(float(found["squared_change_floor"]))
        plain.append(float(found["squared_change_plugin"]))
    assert np.mean(floors) == pytest.approx(expected, rel=0.1)
    assert abs(np.mean(plain) - expected) < 4 * np.std(plain) / 20**0.5 + 0.05 * expected


@pytest.mark.parametrize("data", [20, 300])
def test_whole_matrices_are_compared_in_deviations_of_the_prior(data):
    world = many_data(data=data)
    turned = world.reach + 0.4 * np.random.default_rng(1).normal(size=world.reach.shape)
    found = relative_importance(tree_of(world, {"turned": turned}, futures=20))
    size, axes = np.linalg.eigh(world.evidence_covariance)
    root = (axes * np.sqrt(size)) @ axes.T
    white = np.linalg.inv(np.linalg.cholesky(world.covariance))
    slopes = [white @ each.jacobian @ root for each in (world, replace(world, reach=turned))]
    squares = [np.square(each).sum() for each in slopes]
    rho = [each.T @ each / square for each, square in zip(slopes, squares, strict=True)]
    trace = 0.5 * np.abs(np.linalg.eigvalsh(rho[1] - rho[0])).sum()
    own = found.sel(disciple="turned")
    assert trace > 0.05 and abs(own["trace_distance"] - trace) < 4 * own["trace_distance_mcse"]
    moved = np.square(slopes[1] - slopes[0]).sum()
    assert abs(own["squared_change"] - moved) < 4 * own["squared_change_mcse"]
    ratio = np.log2(squares[1] / squares[0])
    assert abs(own["log_scale"] - ratio) < 4 * own["log_scale_mcse"]
    # The profile is that of the root that is symmetric in units of the noise.
    noise = np.diag(world.noise) ** 0.5
    size, axes = np.linalg.eigh(world.evidence_covariance / noise / noise[:, None])
    shares = np.square(white @ world.jacobian * noise @ (axes * np.sqrt(size)) @ axes.T).sum(0)
    error = found["profile_mcse"].values[0]
    z = (found["profile"].values[0] - shares / squares[0]) / error
    assert np.abs(z).max() < 5


def test_many_outputs_do_not_make_the_same_slopes_look_longer_with_the_disciple():
    # Whitened by 800 draws, 40 outputs would show a log-scale of .15.
    world = many_data(data=6, outputs=40)
    found = []
    for seed in range(20):
        tree = tree_of(world, {"null": world.reach}, draws=200, seed=seed)
        null = relative_importance(tree, flips=100).sel(disciple="null")
        found.append([float(null[name]) for name in ("log_scale", "squared_change", "importance")])
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / 20**0.5
    truth = np.trace(world.fisher @ world.evidence_covariance)
    assert np.all(np.abs(mean - [0, 0, truth]) < 3 * error + [0.02, 0, 0.02 * truth])
    assert error[0] < 0.05 and error[2] < 0.05 * truth


def test_the_mimic_is_seen_by_relative_importance_and_not_by_coarse_graining():
    example = zoo.load("election")
    truth = example.exact(example.disciples["mimic"])
    policy = example.disciples["mimic"]
    reach = [[policy.president, policy.vulnerability]]
    tree = tree_of(
        replace(ELECTION),
        {"mimic": reach},
        draws=2500,
        offsets={"mimic": mimicked(policy)},
        spreads={"mimic": np.exp(policy.stir)},
    )
    coarse = coarse_graining(tree).sel(disciple="mimic", measurement="w[0]")
    assert coarse["p"] > 0.05 and coarse["tv"] < 0.03
    found = relative_importance(tree).sel(disciple="mimic")
    assert (
        abs(found["trace_distance"] - truth.relative.trace_distance)
        < 4 * (found["trace_distance_mcse"])
    )
    assert found["trace_distance"] > 0.9 and found["p"] < 0.001


def mimicked(policy):
    """The push that matches the means at the evidence of `tree_of`."""
    evidence = np.array([0.5, 1.0])
    reach = np.array([[policy.president, policy.vulnerability]])
    taken = replace(ELECTION, reach=reach)
    return (ELECTION.mean(evidence) - taken.mean(evidence)).item()


def test_proportions_of_nothing_are_not_numbers_and_a_reason_is_given():
    tree = tree_of(ELECTION, {"frozen": [[0.0, 0.0]], "null": [[1.0, 0.1]]})
    found = relative_importance(tree)
    frozen = found.sel(disciple="frozen")
    assert "with 'frozen' let in" in str(frozen["reason"].item())
    for name in ("trace_distance", "diagonal_distance", "signed_distance", "log_scale"):
        assert np.isnan(frozen[name]) and np.isnan(frozen[f"{name}_mcse"])
        assert np.isfinite(found.sel(disciple="null")[name])
    assert frozen["absolute_distance"] > 0.5 and np.isnan(frozen["profile"]).all()
    deaf = replace(ELECTION, reach=np.zeros((1, 2)))
    found = relative_importance(tree_of(deaf, {"loud": [[1.0, 0.1]]}))
    assert found["reason"].str.startswith("the erased world is not seen").all()
    assert np.isnan(found["trace_distance"]).all() and (found["squared_change"][1] > 0)
    assert found["profile"].notnull().all("datum").values.tolist() == [False, True]


def test_scales_are_the_prior_s_or_each_datum_s_own():
    world = many_data(data=5)
    tree = tree_of(world, {"half": 0.5 * world.reach})
    units = world.loo_variance**0.5
    alone = relative_importance(tree, scale="loo")
    given = relative_importance(tree, scale=units)
    labels = [f"e[{j}]" for j in range(5)]
    named = xr.DataArray(units[::-1], {"datum": labels[::-1]}, ["datum"])
    xr.testing.assert_identical(given, relative_importance(tree, scale=named))
    xr.testing.assert_allclose(alone, given)
    xr.testing.assert_identical(given, relative_importance(tree, scale={"e[2]": units[2]}))
    assert (alone.attrs["scale"], given.attrs["scale"]) == ("loo", "given")
    bare = tree.copy()
    del bare["prior_evidence"]
    xr.testing.assert_identical(relative_importance(bare), alone)
    squares = np.square(world.jacobian * units).T @ np.linalg.inv(world.covariance)
    assert squares.shape == (5, 3)
    importance = np.trace(world.fisher * np.outer(units, units))
    erased = alone.sel(disciple="erased")
    assert abs(erased["importance"] - importance) < 4 * erased["importance_mcse"]


def test_evidence_that_the_future_reads_counts():
    world = LinearGaussian(1.0, [[1.0], [1.0]], np.diag([0.25, 1.0]), 0.8, [[0.3, 0.0]], 0.5)
    deaf = replace(world, direct=np.zeros((1, 2)))
    draws = {
        name: each.draw([1.0, 0.5], draws=1000, seed=seed)
        for seed, (name, each) in enumerate({"erased": deaf, "keen": world}.items())
    }
    keen = deaf.draw([1.0, 0.5], draws=1000, seed=0)
    luck = np.random.default_rng(5).normal(size=keen.w.shape) * 0.5**0.5
    w = keen.z[:, :, None] * 0.8 + 0.3 + luck
    score = keen.score[:, :, None] + luck * world.direct / 0.5
    tree = scored_tree(
        {"erased": draws["erased"].w, "keen": w},
        np.stack([draws["erased"].full_score, score]),
        scale=world.loo_variance**0.5,
    )
    found = relative_importance(tree)
    for each, name in ((deaf, "erased"), (world, "keen")):
        shares = np.square(each.jacobian[0]) * world.loo_variance
        own = found.sel(disciple=name)
        z = (own["profile"] - shares / shares.sum()) / own["profile_mcse"]
        assert (np.abs(z) < 4).all()


def test_what_a_measurement_owes_to_the_evidence_itself_is_added():
    world = GASES
    tree = tree_of(world, {"same": world.reach}, futures=1)
    direct = np.zeros((2, len(block_bounds(4, 1000, effective=BLOCKS_FOR)) - 1, 1, 2))
    direct[1] = -2 * world.jacobian
    tree["evidence_direct"] = xr.Dataset(
        {"direct": (("disciple", "score_block", "measurement", "datum"), direct)},
        {"disciple": ["erased", "same"], "measurement": ["w[0]"], "datum": ["e[0]", "e[1]"]},
    )
    found = relative_importance(tree).sel(disciple="same")
    assert found["signed_distance"] == pytest.approx(1, abs=0.01)
    assert abs(found["log_scale"]) < 4 * found["log_scale_mcse"]


def test_parts_of_the_evidence_and_other_outputs_may_be_asked_for():
    tree = tree_of(GASES, {"turbine": [[0.5, -0.5]], "null": [[0.5, 0.5]]})
    one = relative_importance(tree, data="e[1]", disciples="turbine")
    assert one["datum"].values.tolist() == ["e[1]"] and one.sizes["disciple"] == 2
    assert one["trace_distance"].values == pytest.approx([0, 0], abs=1e-9)
    assert one["signed_distance"][1] == pytest.approx(1, abs=0.05)
    for outputs in ("moments", "cells"):
        found = relative_importance(tree, outputs=outputs).sel(disciple="turbine")
        assert found.attrs["outputs"] == outputs
        assert abs(found["trace_distance"] - 1) < 4 * found["trace_distance_mcse"] + 0.05
    xr.testing.assert_identical(relative_importance(tree), relative_importance(tree))
    assert relative_importance(tree, seed=3)["p"].shape == (3,)


def test_what_cannot_be_compared_is_refused():
    tree = tree_of(GASES, {"turbine": [[0.5, -0.5]]})
    with pytest.raises(CounterfactualError, match="scale='prio'"):
        relative_importance(tree, scale="prio")
    with pytest.raises(EvidenceError, match=r"shape \(1,\).*2 data"):
        relative_importance(tree, scale=[1.0])
    with pytest.raises(EvidenceError, match=r"deviation of datum 'e\[1\]' is 0"):
        relative_importance(tree, scale=[1.0, 0.0])
    with pytest.raises(EvidenceError, match=r"datum 'e\[0\]' is nan"):
        relative_importance(tree, scale=[np.nan, 1.0])
    with pytest.raises(DiscipleError, match="turbine"):
        relative_importance(tree, disciples="turbin")
    with pytest.raises(CounterfactualError, match="flips=50"):
        relative_importance(tree, flips=50)
    bare = tree.copy()
    del bare["prior_evidence"]
    with pytest.raises(WorldError, match="prior_evidence"):
        relative_importance(bare, scale="prior")
    del bare["evidence_scales"]
    with pytest.raises(EvidenceError, match=r"give it: scale=\{'e': 1.0\}"):
        relative_importance(bare)
    holes = tree.copy()
    prior = tree["prior_evidence"]["e"].copy(deep=True)
    prior[3, 1] = np.nan
    holes["prior_evidence"] = xr.Dataset({"e": prior})
    with pytest.raises(EvidenceError, match=r"datum 'e\[1\]' has a score and no draws"):
        relative_importance(holes)
    few = tree.copy()
    few["prior_evidence"] = xr.Dataset({"e": prior[:2]})
    with pytest.raises(EvidenceError, match="2 draws"):
        relative_importance(few)
    del tree["evidence_scores"]
    with pytest.raises(WorldError, match="with_scores"):
        relative_importance(tree)


def test_data_are_worked_through_in_pieces_where_they_are_many(monkeypatch):
    module = importlib.import_module("inference.diagnostics.relative_importance")
    world = many_data(data=50)
    tree = tree_of(world, {"null": world.reach, "half": 0.5 * world.reach}, draws=100)
    whole = relative_importance(tree)
    cuts = [slice(0, 7), slice(7, 40), slice(40, 50)]
    monkeypatch.setattr(module, "data_chunks", lambda *_: cuts)
    xr.testing.assert_allclose(relative_importance(tree), whole, atol=1e-9)


def test_what_would_not_fit_is_refused(monkeypatch):
    module = importlib.import_module("inference.diagnostics.relative_importance")
    world = many_data(data=50)
    tree = tree_of(world, {"null": world.reach}, draws=100)
    monkeypatch.setattr(module, "MOST_WORDS", 40)
    with pytest.raises(CounterfactualError, match="3 outputs and 50 data; expected at most 1"):
        relative_importance(tree)
