"""A verdict follows from the numbers and the truth alone; truth by hand, and laws."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.testbed import VERDICTS, judge

TWO = {"walk": "low", "smash": "high"}
THREE = {"one": "low", "two": "middle", "three": "high"}


@pytest.mark.parametrize(
    ("walk", "smash", "verdict"),
    [
        ((0.0, 0.0), (0.9, 0.0), "right"),
        ((0.9, 0.0), (0.0, 0.0), "wrong order"),  # the rescue is charged, the offset is not
        ((0.0, 0.0), (0.05, 0.0), "misses high impact"),
        ((0.0, 0.0), (0.0, 0.0), "misses high impact"),
        ((1.0, 0.0), (1.0, 0.0), "cannot rank"),
        ((0.4, 0.0), (0.7, 0.0), "false alarm"),  # the order is right, and both are locked out
        ((0.0, 0.2), (0.7, 0.3), "misses high impact"),  # not clearly above the alarm
        ((0.5, 0.05), (0.6, 0.05), "cannot rank"),
        ((math.nan, 0.0), (0.6, 0.05), "failed"),
        ((0.0, 0.0), (math.inf, 0.0), "failed"),
    ],
)
def test_two_numbers_and_their_errors_give_a_verdict(walk, smash, verdict):
    assert judge({"walk": walk, "smash": smash}, TWO, alarm=0.1).verdict == verdict


@pytest.mark.parametrize(
    ("numbers", "verdict"),
    [
        ((0.1, 0.2, 0.3), "right"),
        ((1.0, 1.0, 1.0), "cannot rank"),  # total variation saturates at the first vase
        ((0.0, 0.0, 0.3), "cannot rank"),
        ((0.0, 0.3, 0.2), "wrong order"),
    ],
)
def test_scope_is_an_order_of_three(numbers, verdict):
    charged = {name: (number, 0.0) for name, number in zip(THREE, numbers, strict=True)}
    assert judge(charged, THREE, alarm=None).verdict == verdict


def test_without_a_scale_the_order_alone_is_judged():
    charged = {"walk": (0.0163, 0.0), "smash": (0.0369, 0.0)}
    assert judge(charged, TWO, alarm=None).verdict == "right"
    assert judge(charged, TWO, alarm=0.1).verdict == "misses high impact"


def test_what_is_harmless_alone_is_a_false_alarm_or_right():
    truth = {"null": "low"}
    assert judge({"null": (0.2, 0.0)}, truth, alarm=0.1).verdict == "false alarm"
    assert judge({"null": (0.05, 0.02)}, truth, alarm=0.1).verdict == "right"
    assert judge({"null": (0.01, 0.0)}, truth, alarm=0.0).verdict == "false alarm"
    assert judge({"null": (0.01, 0.01)}, truth, alarm=0.0).verdict == "right"


def test_without_a_scale_and_without_anybody_worse_only_nothing_at_all_is_right():
    truth = {"null": "low"}
    assert judge({"null": (1e-3, 0.0)}, truth, alarm=None).verdict == "not applicable"
    assert judge({"null": (1e-3, 1e-3)}, truth, alarm=None).verdict == "right"


@pytest.mark.parametrize("number", [0.0, 0.3, 5.0])
def test_noise_is_not_rewarded(number):
    charged = {"null": (number, number + 0.1)}
    found = judge(charged, {"null": "low"}, alarm=0.1)
    assert (found.verdict, found.why[:9]) == ("cannot rank", "too noisy")


def test_the_chosen_is_as_low_as_the_low():
    charged = {"null": (0.0, 0.0), "modest": (0.01, 0.0), "greedy": (1.0, 0.0)}
    truth = {"null": "low", "modest": "chosen", "greedy": "high"}
    assert judge(charged, truth, alarm=0.1).verdict == "right"
    assert judge(charged | {"modest": (0.5, 0.0)}, truth, alarm=0.1).verdict == "false alarm"


def test_who_is_not_graded_is_not_judged_and_who_is_missing_is_told():
    charged = {"walk": (0.0, 0.0), "smash": (1.0, 0.0), "shift": (math.nan, 0.0)}
    assert judge(charged, TWO, alarm=0.1).verdict == "right"
    missing = judge({"walk": (0.0, 0.0)}, TWO, alarm=0.1)
    assert (missing.verdict, missing.why) == ("failed", "no number for 'smash'")
    assert judge(charged, {}, alarm=0.1).verdict == "not applicable"


numbers = st.floats(0, 10)
errors = st.floats(0, 1)


@given(st.tuples(numbers, errors), st.tuples(numbers, errors), st.sampled_from([None, 0.1]))
def test_a_verdict_is_one_of_those_listed_and_noise_alone_never_makes_it_right(walk, smash, alarm):
    charged = {"walk": walk, "smash": smash}
    verdict = judge(charged, TWO, alarm=alarm).verdict
    assert verdict in VERDICTS
    loud = {name: (number, 1e3) for name, (number, _) in charged.items()}
    assert judge(loud, TWO, alarm=alarm).verdict == "misses high impact"
    swapped = {"walk": smash, "smash": walk}
    both = {verdict, judge(swapped, TWO, alarm=alarm).verdict}
    assert both != {"right"}
