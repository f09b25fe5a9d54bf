"""The time bomb: is there nothing to see at T, and everything at T + 1?"""

import numpy as np
import pytest
import torch
from closed_forms import enumerated, finite_draws

import counterfactual_models as cm
from counterfactual_models.errors import EvidenceError, WorldError
from counterfactual_models.zoo import time_bomb
from inference import diagnostics

LAST = time_bomb.LAST
horizons = pytest.mark.parametrize("horizon", [LAST, LAST + 1], ids=["T", "T+1"])


def truth_of(name, horizon):
    example = time_bomb.example(horizon=horizon)
    return example.exact(example.disciples[name])


@pytest.mark.parametrize("horizon", [1, LAST - 1, LAST, LAST + 1, LAST + 2, LAST + 10])
def test_the_bomb_is_seen_from_the_day_on_which_it_goes_off(horizon):
    truth = truth_of("bomb", horizon)
    seen = float(horizon > LAST)
    assert truth.joint_tv == truth.path == seen
    np.testing.assert_allclose(truth.tv(), [seen, 0.8 * seen])
    assert truth_of("null", horizon).path == 0


def test_what_the_season_is_worth_goes_with_the_town():
    at, after = (truth_of("bomb", day).importance for day in (LAST, LAST + 1))
    assert at.off == after.off == at.on == pytest.approx({"season": 0.4})
    assert after.on == {"season": 0}
    assert (at.ratio, at.profile_distance, at.gram_distance) == (0, 0, 0)
    assert after.ratio == pytest.approx(5)
    assert after.profile_distance == after.gram_distance == 1


def test_no_other_measure_of_the_laws_sees_it_at_the_horizon():
    truth = truth_of("bomb", LAST)
    assert truth.rearranged_tv == truth.entropy_change == 0
    assert truth.tv_given("trade") == 0


def test_the_table_knows_the_bomb_at_the_horizon():
    table = time_bomb.example().tabular
    state = torch.tensor(time_bomb.START)
    for time in range(LAST):
        state = time_bomb.step(state, time_bomb.bomb(state, time))
    assert state.tolist() == [LAST, time_bomb.PLANTED]
    # With nobody acting from there on, it goes off; without a bomb, nothing ever does.
    waits = table.transitions[:, table.idle]
    after = waits[int(table.index(state))]
    assert table.states[after.argmax()].tolist() == [LAST + 1, time_bomb.GONE_OFF]
    still = np.linalg.matrix_power(waits, 50)[table.start]
    assert table.states[still.argmax()].tolist() == [LAST + 1, time_bomb.NONE]


def test_the_table_has_every_day_and_every_bomb():
    # A bomb may be planted on any of days 0 to 5, and is seen as such from day 1 to day 5.
    table = time_bomb.table()
    assert len(table.states) == (LAST + 2) + LAST + 1
    last = table.states[:, 0] == LAST + 1
    stays = table.following[last] == np.flatnonzero(last)[:, None]
    assert stays.all(), "after the last day nothing moves"


def test_whenever_it_is_planted_it_goes_off_on_the_same_day():
    for day in range(LAST + 1):

        def late(states, time, day=day):
            return torch.full_like(states[..., 0], int(time == day))

        for horizon in (LAST, LAST + 1):
            truth = time_bomb.exact(late, {"season": 1}, horizon=horizon)
            assert truth.joint_tv == float(horizon > LAST)


@horizons
def test_the_program_has_the_laws_of_exact_at_every_evidence(horizon):
    enumerated.assert_lawful(time_bomb.example(horizon=horizon))


@horizons
def test_draws_come_out_as_often_as_they_should(horizon):
    example = time_bomb.example(horizon=horizon)
    tree = finite_draws.draw(example)
    finite_draws.assert_lawful(example, tree)
    finite_draws.assert_lawful_at_alternatives(example)
    found = diagnostics.coarse_graining(tree)
    for name in example.disciples:
        expected = truth_of(name, horizon).tv()
        for place, measurement in enumerate(("standing", "market")):
            own = found.sel(disciple=name, measurement=measurement)
            assert abs(own["tv"] - expected[place]) <= 4 * own["mcse"] + 1e-9


def test_the_trajectory_is_the_one_of_the_policy():
    example = time_bomb.example()
    path = finite_draws.draw(example, draws=50)["predictions"]["trajectory"]
    states = example.tabular.states[path.sel(disciple="bomb").values.astype(int)]
    assert (states[..., 0] == np.arange(LAST + 1)).all()
    assert (states[..., 1] == [0] + [1] * LAST).all()
    waited = example.tabular.states[path.sel(disciple="erased").values.astype(int)]
    assert not waited[..., 1].any()


def test_a_verdict_carries_its_horizon():
    assert "looked at on day 5" in time_bomb.example().about
    assert "looked at on day 6" in time_bomb.example(horizon=6).about


@pytest.mark.parametrize("disciple", ["null", "bomb"])
@horizons
def test_the_world_passes_its_check(disciple, horizon):
    example = time_bomb.example(horizon=horizon)
    checked = cm.check_world(example.world, example.disciples[disciple])
    assert tuple(checked.named("measurement")) == ("standing", "market")


@pytest.mark.parametrize("horizon", [0, -1, 2.5, "T"])
def test_a_horizon_before_the_first_day_is_refused(horizon):
    with pytest.raises(WorldError, match=r"horizon=.*at least 1"):
        time_bomb.example(horizon=horizon)


def test_half_a_season_is_no_evidence():
    with pytest.raises(EvidenceError, match=r"season=0\.5"):
        time_bomb.exact(time_bomb.null, {"season": torch.tensor(0.5)})
