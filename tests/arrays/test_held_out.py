"""Is the held-out difference never an overstatement, at the level and with the error it claims?"""

import numpy as np
import pytest
from scipy import signal, stats

from inference.arrays.blocks import block_bounds
from inference.arrays.held_out import (
    HeldOut,
    event_difference,
    held_out_events,
    witness_draws,
)
from inference.arrays.naive_bayes import split_scores
from inference.arrays.sign_flips import random_signs

CHAINS, DRAWS = 4, 250


def autoregression(rho, shape, rng):
    innovations = rng.normal(size=shape)
    innovations[..., 0] /= np.sqrt(1 - rho**2)
    return np.sqrt(1 - rho**2) * signal.lfilter([1], [1, -rho], innovations, axis=-1)


def judged(values, kinds, *, effective, seed=0):
    """Of worlds (measurement, world, chain, draw)."""
    chains, draws = values.shape[2:]
    bounds = block_bounds(chains, draws, effective=effective)
    found = held_out_events([values.reshape(*values.shape[:2], -1)], kinds=kinds, bounds=bounds)[0]
    size = effective
    if effective < chains * draws:
        size = witness_draws(found, chains=chains, draws=draws)
    signs = random_signs(1000, len(bounds) - 1, seed=seed)
    return event_difference(found, bounds=bounds, signs=signs, effective=size)


def null_worlds(kind, rng):
    """Values and their effective draws."""
    if kind == "independent":
        return rng.normal(size=(2, 2, CHAINS, DRAWS)), CHAINS * DRAWS
    if kind == "shared noise":
        shared = np.sqrt(0.8) * rng.normal(size=(2, 1, CHAINS, DRAWS))
        return shared + np.sqrt(0.2) * rng.normal(size=(2, 2, CHAINS, DRAWS)), CHAINS * DRAWS
    slow = autoregression(0.9, (2, 2, CHAINS, 4 * DRAWS), rng)
    return slow, 4 * CHAINS * DRAWS / 19


@pytest.mark.parametrize(
    ("kind", "witness"),
    [("independent", "naive_bayes"), ("shared noise", "lda"), ("slow", "lda")],
)
def test_the_same_world_is_rejected_at_the_level_and_hardly_ever_charged(kind, witness):
    # Two directions that resemble each other less than was allowed for make 3 % of a level of 5 %.
    repeats, rng = 500, np.random.default_rng(0)
    found = []
    for seed in range(repeats):
        values, effective = null_worlds(kind, rng)
        found.append(judged(values, [witness], effective=effective, seed=seed))
    error = np.sqrt(0.05 * 0.95 / repeats)
    rejected = np.mean([one["p"] < 0.05 for one in found])
    assert 0.02 - error < rejected < 0.05 + 2.6 * error
    assert np.mean([one["lower"] > 0 for one in found]) < 0.05 + 2.6 * error
    held_out = np.array([one["held_out"] for one in found])
    assert abs(held_out.mean()) < 4 * held_out.std() / np.sqrt(repeats)
    claimed = np.mean([one["mcse"] for one in found]) * np.sqrt(1 + 2 / np.pi)
    assert 0.85 < held_out.std() / claimed < 1.15


@pytest.mark.parametrize("shift", [0.1, 0.5])
@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_the_lower_bound_is_below_the_truth(shift, rho):
    repeats, rng = 100, np.random.default_rng(1)
    truth = 2 * stats.norm.cdf(shift) - 1  # four measurements
    draws = 4 * DRAWS if rho else DRAWS
    effective = CHAINS * draws * (1 - rho) / (1 + rho)
    found = []
    for _ in range(repeats):
        values = autoregression(rho, (4, 2, CHAINS, draws), rng)
        values[:, 1] += shift
        found.append(judged(values, ["lda"], effective=effective))
    assert np.mean([one["lower"] > truth for one in found]) <= 0.05 + 2.6 * np.sqrt(
        0.05 * 0.95 / repeats
    )
    assert np.mean([one["held_out"] for one in found]) <= truth + 0.01


@pytest.mark.parametrize("kinds", [["naive_bayes"], ["lda"], ["naive_bayes", "lda", "qda", "mlp"]])
def test_the_half_that_judges_has_no_say_in_what_is_learnt(kinds):
    values = np.random.default_rng(0).normal(size=(3, 2, 1000))
    values[:, 1] += 0.5
    moved, bounds = values.copy(), np.arange(0, 1001, 25)
    moved[:, :, 750:] = 9 - 2 * moved[:, ::-1, 750:]
    before, after = (
        held_out_events([draws], kinds=kinds, bounds=bounds)[0] for draws in (values, moved)
    )
    assert before.chosen[1] == after.chosen[1]
    assert np.array_equal(before.inside[:, 500:750], after.inside[:, 500:750])


