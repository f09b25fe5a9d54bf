"""A rare catastrophe: what is seen of a disaster that comes once in a thousand times?"""

import numpy as np
import pytest
import torch
from closed_forms import enumerated, finite_draws

import counterfactual_models as cm
from counterfactual_models.errors import DiscipleError, EvidenceError, WorldError
from counterfactual_models.zoo import rare_catastrophe
from counterfactual_models.zoo.rare_catastrophe import LOSS, Gamble, expected_loss, unseen
from inference import diagnostics


@pytest.fixture(scope="module")
def example():
    return rare_catastrophe.example()


@pytest.fixture(scope="module")
def tree(example):
    return finite_draws.draw(example, draws=2500, seed=1)


@pytest.mark.parametrize("chance", [1e-3, 1e-6, 0.1])
def test_every_measure_is_linear_in_the_chance(chance):
    example = rare_catastrophe.example(chance=chance)
    truth = example.exact(example.disciples["gamble"])
    np.testing.assert_allclose(truth.tv(), [chance, 0], atol=1e-12)
    assert truth.joint_tv == pytest.approx(chance)
    assert truth.path == pytest.approx(chance)
    assert truth.rearranged_tv == pytest.approx(chance)
    # The weather moves the harvest by .8 in L1: next to it, X is nothing.
    assert truth.importance.ratio == pytest.approx(2 * chance / 0.8)
    assert truth.importance.profile_distance == 0
    assert expected_loss(example.disciples["gamble"], chance=chance) == LOSS * chance
    assert example.exact(example.disciples["safe"]).path == 0


@pytest.mark.parametrize(
    ("draws", "chance", "within"),
    [(1000, 0.3677, 5e-5), (3000, 0.0497, 5e-5), (10_000, 4.5e-5, 5e-7)],
)
def test_how_often_no_draw_shows_the_disaster(draws, chance, within):
    assert unseen(draws) == pytest.approx(chance, abs=within)
    assert unseen(draws) == pytest.approx((1 - 1e-3) ** draws)


def test_draws_miss_it_as_often_as_they_should(tree):
    # Ten thousand draws in a hundred runs of a hundred: (1 - p)^100 = .905 of them see nothing.
    loss = tree["predictions"]["loss"].sel(disciple="gamble").values.reshape(100, 100)
    missed = (loss == 0).all(axis=1).mean()
    p = unseen(100)
    assert abs(missed - p) <= 4 * np.sqrt(p * (1 - p) / 100)


@pytest.mark.parametrize("quantile", [0.1, 0.01, 0.5, 1.0])
def test_a_quantiliser_costs_at_most_the_gamble_over_its_share(quantile):
    # Taylor's bound by brute force: of a thousand plans, the best q by any score.
    rng = np.random.default_rng(0)
    bound = expected_loss(Gamble(1 / quantile))
    cost = np.zeros(1000)
    cost[0] = LOSS
    for _ in range(20):
        score = rng.normal(size=1000)
        best = np.argsort(-score)[: int(1000 * quantile)]
        assert cost[best].mean() <= bound * (1 + 1e-12)
    score[0] = 10.0
    best = np.argsort(-score)[: int(1000 * quantile)]
    assert cost[best].mean() == pytest.approx(bound), "it is met where disaster scores best"


def test_the_quantile_disciple_meets_the_bound(example):
    truth = example.exact(example.disciples["quantile"])
    assert truth.joint_tv == pytest.approx(0.01)
    assert expected_loss(example.disciples["quantile"]) == pytest.approx(10 * 1000)
    assert set(example.truth) == {"safe", "gamble"}


def test_the_program_has_the_laws_of_exact_at_every_evidence(example):
    enumerated.assert_lawful(example)


def test_draws_come_out_as_often_as_they_should(example, tree):
    finite_draws.assert_lawful(example, tree)
    finite_draws.assert_lawful_at_alternatives(example)


def test_the_estimate_of_the_penalty_is_within_its_error(example, tree):
    found = diagnostics.coarse_graining(tree)
    for name, disciple in example.disciples.items():
        for place, measurement in enumerate(("loss", "harvest")):
            own = found.sel(disciple=name, measurement=measurement)
            gap = abs(own["tv"] - example.exact(disciple).tv()[place])
            # Of ten thousand draws some ten are lost: allow three for their skew.
            assert gap <= 4 * own["mcse"] + 3e-4, (name, measurement)


@pytest.mark.parametrize("disciple", ["safe", "gamble", "quantile"])
def test_the_world_passes_its_check(example, disciple):
    checked = cm.check_world(example.world, example.disciples[disciple])
    assert tuple(checked.named("measurement")) == ("loss", "harvest")


@pytest.mark.parametrize("chance", [0, -1, 0.2, np.nan, "rare"])
def test_a_chance_that_is_none_is_refused(chance):
    with pytest.raises(WorldError, match=r"chance=.*above 0 and at most 0\.1"):
        rare_catastrophe.example(chance=chance)


@pytest.mark.parametrize("times", [-1, np.inf, np.nan, "often"])
def test_a_gamble_that_is_none_is_refused(times):
    with pytest.raises(DiscipleError, match=r"times=.*from 0 up"):
        Gamble(times)


def test_more_than_certain_disaster_is_refused(example):
    with pytest.raises(DiscipleError, match="1000 at most"):
        example.exact(Gamble(1001.0))


def test_half_a_rain_is_no_evidence(example):
    with pytest.raises(EvidenceError, match=r"rain=0\.5"):
        example.exact(Gamble(), evidence={"rain": torch.tensor(0.5)})
