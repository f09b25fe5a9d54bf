"""Many small impacts: what do they come to, together?"""

import math

import numpy as np
import pytest
from closed_forms import enumerated, finite_draws
from scipy.special import erf
from scipy.stats import binom

import counterfactual_models as cm
from counterfactual_models.errors import DiscipleError, WorldError
from counterfactual_models.zoo import million
from counterfactual_models.zoo.million import Load
from inference import diagnostics


def tv(tosses):
    example = million.example(tosses=tosses)
    return example.exact(example.disciples["load"]).joint_tv


@pytest.mark.parametrize(("tosses", "expected"), [(1, 0.01), (100, 0.0799), (10_000, 0.6827)])
def test_small_shifts_come_to_a_great_one(tosses, expected):
    found = tv(tosses)
    assert found == pytest.approx(expected, abs=5e-5)
    # The count is likelier to be the disciple's from one number on: the chances there differ most.
    counts = np.arange(-1, tosses + 1)
    gaps = binom.sf(counts, tosses, 0.51) - binom.sf(counts, tosses, 0.5)
    assert found == pytest.approx(gaps.max(), abs=1e-9)


@pytest.mark.parametrize("tosses", [100, 10_000])
def test_two_normal_laws_are_as_far_apart_by_and_by(tosses):
    assert tv(tosses) == pytest.approx(erf(0.01 * math.sqrt(tosses) / math.sqrt(2)), rel=5e-3)


def test_more_tosses_never_tell_less_and_never_more_than_their_sum():
    found = [tv(n) for n in (1, 2, 5, 10, 50, 200)]
    assert found == sorted(found)
    assert all(f <= 0.01 * n + 1e-12 for f, n in zip(found, (1, 2, 5, 10, 50, 200), strict=True))


def test_the_count_tells_all_that_the_tosses_tell():
    # By brute force over all sequences of ten tosses.
    heads = np.array([bin(k).count("1") for k in range(2**10)])
    off, on = (p**heads * (1 - p) ** (10 - heads) for p in (0.5, 0.51))
    assert tv(10) == pytest.approx(abs(on - off).sum() / 2)


def test_the_program_has_the_laws_of_exact():
    enumerated.assert_lawful(million.example(tosses=100))


@pytest.mark.parametrize("tosses", [1, 100, 10_000])
def test_draws_have_the_moments_of_exact_and_the_tv(tosses):
    example = million.example(tosses=tosses)
    tree = finite_draws.draw(example, draws=2500)
    for label, p in (("erased", 0.5), ("null", 0.5), ("load", 0.51)):
        heads = tree["predictions"]["heads"].sel(disciple=label).values.astype(float)
        error = math.sqrt(tosses * p * (1 - p) / heads.size)
        assert abs(heads.mean() - tosses * p) <= 4 * error
    own = diagnostics.coarse_graining(tree).sel(disciple="load", measurement="heads")
    # Sixteen cells see a little less than all counts.
    assert abs(own["tv"] - tv(tosses)) <= 4 * own["mcse"] + 0.02


@pytest.mark.parametrize("disciple", ["null", "load"])
def test_the_world_passes_its_check(disciple):
    example = million.example()
    checked = cm.check_world(example.world, example.disciples[disciple])
    assert tuple(checked.named("measurement")) == ("heads",)


@pytest.mark.parametrize("tosses", [0, -1, 2.5, "many"])
def test_no_toss_is_refused(tosses):
    with pytest.raises(WorldError, match=r"tosses=.*at least 1"):
        million.example(tosses=tosses)


@pytest.mark.parametrize("by", [0.6, -0.6, np.nan, "a little"])
def test_a_load_that_is_none_is_refused(by):
    with pytest.raises(DiscipleError, match=r"by=.*from -0\.5 to 0\.5"):
        Load(by)