def test_the_best_witness_is_chosen_and_named_in_both_directions():
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(10, 2, 4000)) * np.array([1.0, 1.5])[:, None]
    found = held_out_events([wide], kinds=["lda", "qda"], bounds=np.arange(0, 4001, 100))[0]
    assert found.chosen == ("qda", "qda")


def test_nothing_depends_on_the_chunks_and_disciples_do_not_meet():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(30, 3, 800)) + np.array([0, 0.1, 0.5])[:, None]
    bounds = np.arange(0, 801, 20)
    for kinds in (["naive_bayes"], ["naive_bayes", "lda"]):
        whole = held_out_events([values], kinds=kinds, bounds=bounds)
        chunks = held_out_events(np.split(values, 6), kinds=kinds, bounds=bounds)
        alone = held_out_events([values[:, [0, 2]]], kinds=kinds, bounds=bounds)
        assert all(np.array_equal(a.inside, b.inside) for a, b in zip(whole, chunks, strict=True))
        assert np.array_equal(alone[0].inside, whole[1].inside)


def test_naive_bayes_is_the_scores_of_the_other_half():
    values = np.random.default_rng(0).normal(size=(20, 2, 800)) + np.array([0, 0.2])[:, None]
    found = held_out_events([values], kinds=["naive_bayes"], bounds=np.arange(0, 801, 20))[0]
    scores = split_scores(values, slice(400, 800), slice(0, 400))
    assert np.array_equal(found.inside[:, :400], scores[0] > 0)


def test_an_event_that_is_always_there_and_one_that_points_the_wrong_way():
    signs, bounds = random_signs(1000, 40), np.arange(0, 4001, 100)
    sure = np.repeat([[True], [False]], 4000, axis=1)
    total = event_difference(
        HeldOut(sure, ("lda", "lda"), 2000), bounds=bounds, signs=signs, effective=4000.0
    )
    assert total["held_out"] == total["tv"] == 1
    assert total["mcse"] == 0
    assert total["lower"] == pytest.approx(1 - 3 / 4000)
    assert total["p"] < 1e-4
    wrong = event_difference(
        HeldOut(~sure, ("lda", "lda"), 2000), bounds=bounds, signs=signs, effective=4000.0
    )
    assert (wrong["held_out"], wrong["tv"], wrong["lower"]) == (-1, 0, 0)
    assert wrong["p"] > 0.999
    never = event_difference(
        HeldOut(sure & False, ("lda", "lda"), 2000), bounds=bounds, signs=signs, effective=4000.0
    )
    assert (never["tv"], never["lower"], never["p"]) == (0, 0, 1)


def test_under_ten_effective_draws_nothing_is_said():
    signs, bounds = random_signs(1000, 40), np.arange(0, 4001, 100)
    sure = np.repeat([[True], [False]], 4000, axis=1)
    told = event_difference(
        HeldOut(sure, ("lda", "lda"), 2000), bounds=bounds, signs=signs, effective=4.0
    )
    assert (told["mcse"], told["lower"], told["p"]) == (1, 0, 1)


@pytest.mark.parametrize("chains", [1, 2, 3, 4, 60])
def test_effective_draws_of_independent_and_slow_events(chains):
    rng, draws = np.random.default_rng(0), 6000 // chains
    half = int(block_bounds(chains, draws, effective=6000.0)[20 if chains != 3 else 10])
    quick = HeldOut(rng.random((2, chains * draws)) < 0.5, ("lda", "lda"), half)
    size = witness_draws(quick, chains=chains, draws=draws)
    assert 4000 < size <= 6000
    slow = HeldOut(np.repeat(quick.inside[:, ::10], 10, axis=1), ("lda", "lda"), half)
    assert witness_draws(slow, chains=chains, draws=draws) < 1500
    never = HeldOut(quick.inside & False, ("lda", "lda"), half)
    assert witness_draws(never, chains=chains, draws=draws) == 6000


def test_halves_that_learnt_different_events_are_no_stuck_chains():
    rng = np.random.default_rng(0)
    share = np.repeat([0.1, 0.9], 2000)
    found = HeldOut(rng.random((2, 4000)) < share, ("lda", "qda"), 2000)
    assert witness_draws(found, chains=4, draws=1000) > 2500
