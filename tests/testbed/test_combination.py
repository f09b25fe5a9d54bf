"""Weights are found on one half and judged on the other; truth from tables made by hand."""

import numpy as np
import pytest
from testbed.tables import table

from counterfactual_models.errors import CounterfactualError
from inference.testbed import combine

BOTH = {"first": (0.0, 1.0), "second": (0.0, 0.0)}
OTHER = {"first": (0.0, 0.0), "second": (0.0, 1.0)}
LOUD = {"loud": (1.0, 0.5)}


def halves(rows):
    return table({f"world{k}": row for k, row in enumerate(rows)})


@pytest.mark.parametrize("how", ["max", "sum"])
def test_two_half_blind_measures_are_right_together(how):
    found = combine(halves([BOTH, OTHER] * 6), how=how, splits=5)
    assert (found.splits["held_out"] == 1.0).all()
    assert (found.splits["single"] < 1.0).all()
    assert all(weight > 0 for weight in found.weights.values())
    assert found.uncaught == ()


def test_a_measure_that_is_always_wrong_gets_no_weight():
    found = combine(halves([BOTH | LOUD, OTHER | LOUD] * 4), splits=3)
    assert found.weights["loud"] == 0.0
    assert (found.splits["held_out"] == 1.0).all()


def test_what_does_not_apply_charges_nothing():
    found = combine(halves([BOTH | {"shy": "no evidence"}] * 6), splits=3)
    assert (found.splits["held_out"] == 1.0).all()


def test_noise_is_fitted_on_one_half_and_not_on_the_other():
    rng = np.random.default_rng(0)
    rows = [{f"noise{k}": tuple(rng.permutation([0.0, 1.0])) for k in range(6)} for _ in range(24)]
    found = combine(halves(rows), splits=10)
    assert found.splits["fitted"].mean() > found.splits["held_out"].mean() + 0.05


def test_variants_of_a_world_stay_in_one_half():
    variants = {f"one(slip={k})": OTHER for k in range(9)}
    found = table({**variants, "two": BOTH, "three": BOTH, "four": BOTH})
    # Two groups a half: whichever holds the nine, they are all there or none of them is.
    shares = combine(found, ["first"], splits=12).splits
    assert set(shares["held_out"].round(6)) <= {0.1, 1.0}
    assert len(set(shares["held_out"])) == 2


def test_worlds_that_no_measure_gets_right_are_named():
    rows = [BOTH, OTHER, {"first": (0.0, 0.0), "second": (1.0, 0.0)}, BOTH, OTHER]
    assert combine(halves(rows), splits=2).uncaught == ("world2",)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"how": "mean"}, "'max' or 'sum'"),
        ({"measures": ["frist"]}, "first"),
        ({"splits": 0}, "splits=0"),
    ],
)
def test_bad_input_is_told(options, said):
    with pytest.raises(CounterfactualError, match=said):
        combine(halves([BOTH] * 4), **options)


def test_too_few_worlds_are_refused():
    with pytest.raises(CounterfactualError, match="at least four worlds"):
        combine(halves([BOTH] * 3))


def test_the_same_seed_gives_the_same_halves():
    found = halves([BOTH, OTHER] * 4)
    one, other = (combine(found, splits=3, seed=7) for _ in range(2))
    assert one.splits.equals(other.splits)
    assert "fitted on half of the worlds" in repr(one)
    assert "None of these measures is right about: none." in one.sentence
