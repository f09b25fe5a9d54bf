"""Do labels that other draws have taught tell what they can, and nothing where nothing is?"""

import numpy as np
import pytest
from scipy import stats

from inference.arrays.blocks import block_bounds
from inference.arrays.held_out_labels import (
    CONFIDENCES,
    label_counts,
    told_information,
    told_labels,
)
from inference.arrays.sign_flips import random_signs

ROWS = 4000
BOUNDS = block_bounds(4, 1000, effective=float(ROWS))
SIGNS = random_signs(1000, len(BOUNDS) - 1)


def noise(worlds, measurements, seed=0):
    return np.random.default_rng(seed).normal(size=(measurements, worlds, ROWS))


def told(values, *kinds):
    return told_labels([values], kinds=kinds, bounds=BOUNDS)


def information(values, *kinds):
    labels, _ = told(values, *kinds)
    return told_information(labels, bounds=BOUNDS, signs=SIGNS, effective=float(ROWS))


@pytest.mark.parametrize("kind", ["naive_bayes", "lda", "qda", "cells"])
def test_three_shifted_worlds_are_told_apart_as_well_as_can_be(kind):
    values = noise(3, 1) + np.array([0.0, 2.0, 4.0])[:, None]
    labels, _ = told(values, kind)
    right = (labels // CONFIDENCES == np.arange(3)[:, None]).mean()
    # The middle one is missed on both sides.
    assert right == pytest.approx(1 - 4 / 3 * stats.norm.cdf(-1), abs=0.02)


def test_confidence_gives_back_most_of_what_a_label_alone_would_lose():
    values = noise(2, 1)
    values[:, 1] += 0.8
    alone = 1 - stats.entropy([stats.norm.cdf(0.4), stats.norm.sf(0.4)], base=2)
    found = information(values, "lda")
    assert alone == pytest.approx(0.0705, abs=0.001)
    assert 0.107016 - 4 * found["mcse"] < found["bits"] < 0.107016 + 2 * found["mcse"]
    assert found["bits"] > alone + 2 * found["mcse"]


def test_the_half_that_learns_chooses_who_can_see():
    values = noise(3, 4)
    values[:, 2] *= 1.5
    _, chosen = told(values, "lda", "qda")
    assert chosen == ("qda", "qda")


def test_a_network_may_be_asked_for():
    values = noise(2, 1)[..., ::4]
    values[:, 1] += 3.0
    bounds = block_bounds(4, 250, effective=1000.0)
    labels, chosen = told_labels([values], kinds=["mlp"], bounds=bounds)
    assert chosen == ("mlp", "mlp")
    assert (labels // CONFIDENCES == [[0], [1]]).mean() > 0.9


@pytest.mark.parametrize(("worlds", "kind"), [(2, "lda"), (2, "naive_bayes"), (3, "lda")])
def test_the_same_worlds_are_told_apart_by_nobody(worlds, kind):
    found = [information(noise(worlds, 5, seed=seed), kind) for seed in range(200)]
    bits = np.array([one["bits"] for one in found])
    floor = np.mean([one["floor"] for one in found])
    assert abs(bits.mean()) < 2 * bits.std() / np.sqrt(200) + 0.05 * floor
    assert np.mean([one["p"] <= 0.05 for one in found]) < 0.09
    assert np.mean([one["lower"] > 0 for one in found]) < 0.04


def test_measurements_may_come_in_chunks():
    values = noise(3, 6)
    values[:, 1] += 0.5
    for kinds in (["naive_bayes"], ["naive_bayes", "lda"]):
        whole = told_labels([values], kinds=kinds, bounds=BOUNDS)
        chunks = told_labels([values[:2], values[2:]], kinds=kinds, bounds=BOUNDS)
        assert np.array_equal(whole[0], chunks[0])
        assert whole[1] == chunks[1]


def test_worlds_that_never_change_have_one_label():
    values = np.zeros((1, 2, ROWS))
    for kind in ("naive_bayes", "lda", "cells"):
        labels, _ = told(values, kind)
        assert np.array_equal(labels[0], labels[1])
        assert len(np.unique(labels)) == 1
        assert information(values, kind)["bits"] == 0


def test_counts_of_labels_add_up_to_the_draws():
    labels = np.random.default_rng(0).integers(0, 3 * CONFIDENCES, size=(3, ROWS))
    counts = label_counts(labels, BOUNDS)
    assert counts.shape == (3, len(BOUNDS) - 1, 3 * CONFIDENCES, 1)
    assert (counts.sum(axis=(2, 3)) == np.diff(BOUNDS)).all()
    assert counts[1, :, 5].sum() == (labels[1] == 5).sum()
