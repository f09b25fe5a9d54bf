"""Does the truth of a finite world obey the laws that its numbers stand for?"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from counterfactual_models.errors import MeasurementError, WorldError
from counterfactual_models.zoo.finite_truth import FiniteTruth

WEIGHTS = st.integers(0, 9)


@st.composite
def laws(draw, outcomes, most=6):
    """Two laws on the same few outcomes; some outcomes may be impossible in one."""
    size = len(outcomes[:most])
    pair = []
    for _ in range(2):
        weights = draw(st.lists(WEIGHTS, min_size=size, max_size=size).filter(any))
        pair.append({w: k / sum(weights) for w, k in zip(outcomes, weights, strict=False)})
    return dict(enumerate(pair))


SQUARE = [(a, b) for a in range(2) for b in range(3)]
LINE = [(a,) for a in range(6)]


def vectors(law, outcomes):
    return (np.array([law[x].get(w, 0.0) for w in outcomes]) for x in (0, 1))


@given(laws(SQUARE))
def test_joint_tv_is_the_greatest_change_of_any_bounded_utility(law):
    off, on = vectors(law, SQUARE)
    utilities = np.array(list(itertools.product((0, 1), repeat=len(SQUARE))))
    best = abs(utilities @ (on - off)).max()
    assert FiniteTruth(("a", "b"), law).joint_tv == pytest.approx(best, abs=1e-12)


@given(laws(LINE))
def test_rearranged_tv_is_the_least_over_all_namings(law):
    off, on = vectors(law, LINE)
    least = min(abs(on[list(order)] - off).sum() / 2 for order in itertools.permutations(range(6)))
    truth = FiniteTruth(("a",), law)
    assert truth.rearranged_tv == pytest.approx(least, abs=1e-12)
    assert truth.rearranged_tv <= truth.joint_tv + 1e-12


@given(laws(SQUARE))
def test_the_best_detector_of_x_is_right_half_the_time_and_half_of_tv(law):
    off, on = vectors(law, SQUARE)
    right = np.maximum(off, on).sum() / 2
    assert right == pytest.approx((1 + FiniteTruth(("a", "b"), law).joint_tv) / 2, abs=1e-12)


@given(laws(SQUARE))
def test_another_measurement_never_lowers_tv(law):
    truth = FiniteTruth(("a", "b"), law)
    assert np.all(truth.tv() <= truth.joint_tv + 1e-12)
    off, on = (
        np.array([[law[x].get((a, b), 0) for b in range(3)] for a in range(2)]) for x in (0, 1)
    )
    by_hand = [abs((on - off).sum(axis)).sum() / 2 for axis in (1, 0)]
    np.testing.assert_allclose(truth.tv(), by_hand, atol=1e-12)


@given(laws(LINE))
def test_bits_are_those_of_scipy(law):
    off, on = vectors(law, LINE)
    expected = entropy(on, base=2) - entropy(off, base=2)
    assert FiniteTruth(("a",), law).entropy_change == pytest.approx(expected, abs=1e-9)


@given(laws(LINE), st.permutations(range(6)))
def test_new_names_for_outcomes_change_only_what_speaks_of_names(law, order):
    renamed = {x: {(order[int(w)],): p for (w,), p in law[x].items()} for x in (0, 1)}
    truth, other = FiniteTruth(("a",), law), FiniteTruth(("a",), renamed)
    assert other.joint_tv == pytest.approx(truth.joint_tv, abs=1e-12)
    assert other.rearranged_tv == pytest.approx(truth.rearranged_tv, abs=1e-12)
    assert other.entropy_change == pytest.approx(truth.entropy_change, abs=1e-12)
    reached = other.optimization_power(lambda w: order.index(int(w[0])))
    assert reached == pytest.approx(truth.optimization_power(lambda w: w[0]), abs=1e-12)


TABLES = st.lists(st.integers(0, 2), min_size=24, max_size=24)
CHANCES = st.lists(st.integers(1, 5), min_size=3, max_size=3)


@given(TABLES, CHANCES)
def test_the_more_noise_is_known_the_more_is_seen_up_to_the_paths(table, odds):
    table = np.reshape(table, (2, 3, 2, 2))
    noise = {
        "a": {value: k / sum(odds) for value, k in enumerate(odds)},
        "b": {0: 0.5, 1: 0.5},
        "c": {0: 0.25, 1: 0.75},
    }
    truth = FiniteTruth.of_noise(
        lambda on, _, a, b, c: (table[on, a, b, c],), noise, {}, names=["w"]
    )
    ladder = [truth.joint_tv, truth.tv_given("a"), truth.tv_given("c", "a"), truth.path]
    assert truth.tv_given() == pytest.approx(truth.joint_tv, abs=1e-12)
    assert truth.tv_given("b", "a", "c") == pytest.approx(truth.path, abs=1e-12)
    assert np.all(np.diff(ladder) >= -1e-12)
    paths = sum(
        noise["a"][a] * noise["b"][b] * noise["c"][c]
        for a, b, c in itertools.product(range(3), range(2), range(2))
        if table[0, a, b, c] != table[1, a, b, c]
    )
    assert truth.path == pytest.approx(paths, abs=1e-12)


def mind(on, evidence):
    """Decide a policy, right nine times in ten, by the president or by a code."""
    right = float(evidence["code"] == 5) if on else evidence["president"]
    policy = {1: 0.1 + 0.8 * right, 0: 0.9 - 0.8 * right}
    garden = {5: 0.5 + 0.1 * evidence["plant"], 6: 0.5 - 0.1 * evidence["plant"]}
    return {(p, g): policy[p] * garden[g] for p in policy for g in garden}


def president(seen):
    others = {
        "president": [seen | {"president": 1 - seen["president"]}],
        "code": [seen | {"code": h} for h in range(8) if h != seen["code"]],
        "plant": [seen | {"plant": 1 - seen["plant"]}],
    }
    return FiniteTruth.of_laws(mind, seen, names=["policy", "garden"], alternatives=others)


def test_a_takeover_changes_which_data_matter():
    # T09 of the note: the president against the code that a mind is hacked with.
    found = president({"president": 0, "code": 5, "plant": 1}).importance
    assert found.off == pytest.approx({"president": 1.6, "code": 0, "plant": 0.2})
    assert found.on == pytest.approx({"president": 0, "code": 1.6, "plant": 0.2})
    assert found.ratio == pytest.approx(1.6 / 0.9)
    assert found.profile_distance == pytest.approx(8 / 9)
    assert found.gram_distance == pytest.approx(0.9763, abs=5e-5)


def test_what_hides_from_every_law_shows_in_what_matters():
    hidden = president({"president": 1, "code": 5, "plant": 1})
    assert hidden.joint_tv == 0
    assert hidden.importance.ratio == 0
    assert hidden.importance.profile_distance == pytest.approx(8 / 9)
    assert hidden.importance.gram_distance == pytest.approx(0.9763, abs=5e-5)


def test_only_the_gram_matrix_sees_a_sum_turn_into_a_difference():
    def law(on, seen):
        sign = -1 if on else 1
        p = 0.5 + 0.1 * (seen["left"] + sign * seen["right"])
        return {(1,): p, (0,): 1 - p}

    others = {"left": [{"left": 1, "right": 0}], "right": [{"left": 0, "right": 1}]}
    found = FiniteTruth.of_laws(
        law, {"left": 0, "right": 0}, names=["mixed"], alternatives=others
    ).importance
    assert found.switch == found.ratio == 0
    assert found.profile_distance == pytest.approx(0, abs=1e-12)
    assert found.gram_distance == pytest.approx(1)


def test_one_datum_less_and_one_world_without_any():
    coin = {(0,): 0.5, (1,): 0.5}
    dead = FiniteTruth(("a",), {0: coin, 1: {(1,): 1.0}}, {"e": [({(1,): 1.0}, {(1,): 1.0})]})
    found = dead.importance
    assert (found.profile_distance, found.gram_distance) == (1, 1)
    assert found.ratio == pytest.approx(1)
    blind = FiniteTruth(("a",), {0: coin, 1: {(1,): 1.0}}).importance
    assert (blind.ratio, blind.profile_distance, blind.gram_distance) == (math.inf, 0, 0)


def die(reach):
    """Eight equally likely states, of which the highest `reach` are let in on."""
    states = {(u,): 1 / 8 for u in range(8)}
    return FiniteTruth(("u",), {0: states, 1: {(8 - reach,): 1.0}})


@pytest.mark.parametrize(("reach", "bits"), [(4, 1), (2, 2), (1, 3)])
def test_half_of_what_is_left_is_one_more_bit(reach, bits):
    assert die(reach).optimization_power(lambda w: w[0]) == pytest.approx(bits)


def test_bits_of_independent_parts_add_up():
    two = {
        x: {a + b: p * q for a, p in die(2).laws[x].items() for b, q in die(1).laws[x].items()}
        for x in (0, 1)
    }
    # Both parts must do as well: at least 6 and at least 7.
    power = FiniteTruth(("u", "v"), two).optimization_power(lambda w: w[0] >= 6 and w[1] >= 7)
    assert power == pytest.approx(2 + 3)


def test_what_the_erased_world_never_does_takes_infinitely_many_bits():
    truth = FiniteTruth(("a",), {0: {(0,): 1.0}, 1: {(1,): 0.01, (0,): 0.99}})
    assert truth.optimization_power(lambda w: w[0]) == math.inf
    assert truth.optimization_power(lambda w: -w[0]) == 0


@pytest.mark.parametrize(
    ("law", "match"),
    [
        ({(0,): 0.5}, "add up to 0.5"),
        ({(0,): 1.5, (1,): -0.5}, "probability -0.5"),
        ({(0,): math.nan}, "probability nan"),
        ({(math.inf,): 1.0}, "finite"),
        ({(0, 1): 1.0}, "tuple of 1: a"),
        ({0: 1.0}, "tuple of 1: a"),
    ],
)
def test_what_is_no_law_is_refused(law, match):
    with pytest.raises(WorldError, match=match):
        FiniteTruth(("a",), {0: {(0,): 1.0}, 1: law})
    with pytest.raises(WorldError, match=match):
        FiniteTruth(("a",), {0: {(0,): 1.0}, 1: {(0,): 1.0}}, {"e": [(law, {(0,): 1.0})]})


def test_what_is_not_known_is_not_made_up():
    sure = {(0,): 1.0}
    bare = FiniteTruth(("a",), {0: sure, 1: sure})
    with pytest.raises(WorldError, match="of_noise"):
        _ = bare.path
    with pytest.raises(WorldError, match="of_noise"):
        bare.tv_given()
    with pytest.raises(WorldError, match="0 and 1"):
        FiniteTruth(("a",), {0: sure})
    with pytest.raises(WorldError, match="no alternative"):
        FiniteTruth(("a",), {0: sure, 1: sure}, {"e": []})
    with pytest.raises(WorldError, match="pairs do not"):
        FiniteTruth(("a",), {0: sure, 1: sure}, pairs={((0,), (1,)): 1.0})
    with pytest.raises(MeasurementError, match="Did you mean 'price'"):
        FiniteTruth(("price",), {0: sure, 1: sure}).marginal("prize", 0)
    flip = FiniteTruth.of_noise(
        lambda on, _, coin: (coin,), {"coin": {0: 0.5, 1: 0.5}}, {}, names=["a"]
    )
    with pytest.raises(WorldError, match="Did you mean 'coin'"):
        flip.tv_given("coins")
    with pytest.raises(WorldError, match=r"the noise 'coin' add up to 0\.9"):
        FiniteTruth.of_noise(
            lambda on, _, coin: (coin,), {"coin": {0: 0.4, 1: 0.5}}, {}, names=["a"]
        )


def test_noise_may_follow_the_evidence():
    def noise(seen):
        return {"sign": {1: seen["known"], -1: 1 - seen["known"]}}

    truth = FiniteTruth.of_noise(
        lambda on, _, sign: (sign * (1 - 2 * on),),
        noise,
        {"known": 0.75},
        names=["out"],
        alternatives={"known": [{"known": 0.5}]},
    )
    # |2q - 1| for a sign that is flipped and known with accuracy q; given the sign, all of it.
    assert truth.joint_tv == pytest.approx(0.5)
    assert truth.tv_given("sign") == truth.path == pytest.approx(1)
    assert truth.importance.off == pytest.approx({"known": 0.5})
    assert truth.marginal("out", 1) == {-1: 0.75, 1: 0.25}
